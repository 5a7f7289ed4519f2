/* word_segment.c - reading the words of a segment. */
#include "search/word_segment.h"

#include "base/utf8.h"
#include "base/varint.h"
#include "search/bits.h"
#include "search/postings.h"
#include "search/text_segment_format.h"

static const struct {
    struct slice name;
    enum word_place place;
} fields[] = {
    {{"From", 4},    WORD_IN_FROM   },
    {{"To", 2},      WORD_IN_TO     },
    {{"Cc", 2},      WORD_IN_CC     },
    {{"Bcc", 3},     WORD_IN_BCC    },
    {{"Subject", 7}, WORD_IN_SUBJECT},
};

enum word_place word_place_of_field(struct slice name)
{
    for (size_t i = 0; i < COUNT(fields); i++)
        if (slice_eq_nocase(name, fields[i].name))
            return fields[i].place;
    return WORD_IN_OTHER;
}

enum word_place word_place_of(const struct digest_span *span, struct slice *out_text)
{
    if (span->kind != DIGEST_SPAN_HEADER) {
        *out_text = span->text;
        return WORD_IN_PART;
    }
    *out_text = span->value;
    return word_place_of_field(span->name);
}

int word_compare(const struct word *a, const struct word *b)
{
    uint32_t n = MIN(a->n, b->n);

    if (a->is_pair != b->is_pair)
        return a->is_pair ? 1 : -1;
    for (uint32_t i = 0; i < n; i++)
        if (a->ch[i] != b->ch[i])
            return a->ch[i] < b->ch[i] ? -1 : 1;
    return (a->n > b->n) - (a->n < b->n);
}

/* ---- opening ---- */

static enum rc read_uncovered(struct text_segment *segment, struct err *err)
{
    uint64_t len = segment->sections[SECTION_WORDLESS].len;
    uint32_t span = text_segment_span(segment);
    AUTO(freep) char *bytes = NULL;
    enum rc rc;

    if (len > LIST_MAX_BYTES || segment->words_covered > segment->covered)
        return text_segment_damaged(segment, "what has no words", err);
    bytes = xmalloc((size_t) len + 1);
    rc = text_segment_read(segment, SECTION_WORDLESS, 0, bytes, (size_t) len, err);
    if (rc)
        return rc;
    segment->wordless = xcalloc(BITS_WORDS(span), sizeof(*segment->wordless));
    return postings_decode_bits(slice_of(bytes, (size_t) len), span - segment->words_covered,
                                span, segment->wordless)
               ? RC_OK
               : text_segment_damaged(segment, "what has no words", err);
}

static enum rc read_rows(struct text_segment *segment, struct err *err)
{
    const struct text_segment_range *rows = &segment->sections[SECTION_WORD_ROWS];
    uint64_t pages = segment->sections[SECTION_WORD_PAGES].len;
    size_t n = (size_t) (rows->len / WORD_ROW_BYTES);
    AUTO(freep) char *bytes = NULL;
    struct scan sc;
    enum rc rc;

    /* A page that is not the last has WORD_PAGE_CLOSE octets at least. */
    if (rows->len % WORD_ROW_BYTES != 0 || n > pages / WORD_PAGE_CLOSE + 1)
        return text_segment_damaged(segment, "pages of words", err);
    bytes = xmalloc((size_t) rows->len + 1);
    rc = text_segment_read(segment, SECTION_WORD_ROWS, 0, bytes, (size_t) rows->len, err);
    if (rc)
        return rc;
    sc = scan_of(slice_of(bytes, (size_t) rows->len));
    segment->word_pages = xcalloc(n + 1, sizeof(*segment->word_pages));
    for (size_t i = 0; i < n; i++) {
        struct word_page *page = &segment->word_pages[i];
        const struct word_page *before = i > 0 ? page - 1 : NULL;

        if (!scan_le64(&sc, &page->at) || !scan_le64(&sc, &page->lists) || page->at >= pages ||
            (before == NULL ? page->at != 0 || page->lists != 0
                            : page->at <= before->at || page->lists < before->lists))
            return text_segment_damaged(segment, "pages of words", err);
    }
    segment->n_word_pages = n;
    return RC_OK;
}

enum rc word_segment_open(struct text_segment *segment, struct err *err)
{
    enum rc rc = read_uncovered(segment, err);

    return rc ? rc : read_rows(segment, err);
}

/* ---- walking ---- */

void word_walk_begin(struct word_walk *walk, const struct text_segment *segment)
{
    *walk = (struct word_walk){.segment = segment, .room = xmalloc(WORD_PAGE_MAX)};
}

void word_walk_done(struct word_walk *walk)
{
    free(TAKE(walk->room));
}

enum rc word_walk_page(struct word_walk *walk, uint64_t *work, struct err *err)
{
    const struct text_segment *segment = walk->segment;
    const struct word_page *page = &segment->word_pages[walk->page];
    uint64_t end, len;
    enum rc rc;

    if (walk->page == segment->n_word_pages)
        return RC_NOT_FOUND;
    end = walk->page + 1 < segment->n_word_pages ? page[1].at
                                                 : segment->sections[SECTION_WORD_PAGES].len;
    len = end - page->at; /* rows were checked to ascend */
    if (len > WORD_PAGE_MAX)
        return text_segment_damaged(segment, "length of a page of words", err);
    rc =
        text_segment_read(segment, SECTION_WORD_PAGES, page->at, walk->room, (size_t) len, err);
    if (rc)
        return rc;
    *work += len;
    walk->sc = scan_of(slice_of(walk->room, (size_t) len));
    walk->at = page->lists;
    walk->entry.word.n = 0;
    walk->page++;
    return RC_OK;
}

/* The characters of the word from `from` on, most of them of ASCII. False: not all are, and
 * nothing was taken. */
static bool take_ascii(struct word_walk *walk, uint32_t from)
{
    struct word *word = &walk->entry.word;
    const unsigned char *bytes = (const unsigned char *) walk->sc.pos;
    uint64_t set = walk->sets[from];
    uint32_t more = word->n - from, all = 0;

    if (scan_left(&walk->sc) < more)
        return false;
    for (uint32_t i = 0; i < more; i++) {
        all |= bytes[i];
        set |= (uint64_t) 1 << (bytes[i] % 64);
        word->ch[from + i] = bytes[i];
        walk->sets[from + i + 1] = set;
    }
    if (all >= 0x80)
        return false;
    walk->sc.pos += more;
    return true;
}

static bool take_chars(struct word_walk *walk, uint32_t from)
{
    struct word *word = &walk->entry.word;

    for (uint32_t i = from; i < word->n; i++) {
        if (!utf8_scan(&walk->sc, &word->ch[i]))
            return false;
        walk->sets[i + 1] = walk->sets[i] | (uint64_t) 1 << (word->ch[i] % 64);
    }
    return true;
}

/* What stands first: the word, of which the beginning may be that of the one before. */
static bool take_word(struct word_walk *walk)
{
    struct word *word = &walk->entry.word;
    uint32_t shared, more;

    if (!scan_varint32(&walk->sc, 2 * WORD_MAX_CHARS + 1, &shared) ||
        !scan_varint32(&walk->sc, WORD_MAX_CHARS, &more))
        return false;
    word->is_pair = (shared & 1) != 0;
    shared /= 2;
    if (shared > word->n || more > WORD_MAX_CHARS - shared)
        return false;
    word->n = shared + more;
    if (!take_ascii(walk, shared) && !take_chars(walk, shared))
        return false;
    word->chars = walk->sets[word->n];
    return true;
}

static bool take_postings(struct word_walk *walk, struct word_postings *out)
{
    uint32_t span = text_segment_span(walk->segment), less = 0, coded = 0;

    if (!scan_varint32(&walk->sc, span - 1, &less))
        return false;
    *out = (struct word_postings){.n = less + 1, .at = walk->at};
    if (out->n > 1) {
        if (!scan_varint32(&walk->sc, (uint32_t) LIST_MAX_BYTES, &out->len) ||
            !scan_varint32(&walk->sc, (uint32_t) LIST_MAX_BYTES, &out->times_len))
            return false;
        walk->at += (uint64_t) out->len + out->times_len;
        return true;
    }
    if (!scan_varint32(&walk->sc, span << WORD_TIMES_BITS, &coded))
        return false;
    out->number = coded >> WORD_TIMES_BITS;
    out->times = (coded & ((1u << WORD_TIMES_BITS) - 1)) + 1;
    return out->number < span && out->times <= WORD_TIMES_MAX;
}

/* A word of one message, where it stands once. */
static bool take_only(struct word_walk *walk, uint8_t places)
{
    uint32_t number = 0;

    if (places == 0 || (places & (places - 1)) != 0 ||
        !scan_varint32(&walk->sc, text_segment_span(walk->segment) - 1, &number))
        return false;
    walk->entry.in[__builtin_ctz(places)] =
        (struct word_postings){.n = 1, .number = number, .times = 1};
    return true;
}

bool word_walk_next(struct word_walk *walk, bool *is_sound)
{
    uint8_t places = 0;

    if (scan_done(&walk->sc))
        return false;
    *is_sound = false;
    if (!take_word(walk) || !scan_le8(&walk->sc, &places))
        return false;
    walk->entry.places = (uint8_t) (places & ~WORD_ONLY);
    if ((places & WORD_ONLY) != 0) {
        if (!take_only(walk, (uint8_t) (places & ~WORD_ONLY)))
            return false;
    } else {
        for (size_t i = 0; i < WORD_PLACES; i++)
            if ((places >> i & 1) != 0 && !take_postings(walk, &walk->entry.in[i]))
                return false;
    }
    *is_sound = places != 0;
    return *is_sound;
}

/* ---- lists ---- */

/* Coded as the numbers times - 1 + (the one before) + 1: so their gaps are times - 1. */
static bool decode_times(struct slice bytes, uint32_t n, uint32_t *room, uint8_t *times)
{
    uint32_t next = 0;

    if (!postings_decode(bytes, n, n * WORD_TIMES_MAX, room))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t more = room[i] - next;

        if (more >= WORD_TIMES_MAX)
            return false;
        times[i] = (uint8_t) (more + 1);
        next = room[i] + 1;
    }
    return true;
}

enum rc word_read_list(const struct text_segment *segment, const struct word_postings *postings,
                       uint32_t *numbers, uint8_t *times, uint64_t *work, struct err *err)
{
    size_t len = (size_t) postings->len + postings->times_len;
    uint32_t n = postings->n, span = text_segment_span(segment);
    AUTO(freep) char *bytes = NULL;
    enum rc rc;

    *work += n;
    if (n == 1) {
        numbers[0] = postings->number;
        times[0] = (uint8_t) postings->times;
        return RC_OK;
    }
    bytes = xmalloc(len + 1);
    rc = text_segment_read(segment, SECTION_WORD_LISTS, postings->at, bytes, len, err);
    if (rc)
        return rc;
    *work += len;
    memset(times, 1, n);
    if (postings->times_len > 0 &&
        !decode_times(slice_of(bytes + postings->len, postings->times_len), n, numbers, times))
        return text_segment_damaged(segment, "how often a word stands", err);
    return postings_decode(slice_of(bytes, postings->len), n, span, numbers)
               ? RC_OK
               : text_segment_damaged(segment, "a list of a word", err);
}
