/* test_words.c - encoded-words to text and back; charsets with their labels. */
// links: mime
#include "lib/test.h"
#include "mime/charset.h"
#include "mime/words.h"

static const struct {
    const char *raw, *text;
} rows[] = {
    {"plain",                                   "plain"                   },
    {" folded\r\n text ",                       "folded text"             },
    {"=?utf-8?Q?=C3=A4?=",                      "\xc3\xa4"                },
    {"=?UTF-8?b?w6Q=?=",                        "\xc3\xa4"                },
    {"=?iso-8859-1?Q?=E4_=F6?=",                "\xc3\xa4 \xc3\xb6"       },
    {"=?iso-8859-1*de?Q?=E4?=",                 "\xc3\xa4"                }, /* RFC 2231 section 5 */
    {"=?koi8-r?B?wQ==?=",                       "\xd0\xb0"                },
    {"a =?utf-8?Q?b?= c",                       "a b c"                   },
    {"=?utf-8?Q?a?= =?utf-8?Q?b?=",             "ab"                      }, /* RFC 2047 6.2 */
    {"=?utf-8?Q?a?=\r\n =?iso-8859-1?B?Yg==?=", "ab"                      },
    {"=?utf-8?Q?=C3?= =?utf-8?Q?=A4?=",         "\xc3\xa4"                }, /* a character in two words */
    {"=?utf-8?Q?a?= b =?utf-8?Q?c?=",           "a b c"                   },
    {"x=?utf-8?Q?a?=y",                         "xay"                     },
    {"=?utf-8?Q?a b?=",                         "a b"                     },
    {"=?utf-8?Q?a=?=",                          "a="                      },
    {"=?utf-8?Q?a",                             "=?utf-8?Q?a"             },
    {"=?utf-8?X?a?=",                           "=?utf-8?X?a?="           },
    {"=?no-such?Q?a?=",                         "=?no-such?Q?a?="         },
    {"=?utf-8?Q?"
     "?=",                                 ""                        },
    {"=?=?=?=",                                 "=?=?=?="                 },
    {"\xe4",                                    "\xc3\xa4"                }, /* no label: windows-1252 */
    {"\xc3\xa4",                                "\xc3\xa4"                }, /* no label, but UTF-8 */
    {"=?utf-8?Q?=FF?=",                         "\xc3\xbf"                },
    {"=?utf-8?Q?a=0D=0Ab?=",                    "a  b"                    }, /* no line end comes out of a word */
    {"=?gb2312?B?1tDOxA==?=",                   "\xe4\xb8\xad\xe6\x96\x87"},
    {"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=",      "\xe6\x97\xa5\xe6\x9c\xac"},
    {"=?utf-7?Q?+AOQ-?=",                       "\xc3\xa4"                },
};

static void words_become_text(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf_done) struct buf out = {0};

        buf_init(&out, 4096);
        print_message("%s\n", rows[i].raw);
        words_decode(slice_from_str(rows[i].raw), &out);
        assert_slice_equal(buf_slice(&out), slice_from_str(rows[i].text));
    }
}

static void words_are_short_and_whole(void **state)
{
    AUTO(buf_done) struct buf text = {0};
    AUTO(buf_done) struct buf out = {0};
    AUTO(buf_done) struct buf back = {0};
    struct slice rest;

    (void) state;
    buf_init(&text, 4096);
    buf_init(&out, 16384);
    buf_init(&back, 16384);
    for (int i = 0; i < 300; i++)
        buf_str(&text, i % 7 == 0 ? "a" : "\xe4\xb8\xad");
    words_encode(buf_slice(&text), &out);
    for (rest = buf_slice(&out); rest.len > 0;) {
        size_t len = slice_find(rest, ' ');

        assert_true(len <= 75);
        rest = slice_from(rest, MIN(len + 1, rest.len));
    }
    words_decode(buf_slice(&out), &back);
    assert_slice_equal(buf_slice(&back), buf_slice(&text));
}

static void text_in_pieces_equals_text_at_once(void **state)
{
    static const char *const labels[] = {"utf-8", "gb18030", "iso-2022-jp", "utf-16"};
    static const char bytes[] = "a\xe4\xb8\xad\xf0\x9f\x98\x80\xc3 \xff\xe4\xb8z\xf0\x9f";

    (void) state;
    for (size_t label = 0; label < COUNT(labels); label++) {
        AUTO(buf_done) struct buf whole = {0};
        struct slice text = slice_of(bytes, sizeof(bytes) - 1);
        struct charset_reader reader;

        buf_init(&whole, 4096);
        charset_open(&reader, slice_from_str(labels[label]), CHARSET_GUESS_UTF8);
        charset_feed(&reader, text, true, &whole);
        charset_close(&reader);
        for (size_t cut = 0; cut <= text.len; cut++) {
            AUTO(buf_done) struct buf out = {0};

            buf_init(&out, 4096);
            charset_open(&reader, slice_from_str(labels[label]), CHARSET_GUESS_UTF8);
            charset_feed(&reader, slice_sub(text, 0, cut), false, &out);
            charset_feed(&reader, slice_from(text, cut), true, &out);
            charset_close(&reader);
            assert_slice_equal(buf_slice(&out), buf_slice(&whole));
        }
    }
}

static void labels_are_known_or_not(void **state)
{
    (void) state;
    mime_warm_up();
    assert_true(charset_is_known(SLICE("UTF-8")));
    assert_true(charset_is_known(SLICE("\"koi8-r\"")));
    assert_true(charset_is_known(SLICE("ks_c_5601-1987")));
    assert_true(charset_is_known(SLICE("shift_jis")));
    assert_true(charset_is_known(SLICE("big5")));
    assert_true(charset_is_known(SLICE("tis-620")));
    assert_false(charset_is_known(SLICE("")));
    assert_false(charset_is_known(SLICE("no-such")));
    assert_false(charset_is_known(SLICE("utf-8,version=1")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_become_text),
        cmocka_unit_test(words_are_short_and_whole),
        cmocka_unit_test(text_in_pieces_equals_text_at_once),
        cmocka_unit_test(labels_are_known_or_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
