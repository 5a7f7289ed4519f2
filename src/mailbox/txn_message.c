/*
 * txn_message.c - what happens to messages: append, expunge, copy and move.
 */
#include "base/ascii.h"
#include "base/clock.h"
#include "mailbox/open_txn.h"
#include "mailbox/set_walk.h"

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
    return txn_has_room(txn, 3 * TXN_RECORD_BYTES + 4 * KEYWORDS_MAX, err);
}

/* \Seen that its author alone is to see. */
static enum rc add_own_flags(struct mail_txn *txn, uint32_t mbox_id, uint32_t uid,
                             const struct reader *reader, uint8_t flags, struct err *err)
{
    struct flag_part own = {.op = FLAG_OP_ADD,
                            .reader = reader->account,
                            .flags =
                                flags & reader->private_flags & rights_flags(reader->rights)};
    const struct mbox *mbox;
    enum rc rc;

    if (own.flags == 0)
        return RC_OK;
    rc = txn_mailbox(txn, mbox_id, &mbox, err);
    uid_set_start(&own.changed, txn->arena);
    uid_set_add(&own.changed, uid);
    return rc == RC_OK ? txn_add_flags(txn, mbox_id, &own, err) : rc;
}

enum rc txn_append(struct mail_txn *txn, uint32_t mbox_id, const struct new_message *message,
                   uint32_t *out_uid, struct err *err)
{
    struct engine *engine = account_engine(txn->account);
    uint64_t size = engine->ops->stage_length(message->stage);
    struct record record = {.type = RECORD_APPEND};
    struct record_append *append = &record.append;
    const struct mbox *mbox;
    struct reader reader;
    uint16_t *keywords;
    enum rc rc = txn_find(txn, mbox_id, &mbox, err);

    append->mbox = mbox_id;
    if (rc == RC_OK)
        rc = txn_access(txn, mbox_id, RIGHT_INSERT, &reader, err);
    if (rc == RC_OK)
        rc = check_append(txn, mbox, message, size, err);
    if (rc == RC_OK)
        rc = txn_need(txn, &record, err);
    if (rc == RC_OK)
        rc = txn_keywords(txn, mbox_id, message->keywords,
                          (reader.rights & RIGHT_WRITE) != 0 ? message->n_keywords : 0,
                          &keywords, &append->n_keywords, err);
    if (rc)
        return rc;
    txn_note_recent(txn, mbox_id);
    append->uid = message->uid != 0
                      ? message->uid
                      : mbox_counts(acct_mailbox_by_id(txn->fork, mbox_id))->uidnext;
    append->flags = message->flags & rights_flags(reader.rights) & ~reader.private_flags;
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
    return add_own_flags(txn, mbox_id, append->uid, &reader, message->flags, err);
}

enum rc account_finish_stages(struct account *account, struct body_stage *const *stages,
                              size_t n, struct err *err)
{
    struct engine *engine = account_engine(account);

    return engine->ops->stage_finish(engine, stages, n, err);
}

/* ---- expunge ---- */

/* Sessions and QRESYNC ask which uids went when; what is older than a bound allows is given up.
 */
static void purge_if_due(struct mail_txn *txn, const struct mbox *mbox)
{
    uint64_t below = mbox != NULL ? mbox_purge_due(mbox) : 0;

    if (below != 0)
        txn_add(txn, &(struct record){
                         .type = RECORD_PURGE, .purge = {mbox_info(mbox)->id, below}
        });
}

/* Messages of the mailbox went, and with them perhaps some of All. */
static void purge(struct mail_txn *txn, uint32_t mbox_id)
{
    purge_if_due(txn, acct_mailbox_by_id(txn->fork, mbox_id));
    purge_if_due(txn, acct_all(txn->fork));
}

enum rc txn_expunge(struct mail_txn *txn, uint32_t mbox_id, const struct uid_set *uids,
                    bool only_deleted, struct arena *arena, struct uid_set *out,
                    struct err *err)
{
    struct uid_set_builder gone;
    struct set_walk walk = {.uids = uids};
    const struct mbox *mbox;
    struct record record = {.type = RECORD_EXPUNGE};
    struct reader reader;
    uint32_t row, n;
    enum rc rc = txn_mailbox(txn, mbox_id, &mbox, err);

    if (rc == RC_OK)
        rc = txn_access(txn, mbox_id, RIGHT_EXPUNGE, &reader, err);
    if (rc)
        return rc;
    uid_set_start(&gone, arena);
    walk.mbox = mbox;
    while ((n = set_walk_stretch(&walk, &row)) > 0) {
        for (uint32_t end = row + n; row < end; row++) {
            if (!only_deleted || (walk.chunk.flags[row] & FLAG_DELETED) != 0)
                uid_set_add(&gone, walk.chunk.uid[row]);
        }
    }
    record.expunge = (struct record_expunge){mbox_id, uid_set_finish(&gone), txn->modseq};
    rc = txn_has_room(txn, 2 * TXN_RECORD_BYTES + gone.n * TXN_RUN_BYTES, err);
    if (rc == RC_OK && gone.n > 0)
        rc = txn_need(txn, &record, err);
    if (rc)
        return rc;
    *out = record.expunge.uids;
    if (gone.n > 0) {
        txn_add(txn, &record);
        purge(txn, mbox_id);
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
    while (set_walk_next(&walk, &index)) {
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
    return txn_has_room(txn, 3 * TXN_RECORD_BYTES + uids->n * TXN_RUN_BYTES, err);
}

/*
 * RFC 5257 4.6: everybody's annotations go along where the actor may write those of the target,
 * the actor's own where it may read there. What the target has no room for refuses the COPY.
 */
static enum rc carry_annotations(struct mail_txn *txn, uint32_t src_mbox,
                                 const struct reader *dst_reader, struct record_copy *copy,
                                 struct err *err)
{
    bool shared = (dst_reader->rights & RIGHT_ANNOTATE) != 0;
    uint64_t own = (dst_reader->rights & RIGHT_READ) != 0 ? dst_reader->account : 0, bytes;
    const struct mbox *dst;
    enum rc rc;

    bytes = mbox_annotations_to_copy(acct_mailbox_by_id(txn->fork, src_mbox), &copy->uids,
                                     shared, own);
    if (bytes == 0)
        return RC_OK;
    rc = txn_mailbox(txn, copy->dst, &dst, err);
    if (rc)
        return rc;
    if (bytes + mbox_counts(dst)->annotation_bytes > ANNOTATIONS_MAILBOX_MAX_BYTES ||
        !mbox_annotations_have_place(dst, own))
        return err_set(err, RC_LIMIT, "The target has no room for the annotations",
                       "copy: %llu bytes of annotations", (unsigned long long) bytes);
    copy->annotations = shared;
    copy->reader = own;
    return RC_OK;
}

/*
 * A COPY record takes flags along as they are. Where the actor sees other flags than the owner,
 * or may not set them all in the target, records behind it put right what landed (RFC 4314 4:
 * COPY).
 */
struct landing {
    struct reader src, dst;
    uint8_t *flags; /* of each message as its reader saw it; NULL: all landed as they should */
    size_t n;
};

/* RFC 6851 4.2: MOVE needs what COPY, STORE \Deleted and EXPUNGE need. */
static enum rc copy_access(struct mail_txn *txn, uint32_t src_mbox, uint32_t dst_mbox,
                           bool move, struct landing *out, struct err *err)
{
    uint32_t needed = RIGHT_READ | (move ? RIGHT_DELETED | RIGHT_EXPUNGE : 0u);
    enum rc rc = txn_access(txn, src_mbox, needed, &out->src, err);

    out->flags = NULL;
    out->n = 0;
    return rc ? rc : txn_access(txn, dst_mbox, RIGHT_INSERT, &out->dst, err);
}

static bool is_plain(const struct reader *reader)
{
    return reader->rights == RIGHTS_ALL && reader->private_flags == 0;
}

/* Before the record: what the actor sees. Every uid of the set exists. */
static void note_flags(const struct mbox *src, const struct uid_set *uids, struct arena *arena,
                       struct landing *landing)
{
    struct set_walk walk = {.mbox = src, .uids = uids};
    uint32_t index;

    if (is_plain(&landing->src) && is_plain(&landing->dst))
        return;
    landing->flags = ARENA_ARRAY(arena, uint8_t, uid_set_span(uids));
    while (set_walk_next(&walk, &index))
        landing->flags[landing->n++] = reader_flags(&landing->src, src, index);
}

static enum rc land_flag(struct mail_txn *txn, const struct mbox *dst, uint32_t first_uid,
                         const struct landing *landing, uint8_t flag, struct err *err)
{
    uint8_t allowed = rights_flags(landing->dst.rights), own = landing->dst.private_flags;
    uint32_t mbox_id = mbox_info(dst)->id, at = mbox_lower_bound(dst, first_uid);
    struct flag_part add = {.op = FLAG_OP_ADD, .flags = flag};
    struct flag_part remove = {.op = FLAG_OP_REMOVE, .flags = flag};
    enum rc rc;

    if ((own & flag) != 0)
        add.reader = landing->dst.account;
    uid_set_start(&add.changed, txn->arena);
    uid_set_start(&remove.changed, txn->arena);
    for (size_t i = 0; i < landing->n; i++) {
        bool landed = (mbox_flags(dst, at + (uint32_t) i) & flag) != 0;
        bool wanted = (landing->flags[i] & allowed & flag) != 0;

        if (landed && (!wanted || add.reader != 0))
            uid_set_add(&remove.changed, first_uid + (uint32_t) i);
        if (wanted && (!landed || add.reader != 0))
            uid_set_add(&add.changed, first_uid + (uint32_t) i);
    }
    rc = txn_add_flags(txn, mbox_id, &remove, err);
    return rc ? rc : txn_add_flags(txn, mbox_id, &add, err);
}

static enum rc drop_keywords(struct mail_txn *txn, const struct mbox *dst, uint32_t first_uid,
                             size_t n, struct err *err)
{
    uint16_t *all = ARENA_ARRAY(txn->arena, uint16_t, KEYWORDS_MAX), has[KEYWORDS_MAX];
    struct flag_part remove = {.op = FLAG_OP_REMOVE, .keywords = all};
    uint32_t at = mbox_lower_bound(dst, first_uid);

    for (; remove.n_keywords < mbox_info(dst)->n_keywords; remove.n_keywords++)
        all[remove.n_keywords] = (uint16_t) remove.n_keywords;
    uid_set_start(&remove.changed, txn->arena);
    for (size_t i = 0; i < n; i++) {
        if (mbox_keywords(dst, at + (uint32_t) i, has) > 0)
            uid_set_add(&remove.changed, first_uid + (uint32_t) i);
    }
    return txn_add_flags(txn, mbox_info(dst)->id, &remove, err);
}

/* Behind the record. */
static enum rc land(struct mail_txn *txn, uint32_t dst_mbox, uint32_t first_uid,
                    const struct landing *landing, struct err *err)
{
    const struct mbox *dst;
    enum rc rc = RC_OK;

    if (landing->flags == NULL)
        return RC_OK;
    for (unsigned flag = 1; rc == RC_OK && flag <= FLAGS_ALL; flag <<= 1) {
        rc = txn_mailbox(txn, dst_mbox, &dst, err); /* anew: a record may have copied it */
        if (rc == RC_OK)
            rc = land_flag(txn, dst, first_uid, landing, (uint8_t) flag, err);
    }
    if (rc == RC_OK && (landing->dst.rights & RIGHT_WRITE) == 0)
        rc = drop_keywords(txn, acct_mailbox_by_id(txn->fork, dst_mbox), first_uid, landing->n,
                           err);
    return rc;
}

enum rc txn_copy(struct mail_txn *txn, uint32_t src_mbox, const struct uid_set *uids,
                 uint32_t dst_mbox, bool move, struct arena *arena, struct copied *out,
                 struct err *err)
{
    struct record record = {.type = move ? RECORD_MOVE : RECORD_COPY};
    struct uid_set_builder there, given;
    struct set_walk walk = {.uids = uids};
    const struct mbox *src, *dst;
    struct landing landing;
    uint32_t index;
    enum rc rc = txn_mailbox(txn, src_mbox, &src, err);

    if (rc == RC_OK && mbox_info_is_all(mbox_info(src)))
        return txn_copy_of_all(txn, uids, dst_mbox, move, arena, out, err);
    if (rc == RC_OK)
        rc = txn_find(txn, dst_mbox, &dst, err);
    if (rc == RC_OK)
        rc = copy_access(txn, src_mbox, dst_mbox, move, &landing, err);
    if (rc)
        return rc;
    src = walk.mbox = acct_mailbox_by_id(txn->fork, src_mbox);
    uid_set_start(&there, arena);
    uid_set_start(&given, arena);
    while (set_walk_next(&walk, &index))
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
        rc = carry_annotations(txn, src_mbox, &landing.dst, &record.copy, err);
    if (rc == RC_OK)
        rc = txn_need(txn, &record, err);
    if (rc)
        return rc;
    uid_set_add_run(&given, record.copy.dst_first_uid,
                    record.copy.dst_first_uid + (uint32_t) uid_set_span(&out->src) - 1);
    out->dst = uid_set_finish(&given);
    note_flags(acct_mailbox_by_id(txn->fork, src_mbox), &out->src, txn->arena, &landing);
    txn_add(txn, &record);
    if (move)
        purge(txn, src_mbox);
    return land(txn, dst_mbox, record.copy.dst_first_uid, &landing, err);
}
