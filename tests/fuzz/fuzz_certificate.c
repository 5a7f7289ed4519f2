/*
 * fuzz_certificate.c - any bytes as a client certificate, and as a chain of them: a name that
 * is read is a plain one of its kind, and nobody is believed whom our CA has not signed.
 */
// links: auth
#include <assert.h>

#include "auth/certificate.h"
#include "base/buf.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A CA whose key nobody has. */
static const char authority[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBUjCB+qADAgECAgID7jAKBggqhkjOPQQDAjAQMQ4wDAYDVQQDDAVvdGhlcjAg\n"
    "Fw0yNjExMjIxMzM4MDVaGA8yMTI2MTAyOTEzMzgwNVowEDEOMAwGA1UEAwwFb3Ro\n"
    "ZXIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASwTfPn6oCxiMwpq2jqRoI8xGcI\n"
    "/5P9/jK4Mg5S4mdN5/0J35q5rScZIni1O+7/dQSvViZcEgplM3fQUcA3TgxZo0Iw\n"
    "QDAPBgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwIBBjAdBgNVHQ4EFgQU3ekC\n"
    "K1jK34xteDyv/OeSfk9un6EwCgYIKoZIzj0EAwIDRwAwRAIgV6XHkS+TTOmogKcg\n"
    "ad8S+r3oRh1dmxfi7GH1tg4BHg0CIDtOucUUiKW7iWEN0Ws6Es9Q1JjLGJ2+BhlD\n"
    "+ITwdeJF\n"
    "-----END CERTIFICATE-----\n";

static void check_name(struct slice der, enum cert_name kind)
{
    struct cert_identity found = {0};
    struct slice user;

    if (cert_read_name(der, kind, &found, NULL) != RC_OK)
        return;
    user = slice_of(found.user, found.user_len);
    assert(user.len > 0 && user.len <= AUTH_NAME_MAX_BYTES && utf8_is_valid(user));
    assert(slice_count(user, '\0') == 0 && slice_count(user, '*') == 0 &&
           slice_count(user, '\n') == 0 && slice_count(user, '%') == 0);
    assert(slice_count(user, '@') == (kind == CERT_NAME_DNS ? 0u : 1u));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of(data, size);
    AUTO(cert_checker_freep) struct cert_checker *checker = NULL;
    AUTO(buf_done) struct buf chain = {.max = size + sizeof(uint32_t)};
    struct cert_identity found;

    for (enum cert_name kind = CERT_NAME_EMAIL; kind <= CERT_NAME_URI; kind++)
        check_name(bytes, kind);
    if (cert_checker_new(slice_from_str(authority), SLICE(""), CERT_NAME_EMAIL, &checker,
                         NULL) != RC_OK)
        die("the CA of this test cannot be read");
    buf_le_bytes(&chain, bytes);
    assert(cert_check(checker, buf_slice(&chain), 1800000000, &found, NULL) != RC_OK);
    assert(cert_check(checker, bytes, 1800000000, &found, NULL) != RC_OK);
    return 0;
}
