/*
 * log_sink.h - where a role's log events go: over a channel to the `log` role, never waiting.
 *
 * When the log is behind, events wait in the channel up to its bound; beyond it, and while
 * there is no log, they are counted and written to standard error. The count travels with the
 * next event that gets through.
 *
 * What an administrator did is more than that: a role that serves a control socket keeps such
 * events (they have the field `by_uid`) until the log says that they are durable, sends them
 * again to a log that is new, and answers the command line only then.
 */
#ifndef ROOST_ROLES_LOG_SINK_H
#define ROOST_ROLES_LOG_SINK_H

#include "ipc/channel.h"
#include "net/loop.h"

#define LOG_KEPT_MAX   1024u /* events kept at once; more are sent as others are */
#define LOG_DURABLE_MS 40000 /* a log that was killed again and again is back by then */

struct log_sink;

/* Becomes the process's sink (log_set_sink). self: our role. */
struct log_sink *log_sink_new(enum role self);
/* No other thread runs any more. What is logged afterwards goes to standard error. */
void log_sink_free(struct log_sink *sink);
/* A channel to a (new) log role; takes fd. -1: there is none now. */
void log_sink_attach(struct log_sink *sink, int fd);
/* loop_run(), and meanwhile what finds no room at the log is sent as soon as there is some.
 * Without a loop it goes with the next event. NULL is a sink without a log. */
MUST_CHECK enum rc log_sink_run_loop(struct log_sink *sink, struct loop *loop, struct err *err);
/* From now on events of administrators are kept. */
void log_sink_keep(struct log_sink *sink);
/* The number of the last event that is kept or was; 0: none yet. NULL is a sink without any. */
uint64_t log_sink_last(struct log_sink *sink);
enum log_record {
    RECORD_WAITS,
    RECORD_DURABLE,
    RECORD_FAILS /* the log has said that it cannot write; kept here until it can */
};

/* Is that event durable, and all before it? Reads what the log has answered, never waits. */
enum log_record log_sink_record(struct log_sink *sink, uint64_t number);
/* Wait until all that are kept now are durable; false: not within the time, or the log fails.
 */
bool log_sink_await(struct log_sink *sink, int timeout_ms);
/* Wait up to timeout_ms until what is queued has gone out. */
void log_sink_drain(struct log_sink *sink, int timeout_ms);

#endif
