/*
 * web.c - the process that serves the enrolment page: HTTP over TLS, for users' browsers.
 *
 * It holds no file, no mail and no credential but what passes through: what a user typed goes
 * to auth, what auth answers becomes a page.
 */
#include <signal.h>
#include <unistd.h>

#include "base/log.h"
#include "net/loop.h"
#include "net/tls.h"
#include "roles/role.h"

struct web_role {
    struct role_start *start;
    struct loop *loop;
    struct tls_server *tls;
    struct loop_fd supervisor;
};

static void on_certs(void *ctx, const struct role_cert *certs, size_t n)
{
    struct web_role *web = ctx;
    struct tls_pair pairs[ROLE_CERTS_MAX];
    struct err err = {0};

    for (size_t i = 0; i < n && i < COUNT(pairs); i++)
        pairs[i] = (struct tls_pair){.chain_pem = certs[i].chain, .key_pem = certs[i].key};
    if (tls_server_load(web->tls, pairs, n, &err) == RC_OK)
        log_event(LEVEL_INFO, "tls.loaded", LOG_NUM("certificates", n));
    else
        log_event(LEVEL_ERROR, "tls.refused", LOG_ERR(&err),
                  LOG_STR("kept", tls_server_is_loaded(web->tls) ? "the old" : "none"));
}

static void on_shutdown(void *ctx, bool fast)
{
    struct web_role *web = ctx;

    (void) fast; /* nothing is kept here */
    loop_stop(web->loop);
}

static const struct role_events events = {.certs = on_certs, .shutdown = on_shutdown};

static void on_supervisor(void *ctx, unsigned ready)
{
    struct web_role *web = ctx;

    (void) ready;
    role_supervisor_ready(web->start, &events, web);
}

static enum rc run(struct web_role *web, struct err *err)
{
    struct role_start *start = web->start;
    enum rc rc = loop_new(&web->loop, err);

    if (rc == RC_OK)
        rc = loop_add(web->loop, &web->supervisor, channel_fd(start->supervisor), LOOP_IN,
                      on_supervisor, web, err);
    if (rc) {
        role_failed(start, err);
        return rc;
    }
    if (start->n_certs > 0)
        on_certs(web, start->certs, start->n_certs);
    rc = role_confine(start, err);
    return rc == RC_OK ? loop_run(web->loop, err) : rc;
}

int role_web(struct role_start *start)
{
    struct web_role web = {.start = start};
    struct err err = {0};
    enum rc rc;

    (void) signal(SIGPIPE, SIG_IGN); /* OpenSSL writes with write() */
    tls_library_init();
    web.tls = tls_server_new();
    tls_server_use_alpn(web.tls, "http/1.1");
    rc = run(&web, &err);
    tls_server_free(web.tls);
    loop_free(web.loop);
    return rc == RC_OK ? 0 : 1;
}
