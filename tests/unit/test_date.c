/* test_date.c - dates as RFC 5322 has them, and as mail has them. */
// links: mime
#include "lib/test.h"
#include "mime/date.h"

#define NOV21 20778 /* days from 1970-01-01 to 2026-11-21 */

static const struct {
    const char *raw;
    bool ok;
    int64_t sec; /* of the day, UTC */
    int32_t day; /* after 1970 */
} rows[] = {
    {"Sat, 21 Nov 2026 20:42:26 +0000",                true,  74546,         NOV21},
    {"Sat, 21 Nov 2026 20:42:26 +0100",                true,  74546 - 3600,  NOV21},
    {"Sat, 21 Nov 2026 23:42:26 -0130",                true,  85346 + 5400,  NOV21},
    {"21 Nov 2026 20:42 GMT",                          true,  74520,         NOV21},
    {"Sat, 21 Nov 26 20:42:26 PST",                    true,  74546 + 28800, NOV21},
    {"Sat Nov 21 20:42:26 2026",                       true,  74546,         NOV21},
    {"Sat Nov 21 20:42:26 CET 2026",                   true,  74546 - 3600,  NOV21},
    {"Saturday, November 21, 2026 20:42:26",           true,  74546,         NOV21},
    {"21-Nov-2026 20:42:26 +0000",                     true,  74546,         NOV21},
    {"21/11/2026 20:42:26",                            true,  74546,         NOV21},
    {"Sat,\r\n 21 Nov 2026 (x) 20:42:26 +01:00 (CET)", true,  74546 - 3600,  NOV21},
    {"21 Nov 2026",                                    true,  0,             NOV21},
    {"Sat, 21 Nov 2026 20:42:26 +9900",                true,  74546,         NOV21},
    {"1 Jan 1970 00:00:00 +0000",                      true,  0,             0    },
    {"31 Dec 1969 23:59:59 +0000",                     true,  86399,         -1   },
    {"1 Jan 70 00:00:00 +0000",                        true,  0,             0    },
    {"29 Feb 2000 00:00:00 +0000",                     true,  0,             11016},
    {"1 Jan 126 00:00:00 +0000",                       true,  0,             20454},
    {"",                                               false, 0,             0    },
    {"yesterday",                                      false, 0,             0    },
    {"20:42:26 +0100",                                 false, 0,             0    },
    {"Nov 2026",                                       false, 0,             0    },
    {"0 Nov 2026",                                     false, 0,             0    },
    {"99999999999999999999 Nov",                       false, 0,             0    },
};

static void rows_of_dates(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct mime_date date = {-1, -1};

        print_message("%s\n", rows[i].raw);
        assert_int_equal(date_parse(slice_from_str(rows[i].raw), &date), rows[i].ok);
        if (!rows[i].ok)
            continue;
        assert_int_equal(date.day, rows[i].day);
        assert_int_equal(date.utc_sec, (int64_t) rows[i].day * 86400 + rows[i].sec);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_of_dates)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
