/*
 * audit_tail.h - the audit log read as it grows, for who sends it elsewhere.
 *
 * Format: docs/formats/audit.md. Only lines up to the newest signed one are given: they are
 * durable, and what stands behind them may still be taken back by a write that failed. Lines
 * without the form of one (a start explains them) are passed over.
 *
 * A place survives the process: audit_place_write() and audit_place_read().
 */
#ifndef ROOST_EVENTS_AUDIT_TAIL_H
#define ROOST_EVENTS_AUDIT_TAIL_H

#include "events/audit_line.h"

struct audit_place {
    uint64_t file, offset; /* of the next octet to read; file 0: the oldest there is */
    uint64_t sequence;     /* of the last event before it; 0: none */
};

struct audit_tail;

/* folder: DATA/audit, stays the caller's. */
struct audit_tail *audit_tail_new(int folder, const struct audit_place *from);
void audit_tail_free(struct audit_tail *tail); /* NULL is allowed */

/* How far the log is signed now. RC_NOT_FOUND: it has not begun. RC_CORRUPT: head is not by
 * the log's key. */
MUST_CHECK enum rc audit_tail_look(struct audit_tail *tail, struct err *err);
/* The newest signed event that audit_tail_look() saw; 0: none yet. */
uint64_t audit_tail_signed(const struct audit_tail *tail);

/*
 * The next event: its line without newline, valid until the next call. RC_MORE: there is none
 * yet. RC_IO, RC_LIMIT. It stays the next one until audit_tail_take().
 */
MUST_CHECK enum rc audit_tail_peek(struct audit_tail *tail, struct slice *line,
                                   uint64_t *sequence, struct err *err);
void audit_tail_take(struct audit_tail *tail);

/* Behind the last event that was taken. */
struct audit_place audit_tail_place(const struct audit_tail *tail);
void audit_tail_seek(struct audit_tail *tail, const struct audit_place *place);
/* How many events were gone before they could be read, since the last call. */
uint64_t audit_tail_missed(struct audit_tail *tail);

/* Microseconds since 1970 of a line; 0: it says none. */
uint64_t audit_line_time(struct slice line);

/* The place in `folder`, the caller's own. Durable on return. RC_NOT_FOUND: none was written;
 * RC_CORRUPT: it is none. */
MUST_CHECK enum rc audit_place_read(int folder, struct audit_place *out, struct err *err);
MUST_CHECK enum rc audit_place_write(int folder, const struct audit_place *place,
                                     struct err *err);

#endif
