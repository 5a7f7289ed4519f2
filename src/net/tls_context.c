#include "net/tls_context.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>

#include "net/tls_staple.h"
#include "net/tls_ticket.h"

/* RFC 9325 section 4.2: forward secrecy and AEAD; 1.3 has nothing else. */
#define TLS12_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"
/* RFC 8446 section 9.1: the one that all have first. SHA-256 has instructions of its own where
 * SHA-384 has none, and the key schedule of a handshake hashes some seventy times. */
#define TLS13_CIPHERS                                                                          \
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define TLS_GROUPS "X25519:P-256:P-384"
/* RFC 9155: no SHA-1. Those of tls_scheme.h, in the order in which they are chosen. */
#define TLS_SIGALGS                                                                            \
    "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:ed448:RSA-PSS+SHA256:RSA-PSS+SHA384:"      \
    "RSA-PSS+SHA512:rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512:RSA+SHA256:"      \
    "RSA+SHA384:RSA+SHA512"
#define TLS_SESSION_NAME                                                                       \
    "roost" /* all contexts of a server may resume each other's sessions                       \
             */
/*
 * A session resumed over TLS 1.3 makes the key exchange anew; the ticket saves us the signature
 * alone. That of an EC or Edwards key takes less than a ticket that is sealed, sent and opened;
 * so only a client that met an RSA key is given one, and another when it comes back.
 */
#define TLS13_TICKETS_RSA 1

struct tls_set {
    _Atomic unsigned refs; /* the thread of handshakes lets go of what another took */
    size_t n;
    SSL_CTX *contexts[TLS_PAIRS_MAX];
    X509 *leaves[TLS_PAIRS_MAX]; /* owned by the contexts */
    struct tls_staple staples[TLS_PAIRS_MAX];
    /* RFC 7301 section 3.1: a length byte, then the protocol. */
    unsigned char alpn[TLS_ALPN_MAX + 1];
    unsigned alpn_len;
};

static void bio_freep(BIO **bio)
{
    (void) BIO_free(*bio);
}

static void x509_freep(X509 **cert)
{
    X509_free(*cert);
}

static void pkey_freep(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void ssl_ctx_freep(SSL_CTX **context)
{
    SSL_CTX_free(*context);
}

enum rc tls_err(struct err *err, enum rc rc, const char *text, const char *what)
{
    unsigned long code = ERR_peek_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);

    ERR_clear_error();
    return err_set(err, rc, text, "%s: %s", what, reason != NULL ? reason : "no reason given");
}

/* --- what a handshake asks --- */

static int choose_by_name(SSL *ssl, int *alert, void *arg)
{
    const struct tls_set *set = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void) alert; /* an unknown name gets the default: RFC 6066 section 3 allows it */
    if (name == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    for (size_t i = 0; i < set->n; i++) {
        if (X509_check_host(set->leaves[i], name, 0, 0, NULL) == 1) {
            if (i > 0 && SSL_set_SSL_CTX(ssl, set->contexts[i]) == NULL)
                return SSL_TLSEXT_ERR_ALERT_FATAL;
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_NOACK;
}

/* Called only if the client offers protocols; OpenSSL then sends no_application_protocol. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *offered, unsigned int offered_len, void *arg)
{
    const struct tls_set *set = arg;
    unsigned char *chosen = NULL;

    (void) ssl;
    if (SSL_select_next_proto(&chosen, out_len, set->alpn, set->alpn_len, offered,
                              offered_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* Called only if the client asks for the status of the certificate (RFC 6066 section 8). */
static int give_staple(SSL *ssl, void *arg)
{
    const struct tls_staple *staple = arg;
    unsigned char *copy;

    if (!tls_staple_is_fresh(staple))
        return SSL_TLSEXT_ERR_NOACK;
    copy = OPENSSL_memdup(staple->der, staple->len);
    if (copy == NULL || SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long) staple->len) != 1) {
        OPENSSL_free(copy);
        return SSL_TLSEXT_ERR_NOACK;
    }
    return SSL_TLSEXT_ERR_OK; /* the connection frees the copy */
}

/* --- from PEM to a context --- */

int tls_no_passphrase(char *to, int size, int writing, void *arg)
{
    (void) to;
    (void) size;
    (void) writing;
    (void) arg;
    return -1;
}

static BIO *bio_of(struct slice pem)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int) pem.len); /* len <= TLS_PEM_MAX_BYTES */

    if (bio == NULL)
        die("tls: out of memory");
    return bio;
}

static enum rc use_chain(SSL_CTX *context, struct slice pem, struct err *err)
{
    AUTO(bio_freep) BIO *bio = bio_of(pem);
    AUTO(x509_freep) X509 *leaf = PEM_read_bio_X509(bio, NULL, tls_no_passphrase, NULL);
    unsigned long why;

    if (leaf == NULL || SSL_CTX_use_certificate(context, leaf) != 1)
        return tls_err(err, RC_INVALID, "Bad certificate", "certificate");
    for (size_t n = 0;; n++) {
        AUTO(x509_freep) X509 *above = PEM_read_bio_X509(bio, NULL, tls_no_passphrase, NULL);

        if (above == NULL)
            break;
        if (n == TLS_CHAIN_MAX)
            return err_set(err, RC_LIMIT, "Bad certificate", "chain: over %u certificates",
                           TLS_CHAIN_MAX);
        if (SSL_CTX_add1_chain_cert(context, above) != 1)
            return tls_err(err, RC_INVALID, "Bad certificate", "chain");
    }
    why = ERR_peek_last_error(); /* the end of the text is the one good reason to stop */
    if (ERR_GET_LIB(why) != ERR_LIB_PEM || ERR_GET_REASON(why) != PEM_R_NO_START_LINE)
        return tls_err(err, RC_INVALID, "Bad certificate", "chain");
    ERR_clear_error();
    return RC_OK;
}

static enum rc read_key(struct slice pem, EVP_PKEY **out, struct err *err)
{
    AUTO(bio_freep) BIO *bio = bio_of(pem);

    *out = PEM_read_bio_PrivateKey(bio, NULL, tls_no_passphrase, NULL);
    return *out != NULL ? RC_OK : tls_err(err, RC_INVALID, "Bad private key", "private key");
}

static enum rc use_key(SSL_CTX *context, struct slice pem, const struct tls_signer *signer,
                       struct err *err)
{
    AUTO(pkey_freep) EVP_PKEY *key = NULL;
    enum rc rc = pem.len > 0
                     ? read_key(pem, &key, err)
                     : tls_remote_key_new(SSL_CTX_get0_certificate(context), signer, &key, err);

    if (rc)
        return rc;
    if (SSL_CTX_use_PrivateKey(context, key) != 1 || SSL_CTX_check_private_key(context) != 1)
        return tls_err(err, RC_INVALID, "Bad private key", "key does not fit certificate");
    (void) SSL_CTX_set_num_tickets(
        context,
        EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS") ? TLS13_TICKETS_RSA : 0);
    return RC_OK;
}

/* Of the client's certificate TLS shows that it has the key; who it is others look at. */
static int take_any(X509_STORE_CTX *ctx, void *arg)
{
    (void) arg;
    X509_STORE_CTX_set_error(ctx, X509_V_OK);
    return 1;
}

/* What does not depend on the certificate. */
static bool set_policy(SSL_CTX *context, struct tls_set *set)
{
    char groups[] = TLS_GROUPS, sigalgs[] = TLS_SIGALGS; /* OpenSSL's macros take no const */

    (void) SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                            SSL_OP_CIPHER_SERVER_PREFERENCE |
                                            SSL_OP_PRIORITIZE_CHACHA |
                                            SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void) SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                         SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void) SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    (void) SSL_CTX_set_timeout(context, TICKET_KEY_SEC);
    SSL_CTX_set_read_ahead(context, 1); /* a record in one read(), not header and body apart */
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_cert_verify_callback(context, take_any, NULL);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, set);
    (void) SSL_CTX_set_tlsext_servername_callback(context, choose_by_name);
    (void) SSL_CTX_set_tlsext_servername_arg(context, set);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set1_sigalgs_list(context, sigalgs) == 1 &&
           SSL_CTX_set_cipher_list(context, TLS12_CIPHERS) == 1 &&
           SSL_CTX_set_ciphersuites(context, TLS13_CIPHERS) == 1 &&
           SSL_CTX_set1_groups_list(context, groups) == 1 &&
           SSL_CTX_set_session_id_context(context, (const unsigned char *) TLS_SESSION_NAME,
                                          sizeof(TLS_SESSION_NAME) - 1) == 1 &&
           SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticket_key_callback) == 1;
}

static enum rc context_of(const struct tls_pair *pair, struct tls_set *set,
                          const struct tls_signer *signer, SSL_CTX **out, struct err *err)
{
    AUTO(ssl_ctx_freep) SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    enum rc rc;

    if (pair->chain_pem.len > TLS_PEM_MAX_BYTES || pair->key_pem.len > TLS_PEM_MAX_BYTES)
        return err_set(err, RC_LIMIT, "Bad certificate", "PEM over %zu bytes",
                       TLS_PEM_MAX_BYTES);
    if (context == NULL || !set_policy(context, set))
        return tls_err(err, RC_IO, "Server error", "TLS context");
    rc = use_chain(context, pair->chain_pem, err);
    if (rc)
        return rc;
    rc = use_key(context, pair->key_pem, signer, err);
    if (rc)
        return rc;
    *out = TAKE(context);
    return RC_OK;
}

/* A certificate without a good answer is as good as one without any. */
static void use_staple(struct tls_set *set, size_t at, struct slice der)
{
    struct tls_staple *staple = &set->staples[at];

    if (der.len == 0 || tls_staple_read(der, set->leaves[at], staple, NULL) != RC_OK)
        return;
    (void) SSL_CTX_set_tlsext_status_cb(set->contexts[at], give_staple);
    (void) SSL_CTX_set_tlsext_status_arg(set->contexts[at], staple);
}

enum rc tls_set_new(const struct tls_pair *pairs, size_t n, struct slice alpn,
                    const struct tls_signer *signer, struct tls_set **out, struct err *err)
{
    AUTO(tls_set_unrefp) struct tls_set *set = xcalloc(1, sizeof(*set));

    assert(alpn.len <= TLS_ALPN_MAX);
    set->refs = 1;
    set->alpn[0] = (unsigned char) alpn.len;
    memcpy(set->alpn + 1, alpn.ptr, alpn.len);
    set->alpn_len = (unsigned) alpn.len + 1;
    if (n == 0 || n > TLS_PAIRS_MAX)
        return err_set(err, RC_LIMIT, "Bad certificate", "%zu certificates, 1 to %u may be", n,
                       TLS_PAIRS_MAX);
    ERR_clear_error();
    for (size_t i = 0; i < n; i++) {
        enum rc rc = context_of(&pairs[i], set, signer, &set->contexts[i], err);

        if (rc)
            return rc;
        set->leaves[i] = SSL_CTX_get0_certificate(set->contexts[i]);
        set->n = i + 1;
        use_staple(set, i, pairs[i].staple_der);
    }
    *out = TAKE(set);
    return RC_OK;
}

struct tls_set *tls_set_ref(struct tls_set *set)
{
    set->refs++;
    return set;
}

void tls_set_unref(struct tls_set *set)
{
    if (set == NULL || atomic_fetch_sub(&set->refs, 1) > 1)
        return;
    for (size_t i = 0; i < set->n; i++) {
        SSL_CTX_free(set->contexts[i]);
        tls_staple_done(&set->staples[i]);
    }
    free(set);
}

void tls_set_unrefp(struct tls_set **set)
{
    tls_set_unref(*set);
}

size_t tls_set_n_staples(const struct tls_set *set)
{
    size_t n = 0;

    for (size_t i = 0; i < set->n; i++)
        n += set->staples[i].der != NULL;
    return n;
}

SSL_CTX *tls_set_default(const struct tls_set *set)
{
    return set->contexts[0];
}
