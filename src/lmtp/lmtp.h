/*
 * lmtp.h - the delivery door: LMTP connections as members of the pool.
 *
 * Spec: RFC 2033, with PIPELINING (2920), 8BITMIME (6152), SMTPUTF8 (6531), SIZE (1870),
 * ENHANCEDSTATUSCODES (2034). After DATA each recipient has a reply of its own, in the order of
 * the RCPTs; 250 is sent when the message is durable and everybody may see it.
 *
 *     READY --LHLO, MAIL, RCPT...--> READY
 *     READY --RCPT--> RESOLVING --lmtp_resolved--> READY         auth says who is meant, or
 *                                                                has said it (known.h)
 *     READY --DATA--> RECEIVING --end of message--> DELIVERING --durable--> READY
 *     any --QUIT, end of input, error, time-out--> ENDING
 *
 * The message is staged once while it arrives, in the first recipient's account, with that
 * recipient's trace fields; the others get a copy with theirs.
 */
#ifndef ROOST_LMTP_LMTP_H
#define ROOST_LMTP_LMTP_H

#include "base/ipaddr.h"
#include "ipc/message.h"
#include "mailbox/mail_store.h"
#include "net/pool.h"

#define LMTP_RECIPIENTS_MAX 1000u                        /* RFC 5321 4.5.3.1.8 asks for 100 */
#define LMTP_BAD_MAX        10u                          /* unknown commands in a row */
#define LMTP_TIMEOUT_US     ((int64_t) 5 * 60 * 1000000) /* RFC 5321 4.5.3.2.7 */
#define LMTP_TRACE_BYTES                                                                       \
    ((size_t) 8 << 10) /* of the added fields; part of a message's size                        \
                        */
#define LMTP_OUT_BYTES                                                                         \
    ((size_t) 1 << 20) /* replies: 1,000 recipients and what is pipelined                      \
                        */

struct lmtp_server;

struct lmtp_options {
    struct pool *pool;
    struct mail_store *store;
    const char *hostname;
    uint64_t message_max_bytes; /* as stored, the trace fields included */
    bool detail_as_folder;
    bool disabled_is_permanent;
    /* Ask auth; any thread. The answer comes by lmtp_resolved() with the same request.
     * RC_UNAVAILABLE. */
    enum rc (*resolve)(void *ctx, uint64_t request, struct slice address, struct err *err);
    /* Around work on an account, for the crash page; may be NULL. */
    void (*note)(void *ctx, uint64_t account, bool begins);
    void *ctx;
};

struct lmtp_server *lmtp_server_new(const struct lmtp_options *options);
/* No connection is left. */
void lmtp_server_free(struct lmtp_server *server);

/* Takes fd (also on failure), non-blocking. */
MUST_CHECK enum rc lmtp_start(struct lmtp_server *server, int fd, const struct ipaddr *peer,
                              struct err *err);
/* Answers that auth lets keep are given again, until lmtp_forget_known(). */
void lmtp_resolved(struct lmtp_server *server, const struct msg_resolved *resolved);
void lmtp_forget_known(struct lmtp_server *server, uint64_t generation);
/* Auth is gone, and with it the answers it owed: those recipients are told to come again. */
void lmtp_auth_lost(struct lmtp_server *server);
/* Every few seconds: end what has been quiet for too long. */
void lmtp_sweep(struct lmtp_server *server);
/* End all: at once when idle, else after the message that is being delivered. */
void lmtp_shutdown(struct lmtp_server *server);
size_t lmtp_count(struct lmtp_server *server);
/* The largest message a client may send; what SIZE says. */
uint64_t lmtp_content_max(const struct lmtp_options *options);

#endif
