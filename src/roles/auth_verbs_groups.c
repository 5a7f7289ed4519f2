/*
 * auth_verbs_groups.c - what the command line may ask of auth about groups and shared accounts.
 *
 * A change answers when it is durable and mail has been told.
 */
#include "base/log.h"
#include "ipc/control.h"
#include "roles/auth_role.h"

static enum rc group_of(struct auth_role *auth, const struct control_fields *fields,
                        struct arena *arena, struct auth_group *out, struct err *err)
{
    struct slice name;
    enum rc rc = auth_needed(fields, "group", &name, err);

    return rc ? rc : auth_db_find_group(auth->db, name, arena, out, err);
}

/* ---- groups ---- */

static enum rc create_group(struct auth_role *auth, struct control_conn *conn,
                            const struct control_fields *fields, struct err *err)
{
    struct slice name;
    uint64_t id;
    enum rc rc = auth_needed(fields, "group", &name, err);

    if (rc == RC_OK)
        rc = auth_db_add_group(auth->db, name, &id, err);
    if (rc)
        return rc;
    auth_directory_group(auth, name);
    auth_log_change(conn, "group.created", name);
    return RC_OK;
}

/* group */
void auth_group_create(struct control_conn *conn, const struct control_fields *fields,
                       void *ctx)
{
    struct err err;

    auth_end_told(ctx, conn, create_group(ctx, conn, fields, &err), &err);
}

static enum rc delete_group(struct auth_role *auth, struct control_conn *conn,
                            const struct control_fields *fields, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(DB_ROW_MAX_BYTES);
    struct auth_group group;
    enum rc rc = group_of(auth, fields, arena, &group, err);

    if (rc == RC_OK)
        rc = auth_db_delete_group(auth->db, group.id, err);
    if (rc)
        return rc;
    auth_directory_gone(auth, group.id);
    if (auth_policy_asks(auth, POLICY_GROUP))
        auth_policy_review(auth, 0); /* whoever was in it */
    auth_log_change(conn, "group.deleted", group.name);
    return RC_OK;
}

/* group */
void auth_group_delete(struct control_conn *conn, const struct control_fields *fields,
                       void *ctx)
{
    struct err err;

    auth_end_told(ctx, conn, delete_group(ctx, conn, fields, &err), &err);
}

/* Empty: the group says nothing about it. */
static struct slice limit_text(char room[AUTH_NUMBER_BYTES], const struct auth_group *group,
                               enum group_resource resource)
{
    if (!group->limited[resource])
        return SLICE("");
    if (group->limit[resource] == GROUP_UNLIMITED)
        return SLICE("unlimited");
    return auth_number(room, (int64_t) group->limit[resource]);
}

static bool group_row(void *ctx, const struct auth_group *group)
{
    struct auth_page *page = ctx;
    char members[AUTH_NUMBER_BYTES], created[AUTH_NUMBER_BYTES];
    char limits[GROUP_RESOURCES][AUTH_NUMBER_BYTES];
    const struct control_field row[] = {
        CONTROL_TEXT("group", group->name),
        CONTROL_TEXT("key", group->key),
        CONTROL_TEXT("members", auth_number(members, (int64_t) group->n_members)),
        CONTROL_TEXT("storage", limit_text(limits[0], group, GROUP_STORAGE)),
        CONTROL_TEXT("messages", limit_text(limits[1], group, GROUP_MESSAGES)),
        CONTROL_TEXT("mailboxes", limit_text(limits[2], group, GROUP_MAILBOXES)),
        CONTROL_TEXT("created", auth_number(created, group->created)),
    };

    control_row(page->conn, row, COUNT(row));
    return ++page->n_rows < AUTH_PAGE_ROWS;
}

/* after (optional) -> a page of groups, in the order of their keys */
void auth_group_list(struct control_conn *conn, const struct control_fields *fields, void *ctx)
{
    struct auth_role *auth = ctx;
    struct auth_page page = {conn, auth, 0};
    struct slice after;
    struct err err;

    (void) control_field_get(fields, "after", &after);
    auth_end(conn, auth_db_each_group(auth->db, after, group_row, &page, &err), &err);
}

static struct slice kind_name(enum account_kind kind)
{
    return kind == ACCOUNT_SHARED ? SLICE("shared") : SLICE("user");
}

static bool member_row(void *ctx, const struct auth_account *account)
{
    struct auth_page *page = ctx;
    const struct control_field row[] = {
        CONTROL_TEXT("member", account->name),
        CONTROL_TEXT("key", account->key),
        CONTROL_TEXT("kind", kind_name(account->kind)),
    };

    control_row(page->conn, row, COUNT(row));
    return ++page->n_rows < AUTH_PAGE_ROWS;
}

/* group, after (optional) -> a page of its members */
void auth_group_members(struct control_conn *conn, const struct control_fields *fields,
                        void *ctx)
{
    AUTO(arena_freep) struct arena *arena = arena_new(DB_ROW_MAX_BYTES);
    struct auth_role *auth = ctx;
    struct auth_page page = {conn, auth, 0};
    struct auth_group group;
    struct slice after;
    struct err err;
    enum rc rc = group_of(auth, fields, arena, &group, &err);

    (void) control_field_get(fields, "after", &after);
    if (rc == RC_OK)
        rc = auth_db_each_member(auth->db, group.id, after, member_row, &page, &err);
    auth_end(conn, rc, &err);
}

static enum rc change_member(struct auth_role *auth, struct control_conn *conn,
                             const struct control_fields *fields, bool add, struct err *err)
{
    AUTO(arena_freep)
    struct arena *arena = arena_new(RESOLVE_ARENA_BYTES + DB_ROW_MAX_BYTES);
    struct auth_group group;
    struct auth_account account;
    enum rc rc = group_of(auth, fields, arena, &group, err);

    if (rc == RC_OK)
        rc = auth_account_of(auth, fields, "user", arena, &account, err);
    if (rc == RC_OK)
        rc = add ? auth_db_add_member(auth->db, group.id, account.id, err)
                 : auth_db_remove_member(auth->db, group.id, account.id, err);
    if (rc)
        return rc;
    auth_groups_changed(auth, account.id);
    log_event(LEVEL_INFO, add ? "group.member_added" : "group.member_removed",
              LOG_TEXT("group", group.name), LOG_TEXT("name", account.name),
              LOG_NUM("by_uid", control_conn_uid(conn)));
    return RC_OK;
}

/* group, user (or a shared account) */
void auth_group_add(struct control_conn *conn, const struct control_fields *fields, void *ctx)
{
    struct err err;

    auth_end_told(ctx, conn, change_member(ctx, conn, fields, true, &err), &err);
}

/* group, user */
void auth_group_remove(struct control_conn *conn, const struct control_fields *fields,
                       void *ctx)
{
    struct err err;

    auth_end_told(ctx, conn, change_member(ctx, conn, fields, false, &err), &err);
}

/* One field: absent, "none" (the group says nothing), "unlimited" or a number. */
static enum rc change_limit(struct auth_role *auth, const struct auth_group *group,
                            const struct control_fields *fields, const char *key,
                            enum group_resource resource, struct err *err)
{
    uint64_t limit = GROUP_UNLIMITED;
    struct slice text;

    if (!control_field_get(fields, key, &text) || text.len == 0)
        return RC_OK;
    if (slice_eq(text, SLICE("none")))
        return auth_db_limit_group(auth->db, group->id, resource, false, 0, err);
    if (!slice_eq(text, SLICE("unlimited")) &&
        (!slice_to_u64(text, &limit) || limit > GROUP_LIMIT_MAX))
        return err_set(err, RC_INVALID, "A limit is a number below 2^63, unlimited or none",
                       "%s: not a limit", key);
    return auth_db_limit_group(auth->db, group->id, resource, true, limit, err);
}

static enum rc change_limits(struct auth_role *auth, const struct auth_group *group,
                             const struct control_fields *fields, struct err *err)
{
    enum rc rc = auth_db_begin(auth->db, err);

    if (rc)
        return rc;
    rc = change_limit(auth, group, fields, "storage", GROUP_STORAGE, err);
    if (rc == RC_OK)
        rc = change_limit(auth, group, fields, "messages", GROUP_MESSAGES, err);
    if (rc == RC_OK)
        rc = change_limit(auth, group, fields, "mailboxes", GROUP_MAILBOXES, err);
    return auth_db_end(auth->db, rc, err);
}

/* group, storage, messages, mailboxes (each optional): how much each member may hold */
void auth_group_limit(struct control_conn *conn, const struct control_fields *fields, void *ctx)
{
    AUTO(arena_freep) struct arena *arena = arena_new(DB_ROW_MAX_BYTES);
    struct auth_role *auth = ctx;
    struct auth_group group;
    struct err err;
    enum rc rc = group_of(auth, fields, arena, &group, &err);

    if (rc == RC_OK)
        rc = change_limits(auth, &group, fields, &err);
    if (rc == RC_OK) {
        auth_directory_group(auth, group.name);
        auth_log_change(conn, "group.limited", group.name);
    }
    auth_end(conn, rc, &err);
}

/* ---- shared accounts ---- */

static enum rc create_shared(struct auth_role *auth, struct control_conn *conn,
                             const struct control_fields *fields, struct err *err)
{
    struct slice name;
    uint64_t id;
    enum rc rc = auth_needed(fields, "name", &name, err);

    if (rc == RC_OK)
        rc = auth_check_taking(auth, fields, name, err);
    if (rc == RC_OK)
        rc = auth_db_add_shared(auth->db, name, &id, err);
    if (rc)
        return rc;
    auth_announce_created(auth, id, name);
    auth_log_change(conn, "shared.created", name);
    return RC_OK;
}

/* name, apart (optional) */
void auth_shared_create(struct control_conn *conn, const struct control_fields *fields,
                        void *ctx)
{
    struct err err;

    auth_end_told(ctx, conn, create_shared(ctx, conn, fields, &err), &err);
}

static bool shared_row(void *ctx, const struct auth_account *account)
{
    struct auth_page *page = ctx;
    char created[AUTH_NUMBER_BYTES];
    const struct control_field row[] = {
        CONTROL_TEXT("name", account->name),
        CONTROL_TEXT("key", account->key),
        CONTROL_TEXT("created", auth_number(created, account->created)),
    };

    if (account->kind != ACCOUNT_SHARED)
        return true;
    control_row(page->conn, row, COUNT(row));
    return ++page->n_rows < AUTH_PAGE_ROWS;
}

/* after (optional) -> a page of shared accounts */
void auth_shared_list(struct control_conn *conn, const struct control_fields *fields, void *ctx)
{
    struct auth_role *auth = ctx;
    struct auth_page page = {conn, auth, 0};
    struct slice after;
    struct err err;

    (void) control_field_get(fields, "after", &after);
    auth_end(conn, auth_db_each_account(auth->db, after, shared_row, &page, &err), &err);
}

static enum rc delete_shared(struct auth_role *auth, struct control_conn *conn,
                             const struct control_fields *fields, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(RESOLVE_ARENA_BYTES);
    struct auth_account account;
    enum rc rc = auth_account_of(auth, fields, "name", arena, &account, err);

    if (rc == RC_OK && account.kind != ACCOUNT_SHARED)
        return err_set(err, RC_INVALID, "It is a user, not a shared account", "shared: a user");
    if (rc == RC_OK)
        rc = auth_db_set_state(auth->db, account.id, ACCOUNT_DELETED, err);
    if (rc)
        return rc;
    auth_announce_deleted(auth, account.id, account.name);
    auth_log_change(conn, "shared.deleted", account.name);
    return RC_OK;
}

/* name */
void auth_shared_delete(struct control_conn *conn, const struct control_fields *fields,
                        void *ctx)
{
    struct err err;

    auth_end_told(ctx, conn, delete_shared(ctx, conn, fields, &err), &err);
}
