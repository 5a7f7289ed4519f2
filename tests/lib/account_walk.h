/*
 * account_walk.h - random records, each applied to a fork of an account and to its model
 * (account_model.h), and the pages of the account on a disk of the test.
 */
#ifndef ROOST_TESTS_ACCOUNT_WALK_H
#define ROOST_TESTS_ACCOUNT_WALK_H

#include "account/pages.h"
#include "base/map.h"
#include "lib/account_model.h"

#define VERSIONS_KEPT 40

struct page_store {
    struct map *pages; /* number -> struct slice */
    struct slice root;
    size_t n_read;
};

/* A page_read_fn; ctx: the store. */
enum rc page_store_read(void *ctx, uint64_t number, struct arena *arena, struct slice *out,
                        struct err *err);
void page_store_write(struct page_store *store, const struct page_batch *batch);
void page_store_done(struct page_store *store);

struct kept {
    struct acct_state *state;
    struct model *model;
};

struct walk {
    uint64_t seed, random;
    struct arena *arena;
    struct acct_state *tip, *stored;
    struct model *model;
    struct page_store store;
    struct kept kept[VERSIONS_KEPT];
    size_t n_kept;
    int64_t now_us;
    uint64_t modseq_step; /* how far modseq jumps, so that deltas overflow in some walks */
};

/* Random numbers of the walk: the same for the same seed everywhere. */
uint64_t walk_next(struct walk *walk);
uint32_t walk_pick(struct walk *walk, size_t n);
struct object_id walk_some_id(struct walk *walk);
struct model_mbox *walk_any_mbox(struct walk *walk);
/* One that records about messages may name: not All. */
struct model_mbox *walk_some_mbox(struct walk *walk);

/* All of a mailbox, alive or deleted. */
enum rc walk_load_whole(struct walk *walk, struct acct_state *fork, uint32_t id,
                        struct err *err);
/* Through the journal's form and back, checked, and applied to both. */
void walk_put(struct walk *walk, struct acct_state *fork, const struct record *record);
/* A record of some kind. */
void walk_record(struct walk *walk, struct acct_state *fork);

#endif
