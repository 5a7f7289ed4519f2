#include "mailbox/shares.h"

#include "mailbox/accounts.h"
#include "mailbox/txn.h"

#define OWNER_NAME_BYTES 17u

static void owner_name(uint64_t account, char out[OWNER_NAME_BYTES])
{
    (void) snprintf(out, OWNER_NAME_BYTES, "%016llx", (unsigned long long) account);
}

/* False for INBOX and whatever else is no account's row. */
static bool owner_of(struct slice name, uint64_t *out)
{
    char text[ACL_ENTRY_NAME_BYTES];
    struct acl_entry_name id;

    if (name.len != OWNER_NAME_BYTES - 1)
        return false;
    (void) snprintf(text, sizeof(text), "i%.*s", SLICE_ARG(name));
    if (!acl_entry_name_parse(slice_from_str(text), &id))
        return false;
    *out = id.id;
    return true;
}

static bool stands_there(const struct mbox *row, struct slice identifier)
{
    const struct mbox_info *info = row != NULL ? mbox_info(row) : NULL;

    for (size_t i = 0; info != NULL && i < info->n_acl; i++) {
        if (slice_eq(info->acl[i].key, identifier))
            return true;
    }
    return false;
}

/* *out_position: what to wait for. */
static enum rc note(struct account *shares, const char *owner, struct slice identifier,
                    uint64_t *out_position, struct err *err)
{
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct slice name = slice_from_str(owner);
    const struct mbox *row;
    uint32_t id;
    enum rc rc = txn_begin(shares, &(struct actor){0}, &txn, err);

    if (rc)
        return rc;
    row = acct_mailbox_by_name(txn_state(txn), name);
    if (row == NULL)
        rc = txn_create_mailbox(txn, name, 0, &id, err);
    else
        id = mbox_info(row)->id;
    if (rc == RC_OK && !stands_there(row, identifier))
        rc = txn_put_acl(txn, id, identifier, SLICE("l"), err);
    return rc ? rc : txn_commit(&txn, out_position, err);
}

enum rc shares_note(struct mail_store *store, uint64_t account, struct slice identifier,
                    struct err *err)
{
    AUTO(account_closep) struct account *shares = NULL;
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    char owner[OWNER_NAME_BYTES];
    uint64_t position;
    enum rc rc = shares_open(store, &shares, err);

    if (rc)
        return rc;
    owner_name(account, owner);
    state = account_read(shares, 0);
    if (stands_there(acct_mailbox_by_name(state, slice_from_str(owner)), identifier))
        return RC_OK;
    do {
        rc = note(shares, owner, identifier, &position, err);
    } while (rc == RC_CONFLICT);
    if (rc == RC_OK)
        account_wait_durable(shares, position);
    return rc;
}

enum rc shares_forget(struct mail_store *store, uint64_t account, struct err *err)
{
    AUTO(account_closep) struct account *shares = NULL;
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    char owner[OWNER_NAME_BYTES];
    uint64_t position;
    enum rc rc = account_open(store, SHARES_ACCOUNT, false, &shares, err);

    if (rc == RC_NOT_FOUND)
        return RC_OK;
    owner_name(account, owner);
    do {
        txn_abortp(&txn);
        if (rc == RC_OK || rc == RC_CONFLICT)
            rc = txn_begin(shares, &(struct actor){0}, &txn, err);
        if (rc == RC_OK && acct_mailbox_by_name(txn_state(txn), slice_from_str(owner)) != NULL)
            rc = txn_delete_mailbox(txn, slice_from_str(owner), err);
        if (rc == RC_OK)
            rc = txn_commit(&txn, &position, err);
    } while (rc == RC_CONFLICT);
    return rc;
}

enum rc shares_open(struct mail_store *store, struct account **out, struct err *err)
{
    return account_open(store, SHARES_ACCOUNT, true, out, err);
}

static bool names_reader(const struct mbox_info *row, const struct identity *who)
{
    for (size_t i = 0; i < row->n_acl; i++) {
        struct acl_entry_name name;

        if (acl_entry_name_parse(row->acl[i].key, &name) && !name.negative &&
            acl_entry_concerns(&name, who))
            return true;
    }
    return false;
}

enum rc shares_of(struct mail_store *store, uint64_t reader, struct arena *arena,
                  uint64_t **out, size_t *out_n, struct err *err)
{
    AUTO(principals_unrefp) struct principals *people = mail_store_principals(store);
    AUTO(account_closep) struct account *shares = NULL;
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    struct identity who = {.account = reader};
    uint64_t *owners;
    size_t n = 0;
    enum rc rc = account_open(store, SHARES_ACCOUNT, false, &shares, err);

    *out = NULL;
    *out_n = 0;
    if (rc == RC_NOT_FOUND) /* nobody ever shared anything */
        return RC_OK;
    if (rc)
        return rc;
    who.groups = principals_groups_of(people, reader, &who.n_groups);
    state = account_read(shares, 0);
    owners = ARENA_ARRAY(arena, uint64_t, acct_mailbox_count(state));
    for (size_t i = 0; i < acct_mailbox_count(state); i++) {
        const struct mbox_info *row = mbox_info(acct_mailbox_at(state, i));

        if (owner_of(row->name, &owners[n]) && owners[n] != reader && names_reader(row, &who))
            n++;
    }
    *out = owners;
    *out_n = n;
    return RC_OK;
}

/* ---- the register made anew ---- */

static enum rc note_lists(struct mail_store *store, uint64_t id, struct err *err)
{
    AUTO(account_closep) struct account *account = NULL;
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    struct err ignored;

    if (account_open(store, id, false, &account, &ignored) != RC_OK)
        return RC_OK;
    state = account_read(account, 0);
    for (size_t i = 0; i < acct_mailbox_count(state); i++) {
        const struct mbox_info *info = mbox_info(acct_mailbox_at(state, i));

        for (size_t j = 0; j < info->n_acl; j++) {
            enum rc rc = shares_note(store, id, info->acl[j].key, err);

            if (rc)
                return rc;
        }
    }
    return RC_OK;
}

enum rc shares_rebuild(struct mail_store *store, struct err *err)
{
    uint64_t *ids = NULL;
    size_t n = 0;
    enum rc rc = engine_accounts(mail_store_engine(store), &ids, &n, err);

    for (size_t i = 0; rc == RC_OK && i < n; i++)
        if (ids[i] != SHARES_ACCOUNT)
            rc = note_lists(store, ids[i], err);
    free(ids);
    return rc;
}
