/*
 * engine.c - the contract's functions over the parts, opening and closing.
 *
 * Opening: lock, superblock, state, recovery, and only then the threads that write. Closing
 * goes the other way: packer, journal (what was handed in becomes durable), keeper, seal,
 * state.
 */
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/local/archive.h"
#include "store/local/ballast.h"
#include "store/local/block_cache.h"
#include "store/local/body.h"
#include "store/local/compact.h"
#include "store/local/derived.h"
#include "store/local/dict.h"
#include "store/local/digests.h"
#include "store/local/hold.h"
#include "store/local/inventory.h"
#include "store/local/journal.h"
#include "store/local/keeper.h"
#include "store/local/live.h"
#include "store/local/pack.h"
#include "store/local/pack_rows.h"
#include "store/local/packer.h"
#include "store/local/recovery.h"
#include "store/local/scrub.h"
#include "store/local/stage.h"
#include "store/local/state_check.h"

#define UIDVALIDITY_BLOCK 1024u /* reserved at once: a CREATE rarely waits for the state */

_Noreturn void local_fatal(struct local *local, const struct err *err)
{
    log_event(LEVEL_ERROR, "store.failed", LOG_ERR(err));
    if (local->options.fatal != NULL)
        local->options.fatal(local->options.fatal_ctx, err);
    _exit(LOCAL_EXIT_FAILED);
}

static void state_failed(void *ctx, const struct err *err)
{
    local_fatal(ctx, err);
}

static bool state_is_full(void *ctx)
{
    struct local *local = ctx;
    bool is_given = ballast_give(local->ballast);

    if (local->keeper != NULL)
        keeper_poke(local->keeper); /* it says that the disk is full, and makes it good */
    return is_given;
}

enum rc local_write_super(struct local *local, struct err *err)
{
    enum rc rc;

    do {
        rc = super_write(local->layout.root, local->super, err);
    } while (rc == RC_FULL && ballast_give(local->ballast));
    return rc;
}

static void local_start(struct engine *engine, const struct engine_events *events)
{
    struct local *local = local_of(engine);

    (void) pthread_mutex_lock(&local->index.lock);
    local->events = *events;
    (void) pthread_mutex_unlock(&local->index.lock);
    keeper_poke_wanted(local->keeper);
    compactor_poke(local->compactor); /* it may ask which bodies live */
}

static void local_free(struct local *local)
{
    scrubber_free(local->scrubber);
    packer_free(local->packer);
    compactor_free(local->compactor);
    journal_free(local->journal);
    keeper_free(local->keeper);
    state_close(local->state);
    accounts_free(local->accounts);
    packs_free(local->packs);
    digests_free(local->digests);
    ballast_free(local->ballast);
    dicts_free(local->dicts);
    block_cache_free(local->blocks);
    holds_free(local->holds);
    archive_close(local->archive);
    index_done(&local->index);
    layout_close(&local->layout);
    (void) pthread_mutex_destroy(&local->uidvalidity_lock);
    free(local->super);
    free(local->path);
    free(local);
}

/* After a clean stop checkpoints hold everything, usually: then nothing but bodies is read from
 * the journal again. False: a sync failed, and nothing more is synced. */
static bool note_all_covered(struct local *local, const struct journal_point *end)
{
    struct err err;
    uint64_t covered;

    (void) pthread_mutex_lock(&local->index.lock);
    covered = index_covered(&local->index);
    (void) pthread_mutex_unlock(&local->index.lock);
    if (covered == UINT64_MAX)
        covered = end->lsn - 1;
    if (covered > 0)
        accounts_note_covered(local->accounts, covered);
    if (accounts_sync(local->accounts, &err) == RC_OK)
        return true;
    log_event(LEVEL_WARNING, "store.accounts", LOG_ERR(&err));
    return err.rc != RC_IO;
}

static void local_close(struct engine *engine)
{
    struct local *local = local_of(engine);
    struct journal_point end;
    struct err err;

    scrubber_stop(local->scrubber);
    if (local->packer != NULL)
        packer_stop(local->packer);
    if (local->compactor != NULL)
        compactor_stop(local->compactor);
    digests_stop(local->digests);
    journal_stop(local->journal, &end);
    keeper_stop(local->keeper);
    /* Without the seal the next start walks to the end of the journal, as after a crash. */
    if (note_all_covered(local, &end) && recovery_seal(local, &end, &err) != RC_OK)
        log_event(LEVEL_WARNING, "store.unsealed", LOG_ERR(&err));
    local_free(local);
}

struct id_set {
    struct map *seen;
    uint64_t *ids;
    size_t n, cap;
};

static void id_set_add(struct id_set *set, uint64_t id)
{
    if (map_put(set->seen, MAP_KEY(id), set) != NULL)
        return;
    if (set->n == set->cap) {
        set->cap = MAX(set->cap * 2, (size_t) 64);
        set->ids = xrealloc(set->ids, set->cap * sizeof(*set->ids));
    }
    set->ids[set->n++] = id;
}

static bool see_account(void *ctx, uint64_t account)
{
    id_set_add(ctx, account);
    return true;
}

static void see_listed(void *ctx, uint64_t account, uint64_t lsn)
{
    (void) lsn;
    id_set_add(ctx, account);
}

static enum rc local_list(struct engine *engine, bool (*fn)(void *ctx, uint64_t account),
                          void *ctx, struct err *err)
{
    struct local *local = local_of(engine);
    AUTO(map_freep) struct map *seen = map_new();
    struct id_set set = {.seen = seen};
    AUTO(freep) uint64_t *ids = NULL;
    struct slice key;
    void *value;
    enum rc rc;

    journal_wait_durable(local->journal, journal_assigned(local->journal));
    rc = checkpoint_list(local->state, see_account, &set, err);
    accounts_each(local->accounts, see_listed, &set); /* also those whose root is lost */
    (void) pthread_mutex_lock(&local->index.lock);
    for (size_t at = 0; map_next(local->index.accounts, &at, &key, &value);) {
        const struct account_entry *account = value;

        if (account->n > 0)
            id_set_add(&set, account->id);
    }
    (void) pthread_mutex_unlock(&local->index.lock);
    ids = set.ids;
    for (size_t i = 0; i < set.n && !rc; i++) {
        if (!fn(ctx, ids[i]))
            break;
    }
    return rc;
}

/* The tail as it stands, with its segments pinned. */
static struct tail_entry *pin_tail(struct local *local, uint64_t account, size_t *out_n)
{
    const struct account_entry *entry;
    struct tail_entry *tail = NULL;

    *out_n = 0;
    (void) pthread_mutex_lock(&local->index.lock);
    entry = index_find_account(&local->index, account);
    if (entry != NULL && entry->n > 0) {
        tail = xcalloc(entry->n, sizeof(*tail));
        memcpy(tail, entry->tail + entry->first, entry->n * sizeof(*tail));
        *out_n = entry->n;
        for (size_t i = 0; i < entry->n; i++)
            tail[i].segment->pins++;
    }
    (void) pthread_mutex_unlock(&local->index.lock);
    return tail;
}

static void unpin_tail(struct local *local, const struct tail_entry *tail, size_t n)
{
    (void) pthread_mutex_lock(&local->index.lock);
    for (size_t i = 0; i < n; i++)
        tail[i].segment->pins--;
    (void) pthread_mutex_unlock(&local->index.lock);
    if (n > 0)
        keeper_poke(local->keeper);
}

static enum rc read_group(const struct tail_entry *entry, uint64_t account, struct arena *arena,
                          struct tail_group *out, struct err *err)
{
    char *bytes = arena_try(arena, entry->head_len);
    struct group_view group;
    enum rc rc;

    if (bytes == NULL)
        return err_set(err, RC_LIMIT, "Too large", "load: the tail does not fit in memory");
    rc = file_read_all(entry->segment->read_fd, bytes, entry->head_len, entry->offset, err);
    if (rc)
        return rc;
    if (!group_read_head(slice_of(bytes, entry->head_len), &group) || group.lsn != entry->lsn ||
        group.account != account)
        return err_set(err, RC_CORRUPT, "Stored data is damaged",
                       "journal: segment %llx offset %u: checksum of LSN %llu",
                       (unsigned long long) entry->segment->number, entry->offset,
                       (unsigned long long) entry->lsn);
    *out = (struct tail_group){entry->lsn, group.base, group.records};
    return RC_OK;
}

static enum rc load_image(struct local *local, uint64_t account, const struct tail_entry *tail,
                          size_t n, struct arena *arena, struct account_image *out,
                          struct err *err)
{
    struct account_image image = {0};
    struct tail_group *groups;
    uint64_t listed = 0;
    bool is_listed = accounts_find(local->accounts, account, &listed);
    enum rc rc =
        checkpoint_root(local->state, account, arena, &image.root_position, &image.root, err);

    if (is_listed && (rc == RC_NOT_FOUND || (rc == RC_OK && image.root_position < listed)))
        return err_set(err, RC_CORRUPT, "This account is damaged; tell the administrator",
                       "account %016llx: its checkpoint at LSN %llu is lost",
                       (unsigned long long) account, (unsigned long long) listed);
    if (rc && (rc != RC_NOT_FOUND || n == 0))
        return rc;
    groups = arena_try(arena, MAX(n, (size_t) 1) * sizeof(*groups));
    if (groups == NULL)
        return err_set(err, RC_LIMIT, "Too large", "load: %zu groups in the tail", n);
    for (size_t i = 0; i < n; i++) {
        if (tail[i].lsn <= image.root_position)
            continue;
        rc = read_group(&tail[i], account, arena, &groups[image.n_tail], err);
        if (rc)
            return rc;
        image.n_tail++;
    }
    image.tail = groups;
    *out = image;
    return RC_OK;
}

/* Somebody has to repair it, which may take days. */
static void hold(struct local *local, uint64_t account, const struct err *err)
{
    struct account_entry *entry;
    bool is_first;

    (void) pthread_mutex_lock(&local->index.lock);
    entry = index_find_account(&local->index, account);
    is_first = entry != NULL && index_hold(&local->index, entry);
    (void) pthread_mutex_unlock(&local->index.lock);
    journal_note_pressure(local->journal);
    if (is_first)
        log_event(LEVEL_ERROR, "store.held", LOG_ID("account", account), LOG_ERR(err));
}

/* The tail is taken before the root: a checkpoint in between makes the root newer, and groups
 * it covers are left out; the other order could leave a gap. */
static enum rc local_load(struct engine *engine, uint64_t account, struct arena *arena,
                          struct account_image *out, struct err *err)
{
    struct local *local = local_of(engine);
    AUTO(freep) struct tail_entry *tail = NULL;
    size_t n;
    enum rc rc;

    journal_wait_durable(local->journal, journal_assigned(local->journal));
    tail = pin_tail(local, account, &n);
    rc = load_image(local, account, tail, n, arena, out, err);
    unpin_tail(local, tail, n);
    if (rc == RC_CORRUPT)
        hold(local, account, err);
    return rc;
}

static enum rc read_page(void *ctx, uint64_t number, struct arena *arena, struct slice *out,
                         struct err *err)
{
    const struct page_ctx *page = ctx;
    enum rc rc = checkpoint_page(page->local->state, page->account, number, arena, out, err);

    if (rc == RC_CORRUPT || rc == RC_NOT_FOUND)
        hold(page->local, page->account, err);
    return rc;
}

static page_read_fn *local_page_reader(struct engine *engine, uint64_t account, void **out_ctx)
{
    struct local *local = local_of(engine);
    bool is_new;

    (void) pthread_mutex_lock(&local->index.lock);
    *out_ctx = &index_account(&local->index, local, account, &is_new)->page_ctx;
    (void) pthread_mutex_unlock(&local->index.lock);
    return read_page;
}

static enum rc local_commit(struct engine *engine, const struct commit_group *groups, size_t n,
                            uint64_t *out_positions, struct err *err)
{
    return journal_commit(local_of(engine)->journal, groups, n, out_positions, err);
}

static void local_push(struct engine *engine)
{
    journal_push(local_of(engine)->journal);
}

static enum rc local_stage(struct engine *engine, uint64_t account, uint64_t size_hint,
                           struct body_stage **out, struct err *err)
{
    return stage_new(local_of(engine), account, size_hint, out, err);
}

static enum rc local_stage_finish(struct engine *engine, struct body_stage *const *stages,
                                  size_t n, struct err *err)
{
    return journal_finish_stages(local_of(engine)->journal, stages, n, err);
}

static enum rc local_body_open(struct engine *engine, uint64_t account, uint64_t body_id,
                               struct body **out, struct err *err)
{
    return body_open(local_of(engine), account, body_id, out, err);
}

static void local_digest_put(struct engine *engine, uint64_t account, uint64_t body_id,
                             const struct digest_bytes *digest, const struct body_range *leaves,
                             size_t n_leaves)
{
    digests_put(local_of(engine)->digests, account, body_id, digest, leaves, n_leaves);
}

static enum rc local_digest_get(struct engine *engine, uint64_t account, uint64_t body_id,
                                uint32_t version, enum digest_wanted wanted,
                                struct arena *arena, struct slice *out)
{
    return digests_get(local_of(engine)->digests, account, body_id, version, wanted, arena,
                       out);
}

static void local_digest_scan(struct engine *engine, const struct digest_scan *scan)
{
    digests_scan(local_of(engine)->digests, scan);
}

static enum rc local_derived_begin(struct engine *engine, uint64_t account,
                                   const struct derived_name *name, struct derived_writer **out,
                                   struct err *err)
{
    return derived_begin(local_of(engine), account, name, out, err);
}

static enum rc local_derived_list(struct engine *engine, uint64_t account,
                                  bool (*fn)(void *ctx, const struct derived_name *name),
                                  void *ctx, struct err *err)
{
    return derived_list(local_of(engine), account, fn, ctx, err);
}

static enum rc local_derived_open(struct engine *engine, uint64_t account,
                                  const struct derived_name *name, struct derived **out,
                                  struct err *err)
{
    return derived_open(local_of(engine), account, name, out, err);
}

static enum rc local_derived_remove(struct engine *engine, uint64_t account,
                                    const struct derived_name *name, struct err *err)
{
    return derived_remove(local_of(engine), account, name, err);
}

static enum rc local_write_pages(struct engine *engine, uint64_t account, uint64_t position,
                                 const struct page_batch *batch, struct err *err)
{
    struct local *local = local_of(engine);
    struct account_entry *entry;
    enum rc rc;

    if (position > journal_assigned(local->journal))
        return err_set(err, RC_INVALID, "No such version", "write_pages: position %llu",
                       (unsigned long long) position);
    journal_wait_durable(local->journal, position);
    rc = checkpoint_write(local->state, account, position, batch, err);
    if (rc)
        return rc;
    accounts_note(local->accounts, account, position);
    (void) pthread_mutex_lock(&local->index.lock);
    entry = index_find_account(&local->index, account);
    if (entry != NULL)
        index_checkpointed(&local->index, entry, position);
    (void) pthread_mutex_unlock(&local->index.lock);
    keeper_poke(local->keeper);
    journal_note_pressure(local->journal);
    return RC_OK;
}

static enum rc local_keep_bodies(struct engine *engine, uint64_t account, const uint64_t *ids,
                                 size_t n, uint64_t below, uint64_t *out_missing,
                                 struct err *err)
{
    return live_keep(local_of(engine), account, &(struct live_set){ids, n, below}, out_missing,
                     err);
}

static enum rc local_account_space(struct engine *engine, uint64_t account,
                                   struct account_space *out, struct err *err)
{
    return live_space(local_of(engine), account, out, err);
}

/* The next values; reserved durably in blocks. A value that is reserved and not given is lost
 * with the process, which harms nobody. With the lock held. */
static enum rc reserve_uidvalidity(struct local *local, uint32_t n, uint32_t *first,
                                   struct err *err)
{
    int64_t now = clock_wall_sec();
    enum rc rc;

    *first = local->uidvalidity_next;
    if (now > *first && now < UINT32_MAX)
        *first = (uint32_t) now;
    if (*first <= local->uidvalidity_limit && n <= local->uidvalidity_limit - *first)
        return RC_OK;
    if (n > UINT32_MAX - UIDVALIDITY_BLOCK)
        return err_set(err, RC_LIMIT, "Too much at once", "uidvalidity: %u", n);
    rc = checkpoint_uidvalidity(local->state, n + UIDVALIDITY_BLOCK, first, err);
    if (!rc)
        local->uidvalidity_limit = *first + n + UIDVALIDITY_BLOCK;
    return rc;
}

static enum rc local_uidvalidity(struct engine *engine, uint32_t n, uint32_t *out_first,
                                 struct err *err)
{
    struct local *local = local_of(engine);
    uint32_t first;
    enum rc rc;

    (void) pthread_mutex_lock(&local->uidvalidity_lock);
    rc = reserve_uidvalidity(local, n, &first, err);
    if (!rc) {
        local->uidvalidity_next = first + n;
        *out_first = first;
    }
    (void) pthread_mutex_unlock(&local->uidvalidity_lock);
    return rc;
}

/* Everything of the account in memory; spill files that nobody needs any more are removed. */
static void forget_account(struct local *local, uint64_t account)
{
    for (;;) {
        struct account_entry *entry;
        struct spill *dead = NULL;
        bool is_done = true;

        (void) pthread_mutex_lock(&local->index.lock);
        entry = index_find_account(&local->index, account);
        if (entry != NULL) {
            index_checkpointed(&local->index, entry, UINT64_MAX);
            is_done = list_is_empty(&entry->places);
            if (!is_done)
                dead = index_drop_place(&local->index, LINK_OWNER(entry->places.head.next,
                                                                  struct place, of_account));
        }
        (void) pthread_mutex_unlock(&local->index.lock);
        spill_remove(local, dead);
        if (is_done)
            return;
    }
}

static enum rc local_remove(struct engine *engine, uint64_t account, struct err *err)
{
    struct local *local = local_of(engine);
    uint64_t lsn = journal_assigned(local->journal);
    enum rc rc;

    journal_wait_durable(local->journal, lsn);
    rc = checkpoint_remove(local->state, account, lsn, err);
    if (rc)
        return rc;
    accounts_remove(local->accounts, account);
    derived_remove_all(local, account);
    forget_account(local, account);
    dicts_retire(local->dicts);
    keeper_poke(local->keeper);
    journal_note_pressure(local->journal);
    return RC_OK;
}

static bool add_pack(void *ctx, const struct pack_info *pack)
{
    struct engine_status *status = ctx;

    if (pack->state != PACK_LIVE)
        return true;
    status->packs++;
    status->raw_bytes += pack->raw_bytes - MIN(pack->dead_raw, pack->raw_bytes);
    status->dead_bytes += MIN(pack->dead_stored, pack->file_bytes);
    return true;
}

static void local_status(struct engine *engine, struct engine_status *out)
{
    struct local *local = local_of(engine);
    struct engine_status status = {0};

    (void) pthread_mutex_lock(&local->index.lock);
    LIST_FOREACH(it, &local->index.live)
    {
        status.journal_bytes += LINK_OWNER(it, struct segment, live)->used;
    }
    status.unpacked_bytes = local->index.unpacked_bytes;
    (void) pthread_mutex_unlock(&local->index.lock);
    status.pack_bytes = atomic_load(&local->pack_bytes);
    if (pack_rows_each(local->state, add_pack, &status, NULL) != RC_OK)
        log_event(LEVEL_WARNING, "store.figures", LOG_STR("table", "packs"));
    status.raw_bytes += status.unpacked_bytes;
    status.checkpoint_bytes = state_bytes(local->state);
    scrub_status(local->scrubber, &status);
    status.commits = atomic_load(&local->n_commits);
    status.bodies = atomic_load(&local->n_bodies);
    status.batches = journal_batches(local->journal);
    status.state = keeper_is_full(local->keeper) ? "full" : "ok";
    *out = status;
}

static enum rc local_bodies(struct engine *engine, uint64_t account, uint64_t from,
                            bool (*fn)(void *ctx, const struct body_info *body), void *ctx,
                            struct err *err)
{
    return inventory_bodies(local_of(engine), account, from, fn, ctx, err);
}

static void local_digests_lost(struct engine *engine, uint64_t account,
                               void (*fn)(void *ctx, const struct body_info *body), void *ctx)
{
    inventory_digests_lost(local_of(engine), account, fn, ctx);
}

static uint64_t local_newest(struct engine *engine)
{
    return journal_assigned(local_of(engine)->journal);
}

static enum rc local_scrub(struct engine *engine, const struct scrub_watch *watch,
                           uint64_t *out_bytes, uint64_t *out_findings, struct err *err)
{
    return scrub_all(local_of(engine)->scrubber, watch, out_bytes, out_findings, err);
}

static const struct engine_ops local_ops = {
    .name = "local",
    .capabilities = ENGINE_MULTI_ACCT | ENGINE_NO_CONFLICT,
    .start = local_start,
    .close = local_close,
    .list = local_list,
    .load = local_load,
    .page_reader = local_page_reader,
    .commit = local_commit,
    .push = local_push,
    .stage = local_stage,
    .stage_write = stage_write,
    .stage_length = stage_length,
    .stage_read = stage_read,
    .stage_finish = local_stage_finish,
    .stage_free = stage_free,
    .body_open = local_body_open,
    .body_length = body_length,
    .body_read = body_read,
    .body_close = body_close,
    .digest_put = local_digest_put,
    .digest_get = local_digest_get,
    .digest_scan = local_digest_scan,
    .digests_lost = local_digests_lost,
    .derived_begin = local_derived_begin,
    .derived_write = derived_write,
    .derived_finish = derived_finish,
    .derived_drop = derived_drop,
    .derived_list = local_derived_list,
    .derived_open = local_derived_open,
    .derived_length = derived_length,
    .derived_read = derived_read,
    .derived_close = derived_close,
    .derived_remove = local_derived_remove,
    .write_pages = local_write_pages,
    .keep_bodies = local_keep_bodies,
    .account_space = local_account_space,
    .uidvalidity = local_uidvalidity,
    .remove = local_remove,
    .bodies = local_bodies,
    .newest = local_newest,
    .scrub = local_scrub,
    .status = local_status,
};

static void default_u64(uint64_t *value, uint64_t fallback)
{
    if (*value == 0)
        *value = fallback;
}

static enum rc fill_options(struct local_options *options, struct err *err)
{
    default_u64(&options->segment_bytes, LOCAL_SEGMENT_BYTES);
    default_u64(&options->first_segment_bytes,
                MIN(LOCAL_FIRST_SEGMENT_BYTES, options->segment_bytes));
    default_u64(&options->uncheckpointed_max_bytes, LOCAL_UNCHECKPOINTED_BYTES);
    default_u64(&options->unpacked_max_bytes, LOCAL_UNPACKED_BYTES);
    default_u64(&options->unpacked_bodies, LOCAL_UNPACKED_BODIES);
    default_u64(&options->stage_memory_bytes, LOCAL_STAGE_MEMORY_BYTES);
    default_u64(&options->digest_memory_bytes, LOCAL_DIGEST_MEMORY_BYTES);
    default_u64(&options->map_bytes, LOCAL_MAP_BYTES);
    default_u64(&options->pack_bytes, LOCAL_PACK_BYTES);
    default_u64(&options->pack_after_ms, LOCAL_PACK_AFTER_MS);
    if (options->segment_bytes % JOURNAL_BLOCK_BYTES != 0 ||
        options->first_segment_bytes % JOURNAL_BLOCK_BYTES != 0 ||
        options->first_segment_bytes < LOCAL_SEGMENT_MIN_BYTES ||
        options->segment_bytes < options->first_segment_bytes ||
        options->segment_bytes > UINT32_MAX)
        return err_set(err, RC_INVALID, "Wrong segment size", "local: segment_bytes");
    return RC_OK;
}

/* The start itself needs a little space: LMDB maps a lock file, which must not be sparse when
 * it is written to. */
static void prepare_for_a_full_disk(struct local *local)
{
    uint64_t most = local->options.segment_bytes;

    local->share = disk_share(local->layout.root, MIN(LOCAL_FIRST_SEGMENT_BYTES, most), most);
    local->ballast = ballast_new(local->layout.root, local->share);
    while (!disk_has(local->layout.root, START_FREE_BYTES) && ballast_give(local->ballast))
        ;
}

/* One bad copy of two is made good by the write at the end of recovery. */
static enum rc read_super(struct local *local, struct err *err)
{
    bool is_damaged = false;
    enum rc rc = super_read(local->layout.root, local->super, &is_damaged, err);

    if (!rc && is_damaged)
        log_event(LEVEL_ERROR, "store.damage", LOG_STR("file", "super"),
                  LOG_STR("what", "one of its two copies"));
    return rc;
}

static enum rc open_accounts(struct local *local, struct err *err)
{
    enum rc rc = accounts_open(local->layout.root, local->super->uuid, &local->accounts, err);

    if (!rc && accounts_bad(local->accounts) > 0)
        log_event(LEVEL_ERROR, "store.damage", LOG_STR("file", "accounts"),
                  LOG_NUM("records", accounts_bad(local->accounts)));
    return rc;
}

/* LMDB sees the file only when it is sound, or made anew from what was. */
static enum rc open_state(struct local *local, struct err *err)
{
    int root = local->layout.root;
    struct state_options options = {.path = local->path,
                                    .root = root,
                                    .map_bytes = local->options.map_bytes,
                                    .fatal = state_failed,
                                    .fatal_ctx = local};
    enum rc rc = state_check(root, &local->was_salvaged, err);

    if (!rc && local->was_salvaged)
        rc = state_salvage(local->path, root, state_map_bytes(root, options.map_bytes),
                           local->super->min_state_serial, local->accounts, err);
    return rc ? rc : state_open(&options, &local->state, err);
}

static enum rc open_parts(struct local *local, struct err *err)
{
    AUTO(freep) struct recovery_result *result = xcalloc(1, sizeof(*result));
    enum rc rc = layout_open(local->path, &local->layout, err);

    if (!rc)
        rc = read_super(local, err);
    if (!rc)
        prepare_for_a_full_disk(local);
    if (!rc)
        rc = open_accounts(local, err);
    if (!rc)
        rc = archive_open(local->layout.root, local->options.archive_max_bytes, &local->archive,
                          err);
    if (!rc)
        rc = open_state(local, err);
    if (!rc)
        state_reserve(local->state, local->share, state_is_full);
    if (!rc)
        rc = checkpoint_claim(local->state, local->super->uuid, err);
    if (!rc)
        rc = recovery_run(local, result, err);
    if (!rc)
        rc = keeper_new(local, &result->keeper, &local->keeper, err);
    if (!rc)
        rc = journal_new(local, &result->keeper.key, &result->point, &local->journal, err);
    if (!rc)
        keeper_begin(local->keeper);
    if (!rc)
        rc = digests_start(local->digests, err);
    if (!rc)
        rc = scrubber_new(local, &local->scrubber, err);
    if (!rc && !local->options.no_packer)
        rc = compactor_new(local, &local->compactor, err);
    if (!rc && !local->options.no_packer)
        rc = packer_new(local, &local->packer, err);
    return rc;
}

enum rc local_engine_open(const struct local_options *options, struct engine **out,
                          struct err *err)
{
    struct local *local = xcalloc(1, sizeof(*local));
    enum rc rc;

    local->base.ops = &local_ops;
    local->options = *options;
    local->layout = (struct layout){-1, -1, -1, -1, -1, -1};
    local->path = xstrdup(options->path);
    local->options.path = local->path;
    local->super = xcalloc(1, sizeof(*local->super));
    index_init(&local->index);
    (void) pthread_mutex_init(&local->uidvalidity_lock, NULL);
    local->digests = digests_new(local);
    local->packs = packs_new(local);
    local->dicts = dicts_new(local);
    local->blocks = block_cache_new();
    local->holds = holds_new();
    rc = fill_options(&local->options, err);
    if (!rc)
        rc = open_parts(local, err);
    if (rc) {
        struct journal_point end;

        digests_stop(local->digests);
        if (local->compactor != NULL)
            compactor_stop(local->compactor);
        if (local->journal != NULL)
            journal_stop(local->journal, &end);
        if (local->keeper != NULL)
            keeper_stop(local->keeper);
        local_free(local);
        return rc;
    }
    *out = &local->base;
    return RC_OK;
}
