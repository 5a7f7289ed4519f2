/* test_library.c - libraries that are loaded: which of their names, and what is said without
 * one. */
// links: base
#include <math.h>
#include <string.h>

#include "base/library.h"
#include "lib/test.h"

#define NO_FILE "libroost-is-not-there.so.7"

#define EACH_CALL(X)                                                                           \
    X(cbrt)                                                                                    \
    X(signgam)                                                                                 \
    X(fmod)

struct math_calls {
    EACH_CALL(LIBRARY_MEMBER)
};

static const char *const names[] = {EACH_CALL(LIBRARY_NAME) NULL};

static void the_first_file_that_is_there_is_taken(void **state)
{
    static const struct library rows[] = {
        {.files = {"libm.so.6"}, .wanted = "roots", .names = names},
        {                               .files = {NO_FILE, "libm.so.6"},     .wanted = "roots",    .names = names              },
        { .files = {"libm.so.6", NO_FILE},        .wanted = "roots",        .names = names,               .is_global = true},
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct math_calls calls = {NULL, NULL, NULL};

        assert_int_equal(library_load(&rows[i], &calls, NULL), RC_OK);
        assert_true(calls.cbrt(27.0) > 2.9 && calls.cbrt(27.0) < 3.1);
        assert_true(calls.fmod(7.0, 4.0) > 2.9 && calls.fmod(7.0, 4.0) < 3.1);
        assert_non_null(calls.signgam);
    }
}

static void says_what_is_missing(void **state)
{
    static const char *const more[] = {"cbrt", "roost_has_no_such_call", NULL};
    static const struct {
        struct library library;
        const char *says;
    } rows[] = {
        {{.files = {NO_FILE}, .wanted = "roots need the package libc6", .names = names},
         NO_FILE                 },
        {{.files = {"libm.so.6"}, .wanted = "roots need the package libc6", .names = more},
         "roost_has_no_such_call"},
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct math_calls calls = {NULL, NULL, NULL};
        struct err err;

        assert_int_equal(library_load(&rows[i].library, &calls, &err), RC_NOT_FOUND);
        assert_non_null(strstr(err.detail, "roots need the package libc6"));
        assert_non_null(strstr(err.detail, rows[i].says));
        assert_null(calls.cbrt); /* nothing is half there */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_file_that_is_there_is_taken),
        cmocka_unit_test(says_what_is_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
