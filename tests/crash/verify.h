/*
 * verify.h - is a store, as a crash left it, what was promised?
 *
 * 1. It opens (recovery), and nothing has to be repaired by hand.
 * 2. Each account's text is one version of the ledger, none before the last acknowledged: all
 *    that was acknowledged is there, what was not is there wholly or not at all, every body is
 *    there byte for byte.
 * 3. It goes on: new mail and a new mailbox are taken and become durable, with numbers behind
 *    those that were there, a UIDVALIDITY above every acknowledged one.
 * 4. After a clean stop and a start all of that is there.
 */
#ifndef ROOST_TESTS_CRASH_VERIFY_H
#define ROOST_TESTS_CRASH_VERIFY_H

#include "ledger.h"
#include "recording.h"

struct expectation {
    const struct ledger *ledger;
    size_t least[LEDGER_ACCOUNTS]; /* version */
    bool may_be_missing;           /* the store itself may not have been made yet */
};

struct verdict {
    bool ok;
    size_t found[LEDGER_ACCOUNTS]; /* version */
    char why[512];
    struct slice want, got; /* texts that differ; got is the caller's to free */
};

/*
 * folder holds what a cut has left. branch becomes the ledger of what follows: up to what was
 * found, and what was added. If a recording is running, it is marked with what was served from
 * then on.
 */
typedef void verify_fn(const char *folder, const struct expectation *expect,
                       struct ledger *branch, struct verdict *out);
verify_fn verify_store;

/* It is not; why. */
void verify_refuse(struct verdict *out, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A copy of what was found instead of what was wanted. */
void verify_take_got(struct verdict *out, struct slice want, struct slice got);

/* The last events of the product's log, for a failure's message. */
void verify_note_log(void);
const char *verify_log(void);

#endif
