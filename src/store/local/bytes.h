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

static inline void put_le16(char *at, uint16_t value)
{
    value = htole16(value);
    memcpy(at, &value, sizeof(value));
}

static inline void put_le32(char *at, uint32_t value)
{
    value = htole32(value);
    memcpy(at, &value, sizeof(value));
}

static inline void put_le64(char *at, uint64_t value)
{
    value = htole64(value);
    memcpy(at, &value, sizeof(value));
}

static inline void put_hash(char *at, struct hash128 hash)
{
    put_le64(at, hash.lo);
    put_le64(at + 8, hash.hi);
}

/* Big-endian, so that LMDB's byte order is the order of the numbers. */
static inline void put_be64(char *at, uint64_t value)
{
    value = htobe64(value);
    memcpy(at, &value, sizeof(value));
}

static inline uint64_t get_be64(const char *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof(value));
    return be64toh(value);
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
