/*
 * control.h - the protocol between the `roost` command line and a running role, over a
 * SEQPACKET unix socket in DATA/run/ (mode 0600, SO_PEERCRED checked).
 *
 * Contract: docs/formats/ipc.md, "Control sockets". One request at a time: a verb with fields
 * goes in, then data if the verb takes some; rows, progress and data come out, and one end with
 * an rc. Both sides are bounded; the server believes nothing but the peer's uid.
 *
 * Server, table-driven: a role has a `struct control_verb` table and calls control_serve() when
 * a connection is readable. A verb's `run` answers at once, or keeps the connection and answers
 * later; until control_end() no further request is read.
 *
 * Memory: fields and bytes handed to a verb, and replies handed to the client, live until the
 * next packet is read on that connection.
 */
#ifndef ROOST_IPC_CONTROL_H
#define ROOST_IPC_CONTROL_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/scan.h"

#define CONTROL_PACKET_MAX  (128u * 1024)
#define CONTROL_DATA_MAX    (64u * 1024) /* of one data packet; a longer input is several */
#define CONTROL_FIELDS_MAX  32u
#define CONTROL_KEY_MAX     64u
#define CONTROL_VERB_MAX    64u
#define CONTROL_QUEUE_BYTES ((size_t) 16 << 20) /* answers not read yet, mode CONTROL_QUEUE */
#define CONTROL_STALL_MS    30000 /* a peer that takes nothing for so long is gone */

struct control_field {
    struct slice key, value;
};

struct control_fields {
    struct control_field field[CONTROL_FIELDS_MAX];
    size_t n;
};

#define CONTROL_TEXT(key_, slice_) ((struct control_field){SLICE(key_), (slice_)})

/* The value of the first field of that name; false and an empty slice if there is none. */
bool control_field_get(const struct control_fields *fields, const char *key, struct slice *out);
/* A decimal number. RC_NOT_FOUND, RC_INVALID. */
MUST_CHECK enum rc control_field_u64(const struct control_fields *fields, const char *key,
                                     uint64_t *out, struct err *err);

/* The value, which may not be empty. RC_INVALID. */
MUST_CHECK enum rc control_field_need(const struct control_fields *fields, const char *key,
                                      struct slice *out, struct err *err);

#define CONTROL_NUMBER_BYTES 24u

/* A number as the text of a field, in room. */
struct slice control_u64(char room[CONTROL_NUMBER_BYTES], uint64_t value);
struct slice control_i64(char room[CONTROL_NUMBER_BYTES], int64_t value);

/* ---- server ---- */

struct control_conn;

/* How answers leave: queued and sent as the loop finds the socket writable, or blocking, for a
 * thread that serves one connection. */
enum control_mode { CONTROL_QUEUE, CONTROL_BLOCK };

struct control_verb {
    const char *name;
    void (*run)(struct control_conn *conn, const struct control_fields *fields, void *ctx);
    /* Data that follows the request, in order; NULL: the verb takes none. end: it is complete
     * (bytes is empty then). */
    void (*data)(struct control_conn *conn, struct slice bytes, bool end, void *ctx);
};

/*
 * The next connection waiting at listen_fd. Its uid must be 0, our own effective uid or
 * extra_uid. RC_MORE: none waits; RC_DENIED: a stranger, closed; RC_IO.
 */
MUST_CHECK enum rc control_accept(int listen_fd, uid_t extra_uid, enum control_mode mode,
                                  struct control_conn **out, struct err *err);
/* A connected socket whose peer is known already (tests). Takes fd. */
struct control_conn *control_conn_new(int fd, enum control_mode mode);
/* Ends it; a state that is still set is freed first. */
void control_conn_free(struct control_conn *conn);

/* The request held a secret: its bytes are overwritten, and its fields are gone. */
void control_conn_wipe(struct control_conn *conn);

int control_conn_fd(const struct control_conn *conn);
uid_t control_conn_uid(const struct control_conn *conn);
/* What a verb keeps while its request is open; free_fn is called with it by control_end(),
 * control_conn_free() and when it is replaced. */
void control_conn_set_state(struct control_conn *conn, void *state, void (*free_fn)(void *));
void *control_conn_state(const struct control_conn *conn);

/*
 * Read what has come and call the verbs for it. In mode CONTROL_BLOCK it handles one packet,
 * waiting for it; else all that are there. RC_OK: go on; RC_UNAVAILABLE: the peer is gone;
 * others: it broke the protocol. Free the connection on all but RC_OK.
 */
MUST_CHECK enum rc control_serve(struct control_conn *conn, const struct control_verb *verbs,
                                 size_t n_verbs, void *ctx, struct err *err);
/* CONTROL_QUEUE: while held, answers are queued and none is sent. */
void control_conn_hold(struct control_conn *conn, bool held);
bool control_conn_wants_write(const struct control_conn *conn);
/* CONTROL_BLOCK: fn is called before each control_end() sends its answer. */
void control_conn_before_end(struct control_conn *conn, void (*fn)(void *ctx), void *ctx);
/* RC_MORE: something is left. */
MUST_CHECK enum rc control_conn_flush(struct control_conn *conn, struct err *err);

/*
 * Answers. A failure is remembered by the connection and reported by the next control_serve()
 * or control_conn_flush(), so that verbs read as straight code; a long one asks
 * control_conn_failed() to stop early.
 */
void control_row(struct control_conn *conn, const struct control_field *fields, size_t n);
void control_progress(struct control_conn *conn, uint64_t done, uint64_t total);
void control_data(struct control_conn *conn, struct slice bytes); /* any length */
void control_end(struct control_conn *conn, enum rc rc, const char *text);
/* control_end() with what err says; the detail is for an administrator's eyes here. */
void control_end_err(struct control_conn *conn, const struct err *err);
/* One or the other. */
void control_end_rc(struct control_conn *conn, enum rc rc, const struct err *err);
bool control_conn_failed(const struct control_conn *conn);

/* ---- client, blocking ---- */

struct control;

enum control_reply_kind { CONTROL_ROW, CONTROL_PROGRESS, CONTROL_DATA, CONTROL_END };

struct control_reply {
    enum control_reply_kind kind;
    struct control_fields fields; /* CONTROL_ROW */
    uint64_t done, total;         /* CONTROL_PROGRESS; total 0: not known */
    struct slice bytes;           /* CONTROL_DATA */
    enum rc rc;                   /* CONTROL_END */
    struct slice text;            /* CONTROL_END: for a person */
};

/* RC_NOT_FOUND: no such socket; RC_UNAVAILABLE: nobody listens; RC_DENIED. */
MUST_CHECK enum rc control_connect(const char *path, struct control **out, struct err *err);
void control_free(struct control *control);
void control_freep(struct control **control);

MUST_CHECK enum rc control_request(struct control *control, const char *verb,
                                   const struct control_field *fields, size_t n,
                                   struct err *err);
/* Bytes <= CONTROL_DATA_MAX. RC_MORE: nothing was sent, a reply waits: read it first. */
MUST_CHECK enum rc control_send_data(struct control *control, struct slice bytes,
                                     struct err *err);
/* The input is complete. RC_MORE as above. */
MUST_CHECK enum rc control_send_end(struct control *control, struct err *err);
/* The next reply; timeout_ms -1: for ever. RC_MORE: none in that time. */
MUST_CHECK enum rc control_next(struct control *control, int timeout_ms,
                                struct control_reply *out, struct err *err);

/* ---- the codec, for both and for the fuzz target ---- */

enum control_tag {
    CONTROL_TAG_REQUEST = 'R',
    CONTROL_TAG_ROW = 'W',
    CONTROL_TAG_PROGRESS = 'P',
    CONTROL_TAG_DATA = 'D',
    CONTROL_TAG_DATA_END = 'E',
    CONTROL_TAG_END = 'Z',
};

struct control_packet {
    char tag; /* enum control_tag */
    struct slice verb;
    struct control_reply reply; /* fields also for a request */
};

/* RC_SYNTAX, out as it was, if bytes are no packet of this protocol. */
MUST_CHECK enum rc control_decode(struct slice bytes, struct control_packet *out);
/* False if they are too many or too long for one packet. */
bool control_put_fields(struct buf *out, const struct control_field *fields, size_t n);

#endif
