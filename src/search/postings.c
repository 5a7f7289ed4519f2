#include "search/postings.h"

#include <endian.h>
#include <string.h>

#include "search/bits.h"

#define K_BITS        5u
#define SLACK_BYTES   (2 * sizeof(uint64_t)) /* words are written whole */
#define ZEROS_AT_ONCE 31u

/* ---- writing ---- */

/* Into room that its owner has reserved. */
struct bit_writer {
    char *out;
    uint64_t acc;
    unsigned n; /* bits in acc, below 8 between two puts */
};

/* count <= 56, value < 2^count */
static void put_bits(struct bit_writer *w, uint64_t value, unsigned count)
{
    uint64_t word;

    w->acc |= value << w->n;
    w->n += count;
    word = htole64(w->acc);
    memcpy(w->out, &word, sizeof(word));
    w->out += w->n / 8;
    w->acc >>= w->n & ~7u;
    w->n &= 7u;
}

/* What numbers cost with a parameter, in bits, is n * (k + 1) and the sum of what is above k.
 */
struct choice {
    unsigned k;
    uint64_t bits;
};

/* The cheapest parameter lies near log2 of the mean: it is that or one of the two below. gaps
 * has zeros behind the n of them; together they are below 2^32, as the numbers are. */
static struct choice choose_k(const uint32_t gaps[POSTINGS_BLOCK], size_t n, uint32_t sum)
{
    uint32_t above[3] = {0};
    unsigned k = 0, less1, less2;
    struct choice best;

    while (k < POSTINGS_MAX_K && (sum >> k) > n)
        k++;
    less1 = k > 0 ? k - 1 : 0;
    less2 = k > 1 ? k - 2 : 0;
    for (size_t i = 0; i < POSTINGS_BLOCK; i++) { /* so many at a time as there are lanes */
        above[0] += gaps[i] >> k;
        above[1] += gaps[i] >> less1;
        above[2] += gaps[i] >> less2;
    }
    best = (struct choice){k, n * (k + 1u) + above[0]};
    for (unsigned less = 1; less <= 2 && less <= k; less++)
        if (n * (k - less + 1u) + above[less] < best.bits)
            best = (struct choice){k - less, n * (k - less + 1u) + above[less]};
    return best;
}

/* Zeros, a one, the k low bits: at most ZEROS_AT_ONCE + 1 + POSTINGS_MAX_K of them in one go.
 */
static void put_number(struct bit_writer *w, uint32_t gap, unsigned k)
{
    uint32_t zeros = gap >> k;
    uint64_t low = gap & (((uint64_t) 1 << k) - 1);

    for (; zeros > ZEROS_AT_ONCE; zeros -= ZEROS_AT_ONCE)
        put_bits(w, 0, ZEROS_AT_ONCE);
    put_bits(w, (low << 1 | 1) << zeros, zeros + 1 + k);
}

void postings_encode(const uint32_t *numbers, size_t n, struct buf *out)
{
    struct bit_writer w = {.out = NULL};
    uint32_t gaps[POSTINGS_BLOCK];
    uint32_t next = 0; /* the least that the next number can be */

    for (size_t at = 0; at < n; at += POSTINGS_BLOCK) {
        size_t count = MIN(n - at, (size_t) POSTINGS_BLOCK);
        uint32_t sum = 0;
        struct choice choice;

        for (size_t i = 0; i < count; i++) {
            gaps[i] = numbers[at + i] - next;
            sum += gaps[i];
            next = numbers[at + i] + 1;
        }
        memset(gaps + count, 0, (POSTINGS_BLOCK - count) * sizeof(*gaps));
        choice = choose_k(gaps, count, sum);
        w.out = buf_reserve(out, (size_t) ((w.n + K_BITS + choice.bits) / 8) + SLACK_BYTES);
        if (w.out == NULL)
            return;
        put_bits(&w, choice.k, K_BITS);
        for (size_t i = 0; i < count; i++)
            put_number(&w, gaps[i], choice.k);
        out->len = (size_t) (w.out - out->ptr);
    }
    if (w.n > 0)
        buf_byte(out, (char) (unsigned char) w.acc);
}

/* ---- reading ---- */

struct bit_reader {
    const char *pos, *end;
    uint64_t acc; /* the next bits, least first; zeros above n */
    unsigned n;
};

/* As many as fit: 57 bits at least unless the bytes end. */
static void refill(struct bit_reader *r)
{
    if (r->end - r->pos >= 8) {
        unsigned take = (63 - r->n) / 8;
        uint64_t word;

        memcpy(&word, r->pos, 8);
        if (take < 8)
            word &= ((uint64_t) 1 << (8 * take)) - 1;
        r->acc |= word << r->n;
        r->pos += take;
        r->n += 8 * take;
        return;
    }
    while (r->n <= 55 && r->pos < r->end) {
        r->acc |= (uint64_t) (unsigned char) *r->pos++ << r->n;
        r->n += 8;
    }
}

static bool get_bits(struct bit_reader *r, unsigned count, uint32_t *out)
{
    if (r->n < count)
        refill(r);
    if (r->n < count)
        return false;
    *out = (uint32_t) (r->acc & (((uint64_t) 1 << count) - 1));
    r->acc >>= count;
    r->n -= count;
    return true;
}

/* At most max zeros, then a one. */
static bool get_unary(struct bit_reader *r, uint64_t max, uint64_t *out)
{
    uint64_t zeros = 0;
    unsigned run;

    while (r->acc == 0) {
        zeros += r->n;
        r->n = 0;
        refill(r);
        if (r->n == 0 || zeros > max)
            return false;
    }
    run = (unsigned) __builtin_ctzll(r->acc);
    r->acc >>= run;
    r->acc >>= 1;
    r->n -= run + 1;
    *out = zeros + run;
    return *out <= max;
}

static bool get_number(struct bit_reader *r, unsigned k, uint64_t next, uint32_t below,
                       uint64_t *out)
{
    uint64_t high = 0;
    uint32_t low = 0;

    if (!get_unary(r, (uint64_t) below >> k, &high) || !get_bits(r, k, &low))
        return false;
    *out = next + (high << k | low);
    return *out < below;
}

/* All bytes are used, and what is left of the last is zero: one list has one form. */
static bool is_at_end(const struct bit_reader *r)
{
    return r->pos == r->end && r->n < 8 && r->acc == 0;
}

/* A list being read: k is the block's, next the least that the number to come can be. */
struct list_reader {
    struct bit_reader bits;
    uint32_t at, k;
    uint64_t next;
};

static struct list_reader list_of(struct slice bytes)
{
    return (struct list_reader){
        .bits = {.pos = bytes.ptr, .end = bytes.ptr + bytes.len}
    };
}

static inline bool next_posting(struct list_reader *list, uint32_t below, uint32_t *out)
{
    uint64_t number = 0;

    if (list->at++ % POSTINGS_BLOCK == 0 &&
        (!get_bits(&list->bits, K_BITS, &list->k) || list->k > POSTINGS_MAX_K))
        return false;
    if (!get_number(&list->bits, list->k, list->next, below, &number))
        return false;
    list->next = number + 1;
    *out = (uint32_t) number;
    return true;
}

bool postings_decode(struct slice bytes, uint32_t n, uint32_t below, uint32_t *out)
{
    struct list_reader list = list_of(bytes);

    for (uint32_t i = 0; i < n; i++)
        if (!next_posting(&list, below, &out[i]))
            return false;
    return is_at_end(&list.bits);
}

bool postings_decode_bits(struct slice bytes, uint32_t n, uint32_t below, uint64_t *out)
{
    struct list_reader list = list_of(bytes);
    uint32_t number;

    for (uint32_t i = 0; i < n; i++) {
        if (!next_posting(&list, below, &number))
            return false;
        bit_set(out, number);
    }
    return is_at_end(&list.bits);
}
