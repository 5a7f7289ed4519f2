#include "auth/db.h"
#include "auth/db_stmt.h"
#include "base/clock.h"
#include "base/random.h"

/* In the table the users of a foreign back-end have the number of passwd-file's, and a name. */
static enum account_source read_source(int64_t number, struct slice backend)
{
    return backend.len > 0 ? ACCOUNT_FOREIGN : (enum account_source) number;
}

static void read_account(const struct stmt *stmt, struct arena *arena, struct auth_account *out)
{
    struct slice backend = stmt_text(stmt, 10, arena);

    *out = (struct auth_account){
        .id = stmt_id(stmt, 0),
        .state = (enum account_state) stmt_int(stmt, 1),
        .source = read_source(stmt_int(stmt, 2), backend),
        .backend = backend,
        .name = stmt_text(stmt, 3, arena),
        .key = stmt_text(stmt, 4, arena),
        .password = stmt_text(stmt, 5, arena),
        .created = stmt_int(stmt, 6),
        .password_changed = stmt_int(stmt, 7),
        .legacy_used = stmt_int(stmt, 8),
        .kind = (enum account_kind) stmt_int(stmt, 9),
    };
}

enum rc auth_db_find_account(struct auth_db *db, struct slice key, struct arena *arena,
                             struct auth_account *out, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_ACCOUNT_BY_KEY);
    enum rc rc;

    stmt_bind_text(&stmt, key);
    rc = stmt_row(&stmt, "No such user", err);
    if (rc)
        return rc;
    read_account(&stmt, arena, out);
    return RC_OK;
}

enum rc auth_db_get_account(struct auth_db *db, uint64_t id, struct arena *arena,
                            struct auth_account *out, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_ACCOUNT_BY_ID);
    enum rc rc;

    stmt_bind_id(&stmt, id);
    rc = stmt_row(&stmt, "No such user", err);
    if (rc)
        return rc;
    read_account(&stmt, arena, out);
    return RC_OK;
}

enum rc auth_db_find_deleted(struct auth_db *db, uint64_t id, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_ACCOUNT_DELETED);

    stmt_bind_id(&stmt, id);
    return stmt_row(&stmt, "No such deleted user", err);
}

/* An id nobody has had; the rows of deleted accounts keep theirs. */
static enum rc insert_account(struct auth_db *db, struct slice name, struct slice key,
                              enum account_source source, struct slice backend,
                              enum account_kind kind, uint64_t id, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_ACCOUNT_ADD);

    stmt_bind_id(&stmt, id);
    stmt_bind_int(&stmt, source == ACCOUNT_FOREIGN ? ACCOUNT_PASSWD_FILE : source);
    stmt_bind_text(&stmt, name);
    stmt_bind_text(&stmt, key);
    stmt_bind_int(&stmt, clock_wall_sec());
    stmt_bind_int(&stmt, kind);
    stmt_bind_text(&stmt, backend);
    return stmt_run(&stmt, err);
}

static enum rc add_account(struct auth_db *db, struct slice name, enum account_source source,
                           struct slice backend, enum account_kind kind, uint64_t *out_id,
                           struct err *err)
{
    struct auth_key nfc, key;
    uint64_t id = random_id(), other;
    enum rc rc = auth_name_check_new(name, &nfc, err);

    if (rc)
        return rc;
    rc = auth_name_key(name, &key, err);
    if (rc)
        return rc;
    rc = auth_db_find_alias(db, auth_key_slice(&key), &other, err);
    if (rc == RC_OK)
        return err_set(err, RC_EXISTS, "An alias has that name", "account: an alias");
    if (rc != RC_NOT_FOUND)
        return rc;
    rc = insert_account(db, auth_key_slice(&nfc), auth_key_slice(&key), source, backend, kind,
                        id, err);
    if (rc == RC_EXISTS)
        return err_set(err, RC_EXISTS, "There is such a user or shared account already",
                       "account: name taken");
    if (rc)
        return rc;
    *out_id = id;
    return RC_OK;
}

enum rc auth_db_add_account(struct auth_db *db, struct slice name, enum account_source source,
                            uint64_t *out_id, struct err *err)
{
    return add_account(db, name, source, SLICE(""), ACCOUNT_USER, out_id, err);
}

enum rc auth_db_add_foreign(struct auth_db *db, struct slice name, struct slice backend,
                            uint64_t *out_id, struct err *err)
{
    return add_account(db, name, ACCOUNT_FOREIGN, backend, ACCOUNT_USER, out_id, err);
}

enum rc auth_db_add_shared(struct auth_db *db, struct slice name, uint64_t *out_id,
                           struct err *err)
{
    return add_account(db, name, ACCOUNT_OWN, SLICE(""), ACCOUNT_SHARED, out_id, err);
}

enum rc auth_db_refuse_shared(struct auth_db *db, uint64_t account, const char *text,
                              struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_ACCOUNT_KIND);
    enum rc rc;

    stmt_bind_id(&stmt, account);
    rc = stmt_row(&stmt, "No such user", err);
    if (rc == RC_OK && stmt_int(&stmt, 0) == ACCOUNT_SHARED)
        rc = err_set(err, RC_INVALID, text, "a shared account");
    return rc;
}

/* A statement with the account's id and a time, whose changes may be none. */
static enum rc run_for(struct auth_db *db, enum stmt_id which, uint64_t id, bool timed,
                       struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, which);

    stmt_bind_id(&stmt, id);
    if (timed)
        stmt_bind_int(&stmt, clock_wall_sec());
    return stmt_run(&stmt, err);
}

static enum rc update_state(struct auth_db *db, uint64_t id, enum account_state state,
                            struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_ACCOUNT_STATE);

    stmt_bind_id(&stmt, id);
    stmt_bind_int(&stmt, state);
    return stmt_change(&stmt, "No such user", err);
}

/* What points to an account goes with it; its row stays, so that its id stays taken. */
static enum rc forget_account(struct auth_db *db, uint64_t id, struct err *err)
{
    enum rc rc = run_for(db, STMT_DEVICE_REVOKE_ALL, id, true, err);

    if (rc == RC_OK)
        rc = run_for(db, STMT_ALIAS_DELETE_OF, id, false, err);
    if (rc == RC_OK)
        rc = run_for(db, STMT_DOMAIN_FORGET, id, false, err);
    if (rc == RC_OK)
        rc = run_for(db, STMT_MEMBER_DELETE_OF, id, false, err);
    if (rc == RC_OK)
        rc = run_for(db, STMT_SCRAM_FORGET_ALL, id, false, err);
    if (rc == RC_OK)
        rc = run_for(db, STMT_CONFIRMED_FORGET_ALL, id, false, err);
    if (rc == RC_OK)
        rc = auth_db_forget_totp(db, id, err);
    return rc;
}

enum rc auth_db_set_state(struct auth_db *db, uint64_t id, enum account_state state,
                          struct err *err)
{
    enum rc rc = auth_db_begin(db, err);

    if (rc)
        return rc;
    if (state == ACCOUNT_DELETED)
        rc = forget_account(db, id, err);
    if (rc == RC_OK)
        rc = update_state(db, id, state, err);
    if (rc == RC_OK)
        rc = auth_db_epoch_up(db, err);
    return auth_db_end(db, rc, err);
}

enum rc auth_db_adopt(struct auth_db *db, uint64_t id, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_ACCOUNT_ADOPT);

    stmt_bind_id(&stmt, id);
    return stmt_change(&stmt, "No such user", err);
}

static enum rc update_password(struct auth_db *db, uint64_t id, struct slice hash,
                               struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_ACCOUNT_PASSWORD);

    stmt_bind_id(&stmt, id);
    stmt_bind_text(&stmt, hash);
    stmt_bind_int(&stmt, clock_wall_sec());
    return stmt_change(&stmt, "No such user", err);
}

enum rc auth_db_set_password(struct auth_db *db, uint64_t id, struct slice hash,
                             struct err *err)
{
    struct password_hash parsed;
    enum rc rc = RC_OK;

    if (hash.len > 0)
        rc = password_hash_parse(hash, &parsed, err);
    if (rc == RC_OK)
        rc = auth_db_refuse_shared(db, id, "A shared account has no password", err);
    if (rc)
        return rc;
    if (hash.len > 0 && password_hash_is_cheap(&parsed))
        return err_set(err, RC_INVALID, "Passwords are kept as slow hashes only",
                       "password: a plain one");
    rc = auth_db_begin(db, err);
    if (rc)
        return rc;
    rc = update_password(db, id, hash, err);
    if (rc == RC_OK)
        rc = auth_db_forget_scram(db, id, 0, err);
    if (rc == RC_OK)
        rc = auth_db_epoch_up(db, err);
    return auth_db_end(db, rc, err);
}

enum rc auth_db_rehash(struct auth_db *db, uint64_t id, struct slice hash, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_ACCOUNT_REHASH);

    stmt_bind_id(&stmt, id);
    stmt_bind_text(&stmt, hash);
    return stmt_change(&stmt, "No such user", err);
}

enum rc auth_db_note_legacy(struct auth_db *db, uint64_t id, int64_t when, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_ACCOUNT_LEGACY);

    stmt_bind_id(&stmt, id);
    stmt_bind_int(&stmt, when);
    return stmt_run(&stmt, err);
}

enum rc auth_db_each_account(struct auth_db *db, struct slice after, auth_account_fn *fn,
                             void *ctx, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_ACCOUNT_EACH);
    AUTO(arena_freep) struct arena *arena = arena_new(DB_ROW_MAX_BYTES);
    enum rc rc;
    bool more = true;

    stmt_bind_text(&stmt, after);
    while (more && (rc = stmt_row(&stmt, "No more users", err)) != RC_NOT_FOUND) {
        struct auth_account account;

        if (rc)
            return rc;
        arena_reset(arena);
        read_account(&stmt, arena, &account);
        account.n_devices = stmt_id(&stmt, 11);
        more = fn(ctx, &account);
    }
    return RC_OK;
}
