/* test_key_ring.c - handshakes whose key is elsewhere, and what is refused to be signed. */
// links: keys
#include <openssl/err.h>
#include <signal.h>

#include "keys/handshake.h"
#include "lib/ring_signer.h"
#include "lib/test.h"
#include "lib/tlsclient.h"
#include "net/tls.h"

#define MESSAGE_MAX 300u

/* --- handshakes --- */

/* The server's result; 1: the client is content too. */
static bool shakes(struct tls_server *server, int version, const char *schemes)
{
    struct tlsclient client;
    struct conn conn;
    struct err err;
    char room[4];
    bool done;
    int fd;

    tlsclient_open(&client, &fd);
    SSL_set_min_proto_version(client.ssl, version);
    SSL_set_max_proto_version(client.ssl, version);
    if (schemes != NULL) {
        char list[MESSAGE_MAX]; /* OpenSSL's macro takes no const */

        (void) snprintf(list, sizeof(list), "%s", schemes);
        assert_int_equal(SSL_set1_sigalgs_list(client.ssl, list), 1);
    }
    conn_init(&conn, fd);
    assert_int_equal(conn_start_tls(&conn, server, &err), RC_OK);
    done = tlsclient_handshake(&client, &conn, &err) == RC_OK &&
           SSL_is_init_finished(client.ssl) == 1 &&
           SSL_read(client.ssl, room, sizeof(room)) < 0 &&
           SSL_get_error(client.ssl, -1) == SSL_ERROR_WANT_READ;
    conn_done(&conn);
    tlsclient_close(&client);
    ERR_clear_error();
    return done;
}

/* "RSA", or "RSA-PSS": a key that is for nothing else. */
static EVP_PKEY *make_rsa(const char *kind, int bits)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
    EVP_PKEY *key = NULL;

    assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, bits), 1);
    assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static void each_kind_of_key_signs_from_elsewhere(void **state)
{
    static const struct {
        const char *kind;
        int bits;
        const char *schemes; /* the client's */
        bool tls12, tls13;
    } rows[] = {
        {"P-256",   0,    NULL,                             true,  true },
        {"P-384",   0,    NULL,                             true,  true },
        {"P-521",   0,    "ECDSA+SHA512",                   true,  true },
        {"P-384",   0,    "ECDSA+SHA256",                   true,  false},
        {"ED25519", 0,    NULL,                             true,  true },
        {"ED448",   0,    NULL,                             true,  true },
        {"RSA",     2048, NULL,                             true,  true },
        {"RSA",     2048, "RSA-PSS+SHA512",                 true,  true },
        {"RSA",     2048, "RSA-PSS+SHA384:RSA+SHA256",      true,  true },
        {"RSA",     2048, "RSA+SHA384",                     true,  false},
        {"RSA",     2048, "RSA+SHA1:ECDSA+SHA1",            false, false},
        {"RSA-PSS", 2048, NULL,                             true,  true },
        {"RSA-PSS", 2048, "rsa_pss_pss_sha512",             true,  true },
        {"RSA-PSS", 2048, "rsa_pss_rsae_sha256:RSA+SHA256", false, false},
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct ring_signer signing = {.ring = key_ring_new()};
        struct tls_server *server = tls_server_new();
        struct selfsigned cert;
        struct tls_pair pair;
        struct err err = {0};
        EVP_PKEY *key = rows[i].bits > 0       ? make_rsa(rows[i].kind, rows[i].bits)
                        : *rows[i].kind == 'E' ? EVP_PKEY_Q_keygen(NULL, NULL, rows[i].kind)
                                               : EVP_EC_gen(rows[i].kind);

        print_message("%s\n", rows[i].kind);
        selfsigned_make_of(&cert, "localhost", key);
        assert_int_equal(ring_signer_load(signing.ring, &cert, &cert, &err), RC_OK);
        tls_server_sign_with(server, (struct tls_signer){ring_signer_sign, &signing});
        pair = (struct tls_pair){.chain_pem = buf_slice(&cert.chain)};
        assert_int_equal(tls_server_load(server, &pair, 1, &err), RC_OK);
        assert_int_equal(shakes(server, TLS1_3_VERSION, rows[i].schemes), rows[i].tls13);
        assert_int_equal(shakes(server, TLS1_2_VERSION, rows[i].schemes), rows[i].tls12);
        assert_int_equal(signing.n, rows[i].tls12 + rows[i].tls13);
        signing.lies = true;
        assert_false(shakes(server, TLS1_3_VERSION, NULL));
        signing.fails = true;
        assert_false(shakes(server, TLS1_2_VERSION, NULL));
        tls_server_free(server);
        key_ring_free(signing.ring);
        selfsigned_done(&cert);
    }
}

/* --- the set --- */

/* What is kept of a scheme is not used for another one, and may be used often. */
static void one_key_signs_by_one_scheme_after_the_other(void **state)
{
    static const struct {
        int version;
        const char *schemes;
    } rows[] = {
        {TLS1_3_VERSION, "RSA-PSS+SHA256"},
        {TLS1_3_VERSION, "RSA-PSS+SHA256"},
        {TLS1_2_VERSION, "RSA+SHA256"    },
        {TLS1_2_VERSION, "RSA+SHA256"    },
        {TLS1_3_VERSION, "RSA-PSS+SHA512"},
        {TLS1_2_VERSION, "RSA+SHA384"    },
        {TLS1_3_VERSION, "RSA-PSS+SHA256"},
        {TLS1_2_VERSION, "RSA-PSS+SHA384"},
    };
    struct ring_signer signing = {.ring = key_ring_new()};
    struct tls_server *server = tls_server_new();
    struct selfsigned cert;
    struct tls_pair pair;
    struct err err = {0};

    (void) state;
    selfsigned_make_of(&cert, "localhost", make_rsa("RSA", 2048));
    assert_int_equal(ring_signer_load(signing.ring, &cert, &cert, &err), RC_OK);
    tls_server_sign_with(server, (struct tls_signer){ring_signer_sign, &signing});
    pair = (struct tls_pair){.chain_pem = buf_slice(&cert.chain)};
    assert_int_equal(tls_server_load(server, &pair, 1, &err), RC_OK);
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_true(shakes(server, rows[i].version, rows[i].schemes));
    assert_int_equal(signing.n, COUNT(rows));
    tls_server_free(server);
    key_ring_free(signing.ring);
    selfsigned_done(&cert);
}

static void a_pair_that_does_not_fit_changes_nothing(void **state)
{
    static const char *const bad[] = {
        "",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "no key at all",
    };
    struct key_ring *ring = key_ring_new();
    struct selfsigned first, other;
    struct err err = {0};

    (void) state;
    selfsigned_make(&first, "localhost");
    selfsigned_make(&other, "localhost");
    assert_int_equal(ring_signer_load(ring, &first, &first, &err), RC_OK);
    assert_int_equal(ring_signer_load(ring, &first, &other, &err), RC_INVALID);
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct selfsigned broken = {0};

        buf_init(&broken.key, MESSAGE_MAX);
        buf_str(&broken.key, bad[i]);
        assert_int_equal(ring_signer_load(ring, &first, &broken, &err), RC_INVALID);
        assert_null(strstr(err.detail, "BEGIN"));
        buf_done(&broken.key);
    }
    assert_int_equal(key_ring_count(ring), 1);
    assert_false(key_ring_has_old(ring));
    key_ring_free(ring);
    selfsigned_done(&first);
    selfsigned_done(&other);
}

static void an_old_key_signs_until_it_is_forgotten(void **state)
{
    struct ring_signer signing = {.ring = key_ring_new()};
    struct tls_server *server = tls_server_new();
    struct selfsigned first, second;
    struct tls_pair pair;
    struct err err = {0};

    (void) state;
    selfsigned_make(&first, "localhost");
    selfsigned_make(&second, "localhost");
    tls_server_sign_with(server, (struct tls_signer){ring_signer_sign, &signing});
    pair = (struct tls_pair){.chain_pem = buf_slice(&first.chain)};
    assert_int_equal(ring_signer_load(signing.ring, &first, &first, &err), RC_OK);
    assert_int_equal(tls_server_load(server, &pair, 1, &err), RC_OK);
    assert_int_equal(ring_signer_load(signing.ring, &second, &second, &err), RC_OK);
    assert_true(key_ring_has_old(signing.ring));
    assert_true(shakes(server, TLS1_3_VERSION, NULL));
    assert_int_equal(ring_signer_load(signing.ring, &first, &first, &err),
                     RC_OK); /* the old one again */
    key_ring_forget_old(signing.ring);
    assert_true(shakes(server, TLS1_3_VERSION, NULL));
    assert_int_equal(ring_signer_load(signing.ring, &second, &second, &err), RC_OK);
    key_ring_forget_old(signing.ring);
    assert_int_equal(key_ring_count(signing.ring), 1);
    assert_false(shakes(server, TLS1_3_VERSION, NULL));
    tls_server_free(server);
    key_ring_free(signing.ring);
    selfsigned_done(&first);
    selfsigned_done(&second);
}

static void a_thousand_renewals_keep_the_ring_bounded(void **state)
{
    struct key_ring *ring = key_ring_new();
    struct err err = {0};

    (void) state;
    for (unsigned i = 0; i < 2 * KEY_RING_MAX; i++) {
        struct selfsigned cert;

        selfsigned_make(&cert, "localhost");
        assert_int_equal(ring_signer_load(ring, &cert, &cert, &err), RC_OK);
        assert_true(key_ring_count(ring) <= KEY_RING_MAX);
        selfsigned_done(&cert);
    }
    key_ring_free(ring);
}

/* --- forms --- */

#define SPACES_63 "                                                               "
#define SPACES_64 SPACES_63 " "
#define CONTEXT   "TLS 1.3, server CertificateVerify"
#define HASH_32   "0123456789abcdef0123456789abcdef"
#define RANDOMS   HASH_32 HASH_32
#define P256      "\x03\x00\x17\x41\x04" HASH_32 HASH_32
#define X25519    "\x03\x00\x1d\x20" HASH_32
#define TEXT(s)                                                                                \
    {                                                                                          \
        (s), sizeof(s) - 1                                                                     \
    }

// clang-format off
static const struct {
    const char *why;
    struct slice bytes;
    uint16_t scheme;
    enum rc rc;
} forms[] = {
    {"1.3, SHA-256",             TEXT(SPACES_64 CONTEXT "\0" HASH_32),                  0x0403, RC_OK    },
    {"1.3, SHA-384",             TEXT(SPACES_64 CONTEXT "\0" HASH_32 "0123456789abcdef"), 0x0403, RC_OK  },
    {"1.2, P-256",               TEXT(RANDOMS P256),                                    0x0403, RC_OK    },
    {"1.2, X25519",              TEXT(RANDOMS X25519),                                  0x0403, RC_OK    },
    {"nothing",                  TEXT(""),                                              0x0403, RC_DENIED},
    {"a bare digest",            TEXT(HASH_32),                                         0x0403, RC_DENIED},
    {"a longer digest",          TEXT(HASH_32 HASH_32),                                 0x0403, RC_DENIED},
    {"a client's verify",        TEXT(SPACES_64 "TLS 1.3, client CertificateVerify\0" HASH_32), 0x0403, RC_DENIED},
    {"one space less",           TEXT(SPACES_63 CONTEXT "\0" HASH_32),                  0x0403, RC_DENIED},
    {"one space more",           TEXT(SPACES_64 " " CONTEXT "\0" HASH_32),              0x0403, RC_DENIED},
    {"a tab among the spaces",   TEXT("\t" SPACES_64 CONTEXT "\0" HASH_32),             0x0403, RC_DENIED},
    {"no zero",                  TEXT(SPACES_64 CONTEXT HASH_32),                       0x0403, RC_DENIED},
    {"two zeros",                TEXT(SPACES_64 CONTEXT "\0\0" HASH_32),                0x0403, RC_DENIED},
    {"no hash",                  TEXT(SPACES_64 CONTEXT "\0"),                          0x0403, RC_DENIED},
    {"a short hash",             TEXT(SPACES_64 CONTEXT "\0" "0123456789abcdef0123"),   0x0403, RC_DENIED},
    {"SHA-512's hash",           TEXT(SPACES_64 CONTEXT "\0" HASH_32 HASH_32),          0x0403, RC_DENIED},
    {"another case",             TEXT(SPACES_64 "TLS 1.3, Server CertificateVerify\0" HASH_32), 0x0403, RC_DENIED},
    {"another version",          TEXT(SPACES_64 "TLS 1.4, server CertificateVerify\0" HASH_32), 0x0403, RC_DENIED},
    {"QUIC's like",              TEXT(SPACES_64 "TLS 1.3, server Certificate Verify\0" HASH_32), 0x0403, RC_DENIED},
    {"an exported authenticator", TEXT(SPACES_64 "Exported Authenticator\0" HASH_32),   0x0403, RC_DENIED},
    {"a delegated credential",   TEXT(SPACES_64 "TLS, server delegated credentials\0" HASH_32), 0x0403, RC_DENIED},
    {"a certificate's start",    TEXT("\x30\x82\x01\x0a\x30\x81\xb2\xa0\x03\x02\x01\x02"), 0x0403, RC_DENIED},
    {"an SSH session",           TEXT("\x00\x00\x00\x20" HASH_32 "\x32\x00\x00\x00\x04root"), 0x0403, RC_DENIED},
    {"a JWT",                    TEXT("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm5hIn0"),      0x0403, RC_DENIED},
    {"randoms alone",            TEXT(RANDOMS),                                         0x0403, RC_DENIED},
    {"explicit prime curve",     TEXT(RANDOMS "\x01\x00\x17\x41\x04" HASH_32 HASH_32),  0x0403, RC_DENIED},
    {"finite field DH",          TEXT(RANDOMS "\x00\x20" HASH_32 "\x00\x01\x02\x00\x20" HASH_32), 0x0403, RC_DENIED},
    {"an unknown group",         TEXT(RANDOMS "\x03\x00\x13\x41\x04" HASH_32 HASH_32),  0x0403, RC_DENIED},
    {"a point too short",        TEXT(RANDOMS "\x03\x00\x17\x40\x04" HASH_32 "0123456789abcdef0123456789abcde"), 0x0403, RC_DENIED},
    {"a compressed point",       TEXT(RANDOMS "\x03\x00\x17\x21\x02" HASH_32),          0x0403, RC_DENIED},
    {"a length that lies",       TEXT(RANDOMS "\x03\x00\x17\x42\x04" HASH_32 HASH_32),  0x0403, RC_DENIED},
    {"X25519 with P-256's",      TEXT(RANDOMS "\x03\x00\x1d\x41\x04" HASH_32 HASH_32),  0x0403, RC_DENIED},
    {"bytes behind the point",   TEXT(RANDOMS P256 "!"),                                0x0403, RC_DENIED},
    {"a point cut off",          TEXT(RANDOMS "\x03\x00\x17\x41\x04" HASH_32),          0x0403, RC_DENIED},
    {"1.3 by PKCS #1",           TEXT(SPACES_64 CONTEXT "\0" HASH_32),                  0x0401, RC_DENIED},
    {"1.3 by another curve's",   TEXT(SPACES_64 CONTEXT "\0" HASH_32),                  0x0503, RC_DENIED},
    {"by RSA with an EC key",    TEXT(RANDOMS P256),                                    0x0804, RC_DENIED},
    {"by SHA-1",                 TEXT(RANDOMS P256),                                    0x0203, RC_DENIED},
    {"by nothing",               TEXT(RANDOMS P256),                                    0x0000, RC_DENIED},
    {"by Ed25519",               TEXT(RANDOMS P256),                                    0x0807, RC_DENIED},
};
// clang-format on

static bool id_of(const struct selfsigned *cert, uint8_t id[TLS_KEY_ID_BYTES])
{
    BIO *bio = BIO_new_mem_buf(cert->chain.ptr, (int) cert->chain.len);
    X509 *leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    bool done = tls_key_id(leaf, id);

    X509_free(leaf);
    BIO_free(bio);
    return done;
}

static void nothing_but_a_handshake_is_signed(void **state)
{
    struct key_ring *ring = key_ring_new();
    uint8_t id[TLS_KEY_ID_BYTES], other[TLS_KEY_ID_BYTES] = {1};
    struct selfsigned cert;
    struct err err = {0};

    (void) state;
    selfsigned_make(&cert, "localhost");
    assert_true(id_of(&cert, id));
    assert_int_equal(ring_signer_load(ring, &cert, &cert, &err), RC_OK);
    for (size_t i = 0; i < COUNT(forms); i++) {
        AUTO(buf_done) struct buf out = {0};

        print_message("%s\n", forms[i].why);
        buf_init(&out, TLS_SIGNATURE_MAX);
        assert_int_equal(key_ring_sign(ring, id, forms[i].scheme, forms[i].bytes, &out, &err),
                         forms[i].rc);
        assert_int_equal(out.len > 0, forms[i].rc == RC_OK);
        assert_int_equal(
            key_ring_sign(ring, other, forms[i].scheme, forms[i].bytes, &out, &err) == RC_OK,
            0);
    }
    key_ring_free(ring);
    selfsigned_done(&cert);
}

/* Each byte before the hash, and each of the curve's parameters, changed in each bit. */
static void a_changed_bit_of_the_form_is_noticed(void **state)
{
    const struct tls_scheme *scheme = tls_scheme_find(0x0403);
    const size_t fixed[][3] = {
        {0, 0,  98},
        {2, 64, 69},
    };

    (void) state;
    for (size_t f = 0; f < COUNT(fixed); f++) {
        struct slice form = forms[fixed[f][0]].bytes;
        char copy[MESSAGE_MAX];
        bool is_tls13;

        for (size_t bit = fixed[f][1] * 8; bit < fixed[f][2] * 8; bit++) {
            memcpy(copy, form.ptr, form.len);
            copy[bit / 8] = (char) (copy[bit / 8] ^ 1 << bit % 8);
            assert_int_equal(handshake_check(slice_of(copy, form.len), scheme, &is_tls13, NULL),
                             RC_DENIED);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_key_signs_from_elsewhere),
        cmocka_unit_test(one_key_signs_by_one_scheme_after_the_other),
        cmocka_unit_test(a_pair_that_does_not_fit_changes_nothing),
        cmocka_unit_test(an_old_key_signs_until_it_is_forgotten),
        cmocka_unit_test(a_thousand_renewals_keep_the_ring_bounded),
        cmocka_unit_test(nothing_but_a_handshake_is_signed),
        cmocka_unit_test(a_changed_bit_of_the_form_is_noticed),
    };

    (void) signal(SIGPIPE, SIG_IGN);
    (void) key_memory_init(); /* unlocked where RLIMIT_MEMLOCK is small: the same otherwise */
    tls_library_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
