/*
 * word_build.c - from texts to lists of words.
 *
 * The message a slot has seen last is kept in the slot, so that a word of one message, as most
 * of a vocabulary are, needs no chain; it goes into the chain when another message comes: its
 * distance from the one before doubled, one more if how often follows.
 */
#include "search/word_build.h"

#include <assert.h>
#include <endian.h>
#include <xxhash.h>

#include "base/buf.h"
#include "base/random.h"
#include "base/utf8.h"
#include "search/posting_chains.h"

#define FIRST_SLOTS    4096u
#define TEXT_MAX_BYTES ((size_t) 1 << 30)
#define WORD_MAX_BYTES ((size_t) 4 * WORD_MAX_CHARS)
#define ASKED_EVERY    1024u /* words between two questions to goes_on */

struct word_slot {
    uint32_t text; /* where its characters begin */
    uint32_t hash;
    uint32_t last, n; /* the message seen last; how many */
    uint32_t next;    /* the least that the next number of the chain can be */
    struct chain chain;
    uint8_t len, place, times; /* times: of the message seen last */
    bool is_pair;
};

struct word_build {
    uint64_t seed;    /* strangers choose the words */
    uint32_t *table;  /* slot + 1; 0: free */
    uint32_t n_table; /* a power of two */
    struct word_slot *slots;
    uint32_t n_slots, cap_slots;
    struct chain_pieces pieces;
    struct buf text; /* of all words */
    struct buf word; /* the one at hand */
    struct word_reader *reader;
    uint32_t of_message; /* slots that the message at hand is in */
    /* while it is written */
    uint32_t *numbers;
    uint8_t *times;
    size_t cap_numbers;
};

struct word_build *word_build_new(void)
{
    struct word_build *build = xcalloc(1, sizeof(*build));

    build->seed = random_id();
    build->reader = word_reader_new();
    buf_init(&build->text, TEXT_MAX_BYTES);
    buf_init(&build->word, WORD_MAX_BYTES);
    return build;
}

void word_build_free(struct word_build *build)
{
    if (build == NULL)
        return;
    free(build->table);
    free(build->slots);
    chain_pieces_done(&build->pieces);
    buf_done(&build->text);
    buf_done(&build->word);
    word_reader_free(build->reader);
    free(build->numbers);
    free(build->times);
    free(build);
}

size_t word_build_bytes(const struct word_build *build)
{
    return sizeof(*build) + sizeof(*build->reader) + build->n_table * sizeof(*build->table) +
           build->cap_slots * sizeof(*build->slots) + chain_pieces_bytes(&build->pieces) +
           build->text.cap;
}

/* ---- slots ---- */

static struct slice text_of(const struct word_build *build, const struct word_slot *slot)
{
    return slice_of(build->text.ptr + slot->text, slot->len);
}

/* Half of the table stays free. */
static void grow(struct word_build *build)
{
    build->cap_slots = MAX(2 * build->cap_slots, FIRST_SLOTS);
    build->slots = xrealloc(build->slots, build->cap_slots * sizeof(*build->slots));
    free(build->table);
    build->n_table = 2 * build->cap_slots;
    build->table = xcalloc(build->n_table, sizeof(*build->table));
    for (uint32_t i = 0; i < build->n_slots; i++) {
        uint32_t at = build->slots[i].hash & (build->n_table - 1);

        while (build->table[at] != 0)
            at = (at + 1) & (build->n_table - 1);
        build->table[at] = i + 1;
    }
}

/* The word's slot in this place; a new one has no message yet. */
static struct word_slot *need_slot(struct word_build *build, struct slice text, bool is_pair,
                                   enum word_place place)
{
    uint32_t hash = (uint32_t) XXH3_64bits_withSeed(
        text.ptr, text.len, build->seed + (uint64_t) place * 2 + is_pair);
    struct word_slot *slot;
    uint32_t at;

    if (build->n_slots == build->cap_slots)
        grow(build);
    for (at = hash & (build->n_table - 1); build->table[at] != 0;
         at = (at + 1) & (build->n_table - 1)) {
        slot = &build->slots[build->table[at] - 1];
        if (slot->hash == hash && slot->place == place && slot->is_pair == is_pair &&
            slice_eq(text_of(build, slot), text))
            return slot;
    }
    build->table[at] = build->n_slots + 1;
    slot = &build->slots[build->n_slots++];
    *slot = (struct word_slot){.text = (uint32_t) build->text.len,
                               .hash = hash,
                               .len = (uint8_t) text.len,
                               .place = (uint8_t) place,
                               .is_pair = is_pair};
    buf_append(&build->text, text);
    return slot;
}

static void settle(struct word_build *build, struct word_slot *slot)
{
    bool more = slot->times > 1;

    chain_put(&build->pieces, &slot->chain, (slot->last - slot->next) * 2 + more);
    if (more)
        chain_put(&build->pieces, &slot->chain, slot->times - 1u);
    slot->next = slot->last + 1;
}

/* In UTF-8, in build->word. Most words are of ASCII. */
static struct slice spell(struct word_build *build, const struct word *word)
{
    char *room;
    uint32_t all = 0;

    buf_reset(&build->word);
    room = buf_reserve(&build->word, WORD_MAX_BYTES);
    for (uint32_t i = 0; i < word->n; i++) {
        room[i] = (char) (unsigned char) word->ch[i];
        all |= word->ch[i];
    }
    if (all < 0x80)
        return slice_of(room, word->n);
    for (uint32_t i = 0; i < word->n; i++)
        utf8_append(&build->word, word->ch[i]);
    return buf_slice(&build->word);
}

static void add_word(struct word_build *build, const struct word *word, enum word_place place,
                     uint32_t number)
{
    struct word_slot *slot = need_slot(build, spell(build, word), word->is_pair, place);

    if (slot->n > 0 && slot->last == number) {
        slot->times = (uint8_t) MIN(slot->times + 1u, WORD_TIMES_MAX);
        return;
    }
    if (slot->n > 0)
        settle(build, slot);
    slot->last = number;
    slot->times = 1;
    slot->n++;
    build->of_message++;
}

bool word_build_add(struct word_build *build, uint32_t number, const struct digest *digest)
{
    build->of_message = 0;
    for (uint32_t i = 0; i < digest->n_spans; i++) {
        struct digest_span span = digest_span(digest, i);
        struct slice text;
        enum word_place place = word_place_of(&span, &text);
        struct word word;

        word_reader_open(build->reader, text);
        while (word_next(build->reader, &word)) {
            add_word(build, &word, place, number);
            if (build->of_message > SEGMENT_WORDS_MAX)
                return false;
        }
    }
    return true;
}

/* ---- writing ---- */

/* A word on its way into order: most are told apart by their first characters. */
struct place_in_order {
    uint64_t beginning; /* its first octets, the first the most significant, zeros behind */
    uint32_t slot;
    bool is_pair;
};

static uint64_t beginning_of(const struct word_build *build, const struct word_slot *slot)
{
    uint64_t word = 0;

    memcpy(&word, build->text.ptr + slot->text, MIN(slot->len, sizeof(word)));
    return be64toh(word);
}

static int by_word(const void *a, const void *b, void *ctx)
{
    const struct place_in_order *i = a, *k = b;
    const struct word_build *build = ctx;
    const struct word_slot *x, *y;
    int order;

    if (i->is_pair != k->is_pair)
        return i->is_pair ? 1 : -1;
    if (i->beginning != k->beginning)
        return i->beginning < k->beginning ? -1 : 1;
    x = &build->slots[i->slot];
    y = &build->slots[k->slot];
    order = memcmp(build->text.ptr + x->text, build->text.ptr + y->text,
                   (size_t) MIN(x->len, y->len));
    if (order != 0)
        return order;
    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return (int) x->place - (int) y->place;
}

static bool is_same_word(const struct word_build *build, const struct word_slot *a,
                         const struct word_slot *b)
{
    return a->is_pair == b->is_pair && slice_eq(text_of(build, a), text_of(build, b));
}

/* The slot's messages, n of them, the last of which is still in the slot. */
static void read_slot(const struct word_build *build, const struct word_slot *slot,
                      uint32_t *numbers, uint8_t *times)
{
    struct chain_walk walk = chain_walk_of(&build->pieces, &slot->chain);
    uint32_t next = 0;

    for (uint32_t i = 0; i + 1 < slot->n; i++) {
        uint32_t coded = chain_next(&walk);

        numbers[i] = next + coded / 2;
        times[i] = 1;
        if (coded % 2 != 0)
            times[i] = (uint8_t) (chain_next(&walk) + 1);
        next = numbers[i] + 1;
    }
    numbers[slot->n - 1] = slot->last;
    times[slot->n - 1] = slot->times;
}

static void word_of_slot(const struct word_build *build, const struct word_slot *slot,
                         struct word *out)
{
    struct scan sc = scan_of(text_of(build, slot));

    out->n = 0;
    out->chars = 0;
    out->is_pair = slot->is_pair;
    while (out->n < WORD_MAX_CHARS && utf8_scan(&sc, &out->ch[out->n]))
        out->n++;
}

/* The word of the slots order[0..n - 1], a place each. */
static enum rc write_word(struct word_build *build, const struct place_in_order *order,
                          size_t n, struct word_writer *writer, struct err *err)
{
    struct word_list lists[WORD_PLACES] = {0};
    struct word word;
    size_t total = 0, at = 0;

    for (size_t i = 0; i < n; i++)
        total += build->slots[order[i].slot].n;
    if (total > build->cap_numbers) {
        build->cap_numbers = 2 * total;
        build->numbers = xrealloc(build->numbers, build->cap_numbers * sizeof(*build->numbers));
        build->times = xrealloc(build->times, build->cap_numbers * sizeof(*build->times));
    }
    for (size_t i = 0; i < n; i++) {
        const struct word_slot *slot = &build->slots[order[i].slot];

        read_slot(build, slot, build->numbers + at, build->times + at);
        lists[slot->place] =
            (struct word_list){slot->n, build->numbers + at, build->times + at};
        at += slot->n;
    }
    word_of_slot(build, &build->slots[order[0].slot], &word);
    return word_write(writer, &word, lists, err);
}

enum rc word_build_write(struct word_build *build, struct word_writer *writer,
                         bool (*goes_on)(void *ctx), void *ctx, struct err *err)
{
    AUTO(freep) struct place_in_order *order = xcalloc(build->n_slots + 1u, sizeof(*order));
    uint32_t written = 0;
    enum rc rc = RC_OK;
    size_t n = 1;

    assert(!build->text.overflow);
    for (uint32_t i = 0; i < build->n_slots; i++)
        order[i] = (struct place_in_order){beginning_of(build, &build->slots[i]), i,
                                           build->slots[i].is_pair};
    qsort_r(order, build->n_slots, sizeof(*order), by_word, build);
    for (size_t i = 0; i < build->n_slots && !rc; i += n) {
        for (n = 1; i + n < build->n_slots && is_same_word(build, &build->slots[order[i].slot],
                                                           &build->slots[order[i + n].slot]);)
            n++;
        rc = write_word(build, order + i, n, writer, err);
        if (!rc && written++ % ASKED_EVERY == 0 && !goes_on(ctx))
            rc = err_set(err, RC_UNAVAILABLE, "Stopped", "segment: its words were stopped");
    }
    return rc ? rc : word_write_end(writer, err);
}
