/*
 * keys_client.h - asks the role keys to sign, from a process that serves TLS.
 *
 * The question is put and answered within a handshake's step, in the loop's thread. The wait is
 * bounded: who once waited KEYS_ANSWER_MS in vain asks no more, until that answer has come
 * after all or a new channel is there; handshakes fail at once meanwhile and everybody else is
 * served (docs/decisions/keys-role.md).
 */
#ifndef ROOST_ROLES_KEYS_CLIENT_H
#define ROOST_ROLES_KEYS_CLIENT_H

#include "ipc/channel.h"
#include "net/loop.h"
#include "net/tls.h"

#define KEYS_ANSWER_MS 1000 /* 64 gates with RSA-4096 wait 300 ms for each other */

struct keys_client {
    struct loop *loop;
    enum role self;
    struct channel *channel; /* NULL: keys is not there now */
    struct loop_fd watch;
    uint64_t last; /* request */
    bool late;     /* `last` is still unanswered */
    bool said;     /* that it is late, or not there */
};

void keys_client_init(struct keys_client *client, struct loop *loop, enum role self);
/* Takes fd (-1: none) in place of the channel before. */
void keys_client_connect(struct keys_client *client, int fd);
void keys_client_done(struct keys_client *client);
/* The client stays where it is. */
struct tls_signer keys_client_signer(struct keys_client *client);

#endif
