/* Text into HTML and XML: nothing that somebody typed becomes markup. */
// links: web
#include "lib/test.h"
#include "web/markup.h"
#include "web/mobileconfig.h"
#include "web/qr.h"

static const struct {
    const char *text, *want;
} rows[] = {
    {"",                              ""                                         },
    {"phone",                         "phone"                                    },
    {"<script>alert(1)</script>",     "&#60;script&#62;alert(1)&#60;/script&#62;"},
    {"\" onmouseover=\"x",            "&#34; onmouseover=&#34;x"                 },
    {"' or '1'='1",                   "&#39; or &#39;1&#39;=&#39;1"              },
    {"&lt;b&gt;",                     "&#38;lt;b&#38;gt;"                        },
    {"]]>",                           "]]&#62;"                                  },
    {"a\r\nb\tc\x7f",                 "a\xEF\xBF\xBD\xEF\xBF\xBD"
                      "b\xEF\xBF\xBD"
                      "c\xEF\xBF\xBD"                       },
    {"\xC2\x85",                      "\xEF\xBF\xBD"                             }, /* C1 */
    {"Bj\xC3\xB6rk \xF0\x9F\x93\xB1", "Bj\xC3\xB6rk \xF0\x9F\x93\xB1"            },
    {"\xE2\x80\xAE"
     "gpj.exe",                  "\xEF\xBF\xBD"
     "gpj.exe"                                               }, /* U+202E */
    {"\xE2\x81\xA6x",                 "\xEF\xBF\xBDx"                            }, /* U+2066 */
    {"\xFF\xFE<",                     "\xEF\xBF\xBD\xEF\xBF\xBD&#60;"            },
    {"\xC0\xBCscript",                "\xEF\xBF\xBD\xEF\xBF\xBDscript"           }, /* "<" in two bytes */
    {"\xEF\xBF\xBE",                  "\xEF\xBF\xBD"                             }, /* U+FFFE: not in XML */
    {"\xE2\x80\xA8",                  "\xEF\xBF\xBD"                             },
};

static void escapes_what_could_be_markup(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf_done) struct buf out = {0};

        buf_init(&out, 4096);
        markup_text(&out, slice_from_str(rows[i].text));
        assert_slice_equal(buf_slice(&out), slice_from_str(rows[i].want));
    }
}

/* Every byte, alone and before a quote, leaves nothing that ends a text or an attribute. */
static void no_byte_gets_through_as_markup(void **state)
{
    (void) state;
    for (unsigned byte = 0; byte < 256; byte++) {
        const char text[] = {(char) byte, '"', '<', (char) byte};
        AUTO(buf_done) struct buf out = {0};

        buf_init(&out, 4096);
        markup_text(&out, slice_of(text, sizeof(text)));
        assert_null(memchr(out.ptr, '<', out.len));
        assert_null(memchr(out.ptr, '>', out.len));
        assert_null(memchr(out.ptr, '"', out.len));
        assert_null(memchr(out.ptr, '\'', out.len));
        assert_null(memchr(out.ptr, '\0', out.len));
    }
}

static void a_profile_escapes_all_it_is_given(void **state)
{
    const struct mobileconfig config = {.user = SLICE("a&b@example.org"),
                                        .device = SLICE("</string><key>x</key>"),
                                        .password = SLICE("<&>"),
                                        .imap_host = SLICE("mail.example.org"),
                                        .imap_port = 993,
                                        .smtp_host = SLICE("mail.example.org"),
                                        .smtp_port = 465};
    AUTO(buf_done) struct buf out = {0};
    struct slice text;

    (void) state;
    buf_init(&out, MOBILECONFIG_MAX_BYTES);
    mobileconfig_print(&out, &config);
    text = buf_slice(&out);
    assert_true(slice_search(text, SLICE("</string><key>x</key>")) == text.len);
    assert_true(slice_search(text, SLICE("<string>a&#38;b@example.org</string>")) < text.len);
    assert_true(slice_search(text, SLICE("<string>&#60;&#38;&#62;</string>")) < text.len);
    assert_true(slice_search(text, SLICE("00000000-0000-4000-8000-000000000000")) < text.len);
    assert_true(slice_search(text, SLICE("<integer>993</integer>")) < text.len);
}

static void a_code_has_its_data_or_none(void **state)
{
    char long_text[QR_DATA_MAX_BYTES + 1];
    AUTO(buf_done) struct buf out = {0};
    struct err err;

    (void) state;
    buf_init(&out, (size_t) 1 << 20);
    memset(long_text, 'x', sizeof(long_text));
    assert_int_equal(qr_print_svg(&out, SLICE(""), &err), RC_LIMIT);
    assert_int_equal(qr_print_svg(&out, slice_of(long_text, sizeof(long_text)), &err),
                     RC_LIMIT);
    assert_int_equal(out.len, 0);
    assert_int_equal(qr_print_svg(&out, slice_of(long_text, QR_DATA_MAX_BYTES), &err), RC_OK);
    buf_reset(&out);
    /* 24 bytes at level M are version 2 (25 modules), and four light ones to each side. */
    assert_int_equal(qr_print_svg(&out, SLICE("abcd-efgh-ijkl-mnop-qrst"), &err), RC_OK);
    assert_true(slice_search(buf_slice(&out), SLICE("viewBox=\"0 0 33 33\"")) < out.len);
    /* Each has its three finder patterns: a row of seven in the corner. */
    assert_true(slice_search(buf_slice(&out), SLICE("M4 4h7v1h-7z")) < out.len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_what_could_be_markup),
        cmocka_unit_test(no_byte_gets_through_as_markup),
        cmocka_unit_test(a_profile_escapes_all_it_is_given),
        cmocka_unit_test(a_code_has_its_data_or_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
