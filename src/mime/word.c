#include "mime/word.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf16.h>

#include "base/ascii.h"
#include "base/utf8.h"

#define DECOMPOSED_MAX_UNITS 32

enum { NO_LETTER, LETTER, MARK, UNSPACED };

struct word_reader *word_reader_new(void)
{
    struct word_reader *reader = xcalloc(1, sizeof(*reader));

    for (int c = 0; c < 0x80; c++)
        if (ascii_is_alnum((char) c))
            reader->ascii[c] = (unsigned char) ascii_lower((char) c);
    return reader;
}

void word_reader_free(struct word_reader *reader)
{
    free(reader);
}

void word_reader_open(struct word_reader *reader, struct slice text)
{
    reader->sc = scan_of(text);
    reader->before = 0;
    reader->is_told = false;
}

/* ---- characters ---- */

static bool is_unspaced(uint32_t ch)
{
    static const struct {
        uint32_t first, last;
    } blocks[] = {
        {0x0e00,  0x0eff }, /* Thai, Lao */
        {0x1000,  0x109f }, /* Myanmar */
        {0x1780,  0x17ff }, /* Khmer */
        {0x3041,  0x30ff }, /* Kana */
        {0x3400,  0x9fff }, /* Han */
        {0xf900,  0xfaff },
        {0x20000, 0x3ffff},
    };

    for (size_t i = 0; i < COUNT(blocks); i++)
        if (ch >= blocks[i].first && ch <= blocks[i].last)
            return true;
    return false;
}

static uint8_t kind_of(uint32_t ch)
{
    uint32_t mask = U_GET_GC_MASK((UChar32) ch);

    if ((mask & (U_GC_L_MASK | U_GC_N_MASK)) != 0)
        return is_unspaced(ch) ? UNSPACED : LETTER;
    return (mask & U_GC_M_MASK) != 0 ? MARK : NO_LETTER;
}

static void fold_one(uint32_t ch, struct word_folded *out)
{
    if (kind_of(ch) == MARK || out->n == COUNT(out->to))
        return;
    out->to[out->n++] = (uint32_t) u_foldCase((UChar32) ch, U_FOLD_CASE_DEFAULT);
}

static void fold(uint32_t ch, struct word_folded *out)
{
    UErrorCode status = U_ZERO_ERROR;
    const UNormalizer2 *nfkd = unorm2_getNFKDInstance(&status);
    UChar units[DECOMPOSED_MAX_UNITS];
    int32_t n;

    *out = (struct word_folded){.from = ch, .kind = kind_of(ch)};
    if (out->kind != LETTER && out->kind != UNSPACED)
        return;
    n = unorm2_getDecomposition(nfkd, (UChar32) ch, units, DECOMPOSED_MAX_UNITS, &status);
    if (n < 0 || U_FAILURE(status)) {
        fold_one(ch, out);
        return;
    }
    for (int32_t i = 0; i < n;) {
        uint32_t part = units[i++];

        if (U16_IS_LEAD(part) && i < n)
            part = (uint32_t) U16_GET_SUPPLEMENTARY(part, units[i++]);
        fold_one(part, out);
    }
}

/* ---- words ---- */

static void add_char(struct word *word, uint32_t ch)
{
    if (word->n == WORD_MAX_CHARS)
        return;
    word->ch[word->n++] = ch;
    word->chars |= (uint64_t) 1 << (ch % 64);
}

/* The next character, folded, which stays where it is until scan_take(). False: at the end. */
static bool peek_folded(struct word_reader *reader, const struct word_folded **out,
                        struct scan *behind)
{
    static const struct word_folded no_letter = {.kind = NO_LETTER};
    struct word_folded *kept;
    struct slice byte;
    uint32_t ch;

    *behind = reader->sc;
    *out = &no_letter;
    if (!utf8_scan(behind, &ch))
        return scan_take(behind, 1, &byte);
    kept = &reader->kept[ch % WORD_KEPT];
    if (kept->from != ch || ch == 0)
        fold(ch, kept);
    *out = kept;
    return true;
}

/* Most of most mail: the letters and digits of ASCII that stand next, in one go. */
static void take_ascii(struct word_reader *reader, struct word *out)
{
    const unsigned char *pos = (const unsigned char *) reader->sc.pos;
    const unsigned char *end = (const unsigned char *) reader->sc.end;
    uint64_t chars = out->chars;
    uint32_t n = out->n;
    unsigned char ch;

    for (; pos < end && (ch = reader->ascii[*pos]) != 0 && n < WORD_MAX_CHARS; pos++) {
        out->ch[n++] = ch;
        chars |= (uint64_t) 1 << (ch % 64);
    }
    while (pos < end && reader->ascii[*pos] != 0)
        pos++;
    out->n = n;
    out->chars = chars;
    reader->sc.pos = (const char *) pos;
}

/* What of ASCII stands between words. */
static bool skip_ascii(struct word_reader *reader)
{
    const unsigned char *pos = (const unsigned char *) reader->sc.pos;
    const unsigned char *end = (const unsigned char *) reader->sc.end;
    bool skips;

    while (pos < end && *pos < 0x80 && reader->ascii[*pos] == 0)
        pos++;
    skips = (const char *) pos > reader->sc.pos;
    reader->sc.pos = (const char *) pos;
    return skips;
}

/* Is what stands next no letter of ASCII, and not outside it either? */
static bool ends_ascii(const struct word_reader *reader)
{
    int next = scan_peek(&reader->sc);

    return next < 0 || (next < 0x80 && reader->ascii[next] == 0);
}

/* The letters that stand next, of scripts with spaces. */
static void take_letters(struct word_reader *reader, struct word *out)
{
    const struct word_folded *folded;
    struct scan behind;

    for (;;) {
        take_ascii(reader, out);
        if (ends_ascii(reader))
            return;
        if (!peek_folded(reader, &folded, &behind) ||
            (folded->kind != LETTER && folded->kind != MARK))
            return;
        for (uint8_t i = 0; i < folded->n; i++)
            add_char(out, folded->to[i]);
        reader->sc = behind;
    }
}

static bool starts_ascii(const struct word_reader *reader)
{
    int next = scan_peek(&reader->sc);

    return next >= 0 && reader->ascii[next] != 0;
}

/* The character before, if it had no neighbour. */
static bool end_run(struct word_reader *reader, struct word *out)
{
    bool is_alone = reader->before != 0 && !reader->is_told;

    if (is_alone) {
        out->is_pair = true;
        add_char(out, reader->before);
    }
    reader->before = 0;
    return is_alone;
}

/* A character of a script without spaces; true: it makes a pair. */
static bool take_unspaced(struct word_reader *reader, uint32_t ch, struct word *out)
{
    bool is_second = reader->before != 0;

    if (is_second) {
        out->is_pair = true;
        add_char(out, reader->before);
        add_char(out, ch);
    }
    reader->before = ch;
    reader->is_told = is_second;
    return is_second;
}

bool word_next(struct word_reader *reader, struct word *out)
{
    const struct word_folded *folded;
    struct scan behind;

    out->n = 0;
    out->chars = 0;
    out->is_pair = false;
    for (;;) {
        if (skip_ascii(reader) && end_run(reader, out))
            return true;
        if (reader->before == 0 && starts_ascii(reader)) {
            take_letters(reader, out);
            return true;
        }
        if (!peek_folded(reader, &folded, &behind))
            return end_run(reader, out);
        if (folded->kind == UNSPACED) {
            reader->sc = behind;
            if (take_unspaced(reader, folded->n > 0 ? folded->to[0] : folded->from, out))
                return true;
            continue;
        }
        if (folded->kind != MARK && end_run(reader, out))
            return true;
        if (folded->kind == LETTER) {
            take_letters(reader, out);
            return true;
        }
        reader->sc = behind;
    }
}
