/* test_mta_line.c - the lines of a mail server on the SASL socket: what is one, what is none.
 */
// links: auth
#include "auth/mta_line.h"
#include "lib/test.h"

struct row {
    const char *line;
    enum rc rc;
    enum mta_verb verb;
    uint32_t number;
    const char *mechanism, *service, *response; /* NULL: none */
    const char *remote;
    bool secured;
};

// clang-format off
static const struct row rows[] = {
    {"VERSION\t1\t1",   RC_OK, MTA_VERSION, 1, "", "", NULL, "-", false},
    {"VERSION\t2\t0",   RC_OK, MTA_VERSION, 2, "", "", NULL, "-", false},
    {"VERSION",         RC_SYNTAX, MTA_OTHER, 0, NULL, NULL, NULL, NULL, false},
    {"VERSION\tone",    RC_SYNTAX, MTA_OTHER, 0, NULL, NULL, NULL, NULL, false},
    {"CPID\t4711",      RC_OK, MTA_CPID, 4711, "", "", NULL, "-", false},
    {"CPID\t-1",        RC_SYNTAX, MTA_OTHER, 0, NULL, NULL, NULL, NULL, false},
    {"",                RC_OK, MTA_OTHER, 0, "", "", NULL, "-", false},
    {"auth\t1\tPLAIN",  RC_OK, MTA_OTHER, 0, "", "", NULL, "-", false}, /* names have one case */
    {"MASTER\t1",       RC_OK, MTA_OTHER, 0, "", "", NULL, "-", false},
    /* as Postfix says it */
    {"AUTH\t1\tPLAIN\tservice=smtp\tnologin\tlip=192.0.2.1\trip=198.51.100.7\tsecured\tresp=AGEAYg==",
     RC_OK, MTA_AUTH, 1, "PLAIN", "smtp", "AGEAYg==", "198.51.100.7", true},
    /* as Exim does */
    {"AUTH\t3\tLOGIN\tservice=smtp\tsecured\trip=2001:db8::7\tlip=2001:db8::1\tnologin\tresp=",
     RC_OK, MTA_AUTH, 3, "LOGIN", "smtp", "", "2001:db8::7", true},
    /* a newer client */
    {"AUTH\t4294967295\tPLAIN\tservice=submission\tsession=x\tsecured=tls\trip=::ffff:192.0.2.9\trport=65535\tresp==",
     RC_OK, MTA_AUTH, UINT32_MAX, "PLAIN", "submission", "=", "192.0.2.9", true},
    {"AUTH\t1\tPLAIN\trip=fe80::1%eth0",  RC_OK, MTA_AUTH, 1, "PLAIN", "", NULL, "fe80::1", false},
    {"AUTH\t1\tPLAIN",                    RC_OK, MTA_AUTH, 1, "PLAIN", "", NULL, "-", false},
    {"AUTH\t1\tPLAIN\t",                  RC_OK, MTA_AUTH, 1, "PLAIN", "", NULL, "-", false},
    {"AUTH\t1\tPLAIN\t\t\t=\t=x",         RC_OK, MTA_AUTH, 1, "PLAIN", "", NULL, "-", false},
    {"AUTH\t1\tPLAIN\tinsecured\trips=1", RC_OK, MTA_AUTH, 1, "PLAIN", "", NULL, "-", false},
    {"AUTH\t1\tPLAIN\tresp=a\tsecured",   RC_OK, MTA_AUTH, 1, "PLAIN", "", "a\tsecured", "-", false},
    {"AUTH\t1",                           RC_SYNTAX, MTA_OTHER, 0, NULL, NULL, NULL, NULL, false},
    {"AUTH\t1\t",                         RC_SYNTAX, MTA_OTHER, 0, NULL, NULL, NULL, NULL, false},
    {"AUTH\t\tPLAIN",                     RC_SYNTAX, MTA_OTHER, 0, NULL, NULL, NULL, NULL, false},
    {"AUTH\t4294967296\tPLAIN",           RC_SYNTAX, MTA_OTHER, 0, NULL, NULL, NULL, NULL, false},
    {"AUTH\t1\tABCDEFGHIJKLMNOPQRSTU",    RC_SYNTAX, MTA_OTHER, 0, NULL, NULL, NULL, NULL, false}, /* 21 */
    {"AUTH\t1\tPLAIN\trip=",              RC_SYNTAX, MTA_OTHER, 0, NULL, NULL, NULL, NULL, false},
    {"AUTH\t1\tPLAIN\trip",               RC_SYNTAX, MTA_OTHER, 0, NULL, NULL, NULL, NULL, false},
    {"AUTH\t1\tPLAIN\trip=localhost",     RC_SYNTAX, MTA_OTHER, 0, NULL, NULL, NULL, NULL, false},
    {"AUTH\t1\tPLAIN\trip=127.0.0.1x",    RC_SYNTAX, MTA_OTHER, 0, NULL, NULL, NULL, NULL, false},
    {"AUTH\t1\tPLAIN\tlip=1",             RC_SYNTAX, MTA_OTHER, 0, NULL, NULL, NULL, NULL, false},
    {"AUTH\t1\tPLAIN\trport=65536",       RC_SYNTAX, MTA_OTHER, 0, NULL, NULL, NULL, NULL, false},
    {"AUTH\t1\tPLAIN\tlport=x",           RC_SYNTAX, MTA_OTHER, 0, NULL, NULL, NULL, NULL, false},
    {"CONT\t7\tYQ==",                     RC_OK, MTA_CONT, 7, "", "", "YQ==", "-", false},
    {"CONT\t7\t",                         RC_OK, MTA_CONT, 7, "", "", "", "-", false},
    {"CONT\t7",                           RC_OK, MTA_CONT, 7, "", "", "", "-", false},
    {"CONT\tx\tYQ==",                     RC_SYNTAX, MTA_OTHER, 0, NULL, NULL, NULL, NULL, false},
    {"CANCEL\t7",                         RC_OK, MTA_CANCEL, 7, "", "", NULL, "-", false},
    {"CANCEL",                            RC_SYNTAX, MTA_OTHER, 0, NULL, NULL, NULL, NULL, false},
};
// clang-format on

static void reads_what_mail_servers_say(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct row *row = &rows[i];
        AUTO(buf_done) struct buf remote = {.max = IPADDR_TEXT_BYTES};
        struct mta_line line = {.verb = MTA_OTHER};
        struct err err;

        print_message("%s\n", row->line);
        assert_int_equal(mta_parse_line(slice_from_str(row->line), &line, &err), row->rc);
        if (row->rc != RC_OK)
            continue;
        assert_int_equal(line.verb, row->verb);
        assert_int_equal(line.number, row->number);
        assert_slice_equal(line.mechanism, slice_from_str(row->mechanism));
        assert_slice_equal(line.service, slice_from_str(row->service));
        if (row->verb == MTA_AUTH)
            assert_int_equal(line.has_response, row->response != NULL);
        assert_slice_equal(line.response, slice_from_str(row->response ? row->response : ""));
        ipaddr_print(&remote, &line.remote);
        assert_slice_equal(buf_slice(&remote), slice_from_str(row->remote));
        assert_int_equal(line.secured, row->secured);
    }
}

static void a_port_stays_whichever_comes_first(void **state)
{
    static const char *const lines[] = {"AUTH\t1\tPLAIN\trip=192.0.2.1\trport=77",
                                        "AUTH\t1\tPLAIN\trport=77\trip=192.0.2.1"};

    (void) state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct mta_line line;

        assert_int_equal(mta_parse_line(slice_from_str(lines[i]), &line, NULL), RC_OK);
        assert_int_equal(line.remote.port, 77);
        assert_int_equal(line.remote.family, IPADDR_V4);
    }
}

static void names_the_version_of_tls(void **state)
{
    static const struct {
        const char *line;
        uint16_t version;
    } versions[] = {
        {"AUTH\t1\tPLAIN\tsecured\ttls_protocol=TLSv1.3", 0x0304},
        {"AUTH\t1\tPLAIN\tsecured\ttls_protocol=TLSv1.2", 0x0303},
        {"AUTH\t1\tPLAIN\tsecured\ttls_protocol=SSLv3",   0     },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(versions); i++) {
        struct mta_line line;

        assert_int_equal(mta_parse_line(slice_from_str(versions[i].line), &line, NULL), RC_OK);
        assert_int_equal(line.tls_version, versions[i].version);
    }
}

static void refuses_too_many_parameters(void **state)
{
    AUTO(buf_done) struct buf line = {.max = MTA_LINE_MAX_BYTES};
    struct mta_line out;

    (void) state;
    buf_str(&line, "AUTH\t1\tPLAIN");
    for (unsigned i = 0; i < MTA_PARAMS_MAX; i++)
        buf_str(&line, "\tx");
    assert_int_equal(mta_parse_line(buf_slice(&line), &out, NULL), RC_OK);
    buf_str(&line, "\tx");
    assert_int_equal(mta_parse_line(buf_slice(&line), &out, NULL), RC_LIMIT);
}

static void what_the_protocol_needs_is_escaped(void **state)
{
    AUTO(buf_done) struct buf out = {.max = 64};

    (void) state;
    mta_print_value(&out, SLICE("a\tb\nc\rd\001e\0f=g\xc3\xa9"));
    assert_slice_equal(buf_slice(&out), SLICE("a\001tb\001nc\001rd\0011e\0010f=g\xc3\xa9"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_mail_servers_say),
        cmocka_unit_test(a_port_stays_whichever_comes_first),
        cmocka_unit_test(names_the_version_of_tls),
        cmocka_unit_test(refuses_too_many_parameters),
        cmocka_unit_test(what_the_protocol_needs_is_escaped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
