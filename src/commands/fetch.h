/*
 * fetch.h - the inside of a FETCH: its progress, shared by cmd_fetch.c (which messages),
 * fetch_item.c (what of each) and fetch_section.c (their bytes).
 *
 * A FETCH answers message by message. It may pause between items and inside the bytes of a
 * body, so that a client which does not read holds no thread and no more than the reply's pause
 * of memory.
 */
#ifndef ROOST_COMMANDS_FETCH_H
#define ROOST_COMMANDS_FETCH_H

#include "account/kept.h"
#include "commands/annotation_text.h"
#include "commands/cmd.h"
#include "commands/flags_text.h"
#include "imap/seqset.h"
#include "mailbox/message.h"

#define FETCH_BATCH_MESSAGES 64u                  /* set \Seen in one transaction */
#define FETCH_BATCH_BYTES    ((uint64_t) 1 << 20) /* or this many octets of them */
#define FETCH_READ_BYTES     ((size_t) 64 << 10)  /* one read of a body */

struct fetch_row {
    uint32_t seq, uid, index;
    bool seen_now;                   /* this FETCH has set \Seen */
    const struct msg_cold *cold;     /* NULL: nothing that is asked for needs it */
    const struct kept_message *kept; /* expunged, which the client has not heard; NULL: there */
};

/* The bytes of a section being sent: from the message, or from memory. */
struct fetch_stream {
    bool from_memory;
    bool keeps_nul; /* literal8 */
    uint64_t offset, left;
    size_t
        item_start; /* where the item began in the reply; used until the first byte is read */
    bool was_first; /* it is the line's first item */
    bool started;
};

struct fetch_run {
    struct cmd *cmd;
    const struct imap_fetch_args *args;
    struct slice *names;         /* of args->items, as they are answered, a space before them */
    bool *needs_body;            /* of args->items: more than columns answer */
    struct digest_names *fields; /* of args->items that choose among fields of a header */
    const struct mbox *mbox;
    struct message_set set;
    struct flags_text flags;
    bool sets_seen, needs_message, fast;
    bool adds_uid, adds_modseq;   /* asked for or not */
    bool downgrades;              /* the session may be shown RFC 5322 only (RFC 6858) */
    bool is_news;                 /* nobody asked, so there is no tagged answer */
    struct digest_batch *digests; /* of the batch; NULL: no item needs one */
    size_t digests_until;         /* filled for the rows before; behind row_at, or 0 */
    size_t line_bytes; /* about as many has the answer for a row; 0: none is answered */
    bool needs_rows;   /* dates, sizes or bodies of messages */
    uint32_t limited;  /* the lowest uid answered (RFC 9738); 0: all are */
    const struct annotation_query *queries; /* of ANNOTATION items, by item; NULL: none is */
    bool some_gone; /* named by number, expunged, and not kept: the tagged answer says so */
    const struct kept_message **kept; /* those that are: answered behind the others */
    size_t n_kept, kept_at;
    struct err failed; /* the first thing that could not be answered; rc RC_OK: none */
    const char *failed_code;

    size_t set_at; /* the run being walked */
    bool walking;
    struct view_walk walk;
    uint32_t stretch_at, stretch_n; /* of the messages from where the walk stands, answered */

    struct uid_set vanished; /* told before the first message (RFC 7162 3.2.6) */
    size_t vanished_told;

    struct fetch_row rows[FETCH_BATCH_MESSAGES];
    size_t n_rows, row_at;
    uint64_t n_told;      /* messages answered */
    uint64_t seen_modseq; /* of the batch's messages whose \Seen was set */

    /* Of the message being answered. */
    bool line_open, line_empty;
    size_t line_start, item_at;
    struct message *message;
    const struct digest *digest;
    bool streaming;
    struct fetch_stream stream;
    struct buf bytes; /* header fields, or a decoded part */

    struct buf downgraded; /* the uids of which a substitute was shown, as text */
    struct imap_runs downgraded_runs;
    uint32_t last_downgraded;
};

/* Bits of enum imap_fetch_kind: what the columns answer, without the message. */
extern const uint32_t fetch_column_kinds;

/* A FETCH of these messages as the command's cursor; args outlive it. */
struct fetch_run *fetch_begin(struct cmd *cmd, const struct imap_fetch_args *args,
                              const struct message_set *set);
/* It is not asked for by a command but told of new messages: \Seen stays as it is, and the
 * answers name what such must name (RFC 9051 7.5.2, RFC 7162 3.2.4). */
void fetch_as_news(struct fetch_run *run);
/* All of it, without the tagged answer. RC_MORE: the reply is full. */
MUST_CHECK enum rc fetch_go(struct fetch_run *run, struct err *err);

/* Is it answered by more than columns? */
bool fetch_needs_body(const struct fetch_run *run, const struct imap_fetch_item *item);
/* Is it found by the digest? All of a message is its bytes as they lie, unless the digest has
 * to say whether there is a substitute. */
bool fetch_needs_digest(const struct fetch_run *run, const struct imap_fetch_item *item);

/* The whole answer for the row at row_at, from where it stopped. RC_MORE: the reply is full. An
 * error only when the connection must end (cmd->close_now). */
MUST_CHECK enum rc fetch_message(struct fetch_run *run, struct err *err);

/* One BODY[...], BINARY[...] or RFC822 item: opens the stream, or writes NIL. */
void fetch_section_begin(struct fetch_run *run, const struct imap_fetch_item *item);
void fetch_binary_begin(struct fetch_run *run, const struct imap_fetch_item *item);
/* Sends what is left of the stream. */
MUST_CHECK enum rc fetch_stream_go(struct fetch_run *run, struct err *err);

/* Of the message being answered its substitute is shown: the tagged answer says so. */
void fetch_note_downgraded(struct fetch_run *run);
/* The name of an item, with the space before it. */
void fetch_item_name(struct fetch_run *run, const struct imap_fetch_item *item);
/* Remember that something could not be answered. code may be NULL. */
void fetch_failed(struct fetch_run *run, const struct err *err, const char *code);
/* The code for a body that could not be read: expunged by another session and packed away since
 * this version, or NULL. */
const char *fetch_code_of(enum rc rc);

#endif
