/*
 * list_match.h - LIST's wildcards, which those of annotations are as well.
 *
 * Spec: RFC 9051 6.3.9: "*" matches anything, "%" anything but the separator; INBOX matches in
 * any case (5.1). RFC 5257 4.3: the same of entry names. The canonical pattern is the reference
 * followed by the pattern.
 *
 * A pattern is a small automaton run as bits, so a match costs name length x pattern length /
 * 64 whatever the wildcards; no pattern makes it backtrack.
 */
#ifndef ROOST_IMAP_LIST_MATCH_H
#define ROOST_IMAP_LIST_MATCH_H

#include "base/arena.h"

#define LIST_NAME_MAX_BYTES 1024u /* no mailbox or entry has a longer one */
#define LIST_PATTERN_WORDS  ((2 * LIST_NAME_MAX_BYTES + 2 + 63) / 64)

struct list_pattern {
    size_t n_tokens, n_words;
    bool never;            /* longer than any name: matches nothing */
    bool has_percent;      /* LSUB asks (RFC 3501 6.3.9) */
    const uint64_t *bytes; /* 256 rows of n_words: where that byte may stand */
    const uint64_t *stars, *percents;
};

void list_pattern_init(struct list_pattern *pattern, struct slice reference, struct slice text,
                       struct arena *arena);
bool list_pattern_matches(const struct list_pattern *pattern, struct slice name);

#endif
