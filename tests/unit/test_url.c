/* test_url.c - IMAP URLs of messages and parts: each form of the grammar, and near misses. */
// links: imap
#include "imap/url.h"
#include "lib/test.h"

/* What an URL says, on one line; NULL: refused. */
static const struct {
    const char *url, *said;
} rows[] = {
  /* RFC 4469 appendix A, RFC 5092 section 9 */
    {"/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER",                                 "|Drafts v385759045 u20 1:[]"                         },
    {"/Drafts;UIDVALIDITY=385759045/;UID=20/;section=1.MIME",                                 "|Drafts v385759045 u20 5:[1]"                        },
    {"/Drafts;UIDVALIDITY=385759045/;UID=30",                                                 "|Drafts v385759045 u30 0:[]"                         },
    {"imap://minbari.example.org/gray-council;UIDVALIDITY=385759045/;UID=20/;PARTIAL=0.1024",
     "@minbari.example.org|gray-council v385759045 u20 0:[] p0.1024"                                                                                },
    {"imap://;AUTH=GSSAPI@minbari.example.org/gray-council/;uid=20/;section=1.2",
     "@minbari.example.org|gray-council u20 0:[1.2]"                                                                                                },
    {"imap://joe@example.com/INBOX/;uid=20/;section=1.2;urlauth=submit+fred:internal:"
     "91354a473744909de610943775f92038",                                                 "joe@example.com|INBOX u20 0:[1.2] a1fred internal 32"},
 /* forms */
    {"imap://j%40b;AUTH=*@[::1]:993/a%20b/c/;UID=4294967295",
     "j@b@[::1]:993|a b/c u4294967295 0:[]"                                                                                                         },
    {"/inbox/;uid=1",                                                                         "|INBOX u1 0:[]"                                      },
    {"/e%CC%81/;uid=1",                                                                       "|\xc3\xa9 u1 0:[]"                                   },
    {"/a:@&=b/;uid=1",                                                                        "|a:@&=b u1 0:[]"                                     },
    {"/%2E%2E/;uid=1",                                                                        "|.. u1 0:[]"                                         },
    {"/INBOX/;UID=1/;SECTION=2.HEADER.FIELDS%20(To%20From)/;PARTIAL=7",
     "|INBOX u1 2:[2] p7.18446744073709551615"                                                                                                      },
    {"imap://a@b/c/;UID=1;EXPIRE=1970-01-02T00:00:00.25+01:00;URLAUTH=authuser",
     "a@b|c u1 0:[] e82800 a3"                                                                                                                      },
    {"imap://a@b/c/;UID=1;expire=1969-12-31t23:59:59z;urlauth=ANONYMOUS:X-Y.2:"
     "00112233445566778899aabbccddeeff00",                                               "a@b|c u1 0:[] e-1 a4 X-Y.2 34"                       },
    {"imap://a@b/c/;UID=1;URLAUTH=user+j%6fe",                                                "a@b|c u1 0:[] a2joe"                                 },
 /* near misses */
    {"",                                                                                      NULL                                                  },
    {"/",                                                                                     NULL                                                  },
    {"//",                                                                                    NULL                                                  },
    {"INBOX/;UID=1",                                                                          NULL                                                  }, /* RFC 5092 7.2 */
    {";UID=1",                                                                                NULL                                                  },
    {"//host/INBOX/;UID=1",                                                                   NULL                                                  },
    {"imap://host",                                                                           NULL                                                  },
    {"imap:///INBOX/;UID=1",                                                                  NULL                                                  },
    {"imap://@host/INBOX/;UID=1",                                                             NULL                                                  },
    {"imap://a;b@host/INBOX/;UID=1",                                                          NULL                                                  },
    {"imap://a@b@host/INBOX/;UID=1",                                                          NULL                                                  },
    {"imaps://host/INBOX/;UID=1",                                                             NULL                                                  },
    {"http://host/INBOX/;UID=1",                                                              NULL                                                  },
    {"/INBOX",                                                                                NULL                                                  },
    {"/INBOX;UID=1",                                                                          NULL                                                  }, /* the "/" is missing */
    {"/;UID=1",                                                                               NULL                                                  },
    {"/INBOX?UID%201",                                                                        NULL                                                  },
    {"/INBOX;UIDVALIDITY=1;UID=1",                                                            NULL                                                  },
    {"/INBOX;UIDVALIDITY=0/;UID=1",                                                           NULL                                                  },
    {"/INBOX/;UID=0",                                                                         NULL                                                  },
    {"/INBOX/;UID=01",                                                                        NULL                                                  },
    {"/INBOX/;UID=4294967296",                                                                NULL                                                  },
    {"/INBOX/;UID=1/",                                                                        NULL                                                  },
    {"/INBOX/;UID=1/;SECTION=",                                                               NULL                                                  },
    {"/INBOX/;UID=1/;SECTION=0",                                                              NULL                                                  },
    {"/INBOX/;UID=1/;SECTION=1.",                                                             NULL                                                  },
    {"/INBOX/;UID=1/;SECTION=1]x",                                                            NULL                                                  },
    {"/INBOX/;UID=1/;SECTION=1%5D",                                                           NULL                                                  },
    {"/INBOX/;UID=1/;SECTION=MIME",                                                           NULL                                                  },
    {"/INBOX/;UID=1/;SECTION=1%00",                                                           NULL                                                  },
    {"/INBOX/;UID=1;SECTION=1",                                                               NULL                                                  },
    {"/INBOX/;UID=1/;PARTIAL=0.0",                                                            NULL                                                  },
    {"/INBOX/;UID=1/;PARTIAL=",                                                               NULL                                                  },
    {"/INBOX/;UID=1/;PARTIAL=1/;SECTION=1",                                                   NULL                                                  },
    {"/IN BOX/;UID=1",                                                                        NULL                                                  },
    {"/IN%2/;UID=1",                                                                          NULL                                                  },
    {"/IN%GGBOX/;UID=1",                                                                      NULL                                                  },
    {"/%00/;UID=1",                                                                           NULL                                                  },
    {"/%FF/;UID=1",                                                                           NULL                                                  },
    {"/\xc3\xa9/;UID=1",                                                                      NULL                                                  },
    {"/a//b/;UID=1",                                                                          NULL                                                  },
    {"/../a/;UID=1",                                                                          NULL                                                  },
    {"/a/./;UID=1",                                                                           NULL                                                  },
    {"/c/;UID=1;EXPIRE=1970-01-02T00:00:00Z",                                                 NULL                                                  }, /* only with URLAUTH */
    {"/c/;UID=1;EXPIRE=1970-02-30T00:00:00Z;URLAUTH=anonymous",                               NULL                                                  },
    {"/c/;UID=1;EXPIRE=1970-01-02 00:00:00Z;URLAUTH=anonymous",                               NULL                                                  },
    {"/c/;UID=1;EXPIRE=1970-01-02T00:00:00;URLAUTH=anonymous",                                NULL                                                  },
    {"/c/;UID=1;EXPIRE=1970-01-02T00:00:00+0100;URLAUTH=anonymous",                           NULL                                                  },
    {"/c/;UID=1;URLAUTH=",                                                                    NULL                                                  },
    {"/c/;UID=1;URLAUTH=root",                                                                NULL                                                  },
    {"/c/;UID=1;URLAUTH=user+",                                                               NULL                                                  },
    {"/c/;UID=1;URLAUTH=anonymous:internal",                                                  NULL                                                  },
    {"/c/;UID=1;URLAUTH=anonymous:internal:",                                                 NULL                                                  },
    {"/c/;UID=1;URLAUTH=anonymous:internal:0011223344556677889900112233445",                  NULL                                                  },
    {"/c/;UID=1;URLAUTH=anonymous:internal:001122334455667788990011223344556",                NULL                                                  },
    {"/c/;UID=1;URLAUTH=anonymous:internal:0011223344556677889900112233445g",                 NULL                                                  },
    {"/c/;UID=1;URLAUTH=anonymous::00112233445566778899001122334455",                         NULL                                                  },
};

static void say(const struct imap_url *url, struct buf *out)
{
    if (url->absolute) {
        buf_append(out, url->user);
        buf_byte(out, url->user.len > 0 || url->host.len > 0 ? '@' : '?');
        buf_append(out, url->host);
    }
    buf_byte(out, '|');
    buf_append(out, url->mailbox.name);
    if (url->has_uidvalidity)
        buf_printf(out, " v%u", url->uidvalidity);
    buf_printf(out, " u%u %d:[", url->uid, (int) url->section.text);
    for (size_t i = 0; i < url->section.n_parts; i++)
        buf_printf(out, "%s%u", i > 0 ? "." : "", url->section.parts[i]);
    buf_byte(out, ']');
    if (url->partial)
        buf_printf(out, " p%llu.%llu", (unsigned long long) url->offset,
                   (unsigned long long) url->len);
    if (url->has_expire)
        buf_printf(out, " e%lld", (long long) url->expire_sec);
    if (url->access != IMAP_URL_NO_ACCESS)
        buf_printf(out, " a%d%.*s", (int) url->access, SLICE_ARG(url->access_user));
    if (url->mechanism.len > 0)
        buf_printf(out, " %.*s %zu", SLICE_ARG(url->mechanism), url->token.len);
}

static void takes_what_the_grammar_has(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
        AUTO(buf_done) struct buf said;
        struct imap_url url;
        struct err err;
        enum rc rc;

        print_message("%s\n", rows[i].url);
        buf_init(&said, 4096);
        rc = imap_parse_url(slice_from_str(rows[i].url), arena, &url, &err);
        assert_true((rc == RC_OK) == (rows[i].said != NULL));
        if (rc) {
            assert_true(rc == RC_SYNTAX || rc == RC_INVALID);
            continue;
        }
        say(&url, &said);
        assert_slice_equal(buf_slice(&said), slice_from_str(rows[i].said));
    }
}

/* RFC 4467 section 6: the rump is the URL as it was written, without what follows. */
static void a_rump_is_cut_and_nothing_else(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct imap_url url;
    struct err err;

    (void) state;
    assert_int_equal(
        imap_parse_url(SLICE("IMAP://J%6fe@EXAMPLE.com/InBox/;Uid=1;URLAuth=user+F:"
                             "INTERNAL:00112233445566778899001122334455"),
                       arena, &url, &err),
        RC_OK);
    assert_slice_equal(url.rump, SLICE("IMAP://J%6fe@EXAMPLE.com/InBox/;Uid=1;URLAuth=user+F"));
}

/* RFC 5092 section 11: what may not stand in a part of it is encoded, and read back it is the
 * same. */
static void where_a_mailbox_is_reads_back(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new((size_t) 1 << 20);
    AUTO(buf_done) struct buf out;
    struct imap_url url;
    struct err err;

    (void) state;
    buf_init(&out, 8192);
    imap_print_server_url(&out, SLICE("j/o@e;x"), SLICE("[::1]:143"));
    assert_slice_equal(buf_slice(&out), SLICE("imap://j%2Fo%40e%3Bx;AUTH=*@[::1]:143/"));
    buf_reset(&out);
    imap_print_mailbox_url(&out, SLICE("100%"), SLICE("b"), SLICE("a b;c/\xc3\xa9]%20"));
    assert_slice_equal(buf_slice(&out),
                       SLICE("imap://100%25;AUTH=*@b/a%20b%3Bc/%C3%A9%5D%2520"));
    buf_str(&out, "/;UID=1");
    assert_int_equal(imap_parse_url(buf_slice(&out), arena, &url, &err), RC_OK);
    assert_slice_equal(url.user, SLICE("100%"));
    assert_slice_equal(url.mailbox.name, SLICE("a b;c/\xc3\xa9]%20"));
}

static void a_code_holds_any_url(void **state)
{
    AUTO(buf_done) struct buf out;
    char longest[URL_SHOWN_BYTES + 9];

    (void) state;
    buf_init(&out, 8192);
    imap_print_code_badurl(&out, SLICE("/a]b\r\n\xff\\c d"));
    assert_slice_equal(buf_slice(&out), slice_from_str("[BADURL /a%5Db%0D%0A%FF%5Cc%20d]"));
    buf_reset(&out);
    memset(longest, 'x', sizeof(longest));
    imap_print_code_badurl(&out, slice_of(longest, sizeof(longest)));
    assert_int_equal(out.len, strlen("[BADURL ]") + URL_SHOWN_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_the_grammar_has),
        cmocka_unit_test(a_rump_is_cut_and_nothing_else),
        cmocka_unit_test(where_a_mailbox_is_reads_back),
        cmocka_unit_test(a_code_holds_any_url),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
