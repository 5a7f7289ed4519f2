#include "base/size.h"

#include "base/ascii.h"

bool size_parse(struct slice text, uint64_t *out)
{
    static const char units[] = "KMGT";
    const char *unit = text.len > 0 ? strchr(units, ascii_upper(text.ptr[text.len - 1])) : NULL;
    uint64_t value, factor = 1;

    if (unit != NULL && *unit != '\0') {
        factor = (uint64_t) 1 << (10 * (unit - units + 1));
        text.len--;
    }
    return slice_to_u64(text, &value) && !__builtin_mul_overflow(value, factor, out);
}
