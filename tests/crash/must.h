/* must.h - a step without which a program of this folder has nothing to say. */
#ifndef ROOST_TESTS_CRASH_MUST_H
#define ROOST_TESTS_CRASH_MUST_H

#include "base/err.h"

static inline void must(enum rc rc, const char *what, const struct err *err)
{
    if (rc)
        die("%s: %s: %s", what, err->text, err->detail);
}

#endif
