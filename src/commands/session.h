/*
 * session.h - what the server knows of one logged-in client between two commands.
 *
 * Spec: RFC 9051 3 (states), 6.3.1 (ENABLE), 6.4.4.1 (the saved search result).
 *
 *     AUTH <----> SELECTED         CLOSED from both
 *
 *     -> AUTH       session_init      view == NULL, saved result empty
 *     -> SELECTED   session_select    view held; numbering starts from it
 *     -> AUTH       session_unselect  view released; a failed SELECT lands here too
 *     -> CLOSED     session_close     BYE is said; nothing else is
 *
 * Between commands the view is parked and holds no version. A command may change only its
 * arena, its reply, its transaction and the fields that session_mark keeps; so it can run again
 * after a conflict.
 *
 * Memory: the session is plain and small; what it points to is its own (view, saved result) or
 * outlives it (names given to session_init are copied). One thread at a time owns it.
 */
#ifndef ROOST_COMMANDS_SESSION_H
#define ROOST_COMMANDS_SESSION_H

#include "commands/mailbox_rules.h"
#include "imap/capability.h"
#include "imap/mode.h"
#include "imap/seqset.h"
#include "mailbox/txn.h"
#include "mailbox/view.h"

#define SAVED_RUNS_MAX   65536u /* runs in a saved search result: 512 KiB a session */
#define BAD_COMMANDS_MAX 10u    /* in a row; then the client is no client */
#define CLIENT_ID_BYTES  256u   /* of what ID said that is kept for the log */

enum session_state { SESSION_AUTH, SESSION_SELECTED, SESSION_CLOSED };

struct notify;
struct contexts;

/* What the credential allows, whatever the mailbox. */
enum session_rights { SESSION_FULL, SESSION_READ_ONLY };

#define SESSION_OTHERS 2u /* accounts of others at a time: a selected mailbox, and a target */

/* Somebody else's account that the session works in. */
struct other_account {
    struct account *account; /* one reference; NULL: free */
    uint64_t position;       /* of the last write there */
};

/* For the line that the server logs when the session ends. */
struct session_counts {
    uint64_t commands, bad;
    uint64_t fetched, fetched_bytes; /* bodies */
    uint64_t appended, expunged, copied, moved;
};

/* What UIDBATCHES has answered since the mailbox was selected (RFC 10022 3). */
struct session_batches {
    uint32_t size;              /* messages in a batch; 0: nothing was asked */
    uint32_t upto;              /* the highest batch answered */
    uint32_t messages, uidnext; /* of the mailbox then */
};

/* What the client may change in the selected mailbox, as it was told (flags_offer.h). */
struct flags_offer {
    uint8_t bits; /* system flags */
    bool keywords, new_keywords;
};

/* The active comparator (RFC 5255 4.7); all zero: the default one. */
struct session_comparator {
    unsigned number; /* of mime/comparator.h */
    bool reverse;    /* its order is turned round (RFC 4790 3.3) */
};

struct session {
    enum session_state state;
    enum session_rights rights;
    struct account *account; /* one reference */
    struct slice *folders;   /* names the credential is for, with what is below; heap */
    size_t n_folders;        /* 0: all */
    struct mailbox_rules *mailbox_rules; /* the administrator's; NULL: none */
    struct actor actor;
    bool sets_quota;                    /* anybody's, and sees it */
    uint32_t message_limit, save_limit; /* RFC 9738; 0: none; never both */
    uint64_t message_max_bytes;         /* APPENDLIMIT; the reader refuses what is longer */
    bool submits;                       /* a message submission entity (RFC 4467 section 3) */
    uint64_t url_key; /* of the selected mailbox: url_key_mark() when it was told */
    bool logs_mail;   /* each message that comes or goes has its line */
    const struct referrals *referrals; /* referral.h; outlives it; NULL: none */
    const char *user, *home;           /* the same; home: server of the user's mailboxes */
    char *referral; /* URLs of the mailbox that was last found to be elsewhere; heap */
    struct imap_mode mode;
    struct session_comparator comparator; /* COMPARATOR was said */
    uint64_t enabled;      /* IMAP_CAP_BIT of what ENABLE, or an enabling command, turned on */
    uint64_t own_position; /* of the last own write: replies wait until it is durable */
    struct other_account others[SESSION_OTHERS]; /* as own_position, for theirs */
    struct mbox_view *view;                      /* SELECTED only */
    struct flags_offer offer;                    /* of this mailbox */
    bool annotates;            /* of this mailbox changed annotations are told (RFC 5257 4.2) */
    struct notify *notify;     /* notify.h; NULL: NOTIFY was never used */
    struct contexts *contexts; /* context.h; NULL: UPDATE was not used in this mailbox */
    struct uid_run *saved;     /* "$"; NULL when empty */
    size_t n_saved;
    char *idle_tag;  /* of the IDLE that runs; NULL: none */
    char *client_id; /* what the client said by ID, for the log; NULL: nothing */
    bool compressed; /* COMPRESS was answered OK; the server does it */
    struct session_batches batches;
    uint32_t bad_in_row;
    struct session_counts counts;
};

struct session_grant {
    struct account *account; /* taken over */
    struct actor actor;
    enum session_rights rights;
    uint32_t message_limit, save_limit;
    enum imap_language language; /* as it was before login */
    struct slice folders;        /* mailbox names, one a line; empty: all */
    struct slice mailboxes;      /* lines of mailbox_rules.h; empty: none */
    uint64_t message_max_bytes;
    bool sets_quota;
    bool submits;
    bool logs_mail;
    const struct referrals *referrals; /* NULL: no mailbox is on another server */
    const char *user;                  /* the name: in the log, in URLs; "" is enough */
    const char *home; /* NULL: here; else the login is answered with a referral */
};

void session_init(struct session *session, const struct session_grant *grant);
void session_done(struct session *session);

/* Are the credential, and what the administrator's rules leave of it, for the mailbox of this
 * name (as the session knows it)? */
bool session_allows(const struct session *session, struct slice name);
/* For whichever there is? */
bool session_allows_all(const struct session *session);
/* For changing it, too? */
bool session_may_change(const struct session *session, struct slice name);

/* ---- accounts ---- */

/* Where the position of the last write in an account is kept: the session's own, or one that
 * session_enter() brought. */
uint64_t *session_position(struct session *session, const struct account *account);
uint64_t session_position_in(const struct session *session, const struct account *account);
/*
 * Work in the account of this id, until it is asked for another but the selected one's. The
 * session holds the reference. What was written in the one that gives way is durable when this
 * returns. Errors are account_open()'s.
 */
MUST_CHECK enum rc session_enter(struct session *session, uint64_t id, struct account **out,
                                 struct err *err);
/* The account whose last write is not durable yet, and its position; NULL: all are. */
struct account *session_unsettled(const struct session *session, uint64_t *out_position);
/* A refusal rests on what it saw: replies wait for the newest of each account. */
void session_wait_for_newest(struct session *session);

/* ---- moves ---- */

/* view is taken over. The saved result is emptied (RFC 9051 6.4.4.1). */
void session_select(struct session *session, struct mbox_view *view);
void session_unselect(struct session *session);
void session_close(struct session *session);

/* ---- running again ---- */

struct session_mark {
    uint64_t own_position, enabled;
    struct imap_mode mode;
    struct session_comparator comparator;
    struct session_counts counts;
    struct view_mark *view; /* NULL: nothing was selected */
};
/* The mark lives in arena. A command that may be run again does not select or unselect before
 * its commit. */
void session_mark(const struct session *session, struct arena *arena, struct session_mark *out);
void session_rewind(struct session *session, const struct session_mark *mark);

/*
 * Commit what a command of this session changes: replies wait for it from then on. As
 * txn_commit(); takes txn in any case.
 */
MUST_CHECK enum rc session_commit(struct session *session, struct mail_txn **txn,
                                  struct err *err);

/* The same of two accounts (txn_commit_pair). */
MUST_CHECK enum rc session_commit_pair(struct session *session, struct mail_txn **from,
                                       struct mail_txn **to, struct err *err);

/* ---- sets of messages ---- */

/* Messages that a command names. */
struct message_set {
    struct uid_set uids;
    uint64_t n_seqs; /* named by sequence number: each must be there; 0: named by uid */
};

/*
 * What a set names in this session's numbering, in arena. Uids that are not there are left out
 * without error (RFC 9051 6.4.9); a sequence number that is not there is RC_SYNTAX (RFC 9051
 * section 9, seq-number), "*" of an empty mailbox too. "$" is the saved result, as uids.
 * Withheld messages that are named by sequence number are in the set.
 */
MUST_CHECK enum rc session_resolve(const struct session *session, const struct imap_set *set,
                                   bool uid, struct arena *arena, struct message_set *out,
                                   struct err *err);
/* RC_NOT_FOUND if a message named by number is gone from this version: the client has not heard
 * yet (RFC 2180 4.2 and 4.4; the answer is [EXPUNGEISSUED]). */
MUST_CHECK enum rc message_set_check(const struct message_set *set, const struct mbox *mbox,
                                     struct err *err);
/* How many messages of the version the uids name. O(runs x log n). */
uint64_t mbox_count_uids(const struct mbox *mbox, const struct uid_set *uids);

/* Keep a search result. False, and the result is empty: it has more than SAVED_RUNS_MAX runs.
 */
bool session_save(struct session *session, const struct uid_set *uids);
struct uid_set session_saved(const struct session *session);

/* ---- questions ---- */

static inline bool session_has_enabled(const struct session *session, enum imap_cap cap)
{
    return (session->enabled & IMAP_CAP_BIT(cap)) != 0;
}

/* Is somebody else's mailbox selected? */
bool session_is_guest(const struct session *session);

/* "CAPABILITY ..." as a client is told it after login. */
void session_print_capabilities(const struct session *session, struct buf *buf);

/* The newest version this session may see, one reference. */
struct acct_state *session_read(const struct session *session);

#endif
