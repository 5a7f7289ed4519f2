/* test_tls.c - handshakes, certificates, tickets, bytes and half closes, against a client. */
// links: net
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <signal.h>

#include "base/clock.h"
#include "lib/selfsigned.h"
#include "lib/test.h"
#include "lib/tlsclient.h"
#include "net/tls.h"
#include "net/tls_staple.h"
#include "net/tls_ticket.h"

struct fixture {
    struct selfsigned first, second;
    struct tls_server *server;
    struct tlsclient client;
    struct conn conn;
};

static struct tls_pair pair_of(const struct selfsigned *cert)
{
    return (struct tls_pair){.chain_pem = buf_slice(&cert->chain),
                             .key_pem = buf_slice(&cert->key)};
}

static void load(struct fixture *f, const struct selfsigned *cert)
{
    struct tls_pair pair = pair_of(cert);
    struct err err;

    assert_int_equal(tls_server_load(f->server, &pair, 1, &err), RC_OK);
}

static void begin(struct fixture *f)
{
    int fd;
    struct err err;

    tlsclient_open(&f->client, &fd);
    conn_init(&f->conn, fd);
    assert_int_equal(conn_start_tls(&f->conn, f->server, &err), RC_OK);
}

static void finish(struct fixture *f)
{
    conn_done(&f->conn);
    tlsclient_close(&f->client);
}

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    (void) signal(SIGPIPE, SIG_IGN);
    selfsigned_make(&f->first, "mail.example.org");
    selfsigned_make(&f->second, "imap.example.net");
    f->server = tls_server_new();
    load(f, &f->first);
    begin(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    finish(f);
    tls_server_free(f->server);
    selfsigned_done(&f->first);
    selfsigned_done(&f->second);
    free(f);
    clock_set_for_test(0);
    return 0;
}

static void shake(struct fixture *f, enum rc want)
{
    struct err err = {0};

    assert_int_equal(tlsclient_handshake(&f->client, &f->conn, &err), want);
}

/* Read all that is there on the client's side: tickets come before data. */
/* A server that asks nobody for a certificate. */
static void serve_anew(struct fixture *f)
{
    tls_server_free(f->server);
    f->server = tls_server_new();
    load(f, &f->first);
}

static int client_read(struct fixture *f, char *to, int cap)
{
    return SSL_read(f->client.ssl, to, cap);
}

static struct slice name_shown(struct fixture *f, char *room, int cap)
{
    X509 *cert = SSL_get1_peer_certificate(f->client.ssl);
    int len = X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, room, cap);

    X509_free(cert);
    return slice_of(room, (size_t) len);
}

static void bytes_go_both_ways(void **state)
{
    struct fixture *f = *state;
    char room[64];
    size_t n = 0;
    struct err err;

    shake(f, RC_OK);
    assert_int_equal(conn_read(&f->conn, room, sizeof(room), &n, &err), RC_MORE);
    assert_int_equal(conn_events(&f->conn, true, false), 1);
    assert_int_equal(SSL_write(f->client.ssl, "a1 NOOP\r\n", 9), 9);
    assert_int_equal(conn_read(&f->conn, room, 4, &n, &err), RC_OK);
    assert_int_equal(n, 4);
    assert_true(conn_has_pending(&f->conn));
    assert_int_equal(conn_read(&f->conn, room, sizeof(room), &n, &err), RC_OK);
    assert_slice_equal(slice_of(room, n), SLICE("OOP\r\n"));
    assert_false(conn_has_pending(&f->conn));
    assert_int_equal(conn_write(&f->conn, SLICE("a1 OK\r\n"), &n, &err), RC_OK);
    assert_int_equal(client_read(f, room, sizeof(room)), 7);
}

static void the_peers_end_leaves_our_direction_open(void **state)
{
    struct fixture *f = *state;
    char room[64];
    size_t n = 1;
    struct err err;

    shake(f, RC_OK);
    SSL_shutdown(f->client.ssl);
    assert_int_equal(conn_read(&f->conn, room, sizeof(room), &n, &err), RC_OK);
    assert_int_equal(n, 0);
    assert_int_equal(conn_write(&f->conn, SLICE("late"), &n, &err), RC_OK);
    assert_int_equal(client_read(f, room, sizeof(room)), 4);
}

static void our_end_leaves_the_peers_direction_open(void **state)
{
    struct fixture *f = *state;
    char room[64];
    size_t n = 0;
    struct err err;

    shake(f, RC_OK);
    assert_int_equal(conn_shut_write(&f->conn, &err), RC_OK);
    assert_int_equal(client_read(f, room, sizeof(room)), 0);
    assert_int_equal(SSL_get_error(f->client.ssl, 0), SSL_ERROR_ZERO_RETURN);
    assert_int_equal(SSL_write(f->client.ssl, "late", 4), 4);
    assert_int_equal(conn_read(&f->conn, room, sizeof(room), &n, &err), RC_OK);
    assert_slice_equal(slice_of(room, n), SLICE("late"));
}

static void a_close_without_close_notify_is_an_end(void **state)
{
    struct fixture *f = *state;
    char room[64];
    size_t n = 1;
    struct err err;

    shake(f, RC_OK);
    assert_int_equal(shutdown(f->client.fd, SHUT_WR), 0);
    assert_int_equal(conn_read(&f->conn, room, sizeof(room), &n, &err), RC_OK);
    assert_int_equal(n, 0);
    assert_int_equal(conn_write(&f->conn, SLICE("late"), &n, &err), RC_OK);
}

/* --- what a handshake agrees on --- */

static void alpn_imap_is_agreed_on(void **state)
{
    struct fixture *f = *state;
    struct tls_facts facts;

    assert_int_equal(
        SSL_set_alpn_protos(f->client.ssl, (const unsigned char *) "\x02h2\x04imap", 8), 0);
    shake(f, RC_OK);
    tls_facts(f->conn.tls, &facts);
    assert_true(facts.alpn);
}

static void no_alpn_is_fine(void **state)
{
    struct fixture *f = *state;
    struct tls_facts facts;

    shake(f, RC_OK);
    tls_facts(f->conn.tls, &facts);
    assert_false(facts.alpn);
}

static void a_wrong_alpn_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(
        SSL_set_alpn_protos(f->client.ssl, (const unsigned char *) "\x08http/1.1", 9), 0);
    shake(f, RC_IO);
    ERR_clear_error();
    assert_int_equal(SSL_do_handshake(f->client.ssl), -1);
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()),
                     SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
    ERR_clear_error();
}

static void old_versions_and_ciphers_are_refused(void **state)
{
    static const struct {
        int version;
        const char *ciphers;
        enum rc rc;
    } rows[] = {
        {TLS1_1_VERSION, "ALL:@SECLEVEL=0",               RC_IO}, /* RFC 8996 */
        {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA",        RC_IO}, /* no AEAD */
        {TLS1_2_VERSION, "DHE-RSA-AES128-GCM-SHA256",     RC_IO},
        {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", RC_OK},
        {TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", RC_OK},
        {TLS1_3_VERSION, "ALL",                           RC_OK},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        finish(f);
        begin(f);
        SSL_set_min_proto_version(f->client.ssl, rows[i].version);
        SSL_set_max_proto_version(f->client.ssl, rows[i].version);
        assert_int_equal(SSL_set_cipher_list(f->client.ssl, rows[i].ciphers), 1);
        print_message("row %zu\n", i);
        shake(f, rows[i].rc);
    }
}

static void both_ends_export_the_same_value(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct fixture *f = *state;

    for (size_t i = 0; i < COUNT(versions); i++) {
        uint8_t ours[TLS_EXPORTER_BYTES], theirs[TLS_EXPORTER_BYTES];

        finish(f);
        begin(f);
        SSL_set_max_proto_version(f->client.ssl, versions[i]);
        shake(f, RC_OK);
        assert_true(tls_exporter(f->conn.tls, ours));
        assert_int_equal(SSL_export_keying_material(f->client.ssl, theirs, sizeof(theirs),
                                                    "EXPORTER-Channel-Binding", 24,
                                                    (const unsigned char *) "", 0, 1),
                         1);
        assert_memory_equal(theirs, ours, sizeof(theirs));
    }
}

static void a_client_that_speaks_no_tls_is_refused(void **state)
{
    struct fixture *f = *state;
    struct err err;

    assert_int_equal(write(f->client.fd, "a1 LOGIN u p\r\n", 14), 14);
    assert_int_equal(conn_handshake(&f->conn, &err), RC_IO);
}

static void half_a_handshake_waits(void **state)
{
    struct fixture *f = *state;
    struct err err;

    assert_int_equal(write(f->client.fd, "\x16\x03\x01\x02", 4), 4);
    assert_int_equal(conn_handshake(&f->conn, &err), RC_MORE);
    assert_int_equal(shutdown(f->client.fd, SHUT_WR), 0);
    assert_int_equal(conn_handshake(&f->conn, &err), RC_IO);
}

/* Who computes apart may do the last step where it is. */
static void only_finished_is_awaited_behind_what_computes(void **state)
{
    static const struct {
        int version;
        const char *groups;
        bool asks;
        bool awaits[2]; /* after each of the first steps */
    } rows[] = {
        {TLS1_3_VERSION, "X25519",       false, {true, true}  },
        {TLS1_3_VERSION, "P-521:X25519", false, {false, true} }, /* HelloRetryRequest */
        {TLS1_3_VERSION, "X25519",       true,  {false, false}},
        {TLS1_2_VERSION, "X25519:P-256", false, {false, true} },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err err = {0};
        char groups[32]; /* OpenSSL's macro takes no const */

        finish(f);
        if (rows[i].asks)
            tls_server_ask_certificates(f->server);
        else
            serve_anew(f);
        begin(f);
        (void) snprintf(groups, sizeof(groups), "%s", rows[i].groups);
        assert_int_equal(SSL_set1_groups_list(f->client.ssl, groups), 1);
        SSL_set_min_proto_version(f->client.ssl, rows[i].version);
        SSL_set_max_proto_version(f->client.ssl, rows[i].version);
        assert_false(tls_awaits_finished(f->conn.tls));
        assert_true(SSL_do_handshake(f->client.ssl) < 0);
        assert_int_equal(conn_handshake(&f->conn, &err), RC_MORE);
        assert_int_equal(tls_awaits_finished(f->conn.tls), rows[i].awaits[0]);
        shake(f, RC_OK);
        assert_int_equal(tls_awaits_finished(f->conn.tls), rows[i].awaits[1]);
    }
}

static void renegotiation_is_refused(void **state)
{
    struct fixture *f = *state;
    char room[8];
    size_t n = 0;
    struct err err;

    SSL_set_max_proto_version(f->client.ssl, TLS1_2_VERSION);
    shake(f, RC_OK);
    assert_int_equal(SSL_renegotiate(f->client.ssl), 1);
    (void) SSL_do_handshake(f->client.ssl);
    assert_int_not_equal(conn_read(&f->conn, room, sizeof(room), &n, &err), RC_OK);
    ERR_clear_error();
    assert_int_not_equal(SSL_do_handshake(f->client.ssl), 1);
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
    ERR_clear_error();
}

/* --- certificates --- */

static void the_name_asked_for_chooses(void **state)
{
    static const struct {
        const char *ask, *shown;
    } rows[] = {
        {NULL,               "mail.example.org"},
        {"mail.example.org", "mail.example.org"},
        {"IMAP.example.net", "imap.example.net"},
        {"other.example",    "mail.example.org"},
    };
    struct fixture *f = *state;
    struct tls_pair pairs[] = {pair_of(&f->first), pair_of(&f->second)};
    struct err err;

    assert_int_equal(tls_server_load(f->server, pairs, COUNT(pairs), &err), RC_OK);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tls_facts facts;
        char room[64];

        finish(f);
        begin(f);
        if (rows[i].ask != NULL) {
            (void) snprintf(room, sizeof(room), "%s", rows[i].ask);
            SSL_set_tlsext_host_name(f->client.ssl, room); /* its macro takes no const */
        }
        shake(f, RC_OK);
        assert_slice_equal(name_shown(f, room, sizeof(room)), slice_from_str(rows[i].shown));
        tls_facts(f->conn.tls, &facts);
        assert_slice_equal(facts.sni, rows[i].ask != NULL ? slice_from_str(rows[i].ask)
                                                          : (struct slice){0});
    }
}

static void a_new_certificate_is_for_new_handshakes(void **state)
{
    struct fixture *f = *state;
    char room[64];
    size_t n = 0;
    struct err err;

    load(f, &f->second); /* between the first connection's start and its handshake */
    shake(f, RC_OK);
    assert_slice_equal(name_shown(f, room, sizeof(room)), SLICE("mail.example.org"));
    assert_int_equal(conn_write(&f->conn, SLICE("still here"), &n, &err), RC_OK);
    assert_int_equal(client_read(f, room, sizeof(room)), 10);
    finish(f);
    begin(f);
    shake(f, RC_OK);
    assert_slice_equal(name_shown(f, room, sizeof(room)), SLICE("imap.example.net"));
}

static void a_bad_pair_is_refused_and_the_old_kept(void **state)
{
    struct fixture *f = *state;
    struct slice chain = buf_slice(&f->first.chain), key = buf_slice(&f->first.key);
    struct slice half = slice_sub(chain, 0, chain.len / 2);
    struct slice too_long = slice_of(chain.ptr, TLS_PEM_MAX_BYTES + 1); /* never read */
    const struct {
        struct slice chain, key;
        enum rc rc;
    } rows[] = {
        {chain,     buf_slice(&f->second.key), RC_INVALID},
        {chain,     SLICE(""),                 RC_INVALID},
        {SLICE(""), key,                       RC_INVALID},
        {half,      key,                       RC_INVALID},
        {key,       chain,                     RC_INVALID},
        {too_long,  key,                       RC_LIMIT  },
    };
    char room[64];
    struct err err;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tls_pair bad = {.chain_pem = rows[i].chain, .key_pem = rows[i].key};
        struct tls_pair pairs[] = {pair_of(&f->second), bad};

        print_message("row %zu\n", i);
        assert_int_equal(tls_server_load(f->server, pairs, COUNT(pairs), &err), rows[i].rc);
    }
    assert_int_equal(tls_server_load(f->server, NULL, 0, &err), RC_LIMIT);
    finish(f);
    begin(f);
    shake(f, RC_OK);
    assert_slice_equal(name_shown(f, room, sizeof(room)), SLICE("mail.example.org"));
}

static void a_chain_has_a_limit(void **state)
{
    struct fixture *f = *state;
    AUTO(buf_done) struct buf chain;
    struct err err;

    buf_init(&chain, TLS_PEM_MAX_BYTES);
    buf_append(&chain, buf_slice(&f->first.chain));
    for (unsigned i = 0; i <= TLS_CHAIN_MAX; i++) {
        struct tls_pair pair = {.chain_pem = buf_slice(&chain),
                                .key_pem = buf_slice(&f->first.key)};

        assert_int_equal(tls_server_load(f->server, &pair, 1, &err), RC_OK);
        buf_append(&chain, buf_slice(&f->second.chain));
    }
    assert_int_equal(tls_server_load(f->server,
                                     &(struct tls_pair){.chain_pem = buf_slice(&chain),
                                                        .key_pem = buf_slice(&f->first.key)},
                                     1, &err),
                     RC_LIMIT);
}

/* --- tickets --- */

/* The server anew, with a certificate of an RSA key. */
static void serve_rsa(struct fixture *f)
{
    selfsigned_done(&f->first);
    selfsigned_make_rsa(&f->first, "mail.example.org");
    tls_server_free(f->server);
    f->server = tls_server_new();
    load(f, &f->first);
}

/* Handshake with session (if any); what the client holds afterwards. */
static SSL_SESSION *visit(struct fixture *f, SSL_SESSION *session, bool want_resumed)
{
    struct tls_facts facts;
    char room[8];
    SSL_SESSION *got;

    finish(f);
    begin(f);
    if (session != NULL)
        SSL_set_session(f->client.ssl, session);
    shake(f, RC_OK);
    (void) client_read(f, room, sizeof(room)); /* the ticket lies before any data */
    tls_facts(f->conn.tls, &facts);
    assert_int_equal(facts.resumed, want_resumed);
    got = SSL_get1_session(f->client.ssl);
    SSL_SESSION_free(session);
    SSL_shutdown(f->client.ssl);
    return got;
}

static void tickets_resume_until_their_key_is_gone(void **state)
{
    const int64_t life_us = (int64_t) TICKET_KEY_SEC * 1000000, start_us = 1000000;
    struct fixture *f = *state;
    SSL_SESSION *session;

    clock_set_for_test(start_us);
    serve_rsa(f);
    session = visit(f, NULL, false);
    session = visit(f, session, true);
    selfsigned_done(&f->second);
    selfsigned_make_rsa(&f->second, "imap.example.net");
    load(f, &f->second); /* another certificate, the same keys */
    session = visit(f, session, true);
    clock_set_for_test(start_us + life_us);
    SSL_SESSION_up_ref(session);
    SSL_SESSION_free(visit(f, session, true)); /* by the key before */
    clock_set_for_test(start_us + 2 * life_us);
    SSL_SESSION_free(visit(f, session, false));
}

static void an_idle_server_forgets_its_keys_too(void **state)
{
    const int64_t life_us = (int64_t) TICKET_KEY_SEC * 1000000, start_us = 1000000;
    struct fixture *f = *state;
    SSL_SESSION *session;

    clock_set_for_test(start_us);
    serve_rsa(f);
    session = visit(f, NULL, false);
    clock_set_for_test(start_us + life_us);
    tls_server_rotate_tickets(f->server);
    clock_set_for_test(start_us + 2 * life_us);
    tls_server_rotate_tickets(f->server);
    clock_set_for_test(start_us); /* the age is not what refuses it now */
    SSL_SESSION_free(visit(f, session, false));
}

/* Two gates of one server, one of which is begun anew later. */
static void servers_with_one_seed_open_each_others_tickets(void **state)
{
    const int64_t life_us = (int64_t) TICKET_KEY_SEC * 1000000, start_us = 1000000;
    struct fixture *f = *state;
    struct tls_ticket_seed seed;
    SSL_SESSION *session;

    clock_set_for_test(start_us);
    tls_ticket_seed_make(&seed);
    serve_rsa(f);
    tls_server_share_tickets(f->server, &seed);
    session = visit(f, NULL, false);
    serve_rsa(f);
    SSL_SESSION_up_ref(session);
    SSL_SESSION_free(visit(f, session, false)); /* its own seed */
    tls_server_share_tickets(f->server, &seed);
    session = visit(f, session, true);
    clock_set_for_test(start_us + life_us);
    SSL_SESSION_free(visit(f, session, true)); /* by the key before */
    session = visit(f, NULL, false);
    serve_rsa(f);
    tls_ticket_seed_advance(&seed);
    tls_server_share_tickets(f->server, &seed);
    SSL_SESSION_free(visit(f, session, true));
}

/* Over 1.3 it would save a signature and cost more. */
static void an_ec_key_gives_no_ticket_over_tls13(void **state)
{
    struct fixture *f = *state;
    SSL_SESSION *session = visit(f, NULL, false);

    assert_false(SSL_SESSION_has_ticket(session));
    SSL_SESSION_free(session);
}

static void an_ec_key_gives_a_ticket_over_tls12(void **state)
{
    struct fixture *f = *state;
    SSL_SESSION *session;
    struct tls_facts facts;

    SSL_set_max_proto_version(f->client.ssl, TLS1_2_VERSION);
    shake(f, RC_OK);
    session = SSL_get1_session(f->client.ssl);
    assert_true(SSL_SESSION_has_ticket(session));
    SSL_shutdown(f->client.ssl);
    finish(f);
    begin(f);
    SSL_set_max_proto_version(f->client.ssl, TLS1_2_VERSION);
    SSL_set_session(f->client.ssl, session);
    shake(f, RC_OK);
    tls_facts(f->conn.tls, &facts);
    assert_true(facts.resumed);
    SSL_SESSION_free(session);
}

static void tls13_hashes_by_sha256(void **state)
{
    struct fixture *f = *state;
    struct tls_facts facts;

    shake(f, RC_OK);
    tls_facts(f->conn.tls, &facts);
    assert_string_equal(facts.cipher, "TLS_AES_128_GCM_SHA256");
}

/* --- OCSP answers --- */

/* Of a responder that is the certificate's own issuer, from a minute ago on. */
static struct slice staple_of(const struct selfsigned *cert, long life_sec, bool no_end,
                              unsigned char **room)
{
    BIO *cert_bio = BIO_new_mem_buf(cert->chain.ptr, (int) cert->chain.len);
    BIO *key_bio = BIO_new_mem_buf(cert->key.ptr, (int) cert->key.len);
    X509 *leaf = PEM_read_bio_X509(cert_bio, NULL, NULL, NULL);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(NULL, leaf, leaf);
    ASN1_TIME *from = X509_gmtime_adj(NULL, -60), *until = X509_gmtime_adj(NULL, life_sec);
    OCSP_RESPONSE *response;
    int len;

    assert_non_null(OCSP_basic_add1_status(basic, id, V_OCSP_CERTSTATUS_GOOD, 0, NULL, from,
                                           no_end ? NULL : until));
    assert_int_equal(OCSP_basic_sign(basic, leaf, key, EVP_sha256(), NULL, 0), 1);
    response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    len = i2d_OCSP_RESPONSE(response, room);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    EVP_PKEY_free(key);
    X509_free(leaf);
    BIO_free(cert_bio);
    BIO_free(key_bio);
    return slice_of((const char *) *room, (size_t) len);
}

/* Length of the answer that a client who asks is given; -1: none. */
static long staple_given(struct fixture *f, struct slice staple)
{
    struct tls_pair pair = pair_of(&f->first);
    const unsigned char *got = NULL;
    struct err err;
    long len;

    pair.staple_der = staple;
    assert_int_equal(tls_server_load(f->server, &pair, 1, &err), RC_OK);
    finish(f);
    begin(f);
    SSL_set_tlsext_status_type(f->client.ssl, TLSEXT_STATUSTYPE_ocsp);
    shake(f, RC_OK);
    len = SSL_get_tlsext_status_ocsp_resp(f->client.ssl, &got);
    if (len > 0)
        assert_memory_equal(got, staple.ptr, staple.len);
    return len;
}

static void an_ocsp_answer_is_sent_while_it_is_fresh(void **state)
{
    struct fixture *f = *state;
    unsigned char *good = NULL, *ended = NULL, *endless = NULL, *other = NULL;
    struct slice staple = staple_of(&f->first, 3600, false, &good);
    AUTO(buf_done) struct buf too_long = {0};
    struct selfsigned another;

    assert_int_equal(staple_given(f, staple), (long) staple.len);
    assert_int_equal(tls_server_n_staples(f->server), 1);
    clock_set_for_test((int64_t) (time(NULL) + 3600) * 1000000);
    assert_int_equal(staple_given(f, staple), -1); /* it has ended meanwhile */
    clock_set_for_test((int64_t) (time(NULL) - 60 - TLS_STAPLE_SKEW_SEC - 60) * 1000000);
    assert_int_equal(staple_given(f, staple), -1); /* it has not begun */
    clock_set_for_test(0);
    assert_int_equal(staple_given(f, staple_of(&f->first, -1, false, &ended)), -1);
    assert_int_equal(staple_given(f, staple_of(&f->first, 1, true, &endless)), -1);
    assert_int_equal(tls_server_n_staples(f->server), 0);
    assert_int_equal(staple_given(f, slice_sub(staple, 0, staple.len - 1)), -1);
    assert_int_equal(staple_given(f, SLICE("\x30\x03\x0a\x01\x03")), -1); /* tryLater */
    buf_init(&too_long, 2 * TLS_STAPLE_MAX_BYTES);
    buf_append(&too_long, staple);
    while (too_long.len <= TLS_STAPLE_MAX_BYTES)
        buf_byte(&too_long, ' ');
    assert_int_equal(staple_given(f, buf_slice(&too_long)), -1);
    selfsigned_make_numbered(&another, "mail.example.org", 2);
    assert_int_equal(staple_given(f, staple_of(&another, 3600, false, &other)), -1);
    selfsigned_done(&another);
    OPENSSL_free(good);
    OPENSSL_free(ended);
    OPENSSL_free(endless);
    OPENSSL_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(bytes_go_both_ways),
        TEST(the_peers_end_leaves_our_direction_open),
        TEST(our_end_leaves_the_peers_direction_open),
        TEST(a_close_without_close_notify_is_an_end),
        TEST(alpn_imap_is_agreed_on),
        TEST(no_alpn_is_fine),
        TEST(a_wrong_alpn_is_refused),
        TEST(old_versions_and_ciphers_are_refused),
        TEST(both_ends_export_the_same_value),
        TEST(a_client_that_speaks_no_tls_is_refused),
        TEST(half_a_handshake_waits),
        TEST(only_finished_is_awaited_behind_what_computes),
        TEST(renegotiation_is_refused),
        TEST(the_name_asked_for_chooses),
        TEST(a_new_certificate_is_for_new_handshakes),
        TEST(a_bad_pair_is_refused_and_the_old_kept),
        TEST(a_chain_has_a_limit),
        TEST(tls13_hashes_by_sha256),
        TEST(an_ec_key_gives_no_ticket_over_tls13),
        TEST(an_ec_key_gives_a_ticket_over_tls12),
        TEST(tickets_resume_until_their_key_is_gone),
        TEST(an_idle_server_forgets_its_keys_too),
        TEST(servers_with_one_seed_open_each_others_tickets),
        TEST(an_ocsp_answer_is_sent_while_it_is_fresh),
    };

    tls_library_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
