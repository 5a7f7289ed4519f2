#include <microhttpd.h>
#include <sodium.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/library.h"
#include "base/log.h"
#include "roles/web_role.h"
#include "web/form.h"

/* What of libmicrohttpd is called (docs/decisions/web.md: why it is loaded, not linked). */
#define EACH_CALL(X)                                                                           \
    X(MHD_start_daemon)                                                                        \
    X(MHD_stop_daemon)                                                                         \
    X(MHD_add_connection)                                                                      \
    X(MHD_run)                                                                                 \
    X(MHD_get_timeout)                                                                         \
    X(MHD_get_daemon_info)                                                                     \
    X(MHD_get_connection_info)                                                                 \
    X(MHD_get_connection_values)                                                               \
    X(MHD_create_response_from_buffer_with_free_callback_cls)                                  \
    X(MHD_add_response_header)                                                                 \
    X(MHD_queue_response)                                                                      \
    X(MHD_destroy_response)                                                                    \
    X(MHD_suspend_connection)                                                                  \
    X(MHD_resume_connection)

struct http_calls {
    EACH_CALL(LIBRARY_MEMBER)
};

/* ---- running ---- */

static void run_http(struct web_role *web);

static void run_later(void *ctx)
{
    run_http(ctx);
}

static void run_http(struct web_role *web)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;

    (void) web->calls->MHD_run(web->http); /* a connection that fails it has closed itself */
    if (web->calls->MHD_get_timeout(web->http, &timeout_ms) == MHD_YES)
        timer_start(web->loop, &web->http_timer, (int64_t) timeout_ms * 1000, run_later, web);
    else
        timer_stop(web->loop, &web->http_timer);
}

static void on_http(void *ctx, unsigned ready)
{
    (void) ready;
    run_http(ctx);
}

/* ---- answers ---- */

static void free_page(void *ctx)
{
    struct site_answer *answer = ctx;

    site_answer_done(answer);
    free(answer);
}

static enum MHD_Result queue_answer(struct web_exchange *x)
{
    const struct http_calls *calls = x->web->calls;
    struct site_answer *answer = xmalloc(sizeof(*answer));
    struct MHD_Response *response;
    enum MHD_Result result = MHD_YES;

    *answer = x->turn.answer; /* with the page */
    x->turn.answer = (struct site_answer){.status = answer->status};
    response = calls->MHD_create_response_from_buffer_with_free_callback_cls(
        answer->body.len, (void *) (uintptr_t) answer->body.ptr, free_page, answer);
    if (response == NULL) {
        free_page(answer);
        return MHD_NO;
    }
    for (size_t i = 0; i < answer->n_headers && result == MHD_YES; i++)
        result = calls->MHD_add_response_header(response, answer->headers[i].name,
                                                answer->headers[i].value);
    if (result == MHD_YES)
        result = calls->MHD_add_response_header(response, "Connection", "close");
    if (result == MHD_YES)
        result = calls->MHD_queue_response(x->connection, answer->status, response);
    calls->MHD_destroy_response(response); /* it lives until it is sent */
    return result;
}

static void wipe_body(struct web_exchange *x)
{
    if (x->body_room > 0)
        sodium_memzero(x->body, x->body_room);
    x->body_len = 0;
}

static void log_request(const struct web_exchange *x)
{
    AUTO(buf_done) struct buf peer = {0};

    buf_init(&peer, IPADDR_TEXT_BYTES);
    ipaddr_print(&peer, &x->peer);
    log_event(LEVEL_INFO, "web.request", LOG_TEXT("peer", buf_slice(&peer)),
              LOG_STR("method", x->method),
              LOG_STR("path", x->turn.route != NULL ? x->turn.route : "-"),
              LOG_NUM("status", x->turn.answer.status),
              LOG_NUM("ms", (clock_mono_us() - x->begun_us) / 1000));
}

void web_exchange_reply(struct web_exchange *x, const struct site_reply *reply)
{
    (void) map_remove(x->web->asked, MAP_KEY(x->id));
    site_end(&x->turn, reply);
    x->has_answer = true;
    wipe_body(x);
    if (x->suspended) {
        x->suspended = false;
        x->web->calls->MHD_resume_connection(x->connection);
        timer_start(x->web->loop, &x->web->http_timer, 0, run_later, x->web);
    }
}

/* ---- a request ---- */

static enum site_method method_of(const char *name, const char **out_name)
{
    static const struct {
        const char *name;
        enum site_method method;
    } methods[] = {
        {"GET",  SITE_GET },
        {"HEAD", SITE_HEAD},
        {"POST", SITE_POST},
    };

    for (size_t i = 0; i < COUNT(methods); i++) {
        if (strcmp(name, methods[i].name) == 0) {
            *out_name = methods[i].name;
            return methods[i].method;
        }
    }
    *out_name = "other";
    return SITE_OTHER_METHOD;
}

struct headers {
    struct web_exchange *x;
    struct slice content_length, transfer_encoding;
    bool twice;
};

/* Of one that counts there may be one. */
static enum MHD_Result take_header(void *ctx, enum MHD_ValueKind kind, const char *key,
                                   const char *value)
{
    struct headers *headers = ctx;
    struct site_request *request = &headers->x->request;
    const struct {
        const char *name;
        struct slice *to;
    } wanted[] = {
        {"Host",              &request->host             },
        {"Origin",            &request->origin           },
        {"Sec-Fetch-Site",    &request->fetch_site       },
        {"Cookie",            &request->cookie           },
        {"Content-Type",      &request->content_type     },
        {"Content-Length",    &headers->content_length   },
        {"Transfer-Encoding", &headers->transfer_encoding},
    };

    (void) kind;
    for (size_t i = 0; i < COUNT(wanted); i++) {
        if (!slice_eq_nocase(slice_from_str(key), slice_from_str(wanted[i].name)))
            continue;
        headers->twice = headers->twice || wanted[i].to->ptr != NULL;
        *wanted[i].to =
            arena_dup(headers->x->arena, slice_from_str(value != NULL ? value : ""));
        break;
    }
    return MHD_YES;
}

/* 0: its body may come. */
static unsigned judge_headers(const struct headers *headers, uint64_t *out_length)
{
    *out_length = 0;
    if (headers->twice || headers->x->request.host.ptr == NULL)
        return 400;
    if (headers->transfer_encoding.ptr != NULL)
        return 411;
    if (headers->content_length.ptr == NULL)
        return headers->x->request.method == SITE_POST ? 411 : 0;
    if (!slice_to_u64(headers->content_length, out_length))
        return 400;
    if (*out_length > FORM_BODY_MAX_BYTES)
        return 413;
    return *out_length > 0 && headers->x->request.method != SITE_POST ? 400 : 0;
}

static struct web_exchange *exchange_new(struct web_role *web,
                                         struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        web->calls->MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct web_exchange *x = xcalloc(1, sizeof(*x));

    x->web = web;
    x->connection = connection;
    if (info != NULL && info->socket_context != NULL)
        x->peer = *(const struct ipaddr *) info->socket_context;
    x->begun_us = clock_mono_us();
    x->arena = arena_new(WEB_ARENA_BYTES);
    x->turn.site = &web->site;
    x->turn.arena = x->arena;
    return x;
}

static void exchange_free(struct web_exchange *x)
{
    wipe_body(x);
    free(x->body);
    site_answer_done(&x->turn.answer);
    sodium_memzero(x->turn.ask.token, sizeof(x->turn.ask.token));
    arena_free(x->arena);
    free(x);
}

static enum MHD_Result begin(struct web_role *web, struct MHD_Connection *connection,
                             const char *url, const char *method, void **out)
{
    struct web_exchange *x = exchange_new(web, connection);
    struct headers headers = {.x = x};
    uint64_t length;
    unsigned status;

    *out = x;
    x->request.method = method_of(method, &x->method);
    x->request.path = arena_dup(x->arena, slice_from_str(url));
    (void) web->calls->MHD_get_connection_values(connection, MHD_HEADER_KIND, take_header,
                                                 &headers);
    status = judge_headers(&headers, &length);
    if (status == 0) {
        x->body_room = (size_t) length;
        x->body = xmalloc(x->body_room + 1);
        return MHD_YES;
    }
    x->refused = true;
    site_plain(&x->turn, status);
    log_request(x);
    return queue_answer(x);
}

static void take_body(struct web_exchange *x, const char *bytes, size_t len)
{
    size_t n = MIN(len, x->body_room - x->body_len);

    memcpy(x->body + x->body_len, bytes, n);
    x->body_len += n;
}

/* All of it is there. */
static enum MHD_Result run_request(struct web_exchange *x)
{
    struct err err;

    x->request.body = x->body;
    x->request.body_len = x->body_len;
    site_begin(&x->turn, &x->request);
    x->has_answer = x->turn.ask.kind == SITE_ASK_NONE;
    if (x->has_answer) {
        wipe_body(x);
        return MHD_YES;
    }
    x->id = ++x->web->last_id;
    (void) map_put(x->web->asked, MAP_KEY(x->id), x);
    if (web_auth_ask(x, &err)) {
        const struct site_reply busy = {.verdict = SITE_BUSY};

        log_event(LEVEL_WARNING, "web.ask", LOG_ERR(&err));
        web_exchange_reply(x, &busy);
        return MHD_YES;
    }
    x->suspended = true;
    x->web->calls->MHD_suspend_connection(x->connection);
    return MHD_YES;
}

/* Called with the headers, with each piece of the body, at its end, and when it is resumed. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *n_bytes, void **request)
{
    struct web_exchange *x = *request;

    (void) version;
    if (x == NULL)
        return begin(ctx, connection, url, method, request);
    if (*n_bytes > 0) {
        if (!x->refused)
            take_body(x, bytes, *n_bytes);
        *n_bytes = 0;
        return MHD_YES;
    }
    if (x->refused || x->suspended)
        return MHD_YES;
    if (!x->has_answer && run_request(x) != MHD_YES)
        return MHD_NO;
    if (!x->has_answer)
        return MHD_YES;
    log_request(x);
    return queue_answer(x);
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **request,
                         enum MHD_RequestTerminationCode why)
{
    struct web_role *web = ctx;
    struct web_exchange *x = *request;

    (void) connection;
    (void) why;
    if (x == NULL)
        return;
    *request = NULL;
    if (x->id != 0)
        (void) map_remove(web->asked, MAP_KEY(x->id));
    exchange_free(x);
}

static void on_connection(void *ctx, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    const struct web_role *web = ctx;

    (void) connection;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        free(*context);
        *context = NULL;
        return;
    }
    if (web->arriving != NULL) {
        struct ipaddr *peer = xmalloc(sizeof(*peer));

        *peer = *web->arriving;
        *context = peer;
    }
}

/* Paths are compared as they came: no page of ours has a name that needs escaping. */
static size_t keep_escapes(void *ctx, struct MHD_Connection *connection, char *text)
{
    (void) ctx;
    (void) connection;
    return strlen(text);
}

enum rc web_http_add(struct web_role *web, int fd, const struct ipaddr *peer, struct err *err)
{
    const struct sockaddr_un address = {.sun_family = AF_UNIX};
    enum MHD_Result result;

    web->arriving = peer;
    result = web->calls->MHD_add_connection(web->http, fd, (const struct sockaddr *) &address,
                                            sizeof(address.sun_family));
    web->arriving = NULL;
    if (result != MHD_YES) /* it has closed fd */
        return err_set(err, RC_LIMIT, "Too many connections", "libmicrohttpd: no connection");
    run_http(web);
    return RC_OK;
}

/* ---- start and end ---- */

static enum rc load_calls(struct http_calls *calls, struct err *err)
{
    const struct library library = {
        .files = {"libmicrohttpd.so.12"},
        .wanted = "web_listen needs the package libmicrohttpd12",
        .names = (const char *const[]){EACH_CALL(LIBRARY_NAME) NULL},
    };

    /* Its TLS is not used, so neither is what starts with it. */
    (void) setenv("GNUTLS_NO_IMPLICIT_INIT", "1", 1);
    return library_load(&library, calls, err);
}

enum rc web_http_open(struct web_role *web, struct err *err)
{
    static const unsigned flags =
        MHD_USE_NO_LISTEN_SOCKET | MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;
    enum rc rc;

    web->calls = xcalloc(1, sizeof(*web->calls));
    rc = load_calls(web->calls, err);
    if (rc)
        return rc;
    web->http = web->calls->MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, web, MHD_OPTION_CONNECTION_LIMIT, 2 * WEB_CONNS_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) WEB_HTTP_POOL_BYTES,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, web, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, web, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, web, MHD_OPTION_END);
    if (web->http == NULL)
        return err_set(err, RC_IO, "Internal error", "libmicrohttpd does not start");
    return RC_OK;
}

enum rc web_http_start(struct web_role *web, struct err *err)
{
    const union MHD_DaemonInfo *info =
        web->calls->MHD_get_daemon_info(web->http, MHD_DAEMON_INFO_EPOLL_FD);

    if (info == NULL)
        return err_set(err, RC_IO, "Internal error", "libmicrohttpd has no epoll set");
    return loop_add(web->loop, &web->http_watch, info->epoll_fd, LOOP_IN, on_http, web, err);
}

void web_http_done(struct web_role *web)
{
    if (web->http != NULL) {
        loop_remove(web->loop, &web->http_watch);
        timer_stop(web->loop, &web->http_timer);
        (void) web->calls->MHD_run(web->http); /* who was resumed is one that can be closed */
        web->calls->MHD_stop_daemon(TAKE(web->http));
    }
    free(TAKE(web->calls));
}
