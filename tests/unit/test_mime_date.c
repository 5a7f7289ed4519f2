/* test_mime_date.c - the Date field: the forms of RFC 5322 and those that mail has. */
// links: mime
#include "lib/test.h"
#include "mime/date.h"

// clang-format off
static const struct {
    const char *raw;
    bool ok;
    int64_t utc_sec;
    int32_t day;
} rows[] = {
    {"Fri, 21 Nov 1997 09:55:06 -0600", true, 880127706, 10186},
    {"Thu,\r\n\t13\r\n\tFeb\r\n\t1969\r\n\t23:32\r\n\t-0330 (Newfoundland Time)", true, -27723480, -322},  /* RFC 5322 A.5 */
    {"21 Nov 97 09:55:06 GMT", true, 880106106, 10186},  /* A.6.2 */
    {"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", true, 880127706, 10186},  /* A.6.3 */
    {"1 Jan 2020 10 :(a (b)) 20 +0100", true, 1577870400, 18262},
    {"1 Jan 2020 (x) 10:20:30 (y) +0100", true, 1577870430, 18262},
    {"1 Jan 49 00:00:00 +0000", true, 2493072000, 28855},  /* 4.3 */
    {"1 Jan 50 00:00:00 +0000", true, -631152000, -7305},
    {"1 Jan 120 00:00:00 +0000", true, 1577836800, 18262},
    {"1 Jan 2020 00:00:00 EST", true, 1577854800, 18262},
    {"1 Jan 2020 00:00:00 K", true, 1577836800, 18262},  /* one letter: UTC */
    {"1 Jan 2020", true, 1577836800, 18262},  /* RFC 5256 2.2: no time */
    {"1 Jan 2020 25:00:00", true, 1577836800, 18262},
    {"Wed Jan  1 23:00:00 2020", true, 1577919600, 18262},  /* asctime */
    {"1-Jan-2020 10.20", true, 1577836800, 18262},
    {"1 January 2020 10:20:30 +01:00", true, 1577870430, 18262},
    {"", false, 0, 0},
    {"yesterday", false, 0, 0},
    {"1 Jan", false, 0, 0},
    {"Jan 2020", false, 0, 0},
    {"32 Jan 2020", false, 0, 0},
    {"1 Foo 2020", false, 0, 0},
    {"(1 Jan 2020)", false, 0, 0},
};
// clang-format on

static void rows_of_dates(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct mime_date date = {0};

        print_message("%s\n", rows[i].raw);
        assert_int_equal(date_parse(slice_from_str(rows[i].raw), &date), rows[i].ok);
        assert_int_equal(date.utc_sec, rows[i].utc_sec);
        assert_int_equal(date.day, rows[i].day);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_of_dates)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
