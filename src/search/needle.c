#include "search/needle.h"

#include <assert.h>

#include "base/utf8.h"
#include "mime/text.h"

#define COLLATED_WORK 8u /* measured over mail that is mostly ASCII */

/* Bytes of casemapped mail, the most frequent first; those that are not here are rarer. */
static const char frequent[] = " ETAOINSRLHDCU.MP0G1FYBW2-KV/=3,45:698\r\n7\"<>_)(;X@J";

static size_t rank_of(char byte)
{
    const char *at = memchr(frequent, byte, sizeof(frequent) - 1);

    return at != NULL ? (size_t) (at - frequent) : sizeof(frequent);
}

static size_t find_rarest(struct slice mapped)
{
    size_t rarest = 0;

    for (size_t i = 1; i < mapped.len; i++)
        if (rank_of(mapped.ptr[i]) > rank_of(mapped.ptr[rarest]))
            rarest = i;
    return rarest;
}

void needle_init(struct needle *needle, struct slice text, struct arena *arena)
{
    AUTO(buf_done) struct buf mapped = {0};

    buf_init(&mapped, text.len * NEEDLE_FACTOR + 1);
    mime_casemap(text, &mapped);
    *needle = (struct needle){.mapped = arena_dup(arena, buf_slice(&mapped))};
    needle->ascii = utf8_is_ascii(needle->mapped);
    needle->rare = find_rarest(needle->mapped);
}

static struct slice capitals(struct slice text, struct arena *arena)
{
    AUTO(buf_done) struct buf out = {0};

    buf_init(&out, text.len + 1);
    mime_casemap_ascii(text, &out);
    return arena_dup(arena, buf_slice(&out));
}

void needle_init_by(struct needle *needle, struct slice text, const struct comparison *by,
                    struct arena *arena)
{
    needle_init(needle, text, arena);
    needle->kind = by->kind;
    needle->collator = by->collator;
    switch (by->kind) {
    case COMPARATOR_UNICODE_CASEMAP:
        break;
    case COMPARATOR_ASCII_CASEMAP:
        needle->plain = capitals(text, arena);
        break;
    case COMPARATOR_OCTET:
        needle->plain = text;
        break;
    case COMPARATOR_LANGUAGE:
        collator_needle(by->collator, text, arena, &needle->collated);
        break;
    }
}

uint64_t needle_work(const struct needle *needle)
{
    return needle->kind == COMPARATOR_LANGUAGE ? COLLATED_WORK : 1;
}

bool needle_may_prune(const struct needle *needle)
{
    return needle->kind != COMPARATOR_LANGUAGE || needle->mapped.len == 0;
}

bool needle_is_casemapped(const struct needle *needle)
{
    return needle->kind == COMPARATOR_UNICODE_CASEMAP || needle->mapped.len == 0;
}

bool needle_finds_by_bytes(const struct needle *needle)
{
    return needle->kind != COMPARATOR_LANGUAGE;
}

/* The first block of text: no character is cut in two. */
static struct slice first_block(struct slice text, size_t len)
{
    struct slice block = utf8_cut(text, len);

    return block.len > 0 ? block : slice_sub(text, 0, len); /* no UTF-8 */
}

/* Of each so many bytes of text one may be the rare one and not in the needle. */
#define RARE_BYTES      32u
#define RARE_FIRST_MANY 8u
#define RARE_NEEDLE_MAX                                                                        \
    64u /* each of them is compared with the needle: no longer than this                       \
         */

/* needle->mapped is not empty. */
static bool is_in_mapped(const struct needle *needle, struct slice text)
{
    size_t n = needle->mapped.len, at = needle->rare, in_vain = 0;

    while (n <= RARE_NEEDLE_MAX && at < text.len && text.len - at >= n - needle->rare &&
           in_vain <= RARE_FIRST_MANY + at / RARE_BYTES) {
        const char *rare = memchr(text.ptr + at, needle->mapped.ptr[needle->rare],
                                  text.len - at - (n - needle->rare - 1));

        if (rare == NULL)
            return false;
        if (memcmp(rare - needle->rare, needle->mapped.ptr, n) == 0)
            return true;
        at = (size_t) (rare - text.ptr) + 1;
        in_vain++;
    }
    text = slice_from(text, at - needle->rare); /* it begins nowhere before */
    return slice_search(text, needle->mapped) < text.len;
}

/*
 * Block by block, so that the mapped text of a large one is never there as a whole. Before each
 * block stands the end of the one before, one byte less than the needle. A block is no shorter
 * than the needle, so the work stays linear.
 */
static bool is_in_casemapped(const struct needle *needle, struct slice text,
                             struct buf *scratch)
{
    size_t n = needle->mapped.len, block_len = MAX(NEEDLE_BLOCK_BYTES, n);
    bool ascii = utf8_is_ascii(text), found = n == 0;

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
        found = is_in_mapped(needle, buf_slice(scratch));
        if (scratch->len >= n)
            buf_consume(scratch, scratch->len - (n - 1));
    }
    return found;
}

/* As above: a block, and before it the end of the one before. */
static bool is_in_capitals(const struct needle *needle, struct slice text, struct buf *scratch)
{
    size_t n = needle->plain.len, block_len = MAX(NEEDLE_BLOCK_BYTES, n);
    bool found = n == 0;

    buf_reset(scratch);
    while (!found && text.len > 0) {
        struct slice block = slice_sub(text, 0, block_len);

        text = slice_from(text, block.len);
        mime_casemap_ascii(block, scratch);
        assert(!scratch->overflow);
        found = slice_search(buf_slice(scratch), needle->plain) < scratch->len;
        if (scratch->len >= n)
            buf_consume(scratch, scratch->len - (n - 1));
    }
    return found;
}

bool needle_is_in(const struct needle *needle, struct slice text, struct buf *scratch)
{
    switch (needle->kind) {
    case COMPARATOR_UNICODE_CASEMAP:
        return is_in_casemapped(needle, text, scratch);
    case COMPARATOR_ASCII_CASEMAP:
        return is_in_capitals(needle, text, scratch);
    case COMPARATOR_OCTET:
        return needle->plain.len == 0 || slice_search(text, needle->plain) < text.len;
    case COMPARATOR_LANGUAGE:
        return collator_finds(needle->collator, &needle->collated, text);
    }
    return false;
}
