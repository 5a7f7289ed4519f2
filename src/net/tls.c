#include "net/tls.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "net/tls_context.h"
#include "net/tls_ticket.h"

#define ALPN_DEFAULT           "imap"      /* as RFC 7595 registers it */
#define TLS_CLIENT_CHAIN_BYTES (48 * 1024) /* a dozen certificates; OpenSSL refuses more */
#define EXPORTER_LABEL         "EXPORTER-Channel-Binding" /* RFC 9266 section 2 */

struct tls_server {
    struct tls_set *set; /* NULL until the first load */
    struct ticket_keys *tickets;
    const char *alpn;
    bool asks_certificates;
    struct tls_signer signer; /* for pairs without a key */
};

struct tls {
    SSL *ssl;
    struct tls_set *set; /* until the handshake is over: the name callback reads it */
    bool waits_to_write;
    bool shut; /* close_notify was sent */
};

void tls_library_init(void)
{
    static const char *const digests[] = {"SHA256", "SHA384", "SHA512"};
    SSL_CTX *context;

    if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS |
                             OPENSSL_INIT_LOAD_CRYPTO_STRINGS,
                         NULL) != 1)
        die("tls: OpenSSL does not start");
    tls_remote_keys_init();
    context = SSL_CTX_new(TLS_server_method()); /* fetches every cipher and digest of TLS */
    if (context == NULL)
        die("tls: OpenSSL gives no context");
    SSL_CTX_free(context);
    for (size_t i = 0; i < COUNT(digests); i++) {
        EVP_MD *digest = EVP_MD_fetch(NULL, digests[i], NULL);

        if (digest == NULL)
            die("tls: OpenSSL has no %s", digests[i]);
        EVP_MD_free(digest);
    }
}

struct tls_server *tls_server_new(void)
{
    struct tls_server *server = xcalloc(1, sizeof(*server));

    server->tickets = ticket_keys_new();
    server->alpn = ALPN_DEFAULT;
    return server;
}

void tls_server_use_alpn(struct tls_server *server, const char *protocol)
{
    server->alpn = protocol;
}

void tls_server_sign_with(struct tls_server *server, struct tls_signer signer)
{
    server->signer = signer;
}

void tls_server_ask_certificates(struct tls_server *server)
{
    server->asks_certificates = true;
}

size_t tls_server_n_staples(const struct tls_server *server)
{
    return server->set != NULL ? tls_set_n_staples(server->set) : 0;
}

void tls_server_free(struct tls_server *server)
{
    if (server == NULL)
        return;
    tls_set_unref(server->set);
    ticket_keys_free(server->tickets);
    free(server);
}

void tls_server_freep(struct tls_server **server)
{
    tls_server_free(*server);
}

enum rc tls_server_load(struct tls_server *server, const struct tls_pair *pairs, size_t n,
                        struct err *err)
{
    struct tls_set *set = NULL;
    enum rc rc =
        tls_set_new(pairs, n, slice_from_str(server->alpn), &server->signer, &set, err);

    if (rc)
        return rc;
    tls_set_unref(server->set);
    server->set = set;
    return RC_OK;
}

bool tls_server_is_loaded(const struct tls_server *server)
{
    return server->set != NULL;
}

void tls_server_share_tickets(struct tls_server *server, const struct tls_ticket_seed *seed)
{
    ticket_keys_share(server->tickets, seed);
}

void tls_server_rotate_tickets(struct tls_server *server)
{
    ticket_keys_rotate(server->tickets);
}

/* Who may do what with it is not for TLS to say: the context takes any (tls_context.c). */
static void ask_certificate(SSL *ssl)
{
    SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    SSL_set_max_cert_list(ssl, TLS_CLIENT_CHAIN_BYTES);
    (void) SSL_set_options(ssl, SSL_OP_NO_TICKET);
    (void) SSL_set_num_tickets(ssl, 0);
}

enum rc tls_new(struct tls_server *server, int fd, struct tls **out, struct err *err)
{
    AUTO(tls_freep) struct tls *tls = xcalloc(1, sizeof(*tls));

    ERR_clear_error();
    tls->ssl = SSL_new(tls_set_default(server->set));
    if (tls->ssl == NULL || SSL_set_fd(tls->ssl, fd) != 1 ||
        SSL_set_app_data(tls->ssl, server->tickets) != 1)
        return tls_err(err, RC_IO, "Server error", "TLS connection");
    SSL_set_accept_state(tls->ssl);
    if (server->asks_certificates)
        ask_certificate(tls->ssl);
    tls->set = tls_set_ref(server->set);
    *out = TAKE(tls);
    return RC_OK;
}

struct tls *tls_wrap(SSL *ssl)
{
    struct tls *tls = xcalloc(1, sizeof(*tls));

    tls->ssl = ssl;
    return tls;
}

void tls_free(struct tls *tls)
{
    if (tls == NULL)
        return;
    SSL_free(tls->ssl);
    tls_set_unref(tls->set);
    free(tls);
}

void tls_freep(struct tls **tls)
{
    tls_free(*tls);
}

/* What became of a call that did not succeed. closed: RC_OK if the peer ended its side. */
static enum rc judge(struct tls *tls, int result, int errno_then, const char *what,
                     struct err *err)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        tls->waits_to_write = false;
        return RC_MORE;
    case SSL_ERROR_WANT_WRITE:
        tls->waits_to_write = true;
        return RC_MORE;
    case SSL_ERROR_SYSCALL:
        ERR_clear_error();
        return err_set(err, RC_IO, "Connection lost", "%s: %s", what,
                       errno_then != 0 ? strerror(errno_then) : "closed by the peer");
    default:
        if (SSL_get_verify_result(tls->ssl) != X509_V_OK) /* a client's; servers ask for none */
            what = X509_verify_cert_error_string(SSL_get_verify_result(tls->ssl));
        return tls_err(err, RC_IO, "TLS failed", what);
    }
}

enum rc tls_handshake(struct tls *tls, struct err *err)
{
    int result;

    ERR_clear_error();
    errno = 0;
    result = SSL_do_handshake(tls->ssl);
    if (result != 1)
        return judge(tls, result, errno, "handshake", err);
    tls_set_unref(tls->set);
    tls->set = NULL;
    return RC_OK;
}

bool tls_awaits_finished(const struct tls *tls)
{
    char byte;

    return SSL_get_verify_mode(tls->ssl) == SSL_VERIFY_NONE &&
           SSL_get_finished(tls->ssl, &byte, sizeof(byte)) > 0; /* ours was made */
}

enum rc tls_read(struct tls *tls, char *to, size_t cap, size_t *out_n, struct err *err)
{
    size_t n = 0;
    int result;

    ERR_clear_error();
    errno = 0;
    result = SSL_read_ex(tls->ssl, to, cap, &n);
    if (result != 1 && SSL_get_error(tls->ssl, result) != SSL_ERROR_ZERO_RETURN)
        return judge(tls, result, errno, "read", err);
    *out_n = n;
    return RC_OK;
}

bool tls_has_pending(const struct tls *tls)
{
    return SSL_has_pending(tls->ssl) == 1;
}

enum rc tls_write(struct tls *tls, struct slice bytes, size_t *out_n, struct err *err)
{
    size_t n = 0;
    int result;

    ERR_clear_error();
    errno = 0;
    result = SSL_write_ex(tls->ssl, bytes.ptr, bytes.len, &n);
    if (result != 1)
        return judge(tls, result, errno, "write", err);
    *out_n = n;
    return RC_OK;
}

enum rc tls_shut_write(struct tls *tls, struct err *err)
{
    int result;

    if (tls->shut)
        return RC_OK;
    ERR_clear_error();
    errno = 0;
    result = SSL_shutdown(tls->ssl); /* 0: sent, the peer's is still to come */
    if (result < 0)
        return judge(tls, result, errno, "close_notify", err);
    tls->shut = true;
    return RC_OK;
}

bool tls_has_client_certificate(const struct tls *tls)
{
    return SSL_get0_peer_certificate(tls->ssl) != NULL;
}

static void put_certificate(struct buf *out, X509 *cert)
{
    unsigned char *der = NULL;
    int len = i2d_X509(cert, &der);

    if (len > 0)
        buf_le_bytes(out, slice_of(der, (size_t) len));
    else
        out->overflow = true;
    OPENSSL_free(der);
}

void tls_client_chain(const struct tls *tls, struct buf *out)
{
    X509 *leaf = SSL_get0_peer_certificate(tls->ssl);
    STACK_OF(X509) *above =
        SSL_get_peer_cert_chain(tls->ssl); /* on a server without the leaf */

    if (leaf == NULL)
        return;
    put_certificate(out, leaf);
    for (int i = 0; i < sk_X509_num(above); i++)
        put_certificate(out, sk_X509_value(above, i));
}

bool tls_waits_to_write(const struct tls *tls)
{
    return tls->waits_to_write;
}

bool tls_has_exporter(const struct tls *tls)
{
    return SSL_version(tls->ssl) >= TLS1_3_VERSION || SSL_get_extms_support(tls->ssl) == 1;
}

void tls_facts(const struct tls *tls, struct tls_facts *out)
{
    const unsigned char *alpn = NULL;
    const char *sni = SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name);
    unsigned int alpn_len = 0;

    *out = (struct tls_facts){.version = SSL_get_version(tls->ssl),
                              .version_number = (uint16_t) SSL_version(tls->ssl),
                              .cipher = SSL_get_cipher_name(tls->ssl),
                              .resumed = SSL_session_reused(tls->ssl) == 1};
    if (sni != NULL)
        out->sni = slice_from_str(sni);
    SSL_get0_alpn_selected(tls->ssl, &alpn, &alpn_len);
    out->alpn = alpn_len > 0;
}

bool tls_exporter(const struct tls *tls, uint8_t out[TLS_EXPORTER_BYTES])
{
    return tls_has_exporter(tls) &&
           SSL_export_keying_material(tls->ssl, out, TLS_EXPORTER_BYTES, EXPORTER_LABEL,
                                      sizeof(EXPORTER_LABEL) - 1, (const unsigned char *) "", 0,
                                      1) == 1;
}
