#include "net/tls_client.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/ipaddr.h"
#include "net/tls_context.h"

#define TLS12_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20" /* RFC 9325 section 4.2 */

struct tls_client {
    SSL_CTX *context;
    char *name;
    bool is_address; /* the name: it is no host's, and not sent (RFC 6066 section 3) */
};

static enum rc bad_file(struct err *err, const char *what, const char *path)
{
    char text[128];

    (void) snprintf(text, sizeof(text), "%s %.90s", what, path);
    return tls_err(err, RC_INVALID, "Bad certificate", text);
}

static enum rc use_own_pair(SSL_CTX *context, const struct tls_client_options *options,
                            struct err *err)
{
    if (options->certificate[0] == '\0')
        return RC_OK;
    SSL_CTX_set_default_passwd_cb(context, tls_no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(context, options->certificate) != 1)
        return bad_file(err, "certificate", options->certificate);
    if (SSL_CTX_use_PrivateKey_file(context, options->key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return bad_file(err, "private key", options->key);
    return RC_OK;
}

/* Whose certificate it must be. */
static bool set_name(struct tls_client *client)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(client->context);
    struct ipaddr address;

    client->is_address = ipaddr_parse(slice_from_str(client->name), &address);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return client->is_address ? X509_VERIFY_PARAM_set1_ip_asc(param, client->name) == 1
                              : X509_VERIFY_PARAM_set1_host(param, client->name, 0) == 1;
}

static enum rc set_up(struct tls_client *client, const struct tls_client_options *options,
                      struct err *err)
{
    SSL_CTX *context = client->context;

    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(context, TLS12_CIPHERS) != 1 || !set_name(client))
        return tls_err(err, RC_IO, "Server error", "TLS context");
    (void) SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    (void) SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                         SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_verify_depth(context, TLS_CHAIN_MAX);
    if (SSL_CTX_load_verify_file(context, options->authorities) != 1)
        return bad_file(err, "authorities", options->authorities);
    return use_own_pair(context, options, err);
}

enum rc tls_client_new(const struct tls_client_options *options, struct tls_client **out,
                       struct err *err)
{
    AUTO(tls_client_freep) struct tls_client *client = xcalloc(1, sizeof(*client));
    enum rc rc;

    ERR_clear_error();
    client->name = xstrdup(options->name);
    client->context = SSL_CTX_new(TLS_client_method());
    if (client->context == NULL)
        return tls_err(err, RC_IO, "Server error", "TLS context");
    rc = set_up(client, options, err);
    if (rc)
        return rc;
    *out = TAKE(client);
    return RC_OK;
}

void tls_client_free(struct tls_client *client)
{
    if (client == NULL)
        return;
    SSL_CTX_free(client->context);
    free(client->name);
    free(client);
}

void tls_client_freep(struct tls_client **client)
{
    tls_client_free(*client);
}

enum rc tls_client_connect(struct tls_client *client, int fd, struct tls **out, struct err *err)
{
    SSL *ssl;

    ERR_clear_error();
    ssl = SSL_new(client->context);
    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 ||
        (!client->is_address && SSL_set_tlsext_host_name(ssl, client->name) != 1)) {
        SSL_free(ssl);
        return tls_err(err, RC_IO, "Server error", "TLS connection");
    }
    SSL_set_connect_state(ssl);
    *out = tls_wrap(ssl);
    return RC_OK;
}
