/*
 * text_segment_merge.c - one segment of several, list by list and field by field.
 *
 * The dictionaries are read from front to back, all at once; a list of the new segment is the
 * lists of the old ones, in their order; words likewise (word_merge.h). Memory: a page and a
 * piece of the lists of each, and one list.
 */
#include <assert.h>

#include "base/varint.h"
#include "search/bits.h"
#include "search/postings.h"
#include "search/text_segment_build.h"
#include "search/text_segment_format.h"
#include "search/text_segment_write.h"
#include "search/word_merge.h"

#define AHEAD_BYTES ((size_t) 64 << 10) /* of lists that are read in one go */
#define ASKED_EVERY 64u                 /* lists between two questions to goes_on */

/* A dictionary of one old segment, from front to back. */
struct cursor {
    const struct text_segment *segment;
    enum text_segment_dict dict;
    uint32_t shift; /* of its numbers in the new segment */
    size_t page;    /* the next to be read */
    struct page_walk walk;
    struct dict_entry entry;
    bool is_done;
    uint64_t ahead_at; /* ahead holds the lists from there on */
    size_t ahead_len;
    char *ahead; /* AHEAD_BYTES, or as long as a list */
    size_t ahead_cap;
    char room[PAGE_MAX_BYTES];
};

struct merge {
    struct text_segment *const *segments;
    size_t n;
    uint32_t span;
    struct text_segment_writer *writer;
    uint32_t *numbers; /* span of them */
    bool (*goes_on)(void *ctx);
    void *ctx;
    uint32_t lists; /* merged so far */
};

static enum rc step(struct cursor *cursor, struct err *err)
{
    bool is_sound = true;

    while (!page_walk_next(&cursor->walk, text_segment_span(cursor->segment), &cursor->entry,
                           &is_sound)) {
        struct slice bytes;
        enum rc rc;

        if (!is_sound)
            return text_segment_damaged(cursor->segment, "a page", err);
        cursor->is_done = cursor->page == cursor->segment->n_pages[cursor->dict];
        if (cursor->is_done)
            return RC_OK;
        rc = text_segment_read_page(cursor->segment, cursor->dict, cursor->page, cursor->room,
                                    &bytes, err);
        if (rc)
            return rc;
        page_walk_begin(&cursor->walk, &cursor->segment->pages[cursor->dict][cursor->page],
                        bytes);
        cursor->page++;
    }
    return RC_OK;
}

static enum rc read_ahead(struct cursor *cursor, struct err *err)
{
    size_t section = SECTION_LISTS + 3 * (size_t) cursor->dict;
    uint64_t len = cursor->segment->sections[section].len;
    size_t want = MAX((size_t) cursor->entry.len, AHEAD_BYTES);
    enum rc rc;

    if (cursor->entry.at > len || cursor->entry.len > len - cursor->entry.at)
        return text_segment_damaged(cursor->segment, "a list behind its section", err);
    if (want > cursor->ahead_cap) {
        cursor->ahead = xrealloc(cursor->ahead, want);
        cursor->ahead_cap = want;
    }
    cursor->ahead_at = cursor->entry.at;
    cursor->ahead_len = (size_t) MIN((uint64_t) want, len - cursor->entry.at);
    rc = text_segment_read(cursor->segment, section, cursor->ahead_at, cursor->ahead,
                           cursor->ahead_len, err);
    if (rc)
        cursor->ahead_len = 0;
    return rc;
}

/* The list of the entry at hand, as numbers of the new segment. */
static enum rc take_list(struct cursor *cursor, uint32_t *out, struct err *err)
{
    const struct dict_entry *entry = &cursor->entry;
    struct slice bytes;

    if (entry->at < cursor->ahead_at ||
        entry->at + entry->len > cursor->ahead_at + cursor->ahead_len) {
        enum rc rc = read_ahead(cursor, err);

        if (rc)
            return rc;
    }
    bytes = slice_of(cursor->ahead + (entry->at - cursor->ahead_at), entry->len);
    if (!postings_decode(bytes, entry->n, text_segment_span(cursor->segment), out))
        return text_segment_damaged(cursor->segment, "a list", err);
    for (uint32_t i = 0; i < entry->n; i++)
        out[i] += cursor->shift;
    return RC_OK;
}

static enum rc stopped(struct err *err)
{
    return err_set(err, RC_UNAVAILABLE, "Stopped", "segment: the merge was stopped");
}

/* The least trigram of all cursors, merged. */
static enum rc merge_list(struct merge *merge, struct cursor *cursors, bool *out_is_done,
                          struct err *err)
{
    uint32_t trigram = UINT32_MAX, n = 0;

    if (merge->lists++ % ASKED_EVERY == 0 && !merge->goes_on(merge->ctx))
        return stopped(err);
    for (size_t i = 0; i < merge->n; i++)
        if (!cursors[i].is_done)
            trigram = MIN(trigram, cursors[i].entry.trigram);
    *out_is_done = trigram == UINT32_MAX;
    if (*out_is_done)
        return RC_OK;
    for (size_t i = 0; i < merge->n; i++) {
        enum rc rc;

        if (cursors[i].is_done || cursors[i].entry.trigram != trigram)
            continue;
        rc = take_list(&cursors[i], merge->numbers + n, err);
        n += cursors[i].entry.n;
        if (!rc)
            rc = step(&cursors[i], err);
        if (rc)
            return rc;
    }
    return text_segment_write_trigram(merge->writer, trigram, merge->numbers, n, err);
}

static enum rc merge_dict(struct merge *merge, enum text_segment_dict dict, struct err *err)
{
    AUTO(freep) struct cursor *cursors = xcalloc(merge->n, sizeof(*cursors));
    uint32_t shift = 0;
    bool is_done = false;
    enum rc rc = RC_OK;

    for (size_t i = 0; i < merge->n && !rc; i++) {
        cursors[i] = (struct cursor){
            .segment = merge->segments[i], .dict = dict, .shift = shift, .ahead = NULL};
        page_walk_begin(&cursors[i].walk, &(struct page_row){0}, (struct slice){NULL, 0});
        shift += text_segment_span(merge->segments[i]);
        rc = step(&cursors[i], err);
    }
    while (!rc && !is_done)
        rc = merge_list(merge, cursors, &is_done, err);
    for (size_t i = 0; i < merge->n; i++)
        free(cursors[i].ahead);
    return rc ? rc : text_segment_end_dict(merge->writer, dict, err);
}

static enum rc merge_block(const struct merge *merge, const struct text_segment *segment,
                           enum text_segment_field field, size_t block, char *rooms,
                           struct err *err)
{
    uint32_t n = segment->blocks[field][block].n;
    struct slice lengths, text;
    struct scan sc;
    enum rc rc = text_segment_read_block(segment, field, block, rooms, rooms + COLUMN_RAW_MAX,
                                         &lengths, &text, err);

    if (rc)
        return rc;
    sc = scan_of(lengths);
    for (uint32_t i = 0; i < n && !rc; i++) {
        uint32_t len = 0;

        if (!scan_varint32(&sc, (uint32_t) MIN(text.len, COLUMN_TEXT_MAX), &len))
            return text_segment_damaged(segment, "lengths of a block", err);
        rc = text_segment_write_text(merge->writer, slice_sub(text, 0, len), err);
        text = slice_from(text, len);
    }
    return rc;
}

static enum rc merge_field(const struct merge *merge, enum text_segment_field field,
                           struct err *err)
{
    AUTO(freep) char *rooms = xmalloc(2 * COLUMN_RAW_MAX);
    enum rc rc = RC_OK;

    for (size_t i = 0; i < merge->n; i++) {
        for (size_t block = 0; block < merge->segments[i]->n_blocks[field] && !rc; block++) {
            rc = merge_block(merge, merge->segments[i], field, block, rooms, err);
            if (!rc && !merge->goes_on(merge->ctx))
                rc = stopped(err);
        }
    }
    return rc ? rc : text_segment_end_field(merge->writer, field, err);
}

static enum rc merge_uncovered(const struct merge *merge, struct err *err)
{
    uint32_t n = 0, shift = 0;

    for (size_t i = 0; i < merge->n; i++) {
        uint32_t span = text_segment_span(merge->segments[i]);

        for (uint32_t at = 0; at < span; at++)
            if (bit_is_set(merge->segments[i]->uncovered, at))
                merge->numbers[n++] = at + shift;
        shift += span;
    }
    return text_segment_write_uncovered(merge->writer, merge->numbers, n, err);
}

static enum rc merge_days(const struct merge *merge, struct err *err)
{
    AUTO(freep) int32_t *days = xcalloc(merge->span, sizeof(*days));
    uint64_t work = 0;
    uint32_t at = 0;

    for (size_t i = 0; i < merge->n; i++) {
        enum rc rc = text_segment_days(merge->segments[i], days + at, &work, err);

        if (rc)
            return rc;
        at += text_segment_span(merge->segments[i]);
    }
    return text_segment_write_days(merge->writer, days, err);
}

static enum rc merge_all(struct merge *merge, struct err *err)
{
    enum rc rc = merge_uncovered(merge, err);

    if (!rc)
        rc = merge_days(merge, err);
    for (size_t i = 0; i < SEGMENT_DICTS && !rc; i++)
        rc = merge_dict(merge, (enum text_segment_dict) i, err);
    for (size_t i = 0; i < SEGMENT_FIELDS && !rc; i++)
        rc = merge_field(merge, (enum text_segment_field) i, err);
    if (!rc)
        rc = word_merge(&(struct word_merge){merge->segments, merge->n, merge->writer,
                                             merge->goes_on, merge->ctx},
                        err);
    return rc;
}

enum rc text_segment_merge(struct text_segment *const *segments, size_t n,
                           struct engine *engine, uint64_t account, bool (*goes_on)(void *ctx),
                           void *ctx, struct err *err)
{
    const struct derived_name name = {SEGMENT_KIND, text_segment_name(segments[0])->from,
                                      text_segment_name(segments[n - 1])->to};
    struct merge merge = {.segments = segments, .n = n, .goes_on = goes_on, .ctx = ctx};
    AUTO(freep) uint32_t *numbers = NULL;
    enum rc rc;

    assert(n >= 1 && n <= SEGMENTS_MERGED_MAX && name.to - name.from <= SEGMENT_SPAN_MAX);
    merge.span = (uint32_t) (name.to - name.from);
    numbers = xcalloc(merge.span, sizeof(*numbers));
    merge.numbers = numbers;
    rc = text_segment_writer_begin(engine, account, &name, &merge.writer, err);
    if (!rc)
        rc = merge_all(&merge, err);
    if (!rc)
        return text_segment_writer_finish(merge.writer, err);
    text_segment_writer_drop(merge.writer);
    return rc;
}
