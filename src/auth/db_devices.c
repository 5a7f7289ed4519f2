#include "auth/db.h"
#include "auth/db_stmt.h"
#include "auth/network.h"
#include "base/clock.h"
#include "base/utf8.h"

static void read_device(const struct stmt *stmt, struct arena *arena, struct auth_device *out)
{
    *out = (struct auth_device){
        .id = stmt_id(stmt, 0),
        .account_id = stmt_id(stmt, 1),
        .name = stmt_text(stmt, 2, arena),
        .scope = (unsigned) stmt_int(stmt, 3),
        .access = (enum device_access) stmt_int(stmt, 4),
        .folders = stmt_text(stmt, 5, arena),
        .created = stmt_int(stmt, 6),
        .expires = stmt_int(stmt, 7),
        .revoked = stmt_int(stmt, 8),
        .last_used = stmt_int(stmt, 9),
        .last_address = stmt_text(stmt, 10, arena),
        .last_client = stmt_text(stmt, 11, arena),
        .networks = stmt_text(stmt, 12, arena),
        .certificate = stmt_text(stmt, 13, arena),
    };
}

static enum rc count_devices(struct auth_db *db, uint64_t account_id, int64_t *out,
                             struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_DEVICE_COUNT);
    enum rc rc;

    stmt_bind_id(&stmt, account_id);
    rc = stmt_row(&stmt, "No such user", err);
    if (rc)
        return rc;
    *out = stmt_int(&stmt, 0);
    return RC_OK;
}

/* UTF-8 without controls: it stands in lists and on pages, beside other people's. */
static bool is_shown_whole(struct slice name)
{
    struct scan sc = scan_of(name);
    uint32_t ch;

    while (utf8_scan(&sc, &ch)) {
        if (utf8_is_control(ch))
            return false;
    }
    return scan_done(&sc);
}

static enum rc check_device(const struct auth_device *device, struct err *err)
{
    if (device->name.len == 0 || device->name.len > DEVICE_NAME_MAX_BYTES)
        return err_set(err, RC_INVALID, "A device needs a name of 1 to 128 bytes",
                       "device: name of %zu bytes", device->name.len);
    if (!is_shown_whole(device->name))
        return err_set(err, RC_INVALID, "A device's name has no control characters",
                       "device: a control in its name, or no UTF-8");
    if (device->folders.len > DEVICE_FOLDERS_MAX_BYTES || !utf8_is_valid(device->folders))
        return err_set(err, RC_LIMIT, "Too many folders for one device",
                       "device: folders of %zu bytes", device->folders.len);
    if ((device->scope & ~(unsigned) (SCOPE_IMAP | SCOPE_SEND)) != 0 || device->scope == 0)
        return err_set(err, RC_INVALID, "A device is for imap, send or both",
                       "device: scope %u", device->scope);
    return RC_OK;
}

static enum rc insert_device(struct auth_db *db, const struct auth_device *device,
                             const struct app_verifier *verifier, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_DEVICE_ADD);
    AUTO(buf_done) struct buf networks = {.max = NETWORKS_MAX_BYTES};
    enum rc rc = networks_normal(device->networks, &networks, err);

    if (rc)
        return rc;
    stmt_bind_id(&stmt, device->account_id);
    stmt_bind_text(&stmt, device->name);
    stmt_bind_blob(&stmt, verifier->bytes, sizeof(verifier->bytes));
    stmt_bind_int(&stmt, device->scope);
    stmt_bind_int(&stmt, device->access);
    stmt_bind_text(&stmt, device->folders);
    stmt_bind_int(&stmt, clock_wall_sec());
    stmt_bind_int(&stmt, device->expires);
    stmt_bind_text(&stmt, buf_slice(&networks));
    stmt_bind_text(&stmt, device->certificate);
    return stmt_run(&stmt, err);
}

enum rc auth_db_add_device(struct auth_db *db, const struct auth_device *device,
                           const struct app_verifier *verifier, uint64_t *out_id,
                           struct err *err)
{
    int64_t n_devices;
    enum rc rc = check_device(device, err);

    if (rc == RC_OK)
        rc =
            auth_db_refuse_shared(db, device->account_id,
                                  "Nobody logs in as a shared account: it has no devices", err);
    if (rc)
        return rc;
    rc = count_devices(db, device->account_id, &n_devices, err);
    if (rc)
        return rc;
    if (n_devices >= DEVICES_PER_ACCOUNT_MAX)
        return err_set(err, RC_LIMIT, "Too many devices: revoke one first",
                       "devices: %u an account", DEVICES_PER_ACCOUNT_MAX);
    rc = insert_device(db, device, verifier, err);
    if (rc)
        return rc;
    *out_id = (uint64_t) sqlite3_last_insert_rowid(db->sqlite);
    return RC_OK;
}

enum rc auth_db_find_device(struct auth_db *db, uint64_t account_id,
                            const struct app_verifier *verifier, struct arena *arena,
                            struct auth_device *out, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_DEVICE_FIND);
    enum rc rc;

    stmt_bind_int(&stmt, (int64_t) account_id);
    stmt_bind_blob(&stmt, verifier->bytes, sizeof(verifier->bytes));
    rc = stmt_row(&stmt, "No such device", err);
    if (rc)
        return rc;
    read_device(&stmt, arena, out);
    return RC_OK;
}

enum rc auth_db_get_device(struct auth_db *db, uint64_t account_id, uint64_t id,
                           struct arena *arena, struct auth_device *out, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_DEVICE_GET);
    enum rc rc;

    stmt_bind_id(&stmt, account_id);
    stmt_bind_id(&stmt, id);
    rc = stmt_row(&stmt, "No such device", err);
    if (rc)
        return rc;
    read_device(&stmt, arena, out);
    return RC_OK;
}

static enum rc update_device(struct auth_db *db, const struct auth_device *device,
                             struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_DEVICE_CHANGE);
    AUTO(buf_done) struct buf networks = {.max = NETWORKS_MAX_BYTES};
    enum rc rc = networks_normal(device->networks, &networks, err);

    if (rc)
        return rc;
    stmt_bind_id(&stmt, device->account_id);
    stmt_bind_id(&stmt, device->id);
    stmt_bind_text(&stmt, device->name);
    stmt_bind_int(&stmt, device->scope);
    stmt_bind_int(&stmt, device->access);
    stmt_bind_text(&stmt, device->folders);
    stmt_bind_text(&stmt, buf_slice(&networks));
    stmt_bind_int(&stmt, device->expires);
    return stmt_change(&stmt, "No such device", err);
}

enum rc auth_db_change_device(struct auth_db *db, const struct auth_device *device,
                              struct err *err)
{
    enum rc rc = check_device(device, err);

    if (rc == RC_OK)
        rc = auth_db_begin(db, err);
    if (rc)
        return rc;
    rc = update_device(db, device, err);
    if (rc == RC_OK)
        rc = auth_db_epoch_up(db, err);
    return auth_db_end(db, rc, err);
}

static enum rc update_revoked(struct auth_db *db, uint64_t account_id, uint64_t id,
                              struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_DEVICE_REVOKE);

    stmt_bind_id(&stmt, account_id);
    stmt_bind_id(&stmt, id);
    stmt_bind_int(&stmt, clock_wall_sec());
    return stmt_change(&stmt, "No such device", err);
}

enum rc auth_db_revoke_device(struct auth_db *db, uint64_t account_id, uint64_t id,
                              struct err *err)
{
    enum rc rc = auth_db_begin(db, err);

    if (rc)
        return rc;
    rc = update_revoked(db, account_id, id, err);
    if (rc == RC_OK)
        rc = auth_db_forget_scram(db, account_id, id, err);
    if (rc == RC_OK)
        rc = auth_db_forget_confirmed(db, account_id, id, err);
    if (rc == RC_OK)
        rc = auth_db_epoch_up(db, err);
    return auth_db_end(db, rc, err);
}

enum rc auth_db_note_use(struct auth_db *db, const struct auth_device *device, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_DEVICE_USED);

    stmt_bind_id(&stmt, device->id);
    stmt_bind_int(&stmt, device->last_used);
    stmt_bind_text(&stmt, utf8_cut(device->last_address, DEVICE_ADDRESS_MAX_BYTES));
    stmt_bind_text(&stmt, utf8_cut(device->last_client, DEVICE_CLIENT_MAX_BYTES));
    return stmt_run(&stmt, err);
}

enum rc auth_db_each_device(struct auth_db *db, uint64_t account_id, auth_device_fn *fn,
                            void *ctx, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_DEVICE_EACH);
    AUTO(arena_freep) struct arena *arena = arena_new(DB_ROW_MAX_BYTES);
    enum rc rc;
    bool more = true;

    stmt_bind_id(&stmt, account_id);
    while (more && (rc = stmt_row(&stmt, "No more devices", err)) != RC_NOT_FOUND) {
        struct auth_device device;

        if (rc)
            return rc;
        arena_reset(arena);
        read_device(&stmt, arena, &device);
        more = fn(ctx, &device);
    }
    return RC_OK;
}
