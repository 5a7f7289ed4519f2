/*
 * open_mailbox.c - how long a large mailbox takes to open, and what a flag change in it costs.
 *
 *     open_mailbox DIR [MESSAGES [ROUNDS]]
 *
 * DIR is made and must not exist. A store gets an account with a mailbox of MESSAGES (a
 * million) and one of SMALL_MESSAGES, by a checkpoint. Then, ROUNDS times: the engine is
 * opened, and timed is what a SELECT waits for (account_open and view_open_counts) and what
 * the first command behind it does that looks at messages (view_refresh), once with the pages
 * of state/data.mdb evicted from the page cache (cold) and once with them in it (warm). A flag
 * of one message is changed in both mailboxes: instructions in user mode of the thread that
 * does it (where the machine counts them), bytes of the journal, bytes of the next checkpoint.
 *
 * For instruction counts of the openings: valgrind --tool=callgrind, view_open_counts and
 * view_refresh inclusive.
 */
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "mailbox/txn.h"
#include "mailbox/view.h"
#include "store/local/local.h"

#define ACCOUNT        7u
#define LARGE          1u
#define SMALL          2u
#define SMALL_MESSAGES 100u
#define PATH_BYTES     600u
#define ROUNDS_MAX     64u
#define ARENA_BYTES    ((size_t) 1 << 30)
#define MAP_BYTES      ((uint64_t) 1 << 30) /* what can be had below valgrind */

struct bench {
    char path[PATH_BYTES];
    uint32_t messages;
    unsigned rounds;
    struct digester digester;
    struct mail_store *store;
};

static void must(enum rc rc, const struct err *err)
{
    if (rc != RC_OK)
        die("%s: %s", rc_name(rc), err->detail);
}

/* Messages of this bench have no bodies. */
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
    return err_set(err, RC_NOT_FOUND, "No digest", "open_mailbox: no digest");
}

/* ---- the store ---- */

static void apply(struct acct_state *state, const struct record *record)
{
    struct record_group group = {.time_us = 1};
    struct err err;

    must(acct_check(state, record, &err), &err);
    acct_apply(state, &group, record);
}

static void add_mailbox(struct acct_state *state, uint32_t id, struct slice name)
{
    struct record record = {
        .type = RECORD_MAILBOX,
        .mailbox = {.op = MAILBOX_CREATE,
                    .mbox = id,
                    .name = name,
                    .mailboxid = object_id_new(),
                    .uidvalidity = 1,
                    .uidnext = 1,
                    .first_recent = 1,
                    .modseq = acct_modseq(state) + 1}
    };

    apply(state, &record);
}

/* Most are read, some answered or flagged; a gap in the uids now and then. */
static void add_message(struct acct_state *state, uint32_t mbox_id, unsigned *seed)
{
    const struct mbox_counts *counts = mbox_counts(acct_mailbox_by_id(state, mbox_id));
    unsigned dice = (unsigned) rand_r(seed);
    struct record record = {
        .type = RECORD_APPEND,
        .append = {.mbox = mbox_id,
                   .uid = counts->uidnext + (dice % 10 == 0 ? dice / 16 % 20 : 0),
                   .flags = (uint8_t) (dice % 8 == 0 ? 0 : FLAG_SEEN | (dice & FLAG_ANSWERED)),
                   .size = 1000 + dice % 100000,
                   .internaldate = {1600000000 + dice % 100000000, 60},
                   .savedate = 1700000000,
                   .emailid = object_id_new(),
                   .body_id = acct_next_body_id(state),
                   .modseq = acct_modseq(state) + 1}
    };

    apply(state, &record);
}

static struct acct_state *make_state(const struct bench *bench)
{
    struct acct_state *state = acct_state_new(ACCOUNT);
    struct record account = {.type = RECORD_ACCOUNT, .account = {1000000}};
    unsigned seed = 1;

    apply(state, &account);
    add_mailbox(state, LARGE, SLICE("INBOX"));
    add_mailbox(state, SMALL, SLICE("small"));
    for (uint32_t i = 0; i < bench->messages; i++)
        add_message(state, LARGE, &seed);
    for (uint32_t i = 0; i < SMALL_MESSAGES; i++)
        add_message(state, SMALL, &seed);
    return state;
}

static uint64_t bytes_of(const struct page_batch *batch)
{
    uint64_t bytes = batch->root.len;

    for (size_t i = 0; i < batch->n_puts; i++)
        bytes += batch->puts[i].bytes.len;
    return bytes;
}

/* What the next checkpoint writes when one flag has changed. */
static uint64_t checkpoint_bytes(struct acct_state *state, uint32_t mbox_id)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_BYTES);
    AUTO(acct_unrefp) struct acct_state *fork = acct_fork(state);
    const struct mbox *mbox = acct_mailbox_by_id(fork, mbox_id);
    uint32_t uid = mbox_uid(mbox, mbox_counts(mbox)->messages / 2);
    struct uid_run run = {uid, uid};
    struct record record = {
        .type = RECORD_FLAGS,
        .flags = {.mbox = mbox_id,
                  .op = FLAG_OP_ADD,
                  .flags = FLAG_FLAGGED,
                  .uids = {&run, 1},
                  .modseq = acct_modseq(state) + 1}
    };
    struct page_batch batch;

    apply(fork, &record);
    acct_pages_make(fork, state, arena, &batch);
    return bytes_of(&batch);
}

static struct engine *open_engine(const struct bench *bench)
{
    struct local_options options = {.path = bench->path, .map_bytes = MAP_BYTES};
    struct engine *engine;
    struct err err;

    must(local_engine_open(&options, &engine, &err), &err);
    return engine;
}

static void build(const struct bench *bench)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_BYTES);
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    struct commit_group group = {.account = ACCOUNT, .records = SLICE("covered by the pages")};
    struct page_batch batch;
    struct engine *engine;
    uint64_t position;
    struct err err;

    must(local_store_create(bench->path, &err), &err);
    engine = open_engine(bench);
    engine->ops->start(engine, &(struct engine_events){0});
    must(engine->ops->commit(engine, &group, 1, &position, &err), &err);
    state = make_state(bench);
    acct_set_position(state, position);
    acct_pages_make(state, NULL, arena, &batch);
    must(engine->ops->write_pages(engine, ACCOUNT, position, &batch, &err), &err);
    acct_pages_stored(state, &batch);
    printf("%u messages: %.1f MB in %zu pages\n", bench->messages,
           (double) bytes_of(&batch) / 1e6, batch.n_puts);
    printf("a flag change: the next checkpoint has %llu bytes of pages, in the mailbox of %u: "
           "%llu\n",
           (unsigned long long) checkpoint_bytes(state, LARGE), SMALL_MESSAGES,
           (unsigned long long) checkpoint_bytes(state, SMALL));
    engine->ops->close(engine);
}

/* ---- opening ---- */

static void evict(const struct bench *bench)
{
    char path[PATH_BYTES + 32];
    int fd;

    (void) snprintf(path, sizeof(path), "%s/state/data.mdb", bench->path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fdatasync(fd) != 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
        die("cannot evict %s", path);
    (void) close(fd); /* read only */
}

/* Instructions of this thread in user mode; below 0: they cannot be counted. */
static int open_counter(void)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_HARDWARE,
                                   .size = sizeof(attr),
                                   .config = PERF_COUNT_HW_INSTRUCTIONS,
                                   .exclude_kernel = 1,
                                   .exclude_hv = 1};

    return (int) syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static uint64_t counted(int counter)
{
    uint64_t n = 0;

    return counter >= 0 && read(counter, &n, sizeof(n)) == (ssize_t) sizeof(n) ? n : 0;
}

struct cost {
    double us;
    uint64_t instructions, journal_bytes;
};

static uint64_t journal_bytes(struct engine *engine)
{
    struct engine_status status;

    engine->ops->status(engine, &status);
    return status.journal_bytes;
}

/* Flip one flag of the message in the middle. */
static struct cost change_flag(struct bench *bench, struct account *account, uint32_t mbox_id,
                               enum flag_op op, int counter)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_BYTES);
    struct engine *engine = mail_store_engine(bench->store);
    struct flag_change change = {.op = op, .flags = FLAG_FLAGGED};
    uint64_t bytes = journal_bytes(engine), before, after, position;
    struct actor nobody = {0};
    struct mail_txn *txn;
    const struct mbox *mbox;
    struct uid_set changed, refused;
    struct uid_run run;
    struct err err;
    int64_t start = clock_mono_us();

    before = counted(counter);
    must(txn_begin(account, &nobody, &txn, &err), &err);
    must(txn_mailbox(txn, mbox_id, &mbox, &err), &err);
    run.first = run.last = mbox_uid(mbox, mbox_counts(mbox)->messages / 2);
    must(txn_change_flags(txn, mbox_id, &(struct uid_set){&run, 1}, &change,
                          UNCHANGEDSINCE_NONE, arena, &changed, &refused, &err),
         &err);
    must(txn_commit(&txn, &position, &err), &err);
    after = counted(counter);
    account_wait_durable(account, position);
    return (struct cost){(double) (clock_mono_us() - start), after - before,
                         journal_bytes(engine) - bytes};
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static void print(const char *what, const char *unit, double *values, unsigned n)
{
    qsort(values, n, sizeof(*values), by_value);
    printf("%-44s %10.2f %s (%.2f .. %.2f)\n", what, values[n / 2], unit, values[0],
           values[n - 1]);
}

/* Of all rounds. */
struct openings {
    double wall[ROUNDS_MAX], cpu[ROUNDS_MAX], messages[ROUNDS_MAX], messages_cpu[ROUNDS_MAX];
};

static double thread_ms(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double) now.tv_sec * 1e3 + (double) now.tv_nsec / 1e6;
}

struct opening {
    double wall_ms, cpu_ms, messages_ms, messages_cpu_ms;
};

/* One start of the store: what a SELECT of the large mailbox takes, and the first command
 * behind it that looks at messages. */
static struct opening open_once(struct bench *bench, bool cold, struct account **out)
{
    struct mail_store_options options = {.engine = open_engine(bench),
                                         .digester = &bench->digester};
    struct opening opening;
    struct mbox_view *view;
    struct err err;
    int64_t start;
    double cpu;

    bench->store = mail_store_new(&options);
    if (cold)
        evict(bench);
    cpu = thread_ms();
    start = clock_mono_us();
    must(account_open(bench->store, ACCOUNT, false, out, &err), &err);
    must(view_open_counts(*out, 0, 0, LARGE, false, &view, &err), &err);
    opening.wall_ms = (double) (clock_mono_us() - start) / 1e3;
    opening.cpu_ms = thread_ms() - cpu;
    must(view_refresh(view, 0, &err), &err);
    opening.messages_ms = (double) (clock_mono_us() - start) / 1e3 - opening.wall_ms;
    opening.messages_cpu_ms = thread_ms() - cpu - opening.cpu_ms;
    view_close(view);
    return opening;
}

static void note(struct openings *all, unsigned round, struct opening opening)
{
    all->wall[round] = opening.wall_ms;
    all->cpu[round] = opening.cpu_ms;
    all->messages[round] = opening.messages_ms;
    all->messages_cpu[round] = opening.messages_cpu_ms;
}

static void print_openings(const char *which, struct openings *all, unsigned n)
{
    printf("%s\n", which);
    print("  SELECT", "ms", all->wall, n);
    print("  SELECT: processor", "ms", all->cpu, n);
    print("  its messages", "ms", all->messages, n);
    print("  its messages: processor", "ms", all->messages_cpu, n);
}

static void run(struct bench *bench)
{
    double again[ROUNDS_MAX], us[2][ROUNDS_MAX], instructions[2][ROUNDS_MAX],
        bytes[2][ROUNDS_MAX];
    struct openings cold = {0}, warm = {0};
    int counter = open_counter();

    for (unsigned i = 0; i < bench->rounds; i++) {
        struct account *account;
        struct acct_state *state;
        int64_t start;
        struct err err;

        note(&cold, i, open_once(bench, true, &account));
        account_close(account);
        mail_store_close(bench->store);
        note(&warm, i, open_once(bench, false, &account));
        start = clock_mono_us();
        must(account_read_mailbox(account, 0, LARGE, &state, &err), &err);
        again[i] = (double) (clock_mono_us() - start) / 1e3;
        acct_unref(state);
        for (uint32_t id = LARGE; id <= SMALL; id++) {
            struct cost cost;

            (void) change_flag(bench, account, id, FLAG_OP_ADD, counter);
            cost = change_flag(bench, account, id, FLAG_OP_REMOVE, counter);
            us[id - LARGE][i] = cost.us;
            instructions[id - LARGE][i] = (double) cost.instructions;
            bytes[id - LARGE][i] = (double) cost.journal_bytes;
        }
        account_close(account);
        mail_store_close(bench->store);
    }
    print_openings("cold", &cold, bench->rounds);
    print_openings("warm", &warm, bench->rounds);
    print("open, in memory", "ms", again, bench->rounds);
    print("one flag, large mailbox, durable", "us", us[0], bench->rounds);
    print("one flag, small mailbox, durable", "us", us[1], bench->rounds);
    print("one flag, large mailbox: journal", "bytes", bytes[0], bench->rounds);
    print("one flag, small mailbox: journal", "bytes", bytes[1], bench->rounds);
    if (counter < 0) {
        printf("instructions cannot be counted here\n");
        return;
    }
    print("one flag, large mailbox", "instructions", instructions[0], bench->rounds);
    print("one flag, small mailbox", "instructions", instructions[1], bench->rounds);
    (void) close(counter);
}

int main(int argc, char **argv)
{
    static struct bench bench;
    uint64_t messages = 1000000, rounds = 5;

    if (argc < 2 || strlen(argv[1]) >= PATH_BYTES ||
        (argc > 2 && !slice_to_u64(slice_from_str(argv[2]), &messages)) ||
        (argc > 3 && !slice_to_u64(slice_from_str(argv[3]), &rounds)) || messages == 0 ||
        messages > MESSAGES_MAX || rounds == 0) {
        (void) fprintf(stderr, "usage: open_mailbox DIR [MESSAGES [ROUNDS]]\n");
        return 2;
    }
    (void) snprintf(bench.path, sizeof(bench.path), "%s", argv[1]);
    bench.messages = (uint32_t) messages;
    bench.rounds = (unsigned) MIN(rounds, (uint64_t) ROUNDS_MAX);
    bench.digester.make = no_digest;
    build(&bench);
    run(&bench);
    return 0;
}
