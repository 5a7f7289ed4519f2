/*
 * word_segment.h - the words of a segment's messages [format], docs/formats/search-index.md:
 * what FUZZY asks (mime/word.h, fuzzy.h).
 *
 * A vocabulary in its order, a page at a time; of each word the messages that have it, by the
 * place where it stands, and how often. Numbers are those of the segment (text_segment.h).
 * Which messages it knows is its own list: one with more distinct words than an index is good
 * for is not covered here, and is read.
 */
#ifndef ROOST_SEARCH_WORD_SEGMENT_H
#define ROOST_SEARCH_WORD_SEGMENT_H

#include "base/scan.h"
#include "mime/digest.h"
#include "mime/word.h"
#include "search/text_segment.h"

/* Where a word stands: a field of the message's own header, in the order of
 * text_segment_field; another one; a part. */
enum word_place {
    WORD_IN_FROM,
    WORD_IN_TO,
    WORD_IN_CC,
    WORD_IN_BCC,
    WORD_IN_SUBJECT,
    WORD_IN_OTHER,
    WORD_IN_PART,
};
#define WORD_PLACES (WORD_IN_PART + 1)

/* Nobody asks for more: a key has FUZZY_WORDS_MAX words, and five further ones count. */
#define WORD_TIMES_MAX 21u

/* The place of a span of a digest, and the text that is looked at there. */
enum word_place word_place_of(const struct digest_span *span, struct slice *out_text);
enum word_place word_place_of_field(struct slice name);

/* ---- writing ---- */

/* The messages that have a word in one place. */
struct word_list {
    uint32_t n;
    const uint32_t *numbers; /* ascending */
    const uint8_t *times;    /* 1 to WORD_TIMES_MAX */
};

/* The vocabulary of a segment on its way, behind its fields: what is not covered, the words in
 * their order, the end. */
struct word_writer;
struct text_segment_writer;
struct word_writer *word_writer_new(struct text_segment_writer *segment);
void word_writer_free(struct word_writer *writer); /* NULL is allowed */
void word_writer_freep(struct word_writer **writer);
MUST_CHECK enum rc word_write_uncovered(struct word_writer *writer, const uint32_t *numbers,
                                        uint32_t n, struct err *err);
/* The next: above the one before (word_compare). lists: WORD_PLACES, one at least not empty. */
MUST_CHECK enum rc word_write(struct word_writer *writer, const struct word *word,
                              const struct word_list *lists, struct err *err);
MUST_CHECK enum rc word_write_end(struct word_writer *writer, struct err *err);

/* The order of a vocabulary: words of scripts without spaces behind all others; by their
 * characters. */
int word_compare(const struct word *a, const struct word *b);

/* ---- reading ---- */

/* What the vocabulary says of a word in a place. */
struct word_postings {
    uint32_t n;              /* messages */
    uint32_t number, times;  /* n 1: the one */
    uint32_t len, times_len; /* else: octets of the two lists, */
    uint64_t at;             /* of which this is the first, in the section of lists */
};

/* A word, as a walk over the vocabulary comes to it. */
struct word_entry {
    struct word word;
    uint8_t places; /* bits: where it stands; of those alone `in` says something */
    struct word_postings in[WORD_PLACES];
};

static inline bool word_is_in(const struct word_entry *entry, unsigned place)
{
    return (entry->places >> place & 1) != 0;
}

/* From the first word on, as often as one likes. */
struct word_walk {
    const struct text_segment *segment;
    size_t page; /* the next to be read */
    struct scan sc;
    uint64_t at;                       /* of the next list */
    uint64_t sets[WORD_MAX_CHARS + 1]; /* of the word's first characters, so many */
    struct word_entry entry;
    char *room;
};
void word_walk_begin(struct word_walk *walk, const struct text_segment *segment);
void word_walk_done(struct word_walk *walk);
/* False: there is none, or the page is at its end and the next is to be read. */
bool word_walk_next(struct word_walk *walk, bool *is_sound);
/* RC_NOT_FOUND: there is no further one. */
MUST_CHECK enum rc word_walk_page(struct word_walk *walk, uint64_t *work, struct err *err);

/* The numbers, and how often; room for n of each. */
MUST_CHECK enum rc word_read_list(const struct text_segment *segment,
                                  const struct word_postings *postings, uint32_t *numbers,
                                  uint8_t *times, uint64_t *work, struct err *err);

/* text_segment.c, for a segment that is opened and let go of. */
MUST_CHECK enum rc word_segment_open(struct text_segment *segment, struct err *err);

#endif
