/*
 * ship.c - the ship role: sends the audit log to a receiver of syslog over TLS.
 *
 * Spec: RFC 5424 and 5425 (events/syslog_frame.h); docs/decisions/audit-shipping.md.
 *
 * It reads DATA/audit as any collector would, so nobody waits for it: what was not sent yet
 * lies in the files. It keeps its place in DATA/ship. Syslog has no acknowledgements: a place
 * is believed when the receiver's kernel has acknowledged all before it and the connection was
 * well for a while afterwards, or when the receiver answered close_notify. After any other end
 * it begins again at the last place believed in, so an event may come twice and none is left
 * out; event.sequence tells.
 *
 *     asked --addresses--> trying --connected--> up --end, or nothing goes--> trying
 *
 * An address that is not found, or none that answers, ends the process after a while: the next
 * one asks for addresses anew (ship_address.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "config/config.h"
#include "config/syslog_target.h"
#include "events/audit_tail.h"
#include "events/syslog_frame.h"
#include "roles/log_sink.h"
#include "roles/role.h"
#include "roles/ship_address.h"
#include "roles/ship_link.h"

#define PATH_BYTES     4096u
#define LOOK_US        (500 * INT64_C(1000))   /* how often the log is looked at */
#define SETTLE_US      (10 * INT64_C(1000000)) /* well for so long behind an acknowledgement */
#define RETRY_FIRST_US (250 * INT64_C(1000))
#define RETRY_MAX_US   (60 * INT64_C(1000000))
#define ASK_AGAIN_US                                                                           \
    (60 * INT64_C(1000000))               /* without a connection: is it another address?      \
                                           */
#define STOP_US    (3 * INT64_C(1000000)) /* for what the log wrote last */
#define LATE_SEC   3600u                  /* what waits for so long is told */
#define FILL_BYTES ((size_t) 256 << 10)
#define REPORT_US  (2 * INT64_C(1000000))

/* A place that is to be believed in. */
struct mark {
    bool is_set;
    struct audit_place place;
    uint64_t octets;  /* acknowledged then */
    int64_t acked_us; /* 0: not yet */
};

struct ship {
    struct role_start *start;
    struct loop *loop;
    struct loop_fd supervisor, answer;
    int audit_fd, place_fd, answer_fd;
    struct audit_tail *tail;
    struct tls_client *client;
    struct ship_link link;
    struct ship_addresses addresses;
    size_t next_address;
    struct timer look, retry, stop, ask_again;
    int64_t retry_us, up_us;
    struct audit_place believed; /* and durable */
    struct mark mark;
    bool told_down, told_late, told_unreadable;
    bool stopping;
    struct err why; /* not connected */
    int64_t reported_us;
};

/* ---- places ---- */

static void believe(struct ship *ship, const struct audit_place *place)
{
    struct err err;

    ship->mark.is_set = false;
    if (place->sequence == ship->believed.sequence)
        return;
    if (audit_place_write(ship->place_fd, place, &err))
        log_event(LEVEL_WARNING, "audit.ship_place", LOG_ERR(&err)); /* then more comes twice */
    else
        ship->believed = *place;
}

/* All that was taken from the tail is with the kernel: link.out is empty. */
static void set_mark(struct ship *ship)
{
    struct mark mark = {.is_set = true, .place = audit_tail_place(ship->tail)};
    uint64_t acked;

    if (ship->mark.is_set || mark.place.sequence == ship->believed.sequence ||
        !ship_link_acked(&ship->link, &acked, &mark.octets))
        return;
    ship->mark = mark;
}

static void check_mark(struct ship *ship)
{
    struct mark *mark = &ship->mark;
    uint64_t acked, all;

    if (!mark->is_set || !ship_link_acked(&ship->link, &acked, &all) || acked < mark->octets)
        return;
    if (mark->acked_us == 0)
        mark->acked_us = clock_mono_us();
    else if (clock_mono_us() - mark->acked_us >= SETTLE_US)
        believe(ship, &mark->place);
}

/* ---- what is sent ---- */

static void note_unreadable(struct ship *ship, const struct err *err)
{
    if (!ship->told_unreadable)
        log_event(LEVEL_ERROR, "audit.ship_unreadable", LOG_ERR(err));
    ship->told_unreadable = true;
}

static void tell_missed(struct ship *ship)
{
    uint64_t n = audit_tail_missed(ship->tail);

    if (n > 0)
        log_event(LEVEL_ERROR, "audit.ship_missed", LOG_NUM("events", n));
}

static void on_room(void *ctx)
{
    struct ship *ship = ctx;
    struct slice line;
    uint64_t sequence;
    struct err err;
    enum rc rc = RC_OK;

    set_mark(ship);
    while (ship->link.out.len < FILL_BYTES) {
        rc = audit_tail_peek(ship->tail, &line, &sequence, &err);
        if (rc)
            break;
        syslog_frame(&ship->link.out, ship->start->config->hostname, line, sequence);
        audit_tail_take(ship->tail);
    }
    tell_missed(ship);
    if (rc && rc != RC_MORE)
        note_unreadable(ship, &err);
    if (rc && ship->stopping && ship->link.out.len == 0)
        ship_link_close(&ship->link);
}

/* ---- how it stands ---- */

static uint64_t waiting(const struct ship *ship)
{
    uint64_t to = audit_tail_signed(ship->tail);
    uint64_t at = audit_tail_place(ship->tail).sequence;

    return to > at ? to - at : 0;
}

/* For how long the oldest that waits has waited. */
static uint64_t lag_sec(struct ship *ship)
{
    uint64_t now = (uint64_t) clock_wall_us(), then, sequence;
    struct slice line;
    struct err err;

    if (waiting(ship) == 0 || audit_tail_peek(ship->tail, &line, &sequence, &err) != RC_OK)
        return 0;
    then = audit_line_time(line);
    return then == 0 || then > now ? 0 : (now - then) / 1000000;
}

static void report(struct ship *ship, bool at_once)
{
    struct msg msg = {.type = MSG_SHIP_STATE};
    struct err err;

    if (!at_once && loop_now_us(ship->loop) - ship->reported_us < REPORT_US)
        return;
    ship->reported_us = loop_now_us(ship->loop);
    msg.ship_state.connected = ship->link.state == SHIP_UP;
    msg.ship_state.sent = audit_tail_place(ship->tail).sequence;
    msg.ship_state.waiting = waiting(ship);
    msg.ship_state.lag_sec = lag_sec(ship);
    if (!msg.ship_state.connected)
        msg.ship_state.error = slice_from_str(ship->why.detail);
    if (msg.ship_state.lag_sec >= LATE_SEC && !ship->told_late) {
        log_event(LEVEL_WARNING, "audit.ship_late", LOG_NUM("events", msg.ship_state.waiting),
                  LOG_NUM("seconds", msg.ship_state.lag_sec));
        ship->told_late = true;
    }
    if (msg.ship_state.waiting == 0)
        ship->told_late = false;
    (void) !channel_post(ship->start->supervisor, &msg, NULL, &err); /* the next one says it */
}

/* ---- the connection ---- */

static void on_up(void *ctx)
{
    struct ship *ship = ctx;

    timer_stop(ship->loop, &ship->ask_again);
    ship->up_us = clock_mono_us();
    ship->told_down = false;
    log_event(LEVEL_INFO, "audit.ship_up", LOG_STR("to", ship->start->config->audit_ship),
              LOG_NUM("events", waiting(ship)));
    report(ship, true);
}

static void ask_again(void *ctx)
{
    struct ship *ship = ctx;

    loop_stop(ship->loop);
}

static void try_next(void *ctx)
{
    struct ship *ship = ctx;

    if (ship->addresses.n == 0 || ship->stopping)
        return;
    ship_link_open(&ship->link,
                   &ship->addresses.list[ship->next_address++ % ship->addresses.n]);
}

/* Twice as long each time, and never all servers of a place at once. */
static int64_t next_retry(struct ship *ship)
{
    int64_t us = ship->retry_us;
    bool was_well = ship->up_us != 0 && clock_mono_us() - ship->up_us >= SETTLE_US;

    if (us == 0 || was_well)
        us = RETRY_FIRST_US;
    ship->up_us = 0;
    ship->retry_us = MIN(2 * us, RETRY_MAX_US);
    return us + (int64_t) (random_id() % (uint64_t) (us / 4));
}

static void note_down(struct ship *ship, const struct err *err)
{
    ship->why = *err;
    if (!ship->told_down)
        log_event(LEVEL_WARNING, "audit.ship_down",
                  LOG_STR("to", ship->start->config->audit_ship), LOG_ERR(err));
    ship->told_down = true;
    if (!timer_is_running(&ship->ask_again))
        timer_start(ship->loop, &ship->ask_again, ASK_AGAIN_US, ask_again, ship);
}

static void on_down(void *ctx, bool clean, const struct err *err)
{
    struct ship *ship = ctx;
    struct audit_place sent = audit_tail_place(ship->tail);

    if (clean)
        believe(ship, &sent);
    ship->mark.is_set = false;
    if (ship->stopping) {
        loop_stop(ship->loop);
        return;
    }
    audit_tail_seek(ship->tail, &ship->believed);
    note_down(ship, err);
    report(ship, true);
    timer_start(ship->loop, &ship->retry, next_retry(ship), try_next, ship);
}

static const struct ship_link_events link_events = {
    .up = on_up, .room = on_room, .down = on_down};

static void on_answer(void *ctx, unsigned ready)
{
    struct ship *ship = ctx;
    struct err err;
    enum rc rc = ship_answer(ship->answer_fd, &ship->addresses, &err);

    (void) ready;
    if (rc == RC_MORE)
        return;
    loop_remove(ship->loop, &ship->answer);
    closep(&ship->answer_fd);
    ship->answer_fd = -1;
    if (rc)
        note_down(ship, &err);
    else
        try_next(ship);
}

/* ---- looking at the log ---- */

/* A log that is shorter than what was sent is another one: all of it is news. */
static void meet_another_log(struct ship *ship)
{
    const struct audit_place first = {.file = 0};
    uint64_t sent = audit_tail_place(ship->tail).sequence;

    if (audit_tail_signed(ship->tail) == 0 || audit_tail_signed(ship->tail) >= sent)
        return;
    log_event(LEVEL_ERROR, "audit.ship_other_log", LOG_NUM("sent", sent),
              LOG_NUM("signed", audit_tail_signed(ship->tail)));
    ship->believed = first;
    ship->mark.is_set = false;
    audit_tail_seek(ship->tail, &first);
}

static void look(void *ctx)
{
    struct ship *ship = ctx;
    struct err err;
    enum rc rc = audit_tail_look(ship->tail, &err);

    if (rc == RC_OK) {
        ship->told_unreadable = false;
        meet_another_log(ship);
    } else if (rc != RC_NOT_FOUND) { /* the log role makes it at its first start */
        note_unreadable(ship, &err);
    }
    check_mark(ship);
    if (ship->link.state == SHIP_UP && ship->link.out.len == 0)
        ship_link_send(&ship->link);
    report(ship, false);
    timer_start(ship->loop, &ship->look, LOOK_US, look, ship);
}

/* ---- the role ---- */

static void stop_late(void *ctx)
{
    struct ship *ship = ctx;

    loop_stop(ship->loop);
}

/* The log role has ended: what it wrote last is there, and is sent if the receiver is. */
static void on_shutdown(void *ctx, bool fast)
{
    struct ship *ship = ctx;

    ship->stopping = true;
    if (fast || ship->link.state != SHIP_UP) {
        loop_stop(ship->loop);
        return;
    }
    timer_start(ship->loop, &ship->stop, STOP_US, stop_late, ship);
    look(ship);
}

static const struct role_events events = {.shutdown = on_shutdown};

static void on_supervisor(void *ctx, unsigned ready)
{
    struct ship *ship = ctx;

    (void) ready;
    role_supervisor_ready(ship->start, &events, ship);
}

static enum rc open_folder(const struct config *config, const char *name, int *out,
                           struct err *err)
{
    char path[PATH_BYTES];

    (void) snprintf(path, sizeof(path), "%s/%s", config->data_dir, name);
    *out = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return *out >= 0 ? RC_OK
                     : err_set(err, RC_IO, "Internal error", "%s: %s", path, strerror(errno));
}

static enum rc open_client(struct ship *ship, struct err *err)
{
    const struct config *config = ship->start->config;
    char host[SYSLOG_HOST_MAX_BYTES + 1];
    const struct tls_client_options options = {.authorities = config->audit_ship_ca,
                                               .name = ship_name(config, host),
                                               .certificate = config->audit_ship_certificate,
                                               .key = config->audit_ship_key};

    tls_library_init();
    return tls_client_new(&options, &ship->client, err);
}

/* A place that cannot be read is the beginning: the receiver drops what it has. */
static void open_place(struct ship *ship)
{
    struct err err;
    enum rc rc = audit_place_read(ship->place_fd, &ship->believed, &err);

    if (rc && rc != RC_NOT_FOUND)
        log_event(LEVEL_WARNING, "audit.ship_place", LOG_ERR(&err));
    ship->tail = audit_tail_new(ship->audit_fd, &ship->believed);
}

static enum rc open_all(struct ship *ship, struct err *err)
{
    const struct config *config = ship->start->config;
    enum rc rc = open_folder(config, ROLE_LOG_DIR, &ship->audit_fd, err);

    if (rc == RC_OK)
        rc = open_folder(config, ROLE_SHIP_DIR, &ship->place_fd, err);
    if (rc == RC_OK)
        rc = open_client(ship, err);
    if (rc == RC_OK)
        rc = loop_new(&ship->loop, err);
    if (rc == RC_OK)
        rc = ship_ask(config, &ship->answer_fd, err);
    if (rc)
        return rc;
    open_place(ship);
    ship_link_init(&ship->link, ship->loop, ship->client, &link_events, ship);
    return RC_OK;
}

static enum rc run(struct ship *ship, struct err *err)
{
    enum rc rc = open_all(ship, err);

    if (rc) {
        role_failed(ship->start, err);
        return rc;
    }
    rc = role_confine(ship->start, err);
    if (rc == RC_OK)
        rc = loop_add(ship->loop, &ship->supervisor, channel_fd(ship->start->supervisor),
                      LOOP_IN, on_supervisor, ship, err);
    if (rc == RC_OK)
        rc =
            loop_add(ship->loop, &ship->answer, ship->answer_fd, LOOP_IN, on_answer, ship, err);
    if (rc)
        return rc;
    look(ship);
    return log_sink_run_loop(ship->start->sink, ship->loop, err);
}

int role_ship(struct role_start *start)
{
    struct ship ship = {.start = start, .audit_fd = -1, .place_fd = -1, .answer_fd = -1};
    struct err err;
    enum rc rc = run(&ship, &err);

    if (ship.tail != NULL)
        ship_link_done(&ship.link);
    audit_tail_free(ship.tail);
    tls_client_free(ship.client);
    closep(&ship.answer_fd);
    closep(&ship.audit_fd);
    closep(&ship.place_fd);
    if (ship.loop != NULL)
        loop_free(ship.loop);
    return rc == RC_OK ? 0 : 1;
}
