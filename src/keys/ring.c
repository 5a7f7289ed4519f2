#include "keys/ring.h"

#include <errno.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <unistd.h>

#include "keys/handshake.h"
#include "net/tls.h"

#define HEAP_SMALLEST 64  /* bytes of the least piece of the locked heap */
#define HEAP_LOCKED   1   /* CRYPTO_secure_malloc_init(3) answers 1; 2: not locked */
#define CURVE_NAME    64u /* a curve's name, with its NUL */

struct ring_key {
    uint8_t id[TLS_KEY_ID_BYTES];
    EVP_PKEY *key;
    bool old; /* not in the set in use */
    /* A signature that has begun and been given nothing, NULL: none yet. Copied for each one:
     * OpenSSL looks through the names of all it knows to begin one. */
    EVP_MD_CTX *begun;
    const struct tls_scheme *scheme; /* of begun */
};

struct key_ring {
    struct ring_key keys[KEY_RING_MAX];
    size_t n;
};

/* --- memory --- */

static void *plain_malloc(size_t n, const char *file, int line)
{
    (void) file;
    (void) line;
    return malloc(n);
}

static void wiping_free(void *room, const char *file, int line)
{
    (void) file;
    (void) line;
    if (room != NULL)
        explicit_bzero(room, malloc_usable_size(room));
    free(room);
}

static void *wiping_realloc(void *old, size_t n, const char *file, int line)
{
    void *room = malloc(n);

    if (room == NULL || old == NULL)
        return room;
    memcpy(room, old, MIN(n, malloc_usable_size(old)));
    wiping_free(old, file, line);
    return room;
}

bool key_memory_init(void)
{
    if (CRYPTO_set_mem_functions(plain_malloc, wiping_realloc, wiping_free) != 1)
        die("keys: OpenSSL has memory already");
    switch (CRYPTO_secure_malloc_init(KEY_HEAP_BYTES, HEAP_SMALLEST)) {
    case 0:
        die("keys: no locked heap");
    case HEAP_LOCKED:
        return true;
    default:
        return false;
    }
}

/* --- the ring --- */

struct key_ring *key_ring_new(void)
{
    return xcalloc(1, sizeof(struct key_ring));
}

static void ring_remove(struct key_ring *ring, size_t at)
{
    EVP_MD_CTX_free(ring->keys[at].begun);
    EVP_PKEY_free(ring->keys[at].key);
    memmove(&ring->keys[at], &ring->keys[at + 1], (ring->n - at - 1) * sizeof(ring->keys[0]));
    ring->n--;
}

void key_ring_free(struct key_ring *ring)
{
    if (ring == NULL)
        return;
    while (ring->n > 0)
        ring_remove(ring, ring->n - 1);
    free(ring);
}

static struct ring_key *ring_find(struct key_ring *ring, const uint8_t *id)
{
    for (size_t i = 0; i < ring->n; i++) {
        if (memcmp(ring->keys[i].id, id, TLS_KEY_ID_BYTES) == 0)
            return &ring->keys[i];
    }
    return NULL;
}

bool key_ring_has_old(const struct key_ring *ring)
{
    for (size_t i = 0; i < ring->n; i++) {
        if (ring->keys[i].old)
            return true;
    }
    return false;
}

void key_ring_forget_old(struct key_ring *ring)
{
    for (size_t i = ring->n; i > 0; i--) {
        if (ring->keys[i - 1].old)
            ring_remove(ring, i - 1);
    }
}

size_t key_ring_count(const struct key_ring *ring)
{
    return ring->n;
}

/* --- loading --- */

/* A file's text, in the locked heap. */
struct key_text {
    char *ptr; /* KEY_FILE_MAX_BYTES + 1 */
    size_t len;
};

static void key_text_done(struct key_text *text)
{
    OPENSSL_secure_clear_free(text->ptr, KEY_FILE_MAX_BYTES + 1);
}

static enum rc read_file(int fd, struct key_text *out, struct err *err)
{
    ssize_t n = 1;

    out->ptr = OPENSSL_secure_malloc(KEY_FILE_MAX_BYTES + 1);
    if (out->ptr == NULL)
        return err_set(err, RC_LIMIT, "Server error", "keys: the locked heap is full");
    while (n > 0 && out->len <= KEY_FILE_MAX_BYTES) {
        n = read(fd, out->ptr + out->len, KEY_FILE_MAX_BYTES + 1 - out->len);
        out->len += n > 0 ? (size_t) n : 0;
    }
    if (n < 0)
        return err_set(err, RC_IO, "Bad private key", "private key: %s", strerror(errno));
    if (out->len == 0 || out->len > KEY_FILE_MAX_BYTES)
        return err_set(err, RC_INVALID, "Bad private key", "private key: %s",
                       out->len == 0 ? "the file is empty" : "the file is too long");
    return RC_OK;
}

static bool id_of_leaf(struct slice chain_pem, uint8_t out[TLS_KEY_ID_BYTES])
{
    BIO *bio = BIO_new_mem_buf(chain_pem.ptr, (int) chain_pem.len); /* at most 64 KiB */
    X509 *leaf = bio != NULL ? PEM_read_bio_X509(bio, NULL, tls_no_passphrase, NULL) : NULL;
    bool done = leaf != NULL && tls_key_id(leaf, out);

    X509_free(leaf);
    (void) BIO_free(bio);
    return done;
}

/* Whatever a process that serves TLS would refuse is refused here, before it hears of it. */
static enum rc try_pair(const struct key_source *source, struct slice key_pem, struct err *err)
{
    AUTO(tls_server_freep) struct tls_server *server = tls_server_new();
    struct tls_pair pair = {.chain_pem = source->chain_pem, .key_pem = key_pem};

    return tls_server_load(server, &pair, 1, err);
}

static enum rc read_pair(const struct key_source *source, struct ring_key *out, struct err *err)
{
    AUTO(key_text_done) struct key_text text = {0};
    enum rc rc = read_file(source->key_fd, &text, err);
    BIO *bio;

    if (rc == RC_OK)
        rc = try_pair(source, slice_of(text.ptr, text.len), err);
    if (rc)
        return rc;
    bio = BIO_new_mem_buf(text.ptr, (int) text.len); /* at most KEY_FILE_MAX_BYTES */
    if (bio == NULL)
        die("keys: out of memory");
    out->key = PEM_read_bio_PrivateKey(bio, NULL, tls_no_passphrase, NULL);
    (void) BIO_free(bio);
    if (out->key == NULL || !id_of_leaf(source->chain_pem, out->id)) {
        ERR_clear_error();
        return err_set(err, RC_INVALID, "Bad private key", "private key: cannot be read");
    }
    return RC_OK;
}

static enum rc load_pair(const struct key_source *source, struct ring_key *out, struct err *err)
{
    struct err why;
    enum rc rc = read_pair(source, out, &why);

    if (rc)
        return err_set(err, rc, "Bad certificate", "%s: %.*s, %.*s", why.detail,
                       SLICE_ARG(source->name), SLICE_ARG(source->key_name));
    return RC_OK;
}

/* The set that is complete and good: what it lacks becomes old. */
static void ring_take(struct key_ring *ring, struct ring_key *loading, size_t n)
{
    for (size_t i = 0; i < ring->n; i++)
        ring->keys[i].old = true;
    for (size_t i = 0; i < n; i++) {
        struct ring_key *known = ring_find(ring, loading[i].id);

        if (known != NULL) {
            known->old = false;
            continue;
        }
        for (size_t j = 0; ring->n == KEY_RING_MAX && j < ring->n; j++) {
            if (ring->keys[j].old)
                ring_remove(ring, j); /* the oldest stands first */
        }
        ring->keys[ring->n++] = loading[i];
        loading[i].key = NULL;
    }
}

enum rc key_ring_load(struct key_ring *ring, const struct key_source *sources, size_t n,
                      struct err *err)
{
    struct ring_key loading[TLS_PAIRS_MAX] = {0};
    enum rc rc = RC_OK;

    if (n == 0 || n > TLS_PAIRS_MAX)
        return err_set(err, RC_LIMIT, "Bad certificate", "%zu certificates, 1 to %u may be", n,
                       TLS_PAIRS_MAX);
    for (size_t i = 0; i < n && rc == RC_OK; i++)
        rc = load_pair(&sources[i], &loading[i], err);
    if (rc == RC_OK)
        ring_take(ring, loading, n);
    for (size_t i = 0; i < n; i++)
        EVP_PKEY_free(loading[i].key);
    return rc;
}

/* --- signing --- */

/* RFC 8446 section 4.2.3: in TLS 1.3 an ECDSA scheme is bound to its curve. */
static bool fits_key(const struct tls_scheme *scheme, const EVP_PKEY *key, bool is_tls13)
{
    char curve[CURVE_NAME];
    size_t len = 0;

    if (!EVP_PKEY_is_a(key, scheme->key))
        return false;
    if (!is_tls13 || scheme->curve == NULL)
        return true;
    return EVP_PKEY_get_group_name(key, curve, sizeof(curve), &len) == 1 &&
           strcmp(curve, scheme->curve) == 0;
}

static bool set_padding(EVP_PKEY_CTX *pkey_ctx, bool pss)
{
    if (!pss)
        return true; /* PKCS #1 v1.5 is OpenSSL's default, and the others have none */
    return EVP_PKEY_CTX_set_rsa_padding(pkey_ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(pkey_ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
}

static void md_ctx_freep(EVP_MD_CTX **ctx)
{
    EVP_MD_CTX_free(*ctx);
}

/* Clients agree on one scheme of a key, so the last one is kept. */
static bool begin(struct ring_key *key, const struct tls_scheme *scheme)
{
    AUTO(md_ctx_freep) EVP_MD_CTX *ctx = NULL;
    EVP_PKEY_CTX *pkey_ctx = NULL;

    if (key->begun != NULL && key->scheme == scheme)
        return true;
    ctx = EVP_MD_CTX_new();
    if (ctx == NULL ||
        EVP_DigestSignInit_ex(ctx, &pkey_ctx, scheme->digest, NULL, NULL, key->key, NULL) !=
            1 ||
        !set_padding(pkey_ctx, scheme->pss))
        return false;
    EVP_MD_CTX_free(key->begun);
    key->begun = TAKE(ctx);
    key->scheme = scheme;
    return true;
}

static bool sign(struct ring_key *key, const struct tls_scheme *scheme, struct slice bytes,
                 struct buf *out)
{
    AUTO(md_ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char room[TLS_SIGNATURE_MAX];
    size_t len = sizeof(room);
    bool done =
        begin(key, scheme) && ctx != NULL && EVP_MD_CTX_copy_ex(ctx, key->begun) == 1 &&
        EVP_DigestSign(ctx, room, &len, (const unsigned char *) bytes.ptr, bytes.len) == 1;

    ERR_clear_error();
    if (done)
        buf_append(out, slice_of((const char *) room, len));
    return done;
}

enum rc key_ring_sign(struct key_ring *ring, const uint8_t key_id[TLS_KEY_ID_BYTES],
                      uint16_t scheme_number, struct slice bytes, struct buf *out,
                      struct err *err)
{
    const struct tls_scheme *scheme = tls_scheme_find(scheme_number);
    struct ring_key *found = ring_find(ring, key_id);
    bool is_tls13 = false;
    enum rc rc;

    if (scheme == NULL)
        return err_set(err, RC_DENIED, "Not signed", "scheme %#x", scheme_number);
    rc = handshake_check(bytes, scheme, &is_tls13, err);
    if (rc)
        return rc;
    if (found == NULL)
        return err_set(err, RC_NOT_FOUND, "Not signed", "no such key");
    if (!fits_key(scheme, found->key, is_tls13))
        return err_set(err, RC_DENIED, "Not signed", "%s is not for this key", scheme->name);
    if (!sign(found, scheme, bytes, out))
        return err_set(err, RC_IO, "Not signed", "OpenSSL does not sign by %s", scheme->name);
    return RC_OK;
}
