/*
 * seqset.h - sequence sets as they stand on the wire: 1:4,7,9:*
 *
 * Spec: RFC 9051 section 9 (sequence-set) and 4.1.1; RFC 3501 has the same grammar.
 * A set counts messages or UIDs; which of the two is the caller's knowledge.
 * "$" (RFC 9051 6.4.4.1, RFC 5182) is not a set: imap_parse_set_or_saved() takes both.
 *
 * Invariants: n >= 1; every bound is 1..UINT32_MAX or SEQ_STAR; ranges keep the
 * order and the direction the client wrote ("4:2" stays "4:2" until resolved).
 * Memory: ranges live in the arena given to the parser.
 */
#ifndef ROOST_IMAP_SEQSET_H
#define ROOST_IMAP_SEQSET_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/scan.h"
#include "base/slice.h"

#define SEQ_STAR          0u     /* "*": the grammar has no zero, so zero can mean it */
#define SEQSET_MAX_RANGES 32768u /* what fits a line of 64 KiB: "1,1,1..." */

struct seq_range {
    uint32_t first, last;
};

struct seqset {
    const struct seq_range *ranges;
    size_t n;
};

/* A sequence-set or "$", the saved search result. */
struct imap_set {
    bool saved; /* "$"; set is empty then */
    struct seqset set;
};

/* Parse all of text. RC_SYNTAX if it is not a sequence-set, RC_LIMIT if it is too long. */
MUST_CHECK enum rc imap_parse_seqset(struct slice text, struct arena *arena, struct seqset *out,
                                     struct err *err);
/* The same, and "$". */
MUST_CHECK enum rc imap_parse_set_or_saved(struct slice text, struct arena *arena,
                                           struct imap_set *out, struct err *err);

/* True for the bytes a sequence-set or "$" is made of: the run a lexer cuts out. */
bool imap_is_set_char(char c);

/*
 * Put numbers for "*", turn ranges upwards, sort, join what overlaps or touches. max is what
 * "*" stands for (the number of messages, or the highest uid); 0 for an empty mailbox, where
 * "*" names nothing. The result's ranges ascend, do not touch, and hold no SEQ_STAR. They may
 * be empty: n == 0. O(n log n).
 */
struct seqset imap_resolve_seqset(const struct seqset *set, uint32_t max, struct arena *arena);

/* The greatest number named, "*" not counted; 0 if there is only "*". For the BAD of RFC 9051
 * section 9 (seq-number) when a client names a message it does not have. */
uint32_t imap_seqset_top(const struct seqset *set);

void imap_print_seqset(struct buf *buf, const struct seqset *set);
void imap_print_set(struct buf *buf, const struct imap_set *set);

/*
 * Numbers printed as ranges: 1:4,7. For COPYUID, ESEARCH, MODIFIED, VANISHED. Mostly they come
 * in ascending order; in another one (RFC 5267 3.2) only those that ascend by one are a range.
 */
struct imap_runs {
    struct buf *buf;
    uint32_t first, last;
    bool any;
};

void imap_runs_begin(struct imap_runs *runs, struct buf *buf);
void imap_runs_add(struct imap_runs *runs, uint32_t number);
void imap_runs_add_range(struct imap_runs *runs, uint32_t first, uint32_t last);
/* Writes the last run. False if nothing was added (and nothing written). */
bool imap_runs_end(struct imap_runs *runs);

#endif
