/* size.h - a number of bytes as people write it: digits, and K, M, G or T behind them. */
#ifndef ROOST_BASE_SIZE_H
#define ROOST_BASE_SIZE_H

#include "base/slice.h"

/* All of text; a unit, in either case, is a power of 1024. False on anything else, and on what
 * is above UINT64_MAX. */
bool size_parse(struct slice text, uint64_t *out);

#endif
