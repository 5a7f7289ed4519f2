#include "account/annotation_pages.h"

/* ---- payloads ---- */

static void put_entries(struct buf *buf, const struct annotation_row *row)
{
    buf_varint(buf, row->reader);
    buf_varint(buf, row->modseq);
    buf_varint(buf, row->n);
    for (uint32_t i = 0; i < row->n; i++) {
        const struct annotation *entry = &row->entries[i];

        buf_varint_bytes(buf, entry->entry);
        buf_varint(buf, entry->modseq);
        buf_le8(buf, entry->is_nil);
        if (!entry->is_nil)
            buf_varint_bytes(buf, entry->value);
    }
}

void annotation_leaf_put(struct buf *buf, const struct annotation_leaf *leaf)
{
    buf_varint(buf, leaf->n);
    for (uint32_t i = 0; i < leaf->n; i++) {
        buf_varint(buf, leaf->rows[i]->uid - (i > 0 ? leaf->rows[i - 1]->uid : 0));
        put_entries(buf, leaf->rows[i]);
    }
}

void annotation_bundle_put(struct buf *buf, const struct annotation_bundle *bundle)
{
    size_t n = bundle != NULL ? bundle->n : 0;

    buf_varint(buf, n);
    for (size_t i = 0; i < n; i++)
        put_entries(buf, bundle->rows[i]);
}

/* ---- back ---- */

static bool get_entry(struct scan *sc, uint64_t modseq_max, const struct annotation *before,
                      struct annotation *out)
{
    uint8_t is_nil;

    *out = (struct annotation){0};
    if (!scan_varint_bytes(sc, ANNOTATION_NAME_MAX_BYTES, &out->entry) || out->entry.len == 0 ||
        (before != NULL && slice_cmp(before->entry, out->entry) >= 0) ||
        !scan_varint(sc, modseq_max, &out->modseq) || !scan_le8(sc, &is_nil) || is_nil > 1)
        return false;
    out->is_nil = is_nil == 1;
    return out->is_nil || scan_varint_bytes(sc, ANNOTATION_VALUE_MAX_BYTES, &out->value);
}

static struct annotation_row *get_row(struct scan *sc, uint32_t uid)
{
    struct annotation entries[ANNOTATION_ROW_ENTRIES];
    uint64_t reader, modseq;
    size_t n;

    if (!scan_varint(sc, UINT64_MAX, &reader) || !scan_varint(sc, MODSEQ_MAX, &modseq) ||
        modseq == 0 || !page_get_count(sc, ANNOTATION_ROW_ENTRIES, &n))
        return NULL;
    for (size_t i = 0; i < n; i++) {
        if (!get_entry(sc, modseq, i > 0 ? &entries[i - 1] : NULL, &entries[i]))
            return NULL;
    }
    return annotation_row_new(uid, reader, modseq, entries, n);
}

/* Does the row come behind this one? */
static bool is_behind(const struct annotation_row *row, const struct annotation_row *last)
{
    return last == NULL || row->uid > last->uid ||
           (row->uid == last->uid && row->reader > last->reader);
}

static bool get_leaf(struct scan *sc, uint32_t rows, const struct annotation_row *last,
                     uint32_t uidnext, struct annotation_leaf *leaf)
{
    uint32_t uid = 0, gap;
    size_t n;

    if (!page_get_count(sc, ANNOTATION_LEAF_ROWS, &n) || n == 0 || n != rows)
        return false;
    for (size_t i = 0; i < n; i++) {
        struct annotation_row *row;

        if (!scan_varint32(sc, uidnext - 1 - uid, &gap))
            return false;
        uid += gap;
        row = get_row(sc, uid);
        if (row == NULL)
            return false;
        annotation_leaf_add(leaf, row);
        if (uid == 0 || !is_behind(row, last))
            return false;
        last = row;
    }
    return scan_done(sc);
}

enum rc annotation_leaf_load(struct page_loader *loader, const struct page_place *place,
                             const struct annotation_row *last, uint32_t uidnext,
                             struct annotation_leaf **out, struct err *err)
{
    struct annotation_leaf *leaf;
    struct page_id id;
    struct scan sc;
    enum rc rc = page_load(loader, PAGE_ANNOTATIONS, place->number, &id, &sc, err);

    if (rc)
        return rc;
    leaf = annotation_leaf_new();
    if (!get_leaf(&sc, place->rows, last, uidnext, leaf)) {
        annotation_leaf_unref(leaf);
        return page_corrupt(err, &id, "annotations");
    }
    leaf->page = (struct page_ref){.number = place->number, .rows = place->rows};
    *out = leaf;
    return RC_OK;
}

bool annotation_bundle_get(struct scan *sc, uint32_t uid, struct annotation_bundle **out)
{
    struct annotation_bundle *bundle;
    size_t n;

    if (!page_get_count(sc, (uint64_t) OVERLAY_READERS_MAX + 1, &n))
        return false;
    if (n == 0)
        return true;
    bundle = annotation_bundle_new(n);
    for (size_t i = 0; i < n; i++) {
        bundle->rows[i] = get_row(sc, uid);
        if (bundle->rows[i] == NULL ||
            (i > 0 && !is_behind(bundle->rows[i], bundle->rows[i - 1]))) {
            annotation_bundle_unref(bundle);
            return false;
        }
    }
    *out = bundle;
    return true;
}
