#include "mime/msgid.h"

#include "base/ascii.h"

bool msgid_next(struct scan *sc, struct slice *out)
{
    struct slice rest = scan_rest(sc), taken;
    size_t start = 0;

    for (size_t i = 0; i < rest.len; i++) {
        if (rest.ptr[i] == '<')
            start = i + 1;
        if (rest.ptr[i] != '>' || start == 0)
            continue;
        if (i > start && i - start <= MSGID_MAX_BYTES) {
            *out = slice_sub(rest, start, i - start);
            (void) scan_take(sc, i + 1, &taken);
            return true;
        }
        start = 0;
    }
    return false;
}

void msgid_normalise(struct slice id, struct buf *out)
{
    for (size_t i = 0; i < id.len; i++)
        if (!ascii_is_space(id.ptr[i]) && id.ptr[i] != '"' && id.ptr[i] != '\\' &&
            id.ptr[i] != '\0')
            buf_byte(out, id.ptr[i]);
}
