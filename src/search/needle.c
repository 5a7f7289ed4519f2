#include "search/needle.h"

#include <assert.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "mime/text.h"

static bool is_ascii(struct slice text)
{
    size_t i = 0;

    for (; i + 8 <= text.len; i += 8) {
        uint64_t word;

        memcpy(&word, text.ptr + i, 8);
        if ((word & 0x8080808080808080u) != 0)
            return false;
    }
    for (; i < text.len; i++)
        if (ascii_is_8bit(text.ptr[i]))
            return false;
    return true;
}

void needle_init(struct needle *needle, struct slice text, struct arena *arena)
{
    AUTO(buf_done) struct buf mapped;

    buf_init(&mapped, text.len * NEEDLE_FACTOR + 1);
    mime_casemap(text, &mapped);
    needle->mapped = arena_dup(arena, buf_slice(&mapped));
    needle->ascii = is_ascii(needle->mapped);
}

/* The first block of text: no character is cut in two. */
static struct slice first_block(struct slice text, size_t len)
{
    struct slice block = utf8_cut(text, len);

    return block.len > 0 ? block : slice_sub(text, 0, len); /* no UTF-8 */
}

/*
 * Block by block, so that the mapped text of a large one is never there as a whole. Before each
 * block stands the end of the one before, one byte less than the needle. A block is no shorter
 * than the needle, so the work stays linear.
 */
bool needle_is_in(const struct needle *needle, struct slice text, struct buf *scratch)
{
    size_t n = needle->mapped.len, block_len = MAX(NEEDLE_BLOCK_BYTES, n);
    bool ascii = is_ascii(text), found = n == 0;

    if (!found && ascii && (!needle->ascii || text.len < n))
        return false;
    buf_reset(scratch);
    while (!found && text.len > 0) {
        struct slice block = first_block(text, block_len);

        text = slice_from(text, block.len);
        if (ascii)
            mime_casemap_ascii(block, scratch);
        else
            mime_casemap(block, scratch);
        assert(!scratch->overflow);
        found = slice_search(buf_slice(scratch), needle->mapped) < scratch->len;
        if (scratch->len >= n)
            buf_consume(scratch, scratch->len - (n - 1));
    }
    return found;
}
