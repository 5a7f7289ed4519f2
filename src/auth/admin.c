#include "auth/admin.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

enum rc auth_init(struct err *err)
{
    if (sodium_init() < 0)
        return err_set(err, RC_IO, "Server is not ready", "libsodium does not start");
    scram_warm_up();
    return auth_names_init(err);
}

/* Each file of the folder; those that are not there are none of ours. */
enum rc auth_admin_hand_over(const char *folder, struct err *err)
{
    static const char *const files[] = {"auth.db", "auth.db-wal", "pepper.key"};
    AUTO(closep) int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;

    if (dir < 0 || fstat(dir, &st) != 0)
        return err_set(err, RC_IO, "Cannot open the folder of accounts", "%s: %s", folder,
                       strerror(errno));
    if (geteuid() != 0)
        return RC_OK;
    for (size_t i = 0; i < COUNT(files); i++)
        if (fchownat(dir, files[i], st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) != 0 &&
            errno != ENOENT)
            return err_set(err, RC_IO, "Cannot hand over the account database", "chown %s: %s",
                           files[i], strerror(errno));
    return RC_OK;
}

enum rc auth_admin_create(const char *folder, struct err *err)
{
    struct auth_db *db = NULL;
    enum rc rc = auth_db_open(folder, true, &db, err);

    if (rc)
        return rc;
    auth_db_close(db);
    return auth_admin_hand_over(folder, err);
}

enum rc auth_admin_add_device(struct auth_db *db, const struct auth_device *device,
                              struct admin_device *out, struct err *err)
{
    struct app_password password;
    struct app_verifier verifier;
    struct admin_device made = {.account = device->account_id};
    enum rc rc;

    app_password_make(&password);
    app_password_verifier(auth_db_pepper(db), &password, &verifier);
    rc = auth_db_add_device(db, device, &verifier, &made.device, err);
    if (rc == RC_OK) {
        app_password_show(&password, made.password);
        *out = made;
        admin_device_wipe(&made);
    }
    app_password_wipe(&password);
    return rc;
}

enum rc auth_admin_add_certificate(struct auth_db *db, const struct auth_device *device,
                                   const unsigned char fingerprint[CERT_FINGERPRINT_BYTES],
                                   struct admin_device *out, struct err *err)
{
    struct admin_device made = {.account = device->account_id};
    char text[2 * CERT_FINGERPRINT_BYTES + 1];
    struct auth_device bound = *device;
    struct app_verifier verifier;
    enum rc rc;

    (void) sodium_bin2hex(text, sizeof(text), fingerprint, CERT_FINGERPRINT_BYTES);
    bound.certificate = slice_from_str(text);
    cert_verifier(auth_db_pepper(db), fingerprint, &verifier);
    rc = auth_db_add_device(db, &bound, &verifier, &made.device, err);
    if (rc == RC_OK)
        *out = made;
    return rc;
}

enum rc auth_admin_add_scram(struct auth_db *db, const struct admin_device *made,
                             struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(DB_ROW_MAX_BYTES);
    struct auth_account account;
    struct scram_set set;
    enum rc rc = auth_db_get_account(db, made->account, arena, &account, err);

    if (rc)
        return rc;
    scram_set_make(auth_db_pepper(db), account.key, made->account, made->device,
                   slice_from_str(made->password), auth_db_scram_hashes(db), &set);
    return scram_set_store(db, &set, err);
}

enum rc auth_admin_add_user(struct auth_db *db, struct slice name, struct slice device_name,
                            struct admin_device *out, struct err *err)
{
    struct auth_device device = {
        .name = device_name,
        .scope = SCOPE_IMAP | SCOPE_SEND,
        .access = ACCESS_FULL,
    };
    enum rc rc = auth_db_begin(db, err);

    if (rc)
        return rc;
    rc = auth_db_add_account(db, name, ACCOUNT_OWN, &device.account_id, err);
    if (rc == RC_OK)
        rc = auth_admin_add_device(db, &device, out, err);
    return auth_db_end(db, rc, err);
}

void admin_device_wipe(struct admin_device *device)
{
    sodium_memzero(device, sizeof(*device));
}
