/*
 * pack_rows.c - rows of the table of packs, and the transactions that move and drop bodies.
 *
 * Each transaction leaves the counts true: whoever takes a place away, for whatever reason,
 * does it through drop_place(), which counts the body in its pack. A pack whose row is damaged
 * is left alone: its bodies are found by their places, only its figures are lost.
 */
#include "store/local/pack_rows.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/local/bytes.h"
#include "store/local/pack.h"
#include "store/local/parts.h"

#define PACK_VALUE_BYTES 80u

struct pack_key {
    char bytes[8];
};

static struct pack_key key_of(uint64_t pack)
{
    struct pack_key key;

    put_be64(key.bytes, pack);
    return key;
}

static struct slice key_slice(const struct pack_key *key)
{
    return slice_of(key->bytes, sizeof(key->bytes));
}

static enum rc put_info(struct state_txn *txn, const struct pack_info *info, struct err *err)
{
    const uint64_t fields[] = {info->account,   info->file_bytes,   info->bodies,
                               info->raw_bytes, info->stored_bytes, info->dead_bodies,
                               info->dead_raw,  info->dead_stored,  (uint64_t) info->made};
    struct pack_key key = key_of(info->number);
    char value[PACK_VALUE_BYTES] = {0};

    value[0] = (char) info->state;
    value[1] = (char) info->merges;
    for (size_t i = 0; i < COUNT(fields); i++)
        put_le64(value + 8 + 8 * i, fields[i]);
    return state_txn_put(txn, TABLE_PACKS, key_slice(&key), slice_of(value, sizeof(value)),
                         err);
}

static bool read_info(uint64_t number, struct slice value, struct pack_info *out)
{
    struct pack_info info = {.number = number};
    struct scan sc = scan_of(value);
    uint64_t made, head;

    if (value.len != PACK_VALUE_BYTES || !scan_le64(&sc, &head) ||
        !scan_le64(&sc, &info.account) || !scan_le64(&sc, &info.file_bytes) ||
        !scan_le64(&sc, &info.bodies) || !scan_le64(&sc, &info.raw_bytes) ||
        !scan_le64(&sc, &info.stored_bytes) || !scan_le64(&sc, &info.dead_bodies) ||
        !scan_le64(&sc, &info.dead_raw) || !scan_le64(&sc, &info.dead_stored) ||
        !scan_le64(&sc, &made) || (head & 0xff) > PACK_RETIRED)
        return false;
    info.state = (enum pack_state)(head & 0xff);
    info.merges = (uint8_t) (head >> 8);
    info.made = (int64_t) made;
    *out = info;
    return true;
}

static enum rc get_info(struct state_txn *txn, uint64_t pack, struct pack_info *out,
                        struct err *err)
{
    struct pack_key key = key_of(pack);
    struct slice value;
    enum rc rc = state_txn_get(txn, TABLE_PACKS, key_slice(&key), &value, err);

    if (rc)
        return rc;
    if (!read_info(pack, value, out))
        return err_set(err, RC_CORRUPT, "Stored data is damaged", "row of pack %llx",
                       (unsigned long long) pack);
    return RC_OK;
}

struct row_job {
    uint64_t pack;
};

static enum rc run_plan(struct state_txn *txn, void *ctx, struct err *err)
{
    const struct row_job *job = ctx;
    struct pack_info info = {
        .number = job->pack, .state = PACK_PLANNED, .made = clock_wall_sec()};

    return put_info(txn, &info, err);
}

enum rc pack_rows_plan(struct state *state, uint64_t pack, struct err *err)
{
    struct row_job job = {pack};

    return state_write(state, run_plan, &job, err);
}

static enum rc run_forget(struct state_txn *txn, void *ctx, struct err *err)
{
    const struct row_job *job = ctx;
    struct pack_key key = key_of(job->pack);

    return state_txn_del(txn, TABLE_PACKS, key_slice(&key), err);
}

enum rc pack_rows_forget(struct state *state, uint64_t pack, struct err *err)
{
    struct row_job job = {pack};

    return state_write(state, run_forget, &job, err);
}

/* Parts are in the bodies that refer to them already. */
static uint64_t raw_of(uint64_t body_id, const struct pack_place *place)
{
    return (body_id & PACK_PART_BIT) != 0 ? 0 : place->length;
}

/* The body that lies at the place is dead there. */
static enum rc count_dead(struct state_txn *txn, uint64_t body_id,
                          const struct pack_place *place, struct err *err)
{
    struct pack_info info;
    enum rc rc = get_info(txn, place->pack, &info, err);

    if (rc == RC_NOT_FOUND || rc == RC_CORRUPT)
        return RC_OK; /* the figures of that pack are lost already */
    if (rc)
        return rc;
    info.dead_bodies++;
    info.dead_raw += raw_of(body_id, place);
    info.dead_stored += place->stored;
    return put_info(txn, &info, err);
}

static enum rc drop_place(struct state_txn *txn, uint64_t account, uint64_t body_id,
                          struct err *err)
{
    struct pack_place place;
    enum rc rc = checkpoint_txn_find_place(txn, account, body_id, &place, err);

    if (rc == RC_OK)
        rc = count_dead(txn, body_id, &place, err);
    else if (rc == RC_NOT_FOUND || rc == RC_CORRUPT)
        rc = RC_OK; /* a damaged row names no pack */
    return rc ? rc : checkpoint_txn_drop_place(txn, account, body_id, err);
}

static enum rc drop_part(void *ctx, struct state_txn *txn, uint64_t account, uint64_t part_id,
                         struct err *err)
{
    (void) ctx;
    return drop_place(txn, account, part_id, err);
}

/* A body is dead: what is known of it goes, and the parts that only it was made of. A damaged
 * row of references keeps its parts, which costs space and no mail. */
static enum rc bury(struct state_txn *txn, uint64_t account, uint64_t body_id, struct err *err)
{
    enum rc rc = part_unref(txn, account, body_id, drop_part, NULL, err);

    if (rc && rc != RC_CORRUPT)
        return rc;
    return checkpoint_txn_drop_digest(txn, account, body_id, err);
}

struct drop_job {
    uint64_t account;
    const uint64_t *ids;
    size_t n;
};

static enum rc run_drop(struct state_txn *txn, void *ctx, struct err *err)
{
    const struct drop_job *job = ctx;
    enum rc rc = RC_OK;

    for (size_t i = 0; i < job->n && !rc; i++) {
        rc = drop_place(txn, job->account, job->ids[i], err);
        if (!rc)
            rc = bury(txn, job->account, job->ids[i], err);
    }
    return rc;
}

enum rc pack_rows_drop(struct state *state, uint64_t account, const uint64_t *ids, size_t n,
                       struct err *err)
{
    struct drop_job job = {account, ids, n};

    return n > 0 ? state_write(state, run_drop, &job, err) : RC_OK;
}

enum rc pack_rows_drop_account(struct state_txn *txn, uint64_t account, struct err *err)
{
    uint64_t body_id;
    enum rc rc;

    while ((rc = checkpoint_txn_first_place(txn, account, &body_id, err)) == RC_OK) {
        rc = drop_place(txn, account, body_id, err);
        if (rc)
            return rc;
    }
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static bool is_source(const struct pack_change *change, uint64_t pack)
{
    for (size_t i = 0; i < change->n_sources; i++) {
        if (change->sources[i] == pack)
            return true;
    }
    return false;
}

/* May the body have its place where the change puts it? It may if the row of where it is now is
 * damaged: its bytes are at hand, so the row is made anew. */
static enum rc is_wanted(struct state_txn *txn, const struct pack_change *change,
                         const struct packed_body *body, bool *out, struct err *err)
{
    struct pack_place now;
    enum rc rc = checkpoint_txn_removed(txn, body->account, err);

    *out = false;
    if (rc != RC_NOT_FOUND)
        return rc; /* remove() runs on the same thread: its mark is here to see */
    rc = checkpoint_txn_find_place(txn, body->account, body->body_id, &now, err);
    if (rc == RC_OK)
        *out = is_source(change, now.pack);
    else if (rc == RC_CORRUPT)
        *out = true;
    else if (rc == RC_NOT_FOUND)
        *out = change->n_sources == 0 &&
               ((body->body_id & PACK_PART_BIT) != 0 ||
                change->is_alive(change->ctx, body->account, body->body_id));
    return rc == RC_NOT_FOUND || rc == RC_CORRUPT ? RC_OK : rc;
}

static enum rc move_body(struct state_txn *txn, const struct pack_change *change,
                         const struct packed_body *body, struct pack_info *info,
                         struct err *err)
{
    const struct pack_place *place = &body->place;
    bool wanted;
    enum rc rc = is_wanted(txn, change, body, &wanted, err);

    if (rc)
        return rc;
    info->bodies++;
    info->raw_bytes += raw_of(body->body_id, place);
    info->stored_bytes += place->stored;
    if (wanted) {
        rc = drop_place(txn, body->account, body->body_id, err);
        return rc ? rc : checkpoint_txn_put_place(txn, body, err);
    }
    info->dead_bodies++;
    info->dead_raw += raw_of(body->body_id, place);
    info->dead_stored += place->stored;
    return RC_OK;
}

/* Bodies that got no place let go of the parts that settle() counted for them. */
static enum rc bury_unplaced(struct state_txn *txn, const struct pack_change *change,
                             struct err *err)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; i < change->n_bodies && !rc; i++) {
        const struct packed_body *body = &change->bodies[i];
        struct pack_place now;

        rc = checkpoint_txn_find_place(txn, body->account, body->body_id, &now, err);
        if (rc == RC_NOT_FOUND)
            rc = bury(txn, body->account, body->body_id, err);
    }
    return rc;
}

static enum rc retire(struct state_txn *txn, uint64_t pack, struct err *err)
{
    struct pack_info info;
    enum rc rc = get_info(txn, pack, &info, err);

    if (rc)
        return rc == RC_NOT_FOUND ? RC_OK : rc;
    info.state = PACK_RETIRED;
    return put_info(txn, &info, err);
}

static enum rc run_change(struct state_txn *txn, void *ctx, struct err *err)
{
    const struct pack_change *change = ctx;
    struct pack_info info = change->pack;
    enum rc rc = RC_OK;

    info.state = PACK_LIVE;
    info.made = clock_wall_sec();
    for (size_t i = 0; i < change->n_bodies && !rc; i++)
        rc = move_body(txn, change, &change->bodies[i], &info, err);
    if (!rc && info.number != 0)
        rc = put_info(txn, &info, err);
    if (!rc && change->settle != NULL)
        rc = change->settle(change->ctx, txn, err);
    if (!rc && info.dead_bodies > 0)
        rc = bury_unplaced(txn, change, err);
    for (size_t i = 0; i < change->n_sources && change->retires && !rc; i++)
        rc = retire(txn, change->sources[i], err);
    return rc;
}

enum rc pack_rows_change(struct state *state, const struct pack_change *change, struct err *err)
{
    struct pack_change job = *change;

    return state_write(state, run_change, &job, err);
}

struct rows_walk {
    bool (*fn)(void *ctx, const struct pack_info *pack);
    void *ctx;
    bool is_damaged;
};

static bool each_row(void *ctx, struct slice key, struct slice value)
{
    struct rows_walk *walk = ctx;
    struct pack_info info;

    walk->is_damaged = key.len != 8 || !read_info(get_be64(key.ptr), value, &info);
    return !walk->is_damaged && walk->fn(walk->ctx, &info);
}

enum rc pack_rows_each(struct state *state, bool (*fn)(void *ctx, const struct pack_info *pack),
                       void *ctx, struct err *err)
{
    struct rows_walk walk = {fn, ctx, false};
    enum rc rc = state_each(state, TABLE_PACKS, each_row, &walk, err);

    if (!rc && walk.is_damaged)
        return err_set(err, RC_CORRUPT, "Stored data is damaged", "table of packs");
    return rc;
}

struct mend_job {
    const struct pack_info *info;
    const struct packed_body *places;
    size_t n;
};

static enum rc run_mend(struct state_txn *txn, void *ctx, struct err *err)
{
    const struct mend_job *job = ctx;
    enum rc rc = put_info(txn, job->info, err);

    for (size_t i = 0; i < job->n && !rc; i++)
        rc = checkpoint_txn_put_place(txn, &job->places[i], err);
    return rc;
}

enum rc pack_rows_mend(struct state *state, const struct pack_info *info,
                       const struct packed_body *places, size_t n, struct err *err)
{
    struct mend_job job = {info, places, n};

    return state_write(state, run_mend, &job, err);
}
