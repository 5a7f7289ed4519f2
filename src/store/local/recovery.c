/*
 * recovery.c - from what the disk holds to a store that may serve.
 *
 * Order:
 *   1. walk the epochs' batches (journal_scan.c); damage ends here, nothing having been
 * changed;
 *   2. write the last batch of the epoch that was open once more, durable: what the walk
 *      accepted may have been in the kernel's memory only, and from now on it is served as the
 *      truth. Those before it are durable, since one is in flight at a time. A sync would not
 *      do: behind one that failed the kernel takes its pages for written;
 *   3. the first segment of a new epoch, durable;
 *   4. the superblock: the last epoch is closed where the walk ended, the new one is open;
 *   5. files that nothing names go.
 * A crash before 4 leaves everything as it was for the next recovery, which sees the same or
 * (sectors that were only in memory being lost) a shorter prefix, and nobody has been served.
 * After 4 the end is fixed: a batch that was torn then can never come back to life.
 */
#include "store/local/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "store/local/ballast.h"
#include "store/local/journal_scan.h"
#include "store/local/pack_sweep.h"
#include "store/local/places_mend.h"
#include "store/local/salvage_dir.h"
#include "store/local/stage.h"

#define SPARES_SEEN_MAX 64u /* more than the keeper ever leaves */

struct removed_account {
    uint64_t account, lsn;
};

struct root_check {
    struct state *state;
    uint64_t end; /* the LSN that the next group gets */
    struct err *err;
    enum rc rc;
};

struct recovery {
    struct local *local;
    struct map *segments; /* number -> segment; all opened so far */
    uint64_t last_segment;
    struct keeper_spare spares[SPARES_SEEN_MAX];
    size_t n_spares;
    uint64_t next_spare;
    struct map *spills; /* number -> spill that a place refers to */
    struct removed_account *removed;
    size_t n_removed;
    uint64_t n_groups, n_bodies;
    uint64_t first_lost; /* segment of the first groups that a salvage leaves out; 0: none */
    bool list_lags;      /* the list of accounts is behind the state */
    struct map *damaged; /* accounts whose root is lost */
    bool has_failed;     /* a file that is there could not be opened */
    struct err failure;
};

static bool see_log_file(void *ctx, const char *name)
{
    struct recovery *rec = ctx;
    uint64_t number;
    struct stat st;

    if (layout_number(name, ".seg", &number)) {
        rec->last_segment = MAX(rec->last_segment, number);
    } else if (layout_number(name, ".spare", &number)) {
        rec->next_spare = MAX(rec->next_spare, number + 1);
        if (rec->n_spares < SPARES_SEEN_MAX &&
            fstatat(rec->local->layout.log, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            rec->spares[rec->n_spares++] = (struct keeper_spare){number, (uint64_t) st.st_size};
    }
    return true;
}

/* A file that is there and does not open says nothing of what is in it: recovery ends before it
 * takes the journal to end there, or a body to be lost. */
static void note_failure(struct recovery *rec, const struct err *err)
{
    if (!rec->has_failed)
        rec->failure = *err;
    rec->has_failed = true;
}

static struct segment *find_segment(void *ctx, uint64_t number)
{
    struct recovery *rec = ctx;
    struct segment *segment = map_get(rec->segments, MAP_KEY(number));
    struct err err;
    enum rc rc;

    if (segment != NULL)
        return segment;
    rc = segment_open(rec->local->layout.log, number, &segment, &err);
    if (rc == RC_OK)
        (void) map_put(rec->segments, MAP_KEY(number), segment);
    else if (rc == RC_IO)
        note_failure(rec, &err);
    return rc == RC_OK ? segment : NULL;
}

static bool see_removed(void *ctx, uint64_t account, uint64_t lsn)
{
    struct recovery *rec = ctx;

    if (lsn == UINT64_MAX)
        log_event(LEVEL_ERROR, "store.damage", LOG_STR("file", "state/data.mdb"),
                  LOG_STR("what", "mark of a removed account"), LOG_ID("account", account));
    rec->removed = xrealloc(rec->removed, (rec->n_removed + 1) * sizeof(*rec->removed));
    rec->removed[rec->n_removed++] = (struct removed_account){account, lsn};
    return true;
}

static bool was_removed(const struct recovery *rec, uint64_t account)
{
    for (size_t i = 0; i < rec->n_removed; i++) {
        if (rec->removed[i].account == account)
            return true;
    }
    return false;
}

/* A file that is missing is known as such: its bodies answer RC_CORRUPT, others are served. */
static struct spill *find_spill(struct recovery *rec, uint64_t number)
{
    struct spill *spill = map_get(rec->spills, MAP_KEY(number));
    char name[LAYOUT_NAME_BYTES];

    if (spill != NULL)
        return spill;
    spill = xcalloc(1, sizeof(*spill));
    spill->number = number;
    layout_name(name, number, ".body");
    spill->fd = openat(rec->local->layout.spill, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (spill->fd < 0 && errno != ENOENT) {
        struct err err;

        (void) file_error(&err, "open of a spill file");
        note_failure(rec, &err);
    } else if (spill->fd < 0) {
        log_event(LEVEL_ERROR, "store.damage", LOG_STR("file", name),
                  LOG_STR("error", strerror(errno)));
    }
    (void) map_put(rec->spills, MAP_KEY(number), spill);
    return spill;
}

static void add_body(struct recovery *rec, struct account_entry *account,
                     struct segment *segment, uint64_t bodies_at, uint64_t lsn,
                     const struct body_row *row)
{
    struct place *place = xcalloc(1, sizeof(*place));
    struct scan sc = scan_of(row->hashes);

    *place = (struct place){.account = account->id,
                            .body_id = row->body_id,
                            .lsn = lsn,
                            .segment = segment,
                            .length = row->length,
                            .mbox = row->mbox,
                            .uid = row->uid,
                            .flags = row->flags,
                            .internaldate = row->internaldate,
                            .n_blocks = row->n_blocks,
                            .offset = row->offset};
    if (row->kind == BODY_INLINE) {
        place->offset += bodies_at;
    } else {
        place->spill = find_spill(rec, row->spill);
        place->spill->refs++;
        place->spill->bytes += row->length;
    }
    if (row->n_blocks > 1)
        place->hashes = xcalloc(row->n_blocks, sizeof(*place->hashes));
    for (uint32_t i = 0; i < row->n_blocks; i++)
        (void) scan_le64(&sc, place->hashes != NULL ? &place->hashes[i] : &place->first_hash);
    index_add_place(&rec->local->index, account, place);
    account->is_recovered = !rec->local->options.no_packer;
    rec->n_bodies++;
}

static enum rc add_bodies(struct recovery *rec, struct account_entry *account,
                          struct segment *segment, uint32_t offset,
                          const struct group_view *group, struct err *err)
{
    struct scan sc = scan_of(group->table);

    for (uint32_t i = 0; i < group->n_bodies; i++) {
        struct body_row row;
        struct pack_place packed;
        enum rc rc;

        if (!body_row_read(&sc, &row) ||
            (row.kind == BODY_INLINE &&
             (row.offset > group->bodies.len || row.length > group->bodies.len - row.offset)))
            return err_set(err, RC_CORRUPT, "The journal is damaged",
                           "journal: bodies of LSN %llu", (unsigned long long) group->lsn);
        rc =
            checkpoint_find_place(rec->local->state, group->account, row.body_id, &packed, err);
        if (rc == RC_IO)
            return rc;
        if (rc != RC_OK &&
            index_find_place(&rec->local->index, group->account, row.body_id) == NULL)
            add_body(rec, account, segment, offset + group->bodies_at, group->lsn, &row);
    }
    return RC_OK;
}

static enum rc take_group(void *ctx, struct segment *segment, uint32_t offset,
                          const struct group_view *group, struct err *err)
{
    struct recovery *rec = ctx;
    struct index *index = &rec->local->index;
    struct account_entry *account;
    struct tail_entry entry = {
        .lsn = group->lsn,
        .segment = segment,
        .offset = offset,
        .head_len = (uint32_t) (GROUP_HEADER_BYTES + group->records.len + group->table.len)};
    bool is_new;

    if (was_removed(rec, group->account))
        return RC_OK;
    account = index_account(index, rec->local, group->account, &is_new);
    if (is_new) {
        /* A damaged root takes its account out when it is loaded, not the server. */
        enum rc rc = checkpoint_lsn(rec->local->state, account->id, &account->root_lsn, err);

        if (rc == RC_IO)
            return rc;
    }
    /* Nothing can be applied to an account without its root, and its groups must not hold the
     * journal, which others wait for; its bodies are all that it will be made of. */
    if (group->lsn > account->root_lsn && map_get(rec->damaged, MAP_KEY(account->id)) == NULL)
        index_add_tail(index, account, &entry);
    rec->n_groups++;
    return add_bodies(rec, account, segment, offset, group, err);
}

/* Checkpoints hold the records; bodies that lay there and are in no pack are lost. */
static void see_damage(void *ctx, uint64_t segment, uint64_t offset, uint64_t first,
                       uint64_t last)
{
    char name[LAYOUT_NAME_BYTES];

    (void) ctx;
    layout_name(name, segment, ".seg");
    log_event(LEVEL_ERROR, "store.damage", LOG_STR("file", name), LOG_NUM("offset", offset),
              LOG_NUM("lsn", first), LOG_NUM("last_lsn", last));
}

/* Nobody else has these. */
static void see_lost(void *ctx, const struct lost_groups *lost)
{
    struct recovery *rec = ctx;

    if (rec->first_lost == 0)
        rec->first_lost = lost->segment;
    rec->local->options.lost(rec->local->options.lost_ctx, lost);
}

/* A salvage leaves behind it what somebody with more patience may read: the journal from the
 * first damage on. Before anything is changed. */
static enum rc keep_journal(struct recovery *rec, const struct journal_point *end,
                            struct err *err)
{
    enum rc rc = RC_OK;

    if (rec->first_lost == 0)
        return RC_OK;
    for (uint64_t n = rec->first_lost; n <= end->segment && !rc; n++) {
        char name[LAYOUT_NAME_BYTES];

        const struct segment *segment = map_get(rec->segments, MAP_KEY(n));

        if (segment == NULL || segment->used <= SEGMENT_HEADER_BYTES)
            continue;
        layout_name(name, n, ".seg");
        rc = salvage_copy(rec->local->layout.root, "log", name, "the journal is damaged", err);
    }
    return rc;
}

static struct journal_point epoch_start(const struct super *super, uint32_t i)
{
    return i == 0 ? super->start : super->epochs[i].first;
}

/* Walk all epochs; on RC_OK *out is the end of the last. */
static enum rc walk_epochs(struct recovery *rec, struct journal_point *out, struct err *err)
{
    struct super *super = rec->local->super;
    struct journal_source source = {.segment = find_segment,
                                    .last_segment = rec->last_segment,
                                    .covered = accounts_covered(rec->local->accounts),
                                    .damage = see_damage,
                                    .lost = rec->local->options.lost != NULL ? see_lost : NULL,
                                    .until_us = rec->local->options.until_us,
                                    .ctx = rec};
    struct journal_point point = super->start;

    for (uint32_t i = 0; i < super->n_epochs; i++) {
        uint64_t lsn = point.lsn;
        enum rc rc;

        point = epoch_start(super, i);
        if (i > 0 && point.lsn != lsn)
            return err_set(err, RC_CORRUPT, "The journal is damaged",
                           "journal: epoch %u begins at LSN %llu, not %llu", i,
                           (unsigned long long) point.lsn, (unsigned long long) lsn);
        rc = journal_scan_epoch(&source, &super->epochs[i], &point, take_group, rec,
                                &rec->local->is_cut, err);
        if (rec->has_failed) {
            *err = rec->failure;
            return err->rc;
        }
        if (rc)
            return rc;
        if (rec->local->is_cut) { /* what follows is no part of the store any more */
            super->n_epochs = i + 1;
            super->epochs[i].is_closed = false;
        }
    }
    *out = point;
    return RC_OK;
}

/* The header is not needed to read the segment, so damage to it is reported, no more. */
static void check_header(const struct recovery *rec, const struct segment *segment)
{
    const struct super *super = rec->local->super;

    for (uint32_t i = 0; i < super->n_epochs; i++) {
        if (segment_is_of(segment, &super->epochs[i].key, super->uuid))
            return;
    }
    log_event(LEVEL_ERROR, "store.damage", LOG_STR("file", "header of a journal segment"),
              LOG_NUM("segment", segment->number));
}

/* Segments that hold batches become live, in order. An epoch without a batch leaves no trace.
 */
static enum rc settle_segments(struct recovery *rec, struct journal_point *end, struct err *err)
{
    struct super *super = rec->local->super;
    struct epoch *last = super->n_epochs > 0 ? &super->epochs[super->n_epochs - 1] : NULL;

    for (uint64_t n = super->start.segment; last != NULL && n <= end->segment; n++) {
        struct segment *segment = map_get(rec->segments, MAP_KEY(n));

        if (segment == NULL || segment->used <= SEGMENT_HEADER_BYTES)
            continue;
        if (!last->is_closed && n == end->segment && segment->last_batch != 0) {
            enum rc rc =
                segment_write_again(rec->local->layout.log, segment, segment->last_batch,
                                    rec->local->options.buffered, err);
            if (rc)
                return rc;
        }
        check_header(rec, segment);
        (void) map_remove(rec->segments, MAP_KEY(n));
        index_add_segment(&rec->local->index, segment);
    }
    if (last != NULL && !last->is_closed) {
        last->is_closed = true;
        last->end = *end;
        if (last->end.lsn == epoch_start(super, super->n_epochs - 1).lsn)
            super->n_epochs--;
    }
    return RC_OK;
}

/* A spare for the first segment: the smallest that will do, or a new one. */
static enum rc first_spare(struct recovery *rec, struct keeper_spare *out, struct err *err)
{
    struct local *local = rec->local;
    uint64_t bytes = MIN(local->options.first_segment_bytes, local->share);
    char name[LAYOUT_NAME_BYTES];
    enum rc rc;
    size_t best = rec->n_spares;

    for (size_t i = 0; i < rec->n_spares; i++) {
        if (rec->spares[i].bytes >= bytes && rec->spares[i].bytes % JOURNAL_BLOCK_BYTES == 0 &&
            (best == rec->n_spares || rec->spares[i].bytes < rec->spares[best].bytes))
            best = i;
    }
    if (best < rec->n_spares) {
        *out = rec->spares[best];
        rec->spares[best] = rec->spares[--rec->n_spares];
        return RC_OK;
    }
    *out = (struct keeper_spare){rec->next_spare++, bytes};
    layout_name(name, out->number, ".spare");
    do {
        rc = segment_make_spare(local->layout.log, name, out->bytes, local->options.buffered,
                                err);
    } while (rc == RC_FULL && ballast_give(local->ballast));
    return rc;
}

static enum rc begin_epoch(struct recovery *rec, const struct journal_point *end,
                           struct recovery_result *out, struct err *err)
{
    struct local *local = rec->local;
    struct super *super = local->super;
    struct keeper_spare spare;
    struct epoch *epoch;
    char name[LAYOUT_NAME_BYTES];
    enum rc rc;

    if (super->n_epochs == SUPER_EPOCHS_MAX)
        return err_set(err, RC_LIMIT, "Too many restarts without a checkpoint",
                       "super: %u epochs", super->n_epochs);
    epoch = &super->epochs[super->n_epochs];
    memset(epoch, 0, sizeof(*epoch));
    epoch->key.epoch = random_id();
    random_bytes(epoch->key.secret, sizeof(epoch->key.secret));
    epoch->first = (struct journal_point){
        .segment = MAX(MAX(rec->last_segment, end->segment), super->start.segment) + 1,
        .lsn = end->lsn,
        .offset = SEGMENT_HEADER_BYTES,
        .prev = end->prev};
    rc = first_spare(rec, &spare, err);
    if (rc)
        return rc;
    layout_name(name, spare.number, ".spare");
    rc = segment_begin(local->layout.log, name, epoch->first.segment, &epoch->key, super->uuid,
                       local->options.buffered, &out->keeper.first, err);
    if (rc)
        return rc;
    if (super->n_epochs++ == 0)
        super->start = epoch->first;
    out->keeper.key = epoch->key;
    out->point = epoch->first;
    return local_write_super(local, err);
}

struct sweep {
    struct recovery *rec;
    uint64_t *numbers;
    size_t n;
    const char *suffix;
};

static bool sweep_see(void *ctx, const char *name)
{
    struct sweep *sweep = ctx;
    uint64_t number;

    if (layout_number(name, sweep->suffix, &number)) {
        sweep->numbers = xrealloc(sweep->numbers, (sweep->n + 1) * sizeof(*sweep->numbers));
        sweep->numbers[sweep->n++] = number;
    }
    return true;
}

/* Removes the files with the suffix for which is_needed answers false. What cannot be removed
 * stays for the next time. */
static enum rc sweep_files(struct recovery *rec, int dir, const char *suffix,
                           bool (*is_needed)(struct recovery *rec, uint64_t number),
                           uint64_t *out_next, struct err *err)
{
    struct sweep sweep = {.rec = rec, .suffix = suffix};
    enum rc rc = layout_each(dir, sweep_see, &sweep, err);

    for (size_t i = 0; i < sweep.n && !rc; i++) {
        char name[LAYOUT_NAME_BYTES];

        *out_next = MAX(*out_next, sweep.numbers[i] + 1);
        if (is_needed(rec, sweep.numbers[i]))
            continue;
        layout_name(name, sweep.numbers[i], suffix);
        (void) unlinkat(dir, name, 0);
    }
    free(sweep.numbers);
    return rc;
}

static bool never_needed(struct recovery *rec, uint64_t number)
{
    (void) rec;
    (void) number;
    return false;
}

static bool segment_is_needed(struct recovery *rec, uint64_t number)
{
    const struct super *super = rec->local->super;

    if (number == super->epochs[super->n_epochs - 1].first.segment)
        return true;
    LIST_FOREACH(it, &rec->local->index.live)
    {
        if (LINK_OWNER(it, struct segment, live)->number == number)
            return true;
    }
    return false;
}

static bool spare_is_needed(struct recovery *rec, uint64_t number)
{
    for (size_t i = 0; i < MIN(rec->n_spares, (size_t) SPARES_MAX); i++) {
        if (rec->spares[i].number == number)
            return true;
    }
    return false;
}

static bool spill_is_needed(struct recovery *rec, uint64_t number)
{
    return map_get(rec->spills, MAP_KEY(number)) != NULL;
}

static enum rc sweep_all(struct recovery *rec, struct err *err)
{
    const struct layout *layout = &rec->local->layout;
    uint64_t next_spill = 1, unused = 0;
    enum rc rc = sweep_files(rec, layout->log, ".seg", segment_is_needed, &unused, err);

    if (!rc)
        rc = sweep_files(rec, layout->log, ".spare", spare_is_needed, &rec->next_spare, err);
    if (!rc)
        rc = sweep_files(rec, layout->spill, ".new", never_needed, &next_spill, err);
    if (!rc)
        rc = sweep_files(rec, layout->spill, ".body", spill_is_needed, &next_spill, err);
    if (!rc)
        rc = pack_sweep(rec->local, err);
    if (rc)
        return rc;
    /* Never a number of an earlier run: backups of different times lie beside one another. */
    next_spill = MAX(next_spill, (uint64_t) MAX(clock_wall_us(), (int64_t) 0));
    atomic_store(&rec->local->next_spill, next_spill);
    return RC_OK;
}

/* ---- the list of accounts ---- */

static bool note_root(void *ctx, uint64_t account)
{
    struct recovery *rec = ctx;
    uint64_t lsn = 0, listed = 0;

    if (checkpoint_lsn(rec->local->state, account, &lsn, NULL) != RC_OK)
        return true;
    if (!accounts_find(rec->local->accounts, account, &listed) || listed < lsn) {
        accounts_note(rec->local->accounts, account, lsn);
        rec->list_lags = true;
    }
    return true;
}

static void judge_listed(void *ctx, uint64_t account, uint64_t listed)
{
    struct recovery *rec = ctx;
    uint64_t lsn = 0;
    enum rc rc;

    if (was_removed(rec, account)) {
        accounts_remove(rec->local->accounts, account);
        rec->list_lags = true;
        return;
    }
    rc = checkpoint_lsn(rec->local->state, account, &lsn, NULL);
    if (rc == RC_OK && lsn >= listed)
        return;
    (void) map_put(rec->damaged, MAP_KEY(account), rec);
    log_event(LEVEL_ERROR, "store.account_damaged", LOG_ID("account", account),
              LOG_NUM("lsn", listed), LOG_NUM("found", lsn),
              LOG_STR("what", rc ? "its root is lost" : "its root is an older one"));
}

/* The state and the list are told of each other: the list lags behind after a crash. */
static enum rc reconcile_accounts(struct recovery *rec, struct err *err)
{
    struct accounts *accounts = rec->local->accounts;
    enum rc rc = checkpoint_list(rec->local->state, note_root, rec, err);

    if (rc)
        return rc;
    accounts_each(accounts, judge_listed, rec);
    return rec->list_lags || accounts_bad(accounts) > 0 ? accounts_rewrite(accounts, err)
                                                        : RC_OK;
}

/* Marks of removed accounts are needed while the journal still holds their groups. */
static enum rc forget_removed(struct recovery *rec, struct err *err)
{
    AUTO(freep) uint64_t *accounts = xcalloc(rec->n_removed + 1, sizeof(*accounts));
    size_t n = 0;
    enum rc rc;

    for (size_t i = 0; i < rec->n_removed; i++) {
        if (rec->removed[i].lsn < rec->local->super->start.lsn)
            accounts[n++] = rec->removed[i].account;
    }
    rc = checkpoint_forget_removed(rec->local->state, accounts, n, err);
    return rc == RC_FULL ? RC_OK : rc; /* the next start does it */
}

/* Copies of the state whose backup did not live to take them away. */
static bool sweep_copy(void *ctx, const char *name)
{
    (void) unlinkat(*(const int *) ctx, name, 0); /* else the next time */
    return true;
}

static void sweep_backups(const struct layout *layout)
{
    AUTO(closep)
    int dir = openat(layout->root, "backup", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (dir >= 0 && layout_each(dir, sweep_copy, &dir, NULL) != RC_OK)
        log_event(LEVEL_WARNING, "store.unswept", LOG_STR("folder", "backup"));
}

static bool sees_old_root(void *ctx, uint64_t account)
{
    struct root_check *check = ctx;
    uint64_t lsn = 0;

    check->rc = checkpoint_lsn(check->state, account, &lsn, check->err);
    if (check->rc == RC_CORRUPT)
        check->rc = RC_OK; /* reconcile_accounts() judged of it */
    else if (check->rc == RC_OK && lsn >= check->end)
        check->rc =
            err_set(check->err, RC_INVALID, "The checkpoints are newer than that moment",
                    "state: account %016llx is at LSN %llu, the journal ends before %llu",
                    (unsigned long long) account, (unsigned long long) lsn,
                    (unsigned long long) check->end);
    return check->rc == RC_OK;
}

/* A journal that was cut must reach as far as the checkpoints do: replay starts behind them,
 * and new groups would have positions that a checkpoint claims to hold. */
static enum rc check_roots(struct recovery *rec, const struct journal_point *end,
                           struct err *err)
{
    struct root_check check = {rec->local->state, end->lsn, err, RC_OK};
    enum rc rc;

    if (!rec->local->is_cut)
        return RC_OK;
    rc = checkpoint_list(rec->local->state, sees_old_root, &check, err);
    return rc ? rc : check.rc;
}

static enum rc run(struct recovery *rec, struct recovery_result *out, struct err *err)
{
    struct local *local = rec->local;
    struct journal_point end;
    enum rc rc;

    if (state_serial(local->state) < local->super->min_state_serial)
        return err_set(err, RC_CORRUPT, "The store's state is out of date",
                       "state: serial %llu, the superblock wants %llu: an old or damaged "
                       "state/data.mdb",
                       (unsigned long long) state_serial(local->state),
                       (unsigned long long) local->super->min_state_serial);
    sweep_backups(&local->layout);
    rc = layout_each(local->layout.log, see_log_file, rec, err);
    if (!rc)
        rc = checkpoint_each_removed(local->state, see_removed, rec, err);
    if (!rc)
        rc = reconcile_accounts(rec, err);
    if (!rc && local->was_salvaged)
        rc = places_mend(local, err);
    if (!rc)
        rc = walk_epochs(rec, &end, err);
    if (!rc)
        rc = check_roots(rec, &end, err);
    if (!rc)
        rc = keep_journal(rec, &end, err);
    if (!rc)
        rc = settle_segments(rec, &end, err);
    if (!rc)
        rc = begin_epoch(rec, &end, out, err);
    if (!rc)
        rc = sweep_all(rec, err);
    if (!rc)
        rc = forget_removed(rec, err);
    if (rc)
        return rc;
    out->keeper.n_spares = MIN(rec->n_spares, (size_t) SPARES_MAX);
    memcpy(out->spares, rec->spares, out->keeper.n_spares * sizeof(out->spares[0]));
    out->keeper.spares = out->spares;
    out->keeper.next_spare = rec->next_spare;
    log_event(LEVEL_INFO, "store.recovered", LOG_NUM("groups", rec->n_groups),
              LOG_NUM("bodies", rec->n_bodies), LOG_NUM("lsn", out->point.lsn - 1));
    return RC_OK;
}

enum rc recovery_run(struct local *local, struct recovery_result *out, struct err *err)
{
    AUTO(freep) struct recovery *rec = xcalloc(1, sizeof(*rec));
    struct slice key;
    void *value;
    enum rc rc;

    rec->local = local;
    rec->segments = map_new();
    rec->spills = map_new();
    rec->damaged = map_new();
    rc = run(rec, out, err);
    for (size_t at = 0; map_next(rec->segments, &at, &key, &value);)
        segment_free(value); /* those that did not become live */
    map_free(rec->segments);
    map_free(rec->spills);
    map_free(rec->damaged);
    free(rec->removed);
    if (rc) {
        segment_free(out->keeper.first);
        out->keeper.first = NULL;
    }
    return rc;
}

enum rc recovery_seal(struct local *local, const struct journal_point *end, struct err *err)
{
    struct super *super = local->super;
    struct epoch *last = &super->epochs[super->n_epochs - 1];

    if (end->segment == 0)
        return RC_OK; /* nothing was written: the next start finds an empty epoch */
    last->is_closed = true;
    last->end = *end;
    return local_write_super(local, err);
}
