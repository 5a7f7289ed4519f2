#include "base/pattern.h"

enum rc pattern_parse(struct slice text, struct pattern *out, struct err *err)
{
    size_t at = slice_find(text, '*');

    if (slice_count(text, '*') > 1)
        return err_set(err, RC_SYNTAX, "Only one * in a name", "pattern: more than one *");
    *out = (struct pattern){.before = slice_sub(text, 0, at),
                            .after = slice_from(text, MIN(at + 1, text.len)),
                            .star = at < text.len};
    return RC_OK;
}

typedef bool equal_fn(struct slice a, struct slice b);

static bool matches(const struct pattern *pattern, struct slice name, equal_fn *equal)
{
    size_t before = pattern->before.len, after = pattern->after.len;

    if (!pattern->star)
        return equal(name, pattern->before);
    return name.len >= before + after && equal(slice_sub(name, 0, before), pattern->before) &&
           equal(slice_from(name, name.len - after), pattern->after);
}

bool pattern_matches(const struct pattern *pattern, struct slice name)
{
    return matches(pattern, name, slice_eq);
}

bool pattern_matches_nocase(const struct pattern *pattern, struct slice name)
{
    return matches(pattern, name, slice_eq_nocase);
}

bool pattern_covers(const struct pattern *a, const struct pattern *b)
{
    if (!b->star)
        return pattern_matches(a, b->before);
    return a->star && slice_starts(b->before, a->before) && slice_ends(b->after, a->after);
}
