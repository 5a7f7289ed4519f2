/*
 * list_probe.c - what a command on a whole mailbox takes in the process that holds the mail,
 * apart from the kernel: a session without a socket, over the local engine.
 *
 *     list_probe DIR [ROUNDS [COMMAND...]]
 *
 * DIR is what search_probe has made. Each COMMAND ("UID FETCH 1:* (FLAGS)") runs once, then
 * ROUNDS times in the calling thread, its answer taken away piece by piece as a socket does:
 *
 *     ns of processor time a message, median and least; octets of answer a message; command
 *
 * For instruction counts, which no neighbour changes:
 *
 *     valgrind --tool=callgrind --toggle-collect='run_again*' list_probe DIR 5 COMMAND
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "auth/name.h"
#include "commands/append_sink.h"
#include "commands/dispatch.h"
#include "lib/plain_digester.h"
#include "store/local/local.h"

#define ACCOUNT    7u
#define ROUNDS_MAX 1000u
#define OUT_BYTES  ((size_t) 1 << 30)
#define MAP_BYTES  ((uint64_t) 1 << 30) /* what can be had below valgrind */

/* As a pool thread runs on before it looks at others. */
#define SEND_BYTES ((size_t) 128 << 10)

struct probe {
    struct digester digester;
    struct local_options options;
    struct mail_store *store;
    struct session session;
    struct append_sink sink;
    struct imap_reader *reader;
    struct buf out, sent;
    uint64_t n_sent;
    uint32_t rounds, n_messages;
};

static void must(enum rc rc, const struct err *err)
{
    if (rc != RC_OK)
        die("%s: %s", rc_name(rc), err->detail);
}

static double cpu_ns(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double) now.tv_sec * 1e9 + (double) now.tv_nsec;
}

/* A copy, in the place of the kernel's. */
static void send_all(struct probe *probe)
{
    probe->n_sent += probe->out.len;
    buf_reset(&probe->sent);
    buf_append(&probe->sent, buf_slice(&probe->out));
    buf_reset(&probe->out);
}

static void settle(struct probe *probe)
{
    struct account *account;
    uint64_t position;

    while ((account = session_unsettled(&probe->session, &position)) != NULL)
        account_wait_durable(account, position);
}

static void run(struct probe *probe)
{
    const struct command_input input = {.text = imap_reader_text(probe->reader)};
    struct cmd *running = NULL;
    enum command_outcome outcome =
        command_start(&probe->session, &input, &probe->out, &running);

    while (outcome == COMMAND_MORE) {
        if (probe->out.len >= SEND_BYTES)
            send_all(probe);
        outcome = command_resume(&running, &probe->out, false);
    }
    if (outcome != COMMAND_DONE ||
        slice_search(buf_slice(&probe->out), SLICE("a OK")) == probe->out.len)
        die("not OK: %.*s", SLICE_ARG(slice_sub(buf_slice(&probe->out), 0, 200)));
    send_all(probe);
    imap_reader_next(probe->reader);
}

/* Its symbol is what callgrind collects by. */
__attribute__((noinline)) static void run_again(struct probe *probe)
{
    run(probe);
}

static void give(struct probe *probe, const char *command)
{
    char text[4096];
    struct slice bytes;
    struct err err;

    (void) snprintf(text, sizeof(text), "a %s\r\n", command);
    bytes = slice_from_str(text);
    if (imap_reader_feed(probe->reader, &bytes, &err) != READ_COMMAND)
        die("no command: %s", command);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;

    return (x > y) - (x < y);
}

/* A STORE that has nothing to change would say little: two of them take turns, told as
 * "STORE ... \Flagged|STORE ...". */
static void measure(struct probe *probe, const char *commands)
{
    const char *bar = strchr(commands, '|');
    char first[2048];
    double times[ROUNDS_MAX];

    (void) snprintf(first, sizeof(first), "%.*s",
                    (int) (bar != NULL ? bar - commands : (long) strlen(commands)), commands);
    for (uint32_t i = 0; i <= probe->rounds; i++) {
        double began;

        give(probe, bar != NULL && i % 2 == 1 ? bar + 1 : first);
        probe->n_sent = 0;
        began = cpu_ns();
        if (i == 0)
            run(probe);
        else
            run_again(probe);
        if (i > 0)
            times[i - 1] = (cpu_ns() - began) / probe->n_messages;
        settle(probe);
    }
    qsort(times, probe->rounds, sizeof(*times), by_value);
    printf("%9.1f %9.1f %9.1f  %s\n", times[probe->rounds / 2], times[0],
           (double) probe->n_sent / probe->n_messages, commands);
}

/* What SELECT has told. */
static uint32_t exists(struct slice answer)
{
    struct slice before = slice_sub(answer, 0, slice_search(answer, SLICE(" EXISTS")));
    uint64_t n = 0;

    if (!slice_to_u64(slice_from(before, slice_rfind(before, ' ') + 1), &n) || n > UINT32_MAX)
        die("no EXISTS");
    return (uint32_t) n;
}

static void open_all(struct probe *probe)
{
    const struct reader_limits limits = {READER_LINE_BYTES, READER_LITERAL_BYTES,
                                         READER_MESSAGE_BYTES};
    struct session_grant grant = {
        .actor = {ACCOUNT, 1},
          .message_max_bytes = READER_MESSAGE_BYTES
    };
    struct mail_store_options options = {.digester = &probe->digester};
    struct err err;

    probe->digester.make = plain_digest;
    must(auth_names_init(&err), &err);
    must(local_engine_open(&probe->options, &options.engine, &err), &err);
    probe->store = mail_store_new(&options);
    must(account_open(probe->store, ACCOUNT, true, &grant.account, &err), &err);
    session_init(&probe->session, &grant);
    append_sink_init(&probe->sink, &probe->session);
    probe->reader = imap_reader_new(&limits, &append_sink_ops, &probe->sink);
    buf_init(&probe->out, OUT_BYTES);
    buf_init(&probe->sent, OUT_BYTES);
    give(probe, "SELECT big");
    run(probe);
    probe->n_messages = exists(buf_slice(&probe->sent));
    if (probe->n_messages == 0)
        die("the mailbox is empty");
}

static void close_all(struct probe *probe)
{
    imap_reader_free(probe->reader);
    append_sink_done(&probe->sink);
    session_done(&probe->session);
    mail_store_close(probe->store);
    buf_done(&probe->out);
    buf_done(&probe->sent);
    free(probe);
}

int main(int argc, char **argv)
{
    static const char *const usual[] = {
        "UID FETCH 1:* (FLAGS)",
        "UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)",
        "UID FETCH 1:* (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject "
        "Date Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type "
        "Reply-To)])",
        "STORE 1:* +FLAGS (\\Flagged)|STORE 1:* -FLAGS (\\Flagged)",
        "UID FETCH 1:* (BODY.PEEK[])",
    };
    struct probe *probe = xcalloc(1, sizeof(*probe));

    if (argc < 2)
        die("usage: list_probe DIR [ROUNDS [COMMAND...]]");
    (void) setvbuf(stdout, NULL, _IOLBF, 0);
    probe->options.path = argv[1];
    probe->options.map_bytes = MAP_BYTES;
    probe->rounds = argc > 2 ? (uint32_t) strtoul(argv[2], NULL, 10) : 11;
    if (probe->rounds == 0 || probe->rounds > ROUNDS_MAX)
        die("ROUNDS from 1 to %u", ROUNDS_MAX);
    open_all(probe);
    printf("%u messages; %9s %9s %9s\n", probe->n_messages, "ns", "least", "octets");
    for (size_t i = 0; argc <= 3 && i < COUNT(usual); i++)
        measure(probe, usual[i]);
    for (int i = 3; i < argc; i++)
        measure(probe, argv[i]);
    close_all(probe);
    return 0;
}
