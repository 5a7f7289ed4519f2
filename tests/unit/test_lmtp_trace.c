/* test_lmtp_trace.c - the fields a delivery adds, and the Return-Path it takes out. */
// links: lmtp
#include "lib/test.h"
#include "lmtp/trace.h"

struct row {
    const char *in, *out, *message_id;
};

// clang-format off
static const struct row rows[] = {
    {"",                                                "",                              ""},
    {"Return-Path: <a@b>\r\nTo: c\r\n\r\nx\r\n",        "To: c\r\n\r\nx\r\n",            ""},
    {"To: c\r\nReturn-Path: <a@b>\r\n\r\nx\r\n",        "To: c\r\n\r\nx\r\n",            ""},
    {"To: c\r\nRETURN-path:<a@b>\r\nCc: d\r\n\r\n",     "To: c\r\nCc: d\r\n\r\n",        ""},
    {"Return-Path:\r\n <a@b>\r\n\t(x)\r\nTo: c\r\n\r\n", "To: c\r\n\r\n",                ""},
    {"Return-Path \t: <a@b>\r\nTo: c\r\n\r\n",          "To: c\r\n\r\n",                 ""},
    {"Return-Path: 1\r\nReturn-Path: 2\r\nTo: c\r\n",   "To: c\r\n",                     ""},
    {"Return-Path: <a@b>\r\n",                          "",                              ""},
    {"Return-Path: <a@b>",                              "",                              ""},
    {"Return-Path:",                                    "",                              ""},
    {"Return-Path",                                     "Return-Path",                   ""},
    {"Return-Path\r\n\r\n",                             "Return-Path\r\n\r\n",           ""},
    {"Return-Pathology: x\r\n\r\n",                     "Return-Pathology: x\r\n\r\n",   ""},
    {"Return-Path-Old: x\r\n\r\n",                      "Return-Path-Old: x\r\n\r\n",    ""},
    {"X-Return-Path: x\r\n\r\n",                        "X-Return-Path: x\r\n\r\n",      ""},
    {"Return-Path x: y\r\n\r\n",                        "Return-Path x: y\r\n\r\n",      ""},
    {"To: c\r\n Return-Path: x\r\n\r\n",                "To: c\r\n Return-Path: x\r\n\r\n", ""},
    {" Return-Path: x\r\nTo: c\r\n\r\n",                " Return-Path: x\r\nTo: c\r\n\r\n", ""},
    {"To: c\r\n\r\nReturn-Path: x\r\n",                 "To: c\r\n\r\nReturn-Path: x\r\n",  ""},
    {"\r\nReturn-Path: x\r\n",                          "\r\nReturn-Path: x\r\n",        ""},
    {"To\r\n",                                          "To\r\n",                        ""},
    {"T",                                               "T",                             ""},
    {"\r",                                              "\r",                            ""},
    {"no header here\r\nReturn-Path: x\r\n",            "no header here\r\n",            ""},
    {"abcdefghij\r\nReturn-Path: x\r\n\r\n",            "abcdefghij\r\n\r\n",            ""},
    {"Message-ID: <1@x>\r\n\r\n",                       "Message-ID: <1@x>\r\n\r\n",     "<1@x>"},
    {"message-id:\r\n <1@x>\r\nTo: c\r\n\r\n",          "message-id:\r\n <1@x>\r\nTo: c\r\n\r\n", "<1@x>"},
    {"Message-ID: <1@x>\r\nMessage-ID: <2@x>\r\n",      "Message-ID: <1@x>\r\nMessage-ID: <2@x>\r\n", "<1@x>"},
    {"To: c\r\n\r\nMessage-ID: <1@x>\r\n",              "To: c\r\n\r\nMessage-ID: <1@x>\r\n", ""},
};
// clang-format on

static void check(const struct row *row, size_t piece_bytes)
{
    struct slice in = slice_from_str(row->in);
    struct trace_filter filter = {0};
    AUTO(buf_done) struct buf out = {0};

    buf_init(&out, in.len + TRACE_NAME_BYTES);
    for (size_t at = 0; at < in.len; at += piece_bytes)
        trace_filter_feed(&filter, slice_sub(in, at, piece_bytes), &out);
    trace_filter_end(&filter, &out);
    if (out.overflow || !slice_eq(buf_slice(&out), slice_from_str(row->out)) ||
        !slice_eq(trace_message_id(&filter), slice_from_str(row->message_id)))
        fail_msg("row %td by %zu: \"%.*s\", message-id \"%.*s\"", row - rows, piece_bytes,
                 SLICE_ARG(buf_slice(&out)), SLICE_ARG(trace_message_id(&filter)));
}

static void only_return_path_fields_of_the_header_go(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t len = strlen(rows[i].in);

        for (size_t piece_bytes = 1; piece_bytes <= len; piece_bytes++)
            check(&rows[i], piece_bytes);
    }
}

static void a_message_id_is_cut_at_its_limit(void **state)
{
    struct trace_filter filter = {0};
    AUTO(buf_done) struct buf in = {0}, out = {0};

    (void) state;
    buf_init(&in, 2048);
    buf_init(&out, 2048);
    buf_str(&in, "Message-ID: ");
    for (size_t i = 0; i < TRACE_MESSAGE_ID_BYTES + 1; i++)
        buf_byte(&in, 'i');
    buf_str(&in, "\r\n\r\n");
    trace_filter_feed(&filter, buf_slice(&in), &out);
    assert_int_equal(trace_message_id(&filter).len, TRACE_MESSAGE_ID_BYTES);
    assert_true(slice_eq(buf_slice(&out), buf_slice(&in)));
}

static void print(const struct trace *trace, const char *wanted)
{
    AUTO(buf_done) struct buf out = {0};

    buf_init(&out, 4096);
    trace_print(trace, &out);
    if (!slice_eq(buf_slice(&out), slice_from_str(wanted)))
        fail_msg("%.*s", SLICE_ARG(buf_slice(&out)));
}

static void the_fields_are_exact(void **state)
{
    struct trace trace = {.sender = SLICE("a@b"),
                          .recipient = SLICE("c+d@e"),
                          .helo = SLICE("mx.example"),
                          .peer = SLICE("127.0.0.1"),
                          .hostname = "mail.example",
                          .session = 0xabc,
                          .wall_sec = 1795262400};

    (void) state;
    print(&trace, "Return-Path: <a@b>\r\n"
                  "Delivered-To: c+d@e\r\n"
                  "Received: from mx.example ([127.0.0.1])\r\n"
                  "\tby mail.example with LMTP id 0000000000000abc\r\n"
                  "\tfor <c+d@e>; Sat, 21 Nov 2026 12:00:00 +0000\r\n");
    trace.peer = SLICE("2001:db8::7");
    print(&trace, "Return-Path: <a@b>\r\n"
                  "Delivered-To: c+d@e\r\n"
                  "Received: from mx.example ([IPv6:2001:db8::7])\r\n"
                  "\tby mail.example with LMTP id 0000000000000abc\r\n"
                  "\tfor <c+d@e>; Sat, 21 Nov 2026 12:00:00 +0000\r\n");
    trace.sender = trace.peer = (struct slice){0};
    trace.smtputf8 = true;
    trace.wall_sec = 951827696;
    print(&trace, "Return-Path: <>\r\n"
                  "Delivered-To: c+d@e\r\n"
                  "Received: from mx.example\r\n"
                  "\tby mail.example with UTF8LMTP id 0000000000000abc\r\n"
                  "\tfor <c+d@e>; Tue, 29 Feb 2000 12:34:56 +0000\r\n");
}

static void nothing_in_a_field_ends_it(void **state)
{
    struct trace trace = {.sender = SLICE("a\r\nBcc: x"),
                          .recipient = SLICE("c\nd"),
                          .helo = SLICE("h\r"),
                          .hostname = "mail.example",
                          .wall_sec = 0};

    (void) state;
    print(&trace, "Return-Path: <a??Bcc: x>\r\n"
                  "Delivered-To: c?d\r\n"
                  "Received: from h?\r\n"
                  "\tby mail.example with LMTP id 0000000000000000\r\n"
                  "\tfor <c?d>; Thu, 1 Jan 1970 00:00:00 +0000\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_return_path_fields_of_the_header_go),
        cmocka_unit_test(a_message_id_is_cut_at_its_limit),
        cmocka_unit_test(the_fields_are_exact),
        cmocka_unit_test(nothing_in_a_field_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
