/*
 * txn_cross.c - messages go from one account to another.
 */
#include "mailbox/message.h"
#include "mailbox/open_txn.h"
#include "mailbox/set_walk.h"

#define CROSS_CHUNK_BYTES ((size_t) 256 << 10)  /* read and staged at a time */
#define CROSS_SLICE_BYTES ((uint64_t) 16 << 20) /* of one call: tens of milliseconds */

struct crossing {
    const struct engine_ops *ops; /* of the target's engine */
    struct account *src, *dst;
    struct acct_state *state; /* one reference */
    struct set_walk walk;     /* what is still to be staged */
    uint32_t *uids;           /* in the source; heap */
    struct body_stage **stages;
    size_t n, total;
};

void crossing_freep(struct crossing **ptr)
{
    struct crossing *crossing = TAKE(*ptr);

    if (crossing == NULL)
        return;
    for (size_t i = 0; i < crossing->n; i++)
        crossing->ops->stage_free(crossing->stages[i]);
    acct_unref(crossing->state);
    free(crossing->stages);
    free(crossing->uids);
    free(crossing);
}

void crossing_landed(struct crossing *crossing)
{
    crossing->n = 0;
}

static enum rc copy_body(struct message *message, const struct engine_ops *ops,
                         struct body_stage *stage, struct err *err)
{
    uint64_t size = message_size(message), at = 0;
    AUTO(buf_done) struct buf bytes = {0};
    enum rc rc = RC_OK;

    buf_init(&bytes, CROSS_CHUNK_BYTES);
    while (rc == RC_OK && at < size) {
        size_t n = (size_t) MIN(size - at, (uint64_t) CROSS_CHUNK_BYTES);

        buf_reset(&bytes);
        rc = message_read(message, at, n, &bytes, err);
        if (rc == RC_OK)
            rc = ops->stage_write(stage, buf_slice(&bytes), err);
        at += n;
    }
    return rc;
}

enum rc account_stage_copy(struct account *src, uint64_t body_id, uint32_t size,
                           struct account *dst, struct body_stage **out, struct err *err)
{
    AUTO(message_closep) struct message *message = message_open(src, body_id, size);
    struct engine *engine = account_engine(dst);
    enum rc rc = engine->ops->stage(engine, dst->id, size, out, err);

    if (rc)
        return rc;
    rc = copy_body(message, engine->ops, *out, err);
    if (rc)
        engine->ops->stage_free(TAKE(*out));
    return rc;
}

static size_t count_set(const struct mbox *mbox, const struct uid_set *uids)
{
    struct set_walk walk = {.mbox = mbox, .uids = uids};
    uint32_t index;
    size_t n = 0;

    while (set_walk_next(&walk, &index))
        n++;
    return n;
}

enum rc crossing_new(struct account *src, const struct acct_state *state,
                     const struct mbox *mbox, const struct uid_set *uids, struct account *dst,
                     struct crossing **out, struct err *err)
{
    size_t total = count_set(mbox, uids);
    struct crossing *crossing;

    if (total > TXN_BODIES_MAX)
        return err_set(err, RC_LIMIT, "Too many messages at once; do it in parts",
                       "cross: %zu messages, of %u", total, TXN_BODIES_MAX);
    crossing = xcalloc(1, sizeof(*crossing));
    *crossing = (struct crossing){
        .ops = account_engine(dst)->ops,
        .src = src,
        .dst = dst,
        .state = acct_ref(state),
        .walk = {.mbox = mbox, .uids = uids},
        .total = total
    };
    crossing->uids = xcalloc(MAX(total, (size_t) 1), sizeof(*crossing->uids));
    crossing->stages = xcalloc(MAX(total, (size_t) 1), sizeof(struct body_stage *));
    *out = crossing;
    return RC_OK;
}

static enum rc stage_one(struct crossing *crossing, uint32_t index, uint64_t *bytes,
                         struct err *err)
{
    const struct mbox *mbox = crossing->walk.mbox;
    const struct msg_cold *cold;
    enum rc rc = account_need_rows(crossing->src, crossing->state, mbox, index, index, err);

    if (rc)
        return rc;
    cold = mbox_cold(mbox, index);
    rc = account_stage_copy(crossing->src, cold->body_id, cold->size, crossing->dst,
                            &crossing->stages[crossing->n], err);
    if (rc)
        return rc;
    *bytes += cold->size;
    crossing->uids[crossing->n++] = mbox_uid(mbox, index);
    return RC_OK;
}

enum rc crossing_stage(struct crossing *crossing, struct err *err)
{
    uint64_t bytes = 0;
    uint32_t index;

    while (set_walk_next(&crossing->walk, &index)) {
        enum rc rc = stage_one(crossing, index, &bytes, err);

        if (rc)
            return rc;
        if (bytes >= CROSS_SLICE_BYTES && crossing->n < crossing->total)
            return RC_MORE;
    }
    return account_finish_stages(crossing->dst, crossing->stages, crossing->n, err);
}

size_t crossing_staged(const struct crossing *crossing, size_t *out_total)
{
    *out_total = crossing->total;
    return crossing->n;
}

/* RFC 5257 4.6: as COPY within an account does. */
static enum rc carry_annotations(const struct mbox *src, uint32_t index, struct mail_txn *to,
                                 uint32_t dst_mbox, uint32_t dst_uid, struct err *err)
{
    uint32_t uid = mbox_uid(src, index);
    const struct annotation *entries;
    struct reader reader;
    size_t n;
    enum rc rc = txn_access(to, dst_mbox, RIGHT_INSERT, &reader, err);

    if (rc == RC_OK && (reader.rights & RIGHT_ANNOTATE) != 0) {
        entries = mbox_annotations(src, uid, 0, &n);
        rc = txn_take_annotations(to, dst_mbox, dst_uid, 0, entries, n, err);
    }
    if (rc == RC_OK && (reader.rights & RIGHT_READ) != 0 && reader.account != 0) {
        entries = mbox_annotations(src, uid, reader.account, &n);
        rc = txn_take_annotations(to, dst_mbox, dst_uid, reader.account, entries, n, err);
    }
    return rc;
}

/* What the actor needs in the source. All's messages are moved where they live: that is the
 * owner's to do. */
static uint32_t rights_needed(const struct mbox *src, bool move)
{
    return RIGHT_READ |
           (move && !mbox_info_is_all(mbox_info(src)) ? RIGHT_DELETED | RIGHT_EXPUNGE : 0u);
}

/* One message of the source, with what the actor sees of it. */
static enum rc append_one(struct mail_txn *from, const struct mbox *src, uint32_t index,
                          const struct reader *reader, struct body_stage *stage,
                          struct mail_txn *to, uint32_t dst_mbox, uint32_t *out_uid,
                          struct err *err)
{
    const struct mbox_info *info = mbox_info(src);
    struct new_message message = {.stage = stage, .flags = reader_flags(reader, src, index)};
    struct slice names[KEYWORDS_MAX];
    uint16_t has[KEYWORDS_MAX];
    const struct msg_cold *cold;
    enum rc rc = account_need_rows(from->account, from->fork, src, index, index, err);

    if (rc)
        return rc;
    cold = mbox_cold(src, index);
    message.internaldate = (struct mail_date){cold->internaldate, cold->zone_min};
    message.emailid = &cold->emailid;
    message.threadid = object_id_is_zero(&cold->threadid) ? NULL : &cold->threadid;
    message.n_keywords = mbox_keywords(src, index, has);
    for (size_t i = 0; i < message.n_keywords; i++)
        names[i] = info->keywords[has[i]];
    message.keywords = names;
    rc = txn_append(to, dst_mbox, &message, out_uid, err);
    return rc ? rc : carry_annotations(src, index, to, dst_mbox, *out_uid, err);
}

enum rc txn_cross(struct mail_txn *from, uint32_t src_mbox, struct crossing *crossing,
                  struct mail_txn *to, uint32_t dst_mbox, bool move, struct arena *arena,
                  struct copied *out, struct err *err)
{
    struct uid_set_builder there, given;
    struct uid_set gone;
    struct reader reader;
    const struct mbox *src, *dst;
    enum rc rc = txn_mailbox(from, src_mbox, &src, err);

    if (rc == RC_OK)
        rc = txn_access(from, src_mbox, rights_needed(src, move), &reader, err);
    if (rc == RC_OK)
        rc = txn_find(to, dst_mbox, &dst, err);
    if (rc)
        return rc;
    out->uidvalidity = mbox_info(dst)->uidvalidity;
    uid_set_start(&there, arena);
    uid_set_start(&given, arena);
    for (size_t i = 0; i < crossing->n; i++) {
        const struct mbox *home = src;
        uint32_t index, uid;

        if (!mbox_find(src, crossing->uids[i], &index)) {
            crossing->ops->stage_free(TAKE(crossing->stages[i]));
            continue;
        }
        if (mbox_info_is_all(mbox_info(src)))
            rc = txn_find_home(from, src, index, &home, &index, err);
        if (rc == RC_OK)
            rc = append_one(from, home, index, &reader, crossing->stages[i], to, dst_mbox, &uid,
                            err);
        if (rc)
            return rc;
        uid_set_add(&there, crossing->uids[i]);
        uid_set_add(&given, uid);
    }
    out->src = uid_set_finish(&there);
    out->dst = uid_set_finish(&given);
    if (!move || out->src.n == 0)
        return RC_OK;
    if (mbox_info_is_all(mbox_info(src)))
        return txn_expunge_of_all(from, &out->src, arena, err);
    return txn_expunge(from, src_mbox, &out->src, false, arena, &gone, err);
}
