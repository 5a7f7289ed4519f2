/*
 * hash_pool.h - threads for work that is slow on purpose: hashing passwords.
 *
 * As many threads as slots, so never more than that many hashes (and 64 MiB each) at once; the
 * queue before them is bounded, and a full one is an answer (RC_UNAVAILABLE), not a wait. Jobs
 * of those who are known have HASH_QUEUE_KNOWN places of it to themselves and go before the
 * others, but for each HASH_TURNSth job, so that neither kind can keep the other out. A job is
 * a struct inside its owner: run() is called on a thread, then done() on the loop's. Between
 * hash_pool_submit and done() the job belongs to the pool and its memory may not go away; an
 * owner who lost interest notes that in itself and frees in done().
 */
#ifndef ROOST_AUTH_HASH_POOL_H
#define ROOST_AUTH_HASH_POOL_H

#include "net/loop.h"

#define HASH_QUEUE_MAX 256u /* waiting jobs: at 50 ms each and 2 slots some 6 s of waiting */
#define HASH_QUEUE_KNOWN                                                                       \
    64u               /* of them: for jobs of those who have been in before                    \
                       */
#define HASH_TURNS 4u /* so seldom a stranger's job goes before one of theirs */

struct hash_pool;
struct hash_job;

typedef void hash_job_fn(struct hash_job *job);

struct hash_job {
    struct link link;
    struct loop_call call;
    bool known;        /* somebody's who has been in before */
    hash_job_fn *run;  /* on a thread of the pool; touches nothing but the job's owner */
    hash_job_fn *done; /* on the loop's thread */
};

/* slots >= 1. RC_IO if threads cannot be made. */
MUST_CHECK enum rc hash_pool_new(struct loop *loop, unsigned slots, struct hash_pool **out,
                                 struct err *err);
/*
 * Waits for the jobs that run and drops those that wait. Afterwards every job is its owner's
 * again, who takes it out of the loop with loop_cancel(&job->call): done() comes no more.
 */
void hash_pool_free(struct hash_pool *pool);
void hash_pool_freep(struct hash_pool **pool);

/* RC_UNAVAILABLE: the queue is full; the job stays the caller's. */
MUST_CHECK enum rc hash_pool_submit(struct hash_pool *pool, struct hash_job *job,
                                    struct err *err);
#endif
