/*
 * engine_bench.h - an open engine with its events, and what checks do with it in one call.
 */
#ifndef ROOST_TESTS_ENGINE_BENCH_H
#define ROOST_TESTS_ENGINE_BENCH_H

#include <pthread.h>

#include "lib/engine_checks.h"

#define ACCOUNTS_WATCHED 64

/* What the engine has said is durable, for the accounts of one check. */
struct watch {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct {
        uint64_t account, position;
    } accounts[ACCOUNTS_WATCHED];
    size_t n;
    bool went_back; /* a position came that is not above the one before */
};

struct bench {
    const struct engine_fixture *fixture;
    struct engine *engine;
    struct watch watch;
    struct arena *arena;
};

void bench_wait_durable(struct bench *bench, uint64_t account, uint64_t position);
void bench_open(struct bench *bench, const struct engine_fixture *fixture);
/* What is left once the engine has ended otherwise. */
void bench_forget(struct bench *bench);
void bench_close(struct bench *bench);
/* Close and open again on the same storage. */
void bench_reopen(struct bench *bench);
struct body_stage *bench_stage(struct bench *bench, uint64_t account, struct slice bytes);
/* One group, with a body if body_id is not 0; its position. */
uint64_t bench_commit(struct bench *bench, uint64_t account, uint64_t base,
                      struct slice records, uint64_t body_id, struct slice bytes);
void bench_assert_body(struct bench *bench, uint64_t account, uint64_t body_id,
                       struct slice want);
void bench_assert_no_body(struct bench *bench, uint64_t account, uint64_t body_id);
struct account_image bench_load(struct bench *bench, uint64_t account);
/* Bytes that differ from place to place and from seed to seed. */
struct slice bench_pattern(struct bench *bench, size_t len, uint64_t seed);

#endif
