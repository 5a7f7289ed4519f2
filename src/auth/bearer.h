/*
 * bearer.h - the messages in which a mail program sends an access token.
 *
 * Spec: OAUTHBEARER, RFC 7628 3.1 (its gs2-header: RFC 5801 4); XOAUTH2, as Google and
 * Microsoft document it: the same pairs without a gs2-header, with "user" among them.
 *
 *     n,a=anna@example.org,^Ahost=mail.example.org^Aport=993^Aauth=Bearer TOKEN^A^A
 *     user=anna@example.org^Aauth=Bearer TOKEN^A^A
 *
 * Both end a failure the same way: the server sends a challenge that says why, in JSON, and the
 * client answers it with ^A or with nothing, and hears the refusal then.
 *
 * Slices of a message point into the octets it was read from.
 */
#ifndef ROOST_AUTH_BEARER_H
#define ROOST_AUTH_BEARER_H

#include "auth/name.h"
#include "base/buf.h"

#define BEARER_TOKEN_MAX_BYTES (16u << 10) /* Entra's with 200 groups have some 8 KiB */
#define BEARER_PAIRS_MAX       8u          /* four are known */

enum bearer_form { BEARER_RFC7628, BEARER_XOAUTH2 };

struct bearer {
    uint16_t user_len;
    char user[AUTH_NAME_MAX_BYTES]; /* as whom the client wants to act; empty: as who it is */
    struct slice token;
    struct slice host; /* empty: not said */
};

/* RC_SYNTAX, RC_LIMIT. */
MUST_CHECK enum rc bearer_parse(struct slice message, enum bearer_form form, struct bearer *out,
                                struct err *err);
/* Append the challenge that says that the token is not good. */
void bearer_print_failure(struct buf *out, enum bearer_form form);

#endif
