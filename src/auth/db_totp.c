#include "auth/db.h"
#include "auth/db_stmt.h"
#include "base/clock.h"

enum rc auth_db_get_totp(struct auth_db *db, uint64_t account, struct totp_row *out,
                         struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_TOTP_GET);
    enum rc rc;

    stmt_bind_int(&stmt, (int64_t) account);
    rc = stmt_row(&stmt, "No second factor", err);
    if (rc)
        return rc;
    if (sqlite3_column_bytes(stmt.handle, 1) != TOTP_SEALED_BYTES)
        return err_set(err, RC_CORRUPT, "Account database is damaged", "totp: %d bytes sealed",
                       sqlite3_column_bytes(stmt.handle, 1));
    *out = (struct totp_row){
        .account = account,
        .state = (enum totp_state) stmt_int(&stmt, 0),
        .last_step = stmt_id(&stmt, 2),
        .created = stmt_int(&stmt, 3),
    };
    memcpy(out->sealed, sqlite3_column_blob(stmt.handle, 1), TOTP_SEALED_BYTES);
    return RC_OK;
}

enum rc auth_db_put_totp(struct auth_db *db, const struct totp_row *row, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_TOTP_PUT);
    enum rc rc = auth_db_refuse_shared(
        db, row->account, "Nobody logs in as a shared account: it has no second factor", err);

    if (rc)
        return rc;
    stmt_bind_id(&stmt, row->account);
    stmt_bind_int(&stmt, row->state);
    stmt_bind_blob(&stmt, row->sealed, sizeof(row->sealed));
    stmt_bind_int(&stmt, (int64_t) row->last_step);
    stmt_bind_int(&stmt, row->created);
    return stmt_run(&stmt, err);
}

enum rc auth_db_use_step(struct auth_db *db, uint64_t account, uint64_t step, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_TOTP_STEP);

    stmt_bind_id(&stmt, account);
    stmt_bind_int(&stmt, (int64_t) step);
    return stmt_change(&stmt, "This code was used already", err);
}

static enum rc run_for(struct auth_db *db, enum stmt_id which, uint64_t account,
                       struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, which);

    stmt_bind_id(&stmt, account);
    return stmt_run(&stmt, err);
}

enum rc auth_db_forget_recovery(struct auth_db *db, uint64_t account, struct err *err)
{
    return run_for(db, STMT_RECOVERY_FORGET, account, err);
}

enum rc auth_db_forget_totp(struct auth_db *db, uint64_t account, struct err *err)
{
    enum rc rc = auth_db_begin(db, err);

    if (rc)
        return rc;
    rc = auth_db_forget_recovery(db, account, err);
    if (rc == RC_OK)
        rc = run_for(db, STMT_TOTP_FORGET, account, err);
    return auth_db_end(db, rc, err);
}

enum rc auth_db_add_recovery(struct auth_db *db, uint64_t account,
                             const struct app_verifier *verifier, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_RECOVERY_ADD);

    stmt_bind_id(&stmt, account);
    stmt_bind_blob(&stmt, verifier->bytes, sizeof(verifier->bytes));
    stmt_bind_int(&stmt, clock_wall_sec());
    return stmt_run(&stmt, err);
}

enum rc auth_db_find_recovery(struct auth_db *db, uint64_t account,
                              const struct app_verifier *verifier, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_RECOVERY_FIND);

    stmt_bind_int(&stmt, (int64_t) account);
    stmt_bind_blob(&stmt, verifier->bytes, sizeof(verifier->bytes));
    return stmt_row(&stmt, "No such recovery code", err);
}

enum rc auth_db_use_recovery(struct auth_db *db, uint64_t account,
                             const struct app_verifier *verifier, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_RECOVERY_USE);

    stmt_bind_id(&stmt, account);
    stmt_bind_blob(&stmt, verifier->bytes, sizeof(verifier->bytes));
    stmt_bind_int(&stmt, clock_wall_sec());
    return stmt_change(&stmt, "No such recovery code", err);
}

enum rc auth_db_count_recovery(struct auth_db *db, uint64_t account, uint64_t *out,
                               struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_RECOVERY_COUNT);
    enum rc rc;

    stmt_bind_id(&stmt, account);
    rc = stmt_row(&stmt, "No recovery codes", err);
    if (rc)
        return rc;
    *out = stmt_id(&stmt, 0);
    return RC_OK;
}
