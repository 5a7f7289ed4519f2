/*
 * pack_write.h - a pack being written: entries in order, then finish. The file has the suffix
 * .new until it is whole and durable.
 *
 * Order of calls: new, then add or copy in the order account, mailbox, uid, then finish; then
 * one transaction of the state in which pack_writer_settle() and the places of
 * pack_writer_bodies() become known together. What is not finished goes with free.
 *
 * The writer finds digests by itself (memory, loose ones in the state, those of the pack copied
 * from), shares parts of a body that its account has already, and makes entries for new ones.
 */
#ifndef ROOST_STORE_LOCAL_PACK_WRITE_H
#define ROOST_STORE_LOCAL_PACK_WRITE_H

#include "store/local/pack.h"

struct pack_writer;

/* Where a body's bytes come from. */
struct pack_source {
    /* Exactly this range. RC_CORRUPT: the bytes are damaged; they are in out all the same, and
     * go into the pack with the checksums they came with, so that each reader sees it. */
    enum rc (*read)(void *ctx, uint64_t offset, char *out, size_t len, struct err *err);
    void *ctx;
};

MUST_CHECK enum rc pack_writer_new(struct local *local, uint64_t number,
                                   struct pack_writer **out, struct err *err);
/* A body from elsewhere: entry says what it is, with the checksums it came in with. */
MUST_CHECK enum rc pack_writer_add(struct pack_writer *writer, const struct pack_entry *entry,
                                   const struct pack_source *source, struct err *err);
/* A row of another pack with its digest: compressed again only where it must be (another
 * dictionary, neighbours that are left behind). A part is copied like a body. RC_CORRUPT: the
 * entry cannot be read whole, or is not the body that the row names; nothing was written, and
 * the pack it is in stays for whoever repairs it. */
MUST_CHECK enum rc pack_copy_entry(struct pack_writer *writer, const struct pack *from,
                                   uint32_t row, struct err *err);
/* Everything is written and durable under its name. RC_FULL, RC_IO. */
MUST_CHECK enum rc pack_writer_finish(struct pack_writer *writer, uint64_t *out_bytes,
                                      struct err *err);
/* After finish: the place of each entry, those of new parts among them (their body_id has
 * PACK_PART_BIT). They live as long as the writer. */
const struct packed_body *pack_writer_bodies(const struct pack_writer *writer, size_t *out_n);
/* Within the transaction that makes the pack known: references to parts are counted, loose
 * digests that the pack took are dropped. A body that gets no place there (it died meanwhile)
 * is given to part_unref() after this. RC_CONFLICT: a part that the pack shares has died
 * meanwhile; this pack is of no use, write another. */
MUST_CHECK enum rc pack_writer_settle(const struct pack_writer *writer, struct state_txn *txn,
                                      struct err *err);
/* Without finish: the file goes. */
void pack_writer_free(struct pack_writer *writer);
void pack_writer_freep(struct pack_writer **writer);

#endif
