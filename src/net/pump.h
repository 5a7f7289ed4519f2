/*
 * pump.h - bytes carried both ways between a connection (bare or TLS) and a local socket.
 *
 * Each way: what was read is written at once; what the other side does not take is kept, and
 * nothing more is read that way until it is gone. So a side that does not read costs at most
 * PUMP_BYTES and stops the sender, and an idle pump holds no buffer at all. The ends are passed
 * on separately: end of input on one side becomes end of output on the other, behind the last
 * byte. Or the connection is given back: it stays open, and its user goes on with it.
 *
 *     OPEN --end read--> ENDED --nothing kept--> PASSED     for each way
 *
 * The local side's end waits in ENDED for pump_end_down(), so that its owner can have the last
 * word. If the local side stops reading, what the connection still sends is thrown away until
 * its end: closing with unread bytes would reset the connection under the last reply.
 *
 * Memory: the pump owns the local descriptor; the connection stays its user's. Scratch is
 * shared by all pumps of a loop: PUMP_BYTES, once.
 */
#ifndef ROOST_NET_PUMP_H
#define ROOST_NET_PUMP_H

#include "base/buf.h"
#include "net/conn.h"
#include "net/loop.h"

#define PUMP_BYTES  ((size_t) 16 << 10) /* at once and at most kept, each way: a TLS record */
#define PUMP_ROUNDS 8u                  /* reads each way before others have their turn */

enum pump_state { PUMP_OPEN, PUMP_ENDED, PUMP_PASSED };

struct pump_way {
    enum pump_state state;
    char *kept;        /* NULL: nothing */
    size_t at, len;    /* kept[at .. len) is still to be written */
    uint64_t n_passed; /* bytes written */
};

struct pump_events {
    /* The local side's first bytes have come and are about to be passed on. */
    void (*first_down)(void *ctx);
    /* The local side has ended; answer with pump_end_down(), now or later. */
    void (*local_end)(void *ctx);
    /* After pump_give_back(): all that the local side wrote has been passed on, and the pump is
     * stopped. May free it. NULL where it is never called. */
    void (*given_back)(void *ctx);
    /* Nothing more will happen. why: NULL if both ways ended in order. May free the pump. */
    void (*done)(void *ctx, const struct err *why);
};

struct pump {
    struct loop *loop;
    struct conn *conn;
    char *scratch;
    const struct pump_events *events;
    void *ctx;
    struct loop_fd conn_watch, local_watch;
    struct loop_call again;
    int local_fd;
    struct pump_way up, down; /* up: connection to local */
    bool up_held;             /* nothing is read from the connection yet */
    bool up_discards;         /* the local side reads no more */
    bool down_may_end;        /* pump_end_down() was called */
    bool gives_back;          /* pump_give_back() was called */
    bool down_started;        /* first_down was called */
    bool down_at_line_start;  /* what was read from the local side ends in LF */
};

/* Begin. Takes local_fd (non-blocking), also on failure. up_held: nothing is read from the
 * connection until pump_release_up(). RC_IO: a descriptor cannot be watched. */
MUST_CHECK enum rc pump_start(struct pump *pump, struct loop *loop, struct conn *conn,
                              int local_fd, char *scratch, bool up_held,
                              const struct pump_events *events, void *ctx, struct err *err);
void pump_release_up(struct pump *pump);
/* The last words (may be empty), then the end, to the connection. */
void pump_end_down(struct pump *pump, struct slice last_words);
/* These come up first, before what the connection sends. Right behind pump_start(). */
void pump_put_up(struct pump *pump, struct slice bytes);
/*
 * The connection is wanted back while it lives: from here on nothing is read from it, and what
 * was read and not written yet goes to out. What the local side wrote before its end is still
 * passed on; then given_back() is called.
 */
void pump_give_back(struct pump *pump, struct buf *out);
/* Stop, call nothing more. Closes the local descriptor; the connection stays. Zeroed memory and
 * a stopped pump are left alone. */
void pump_stop(struct pump *pump);

#endif
