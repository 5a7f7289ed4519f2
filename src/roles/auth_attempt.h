/*
 * auth_attempt.h - a login under way, for the two files that are about it: auth_attempt.c has
 * its way from state to state, auth_attempt_end.c how it ends.
 */
#ifndef ROOST_ROLES_AUTH_ATTEMPT_H
#define ROOST_ROLES_AUTH_ATTEMPT_H

#include "roles/auth_role.h"

enum attempt_state { TALKING, WAITING, ASKING, TOLD, HASHING, DELAYED, CANCELLED };

struct attempt {
    struct link link; /* in auth->hashing */
    struct auth_role *auth;
    struct auth_peer *gate;
    uint32_t instance; /* of the gate */
    uint64_t conn;
    enum attempt_state state;
    enum service service;
    struct ipaddr peer;
    bool known; /* a source that has been in before: auth_known.c */
    uint16_t tls_version;
    uint16_t client_len;
    char client[DEVICE_CLIENT_MAX_BYTES];
    struct sasl sasl;
    struct throttle_key key;
    struct arena *arena; /* what outcome points into */
    struct login_outcome outcome;
    struct auth_token token;
    struct auth_gssapi gssapi;
    int64_t told_delay_us; /* TOLD */
    int64_t claimed_us;    /* when the claim was looked at */
    struct auth_backend_ask ask;
    struct cert_identity certificate; /* SASL_EXTERNAL, or rules ask about it */
    struct buf chain;                 /* the same: what the client has shown */
    uint16_t again_sec;               /* SASL_BEARER: as in IDP_RESULT */
    struct scram_keys keys;           /* of the password that was proved by SCRAM */
    struct timer timer;
    struct auth_slot slot; /* the answer waits for its end */
    struct buf salted;     /* WAITING: SCRAM's challenge with the salt */
    enum auth_code answer; /* DELAYED */
    struct hash_job job;
    bool matched;      /* written by the job */
    struct buf better; /* the same: a new hash of the same password, or empty */
};

static inline bool attempt_is_scram(const struct attempt *attempt)
{
    return (sasl_flags(&attempt->sasl) & SASL_SCRAM) != 0;
}

static inline bool attempt_is_external(const struct attempt *attempt)
{
    return (sasl_flags(&attempt->sasl) & SASL_EXTERNAL) != 0;
}

void attempt_free(struct attempt *attempt);

/* ---- auth_attempt_end.c; the attempt is gone, DELAYED or TOLD behind each ---- */

/* Where and when the login is tried. */
struct login_place attempt_place(const struct attempt *attempt);
/* What the throttle knows a secret by that was right. SCRAM does not show it: the key that only
 * the right one leads to stands for it. */
struct slice attempt_secret(const struct attempt *attempt);
/* The outcome is right: the rules decide, then mail hears of the grant and the gate of the
 * nonce.
 */
void attempt_grant(struct attempt *attempt);
/* Log and count an outcome that is a refusal: how long its answer waits. */
int64_t attempt_count_refusal(const struct attempt *attempt);
/* The same, and answer. */
void attempt_refuse(struct attempt *attempt);
void attempt_refuse_for(struct attempt *attempt, enum login_reason reason);
/* Only the answer is outstanding: in delay_us, and a guess's at the end of a slot. */
void attempt_fail_later(struct attempt *attempt, int64_t delay_us);

#endif
