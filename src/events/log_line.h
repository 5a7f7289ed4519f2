/*
 * log_line.h - a log event as one line: text for people, JSON for programs.
 *
 * Contract (fail2ban and others read it): docs/operating.md, "Log lines".
 *
 *     2026-01-31T12:00:00.123456Z info auth login.ok user=anna address=192.0.2.7 port=49152
 *     {"@timestamp":"2026-01-31T12:00:00.123456Z","level":"info","role":"auth","event":...}
 *
 * Whatever the sender put into a field, the line is one line of valid UTF-8: controls
 * (utf8_is_control()) are escaped, and bytes that are no UTF-8 become U+FFFD. In text a value
 * with a space, a quote, a backslash, a control, a byte above 7F or nothing in it stands in
 * double quotes with JSON's escapes. In JSON a field that is called as one of the line's own
 * members has "roost." before its name, as the audit log has it.
 */
#ifndef ROOST_EVENTS_LOG_LINE_H
#define ROOST_EVENTS_LOG_LINE_H

#include "ipc/message.h"

#define LOG_LINE_MAX_BYTES ((size_t) 256 << 10) /* 32 KiB of fields, each byte as \u00xx */

/* Append the line without its newline. */
void log_line_text(struct buf *out, const char *role, const struct msg_log_event *event);
void log_line_json(struct buf *out, const char *role, const struct msg_log_event *event);

/* Parts of lines: "2026-01-31T12:00:00.123456Z"; a number; a string in double quotes (RFC 8259
 * 7); and the name of a key or an event, which is static in every sender, "?" for anything
 * else. */
void log_line_time(struct buf *out, uint64_t time_us);
void log_line_number(struct buf *out, int64_t number);
void log_line_quoted(struct buf *out, struct slice text);
struct slice log_line_name(struct slice name);
const char *log_line_level(uint8_t level); /* "error" for one that there is not */

/* Line and newline in one write; there is nowhere left to tell that it failed. */
void log_line_write_stderr(struct slice line);

#endif
