/*
 * derived.h - blobs made of an account's bodies, a file each: derived/ACCOUNT/KIND-FROM-TO
 * [format], docs/formats/derived.md.
 *
 * Nothing depends on them: a file is written aside, synced and renamed, so that it is there
 * whole or not at all; each block has a checksum that is compared whenever the block is read,
 * and names the file and the block's place in it, so that bytes of another file, or of another
 * place, are damage too. They are in no backup.
 */
#ifndef ROOST_STORE_LOCAL_DERIVED_H
#define ROOST_STORE_LOCAL_DERIVED_H

#include "store/local/store.h"

#define DERIVED_HEADER_BYTES 4096u
#define DERIVED_BLOCK_BYTES  4096u
#define DERIVED_FOOTER_BYTES 64u
#define DERIVED_MAX_BYTES    ((uint64_t) 4 << 30) /* of one blob; its checksums are in memory */

MUST_CHECK enum rc derived_begin(struct local *local, uint64_t account,
                                 const struct derived_name *name, struct derived_writer **out,
                                 struct err *err);
MUST_CHECK enum rc derived_write(struct derived_writer *writer, struct slice bytes,
                                 struct err *err);
MUST_CHECK enum rc derived_finish(struct derived_writer *writer, struct err *err);
void derived_drop(struct derived_writer *writer);
MUST_CHECK enum rc derived_list(struct local *local, uint64_t account,
                                bool (*fn)(void *ctx, const struct derived_name *name),
                                void *ctx, struct err *err);
MUST_CHECK enum rc derived_open(struct local *local, uint64_t account,
                                const struct derived_name *name, struct derived **out,
                                struct err *err);
uint64_t derived_length(const struct derived *derived);
MUST_CHECK enum rc derived_read(const struct derived *derived, uint64_t offset, char *out,
                                size_t len, struct err *err);
void derived_close(struct derived *derived);
MUST_CHECK enum rc derived_remove(struct local *local, uint64_t account,
                                  const struct derived_name *name, struct err *err);
/* The account goes. What cannot be removed now the scrub removes later. */
void derived_remove_all(struct local *local, uint64_t account);

#endif
