#include "events/log_line.h"

#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "ipc/log_pack.h"

void log_line_time(struct buf *out, uint64_t time_us)
{
    time_t sec = (time_t) (time_us / 1000000);
    struct tm tm;
    char text[32];

    if (gmtime_r(&sec, &tm) == NULL ||
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        (void) snprintf(text, sizeof(text), "1970-01-01T00:00:00");
    buf_printf(out, "%s.%06uZ", text, (unsigned) (time_us % 1000000));
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
    while (!scan_done(&sc)) {
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
    buf_printf(out, " %s %s ", log_line_level(event->level), role);
    buf_append(out, log_line_name(event->event));
    while (log_unpack_next(&sc, &field)) {
        buf_byte(out, ' ');
        buf_append(out, log_line_name(field.key));
        buf_byte(out, '=');
        if (field.is_number)
            buf_printf(out, "%lld", (long long) field.number);
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
    buf_printf(out,
               "\",\"level\":\"%s\",\"role\":\"%s\",\"event\":", log_line_level(event->level),
               role);
    log_line_quoted(out, log_line_name(event->event));
    while (log_unpack_next(&sc, &field)) {
        buf_byte(out, ',');
        append_json_name(out, log_line_name(field.key));
        if (field.is_number)
            buf_printf(out, "%lld", (long long) field.number);
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
