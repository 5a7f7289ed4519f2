/*
 * admin.h - what administrators do to accounts and devices, for the control verbs of a running
 * server and for `roost init`, which has none yet.
 *
 * A device's password exists only in the answer of the call that makes it.
 */
#ifndef ROOST_AUTH_ADMIN_H
#define ROOST_AUTH_ADMIN_H

#include "auth/certificate.h"
#include "auth/scram_store.h"

struct admin_device {
    uint64_t account, device;
    char password[APP_PASSWORD_SHOWN_BYTES]; /* shown once; wipe it afterwards */
};

/* Once per process, before anything of auth/ is used: libsodium and ICU. */
MUST_CHECK enum rc auth_init(struct err *err);

/*
 * Make the database and the pepper in folder (DATA/auth), which exists. As root, the files get
 * the owner of the folder. A database that is there already stays as it is.
 */
MUST_CHECK enum rc auth_admin_create(const char *folder, struct err *err);
/* After an offline use: as root, give what was made in folder to the folder's owner. */
MUST_CHECK enum rc auth_admin_hand_over(const char *folder, struct err *err);

/* A new device of the account: device->name, scope, access, folders and expires count. */
MUST_CHECK enum rc auth_admin_add_device(struct auth_db *db, const struct auth_device *device,
                                         struct admin_device *out, struct err *err);
/* What SCRAM needs of a new device's password (auth_db_scram_hashes): some milliseconds. */
/* The same of one whose credential is a certificate: there is no password to show. */
MUST_CHECK enum rc
auth_admin_add_certificate(struct auth_db *db, const struct auth_device *device,
                           const unsigned char fingerprint[CERT_FINGERPRINT_BYTES],
                           struct admin_device *out, struct err *err);
MUST_CHECK enum rc auth_admin_add_scram(struct auth_db *db, const struct admin_device *made,
                                        struct err *err);
/* A new account with a first device, or neither. */
MUST_CHECK enum rc auth_admin_add_user(struct auth_db *db, struct slice name,
                                       struct slice device_name, struct admin_device *out,
                                       struct err *err);
void admin_device_wipe(struct admin_device *device);

#endif
