/* test_proxy_header.c - PROXY headers of both versions: what is one, what is none, and how far
 * it goes. */
// links: net
#include "lib/test.h"
#include "net/proxy_header.h"

#define V2     "\r\n\r\n\0\r\nQUIT\n"
#define LENGTH "\0\x0c"
#define V4                                                                                     \
    "\xc0\x00\x02\x07\xc6\x33\x64\x01\xc0\x00\x03\xe1" /* 192.0.2.7:49152, 198.51.100.1:993 */
#define V6_A   "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
#define V6_B   "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
#define MAPPED "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x07"
#define PORTS  "\xc0\x00\x03\xe1"

#define BYTES(literal)                                                                         \
    {                                                                                          \
        "" literal, sizeof(literal) - 1                                                        \
    }

static const struct {
    struct slice bytes;
    const char *client, *server; /* "-": none */
    uint16_t client_port, server_port;
} good[] = {
    {BYTES("PROXY TCP4 192.0.2.7 198.51.100.1 49152 993\r\n"),  "192.0.2.7",       "198.51.100.1",
     49152,                                                                                               993},
    {BYTES("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n"),   "255.255.255.255", "0.0.0.0",
     65535,                                                                                               0  },
    {BYTES("PROXY TCP6 2001:db8::7 2001:db8::1 49152 993\r\n"), "2001:db8::7",     "2001:db8::1",
     49152,                                                                                               993},
    {BYTES("PROXY TCP6 ::ffff:192.0.2.7 2001:db8::1 1 2\r\n"),  "192.0.2.7",       "2001:db8::1",  1,
     2                                                                                                       },
    {BYTES("PROXY UNKNOWN\r\n"),                                "-",               "-",            0,     0  },
    {BYTES("PROXY UNKNOWN whatever a proxy has to say\r\n"),    "-",               "-",            0,     0  },
    {BYTES(V2 "\x21\x11" LENGTH V4),                            "192.0.2.7",       "198.51.100.1", 49152, 993},
    {BYTES(V2 "\x21\x21\0\x24" V6_A V6_B PORTS),                "2001:db8::7",     "2001:db8::1",  49152, 993},
    {BYTES(V2 "\x21\x21\0\x24" MAPPED V6_B PORTS),              "192.0.2.7",       "2001:db8::1",  49152, 993},
    {BYTES(V2 "\x21\x11\0\x12" V4 "\x04\0\x03NOP"),             "192.0.2.7",       "198.51.100.1", 49152, 993},
    {BYTES(V2 "\x20\0\0\0"),                                    "-",               "-",            0,     0  },
    {BYTES(V2 "\x20\x11" LENGTH V4),                            "-",               "-",            0,     0  },
    {BYTES(V2 "\x21\x31\0\x02zz"),                              "-",               "-",            0,     0  },
    {BYTES(V2 "\x21\0\0\0"),                                    "-",               "-",            0,     0  },
};

static const struct {
    struct slice bytes;
    enum rc rc;
} bad[] = {
    {BYTES("* OK"),                                          RC_SYNTAX},
    {BYTES("a LOGIN x y\r\n"),                               RC_SYNTAX},
    {BYTES("\x16\x03\x01"),                                  RC_SYNTAX},
    {BYTES("proxy TCP4 192.0.2.7 198.51.100.1 1 2\r\n"),     RC_SYNTAX},
    {BYTES("PROXY\r\n"),                                     RC_SYNTAX},
    {BYTES("PROXY \r\n"),                                    RC_SYNTAX},
    {BYTES("PROXY  TCP4 192.0.2.7 198.51.100.1 1 2\r\n"),    RC_SYNTAX},
    {BYTES("PROXY TCP4\r\n"),                                RC_SYNTAX},
    {BYTES("PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n"),       RC_SYNTAX},
    {BYTES("PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n"),   RC_SYNTAX},
    {BYTES("PROXY TCP4 192.0.2.7 198.51.100.1 1 2 \r\n"),    RC_SYNTAX},
    {BYTES("PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n"),       RC_SYNTAX},
    {BYTES("PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n"),    RC_SYNTAX},
    {BYTES("PROXY TCP4 192.0.2.7 198.51.100.1 65536 2\r\n"), RC_SYNTAX},
    {BYTES("PROXY TCP4 192.0.2.7 198.51.100.1 -1 2\r\n"),    RC_SYNTAX},
    {BYTES("PROXY TCP4 192.0.2.7 198.51.100.1 1x 2\r\n"),    RC_SYNTAX},
    {BYTES("PROXY TCP4 192.0.2 198.51.100.1 1 2\r\n"),       RC_SYNTAX},
    {BYTES("PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n"),    RC_SYNTAX},
    {BYTES("PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n"),     RC_SYNTAX},
    {BYTES("PROXY TCP4 192.0.2.7\0 198.51.100.1 1 2\r\n"),   RC_SYNTAX},
    {BYTES("PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n"),     RC_SYNTAX},
    {BYTES(
         "PROXY UNKNOWN 0123456789012345678901234567890123456789012345678901234567890123456789"
         "0123456789012345678901234567890123456789"),
     RC_SYNTAX                                                        },
    {BYTES(V2 "\x11\x11" LENGTH V4),                         RC_SYNTAX},
    {BYTES(V2 "\x31\x11" LENGTH V4),                         RC_SYNTAX},
    {BYTES(V2 "\x22\x11" LENGTH V4),                         RC_SYNTAX},
    {BYTES(V2 "\x21\x11\0\x0b" V4),                          RC_SYNTAX},
    {BYTES(V2 "\x21\x21\0\x23" V6_A V6_B PORTS),             RC_SYNTAX},
    {BYTES(V2 "\x21\x11\xff\xff"),                           RC_LIMIT },
    {BYTES("\r\n\r\n\0\r\nQUIX"),                            RC_SYNTAX},
};

static void assert_address(const struct ipaddr *addr, const char *text, uint16_t port)
{
    AUTO(buf_done) struct buf printed = {0};

    buf_init(&printed, IPADDR_TEXT_BYTES);
    ipaddr_print(&printed, addr);
    assert_slice_equal(buf_slice(&printed), slice_from_str(text));
    assert_int_equal(addr->port, port);
}

/* Bytes behind it are nobody's business; each shorter beginning asks for more. */
static void headers_are_read(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(good); i++) {
        AUTO(buf_done) struct buf bytes = {0};
        struct proxy_header header;
        struct err err;

        buf_init(&bytes, 4096);
        buf_append(&bytes, good[i].bytes);
        buf_append(&bytes, SLICE("\x16\x03\x01PROXY \r\n"));
        assert_int_equal(proxy_header_read(buf_slice(&bytes), &header, &err), RC_OK);
        assert_int_equal(header.len, good[i].bytes.len);
        assert_address(&header.client, good[i].client, good[i].client_port);
        assert_address(&header.server, good[i].server, good[i].server_port);
        for (size_t n = 0; n < good[i].bytes.len; n++)
            if (proxy_header_read(slice_sub(good[i].bytes, 0, n), &header, &err) != RC_MORE)
                fail_msg("case %zu: %zu octets are not the beginning of one", i, n);
    }
}

static void what_is_none_is_refused(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct proxy_header header = {.len = 77};
        struct err err;
        enum rc rc = proxy_header_read(bad[i].bytes, &header, &err);

        if (rc != bad[i].rc)
            fail_msg("case %zu: %s, want %s", i, rc_name(rc), rc_name(bad[i].rc));
        assert_int_equal(header.len, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_read),
        cmocka_unit_test(what_is_none_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
