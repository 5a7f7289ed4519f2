/*
 * log.c - the log role: one line an event, stamped with the sender's role by the socket it came
 * on.
 *
 * Each other role has a channel to it; a channel that breaks is dropped until the supervisor
 * brings a new one. Lines of one turn of the loop are written together, and between two turns
 * with lines the role sleeps for a moment: events gather in the sockets, whose senders then
 * wake nobody. What is in a socket outlives its sender.
 *
 * Events of the catalogue (events/catalogue.h) go to the audit log as well, whatever log_level
 * says.
 */
#include <time.h>

#include "base/list.h"
#include "config/config.h"
#include "events/audit_log.h"
#include "events/ecs.h"
#include "events/log_line.h"
#include "ipc/log_pack.h"
#include "net/loop.h"
#include "roles/log_out.h"
#include "roles/role.h"

#define SENDER_BURST 256u /* events taken from one sender before the next has its turn */
#define PATH_BYTES   4096u
/* A socket takes some hundred events; more wait in the sender. So the pause is shorter while
 * many come. */
#define GATHER_NS      (20L * 1000 * 1000)
#define GATHER_MANY_NS (5L * 1000 * 1000)
#define MANY_EVENTS    64u /* in one turn of the loop */

struct sender {
    struct link link;
    struct log_role *log;
    struct channel *channel;
    struct loop_fd watch;
    enum role role;
    uint64_t keeps, told; /* the last event that it keeps, and the last it was told of */
    bool told_fails;      /* and that later ones wait */
};

struct log_role {
    struct role_start *start;
    struct loop *loop;
    struct loop_fd supervisor;
    struct loop_call flush;
    struct log_out *out;
    struct list senders;
    unsigned n_events; /* in this turn of the loop */
    bool json;
    struct audit_log *audit; /* NULL before it is open */
    struct timer sync;
    bool audit_fails; /* and it was said */
};

static void own_event(struct log_role *log, const char *name, const struct err *err);

/* Said once, until all is durable again: each event would be another line. */
static void audit_failed(struct log_role *log, const struct err *err)
{
    if (log->audit_fails)
        return;
    log->audit_fails = true;
    own_event(log, "audit.failed", err);
}

static enum rc sync_audit(struct log_role *log)
{
    struct err err;
    enum rc rc = audit_log_sync(log->audit, &err);

    if (rc)
        audit_failed(log, &err);
    else
        log->audit_fails = false;
    return rc;
}

static void on_sync(void *ctx)
{
    (void) sync_audit(ctx);
}

/* A flood of events costs the disk no more syncs than a few do. */
static void flush_audit(struct log_role *log)
{
    struct err err;
    enum rc rc;

    if (log->audit == NULL || audit_log_unsynced(log->audit) == 0)
        return;
    rc = audit_log_unsigned(log->audit) >= AUDIT_UNSIGNED_MAX
             ? audit_log_sign(log->audit, &err)
             : audit_log_flush(log->audit, &err);
    if (rc)
        audit_failed(log, &err);
    if (!timer_is_running(&log->sync))
        timer_start(log->loop, &log->sync, AUDIT_UNSYNCED_USECS, on_sync, log);
}

static void tell_keeper(struct sender *sender, bool fails)
{
    struct msg msg = {
        .type = MSG_LOG_KEPT,
        .log_kept = {.keep = fails ? sender->told : sender->keeps, .fails = fails}
    };

    if (sender->keeps == sender->told || (fails && sender->told_fails) ||
        channel_post(sender->channel, &msg, NULL, NULL) != RC_OK)
        return;
    sender->told = msg.log_kept.keep;
    sender->told_fails = fails;
}

/* Only what is signed and synced is durable. */
static void answer_keepers(struct log_role *log)
{
    bool waits = false, fails;

    LIST_FOREACH(it, &log->senders)
    {
        const struct sender *sender = LINK_OWNER(it, struct sender, link);

        waits = waits || sender->keeps != sender->told;
    }
    if (!waits || log->audit == NULL)
        return;
    fails = sync_audit(log) != RC_OK; /* then again with the next lines */
    LIST_FOREACH(it, &log->senders)
    {
        tell_keeper(LINK_OWNER(it, struct sender, link), fails);
    }
}

static void flush_lines(void *ctx)
{
    struct log_role *log = ctx;
    struct timespec gather = {.tv_nsec =
                                  log->n_events < MANY_EVENTS ? GATHER_NS : GATHER_MANY_NS};

    log->n_events = 0;
    log_out_flush(log->out);
    answer_keepers(log);
    flush_audit(log);
    (void) nanosleep(&gather, NULL); /* a signal may shorten it */
}

static void write_line(struct log_role *log, enum role role, const struct msg_log_event *event)
{
    AUTO(buf_done) struct buf line = {0};
    enum log_level level =
        event->level < LEVEL_COUNT ? (enum log_level) event->level : LEVEL_ERROR;

    if (level < log->start->log_level)
        return;
    buf_init(&line, LOG_LINE_MAX_BYTES);
    if (log->json)
        log_line_json(&line, role_name(role), event);
    else
        log_line_text(&line, role_name(role), event);
    log_out_line(log->out, level, buf_slice(&line));
}

static void audit_event(struct log_role *log, enum role role, const struct msg_log_event *event)
{
    AUTO(buf_done) struct buf members = {0};
    const struct audited *what = audited_find(event->event);

    if (what == NULL || log->audit == NULL)
        return;
    buf_init(&members, LOG_LINE_MAX_BYTES);
    ecs_members(&members, role_name(role), event, what);
    if (event->keep > 0)
        audit_log_add_kept(log->audit, buf_slice(&members));
    else
        audit_log_add(log->audit, buf_slice(&members));
}

static void write_event(struct log_role *log, enum role role, const struct msg_log_event *event)
{
    write_line(log, role, event);
    audit_event(log, role, event);
    log->n_events++;
    loop_defer(log->loop, &log->flush, flush_lines, log);
}

static void own_event(struct log_role *log, const char *name, const struct err *err)
{
    AUTO(buf_done) struct buf packed = {0};
    const struct log_field fields[] = {LOG_ERR(err)};
    struct msg_log_event event = {.level = LEVEL_ERROR,
                                  .time_us = (uint64_t) clock_wall_us(),
                                  .event = slice_from_str(name)};

    buf_init(&packed, MSG_FIELDS_MAX);
    log_pack(&packed, fields, COUNT(fields));
    event.fields = buf_slice(&packed);
    write_event(log, ROLE_LOG, &event);
}

static void sender_free(struct sender *sender)
{
    loop_remove(sender->log->loop, &sender->watch);
    list_remove(&sender->link);
    channel_free(sender->channel);
    free(sender);
}

static void on_events(void *ctx, unsigned ready)
{
    struct sender *sender = ctx;
    struct packet *packet;
    struct err err;
    enum rc rc = RC_OK;

    (void) ready;
    for (unsigned i = 0; i < SENDER_BURST && rc == RC_OK; i++) {
        rc = channel_take(sender->channel, &packet, &err);
        if (rc != RC_OK)
            break;
        write_event(sender->log, sender->role, &packet->msg.log_event);
        sender->keeps = MAX(sender->keeps, packet->msg.log_event.keep);
    }
    if (rc == RC_OK || rc == RC_MORE)
        return;
    if (rc != RC_UNAVAILABLE)
        own_event(sender->log, "log.channel", &err);
    sender_free(sender);
}

static void on_peer(void *ctx, const struct role_peer *peer)
{
    struct log_role *log = ctx;
    struct sender *sender = xcalloc(1, sizeof(*sender));
    struct err err;

    sender->log = log;
    sender->role = peer->role;
    sender->channel = channel_new(peer->fd, ROLE_LOG, peer->role);
    list_push_back(&log->senders, &sender->link);
    if (loop_add(log->loop, &sender->watch, peer->fd, LOOP_IN, on_events, sender, &err)) {
        own_event(log, "log.channel", &err);
        sender_free(sender);
    }
}

static enum rc on_reload(void *ctx, struct err *err)
{
    struct log_role *log = ctx;
    enum rc rc = log_out_reopen(log->out, err);

    if (rc)
        own_event(log, "log.reopen", err);
    return rc;
}

static void on_shutdown(void *ctx, bool fast)
{
    struct log_role *log = ctx;

    (void) fast; /* writing what is there is all that is left to do */
    loop_stop(log->loop);
}

static const struct role_events events = {
    .peer = on_peer, .reload = on_reload, .shutdown = on_shutdown};

static void on_supervisor(void *ctx, unsigned ready)
{
    struct log_role *log = ctx;

    (void) ready;
    role_supervisor_ready(log->start, &events, log);
}

/* What was sent before the end is still written. */
static void take_last_events(struct log_role *log)
{
    LIST_FOREACH(it, &log->senders)
    {
        struct sender *sender = LINK_OWNER(it, struct sender, link);

        on_events(sender, LOOP_IN);
    }
    log_out_flush(log->out);
    audit_log_close(TAKE(log->audit));
}

/* Where the log was cut, that is an event like others. */
static enum rc open_audit(struct log_role *log, struct err *err)
{
    const struct config *config = log->start->config;
    const struct audit_log_options options = {.file_bytes = AUDIT_FILE_BYTES,
                                              .keep_days = config->audit_keep_days};
    char path[PATH_BYTES];
    uint64_t missing = 0;
    enum rc rc;

    (void) snprintf(path, sizeof(path), "%s/" ROLE_LOG_DIR, config->data_dir);
    rc = audit_log_open(path, &options, &log->audit, &missing, err);
    if (!rc && missing > 0) {
        struct err cut;

        (void) err_set(&cut, RC_CORRUPT, "", "the last %llu events of the audit log are gone",
                       (unsigned long long) missing);
        own_event(log, "audit.cut", &cut);
    }
    return rc;
}

static enum rc run(struct log_role *log, struct err *err)
{
    struct role_start *start = log->start;
    enum rc rc = log_out_new(start->config, &log->out, err);

    if (rc == RC_OK)
        rc = loop_new(&log->loop, err);
    if (rc == RC_OK)
        rc = open_audit(log, err);
    if (rc) {
        role_failed(start, err);
        return rc;
    }
    rc = role_confine(start, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < start->n_peers; i++)
        on_peer(log, &start->peers[i]);
    rc = loop_add(log->loop, &log->supervisor, channel_fd(start->supervisor), LOOP_IN,
                  on_supervisor, log, err);
    if (rc == RC_OK)
        rc = loop_run(log->loop, err);
    take_last_events(log);
    return rc;
}

int role_log(struct role_start *start)
{
    struct log_role log = {.start = start,
                           .json = start->config->log_format == LOG_FORMAT_JSON};
    struct err err;
    enum rc rc;

    list_init(&log.senders);
    rc = run(&log, &err);
    LIST_FOREACH(it, &log.senders)
    {
        sender_free(LINK_OWNER(it, struct sender, link));
    }
    log_out_free(log.out);
    if (log.loop != NULL)
        loop_free(log.loop);
    return rc == RC_OK ? 0 : 1;
}
