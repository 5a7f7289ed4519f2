/* test_date.c - date and date-time: the forms of the grammar and the days that are none. */
// links: imap
#include "imap/lex.h"
#include "imap/print.h"
#include "lib/test.h"

// clang-format off
static const struct {
    const char *text;
    bool ok;
    int32_t day;
} dates[] = {
    {"1-Jan-1970",    true,  0},
    {"01-jan-1970",   true,  0},
    {"31-Dec-1969",   true,  -1},
    {"29-Feb-2000",   true,  11016},
    {"28-Feb-1900",   true,  -25509},
    {"1-Mar-1900",    true,  -25508},
    {"31-Dec-9999",   true,  2932896},
    {"29-Feb-1900",   false, 0}, /* no leap year */
    {"29-Feb-2001",   false, 0},
    {"31-Apr-2000",   false, 0},
    {"32-Jan-2000",   false, 0},
    {"0-Jan-2000",    false, 0},
    {"001-Jan-2000",  false, 0},
    {" 1-Jan-2000",   false, 0},
    {"1-Jan-200",     false, 0},
    {"1-Jan-20000",   false, 0},
    {"1-Foo-2000",    false, 0},
    {"1-January-2000", false, 0},
    {"1 Jan 2000",    false, 0},
    {"1-1-2000",      false, 0},
    {"1-Jan--200",    false, 0},
    {"",              false, 0},
};

static const struct {
    const char *text;
    bool ok;
    int64_t sec;
    int16_t zone;
} date_times[] = {
    {"17-Jul-1996 02:44:25 -0700", true,  837596665, -420},
    {" 1-Jan-1970 00:00:00 +0000", true,  0,         0},
    {"01-Jan-1970 01:00:00 +0100", true,  0,         60},
    {" 1-Jan-1970 00:00:00 -0000", true,  0,         0},
    {"31-Dec-1998 23:59:60 +0000", true,  915148800, 0}, /* a leap second */
    {" 1-Jan-0000 00:00:00 +0000", true,  -62167219200, 0},
    {"1-Jan-1970 00:00:00 +0000",  false, 0, 0}, /* two places for the day */
    {"  1-Jan-1970 00:00:00 +0000", false, 0, 0},
    {" 1-Jan-1970 24:00:00 +0000", false, 0, 0},
    {" 1-Jan-1970 00:60:00 +0000", false, 0, 0},
    {" 1-Jan-1970 00:00:61 +0000", false, 0, 0},
    {" 1-Jan-1970 0:00:00 +0000",  false, 0, 0},
    {" 1-Jan-1970 00:00:00 +000",  false, 0, 0},
    {" 1-Jan-1970 00:00:00 0000",  false, 0, 0},
    {" 1-Jan-1970 00:00:00 +0060", false, 0, 0},
    {" 1-Jan-1970 00:00:00 +2400", false, 0, 0},
    {" 1-Jan-1970 00:00:00 GMT",   false, 0, 0},
    {" 1-Jan-1970 00:00:00 +0000 ", false, 0, 0},
    {"30-Feb-1970 00:00:00 +0000", false, 0, 0},
};
// clang-format on

static void dates_are_days_of_the_calendar(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(dates); i++) {
        int32_t day = 0;

        print_message("%s\n", dates[i].text);
        assert_int_equal(lex_date_text(slice_from_str(dates[i].text), &day), dates[i].ok);
        assert_int_equal(day, dates[i].day);
    }
}

static void every_day_comes_back(void **state)
{
    (void) state;
    for (int32_t day = -719528; day <= 2932896; day += 97) {
        AUTO(buf_done) struct buf out = {0};
        int32_t again;

        buf_init(&out, 64);
        imap_print_date(&out, day);
        assert_true(lex_date_text(buf_slice(&out), &again));
        assert_int_equal(again, day);
    }
}

static void date_times_are_moments(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(date_times); i++) {
        struct imap_date_time date = {0};

        print_message("%s\n", date_times[i].text);
        assert_int_equal(lex_date_time_text(slice_from_str(date_times[i].text), &date),
                         date_times[i].ok);
        assert_int_equal(date.sec, date_times[i].sec);
        assert_int_equal(date.zone_minutes, date_times[i].zone);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_are_days_of_the_calendar),
        cmocka_unit_test(every_day_comes_back),
        cmocka_unit_test(date_times_are_moments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
