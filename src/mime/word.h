/*
 * word.h - a text as words that are alike if people would say so: for fuzzy search.
 *
 * Spec: RFC 6203 3 leaves it to the server. A word is a run of letters, digits and the marks on
 * them. Its characters are decomposed (NFKD) and have no case; marks go. Scripts that put no
 * space between words (Han, Kana, Thai, Lao, Khmer, Myanmar) give each two neighbours as a
 * word, and a character that stands alone.
 */
#ifndef ROOST_MIME_WORD_H
#define ROOST_MIME_WORD_H

#include "base/scan.h"

#define WORD_MAX_CHARS 48u /* what follows in a longer run is not looked at */
#define WORD_KEPT      512u

struct word {
    uint32_t n;
    bool is_pair;   /* of a script without spaces: one character, or two */
    uint64_t chars; /* a bit of 64 for each character it has */
    uint32_t ch[WORD_MAX_CHARS];
};

/* What becomes of a character, kept while a text is read. */
struct word_folded {
    uint32_t from; /* 0: nothing is kept here */
    uint8_t kind, n;
    uint32_t to[4];
};

struct word_reader {
    struct scan sc;
    uint32_t before; /* the character of a script without spaces that stood last; 0: none */
    bool is_told;    /* and it was in a pair */
    unsigned char ascii[256]; /* a letter or digit of ASCII as a small one; 0: it is none */
    struct word_folded kept[WORD_KEPT];
};

struct word_reader *word_reader_new(void);
void word_reader_free(struct word_reader *reader); /* NULL is allowed */
/* text: UTF-8; what is none is no letter. */
void word_reader_open(struct word_reader *reader, struct slice text);
bool word_next(struct word_reader *reader, struct word *out);

#endif
