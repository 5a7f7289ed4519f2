/*
 * judge.c - reads what a server said, on standard input, and judges it by the strict reader of
 * imap/response.h. The first response that is not in the grammar is printed, and the exit code
 * is 1; else the number of responses is.
 */
#include <unistd.h>

#include "imap/response.h"

#define INPUT_MAX_BYTES   ((size_t) 2 << 30)
#define READ_BYTES        ((size_t) 1 << 20)
#define JUDGE_ARENA_BYTES ((size_t) 1 << 30)
#define SHOWN_BYTES       2000

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

static int judge(struct slice bytes, struct arena *arena)
{
    const struct imap_mode mode = {0};
    struct imap_response response;
    unsigned long n = 0;

    while (bytes.len > 0) {
        struct imap_framer framer = {0};
        struct err err;
        size_t len;

        arena_reset(arena);
        if (imap_frame_response(&framer, bytes, &len) != RC_OK)
            len = bytes.len;
        if (imap_parse_response(slice_sub(bytes, 0, len), mode, arena, &response, &err)) {
            (void) printf("response %lu: %s (%s): %.*s\n", n, err.text, err.detail, SHOWN_BYTES,
                          arena_cstr(arena, slice_sub(bytes, 0, len)));
            return 1;
        }
        bytes = slice_from(bytes, len);
        n++;
    }
    (void) printf("%lu\n", n);
    return 0;
}

int main(void)
{
    struct arena *arena = arena_new(JUDGE_ARENA_BYTES);
    struct buf input = {.max = INPUT_MAX_BYTES};
    int code = read_all(&input) ? judge(buf_slice(&input), arena) : 2;

    buf_done(&input);
    arena_free(arena);
    return code;
}
