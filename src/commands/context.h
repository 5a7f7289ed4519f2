/*
 * context.h - results of SEARCH and SORT that are kept and whose changes are told: UPDATE.
 *
 * Spec: RFC 5267 4.3 (UPDATE, NOUPDATE, ADDTO, REMOVEFROM, CANCELUPDATE); RFC 5465 5.1 to 5.3
 * and 7 (what NOTIFY makes of it, FETCH items of new messages).
 *
 * A session without UPDATE has none of this (session->contexts == NULL). A context keeps its
 * keys, and which messages the client was told that meet them: marks for SEARCH
 * (search/uid_marks.h), an order for SORT (search/uid_order.h). It keeps no version.
 *
 * With each sync a context is brought to the version that is told, by what has changed since
 * the one it shows, never by a look at all messages:
 *
 *     context_sync_begin   the view has taken its version: what is expunged leaves the context,
 *                          whether the client may hear EXPUNGE now or not
 *     context_say          REMOVEFROM of those, with the numbers they still have
 *     (sync.c)             EXPUNGE, EXISTS, FETCH
 *     context_sync_go      new messages, those whose MODSEQ has risen, and the few that a key
 *                          may answer otherwise for another reason are asked again: REMOVEFROM,
 *                          ADDTO, with the numbers they have now
 *
 * What may answer otherwise without a change of the message: OLDER and YOUNGER (at a time that
 * is known, struct context.turns), uids up to "*" (the last message), \Recent of an examined
 * mailbox. Message numbers and "$" are frozen (search/kept_key.h).
 *
 * So at each tagged answer, and whenever news are told in IDLE or to a session with NOTIFY, the
 * result that the client holds is that of the same command given again. Of the messages that
 * the client does not know of (NOTIFY without MessageNew) nothing is told.
 *
 * Limits: CONTEXTS_MAX and CONTEXTS_MAX_BYTES a session. Beyond them a command is answered
 * without updates, and a context that grows ends: * NO [NOUPDATE "tag"], in both cases.
 */
#ifndef ROOST_COMMANDS_CONTEXT_H
#define ROOST_COMMANDS_CONTEXT_H

#include "commands/cmd.h"
#include "commands/sorting.h"
#include "search/kept_key.h"
#include "search/uid_order.h"

#define CONTEXTS_MAX        32u                 /* with UPDATE, in one session */
#define CONTEXTS_MAX_BYTES  ((size_t) 16 << 20) /* of all contexts of a session */
#define CONTEXT_ARENA_BYTES ((size_t) 4 << 20)  /* beyond what FETCH items and criteria take */

struct context {
    struct arena *arena; /* what stands here as slices and pointers */
    struct slice tag;
    bool uid;           /* of the command: ADDTO and REMOVEFROM name uids */
    bool names_mailbox; /* of ESEARCH: each answer does (RFC 7377 2.1) */
    struct kept_key key;
    struct sorting sorting;       /* n == 0: SEARCH; the comparator is of both */
    struct imap_fetch_args fetch; /* of new messages (RFC 5465 7); n == 0: nothing */
    uint32_t from_uid;            /* messages below it were not looked at (RFC 9738) */

    /* What it shows. */
    uint64_t modseq;   /* changes up to this one */
    uint32_t last_uid; /* messages up to this one */
    uint32_t star;     /* what "*" meant */
    int64_t now;       /* when OLDER and YOUNGER were asked */
    int64_t turns;     /* when they answer otherwise for some message; INT64_MAX: never */
    struct uid_marks found;
    struct uid_order order;
};

struct contexts {
    struct context *all[CONTEXTS_MAX];
    size_t n;
    uint32_t order_max; /* messages of a sorted one: ORDER_UIDS_MAX; tests make it small */
};

/* Is there an updating command of this tag? */
bool context_is_used(const struct session *session, struct slice tag);
/* The context of a command with UPDATE, before the search: keys are frozen as they are now.
 * NULL: there are too many, or the keys are too large. */
struct context *context_new(const struct cmd *cmd, const struct imap_search_args *args,
                            const struct sorting *sorting, const struct search_scope *scope);
void context_free(struct context *context); /* NULL is allowed */
/*
 * The command has found these, as of the version in the view; ordered: the uids as SORT has
 * them, NULL for SEARCH. From here on changes are told, and the session has the context; else,
 * also for context NULL, * NO [NOUPDATE] is said.
 */
void context_start(struct cmd *cmd, struct context *context, const struct search *search,
                   const uint32_t *ordered);
/* * NO [NOUPDATE] of this command. */
void context_say_refused(struct cmd *cmd);
/* Nothing happens if there is none of this tag. */
void context_cancel(struct session *session, struct slice tag);
/* The mailbox is left. */
void contexts_end(struct session *session);
/* * NO [NOUPDATE "tag"]; the context goes. */
void context_refuse(struct cmd *cmd, size_t at, const char *text);
/* Do all contexts take more than they may? */
bool contexts_are_too_large(const struct session *session);
/* Would a sync look at any context? Cheap; needs no version. */
bool contexts_have_news(const struct session *session);

/* ---- context_sync.c ---- */

/* After view_refresh() and before view_sync(); notes what is to be said in cmd. */
void context_sync_begin(struct cmd *cmd);
/* Say what was noted of the expunged ones. False: the reply is full. */
bool context_say(struct cmd *cmd);
/* The rest, after the changes of messages were told. False: pause, then call again. */
bool context_sync_go(struct cmd *cmd);
/* The command ends, perhaps in the middle. */
void context_sync_done(struct cmd *cmd);

#endif
