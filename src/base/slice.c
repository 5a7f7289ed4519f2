#include "base/slice.h"

#include "base/ascii.h"

bool slice_eq_nocase(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    if (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0) /* mostly written alike */
        return true;
    for (size_t i = 0; i < a.len; i++) {
        if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i]))
            return false;
    }
    return true;
}

bool slice_starts(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && slice_eq(slice_sub(s, 0, prefix.len), prefix);
}

bool slice_starts_nocase(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && slice_eq_nocase(slice_sub(s, 0, prefix.len), prefix);
}

bool slice_ends(struct slice s, struct slice suffix)
{
    return s.len >= suffix.len && slice_eq(slice_from(s, s.len - suffix.len), suffix);
}

int slice_cmp(struct slice a, struct slice b)
{
    size_t n = MIN(a.len, b.len);
    int order = n > 0 ? memcmp(a.ptr, b.ptr, n) : 0;

    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

size_t slice_count(struct slice s, char byte)
{
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++)
        n += s.ptr[i] == byte;
    return n;
}

size_t slice_find(struct slice s, char byte)
{
    const char *hit = s.len > 0 ? memchr(s.ptr, byte, s.len) : NULL;

    return hit != NULL ? (size_t) (hit - s.ptr) : s.len;
}

size_t slice_rfind(struct slice s, char byte)
{
    for (size_t i = s.len; i > 0; i--) {
        if (s.ptr[i - 1] == byte)
            return i - 1;
    }
    return s.len;
}

size_t slice_search(struct slice s, struct slice needle)
{
    const char *hit;

    if (needle.len == 0)
        return 0;
    hit = s.len > 0 ? memmem(s.ptr, s.len, needle.ptr, needle.len) : NULL;
    return hit != NULL ? (size_t) (hit - s.ptr) : s.len;
}

struct slice slice_trim(struct slice s)
{
    while (s.len > 0 && ascii_is_space(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && ascii_is_space(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

bool slice_to_u64(struct slice s, uint64_t *out)
{
    uint64_t value = 0;

    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (!ascii_is_digit(s.ptr[i]) || __builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t) (s.ptr[i] - '0'), &value))
            return false;
    }
    *out = value;
    return true;
}

bool slice_to_u32(struct slice s, uint32_t *out)
{
    uint64_t value;

    if (!slice_to_u64(s, &value) || value > UINT32_MAX)
        return false;
    *out = (uint32_t) value;
    return true;
}
