/*
 * needle.h - a text to look for: substring over decoded, casemapped text.
 *
 * Spec: RFC 9051 6.4.4, RFC 5051 (i;unicode-casemap). Both sides are casemapped and compared as
 * bytes. ASCII text meets the same result by a table, without the Unicode library. Linear in
 * the text, whatever the needle: its rarest byte is looked for while that is rare in the text
 * too, then memmem is asked, which is two-way. RFC
 * 5255 4.2: another comparator may have been chosen; then it is asked instead.
 *
 * What an index keeps is casemapped as RFC 5051 says. Capitals of ASCII alone, and no mapping
 * at all, tell apart at least what that casemap does, character by character: so a text that
 * has the needle by i;ascii-casemap or i;octet has it, casemapped, in what is kept, and the
 * index may leave out what has not. Of a language's collation nothing of the kind holds.
 */
#ifndef ROOST_SEARCH_NEEDLE_H
#define ROOST_SEARCH_NEEDLE_H

#include "base/arena.h"
#include "base/buf.h"
#include "mime/collator.h"
#include "mime/comparator.h"

#define NEEDLE_FACTOR      18u                 /* bytes that casemapping may make of one */
#define NEEDLE_BLOCK_BYTES ((size_t) 64 << 10) /* of text that are mapped at once */
#define NEEDLE_SCRATCH_MAX_BYTES                                                               \
    ((size_t) 64                                                                               \
     << 20) /* a block as long as a needle of 192 KiB, which is what a command holds */

struct needle {
    enum comparator_kind kind;
    struct slice mapped;       /* by i;unicode-casemap, whatever the comparator */
    bool ascii;                /* so is the needle; ASCII text then needs no casemap */
    size_t rare;               /* where in `mapped` its rarest byte is */
    struct slice plain;        /* i;octet: as it is; i;ascii-casemap: as capitals */
    struct collator *collator; /* COMPARATOR_LANGUAGE */
    struct collated_needle collated;
};

/* How the texts of one search are compared. */
struct comparison {
    enum comparator_kind kind;
    struct collator *collator; /* COMPARATOR_LANGUAGE; else NULL */
};

/* text: UTF-8. An empty needle is in every text (RFC 9051 6.4.4). */
void needle_init(struct needle *needle, struct slice text, struct arena *arena);
/* by outlives it. */
void needle_init_by(struct needle *needle, struct slice text, const struct comparison *by,
                    struct arena *arena);
/* What looking at one byte of text costs, beside i;unicode-casemap. */
uint64_t needle_work(const struct needle *needle);
/* Is a text that has the needle among those that have `mapped` when casemapped? */
bool needle_may_prune(const struct needle *needle);
/* Is it the other way round as well? */
bool needle_is_casemapped(const struct needle *needle);
/* Does it hold of two texts, one behind the other, that neither has the needle if both together
 * have not? */
bool needle_finds_by_bytes(const struct needle *needle);
/* scratch: a buf born with NEEDLE_SCRATCH_MAX_BYTES; kept between calls. */
bool needle_is_in(const struct needle *needle, struct slice text, struct buf *scratch);

#endif
