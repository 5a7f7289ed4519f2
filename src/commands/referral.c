#include "commands/referral.h"

#include "imap/url.h"
#include "mailbox/name.h"

#define URLS_MAX_BYTES ((size_t) 16 << 10) /* two, each byte of the names encoded */

/* First mailbox whose name is not before this one. */
static size_t lower_bound(const struct referrals *referrals, struct slice name)
{
    size_t low = 0, high = referrals->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (slice_cmp(referrals->mailboxes[mid].name, name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static const struct remote_mailbox *find_exactly(const struct referrals *referrals,
                                                 struct slice name)
{
    size_t at = lower_bound(referrals, name);

    return at < referrals->n && slice_eq(referrals->mailboxes[at].name, name)
               ? &referrals->mailboxes[at]
               : NULL;
}

const struct remote_mailbox *referral_find(const struct session *session, struct slice name)
{
    const struct remote_mailbox *found = NULL;

    if (session->referrals == NULL)
        return NULL;
    for (size_t end = name.len; found == NULL && end > 0; end--)
        if (end == name.len || name.ptr[end] == MAILBOX_SEPARATOR)
            found = find_exactly(session->referrals, slice_sub(name, 0, end));
    return found;
}

bool referral_is_above(const struct session *session, struct slice name)
{
    const struct referrals *referrals = session->referrals;
    char space[MAILBOX_NAME_BYTES_MAX + 1];
    struct slice prefix = {space, name.len + 1};
    size_t at;

    if (referrals == NULL || name.len == 0 || name.len > MAILBOX_NAME_BYTES_MAX)
        return false;
    memcpy(space, name.ptr, name.len);
    space[name.len] = MAILBOX_SEPARATOR;
    at = lower_bound(referrals, prefix);
    return at < referrals->n && slice_starts(referrals->mailboxes[at].name, prefix);
}

/* The session's, until the next. */
static enum rc refuse(struct session *session, const struct buf *urls, struct err *err)
{
    free(session->referral);
    session->referral = xmalloc(urls->len + 1);
    memcpy(session->referral, urls->ptr, urls->len);
    session->referral[urls->len] = '\0';
    return err_set(err, RC_ELSEWHERE, "That mailbox is on another server", "referral: %.80s",
                   session->referral);
}

enum rc referral_refuse(struct session *session, const struct remote_mailbox *remote,
                        struct slice name, struct err *err)
{
    AUTO(buf_done) struct buf urls = {0};

    buf_init(&urls, URLS_MAX_BYTES);
    imap_print_mailbox_url(&urls, slice_from_str(session->user), remote->server, name);
    return refuse(session, &urls, err);
}

static void print_where(const struct session *session, struct slice name, struct buf *urls)
{
    const struct remote_mailbox *remote = referral_find(session, name);

    imap_print_mailbox_url(urls, slice_from_str(session->user),
                           remote != NULL ? remote->server : session->referrals->here, name);
}

enum rc referral_refuse_rename(struct session *session, struct slice from, struct slice to,
                               struct err *err)
{
    AUTO(buf_done) struct buf urls = {0};

    buf_init(&urls, URLS_MAX_BYTES);
    print_where(session, from, &urls);
    buf_byte(&urls, ' ');
    print_where(session, to, &urls);
    return refuse(session, &urls, err);
}

void referral_code(const struct session *session, struct reply *reply)
{
    reply_code(reply, arena_printf(reply->arena, "REFERRAL %s", session->referral));
}

void referral_print_home(const struct session *session, struct buf *out)
{
    buf_str(out, "[REFERRAL ");
    imap_print_server_url(out, slice_from_str(session->user), slice_from_str(session->home));
    buf_byte(out, ']');
}
