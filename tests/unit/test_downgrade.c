/* test_downgrade.c - what a session without UTF8=ACCEPT is shown, field by field. */
// links: mime
#include "lib/digest_check.h"
#include "lib/test.h"

#define NOBODY " <invalid@internationalized-address.invalid>"

/* Substitute NULL: the message is shown as it is. */
// clang-format off
static const struct {
    const char *message, *substitute;
} rows[] = {
    {"Subject: a\r\n\r\n\xc3\xa4\r\n", NULL},
    /* old mail that says no charset */
    {"Subject: \xe4\r\n\r\n", NULL},
    {"Subject: \xc3\xa4\r\nX: \xe4\r\n\r\n", NULL},
    /* RFC 6858 2.1 */
    {"From: Fred <fred@\xc3\xa4.example>\r\n\r\n", "From: =?utf-8?B?RnJlZCAoZnJlZEDDpC5leGFtcGxlKQ==?=" NOBODY "\r\n\r\n"},
    {"To: \xc3\xa4@b\r\n\r\n", "To: =?utf-8?B?w6RAYg==?=" NOBODY "\r\n\r\n"},
    {"To: \xc3\xa4 <a@b>, \"c, d\" <e f@g>\r\n\r\n", "To: =?utf-8?B?w6Q=?= <a@b>,\r\n \"c, d\" <\"e f\"@g>\r\n\r\n"},
    {"Cc: gr\xc3\xbcn: a@b, c;, d@e\r\n\r\n", "Cc: =?utf-8?B?Z3LDvG4=?=:\r\n <a@b>,\r\n <c>;,\r\n <d@e>\r\n\r\n"},
    {"Bcc: =?utf-8?Q?=C3=A4?= <a@b>, \xc3\xb6 <a@b>\r\n\r\n", "Bcc: =?utf-8?B?w6Q=?= <a@b>,\r\n =?utf-8?B?w7Y=?= <a@b>\r\n\r\n"},
    {"Sender: a@b (\xc3\xa4)\r\n\r\n", "Sender: =?utf-8?B?w6Q=?= <a@b>\r\n\r\n"},
    {"Return-Path: <\xc3\xa4@b>\r\nresent-to : <\xc3\xa4@b>\r\n\r\n", "Return-Path: =?utf-8?B?w6RAYg==?=" NOBODY "\r\nresent-to : =?utf-8?B?w6RAYg==?=" NOBODY "\r\n\r\n"},
    {"To: (\xc3\xa4)\r\nX: y\r\n\r\n", "X: y\r\n\r\n"},
    {"To: a@[\xc3\xa4], <>, <@b>\r\n\r\n", "To: =?utf-8?B?YUBbw6Rd?=" NOBODY ",\r\n <>,\r\n =?utf-8?B?QGI=?=" NOBODY "\r\n\r\n"},
    /* RFC 6858 2.2 */
    {"Content-Disposition: attachment; filename=\xc3\xa4; size=3\r\n\r\n", "Content-Disposition: attachment;\r\n size=\"3\"\r\n\r\n"},
    {"Content-Disposition: \xc3\xa4\r\n\r\n", "\r\n"},
    {"Content-Type: text/plain; charset=utf-8; \xc3\xa4=b; name*=utf-8''%41; x=\"\\\"\"\r\n\r\n", "Content-Type: text/plain;\r\n charset=\"utf-8\";\r\n name*=\"utf-8''%41\";\r\n x=\"\\\"\"\r\n\r\n"},
    {"Content-Type: text/html\xc3\xa4\r\nContent-Type: a/\xc3\xa4\r\n\r\n", "Content-Type: text/html\r\n\r\n"},
    {"Content-Type: multipart/mixed; boundary=\xc3\xa4; boundary=b\r\n\r\n--b\r\n\r\n", "Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\n"},
    {"Content-Transfer-Encoding: BASE64 (\xc3\xa4)\r\n\r\nYQ==", "Content-Transfer-Encoding: base64\r\n\r\nYQ=="},
    {"Content-Transfer-Encoding: \xc3\xa4\r\n\r\n", "Content-Transfer-Encoding: x-unknown\r\n\r\n"},
    /* RFC 6858 2.3 */
    {"Subject: a\r\n \xc3\xa4 =?utf-8?Q?b?=\r\n\r\n", "Subject: =?utf-8?B?YSDDpCBi?=\r\n\r\n"},
    {"SUBJECT: \xc3\xa4\n\n", "SUBJECT: =?utf-8?B?w6Q=?=\n\n"},
    {"Subject: \xc3\xa4", "Subject: =?utf-8?B?w6Q=?="},
    /* RFC 6858 2.4; a line that is no field */
    {"Comments: \xc3\xa4\r\nMessage-ID: <\xc3\xa4>\r\nReceived: by \xc3\xa4\r\n\r\nx", "\r\nx"},
    {"A: b\r\nX: \xc3\xa4\r\n continued\r\nB: c\r\nY: \xc3\xa4\r\nC: d\r\n\r\n", "A: b\r\nB: c\r\nC: d\r\n\r\n"},
    {"gr\xc3\xbc\xc3\x9f" "e\r\n--\xc3\xa4\r\n\r\n", "gr??e\r\n\r\n"},
    {"\xc3\xa4", "?"},
    /* parts */
    {"Content-Type: image / png; name=\xc3\xa4; x=y\r\n\r\n", "Content-Type: image/png;\r\n x=\"y\"\r\n\r\n"},
    {"Content-Type: multipart/mixed; boundary*0=b; boundary=\xc3\xa4\r\n\r\n--b\r\n\r\n", "Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\n"},
    {"Content-Type: multipart/mixed; name=\xc3\xa4; boundary*0=b\r\n\r\n--b\r\n\r\n", "Content-Type: multipart/mixed;\r\n boundary*0=\"b\"\r\n\r\n--b\r\n\r\n"},
    {"Content-Type: multipart/mixed; boundary=b\r\n\r\n\xc3\xa4\r\n--b\r\nX: \xc3\xa4\r\nA: b\r\n\r\n\xc3\xa4\r\n--b\r\nX: \xe4\r\n\r\n--b\r\nX: \xc3\xa4\r\n--b--\r\n\xc3\xa4",
     "Content-Type: multipart/mixed; boundary=b\r\n\r\n\xc3\xa4\r\n--b\r\nA: b\r\n\r\n\xc3\xa4\r\n--b\r\nX: \xe4\r\n\r\n--b\r\n--b--\r\n\xc3\xa4"},
    {"Content-Type: message/rfc822\r\n\r\nSubject: \xc3\xa4\r\nContent-Type: message/global\r\n\r\nSubject: \xc3\xb6\r\n\r\n\xc3\xa4",
     "Content-Type: message/rfc822\r\n\r\nSubject: =?utf-8?B?w6Q=?=\r\nContent-Type: message/global\r\n\r\nSubject: =?utf-8?B?w7Y=?=\r\n\r\n\xc3\xa4"},
};
// clang-format on

static void open_made(struct slice msg, struct buf *table, struct digest *out)
{
    struct err err;

    buf_init(table, DIGEST_MAX_BYTES);
    digest_build(msg, table);
    assert_int_equal(digest_open(buf_slice(table), out, &err), RC_OK);
}

static void fields_become_what_the_rfc_says(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice msg = slice_from_str(rows[i].message);
        AUTO(buf_done) struct buf table = {0};
        AUTO(buf_done) struct buf bytes = {0};
        struct digest_substitute substitute;
        struct digest digest;
        const char *wrong;

        open_made(msg, &table, &digest);
        wrong = check_digest(msg, buf_slice(&table));
        if (wrong != NULL)
            fail_msg("%s", wrong);
        assert_int_equal(digest_get_substitute(&digest, &substitute),
                         rows[i].substitute != NULL);
        if (rows[i].substitute == NULL)
            continue;
        buf_init(&bytes, DIGEST_MESSAGE_MAX_BYTES);
        digest_substitute_bytes(&digest, &substitute, msg, &bytes);
        assert_slice_equal(buf_slice(&bytes), slice_from_str(rows[i].substitute));
    }
}

/* Any range of the substitute is the same bytes, however it is cut. */
static void pieces_meet_at_any_offset(void **state)
{
    struct slice msg =
        slice_from_str("A: b\r\nSubject: \xc3\xa4\r\nContent-Type: message/rfc822\r\n"
                       "\r\nSubject: \xc3\xb6\r\nX: \xc3\xa4\r\nC: d\r\n\r\nbody");
    AUTO(buf_done) struct buf table = {0};
    AUTO(buf_done) struct buf bytes = {0};
    AUTO(buf_done) struct buf range = {0};
    struct digest_substitute substitute;
    struct digest digest;

    (void) state;
    open_made(msg, &table, &digest);
    assert_true(digest_get_substitute(&digest, &substitute));
    buf_init(&bytes, DIGEST_MESSAGE_MAX_BYTES);
    buf_init(&range, DIGEST_MESSAGE_MAX_BYTES);
    digest_substitute_bytes(&digest, &substitute, msg, &bytes);
    for (size_t from = 0; from <= bytes.len; from++)
        for (uint32_t step = 1; step <= 5; step++) {
            struct digest_pieces pieces;
            struct digest_piece piece;

            buf_reset(&range);
            digest_pieces_begin(&digest, &substitute, &pieces);
            digest_skip_pieces(&pieces, from);
            while (digest_next_piece(&pieces, step, &piece)) {
                assert_in_range(piece.len, 1, step);
                buf_append(&range, slice_sub(piece.is_inserted ? substitute.inserted : msg,
                                             piece.offset, piece.len));
            }
            assert_true(slice_eq(buf_slice(&range), slice_from(buf_slice(&bytes), from)));
        }
}

/* A process that was taken over may say untrue things, but nothing that leads out of the
 * message, and no 8-bit header. */
static void untrue_substitutes_are_refused(void **state)
{
    struct slice msg = slice_from_str("Subject: \xc3\xa4\r\nX: y\r\n\r\nbody");
    AUTO(buf_done) struct buf table = {0};
    struct digest digest, changed;
    size_t at, refused = 0;
    struct err err;

    (void) state;
    open_made(msg, &table, &digest);
    at = digest.section[SECTION_SUBSTITUTE].offset;
    for (size_t i = 0; i < digest.section[SECTION_SUBSTITUTE].len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            table.ptr[at + i] = (char) (table.ptr[at + i] ^ (1 << bit));
            if (digest_open(buf_slice(&table), &changed, &err) != RC_OK ||
                digest_verify(&changed, msg, &err) != RC_OK)
                refused++;
            else
                (void) check_walk(&changed);
            table.ptr[at + i] = (char) (table.ptr[at + i] ^ (1 << bit));
        }
    }
    assert_true(refused > 0);
    at += 1 + (unsigned char) table.ptr[at]; /* behind the edits: length, bytes */
    table.ptr[at + 1] = (char) 0xc3;
    assert_int_equal(digest_open(buf_slice(&table), &changed, &err), RC_OK);
    assert_int_equal(digest_verify(&changed, msg, &err), RC_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_become_what_the_rfc_says),
        cmocka_unit_test(pieces_meet_at_any_offset),
        cmocka_unit_test(untrue_substitutes_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
