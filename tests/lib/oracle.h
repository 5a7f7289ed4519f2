/*
 * oracle.h - an account as slow, obvious arrays, and what each session of it must know.
 *
 * Reader 0 owns it, the others look at what of it is shared with them: by rights of each
 * mailbox (RFC 4314), with a \Seen of their own, unless the mailbox has one for all, and with
 * annotations of their own beside everybody's (RFC 5257).
 *
 * The truth is changed by the test after each command that was answered OK. A view is what one
 * session was told so far: messages in the order of their numbers, those that are gone but not
 * yet told among them. Messages and mailboxes are never freed before the oracle, so pointers to
 * them stay good.
 */
#ifndef ROOST_TESTS_ORACLE_H
#define ROOST_TESTS_ORACLE_H

#include "base/slice.h"

#define ORACLE_NAME_BYTES 48u
#define ORACLE_KEYWORDS   4u
#define ORACLE_SYSTEM     0x1fu /* flags: five system flags as in imap/flags.h ... */
#define ORACLE_KEYWORD(k) (1u << (8 + (k))) /* ... and keywords "k0" to "k3" */
#define ORACLE_READERS    3u
#define ORACLE_RIGHTS     "lrswiten"
#define ORACLE_ENTRIES    4u             /* of annotations; picture.h has names and values */
#define ORACLE_EVERYBODY  ORACLE_READERS /* beside the readers: whose values all see */
#define ORACLE_KEEPERS    (ORACLE_READERS + 1)

/* What one reader was told of a MODSEQ, and of what. */
struct oracle_told {
    unsigned version;      /* grows with each change that this reader's MODSEQ shows */
    uint64_t modseq;       /* the last that was told; 0: none */
    unsigned told_version; /* of that time */
};

/* An entry beside a message, as one reader keeps it or everybody. */
struct oracle_annotation {
    uint8_t value;    /* 0: NIL */
    unsigned changes; /* how often it was changed */
};

struct oracle_message {
    uint32_t uid;
    uint32_t flags;               /* of all, and the owner's \Seen */
    uint32_t own[ORACLE_READERS]; /* \Seen of the others */
    uint64_t marker;              /* says which message its text is; copies share it */
    bool gone;                    /* expunged */
    struct oracle_annotation annotations[ORACLE_KEEPERS][ORACLE_ENTRIES];
    bool moved; /* and is in another mailbox: what it was is not kept here */
    struct oracle_told told[ORACLE_READERS];
    unsigned recent_owner;  /* the selection that was told it first; 0: none yet */
    bool recent_is_unknown; /* the server was started again since it came */
};

struct oracle_mailbox {
    char name[ORACLE_NAME_BYTES];
    bool deleted, renamed;
    uint32_t uidvalidity; /* 0: not told yet */
    uint32_t uidnext;
    struct oracle_message **messages; /* those that are there, by uid */
    size_t n, cap;
    struct oracle_told told[ORACLE_READERS]; /* HIGHESTMODSEQ */
    char rights[ORACLE_READERS][sizeof(ORACLE_RIGHTS)];
    bool shares_seen; /* one \Seen for all, which is the owner's */
};

/* The greatest UIDVALIDITY ever told for a name: a mailbox that is created with that name must
 * have a greater one (RFC 9051 2.3.1.1). */
struct oracle_name {
    char name[ORACLE_NAME_BYTES];
    uint32_t uidvalidity;
    bool subscribed;
};

struct oracle {
    struct oracle_mailbox **mailboxes; /* deleted ones too */
    size_t n, cap;
    struct oracle_name *names;
    size_t n_names, cap_names;
    struct oracle_message **all; /* to free them */
    size_t n_all, cap_all;
};

struct oracle *oracle_new(void);
void oracle_free(struct oracle *oracle);

/* ---- mailboxes ---- */

struct oracle_mailbox *oracle_find(const struct oracle *oracle, const char *name);
bool oracle_has_below(const struct oracle *oracle, unsigned reader, const char *name);
struct oracle_name *oracle_name(struct oracle *oracle, const char *name);
/* Each answers whether the server must do it; if so it is done here. */
bool oracle_create(struct oracle *oracle, const char *name);
bool oracle_delete(struct oracle *oracle, const char *name);
bool oracle_rename(struct oracle *oracle, const char *from, const char *to);

/* ---- rights ---- */

/* Has the reader this right, and "l"? */
bool oracle_may(const struct oracle_mailbox *mailbox, unsigned reader, char right);
/* The mailbox of this name if the reader may see it; else NULL. */
struct oracle_mailbox *oracle_find_for(const struct oracle *oracle, unsigned reader,
                                       const char *name);
/* Flags that the reader may change there. */
uint32_t oracle_settable(const struct oracle_mailbox *mailbox, unsigned reader);
/* One \Seen for all, or each reader's own. */
void oracle_share_seen(struct oracle_mailbox *mailbox, bool on);

/* ---- messages ---- */

/* What the reader sees. */
uint32_t oracle_flags(const struct oracle_mailbox *mailbox,
                      const struct oracle_message *message, unsigned reader);
/* By a reader, who may set some of the flags. */
struct oracle_message *oracle_append(struct oracle *oracle, struct oracle_mailbox *mailbox,
                                     unsigned reader, uint32_t flags, uint64_t marker);
void oracle_expunge(struct oracle_mailbox *mailbox, struct oracle_message *message);
/* The same, when its copy is in another mailbox. */
void oracle_move_away(struct oracle_mailbox *mailbox, struct oracle_message *message);
/* As far as the reader may. */
void oracle_set_flags(struct oracle_mailbox *mailbox, struct oracle_message *message,
                      unsigned reader, uint32_t flags);
/* An entry of a reader's own, or of ORACLE_EVERYBODY. Was it another value? */
bool oracle_annotate(struct oracle_mailbox *mailbox, struct oracle_message *message,
                     unsigned keeper, unsigned entry, uint8_t value);
/* RFC 5257 4.6: what a copy that the reader makes has of the annotations. */
void oracle_copy_annotations(const struct oracle_message *from,
                             const struct oracle_mailbox *target, unsigned reader,
                             struct oracle_message *copy);
size_t oracle_count(const struct oracle_mailbox *mailbox, unsigned reader, uint32_t with,
                    uint32_t without);
/* The server is started again: it may tell \Recent anew. */
void oracle_restarted(struct oracle *oracle);

/* ---- views ---- */

struct oracle_view {
    struct oracle_mailbox *mailbox; /* NULL: none selected */
    bool read_only;
    unsigned selection; /* number of this SELECT, for \Recent */
    uint32_t told_uid;
    struct oracle_message **numbered;
    size_t n, cap;
};

void oracle_view_open(struct oracle_view *view, struct oracle_mailbox *mailbox, bool read_only,
                      unsigned selection);
void oracle_view_close(struct oracle_view *view);
/* What a sync makes of it: new messages are told; those gone are taken out if EXPUNGE may be
 * told. */
void oracle_view_sync(struct oracle_view *view, bool expunges);
bool oracle_view_has_withheld(const struct oracle_view *view);
/* How many messages the session must be told to be \Recent; -1: it cannot be known. */
int64_t oracle_view_recent(const struct oracle_view *view);
/* 0: none of this view. */
uint32_t oracle_view_seq(const struct oracle_view *view, uint32_t uid);
/* Greatest uid of a message that is there and that the session knows of; 0: none. */
uint32_t oracle_view_last_uid(const struct oracle_view *view);

#endif
