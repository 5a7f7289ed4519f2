#include "net/deflate_letters.h"

#include <assert.h>
#include <endian.h>

#define LETTERS_FOREIGN 0x80u /* more than 64 bits, so that one in a group shows in the sum */
#define END_OF_BLOCK    256u  /* RFC 1951 3.2.5 */
#define CODE_MAX_BITS   7u
#define HEAD_MAX_BYTES  160u /* of a block, its end and the empty block behind it */

/* So many codes fit behind 7 bits that are left from the last word. */
#define GROUP 8u

/* What base64 there must be, and how far its beginning is believed. */
#define STRETCH_MIN_BYTES ((size_t) 4 << 10)
#define STRETCH_BYTES     ((size_t) 8 << 10)
#define SAMPLE_BYTES      ((size_t) 512)
#define SAMPLE_STEP       ((size_t) 1 << 10)

/* Squares of how often each byte is in a sample, added up: in lines of 76 equally frequent
 * letters 4,480, give or take 90; 5,200 is where a code of its own would save 2 in a hundred.
 */
#define SQUARES_MAX 5200u

/* ---- the code ---- */

/* 61 letters of 6 bits, 3, the line ends and the end of 7: each bit string begins with a code.
 */
static void make_lengths(uint8_t lengths[LETTERS_LENGTHS])
{
    static const char rare[] = "+/9\r\n";

    for (unsigned c = '0'; c <= '9'; c++)
        lengths[c] = 6;
    for (unsigned c = 'A'; c <= 'Z'; c++)
        lengths[c] = lengths[c - 'A' + 'a'] = 6;
    for (size_t i = 0; i < sizeof(rare) - 1; i++)
        lengths[(unsigned char) rare[i]] = 7;
    lengths[END_OF_BLOCK] = 7;
    for (size_t i = 0; i < LETTERS_DISTANCES; i++)
        lengths[LETTERS_LITERALS + i] = 1;
}

static unsigned reversed(unsigned code, unsigned length)
{
    unsigned out = 0;

    for (unsigned i = 0; i < length; i++)
        out |= (code >> i & 1) << (length - 1 - i);
    return out;
}

/* RFC 1951 3.2.2, as the bits go out: the first one lowest. */
static void make_codes(const uint8_t *lengths, size_t n, uint8_t *codes)
{
    unsigned count[CODE_MAX_BITS + 1] = {0}, next[CODE_MAX_BITS + 1] = {0};

    for (size_t i = 0; i < n; i++)
        count[lengths[i]]++;
    count[0] = 0;
    for (unsigned bits = 1; bits <= CODE_MAX_BITS; bits++)
        next[bits] = (next[bits - 1] + count[bits - 1]) << 1;
    for (size_t i = 0; i < n; i++)
        codes[i] = lengths[i] > 0 ? (uint8_t) reversed(next[lengths[i]]++, lengths[i]) : 0;
}

void letters_init(struct letters_code *code)
{
    *code = (struct letters_code){0};
    make_lengths(code->lengths);
    make_codes(code->lengths, LETTERS_LITERALS, code->codes);
    for (size_t i = 0; i < COUNT(code->steps); i++)
        code->steps[i] = code->lengths[i] > 0 ? code->lengths[i] : (uint8_t) LETTERS_FOREIGN;
}

/* ---- where it is good ---- */

static bool is_letter(const struct letters_code *code, char byte)
{
    return code->lengths[(unsigned char) byte] > 0;
}

/* plain has a sample: is each letter about as frequent in it as each other? */
static bool is_even(const struct letters_code *code, struct slice plain)
{
    uint16_t count[128] = {0}; /* letters are ASCII */
    uint32_t squares = 0;

    for (size_t i = 0; i < SAMPLE_BYTES; i++) {
        if (!is_letter(code, plain.ptr[i]))
            return false;
        count[(unsigned char) plain.ptr[i]]++;
    }
    for (size_t i = 0; i < COUNT(count); i++)
        squares += (uint32_t) count[i] * count[i];
    return squares <= SQUARES_MAX;
}

/* Is it as long as it must be? */
static bool is_long(const struct letters_code *code, struct slice plain)
{
    size_t n = SAMPLE_BYTES;

    while (n < STRETCH_MIN_BYTES && is_letter(code, plain.ptr[n]))
        n++;
    return n == STRETCH_MIN_BYTES;
}

size_t letters_find(const struct letters_code *code, struct slice plain)
{
    for (size_t at = 0; at + STRETCH_MIN_BYTES <= plain.len; at += SAMPLE_STEP) {
        struct slice rest = slice_from(plain, at);

        if (is_even(code, rest) && is_long(code, rest))
            return at;
    }
    return plain.len;
}

/* ---- writing ---- */

struct bits {
    uint64_t word; /* n bits of it, the first one lowest, are not written yet */
    unsigned n;
    char *at;
};

/* At most 56 bits are added between two of these; 8 bytes are touched. */
static void write_whole_bytes(struct bits *bits)
{
    uint64_t le = htole64(bits->word);

    memcpy(bits->at, &le, sizeof(le));
    bits->at += bits->n / 8;
    bits->word >>= bits->n & ~7u;
    bits->n &= 7;
}

static void put(struct bits *bits, unsigned value, unsigned n)
{
    bits->word |= (uint64_t) value << bits->n;
    bits->n += n;
    write_whole_bytes(bits);
}

/* RFC 1951 3.2.7: which lengths there are, how they are coded, then all of them. */
static void put_head(const struct letters_code *code, struct bits *bits)
{
    static const uint8_t order[] = {16, 17, 18, 0,  8, 7,  9, 6,  10,
                                    5,  11, 4,  12, 3, 13, 2, 14, 1};
    static const uint8_t lengths[19] = {[0] = 1, [6] = 2, [7] = 3, [1] = 3};
    uint8_t codes[COUNT(lengths)];

    make_codes(lengths, COUNT(lengths), codes);
    put(bits, 0, 1); /* not the last */
    put(bits, 2, 2); /* codes of its own */
    put(bits, LETTERS_LITERALS - 257, 5);
    put(bits, LETTERS_DISTANCES - 1, 5);
    put(bits, COUNT(order) - 4, 4);
    for (size_t i = 0; i < COUNT(order); i++)
        put(bits, lengths[order[i]], 3);
    for (size_t i = 0; i < LETTERS_LENGTHS; i++)
        put(bits, codes[code->lengths[i]], lengths[code->lengths[i]]);
}

/* Groups from the front, up to one with a byte that has no code. */
static size_t put_groups(const struct letters_code *code, struct slice plain, struct bits *bits)
{
    const unsigned char *in = (const unsigned char *) plain.ptr;
    struct bits b = *bits;
    size_t at = 0;

    for (; plain.len - at >= GROUP; at += GROUP) {
        uint64_t word = b.word;
        unsigned n = b.n;

#pragma GCC unroll 8
        for (unsigned i = 0; i < GROUP; i++) {
            word |= (uint64_t) code->codes[in[at + i]] << (n & 63);
            n += code->steps[in[at + i]];
        }
        if (n >= 64)
            break;
        b = (struct bits){word, n, b.at};
        write_whole_bytes(&b);
    }
    *bits = b;
    return at;
}

/* What a flush writes too: an empty stored block, which ends at a byte border. */
static void put_end(const struct letters_code *code, struct bits *bits)
{
    put(bits, code->codes[END_OF_BLOCK], code->lengths[END_OF_BLOCK]);
    put(bits, 0, 3);
    put(bits, 0, (8 - bits->n) % 8);
    put(bits, 0, 16);
    put(bits, 0xffff, 16);
}

size_t letters_bound(size_t len)
{
    return len + HEAD_MAX_BYTES;
}

size_t letters_put(const struct letters_code *code, struct slice plain, struct buf *out)
{
    struct bits bits = {.at = buf_reserve(out, letters_bound(plain.len))};
    size_t at = 0, n;

    assert(bits.at != NULL);
    put_head(code, &bits);
    do {
        struct slice stretch = slice_sub(plain, at, STRETCH_BYTES);

        n = put_groups(code, stretch, &bits);
        at += n;
        if (stretch.len - n >= GROUP) /* a foreign byte */
            break;
    } while (plain.len - at >= SAMPLE_BYTES && is_even(code, slice_from(plain, at)));
    put_end(code, &bits);
    out->len = (size_t) (bits.at - out->ptr);
    return at;
}
