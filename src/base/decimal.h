/*
 * decimal.h - numbers as decimal digits, written where they belong.
 *
 * Answers to a client are numbers in good part, so there is no loop over single digits and no
 * copy: two digits at a time, from a table.
 */
#ifndef ROOST_BASE_DECIMAL_H
#define ROOST_BASE_DECIMAL_H

#include <stdint.h>
#include <string.h>

#define DECIMAL_MAX_BYTES 20u /* digits of the greatest uint64_t */

extern const char decimal_pairs[201]; /* "000102..99" */

static inline char *decimal_put_pair(char *p, uint32_t below_100)
{
    memcpy(p, decimal_pairs + 2 * (size_t) below_100, 2);
    return p + 2;
}

/* Eight digits, with leading zeros. */
static inline char *decimal_put_8(char *p, uint32_t value)
{
    uint32_t high = value / 10000, low = value % 10000;

    p = decimal_put_pair(decimal_put_pair(p, high / 100), high % 100);
    return decimal_put_pair(decimal_put_pair(p, low / 100), low % 100);
}

/* One or two digits. One more byte than that may be written. */
static inline char *decimal_put_below_100(char *p, uint32_t value)
{
    size_t one = value < 10;

    memcpy(p, decimal_pairs + 2 * (size_t) value + one, 2);
    return p + 2 - one;
}

/* Without leading zeros; returns the end. p has room for DECIMAL_MAX_BYTES, which may all be
 * written. */
static inline char *decimal_put_32(char *p, uint32_t value)
{
    if (value < 100)
        return decimal_put_below_100(p, value);
    if (value < 10000)
        return decimal_put_pair(decimal_put_below_100(p, value / 100), value % 100);
    if (value < 1000000) {
        p = decimal_put_below_100(p, value / 10000);
        return decimal_put_pair(decimal_put_pair(p, value / 100 % 100), value % 100);
    }
    if (value < 100000000) {
        p = decimal_put_below_100(p, value / 1000000);
        p = decimal_put_pair(p, value / 10000 % 100);
        return decimal_put_pair(decimal_put_pair(p, value / 100 % 100), value % 100);
    }
    return decimal_put_8(decimal_put_below_100(p, value / 100000000), value % 100000000);
}

char *decimal_put_64(char *p, uint64_t value);

#endif
