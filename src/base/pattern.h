/*
 * pattern.h - names with at most one "*", which stands for any number of bytes: "sales-*",
 * "*@example.org", "a*z", "*".
 *
 * Plain values that point into the text they were made of. Matching is one comparison of each
 * end, so it is linear in the name.
 */
#ifndef ROOST_BASE_PATTERN_H
#define ROOST_BASE_PATTERN_H

#include "base/slice.h"

struct pattern {
    struct slice before, after; /* of the star; without one all is in before */
    bool star;
};

/* RC_SYNTAX: more than one star. */
MUST_CHECK enum rc pattern_parse(struct slice text, struct pattern *out, struct err *err);
bool pattern_matches(const struct pattern *pattern, struct slice name);
/* ASCII letters without case. */
bool pattern_matches_nocase(const struct pattern *pattern, struct slice name);
/* Does everything that b matches match a too? Of names compared as they are. */
bool pattern_covers(const struct pattern *a, const struct pattern *b);

#endif
