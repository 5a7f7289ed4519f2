/* test_reader.c - commands out of a stream: however it is cut, whatever is wrong with it. */
// links: imap
#include "imap/reader.h"
#include "lib/test.h"

/* A sink that notes what it was told. */
struct notes {
    struct buf text;
    bool refuse_begin, refuse_bytes;
    int begins, aborts;
};

static enum rc note_begin(void *ctx, const struct imap_text *text, struct err *err)
{
    struct notes *notes = ctx;

    notes->begins++;
    if (notes->refuse_begin)
        return err_set(err, RC_FULL, "Over quota", "test");
    buf_printf(&notes->text, "<%u:", (unsigned) text->literals[text->n_literals - 1].len);
    return RC_OK;
}

static enum rc note_bytes(void *ctx, struct slice bytes, struct err *err)
{
    struct notes *notes = ctx;

    if (notes->refuse_bytes)
        return err_set(err, RC_IO, "Cannot write", "test");
    buf_append(&notes->text, bytes);
    return RC_OK;
}

static void note_abort(void *ctx)
{
    struct notes *notes = ctx;

    notes->aborts++;
}

static const struct imap_sink note_sink = {note_begin, note_bytes, note_abort};

static const struct reader_limits small = {
    .line_bytes = 100, .literal_bytes = 20, .message_bytes = 50};

/* The whole stream as one text: "+" for a continuation, "[...]" for a command, and so on. */
static void transcribe(struct imap_reader *reader, struct slice input, size_t step,
                       struct buf *out)
{
    while (input.len > 0) {
        struct slice piece = slice_sub(input, 0, step);
        struct err err = {0};

        input = slice_from(input, piece.len);
        while (piece.len > 0) {
            switch (imap_reader_feed(reader, &piece, &err)) {
            case READ_MORE:
                break;
            case READ_CONTINUE:
                buf_str(out, "+");
                break;
            case READ_COMMAND:
                buf_printf(out, "[%.*s]", SLICE_ARG(imap_reader_text(reader).text));
                imap_reader_next(reader);
                break;
            case READ_LINE:
                buf_printf(out, "(%.*s)", SLICE_ARG(imap_reader_text(reader).text));
                imap_reader_next(reader);
                break;
            case READ_REFUSED:
                buf_printf(out, "!%.*s:%s%s!", SLICE_ARG(imap_reader_tag(reader)), err.text,
                           imap_reader_too_big(reader) ? ":TOOBIG" : "");
                break;
            case READ_CLOSE:
                buf_str(out, "BYE");
                return;
            }
        }
    }
}

// clang-format off
static const struct {
    const char *what, *input, *said;
} streams[] = {
    {"a command", "a NOOP\r\n", "[a NOOP]"},
    {"bare LF ends a line too", "a NOOP\nb NOOP\r\n", "[a NOOP][b NOOP]"},
    {"an empty line is a command without a tag", "\r\n", "[]"},
    {"CR alone is content", "a NO\rOP\r\n", "[a NO\rOP]"},
    {"a synchronising literal", "a LOGIN {3}\r\njoe {2}\r\npw\r\n", "++[a LOGIN {3}\r\njoe {2}\r\npw]"},
    {"a non-synchronising literal", "a LOGIN {3+}\r\njoe {2+}\r\npw\r\n", "[a LOGIN {3+}\r\njoe {2+}\r\npw]"},
    {"bytes of a literal are not looked at", "a X {6+}\r\n\r\n{9+}\r\nb NOOP\r\n", "[a X {6+}\r\n\r\n{9+}][b NOOP]"},
    {"an empty literal", "a X {0}\r\n\r\n", "+[a X {0}\r\n]"},
    {"literal8", "a X ~{3+}\r\nabc\r\n", "[a X ~{3+}\r\nabc]"},
    {"sync literal too big: NO at once, no +", "a X {21}\r\nb NOOP\r\n", "!a:Literal too big:TOOBIG![b NOOP]"},
    {"sync literals too big together", "a X {15}\r\n123456789012345 {6}\r\nb NOOP\r\n",
     "+!a:Literal too big:TOOBIG![b NOOP]"},
    {"non-sync too big: swallowed exactly", "a X {21+}\r\n123456789\r\nc NOOP\r\n4\r\nb NOOP\r\n",
     "!a:Literal too big:TOOBIG![b NOOP]"},
    {"non-sync far too big: BYE", "a X {1048597+}\r\n", "BYE"},
    {"just not too far: swallowed", "a X {1048596+}\r\nabc", ""},
    {"a number over 2^63", "a X {99999999999999999999}\r\nb NOOP\r\n", "!a:Literal too big:TOOBIG![b NOOP]"},
    {"a non-sync number over 2^63", "a X {99999999999999999999+}\r\n", "BYE"},
    {"line too long", "a 3456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 1\r\nb NOOP\r\n",
     "!a:Line too long![b NOOP]"},
    {"literal at the end of a line too long",
     "a 3456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 {8+}\r\nb NOOP\r\n\r\nc NOOP\r\n",
     "!a:Line too long![c NOOP]"},
    {"header across the limit",
     "a 3456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 1234567 {8+}\r\nb NOOP\r\n\r\nc NOOP\r\n",
     "!a:Line too long![c NOOP]"},
    {"a literal's header in quotes is none to wait for", "a X \"y {3}\r\nb NOOP\r\n", "[a X \"y {3}][b NOOP]"},
    {"nor glued to a word", "a LOGIN joe pw{3}\r\nb NOOP\r\n", "[a LOGIN joe pw{3}][b NOOP]"},
    {"but a non-synchronising one counts anywhere (RFC 7888 3)", "a X \"y{8+}\r\nb NOOP\r\n\r\nc NOOP\r\n",
     "[a X \"y{8+}\r\nb NOOP\r\n][c NOOP]"},
    {"no digits, no literal", "a X {}\r\nb NOOP\r\n", "[a X {}][b NOOP]"},
    {"not at the end, no literal", "a X {3} \r\nb NOOP\r\n", "[a X {3} ][b NOOP]"},
    {"a message goes to the sink", "a APPEND INBOX (\\Seen) {5}\r\nhello\r\n", "+[a APPEND INBOX (\\Seen) {5}\r\n]"},
    {"mailbox as literal, message behind it", "a append {5+}\r\nINBOX {5+}\r\nhello\r\n", "[a append {5+}\r\nINBOX {5+}\r\n]"},
    {"mailbox in quotes with a space", "a APPEND \"a b\" {5+}\r\nhello\r\n", "[a APPEND \"a b\" {5+}\r\n]"},
    {"two messages", "a APPEND x {2+}\r\nhi (\\Seen) ~{3+}\r\nyou\r\n", "[a APPEND x {2+}\r\n (\\Seen) ~{3+}\r\n]"},
    {"a message too big", "a APPEND x {51}\r\nb NOOP\r\n", "!a:Literal too big:TOOBIG![b NOOP]"},
    {"another command's literal is no message", "a APPENDX x {21}\r\nb NOOP\r\n", "!a:Literal too big:TOOBIG![b NOOP]"},
};
// clang-format on

/* Fed whole, and byte by byte, and three at a time, the same is said. */
static void the_stream_may_be_cut_anywhere(void **state)
{
    static const size_t steps[] = {SIZE_MAX, 1, 3};

    (void) state;
    for (size_t i = 0; i < COUNT(streams) * COUNT(steps); i++) {
        struct notes notes = {0};
        AUTO(imap_reader_freep)
        struct imap_reader *reader = imap_reader_new(&small, &note_sink, &notes);
        AUTO(buf_done) struct buf out;

        buf_init(&out, 1 << 16);
        buf_init(&notes.text, 1 << 16);
        print_message("%s\n", streams[i / COUNT(steps)].what);
        transcribe(reader, slice_from_str(streams[i / COUNT(steps)].input),
                   steps[i % COUNT(steps)], &out);
        assert_slice_equal(buf_slice(&out), slice_from_str(streams[i / COUNT(steps)].said));
        buf_done(&notes.text);
    }
}

#define BYTES(literal)                                                                         \
    {                                                                                          \
        (literal), sizeof(literal) - 1                                                         \
    }

static void nul_is_refused_in_a_literal_and_kept_in_literal8(void **state)
{
    static const struct {
        struct slice input, said;
    } cases[] = {
        {BYTES("a X {3}\r\n\0ab\r\nb NOOP\r\n"),             BYTES("+!a:NUL in a literal![b NOOP]")},
        {BYTES("a X {3+}\r\nab\0 {2+}\r\nxx\r\nb NOOP\r\n"),
         BYTES("!a:NUL in a literal![b NOOP]")                                                     },
        {BYTES("a APPEND x {3+}\r\na\0b\r\nb NOOP\r\n"),     BYTES("!a:NUL in a literal![b NOOP]") },
        {BYTES("a APPEND x ~{3+}\r\na\0b\r\nb NOOP\r\n"),
         BYTES("[a APPEND x ~{3+}\r\n][b NOOP]")                                                   },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct notes notes = {0};
        AUTO(imap_reader_freep)
        struct imap_reader *reader = imap_reader_new(&small, &note_sink, &notes);
        AUTO(buf_done) struct buf out;

        buf_init(&out, 1 << 16);
        buf_init(&notes.text, 1 << 16);
        transcribe(reader, cases[i].input, 2, &out);
        assert_slice_equal(buf_slice(&out), cases[i].said);
        buf_done(&notes.text);
    }
}

static void the_sink_gets_messages_and_nothing_else(void **state)
{
    struct notes notes = {0};
    AUTO(imap_reader_freep)
    struct imap_reader *reader = imap_reader_new(&small, &note_sink, &notes);
    AUTO(buf_done) struct buf out;

    (void) state;
    buf_init(&out, 1 << 16);
    buf_init(&notes.text, 1 << 16);
    transcribe(reader, SLICE("a APPEND {1+}\r\nx {2+}\r\nhi {0}\r\n {3}\r\nyou\r\n"), 1, &out);
    assert_slice_equal(buf_slice(&notes.text), SLICE("<2:hi<0:<3:you"));
    assert_int_equal(notes.aborts, 0);
    buf_done(&notes.text);
}

static void a_sink_that_refuses_is_told_of_the_end_once(void **state)
{
    static const struct {
        bool at_begin;
        const char *input, *said;
    } cases[] = {
        {true,  "a APPEND x {5}\r\nb NOOP\r\n",                         "!a:Over quota![b NOOP]"   },
        {true,  "a APPEND x {5+}\r\nhello {5+}\r\nhello\r\nb NOOP\r\n",
         "!a:Over quota![b NOOP]"                                                                  },
        {true,  "a APPEND x {5+}\r\nhello {5}\r\nb NOOP\r\n",           "!a:Over quota![b NOOP]"   },
        {false, "a APPEND x {5}\r\nhello\r\nb NOOP\r\n",                "+!a:Cannot write![b NOOP]"},
    };

    (void) state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct notes notes = {.refuse_begin = cases[i].at_begin, .refuse_bytes = true};
        AUTO(imap_reader_freep)
        struct imap_reader *reader = imap_reader_new(&small, &note_sink, &notes);
        AUTO(buf_done) struct buf out;

        buf_init(&out, 1 << 16);
        buf_init(&notes.text, 1 << 16);
        transcribe(reader, slice_from_str(cases[i].input), 1, &out);
        assert_slice_equal(buf_slice(&out), slice_from_str(cases[i].said));
        assert_int_equal(notes.aborts, 1);
        buf_done(&notes.text);
    }
}

static void a_connection_that_ends_in_a_message_aborts_it(void **state)
{
    struct notes notes = {0};
    struct imap_reader *reader = imap_reader_new(&small, &note_sink, &notes);
    AUTO(buf_done) struct buf out;

    (void) state;
    buf_init(&out, 64);
    buf_init(&notes.text, 64);
    transcribe(reader, SLICE("a APPEND x {5}\r\nhel"), 4, &out);
    imap_reader_free(reader);
    assert_int_equal(notes.aborts, 1);
    buf_done(&notes.text);
}

static void a_line_without_end_is_hung_up_on(void **state)
{
    AUTO(imap_reader_freep) struct imap_reader *reader = imap_reader_new(&small, NULL, NULL);
    char block[4096];
    enum imap_read said = READ_MORE;
    size_t n = 0;

    (void) state;
    memset(block, 'x', sizeof(block));
    for (; said == READ_MORE && n < 1000; n++) {
        struct slice piece = slice_of(block, sizeof(block));

        said = imap_reader_feed(reader, &piece, NULL);
    }
    assert_int_equal(said, READ_CLOSE);
    assert_int_equal(n, (READER_SWALLOW_BYTES + small.line_bytes) / sizeof(block) + 1);
}

static void a_bare_line_has_no_literals_and_its_own_limit(void **state)
{
    AUTO(imap_reader_freep) struct imap_reader *reader = imap_reader_new(&small, NULL, NULL);
    AUTO(buf_done) struct buf out;

    (void) state;
    buf_init(&out, 1 << 10);
    imap_reader_expect_line(reader, 200);
    transcribe(reader, SLICE("DONE {3+}\r\na NOOP\r\n"), 1, &out);
    imap_reader_expect_line(reader, 8);
    transcribe(reader, SLICE("1234567\r\na NOOP\r\n"), 5, &out);
    assert_slice_equal(buf_slice(&out), SLICE("(DONE {3+})[a NOOP]!:Line too long![a NOOP]"));
}

static void too_many_literals_are_refused(void **state)
{
    static const struct reader_limits roomy = {
        .line_bytes = 1 << 17, .literal_bytes = 1 << 17, .message_bytes = 1 << 17};
    AUTO(imap_reader_freep) struct imap_reader *reader = imap_reader_new(&roomy, NULL, NULL);
    AUTO(buf_done) struct buf in, out;

    (void) state;
    buf_init(&in, 1 << 20);
    buf_init(&out, 1 << 20);
    buf_str(&in, "a X");
    for (size_t i = 0; i <= READER_MAX_LITERALS; i++)
        buf_str(&in, " {1+}\r\nx");
    buf_str(&in, "\r\nb NOOP\r\n");
    transcribe(reader, buf_slice(&in), SIZE_MAX, &out);
    assert_slice_equal(buf_slice(&out), SLICE("!a:Too many literals![b NOOP]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_stream_may_be_cut_anywhere),
        cmocka_unit_test(nul_is_refused_in_a_literal_and_kept_in_literal8),
        cmocka_unit_test(the_sink_gets_messages_and_nothing_else),
        cmocka_unit_test(a_sink_that_refuses_is_told_of_the_end_once),
        cmocka_unit_test(a_connection_that_ends_in_a_message_aborts_it),
        cmocka_unit_test(a_line_without_end_is_hung_up_on),
        cmocka_unit_test(a_bare_line_has_no_literals_and_its_own_limit),
        cmocka_unit_test(too_many_literals_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
