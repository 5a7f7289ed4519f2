#include "auth/db_stmt.h"

void auth_db_use_scram(struct auth_db *db, unsigned hashes)
{
    db->scram_hashes = hashes;
}

unsigned auth_db_scram_hashes(const struct auth_db *db)
{
    return db->scram_hashes;
}

enum rc auth_db_put_scram(struct auth_db *db, const struct scram_row *row, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_SCRAM_PUT);

    stmt_bind_id(&stmt, row->account);
    stmt_bind_int(&stmt, row->hash);
    stmt_bind_int(&stmt, (int64_t) row->device);
    stmt_bind_int(&stmt, row->form);
    stmt_bind_int(&stmt, row->iterations);
    stmt_bind_blob(&stmt, row->sealed, sizeof(row->sealed));
    return stmt_run(&stmt, err);
}

enum rc auth_db_has_scram(struct auth_db *db, uint64_t account, uint64_t device, unsigned hash,
                          bool *out, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_SCRAM_HAS);
    enum rc rc;

    stmt_bind_id(&stmt, account);
    stmt_bind_int(&stmt, hash);
    stmt_bind_int(&stmt, (int64_t) device);
    rc = stmt_row(&stmt, "No keys", err);
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return rc;
    *out = rc == RC_OK;
    return RC_OK;
}

/* A row of another size was never written by us: it is passed over, as one that does not open.
 */
static bool read_row(const struct stmt *stmt, uint64_t account, struct scram_row *out)
{
    *out = (struct scram_row){
        .account = account,
        .device = stmt_id(stmt, 0),
        .form = (unsigned) stmt_int(stmt, 1),
        .hash = (unsigned) stmt_int(stmt, 2),
        .iterations = (uint32_t) stmt_int(stmt, 3),
    };
    if (sqlite3_column_bytes(stmt->handle, 4) != SCRAM_SEALED_BYTES)
        return false;
    memcpy(out->sealed, sqlite3_column_blob(stmt->handle, 4), SCRAM_SEALED_BYTES);
    return true;
}

enum rc auth_db_each_scram(struct auth_db *db, uint64_t account, unsigned hash,
                           auth_scram_fn *fn, void *ctx, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_SCRAM_EACH);
    struct scram_row row;
    enum rc rc;

    stmt_bind_int(&stmt, (int64_t) account);
    stmt_bind_int(&stmt, hash);
    while ((rc = stmt_row(&stmt, "No more keys", err)) == RC_OK)
        if (read_row(&stmt, account, &row))
            fn(ctx, &row);
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

enum rc auth_db_forget_scram(struct auth_db *db, uint64_t account, uint64_t device,
                             struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_SCRAM_FORGET);

    stmt_bind_id(&stmt, account);
    stmt_bind_int(&stmt, (int64_t) device);
    return stmt_run(&stmt, err);
}
