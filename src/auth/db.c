#include "auth/db.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/db_stmt.h"
#include "auth/pepper.h"
#include "auth/scram_store.h"
#include "base/clock.h"

#define APPLICATION_ID 0x526f7374 /* "Rost", in the file's header */
#define PATH_MAX_BYTES 4096u

#define X(name, sql) sql,
static const char *const statements[] = {AUTH_STATEMENTS(X)};
#undef X

/* What leads from version n to n + 1. Rows are only ever added. */
static const char *const migrations[AUTH_DB_VERSION] = {
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE migrations (version INTEGER PRIMARY KEY, applied INTEGER NOT NULL);"
    "CREATE TABLE accounts ("
    "  id INTEGER PRIMARY KEY,"
    "  state INTEGER NOT NULL CHECK (state IN (1, 2, 3)),"
    "  source INTEGER NOT NULL CHECK (source IN (1, 2)),"
    "  name TEXT NOT NULL,"
    "  name_key TEXT NOT NULL,"
    "  password TEXT,"
    "  created INTEGER NOT NULL,"
    "  password_changed INTEGER NOT NULL DEFAULT 0,"
    "  legacy_used INTEGER NOT NULL DEFAULT 0);"
    "CREATE UNIQUE INDEX accounts_live ON accounts (name_key) WHERE state <> 3;"
    "CREATE TABLE devices ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  account_id INTEGER NOT NULL REFERENCES accounts (id),"
    "  name TEXT NOT NULL,"
    "  verifier BLOB NOT NULL CHECK (length(verifier) = 32),"
    "  scope INTEGER NOT NULL,"
    "  access INTEGER NOT NULL,"
    "  folders TEXT NOT NULL,"
    "  created INTEGER NOT NULL,"
    "  expires INTEGER NOT NULL DEFAULT 0,"
    "  revoked INTEGER NOT NULL DEFAULT 0,"
    "  last_used INTEGER NOT NULL DEFAULT 0,"
    "  last_address TEXT NOT NULL DEFAULT '',"
    "  last_client TEXT NOT NULL DEFAULT '');"
    "CREATE UNIQUE INDEX devices_verifier ON devices (account_id, verifier);"
    "CREATE TABLE aliases ("
    "  address_key TEXT PRIMARY KEY,"
    "  address TEXT NOT NULL,"
    "  account_id INTEGER NOT NULL REFERENCES accounts (id),"
    "  created INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX aliases_account ON aliases (account_id);"
    "CREATE TABLE domains ("
    "  domain_key TEXT PRIMARY KEY,"
    "  domain TEXT NOT NULL,"
    "  catch_all INTEGER REFERENCES accounts (id),"
    "  created INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO meta VALUES ('policy_epoch', 1);",

    "ALTER TABLE accounts ADD COLUMN kind INTEGER NOT NULL DEFAULT 1 CHECK (kind IN (1, 2));"
    "CREATE TABLE groups ("
    "  id INTEGER PRIMARY KEY,"
    "  name TEXT NOT NULL,"
    "  name_key TEXT NOT NULL UNIQUE,"
    "  created INTEGER NOT NULL,"
    "  storage INTEGER,"
    "  messages INTEGER,"
    "  mailboxes INTEGER);"
    "CREATE TABLE members ("
    "  group_id INTEGER NOT NULL REFERENCES groups (id),"
    "  account_id INTEGER NOT NULL REFERENCES accounts (id),"
    "  PRIMARY KEY (group_id, account_id)) WITHOUT ROWID;"
    "CREATE INDEX members_account ON members (account_id);",

    "", /* checksums in the pages: db_pages_convert() */

    "CREATE TABLE scram ("
    "  account_id INTEGER NOT NULL REFERENCES accounts (id),"
    "  hash INTEGER NOT NULL,"
    "  device_id INTEGER NOT NULL,"
    "  form INTEGER NOT NULL,"
    "  iterations INTEGER NOT NULL,"
    "  sealed BLOB NOT NULL,"
    "  PRIMARY KEY (account_id, hash, device_id, form)) WITHOUT ROWID;",

    "ALTER TABLE devices ADD COLUMN networks TEXT NOT NULL DEFAULT '';",

    "ALTER TABLE accounts ADD COLUMN backend TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE members ADD COLUMN told INTEGER NOT NULL DEFAULT 0;",

    "CREATE TABLE totp ("
    "  account_id INTEGER PRIMARY KEY REFERENCES accounts (id),"
    "  state INTEGER NOT NULL CHECK (state IN (1, 2)),"
    "  sealed BLOB NOT NULL CHECK (length(sealed) = 60),"
    "  last_step INTEGER NOT NULL DEFAULT 0,"
    "  created INTEGER NOT NULL);"
    "CREATE TABLE recovery ("
    "  account_id INTEGER NOT NULL REFERENCES accounts (id),"
    "  verifier BLOB NOT NULL CHECK (length(verifier) = 32),"
    "  created INTEGER NOT NULL,"
    "  used INTEGER NOT NULL DEFAULT 0,"
    "  PRIMARY KEY (account_id, verifier)) WITHOUT ROWID;",

    "ALTER TABLE devices ADD COLUMN certificate TEXT NOT NULL DEFAULT '';",

    "CREATE TABLE confirmed ("
    "  account_id INTEGER NOT NULL REFERENCES accounts (id),"
    "  device_id INTEGER NOT NULL,"
    "  network TEXT NOT NULL,"
    "  created INTEGER NOT NULL,"
    "  until INTEGER NOT NULL,"
    "  PRIMARY KEY (account_id, device_id, network)) WITHOUT ROWID;",

    /* Their salt was another one; they are made again at the next login without SCRAM. */
    "DELETE FROM scram WHERE account_id IN "
    "  (SELECT id FROM accounts WHERE instr(name_key, '@') > 0);",
};

static enum rc sql_failed(struct auth_db *db, struct err *err)
{
    int code = sqlite3_extended_errcode(db->sqlite);
    enum rc rc = RC_IO;

    if ((code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED)
        rc = RC_CONFLICT;
    else if ((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB ||
             code == SQLITE_IOERR_DATA)
        rc = RC_CORRUPT;
    else if ((code & 0xff) == SQLITE_FULL)
        rc = RC_FULL;
    else if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY)
        rc = RC_EXISTS;
    return err_set(err, rc, rc == RC_EXISTS ? "It exists already" : "Account database failed",
                   "sqlite: %s (%d)",
                   code == SQLITE_IOERR_DATA ? "auth.db: a page's checksum is wrong"
                                             : sqlite3_errmsg(db->sqlite),
                   code);
}

struct stmt stmt_use(struct auth_db *db, enum stmt_id id)
{
    return (struct stmt){.db = db, .id = id, .handle = db->stmts[id]};
}

void stmt_donep(struct stmt *stmt)
{
    (void) sqlite3_reset(stmt->handle); /* repeats the error of the last step */
    (void) sqlite3_clear_bindings(stmt->handle);
}

/* Binding fails only for a wrong index, or without memory. */
static void bound(struct stmt *stmt, int code)
{
    if (code != SQLITE_OK)
        die("sqlite bind: %s", sqlite3_errmsg(stmt->db->sqlite));
}

void stmt_bind_int(struct stmt *stmt, int64_t value)
{
    bound(stmt, sqlite3_bind_int64(stmt->handle, ++stmt->n_bound, value));
}

void stmt_bind_null(struct stmt *stmt)
{
    bound(stmt, sqlite3_bind_null(stmt->handle, ++stmt->n_bound));
}

void stmt_bind_id(struct stmt *stmt, uint64_t id)
{
    if (id == 0)
        stmt_bind_null(stmt);
    else
        stmt_bind_int(stmt, (int64_t) id);
}

void stmt_bind_text(struct stmt *stmt, struct slice text)
{
    bound(stmt, sqlite3_bind_text64(stmt->handle, ++stmt->n_bound, text.len > 0 ? text.ptr : "",
                                    text.len, SQLITE_TRANSIENT, SQLITE_UTF8));
}

void stmt_bind_blob(struct stmt *stmt, const void *bytes, size_t len)
{
    bound(stmt,
          sqlite3_bind_blob64(stmt->handle, ++stmt->n_bound, bytes, len, SQLITE_TRANSIENT));
}

enum rc stmt_row(struct stmt *stmt, const char *text, struct err *err)
{
    switch (sqlite3_step(stmt->handle)) {
    case SQLITE_ROW:
        return RC_OK;
    case SQLITE_DONE:
        return err_set(err, RC_NOT_FOUND, text, "auth.db: no row");
    default:
        return sql_failed(stmt->db, err);
    }
}

/* May whom an address means be another behind it? */
static bool renames(enum stmt_id id)
{
    switch (id) {
    case STMT_ACCOUNT_ADD:
    case STMT_ACCOUNT_STATE:
    case STMT_ACCOUNT_ADOPT:
    case STMT_ALIAS_ADD:
    case STMT_ALIAS_DELETE:
    case STMT_ALIAS_DELETE_OF:
    case STMT_DOMAIN_SET:
    case STMT_DOMAIN_DELETE:
    case STMT_DOMAIN_FORGET:
        return true;
    default:
        return false;
    }
}

enum rc stmt_run(struct stmt *stmt, struct err *err)
{
    struct auth_db *db = stmt->db;

    if (sqlite3_step(stmt->handle) != SQLITE_DONE)
        return sql_failed(db, err);
    if (renames(stmt->id) && db->renamed != NULL)
        db->renamed(db->renamed_ctx);
    return RC_OK;
}

enum rc stmt_change(struct stmt *stmt, const char *text, struct err *err)
{
    enum rc rc = stmt_run(stmt, err);

    if (rc)
        return rc;
    if (sqlite3_changes(stmt->db->sqlite) == 0)
        return err_set(err, RC_NOT_FOUND, text, "auth.db: no row to change");
    return RC_OK;
}

bool stmt_is_null(const struct stmt *stmt, int column)
{
    return sqlite3_column_type(stmt->handle, column) == SQLITE_NULL;
}

int64_t stmt_int(const struct stmt *stmt, int column)
{
    return sqlite3_column_int64(stmt->handle, column);
}

uint64_t stmt_id(const struct stmt *stmt, int column)
{
    return (uint64_t) sqlite3_column_int64(stmt->handle, column);
}

struct slice stmt_text(const struct stmt *stmt, int column, struct arena *arena)
{
    const void *bytes = sqlite3_column_blob(stmt->handle, column);

    return arena_dup(arena,
                     slice_of(bytes, (size_t) sqlite3_column_bytes(stmt->handle, column)));
}

static enum rc run_simple(struct auth_db *db, enum stmt_id id, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, id);

    return stmt_run(&stmt, err);
}

enum rc auth_db_begin(struct auth_db *db, struct err *err)
{
    enum rc rc;

    if (db->depth > 0 && sqlite3_get_autocommit(db->sqlite) != 0)
        return err_set(err, RC_IO, "Account database failed",
                       "auth.db: the transaction around this one is lost");
    rc = run_simple(db, db->depth == 0 ? STMT_BEGIN : STMT_STEP, err);
    if (rc == RC_OK)
        db->depth++;
    return rc;
}

enum rc auth_db_commit(struct auth_db *db, struct err *err)
{
    enum rc rc;

    assert(db->depth > 0);
    rc = run_simple(db, db->depth == 1 ? STMT_COMMIT : STMT_STEP_KEEP, err);
    if (rc)
        auth_db_rollback(db);
    else
        db->depth--;
    return rc;
}

/* SQLite may have rolled back all by itself, for want of space or a failed write. */
void auth_db_rollback(struct auth_db *db)
{
    struct err err;
    enum rc rc = RC_OK;

    assert(db->depth > 0);
    db->depth--;
    if (sqlite3_get_autocommit(db->sqlite) != 0)
        return;
    if (db->depth == 0) {
        rc = run_simple(db, STMT_ROLLBACK, &err);
    } else {
        rc = run_simple(db, STMT_STEP_UNDO, &err);
        if (rc == RC_OK)
            rc = run_simple(db, STMT_STEP_KEEP, &err);
    }
    if (rc)
        die("auth.db: cannot roll back: %s", err.detail);
}

enum rc auth_db_end(struct auth_db *db, enum rc rc, struct err *err)
{
    if (rc == RC_OK)
        return auth_db_commit(db, err);
    auth_db_rollback(db);
    return rc;
}

enum rc auth_db_epoch_up(struct auth_db *db, struct err *err)
{
    return run_simple(db, STMT_EPOCH_UP, err);
}

enum rc auth_db_policy_epoch(struct auth_db *db, uint64_t *out, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_EPOCH);
    enum rc rc = stmt_row(&stmt, "Account database is incomplete", err);

    if (rc)
        return rc;
    *out = stmt_id(&stmt, 0);
    return RC_OK;
}

/* SQL of ours that gives no rows, or whose rows do not matter. */
static enum rc exec(struct auth_db *db, const char *sql, struct err *err)
{
    return sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL) == SQLITE_OK ? RC_OK
                                                                        : sql_failed(db, err);
}

static enum rc exec_number(struct auth_db *db, const char *fmt, int64_t number, struct err *err)
{
    char sql[128];

    (void) sqlite3_snprintf(sizeof(sql), sql, fmt, number);
    return exec(db, sql, err);
}

/* One integer of a query of ours. */
static enum rc query_int(struct auth_db *db, const char *sql, int64_t *out, struct err *err)
{
    sqlite3_stmt *handle = NULL;
    enum rc rc = RC_OK;

    if (sqlite3_prepare_v2(db->sqlite, sql, -1, &handle, NULL) != SQLITE_OK ||
        sqlite3_step(handle) != SQLITE_ROW)
        rc = sql_failed(db, err);
    else
        *out = sqlite3_column_int64(handle, 0);
    (void) sqlite3_finalize(handle); /* repeats the error of the step */
    return rc;
}

static enum rc migrate_step(struct auth_db *db, int64_t from, struct err *err)
{
    enum rc rc = exec(db, "BEGIN IMMEDIATE", err);

    if (rc)
        return rc;
    rc = exec(db, migrations[from], err);
    if (rc == RC_OK)
        rc = exec_number(db, "PRAGMA user_version = %lld", from + 1, err);
    if (rc == RC_OK)
        rc = exec_number(db, "PRAGMA application_id = %lld", APPLICATION_ID, err);
    if (rc == RC_OK)
        rc = exec_number(db,
                         "INSERT INTO migrations SELECT user_version, %lld FROM "
                         "pragma_user_version",
                         clock_wall_sec(), err);
    if (rc == RC_OK)
        return exec(db, "COMMIT", err);
    (void) exec(db, "ROLLBACK", NULL); /* the first failure is the one to report */
    return rc;
}

static enum rc check_version(int64_t version, int64_t application, struct err *err)
{
    if (version < 0 || (version > 0 && application != APPLICATION_ID))
        return err_set(err, RC_CORRUPT, "Account database is of another kind",
                       "auth.db: version %lld, application %llx", (long long) version,
                       (unsigned long long) application);
    if (version > AUTH_DB_VERSION)
        return err_set(err, RC_INVALID, "Account database needs another version of the program",
                       "auth.db: version %lld, this program knows %d", (long long) version,
                       AUTH_DB_VERSION);
    return RC_OK;
}

static enum rc migrate(struct auth_db *db, struct err *err)
{
    int64_t version, application;
    enum rc rc = query_int(db, "PRAGMA user_version", &version, err);

    if (rc)
        return rc;
    rc = query_int(db, "PRAGMA application_id", &application, err);
    if (!rc)
        rc = check_version(version, application, err);
    for (; rc == RC_OK && version < AUTH_DB_VERSION; version++)
        rc = migrate_step(db, version, err);
    return rc;
}

static enum rc prepare_all(struct auth_db *db, struct err *err)
{
    for (size_t i = 0; i < STMT_COUNT; i++)
        if (sqlite3_prepare_v3(db->sqlite, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &db->stmts[i], NULL) != SQLITE_OK)
            return sql_failed(db, err);
    return RC_OK;
}

/*
 * EXCLUSIVE before the first access makes WAL work without shared memory and without locks per
 * read; FULL syncs the log at every commit.
 */
static enum rc set_up(struct auth_db *db, struct err *err)
{
    static const char *const pragmas[] = {
        "PRAGMA locking_mode = EXCLUSIVE", "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",       "PRAGMA foreign_keys = ON",
        "PRAGMA temp_store = MEMORY",      "PRAGMA trusted_schema = OFF",
        "PRAGMA secure_delete = FAST",     "PRAGMA cell_size_check = ON",
    };
    enum rc rc = RC_OK;

    for (size_t i = 0; rc == RC_OK && i < COUNT(pragmas); i++)
        rc = exec(db, pragmas[i], err);
    if (rc == RC_OK)
        rc = migrate(db, err);
    if (rc == RC_OK)
        rc = prepare_all(db, err);
    return rc;
}

/* The file with mode 0600 before SQLite sees it; its log gets the same mode. */
static enum rc make_file(const char *path, bool create, struct err *err)
{
    AUTO(closep)
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0), 0600);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0)
        return err_set(err, rc_of_errno(errno), "Account database cannot be opened", "%s: %s",
                       path, strerror(errno));
    if ((st.st_mode & 077) != 0)
        return err_set(err, RC_DENIED, "Account database can be read by others",
                       "%s: mode %o, wanted 600", path, (unsigned) (st.st_mode & 07777));
    return RC_OK;
}

/* A journal lies beside the file: SQLite takes back what it had not wholly written, its first
 * page among it. */
static bool has_journal(const char *path)
{
    char journal[PATH_MAX_BYTES + sizeof("-journal")];

    (void) snprintf(journal, sizeof(journal), "%s-journal", path);
    return access(journal, F_OK) == 0;
}

/* The version stands in the file's first sector, so it is known before any page is. */
static enum rc open_pages(struct auth_db *db, const char *path, struct err *err)
{
    struct db_head head;
    enum rc rc = db_head_read(path, &head, err);

    if (!rc && !head.is_sqlite && !head.is_empty && !has_journal(path))
        return err_set(err, RC_CORRUPT, "Account database is damaged",
                       "auth.db: file is not a database");
    if (!rc && head.is_sqlite)
        rc = check_version(head.version, head.application, err);
    if (rc)
        return rc;
    if (head.is_sqlite && head.reserved == 0 && head.version < AUTH_CHECKED_SINCE)
        rc = db_pages_convert(path, err);
    else if (head.is_sqlite && head.reserved != AUTH_SUM_BYTES)
        rc = err_set(err, RC_CORRUPT, "Account database is damaged",
                     "auth.db: its head says that pages have no checksums");
    return rc ? rc : db_pages_open(path, &db->sqlite, err);
}

enum rc auth_db_open(const char *folder, bool create, struct auth_db **out, struct err *err)
{
    AUTO(auth_db_closep) struct auth_db *db = xcalloc(1, sizeof(*db));
    char path[PATH_MAX_BYTES];
    enum rc rc;

    if (snprintf(path, sizeof(path), "%s/auth.db", folder) >= (int) sizeof(path))
        return err_set(err, RC_LIMIT, "Path is too long", "auth folder: path too long");
    rc = make_file(path, create, err);
    if (rc)
        return rc;
    auth_db_use_scram(db, SCRAM_HASH_BIT(SCRAM_SHA_256));
    rc = open_pages(db, path, err);
    if (!rc)
        rc = set_up(db, err);
    if (rc)
        return rc;
    rc = pepper_open(db, folder, create, err);
    if (rc)
        return rc;
    *out = TAKE(db);
    return RC_OK;
}

static enum rc write_whole(int fd, const unsigned char *bytes, size_t len, struct err *err)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = write(fd, bytes + at, len - at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_set(err, errno == ENOSPC ? RC_FULL : RC_IO, "The copy failed",
                           AUTH_COPY_NAME ": %s", strerror(errno));
        at += (size_t) n;
    }
    if (fsync(fd) != 0)
        return err_set(err, RC_IO, "The copy failed", AUTH_COPY_NAME ": %s", strerror(errno));
    return RC_OK;
}

/* In memory at once: accounts and devices, no mail. What lies in the log only is included. */
enum rc auth_db_copy(struct auth_db *db, struct err *err)
{
    const char *path = sqlite3_db_filename(db->sqlite, "main");
    char copy[PATH_MAX_BYTES + sizeof(AUTH_COPY_NAME)];
    AUTO(closep) int fd = -1;
    sqlite3_int64 len = 0;
    unsigned char *bytes;
    enum rc rc;

    (void) snprintf(copy, sizeof(copy), "%.*s" AUTH_COPY_NAME,
                    (int) slice_rfind(slice_from_str(path), '/') + 1, path);
    fd = open(copy, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_set(err, RC_IO, "The copy failed", "%s: %s", copy, strerror(errno));
    bytes = sqlite3_serialize(db->sqlite, "main", &len, 0);
    if (bytes == NULL)
        return err_set(err, RC_UNAVAILABLE, "No memory for the copy", "auth.db: serialize");
    db_pages_seal(bytes, (size_t) len); /* those from the cache have old checksums */
    rc = write_whole(fd, bytes, (size_t) len, err);
    sqlite3_free(bytes);
    return rc;
}

enum rc auth_db_check(struct auth_db *db, struct db_damage *out, struct err *err)
{
    enum rc rc = exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", err);

    return rc ? rc : db_pages_check(db->sqlite, out, err);
}

enum rc auth_db_forget_pepper(const char *folder, struct err *err)
{
    AUTO(auth_db_closep) struct auth_db *db = xcalloc(1, sizeof(*db));
    char path[PATH_MAX_BYTES];
    enum rc rc;

    (void) snprintf(path, sizeof(path), "%s/auth.db", folder);
    rc = open_pages(db, path, err);
    return rc ? rc
              : exec(db,
                     "PRAGMA locking_mode = EXCLUSIVE; DELETE FROM meta WHERE key = "
                     "'pepper_check'",
                     err);
}

void auth_db_close(struct auth_db *db)
{
    if (db == NULL)
        return;
    for (size_t i = 0; i < STMT_COUNT; i++)
        (void) sqlite3_finalize(db->stmts[i]); /* repeats the error of the last step */
    if (sqlite3_close(db->sqlite) != SQLITE_OK)
        die("auth.db: closed with a statement in use");
    sodium_free(db->pepper);
    free(db);
}

void auth_db_closep(struct auth_db **db)
{
    auth_db_close(*db);
    *db = NULL;
}

void auth_db_on_renamed(struct auth_db *db, auth_renamed_fn *fn, void *ctx)
{
    db->renamed = fn;
    db->renamed_ctx = ctx;
}

const struct pepper *auth_db_pepper(const struct auth_db *db)
{
    return db->pepper;
}
