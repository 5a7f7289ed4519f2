/*
 * mail_stream.h - mailboxes and messages as a stream of frames, inside the data of the control
 * verbs "import" and "export". [contract: docs/formats/mail-stream.md]
 *
 * A frame has a head; the head of a message is followed by its bytes. Both sides use the same
 * encoder and the same reader, which takes the stream in pieces of any cut and hands out whole
 * heads and parts of bodies.
 *
 * Memory: what a head points to lives until the next head.
 */
#ifndef ROOST_IPC_MAIL_STREAM_H
#define ROOST_IPC_MAIL_STREAM_H

#include "base/arena.h"
#include "base/buf.h"

#define MAIL_HEAD_MAX_BYTES ((size_t) 128 << 10)
#define MAIL_KEYWORDS_MAX   256u
#define MAIL_KEY_BYTES      16u

enum mail_frame_kind {
    MAIL_MAILBOX = 'M',    /* the mailbox that follows; messages name it by its number */
    MAIL_MESSAGE = 'A',    /* one message; its bytes follow */
    MAIL_SUBSCRIBED = 'S', /* a subscribed name */
    MAIL_RIGHTS = 'R',     /* an entry of a mailbox's access control list */
    MAIL_METADATA = 'D',   /* an entry of a mailbox's metadata, or of the account's */
    MAIL_ANNOTATION = 'N', /* an entry beside the message that comes next */
};

enum mail_annotation_of { MAIL_OF_EVERYBODY, MAIL_OF_OWNER, MAIL_OF_READER };

struct mail_frame {
    enum mail_frame_kind kind;
    struct slice
        name; /* MAILBOX, SUBSCRIBED: UTF-8; RIGHTS: identifier; METADATA, ANNOTATION: entry */
    struct slice value;            /* RIGHTS: the rights; METADATA, ANNOTATION: the value */
    bool of_mailbox;               /* METADATA: of `mailbox`; else the account's own */
    uint32_t uidvalidity, uidnext; /* MAILBOX; 0: not known */
    bool subscribe;                /* MAILBOX: if it is made */
    uint32_t special_use;          /* MAILBOX: enum special_use, if it is made */
    uint32_t mailbox; /* MESSAGE, RIGHTS, METADATA: the how-manyth MAILBOX frame, from 0 */
    uint32_t uid;     /* 0: any */
    uint8_t flags;    /* enum msg_flag of account/types.h */
    int64_t date;     /* INTERNALDATE, unix seconds */
    int16_t zone_min;
    uint8_t key[MAIL_KEY_BYTES];    /* the message's EMAILID; zeros: none; ANNOTATION: its */
    uint8_t thread[MAIL_KEY_BYTES]; /* its THREADID; zeros: given later */
    int64_t savedate;               /* 0: when it is taken in */
    struct slice keywords[MAIL_KEYWORDS_MAX];
    size_t n_keywords;
    enum mail_annotation_of whose; /* ANNOTATION */
    uint64_t reader;               /* ANNOTATION of a reader: the account */
    uint32_t size;                 /* bytes that follow the head */
};

/* The head, with what says that it is one. The body's bytes are the caller's to send. */
void mail_frame_encode(struct buf *out, const struct mail_frame *frame);

struct mail_stream;

struct mail_stream_events {
    /* Anything but RC_OK ends mail_stream_feed(). */
    enum rc (*frame)(void *ctx, const struct mail_frame *frame, struct err *err);
    /* Bytes of the last message. end: they are complete; comes once for each message. */
    enum rc (*body)(void *ctx, struct slice bytes, bool end, struct err *err);
};

struct mail_stream *mail_stream_new(const struct mail_stream_events *events, void *ctx);
void mail_stream_free(struct mail_stream *stream);
/* RC_SYNTAX: no such stream; others: from an event. Use it no more then. */
MUST_CHECK enum rc mail_stream_feed(struct mail_stream *stream, struct slice bytes,
                                    struct err *err);
/* Between two frames: a good place to end. */
bool mail_stream_at_end(const struct mail_stream *stream);

#endif
