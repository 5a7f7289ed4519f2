/*
 * fuzz_lmtp.c - any bytes are a client's: its commands, and behind DATA a message. Addresses
 * hold nothing that ends a header line; a message ends at its first CRLF.CRLF and nowhere else;
 * where the network cuts it changes nothing; and of a header only Return-Path goes.
 */
// links: lmtp
#include <stdio.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "lmtp/parse.h"
#include "lmtp/trace.h"
#include "mime/crlf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define require(holds)                                                                         \
    do {                                                                                       \
        if (!(holds)) {                                                                        \
            (void) fprintf(stderr, "line %d: %s\n", __LINE__, #holds);                         \
            abort();                                                                           \
        }                                                                                      \
    } while (0)

static bool is_one_line(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (ascii_is_ctl(text.ptr[i]))
            return false;
    }
    return utf8_is_valid(text);
}

static void check_command(struct slice line)
{
    struct lmtp_command command;
    struct err err;
    struct trace trace = {.hostname = "h"};
    AUTO(buf_done) struct buf out = {0};

    if (lmtp_parse_command(line, &command, &err) != RC_OK)
        return;
    require(is_one_line(command.argument) && command.argument.len <= LMTP_PATH_BYTES);
    trace.sender = trace.recipient = trace.helo = command.argument;
    buf_init(&out, 8192);
    trace_print(&trace, &out);
    require(!out.overflow && slice_count(buf_slice(&out), '\n') == 5);
}

/* Where the message ends, found the slow way: behind the first CRLF.CRLF, a CRLF being thought
 * before the first byte. */
static bool find_end(struct slice wire, size_t *out)
{
    const struct slice end = SLICE("\r\n.\r\n");

    if (slice_starts(wire, SLICE(".\r\n"))) {
        *out = 3;
        return true;
    }
    for (size_t at = 0; at + end.len <= wire.len; at++) {
        if (slice_eq(slice_sub(wire, at, end.len), end)) {
            *out = at + end.len;
            return true;
        }
    }
    return false;
}

struct taken {
    struct buf content; /* transparency undone */
    struct buf stored;  /* CRLF line ends, without Return-Path */
    size_t used;
    bool ended;
    struct trace_filter filter;
};

/* As a connection does, with the network cutting after each `step` bytes. */
static void take(struct slice wire, size_t step, struct taken *out)
{
    struct lmtp_dot dot = {0};
    struct crlf crlf = {0};
    AUTO(buf_done) struct buf lines = {0};

    buf_init(&out->content, wire.len + 2);
    buf_init(&out->stored, 2 * wire.len + TRACE_NAME_BYTES);
    buf_init(&lines, 2 * wire.len + 4);
    while (out->used < wire.len && !out->ended) {
        struct slice piece = slice_sub(wire, out->used, step);
        size_t had = piece.len, from = out->content.len;

        out->ended = lmtp_dot_feed(&dot, &piece, &out->content);
        require(out->content.len - from <= had + 2);
        out->used += had - piece.len;
        buf_reset(&lines);
        crlf_feed(&crlf, slice_from(buf_slice(&out->content), from), &lines);
        trace_filter_feed(&out->filter, buf_slice(&lines), &out->stored);
    }
    trace_filter_end(&out->filter, &out->stored);
    require(!out->content.overflow && !out->stored.overflow && !lines.overflow);
}

static void taken_done(struct taken *taken)
{
    buf_done(&taken->content);
    buf_done(&taken->stored);
}

/* RFC 5321 4.5.2, the client's side: a dot before each line that begins with one. */
static void make_transparent(struct slice content, struct buf *out)
{
    bool begins = true;

    for (size_t i = 0; i < content.len; i++) {
        if (begins && content.ptr[i] == '.')
            buf_byte(out, '.');
        buf_byte(out, content.ptr[i]);
        begins = i > 0 && content.ptr[i] == '\n' && content.ptr[i - 1] == '\r';
    }
    buf_str(out, begins ? ".\r\n" : "\r\n.\r\n");
}

static void check_round_trip(struct slice content)
{
    AUTO(buf_done) struct buf wire = {0};
    AUTO(taken_done) struct taken taken = {0};

    buf_init(&wire, 2 * content.len + 16);
    make_transparent(content, &wire);
    take(buf_slice(&wire), wire.len, &taken);
    require(taken.ended && taken.used == wire.len);
    require(slice_starts(buf_slice(&taken.content), content));
    require(taken.content.len <= content.len + 2);
}

static void check_message(struct slice wire, size_t step)
{
    AUTO(taken_done) struct taken whole = {0};
    AUTO(taken_done) struct taken cut = {0};
    size_t end = wire.len;
    bool ends = find_end(wire, &end);

    take(wire, wire.len, &whole);
    take(wire, step, &cut);
    require(whole.ended == ends && whole.used == end);
    require(cut.ended == ends && cut.used == end);
    require(slice_eq(buf_slice(&whole.content), buf_slice(&cut.content)));
    require(slice_eq(buf_slice(&whole.stored), buf_slice(&cut.stored)));
    require(slice_eq(trace_message_id(&whole.filter), trace_message_id(&cut.filter)));
    require(is_one_line(trace_message_id(&whole.filter)) ||
            !utf8_is_valid(trace_message_id(&whole.filter)));
    check_round_trip(wire);
}

/* The first byte says how the network cuts; the rest are lines, and once more a message. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = slice_of(data, size), rest;

    if (size == 0)
        return 0;
    rest = slice_from(all, 1);
    check_message(rest, (size_t) data[0] % 32 + 1);
    while (rest.len > 0) {
        size_t at = slice_find(rest, '\n');
        struct slice line = slice_sub(rest, 0, at);

        if (slice_ends(line, SLICE("\r")))
            line.len--;
        check_command(slice_sub(line, 0, LMTP_LINE_BYTES));
        rest = slice_from(rest, at + 1);
    }
    return 0;
}
