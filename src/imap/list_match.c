#include "imap/list_match.h"

#include "base/ascii.h"

#define BIT(i) ((uint64_t) 1 << ((i) % 64))

static bool is_wild(char c)
{
    return c == '*' || c == '%';
}

/* Neighbouring wildcards are one: "%%" is "%", with a "*" among them "*". Thus no wild token
 * follows another, and one shift is a whole closure. */
static size_t squeeze(struct slice text, char *out, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (is_wild(text.ptr[i]) && n > 0 && is_wild(out[n - 1])) {
            if (text.ptr[i] == '*')
                out[n - 1] = '*';
            continue;
        }
        if (n == max)
            return n + 1;
        out[n++] = text.ptr[i];
    }
    return n;
}

void list_pattern_init(struct list_pattern *pattern, struct slice reference, struct slice text,
                       struct arena *arena)
{
    size_t max = (size_t) 2 * LIST_NAME_MAX_BYTES + 1; /* every second token wild */
    char *joined = arena_alloc(arena, reference.len + text.len);
    char *tokens = arena_alloc(arena, max);
    uint64_t *bytes, *stars, *percents;
    size_t n, words;

    if (reference.len > 0)
        memcpy(joined, reference.ptr, reference.len);
    if (text.len > 0)
        memcpy(joined + reference.len, text.ptr, text.len);
    n = squeeze(slice_of(joined, reference.len + text.len), tokens, max);
    *pattern = (struct list_pattern){.n_tokens = n, .never = n > max};
    if (pattern->never)
        return;
    words = n / 64 + 1;
    bytes = ARENA_ARRAY(arena, uint64_t, 256 * words);
    stars = ARENA_ARRAY(arena, uint64_t, words);
    percents = ARENA_ARRAY(arena, uint64_t, words);
    for (size_t i = 0; i < n; i++) {
        if (tokens[i] == '*')
            stars[i / 64] |= BIT(i);
        else if (tokens[i] == '%')
            percents[i / 64] |= BIT(i);
        else
            bytes[(unsigned char) tokens[i] * words + i / 64] |= BIT(i);
    }
    pattern->n_words = words;
    pattern->bytes = bytes;
    pattern->stars = stars;
    pattern->percents = percents;
    pattern->has_percent = slice_find(slice_of(tokens, n), '%') < n;
}

/* One byte of the name; other is the same letter in lower case, or the byte itself. */
static void step(const struct list_pattern *pattern, uint64_t *at, char byte, char other)
{
    const uint64_t *here = &pattern->bytes[(unsigned char) byte * pattern->n_words];
    const uint64_t *also = &pattern->bytes[(unsigned char) other * pattern->n_words];
    uint64_t carry = 0, wild_carry = 0;

    for (size_t w = 0; w < pattern->n_words; w++) {
        uint64_t moved = at[w] & (here[w] | also[w]);
        uint64_t stays = at[w] & (pattern->stars[w] | (byte == '/' ? 0 : pattern->percents[w]));
        uint64_t next = (moved << 1) | carry | stays | wild_carry;
        uint64_t wild = next & (pattern->stars[w] | pattern->percents[w]);

        at[w] = next | (wild << 1);
        carry = moved >> 63;
        wild_carry = wild >> 63;
    }
}

bool list_pattern_matches(const struct list_pattern *pattern, struct slice name)
{
    bool inbox = slice_starts(name, SLICE("INBOX")) && (name.len == 5 || name.ptr[5] == '/');
    uint64_t at[LIST_PATTERN_WORDS] = {0};

    if (pattern->never)
        return false;
    at[0] = 1 | ((pattern->stars[0] | pattern->percents[0]) & 1) << 1;
    for (size_t i = 0; i < name.len; i++) {
        char byte = name.ptr[i];

        step(pattern, at, byte, inbox && i < 5 ? ascii_lower(byte) : byte);
    }
    return (at[pattern->n_tokens / 64] & BIT(pattern->n_tokens)) != 0;
}
