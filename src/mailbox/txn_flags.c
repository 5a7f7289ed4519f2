/*
 * txn_flags.c - flags and keywords of messages, as far as a transaction's actor may change them
 * (RFC 4314 4).
 */
#include "mailbox/open_txn.h"
#include "mailbox/set_walk.h"

/* ---- keywords ---- */

static enum rc define_keyword(struct mail_txn *txn, uint32_t mbox_id, struct slice name,
                              uint16_t *out, struct err *err)
{
    const struct mbox *mbox = acct_mailbox_by_id(txn->fork, mbox_id);
    size_t n = mbox_info(mbox)->n_keywords;
    enum rc rc;

    if (n >= KEYWORDS_MAX || name.len > KEYWORD_BYTES_MAX)
        return err_set(err, RC_LIMIT, "No room for another keyword in this mailbox",
                       "keywords: %zu, this one %zu bytes", n, name.len);
    rc = txn_has_room(txn, TXN_RECORD_BYTES + name.len, err);
    if (rc)
        return rc;
    txn_add(txn, &(struct record){
                     .type = RECORD_KEYWORD, .keyword = {mbox_id, (uint16_t) n, name}
    });
    *out = (uint16_t) n;
    return RC_OK;
}

static int by_index(const void *a, const void *b)
{
    return *(const uint16_t *) a - *(const uint16_t *) b;
}

enum rc txn_keywords(struct mail_txn *txn, uint32_t mbox_id, const struct slice *names,
                     size_t n, uint16_t **out, size_t *out_n, struct err *err)
{
    uint16_t *indexes = ARENA_ARRAY(txn->arena, uint16_t, n);
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        int index = mbox_keyword_index(acct_mailbox_by_id(txn->fork, mbox_id), names[i]);
        enum rc rc;

        if (index >= 0) {
            indexes[i] = (uint16_t) index;
            continue;
        }
        rc = define_keyword(txn, mbox_id, names[i], &indexes[i], err);
        if (rc)
            return rc;
    }
    if (n > 0)
        qsort(indexes, n, sizeof(*indexes), by_index);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || indexes[kept - 1] != indexes[i])
            indexes[kept++] = indexes[i];
    }
    *out = indexes;
    *out_n = kept;
    return RC_OK;
}

/* ---- flags ---- */

/* Shared flags are set and cleared, and so are private ones. */
#define FLAG_PARTS_MAX 4u

struct flag_parts {
    struct flag_part part[FLAG_PARTS_MAX];
    size_t n;
};

static bool keywords_change(const struct mbox *mbox, uint32_t index,
                            const struct flag_part *part)
{
    uint16_t has[KEYWORDS_MAX];

    if (part->op == FLAG_OP_REPLACE) {
        size_t n = mbox_keywords(mbox, index, has);

        return n != part->n_keywords ||
               (n > 0 && memcmp(has, part->keywords, n * sizeof(*has)) != 0);
    }
    for (size_t i = 0; i < part->n_keywords; i++) {
        if (mbox_has_keyword(mbox, index, part->keywords[i]) == (part->op == FLAG_OP_REMOVE))
            return true;
    }
    return false;
}

/* Does it change the message of this row of the chunk that the walk is in? */
static bool part_changes(const struct set_walk *walk, uint32_t row,
                         const struct flag_part *part)
{
    const struct mbox *mbox = walk->mbox;
    uint32_t index = walk->chunk_start + row;
    uint8_t old = walk->chunk.flags[row];

    if (part->reader != 0) {
        const struct overlay_row *own =
            mbox_overlay_find(mbox, part->reader, walk->chunk.uid[row]);

        old = own != NULL ? own->flags : 0;
    }
    switch (part->op) {
    case FLAG_OP_ADD:
        return (part->flags & ~old) != 0 ||
               (part->n_keywords > 0 && keywords_change(mbox, index, part));
    case FLAG_OP_REMOVE:
        return (part->flags & old) != 0 ||
               (part->n_keywords > 0 && keywords_change(mbox, index, part));
    case FLAG_OP_REPLACE:
        break;
    }
    return part->flags != old || keywords_change(mbox, index, part);
}

static void add_part(struct flag_parts *parts, struct flag_part part)
{
    if (part.op == FLAG_OP_REPLACE || part.flags != 0 || part.n_keywords > 0)
        parts->part[parts->n++] = part;
}

/* Keywords of the table that are not among these. */
static void other_keywords(struct mail_txn *txn, uint32_t mbox_id, const uint16_t *keywords,
                           size_t n, struct flag_part *out)
{
    size_t all = mbox_info(acct_mailbox_by_id(txn->fork, mbox_id))->n_keywords, at = 0;
    uint16_t *others = ARENA_ARRAY(txn->arena, uint16_t, all);

    for (uint16_t i = 0; i < all; i++) {
        if (at < n && keywords[at] == i)
            at++;
        else
            others[out->n_keywords++] = i;
    }
    out->keywords = others;
}

/* What of a change its author may do (RFC 4314 4), as records. To set flags to what is given
 * leaves those alone that the author may not touch: then some are added, and some removed. */
static void split_change(struct mail_txn *txn, uint32_t mbox_id, const struct flag_part *change,
                         const struct reader *reader, struct flag_parts *out)
{
    uint8_t allowed = rights_flags(reader->rights), own = reader->private_flags & allowed;
    struct flag_part add = *change, remove = *change;

    *out = (struct flag_parts){.n = 0};
    if (reader->rights == RIGHTS_ALL && reader->private_flags == 0) {
        add_part(out, *change);
        return;
    }
    add.op = FLAG_OP_ADD;
    remove.op = FLAG_OP_REMOVE;
    if (change->op == FLAG_OP_REPLACE) {
        remove.flags = (uint8_t) ~change->flags & FLAGS_ALL;
        remove.n_keywords = 0;
        other_keywords(txn, mbox_id, change->keywords, change->n_keywords, &remove);
    }
    allowed &= (uint8_t) ~reader->private_flags;
    if ((reader->rights & RIGHT_WRITE) == 0)
        add.n_keywords = remove.n_keywords = 0;
    for (int pass = 0; pass < 2; pass++) {
        const struct flag_part *part = pass == 0 ? &remove : &add;

        if (change->op != FLAG_OP_REPLACE && part->op != change->op)
            continue;
        add_part(out, (struct flag_part){.op = part->op,
                                         .flags = part->flags & allowed,
                                         .keywords = part->keywords,
                                         .n_keywords = part->n_keywords});
        add_part(out, (struct flag_part){.op = part->op,
                                         .reader = reader->account,
                                         .flags = part->flags & own});
    }
}

/* RFC 4314 4: a STORE fails only where nothing of it is permitted. */
static enum rc check_change(const struct flag_change *change, const struct reader *reader,
                            struct err *err)
{
    uint32_t asked = 0;

    if ((change->flags & FLAG_SEEN) != 0 || change->op == FLAG_OP_REPLACE)
        asked |= RIGHT_SEEN;
    if ((change->flags & FLAG_DELETED) != 0 || change->op == FLAG_OP_REPLACE)
        asked |= RIGHT_DELETED;
    if ((change->flags & ~(FLAG_SEEN | FLAG_DELETED)) != 0 || change->n_keywords > 0 ||
        change->op == FLAG_OP_REPLACE)
        asked |= RIGHT_WRITE;
    return (reader->rights & asked) != 0 ? RC_OK : reader_needs(reader, asked, err);
}

/* Removing a keyword that the mailbox does not know changes nothing: it needs no place in the
 * table. */
static enum rc resolve_change(struct mail_txn *txn, uint32_t mbox_id,
                              const struct flag_change *change, const struct reader *reader,
                              struct flag_part *out, struct err *err)
{
    const struct mbox *mbox = acct_mailbox_by_id(txn->fork, mbox_id);
    struct slice *names = ARENA_ARRAY(txn->arena, struct slice, change->n_keywords);
    uint16_t *keywords;
    size_t n = 0;
    enum rc rc;

    *out = (struct flag_part){.op = change->op, .flags = change->flags & FLAGS_ALL};
    if ((reader->rights & RIGHT_WRITE) == 0)
        return RC_OK;
    for (size_t i = 0; i < change->n_keywords; i++) {
        if (change->op != FLAG_OP_REMOVE || mbox_keyword_index(mbox, change->keywords[i]) >= 0)
            names[n++] = change->keywords[i];
    }
    rc = txn_keywords(txn, mbox_id, names, n, &keywords, &out->n_keywords, err);
    if (rc == RC_OK)
        out->keywords = keywords;
    return rc;
}

/* Which messages each part changes. */
struct change_finder {
    const struct reader *reader;
    uint64_t unchangedsince;
    struct flag_parts *parts;
    struct uid_set_builder *changed, *refused;
};

static void look_at_row(const struct change_finder *find, const struct set_walk *walk,
                        uint32_t row)
{
    uint32_t uid = walk->chunk.uid[row];
    bool any = false;

    if (find->unchangedsince != UNCHANGEDSINCE_NONE &&
        reader_modseq(find->reader, walk->mbox, walk->chunk_start + row) >
            find->unchangedsince) {
        uid_set_add(find->refused, uid);
        return;
    }
    for (size_t i = 0; i < find->parts->n; i++) {
        if (!part_changes(walk, row, &find->parts->part[i]))
            continue;
        uid_set_add(&find->parts->part[i].changed, uid);
        any = true;
    }
    if (any)
        uid_set_add(find->changed, uid);
}

static void find_changed(const struct change_finder *find, const struct mbox *mbox,
                         const struct uid_set *uids)
{
    struct set_walk walk = {.mbox = mbox, .uids = uids};
    uint32_t row, n;

    while ((n = set_walk_stretch(&walk, &row)) > 0) {
        for (; n > 0; n--)
            look_at_row(find, &walk, row++);
    }
}

static enum rc check_overlay(const struct mbox *mbox, const struct flag_part *part,
                             struct err *err)
{
    size_t n = mbox_overlay_count(mbox);

    if (part->reader == 0 || n < OVERLAY_READERS_MAX)
        return RC_OK;
    for (size_t i = 0; i < n; i++) {
        if (mbox_overlay_reader(mbox, i) == part->reader)
            return RC_OK;
    }
    return err_set(err, RC_LIMIT, "Too many people keep flags of their own in this mailbox",
                   "overlays: %zu", n);
}

enum rc txn_add_flags(struct mail_txn *txn, uint32_t mbox_id, const struct flag_part *part,
                      struct err *err)
{
    struct record record = {.type = RECORD_FLAGS};
    enum rc rc;

    record.flags = (struct record_flags){.mbox = mbox_id,
                                         .reader = part->reader,
                                         .op = part->op,
                                         .flags = part->flags,
                                         .keywords = part->keywords,
                                         .n_keywords = part->n_keywords,
                                         .uids = uid_set_finish(&part->changed),
                                         .modseq = txn->modseq};
    if (part->changed.n == 0)
        return RC_OK;
    rc = txn_has_room(
        txn, TXN_RECORD_BYTES + 4 * KEYWORDS_MAX + part->changed.n * TXN_RUN_BYTES, err);
    if (rc == RC_OK)
        rc = check_overlay(acct_mailbox_by_id(txn->fork, mbox_id), part, err);
    if (rc == RC_OK)
        rc = txn_need(txn, &record, err);
    if (rc == RC_OK)
        txn_add(txn, &record);
    return rc;
}

enum rc txn_change_flags_as(struct mail_txn *txn, uint32_t mbox_id, const struct uid_set *uids,
                            const struct flag_change *change, uint64_t unchangedsince,
                            const struct reader *reader, struct arena *arena,
                            struct uid_set *out_changed, struct uid_set *out_refused,
                            struct err *err)
{
    struct uid_set_builder changed, refused;
    struct flag_part resolved;
    struct flag_parts parts;
    const struct change_finder find = {reader, unchangedsince, &parts, &changed, &refused};
    enum rc rc = resolve_change(txn, mbox_id, change, reader, &resolved, err);

    if (rc)
        return rc;
    split_change(txn, mbox_id, &resolved, reader, &parts);
    for (size_t i = 0; i < parts.n; i++)
        uid_set_start(&parts.part[i].changed, txn->arena);
    uid_set_start(&changed, arena);
    uid_set_start(&refused, arena);
    find_changed(&find, acct_mailbox_by_id(txn->fork, mbox_id), uids);
    for (size_t i = 0; rc == RC_OK && i < parts.n; i++)
        rc = txn_add_flags(txn, mbox_id, &parts.part[i], err);
    *out_changed = uid_set_finish(&changed);
    *out_refused = uid_set_finish(&refused);
    return rc;
}

enum rc txn_change_flags(struct mail_txn *txn, uint32_t mbox_id, const struct uid_set *uids,
                         const struct flag_change *change, uint64_t unchangedsince,
                         struct arena *arena, struct uid_set *out_changed,
                         struct uid_set *out_refused, struct err *err)
{
    struct reader reader;
    const struct mbox *mbox;
    enum rc rc = txn_mailbox(txn, mbox_id, &mbox, err);

    if (rc == RC_OK)
        rc = txn_access(txn, mbox_id, RIGHT_READ, &reader, err);
    if (rc == RC_OK)
        rc = check_change(change, &reader, err);
    if (rc)
        return rc;
    if (mbox_info_is_all(mbox_info(mbox)))
        return txn_change_flags_of_all(txn, uids, change, unchangedsince, &reader, arena,
                                       out_changed, out_refused, err);
    return txn_change_flags_as(txn, mbox_id, uids, change, unchangedsince, &reader, arena,
                               out_changed, out_refused, err);
}
