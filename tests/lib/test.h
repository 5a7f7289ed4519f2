/*
 * test.h - what every unit test includes: cmocka with the headers it wants before itself, and
 * checks that print slices.
 */
#ifndef ROOST_TESTS_TEST_H
#define ROOST_TESTS_TEST_H

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "base/slice.h"

#define assert_slice_equal(got, want)                                                          \
    do {                                                                                       \
        struct slice got_ = (got), want_ = (want);                                             \
        if (!slice_eq(got_, want_))                                                            \
            fail_msg("got \"%.*s\", want \"%.*s\"", SLICE_ARG(got_), SLICE_ARG(want_));        \
    } while (0)

#endif
