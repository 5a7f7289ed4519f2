/*
 * auth_verbs.c - what the command line may ask of auth: users, aliases, domains.
 *
 * Lists come a page at a time: rows behind the key given as "after", each with its own key. A
 * change answers when it is durable; what takes a right away tells mail before it answers.
 */
#include "auth/admin.h"
#include "base/clock.h"
#include "base/log.h"
#include "ipc/control.h"
#include "roles/auth_role.h"

#define ACCOUNT_HEX_BYTES 17u
#define LEGACY_RECENT_SEC ((int64_t) 30 * 86400)

struct slice auth_number(char text[AUTH_NUMBER_BYTES], int64_t value)
{
    int len = snprintf(text, AUTH_NUMBER_BYTES, "%lld", (long long) value);

    return slice_of(text, (size_t) len);
}

static struct slice state_name(enum account_state state)
{
    switch (state) {
    case ACCOUNT_ENABLED:
        return SLICE("enabled");
    case ACCOUNT_DISABLED:
        return SLICE("disabled");
    case ACCOUNT_DELETED:
        return SLICE("deleted");
    }
    return SLICE("?");
}

enum rc auth_needed(const struct control_fields *fields, const char *key, struct slice *out,
                    struct err *err)
{
    if (!control_field_get(fields, key, out) || out->len == 0)
        return err_set(err, RC_INVALID, "A field is missing", "%s is missing", key);
    return RC_OK;
}

enum rc auth_account_of(struct auth_role *auth, const struct control_fields *fields,
                        const char *key, struct arena *arena, struct auth_account *out,
                        struct err *err)
{
    struct resolve_lookup lookup = realm_lookup(auth->realm);
    struct resolve_account found;
    struct slice name;
    enum rc rc = auth_needed(fields, key, &name, err);

    if (rc)
        return rc;
    realm_refresh(auth->realm);
    rc = resolve_login(&lookup, name, arena, &found, err);
    if (rc)
        return rc;
    return auth_db_get_account(auth->db, found.id, arena, out, err);
}

void auth_end(struct control_conn *conn, enum rc rc, const struct err *err)
{
    if (rc == RC_OK)
        control_end(conn, RC_OK, "");
    else
        control_end_err(conn, err);
}

void auth_log_change(const struct control_conn *conn, const char *event, struct slice what)
{
    log_event(LEVEL_INFO, event, LOG_TEXT("name", what),
              LOG_NUM("by_uid", control_conn_uid(conn)));
}

/* The port of the first door with TLS: ":993", "[::1]:1993". */
static struct slice imaps_port(const struct config *config)
{
    struct slice door = SLICE(":993");

    if (config->imaps.n > 0)
        door = slice_from_str(config->imaps.items[0]);
    return slice_from(door, slice_rfind(door, ':') + 1);
}

/* By what the user gets mail, and can log in as well. */
static void put_address(struct buf *out, const struct config *config, struct slice user)
{
    buf_append(out, user);
    if (slice_find(user, '@') < user.len)
        return;
    buf_byte(out, '@');
    buf_str(out, config->domains.n > 0 && strcmp(config->domains.items[0], "*") != 0
                     ? config->domains.items[0]
                     : config->hostname);
}

void auth_device_row(struct auth_role *auth, struct control_conn *conn, struct slice user,
                     const struct admin_device *made)
{
    const struct config *config = auth->start->config;
    AUTO(buf_done) struct buf address = {.max = MSG_ADDRESS_MAX};
    char device[AUTH_NUMBER_BYTES];

    put_address(&address, config, user);
    const struct control_field row[] = {
        CONTROL_TEXT("user", user),
        CONTROL_TEXT("device", auth_number(device, (int64_t) made->device)),
        CONTROL_TEXT("password", slice_from_str(made->password)),
        CONTROL_TEXT("address", buf_slice(&address)),
        CONTROL_TEXT("host", slice_from_str(config->hostname)),
        CONTROL_TEXT("imap_port", imaps_port(config)),
    };

    control_row(conn, row, COUNT(row));
}

/* ---- users ---- */

/* One who is named apart is meant to. */
enum rc auth_check_taking(struct auth_role *auth, const struct control_fields *fields,
                          struct slice name, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(RESOLVE_ARENA_BYTES);
    const struct resolve_lookup lookup = realm_lookup(auth->realm);
    struct resolve_account has;
    struct auth_key key, has_key;
    struct slice apart;
    enum rc rc;

    if (fields != NULL && control_field_get(fields, "apart", &apart))
        return RC_OK;
    rc = resolve_login(&lookup, name, arena, &has, err);
    if (rc)
        return rc == RC_NOT_FOUND ? RC_OK : rc;
    if (auth_name_key(name, &key, err) || auth_name_key(has.name, &has_key, err) ||
        slice_eq(auth_key_slice(&key), auth_key_slice(&has_key)))
        return RC_OK; /* no name, or taken: said where it is made */
    return err_set(err, RC_EXISTS,
                   "Mail to that address is another user's: --apart takes it from them",
                   "it goes to %.*s", SLICE_ARG(has.name));
}

static enum rc make_user(struct auth_role *auth, struct slice name, struct slice device,
                         struct slice hash, struct admin_device *out, struct err *err)
{
    enum rc rc = auth_db_begin(auth->db, err);

    if (rc)
        return rc;
    rc = auth_admin_add_user(auth->db, name, device, out, err);
    if (rc == RC_OK)
        rc = auth_admin_add_scram(auth->db, out, err);
    if (rc == RC_OK && hash.len > 0)
        rc = auth_db_set_password(auth->db, out->account, hash, err);
    return auth_db_end(auth->db, rc, err);
}

static enum rc add_user(struct auth_role *auth, struct control_conn *conn, struct slice name,
                        struct slice device, struct slice hash, struct err *err)
{
    struct admin_device made;
    enum rc rc = make_user(auth, name, device, hash, &made, err);

    if (rc == RC_OK) {
        auth_announce_created(auth, made.account, name);
        auth_log_change(conn, "account.created", name);
        auth_device_row(auth, conn, name, &made);
    }
    admin_device_wipe(&made);
    return rc;
}

/* Is it fit to be set? What is brought along by user.import may be of another kind. */
static enum rc check_hash(struct slice hash, struct err *err)
{
    struct password_hash parsed;
    enum rc rc = hash.len > 0 ? password_hash_parse(hash, &parsed, err) : RC_OK;

    if (rc == RC_OK && hash.len > 0 && password_hash_is_weak(&parsed))
        rc =
            err_set(err, RC_INVALID, "This hash costs too little",
                    "argon2id: want m=%u and t=%u, or more", ARGON2_MIN_KIB, ARGON2_MIN_PASSES);
    return rc;
}

/* name, device (optional), hash (optional), apart (optional) -> user, device, password */
static void user_add(struct control_conn *conn, const struct control_fields *fields, void *ctx)
{
    struct slice name, device, hash;
    struct err err;
    enum rc rc = auth_needed(fields, "name", &name, &err);

    if (!control_field_get(fields, "device", &device) || device.len == 0)
        device = SLICE(AUTH_FIRST_DEVICE);
    (void) control_field_get(fields, "hash", &hash);
    if (rc == RC_OK)
        rc = check_hash(hash, &err);
    if (rc == RC_OK)
        rc = auth_check_taking(ctx, fields, name, &err);
    if (rc == RC_OK)
        rc = add_user(ctx, conn, name, device, hash, &err);
    auth_end_told(ctx, conn, rc, &err);
}

/* As the log and `roost status --space` name it. */
static struct slice account_hex(char room[ACCOUNT_HEX_BYTES], uint64_t id)
{
    (void) snprintf(room, ACCOUNT_HEX_BYTES, "%016llx", (unsigned long long) id);
    return slice_from_str(room);
}

static bool user_row(void *ctx, const struct auth_account *account)
{
    struct auth_page *page = ctx;
    char devices[AUTH_NUMBER_BYTES], created[AUTH_NUMBER_BYTES], legacy[AUTH_NUMBER_BYTES];
    char id[ACCOUNT_HEX_BYTES];
    bool live = realm_account_enabled(page->auth->realm, account);
    const struct control_field row[] = {
        CONTROL_TEXT("user", account->name),
        CONTROL_TEXT("key", account->key),
        CONTROL_TEXT("state", account->state == ACCOUNT_ENABLED && !live
                                  ? SLICE("not in passwd-file")
                                  : state_name(account->state)),
        CONTROL_TEXT("source",
                     account->source == ACCOUNT_OWN ? SLICE("own") : SLICE("passwd-file")),
        CONTROL_TEXT("devices", auth_number(devices, (int64_t) account->n_devices)),
        CONTROL_TEXT("password", account->password.len > 0 ? SLICE("yes") : SLICE("no")),
        CONTROL_TEXT("created", auth_number(created, account->created)),
        CONTROL_TEXT("legacy_used", auth_number(legacy, account->legacy_used)),
        CONTROL_TEXT("account", account_hex(id, account->id)),
        CONTROL_TEXT("kind", account->kind == ACCOUNT_SHARED ? SLICE("shared") : SLICE("user")),
    };

    control_row(page->conn, row, COUNT(row));
    return ++page->n_rows < AUTH_PAGE_ROWS;
}

/* after (optional) -> a page of users and shared accounts, in the order of their keys */
static void user_list(struct control_conn *conn, const struct control_fields *fields, void *ctx)
{
    struct auth_role *auth = ctx;
    struct auth_page page = {conn, auth, 0};
    struct slice after;
    struct err err;

    (void) control_field_get(fields, "after", &after);
    realm_refresh(auth->realm);
    auth_uses_flush(auth); /* the list tells when account passwords were last used */
    auth_end(conn, auth_db_each_account(auth->db, after, user_row, &page, &err), &err);
}

static enum rc set_state(struct auth_role *auth, struct control_conn *conn,
                         const struct control_fields *fields, enum account_state state,
                         struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(RESOLVE_ARENA_BYTES);
    struct auth_account account;
    enum rc rc = auth_account_of(auth, fields, "name", arena, &account, err);

    if (rc)
        return rc;
    if (account.kind == ACCOUNT_SHARED)
        return err_set(err, RC_INVALID, "It is a shared account, not a user", "user: shared");
    if (state == ACCOUNT_DELETED && account.source == ACCOUNT_PASSWD_FILE &&
        realm_account_enabled(auth->realm, &account))
        return err_set(err, RC_INVALID, "Remove the user's line from the passwd-file first",
                       "user is in the passwd-file");
    if (state == ACCOUNT_ENABLED && !realm_source_stands(auth->realm, &account))
        rc = auth_db_adopt(auth->db, account.id, err);
    if (rc == RC_OK)
        rc = auth_db_set_state(auth->db, account.id, state, err);
    if (rc)
        return rc;
    if (state != ACCOUNT_ENABLED)
        enrol_forget(auth->enrol, account.id);
    if (state != ACCOUNT_ENABLED)
        auth_revoke(auth, REVOKE_ACCOUNT, account.id, 0,
                    state == ACCOUNT_DELETED ? "deleted" : "disabled");
    if (state == ACCOUNT_DELETED)
        auth_announce_deleted(auth, account.id, account.name);
    log_event(LEVEL_INFO, "account.state", LOG_TEXT("name", account.name),
              LOG_TEXT("state", state_name(state)), LOG_NUM("by_uid", control_conn_uid(conn)));
    return RC_OK;
}

static void user_enable(struct control_conn *conn, const struct control_fields *fields,
                        void *ctx)
{
    struct err err;

    auth_end_told(ctx, conn, set_state(ctx, conn, fields, ACCOUNT_ENABLED, &err), &err);
}

static void user_disable(struct control_conn *conn, const struct control_fields *fields,
                         void *ctx)
{
    struct err err;

    auth_end_told(ctx, conn, set_state(ctx, conn, fields, ACCOUNT_DISABLED, &err), &err);
}

static void user_delete(struct control_conn *conn, const struct control_fields *fields,
                        void *ctx)
{
    struct err err;

    auth_end_told(ctx, conn, set_state(ctx, conn, fields, ACCOUNT_DELETED, &err), &err);
}

static enum rc change_password(struct auth_role *auth, struct control_conn *conn,
                               const struct control_fields *fields, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(RESOLVE_ARENA_BYTES);
    struct auth_account account;
    struct slice hash;
    enum rc rc = auth_account_of(auth, fields, "name", arena, &account, err);

    if (rc)
        return rc;
    (void) control_field_get(fields, "hash", &hash);
    rc = check_hash(hash, err);
    if (rc == RC_OK)
        rc = auth_db_set_password(auth->db, account.id, hash, err);
    if (rc)
        return rc;
    auth_revoke(auth, REVOKE_DEVICE, account.id, 0, "password changed");
    enrol_forget(auth->enrol, account.id);
    auth_log_change(conn, "account.password", account.name);
    return RC_OK;
}

/* name, hash ("{SCHEME}..."; empty: none any more). The command line hashes: no password comes
 * here. */
static void user_passwd(struct control_conn *conn, const struct control_fields *fields,
                        void *ctx)
{
    struct err err;

    auth_end(conn, change_password(ctx, conn, fields, &err), &err);
}

/* -> min_chars, breached: what a new account password must be like; the command line sees to
 * it, since it alone sees the password */
static void user_rules(struct control_conn *conn, const struct control_fields *fields,
                       void *ctx)
{
    const struct auth_role *auth = ctx;
    const struct config *config = auth->start->config;
    char min_chars[AUTH_NUMBER_BYTES];
    const struct control_field row[] = {
        CONTROL_TEXT("min_chars", auth_number(min_chars, (int64_t) config->password_min)),
        CONTROL_TEXT("breached", slice_from_str(config->breached_passwords)),
    };

    (void) fields;
    control_row(conn, row, COUNT(row));
    control_end(conn, RC_OK, "");
}

struct legacy_count {
    uint64_t n_users, n_recent;
    int64_t recent;
};

static bool count_legacy(void *ctx, const struct auth_account *account)
{
    struct legacy_count *count = ctx;

    count->n_users += account->legacy_used > 0;
    count->n_recent += account->legacy_used > count->recent;
    return true;
}

/* -> until (0: account passwords open no mailbox), users, recent: who has opened one by account
 * password, ever and in the last 30 days */
static void user_legacy(struct control_conn *conn, const struct control_fields *fields,
                        void *ctx)
{
    struct auth_role *auth = ctx;
    struct legacy_count count = {.recent = clock_wall_sec() - LEGACY_RECENT_SEC};
    char until[AUTH_NUMBER_BYTES], users[AUTH_NUMBER_BYTES], recent[AUTH_NUMBER_BYTES];
    struct err err;
    enum rc rc;

    (void) fields;
    auth_uses_flush(auth);
    rc = auth_db_each_account(auth->db, SLICE(""), count_legacy, &count, &err);
    if (rc == RC_OK) {
        const struct control_field row[] = {
            CONTROL_TEXT("until", auth_number(until, realm_legacy_until(auth->realm))),
            CONTROL_TEXT("users", auth_number(users, (int64_t) count.n_users)),
            CONTROL_TEXT("recent", auth_number(recent, (int64_t) count.n_recent)),
        };

        control_row(conn, row, COUNT(row));
    }
    auth_end(conn, rc, &err);
}

/* ---- aliases ---- */

static enum rc add_alias(struct auth_role *auth, struct control_conn *conn,
                         const struct control_fields *fields, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(RESOLVE_ARENA_BYTES);
    struct auth_account account;
    struct slice address;
    enum rc rc = auth_needed(fields, "address", &address, err);

    if (rc == RC_OK)
        rc = auth_account_of(auth, fields, "user", arena, &account, err);
    if (rc == RC_OK)
        rc = auth_check_taking(auth, fields, address, err);
    if (rc == RC_OK)
        rc = auth_db_add_alias(auth->db, address, account.id, err);
    if (rc == RC_OK)
        auth_log_change(conn, "alias.added", address);
    return rc;
}

/* address, user, apart (optional) */
static void alias_add(struct control_conn *conn, const struct control_fields *fields, void *ctx)
{
    struct err err;

    auth_end_told(ctx, conn, add_alias(ctx, conn, fields, &err), &err);
}

static bool alias_row(void *ctx, const struct auth_alias *alias)
{
    struct auth_page *page = ctx;
    const struct control_field row[] = {
        CONTROL_TEXT("address", alias->address),
        CONTROL_TEXT("key", alias->key),
        CONTROL_TEXT("user", alias->account_name),
    };

    control_row(page->conn, row, COUNT(row));
    return ++page->n_rows < AUTH_PAGE_ROWS;
}

static void alias_list(struct control_conn *conn, const struct control_fields *fields,
                       void *ctx)
{
    struct auth_role *auth = ctx;
    struct auth_page page = {conn, auth, 0};
    struct slice after;
    struct err err;

    (void) control_field_get(fields, "after", &after);
    auth_end(conn, auth_db_each_alias(auth->db, after, alias_row, &page, &err), &err);
}

static void alias_delete(struct control_conn *conn, const struct control_fields *fields,
                         void *ctx)
{
    struct auth_role *auth = ctx;
    struct slice address;
    struct err err;
    enum rc rc = auth_needed(fields, "address", &address, &err);

    if (rc == RC_OK)
        rc = auth_db_delete_alias(auth->db, address, &err);
    if (rc == RC_OK)
        auth_log_change(conn, "alias.deleted", address);
    auth_end_told(auth, conn, rc, &err);
}

/* ---- domains ---- */

static enum rc set_domain(struct auth_role *auth, struct control_conn *conn,
                          const struct control_fields *fields, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(RESOLVE_ARENA_BYTES);
    struct auth_account account = {0};
    struct slice domain, user;
    enum rc rc = auth_needed(fields, "domain", &domain, err);

    if (rc == RC_OK && control_field_get(fields, "catch_all", &user) && user.len > 0)
        rc = auth_account_of(auth, fields, "catch_all", arena, &account, err);
    if (rc == RC_OK)
        rc = auth_db_set_domain(auth->db, domain, account.id, err);
    if (rc == RC_OK)
        auth_log_change(conn, "domain.added", domain);
    return rc;
}

/* domain, catch_all (a user; optional) */
static void domain_add(struct control_conn *conn, const struct control_fields *fields,
                       void *ctx)
{
    struct err err;

    auth_end_told(ctx, conn, set_domain(ctx, conn, fields, &err), &err);
}

static bool domain_row(void *ctx, const struct auth_domain *domain)
{
    struct auth_page *page = ctx;
    const struct control_field row[] = {
        CONTROL_TEXT("domain", domain->domain),
        CONTROL_TEXT("key", domain->key),
        CONTROL_TEXT("catch_all", domain->catch_all_name),
        CONTROL_TEXT("source", SLICE("database")),
    };

    control_row(page->conn, row, COUNT(row));
    return ++page->n_rows < AUTH_PAGE_ROWS;
}

/* The configured domains come first, on the first page. */
static void domain_list(struct control_conn *conn, const struct control_fields *fields,
                        void *ctx)
{
    struct auth_role *auth = ctx;
    const struct config *config = auth->start->config;
    struct auth_page page = {conn, auth, 0};
    struct slice after;
    struct err err;

    (void) control_field_get(fields, "after", &after);
    for (size_t i = 0; after.len == 0 && i < config->domains.n; i++) {
        const struct control_field row[] = {
            CONTROL_TEXT("domain", slice_from_str(config->domains.items[i])),
            CONTROL_TEXT("catch_all", slice_from_str(config->catch_all)),
            CONTROL_TEXT("source", SLICE("configuration")),
        };

        control_row(conn, row, COUNT(row));
    }
    auth_end(conn, auth_db_each_domain(auth->db, after, domain_row, &page, &err), &err);
}

static void domain_delete(struct control_conn *conn, const struct control_fields *fields,
                          void *ctx)
{
    struct auth_role *auth = ctx;
    struct slice domain;
    struct err err;
    enum rc rc = auth_needed(fields, "domain", &domain, &err);

    if (rc == RC_OK)
        rc = auth_db_delete_domain(auth->db, domain, &err);
    if (rc == RC_OK)
        auth_log_change(conn, "domain.deleted", domain);
    auth_end_told(auth, conn, rc, &err);
}

/* -> file: a copy of the database in auth's folder, for the command line to take away */
static void backup(struct control_conn *conn, const struct control_fields *fields, void *ctx)
{
    const struct control_field row = CONTROL_TEXT("file", SLICE(AUTH_COPY_NAME));
    struct auth_role *auth = ctx;
    struct err err;
    enum rc rc;

    (void) fields;
    auth_uses_flush(auth);
    rc = auth_db_copy(auth->db, &err);
    if (rc == RC_OK) {
        auth_log_change(conn, "credentials.copied", SLICE(AUTH_COPY_NAME));
        control_row(conn, &row, 1);
    }
    auth_end(conn, rc, &err);
}

const struct control_verb auth_verbs[] = {
    {"user.add",        user_add,             NULL           },
    {"user.add-many",   auth_batch_users,     auth_batch_data},
    {"user.import",     auth_batch_hashes,    auth_batch_data},
    {"user.list",       user_list,            NULL           },
    {"user.enable",     user_enable,          NULL           },
    {"user.disable",    user_disable,         NULL           },
    {"user.delete",     user_delete,          NULL           },
    {"user.passwd",     user_passwd,          NULL           },
    {"user.rules",      user_rules,           NULL           },
    {"user.legacy",     user_legacy,          NULL           },
    {"shared.create",   auth_shared_create,   NULL           },
    {"shared.list",     auth_shared_list,     NULL           },
    {"shared.delete",   auth_shared_delete,   NULL           },
    {"group.create",    auth_group_create,    NULL           },
    {"group.delete",    auth_group_delete,    NULL           },
    {"group.list",      auth_group_list,      NULL           },
    {"group.members",   auth_group_members,   NULL           },
    {"group.add",       auth_group_add,       NULL           },
    {"group.remove",    auth_group_remove,    NULL           },
    {"group.limit",     auth_group_limit,     NULL           },
    {"alias.add",       alias_add,            NULL           },
    {"alias.list",      alias_list,           NULL           },
    {"alias.delete",    alias_delete,         NULL           },
    {"domain.add",      domain_add,           NULL           },
    {"domain.list",     domain_list,          NULL           },
    {"domain.delete",   domain_delete,        NULL           },
    {"device.add",      auth_device_add,      NULL           },
    {"device.enrol",    auth_device_enrol,    NULL           },
    {"device.list",     auth_device_list,     NULL           },
    {"device.change",   auth_device_change,   NULL           },
    {"device.revoke",   auth_device_revoke,   NULL           },
    {"device.confirm",  auth_device_confirm,  NULL           },
    {"device.vouch",    auth_device_vouch,    NULL           },
    {"device.forget",   auth_device_forget,   NULL           },
    {"device.networks", auth_device_networks, NULL           },
    {"explain.login",   auth_explain_login,   NULL           },
    {"totp.begin",      auth_totp_begin,      NULL           },
    {"totp.confirm",    auth_totp_confirm,    NULL           },
    {"totp.codes",      auth_totp_codes,      NULL           },
    {"totp.disable",    auth_totp_disable,    NULL           },
    {"totp.status",     auth_totp_status,     NULL           },
    {"backup",          backup,               NULL           },
    {"scrub",           auth_scrub,           NULL           },
};
const size_t auth_verbs_count = COUNT(auth_verbs);
