/*
 * search.h - from a tree of keys to the messages that meet it.
 *
 * Spec: RFC 9051 6.4.4, RFC 3501 6.4.4 (NEW, OLD, RECENT), RFC 7162 3.1.5 (MODSEQ), RFC 5182
 * ("$").
 *
 * search_start makes a plan, search_go works it off a slice at a time; between two slices
 * nothing is held but the plan, and the view must keep its version. Expunged messages that the
 * client still numbers are never hits. RFC 5255 4.2: texts of the message are compared by the
 * comparator of the scope.
 *
 * Memory: everything lives in the arena given; search_done frees what else there is.
 */
#ifndef ROOST_SEARCH_SEARCH_H
#define ROOST_SEARCH_SEARCH_H

#include "imap/search_key.h"
#include "mailbox/view.h"

struct search;
struct pruner;

struct search_scope {
    struct account *account;
    const struct mbox_view *view;
    struct uid_set saved; /* "$" */
    uint32_t from_uid;    /* messages below it are not looked at */
    struct pruner *kept;  /* search_keep() of the same keys by the same comparator, in this
                             account; NULL: none */
    bool seqs_may_miss;   /* sequence numbers that are not there name nothing (RFC 7377 2) */
    unsigned comparator;  /* of texts: a number of mime/comparator.h */
    bool wants_scores;    /* of fuzzy keys: search_hits.scores */
    const struct uid_set *among; /* nor are others than these; NULL: all are */
    int64_t now;                 /* unix seconds that OLDER and YOUNGER mean; 0: the clock's */
};

struct search_hits {
    struct uid_set uids;
    struct uid_set seqs; /* the same as sequence numbers */
    uint32_t count;
    uint64_t modseq;       /* the greatest of them; 0: no hits, or no key asks for modseqs */
    const uint8_t *scores; /* count of them, 1 to 100 (RFC 6203 4); NULL: no key is fuzzy, or
                              they were not wanted */
    uint32_t n_damaged;    /* could not be read, and count as no hits */
};

/* RC_SYNTAX: a sequence number that is not there; RC_UNAVAILABLE: no such comparator now.
 * scope->kept is taken over in any case. */
MUST_CHECK enum rc search_start(const struct search_scope *scope,
                                const struct imap_search_key *key, struct arena *arena,
                                struct search **out, struct err *err);
/* RC_MORE: a slice is done, call again. RC_IO: the store fails. */
MUST_CHECK enum rc search_go(struct search *search, struct err *err);
/* The time it is done at. */
int64_t search_now(const struct search *search);
/* The number of the message it has come to. */
uint32_t search_progress(const struct search *search);
/* After search_go answered RC_OK. Lives in the arena. */
struct search_hits search_hits(const struct search *search);
/* After that as well: the greatest MODSEQ of these messages; 0: the view has none of them. */
uint64_t search_modseq(const struct search *search, const struct uid_set *uids);
/* After that as well: what the index said, for the same keys in another mailbox of the account.
 * The caller's, to be given to a search or freed. */
struct pruner *search_keep(struct search *search);
void search_kept_free(struct pruner *kept); /* NULL is allowed */
void search_done(struct search *search);

#endif
