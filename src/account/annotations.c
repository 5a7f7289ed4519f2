#include "account/annotations.h"

#include <assert.h>

/* Neighbours that together hold no more than this are joined after an expunge. */
#define LEAF_JOIN_ROWS (ANNOTATION_LEAF_ROWS / 2)

/* ---- rows ---- */

static uint64_t entry_bytes(const struct annotation *entry)
{
    return (uint64_t) ANNOTATION_ENTRY_OVERHEAD + entry->entry.len + entry->value.len;
}

struct annotation_row *annotation_row_ref(struct annotation_row *row)
{
    counted_take(&row->counted);
    return row;
}

void annotation_row_unref(struct annotation_row *row)
{
    if (row != NULL && counted_drop(&row->counted))
        free(row);
}

static struct slice place_text(char **at, struct slice text)
{
    struct slice placed = slice_of(*at, text.len);

    if (text.len > 0)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return placed;
}

struct annotation_row *annotation_row_new(uint32_t uid, uint64_t reader, uint64_t modseq,
                                          const struct annotation *entries, size_t n)
{
    size_t texts = 0;
    uint64_t bytes = ANNOTATION_ROW_OVERHEAD;
    struct annotation_row *row;
    char *at;

    for (size_t i = 0; i < n; i++) {
        texts += entries[i].entry.len + entries[i].value.len;
        bytes += entry_bytes(&entries[i]);
    }
    row = xmalloc(sizeof(*row) + n * sizeof(*entries) + texts);
    *row = (struct annotation_row){.uid = uid,
                                   .reader = reader,
                                   .modseq = modseq,
                                   .bytes = (uint32_t) MIN(bytes, (uint64_t) UINT32_MAX),
                                   .n = (uint32_t) n};
    counted_init(&row->counted);
    at = (char *) &row->entries[n];
    for (size_t i = 0; i < n; i++) {
        row->entries[i] = entries[i];
        row->entries[i].entry = place_text(&at, entries[i].entry);
        row->entries[i].value = place_text(&at, entries[i].value);
    }
    return row;
}

static bool is_same(const struct annotation *a, const struct annotation *b)
{
    return a->is_nil == b->is_nil && (a->is_nil || slice_eq(a->value, b->value));
}

/*
 * The entries of a row with those of a record in their places, by name. Returns how many. What
 * the record leaves as it was keeps its modseq: nobody is told of it.
 */
static size_t
merge_entries(const struct annotation_row *row, const struct record_annotate *record,
              struct annotation out[ANNOTATION_ROW_ENTRIES + ANNOTATION_ENTRIES_MAX])
{
    size_t n_old = row != NULL ? row->n : 0, n = 0;

    for (size_t i = 0, k = 0; i < n_old || k < record->n_entries;) {
        int order = i == n_old ? 1
                    : k == record->n_entries
                        ? -1
                        : slice_cmp(row->entries[i].entry, record->entries[k].entry);

        if (order < 0 || (order == 0 && is_same(&row->entries[i], &record->entries[k]))) {
            out[n++] = row->entries[i++];
            k += order == 0;
        } else {
            out[n] = record->entries[k++];
            out[n].modseq = record->modseq;
            n += order == 0 || !out[n].is_nil;
            i += order == 0;
        }
    }
    return n;
}

/* Deleted entries of earlier changes go where there are too many. */
static size_t drop_old_nils(struct annotation *entries, size_t n, uint64_t modseq)
{
    size_t kept = 0;

    if (n <= ANNOTATION_ROW_ENTRIES)
        return n;
    for (size_t i = 0; i < n; i++) {
        if (!entries[i].is_nil || entries[i].modseq == modseq)
            entries[kept++] = entries[i];
    }
    return kept;
}

struct annotation_sums annotations_after(const struct annotation_row *row,
                                         const struct record_annotate *record)
{
    struct annotation merged[ANNOTATION_ROW_ENTRIES + ANNOTATION_ENTRIES_MAX];
    struct annotation_sums sums = {.bytes = ANNOTATION_ROW_OVERHEAD};
    size_t n = drop_old_nils(merged, merge_entries(row, record, merged), record->modseq);

    for (size_t i = 0; i < n; i++) {
        sums.entries += !merged[i].is_nil;
        sums.bytes += entry_bytes(&merged[i]);
    }
    return sums;
}

struct annotation_row *annotation_row_for(const struct annotation_row *row, uint32_t uid,
                                          uint64_t modseq)
{
    struct annotation present[ANNOTATION_ROW_ENTRIES];
    size_t n = 0;

    for (uint32_t i = 0; i < row->n; i++) {
        if (row->entries[i].is_nil)
            continue;
        present[n] = row->entries[i];
        present[n++].modseq = modseq;
    }
    return n > 0 ? annotation_row_new(uid, row->reader, modseq, present, n) : NULL;
}

/* Order of (uid, reader) and a row's: below 0 if the former comes first. */
static int row_order(uint32_t uid, uint64_t reader, const struct annotation_row *row)
{
    if (uid != row->uid)
        return uid < row->uid ? -1 : 1;
    return (reader > row->reader) - (reader < row->reader);
}

/* ---- leaves ---- */

struct annotation_leaf *annotation_leaf_new(void)
{
    struct annotation_leaf *leaf = xcalloc(1, sizeof(*leaf));

    counted_init(&leaf->counted);
    return leaf;
}

void annotation_leaf_unref(struct annotation_leaf *leaf)
{
    if (leaf == NULL || !counted_drop(&leaf->counted))
        return;
    for (uint32_t i = 0; i < leaf->n; i++)
        annotation_row_unref(leaf->rows[i]);
    free(leaf);
}

void annotation_leaf_add(struct annotation_leaf *leaf, struct annotation_row *row)
{
    assert(leaf->n < ANNOTATION_LEAF_ROWS);
    leaf->rows[leaf->n++] = row;
    leaf->bytes += row->bytes;
    leaf->modseq = MAX(leaf->modseq, row->modseq);
}

/* A leaf that nobody else reaches, with the same rows; it lies in no page. */
static struct annotation_leaf *own_leaf(struct annotation_leaf **slot)
{
    struct annotation_leaf *old = *slot, *copy;

    if (counted_is_ours(&old->counted)) {
        old->page = (struct page_ref){0};
        return old;
    }
    copy = annotation_leaf_new();
    for (uint32_t i = 0; i < old->n; i++)
        annotation_leaf_add(copy, annotation_row_ref(old->rows[i]));
    annotation_leaf_unref(old);
    *slot = copy;
    return copy;
}

/* Position of the first row not before (uid, reader). */
static uint32_t row_at(const struct annotation_leaf *leaf, uint32_t uid, uint64_t reader)
{
    uint32_t low = 0, high = leaf->n;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (row_order(uid, reader, leaf->rows[mid]) > 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* ---- the set ---- */

struct annotations *annotations_ref(struct annotations *set)
{
    if (set != NULL)
        counted_take(&set->counted);
    return set;
}

void annotations_unref(struct annotations *set)
{
    if (set == NULL || !counted_drop(&set->counted))
        return;
    for (size_t i = 0; i < set->n_leaves; i++)
        annotation_leaf_unref(set->leaves[i]);
    free(set->leaves);
    free(set->readers);
    free(set);
}

static struct annotations *own(struct annotations **slot)
{
    struct annotations *old = *slot, *copy;

    if (old != NULL && counted_is_ours(&old->counted))
        return old;
    copy = xcalloc(1, sizeof(*copy));
    counted_init(&copy->counted);
    if (old != NULL && old->n_leaves > 0) {
        copy->cap = old->n_leaves + 1;
        copy->leaves = xmalloc(copy->cap * sizeof(struct annotation_leaf *));
        for (; copy->n_leaves < old->n_leaves; copy->n_leaves++) {
            copy->leaves[copy->n_leaves] = old->leaves[copy->n_leaves];
            counted_take(&old->leaves[copy->n_leaves]->counted);
        }
        copy->bytes = old->bytes;
    }
    if (old != NULL && old->n_readers > 0) {
        copy->readers = xmalloc(old->n_readers * sizeof(*copy->readers));
        memcpy(copy->readers, old->readers, old->n_readers * sizeof(*copy->readers));
        copy->n_readers = old->n_readers;
    }
    annotations_unref(old);
    *slot = copy;
    return copy;
}

/* Nothing left is no set. */
static void tidy(struct annotations **slot)
{
    if ((*slot)->n_leaves == 0) {
        annotations_unref(*slot);
        *slot = NULL;
    }
}

/* The last leaf whose first row is not behind (uid, reader); 0 if all are. */
static size_t leaf_at(const struct annotations *set, uint32_t uid, uint64_t reader)
{
    size_t low = 0, high = set->n_leaves;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (row_order(uid, reader, set->leaves[mid]->rows[0]) >= 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low > 0 ? low - 1 : 0;
}

const struct annotation_row *annotations_find(const struct annotations *set, uint32_t uid,
                                              uint64_t reader)
{
    const struct annotation_leaf *leaf;
    uint32_t at;

    if (set == NULL)
        return NULL;
    leaf = set->leaves[leaf_at(set, uid, reader)];
    at = row_at(leaf, uid, reader);
    return at < leaf->n && row_order(uid, reader, leaf->rows[at]) == 0 ? leaf->rows[at] : NULL;
}

/* ---- readers ---- */

static size_t reader_at(const struct annotations *set, uint64_t reader, bool *found)
{
    size_t low = 0, high = set != NULL ? set->n_readers : 0;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (set->readers[mid].reader < reader)
            low = mid + 1;
        else
            high = mid;
    }
    *found = set != NULL && low < set->n_readers && set->readers[low].reader == reader;
    return low;
}

bool annotations_has_place(const struct annotations *set, uint64_t reader)
{
    bool found;

    (void) reader_at(set, reader, &found);
    return reader == 0 || found || set == NULL || set->n_readers < OVERLAY_READERS_MAX;
}

uint64_t annotations_modseq(const struct annotations *set, uint64_t reader)
{
    bool found;
    size_t at = reader_at(set, reader, &found);

    return found ? set->readers[at].modseq : 0;
}

static void note_reader(struct annotations *set, const struct annotation_row *row)
{
    bool found;
    size_t at = reader_at(set, row->reader, &found);

    if (row->reader == 0)
        return;
    if (!found) {
        set->readers = xrealloc(set->readers, (set->n_readers + 1) * sizeof(*set->readers));
        memmove(set->readers + at + 1, set->readers + at,
                (set->n_readers - at) * sizeof(*set->readers));
        set->readers[at] = (struct annotation_reader){.reader = row->reader};
        set->n_readers++;
    }
    set->readers[at].modseq = MAX(set->readers[at].modseq, row->modseq);
}

/* ---- changes ---- */

static void insert_leaf(struct annotations *set, size_t at, struct annotation_leaf *leaf)
{
    if (set->n_leaves == set->cap) {
        set->cap += set->cap / 2 + 1;
        set->leaves = xrealloc(set->leaves, set->cap * sizeof(struct annotation_leaf *));
    }
    memmove(set->leaves + at + 1, set->leaves + at,
            (set->n_leaves - at) * sizeof(struct annotation_leaf *));
    set->leaves[at] = leaf;
    set->n_leaves++;
}

static void recount(struct annotation_leaf *leaf)
{
    leaf->bytes = 0;
    leaf->modseq = 0;
    for (uint32_t i = 0; i < leaf->n; i++) {
        leaf->bytes += leaf->rows[i]->bytes;
        leaf->modseq = MAX(leaf->modseq, leaf->rows[i]->modseq);
    }
}

/* Rows from at on into a leaf of their own behind. */
static void split_leaf(struct annotations *set, size_t leaf_index, uint32_t at)
{
    struct annotation_leaf *left = set->leaves[leaf_index], *right = annotation_leaf_new();

    for (uint32_t i = at; i < left->n; i++)
        annotation_leaf_add(right, left->rows[i]);
    left->n = at;
    recount(left);
    insert_leaf(set, leaf_index + 1, right);
}

static bool is_too_long(const struct annotation_leaf *leaf, const struct annotation_row *more)
{
    return leaf->n == ANNOTATION_LEAF_ROWS ||
           (leaf->n > 0 && (uint64_t) leaf->bytes + more->bytes > ANNOTATION_LEAF_BYTES);
}

/* A row that is new, at its place in a leaf that is ours. Leaves filled in order are full. */
static void insert_row(struct annotations *set, size_t leaf_index, struct annotation_row *row)
{
    struct annotation_leaf *leaf = set->leaves[leaf_index];
    uint32_t at = row_at(leaf, row->uid, row->reader);

    if (is_too_long(leaf, row)) {
        uint32_t cut = at == leaf->n ? at : MAX(leaf->n / 2, 1u);

        if (cut == leaf->n) {
            insert_leaf(set, ++leaf_index, annotation_leaf_new());
        } else {
            split_leaf(set, leaf_index, cut);
            leaf_index += at > cut;
        }
        leaf = set->leaves[leaf_index];
        at = row_at(leaf, row->uid, row->reader);
    }
    memmove(leaf->rows + at + 1, leaf->rows + at,
            (leaf->n - at) * sizeof(struct annotation_row *));
    leaf->rows[at] = row;
    leaf->n++;
    leaf->bytes += row->bytes;
    leaf->modseq = MAX(leaf->modseq, row->modseq);
}

void annotations_put(struct annotations **slot, struct annotation_row *row)
{
    struct annotations *set = own(slot);
    struct annotation_leaf *leaf;
    size_t leaf_index;
    uint32_t at;

    if (set->n_leaves == 0)
        insert_leaf(set, 0, annotation_leaf_new());
    leaf_index = set->leaves[0]->n > 0 ? leaf_at(set, row->uid, row->reader) : 0;
    leaf = own_leaf(&set->leaves[leaf_index]);
    at = row_at(leaf, row->uid, row->reader);
    set->bytes += row->bytes;
    note_reader(set, row);
    if (at < leaf->n && row_order(row->uid, row->reader, leaf->rows[at]) == 0) {
        set->bytes -= leaf->rows[at]->bytes;
        annotation_row_unref(leaf->rows[at]);
        leaf->rows[at] = row;
        recount(leaf);
    } else {
        insert_row(set, leaf_index, row);
    }
}

void annotations_change(struct annotations **slot, const struct record_annotate *record)
{
    struct annotation merged[ANNOTATION_ROW_ENTRIES + ANNOTATION_ENTRIES_MAX];

    for (size_t i = 0; i < record->uids.n; i++) {
        const struct uid_run *run = &record->uids.runs[i];

        for (uint32_t uid = run->first; uid <= run->last; uid++) {
            const struct annotation_row *old = annotations_find(*slot, uid, record->reader);
            size_t n =
                drop_old_nils(merged, merge_entries(old, record, merged), record->modseq);

            annotations_put(slot,
                            annotation_row_new(uid, record->reader, record->modseq, merged, n));
        }
    }
}

static bool leaf_is_touched(const struct annotation_leaf *leaf, const struct uid_set *uids)
{
    for (uint32_t i = 0; i < leaf->n; i++) {
        if (uid_set_contains(uids, leaf->rows[i]->uid))
            return true;
    }
    return false;
}

static void expunge_leaf(struct annotations *set, size_t leaf_index, const struct uid_set *uids)
{
    struct annotation_leaf *leaf;
    uint32_t n = 0;

    if (!leaf_is_touched(set->leaves[leaf_index], uids))
        return;
    leaf = own_leaf(&set->leaves[leaf_index]);
    set->bytes -= leaf->bytes;
    for (uint32_t i = 0; i < leaf->n; i++) {
        if (uid_set_contains(uids, leaf->rows[i]->uid))
            annotation_row_unref(leaf->rows[i]);
        else
            leaf->rows[n++] = leaf->rows[i];
    }
    leaf->n = n;
    recount(leaf);
    set->bytes += leaf->bytes;
}

/* Close the gaps of empty leaves first..end-1 and join small neighbours. */
static void tidy_leaves(struct annotations *set, size_t first, size_t end)
{
    size_t n = first;

    for (size_t i = first; i < set->n_leaves; i++) {
        struct annotation_leaf *leaf = set->leaves[i];
        struct annotation_leaf *left = n > 0 && i <= end ? set->leaves[n - 1] : NULL;

        if (leaf->n == 0) {
            annotation_leaf_unref(leaf);
        } else if (left != NULL && left->n + leaf->n <= LEAF_JOIN_ROWS &&
                   (uint64_t) left->bytes + leaf->bytes <= ANNOTATION_LEAF_BYTES / 2) {
            left = own_leaf(&set->leaves[n - 1]);
            for (uint32_t row = 0; row < leaf->n; row++)
                annotation_leaf_add(left, annotation_row_ref(leaf->rows[row]));
            annotation_leaf_unref(leaf);
        } else {
            set->leaves[n++] = leaf;
        }
    }
    set->n_leaves = n;
}

void annotations_expunge(struct annotations **slot, const struct uid_set *uids)
{
    uint32_t last = uids->runs[uids->n - 1].last;
    struct annotation_walk walk;
    const struct annotation_row *row = NULL;
    struct annotations *set;
    size_t first, end;

    annotation_walk_start(&walk, *slot, uids->runs[0].first);
    while ((row = annotation_walk_next(&walk)) != NULL && row->uid <= last) {
        if (uid_set_contains(uids, row->uid))
            break;
    }
    if (row == NULL || row->uid > last)
        return;
    set = own(slot);
    first = end = leaf_at(set, row->uid, row->reader);
    for (; end < set->n_leaves && set->leaves[end]->rows[0]->uid <= last; end++)
        expunge_leaf(set, end, uids);
    tidy_leaves(set, first, end);
    tidy(slot);
}

void annotations_add_leaf(struct annotations **slot, struct annotation_leaf *leaf)
{
    struct annotations *set = own(slot);

    for (uint32_t i = 0; i < leaf->n; i++)
        note_reader(set, leaf->rows[i]);
    set->bytes += leaf->bytes;
    insert_leaf(set, set->n_leaves, leaf);
}

/* ---- walking ---- */

void annotation_walk_start(struct annotation_walk *walk, const struct annotations *set,
                           uint32_t uid)
{
    *walk = (struct annotation_walk){.set = set};
    if (set == NULL)
        return;
    walk->leaf = leaf_at(set, uid, 0);
    walk->row = row_at(set->leaves[walk->leaf], uid, 0);
}

const struct annotation_row *annotation_walk_next(struct annotation_walk *walk)
{
    while (walk->set != NULL && walk->leaf < walk->set->n_leaves) {
        const struct annotation_leaf *leaf = walk->set->leaves[walk->leaf];

        if (walk->row < leaf->n)
            return leaf->rows[walk->row++];
        walk->leaf++;
        walk->row = 0;
    }
    return NULL;
}

/* ---- bundles ---- */

struct annotation_bundle *annotation_bundle_new(size_t n)
{
    struct annotation_bundle *bundle =
        xcalloc(1, sizeof(*bundle) + n * sizeof(struct annotation_row *));

    counted_init(&bundle->counted);
    bundle->n = n;
    return bundle;
}

struct annotation_bundle *annotation_bundle_of(const struct annotations *set, uint32_t uid)
{
    struct annotation_bundle *bundle;
    struct annotation_walk walk;
    const struct annotation_row *row;
    size_t n = 0;

    annotation_walk_start(&walk, set, uid);
    while ((row = annotation_walk_next(&walk)) != NULL && row->uid == uid)
        n++;
    if (n == 0)
        return NULL;
    bundle = annotation_bundle_new(n);
    annotation_walk_start(&walk, set, uid);
    for (size_t i = 0; i < n; i++) {
        (void) annotation_walk_next(&walk);
        bundle->rows[i] = annotation_row_ref(set->leaves[walk.leaf]->rows[walk.row - 1]);
    }
    return bundle;
}

struct annotation_bundle *annotation_bundle_ref(struct annotation_bundle *bundle)
{
    if (bundle != NULL)
        counted_take(&bundle->counted);
    return bundle;
}

void annotation_bundle_unref(struct annotation_bundle *bundle)
{
    if (bundle == NULL || !counted_drop(&bundle->counted))
        return;
    for (size_t i = 0; i < bundle->n; i++)
        annotation_row_unref(bundle->rows[i]);
    free(bundle);
}
