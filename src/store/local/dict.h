/*
 * dict.h - dictionaries that bodies are compressed with [format], docs/formats/packs.md.
 *
 * A dictionary is trained on the store's own mail and never changed. A pack names at most one.
 * It is kept as long as a pack names it, in two places, packs/N.dict and a row of the state:
 * whichever is damaged or missing is read from the other, and written again.
 *
 * Lock: the dictionaries' lock, of the rank of the packs' lock; files are read with it held,
 * once for each dictionary and start.
 */
#ifndef ROOST_STORE_LOCAL_DICT_H
#define ROOST_STORE_LOCAL_DICT_H

#include "store/local/store.h"

#define DICT_ZSTD_LEVEL 3 /* of everything that zstd compresses here */
#define DICT_MAX_BYTES  ((size_t) 110 << 10)

/* Worth training: so many bodies of so many bytes; and no more than that is looked at. */
#define DICT_SAMPLES_MIN      2000u
#define DICT_SAMPLE_MIN_BYTES ((size_t) 4 << 20)
#define DICT_SAMPLE_MAX_BYTES ((size_t) 8 << 20)
#define DICT_SAMPLE_BYTES     ((size_t) 16 << 10) /* of one body */

struct ZSTD_CDict_s;
struct ZSTD_DDict_s;

/* Lives as long as the engine. */
struct dict {
    uint64_t id;   /* random, never 0 */
    unsigned pins; /* dictionaries' lock: writers whose pack the state does not name yet */
    struct ZSTD_CDict_s *compress;
    struct ZSTD_DDict_s *decompress;
};

struct dicts;
struct dicts *dicts_new(struct local *local);
void dicts_free(struct dicts *dicts);

/* RC_CORRUPT: both copies are damaged or gone. */
MUST_CHECK enum rc dicts_get(struct dicts *dicts, uint64_t id, const struct dict **out,
                             struct err *err);
/* Both copies as they lie on the disk, whatever is loaded. */
struct dict_check {
    uint64_t bytes;
    bool is_file_bad, is_row_bad;
    bool is_mended; /* from the other one */
};
/* A copy that is damaged is written again from the other; one that is missing may be on its way
 * out, the next start judges it. RC_IO, RC_FULL: it could not be written. */
MUST_CHECK enum rc dicts_verify(struct dicts *dicts, uint64_t id, struct dict_check *out,
                                struct err *err);
/* The one that new packs use, pinned; NULL when there is none yet, or a better one is wanted.
 */
const struct dict *dicts_current(struct dicts *dicts);
/* No sweep takes a pinned one. NULL is allowed. */
void dicts_unpin(struct dicts *dicts, const struct dict *dict);
/* Train on samples that lie side by side and keep what comes of it, durable in both places,
 * as the current one; pinned. RC_NOT_FOUND: the samples give no dictionary. */
MUST_CHECK enum rc dicts_train(struct dicts *dicts, const char *samples, const size_t *lens,
                               unsigned n, const struct dict **out, struct err *err);
/* A pack was written with the dictionary: raw bytes became so many. When that is clearly worse
 * than what it did at first, the next writer trains another. */
void dicts_note(struct dicts *dicts, const struct dict *dict, uint64_t raw, uint64_t stored);
/* An account is gone whose mail the current dictionary may quote: none is current any more. */
void dicts_retire(struct dicts *dicts);
/* Dictionaries that no pack of the state names are removed, but for the current one. At start,
 * and after packs went. */
MUST_CHECK enum rc dicts_sweep(struct dicts *dicts, struct err *err);

#endif
