/*
 * log_sink.h - where a role's log events go: over a channel to the `log` role, never waiting.
 *
 * When the log is behind, events wait in the channel up to its bound; beyond it, and while
 * there is no log, they are counted and written to standard error. The count travels with the
 * next event that gets through.
 */
#ifndef ROOST_ROLES_LOG_SINK_H
#define ROOST_ROLES_LOG_SINK_H

#include "ipc/channel.h"

struct log_sink;

/* Becomes the process's sink (log_set_sink). self: our role. */
struct log_sink *log_sink_new(enum role self);
/* No other thread runs any more. What is logged afterwards goes to standard error. */
void log_sink_free(struct log_sink *sink);
/* A channel to a (new) log role; takes fd. -1: there is none now. */
void log_sink_attach(struct log_sink *sink, int fd);
/* Wait up to timeout_ms until what is queued has gone out. */
void log_sink_drain(struct log_sink *sink, int timeout_ms);

#endif
