/*
 * text_segment_build.h - a segment made of digests, and one made of several segments.
 *
 * A build takes digests in the order of body ids and keeps what it found in memory, up to
 * SEGMENT_BUILD_BYTES, which whoever builds counts in the store's budget; what a message has
 * that would not fit an index (more distinct trigrams or words, or a longer field, than anybody
 * writes) makes it one that is not covered.
 */
#ifndef ROOST_SEARCH_TEXT_SEGMENT_BUILD_H
#define ROOST_SEARCH_TEXT_SEGMENT_BUILD_H

#include "mime/digest.h"
#include "search/text_segment.h"

#define SEGMENT_BUILD_BYTES ((size_t) 36 << 20) /* then the segment is closed */
/* One more message of nothing but new words and trigrams, up to their limits; and each array
 * may just have doubled. So it takes no more than this. */
#define SEGMENT_MESSAGE_BYTES   ((size_t) 48 << 20)
#define SEGMENT_BUILD_MAX_BYTES (2 * (SEGMENT_BUILD_BYTES + SEGMENT_MESSAGE_BYTES))
#define SEGMENT_BUILD_BODIES    16384u               /* likewise */
#define SEGMENT_BUILD_SPAN      ((uint32_t) 1 << 18) /* likewise: ids, most of them dead */
#define SEGMENT_TRIGRAMS_MAX    ((uint32_t) 1 << 18) /* of one message in one dictionary */

struct text_segment_build;

/* For bodies from this id on. */
struct text_segment_build *text_segment_build_new(uint64_t from);
void text_segment_build_free(struct text_segment_build *build); /* NULL is allowed */
void text_segment_build_freep(struct text_segment_build **build);

/* body_id is above the one before and below from + SEGMENT_BUILD_SPAN; the digest is whole. Ids
 * between are not covered. */
void text_segment_build_add(struct text_segment_build *build, uint64_t body_id,
                            const struct digest *digest);
/* Is it time to write it? next: the id that would be looked at next. */
bool text_segment_build_is_full(const struct text_segment_build *build, uint64_t next);
/* What it takes of memory now. */
size_t text_segment_build_bytes(const struct text_segment_build *build);
/* Ids up to `to` were looked at. goes_on is asked now and then, and may sleep; RC_UNAVAILABLE
 * once it says no. */
MUST_CHECK enum rc text_segment_build_write(struct text_segment_build *build,
                                            struct engine *engine, uint64_t account,
                                            uint64_t to, bool (*goes_on)(void *ctx), void *ctx,
                                            struct err *err);

/*
 * One segment of n, each beginning where the one before ends. goes_on: as above.
 */
MUST_CHECK enum rc text_segment_merge(struct text_segment *const *segments, size_t n,
                                      struct engine *engine, uint64_t account,
                                      bool (*goes_on)(void *ctx), void *ctx, struct err *err);

#endif
