/*
 * engine_probe.c - durable transactions a second of the local engine, beside other means.
 *
 *     engine_probe DIR [SECONDS [ROUNDS [WRITERS]]]
 *
 * DIR is made and must not exist; it stays, for a look at the files. For 1, 16 and 64 writers
 * it changes a flag of one message (a FLAGS record as the mail role writes it) in the engine
 * and in LMDB, and delivers 5 KB bodies into the engine and into a Maildir.
 *
 * What is compared: each writer has one transaction under way and begins the next when that one
 * is durable. A writer of the engine is what a session is in the mail role: a member of the
 * pool of net/pool.h, run by as many threads as the role has, woken by the engine's callback.
 * LMDB's is shown in each way it can be had: the same crowd before one writer thread that takes
 * all that wait into one commit; a thread for each client before that writer; and a thread for
 * each client that commits for itself. A Maildir has no group to wait for: a thread for each
 * writer.
 *
 * The engine and its rivals take turns A B A B, and before each turn the disk's flush time is
 * measured, so that what a neighbour does to the disk meets all of them. Printed are medians,
 * least and greatest, and the ratio of the medians.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "crowd.h"
#include "rivals.h"
#include "store/local/local.h"

#define PROBE_WRITES 200
#define ROUNDS_MAX   32u
#define MAILBOX_UIDS 100000u

struct writer {
    struct crowd_client client;
    struct engine *engine;
    uint64_t account;
    bool has_body;
    uint64_t next_body, last, modseq;
    unsigned seed;
    /* Pairs with the durable callback: the greatest durable position. */
    _Atomic uint64_t durable;
    /* Pairs with checkpoint_wanted: the writer writes one before its next commit. */
    atomic_bool wanted;
};

struct probe {
    struct writer writers[BENCH_WRITERS_MAX];
    struct engine *engine;
    struct lmdb_rival *lmdb;
    struct maildir_rival *maildir;
    char *dir;
    unsigned seconds, rounds;
};

/* The account is the writer's number, counted from BENCH_WRITERS_MAX. */
static struct writer *writer_of(void *ctx, uint64_t account)
{
    return &((struct probe *) ctx)->writers[account % BENCH_WRITERS_MAX];
}

static void on_durable(void *ctx, uint64_t account, uint64_t position)
{
    struct writer *writer = writer_of(ctx, account);

    atomic_store(&writer->durable, position);
    crowd_done(&writer->client);
}

static void on_changed(void *ctx, uint64_t account)
{
    (void) ctx;
    (void) account;
}

static void on_wanted(void *ctx, uint64_t account)
{
    atomic_store(&writer_of(ctx, account)->wanted, true);
}

static void must(enum rc rc, const struct err *err)
{
    if (rc != RC_OK)
        die("%s: %s", rc_name(rc), err->detail);
}

/* ---- the engine ---- */

static void checkpoint(struct writer *writer)
{
    struct page_batch batch = {.root = SLICE("root")};
    struct err err;

    if (writer->last > 0)
        must(writer->engine->ops->write_pages(writer->engine, writer->account, writer->last,
                                              &batch, &err),
             &err);
}

/* One record, as a transaction of mailbox/ writes it. */
static void encode(struct writer *writer, struct buf *buf)
{
    struct record_group group = {
        .actor = {writer->account, 1},
          .time_us = clock_wall_us()
    };
    uint32_t uid = 1 + (uint32_t) rand_r(&writer->seed) % MAILBOX_UIDS;
    struct uid_run run = {uid, uid};
    struct record flags = {
        .type = RECORD_FLAGS,
        .flags = {.mbox = 1,
                  .op = FLAG_OP_ADD,
                  .flags = FLAG_SEEN,
                  .uids = {&run, 1},
                  .modseq = ++writer->modseq}
    };
    struct record append = {
        .type = RECORD_APPEND,
        .append = {.mbox = 1,
                   .uid = (uint32_t) writer->next_body,
                   .size = BENCH_BODY_BYTES,
                   .internaldate = {group.time_us / 1000000, 0},
                   .savedate = group.time_us / 1000000,
                   .emailid = {{1}},
                   .body_id = writer->next_body,
                   .modseq = writer->modseq}
    };

    record_group_encode(buf, &group);
    record_encode(buf, writer->has_body ? &append : &flags);
}

static void commit_one(struct writer *writer, struct slice records)
{
    static const char body[BENCH_BODY_BYTES] = "body";
    const struct engine_ops *ops = writer->engine->ops;
    struct staged_body staged = {.body_id = writer->next_body, .mbox = 1};
    struct commit_group group = {
        .account = writer->account, .records = records, .is_deferred = true};
    struct err err;

    if (writer->has_body) {
        staged.uid = (uint32_t) writer->next_body++;
        must(ops->stage(writer->engine, writer->account, BENCH_BODY_BYTES, &staged.stage, &err),
             &err);
        must(ops->stage_write(staged.stage, slice_of(body, sizeof(body)), &err), &err);
        group.bodies = &staged;
        group.n_bodies = 1;
    }
    must(ops->commit(writer->engine, &group, 1, &writer->last, &err), &err);
    ops->push(writer->engine);
}

static void begin(struct crowd_client *client)
{
    struct writer *writer = (struct writer *) client; /* its first member */
    AUTO(buf_done) struct buf records = {0};

    if (atomic_load(&writer->durable) < writer->last)
        die("woken before LSN %llu was durable", (unsigned long long) writer->last);
    if (atomic_exchange(&writer->wanted, false))
        checkpoint(writer);
    buf_init(&records, GROUP_RECORDS_MAX_BYTES);
    encode(writer, &records);
    commit_one(writer, buf_slice(&records));
}

static uint64_t run_engine(struct probe *probe, unsigned n, const atomic_bool *stop,
                           bool has_body)
{
    struct crowd_client *clients[BENCH_WRITERS_MAX];

    for (unsigned i = 0; i < n; i++) {
        struct writer *writer = &probe->writers[i];

        writer->client.begin = begin;
        writer->engine = probe->engine;
        writer->account = i + BENCH_WRITERS_MAX;
        writer->has_body = has_body;
        writer->seed = i + 1;
        writer->next_body = MAX(writer->next_body, (uint64_t) 1);
        clients[i] = &writer->client;
    }
    return crowd_run(clients, n, stop);
}

static uint64_t engine_flags(struct probe *probe, unsigned n, const atomic_bool *stop)
{
    return run_engine(probe, n, stop, false);
}

static uint64_t engine_bodies(struct probe *probe, unsigned n, const atomic_bool *stop)
{
    return run_engine(probe, n, stop, true);
}

/* ---- the rivals ---- */

static uint64_t lmdb_crowd(struct probe *probe, unsigned n, const atomic_bool *stop)
{
    return lmdb_run_crowd(probe->lmdb, n, stop);
}

static uint64_t lmdb_grouped(struct probe *probe, unsigned n, const atomic_bool *stop)
{
    return lmdb_run_grouped(probe->lmdb, n, stop);
}

static uint64_t lmdb_plain(struct probe *probe, unsigned n, const atomic_bool *stop)
{
    return lmdb_run_plain(probe->lmdb, n, stop);
}

static uint64_t maildir(struct probe *probe, unsigned n, const atomic_bool *stop)
{
    return maildir_run(probe->maildir, n, stop);
}

/* ---- taking turns ---- */

typedef uint64_t run_fn(struct probe *probe, unsigned n, const atomic_bool *stop);

struct contender {
    const char *name;
    run_fn *run;
};

struct turn {
    struct probe *probe;
    const struct contender *contender;
    unsigned n;
    atomic_bool stop;
    uint64_t n_commits;
};

static void *turn_main(void *arg)
{
    struct turn *turn = arg;

    turn->n_commits = turn->contender->run(turn->probe, turn->n, &turn->stop);
    return NULL;
}

struct sample {
    double rate, cpu_us;
};

static double cpu_seconds(void)
{
    struct rusage usage;

    (void) getrusage(RUSAGE_SELF, &usage);
    return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static struct sample take_turn(struct probe *probe, const struct contender *contender,
                               unsigned n)
{
    struct turn turn = {.probe = probe, .contender = contender, .n = n};
    double cpu = cpu_seconds(), wall;
    int64_t start = clock_mono_us();
    pthread_t thread;

    if (pthread_create(&thread, NULL, turn_main, &turn) != 0)
        die("pthread_create");
    (void) sleep(probe->seconds);
    atomic_store(&turn.stop, true);
    (void) pthread_join(thread, NULL);
    wall = (double) (clock_mono_us() - start) / 1e6;
    cpu = cpu_seconds() - cpu;
    return (struct sample){(double) turn.n_commits / wall,
                           cpu * 1e6 / (double) MAX(turn.n_commits, (uint64_t) 1)};
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Sorts the values. */
static double median(double *values, unsigned n)
{
    qsort(values, n, sizeof(*values), by_value);
    return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* Microseconds of one durable 4 KiB block, as the journal writes it, or of a buffered write and
 * fdatasync. */
static double flush_us(const struct probe *probe, bool journal_way)
{
    char path[600];
    void *block = NULL;
    double us[PROBE_WRITES];
    int fd;

    (void) snprintf(path, sizeof(path), "%s/flush", probe->dir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | (journal_way ? O_DIRECT : 0), 0600);
    if (fd < 0 || posix_memalign(&block, 4096, 4096) != 0)
        die("flush probe: %s", path);
    memset(block, 0, 4096);
    for (int i = 0; i < PROBE_WRITES; i++) {
        if (pwrite(fd, block, 4096, (off_t) i * 4096) != 4096)
            die("flush probe: write");
    }
    (void) fdatasync(fd); /* the figure is that of the writes below */
    for (int i = 0; i < PROBE_WRITES; i++) {
        struct iovec iov = {block, 4096};
        int64_t start = clock_mono_us();
        ssize_t n = journal_way ? pwritev2(fd, &iov, 1, (off_t) i * 4096, RWF_DSYNC)
                                : pwrite(fd, block, 4096, (off_t) i * 4096);

        if (n != 4096 || (!journal_way && fdatasync(fd) != 0))
            die("flush probe: sync");
        us[i] = (double) (clock_mono_us() - start);
    }
    (void) close(fd);
    free(block);
    return median(us, PROBE_WRITES);
}

static void compare(struct probe *probe, const char *what, const struct contender *contenders,
                    size_t n_contenders, unsigned n)
{
    double rates[4][ROUNDS_MAX], cpu[4][ROUNDS_MAX], flush[ROUNDS_MAX], ours = 0;

    for (unsigned round = 0; round < probe->rounds; round++) {
        flush[round] = flush_us(probe, true);
        for (size_t i = 0; i < n_contenders; i++) {
            struct sample sample = take_turn(probe, &contenders[i], n);

            rates[i][round] = sample.rate;
            cpu[i][round] = sample.cpu_us;
        }
    }
    printf("%s, %u writers; one durable block meanwhile: %.0f us\n", what, n,
           median(flush, probe->rounds));
    for (size_t i = 0; i < n_contenders; i++) {
        double rate = median(rates[i], probe->rounds);

        ours = i == 0 ? rate : ours;
        printf("  %-29s %8.0f /s (%.0f .. %.0f)  %6.1f us cpu  ratio %.1f\n",
               contenders[i].name, rate, rates[i][0], rates[i][probe->rounds - 1],
               median(cpu[i], probe->rounds), ours / rate);
    }
    (void) fflush(stdout);
}

static char *path_in(const char *dir, const char *name)
{
    AUTO(buf_done) struct buf path;

    buf_init(&path, 4096);
    buf_str(&path, dir);
    buf_str(&path, name);
    buf_le8(&path, 0);
    return xstrdup(buf_slice(&path).ptr);
}

static void open_all(struct probe *probe, const char *dir)
{
    AUTO(freep) char *store = path_in(dir, "/store");
    AUTO(freep) char *lmdb = path_in(dir, "/lmdb");
    AUTO(freep) char *mail = path_in(dir, "/maildir");
    struct local_options options = {.path = store};
    struct err err;

    if (mkdir(dir, 0700) != 0)
        die("cannot make %s", dir);
    probe->dir = xstrdup(dir);
    must(local_store_create(store, &err), &err);
    must(local_engine_open(&options, &probe->engine, &err), &err);
    probe->engine->ops->start(probe->engine,
                              &(struct engine_events){.durable = on_durable,
                                                      .changed = on_changed,
                                                      .checkpoint_wanted = on_wanted,
                                                      .ctx = probe});
    probe->lmdb = lmdb_rival_new(lmdb);
    probe->maildir = maildir_rival_new(mail);
}

static void close_all(struct probe *probe)
{
    for (unsigned i = 0; i < BENCH_WRITERS_MAX; i++) {
        if (probe->writers[i].engine != NULL)
            checkpoint(&probe->writers[i]);
    }
    probe->engine->ops->close(probe->engine);
    lmdb_rival_free(probe->lmdb);
    maildir_rival_free(probe->maildir);
    free(probe->dir);
}

int main(int argc, char **argv)
{
    static const unsigned counts[] = {1, 16, 64};
    static const struct contender flags[] = {
        {"roost",                        engine_flags},
        {"lmdb, grouped, few threads",   lmdb_crowd  },
        {"lmdb, grouped, a thread each", lmdb_grouped},
        {"lmdb, each for itself",        lmdb_plain  }
    };
    static const struct contender bodies[] = {
        {"roost",   engine_bodies},
        {"maildir", maildir      }
    };
    static struct probe probe;
    uint64_t seconds = 2, rounds = 3, only = 0;

    if (argc < 2 || (argc > 2 && !slice_to_u64(slice_from_str(argv[2]), &seconds)) ||
        (argc > 3 && !slice_to_u64(slice_from_str(argv[3]), &rounds)) || rounds == 0 ||
        (argc > 4 && !slice_to_u64(slice_from_str(argv[4]), &only))) {
        (void) fprintf(stderr, "usage: engine_probe DIR [SECONDS [ROUNDS [WRITERS]]]\n");
        return 2;
    }
    probe.seconds = (unsigned) MIN(seconds, 60u);
    probe.rounds = (unsigned) MIN(rounds, (uint64_t) ROUNDS_MAX);
    open_all(&probe, argv[1]);
    printf("%u threads serve the writers\n", crowd_threads());
    printf("one durable 4 KiB block: %.0f us written with RWF_DSYNC, %.0f us with fdatasync\n",
           flush_us(&probe, true), flush_us(&probe, false));
    for (size_t i = 0; i < COUNT(counts); i++) {
        if (only == 0 || only == counts[i])
            compare(&probe, "flags of one message", flags, COUNT(flags), counts[i]);
    }
    for (size_t i = 0; i < COUNT(counts); i++) {
        if (only == 0 || only == counts[i])
            compare(&probe, "deliveries of 5 KB", bodies, COUNT(bodies), counts[i]);
    }
    close_all(&probe);
    return 0;
}
