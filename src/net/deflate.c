#include "net/deflate.h"

#include <assert.h>
#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <sys/mman.h>

#include "net/deflate_letters.h"

/* Mail of 4 KB takes 1.14 of what zlib makes of it at its usual level, at some fifteen times
 * its speed; level 1 takes 1.17 and is hardly faster, level 3 takes 1.12 and half of the speed.
 */
#define DEFLATE_LEVEL     2
#define DEFLATE_LEVEL_BUF ISAL_DEF_LVL2_SMALL /* blocks of some 16 Ki symbols */
#define INFLATE_PIECE     ((size_t) 16 << 10) /* written between two looks at the window */

/* Stored blocks are the worst case: 5 bytes for each 64 KiB, begun anew by each flush; and the
 * empty block of the flush. Generous, since the library may cut blocks as it likes. */
static size_t matching_bound(size_t len)
{
    return len + len / 1024 + 1024;
}

/* Letters and the rest may take turns. */
size_t deflate_bound(size_t len)
{
    return len + len / 16 + 2048;
}

/* From the kernel and back to it: memory that thousands of sessions give back at rest is to be
 * free for others, wherever the heap has grown meanwhile. */
static void *state_new(size_t bytes)
{
    void *state = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (state == MAP_FAILED)
        die("out of memory: %zu bytes", bytes);
    return state;
}

static void state_free(void *state, size_t bytes)
{
    if (state != NULL && munmap(state, bytes) != 0)
        die("munmap: %s", strerror(errno));
}

/* ---- deflate ---- */

struct deflater {
    struct letters_code letters;
    struct isal_zstream stream;
    uint8_t level_buf[DEFLATE_LEVEL_BUF];
};

struct deflater *deflater_new(void)
{
    struct deflater *deflater = state_new(sizeof(*deflater));

    letters_init(&deflater->letters);
    isal_deflate_init(&deflater->stream);
    deflater->stream.level = DEFLATE_LEVEL;
    deflater->stream.level_buf = deflater->level_buf;
    deflater->stream.level_buf_size = sizeof(deflater->level_buf);
    deflater->stream.flush = SYNC_FLUSH;
    return deflater;
}

void deflater_free(struct deflater *deflater)
{
    state_free(deflater, sizeof(*deflater));
}

/* Whatever has been said before. */
static void run_matching(struct isal_zstream *stream, struct slice plain, struct buf *out)
{
    size_t bound = matching_bound(plain.len);
    char *room = buf_reserve(out, bound);
    int rc;

    assert(room != NULL && plain.len <= UINT32_MAX / 2);
    stream->next_in = (uint8_t *) (uintptr_t) plain.ptr; /* read only */
    stream->avail_in = (uint32_t) plain.len;
    stream->next_out = (uint8_t *) room;
    stream->avail_out = (uint32_t) bound;
    rc = isal_deflate(stream);
    if (rc != COMP_OK || stream->avail_in != 0 || stream->avail_out == 0)
        die("isal_deflate: %d, %u bytes left", rc, stream->avail_in);
    out->len += bound - stream->avail_out;
}

void deflater_run(struct deflater *deflater, struct slice plain, struct buf *out)
{
    while (plain.len > 0) {
        size_t n = letters_find(&deflater->letters, plain);

        if (n > 0)
            run_matching(&deflater->stream, slice_sub(plain, 0, n), out);
        plain = slice_from(plain, n);
        if (plain.len == 0)
            break;
        plain = slice_from(plain, letters_put(&deflater->letters, plain, out));
        isal_deflate_reset(&deflater->stream); /* it knows nothing of the letters */
    }
}

/* ---- inflate ---- */

struct inflater {
    struct inflate_state *state; /* NULL: at rest */
    uint8_t *window;             /* the last n_window bytes written */
    size_t n_window;
};

struct inflater *inflater_new(void)
{
    return xcalloc(1, sizeof(struct inflater));
}

void inflater_free(struct inflater *inflater)
{
    if (inflater == NULL)
        return;
    state_free(inflater->state, sizeof(*inflater->state));
    free(inflater->window);
    free(inflater);
}

/* From rest: a new state that knows the window. */
static void wake(struct inflater *inflater)
{
    if (inflater->state != NULL)
        return;
    inflater->state = state_new(sizeof(*inflater->state));
    inflater->window = xrealloc(inflater->window, DEFLATE_WINDOW_BYTES);
    isal_inflate_init(inflater->state);
    if (inflater->n_window > 0 &&
        isal_inflate_set_dict(inflater->state, inflater->window,
                              (uint32_t) inflater->n_window) != COMP_OK)
        die("isal_inflate_set_dict");
}

static void remember(struct inflater *inflater, struct slice written)
{
    size_t keep;

    if (written.len > DEFLATE_WINDOW_BYTES)
        written = slice_from(written, written.len - DEFLATE_WINDOW_BYTES);
    keep = MIN(inflater->n_window, DEFLATE_WINDOW_BYTES - written.len);
    memmove(inflater->window, inflater->window + (inflater->n_window - keep), keep);
    memcpy(inflater->window + keep, written.ptr, written.len);
    inflater->n_window = keep + written.len;
}

static enum rc garbled(struct err *err, int rc)
{
    return err_set(err, RC_SYNTAX, "Broken compressed data", "isal_inflate: %d", rc);
}

/* Whole bytes behind the end of the stream that were read ahead: they are not the stream's. */
static size_t read_ahead(const struct inflate_state *state)
{
    if (state->block_state != ISAL_BLOCK_FINISH || state->read_in_length <= 0)
        return 0;
    return (size_t) state->read_in_length / 8;
}

/* One piece. RC_MORE: there may be more behind it. */
static enum rc run_piece(struct inflater *inflater, struct slice *in, size_t max,
                         struct buf *out, struct err *err)
{
    struct inflate_state *state = inflater->state;
    size_t room_len = MIN(max, INFLATE_PIECE), written, taken;
    char *room = buf_reserve(out, room_len);
    int rc;

    assert(room != NULL);
    state->next_in = (uint8_t *) (uintptr_t) in->ptr; /* read only */
    state->avail_in = (uint32_t) MIN(in->len, (size_t) UINT32_MAX);
    state->next_out = (uint8_t *) room;
    state->avail_out = (uint32_t) room_len;
    rc = isal_inflate(state);
    written = room_len - state->avail_out;
    out->len += written;
    taken = (size_t) ((const char *) state->next_in - in->ptr);
    *in = slice_from(*in, taken - MIN(taken, read_ahead(state)));
    remember(inflater, slice_of(room, written));
    if (rc != ISAL_DECOMP_OK || state->block_state == ISAL_BLOCK_FINISH)
        return garbled(err, rc);
    return state->avail_out == 0 ? RC_MORE : RC_OK;
}

enum rc inflater_run(struct inflater *inflater, struct slice *in, size_t max, struct buf *out,
                     struct err *err)
{
    enum rc rc = RC_MORE;

    wake(inflater);
    while (rc == RC_MORE && max > 0) {
        size_t before = out->len;

        rc = run_piece(inflater, in, max, out, err);
        max -= out->len - before;
    }
    return rc;
}

/* Between two blocks, with no bit of the next one read (it may have been asked for) and nothing
 * left to hand out. */
bool inflater_can_rest(const struct inflater *inflater)
{
    const struct inflate_state *state = inflater->state;

    return state != NULL &&
           (state->block_state == ISAL_BLOCK_NEW_HDR || state->block_state == ISAL_BLOCK_HDR) &&
           state->read_in_length == 0 && state->tmp_in_size == 0 &&
           state->tmp_out_valid == state->tmp_out_processed && state->write_overflow_len == 0 &&
           state->copy_overflow_length == 0;
}

void inflater_rest(struct inflater *inflater)
{
    if (!inflater_can_rest(inflater))
        return;
    state_free(inflater->state, sizeof(*inflater->state));
    inflater->state = NULL;
    if (inflater->n_window > 0)
        inflater->window = xrealloc(inflater->window, inflater->n_window);
}
