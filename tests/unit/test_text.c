/* test_text.c - HTML to text, the text of bodies, casemap, preview, line ends. */
// links: mime
#include "base/utf8.h"
#include "lib/test.h"
#include "mime/crlf.h"
#include "mime/html.h"
#include "mime/preview.h"
#include "mime/text.h"

static const struct {
    const char *html, *text;
} html_rows[] = {
    {"plain",                              "plain"                                         },
    {"a<b>b</b>c",                         "abc"                                           },
    {"<p>a</p><p>b</p>",                   "a\nb"                                          },
    {"a&amp;b&lt;&gt;&quot;",              "a&b<>\""                                       },
    {"&auml;&#228;&#xe4;&#XE4;",           "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"              },
    {"&nbsp",                              "\xc2\xa0"                                      },
    {"&nosuch; & &&amp;",                  "&nosuch; & &&"                                 },
    {"&#0;&#xd800;&#99999999;",            "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"          },
    {"a<!-- <b> -- > c -->d",              "ad"                                            },
    {"a<!doctype html>b<?xml?>c",          "abc"                                           },
    {"a<script>var x = '<b>';</script>b",  "ab"                                            },
    {"a<STYLE type='x'>p { }</style>b",    "ab"                                            },
    {"<a title=\"x>y\" href='>'>z</a>",    "z"                                             },
    {"<a href=x>z</a>",                    "z"                                             },
    {"1 < 2",                              "1 < 2"                                         },
    {"a</ b",                              "a</ b"                                         },
    {"a<",                                 "a<"                                            },
    {"a<b",                                "a"                                             },
    {"a<br/>b",                            "a\nb"                                          },
    {" a \r\n\t b ",                       "a b"                                           }, /* as it is shown */
    {"a <br> \n <br> b",                   "a\nb"                                          },
    {"a&#32;&#10; b",                      "a b"                                           },
    {"a <i> b</i>",                        "a b"                                           },
    {"<<b>a<&amp;</</b>b",                 "<a<&</b"                                       },
    {"a</",                                "a</"                                           },
    {"<script>if (a<b) x='\"';</script>c", "c"                                             }, /* no tag, no quote in a script */
    {"<style><!-- </style>c",              "c"                                             },
    {"<script></scr</script x='>'>c",      "c"                                             },
    {"<script></scripts></script>c",       "c"                                             },
    {"&#146;&#8217s&#x92x&thetasym;",      "\xe2\x80\x99\xe2\x80\x99s\xe2\x80\x99x\xcf\x91"},
};

static void html_leaves_its_text(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(html_rows); i++) {
        struct slice html = slice_from_str(html_rows[i].html);

        print_message("%s\n", html_rows[i].html);
        for (size_t cut = 0; cut <= html.len; cut++) {
            AUTO(buf_done) struct buf out = {0};
            struct html_reader reader;

            buf_init(&out, 4096);
            html_open(&reader);
            html_feed(&reader, slice_sub(html, 0, cut), &out);
            html_feed(&reader, slice_from(html, cut), &out);
            html_close(&reader, &out);
            assert_slice_equal(buf_slice(&out), slice_from_str(html_rows[i].text));
        }
    }
}

static void fields_tell_what_pieces_say(void **state)
{
    static const struct {
        const char *name, *raw, *text;
    } rows[] = {
        {"Subject",             " =?utf-8?q?a_=C3=A4?=\r\n b",                    "a \xc3\xa4 b"                         },
        {"Content-Disposition", " attachment; filename*=utf-8''%C3%A4.txt",
         "attachment; filename*=utf-8''%C3%A4.txt; filename=\xc3\xa4.txt"                                                },
        {"content-type",        " a/b; name*1=b.txt; Name*0*=koi8-r'ru'%C1; x=y",
         "a/b; name*1=b.txt; Name*0*=koi8-r'ru'%C1; x=y; name=\xd0\xb0"
         "b.txt"                                                                                                         },
        {"Content-Type",        " a/b; name*1=b.txt",                             "a/b; name*1=b.txt"                    }, /* the first piece lacks */
        {"Content-Type",        " a/b; n*=%0D%0A%00c; m*=d",                      "a/b; n*=%0D%0A%00c; m*=d; n=   c; m=d"},
        {"Subject",             " x; n*=utf-8''%C3%A4",                           "x; n*=utf-8''%C3%A4"                  },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf_done) struct buf out = {.max = 4096};

        mime_text_of_field(slice_from_str(rows[i].name), slice_from_str(rows[i].raw), &out);
        assert_slice_equal(buf_slice(&out), slice_from_str(rows[i].text));
    }
}

static const struct {
    enum digest_encoding encoding;
    const char *charset;
    bool html;
    const char *body, *text;
} body_rows[] = {
    {DIGEST_CTE_IDENTITY, "",          false, "a\xc3\xa4",                     "a\xc3\xa4"       },
    {DIGEST_CTE_IDENTITY, "",          false, "a\xe4",                         "a\xc3\xa4"       },
    {DIGEST_CTE_IDENTITY, "shift_jis", false,
     "a\xa0"
     "b",                                                                      "a\xef\xbf\xbd"
     "b"                                                                                }, /* no byte of it */
    {DIGEST_CTE_IDENTITY, "shift_jis", false, "a\x1a\x1c\x7f\x83J",
     "a\x1a\x1c\x7f\xe3\x82\xab"                                                                 }, /* controls are those of ASCII */
    {DIGEST_CTE_IDENTITY, "us-ascii",  false, "a\xe4",                         "a\xc3\xa4"       },
    {DIGEST_CTE_IDENTITY, "utf-8",     false, "a\xe4",                         "a\xc3\xa4"       }, /* a wrong label */
    {DIGEST_CTE_QP,       "koi8-r",    false, "=C1=\r\n=C2",                   "\xd0\xb0\xd0\xb1"},
    {DIGEST_CTE_BASE64,   "utf-8",     false, "w6Q=",                          "\xc3\xa4"        },
    {DIGEST_CTE_IDENTITY, "",          true,  "<meta charset=\"koi8-r\">\xc1", "\xd0\xb0"        },
    {DIGEST_CTE_QP,       "utf-8",     true,  "<b>=C3=A4</b>&amp;",            "\xc3\xa4&"       },
    {DIGEST_CTE_IDENTITY, "",          true,  "<meta charset=UTF-16LE>a",      "a"               }, /* it cannot be */
};

static void bodies_become_utf8(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(body_rows); i++) {
        AUTO(buf_done) struct buf out = {0};
        struct mime_text_source source = {
            body_rows[i].encoding, slice_from_str(body_rows[i].charset), body_rows[i].html};

        buf_init(&out, 4096);
        mime_text_of_body(&source, slice_from_str(body_rows[i].body), &out);
        assert_slice_equal(buf_slice(&out), slice_from_str(body_rows[i].text));
    }
}

static void casemap_is_titlecase_then_decomposition(void **state)
{
    static const struct {
        const char *text, *mapped;
    } rows[] = {
        {"abC1-",        "ABC1-"                               },
        {"\xc3\xa4",     "A\xcc\x88"                           },
        {"\xc3\x84",     "A\xcc\x88"                           },
        {"\xc7\x84",     "Dz\xcc\x8c"                          }, /* the example of RFC 5051 section 2 */
        {"\xef\xac\x81", "fi"                                  }, /* U+FB01 has no titlecase of one character */
        {"\xed\x95\x9c", "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab"},
        {"\xe4\xb8\xad", "\xe4\xb8\xad"                        },
        {"a\xff"
         "b",   "A\xff"
         "B"                             },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf_done) struct buf out = {0};

        buf_init(&out, 4096);
        mime_casemap(slice_from_str(rows[i].text), &out);
        assert_slice_equal(buf_slice(&out), slice_from_str(rows[i].mapped));
    }
}

static void previews_are_short_and_on_one_line(void **state)
{
    static const struct {
        const char *text, *preview;
    } rows[] = {
        {"Hello\r\n\r\n  world \t!",          "Hello world !"  },
        {"> quoted\r\nanswer\r\n",            "answer"         },
        {"> only\r\n> quotes\r\n",            "> only > quotes"},
        {"text\r\n-- \r\nsignature",          "text"           },
        {"\xe2\x80\x8b\xef\xbb\xbf text\x01", "text"           },
        {"",                                  ""               },
    };
    AUTO(buf_done) struct buf text = {0};
    AUTO(buf_done) struct buf out = {0};
    struct scan sc;
    uint32_t ch, n = 0;

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf_done) struct buf one = {0};

        buf_init(&one, 4096);
        preview_of_text(slice_from_str(rows[i].text), &one);
        assert_slice_equal(buf_slice(&one), slice_from_str(rows[i].preview));
    }
    buf_init(&text, 65536);
    buf_init(&out, 4096);
    for (int i = 0; i < 1000; i++)
        buf_str(&text, "\xe4\xb8\xad ");
    preview_of_text(buf_slice(&text), &out);
    sc = scan_of(buf_slice(&out));
    while (utf8_scan(&sc, &ch))
        n++;
    assert_true(scan_done(&sc) && n <= PREVIEW_MAX_CHARS && n + 1 >= PREVIEW_MAX_CHARS);
}

static const struct {
    const char *raw, *normal;
    uint64_t n_bare_lf, n_bare_cr;
} crlf_rows[] = {
    {"a\r\nb\r\n", "a\r\nb\r\n", 0, 0},
    {"a\nb\n",     "a\r\nb\r\n", 2, 0},
    {"\n\n",       "\r\n\r\n",   2, 0},
    {"a\rb\r\n",   "a\rb\r\n",   0, 1},
    {"a\r\r\n",    "a\r\r\n",    0, 1},
    {"a\r",        "a\r",        0, 1},
    {"\r\n.\n",    "\r\n.\r\n",  1, 0},
    {"",           "",           0, 0},
};

static void line_ends_become_crlf_at_any_cut(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(crlf_rows); i++) {
        struct slice raw = slice_from_str(crlf_rows[i].raw);

        for (size_t cut = 0; cut <= raw.len; cut++) {
            AUTO(buf_done) struct buf out = {0};
            struct crlf crlf = {0};

            buf_init(&out, 4096);
            crlf_feed(&crlf, slice_sub(raw, 0, cut), &out);
            crlf_feed(&crlf, slice_from(raw, cut), &out);
            crlf_end(&crlf);
            assert_slice_equal(buf_slice(&out), slice_from_str(crlf_rows[i].normal));
            assert_int_equal(crlf.n_bare_lf, crlf_rows[i].n_bare_lf);
            assert_int_equal(crlf.n_bare_cr, crlf_rows[i].n_bare_cr);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(html_leaves_its_text),
        cmocka_unit_test(fields_tell_what_pieces_say),
        cmocka_unit_test(bodies_become_utf8),
        cmocka_unit_test(casemap_is_titlecase_then_decomposition),
        cmocka_unit_test(previews_are_short_and_on_one_line),
        cmocka_unit_test(line_ends_become_crlf_at_any_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
