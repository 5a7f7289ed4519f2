#include "mailbox/acl.h"

#include "mailbox/access.h"
#include "mailbox/acl_text.h"
#include "mailbox/shares.h"

/* ---- words ---- */

enum rc acl_word_read(const struct principals *people, struct slice word,
                      struct acl_entry_name *out, struct err *err)
{
    struct acl_entry_name name;

    if ((acl_entry_name_parse(word, &name) && name.kind == ACL_PRINCIPAL) ||
        acl_text_read(people, word, &name, NULL) != RC_OK)
        return err_set(err, RC_INVALID, "No such user or group", "acl: unknown identifier");
    *out = name;
    return RC_OK;
}

bool acl_word_print(const struct principals *people, const struct acl_entry_name *name,
                    struct buf *out)
{
    if (name->kind == ACL_PRINCIPAL && principals_by_id(people, name->id) == NULL)
        return false;
    acl_text_print(people, name, out);
    return true;
}

bool acl_is_owner(const struct account *account, const struct acl_entry_name *name)
{
    return name->kind == ACL_PRINCIPAL && name->id == account_id(account);
}

/* ---- changing ---- */

/* Before anything is written, the register included. */
static enum rc may_change(struct account *account, const struct actor *actor,
                          struct slice mailbox, uint64_t position, struct err *err)
{
    AUTO(acct_unrefp) struct acct_state *state = account_read(account, position);
    const struct mbox *mbox = acct_mailbox_by_name(state, mailbox);
    struct reader reader;

    if (mbox == NULL)
        return err_set(err, RC_NOT_FOUND, "No such mailbox", "acl: unknown name");
    account_reader(account, mbox_info(mbox), actor->account, &reader);
    return reader_needs(&reader, RIGHT_ADMIN, err);
}

static uint32_t changed_rights(const struct mbox_info *info, struct slice identifier,
                               const struct acl_change *change)
{
    uint32_t rights = 0;

    for (size_t i = 0; i < info->n_acl; i++) {
        if (slice_eq(info->acl[i].key, identifier) &&
            !rights_parse(info->acl[i].value, &rights))
            rights = 0; /* what is not understood gives nothing */
    }
    switch (change->op) {
    case ACL_SET:
        return change->rights;
    case ACL_ADD:
        return rights | change->rights;
    case ACL_REMOVE:
        return rights & ~change->rights;
    }
    return 0;
}

static enum rc put(struct mail_txn *txn, struct slice mailbox, struct slice identifier,
                   const struct acl_change *change, struct err *err)
{
    const struct mbox *mbox = acct_mailbox_by_name(txn_state(txn), mailbox);
    char rights[RIGHTS_TEXT_BYTES];

    if (mbox == NULL)
        return err_set(err, RC_NOT_FOUND, "No such mailbox", "acl: gone since");
    rights_print(changed_rights(mbox_info(mbox), identifier, change), rights);
    return txn_put_acl(txn, mbox_info(mbox)->id, identifier, slice_from_str(rights), err);
}

enum rc account_begin_acl(struct account *account, const struct actor *actor,
                          struct slice mailbox, const struct acl_change *change,
                          uint64_t position, struct mail_txn **out, struct err *err)
{
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    char identifier[ACL_ENTRY_NAME_BYTES];
    enum rc rc = may_change(account, actor, mailbox, position, err);

    if (rc)
        return rc;
    if (acl_is_owner(account, &change->name))
        return err_set(err, RC_INVALID, "The owner has all rights", "acl: of the owner");
    acl_entry_name_print(&change->name, identifier);
    if (change->op != ACL_REMOVE && change->rights != 0 && !change->name.negative)
        rc = shares_note(account_store(account), account_id(account),
                         slice_from_str(identifier), err);
    if (!rc)
        rc = txn_begin(account, actor, &txn, err);
    if (!rc)
        rc = put(txn, mailbox, slice_from_str(identifier), change, err);
    if (!rc)
        *out = TAKE(txn);
    return rc;
}

enum rc account_put_acl(struct account *account, const struct actor *actor,
                        struct slice mailbox, const struct acl_change *change,
                        uint64_t *position, struct err *err)
{
    struct mail_txn *txn;
    enum rc rc = account_begin_acl(account, actor, mailbox, change, *position, &txn, err);

    return rc ? rc : txn_commit(&txn, position, err);
}
