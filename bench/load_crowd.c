/*
 * load_crowd.c - many sessions at once: a mixed load, sessions that idle, and how soon those
 * who watch a mailbox hear of new mail.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "cost.h"
#include "load.h"

#define CROWD_USERS   48u
#define WATCHERS      20u
#define WATCHER_USER  49u
#define PSS_QUIET_MS  2000u
#define PSS_SETTLE_MS 60000u

/* ---- mixed ---- */

/* Two clients a user; the first makes the mailbox before the second selects it. */
static void prepare_mixed(struct client *client)
{
    client->wire.user = client->scenario->first_user + (unsigned) client->number / 2;
    client_log_in(client);
    if (client->number % 2 == 0)
        mailbox_refill(client, "mixed");
    (void) pthread_barrier_wait(client->together);
    wire_command(&client->wire, "SELECT mixed");
}

/* The tagged OK, and before it `want` in one of the untagged answers. */
static void expect_answer(struct client *client, const char *want)
{
    struct wire *wire = &client->wire;
    bool found = false;
    struct slice line;

    for (line = wire_response(wire); slice_starts(line, SLICE("* "));
         line = wire_response(wire))
        found = found || slice_search(line, slice_from_str(want)) < line.len;
    (void) wire_check_tagged(wire, line, wire->tag);
    if (!found)
        wire_wrong(wire, "not answered", slice_from_str(want));
}

static void run_mixed(struct client *client, size_t op)
{
    uint32_t uid = (uint32_t) ((op * 7919 + client->number * 104729) % client->n_messages) + 1;
    uint32_t what = (uint32_t) ((op * 31 + client->number * 17) % 100);
    struct wire *wire = &client->wire;
    char want[64];

    if (what < 5) {
        append_send(client, "mixed", (uint32_t) op + 1);
        (void) wire_await_ok(wire);
        return;
    }
    if (what < 15) {
        wire_command(wire, "NOOP");
        return;
    }
    if (what >= 20 && what < 40) {
        wire_command(wire, "UID STORE %u %cFLAGS (\\Flagged)", uid, what % 2 ? '+' : '-');
        return;
    }
    (void) snprintf(want, sizeof(want), "UID %u", uid);
    wire_begin(wire);
    if (what < 20) {
        buf_str(&wire->out, "UID SEARCH UNSEEN\r\n");
        (void) snprintf(want, sizeof(want), "* SEARCH");
    } else if (what < 50) {
        buf_printf(&wire->out, "UID FETCH %u (BODY.PEEK[])\r\n", uid);
    } else {
        buf_printf(&wire->out, "UID FETCH %u (FLAGS ENVELOPE)\r\n", uid);
    }
    wire_send(wire);
    expect_answer(client, want);
}

static void finish_mixed(struct client *client)
{
    if (mailbox_status(client, "mixed", "MESSAGES") < client->n_messages)
        wire_wrong(&client->wire, "messages are missing", SLICE("mixed"));
    wire_log_out(&client->wire);
}

/* ---- sessions at rest ---- */

struct crowd {
    struct wire *wires;
    size_t n;
    size_t heard; /* of WATCHERS, of this delivery */
    int64_t after_us[WATCHERS];
    struct wire watchers[WATCHERS];
};

static void begin_idle(struct client *client, struct wire *wire, const char *mailbox)
{
    struct slice line;

    client_open_imap(client, wire);
    wire_log_in(wire, client->options->password);
    wire_command(wire, "SELECT %s", mailbox);
    wire_begin(wire);
    buf_str(&wire->out, "IDLE\r\n");
    wire_send(wire);
    for (line = wire_line(wire); !slice_starts(line, SLICE("+")); line = wire_line(wire)) {
        if (!slice_starts(line, SLICE("* ")))
            wire_wrong(wire, "IDLE", line);
    }
}

static void end_idle(struct wire *wire)
{
    buf_str(&wire->out, "DONE\r\n");
    wire_send(wire);
    (void) wire_await_ok(wire);
    wire_log_out(wire);
}

static struct crowd *crowd_new(struct client *client)
{
    struct crowd *crowd = xcalloc(1, sizeof(*crowd));

    crowd->n = client->n_messages;
    crowd->wires = xcalloc(crowd->n, sizeof(*crowd->wires));
    for (size_t i = 0; i < crowd->n; i++)
        wire_init(&crowd->wires[i], client->scenario->name, (unsigned) (i % CROWD_USERS) + 1);
    client->own = crowd;
    return crowd;
}

static void crowd_free(struct client *client)
{
    struct crowd *crowd = client->own;

    for (size_t i = 0; i < crowd->n; i++) {
        end_idle(&crowd->wires[i]);
        wire_done(&crowd->wires[i]);
    }
    free(crowd->wires);
    free(crowd);
}

static uint64_t settled_pss(const struct client *client)
{
    if (client->options->pid == 0)
        die("load: memory is that of a process: -P");
    (void) cost_settle(client->options->pid, PSS_QUIET_MS, PSS_SETTLE_MS);
    return cost_pss_bytes(client->options->pid);
}

/* One session of each user first: what an account takes once is not a session's. */
static void prepare_idle(struct client *client)
{
    struct crowd *crowd = crowd_new(client);

    for (size_t i = 0; i < MIN(crowd->n, (size_t) CROWD_USERS); i++) {
        begin_idle(client, &crowd->wires[i], "INBOX");
        end_idle(&crowd->wires[i]);
    }
}

static void run_idle(struct client *client, size_t op)
{
    struct crowd *crowd = client->own;
    uint64_t before = settled_pss(client), after;

    (void) op;
    for (size_t i = 0; i < crowd->n; i++) {
        begin_idle(client, &crowd->wires[i], "INBOX");
        wire_rest(&crowd->wires[i]);
    }
    after = settled_pss(client);
    client->has_pss = true;
    client->pss_kib = ((double) after - (double) before) / 1024 / (double) crowd->n;
}

static void finish_idle(struct client *client)
{
    crowd_free(client);
}

/* ---- who hears of new mail ---- */

static void begin_watching(struct client *client)
{
    struct crowd *crowd = crowd_new(client);

    for (size_t i = 0; i < crowd->n; i++)
        begin_idle(client, &crowd->wires[i], "INBOX");
    for (size_t i = 0; i < WATCHERS; i++) {
        wire_init(&crowd->watchers[i], client->scenario->name, WATCHER_USER);
        begin_idle(client, &crowd->watchers[i], "INBOX");
    }
}

static void end_watching(struct client *client)
{
    struct crowd *crowd = client->own;

    for (size_t i = 0; i < WATCHERS; i++) {
        end_idle(&crowd->watchers[i]);
        wire_done(&crowd->watchers[i]);
    }
    crowd_free(client);
}

static void prepare_notify(struct client *client)
{
    begin_watching(client);
    lmtp_open(client);
}

/* Reads what has come; true if EXISTS was among it. */
static bool hears(struct wire *wire)
{
    do {
        if (slice_ends(wire_line(wire), SLICE(" EXISTS")))
            return true;
    } while (wire_has_line(wire));
    return false;
}

/* Until all have heard of it. RECENT, which comes behind EXISTS, stays for the next time. */
static void hear_all(struct client *client, int64_t told_us)
{
    struct crowd *crowd = client->own;
    struct pollfd fds[WATCHERS];
    size_t left = WATCHERS;

    for (size_t i = 0; i < WATCHERS; i++)
        fds[i] = (struct pollfd){.fd = crowd->watchers[i].fd, .events = POLLIN};
    while (left > 0) {
        if (poll(fds, WATCHERS, -1) < 0)
            die("load: poll: %s", strerror(errno));
        for (size_t i = 0; i < WATCHERS; i++) {
            if (fds[i].revents == 0 || !hears(&crowd->watchers[i]))
                continue;
            crowd->after_us[i] = MAX(clock_mono_us() - told_us, (int64_t) 0);
            fds[i].fd = -1;
            fds[i].revents = 0;
            left--;
        }
    }
}

/* An operation is one watcher's hearing; each WATCHERS-th delivers. */
static void run_notify(struct client *client, size_t op)
{
    struct crowd *crowd = client->own;

    if (op % WATCHERS == 0) {
        lmtp_deliver(client, WATCHER_USER, (uint32_t) (op / WATCHERS) + 1);
        hear_all(client, clock_mono_us());
    }
    client->measured_us = crowd->after_us[op % WATCHERS];
}

static void finish_notify(struct client *client)
{
    lmtp_quit(client);
    end_watching(client);
}

/* The same by APPEND of one more session of the watchers' user. */
static void prepare_notify_append(struct client *client)
{
    begin_watching(client);
    client_log_in(client);
}

static void run_notify_append(struct client *client, size_t op)
{
    struct crowd *crowd = client->own;

    if (op % WATCHERS == 0) {
        append_send(client, "INBOX", (uint32_t) (op / WATCHERS) + 1);
        (void) wire_await_ok(&client->wire);
        hear_all(client, clock_mono_us());
    }
    client->measured_us = crowd->after_us[op % WATCHERS];
}

static void finish_notify_append(struct client *client)
{
    wire_log_out(&client->wire);
    end_watching(client);
}

// clang-format off
const struct scenario crowd_scenarios[] = {
    /* name   user clients ops messages bytes units writes prepare      before run         finish */
    {"mixed",    1, 32,  400,  500, 4096, 1, true,  prepare_mixed,  NULL, run_mixed,  finish_mixed},
    {"idle",     1,  1,    1, 5000,    0, 1, false, prepare_idle,   NULL, run_idle,   finish_idle},
    {"notify",  49,  1, 2000, 1000, 4096, 1, false, prepare_notify, NULL, run_notify, finish_notify},
    {"notify-append", 49, 1, 2000, 1000, 4096, 1, false, prepare_notify_append, NULL, run_notify_append, finish_notify_append},
    {.name = NULL},
};
// clang-format on
