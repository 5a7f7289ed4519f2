/*
 * check_rows.h - `roost check`, wherever it runs: in the mail role for a server that serves, in
 * a process of the command line when it is stopped. What is found are rows of fields
 * (docs/formats/ipc.md): one for each loss, and one with the sums at the end.
 */
#ifndef ROOST_ROLES_CHECK_ROWS_H
#define ROOST_ROLES_CHECK_ROWS_H

#include "ipc/control.h"

struct mail_store;

struct check_out {
    void (*row)(void *ctx, const struct control_field *fields, size_t n);
    /* Called often; false ends the check. */
    bool (*goes_on)(void *ctx, uint64_t messages);
    void *ctx;
};

/* account 0: all. repair: accounts that do not open are made anew (mailbox/repair.h). */
MUST_CHECK enum rc check_rows(struct mail_store *store, uint64_t account, bool repair,
                              const struct check_out *out, struct err *err);

/* The same on the store at path (DATA/mail) that no server has open. */
MUST_CHECK enum rc check_rows_offline(const char *path, uint64_t account, bool repair,
                                      const struct check_out *out, struct err *err);

#endif
