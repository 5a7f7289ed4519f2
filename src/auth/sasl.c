#include "auth/sasl.h"

#include <sodium.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/random.h"
#include "base/scan.h"
#include "base/utf8.h"

typedef enum rc sasl_step_fn(struct sasl *sasl, struct slice response, struct buf *out,
                             struct err *err);

struct sasl_mechanism {
    const char *name;
    unsigned flags;
    sasl_step_fn *step;
    enum scram_hash hash;
    bool plus;
};

static enum rc malformed(struct err *err, const char *why)
{
    return err_set(err, RC_SYNTAX, "Malformed authentication message", "sasl: %s", why);
}

static uint16_t copy_name(struct slice from, char *to)
{
    if (from.len > 0)
        memcpy(to, from.ptr, from.len);
    return (uint16_t) from.len;
}

static void forget_token(struct sasl_claim *claim)
{
    if (claim->token != NULL)
        sodium_memzero(claim->token, claim->token_len);
    free(claim->token);
    claim->token = NULL;
    claim->token_len = 0;
}

/*
 * RFC 4616 2: message = [authzid] UTF8NUL authcid UTF8NUL passwd; authcid and passwd are not
 * empty, all three are UTF-8 without NUL.
 */
static enum rc plain_step(struct sasl *sasl, struct slice response, struct buf *out,
                          struct err *err)
{
    struct scan sc = scan_of(response);
    struct slice authzid, authcid, passwd;

    (void) out; /* PLAIN has no challenge */
    if (!scan_until(&sc, '\0', &authzid) || !scan_byte(&sc, '\0') ||
        !scan_until(&sc, '\0', &authcid) || !scan_byte(&sc, '\0'))
        return malformed(err, "PLAIN: not three fields");
    passwd = scan_rest(&sc);
    if (slice_find(passwd, '\0') < passwd.len || authcid.len == 0 || passwd.len == 0)
        return malformed(err, "PLAIN: an empty or a fourth field");
    if (authzid.len > AUTH_NAME_MAX_BYTES || authcid.len > AUTH_NAME_MAX_BYTES)
        return err_set(err, RC_LIMIT, "User name is too long", "PLAIN: name over %u bytes",
                       AUTH_NAME_MAX_BYTES);
    if (!utf8_is_valid(response))
        return malformed(err, "PLAIN: not UTF-8");
    sasl->claim.authzid_len = copy_name(authzid, sasl->claim.authzid);
    sasl->claim.user_len = copy_name(authcid, sasl->claim.user);
    return auth_secret_prepare(passwd, &sasl->claim.secret, err);
}

/*
 * draft-murchison-sasl-login: the server asks for the name, then for the password, in words
 * that programs compare; each answer is the bare value. What comes with the command is the
 * name.
 */
static enum rc login_step(struct sasl *sasl, struct slice response, struct buf *out,
                          struct err *err)
{
    if (response.len == 0 || slice_find(response, '\0') < response.len)
        return malformed(err, "LOGIN: empty, or with a NUL");
    if (!utf8_is_valid(response))
        return malformed(err, "LOGIN: not UTF-8");
    if (sasl->claim.user_len > 0)
        return auth_secret_prepare(response, &sasl->claim.secret, err);
    if (response.len > AUTH_NAME_MAX_BYTES)
        return err_set(err, RC_LIMIT, "User name is too long", "LOGIN: name over %u bytes",
                       AUTH_NAME_MAX_BYTES);
    sasl->claim.user_len = copy_name(response, sasl->claim.user);
    buf_str(out, "Password:");
    return RC_MORE;
}

/* RFC 4422 appendix A: the message is an authorization identity, or empty. */
static enum rc external_step(struct sasl *sasl, struct slice response, struct buf *out,
                             struct err *err)
{
    (void) out; /* the client alone speaks */
    if (slice_find(response, '\0') < response.len || !utf8_is_valid(response))
        return malformed(err, "EXTERNAL: a NUL, or not UTF-8");
    if (response.len > AUTH_NAME_MAX_BYTES)
        return err_set(err, RC_LIMIT, "User name is too long", "EXTERNAL: name over %u bytes",
                       AUTH_NAME_MAX_BYTES);
    sasl->claim.authzid_len = copy_name(response, sasl->claim.authzid);
    return RC_OK;
}

static enum rc scram_message(struct sasl *sasl, struct slice response, struct buf *out,
                             struct err *err)
{
    const struct scram *scram = &sasl->scram;
    enum rc rc = scram_step(&sasl->scram, response, err);

    (void) out; /* the next challenge comes from sasl_salted() */
    sasl->claim.authzid_len =
        copy_name(slice_of(scram->authzid, scram->authzid_len), sasl->claim.authzid);
    sasl->claim.user_len = copy_name(slice_of(scram->user, scram->user_len), sasl->claim.user);
    return rc;
}

static void keep_token(struct sasl_claim *claim, struct slice token)
{
    forget_token(claim);
    claim->token = xmalloc(MAX(token.len, 1));
    claim->token_len = token.len;
    if (token.len > 0)
        memcpy(claim->token, token.ptr, token.len);
}

/* RFC 4752: only gss knows what it means; an empty one is as good as any. */
static enum rc gssapi_message(struct sasl *sasl, struct slice response, struct buf *out,
                              struct err *err)
{
    (void) out; /* the next challenge comes from gss */
    (void) err;
    keep_token(&sasl->claim, response);
    return RC_OK;
}

static enum bearer_form form_of(const struct sasl *sasl)
{
    return strcmp(sasl->mechanism->name, SASL_XOAUTH2) == 0 ? BEARER_XOAUTH2 : BEARER_RFC7628;
}

static enum rc bearer_message(struct sasl *sasl, struct slice response, struct buf *out,
                              struct err *err)
{
    struct slice server = slice_of(sasl->server, sasl->server_len);
    struct bearer bearer;
    enum rc rc = bearer_parse(response, form_of(sasl), &bearer, err);

    (void) out; /* what a token that is not good is answered with is sasl_deny_token()'s */
    if (rc)
        return rc;
    if (bearer.host.len > 0 && server.len > 0 && !slice_eq_nocase(bearer.host, server))
        return malformed(err, "bearer: for another server than TLS");
    sasl->claim.user_len = copy_name(slice_of(bearer.user, bearer.user_len), sasl->claim.user);
    keep_token(&sasl->claim, bearer.token);
    return RC_OK;
}

// clang-format off
static const struct sasl_mechanism mechanisms[] = {
    {"PLAIN",              SASL_PLAINTEXT,          plain_step,    0,             false}, /* RFC 4616 */
    {SASL_LOGIN_COMMAND,   SASL_PLAINTEXT | SASL_IMAP_ONLY,       plain_step, 0,  false}, /* RFC 9051 6.2.3 */
    {SASL_LOGIN,           SASL_PLAINTEXT | SASL_SUBMISSION_ONLY, login_step, 0,  false}, /* draft-murchison-sasl-login */
    {"OAUTHBEARER",        SASL_BEARER,             bearer_message, 0,            false}, /* RFC 7628 */
    {SASL_XOAUTH2,         SASL_BEARER,             bearer_message, 0,            false}, /* Google's and Microsoft's */
    {"EXTERNAL",           SASL_EXTERNAL | SASL_IMAP_ONLY,        external_step, 0, false}, /* RFC 4422 appendix A */
    {"GSSAPI",             SASL_GSSAPI | SASL_IMAP_ONLY,          gssapi_message, 0, false}, /* RFC 4752 */
    {"SCRAM-SHA-256",      SASL_SCRAM,              scram_message, SCRAM_SHA_256, false}, /* RFC 7677 */
    {"SCRAM-SHA-256-PLUS", SASL_SCRAM,              scram_message, SCRAM_SHA_256, true }, /* RFC 7677, 9266 */
    {"SCRAM-SHA-1",        SASL_SCRAM | SASL_SHA_1, scram_message, SCRAM_SHA_1,   false}, /* RFC 5802 */
    {"SCRAM-SHA-1-PLUS",   SASL_SCRAM | SASL_SHA_1, scram_message, SCRAM_SHA_1,   true }, /* RFC 5802, 9266 */
};
// clang-format on

enum rc sasl_init(struct sasl *sasl, struct slice mechanism, struct err *err)
{
    for (size_t i = 0; i < COUNT(mechanisms); i++) {
        if (slice_eq_nocase(mechanism, slice_from_str(mechanisms[i].name))) {
            *sasl = (struct sasl){.mechanism = &mechanisms[i]};
            if ((mechanisms[i].flags & SASL_SCRAM) != 0)
                scram_init(&sasl->scram, mechanisms[i].hash, mechanisms[i].plus);
            return RC_OK;
        }
    }
    return err_set(err, RC_NOT_FOUND, "Authentication mechanism is not supported",
                   "sasl: unknown mechanism");
}

void sasl_bind(struct sasl *sasl, const unsigned char binding[SCRAM_BINDING_BYTES])
{
    if ((sasl->mechanism->flags & SASL_SCRAM) != 0)
        scram_bind(&sasl->scram, binding);
}

void sasl_reached_as(struct sasl *sasl, struct slice sni)
{
    if (sni.len <= sizeof(sasl->server))
        sasl->server_len = copy_name(sni, sasl->server);
}

void sasl_claim_as(struct sasl *sasl, struct slice user)
{
    sasl->claim.user_len = copy_name(slice_sub(user, 0, AUTH_NAME_MAX_BYTES), sasl->claim.user);
}

unsigned sasl_flags(const struct sasl *sasl)
{
    return sasl->mechanism->flags;
}

const char *sasl_name(const struct sasl *sasl)
{
    return sasl->mechanism->name;
}

enum rc sasl_start(struct sasl *sasl, const struct slice *initial, struct buf *out,
                   struct err *err)
{
    if (initial == NULL) {
        if (sasl->mechanism->step == login_step)
            buf_str(out, "Username:");
        return RC_MORE;
    }
    return sasl_step(sasl, *initial, out, err);
}

enum rc sasl_step(struct sasl *sasl, struct slice response, struct buf *out, struct err *err)
{
    if (response.len > SASL_MESSAGE_MAX_BYTES)
        return err_set(err, RC_LIMIT, "Authentication message is too long", "sasl: %zu bytes",
                       response.len);
    return sasl->mechanism->step(sasl, response, out, err);
}

bool sasl_wants_salt(const struct sasl *sasl)
{
    return (sasl->mechanism->flags & SASL_SCRAM) != 0 && sasl->scram.state == SCRAM_SALT;
}

void sasl_salted(struct sasl *sasl, const struct scram_salt *salt, struct buf *out)
{
    unsigned char octets[SCRAM_NONCE_BYTES];
    AUTO(buf_done) struct buf nonce = {.max = 2 * SCRAM_NONCE_BYTES};

    random_bytes(octets, sizeof(octets));
    base64_encode(&nonce, slice_of((const char *) octets, sizeof(octets)));
    scram_salted(&sasl->scram, salt, buf_slice(&nonce), out);
}

bool sasl_is_unconfirmed(const struct sasl *sasl)
{
    return (sasl->mechanism->flags & SASL_SCRAM) != 0 && sasl->scram.state == SCRAM_PROOF;
}

void sasl_confirm(struct sasl *sasl, const struct scram_keys *keys, struct buf *out)
{
    scram_confirm(&sasl->scram, keys, out);
}

void sasl_deny_token(const struct sasl *sasl, struct buf *out)
{
    bearer_print_failure(out, form_of(sasl));
}

void sasl_forget(struct sasl *sasl)
{
    forget_token(&sasl->claim);
    if (sasl->mechanism != NULL && (sasl->mechanism->flags & SASL_SCRAM) != 0)
        scram_done(&sasl->scram);
    auth_secret_wipe(&sasl->claim.secret);
}

void sasl_wipe(struct sasl *sasl)
{
    sasl_forget(sasl);
    sodium_memzero(&sasl->claim, sizeof(sasl->claim));
}

struct slice sasl_claim_user(const struct sasl_claim *claim)
{
    return slice_of(claim->user, claim->user_len);
}

struct slice sasl_claim_token(const struct sasl_claim *claim)
{
    return slice_of(claim->token, claim->token_len);
}

struct slice sasl_claim_authzid(const struct sasl_claim *claim)
{
    return slice_of(claim->authzid, claim->authzid_len);
}
