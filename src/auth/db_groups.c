#include "auth/db.h"
#include "auth/db_stmt.h"
#include "base/clock.h"
#include "base/random.h"

/* In a column: NULL says nothing, this says that there is no limit. */
#define STORED_UNLIMITED (-1)

static void read_group(const struct stmt *stmt, struct arena *arena, struct auth_group *out)
{
    *out = (struct auth_group){
        .id = stmt_id(stmt, 0),
        .name = stmt_text(stmt, 1, arena),
        .key = stmt_text(stmt, 2, arena),
        .created = stmt_int(stmt, 3),
    };
    for (unsigned i = 0; i < GROUP_RESOURCES; i++) {
        int64_t stored = stmt_int(stmt, 4 + (int) i);

        out->limited[i] = !stmt_is_null(stmt, 4 + (int) i);
        out->limit[i] = stored < 0 ? GROUP_UNLIMITED : (uint64_t) stored;
    }
}

static enum rc insert_group(struct auth_db *db, struct slice name, struct slice key,
                            uint64_t id, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_GROUP_ADD);

    stmt_bind_id(&stmt, id);
    stmt_bind_text(&stmt, name);
    stmt_bind_text(&stmt, key);
    stmt_bind_int(&stmt, clock_wall_sec());
    return stmt_run(&stmt, err);
}

enum rc auth_db_add_group(struct auth_db *db, struct slice name, uint64_t *out_id,
                          struct err *err)
{
    struct auth_key nfc, key;
    uint64_t id = random_id();
    enum rc rc = auth_name_check_new(name, &nfc, err);

    if (rc == RC_OK)
        rc = auth_name_key(name, &key, err);
    if (rc)
        return rc;
    rc = insert_group(db, auth_key_slice(&nfc), auth_key_slice(&key), id, err);
    if (rc == RC_EXISTS)
        return err_set(err, RC_EXISTS, "There is such a group already", "group: name taken");
    if (rc)
        return rc;
    *out_id = id;
    return RC_OK;
}

static enum rc run_id(struct auth_db *db, enum stmt_id which, uint64_t id, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, which);

    stmt_bind_id(&stmt, id);
    return stmt_run(&stmt, err);
}

static enum rc delete_row(struct auth_db *db, uint64_t id, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_GROUP_DELETE);

    stmt_bind_id(&stmt, id);
    return stmt_change(&stmt, "No such group", err);
}

enum rc auth_db_delete_group(struct auth_db *db, uint64_t id, struct err *err)
{
    enum rc rc = auth_db_begin(db, err);

    if (rc)
        return rc;
    rc = run_id(db, STMT_MEMBER_DELETE_IN, id, err);
    if (rc == RC_OK)
        rc = delete_row(db, id, err);
    if (rc == RC_OK)
        rc = auth_db_epoch_up(db, err);
    return auth_db_end(db, rc, err);
}

enum rc auth_db_find_group(struct auth_db *db, struct slice name, struct arena *arena,
                           struct auth_group *out, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_GROUP_FIND);
    struct auth_key key;
    enum rc rc = auth_name_key(name, &key, err);

    if (rc)
        return rc;
    stmt_bind_text(&stmt, auth_key_slice(&key));
    rc = stmt_row(&stmt, "No such group", err);
    if (rc)
        return rc;
    read_group(&stmt, arena, out);
    return RC_OK;
}

enum rc auth_db_limit_group(struct auth_db *db, uint64_t id, enum group_resource resource,
                            bool limited, uint64_t limit, struct err *err)
{
    static const enum stmt_id stmts[GROUP_RESOURCES] = {
        [GROUP_STORAGE] = STMT_GROUP_STORAGE,
        [GROUP_MESSAGES] = STMT_GROUP_MESSAGES,
        [GROUP_MAILBOXES] = STMT_GROUP_MAILBOXES,
    };
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, stmts[resource]);

    if (limit != GROUP_UNLIMITED && limit > GROUP_LIMIT_MAX)
        return err_set(err, RC_INVALID, "A limit is below 2^63", "group limit: %llu",
                       (unsigned long long) limit);
    stmt_bind_id(&stmt, id);
    if (!limited)
        stmt_bind_null(&stmt);
    else
        stmt_bind_int(&stmt, limit == GROUP_UNLIMITED ? STORED_UNLIMITED : (int64_t) limit);
    return stmt_change(&stmt, "No such group", err);
}

enum rc auth_db_each_group(struct auth_db *db, struct slice after, auth_group_fn *fn, void *ctx,
                           struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_GROUP_EACH);
    AUTO(arena_freep) struct arena *arena = arena_new(DB_ROW_MAX_BYTES);
    enum rc rc;
    bool more = true;

    stmt_bind_text(&stmt, after);
    while (more && (rc = stmt_row(&stmt, "No more groups", err)) != RC_NOT_FOUND) {
        struct auth_group group;

        if (rc)
            return rc;
        arena_reset(arena);
        read_group(&stmt, arena, &group);
        group.n_members = stmt_id(&stmt, 7);
        more = fn(ctx, &group);
    }
    return RC_OK;
}

/* ---- members ---- */

static enum rc count_groups(struct auth_db *db, uint64_t account, int64_t *out, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_MEMBER_COUNT);
    enum rc rc;

    stmt_bind_id(&stmt, account);
    rc = stmt_row(&stmt, "No such user", err);
    if (rc == RC_OK)
        *out = stmt_int(&stmt, 0);
    return rc;
}

static enum rc insert_member(struct auth_db *db, uint64_t group, uint64_t account,
                             struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_MEMBER_ADD);
    enum rc rc;

    stmt_bind_id(&stmt, group);
    stmt_bind_id(&stmt, account);
    rc = stmt_run(&stmt, err);
    if (rc == RC_EXISTS)
        return err_set(err, RC_EXISTS, "It is a member already", "member: there");
    return rc;
}

enum rc auth_db_add_member(struct auth_db *db, uint64_t group, uint64_t account,
                           struct err *err)
{
    int64_t n = 0;
    enum rc rc = count_groups(db, account, &n, err);

    if (rc)
        return rc;
    if (n >= (int64_t) GROUPS_PER_ACCOUNT_MAX)
        return err_set(err, RC_LIMIT, "It is in too many groups", "member: in %lld groups",
                       (long long) n);
    rc = auth_db_begin(db, err);
    if (rc)
        return rc;
    rc = insert_member(db, group, account, err);
    if (rc == RC_OK)
        rc = auth_db_epoch_up(db, err);
    return auth_db_end(db, rc, err);
}

static enum rc delete_member(struct auth_db *db, uint64_t group, uint64_t account,
                             struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_MEMBER_REMOVE);

    stmt_bind_id(&stmt, group);
    stmt_bind_id(&stmt, account);
    return stmt_change(&stmt, "It is no member", err);
}

enum rc auth_db_remove_member(struct auth_db *db, uint64_t group, uint64_t account,
                              struct err *err)
{
    enum rc rc = auth_db_begin(db, err);

    if (rc)
        return rc;
    rc = delete_member(db, group, account, err);
    if (rc == RC_OK)
        rc = auth_db_epoch_up(db, err);
    return auth_db_end(db, rc, err);
}

/* id, kind, name, key of one account after the other. */
static enum rc each_named(struct stmt *stmt, auth_account_fn *fn, void *ctx, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(DB_ROW_MAX_BYTES);
    enum rc rc;
    bool more = true;

    while (more && (rc = stmt_row(stmt, "No more accounts", err)) != RC_NOT_FOUND) {
        struct auth_account account = {0};

        if (rc)
            return rc;
        arena_reset(arena);
        account.id = stmt_id(stmt, 0);
        account.kind = (enum account_kind) stmt_int(stmt, 1);
        account.name = stmt_text(stmt, 2, arena);
        account.key = stmt_text(stmt, 3, arena);
        more = fn(ctx, &account);
    }
    return RC_OK;
}

enum rc auth_db_each_member(struct auth_db *db, uint64_t group, struct slice after,
                            auth_account_fn *fn, void *ctx, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_MEMBER_EACH);

    stmt_bind_id(&stmt, group);
    stmt_bind_text(&stmt, after);
    return each_named(&stmt, fn, ctx, err);
}

enum rc auth_db_each_principal(struct auth_db *db, struct slice after, auth_account_fn *fn,
                               void *ctx, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_PRINCIPAL_EACH);

    stmt_bind_text(&stmt, after);
    return each_named(&stmt, fn, ctx, err);
}

static int by_number(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

/* The database orders them as signed numbers. */
enum rc auth_db_groups_of(struct auth_db *db, uint64_t account, struct auth_groups *out,
                          struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_MEMBER_GROUPS);
    struct auth_groups groups = {.n = 0};
    enum rc rc;

    stmt_bind_id(&stmt, account);
    while ((rc = stmt_row(&stmt, "No more groups", err)) == RC_OK &&
           groups.n < GROUPS_PER_ACCOUNT_MAX)
        groups.ids[groups.n++] = stmt_id(&stmt, 0);
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return rc;
    qsort(groups.ids, groups.n, sizeof(*groups.ids), by_number);
    *out = groups;
    return RC_OK;
}

enum rc auth_db_group_keys(struct auth_db *db, uint64_t account, struct arena *arena,
                           struct slice *out_keys, size_t *out_n, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_MEMBER_KEYS);
    size_t n = 0;
    enum rc rc;

    stmt_bind_id(&stmt, account);
    while ((rc = stmt_row(&stmt, "No more groups", err)) == RC_OK && n < GROUPS_PER_ACCOUNT_MAX)
        out_keys[n++] = stmt_text(&stmt, 0, arena);
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return rc;
    *out_n = n;
    return RC_OK;
}
