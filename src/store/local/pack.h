/*
 * pack.h - bodies at rest [format], docs/formats/packs.md.
 *
 *     header | entry, entry, ... | digests | index | footer
 *
 * A pack is written once and never changed. Entries lie in the order account, mailbox, uid and
 * carry what rebuilds a mailbox without any other file. Codec, dictionary and cipher have their
 * fields; today an entry is raw.
 */
#ifndef ROOST_STORE_LOCAL_PACK_H
#define ROOST_STORE_LOCAL_PACK_H

#include "store/local/store.h"

#define PACK_HEADER_BYTES 128u
#define PACK_ENTRY_BYTES  112u /* and 8 for each block, then the bytes */
#define PACK_ROW_BYTES    56u
#define PACK_FOOTER_BYTES 96u

#define PACK_PART_BIT ((uint64_t) 1 << 63) /* body ids with it are parts, which bodies share   \
                                            */

enum pack_codec { PACK_RAW = 0 };

struct pack;  /* an open pack, shared */
struct packs; /* those that are open */

/* One body, as its entry tells it. */
struct pack_entry {
    uint64_t account, body_id;
    uint32_t mbox, uid;
    uint8_t flags;
    int64_t internaldate;
    uint64_t length;
    uint64_t bytes_at; /* in the file */
    uint32_t n_blocks;
    uint64_t *hashes; /* the reader's to free */
};
void pack_entry_done(struct pack_entry *entry);

/* One row of the index at the end. */
struct pack_row {
    uint64_t account, body_id;
    uint64_t offset; /* of the entry */
    uint64_t digest_at, digest_hash;
    uint32_t digest_len, digest_version; /* 0, 0: there is none */
};

struct packs *packs_new(struct local *local);
void packs_free(struct packs *packs);
/* Opens the pack or finds it open; its footer and header are checked. */
MUST_CHECK enum rc packs_get(struct packs *packs, uint64_t number, struct pack **out,
                             struct err *err);
void packs_put(struct packs *packs, struct pack *pack); /* NULL is allowed */
/* Its file is gone: the handle goes with its last reader. */
void packs_forget(struct packs *packs, uint64_t number);

int pack_fd(const struct pack *pack);
MUST_CHECK enum rc pack_read_entry(const struct pack *pack, uint64_t offset, uint64_t account,
                                   uint64_t body_id, struct pack_entry *out, struct err *err);
/* Rows are in the order of the entries: account, mailbox, uid, with parts before the body that
 * brought them. */
uint32_t pack_rows(const struct pack *pack);
MUST_CHECK enum rc pack_read_row(const struct pack *pack, uint32_t row, struct pack_row *out,
                                 struct err *err);
/* All rows, checked as one. */
MUST_CHECK enum rc pack_check_index(const struct pack *pack, struct err *err);

/* The bytes' side, for the writer and the fuzz target. */
void pack_header_write(char out[PACK_HEADER_BYTES], uint64_t number,
                       const unsigned char uuid[16]);
bool pack_header_read(struct slice bytes, uint64_t number, const unsigned char uuid[16]);
void pack_entry_write(char *out, const struct pack_entry *entry); /* with its hashes behind */
/* bytes: the fixed part; *out_n_blocks and lengths only, checked with pack_entry_is_whole. */
bool pack_entry_read(struct slice bytes, struct pack_entry *out);
void pack_row_write(char out[PACK_ROW_BYTES], const struct pack_row *row);
bool pack_row_read(struct slice bytes, struct pack_row *out);

struct pack_footer {
    uint64_t number, n_rows, index_at, digests_at, digests_len, index_hash;
};
void pack_footer_write(char out[PACK_FOOTER_BYTES], const struct pack_footer *footer);
bool pack_footer_read(struct slice bytes, struct pack_footer *out);

#endif
