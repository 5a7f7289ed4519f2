/*
 * key_blob.h - a segment of sort keys as bytes [format], docs/formats/sort-keys.md, and the
 * blobs of an account (store/engine.h, derived).
 */
#ifndef ROOST_SEARCH_KEY_BLOB_H
#define ROOST_SEARCH_KEY_BLOB_H

#include "mailbox/mail_store.h"
#include "search/key_segment.h"

#define KEY_BLOB_KIND      2u
#define KEY_BLOB_MAX_BYTES ((uint64_t) 1 << 30) /* a longer one is not believed */
#define KEY_BLOBS_MAX      64u                  /* of one account; each is twice the next */

void key_blob_print(const struct key_segment *segment, struct buf *out);
/* NULL: not whole, or of another version. Whatever the bytes are, what comes out is safe to
 * work on. */
struct key_segment *key_blob_parse(struct slice bytes);

/* A blob and what is in it. */
struct key_blob {
    uint64_t from, to;
    struct key_segment *segment; /* a reference */
};

/* Those of an account that can be used, from body id 1 on without a gap; `out` has room for
 * KEY_BLOBS_MAX. The others are removed if that is wanted. */
size_t key_blobs_load(struct engine *engine, uint64_t account, bool remove_others,
                      struct key_blob *out);
void key_blobs_done(struct key_blob *blobs, size_t n);
MUST_CHECK enum rc key_blob_store(struct engine *engine, uint64_t account,
                                  const struct key_blob *blob, struct err *err);
void key_blob_remove(struct engine *engine, uint64_t account, const struct key_blob *blob);

#endif
