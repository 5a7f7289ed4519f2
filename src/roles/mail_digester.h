/*
 * mail_digester.h - mailbox/digester.h answered by the digest processes.
 */
#ifndef ROOST_ROLES_MAIL_DIGESTER_H
#define ROOST_ROLES_MAIL_DIGESTER_H

#include "ipc/digest_client.h"
#include "mailbox/digester.h"

struct mail_digester {
    struct digester digester; /* what mailbox/ gets */
    struct digest_client *client;
};

/* client outlives it. */
void mail_digester_init(struct mail_digester *out, struct digest_client *client);

#endif
