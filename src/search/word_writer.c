/* word_writer.c - the words of a segment on their way into it. */
#include <assert.h>

#include "base/utf8.h"
#include "base/varint.h"
#include "search/postings.h"
#include "search/text_segment_format.h"
#include "search/text_segment_write.h"
#include "search/word_segment.h"

#define PAGES_MAX_BYTES ((size_t) 1 << 30)

struct word_writer {
    struct text_segment_writer *segment;
    struct buf pages, rows;
    struct buf lists; /* of the word at hand */
    uint32_t *times;  /* room for them while they are coded */
    uint32_t cap_times;
    uint64_t lists_at;  /* where the lists begin in the segment */
    size_t page_at;     /* where the last page begins */
    uint64_t lists_len; /* so far */
    bool has_page;
    struct word last;
};

struct word_writer *word_writer_new(struct text_segment_writer *segment)
{
    struct word_writer *writer = xcalloc(1, sizeof(*writer));

    writer->segment = segment;
    buf_init(&writer->pages, PAGES_MAX_BYTES);
    buf_init(&writer->rows, PAGES_MAX_BYTES);
    buf_init(&writer->lists, (size_t) WORD_PLACES * 2 * LIST_MAX_BYTES);
    return writer;
}

void word_writer_free(struct word_writer *writer)
{
    if (writer == NULL)
        return;
    buf_done(&writer->pages);
    buf_done(&writer->rows);
    buf_done(&writer->lists);
    free(writer->times);
    free(writer);
}

void word_writer_freep(struct word_writer **writer)
{
    word_writer_free(*writer);
    *writer = NULL;
}

enum rc word_write_uncovered(struct word_writer *writer, const uint32_t *numbers, uint32_t n,
                             struct err *err)
{
    enum rc rc;

    postings_encode(numbers, n, &writer->lists);
    text_segment_note_wordless(writer->segment, n);
    rc = text_segment_put_section(writer->segment, SECTION_WORDLESS, buf_slice(&writer->lists),
                                  err);
    buf_reset(&writer->lists);
    writer->lists_at = text_segment_writer_at(writer->segment);
    return rc;
}

/* ---- an entry ---- */

static void begin_page(struct word_writer *writer)
{
    writer->page_at = writer->pages.len;
    writer->has_page = true;
    writer->last.n = 0;
    buf_le64(&writer->rows, writer->pages.len);
    buf_le64(&writer->rows, writer->lists_len);
}

static void put_word(struct word_writer *writer, const struct word *word)
{
    uint32_t shared = 0, most = MIN(word->n, writer->last.n);

    while (shared < most && word->ch[shared] == writer->last.ch[shared])
        shared++;
    buf_varint(&writer->pages, shared * 2 + word->is_pair);
    buf_varint(&writer->pages, word->n - shared);
    for (uint32_t i = shared; i < word->n; i++)
        utf8_append(&writer->pages, word->ch[i]);
    writer->last = *word;
}

/* word_segment.c has how they are coded. */
static void put_times(struct word_writer *writer, const struct word_list *list)
{
    uint32_t next = 0;
    bool is_once = true;

    for (uint32_t i = 0; i < list->n; i++)
        is_once = is_once && list->times[i] == 1;
    if (is_once)
        return;
    if (list->n > writer->cap_times) {
        writer->cap_times = 2 * list->n;
        writer->times = xrealloc(writer->times, writer->cap_times * sizeof(*writer->times));
    }
    for (uint32_t i = 0; i < list->n; i++) {
        writer->times[i] = next + list->times[i] - 1;
        next = writer->times[i] + 1;
    }
    postings_encode(writer->times, list->n, &writer->lists);
}

static void put_postings(struct word_writer *writer, const struct word_list *list)
{
    size_t begin = writer->lists.len, middle;

    buf_varint(&writer->pages, list->n - 1);
    if (list->n == 1) {
        buf_varint(&writer->pages,
                   (uint64_t) list->numbers[0] << WORD_TIMES_BITS | (list->times[0] - 1u));
        return;
    }
    postings_encode(list->numbers, list->n, &writer->lists);
    middle = writer->lists.len;
    put_times(writer, list);
    buf_varint(&writer->pages, middle - begin);
    buf_varint(&writer->pages, writer->lists.len - middle);
}

enum rc word_write(struct word_writer *writer, const struct word *word,
                   const struct word_list *lists, struct err *err)
{
    unsigned places = 0;
    size_t one = 0;
    enum rc rc;

    for (size_t i = 0; i < WORD_PLACES; i++) {
        places |= (unsigned) (lists[i].n > 0) << i;
        one = lists[i].n > 0 ? i : one;
    }
    assert(places != 0);
    if (!writer->has_page || writer->pages.len - writer->page_at >= WORD_PAGE_CLOSE)
        begin_page(writer);
    put_word(writer, word);
    buf_reset(&writer->lists);
    if (places == 1u << one && lists[one].n == 1 && lists[one].times[0] == 1) {
        buf_byte(&writer->pages, (char) (unsigned char) (places | WORD_ONLY));
        buf_varint(&writer->pages, lists[one].numbers[0]);
    } else {
        buf_byte(&writer->pages, (char) (unsigned char) places);
        for (size_t i = 0; i < WORD_PLACES; i++)
            if (lists[i].n > 0)
                put_postings(writer, &lists[i]);
    }
    assert(!writer->lists.overflow && !writer->pages.overflow);
    rc = text_segment_put(writer->segment, buf_slice(&writer->lists), err);
    writer->lists_len += writer->lists.len;
    return rc;
}

enum rc word_write_end(struct word_writer *writer, struct err *err)
{
    enum rc rc;

    text_segment_note_section(writer->segment, SECTION_WORD_LISTS, writer->lists_at,
                              writer->lists_len);
    rc = text_segment_put_section(writer->segment, SECTION_WORD_PAGES,
                                  buf_slice(&writer->pages), err);
    return rc ? rc
              : text_segment_put_section(writer->segment, SECTION_WORD_ROWS,
                                         buf_slice(&writer->rows), err);
}
