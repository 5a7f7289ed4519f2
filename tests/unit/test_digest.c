/* test_digest.c - the table: parts, sections, header fields, wire forms, keys, refusals. */
// links: mime
#include <string.h>

#include "lib/digest_check.h"
#include "lib/test.h"
#include "mime/part.h"

/* A table and what it was made of. */
struct made {
    struct buf table;
    struct slice msg;
    struct digest digest;
};

static void make(struct made *made, struct slice msg)
{
    const char *wrong;

    made->msg = msg;
    buf_init(&made->table, DIGEST_MAX_BYTES);
    digest_build(msg, &made->table);
    wrong = check_digest(msg, buf_slice(&made->table));
    if (wrong != NULL)
        fail_msg("%s", wrong);
    assert_int_equal(digest_open(buf_slice(&made->table), &made->digest, NULL), RC_OK);
}

static void done(struct made *made)
{
    buf_done(&made->table);
}

/* The example of RFC 9051 6.4.5.1, its parts named by their text. */
static const char nested[] =
    "Subject: top\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\npreamble\r\n"
    "--a\r\nX: 1\r\n\r\none\r\n"
    "--a\r\nX: 2\r\nContent-Type: application/octet-stream\r\n\r\ntwo\r\n"
    "--a\r\nX: 3\r\nContent-Type: message/rfc822\r\n\r\n"
    "Subject: three\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    "--b\r\nX: 3.1\r\n\r\nthree-one\r\n--b\r\nX: 3.2\r\n\r\nthree-two\r\n--b--\r\n"
    "--a\r\nX: 4\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"
    "--c\r\nContent-Type: image/gif\r\n\r\nfour-one\r\n"
    "--c\r\nX: 4.2\r\nContent-Type: message/rfc822\r\n\r\n"
    "Subject: four-two\r\n\r\nfour-two-one\r\nline\r\n"
    "--c--\r\nepilogue\r\n--a--\r\n";

static const char plain[] = "Subject: x\r\n\r\nbody\r\n";
static const char forwarded[] =
    "Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nside\r\n";

// clang-format off
static const struct {
    const char *msg;
    uint32_t path[4];
    size_t n;
    enum digest_section_kind kind;
    const char *want; /* NULL: not found */
} sections[] = {
    {plain, {0}, 0, DIGEST_WHOLE, plain},
    {plain, {0}, 0, DIGEST_HEADER, "Subject: x\r\n\r\n"},
    {plain, {0}, 0, DIGEST_TEXT_OF, "body\r\n"},
    {plain, {1}, 1, DIGEST_WHOLE, "body\r\n"},
    {plain, {1}, 1, DIGEST_MIME, "Subject: x\r\n\r\n"},
    {plain, {1}, 1, DIGEST_HEADER, NULL},
    {plain, {2}, 1, DIGEST_WHOLE, NULL},
    {plain, {0}, 1, DIGEST_WHOLE, NULL},
    {plain, {1, 1}, 2, DIGEST_WHOLE, NULL},
    {nested, {1}, 1, DIGEST_WHOLE, "one"},
    {nested, {1}, 1, DIGEST_MIME, "X: 1\r\n\r\n"},
    {nested, {2}, 1, DIGEST_WHOLE, "two"},
    {nested, {3}, 1, DIGEST_MIME, "X: 3\r\nContent-Type: message/rfc822\r\n\r\n"},
    {nested, {3}, 1, DIGEST_HEADER,
     "Subject: three\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"},
    {nested, {3}, 1, DIGEST_TEXT_OF,
     "--b\r\nX: 3.1\r\n\r\nthree-one\r\n--b\r\nX: 3.2\r\n\r\nthree-two\r\n--b--"},
    {nested, {3, 1}, 2, DIGEST_WHOLE, "three-one"},
    {nested, {3, 2}, 2, DIGEST_WHOLE, "three-two"},
    {nested, {3, 2}, 2, DIGEST_MIME, "X: 3.2\r\n\r\n"},
    {nested, {3, 3}, 2, DIGEST_WHOLE, NULL},
    {nested, {4}, 1, DIGEST_HEADER, NULL},
    {nested, {4, 1}, 2, DIGEST_WHOLE, "four-one"},
    {nested, {4, 2}, 2, DIGEST_MIME, "X: 4.2\r\nContent-Type: message/rfc822\r\n\r\n"},
    {nested, {4, 2}, 2, DIGEST_HEADER, "Subject: four-two\r\n\r\n"},
    {nested, {4, 2}, 2, DIGEST_TEXT_OF, "four-two-one\r\nline"},
    {nested, {4, 2, 1}, 3, DIGEST_WHOLE, "four-two-one\r\nline"},
    {nested, {4, 2, 1}, 3, DIGEST_MIME, "Subject: four-two\r\n\r\n"},
    {nested, {4, 2, 1, 1}, 4, DIGEST_WHOLE, NULL},
    {nested, {4, 2, 2}, 3, DIGEST_WHOLE, NULL},
    {nested, {5}, 1, DIGEST_WHOLE, NULL},
    {forwarded, {1}, 1, DIGEST_HEADER, "Subject: in\r\n\r\n"},
    {forwarded, {1, 1}, 2, DIGEST_WHOLE, "side\r\n"},
    {forwarded, {1}, 1, DIGEST_MIME, "Content-Type: message/rfc822\r\n\r\n"},
};
// clang-format on

static void paths_name_what_the_rfc_says(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(sections); i++) {
        struct made made;
        struct digest_range range = {0};
        enum rc rc;

        print_message("row %zu\n", i);
        make(&made, slice_from_str(sections[i].msg));
        rc = digest_section(&made.digest, sections[i].path, sections[i].n, sections[i].kind,
                            &range);
        assert_int_equal(rc, sections[i].want != NULL ? RC_OK : RC_NOT_FOUND);
        if (rc == RC_OK)
            assert_slice_equal(slice_sub(made.msg, range.offset, range.len),
                               slice_from_str(sections[i].want));
        done(&made);
    }
}

/* BODYSTRUCTURE in form P. */
// clang-format off
static const struct {
    const char *msg, *structure;
} structures[] = {
    {"",
     "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7BIT\" 0 0 NIL NIL NIL NIL)"                                    },
    {"\r\n",
     "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7BIT\" 0 0 NIL NIL NIL NIL)"                                    },
    {"no header",
     "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7BIT\" 0 0 NIL NIL NIL NIL)"                                    },
    {"a: b\n\nx\ny",
     "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7BIT\" 3 2 NIL NIL NIL NIL)"                                    },
    {"Content-Type: Image/PNG; name=\"a b\"\r\nContent-Transfer-Encoding: base64\r\n"
     "Content-ID: <i@d>\r\nContent-Description: d\r\nContent-MD5: m\r\n"
     "Content-Disposition: Inline; filename=x\r\nContent-Language: de, en\r\n"
     "Content-Location: http://l/\r\n\r\nQQ==\r\n",                            "(\"image\" \"png\" (\"name\" \"a b\") \"<i@d>\" \"d\" \"base64\" 6 \"m\" "
     "(\"Inline\" (\"filename\" \"x\")) (\"de\" \"en\") \"http://l/\")"},
    {"Content-Type: text\r\n\r\n",
     "(\"text\" \"plain\" NIL NIL NIL \"7BIT\" 0 0 NIL NIL NIL NIL)"                                                           },
    {"Content-Type: pdf\r\n\r\n",
     "(\"application\" \"octet-stream\" NIL NIL NIL \"7BIT\" 0 NIL NIL NIL NIL)"                                               },
    {"Content-Type: image (a) /\r\n (b) png; x=y\r\n\r\n",
     "(\"image\" \"png\" (\"x\" \"y\") NIL NIL \"7BIT\" 0 NIL NIL NIL NIL)"},
    {"Content-Type: image png; x=y\r\n\r\n",
     "(\"application\" \"octet-stream\" (\"x\" \"y\") NIL NIL \"7BIT\" 0 NIL NIL NIL NIL)"},
    {"Content-Type: multipart/mixed\r\n\r\nabc\r\n",
     "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7BIT\" 5 1 NIL NIL NIL NIL) "
     "\"mixed\" NIL NIL NIL NIL)"                                                                                              },
    {"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n",
     "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7BIT\" 7 1 NIL NIL NIL NIL) "
     "\"mixed\" "
     "(\"boundary\" \"b\") NIL NIL NIL)"                                                                                       },
    {"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nFrom: "
     "a@b\r\n\r\nx\r\n--b\r\n",                                                                              "((\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" 14 (NIL NIL ((NIL NIL \"a\" \"b\")) ((NIL "
     "NIL \"a\" \"b\")) "
     "((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL NIL) "
     "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7BIT\" 1 1 NIL NIL NIL NIL) 3 "
     "NIL NIL NIL NIL)"
     "(\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" 0 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) "
     "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7BIT\" 0 0 NIL NIL NIL NIL) 0 "
     "NIL NIL NIL NIL) "
     "\"digest\" (\"boundary\" \"b\") NIL NIL NIL)"                                                                                                 },
    {"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nQQ==\r\n",
     "(\"application\" \"octet-stream\" NIL NIL NIL \"base64\" 6 NIL NIL NIL NIL)"},
    {"Content-Type: image/png\r\nContent-Transfer-Encoding: (a) base64 (b)\r\n\r\nQQ==\r\n",
     "(\"image\" \"png\" NIL NIL NIL \"base64\" 6 NIL NIL NIL NIL)"},
    {"Content-Type: image/png\r\nContent-Transfer-Encoding: x-no (b)\r\n\r\nQQ==\r\n",
     "(\"image\" \"png\" NIL NIL NIL \"x-no (b)\" 6 NIL NIL NIL NIL)"},
    {"Content-Type: multipart/mixed; boundary*0=b; boundary*1*=%62\r\n\r\n--bb\r\n\r\nx\r\n--bb--\r\n",
     "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7BIT\" 1 1 NIL NIL NIL NIL) "
     "\"mixed\" (\"boundary*0\" \"b\" \"boundary*1*\" \"%62\") NIL NIL NIL)"},
    {"Content-Type: message/global\r\n\r\nA: b\r\n\r\n",
     "(\"message\" \"global\" NIL NIL NIL \"7BIT\" 8 NIL NIL NIL NIL)"                                                                  },
    {"Content-Type: text/plain; name=\"\xc3\xa4\"; x=y\r\n\r\n",
     "(\"text\" \"plain\" (\"name*\" \"utf-8''%C3%A4\" \"x\" \"y\") NIL NIL \"7BIT\" 0 0 NIL "
     "NIL NIL NIL)"},
};
// clang-format on

static void structures_are_as_they_should_be(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(structures); i++) {
        struct made made;

        print_message("row %zu\n", i);
        make(&made, slice_from_str(structures[i].msg));
        assert_slice_equal(digest_wire(&made.digest, DIGEST_BODYSTRUCTURE, DIGEST_FORM_P),
                           slice_from_str(structures[i].structure));
        done(&made);
    }
}

static void envelopes_have_their_forms(void **state)
{
    static const char msg[] =
        "Date: Sat, 21 Nov 2026 20:42:26 +0000\r\nSubject: \xc3\xa4 \"q\"\r\n"
        "From: A <a@b>\r\nSender:\r\nTo: c@d\r\nTo: e@f\r\nMessage-ID: <i@d>\r\n\r\n";
    struct made made;

    (void) state;
    make(&made, slice_from_str(msg));
    assert_slice_equal(
        digest_wire(&made.digest, DIGEST_ENVELOPE, DIGEST_FORM_P),
        SLICE("(\"Sat, 21 Nov 2026 20:42:26 +0000\" \"=?utf-8?B?w6QgInEi?=\" "
              "((\"A\" NIL \"a\" \"b\")) ((\"A\" NIL \"a\" \"b\")) ((\"A\" NIL \"a\" \"b\")) "
              "((NIL NIL \"c\" \"d\")(NIL NIL \"e\" \"f\")) NIL NIL NIL \"<i@d>\")"));
    assert_slice_equal(
        digest_wire(&made.digest, DIGEST_ENVELOPE, DIGEST_FORM_U),
        SLICE("(\"Sat, 21 Nov 2026 20:42:26 +0000\" \"\xc3\xa4 \\\"q\\\"\" "
              "((\"A\" NIL \"a\" \"b\")) ((\"A\" NIL \"a\" \"b\")) ((\"A\" NIL \"a\" \"b\")) "
              "((NIL NIL \"c\" \"d\")(NIL NIL \"e\" \"f\")) NIL NIL NIL \"<i@d>\")"));
    assert_true((made.digest.flags & DIGEST_8BIT_HEADER) != 0);
    assert_true((made.digest.flags & DIGEST_P_ENOUGH) == 0);
    done(&made);
    make(&made, slice_from_str(plain));
    assert_true((made.digest.flags & DIGEST_P_ENOUGH) != 0);
    assert_slice_equal(digest_wire(&made.digest, DIGEST_BODY, DIGEST_FORM_U),
                       digest_wire(&made.digest, DIGEST_BODY, DIGEST_FORM_P));
    done(&made);
}

static void a_global_message_is_a_message_where_it_may_be(void **state)
{
    static const char msg[] = "Content-Type: message/global\r\n\r\nSubject: in\r\n\r\nx\r\n";
    struct made made;

    (void) state;
    make(&made, slice_from_str(msg));
    assert_slice_equal(digest_wire(&made.digest, DIGEST_BODY, DIGEST_FORM_P),
                       SLICE("(\"message\" \"global\" NIL NIL NIL \"7BIT\" 18)"));
    assert_slice_equal(
        digest_wire(&made.digest, DIGEST_BODY, DIGEST_FORM_D),
        SLICE("(\"message\" \"global\" NIL NIL NIL \"7BIT\" 18 "
              "(NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL) "
              "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7BIT\" 3 1) 3)"));
    done(&made);
}

static void fields_are_chosen_in_their_order(void **state)
{
    static const char msg[] =
        "Subject: s\r\nX-A: 1\r\n 2\r\nTo: t\r\njunk\r\nSUBJECT: u\r\n\r\n";
    static const struct slice known[] =
        {
            {"to",      2},
            {"Subject", 7}
    },
                              other[] = {{"x-a", 3}};
    AUTO(buf_done) struct buf out = {0};
    struct digest_names known_names, other_names;
    struct digest_header header;
    struct made made;
    struct slice bytes;

    (void) state;
    buf_init(&out, 4096);
    make(&made, slice_from_str(msg));
    assert_int_equal(digest_header_of(&made.digest, NULL, 0, &header), RC_OK);
    bytes = slice_sub(made.msg, header.range.offset, header.range.len);
    digest_names_init(&known_names, known, COUNT(known));
    digest_names_init(&other_names, other, COUNT(other));
    assert_true(digest_fields_are_copied(&made.digest, &known_names));
    assert_false(digest_fields_are_copied(&made.digest, &other_names));
    digest_copied_fields(&made.digest, &known_names, &out);
    assert_slice_equal(buf_slice(&out), SLICE("Subject: s\r\nTo: t\r\nSUBJECT: u\r\n\r\n"));
    buf_reset(&out);
    digest_header_fields(&made.digest, &header, bytes, &known_names, false, &out);
    assert_slice_equal(buf_slice(&out), SLICE("Subject: s\r\nTo: t\r\nSUBJECT: u\r\n\r\n"));
    buf_reset(&out);
    digest_header_fields(&made.digest, &header, bytes, &known_names, true, &out);
    assert_slice_equal(buf_slice(&out), SLICE("X-A: 1\r\n 2\r\njunk\r\n\r\n"));
    done(&made);
}

static void fields_of_an_embedded_message_come_from_its_header(void **state)
{
    static const struct slice names[] = {
        {"subject", 7}
    };
    AUTO(buf_done) struct buf out = {0};
    uint32_t path[] = {4, 2};
    struct digest_header header;
    struct digest_names chosen;
    struct made made;

    (void) state;
    buf_init(&out, 4096);
    make(&made, slice_from_str(nested));
    digest_names_init(&chosen, names, COUNT(names));
    assert_int_equal(digest_header_of(&made.digest, path, 2, &header), RC_OK);
    digest_header_fields(&made.digest, &header,
                         slice_sub(made.msg, header.range.offset, header.range.len), &chosen,
                         false, &out);
    assert_slice_equal(buf_slice(&out), SLICE("Subject: four-two\r\n\r\n"));
    done(&made);
}

static void keys_are_those_of_sort_and_thread(void **state)
{
    static const char msg[] =
        "From: =?utf-8?Q?=C3=84?= <Ann@b>, x@y\r\nTo: c@d\r\nCc: g: e@f;\r\n"
        "Subject: Re: [l] hi\r\nDate: Sat, 21 Nov 2026 00:30:00 +0100\r\n"
        "Message-ID: <\"a\\b\"@c>\r\nIn-Reply-To: your mail <p@q> of today\r\n"
        "References: <1@x>junk<2@x>\r\n <3@x>\r\n\r\nhello\r\n";
    static const char *const ids[] = {"1@x", "2@x", "3@x", NULL};
    struct digest_references references;
    struct digest_keys keys;
    struct slice id;
    struct made made;

    (void) state;
    make(&made, slice_from_str(msg));
    keys = digest_keys(&made.digest);
    assert_true(keys.has_sent && keys.is_reply);
    assert_int_equal(keys.sent_day, 20778);
    assert_int_equal(keys.sent_sec, (int64_t) 20778 * 86400 - 1800);
    assert_slice_equal(keys.base_subject, SLICE("hi"));
    assert_slice_equal(keys.from_mailbox, SLICE("Ann"));
    assert_slice_equal(keys.from_display, SLICE("\xc3\x84"));
    assert_slice_equal(keys.to_mailbox, SLICE("c"));
    assert_slice_equal(keys.to_display, SLICE("c@d"));
    assert_slice_equal(keys.cc_mailbox, SLICE("g"));
    assert_slice_equal(keys.message_id, SLICE("ab@c"));
    assert_slice_equal(keys.in_reply_to, SLICE("p@q"));
    assert_int_equal(keys.n_references, 3);
    digest_references(&made.digest, &references);
    for (const char *const *expected = ids; *expected != NULL; expected++) {
        assert_true(digest_next_reference(&references, &id));
        assert_slice_equal(id, slice_from_str(*expected));
    }
    assert_false(digest_next_reference(&references, &id));
    assert_slice_equal(digest_preview(&made.digest), SLICE("hello"));
    done(&made);
}

/* Out of how the text region begins, and not out of less. */
static void the_preview_is_in_the_lead(void **state)
{
    AUTO(buf_done) struct buf msg = {.max = 65536};
    struct slice region, preview;
    struct digest core;
    struct made made;

    (void) state;
    buf_str(&msg, "Content-Type: text/plain; charset=utf-8\r\n"
                  "Content-Transfer-Encoding: 8bit\r\n\r\n");
    for (size_t i = 0; i < 300; i++)
        buf_str(&msg, "\xf0\x9f\x98\x80");
    make(&made, buf_slice(&msg));
    assert_int_equal(digest_preview(&made.digest).len, DIGEST_PREVIEW_MAX_BYTES);
    region = slice_from(made.digest.table, digest_core_len(&made.digest));
    assert_true(digest_lead_preview(slice_sub(region, 0, DIGEST_LEAD_MAX_BYTES), &preview));
    assert_slice_equal(preview, digest_preview(&made.digest));
    assert_false(
        digest_lead_preview(slice_sub(region, 0, DIGEST_LEAD_MAX_BYTES - 1), &preview));
    assert_int_equal(digest_open(slice_sub(made.digest.table, 0, digest_core_len(&made.digest)),
                                 &core, NULL),
                     RC_OK);
    assert_int_equal(digest_preview(&core).len, 0);
    made.table.ptr[digest_core_len(&made.digest) + 5] = 0x7f; /* its length */
    assert_int_equal(digest_open(buf_slice(&made.table), &core, NULL), RC_CORRUPT);
    done(&made);
}

static void search_text_has_its_spans(void **state)
{
    static const char msg[] =
        "Subject: =?utf-8?Q?=C3=A4?=\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: text/html\r\n\r\n<b>bold</b>\r\n"
        "--b\r\nContent-Type: image/gif\r\n\r\nGIF\r\n--b--\r\n";
    static const struct {
        enum digest_span_kind kind;
        const char *text;
    } want[] = {
        {DIGEST_SPAN_HEADER,      "Subject: \xc3\xa4"                        },
        {DIGEST_SPAN_HEADER,      "Content-Type: multipart/mixed; boundary=b"},
        {DIGEST_SPAN_PART_HEADER, "Content-Type: text/html"                  },
        {DIGEST_SPAN_BODY,        "bold"                                     },
        {DIGEST_SPAN_PART_HEADER, "Content-Type: image/gif"                  },
    };
    struct digest_span span;
    struct made made;

    (void) state;
    make(&made, slice_from_str(msg));
    assert_int_equal(made.digest.n_spans, COUNT(want));
    for (uint32_t i = 0; i < COUNT(want); i++) {
        span = digest_span(&made.digest, i);
        assert_int_equal(span.kind, want[i].kind);
        assert_slice_equal(span.text, slice_from_str(want[i].text));
    }
    span = digest_span(&made.digest, 0);
    assert_slice_equal(span.name, SLICE("Subject"));
    assert_slice_equal(span.value, SLICE("\xc3\xa4"));
    done(&made);
}

static void nest(struct buf *msg, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++)
        buf_str(msg, "Content-Type: message/rfc822\r\n\r\n");
    buf_str(msg, "Subject: core\r\n\r\nx\r\n");
}

static void limits_make_opaque_leaves(void **state)
{
    AUTO(buf_done) struct buf msg = {0};
    struct made made;

    (void) state;
    buf_init(&msg, (size_t) 1 << 24);
    nest(&msg, MIME_DEPTH_MAX);
    make(&made, buf_slice(&msg));
    assert_int_equal(made.digest.n_parts, MIME_DEPTH_MAX + 1);
    assert_int_equal(made.digest.flags & (DIGEST_OPAQUE | DIGEST_OPAQUE_PART), 0);
    done(&made);
    buf_reset(&msg);
    nest(&msg, MIME_DEPTH_MAX + 1);
    make(&made, buf_slice(&msg));
    assert_int_equal(made.digest.n_parts, MIME_DEPTH_MAX + 1);
    assert_true((made.digest.flags & DIGEST_OPAQUE_PART) != 0);
    done(&made);

    for (unsigned extra = 0; extra <= 1; extra++) {
        buf_reset(&msg);
        buf_str(&msg, "Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n");
        for (unsigned i = 0; i < MIME_PARTS_MAX - 1 + extra; i++)
            buf_str(&msg, "--b\r\n\r\nx\r\n");
        make(&made, buf_slice(&msg));
        assert_int_equal(made.digest.n_parts, extra == 0 ? MIME_PARTS_MAX : 1);
        assert_int_equal((made.digest.flags & DIGEST_OPAQUE) != 0, extra);
        done(&made);
    }
}

static void a_header_past_its_limit_stays_whole(void **state)
{
    static const struct slice subject[] = {
        {"subject", 7}
    };
    AUTO(buf_done) struct buf msg = {0};
    AUTO(buf_done) struct buf out = {0};
    struct digest_header header;
    struct digest_names chosen;
    struct made made;

    (void) state;
    digest_names_init(&chosen, subject, COUNT(subject));
    buf_init(&msg, (size_t) 1 << 24);
    buf_init(&out, (size_t) 1 << 24);
    buf_str(&msg, "Subject: s\r\n");
    while (msg.len <= MIME_HEADER_MAX_BYTES + 4096)
        buf_str(&msg, "X: y\r\n");
    buf_str(&msg, "\r\nbody\r\n");
    make(&made, buf_slice(&msg));
    assert_true((made.digest.flags & DIGEST_HEADER_CUT) != 0);
    assert_true((made.digest.flags & DIGEST_OPAQUE) != 0);
    assert_int_equal(made.digest.header_end, msg.len - 6);
    assert_int_equal(digest_header_of(&made.digest, NULL, 0, &header), RC_OK);
    digest_header_fields(&made.digest, &header, slice_sub(buf_slice(&msg), 0, header.range.len),
                         &chosen, true, &out);
    assert_int_equal(out.len, made.digest.header_end - 12); /* all but the subject */
    done(&made);
}

static void what_could_not_be_parsed_is_opaque(void **state)
{
    AUTO(buf_done) struct buf table = {0};
    struct slice msg = slice_from_str(nested);
    struct digest digest;

    (void) state;
    buf_init(&table, DIGEST_MAX_BYTES);
    digest_build_opaque(msg, &table);
    assert_null(check_digest(msg, buf_slice(&table)));
    assert_int_equal(digest_open(buf_slice(&table), &digest, NULL), RC_OK);
    assert_true((digest.flags & DIGEST_OPAQUE) != 0 && (digest.flags & DIGEST_TEXT_CUT) != 0);
    assert_int_equal(digest.header_end, slice_search(msg, SLICE("preamble")));
    assert_int_equal(digest.n_spans, 0);
}

/* Around the size where the numbers of a part record become wider. */
static void numbers_are_as_wide_as_the_message(void **state)
{
    static const struct slice names[] = {
        {"x-odd", 5}
    };
    static const char header[] = "no field\r\nX-Odd \t:  y\r\nSubject: z\r\n\r\n";
    AUTO(buf_done) struct buf msg = {0};
    struct digest_names chosen;

    (void) state;
    digest_names_init(&chosen, names, COUNT(names));
    buf_init(&msg, (size_t) 1 << 20);
    for (size_t len = UINT16_MAX - 1; len <= UINT16_MAX + 2; len++) {
        AUTO(buf_done) struct buf out = {0};
        struct digest_header found;
        struct digest_part root;
        struct made made;

        buf_init(&out, 4096);
        buf_reset(&msg);
        buf_str(&msg, header);
        while (msg.len < len)
            buf_byte(&msg, 'b');
        make(&made, buf_slice(&msg));
        root = digest_part(&made.digest, 0);
        assert_int_equal(made.digest.number_bytes, len <= UINT16_MAX ? 2 : 4);
        assert_int_equal(made.digest.message_size, len);
        assert_int_equal(made.digest.header_end, strlen(header));
        assert_int_equal(root.end, len);
        assert_int_equal(root.decoded_size, len - strlen(header));
        assert_int_equal(digest_header_of(&made.digest, NULL, 0, &found), RC_OK);
        assert_int_equal(found.n_fields, 3);
        digest_header_fields(&made.digest, &found, slice_of(header, strlen(header)), &chosen,
                             false, &out);
        assert_slice_equal(buf_slice(&out), SLICE("X-Odd \t:  y\r\n\r\n"));
        done(&made);
    }
}

/* A field that ends past the message, more copied bytes than fields, a length too many. */
static void fields_past_the_message_are_damage(void **state)
{
    struct digest digest;
    struct made made;
    struct err err;
    size_t shapes, lengths;

    (void) state;
    make(&made, SLICE("X-One: 1\r\nSubject: y\r\n\r\nb\r\n"));
    shapes = made.digest.section[1].offset;
    lengths = made.digest.section[2].offset;
    assert_int_equal(made.digest.section[2].len, 2);
    assert_int_equal(made.table.ptr[lengths + 1], 4);
    made.table.ptr[lengths + 1] = 0x7f;
    assert_int_equal(digest_open(buf_slice(&made.table), &digest, &err), RC_CORRUPT);
    made.table.ptr[lengths + 1] = 5; /* the copied line is not that long */
    assert_int_equal(digest_open(buf_slice(&made.table), &digest, &err), RC_CORRUPT);
    made.table.ptr[lengths + 1] = 4;
    assert_int_equal(digest_open(buf_slice(&made.table), &digest, &err), RC_OK);
    made.table.ptr[shapes + 1] = (char) 0x80; /* cut: the second length has no shape */
    assert_int_equal(digest_open(buf_slice(&made.table), &digest, &err), RC_CORRUPT);
    done(&made);
}

static void damaged_tables_are_refused_or_safe(void **state)
{
    struct made made;
    struct digest digest;
    struct err err;

    (void) state;
    make(&made, slice_from_str(nested));
    for (size_t cut = 0; cut < made.table.len; cut++) {
        enum rc rc = digest_open(slice_sub(buf_slice(&made.table), 0, cut), &digest, &err);

        assert_int_equal(rc == RC_OK, cut == digest_core_len(&made.digest));
    }
    for (size_t at = 0; at < made.table.len; at++) {
        char was = made.table.ptr[at];

        made.table.ptr[at] = (char) ~was;
        if (digest_open(buf_slice(&made.table), &digest, &err) == RC_OK)
            (void) check_walk(&digest);
        made.table.ptr[at] = was;
    }
    made.table.ptr[4] = DIGEST_VERSION + 1;
    assert_int_equal(digest_open(buf_slice(&made.table), &digest, &err), RC_INVALID);
    done(&made);
}

static void verification_catches_what_would_speak_for_us(void **state)
{
    struct made made;
    struct err err;
    size_t at;

    (void) state;
    make(&made, slice_from_str(plain));
    assert_int_equal(digest_verify(&made.digest, SLICE("Subject: y\r\n\r\nbody\r\n"), &err),
                     RC_CORRUPT);
    at = slice_search(buf_slice(&made.table), SLICE("\"x\""));
    assert_true(at < made.table.len);
    made.table.ptr[at + 1] = '"'; /* the subject ends early */
    assert_int_equal(digest_verify(&made.digest, slice_from_str(plain), &err), RC_CORRUPT);
    made.table.ptr[at + 1] = '\n';
    assert_int_equal(digest_verify(&made.digest, slice_from_str(plain), &err), RC_CORRUPT);
    made.table.ptr[at + 1] = 'x';
    assert_int_equal(digest_verify(&made.digest, slice_from_str(plain), &err), RC_OK);
    done(&made);
}

static void parts_know_their_octets(void **state)
{
    static const char msg[] =
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        "--b\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n"
        " filename*=utf-8''%C3%A4.txt\r\nContent-Type: text/plain; "
        "charset=utf-8\r\n\r\nYWJj\r\n"
        "--b\r\nContent-Transfer-Encoding: x-no\r\n\r\nz\r\n--b--\r\n";
    struct digest_part part;
    struct made made;

    (void) state;
    make(&made, slice_from_str(msg));
    part = digest_part(&made.digest, 1);
    assert_int_equal(part.decoded_size, 3);
    assert_int_equal(part.flags, DIGEST_PART_ATTACHMENT);
    assert_slice_equal(part.filename, SLICE("\xc3\xa4.txt"));
    assert_slice_equal(part.charset, SLICE("utf-8"));
    part = digest_part(&made.digest, 2);
    assert_int_equal(part.encoding, DIGEST_CTE_UNKNOWN);
    assert_true((part.flags & DIGEST_PART_UNDECODABLE) != 0);
    assert_true((made.digest.flags & DIGEST_HAS_ATTACHMENT) != 0);
    done(&made);
}

static void odd_bytes_are_flagged(void **state)
{
    static const struct {
        struct {
            const char *ptr;
            size_t len;
        } msg;
        uint32_t flags;
    } rows[] = {
        {{"a: b\r\n\r\nc\r\n", 11}, DIGEST_P_ENOUGH                  },
        {{"a: b\n\nc", 7},          DIGEST_P_ENOUGH | DIGEST_BARE_EOL},
        {{"a: b\rc: d\r", 10},      DIGEST_P_ENOUGH | DIGEST_BARE_EOL},
        {{"a: b\r\n\r\n\0", 9},     DIGEST_P_ENOUGH | DIGEST_HAS_NUL },
        {{"a: \xff\r\n\r\n", 8},    DIGEST_8BIT_HEADER               },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct made made;

        make(&made, slice_of(rows[i].msg.ptr, rows[i].msg.len));
        assert_int_equal(made.digest.flags, rows[i].flags);
        done(&made);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_name_what_the_rfc_says),
        cmocka_unit_test(structures_are_as_they_should_be),
        cmocka_unit_test(envelopes_have_their_forms),
        cmocka_unit_test(a_global_message_is_a_message_where_it_may_be),
        cmocka_unit_test(fields_are_chosen_in_their_order),
        cmocka_unit_test(fields_of_an_embedded_message_come_from_its_header),
        cmocka_unit_test(keys_are_those_of_sort_and_thread),
        cmocka_unit_test(the_preview_is_in_the_lead),
        cmocka_unit_test(search_text_has_its_spans),
        cmocka_unit_test(limits_make_opaque_leaves),
        cmocka_unit_test(a_header_past_its_limit_stays_whole),
        cmocka_unit_test(what_could_not_be_parsed_is_opaque),
        cmocka_unit_test(numbers_are_as_wide_as_the_message),
        cmocka_unit_test(fields_past_the_message_are_damage),
        cmocka_unit_test(damaged_tables_are_refused_or_safe),
        cmocka_unit_test(verification_catches_what_would_speak_for_us),
        cmocka_unit_test(parts_know_their_octets),
        cmocka_unit_test(odd_bytes_are_flagged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
