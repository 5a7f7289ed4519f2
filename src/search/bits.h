/*
 * bits.h - sets of small numbers as words of bits, whose length their owner knows.
 */
#ifndef ROOST_SEARCH_BITS_H
#define ROOST_SEARCH_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BITS_WORDS(n) (((size_t) (n) + 63) / 64)

static inline bool bit_is_set(const uint64_t *bits, uint32_t at)
{
    return (bits[at / 64] >> (at % 64) & 1) != 0;
}

static inline void bit_set(uint64_t *bits, uint32_t at)
{
    bits[at / 64] |= (uint64_t) 1 << (at % 64);
}

static inline void bits_clear(uint64_t *bits, size_t words)
{
    for (size_t i = 0; i < words; i++)
        bits[i] = 0;
}

static inline void bits_clear_range(uint64_t *bits, uint32_t first, uint32_t n)
{
    for (uint32_t at = first; at < first + n;) {
        uint32_t end = at + 64 - at % 64, here = (end < first + n ? end : first + n) - at;

        bits[at / 64] &= ~((~(uint64_t) 0 >> (64 - here)) << (at % 64));
        at += here;
    }
}

static inline void bits_and(uint64_t *into, const uint64_t *with, size_t words)
{
    for (size_t i = 0; i < words; i++)
        into[i] &= with[i];
}

static inline void bits_or(uint64_t *into, const uint64_t *with, size_t words)
{
    for (size_t i = 0; i < words; i++)
        into[i] |= with[i];
}

static inline uint32_t bits_count(const uint64_t *bits, size_t words)
{
    uint32_t n = 0;

    for (size_t i = 0; i < words; i++)
        n += (uint32_t) __builtin_popcountll(bits[i]);
    return n;
}

static inline uint32_t bits_count_in(const uint64_t *bits, uint32_t first, uint32_t n)
{
    uint32_t count = 0;

    for (uint32_t at = first; at < first + n;) {
        uint32_t end = at + 64 - at % 64, here = (end < first + n ? end : first + n) - at;

        count += (uint32_t) __builtin_popcountll(bits[at / 64] >> (at % 64) << (64 - here));
        at += here;
    }
    return count;
}

static inline bool bits_any(const uint64_t *bits, size_t words)
{
    uint64_t any = 0;

    for (size_t i = 0; i < words; i++)
        any |= bits[i];
    return any != 0;
}

/* Is one of first..first + n - 1 set? */
static inline bool bits_any_in(const uint64_t *bits, uint32_t first, uint32_t n)
{
    for (uint32_t at = first; at < first + n;) {
        if (at % 64 == 0 && first + n - at >= 64) {
            if (bits[at / 64] != 0)
                return true;
            at += 64;
        } else if (bit_is_set(bits, at++)) {
            return true;
        }
    }
    return false;
}

#endif
