/* text_segment.c - opening a segment, and what it answers. */
#include "search/text_segment.h"

#include <lz4.h>

#include "base/varint.h"
#include "mime/digest.h"
#include "mime/text.h"
#include "search/bits.h"
#include "search/postings.h"
#include "search/text_segment_format.h"
#include "search/word_segment.h"

#define TRIGRAMS_MAX 64u /* of a needle that are looked up; more prune no better */

/* ---- reading ---- */

enum rc text_segment_damaged(const struct text_segment *segment, const char *what,
                             struct err *err)
{
    return err_set(err, RC_CORRUPT, "The search index is damaged", "segment %llx-%llx: %s",
                   (unsigned long long) segment->name.from,
                   (unsigned long long) segment->name.to, what);
}

enum rc text_segment_read(const struct text_segment *segment, size_t section, uint64_t at,
                          char *out, size_t len, struct err *err)
{
    const struct text_segment_range *range = &segment->sections[section];

    if (at > range->len || len > range->len - at)
        return text_segment_damaged(segment, "a range behind its section", err);
    return segment->engine->ops->derived_read(segment->derived, range->at + at, out, len, err);
}

enum rc text_segment_read_page(const struct text_segment *segment, enum text_segment_dict dict,
                               size_t page, char *room, struct slice *out, struct err *err)
{
    size_t section = SECTION_PAGES + 3 * (size_t) dict;
    const struct page_row *rows = segment->pages[dict];
    uint64_t end =
        page + 1 < segment->n_pages[dict] ? rows[page + 1].at : segment->sections[section].len;
    uint64_t len = end - rows[page].at; /* rows were checked to ascend */
    enum rc rc;

    if (len > PAGE_MAX_BYTES)
        return text_segment_damaged(segment, "length of a page", err);
    rc = text_segment_read(segment, section, rows[page].at, room, (size_t) len, err);
    if (!rc)
        *out = slice_of(room, (size_t) len);
    return rc;
}

void page_walk_begin(struct page_walk *walk, const struct page_row *row, struct slice bytes)
{
    *walk = (struct page_walk){
        .sc = scan_of(bytes), .trigram = row->first, .at = row->lists, .is_first = true};
}

bool page_walk_next(struct page_walk *walk, uint32_t span, struct dict_entry *out,
                    bool *is_sound)
{
    uint32_t delta = 0, less = 0, len = 0;

    if (scan_done(&walk->sc))
        return false;
    if ((!walk->is_first && !scan_varint32(&walk->sc, 0xffffff, &delta)) ||
        !scan_varint32(&walk->sc, span - 1, &less) ||
        !scan_varint32(&walk->sc, (uint32_t) LIST_MAX_BYTES, &len) ||
        delta > 0xffffffu - walk->trigram || (!walk->is_first && delta == 0)) {
        *is_sound = false;
        return false;
    }
    walk->trigram += delta;
    walk->is_first = false;
    *out = (struct dict_entry){walk->trigram, less + 1, len, walk->at};
    walk->at += len;
    return true;
}

enum rc text_segment_read_block(const struct text_segment *segment,
                                enum text_segment_field field, size_t block, char *room,
                                char *raw, struct slice *out_lengths, struct slice *out_text,
                                struct err *err)
{
    const struct block_row *row = &segment->blocks[field][block];
    bool is_packed = row->stored < row->raw;
    enum rc rc = text_segment_read(segment, SECTION_BLOCKS + 2 * (size_t) field, row->at,
                                   is_packed ? room : raw, row->stored, err);

    if (rc)
        return rc;
    if (is_packed &&
        LZ4_decompress_safe(room, raw, (int) row->stored, (int) row->raw) != (int) row->raw)
        return text_segment_damaged(segment, "a block does not decompress", err);
    *out_lengths = slice_of(raw, row->text_at);
    *out_text = slice_of(raw + row->text_at, row->raw - row->text_at);
    return RC_OK;
}

/* ---- opening ---- */

static enum rc read_tail(struct text_segment *segment, struct err *err)
{
    uint64_t length = segment->engine->ops->derived_length(segment->derived);
    uint32_t version = 0, digest = 0, casemap = 0;
    char tail[SEGMENT_TAIL_BYTES];
    struct scan sc = scan_of(slice_of(tail, sizeof(tail)));
    uint64_t from = 0, to = 0;
    enum rc rc;

    if (length < sizeof(tail))
        return text_segment_damaged(segment, "too short", err);
    rc = segment->engine->ops->derived_read(segment->derived, length - sizeof(tail), tail,
                                            sizeof(tail), err);
    if (rc)
        return rc;
    if (!scan_literal(&sc, SEGMENT_MAGIC) || !scan_le32(&sc, &version) ||
        !scan_le32(&sc, &digest) || !scan_le32(&sc, &casemap) || !scan_le64(&sc, &from) ||
        !scan_le64(&sc, &to) || !scan_le32(&sc, &segment->covered) ||
        !scan_le32(&sc, &segment->words_covered))
        return text_segment_damaged(segment, "tail", err);
    if (version != SEGMENT_VERSION || digest != DIGEST_VERSION ||
        casemap != mime_casemap_version())
        return err_set(err, RC_INVALID, "The search index is of another version",
                       "segment: version %u, digests %u, casemap %08x", version, digest,
                       casemap);
    if (from != segment->name.from || to != segment->name.to ||
        segment->covered > text_segment_span(segment))
        return text_segment_damaged(segment, "range", err);
    for (size_t i = 0; i < SECTION_END; i++) {
        struct text_segment_range *range = &segment->sections[i];

        if (!scan_le64(&sc, &range->at) || !scan_le64(&sc, &range->len) || range->at > length ||
            range->len > length - range->at)
            return text_segment_damaged(segment, "section", err);
    }
    return RC_OK;
}

/* A whole section of small size. */
static enum rc read_section(const struct text_segment *segment, size_t section, size_t max,
                            struct slice *out, struct err *err)
{
    uint64_t len = segment->sections[section].len;
    char *bytes;
    enum rc rc;

    if (len > max)
        return text_segment_damaged(segment, "length of a section", err);
    bytes = xmalloc((size_t) len + 1);
    rc = text_segment_read(segment, section, 0, bytes, (size_t) len, err);
    *out = slice_of(bytes, (size_t) len);
    return rc;
}

static void free_bytes(struct slice *bytes)
{
    union {
        const char *text;
        void *block;
    } made = {.text = bytes->ptr};

    free(made.block);
}

static enum rc read_uncovered(struct text_segment *segment, struct err *err)
{
    uint32_t span = text_segment_span(segment), n = span - segment->covered;
    AUTO(free_bytes) struct slice bytes = {0};
    enum rc rc = read_section(segment, SECTION_UNCOVERED, LIST_MAX_BYTES, &bytes, err);

    if (rc)
        return rc;
    segment->uncovered = xcalloc(BITS_WORDS(span), sizeof(*segment->uncovered));
    if (!postings_decode_bits(bytes, n, span, segment->uncovered))
        return text_segment_damaged(segment, "what is not covered", err);
    return RC_OK;
}

static bool page_row_fits(const struct text_segment *segment, size_t dict, size_t i)
{
    const struct page_row *row = &segment->pages[dict][i];

    if (i == 0)
        return row->at == 0 && row->lists == 0 && row->first <= 0xffffff;
    return row->first > row[-1].first && row->at > row[-1].at && row->lists >= row[-1].lists &&
           row->at < segment->sections[SECTION_PAGES + 3 * dict].len && row->first <= 0xffffff;
}

static enum rc read_page_rows(struct text_segment *segment, size_t dict, struct err *err)
{
    AUTO(free_bytes) struct slice bytes = {0};
    enum rc rc =
        read_section(segment, SECTION_PAGE_ROWS + 3 * dict, LIST_MAX_BYTES, &bytes, err);
    struct scan sc = scan_of(bytes);
    size_t n = bytes.len / PAGE_ROW_BYTES;

    if (rc)
        return rc;
    segment->pages[dict] = xcalloc(n + 1, sizeof(*segment->pages[dict]));
    for (size_t i = 0; i < n; i++) {
        struct page_row *row = &segment->pages[dict][i];

        if (!scan_le32(&sc, &row->first) || !scan_le32(&sc, &row->at) ||
            !scan_le64(&sc, &row->lists) || !page_row_fits(segment, dict, i))
            return text_segment_damaged(segment, "pages", err);
    }
    segment->n_pages[dict] = n;
    return scan_done(&sc) ? RC_OK : text_segment_damaged(segment, "pages", err);
}

/* Rows follow each other; together they are of every number. */
static bool block_row_fits(const struct text_segment *segment, size_t field, size_t i)
{
    const struct block_row *row = &segment->blocks[field][i];
    uint32_t first = i > 0 ? row[-1].first + row[-1].n : 0;
    uint32_t at = i > 0 ? row[-1].at + row[-1].stored : 0;

    return row->first == first && row->n > 0 && row->n <= COLUMN_BLOCK_DOCS &&
           row->n <= text_segment_span(segment) - first && row->at == at &&
           row->raw <= COLUMN_RAW_MAX && row->stored <= row->raw &&
           row->raw / COLUMN_LZ4_RATIO <= row->stored && row->text_at <= row->raw &&
           (uint64_t) row->at + row->stored <=
               segment->sections[SECTION_BLOCKS + 2 * field].len;
}

static enum rc read_block_rows(struct text_segment *segment, size_t field, struct err *err)
{
    AUTO(free_bytes) struct slice bytes = {0};
    enum rc rc = read_section(segment, SECTION_BLOCK_ROWS + 2 * field,
                              (size_t) SEGMENT_SPAN_MAX * COLUMN_ROW_BYTES, &bytes, err);
    struct scan sc = scan_of(bytes);
    size_t n = bytes.len / COLUMN_ROW_BYTES;
    uint64_t end = 0;

    if (rc)
        return rc;
    segment->blocks[field] = xcalloc(n + 1, sizeof(*segment->blocks[field]));
    for (size_t i = 0; i < n; i++) {
        struct block_row *row = &segment->blocks[field][i];

        if (!scan_le32(&sc, &row->first) || !scan_le32(&sc, &row->n) ||
            !scan_le32(&sc, &row->at) || !scan_le32(&sc, &row->stored) ||
            !scan_le32(&sc, &row->raw) || !scan_le32(&sc, &row->text_at) ||
            !block_row_fits(segment, field, i))
            return text_segment_damaged(segment, "blocks", err);
        end = (uint64_t) row->first + row->n;
    }
    segment->n_blocks[field] = n;
    return scan_done(&sc) && end == text_segment_span(segment)
               ? RC_OK
               : text_segment_damaged(segment, "blocks", err);
}

static enum rc read_all(struct text_segment *segment, struct err *err)
{
    enum rc rc = read_tail(segment, err);

    if (!rc)
        rc = read_uncovered(segment, err);
    for (size_t dict = 0; dict < SEGMENT_DICTS && !rc; dict++)
        rc = read_page_rows(segment, dict, err);
    for (size_t field = 0; field < SEGMENT_FIELDS && !rc; field++)
        rc = read_block_rows(segment, field, err);
    if (!rc && segment->sections[SECTION_DAYS].len != (uint64_t) text_segment_span(segment) * 4)
        rc = text_segment_damaged(segment, "days", err);
    return rc ? rc : word_segment_open(segment, err);
}

enum rc text_segment_open(struct engine *engine, uint64_t account,
                          const struct derived_name *name, struct text_segment **out,
                          struct err *err)
{
    struct text_segment *segment = xcalloc(1, sizeof(*segment));
    enum rc rc;

    segment->engine = engine;
    segment->name = *name;
    if (name->from >= name->to || name->to - name->from > SEGMENT_SPAN_MAX)
        rc = text_segment_damaged(segment, "range", err);
    else
        rc = engine->ops->derived_open(engine, account, name, &segment->derived, err);
    if (!rc)
        rc = read_all(segment, err);
    if (rc) {
        text_segment_free(segment);
        return rc;
    }
    *out = segment;
    return RC_OK;
}

void text_segment_free(struct text_segment *segment)
{
    if (segment == NULL)
        return;
    segment->engine->ops->derived_close(segment->derived);
    for (size_t i = 0; i < SEGMENT_DICTS; i++)
        free(segment->pages[i]);
    for (size_t i = 0; i < SEGMENT_FIELDS; i++)
        free(segment->blocks[i]);
    free(segment->uncovered);
    free(segment->wordless);
    free(segment->word_pages);
    free(segment);
}

const struct derived_name *text_segment_name(const struct text_segment *segment)
{
    return &segment->name;
}

uint32_t text_segment_span(const struct text_segment *segment)
{
    return (uint32_t) (segment->name.to - segment->name.from);
}

uint32_t text_segment_covered(const struct text_segment *segment)
{
    return segment->covered;
}

uint64_t text_segment_bytes(const struct text_segment *segment)
{
    return segment->engine->ops->derived_length(segment->derived);
}

const uint64_t *text_segment_uncovered(const struct text_segment *segment)
{
    return segment->uncovered;
}

const uint64_t *text_segment_wordless(const struct text_segment *segment)
{
    return segment->wordless;
}

/* ---- trigrams ---- */

/* The last page that begins at or below the trigram; n_pages: none. */
static size_t page_of(const struct text_segment *segment, enum text_segment_dict dict,
                      uint32_t trigram)
{
    const struct page_row *rows = segment->pages[dict];
    size_t low = 0, high = segment->n_pages[dict];

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (rows[middle].first <= trigram)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? low - 1 : segment->n_pages[dict];
}

/* RC_NOT_FOUND: no text has it. */
static enum rc find_entry(const struct text_segment *segment, enum text_segment_dict dict,
                          uint32_t trigram, struct dict_entry *out, uint64_t *work,
                          struct err *err)
{
    size_t page = page_of(segment, dict, trigram);
    char room[PAGE_MAX_BYTES];
    struct page_walk walk;
    struct dict_entry entry;
    struct slice bytes;
    bool is_sound = true;
    enum rc rc;

    if (page == segment->n_pages[dict])
        return RC_NOT_FOUND;
    rc = text_segment_read_page(segment, dict, page, room, &bytes, err);
    if (rc)
        return rc;
    *work += bytes.len;
    page_walk_begin(&walk, &segment->pages[dict][page], bytes);
    while (page_walk_next(&walk, text_segment_span(segment), &entry, &is_sound)) {
        if (entry.trigram < trigram)
            continue;
        if (entry.trigram > trigram)
            return RC_NOT_FOUND;
        *out = entry;
        return RC_OK;
    }
    return is_sound ? RC_NOT_FOUND : text_segment_damaged(segment, "a page", err);
}

/* Rarest first. */
static int by_count(const void *a, const void *b)
{
    const struct dict_entry *x = a, *y = b;

    if (x->n != y->n)
        return x->n < y->n ? -1 : 1;
    return (x->trigram > y->trigram) - (x->trigram < y->trigram);
}

/* The entries of the needle's trigrams, each once. RC_NOT_FOUND: one is in no text. */
static enum rc find_entries(const struct text_segment *segment, enum text_segment_dict dict,
                            struct slice mapped, struct dict_entry *entries, size_t *out_n,
                            uint64_t *work, struct err *err)
{
    size_t n = 0, step = 1 + (mapped.len - 3) / TRIGRAMS_MAX;

    for (size_t at = 0; at + 3 <= mapped.len; at += step) {
        const unsigned char *p = (const unsigned char *) mapped.ptr + at;
        uint32_t trigram = (uint32_t) p[0] << 16 | (uint32_t) p[1] << 8 | p[2];
        size_t same = 0;
        enum rc rc;

        while (same < n && entries[same].trigram != trigram)
            same++;
        if (same < n)
            continue;
        rc = find_entry(segment, dict, trigram, &entries[n], work, err);
        if (rc)
            return rc;
        n++;
    }
    qsort(entries, n, sizeof(*entries), by_count);
    *out_n = n;
    return RC_OK;
}

static enum rc read_list(const struct text_segment *segment, enum text_segment_dict dict,
                         const struct dict_entry *entry, uint64_t *bits, uint64_t *work,
                         struct err *err)
{
    AUTO(freep) char *bytes = xmalloc((size_t) entry->len + 1);
    enum rc rc = text_segment_read(segment, SECTION_LISTS + 3 * (size_t) dict, entry->at, bytes,
                                   entry->len, err);

    if (rc)
        return rc;
    *work += entry->len + entry->n;
    if (!postings_decode_bits(slice_of(bytes, entry->len), entry->n, text_segment_span(segment),
                              bits))
        return text_segment_damaged(segment, "a list", err);
    return RC_OK;
}

/* Nanoseconds, roughly: what a number costs in a list, and what a message costs that must be
 * looked at because a list was left out. */
#define LIST_NUMBER_COST 3u
#define CANDIDATE_COST   20000u

/* Does this list save more than it costs, with so many candidates left? */
static bool is_worth_it(const struct text_segment *segment, const struct dict_entry *entry,
                        uint32_t candidates)
{
    uint64_t span = text_segment_span(segment);
    uint64_t saved = (uint64_t) candidates * (span - entry->n) / span;

    return saved * CANDIDATE_COST > (uint64_t) entry->n * LIST_NUMBER_COST;
}

enum rc text_segment_find(const struct text_segment *segment, enum text_segment_dict dict,
                          struct slice mapped, uint64_t *bits, uint64_t *work, struct err *err)
{
    struct dict_entry entries[TRIGRAMS_MAX + 1];
    size_t words = BITS_WORDS(text_segment_span(segment)), n = 0;
    AUTO(freep) uint64_t *more = NULL;
    enum rc rc;

    bits_clear(bits, words);
    *work += words;
    rc = find_entries(segment, dict, mapped, entries, &n, work, err);
    if (rc)
        return rc == RC_NOT_FOUND ? RC_OK : rc;
    rc = read_list(segment, dict, &entries[0], bits, work, err);
    if (n > 1)
        more = xmalloc(words * sizeof(*more));
    for (size_t i = 1; i < n && !rc; i++) {
        if (!is_worth_it(segment, &entries[i], bits_count(bits, words)))
            break;
        bits_clear(more, words);
        rc = read_list(segment, dict, &entries[i], more, work, err);
        if (!rc)
            bits_and(bits, more, words);
    }
    return rc;
}

/* ---- columns ---- */

/* The lengths of a block's messages, one by one. */
struct length_walk {
    struct scan sc;
    uint32_t left; /* messages */
    size_t end;    /* of the current one's text */
};

static bool next_length(struct length_walk *walk, size_t text_len)
{
    uint32_t len = 0;

    if (walk->left == 0 || !scan_varint32(&walk->sc, (uint32_t) (text_len - walk->end), &len))
        return false;
    walk->left--;
    walk->end += len;
    return true;
}

/* Keep the bits of the messages whose text has the needle; the texts of others are not looked
 * at.
 */
static bool search_few(const struct block_row *row, struct slice lengths, struct slice text,
                       struct slice needle, uint64_t *bits)
{
    struct length_walk walk = {.sc = scan_of(lengths), .left = row->n};

    for (uint32_t number = row->first; walk.left > 0; number++) {
        size_t begin = walk.end;
        struct slice one;

        if (!next_length(&walk, text.len))
            return false;
        if (!bit_is_set(bits, number))
            continue;
        one = slice_sub(text, begin, walk.end - begin);
        if (one.len == 0 || slice_search(one, needle) == one.len)
            bits_clear_range(bits, number, 1);
    }
    return scan_done(&walk.sc) && walk.end == text.len;
}

/* Set the bits of the messages whose text has the needle; an empty one is in every text. */
static bool search_block(const struct block_row *row, struct slice lengths, struct slice text,
                         struct slice needle, uint64_t *bits)
{
    struct length_walk walk = {.sc = scan_of(lengths), .left = row->n};
    uint32_t number = row->first;
    size_t hit = SIZE_MAX; /* the next one, once it is looked for */
    bool is_known = false;

    while (walk.left > 0) {
        size_t begin = walk.end;

        if (!next_length(&walk, text.len))
            return false;
        if (walk.end > begin && (!is_known || hit < begin)) {
            size_t found = slice_search(slice_from(text, begin), needle);

            hit = begin + found < text.len ? begin + found : SIZE_MAX;
            is_known = true;
        }
        if (walk.end > begin && hit >= begin && hit < walk.end)
            bit_set(bits, number);
        number++;
    }
    return scan_done(&walk.sc) && walk.end == text.len;
}

size_t text_segment_blocks(const struct text_segment *segment, enum text_segment_field field)
{
    return segment->n_blocks[field];
}

/* Numbers without a text in the field cannot have it. */
static void leave_out_empty(const struct text_segment *segment, enum text_segment_field field,
                            uint64_t *bits)
{
    for (size_t i = 0; i < segment->n_blocks[field]; i++) {
        const struct block_row *row = &segment->blocks[field][i];

        if (row->text_at == row->raw)
            bits_clear_range(bits, row->first, row->n);
    }
}

enum rc text_segment_may_have(const struct text_segment *segment, enum text_segment_field field,
                              struct slice mapped, uint64_t *bits, uint64_t *work,
                              struct err *err)
{
    size_t words = BITS_WORDS(text_segment_span(segment));
    enum rc rc = RC_OK;

    bits_clear(bits, words);
    if (slice_find(mapped, COLUMN_MARK) < mapped.len)
        return RC_OK; /* no text holds it */
    if (mapped.len >= 3)
        rc = text_segment_find(segment, SEGMENT_HEADER, mapped, bits, work, err);
    else
        memset(bits, 0xff, words * sizeof(*bits));
    if (!rc)
        leave_out_empty(segment, field, bits);
    return rc;
}

/* The first block that ends behind a number. */
static size_t block_at(const struct text_segment *segment, enum text_segment_field field,
                       uint32_t number)
{
    size_t low = 0, high = segment->n_blocks[field];

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct block_row *row = &segment->blocks[field][middle];

        if (row->first + row->n <= number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Fewer than one of so many: their texts are searched one by one. */
#define FEW_OF_BLOCK 8u

static enum rc search_in(const struct text_segment *segment, enum text_segment_field field,
                         size_t block, struct slice needle, uint64_t *bits, struct err *err)
{
    const struct block_row *row = &segment->blocks[field][block];
    bool are_few = bits_count_in(bits, row->first, row->n) < row->n / FEW_OF_BLOCK;
    AUTO(freep) char *room = xmalloc(COLUMN_RAW_MAX);
    AUTO(freep) char *raw = xmalloc(COLUMN_RAW_MAX);
    struct slice lengths, text;
    bool is_sound;
    enum rc rc =
        text_segment_read_block(segment, field, block, room, raw, &lengths, &text, err);

    if (rc)
        return rc;
    if (!are_few)
        bits_clear_range(bits, row->first, row->n);
    is_sound = are_few ? search_few(row, lengths, text, needle, bits)
                       : search_block(row, lengths, text, needle, bits);
    for (uint32_t word = row->first / 64; word <= (row->first + row->n - 1) / 64; word++)
        bits[word] |= segment->uncovered[word];
    return is_sound ? RC_OK : text_segment_damaged(segment, "lengths of a block", err);
}

enum rc text_segment_find_field(const struct text_segment *segment,
                                enum text_segment_field field, struct slice mapped,
                                uint32_t first, uint32_t n, uint64_t *done, uint64_t *bits,
                                uint64_t *work, struct err *err)
{
    enum rc rc = RC_OK;

    for (size_t i = block_at(segment, field, first); i < segment->n_blocks[field] && !rc; i++) {
        const struct block_row *row = &segment->blocks[field][i];

        if (row->first >= first + n)
            break;
        if (bit_is_set(done, (uint32_t) i) || !bits_any_in(bits, row->first, row->n))
            continue;
        rc = search_in(segment, field, i, mapped, bits, err);
        bit_set(done, (uint32_t) i);
        *work += row->raw;
    }
    return rc;
}

enum rc text_segment_days(const struct text_segment *segment, int32_t *out, uint64_t *work,
                          struct err *err)
{
    size_t n = text_segment_span(segment);
    AUTO(freep) char *bytes = xmalloc(4 * n);
    struct scan sc = scan_of(slice_of(bytes, 4 * n));
    enum rc rc = text_segment_read(segment, SECTION_DAYS, 0, bytes, 4 * n, err);

    if (rc)
        return rc;
    *work += 4 * n;
    for (size_t i = 0; i < n; i++) {
        uint32_t day = 0;

        (void) scan_le32(&sc, &day); /* so many are there */
        out[i] = (int32_t) day;
    }
    return RC_OK;
}
