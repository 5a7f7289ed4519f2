#include "auth/backend.h"

const char *backend_result_name(enum backend_result result)
{
    static const char *const names[] = {"right", "wrong", "unknown", "disabled", "unavailable"};

    return names[result];
}
