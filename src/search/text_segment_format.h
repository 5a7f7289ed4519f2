/*
 * text_segment_format.h - the numbers of docs/formats/search-index.md, for those who write and
 * read segments; and how they read one from front to back.
 */
#ifndef ROOST_SEARCH_TEXT_SEGMENT_FORMAT_H
#define ROOST_SEARCH_TEXT_SEGMENT_FORMAT_H

#include "base/scan.h"
#include "search/text_segment.h"

#define SEGMENT_MAGIC      SLICE("RSX1")
#define SEGMENT_VERSION    2u
#define SEGMENT_TAIL_BYTES 512u

#define SEGMENTS_MERGED_MAX 64u /* that become one */

#define PAGE_CLOSE_BYTES                                                                       \
    1024u /* a page of a dictionary ends with the entry that reaches it                        \
           */
#define PAGE_MAX_BYTES (PAGE_CLOSE_BYTES + 32u)
#define PAGE_ROW_BYTES 16u
#define LIST_MAX_BYTES ((size_t) 8 << 20) /* SEGMENT_SPAN_MAX numbers take less */
#define COLUMN_TEXT_CLOSE                                                                      \
    ((size_t) 32 << 10)                       /* of a block; the next message begins another   \
                                               */
#define COLUMN_TEXT_MAX   ((size_t) 64 << 10) /* of one message in one field */
#define COLUMN_BLOCK_DOCS 4096u
#define COLUMN_RAW_MAX    (COLUMN_TEXT_CLOSE + COLUMN_TEXT_MAX + COLUMN_BLOCK_DOCS * 3u)
#define COLUMN_ROW_BYTES  24u
#define COLUMN_MARK       '\xff' /* behind each value; in no UTF-8 */
#define COLUMN_LZ4_RATIO  255u   /* what the format can do; more is damage */

#define WORD_PAGE_CLOSE 65536u /* a page of words ends with the entry that reaches it */
#define WORD_PAGE_MAX   (WORD_PAGE_CLOSE + 512u)
#define WORD_ROW_BYTES  16u
#define WORD_ONLY       0x80u /* of an entry's places: one message, once */
#define WORD_TIMES_BITS 5u    /* how often a word's one message has it, below its number */

enum text_segment_section {
    SECTION_UNCOVERED,
    SECTION_DAYS,
    SECTION_LISTS,                                      /* + 3 * dict */
    SECTION_PAGES,                                      /* + 3 * dict */
    SECTION_PAGE_ROWS,                                  /* + 3 * dict */
    SECTION_BLOCKS = SECTION_LISTS + 3 * SEGMENT_DICTS, /* + 2 * field */
    SECTION_BLOCK_ROWS,                                 /* + 2 * field */
    SECTION_WORDLESS = SECTION_BLOCKS + 2 * SEGMENT_FIELDS,
    SECTION_WORD_LISTS,
    SECTION_WORD_PAGES,
    SECTION_WORD_ROWS,
    SECTION_END,
};

struct text_segment_range {
    uint64_t at, len;
};

/* A page of a dictionary: ascending trigrams with the lengths of their lists. */
struct page_row {
    uint32_t first; /* trigram */
    uint32_t at;    /* in the section of pages */
    uint64_t lists; /* where the list of the first is, in the section of lists */
};

/* Fields of some messages in a row: a varint length each, then their texts; lz4. */
struct block_row {
    uint32_t first, n;     /* numbers */
    uint32_t at, stored;   /* in the section of blocks; stored == raw: as it is */
    uint32_t raw, text_at; /* text_at: the lengths end here */
};

/* A page of words. */
struct word_page {
    uint64_t at;    /* in the section of pages */
    uint64_t lists; /* where the first list of its entries is, in the section of lists */
};

struct text_segment {
    struct engine *engine;
    struct derived *derived;
    struct derived_name name;
    uint32_t covered, words_covered;
    struct text_segment_range sections[SECTION_END];
    uint64_t *uncovered; /* bits */
    struct page_row *pages[SEGMENT_DICTS];
    size_t n_pages[SEGMENT_DICTS];
    struct block_row *blocks[SEGMENT_FIELDS];
    size_t n_blocks[SEGMENT_FIELDS];
    uint64_t *wordless; /* bits: whose words are not known */
    struct word_page *word_pages;
    size_t n_word_pages;
};

/* An entry of a dictionary. */
struct dict_entry {
    uint32_t trigram, n; /* n: numbers in its list, at least 1 */
    uint32_t len;        /* bytes of the list */
    uint64_t at;         /* of it, in the section of lists */
};

/* One page, entry by entry. False at its end; *is_sound is cleared if it ends wrongly. */
struct page_walk {
    struct scan sc;
    uint32_t trigram;
    uint64_t at;
    bool is_first;
};
void page_walk_begin(struct page_walk *walk, const struct page_row *row, struct slice bytes);
bool page_walk_next(struct page_walk *walk, uint32_t span, struct dict_entry *out,
                    bool *is_sound);

MUST_CHECK enum rc text_segment_read(const struct text_segment *segment, size_t section,
                                     uint64_t at, char *out, size_t len, struct err *err);
/* room: PAGE_MAX_BYTES */
MUST_CHECK enum rc text_segment_read_page(const struct text_segment *segment,
                                          enum text_segment_dict dict, size_t page, char *room,
                                          struct slice *out, struct err *err);
/* raw: COLUMN_RAW_MAX; room: as much. The block's lengths and text. */
MUST_CHECK enum rc text_segment_read_block(const struct text_segment *segment,
                                           enum text_segment_field field, size_t block,
                                           char *room, char *raw, struct slice *out_lengths,
                                           struct slice *out_text, struct err *err);
enum rc text_segment_damaged(const struct text_segment *segment, const char *what,
                             struct err *err);

#endif
