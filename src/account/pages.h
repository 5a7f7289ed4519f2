/*
 * pages.h - an account as pages: what a checkpoint holds [format], docs/formats/pages.md.
 *
 * Pages are never overwritten: a changed chunk gets a new number, the root lists what is
 * current, and what the root no longer lists may go. So a checkpoint of an account costs what
 * changed, and a torn checkpoint leaves the old root whole. The root holds all mailbox infos'
 * page numbers, counts and subscriptions; a mailbox's messages are pages of their own, hot and
 * cold columns apart, read when it is opened.
 */
#ifndef ROOST_ACCOUNT_PAGES_H
#define ROOST_ACCOUNT_PAGES_H

#include "account/state.h"

struct page {
    uint64_t number; /* of the account, never reused; >= 1 */
    struct slice bytes;
};

/* What has to be written so that the root given stands. */
struct page_batch {
    struct slice root;
    const struct page *puts;
    size_t n_puts;
    const uint64_t *drops; /* pages that the new root no longer lists */
    size_t n_drops;
};

/*
 * Pages for a durable version. stored: the version of the last checkpoint, NULL for none.
 * Objects remember the page they lie in once acct_pages_stored() has confirmed the batch; call
 * both from one thread at a time per account. The batch lives in arena.
 */
void acct_pages_make(const struct acct_state *state, const struct acct_state *stored,
                     struct arena *arena, struct page_batch *out);
void acct_pages_stored(const struct acct_state *state, const struct page_batch *batch);

/* Reads one page; bytes live in arena. RC_CORRUPT, RC_NOT_FOUND, RC_IO. */
typedef enum rc page_read_fn(void *ctx, uint64_t number, struct arena *arena, struct slice *out,
                             struct err *err);

/* The account as its root says; mailboxes are not loaded. RC_CORRUPT if the root is not ours.
 */
MUST_CHECK enum rc acct_pages_open(uint64_t account_id, struct slice root, uint64_t position,
                                   page_read_fn *read, void *ctx, struct acct_state **out,
                                   struct err *err);
/* Load a mailbox's, or a deleted one's, messages, without their cold rows, into a fork (never
 * into the version that is `stored`). RC_CORRUPT says which mailbox; nothing changes then.
 */
MUST_CHECK enum rc acct_mbox_load(struct acct_state *fork, uint32_t mbox_id, page_read_fn *read,
                                  void *ctx, struct err *err);
/* Bring the last chunk of a mailbox into a fork, without its cold rows, if it is not there. */
MUST_CHECK enum rc acct_tail_load(struct acct_state *fork, uint32_t mbox_id, page_read_fn *read,
                                  void *ctx, struct err *err);
/*
 * Bring cold rows of a loaded mailbox into memory: those of messages first..last (indexes), for
 * all versions that share them. Any thread may ask, of any version whose pages still stand:
 * RC_NOT_FOUND, if a checkpoint has dropped them since.
 */
MUST_CHECK enum rc acct_cold_load(const struct acct_state *state, const struct mbox *mbox,
                                  uint32_t first, uint32_t last, page_read_fn *read, void *ctx,
                                  struct err *err);
/* Everything in memory that the record needs to apply to the fork. What it names and is not
 * there is acct_check()'s matter. */
MUST_CHECK enum rc acct_record_load(struct acct_state *fork, const struct record *record,
                                    page_read_fn *read, void *ctx, struct err *err);
/*
 * Load rows at..at + n - 1 of what a mailbox, a deleted one perhaps, keeps (kept.h); rows that
 * are not there are none. A page of kept rows that is damaged takes nothing else with it.
 */
MUST_CHECK enum rc acct_kept_load(struct acct_state *fork, uint32_t mbox_id, uint32_t at,
                                  uint32_t n, page_read_fn *read, void *ctx, struct err *err);
/* Forget the messages of a mailbox whose pages are stored and current; false if they are not.
 */
bool acct_mbox_unload(struct acct_state *fork, uint32_t mbox_id);
/*
 * The stored version without its messages in memory, as a version of its own that is stored as
 * well. But mailboxes in keep (n local ids, ascending) are as tip has them: a version of the
 * same position, in which more may be loaded. In the thread of the calls above.
 */
struct acct_state *acct_unloaded(const struct acct_state *stored, const struct acct_state *tip,
                                 const uint32_t *keep, size_t n_keep);
/* Bytes of memory a version takes, by the sizes its parts were made with; what versions share
 * counts in each. */
size_t acct_memory(const struct acct_state *state);

#endif
