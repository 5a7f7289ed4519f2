/*
 * auth_control.c - the control socket of auth: connections of the command line on the loop.
 *
 * What a verb answers is held until the records of what it did are durable in the audit log
 * (log_sink.h): a timer looks for the log's answer while somebody waits.
 */
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/control.h"
#include "roles/auth_role.h"
#include "roles/log_sink.h"

#define LOOK_US ((int64_t) 2000) /* between two looks for the log's answer */

struct control_client {
    struct link link; /* in auth->control_conns */
    struct auth_role *auth;
    struct control_conn *conn;
    struct loop_fd watch;
    struct timer timer; /* runs while answers are held */
    uint64_t record;    /* the last one that has to be durable before */
    int64_t held_us;    /* since then */
};

static void client_free(struct control_client *client)
{
    loop_remove(client->auth->loop, &client->watch);
    timer_stop(client->auth->loop, &client->timer);
    list_remove(&client->link);
    client->auth->n_control_conns--;
    control_conn_free(client->conn);
    free(client);
}

static void want(struct control_client *client)
{
    loop_want(client->auth->loop, &client->watch,
              control_conn_wants_write(client->conn) ? LOOP_OUT : LOOP_IN);
}

/* Are the records there, or is it time to go on without? */
static void look(void *ctx)
{
    struct control_client *client = ctx;
    enum log_record record = log_sink_record(client->auth->start->sink, client->record);
    int64_t ms = (clock_mono_us() - client->held_us) / 1000;

    if (record == RECORD_WAITS && ms < LOG_DURABLE_MS) {
        timer_start(client->auth->loop, &client->timer, LOOK_US, look, client);
        return;
    }
    if (record != RECORD_DURABLE)
        log_event(LEVEL_ERROR, "audit.unconfirmed", LOG_NUM("ms", ms));
    control_conn_hold(client->conn, false);
    want(client);
}

static enum rc serve(struct control_client *client, struct err *err)
{
    enum rc rc;

    control_conn_hold(client->conn, true);
    rc = control_serve(client->conn, auth_verbs, auth_verbs_count, client->auth, err);
    if (rc)
        return rc;
    client->record = log_sink_last(client->auth->start->sink);
    client->held_us = clock_mono_us();
    look(client);
    return RC_OK;
}

static void on_client_ready(void *ctx, unsigned ready)
{
    struct control_client *client = ctx;
    struct err err;
    enum rc rc = RC_OK;

    if ((ready & LOOP_OUT) != 0)
        rc = control_conn_flush(client->conn, &err);
    if (rc == RC_OK && !control_conn_wants_write(client->conn))
        rc = serve(client, &err);
    if (rc != RC_OK && rc != RC_MORE) {
        if (rc != RC_UNAVAILABLE)
            log_event(LEVEL_WARNING, "auth.control_broken", LOG_ERR(&err));
        client_free(client);
        return;
    }
    want(client);
}

void auth_control_answered(struct auth_role *auth, const struct control_conn *conn)
{
    LIST_FOREACH(it, &auth->control_conns)
    {
        struct control_client *client = LINK_OWNER(it, struct control_client, link);

        if (client->conn == conn && control_conn_wants_write(conn))
            loop_want(auth->loop, &client->watch, LOOP_OUT);
    }
}

static void add_client(struct auth_role *auth, struct control_conn *conn)
{
    struct control_client *client;
    struct err err;

    if (auth->n_control_conns >= CONTROL_CONNS_MAX) {
        log_event(LEVEL_WARNING, "auth.control_full",
                  LOG_NUM("connections", CONTROL_CONNS_MAX));
        control_conn_free(conn);
        return;
    }
    client = xcalloc(1, sizeof(*client));
    client->auth = auth;
    client->conn = conn;
    list_push_back(&auth->control_conns, &client->link);
    auth->n_control_conns++;
    if (loop_add(auth->loop, &client->watch, control_conn_fd(conn), LOOP_IN, on_client_ready,
                 client, &err) != RC_OK) {
        log_event(LEVEL_ERROR, "auth.control_broken", LOG_ERR(&err));
        client_free(client);
    }
}

static void on_listener_ready(void *ctx, unsigned ready)
{
    struct auth_role *auth = ctx;
    struct control_conn *conn;
    struct err err;
    enum rc rc;

    (void) ready;
    rc = control_accept(auth->control_watch.fd, geteuid(), CONTROL_QUEUE, &conn, &err);
    if (rc == RC_OK)
        add_client(auth, conn);
    else if (rc != RC_MORE)
        log_event(LEVEL_WARNING, "auth.control_refused", LOG_ERR(&err));
}

enum rc auth_control_listen(struct auth_role *auth, struct err *err)
{
    log_sink_keep(auth->start->sink);
    for (size_t i = 0; i < auth->start->n_listeners; i++)
        if (auth->start->listeners[i].kind == LISTENER_CONTROL)
            return loop_add(auth->loop, &auth->control_watch, auth->start->listeners[i].fd,
                            LOOP_IN, on_listener_ready, auth, err);
    return RC_OK; /* the supervisor gave none: nobody administers this one */
}

void auth_control_done(struct auth_role *auth)
{
    struct link *first;

    loop_remove(auth->loop, &auth->control_watch);
    while ((first = list_pop_front(&auth->control_conns)) != NULL)
        client_free(LINK_OWNER(first, struct control_client, link));
}
