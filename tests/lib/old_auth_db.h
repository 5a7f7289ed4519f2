/* old_auth_db.h - an account database as versions without checksums in its pages left it. */
#ifndef ROOST_TESTS_OLD_AUTH_DB_H
#define ROOST_TESTS_OLD_AUTH_DB_H

/* folder/auth.db, which is closed, becomes a file of that version with what it holds. `changes`
 * takes out what later versions added. */
void old_auth_db_make(const char *folder, int version, const char *changes);

#endif
