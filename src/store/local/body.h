/* body.h - opened bodies: pinned where they lie, read with their checksums. */
#ifndef ROOST_STORE_LOCAL_BODY_H
#define ROOST_STORE_LOCAL_BODY_H

#include "store/local/store.h"

MUST_CHECK enum rc body_open(struct local *local, uint64_t account, uint64_t body_id,
                             struct body **out, struct err *err);
uint64_t body_length(const struct body *body);
MUST_CHECK enum rc body_read(const struct body *body, uint64_t offset, char *out, size_t len,
                             struct err *err);
void body_close(struct body *body); /* NULL is allowed */

/*
 * Blocks [first block of offset ..] of a body whose bytes begin at base in fd, each checked
 * against its hash; the packer reads with it too.
 */
MUST_CHECK enum rc body_read_checked(int fd, uint64_t base, uint64_t length,
                                     const uint64_t *hashes, uint64_t offset, char *out,
                                     size_t len, struct err *err);

#endif
