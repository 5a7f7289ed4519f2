/*
 * txn_annotation.c - annotations of messages (RFC 5257): who may, how many, and what really
 * changes.
 *
 * Everybody's and the actor's own are two records, each naming the messages in which at least
 * one of its entries is not yet what it is to be. A change that changes nothing writes none.
 */
#include "mailbox/open_txn.h"
#include "mailbox/set_walk.h"

#define ENTRY_HEAD_BYTES 16u /* of an entry in a record, without its texts */

/* One record to be: entries in order of names, and the messages. */
struct part {
    struct record_annotate record;
    struct uid_set_builder changed;
};

static int by_name(const void *a, const void *b)
{
    const struct annotation *const *left = a, *const *right = b;
    int order = slice_cmp((*left)->entry, (*right)->entry);

    /* Of one name the later is behind: they lie in one array. */
    return order != 0 ? order : (*left > *right) - (*left < *right);
}

/* In order of names, one of each. */
static void order_entries(const struct annotation *entries, size_t n, struct arena *arena,
                          struct record_annotate *out)
{
    const struct annotation **sorted = ARENA_ARRAY(arena, const struct annotation *, n);
    struct annotation *kept = ARENA_ARRAY(arena, struct annotation, n);

    for (size_t i = 0; i < n; i++)
        sorted[i] = &entries[i];
    if (n > 0)
        qsort(sorted, n, sizeof(struct annotation *), by_name);
    out->n_entries = 0;
    for (size_t i = 0; i < n; i++) {
        if (i + 1 == n || !slice_eq(sorted[i]->entry, sorted[i + 1]->entry))
            kept[out->n_entries++] = *sorted[i];
    }
    out->entries = kept;
}

/* Is any entry beside the message another than the record says? */
static bool part_changes(const struct mbox *mbox, uint32_t uid,
                         const struct record_annotate *record)
{
    for (size_t i = 0; i < record->n_entries; i++) {
        const struct annotation *entry = &record->entries[i];
        const struct annotation *old = mbox_annotation(mbox, uid, record->reader, entry->entry);

        if (entry->is_nil ? old != NULL : old == NULL || !slice_eq(old->value, entry->value))
            return true;
    }
    return false;
}

static void find_changed(const struct mbox *mbox, const struct uid_set *uids,
                         const struct reader *reader, uint64_t unchangedsince,
                         struct part parts[2], struct uid_set_builder *changed,
                         struct uid_set_builder *refused)
{
    struct set_walk walk = {.mbox = mbox, .uids = uids};
    uint32_t index;

    while (set_walk_next(&walk, &index)) {
        uint32_t uid = mbox_uid(mbox, index);
        bool any = false;

        if (unchangedsince != UNCHANGEDSINCE_NONE &&
            reader_modseq(reader, mbox, index) > unchangedsince) {
            uid_set_add(refused, uid);
            continue;
        }
        for (size_t i = 0; i < 2; i++) {
            if (!part_changes(mbox, uid, &parts[i].record))
                continue;
            uid_set_add(&parts[i].changed, uid);
            any = true;
        }
        if (any)
            uid_set_add(changed, uid);
    }
}

static enum rc check_values(const struct record_annotate *record,
                            enum annotation_limit *out_limit, struct err *err)
{
    for (size_t i = 0; i < record->n_entries; i++) {
        struct slice name = record->entries[i].entry;

        if (!slice_starts(name, SLICE("/")) || name.len < 2 ||
            name.len > ANNOTATION_NAME_MAX_BYTES || slice_find(name, '\0') < name.len)
            return err_set(err, RC_INVALID, "That is no name of an annotation",
                           "annotation: a name of %zu bytes", name.len);
        if (record->entries[i].value.len > ANNOTATION_VALUE_MAX_BYTES) {
            *out_limit = ANNOTATION_TOO_BIG;
            return err_set(err, RC_LIMIT, "The annotation is too long", "annotation: %zu bytes",
                           record->entries[i].value.len);
        }
    }
    if (record->n_entries > ANNOTATION_ENTRIES_MAX) {
        *out_limit = ANNOTATION_TOO_MANY;
        return err_set(err, RC_LIMIT, "Too many annotations", "annotation: %zu at once",
                       record->n_entries);
    }
    return RC_OK;
}

static enum rc check_room(struct mail_txn *txn, const struct mbox *mbox,
                          const struct record_annotate *record,
                          enum annotation_limit *out_limit, struct err *err)
{
    size_t bytes = TXN_RECORD_BYTES + record->uids.n * TXN_RUN_BYTES;

    if (!mbox_annotations_have_place(mbox, record->reader)) {
        *out_limit = ANNOTATION_TOO_MANY;
        return err_set(err, RC_LIMIT,
                       "Too many people keep annotations of their own in this mailbox",
                       "annotations: readers");
    }
    *out_limit = mbox_annotation_limit(mbox, record);
    switch (*out_limit) {
    case ANNOTATION_FITS:
        break;
    case ANNOTATION_TOO_MANY:
        return err_set(err, RC_LIMIT, "Too many annotations",
                       "annotations: entries of a message, or bytes of the mailbox");
    case ANNOTATION_TOO_BIG:
        return err_set(err, RC_LIMIT, "The annotations of a message are too long",
                       "annotations: bytes of a message");
    }
    for (size_t i = 0; i < record->n_entries; i++)
        bytes += ENTRY_HEAD_BYTES + record->entries[i].entry.len + record->entries[i].value.len;
    return txn_has_room(txn, bytes, err);
}

static enum rc add_part(struct mail_txn *txn, struct part *part,
                        enum annotation_limit *out_limit, struct err *err)
{
    struct record record = {.type = RECORD_ANNOTATE};
    const struct mbox *mbox;
    enum rc rc;

    if (part->changed.n == 0)
        return RC_OK;
    part->record.uids = uid_set_finish(&part->changed);
    record.annotate = part->record;
    rc = txn_mailbox(txn, record.annotate.mbox, &mbox, err);
    if (rc == RC_OK)
        rc = check_room(txn, mbox, &record.annotate, out_limit, err);
    if (rc == RC_OK)
        rc = txn_need(txn, &record, err);
    if (rc == RC_OK)
        txn_add(txn, &record);
    return rc;
}

enum rc txn_annotate(struct mail_txn *txn, uint32_t mbox_id, const struct uid_set *uids,
                     const struct annotation_change *change, uint64_t unchangedsince,
                     struct arena *arena, struct uid_set *out_changed,
                     struct uid_set *out_refused, enum annotation_limit *out_limit,
                     struct err *err)
{
    struct part parts[2] = {0};
    struct uid_set_builder changed, refused;
    struct reader reader;
    const struct mbox *mbox;
    enum rc rc = txn_mailbox(txn, mbox_id, &mbox, err);

    *out_limit = ANNOTATION_FITS;
    if (rc == RC_OK)
        rc = txn_access(txn, mbox_id, RIGHT_READ, &reader, err);
    if (rc == RC_OK && reader.is_all)
        rc = reader_needs(&reader, RIGHT_ANNOTATE, err);
    if (rc == RC_OK && change->n_shared > 0)
        rc = reader_may_annotate(&reader, true, err);
    if (rc == RC_OK && change->n_own > 0 && reader.account == 0)
        rc = err_set(err, RC_INVALID, "The system has no annotations of its own",
                     "annotation: own ones of nobody");
    if (rc)
        return rc;
    order_entries(change->shared, change->n_shared, txn->arena, &parts[0].record);
    order_entries(change->own, change->n_own, txn->arena, &parts[1].record);
    parts[1].record.reader = reader.account;
    for (size_t i = 0; rc == RC_OK && i < 2; i++) {
        parts[i].record.mbox = mbox_id;
        parts[i].record.modseq = txn->modseq;
        uid_set_start(&parts[i].changed, txn->arena);
        rc = check_values(&parts[i].record, out_limit, err);
    }
    if (rc)
        return rc;
    uid_set_start(&changed, arena);
    uid_set_start(&refused, arena);
    find_changed(mbox, uids, &reader, unchangedsince, parts, &changed, &refused);
    for (size_t i = 0; rc == RC_OK && i < 2; i++)
        rc = add_part(txn, &parts[i], out_limit, err);
    *out_changed = uid_set_finish(&changed);
    *out_refused = uid_set_finish(&refused);
    return rc;
}

enum rc txn_take_annotations(struct mail_txn *txn, uint32_t mbox_id, uint32_t uid,
                             uint64_t reader, const struct annotation *entries, size_t n,
                             struct err *err)
{
    struct annotation *present = ARENA_ARRAY(txn->arena, struct annotation, n);
    struct part part = {
        .record = {.mbox = mbox_id, .reader = reader, .modseq = txn->modseq}
    };
    enum annotation_limit limit;
    size_t n_present = 0;
    enum rc rc;

    for (size_t i = 0; i < n; i++) {
        if (!entries[i].is_nil)
            present[n_present++] = entries[i];
    }
    if (n_present == 0)
        return RC_OK;
    order_entries(present, n_present, txn->arena, &part.record);
    uid_set_start(&part.changed, txn->arena);
    uid_set_add(&part.changed, uid);
    rc = check_values(&part.record, &limit, err);
    return rc ? rc : add_part(txn, &part, &limit, err);
}
