/*
 * fuzz_session.c - the door behind the login: any bytes of a client, through reader, parser and
 * handlers, against a mailbox with mail in it. Whatever is answered must be in the grammar.
 */
// links: commands store_memory
// lib: session_rig
#include <assert.h>

#include "imap/response.h"
#include "lib/session_rig.h"
#include "store/memory/memory_engine.h"

#define FUZZ_INPUT_MAX   ((size_t) 1 << 16)
#define FUZZ_ARENA_BYTES ((size_t) 1 << 30)
#define FUZZ_CONFLICT    4u /* every fourth commit */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char prelude[] =
    "p1 APPEND INBOX (\\Flagged $Label) {41+}\r\nSubject: one\r\nFrom: <a@b>\r\n\r\nhello "
    "body\r\n\r\n"
    "p2 APPEND INBOX {129+}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; "
    "boundary=b\r\n\r\n"
    "--b\r\n\r\ntext\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\naGk=\r\n--b--\r\n\r\n"
    "p3 APPEND INBOX {2+}\r\nhi\r\n"
    "p4 CREATE a/b\r\n"
    "p5 SELECT INBOX\r\n";

/* Once UTF-8 is enabled the answers before it are read by its rules too, which allow more. */
static struct imap_mode judge_of(const struct session *session)
{
    struct imap_mode mode = session->mode;

    if (imap_mode_utf8(mode))
        mode.rev2 = mode.utf8_accept = true;
    return mode;
}

static void check_answers(struct rig_session *rs)
{
    AUTO(arena_freep) struct arena *arena = arena_new(FUZZ_ARENA_BYTES);
    struct slice output = rig_output(rs);

    while (output.len > 0) {
        struct imap_framer framer = {0};
        struct imap_response response;
        struct err err = {.rc = RC_OK};
        size_t len = 0;

        if (imap_frame_response(&framer, output, &len) != RC_OK ||
            imap_parse_response(slice_sub(output, 0, len), judge_of(rig_session_of(rs)), arena,
                                &response, &err) != RC_OK) {
            fprintf(stderr, "not in the grammar: %s: %.*s\n", err.text, SLICE_ARG(output));
            abort();
        }
        output = slice_from(output, len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct memory_engine_options options = {.conflict_every = FUZZ_CONFLICT};
    struct rig_session *rs, *other;
    struct rig *rig;

    if (size > FUZZ_INPUT_MAX)
        return 0;
    rig = rig_new(memory_engine_new(&options));
    other = rig_login(rig, SESSION_FULL);
    rs = rig_login(rig, SESSION_FULL);
    rig_send(rs, slice_from_str(prelude));
    rig_send(other, SLICE("o SELECT INBOX\r\n"));
    rig_send(rs, slice_of(data, size));
    rig_send(other,
             SLICE("o APPEND a/b {2+}\r\nhi\r\no STORE 1:2 +FLAGS.SILENT (\\Answered)\r\n"
                   "o COPY 1 INBOX\r\no SUBSCRIBE a/b\r\no RENAME a A\r\n"));
    rig_poll(rs);
    rig_send(other, SLICE("o FETCH 1:* FLAGS\r\no NOOP\r\no UID FETCH 1:* (UID ENVELOPE)\r\n"));
    rig_poll(rs);
    check_answers(rs);
    check_answers(other);
    rig_free(rig);
    return 0;
}
