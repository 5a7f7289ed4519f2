/*
 * load.c - loads an IMAP and LMTP server and says what an operation costs.
 *
 *     load [OPTION...] SCENARIO...        see usage(); bench/README.md says how to compare
 *
 * A client is a thread in straight blocking code with a user of its own (u1, u2...), one
 * operation at a time. Every answer is checked: tagged OK, the right numbers in the right
 * order, the bytes that were stored; a wrong one ends the program with status 1. The scenarios
 * are tables in load_*.c.
 */
#include "load.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "cost.h"

/* How long a server takes no processor time before it counts as at rest: what is put off behind
 * new mail is done in pieces with pauses, and begun when none has come for a while (Roost's
 * index waits 10 s). */
#define SETTLE_READ_MS    600u
#define SETTLE_WRITTEN_MS 4000u
#define SETTLE_FILLED_MS  12000u
#define SETTLE_MAX_MS     300000u

static const struct scenario *const tables[] = {
    write_scenarios, read_scenarios, change_scenarios, search_scenarios, crowd_scenarios};

static uint32_t saturated(int64_t us)
{
    return (uint32_t) MIN(us, (int64_t) UINT32_MAX);
}

/* When it is due, which the time it takes is counted from: who is late is late for all behind.
 */
static int64_t await_turn(const struct client *client, size_t op, int64_t begun_us)
{
    uint64_t turn = op * client->n_clients + client->number;
    int64_t due_us = begun_us + (int64_t) (turn * 1000000 / client->options->ops_per_sec);
    int64_t left_us = due_us - clock_mono_us();

    if (left_us > 0)
        (void) usleep((useconds_t) left_us);
    return due_us;
}

static void run_operation(struct client *client, size_t op, int64_t begun_us)
{
    int64_t began_us;

    if (client->scenario->before != NULL)
        client->scenario->before(client, op);
    began_us =
        client->options->ops_per_sec > 0 ? await_turn(client, op, begun_us) : clock_mono_us();
    client->scenario->run(client, op);
    if (client->measured_us < 0)
        client->took_us[op] = saturated(clock_mono_us() - began_us);
    else
        client->took_us[op] = saturated(client->measured_us);
}

static void *run_client(void *ctx)
{
    struct client *client = ctx;
    int64_t within_us = client->options->begin_within_us;
    int64_t begun_us, until_us;
    size_t done = 0;

    client->scenario->prepare(client);
    (void) pthread_barrier_wait(client->start);
    (void) pthread_barrier_wait(client->start); /* between them the counting begins */
    begun_us = clock_mono_us();
    until_us = within_us > 0 ? begun_us + within_us : INT64_MAX;
    do
        run_operation(client, done++, begun_us);
    while (done < client->n_ops && clock_mono_us() < until_us);
    client->n_ops = done;
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
    const struct options *options;
    const struct scenario *scenario;
    size_t n_clients, n_ops; /* of one client, at most */
    size_t n_done;           /* of all clients */
    double n_units;          /* what all operations together count for */
    int64_t wall_us, busy_us, cpu_us;
    uint64_t n_bytes, n_received;
    bool has_pss;
    double pss_kib;
    pthread_barrier_t start, together;
    uint32_t *took_us;
    struct cost_rows cost;
};

static void print_cost(const struct run *run)
{
    uint64_t cpu_ns = 0;

    for (size_t i = 0; i < run->cost.n; i++) {
        const struct cost_row *row = &run->cost.rows[i];

        cpu_ns += row->cpu_ns;
        (void) printf("\t%s=%.2fus,%.2fcs", row->role,
                      (double) row->cpu_ns / 1e3 / run->n_units,
                      (double) row->switches / run->n_units);
        if (run->cost.has_instructions)
            (void) printf(",%.0fin", (double) row->instructions / run->n_units);
    }
    (void) printf("\tserver_cpu_us=%.2f", (double) cpu_ns / 1e3 / run->n_units);
}

/* One client alone: what lies between its operations does not count. */
static void print_run(struct run *run)
{
    size_t n = run->n_done;
    double sec = (double) (run->n_clients == 1 ? run->busy_us : run->wall_us) / 1e6;

    qsort(run->took_us, n, sizeof(*run->took_us), by_value);
    (void) printf("%s\tclients=%zu\tper_s=%.1f\tp50_us=%u\tp99_us=%u\tdriver_cpu=%.0f%%",
                  run->scenario->name, run->n_clients, run->n_units / sec, run->took_us[n / 2],
                  run->took_us[n * 99 / 100],
                  100.0 * (double) run->cpu_us / (double) run->wall_us);
    if (run->n_bytes > 0)
        (void) printf("\tmb_s=%.1f", (double) run->n_bytes / 1e6 / sec);
    if (run->n_received > 0 && run->n_bytes > 0)
        (void) printf("\twire_bytes=%.3f", (double) run->n_received / (double) run->n_bytes);
    if (run->has_pss)
        (void) printf("\tpss_kib=%.2f", run->pss_kib);
    if (run->options->pid != 0)
        print_cost(run);
    (void) printf("\n");
    (void) fflush(stdout);
}

static void start_client(struct client *client, struct run *run, size_t number)
{
    const struct options *options = run->options;
    const struct scenario *scenario = run->scenario;

    client->options = options;
    client->scenario = scenario;
    client->start = &run->start;
    client->together = &run->together;
    client->number = number;
    client->n_clients = run->n_clients;
    client->measured_us = -1;
    client->n_ops = run->n_ops;
    client->took_us = run->took_us + number * run->n_ops;
    client->n_messages = options->n_messages > 0 && scenario->n_messages > 0
                             ? options->n_messages
                             : scenario->n_messages;
    client->bag.seed = options->seed;
    client->bag.message_bytes = options->message_bytes > 0 && scenario->message_bytes > 0
                                    ? options->message_bytes
                                    : scenario->message_bytes;
    wire_init(&client->wire, scenario->name, scenario->first_user + (unsigned) number);
    buf_init(&client->message, WIRE_BUFFER_MAX_BYTES);
    for (size_t i = 0; i < POOL_MESSAGES; i++)
        buf_init(&client->pool[i], WIRE_BUFFER_MAX_BYTES);
    if (pthread_create(&client->thread, NULL, run_client, client) != 0)
        die("load: no thread");
}

static void end_client(struct client *client, struct run *run)
{
    (void) pthread_join(client->thread, NULL);
    run->n_bytes += client->n_bytes;
    run->n_received += client->n_received;
    run->has_pss = run->has_pss || client->has_pss;
    run->pss_kib += client->pss_kib;
    for (size_t op = 0; op < client->n_ops; op++) {
        run->busy_us += client->took_us[op];
        run->took_us[run->n_done++] = client->took_us[op]; /* never ahead of what is read */
    }
    wire_done(&client->wire);
    buf_done(&client->message);
    for (size_t i = 0; i < POOL_MESSAGES; i++)
        buf_done(&client->pool[i]);
}

/* What a server puts off is neither in the time of what follows nor missing from its cost. */
static void settle(const struct options *options, const struct scenario *scenario,
                   unsigned quiet_ms)
{
    if (options->pid != 0 && !options->hurries &&
        !cost_settle(options->pid, quiet_ms, SETTLE_MAX_MS))
        (void) fprintf(stderr, "load: %s: the server does not come to rest\n", scenario->name);
}

static bool has_filled(const struct client *clients, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (clients[i].has_filled)
            return true;
    }
    return false;
}

static void run_scenario(const struct options *options, const struct scenario *scenario)
{
    struct client *clients = xcalloc(CLIENTS_MAX, sizeof(*clients));
    struct run run = {.options = options, .scenario = scenario};
    struct cost *cost = NULL;
    struct err err;
    double units;

    run.n_clients = options->n_clients > 0 ? options->n_clients : scenario->n_clients;
    run.n_ops = options->n_ops > 0 ? options->n_ops : scenario->n_ops;
    run.took_us = xcalloc(run.n_clients * run.n_ops, sizeof(*run.took_us));
    (void) pthread_barrier_init(&run.start, NULL, (unsigned) run.n_clients + 1);
    (void) pthread_barrier_init(&run.together, NULL, (unsigned) run.n_clients);
    for (size_t i = 0; i < run.n_clients; i++)
        start_client(&clients[i], &run, i);
    (void) pthread_barrier_wait(&run.start);
    settle(options, scenario,
           has_filled(clients, run.n_clients) ? SETTLE_FILLED_MS : SETTLE_READ_MS);
    if (options->pid != 0 && cost_start(options->pid, &cost, &err) != RC_OK)
        die("load: %s", err.detail);
    run.cpu_us = -own_cpu_us();
    run.wall_us = -clock_mono_us();
    (void) pthread_barrier_wait(&run.start);
    (void) pthread_barrier_wait(&run.start);
    run.wall_us += clock_mono_us();
    run.cpu_us += own_cpu_us();
    settle(options, scenario, scenario->writes ? SETTLE_WRITTEN_MS : SETTLE_READ_MS);
    if (cost != NULL)
        cost_stop(cost, &run.cost);
    units =
        (double) (scenario->n_units == PER_MESSAGE ? clients[0].n_messages : scenario->n_units);
    for (size_t i = 0; i < run.n_clients; i++)
        end_client(&clients[i], &run);
    run.n_units = (double) run.n_done * units;
    print_run(&run);
    (void) pthread_barrier_destroy(&run.start);
    (void) pthread_barrier_destroy(&run.together);
    free(run.took_us);
    free(clients);
}

static _Noreturn void usage(void)
{
    (void) fprintf(
        stderr,
        "usage: load [-h ADDRESS] [-i IMAP_PORT] [-I IMAPS_PORT] [-l LMTP_PORT]\n"
        "            [-p PASSWORD] [-P PID] [-T] [-Z] [-Q] [-e SEED] [-n OPERATIONS]\n"
        "            [-c CLIENTS] [-m MESSAGES] [-s BYTES] [-t SECONDS] [-r RATE] SCENARIO...\n"
        "-T: IMAP over TLS; -Z: through COMPRESS=DEFLATE. PID: the server's first\n"
        "process; what it and those below it spend is counted, with what they put off,\n"
        "which is waited for, unless -Q. -t: no operation but the first begins later.\n"
        "-r: so many operations a second of all clients, timed from when each is due.\n"
        "Scenarios:");
    for (size_t i = 0; i < COUNT(tables); i++) {
        for (const struct scenario *row = tables[i]; row->name != NULL; row++)
            (void) fprintf(stderr, " %s", row->name);
    }
    (void) fprintf(stderr, "\n");
    exit(2);
}

static uint64_t number(const char *text, uint64_t max)
{
    uint64_t value;

    if (!slice_to_u64(slice_from_str(text), &value) || value == 0 || value > max)
        usage();
    return value;
}

static SSL_CTX *tls_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    if (context == NULL)
        die("load: no TLS");
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    (void) SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    (void) SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    return context;
}

static void set_option(int option, struct options *out)
{
    switch (option) {
    case 'h':
        out->host = optarg;
        break;
    case 'i':
        out->imap = (uint16_t) number(optarg, UINT16_MAX);
        break;
    case 'I':
        out->imaps = (uint16_t) number(optarg, UINT16_MAX);
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
    case 'T':
        out->tls = tls_context();
        break;
    case 'Z':
        out->compress = true;
        break;
    case 'Q':
        out->hurries = true;
        break;
    case 'e':
        out->seed = number(optarg, UINT32_MAX);
        break;
    case 'n':
        out->n_ops = (size_t) number(optarg, 100000000);
        break;
    case 'c':
        out->n_clients = (size_t) number(optarg, CLIENTS_MAX);
        break;
    case 'm':
        out->n_messages = (size_t) number(optarg, 100000000);
        break;
    case 's':
        out->message_bytes = (size_t) number(optarg, WIRE_BUFFER_MAX_BYTES / 4);
        break;
    case 't':
        out->begin_within_us = (int64_t) number(optarg, 1000000) * 1000000;
        break;
    case 'r':
        out->ops_per_sec = number(optarg, 1000000);
        break;
    default:
        usage();
    }
}

static const struct scenario *find_scenario(const char *name)
{
    for (size_t i = 0; i < COUNT(tables); i++) {
        for (const struct scenario *row = tables[i]; row->name != NULL; row++) {
            if (strcmp(row->name, name) == 0)
                return row;
        }
    }
    usage();
}

/* As many connections as the system lets one process have. */
static void raise_limit(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &files);
    }
}

int main(int argc, char **argv)
{
    struct options options = {.host = "127.0.0.1",
                              .imap = 25143,
                              .imaps = 25193,
                              .lmtp = 25124,
                              .password = "pass",
                              .seed = 1};
    int option;

    while ((option = getopt(argc, argv, "h:i:I:l:p:P:TZQe:n:c:m:s:t:r:")) != -1)
        set_option(option, &options);
    if (optind == argc)
        usage();
    for (int arg = optind; arg < argc; arg++)
        (void) find_scenario(argv[arg]);
    (void) signal(SIGPIPE, SIG_IGN);
    raise_limit();
    for (int arg = optind; arg < argc; arg++)
        run_scenario(&options, find_scenario(argv[arg]));
    SSL_CTX_free(options.tls);
    return 0;
}
