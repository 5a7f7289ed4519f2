/*
 * gate_local.h - connections of this host's mail server: what gate_local.c (their life),
 * gate_sasl.c and gate_socketmap.c (what is said) share.
 *
 * A connection stays as long as the mail server's process: no time limit holds for it, but one
 * for each exchange that waits for its client. A question is a struct gate_ask from when it
 * comes until it is answered; its id is what auth knows it by, and is never used twice. While
 * GATE_ASKS_MAX are open, or answers wait to be taken, nothing more is read.
 *
 * A function that may have ended a connection leaves it `dead`, never freed.
 */
#ifndef ROOST_ROLES_GATE_LOCAL_H
#define ROOST_ROLES_GATE_LOCAL_H

#include "net/stream.h"
#include "roles/gate_state.h"

#define GATE_ASKS_MAX      64u /* questions at once of one connection */
#define GATE_ASK_SEC       120 /* from the question to its answer, the client's part included */
#define GATE_LOCAL_OUT_MAX ((size_t) 256 << 10) /* answers to all that may be open fit */

struct gate_local {
    struct link link; /* in gate->locals, or gate->dead_locals */
    struct gate *gate;
    enum listener_kind kind; /* SASL or SOCKETMAP */
    struct stream stream;
    struct loop_fd watch;
    struct list asks;
    size_t n_asks;
    bool told_version; /* SASL: it is one that we can talk with */
    bool dead;
};

struct gate_ask {
    struct link link; /* in local->asks */
    struct gate_local *local;
    uint64_t id;
    uint32_t number; /* SASL: the mail server's name for it */
    bool asked;      /* auth has it; else the client's answer is awaited */
    struct timer timer;
};

/* Neither reads nor writes any more. */
void gate_local_drop(struct gate_local *local);
/* A question, under an id of its own; its time runs. */
struct gate_ask *gate_ask_new(struct gate_local *local);
/* Auth forgets the exchange; the question stays. */
void gate_ask_cancel(const struct gate_ask *ask);
/* Answered, or nobody waits for the answer. */
void gate_ask_free(struct gate_ask *ask);

/* gate_sasl.c */
void gate_sasl_greet(struct gate_local *local);
/* Take one line from input; 0: none is whole. The connection may be dead afterwards. */
size_t gate_sasl_take(struct gate_local *local, struct slice input);
void gate_sasl_message(struct gate_ask *ask, const struct msg *msg);
/* The client did not answer in time. */
void gate_sasl_too_late(struct gate_ask *ask);

/* gate_socketmap.c, the same */
size_t gate_socketmap_take(struct gate_local *local, struct slice input);
void gate_socketmap_message(struct gate_ask *ask, const struct msg *msg);
void gate_socketmap_too_late(struct gate_ask *ask);

#endif
