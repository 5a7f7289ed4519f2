/*
 * wire.h - one connection to a server that is measured: straight blocking code, plain, over TLS
 * or through COMPRESS=DEFLATE.
 *
 * What a server answers is checked where it is read; what is not due ends the program with
 * status 1 and says what came instead. A TLS connection is always a full handshake, and the
 * certificate is not looked at. One thread uses a wire.
 */
#ifndef ROOST_BENCH_WIRE_H
#define ROOST_BENCH_WIRE_H

#include <openssl/ssl.h>
#include <xxhash.h>

#include "base/buf.h"
#include "net/deflate.h"

#define WIRE_BUFFER_MAX_BYTES ((size_t) 256 << 20) /* more unread of one answer is a fault */

struct wire {
    const char *scenario; /* what to name when something is wrong */
    unsigned user;
    int fd;
    SSL *ssl; /* NULL: without TLS */
    struct deflater *deflater;
    struct inflater *inflater; /* NULL: without COMPRESS */
    bool has_more;             /* the inflater holds bytes that `in` had no room for */
    struct buf in, out, packed;
    size_t at; /* in.ptr[at..] is not looked at yet */
    uint32_t tag;
    uint64_t n_received; /* bytes as they came, below TLS's plaintext */
};

void wire_init(struct wire *wire, const char *scenario, unsigned user);
void wire_done(struct wire *wire);

_Noreturn void wire_wrong(const struct wire *wire, const char *what, struct slice line);

/* Connect; context: TLS from the first byte. The greeting is not read. */
void wire_open(struct wire *wire, const char *host, uint16_t port, SSL_CTX *context);
void wire_close(struct wire *wire);
/* Keep no more memory than a connection at rest needs. */
void wire_rest(struct wire *wire);

/* Sends what was printed into wire->out. */
void wire_send(struct wire *wire);
/* Is there something to read without waiting? */
bool wire_has_line(const struct wire *wire);
/* A line without its CRLF; valid until the next is read. */
struct slice wire_line(struct wire *wire);
struct slice wire_bytes(struct wire *wire, size_t len);
/* A line with the literals in it and what follows them, without the last CRLF. */
struct slice wire_response(struct wire *wire);

/* ---- IMAP ---- */

/* The greeting, then LOGIN uN PASSWORD. */
void wire_log_in(struct wire *wire, const char *password);
void wire_log_out(struct wire *wire);
/* A new tag into wire->out. */
void wire_begin(struct wire *wire);
/* "aN OK ...", N being tag; what follows OK. */
struct slice wire_check_tagged(const struct wire *wire, struct slice line, uint32_t tag);
/* Answers up to the tagged OK are not looked at. */
struct slice wire_await_ok(struct wire *wire);
/* All that comes before the tagged OK into hash, unread, but for lines that tell of progress
 * (RFC 9585); how many bytes. The cheapest way to take an answer: what is in it is looked at
 * when no clock runs. */
uint64_t wire_hash_to_tagged(struct wire *wire, XXH3_state_t *hash);
/* A command and its OK. */
void wire_command(struct wire *wire, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same, where NO is as good. */
void wire_try(struct wire *wire, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The next line that is not untagged. */
struct slice wire_skip_untagged(struct wire *wire);
void wire_compress(struct wire *wire);

/* "* OK [INPROGRESS ...": a server may say so while it works. */
bool wire_is_progress(struct slice line);

/* ---- LMTP ---- */

/* The last line of a reply that begins with code. */
void wire_expect_reply(struct wire *wire, struct slice code);

#endif
