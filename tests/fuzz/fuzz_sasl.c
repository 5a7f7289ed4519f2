/*
 * fuzz_sasl.c - a SASL exchange of any mechanism: the first byte says which one, the second
 * whether there is an initial response, the rest are the client's messages, each behind a
 * length byte (255: all that is left). Where a message has the byte FE, SCRAM's nonce stands,
 * which is another one each time.
 */
// links: auth
#include <assert.h>

#include "auth/admin.h"
#include "auth/app_password.h"
#include "auth/sasl.h"
#include "base/scan.h"

#define NONCE_HERE '\xfe'

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    struct slice name;
    unsigned flags;
} mechanisms[] = {
    {{"PLAIN", 5},               SASL_PLAINTEXT},
    {{"LOGIN", 5},               SASL_PLAINTEXT},
    {{"LOGIN-COMMAND", 13},      SASL_PLAINTEXT},
    {{"OAUTHBEARER", 11},        SASL_BEARER   },
    {{"XOAUTH2", 7},             SASL_BEARER   },
    {{"EXTERNAL", 8},            SASL_EXTERNAL },
    {{"SCRAM-SHA-256", 13},      SASL_SCRAM    },
    {{"SCRAM-SHA-256-PLUS", 18}, SASL_SCRAM    },
    {{"SCRAM-SHA-1", 11},        SASL_SCRAM    },
    {{"SCRAM-SHA-1-PLUS", 16},   SASL_SCRAM    },
};

static void check_password(const struct auth_secret *secret)
{
    struct app_password password, again;
    char shown[APP_PASSWORD_SHOWN_BYTES];

    assert(secret->len > 0 && secret->len <= AUTH_SECRET_MAX_BYTES);
    if (!app_password_read(auth_secret_slice(secret), &password))
        return;
    app_password_show(&password, shown);
    assert(app_password_read(slice_from_str(shown), &again));
    assert(memcmp(&password, &again, sizeof(again)) == 0);
}

/* What a claim promises to those behind it. */
static void check_claim(const struct sasl *sasl)
{
    const struct sasl_claim *claim = &sasl->claim;
    struct auth_key key, key_again;

    assert(claim->user_len <= AUTH_NAME_MAX_BYTES && claim->authzid_len <= AUTH_NAME_MAX_BYTES);
    assert(slice_count(sasl_claim_user(claim), '\0') == 0 &&
           slice_count(sasl_claim_authzid(claim), '\0') == 0);
    if ((sasl_flags(sasl) & SASL_PLAINTEXT) != 0)
        check_password(&claim->secret);
    else
        assert(claim->secret.len == 0);
    if ((sasl_flags(sasl) & SASL_BEARER) != 0)
        assert(claim->token_len > 0 && claim->token_len <= BEARER_TOKEN_MAX_BYTES);
    else
        assert(claim->user_len > 0);
    if (auth_name_key(sasl_claim_user(claim), &key, NULL) == RC_OK &&
        auth_name_key(auth_key_slice(&key), &key_again, NULL) == RC_OK)
        assert(slice_eq(auth_key_slice(&key), auth_key_slice(&key_again)));
}

static struct slice next_message(struct scan *sc)
{
    struct slice message = scan_rest(sc);
    uint8_t len;

    if (scan_le8(sc, &len) && (len == 255 || !scan_take(sc, len, &message))) {
        message = scan_rest(sc);
        (void) scan_take(sc, message.len, &message);
    }
    return message;
}

/* The client's message with the nonce of the last challenge ("r=NONCE,s=..."). */
static void put_nonce(struct slice message, struct slice challenge, struct buf *out)
{
    struct slice nonce = slice_starts(challenge, SLICE("r="))
                             ? slice_sub(challenge, 2, slice_find(challenge, ',') - 2)
                             : SLICE("");

    buf_reset(out);
    for (size_t i = 0; i < message.len; i++) {
        if (message.ptr[i] == NONCE_HERE)
            buf_append(out, nonce);
        else
            buf_byte(out, message.ptr[i]);
    }
}

/* As auth does it: the keys are of a password that nobody has given. */
static enum rc go_on(struct sasl *sasl, enum rc rc, struct buf *out)
{
    static const struct scram_salt salt = {"sixteen octets!"};
    static const struct scram_keys keys = {{1}, {2}};

    if (rc == RC_MORE && sasl_wants_salt(sasl))
        sasl_salted(sasl, &salt, out);
    if (rc == RC_OK && sasl_is_unconfirmed(sasl)) {
        assert(!scram_matches(&sasl->scram, &keys));
        sasl_confirm(sasl, &keys, out);
        return RC_MORE;
    }
    assert(!out->overflow);
    return rc;
}

static void exchange(struct sasl *sasl, bool has_initial, struct scan *sc)
{
    AUTO(buf_done) struct buf out = {.max = SASL_MESSAGE_MAX_BYTES};
    AUTO(buf_done) struct buf said = {.max = (size_t) 1 << 20};
    struct slice message = has_initial ? next_message(sc) : SLICE("");
    enum rc rc = go_on(sasl, sasl_start(sasl, has_initial ? &message : NULL, &out, NULL), &out);

    while (rc == RC_MORE && !scan_done(sc)) {
        put_nonce(next_message(sc), buf_slice(&out), &said);
        buf_reset(&out);
        rc = go_on(sasl, sasl_step(sasl, buf_slice(&said), &out, NULL), &out);
    }
    assert(rc == RC_OK || rc == RC_MORE || rc == RC_SYNTAX || rc == RC_LIMIT ||
           rc == RC_INVALID || rc == RC_DENIED);
    if (rc == RC_OK)
        check_claim(sasl);
    if ((sasl_flags(sasl) & SASL_BEARER) != 0)
        sasl_deny_token(sasl, &out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char binding[SCRAM_BINDING_BYTES] = "this connection, no other one";
    struct scan sc = scan_of(slice_of(data, size));
    uint8_t which, bits;
    struct sasl sasl;

    if (auth_init(NULL) != RC_OK)
        abort();
    if (!scan_le8(&sc, &which) || !scan_le8(&sc, &bits))
        return 0;
    which %= COUNT(mechanisms);
    if (sasl_init(&sasl, mechanisms[which].name, NULL) != RC_OK)
        abort();
    assert((sasl_flags(&sasl) & mechanisms[which].flags) != 0);
    sasl_bind(&sasl, binding);
    sasl_reached_as(&sasl, SLICE("mail.example.org"));
    if ((sasl_flags(&sasl) & SASL_EXTERNAL) != 0)
        sasl_claim_as(&sasl, SLICE("anna@example.org"));
    exchange(&sasl, bits % 2 != 0, &sc);
    sasl_wipe(&sasl);
    return 0;
}
