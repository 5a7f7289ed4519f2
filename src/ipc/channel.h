/*
 * channel.h - one end of a SEQPACKET socket pair between two roles: whole messages with
 * descriptors, in order, bounded.
 *
 * Contract: docs/formats/ipc.md. A channel knows which role sits at each end, as the supervisor
 * said when it handed the socket out; messages that do not fit the pair are refused.
 *
 * Sending never blocks: channel_post() sends, or queues up to CHANNEL_QUEUE_BYTES and says
 * RC_LIMIT beyond. Whoever polls the descriptor asks channel_wants_write() and calls
 * channel_flush(). Posting is safe from any thread; taking is for one thread.
 *
 * Memory: the message taken lives in the channel until the next take, which wipes it: it may
 * hold a password. Descriptors taken belong
 * to the receiver, who sets those it keeps to -1; the next take closes the others.
 */
#ifndef ROOST_IPC_CHANNEL_H
#define ROOST_IPC_CHANNEL_H

#include "ipc/message.h"

#define CHANNEL_QUEUE_BYTES ((size_t) 4 << 20) /* unsent; a peer that far behind is stuck */

struct channel;

struct packet {
    struct msg msg;
    int fds[MSG_FDS_MAX]; /* -1: none, or kept by the receiver */
};

/* Two connected ends, close-on-exec, both non-blocking. */
MUST_CHECK enum rc channel_pair(int out[2], struct err *err);

/* Takes fd. self is our role, peer the other end's. Makes fd non-blocking. */
struct channel *channel_new(int fd, enum role self, enum role peer);
/* Closes the socket and the descriptors that wait in the queue. */
void channel_free(struct channel *ch);
void channel_freep(struct channel **ch);

int channel_fd(const struct channel *ch);
enum role channel_peer(const struct channel *ch);

/*
 * Send msg with its descriptors (as many as its row says), or queue it. The descriptors stay
 * the caller's: the queue holds duplicates. RC_LIMIT: queue full, or a field too long;
 * RC_UNAVAILABLE: the peer is gone; RC_IO.
 */
MUST_CHECK enum rc channel_post(struct channel *ch, const struct msg *msg, const int *fds,
                                struct err *err);
/* The same, but waits up to timeout_ms until the socket takes it. For start and tests. */
MUST_CHECK enum rc channel_send(struct channel *ch, const struct msg *msg, const int *fds,
                                int timeout_ms, struct err *err);
/* Send what is queued. RC_MORE: something is left. */
MUST_CHECK enum rc channel_flush(struct channel *ch, struct err *err);
bool channel_wants_write(struct channel *ch);

/*
 * The next message. RC_MORE: none now; RC_UNAVAILABLE: the peer is gone; RC_SYNTAX, RC_DENIED:
 * what came is no message the peer may send (a bug or an attack: drop the channel); RC_IO.
 */
MUST_CHECK enum rc channel_take(struct channel *ch, struct packet **out, struct err *err);
/* The same, but waits up to timeout_ms (-1: for ever) before it says RC_MORE. */
MUST_CHECK enum rc channel_wait(struct channel *ch, int timeout_ms, struct packet **out,
                                struct err *err);

/*
 * One packet of any bytes over a SEQPACKET socket, for those who do not speak struct msg
 * (ipc/control.h). RC_MORE: would block; RC_UNAVAILABLE: the peer is gone.
 */
MUST_CHECK enum rc packet_send(int fd, struct slice bytes, const int *fds, size_t n_fds,
                               struct err *err);
/* room: where the bytes go. RC_LIMIT: longer than room; it is dropped, its descriptors closed.
 */
MUST_CHECK enum rc packet_receive(int fd, char *room, size_t room_len, size_t *out_len,
                                  int fds[MSG_FDS_MAX], size_t *out_n_fds, struct err *err);

#endif
