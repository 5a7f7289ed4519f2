/*
 * frames.h - streams of raw bytes becoming frames of a pack: cut into blocks, compressed,
 * handed to the file.
 *
 * What belongs together (an entry, a digest) is put in one block where it fits: a unit that
 * does not fit in what is left of the block begins a new one. A unit longer than a block has
 * its blocks to itself.
 *
 * Bytes copied from another pack keep their frame when a block comes out as it was there.
 *
 * While it holds, blocks are collected and not compressed: until there is a dictionary, which
 * is trained on what was collected, or none is to be had.
 */
#ifndef ROOST_STORE_LOCAL_FRAMES_H
#define ROOST_STORE_LOCAL_FRAMES_H

#include "store/local/codec.h"

#define FRAMES_HELD_MAX ((size_t) 1024) /* blocks: 64 MiB; then the owner releases */

/* Where finished frames go; file_at is the sink's to know. */
struct frame_sink {
    void *ctx;
    enum rc (*write)(void *ctx, const struct pack_frame *frame, struct slice stored,
                     struct err *err);
};

/* Where bytes were copied from. */
struct frame_origin {
    const struct pack *pack; /* NULL: from nowhere */
    uint64_t at;             /* in its stream of the same kind */
};

struct held_block {
    char *bytes;
    size_t len;
};

/* Where a unit begins in held blocks. */
struct unit_mark {
    size_t block, at;
};

struct frames {
    enum pack_stream stream;
    enum pack_codec codec;
    size_t block_max;
    const struct dict *dict;
    struct compressor *compressor; /* the writer's */
    struct frame_sink sink;
    uint64_t length; /* raw bytes so far */
    uint64_t block_at;
    size_t n;           /* in block */
    uint64_t unit_left; /* of the unit that was announced */
    bool unit_is_long;
    struct frame_origin origin; /* of the block's first byte; pack NULL: mixed */
    char *block;                /* block_max */
    char *stored;               /* PACK_FRAME_ROOM_BYTES */
    bool holds;
    struct held_block *held;
    size_t n_held, cap_held;
    struct unit_mark *units;
    size_t n_units, cap_units;
};

/* block_max: at most PACK_BLOCK_MAX. */
void frames_init(struct frames *frames, enum pack_stream stream, enum pack_codec codec,
                 size_t block_max, struct compressor *compressor, struct frame_sink sink);
void frames_done(struct frames *frames);

/* The next bytes begin a block: they are somebody else's, and damage to one block must not
 * concern two accounts. */
MUST_CHECK enum rc frames_cut(struct frames *frames, struct err *err);
/* The next len bytes belong together. origin: where they are copied from, or NULL. */
MUST_CHECK enum rc frames_unit(struct frames *frames, uint64_t len,
                               const struct frame_origin *origin, struct err *err);
/* Bytes of the unit. origin: as above, of these bytes. */
MUST_CHECK enum rc frames_append(struct frames *frames, struct slice bytes,
                                 const struct frame_origin *origin, struct err *err);
/* The last block. */
MUST_CHECK enum rc frames_finish(struct frames *frames, struct err *err);

/* From here on blocks are held. */
void frames_hold(struct frames *frames);
/* Beginnings of held units, evenly chosen, side by side in out (DICT_SAMPLE_MAX_BYTES); their
 * lengths in *out_lens (heap). Returns how many. */
unsigned frames_samples(const struct frames *frames, char *out, size_t **out_lens);
/* What was held is compressed, with the dictionary if there is one, and so is what follows. */
MUST_CHECK enum rc frames_release(struct frames *frames, const struct dict *dict,
                                  struct err *err);

#endif
