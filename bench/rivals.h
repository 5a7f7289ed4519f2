/*
 * rivals.h - what the engine is measured against: the same work, as durable, by other means.
 *
 * One rival is an object with n writers at most; its run functions let n clients work until
 * *stop and return how many transactions were durable. Each is as good as it is without tricks
 * that a server could not play.
 */
#ifndef ROOST_BENCH_RIVALS_H
#define ROOST_BENCH_RIVALS_H

#include <stdatomic.h>
#include <stdint.h>

#define BENCH_WRITERS_MAX 64u
#define BENCH_BODY_BYTES  5000u

/* LMDB, one environment with RIVAL_ACCOUNTS x RIVAL_MESSAGES records of 48 bytes; a transaction
 * changes one of them and its mailbox's record. */
#define RIVAL_ACCOUNTS 1000u
#define RIVAL_MESSAGES 100u
struct lmdb_rival;
struct lmdb_rival *lmdb_rival_new(const char *dir);
void lmdb_rival_free(struct lmdb_rival *rival);
/* A writer thread takes all that wait into one commit; the clients are a crowd (crowd.h), ...
 */
uint64_t lmdb_run_crowd(struct lmdb_rival *rival, unsigned n, const atomic_bool *stop);
/* ... or each has a thread that waits. */
uint64_t lmdb_run_grouped(struct lmdb_rival *rival, unsigned n, const atomic_bool *stop);
/* Each client begins and commits its own transaction. */
uint64_t lmdb_run_plain(struct lmdb_rival *rival, unsigned n, const atomic_bool *stop);

/* A Maildir for each writer: tmp/ file written, fdatasync, rename into new/, fsync of new/. */
struct maildir_rival;
struct maildir_rival *maildir_rival_new(const char *dir);
void maildir_rival_free(struct maildir_rival *rival);
uint64_t maildir_run(struct maildir_rival *rival, unsigned n, const atomic_bool *stop);

#endif
