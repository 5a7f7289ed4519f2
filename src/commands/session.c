#include "commands/session.h"

#include <assert.h>

#include "account/mbox_info.h"
#include "commands/context.h"
#include "commands/notify.h"
#include "commands/referral.h"
#include "mailbox/name.h"
#include "search/resolve.h"

/* One a line. */
static void take_folders(struct session *session, struct slice lines)
{
    while (lines.len > 0) {
        size_t end = slice_find(lines, '\n');
        struct slice name = slice_sub(lines, 0, end);

        lines = slice_from(lines, MIN(end + 1, lines.len));
        if (name.len == 0)
            continue;
        if (mailbox_name_is_inbox(name))
            name = SLICE("INBOX");
        session->folders =
            xrealloc(session->folders, (session->n_folders + 1) * sizeof(struct slice));
        session->folders[session->n_folders++] = text_dup(name);
    }
}

static bool is_among_folders(const struct session *session, struct slice name)
{
    for (size_t i = 0; i < session->n_folders; i++) {
        struct slice folder = session->folders[i];

        if (slice_eq(name, folder) || mailbox_name_is_below(name, folder))
            return true;
    }
    return session->n_folders == 0;
}

/* The mailbox of all mail shows what lies in the others: it is for who may see them all. */
static bool is_all(const struct session *session, struct slice name)
{
    struct acct_state *state =
        account_read(session->account, session_position_in(session, session->account));
    const struct mbox *all = acct_all(state);
    bool is = all != NULL && slice_eq(mbox_info(all)->name, name);

    acct_unref(state);
    return is;
}

bool session_allows(const struct session *session, struct slice name)
{
    return session_allows_all(session) ||
           (is_among_folders(session, name) &&
            mailbox_rules_find(session->mailbox_rules, name) != MAILBOX_HIDDEN &&
            !is_all(session, name));
}

bool session_allows_all(const struct session *session)
{
    return session->n_folders == 0 && session->mailbox_rules == NULL;
}

bool session_may_change(const struct session *session, struct slice name)
{
    return session->rights == SESSION_FULL && is_among_folders(session, name) &&
           mailbox_rules_find(session->mailbox_rules, name) == MAILBOX_ALL;
}

void session_init(struct session *session, const struct session_grant *grant)
{
    *session = (struct session){
        .state = SESSION_AUTH,
        .rights = grant->rights,
        .account = grant->account,
        .actor = grant->actor,
        .mode = {.language = grant->language},
        .message_limit = grant->message_limit,
        .save_limit = grant->save_limit,
        .message_max_bytes = grant->message_max_bytes,
        .sets_quota = grant->sets_quota,
        .submits = grant->submits,
        .logs_mail = grant->logs_mail,
        .referrals = grant->referrals,
        .user = grant->user != NULL ? grant->user : "",
        .home = grant->home,
    };
    take_folders(session, grant->folders);
    session->mailbox_rules = mailbox_rules_new(grant->mailboxes);
}

static void session_forget_saved(struct session *session)
{
    free(session->saved);
    session->saved = NULL;
    session->n_saved = 0;
}

void session_done(struct session *session)
{
    contexts_end(session);
    view_close(session->view);
    session->view = NULL;
    notify_free(session->notify);
    session->notify = NULL;
    session_forget_saved(session);
    free(session->idle_tag);
    session->idle_tag = NULL;
    free(session->client_id);
    session->client_id = NULL;
    free(session->referral);
    session->referral = NULL;
    for (size_t i = 0; i < SESSION_OTHERS; i++)
        account_closep(&session->others[i].account);
    for (size_t i = 0; i < session->n_folders; i++)
        text_free(session->folders[i]);
    free(session->folders);
    session->folders = NULL;
    session->n_folders = 0;
    mailbox_rules_free(TAKE(session->mailbox_rules));
    account_close(session->account);
    session->account = NULL;
    session->state = SESSION_CLOSED;
}

/* ---- accounts ---- */

uint64_t *session_position(struct session *session, const struct account *account)
{
    for (size_t i = 0; i < SESSION_OTHERS; i++) {
        if (session->others[i].account == account)
            return &session->others[i].position;
    }
    assert(account == session->account);
    return &session->own_position;
}

uint64_t session_position_in(const struct session *session, const struct account *account)
{
    for (size_t i = 0; i < SESSION_OTHERS; i++) {
        if (session->others[i].account == account)
            return session->others[i].position;
    }
    return account == session->account ? session->own_position : 0;
}

static bool is_selected(const struct session *session, const struct account *account)
{
    return session->view != NULL && view_account(session->view) == account;
}

/* A place that no view holds. */
static struct other_account *make_place(struct session *session)
{
    struct other_account *place = &session->others[0];

    for (size_t i = 0; i < SESSION_OTHERS; i++) {
        if (session->others[i].account == NULL)
            return &session->others[i];
        if (!is_selected(session, session->others[i].account))
            place = &session->others[i];
    }
    account_wait_durable(place->account, place->position);
    account_closep(&place->account);
    return place;
}

enum rc session_enter(struct session *session, uint64_t id, struct account **out,
                      struct err *err)
{
    struct other_account entered = {0}, *place;
    enum rc rc;

    *out = session->account;
    if (id == account_id(session->account))
        return RC_OK;
    for (size_t i = 0; i < SESSION_OTHERS; i++) {
        *out = session->others[i].account;
        if (*out != NULL && account_id(*out) == id)
            return RC_OK;
    }
    rc = account_open(account_store(session->account), id, false, &entered.account, err);
    if (rc)
        return rc;
    place = make_place(session);
    *place = entered;
    *out = entered.account;
    return RC_OK;
}

struct account *session_unsettled(const struct session *session, uint64_t *out_position)
{
    for (size_t i = 0; i < SESSION_OTHERS; i++) {
        const struct other_account *other = &session->others[i];

        *out_position = other->position;
        if (other->account != NULL && !account_is_durable(other->account, other->position))
            return other->account;
    }
    *out_position = session->own_position;
    return account_is_durable(session->account, session->own_position) ? NULL
                                                                       : session->account;
}

void session_wait_for_newest(struct session *session)
{
    for (size_t i = 0; i < SESSION_OTHERS; i++) {
        struct other_account *other = &session->others[i];

        if (other->account != NULL)
            other->position = account_newest_position(other->account);
    }
    session->own_position = account_newest_position(session->account);
}

/* ---- moves ---- */

void session_select(struct session *session, struct mbox_view *view)
{
    assert(session->state == SESSION_AUTH && session->view == NULL);
    session->view = view;
    session->batches = (struct session_batches){0};
    session_forget_saved(session);
    session->state = SESSION_SELECTED;
    notify_entered(session);
}

void session_unselect(struct session *session)
{
    assert(session->state == SESSION_SELECTED);
    notify_leaves(session);
    contexts_end(session);
    view_close(session->view);
    session->view = NULL;
    session->annotates = false;
    session_forget_saved(session);
    session->state = SESSION_AUTH;
}

void session_close(struct session *session)
{
    if (session->state == SESSION_SELECTED)
        session_unselect(session);
    session->state = SESSION_CLOSED;
}

void session_mark(const struct session *session, struct arena *arena, struct session_mark *out)
{
    *out = (struct session_mark){
        .own_position = session->own_position,
        .enabled = session->enabled,
        .mode = session->mode,
        .comparator = session->comparator,
        .counts = session->counts,
        .view = session->view != NULL ? view_mark(session->view, arena) : NULL,
    };
}

void session_rewind(struct session *session, const struct session_mark *mark)
{
    session->own_position = mark->own_position;
    session->enabled = mark->enabled;
    session->mode = mark->mode;
    session->comparator = mark->comparator;
    session->counts = mark->counts;
    assert((session->view != NULL) == (mark->view != NULL));
    if (mark->view != NULL)
        view_rewind(session->view, mark->view);
}

struct uid_set session_saved(const struct session *session)
{
    return (struct uid_set){session->saved, session->n_saved};
}

bool session_save(struct session *session, const struct uid_set *uids)
{
    session_forget_saved(session);
    if (uids->n > SAVED_RUNS_MAX)
        return false;
    if (uids->n == 0)
        return true;
    session->saved = xmalloc(uids->n * sizeof(struct uid_run));
    memcpy(session->saved, uids->runs, uids->n * sizeof(struct uid_run));
    session->n_saved = uids->n;
    return true;
}

enum rc session_resolve(const struct session *session, const struct imap_set *set, bool uid,
                        struct arena *arena, struct message_set *out, struct err *err)
{
    if (set->saved) {
        *out = (struct message_set){session_saved(session), 0};
        return RC_OK;
    }
    if (!uid) {
        struct message_set named;
        enum rc rc =
            resolve_seqs(session->view, &set->set, arena, &named.uids, &named.n_seqs, err);

        if (rc)
            return rc;
        *out = named;
        return RC_OK;
    }
    *out = (struct message_set){resolve_uids(session->view, &set->set, arena), 0};
    return RC_OK;
}

uint64_t mbox_count_uids(const struct mbox *mbox, const struct uid_set *uids)
{
    uint64_t n = 0;

    for (size_t i = 0; i < uids->n; i++)
        n += mbox_index_behind(mbox, uids->runs[i].last) -
             mbox_lower_bound(mbox, uids->runs[i].first);
    return n;
}

/* What the client has not been told of cannot have come back, and new messages have uids above
 * all it knows: so fewer messages than numbers means that some are gone. */
enum rc message_set_check(const struct message_set *set, const struct mbox *mbox,
                          struct err *err)
{
    if (set->n_seqs > 0 && mbox_count_uids(mbox, &set->uids) < set->n_seqs)
        return err_set(err, RC_NOT_FOUND, "Some of these messages were expunged",
                       "set: %llu named", (unsigned long long) set->n_seqs);
    return RC_OK;
}

bool session_is_guest(const struct session *session)
{
    return session->view != NULL && view_account(session->view) != session->account;
}

void session_print_capabilities(const struct session *session, struct buf *buf)
{
    struct imap_cap_view view = {.after_login = true,
                                 .append_limit = session->message_max_bytes,
                                 .message_limit = session->message_limit,
                                 .save_limit = session->save_limit,
                                 .compressed = session->compressed};

    if (session->referrals != NULL) {
        view.login_referrals = session->referrals->logins;
        view.mailbox_referrals = session->referrals->n > 0;
    }

    imap_print_capabilities(buf, &view);
}

struct acct_state *session_read(const struct session *session)
{
    return account_read(session->account, session->own_position);
}

/* What a transaction leads from and to, for NOTIFY. */
struct own_change {
    struct account *account;
    struct acct_state *base, *mine; /* a reference each, or NULL */
};

static struct own_change note_change(const struct session *session, const struct mail_txn *txn)
{
    struct own_change change = {.account = txn_account(txn)};

    if (session->notify != NULL) {
        change.base = acct_ref(txn_base(txn));
        change.mine = acct_ref(txn_state(txn));
    }
    return change;
}

static void end_change(struct session *session, struct own_change *change, enum rc rc)
{
    if (rc == RC_OK && change->base != NULL)
        notify_own_change(session, change->account, change->base, change->mine);
    acct_unref(change->base);
    acct_unref(change->mine);
}

enum rc session_commit(struct session *session, struct mail_txn **txn, struct err *err)
{
    struct own_change change = note_change(session, *txn);
    enum rc rc = txn_commit(txn, session_position(session, change.account), err);

    end_change(session, &change, rc);
    return rc;
}

enum rc session_commit_pair(struct session *session, struct mail_txn **from,
                            struct mail_txn **to, struct err *err)
{
    struct own_change source = note_change(session, *from), target = note_change(session, *to);
    enum rc rc = txn_commit_pair(from, to, session_position(session, source.account),
                                 session_position(session, target.account), err);

    end_change(session, &source, rc);
    end_change(session, &target, rc);
    return rc;
}
