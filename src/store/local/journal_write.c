/*
 * journal_write.c - the open batch, the committer, the callbacks.
 *
 * Two batches in memory: `open` takes groups, `flying` is on its way to the disk. A commit
 * reserves room in the open batch under the lock and gets its LSN there; long groups are copied
 * outside the lock, counted in `writers`, and the committer waits for the count before it
 * hashes. So bodies are copied once, from their stage into the batch.
 *
 * Why an acknowledged group cannot be lost: durable is called only after segment_write() has
 * returned for the batch and, one batch being in flight, for all before it; each batch starts
 * on its own block, so no later write touches a block that holds it. If a write fails, nothing
 * is acknowledged any more: local_fatal() ends the process, and recovery decides by what the
 * disk really holds.
 *
 * Who writes: whoever sets is_writing, under the lock; until it clears it, the writer's fields
 * and the batch in flight are its own, and the callbacks come from it, in order. Nothing that
 * was pushed is left lying: a push finds nobody writing and writes, or a writer, which looks at
 * the open batch once more when it is done and urges the committer if there is something.
 * A deferred group that is not pushed yet needs no wake-up: its owner has promised the push.
 * Whoever waits inside the engine urges the committer first.
 */
#include <errno.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "store/local/journal.h"
#include "store/local/keeper.h"
#include "store/local/packer.h"
#include "store/local/stage.h"

#define COPY_LOCKED_BYTES 4096u /* up to here copying costs less than a second lock */
#define BATCH_KEEP_BYTES  ((size_t) 4 << 20) /* memory of a batch that stays resident */

struct pending {
    uint64_t account, lsn;
    uint32_t offset;    /* of the group in the batch */
    uint32_t head_len;  /* header, records, table */
    size_t first_place; /* in the batch's places */
    size_t n_places;
};

struct batch {
    char *ptr;
    size_t len;       /* lock: header and groups so far */
    unsigned writers; /* lock: groups that are still being copied */
    struct pending *groups;
    size_t n_groups, cap_groups;
    struct place **places;
    size_t n_places, cap_places;
};

struct journal {
    struct local *local;
    struct journal_key key;
    size_t cap; /* bytes of a batch */
    pthread_t committer;
    bool has_committer;

    pthread_mutex_t lock;
    pthread_cond_t work;    /* is_urged, or stop */
    pthread_cond_t copied;  /* writers reached 0 */
    pthread_cond_t room;    /* the open batch was taken, or the pressure changed */
    pthread_cond_t durable; /* durable_lsn moved */
    struct batch batches[2];
    struct batch *open;   /* lock */
    uint64_t next_lsn;    /* lock */
    uint64_t durable_lsn; /* lock */
    bool is_moving;       /* lock: the batch in flight goes to the next segment */
    uint64_t left;        /* lock: bytes left in the current segment */
    uint64_t n_batches;   /* lock */
    unsigned waiters;     /* lock: in journal_wait_durable */
    unsigned roomless;    /* lock: commits that wait for `room` */
    bool is_writing;      /* lock: some thread has the writer's part */
    bool is_urged;        /* lock: the committer is to write what is open */
    bool is_blocked;      /* lock: a bound is reached */
    bool has_much;        /* lock: the packer is to hurry */
    bool is_stopping;     /* lock */

    /* The writer's own. */
    struct segment *segment;
    uint64_t at; /* where the next batch goes */
    struct hash128 prev;
};

/* What a group will take, worked out before the lock is taken. */
struct group_plan {
    const struct commit_group *group;
    size_t table_len, inline_len, total;
    struct place **places; /* of its bodies, in their order */
};

struct commit_plan {
    struct group_plan groups[COMMIT_GROUPS_MAX];
    size_t n, total, n_places;
    struct place **places;
};

static void plan_done(struct commit_plan *plan)
{
    for (size_t i = 0; i < plan->n_places; i++) {
        free(plan->places[i]->hashes);
        free(plan->places[i]);
    }
    free(plan->places);
}

static struct place *place_new(uint64_t account, const struct staged_body *body)
{
    const struct body_stage *stage = body->stage;
    struct place *place = xcalloc(1, sizeof(*place));

    place->account = account;
    place->body_id = body->body_id;
    place->length = stage->length;
    place->mbox = body->mbox;
    place->uid = body->uid;
    place->flags = body->flags;
    place->internaldate = body->internaldate;
    place->n_blocks = body_blocks(stage->length);
    if (place->n_blocks == 1)
        place->first_hash = stage->hashes[0];
    if (place->n_blocks > 1) {
        place->hashes = xcalloc(place->n_blocks, sizeof(*place->hashes));
        memcpy(place->hashes, stage->hashes, place->n_blocks * sizeof(*place->hashes));
    }
    return place;
}

enum rc journal_finish_stages(struct journal *journal, struct body_stage *const *stages,
                              size_t n, struct err *err)
{
    uint64_t in_memory = 0;

    for (size_t i = 0; i < n; i++) {
        enum rc rc = stage_finish(stages[i], err);

        if (rc)
            return rc;
        in_memory += stages[i]->mem != NULL ? stages[i]->length : 0;
    }
    if (in_memory <= MIN((uint64_t) INLINE_MAX_BYTES, (uint64_t) journal->cap / 2))
        return RC_OK;
    return stage_spill_all(journal->local, stages, n, err);
}

static enum rc finish_bodies(struct journal *journal, const struct commit_group *groups,
                             size_t n, size_t n_bodies, struct err *err)
{
    AUTO(freep) struct body_stage **stages = xcalloc(n_bodies, sizeof(struct body_stage *));
    size_t n_stages = 0;

    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < groups[i].n_bodies; j++)
            stages[n_stages++] = groups[i].bodies[j].stage;
    }
    return journal_finish_stages(journal, stages, n_stages, err);
}

static void plan_group(struct commit_plan *plan, const struct commit_group *group)
{
    struct group_plan *gp = &plan->groups[plan->n++];

    gp->group = group;
    gp->places = plan->places != NULL ? plan->places + plan->n_places : NULL;
    for (size_t i = 0; i < group->n_bodies; i++) {
        struct place *place = place_new(group->account, &group->bodies[i]);

        plan->places[plan->n_places++] = place;
        gp->table_len += BODY_ROW_BYTES + (size_t) place->n_blocks * 8;
        if (group->bodies[i].stage->mem != NULL)
            gp->inline_len += (size_t) place->length;
    }
    gp->total = GROUP_HEADER_BYTES + group->records.len + gp->table_len + gp->inline_len;
    plan->total += gp->total;
}

static enum rc make_plan(struct journal *journal, const struct commit_group *groups, size_t n,
                         struct commit_plan *plan, struct err *err)
{
    size_t n_bodies = 0;
    uint64_t records = 0;

    if (n == 0 || n > COMMIT_GROUPS_MAX)
        return err_set(err, RC_LIMIT, "Too much at once", "commit: %zu groups", n);
    for (size_t i = 0; i < n; i++) {
        n_bodies += groups[i].n_bodies;
        records += groups[i].records.len;
        if (groups[i].records.len > GROUP_RECORDS_MAX_BYTES)
            return err_set(err, RC_LIMIT, "Too much at once", "commit: %zu bytes of records",
                           groups[i].records.len);
    }
    if (records > journal->cap / 2)
        return err_set(err, RC_LIMIT, "Too much at once", "commit: %llu bytes of records",
                       (unsigned long long) records);
    plan->n = plan->total = plan->n_places = 0;
    memset(plan->groups, 0, n * sizeof(plan->groups[0]));
    plan->places = n_bodies > 0 ? xcalloc(n_bodies, sizeof(struct place *)) : NULL;
    if (n_bodies > 0) {
        enum rc rc = finish_bodies(journal, groups, n, n_bodies, err);

        if (rc)
            return rc;
    }
    for (size_t i = 0; i < n; i++)
        plan_group(plan, &groups[i]);
    if (plan->total > journal->cap - BATCH_HEADER_BYTES)
        return err_set(err, RC_LIMIT, "Too much at once", "commit: %zu bytes", plan->total);
    return RC_OK;
}

/* Write the group at its place in the batch. */
static void copy_group(char *at, const struct group_plan *gp, uint64_t lsn)
{
    const struct commit_group *group = gp->group;
    char *to = at + GROUP_HEADER_BYTES;
    char *bodies = to + group->records.len + gp->table_len;
    uint64_t inline_at = 0;

    if (group->records.len > 0)
        memcpy(to, group->records.ptr, group->records.len);
    to += group->records.len;
    for (size_t i = 0; i < group->n_bodies; i++) {
        const struct place *place = gp->places[i];
        const struct body_stage *stage = group->bodies[i].stage;
        bool is_inline = stage->mem != NULL;

        body_row_write(to,
                       &(struct body_row){.body_id = place->body_id,
                                          .length = place->length,
                                          .mbox = place->mbox,
                                          .uid = place->uid,
                                          .flags = place->flags,
                                          .kind = is_inline ? BODY_INLINE : BODY_SPILL,
                                          .internaldate = place->internaldate,
                                          .spill = is_inline ? 0 : stage->spill->number,
                                          .offset = is_inline ? inline_at : stage->spill_offset,
                                          .n_blocks = place->n_blocks});
        to += BODY_ROW_BYTES;
        for (uint32_t b = 0; b < place->n_blocks; b++, to += 8)
            put_le64(to, place_hashes(place)[b]);
        if (is_inline && place->length > 0) {
            memcpy(bodies + inline_at, stage->mem, (size_t) place->length);
            inline_at += place->length;
        }
    }
    group_seal(at, &(struct group_view){
                       .account = group->account,
                       .lsn = lsn,
                       .base = group->base,
                       .n_bodies = (uint32_t) group->n_bodies,
                       .records = group->records,
                       .table = {NULL, gp->table_len },
                       .bodies = {NULL, gp->inline_len}
    });
}

static void add_pending(struct batch *batch, const struct group_plan *gp, uint64_t lsn)
{
    if (batch->n_groups == batch->cap_groups) {
        batch->cap_groups = MAX(batch->cap_groups * 2, (size_t) 64);
        batch->groups = xrealloc(batch->groups, batch->cap_groups * sizeof(*batch->groups));
    }
    while (batch->n_places + gp->group->n_bodies > batch->cap_places) {
        batch->cap_places = MAX(batch->cap_places * 2, (size_t) 64);
        batch->places = xrealloc(batch->places, batch->cap_places * sizeof(struct place *));
    }
    batch->groups[batch->n_groups++] =
        (struct pending){.account = gp->group->account,
                         .lsn = lsn,
                         .offset = (uint32_t) batch->len,
                         .head_len = (uint32_t) (gp->total - gp->inline_len),
                         .first_place = batch->n_places,
                         .n_places = gp->group->n_bodies};
    for (size_t i = 0; i < gp->group->n_bodies; i++)
        batch->places[batch->n_places++] = gp->places[i];
    batch->len += gp->total;
}

/* Bodies can be opened from here on; body_open() waits for their LSN. Where the bytes lie
 * inline is known to the batch, so offset is that in the batch until it is on disk. */
static void add_places(struct local *local, struct commit_plan *plan, uint64_t first_lsn,
                       size_t at)
{
    (void) pthread_mutex_lock(&local->index.lock);
    for (size_t i = 0; i < plan->n; i++) {
        const struct group_plan *gp = &plan->groups[i];
        size_t inline_at = at + gp->total - gp->inline_len;

        for (size_t j = 0; j < gp->group->n_bodies; j++) {
            struct place *place = gp->places[j];
            struct body_stage *stage = gp->group->bodies[j].stage;
            bool is_new;

            place->lsn = first_lsn + i;
            place->offset = inline_at;
            if (stage->spill != NULL) {
                place->spill = stage->spill;
                place->spill->refs++;
                place->spill->bytes += place->length;
                place->offset = stage->spill_offset;
            } else {
                inline_at += (size_t) place->length;
            }
            index_add_place(&local->index,
                            index_account(&local->index, local, place->account, &is_new),
                            place);
        }
        at += gp->total;
    }
    (void) pthread_mutex_unlock(&local->index.lock);
    plan->n_places = 0; /* the index has them */
}

/* Waits until both bounds allow more; the bounds are checked after each batch. */
static enum rc wait_for_pressure(struct journal *journal, struct err *err)
{
    struct timespec until;

    if (!journal->is_blocked)
        return RC_OK;
    (void) clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += PRESSURE_WAIT_SEC;
    journal->roomless++;
    while (journal->is_blocked &&
           pthread_cond_timedwait(&journal->room, &journal->lock, &until) != ETIMEDOUT)
        ;
    journal->roomless--;
    if (journal->is_blocked)
        return err_set(err, RC_UNAVAILABLE, "The server is busy, try again",
                       "commit: checkpoints or packer are behind");
    return RC_OK;
}

/* With the lock held. True: the committer must be signalled, best without the lock. */
static bool urge(struct journal *journal)
{
    bool was_urged = journal->is_urged;

    journal->is_urged = true;
    return !was_urged && !journal->is_writing;
}

/* With the lock held: the open batch has room for the plan. */
static enum rc wait_for_room(struct journal *journal, const struct commit_plan *plan,
                             struct err *err)
{
    enum rc rc = wait_for_pressure(journal, err);

    if (rc)
        return rc;
    for (;;) {
        enum admission admission = ADMIT_WAIT;

        if (journal->open->len + plan->total <= journal->cap)
            admission = keeper_admits(journal->local->keeper, journal->open->len + plan->total,
                                      journal->left, journal->is_moving, plan->n_places > 0);
        if (admission == ADMIT)
            return RC_OK;
        if (admission == ADMIT_NOT)
            return err_set(err, RC_FULL, "The disk is full", "commit: no journal segment");
        keeper_prepare(journal->local->keeper);
        if (urge(journal)) /* what fills the batch may be waiting for its push */
            (void) pthread_cond_signal(&journal->work);
        journal->roomless++;
        (void) pthread_cond_wait(&journal->room, &journal->lock);
        journal->roomless--;
    }
}

static void copy_plan(char *at, const struct commit_plan *plan, uint64_t lsn)
{
    for (size_t i = 0; i < plan->n; i++) {
        copy_group(at, &plan->groups[i], lsn + i);
        at += plan->groups[i].total;
    }
}

static bool is_deferred(const struct commit_plan *plan)
{
    for (size_t i = 0; i < plan->n; i++) {
        if (!plan->groups[i].group->is_deferred)
            return false;
    }
    return true;
}

/* Everything that may refuse has answered; from here the groups are in. */
static enum rc enter_batch(struct journal *journal, struct commit_plan *plan,
                           uint64_t *out_positions, struct err *err)
{
    struct batch *batch;
    uint64_t lsn;
    size_t at;
    bool copies_later = plan->n_places > 0 || plan->total > COPY_LOCKED_BYTES;
    bool signals;
    enum rc rc;

    (void) pthread_mutex_lock(&journal->lock);
    rc = wait_for_room(journal, plan, err);
    if (rc) {
        (void) pthread_mutex_unlock(&journal->lock);
        return rc;
    }
    batch = journal->open;
    at = batch->len;
    lsn = journal->next_lsn;
    journal->next_lsn += plan->n;
    for (size_t i = 0; i < plan->n; i++) {
        add_pending(batch, &plan->groups[i], lsn + i);
        out_positions[i] = lsn + i;
    }
    if (copies_later) {
        batch->writers++;
        (void) pthread_mutex_unlock(&journal->lock);
        if (plan->n_places > 0)
            add_places(journal->local, plan, lsn, at);
        copy_plan(batch->ptr + at, plan, lsn);
        (void) pthread_mutex_lock(&journal->lock);
        if (--batch->writers == 0)
            (void) pthread_cond_signal(&journal->copied);
    } else {
        copy_plan(batch->ptr + at, plan, lsn);
    }
    signals = !is_deferred(plan) && urge(journal);
    (void) pthread_mutex_unlock(&journal->lock);
    if (signals)
        (void) pthread_cond_signal(&journal->work);
    return RC_OK;
}

enum rc journal_commit(struct journal *journal, const struct commit_group *groups, size_t n,
                       uint64_t *out_positions, struct err *err)
{
    struct commit_plan plan;
    enum rc rc;

    plan.n = plan.n_places = 0;
    plan.places = NULL;
    rc = make_plan(journal, groups, n, &plan, err);
    if (!rc) {
        size_t n_bodies = plan.n_places;

        rc = enter_batch(journal, &plan, out_positions, err);
        if (!rc)
            (void) atomic_fetch_add(&journal->local->n_bodies, n_bodies);
    }
    plan_done(&plan);
    if (rc)
        return rc;
    (void) atomic_fetch_add(&journal->local->n_commits, n);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < groups[i].n_bodies; j++)
            stage_free(groups[i].bodies[j].stage);
    }
    return RC_OK;
}

/* The segment that the batch goes to; the one before is closed when it has no room. */
static void choose_segment(struct journal *journal, size_t total, uint64_t first_lsn)
{
    struct local *local = journal->local;
    struct segment *next;

    if (journal->segment != NULL && journal->at + total <= journal->segment->bytes)
        return;
    next = keeper_take(local->keeper, total);
    next->start = (struct journal_point){
        .segment = next->number, .lsn = first_lsn, .offset = SEGMENT_HEADER_BYTES};
    next->start.prev = journal->prev;
    (void) pthread_mutex_lock(&local->index.lock);
    if (journal->segment != NULL)
        journal->segment->is_closed = true;
    index_add_segment(&local->index, next);
    (void) pthread_mutex_unlock(&local->index.lock);
    if (journal->segment != NULL) {
        keeper_poke_wanted(local->keeper);
        packer_poke(local->packer);
    }
    journal->segment = next;
    journal->at = SEGMENT_HEADER_BYTES;
}

static size_t padded(size_t len)
{
    return (len + JOURNAL_BLOCK_BYTES - 1) & ~(size_t) (JOURNAL_BLOCK_BYTES - 1);
}

static void write_batch(struct journal *journal, struct batch *batch)
{
    size_t total = padded(batch->len);
    struct batch_header header = {.total_len = (uint32_t) total,
                                  .payload_len = (uint32_t) (batch->len - BATCH_HEADER_BYTES),
                                  .n_groups = (uint32_t) batch->n_groups,
                                  .first_lsn = batch->groups[0].lsn,
                                  .clock_us = clock_wall_us(),
                                  .prev = journal->prev};
    struct err err;

    choose_segment(journal, total, header.first_lsn);
    header.segment = journal->segment->number;
    header.offset = (uint32_t) journal->at;
    memset(batch->ptr + batch->len, 0, total - batch->len);
    batch_seal(batch->ptr, &header, &journal->key);
    if (segment_write(journal->segment, batch->ptr, total, journal->at, &err) != RC_OK)
        local_fatal(journal->local, &err);
    journal->prev = header.self;
}

/* The batch is durable: the index learns where its groups and bodies are. */
static void index_batch(struct journal *journal, const struct batch *batch)
{
    struct local *local = journal->local;
    bool wants = false;

    (void) pthread_mutex_lock(&local->index.lock);
    for (size_t i = 0; i < batch->n_groups; i++) {
        const struct pending *group = &batch->groups[i];
        bool is_new;
        struct account_entry *account =
            index_account(&local->index, local, group->account, &is_new);
        struct tail_entry entry = {.lsn = group->lsn,
                                   .segment = journal->segment,
                                   .offset = (uint32_t) journal->at + group->offset,
                                   .head_len = group->head_len};

        index_add_tail(&local->index, account, &entry);
        wants = wants || (account->tail_bytes > TAIL_WANTED_BYTES && !account->is_wanted);
        for (size_t j = 0; j < group->n_places; j++) {
            struct place *place = batch->places[group->first_place + j];

            index_settle_place(place, journal->segment, journal->at + place->offset);
        }
    }
    journal->at += padded(batch->len);
    journal->segment->used = journal->at;
    (void) pthread_mutex_unlock(&local->index.lock);
    if (wants)
        keeper_poke_wanted(local->keeper);
}

/* With the lock held. */
static void update_pressure(struct journal *journal)
{
    struct local *local = journal->local;
    bool is_blocked, has_much;

    (void) pthread_mutex_lock(&local->index.lock);
    has_much = packer_has_much(local);
    is_blocked = local->index.unpacked_bytes > local->options.unpacked_max_bytes ||
                 index_uncheckpointed(&local->index) > local->options.uncheckpointed_max_bytes;
    (void) pthread_mutex_unlock(&local->index.lock);
    if (journal->is_blocked && !is_blocked)
        (void) pthread_cond_broadcast(&journal->room);
    if (has_much && !journal->has_much)
        packer_poke(local->packer);
    if (is_blocked && !journal->is_blocked)
        keeper_poke_wanted(local->keeper);
    journal->has_much = has_much;
    journal->is_blocked = is_blocked;
}

void journal_note_pressure(struct journal *journal)
{
    (void) pthread_mutex_lock(&journal->lock);
    update_pressure(journal);
    (void) pthread_mutex_unlock(&journal->lock);
}

void journal_note_room(struct journal *journal)
{
    (void) pthread_mutex_lock(&journal->lock);
    (void) pthread_cond_broadcast(&journal->room);
    (void) pthread_mutex_unlock(&journal->lock);
}

static void report_batch(struct journal *journal, const struct batch *batch)
{
    const struct engine_events *events = &journal->local->events;

    (void) pthread_mutex_lock(&journal->lock);
    journal->durable_lsn = batch->groups[batch->n_groups - 1].lsn;
    journal->left = journal->segment->bytes - journal->at;
    journal->is_moving = false;
    if (journal->roomless > 0)
        (void) pthread_cond_broadcast(&journal->room);
    journal->n_batches++;
    update_pressure(journal);
    if (journal->waiters > 0)
        (void) pthread_cond_broadcast(&journal->durable);
    (void) pthread_mutex_unlock(&journal->lock);
    if (journal->at > journal->segment->bytes / 4)
        keeper_prepare(journal->local->keeper);
    if (events->durable == NULL)
        return;
    for (size_t i = 0; i < batch->n_groups; i++)
        events->durable(events->ctx, batch->groups[i].account, batch->groups[i].lsn);
}

static void empty_batch(struct batch *batch)
{
    if (batch->len > BATCH_KEEP_BYTES)
        (void) madvise(batch->ptr + BATCH_KEEP_BYTES, batch->len - BATCH_KEEP_BYTES,
                       MADV_DONTNEED); /* a hint */
    batch->len = BATCH_HEADER_BYTES;
    batch->n_groups = batch->n_places = 0;
}

/* With the lock held and is_writing set: the open batch, once it is copied wholly; the next one
 * opens. */
static struct batch *take_batch(struct journal *journal)
{
    struct batch *batch = journal->open;
    bool is_moving;

    journal->open = batch == &journal->batches[0] ? &journal->batches[1] : &journal->batches[0];
    is_moving = padded(batch->len) > journal->left;
    journal->is_moving = is_moving;
    journal->left = is_moving ? 0 : journal->left - padded(batch->len);
    if (journal->roomless > 0)
        (void) pthread_cond_broadcast(&journal->room);
    while (batch->writers > 0)
        (void) pthread_cond_wait(&journal->copied, &journal->lock);
    return batch;
}

/* With the lock held and is_writing set; gives the lock up meanwhile. */
static void write_open(struct journal *journal)
{
    struct batch *batch = take_batch(journal);

    (void) pthread_mutex_unlock(&journal->lock);
    write_batch(journal, batch);
    index_batch(journal, batch);
    report_batch(journal, batch);
    empty_batch(batch);
    (void) pthread_mutex_lock(&journal->lock);
}

static void *committer_main(void *arg)
{
    struct journal *journal = arg;

    (void) pthread_mutex_lock(&journal->lock);
    for (;;) {
        while (journal->is_writing || (!journal->is_urged && !journal->is_stopping))
            (void) pthread_cond_wait(&journal->work, &journal->lock);
        journal->is_writing = true;
        while (journal->open->n_groups > 0)
            write_open(journal);
        journal->is_writing = journal->is_urged = false;
        if (journal->is_stopping)
            break;
    }
    (void) pthread_mutex_unlock(&journal->lock);
    return NULL;
}

/* One batch only: the caller has an answer to give. */
void journal_push(struct journal *journal)
{
    bool signals = false;

    (void) pthread_mutex_lock(&journal->lock);
    if (journal->open->n_groups > 0 && !journal->is_writing && !journal->is_urged) {
        journal->is_writing = true;
        write_open(journal);
        journal->is_writing = false;
        if (journal->open->n_groups > 0)
            journal->is_urged = true;
        signals = journal->is_urged || journal->is_stopping;
    }
    (void) pthread_mutex_unlock(&journal->lock);
    if (signals)
        (void) pthread_cond_signal(&journal->work);
}

uint64_t journal_assigned(struct journal *journal)
{
    uint64_t lsn;

    (void) pthread_mutex_lock(&journal->lock);
    lsn = journal->next_lsn - 1;
    (void) pthread_mutex_unlock(&journal->lock);
    return lsn;
}

/* Not written by this thread: it may hold locks that the callbacks take. */
void journal_wait_durable(struct journal *journal, uint64_t lsn)
{
    (void) pthread_mutex_lock(&journal->lock);
    if (journal->durable_lsn < lsn && urge(journal))
        (void) pthread_cond_signal(&journal->work);
    journal->waiters++;
    while (journal->durable_lsn < lsn)
        (void) pthread_cond_wait(&journal->durable, &journal->lock);
    journal->waiters--;
    (void) pthread_mutex_unlock(&journal->lock);
}

uint64_t journal_batches(struct journal *journal)
{
    uint64_t n;

    (void) pthread_mutex_lock(&journal->lock);
    n = journal->n_batches;
    (void) pthread_mutex_unlock(&journal->lock);
    return n;
}

static void init_waits(struct journal *journal)
{
    pthread_condattr_t attr;

    (void) pthread_mutex_init(&journal->lock, NULL);
    (void) pthread_condattr_init(&attr);
    (void) pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void) pthread_cond_init(&journal->work, NULL);
    (void) pthread_cond_init(&journal->copied, NULL);
    (void) pthread_cond_init(&journal->room, &attr);
    (void) pthread_cond_init(&journal->durable, NULL);
    (void) pthread_condattr_destroy(&attr);
}

enum rc journal_new(struct local *local, const struct journal_key *key,
                    const struct journal_point *start, struct journal **out, struct err *err)
{
    struct journal *journal = xcalloc(1, sizeof(*journal));

    journal->local = local;
    journal->key = *key;
    journal->prev = start->prev;
    journal->next_lsn = start->lsn;
    journal->durable_lsn = start->lsn - 1;
    journal->cap = (size_t) MIN((uint64_t) BATCH_MAX_BYTES,
                                local->options.segment_bytes - SEGMENT_HEADER_BYTES);
    init_waits(journal);
    for (size_t i = 0; i < COUNT(journal->batches); i++) {
        journal->batches[i].ptr = segment_buffer_new(journal->cap);
        journal->batches[i].len = BATCH_HEADER_BYTES;
    }
    journal->open = &journal->batches[0];
    if (pthread_create(&journal->committer, NULL, committer_main, journal) != 0) {
        journal_free(journal);
        return err_set(err, RC_UNAVAILABLE, "No threads left", "journal: pthread_create");
    }
    journal->has_committer = true;
    *out = journal;
    return RC_OK;
}

void journal_stop(struct journal *journal, struct journal_point *out_end)
{
    (void) pthread_mutex_lock(&journal->lock);
    journal->is_stopping = true;
    (void) pthread_cond_signal(&journal->work);
    (void) pthread_mutex_unlock(&journal->lock);
    if (journal->has_committer)
        (void) pthread_join(journal->committer, NULL);
    journal->has_committer = false;
    out_end->segment = journal->segment != NULL ? journal->segment->number : 0;
    out_end->offset = (uint32_t) journal->at;
    out_end->lsn = journal->next_lsn;
    out_end->prev = journal->prev;
}

void journal_free(struct journal *journal)
{
    if (journal == NULL)
        return;
    for (size_t i = 0; i < COUNT(journal->batches); i++) {
        free(journal->batches[i].ptr);
        free(journal->batches[i].groups);
        free(journal->batches[i].places);
    }
    (void) pthread_cond_destroy(&journal->work);
    (void) pthread_cond_destroy(&journal->copied);
    (void) pthread_cond_destroy(&journal->room);
    (void) pthread_cond_destroy(&journal->durable);
    (void) pthread_mutex_destroy(&journal->lock);
    free(journal);
}
