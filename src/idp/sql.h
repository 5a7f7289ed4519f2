/*
 * sql.h - a kind of provider: a database with a query of the administrator's that finds a user.
 *
 * What a stranger types is bound to the named parameters :user, :local (before the last "@")
 * and :domain (behind it) of a prepared statement, and never becomes text of the query. Of the
 * one row that comes the columns `password` ("{SCHEME}hash"), `user` (the name) and, if it is
 * there, `groups` (names between commas) count. The hash is compared here.
 */
#ifndef ROOST_IDP_SQL_H
#define ROOST_IDP_SQL_H

#include "idp/provider.h"

#define SQL_QUERY_MAX_BYTES  8192u
#define SQL_NAME_MAX_BYTES   255u
#define SQL_GROUPS_MAX       256u
#define SQL_COLUMN_MAX_BYTES 16384u /* 256 groups of 63 characters */

extern const struct idp_kind idp_sql;

/* ---- between its files ---- */

enum sql_parameter { SQL_USER, SQL_LOCAL, SQL_DOMAIN, SQL_PARAMETERS };

struct sql_settings {
    struct slice query;  /* as it is prepared, NUL behind it */
    struct slice place;  /* SQLite: the file; PostgreSQL: how to connect. NUL behind it */
    struct slice scheme; /* of passwords without one; may be empty */
    const char *folder;  /* SQLite: where the file is */
    unsigned n_numbers;  /* PostgreSQL: $1 to $n of the query */
    enum sql_parameter numbers[SQL_PARAMETERS];
};

struct sql_values {
    struct slice values[SQL_PARAMETERS];
    bool has_domain; /* else :domain is NULL */
};

/* A column that is NULL is empty. Slices live in the arena. */
struct sql_row {
    struct slice password, user, groups;
};

/* RC_NOT_FOUND: no row; RC_CONFLICT: several; RC_UNAVAILABLE: none can be had now; RC_LIMIT: a
 * column has more than SQL_COLUMN_MAX_BYTES; RC_INVALID: the query or its columns are wrong. */
typedef enum rc sql_find_fn(const struct sql_settings *settings,
                            const struct sql_values *values, int64_t deadline_us,
                            struct arena *arena, struct sql_row *out);

struct sql_driver {
    const char *name;
    const char *place; /* the setting that says where */
    sql_find_fn *find;
    /* Is the place good? Fills query and numbers from the query as it was written. */
    enum rc (*check)(struct slice written, struct arena *arena, struct sql_settings *settings,
                     struct err *err);
    void (*needs)(const struct sql_settings *settings, struct sandbox_rules *rules);
};

extern const struct sql_driver sql_sqlite, sql_postgres;

/* ":user" where a query has it outside of quotes: which, and where it ends; SQL_PARAMETERS:
 * none is here. */
enum sql_parameter sql_parameter_at(struct slice query, size_t at, size_t *out_end);
/* The byte behind the quoted text, comment or dollar-less literal that begins here, or at. */
size_t sql_skip_quoted(struct slice query, size_t at);

#endif
