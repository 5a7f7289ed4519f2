/*
 * pack_write.h - a pack being written: entries in order, then finish. The file has the suffix
 * .new until it is whole and durable.
 */
#ifndef ROOST_STORE_LOCAL_PACK_WRITE_H
#define ROOST_STORE_LOCAL_PACK_WRITE_H

#include "store/local/pack.h"

struct pack_writer;

MUST_CHECK enum rc pack_writer_new(struct local *local, uint64_t number,
                                   struct pack_writer **out, struct err *err);
/* The entry's head; its length bytes follow by pack_writer_bytes(). *out_place says where. */
MUST_CHECK enum rc pack_writer_entry(struct pack_writer *writer, const struct pack_entry *entry,
                                     struct pack_place *out_place, struct err *err);
MUST_CHECK enum rc pack_writer_bytes(struct pack_writer *writer, struct slice bytes,
                                     struct err *err);
/* Of the entry that was begun last. */
void pack_writer_digest(struct pack_writer *writer, uint32_t version, struct slice digest);
/* Digests, index, footer; durable under its name. */
MUST_CHECK enum rc pack_writer_finish(struct pack_writer *writer, uint64_t *out_bytes,
                                      struct err *err);
/* Without finish: the file goes. */
void pack_writer_free(struct pack_writer *writer);
void pack_writer_freep(struct pack_writer **writer);

#endif
