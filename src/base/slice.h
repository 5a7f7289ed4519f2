/*
 * slice.h - a run of bytes that somebody else owns.
 *
 * May hold any byte, NUL included. Passed by value. The empty slice may have a NULL pointer.
 */
#ifndef ROOST_BASE_SLICE_H
#define ROOST_BASE_SLICE_H

#include <stdbool.h>
#include <string.h>

#include "base/err.h"

struct slice {
    const char *ptr;
    size_t len;
};

/* Of a literal, at compile time: SLICE("INBOX"). */
#define SLICE(literal) ((struct slice){"" literal, sizeof(literal) - 1})

/* For printf: "%.*s", SLICE_ARG(s). Cuts at INT_MAX. */
#define SLICE_ARG(s) ((int) MIN((s).len, (size_t) INT32_MAX)), ((s).len > 0 ? (s).ptr : "")

static inline struct slice slice_of(const void *ptr, size_t len)
{
    return (struct slice){ptr, len};
}

static inline struct slice slice_from_str(const char *str)
{
    return (struct slice){str, strlen(str)};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* ASCII letters compare without case; other bytes as they are. */
bool slice_eq_nocase(struct slice a, struct slice b);
bool slice_starts(struct slice s, struct slice prefix);
bool slice_starts_nocase(struct slice s, struct slice prefix);
bool slice_ends(struct slice s, struct slice suffix);
/* memcmp order, the shorter first when one is a prefix of the other. */
int slice_cmp(struct slice a, struct slice b);

size_t slice_count(struct slice s, char byte);
/* Offset of the first such byte, or s.len. */
size_t slice_find(struct slice s, char byte);
/* Offset of the last such byte, or s.len. */
size_t slice_rfind(struct slice s, char byte);
/* Offset of the first occurrence of needle, or s.len. An empty needle is found at 0. */
size_t slice_search(struct slice s, struct slice needle);

/* s[from .. from+len), both cut to what is there. */
static inline struct slice slice_sub(struct slice s, size_t from, size_t len)
{
    if (from >= s.len)
        return (struct slice){s.ptr, 0};
    return (struct slice){s.ptr + from, MIN(len, s.len - from)};
}

static inline struct slice slice_from(struct slice s, size_t from)
{
    return slice_sub(s, from, s.len);
}

/* Without leading and trailing bytes of SP HTAB CR LF. */
struct slice slice_trim(struct slice s);

/* All of s as a decimal number without sign; leading zeros are allowed. False on anything else.
 */
bool slice_to_u64(struct slice s, uint64_t *out);
bool slice_to_u32(struct slice s, uint32_t *out);

#endif
