#include "auth/db.h"
#include "auth/db_stmt.h"
#include "base/clock.h"

enum rc auth_db_find_alias(struct auth_db *db, struct slice key, uint64_t *out_id,
                           struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_ALIAS_FIND);
    enum rc rc;

    stmt_bind_text(&stmt, key);
    rc = stmt_row(&stmt, "No such alias", err);
    if (rc)
        return rc;
    *out_id = stmt_id(&stmt, 0);
    return RC_OK;
}

static enum rc insert_alias(struct auth_db *db, struct slice address, struct slice key,
                            uint64_t account_id, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_ALIAS_ADD);

    stmt_bind_text(&stmt, key);
    stmt_bind_text(&stmt, address);
    stmt_bind_id(&stmt, account_id);
    stmt_bind_int(&stmt, clock_wall_sec());
    return stmt_run(&stmt, err);
}

enum rc auth_db_add_alias(struct auth_db *db, struct slice address, uint64_t account_id,
                          struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(DB_ROW_MAX_BYTES);
    struct auth_account account;
    struct auth_key nfc, key;
    enum rc rc = auth_name_check_new(address, &nfc, err);

    if (rc)
        return rc;
    rc = auth_name_key(address, &key, err);
    if (rc)
        return rc;
    rc = auth_db_find_account(db, auth_key_slice(&key), arena, &account, err);
    if (rc == RC_OK)
        return err_set(err, RC_EXISTS, "A user has that name", "alias: an account");
    if (rc != RC_NOT_FOUND)
        return rc;
    rc = insert_alias(db, auth_key_slice(&nfc), auth_key_slice(&key), account_id, err);
    if (rc == RC_EXISTS)
        return err_set(err, RC_EXISTS, "There is such an alias already", "alias: taken");
    return rc;
}

enum rc auth_db_delete_alias(struct auth_db *db, struct slice address, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_ALIAS_DELETE);
    struct auth_key key;
    enum rc rc = auth_name_key(address, &key, err);

    if (rc)
        return rc;
    stmt_bind_text(&stmt, auth_key_slice(&key));
    return stmt_change(&stmt, "No such alias", err);
}

enum rc auth_db_each_alias(struct auth_db *db, struct slice after, auth_alias_fn *fn, void *ctx,
                           struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_ALIAS_EACH);
    AUTO(arena_freep) struct arena *arena = arena_new(DB_ROW_MAX_BYTES);
    enum rc rc;
    bool more = true;

    stmt_bind_text(&stmt, after);
    while (more && (rc = stmt_row(&stmt, "No more aliases", err)) != RC_NOT_FOUND) {
        struct auth_alias alias;

        if (rc)
            return rc;
        arena_reset(arena);
        alias = (struct auth_alias){stmt_text(&stmt, 0, arena), stmt_text(&stmt, 1, arena),
                                    stmt_id(&stmt, 2), stmt_text(&stmt, 3, arena)};
        more = fn(ctx, &alias);
    }
    return RC_OK;
}

enum rc auth_db_find_domain(struct auth_db *db, struct slice key, uint64_t *out_catch_all,
                            struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_DOMAIN_FIND);
    enum rc rc;

    stmt_bind_text(&stmt, key);
    rc = stmt_row(&stmt, "No such domain", err);
    if (rc)
        return rc;
    *out_catch_all = stmt_id(&stmt, 0); /* NULL reads as 0 */
    return RC_OK;
}

enum rc auth_db_set_domain(struct auth_db *db, struct slice domain, uint64_t catch_all,
                           struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_DOMAIN_SET);
    struct auth_key key;
    enum rc rc = auth_domain_key(domain, &key, err);

    if (rc)
        return rc;
    stmt_bind_text(&stmt, auth_key_slice(&key));
    stmt_bind_text(&stmt, domain);
    stmt_bind_id(&stmt, catch_all);
    stmt_bind_int(&stmt, clock_wall_sec());
    return stmt_run(&stmt, err);
}

enum rc auth_db_delete_domain(struct auth_db *db, struct slice domain, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_DOMAIN_DELETE);
    struct auth_key key;
    enum rc rc = auth_domain_key(domain, &key, err);

    if (rc)
        return rc;
    stmt_bind_text(&stmt, auth_key_slice(&key));
    return stmt_change(&stmt, "No such domain", err);
}

enum rc auth_db_each_domain(struct auth_db *db, struct slice after, auth_domain_fn *fn,
                            void *ctx, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_DOMAIN_EACH);
    AUTO(arena_freep) struct arena *arena = arena_new(DB_ROW_MAX_BYTES);
    enum rc rc;
    bool more = true;

    stmt_bind_text(&stmt, after);
    while (more && (rc = stmt_row(&stmt, "No more domains", err)) != RC_NOT_FOUND) {
        struct auth_domain domain;

        if (rc)
            return rc;
        arena_reset(arena);
        domain = (struct auth_domain){stmt_text(&stmt, 0, arena), stmt_text(&stmt, 1, arena),
                                      stmt_id(&stmt, 2), stmt_text(&stmt, 3, arena)};
        more = fn(ctx, &domain);
    }
    return RC_OK;
}
