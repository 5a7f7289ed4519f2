/*
 * fuzz_key_blob.c - any bytes as a blob of sort keys, and the keys of any message as a blob:
 * what is read is what was written, and what is read can be worked on.
 */
// links: search mailbox
#include <assert.h>

#include "search/key_blob.h"

#define BLOB_BYTES ((size_t) 64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct key_segment *segment)
{
    AUTO(buf_done) struct buf first, second;
    struct key_segment *again, *joined;
    uint32_t row = 0;

    buf_init(&first, BLOB_BYTES);
    buf_init(&second, BLOB_BYTES);
    key_blob_print(segment, &first);
    again = key_blob_parse(buf_slice(&first));
    assert(again != NULL);
    key_blob_print(again, &second);
    assert(slice_eq(buf_slice(&first), buf_slice(&second)));
    joined = key_segments_join(segment, again);
    assert(joined->n == segment->n);
    for (uint32_t i = 0; i < joined->n; i++)
        assert(key_segment_find(joined, segment->body[i], &row) && row == i);
    key_segment_unref(joined);
    key_segment_unref(again);
}

/* Three rows of one message: the second is left out. */
static void check_message(struct slice message)
{
    AUTO(buf_done) struct buf table;
    struct key_segment *segment;
    struct key_maker maker;
    struct digest digest;
    struct err err;

    buf_init(&table, DIGEST_MAX_BYTES);
    digest_build(message, &table);
    if (digest_open(buf_slice(&table), &digest, &err) != RC_OK)
        return;
    key_maker_start(&maker, 3, 7);
    key_maker_set(&maker, 0, 1, &digest);
    key_maker_set(&maker, 2, 9, &digest);
    key_maker_move(&maker, 2, 1);
    segment = key_maker_finish(&maker, 2);
    check(segment);
    key_segment_unref(segment);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct key_segment *segment;
    struct slice bytes = slice_of(data, size);

    if (size > 0 && data[0] == 'R') { /* of the magic */
        segment = key_blob_parse(bytes);
        if (segment != NULL)
            check(segment);
        key_segment_unref(segment);
        return 0;
    }
    check_message(bytes);
    return 0;
}
