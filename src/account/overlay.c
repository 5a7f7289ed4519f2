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

static void leaf_unref(struct overlay_leaf *leaf)
{
    if (counted_drop(&leaf->counted))
        free(leaf);
}

void overlay_unref(struct overlay *overlay)
{
    if (overlay == NULL || !counted_drop(&overlay->counted))
        return;
    for (size_t i = 0; i < overlay->n_leaves; i++)
        leaf_unref(overlay->leaves[i]);
    free(overlay->leaves);
    free(overlay);
}

/* One that is ours, and shares its leaves. */
static void overlay_own(struct overlay **overlay)
{
    struct overlay *old = *overlay, *copy;

    if (counted_is_ours(&old->counted)) {
        old->page = (struct page_ref){0};
        return;
    }
    copy = overlay_new(old->reader);
    copy->modseq = old->modseq;
    copy->n = old->n;
    copy->seen = old->seen;
    copy->n_leaves = old->n_leaves;
    copy->leaves = xcalloc(old->n_leaves + 1, sizeof(*copy->leaves));
    for (size_t i = 0; i < old->n_leaves; i++) {
        copy->leaves[i] = old->leaves[i];
        counted_take(&copy->leaves[i]->counted);
    }
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

/* ---- finding ---- */

/* The leaf that a uid lies in, or would: the last that begins at or below it, else the first.
 */
static size_t leaf_of(const struct overlay *overlay, uint32_t uid)
{
    size_t low = 0, high = overlay->n_leaves;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (overlay->leaves[mid]->rows[0].uid <= uid)
            low = mid + 1;
        else
            high = mid;
    }
    return low > 0 ? low - 1 : 0;
}

static size_t row_lower_bound(const struct overlay_leaf *leaf, uint32_t uid)
{
    size_t low = 0, high = leaf->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (leaf->rows[mid].uid < uid)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const struct overlay_row *overlay_find(const struct overlay *overlay, uint32_t uid)
{
    const struct overlay_leaf *leaf;
    size_t at;

    if (overlay->n_leaves == 0)
        return NULL;
    leaf = overlay->leaves[leaf_of(overlay, uid)];
    at = row_lower_bound(leaf, uid);
    return at < leaf->n && leaf->rows[at].uid == uid ? &leaf->rows[at] : NULL;
}

size_t overlay_memory(const struct overlay *overlay)
{
    return sizeof(*overlay) +
           overlay->n_leaves * (sizeof(struct overlay_leaf) + sizeof(struct overlay_leaf *)) +
           overlay->n * sizeof(struct overlay_row);
}

/* ---- making leaves anew ---- */

/* Leaves in the place of others. */
struct leaf_list {
    struct overlay_leaf **leaves;
    size_t n, cap;
};

static void add_leaf(struct leaf_list *list, struct overlay_leaf *leaf)
{
    if (list->n == list->cap) {
        list->cap = MAX(2 * list->cap, (size_t) 16);
        list->leaves = xrealloc(list->leaves, list->cap * sizeof(struct overlay_leaf *));
    }
    list->leaves[list->n++] = leaf;
}

static struct overlay_leaf *leaf_new(const struct overlay_row *rows, size_t n)
{
    struct overlay_leaf *leaf = xmalloc(sizeof(*leaf) + n * sizeof(*rows));

    counted_init(&leaf->counted);
    leaf->n = (uint32_t) n;
    leaf->seen = 0;
    memcpy(leaf->rows, rows, n * sizeof(*rows));
    for (size_t i = 0; i < n; i++)
        leaf->seen += (rows[i].flags & FLAG_SEEN) != 0;
    return leaf;
}

/* Rows at the end of the mailbox fill their leaves, as more will follow; elsewhere leaves are
 * alike, so that each has room. */
static void add_rows(struct leaf_list *list, const struct overlay_row *rows, size_t n,
                     bool at_end)
{
    size_t n_leaves = (n + OVERLAY_LEAF_ROWS - 1) / OVERLAY_LEAF_ROWS;

    for (size_t left = n_leaves; left > 0; left--) {
        size_t part = at_end ? MIN(n, (size_t) OVERLAY_LEAF_ROWS) : (n + left - 1) / left;

        add_leaf(list, leaf_new(rows, part));
        rows += part;
        n -= part;
    }
}

/* The list, taken over, in the place of the overlay's leaves. */
static void put_leaves(struct overlay *overlay, struct leaf_list *list)
{
    for (size_t i = 0; i < overlay->n_leaves; i++)
        leaf_unref(overlay->leaves[i]);
    free(overlay->leaves);
    overlay->leaves = list->leaves;
    overlay->n_leaves = list->n;
    overlay->n = overlay->seen = 0;
    for (size_t i = 0; i < list->n; i++) {
        overlay->n += list->leaves[i]->n;
        overlay->seen += list->leaves[i]->seen;
    }
}

void overlay_fill(struct overlay *overlay, const struct overlay_row *rows, size_t n)
{
    struct leaf_list list = {0};

    add_rows(&list, rows, n, true);
    put_leaves(overlay, &list);
}

/* ---- a record's uids, along the leaves ---- */

struct uid_walk {
    const struct uid_set *uids;
    size_t run;
    uint32_t next; /* of the run; 0: its first */
};

/* The next uid up to last; false: there is none. */
static bool next_uid(struct uid_walk *walk, uint32_t last, uint32_t *out)
{
    const struct uid_run *run;

    if (walk->run == walk->uids->n)
        return false;
    run = &walk->uids->runs[walk->run];
    *out = MAX(walk->next, run->first);
    if (*out > last)
        return false;
    walk->next = *out + 1;
    if (*out == run->last)
        walk->run++;
    return true;
}

static bool has_uid(const struct uid_walk *walk, uint32_t last)
{
    struct uid_walk copy = *walk;
    uint32_t uid;

    return next_uid(&copy, last, &uid);
}

/* The greatest uid that lies in this leaf. */
static uint32_t leaf_end(const struct overlay *overlay, size_t at)
{
    return at + 1 < overlay->n_leaves ? overlay->leaves[at + 1]->rows[0].uid - 1 : UINT32_MAX;
}

/* Rows on their way into new leaves. */
struct row_list {
    struct overlay_row *rows;
    size_t n;
};

static void flush(struct leaf_list *list, struct row_list *rows, bool at_end)
{
    add_rows(list, rows->rows, rows->n, at_end);
    rows->n = 0;
}

static void keep_leaf(struct leaf_list *list, struct row_list *rows, struct overlay_leaf *leaf)
{
    flush(list, rows, false);
    counted_take(&leaf->counted);
    add_leaf(list, leaf);
}

/* Merge: the rows there were, with one for each uid of the record up to end. */
static void merge_rows(const struct overlay_row *old, size_t n_old, uint32_t end,
                       struct uid_walk *walk, const struct record_flags *record,
                       const uint64_t words[KEYWORD_WORDS], struct row_list *out)
{
    size_t from = 0;
    uint32_t uid;

    while (next_uid(walk, end, &uid)) {
        struct overlay_row row = {.uid = uid};

        while (from < n_old && old[from].uid < uid)
            out->rows[out->n++] = old[from++];
        if (from < n_old && old[from].uid == uid)
            row = old[from++];
        row.flags = flags_after(row.flags, record->op, record->flags);
        keywords_after(row.keywords, record->op, words);
        row.modseq = record->modseq;
        out->rows[out->n++] = row;
    }
    while (from < n_old)
        out->rows[out->n++] = old[from++];
}

/* Rows of the leaves in which the record has a uid. */
static size_t rows_concerned(const struct overlay *overlay, const struct uid_set *uids)
{
    size_t n = 0, next = 0;

    for (size_t i = 0; i < uids->n && overlay->n_leaves > 0; i++) {
        size_t at = MAX(leaf_of(overlay, uids->runs[i].first), next);
        size_t last = leaf_of(overlay, uids->runs[i].last);

        for (; at <= last; at++)
            n += overlay->leaves[at]->n;
        next = MAX(next, last + 1);
    }
    return n;
}

void overlay_change(struct overlay **slot, const struct record_flags *record)
{
    struct uid_walk walk = {.uids = &record->uids};
    uint64_t words[KEYWORD_WORDS];
    struct leaf_list list = {0};
    struct row_list rows = {0};
    struct overlay *overlay;

    overlay_own(slot);
    overlay = *slot;
    keywords_of(record->keywords, record->n_keywords, words);
    rows.rows = xmalloc(
        (rows_concerned(overlay, &record->uids) + (size_t) uid_set_span(&record->uids)) *
        sizeof(*rows.rows));
    for (size_t i = 0; i < overlay->n_leaves; i++) {
        struct overlay_leaf *leaf = overlay->leaves[i];
        uint32_t end = leaf_end(overlay, i);

        if (has_uid(&walk, end))
            merge_rows(leaf->rows, leaf->n, end, &walk, record, words, &rows);
        else
            keep_leaf(&list, &rows, leaf);
    }
    merge_rows(NULL, 0, UINT32_MAX, &walk, record, words, &rows); /* there was no leaf */
    flush(&list, &rows, true);
    free(rows.rows);
    put_leaves(overlay, &list);
    overlay->modseq = MAX(overlay->modseq, record->modseq);
}

/* ---- expunged messages ---- */

static bool has_any(const struct overlay_leaf *leaf, const struct uid_set *uids)
{
    size_t low = 0, high = uids->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (uids->runs[mid].last < leaf->rows[0].uid)
            low = mid + 1;
        else
            high = mid;
    }
    return low < uids->n && uids->runs[low].first <= leaf->rows[leaf->n - 1].uid;
}

void overlay_expunge(struct overlay **slot, const struct uid_set *uids)
{
    struct overlay *overlay = *slot;
    struct leaf_list list = {0};
    struct row_list rows = {0};
    size_t n = 0;

    for (size_t i = 0; i < overlay->n_leaves; i++)
        n += has_any(overlay->leaves[i], uids) ? overlay->leaves[i]->n : 0;
    if (n == 0)
        return;
    overlay_own(slot);
    overlay = *slot;
    rows.rows = xmalloc(n * sizeof(*rows.rows));
    for (size_t i = 0; i < overlay->n_leaves; i++) {
        struct overlay_leaf *leaf = overlay->leaves[i];

        if (!has_any(leaf, uids)) {
            keep_leaf(&list, &rows, leaf);
            continue;
        }
        for (uint32_t row = 0; row < leaf->n; row++)
            if (!uid_set_contains(uids, leaf->rows[row].uid))
                rows.rows[rows.n++] = leaf->rows[row];
    }
    flush(&list, &rows, true);
    free(rows.rows);
    put_leaves(overlay, &list);
}
