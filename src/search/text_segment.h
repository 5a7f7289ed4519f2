/*
 * text_segment.h - one segment of the search index: what the bodies of an account with ids
 * from..to - 1 hold [format], docs/formats/search-index.md.
 *
 * A body's number in its segment is its id less `from`. A segment knows for each number whether
 * it is covered; one that is not (dead when the segment was made, or with more text than an
 * index is good for) may hold anything. Of the covered ones it answers:
 *
 * - which hold all trigrams of a needle, in the message's own header or in the rest: whoever is
 *   not among them does not hold the needle (three bytes: whoever is among them does);
 * - which have a From, To, Cc, Bcc or Subject field with a needle in it: exactly;
 * - on which day they were sent: exactly;
 * - which words they have, where and how often (word_segment.h, word_ask.h).
 *
 * Needles and text are casemapped (mime_casemap). An immutable blob of the engine (derived.h of
 * the local one): bytes that changed at rest are RC_CORRUPT, never an answer. Counted; any
 * number of threads may ask one.
 */
#ifndef ROOST_SEARCH_TEXT_SEGMENT_H
#define ROOST_SEARCH_TEXT_SEGMENT_H

#include "store/engine.h"

#define SEGMENT_KIND     1u /* of derived blobs */
#define SEGMENT_SPAN_MAX ((uint32_t) 1 << 20)

enum text_segment_dict { SEGMENT_HEADER, SEGMENT_BODY };
#define SEGMENT_DICTS (SEGMENT_BODY + 1)

enum text_segment_field { SEGMENT_FROM, SEGMENT_TO, SEGMENT_CC, SEGMENT_BCC, SEGMENT_SUBJECT };
#define SEGMENT_FIELDS (SEGMENT_SUBJECT + 1)

#define SEGMENT_NO_DAY INT32_MIN /* no readable Date field */

struct text_segment;

/* RC_INVALID: of another version, of this format or of what it was made from; RC_NOT_FOUND,
 * RC_CORRUPT, RC_IO. */
MUST_CHECK enum rc text_segment_open(struct engine *engine, uint64_t account,
                                     const struct derived_name *name, struct text_segment **out,
                                     struct err *err);
void text_segment_free(struct text_segment *segment); /* NULL is allowed */

const struct derived_name *text_segment_name(const struct text_segment *segment);
uint32_t text_segment_span(const struct text_segment *segment); /* to - from */
uint32_t text_segment_covered(const struct text_segment *segment);
uint64_t text_segment_bytes(const struct text_segment *segment);
/* Bits: the numbers that are not covered. */
const uint64_t *text_segment_uncovered(const struct text_segment *segment);
/* Likewise: those whose words it does not know; the others are among them. */
const uint64_t *text_segment_wordless(const struct text_segment *segment);

/*
 * Each writes the answer into bits, BITS_WORDS(span) of them, and adds what it read to *work.
 * RC_CORRUPT, RC_IO: bits say nothing.
 */

/* mapped.len >= 3. Bits of numbers that are not covered mean nothing. */
MUST_CHECK enum rc text_segment_find(const struct text_segment *segment,
                                     enum text_segment_dict dict, struct slice mapped,
                                     uint64_t *bits, uint64_t *work, struct err *err);
/*
 * Any length; an empty needle asks for the field. First the numbers that may have it, by the
 * lists; then, where it matters, those of first..first + n - 1 by the field's texts. These lie
 * in blocks, each of which is searched once: done has a bit for each, all clear at first.
 * Numbers that are not covered must be set, and stay so.
 */
MUST_CHECK enum rc text_segment_may_have(const struct text_segment *segment,
                                         enum text_segment_field field, struct slice mapped,
                                         uint64_t *bits, uint64_t *work, struct err *err);
MUST_CHECK enum rc text_segment_find_field(const struct text_segment *segment,
                                           enum text_segment_field field, struct slice mapped,
                                           uint32_t first, uint32_t n, uint64_t *done,
                                           uint64_t *bits, uint64_t *work, struct err *err);
size_t text_segment_blocks(const struct text_segment *segment, enum text_segment_field field);
/* The day each was sent, or SEGMENT_NO_DAY: span of them. */
MUST_CHECK enum rc text_segment_days(const struct text_segment *segment, int32_t *out,
                                     uint64_t *work, struct err *err);

#endif
