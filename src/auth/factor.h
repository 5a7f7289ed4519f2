/*
 * factor.h - the second factor of an account: a TOTP secret, and recovery codes beside it.
 *
 *   none --factor_begin--> BEGUN --factor_confirm(first code)--> ENABLED --factor_forget-->
 * none
 *
 * BEGUN counts for nothing: only a code shows that the secret has arrived in an app. What is
 * used up is durable before factor_use() returns, so that no restart makes a code good again.
 */
#ifndef ROOST_AUTH_FACTOR_H
#define ROOST_AUTH_FACTOR_H

#include "auth/db.h"
#include "auth/recovery.h"

enum factor_kind { FACTOR_NONE, FACTOR_TOTP, FACTOR_RECOVERY };

/* What a code fits. */
struct factor_match {
    enum factor_kind kind;
    bool enabled;                 /* the account has a second factor */
    uint64_t step;                /* FACTOR_TOTP */
    struct app_verifier verifier; /* FACTOR_RECOVERY */
};

/* "totp". Static. */
const char *factor_name(enum factor_kind kind);

/* A new secret, in place of one that was begun. RC_EXISTS: the account has one that is enabled.
 * RC_INVALID: a shared account. */
MUST_CHECK enum rc factor_begin(struct auth_db *db, uint64_t account, struct totp_secret *out,
                                struct err *err);
/* The first code: enables it and makes recovery codes. RC_DENIED: not a code of it now.
 * RC_NOT_FOUND: nothing was begun. */
MUST_CHECK enum rc factor_confirm(struct auth_db *db, uint64_t account, struct slice code,
                                  int64_t now, struct recovery_codes *out, struct err *err);
/* New recovery codes; the old ones are void. RC_NOT_FOUND: no second factor is enabled. */
MUST_CHECK enum rc factor_new_codes(struct auth_db *db, uint64_t account,
                                    struct recovery_codes *out, struct err *err);
/* RC_NOT_FOUND: there is nothing, begun or enabled. */
MUST_CHECK enum rc factor_forget(struct auth_db *db, uint64_t account, struct err *err);

/*
 * What does the code fit? Changes nothing, and takes the same steps for an account that has no
 * second factor or is none (0). RC other than RC_OK: a failing database.
 */
MUST_CHECK enum rc factor_check(struct auth_db *db, uint64_t account, struct slice code,
                                int64_t now, struct factor_match *out, struct err *err);
/* Uses up what fitted. RC_NOT_FOUND: it was used up meanwhile. */
MUST_CHECK enum rc factor_use(struct auth_db *db, uint64_t account,
                              const struct factor_match *match, struct err *err);

#endif
