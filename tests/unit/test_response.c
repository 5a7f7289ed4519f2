/* test_response.c - the strict reader: every response, and the near misses of each rule. */
// links: imap
#include "imap/response.h"
#include "lib/test.h"

static const struct imap_mode rev1 = {0};
static const struct imap_mode rev2 = {.rev2 = true};

// clang-format off
static const struct {
    const char *text; /* without CRLF */
    bool ok;
} rows[] = {
    {"a OK done", true},
    {"a OK", false},
    {"a OK ", false},
    {"a BYE x", false}, /* BYE and PREAUTH are untagged */
    {"* BYE x", true},
    {"* PREAUTH x", true},
    {"* OK [ALERT] x", true},
    {"* OK [ALERT x] x", false},
    {"* OK [ALERT]x", false},
    {"* OK [ALERT x", false},
    {"* OK [UIDNEXT 4] x", true},
    {"* OK [UIDNEXT 0] x", false},
    {"* OK [UIDNEXT] x", false},
    {"* OK [X-NEW any (thing) at all] x", true},
    {"* OK [PERMANENTFLAGS (\\Seen k \\*)] x", true},
    {"* OK [PERMANENTFLAGS ()] x", true},
    {"* OK [PERMANENTFLAGS \\Seen] x", false},
    {"a OK [COPYUID 3 1:2 7:8] x", true},
    {"a OK [COPYUID 3 1:2 7:9] x", false}, /* as many uids on both sides */
    {"a OK [COPYUID 3 1:* 7:9] x", false},
    {"a OK [APPENDUID 3 4] x", true},
    {"a OK [APPENDUID 0 4] x", false},
    {"* ESEARCH (TAG \"B1\") ALL 1,5,10 RELEVANCY (4 99 42)", true}, /* RFC 6203 4 */
    {"* ESEARCH (TAG \"B1\") RELEVANCY ()", true},
    {"* ESEARCH (TAG \"B1\") RELEVANCY (0)", false},
    {"* ESEARCH (TAG \"B1\") RELEVANCY (101)", false},
    {"* ESEARCH (TAG \"B1\") RELEVANCY (1 )", false},
    {"* COMPARATOR i;basic", true}, /* RFC 5255 4.8 */
    {"* COMPARATOR -i;octet (i;octet \"i;ascii-casemap\")", true},
    {"* COMPARATOR", false},
    {"* COMPARATOR i;octet ()", false},
    {"* COMPARATOR i;octet i;octet", false},
    {"a NO [BADCOMPARATOR] x", true},
    {"a NO [BADCHARSET (US-ASCII \"x\")] x", true},
    {"a NO [BADCHARSET ()] x", false},
    {"* OK [HIGHESTMODSEQ 1] x", true},
    {"* OK [HIGHESTMODSEQ 0] x", false},
    {"* OK [HIGHESTMODSEQ 9223372036854775808] x", false},
    {"* OK gr\xc3\xbc\xc3\x9f", false}, /* 8-bit only once enabled */
    {"+ ", true},
    {"+ go on", true},
    {"+ AGpvZQ==", true},
    {"+", false},
    {"* CAPABILITY IMAP4rev1 X", true},
    {"* CAPABILITY X", false}, /* names a revision */
    {"* ENABLED", true},
    {"* ENABLED X Y", true},
    {"* ENABLED  X", false},
    {"* 3 EXISTS", true},
    {"* 0 EXISTS", true},
    {"* 03 EXISTS", false},
    {"* 0 EXPUNGE", false},
    {"* 4294967296 EXISTS", false},
    {"* 3 EXISTED", false},
    {"* FLAGS (\\Seen \\Recent k)", true},
    {"* FLAGS (\\Seen \\*)", false},
    {"* FLAGS \\Seen", false},
    {"* FLAGS (\\Foo)", false},
    {"* LIST () \"/\" x", true},
    {"* LIST (\\Noselect \\Any) NIL \"a b\"", true},
    {"* LIST (Noselect) \"/\" x", false},
    {"* LIST () / x", false},
    {"* LIST () \"//\" x", false},
    {"* LIST () \"/\" &AGE-", false},
    {"* LIST () \"/\" &AOk-", true},
    {"* LIST () \"/\" x ()", true},
    {"* LIST () \"/\" x (\"CHILDINFO\" (\"SUBSCRIBED\"))", true},
    {"* LIST () \"/\" x (CHILDINFO (SUBSCRIBED))", false}, /* always quoted */
    {"* LIST () \"/\" x (OLDNAME (y) X-Y 4 Z (1 (2 3) \"q\"))", true},
    {"* LIST () \"/\" x (OLDNAME y)", false},
    {"* LIST () \"/\" x (OLDNAME (y z))", false},
    {"* LIST () \"/\"", false},
    {"* LSUB () \"/\" x", true},
    {"* STATUS x (MESSAGES 3 UIDNEXT 4)", true},
    {"* STATUS x (UIDNEXT 0)", false},
    {"* STATUS x (UIDVALIDITY 0)", false},
    {"* STATUS x (MESSAGES)", false},
    {"* STATUS x ()", false},
    {"* STATUS x (SIZE NIL)", false},
    {"* STATUS x (APPENDLIMIT NIL)", true},
    {"* SEARCH", true},
    {"* SEARCH 1 5 3", true},
    {"* SEARCH 0", false},
    {"* SEARCH 1 (MODSEQ 5)", true},
    {"* SEARCH (MODSEQ 5)", false}, /* only behind a number */
    {"* SORT", true},
    {"* SORT 5 1 3", true},
    {"* SORT 5 (MODSEQ 7)", true},
    {"* SORT (MODSEQ 7)", false},
    {"* SORT 0", false},
    {"* THREAD", true},
    {"* THREAD (2)(3 6 (4 23)(44 7 96))", true},
    {"* THREAD ((3)(5))", true},
    {"* THREAD (1 ((2)(3))(4))", true},
    {"* THREAD ", false},
    {"* THREAD ()", false},
    {"* THREAD (1", false},
    {"* THREAD (1))", false},
    {"* THREAD (1) (2)", false},
    {"* THREAD ((3))", false}, /* nested: two or more */
    {"* THREAD (1 (2))", false},
    {"* THREAD (1 )", false},
    {"* THREAD (1(2)(3))", false},
    {"* THREAD ((1)(2) 3)", false},
    {"* THREAD (0)", false},
    {"* ESEARCH", true},
    {"* ESEARCH (TAG \"a\") UID MIN 1 ALL 1:3 COUNT 3", true},
    {"* ESEARCH (TAG \"a\") MIN 0", false},
    {"* ESEARCH (TAG \"a\") ALL 1:*", false},
    {"* ESEARCH (TAG \"a\") ALL $", false},
    {"* ESEARCH MIN 1 UID", false},
    {"* ESEARCH (TAG \"a\" MAILBOX x UIDVALIDITY 7) UID ALL 1", true},
    {"* ESEARCH (UIDVALIDITY 7 MAILBOX \"x y\" TAG \"a\") UID ALL 1", true},
    {"* ESEARCH (TAG \"a\" MAILBOX x MAILBOX y) UID ALL 1", false},
    {"* ESEARCH (TAG \"a\" UIDVALIDITY 7 UIDVALIDITY 7) UID ALL 1", false},
    {"* ESEARCH (TAG \"a\" UIDVALIDITY 0) UID ALL 1", false},
    {"* ESEARCH (TAG \"a\" MAILBOX) UID ALL 1", false},
    {"* ESEARCH () UID ALL 1", false},
    {"* ESEARCH (TAG \"a\") UID ADDTO (1 2733 1 2732 1 2731)", true},
    {"* ESEARCH (TAG \"a\") UID ADDTO (1 2733) ADDTO (1 2731:2732)", true},
    {"* ESEARCH (TAG \"a\") REMOVEFROM (0 32768) ADDTO (4 7,5,9)", true},
    {"* ESEARCH (TAG \"a\") ADDTO ()", false},
    {"* ESEARCH (TAG \"a\") ADDTO (1)", false},
    {"* ESEARCH (TAG \"a\") ADDTO (1 2 3)", false},
    {"* ESEARCH (TAG \"a\") ADDTO (1 2:*)", false},
    {"* ESEARCH (TAG \"a\") REMOVEFROM 1 2", false},
    {"* NO [NOUPDATE \"B02\"] Too many contexts", true},
    {"* NO [NOUPDATE B02] Too many contexts", false},
    {"* NAMESPACE ((\"\" \"/\")) NIL NIL", true},
    {"* NAMESPACE ((\"\" \"/\")(\"#m\" NIL)) ((\"~\" \"/\" \"X\" (\"a\" \"b\"))) NIL", true},
    {"* NAMESPACE ((\"\" \"/\")) NIL", false},
    {"* NAMESPACE () NIL NIL", false},
    {"* NAMESPACE ((\"\")) NIL NIL", false},
    {"* ID NIL", true},
    {"* ID (\"name\" \"x\")", true},
    {"* ID (\"name\")", false},
    {"* QUOTA \"\" (STORAGE 10 512)", true},
    {"* QUOTA \"#user/alice\" (STORAGE 54 111 MESSAGE 42 1000)", true},
    {"* QUOTA \"\" ()", true}, /* RFC 9208 4.2.1, against the grammar of 7 */
    {"* QUOTA \"\" (STORAGE 10)", false},
    {"* QUOTA \"\" (STORAGE 10 512 )", false},
    {"* QUOTA (STORAGE 10 512)", false},
    {"* QUOTAROOT INBOX \"\"", true},
    {"* QUOTAROOT comp.mail.mime", true},
    {"* QUOTAROOT INBOX \"#user/alice\" \"!partition/sda4\"", true},
    {"* QUOTAROOT", false},
    {"* STATUS INBOX (DELETED 4 DELETED-STORAGE 8)", true},
    {"* STATUS INBOX (DELETED-STORAGE)", false},
    {"* VANISHED 1:4,9", true},
    {"* VANISHED (EARLIER) 1:4", true},
    {"* VANISHED 1:*", false},
    {"* WHATEVER 1", false},
    {"* 1 FETCH (FLAGS (\\Seen \\Recent) UID 4)", true},
    {"* 1 FETCH ()", false},
    {"* 1 FETCH FLAGS ()", false},
    {"* 0 FETCH (FLAGS ())", false},
    {"* 1 FETCH (UID 0)", false},
    {"* 1 FETCH (MODSEQ (4))", true},
    {"* 1 FETCH (MODSEQ 4)", false},
    {"* 1 FETCH (MODSEQ (0))", false},
    {"* 1 FETCH (INTERNALDATE \"17-Jul-1996 02:44:25 -0700\")", true},
    {"* 1 FETCH (INTERNALDATE \" 7-Jul-1996 02:44:25 -0700\")", true},
    {"* 1 FETCH (INTERNALDATE \"7-Jul-1996 02:44:25 -0700\")", false},
    {"* 1 FETCH (INTERNALDATE \"31-Jun-1996 02:44:25 -0700\")", false},
    {"* 1 FETCH (BODY[] NIL)", true},
    {"* 1 FETCH (BODY[HEADER.FIELDS (A \"b c\")]<0> {2}\r\n\r\n)", true},
    {"* 1 FETCH (BODY[]<0.5> \"\")", false}, /* a response has the origin alone */
    {"* 1 FETCH (BODY[MIME] NIL)", false},
    {"* 1 FETCH (BODY[] {2+}\r\nab)", false}, /* a server's literals have no + */
    {"* 1 FETCH (BODY[] ~{2}\r\nab)", false}, /* literal8 is BINARY's */
    {"* 1 FETCH (BODY[] {2}\nab)", false},
    {"* 1 FETCH (BINARY[1] ~{2}\r\nab)", true},
    {"* 1 FETCH (BINARY[1] \"ab\")", true},
    {"* 1 FETCH (BINARY[TEXT] \"ab\")", false},
    {"* 1 FETCH (BINARY.SIZE[1] 4)", true},
    {"* 1 FETCH (BINARY.SIZE[1] NIL)", false},
    {"* 1 FETCH (BODY[1] \"\xc3\xbc\")", false},
    {"* 1 FETCH (FLAGS () )", false},
};
// clang-format on

static enum rc parse(const char *line, struct imap_mode mode, struct arena *arena,
                     struct imap_response *out, struct err *err)
{
    const char *text = arena_printf(arena, "%s\r\n", line);

    return imap_parse_response(slice_from_str(text), mode, arena, out, err);
}

static void takes_the_grammar_and_nothing_else(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
        struct imap_response response;
        struct err err = {0};
        enum rc rc = parse(rows[i].text, rev1, arena, &response, &err);

        if (rc != (rows[i].ok ? RC_OK : RC_SYNTAX))
            fail_msg("%s: %s", rows[i].text, rc ? err.text : "was taken");
    }
}

static void a_response_ends_with_crlf(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct imap_response response;

    (void) state;
    assert_int_equal(imap_parse_response(SLICE("a OK x"), rev1, arena, &response, NULL),
                     RC_SYNTAX);
    assert_int_equal(imap_parse_response(SLICE("a OK x\n"), rev1, arena, &response, NULL),
                     RC_SYNTAX);
    assert_int_equal(imap_parse_response(SLICE("a OK x\r\n"), rev1, arena, &response, NULL),
                     RC_OK);
}

#define ADDRESS "(NIL NIL \"a\" \"b\")"

// clang-format off
static const struct {
    const char *text;
    bool ok;
} envelopes[] = {
    /* RFC 9051 section 8 */
    {"(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev2 WG mtg summary and minutes\" "
     "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
     "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((NIL NIL \"imap\" \"cac.washington.edu\")) "
     "((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL "
     "\"<B27397-0100000@cac.washington.ed>\")", true},
    {"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)", true},
    {"(\"\" {1}\r\n\n (" ADDRESS ADDRESS ") NIL NIL NIL NIL NIL NIL \"\")", true},
    {"(NIL NIL NIL NIL NIL NIL NIL NIL NIL)", false},
    {"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)", false},
    {"(NIL NIL () NIL NIL NIL NIL NIL NIL NIL)", false},
    {"(NIL NIL (" ADDRESS " " ADDRESS ") NIL NIL NIL NIL NIL NIL NIL)", false},
    {"(NIL NIL " ADDRESS " NIL NIL NIL NIL NIL NIL NIL)", false},
    {"(NIL NIL ((NIL NIL \"a\")) NIL NIL NIL NIL NIL NIL NIL)", false},
    {"(NIL subject NIL NIL NIL NIL NIL NIL NIL NIL)", false},
    {"(NIL \"a\nb\" NIL NIL NIL NIL NIL NIL NIL NIL)", false},
    {"NIL", false},
};

#define TEXT_PART "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 4 1)"
#define NO_ENVELOPE "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"

static const struct {
    const char *text;
    bool plain, extended; /* taken as BODY, as BODYSTRUCTURE */
} bodies[] = {
    {"(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3028 92)", true, true},
    /* RFC 9051 7.5.2 */
    {"((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 1152 23)(\"TEXT\" \"PLAIN\" "
     "(\"CHARSET\" \"US-ASCII\" \"NAME\" \"cc.diff\") \"<960723163407.20117h@cac.washington.edu>\" "
     "\"Compiler diff\" \"BASE64\" 4554 73) \"MIXED\")", true, true},
    {"(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 4)", false, false}, /* text has lines */
    {"(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 4 1 NIL)", false, true},
    {"(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 4 1 NIL (\"inline\" NIL) (\"de\" \"fr\") \"x\" (1 (NIL \"y\")) 7)", false, true},
    {"(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 4 1 NIL (\"inline\") NIL)", false, false},
    {"(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 4 1 NIL NIL ())", false, false},
    {"(\"TEXT\" \"PLAIN\" () NIL NIL \"7BIT\" 4 1)", false, false}, /* no parameters: NIL */
    {"(\"TEXT\" \"PLAIN\" (\"a\") NIL NIL \"7BIT\" 4 1)", false, false},
    {"(\"TEXT\" \"PLAIN\" (\"a\" NIL) NIL NIL \"7BIT\" 4 1)", false, false},
    {"(\"TEXT\" \"PLAIN\" NIL NIL NIL NIL 4 1)", false, false}, /* an encoding is a string */
    {"(\"TEXT\" NIL NIL NIL NIL \"7BIT\" 4 1)", false, false},
    {"(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" -4 1)", false, false},
    {"(\"APPLICATION\" \"PDF\" NIL NIL NIL \"BASE64\" 4)", true, true},
    {"(\"APPLICATION\" \"PDF\" NIL NIL NIL \"BASE64\" 4 1)", false, false}, /* md5 is a string */
    {"(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 9 " NO_ENVELOPE " " TEXT_PART " 3)", true, true},
    {"(\"message\" \"global\" NIL NIL NIL \"8BIT\" 9)", true, true}, /* as any part, in RFC 3501 */
    {"(\"message\" \"global\" NIL NIL NIL \"8BIT\" 9 " NO_ENVELOPE " " TEXT_PART " 3)", false, false},
    {"(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 9)", false, false},
    {"(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 9 " NO_ENVELOPE " " TEXT_PART ")", false, false},
    {"(\"MESSAGE\" \"DELIVERY-STATUS\" NIL NIL NIL \"7BIT\" 9)", true, true},
    {"(" TEXT_PART TEXT_PART " \"MIXED\")", true, true},
    {"(" TEXT_PART " " TEXT_PART " \"MIXED\")", false, false}, /* no space between parts */
    {"(" TEXT_PART "\"MIXED\")", false, false},
    {"(" TEXT_PART ")", false, false},
    {"(" TEXT_PART " \"MIXED\" (\"BOUNDARY\" \"x\") NIL NIL NIL)", false, true},
    {"(" TEXT_PART " \"MIXED\" \"x\")", false, false},
    {"(\"MIXED\")", false, false},
    {"()", false, false},
};
// clang-format on

static void envelopes_are_judged_by_the_grammar(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(envelopes); i++) {
        AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
        struct imap_envelope env;

        print_message("%s\n", envelopes[i].text);
        assert_int_equal(
            imap_parse_envelope(slice_from_str(envelopes[i].text), rev1, arena, &env, NULL),
            envelopes[i].ok ? RC_OK : RC_SYNTAX);
    }
}

static void body_structures_are_judged_by_the_grammar(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(bodies); i++) {
        AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
        struct slice text = slice_from_str(bodies[i].text);
        struct imap_body body;

        print_message("%s\n", bodies[i].text);
        assert_int_equal(imap_parse_body(text, false, rev1, arena, &body, NULL),
                         bodies[i].plain ? RC_OK : RC_SYNTAX);
        assert_int_equal(imap_parse_body(text, true, rev1, arena, &body, NULL),
                         bodies[i].extended ? RC_OK : RC_SYNTAX);
    }
}

static void message_global_is_a_message_in_rev2_and_with_utf8(void **state)
{
    static const struct imap_mode modes[] = {{.rev2 = true}, {.utf8_accept = true}};
    const struct slice whole = SLICE(
        "(\"message\" \"global\" NIL NIL NIL \"8BIT\" 9 " NO_ENVELOPE " " TEXT_PART " 3)");
    const struct slice bare = SLICE("(\"message\" \"global\" NIL NIL NIL \"8BIT\" 9)");

    (void) state;
    for (size_t i = 0; i < COUNT(modes); i++) {
        AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
        struct imap_body body;

        assert_int_equal(imap_parse_body(whole, true, modes[i], arena, &body, NULL), RC_OK);
        assert_true(body.is_message);
        assert_int_equal(imap_parse_body(bare, true, modes[i], arena, &body, NULL), RC_SYNTAX);
    }
}

static enum rc nested_body(size_t n)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    AUTO(buf_done) struct buf text = {0};
    struct imap_body body;

    buf_init(&text, 1 << 20);
    for (size_t i = 0; i < n; i++)
        buf_byte(&text, '(');
    buf_str(&text, TEXT_PART);
    for (size_t i = 0; i < n; i++)
        buf_str(&text, " \"MIXED\")");
    return imap_parse_body(buf_slice(&text), true, rev1, arena, &body, NULL);
}

static void depth_has_a_limit(void **state)
{
    (void) state;
    assert_int_equal(nested_body(RESPONSE_MAX_DEPTH), RC_OK);
    assert_int_equal(nested_body(RESPONSE_MAX_DEPTH + 1), RC_LIMIT);
    assert_int_equal(nested_body(20000), RC_LIMIT);
}

static void data_are_what_was_said(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct imap_response r;
    struct err err;

    (void) state;
    assert_int_equal(parse("a9 NO [TRYCREATE] no such mailbox", rev1, arena, &r, &err), RC_OK);
    assert_int_equal(r.data, IMAP_DATA_STATUS);
    assert_int_equal(r.cond, IMAP_NO);
    assert_slice_equal(r.tag, SLICE("a9"));
    assert_slice_equal(r.code, SLICE("TRYCREATE"));
    assert_slice_equal(r.text, SLICE("no such mailbox"));

    assert_int_equal(parse("* OK [UIDNEXT 4] gr\xc3\xbcn", rev2, arena, &r, &err), RC_OK);
    assert_slice_equal(r.code_args, SLICE(" 4"));
    assert_int_equal(r.tag.len, 0);

    assert_int_equal(
        parse("* 7 FETCH (BODY[1.HEADER]<3> {2}\r\nhi UID 9 FLAGS (k \\Seen) RFC822.SIZE 88)",
              rev1, arena, &r, &err),
        RC_OK);
    assert_int_equal(r.number, 7);
    assert_int_equal(r.fetch.n, 4);
    assert_int_equal(r.fetch.items[0].origin, 3);
    assert_slice_equal(r.fetch.items[0].bytes, SLICE("hi"));
    assert_int_equal(r.fetch.items[1].number, 9);
    assert_int_equal(r.fetch.items[2].flags.bits, IMAP_SEEN);
    assert_int_equal(r.fetch.items[2].flags.n_keywords, 1);
    assert_int_equal(r.fetch.items[3].number, 88);

    assert_int_equal(
        parse("* LIST (\\Drafts) \"/\" &AOk- (OLDNAME (inbox) CHILDINFO (\"SUBSCRIBED\"))",
              rev1, arena, &r, &err),
        RC_OK);
    assert_slice_equal(r.list.name, SLICE("\xc3\xa9"));
    assert_slice_equal(r.list.oldname, SLICE("inbox"));
    assert_slice_equal(r.list.attrs.words[0], SLICE("\\Drafts"));
    assert_int_equal(r.list.separator, '/');
    assert_true(r.list.subscribed_children);

    assert_int_equal(parse("* STATUS x (SIZE 99999999999 UNSEEN 2)", rev1, arena, &r, &err),
                     RC_OK);
    assert_int_equal(r.mbox_status.items, IMAP_STATUS_SIZE | IMAP_STATUS_UNSEEN);
    assert_int_equal(r.mbox_status.values.size, 99999999999);
    assert_int_equal(r.mbox_status.values.unseen, 2);

    assert_int_equal(parse("* SEARCH 4 2 (MODSEQ 6)", rev1, arena, &r, &err), RC_OK);
    assert_int_equal(r.search.n, 2);
    assert_int_equal(r.search.numbers[1], 2);
    assert_int_equal(r.search.modseq, 6);
}

static void a_stream_is_cut_where_responses_end(void **state)
{
    static const char stream[] =
        "* 1 FETCH (BODY[] {4}\r\n\r\na\r BODY[1] {0}\r\n)\r\na OK x\r\n";
    struct imap_framer framer = {0};
    size_t len = 0, n = 0;

    (void) state;
    /* Byte by byte: nothing is said before the end. */
    while (imap_frame_response(&framer, slice_of(stream, n), &len) == RC_MORE)
        n++;
    assert_int_equal(len, n);
    assert_int_equal(len, sizeof(stream) - 1 - strlen("a OK x\r\n"));
    framer = (struct imap_framer){0};
    assert_int_equal(imap_frame_response(&framer, slice_from_str(stream + len), &n), RC_OK);
    assert_int_equal(n, strlen("a OK x\r\n"));
    framer = (struct imap_framer){0};
    assert_int_equal(imap_frame_response(&framer, SLICE("a OK x\n"), &n), RC_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_grammar_and_nothing_else),
        cmocka_unit_test(a_response_ends_with_crlf),
        cmocka_unit_test(envelopes_are_judged_by_the_grammar),
        cmocka_unit_test(body_structures_are_judged_by_the_grammar),
        cmocka_unit_test(message_global_is_a_message_in_rev2_and_with_utf8),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(data_are_what_was_said),
        cmocka_unit_test(a_stream_is_cut_where_responses_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
