#include "events/audit_line.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <sodium.h>

#include "base/ascii.h"
#include "base/base64.h"
#include "base/scan.h"

#define FIRST     SLICE("Roost audit 1\n")
#define SIGNED    SLICE("Roost audit checkpoint 1\n")
#define SEQUENCE  SLICE("{\"event.sequence\":")
#define CHAIN     SLICE(",\"roost.chain\":\"")
#define SIGNATURE SLICE("\",\"roost.signature\":\"")
#define END       SLICE("\"}")

#define CHAIN_TEXT_BYTES     ((size_t) AUDIT_CHAIN_BYTES * 2)
#define SIGNATURE_TEXT_BYTES ((size_t) 88)
#define SIGNED_BYTES         (25u + 8u + AUDIT_CHAIN_BYTES)

void audit_hex(struct buf *out, const unsigned char *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        buf_byte(out, digits[bytes[i] >> 4]);
        buf_byte(out, digits[bytes[i] & 15]);
    }
}

bool audit_unhex(struct slice text, unsigned char *out, size_t n)
{
    if (text.len != n * 2)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = ascii_hex_value(text.ptr[2 * i]), low = ascii_hex_value(text.ptr[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        out[i] = (unsigned char) (high * 16 + low);
    }
    return true;
}

static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256; /* written once */

/* The log role opens its log, and so comes here, before it is confined. */
static void fetch_sha256(void)
{
    (void) OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (sha256 == NULL)
        die("audit: OpenSSL has no SHA-256");
}

/* By OpenSSL, which has the processor's own instructions for it where libsodium computes. */
static void hash_two(struct slice a, struct slice b, unsigned char out[AUDIT_CHAIN_BYTES])
{
    EVP_MD_CTX *state;

    (void) pthread_once(&sha256_once, fetch_sha256);
    state = EVP_MD_CTX_new();
    if (state == NULL || EVP_DigestInit_ex(state, sha256, NULL) != 1 ||
        EVP_DigestUpdate(state, a.ptr, a.len) != 1 ||
        EVP_DigestUpdate(state, b.ptr, b.len) != 1 || EVP_DigestFinal_ex(state, out, NULL) != 1)
        die("audit: no SHA-256");
    EVP_MD_CTX_free(state);
}

void audit_mark_first(const unsigned char public_key[AUDIT_PUBLIC_KEY_BYTES],
                      struct audit_mark *out)
{
    out->sequence = 0;
    hash_two(FIRST, slice_of((const char *) public_key, AUDIT_PUBLIC_KEY_BYTES), out->chain);
}

void audit_chain_next(const unsigned char before[AUDIT_CHAIN_BYTES], struct slice hashed,
                      unsigned char out[AUDIT_CHAIN_BYTES])
{
    hash_two(slice_of((const char *) before, AUDIT_CHAIN_BYTES), hashed, out);
}

/* What a signature is of. */
static void signed_bytes(const struct audit_mark *mark, struct buf *out)
{
    buf_init(out, SIGNED_BYTES);
    buf_append(out, SIGNED);
    buf_le64(out, mark->sequence);
    buf_append(out, slice_of((const char *) mark->chain, AUDIT_CHAIN_BYTES));
}

static void sign(const struct audit_mark *mark, const unsigned char key[AUDIT_KEY_BYTES],
                 unsigned char out[AUDIT_SIGNATURE_BYTES])
{
    AUTO(buf_done) struct buf bytes = {0};

    signed_bytes(mark, &bytes);
    (void) crypto_sign_detached(out, NULL, (const unsigned char *) bytes.ptr, bytes.len, key);
}

bool audit_signature_is_good(const struct audit_mark *mark,
                             const unsigned char signature[AUDIT_SIGNATURE_BYTES],
                             const unsigned char public_key[AUDIT_PUBLIC_KEY_BYTES])
{
    AUTO(buf_done) struct buf bytes = {0};

    signed_bytes(mark, &bytes);
    return crypto_sign_verify_detached(signature, (const unsigned char *) bytes.ptr, bytes.len,
                                       public_key) == 0;
}

void audit_line_add(struct buf *out, struct slice members, struct audit_mark *mark,
                    const unsigned char key[AUDIT_KEY_BYTES],
                    unsigned char signature[AUDIT_SIGNATURE_BYTES])
{
    size_t start = out->len;
    unsigned char chain[AUDIT_CHAIN_BYTES], own[AUDIT_SIGNATURE_BYTES];

    mark->sequence++;
    buf_append(out, SEQUENCE);
    buf_u64(out, mark->sequence);
    buf_byte(out, ',');
    buf_append(out, members);
    audit_chain_next(mark->chain, slice_of(out->ptr + start, out->len - start), chain);
    memcpy(mark->chain, chain, sizeof(chain));
    buf_append(out, CHAIN);
    audit_hex(out, chain, sizeof(chain));
    if (key != NULL) {
        sign(mark, key, own);
        buf_append(out, SIGNATURE);
        base64_encode(out, slice_of((const char *) own, sizeof(own)));
        if (signature != NULL)
            memcpy(signature, own, sizeof(own));
    }
    buf_append(out, END);
    buf_byte(out, '\n');
}

/* Take the signature off the end of text, if there is one. */
static bool take_signature(struct slice *text, struct audit_line *out)
{
    size_t len = SIGNATURE.len + SIGNATURE_TEXT_BYTES;
    AUTO(buf_done) struct buf bytes = {0};
    struct slice end;

    out->is_signed = false;
    if (text->len < len)
        return true;
    end = slice_from(*text, text->len - len);
    if (!slice_starts(end, SIGNATURE))
        return true;
    buf_init(&bytes, SIGNATURE_TEXT_BYTES);
    if (base64_decode(slice_from(end, SIGNATURE.len), &bytes) != RC_OK ||
        bytes.len != AUDIT_SIGNATURE_BYTES)
        return false;
    memcpy(out->signature, bytes.ptr, bytes.len);
    out->is_signed = true;
    text->len -= len;
    return true;
}

bool audit_line_read(struct slice text, struct audit_line *out)
{
    struct slice rest = text;
    struct scan sc = scan_of(text);

    if (!slice_ends(rest, END) || !scan_literal(&sc, SEQUENCE) ||
        !scan_u64(&sc, UINT64_MAX, &out->mark.sequence) || !scan_byte(&sc, ','))
        return false;
    rest.len -= END.len;
    if (!take_signature(&rest, out) || rest.len < CHAIN.len + CHAIN_TEXT_BYTES)
        return false;
    out->hashed = slice_sub(rest, 0, rest.len - CHAIN.len - CHAIN_TEXT_BYTES);
    rest = slice_from(rest, out->hashed.len);
    return slice_starts(rest, CHAIN) &&
           audit_unhex(slice_from(rest, CHAIN.len), out->mark.chain, AUDIT_CHAIN_BYTES);
}

struct slice audit_line_member(struct slice line, const char *name)
{
    AUTO(buf_done) struct buf start = {0};
    struct slice value = {0};
    struct scan sc;
    size_t at;

    buf_init(&start, 128);
    buf_printf(&start, ",\"%s\":\"", name);
    at = slice_search(line, buf_slice(&start));
    if (at == line.len)
        return value;
    sc = scan_of(slice_from(line, at + start.len));
    return scan_until(&sc, '"', &value) ? value : (struct slice){0};
}
