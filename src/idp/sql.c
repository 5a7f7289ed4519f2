#include "idp/sql.h"

#include <sodium.h>
#include <stdlib.h>

#include "auth/password.h"
#include "base/ascii.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "idp/provider_file.h"

#define SETTINGS_ARENA ((size_t) 1 << 20)

struct database {
    struct arena *arena;
    struct sql_settings settings;
    const struct sql_driver *driver;
};

static const struct sql_driver *const drivers[] = {&sql_sqlite, &sql_postgres};

/* ---- queries ---- */

size_t sql_skip_quoted(struct slice query, size_t at)
{
    char quote = query.ptr[at];

    if (quote == '-' && at + 1 < query.len && query.ptr[at + 1] == '-') {
        while (at < query.len && query.ptr[at] != '\n')
            at++;
        return at;
    }
    if (quote != '\'' && quote != '"')
        return at;
    for (at++; at < query.len && query.ptr[at] != quote; at++)
        continue;
    return MIN(at + 1, query.len);
}

enum sql_parameter sql_parameter_at(struct slice query, size_t at, size_t *out_end)
{
    static const char *const names[SQL_PARAMETERS] = {":user", ":local", ":domain"};

    if (at > 0 && query.ptr[at - 1] == ':') /* PostgreSQL's x::type */
        return SQL_PARAMETERS;
    for (size_t i = 0; i < SQL_PARAMETERS; i++) {
        struct slice name = slice_from_str(names[i]);
        size_t end = at + name.len;

        if (end <= query.len && slice_eq(slice_sub(query, at, name.len), name) &&
            (end == query.len || (!ascii_is_alnum(query.ptr[end]) && query.ptr[end] != '_'))) {
            *out_end = end;
            return (enum sql_parameter) i;
        }
    }
    return SQL_PARAMETERS;
}

static bool has_parameter(struct slice query)
{
    size_t end;

    for (size_t at = 0; at < query.len; at++) {
        size_t skipped = sql_skip_quoted(query, at);

        if (skipped > at) {
            at = skipped - 1;
            continue;
        }
        if (sql_parameter_at(query, at, &end) != SQL_PARAMETERS)
            return true;
    }
    return false;
}

/* ---- opening ---- */

static void database_close(void *self)
{
    struct database *database = self;
    struct slice place = database->settings.place;

    if (place.len > 0)
        sodium_memzero((char *) (uintptr_t) place.ptr, place.len);
    arena_free(database->arena);
    free(database);
}

static enum rc wrong(const char *path, const char *why, struct err *err)
{
    return err_set(err, RC_INVALID, "Bad configuration", "%s: %s", path, why);
}

static enum rc read_settings(struct database *database, const char *path, struct err *err)
{
    cfg_opt_t options[] = {
        CFG_STR("driver", "sqlite", CFGF_NONE), CFG_STR("file", NULL, CFGF_NONE),
        CFG_STR("connection", NULL, CFGF_NONE), CFG_STR("query", NULL, CFGF_NONE),
        CFG_STR("scheme", NULL, CFGF_NONE),     CFG_END(),
    };
    AUTO(provider_file_freep) cfg_t *cfg = NULL;
    struct sql_settings *settings = &database->settings;
    struct slice driver, query;
    enum rc rc = provider_file_read(path, options, &cfg, err);

    if (rc)
        return rc;
    driver = provider_file_text(cfg, "driver", database->arena);
    for (size_t i = 0; i < COUNT(drivers); i++)
        if (slice_eq(driver, slice_from_str(drivers[i]->name)))
            database->driver = drivers[i];
    if (database->driver == NULL)
        return wrong(path, "driver: want sqlite or postgresql", err);
    settings->place = provider_file_text(cfg, database->driver->place, database->arena);
    settings->scheme = provider_file_text(cfg, "scheme", database->arena);
    query = provider_file_text(cfg, "query", database->arena);
    if (settings->place.len == 0)
        return wrong(path, "want file (sqlite) or connection (postgresql)", err);
    if (query.len == 0 || query.len > SQL_QUERY_MAX_BYTES)
        return wrong(path, "query is missing, or too long", err);
    if (!has_parameter(query))
        return wrong(path, "query: want :user, :local or :domain in it, outside of quotes",
                     err);
    return database->driver->check(query, database->arena, settings, err);
}

static enum rc database_open(const char *path, void **out, struct err *err)
{
    struct database *database = xcalloc(1, sizeof(*database));
    enum rc rc;

    database->arena = arena_new(SETTINGS_ARENA);
    rc = read_settings(database, path, err);
    if (rc) {
        database_close(database);
        return rc;
    }
    *out = database;
    return RC_OK;
}

static void database_needs(const void *self, struct sandbox_rules *rules)
{
    const struct database *database = self;

    database->driver->needs(&database->settings, rules);
}

/* ---- a check ---- */

/* A hash without a scheme's name has the configured one. RC_INVALID: none that we know. */
static enum rc read_hash(const struct sql_settings *settings, struct slice text,
                         struct arena *arena, struct password_hash *out)
{
    AUTO(buf_done) struct buf named = {.max = SQL_COLUMN_MAX_BYTES};

    if (text.len > 0 && text.ptr[0] != '{' && settings->scheme.len > 0) {
        buf_byte(&named, '{');
        buf_append(&named, settings->scheme);
        buf_byte(&named, '}');
        buf_append(&named, text);
        text = arena_dup(arena, buf_slice(&named));
    }
    return password_hash_parse(text, out, NULL) == RC_OK ? RC_OK : RC_INVALID;
}

/* False: more than SQL_GROUPS_MAX. */
static bool group_list(struct slice names, struct arena *arena, struct slice *out)
{
    AUTO(buf_done) struct buf list = {.max = MSG_IDP_GROUPS_MAX};
    struct scan sc = scan_of(names);
    size_t n = 0;

    while (!scan_done(&sc)) {
        struct slice name;

        if (!scan_until(&sc, ',', &name))
            (void) scan_take(&sc, scan_left(&sc), &name);
        (void) scan_byte(&sc, ',');
        name = slice_trim(name);
        if (name.len == 0)
            continue;
        msg_list_add(&list, name);
        if (++n > SQL_GROUPS_MAX)
            return false;
    }
    *out = arena_dup(arena, buf_slice(&list));
    return !list.overflow;
}

/* Some groups are not said in place of all: rules may refuse those of one that is missing. */
static struct idp_answer found(const struct sql_row *row, struct arena *arena)
{
    struct slice groups;

    if (row->user.len == 0 || row->user.len > SQL_NAME_MAX_BYTES)
        return idp_says(IDP_REFUSED, "user_column");
    if (!group_list(row->groups, arena, &groups))
        return idp_says(IDP_UNAVAILABLE, "groups_column");
    return (struct idp_answer){.code = IDP_OK,
                               .user = row->user,
                               .groups = groups,
                               .knows_groups = true,
                               .reason = "ok"};
}

static struct idp_answer compare(const struct sql_settings *settings, const struct sql_row *row,
                                 const struct idp_question *question)
{
    struct password_hash hash;

    if (row->password.len == 0)
        return idp_says(IDP_REFUSED, "no_password");
    if (read_hash(settings, row->password, question->arena, &hash) != RC_OK)
        return idp_says(IDP_UNAVAILABLE, "scheme");
    if (!password_matches(&hash, question->secret))
        return idp_says(IDP_REFUSED, "wrong_password");
    return found(row, question->arena);
}

/* A name that no database has: none is asked for it. */
static bool is_name(struct slice user)
{
    return user.len > 0 && user.len <= SQL_NAME_MAX_BYTES && utf8_is_valid(user) &&
           memchr(user.ptr, '\0', user.len) == NULL;
}

static const char *reason_of(enum rc failed)
{
    if (failed == RC_LIMIT)
        return "column_size";
    return failed == RC_INVALID ? "query" : "server";
}

static void database_check(void *self, const struct idp_question *question,
                           struct idp_answer *out)
{
    const struct database *database = self;
    const struct idp_name name = idp_name_split(question->user);
    const struct sql_values values = {
        .values = {question->user, name.local, name.domain},
          .has_domain = name.has_domain
    };
    struct sql_row row;
    enum rc rc = RC_NOT_FOUND;

    if (question->ask == IDP_ASK_TOKEN ||
        (question->ask == IDP_ASK_PASSWORD && question->secret.len == 0)) {
        *out = idp_says(IDP_REFUSED, "empty_password");
        return;
    }
    if (is_name(question->user))
        rc = database->driver->find(&database->settings, &values,
                                    clock_mono_us() + (int64_t) IDP_CHECK_SEC * 1000000,
                                    question->arena, &row);
    if (rc == RC_NOT_FOUND)
        *out = idp_says(IDP_UNKNOWN, "no_row");
    else if (rc == RC_CONFLICT)
        *out = idp_says(IDP_REFUSED, "not_unique");
    else if (rc)
        *out = idp_says(IDP_UNAVAILABLE, reason_of(rc));
    else if (question->ask == IDP_ASK_USER)
        *out = found(&row, question->arena);
    else
        *out = compare(&database->settings, &row, question);
}

const struct idp_kind idp_sql = {
    .name = "sql",
    .open = database_open,
    .needs = database_needs,
    .check = database_check,
    .close = database_close,
};
