/* supervisor_control.c - what `roost status` and its like ask the supervisor. */
#include <unistd.h>

#include "base/log.h"
#include "ipc/control.h"
#include "roles/supervisor.h"

#define NO_EXTRA_UID ((uid_t) -1)
/* How long a reload waits for the roles: keys may have to be started again. */
#define RELOAD_US (30 * INT64_C(1000000))

struct control_client {
    struct link link;
    struct supervisor *sup;
    struct control_conn *conn;
    struct loop_fd watch;
    struct timer reload; /* runs while the roles are asked about a reload */
    struct err refused;  /* the first of them that refused something; RC_OK: none */
};

static const char *const state_names[] = {
    [CHILD_DOWN] = "down", [CHILD_STARTING] = "starting", [CHILD_RUNNING] = "running"};

static int64_t seconds_since(int64_t us)
{
    return (clock_mono_us() - us) / 1000000;
}

static void row_of_child(struct control_conn *conn, const struct child *child)
{
    char pid[CONTROL_NUMBER_BYTES], index[CONTROL_NUMBER_BYTES], uptime[CONTROL_NUMBER_BYTES],
        restarts[CONTROL_NUMBER_BYTES];
    bool alive = child->pid != 0;
    const struct control_field fields[] = {
        CONTROL_TEXT("role", slice_from_str(role_name(child->role))),
        CONTROL_TEXT("index", control_i64(index, child->index)),
        CONTROL_TEXT("pid", control_i64(pid, child->pid)),
        CONTROL_TEXT("state", slice_from_str(state_names[child->state])),
        CONTROL_TEXT("uptime_sec",
                     control_i64(uptime, alive ? seconds_since(child->started_us) : 0)),
        CONTROL_TEXT("restarts", control_i64(restarts, child->restarts)),
        CONTROL_TEXT("sandbox", slice_from_str(alive ? child->sandbox : "")),
    };

    control_row(conn, fields, COUNT(fields));
}

static void row_of_ship(struct control_conn *conn, const struct child *child)
{
    const struct msg_ship_state *ship = &child->ship;
    char sent[CONTROL_NUMBER_BYTES], waiting[CONTROL_NUMBER_BYTES], lag[CONTROL_NUMBER_BYTES];
    const struct control_field fields[] = {
        CONTROL_TEXT("to", slice_from_str(child->sup->config->audit_ship)),
        CONTROL_TEXT("connected", ship->connected != 0 ? SLICE("yes") : SLICE("no")),
        CONTROL_TEXT("sent", control_i64(sent, (int64_t) ship->sent)),
        CONTROL_TEXT("waiting", control_i64(waiting, (int64_t) ship->waiting)),
        CONTROL_TEXT("lag_sec", control_i64(lag, (int64_t) ship->lag_sec)),
        CONTROL_TEXT("error", slice_from_str(child->ship_error)),
    };

    control_row(conn, fields, COUNT(fields));
}

/* Where the audit log goes, and how far it is; no row if it goes nowhere. */
static void verb_shipping(struct control_conn *conn, const struct control_fields *in, void *ctx)
{
    const struct supervisor *sup = ctx;

    (void) in;
    for (size_t i = 0; i < sup->n_children; i++) {
        if (sup->children[i].role == ROLE_SHIP)
            row_of_ship(conn, &sup->children[i]);
    }
    control_end(conn, RC_OK, "");
}

/* One row for the supervisor, then one for each process. */
static void verb_status(struct control_conn *conn, const struct control_fields *in, void *ctx)
{
    const struct supervisor *sup = ctx;
    char pid[CONTROL_NUMBER_BYTES], uptime[CONTROL_NUMBER_BYTES];
    const struct control_field fields[] = {
        CONTROL_TEXT("role", SLICE("supervisor")),
        CONTROL_TEXT("pid", control_i64(pid, getpid())),
        CONTROL_TEXT("state", sup->stopping  ? SLICE("stopping")
                              : sup->started ? SLICE("running")
                                             : SLICE("starting")),
        CONTROL_TEXT("uptime_sec", control_i64(uptime, seconds_since(sup->started_us))),
        CONTROL_TEXT("data_dir", slice_from_str(sup->config->data_dir)),
    };

    (void) in;
    control_row(conn, fields, COUNT(fields));
    for (size_t i = 0; i < sup->n_children; i++)
        row_of_child(conn, &sup->children[i]);
    control_end(conn, RC_OK, "");
}

static struct control_client *client_of(struct supervisor *sup, const struct control_conn *conn)
{
    LIST_FOREACH(it, &sup->control_conns)
    {
        struct control_client *client = LINK_OWNER(it, struct control_client, link);

        if (client->conn == conn)
            return client;
    }
    return NULL;
}

static void want(struct control_client *client)
{
    loop_want(client->sup->loop, &client->watch,
              LOOP_IN | (control_conn_wants_write(client->conn) ? LOOP_OUT : 0u));
}

static void end_reload(struct control_client *client)
{
    timer_stop(client->sup->loop, &client->reload);
    control_end_rc(client->conn, client->refused.rc, &client->refused);
    want(client);
}

static void on_no_answer(void *ctx)
{
    struct control_client *client = ctx;

    if (client->refused.rc == RC_OK)
        (void) err_set(&client->refused, RC_UNAVAILABLE, "Not answered",
                       "not every process has answered, see the log");
    end_reload(client);
}

void supervisor_control_reloaded(struct supervisor *sup, enum rc rc, struct slice text)
{
    LIST_FOREACH(it, &sup->control_conns)
    {
        struct control_client *client = LINK_OWNER(it, struct control_client, link);

        if (!timer_is_running(&client->reload))
            continue;
        if (rc != RC_OK && client->refused.rc == RC_OK)
            (void) err_set(&client->refused, rc, "Refused", "%.*s", SLICE_ARG(text));
        if (!reload_is_under_way(sup))
            end_reload(client);
    }
}

/* A row for each setting that waits for a restart. Ends when the roles have answered. */
static void verb_reload(struct control_conn *conn, const struct control_fields *in, void *ctx)
{
    struct control_client *client = client_of(ctx, conn);
    struct err err;
    enum rc rc = supervisor_reload(ctx, &err);

    (void) in;
    for (size_t i = 0; i < config_setting_count(); i++) {
        const struct control_field field =
            CONTROL_TEXT("setting", slice_from_str(config_setting_at(i).name));

        if (reload_waits(ctx, i))
            control_row(conn, &field, 1);
    }
    if (rc != RC_OK || !reload_is_under_way(ctx)) {
        control_end_rc(conn, rc, &err);
        return;
    }
    client->refused = (struct err){.rc = RC_OK};
    timer_start(client->sup->loop, &client->reload, RELOAD_US, on_no_answer, client);
}

static void verb_stop(struct control_conn *conn, const struct control_fields *in, void *ctx)
{
    (void) in;
    control_end(conn, RC_OK, "");
    supervisor_stop(ctx);
}

static void verb_quarantine_list(struct control_conn *conn, const struct control_fields *in,
                                 void *ctx)
{
    const struct supervisor *sup = ctx;
    size_t n;
    const uint64_t *accounts = quarantine_list(sup->quarantine, &n);

    (void) in;
    for (size_t i = 0; i < n; i++) {
        char text[CONTROL_NUMBER_BYTES];
        struct control_field field;

        (void) snprintf(text, sizeof(text), "%llu", (unsigned long long) accounts[i]);
        field = CONTROL_TEXT("account", slice_from_str(text));
        control_row(conn, &field, 1);
    }
    control_end(conn, RC_OK, "");
}

static void verb_quarantine_release(struct control_conn *conn, const struct control_fields *in,
                                    void *ctx)
{
    struct supervisor *sup = ctx;
    struct msg msg = {.type = MSG_QUARANTINE};
    struct err err;

    if (control_field_u64(in, "account", &msg.quarantine.account, &err) ||
        quarantine_release(sup->quarantine, msg.quarantine.account, &err)) {
        control_end_err(conn, &err);
        return;
    }
    children_post(sup, ROLE_MAIL, &msg);
    log_event(LEVEL_INFO, "account.release", LOG_ID("account", msg.quarantine.account));
    control_end(conn, RC_OK, "");
}

static const struct control_verb verbs[] = {
    {"status",             verb_status,             NULL},
    {"reload",             verb_reload,             NULL},
    {"shipping",           verb_shipping,           NULL},
    {"stop",               verb_stop,               NULL},
    {"quarantine_list",    verb_quarantine_list,    NULL},
    {"quarantine_release", verb_quarantine_release, NULL},
};

static void client_free(struct control_client *client)
{
    loop_remove(client->sup->loop, &client->watch);
    timer_stop(client->sup->loop, &client->reload);
    list_remove(&client->link);
    control_conn_free(client->conn);
    free(client);
}

static void on_client(void *ctx, unsigned ready)
{
    struct control_client *client = ctx;
    struct err err;
    enum rc rc = control_conn_flush(client->conn, &err);

    (void) ready;
    if (rc == RC_OK || rc == RC_MORE)
        rc = control_serve(client->conn, verbs, COUNT(verbs), client->sup, &err);
    if (rc) {
        client_free(client);
        return;
    }
    want(client);
}

static void add_client(struct supervisor *sup, struct control_conn *conn)
{
    struct control_client *client = xcalloc(1, sizeof(*client));
    struct err err;

    client->sup = sup;
    client->conn = conn;
    list_push_back(&sup->control_conns, &client->link);
    if (loop_add(sup->loop, &client->watch, control_conn_fd(conn), LOOP_IN, on_client, client,
                 &err)) {
        log_event(LEVEL_ERROR, "control.accept", LOG_ERR(&err));
        client_free(client);
    }
}

static void on_door(void *ctx, unsigned ready)
{
    struct supervisor *sup = ctx;
    struct control_conn *conn;
    struct err err;
    enum rc rc;

    (void) ready;
    rc = control_accept(sup->control.fd, NO_EXTRA_UID, CONTROL_QUEUE, &conn, &err);
    if (rc == RC_OK)
        add_client(sup, conn);
    else if (rc != RC_MORE)
        log_event(LEVEL_WARNING, "control.accept", LOG_ERR(&err));
}

enum rc supervisor_control_start(struct supervisor *sup, struct err *err)
{
    for (size_t i = 0; i < sup->doors.n; i++) {
        const struct door *door = &sup->doors.list[i];

        if (door->kind == LISTENER_CONTROL && door->role == ROLE_SUPERVISOR)
            return loop_add(sup->loop, &sup->control, door->fd, LOOP_IN, on_door, sup, err);
    }
    return err_set(err, RC_NOT_FOUND, "Internal error", "no control socket");
}

void supervisor_control_stop(struct supervisor *sup)
{
    LIST_FOREACH(it, &sup->control_conns)
    {
        client_free(LINK_OWNER(it, struct control_client, link));
    }
    loop_remove(sup->loop, &sup->control);
}
