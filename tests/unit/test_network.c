/* test_network.c - the networks of a device: how they are written, and whom they let in. */
// links: auth
#include <netinet/in.h>

#include "auth/network.h"
#include "lib/test.h"

static struct ipaddr address_of(const char *text)
{
    struct ipaddr address = {0};

    if (text[0] != '\0')
        assert_true(ipaddr_parse(slice_from_str(text), &address));
    return address;
}

static void an_address_survives_a_sockaddr(void **state)
{
    static const char *const rows[] = {"192.0.2.7", "2001:db8::1", "::1", "::"};
    static const struct ipaddr none = {.family = IPADDR_NONE};
    struct sockaddr_storage room;

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct ipaddr address = address_of(rows[i]), back;
        socklen_t len;

        address.port = 993;
        memset(&room, 0xff, sizeof(room)); /* what lay there before is no part of it */
        len = ipaddr_to_sockaddr(&address, &room);
        back = ipaddr_from_sockaddr((const struct sockaddr *) &room, len);
        assert_true(ipaddr_eq(&address, &back));
        assert_int_equal(back.port, 993);
    }
    assert_int_equal(ipaddr_to_sockaddr(&none, &room), sizeof(struct sockaddr_in6));
    assert_int_equal(room.ss_family, AF_INET6);
}

static void networks_are_written_in_one_form(void **state)
{
    static const struct {
        const char *lines;
        enum rc rc;
        const char *normal;
    } rows[] = {
        {"",                                    RC_OK,      ""                           },
        {"\n \n",                               RC_OK,      ""                           },
        {"192.0.2.7",                           RC_OK,      "192.0.2.7/32"               },
        {"192.0.2.0/24\n192.0.2.0/24\n",        RC_OK,      "192.0.2.0/24"               },
        {" 192.0.2.0/24 \r\n\n2001:DB8:0::/32", RC_OK,      "192.0.2.0/24\n2001:db8::/32"},
        {"0.0.0.0/0\n::/0",                     RC_OK,      "0.0.0.0/0\n::/0"            },
        {"::1",                                 RC_OK,      "::1/128"                    },
        {"192.0.2.7/24",                        RC_INVALID, ""                           }, /* the network or the host? */
        {"2001:db8::1/64",                      RC_INVALID, ""                           },
        {"::ffff:192.0.2.0/120",                RC_SYNTAX,  ""                           }, /* it is IPv4 */
        {"::ffff:192.0.2.0/24",                 RC_OK,      "192.0.2.0/24"               },
        {"192.0.2.0/33",                        RC_SYNTAX,  ""                           },
        {"2001:db8::/129",                      RC_SYNTAX,  ""                           },
        {"192.0.2.0/",                          RC_SYNTAX,  ""                           },
        {"192.0.2.0/024",                       RC_SYNTAX,  ""                           },
        {"192.0.2.0/+24",                       RC_SYNTAX,  ""                           },
        {"192.0.2.0/-1",                        RC_SYNTAX,  ""                           },
        {"192.0.2.0/24/24",                     RC_SYNTAX,  ""                           },
        {"192.0.2.0/255.255.255.0",             RC_SYNTAX,  ""                           },
        {"192.0.2/24",                          RC_SYNTAX,  ""                           },
        {"192.0.2.0 /24",                       RC_SYNTAX,  ""                           },
        {"/24",                                 RC_SYNTAX,  ""                           },
        {"example.org",                         RC_SYNTAX,  ""                           },
        {"192.0.2.0/24,10.0.0.0/8",             RC_SYNTAX,  ""                           },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf_done) struct buf out = {.max = NETWORKS_MAX_BYTES};
        enum rc rc = networks_normal(slice_from_str(rows[i].lines), &out, NULL);

        if (rc != rows[i].rc)
            fail_msg("%s: %d", rows[i].lines, rc);
        assert_slice_equal(buf_slice(&out), slice_from_str(rows[i].normal));
    }
}

static void a_list_has_a_limit(void **state)
{
    AUTO(buf_done) struct buf lines = {.max = 1 << 16};

    (void) state;
    for (unsigned n = 1; n <= NETWORKS_MAX + 1; n++) {
        AUTO(buf_done) struct buf out = {.max = NETWORKS_MAX_BYTES};

        buf_printf(&lines, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:%x\n", 0xff00 + n);
        assert_int_equal(networks_normal(buf_slice(&lines), &out, NULL),
                         n <= NETWORKS_MAX ? RC_OK : RC_LIMIT);
        assert_false(out.overflow);
    }
}

static void only_those_inside_come_in(void **state)
{
    static const struct {
        const char *lines, *address;
        bool in;
    } rows[] = {
        {"",                            "192.0.2.1",       true },
        {"",                            "",                true }, /* a unix socket */
        {"192.0.2.0/24",                "192.0.2.0",       true },
        {"192.0.2.0/24",                "192.0.2.255",     true },
        {"192.0.2.0/24",                "192.0.3.0",       false},
        {"192.0.2.0/24",                "192.0.1.255",     false},
        {"192.0.2.0/24",                "",                false},
        {"192.0.2.128/25",              "192.0.2.127",     false},
        {"192.0.2.128/25",              "192.0.2.128",     true },
        {"0.0.0.0/0",                   "203.0.113.9",     true },
        {"0.0.0.0/0",                   "2001:db8::1",     false},
        {"::/0",                        "192.0.2.1",       false},
        {"::/0",                        "2001:db8::1",     true },
        {"192.0.2.0/24\n2001:db8::/33", "2001:db8:7fff::", true },
        {"192.0.2.0/24\n2001:db8::/33", "2001:db8:8000::", false},
        {"c000:200::/24",               "192.0.2.1",       false}, /* the same bytes */
        {"no network",                  "192.0.2.1",       false},
        {"no network\n192.0.2.1/32",    "192.0.2.1",       true },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct ipaddr address = address_of(rows[i].address);

        if (networks_allow(slice_from_str(rows[i].lines), &address) != rows[i].in)
            fail_msg("%s in %s", rows[i].address, rows[i].lines);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_survives_a_sockaddr),
        cmocka_unit_test(networks_are_written_in_one_form),
        cmocka_unit_test(a_list_has_a_limit),
        cmocka_unit_test(only_those_inside_come_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
