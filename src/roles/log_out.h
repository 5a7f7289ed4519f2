/*
 * log_out.h - where log lines end: standard error, a file that is opened anew on request, or
 * syslog's socket (RFC 3164 form without time, facility mail).
 *
 * Lines are gathered and written together by log_out_flush(). A line that cannot be written
 * where it belongs goes to standard error.
 */
#ifndef ROOST_ROLES_LOG_OUT_H
#define ROOST_ROLES_LOG_OUT_H

#include "base/log.h"
#include "config/config.h"

struct log_out;

/* Opens what config->log names. RC_INVALID: it names nothing known; RC_IO. */
MUST_CHECK enum rc log_out_new(const struct config *config, struct log_out **out,
                               struct err *err);
void log_out_free(struct log_out *out);
void log_out_freep(struct log_out **out);

/* One line without newline. */
void log_out_line(struct log_out *out, enum log_level level, struct slice line);
void log_out_flush(struct log_out *out);
/* Open the file again: it was moved away. Keeps the old one if that fails. */
MUST_CHECK enum rc log_out_reopen(struct log_out *out, struct err *err);

#endif
