#include "roles/role.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "config/config.h"
#include "roles/gss_krb5.h"
#include "roles/log_sink.h"
#include "roles/role_table.h"
#include "roles/ship_address.h"
#include "sandbox/sandbox.h"

#define START_TIMEOUT_MS 30000 /* the supervisor sends everything at once */
#define LOG_DRAIN_MS     1000
#define ROLE_STATE_BYTES 256u
#define ROLE_PATH_BYTES  4096u
#define ROLE_FILES_MAX   4u /* configured files of one role */

static struct slice keep_slice(struct slice s)
{
    char *copy = xmalloc(s.len + 1);

    memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return slice_of(copy, s.len);
}

static int take_fd(struct packet *packet)
{
    int fd = packet->fds[0];

    packet->fds[0] = -1;
    return fd;
}

/* ---- what comes before START ---- */

static enum rc on_config(struct role_start *start, const struct packet *packet, struct err *err)
{
    uint64_t len = packet->msg.config.length;
    struct config *config;
    struct stat st;
    void *mem;
    enum rc rc;

    if (len == 0 || len > CONFIG_BLOB_MAX_BYTES || fstat(packet->fds[0], &st) != 0 ||
        (uint64_t) st.st_size < len)
        return err_set(err, RC_INVALID, "Internal error", "configuration: bad length");
    mem = mmap(NULL, (size_t) len, PROT_READ, MAP_PRIVATE, packet->fds[0], 0);
    if (mem == MAP_FAILED)
        return err_set(err, RC_IO, "Internal error", "configuration: %s", strerror(errno));
    rc = config_decode(slice_of(mem, (size_t) len), &config, err);
    (void) munmap(mem, (size_t) len); /* decoded values are copies */
    if (rc)
        return rc;
    start->config = config;
    start->instance = packet->msg.config.instance;
    return RC_OK;
}

static enum rc on_listener(struct role_start *start, struct packet *packet, struct err *err)
{
    const struct msg_listener *msg = &packet->msg.listener;

    if (start->n_listeners == ROLE_LISTENERS_MAX)
        return err_set(err, RC_LIMIT, "Internal error", "more than %u listeners",
                       ROLE_LISTENERS_MAX);
    start->listeners[start->n_listeners++] =
        (struct role_listener){.kind = (enum listener_kind) msg->kind,
                               .flags = msg->flags,
                               .address = msg->address,
                               .name = keep_slice(msg->name),
                               .fd = take_fd(packet)};
    return RC_OK;
}

static struct role_peer peer_from(struct packet *packet)
{
    const struct msg_peer *msg = &packet->msg.peer;

    return (struct role_peer){.role = (enum role) msg->role,
                              .index = msg->index,
                              .instance = msg->instance,
                              .fd = take_fd(packet)};
}

static enum rc on_peer(struct role_start *start, struct packet *packet, struct err *err)
{
    if (packet->msg.peer.role >= ROLE_COUNT)
        return err_set(err, RC_INVALID, "Internal error", "no such peer");
    if (packet->msg.peer.role == ROLE_LOG && start->sink != NULL) {
        log_sink_attach(start->sink, take_fd(packet));
        return RC_OK;
    }
    if (start->n_peers == ROLE_PEERS_MAX)
        return err_set(err, RC_LIMIT, "Internal error", "more than %u peers", ROLE_PEERS_MAX);
    start->peers[start->n_peers++] = peer_from(packet);
    return RC_OK;
}

static void forget_cert(struct role_cert *cert)
{
    free((char *) (uintptr_t) cert->staple.ptr);
    free((char *) (uintptr_t) cert->chain.ptr);
    free((char *) (uintptr_t) cert->key_name.ptr);
    free((char *) (uintptr_t) cert->name.ptr);
    if (cert->key_fd > 0)
        (void) close(cert->key_fd); /* read only */
    *cert = (struct role_cert){0};
}

/* One of a set. True when the set is complete: it then stands in start->certs. */
static bool add_cert(struct role_start *start, uint16_t at, uint16_t count,
                     const struct role_cert *cert)
{
    forget_cert(&start->new_certs[at]);
    start->new_certs[at] = *cert;
    if (at + 1u < count)
        return false;
    role_forget_certs(start);
    memcpy(start->certs, start->new_certs, sizeof(start->certs));
    memset(start->new_certs, 0, sizeof(start->certs));
    start->n_certs = count;
    return true;
}

static bool on_cert(struct role_start *start, const struct msg_cert *msg)
{
    struct role_cert cert;

    if (msg->count > ROLE_CERTS_MAX || msg->at >= msg->count)
        return false;
    cert = (struct role_cert){.name = keep_slice(msg->name),
                              .chain = keep_slice(msg->chain),
                              .staple = keep_slice(msg->staple)};
    return add_cert(start, msg->at, msg->count, &cert);
}

static bool on_key(struct role_start *start, struct packet *packet)
{
    const struct msg_key *msg = &packet->msg.key;
    struct role_cert cert;

    if (msg->count > ROLE_CERTS_MAX || msg->at >= msg->count)
        return false;
    cert = (struct role_cert){.name = keep_slice(msg->name),
                              .key_name = keep_slice(msg->key_name),
                              .chain = keep_slice(msg->chain),
                              .key_fd = take_fd(packet)};
    start->certs_generation = msg->generation;
    return add_cert(start, msg->at, msg->count, &cert);
}

void role_forget_certs(struct role_start *start)
{
    for (size_t i = 0; i < start->n_certs; i++)
        forget_cert(&start->certs[i]);
    start->n_certs = 0;
}

static enum rc on_quarantine(struct role_start *start, const struct msg_quarantine *msg,
                             struct err *err)
{
    if (start->n_quarantined == ROLE_QUARANTINE_MAX)
        return err_set(err, RC_LIMIT, "Internal error", "more than %u accounts in quarantine",
                       ROLE_QUARANTINE_MAX);
    start->quarantined[start->n_quarantined++] = msg->account;
    return RC_OK;
}

static enum rc before_start(struct role_start *start, struct packet *packet, struct err *err)
{
    switch (packet->msg.type) {
    case MSG_CONFIG:
        return on_config(start, packet, err);
    case MSG_LISTENER:
        return on_listener(start, packet, err);
    case MSG_PEER:
        return on_peer(start, packet, err);
    case MSG_CERT:
        (void) on_cert(start, &packet->msg.cert);
        return RC_OK;
    case MSG_KEY:
        (void) on_key(start, packet);
        return RC_OK;
    case MSG_TICKETS:
        memcpy(start->tickets.secret, packet->msg.tickets.secret,
               sizeof(start->tickets.secret));
        start->tickets.period = packet->msg.tickets.period;
        start->has_tickets = true;
        return RC_OK;
    case MSG_CRASH_PAGE:
        return crash_page_open(packet->fds[0], &start->crash_page, err);
    case MSG_QUARANTINE:
        return on_quarantine(start, &packet->msg.quarantine, err);
    default: /* message_table.h has many types that come from others, or later */
        return err_set(err, RC_INVALID, "Internal error", "%s before START",
                       msg_name(packet->msg.type));
    }
}

/* What is audited is told whatever is logged; the log role leaves out the rest. */
static void take_log_level(struct role_start *start, uint8_t level)
{
    start->log_level = level < LEVEL_COUNT ? (enum log_level) level : LEVEL_INFO;
    log_set_level(MIN(start->log_level, LEVEL_INFO));
}

static enum rc gather(struct role_start *start, struct err *err)
{
    for (;;) {
        struct packet *packet;
        enum rc rc = channel_wait(start->supervisor, START_TIMEOUT_MS, &packet, err);

        if (rc == RC_MORE)
            return err_set(err, RC_UNAVAILABLE, "Internal error", "the supervisor is silent");
        if (rc)
            return rc;
        if (packet->msg.type == MSG_SHUTDOWN)
            _exit(0); /* before there is anything to end */
        if (packet->msg.type == MSG_START) {
            start->n_gates = packet->msg.start.n_gates;
            take_log_level(start, packet->msg.start.log_level);
            break;
        }
        rc = before_start(start, packet, err);
        if (rc)
            return rc;
    }
    if (start->config == NULL)
        return err_set(err, RC_INVALID, "Internal error", "START without configuration");
    return RC_OK;
}

/* ---- privileges ---- */

static enum rc become_user(const struct role_start *start, struct err *err)
{
    char user[ROLE_STATE_BYTES];

    if (geteuid() != 0 || start->config->user_prefix[0] == '\0')
        return RC_OK;
    (void) snprintf(user, sizeof(user), "%s-%s", start->config->user_prefix,
                    role_name(start->role));
    return sandbox_change_user(user, err);
}

/* A path below the data directory, or the folder a configured file lies in. */
struct role_paths {
    char data[ROLE_PATH_BYTES];
    char file[ROLE_FILES_MAX][ROLE_PATH_BYTES];
    size_t n_files;
};

static const char *data_path(const struct role_start *start, const char *name,
                             struct role_paths *paths)
{
    (void) snprintf(paths->data, sizeof(paths->data), "%s/%s", start->config->data_dir, name);
    return paths->data;
}

static const char *folder_of(const char *file, struct role_paths *paths)
{
    char *room = paths->file[paths->n_files++];

    assert(paths->n_files <= ROLE_FILES_MAX);
    (void) snprintf(room, ROLE_PATH_BYTES, "%s", file);
    return dirname(room);
}

static struct sandbox_rules rules_of(const struct role_start *start, struct role_paths *paths)
{
    const struct config *config = start->config;
    struct sandbox_rules rules = {.best_effort = config->sandbox == SANDBOX_BEST_EFFORT};

    switch (start->role) {
    case ROLE_GATE:
        rules.kind = SANDBOX_GATE;
        break;
    case ROLE_AUTH:
        rules.kind = SANDBOX_AUTH;
        sandbox_allow(&rules, data_path(start, ROLE_AUTH_DIR, paths), SANDBOX_WRITE);
        if (config->passwd_file[0] != '\0')
            sandbox_allow(&rules, folder_of(config->passwd_file, paths), SANDBOX_READ);
        if (config->client_ca[0] != '\0')
            sandbox_allow(&rules, folder_of(config->client_ca, paths), SANDBOX_READ);
        if (config->policy_file[0] != '\0')
            sandbox_allow(&rules, folder_of(config->policy_file, paths), SANDBOX_READ);
        if (config->client_crl[0] != '\0')
            sandbox_allow(&rules, folder_of(config->client_crl, paths), SANDBOX_READ);
        break;
    case ROLE_MAIL:
        rules.kind = SANDBOX_MAIL;
        sandbox_allow(&rules, data_path(start, ROLE_MAIL_DIR, paths), SANDBOX_WRITE);
        break;
    case ROLE_DIGEST:
        rules.kind = SANDBOX_DIGEST;
        break;
    case ROLE_LOG:
        rules.kind = SANDBOX_LOG;
        sandbox_allow(&rules, data_path(start, ROLE_LOG_DIR, paths), SANDBOX_WRITE);
        if (slice_starts(slice_from_str(config->log), SLICE("file:")))
            sandbox_allow(&rules, folder_of(config->log + strlen("file:"), paths),
                          SANDBOX_WRITE);
        break;
    case ROLE_WEB:
        rules.kind = SANDBOX_WEB;
        break;
    case ROLE_KEYS:
        rules.kind = SANDBOX_KEYS;
        break;
    case ROLE_IDP:
        rules = *start->needs;
        rules.kind = SANDBOX_IDP;
        rules.best_effort = config->sandbox == SANDBOX_BEST_EFFORT;
        break;
    case ROLE_GSS:
        rules.kind = SANDBOX_GSS;
        sandbox_allow(&rules, data_path(start, ROLE_GSS_DIR, paths), SANDBOX_WRITE);
        sandbox_allow(&rules, folder_of(config->gssapi_keytab, paths), SANDBOX_READ);
        sandbox_allow(&rules, GSS_NO_CONFIGURATION, SANDBOX_READ); /* for each ticket anew */
        break;
    case ROLE_SHIP:
        rules.kind = SANDBOX_SHIP;
        sandbox_allow(&rules, data_path(start, ROLE_SHIP_DIR, paths), SANDBOX_WRITE);
        (void) snprintf(paths->file[0], sizeof(paths->file[0]), "%s/" ROLE_LOG_DIR,
                        config->data_dir);
        sandbox_allow(&rules, paths->file[0], SANDBOX_READ);
        sandbox_allow_port(&rules, ship_port(config));
        break;
    case ROLE_SUPERVISOR:
        die("the supervisor is not confined");
    }
    return rules;
}

enum rc role_confine(struct role_start *start, struct err *err)
{
    AUTO(buf_done) struct buf state = {0};
    AUTO(freep) struct role_paths *paths = xcalloc(1, sizeof(*paths));
    struct sandbox_rules rules = rules_of(start, paths);
    struct msg ready = {.type = MSG_READY};
    enum rc rc;

    buf_init(&state, ROLE_STATE_BYTES);
    buf_printf(&state, "uid %u, ", (unsigned) geteuid());
    rc = sandbox_enter(&rules, &state, err);
    if (rc) {
        role_failed(start, err);
        return rc;
    }
    ready.ready.sandbox = buf_slice(&state);
    return channel_post(start->supervisor, &ready, NULL, err);
}

void role_failed(struct role_start *start, const struct err *err)
{
    struct msg failed = {.type = MSG_FAILED, .failed = {.rc = (uint8_t) err->rc}};

    failed.failed.text = slice_sub(slice_from_str(err->detail), 0, MSG_TEXT_MAX);
    if (channel_send(start->supervisor, &failed, NULL, START_TIMEOUT_MS, NULL) != RC_OK)
        (void) fprintf(stderr, "roost %s: %s\n", role_name(start->role), err->detail);
}

/* As many descriptors as we may have: a connection is one or two. */
static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void) setrlimit(RLIMIT_NOFILE, &limit); /* the lower limit then holds */
}

static enum rc prepare(struct role_start *start, struct err *err)
{
    enum rc rc = gather(start, err);

    if (rc)
        return rc;
    tzset(); /* reads /etc/localtime while it may */
    raise_file_limit();
    rc = become_user(start, err);
    if (rc)
        return rc;
    return sandbox_harden(err);
}

/* What the role took (descriptors of peers and listeners) it has closed. */
static void forget_start(struct role_start *start)
{
    for (size_t i = 0; i < start->n_listeners; i++)
        free((char *) (uintptr_t) start->listeners[i].name.ptr);
    role_forget_certs(start);
    for (size_t i = 0; i < ROLE_CERTS_MAX; i++)
        forget_cert(&start->new_certs[i]);
    free(start->new_certs);
    crash_page_free(start->crash_page);
    config_free(start->config);
    channel_free(start->supervisor);
    log_sink_free(start->sink);
    free(start);
}

int role_main(enum role role, uint16_t index)
{
    struct role_start *start = xcalloc(1, sizeof(*start));
    role_fn *fn = role_table[role];
    struct err err = {0};
    int status = 1;

    if (fn == NULL || fcntl(ROLE_SUPERVISOR_FD, F_SETFD, FD_CLOEXEC) != 0) {
        (void) fprintf(stderr, "roost --role is for the supervisor\n");
        free(start);
        return 2;
    }
    (void) signal(SIGPIPE, SIG_IGN); /* cannot fail for SIGPIPE */
    start->role = role;
    start->index = index;
    start->supervisor = channel_new(ROLE_SUPERVISOR_FD, role, ROLE_SUPERVISOR);
    start->new_certs = xcalloc(ROLE_CERTS_MAX, sizeof(*start->new_certs));
    start->sink = role == ROLE_LOG ? NULL : log_sink_new(role);
    if (prepare(start, &err))
        role_failed(start, &err);
    else
        status = fn(start);
    if (start->sink != NULL)
        log_sink_drain(start->sink, LOG_DRAIN_MS);
    forget_start(start);
    return status;
}

/* ---- while it runs ---- */

static void on_new_peer(struct role_start *start, struct packet *packet,
                        const struct role_events *events, void *ctx)
{
    struct role_peer peer;

    if (packet->msg.peer.role == ROLE_LOG && start->sink != NULL) {
        log_sink_attach(start->sink, take_fd(packet));
        return;
    }
    if (events->peer == NULL || packet->msg.peer.role >= ROLE_COUNT)
        return; /* the next take closes the descriptor */
    peer = peer_from(packet);
    events->peer(ctx, &peer);
}

static void reload(struct role_start *start, const struct msg_reload *asked,
                   const struct role_events *events, void *ctx)
{
    struct err why = {0}, err;
    struct msg msg = {.type = MSG_RELOADED, .reloaded = {.number = asked->number}};

    take_log_level(start, asked->log_level);
    if (events->reload != NULL)
        msg.reloaded.rc = (uint8_t) events->reload(ctx, &why);
    if (msg.reloaded.rc != RC_OK)
        msg.reloaded.text = slice_sub(slice_from_str(why.detail), 0, MSG_TEXT_MAX);
    if (channel_post(start->supervisor, &msg, NULL, &err) != RC_OK)
        log_event(LEVEL_ERROR, "role.reloaded", LOG_ERR(&err));
}

static void dispatch(struct role_start *start, struct packet *packet,
                     const struct role_events *events, void *ctx)
{
    const struct msg *msg = &packet->msg;
    struct err err;

    switch (msg->type) {
    case MSG_PEER:
        on_new_peer(start, packet, events, ctx);
        break;
    case MSG_CERT:
        if (on_cert(start, &msg->cert) && events->certs != NULL)
            events->certs(ctx, start->certs, start->n_certs);
        break;
    case MSG_KEY:
        if (on_key(start, packet) && events->certs != NULL)
            events->certs(ctx, start->certs, start->n_certs);
        break;
    case MSG_RELOAD:
        reload(start, &msg->reload, events, ctx);
        break;
    case MSG_QUARANTINE:
        if (events->quarantine != NULL)
            events->quarantine(ctx, msg->quarantine.account, msg->quarantine.on != 0);
        break;
    case MSG_PAM_HELPER:
        if (events->pam_helper != NULL)
            events->pam_helper(ctx, msg->pam_helper.request, take_fd(packet));
        break;
    case MSG_ALIVE:
        if (channel_post(start->supervisor, msg, NULL, &err) != RC_OK)
            log_event(LEVEL_ERROR, "role.alive", LOG_ERR(&err));
        break;
    case MSG_SHUTDOWN:
        events->shutdown(ctx, msg->shutdown.fast != 0);
        break;
    default: /* the table has many types; none of the others means anything now */
        log_event(LEVEL_WARNING, "role.message", LOG_STR("type", msg_name(msg->type)));
        break;
    }
}

void role_supervisor_ready(struct role_start *start, const struct role_events *events,
                           void *ctx)
{
    struct packet *packet;
    struct err err;
    enum rc rc = channel_flush(start->supervisor, &err);

    while (rc == RC_OK || rc == RC_MORE) {
        rc = channel_take(start->supervisor, &packet, &err);
        if (rc == RC_MORE)
            return;
        if (rc == RC_OK)
            dispatch(start, packet, events, ctx);
    }
    log_event(LEVEL_ERROR, "role.supervisor_gone", LOG_ERR(&err));
    _exit(1); /* nothing may outlive the supervisor; durable state never waits for an end */
}

int role_take_peer(struct role_start *start, enum role role, uint16_t index,
                   uint32_t *out_instance)
{
    for (size_t i = 0; i < start->n_peers; i++) {
        struct role_peer *peer = &start->peers[i];

        if (peer->role == role && peer->index == index && peer->fd >= 0) {
            int fd = peer->fd;

            if (out_instance != NULL)
                *out_instance = peer->instance;
            peer->fd = -1;
            return fd;
        }
    }
    return -1;
}
