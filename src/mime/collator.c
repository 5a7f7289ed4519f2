#include "mime/collator.h"

#include <assert.h>
#include <unicode/ucol.h>
#include <unicode/ucoleitr.h>
#include <unicode/ustring.h>
#include <unicode/utf16.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "mime/comparator.h"

#define ASCII_CHARS        128u
#define ASCII_ELEMENTS_MAX 4u /* of one character; with more none is looked up */
#define KEY_MARK           '\x01'
#define KEY_NO_TEXT_MARK   '\x02' /* behind all texts */
#define KEY_FIRST_ROOM     512
#define NO_OFFSET          (-1)

/*
 * An element: what the strength leaves of ICU's 32 bits, and flags. ICU gives a long element in
 * two halves, of which the second says so.
 */
#define ELEMENT_SHIFT       2u
#define ELEMENT_SECOND_HALF 1u
#define ICU_SECOND_HALF     0xc0u
#define ICU_PRIMARY         0xffff0000u

struct element {
    uint64_t value;
    bool is_first;    /* of a character */
    bool is_boundary; /* and a letter, not a mark on the one before */
};

struct ascii_elements {
    uint8_t n;
    struct element elements[ASCII_ELEMENTS_MAX];
};

struct collator {
    UCollator *icu;
    UCollationElements *walk;
    uint32_t mask;
    bool has_ascii; /* no two ASCII characters are one letter: each is looked up */
    struct ascii_elements ascii[ASCII_CHARS];
    UChar block[COLLATOR_BLOCK_UNITS];
};

/* ---- elements ---- */

/* Text that is being looked through. */
struct walk {
    struct collator *collator;
    int32_t offset; /* behind the character that the last element came of */
};

static void walk_start(struct walk *walk, struct collator *collator, const UChar *units,
                       int32_t n)
{
    UErrorCode status = U_ZERO_ERROR;

    *walk = (struct walk){collator, NO_OFFSET};
    ucol_setText(collator->walk, units, n, &status);
    if (U_FAILURE(status))
        die("collator: %s", u_errorName(status));
}

static bool walk_next(struct walk *walk, struct element *out)
{
    UErrorCode status = U_ZERO_ERROR;

    for (;;) {
        int32_t order = ucol_next(walk->collator->walk, &status), offset;
        uint32_t bits = (uint32_t) order;
        bool is_second = (bits & ICU_SECOND_HALF) == ICU_SECOND_HALF;

        if (U_FAILURE(status))
            die("collator: %s", u_errorName(status));
        if (order == UCOL_NULLORDER)
            return false;
        offset = ucol_getOffset(walk->collator->walk);
        if ((bits & walk->collator->mask) == 0)
            continue;
        out->value = (uint64_t) (bits & walk->collator->mask) << ELEMENT_SHIFT |
                     (is_second ? ELEMENT_SECOND_HALF : 0);
        out->is_first = !is_second && offset != walk->offset;
        out->is_boundary = out->is_first && (bits & ICU_PRIMARY) != 0;
        walk->offset = offset;
        return true;
    }
}

/* ---- opening ---- */

/* The elements of ASCII characters, each by itself. */
static bool fill_ascii(struct collator *collator)
{
    for (uint32_t c = 0; c < ASCII_CHARS; c++) {
        struct ascii_elements *row = &collator->ascii[c];
        UChar unit = (UChar) c;
        struct element element;
        struct walk walk;

        walk_start(&walk, collator, &unit, 1);
        while (walk_next(&walk, &element)) {
            if (row->n == ASCII_ELEMENTS_MAX)
                return false;
            row->elements[row->n++] = element;
        }
    }
    return true;
}

/* Are the elements of two letters those of each? */
static bool stay_apart(struct collator *collator, char first, char second)
{
    const UChar pair[] = {(UChar) first, (UChar) second};
    struct element element;
    struct walk walk;

    walk_start(&walk, collator, pair, COUNT(pair));
    for (size_t i = 0; i < COUNT(pair); i++) {
        const struct ascii_elements *row = &collator->ascii[pair[i]];

        for (size_t k = 0; k < row->n; k++)
            if (!walk_next(&walk, &element) || element.value != row->elements[k].value)
                return false;
    }
    return !walk_next(&walk, &element);
}

/* Does the language take several ASCII letters for one? Where it does, some two small ones are
 * such a letter, or begin one that is longer ("dzs" stands beside "dz"). */
static bool joins_ascii(struct collator *collator)
{
    for (char first = 'a'; first <= 'z'; first++)
        for (char second = 'a'; second <= 'z'; second++)
            if (!stay_apart(collator, first, second))
                return true;
    return false;
}

static void set_up(struct collator *collator, unsigned number, UErrorCode *status)
{
    static const struct {
        UCollationStrength strength;
        uint32_t mask;
    } strengths[] = {
        {UCOL_PRIMARY,   0xffff0000u},
        {UCOL_SECONDARY, 0xffffff00u},
        {UCOL_TERTIARY,  0xffffff3fu}
    };
    unsigned strength = comparator_strength(number) - 1;
    UCollator *icu = ucol_open(comparator_locale(number), status);

    if (U_FAILURE(*status))
        return;
    collator->icu = icu;
    collator->mask = strengths[strength].mask;
    ucol_setStrength(icu, strengths[strength].strength);
    ucol_setAttribute(icu, UCOL_NORMALIZATION_MODE, UCOL_ON, status);
    ucol_setAttribute(icu, UCOL_ALTERNATE_HANDLING, UCOL_NON_IGNORABLE, status);
    ucol_setAttribute(icu, UCOL_CASE_LEVEL, UCOL_OFF, status);
    collator->walk = ucol_openElements(icu, u"", 0, status);
}

enum rc collator_open(unsigned number, struct collator **out, struct err *err)
{
    AUTO(collator_closep) struct collator *collator = xcalloc(1, sizeof(*collator));
    UErrorCode status = U_ZERO_ERROR;

    set_up(collator, number, &status);
    if (U_FAILURE(status))
        return err_set(err, RC_UNAVAILABLE, "This comparator cannot be had now",
                       "collator: %s: %s", comparator_locale(number), u_errorName(status));
    collator->has_ascii = fill_ascii(collator) && !joins_ascii(collator);
    *out = TAKE(collator);
    return RC_OK;
}

void collator_close(struct collator *collator)
{
    if (collator == NULL)
        return;
    if (collator->walk != NULL)
        ucol_closeElements(collator->walk);
    if (collator->icu != NULL)
        ucol_close(collator->icu);
    free(collator);
}

void collator_closep(struct collator **collator)
{
    collator_close(*collator);
}

/* ---- keys ---- */

/* UTF-16 on the heap. */
static UChar *wide_of(struct slice text, int32_t *out_n)
{
    UErrorCode status = U_ZERO_ERROR;
    UChar *wide;

    assert(text.len <= INT32_MAX / 2);
    wide = xmalloc((text.len + 1) * sizeof(*wide)); /* a byte is at most one unit */
    u_strFromUTF8(wide, (int32_t) text.len + 1, out_n, text.ptr, (int32_t) text.len, &status);
    if (U_FAILURE(status))
        die("collator: %s", u_errorName(status));
    return wide;
}

/* The key of a text in which nothing counts is marks between levels, and its end. */
static size_t len_of_empty(const char *key)
{
    return strspn(key, "\x01");
}

void collator_key(struct collator *collator, struct slice text, struct buf *out)
{
    size_t start = out->len;
    AUTO(freep) UChar *wide = NULL;
    int32_t n, len, room = KEY_FIRST_ROOM;

    if (text.len == 0)
        return;
    if (!utf8_is_valid(text)) {
        buf_byte(out, KEY_NO_TEXT_MARK);
        buf_append(out, text);
        return;
    }
    wide = wide_of(text, &n);
    buf_byte(out, KEY_MARK);
    for (;;) {
        char *at = buf_reserve(out, (size_t) room);

        if (at == NULL)
            return;
        len = ucol_getSortKey(collator->icu, wide, n, (uint8_t *) at, room);
        if (len <= room)
            break;
        room = len;
    }
    if (len_of_empty(out->ptr + out->len) + 1 >= (size_t) len)
        buf_truncate(out, start);
    else
        out->len += (size_t) len - 1;
}

/* ---- needles ---- */

/* How much of the needle's beginning ends at each place (Knuth, Morris and Pratt). */
static uint32_t *backs_of(const uint64_t *elements, size_t n, struct arena *arena)
{
    uint32_t *back = ARENA_ARRAY(arena, uint32_t, n + 1), k = 0;

    for (size_t i = 1; i < n; i++) {
        while (k > 0 && elements[i] != elements[k])
            k = back[k];
        k += elements[i] == elements[k];
        back[i + 1] = k;
    }
    return back;
}

void collator_needle(struct collator *collator, struct slice text, struct arena *arena,
                     struct collated_needle *out)
{
    AUTO(freep) uint64_t *elements = NULL;
    AUTO(freep) UChar *wide = NULL;
    size_t n = 0, room = text.len + 16;
    struct element element;
    struct walk walk;
    int32_t n_wide;

    *out = (struct collated_needle){.text = text, .is_text = utf8_is_valid(text)};
    if (!out->is_text)
        return;
    wide = wide_of(text, &n_wide);
    elements = xmalloc(room * sizeof(*elements));
    walk_start(&walk, collator, wide, n_wide);
    while (walk_next(&walk, &element)) {
        if (n == room) {
            room *= 2;
            elements = xrealloc(elements, room * sizeof(*elements));
        }
        elements[n++] = element.value;
    }
    out->elements = (const uint64_t *) (const void *) arena_dup(
                        arena, slice_of(elements, n * sizeof(*elements)))
                        .ptr;
    out->back = backs_of(elements, n, arena);
    out->n = n;
}

/* ---- finding ---- */

struct finder {
    const struct collated_needle *needle;
    uint32_t k;      /* elements that match so far */
    bool is_pending; /* all of them did; whether the character ends there the next one says */
    uint8_t *starts; /* of the last needle->n elements, in turn: was it the first? */
    size_t at;       /* the next of them */
};

/* Is the match that just became whole one that begins a character? The element that is n back
 * stands where the next one will. */
static bool begins_well(const struct finder *finder)
{
    return finder->starts[finder->at] != 0;
}

/* True: found. */
static bool finder_feed(struct finder *finder, const struct element *element)
{
    const struct collated_needle *needle = finder->needle;

    if (finder->is_pending) {
        if (element->is_boundary)
            return true;
        finder->is_pending = false;
    }
    finder->starts[finder->at] = element->is_first;
    finder->at = finder->at + 1 == needle->n ? 0 : finder->at + 1;
    while (finder->k > 0 && needle->elements[finder->k] != element->value)
        finder->k = needle->back[finder->k];
    finder->k += needle->elements[finder->k] == element->value;
    if (finder->k == needle->n) {
        finder->is_pending = begins_well(finder);
        finder->k = needle->back[finder->k];
    }
    return false;
}

static bool feed_ascii(struct collator *collator, struct finder *finder, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        const struct ascii_elements *row = &collator->ascii[(unsigned char) text.ptr[i]];

        for (size_t k = 0; k < row->n; k++)
            if (finder_feed(finder, &row->elements[k]))
                return true;
    }
    return false;
}

static bool feed_wide(struct collator *collator, struct finder *finder, struct slice text)
{
    UErrorCode status = U_ZERO_ERROR;
    struct element element;
    struct walk walk;
    int32_t n;

    u_strFromUTF8(collator->block, COLLATOR_BLOCK_UNITS, &n, text.ptr, (int32_t) text.len,
                  &status);
    if (U_FAILURE(status) && status != U_STRING_NOT_TERMINATED_WARNING)
        die("collator: %s", u_errorName(status));
    walk_start(&walk, collator, collator->block, n);
    while (walk_next(&walk, &element))
        if (finder_feed(finder, &element))
            return true;
    return false;
}

/* The next block of text: up to the last white space that fits, behind which nothing depends on
 * what stands before. */
static struct slice next_block(struct slice text)
{
    struct slice block = utf8_cut(text, COLLATOR_BLOCK_UNITS);

    if (block.len == text.len)
        return block;
    for (size_t len = block.len; len > 0; len--)
        if (ascii_is_space(block.ptr[len - 1]))
            return slice_sub(block, 0, len);
    return block;
}

bool collator_finds(struct collator *collator, const struct collated_needle *needle,
                    struct slice text)
{
    struct finder finder = {.needle = needle};
    AUTO(freep) uint8_t *starts = NULL;
    bool found = false;

    if (!needle->is_text || !utf8_is_valid(text))
        return slice_search(text, needle->text) < text.len || needle->text.len == 0;
    if (needle->n == 0)
        return true; /* it equals the empty text */
    starts = xcalloc(needle->n, sizeof(*starts));
    finder.starts = starts;
    while (!found && text.len > 0) {
        struct slice block = next_block(text);

        text = slice_from(text, block.len);
        found = collator->has_ascii && utf8_is_ascii(block)
                    ? feed_ascii(collator, &finder, block)
                    : feed_wide(collator, &finder, block);
    }
    return found || finder.is_pending;
}
