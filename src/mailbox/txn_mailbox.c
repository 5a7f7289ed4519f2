/*
 * txn_mailbox.c - what happens to mailboxes: create, delete, rename, special use,
 * subscriptions.
 */
#include "mailbox/name.h"
#include "mailbox/open_txn.h"

#define RECORD_HEAD_BYTES 128u    /* of a mailbox record, without its name */
#define SUBSCRIPTIONS_MAX 100000u /* names, in one account */

static void add_mailbox_record(struct mail_txn *txn, struct record_mailbox mailbox)
{
    mailbox.modseq = txn->modseq;
    txn_add(txn, &(struct record){.type = RECORD_MAILBOX, .mailbox = mailbox});
}

/* The same of a record that may concern messages: of those in All. */
static enum rc need_and_add(struct mail_txn *txn, struct record_mailbox mailbox,
                            struct err *err)
{
    struct record record = {.type = RECORD_MAILBOX, .mailbox = mailbox};
    enum rc rc;

    record.mailbox.modseq = txn->modseq;
    rc = txn_need(txn, &record, err);
    if (rc == RC_OK)
        txn_add(txn, &record);
    return rc;
}

/* ---- rights ---- */

static bool is_owner(const struct mail_txn *txn)
{
    return txn->group.actor.account == 0 || txn->group.actor.account == txn->account->id;
}

static bool is_shared_account(const struct mail_txn *txn)
{
    AUTO(principals_unrefp)
    struct principals *people = mail_store_principals(txn->account->store);
    const struct principal *who = principals_by_id(people, txn->account->id);

    return who != NULL && who->kind == PRINCIPAL_SHARED;
}

/* The mailbox whose list rules what is made under this name: the nearest superior there is. In
 * somebody else's account, and in one that is nobody's, INBOX stands above all; NULL: none. */
static const struct mbox *parent_of(const struct mail_txn *txn, struct slice name)
{
    const struct mbox *parent = NULL;

    for (name = mailbox_name_parent(name); name.len > 0 && parent == NULL;
         name = mailbox_name_parent(name))
        parent = acct_mailbox_by_name(txn->fork, name);
    if (parent == NULL && (!is_owner(txn) || is_shared_account(txn)))
        parent = acct_mailbox_by_name(txn->fork, SLICE("INBOX"));
    return parent;
}

/* RFC 4314 4: CREATE, RENAME. */
static enum rc may_create(struct mail_txn *txn, struct slice name, struct err *err)
{
    const struct mbox *parent;
    struct reader reader;

    if (is_owner(txn))
        return RC_OK;
    parent = parent_of(txn, name);
    if (parent == NULL)
        return err_set(err, RC_DENIED, "You have no right to do this here",
                       "create: no parent");
    account_reader(txn->account, mbox_info(parent), txn->group.actor.account, &reader);
    if ((reader.rights & RIGHT_CREATE) != 0)
        return RC_OK;
    return err_set(err, RC_DENIED, "You have no right to do this here", "create: without k");
}

/* RFC 4314 4: a new mailbox has its parent's list. */
static enum rc inherit_acl(struct mail_txn *txn, uint32_t mbox_id, struct slice name,
                           struct err *err)
{
    const struct mbox *parent = parent_of(txn, name);
    const struct mbox_info *info;

    if (parent == NULL)
        return RC_OK;
    info = mbox_info(parent);
    for (size_t i = 0; i < info->n_acl; i++) {
        const struct record record = {
            .type = RECORD_ACL,
            .acl = {mbox_id, info->acl[i].key, info->acl[i].value, txn->modseq}
        };
        enum rc rc = txn_has_room(txn, RECORD_HEAD_BYTES + ACL_IDENTIFIER_MAX, err);

        if (rc)
            return rc;
        txn_add(txn, &record);
    }
    return RC_OK;
}

/* ---- create ---- */

static enum rc create_one(struct mail_txn *txn, struct slice name, uint32_t special_use,
                          uint32_t uidvalidity, uint32_t uidnext, struct err *err)
{
    uint32_t id = acct_next_mailbox_id(txn->fork);
    enum rc rc;

    if (acct_mailbox_count(txn->fork) >= MAILBOXES_MAX)
        return err_set(err, RC_LIMIT, "Too many mailboxes", "create: %u there", MAILBOXES_MAX);
    rc = txn_has_room(txn, RECORD_HEAD_BYTES + name.len, err);
    if (rc)
        return rc;
    rc = need_and_add(txn,
                      (struct record_mailbox){.op = MAILBOX_CREATE,
                                              .mbox = id,
                                              .name = name,
                                              .mailboxid = object_id_new(),
                                              .uidvalidity = uidvalidity,
                                              .uidnext = uidnext,
                                              .first_recent = 1,
                                              .special_use = special_use},
                      err);
    if (rc || (special_use & USE_ALL) != 0) /* which is shared with nobody */
        return rc;
    return inherit_acl(txn, id, name, err);
}

enum rc txn_create_superiors(struct mail_txn *txn, struct slice name, struct err *err)
{
    struct engine *engine = account_engine(txn->account);

    for (size_t at = 0; at < name.len; at++) {
        struct slice superior = slice_sub(name, 0, at);
        uint32_t uidvalidity;
        enum rc rc;

        if (name.ptr[at] != NAME_SEPARATOR || acct_mailbox_by_name(txn->fork, superior) != NULL)
            continue;
        rc = engine->ops->uidvalidity(engine, 1, &uidvalidity, err);
        if (rc == RC_OK)
            rc = create_one(txn, superior, 0, uidvalidity, 1, err);
        if (rc)
            return rc;
    }
    return RC_OK;
}

/* The canonical name, if a mailbox can be made there. */
static enum rc check_new_name(struct mail_txn *txn, struct slice *name, struct err *err)
{
    enum rc rc = mailbox_name_check(*name, err);

    if (rc)
        return rc;
    *name = mailbox_name_canonical(*name, txn->arena);
    rc = may_create(txn, *name, err);
    if (rc == RC_OK && acct_mailbox_by_name(txn->fork, *name) != NULL)
        rc = err_set(err, RC_EXISTS, "A mailbox of this name exists already", "create: exists");
    return rc;
}

enum rc txn_create_mailbox_as(struct mail_txn *txn, struct slice name, uint32_t uidvalidity,
                              uint32_t uidnext, uint32_t *out_id, struct err *err)
{
    enum rc rc = check_new_name(txn, &name, err);

    if (rc == RC_OK && (uidvalidity == 0 || uidnext == 0 || uidnext > UID_MAX))
        rc = err_set(err, RC_INVALID, "UIDVALIDITY and UIDNEXT cannot be zero",
                     "create: uidvalidity %u uidnext %u", uidvalidity, uidnext);
    if (rc == RC_OK)
        rc = txn_create_superiors(txn, name, err);
    if (rc == RC_OK)
        rc = create_one(txn, name, 0, uidvalidity, uidnext, err);
    if (rc == RC_OK && out_id != NULL)
        *out_id = mbox_info(acct_mailbox_by_name(txn->fork, name))->id;
    return rc;
}

/* RFC 6154 3: a special use is given to one mailbox at a time; to give it again is refused.
 * mbox_id 0: to one that is made, which \All makes All (account/all.h). */
static enum rc check_special_use(const struct mail_txn *txn, uint32_t mbox_id,
                                 uint32_t special_use, struct err *err)
{
    for (size_t i = 0; special_use != 0 && i < acct_mailbox_count(txn->fork); i++) {
        const struct mbox_info *info = mbox_info(acct_mailbox_at(txn->fork, i));

        if (info->id != mbox_id && (info->special_use & special_use) != 0)
            return err_set(err, RC_EXISTS, "Another mailbox has this special use already",
                           "special use %x: mailbox %u has it", special_use, info->id);
    }
    if (special_use != 0 && !is_owner(txn))
        return err_set(err, RC_INVALID, "A special use is the owner's to give",
                       "special use: not the owner");
    if ((special_use & USE_FLAGGED) != 0 ||
        ((special_use & USE_ALL) != 0 && (mbox_id != 0 || special_use != USE_ALL)))
        return err_set(err, RC_INVALID, "This special use cannot be given to a mailbox",
                       "special use %x", special_use);
    return RC_OK;
}

enum rc txn_create_mailbox(struct mail_txn *txn, struct slice name, uint32_t special_use,
                           uint32_t *out_id, struct err *err)
{
    struct engine *engine = account_engine(txn->account);
    uint32_t uidvalidity;
    enum rc rc = check_new_name(txn, &name, err);

    if (rc == RC_OK)
        rc = check_special_use(txn, 0, special_use, err);
    if (rc == RC_OK)
        rc = txn_create_superiors(txn, name, err);
    if (rc == RC_OK)
        rc = engine->ops->uidvalidity(engine, 1, &uidvalidity, err);
    if (rc == RC_OK)
        rc = create_one(txn, name, special_use, uidvalidity, 1, err);
    if (rc == RC_OK && out_id != NULL)
        *out_id = mbox_info(acct_mailbox_by_name(txn->fork, name))->id;
    return rc;
}

/* ---- delete ---- */

static enum rc find(const struct mail_txn *txn, struct slice name, const struct mbox **out,
                    struct err *err)
{
    const struct mbox *mbox = acct_mailbox_by_name(txn->fork, name);

    if (mbox == NULL)
        return err_set(err, RC_NOT_FOUND, "No such mailbox", "no mailbox of this name");
    *out = mbox;
    return RC_OK;
}

enum rc txn_delete_mailbox(struct mail_txn *txn, struct slice name, struct err *err)
{
    const struct mbox *mbox;
    struct reader reader;
    uint32_t id;
    enum rc rc;

    name = mailbox_name_canonical(name, txn->arena);
    rc = find(txn, name, &mbox, err);
    if (rc == RC_OK)
        rc = txn_access(txn, mbox_info(mbox)->id, RIGHT_DELETE, &reader, err);
    if (rc == RC_OK && mailbox_name_is_inbox(name))
        rc = err_set(err, RC_INVALID, "INBOX cannot be deleted", "delete: INBOX");
    if (rc == RC_OK)
        rc = txn_has_room(txn, 2 * RECORD_HEAD_BYTES, err);
    if (rc)
        return rc;
    id = mbox_info(mbox)->id;
    txn_make_room_for_deleted(txn);
    return need_and_add(txn, (struct record_mailbox){.op = MAILBOX_DELETE, .mbox = id}, err);
}

/* ---- a mailbox that was elsewhere ---- */

enum rc txn_adopt_mailbox(struct mail_txn *txn, struct slice name, uint32_t uidvalidity,
                          uint32_t *out_id, struct err *err)
{
    const struct mbox *mbox;
    uint32_t special_use, id;
    enum rc rc;

    name = mailbox_name_canonical(name, txn->arena);
    rc = find(txn, name, &mbox, err);
    if (rc)
        return rc;
    if (mbox_info_is_all(mbox_info(mbox)))
        return err_set(err, RC_INVALID, "This mailbox shows what lives in others; do it there",
                       "adopt: All");
    if (mbox_counts(mbox)->uidnext != 1 || mbox_counts(mbox)->messages > 0)
        return err_set(err, RC_EXISTS, "The mailbox is in use", "adopt: uidnext %u",
                       mbox_counts(mbox)->uidnext);
    if (uidvalidity == 0)
        return err_set(err, RC_INVALID, "UIDVALIDITY cannot be zero", "adopt: 0");
    rc = txn_has_room(txn, 4 * RECORD_HEAD_BYTES + name.len, err);
    if (rc)
        return rc;
    special_use = mbox_info(mbox)->special_use;
    id = mbox_info(mbox)->id;
    txn_make_room_for_deleted(txn);
    add_mailbox_record(txn, (struct record_mailbox){.op = MAILBOX_DELETE, .mbox = id});
    txn_forget_mailbox(txn, id); /* it was empty: there is nothing to bring back */
    rc = create_one(txn, name, special_use, uidvalidity, 1, err);
    if (rc == RC_OK)
        *out_id = mbox_info(acct_mailbox_by_name(txn->fork, name))->id;
    return rc;
}

enum rc txn_replace_mailbox(struct mail_txn *txn, uint32_t mbox_id, uint32_t *out_id,
                            struct err *err)
{
    struct engine *engine = account_engine(txn->account);
    const struct mbox *old;
    struct mbox_info info;
    AUTO(mbox_unrefp) struct mbox *held = NULL;
    uint32_t uidvalidity;
    enum rc rc = txn_find(txn, mbox_id, &old, err);

    if (rc == RC_OK)
        rc = engine->ops->uidvalidity(engine, 1, &uidvalidity, err);
    if (rc)
        return rc;
    held = mbox_ref(old); /* what info points to stays */
    info = *mbox_info(held);
    txn_make_room_for_deleted(txn);
    rc = need_and_add(txn, (struct record_mailbox){.op = MAILBOX_DELETE, .mbox = mbox_id}, err);
    if (rc)
        return rc;
    if (!mbox_info_is_all(&info)) /* of which nothing is kept */
        txn_forget_mailbox(txn, mbox_id);
    *out_id = acct_next_mailbox_id(txn->fork);
    rc = create_one(txn, info.name, info.special_use, uidvalidity, 1, err);
    for (size_t i = 0; rc == RC_OK && i < info.n_acl; i++)
        rc = txn_put_acl(txn, *out_id, info.acl[i].key, info.acl[i].value, err);
    for (size_t i = 0; rc == RC_OK && i < info.n_metadata; i++)
        rc = txn_set_metadata(txn, *out_id, info.metadata[i].key, &info.metadata[i].value, err);
    return rc;
}

/* ---- rename ---- */

struct rename {
    uint32_t mbox;
    struct slice to;
};

static int by_length(const void *a, const void *b)
{
    const struct rename *x = a, *y = b;

    return (x->to.len > y->to.len) - (x->to.len < y->to.len);
}

/*
 * The mailbox and all below it, with their new names, the shortest first: where the tree moves
 * up, a new name may be the old one of a mailbox in it (a/b/b/c to a/b/c), and that one is
 * shorter and has left it by then.
 */
static enum rc plan_renames(struct mail_txn *txn, struct slice from, struct slice to,
                            struct rename **out, size_t *out_n, struct err *err)
{
    size_t at = acct_mailbox_lower_bound(txn->fork, from),
           count = acct_mailbox_count(txn->fork);
    struct rename *plan = ARENA_ARRAY(txn->arena, struct rename, count);
    size_t n = 0;

    for (; at < count; at++) {
        const struct mbox_info *info = mbox_info(acct_mailbox_at(txn->fork, at));
        struct slice new_name;
        enum rc rc;

        if (!slice_starts(info->name, from))
            break;
        if (info->name.len != from.len && !mailbox_name_is_below(info->name, from))
            continue; /* "a-b" lies between "a" and "a/b" */
        new_name = slice_from_str(arena_printf(txn->arena, "%.*s%.*s", SLICE_ARG(to),
                                               SLICE_ARG(slice_from(info->name, from.len))));
        rc = mailbox_name_check(new_name, err);
        if (rc)
            return rc;
        plan[n++] = (struct rename){info->id, new_name};
    }
    qsort(plan, n, sizeof(*plan), by_length);
    *out = plan;
    *out_n = n;
    return RC_OK;
}

/* RFC 9051 6.3.6: INBOX stays, and its messages move; its inferiors stay where they are. */
static enum rc rename_inbox(struct mail_txn *txn, struct slice to, struct err *err)
{
    const struct mbox *inbox;
    struct uid_run all = {1, UID_MAX};
    struct copied copied;
    uint32_t dst;
    enum rc rc = find(txn, SLICE("INBOX"), &inbox, err);

    if (rc == RC_OK)
        rc = txn_create_mailbox(txn, to, 0, &dst, err);
    if (rc)
        return rc;
    acct_note_was_inbox(txn->fork, dst);
    return txn_copy(txn, mbox_info(acct_mailbox_by_name(txn->fork, SLICE("INBOX")))->id,
                    &(struct uid_set){&all, 1}, dst, true, txn->arena, &copied, err);
}

static enum rc rename_tree(struct mail_txn *txn, struct slice from, struct slice to,
                           struct err *err)
{
    struct rename *plan;
    size_t n;
    enum rc rc = plan_renames(txn, from, to, &plan, &n, err);

    for (size_t i = 0; rc == RC_OK && i < n; i++) {
        if (acct_mailbox_by_name(txn->fork, plan[i].to) != NULL)
            return err_set(err, RC_EXISTS, "A mailbox of the new name exists already",
                           "rename: a target exists");
        rc = txn_has_room(txn, RECORD_HEAD_BYTES + plan[i].to.len, err);
        if (rc == RC_OK)
            add_mailbox_record(txn, (struct record_mailbox){.op = MAILBOX_RENAME,
                                                            .mbox = plan[i].mbox,
                                                            .name = plan[i].to});
    }
    return rc;
}

/* RFC 4314 4: "x" on the mailbox itself; where the name is only a superior, on what is below
 * it. What the actor cannot see is not there. */
static enum rc may_rename(struct mail_txn *txn, struct slice from, struct err *err)
{
    const struct mbox *mbox = acct_mailbox_by_name(txn->fork, from);
    size_t at = acct_mailbox_lower_bound(txn->fork, from),
           count = acct_mailbox_count(txn->fork);
    struct reader reader;
    enum rc rc = RC_OK;

    if (is_owner(txn))
        return RC_OK;
    if (mbox != NULL) {
        rc = txn_access(txn, mbox_info(mbox)->id, RIGHT_DELETE, &reader, err);
        if (rc == RC_OK && mailbox_name_is_inbox(from))
            rc = err_set(err, RC_INVALID, "INBOX is its owner's to rename", "rename: INBOX");
        return rc;
    }
    for (; rc == RC_OK && at < count; at++) {
        const struct mbox_info *info = mbox_info(acct_mailbox_at(txn->fork, at));

        if (!slice_starts(info->name, from))
            break;
        if (mailbox_name_is_below(info->name, from))
            rc = txn_access(txn, info->id, RIGHT_DELETE, &reader, err);
    }
    return rc;
}

/* A mailbox, or a name that is only a superior of mailboxes. */
static bool name_is_known(const struct mail_txn *txn, struct slice name)
{
    size_t count = acct_mailbox_count(txn->fork);

    for (size_t at = acct_mailbox_lower_bound(txn->fork, name); at < count; at++) {
        struct slice found = mbox_info(acct_mailbox_at(txn->fork, at))->name;

        if (!slice_starts(found, name))
            return false;
        if (found.len == name.len || mailbox_name_is_below(found, name))
            return true;
    }
    return false;
}

enum rc txn_rename_mailbox(struct mail_txn *txn, struct slice from, struct slice to,
                           struct err *err)
{
    enum rc rc;

    from = mailbox_name_canonical(from, txn->arena);
    if (!name_is_known(txn, from))
        return err_set(err, RC_NOT_FOUND, "No such mailbox", "rename: no mailbox of this name");
    rc = may_rename(txn, from, err);
    if (rc == RC_OK)
        rc = check_new_name(txn, &to, err);
    if (rc)
        return rc;
    if (mailbox_name_is_below(to, from) && !mailbox_name_is_inbox(from))
        return err_set(err, RC_INVALID, "A mailbox cannot be moved below itself",
                       "rename: below itself");
    if (mailbox_name_is_inbox(from))
        return rename_inbox(txn, to, err);
    rc = txn_create_superiors(txn, to, err);
    return rc ? rc : rename_tree(txn, from, to, err);
}

/* ---- the rest ---- */

enum rc txn_set_special_use(struct mail_txn *txn, uint32_t mbox_id, uint32_t special_use,
                            struct err *err)
{
    const struct mbox *mbox = acct_mailbox_by_id(txn->fork, mbox_id);
    enum rc rc;

    if (mbox == NULL)
        return err_set(err, RC_NOT_FOUND, "No such mailbox", "mailbox %u is gone", mbox_id);
    rc = check_special_use(txn, mbox_id, special_use, err);
    if (rc == RC_OK)
        rc = txn_has_room(txn, RECORD_HEAD_BYTES, err);
    if (rc == RC_OK && mbox_info_is_all(mbox_info(mbox)))
        rc = err_set(err, RC_INVALID, "This mailbox keeps its special use",
                     "special use: of All");
    if (rc == RC_OK && mbox_info(mbox)->special_use != special_use)
        rc = need_and_add(txn,
                          (struct record_mailbox){
                              .op = MAILBOX_USE, .mbox = mbox_id, .special_use = special_use},
                          err);
    return rc;
}

enum rc txn_set_uidnext(struct mail_txn *txn, uint32_t mbox_id, uint32_t uidnext,
                        struct err *err)
{
    const struct mbox *mbox = acct_mailbox_by_id(txn->fork, mbox_id);

    if (mbox == NULL)
        return err_set(err, RC_NOT_FOUND, "No such mailbox", "mailbox %u is gone", mbox_id);
    if (uidnext > UID_MAX)
        return err_set(err, RC_LIMIT, "The UID is too large", "uidnext %u", uidnext);
    if (uidnext > mbox_counts(mbox)->uidnext)
        add_mailbox_record(txn, (struct record_mailbox){.op = MAILBOX_UIDNEXT,
                                                        .mbox = mbox_id,
                                                        .uidnext = uidnext});
    return RC_OK;
}

/* At least the store's next; an imported mailbox may have one that is greater already. */
enum rc txn_renew_uidvalidity(struct mail_txn *txn, uint32_t mbox_id, struct err *err)
{
    struct engine *engine = account_engine(txn->account);
    const struct mbox *mbox = acct_mailbox_by_id(txn->fork, mbox_id);
    uint32_t uidvalidity, old;
    enum rc rc;

    if (mbox == NULL)
        return err_set(err, RC_NOT_FOUND, "No such mailbox", "mailbox %u is gone", mbox_id);
    old = mbox_info(mbox)->uidvalidity;
    if (old == UINT32_MAX)
        return err_set(err, RC_LIMIT, "No UIDVALIDITY left", "mailbox %u", mbox_id);
    rc = engine->ops->uidvalidity(engine, 1, &uidvalidity, err);
    if (rc)
        return rc;
    add_mailbox_record(txn, (struct record_mailbox){.op = MAILBOX_UIDVALIDITY,
                                                    .mbox = mbox_id,
                                                    .uidvalidity = MAX(uidvalidity, old + 1)});
    return RC_OK;
}

/* An entry that somebody else had: the state's own check decides. */
enum rc txn_put_acl(struct mail_txn *txn, uint32_t mbox_id, struct slice identifier,
                    struct slice rights, struct err *err)
{
    const struct record record = {
        .type = RECORD_ACL, .acl = {mbox_id, identifier, rights, txn->modseq}
    };
    struct reader reader;
    enum rc rc = txn_access(txn, mbox_id, RIGHT_ADMIN, &reader, err);

    if (rc == RC_OK)
        rc = txn_has_room(txn, RECORD_HEAD_BYTES + identifier.len + rights.len, err);
    if (rc == RC_OK && acct_check(txn->fork, &record, err) != RC_OK)
        rc = err_set(err, RC_LIMIT, "The list takes no more entries",
                     "acl: an entry was refused");
    if (rc == RC_OK)
        txn_add(txn, &record);
    return rc;
}

enum rc txn_set_quota(struct mail_txn *txn, enum quota_resource resource, bool set,
                      uint64_t limit, struct err *err)
{
    struct quota_limits now = quota_own_limits(txn->fork);
    const struct record record = {
        .type = RECORD_QUOTA, .quota = {quota_resource_name(resource), set ? limit : 0, !set}
    };
    enum rc rc = txn_has_room(txn, RECORD_HEAD_BYTES + QUOTA_RESOURCE_MAX, err);

    if (rc)
        return rc;
    if (limit != QUOTA_UNLIMITED && limit > QUOTA_LIMIT_MAX)
        return err_set(err, RC_INVALID, "A limit is below 2^63", "quota: %llu",
                       (unsigned long long) limit);
    if (now.set[resource] != set || (set && now.limit[resource] != limit))
        txn_add(txn, &record);
    return RC_OK;
}

enum rc txn_subscribe(struct mail_txn *txn, struct slice name, bool on, struct err *err)
{
    enum rc rc = mailbox_name_check(name, err);

    if (rc)
        return rc;
    name = mailbox_name_canonical(name, txn->arena);
    if (acct_is_subscribed(txn->fork, name) == on)
        return RC_OK;
    if (on && acct_subscription_count(txn->fork) >= SUBSCRIPTIONS_MAX)
        return err_set(err, RC_LIMIT, "Too many subscriptions", "subscribe: %u there",
                       SUBSCRIPTIONS_MAX);
    rc = txn_has_room(txn, RECORD_HEAD_BYTES + name.len, err);
    if (rc == RC_OK)
        txn_add(txn, &(struct record){
                         .type = RECORD_SUBSCRIBE, .subscribe = {name, on}
        });
    return rc;
}
