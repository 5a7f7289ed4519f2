/*
 * digest_pool.h - the children of the digest role: each parses mail of one account at a time,
 * in a process of its own that can do nothing else.
 *
 * Contract: docs/formats/ipc.md, "Digest". The pool forks `n` children, hands each to mail as a
 * DIGEST_WORKER, and forks another when one ends, for whatever reason.
 *
 * A child has its channel and two mappings, no other descriptor but standard error; no file, no
 * socket, no time, no randomness; DIGEST_CHILD_CPU_SEC of processor time and
 * DIGEST_CHILD_MEMORY_BYTES of address space. Exceeding either ends it: that one request has
 * failed, and mail serves the message opaque.
 */
#ifndef ROOST_ROLES_DIGEST_POOL_H
#define ROOST_ROLES_DIGEST_POOL_H

#include "ipc/channel.h"
#include "sandbox/sandbox.h"

#define DIGEST_CHILDREN_MAX       64u
#define DIGEST_CHILD_CPU_SEC      30u /* in its whole life, of at most 64 mails */
#define DIGEST_CHILD_MEMORY_BYTES ((uint64_t) 3 << 30)
#define DIGEST_TABLE_SHARED_BYTES ((uint64_t) 512 << 20) /* sparse: what is written counts */

/* Make the table of msg. Runs in the child; must not fail on a message. */
typedef void digest_parse_fn(struct slice msg, struct buf *out);

struct digest_pool_options {
    size_t n; /* children, 1..DIGEST_CHILDREN_MAX */
    uint64_t message_max_bytes;
    struct sandbox_rules rules; /* kind SANDBOX_DIGEST_CHILD */
    digest_parse_fn *parse;
};

struct digest_pool;

struct digest_pool *digest_pool_new(const struct digest_pool_options *options);
/* Ends the children. */
void digest_pool_free(struct digest_pool *pool);

/* The channel to a (new) mail role; takes fd. All children are replaced by fresh ones. */
MUST_CHECK enum rc digest_pool_attach(struct digest_pool *pool, int fd, struct err *err);
int digest_pool_fd(const struct digest_pool *pool); /* -1: no mail role now */
bool digest_pool_wants_write(const struct digest_pool *pool);
/* What mail sent. RC_UNAVAILABLE: it is gone. */
MUST_CHECK enum rc digest_pool_ready(struct digest_pool *pool, struct err *err);
/* After SIGCHLD: bury the dead, fork their successors. */
MUST_CHECK enum rc digest_pool_reap(struct digest_pool *pool, struct err *err);

#endif
