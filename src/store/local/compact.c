/*
 * compact.c - packs made anew.
 *
 * Order, for each new pack: (1) planned; (2) whole and durable under its name; (3) one
 * transaction: bodies that still lie in one of the old packs have their place in the new one,
 * the others count as dead in it; with the last new pack the old ones are retired; (4) their
 * files go, when no backup holds them, then their rows. Readers that opened a body before (3)
 * have the old file open and go on reading it; later ones find the new place, and one in
 * between, that finds the old place and then no file, looks again (body.c).
 *
 * A crash after (1) or (2) leaves a planned pack, which the next start removes; after (3) a
 * retired one, likewise. Between two new packs everything is consistent: the old packs are live
 * with fewer bodies, and are chosen again.
 *
 * A pack that cannot be read is left alone until the next start: it is damaged, and making it
 * anew would lose what a repair may still find.
 */
#include "store/local/compact.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/pace.h"
#include "store/local/ballast.h"
#include "store/local/dict.h"
#include "store/local/hold.h"
#include "store/local/keeper.h"
#include "store/local/live.h"
#include "store/local/pack_sweep.h"
#include "store/local/pack_write.h"
#include "store/local/packer.h"

#define COMPACT_TICK_MS  60000 /* looks around also without a poke */
#define COMPACT_RETRY_MS 1000  /* after a full disk */
#define COMPACT_REFUSED  1024u /* packs that cannot be read; more than that: no compaction */
#define ITEMS_MAX        ((size_t) 4 << 20) /* bodies of the packs that are merged together */

struct compactor {
    struct local *local;
    struct pace pace;
    /* The thread's own: */
    uint64_t refused[COMPACT_REFUSED];
    size_t n_refused;
    struct live_asker asker;
};

/* A body that lives in one of the old packs. */
struct item {
    uint64_t account, body_id;
    uint32_t mbox, uid;
    uint32_t source; /* index of the old pack */
    uint32_t row;
    uint32_t stored;
};

struct work {
    struct compactor *compactor;
    uint64_t numbers[COMPACT_MERGE_PACKS];
    struct pack *packs[COMPACT_MERGE_PACKS];
    struct pack_info infos[COMPACT_MERGE_PACKS];
    size_t n_packs;
    struct item *items;
    size_t n_items, cap_items;
    uint8_t merges; /* of the new ones */
};

/* What goes first: the packer, when clients may have to wait for it. */
static bool must_wait(struct compactor *compactor)
{
    return packer_is_pressed(compactor->local) && !keeper_is_full(compactor->local->keeper);
}

static bool rest(struct compactor *compactor)
{
    bool goes_on = pace_rest(&compactor->pace, false);

    while (goes_on && must_wait(compactor)) {
        pace_wait(&compactor->pace, 1000);
        goes_on = !pace_is_stopping(&compactor->pace);
    }
    return goes_on;
}

/* Left alone until the next start. */
static void refuse(struct compactor *compactor, uint64_t number)
{
    if (compactor->n_refused < COMPACT_REFUSED)
        compactor->refused[compactor->n_refused++] = number;
}

/* ---- what lives ---- */

static void add_item(struct work *work, const struct item *item)
{
    if (work->n_items == work->cap_items) {
        work->cap_items = MAX(work->cap_items * 2, (size_t) 1024);
        work->items = xrealloc(work->items, work->cap_items * sizeof(*work->items));
    }
    work->items[work->n_items++] = *item;
}

/* RC_NOT_FOUND: dead. */
static enum rc read_item(struct work *work, uint32_t source, uint32_t row, struct item *out,
                         struct err *err)
{
    const struct pack *pack = work->packs[source];
    struct pack_row head;
    struct pack_place place;
    struct pack_entry entry;
    enum rc rc = pack_read_row(pack, row, &head, err);

    if (!rc)
        rc = checkpoint_find_place(work->compactor->local->state, head.account, head.body_id,
                                   &place, err);
    if (rc)
        return rc;
    if (place.pack != work->numbers[source] || place.row != row)
        return RC_NOT_FOUND;
    rc = pack_read_entry(pack, place.offset, head.account, head.body_id, &entry, err);
    if (rc)
        return rc;
    *out = (struct item){.account = head.account,
                         .body_id = head.body_id,
                         .mbox = entry.mbox,
                         .uid = entry.uid,
                         .source = source,
                         .row = row,
                         .stored = place.stored};
    pack_entry_done(&entry);
    return RC_OK;
}

/* RC_MORE: told to stop. */
static enum rc read_source(struct work *work, uint32_t source, struct err *err)
{
    uint32_t n = pack_rows(work->packs[source]);

    for (uint32_t row = 0; row < n; row++) {
        struct item item;
        enum rc rc = read_item(work, source, row, &item, err);

        if (rc == RC_OK)
            add_item(work, &item);
        else if (rc != RC_NOT_FOUND)
            return rc;
        if (!rest(work->compactor))
            return RC_MORE;
    }
    return RC_OK;
}

/* Parts lie before the body that brought them. */
static int by_place(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    bool x_is_part = (x->body_id & PACK_PART_BIT) != 0;
    bool y_is_part = (y->body_id & PACK_PART_BIT) != 0;

    if (x->account != y->account)
        return x->account < y->account ? -1 : 1;
    if (x->mbox != y->mbox)
        return x->mbox < y->mbox ? -1 : 1;
    if (x->uid != y->uid)
        return x->uid < y->uid ? -1 : 1;
    if (x_is_part != y_is_part)
        return x_is_part ? -1 : 1;
    return (x->body_id > y->body_id) - (x->body_id < y->body_id);
}

/* ---- new packs ---- */

struct output {
    struct work *work;
    const struct item *items;
    size_t n;
    uint64_t owner; /* account, or 0 */
    bool is_last;
    struct pack_writer *writer; /* while the transaction runs */
};

static enum rc settle(void *ctx, struct state_txn *txn, struct err *err)
{
    const struct output *output = ctx;

    return pack_writer_settle(output->writer, txn, err);
}

static enum rc copy_items(struct output *output, struct err *err)
{
    struct work *work = output->work;
    enum rc rc = RC_OK;

    for (size_t i = 0; i < output->n && !rc; i++) {
        const struct item *item = &output->items[i];

        rc = pack_copy_entry(output->writer, work->packs[item->source], item->row, err);
        if (rc == RC_CORRUPT)
            refuse(work->compactor, work->numbers[item->source]);
        if (!rc && !rest(work->compactor))
            rc = RC_MORE;
    }
    return rc;
}

static enum rc fill_pack(struct output *output, uint64_t number, struct err *err)
{
    AUTO(pack_writer_freep) struct pack_writer *writer = NULL;
    struct work *work = output->work;
    struct local *local = work->compactor->local;
    struct pack_change change = {
        .pack = {.number = number, .merges = work->merges, .account = output->owner},
        .sources = work->numbers,
        .n_sources = work->n_packs,
        .retires = output->is_last,
        .settle = settle,
        .ctx = output
    };
    enum rc rc = pack_writer_new(local, number, &writer, err);

    output->writer = writer;
    if (!rc)
        rc = copy_items(output, err);
    if (!rc)
        rc = pack_writer_finish(writer, &change.pack.file_bytes, err);
    if (rc)
        return rc;
    change.bodies = pack_writer_bodies(writer, &change.n_bodies);
    rc = pack_rows_change(local->state, &change, err);
    if (!rc)
        (void) atomic_fetch_add(&local->pack_bytes, change.pack.file_bytes);
    return rc;
}

static bool is_final(enum rc rc)
{
    return rc == RC_IO;
}

static enum rc make_pack(struct output *output, struct err *err)
{
    struct local *local = output->work->compactor->local;
    uint64_t number = atomic_fetch_add(&local->next_pack, 1);
    enum rc rc = pack_rows_plan(local->state, number, err);

    if (!rc)
        rc = fill_pack(output, number, err);
    if (rc && !is_final(rc))
        pack_remove(local, number);
    return rc;
}

/* The next run of items that fits into one pack, of one account if it has an own. */
static size_t next_run(const struct item *items, size_t n, bool is_own, uint64_t most)
{
    uint64_t bytes = 0;
    size_t i = 0;

    while (i < n && (i == 0 || bytes + items[i].stored <= most) &&
           !(is_own && items[i].account != items[0].account))
        bytes += items[i++].stored;
    return i;
}

/* Those of accounts that get packs of their own come first; how many. Keeps both in order. */
static size_t part_owners(struct work *work)
{
    AUTO(freep) struct item *shared = xcalloc(work->n_items + 1, sizeof(*shared));
    uint64_t enough = work->compactor->local->options.pack_bytes / COMPACT_OWN_PARTS;
    size_t n_own = 0, n_shared = 0;

    for (size_t i = 0, end; i < work->n_items; i = end) {
        uint64_t bytes = 0;

        for (end = i; end < work->n_items && work->items[end].account == work->items[i].account;
             end++)
            bytes += work->items[end].stored;
        if (bytes >= enough) {
            memmove(&work->items[n_own], &work->items[i], (end - i) * sizeof(*shared));
            n_own += end - i;
        } else {
            memcpy(&shared[n_shared], &work->items[i], (end - i) * sizeof(*shared));
            n_shared += end - i;
        }
    }
    memcpy(&work->items[n_own], shared, n_shared * sizeof(*shared));
    return n_own;
}

static enum rc make_packs(struct work *work, struct err *err)
{
    size_t n_own = part_owners(work);
    enum rc rc = RC_OK;

    for (size_t at = 0, n; at < work->n_items && !rc; at += n) {
        bool is_own = at < n_own;
        struct output output = {.work = work, .items = &work->items[at]};

        n = next_run(output.items, (is_own ? n_own : work->n_items) - at, is_own,
                     work->compactor->local->options.pack_bytes);
        output.n = n;
        output.owner = is_own ? output.items[0].account : 0;
        output.is_last = at + n == work->n_items;
        rc = make_pack(&output, err);
    }
    return rc;
}

/* Nothing lives in them. */
static enum rc retire_all(struct work *work, struct err *err)
{
    struct pack_change change = {
        .sources = work->numbers, .n_sources = work->n_packs, .retires = true};

    return pack_rows_change(work->compactor->local->state, &change, err);
}

/* ---- old packs ---- */

/* A backup may still want the file: then its row stays until the file is gone. */
static void drop_pack(struct local *local, uint64_t number)
{
    char name[LAYOUT_NAME_BYTES];
    struct err err;

    layout_name(name, number, ".pack");
    hold_unlink(local, local->layout.packs, name);
    packs_forget(local->packs, number);
    if (faccessat(local->layout.packs, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return;
    if (layout_sync_dir(local->layout.packs, &err) != RC_OK)
        local_fatal(local, &err);
    pack_forget(local, number);
}

static void drop_sources(struct work *work)
{
    struct local *local = work->compactor->local;
    struct err err;

    for (size_t i = 0; i < work->n_packs; i++) {
        packs_put(local->packs, TAKE(work->packs[i]));
        drop_pack(local, work->numbers[i]);
        (void) atomic_fetch_sub(&local->pack_bytes, work->infos[i].file_bytes);
    }
    if (dicts_sweep(local->dicts, &err) != RC_OK)
        log_event(LEVEL_WARNING, "store.dictionary", LOG_ERR(&err));
}

/* ---- one round ---- */

static enum rc open_sources(struct work *work, struct err *err)
{
    struct compactor *compactor = work->compactor;

    for (uint32_t i = 0; i < work->n_packs; i++) {
        enum rc rc = packs_get(compactor->local->packs, work->numbers[i], &work->packs[i], err);

        if (!rc)
            rc = read_source(work, i, err);
        if (rc == RC_CORRUPT)
            refuse(compactor, work->numbers[i]);
        if (rc)
            return rc;
    }
    if (work->n_items > 0)
        qsort(work->items, work->n_items, sizeof(*work->items), by_place);
    return RC_OK;
}

static enum rc compact(struct work *work, struct err *err)
{
    size_t n_refused = work->compactor->n_refused;
    enum rc rc = open_sources(work, err);

    if (!rc)
        rc = work->n_items > 0 ? make_packs(work, err) : retire_all(work, err);
    if (rc == RC_CORRUPT && work->compactor->n_refused == n_refused) {
        for (size_t i = 0; i < work->n_packs; i++)
            refuse(work->compactor, work->numbers[i]); /* one of them, or their rows */
    }
    return rc;
}

struct live_packs {
    const struct compactor *compactor;
    struct pack_info *list;
    size_t n;
    uint64_t *retired;
    size_t n_retired;
};

static bool is_refused(const struct compactor *compactor, uint64_t number)
{
    for (size_t i = 0; i < compactor->n_refused; i++) {
        if (compactor->refused[i] == number)
            return true;
    }
    return false;
}

static bool see_pack(void *ctx, const struct pack_info *info)
{
    struct live_packs *packs = ctx;

    if (info->state == PACK_RETIRED) {
        packs->retired =
            xrealloc(packs->retired, (packs->n_retired + 1) * sizeof(*packs->retired));
        packs->retired[packs->n_retired++] = info->number;
    }
    if (info->state != PACK_LIVE || is_refused(packs->compactor, info->number))
        return true;
    packs->list = xrealloc(packs->list, (packs->n + 1) * sizeof(*packs->list));
    packs->list[packs->n++] = *info;
    return true;
}

/* Rows of packs whose file went when a backup ended. */
static void forget_gone(struct local *local, const struct live_packs *packs)
{
    for (size_t i = 0; i < packs->n_retired; i++) {
        char name[LAYOUT_NAME_BYTES];

        layout_name(name, packs->retired[i], ".pack");
        if (faccessat(local->layout.packs, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
            errno == ENOENT)
            pack_forget(local, packs->retired[i]);
    }
}

static bool choose(struct work *work)
{
    struct live_packs packs = {.compactor = work->compactor};
    struct local *local = work->compactor->local;
    size_t n_bodies = 0;

    if (pack_rows_each(local->state, see_pack, &packs, NULL) == RC_OK &&
        work->compactor->n_refused < COMPACT_REFUSED)
        work->n_packs =
            compact_choose(packs.list, packs.n, local->options.pack_bytes, work->numbers);
    forget_gone(local, &packs);
    for (size_t i = 0; i < work->n_packs; i++) {
        for (size_t j = 0; j < packs.n; j++) {
            if (packs.list[j].number == work->numbers[i])
                work->infos[i] = packs.list[j];
        }
        n_bodies += work->infos[i].bodies;
        if (i > 0 && n_bodies > ITEMS_MAX)
            work->n_packs = i;
    }
    work->merges = compact_merges(work->infos, work->n_packs, local->options.pack_bytes);
    free(packs.list);
    free(packs.retired);
    return work->n_packs > 0;
}

static void release(struct work *work)
{
    for (size_t i = 0; i < work->n_packs; i++)
        packs_put(work->compactor->local->packs, work->packs[i]);
    free(work->items);
}

static void tell(const struct work *work, enum rc rc, const struct err *err, int64_t began_us)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < work->n_packs; i++)
        bytes += work->infos[i].file_bytes;
    if (rc && rc != RC_MORE)
        log_event(LEVEL_WARNING, "store.compaction", LOG_NUM("pack", work->numbers[0]),
                  LOG_ERR(err));
    else if (!rc)
        log_event(LEVEL_DEBUG, "store.compacted", LOG_NUM("packs", work->n_packs),
                  LOG_NUM("bytes", bytes), LOG_NUM("bodies", work->n_items),
                  LOG_NUM("ms", (uint64_t) ((clock_mono_us() - began_us) / 1000)));
}

/* RC_NOT_FOUND: there is nothing to do. */
static enum rc compact_some(struct compactor *compactor)
{
    struct work work = {.compactor = compactor};
    int64_t began_us = clock_mono_us();
    struct err err;
    enum rc rc;

    if (!choose(&work))
        return RC_NOT_FOUND;
    rc = compact(&work, &err);
    if (!rc)
        drop_sources(&work);
    release(&work);
    tell(&work, rc, &err, began_us);
    if (is_final(rc))
        local_fatal(compactor->local, &err);
    return rc;
}

static void *compactor_main(void *arg)
{
    struct compactor *compactor = arg;

    pace_lower_priority();
    while (!pace_is_stopping(&compactor->pace)) {
        enum rc rc = compact_some(compactor);

        if (rc == RC_OK || rc == RC_MORE)
            continue;
        if (rc == RC_FULL) { /* what it would take back is what is missing */
            if (!ballast_give_for_pack(compactor->local->ballast))
                pace_wait(&compactor->pace, COMPACT_RETRY_MS);
            continue;
        }
        live_ask(compactor->local, &compactor->asker);
        if (rc != RC_CORRUPT) /* there may be others */
            pace_wait(&compactor->pace, COMPACT_TICK_MS);
    }
    return NULL;
}

enum rc compactor_new(struct local *local, struct compactor **out, struct err *err)
{
    struct compactor *compactor = xcalloc(1, sizeof(*compactor));
    enum rc rc;

    compactor->local = local;
    pace_init(&compactor->pace);
    rc = pace_start(&compactor->pace, compactor_main, compactor, err);
    if (rc) {
        compactor_free(compactor);
        return rc;
    }
    *out = compactor;
    return RC_OK;
}

void compactor_poke(struct compactor *compactor)
{
    if (compactor != NULL)
        pace_poke(&compactor->pace);
}

void compactor_stop(struct compactor *compactor)
{
    pace_end(&compactor->pace);
}

void compactor_free(struct compactor *compactor)
{
    if (compactor == NULL)
        return;
    pace_done(&compactor->pace);
    free(compactor);
}
