/*
 * restart.c - how long a start takes behind a crash, with much journal that no checkpoint
 * covers.
 *
 *     restart DIR [MIB [ACCOUNTS [BODY_BYTES]]]
 *
 * DIR is made and must not exist. A child process fills the journal with MIB (1024) of
 * deliveries of BODY_BYTES (5000; 0: changes of one flag each) to ACCOUNTS (10000) accounts,
 * writes no checkpoint and ends without closing. Timed are then: the engine's start, with the
 * journal evicted from the page cache and with it in there, and the opening of accounts, which
 * applies their tails.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "mailbox/txn.h"
#include "store/local/local.h"

#define PATH_BYTES    600u
#define OPENED        200u
#define BODY_MAX      100000u
#define RECORDS_BYTES ((size_t) 4096)

struct bench {
    char path[PATH_BYTES];
    uint64_t bytes, accounts, body_bytes;
    struct digester digester;
};

static void must(enum rc rc, const struct err *err)
{
    if (rc != RC_OK)
        die("%s: %s", rc_name(rc), err->detail);
}

static enum rc no_digest(struct digester *digester, uint64_t account,
                         const struct slice *messages, size_t n, struct arena *arena,
                         struct slice *tables, struct err *err)
{
    (void) digester;
    (void) account;
    (void) messages;
    (void) n;
    (void) arena;
    (void) tables;
    return err_set(err, RC_NOT_FOUND, "No digest", "restart: no digest");
}

/* ---- the child ---- */

/* The n-th group of an account: its first records, then a message or a flag of one. */
static void encode(const struct bench *bench, uint64_t nth, struct buf *out)
{
    struct record_group group = {.time_us = clock_wall_us()};
    struct uid_run first = {1, 1};
    struct record account = {.type = RECORD_ACCOUNT, .account = {1000}};
    struct record inbox = {
        .type = RECORD_MAILBOX,
        .mailbox = {.op = MAILBOX_CREATE,
                    .mbox = 1,
                    .name = SLICE("INBOX"),
                    .mailboxid = object_id_new(),
                    .uidvalidity = 1,
                    .uidnext = 1,
                    .first_recent = 1,
                    .modseq = 1001}
    };
    struct record append = {
        .type = RECORD_APPEND,
        .append = {.mbox = 1,
                   .uid = (uint32_t) nth,
                   .size = (uint32_t) MAX(bench->body_bytes, 1u),
                   .internaldate = {1700000000, 0},
                   .savedate = 1700000000,
                   .emailid = object_id_new(),
                   .body_id = nth,
                   .modseq = 1001 + nth}
    };
    struct record flags = {
        .type = RECORD_FLAGS,
        .flags = {.mbox = 1,
                  .op = nth % 2 == 0 ? FLAG_OP_ADD : FLAG_OP_REMOVE,
                  .flags = FLAG_SEEN,
                  .uids = {&first, 1},
                  .modseq = 1001 + nth}
    };

    record_group_encode(out, &group);
    if (nth == 1) {
        record_encode(out, &account);
        record_encode(out, &inbox);
    }
    record_encode(out, nth == 1 || bench->body_bytes > 0 ? &append : &flags);
}

/* One group for each of n accounts, in one commit. */
static void commit_round(const struct bench *bench, struct engine *engine, uint64_t first,
                         size_t n, uint64_t nth)
{
    static const char body[BODY_MAX] = "body";
    struct commit_group groups[COMMIT_GROUPS_MAX] = {{0}};
    struct staged_body bodies[COMMIT_GROUPS_MAX];
    struct buf records[COMMIT_GROUPS_MAX];
    uint64_t positions[COMMIT_GROUPS_MAX];
    struct err err;

    for (size_t i = 0; i < n; i++) {
        buf_init(&records[i], RECORDS_BYTES);
        encode(bench, nth, &records[i]);
        groups[i].account = first + i;
        groups[i].records = buf_slice(&records[i]);
        if (nth > 1 && bench->body_bytes == 0)
            continue;
        bodies[i] = (struct staged_body){.body_id = nth, .mbox = 1, .uid = (uint32_t) nth};
        must(engine->ops->stage(engine, first + i, 0, &bodies[i].stage, &err), &err);
        must(engine->ops->stage_write(bodies[i].stage,
                                      slice_of(body, MAX(bench->body_bytes, 1u)), &err),
             &err);
        groups[i].bodies = &bodies[i];
        groups[i].n_bodies = 1;
    }
    must(engine->ops->commit(engine, groups, n, positions, &err), &err);
    for (size_t i = 0; i < n; i++)
        buf_done(&records[i]);
}

static bool seen_nothing(void *ctx, uint64_t account)
{
    (void) ctx;
    (void) account;
    return false;
}

static uint64_t journal_bytes(struct engine *engine)
{
    struct engine_status status;

    engine->ops->status(engine, &status);
    return status.journal_bytes;
}

static _Noreturn void fill(const struct bench *bench)
{
    struct local_options options = {.path = bench->path,
                                    .uncheckpointed_max_bytes = UINT64_MAX / 2,
                                    .unpacked_max_bytes = UINT64_MAX / 2,
                                    .no_packer = true};
    struct engine *engine;
    struct err err;

    must(local_store_create(bench->path, &err), &err);
    must(local_engine_open(&options, &engine, &err), &err);
    engine->ops->start(engine, &(struct engine_events){0});
    for (uint64_t nth = 1; journal_bytes(engine) < bench->bytes; nth++) {
        for (uint64_t at = 0; at < bench->accounts; at += COMMIT_GROUPS_MAX)
            commit_round(bench, engine, at + 1,
                         (size_t) MIN(bench->accounts - at, (uint64_t) COMMIT_GROUPS_MAX), nth);
    }
    must(engine->ops->list(engine, seen_nothing, NULL, &err), &err); /* all is durable then */
    printf("%.0f MiB of journal, %llu accounts\n",
           (double) journal_bytes(engine) / (double) (1 << 20),
           (unsigned long long) bench->accounts);
    (void) fflush(stdout);
    _exit(0);
}

/* ---- the starts ---- */

static void evict(const struct bench *bench)
{
    char path[PATH_BYTES + 300];
    const struct dirent *entry;
    DIR *dir;

    (void) snprintf(path, sizeof(path), "%s/log", bench->path);
    dir = opendir(path);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        int fd;

        (void) snprintf(path, sizeof(path), "%s/log/%s", bench->path, entry->d_name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
            die("cannot evict %s", path);
        if (fd >= 0)
            (void) close(fd); /* read only */
    }
    if (dir == NULL || closedir(dir) != 0)
        die("cannot list the journal");
}

static double cpu_seconds(void)
{
    struct rusage usage;

    (void) getrusage(RUSAGE_SELF, &usage);
    return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static struct engine *start(const struct bench *bench, const char *what)
{
    struct local_options options = {
        .path = bench->path, .uncheckpointed_max_bytes = UINT64_MAX / 2, .no_packer = true};
    double cpu = cpu_seconds();
    int64_t begin = clock_mono_us();
    struct engine *engine;
    struct err err;

    must(local_engine_open(&options, &engine, &err), &err);
    printf("start, %s: %.2f s, processor %.2f s\n", what,
           (double) (clock_mono_us() - begin) / 1e6, cpu_seconds() - cpu);
    return engine;
}

static void open_accounts(struct bench *bench, struct engine *engine)
{
    struct mail_store_options options = {.engine = engine, .digester = &bench->digester};
    struct mail_store *store = mail_store_new(&options);
    int64_t begin = clock_mono_us();
    uint64_t messages = 0, n = MIN(bench->accounts, (uint64_t) OPENED);

    for (uint64_t i = 0; i < n; i++) {
        struct account *account;
        struct acct_state *state;
        struct err err;

        must(account_open(store, 1 + i * (bench->accounts / n), false, &account, &err), &err);
        must(account_read_mailbox(account, 0, 1, &state, &err), &err);
        messages += mbox_counts(acct_mailbox_by_id(state, 1))->messages;
        acct_unref(state);
        account_close(account);
    }
    printf("opening an account: %.0f us, %llu messages each\n",
           (double) (clock_mono_us() - begin) / (double) n,
           (unsigned long long) (messages / n));
    (void) fflush(stdout);
    _exit(0); /* closing would write what the next start is to find */
}

int main(int argc, char **argv)
{
    static struct bench bench;
    uint64_t mib = 1024;
    pid_t child;
    int status;

    bench.accounts = 10000;
    bench.body_bytes = 5000;
    if (argc < 2 || strlen(argv[1]) >= PATH_BYTES ||
        (argc > 2 && !slice_to_u64(slice_from_str(argv[2]), &mib)) ||
        (argc > 3 && !slice_to_u64(slice_from_str(argv[3]), &bench.accounts)) ||
        (argc > 4 && !slice_to_u64(slice_from_str(argv[4]), &bench.body_bytes)) ||
        bench.accounts == 0 || bench.body_bytes > BODY_MAX) {
        (void) fprintf(stderr, "usage: restart DIR [MIB [ACCOUNTS [BODY_BYTES]]]\n");
        return 2;
    }
    (void) snprintf(bench.path, sizeof(bench.path), "%s", argv[1]);
    bench.bytes = mib << 20;
    bench.digester.make = no_digest;
    child = fork();
    if (child == 0)
        fill(&bench);
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        die("the store could not be filled");
    for (int round = 0; round < 3; round++) {
        if (round == 0)
            evict(&bench);
        child = fork(); /* each start behind a crash of the one before */
        if (child == 0)
            open_accounts(&bench, start(&bench, round == 0 ? "journal evicted" : "warm"));
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
            die("a start failed");
    }
    return 0;
}
