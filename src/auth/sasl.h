/*
 * sasl.h - SASL mechanisms (RFC 4422) as state machines: octets in, a challenge or a claim out.
 *
 * What comes in and goes out is raw: base64 is the gate's (it reads the line, and broken base64
 * is BAD there, RFC 9051 6.2.2), and so is "*", which ends an exchange. Nothing here looks at a
 * database, a clock or a socket; a machine says who somebody claims to be and with which proof,
 * and login.h decides.
 *
 *   START --(initial response, or the empty challenge answered)--> [MORE ...] --> CLAIM
 *                                                            \--> refused (RC_SYNTAX,
 * RC_DENIED)
 *
 * SCRAM needs more of its caller: when sasl_wants_salt() the user is known and sasl_salted()
 * makes the challenge; a claim that is sasl_is_unconfirmed() holds no secret but a proof, and
 * if that is right sasl_confirm() makes a last challenge, whose answer gives the claim again.
 *
 * Mechanisms are rows of one table in sasl.c; a new one is a row and a file.
 */
#ifndef ROOST_AUTH_SASL_H
#define ROOST_AUTH_SASL_H

#include "auth/bearer.h"
#include "auth/scram.h"

/* One response, decoded; bearer tokens are long. */
#define SASL_MESSAGE_MAX_BYTES ((size_t) 64 << 10)

#define SASL_XOAUTH2 "XOAUTH2"

/* The name under which the gate sends IMAP's LOGIN; its message is that of PLAIN. */
#define SASL_LOGIN_COMMAND "LOGIN-COMMAND"
#define SASL_LOGIN         "LOGIN" /* the mechanism: in use where mail is submitted, obsolete */

enum sasl_flags {
    SASL_PLAINTEXT = 1, /* the password itself travels: never without TLS, unless configured */
    SASL_SCRAM = 2,     /* the claim's proof is in sasl->scram, its secret is empty */
    SASL_SHA_1 = 4,     /* for clients that know nothing better, where that is switched on */
    SASL_SUBMISSION_ONLY = 8, /* never at an IMAP login */
    SASL_BEARER = 32,         /* the claim has a token, and no user where none was named */
    SASL_EXTERNAL = 64,       /* who it is was settled outside: sasl_claim_as() */
    SASL_IMAP_ONLY = 16,      /* never for a mail server: what it is made of is IMAP's */
    SASL_GSSAPI = 128,        /* each message is a token for gss; who it is comes from there */
};

struct sasl_mechanism;

/* What a finished exchange says. Wiped by sasl_wipe. */
struct sasl_claim {
    uint16_t user_len, authzid_len;
    char user[AUTH_NAME_MAX_BYTES];
    char authzid[AUTH_NAME_MAX_BYTES]; /* empty: act as user */
    struct auth_secret secret;
    char *token; /* SASL_BEARER, SASL_GSSAPI; NULL: none */
    size_t token_len;
};

struct sasl {
    const struct sasl_mechanism *mechanism;
    struct sasl_claim claim;
    struct scram scram; /* SASL_SCRAM */
    uint16_t server_len;
    char server[AUTH_NAME_MAX_BYTES]; /* the name by which the client reached us; or none */
};

/* RC_NOT_FOUND: no such mechanism. The name compares without case. */
MUST_CHECK enum rc sasl_init(struct sasl *sasl, struct slice mechanism, struct err *err);
/* SASL_EXTERNAL: the user whom the connection's certificate names; before sasl_start.
 * SASL_GSSAPI: the one whose ticket it is, or first whom the client wants to be. */
void sasl_claim_as(struct sasl *sasl, struct slice user);
/* The connection's tls-exporter value; before sasl_start. */
void sasl_bind(struct sasl *sasl, const unsigned char binding[SCRAM_BINDING_BYTES]);
/* The name the client gave to TLS (SNI): what a message says of the server has to agree. */
void sasl_reached_as(struct sasl *sasl, struct slice sni);
unsigned sasl_flags(const struct sasl *sasl);
const char *sasl_name(const struct sasl *sasl);

/*
 * The first message: initial is NULL if the client sent none (RFC 4422 3: then a mechanism in
 * which the client speaks first gets an empty challenge; LOGIN asks first), and points to an
 * empty slice if it sent "=". RC_OK: the claim is complete. RC_MORE: out is the challenge.
 * RC_SYNTAX: refused.
 */
MUST_CHECK enum rc sasl_start(struct sasl *sasl, const struct slice *initial, struct buf *out,
                              struct err *err);
/* The answer to the last challenge. */
MUST_CHECK enum rc sasl_step(struct sasl *sasl, struct slice response, struct buf *out,
                             struct err *err);
/* The user's name is known, and what is sent next depends on it. */
bool sasl_wants_salt(const struct sasl *sasl);
void sasl_salted(struct sasl *sasl, const struct scram_salt *salt, struct buf *out);
/* The claim is complete, but the client waits for proof of who we are before it goes on. */
bool sasl_is_unconfirmed(const struct sasl *sasl);
void sasl_confirm(struct sasl *sasl, const struct scram_keys *keys, struct buf *out);
/* The token is not good: the challenge that says so, whose answer means nothing. */
void sasl_deny_token(const struct sasl *sasl, struct buf *out);
/* The exchange is over: wipes and gives back all but who was named. */
void sasl_forget(struct sasl *sasl);
/* Wipes and gives back. The mechanism's name stays. */
void sasl_wipe(struct sasl *sasl);

struct slice sasl_claim_user(const struct sasl_claim *claim);
struct slice sasl_claim_token(const struct sasl_claim *claim);
struct slice sasl_claim_authzid(const struct sasl_claim *claim);

#endif
