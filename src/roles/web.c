/*
 * web.c - the process that serves the enrolment page: HTTP over TLS, for users' browsers.
 *
 * It holds no file, no mail and no credential but what passes through: what a user typed goes
 * to auth, what auth answers becomes a page.
 */
#include <signal.h>
#include <sodium.h>
#include <unistd.h>

#include "base/log.h"
#include "config/config.h"
#include "roles/doors.h"
#include "roles/log_sink.h"
#include "roles/web_role.h"

#define TEND_US    ((int64_t) 60 * 1000000) /* between two looks at ticket keys */
#define US_PER_SEC 1000000
#define IMAPS_PORT 993
#define SMTPS_PORT 465

static void on_certs(void *ctx, const struct role_cert *certs, size_t n)
{
    struct web_role *web = ctx;
    struct tls_pair pairs[ROLE_CERTS_MAX];
    struct err err = {0};

    for (size_t i = 0; i < n && i < COUNT(pairs); i++)
        pairs[i] =
            (struct tls_pair){.chain_pem = certs[i].chain, .staple_der = certs[i].staple};
    if (tls_server_load(web->tls, pairs, n, &err) == RC_OK)
        log_event(LEVEL_INFO, "tls.loaded", LOG_NUM("certificates", n));
    else
        log_event(LEVEL_ERROR, "tls.refused", LOG_ERR(&err),
                  LOG_STR("kept", tls_server_is_loaded(web->tls) ? "the old" : "none"));
}

static void on_peer(void *ctx, const struct role_peer *peer)
{
    struct web_role *web = ctx;

    if (peer->role == ROLE_KEYS)
        keys_client_connect(&web->keys, peer->fd);
    else
        web_auth_peer(web, peer);
}

static void stop_now(void *ctx)
{
    struct web_role *web = ctx;

    loop_stop(web->loop);
}

/* Running requests have a moment; what waits for auth is told that it is busy. */
static void on_shutdown(void *ctx, bool fast)
{
    struct web_role *web = ctx;

    web_listen_stop(web);
    web->stopping = true;
    if (fast || web->n_conns == 0)
        stop_now(web);
    else
        timer_start(web->loop, &web->stop, (int64_t) WEB_STOP_SEC * US_PER_SEC, stop_now, web);
}

static const struct role_events events = {
    .peer = on_peer, .certs = on_certs, .shutdown = on_shutdown};

static void on_supervisor(void *ctx, unsigned ready)
{
    struct web_role *web = ctx;

    (void) ready;
    role_supervisor_ready(web->start, &events, web);
}

static void tend(void *ctx)
{
    struct web_role *web = ctx;

    tls_server_rotate_tickets(web->tls);
    timer_start(web->loop, &web->tend, TEND_US, tend, web);
}

static uint16_t imap_port(const struct config *config)
{
    struct ipaddr address;
    struct err err;
    bool any;

    if (config->imaps.n == 0 ||
        door_parse(slice_from_str(config->imaps.items[0]), &address, &any, &err))
        return IMAPS_PORT;
    return address.port;
}

static void open_site(struct web_role *web)
{
    const struct config *config = web->start->config;

    form_key_make(&web->site.key);
    web->site.name =
        slice_from_str(config->web_name[0] != '\0' ? config->web_name : config->hostname);
    web->site.mail_host = slice_from_str(config->hostname);
    web->site.imap_port = imap_port(config);
    web->site.smtp_port = SMTPS_PORT;
    web->site.sends = true;
}

/* Everything that opens files. */
static enum rc open_all(struct web_role *web, struct err *err)
{
    struct role_start *start = web->start;
    enum rc rc = loop_new(&web->loop, err);

    if (rc == RC_OK)
        rc = web_http_open(web, err);
    if (rc == RC_OK)
        rc = loop_add(web->loop, &web->supervisor, channel_fd(start->supervisor), LOOP_IN,
                      on_supervisor, web, err);
    if (rc) {
        role_failed(start, err);
        return rc;
    }
    keys_client_init(&web->keys, ROLE_WEB);
    keys_client_connect(&web->keys, role_take_peer(start, ROLE_KEYS, 0, NULL));
    tls_server_sign_with(web->tls, keys_client_signer(&web->keys));
    if (start->n_certs > 0)
        on_certs(web, start->certs, start->n_certs);
    open_site(web);
    return RC_OK;
}

static enum rc run(struct web_role *web, struct err *err)
{
    struct role_peer auth = {.role = ROLE_AUTH};
    enum rc rc = open_all(web, err);

    if (rc == RC_OK)
        rc = role_confine(web->start, err);
    if (rc == RC_OK)
        rc = web_http_start(web, err);
    if (rc)
        return rc;
    auth.fd = role_take_peer(web->start, ROLE_AUTH, 0, &auth.instance);
    if (auth.fd >= 0)
        web_auth_peer(web, &auth);
    rc = web_listen(web, err);
    if (rc)
        return rc;
    tend(web);
    return log_sink_run_loop(web->start->sink, web->loop, err);
}

static void close_all(struct web_role *web)
{
    if (web->loop != NULL) {
        web_listen_stop(web);
        web_auth_done(web); /* answers whoever waits for it */
        web_conns_done(web);
        web_http_done(web);
        keys_client_done(&web->keys);
    }
    tls_server_free(web->tls);
    loop_free(web->loop);
    map_free(web->asked);
    free(web->scratch);
    sodium_memzero(&web->site, sizeof(web->site));
    free(web);
}

int role_web(struct role_start *start)
{
    struct web_role *web = xcalloc(1, sizeof(*web));
    struct err err = {0};
    enum rc rc;

    (void) signal(SIGPIPE, SIG_IGN); /* OpenSSL writes with write() */
    tls_library_init();
    web->start = start;
    web->tls = tls_server_new();
    tls_server_use_alpn(web->tls, "http/1.1");
    web->asked = map_new();
    web->scratch = xmalloc(PUMP_BYTES);
    list_init(&web->conns);
    rc = run(web, &err);
    close_all(web);
    return rc == RC_OK ? 0 : 1;
}
