/*
 * salvage.h - a store whose journal has lost groups: what is left of each account, made its
 * checkpoint.
 *
 * A group names the account's group before it (engine.h, base), so an account whose groups name
 * each other without a break, up to one behind the loss, has lost nothing and stays as it is.
 * Of any other account it is not known what it lost:
 *
 *   - its groups behind the break are applied, in order, as long as each one applies whole;
 *   - messages of a group that does not, and bodies that no group tells of, come into the
 *     mailbox "Recovered/Journal" with new uids;
 *   - every mailbox gets a new UIDVALIDITY: uids and modseqs may have been given twice.
 *
 * Accounts that are damaged otherwise are left to repair.h.
 */
#ifndef ROOST_MAILBOX_SALVAGE_H
#define ROOST_MAILBOX_SALVAGE_H

#include "store/engine.h"

/* An account that may have lost something. Valid during the call. */
struct salvage_account {
    uint64_t account;
    uint64_t applied;    /* groups that were applied though one before may be missing */
    uint64_t refused;    /* groups that were not */
    uint64_t saved;      /* messages in Recovered/ */
    uint32_t mailboxes;  /* with a new UIDVALIDITY */
    bool has_known_loss; /* a group of it is missing or was refused; else it may be untouched */
};

struct salvage_watch {
    void (*account)(void *ctx, const struct salvage_account *account);
    void *ctx;
};

/*
 * Of an engine that was opened leaving out n places, before anybody else works with it: every
 * account is judged, and one that has groups in the journal or may have lost some gets a
 * checkpoint that stands for all positions up to the engine's newest. May be done again after
 * it was interrupted. RC_IO, RC_FULL, RC_LIMIT.
 */
MUST_CHECK enum rc salvage_store(struct engine *engine, const struct lost_groups *lost,
                                 size_t n_lost, const struct salvage_watch *watch,
                                 struct err *err);

#endif
