/*
 * log.h - one line an event, written where a request ends.
 *
 * An event has a stable dotted name (docs/operating.md lists them) and fields with a type. The
 * process's sink decides where it goes: a role hands it to the `log` role, the command line
 * prints it. Fields hold no secret: passwords, tokens, keys and message text never reach a
 * field.
 *
 *     log_event(LEVEL_INFO, "login.ok", LOG_TEXT("user", user), LOG_NUM("port", port));
 */
#ifndef ROOST_BASE_LOG_H
#define ROOST_BASE_LOG_H

#include "base/slice.h"

enum log_level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARNING, LEVEL_ERROR };
#define LEVEL_COUNT (LEVEL_ERROR + 1)

#define LOG_FIELDS_MAX 24u
#define LOG_FIELD_TEXT_BYTES                                                                   \
    512u /* longer text is cut; control bytes are escaped by the writer */

struct log_field {
    const char *key; /* static, [a-z_]+ */
    struct slice text;
    int64_t number; /* used when text.ptr is NULL */
};

#define LOG_TEXT(key_, slice_) ((struct log_field){.key = (key_), .text = log_text(slice_)})
#define LOG_STR(key_, str_)    ((struct log_field){.key = (key_), .text = slice_from_str(str_)})
/* A random 64-bit id, in decimal digits as text: as a number half of them would be negative,
 * and readers of JSON round what is beyond 2^53. */
#define LOG_ID_BYTES 21u
#define LOG_ID(key_, id_)                                                                      \
    ((struct log_field){.key = (key_), .text = log_id((char[LOG_ID_BYTES]){0}, (id_))})
#define LOG_NUM(key_, num_) ((struct log_field){.key = (key_), .number = (int64_t) (num_)})

/* The slice cut to LOG_FIELD_TEXT_BYTES, with a pointer that is never NULL. */
struct slice log_text(struct slice s);

/* The digits of id, written to text. */
struct slice log_id(char text[LOG_ID_BYTES], uint64_t id);

typedef void log_sink_fn(void *ctx, enum log_level level, const char *event,
                         const struct log_field *fields, size_t n);

/* Set once at start, before threads exist. NULL: text to standard error. */
void log_set_sink(log_sink_fn *sink, void *ctx);
/* Events below this level cost one comparison. Default LEVEL_INFO. */
void log_set_level(enum log_level level);

void log_fields(enum log_level level, const char *event, const struct log_field *fields,
                size_t n);

#define log_event(level, event, ...)                                                           \
    log_fields((level), (event), (const struct log_field[]){__VA_ARGS__},                      \
               sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

/* The two fields every failure has: what went wrong and the detail. */
#define LOG_ERR(err_) LOG_STR("error", rc_name((err_)->rc)), LOG_STR("detail", (err_)->detail)

const char *log_level_name(enum log_level level);
/* By its name; LEVEL_INFO for any other. */
enum log_level log_level_of(const char *name);

#endif
