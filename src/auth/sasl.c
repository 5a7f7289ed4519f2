#include "auth/sasl.h"

#include <sodium.h>

#include "base/scan.h"
#include "base/utf8.h"

typedef enum rc sasl_step_fn(struct sasl *sasl, struct slice response, struct buf *out,
                             struct err *err);

struct sasl_mechanism {
    const char *name;
    unsigned flags;
    sasl_step_fn *step;
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

// clang-format off
static const struct sasl_mechanism mechanisms[] = {
    {"PLAIN",            SASL_PLAINTEXT, plain_step}, /* RFC 4616 */
    {SASL_LOGIN_COMMAND, SASL_PLAINTEXT, plain_step}, /* RFC 9051 6.2.3 */
};
// clang-format on

enum rc sasl_init(struct sasl *sasl, struct slice mechanism, struct err *err)
{
    for (size_t i = 0; i < COUNT(mechanisms); i++) {
        if (slice_eq_nocase(mechanism, slice_from_str(mechanisms[i].name))) {
            *sasl = (struct sasl){.mechanism = &mechanisms[i]};
            return RC_OK;
        }
    }
    return err_set(err, RC_NOT_FOUND, "Authentication mechanism is not supported",
                   "sasl: unknown mechanism");
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
    if (initial == NULL)
        return RC_MORE;
    return sasl_step(sasl, *initial, out, err);
}

enum rc sasl_step(struct sasl *sasl, struct slice response, struct buf *out, struct err *err)
{
    if (response.len > SASL_MESSAGE_MAX_BYTES)
        return err_set(err, RC_LIMIT, "Authentication message is too long", "sasl: %zu bytes",
                       response.len);
    return sasl->mechanism->step(sasl, response, out, err);
}

void sasl_wipe(struct sasl *sasl)
{
    sodium_memzero(&sasl->claim, sizeof(sasl->claim));
}

struct slice sasl_claim_user(const struct sasl_claim *claim)
{
    return slice_of(claim->user, claim->user_len);
}

struct slice sasl_claim_authzid(const struct sasl_claim *claim)
{
    return slice_of(claim->authzid, claim->authzid_len);
}
