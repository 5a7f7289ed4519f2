#include "search/word_merge.h"

#include "search/bits.h"
#include "search/text_segment_format.h"

#define ASKED_EVERY 256u /* words between two questions to goes_on */

/* A vocabulary of one old segment, from front to back. */
struct cursor {
    struct word_walk walk;
    uint32_t shift; /* of its numbers in the new segment */
    bool is_done;
};

/* The lists of the word at hand, as numbers of the new segment, place by place. */
struct room {
    uint32_t *numbers;
    uint8_t *times;
    size_t n, cap;
};

static enum rc step(struct cursor *cursor, struct err *err)
{
    const struct word last = cursor->walk.entry.word;
    bool is_first = cursor->walk.page == 0, is_sound = true;
    uint64_t work = 0;

    while (!word_walk_next(&cursor->walk, &is_sound)) {
        enum rc rc;

        if (!is_sound)
            return text_segment_damaged(cursor->walk.segment, "a page of words", err);
        rc = word_walk_page(&cursor->walk, &work, err);
        cursor->is_done = rc == RC_NOT_FOUND;
        if (rc)
            return cursor->is_done ? RC_OK : rc;
    }
    if (!is_first && word_compare(&last, &cursor->walk.entry.word) >= 0)
        return text_segment_damaged(cursor->walk.segment, "the order of words", err);
    return RC_OK;
}

static enum rc stopped(struct err *err)
{
    return err_set(err, RC_UNAVAILABLE, "Stopped", "segment: the merge of words was stopped");
}

/* The least word of all cursors; NULL: they are at their ends. */
static const struct word *least_of(const struct cursor *cursors, size_t n)
{
    const struct word *least = NULL;

    for (size_t i = 0; i < n; i++) {
        const struct word *word = &cursors[i].walk.entry.word;

        if (!cursors[i].is_done && (least == NULL || word_compare(word, least) < 0))
            least = word;
    }
    return least;
}

static void make_room(struct room *room, uint32_t more)
{
    if (more <= room->cap - room->n)
        return;
    room->cap = 2 * (room->n + more);
    room->numbers = xrealloc(room->numbers, room->cap * sizeof(*room->numbers));
    room->times = xrealloc(room->times, room->cap * sizeof(*room->times));
}

/* Of one place: the lists of all that have the word there, in their order. */
static enum rc take_place(struct cursor *cursors, const bool *has, size_t n, unsigned place,
                          struct room *room, uint32_t *out_n, struct err *err)
{
    size_t begin = room->n;
    uint64_t work = 0;

    for (size_t i = 0; i < n; i++) {
        const struct word_postings *postings = &cursors[i].walk.entry.in[place];
        enum rc rc;

        if (!has[i] || !word_is_in(&cursors[i].walk.entry, place))
            continue;
        make_room(room, postings->n);
        rc = word_read_list(cursors[i].walk.segment, postings, room->numbers + room->n,
                            room->times + room->n, &work, err);
        if (rc)
            return rc;
        for (uint32_t k = 0; k < postings->n; k++)
            room->numbers[room->n + k] += cursors[i].shift;
        room->n += postings->n;
    }
    *out_n = (uint32_t) (room->n - begin);
    return RC_OK;
}

static enum rc merge_word(struct cursor *cursors, size_t n, const struct word *least,
                          struct room *room, struct word_writer *writer, struct err *err)
{
    const struct word word = *least;
    struct word_list lists[WORD_PLACES] = {0};
    bool has[SEGMENTS_MERGED_MAX];
    size_t at = 0;
    enum rc rc = RC_OK;

    room->n = 0;
    for (size_t i = 0; i < n; i++)
        has[i] = !cursors[i].is_done && word_compare(&cursors[i].walk.entry.word, &word) == 0;
    for (unsigned place = 0; place < WORD_PLACES && !rc; place++)
        rc = take_place(cursors, has, n, place, room, &lists[place].n, err);
    for (unsigned place = 0; place < WORD_PLACES && !rc; place++) {
        lists[place].numbers = room->numbers + at;
        lists[place].times = room->times + at;
        at += lists[place].n;
    }
    if (!rc)
        rc = word_write(writer, &word, lists, err);
    for (size_t i = 0; i < n && !rc; i++)
        if (has[i])
            rc = step(&cursors[i], err);
    return rc;
}

static enum rc merge_uncovered(const struct word_merge *merge, struct word_writer *writer,
                               struct err *err)
{
    uint32_t span = 0, shift = 0, n = 0;
    AUTO(freep) uint32_t *numbers = NULL;

    for (size_t i = 0; i < merge->n; i++)
        span += text_segment_span(merge->segments[i]);
    numbers = xcalloc(span, sizeof(*numbers));
    for (size_t i = 0; i < merge->n; i++) {
        const uint64_t *wordless = text_segment_wordless(merge->segments[i]);

        for (uint32_t at = 0; at < text_segment_span(merge->segments[i]); at++)
            if (bit_is_set(wordless, at))
                numbers[n++] = shift + at;
        shift += text_segment_span(merge->segments[i]);
    }
    return word_write_uncovered(writer, numbers, n, err);
}

static enum rc merge_words(const struct word_merge *merge, struct cursor *cursors,
                           struct word_writer *writer, struct err *err)
{
    struct room room = {.n = 0};
    const struct word *least;
    uint32_t words = 0;
    enum rc rc = merge_uncovered(merge, writer, err);

    for (size_t i = 0; i < merge->n && !rc; i++)
        rc = step(&cursors[i], err);
    while (!rc && (least = least_of(cursors, merge->n)) != NULL) {
        if (words++ % ASKED_EVERY == 0 && !merge->goes_on(merge->ctx))
            rc = stopped(err);
        else
            rc = merge_word(cursors, merge->n, least, &room, writer, err);
    }
    free(room.numbers);
    free(room.times);
    return rc ? rc : word_write_end(writer, err);
}

enum rc word_merge(const struct word_merge *merge, struct err *err)
{
    AUTO(word_writer_freep) struct word_writer *writer = word_writer_new(merge->writer);
    AUTO(freep) struct cursor *cursors = xcalloc(merge->n, sizeof(*cursors));
    uint32_t shift = 0;
    enum rc rc;

    for (size_t i = 0; i < merge->n; i++) {
        cursors[i].shift = shift;
        word_walk_begin(&cursors[i].walk, merge->segments[i]);
        shift += text_segment_span(merge->segments[i]);
    }
    rc = merge_words(merge, cursors, writer, err);
    for (size_t i = 0; i < merge->n; i++)
        word_walk_done(&cursors[i].walk);
    return rc;
}
