#include "store/local/rejoin.h"

#define HEADER_MAGIC SLICE("JSSG")

bool super_has_epoch(const struct super *super, uint64_t epoch)
{
    for (uint32_t i = 0; i < super->n_epochs; i++)
        if (super->epochs[i].key.epoch == epoch)
            return true;
    return false;
}

/* What the others know of an epoch's end. */
static bool find_end(struct epoch *epoch, const struct super *const *others, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (uint32_t e = 0; e < others[i]->n_epochs; e++) {
            const struct epoch *known = &others[i]->epochs[e];

            if (known->key.epoch != epoch->key.epoch || !known->is_closed)
                continue;
            epoch->is_closed = true;
            epoch->end = known->end;
            return true;
        }
    }
    return false;
}

static bool follows(const struct epoch *next, const struct epoch *last)
{
    return next->key.epoch != last->key.epoch && next->first.lsn == last->end.lsn &&
           hash128_eq(next->first.prev, last->end.prev) &&
           next->first.segment > last->end.segment;
}

static const struct epoch *find_next(const struct epoch *last,
                                     const struct super *const *others, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (uint32_t e = 0; e < others[i]->n_epochs; e++)
            if (follows(&others[i]->epochs[e], last))
                return &others[i]->epochs[e];
    return NULL;
}

enum rc super_rejoin(const struct super *base, uint64_t lsn, const struct super *const *others,
                     size_t n, struct super *out, struct err *err)
{
    *out = *base;
    for (bool is_first = true; out->n_epochs > 0; is_first = false) {
        struct epoch *last = &out->epochs[out->n_epochs - 1];
        const struct epoch *next;

        if (!last->is_closed && !find_end(last, others, n))
            return RC_OK;
        if (is_first && last->end.lsn <= lsn)
            return err_set(err, RC_CONFLICT, "The backups are of two histories",
                           "the journal ended at LSN %llu, the backup has %llu",
                           (unsigned long long) last->end.lsn, (unsigned long long) lsn);
        next = find_next(last, others, n);
        if (next == NULL)
            return RC_OK;
        if (out->n_epochs == SUPER_EPOCHS_MAX)
            return err_set(err, RC_LIMIT, "Too many restarts in that time", "super: %u epochs",
                           out->n_epochs);
        out->epochs[out->n_epochs++] = *next;
    }
    return RC_OK;
}

bool segment_header_names(struct slice header, uint64_t *out_number, uint64_t *out_epoch)
{
    struct scan sc = scan_of(slice_sub(header, 24, 16));

    return header.len >= 40 && slice_starts(header, HEADER_MAGIC) &&
           scan_le64(&sc, out_number) && scan_le64(&sc, out_epoch);
}
