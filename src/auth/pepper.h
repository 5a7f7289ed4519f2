/*
 * pepper.h - the key file DATA/auth/pepper.key (docs/formats/credentials.md).
 *
 * The database keeps a check value of the pepper it was made with, so that a lost or mixed-up
 * key file is one clear error and not a firm whose every device is refused. Only db.c calls
 * this.
 */
#ifndef ROOST_AUTH_PEPPER_H
#define ROOST_AUTH_PEPPER_H

#include "auth/db.h"

/*
 * Read the key into db. With create, and if the database has seen none yet, make it: the file
 * is durable before the database names it. RC_CORRUPT: missing, or not the database's.
 */
MUST_CHECK enum rc pepper_open(struct auth_db *db, const char *folder, bool create,
                               struct err *err);

#endif
