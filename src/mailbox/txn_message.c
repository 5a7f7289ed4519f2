/*
 * txn_message.c - what happens to messages: append, flags, expunge, copy and move.
 */
#include "base/ascii.h"
#include "base/clock.h"
#include "mailbox/open_txn.h"

#define RECORD_HEAD_BYTES 256u /* of any record, without its runs and names */
#define RUN_BYTES         12u  /* at most, encoded */

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
    rc = txn_has_room(txn, RECORD_HEAD_BYTES + name.len, err);
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

/* ---- append ---- */

static void add_body(struct mail_txn *txn, const struct staged_body *body, uint32_t size)
{
    if (txn->n_bodies == txn->cap_bodies) {
        txn->cap_bodies = MAX(txn->cap_bodies * 2, (size_t) 4);
        txn->bodies = xrealloc(txn->bodies, txn->cap_bodies * sizeof(*txn->bodies));
        txn->body_sizes = xrealloc(txn->body_sizes, txn->cap_bodies * sizeof(*txn->body_sizes));
    }
    txn->body_sizes[txn->n_bodies] = size;
    txn->bodies[txn->n_bodies++] = *body;
}

/* What sessions were told as \Recent since the last record goes along with the next one. */
void txn_note_recent(struct mail_txn *txn, uint32_t mbox_id)
{
    const struct mbox *mbox = acct_mailbox_by_id(txn->fork, mbox_id);
    uint32_t first = account_recent(txn->account, mbox, false);

    if (first > mbox_counts(mbox)->first_recent)
        txn_add(txn, &(struct record){
                         .type = RECORD_MAILBOX,
                         .mailbox = {.op = MAILBOX_RECENT,
                                     .mbox = mbox_id,
                                     .first_recent = first,
                                     .modseq = txn->modseq}
        });
}

static enum rc check_append(struct mail_txn *txn, const struct mbox *mbox,
                            const struct new_message *message, uint64_t size, struct err *err)
{
    const struct mbox_counts *counts = mbox_counts(mbox);

    if (size == 0 || size > UINT32_MAX)
        return err_set(err, RC_LIMIT, "A message cannot be of this size", "append: %llu bytes",
                       (unsigned long long) size);
    if (counts->messages >= MESSAGES_MAX || txn->n_bodies >= TXN_BODIES_MAX)
        return err_set(err, RC_LIMIT, "Too many messages",
                       "append: %u there, %zu in transaction", counts->messages, txn->n_bodies);
    if (message->uid == UINT32_MAX || (message->uid != 0 && message->uid < counts->uidnext) ||
        counts->uidnext >= UID_MAX)
        return err_set(err, RC_LIMIT, "No UID left for this message",
                       "append: uid %u, uidnext %u", message->uid, counts->uidnext);
    return txn_has_room(txn, 3 * RECORD_HEAD_BYTES + 4 * KEYWORDS_MAX, err);
}

enum rc txn_append(struct mail_txn *txn, uint32_t mbox_id, const struct new_message *message,
                   uint32_t *out_uid, struct err *err)
{
    struct engine *engine = account_engine(txn->account);
    uint64_t size = engine->ops->stage_length(message->stage);
    struct record record = {.type = RECORD_APPEND};
    struct record_append *append = &record.append;
    const struct mbox *mbox;
    uint16_t *keywords;
    enum rc rc = txn_find(txn, mbox_id, &mbox, err);

    append->mbox = mbox_id;
    if (rc == RC_OK)
        rc = check_append(txn, mbox, message, size, err);
    if (rc == RC_OK)
        rc = txn_need(txn, &record, err);
    if (rc == RC_OK)
        rc = txn_keywords(txn, mbox_id, message->keywords, message->n_keywords, &keywords,
                          &append->n_keywords, err);
    if (rc)
        return rc;
    txn_note_recent(txn, mbox_id);
    append->uid = message->uid != 0
                      ? message->uid
                      : mbox_counts(acct_mailbox_by_id(txn->fork, mbox_id))->uidnext;
    append->flags = message->flags & FLAGS_ALL;
    append->keywords = keywords;
    append->size = (uint32_t) size;
    append->internaldate = message->internaldate;
    if (message->threadid != NULL)
        append->threadid = *message->threadid;
    append->savedate =
        message->savedate != 0 ? message->savedate : txn->group.time_us / 1000000;
    append->emailid = message->emailid != NULL ? *message->emailid : object_id_new();
    append->body_id = acct_next_body_id(txn->fork);
    append->modseq = txn->modseq;
    txn_add(txn, &record);
    add_body(txn,
             &(struct staged_body){.body_id = append->body_id,
                                   .stage = message->stage,
                                   .mbox = mbox_id,
                                   .uid = append->uid,
                                   .flags = append->flags,
                                   .internaldate = append->internaldate.unix_sec},
             append->size);
    *out_uid = append->uid;
    return RC_OK;
}

enum rc account_finish_stages(struct account *account, struct body_stage *const *stages,
                              size_t n, struct err *err)
{
    struct engine *engine = account_engine(account);

    return engine->ops->stage_finish(engine, stages, n, err);
}

/* ---- walking the messages a set names ---- */

struct set_walk {
    const struct mbox *mbox;
    const struct uid_set *uids;
    size_t run;
    uint32_t index;
};

/* The next existing message of the set, in uid order. */
static bool next_of_set(struct set_walk *walk, uint32_t *out_index)
{
    uint32_t n = mbox_counts(walk->mbox)->messages;

    while (walk->run < walk->uids->n) {
        const struct uid_run *run = &walk->uids->runs[walk->run];

        if (walk->index < n && mbox_uid(walk->mbox, walk->index) < run->first)
            walk->index = mbox_lower_bound(walk->mbox, run->first);
        if (walk->index >= n)
            return false;
        if (mbox_uid(walk->mbox, walk->index) <= run->last) {
            *out_index = walk->index++;
            return true;
        }
        walk->run++;
    }
    return false;
}

/* ---- flags ---- */

struct resolved_change {
    const struct flag_change *change;
    const uint16_t *keywords;
    size_t n_keywords;
};

static bool keywords_change(const struct mbox *mbox, uint32_t index,
                            const struct resolved_change *change)
{
    bool remove = change->change->op == FLAG_OP_REMOVE;
    uint16_t has[KEYWORDS_MAX];

    if (change->change->op == FLAG_OP_REPLACE) {
        size_t n = mbox_keywords(mbox, index, has);

        return n != change->n_keywords ||
               (n > 0 && memcmp(has, change->keywords, n * sizeof(*has)) != 0);
    }
    for (size_t i = 0; i < change->n_keywords; i++) {
        if (mbox_has_keyword(mbox, index, change->keywords[i]) == remove)
            return true;
    }
    return false;
}

static bool flags_change(const struct mbox *mbox, uint32_t index,
                         const struct resolved_change *change)
{
    uint8_t old = mbox_flags(mbox, index), given = change->change->flags & FLAGS_ALL, new = 0;

    switch (change->change->op) {
    case FLAG_OP_ADD:
        new = old | given;
        break;
    case FLAG_OP_REMOVE:
        new = (uint8_t) (old & ~given);
        break;
    case FLAG_OP_REPLACE:
        new = given;
        break;
    }
    return new != old || keywords_change(mbox, index, change);
}

/* Removing a keyword that the mailbox does not know changes nothing: it needs no place in the
 * table. */
static enum rc resolve_change(struct mail_txn *txn, uint32_t mbox_id,
                              const struct flag_change *change, struct resolved_change *out,
                              struct err *err)
{
    const struct mbox *mbox = acct_mailbox_by_id(txn->fork, mbox_id);
    struct slice *names = ARENA_ARRAY(txn->arena, struct slice, change->n_keywords);
    uint16_t *keywords;
    size_t n = 0;
    enum rc rc;

    for (size_t i = 0; i < change->n_keywords; i++) {
        if (change->op != FLAG_OP_REMOVE || mbox_keyword_index(mbox, change->keywords[i]) >= 0)
            names[n++] = change->keywords[i];
    }
    out->change = change;
    rc = txn_keywords(txn, mbox_id, names, n, &keywords, &out->n_keywords, err);
    if (rc == RC_OK)
        out->keywords = keywords;
    return rc;
}

enum rc txn_change_flags(struct mail_txn *txn, uint32_t mbox_id, const struct uid_set *uids,
                         const struct flag_change *change, uint64_t unchangedsince,
                         struct arena *arena, struct uid_set *out_changed,
                         struct uid_set *out_refused, struct err *err)
{
    struct uid_set_builder changed, refused;
    struct resolved_change resolved;
    struct set_walk walk = {.uids = uids};
    const struct mbox *mbox;
    struct record record = {.type = RECORD_FLAGS};
    uint32_t index;
    enum rc rc = txn_mailbox(txn, mbox_id, &mbox, err);

    if (rc == RC_OK)
        rc = resolve_change(txn, mbox_id, change, &resolved, err);
    if (rc)
        return rc;
    uid_set_start(&changed, arena);
    uid_set_start(&refused, arena);
    mbox = walk.mbox = acct_mailbox_by_id(txn->fork, mbox_id);
    while (next_of_set(&walk, &index)) {
        if (mbox_modseq(mbox, index) > unchangedsince)
            uid_set_add(&refused, mbox_uid(mbox, index));
        else if (flags_change(mbox, index, &resolved))
            uid_set_add(&changed, mbox_uid(mbox, index));
    }
    record.flags = (struct record_flags){.mbox = mbox_id,
                                         .op = change->op,
                                         .flags = change->flags & FLAGS_ALL,
                                         .keywords = resolved.keywords,
                                         .n_keywords = resolved.n_keywords,
                                         .uids = uid_set_finish(&changed),
                                         .modseq = txn->modseq};
    rc = txn_has_room(txn, RECORD_HEAD_BYTES + 4 * KEYWORDS_MAX + changed.n * RUN_BYTES, err);
    if (rc == RC_OK && changed.n > 0)
        rc = txn_need(txn, &record, err);
    if (rc)
        return rc;
    *out_changed = record.flags.uids;
    *out_refused = uid_set_finish(&refused);
    if (changed.n > 0)
        txn_add(txn, &record);
    return RC_OK;
}

/* ---- expunge ---- */

/* Sessions and QRESYNC ask which uids went when; what is older than a bound allows is given up.
 */
static void purge_if_due(struct mail_txn *txn, uint32_t mbox_id)
{
    uint64_t below = mbox_purge_due(acct_mailbox_by_id(txn->fork, mbox_id));

    if (below != 0)
        txn_add(txn, &(struct record){
                         .type = RECORD_PURGE, .purge = {mbox_id, below}
        });
}

enum rc txn_expunge(struct mail_txn *txn, uint32_t mbox_id, const struct uid_set *uids,
                    bool only_deleted, struct arena *arena, struct uid_set *out,
                    struct err *err)
{
    struct uid_set_builder gone;
    struct set_walk walk = {.uids = uids};
    const struct mbox *mbox;
    struct record record = {.type = RECORD_EXPUNGE};
    uint32_t index;
    enum rc rc = txn_mailbox(txn, mbox_id, &mbox, err);

    if (rc)
        return rc;
    uid_set_start(&gone, arena);
    walk.mbox = mbox;
    while (next_of_set(&walk, &index)) {
        if (!only_deleted || (mbox_flags(mbox, index) & FLAG_DELETED) != 0)
            uid_set_add(&gone, mbox_uid(mbox, index));
    }
    record.expunge = (struct record_expunge){mbox_id, uid_set_finish(&gone), txn->modseq};
    rc = txn_has_room(txn, 2 * RECORD_HEAD_BYTES + gone.n * RUN_BYTES, err);
    if (rc == RC_OK && gone.n > 0)
        rc = txn_need(txn, &record, err);
    if (rc)
        return rc;
    *out = record.expunge.uids;
    if (gone.n > 0) {
        txn_add(txn, &record);
        purge_if_due(txn, mbox_id);
    }
    return RC_OK;
}

/* ---- copy and move ---- */

/* Keywords that the copied messages carry must stand in the target's table first. */
static enum rc carry_keywords(struct mail_txn *txn, const struct mbox *src,
                              const struct uid_set *uids, uint32_t dst_mbox, struct err *err)
{
    const struct mbox_info *info = mbox_info(src);
    struct set_walk walk = {.mbox = src, .uids = uids};
    bool used[KEYWORDS_MAX] = {false};
    struct slice names[KEYWORDS_MAX];
    uint16_t has[KEYWORDS_MAX], *indexes;
    size_t n = 0, n_indexes;
    uint32_t index;

    if (info->n_keywords == 0)
        return RC_OK;
    while (next_of_set(&walk, &index)) {
        size_t n_has = mbox_keywords(src, index, has);

        for (size_t i = 0; i < n_has; i++)
            used[has[i]] = true;
    }
    for (size_t i = 0; i < info->n_keywords; i++) {
        if (used[i])
            names[n++] = arena_dup(txn->arena, info->keywords[i]);
    }
    return txn_keywords(txn, dst_mbox, names, n, &indexes, &n_indexes, err);
}

static enum rc copy_record(struct mail_txn *txn, uint32_t src_mbox, uint32_t dst_mbox,
                           const struct uid_set *uids, struct record_copy *out, struct err *err)
{
    const struct mbox *dst;
    uint64_t n = uid_set_span(uids); /* exact: every uid of the set exists */
    enum rc rc = txn_find(txn, dst_mbox, &dst, err);

    if (rc)
        return rc;
    if (n > MESSAGES_MAX - MIN(mbox_counts(dst)->messages, MESSAGES_MAX) ||
        n > UID_MAX - MIN(mbox_counts(dst)->uidnext, UID_MAX))
        return err_set(err, RC_LIMIT, "Too many messages", "copy: %llu to %u there",
                       (unsigned long long) n, mbox_counts(dst)->messages);
    *out = (struct record_copy){.src = src_mbox,
                                .dst = dst_mbox,
                                .uids = *uids,
                                .dst_first_uid = mbox_counts(dst)->uidnext,
                                .savedate = txn->group.time_us / 1000000,
                                .modseq = txn->modseq};
    return txn_has_room(txn, 3 * RECORD_HEAD_BYTES + uids->n * RUN_BYTES, err);
}

enum rc txn_copy(struct mail_txn *txn, uint32_t src_mbox, const struct uid_set *uids,
                 uint32_t dst_mbox, bool move, struct arena *arena, struct copied *out,
                 struct err *err)
{
    struct record record = {.type = move ? RECORD_MOVE : RECORD_COPY};
    struct uid_set_builder there, given;
    struct set_walk walk = {.uids = uids};
    const struct mbox *src, *dst;
    uint32_t index;
    enum rc rc = txn_mailbox(txn, src_mbox, &src, err);

    if (rc == RC_OK)
        rc = txn_find(txn, dst_mbox, &dst, err);
    if (rc)
        return rc;
    src = walk.mbox = acct_mailbox_by_id(txn->fork, src_mbox);
    uid_set_start(&there, arena);
    uid_set_start(&given, arena);
    while (next_of_set(&walk, &index))
        uid_set_add(&there, mbox_uid(src, index));
    out->src = uid_set_finish(&there);
    out->dst = uid_set_finish(&given);
    out->uidvalidity = mbox_info(dst)->uidvalidity;
    if (there.n == 0)
        return RC_OK;
    rc = carry_keywords(txn, src, &out->src, dst_mbox, err);
    if (rc)
        return rc;
    txn_note_recent(txn, dst_mbox);
    rc = copy_record(txn, src_mbox, dst_mbox, &out->src, &record.copy, err);
    if (rc == RC_OK)
        rc = txn_need(txn, &record, err);
    if (rc)
        return rc;
    uid_set_add_run(&given, record.copy.dst_first_uid,
                    record.copy.dst_first_uid + (uint32_t) uid_set_span(&out->src) - 1);
    out->dst = uid_set_finish(&given);
    txn_add(txn, &record);
    if (move)
        purge_if_due(txn, src_mbox);
    return RC_OK;
}
