/*
 * collator.h - texts compared as a language orders them: ICU's collations.
 *
 * Spec: UTS #10 (6 keys, 8 searching), RFC 4790 4.2, RFC 5255 4.6.
 *
 * A text becomes collation elements, a letter one or more of them; those that the strength
 * ignores are left out. Texts are equal if their elements are. A needle is in a text if its
 * elements stand there in a row, beginning where a character begins and ending where one ends,
 * with the marks on it: "ch" is one letter in Czech, and "c" is not in it. Text that is no
 * UTF-8 has no elements and compares as bytes, behind all that is (RFC 5255 4.6 c).
 *
 * Work is linear in the text whatever the needle. A text is looked at in blocks that end at
 * white space; in a word longer than a block (COLLATOR_BLOCK_UNITS) what stands about the
 * border counts as two words.
 *
 * One thread at a time uses a collator.
 */
#ifndef ROOST_MIME_COLLATOR_H
#define ROOST_MIME_COLLATOR_H

#include "base/arena.h"
#include "base/buf.h"

#define COLLATOR_BLOCK_UNITS 8192u /* UTF-16, of text that is looked at at once */

struct collator;

/* number: a COMPARATOR_LANGUAGE of comparator.h. RC_UNAVAILABLE: ICU does not have it. */
MUST_CHECK enum rc collator_open(unsigned number, struct collator **out, struct err *err);
void collator_close(struct collator *collator); /* NULL is allowed */
void collator_closep(struct collator **collator);

/* Append bytes that compare as the texts do. Nothing for the empty text and what equals it. */
void collator_key(struct collator *collator, struct slice text, struct buf *out);

struct collated_needle {
    struct slice text;
    bool is_text;             /* UTF-8 */
    const uint64_t *elements; /* in the arena */
    const uint32_t *back;     /* of each place: how much of it matches when the next does not */
    size_t n;
};

void collator_needle(struct collator *collator, struct slice text, struct arena *arena,
                     struct collated_needle *out);
bool collator_finds(struct collator *collator, const struct collated_needle *needle,
                    struct slice text);

#endif
