/*
 * db_stmt.h - inside the database: the prepared statements and how they are run.
 *
 * A statement is taken by stmt_use(), bound from left to right, stepped, and reset by the AUTO
 * cleanup. Text columns are read into an arena. Only db*.c include this.
 */
#ifndef ROOST_AUTH_DB_STMT_H
#define ROOST_AUTH_DB_STMT_H

#include <sqlite3.h>

#include "auth/db.h"

/* name, SQL. The columns of each SELECT are in the order its reader takes them. */
#define ACCOUNT_COLUMNS                                                                        \
    "id, state, source, name, name_key, password, created, password_changed, legacy_used, "    \
    "kind, backend"
#define GROUP_COLUMNS "id, name, name_key, created, storage, messages, mailboxes"
#define DEVICE_COLUMNS                                                                         \
    "id, account_id, name, scope, access, folders, created, expires, revoked, last_used, "     \
    "last_address, last_client, networks, certificate"
#define AUTH_STATEMENTS(X)                                                                     \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                \
    X(COMMIT, "COMMIT")                                                                        \
    X(ROLLBACK, "ROLLBACK")                                                                    \
    X(STEP, "SAVEPOINT step")                                                                  \
    X(STEP_KEEP, "RELEASE step")                                                               \
    X(STEP_UNDO, "ROLLBACK TO step")                                                           \
    X(EPOCH, "SELECT value FROM meta WHERE key = 'policy_epoch'")                              \
    X(PEPPER_CHECK, "SELECT value FROM meta WHERE key = 'pepper_check'")                       \
    X(PEPPER_STORE, "INSERT INTO meta VALUES ('pepper_check', ?1)")                            \
    X(EPOCH_UP, "UPDATE meta SET value = value + 1 WHERE key = 'policy_epoch'")                \
    X(ACCOUNT_BY_KEY,                                                                          \
      "SELECT " ACCOUNT_COLUMNS " FROM accounts WHERE name_key = ?1 AND state <> 3")           \
    X(ACCOUNT_BY_ID, "SELECT " ACCOUNT_COLUMNS " FROM accounts WHERE id = ?1 AND state <> 3")  \
    X(ACCOUNT_DELETED, "SELECT id FROM accounts WHERE id = ?1 AND state = 3")                  \
    X(ACCOUNT_ADD, "INSERT INTO accounts (id, state, source, name, name_key, created, kind, "  \
                   "backend) VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7)")                          \
    X(ACCOUNT_STATE, "UPDATE accounts SET state = ?2 WHERE id = ?1 AND state <> 3")            \
    X(ACCOUNT_ADOPT,                                                                           \
      "UPDATE accounts SET source = 1, backend = '' WHERE id = ?1 AND state <> 3")             \
    X(ACCOUNT_PASSWORD, "UPDATE accounts SET password = ?2, password_changed = ?3 "            \
                        "WHERE id = ?1 AND state <> 3")                                        \
    X(ACCOUNT_REHASH, "UPDATE accounts SET password = ?2 WHERE id = ?1 AND state <> 3")        \
    X(ACCOUNT_LEGACY, "UPDATE accounts SET legacy_used = ?2 WHERE id = ?1")                    \
    X(ACCOUNT_EACH, "SELECT " ACCOUNT_COLUMNS ", (SELECT count(*) FROM devices d "             \
                    "WHERE d.account_id = accounts.id AND d.revoked = 0) FROM accounts "       \
                    "WHERE name_key > ?1 AND state <> 3 ORDER BY name_key")                    \
    X(ACCOUNT_KIND, "SELECT kind FROM accounts WHERE id = ?1")                                 \
    X(DEVICE_COUNT, "SELECT count(*) FROM devices WHERE account_id = ?1 AND revoked = 0")      \
    X(DEVICE_ADD, "INSERT INTO devices (account_id, name, verifier, scope, access, folders, "  \
                  "created, expires, networks, certificate) "                                  \
                  "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")                          \
    X(DEVICE_CHANGE, "UPDATE devices SET name = ?3, scope = ?4, access = ?5, folders = ?6, "   \
                     "networks = ?7, expires = ?8 "                                            \
                     "WHERE account_id = ?1 AND id = ?2 AND revoked = 0")                      \
    X(DEVICE_FIND,                                                                             \
      "SELECT " DEVICE_COLUMNS " FROM devices WHERE account_id = ?1 AND verifier = ?2")        \
    X(DEVICE_REVOKE,                                                                           \
      "UPDATE devices SET revoked = ?3 WHERE account_id = ?1 AND id = ?2 AND revoked = 0")     \
    X(DEVICE_REVOKE_ALL,                                                                       \
      "UPDATE devices SET revoked = ?2 WHERE account_id = ?1 AND revoked = 0")                 \
    X(DEVICE_USED, "UPDATE devices SET last_used = ?2, last_address = ?3, "                    \
                   "last_client = CASE WHEN ?4 = '' THEN last_client ELSE ?4 END "             \
                   "WHERE id = ?1 AND last_used <= ?2")                                        \
    X(DEVICE_EACH, "SELECT " DEVICE_COLUMNS " FROM devices "                                   \
                   "WHERE account_id = ?1 AND revoked = 0 ORDER BY id")                        \
    X(DEVICE_GET, "SELECT " DEVICE_COLUMNS " FROM devices "                                    \
                  "WHERE account_id = ?1 AND id = ?2 AND revoked = 0")                         \
    X(SCRAM_PUT, "INSERT OR REPLACE INTO scram (account_id, hash, device_id, form, "           \
                 "iterations, sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")                        \
    X(SCRAM_HAS, "SELECT 1 FROM scram WHERE account_id = ?1 AND hash = ?2 AND "                \
                 "device_id = ?3")                                                             \
    X(SCRAM_EACH, "SELECT device_id, form, hash, iterations, sealed FROM scram "               \
                  "WHERE account_id = ?1 AND hash = ?2")                                       \
    X(SCRAM_FORGET, "DELETE FROM scram WHERE account_id = ?1 AND device_id = ?2")              \
    X(SCRAM_FORGET_ALL, "DELETE FROM scram WHERE account_id = ?1")                             \
    X(TOTP_GET, "SELECT state, sealed, last_step, created FROM totp WHERE account_id = ?1")    \
    X(TOTP_PUT, "INSERT OR REPLACE INTO totp (account_id, state, sealed, last_step, created) " \
                "VALUES (?1, ?2, ?3, ?4, ?5)")                                                 \
    X(TOTP_STEP, "UPDATE totp SET last_step = ?2 WHERE account_id = ?1 AND last_step < ?2")    \
    X(TOTP_FORGET, "DELETE FROM totp WHERE account_id = ?1")                                   \
    X(RECOVERY_ADD, "INSERT INTO recovery (account_id, verifier, created) "                    \
                    "VALUES (?1, ?2, ?3)")                                                     \
    X(RECOVERY_FIND,                                                                           \
      "SELECT 1 FROM recovery WHERE account_id = ?1 AND verifier = ?2 AND used = 0")           \
    X(RECOVERY_USE, "UPDATE recovery SET used = ?3 "                                           \
                    "WHERE account_id = ?1 AND verifier = ?2 AND used = 0")                    \
    X(RECOVERY_FORGET, "DELETE FROM recovery WHERE account_id = ?1")                           \
    X(RECOVERY_COUNT, "SELECT count(*) FROM recovery WHERE account_id = ?1 AND used = 0")      \
    X(CONFIRMED_PUT, "INSERT OR REPLACE INTO confirmed (account_id, device_id, network, "      \
                     "created, until) VALUES (?1, ?2, ?3, ?4, ?5)")                            \
    X(CONFIRMED_HAS, "SELECT 1 FROM confirmed WHERE account_id = ?1 AND device_id = ?2 AND "   \
                     "network = ?3 AND until > ?4")                                            \
    X(CONFIRMED_COUNT, "SELECT count(*) FROM confirmed WHERE account_id = ?1")                 \
    X(CONFIRMED_PRUNE, "DELETE FROM confirmed WHERE account_id = ?1 AND until <= ?2")          \
    X(CONFIRMED_ENDED, "SELECT 1 FROM confirmed WHERE until > ?1 AND until <= ?2 LIMIT 1")     \
    X(CONFIRMED_FORGET, "DELETE FROM confirmed WHERE account_id = ?1 AND device_id = ?2")      \
    X(CONFIRMED_FORGET_ALL, "DELETE FROM confirmed WHERE account_id = ?1")                     \
    X(CONFIRMED_EACH, "SELECT device_id, network, until FROM confirmed "                       \
                      "WHERE account_id = ?1 AND until > ?2 ORDER BY device_id, network")      \
    X(GROUP_ADD, "INSERT INTO groups (id, name, name_key, created) VALUES (?1, ?2, ?3, ?4)")   \
    X(GROUP_DELETE, "DELETE FROM groups WHERE id = ?1")                                        \
    X(GROUP_FIND, "SELECT " GROUP_COLUMNS " FROM groups WHERE name_key = ?1")                  \
    X(GROUP_EACH, "SELECT " GROUP_COLUMNS ", (SELECT count(*) FROM members m "                 \
                  "WHERE m.group_id = groups.id) FROM groups "                                 \
                  "WHERE name_key > ?1 ORDER BY name_key")                                     \
    X(GROUP_STORAGE, "UPDATE groups SET storage = ?2 WHERE id = ?1")                           \
    X(GROUP_MESSAGES, "UPDATE groups SET messages = ?2 WHERE id = ?1")                         \
    X(GROUP_MAILBOXES, "UPDATE groups SET mailboxes = ?2 WHERE id = ?1")                       \
    X(MEMBER_ADD, "INSERT INTO members (group_id, account_id) VALUES (?1, ?2)")                \
    X(MEMBER_TELL, "INSERT INTO members (group_id, account_id, told) VALUES (?1, ?2, 1)")      \
    X(MEMBER_TOLD, "SELECT group_id, told FROM members WHERE account_id = ?1")                 \
    X(MEMBER_REMOVE, "DELETE FROM members WHERE group_id = ?1 AND account_id = ?2")            \
    X(MEMBER_DELETE_OF, "DELETE FROM members WHERE account_id = ?1")                           \
    X(MEMBER_DELETE_IN, "DELETE FROM members WHERE group_id = ?1")                             \
    X(MEMBER_COUNT, "SELECT count(*) FROM members WHERE account_id = ?1")                      \
    X(MEMBER_GROUPS, "SELECT group_id FROM members WHERE account_id = ?1")                     \
    X(MEMBER_KEYS, "SELECT g.name_key FROM members m JOIN groups g ON g.id = m.group_id "      \
                   "WHERE m.account_id = ?1")                                                  \
    X(MEMBER_EACH, "SELECT a.id, a.kind, a.name, a.name_key FROM members m "                   \
                   "JOIN accounts a ON a.id = m.account_id WHERE m.group_id = ?1 "             \
                   "AND a.name_key > ?2 AND a.state <> 3 ORDER BY a.name_key")                 \
    X(PRINCIPAL_EACH, "SELECT id, kind, name, name_key FROM accounts "                         \
                      "WHERE name_key > ?1 AND state <> 3 ORDER BY name_key")                  \
    X(ALIAS_FIND, "SELECT account_id FROM aliases WHERE address_key = ?1")                     \
    X(ALIAS_ADD, "INSERT INTO aliases (address_key, address, account_id, created) "            \
                 "VALUES (?1, ?2, ?3, ?4)")                                                    \
    X(ALIAS_DELETE, "DELETE FROM aliases WHERE address_key = ?1")                              \
    X(ALIAS_DELETE_OF, "DELETE FROM aliases WHERE account_id = ?1")                            \
    X(ALIAS_EACH, "SELECT a.address, a.address_key, a.account_id, c.name FROM aliases a "      \
                  "JOIN accounts c ON c.id = a.account_id "                                    \
                  "WHERE a.address_key > ?1 ORDER BY a.address_key")                           \
    X(DOMAIN_FIND, "SELECT catch_all FROM domains WHERE domain_key = ?1")                      \
    X(DOMAIN_SET, "INSERT INTO domains (domain_key, domain, catch_all, created) "              \
                  "VALUES (?1, ?2, ?3, ?4) ON CONFLICT (domain_key) "                          \
                  "DO UPDATE SET domain = excluded.domain, catch_all = excluded.catch_all")    \
    X(DOMAIN_DELETE, "DELETE FROM domains WHERE domain_key = ?1")                              \
    X(DOMAIN_FORGET, "UPDATE domains SET catch_all = NULL WHERE catch_all = ?1")               \
    X(DOMAIN_EACH, "SELECT d.domain, d.domain_key, d.catch_all, c.name FROM domains d "        \
                   "LEFT JOIN accounts c ON c.id = d.catch_all "                               \
                   "WHERE d.domain_key > ?1 ORDER BY d.domain_key")

#define X(name, sql) STMT_##name,
enum stmt_id { AUTH_STATEMENTS(X) STMT_COUNT };
#undef X

struct auth_db {
    sqlite3 *sqlite;
    sqlite3_stmt *stmts[STMT_COUNT];
    struct pepper *pepper;    /* sodium_malloc: not swapped, guarded, not in a core */
    unsigned scram_hashes;    /* of which keys are made for new passwords */
    unsigned depth;           /* of transactions: the inner ones are savepoints */
    auth_renamed_fn *renamed; /* NULL: nobody is told */
    void *renamed_ctx;
};

/* A statement in use; reset when the variable goes. */
struct stmt {
    struct auth_db *db;
    enum stmt_id id;
    sqlite3_stmt *handle;
    int n_bound;
};

struct stmt stmt_use(struct auth_db *db, enum stmt_id id);
void stmt_donep(struct stmt *stmt);
void stmt_bind_int(struct stmt *stmt, int64_t value);
void stmt_bind_id(struct stmt *stmt, uint64_t id); /* 0 is bound as NULL */
void stmt_bind_null(struct stmt *stmt);
void stmt_bind_text(struct stmt *stmt, struct slice text);
void stmt_bind_blob(struct stmt *stmt, const void *bytes, size_t len);

/* RC_OK: a row. RC_NOT_FOUND: none, err says text. */
MUST_CHECK enum rc stmt_row(struct stmt *stmt, const char *text, struct err *err);
/* Run one that gives no rows. RC_EXISTS: a UNIQUE rule stands against it. */
MUST_CHECK enum rc stmt_run(struct stmt *stmt, struct err *err);
/* The same, and RC_NOT_FOUND with text if no row was changed. */
MUST_CHECK enum rc stmt_change(struct stmt *stmt, const char *text, struct err *err);

bool stmt_is_null(const struct stmt *stmt, int column);
int64_t stmt_int(const struct stmt *stmt, int column);
uint64_t stmt_id(const struct stmt *stmt, int column);
struct slice stmt_text(const struct stmt *stmt, int column, struct arena *arena);

/* RC_INVALID with text if it is a shared account. */
MUST_CHECK enum rc auth_db_refuse_shared(struct auth_db *db, uint64_t account, const char *text,
                                         struct err *err);
/* Part of every change of rights. */
MUST_CHECK enum rc auth_db_epoch_up(struct auth_db *db, struct err *err);

#endif
