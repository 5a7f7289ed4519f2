/*
 * Dates of commands: RFC 9051 section 9 (date, date-time). The calendar is the proleptic
 * Gregorian one, counted in days from 1970-01-01.
 */
#include "base/ascii.h"
#include "imap/lex.h"
#include "imap/print.h"

#define SEC_PER_DAY 86400
/* The last second of the year 9999: the most date-time can say. */
#define DATE_MAX_SEC 253402300799
#define DATE_MIN_SEC (-62167219200) /* 1 January of the year 0 */

static const char month_names[12][3] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct civil {
    int32_t year;
    int32_t month, day; /* from 1 */
};

/*
 * Years are counted from March, so that the leap day is a year's last; 400 years have 146097
 * days. 719468 days lie between 1 March of year 0 and 1 January 1970.
 */
static int32_t days_of(struct civil c)
{
    int32_t year = c.month <= 2 ? c.year - 1 : c.year;
    int32_t era = (year >= 0 ? year : year - 399) / 400;
    int32_t year_of_era = year - era * 400;
    int32_t day_of_year = (153 * (c.month + (c.month > 2 ? -3 : 9)) + 2) / 5 + c.day - 1;
    int32_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

static struct civil civil_of(int32_t days)
{
    int32_t z = days + 719468;
    int32_t era = (z >= 0 ? z : z - 146096) / 146097;
    int32_t day_of_era = z - era * 146097;
    int32_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int32_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int32_t month = (5 * day_of_year + 2) / 153;
    struct civil c = {.day = day_of_year - (153 * month + 2) / 5 + 1};

    c.month = month < 10 ? month + 3 : month - 9;
    c.year = year_of_era + era * 400 + (c.month <= 2);
    return c;
}

/* Exactly n digits, or between 1 and n if short numbers are allowed. */
static bool scan_digits(struct scan *sc, size_t least, size_t most, int32_t *out)
{
    struct scan at = *sc;
    struct slice digits = scan_while(&at, ascii_is_digit);
    uint32_t value;

    if (digits.len < least || digits.len > most || !slice_to_u32(digits, &value))
        return false;
    *sc = at;
    *out = (int32_t) value;
    return true;
}

static bool scan_month(struct scan *sc, int32_t *out)
{
    for (size_t i = 0; i < COUNT(month_names); i++) {
        if (scan_literal_nocase(sc, slice_of(month_names[i], 3))) {
            *out = (int32_t) i + 1;
            return true;
        }
    }
    return false;
}

/* "-" month "-" year, with the day read already; the day must exist in that month. */
static bool scan_month_year(struct scan *sc, int32_t day, int32_t *out_days)
{
    struct civil c = {.day = day};
    int32_t days;

    if (!scan_byte(sc, '-') || !scan_month(sc, &c.month) || !scan_byte(sc, '-') ||
        !scan_digits(sc, 4, 4, &c.year) || day < 1 || day > 31)
        return false;
    days = days_of(c);
    if (civil_of(days).month != c.month)
        return false;
    *out_days = days;
    return true;
}

static bool scan_date_text(struct scan *sc, int32_t *out_days)
{
    int32_t day;

    return scan_digits(sc, 1, 2, &day) && scan_month_year(sc, day, out_days);
}

bool lex_date_text(struct slice s, int32_t *out_day)
{
    struct scan sc = scan_of(s);
    int32_t day;

    if (!scan_date_text(&sc, &day) || !scan_done(&sc))
        return false;
    *out_day = day;
    return true;
}

/* Second 60 is a leap second; it counts as the next minute's first. */
static bool scan_time(struct scan *sc, int32_t *out_sec)
{
    int32_t h, m, s;

    if (!scan_digits(sc, 2, 2, &h) || !scan_byte(sc, ':') || !scan_digits(sc, 2, 2, &m) ||
        !scan_byte(sc, ':') || !scan_digits(sc, 2, 2, &s) || h > 23 || m > 59 || s > 60)
        return false;
    *out_sec = h * 3600 + m * 60 + s;
    return true;
}

static bool scan_zone(struct scan *sc, int16_t *out_minutes)
{
    bool west = scan_peek(sc) == '-';
    int32_t hhmm, minutes;

    if ((!scan_byte(sc, '+') && !scan_byte(sc, '-')) || !scan_digits(sc, 4, 4, &hhmm) ||
        hhmm % 100 > 59 || hhmm / 100 > 23)
        return false;
    minutes = hhmm / 100 * 60 + hhmm % 100;
    *out_minutes = (int16_t) (west ? -minutes : minutes);
    return true;
}

bool lex_date_time_text(struct slice s, struct imap_date_time *out)
{
    struct scan sc = scan_of(s);
    int32_t day, days, sec;
    struct imap_date_time date;

    /* date-day-fixed: SP DIGIT, or two digits */
    if (!(scan_byte(&sc, ' ') ? scan_digits(&sc, 1, 1, &day) : scan_digits(&sc, 2, 2, &day)))
        return false;
    if (!scan_month_year(&sc, day, &days) || !scan_byte(&sc, ' ') || !scan_time(&sc, &sec) ||
        !scan_byte(&sc, ' ') || !scan_zone(&sc, &date.zone_minutes) || !scan_done(&sc))
        return false;
    date.sec = (int64_t) days * SEC_PER_DAY + sec - (int64_t) date.zone_minutes * 60;
    *out = date;
    return true;
}

bool lex_date(struct imap_input *in, int32_t *out_day)
{
    struct scan sc = in->sc;
    bool quoted = scan_byte(&sc, '"');
    int32_t day;

    if (!scan_date_text(&sc, &day) || (quoted && !scan_byte(&sc, '"')))
        return false;
    in->sc = sc;
    *out_day = day;
    return true;
}

bool lex_date_time(struct imap_input *in, struct imap_date_time *out)
{
    struct scan sc = in->sc;
    struct slice text;

    if (!scan_byte(&sc, '"') || !scan_until(&sc, '"', &text) || !lex_date_time_text(text, out))
        return false;
    (void) scan_byte(&sc, '"');
    in->sc = sc;
    return true;
}

/* time-numoffset, or "Z" */
static bool scan_offset_minutes(struct scan *sc, int32_t *out)
{
    bool west = scan_peek(sc) == '-';
    int32_t h, m;

    *out = 0;
    if (scan_byte(sc, 'Z') || scan_byte(sc, 'z'))
        return true;
    if ((!scan_byte(sc, '+') && !scan_byte(sc, '-')) || !scan_digits(sc, 2, 2, &h) ||
        !scan_byte(sc, ':') || !scan_digits(sc, 2, 2, &m) || h > 23 || m > 59)
        return false;
    *out = (west ? -1 : 1) * (h * 60 + m);
    return true;
}

bool lex_timestamp(struct scan *sc, int64_t *out_sec)
{
    struct scan at = *sc;
    int32_t sec, offset, days;
    struct civil c;

    if (!scan_digits(&at, 4, 4, &c.year) || !scan_byte(&at, '-') ||
        !scan_digits(&at, 2, 2, &c.month) || !scan_byte(&at, '-') ||
        !scan_digits(&at, 2, 2, &c.day) || c.month < 1 || c.month > 12 || c.day < 1 ||
        c.day > 31)
        return false;
    days = days_of(c);
    if (civil_of(days).month != c.month || (!scan_byte(&at, 'T') && !scan_byte(&at, 't')) ||
        !scan_time(&at, &sec))
        return false;
    if (scan_byte(&at, '.') && scan_while(&at, ascii_is_digit).len == 0)
        return false;
    if (!scan_offset_minutes(&at, &offset))
        return false;
    *sc = at;
    *out_sec = (int64_t) days * SEC_PER_DAY + sec - (int64_t) offset * 60;
    return true;
}

static char digit_of(int32_t value)
{
    return (char) ('0' + value % 10);
}

void imap_print_date_time(struct buf *buf, struct imap_date_time date)
{
    const struct slice pattern = SLICE("\"00-Jan-0000 00:00:00 +0000\"");
    int64_t zone = MAX(MIN((int64_t) date.zone_minutes, 23 * 60 + 59), -(23 * 60 + 59));
    int64_t local =
        date.sec > DATE_MAX_SEC || date.sec < DATE_MIN_SEC ? 0 : date.sec + zone * 60;
    int64_t days, rest;
    struct civil c;
    int32_t sec, off = (int32_t) (zone < 0 ? -zone : zone);
    char *p;

    local = MAX(MIN(local, DATE_MAX_SEC), DATE_MIN_SEC);
    rest = local % SEC_PER_DAY;
    rest += rest < 0 ? SEC_PER_DAY : 0;
    days = (local - rest) / SEC_PER_DAY;
    c = civil_of((int32_t) days);
    sec = (int32_t) rest;
    p = buf_reserve(buf, pattern.len);
    if (p == NULL)
        return;
    memcpy(p, pattern.ptr, pattern.len);
    p[1] = c.day < 10 ? ' ' : digit_of(c.day / 10);
    p[2] = digit_of(c.day);
    memcpy(p + 4, month_names[c.month - 1], 3);
    p[8] = digit_of(c.year / 1000);
    p[9] = digit_of(c.year / 100);
    p[10] = digit_of(c.year / 10);
    p[11] = digit_of(c.year);
    p[13] = digit_of(sec / 36000);
    p[14] = digit_of(sec / 3600);
    p[16] = digit_of(sec / 600 % 6);
    p[17] = digit_of(sec / 60);
    p[19] = digit_of(sec / 10 % 6);
    p[20] = digit_of(sec);
    p[22] = zone < 0 ? '-' : '+';
    p[23] = digit_of(off / 600);
    p[24] = digit_of(off / 60);
    p[25] = digit_of(off % 60 / 10);
    p[26] = digit_of(off % 60);
    buf->len += pattern.len;
}

void imap_print_date(struct buf *buf, int32_t day)
{
    struct civil c = civil_of(day);

    buf_printf(buf, "%d-%.3s-%04d", c.day, month_names[c.month - 1], c.year);
}
