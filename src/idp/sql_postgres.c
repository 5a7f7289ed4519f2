/*
 * sql_postgres.c - PostgreSQL, by libpq: a connection for each check, TLS unless it is this
 * host, nothing that waits beyond the deadline.
 */
#include <libpq-fe.h>
#include <poll.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/ipaddr.h"
#include "base/library.h"
#include "idp/sql.h"

#define POSTGRES_PORT 5432u
#define OPTIONS_MAX   64u
#define READ_ONLY     "-c default_transaction_read_only=on -c statement_timeout=7000"

/* What of libpq is called. */
#define EACH_CALL(X)                                                                           \
    X(PQclear)                                                                                 \
    X(PQconnectPoll)                                                                           \
    X(PQconnectStartParams)                                                                    \
    X(PQconninfoFree)                                                                          \
    X(PQconninfoParse)                                                                         \
    X(PQconsumeInput)                                                                          \
    X(PQfinish)                                                                                \
    X(PQflush)                                                                                 \
    X(PQfnumber)                                                                               \
    X(PQgetResult)                                                                             \
    X(PQgetlength)                                                                             \
    X(PQgetvalue)                                                                              \
    X(PQisBusy)                                                                                \
    X(PQresultErrorField)                                                                      \
    X(PQresultStatus)                                                                          \
    X(PQsendQueryParams)                                                                       \
    X(PQsetSingleRowMode)                                                                      \
    X(PQsetnonblocking)                                                                        \
    X(PQsocket)                                                                                \
    X(PQstatus)

struct libpq_calls {
    EACH_CALL(LIBRARY_MEMBER)
};

static struct libpq_calls libpq; /* set by check(), before threads exist */

static enum rc load(struct err *err)
{
    const struct library library = {
        .files = {"libpq.so.5"},
        .wanted = "PostgreSQL needs the package libpq5",
        .names = (const char *const[]){EACH_CALL(LIBRARY_NAME) NULL},
    };

    return library_load(&library, &libpq, err);
}

static bool wait_for(const PGconn *conn, short events, int64_t deadline_us)
{
    struct pollfd fd = {.fd = libpq.PQsocket(conn), .events = events};
    int64_t left_us = deadline_us - clock_mono_us();

    return fd.fd >= 0 && left_us > 0 && poll(&fd, 1, (int) (left_us / 1000) + 1) == 1;
}

static bool is_up(PGconn *conn, int64_t deadline_us)
{
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;

    while (state == PGRES_POLLING_READING || state == PGRES_POLLING_WRITING) {
        if (!wait_for(conn, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_us))
            return false;
        state = libpq.PQconnectPoll(conn);
    }
    return state == PGRES_POLLING_OK && libpq.PQsetnonblocking(conn, 1) == 0;
}

static void conninfo_freep(PQconninfoOption **options)
{
    if (*options != NULL)
        libpq.PQconninfoFree(*options);
}

static void result_freep(PGresult **result)
{
    libpq.PQclear(*result);
}

static const char *option_of(const PQconninfoOption *options, const char *name)
{
    for (; options != NULL && options->keyword != NULL; options++)
        if (strcmp(options->keyword, name) == 0)
            return options->val != NULL ? options->val : "";
    return "";
}

/* What the setting says, and the options that are ours to say. */
static PGconn *start(const struct sql_settings *settings)
{
    AUTO(conninfo_freep)
    PQconninfoOption *options = libpq.PQconninfoParse(settings->place.ptr, NULL);
    const char *names[OPTIONS_MAX + 4], *values[OPTIONS_MAX + 4];
    size_t n = 0;

    for (const PQconninfoOption *at = options; at != NULL && at->keyword != NULL; at++) {
        if (at->val == NULL || n == OPTIONS_MAX)
            continue;
        names[n] = at->keyword;
        values[n++] = at->val;
    }
    names[n] = "options";
    values[n++] = READ_ONLY;
    names[n] = "passfile";
    values[n++] = "/dev/null";
    names[n] = "gssencmode";
    values[n++] = "disable";
    names[n] = NULL;
    values[n] = NULL;
    return libpq.PQconnectStartParams(names, values, 0);
}

static bool is_sent(PGconn *conn, int64_t deadline_us)
{
    int left = libpq.PQflush(conn);

    while (left == 1 && wait_for(conn, POLLOUT, deadline_us))
        left = libpq.PQflush(conn);
    return left == 0;
}

/* NULL: there is none, or not in time. */
static PGresult *next_result(PGconn *conn, int64_t deadline_us)
{
    while (libpq.PQisBusy(conn) != 0)
        if (!wait_for(conn, POLLIN, deadline_us) || libpq.PQconsumeInput(conn) == 0)
            return NULL;
    return libpq.PQgetResult(conn);
}

/* False: it is too long. */
static bool read_text(const PGresult *result, const char *name, struct arena *arena,
                      struct slice *out)
{
    int at = libpq.PQfnumber(result, name);
    int len = at >= 0 ? libpq.PQgetlength(result, 0, at) : 0;

    *out = SLICE("");
    if (len <= 0)
        return true;
    if ((unsigned) len > SQL_COLUMN_MAX_BYTES)
        return false;
    *out = arena_dup(arena, slice_of(libpq.PQgetvalue(result, 0, at), (size_t) len));
    return true;
}

/* An error of class 08, 53 or 57 is the server's state; others are the query's. */
static enum rc of_failure(const PGresult *result)
{
    const char *state =
        result != NULL ? libpq.PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;

    return state == NULL || strncmp(state, "08", 2) == 0 || strncmp(state, "53", 2) == 0 ||
                   strncmp(state, "57", 2) == 0
               ? RC_UNAVAILABLE
               : RC_INVALID;
}

static enum rc read_row(const PGresult *row, struct arena *arena, struct sql_row *out)
{
    if (!read_text(row, "password", arena, &out->password) ||
        !read_text(row, "user", arena, &out->user) ||
        !read_text(row, "groups", arena, &out->groups))
        return RC_LIMIT;
    return RC_OK;
}

/* A row is a result of its own, and one without rows is the end: what is behind the second row
   is not waited for. */
static enum rc read_rows(PGconn *conn, int64_t deadline_us, struct arena *arena,
                         struct sql_row *out)
{
    AUTO(result_freep) PGresult *first = next_result(conn, deadline_us);
    AUTO(result_freep) PGresult *second = NULL;
    ExecStatusType status = libpq.PQresultStatus(first);

    if (status != PGRES_SINGLE_TUPLE && status != PGRES_TUPLES_OK)
        return of_failure(first);
    if (libpq.PQfnumber(first, "password") < 0 || libpq.PQfnumber(first, "user") < 0)
        return RC_INVALID;
    if (status == PGRES_TUPLES_OK)
        return RC_NOT_FOUND;
    second = next_result(conn, deadline_us);
    status = libpq.PQresultStatus(second);
    if (status == PGRES_SINGLE_TUPLE)
        return RC_CONFLICT;
    return status == PGRES_TUPLES_OK ? read_row(first, arena, out) : of_failure(second);
}

static enum rc ask(PGconn *conn, const struct sql_settings *settings,
                   const struct sql_values *values, int64_t deadline_us, struct arena *arena,
                   struct sql_row *out)
{
    const char *texts[SQL_PARAMETERS];

    for (unsigned i = 0; i < settings->n_numbers; i++) {
        enum sql_parameter which = settings->numbers[i];

        texts[i] = which == SQL_DOMAIN && !values->has_domain
                       ? NULL
                       : arena_cstr(arena, values->values[which]);
    }
    if (libpq.PQsendQueryParams(conn, settings->query.ptr, (int) settings->n_numbers, NULL,
                                texts, NULL, NULL, 0) != 1 ||
        libpq.PQsetSingleRowMode(conn) != 1 || !is_sent(conn, deadline_us))
        return RC_UNAVAILABLE;
    return read_rows(conn, deadline_us, arena, out);
}

static enum rc find(const struct sql_settings *settings, const struct sql_values *values,
                    int64_t deadline_us, struct arena *arena, struct sql_row *out)
{
    PGconn *conn = start(settings);
    enum rc rc = RC_UNAVAILABLE;

    if (conn != NULL && libpq.PQstatus(conn) != CONNECTION_BAD && is_up(conn, deadline_us))
        rc = ask(conn, settings, values, deadline_us, arena, out);
    libpq.PQfinish(conn);
    return rc;
}

/* ":user" becomes "$1": the same text to the end otherwise. */
static void number_parameters(struct slice written, struct arena *arena,
                              struct sql_settings *settings)
{
    AUTO(buf_done) struct buf query = {.max = 2 * (size_t) SQL_QUERY_MAX_BYTES};
    unsigned number_of[SQL_PARAMETERS] = {0};
    size_t at = 0;

    while (at < written.len) {
        size_t end = sql_skip_quoted(written, at);
        enum sql_parameter which = SQL_PARAMETERS;

        if (end == at)
            which = sql_parameter_at(written, at, &end);
        if (which == SQL_PARAMETERS) {
            end = MAX(end, at + 1);
            buf_append(&query, slice_sub(written, at, end - at));
        } else {
            if (number_of[which] == 0) {
                settings->numbers[settings->n_numbers++] = which;
                number_of[which] = settings->n_numbers;
            }
            buf_byte(&query, '$');
            buf_byte(&query, (char) ('0' + number_of[which]));
        }
        at = end;
    }
    settings->query = slice_of(arena_cstr(arena, buf_slice(&query)), query.len);
}

/* A socket of this host, or a loopback address. A list of several is neither. */
static bool is_here(const char *host)
{
    struct ipaddr address;

    if (strchr(host, ',') != NULL)
        return false;
    return *host == '/' ||
           (ipaddr_parse(slice_from_str(host), &address) && ipaddr_is_loopback(&address));
}

/* Where libpq connects to: hostaddr, where it is given, and not what host says. */
static bool stays_here(const PQconninfoOption *options)
{
    const char *address = option_of(options, "hostaddr");

    return is_here(option_of(options, "host")) && (*address == '\0' || is_here(address));
}

static enum rc check(struct slice written, struct arena *arena, struct sql_settings *settings,
                     struct err *err)
{
    AUTO(conninfo_freep) PQconninfoOption *options = NULL;
    enum rc rc = load(err);

    if (rc)
        return rc;
    options = libpq.PQconninfoParse(settings->place.ptr, NULL);
    if (options == NULL)
        return err_set(err, RC_INVALID, "Bad configuration",
                       "connection: not as libpq wants it");
    if (*option_of(options, "host") == '\0')
        return err_set(err, RC_INVALID, "Bad configuration", "connection: want a host");
    if (!stays_here(options) && strcmp(option_of(options, "sslmode"), "verify-full") != 0)
        return err_set(err, RC_INVALID, "Bad configuration",
                       "connection: want sslmode=verify-full, or this host");
    number_parameters(written, arena, settings);
    return RC_OK;
}

static void needs(const struct sql_settings *settings, struct sandbox_rules *rules)
{
    AUTO(conninfo_freep)
    PQconninfoOption *options = libpq.PQconninfoParse(settings->place.ptr, NULL);
    const char *port = option_of(options, "port"), *ca = option_of(options, "sslrootcert");
    uint32_t number = POSTGRES_PORT;

    if (*port != '\0' && slice_to_u32(slice_from_str(port), &number) && number <= UINT16_MAX)
        sandbox_allow_port(rules, (uint16_t) number);
    else
        sandbox_allow_port(rules, POSTGRES_PORT);
    if (*ca == '/')
        sandbox_allow(rules, ca, SANDBOX_READ);
}

const struct sql_driver sql_postgres = {
    .name = "postgresql",
    .place = "connection",
    .find = find,
    .check = check,
    .needs = needs,
};
