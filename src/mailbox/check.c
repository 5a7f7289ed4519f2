/* check.c - accounts, mailboxes, messages, from the outside in. */
#include "mailbox/check.h"

#include "mailbox/accounts.h"
#include "store/engine.h"

#define CHECK_PIECE_BYTES ((size_t) 1 << 20)
#define CHECK_ROWS        256u /* rows of messages brought into memory at once */

struct check {
    struct mail_store *store;
    const struct check_watch *watch;
    struct check_sum *sum;
    uint64_t account_id;
    char *piece;
};

/* Damage, and not a failure to look: bytes that fail their check, or are nowhere. */
static bool is_damage(enum rc rc)
{
    return rc == RC_CORRUPT || rc == RC_NOT_FOUND || rc == RC_IO;
}

static void tell(const struct check *check, struct check_loss loss, const struct err *err)
{
    loss.account = check->account_id;
    loss.err = err;
    if (check->watch->lost != NULL)
        check->watch->lost(check->watch->ctx, &loss);
}

static enum rc read_body(const struct check *check, const struct msg_cold *cold,
                         struct err *err)
{
    struct engine *engine = mail_store_engine(check->store);
    struct body *body = NULL;
    enum rc rc = engine->ops->body_open(engine, check->account_id, cold->body_id, &body, err);

    if (!rc && engine->ops->body_length(body) != cold->size)
        rc = err_set(err, RC_CORRUPT, "The message is damaged", "body %llu: %llu bytes, not %u",
                     (unsigned long long) cold->body_id,
                     (unsigned long long) engine->ops->body_length(body), cold->size);
    for (uint64_t at = 0; !rc && at < cold->size; at += CHECK_PIECE_BYTES)
        rc = engine->ops->body_read(body, at, check->piece,
                                    (size_t) MIN(cold->size - at, (uint64_t) CHECK_PIECE_BYTES),
                                    err);
    engine->ops->body_close(body);
    return rc;
}

/* A message that is gone from the newest version was expunged meanwhile: its body may be, too.
 */
static bool is_still_there(struct account *account, uint32_t mbox_id, uint32_t uid)
{
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    const struct mbox *mbox;
    uint32_t index;

    if (account_read_mailbox(account, 0, mbox_id, &state, NULL) != RC_OK)
        return false;
    mbox = acct_mailbox_by_id(state, mbox_id);
    return mbox != NULL && mbox_find(mbox, uid, &index);
}

static enum rc check_message(struct check *check, struct account *account,
                             const struct mbox *mbox, uint32_t index, struct err *err)
{
    const struct msg_cold *cold = mbox_cold(mbox, index);
    const struct mbox_info *info = mbox_info(mbox);
    uint32_t uid = mbox_uid(mbox, index);
    enum rc rc = read_body(check, cold, err);

    check->sum->messages++;
    check->sum->bytes += cold->size;
    if (is_damage(rc) && is_still_there(account, info->id, uid)) {
        check->sum->lost_messages++;
        tell(check,
             (struct check_loss){.kind = CHECK_MESSAGE,
                                 .mailbox = info->name,
                                 .uid = uid,
                                 .messages = 1,
                                 .size = cold->size,
                                 .internaldate = cold->internaldate},
             err);
    }
    return check->watch->goes_on(check->watch->ctx) ? RC_OK : RC_MORE;
}

static enum rc check_messages(struct check *check, struct account *account,
                              const struct acct_state *state, const struct mbox *mbox,
                              struct err *err)
{
    uint32_t n = mbox_counts(mbox)->messages;
    enum rc rc = RC_OK;

    for (uint32_t first = 0; first < n && !rc; first += CHECK_ROWS) {
        uint32_t last = MIN(n, first + CHECK_ROWS) - 1;

        rc = account_need_rows(account, state, mbox, first, last, err);
        for (uint32_t i = first; i <= last && !rc; i++)
            rc = check_message(check, account, mbox, i, err);
    }
    return rc;
}

static enum rc check_mailbox(struct check *check, struct account *account, uint32_t mbox_id,
                             struct err *err)
{
    AUTO(acct_unrefp) struct acct_state *known = account_read(account, 0);
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    const struct mbox *mbox = acct_mailbox_by_id(known, mbox_id);
    enum rc rc = account_read_mailbox(account, 0, mbox_id, &state, err);

    if (mbox == NULL || rc == RC_NOT_FOUND)
        return RC_OK; /* deleted meanwhile */
    check->sum->mailboxes++;
    if (rc == RC_OK && acct_all(known) != mbox) /* its messages are looked at where they live */
        rc = check_messages(check, account, state, acct_mailbox_by_id(state, mbox_id), err);
    if (!is_damage(rc))
        return rc;
    check->sum->lost_mailboxes++;
    tell(check,
         (struct check_loss){.kind = CHECK_MAILBOX,
                             .mbox_id = mbox_id,
                             .mailbox = mbox_info(mbox)->name,
                             .messages = mbox_counts(mbox)->messages,
                             .size = mbox_counts(mbox)->bytes},
         err);
    return RC_OK;
}

static enum rc check_mailboxes(struct check *check, struct account *account, struct err *err)
{
    AUTO(acct_unrefp) struct acct_state *state = account_read(account, 0);
    enum rc rc = RC_OK;

    for (size_t i = 0; i < acct_mailbox_count(state) && !rc; i++)
        rc = check_mailbox(check, account, mbox_info(acct_mailbox_at(state, i))->id, err);
    return rc;
}

enum rc check_account(struct mail_store *store, uint64_t id, const struct check_watch *watch,
                      struct check_sum *sum, struct err *err)
{
    AUTO(account_closep) struct account *account = NULL;
    AUTO(freep) char *piece = xmalloc(CHECK_PIECE_BYTES);
    struct check check = {store, watch, sum, id, piece};
    enum rc rc = account_open(store, id, false, &account, err);

    if (rc == RC_CORRUPT) {
        sum->accounts++;
        sum->lost_accounts++;
        tell(&check, (struct check_loss){.kind = CHECK_ACCOUNT}, err);
        return RC_OK;
    }
    if (rc)
        return rc;
    sum->accounts++;
    return check_mailboxes(&check, account, err);
}

enum rc check_store(struct mail_store *store, const struct check_watch *watch,
                    struct check_sum *sum, struct err *err)
{
    uint64_t *ids = NULL;
    size_t n = 0;
    enum rc rc = engine_accounts(mail_store_engine(store), &ids, &n, err);

    for (size_t i = 0; i < n && !rc; i++) {
        rc = check_account(store, ids[i], watch, sum, err);
        if (rc == RC_NOT_FOUND || rc == RC_UNAVAILABLE)
            rc = RC_OK; /* removed meanwhile, or in quarantine */
    }
    free(ids);
    return rc;
}
