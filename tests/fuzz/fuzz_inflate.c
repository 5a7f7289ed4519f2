/*
 * fuzz_inflate.c - what a peer sends after COMPRESS: in one piece and in pieces with rests, to
 * the same end. The first byte says how long the pieces are.
 */
// links: net
#include <assert.h>

#include "net/deflate.h"

#define OUT_MAX ((size_t) 4 << 20) /* a bomb is not followed further */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* RC_MORE: OUT_MAX was reached. */
static enum rc inflate(struct slice in, size_t piece_len, size_t max, bool rests,
                       struct buf *out)
{
    struct inflater *inflater = inflater_new();
    enum rc rc = RC_OK;

    while ((in.len > 0 || rc == RC_MORE) && rc != RC_SYNTAX && out->len + max <= OUT_MAX) {
        struct slice piece = slice_sub(in, 0, MIN(in.len, piece_len));
        size_t before = out->len, offered = piece.len;
        struct err err;

        rc = inflater_run(inflater, &piece, max, out, &err);
        assert(out->len - before <= max);
        assert(rc != RC_MORE || out->len - before == max);
        assert(rc != RC_OK || piece.len == 0);
        in = slice_from(in, offered - piece.len);
        if (rests)
            inflater_rest(inflater);
    }
    inflater_free(inflater);
    return in.len > 0 && rc != RC_SYNTAX ? RC_MORE : rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf_done) struct buf whole, pieces;
    struct slice in;
    enum rc first, second;

    if (size < 1)
        return 0;
    in = slice_of(data + 1, size - 1);
    buf_init(&whole, OUT_MAX);
    buf_init(&pieces, OUT_MAX);
    first = inflate(in, in.len, (size_t) 16 << 10, false, &whole);
    second = inflate(in, (size_t) data[0] + 1, (size_t) 16 << 10, true, &pieces);
    if (first == RC_MORE || second == RC_MORE)
        return 0;
    assert(first == second);
    assert(first == RC_SYNTAX || slice_eq(buf_slice(&whole), buf_slice(&pieces)));
    return 0;
}
