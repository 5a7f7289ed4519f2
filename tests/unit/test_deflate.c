/* test_deflate.c - a compressed conversation: whole, in pieces, with rests, and when it lies.
 */
// links: net
#include "base/arena.h"
#include "lib/test.h"
#include "net/deflate.h"

#define TALK_BYTES ((size_t) 1 << 20)
#define SEEDS      60u

static uint64_t state_of_random;

static uint32_t next(uint32_t below)
{
    state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t) (state_of_random >> 33) % below;
}

/* Words that come again, and now and then bytes that do not. */
static void add_text(struct buf *buf, size_t len)
{
    static const char *const words[] = {"* 12 FETCH (FLAGS (\\Seen) ", "UID ", "\r\n",
                                        "Subject: "};
    size_t end = buf->len + len;

    while (buf->len < end) {
        if (next(6) == 0)
            buf_byte(buf, (char) next(256));
        else
            buf_str(buf, words[next(COUNT(words))]);
    }
}

/* Base64 in lines of `line` letters (0: one line), of an alphabet of so many letters. */
static void add_letters(struct buf *buf, size_t len, size_t line, uint32_t letters)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t end = buf->len + len, n = 0;

    while (buf->len < end) {
        buf_byte(buf, alphabet[next(letters)]);
        if (++n == line) {
            buf_str(buf, "\r\n");
            n = 0;
        }
    }
}

/* Attachments among other things: begun and ended anywhere, even letters and uneven ones,
 * bytes between them that are none. */
static void add_mail(struct buf *buf)
{
    static const size_t lines[] = {76, 72, 60, 0, 900};

    for (uint32_t parts = 1 + next(6); parts > 0; parts--) {
        uint32_t kind = next(8);

        if (kind < 2)
            add_text(buf, next(3000));
        else
            add_letters(buf, next(kind < 4 ? 5000 : 30000), lines[next(COUNT(lines))],
                        kind == 7 ? 1 + next(63) : 64);
        if (next(2) == 0)
            buf_byte(buf, (char) next(256));
        if (next(3) == 0)
            buf_str(buf, "==\r\n");
    }
}

/* What comes out, asked for in pieces. */
static void inflate_all(struct inflater *inflater, struct slice wire, struct buf *out)
{
    enum rc rc = RC_MORE;

    while (wire.len > 0 || rc == RC_MORE) {
        struct slice piece = slice_sub(wire, 0, MIN(wire.len, (size_t) 1 + next(5000)));
        size_t offered = piece.len;
        struct err err;

        rc = inflater_run(inflater, &piece, 1 + next(20000), out, &err);
        assert_true(rc == RC_OK || rc == RC_MORE);
        wire = slice_from(wire, offered - piece.len);
        if (rc == RC_OK)
            assert_int_equal(piece.len, 0);
    }
}

static void one_talk(uint64_t seed)
{
    struct deflater *deflater = deflater_new();
    struct inflater *inflater = inflater_new();
    AUTO(buf_done) struct buf plain, wire, back;

    state_of_random = seed;
    buf_init(&plain, 2 * TALK_BYTES);
    buf_init(&wire, 2 * TALK_BYTES);
    buf_init(&back, 2 * TALK_BYTES);
    while (plain.len < TALK_BYTES / 4) {
        size_t from = plain.len, wire_from = wire.len;

        if (seed % 2 == 0)
            add_mail(&plain);
        else
            add_text(&plain, next(8) == 0 ? next(70000) : next(300));
        deflater_run(deflater, slice_from(buf_slice(&plain), from), &wire);
        assert_true(wire.len - wire_from <= deflate_bound(plain.len - from));
        inflate_all(inflater, slice_from(buf_slice(&wire), wire_from), &back);
        assert_true(slice_eq(buf_slice(&plain), buf_slice(&back))); /* a run is read at once */
        if (next(4) == 0) { /* both ends forget what they may */
            deflater_free(deflater);
            deflater = deflater_new();
        }
        if (next(4) == 0) {
            assert_true(inflater_can_rest(inflater));
            inflater_rest(inflater);
            assert_false(inflater_can_rest(inflater));
        }
    }
    deflater_free(deflater);
    inflater_free(inflater);
}

static void what_one_end_says_the_other_reads(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        one_talk(seed);
}

static void bytes_that_cannot_be_made_smaller_hardly_grow(void **state)
{
    struct deflater *deflater = deflater_new();
    AUTO(buf_done) struct buf plain, wire;

    (void) state;
    buf_init(&plain, TALK_BYTES);
    buf_init(&wire, 2 * TALK_BYTES);
    state_of_random = 7;
    while (plain.len < ((size_t) 64 << 10))
        buf_byte(&plain, (char) next(256));
    deflater_run(deflater, buf_slice(&plain), &wire);
    assert_true(wire.len < plain.len + 200);
    deflater_free(deflater);
}

/* 6 bits a letter, and a 50th more for line ends and what surrounds them. */
static void letters_that_never_come_again_take_6_bits(void **state)
{
    static const size_t lines[] = {76, 60, 0};

    (void) state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct deflater *deflater = deflater_new();
        AUTO(buf_done) struct buf plain, wire;

        buf_init(&plain, TALK_BYTES);
        buf_init(&wire, 2 * TALK_BYTES);
        state_of_random = 11;
        add_letters(&plain, (size_t) 64 << 10, lines[i], 64);
        deflater_run(deflater, buf_slice(&plain), &wire);
        assert_true(wire.len * 100 < plain.len * 77);
        deflater_free(deflater);
    }
}

/* Base64 of what can be made smaller is made smaller, also where it follows letters that are
 * even. */
static void letters_that_come_again_take_less(void **state)
{
    struct deflater *deflater = deflater_new();
    AUTO(buf_done) struct buf plain, wire;
    size_t even;

    (void) state;
    buf_init(&plain, TALK_BYTES);
    buf_init(&wire, 2 * TALK_BYTES);
    state_of_random = 13;
    add_letters(&plain, (size_t) 20 << 10, 76, 64);
    deflater_run(deflater, buf_slice(&plain), &wire);
    even = wire.len;
    while (plain.len < (size_t) 60 << 10)
        buf_str(&plain, "PGh0bWw+PGhlYWQ+PG1ldGEgY2hhcnNldD0idXRmLTgiPjwvaGVhZD4K\r\n");
    buf_reset(&wire);
    deflater_run(deflater, buf_slice(&plain), &wire);
    assert_true(wire.len < even + 7500); /* of 40 KiB, the rest of a stretch among it */
    deflater_free(deflater);
}

/* A thousand times its size: no more than was asked for comes at once. */
static void a_bomb_gives_what_is_asked_for(void **state)
{
    struct deflater *deflater = deflater_new();
    struct inflater *inflater = inflater_new();
    AUTO(buf_done) struct buf plain, wire, back;
    struct slice in;
    struct err err;
    size_t total = 0;
    enum rc rc = RC_MORE;

    (void) state;
    buf_init(&plain, TALK_BYTES);
    buf_init(&wire, 2 * TALK_BYTES);
    buf_init(&back, 4096);
    memset(buf_reserve(&plain, TALK_BYTES), 'a', TALK_BYTES);
    plain.len = TALK_BYTES;
    deflater_run(deflater, buf_slice(&plain), &wire);
    assert_true(wire.len < TALK_BYTES / 100);
    in = buf_slice(&wire);
    while (rc == RC_MORE) {
        buf_reset(&back);
        rc = inflater_run(inflater, &in, 4096, &back, &err);
        total += back.len;
    }
    assert_int_equal(rc, RC_OK);
    assert_int_equal(total, TALK_BYTES);
    deflater_free(deflater);
    inflater_free(inflater);
}

static void what_is_no_deflate_is_refused(void **state)
{
    const struct slice lies[] = {
        SLICE("\x07garbage"),               /* block type 3 */
        SLICE("\x00\x05\x00\x00\x00hello"), /* a stored block whose length does not agree */
        SLICE("\x03\x00"),                  /* the end of the stream */
    };

    (void) state;
    for (size_t i = 0; i < COUNT(lies); i++) {
        struct inflater *inflater = inflater_new();
        AUTO(buf_done) struct buf back;
        struct slice in = lies[i];
        struct err err;

        buf_init(&back, TALK_BYTES);
        assert_int_equal(inflater_run(inflater, &in, 4096, &back, &err), RC_SYNTAX);
        inflater_free(inflater);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_one_end_says_the_other_reads),
        cmocka_unit_test(bytes_that_cannot_be_made_smaller_hardly_grow),
        cmocka_unit_test(letters_that_never_come_again_take_6_bits),
        cmocka_unit_test(letters_that_come_again_take_less),
        cmocka_unit_test(a_bomb_gives_what_is_asked_for),
        cmocka_unit_test(what_is_no_deflate_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
