/* test_print.c - responses: what is written, and that it stays in the grammar. */
// links: imap
#include "imap/print.h"
#include "imap/response.h"
#include "lib/test.h"

static const struct imap_mode rev1 = {0};
static const struct imap_mode rev2 = {.rev2 = true};

#define BYTES(literal)                                                                         \
    {                                                                                          \
        (literal), sizeof(literal) - 1                                                         \
    }

static void strings_take_the_form_their_bytes_allow(void **state)
{
    static const struct {
        struct slice s;
        const char *rev1, *rev2;
    } cases[] = {
        {BYTES("plain"),    "\"plain\"",       "\"plain\""      },
        {BYTES(""),         "\"\"",            "\"\""           },
        {BYTES("a\"b\\c"),  "\"a\\\"b\\\\c\"", "\"a\\\"b\\\\c\""},
        {BYTES("a\r\nb"),   "{4}\r\na\r\nb",   "{4}\r\na\r\nb"  },
        {BYTES("\xc3\xa9"), "{2}\r\n\xc3\xa9", "\"\xc3\xa9\""   },
        {BYTES("\xc3"),     "{1}\r\n\xc3",     "{1}\r\n\xc3"    },
        {BYTES("a\0b"),
         "{3}\r\na\x80"
         "b",                                  "{3}\r\na\x80"
         "b"                                       },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(buf_done) struct buf out = {0};

        buf_init(&out, 256);
        imap_print_string(&out, cases[i].s, rev1);
        assert_slice_equal(buf_slice(&out), slice_from_str(cases[i].rev1));
        buf_reset(&out);
        imap_print_string(&out, cases[i].s, rev2);
        assert_slice_equal(buf_slice(&out), slice_from_str(cases[i].rev2));
    }
}

static void long_strings_are_literals(void **state)
{
    char text[PRINT_QUOTED_MAX_BYTES + 1];
    AUTO(buf_done) struct buf out = {0};

    (void) state;
    memset(text, 'x', sizeof(text));
    buf_init(&out, 1 << 14);
    imap_print_string(&out, slice_of(text, sizeof(text) - 1), rev1);
    assert_int_equal(out.ptr[0], '"');
    buf_reset(&out);
    imap_print_string(&out, slice_of(text, sizeof(text)), rev1);
    assert_int_equal(out.ptr[0], '{');
}

static void text_cannot_be_taken_for_anything_else(void **state)
{
    static const struct {
        struct slice text;
        const char *printed;
    } cases[] = {
        {BYTES("Done"),     "Done"   },
        {BYTES(""),         "-"      },
        {BYTES("[X] y"),    "- [X] y"},
        {BYTES("a\r\nb"),   "a??b"   },
        {BYTES("\xc3\xa9"), "\?\?"   },
        {BYTES("a {3}"),    "a {3}." },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(buf_done) struct buf out = {0};

        buf_init(&out, 256);
        imap_print_text(&out, cases[i].text, rev1);
        assert_slice_equal(buf_slice(&out), slice_from_str(cases[i].printed));
    }
}

static void dates_are_the_clock_s(void **state)
{
    static const struct {
        struct imap_date_time date;
        const char *printed;
    } cases[] = {
        {{0, 0},             "\" 1-Jan-1970 00:00:00 +0000\""},
        {{837596665, -420},  "\"17-Jul-1996 02:44:25 -0700\""},
        {{951782400, 0},     "\"29-Feb-2000 00:00:00 +0000\""},
        {{951868800, 0},     "\" 1-Mar-2000 00:00:00 +0000\""},
        {{-1, 60},           "\" 1-Jan-1970 00:59:59 +0100\""},
        {{-1, 0},            "\"31-Dec-1969 23:59:59 +0000\""},
        {{253402300799, 0},  "\"31-Dec-9999 23:59:59 +0000\""},
        {{253402300799, 60}, "\"31-Dec-9999 23:59:59 +0100\""}, /* kept within the year */
        {{-62167219200, 0},  "\" 1-Jan-0000 00:00:00 +0000\""},
        {{1700000000, 345},  "\"15-Nov-2023 03:58:20 +0545\""},
    };

    (void) state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(buf_done) struct buf out = {0};

        buf_init(&out, 64);
        imap_print_date_time(&out, cases[i].date);
        assert_slice_equal(buf_slice(&out), slice_from_str(cases[i].printed));
    }
}

static void a_list_line_says_all_it_is_given(void **state)
{
    struct imap_list_line line = {
        .verb = "LIST",
        .attrs = IMAP_ATTR_HASNOCHILDREN | IMAP_ATTR_SUBSCRIBED,
        .use = IMAP_USE_DRAFTS,
        .name = SLICE("a b"),
        .childinfo = true,
        .oldname = SLICE("\xc3\xa9"),
    };
    AUTO(buf_done) struct buf out = {0};

    (void) state;
    buf_init(&out, 256);
    imap_print_list_line(&out, &line, rev1);
    assert_slice_equal(buf_slice(&out),
                       SLICE("* LIST (\\HasNoChildren \\Subscribed \\Drafts) \"/\" \"a b\" "
                             "(\"CHILDINFO\" (\"SUBSCRIBED\") \"OLDNAME\" (&AOk-))\r\n"));
    line = (struct imap_list_line){.verb = "LSUB", .no_separator = true, .name = SLICE("")};
    buf_reset(&out);
    imap_print_list_line(&out, &line, rev1);
    assert_slice_equal(buf_slice(&out), SLICE("* LSUB () NIL \"\"\r\n"));
}

static void a_status_line_has_the_items_asked_for(void **state)
{
    static const struct imap_status_values values = {
        .messages = 3, .uidnext = 9, .size = 1ull << 40, .no_appendlimit = true};
    AUTO(buf_done) struct buf out = {0};

    (void) state;
    buf_init(&out, 256);
    imap_print_status_line(&out, SLICE("x"),
                           IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT | IMAP_STATUS_SIZE |
                               IMAP_STATUS_APPENDLIMIT,
                           &values, rev1);
    assert_slice_equal(
        buf_slice(&out),
        SLICE("* STATUS x (MESSAGES 3 UIDNEXT 9 SIZE 1099511627776 APPENDLIMIT NIL)\r\n"));
}

static void an_esearch_line_leaves_out_what_has_no_hit(void **state)
{
    struct imap_esearch_line line = {
        .tag = SLICE("a1"),
        .uid = true,
        .returns = IMAP_SEARCH_MIN | IMAP_SEARCH_MAX | IMAP_SEARCH_ALL | IMAP_SEARCH_COUNT,
        .min = 2,
        .max = 7,
        .count = 3,
        .all = SLICE("2:3,7"),
        .modseq = 5,
    };
    AUTO(buf_done) struct buf out = {0};

    (void) state;
    buf_init(&out, 256);
    imap_print_esearch_line(&out, &line);
    assert_slice_equal(
        buf_slice(&out),
        SLICE("* ESEARCH (TAG \"a1\") UID MIN 2 MAX 7 ALL 2:3,7 COUNT 3 MODSEQ 5\r\n"));
    line = (struct imap_esearch_line){.tag = SLICE("a1"), .returns = line.returns};
    buf_reset(&out);
    imap_print_esearch_line(&out, &line);
    assert_slice_equal(buf_slice(&out), SLICE("* ESEARCH (TAG \"a1\") COUNT 0\r\n"));
}

/* RFC 7377 2.1; a name is in modified UTF-7 for those who know nothing else. */
static void an_esearch_line_may_name_its_mailbox(void **state)
{
    struct imap_esearch_line line = {
        .tag = SLICE("a1"),
        .mailbox = SLICE("Entw\xc3\xbcrfe"),
        .uidvalidity = 503,
        .uid = true,
        .returns = IMAP_SEARCH_ALL,
        .min = 2,
        .max = 7,
        .all = SLICE("2:3,7"),
    };
    AUTO(buf_done) struct buf out = {0};

    (void) state;
    buf_init(&out, 256);
    imap_print_esearch_line(&out, &line);
    assert_slice_equal(buf_slice(&out),
                       SLICE("* ESEARCH (TAG \"a1\" MAILBOX Entw&APw-rfe UIDVALIDITY 503) UID "
                             "ALL 2:3,7\r\n"));
    buf_reset(&out);
    line.mode.rev2 = true;
    imap_print_esearch_line(&out, &line);
    assert_slice_equal(buf_slice(&out), SLICE("* ESEARCH (TAG \"a1\" MAILBOX "
                                              "\"Entw\xc3\xbcrfe\" UIDVALIDITY 503) UID "
                                              "ALL 2:3,7\r\n"));
}

static void codes_are_in_brackets(void **state)
{
    static const struct slice keywords[] = {BYTES("$Junk")};
    struct imap_flags flags = {IMAP_SEEN | IMAP_DRAFT, keywords, 1};
    AUTO(buf_done) struct buf out = {0};

    (void) state;
    buf_init(&out, 4096);
    imap_print_code_number(&out, "UIDNEXT", 4);
    imap_print_code_appenduid(&out, 3, SLICE("4:5"));
    imap_print_code_copyuid(&out, 3, SLICE("1:2"), SLICE("4,6"));
    imap_print_code_modified(&out, SLICE("2"));
    imap_print_code_permanentflags(&out, &flags, true);
    assert_slice_equal(buf_slice(&out),
                       SLICE("[UIDNEXT 4][APPENDUID 3 4:5][COPYUID 3 1:2 4,6][MODIFIED 2]"
                             "[PERMANENTFLAGS (\\Seen \\Draft $Junk \\*)]"));
    buf_reset(&out);
    flags = (struct imap_flags){0};
    imap_print_code_permanentflags(&out, &flags, true);
    assert_slice_equal(buf_slice(&out), SLICE("[PERMANENTFLAGS (\\*)]"));
    buf_reset(&out);
    imap_print_code_badcharset(&out);
    assert_true(slice_starts(buf_slice(&out), SLICE("[BADCHARSET (US-ASCII UTF-8 ")));
}

/* The fast line says what the plain printers would have said, for every combination of flags.
 */
static void the_fast_flags_line_is_the_plain_one(void **state)
{
    static const uint32_t numbers[] = {1, 9, 10, 99, 100, 12345, 999999, 1000000, 4294967295};

    (void) state;
    for (uint32_t i = 0; i < 64 * COUNT(numbers) * 4; i++) {
        static const struct slice word[] = {BYTES("k")};
        uint32_t uid = (i & 1) != 0 ? numbers[i / 256] : 0;
        struct imap_flags flags = {i / 4 % 64, word, (i & 2) != 0};
        uint64_t modseq = (i & 1) != 0 ? 0 : (uint64_t) numbers[i / 256] << 20;
        struct imap_flags_line line = {.uidonly = i % 3 == 0,
                                       .seq = numbers[i / 256],
                                       .uid = uid,
                                       .bits = flags.bits,
                                       .keywords = flags.n_keywords ? SLICE(" k") : SLICE(""),
                                       .modseq = modseq};
        AUTO(buf_done) struct buf fast = {0}, plain = {0};

        buf_init(&fast, 1 << 10);
        buf_init(&plain, 1 << 10);
        imap_print_flags_line(&fast, &line);
        imap_print_fetch_open(&plain, line.seq, line.seq,
                              (struct imap_mode){.uidonly = line.uidonly});
        if (uid != 0)
            buf_printf(&plain, "UID %u ", uid);
        buf_str(&plain, "FLAGS ");
        imap_print_flag_list(&plain, &flags);
        if (modseq != 0)
            buf_printf(&plain, " MODSEQ (%llu)", (unsigned long long) modseq);
        buf_str(&plain, ")\r\n");
        assert_slice_equal(buf_slice(&fast), buf_slice(&plain));
    }
}

static void a_full_buffer_gets_no_half_line(void **state)
{
    struct imap_flags_line line = {.seq = 1, .uid = 1};
    AUTO(buf_done) struct buf out = {0};

    (void) state;
    buf_init(&out, 16);
    imap_print_flags_line(&out, &line);
    assert_true(out.overflow);
    assert_int_equal(out.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_take_the_form_their_bytes_allow),
        cmocka_unit_test(long_strings_are_literals),
        cmocka_unit_test(text_cannot_be_taken_for_anything_else),
        cmocka_unit_test(dates_are_the_clock_s),
        cmocka_unit_test(a_list_line_says_all_it_is_given),
        cmocka_unit_test(a_status_line_has_the_items_asked_for),
        cmocka_unit_test(an_esearch_line_leaves_out_what_has_no_hit),
        cmocka_unit_test(an_esearch_line_may_name_its_mailbox),
        cmocka_unit_test(codes_are_in_brackets),
        cmocka_unit_test(the_fast_flags_line_is_the_plain_one),
        cmocka_unit_test(a_full_buffer_gets_no_half_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
