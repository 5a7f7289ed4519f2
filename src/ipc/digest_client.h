/*
 * digest_client.h - mail's side of the digest processes: a message goes in, its table comes
 * out.
 *
 * Contract: docs/formats/ipc.md, "Digest". Each worker is a process that has parsed mail of one
 * account at most: it is given up as soon as a fresh one is needed. Only when all are busy or
 * used is one reused for another account, at most DIGEST_WORKER_MAILS mails in its life; the
 * shared memory is emptied between accounts even then.
 *
 * Safe from any thread; digest_client_attach() and digest_client_ready() are for the thread
 * that polls digest_client_fd(). The table is copied out of the shared memory and not looked
 * at: it comes from a process that a hostile mail may own, so digest_open() checks it.
 */
#ifndef ROOST_IPC_DIGEST_CLIENT_H
#define ROOST_IPC_DIGEST_CLIENT_H

#include "base/arena.h"
#include "ipc/channel.h"

#define DIGEST_TIMEOUT_MS   10000 /* for one request, waiting for a worker included */
#define DIGEST_WORKER_MAILS 64u
#define DIGEST_WORKERS_MAX  128u
#define DIGEST_RUN_BYTES    ((uint64_t) 1 << 20) /* of several messages in one request */

struct digest_client;

struct digest_client *digest_client_new(void);
/* No call of digest_client_make() may be running. */
void digest_client_free(struct digest_client *client);

/* The channel to a (new) digest role; takes fd. Workers of the old one are given up as they
 * fail. -1: there is none now. */
void digest_client_attach(struct digest_client *client, int fd);
/* To be polled for reading; -1 while there is no digest role. */
int digest_client_fd(struct digest_client *client);
/* Take in what the digest role sent. RC_UNAVAILABLE: it is gone; attach comes later. */
MUST_CHECK enum rc digest_client_ready(struct digest_client *client, struct err *err);

/* Workers that wait for work, for status and tests. */
size_t digest_client_idle(struct digest_client *client);

/*
 * The tables of n messages of one account, in arena; as many in one request as MSG_DIGESTS_MAX,
 * DIGEST_RUN_BYTES and the worker's life allow. Waits at most DIGEST_TIMEOUT_MS for a request.
 * RC_UNAVAILABLE: no worker came free, or it did not end in time; RC_LIMIT: messages or tables
 * too long for the shared memory or the arena; RC_CORRUPT: the worker died on one of them or
 * answered nonsense. Each failure is of this call alone; which message it was for is found by
 * asking for each alone.
 */
MUST_CHECK enum rc digest_client_make(struct digest_client *client, uint64_t account,
                                      const struct slice *messages, size_t n,
                                      struct arena *arena, struct slice *tables,
                                      struct err *err);

#endif
