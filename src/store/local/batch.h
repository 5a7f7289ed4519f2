/*
 * batch.h - batches and groups as bytes: the journal's format without its files [format],
 * docs/formats/journal.md.
 *
 * A batch is what one write makes durable: a header block with two keyed hashes, then groups.
 * The key is random for each epoch and never leaves the superblock, so bytes that a stranger
 * chooses (a mail body lies in the journal as it came) cannot look like a batch. The header
 * names its segment and offset too, so a batch is valid at one place only: what a recycled
 * segment still holds is never taken for new.
 */
#ifndef ROOST_STORE_LOCAL_BATCH_H
#define ROOST_STORE_LOCAL_BATCH_H

#include "store/local/bytes.h"

#define JOURNAL_BLOCK_BYTES                                                                    \
    4096u /* batches begin and end on it; never rewritten once durable */
#define JOURNAL_SECRET_BYTES 192u /* XXH3 takes 136 or more */
#define BATCH_HEADER_BYTES   128u
#define GROUP_HEADER_BYTES   64u
#define BODY_ROW_BYTES       56u    /* and 8 for each block */
#define BODY_BLOCK_BYTES     65536u /* one checksum each: a range read verifies little more */
#define BATCH_MAX_BYTES      ((size_t) 40 << 20)

struct journal_key {
    uint64_t epoch; /* random, in every header */
    unsigned char secret[JOURNAL_SECRET_BYTES];
};

struct batch_header {
    uint32_t total_len;   /* with header and padding */
    uint32_t payload_len; /* the groups */
    uint32_t n_groups;
    uint64_t first_lsn;
    uint64_t segment;
    uint32_t offset;
    int64_t clock_us;
    struct hash128 prev;    /* `self` of the batch before */
    struct hash128 self;    /* keyed, of the header before it */
    struct hash128 payload; /* keyed, of everything behind `self`, padding included */
};

/* Fill in the hashes and write the header into the first BATCH_HEADER_BYTES of batch, whose
 * groups and padding stand behind it. */
void batch_seal(char *batch, struct batch_header *header, const struct journal_key *key);
/* Is this a header made with the key? Only then is *out set. */
bool batch_header_read(struct slice block, const struct journal_key *key,
                       struct batch_header *out);
/* batch: header->total_len bytes. */
bool batch_is_whole(const struct batch_header *header, struct slice batch,
                    const struct journal_key *key);

struct hash128 journal_hash(const struct journal_key *key, struct slice bytes);

enum body_kind {
    BODY_INLINE = 0, /* offset: from the start of the group's inline bytes */
    BODY_SPILL = 1,  /* offset: in spill file `spill` */
};

/* One body of a group, as the journal tells it. */
struct body_row {
    uint64_t body_id, length;
    uint32_t mbox, uid;
    uint8_t flags;
    enum body_kind kind;
    int64_t internaldate;
    uint64_t spill, offset;
    uint32_t n_blocks;
    struct slice hashes; /* n_blocks little-endian u64 */
};

struct group_view {
    uint64_t account, lsn, base;
    uint32_t n_bodies;
    struct slice records;
    struct slice table;  /* n_bodies rows */
    struct slice bodies; /* inline bytes */
    size_t bodies_at;    /* their offset from the group's start */
};

static inline uint32_t body_blocks(uint64_t length)
{
    return (uint32_t) ((length + BODY_BLOCK_BYTES - 1) / BODY_BLOCK_BYTES);
}

/* The checksum of one block of a body. */
uint64_t body_block_hash(struct slice block);

/* Header of a group whose records and table already stand behind it. */
void group_seal(char *group, const struct group_view *view);
/* Reads a group; the hash over header, records and table is checked, the inline bytes have
 * their block checksums. */
bool group_read(struct scan *sc, struct group_view *out);
/* The next group of a damaged batch that verifies; what cannot be followed ends it. */
bool group_read_next(struct scan *sc, struct group_view *out);
/* The same for a group whose inline bytes are not at hand: header, records and table only. */
bool group_read_head(struct slice bytes, struct group_view *out);

void body_row_write(char *at, const struct body_row *row); /* the fixed part */
bool body_row_read(struct scan *sc, struct body_row *out);

#endif
