/* test_account.c - random records against a slow, obvious model: versions, records, pages. */
// links: account
// lib: account_model account_model_all account_compare account_walk
#include "account/live_bodies.h"
#include "lib/account_walk.h"

#ifdef __SANITIZE_ADDRESS__
#define SEEDS 5 /* everything takes so much longer */
#else
#define SEEDS 20
#endif
#define STEPS   600
#define ACCOUNT 0xacc0u

/* ---- what is checked along the way ---- */

static void keep_version(struct walk *walk)
{
    struct kept *kept = &walk->kept[walk_pick(walk, VERSIONS_KEPT)];

    if (walk->n_kept < VERSIONS_KEPT)
        kept = &walk->kept[walk->n_kept++];
    if (kept->state != NULL) {
        model_compare(kept->model, kept->state, false, walk_next(walk));
        acct_unref(kept->state);
        model_free(kept->model);
    }
    *kept = (struct kept){acct_ref(walk->tip), model_copy(walk->model)};
}

/* A fork that is given up: whatever it did to shared memory, no version may notice. */
static void abort_one(struct walk *walk)
{
    struct acct_state *fork = acct_fork(walk->tip);
    struct model *before = model_copy(walk->model);

    walk_record(walk, fork);
    acct_unref(fork);
    model_free(walk->model);
    walk->model = before;
}

static void checkpoint(struct walk *walk)
{
    struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct page_batch batch;

    acct_pages_make(walk->tip, walk->stored, arena, &batch);
    if (walk_pick(walk, 4) == 0) { /* the write failed */
        arena_free(arena);
        return;
    }
    page_store_write(&walk->store, &batch);
    acct_pages_stored(walk->tip, &batch);
    acct_unref(walk->stored);
    walk->stored = acct_ref(walk->tip);
    arena_free(arena);
}

/* The messages of deleted mailboxes, and everything that any mailbox keeps. */
static void load_kept(struct walk *walk, struct acct_state *fork)
{
    const struct model *model = walk->model;
    struct err err;

    for (size_t i = 0; i < model->n_deleted; i++) {
        if (walk_load_whole(walk, fork, model->deleted[i].id, &err) != RC_OK)
            fail_msg("seed %d: load deleted: %s", (int) walk->seed, err.detail);
    }
    for (size_t i = 0; i < model->n_mboxes + model->n_deleted; i++) {
        uint32_t id =
            i < model->n_mboxes ? model->mboxes[i].id : model->deleted[i - model->n_mboxes].id;

        if (acct_kept_load(fork, id, 0, UINT32_MAX, page_store_read, &walk->store, &err) !=
            RC_OK)
            fail_msg("seed %d: load kept of %u: %s", (int) walk->seed, id, err.detail);
    }
}

/* The bodies that the account names, whether told by the version or by the model. */
struct named_bodies {
    uint64_t *ids;
    size_t n, cap;
};

static enum rc note_bodies(void *ctx, const uint64_t *ids, size_t n, struct err *err)
{
    struct named_bodies *bodies = ctx;

    (void) err;
    if (bodies->n + n > bodies->cap) {
        bodies->cap = bodies->cap * 2 + n;
        bodies->ids = xrealloc(bodies->ids, bodies->cap * sizeof(*bodies->ids));
    }
    memcpy(bodies->ids + bodies->n, ids, n * sizeof(*ids));
    bodies->n += n;
    return RC_OK;
}

static void note_model_bodies(const struct model_mbox *mbox, struct named_bodies *bodies)
{
    for (size_t i = 0; i < mbox->n_messages; i++)
        (void) note_bodies(bodies, &mbox->messages[i].cold.body_id, 1, NULL);
    for (size_t i = 0; i < mbox->n_kept; i++)
        (void) note_bodies(bodies, &mbox->kept[i].cold.body_id, 1, NULL);
}

static int by_id(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Ascending, each once. */
static void sort_bodies(struct named_bodies *bodies)
{
    size_t n = 0;

    if (bodies->n == 0)
        return;
    qsort(bodies->ids, bodies->n, sizeof(*bodies->ids), by_id);
    for (size_t i = 1; i < bodies->n; i++) {
        if (bodies->ids[i] != bodies->ids[n])
            bodies->ids[++n] = bodies->ids[i];
    }
    bodies->n = n + 1;
}

static void compare_live_bodies(struct walk *walk)
{
    struct named_bodies want = {0}, got = {0};
    const struct model *model = walk->model;
    struct err err;

    for (size_t i = 0; i < model->n_mboxes; i++)
        note_model_bodies(&model->mboxes[i], &want);
    for (size_t i = 0; i < model->n_deleted; i++)
        note_model_bodies(&model->deleted[i], &want);
    if (acct_each_live_body(walk->tip, page_store_read, &walk->store, note_bodies, &got, &err))
        fail_msg("seed %d: live bodies: %s", (int) walk->seed, err.detail);
    sort_bodies(&want);
    sort_bodies(&got);
    assert_int_equal(got.n, want.n);
    if (want.n > 0)
        assert_memory_equal(got.ids, want.ids, want.n * sizeof(*want.ids));
    free(want.ids);
    free(got.ids);
}

/* What was stored opens as the same account, and no page lies there that the root does not
 * need. */
static void reopen(struct walk *walk)
{
    struct acct_state *opened = NULL, *fork;
    struct err err;

    if (walk->stored != walk->tip)
        return;
    walk->store.n_read = 0;
    if (acct_pages_open(ACCOUNT, walk->store.root, acct_position(walk->tip), page_store_read,
                        &walk->store, &opened, &err) != RC_OK)
        fail_msg("seed %d: open: %s", (int) walk->seed, err.detail);
    model_compare(walk->model, opened, false, walk_next(walk));
    fork = acct_fork(opened);
    for (size_t i = 0; i < acct_mailbox_count(opened); i++) {
        uint32_t id = mbox_info(acct_mailbox_at(opened, i))->id;

        if (walk_load_whole(walk, fork, id, &err) != RC_OK)
            fail_msg("seed %d: load %u: %s", (int) walk->seed, id, err.detail);
    }
    load_kept(walk, fork);
    model_compare(walk->model, fork, true, walk_next(walk));
    assert_int_equal(walk->store.n_read, map_count(walk->store.pages));
    if (walk_pick(walk, 2) == 0) { /* go on from what was opened, as after a restart */
        acct_unref(walk->stored);
        acct_unref(walk->tip);
        walk->tip = fork;
        walk->stored = opened;
        return;
    }
    acct_unref(opened);
    acct_unref(fork);
}

static void unload_some(struct walk *walk)
{
    struct acct_state *fork = acct_fork(walk->tip);

    if (acct_mbox_unload(fork, walk_any_mbox(walk)->id)) { /* and what it keeps */
        acct_unref(walk->tip);
        walk->tip = fork;
        return;
    }
    acct_unref(fork);
}

static void begin(struct walk *walk, uint64_t seed)
{
    struct record first = {.type = RECORD_ACCOUNT, .account = {1 + seed}};
    struct record inbox = {
        .type = RECORD_MAILBOX,
        .mailbox = {.op = MAILBOX_CREATE, .mbox = 1, .name = SLICE("INBOX"), .uidvalidity = 9},
    };

    *walk = (struct walk){.seed = seed, .random = seed * 0x9e3779b97f4a7c15ULL};
    walk->modseq_step = seed % 3 == 0 ? (uint64_t) 1 << 33 : 3;
    walk->arena = arena_new(ARENA_TEST_BYTES);
    walk->tip = acct_state_new(ACCOUNT);
    walk->model = model_new();
    walk->store.pages = map_new();
    walk_put(walk, walk->tip, &first);
    inbox.mailbox.mailboxid = walk_some_id(walk);
    inbox.mailbox.uidnext = 1;
    inbox.mailbox.modseq = walk->model->modseq + 1;
    walk_put(walk, walk->tip, &inbox);
}

static void end(struct walk *walk)
{
    for (size_t i = 0; i < walk->n_kept; i++) {
        model_compare(walk->kept[i].model, walk->kept[i].state, false, walk_next(walk));
        acct_unref(walk->kept[i].state);
        model_free(walk->kept[i].model);
    }
    acct_unref(walk->stored);
    acct_unref(walk->tip);
    model_free(walk->model);
    page_store_done(&walk->store);
    arena_free(walk->arena);
}

static void one_walk(uint64_t seed)
{
    struct walk walk;

    begin(&walk, seed);
    for (uint64_t step = 1; step <= STEPS; step++) {
        struct acct_state *fork;

        if (walk_pick(&walk, 10) == 0)
            abort_one(&walk);
        fork = acct_fork(walk.tip);
        for (uint32_t n = 1 + walk_pick(&walk, 3); n > 0; n--)
            walk_record(&walk, fork);
        acct_set_position(fork, step);
        acct_unref(walk.tip);
        walk.tip = fork;
        if (walk_pick(&walk, 8) == 0)
            keep_version(&walk);
        if (walk_pick(&walk, 8) == 0)
            checkpoint(&walk);
        if (walk_pick(&walk, 8) == 0)
            reopen(&walk);
        if (walk_pick(&walk, 4) == 0)
            unload_some(&walk);
        if (walk_pick(&walk, 16) == 0)
            model_compare(walk.model, walk.tip, false, walk_next(&walk));
        if (walk_pick(&walk, 16) == 0)
            compare_live_bodies(&walk);
        arena_reset(walk.arena);
    }
    end(&walk);
}

static void versions_agree_with_the_model_and_never_change(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        one_walk(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_agree_with_the_model_and_never_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
