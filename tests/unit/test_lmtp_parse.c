/* test_lmtp_parse.c - LMTP's commands, near misses, and the one way a message can end. */
// links: lmtp
#include "lib/test.h"
#include "lmtp/parse.h"

struct row {
    const char *line;
    enum rc rc;
    enum lmtp_verb verb;
    const char *argument;
    uint64_t size;
};

static void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct lmtp_command command;
        struct err err;
        enum rc rc = lmtp_parse_command(slice_from_str(rows[i].line), &command, &err);

        if (rc != rows[i].rc || command.verb != rows[i].verb)
            fail_msg("\"%s\": %s, verb %d", rows[i].line, rc_name(rc), command.verb);
        if (rc != RC_OK)
            continue;
        if (!slice_eq(command.argument, slice_from_str(rows[i].argument)) ||
            command.size != rows[i].size)
            fail_msg("\"%s\": \"%.*s\", size %llu", rows[i].line, SLICE_ARG(command.argument),
                     (unsigned long long) command.size);
    }
}

static void takes_each_command(void **state)
{
    static const struct row rows[] = {
        {"LHLO client.example",                    RC_OK, LMTP_LHLO, "client.example",      0 },
        {"lhlo [192.0.2.1]",                       RC_OK, LMTP_LHLO, "[192.0.2.1]",         0 },
        {"LHLO [IPv6:2001:db8::1] ",               RC_OK, LMTP_LHLO, "[IPv6:2001:db8::1]",  0 },
        {"LHLO p\xc3\xa5.example",                 RC_OK, LMTP_LHLO, "p\xc3\xa5.example",   0 },
        {"MAIL FROM:<>",                           RC_OK, LMTP_MAIL, "",                    0 },
        {"mail from:<a@b>",                        RC_OK, LMTP_MAIL, "a@b",                 0 },
        {"MAIL FROM: <a@b>",                       RC_OK, LMTP_MAIL, "a@b",                 0 },
        {"MAIL FROM:<a@b> SIZE=77",                RC_OK, LMTP_MAIL, "a@b",                 77},
        {"MAIL FROM:<a@b> size=0",                 RC_OK, LMTP_MAIL, "a@b",                 0 },
        {"MAIL FROM:<a@b> BODY=7BIT",              RC_OK, LMTP_MAIL, "a@b",                 0 },
        {"MAIL FROM:<a@b>  BODY=8bitmime SIZE=1 ", RC_OK, LMTP_MAIL, "a@b",                 1 },
        {"MAIL FROM:<\xc3\xa5@b> SMTPUTF8",        RC_OK, LMTP_MAIL, "\xc3\xa5@b",          0 },
        {"MAIL FROM:<@relay,@other:a@b>",          RC_OK, LMTP_MAIL, "a@b",                 0 },
        {"MAIL FROM:<\"a>b\"@c>",                  RC_OK, LMTP_MAIL, "\"a>b\"@c",           0 },
        {"MAIL FROM:<\"a\\\"> x\"@c> SIZE=5",      RC_OK, LMTP_MAIL, "\"a\\\"> x\"@c",      5 },
        {"RCPT TO:<u1>",                           RC_OK, LMTP_RCPT, "u1",                  0 },
        {"RCPT TO:<u1+work@example.org>",          RC_OK, LMTP_RCPT, "u1+work@example.org", 0 },
        {"RCPT TO:<>",                             RC_OK, LMTP_RCPT, "",                    0 },
        {"DATA",                                   RC_OK, LMTP_DATA, "",                    0 },
        {"data ",                                  RC_OK, LMTP_DATA, "",                    0 },
        {"RSET",                                   RC_OK, LMTP_RSET, "",                    0 },
        {"QUIT",                                   RC_OK, LMTP_QUIT, "",                    0 },
        {"NOOP and more",                          RC_OK, LMTP_NOOP, "",                    0 },
        {"VRFY u1 SMTPUTF8",                       RC_OK, LMTP_VRFY, "",                    0 },
        {"EHLO x",                                 RC_OK, LMTP_HELO, "",                    0 },
        {"HELO x",                                 RC_OK, LMTP_HELO, "",                    0 },
    };

    (void) state;
    check_rows(rows, COUNT(rows));
}

static void refuses_what_the_grammar_lacks(void **state)
{
    static const struct row rows[] = {
        {"",                                           RC_OK,      LMTP_UNKNOWN, "", 0},
        {" DATA",                                      RC_OK,      LMTP_UNKNOWN, "", 0},
        {"DATAX",                                      RC_OK,      LMTP_UNKNOWN, "", 0},
        {"DATA\t",                                     RC_OK,      LMTP_UNKNOWN, "", 0},
        {"MAILFROM:<a@b>",                             RC_OK,      LMTP_UNKNOWN, "", 0},
        {"STARTTLS",                                   RC_OK,      LMTP_UNKNOWN, "", 0},
        {"BDAT 5 LAST",                                RC_OK,      LMTP_UNKNOWN, "", 0},
        {"LHLO",                                       RC_SYNTAX,  LMTP_LHLO,    "", 0},
        {"LHLO ",                                      RC_SYNTAX,  LMTP_LHLO,    "", 0},
        {"LHLO a b",                                   RC_SYNTAX,  LMTP_LHLO,    "", 0},
        {"LHLO a(b)",                                  RC_SYNTAX,  LMTP_LHLO,    "", 0},
        {"LHLO a\rb",                                  RC_SYNTAX,  LMTP_LHLO,    "", 0},
        {"LHLO \xc3",                                  RC_SYNTAX,  LMTP_LHLO,    "", 0},
        {"DATA now",                                   RC_SYNTAX,  LMTP_DATA,    "", 0},
        {"QUIT now",                                   RC_SYNTAX,  LMTP_QUIT,    "", 0},
        {"MAIL",                                       RC_SYNTAX,  LMTP_MAIL,    "", 0},
        {"MAIL FROM",                                  RC_SYNTAX,  LMTP_MAIL,    "", 0},
        {"MAIL FROM:",                                 RC_SYNTAX,  LMTP_MAIL,    "", 0},
        {"MAIL FROM:a@b",                              RC_SYNTAX,  LMTP_MAIL,    "", 0},
        {"MAIL FROM:<a@b",                             RC_SYNTAX,  LMTP_MAIL,    "", 0},
        {"MAIL FROM:<a@b>x",                           RC_SYNTAX,  LMTP_MAIL,    "", 0},
        {"MAIL FROM:<<a@b>>",                          RC_SYNTAX,  LMTP_MAIL,    "", 0},
        {"MAIL FROM:<\"a@b>",                          RC_SYNTAX,  LMTP_MAIL,    "", 0},
        {"MAIL FROM:<a\tb>",                           RC_SYNTAX,  LMTP_MAIL,    "", 0},
        {"MAIL FROM:<a\x01>",                          RC_SYNTAX,  LMTP_MAIL,    "", 0},
        {"MAIL FROM:<\"a\rb\"@c>",                     RC_SYNTAX,  LMTP_MAIL,    "", 0},
        {"MAIL FROM:<\"a\\\rb\"@c>",                   RC_SYNTAX,  LMTP_MAIL,    "", 0},
        {"MAIL FROM:<\xff@b>",                         RC_SYNTAX,  LMTP_MAIL,    "", 0},
        {"MAIL FROM:<@relay>",                         RC_SYNTAX,  LMTP_MAIL,    "", 0},
        {"MAIL TO:<a@b>",                              RC_SYNTAX,  LMTP_MAIL,    "", 0},
        {"RCPT FROM:<a@b>",                            RC_SYNTAX,  LMTP_RCPT,    "", 0},
        {"MAIL FROM:<a@b> SIZE=",                      RC_SYNTAX,  LMTP_MAIL,    "", 0},
        {"MAIL FROM:<a@b> SIZE=-1",                    RC_SYNTAX,  LMTP_MAIL,    "", 0},
        {"MAIL FROM:<a@b> SIZE=1k",                    RC_SYNTAX,  LMTP_MAIL,    "", 0},
        {"MAIL FROM:<a@b> SIZE=18446744073709551616",  RC_SYNTAX,  LMTP_MAIL,    "", 0},
        {"MAIL FROM:<a@b> SIZE=000000000000000000001", RC_SYNTAX,  LMTP_MAIL,    "",
         0                                                                            }, /* 21 digits */
        {"MAIL FROM:<a@b> BODY=BINARYMIME",            RC_SYNTAX,  LMTP_MAIL,    "", 0},
        {"MAIL FROM:<a@b> BODY",                       RC_SYNTAX,  LMTP_MAIL,    "", 0},
        {"MAIL FROM:<a@b> SMTPUTF8=1",                 RC_INVALID, LMTP_MAIL,    "", 0},
        {"MAIL FROM:<a@b> RET=FULL",                   RC_INVALID, LMTP_MAIL,    "", 0},
        {"RCPT TO:<a@b> SIZE=1",                       RC_INVALID, LMTP_RCPT,    "", 0},
        {"RCPT TO:<a@b> NOTIFY=NEVER",                 RC_INVALID, LMTP_RCPT,    "", 0},
    };

    (void) state;
    check_rows(rows, COUNT(rows));
}

static void parameters_are_told(void **state)
{
    struct lmtp_command command;
    struct err err;

    (void) state;
    assert_int_equal(
        lmtp_parse_command(SLICE("MAIL FROM:<a@b> SMTPUTF8 BODY=8BITMIME"), &command, &err),
        RC_OK);
    assert_true(command.smtputf8 && command.eight_bit);
    assert_int_equal(lmtp_parse_command(SLICE("MAIL FROM:<a@b> BODY=7BIT"), &command, &err),
                     RC_OK);
    assert_false(command.smtputf8 || command.eight_bit);
}

static void nul_is_in_no_command(void **state)
{
    struct slice lines[] = {SLICE("LHLO a\0b"), SLICE("MAIL FROM:<a\0b>"),
                            SLICE("RCPT TO:<\"a\0\"@b>"), SLICE("DATA\0")};
    struct lmtp_command command;
    struct err err;

    (void) state;
    for (size_t i = 0; i < COUNT(lines); i++)
        assert_true(lmtp_parse_command(lines[i], &command, &err) != RC_OK ||
                    command.verb == LMTP_UNKNOWN);
}

/* "RCPT TO:<aaa...>" with n bytes between the brackets. */
static enum rc parse_path_of(size_t n)
{
    AUTO(buf_done) struct buf line = {0};
    struct lmtp_command command;
    struct err err;

    buf_init(&line, LMTP_LINE_BYTES);
    buf_str(&line, "RCPT TO:<");
    for (size_t i = 0; i < n; i++)
        buf_byte(&line, 'a');
    buf_byte(&line, '>');
    return lmtp_parse_command(buf_slice(&line), &command, &err);
}

static void an_address_has_a_limit(void **state)
{
    (void) state;
    assert_int_equal(parse_path_of(LMTP_PATH_BYTES), RC_OK);
    assert_int_equal(parse_path_of(LMTP_PATH_BYTES + 1), RC_SYNTAX);
}

static void a_host_name_has_a_limit(void **state)
{
    char line[5 + LMTP_HOST_BYTES + 1];
    struct lmtp_command command;
    struct err err;

    (void) state;
    memset(line, 'h', sizeof(line));
    memcpy(line, "LHLO ", 5);
    assert_int_equal(lmtp_parse_command(slice_of(line, sizeof(line)), &command, &err),
                     RC_SYNTAX);
    assert_int_equal(lmtp_parse_command(slice_of(line, sizeof(line) - 1), &command, &err),
                     RC_OK);
}

/* ---- the message ---- */

struct message {
    const char *wire, *content; /* content NULL: the message does not end */
    const char *rest;
};

// clang-format off
static const struct message messages[] = {
    {".\r\n",                         "",                        ""},
    {"a\r\n.\r\n",                    "a\r\n",                   ""},
    {"a\r\n.\r\nQUIT\r\n",            "a\r\n",                   "QUIT\r\n"},
    {"a\r\n.\r\n.\r\n",               "a\r\n",                   ".\r\n"},
    /* transparency: RFC 5321 4.5.2 */
    {"..\r\n.\r\n",                   ".\r\n",                   ""},
    {"...\r\n.\r\n",                  "..\r\n",                  ""},
    {".a\r\n.\r\n",                   "a\r\n",                   ""},
    {"a.\r\n.\r\n",                   "a.\r\n",                  ""},
    {"a..b\r\n.\r\n",                 "a..b\r\n",                ""},
    {"\r\n..\r\n\r\n.\r\n",           "\r\n.\r\n\r\n",           ""},
    /* what looks like an end, and is content */
    {"a\n.\nMAIL\r\n.\r\n",           "a\n.\nMAIL\r\n",          ""},
    {"a\n.\r\nMAIL\r\n.\r\n",         "a\n.\r\nMAIL\r\n",        ""},
    {"a\r\n.\nMAIL\r\n.\r\n",         "a\r\n\nMAIL\r\n",         ""},
    {"a\r.\rMAIL\r\n.\r\n",           "a\r.\rMAIL\r\n",          ""},
    {"a\r.\r\nMAIL\r\n.\r\n",         "a\r.\r\nMAIL\r\n",        ""},
    {"a\r\n.\rMAIL\r\n.\r\n",         "a\r\n\rMAIL\r\n",         ""},
    {"a\r\n.\r\r\nMAIL\r\n.\r\n",     "a\r\n\r\r\nMAIL\r\n",     ""},
    {"a\r\r\n.\r\n",                  "a\r\r\n",                 ""},
    {"a\r\n\r.\r\n.\r\n",             "a\r\n\r.\r\n",            ""},
    {"a\n\r.\r\n.\r\n",               "a\n\r.\r\n",              ""},
    {".\n",                           NULL,                      ""},
    {".\r",                           NULL,                      ""},
    {"a\r.\r",                        NULL,                      ""},
    {"a\n.\n",                        NULL,                      ""},
    {"a\r\n.",                        NULL,                      ""},
    {"a\r\n..\r\n",                   NULL,                      ""},
    {"a\r\n. \r\n",                   NULL,                      ""},
    {"",                              NULL,                      ""},
};
// clang-format on

static void check_message(const struct message *row, struct slice wire, size_t cut_at,
                          size_t cut_again)
{
    struct slice pieces[] = {slice_sub(wire, 0, cut_at),
                             slice_sub(wire, cut_at, cut_again - cut_at),
                             slice_from(wire, cut_again)};
    struct lmtp_dot dot = {0};
    AUTO(buf_done) struct buf content = {0}, rest = {0};
    bool ended = false;

    buf_init(&content, wire.len + 2 * COUNT(pieces));
    buf_init(&rest, wire.len);
    for (size_t i = 0; i < COUNT(pieces); i++) {
        if (!ended)
            ended = lmtp_dot_feed(&dot, &pieces[i], &content);
        buf_append(&rest, pieces[i]);
    }
    if (ended != (row->content != NULL) || content.overflow ||
        !slice_eq(buf_slice(&rest), slice_from_str(row->rest)) ||
        (ended && !slice_eq(buf_slice(&content), slice_from_str(row->content))))
        fail_msg("row %td cut at %zu and %zu: \"%.*s\"", row - messages, cut_at, cut_again,
                 SLICE_ARG(buf_slice(&content)));
}

static void only_crlf_dot_crlf_ends_a_message_wherever_it_is_cut(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(messages); i++) {
        struct slice wire = slice_from_str(messages[i].wire);

        for (size_t cut = 0; cut <= wire.len; cut++) {
            for (size_t again = cut; again <= wire.len; again++)
                check_message(&messages[i], wire, cut, again);
        }
    }
}

static void nul_is_content(void **state)
{
    struct slice wire = SLICE("a\0b\r\n.\r\n");
    struct lmtp_dot dot = {0};
    AUTO(buf_done) struct buf content = {0};

    (void) state;
    buf_init(&content, wire.len + 2);
    assert_true(lmtp_dot_feed(&dot, &wire, &content));
    assert_true(slice_eq(buf_slice(&content), SLICE("a\0b\r\n")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_each_command),
        cmocka_unit_test(refuses_what_the_grammar_lacks),
        cmocka_unit_test(parameters_are_told),
        cmocka_unit_test(nul_is_in_no_command),
        cmocka_unit_test(an_address_has_a_limit),
        cmocka_unit_test(a_host_name_has_a_limit),
        cmocka_unit_test(only_crlf_dot_crlf_ends_a_message_wherever_it_is_cut),
        cmocka_unit_test(nul_is_content),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
