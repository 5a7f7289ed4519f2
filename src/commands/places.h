/*
 * places.h - whose mailbox a name means, and may this session know of it.
 *
 * Spec: RFC 2342 and RFC 9051 6.3.10 (namespaces), RFC 4314 4 and 6 (what a mailbox without "l"
 * answers).
 *
 *     NAME                      the session's own mailbox
 *     Other Users/USER          INBOX of a user
 *     Other Users/USER/NAME     another mailbox of that user
 *     Shared Folders/WHO        INBOX of a shared account
 *     Shared Folders/WHO/NAME   another mailbox of it
 *
 * A mailbox for which the session lacks "l", one that is missing, and a user who does not exist
 * are the same: RC_NOT_FOUND. What else a command needs, the transaction and the view ask
 * themselves (mailbox/access.h).
 */
#ifndef ROOST_COMMANDS_PLACES_H
#define ROOST_COMMANDS_PLACES_H

#include "commands/session.h"
#include "mailbox/access.h"

#define OTHER_USERS_PREFIX    "Other Users/"
#define SHARED_FOLDERS_PREFIX "Shared Folders/"

/* Where a name leads, whether or not there is a mailbox. */
struct place {
    struct account *account; /* the session's own, or one it has entered (session_enter) */
    struct slice name;       /* in that account */
};

/* Does the name lie in the session's own account? Of names alone. */
bool name_is_own(struct slice name);
/* RC_NOT_FOUND: nobody of that name, nobody who shares, or the top of a namespace.
 * RC_ELSEWHERE: no mailbox here, and one on another server (referral.h). */
MUST_CHECK enum rc place_of(struct session *session, struct slice name, struct place *out,
                            struct err *err);

/* The same of a name whose mailbox the command makes, changes or takes away. RC_DENIED: rules
 * let this session only read it. */
MUST_CHECK enum rc place_to_change(struct session *session, struct slice name,
                                   struct place *out, struct err *err);
/* RC_DENIED if so. */
MUST_CHECK enum rc place_check_change(const struct session *session, struct slice name,
                                      struct err *err);

/* A mailbox that is there and that the session may look up, in a version of its account. */
struct found_mailbox {
    struct account *account;
    struct acct_state *state; /* one reference */
    const struct mbox *mbox;  /* in state; its messages loaded or not */
    struct reader reader;
};
/* With all of these rights, or RC_DENIED. */
MUST_CHECK enum rc place_find(struct session *session, struct slice name, uint32_t rights,
                              struct found_mailbox *out, struct err *err);
/* For AUTO. */
void found_mailbox_done(struct found_mailbox *found);
/* The same, its messages in memory. RC_CORRUPT. */
MUST_CHECK enum rc place_load(const struct session *session, struct found_mailbox *found,
                              struct err *err);

/* The name under which others know the INBOX of an account; in arena. Empty: nobody has this id
 * (any more). */
struct slice place_top(const struct principals *people, uint64_t account, struct arena *arena);
/* A mailbox of the account whose INBOX others know by the name top; in arena. */
struct slice place_below(struct slice top, struct slice name, struct arena *arena);
/* The name under which this session knows a mailbox of an account; in arena. Empty: that
 * account has no name any more. */
struct slice place_name(const struct session *session, const struct account *account,
                        struct slice name, struct arena *arena);

/* A transaction in the account that a name lies in, to change what has that name; *out_name is
 * the name there. */
MUST_CHECK enum rc place_begin(struct session *session, struct slice name,
                               struct mail_txn **out, struct slice *out_name, struct err *err);

#endif
