/*
 * compact_choose.c - which packs are made anew next.
 *
 * First the one with the greatest dead share, above COMPACT_DEAD_PERCENT. Then merging: packs
 * of one owner and one size class, when there are COMPACT_MERGE_PACKS of them, become one of a
 * class above, so that each byte is copied about once a class: log8(64 MiB / smallest) times.
 * Shared packs that are full-sized are merged COMPACT_MERGES_MAX times more: what one account
 * has in eight packs is more than in one, and with enough of it, it gets its own.
 */
#include <stdlib.h>

#include "store/local/compact.h"

#define CLASS_FACTOR 4u
#define CLASS_FULL   100u /* and the number of merges */

struct kind {
    uint64_t account;
    unsigned class;
    uint64_t number;
};

static uint64_t dead_percent(const struct pack_info *pack)
{
    if (pack->dead_bodies >= pack->bodies)
        return 100;
    if (pack->stored_bytes == 0)
        return 0;
    return MIN(pack->dead_stored, pack->stored_bytes) / (pack->stored_bytes / 100 + 1);
}

static uint64_t live_bytes(const struct pack_info *pack)
{
    return pack->stored_bytes - MIN(pack->dead_stored, pack->stored_bytes);
}

/* False: it is merged no more. */
static bool class_of(const struct pack_info *pack, uint64_t pack_bytes, unsigned *out)
{
    uint64_t live = live_bytes(pack);
    unsigned class = 0;

    if (live >= pack_bytes / COMPACT_FULL_PARTS) {
        *out = CLASS_FULL + pack->merges;
        return pack->account == 0 && pack->merges < COMPACT_MERGES_MAX;
    }
    for (uint64_t least = pack_bytes / COMPACT_LEAST_PARTS + 1; live >= least;
         least *= CLASS_FACTOR)
        class ++;
    *out = class;
    return true;
}

static int by_kind(const void *a, const void *b)
{
    const struct kind *x = a, *y = b;

    if (x->account != y->account)
        return x->account < y->account ? -1 : 1;
    if (x->class != y->class)
        return x->class < y->class ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static size_t choose_merge(const struct pack_info *packs, size_t n, uint64_t pack_bytes,
                           uint64_t out[])
{
    AUTO(freep) struct kind *kinds = xcalloc(n + 1, sizeof(*kinds));
    size_t n_kinds = 0, run = 0;

    for (size_t i = 0; i < n; i++) {
        kinds[n_kinds].account = packs[i].account;
        kinds[n_kinds].number = packs[i].number;
        n_kinds += class_of(&packs[i], pack_bytes, &kinds[n_kinds].class);
    }
    qsort(kinds, n_kinds, sizeof(*kinds), by_kind);
    for (size_t i = 0; i < n_kinds; i++) {
        bool goes_on = i > 0 && kinds[i].account == kinds[i - 1].account &&
                       kinds[i].class == kinds[i - 1].class;

        run = goes_on ? run + 1 : 1;
        out[run - 1] = kinds[i].number;
        if (run == COMPACT_MERGE_PACKS)
            return run;
    }
    return 0;
}

size_t compact_choose(const struct pack_info *packs, size_t n, uint64_t pack_bytes,
                      uint64_t out[])
{
    uint64_t most = COMPACT_DEAD_PERCENT;
    size_t found = 0;

    for (size_t i = 0; i < n; i++) {
        if (dead_percent(&packs[i]) <= most)
            continue;
        most = dead_percent(&packs[i]);
        out[0] = packs[i].number;
        found = 1;
    }
    return found > 0 ? found : choose_merge(packs, n, pack_bytes, out);
}

uint8_t compact_merges(const struct pack_info *packs, size_t n, uint64_t pack_bytes)
{
    uint8_t merges = 0;

    for (size_t i = 0; i < n; i++) {
        if (live_bytes(&packs[i]) >= pack_bytes / COMPACT_FULL_PARTS)
            merges = (uint8_t) MAX(merges, packs[i].merges + (n > 1));
    }
    return merges;
}
