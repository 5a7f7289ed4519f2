#include "store/local/frames.h"

#include <assert.h>
#include <xxhash.h>

#define RESYNC_PART 2 /* a block this full may be closed to fall in step */

void frames_init(struct frames *frames, enum pack_stream stream, enum pack_codec codec,
                 size_t block_max, struct compressor *compressor, struct frame_sink sink)
{
    *frames = (struct frames){.stream = stream,
                              .codec = codec,
                              .block_max = block_max,
                              .compressor = compressor,
                              .sink = sink};
    frames->block = xmalloc(block_max);
    frames->stored = xmalloc(PACK_FRAME_ROOM_BYTES);
}

void frames_done(struct frames *frames)
{
    for (size_t i = 0; i < frames->n_held; i++)
        free(frames->held[i].bytes);
    free(frames->held);
    free(frames->units);
    free(frames->block);
    free(frames->stored);
    *frames = (struct frames){0};
}

/* ---- blocks out ---- */

static enum rc emit(struct frames *frames, struct pack_frame *frame, struct slice stored,
                    struct err *err)
{
    frame->stored_len = (uint32_t) stored.len;
    frame->hash = XXH3_64bits(stored.ptr, stored.len);
    return frames->sink.write(frames->sink.ctx, frame, stored, err);
}

static enum rc emit_raw(struct frames *frames, uint64_t at, struct slice raw, struct err *err)
{
    enum pack_codec want = frames->dict != NULL ? PACK_ZSTD_DICT : frames->codec;
    struct pack_frame frame = {
        .stream = frames->stream, .raw_len = (uint32_t) raw.len, .at = at};
    size_t len = 0;

    frame.codec =
        codec_compress(frames->compressor, want, frames->dict, raw, frames->stored, &len);
    return emit(frames, &frame, slice_of(frames->stored, len), err);
}

/* Does the block hold exactly what a frame of the other pack holds, in a form that this pack
 * can read? Then its stored bytes are taken as they are. */
static bool take_frame(struct frames *frames, struct pack_frame *out, struct slice *out_stored)
{
    const struct frame_origin *origin = &frames->origin;
    struct pack_frame frame;
    size_t i;

    if (origin->pack == NULL ||
        pack_find_frame(origin->pack, frames->stream, origin->at, &i, &frame, NULL) != RC_OK ||
        frame.at != origin->at || frame.raw_len != frames->n ||
        pack_read_frame(origin->pack, i, frames->stored, &frame, out_stored, NULL) != RC_OK)
        return false;
    if (frame.codec == PACK_ZSTD_DICT &&
        (frames->dict == NULL || frames->dict->id != pack_dictionary(origin->pack)))
        return false;
    *out = (struct pack_frame){.stream = frames->stream,
                               .codec = frame.codec,
                               .raw_len = frame.raw_len,
                               .at = frames->block_at};
    return true;
}

static void hold_block(struct frames *frames)
{
    struct held_block *held;

    if (frames->n_held == frames->cap_held) {
        frames->cap_held = MAX(frames->cap_held * 2, FRAMES_HELD_MAX);
        frames->held = xrealloc(frames->held, frames->cap_held * sizeof(*frames->held));
    }
    held = &frames->held[frames->n_held++];
    held->bytes = xmalloc(frames->n);
    held->len = frames->n;
    memcpy(held->bytes, frames->block, frames->n);
}

static enum rc close_block(struct frames *frames, struct err *err)
{
    struct slice raw = slice_of(frames->block, frames->n), stored;
    uint64_t at = frames->block_at;
    struct pack_frame frame;
    enum rc rc = RC_OK;

    if (raw.len == 0)
        return RC_OK;
    if (frames->holds)
        hold_block(frames);
    else if (take_frame(frames, &frame, &stored))
        rc = emit(frames, &frame, stored, err);
    else
        rc = emit_raw(frames, at, raw, err);
    frames->block_at += raw.len;
    frames->n = 0;
    return rc;
}

/* ---- bytes in ---- */

static bool begins_frame(const struct frames *frames, const struct frame_origin *origin)
{
    struct pack_frame frame;
    size_t i;

    return origin != NULL && origin->pack != NULL &&
           pack_find_frame(origin->pack, frames->stream, origin->at, &i, &frame, NULL) ==
               RC_OK &&
           frame.at == origin->at;
}

static void mark_unit(struct frames *frames)
{
    if (frames->n_units == frames->cap_units) {
        frames->cap_units = MAX(frames->cap_units * 2, (size_t) 4096);
        frames->units = xrealloc(frames->units, frames->cap_units * sizeof(*frames->units));
    }
    frames->units[frames->n_units++] = (struct unit_mark){frames->n_held, frames->n};
}

enum rc frames_cut(struct frames *frames, struct err *err)
{
    assert(frames->unit_left == 0);
    return close_block(frames, err);
}

enum rc frames_unit(struct frames *frames, uint64_t len, const struct frame_origin *origin,
                    struct err *err)
{
    bool fits = len <= frames->block_max - frames->n;
    enum rc rc = RC_OK;

    assert(frames->unit_left == 0);
    frames->unit_left = len;
    frames->unit_is_long = len > frames->block_max;
    if (!fits || (frames->n >= frames->block_max / RESYNC_PART && begins_frame(frames, origin)))
        rc = close_block(frames, err);
    if (!rc && frames->holds)
        mark_unit(frames);
    return rc;
}

/* Do these bytes go on where the block's came from? */
static bool continues(const struct frames *frames, const struct frame_origin *origin)
{
    return origin->pack == frames->origin.pack && origin->at == frames->origin.at + frames->n;
}

enum rc frames_append(struct frames *frames, struct slice bytes,
                      const struct frame_origin *origin, struct err *err)
{
    struct frame_origin from = origin != NULL ? *origin : (struct frame_origin){0};
    enum rc rc = RC_OK;

    assert(bytes.len <= frames->unit_left);
    frames->unit_left -= bytes.len;
    frames->length += bytes.len;
    while (bytes.len > 0 && !rc) {
        size_t n = MIN(frames->block_max - frames->n, bytes.len);

        if (frames->n == 0)
            frames->origin = from;
        else if (!continues(frames, &from))
            frames->origin.pack = NULL;
        memcpy(frames->block + frames->n, bytes.ptr, n);
        frames->n += n;
        from.at += n;
        bytes = slice_from(bytes, n);
        if (frames->n == frames->block_max)
            rc = close_block(frames, err);
    }
    if (!rc && frames->unit_is_long && frames->unit_left == 0)
        rc = close_block(frames, err);
    return rc;
}

enum rc frames_finish(struct frames *frames, struct err *err)
{
    assert(frames->unit_left == 0 && !frames->holds);
    return close_block(frames, err);
}

/* ---- holding ---- */

void frames_hold(struct frames *frames)
{
    frames->holds = true;
}

/* The beginning of a unit, as far as it lies before the next one in its block. */
static struct slice sample_at(const struct frames *frames, size_t i)
{
    const struct unit_mark *mark = &frames->units[i], *next = mark + 1;
    struct slice block = slice_of(frames->block, frames->n);

    if (mark->block < frames->n_held)
        block = slice_of(frames->held[mark->block].bytes, frames->held[mark->block].len);
    if (i + 1 < frames->n_units && next->block == mark->block)
        block = slice_sub(block, 0, next->at);
    return slice_sub(block, mark->at, DICT_SAMPLE_BYTES);
}

unsigned frames_samples(const struct frames *frames, char *out, size_t **out_lens)
{
    size_t *lens = xcalloc(frames->n_units + 1, sizeof(*lens));
    size_t all = 0, used = 0, step;
    unsigned n = 0;

    for (size_t i = 0; i < frames->n_units; i++)
        all += sample_at(frames, i).len;
    step = all / DICT_SAMPLE_MAX_BYTES + 1;
    for (size_t i = 0; i < frames->n_units; i += step) {
        struct slice sample = sample_at(frames, i);

        if (sample.len > DICT_SAMPLE_MAX_BYTES - used)
            break;
        memcpy(out + used, sample.ptr, sample.len);
        used += sample.len;
        lens[n++] = sample.len;
    }
    *out_lens = lens;
    return n;
}

enum rc frames_release(struct frames *frames, const struct dict *dict, struct err *err)
{
    uint64_t at = frames->block_at;
    enum rc rc = RC_OK;

    frames->holds = false;
    frames->dict = dict;
    for (size_t i = 0; i < frames->n_held; i++)
        at -= frames->held[i].len;
    for (size_t i = 0; i < frames->n_held; i++) {
        struct held_block *held = &frames->held[i];

        if (!rc)
            rc = emit_raw(frames, at, slice_of(held->bytes, held->len), err);
        at += held->len;
        free(held->bytes);
    }
    frames->n_held = 0;
    frames->n_units = 0;
    return rc;
}
