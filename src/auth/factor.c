#include "auth/factor.h"

#include "base/clock.h"

const char *factor_name(enum factor_kind kind)
{
    static const char *const names[] = {"none", "totp", "recovery_code"};

    return names[kind];
}

enum rc factor_begin(struct auth_db *db, uint64_t account, struct totp_secret *out,
                     struct err *err)
{
    struct totp_row row;
    struct totp_secret secret;
    enum rc rc = auth_db_get_totp(db, account, &row, err);

    if (rc == RC_OK && row.state == TOTP_ENABLED)
        return err_set(err, RC_EXISTS, "This user has a second factor: disable it first",
                       "totp: enabled already");
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return rc;
    row =
        (struct totp_row){.account = account, .state = TOTP_BEGUN, .created = clock_wall_sec()};
    totp_secret_make(&secret);
    totp_seal(auth_db_pepper(db), account, &secret, row.sealed);
    rc = auth_db_put_totp(db, &row, err);
    if (rc == RC_OK)
        *out = secret;
    totp_secret_wipe(&secret);
    return rc;
}

static enum rc store_codes(struct auth_db *db, uint64_t account,
                           const struct recovery_codes *codes, struct err *err)
{
    struct app_verifier verifier;
    enum rc rc = auth_db_forget_recovery(db, account, err);

    for (size_t i = 0; rc == RC_OK && i < RECOVERY_CODES; i++) {
        recovery_verifier(auth_db_pepper(db), &codes->code[i], &verifier);
        rc = auth_db_add_recovery(db, account, &verifier, err);
    }
    return rc;
}

/* The row enabled as of the step of its first code, and codes made, or neither. */
static enum rc enable(struct auth_db *db, const struct totp_row *row,
                      const struct recovery_codes *codes, struct err *err)
{
    enum rc rc = auth_db_begin(db, err);

    if (rc)
        return rc;
    rc = auth_db_put_totp(db, row, err);
    if (rc == RC_OK)
        rc = store_codes(db, row->account, codes, err);
    return auth_db_end(db, rc, err);
}

enum rc factor_confirm(struct auth_db *db, uint64_t account, struct slice code, int64_t now,
                       struct recovery_codes *out, struct err *err)
{
    struct totp_secret secret = {{0}};
    struct recovery_codes codes;
    struct totp_row row;
    uint32_t number = 0;
    bool fits;
    enum rc rc = auth_db_get_totp(db, account, &row, err);

    if (rc == RC_NOT_FOUND || (rc == RC_OK && row.state != TOTP_BEGUN))
        return err_set(err, RC_NOT_FOUND, "No second factor was begun", "totp: not begun");
    if (rc)
        return rc;
    fits = totp_read(code, &number) &&
           totp_unseal(auth_db_pepper(db), account, row.sealed, &secret) &&
           totp_matches(&secret, number, now, row.last_step, &row.last_step);
    totp_secret_wipe(&secret);
    if (!fits)
        return err_set(err, RC_DENIED,
                       "That is not the code of now: check the clock of the phone",
                       "totp: the first code does not fit");
    row.state = TOTP_ENABLED;
    row.created = now;
    recovery_codes_make(&codes);
    rc = enable(db, &row, &codes, err);
    if (rc == RC_OK)
        *out = codes;
    recovery_codes_wipe(&codes);
    return rc;
}

enum rc factor_new_codes(struct auth_db *db, uint64_t account, struct recovery_codes *out,
                         struct err *err)
{
    struct recovery_codes codes;
    struct totp_row row;
    enum rc rc = auth_db_get_totp(db, account, &row, err);

    if (rc == RC_NOT_FOUND || (rc == RC_OK && row.state != TOTP_ENABLED))
        return err_set(err, RC_NOT_FOUND, "This user has no second factor", "totp: none");
    if (rc == RC_OK)
        rc = auth_db_begin(db, err);
    if (rc)
        return rc;
    recovery_codes_make(&codes);
    rc = auth_db_end(db, store_codes(db, account, &codes, err), err);
    if (rc == RC_OK)
        *out = codes;
    recovery_codes_wipe(&codes);
    return rc;
}

enum rc factor_forget(struct auth_db *db, uint64_t account, struct err *err)
{
    struct totp_row row;
    enum rc rc = auth_db_get_totp(db, account, &row, err);

    return rc ? rc : auth_db_forget_totp(db, account, err);
}

/* The secret that codes are compared with; one of zeros, after the same work, if there is none
 * that counts. */
static bool open_secret(const struct auth_db *db, uint64_t account, const struct totp_row *row,
                        struct totp_secret *out)
{
    if (totp_unseal(auth_db_pepper(db), account, row->sealed, out) &&
        row->state == TOTP_ENABLED)
        return true;
    *out = (struct totp_secret){{0}};
    return false;
}

enum rc factor_check(struct auth_db *db, uint64_t account, struct slice code, int64_t now,
                     struct factor_match *out, struct err *err)
{
    struct factor_match match = {.kind = FACTOR_NONE};
    struct totp_row row = {.account = account};
    struct recovery_code paper = {{0}};
    struct totp_secret secret;
    uint32_t number = 0;
    bool is_number = totp_read(code, &number), is_paper = recovery_read(code, &paper);
    bool fits;
    enum rc rc = auth_db_get_totp(db, account, &row, err);

    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return rc;
    match.enabled = open_secret(db, account, &row, &secret);
    fits = totp_matches(&secret, number, now, row.last_step, &match.step);
    if (fits && is_number && match.enabled)
        match.kind = FACTOR_TOTP;
    totp_secret_wipe(&secret);
    recovery_verifier(auth_db_pepper(db), &paper, &match.verifier);
    rc = auth_db_find_recovery(db, account, &match.verifier, err);
    if (rc == RC_OK && is_paper && match.enabled)
        match.kind = FACTOR_RECOVERY;
    recovery_code_wipe(&paper);
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return rc;
    *out = match;
    return RC_OK;
}

enum rc factor_use(struct auth_db *db, uint64_t account, const struct factor_match *match,
                   struct err *err)
{
    switch (match->kind) {
    case FACTOR_TOTP:
        return auth_db_use_step(db, account, match->step, err);
    case FACTOR_RECOVERY:
        return auth_db_use_recovery(db, account, &match->verifier, err);
    case FACTOR_NONE:
        break;
    }
    return err_set(err, RC_NOT_FOUND, "The code fits nothing", "factor: none fitted");
}
