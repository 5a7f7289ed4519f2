/*
 * notify.h - what a session watches besides the commands it gives: NOTIFY.
 *
 * Spec: RFC 5465; RFC 7162 (what STATUS says once CONDSTORE or QRESYNC is enabled); RFC 5464
 * 4.4.2 (METADATA of changed entries).
 *
 * A session that never used NOTIFY has none of this (session->notify == NULL), and is told as
 * RFC 9051 says: while a command runs, of the selected mailbox. After NOTIFY SET or NONE the
 * command decides: what of the selected mailbox is told (notify_tells) and what of others.
 * These are told as lines of STATUS, LIST and METADATA, at any time between two answers.
 *
 * An account of which something is watched is a place: the session's own, and each one that
 * shares a mailbox with it and that a group may mean (SUBTREE, MAILBOXES or SUBSCRIBED;
 * PERSONAL and INBOXES mean none of others). Which these are is found by the register of shares
 * (mailbox/shares.h), which is followed as well, and by who is in which group; so a right that
 * is given later is seen. What of a place's mailboxes is watched is decided by the reader's
 * rights in the version looked at (mailbox/access.h), each time anew: "l" lets a name be told,
 * "r" the rest. Without "l" a mailbox is one that is gone.
 *
 * For each mailbox that is watched there is a row: what the client was told of it, or need not
 * be told, as a few numbers and its info (account/outline.h). No version is held. The account
 * notes which mailboxes changed (account_follow); those are compared with their rows in the
 * newest version that the session may see, and the difference is said. So what is not yet said
 * is never kept: a client that does not read hears less, and in the end what is true.
 *
 *     collect      names, subscriptions, entries: said at once; counts: rows marked
 *     notify_say   STATUS of marked rows, until the reply is full
 *
 * What this session did itself is not said (RFC 5465 5): session_commit() hands over the
 * versions before and behind, and rows that showed the one show the other. Where somebody
 * else's change lies between, the row stays, and both are said.
 *
 * Limits: NOTIFY_ROWS_MAX mailboxes in NOTIFY_OTHERS_MAX accounts of others, NOTIFY_LINES_MAX
 * names that changed before the client heard of any. Beyond them: [NOTIFICATIONOVERFLOW], and
 * nothing is watched any more (5.8).
 */
#ifndef ROOST_COMMANDS_NOTIFY_H
#define ROOST_COMMANDS_NOTIFY_H

#include "account/outline.h"
#include "commands/reply.h"
#include "commands/visible.h"
#include "imap/args.h"

#define NOTIFY_ROWS_MAX    16384u /* mailboxes watched by one session: 40 octets each */
#define NOTIFY_OTHERS_MAX  256u   /* accounts of others: each stays open meanwhile */
#define NOTIFY_LINES_MAX   2048u  /* names changed between two looks */
#define NOTIFY_OWN_MAX     64u    /* runs of own new messages, between two looks */
#define NOTIFY_ARENA_BYTES ((size_t) 16 << 20)

/* What takes "r" besides "l" (RFC 5465 5). */
#define NOTIFY_READING_EVENTS (IMAP_NOTIFY_MESSAGE_EVENTS | IMAP_NOTIFY_MAILBOX_METADATA)

/*
 * Counts as the client knows them. unseen is not known of a mailbox with private flags
 * (access.h) whose messages were not in memory; modseq is then one that nothing of what the
 * client knows is above.
 */
#define NOTIFY_UNSEEN_UNKNOWN UINT32_MAX
struct notify_counts {
    uint64_t modseq;
    uint32_t uidnext, messages, unseen;
};

struct notify_row {
    const struct mbox_info *info; /* held; its id is the row's key */
    struct notify_counts told;
    uint16_t events; /* that are watched and permitted; bits of enum imap_notify_event */
    bool is_refused; /* some are watched, for which the reader lacks "r" */
    bool is_marked;  /* among the marked ones */
    bool is_renewed; /* its UIDVALIDITY changed, which is not yet told */
};

/* An account of which something is watched. */
struct notify_place {
    const struct session *session;
    struct account *account; /* one reference */
    struct slice top;        /* heap; the name of its INBOX; empty: the session's own account */
    struct account_follower follower;
    struct acct_outline *outline; /* of the own account */
    struct notify_row *rows;      /* by id, ascending */
    size_t n_rows, cap_rows;
    uint32_t *marked; /* ids whose STATUS may be due, first come first; may name what is gone */
    size_t n_marked, cap_marked;
    bool look_at_all; /* rights may be others: compare all mailboxes with their rows */
    bool is_leaving;  /* no mailbox of it is watched any more, which is to be said */
};

struct notify {
    struct arena *arena; /* the groups and what they point to */
    const struct imap_notify_group *groups;
    size_t n_groups;
    uint32_t wanted;                    /* events of all groups but SELECTED's */
    bool by_subscription, by_names;     /* groups SUBSCRIBED; events of names */
    bool means_others;                  /* groups may mean mailboxes of others */
    unsigned selected_tell;             /* bits of enum view_tell */
    bool delayed;                       /* SELECTED-DELAYED */
    bool selected_annotations;          /* AnnotationChange */
    struct imap_fetch_args fetch;       /* of new messages; n == 0: nothing */
    struct uid_run own[NOTIFY_OWN_MAX]; /* uids this session has put there itself */
    size_t n_own;
    /* While a mailbox of somebody else's account is selected: its account, for the wakes. */
    struct account *selected_in;
    struct account_follower selected_follower;
    void (*wake)(void *ctx); /* NULL: not yet arranged */
    void *wake_ctx;
    struct notify_place **places; /* the own one first */
    size_t n_places, cap_places;  /* 0: only the selected mailbox is watched, or nothing */
    size_t n_rows;                /* of all places */
    /* Where others are meant: */
    struct account *shares; /* the register; one reference */
    struct account_follower shares_follower;
    struct principals *people; /* by whom the places were found; one reference */
    bool is_stale;             /* subscriptions decide otherwise about places */
    bool lacks_names;          /* somebody who shares is not known yet */
};

/* What the functions below look at: a version of a place. */
struct notify_look {
    struct notify *notify;
    struct notify_place *place;
    const struct acct_state *state;
    const struct acct_state *own; /* a version of the own account, for its subscriptions */
    struct arena *arena;
};

/* From here on the session watches this. RC_LIMIT: too many mailboxes; all is as it was. */
MUST_CHECK enum rc notify_start(struct session *session, const struct imap_notify_args *args,
                                struct err *err);
void notify_free(struct notify *notify); /* NULL is allowed */

/* ---- the selected mailbox ---- */

/* What may be told of it, as bits of enum view_tell: in a command, or while none runs. */
unsigned notify_tells(const struct session *session, bool in_command);
/* New messages that this EXISTS tells of and whose items the client wants; in arena. */
struct uid_set notify_fetches(struct session *session, const struct view_changes *changes,
                              struct arena *arena);
/* The view has been told what its version has: so has the row. */
void notify_selected_told(struct session *session);
/* A mailbox was selected: all of it is told. */
void notify_entered(struct session *session);
/* It is about to be left: what the view did not tell is due. */
void notify_leaves(struct session *session);

/* ---- the others ---- */

/* A commit of this session in an account led from one version to the other. */
void notify_own_change(struct session *session, const struct account *account,
                       const struct acct_state *base, const struct acct_state *mine);
/* From now on, wake is called when there may be news. */
void notify_wake_by(struct notify *notify, void (*wake)(void *ctx), void *ctx);
/* Is anything due, or might be? */
bool notify_has_news(const struct session *session);
/* Write what is due, until out is full (then there is news still). */
void notify_say(struct session *session, struct buf *out);
/* Where notify_say_all() is. */
struct notify_at {
    size_t place, row;
    size_t done; /* rows of all places */
};
/* \NoAccess of what is refused, and with status the STATUS of rows whose counts are watched.
 * False: out is full, call again. */
bool notify_say_all(struct session *session, struct notify_at *at, bool status,
                    struct buf *out);
/* Does it rest on who is in which group? Then changes of that are news as well. */
bool notify_follows_people(const struct session *session);

/* ---- notify_places.c ---- */

/* The own account, and those of others that the groups mean. RC_LIMIT. */
MUST_CHECK enum rc notify_places_open(struct notify *notify, struct session *session,
                                      struct err *err);
void notify_places_close(struct notify *notify);
/* NULL: nothing of this account is watched. */
struct notify_place *notify_place_of(const struct notify *notify,
                                     const struct account *account);
/* Might other accounts than these be meant? Cheap. */
bool notify_places_are_old(const struct notify *notify);
/* Find them anew: what is new is to be looked at, what is not meant any more is leaving. False:
 * there are too many. */
bool notify_places_renew(struct notify *notify, struct session *session,
                         const struct acct_state *own);
/* Let go of those that were leaving, which was said. */
void notify_places_drop(struct notify *notify);

/* ---- notify_rows.c ---- */

/* Events that are watched of a mailbox of this name, as the session knows it. */
uint32_t notify_events_of(const struct notify *notify, struct slice name, bool subscribed);
/* Of the mailboxes whose names begin with top: may any be watched, and for which events? */
uint32_t notify_events_below(const struct notify *notify, struct slice top,
                             const struct slice *subscribed, size_t n_subscribed);
/* How the session calls a mailbox of the place; in arena if it is somebody else's. */
struct slice notify_name(const struct notify_look *look, struct slice name);
/* The one place that says which mailboxes a session may watch: NULL if it may not. Of its own
 * account all that the credential is for, of others those with "l". */
const struct mbox *notify_visible(const struct notify_look *look, uint32_t id);
/* How the session reads a mailbox. */
void notify_reader(const struct notify_place *place, const struct mbox_info *info,
                   struct reader *out);
struct notify_row *notify_row_of(const struct notify_place *place, uint32_t id);
/* Rows for all mailboxes that are watched. RC_LIMIT. */
MUST_CHECK enum rc notify_fill(const struct notify_look *look, struct err *err);
/* A row for a mailbox that has none, showing it as it is. False: there are too many. */
bool notify_add_row(const struct notify_look *look, const struct mbox *mbox);
void notify_drop_row(struct notify *notify, struct notify_place *place, uint32_t id);
/* Is a row kept for this mailbox? */
bool notify_keeps(const struct notify_look *look, const struct mbox_info *info);
void notify_show_info(struct notify_row *row, const struct mbox *mbox);
struct notify_counts notify_count(const struct notify_look *look, const struct mbox *mbox);
/* The events anew, by name, subscription and rights. */
void notify_judge(const struct notify_look *look, struct notify_row *row);
void notify_mark(struct notify_place *place, struct notify_row *row);

/* ---- notify_names.c ---- */

/*
 * Say what became of names, subscriptions and entries: ids are the mailboxes that may have
 * changed, ascending. Rows then show the version, but for their counts; where those are
 * watched, rows are marked. False: it is too much.
 */
bool notify_say_lists(const struct notify_look *look, struct visible *visible,
                      const uint32_t *ids, size_t n, struct buf *out);
/* RFC 5465 3.1: the mailbox is seen, and what is watched of it may not be. */
void notify_say_no_access(const struct notify_look *look, const struct notify_row *row,
                          struct buf *out);

#endif
