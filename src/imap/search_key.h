/*
 * search_key.h - what SEARCH looks for, as a tree.
 *
 * Spec: RFC 9051 6.4.4 and section 9 (search-key), RFC 3501 6.4.4 (NEW OLD RECENT), RFC 7162
 * 3.1.5 (MODSEQ), RFC 5257 4.8 (ANNOTATION), RFC 8474 6.1 (ids), RFC 8514 4.3 (SAVED...), RFC
 * 5032 (WITHIN). Keys that are others' negation or union are stored as those: UNSEEN is
 * IMAP_KEY_FLAG with unset, NEW is AND(RECENT, UNSEEN), OLD is RECENT unset.
 *
 * Invariants: AND has >= 1 children (but see filter), OR 2, NOT 1; nesting is <=
 * SEARCH_MAX_DEPTH, keys <= SEARCH_MAX_KEYS; every text is valid UTF-8 whatever charset the
 * client used, but for a literal8 of ANNOTATION, which is bytes. Memory: the command's arena.
 */
#ifndef ROOST_IMAP_SEARCH_KEY_H
#define ROOST_IMAP_SEARCH_KEY_H

#include "base/arena.h"
#include "base/buf.h"
#include "imap/seqset.h"

#define SEARCH_MAX_DEPTH 32u    /* parentheses, NOT and OR inside one another */
#define SEARCH_MAX_KEYS  16384u /* what a 64 KiB line of the shortest keys holds */

enum imap_key {
    IMAP_KEY_ALL,
    IMAP_KEY_AND, /* children */
    IMAP_KEY_OR,
    IMAP_KEY_NOT,
    IMAP_KEY_SEQ,     /* set: message sequence numbers, or saved */
    IMAP_KEY_UID,     /* set: uids, or saved */
    IMAP_KEY_FLAG,    /* flag is set, or unset */
    IMAP_KEY_KEYWORD, /* text is the keyword; unset: UNKEYWORD */
    IMAP_KEY_BCC,     /* text in that header field, as it is in the envelope */
    IMAP_KEY_CC,
    IMAP_KEY_FROM,
    IMAP_KEY_SUBJECT,
    IMAP_KEY_TO,
    IMAP_KEY_HEADER, /* field, text (empty: the field is there) */
    IMAP_KEY_BODY,
    IMAP_KEY_TEXT,
    IMAP_KEY_BEFORE, /* day: INTERNALDATE, time and zone disregarded */
    IMAP_KEY_ON,
    IMAP_KEY_SINCE,
    IMAP_KEY_SENTBEFORE, /* day: the Date: field */
    IMAP_KEY_SENTON,
    IMAP_KEY_SENTSINCE,
    IMAP_KEY_LARGER,  /* number: octets, strictly */
    IMAP_KEY_SMALLER, /* number */
    IMAP_KEY_MODSEQ,  /* number: mod-sequence >= it; text and entry_type if named */
    IMAP_KEY_EMAILID, /* text */
    IMAP_KEY_THREADID,
    IMAP_KEY_SAVEDBEFORE, /* day: when it came into this mailbox */
    IMAP_KEY_SAVEDON,
    IMAP_KEY_SAVEDSINCE,
    IMAP_KEY_OLDER,      /* number: seconds before now, INTERNALDATE */
    IMAP_KEY_YOUNGER,    /* number */
    IMAP_KEY_ANNOTATION, /* field: entries, entry_type, text in their values, or nil */
};
#define IMAP_KEY_COUNT (IMAP_KEY_ANNOTATION + 1)

enum imap_entry_type { IMAP_ENTRY_ALL, IMAP_ENTRY_PRIV, IMAP_ENTRY_SHARED };

struct imap_search_key {
    enum imap_key kind;
    bool fuzzy;      /* below FUZZY (RFC 6203 3); said again of each key that has no children */
    bool unset;      /* FLAG, KEYWORD */
    uint32_t flag;   /* FLAG: one bit of enum imap_flag */
    int32_t day;     /* dates: days since 1970-01-01 */
    uint64_t number; /* LARGER SMALLER MODSEQ */
    struct slice text;               /* UTF-8 */
    struct slice field;              /* HEADER; ANNOTATION: a name, or a pattern */
    enum imap_entry_type entry_type; /* MODSEQ with an entry name in text; ANNOTATION */
    bool nil;                        /* ANNOTATION: no value */
    struct imap_set set;             /* SEQ UID */
    struct imap_search_key *const *children;
    size_t n_children;
    /* AND: FILTER of this name (RFC 5466). It has no children as it is parsed; whoever knows
     * the filter puts its keys there. Empty: none. */
    struct slice filter;
};

/* All of text as the value of a filter: search-criteria of RFC 5466 section 4, in UTF-8. */
MUST_CHECK enum rc imap_parse_filter(struct slice text, struct arena *arena,
                                     struct imap_search_key **out, struct err *err);
/* filter-name: ATOM-CHARs without "/". */
bool imap_is_filter_name(struct slice name);

/* The key as a client could send it (strings as UTF-8, quoted or literal). */
void imap_print_search_key(struct buf *buf, const struct imap_search_key *key);

#endif
