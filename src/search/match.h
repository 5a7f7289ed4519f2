/*
 * match.h - one message asked about a plan. What it takes to answer (the digest, the bytes) is
 * given, or fetched when first needed and kept until the next message.
 *
 * Thousands of keys may look at all the text of a long message. Where they have looked at
 * MATCH_CUT_WORK, the message is left (is_cut), and asked again later: what its keys of text
 * have said is known then, in the order in which they were asked.
 */
#ifndef ROOST_SEARCH_MATCH_H
#define ROOST_SEARCH_MATCH_H

#include "mailbox/message.h"
#include "mailbox/thread.h"
#include "search/plan.h"

#define MATCH_CUT_WORK ((uint64_t) 64 << 20) /* more than it costs to open a message again */

/* A message, and what was read of it beforehand. */
struct match_asked {
    uint32_t uid, index, size;
    bool is_covered; /* by an index: the text is whole, the rest of the digest need not be read
                      */
    enum digest_wanted kind;
    struct slice bytes; /* empty: nothing was read */
};

struct match {
    struct account *account;
    const struct mbox_view *view;
    const struct mbox *mbox;
    struct buf scratch;        /* casemapped text */
    struct word_reader *words; /* NULL: no key was fuzzy yet */
    unsigned score; /* of the message asked last, if it was a hit: 1 to 100 (RFC 6203 4) */
    int64_t now;    /* unix seconds, of the whole search (RFC 5032) */
    /* Of the message at hand. */
    uint32_t uid, index;
    struct message *message;
    const struct digest *digest;
    const struct digest *text; /* whose spans are there: the digest, or the region alone */
    struct digest region;
    struct digest given; /* what was read beforehand */
    bool is_covered;
    struct err failed;   /* rc RC_OK: nothing failed */
    uint64_t work;       /* bytes looked at, and something for each digest */
    bool is_cut;         /* the answer is not known yet: ask the same message next */
    struct buf answers;  /* of the message's keys of text so far: what each scores */
    size_t n_known;      /* of these, from before it was cut */
    size_t n_again;      /* of those, given again */
    uint64_t began_work; /* when the message was asked */
    uint64_t n_opened;   /* messages whose digest was needed */
};

void match_init(struct match *match, const struct search_scope *scope);
void match_done(struct match *match);
/* is_cut and failed say whether the answer can be believed. */
bool match_message(struct match *match, const struct plan_node *plan,
                   const struct match_asked *asked);

#endif
