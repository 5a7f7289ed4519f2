#include "base/log.h"

#include <unistd.h>

#include "base/ascii.h"
#include "base/buf.h"

#define LOG_LINE_BYTES ((size_t) LOG_FIELDS_MAX * (LOG_FIELD_TEXT_BYTES * 4 + 64))

static log_sink_fn *the_sink; /* set before threads start */
static void *the_ctx;
static enum log_level the_level = LEVEL_INFO;

static const char *const level_names[LEVEL_COUNT] = {"debug", "info", "warning", "error"};

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

struct slice log_text(struct slice s)
{
    return slice_of(s.len > 0 ? s.ptr : "", MIN(s.len, (size_t) LOG_FIELD_TEXT_BYTES));
}

struct slice log_id(char text[LOG_ID_BYTES], uint64_t id)
{
    size_t at = LOG_ID_BYTES;

    do {
        text[--at] = (char) ('0' + id % 10);
        id /= 10;
    } while (id > 0);
    return slice_of(text + at, LOG_ID_BYTES - at);
}

void log_set_sink(log_sink_fn *sink, void *ctx)
{
    the_sink = sink;
    the_ctx = ctx;
}

void log_set_level(enum log_level level)
{
    the_level = level;
}

static void append_escaped(struct buf *line, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (ascii_is_ctl(text.ptr[i]))
            buf_printf(line, "\\x%02x", (unsigned) (unsigned char) text.ptr[i]);
        else
            buf_byte(line, text.ptr[i]);
    }
}

static void to_stderr(enum log_level level, const char *event, const struct log_field *fields,
                      size_t n)
{
    AUTO(buf_done) struct buf line = {0};

    buf_init(&line, LOG_LINE_BYTES);
    buf_printf(&line, "%s %s", log_level_name(level), event);
    for (size_t i = 0; i < n; i++) {
        buf_printf(&line, " %s=", fields[i].key);
        if (fields[i].text.ptr != NULL)
            append_escaped(&line, fields[i].text);
        else
            buf_printf(&line, "%lld", (long long) fields[i].number);
    }
    buf_byte(&line, '\n');
    (void) !write(STDERR_FILENO, line.ptr, line.len); /* nowhere left to say that it failed */
}

void log_fields(enum log_level level, const char *event, const struct log_field *fields,
                size_t n)
{
    if (level < the_level)
        return;
    if (the_sink != NULL)
        the_sink(the_ctx, level, event, fields, n);
    else
        to_stderr(level, event, fields, n);
}

enum log_level log_level_of(const char *name)
{
    for (int level = LEVEL_DEBUG; level < LEVEL_COUNT; level++) {
        if (strcmp(log_level_name((enum log_level) level), name) == 0)
            return (enum log_level) level;
    }
    return LEVEL_INFO;
}
