/*
 * pack.h - bodies at rest [format], docs/formats/packs.md.
 *
 *     header | frames of bodies | of digests | of texts | of rows | directory | footer
 *
 * A pack is written once and never changed. It holds four streams of raw bytes, cut into blocks
 * (64 KiB, of digests 256 KiB); a frame is a block compressed alone, with a head that says
 * which block it is. So any byte is a look into the directory and one frame away, neighbours
 * share a frame, and a scrub needs no decompression. Directory and footer only save a walk over
 * the frames: when they are damaged the walk is made.
 *
 * Entries lie in the order account, mailbox, uid and carry what rebuilds a mailbox without any
 * other file.
 */
#ifndef ROOST_STORE_LOCAL_PACK_H
#define ROOST_STORE_LOCAL_PACK_H

#include "store/local/store.h"

#define PACK_HEADER_BYTES    128u
#define PACK_FRAME_BYTES     40u     /* and the stored bytes behind */
#define PACK_BLOCK_MAX       262144u /* raw bytes of a frame */
#define PACK_DIRECTORY_BYTES 16u     /* for each frame */
#define PACK_FOOTER_BYTES    128u
#define PACK_ROW_BYTES       56u
#define PACK_ENTRY_BYTES     72u /* then pieces, then 8 for each block, then the bytes */
#define PACK_PIECE_BYTES     24u
#define PACK_PIECES_MAX      2048u

#define PACK_FRAME_ROOM_BYTES ((size_t) PACK_FRAME_BYTES + PACK_BLOCK_MAX)

#define PACK_PART_BIT                                                                          \
    ((uint64_t) 1 << 63) /* body ids with it are parts, which bodies share                     \
                          */

enum pack_codec {
    PACK_RAW,
    PACK_ZSTD,
    PACK_ZSTD_DICT,
    PACK_LZ4,
    PACK_LZ4_HC /* a way to write PACK_LZ4; never in a file */
};
enum pack_stream { PACK_BODIES, PACK_DIGESTS, PACK_TEXTS, PACK_ROWS };
#define PACK_STREAMS (PACK_ROWS + 1)

struct pack;  /* an open pack, shared */
struct packs; /* those that are open */
struct block; /* decompressed: block_cache.h */

/* What a body is made of, in its order. */
enum pack_piece_kind {
    PACK_LITERAL,   /* the entry's own bytes, in their order */
    PACK_PART_RAW,  /* all bytes of a part */
    PACK_PART_LINES /* a part in base64 (RFC 2045 6.8), lines of line characters and CRLF */
};
struct pack_piece {
    enum pack_piece_kind kind;
    uint8_t line;
    uint64_t length; /* of the body */
    uint64_t part_id;
};

/* One body, as its entry tells it. */
struct pack_entry {
    uint64_t account, body_id;
    uint32_t mbox, uid;
    uint8_t flags;
    int64_t internaldate;
    uint64_t length;
    uint32_t n_blocks;
    uint64_t *hashes; /* of the body's blocks, made when it came in; the reader's to free */
    uint32_t n_pieces;
    struct pack_piece *pieces; /* the reader's to free; none: one literal */
    uint64_t bytes_at;         /* the literal bytes, in the stream of bodies */
};
void pack_entry_done(struct pack_entry *entry);
/* Of the literal pieces. */
uint64_t pack_entry_literal(const struct pack_entry *entry);

/* One row of the index. */
struct pack_row {
    uint64_t account, body_id;
    uint64_t offset;               /* of the entry, in the stream of bodies */
    uint64_t digest_at, text_at;   /* in theirs */
    uint32_t digest_len, text_len; /* 0: there is none */
    uint32_t digest_version;
    uint32_t stored; /* its share of the file, digests not counted */
};

struct packs *packs_new(struct local *local);
void packs_free(struct packs *packs);
/* Opens the pack or finds it open. RC_CORRUPT: no pack of this store, or missing. */
MUST_CHECK enum rc packs_get(struct packs *packs, uint64_t number, struct pack **out,
                             struct err *err);
void packs_put(struct packs *packs, struct pack *pack); /* NULL is allowed */
/* Its file is gone: the handle goes with its last reader. */
void packs_forget(struct packs *packs, uint64_t number);

int pack_fd(const struct pack *pack);
uint64_t pack_number(const struct pack *pack);
uint64_t pack_dictionary(const struct pack *pack); /* 0: none */
/* Rows are in the order of the entries: account, mailbox, uid, with parts before the body that
 * brought them. */
uint32_t pack_rows(const struct pack *pack);
MUST_CHECK enum rc pack_read_row(const struct pack *pack, uint32_t row, struct pack_row *out,
                                 struct err *err);
MUST_CHECK enum rc pack_read_entry(const struct pack *pack, uint64_t at, uint64_t account,
                                   uint64_t body_id, struct pack_entry *out, struct err *err);
/* A range of a stream; every frame it touches is checked. Recently used blocks are at hand. */
MUST_CHECK enum rc pack_stream_read(const struct pack *pack, enum pack_stream stream,
                                    uint64_t at, char *out, size_t len, struct err *err);

/*
 * A walk over ranges of a stream that lie side by side: the block they are in is looked up once
 * and stays. Starts as {.pack, .stream}; end it with pack_walk_done().
 */
struct pack_walk {
    const struct pack *pack;
    enum pack_stream stream;
    struct block *block; /* NULL: none yet */
    uint64_t at;         /* of the block, in the stream */
    char *joined;        /* heap: a range that lies in more than one block */
};
/* The range's bytes, valid until the next call. RC_CORRUPT, RC_IO. */
MUST_CHECK enum rc pack_walk_read(struct pack_walk *walk, uint64_t at, size_t len,
                                  struct slice *out, struct err *err);
void pack_walk_done(struct pack_walk *walk);

/* A block as the directory knows it. */
struct pack_frame {
    enum pack_stream stream;
    enum pack_codec codec;        /* from the frame's head only */
    uint32_t raw_len, stored_len; /* stored_len, hash: from the head only */
    uint64_t at;                  /* in the stream */
    uint64_t file_at;             /* of the head */
    uint64_t hash;                /* of the stored bytes */
};
size_t pack_frames(const struct pack *pack);
/* What the directory says of the i-th in the file: stream, raw_len, at, file_at. */
struct pack_frame pack_frame_place(const struct pack *pack, size_t i);
/* The i-th in the file, with its head; the checksum of the stored bytes is verified. room:
 * PACK_FRAME_ROOM_BYTES, where *out_stored lies. RC_CORRUPT. */
MUST_CHECK enum rc pack_read_frame(const struct pack *pack, size_t i, char *room,
                                   struct pack_frame *out, struct slice *out_stored,
                                   struct err *err);
/* Which frame holds this byte of a stream, and where it begins. RC_CORRUPT behind the end. */
MUST_CHECK enum rc pack_find_frame(const struct pack *pack, enum pack_stream stream,
                                   uint64_t at, size_t *out_i, struct pack_frame *out,
                                   struct err *err);
/* Header, directory and footer as they lie in the file, for the scrub: each must be whole. */
MUST_CHECK enum rc pack_check_ends(const struct pack *pack, struct err *err);

/* ---- the bytes' side, for reader, writer and the fuzz target ---- */

/* Header and footer tell the same of a pack, so that either may be lost. */
struct pack_ident {
    unsigned char uuid[16]; /* of the store */
    uint64_t number;
    uint64_t dictionary;
    unsigned char salt[32]; /* seeds the checksums of frame heads; for keys of bodies at rest */
};
struct pack_footer {
    struct pack_ident ident;
    uint64_t n_rows, n_frames, directory_at, directory_hash;
};
void pack_header_write(char out[PACK_HEADER_BYTES], const struct pack_ident *ident);
bool pack_header_read(struct slice bytes, struct pack_ident *out);
void pack_footer_write(char out[PACK_FOOTER_BYTES], const struct pack_footer *footer);
bool pack_footer_read(struct slice bytes, struct pack_footer *out);

void pack_frame_write(char out[PACK_FRAME_BYTES], const struct pack_ident *ident,
                      const struct pack_frame *frame);
/* file_at is left alone. */
bool pack_frame_read(struct slice bytes, const struct pack_ident *ident,
                     struct pack_frame *out);
void pack_directory_write(char out[PACK_DIRECTORY_BYTES], const struct pack_frame *frame);
/* Stream, raw_len and file_at; bounds are the caller's. */
bool pack_directory_read(struct slice bytes, struct pack_frame *out);

void pack_row_write(char out[PACK_ROW_BYTES], const struct pack_row *row);
bool pack_row_read(struct slice bytes, struct pack_row *out);

/* Bytes of the head with its pieces and checksums. */
size_t pack_entry_len(const struct pack_entry *entry);
void pack_entry_write(char *out, const struct pack_entry *entry);
/* The fixed part: counts and lengths are checked against each other, pack_entry_len() tells how
 * much to read. bytes_at is left 0. */
bool pack_entry_read_head(struct slice bytes, struct pack_entry *out);
/* All of it: RC_CORRUPT for a wrong checksum or pieces that do not add up. */
bool pack_entry_read(struct slice bytes, struct pack_entry *out);

#endif
