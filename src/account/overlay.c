#include "account/overlay.h"

struct overlay *overlay_new(uint64_t reader)
{
    struct overlay *overlay = xcalloc(1, sizeof(*overlay));

    counted_init(&overlay->counted);
    overlay->reader = reader;
    return overlay;
}

void overlay_ref(struct overlay *overlay)
{
    counted_take(&overlay->counted);
}

void overlay_unref(struct overlay *overlay)
{
    if (overlay == NULL || !counted_drop(&overlay->counted))
        return;
    free(overlay->rows);
    free(overlay);
}

static void overlay_own(struct overlay **overlay)
{
    struct overlay *old = *overlay, *copy;

    if (counted_is_ours(&old->counted)) {
        old->page = (struct page_ref){0};
        return;
    }
    copy = overlay_new(old->reader);
    copy->modseq = old->modseq;
    if (old->n > 0) {
        copy->rows = xmalloc(old->n * sizeof(*copy->rows));
        memcpy(copy->rows, old->rows, old->n * sizeof(*copy->rows));
    }
    copy->n = copy->cap = old->n;
    overlay_unref(old);
    *overlay = copy;
}

uint8_t flags_after(uint8_t flags, enum flag_op op, uint8_t change)
{
    switch (op) {
    case FLAG_OP_ADD:
        return flags | change;
    case FLAG_OP_REMOVE:
        return flags & (uint8_t) ~change;
    case FLAG_OP_REPLACE:
        return change;
    }
    return flags;
}

void keywords_after(uint64_t words[KEYWORD_WORDS], enum flag_op op,
                    const uint64_t change[KEYWORD_WORDS])
{
    for (size_t i = 0; i < KEYWORD_WORDS; i++) {
        switch (op) {
        case FLAG_OP_ADD:
            words[i] |= change[i];
            break;
        case FLAG_OP_REMOVE:
            words[i] &= ~change[i];
            break;
        case FLAG_OP_REPLACE:
            words[i] = change[i];
            break;
        }
    }
}

void keywords_of(const uint16_t *keywords, size_t n, uint64_t out[KEYWORD_WORDS])
{
    memset(out, 0, KEYWORD_WORDS * sizeof(*out));
    for (size_t i = 0; i < n; i++)
        out[keywords[i] / 64u] |= (uint64_t) 1 << (keywords[i] % 64u);
}

static size_t row_lower_bound(const struct overlay *overlay, uint32_t uid)
{
    size_t low = 0, high = overlay->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (overlay->rows[mid].uid < uid)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const struct overlay_row *overlay_find(const struct overlay *overlay, uint32_t uid)
{
    size_t at = row_lower_bound(overlay, uid);

    return at < overlay->n && overlay->rows[at].uid == uid ? &overlay->rows[at] : NULL;
}

/* Merge: the rows there were, with one for each uid of the record. Both are in order of uid. */
void overlay_change(struct overlay **slot, const struct record_flags *record)
{
    size_t span = (size_t) uid_set_span(&record->uids), from = 0, n = 0;
    uint64_t words[KEYWORD_WORDS];
    struct overlay_row *rows;
    struct overlay *overlay;

    overlay_own(slot);
    overlay = *slot;
    keywords_of(record->keywords, record->n_keywords, words);
    rows = xmalloc((overlay->n + span) * sizeof(*rows));
    for (size_t i = 0; i < record->uids.n; i++) {
        const struct uid_run *run = &record->uids.runs[i];

        for (uint32_t uid = run->first; uid <= run->last; uid++) {
            struct overlay_row row = {.uid = uid};

            while (from < overlay->n && overlay->rows[from].uid < uid)
                rows[n++] = overlay->rows[from++];
            if (from < overlay->n && overlay->rows[from].uid == uid)
                row = overlay->rows[from++];
            row.flags = flags_after(row.flags, record->op, record->flags);
            keywords_after(row.keywords, record->op, words);
            row.modseq = record->modseq;
            rows[n++] = row;
        }
    }
    while (from < overlay->n)
        rows[n++] = overlay->rows[from++];
    free(overlay->rows);
    overlay->rows = rows;
    overlay->cap = overlay->n + span;
    overlay->n = n;
    overlay->modseq = MAX(overlay->modseq, record->modseq);
}

void overlay_expunge(struct overlay **slot, const struct uid_set *uids)
{
    struct overlay *overlay = *slot;
    size_t n = 0, run = 0;
    bool touched = false;

    for (size_t i = 0; i < uids->n && !touched; i++) {
        size_t at = row_lower_bound(overlay, uids->runs[i].first);

        touched = at < overlay->n && overlay->rows[at].uid <= uids->runs[i].last;
    }
    if (!touched)
        return;
    overlay_own(slot);
    overlay = *slot;
    for (size_t i = 0; i < overlay->n; i++) {
        uint32_t uid = overlay->rows[i].uid;

        while (run < uids->n && uids->runs[run].last < uid)
            run++;
        if (run == uids->n || uids->runs[run].first > uid)
            overlay->rows[n++] = overlay->rows[i];
    }
    overlay->n = n;
}
