#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scan.h"

#define READ_BYTES       ((size_t) 256 << 10)
#define TAGGED_MAX_BYTES ((size_t) 1 << 10) /* of a tagged line */

void wire_init(struct wire *wire, const char *scenario, unsigned user)
{
    *wire = (struct wire){.scenario = scenario, .user = user, .fd = -1};
    buf_init(&wire->in, WIRE_BUFFER_MAX_BYTES);
    buf_init(&wire->out, WIRE_BUFFER_MAX_BYTES);
    buf_init(&wire->packed, WIRE_BUFFER_MAX_BYTES);
}

void wire_done(struct wire *wire)
{
    wire_close(wire);
    buf_done(&wire->in);
    buf_done(&wire->out);
    buf_done(&wire->packed);
}

_Noreturn void wire_wrong(const struct wire *wire, const char *what, struct slice line)
{
    (void) fprintf(stderr, "load: %s, user %u: %s: %.*s\n", wire->scenario, wire->user, what,
                   SLICE_ARG(slice_sub(line, 0, 300)));
    exit(1);
}

void wire_open(struct wire *wire, const char *host, uint16_t port, SSL_CTX *context)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1;

    if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
        die("load: %s is no IPv4 address", host);
    wire->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void) setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (wire->fd < 0 || connect(wire->fd, (struct sockaddr *) &to, sizeof(to)) != 0)
        die("load: port %u: %s", port, strerror(errno));
    buf_reset(&wire->in);
    wire->at = 0;
    if (context == NULL)
        return;
    wire->ssl = SSL_new(context);
    if (wire->ssl == NULL || SSL_set_fd(wire->ssl, wire->fd) != 1 ||
        SSL_connect(wire->ssl) != 1)
        wire_wrong(wire, "no TLS", SLICE(""));
}

void wire_close(struct wire *wire)
{
    if (wire->ssl != NULL) {
        (void) SSL_shutdown(wire->ssl); /* the other side's close_notify is not waited for */
        SSL_free(wire->ssl);
    }
    deflater_free(wire->deflater);
    inflater_free(wire->inflater);
    wire->ssl = NULL;
    wire->deflater = NULL;
    wire->inflater = NULL;
    if (wire->fd >= 0)
        (void) close(wire->fd);
    wire->fd = -1;
}

void wire_rest(struct wire *wire)
{
    buf_consume(&wire->in, wire->at);
    wire->at = 0;
    buf_shrink(&wire->in, 0);
    buf_shrink(&wire->out, 0);
    buf_shrink(&wire->packed, 0);
}

static void send_bytes(struct wire *wire, struct slice rest)
{
    while (rest.len > 0) {
        ssize_t n = wire->ssl != NULL
                        ? SSL_write(wire->ssl, rest.ptr, (int) MIN(rest.len, (size_t) 1 << 30))
                        : write(wire->fd, rest.ptr, rest.len);

        if (n <= 0)
            wire_wrong(wire, "write", slice_from_str(strerror(errno)));
        rest = slice_from(rest, (size_t) n);
    }
}

void wire_send(struct wire *wire)
{
    if (wire->deflater != NULL) {
        AUTO(buf_done) struct buf packed;

        buf_init(&packed, WIRE_BUFFER_MAX_BYTES);
        deflater_run(wire->deflater, buf_slice(&wire->out), &packed);
        send_bytes(wire, buf_slice(&packed));
    } else {
        send_bytes(wire, buf_slice(&wire->out));
    }
    buf_reset(&wire->out);
}

/* What comes from below, behind what `to` holds. */
static void receive(struct wire *wire, struct buf *to)
{
    char *room = buf_reserve(to, READ_BYTES);
    ssize_t n;

    if (room == NULL)
        wire_wrong(wire, "an answer without end", SLICE(""));
    n = wire->ssl != NULL ? SSL_read(wire->ssl, room, (int) READ_BYTES)
                          : read(wire->fd, room, READ_BYTES);
    if (n <= 0)
        wire_wrong(wire, "the server closed", SLICE(""));
    to->len += (size_t) n;
    wire->n_received += (uint64_t) n;
}

static void inflate_some(struct wire *wire)
{
    size_t before = wire->in.len;
    struct slice in;
    struct err err;
    enum rc rc;

    if (wire->packed.len == 0 && !wire->has_more)
        receive(wire, &wire->packed);
    in = buf_slice(&wire->packed);
    rc = inflater_run(wire->inflater, &in, READ_BYTES, &wire->in, &err);
    if (rc != RC_OK && rc != RC_MORE &&
        wire->in.len == before) /* it may end with its last bytes */
        wire_wrong(wire, "not DEFLATE", slice_from_str(err.detail));
    wire->has_more = rc == RC_MORE;
    buf_consume(&wire->packed, wire->packed.len - in.len);
}

/* One byte at least behind at, but for a compressed run without bytes. What lies before is let
 * go, so earlier slices end here. */
static void read_some(struct wire *wire)
{
    buf_consume(&wire->in, wire->at);
    wire->at = 0;
    if (wire->inflater != NULL)
        inflate_some(wire);
    else
        receive(wire, &wire->in);
}

static struct slice unread(const struct wire *wire)
{
    return slice_from(buf_slice(&wire->in), wire->at);
}

bool wire_has_line(const struct wire *wire)
{
    struct slice rest = unread(wire);

    return slice_find(rest, '\n') < rest.len;
}

/* The end of the line that begins `from` bytes behind at, its LF included, from at on. */
static size_t line_end(struct wire *wire, size_t from)
{
    size_t looked = from;

    for (;;) {
        struct slice rest = unread(wire);

        if (looked < rest.len) {
            size_t end = looked + slice_find(slice_from(rest, looked), '\n');

            if (end < rest.len) {
                if (end == from || rest.ptr[end - 1] != '\r')
                    wire_wrong(wire, "bare LF", slice_from(rest, from));
                return end + 1;
            }
            looked = rest.len;
        }
        read_some(wire);
    }
}

struct slice wire_line(struct wire *wire)
{
    size_t len = line_end(wire, 0);
    struct slice line = slice_sub(unread(wire), 0, len - 2);

    wire->at += len;
    return line;
}

struct slice wire_bytes(struct wire *wire, size_t len)
{
    struct slice bytes;

    while (wire->in.len - wire->at < len)
        read_some(wire);
    bytes = slice_sub(unread(wire), 0, len);
    wire->at += len;
    return bytes;
}

/* "...{123}": the literal that follows the line. */
static bool ends_with_literal(struct slice line, size_t *out_len)
{
    size_t open;
    uint64_t len;

    if (line.len < 3 || line.ptr[line.len - 1] != '}')
        return false;
    open = slice_rfind(line, '{');
    if (open >= line.len || !slice_to_u64(slice_sub(line, open + 1, line.len - open - 2), &len))
        return false;
    *out_len = (size_t) len;
    return true;
}

struct slice wire_response(struct wire *wire)
{
    size_t len = line_end(wire, 0), begin = 0, literal;
    struct slice all;

    while (ends_with_literal(slice_sub(unread(wire), begin, len - 2 - begin), &literal)) {
        while (wire->in.len - wire->at < len + literal)
            read_some(wire);
        begin = len + literal;
        len = line_end(wire, begin);
    }
    all = slice_sub(unread(wire), 0, len - 2);
    wire->at += len;
    return all;
}

void wire_begin(struct wire *wire)
{
    buf_byte(&wire->out, 'a');
    buf_u64(&wire->out, ++wire->tag);
    buf_byte(&wire->out, ' ');
}

struct slice wire_check_tagged(const struct wire *wire, struct slice line, uint32_t tag)
{
    struct scan sc = scan_of(line);
    uint32_t got;

    if (!scan_byte(&sc, 'a') || !scan_u32(&sc, &got) || got != tag ||
        !scan_literal(&sc, SLICE(" OK ")))
        wire_wrong(wire, "not the OK that was due", line);
    return scan_rest(&sc);
}

struct slice wire_skip_untagged(struct wire *wire)
{
    struct slice line = wire_response(wire);

    while (slice_starts(line, SLICE("* ")))
        line = wire_response(wire);
    return line;
}

struct slice wire_await_ok(struct wire *wire)
{
    return wire_check_tagged(wire, wire_skip_untagged(wire), wire->tag);
}

bool wire_is_progress(struct slice line)
{
    return slice_starts(line, SLICE("* OK [INPROGRESS "));
}

/* Where the last line of rest begins, whether or not it has ended; rest.len if all of it is
 * more than a tagged line has. */
static size_t last_line(struct slice rest)
{
    size_t skipped = rest.len > TAGGED_MAX_BYTES ? rest.len - TAGGED_MAX_BYTES : 0;
    struct slice tail = slice_sub(rest, skipped, rest.len - skipped);
    size_t before;

    if (tail.len > 0 && tail.ptr[tail.len - 1] == '\n')
        tail.len--;
    before = slice_rfind(tail, '\n');
    if (before < tail.len)
        return skipped + before + 1;
    return skipped > 0 ? rest.len : 0;
}

static bool is_tagged(const struct wire *wire, struct slice line)
{
    struct scan sc = scan_of(line);
    uint32_t got;

    return slice_ends(line, SLICE("\r\n")) && scan_byte(&sc, 'a') && scan_u32(&sc, &got) &&
           got == wire->tag && scan_byte(&sc, ' ');
}

/* A server that works is silent before it tells of it, so such a line comes first in a piece.
 */
static void skip_progress(struct wire *wire)
{
    while (wire_is_progress(unread(wire)))
        (void) wire_line(wire);
}

uint64_t wire_hash_to_tagged(struct wire *wire, XXH3_state_t *hash)
{
    uint64_t n_bytes = 0;

    for (;;) {
        struct slice rest;
        size_t last;
        bool is_last;

        skip_progress(wire);
        rest = unread(wire);
        last = last_line(rest);
        is_last = is_tagged(wire, slice_from(rest, last));
        if (!is_last && slice_ends(rest, SLICE("\n")))
            last = rest.len;
        (void) XXH3_64bits_update(hash, rest.ptr, last);
        n_bytes += last;
        wire->at += last;
        if (is_last)
            return n_bytes;
        read_some(wire);
    }
}

PRINTF_LIKE(2, 0)
static void print_command(struct wire *wire, const char *fmt, va_list args)
{
    char text[1024];
    int len = vsnprintf(text, sizeof(text), fmt, args);

    if (len < 0 || (size_t) len >= sizeof(text))
        die("load: a command longer than its buffer");
    wire_begin(wire);
    buf_str(&wire->out, text);
    buf_str(&wire->out, "\r\n");
    wire_send(wire);
}

void wire_command(struct wire *wire, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    print_command(wire, fmt, args);
    va_end(args);
    (void) wire_await_ok(wire);
}

void wire_try(struct wire *wire, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    print_command(wire, fmt, args);
    va_end(args);
    (void) wire_skip_untagged(wire);
}

void wire_log_in(struct wire *wire, const char *password)
{
    struct slice line = wire_line(wire);

    if (!slice_starts(line, SLICE("* OK ")))
        wire_wrong(wire, "greeting", line);
    wire_command(wire, "LOGIN u%u %s", wire->user, password);
}

void wire_log_out(struct wire *wire)
{
    struct slice line;

    wire_begin(wire);
    buf_str(&wire->out, "LOGOUT\r\n");
    wire_send(wire);
    line = wire_line(wire);
    if (!slice_starts(line, SLICE("* BYE")))
        wire_wrong(wire, "no BYE", line);
    (void) wire_check_tagged(wire, wire_line(wire), wire->tag);
    wire_close(wire);
}

void wire_compress(struct wire *wire)
{
    wire_command(wire, "COMPRESS DEFLATE");
    if (wire->in.len > wire->at)
        wire_wrong(wire, "bytes behind the OK of COMPRESS", unread(wire));
    wire->deflater = deflater_new();
    wire->inflater = inflater_new();
}

void wire_expect_reply(struct wire *wire, struct slice code)
{
    struct slice line = wire_line(wire);

    while (line.len > 3 && line.ptr[3] == '-')
        line = wire_line(wire);
    if (!slice_starts(line, code))
        wire_wrong(wire, "not the reply that was due", line);
}
