/*
 * auth_verbs_devices.c - what the command line may ask of auth about devices. What takes a
 * right away tells mail before it answers.
 */
#include "auth/admin.h"
#include "base/clock.h"
#include "base/log.h"
#include "ipc/control.h"
#include "roles/auth_role.h"

static enum rc read_scope(const struct control_fields *fields, unsigned *out, struct err *err)
{
    struct slice scope;

    if (!control_field_get(fields, "scope", &scope) || slice_eq(scope, SLICE("both")))
        *out = SCOPE_IMAP | SCOPE_SEND;
    else if (slice_eq(scope, SLICE("imap")))
        *out = SCOPE_IMAP;
    else if (slice_eq(scope, SLICE("send")))
        *out = SCOPE_SEND;
    else
        return err_set(err, RC_INVALID, "scope is imap, send or both", "device: scope");
    return RC_OK;
}

static enum rc read_access(const struct control_fields *fields, enum device_access *out,
                           struct err *err)
{
    struct slice access;

    if (!control_field_get(fields, "access", &access) || slice_eq(access, SLICE("full")))
        *out = ACCESS_FULL;
    else if (slice_eq(access, SLICE("read-only")))
        *out = ACCESS_READ_ONLY;
    else
        return err_set(err, RC_INVALID, "access is full or read-only", "device: access");
    return RC_OK;
}

/* Seconds since 1970; absent: never. */
static enum rc read_expires(const struct control_fields *fields, int64_t *out, struct err *err)
{
    uint64_t expires = 0;
    enum rc rc = control_field_u64(fields, "expires", &expires, err);

    if (rc == RC_NOT_FOUND) {
        *out = 0;
        return RC_OK;
    }
    if (rc)
        return rc;
    if (expires > INT64_MAX || (int64_t) expires <= clock_wall_sec())
        return err_set(err, RC_INVALID, "The expiry lies in the past", "device: expires");
    *out = (int64_t) expires;
    return RC_OK;
}

enum rc auth_read_device(const struct control_fields *fields, struct auth_device *out,
                         struct err *err)
{
    struct auth_device device = {0};
    enum rc rc = auth_needed(fields, "name", &device.name, err);

    if (rc == RC_OK)
        rc = read_scope(fields, &device.scope, err);
    if (rc == RC_OK)
        rc = read_access(fields, &device.access, err);
    if (rc == RC_OK)
        rc = read_expires(fields, &device.expires, err);
    if (rc)
        return rc;
    (void) control_field_get(fields, "folders", &device.folders);
    (void) control_field_get(fields, "networks", &device.networks);
    *out = device;
    return RC_OK;
}

enum rc auth_make_device(struct auth_role *auth, const struct auth_device *device,
                         struct admin_device *out, struct err *err)
{
    enum rc rc = auth_db_begin(auth->db, err);

    if (rc)
        return rc;
    rc = auth_admin_add_device(auth->db, device, out, err);
    if (rc == RC_OK)
        rc = auth_admin_add_scram(auth->db, out, err);
    return auth_db_end(auth->db, rc, err);
}

/* With the field "certificate" (PEM): that is its credential. */
static enum rc make_device(struct auth_role *auth, const struct control_fields *fields,
                           const struct auth_device *device, struct admin_device *out,
                           struct err *err)
{
    unsigned char fingerprint[CERT_FINGERPRINT_BYTES];
    struct slice pem;
    enum rc rc;

    if (!control_field_get(fields, "certificate", &pem) || pem.len == 0)
        return auth_make_device(auth, device, out, err);
    rc = cert_pem_fingerprint(pem, fingerprint, err);
    return rc ? rc : auth_admin_add_certificate(auth->db, device, fingerprint, out, err);
}

static enum rc add_device(struct auth_role *auth, struct control_conn *conn,
                          const struct control_fields *fields, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(RESOLVE_ARENA_BYTES);
    struct auth_device device = {0};
    struct auth_account account;
    struct admin_device made;
    enum rc rc = auth_account_of(auth, fields, "user", arena, &account, err);

    if (rc == RC_OK)
        rc = auth_read_device(fields, &device, err);
    if (rc)
        return rc;
    device.account_id = account.id;
    rc = make_device(auth, fields, &device, &made, err);
    if (rc)
        return rc;
    log_event(LEVEL_INFO, "device.added", LOG_TEXT("user", account.name),
              LOG_NUM("device", made.device), LOG_TEXT("device_name", device.name),
              LOG_NUM("by_uid", control_conn_uid(conn)));
    auth_device_row(auth, conn, account.name, &made);
    admin_device_wipe(&made);
    return RC_OK;
}

/* user, name, scope (imap, send, both), access (full, read-only), folders and networks (one a
 * line), certificate (PEM; instead of an app password), expires
 * -> user, device, password */
void auth_device_add(struct control_conn *conn, const struct control_fields *fields, void *ctx)
{
    struct err err;

    auth_end(conn, add_device(ctx, conn, fields, &err), &err);
}

static struct slice scope_name(unsigned scope)
{
    if (scope == (SCOPE_IMAP | SCOPE_SEND))
        return SLICE("both");
    return scope == SCOPE_SEND ? SLICE("send") : SLICE("imap");
}

static bool one_device_row(void *ctx, const struct auth_device *device)
{
    struct auth_page *page = ctx;
    char id[AUTH_NUMBER_BYTES], created[AUTH_NUMBER_BYTES], expires[AUTH_NUMBER_BYTES],
        used[AUTH_NUMBER_BYTES];
    const struct control_field row[] = {
        CONTROL_TEXT("device", auth_number(id, (int64_t) device->id)),
        CONTROL_TEXT("name", device->name),
        CONTROL_TEXT("scope", scope_name(device->scope)),
        CONTROL_TEXT("access",
                     device->access == ACCESS_READ_ONLY ? SLICE("read-only") : SLICE("full")),
        CONTROL_TEXT("folders", device->folders),
        CONTROL_TEXT("networks", device->networks),
        CONTROL_TEXT("certificate", device->certificate),
        CONTROL_TEXT("created", auth_number(created, device->created)),
        CONTROL_TEXT("expires", auth_number(expires, device->expires)),
        CONTROL_TEXT("last_used", auth_number(used, device->last_used)),
        CONTROL_TEXT("address", device->last_address),
        CONTROL_TEXT("client", device->last_client),
    };

    control_row(page->conn, row, COUNT(row));
    return true; /* an account has at most DEVICES_PER_ACCOUNT_MAX */
}

void auth_device_list(struct control_conn *conn, const struct control_fields *fields, void *ctx)
{
    AUTO(arena_freep) struct arena *arena = arena_new(RESOLVE_ARENA_BYTES);
    struct auth_role *auth = ctx;
    struct auth_page page = {conn, auth, 0};
    struct auth_account account;
    struct err err;
    enum rc rc = auth_account_of(auth, fields, "user", arena, &account, &err);

    auth_uses_flush(auth); /* the list tells when they were last used */
    if (rc == RC_OK)
        rc = auth_db_each_device(auth->db, account.id, one_device_row, &page, &err);
    auth_end(conn, rc, &err);
}

/* What the request names takes the place of what is. */
static enum rc read_changes(const struct control_fields *fields, struct auth_device *device,
                            struct err *err)
{
    struct slice given;
    enum rc rc = RC_OK;

    if (control_field_get(fields, "name", &given))
        device->name = given;
    if (control_field_get(fields, "folders", &given))
        device->folders = given;
    if (control_field_get(fields, "networks", &given))
        device->networks = given;
    if (control_field_get(fields, "scope", &given))
        rc = read_scope(fields, &device->scope, err);
    if (rc == RC_OK && control_field_get(fields, "access", &given))
        rc = read_access(fields, &device->access, err);
    if (rc == RC_OK && control_field_get(fields, "expires", &given)) {
        if (slice_eq(given, SLICE("0")))
            device->expires = 0;
        else
            rc = read_expires(fields, &device->expires, err);
    }
    return rc;
}

static enum rc change_device(struct auth_role *auth, struct control_conn *conn,
                             const struct control_fields *fields, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(RESOLVE_ARENA_BYTES + DB_ROW_MAX_BYTES);
    struct auth_account account;
    struct auth_device device;
    uint64_t id;
    enum rc rc = auth_account_of(auth, fields, "user", arena, &account, err);

    if (rc == RC_OK)
        rc = control_field_u64(fields, "device", &id, err);
    if (rc == RC_OK)
        rc = auth_db_get_device(auth->db, account.id, id, arena, &device, err);
    if (rc == RC_OK)
        rc = read_changes(fields, &device, err);
    if (rc == RC_OK)
        rc = auth_db_change_device(auth->db, &device, err);
    if (rc)
        return rc;
    auth_revoke(auth, REVOKE_DEVICE, account.id, id, "device changed");
    log_event(LEVEL_INFO, "device.changed", LOG_TEXT("user", account.name),
              LOG_NUM("device", id), LOG_TEXT("device_name", device.name),
              LOG_TEXT("scope", scope_name(device.scope)),
              LOG_STR("access", device.access == ACCESS_READ_ONLY ? "read-only" : "full"),
              LOG_NUM("by_uid", control_conn_uid(conn)));
    return RC_OK;
}

/* user, device, and what changes: name, scope, access, folders, networks, expires (0: never).
 * Its sessions end: the next ones have the new rights. */
void auth_device_change(struct control_conn *conn, const struct control_fields *fields,
                        void *ctx)
{
    struct err err;

    auth_end(conn, change_device(ctx, conn, fields, &err), &err);
}

static enum rc revoke_device(struct auth_role *auth, struct control_conn *conn,
                             const struct control_fields *fields, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(RESOLVE_ARENA_BYTES);
    struct auth_account account;
    uint64_t device;
    enum rc rc = auth_account_of(auth, fields, "user", arena, &account, err);

    if (rc == RC_OK)
        rc = control_field_u64(fields, "device", &device, err);
    if (rc == RC_OK)
        rc = auth_db_revoke_device(auth->db, account.id, device, err);
    if (rc)
        return rc;
    auth_revoke(auth, REVOKE_DEVICE, account.id, device, "device revoked");
    log_event(LEVEL_INFO, "device.revoked", LOG_TEXT("user", account.name),
              LOG_NUM("device", device), LOG_NUM("by_uid", control_conn_uid(conn)));
    return RC_OK;
}

/* user, device */
void auth_device_revoke(struct control_conn *conn, const struct control_fields *fields,
                        void *ctx)
{
    struct err err;

    auth_end(conn, revoke_device(ctx, conn, fields, &err), &err);
}
