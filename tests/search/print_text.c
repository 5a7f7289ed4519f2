/*
 * print_text.c - the search text that the server itself makes of messages, for comparison.
 *
 *   print_text < MESSAGES          digests: of each message its spans
 *   print_text casemap < STRINGS   each string casemapped
 *
 * Input is a row of byte strings, each behind its length (u32, little-endian as all numbers
 * here). For a string the second form answers length and bytes. For a message the first
 * answers: flags u32 (enum digest_flag), has_sent u8, sent_day u32, number of spans u32, then a
 * span as kind u8, part u32, name, text, value, the last three as length and bytes.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/scan.h"
#include "mime/digest.h"
#include "mime/text.h"

#define INPUT_MAX_BYTES ((size_t) 2 << 30)
#define READ_BYTES      ((size_t) 1 << 20)

static bool read_all(struct buf *input)
{
    ssize_t n;

    do {
        char *room = buf_reserve(input, READ_BYTES);

        n = room != NULL ? read(STDIN_FILENO, room, READ_BYTES) : -1;
        input->len += n > 0 ? (size_t) n : 0;
    } while (n > 0);
    return n == 0;
}

static bool put_digest(struct slice msg, struct buf *out)
{
    AUTO(buf_done) struct buf table = {.max = DIGEST_MAX_BYTES};
    struct digest_keys keys;
    struct digest digest;
    struct err err;

    digest_build(msg, &table);
    if (digest_open(buf_slice(&table), &digest, &err) != RC_OK ||
        digest_verify(&digest, msg, &err) != RC_OK) {
        (void) fprintf(stderr, "%s (%s)\n", err.text, err.detail);
        return false;
    }
    keys = digest_keys(&digest);
    buf_le32(out, digest.flags);
    buf_le8(out, keys.has_sent);
    buf_le32(out, (uint32_t) keys.sent_day);
    buf_le32(out, digest.n_spans);
    for (uint32_t i = 0; i < digest.n_spans; i++) {
        struct digest_span span = digest_span(&digest, i);

        buf_le8(out, (uint8_t) span.kind);
        buf_le32(out, span.part);
        buf_le_bytes(out, span.name);
        buf_le_bytes(out, span.text);
        buf_le_bytes(out, span.value);
    }
    return true;
}

static bool put_casemapped(struct slice text, struct buf *out)
{
    AUTO(buf_done) struct buf mapped = {.max = INPUT_MAX_BYTES};

    mime_casemap(text, &mapped);
    buf_le_bytes(out, buf_slice(&mapped));
    return true;
}

int main(int argc, char **argv)
{
    AUTO(buf_done) struct buf input = {.max = INPUT_MAX_BYTES};
    AUTO(buf_done) struct buf out = {.max = INPUT_MAX_BYTES};
    bool casemap = argc > 1 && slice_eq(slice_from_str(argv[1]), SLICE("casemap"));
    struct slice bytes;
    struct scan sc;

    if (!read_all(&input))
        return 2;
    sc = scan_of(buf_slice(&input));
    while (scan_le_bytes(&sc, INPUT_MAX_BYTES, &bytes)) {
        if (!(casemap ? put_casemapped(bytes, &out) : put_digest(bytes, &out)))
            return 1;
        if (fwrite(out.ptr, 1, out.len, stdout) != out.len)
            return 2;
        buf_reset(&out);
    }
    return scan_done(&sc) && fflush(stdout) == 0 ? 0 : 2;
}
