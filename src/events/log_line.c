#include "events/log_line.h"

#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/decimal.h"
#include "base/utf8.h"
#include "ipc/log_pack.h"

#define US_PER_SEC 1000000u
#define TM_YEAR_0  1900 /* of struct tm */

/* RFC 3339. A year that has not four digits is that of no clock. */
void log_line_time(struct buf *out, uint64_t time_us)
{
    char text[] = "1970-01-01T00:00:00.000000Z";
    time_t sec = (time_t) (time_us / US_PER_SEC);
    uint32_t us = (uint32_t) (time_us % US_PER_SEC);
    struct tm tm;

    if (gmtime_r(&sec, &tm) != NULL && tm.tm_year >= 0 && tm.tm_year < 10000 - TM_YEAR_0) {
        (void) decimal_put_pair(text, (uint32_t) (tm.tm_year + TM_YEAR_0) / 100);
        (void) decimal_put_pair(text + 2, (uint32_t) (tm.tm_year + TM_YEAR_0) % 100);
        (void) decimal_put_pair(text + 5, (uint32_t) tm.tm_mon + 1);
        (void) decimal_put_pair(text + 8, (uint32_t) tm.tm_mday);
        (void) decimal_put_pair(text + 11, (uint32_t) tm.tm_hour);
        (void) decimal_put_pair(text + 14, (uint32_t) tm.tm_min);
        (void) decimal_put_pair(text + 17, (uint32_t) tm.tm_sec);
    }
    (void) decimal_put_pair(text + 20, us / 10000);
    (void) decimal_put_pair(text + 22, us / 100 % 100);
    (void) decimal_put_pair(text + 24, us % 100);
    buf_append(out, slice_of(text, sizeof(text) - 1));
}

void log_line_number(struct buf *out, int64_t number)
{
    if (number < 0)
        buf_byte(out, '-');
    buf_u64(out, number < 0 ? 0 - (uint64_t) number : (uint64_t) number);
}

/* Stands in quotes as it is. */
static bool is_quotable(char c)
{
    return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

static void append_quoted_char(struct buf *out, uint32_t ch)
{
    if (ch == '"' || ch == '\\') {
        buf_byte(out, '\\');
        buf_byte(out, (char) ch);
    } else if (ch == '\n') {
        buf_str(out, "\\n");
    } else if (ch == '\r') {
        buf_str(out, "\\r");
    } else if (ch == '\t') {
        buf_str(out, "\\t");
    } else if (utf8_is_control(ch)) { /* none is above U+FFFF */
        buf_printf(out, "\\u%04x", (unsigned) ch);
    } else {
        utf8_append(out, ch);
    }
}

void log_line_quoted(struct buf *out, struct slice text)
{
    struct scan sc = scan_of(text);
    struct slice bad;
    uint32_t ch;

    buf_byte(out, '"');
    for (;;) {
        buf_append(out, scan_while(&sc, is_quotable));
        if (scan_done(&sc))
            break;
        if (!utf8_scan(&sc, &ch)) {
            (void) scan_take(&sc, 1, &bad); /* as utf8_append_repaired() */
            ch = 0xfffd;
        }
        append_quoted_char(out, ch);
    }
    buf_byte(out, '"');
}

static bool is_plain(char c)
{
    return c > ' ' && c != '"' && c != '\\' && c != 0x7f && !ascii_is_8bit(c);
}

/* A value of the text form: as it is where that is unambiguous. */
static void append_value(struct buf *out, struct slice text)
{
    struct scan sc = scan_of(text);

    if (text.len > 0 && scan_while(&sc, is_plain).len == text.len)
        buf_append(out, text);
    else
        log_line_quoted(out, text);
}

static bool is_key_byte(char c)
{
    return (c >= 'a' && c <= 'z') || ascii_is_digit(c) || c == '_' || c == '.';
}

struct slice log_line_name(struct slice name)
{
    struct scan sc = scan_of(name);

    return name.len > 0 && scan_while(&sc, is_key_byte).len == name.len ? name : SLICE("?");
}

const char *log_line_level(uint8_t level)
{
    return level < LEVEL_COUNT ? log_level_name((enum log_level) level) : "error";
}

void log_line_text(struct buf *out, const char *role, const struct msg_log_event *event)
{
    struct scan sc = scan_of(event->fields);
    struct log_unpacked field;

    log_line_time(out, event->time_us);
    buf_byte(out, ' ');
    buf_str(out, log_line_level(event->level));
    buf_byte(out, ' ');
    buf_str(out, role);
    buf_byte(out, ' ');
    buf_append(out, log_line_name(event->event));
    while (log_unpack_next(&sc, &field)) {
        buf_byte(out, ' ');
        buf_append(out, log_line_name(field.key));
        buf_byte(out, '=');
        if (field.is_number)
            log_line_number(out, field.number);
        else
            append_value(out, field.text);
    }
    if (event->lost > 0)
        buf_printf(out, " lost_before=%u", event->lost);
}

/* A field of such a name would stand twice in the object, and many a reader takes the last. */
static bool is_own_member(struct slice name)
{
    return slice_eq(name, SLICE("level")) || slice_eq(name, SLICE("role")) ||
           slice_eq(name, SLICE("event")) || slice_eq(name, SLICE("lost_before"));
}

static void append_json_name(struct buf *out, struct slice name)
{
    buf_str(out, is_own_member(name) ? "\"roost." : "\"");
    buf_append(out, name);
    buf_str(out, "\":");
}

void log_line_json(struct buf *out, const char *role, const struct msg_log_event *event)
{
    struct scan sc = scan_of(event->fields);
    struct log_unpacked field;

    buf_str(out, "{\"@timestamp\":\"");
    log_line_time(out, event->time_us);
    buf_str(out, "\",\"level\":\"");
    buf_str(out, log_line_level(event->level));
    buf_str(out, "\",\"role\":\"");
    buf_str(out, role);
    buf_str(out, "\",\"event\":");
    log_line_quoted(out, log_line_name(event->event));
    while (log_unpack_next(&sc, &field)) {
        buf_byte(out, ',');
        append_json_name(out, log_line_name(field.key));
        if (field.is_number)
            log_line_number(out, field.number);
        else
            log_line_quoted(out, field.text);
    }
    if (event->lost > 0)
        buf_printf(out, ",\"lost_before\":%u", event->lost);
    buf_byte(out, '}');
}

void log_line_write_stderr(struct slice line)
{
    struct iovec parts[] = {
        {.iov_base = (char *) (uintptr_t) line.ptr, .iov_len = line.len},
        {.iov_base = (char *) (uintptr_t) "\n",     .iov_len = 1       },
    };

    (void) !writev(STDERR_FILENO, parts, COUNT(parts));
}
