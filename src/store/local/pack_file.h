/*
 * pack_file.h - the file of a pack being written: frames as they come, those of digests and
 * texts behind the bodies, then rows, directory and footer.
 */
#ifndef ROOST_STORE_LOCAL_PACK_FILE_H
#define ROOST_STORE_LOCAL_PACK_FILE_H

#include "base/buf.h"
#include "store/local/frames.h"

/* Frames that are written when those before them are there. */
struct deferred {
    struct buf bytes;
    struct pack_frame *frames; /* file_at from the first byte */
    size_t n, cap;
    bool is_full; /* no more is taken: derived data */
};

struct pack_file {
    struct local *local;
    int fd;
    bool is_finished;
    struct pack_ident ident; /* the dictionary until finish */
    uint64_t at;             /* in the file, buffered bytes included */
    char *buffer;
    size_t buffered;
    struct pack_frame *frames; /* in the order of the file */
    size_t n_frames, cap_frames;
    struct deferred digests, texts;
    struct compressor *compressor;
    struct frames streams[PACK_STREAMS];
    uint64_t stored_bodies; /* bytes of frames */
};

/* Creates packs/N.new. */
MUST_CHECK enum rc pack_file_create(struct pack_file *file, struct local *local,
                                    uint64_t number, struct err *err);
/* All streams end; rows are what the last stream holds. Durable under its name. */
MUST_CHECK enum rc pack_file_finish(struct pack_file *file, uint64_t n_rows, struct err *err);
/* Without finish the file goes. */
void pack_file_done(struct pack_file *file);

#endif
