/* sql_sqlite.c - a file of SQLite's, opened for each check and only to be read. */
#include <libgen.h>
#include <sqlite3.h>
#include <unistd.h>

#include "base/clock.h"
#include "idp/sql.h"

#define STEPS_BETWEEN_LOOKS 1000 /* of SQLite's machine: some microseconds */
#define BUSY_MS             2000

static const char *const parameter_names[SQL_PARAMETERS] = {":user", ":local", ":domain"};

struct session {
    sqlite3 *sqlite;
    sqlite3_stmt *stmt;
    int64_t deadline_us;
};

static void session_done(struct session *session)
{
    (void) sqlite3_finalize(session->stmt); /* repeats the last error */
    (void) sqlite3_close(session->sqlite);  /* nothing is open in it any more */
}

static int is_late(void *ctx)
{
    const struct session *session = ctx;

    return clock_mono_us() >= session->deadline_us;
}

/* A query that writes is refused, and so is more than one. */
static enum rc session_open(struct session *session, const struct sql_settings *settings)
{
    const char *rest = NULL;

    if (sqlite3_open_v2(settings->place.ptr, &session->sqlite,
                        SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return RC_UNAVAILABLE;
    (void) sqlite3_extended_result_codes(session->sqlite, 1); /* a switch */
    (void) sqlite3_busy_timeout(session->sqlite, BUSY_MS);    /* the same */
    sqlite3_progress_handler(session->sqlite, STEPS_BETWEEN_LOOKS, is_late, session);
    switch (sqlite3_prepare_v2(session->sqlite, settings->query.ptr,
                               (int) settings->query.len + 1, &session->stmt, &rest) &
            0xff) {
    case SQLITE_OK:
        break;
    case SQLITE_ERROR:
        return RC_INVALID;
    default:
        return RC_UNAVAILABLE;
    }
    return session->stmt != NULL && *rest == '\0' && sqlite3_stmt_readonly(session->stmt) != 0
               ? RC_OK
               : RC_INVALID;
}

static bool bind_all(sqlite3_stmt *stmt, const struct sql_values *values)
{
    for (size_t i = 0; i < SQL_PARAMETERS; i++) {
        int at = sqlite3_bind_parameter_index(stmt, parameter_names[i]);
        struct slice value = values->values[i];

        if (at == 0 || (i == SQL_DOMAIN && !values->has_domain))
            continue; /* not in the query, or NULL */
        if (sqlite3_bind_text(stmt, at, value.ptr, (int) value.len, SQLITE_STATIC) != SQLITE_OK)
            return false;
    }
    return true;
}

static int column_of(sqlite3_stmt *stmt, const char *name)
{
    int n = sqlite3_column_count(stmt), at = 0;

    while (at < n && strcmp(sqlite3_column_name(stmt, at), name) != 0)
        at++;
    return at < n ? at : -1;
}

/* False: it is too long. */
static bool read_text(sqlite3_stmt *stmt, const char *name, struct arena *arena,
                      struct slice *out)
{
    int at = column_of(stmt, name);
    const char *text = at >= 0 ? (const char *) sqlite3_column_text(stmt, at) : NULL;
    int len = at >= 0 ? sqlite3_column_bytes(stmt, at) : 0;

    *out = SLICE("");
    if (text == NULL || len <= 0)
        return true;
    if ((unsigned) len > SQL_COLUMN_MAX_BYTES)
        return false;
    *out = arena_dup(arena, slice_of(text, (size_t) len));
    return true;
}

static enum rc find(const struct sql_settings *settings, const struct sql_values *values,
                    int64_t deadline_us, struct arena *arena, struct sql_row *out)
{
    AUTO(session_done) struct session session = {.deadline_us = deadline_us};
    struct sql_row row;
    enum rc rc = session_open(&session, settings);
    int code;

    if (rc)
        return rc;
    if (!bind_all(session.stmt, values))
        return RC_UNAVAILABLE;
    code = sqlite3_step(session.stmt);
    if (code == SQLITE_DONE)
        return RC_NOT_FOUND;
    if (code != SQLITE_ROW)
        return RC_UNAVAILABLE;
    if (!read_text(session.stmt, "password", arena, &row.password) ||
        !read_text(session.stmt, "user", arena, &row.user) ||
        !read_text(session.stmt, "groups", arena, &row.groups))
        return RC_LIMIT;
    code = sqlite3_step(session.stmt);
    if (code == SQLITE_ROW)
        return RC_CONFLICT;
    if (code != SQLITE_DONE)
        return RC_UNAVAILABLE;
    *out = row;
    return RC_OK;
}

/* The file may come later; a query that it refuses is said at once. */
static enum rc check(struct slice written, struct arena *arena, struct sql_settings *settings,
                     struct err *err)
{
    AUTO(session_done) struct session session = {.deadline_us = INT64_MAX};
    bool known = false;

    settings->query = slice_of(arena_cstr(arena, written), written.len);
    settings->folder = dirname(arena_cstr(arena, settings->place));
    if (settings->place.ptr[0] != '/')
        return err_set(err, RC_INVALID, "Bad configuration", "file: want an absolute path");
    if (session_open(&session, settings) == RC_INVALID)
        return err_set(err, RC_INVALID, "Bad configuration",
                       "query: one SELECT of a table in that file is wanted");
    for (int i = 1; i <= sqlite3_bind_parameter_count(session.stmt); i++) {
        const char *name = sqlite3_bind_parameter_name(session.stmt, i);

        known = false;
        for (size_t j = 0; j < SQL_PARAMETERS && name != NULL; j++)
            known = known || strcmp(name, parameter_names[j]) == 0;
        if (!known)
            return err_set(err, RC_INVALID, "Bad configuration",
                           "query: it has other parameters than :user, :local and :domain");
    }
    if (session.stmt != NULL &&
        (column_of(session.stmt, "password") < 0 || column_of(session.stmt, "user") < 0))
        return err_set(err, RC_INVALID, "Bad configuration",
                       "query: want columns named password and user");
    return RC_OK;
}

/* The file and what SQLite lays beside it. */
static void needs(const struct sql_settings *settings, struct sandbox_rules *rules)
{
    if (access(settings->folder, R_OK) == 0)
        sandbox_allow(rules, settings->folder, SANDBOX_READ);
}

const struct sql_driver sql_sqlite = {
    .name = "sqlite",
    .place = "file",
    .find = find,
    .check = check,
    .needs = needs,
};
