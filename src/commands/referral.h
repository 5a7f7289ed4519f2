/*
 * referral.h - mailboxes that are on another server.
 *
 * Spec: RFC 2193 (MAILBOX-REFERRALS), RFC 2221 4 (a login that is referred and goes on), RFC
 * 5258 3 (REMOTE). A name is elsewhere if the configuration says so of it, or of a mailbox
 * above it, and there is no mailbox of that name here: what is here stays in reach. LIST and
 * LSUB do not tell of such mailboxes, RLIST, RLSUB and LIST (REMOTE) do (RFC 2193 3), and
 * whatever looks one up by name (places.h) is RC_ELSEWHERE, answered with the URLs (RFC 2193
 * 4).
 */
#ifndef ROOST_COMMANDS_REFERRAL_H
#define ROOST_COMMANDS_REFERRAL_H

#include "commands/reply.h"
#include "commands/session.h"

struct remote_mailbox {
    struct slice name, server;
};

/* Of the whole server. */
struct referrals {
    const struct remote_mailbox *mailboxes; /* names ascending, none twice */
    size_t n;
    struct slice here; /* this server's name */
    bool logins;       /* some users are elsewhere */
};

/* The mailbox of the configuration that name is, or lies below; NULL: none. */
const struct remote_mailbox *referral_find(const struct session *session, struct slice name);
/* Is one below this name? */
bool referral_is_above(const struct session *session, struct slice name);

/* What a command that needs the mailbox here gives back: RC_ELSEWHERE. */
enum rc referral_refuse(struct session *session, const struct remote_mailbox *remote,
                        struct slice name, struct err *err);
/* RENAME: one of them is elsewhere; both are named (RFC 2193 4.3). */
enum rc referral_refuse_rename(struct session *session, struct slice from, struct slice to,
                               struct err *err);
/* The code of a reply to RC_ELSEWHERE. */
void referral_code(const struct session *session, struct reply *reply);
/* The code of the login's answer; session->home is set. */
void referral_print_home(const struct session *session, struct buf *out);

#endif
