/*
 * load.h - what the scenarios of load have in common.
 *
 * A scenario is a table row: how many clients and operations, and the functions that a client
 * (a thread with a user and a connection of its own) calls in turn: prepare, then n_ops times
 * before (not timed) and run (timed), then finish, which checks what the server has now.
 */
#ifndef ROOST_BENCH_LOAD_H
#define ROOST_BENCH_LOAD_H

#include <pthread.h>
#include <sys/types.h>

#include "mailbag.h"
#include "wire.h"

#define CLIENTS_MAX   64
#define POOL_MESSAGES 64 /* messages of a fixed size are so many different ones */
#define PER_MESSAGE   SIZE_MAX

struct reading;

struct options {
    const char *host, *password;
    uint16_t imap, imaps, lmtp;
    pid_t pid; /* of the server: 0: its cost is not counted */
    size_t n_ops, n_clients, n_messages, message_bytes; /* 0: the scenario's own */
    int64_t begin_within_us; /* of the first operation's begin others may begin; 0: any time */
    uint64_t ops_per_sec;    /* of all clients, each when it is due; 0: each behind the last */
    uint64_t seed;
    SSL_CTX *tls;           /* NULL: without */
    bool compress, hurries; /* hurries: what the server puts off is not waited for */
};

struct client {
    const struct options *options;
    const struct scenario *scenario;
    pthread_barrier_t *start;
    pthread_t thread;
    size_t n_ops, n_messages; /* n_ops: fewer where time was up, after run */
    struct mailbag bag;
    struct wire wire;
    struct buf message;
    struct buf pool[POOL_MESSAGES]; /* of a bag whose messages have a fixed size */
    uint32_t uid;                   /* of the last message appended */
    uint64_t n_bytes;               /* of mail that went over the wire in run */
    uint64_t n_received;            /* on the wire in run, below compression and TLS */
    uint32_t *took_us;              /* by operation */
    uint64_t hash;                  /* of the last answer: see load_read.c */
    const struct reading *reading;  /* load_read.c */
    bool has_filled;                /* a mailbox, in prepare */
    size_t number, n_clients;       /* 0.., of so many */
    pthread_barrier_t *together;    /* of all clients, for prepare */
    int64_t measured_us;            /* by run itself; -1: not */
    bool has_pss;
    double pss_kib; /* of a session, if run measures it; may be none or less among few */
    void *own;      /* the scenario's */
};

struct scenario {
    const char *name;
    unsigned first_user;
    size_t n_clients, n_ops, n_messages, message_bytes; /* message_bytes 0: mixed mail */
    size_t n_units; /* that one operation counts for; PER_MESSAGE: n_messages */
    bool writes;    /* what the server puts off belongs to its cost */
    void (*prepare)(struct client *client);
    void (*before)(struct client *client, size_t op); /* or NULL */
    void (*run)(struct client *client, size_t op);
    void (*finish)(struct client *client);
};

/* A table a file of scenarios; ends with a row without name. */
extern const struct scenario write_scenarios[];
extern const struct scenario read_scenarios[];
extern const struct scenario search_scenarios[];
extern const struct scenario change_scenarios[];
extern const struct scenario crowd_scenarios[];

/* Connected to IMAP as the options say, and logged in. */
void client_log_in(struct client *client);
void client_open_imap(struct client *client, struct wire *wire);

/* ---- mailboxes (load_mailbox.c) ---- */

/* Made afresh and filled with the bag's messages 1 to n_messages, by pipelined APPENDs. */
void mailbox_refill(struct client *client, const char *mailbox);
/* Empty and new. */
void mailbox_make(struct client *client, const char *mailbox);
/* Filled by MULTIAPPEND, with flags and dates as mail_facts() says. */
void mailbox_fill_mixed(struct client *client, const char *mailbox);
/* Left as they are if they hold n_messages with the UIDs of the first filling. */
void mailbox_ensure_mixed(struct client *client, const char *mailbox);
void mailbox_ensure_sized(struct client *client, const char *mailbox);
/* "pristine", which nobody reads, and its copy "big", which is read. */
void mailbox_ensure_big(struct client *client);
/* A new mailbox with a copy of all messages of another, so that nothing is known of it yet. */
void mailbox_copy(struct client *client, const char *from, const char *to);
/* STATUS item of it. */
uint32_t mailbox_status(struct client *client, const char *mailbox, const char *item);
void mailbox_expect(struct client *client, const char *mailbox, uint64_t n_messages);

/* APPEND of message `number` of the bag into "load"; its OK is checked by check_append. */
void append_send(struct client *client, const char *mailbox, uint32_t number);
void append_check(struct client *client, struct slice text);

/* SELECT, and the EXISTS it must tell. */
void client_select(struct client *client, const char *mailbox, uint64_t n_messages);
/* Valid until the next is made. */
struct slice client_message(struct client *client, uint32_t number);

/* ---- delivery (load_write.c): over client->wire ---- */

void lmtp_open(struct client *client);
/* To uN: message `number` of the bag; its 250 is due. */
void lmtp_deliver(struct client *client, unsigned user, uint32_t number);
void lmtp_quit(struct client *client);

void scenario_nothing(struct client *client);
void scenario_log_out(struct client *client);

#endif
