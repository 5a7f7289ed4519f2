/*
 * checkpoint.c - roots, pages, places, UIDVALIDITY: rows of the state.
 *
 * A checkpoint is one transaction: new pages, the root that lists them with the LSN it stands
 * for, and the pages it no longer lists go. So a crash leaves the old root with all its pages
 * or the new one with all of its own, and replay starts behind whichever it is.
 */
#include "store/local/checkpoint.h"

#include <xxhash.h>

#include "base/clock.h"
#include "store/local/bytes.h"
#include "store/local/pack_rows.h"
#include "store/local/parts.h"

#define ROOT_HEAD_BYTES   16u
#define PAGE_HEAD_BYTES   8u
#define DIGEST_HEAD_BYTES 16u
#define PLACE_BYTES       40u
#define STORE_KEY         SLICE("store")
#define UIDVALIDITY_KEY   SLICE("uidvalidity")

struct account_key {
    char bytes[16]; /* account, then page or body id; big-endian */
};

static struct account_key key_of(uint64_t account, uint64_t number)
{
    struct account_key key;

    put_be64(key.bytes, account);
    put_be64(key.bytes + 8, number);
    return key;
}

static struct slice whole_key(const struct account_key *key)
{
    return slice_of(key->bytes, 16);
}

static struct slice account_part(const struct account_key *key)
{
    return slice_of(key->bytes, 8);
}

/* Two numbers seed the checksum, so that it covers the place as well as the bytes. */
static uint64_t row_hash(uint64_t a, uint64_t b, struct slice bytes)
{
    char head[16];

    put_le64(head, a);
    put_le64(head + 8, b);
    return XXH3_64bits_withSeed(bytes.ptr, bytes.len, XXH3_64bits(head, sizeof(head)));
}

static enum rc damaged(struct err *err, const char *what, uint64_t account)
{
    return err_set(err, RC_CORRUPT, "Stored data is damaged", "%s of account %016llx: checksum",
                   what, (unsigned long long) account);
}

enum rc checkpoint_root(struct state *state, uint64_t account, struct arena *arena,
                        uint64_t *out_lsn, struct slice *out_root, struct err *err)
{
    struct account_key key = key_of(account, 0);
    struct slice value;
    struct scan sc;
    uint64_t lsn = 0, hash = 0;
    enum rc rc = state_get(state, TABLE_ROOTS, account_part(&key), arena, &value, err);

    if (rc)
        return rc;
    sc = scan_of(value);
    if (!scan_le64(&sc, &lsn) || !scan_le64(&sc, &hash) ||
        row_hash(account, lsn, scan_rest(&sc)) != hash)
        return damaged(err, "root", account);
    *out_lsn = lsn;
    *out_root = scan_rest(&sc);
    return RC_OK;
}

enum rc checkpoint_lsn(struct state *state, uint64_t account, uint64_t *out_lsn,
                       struct err *err)
{
    struct account_key key = key_of(account, 0);
    char head[ROOT_HEAD_BYTES];
    size_t len = 0;
    struct scan sc;
    enum rc rc =
        state_get_small(state, TABLE_ROOTS, account_part(&key), head, sizeof(head), &len, err);

    if (rc)
        return rc;
    sc = scan_of(slice_of(head, len));
    return scan_le64(&sc, out_lsn) ? RC_OK : damaged(err, "root", account);
}

enum rc checkpoint_page(struct state *state, uint64_t account, uint64_t number,
                        struct arena *arena, struct slice *out, struct err *err)
{
    struct account_key key = key_of(account, number);
    struct slice value;
    struct scan sc;
    uint64_t hash = 0;
    enum rc rc = state_get(state, TABLE_PAGES, whole_key(&key), arena, &value, err);

    if (rc)
        return rc;
    sc = scan_of(value);
    if (!scan_le64(&sc, &hash) || row_hash(account, number, scan_rest(&sc)) != hash)
        return damaged(err, "page", account);
    *out = scan_rest(&sc);
    return RC_OK;
}

struct write_job {
    uint64_t account, lsn;
    const struct page_batch *batch;
};

static enum rc put_checked(struct state_txn *txn, enum state_table table, struct slice key,
                           const char *head, size_t head_len, struct slice bytes,
                           struct err *err)
{
    AUTO(freep) char *value = xmalloc(head_len + bytes.len);

    memcpy(value, head, head_len);
    if (bytes.len > 0)
        memcpy(value + head_len, bytes.ptr, bytes.len);
    return state_txn_put(txn, table, key, slice_of(value, head_len + bytes.len), err);
}

static enum rc run_write(struct state_txn *txn, void *ctx, struct err *err)
{
    const struct write_job *job = ctx;
    const struct page_batch *batch = job->batch;
    struct account_key key = key_of(job->account, 0);
    char head[ROOT_HEAD_BYTES];
    enum rc rc;

    for (size_t i = 0; i < batch->n_drops; i++) {
        key = key_of(job->account, batch->drops[i]);
        rc = state_txn_del(txn, TABLE_PAGES, whole_key(&key), err);
        if (rc)
            return rc;
    }
    for (size_t i = 0; i < batch->n_puts; i++) {
        const struct page *page = &batch->puts[i];

        key = key_of(job->account, page->number);
        put_le64(head, row_hash(job->account, page->number, page->bytes));
        rc = put_checked(txn, TABLE_PAGES, whole_key(&key), head, PAGE_HEAD_BYTES, page->bytes,
                         err);
        if (rc)
            return rc;
    }
    put_le64(head, job->lsn);
    put_le64(head + 8, row_hash(job->account, job->lsn, batch->root));
    key = key_of(job->account, 0);
    return put_checked(txn, TABLE_ROOTS, account_part(&key), head, ROOT_HEAD_BYTES, batch->root,
                       err);
}

enum rc checkpoint_write(struct state *state, uint64_t account, uint64_t lsn,
                         const struct page_batch *batch, struct err *err)
{
    struct write_job job = {account, lsn, batch};

    return state_write(state, run_write, &job, err);
}

struct account_walk {
    bool (*fn)(void *ctx, uint64_t account);
    void *ctx;
};

static bool each_root(void *ctx, struct slice key)
{
    const struct account_walk *walk = ctx;

    return key.len != 8 || walk->fn(walk->ctx, get_be64(key.ptr));
}

enum rc checkpoint_list(struct state *state, bool (*fn)(void *ctx, uint64_t account), void *ctx,
                        struct err *err)
{
    return checkpoint_list_from(state, 0, fn, ctx, err);
}

enum rc checkpoint_list_from(struct state *state, uint64_t first,
                             bool (*fn)(void *ctx, uint64_t account), void *ctx,
                             struct err *err)
{
    struct account_key key = key_of(first, 0);
    struct account_walk walk = {fn, ctx};

    return state_each_key(state, TABLE_ROOTS, account_part(&key), each_root, &walk, err);
}

enum rc checkpoint_swept(struct state *state, uint64_t account, int64_t *out, struct err *err)
{
    struct account_key key = key_of(account, 0);
    char value[8];
    size_t len = 0;
    uint64_t when;
    struct scan sc;
    enum rc rc = state_get_small(state, TABLE_SWEPT, account_part(&key), value, sizeof(value),
                                 &len, err);

    if (rc)
        return rc;
    sc = scan_of(slice_of(value, len));
    if (!scan_le64(&sc, &when))
        return damaged(err, "time of a sweep", account);
    *out = (int64_t) when;
    return RC_OK;
}

struct swept_job {
    uint64_t account;
};

static enum rc run_swept(struct state_txn *txn, void *ctx, struct err *err)
{
    const struct swept_job *job = ctx;
    struct account_key key = key_of(job->account, 0);
    char value[8];
    enum rc rc = checkpoint_txn_removed(txn, job->account, err);

    if (rc != RC_NOT_FOUND)
        return rc;
    put_le64(value, (uint64_t) clock_wall_sec());
    return state_txn_put(txn, TABLE_SWEPT, account_part(&key), slice_of(value, sizeof(value)),
                         err);
}

enum rc checkpoint_put_swept(struct state *state, uint64_t account, struct err *err)
{
    struct swept_job job = {account};

    return state_write(state, run_swept, &job, err);
}

static bool read_place(uint64_t account, uint64_t body_id, struct slice value,
                       struct pack_place *out)
{
    struct pack_place place;
    struct scan sc = scan_of(value);
    uint64_t hash;

    if (value.len != PLACE_BYTES || !scan_le64(&sc, &place.pack) ||
        !scan_le64(&sc, &place.offset) || !scan_le64(&sc, &place.length) ||
        !scan_le32(&sc, &place.row) || !scan_le32(&sc, &place.stored) ||
        !scan_le64(&sc, &hash) ||
        row_hash(account, body_id, slice_of(value.ptr, PLACE_BYTES - 8)) != hash)
        return false;
    *out = place;
    return true;
}

enum rc checkpoint_find_place(struct state *state, uint64_t account, uint64_t body_id,
                              struct pack_place *out, struct err *err)
{
    struct account_key key = key_of(account, body_id);
    char value[PLACE_BYTES + 1];
    size_t len = 0;
    enum rc rc =
        state_get_small(state, TABLE_PLACES, whole_key(&key), value, sizeof(value), &len, err);

    if (rc)
        return rc;
    return read_place(account, body_id, slice_of(value, len), out)
               ? RC_OK
               : damaged(err, "place of a body", account);
}

enum rc checkpoint_txn_find_place(struct state_txn *txn, uint64_t account, uint64_t body_id,
                                  struct pack_place *out, struct err *err)
{
    struct account_key key = key_of(account, body_id);
    struct slice value;
    enum rc rc = state_txn_get(txn, TABLE_PLACES, whole_key(&key), &value, err);

    if (rc)
        return rc;
    return read_place(account, body_id, value, out) ? RC_OK
                                                    : damaged(err, "place of a body", account);
}

enum rc checkpoint_txn_put_place(struct state_txn *txn, const struct packed_body *body,
                                 struct err *err)
{
    struct account_key key = key_of(body->account, body->body_id);
    char value[PLACE_BYTES] = {0};

    put_le64(value, body->place.pack);
    put_le64(value + 8, body->place.offset);
    put_le64(value + 16, body->place.length);
    put_le32(value + 24, body->place.row);
    put_le32(value + 28, body->place.stored);
    put_le64(value + 32,
             row_hash(body->account, body->body_id, slice_of(value, PLACE_BYTES - 8)));
    return state_txn_put(txn, TABLE_PLACES, whole_key(&key), slice_of(value, sizeof(value)),
                         err);
}

enum rc checkpoint_txn_drop_place(struct state_txn *txn, uint64_t account, uint64_t body_id,
                                  struct err *err)
{
    struct account_key key = key_of(account, body_id);

    return state_txn_del(txn, TABLE_PLACES, whole_key(&key), err);
}

enum rc checkpoint_txn_drop_digest(struct state_txn *txn, uint64_t account, uint64_t body_id,
                                   struct err *err)
{
    struct account_key key = key_of(account, body_id);

    return state_txn_del(txn, TABLE_DIGESTS, whole_key(&key), err);
}

enum rc checkpoint_txn_first_place(struct state_txn *txn, uint64_t account,
                                   uint64_t *out_body_id, struct err *err)
{
    struct account_key key = key_of(account, 0);
    struct slice found;
    enum rc rc = state_txn_seek(txn, TABLE_PLACES, whole_key(&key), &found, err);

    if (rc)
        return rc;
    if (found.len != sizeof(key.bytes) || !slice_starts(found, account_part(&key)))
        return err_set(err, RC_NOT_FOUND, "Not found", "account has no packed body");
    *out_body_id = get_be64(found.ptr + 8);
    return RC_OK;
}

enum rc checkpoint_txn_removed(struct state_txn *txn, uint64_t account, struct err *err)
{
    struct account_key key = key_of(account, 0);
    struct slice mark;

    return state_txn_get(txn, TABLE_REMOVED, account_part(&key), &mark, err);
}

struct place_walk {
    uint64_t account;
    bool (*fn)(void *ctx, uint64_t body_id, const struct pack_place *place);
    void *ctx;
};

static bool each_place(void *ctx, struct slice key, struct slice value)
{
    const struct place_walk *walk = ctx;
    struct pack_place place;
    uint64_t body_id;

    if (key.len != 16 || get_be64(key.ptr) != walk->account)
        return false;
    body_id = get_be64(key.ptr + 8);
    return walk->fn(walk->ctx, body_id,
                    read_place(walk->account, body_id, value, &place) ? &place : NULL);
}

enum rc checkpoint_each_place(struct state *state, uint64_t account, uint64_t from,
                              bool (*fn)(void *ctx, uint64_t body_id,
                                         const struct pack_place *place),
                              void *ctx, struct err *err)
{
    struct account_key key = key_of(account, from);
    struct place_walk walk = {account, fn, ctx};

    return state_each_from(state, TABLE_PLACES, whole_key(&key), each_place, &walk, err);
}

struct all_places_walk {
    bool (*fn)(void *ctx, const struct pack_place *place);
    void *ctx;
};

static bool each_of_all(void *ctx, struct slice key, struct slice value)
{
    const struct all_places_walk *walk = ctx;
    struct pack_place place;

    return key.len != 16 ||
           !read_place(get_be64(key.ptr), get_be64(key.ptr + 8), value, &place) ||
           walk->fn(walk->ctx, &place);
}

enum rc checkpoint_all_places(struct state *state,
                              bool (*fn)(void *ctx, const struct pack_place *place), void *ctx,
                              struct err *err)
{
    struct all_places_walk walk = {fn, ctx};

    return state_each(state, TABLE_PLACES, each_of_all, &walk, err);
}

struct removed_walk {
    struct state *state;
    bool (*fn)(void *ctx, uint64_t account, uint64_t lsn);
    void *ctx;
};

static bool each_removed(void *ctx, struct slice key)
{
    const struct removed_walk *walk = ctx;
    char value[8];
    size_t len = 0;
    uint64_t lsn = UINT64_MAX;
    struct scan sc;

    if (key.len != 8)
        return true;
    if (state_get_small(walk->state, TABLE_REMOVED, key, value, sizeof(value), &len, NULL) ==
        RC_OK) {
        sc = scan_of(slice_of(value, len));
        (void) scan_le64(&sc, &lsn); /* else as it was: damaged */
    }
    return walk->fn(walk->ctx, get_be64(key.ptr), lsn);
}

enum rc checkpoint_each_removed(struct state *state,
                                bool (*fn)(void *ctx, uint64_t account, uint64_t lsn),
                                void *ctx, struct err *err)
{
    struct account_key first = key_of(0, 0);
    struct removed_walk walk = {state, fn, ctx};

    return state_each_key(state, TABLE_REMOVED, account_part(&first), each_removed, &walk, err);
}

struct digests_job {
    const struct loose_digest *digests;
    size_t n;
};

static enum rc put_digest(struct state_txn *txn, const struct loose_digest *digest,
                          struct err *err)
{
    struct account_key key = key_of(digest->account, digest->body_id);
    char head[DIGEST_HEAD_BYTES];
    enum rc rc = checkpoint_txn_removed(txn, digest->account, err);

    if (rc != RC_NOT_FOUND)
        return rc; /* removed: its digests went with it */
    put_le64(head, digest->version);
    put_le64(head + 8, row_hash(digest->account, digest->body_id, digest->bytes));
    return put_checked(txn, TABLE_DIGESTS, whole_key(&key), head, DIGEST_HEAD_BYTES,
                       digest->bytes, err);
}

static enum rc run_put_digests(struct state_txn *txn, void *ctx, struct err *err)
{
    const struct digests_job *job = ctx;
    enum rc rc = RC_OK;

    for (size_t i = 0; i < job->n && !rc; i++)
        rc = put_digest(txn, &job->digests[i], err);
    return rc;
}

enum rc checkpoint_put_digests(struct state *state, const struct loose_digest *digests,
                               size_t n, struct err *err)
{
    struct digests_job job = {digests, n};

    return state_write(state, run_put_digests, &job, err);
}

enum rc checkpoint_loose_digest(struct state *state, uint64_t account, uint64_t body_id,
                                struct arena *arena, uint32_t *out_version, struct slice *out,
                                struct err *err)
{
    struct account_key key = key_of(account, body_id);
    uint64_t version = 0, hash = 0;
    struct slice value;
    struct scan sc;
    enum rc rc = state_get(state, TABLE_DIGESTS, whole_key(&key), arena, &value, err);

    if (rc)
        return rc;
    sc = scan_of(value);
    if (!scan_le64(&sc, &version) || !scan_le64(&sc, &hash) || version > UINT32_MAX ||
        row_hash(account, body_id, scan_rest(&sc)) != hash)
        return damaged(err, "digest", account);
    *out_version = (uint32_t) version;
    *out = scan_rest(&sc);
    return RC_OK;
}

struct remove_job {
    uint64_t account, lsn;
};

static enum rc run_remove(struct state_txn *txn, void *ctx, struct err *err)
{
    static const enum state_table tables[] = {TABLE_ROOTS, TABLE_PAGES, TABLE_DIGESTS,
                                              TABLE_SWEPT};
    const struct remove_job *job = ctx;
    struct account_key key = key_of(job->account, 0);
    char value[8];
    enum rc rc = RC_OK;

    for (size_t i = 0; i < COUNT(tables) && !rc; i++)
        rc = state_txn_del_all(txn, tables[i], account_part(&key), err);
    if (rc)
        return rc;
    rc = pack_rows_drop_account(txn, job->account, err);
    if (!rc)
        rc = parts_remove(txn, job->account, err);
    if (rc)
        return rc;
    put_le64(value, job->lsn);
    return state_txn_put(txn, TABLE_REMOVED, account_part(&key), slice_of(value, sizeof(value)),
                         err);
}

enum rc checkpoint_remove(struct state *state, uint64_t account, uint64_t lsn, struct err *err)
{
    struct remove_job job = {account, lsn};

    return state_write(state, run_remove, &job, err);
}

bool checkpoint_is_removed(struct state *state, uint64_t account)
{
    struct account_key key = key_of(account, 0);
    char value[8];
    size_t len;

    return state_get_small(state, TABLE_REMOVED, account_part(&key), value, sizeof(value), &len,
                           NULL) == RC_OK;
}

struct forget_job {
    const uint64_t *accounts;
    size_t n;
};

static enum rc run_forget(struct state_txn *txn, void *ctx, struct err *err)
{
    const struct forget_job *job = ctx;
    enum rc rc = RC_OK;

    for (size_t i = 0; i < job->n && !rc; i++) {
        struct account_key key = key_of(job->accounts[i], 0);

        rc = state_txn_del(txn, TABLE_REMOVED, account_part(&key), err);
    }
    return rc;
}

enum rc checkpoint_forget_removed(struct state *state, const uint64_t *accounts, size_t n,
                                  struct err *err)
{
    struct forget_job job = {accounts, n};

    return n > 0 ? state_write(state, run_forget, &job, err) : RC_OK;
}

struct uidvalidity_job {
    uint32_t n, first;
};

/* At least (saved, now), as a re-created mailbox must get a greater value also when the store
 * was set back (RFC 9051 2.3.1.1). */
static enum rc run_uidvalidity(struct state_txn *txn, void *ctx, struct err *err)
{
    struct uidvalidity_job *job = ctx;
    int64_t now = clock_wall_sec();
    uint32_t next = now > 0 && now < UINT32_MAX ? (uint32_t) now : 1;
    char value[4];
    struct slice saved;
    enum rc rc = state_txn_get(txn, TABLE_META, UIDVALIDITY_KEY, &saved, err);

    if (rc && rc != RC_NOT_FOUND)
        return rc;
    if (rc == RC_OK) {
        struct scan sc = scan_of(saved);
        uint32_t old = 0;

        if (!scan_le32(&sc, &old))
            return err_set(err, RC_CORRUPT, "Stored data is damaged", "uidvalidity row");
        next = MAX(next, old);
    }
    if (next > UINT32_MAX - job->n)
        return err_set(err, RC_LIMIT, "No UIDVALIDITY left", "uidvalidity: %u", next);
    job->first = next;
    put_le32(value, next + job->n);
    return state_txn_put(txn, TABLE_META, UIDVALIDITY_KEY, slice_of(value, sizeof(value)), err);
}

enum rc checkpoint_uidvalidity(struct state *state, uint32_t n, uint32_t *out_first,
                               struct err *err)
{
    struct uidvalidity_job job = {.n = n};
    enum rc rc = state_write(state, run_uidvalidity, &job, err);

    if (!rc)
        *out_first = job.first;
    return rc;
}

static enum rc run_claim(struct state_txn *txn, void *ctx, struct err *err)
{
    return state_txn_put(txn, TABLE_META, STORE_KEY, slice_of(ctx, 16), err);
}

enum rc checkpoint_claim(struct state *state, const unsigned char uuid[16], struct err *err)
{
    char stored[16], own[16];
    size_t len = 0;
    enum rc rc =
        state_get_small(state, TABLE_META, STORE_KEY, stored, sizeof(stored), &len, err);

    memcpy(own, uuid, sizeof(own));
    if (rc == RC_NOT_FOUND)
        return state_write(state, run_claim, own, err);
    if (!rc && (len != sizeof(stored) || memcmp(stored, own, sizeof(own)) != 0))
        return err_set(err, RC_CORRUPT, "The state is another store's",
                       "state/data.mdb is another store's: put back this store's own");
    return rc;
}
