#include "lmtp/deliver.h"

#include <assert.h>

#include "base/clock.h"
#include "mailbox/rights.h"
#include "mailbox/txn.h"

#define COPY_BYTES ((size_t) 64 << 10)

static void fail(struct delivery *delivery, enum rc rc)
{
    if (delivery->rc == RC_OK)
        delivery->rc = rc;
}

static const struct engine_ops *ops_of(const struct lmtp_options *options)
{
    return mail_store_engine(options->store)->ops;
}

/* ---- staging ---- */

static enum rc stage_prefix(const struct lmtp_options *options,
                            const struct recipient *recipient, const struct trace *trace,
                            uint64_t size_hint, struct body_stage **out, uint64_t *out_len,
                            struct err *err)
{
    const struct engine_ops *ops = ops_of(options);
    AUTO(buf_done) struct buf prefix = {0};
    struct body_stage *stage;
    enum rc rc;

    buf_init(&prefix, LMTP_TRACE_BYTES);
    trace_print(trace, &prefix);
    assert(!prefix.overflow); /* lines of commands are shorter */
    rc = ops->stage(mail_store_engine(options->store), recipient->account, size_hint, &stage,
                    err);
    if (rc)
        return rc;
    rc = ops->stage_write(stage, buf_slice(&prefix), err);
    if (rc) {
        ops->stage_free(stage);
        return rc;
    }
    *out = stage;
    *out_len = prefix.len;
    return RC_OK;
}

void delivery_begin(struct delivery *delivery, const struct lmtp_options *options,
                    const struct recipient *first, const struct trace *trace)
{
    *delivery = (struct delivery){0};
    delivery->rc = stage_prefix(options, first, trace, 0, &delivery->stage,
                                &delivery->prefix_bytes, &delivery->err);
}

static void stage_clean(struct delivery *delivery, const struct lmtp_options *options,
                        struct slice bytes)
{
    delivery->content_bytes += bytes.len;
    if (delivery->rc == RC_OK && delivery->content_bytes > lmtp_content_max(options))
        delivery->rc =
            err_set(&delivery->err, RC_LIMIT, "Message too large", "lmtp: over %llu bytes",
                    (unsigned long long) lmtp_content_max(options));
    if (delivery->rc == RC_OK && bytes.len > 0)
        fail(delivery, ops_of(options)->stage_write(delivery->stage, bytes, &delivery->err));
}

void delivery_write(struct delivery *delivery, const struct lmtp_options *options,
                    struct slice content)
{
    AUTO(buf_done) struct buf lines = {0}, clean = {0};

    if (delivery->rc)
        return;
    buf_init(&lines, 2 * content.len + 2);
    buf_init(&clean, 2 * content.len + 2 + TRACE_NAME_BYTES);
    crlf_feed(&delivery->crlf, content, &lines);
    trace_filter_feed(&delivery->filter, buf_slice(&lines), &clean);
    stage_clean(delivery, options, buf_slice(&clean));
}

void delivery_free(struct delivery *delivery, const struct lmtp_options *options)
{
    ops_of(options)->stage_free(delivery->stage);
    delivery->stage = NULL;
}

/* The content again, behind another recipient's trace fields. */
static enum rc copy_content(const struct delivery *delivery, const struct lmtp_options *options,
                            struct body_stage *to, struct err *err)
{
    const struct engine_ops *ops = ops_of(options);
    uint64_t at = delivery->prefix_bytes, end = ops->stage_length(delivery->stage);
    AUTO(freep) char *piece = xmalloc(COPY_BYTES);
    enum rc rc = RC_OK;

    while (rc == RC_OK && at < end) {
        size_t n = (size_t) MIN(end - at, (uint64_t) COPY_BYTES);

        rc = ops->stage_read(delivery->stage, at, piece, n, err);
        if (rc == RC_OK)
            rc = ops->stage_write(to, slice_of(piece, n), err);
        at += n;
    }
    return rc;
}

/* ---- into one mailbox ---- */

/* Into a folder of a shared account mail comes by its address only with "p" for everybody (RFC
 * 4314 4): the sender is nobody whom the list could name. Its own address, INBOX, needs none.
 */
static bool takes_post(const struct lmtp_options *options, const struct recipient *recipient,
                       const struct mbox *mbox)
{
    AUTO(principals_unrefp)
    struct principals *principals = mail_store_principals(options->store);
    const struct principal *who = principals_by_id(principals, recipient->account);

    return who == NULL || who->kind != PRINCIPAL_SHARED ||
           (acl_rights(mbox_info(mbox), &(struct identity){0}) & RIGHT_POST) != 0;
}

/* Where auth says, or the detail's folder if there is one and the setting is on; else INBOX. */
static const struct mbox *choose_mailbox(const struct lmtp_options *options,
                                         const struct recipient *recipient,
                                         const struct acct_state *state)
{
    const struct mbox *mbox = NULL;

    if (recipient->mailbox.len > 0)
        mbox = acct_mailbox_by_name(state, recipient->mailbox);
    if (mbox == NULL && options->detail_as_folder && recipient->detail.len > 0)
        mbox = acct_mailbox_by_name(state, recipient->detail);
    if (mbox != NULL && !takes_post(options, recipient, mbox))
        mbox = NULL;
    return mbox != NULL ? mbox : acct_mailbox_by_name(state, SLICE("INBOX"));
}

static enum rc commit_one(const struct lmtp_options *options, struct recipient *recipient,
                          struct body_stage *stage, struct err *err)
{
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct actor nobody = {0};
    int64_t now = clock_wall_sec();
    struct new_message message = {
        .stage = stage, .internaldate = {now, 0}
    };
    const struct mbox *mbox;
    enum rc rc = txn_begin(recipient->open, &nobody, &txn, err);

    if (rc)
        return rc;
    mbox = choose_mailbox(options, recipient, txn_state(txn));
    if (mbox == NULL)
        return err_set(err, RC_NOT_FOUND, "No INBOX", "account without INBOX");
    recipient->folder = arena_dup(recipient->arena, mbox_info(mbox)->name);
    rc = txn_append(txn, mbox_info(mbox)->id, &message, &recipient->uid, err);
    return rc ? rc : txn_commit(&txn, &recipient->position, err);
}

/* Would waiting help? A message that is longer than all that the account may hold never fits.
 */
static bool is_too_long(const struct lmtp_options *options, const struct recipient *recipient,
                        struct body_stage *stage)
{
    AUTO(acct_unrefp) struct acct_state *state = account_read(recipient->open, 0);
    struct quota_status quota;

    quota_of(options->store, state, &quota);
    return ops_of(options)->stage_length(stage) > quota.limit[QUOTA_STORAGE];
}

#define COMMIT_TRIES 16u /* with an engine that may conflict */

static enum rc deliver_one(const struct lmtp_options *options, struct recipient *recipient,
                           struct body_stage **stage, struct err *err)
{
    unsigned tries = 0;
    enum rc rc = account_open(options->store, recipient->account, true, &recipient->open, err);

    if (rc == RC_OK)
        rc = account_finish_stages(recipient->open, stage, 1, err);
    if (rc)
        return rc;
    do {
        rc = commit_one(options, recipient, *stage, err);
    } while (rc == RC_CONFLICT && ++tries < COMMIT_TRIES);
    if (rc == RC_QUOTA)
        recipient->never_fits = is_too_long(options, recipient, *stage);
    if (rc == RC_OK)
        *stage = NULL; /* the store has it */
    return rc;
}

static void deliver_copy(struct delivery *delivery, const struct lmtp_options *options,
                         struct recipient *recipient, const struct trace *trace)
{
    struct body_stage *stage = NULL;
    uint64_t prefix;

    recipient->rc = stage_prefix(options, recipient, trace, delivery->content_bytes, &stage,
                                 &prefix, &recipient->err);
    if (recipient->rc == RC_OK)
        recipient->rc = copy_content(delivery, options, stage, &recipient->err);
    if (recipient->rc == RC_OK)
        recipient->rc = deliver_one(options, recipient, &stage, &recipient->err);
    ops_of(options)->stage_free(stage);
}

static void note(const struct lmtp_options *options, uint64_t account, bool begins)
{
    if (options->note != NULL)
        options->note(options->ctx, account, begins);
}

static void end_content(struct delivery *delivery, const struct lmtp_options *options)
{
    AUTO(buf_done) struct buf rest = {0};

    buf_init(&rest, TRACE_NAME_BYTES);
    crlf_end(&delivery->crlf);
    trace_filter_end(&delivery->filter, &rest);
    stage_clean(delivery, options, buf_slice(&rest));
}

void delivery_commit(struct delivery *delivery, const struct lmtp_options *options,
                     struct recipient *recipients, size_t n, struct trace *trace)
{
    end_content(delivery, options);
    /* The first recipient's stage is what the others copy from: it is committed last. */
    for (size_t i = n; i > 0; i--) {
        struct recipient *recipient = &recipients[i - 1];

        if (delivery->rc) {
            recipient->rc = delivery->rc;
            recipient->err = delivery->err;
            continue;
        }
        note(options, recipient->account, true);
        trace->recipient = recipient->address;
        if (i > 1)
            deliver_copy(delivery, options, recipient, trace);
        else
            recipient->rc = deliver_one(options, recipient, &delivery->stage, &recipient->err);
        note(options, recipient->account, false);
    }
}
