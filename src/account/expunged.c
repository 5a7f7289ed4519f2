#include "account/expunged.h"

#include <assert.h>

#define BLOCK_FIRST_RUNS 16u

struct expunged_block *expunged_block_new(uint32_t cap)
{
    struct expunged_block *block = xmalloc(sizeof(*block) + cap * sizeof(struct expunged_run));

    *block = (struct expunged_block){.cap = cap};
    counted_init(&block->counted);
    return block;
}

void expunged_block_unref(struct expunged_block *block)
{
    if (block != NULL && counted_drop(&block->counted))
        free(block);
}

struct expunged expunged_copy(const struct expunged *log)
{
    struct expunged copy = *log;

    if (log->n_slots == 0)
        return (struct expunged){0};
    copy.slots = xmalloc(log->n_slots * sizeof(*copy.slots));
    for (size_t i = 0; i < log->n_slots; i++) {
        copy.slots[i] = log->slots[i];
        counted_take(&copy.slots[i].block->counted);
    }
    return copy;
}

void expunged_done(struct expunged *log)
{
    for (size_t i = 0; i < log->n_slots; i++)
        expunged_block_unref(log->slots[i].block);
    free(log->slots);
    *log = (struct expunged){0};
}

static bool claim_run(struct expunged_slot *slot)
{
    unsigned expected = slot->n;

    return slot->n < slot->block->cap &&
           atomic_compare_exchange_strong_explicit(&slot->block->filled, &expected, slot->n + 1,
                                                   memory_order_relaxed, memory_order_relaxed);
}

/* Room for one more run in the last slot, whose block has it claimed afterwards. */
static struct expunged_slot *claim_last(struct expunged *log)
{
    struct expunged_slot *last = log->n_slots > 0 ? &log->slots[log->n_slots - 1] : NULL;
    struct expunged_block *block;

    if (last != NULL && claim_run(last))
        return last;
    if (last == NULL || last->n == EXPUNGED_BLOCK_RUNS) {
        log->slots = xrealloc(log->slots, (log->n_slots + 1) * sizeof(*log->slots));
        last = &log->slots[log->n_slots++];
        *last = (struct expunged_slot){expunged_block_new(BLOCK_FIRST_RUNS), 0};
    } else {
        block = expunged_block_new(last->n < last->block->cap ? last->block->cap
                                                              : last->block->cap * 4);
        memcpy(block->runs, last->block->runs, last->n * sizeof(*block->runs));
        expunged_block_unref(last->block);
        last->block = block;
    }
    atomic_init(&last->block->filled, last->n + 1);
    return last;
}

void expunged_add(struct expunged *log, const struct uid_set *uids, uint64_t modseq)
{
    for (size_t i = 0; i < uids->n; i++) {
        struct expunged_slot *slot = claim_last(log);

        slot->block->runs[slot->n++] = (struct expunged_run){modseq, uids->runs[i]};
    }
    log->n_runs += uids->n;
}

void expunged_forget(struct expunged *log, uint64_t modseq)
{
    size_t gone = 0;

    while (gone < log->n_slots) {
        const struct expunged_slot *slot = &log->slots[gone];

        if (slot->block->runs[slot->n - 1].modseq > modseq)
            break;
        log->n_runs -= slot->n;
        expunged_block_unref(slot->block);
        gone++;
    }
    if (gone == 0)
        return;
    log->n_slots -= gone;
    memmove(log->slots, log->slots + gone, log->n_slots * sizeof(*log->slots));
    if (log->n_slots == 0) {
        free(log->slots);
        log->slots = NULL;
    }
}

uint64_t expunged_middle(const struct expunged *log)
{
    size_t seen = 0;

    for (size_t i = 0; i < log->n_slots; i++) {
        const struct expunged_slot *slot = &log->slots[i];

        seen += slot->n;
        if (seen * 2 >= log->n_runs)
            return slot->block->runs[slot->n - 1].modseq;
    }
    return 0;
}

/* First slot, and run in it, with a modseq above this one. */
static void find_since(const struct expunged *log, uint64_t modseq, size_t *out_slot,
                       uint32_t *out_run)
{
    size_t low = 0, high = log->n_slots;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct expunged_slot *slot = &log->slots[mid];

        if (slot->block->runs[slot->n - 1].modseq <= modseq)
            low = mid + 1;
        else
            high = mid;
    }
    *out_slot = low;
    *out_run = 0;
    if (low == log->n_slots)
        return;
    high = log->slots[low].n;
    for (size_t from = 0; from < high;) {
        size_t mid = from + (high - from) / 2;

        if (log->slots[low].block->runs[mid].modseq <= modseq)
            from = mid + 1;
        else
            high = mid;
    }
    *out_run = (uint32_t) high;
}

static int compare_runs(const void *a, const void *b)
{
    const struct uid_run *left = a, *right = b;

    return (left->first > right->first) - (left->first < right->first);
}

/* The runs of the answer in the order of the log; true if that is the order of uids too. */
static bool collect(const struct expunged *log, size_t slot, uint32_t run, uint32_t up_to_uid,
                    struct uid_run *out, size_t *out_n)
{
    bool ordered = true;
    size_t n = 0;

    for (; slot < log->n_slots; slot++, run = 0) {
        for (; run < log->slots[slot].n; run++) {
            struct uid_run uids = log->slots[slot].block->runs[run].uids;

            if (uids.first > up_to_uid)
                continue;
            uids.last = MIN(uids.last, up_to_uid);
            ordered = ordered && (n == 0 || out[n - 1].last < uids.first);
            out[n++] = uids;
        }
    }
    *out_n = n;
    return ordered;
}

struct uid_set expunged_since(const struct expunged *log, uint64_t modseq, uint32_t up_to_uid,
                              struct arena *arena)
{
    struct uid_set_builder builder;
    struct uid_run *runs;
    size_t slot, n = 0, room = 0;
    uint32_t run;

    find_since(log, modseq, &slot, &run);
    for (size_t i = slot; i < log->n_slots; i++)
        room += log->slots[i].n;
    if (room <= run)
        return (struct uid_set){0};
    runs = ARENA_ARRAY(arena, struct uid_run, room - run);
    if (!collect(log, slot, run, up_to_uid, runs, &n))
        qsort(runs, n, sizeof(*runs), compare_runs);
    uid_set_start(&builder, arena);
    for (size_t i = 0; i < n; i++)
        uid_set_add_run(&builder, runs[i].first, runs[i].last);
    return uid_set_finish(&builder);
}
