/*
 * keys_client.h - asks the role keys to sign, from a process that serves TLS.
 *
 * The question is put and answered within a handshake's step, in the thread that computes it.
 * The wait is bounded: who once waited KEYS_ANSWER_MS in vain asks no more, until that answer
 * has come after all or a new channel is there; handshakes fail at once meanwhile
 * (docs/decisions/keys-role.md).
 *
 * One thread asks; another, which hears of a new `keys`, may connect at any time.
 */
#ifndef ROOST_ROLES_KEYS_CLIENT_H
#define ROOST_ROLES_KEYS_CLIENT_H

#include <pthread.h>

#include "ipc/channel.h"
#include "net/tls.h"

#define KEYS_ANSWER_MS 1000 /* 64 gates with RSA-4096 wait 300 ms for each other */

struct keys_client {
    enum role self;
    pthread_mutex_t lock;
    struct channel *next;    /* lock; to be used from the next question on */
    bool has_next;           /* lock; next is news, also if it is NULL */
    struct channel *channel; /* the asker's, as all below; NULL: keys is not there now */
    uint64_t last;           /* request */
    bool late;               /* `last` is still unanswered */
    bool said;               /* that it is late, or not there */
};

void keys_client_init(struct keys_client *client, enum role self);
/* Takes fd (-1: none) in place of the channel before. Any thread. */
void keys_client_connect(struct keys_client *client, int fd);
/* Nobody asks any more. */
void keys_client_done(struct keys_client *client);
/* The client stays where it is. */
struct tls_signer keys_client_signer(struct keys_client *client);

#endif
