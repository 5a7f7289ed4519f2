/*
 * fuzz_digest.c - any bytes are a table: digest_open refuses it or every accessor is safe. So
 * that the fuzzer need not find a head first, half the inputs are patches to the table of a
 * message.
 */
// links: mime
#include <stdlib.h>

#include "lib/digest_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char message[] =
    "From: =?utf-8?Q?=C3=A4?= <a@b.example>\r\nTo: c@d.example\r\nSubject: Re: [x] y\r\n"
    "Date: Sat, 21 Nov 2026 20:42:26 +0100\r\nMessage-ID: <1@x>\r\nReferences: <2@x> <3@x>\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n"
    "Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nside\r\n--b--\r\n";

static void open_and_walk(struct slice table)
{
    struct digest digest;
    struct err err;

    if (digest_open(table, &digest, &err))
        return;
    (void) check_walk(&digest);
    if (digest_verify(&digest, slice_from_str(message), &err) == RC_OK &&
        !utf8_is_valid(digest_preview(&digest)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf_done) struct buf table = {0};
    struct slice patches;

    if (size == 0 || data[0] % 2 == 0) {
        open_and_walk(slice_of(data, size));
        return 0;
    }
    buf_init(&table, DIGEST_MAX_BYTES);
    digest_build(slice_from_str(message), &table);
    patches = slice_of(data + 1, size - 1);
    for (size_t i = 0; i + 3 <= patches.len; i += 3) { /* where (16 bits), what */
        size_t at =
            (size_t) (unsigned char) patches.ptr[i] << 8 | (unsigned char) patches.ptr[i + 1];

        table.ptr[at % table.len] = patches.ptr[i + 2];
    }
    open_and_walk(buf_slice(&table));
    return 0;
}
