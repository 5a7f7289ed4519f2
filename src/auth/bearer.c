#include "auth/bearer.h"

#include "base/ascii.h"
#include "base/scan.h"
#include "base/utf8.h"

#define KVSEP '\x01'

static enum rc malformed(struct err *err, const char *why)
{
    return err_set(err, RC_SYNTAX, "Malformed authentication message", "bearer: %s", why);
}

static enum rc copy_user(struct slice name, struct bearer *out, struct err *err)
{
    if (name.len > AUTH_NAME_MAX_BYTES)
        return err_set(err, RC_LIMIT, "User name is too long", "bearer: name over %u bytes",
                       AUTH_NAME_MAX_BYTES);
    if (name.len > 0)
        memcpy(out->user, name.ptr, name.len);
    out->user_len = (uint16_t) name.len;
    return RC_OK;
}

/* saslname of RFC 5801 4: "," and "=" are "=2C" and "=3D", and "=" stands for nothing else. */
static enum rc take_saslname(struct slice text, struct bearer *out, struct err *err)
{
    AUTO(buf_done) struct buf name = {.max = AUTH_NAME_MAX_BYTES};
    struct scan sc = scan_of(text);
    struct slice byte;

    while (!scan_done(&sc)) {
        if (scan_literal(&sc, SLICE("=2C")))
            buf_byte(&name, ',');
        else if (scan_literal(&sc, SLICE("=3D")))
            buf_byte(&name, '=');
        else if (scan_peek(&sc) == '=' || scan_peek(&sc) == '\0' || !scan_take(&sc, 1, &byte))
            return malformed(err, "a name with a NUL or a wrong escape");
        else
            buf_append(&name, byte);
    }
    if (name.overflow)
        return err_set(err, RC_LIMIT, "User name is too long", "bearer: name over %u bytes",
                       AUTH_NAME_MAX_BYTES);
    if (name.len == 0)
        return malformed(err, "an empty name");
    return copy_user(buf_slice(&name), out, err);
}

/* gs2-header = ("n" / "y") "," ["a=" saslname] ",": there is no channel binding to speak of
 * (RFC 7628 3.1), so "p" is wrong. */
static enum rc take_gs2_header(struct scan *sc, struct bearer *out, struct err *err)
{
    struct slice name;

    if ((!scan_byte(sc, 'n') && !scan_byte(sc, 'y')) || !scan_byte(sc, ','))
        return malformed(err, "no gs2-header");
    if (scan_literal(sc, SLICE("a="))) {
        enum rc rc;

        if (!scan_until(sc, ',', &name))
            return malformed(err, "no end of the name");
        rc = take_saslname(name, out, err);
        if (rc)
            return rc;
    }
    if (!scan_byte(sc, ',') || !scan_byte(sc, KVSEP))
        return malformed(err, "no end of the gs2-header");
    return RC_OK;
}

/* "Bearer" SP b64token (RFC 6750 2.1); the scheme's case does not count (RFC 9110 11.1). */
static enum rc take_token(struct slice value, struct bearer *out, struct err *err)
{
    struct scan sc = scan_of(value);

    if (!scan_literal_nocase(&sc, SLICE("Bearer ")))
        return malformed(err, "another scheme than Bearer");
    while (scan_byte(&sc, ' '))
        continue;
    out->token = scan_rest(&sc);
    if (out->token.len > BEARER_TOKEN_MAX_BYTES)
        return err_set(err, RC_LIMIT, "Authentication message is too long",
                       "bearer: token over %u bytes", BEARER_TOKEN_MAX_BYTES);
    if (out->token.len == 0)
        return malformed(err, "no token");
    for (size_t i = 0; i < out->token.len; i++) {
        if (out->token.ptr[i] <= ' ' || out->token.ptr[i] > '~')
            return malformed(err, "a token with other octets");
    }
    return RC_OK;
}

/* A port is looked at for its form alone: programs send 993 whatever they have connected to. */
static enum rc check_port(struct slice value, struct err *err)
{
    uint32_t port;

    if (!slice_to_u32(value, &port) || port == 0 || port > UINT16_MAX)
        return malformed(err, "no port");
    return RC_OK;
}

enum pair { PAIR_AUTH, PAIR_HOST, PAIR_PORT, PAIR_USER, PAIR_OTHER };

static enum pair pair_of(struct slice key, enum bearer_form form)
{
    static const char *const names[] = {"auth", "host", "port", "user"};

    for (size_t i = 0; i < COUNT(names); i++) {
        if (slice_eq(key, slice_from_str(names[i])))
            return i == PAIR_USER && form == BEARER_RFC7628 ? PAIR_OTHER : (enum pair) i;
    }
    return PAIR_OTHER;
}

static enum rc take_value(enum pair pair, struct slice value, struct bearer *out,
                          struct err *err)
{
    switch (pair) {
    case PAIR_AUTH:
        return take_token(value, out, err);
    case PAIR_HOST:
        out->host = value;
        return value.len > 0 ? RC_OK : malformed(err, "an empty host");
    case PAIR_PORT:
        return check_port(value, err);
    case PAIR_USER:
        return value.len > 0 ? copy_user(value, out, err) : malformed(err, "an empty name");
    case PAIR_OTHER:
        return RC_OK; /* RFC 7628 3.1: unknown ones are ignored */
    }
    return RC_OK;
}

/* kvpair = key "=" value kvsep; key = 1*ALPHA; value = *(VCHAR / SP / HTAB / CR / LF). Names
 * may be UTF-8. None stands twice. */
static enum rc take_pair(struct scan *sc, enum bearer_form form, unsigned *seen,
                         struct bearer *out, struct err *err)
{
    struct slice key = scan_while(sc, ascii_is_alpha), value;
    enum pair pair = pair_of(key, form);

    if (key.len == 0 || !scan_byte(sc, '=') || !scan_until(sc, KVSEP, &value) ||
        !scan_byte(sc, KVSEP))
        return malformed(err, "no pair");
    if (slice_find(value, '\0') < value.len || !utf8_is_valid(value))
        return malformed(err, "a pair with other octets");
    if (pair != PAIR_OTHER && (*seen & 1u << pair) != 0)
        return malformed(err, "a pair twice");
    *seen |= 1u << pair;
    return take_value(pair, value, out, err);
}

enum rc bearer_parse(struct slice message, enum bearer_form form, struct bearer *out,
                     struct err *err)
{
    struct scan sc = scan_of(message);
    struct bearer bearer = {0};
    unsigned seen = 0;
    enum rc rc = form == BEARER_RFC7628 ? take_gs2_header(&sc, &bearer, err) : RC_OK;

    for (unsigned n = 0; rc == RC_OK && !scan_byte(&sc, KVSEP); n++) {
        if (n == BEARER_PAIRS_MAX)
            return err_set(err, RC_LIMIT, "Malformed authentication message",
                           "bearer: more than %u pairs", BEARER_PAIRS_MAX);
        rc = take_pair(&sc, form, &seen, &bearer, err);
    }
    if (rc)
        return rc;
    if (!scan_done(&sc))
        return malformed(err, "octets behind the end");
    if (bearer.token.len == 0)
        return malformed(err, "no token");
    if (form == BEARER_XOAUTH2 && bearer.user_len == 0)
        return malformed(err, "no user");
    *out = bearer;
    return RC_OK;
}

/* RFC 7628 3.2.2; of XOAUTH2, what Google's documentation shows. */
void bearer_print_failure(struct buf *out, enum bearer_form form)
{
    buf_str(out, form == BEARER_RFC7628 ? "{\"status\":\"invalid_token\"}"
                                        : "{\"status\":\"401\",\"schemes\":\"bearer\"}");
}
