#include "commands/session.h"

#include <assert.h>

#include "search/resolve.h"

void session_init(struct session *session, const struct session_grant *grant)
{
    *session = (struct session){
        .state = SESSION_AUTH,
        .rights = grant->rights,
        .account = grant->account,
        .actor = grant->actor,
        .message_max_bytes = grant->message_max_bytes,
        .log_user = grant->log_user,
    };
}

static void session_forget_saved(struct session *session)
{
    free(session->saved);
    session->saved = NULL;
    session->n_saved = 0;
}

void session_done(struct session *session)
{
    view_close(session->view);
    session->view = NULL;
    session_forget_saved(session);
    free(session->idle_tag);
    session->idle_tag = NULL;
    free(session->client_id);
    session->client_id = NULL;
    account_close(session->account);
    session->account = NULL;
    session->state = SESSION_CLOSED;
}

void session_select(struct session *session, struct mbox_view *view)
{
    assert(session->state == SESSION_AUTH && session->view == NULL);
    session->view = view;
    session_forget_saved(session);
    session->state = SESSION_SELECTED;
}

void session_unselect(struct session *session)
{
    assert(session->state == SESSION_SELECTED);
    view_close(session->view);
    session->view = NULL;
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
        .counts = session->counts,
        .view = session->view != NULL ? view_mark(session->view, arena) : NULL,
    };
}

void session_rewind(struct session *session, const struct session_mark *mark)
{
    session->own_position = mark->own_position;
    session->enabled = mark->enabled;
    session->mode = mark->mode;
    session->counts = mark->counts;
    assert((session->view != NULL) == (mark->view != NULL));
    if (mark->view != NULL)
        view_rewind(session->view, mark->view);
}

enum rc session_commit(struct session *session, struct mail_txn **txn, struct err *err)
{
    return txn_commit(txn, &session->own_position, err);
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

void session_print_capabilities(const struct session *session, struct buf *buf)
{
    struct imap_cap_view view = {.after_login = true,
                                 .append_limit = session->message_max_bytes,
                                 .compressed = session->compressed};

    imap_print_capabilities(buf, &view);
}

struct acct_state *session_read(const struct session *session)
{
    return account_read(session->account, session->own_position);
}
