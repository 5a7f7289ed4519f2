/*
 * packer.c - bodies from journal and spill files into packs.
 *
 * Order: (1) the pack, whole and durable under its name; (2) one transaction of the state says
 * where each body is now; (3) the old places are dropped in memory. Between (2) and (3) a
 * reader finds the old place, which is still there; after (3) the new. A crash after (1) leaves
 * a pack that is only planned, after (2) bodies in the journal that recovery finds to be
 * packed.
 *
 * Checksums travel: blocks are verified as they are read, and the entry carries the checksums
 * made when the mail came in, not new ones. A body that is damaged already is moved as it is,
 * so that reading it still says so; nothing here can turn bad bytes into good ones.
 */
#include "store/local/packer.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/pace.h"
#include "store/local/ballast.h"
#include "store/local/body.h"
#include "store/local/compact.h"
#include "store/local/digests.h"
#include "store/local/journal.h"
#include "store/local/keeper.h"
#include "store/local/pack_rows.h"
#include "store/local/pack_sweep.h"
#include "store/local/pack_write.h"
#include "store/local/stage.h"

#define PACK_BODIES_MAX                                                                        \
    ((size_t) 1 << 16) /* in one pack; the index lock is held while they are counted out */

struct packer {
    struct local *local;
    struct pace pace;
    /* The thread's own: what was committed up to aged_lsn is old enough to be packed. */
    uint64_t sample_lsn, aged_lsn;
    int64_t sample_us;
};

/* A body to move: what its place said, pinned. */
struct move {
    struct pack_entry entry; /* hashes are a copy */
    int fd;
    uint64_t base;
    struct segment *segment;
    struct spill *spill;
};

struct moves {
    struct move *list;
    size_t n, cap;
};

/* With the index lock held. */
static void add_move(struct moves *moves, const struct place *place)
{
    struct move *move;
    uint64_t *hashes = xcalloc((size_t) place->n_blocks + 1, sizeof(*hashes));

    if (moves->n == moves->cap) {
        moves->cap = MAX(moves->cap * 2, (size_t) 256);
        moves->list = xrealloc(moves->list, moves->cap * sizeof(*moves->list));
    }
    memcpy(hashes, place_hashes(place), place->n_blocks * sizeof(*hashes));
    move = &moves->list[moves->n++];
    *move = (struct move){
        .entry = {.account = place->account,
                  .body_id = place->body_id,
                  .mbox = place->mbox,
                  .uid = place->uid,
                  .flags = place->flags,
                  .internaldate = place->internaldate,
                  .length = place->length,
                  .n_blocks = place->n_blocks,
                  .hashes = hashes},
        .base = place->offset,
        .segment = place->segment,
        .spill = place->spill
    };
    move->segment->pins++;
    move->fd = place->segment->read_fd;
    if (place->spill != NULL) {
        move->spill->refs++;
        move->fd = place->spill->fd;
    }
}

bool packer_has_much(const struct local *local)
{
    return local->index.unpacked_bytes > local->options.unpacked_max_bytes / 2 ||
           map_count(local->index.places) > local->options.unpacked_bodies;
}

bool packer_is_pressed(struct local *local)
{
    bool is_pressed;

    (void) pthread_mutex_lock(&local->index.lock);
    is_pressed = packer_has_much(local);
    (void) pthread_mutex_unlock(&local->index.lock);
    return is_pressed;
}

static bool is_pressing(struct local *local)
{
    return packer_is_pressed(local) || keeper_is_full(local->keeper);
}

/* Are the closed segments worth a pack? On a full disk they are: it lets go of one. With the
 * index lock held. */
static bool is_worth_a_pack(const struct local *local, bool is_full)
{
    uint64_t bytes = 0,
             target = MIN(local->options.pack_bytes, local->options.segment_bytes / 2);
    unsigned n_closed = 0;
    bool is_pressing = is_full || packer_has_much(local);

    LIST_FOREACH(it, &local->index.live)
    {
        const struct segment *segment = LINK_OWNER(it, struct segment, live);

        if (!segment->is_closed || segment->n_bodies == 0)
            continue;
        n_closed++;
        bytes += segment->used;
    }
    return n_closed > 0 && (bytes >= target || n_closed > PACK_LIVE_MAX || is_pressing);
}

/*
 * The bodies of the oldest segments, up to a pack's worth (of the oldest one alone when the
 * disk is full, so that the ballast has room for it): of those that are closed, if that is
 * worth a pack, and whatever is old enough, or pressed for by commits, wherever it lies. Places
 * in a segment are in the order of their LSN, and of groups that are durable.
 */
static void collect(struct packer *packer, struct moves *moves)
{
    struct index *index = &packer->local->index;
    bool is_worth, is_pressed, is_full = keeper_is_full(packer->local->keeper);
    uint64_t bytes = 0, most = is_full ? 1 : packer->local->options.pack_bytes;

    (void) pthread_mutex_lock(&index->lock);
    is_worth = is_worth_a_pack(packer->local, is_full);
    is_pressed = packer_has_much(packer->local);
    LIST_FOREACH(it, &index->live)
    {
        struct segment *segment = LINK_OWNER(it, struct segment, live);

        if (bytes >= most || moves->n >= PACK_BODIES_MAX)
            break;
        LIST_FOREACH(p, &segment->places)
        {
            const struct place *place = LINK_OWNER(p, struct place, of_segment);

            if (moves->n >= PACK_BODIES_MAX || (!(is_worth && segment->is_closed) &&
                                                !is_pressed && place->lsn > packer->aged_lsn))
                break;
            add_move(moves, place);
            bytes += place->length;
        }
    }
    (void) pthread_mutex_unlock(&index->lock);
}

static void release(struct local *local, struct moves *moves)
{
    for (size_t i = 0; i < moves->n; i++) {
        struct move *move = &moves->list[i];
        struct spill *dead = NULL;

        (void) pthread_mutex_lock(&local->index.lock);
        move->segment->pins--;
        if (move->spill != NULL)
            dead = spill_unref(move->spill);
        (void) pthread_mutex_unlock(&local->index.lock);
        spill_remove(local, dead);
        free(move->entry.hashes);
    }
    free(moves->list);
}

static int by_place(const void *a, const void *b)
{
    const struct pack_entry *x = &((const struct move *) a)->entry;
    const struct pack_entry *y = &((const struct move *) b)->entry;

    if (x->account != y->account)
        return x->account < y->account ? -1 : 1;
    if (x->mbox != y->mbox)
        return x->mbox < y->mbox ? -1 : 1;
    if (x->uid != y->uid)
        return x->uid < y->uid ? -1 : 1;
    return x->body_id < y->body_id ? -1 : x->body_id > y->body_id;
}

static enum rc not_readable(struct err *err)
{
    return err_set(err, RC_UNAVAILABLE, "Storage failure",
                   "packer: a body is not readable now");
}

/* Damaged bytes are moved as they are, missing ones as zeros: their checksums fail here and
 * will fail for every reader. Bytes that the disk does not give are neither: RC_UNAVAILABLE,
 * and the body stays where it is. */
static enum rc read_move(void *ctx, uint64_t at, char *out, size_t len, struct err *err)
{
    const struct move *move = ctx;
    enum rc rc = body_read_checked(move->fd, move->base, move->entry.length, move->entry.hashes,
                                   at, out, len, err);

    if (rc == RC_OK)
        return rc;
    log_event(LEVEL_ERROR, "store.damage", LOG_ID("account", move->entry.account),
              LOG_NUM("body", move->entry.body_id), LOG_ERR(err));
    memset(out, 0, len);
    if (move->fd < 0) /* the file is missing */
        return RC_CORRUPT;
    if (rc != RC_CORRUPT)
        return not_readable(err);
    rc = file_read_all(move->fd, out, len, move->base + at, err);
    if (rc == RC_CORRUPT) /* the file ends early */
        memset(out, 0, len);
    return rc == RC_OK || rc == RC_CORRUPT ? RC_CORRUPT : not_readable(err);
}

/* RC_MORE: told to stop in the middle; the file is dropped. */
static enum rc write_pack(struct packer *packer, const struct moves *moves,
                          struct pack_writer *writer, uint64_t *out_bytes, struct err *err)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; i < moves->n && !rc; i++) {
        struct pack_source source = {read_move, &moves->list[i]};

        if (!pace_rest(&packer->pace, is_pressing(packer->local)))
            return RC_MORE;
        rc = pack_writer_add(writer, &moves->list[i].entry, &source, err);
    }
    return rc ? rc : pack_writer_finish(writer, out_bytes, err);
}

static void drop_places(struct local *local, const struct moves *moves)
{
    for (size_t i = 0; i < moves->n; i++) {
        const struct move *move = &moves->list[i];
        struct place *place;
        struct spill *dead = NULL;

        (void) pthread_mutex_lock(&local->index.lock);
        place = index_find_place(&local->index, move->entry.account, move->entry.body_id);
        if (place != NULL)
            dead = index_drop_place(&local->index, place);
        (void) pthread_mutex_unlock(&local->index.lock);
        spill_remove(local, dead);
        digests_drop(local->digests, move->entry.account, move->entry.body_id);
    }
}

/* A pack that is about to be named. */
struct new_pack {
    struct local *local;
    struct pack_writer *writer;
};

static bool has_place(void *ctx, uint64_t account, uint64_t body_id)
{
    const struct new_pack *new_pack = ctx;
    struct index *index = &new_pack->local->index;
    bool found;

    (void) pthread_mutex_lock(&index->lock);
    found = index_find_place(index, account, body_id) != NULL;
    (void) pthread_mutex_unlock(&index->lock);
    return found;
}

static enum rc settle(void *ctx, struct state_txn *txn, struct err *err)
{
    const struct new_pack *new_pack = ctx;

    return pack_writer_settle(new_pack->writer, txn, err);
}

static enum rc make_pack(struct packer *packer, struct moves *moves, uint64_t number,
                         struct err *err)
{
    struct local *local = packer->local;
    AUTO(pack_writer_freep) struct pack_writer *writer = NULL;
    struct new_pack new_pack = {.local = local};
    struct pack_change change = {
        .pack = {.number = number}, .is_alive = has_place, .settle = settle, .ctx = &new_pack};
    enum rc rc = pack_writer_new(local, number, &writer, err);

    if (!rc)
        rc = write_pack(packer, moves, writer, &change.pack.file_bytes, err);
    if (rc)
        return rc;
    new_pack.writer = writer;
    change.bodies = pack_writer_bodies(writer, &change.n_bodies);
    rc = pack_rows_change(local->state, &change, err);
    if (rc)
        return rc;
    (void) atomic_fetch_add(&local->pack_bytes, change.pack.file_bytes);
    log_event(LEVEL_DEBUG, "store.packed", LOG_NUM("pack", number),
              LOG_NUM("bytes", change.pack.file_bytes), LOG_NUM("bodies", moves->n));
    return RC_OK;
}

static enum rc pack_moves(struct packer *packer, struct moves *moves, struct err *err)
{
    struct local *local = packer->local;
    uint64_t number = atomic_fetch_add(&local->next_pack, 1);
    enum rc rc = pack_rows_plan(local->state, number, err);

    if (rc)
        return rc;
    qsort(moves->list, moves->n, sizeof(*moves->list), by_place);
    rc = make_pack(packer, moves, number, err);
    if (!rc) {
        drop_places(local, moves);
        compactor_poke(local->compactor);
    } else if (rc != RC_IO && rc != RC_CORRUPT) { /* final: the next start cleans up */
        pack_remove(local, number);
    }
    return rc;
}

/* One pack, if there is one to make. */
static enum rc pack_some(struct packer *packer, bool *out_more)
{
    struct local *local = packer->local;
    struct moves moves = {0};
    struct err err;
    enum rc rc = RC_OK;

    collect(packer, &moves);
    *out_more = moves.n > 0;
    if (moves.n > 0)
        rc = pack_moves(packer, &moves, &err);
    release(local, &moves);
    if (rc == RC_IO || rc == RC_CORRUPT)
        local_fatal(local, &err);
    if (*out_more) {
        keeper_poke(local->keeper);
        journal_note_pressure(local->journal);
    }
    return rc;
}

/* What was committed before the last sample is old when the sample is. */
static void note_age(struct packer *packer)
{
    int64_t now_us = clock_mono_us();

    if (now_us - packer->sample_us < (int64_t) packer->local->options.pack_after_ms * 1000)
        return;
    packer->aged_lsn = packer->sample_lsn;
    packer->sample_lsn = journal_assigned(packer->local->journal);
    packer->sample_us = now_us;
}

static void *packer_main(void *arg)
{
    struct packer *packer = arg;

    pace_lower_priority();
    packer->sample_us = clock_mono_us();
    packer->sample_lsn = journal_assigned(packer->local->journal);
    while (!pace_is_stopping(&packer->pace)) {
        bool has_more;
        enum rc rc;

        note_age(packer);
        rc = pack_some(packer, &has_more);
        if (rc == RC_FULL && ballast_give_for_pack(packer->local->ballast))
            continue; /* a pack now is a segment free after it */
        if (rc == RC_FULL || rc == RC_UNAVAILABLE || !has_more)
            pace_wait(&packer->pace, rc == RC_FULL || rc == RC_UNAVAILABLE
                                         ? PACKER_RETRY_MS
                                         : (int64_t) packer->local->options.pack_after_ms);
    }
    return NULL;
}

enum rc packer_new(struct local *local, struct packer **out, struct err *err)
{
    struct packer *packer = xcalloc(1, sizeof(*packer));
    enum rc rc;

    packer->local = local;
    pace_init(&packer->pace);
    rc = pace_start(&packer->pace, packer_main, packer, err);
    if (rc) {
        packer_free(packer);
        return rc;
    }
    *out = packer;
    return RC_OK;
}

void packer_poke(struct packer *packer)
{
    if (packer != NULL)
        pace_poke(&packer->pace);
}

void packer_stop(struct packer *packer)
{
    pace_end(&packer->pace);
}

void packer_free(struct packer *packer)
{
    if (packer == NULL)
        return;
    pace_done(&packer->pace);
    free(packer);
}
