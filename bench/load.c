/*
 * load.c - loads an IMAP and LMTP server and says what an operation costs.
 *
 *     load [OPTION...] SCENARIO...        see usage(); bench/README.md says how to compare
 *
 * A client is a thread in straight blocking code with a user of its own (u1, u2...), one
 * operation at a time. Every answer is checked: tagged OK, the right numbers in the right
 * order, the bytes that were stored; a wrong one ends the program with status 1. The mailbox
 * "load" of each user is made afresh.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/scan.h"
#include "cost.h"

#define CLIENTS_MAX      64
#define LINE_MAX_BYTES   ((size_t) 64 << 20)
#define READ_BYTES       ((size_t) 256 << 10)
#define MESSAGE_HEAD_MAX 512u
#define FILL_WINDOW      64u /* APPENDs sent ahead while a mailbox is filled */
#define NUMBER_DIGITS    10

struct options {
    const char *host;
    uint16_t imap, lmtp;
    pid_t pid; /* of the server: 0: its cost is not counted */
    size_t n_ops, n_clients, n_messages, message_bytes; /* 0: the scenario's own */
    const char *password;
};

struct client {
    const struct options *options;
    const struct scenario *scenario;
    pthread_barrier_t *start;
    pthread_t thread;
    unsigned number;
    size_t n_ops, n_messages;
    int fd;
    struct buf in, out;
    size_t at; /* in.ptr[at..] is not looked at yet */
    uint32_t tag;
    struct buf message; /* number_at: where its number goes */
    size_t number_at;
    uint64_t uid; /* of the last APPEND */
    uint32_t *took_us;
};

struct scenario {
    const char *name;
    size_t n_clients, n_ops, n_messages, message_bytes;
    bool per_message; /* cost and rate count messages */
    bool is_lmtp;
    void (*prepare)(struct client *client);
    void (*run)(struct client *client, size_t op);
    void (*finish)(struct client *client);
};

/* ---- the wire ---- */

static _Noreturn void wrong(const struct client *client, const char *what, struct slice line)
{
    (void) fprintf(stderr, "load: %s, client %u: %s: %.*s\n", client->scenario->name,
                   client->number, what, SLICE_ARG(slice_sub(line, 0, 200)));
    exit(1);
}

static void open_connection(struct client *client, uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1;

    if (inet_pton(AF_INET, client->options->host, &to.sin_addr) != 1)
        die("load: %s is no IPv4 address", client->options->host);
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void) setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (client->fd < 0 || connect(client->fd, (struct sockaddr *) &to, sizeof(to)) != 0)
        die("load: port %u: %s", port, strerror(errno));
    buf_reset(&client->in);
    client->at = 0;
}

static void send_out(struct client *client)
{
    struct slice rest = buf_slice(&client->out);

    while (rest.len > 0) {
        ssize_t n = write(client->fd, rest.ptr, rest.len);

        if (n < 0)
            wrong(client, "write", slice_from_str(strerror(errno)));
        rest = slice_from(rest, (size_t) n);
    }
    buf_reset(&client->out);
}

/* At least n bytes behind at. What lies before is let go, so earlier slices end here. */
static void read_some(struct client *client)
{
    char *room;
    ssize_t n;

    buf_consume(&client->in, client->at);
    client->at = 0;
    room = buf_reserve(&client->in, READ_BYTES);
    if (room == NULL)
        wrong(client, "an answer without end", SLICE(""));
    n = read(client->fd, room, READ_BYTES);
    if (n <= 0)
        wrong(client, "the server closed", SLICE(""));
    client->in.len += (size_t) n;
}

/* A line without its CRLF; valid until the next is read. */
static struct slice read_line(struct client *client)
{
    size_t looked = 0;

    for (;;) {
        struct slice rest = slice_from(buf_slice(&client->in), client->at);
        size_t end = looked + slice_find(slice_from(rest, looked), '\n');

        if (end < rest.len) {
            client->at += end + 1;
            if (end == 0 || rest.ptr[end - 1] != '\r')
                wrong(client, "bare LF", rest);
            return slice_sub(rest, 0, end - 1);
        }
        looked = rest.len;
        read_some(client);
    }
}

static struct slice read_bytes(struct client *client, size_t len)
{
    struct slice bytes;

    while (client->in.len - client->at < len)
        read_some(client);
    bytes = slice_sub(slice_from(buf_slice(&client->in), client->at), 0, len);
    client->at += len;
    return bytes;
}

static void begin_command(struct client *client)
{
    buf_printf(&client->out, "a%u ", ++client->tag);
}

/* "aN OK ...", N being tag; what follows OK. */
static struct slice check_tagged(const struct client *client, struct slice line, uint32_t tag)
{
    struct scan sc = scan_of(line);
    uint32_t got;

    if (!scan_byte(&sc, 'a') || !scan_u32(&sc, &got) || got != tag ||
        !scan_literal(&sc, SLICE(" OK ")))
        wrong(client, "not the OK that was due", line);
    return scan_rest(&sc);
}

/* Untagged lines up to the tagged OK are not looked at. */
static struct slice await_ok(struct client *client)
{
    for (;;) {
        struct slice line = read_line(client);

        if (!slice_starts(line, SLICE("* ")))
            return check_tagged(client, line, client->tag);
    }
}

static void command(struct client *client, const char *text)
{
    begin_command(client);
    buf_printf(&client->out, "%s\r\n", text);
    send_out(client);
    (void) await_ok(client);
}

static void log_in(struct client *client)
{
    struct slice line;

    open_connection(client, client->options->imap);
    line = read_line(client);
    if (!slice_starts(line, SLICE("* OK ")))
        wrong(client, "greeting", line);
    begin_command(client);
    buf_printf(&client->out, "LOGIN u%u %s\r\n", client->number, client->options->password);
    send_out(client);
    (void) await_ok(client);
}

static void log_out(struct client *client)
{
    struct slice line;

    begin_command(client);
    buf_str(&client->out, "LOGOUT\r\n");
    send_out(client);
    line = read_line(client);
    if (!slice_starts(line, SLICE("* BYE")))
        wrong(client, "no BYE", line);
    (void) check_tagged(client, read_line(client), client->tag);
    (void) close(client->fd);
}

/* ---- messages ---- */

static void make_message(struct client *client, size_t bytes)
{
    struct buf *message = &client->message;

    buf_printf(message,
               "From: Ada Lovelace <ada@example.org>\r\nTo: u%u <u%u@example.org>\r\n"
               "Date: Mon, 2 Mar 2026 10:11:12 +0100\r\nSubject: Load ",
               client->number, client->number);
    client->number_at = message->len;
    buf_str(message, "0000000000\r\nMessage-ID: <load@example.org>\r\nMIME-Version: 1.0\r\n"
                     "Content-Type: text/plain; charset=utf-8\r\n\r\n");
    while (message->len + 80 < bytes)
        buf_str(message, "All work and no play makes a mailbox of the same lines over and "
                         "over again.\r\n");
    while (message->len + 2 < bytes)
        buf_byte(message, 'x');
    buf_str(message, "\r\n");
}

static struct slice numbered_message(struct client *client, uint64_t number)
{
    char *at = client->message.ptr + client->number_at;

    for (int i = NUMBER_DIGITS - 1; i >= 0; i--, number /= 10)
        at[i] = (char) ('0' + number % 10);
    return buf_slice(&client->message);
}

static void send_append(struct client *client, uint64_t number)
{
    struct slice message = numbered_message(client, number);

    begin_command(client);
    buf_printf(&client->out, "APPEND load {%zu+}\r\n", message.len);
    buf_append(&client->out, message);
    buf_str(&client->out, "\r\n");
    send_out(client);
}

/* "[APPENDUID validity uid] ...": UIDs follow each other without a gap. */
static void check_append(struct client *client, struct slice text)
{
    struct scan sc = scan_of(text);
    uint32_t validity, uid;

    if (!scan_literal(&sc, SLICE("[APPENDUID ")) || !scan_u32(&sc, &validity) ||
        !scan_byte(&sc, ' ') || !scan_u32(&sc, &uid) || !scan_byte(&sc, ']') ||
        uid != client->uid + 1)
        wrong(client, "not the UID that was due", text);
    client->uid = uid;
}

static struct slice skip_untagged(struct client *client)
{
    struct slice line = read_line(client);

    while (slice_starts(line, SLICE("* ")))
        line = read_line(client);
    return line;
}

static void fill(struct client *client)
{
    size_t n = client->n_messages, sent = 0;
    uint32_t first = client->tag + 1;

    for (size_t done = 0; done < n; done++) {
        for (; sent < n && sent < done + FILL_WINDOW; sent++)
            send_append(client, sent + 1);
        check_append(client,
                     check_tagged(client, skip_untagged(client), first + (uint32_t) done));
    }
}

static void expect_count(struct client *client, const char *mailbox, uint64_t count)
{
    char want[64];
    struct slice line;

    begin_command(client);
    buf_printf(&client->out, "STATUS %s (MESSAGES)\r\n", mailbox);
    send_out(client);
    (void) snprintf(want, sizeof(want), "(MESSAGES %llu)", (unsigned long long) count);
    line = read_line(client);
    if (!slice_ends(line, slice_from_str(want)))
        wrong(client, want, line);
    (void) check_tagged(client, read_line(client), client->tag);
}

/* ---- scenarios ---- */

static void prepare_login(struct client *client)
{
    log_in(client);
    log_out(client);
}

static void run_login(struct client *client, size_t op)
{
    (void) op;
    log_in(client);
    log_out(client);
}

static void finish_nothing(struct client *client)
{
    (void) client;
}

/* Logged in, with the mailbox "load" made afresh and filled, not selected. */
static void prepare_filled(struct client *client)
{
    log_in(client);
    begin_command(client);
    buf_str(&client->out, "DELETE load\r\n");
    send_out(client);
    (void) skip_untagged(client); /* NO, if there is none */
    command(client, "CREATE load");
    fill(client);
}

static void prepare_selected(struct client *client)
{
    prepare_filled(client);
    command(client, "SELECT load");
}

static void finish_filled(struct client *client)
{
    expect_count(client, "load", client->uid);
    log_out(client);
}

static void finish_selected(struct client *client)
{
    command(client, "UNSELECT");
    finish_filled(client);
}

static void run_noop(struct client *client, size_t op)
{
    (void) op;
    begin_command(client);
    buf_str(&client->out, "NOOP\r\n");
    send_out(client);
    (void) check_tagged(client, read_line(client), client->tag);
}

static void run_append(struct client *client, size_t op)
{
    send_append(client, client->n_messages + op + 1);
    check_append(client, await_ok(client));
}

static void run_store(struct client *client, size_t op)
{
    bool sets = op % 2 == 0;
    struct slice line;

    begin_command(client);
    buf_printf(&client->out, "UID STORE 1 %cFLAGS (\\Flagged)\r\n", sets ? '+' : '-');
    send_out(client);
    line = read_line(client);
    if (!slice_starts(line, SLICE("* 1 FETCH (")) ||
        (slice_search(line, SLICE("\\Flagged")) < line.len) != sets)
        wrong(client, "not the FETCH that was due", line);
    (void) check_tagged(client, read_line(client), client->tag);
}

static void run_select(struct client *client, size_t op)
{
    char want[32];
    bool found = false;
    struct slice line;

    (void) op;
    (void) snprintf(want, sizeof(want), "* %zu EXISTS", client->n_messages);
    begin_command(client);
    buf_str(&client->out, "SELECT load\r\n");
    send_out(client);
    for (line = read_line(client); slice_starts(line, SLICE("* ")); line = read_line(client))
        found = found || slice_eq(line, slice_from_str(want));
    if (!found)
        wrong(client, want, line);
    (void) check_tagged(client, line, client->tag);
}

/* The line of message seq begins with "* seq FETCH (" and what. */
static struct slice fetch_line(struct client *client, size_t seq, struct slice what)
{
    struct slice line = read_line(client);
    struct scan sc = scan_of(line);
    uint32_t got;

    if (!scan_literal(&sc, SLICE("* ")) || !scan_u32(&sc, &got) || got != seq ||
        !scan_literal(&sc, SLICE(" FETCH (")) || !scan_literal(&sc, what))
        wrong(client, "not the FETCH that was due", line);
    return line;
}

static void run_fetch_flags(struct client *client, size_t op)
{
    (void) op;
    begin_command(client);
    buf_str(&client->out, "FETCH 1:* (FLAGS)\r\n");
    send_out(client);
    for (size_t i = 1; i <= client->n_messages; i++)
        (void) fetch_line(client, i, SLICE("FLAGS ("));
    (void) check_tagged(client, read_line(client), client->tag);
}

static void run_fetch_envelope(struct client *client, size_t op)
{
    (void) op;
    begin_command(client);
    buf_str(&client->out, "FETCH 1:* (ENVELOPE)\r\n");
    send_out(client);
    for (size_t i = 1; i <= client->n_messages; i++) {
        struct slice line = fetch_line(client, i, SLICE("ENVELOPE (\""));
        char want[32];

        (void) snprintf(want, sizeof(want), " \"Load %0*zu\" ((", NUMBER_DIGITS, i);
        if (slice_search(line, slice_from_str(want)) >= line.len)
            wrong(client, want, line);
    }
    (void) check_tagged(client, read_line(client), client->tag);
}

static void run_fetch_body(struct client *client, size_t op)
{
    struct slice want = numbered_message(client, 1);
    char item[48];

    (void) op;
    (void) snprintf(item, sizeof(item), "BODY[] {%zu}", want.len);
    begin_command(client);
    buf_str(&client->out, "FETCH 1:* (BODY.PEEK[])\r\n");
    send_out(client);
    for (size_t i = 1; i <= client->n_messages; i++) {
        struct slice line = fetch_line(client, i, slice_from_str(item));

        if (!slice_eq(read_bytes(client, want.len), numbered_message(client, i)))
            wrong(client, "not the message that was stored", line);
        line = read_line(client);
        if (!slice_eq(line, SLICE(")")))
            wrong(client, "not the end of FETCH", line);
    }
    (void) check_tagged(client, read_line(client), client->tag);
}

static void expect_reply(struct client *client, struct slice code)
{
    struct slice line = read_line(client);

    while (line.len > 3 && line.ptr[3] == '-')
        line = read_line(client);
    if (!slice_starts(line, code))
        wrong(client, "not the reply that was due", line);
}

/* How many messages the INBOX has; the delivered ones come on top. */
static void prepare_lmtp(struct client *client)
{
    struct slice line;
    size_t at;
    uint32_t count;

    log_in(client);
    begin_command(client);
    buf_str(&client->out, "STATUS INBOX (MESSAGES)\r\n");
    send_out(client);
    line = read_line(client);
    at = slice_rfind(line, ' ');
    if (at >= line.len || !slice_ends(line, SLICE(")")) ||
        !slice_to_u32(slice_sub(line, at + 1, line.len - at - 2), &count))
        wrong(client, "STATUS", line);
    client->uid = count;
    (void) check_tagged(client, read_line(client), client->tag);
    log_out(client);
    open_connection(client, client->options->lmtp);
    expect_reply(client, SLICE("220"));
    buf_str(&client->out, "LHLO load.example.org\r\n");
    send_out(client);
    expect_reply(client, SLICE("250"));
}

static void run_lmtp(struct client *client, size_t op)
{
    buf_printf(&client->out,
               "MAIL FROM:<ada@example.org>\r\nRCPT TO:<u%u@localhost>\r\nDATA\r\n",
               client->number);
    send_out(client);
    expect_reply(client, SLICE("250"));
    expect_reply(client, SLICE("250"));
    expect_reply(client, SLICE("354"));
    buf_append(&client->out, numbered_message(client, op + 1));
    buf_str(&client->out, ".\r\n");
    send_out(client);
    expect_reply(client, SLICE("250"));
}

static void finish_lmtp(struct client *client)
{
    buf_str(&client->out, "QUIT\r\n");
    send_out(client);
    expect_reply(client, SLICE("221"));
    (void) close(client->fd);
    log_in(client);
    expect_count(client, "INBOX", client->uid + client->n_ops);
    log_out(client);
}

// clang-format off
static const struct scenario scenarios[] = {
    /* name         clients ops   messages bytes  per message, lmtp  prepare           run                 finish */
    {"login",        1,  1000,     0,     0, false, false, prepare_login,    run_login,          finish_nothing },
    {"login16",     16,   200,     0,     0, false, false, prepare_login,    run_login,          finish_nothing },
    {"noop",         1, 10000,     0,  1024, false, false, prepare_filled,   run_noop,           finish_filled  },
    {"append",       1,  2000,     0,  4096, false, false, prepare_filled,   run_append,         finish_filled  },
    {"append16",    16,   500,     0,  4096, false, false, prepare_filled,   run_append,         finish_filled  },
    {"lmtp",         1,  2000,     0,  4096, false, true,  prepare_lmtp,     run_lmtp,           finish_lmtp    },
    {"lmtp16",      16,   500,     0,  4096, false, true,  prepare_lmtp,     run_lmtp,           finish_lmtp    },
    {"store",        1,  4000,    10,  1024, false, false, prepare_selected, run_store,          finish_selected},
    {"store16",     16,  1000,    10,  1024, false, false, prepare_selected, run_store,          finish_selected},
    {"select",       1,  2000, 10000,  1024, false, false, prepare_filled,   run_select,         finish_selected},
    {"fetch-flags",  1,    50, 10000,  1024, true,  false, prepare_selected, run_fetch_flags,    finish_selected},
    {"fetch-env",    1,     5, 10000,  1024, true,  false, prepare_selected, run_fetch_envelope, finish_selected},
    {"fetch-body",   1,     5, 10000,  4096, true,  false, prepare_selected, run_fetch_body,     finish_selected},
};
// clang-format on

/* ---- a run ---- */

static void *run_client(void *ctx)
{
    struct client *client = ctx;

    client->scenario->prepare(client);
    (void) pthread_barrier_wait(client->start);
    (void) pthread_barrier_wait(client->start); /* between them the counting begins */
    for (size_t op = 0; op < client->n_ops; op++) {
        int64_t began_us = clock_mono_us();

        client->scenario->run(client, op);
        client->took_us[op] = (uint32_t) MIN(clock_mono_us() - began_us, (int64_t) UINT32_MAX);
    }
    (void) pthread_barrier_wait(client->start);
    client->scenario->finish(client);
    return NULL;
}

static int64_t own_cpu_us(void)
{
    struct rusage use;

    (void) getrusage(RUSAGE_SELF, &use);
    return (int64_t) (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000 +
           use.ru_utime.tv_usec + use.ru_stime.tv_usec;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

    return x < y ? -1 : x > y;
}

struct run {
    size_t n_clients, n_ops; /* of one client */
    double n_units;          /* operations, or messages, of all */
    int64_t wall_us, cpu_us;
    uint32_t *took_us;
    struct cost_rows cost;
};

static void print_run(const struct options *options, const struct scenario *scenario,
                      struct run *run)
{
    size_t n = run->n_clients * run->n_ops;

    qsort(run->took_us, n, sizeof(*run->took_us), by_value);
    (void) printf("%s\tclients=%zu\tper_s=%.0f\tp50_us=%u\tp99_us=%u\tdriver_cpu=%.0f%%",
                  scenario->name, run->n_clients, run->n_units * 1e6 / (double) run->wall_us,
                  run->took_us[n / 2], run->took_us[n * 99 / 100],
                  100.0 * (double) run->cpu_us / (double) run->wall_us);
    for (size_t i = 0; options->pid != 0 && i < run->cost.n; i++) {
        const struct cost_row *row = &run->cost.rows[i];

        (void) printf("\t%s=%.2fus,%.2fcs", row->role,
                      (double) row->cpu_ns / 1e3 / run->n_units,
                      (double) row->switches / run->n_units);
        if (run->cost.has_instructions)
            (void) printf(",%.0fin", (double) row->instructions / run->n_units);
    }
    (void) printf("\n");
    (void) fflush(stdout);
}

static void start_client(struct client *client, const struct options *options,
                         const struct scenario *scenario, pthread_barrier_t *start)
{
    client->options = options;
    client->scenario = scenario;
    client->start = start;
    client->n_messages = options->n_messages > 0 && scenario->n_messages > 0
                             ? options->n_messages
                             : scenario->n_messages;
    client->fd = -1;
    buf_init(&client->in, LINE_MAX_BYTES);
    buf_init(&client->out, LINE_MAX_BYTES);
    buf_init(&client->message, LINE_MAX_BYTES);
    make_message(client, MAX(options->message_bytes > 0 ? options->message_bytes
                                                        : scenario->message_bytes,
                             (size_t) MESSAGE_HEAD_MAX));
    if (pthread_create(&client->thread, NULL, run_client, client) != 0)
        die("load: no thread");
}

static void run_scenario(const struct options *options, const struct scenario *scenario)
{
    struct client *clients = xcalloc(CLIENTS_MAX, sizeof(*clients));
    struct run run = {.n_clients =
                          options->n_clients > 0 ? options->n_clients : scenario->n_clients,
                      .n_ops = options->n_ops > 0 ? options->n_ops : scenario->n_ops};
    struct cost *cost = NULL;
    pthread_barrier_t start;
    struct err err;

    run.took_us = xcalloc(run.n_clients * run.n_ops, sizeof(*run.took_us));
    (void) pthread_barrier_init(&start, NULL, (unsigned) run.n_clients + 1);
    for (size_t i = 0; i < run.n_clients; i++) {
        clients[i].number = (unsigned) i + 1;
        clients[i].n_ops = run.n_ops;
        clients[i].took_us = run.took_us + i * run.n_ops;
        start_client(&clients[i], options, scenario, &start);
    }
    (void) pthread_barrier_wait(&start);
    if (options->pid != 0 && cost_start(options->pid, &cost, &err) != RC_OK)
        die("load: %s", err.detail);
    run.cpu_us = -own_cpu_us();
    run.wall_us = -clock_mono_us();
    (void) pthread_barrier_wait(&start);
    (void) pthread_barrier_wait(&start);
    run.wall_us += clock_mono_us();
    run.cpu_us += own_cpu_us();
    if (cost != NULL)
        cost_stop(cost, &run.cost);
    run.n_units = (double) (run.n_clients * run.n_ops) *
                  (scenario->per_message ? (double) clients[0].n_messages : 1.0);
    for (size_t i = 0; i < run.n_clients; i++) {
        (void) pthread_join(clients[i].thread, NULL);
        buf_done(&clients[i].in);
        buf_done(&clients[i].out);
        buf_done(&clients[i].message);
    }
    print_run(options, scenario, &run);
    (void) pthread_barrier_destroy(&start);
    free(run.took_us);
    free(clients);
}

static _Noreturn void usage(void)
{
    (void) fprintf(
        stderr,
        "usage: load [-h ADDRESS] [-i IMAP_PORT] [-l LMTP_PORT] [-p PASSWORD] [-P PID]\n"
        "            [-n OPERATIONS] [-c CLIENTS] [-m MESSAGES] [-s BYTES] "
        "SCENARIO...\n"
        "PID: the server's first process; what it and those below it spend is "
        "counted.\nScenarios: all");
    for (size_t i = 0; i < COUNT(scenarios); i++)
        (void) fprintf(stderr, " %s", scenarios[i].name);
    (void) fprintf(stderr, "\n");
    exit(2);
}

static size_t number(const char *text, uint64_t max)
{
    uint64_t value;

    if (!slice_to_u64(slice_from_str(text), &value) || value == 0 || value > max)
        usage();
    return (size_t) value;
}

static void parse_options(int argc, char **argv, struct options *out)
{
    int option;

    while ((option = getopt(argc, argv, "h:i:l:p:P:n:c:m:s:")) != -1) {
        switch (option) {
        case 'h':
            out->host = optarg;
            break;
        case 'i':
            out->imap = (uint16_t) number(optarg, UINT16_MAX);
            break;
        case 'l':
            out->lmtp = (uint16_t) number(optarg, UINT16_MAX);
            break;
        case 'p':
            out->password = optarg;
            break;
        case 'P':
            out->pid = (pid_t) number(optarg, INT32_MAX);
            break;
        case 'n':
            out->n_ops = number(optarg, 100000000);
            break;
        case 'c':
            out->n_clients = number(optarg, CLIENTS_MAX);
            break;
        case 'm':
            out->n_messages = number(optarg, 100000000);
            break;
        case 's':
            out->message_bytes = number(optarg, LINE_MAX_BYTES / 2);
            break;
        default:
            usage();
        }
    }
}

int main(int argc, char **argv)
{
    struct options options = {
        .host = "127.0.0.1", .imap = 25143, .lmtp = 25124, .password = "pass"};
    size_t n_run = 0;

    parse_options(argc, argv, &options);
    (void) signal(SIGPIPE, SIG_IGN);
    for (int arg = optind; arg < argc; arg++) {
        bool all = strcmp(argv[arg], "all") == 0, found = false;

        for (size_t i = 0; i < COUNT(scenarios); i++) {
            if (all || strcmp(argv[arg], scenarios[i].name) == 0) {
                run_scenario(&options, &scenarios[i]);
                found = true;
                n_run++;
            }
        }
        if (!found)
            usage();
    }
    if (n_run == 0)
        usage();
    return 0;
}
