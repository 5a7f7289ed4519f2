/*
 * auth_watch.c - credentials that somebody else may void while sessions by them live: access
 * tokens whose issuer can be asked (RFC 7662), and client certificates.
 *
 * A grant by one has the number of a watch. While mail has sessions with it, mail says so every
 * five seconds (WATCHED), and that drives everything: an issuer is asked again when its setting
 * `recheck` says (25 s), a certificate is looked at again when the files of authorities or
 * revocations are others. What is void by then is revoked, and mail ends those sessions. So a
 * token that is revoked right behind a question ends its sessions 25 s later, at most 5 s more
 * until mail speaks, and at most 10 s for the answer.
 *
 * An issuer that cannot be reached, and a list that is missing or too old, end no session: they
 * say nothing of this credential. A number that is not known here is one of a process before
 * this one: nobody can look after it any more, and its sessions end.
 *
 * A session may have two such credentials: a token or a password let it in, and rules counted
 * the certificate that was shown beside it. One watch looks after both, and either ends it.
 *
 * What is watched is kept as it came, until mail no longer speaks of it: a token is a secret,
 * and is wiped. One entry serves all sessions of an account by the same credentials.
 */
#include <sodium.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "roles/auth_role.h"

#define DIGEST_BYTES 32u

struct watch {
    uint64_t id;
    uint8_t digest[DIGEST_BYTES]; /* of account, token and chain */
    struct auth_role *auth;
    uint64_t account;
    char *user;                  /* for the log */
    size_t token_len, chain_len; /* 0: it has none */
    char *credentials;           /* the token, behind it the chain as in AUTH_START */
    uint16_t provider;
    uint64_t generation;        /* of the files the chain was looked at with */
    int64_t held_us;            /* mail spoke of it */
    int64_t asked_us, again_us; /* of a token */
    struct auth_ask ask;
};

struct auth_watches {
    struct map *by_id, *by_digest;
    size_t n_bytes, n_asks;
    uint64_t generation; /* of the files all certificates were looked at with */
    struct timer forget, look;
};

static struct auth_watches *watches_of(struct auth_role *auth)
{
    if (auth->watches == NULL) {
        auth->watches = xcalloc(1, sizeof(*auth->watches));
        auth->watches->by_id = map_new();
        auth->watches->by_digest = map_new();
    }
    return auth->watches;
}

static struct slice digest_key(const struct watch *watch)
{
    return slice_of((const char *) watch->digest, sizeof(watch->digest));
}

static struct slice token_of(const struct watch *watch)
{
    return slice_of(watch->credentials, watch->token_len);
}

static struct slice chain_of(const struct watch *watch)
{
    return slice_of(watch->credentials + watch->token_len, watch->chain_len);
}

static void watch_free(struct watch *watch)
{
    size_t len = watch->token_len + watch->chain_len;
    struct auth_watches *watches = watch->auth->watches;

    if (watch->ask.waits)
        watches->n_asks--;
    auth_idp_forget(&watch->ask);
    (void) map_remove(watches->by_id, MAP_KEY(watch->id));
    (void) map_remove(watches->by_digest, digest_key(watch));
    watches->n_bytes -= len;
    sodium_memzero(watch->credentials, len);
    free(watch->credentials);
    free(watch->user);
    free(watch);
}

/* ---- one is made ---- */

static void digest_of(const struct auth_watched *what, uint8_t out[DIGEST_BYTES])
{
    crypto_generichash_state state;
    const uint64_t token_len = what->token.len;

    (void) crypto_generichash_init(&state, NULL, 0, DIGEST_BYTES);
    (void) crypto_generichash_update(&state, (const unsigned char *) &what->account,
                                     sizeof(what->account));
    (void) crypto_generichash_update(&state, (const unsigned char *) &token_len,
                                     sizeof(token_len));
    (void) crypto_generichash_update(&state, (const unsigned char *) what->token.ptr,
                                     what->token.len);
    (void) crypto_generichash_update(&state, (const unsigned char *) what->chain.ptr,
                                     what->chain.len);
    (void) crypto_generichash_final(&state, out, DIGEST_BYTES);
    sodium_memzero(&state, sizeof(state));
}

static void on_forget(void *ctx);

static void forget_later(struct auth_role *auth)
{
    timer_start(auth->loop, &auth->watches->forget, WATCH_FORGET_US, on_forget, auth);
}

/* Who is not spoken of any more has no session; one at a time, since the map changes. */
static void on_forget(void *ctx)
{
    struct auth_role *auth = ctx;
    struct auth_watches *watches = auth->watches;
    int64_t before = clock_mono_us() - WATCH_FORGET_US;
    size_t n = map_count(watches->by_id), n_over = 0, at = 0;
    struct watch **over = xcalloc(n + 1, sizeof(struct watch *));
    struct slice key;
    void *value;

    while (map_next(watches->by_id, &at, &key, &value)) {
        struct watch *watch = value;

        if (watch->held_us < before)
            over[n_over++] = watch;
    }
    for (size_t i = 0; i < n_over; i++)
        watch_free(over[i]);
    free(over);
    if (n_over < n)
        forget_later(auth);
}

static enum rc watch_new(struct auth_role *auth, const struct auth_watched *what,
                         const uint8_t digest[DIGEST_BYTES], struct watch **out,
                         struct err *err)
{
    struct auth_watches *watches = auth->watches;
    size_t len = what->token.len + what->chain.len;
    struct watch *watch;

    if (map_count(watches->by_id) >= WATCHES_MAX || watches->n_bytes + len > WATCHES_MAX_BYTES)
        return err_set(err, RC_LIMIT, "Server is busy, try again later",
                       "watch: %zu credentials of %zu bytes", map_count(watches->by_id),
                       watches->n_bytes);
    if (map_count(watches->by_id) == 0)
        forget_later(auth);
    watch = xcalloc(1, sizeof(*watch));
    do
        random_bytes(&watch->id, sizeof(watch->id));
    while (watch->id == 0 || map_get(watches->by_id, MAP_KEY(watch->id)) != NULL);
    memcpy(watch->digest, digest, DIGEST_BYTES);
    watch->auth = auth;
    watch->account = what->account;
    watch->user = xcalloc(1, what->user.len + 1);
    memcpy(watch->user, what->user.ptr, what->user.len);
    watch->token_len = what->token.len;
    watch->chain_len = what->chain.len;
    watch->credentials = xcalloc(1, len + 1);
    if (what->token.len > 0)
        memcpy(watch->credentials, what->token.ptr, what->token.len);
    if (what->chain.len > 0)
        memcpy(watch->credentials + what->token.len, what->chain.ptr, what->chain.len);
    watches->n_bytes += len;
    (void) map_put(watches->by_id, MAP_KEY(watch->id), watch);
    (void) map_put(watches->by_digest, digest_key(watch), watch);
    *out = watch;
    return RC_OK;
}

enum rc auth_watch(struct auth_role *auth, const struct auth_watched *what, uint64_t *out,
                   struct err *err)
{
    struct auth_watches *watches = watches_of(auth);
    uint8_t digest[DIGEST_BYTES];
    struct watch *watch;
    enum rc rc = RC_OK;

    digest_of(what, digest);
    watch = map_get(watches->by_digest, slice_of((const char *) digest, sizeof(digest)));
    if (watch == NULL)
        rc = watch_new(auth, what, digest, &watch, err);
    if (rc)
        return rc;
    watch->held_us = clock_mono_us();
    watch->asked_us = watch->held_us; /* both were looked at just now */
    watch->provider = what->provider;
    watch->again_us = (int64_t) what->again_sec * 1000000;
    if (watch->chain_len > 0)
        watch->generation = auth_certificates_generation(auth);
    *out = watch->id;
    return RC_OK;
}

/* ---- it is looked at again ---- */

static void end_sessions(struct watch *watch, const char *credential, struct slice reason)
{
    log_event(LEVEL_WARNING, "credential.void", LOG_STR("user", watch->user),
              LOG_STR("credential", credential), LOG_TEXT("reason", reason));
    auth_revoke_watch(watch->auth, watch->account, watch->id, "credential void");
    watch_free(watch);
}

/* An auth_ask_fn. */
static void on_answer(struct auth_ask *ask, const struct msg_idp_result *result)
{
    struct watch *watch = LINK_OWNER(ask, struct watch, ask);

    watch->auth->watches->n_asks--;
    if (result->code == IDP_UNAVAILABLE)
        log_event(LEVEL_INFO, "credential.unchecked", LOG_STR("user", watch->user),
                  LOG_TEXT("reason", result->reason));
    else if (result->code != IDP_OK)
        end_sessions(watch, "token", result->reason);
}

/* Where too many questions wait, logins come first: the next WATCHED asks. */
static void ask_issuer(struct watch *watch)
{
    struct auth_watches *watches = watch->auth->watches;
    struct msg_idp_check check = {
        .provider = watch->provider,
        .ask = IDP_ASK_TOKEN,
        .secret = token_of(watch),
        .service = (uint8_t) SERVICE_IMAP,
    };
    int64_t now = clock_mono_us();

    if (watch->ask.waits || now - watch->asked_us < watch->again_us ||
        watches->n_asks >= WATCH_ASKS_MAX ||
        auth_idp_ask(watch->auth, &watch->ask, &check, on_answer, NULL) != RC_OK)
        return;
    watch->asked_us = now;
    watches->n_asks++;
}

/* A checker of other files than this certificate was looked at with. */
static void check_certificate(struct watch *watch)
{
    struct cert_identity identity;
    struct err err;
    enum rc rc = auth_certificate_check(watch->auth, chain_of(watch), &identity, &err);

    watch->generation = auth_certificates_generation(watch->auth);
    if (rc == RC_DENIED)
        end_sessions(watch, "certificate", slice_from_str(err.detail));
}

/* A few at a time: a signature each, and logins wait. */
static void on_look(void *ctx)
{
    struct auth_role *auth = ctx;
    struct auth_watches *watches = auth->watches;
    uint64_t generation = auth_certificates_generation(auth);
    struct watch *old[WATCH_LOOKS_MAX];
    size_t n = 0, at = 0;
    struct slice key;
    void *value;

    if (generation == watches->generation)
        return;
    while (n < WATCH_LOOKS_MAX && map_next(watches->by_id, &at, &key, &value)) {
        struct watch *watch = value;

        if (watch->chain_len > 0 && watch->generation != generation)
            old[n++] = watch;
    }
    for (size_t i = 0; i < n; i++)
        check_certificate(old[i]);
    if (n == WATCH_LOOKS_MAX)
        timer_start(auth->loop, &watches->look, WATCH_LOOK_GAP_US, on_look, auth);
    else
        watches->generation = generation;
}

void auth_watches_look(struct auth_role *auth)
{
    if (auth->watches != NULL && !timer_is_running(&auth->watches->look))
        on_look(auth);
}

void auth_watches_held(struct auth_role *auth, const struct msg_watched *msg)
{
    struct auth_watches *watches = watches_of(auth);
    struct scan sc = scan_of(msg->watches);
    bool has_certificates = false;
    uint64_t id;

    while (scan_le64(&sc, &id)) {
        struct watch *watch = map_get(watches->by_id, MAP_KEY(id));

        if (watch == NULL) {
            auth_revoke_watch(auth, 0, id, "credential not known");
            continue;
        }
        watch->held_us = clock_mono_us();
        if (watch->chain_len > 0)
            has_certificates = true;
        if (watch->token_len > 0)
            ask_issuer(watch);
    }
    if (has_certificates)
        auth_watches_look(auth);
}

void auth_watches_done(struct auth_role *auth)
{
    struct auth_watches *watches = auth->watches;
    struct slice key;
    size_t at = 0;
    void *value;

    if (watches == NULL)
        return;
    timer_stop(auth->loop, &watches->forget);
    timer_stop(auth->loop, &watches->look);
    while (map_next(watches->by_id, &at, &key, &value)) {
        watch_free(value);
        at = 0;
    }
    map_free(watches->by_id);
    map_free(watches->by_digest);
    free(TAKE(auth->watches));
}
