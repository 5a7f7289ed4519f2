/*
 * needle.h - a text to look for: substring over decoded, casemapped text.
 *
 * Spec: RFC 9051 6.4.4, RFC 5051 (i;unicode-casemap). Both sides are casemapped and compared as
 * bytes. ASCII text meets the same result by a table, without the Unicode library. Linear in
 * the text, whatever the needle: its rarest byte is looked for while that is rare in the text
 * too, then memmem is asked, which is two-way.
 */
#ifndef ROOST_SEARCH_NEEDLE_H
#define ROOST_SEARCH_NEEDLE_H

#include "base/arena.h"
#include "base/buf.h"

#define NEEDLE_FACTOR      18u                 /* bytes that casemapping may make of one */
#define NEEDLE_BLOCK_BYTES ((size_t) 64 << 10) /* of text that are mapped at once */
#define NEEDLE_SCRATCH_MAX_BYTES                                                               \
    ((size_t) 64                                                                               \
     << 20) /* a block as long as a needle of 192 KiB, which is what a command holds */

struct needle {
    struct slice mapped;
    bool ascii;  /* so is the needle; ASCII text then needs no casemap */
    size_t rare; /* where in it its rarest byte is */
};

/* text: UTF-8. An empty needle is in every text (RFC 9051 6.4.4). */
void needle_init(struct needle *needle, struct slice text, struct arena *arena);
/* scratch: a buf born with NEEDLE_SCRATCH_MAX_BYTES; kept between calls. */
bool needle_is_in(const struct needle *needle, struct slice text, struct buf *scratch);

#endif
