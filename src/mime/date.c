#include "mime/date.h"

#include <string.h>

#include "base/ascii.h"
#include "base/scan.h"
#include "mime/header.h"

#define YEAR_MIN     1900
#define YEAR_MAX     9999
#define TOKENS_MAX   32u /* a date has at most nine; the rest is a comment */
#define DAY_SEC      86400
#define HOUR_SEC     3600
#define ZONE_MAX_MIN (26 * 60) /* more is no zone but a mistake */

static const char month_names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

/* RFC 5322 4.3; minutes east of Greenwich. One-letter zones mean nothing there: UTC. */
static const struct {
    const char *name;
    int32_t minutes;
} zones[] = {
    {"ut",   0          },
    {"gmt",  0          },
    {"utc",  0          },
    {"est",  -5 * 60    },
    {"edt",  -4 * 60    },
    {"cst",  -6 * 60    },
    {"cdt",  -5 * 60    },
    {"mst",  -7 * 60    },
    {"mdt",  -6 * 60    },
    {"pst",  -8 * 60    },
    {"pdt",  -7 * 60    },
    {"cet",  60         },
    {"cest", 2 * 60     },
    {"met",  60         },
    {"mest", 2 * 60     },
    {"bst",  60         },
    {"wet",  0          },
    {"west", 60         },
    {"eet",  2 * 60     },
    {"eest", 3 * 60     },
    {"msk",  3 * 60     },
    {"jst",  9 * 60     },
    {"kst",  9 * 60     },
    {"ist",  5 * 60 + 30},
};

/* What has been seen; -1: not yet. */
struct seen {
    int32_t year, month, day, hour, min, sec;
    int32_t zone_min;
    bool has_zone;
};

static int32_t month_of(struct slice word)
{
    char head[4];

    if (word.len < 3)
        return -1;
    for (size_t i = 0; i < 3; i++)
        head[i] = ascii_lower(word.ptr[i]);
    head[3] = '\0';
    for (int32_t month = 0; month < 12; month++)
        if (memcmp(head, month_names + 3 * (size_t) month, 3) == 0)
            return month + 1;
    return -1;
}

static void take_word(struct seen *seen, struct slice word)
{
    if (seen->month < 0 && (seen->month = month_of(word)) > 0)
        return;
    for (size_t i = 0; i < COUNT(zones); i++) {
        if (!seen->has_zone && slice_eq_nocase(word, slice_from_str(zones[i].name))) {
            seen->zone_min = zones[i].minutes;
            seen->has_zone = true;
        }
    }
}

/* RFC 5322 4.3: two digits below 50 are 20xx, else 19xx; three digits count from 1900. */
static int32_t year_of(uint32_t value, size_t digits)
{
    if (digits <= 2)
        return (int32_t) (value < 50 ? 2000 + value : 1900 + value);
    return (int32_t) (digits == 3 ? 1900 + value : value);
}

/* A number that is neither time nor zone: the day, if there is none and it can be one. */
static void take_number(struct seen *seen, uint32_t value, size_t digits)
{
    if (seen->day < 0 && digits <= 2 && value >= 1 && value <= 31)
        seen->day = (int32_t) value;
    else if (seen->day >= 0 && seen->month < 0 && digits <= 2 && value >= 1 && value <= 12)
        seen->month = (int32_t) value;
    else if (seen->year < 0 && digits <= 4)
        seen->year = year_of(value, digits);
}

/* A colon of a time. RFC 5322 4.3 lets white space and comments stand around it. */
static bool take_colon(struct scan *sc)
{
    struct scan at = *sc;

    header_skip_blank(&at);
    if (!scan_byte(&at, ':'))
        return false;
    header_skip_blank(&at);
    *sc = at;
    return true;
}

/* mm[:ss], the hour and its colon read already. */
static void take_time(struct seen *seen, struct scan *sc, uint32_t hour)
{
    uint32_t min = 0, sec = 0;

    if (!scan_u32(sc, &min))
        return;
    if (take_colon(sc) || scan_byte(sc, '.'))
        (void) scan_u32(sc, &sec);
    if (seen->hour >= 0 || hour > 24 || min > 59 || sec > 60)
        return;
    seen->hour = (int32_t) hour;
    seen->min = (int32_t) min;
    seen->sec = (int32_t) sec;
}

/* +hhmm or +hh:mm, its sign read already. */
static void take_zone(struct seen *seen, struct scan *sc, int32_t sign)
{
    size_t start = scan_offset(sc);
    uint32_t value = 0, min = 0;
    size_t digits;

    if (!scan_u32(sc, &value))
        return;
    digits = scan_offset(sc) - start;
    if (digits <= 2) {
        if (scan_byte(sc, ':'))
            (void) scan_u32(sc, &min);
    } else {
        min = value % 100;
        value /= 100;
    }
    if (value > 26 || min > 59 || value * 60 + min > ZONE_MAX_MIN)
        return;
    seen->zone_min = sign * (int32_t) (value * 60 + min);
    seen->has_zone = true;
}

static void take_token(struct seen *seen, struct scan *sc)
{
    int c = scan_peek(sc);
    struct slice taken;

    if (ascii_is_alpha((char) c)) {
        take_word(seen, scan_while(sc, ascii_is_alpha));
    } else if (ascii_is_digit((char) c)) {
        size_t start = scan_offset(sc), digits;
        uint32_t value = 0;
        bool is_number = scan_u32(sc, &value);

        digits = scan_offset(sc) - start;
        if (!is_number)
            (void) scan_while(sc, ascii_is_digit);
        else if (take_colon(sc))
            take_time(seen, sc, value);
        else
            take_number(seen, value, digits);
    } else {
        (void) scan_take(sc, 1, &taken);
        if ((c == '+' || c == '-') && seen->hour >= 0 && !seen->has_zone)
            take_zone(seen, sc, c == '+' ? 1 : -1);
    }
}

/* Days since 1970-01-01 in the Gregorian calendar. */
static int32_t days_of(int32_t year, int32_t month, int32_t day)
{
    int32_t y = month <= 2 ? year - 1 : year;
    int32_t m = month <= 2 ? month + 9 : month - 3; /* from March */

    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

bool date_parse(struct slice raw, struct mime_date *out)
{
    struct seen seen = {-1, -1, -1, -1, -1, -1, 0, false};
    struct scan sc = scan_of(raw);
    int32_t days;

    for (size_t n = 0; n < TOKENS_MAX && !scan_done(&sc); n++) {
        header_skip_blank(&sc);
        if (!scan_done(&sc))
            take_token(&seen, &sc);
    }
    if (seen.year < YEAR_MIN || seen.year > YEAR_MAX || seen.month < 1 || seen.day < 1)
        return false;
    days = days_of(seen.year, seen.month, seen.day);
    out->day = days;
    out->utc_sec = (int64_t) days * DAY_SEC - (int64_t) seen.zone_min * 60;
    if (seen.hour >= 0)
        out->utc_sec += (int64_t) seen.hour * HOUR_SEC + (int64_t) seen.min * 60 + seen.sec;
    return true;
}
