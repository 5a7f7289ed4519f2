#include "auth/gssapi.h"

#include "base/scan.h"
#include "base/utf8.h"

#define APPLICATION_0 0x60 /* [APPLICATION 0], constructed */
#define LONG_LENGTH   0x80u
#define LENGTH_OCTETS 4u

/* 1.2.840.113554.1.2.2, with its tag and length: RFC 4121 4.1. */
#define KERBEROS_OID SLICE("\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02")

static enum rc malformed(struct err *err, const char *why)
{
    return err_set(err, RC_SYNTAX, "Malformed authentication message", "gssapi: %s", why);
}

void gssapi_init(struct gssapi *gssapi, const struct gssapi_provider *provider, void *context)
{
    *gssapi = (struct gssapi){.provider = provider, .context = context};
}

/* DER's length: definite, and no longer than it has to be. */
static bool scan_length(struct scan *sc, size_t *out)
{
    uint8_t first, octet;
    size_t len = 0;

    if (!scan_le8(sc, &first))
        return false;
    if (first < LONG_LENGTH) {
        *out = first;
        return true;
    }
    first &= (uint8_t) ~LONG_LENGTH;
    if (first == 0 || first > LENGTH_OCTETS || scan_peek(sc) == 0)
        return false;
    for (; first > 0; first--) {
        if (!scan_le8(sc, &octet))
            return false;
        len = len << 8 | octet;
    }
    *out = len;
    return len >= LONG_LENGTH;
}

bool gssapi_is_kerberos(struct slice token)
{
    struct scan sc = scan_of(token);
    size_t len;

    return scan_byte(&sc, APPLICATION_0) && scan_length(&sc, &len) && len == scan_left(&sc) &&
           scan_literal(&sc, KERBEROS_OID);
}

enum rc gssapi_parse_choice(struct slice choice, struct slice *authzid, struct err *err)
{
    static const char wanted[GSSAPI_CHOICE_BYTES] = {GSSAPI_NO_LAYER};
    struct scan sc = scan_of(choice);
    struct slice chosen, name;

    if (!scan_take(&sc, GSSAPI_CHOICE_BYTES, &chosen))
        return malformed(err, "too short for a choice of layers");
    if (!slice_eq(chosen, slice_of(wanted, sizeof(wanted))))
        return malformed(err, "a layer or a size that was not offered");
    name = scan_rest(&sc);
    if (name.len > AUTH_NAME_MAX_BYTES || slice_find(name, '\0') < name.len ||
        !utf8_is_valid(name))
        return malformed(err, "an authorization identity that is no name");
    *authzid = name;
    return RC_OK;
}

/* RFC 4752 3.2: the layers, and the size of what we would take under one. */
static enum rc offer_layers(struct gssapi *gssapi, struct buf *out, struct err *err)
{
    static const char offer[GSSAPI_CHOICE_BYTES] = {GSSAPI_NO_LAYER};
    enum rc rc =
        gssapi->provider->wrap(gssapi->context, slice_of(offer, sizeof(offer)), out, err);

    if (rc)
        return rc;
    gssapi->state = GSSAPI_OFFERED;
    return RC_MORE;
}

static enum rc take_token(struct gssapi *gssapi, struct slice token, struct buf *out,
                          struct err *err)
{
    enum rc rc;

    if (gssapi->n_tokens == 0 && !gssapi_is_kerberos(token))
        return malformed(err, "not a token of Kerberos");
    if (gssapi->n_tokens++ == GSSAPI_TOKENS_MAX)
        return err_set(err, RC_LIMIT, "Authentication takes too long", "gssapi: over %u tokens",
                       GSSAPI_TOKENS_MAX);
    rc = gssapi->provider->accept(gssapi->context, token, out, &gssapi->peer, err);
    if (rc != RC_OK)
        return rc; /* RC_MORE: the next token comes */
    if (out->len == 0)
        return offer_layers(gssapi, out, err);
    gssapi->state = GSSAPI_ANSWERED;
    return RC_MORE;
}

static enum rc take_choice(struct gssapi *gssapi, struct slice wrapped, struct err *err)
{
    AUTO(buf_done) struct buf choice = {.max = GSSAPI_CHOICE_BYTES + AUTH_NAME_MAX_BYTES};
    struct slice authzid;
    enum rc rc = gssapi->provider->unwrap(gssapi->context, wrapped, &choice, err);

    if (rc)
        return rc;
    if (choice.overflow)
        return malformed(err, "an authorization identity that is too long");
    rc = gssapi_parse_choice(buf_slice(&choice), &authzid, err);
    if (rc)
        return rc;
    if (authzid.len > 0)
        memcpy(gssapi->authzid, authzid.ptr, authzid.len);
    gssapi->authzid_len = (uint16_t) authzid.len;
    gssapi->state = GSSAPI_OVER;
    return RC_OK;
}

static enum rc step(struct gssapi *gssapi, struct slice response, struct buf *out,
                    struct err *err)
{
    switch (gssapi->state) {
    case GSSAPI_ACCEPTING:
        return take_token(gssapi, response, out, err);
    case GSSAPI_ANSWERED:
        return response.len == 0 ? offer_layers(gssapi, out, err)
                                 : malformed(err, "an answer where none belongs");
    case GSSAPI_OFFERED:
        return take_choice(gssapi, response, err);
    case GSSAPI_OVER:
        break;
    }
    return malformed(err, "the exchange is over");
}

enum rc gssapi_step(struct gssapi *gssapi, struct slice response, struct buf *out,
                    struct err *err)
{
    enum rc rc = step(gssapi, response, out, err);

    if (rc != RC_OK && rc != RC_MORE)
        gssapi->state = GSSAPI_OVER;
    return rc;
}
