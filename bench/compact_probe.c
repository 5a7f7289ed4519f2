/*
 * compact_probe.c - what compaction costs, and what clients notice of it.
 *
 *     compact_probe DIR [MEGABYTES [FILE [SECONDS]]]
 *
 * DIR is made and must not exist. Bodies of BODY_BYTES, MEGABYTES (512) of them in ACCOUNTS
 * accounts, cut out of FILE (mail as text; else made-up words) are stored and packed. A pass of
 * the scrubber reads all of it: processor time against what it read. Then every second body
 * dies, twice over:
 *
 *   - quiet: nothing else runs; processor time of the process against the bytes of the packs
 *     that are made anew;
 *   - under load: WRITERS threads commit a small group, wait until it is durable and read a
 *     body, before (SECONDS, 10) and while packs are made anew; p50 and p99 of both.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/local/local.h"

#define ACCOUNTS     8u
#define WRITERS      4u
#define BODY_BYTES   5000u
#define SAMPLES_MAX  (1u << 20)
#define POLL_MS      50
#define SETTLED      20 /* polls without a change: compaction is over */
#define DEAD_PERCENT 42u
#define TEXT_BYTES   ((size_t) 64 << 20)

struct probe {
    struct engine *engine;
    char *text;
    size_t text_len;
    uint64_t per_account;
    unsigned live_step; /* every so manieth body lives */
    pthread_mutex_t lock;
    pthread_cond_t moved;
    uint64_t durable; /* lock */
    _Atomic bool stop;
};

struct writer {
    struct probe *probe;
    uint64_t account;
    pthread_t thread;
    uint32_t *us;
    size_t n;
};

static void must(enum rc rc, const struct err *err)
{
    if (rc != RC_OK)
        die("%s: %s", rc_name(rc), err->detail);
}

static void on_durable(void *ctx, uint64_t account, uint64_t position)
{
    struct probe *probe = ctx;

    (void) account;
    (void) pthread_mutex_lock(&probe->lock);
    probe->durable = MAX(probe->durable, position);
    (void) pthread_cond_broadcast(&probe->moved);
    (void) pthread_mutex_unlock(&probe->lock);
}

static void wait_durable(struct probe *probe, uint64_t position)
{
    (void) pthread_mutex_lock(&probe->lock);
    while (probe->durable < position)
        (void) pthread_cond_wait(&probe->moved, &probe->lock);
    (void) pthread_mutex_unlock(&probe->lock);
}

static void nap_ms(long ms)
{
    (void) nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* ---- the store ---- */

static void make_text(struct probe *probe, const char *file)
{
    FILE *in = file != NULL ? fopen(file, "rb") : NULL;

    probe->text = xmalloc(TEXT_BYTES);
    if (in != NULL) {
        probe->text_len = fread(probe->text, 1, TEXT_BYTES, in);
        (void) fclose(in);
    }
    if (probe->text_len > 2 * BODY_BYTES)
        return;
    if (file != NULL)
        die("%s: cannot be read, or is too short", file);
    for (uint64_t random = 88172645463325252u; probe->text_len + 8 < TEXT_BYTES;) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        probe->text_len += (size_t) snprintf(probe->text + probe->text_len, 8, "w%llu ",
                                             (unsigned long long) (random >> 40) % 5000);
    }
}

static struct slice body_of(const struct probe *probe, uint64_t account, uint64_t id)
{
    uint64_t at = (account * 1000003 + id * BODY_BYTES) % (probe->text_len - BODY_BYTES);

    return slice_of(probe->text + at, BODY_BYTES);
}

static void put_body(struct probe *probe, uint64_t account, uint64_t id)
{
    const struct engine_ops *ops = probe->engine->ops;
    struct staged_body staged = {.body_id = id, .mbox = 1, .uid = (uint32_t) id};
    struct commit_group group = {
        .account = account, .records = SLICE("append"), .bodies = &staged, .n_bodies = 1};
    uint64_t position;
    struct err err;

    must(ops->stage(probe->engine, account, BODY_BYTES, &staged.stage, &err), &err);
    must(ops->stage_write(staged.stage, body_of(probe, account, id), &err), &err);
    must(ops->commit(probe->engine, &group, 1, &position, &err), &err);
    if (id % 64 == 0)
        wait_durable(probe, position);
    if (id % 1024 == 0) {
        struct page_batch batch = {.root = SLICE("root")};

        must(ops->write_pages(probe->engine, account, position, &batch, &err), &err);
    }
}

static struct engine_status status_of(const struct probe *probe)
{
    struct engine_status status;

    probe->engine->ops->status(probe->engine, &status);
    return status;
}

/* All is packed, and no pack is worth making anew. */
static void settle(const struct probe *probe)
{
    uint64_t last = 0;

    for (int same = 0; same < SETTLED;) {
        struct engine_status status = status_of(probe);

        same = status.unpacked_bytes == 0 && status.pack_bytes == last &&
                       status.dead_bytes * 100 <= status.pack_bytes * DEAD_PERCENT
                   ? same + 1
                   : 0;
        last = status.pack_bytes;
        nap_ms(POLL_MS);
    }
}

static void kill_half(struct probe *probe)
{
    uint64_t *ids = xcalloc(probe->per_account, sizeof(*ids));
    uint64_t missing;
    struct err err;

    probe->live_step *= 2;
    for (uint64_t account = 1; account <= ACCOUNTS; account++) {
        size_t n = 0;

        for (uint64_t id = probe->live_step; id <= probe->per_account; id += probe->live_step)
            ids[n++] = id;
        must(probe->engine->ops->keep_bodies(probe->engine, account, ids, n,
                                             probe->per_account + 1, &missing, &err),
             &err);
        if (missing > 0)
            die("%llu bodies are missing", (unsigned long long) missing);
    }
    free(ids);
}

/* ---- the figures ---- */

static double cpu_sec(void)
{
    struct rusage usage;

    (void) getrusage(RUSAGE_SELF, &usage);
    return (double) usage.ru_utime.tv_sec + (double) usage.ru_stime.tv_sec +
           (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static bool goes_on(void *ctx, uint64_t bytes)
{
    (void) ctx;
    (void) bytes;
    return true;
}

/* A pass of the scrubber, as fast as it goes. */
static void run_scrub(struct probe *probe)
{
    const struct scrub_watch watch = {.goes_on = goes_on};
    uint64_t bytes, findings;
    double cpu = cpu_sec();
    int64_t began_us = clock_mono_us();
    struct err err;

    must(probe->engine->ops->scrub(probe->engine, &watch, &bytes, &findings, &err), &err);
    cpu = cpu_sec() - cpu;
    printf("scrub\t%.0f MB\t%llu findings\t%.2f s processor\t%.1f s in all\t%.0f MB/s a core\n",
           (double) bytes / 1e6, (unsigned long long) findings, cpu,
           (double) (clock_mono_us() - began_us) / 1e6, (double) bytes / 1e6 / cpu);
}

static void run_quiet(struct probe *probe)
{
    struct engine_status before = status_of(probe), after;
    double cpu, mb = (double) before.pack_bytes / 1e6, raw = (double) before.raw_bytes / 1e6;
    int64_t began_us;

    kill_half(probe);
    cpu = cpu_sec();
    began_us = clock_mono_us();
    settle(probe);
    cpu = cpu_sec() - cpu;
    after = status_of(probe);
    printf("quiet\t%.0f MB of packs (%.0f MB raw) -> %.0f MB\t%.2f s processor\t%.1f s in all\t"
           "%.0f MB/s a core of packs\t%.0f MB/s a core raw\n",
           mb, raw, (double) after.pack_bytes / 1e6, cpu,
           (double) (clock_mono_us() - began_us) / 1e6, mb / cpu, raw / cpu);
}

static void one_command(struct writer *writer, uint64_t turn)
{
    struct probe *probe = writer->probe;
    const struct engine_ops *ops = probe->engine->ops;
    uint64_t n_live = probe->per_account / probe->live_step;
    uint64_t id = (1 + turn * 7919 % n_live) * probe->live_step, position;
    struct commit_group group = {.account = writer->account, .records = SLICE("flags")};
    char bytes[BODY_BYTES];
    struct body *body;
    struct err err;

    must(ops->commit(probe->engine, &group, 1, &position, &err), &err);
    wait_durable(probe, position);
    must(ops->body_open(probe->engine, writer->account, id, &body, &err), &err);
    must(ops->body_read(body, 0, bytes, sizeof(bytes), &err), &err);
    ops->body_close(body);
}

static void *writer_main(void *arg)
{
    struct writer *writer = arg;

    for (uint64_t turn = 0; !atomic_load(&writer->probe->stop); turn++) {
        int64_t began_us = clock_mono_us();

        one_command(writer, turn);
        if (writer->n < SAMPLES_MAX)
            writer->us[writer->n++] = (uint32_t) (clock_mono_us() - began_us);
    }
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static void start_load(struct probe *probe, struct writer *writers)
{
    atomic_store(&probe->stop, false);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){
            .probe = probe, .account = i + 1, .us = xcalloc(SAMPLES_MAX, sizeof(uint32_t))};
        if (pthread_create(&writers[i].thread, NULL, writer_main, &writers[i]) != 0)
            die("no thread");
    }
}

static void stop_load(struct probe *probe, struct writer *writers, const char *what)
{
    uint32_t *all = xcalloc((size_t) WRITERS * SAMPLES_MAX, sizeof(*all));
    size_t n = 0;

    atomic_store(&probe->stop, true);
    for (unsigned i = 0; i < WRITERS; i++) {
        (void) pthread_join(writers[i].thread, NULL);
        memcpy(all + n, writers[i].us, writers[i].n * sizeof(*all));
        n += writers[i].n;
        free(writers[i].us);
    }
    qsort(all, n, sizeof(*all), by_value);
    printf("%s\t%zu commands\tp50 %u us\tp99 %u us\tp99.9 %u us\n", what, n, all[n / 2],
           all[n * 99 / 100], all[n * 999 / 1000]);
    free(all);
}

static void run_loaded(struct probe *probe, uint64_t seconds)
{
    struct writer writers[WRITERS];

    start_load(probe, writers);
    nap_ms((long) seconds * 1000);
    stop_load(probe, writers, "without");
    kill_half(probe);
    start_load(probe, writers);
    settle(probe);
    stop_load(probe, writers, "with compaction");
}

int main(int argc, char **argv)
{
    static struct probe probe = {.live_step = 1};
    struct local_options options = {.map_bytes = (uint64_t) 8 << 30, .pack_after_ms = 2000};
    uint64_t mb = 512, seconds = 10;
    struct err err;

    if (argc < 2 || (argc > 2 && !slice_to_u64(slice_from_str(argv[2]), &mb)) || mb < 64 ||
        (argc > 4 && !slice_to_u64(slice_from_str(argv[4]), &seconds)) || seconds == 0) {
        (void) fprintf(stderr, "usage: compact_probe DIR [MEGABYTES [FILE [SECONDS]]]\n");
        return 2;
    }
    make_text(&probe, argc > 3 && argv[3][0] != '\0' ? argv[3] : NULL);
    (void) pthread_mutex_init(&probe.lock, NULL);
    (void) pthread_cond_init(&probe.moved, NULL);
    options.path = argv[1];
    must(local_store_create(argv[1], &err), &err);
    must(local_engine_open(&options, &probe.engine, &err), &err);
    probe.engine->ops->start(probe.engine,
                             &(struct engine_events){.durable = on_durable, .ctx = &probe});
    probe.per_account = mb * 1000000 / BODY_BYTES / ACCOUNTS;
    for (uint64_t id = 1; id <= probe.per_account; id++) {
        for (uint64_t account = 1; account <= ACCOUNTS; account++)
            put_body(&probe, account, id);
    }
    settle(&probe);
    run_scrub(&probe);
    run_quiet(&probe);
    run_loaded(&probe, seconds);
    probe.engine->ops->close(probe.engine);
    free(probe.text);
    return 0;
}
