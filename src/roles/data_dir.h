/*
 * data_dir.h - the data directory: whose it is, its folders, and the lock that keeps a second
 * server out.
 *
 *     DATA/            owned by whoever starts the server; mode 0700, or 0755 as root
 *     DATA/auth/       the auth role's: credentials
 *     DATA/mail/       the mail role's: all mail
 *     DATA/run/        the supervisor's: control sockets, lock, quarantine
 *
 * Started as root the folders of auth and mail belong to those roles' users; they are made so
 * when they do not exist, and what exists is never given to anybody else.
 */
#ifndef ROOST_ROLES_DATA_DIR_H
#define ROOST_ROLES_DATA_DIR_H

#include <sys/types.h>

#include "config/config.h"
#include "roles/role.h"

/*
 * Check the owner and make the folders that are missing. RC_DENIED: it belongs to somebody
 * else; RC_NOT_FOUND: there is none, or a system user is missing; RC_IO. err->detail is one
 * clear line.
 */
MUST_CHECK enum rc data_dir_prepare(const struct config *config, struct err *err);

/*
 * For `roost init`: make the empty store in DATA/mail, as the user whose folder that is. A
 * store that is there already stays as it is.
 */
MUST_CHECK enum rc data_dir_create_store(const struct config *config, struct err *err);

/*
 * Run fn on DATA/mail in a process of its own, as the user whose folder that is; *out_code is
 * what fn answered, or 1 if the process ended otherwise.
 */
MUST_CHECK enum rc data_dir_with_store(const char *data, int (*fn)(const char *path, void *ctx),
                                       void *ctx, int *out_code, struct err *err);

/* Who a role runs as, and so whose its folder is; the supervisor's is who started it. */
MUST_CHECK enum rc data_dir_owner(const struct config *config, enum role role, uid_t *uid,
                                  gid_t *gid, struct err *err);

/* A folder, and all in it, to somebody else; nothing is done if they are who we are. For who
 * makes folders, before a server runs on them. */
MUST_CHECK enum rc data_dir_give(const char *folder, uid_t uid, gid_t gid, struct err *err);

/* The lock, held until *out_fd is closed. RC_EXISTS: another server runs here. */
MUST_CHECK enum rc data_dir_lock(const struct config *config, int *out_fd, struct err *err);

#endif
