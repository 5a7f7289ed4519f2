/* db_told.c - memberships that a foreign back-end tells of: added and taken back as it says. */
#include "auth/db.h"
#include "auth/db_stmt.h"
#include "base/scan.h"

/* What is to change, found before anything does. */
struct told_change {
    uint64_t named[GROUPS_PER_ACCOUNT_MAX];
    size_t n_named;
    uint64_t leave[GROUPS_PER_ACCOUNT_MAX], join[GROUPS_PER_ACCOUNT_MAX];
    size_t n_leave, n_join, n_now;
};

static bool has(const uint64_t *ids, size_t n, uint64_t id)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] == id)
            return true;
    return false;
}

/* Those of the names that are groups here, once each. */
static enum rc find_named(struct auth_db *db, struct slice names, struct told_change *change,
                          struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(DB_ROW_MAX_BYTES);
    struct scan sc = scan_of(names);

    while (!scan_done(&sc) && change->n_named < GROUPS_PER_ACCOUNT_MAX) {
        struct auth_group group;
        struct slice name;
        enum rc rc;

        if (!scan_until(&sc, '\n', &name))
            (void) scan_take(&sc, scan_left(&sc), &name);
        (void) scan_byte(&sc, '\n');
        arena_reset(arena);
        rc = auth_db_find_group(db, name, arena, &group, err);
        if (rc != RC_OK && rc != RC_NOT_FOUND && rc != RC_INVALID && rc != RC_SYNTAX)
            return rc;
        if (rc == RC_OK && !has(change->named, change->n_named, group.id))
            change->named[change->n_named++] = group.id;
    }
    return RC_OK;
}

static enum rc compare(struct auth_db *db, uint64_t account, struct told_change *change,
                       struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_MEMBER_TOLD);
    uint64_t now[GROUPS_PER_ACCOUNT_MAX];
    enum rc rc;

    stmt_bind_id(&stmt, account);
    while (change->n_now < GROUPS_PER_ACCOUNT_MAX &&
           (rc = stmt_row(&stmt, "No more groups", err)) != RC_NOT_FOUND) {
        if (rc)
            return rc;
        now[change->n_now++] = stmt_id(&stmt, 0);
        if (stmt_int(&stmt, 1) != 0 && !has(change->named, change->n_named, stmt_id(&stmt, 0)))
            change->leave[change->n_leave++] = stmt_id(&stmt, 0);
    }
    for (size_t i = 0; i < change->n_named; i++)
        if (!has(now, change->n_now, change->named[i]) &&
            change->n_now - change->n_leave + change->n_join < GROUPS_PER_ACCOUNT_MAX)
            change->join[change->n_join++] = change->named[i];
    return RC_OK;
}

static enum rc change_each(struct auth_db *db, enum stmt_id which, const uint64_t *groups,
                           size_t n, uint64_t account, struct err *err)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; rc == RC_OK && i < n; i++) {
        AUTO(stmt_donep) struct stmt stmt = stmt_use(db, which);

        stmt_bind_id(&stmt, groups[i]);
        stmt_bind_id(&stmt, account);
        rc = stmt_run(&stmt, err);
    }
    return rc;
}

enum rc auth_db_tell_groups(struct auth_db *db, uint64_t account, struct slice names,
                            bool *out_changed, struct err *err)
{
    struct told_change change = {.n_named = 0};
    enum rc rc = find_named(db, names, &change, err);

    if (rc == RC_OK)
        rc = compare(db, account, &change, err);
    if (rc)
        return rc;
    if (change.n_leave + change.n_join > 0) {
        rc = auth_db_begin(db, err);
        if (rc)
            return rc;
        rc = change_each(db, STMT_MEMBER_REMOVE, change.leave, change.n_leave, account, err);
        if (rc == RC_OK)
            rc = change_each(db, STMT_MEMBER_TELL, change.join, change.n_join, account, err);
        if (rc == RC_OK)
            rc = auth_db_epoch_up(db, err);
        rc = auth_db_end(db, rc, err);
        if (rc)
            return rc;
    }
    *out_changed = change.n_leave + change.n_join > 0;
    return RC_OK;
}
