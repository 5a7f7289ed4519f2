/* mbox_annotations.c - what a reader asks of annotations; the declarations are in state.h. */
#include <assert.h>

#include "account/mbox.h"

const struct annotation *mbox_annotations(const struct mbox *mbox, uint32_t uid,
                                          uint64_t reader, size_t *out_n)
{
    const struct annotation_row *row = annotations_find(mbox->annotations, uid, reader);

    assert(mbox->loaded);
    *out_n = row != NULL ? row->n : 0;
    return *out_n > 0 ? row->entries : NULL;
}

const struct annotation *mbox_annotation(const struct mbox *mbox, uint32_t uid, uint64_t reader,
                                         struct slice entry)
{
    size_t n, low = 0, high;
    const struct annotation *entries = mbox_annotations(mbox, uid, reader, &n);

    for (high = n; low < high;) {
        size_t mid = low + (high - low) / 2;

        if (slice_cmp(entries[mid].entry, entry) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low < n && slice_eq(entries[low].entry, entry) && !entries[low].is_nil
               ? &entries[low]
               : NULL;
}

uint64_t mbox_annotation_modseq(const struct mbox *mbox, uint32_t uid, uint64_t reader)
{
    const struct annotation_row *row = annotations_find(mbox->annotations, uid, reader);

    return row != NULL ? row->modseq : 0;
}

uint64_t mbox_annotations_modseq(const struct mbox *mbox, uint64_t reader)
{
    return annotations_modseq(mbox->annotations, reader);
}

size_t mbox_annotation_readers(const struct mbox *mbox, uint32_t uid, struct arena *arena,
                               const uint64_t **out)
{
    const struct annotation_row *row;
    struct annotation_walk walk;
    uint64_t *readers;
    size_t n = 0;

    annotation_walk_start(&walk, mbox->annotations, uid);
    while ((row = annotation_walk_next(&walk)) != NULL && row->uid == uid)
        n++;
    readers = ARENA_ARRAY(arena, uint64_t, n);
    annotation_walk_start(&walk, mbox->annotations, uid);
    for (size_t i = 0; i < n; i++)
        readers[i] = annotation_walk_next(&walk)->reader;
    *out = readers;
    return n;
}

struct uid_set mbox_annotated_since(const struct mbox *mbox, uint64_t reader, uint64_t modseq,
                                    struct arena *arena)
{
    const struct annotations *set = mbox->annotations;
    struct uid_set_builder uids;

    uid_set_start(&uids, arena);
    if (reader != 0 && annotations_modseq(set, reader) <= modseq)
        return uid_set_finish(&uids);
    for (size_t i = 0; set != NULL && i < set->n_leaves; i++) {
        const struct annotation_leaf *leaf = set->leaves[i];

        for (uint32_t row = 0; leaf->modseq > modseq && row < leaf->n; row++) {
            if (leaf->rows[row]->reader == reader && leaf->rows[row]->modseq > modseq)
                uid_set_add(&uids, leaf->rows[row]->uid);
        }
    }
    return uid_set_finish(&uids);
}

static uint64_t present_bytes(const struct annotation_row *row)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < row->n; i++) {
        if (!row->entries[i].is_nil)
            bytes += (uint64_t) ANNOTATION_ENTRY_OVERHEAD + row->entries[i].entry.len +
                     row->entries[i].value.len;
    }
    return bytes > 0 ? bytes + ANNOTATION_ROW_OVERHEAD : 0;
}

uint64_t mbox_annotations_to_copy(const struct mbox *mbox, const struct uid_set *uids,
                                  bool shared, uint64_t reader)
{
    const struct annotation_row *row;
    struct annotation_walk walk;
    uint64_t bytes = 0;

    for (size_t i = 0; mbox->annotations != NULL && i < uids->n; i++) {
        annotation_walk_start(&walk, mbox->annotations, uids->runs[i].first);
        while ((row = annotation_walk_next(&walk)) != NULL && row->uid <= uids->runs[i].last) {
            if (row->reader == 0 ? shared : row->reader == reader)
                bytes += present_bytes(row);
        }
    }
    return bytes;
}

bool mbox_annotations_have_place(const struct mbox *mbox, uint64_t reader)
{
    return annotations_has_place(mbox->annotations, reader);
}

enum annotation_limit mbox_annotation_limit(const struct mbox *mbox,
                                            const struct record_annotate *record)
{
    uint64_t bytes = mbox->counts.annotation_bytes;

    for (size_t i = 0; i < record->uids.n; i++) {
        const struct uid_run *run = &record->uids.runs[i];

        for (uint32_t uid = run->first; uid <= run->last; uid++) {
            const struct annotation_row *row =
                annotations_find(mbox->annotations, uid, record->reader);
            struct annotation_sums sums = annotations_after(row, record);

            if (sums.entries > ANNOTATION_ENTRIES_MAX)
                return ANNOTATION_TOO_MANY;
            if (sums.bytes > ANNOTATION_ROW_MAX_BYTES)
                return ANNOTATION_TOO_BIG;
            bytes += sums.bytes - (row != NULL ? row->bytes : 0);
        }
        if (bytes > ANNOTATIONS_MAILBOX_MAX_BYTES)
            return ANNOTATION_TOO_MANY;
    }
    return ANNOTATION_FITS;
}
