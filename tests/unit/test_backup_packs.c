/*
 * test_backup_packs.c - backups of bodies at rest: packs, the dictionaries that they are
 * compressed with and the parts that bodies share are in each of them, whatever compaction does
 * between two; and each moment has every body it had.
 */
// links: cli store_local
// labels: concurrency
// lib: local_store backup_world
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "lib/backup_world.h"
#include "lib/test.h"
#include "store/local/compact.h"
#include "store/local/dict.h"
#include "store/local/pack.h"
#include "store/local/pack_rows.h"
#include "store/local/store.h"

#define MAIL_ACCOUNT  7u
#define SHARE_ACCOUNT 8u
#define MAIL_BYTES    ((size_t) 2200)
#define FIRST_MAILS   9200u /* more than a segment; half of one is enough for a dictionary */
#define LATER_MAILS   600u
#define LAST_MAILS    300u
#define SHARERS       24u /* bodies with the same attachment */
#define LEAF_BYTES    ((size_t) 40000)
#define HEAD_BYTES    ((size_t) 500)
#define PACK_BYTES    ((uint64_t) 20 << 20)
#define SEGMENT_BYTES ((uint64_t) 20 << 20)

/* ---- bodies ---- */

/* Like mail: words of a few, in an order that the seed decides. */
static void write_words(uint64_t seed, char *out, size_t len)
{
    static const char *const words[] = {"Received: from mail.example.net",
                                        "by mx.example.org with ESMTPS",
                                        "Message-ID: <",
                                        "the agenda of",
                                        "on Thursday at ten",
                                        "as far as I know",
                                        "kind regards,",
                                        "List-Unsubscribe: <mailto:"};
    uint64_t random = seed * 2 + 1;

    for (size_t at = 0; at < len;) {
        const char *word;
        size_t n;

        random = random * 6364136223846793005u + 1442695040888963407u;
        word = words[random >> 61];
        n = MIN(strlen(word), len - at);
        memcpy(out + at, word, n);
        at += n;
        if (at < len)
            out[at++] = (char) ('a' + (random >> 40) % 26);
    }
}

static char *make_body(uint64_t account, uint64_t id, size_t *out_len)
{
    bool shares = account == SHARE_ACCOUNT;
    AUTO(freep) char *leaf = shares ? local_store_body(1, LEAF_BYTES) : NULL;
    char *bytes;

    *out_len = shares ? HEAD_BYTES + LEAF_BYTES : MAIL_BYTES;
    bytes = xmalloc(*out_len);
    write_words(account * 100000 + id, bytes, shares ? HEAD_BYTES : MAIL_BYTES);
    if (shares)
        memcpy(bytes + HEAD_BYTES, leaf, LEAF_BYTES);
    return bytes;
}

static uint64_t put_body(struct local_store *store, uint64_t account, uint64_t id)
{
    static const struct digest_bytes digest = {
        1, {"digest", 6},
         {NULL,     0}
    };
    static const struct body_range leaf = {HEAD_BYTES, LEAF_BYTES};
    size_t len;
    AUTO(freep) char *bytes = make_body(account, id, &len);
    uint64_t position =
        local_store_put_body(store, account, id, SLICE("append"), slice_of(bytes, len));

    if (account == SHARE_ACCOUNT)
        store->engine->ops->digest_put(store->engine, account, id, &digest, &leaf, 1);
    return position;
}

static uint64_t put_bodies(struct local_store *store, uint64_t account, uint64_t from,
                           uint64_t n)
{
    uint64_t position = 0;

    for (uint64_t id = from; id < from + n; id++)
        position = put_body(store, account, id);
    local_store_wait(store, position);
    return position;
}

static void check_body(struct engine *engine, uint64_t account, uint64_t id)
{
    size_t len;
    AUTO(freep) char *want = make_body(account, id, &len);
    AUTO(freep) char *got = xmalloc(len);
    struct body *body = NULL;
    struct err err;

    if (engine->ops->body_open(engine, account, id, &body, &err) != RC_OK)
        fail_msg("body %llu of %llu: %s", (unsigned long long) id, (unsigned long long) account,
                 err.detail);
    assert_int_equal(engine->ops->body_length(body), len);
    if (engine->ops->body_read(body, 0, got, len, &err) != RC_OK)
        fail_msg("body %llu of %llu: %s", (unsigned long long) id, (unsigned long long) account,
                 err.detail);
    assert_memory_equal(got, want, len);
    engine->ops->body_close(body);
}

static bool is_gone(struct engine *engine, uint64_t account, uint64_t id)
{
    struct body *body = NULL;
    struct err err;
    enum rc rc = engine->ops->body_open(engine, account, id, &body, &err);

    engine->ops->body_close(body);
    return rc == RC_NOT_FOUND;
}

/* ---- the store's files ---- */

struct files {
    uint64_t packs[64], dicts[64];
    size_t n_packs, n_dicts;
};

static bool see_file(void *ctx, const char *name)
{
    struct files *files = ctx;
    uint64_t number;

    if (layout_number(name, ".pack", &number))
        files->packs[files->n_packs++ % COUNT(files->packs)] = number;
    if (layout_number(name, ".dict", &number))
        files->dicts[files->n_dicts++ % COUNT(files->dicts)] = number;
    return true;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static struct files files_of(struct engine *engine)
{
    struct files files = {.n_packs = 0};
    struct err err;

    assert_int_equal(layout_each(local_of(engine)->layout.packs, see_file, &files, &err),
                     RC_OK);
    assert_true(files.n_packs < COUNT(files.packs) && files.n_dicts < COUNT(files.dicts));
    qsort(files.packs, files.n_packs, sizeof(files.packs[0]), by_number);
    return files;
}

static bool has_number(const uint64_t *list, size_t n, uint64_t number)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i] == number)
            return true;
    }
    return false;
}

static uint64_t dictionary_of(struct engine *engine, uint64_t number)
{
    struct packs *packs = local_of(engine)->packs;
    struct pack *pack;
    struct err err;
    uint64_t id;

    assert_int_equal(packs_get(packs, number, &pack, &err), RC_OK);
    id = pack_dictionary(pack);
    packs_put(packs, pack);
    return id;
}

static bool count_row(void *ctx, struct slice key, struct slice value)
{
    (void) key;
    (void) value;
    ++*(size_t *) ctx;
    return true;
}

static size_t count_rows(struct engine *engine, enum state_table table)
{
    size_t n = 0;
    struct err err;

    assert_int_equal(state_each(local_of(engine)->state, table, count_row, &n, &err), RC_OK);
    return n;
}

static bool is_all_packed(void *ctx)
{
    struct local_store *store = ctx;
    struct engine_status status;

    store->engine->ops->status(store->engine, &status);
    return status.unpacked_bytes == 0 && status.packs >= 2;
}

static bool has_pack(void *ctx)
{
    struct local_store *store = ctx;
    struct engine_status status;

    store->engine->ops->status(store->engine, &status);
    return status.packs > 0;
}

static bool goes_on(void *ctx, uint64_t bytes)
{
    (void) ctx;
    (void) bytes;
    return true;
}

/* ---- one life ---- */

struct life {
    struct backup_world world;
    struct files first; /* at the first backup, its packs in order */
    uint64_t mail_position, share_position;
    uint64_t first_dict; /* of the first pack, which it alone needs */
    int64_t between_us;
    uint64_t n_in_first; /* mails up to this one lie in the first pack */
};

static bool has_none_of_the_first(void *ctx)
{
    struct life *life = ctx;
    struct files now = files_of(life->world.store.engine);

    return !has_number(now.packs, now.n_packs, life->first.packs[0]) &&
           !has_number(now.dicts, now.n_dicts, life->first_dict);
}

/* Covers all that was committed so far: the journal may let go of it. */
static void write_checkpoint(struct local_store *store, uint64_t account, uint64_t position)
{
    struct page_batch batch = {.root = SLICE("root")};
    struct err err;

    assert_int_equal(
        store->engine->ops->write_pages(store->engine, account, position, &batch, &err), RC_OK);
}

static void keep(struct local_store *store, uint64_t account, const uint64_t *ids, size_t n,
                 uint64_t below)
{
    uint64_t missing = 0;
    struct err err;

    assert_int_equal(
        store->engine->ops->keep_bodies(store->engine, account, ids, n, below, &missing, &err),
        RC_OK);
    assert_int_equal(missing, 0);
}

static bool outlives(const struct life *life, uint64_t account, uint64_t id)
{
    return id % 2 == 1 || (account == MAIL_ACCOUNT && id > life->n_in_first);
}

/* How many mails fit into a segment is for the committer to say. */
static uint64_t count_in_first(const struct life *life)
{
    const struct local *local = local_of(life->world.store.engine);
    struct pack_place place;
    uint64_t id = 1;

    while (checkpoint_find_place(local->state, MAIL_ACCOUNT, id, &place, NULL) == RC_OK &&
           place.pack == life->first.packs[0])
        id++;
    return id - 1;
}

/* Half of what the first pack holds dies. */
static void expunge(struct life *life, uint64_t account, uint64_t n_bodies)
{
    AUTO(freep) uint64_t *ids = xcalloc(n_bodies, sizeof(*ids));
    size_t n = 0;

    for (uint64_t id = 1; id <= n_bodies; id++) {
        if (outlives(life, account, id))
            ids[n++] = id;
    }
    keep(&life->world.store, account, ids, n, n_bodies + 1);
}

/* Two packs, a dictionary and a part of many bodies. Hints about parts live in memory until the
 * packer takes them, so they are in the first segment; the second is closed by a restart. */
static void fill(struct life *life)
{
    struct local_store *store = &life->world.store;

    store->options.pack_bytes = PACK_BYTES;
    store->options.segment_bytes = store->options.first_segment_bytes = SEGMENT_BYTES;
    local_store_open(store);
    life->share_position = put_bodies(store, SHARE_ACCOUNT, 1, SHARERS);
    (void) put_bodies(store, MAIL_ACCOUNT, 1, FIRST_MAILS);
    backup_world_wait(has_pack, store);
    dicts_retire(local_of(store->engine)->dicts); /* later packs do without it */
    life->mail_position = put_bodies(store, MAIL_ACCOUNT, FIRST_MAILS + 1, LATER_MAILS);
    local_store_close(store);
    store->options.pack_after_ms = 100;
    local_store_open(store);
    backup_world_wait(is_all_packed, store);
    life->first = files_of(store->engine);
    life->n_in_first = count_in_first(life);
    assert_int_equal(count_rows(store->engine, TABLE_PARTS), 1);
    life->first_dict = dictionary_of(store->engine, life->first.packs[0]);
    assert_true(life->first_dict != 0);
}

/* The first pack is made anew, and the new one has a dictionary of its own. */
static void compact(struct life *life)
{
    struct local_store *store = &life->world.store;

    write_checkpoint(store, SHARE_ACCOUNT, life->share_position);
    write_checkpoint(store, MAIL_ACCOUNT, life->mail_position);
    expunge(life, SHARE_ACCOUNT, SHARERS);
    expunge(life, MAIL_ACCOUNT, FIRST_MAILS + LATER_MAILS);
    backup_world_wait(has_none_of_the_first, life);
}

static ino_t pool_inode(const struct backup_world *world, uint64_t pack)
{
    const struct backup_manifest *newest = world->dir.manifests[world->dir.n - 1];
    char name[BACKUP_NAME_BYTES], path[BACKUP_FILE_PATH];
    const struct backup_entry *entry;
    struct stat st;

    (void) snprintf(name, sizeof(name), "mail/packs/%016llx.pack", (unsigned long long) pack);
    entry = backup_manifest_find(newest, name);
    assert_non_null(entry);
    backup_pool_path(&world->dir, name, &entry->hash, path);
    assert_int_equal(stat(path, &st), 0);
    return st.st_ino;
}

/* Whoever lives is there, whole. What died may come back with the journal that brought it: the
 * next sweep takes it. */
static void check_account(const struct life *life, struct engine *engine, uint64_t account,
                          uint64_t n_bodies, bool is_compacted)
{
    for (uint64_t id = 1; id <= n_bodies; id++) {
        if (!is_compacted || outlives(life, account, id))
            check_body(engine, account, id);
    }
    assert_true(is_gone(engine, account, n_bodies + 1));
}

/* And everything at rest passes its checks. */
static void check_moment(struct life *life, int64_t at_us, uint64_t n_mails, bool is_compacted)
{
    const struct scrub_watch watch = {.goes_on = goes_on};
    struct backup_restored restored;
    uint64_t bytes = 0, findings = 0;
    struct err err;

    assert_int_equal(backup_world_restore(&life->world, at_us, &restored), RC_OK);
    check_account(life, restored.engine, MAIL_ACCOUNT, n_mails, is_compacted);
    check_account(life, restored.engine, SHARE_ACCOUNT, SHARERS, is_compacted);
    assert_int_equal(
        restored.engine->ops->scrub(restored.engine, &watch, &bytes, &findings, &err), RC_OK);
    assert_true(bytes > 0);
    assert_int_equal(findings, 0);
    backup_world_let_go(&restored);
}

static void every_moment_has_its_bodies_across_a_compaction(void **state)
{
    const uint64_t before = FIRST_MAILS + LATER_MAILS;
    struct life life;
    struct backup_world *world = &life.world;
    struct files files;
    ino_t inode;

    (void) state;
    memset(&life, 0, sizeof(life));
    backup_world_make(world, (uint64_t) 1 << 30);
    fill(&life);
    backup_world_take(world);
    assert_int_equal(world->n_known, 0);
    assert_int_equal(world->n_packs, life.first.n_packs);
    assert_int_equal(world->n_dicts, life.first.n_dicts);
    inode = pool_inode(world, life.first.packs[1]);

    compact(&life);
    (void) put_bodies(&world->store, MAIL_ACCOUNT, before + 1, LAST_MAILS);
    life.between_us = clock_wall_us();
    (void) put_bodies(&world->store, MAIL_ACCOUNT, before + LAST_MAILS + 1, LAST_MAILS);
    backup_world_take(world);
    files = files_of(world->store.engine);
    assert_true(has_number(files.packs, files.n_packs, life.first.packs[1]));
    assert_int_equal(world->n_known, life.first.n_packs - 1);
    assert_true(world->n_packs > 0 && world->n_dicts > 0);
    assert_true(pool_inode(world, life.first.packs[1]) == inode);

    local_store_close(&world->store);
    local_store_remove_tree(world->store.path);
    check_moment(&life, world->dir.manifests[0]->time_us, before, false);
    check_moment(&life, life.between_us, before + LAST_MAILS, false);
    check_moment(&life, 0, before + 2 * LAST_MAILS, true);
    backup_world_done(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_moment_has_its_bodies_across_a_compaction),
    };

    log_set_level(LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
