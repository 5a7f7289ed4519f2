/* bytes.h - little-endian fields at a place in memory, for headers of a fixed size. */
#ifndef ROOST_STORE_LOCAL_BYTES_H
#define ROOST_STORE_LOCAL_BYTES_H

#include "base/scan.h"

struct hash128 {
    uint64_t lo, hi;
};

static inline bool hash128_eq(struct hash128 a, struct hash128 b)
{
    return a.lo == b.lo && a.hi == b.hi;
}

static inline void put_le(char *at, uint64_t value, size_t n)
{
    for (size_t i = 0; i < n; i++)
        at[i] = (char) (value >> (8 * i));
}

static inline void put_le16(char *at, uint16_t value)
{
    put_le(at, value, 2);
}

static inline void put_le32(char *at, uint32_t value)
{
    put_le(at, value, 4);
}

static inline void put_le64(char *at, uint64_t value)
{
    put_le(at, value, 8);
}

static inline void put_hash(char *at, struct hash128 hash)
{
    put_le64(at, hash.lo);
    put_le64(at + 8, hash.hi);
}

/* Big-endian, so that LMDB's byte order is the order of the numbers. */
static inline void put_be64(char *at, uint64_t value)
{
    for (size_t i = 0; i < 8; i++)
        at[i] = (char) (value >> (56 - 8 * i));
}

static inline uint64_t get_be64(const char *at)
{
    uint64_t value = 0;

    for (size_t i = 0; i < 8; i++)
        value = value << 8 | (unsigned char) at[i];
    return value;
}

static inline bool scan_hash(struct scan *sc, struct hash128 *out)
{
    struct scan at = *sc;
    struct hash128 hash;

    if (!scan_le64(&at, &hash.lo) || !scan_le64(&at, &hash.hi))
        return false;
    *sc = at;
    *out = hash;
    return true;
}

#endif
