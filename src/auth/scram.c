#include "auth/scram.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>

#include "base/base64.h"
#include "base/scan.h"
#include "base/utf8.h"

#define BINDING_NAME      "tls-exporter"
#define GS2_MAX_BYTES     (3u * AUTH_NAME_MAX_BYTES + 32u) /* each octet of the name escaped */
#define CHANNEL_MAX_BYTES ((GS2_MAX_BYTES + SCRAM_BINDING_BYTES + 2) / 3 * 4)
#define AUTH_MAX_BYTES    (3u * SCRAM_MESSAGE_MAX_BYTES)
#define OUR_NONCE_MAX     64u
#define ALL_NONCE_MAX     (SCRAM_NONCE_MAX_BYTES + OUR_NONCE_MAX)

static const EVP_MD *md_of(enum scram_hash hash)
{
    return hash == SCRAM_SHA_1 ? EVP_sha1() : EVP_sha256();
}

static size_t len_of(enum scram_hash hash)
{
    return hash == SCRAM_SHA_1 ? 20 : 32;
}

/* They fail without memory only. */
static void hmac(enum scram_hash hash, const unsigned char *key, struct slice text,
                 unsigned char out[SCRAM_KEY_BYTES])
{
    unsigned char mac[EVP_MAX_MD_SIZE];

    if (HMAC(md_of(hash), key, (int) len_of(hash), (const unsigned char *) text.ptr, text.len,
             mac, NULL) == NULL)
        die("scram: HMAC failed");
    memcpy(out, mac, len_of(hash));
    sodium_memzero(mac, sizeof(mac));
}

static void digest(enum scram_hash hash, const unsigned char *in,
                   unsigned char out[SCRAM_KEY_BYTES])
{
    unsigned char md[EVP_MAX_MD_SIZE];

    if (EVP_Digest(in, len_of(hash), md, NULL, md_of(hash), NULL) != 1)
        die("scram: digest failed");
    memcpy(out, md, len_of(hash));
    sodium_memzero(md, sizeof(md));
}

/* RFC 5802 3: SaltedPassword, ClientKey, StoredKey, ServerKey. */
void scram_derive(enum scram_hash hash, struct slice password, const struct scram_salt *salt,
                  uint32_t iterations, struct scram_keys *out)
{
    unsigned char salted[SCRAM_KEY_BYTES], client[SCRAM_KEY_BYTES];

    *out = (struct scram_keys){0};
    if (PKCS5_PBKDF2_HMAC(password.ptr, (int) password.len, salt->bytes, sizeof(salt->bytes),
                          (int) iterations, md_of(hash), (int) len_of(hash), salted) != 1)
        die("scram: PBKDF2 failed");
    hmac(hash, salted, SLICE("Client Key"), client);
    digest(hash, client, out->stored);
    hmac(hash, salted, SLICE("Server Key"), out->server);
    sodium_memzero(salted, sizeof(salted));
    sodium_memzero(client, sizeof(client));
}

void scram_init(struct scram *scram, enum scram_hash hash, bool plus)
{
    *scram = (struct scram){.hash = hash, .plus = plus};
    buf_init(&scram->channel, CHANNEL_MAX_BYTES);
    buf_init(&scram->nonce, ALL_NONCE_MAX);
    buf_init(&scram->message, AUTH_MAX_BYTES);
}

void scram_bind(struct scram *scram, const unsigned char binding[SCRAM_BINDING_BYTES])
{
    memcpy(scram->binding, binding, SCRAM_BINDING_BYTES);
    scram->has_binding = true;
}

void scram_done(struct scram *scram)
{
    buf_done(&scram->channel);
    buf_done(&scram->nonce);
    buf_done(&scram->message);
    sodium_memzero(scram, sizeof(*scram));
}

static enum rc malformed(struct err *err, const char *why)
{
    return err_set(err, RC_SYNTAX, "Malformed authentication message", "scram: %s", why);
}

static enum rc other_channel(struct err *err, const char *why)
{
    return err_set(err, RC_DENIED, "Authentication failed", "scram: channel binding: %s", why);
}

/* RFC 5802 7: printable = %x21-2B / %x2D-7E */
static bool is_printable(char c)
{
    return c >= 0x21 && c <= 0x7e && c != ',';
}

/* value-char of a message that is UTF-8: anything but NUL and the comma. */
static bool is_value_char(char c)
{
    return c != '\0' && c != ',';
}

/* saslname = 1*(value-safe-char / "=2C" / "=3D"), up to the comma. */
static enum rc take_name(struct scan *sc, char out[AUTH_NAME_MAX_BYTES], uint16_t *out_len,
                         struct err *err)
{
    size_t len = 0;

    while (!scan_done(sc) && scan_peek(sc) != ',') {
        struct slice byte;
        char c = '\0';

        if (scan_literal(sc, SLICE("=2C")))
            c = ',';
        else if (scan_literal(sc, SLICE("=3D")))
            c = '=';
        else if (scan_take(sc, 1, &byte))
            c = byte.ptr[0] == '=' ? '\0' : byte.ptr[0];
        if (c == '\0')
            return malformed(err, "a name with a NUL or a wrong escape");
        if (len == AUTH_NAME_MAX_BYTES)
            return err_set(err, RC_LIMIT, "User name is too long", "scram: name over %u bytes",
                           AUTH_NAME_MAX_BYTES);
        out[len++] = c;
    }
    if (len == 0)
        return malformed(err, "an empty name");
    *out_len = (uint16_t) len;
    return RC_OK;
}

/* attr-val = ALPHA "=" value; each behind a comma. "m" would be mandatory: we know none. */
static bool skip_extension(struct scan *sc)
{
    struct scan at = *sc;
    struct slice name;

    if (!scan_byte(&at, ',') || !scan_take(&at, 1, &name) || !scan_byte(&at, '=') ||
        !((name.ptr[0] >= 'a' && name.ptr[0] <= 'z') ||
          (name.ptr[0] >= 'A' && name.ptr[0] <= 'Z')) ||
        name.ptr[0] == 'm' || name.ptr[0] == 'p' || scan_while(&at, is_value_char).len == 0)
        return false;
    *sc = at;
    return true;
}

/* gs2-cbind-flag, and whether it fits the mechanism and the connection. */
static enum rc take_binding_flag(const struct scram *scram, struct scan *sc, struct err *err)
{
    if (scan_literal(sc, SLICE("p="))) {
        struct slice name;

        if (!scan_until(sc, ',', &name) || name.len == 0)
            return malformed(err, "a channel binding without a name");
        if (!scram->plus)
            return other_channel(err, "used without -PLUS");
        if (!slice_eq(name, SLICE(BINDING_NAME)))
            return other_channel(err, "not tls-exporter");
        return scram->has_binding ? RC_OK : other_channel(err, "the connection has none");
    }
    if (scan_byte(sc, 'y')) {
        if (scram->plus)
            return other_channel(err, "-PLUS without it");
        /* The client could, and has not seen our offer: somebody took it out on the way. */
        return scram->has_binding ? other_channel(err, "the offer did not arrive") : RC_OK;
    }
    if (!scan_byte(sc, 'n'))
        return malformed(err, "no channel binding flag");
    return scram->plus ? other_channel(err, "-PLUS without it") : RC_OK;
}

/* gs2-header = gs2-cbind-flag "," [ "a=" saslname ] "," */
static enum rc take_gs2_header(struct scram *scram, struct scan *sc, struct err *err)
{
    AUTO(buf_done) struct buf channel = {.max = CHANNEL_MAX_BYTES};
    bool bound = scan_peek(sc) == 'p';
    enum rc rc = take_binding_flag(scram, sc, err);

    if (rc)
        return rc;
    if (!scan_byte(sc, ','))
        return malformed(err, "no comma behind the flag");
    if (scan_literal(sc, SLICE("a="))) {
        rc = take_name(sc, scram->authzid, &scram->authzid_len, err);
        if (rc)
            return rc;
    }
    if (!scan_byte(sc, ','))
        return malformed(err, "no comma behind the header");
    buf_append(&channel, slice_of(sc->start, scan_offset(sc)));
    if (bound)
        buf_append(&channel, slice_of((const char *) scram->binding, SCRAM_BINDING_BYTES));
    base64_encode(&scram->channel, buf_slice(&channel));
    return RC_OK;
}

/* client-first-message-bare = [reserved-mext ","] username "," nonce ["," extensions] */
static enum rc take_first(struct scram *scram, struct slice message, struct err *err)
{
    struct scan sc = scan_of(message);
    struct slice bare, nonce;
    enum rc rc = take_gs2_header(scram, &sc, err);

    if (rc)
        return rc;
    bare = scan_rest(&sc);
    if (!scan_literal(&sc, SLICE("n=")))
        return malformed(err, "no user name");
    rc = take_name(&sc, scram->user, &scram->user_len, err);
    if (rc)
        return rc;
    if (!scan_literal(&sc, SLICE(",r=")))
        return malformed(err, "no nonce");
    nonce = scan_while(&sc, is_printable);
    if (nonce.len == 0)
        return malformed(err, "an empty nonce");
    if (nonce.len > SCRAM_NONCE_MAX_BYTES)
        return err_set(err, RC_LIMIT, "Authentication message is too long",
                       "scram: nonce of %zu bytes", nonce.len);
    while (skip_extension(&sc))
        ;
    if (!scan_done(&sc))
        return malformed(err, "something behind the nonce");
    buf_append(&scram->nonce, nonce);
    buf_append(&scram->message, bare);
    scram->state = SCRAM_SALT;
    return RC_MORE;
}

void scram_salted(struct scram *scram, const struct scram_salt *salt, struct slice nonce,
                  struct buf *out)
{
    size_t at = out->len;

    buf_append(&scram->nonce, nonce);
    buf_str(out, "r=");
    buf_append(out, buf_slice(&scram->nonce));
    buf_str(out, ",s=");
    base64_encode(out, slice_of((const char *) salt->bytes, sizeof(salt->bytes)));
    buf_printf(out, ",i=%u", SCRAM_ITERATIONS);
    buf_byte(&scram->message, ',');
    buf_append(&scram->message, slice_from(buf_slice(out), at));
    buf_byte(&scram->message, ',');
    scram->state = SCRAM_FINAL;
}

/* proof = "p=" base64, as long as the hash, at the very end. */
static enum rc take_proof(struct scram *scram, struct slice text, struct err *err)
{
    AUTO(buf_done) struct buf proof = {.max = SCRAM_MESSAGE_MAX_BYTES, .secret = true};
    enum rc rc = base64_decode(text, &proof);

    if (rc == RC_OK && proof.len == len_of(scram->hash))
        memcpy(scram->proof, proof.ptr, proof.len);
    else
        rc = malformed(err, "the proof is not base64, or not as long as the hash");
    return rc;
}

/* client-final-message = channel-binding "," nonce ["," extensions] "," proof */
static enum rc take_final(struct scram *scram, struct slice message, struct err *err)
{
    struct scan sc = scan_of(message);
    struct slice channel, nonce, unproved;
    enum rc rc;

    if (!scan_literal(&sc, SLICE("c=")) || !scan_until(&sc, ',', &channel) ||
        !scan_literal(&sc, SLICE(",r=")))
        return malformed(err, "no channel binding or no nonce");
    nonce = scan_while(&sc, is_printable);
    while (skip_extension(&sc))
        ;
    unproved = slice_of(sc.start, scan_offset(&sc));
    if (!scan_literal(&sc, SLICE(",p=")))
        return malformed(err, "no proof at the end");
    rc = take_proof(scram, scan_rest(&sc), err);
    if (rc)
        return rc;
    if (!slice_eq(nonce, buf_slice(&scram->nonce)))
        return malformed(err, "the nonce is another one");
    if (!slice_eq(channel, buf_slice(&scram->channel)))
        return other_channel(err, "the client sees another connection");
    buf_append(&scram->message, unproved);
    if (scram->message.overflow)
        return err_set(err, RC_LIMIT, "Authentication message is too long", "scram: too long");
    scram->state = SCRAM_PROOF;
    return RC_OK;
}

enum rc scram_step(struct scram *scram, struct slice message, struct err *err)
{
    if (message.len > SCRAM_MESSAGE_MAX_BYTES)
        return err_set(err, RC_LIMIT, "Authentication message is too long", "scram: %zu bytes",
                       message.len);
    if (!utf8_is_valid(message))
        return malformed(err, "not UTF-8");
    switch (scram->state) {
    case SCRAM_FIRST:
        return take_first(scram, message, err);
    case SCRAM_FINAL:
        return take_final(scram, message, err);
    case SCRAM_CONFIRM: /* RFC 4422 5: there is nothing left to say */
        if (message.len > 0)
            return malformed(err, "something behind the proof");
        scram->state = SCRAM_DONE;
        return RC_OK;
    case SCRAM_SALT:
    case SCRAM_PROOF:
    case SCRAM_DONE:
        break;
    }
    return malformed(err, "a message out of turn");
}

/* RFC 5802 3: ClientKey := ClientProof XOR ClientSignature, and StoredKey is its hash. */
bool scram_matches(const struct scram *scram, const struct scram_keys *keys)
{
    unsigned char key[SCRAM_KEY_BYTES] = {0}, stored[SCRAM_KEY_BYTES] = {0};
    size_t len = len_of(scram->hash);
    bool same;

    hmac(scram->hash, keys->stored, buf_slice(&scram->message), key);
    for (size_t i = 0; i < len; i++)
        key[i] ^= scram->proof[i];
    digest(scram->hash, key, stored);
    same = sodium_memcmp(stored, keys->stored, len) == 0;
    sodium_memzero(key, sizeof(key));
    sodium_memzero(stored, sizeof(stored));
    return same;
}

void scram_confirm(struct scram *scram, const struct scram_keys *keys, struct buf *out)
{
    unsigned char signature[SCRAM_KEY_BYTES];

    hmac(scram->hash, keys->server, buf_slice(&scram->message), signature);
    buf_str(out, "v=");
    base64_encode(out, slice_of((const char *) signature, len_of(scram->hash)));
    scram->state = SCRAM_CONFIRM;
}
