/*
 * engine_commit.c - durable commits a second of the local engine, by number of clients.
 *
 *     engine_commit DIR [SECONDS]
 *
 * DIR is made and must not exist; it stays, for a look at the files. Each client is a thread
 * that commits to its own account and waits until that is durable before the next. Before the
 * engine, the flush time of the disk is measured with the same kind of write, so that figures
 * of different machines can be compared.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/local/local.h"

#define CLIENTS_MAX   64
#define RECORDS_BYTES 128u
#define BODY_BYTES    5000u
#define PROBE_WRITES  500

struct client {
    struct engine *engine;
    uint64_t account;
    const atomic_bool *stop;
    bool has_body;
    uint64_t n_commits, next_body, last;
    pthread_t thread;
    /* Pairs with the durable callback: the low half of the greatest durable position. */
    _Atomic uint32_t durable;
    /* Pairs with checkpoint_wanted: the client writes one after its next commit. */
    atomic_bool wanted;
};

struct bench {
    struct client clients[CLIENTS_MAX];
};

/* The account is the client's number and one. */
static void on_durable(void *ctx, uint64_t account, uint64_t position)
{
    struct bench *bench = ctx;
    struct client *client = &bench->clients[account % CLIENTS_MAX];

    atomic_store(&client->durable, (uint32_t) position);
    (void) syscall(SYS_futex, &client->durable, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void on_changed(void *ctx, uint64_t account)
{
    (void) ctx;
    (void) account;
}

static void on_wanted(void *ctx, uint64_t account)
{
    struct bench *bench = ctx;

    atomic_store(&bench->clients[account % CLIENTS_MAX].wanted, true);
}

static void must(enum rc rc, const struct err *err)
{
    if (rc != RC_OK)
        die("%s: %s", rc_name(rc), err->detail);
}

static void wait_durable(struct client *client, uint32_t position)
{
    uint32_t now;

    while ((now = atomic_load(&client->durable)) != position)
        (void) syscall(SYS_futex, &client->durable, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
}

static void checkpoint(struct client *client)
{
    struct page_batch batch = {.root = SLICE("root")};
    struct err err;

    if (client->last > 0)
        must(client->engine->ops->write_pages(client->engine, client->account, client->last,
                                              &batch, &err),
             &err);
}

static void *client_main(void *arg)
{
    struct client *client = arg;
    const struct engine_ops *ops = client->engine->ops;
    static const char records[RECORDS_BYTES] = "flags";
    static const char body[BODY_BYTES] = "body";

    while (!atomic_load(client->stop)) {
        struct staged_body staged = {.body_id = client->next_body, .mbox = 1};
        struct commit_group group = {.account = client->account,
                                     .records = slice_of(records, sizeof(records))};
        uint64_t position = 0;
        struct err err;

        if (client->has_body) {
            staged.uid = (uint32_t) client->next_body++;
            must(ops->stage(client->engine, client->account, BODY_BYTES, &staged.stage, &err),
                 &err);
            must(ops->stage_write(staged.stage, slice_of(body, sizeof(body)), &err), &err);
            group.bodies = &staged;
            group.n_bodies = 1;
        }
        must(ops->commit(client->engine, &group, 1, &position, &err), &err);
        wait_durable(client, (uint32_t) position);
        client->n_commits++;
        client->last = position;
        if (atomic_exchange(&client->wanted, false))
            checkpoint(client);
    }
    return NULL;
}

static double cpu_seconds(void)
{
    struct rusage usage;

    (void) getrusage(RUSAGE_SELF, &usage);
    return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void run(struct bench *bench, struct engine *engine, unsigned n_clients, bool has_body,
                unsigned seconds)
{
    atomic_bool stop = false;
    struct engine_status before, after;
    uint64_t n_commits = 0;
    double cpu = cpu_seconds(), wall;
    int64_t start = clock_mono_us();

    engine->ops->status(engine, &before);
    for (unsigned i = 0; i < n_clients; i++) {
        struct client *client = &bench->clients[i];

        client->engine = engine;
        client->account = i + CLIENTS_MAX;
        client->stop = &stop;
        client->has_body = has_body;
        client->n_commits = 0;
        client->next_body = MAX(client->next_body, (uint64_t) 1);
        if (pthread_create(&client->thread, NULL, client_main, client) != 0)
            die("pthread_create");
    }
    (void) sleep(seconds);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < n_clients; i++) {
        (void) pthread_join(bench->clients[i].thread, NULL);
        checkpoint(&bench->clients[i]); /* nobody else will */
        n_commits += bench->clients[i].n_commits;
    }
    wall = (double) (clock_mono_us() - start) / 1e6;
    cpu = cpu_seconds() - cpu;
    engine->ops->status(engine, &after);
    printf("%-10s %2u clients  %9.0f /s  %6.1f us cpu  %6.1f groups a batch\n",
           has_body ? "body 5 KB" : "flags", n_clients, (double) n_commits / wall,
           cpu * 1e6 / (double) MAX(n_commits, 1u),
           (double) n_commits / (double) MAX(after.batches - before.batches, 1u));
}

/* One 4 KiB block at a time into a file of zeros, as the journal writes. */
static void probe_disk(const char *dir)
{
    char path[512];
    void *block = NULL;
    int64_t start;
    int fd;

    (void) snprintf(path, sizeof(path), "%s/probe", dir);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
    if (fd < 0 || posix_memalign(&block, 4096, 4096) != 0)
        die("probe: %s", path);
    memset(block, 0, 4096);
    for (int i = 0; i < PROBE_WRITES; i++) {
        if (pwrite(fd, block, 4096, (off_t) i * 4096) != 4096)
            die("probe: write");
    }
    (void) fdatasync(fd);
    start = clock_mono_us();
    for (int i = 0; i < PROBE_WRITES; i++) {
        struct iovec iov = {block, 4096};

        if (pwritev2(fd, &iov, 1, (off_t) i * 4096, RWF_DSYNC) != 4096)
            die("probe: pwritev2");
    }
    printf("disk       one durable block: %.0f us\n",
           (double) (clock_mono_us() - start) / PROBE_WRITES);
    (void) close(fd);
    (void) unlink(path);
    free(block);
}

int main(int argc, char **argv)
{
    static const unsigned counts[] = {1, 16, 64};
    static struct bench bench;
    struct local_options options = {.path = argc > 1 ? argv[1] : ""};
    uint64_t seconds = 3;
    struct engine *engine;
    struct err err;

    if (argc < 2 || (argc > 2 && !slice_to_u64(slice_from_str(argv[2]), &seconds))) {
        (void) fprintf(stderr, "usage: engine_commit DIR [SECONDS]\n");
        return 2;
    }
    must(local_store_create(options.path, &err), &err);
    probe_disk(options.path);
    must(local_engine_open(&options, &engine, &err), &err);
    engine->ops->start(engine, &(struct engine_events){.durable = on_durable,
                                                       .changed = on_changed,
                                                       .checkpoint_wanted = on_wanted,
                                                       .ctx = &bench});
    for (size_t body = 0; body < 2; body++) {
        for (size_t i = 0; i < COUNT(counts); i++)
            run(&bench, engine, counts[i], body != 0, (unsigned) MIN(seconds, 60u));
    }
    engine->ops->close(engine);
    return 0;
}
