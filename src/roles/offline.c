#include "roles/offline.h"

#include "mailbox/accounts.h"
#include "mailbox/message.h"
#include "mailbox/txn.h"
#include "store/local/backup.h"
#include "store/local/local.h"

#define PIECE_BYTES ((size_t) 1 << 20)

static enum rc no_digest(struct digester *digester, uint64_t account,
                         const struct slice *messages, size_t n, struct arena *arena,
                         struct slice *tables, struct err *err)
{
    (void) digester;
    (void) account;
    (void) messages;
    (void) n;
    (void) arena;
    (void) tables;
    return err_set(err, RC_UNAVAILABLE, "No digests here", "offline: digest");
}

struct digester offline_digester = {.make = no_digest};

enum rc offline_open(const struct offline_options *options, struct mail_store **out,
                     struct err *err)
{
    const struct local_options local = {
        .path = options->path, .until_us = options->until_us, .no_packer = true};
    struct mail_store_options store = {.digester = &offline_digester};
    uint64_t lsn;
    bool is_cut;
    enum rc rc = local_engine_open(&local, &store.engine, err);

    if (rc)
        return rc;
    local_engine_end(store.engine, &lsn, &is_cut);
    if (!is_cut && lsn < options->must_reach) {
        store.engine->ops->close(store.engine);
        return err_set(err, RC_CONFLICT, "The journal between the backups is missing",
                       "it ends at LSN %llu, %llu is wanted", (unsigned long long) lsn,
                       (unsigned long long) options->must_reach);
    }
    *out = mail_store_new(&store);
    return RC_OK;
}

void offline_close(struct mail_store *store)
{
    if (store != NULL)
        mail_store_close(store);
}

enum rc offline_accounts(struct mail_store *store, uint64_t **out, size_t *out_n,
                         struct err *err)
{
    return engine_accounts(mail_store_engine(store), out, out_n, err);
}

/* ---- walking ---- */

struct walk {
    struct account *account;
    void (*bad)(void *ctx, uint64_t account, struct slice mailbox, uint32_t uid,
                const struct err *err);
    void *ctx;
    struct offline_counts *counts;
    struct buf piece;
};

static void walk_message(struct walk *walk, const struct mbox *mbox, uint32_t index)
{
    const struct msg_cold *cold = mbox_cold(mbox, index);
    AUTO(message_closep)
    struct message *message = message_open(walk->account, cold->body_id, cold->size);
    enum rc rc = RC_OK;
    struct err err;

    for (uint64_t at = 0; rc == RC_OK && at < cold->size; at += PIECE_BYTES) {
        buf_reset(&walk->piece);
        rc = message_read(message, at, (size_t) MIN(cold->size - at, (uint64_t) PIECE_BYTES),
                          &walk->piece, &err);
    }
    walk->counts->messages++;
    walk->counts->bytes += cold->size;
    if (rc == RC_OK)
        return;
    walk->counts->bad++;
    walk->bad(walk->ctx, account_id(walk->account), mbox_info(mbox)->name,
              mbox_uid(mbox, index), &err);
}

static void walk_mailbox(struct walk *walk, const struct mbox_info *info)
{
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    const struct mbox *mbox;
    struct err err;

    walk->counts->mailboxes++;
    if (account_read_mailbox(walk->account, 0, info->id, &state, &err) != RC_OK) {
        walk->counts->bad++;
        walk->bad(walk->ctx, account_id(walk->account), info->name, 0, &err);
        return;
    }
    mbox = acct_mailbox_by_id(state, info->id);
    for (uint32_t i = 0; i < mbox_counts(mbox)->messages; i++) {
        if (account_need_rows(walk->account, state, mbox, i, i, &err) == RC_OK) {
            walk_message(walk, mbox, i);
            continue;
        }
        walk->counts->bad++;
        walk->bad(walk->ctx, account_id(walk->account), info->name, mbox_uid(mbox, i), &err);
    }
}

void offline_walk(struct mail_store *store, uint64_t account,
                  void (*bad)(void *ctx, uint64_t account, struct slice mailbox, uint32_t uid,
                              const struct err *err),
                  void *ctx, struct offline_counts *counts)
{
    AUTO(account_closep) struct account *open = NULL;
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    struct walk walk = {.bad = bad, .ctx = ctx, .counts = counts};
    struct err err;

    counts->accounts++;
    if (account_open(store, account, false, &open, &err) != RC_OK) {
        counts->bad++;
        bad(ctx, account, SLICE(""), 0, &err);
        return;
    }
    walk.account = open;
    buf_init(&walk.piece, PIECE_BYTES);
    state = account_read(open, 0);
    for (size_t i = 0; i < acct_mailbox_count(state); i++) {
        if (!mbox_info_is_all(mbox_info(acct_mailbox_at(state, i))))
            walk_mailbox(&walk, mbox_info(acct_mailbox_at(state, i)));
    }
    buf_done(&walk.piece);
}

/* ---- changing and sending ---- */

enum rc offline_renew_uids(struct mail_store *store, uint64_t account, uint64_t *mailboxes,
                           struct err *err)
{
    AUTO(account_closep) struct account *open = NULL;
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct actor nobody = {0};
    uint64_t position;
    size_t n;
    enum rc rc = account_open(store, account, false, &open, err);

    if (rc == RC_OK)
        rc = txn_begin(open, &nobody, &txn, err);
    if (rc)
        return rc;
    n = acct_mailbox_count(txn_state(txn));
    for (size_t i = 0; rc == RC_OK && i < n; i++)
        rc = txn_renew_uidvalidity(txn, mbox_info(acct_mailbox_at(txn_state(txn), i))->id, err);
    if (rc == RC_OK)
        rc = txn_commit(&txn, &position, err);
    if (rc)
        return rc;
    account_wait_durable(open, position);
    *mailboxes += n;
    return RC_OK;
}

enum rc offline_send(struct mail_store *store, uint64_t account,
                     const struct mail_choice *choice, const struct mail_taker *taker,
                     uint64_t *out_messages, struct err *err)
{
    AUTO(account_closep) struct account *open = NULL;
    enum rc rc = account_open(store, account, false, &open, err);

    return rc ? rc : mail_send_account(open, choice, taker, out_messages, err);
}
