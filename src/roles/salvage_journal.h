/*
 * salvage_journal.h - the part of `roost check --repair --offline` that comes first: a store
 * whose journal is damaged where nothing else has its groups is brought to where it starts
 * again (mailbox/salvage.h), and what that costs is told.
 */
#ifndef ROOST_ROLES_SALVAGE_JOURNAL_H
#define ROOST_ROLES_SALVAGE_JOURNAL_H

#include "mailbox/salvage.h"

struct salvage_out {
    void (*lost)(void *ctx, const struct lost_groups *lost);
    struct salvage_watch accounts;
    void *ctx; /* of lost */
};

/* The store at path (DATA/mail), closed again on return. Nothing is done where the journal has
 * lost nothing. RC_CORRUPT: it does not open for another reason. */
MUST_CHECK enum rc salvage_journal(const char *path, const struct salvage_out *out,
                                   struct err *err);

#endif
