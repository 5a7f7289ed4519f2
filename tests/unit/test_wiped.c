/*
 * test_wiped.c - of what may be a password nothing stays in memory that was given back: free()
 * and realloc() look before they do.
 */
// links: imap ipc
#include <malloc.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base64.h"
#include "imap/reader.h"
#include "ipc/channel.h"
#include "ipc/control.h"
#include "lib/test.h"

#define SECRET "canary-Zq8WvR1t"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif

#ifndef IS_SANITIZED
static unsigned n_left; /* blocks that went with the secret in them */
static unsigned n_seen; /* blocks that went */

void __libc_free(void *block);
void *__libc_realloc(void *block, size_t size);

static void look(const void *block)
{
    if (block == NULL)
        return;
    n_seen++;
    if (memmem(block, malloc_usable_size((void *) (uintptr_t) block), SECRET, strlen(SECRET)) !=
        NULL)
        n_left++;
}

void free(void *block)
{
    look(block);
    __libc_free(block);
}

void *realloc(void *block, size_t size)
{
    look(block);
    return __libc_realloc(block, size);
}
#endif

#ifdef IS_SANITIZED
static void free_is_the_sanitizers(void **state)
{
    (void) state;
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free_is_the_sanitizers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
static int look_anew(void **state)
{
    (void) state;
    n_seen = n_left = 0;
    return 0;
}

/* What was freed had been there, and was wiped. */
static void assert_wiped(void)
{
    assert_true(n_seen > 0);
    assert_int_equal(n_left, 0);
}

static struct slice long_secret(struct buf *room)
{
    buf_str(room, SECRET);
    for (size_t i = 0; i < 5000; i++)
        buf_byte(room, 'x');
    return buf_slice(room);
}

static void a_buffer_that_is_not_secret_is_seen_here(void **state)
{
    struct buf plain = {.max = 8192};

    (void) state;
    (void) long_secret(&plain);
    buf_done(&plain);
    assert_true(n_left > 1); /* each growth, and the end: this test sees what it looks for */
}

static void a_secret_buffer_leaves_nothing(void **state)
{
    static const char *const parts[] = {"first " SECRET, " second"};
    struct buf buf = {.max = 8192, .secret = true};

    (void) state;
    for (size_t i = 0; i < COUNT(parts); i++)
        buf_str(&buf, parts[i]);
    buf_truncate(&buf, 6);
    assert_null(memmem(buf.ptr, buf.cap, SECRET, strlen(SECRET)));
    buf_str(&buf, SECRET);
    buf_consume(&buf, 7);
    buf_reset(&buf);
    for (size_t i = 0; i + 1 < strlen(SECRET); i++) /* nor one that was moved */
        assert_null(memmem(buf.ptr, buf.cap, &SECRET[i], 2));
    buf_str(&buf, SECRET);
    buf_reset(&buf);
    buf_shrink(&buf, 0);
    (void) long_secret(&buf);
    buf_done(&buf);
    assert_true(buf.secret);
    assert_wiped();
}

static void an_initial_response_is_decoded_without_a_trace(void **state)
{
    struct buf secret = {.max = 8192, .secret = true}, text = {.max = 16384, .secret = true};
    struct buf out = {.max = 8192, .secret = true};

    (void) state;
    base64_encode(&text, long_secret(&secret));
    assert_int_equal(base64_decode(buf_slice(&text), &out), RC_OK);
    assert_slice_equal(buf_slice(&out), buf_slice(&secret));
    buf_done(&out);
    buf_done(&text);
    buf_done(&secret);
    assert_wiped();
}

/* The gate's question to auth: sent, queued, taken. */
static void a_message_leaves_nothing_at_either_end(void **state)
{
    struct buf secret = {.max = 8192, .secret = true};
    struct msg msg = {
        .type = MSG_AUTH_DATA, .auth_data = {.conn = 1, .data = long_secret(&secret)}
    };
    struct channel *gate, *auth;
    struct packet *packet;
    size_t n_sent = 0, n_taken = 0;
    int pair[2];

    (void) state;
    assert_int_equal(channel_pair(pair, NULL), RC_OK);
    gate = channel_new(pair[0], ROLE_GATE, ROLE_AUTH);
    auth = channel_new(pair[1], ROLE_AUTH, ROLE_GATE);
    while (!channel_wants_write(gate) || n_sent % 8 != 0) {
        assert_int_equal(channel_post(gate, &msg, NULL, NULL), RC_OK);
        n_sent++;
    }
    while (n_taken < n_sent) {
        while (channel_take(auth, &packet, NULL) == RC_OK)
            n_taken++;
        (void) !channel_flush(gate, NULL);
    }
    assert_int_equal(channel_post(gate, &msg, NULL, NULL), RC_OK);
    assert_int_equal(channel_take(auth, &packet, NULL), RC_OK);
    while (!channel_wants_write(gate))
        assert_int_equal(channel_post(gate, &msg, NULL, NULL), RC_OK);
    channel_free(gate); /* with some in its queue */
    channel_free(auth); /* with one taken */
    buf_done(&secret);
    assert_wiped();
}

/* A new device's password, to a command line that takes its time; and what that one sent. */
static void what_is_shown_to_an_administrator_leaves_nothing(void **state)
{
    const struct control_field row[] = {CONTROL_TEXT("password", SLICE(SECRET))};
    struct control_conn *conn;
    int pair[2];

    (void) state;
    assert_int_equal(channel_pair(pair, NULL), RC_OK);
    conn = control_conn_new(pair[0], CONTROL_QUEUE);
    control_conn_hold(conn, true);
    control_row(conn, row, COUNT(row));
    control_conn_hold(conn, false);
    assert_int_equal(control_conn_flush(conn, NULL), RC_OK);
    control_conn_hold(conn, true);
    control_row(conn, row, COUNT(row));
    assert_int_equal(send(pair[1], SECRET, strlen(SECRET), 0), strlen(SECRET));
    assert_int_equal(control_serve(conn, NULL, 0, NULL, NULL), RC_SYNTAX);
    control_conn_free(conn);
    assert_wiped();
    (void) close(pair[1]);
}

static void nothing_of_a_command_stays_behind(void **state)
{
    static const struct reader_limits limits = {.line_bytes = READER_LINE_PRELOGIN_BYTES,
                                                .literal_bytes = READER_LINE_PRELOGIN_BYTES};
    struct imap_reader *reader = imap_reader_new(&limits, NULL, NULL);
    struct slice login = SLICE("a LOGIN u \"" SECRET),
                 more = SLICE("abcdefghijklmnopqrstuvwxyz");
    enum imap_read said = imap_reader_feed(reader, &login, NULL);

    (void) state;
    for (size_t len = 0; len < READER_LINE_PRELOGIN_BYTES / 2; len += more.len) {
        struct slice piece = more;

        assert_int_equal(said, READ_MORE);
        said = imap_reader_feed(reader, &piece, NULL);
    }
    more = SLICE("\"\r\n");
    assert_int_equal(imap_reader_feed(reader, &more, NULL), READ_COMMAND);
    assert_true(slice_search(imap_reader_text(reader).text, SLICE(SECRET)) <
                imap_reader_text(reader).text.len);
    imap_reader_next(reader);
    imap_reader_free(reader);
    assert_wiped();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_buffer_that_is_not_secret_is_seen_here, look_anew),
        cmocka_unit_test_setup(a_secret_buffer_leaves_nothing, look_anew),
        cmocka_unit_test_setup(an_initial_response_is_decoded_without_a_trace, look_anew),
        cmocka_unit_test_setup(a_message_leaves_nothing_at_either_end, look_anew),
        cmocka_unit_test_setup(what_is_shown_to_an_administrator_leaves_nothing, look_anew),
        cmocka_unit_test_setup(nothing_of_a_command_stays_behind, look_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
