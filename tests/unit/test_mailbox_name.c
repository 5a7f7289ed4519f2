/* test_mailbox_name.c - modified UTF-7, NFC, INBOX, and the names that are refused. */
// links: imap
#include "base/utf8.h"
#include "imap/mailbox_name.h"
#include "lib/test.h"

static const struct imap_mode rev1 = {0};
static const struct imap_mode rev2 = {.rev2 = true};

// clang-format off
static const struct {
    const char *wire, *utf8; /* NULL: refused */
} utf7_rows[] = {
    {"",                                "" },
    {"INBOX",                           "INBOX"},
    {"a&-b",                            "a&b"},
    {"&-",                              "&"},
    {"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"},
    {"&Jjo-!",                          "\xe2\x98\xba!"},
    {"&2D3cFA-",                        "\xf0\x9f\x90\x94"}, /* a surrogate pair */
    {"&AAo-",                           "\n"}, /* the codec takes it, a name may not hold it */
    {"&Jjo!",                           NULL}, /* no shift back */
    {"&Jjo",                            NULL},
    {"&",                               NULL},
    {"&U,BTFw-&ZeVnLIqe-",              NULL}, /* superfluous shift */
    {"&AGE-",                           NULL}, /* "a" stands for itself */
    {"&ACY-",                           NULL}, /* so does "&" */
    {"&AO-",                            NULL}, /* half a letter */
    {"&AOk-&-",                         "\xc3\xa9&"},
    {"&AOl-",                           NULL}, /* bits behind the end are not zero */
    {"&AOkA-",                          NULL},
    {"&2D0-",                           NULL}, /* high surrogate alone */
    {"&3BQ-",                           NULL}, /* low surrogate alone */
    {"&3BTYPQ-",                        NULL}, /* the wrong way round */
    {"&AO/-",                           NULL}, /* "/" is "," here */
    {"&A O-",                           NULL},
    {"\xc3\xa9",                        NULL},
    {"a\x01",                           NULL},
    {"a\x7f",                           NULL},
};
// clang-format on

static void modified_utf7_has_one_spelling(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(utf7_rows); i++) {
        AUTO(buf_done) struct buf out = {0}, again = {0};

        buf_init(&out, 1 << 10);
        buf_init(&again, 1 << 10);
        print_message("%s\n", utf7_rows[i].wire);
        assert_int_equal(imap_utf7_decode(slice_from_str(utf7_rows[i].wire), &out),
                         utf7_rows[i].utf8 != NULL ? RC_OK : RC_SYNTAX);
        if (utf7_rows[i].utf8 == NULL) {
            assert_int_equal(out.len, 0);
            continue;
        }
        assert_slice_equal(buf_slice(&out), slice_from_str(utf7_rows[i].utf8));
        imap_utf7_encode(&again, buf_slice(&out));
        assert_slice_equal(buf_slice(&again), slice_from_str(utf7_rows[i].wire));
    }
}

// clang-format off
static const struct {
    const char *wire;
    bool utf8, trailing;
    const char *name; /* NULL: RC_INVALID */
    bool inbox, normalized;
} names[] = {
    {"Archive/2024",       false, false, "Archive/2024",       false, false},
    {"inbox",              false, false, "INBOX",              true,  true},
    {"INBOX",              false, false, "INBOX",              true,  false},
    {"iNbOx/x",            false, false, "INBOX/x",            false, true},
    {"inboxx",             false, false, "inboxx",             false, false},
    {"x/inbox",            false, false, "x/inbox",            false, false},
    {"..",                 false, false, "..",                 false, false},
    {"&AOk-",              false, false, "\xc3\xa9",           false, false},
    {"&AOk-",              true,  false, "&AOk-",              false, false},
    {"\xc3\xa9",           true,  false, "\xc3\xa9",           false, false},
    {"e\xcc\x81",          true,  false, "\xc3\xa9",           false, true}, /* NFC */
    {"e&AwE-",             false, false, "\xc3\xa9",           false, true},
    {"\xef\xac\x81",       true,  false, "\xef\xac\x81",       false, false}, /* a ligature stays: NFC is not NFKC */
    {"a/",                 false, true,  "a",                  false, false},
    {"inbox/",             false, true,  "INBOX",              true,  true},
    {"a/",                 false, false, NULL, false, false},
    {"a//",                false, true,  NULL, false, false},
    {"/",                  false, true,  NULL, false, false},
    {"",                   false, true,  NULL, false, false},
    {"/a",                 false, false, NULL, false, false},
    {"a//b",               false, false, NULL, false, false},
    {"&AAo-",              false, false, NULL, false, false}, /* LF */
    {"a\x01",              true,  false, NULL, false, false},
    {"a\x7f",              true,  false, NULL, false, false},
    {"a\xc2\x85",          true,  false, NULL, false, false}, /* C1 */
    {"a\xe2\x80\xa8",      true,  false, NULL, false, false}, /* U+2028 */
    {"\xef\xbb\xbf" "a",   true,  false, NULL, false, false}, /* byte order mark */
    {"\xff",               true,  false, NULL, false, false},
    {"\xed\xa0\x80",       true,  false, NULL, false, false},
};
// clang-format on

static void names_are_resolved_or_refused(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(names); i++) {
        AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
        struct imap_mailbox m = {0};
        struct err err = {0};
        enum rc rc =
            imap_resolve_mailbox(slice_from_str(names[i].wire), names[i].utf8 ? rev2 : rev1,
                                 names[i].trailing, arena, &m, &err);

        print_message("%s: %s\n", names[i].wire, err.text);
        assert_int_equal(rc, names[i].name != NULL ? RC_OK : RC_INVALID);
        if (rc)
            continue;
        assert_slice_equal(m.name, slice_from_str(names[i].name));
        assert_int_equal(m.inbox, names[i].inbox);
        assert_int_equal(m.normalized, names[i].normalized);
    }
}

static void refuses_a_name_over_the_limit(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    char text[MAILBOX_NAME_MAX_BYTES + 1];
    struct imap_mailbox m;
    struct slice pattern;

    (void) state;
    memset(text, 'x', sizeof(text));
    assert_int_equal(
        imap_resolve_mailbox(slice_of(text, sizeof(text) - 1), rev1, false, arena, &m, NULL),
        RC_OK);
    assert_int_equal(
        imap_resolve_mailbox(slice_of(text, sizeof(text)), rev1, false, arena, &m, NULL),
        RC_INVALID);
    assert_int_equal(
        imap_resolve_pattern(slice_of(text, sizeof(text)), rev1, arena, &pattern, NULL),
        RC_INVALID);
}

static void names_are_printed_in_the_session_s_spelling(void **state)
{
    static const struct {
        const char *name, *rev1, *rev2;
    } cases[] = {
        {"INBOX",       "INBOX",          "INBOX"            },
        {"a b",         "\"a b\"",        "\"a b\""          },
        {"a&b",         "a&-b",           "a&b"              },
        {"\xc3\xa9",    "&AOk-",          "\"\xc3\xa9\""     },
        {"a\"\xc3\xa9", "\"a\\\"&AOk-\"", "\"a\\\"\xc3\xa9\""},
        {"50%",         "\"50%\"",        "\"50%\""          },
        {"",            "\"\"",           "\"\""             },
        {"NIL",         "\"NIL\"",        "\"NIL\""          },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(buf_done) struct buf out = {0};

        buf_init(&out, 256);
        imap_print_mailbox(&out, slice_from_str(cases[i].name), rev1);
        assert_slice_equal(buf_slice(&out), slice_from_str(cases[i].rev1));
        buf_reset(&out);
        imap_print_mailbox(&out, slice_from_str(cases[i].name), rev2);
        assert_slice_equal(buf_slice(&out), slice_from_str(cases[i].rev2));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modified_utf7_has_one_spelling),
        cmocka_unit_test(names_are_resolved_or_refused),
        cmocka_unit_test(refuses_a_name_over_the_limit),
        cmocka_unit_test(names_are_printed_in_the_session_s_spelling),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
