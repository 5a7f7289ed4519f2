/*
 * text_segment_build.c - from digests to lists.
 *
 * For each trigram that was met a slot, found by a hash of it, and the numbers that have it as
 * gaps in a chain (posting_chains.h). Which trigrams a message has is found out first, by a bit
 * for each that there can be.
 */
#include "search/text_segment_build.h"

#include <assert.h>

#include "mime/text.h"
#include "search/bits.h"
#include "search/posting_chains.h"
#include "search/text_segment_format.h"
#include "search/text_segment_write.h"
#include "search/word_build.h"

#define FIRST_SLOTS     4096u
#define NOBODY          UINT32_MAX
#define MAP_PIECE_BYTES ((size_t) 64 << 10) /* of text that is casemapped at a time */
#define MAP_FACTOR      18u                 /* bytes that casemapping may make of one */
#define TRIGRAMS        ((size_t) 1 << 24)
#define FIRST_FOUND     4096u
#define ASKED_EVERY     256u /* lists that are written between two questions to goes_on */

struct slot {
    uint32_t trigram, last, n;
    struct chain chain;
};

/* The trigrams of one dictionary. */
struct vocabulary {
    uint32_t *table;  /* slot + 1; 0: free */
    uint32_t n_table; /* a power of two */
    unsigned shift;   /* of a hash, to a place in it */
    struct slot *slots;
    uint32_t n_slots, cap_slots;
    struct chain_pieces pieces;
};

struct text_segment_build {
    uint64_t from;
    uint32_t n_bodies;
    struct vocabulary dicts[SEGMENT_DICTS];
    /* Trigrams of the message at hand in one of them, each once, and a bit of `seen` for each.
     */
    uint32_t *found, n_found, cap_found;
    uint64_t *seen;
    struct word_build *words;
    uint64_t *covered;               /* bits, SEGMENT_BUILD_SPAN */
    uint64_t *worded;                /* likewise: and its words are there */
    int32_t *days;                   /* cap_days of them */
    uint32_t n_numbers, cap_numbers; /* days and text_ends are set below */
    struct buf texts[SEGMENT_FIELDS];
    uint32_t *text_ends[SEGMENT_FIELDS];
    struct buf mapped;
};

#define TEXTS_MAX_BYTES ((size_t) 1 << 30)

struct text_segment_build *text_segment_build_new(uint64_t from)
{
    struct text_segment_build *build = xcalloc(1, sizeof(*build));

    build->from = from;
    build->words = word_build_new();
    build->covered = xcalloc(BITS_WORDS(SEGMENT_BUILD_SPAN), sizeof(*build->covered));
    build->worded = xcalloc(BITS_WORDS(SEGMENT_BUILD_SPAN), sizeof(*build->worded));
    build->seen = xcalloc(BITS_WORDS(TRIGRAMS), sizeof(*build->seen));
    for (size_t i = 0; i < SEGMENT_FIELDS; i++)
        buf_init(&build->texts[i], TEXTS_MAX_BYTES);
    buf_init(&build->mapped, MAP_FACTOR * (MAP_PIECE_BYTES + 8));
    return build;
}

void text_segment_build_free(struct text_segment_build *build)
{
    if (build == NULL)
        return;
    for (size_t i = 0; i < SEGMENT_DICTS; i++) {
        free(build->dicts[i].table);
        free(build->dicts[i].slots);
        chain_pieces_done(&build->dicts[i].pieces);
    }
    for (size_t i = 0; i < SEGMENT_FIELDS; i++) {
        buf_done(&build->texts[i]);
        free(build->text_ends[i]);
    }
    buf_done(&build->mapped);
    free(build->found);
    free(build->seen);
    word_build_free(build->words);
    free(build->covered);
    free(build->worded);
    free(build->days);
    free(build);
}

void text_segment_build_freep(struct text_segment_build **build)
{
    text_segment_build_free(*build);
    *build = NULL;
}

/* ---- trigrams ---- */

static uint32_t place_of(const struct vocabulary *words, uint32_t trigram)
{
    uint32_t at = (trigram * 2654435761u) >> words->shift;

    while (words->table[at] != 0 && words->slots[words->table[at] - 1].trigram != trigram)
        at = (at + 1) & (words->n_table - 1);
    return at;
}

/* Half of the table stays free. */
static void grow(struct vocabulary *words)
{
    words->cap_slots = MAX(2 * words->cap_slots, FIRST_SLOTS);
    words->slots = xrealloc(words->slots, words->cap_slots * sizeof(*words->slots));
    free(words->table);
    words->n_table = 2 * words->cap_slots;
    words->shift = (unsigned) __builtin_clz(words->n_table) + 1;
    words->table = xcalloc(words->n_table, sizeof(*words->table));
    for (uint32_t i = 0; i < words->n_slots; i++)
        words->table[place_of(words, words->slots[i].trigram)] = i + 1;
}

static struct slot *need_slot(struct vocabulary *words, uint32_t trigram)
{
    uint32_t at;
    struct slot *slot;

    if (words->n_slots == words->cap_slots)
        grow(words);
    at = place_of(words, trigram);
    if (words->table[at] != 0)
        return &words->slots[words->table[at] - 1];
    words->table[at] = words->n_slots + 1;
    slot = &words->slots[words->n_slots++];
    *slot = (struct slot){.trigram = trigram, .last = NOBODY};
    return slot;
}

/* The message has it, which has not been said before. */
static void add_trigram(struct vocabulary *words, uint32_t trigram, uint32_t number)
{
    struct slot *slot = need_slot(words, trigram);

    chain_put(&words->pieces, &slot->chain,
              slot->last == NOBODY ? number : number - slot->last - 1);
    slot->last = number;
    slot->n++;
}

/* Room for as many more. */
static void need_found(struct text_segment_build *build, size_t more)
{
    size_t most = MIN(build->n_found + more, (size_t) SEGMENT_TRIGRAMS_MAX);

    if (most <= build->cap_found)
        return;
    build->cap_found = (uint32_t) MAX(most, MAX(2 * (size_t) build->cap_found, FIRST_FOUND));
    build->found = xrealloc(build->found, build->cap_found * sizeof(*build->found));
}

/* Those of a text are noted. Most have been: what a list costs is paid once a message. False:
 * the message has too many. */
static bool find_trigrams(struct text_segment_build *build, struct slice mapped)
{
    const unsigned char *p = (const unsigned char *) mapped.ptr;
    uint64_t *seen = build->seen;
    uint32_t trigram, n = build->n_found;
    bool fits = true;

    if (mapped.len < 3)
        return true;
    need_found(build, mapped.len);
    trigram = (uint32_t) p[0] << 8 | p[1];
    for (size_t i = 2; i < mapped.len && fits; i++) {
        trigram = (trigram << 8 | p[i]) & (TRIGRAMS - 1);
        if (bit_is_set(seen, trigram))
            continue;
        fits = n < SEGMENT_TRIGRAMS_MAX;
        if (fits) {
            bit_set(seen, trigram);
            build->found[n++] = trigram;
        }
    }
    build->n_found = n;
    return fits;
}

/* What was noted goes into the lists, if the message is covered, and is forgotten. */
static void settle_trigrams(struct text_segment_build *build, struct vocabulary *words,
                            uint32_t number, bool is_covered)
{
    for (uint32_t i = 0; i < build->n_found; i++)
        build->seen[build->found[i] / 64] = 0;
    for (uint32_t i = 0; is_covered && i < build->n_found; i++)
        add_trigram(words, build->found[i], number);
    build->n_found = 0;
}

/* No longer than MAP_PIECE_BYTES, and ending between characters. */
static struct slice take_piece(struct slice *text)
{
    size_t len = MIN(text->len, MAP_PIECE_BYTES);
    struct slice piece;

    for (size_t back = 0; len < text->len && back < 3; back++) {
        if (((unsigned char) text->ptr[len] & 0xc0) != 0x80)
            break;
        len--;
    }
    piece = slice_sub(*text, 0, len);
    *text = slice_from(*text, len);
    return piece;
}

/* Casemapping goes character by character, so pieces of text give pieces of its map. */
static bool find_in_text(struct text_segment_build *build, struct slice text)
{
    struct buf *mapped = &build->mapped;

    buf_reset(mapped);
    while (text.len > 0) {
        if (mapped->len > 2)
            buf_consume(mapped, mapped->len - 2); /* trigrams over the border */
        mime_casemap(take_piece(&text), mapped);
        assert(!mapped->overflow);
        if (!find_trigrams(build, buf_slice(mapped)))
            return false;
    }
    return true;
}

/* ---- messages ---- */

static const struct {
    struct slice name;
    enum text_segment_field field;
} fields[] = {
    {{"From", 4},    SEGMENT_FROM   },
    {{"To", 2},      SEGMENT_TO     },
    {{"Cc", 2},      SEGMENT_CC     },
    {{"Bcc", 3},     SEGMENT_BCC    },
    {{"Subject", 7}, SEGMENT_SUBJECT},
};

/* False: too long. */
static bool add_value(struct text_segment_build *build, const struct digest_span *span)
{
    for (size_t i = 0; i < COUNT(fields); i++) {
        struct buf *texts = &build->texts[fields[i].field];
        const uint32_t *ends = build->text_ends[fields[i].field];
        uint32_t begin = build->n_numbers > 0 ? ends[build->n_numbers - 1] : 0;

        if (!slice_eq_nocase(span->name, fields[i].name))
            continue;
        if (span->value.len > COLUMN_TEXT_MAX)
            return false;
        mime_casemap(span->value, texts);
        buf_byte(texts, COLUMN_MARK);
        return !texts->overflow && texts->len - begin <= COLUMN_TEXT_MAX;
    }
    return true;
}

/* The spans of one dictionary. */
static bool read_spans(struct text_segment_build *build, const struct digest *digest,
                       enum text_segment_dict dict)
{
    for (uint32_t i = 0; i < digest->n_spans; i++) {
        struct digest_span span = digest_span(digest, i);
        bool is_own = span.kind == DIGEST_SPAN_HEADER;

        if (is_own != (dict == SEGMENT_HEADER))
            continue;
        if (!find_in_text(build, span.text) || (is_own && !add_value(build, &span)))
            return false;
    }
    return true;
}

static bool add_spans(struct text_segment_build *build, const struct digest *digest,
                      uint32_t number)
{
    bool is_covered = true;

    for (size_t i = 0; i < SEGMENT_DICTS && is_covered; i++) {
        is_covered = read_spans(build, digest, (enum text_segment_dict) i);
        settle_trigrams(build, &build->dicts[i], number, is_covered);
    }
    return is_covered;
}

static void make_room(struct text_segment_build *build, uint32_t number)
{
    if (number < build->cap_numbers)
        return;
    build->cap_numbers = MAX(2 * number, 1024u);
    build->days = xrealloc(build->days, build->cap_numbers * sizeof(*build->days));
    for (size_t i = 0; i < SEGMENT_FIELDS; i++)
        build->text_ends[i] =
            xrealloc(build->text_ends[i], build->cap_numbers * sizeof(*build->text_ends[i]));
}

/* Numbers below this one have nothing but what they have got. */
static void fill_up(struct text_segment_build *build, uint32_t number)
{
    make_room(build, number);
    for (; build->n_numbers < number; build->n_numbers++) {
        build->days[build->n_numbers] = SEGMENT_NO_DAY;
        for (size_t i = 0; i < SEGMENT_FIELDS; i++)
            build->text_ends[i][build->n_numbers] = (uint32_t) build->texts[i].len;
    }
}

/* What there is of the message in the fields goes. */
static void take_back(struct text_segment_build *build)
{
    for (size_t i = 0; i < SEGMENT_FIELDS; i++)
        buf_truncate(&build->texts[i],
                     build->n_numbers > 0 ? build->text_ends[i][build->n_numbers - 1] : 0);
}

void text_segment_build_add(struct text_segment_build *build, uint64_t body_id,
                            const struct digest *digest)
{
    uint32_t number = (uint32_t) (body_id - build->from);
    struct digest_keys keys = digest_keys(digest);

    assert(body_id - build->from < SEGMENT_BUILD_SPAN && number >= build->n_numbers);
    build->n_bodies++;
    fill_up(build, number);
    if (!digest->has_text || (digest->flags & DIGEST_TEXT_CUT) != 0 ||
        !add_spans(build, digest, number)) {
        take_back(build);
        return;
    }
    bit_set(build->covered, number);
    if (word_build_add(build->words, number, digest))
        bit_set(build->worded, number);
    fill_up(build, number + 1);
    if (keys.has_sent)
        build->days[number] = keys.sent_day;
}

size_t text_segment_build_bytes(const struct text_segment_build *build)
{
    size_t bytes = sizeof(*build) + build->mapped.cap + word_build_bytes(build->words) +
                   build->cap_numbers * sizeof(int32_t) * (1 + SEGMENT_FIELDS) +
                   2 * BITS_WORDS(SEGMENT_BUILD_SPAN) * sizeof(uint64_t) +
                   BITS_WORDS(TRIGRAMS) * sizeof(uint64_t) +
                   build->cap_found * sizeof(*build->found);

    for (size_t i = 0; i < SEGMENT_DICTS; i++) {
        const struct vocabulary *words = &build->dicts[i];

        bytes += words->cap_slots * sizeof(*words->slots) +
                 words->n_table * sizeof(*words->table) + chain_pieces_bytes(&words->pieces);
    }
    for (size_t i = 0; i < SEGMENT_FIELDS; i++)
        bytes += build->texts[i].cap;
    return bytes;
}

bool text_segment_build_is_full(const struct text_segment_build *build, uint64_t next)
{
    return build->n_bodies >= SEGMENT_BUILD_BODIES ||
           next - build->from >= SEGMENT_BUILD_SPAN ||
           text_segment_build_bytes(build) >= SEGMENT_BUILD_BYTES;
}

/* ---- writing ---- */

static int by_trigram(const void *a, const void *b)
{
    const struct slot *x = a, *y = b;

    return (x->trigram > y->trigram) - (x->trigram < y->trigram);
}

/* The slot's numbers, n of them. */
static void read_slot(const struct vocabulary *words, const struct slot *slot, uint32_t *out)
{
    struct chain_walk walk = chain_walk_of(&words->pieces, &slot->chain);
    uint32_t next = 0;

    for (uint32_t i = 0; i < slot->n; i++) {
        out[i] = next + chain_next(&walk);
        next = out[i] + 1;
    }
}

/* Who writes, and who is asked meanwhile. */
struct writing {
    struct text_segment_writer *writer;
    uint32_t span;
    bool (*goes_on)(void *ctx);
    void *ctx;
};

static enum rc stopped(struct err *err)
{
    return err_set(err, RC_UNAVAILABLE, "Stopped", "segment: its writing was stopped");
}

static enum rc write_dict(struct text_segment_build *build, enum text_segment_dict dict,
                          const struct writing *writing, struct err *err)
{
    struct vocabulary *words = &build->dicts[dict];
    AUTO(freep) uint32_t *numbers = xcalloc(writing->span, sizeof(*numbers));
    enum rc rc = RC_OK;

    if (words->n_slots > 0)
        qsort(words->slots, words->n_slots, sizeof(*words->slots), by_trigram);
    for (uint32_t i = 0; i < words->n_slots && !rc; i++) {
        const struct slot *slot = &words->slots[i];

        read_slot(words, slot, numbers);
        rc = text_segment_write_trigram(writing->writer, slot->trigram, numbers, slot->n, err);
        if (!rc && i % ASKED_EVERY == 0 && !writing->goes_on(writing->ctx))
            rc = stopped(err);
    }
    return rc ? rc : text_segment_end_dict(writing->writer, dict, err);
}

static enum rc write_field(const struct text_segment_build *build,
                           enum text_segment_field field, uint32_t span,
                           struct text_segment_writer *writer, struct err *err)
{
    struct slice texts = buf_slice(&build->texts[field]);
    const uint32_t *ends = build->text_ends[field];
    enum rc rc = RC_OK;

    for (uint32_t i = 0; i < span && !rc; i++) {
        uint32_t begin = i > 0 ? ends[i - 1] : 0;

        rc = text_segment_write_text(writer, slice_sub(texts, begin, ends[i] - begin), err);
    }
    return rc ? rc : text_segment_end_field(writer, field, err);
}

/* The numbers whose bit is not set. */
static uint32_t list_others(const uint64_t *bits, uint32_t span, uint32_t *out)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < span; i++)
        if (!bit_is_set(bits, i))
            out[n++] = i;
    return n;
}

static enum rc write_uncovered(const struct text_segment_build *build, uint32_t span,
                               struct text_segment_writer *writer, struct err *err)
{
    AUTO(freep) uint32_t *numbers = xcalloc(span, sizeof(*numbers));

    return text_segment_write_uncovered(writer, numbers,
                                        list_others(build->covered, span, numbers), err);
}

static enum rc write_words(struct text_segment_build *build, const struct writing *writing,
                           struct err *err)
{
    AUTO(word_writer_freep) struct word_writer *writer = word_writer_new(writing->writer);
    AUTO(freep) uint32_t *numbers = xcalloc(writing->span, sizeof(*numbers));
    enum rc rc = word_write_uncovered(writer, numbers,
                                      list_others(build->worded, writing->span, numbers), err);

    return rc ? rc
              : word_build_write(build->words, writer, writing->goes_on, writing->ctx, err);
}

enum rc text_segment_build_write(struct text_segment_build *build, struct engine *engine,
                                 uint64_t account, uint64_t to, bool (*goes_on)(void *ctx),
                                 void *ctx, struct err *err)
{
    const struct derived_name name = {SEGMENT_KIND, build->from, to};
    uint32_t span = (uint32_t) (to - build->from);
    struct text_segment_writer *writer = NULL;
    struct writing writing = {.span = span, .goes_on = goes_on, .ctx = ctx};
    enum rc rc = text_segment_writer_begin(engine, account, &name, &writer, err);

    if (rc)
        return rc;
    writing.writer = writer;
    assert(build->n_numbers <= span && span <= SEGMENT_BUILD_SPAN);
    fill_up(build, span);
    rc = write_uncovered(build, span, writer, err);
    if (!rc)
        rc = text_segment_write_days(writer, build->days, err);
    for (size_t i = 0; i < SEGMENT_DICTS && !rc; i++)
        rc = write_dict(build, (enum text_segment_dict) i, &writing, err);
    for (size_t i = 0; i < SEGMENT_FIELDS && !rc; i++)
        rc = write_field(build, (enum text_segment_field) i, span, writer, err);
    if (!rc)
        rc = write_words(build, &writing, err);
    if (!rc)
        return text_segment_writer_finish(writer, err);
    text_segment_writer_drop(writer);
    return rc;
}
