#include "lib/old_auth_db.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include "lib/test.h"

#define PATH_BYTES 160u

static void run(sqlite3 *sqlite, const char *sql)
{
    if (sqlite3_exec(sqlite, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(sqlite));
}

static void run_with(sqlite3 *sqlite, const char *format, const char *text)
{
    char *sql = sqlite3_mprintf(format, text, text);

    run(sqlite, sql);
    sqlite3_free(sql);
}

/* Room in the pages never gets less, so everything goes into a new file. */
static void copy_schema(sqlite3 *sqlite)
{
    sqlite3_stmt *each = NULL;

    assert_int_equal(
        sqlite3_prepare_v2(sqlite,
                           "SELECT type, name, sql FROM now.sqlite_master WHERE sql NOT NULL "
                           "AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY type DESC",
                           -1, &each, NULL),
        SQLITE_OK);
    while (sqlite3_step(each) == SQLITE_ROW) {
        run(sqlite, (const char *) sqlite3_column_text(each, 2));
        if (strcmp((const char *) sqlite3_column_text(each, 0), "table") == 0)
            run_with(sqlite, "INSERT INTO main.%Q SELECT * FROM now.%Q",
                     (const char *) sqlite3_column_text(each, 1));
    }
    (void) sqlite3_finalize(each);
    run(sqlite, "DELETE FROM main.sqlite_sequence;"
                "INSERT INTO main.sqlite_sequence SELECT * FROM now.sqlite_sequence");
}

void old_auth_db_make(const char *folder, int version, const char *changes)
{
    char path[PATH_BYTES], old[PATH_BYTES], pragma[64];
    sqlite3 *sqlite = NULL;

    (void) snprintf(path, sizeof(path), "%s/auth.db", folder);
    (void) snprintf(old, sizeof(old), "%s/old.db", folder);
    (void) snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %d", version);
    assert_int_equal(sqlite3_open(old, &sqlite), SQLITE_OK);
    run_with(sqlite, "ATTACH %Q AS now", path);
    copy_schema(sqlite);
    run(sqlite, "DETACH now");
    if (version < 9)
        run(sqlite, "DROP TABLE confirmed");
    if (version < 8)
        run(sqlite, "ALTER TABLE devices DROP COLUMN certificate");
    if (version < 7)
        run(sqlite, "DROP TABLE recovery; DROP TABLE totp");
    if (version < 6)
        run(sqlite, "ALTER TABLE accounts DROP COLUMN backend;"
                    "ALTER TABLE members DROP COLUMN told");
    if (version < 5)
        run(sqlite, "ALTER TABLE devices DROP COLUMN networks");
    if (version < 4)
        run(sqlite, "DROP TABLE scram");
    run(sqlite, changes);
    run(sqlite, pragma);
    run(sqlite, "PRAGMA application_id = 0x526f7374");
    run(sqlite, "PRAGMA journal_mode = WAL");
    assert_int_equal(sqlite3_close(sqlite), SQLITE_OK);
    assert_int_equal(chmod(old, 0600), 0);
    assert_int_equal(rename(old, path), 0);
}
