/*
 * state.h - an account as it stands after a record: immutable versions, copied on write.
 *
 * Shape (each arrow is a counted reference; everything a published version reaches is
 * immutable):
 *
 *   acct_state -> mailbox directory -> mbox -> mbox_info (name, ids, keywords, ACL, metadata)
 *                                          -> chunks[]  (<= CHUNK_MESSAGES messages each, hot
 * columns)
 *                                               -> cold (size, dates, ids, body id)
 *                                          -> expunged runs with modseq
 *              -> subscriptions, account metadata, quota
 *
 * A writer forks the tip, applies records to the fork (objects that only the fork reaches are
 * changed in place, shared ones are copied first), and publishes it. Rows behind a chunk's
 * published count belong to the writer, so an append at the tip copies nothing: a chunk knows
 * how far it was ever filled, and a fork that is not the newest copies. Readers use a version
 * they hold a reference to, without a lock.
 *
 * A mailbox is loaded or not: the directory always has its info and counts; messages come from
 * pages when somebody asks for one (acct_mbox_load), their cold rows when somebody asks for one
 * of those (acct_cold_load). Appending needs the last chunk only (acct_record_load).
 */
#ifndef ROOST_ACCOUNT_STATE_H
#define ROOST_ACCOUNT_STATE_H

#include "account/record.h"
#include "account/types.h"

#define CHUNK_MESSAGES 4096u

/* What is read only when somebody asks for it. */
struct msg_cold {
    uint32_t size; /* octets */
    int16_t zone_min;
    int64_t internaldate; /* unix seconds */
    int64_t savedate;
    uint64_t body_id;
    struct object_id emailid, threadid;
};

struct acct_state;
struct mbox;

/* One chunk as a reader sees it; valid while the version is held. */
struct chunk_view {
    uint32_t n; /* messages */
    const uint32_t *uid;
    const uint8_t *flags;
    uint64_t modseq_base;
    const uint32_t *modseq_delta; /* MODSEQ_ESCAPE: ask mbox_modseq() */
    const uint64_t *keywords;     /* keyword_words a message; NULL: none has one */
    uint32_t keyword_words;
    const struct msg_cold *cold; /* NULL while they are not in memory (acct_cold_load) */
    const uint16_t *cold_row;    /* message i has cold row cold_row[i]; NULL: row i */
};

#define MODSEQ_ESCAPE UINT32_MAX

/* An ACL entry (identifier, rights) or a metadata entry (name, value). */
struct text_pair {
    struct slice key, value;
};

struct quota_limit {
    struct slice resource;
    uint64_t limit;
};

/* A transfer between accounts that is under way (reserved: kept as it came). */
struct xfer_entry {
    enum record_type type; /* RECORD_XFER_OUT or RECORD_XFER_IN */
    uint64_t peer_account, transfer_id;
    struct slice payload;
};

#define KEYWORD_WORDS (KEYWORDS_MAX / 64)

/* One reader's private flags of one message. Only messages the reader ever touched have a row.
 */
struct overlay_row {
    uint32_t uid;
    uint8_t flags;
    uint64_t modseq;
    uint64_t keywords[KEYWORD_WORDS]; /* bit i % 64 of word i / 64: keyword i of the mailbox */
};

/* What a mailbox is, without its messages. Lives as long as the mbox it was asked of. */
struct mbox_info {
    uint32_t id; /* local, never reused */
    struct object_id mailboxid;
    struct slice name; /* UTF-8 NFC */
    uint32_t uidvalidity;
    uint32_t special_use;
    const struct slice *keywords; /* by index */
    size_t n_keywords;
    const struct text_pair *acl; /* in byte order of identifiers */
    size_t n_acl;
    const struct text_pair *metadata; /* in byte order of entry names */
    size_t n_metadata;
    bool was_inbox; /* made when INBOX was renamed; known while it is in memory only */
};

/* What STATUS and LIST ask; known whether or not the messages are loaded. */
struct mbox_counts {
    uint32_t messages, unseen, deleted;
    uint32_t uidnext;
    uint32_t first_recent; /* uids from here on were told to no session as \Recent */
    uint64_t bytes;
    uint64_t bytes_deleted;    /* of messages with \Deleted (RFC 9208 DELETED-STORAGE) */
    uint64_t highestmodseq;    /* never 0 */
    uint64_t expunged_below;   /* expunges at or below this modseq are no longer remembered */
    uint64_t annotation_bytes; /* of all readers, with some for each row and entry */
};

/* ---- versions ---- */

/* An account without mailboxes, before its first record. Position 0. */
struct acct_state *acct_state_new(uint64_t account_id);
struct acct_state *acct_ref(const struct acct_state *state);
void acct_unref(struct acct_state *state);
void acct_unrefp(struct acct_state **state);

/* A private copy to apply records to. Costs a few pointers, not the account. */
struct acct_state *acct_fork(const struct acct_state *base);

/*
 * Would this record apply? RC_CORRUPT and a reason if not. Used on records that come from a
 * journal; for our own the transaction has checked everything before. RC_UNAVAILABLE: the
 * something of it must come into memory first (acct_record_load, pages.h).
 */
MUST_CHECK enum rc acct_check(const struct acct_state *state, const struct record *record,
                              struct err *err);
/* Apply to a fork. Cannot fail; a record that acct_check refuses ends the process. */
void acct_apply(struct acct_state *fork, const struct record_group *group,
                const struct record *record);
/* Does the change concern the bytes of messages with \Deleted, so that it needs their sizes? */
bool acct_flags_count_bytes(const struct record_flags *record);

/* The journal position this version stands for; 0: nothing committed yet. Set once, before
 * publishing. */
uint64_t acct_position(const struct acct_state *state);
void acct_set_position(struct acct_state *fork, uint64_t position);

uint64_t acct_id(const struct acct_state *state);
uint64_t acct_modseq(const struct acct_state *state);       /* the greatest given so far */
uint64_t acct_next_body_id(const struct acct_state *state); /* ids from here on are free */
uint32_t acct_next_mailbox_id(const struct acct_state *state);

/* ---- mailboxes ---- */

size_t acct_mailbox_count(const struct acct_state *state);
/* In order of names (byte order of the UTF-8, INBOX first). at < count. */
const struct mbox *acct_mailbox_at(const struct acct_state *state, size_t at);
/* NULL if there is none. name is NFC; INBOX in any case is INBOX. */
const struct mbox *acct_mailbox_by_name(const struct acct_state *state, struct slice name);
const struct mbox *acct_mailbox_by_id(const struct acct_state *state, uint32_t id);
const struct mbox *acct_mailbox_by_mailboxid(const struct acct_state *state,
                                             const struct object_id *mailboxid);
/* Position of the first mailbox name >= name in acct_mailbox_at's order: children of "a" start
 * at "a/". */
size_t acct_mailbox_lower_bound(const struct acct_state *state, struct slice name);

const struct mbox_info *mbox_info(const struct mbox *mbox);
/* A new mailbox of a fork is what INBOX was renamed to: said of it (RFC 5465 5.4), nothing
 * else. No record tells of it. */
void acct_note_was_inbox(struct acct_state *fork, uint32_t mbox_id);
const struct mbox_counts *mbox_counts(const struct mbox *mbox);
bool mbox_is_loaded(const struct mbox *mbox);
/* Is the last chunk in memory, if there is one? */
bool mbox_has_tail(const struct mbox *mbox);
/* Same object in both versions: nothing of it changed. */
struct mbox *mbox_ref(const struct mbox *mbox);
void mbox_unref(struct mbox *mbox);
void mbox_unrefp(struct mbox **mbox);

/* Index of a keyword, ASCII case ignored; -1 if the table lacks it. */
int mbox_keyword_index(const struct mbox *mbox, struct slice name);

/* ---- All: the mailbox with the special use \All, all.h ---- */

/* NULL: the account has none. */
const struct mbox *acct_all(const struct acct_state *state);
bool mbox_info_is_all(const struct mbox_info *info);
/* Are the mailbox's messages in All? There is one then, and the mailbox is another, without
 * \Trash and \Junk. */
bool acct_counts_in_all(const struct acct_state *state, const struct mbox *mbox);
/* Where a message of All, which is loaded, lives. */
struct message_home {
    uint32_t mbox, uid;
};
struct message_home mbox_home(const struct mbox *all, uint32_t index);
/* The uid in All of a message of a loaded mailbox that counts. */
uint32_t mbox_all_uid(const struct mbox *home, uint32_t index);
/* Has All a uid and a place for every message that the record brings it? */
bool acct_all_has_room(const struct acct_state *state, const struct record *record);

/* ---- messages of a loaded mailbox; index = 0..messages-1 in uid order ---- */

/* Index of the first message with uid >= this one; counts->messages if there is none. O(log n).
 */
uint32_t mbox_lower_bound(const struct mbox *mbox, uint32_t uid);
/* False if there is no such message. */
bool mbox_find(const struct mbox *mbox, uint32_t uid, uint32_t *out_index);
uint32_t mbox_uid(const struct mbox *mbox, uint32_t index);
uint8_t mbox_flags(const struct mbox *mbox, uint32_t index);
uint64_t mbox_modseq(const struct mbox *mbox, uint32_t index);
/* The row is in memory: acct_cold_load() was asked for it, or it came with a record. */
const struct msg_cold *mbox_cold(const struct mbox *mbox, uint32_t index);
bool mbox_has_cold(const struct mbox *mbox, uint32_t index);
bool mbox_has_keyword(const struct mbox *mbox, uint32_t index, uint16_t keyword);
/* Indexes of the message's keywords, ascending, into out (room for KEYWORDS_MAX); their number.
 */
size_t mbox_keywords(const struct mbox *mbox, uint32_t index, uint16_t *out);

size_t mbox_chunk_count(const struct mbox *mbox);
struct chunk_view mbox_chunk(const struct mbox *mbox, size_t chunk);
/* How many rows from this one on have a uid up to last; this one has. */
uint32_t chunk_rows_up_to(const struct chunk_view *chunk, uint32_t row, uint32_t last);
/* Index of the chunk's first message. */
uint32_t mbox_chunk_start(const struct mbox *mbox, size_t chunk);
size_t mbox_chunk_of(const struct mbox *mbox, uint32_t index);
/* Greatest modseq in the chunk: CHANGEDSINCE and sync skip whole chunks by it. */
uint64_t mbox_chunk_modseq(const struct mbox *mbox, size_t chunk);

/* Uids expunged with a modseq above this one and at most up_to_uid, ascending. */
struct uid_set mbox_expunged_since(const struct mbox *mbox, uint64_t modseq, uint32_t up_to_uid,
                                   struct arena *arena);

/* Runs remembered for mbox_expunged_since(). Where they are more than EXPUNGED_RUNS_MAX, the
 * next transaction adds a PURGE record with mbox_purge_due()'s modseq; 0: none is due. */
size_t mbox_expunged_runs(const struct mbox *mbox);
uint64_t mbox_purge_due(const struct mbox *mbox);

/* First message with \Seen unset, as SELECT's [UNSEEN] of RFC 3501 wants it; count if none.
 * Known of a loaded mailbox, and of one that is not where its pages say it. */
bool mbox_knows_first_unseen(const struct mbox *mbox);
uint32_t mbox_first_unseen(const struct mbox *mbox);
/*
 * How many messages have a uid of this run. False: it takes the messages, which are not loaded.
 * The counts settle it where nothing was ever expunged, and where the run has all uids there
 * were; the chunks in memory, of uids from their first on.
 */
bool mbox_count_run(const struct mbox *mbox, struct uid_run run, uint32_t *out);

/* ---- private flags: an overlay for each (mailbox, reader); the mailbox must be loaded ---- */

/*
 * What a reader sees of a message whose flags are private to each reader is the reader's own
 * row (none: no flags), with MODSEQ = max(shared, own row). Which flags are private is the
 * mailbox layer's rule. A private change raises the account's modseq, not the mailbox's
 * highestmodseq: nobody else hears of it.
 */
size_t mbox_overlay_count(const struct mbox *mbox); /* readers that have an overlay here */
uint64_t mbox_overlay_reader(const struct mbox *mbox, size_t at); /* ascending */
/* Rows by uid, ascending, in pieces: those of piece at; NULL and 0 behind the last. Live as
 * long as the mbox. */
const struct overlay_row *mbox_overlay_piece(const struct mbox *mbox, uint64_t reader,
                                             size_t at, size_t *out_count);
/* Rows with FLAG_SEEN. */
size_t mbox_overlay_seen(const struct mbox *mbox, uint64_t reader);
/* NULL: no row. */
const struct overlay_row *mbox_overlay_find(const struct mbox *mbox, uint64_t reader,
                                            uint32_t uid);
/* Greatest modseq of the reader's rows, 0 if there are none: this reader's HIGHESTMODSEQ is
 * max(shared, this). Never falls while the mailbox lives. */
uint64_t mbox_overlay_modseq(const struct mbox *mbox, uint64_t reader);

/* ---- annotations (RFC 5257): entries beside messages; the mailbox must be loaded ---- */

/*
 * Entries of a message are everybody's (reader 0) or one reader's own. A change of everybody's
 * raises the message's MODSEQ. What a reader changes of the own ones raises the account's
 * modseq only: the reader's MODSEQ of the message is max(shared, that of the own entries), and
 * nobody else hears of it. A deleted entry stays as nil with the modseq of its deletion, for a
 * while.
 */
/* In byte order of names, nil ones among them; NULL and 0 if there are none. Lives as long as
 * the mbox. */
const struct annotation *mbox_annotations(const struct mbox *mbox, uint32_t uid,
                                          uint64_t reader, size_t *out_n);
/* The entry, unless there is none or it is nil. */
const struct annotation *mbox_annotation(const struct mbox *mbox, uint32_t uid, uint64_t reader,
                                         struct slice entry);
/* Greatest modseq of the reader's entries beside the message; 0: there were none. */
uint64_t mbox_annotation_modseq(const struct mbox *mbox, uint32_t uid, uint64_t reader);
/* The same over all messages, of a reader above 0: this reader's HIGHESTMODSEQ is
 * max(shared, this). */
uint64_t mbox_annotations_modseq(const struct mbox *mbox, uint64_t reader);
/* Messages beside which an entry of the reader changed above this modseq, ascending. Work is
 * that of what changed, and a step for each 128 messages with annotations. */
struct uid_set mbox_annotated_since(const struct mbox *mbox, uint64_t reader, uint64_t modseq,
                                    struct arena *arena);
/* Who has entries beside the message, 0 among them: ascending, in arena. */
size_t mbox_annotation_readers(const struct mbox *mbox, uint32_t uid, struct arena *arena,
                               const uint64_t **out);
/* Bytes of what a COPY of these messages takes along: everybody's, if shared, and the reader's;
 * 0: nothing. */
uint64_t mbox_annotations_to_copy(const struct mbox *mbox, const struct uid_set *uids,
                                  bool shared, uint64_t reader);
/* Has the reader entries here, or is there room for one more who does? */
bool mbox_annotations_have_place(const struct mbox *mbox, uint64_t reader);
/* Would the record keep within the limits? Its uids exist. */
enum annotation_limit {
    ANNOTATION_FITS,
    ANNOTATION_TOO_MANY, /* entries beside a message, or bytes in the mailbox */
    ANNOTATION_TOO_BIG,  /* bytes beside a message */
};
enum annotation_limit mbox_annotation_limit(const struct mbox *mbox,
                                            const struct record_annotate *record);

/* ---- the rest ---- */

size_t acct_subscription_count(const struct acct_state *state);
struct slice acct_subscription_at(const struct acct_state *state, size_t at); /* byte order */
bool acct_is_subscribed(const struct acct_state *state, struct slice name);

/* The account's own metadata (RFC 5464), by entry name in byte order. */
size_t acct_metadata_count(const struct acct_state *state);
struct text_pair acct_metadata_at(const struct acct_state *state, size_t at);

size_t acct_quota_count(const struct acct_state *state);
struct quota_limit acct_quota_at(const struct acct_state *state, size_t at);

size_t acct_xfer_count(const struct acct_state *state);
struct xfer_entry acct_xfer_at(const struct acct_state *state, size_t at);

/* Sums over all mailboxes, kept with each version. */
struct acct_usage {
    uint64_t bytes, messages, mailboxes;
    uint64_t annotation_bytes; /* as mbox_counts has them */
};
struct acct_usage acct_usage(const struct acct_state *state);

#endif
