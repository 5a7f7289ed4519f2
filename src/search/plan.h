/*
 * plan.h - a tree of keys made ready to be asked of many messages.
 *
 * Sets are resolved against the view once, keywords are numbers, needles are casemapped, and
 * the children of AND and OR stand in the order of their cost, so that the dear ones are asked
 * only where the cheap ones leave it open.
 */
#ifndef ROOST_SEARCH_PLAN_H
#define ROOST_SEARCH_PLAN_H

#include "imap/list_match.h"
#include "search/fuzzy.h"
#include "search/needle.h"
#include "search/search.h"
#include "search/word_segment.h"

enum plan_cost {
    COST_COLUMN, /* uid, flags, modseq */
    COST_COLD,   /* dates, size */
    COST_DIGEST, /* the digest's keys */
    COST_TEXT,   /* its search text */
};
#define PLAN_COST_COUNT (COST_TEXT + 1)

/* What the words of a fuzzy key are worth, by where they stand; 0: nothing. */
struct fuzzy_weights {
    uint8_t in[WORD_PLACES];
    bool is_one_field; /* of WORD_IN_OTHER only the field that the key names */
};

struct plan_node {
    const struct imap_search_key *key;
    enum plan_cost cost;
    struct uid_set uids; /* SEQ and UID */
    int keyword;         /* KEYWORD: index, or -1 if the mailbox has none of that name */
    bool has_id;         /* EMAILID, THREADID: false if it is none of ours */
    struct object_id id;
    struct list_pattern entries; /* ANNOTATION */
    struct needle needle;
    const struct fuzzy *fuzzy; /* of a key of text below FUZZY, if there are words in it */
    struct fuzzy_weights weights;
    bool has_fuzzy;  /* it, or a key below */
    uint8_t *scores; /* prune.c: of the window's messages; NULL: none are kept */
    uint32_t leaf;   /* prune.c: from 1; 0: none */
    struct plan_node **children;
    size_t n_children;
};

/* What a key of kind SEQ or UID names in the scope; in arena. RC_SYNTAX: a sequence number that
 * is not there. */
MUST_CHECK enum rc plan_named_uids(const struct search_scope *scope,
                                   const struct imap_search_key *key, struct arena *arena,
                                   struct uid_set *out, struct err *err);

/* by: of the keys that look for text in a message. */
MUST_CHECK enum rc plan_make(const struct search_scope *scope, const struct comparison *by,
                             const struct imap_search_key *key, struct arena *arena,
                             struct plan_node **out, struct err *err);

#endif
