/* supervisor_child.c - one process of a role: spawned, given what it needs, heard, buried. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/log.h"
#include "roles/role_table.h"
#include "roles/supervisor.h"

#define HEARD_AT_ONCE 64u /* messages of one process; then others have their turn */

/* Who has a channel to whom; the log has one from everybody besides. */
static const struct {
    enum role a, b;
} wires[] = {
    {ROLE_GATE, ROLE_AUTH  },
    {ROLE_GATE, ROLE_MAIL  },
    {ROLE_WEB,  ROLE_AUTH  },
    {ROLE_GATE, ROLE_KEYS  },
    {ROLE_WEB,  ROLE_KEYS  },
    {ROLE_AUTH, ROLE_MAIL  },
    {ROLE_AUTH, ROLE_IDP   },
    {ROLE_AUTH, ROLE_GSS   },
    {ROLE_MAIL, ROLE_DIGEST},
};

static bool are_wired(enum role a, enum role b)
{
    if (a == b)
        return false;
    if (a == ROLE_LOG || b == ROLE_LOG)
        return true;
    for (size_t i = 0; i < COUNT(wires); i++) {
        if ((wires[i].a == a && wires[i].b == b) || (wires[i].a == b && wires[i].b == a))
            return true;
    }
    return false;
}

static void set_wants(struct child *child)
{
    if (child->watch.added)
        loop_want(child->sup->loop, &child->watch,
                  LOOP_IN | (channel_wants_write(child->channel) ? LOOP_OUT : 0u));
}

/* A post that fails is noticed by the end of the process: it does not read, or is gone. */
void child_post(struct child *child, const struct msg *msg, const int *fds)
{
    struct err err;

    if (child->channel == NULL)
        return;
    if (channel_post(child->channel, msg, fds, &err))
        log_event(LEVEL_WARNING, "role.post", LOG_STR("role", role_name(child->role)),
                  LOG_STR("message", msg_name(msg->type)), LOG_ERR(&err));
    set_wants(child);
}

static void post_peer(struct child *child, enum role role, uint16_t index, uint32_t instance,
                      int fd)
{
    struct msg msg = {
        .type = MSG_PEER,
        .peer = {.role = (uint8_t) role, .index = index, .instance = instance}
    };

    child_post(child, &msg, &fd);
}

static enum rc wire(struct child *a, struct child *b, struct err *err)
{
    int ends[2];
    enum rc rc = channel_pair(ends, err);

    if (rc)
        return rc;
    post_peer(a, b->role, b->index, b->instance, ends[0]);
    post_peer(b, a->role, a->index, a->instance, ends[1]);
    (void) close(ends[0]); /* sent, or duplicated in the queue */
    (void) close(ends[1]);
    return RC_OK;
}

static enum rc wire_all(struct child *child, struct err *err)
{
    struct supervisor *sup = child->sup;

    for (size_t i = 0; i < sup->n_children; i++) {
        struct child *other = &sup->children[i];
        enum rc rc;

        if (other->channel == NULL || !are_wired(child->role, other->role))
            continue;
        rc = wire(child, other, err);
        if (rc)
            return rc;
    }
    return RC_OK;
}

/* The supervisor logs like the other roles do. */
static enum rc wire_own_log(struct child *log, struct err *err)
{
    int ends[2];
    enum rc rc = channel_pair(ends, err);

    if (rc)
        return rc;
    post_peer(log, ROLE_SUPERVISOR, 0, 0, ends[0]);
    (void) close(ends[0]); /* sent, or duplicated in the queue */
    log_sink_attach(log->sup->sink, ends[1]);
    return RC_OK;
}

static void post_listeners(struct child *child)
{
    const struct doors *doors = &child->sup->doors;

    for (size_t i = 0; i < doors->n; i++) {
        const struct door *door = &doors->list[i];
        struct msg msg = {
            .type = MSG_LISTENER,
            .listener = {.kind = (uint8_t) door->kind,
                         .flags = door->flags,
                         .address = door->address,
                         .name = slice_from_str(door->name)}
        };

        if (door->role == child->role)
            child_post(child, &msg, &door->fd);
    }
}

static void post_quarantine(struct child *child)
{
    size_t n;
    const uint64_t *accounts = quarantine_list(child->sup->quarantine, &n);

    for (size_t i = 0; i < n; i++) {
        struct msg msg = {
            .type = MSG_QUARANTINE, .quarantine = {.account = accounts[i], .on = 1}
        };

        child_post(child, &msg, NULL);
    }
}

/* One seed for all: a client that comes back resumes its session at whichever gate it meets. */
static void post_tickets(struct child *gate)
{
    struct tls_ticket_seed *seed = &gate->sup->tickets;
    struct msg msg = {.type = MSG_TICKETS};

    _Static_assert(sizeof(msg.tickets.secret) == TLS_TICKET_SECRET_BYTES, "a seed's secret");
    tls_ticket_seed_advance(seed);
    memcpy(msg.tickets.secret, seed->secret, sizeof(msg.tickets.secret));
    msg.tickets.period = seed->period;
    child_post(gate, &msg, NULL);
    explicit_bzero(&msg, sizeof(msg));
}

void child_post_start(struct child *child)
{
    struct msg start = {
        .type = MSG_START,
        .start = {.n_gates = child->sup->n_gates,
                  .log_level = (uint8_t) log_level_of(reloaded_config(child->sup)->log_level)}
    };

    if (role_serves_tls(child->role))
        certs_post(child);
    child_post(child, &start, NULL);
}

static enum rc post_everything(struct child *child, struct err *err)
{
    const struct supervisor *sup = child->sup;
    struct msg config = {
        .type = MSG_CONFIG, .config = {.instance = child->instance, .length = sup->config_len}
    };
    struct msg page = {.type = MSG_CRASH_PAGE, .crash_page = {.slots = CRASH_PAGE_SLOTS}};
    enum rc rc;

    child_post(child, &config, &sup->config_fd);
    post_listeners(child);
    if (child->role == ROLE_GATE)
        post_tickets(child);
    if (child->role == ROLE_KEYS)
        certs_post_keys(child);
    if (child->role == ROLE_MAIL) {
        child_post(child, &page, &sup->crash_page_fd);
        post_quarantine(child);
    }
    rc = wire_all(child, err);
    if (rc == RC_OK && child->role == ROLE_LOG)
        rc = wire_own_log(child, err);
    if (rc)
        return rc;
    if (!certs_hold_back(child))
        child_post_start(child);
    return RC_OK;
}

/* In the new process, between fork and exec: only calls that are safe there. */
_Noreturn static void run_role(int fd, char *const argv[])
{
    sigset_t none;

    (void) sigemptyset(&none);
    (void) sigprocmask(SIG_SETMASK, &none, NULL);
    (void)
        setsid(); /* a terminal's Ctrl-C is the supervisor's, which ends the roles in order */
    if (fd == ROLE_SUPERVISOR_FD ? fcntl(fd, F_SETFD, 0) != 0
                                 : dup2(fd, ROLE_SUPERVISOR_FD) != ROLE_SUPERVISOR_FD)
        _exit(127);
    (void) execv("/proc/self/exe", argv);
    _exit(127);
}

static void hear(struct child *child, const struct packet *packet)
{
    switch (packet->msg.type) {
    case MSG_READY:
        supervisor_child_ready(child, packet->msg.ready.sandbox);
        break;
    case MSG_FAILED:
        supervisor_child_failed(child, (enum rc) packet->msg.failed.rc,
                                packet->msg.failed.text);
        break;
    case MSG_KEYS_LOADED:
        certs_heard(child, &packet->msg.keys_loaded);
        break;
    case MSG_RELOADED:
        reload_heard(child, &packet->msg.reloaded);
        break;
    case MSG_ALIVE:
        supervisor_alive_heard(child, packet->msg.alive.number);
        break;
    case MSG_SHIP_STATE:
        child->ship = packet->msg.ship_state;
        (void) snprintf(child->ship_error, sizeof(child->ship_error), "%.*s",
                        SLICE_ARG(child->ship.error));
        child->ship.error = slice_from_str(child->ship_error);
        break;
    case MSG_PAM_START:
        supervisor_pam_start(child, &packet->msg.pam_start);
        break;
    case MSG_PAM_STOP:
        supervisor_pam_stop(child, packet->msg.pam_stop.request);
        break;
    default: /* the decoder lets nothing else through to the supervisor */
        break;
    }
}

static void on_child(void *ctx, unsigned ready)
{
    struct child *child = ctx;
    struct packet *packet;
    struct err err;
    enum rc rc = channel_flush(child->channel, &err);

    (void) ready;
    for (unsigned i = 0; i < HEARD_AT_ONCE && (rc == RC_OK || rc == RC_MORE); i++) {
        rc = channel_take(child->channel, &packet, &err);
        if (rc != RC_OK)
            break;
        hear(child, packet);
    }
    if (rc == RC_OK || rc == RC_MORE) {
        set_wants(child);
        return;
    }
    loop_remove(child->sup->loop, &child->watch); /* SIGCHLD tells the rest */
    if (rc != RC_UNAVAILABLE) {
        log_event(LEVEL_ERROR, "role.channel", LOG_STR("role", role_name(child->role)),
                  LOG_ERR(&err));
        (void) kill(child->pid, SIGKILL); /* it is not reaped yet, so the pid is its own */
    }
}

/* It has ended; what it said last may not be read yet. */
static void hear_last_words(struct child *child)
{
    struct packet *packet;
    struct err err;

    while (child->channel != NULL && channel_take(child->channel, &packet, &err) == RC_OK)
        hear(child, packet);
}

void child_gone(struct child *child)
{
    hear_last_words(child);
    loop_remove(child->sup->loop, &child->watch);
    channel_free(child->channel);
    child->channel = NULL;
    child->pid = 0;
    child->ship.connected = 0;
    child->asked_us = 0;
    child->state = CHILD_DOWN;
    reload_lost(child);
}

enum rc child_spawn(struct child *child, struct err *err)
{
    char self[] = "roost", role_option[] = "--role", index_option[] = "--index";
    char name[32], index[16];
    char *const argv[] = {self, role_option, name, index_option, index, NULL};
    int ends[2];
    enum rc rc = channel_pair(ends, err);

    if (rc)
        return rc;
    (void) snprintf(name, sizeof(name), "%s", role_name(child->role));
    (void) snprintf(index, sizeof(index), "%u", child->index);
    child->pid = fork();
    if (child->pid == 0)
        run_role(ends[1], argv);
    (void) close(ends[1]); /* the child's */
    if (child->pid < 0) {
        child->pid = 0;
        (void) close(ends[0]); /* never used */
        return err_set(err, RC_IO, "Internal error", "fork: %s", strerror(errno));
    }
    child->state = CHILD_STARTING;
    child->instance = ++child->sup->last_instance;
    child->started_us = clock_mono_us();
    child->channel = channel_new(ends[0], ROLE_SUPERVISOR, child->role);
    rc = loop_add(child->sup->loop, &child->watch, ends[0], LOOP_IN, on_child, child, err);
    if (rc == RC_OK)
        rc = post_everything(child, err);
    if (rc)
        (void) kill(child->pid, SIGKILL); /* it is reaped like any other that dies */
    return rc;
}

void children_post(struct supervisor *sup, enum role role, const struct msg *msg)
{
    for (size_t i = 0; i < sup->n_children; i++) {
        struct child *child = &sup->children[i];

        if (child->role == role && child->channel != NULL)
            child_post(child, msg, NULL);
    }
}
