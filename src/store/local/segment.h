/*
 * segment.h - one file of the journal [format], docs/formats/journal.md.
 *
 * Life:  (zeros written once) -> spare -> ready -> current -> closed -> spare ...
 *
 *   spare    log/spare-N.seg, blocks allocated and written, content is of no meaning
 *   ready    log/N.seg, header of this epoch written and durable, no batch yet
 *   current  the committer appends; only one
 *   closed   no more batches; recycled when nothing in it is needed (index.h counts that)
 */
#ifndef ROOST_STORE_LOCAL_SEGMENT_H
#define ROOST_STORE_LOCAL_SEGMENT_H

#include "base/list.h"
#include "store/local/super.h"

#define SEGMENT_HEADER_BYTES JOURNAL_BLOCK_BYTES

struct segment {
    uint64_t number;
    uint64_t bytes; /* of the file */
    int fd;         /* for the committer: direct where the file system allows; -1 otherwise */
    int read_fd;    /* buffered */
    bool is_direct;
    struct journal_point start; /* before its first batch */
    uint64_t last_batch; /* where the last one begins that a walk took from it; 0: none */

    struct link live;   /* index lock: in the list of live segments, by number */
    uint64_t used;      /* index lock: bytes up to the last durable batch */
    uint64_t n_tail;    /* index lock: groups that no checkpoint covers */
    uint64_t n_held;    /* index lock: those of them of accounts that cannot be loaded */
    uint64_t n_bodies;  /* index lock: bodies that are in no pack */
    uint64_t pins;      /* index lock: readers */
    bool is_closed;     /* index lock */
    struct list places; /* index lock: its unpacked bodies */
};

/* A spare of `bytes` zeros, durable, under spare_name. RC_FULL. */
MUST_CHECK enum rc segment_make_spare(int log, const char *spare_name, uint64_t bytes,
                                      bool buffered, struct err *err);

/* Turn the spare into segment `number` of the epoch. When it returns RC_OK name and header are
 * durable. */
MUST_CHECK enum rc segment_begin(int log, const char *spare_name, uint64_t number,
                                 const struct journal_key *key, const unsigned char uuid[16],
                                 bool buffered, struct segment **out, struct err *err);

/* A segment of an earlier run, for reading. RC_NOT_FOUND. */
MUST_CHECK enum rc segment_open(int log, uint64_t number, struct segment **out,
                                struct err *err);
/* Was it begun in this epoch? */
bool segment_is_of(const struct segment *segment, const struct journal_key *key,
                   const unsigned char uuid[16]);
/*
 * Write the bytes [from, used) of a segment that segment_open() gave once more, as they are
 * read, and durable on return. A write that failed may have left them in the kernel's memory as
 * clean pages: read as if they were there, and brought to the disk by no sync. Any failure is
 * final, as segment_write()'s is.
 */
MUST_CHECK enum rc segment_write_again(int log, struct segment *segment, uint64_t from,
                                       bool buffered, struct err *err);
void segment_free(struct segment *segment);
void segment_freep(struct segment **segment);

/*
 * Write len bytes (whole blocks, aligned memory) at offset so that they are durable on return.
 * Any failure is final: the caller must never acknowledge anything again.
 */
MUST_CHECK enum rc segment_write(const struct segment *segment, const char *bytes, size_t len,
                                 uint64_t offset, struct err *err);

/* Memory for segment_write. */
char *segment_buffer_new(size_t bytes);

#endif
