/*
 * fuzz_mail_stream.c - any bytes as mail of an import or a backup: whatever way they come in
 * pieces, the same frames and bodies come out, and those are written to the same bytes again.
 *
 * The first byte is the size of a piece.
 */
// links: ipc
#include <assert.h>
#include <stdlib.h>

#include "ipc/mail_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct written {
    struct buf bytes;
    uint32_t left; /* of the message whose body comes */
};

static enum rc take_frame(void *ctx, const struct mail_frame *frame, struct err *err)
{
    struct written *written = ctx;

    (void) err;
    assert(written->left == 0 && frame->n_keywords <= MAIL_KEYWORDS_MAX);
    mail_frame_encode(&written->bytes, frame);
    written->left = frame->size;
    return RC_OK;
}

static enum rc take_body(void *ctx, struct slice bytes, bool end, struct err *err)
{
    struct written *written = ctx;

    (void) err;
    assert(bytes.len <= written->left);
    written->left -= (uint32_t) bytes.len;
    assert(end == (written->left == 0));
    buf_append(&written->bytes, bytes);
    return RC_OK;
}

/* Between two frames: is all of it written? */
static bool feed(struct slice input, size_t piece, struct written *out)
{
    static const struct mail_stream_events events = {take_frame, take_body};
    struct mail_stream *stream = mail_stream_new(&events, out);
    enum rc rc = RC_OK;
    bool is_whole;

    buf_init(&out->bytes, input.len + 64);
    while (rc == RC_OK && input.len > 0) {
        rc = mail_stream_feed(stream, slice_sub(input, 0, piece), NULL);
        input = slice_from(input, piece);
    }
    is_whole = rc == RC_OK && mail_stream_at_end(stream);
    mail_stream_free(stream);
    assert(!out->bytes.overflow);
    return is_whole;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct written whole = {.left = 0}, pieces = {.left = 0};
    struct slice input;

    if (size == 0)
        return 0;
    input = slice_of(data + 1, size - 1);
    if (feed(input, input.len, &whole))
        assert(slice_eq(buf_slice(&whole.bytes), input));
    (void) feed(input, (size_t) data[0] % 64 + 1, &pieces);
    assert(slice_eq(buf_slice(&whole.bytes), buf_slice(&pieces.bytes)));
    buf_done(&whole.bytes);
    buf_done(&pieces.bytes);
    return 0;
}
