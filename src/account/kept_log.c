#include "account/kept_log.h"

#include <assert.h>

#define BLOCK_FIRST_ROWS 4u

struct kept_block *kept_block_new(uint32_t cap)
{
    struct kept_block *block = xmalloc(sizeof(*block) + cap * sizeof(struct kept_message));

    *block = (struct kept_block){.cap = cap};
    counted_init(&block->counted);
    return block;
}

void kept_block_unref(struct kept_block *block)
{
    unsigned n;

    if (block == NULL || !counted_drop(&block->counted))
        return;
    n = atomic_load_explicit(&block->filled, memory_order_relaxed);
    for (unsigned row = 0; row < n; row++)
        annotation_bundle_unref(block->rows[row].annotations);
    free(block);
}

/* A row of another block. */
static void copy_row(struct kept_message *to, const struct kept_message *from)
{
    *to = *from;
    to->annotations = annotation_bundle_ref(from->annotations);
}

struct kept_log *kept_log_ref(struct kept_log *log)
{
    if (log != NULL)
        counted_take(&log->counted);
    return log;
}

void kept_log_unref(struct kept_log *log)
{
    if (log == NULL || !counted_drop(&log->counted))
        return;
    for (size_t i = 0; i < log->n_slots; i++)
        kept_block_unref(log->slots[i].block);
    free(log->slots);
    free(log);
}

/* Make *log ours alone, with room for one more slot. */
static struct kept_log *own(struct kept_log **log)
{
    struct kept_log *old = *log, *copy;
    size_t n = old != NULL ? old->n_slots : 0;

    if (old != NULL && counted_is_ours(&old->counted)) {
        if (n == old->cap) {
            old->cap += old->cap / 2 + 1;
            old->slots = xrealloc(old->slots, old->cap * sizeof(*old->slots));
        }
        return old;
    }
    copy = xcalloc(1, sizeof(*copy));
    counted_init(&copy->counted);
    copy->cap = n + 1;
    copy->slots = xmalloc(copy->cap * sizeof(*copy->slots));
    for (; copy->n_slots < n; copy->n_slots++) {
        copy->slots[copy->n_slots] = old->slots[copy->n_slots];
        if (copy->slots[copy->n_slots].block != NULL)
            counted_take(&copy->slots[copy->n_slots].block->counted);
    }
    if (old != NULL) {
        copy->n = old->n;
        copy->bytes = old->bytes;
    }
    kept_log_unref(old);
    *log = copy;
    return copy;
}

/* Nothing kept is no log. */
static void tidy(struct kept_log **log)
{
    if (*log != NULL && (*log)->n == 0) {
        kept_log_unref(*log);
        *log = NULL;
    }
}

/* ---- adding ---- */

static bool claim_row(struct kept_slot *slot)
{
    unsigned expected = slot->n;

    return slot->n < slot->block->cap &&
           atomic_compare_exchange_strong_explicit(&slot->block->filled, &expected, slot->n + 1,
                                                   memory_order_relaxed, memory_order_relaxed);
}

/* The same rows in a block of one's own, with room for one more, which is claimed. */
static void copy_block(struct kept_slot *slot)
{
    uint32_t cap = slot->n < slot->block->cap ? slot->block->cap : slot->block->cap * 4;
    struct kept_block *block = kept_block_new(cap);

    for (uint32_t row = 0; row < slot->n; row++)
        copy_row(&block->rows[row], &slot->block->rows[row]);
    atomic_init(&block->filled, slot->n + 1);
    kept_block_unref(slot->block);
    slot->block = block;
}

/* The slot whose row n is ours to write. A block that is only in its page is not added to. */
static struct kept_slot *claim_last(struct kept_log **log)
{
    struct kept_log *ours = own(log);
    struct kept_slot *last = ours->n_slots > 0 ? &ours->slots[ours->n_slots - 1] : NULL;

    if (last == NULL || last->block == NULL || last->n == KEPT_BLOCK_ROWS) {
        last = &ours->slots[ours->n_slots++];
        *last = (struct kept_slot){.block = kept_block_new(BLOCK_FIRST_ROWS)};
        atomic_init(&last->block->filled, 1);
    } else if (!claim_row(last)) {
        copy_block(last);
    }
    return last;
}

void kept_add(struct kept_log **log, const struct kept_message *message)
{
    const struct kept_log *before = *log;
    int64_t least = before != NULL && before->n_slots > 0
                        ? before->slots[before->n_slots - 1].last_sec
                        : INT64_MIN;
    struct kept_slot *slot = claim_last(log);
    struct kept_message *row = &slot->block->rows[slot->n];

    *row = *message;
    row->expunged_sec = MAX(row->expunged_sec, least);
    if (slot->n == 0)
        slot->first_sec = row->expunged_sec;
    slot->last_sec = row->expunged_sec;
    slot->n++;
    slot->bytes += row->cold.size;
    (*log)->n++;
    (*log)->bytes += row->cold.size;
}

void kept_add_slot(struct kept_log **log, const struct kept_slot *slot)
{
    struct kept_log *ours = own(log);

    ours->slots[ours->n_slots++] = *slot;
    ours->n += slot->n - slot->skip;
    ours->bytes += slot->bytes;
}

/* ---- taking out ---- */

static void drop_front_slots(struct kept_log *log, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        log->n -= log->slots[i].n - log->slots[i].skip;
        log->bytes -= log->slots[i].bytes;
        kept_block_unref(log->slots[i].block);
    }
    log->n_slots -= n;
    memmove(log->slots, log->slots + n, log->n_slots * sizeof(*log->slots));
}

void kept_forget(struct kept_log **log, uint32_t n)
{
    struct kept_log *ours = own(log);
    size_t whole = 0;

    for (; whole < ours->n_slots && n >= ours->slots[whole].n - ours->slots[whole].skip;
         whole++)
        n -= ours->slots[whole].n - ours->slots[whole].skip;
    drop_front_slots(ours, whole);
    if (n > 0) {
        struct kept_slot *slot = &ours->slots[0];

        assert(ours->n_slots > 0 && slot->block != NULL);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t size = slot->block->rows[slot->skip++].cold.size;

            slot->bytes -= size;
            ours->bytes -= size;
        }
        ours->n -= n;
        slot->first_sec = slot->block->rows[slot->skip].expunged_sec;
    }
    tidy(log);
}

/* The slot without the rows of the set, which are n_out. */
static void filter_slot(struct kept_slot *slot, const struct uid_set *uids, uint32_t n_out)
{
    const struct kept_block *old = slot->block;
    uint32_t n = slot->n - slot->skip - n_out, cap = BLOCK_FIRST_ROWS;
    struct kept_slot fresh = {.n = 0};

    while (cap < n)
        cap *= 4;
    fresh.block = kept_block_new(cap);
    for (uint32_t row = slot->skip; row < slot->n; row++) {
        if (uid_set_contains(uids, old->rows[row].uid))
            continue;
        copy_row(&fresh.block->rows[fresh.n++], &old->rows[row]);
        fresh.bytes += old->rows[row].cold.size;
    }
    assert(fresh.n == n && n > 0);
    atomic_init(&fresh.block->filled, n);
    fresh.first_sec = fresh.block->rows[0].expunged_sec;
    fresh.last_sec = fresh.block->rows[n - 1].expunged_sec;
    kept_block_unref(slot->block);
    *slot = fresh;
}

void kept_take_out(struct kept_log **log, const struct uid_set *uids)
{
    struct kept_log *ours = own(log);
    size_t kept = 0;

    ours->n = 0;
    ours->bytes = 0;
    for (size_t i = 0; i < ours->n_slots; i++) {
        struct kept_slot slot = ours->slots[i];
        uint32_t n_out = 0;

        assert(slot.block != NULL);
        for (uint32_t row = slot.skip; row < slot.n; row++)
            n_out += uid_set_contains(uids, slot.block->rows[row].uid);
        if (n_out == slot.n - slot.skip) {
            kept_block_unref(slot.block);
            continue;
        }
        if (n_out > 0)
            filter_slot(&slot, uids, n_out);
        ours->slots[kept++] = slot;
        ours->n += slot.n - slot.skip;
        ours->bytes += slot.bytes;
    }
    ours->n_slots = kept;
    tidy(log);
}

/* ---- memory ---- */

void kept_put_block(struct kept_log **log, size_t slot, struct kept_block *block)
{
    struct kept_log *ours = own(log);

    assert(slot < ours->n_slots && ours->slots[slot].block == NULL);
    ours->slots[slot].block = block;
}

void kept_unload(struct kept_log **log)
{
    struct kept_log *ours;

    if (*log == NULL)
        return;
    ours = own(log);
    for (size_t i = 0; i < ours->n_slots; i++) {
        struct kept_slot *slot = &ours->slots[i];

        if (slot->block == NULL)
            continue;
        slot->place = (struct page_place){.number = slot->block->page.number,
                                          .rows = slot->block->page.rows};
        kept_block_unref(slot->block);
        slot->block = NULL;
    }
}

/* ---- reading ---- */

struct kept_place kept_find_place(const struct kept_log *log, uint32_t at)
{
    struct kept_place place = {0};

    assert(at < log->n);
    for (;; place.slot++) {
        const struct kept_slot *slot = &log->slots[place.slot];

        if (at < slot->n - slot->skip) {
            place.row = slot->skip + at;
            return place;
        }
        at -= slot->n - slot->skip;
    }
}

static int by_uid(const void *a, const void *b)
{
    const struct kept_message *const *left = a, *const *right = b;

    return ((*left)->uid > (*right)->uid) - ((*left)->uid < (*right)->uid);
}

/* Rows of a slot with a modseq above this one that the set names, behind *n of out. */
static void collect_slot(const struct kept_slot *slot, const struct uid_set *uids,
                         uint64_t modseq, const struct kept_message **out, size_t *n)
{
    for (uint32_t row = slot->skip; slot->block != NULL && row < slot->n; row++) {
        const struct kept_message *message = &slot->block->rows[row];

        if (message->modseq > modseq && uid_set_contains(uids, message->uid))
            out[(*n)++] = message;
    }
}

/* Modseqs ascend over the log: the slots from the first that reaches above this one. */
static size_t first_slot_above(const struct kept_log *log, uint64_t modseq)
{
    size_t at = log->n_slots;

    while (at > 0) {
        const struct kept_slot *slot = &log->slots[at - 1];

        if (slot->block != NULL && slot->block->rows[slot->n - 1].modseq <= modseq)
            break;
        at--;
    }
    return at;
}

size_t kept_collect(const struct kept_log *log, const struct uid_set *uids, uint64_t modseq,
                    struct arena *arena, const struct kept_message *const **out)
{
    const struct kept_message **found;
    size_t first, room = 0, n = 0;

    if (log == NULL)
        return 0;
    first = first_slot_above(log, modseq);
    for (size_t i = first; i < log->n_slots; i++)
        room += log->slots[i].block != NULL ? log->slots[i].n - log->slots[i].skip : 0;
    found = ARENA_ARRAY(arena, const struct kept_message *, room);
    for (size_t i = first; i < log->n_slots; i++)
        collect_slot(&log->slots[i], uids, modseq, found, &n);
    if (n > 0)
        qsort(found, n, sizeof(struct kept_message *), by_uid);
    *out = found;
    return n;
}
