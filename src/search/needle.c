#include "search/needle.h"

#include "base/ascii.h"
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

/* What RFC 5051 makes of ASCII letters: their titlecase, which is the capital. */
static void map_ascii(struct slice text, struct buf *out)
{
    char *room = buf_reserve(out, text.len);

    if (room == NULL)
        return;
    for (size_t i = 0; i < text.len; i++)
        room[i] = ascii_upper(text.ptr[i]);
    out->len += text.len;
}

bool needle_is_in(const struct needle *needle, struct slice text, struct buf *scratch)
{
    bool ascii;

    if (needle->mapped.len == 0)
        return true;
    if (text.len == 0)
        return false;
    ascii = is_ascii(text);
    if (ascii && (!needle->ascii || text.len < needle->mapped.len))
        return false;
    buf_reset(scratch);
    if (ascii)
        map_ascii(text, scratch);
    else
        mime_casemap(text, scratch);
    return slice_search(buf_slice(scratch), needle->mapped) < scratch->len;
}
