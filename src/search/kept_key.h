/*
 * kept_key.h - keys that outlive their command, and what makes them answer otherwise later.
 *
 * Spec: RFC 5267 4.3: message numbers are evaluated once, when the command is given; so is "$"
 * (RFC 5182), which stands for messages as they were. RFC 5032 2: OLDER and YOUNGER are asked
 * at the time of each look.
 */
#ifndef ROOST_SEARCH_KEPT_KEY_H
#define ROOST_SEARCH_KEPT_KEY_H

#include "search/search.h"

struct kept_key {
    const struct imap_search_key *key;
    bool has_star;   /* uids up to "*": the last message decides */
    bool has_recent; /* \Recent */
    bool has_time;   /* OLDER, YOUNGER */
};

#define KEPT_KEY_MAX_BYTES ((size_t) 2 << 20)

/* About what the copy takes. Beyond KEPT_KEY_MAX_BYTES it is not to be made: "$" may stand for
 * many runs, and stand often. The copying takes four times as much of an arena. */
uint64_t kept_key_bytes(const struct search_scope *scope, const struct imap_search_key *key);
/* A copy in arena, whose sets are uids. Sequence numbers that are not there name nothing. */
struct kept_key kept_key_make(const struct search_scope *scope,
                              const struct imap_search_key *key, struct arena *arena);

/* Of a message with this INTERNALDATE: the first second behind now at which one of the keys
 * OLDER and YOUNGER answers otherwise; INT64_MAX: none ever does. */
int64_t kept_key_turns(const struct kept_key *kept, int64_t internaldate, int64_t now);

#endif
