/*
 * walk.h - a random walk of several sessions over one account, judged after each step.
 *
 * Two of them are its owner's; the others belong to two users with whom it is shared, by rights
 * that the owner gives and takes, and know its mailboxes by other names.
 *
 * A step is one command of one session. What it must do is done to the oracle as well; what
 * each session was told is drawn into its picture; then the picture must be what the oracle
 * says that this session may know. Everything follows from the seed.
 */
#ifndef ROOST_TESTS_WALK_H
#define ROOST_TESTS_WALK_H

#include "lib/oracle.h"
#include "lib/picture.h"
#include "lib/session_rig.h"

#define WALK_PLAYERS     5u
#define WALK_ANSWERS_MAX 1024u
#define WALK_ARENA_BYTES ((size_t) 1 << 30)

/* A client's copy of a mailbox, from the last time that it selected one. */
struct replica_message {
    uint32_t uid, flags;
};

struct replica {
    const struct oracle_mailbox *mailbox; /* NULL: no copy */
    uint32_t uidvalidity, last_uid;
    uint64_t modseq;
    struct replica_message *messages;
    size_t n;
};

#define WALK_HEARD_MAX 1024u /* names, over a session's life */

/* A mailbox name as a client with NOTIFY knows it. */
struct heard {
    char name[ORACLE_NAME_BYTES];
    bool there, subscribed;
    bool is_stale;   /* it is being left, and not all of it was told */
    bool is_refused; /* \NoAccess */
    uint32_t messages, uidnext, unseen;
};

struct player {
    char letter;
    unsigned reader;             /* of the oracle's; 0: the owner */
    struct rig_session *session; /* NULL: logged out */
    struct picture picture;
    struct oracle_view view; /* mailbox NULL: none selected */
    struct replica replica;  /* with QRESYNC; stays over a logout */
    bool rev2, condstore, qresync, uidonly;
    bool idles;
    bool listens, delayed;    /* NOTIFY, with SELECTED-DELAYED */
    bool hears_annotations;   /* NOTIFY with AnnotationChange */
    bool examines, annotates; /* EXAMINE; SELECT (ANNOTATE) */
    struct heard heard[WALK_HEARD_MAX];
    size_t n_heard;
    char idle_tag[16];
};

struct walk {
    uint64_t seed, random;
    unsigned step, steps;
    unsigned selections;
    uint64_t marker; /* of the newest message */
    bool traces;
    bool may_fail; /* the engine refuses some commits: NO and nothing done is right then */
    struct engine *(*open)(void *ctx);
    void *open_ctx;
    struct rig *rig;
    struct oracle *oracle;
    struct player players[WALK_PLAYERS];
    /* The answers of the running command; in arena, which is reset before each. */
    struct arena *arena;
    struct arena *plan; /* of the running step */
    struct imap_response *answers;
    size_t n_answers;
    const struct imap_response *tagged; /* of the last command in it; NULL: none came */
    struct buf script;                  /* what was sent and answered lately, for a failure */
};

/* ---- walk_names.c: names ---- */

/* How the player's user calls a mailbox; to be sent (in the plan), and as it is told. */
const char *walk_name(struct walk *walk, const struct player *player, const char *name);
const char *walk_told_name(struct walk *walk, const struct player *player, const char *name);
/* The other way round, in the arena; empty: it is no name in the oracle's account. */
const char *walk_owner_name(struct walk *walk, const struct player *player, struct slice told);

/* ---- walk_talk.c: sending, reading, judging ---- */

_Noreturn void walk_fail(struct walk *walk, const struct player *player, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* 0..n-1 */
uint32_t walk_random(struct walk *walk, uint32_t n);
void walk_login(struct walk *walk, struct player *player);
void walk_logout(struct player *player);

/* Send, and read every answer into walk->answers; tag is the last command's. */
void walk_say(struct walk *walk, struct player *player, const char *tag, struct slice bytes);
/* Read what an idling session is told. */
void walk_listen(struct walk *walk, struct player *player);

/*
 * Did the command succeed, when it should (or not)? True: do it to the oracle, too. A session
 * whose mailbox is deleted must be ended instead: then *gone.
 */
bool walk_outcome(struct walk *walk, struct player *player, bool should_succeed);
/* After BYE: the session is replaced by a new one. False: it goes on. */
bool walk_was_ended(struct walk *walk, struct player *player);
/* Draw the answers; the session then knows what the oracle says. */
void walk_judge(struct walk *walk, struct player *player, bool expunges);

/* Is it told which entries others have changed (RFC 5257 4.4, RFC 5465 5.1)? */
bool walk_watches_annotations(const struct player *player);

/* Numbers of a set as it stands on the wire, in the order written; in the arena. */
struct slice walk_code(const struct walk *walk, const char *code);
size_t walk_expand(struct walk *walk, struct slice set, uint32_t **out);

void walk_note_uidvalidity(struct walk *walk, struct player *player,
                           struct oracle_mailbox *mailbox, uint64_t uidvalidity);
void walk_note_highest(struct walk *walk, struct player *player, struct oracle_mailbox *mailbox,
                       uint64_t modseq);

/* ---- walk_resync.c: the copy ---- */

void replica_clear(struct replica *replica);
void replica_take(struct player *player, const struct oracle_mailbox *mailbox, uint64_t modseq);
/* "QRESYNC (...)" */
const char *replica_parameter(struct walk *walk, const struct player *player);
/* What SELECT has told, done to the copy: it must be what is there. */
void replica_resync(struct walk *walk, struct player *player);

/* ---- walk_notify.c: what a client with NOTIFY hears of ---- */

/* A new session may ask for it. */
void walk_notify_begin(struct walk *walk, struct player *player);
/* Before a step of its own. */
void walk_notify_before(struct walk *walk, struct player *player);
/* Those who idle, or asked for it, hear of everything at once, which is judged. own: it was the
 * player's own step. */
void walk_hear(struct walk *walk, struct player *player, bool own);
/* It has heard what there was, which was judged; own: its own step went before. */
void walk_notify_heard(struct walk *walk, struct player *player, bool own);

/* ---- walk_select.c, walk_messages.c, walk_annotations.c, walk_names.c: the steps ---- */

typedef void walk_step_fn(struct walk *walk, struct player *player);

walk_step_fn walk_select, walk_unselect, walk_noop, walk_idle, walk_done, walk_pipeline;
walk_step_fn walk_fetch, walk_fetch_body, walk_store, walk_copy, walk_expunge, walk_search;
walk_step_fn walk_annotate, walk_look_at_annotations, walk_search_annotations;
walk_step_fn walk_append, walk_create, walk_delete, walk_rename, walk_subscribe;
walk_step_fn walk_list, walk_status, walk_share;

/* The whole walk. Ends the process with the seed and the last dialogues if it goes wrong. */
void walk_run(struct walk *walk);

#endif
