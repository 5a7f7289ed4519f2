/*
 * power_cuts.c - small workloads on a mail store, and every state a power cut may leave them
 * in.
 *
 *   crash_power_cuts [--only NAME] [--seed N] [--from N] [--to N]
 *
 * Workloads are all sequences of steps (scene.h) up to a length, by number, and some journeys
 * that are long enough to recycle segments. ROOST_LARGE=1 takes them all. Each runs in a child
 * process, so that a crash of the product is one failure and not the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "explore.h"
#include "must.h"
#include "store_pair.h"

#define STEPS_MAX     16u
#define NAME_BYTES    256u
#define SEED          20261121u
#define SINGLES       ((uint64_t) STEP_COUNT)
#define PAIRS         (SINGLES * STEP_COUNT)
#define TRIPLES       (PAIRS * STEP_COUNT)
#define KILLED_AT_MAX 24u   /* syncs of a start and some mails */
#define CHILD_SECONDS 3600u /* a child that takes longer hangs */

struct workload {
    char name[NAME_BYTES];
    enum step steps[STEPS_MAX];
    size_t n;
    bool is_pipelined;  /* waits for the disk at the end only */
    bool stops;         /* ends with a clean stop, recorded */
    bool is_dirty;      /* the store it starts from was not stopped */
    bool is_birth;      /* starts from nothing */
    uint64_t killed_at; /* sync that is the process's last; another recovers. 0: none */
    int killed_by;      /* it dies in it (FAULT_DIES), or the sync fails with this errno */
};

/* What parent and children share. */
struct shared {
    struct tally tally;
    char progress[512];
};

struct program {
    struct store_pair pair;
    struct shared *shared;
    struct explorer explorer;
    struct ledger *ledger;
    uint64_t seed;
};

/* ---- which workloads ---- */

// clang-format off
static const struct {
    const char *name;
    enum step steps[STEPS_MAX];
    size_t n;
} journeys[] = {
    {"recycle", {STEP_APPEND_BIG, STEP_APPEND_BIG, STEP_APPEND_BIG, STEP_CHECKPOINT, STEP_APPEND_BIG, STEP_APPEND_BIG,
                 STEP_CHECKPOINT, STEP_APPEND_BIG, STEP_APPEND_BIG, STEP_CHECKPOINT, STEP_SETTLE}, 11},
    {"pack", {STEP_APPEND_INLINE, STEP_MULTIAPPEND, STEP_APPEND_BIG, STEP_APPEND_BIG, STEP_SETTLE, STEP_EXPUNGE,
              STEP_APPEND_BIG, STEP_APPEND_BIG, STEP_SETTLE, STEP_RESTART}, 10},
    {"spills", {STEP_APPEND_SPILL, STEP_APPEND_SPILL, STEP_APPEND_BIG, STEP_APPEND_BIG, STEP_SETTLE, STEP_EXPUNGE,
                STEP_CHECKPOINT, STEP_SETTLE}, 8},
    {"restarts", {STEP_APPEND_SMALL, STEP_RESTART, STEP_RESTART, STEP_APPEND_INLINE, STEP_RESTART, STEP_MOVE,
                  STEP_RESTART}, 7},
    {"leaving", {STEP_OTHER_ACCOUNT, STEP_APPEND_BIG, STEP_REMOVE_ACCOUNT, STEP_APPEND_BIG, STEP_SETTLE,
                 STEP_CHECKPOINT, STEP_RESTART, STEP_NEW_ACCOUNT}, 8},
    {"deleting", {STEP_MOVE, STEP_DELETE, STEP_CREATE, STEP_COPY, STEP_CHECKPOINT, STEP_DELETE, STEP_CREATE,
                  STEP_APPEND_BIG, STEP_APPEND_BIG, STEP_CHECKPOINT}, 10},
    {"wearing", {STEP_APPEND_BIG, STEP_EXPUNGE, STEP_APPEND_BIG, STEP_EXPUNGE, STEP_CHECKPOINT, STEP_APPEND_BIG,
                 STEP_EXPUNGE, STEP_APPEND_BIG, STEP_EXPUNGE, STEP_CHECKPOINT, STEP_PURGE, STEP_SETTLE, STEP_RESTART}, 13},
    {"undelete", {STEP_EXPUNGE, STEP_RESTORE, STEP_APPEND_BIG, STEP_EXPUNGE, STEP_CHECKPOINT, STEP_RESTORE, STEP_EXPUNGE,
                  STEP_FORGET, STEP_RESTART}, 9},
    {"large first", {STEP_APPEND_BIG, STEP_RESTART, STEP_APPEND_BIG, STEP_APPEND_BIG, STEP_RESTART, STEP_APPEND_BIG,
                     STEP_RESTART}, 7},
};
// clang-format on

/* Number n of all sequences: those of one step first, then pairs, then triples. */
static void sequence(uint64_t n, uint64_t seed, struct workload *out)
{
    uint64_t mix = n * 2654435761u + seed;

    *out = (struct workload){.n = 1};
    if (n >= SINGLES) {
        n -= SINGLES;
        out->n = 2;
    }
    if (out->n == 2 && n >= PAIRS) {
        n -= PAIRS;
        out->n = 3;
    }
    for (size_t i = out->n; i-- > 0; n /= STEP_COUNT)
        out->steps[i] = (enum step)(n % STEP_COUNT);
    mix = seeded(&mix);
    out->is_pipelined = (mix & 1) != 0;
    out->stops = (mix & 2) != 0;
    out->is_dirty = (mix & 4) != 0;
}

static void give_name(struct workload *workload, const char *name)
{
    size_t len = 0;

    for (size_t i = 0; i < workload->n && name == NULL; i++)
        len += (size_t) snprintf(workload->name + len, NAME_BYTES - len, "%s%s",
                                 i > 0 ? "," : "", step_name(workload->steps[i]));
    if (name != NULL)
        len = (size_t) snprintf(workload->name, NAME_BYTES, "%s", name);
    (void) snprintf(workload->name + len, NAME_BYTES - len, "%s%s%s",
                    workload->is_pipelined ? "+pipelined" : "", workload->stops ? "+stop" : "",
                    workload->is_dirty ? "+dirty" : "");
}

/* ---- one workload, in its child ---- */

static void run_steps(struct scene *scene, const struct workload *workload)
{
    struct err err;

    if (workload->is_birth) {
        must(local_store_create(scene->path, &err), "create", &err);
        recording_mark(0, 0, 0);
    }
    must(scene_open(scene, &err), "open", &err);
    must(scene_begin_ledger(scene, &err), "read", &err);
    for (size_t i = 0; i < workload->n; i++)
        must(scene_step(scene, workload->steps[i], &err), step_name(workload->steps[i]), &err);
    scene_wait(scene);
}

static void record(const struct program *program, const struct workload *workload,
                   const char *run)
{
    AUTO(freep) struct scene *scene = xcalloc(1, sizeof(*scene));

    (void) snprintf(scene->path, sizeof(scene->path), "%s/%s", run, SCENE_STORE_NAME);
    scene->ledger = program->ledger;
    scene->recording = program->explorer.recordings[0];
    scene->is_pipelined = workload->is_pipelined;
    scene->n_made = 1000;
    recording_begin(scene->recording, run, NULL);
    run_steps(scene, workload);
    if (!workload->stops)
        recording_end();
    scene_close(scene);
    if (workload->stops)
        recording_end();
    if (recording_synced_again(scene->recording) != NULL || scene->recording->hidden_writes > 0)
        die("calls that are not allowed");
}

/* The process ends at a sync, the power goes later: what was in the kernel's memory only is
 * recovered by the next process, which must make it certain before it serves it. */
static void record_killed(const struct program *program, const struct workload *workload,
                          const char *run, struct expectation *start)
{
    struct recording *recording = program->explorer.recordings[0];
    struct fault fault = {CALL_SYNC, workload->killed_at, workload->killed_by};
    struct expectation expect = *start;
    struct verdict verdict;
    pid_t pid;

    store_pair_ledger(&program->pair, workload->is_dirty, program->ledger);
    pid = fork();
    if (pid == 0) {
        struct scene *scene = xcalloc(1, sizeof(*scene));

        if (workload->killed_by != FAULT_DIES) /* what it says then is what is expected */
            (void) dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
        (void) snprintf(scene->path, sizeof(scene->path), "%s/%s", run, SCENE_STORE_NAME);
        scene->ledger = program->ledger;
        scene->recording = recording;
        scene->n_made = 1000;
        recording_begin(recording, run, &fault);
        run_steps(scene, workload);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, NULL, 0) != pid)
        die("fork");
    if (!program->ledger->is_begun) /* it died in a thread beside the one that was reading */
        store_pair_ledger(&program->pair, workload->is_dirty, program->ledger);
    for (size_t i = 0; i < LEDGER_ACCOUNTS; i++)
        expect.least[i] = program->ledger->accounts[i].acknowledged;
    recording_resume(recording);
    verify_store(run, &expect, program->explorer.branches[0], &verdict);
    recording_end();
    if (!verdict.ok)
        die("after the process died: %s", verdict.why);
}

_Noreturn static void child(struct program *program, const struct workload *workload)
{
    struct expectation start = {.ledger = program->ledger,
                                .may_be_missing = workload->is_birth};
    char run[STORE_PATH_BYTES];

    (void) alarm(CHILD_SECONDS);
    verify_note_log();
    store_pair_path(&program->pair, "run", run);
    if (workload->is_birth)
        (void) mkdir(run, 0700);
    else
        store_pair_copy(&program->pair, program->explorer.recordings[0], workload->is_dirty,
                        run);
    if (workload->killed_at > 0)
        record_killed(program, workload, run, &start);
    else
        record(program, workload, run);
    remove_tree(run);
    program->explorer.name = workload->name;
    program->explorer.seed = program->seed;
    explore(&program->explorer, &start);
    _exit(0);
}

static void run(struct program *program, const struct workload *workload)
{
    struct tally *tally = &program->shared->tally;
    char path[STORE_PATH_BYTES];
    int status;
    pid_t pid;

    (void) snprintf(program->shared->progress, sizeof(program->shared->progress), "recording");
    (void) fflush(stdout);
    pid = fork();
    if (pid == 0)
        child(program, workload);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        die("fork");
    tally->workloads++;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        tally->failures++;
        (void) printf("FAILED: %s: the process ended with %s %d while: %s\n", workload->name,
                      WIFEXITED(status) ? "status" : "signal",
                      WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
                      program->shared->progress);
    }
    store_pair_path(&program->pair, "run", path);
    remove_tree(path);
    for (size_t i = 0; i < EXPLORE_DEPTH; i++) {
        (void) snprintf(path, sizeof(path), "%s/state-%zu", program->pair.folder, i);
        remove_tree(path);
    }
}

/* ---- the program ---- */

static void *shared_memory(size_t bytes)
{
    void *ptr = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (ptr == MAP_FAILED)
        die("no memory");
    return ptr;
}

static void prepare(struct program *program)
{
    log_set_level(LEVEL_ERROR);
    store_pair_make(&program->pair);
    program->shared = shared_memory(sizeof(*program->shared));
    program->ledger = ledger_new();
    program->explorer.verify = verify_store;
    program->explorer.folder = program->pair.folder;
    program->explorer.tally = &program->shared->tally;
    program->explorer.progress = program->shared->progress;
    program->explorer.progress_cap = sizeof(program->shared->progress);
    for (size_t i = 0; i < EXPLORE_DEPTH; i++)
        program->explorer.recordings[i] = recording_new();
    for (size_t i = 0; i <= EXPLORE_DEPTH; i++)
        program->explorer.branches[i] = xcalloc(1, sizeof(struct ledger));
}

/* ---- which run ---- */

struct choice_of_runs {
    const char *only;
    uint64_t from, to;
    bool is_large;
};

static bool is_wanted(const struct choice_of_runs *runs, const struct workload *workload)
{
    return runs->only == NULL || strncmp(runs->only, workload->name, strlen(runs->only)) == 0;
}

#ifdef __SANITIZE_ADDRESS__
#define SMALL_EVERY                                                                            \
    5u /* of the small size: each fifth, since everything takes so much longer */
#else
#define SMALL_EVERY 1u
#endif
#define SMALL_PAIRS   130u /* of the small size, beside all single steps and all journeys */
#define SMALL_TRIPLES 50u

static void set_limits(struct explorer *explorer, bool is_large, size_t n_steps)
{
    static const struct explore_limits small[EXPLORE_DEPTH] = {
        {16, 1},
        {6,  1},
        {3,  0}
    };
    /* A night has so many states: most for what is short. */
    static const struct explore_limits large[4][EXPLORE_DEPTH] = {
        {{3000, 6},  {80, 3}, {30, 0}}, /* journeys */
        {{10000, 6}, {80, 3}, {30, 0}}, /* by the number of steps: a short one has all of its */
        {{300, 3},   {40, 2}, {15, 0}},
        {{16, 1},    {6, 1},  {3, 0} },
    };
    const struct explore_limits *limits = is_large ? large[n_steps] : small;

    memcpy(explorer->limits, limits, sizeof(explorer->limits));
}

static void run_journeys(struct program *program, const struct choice_of_runs *runs)
{
    struct workload birth = {
        .steps = {STEP_NEW_ACCOUNT, STEP_RESTART, STEP_NEW_ACCOUNT},
          .n = 3, .is_birth = true
    };

    set_limits(&program->explorer, runs->is_large, 0);
    give_name(&birth, "birth");
    if (is_wanted(runs, &birth))
        run(program, &birth);
    for (size_t i = 0; i < COUNT(journeys); i++) {
        struct workload workload = {.n = journeys[i].n, .is_pipelined = i % 2 != 0};

        memcpy(workload.steps, journeys[i].steps, sizeof(workload.steps));
        give_name(&workload, journeys[i].name);
        if (is_wanted(runs, &workload))
            run(program, &workload);
    }
}

/* The same mail is being delivered when the process ends at each of its syncs. */
static void run_killed(struct program *program, const struct choice_of_runs *runs,
                       const char *name, int killed_by)
{
    set_limits(&program->explorer, runs->is_large, 0);
    for (uint64_t at = 1; at <= KILLED_AT_MAX; at++) {
        struct workload workload = {
            .steps = {STEP_APPEND_INLINE, STEP_FLAGS, STEP_APPEND_SPILL, STEP_MOVE,
                      STEP_APPEND_BIG, STEP_CHECKPOINT},
            .n = 6,
            .is_dirty = at % 2 != 0,
            .killed_at = at,
            .killed_by = killed_by
        };

        give_name(&workload, name);
        if (is_wanted(runs, &workload))
            run(program, &workload);
    }
}

static void run_sequence(struct program *program, const struct choice_of_runs *runs, uint64_t n)
{
    struct workload workload;

    sequence(n, program->seed, &workload);
    give_name(&workload, NULL);
    set_limits(&program->explorer, runs->is_large, workload.n);
    if (is_wanted(runs, &workload))
        run(program, &workload);
}

static void run_all(struct program *program, const struct choice_of_runs *runs)
{
    uint64_t dice = program->seed;

    run_journeys(program, runs);
    run_killed(program, runs, "killed", FAULT_DIES);
    run_killed(program, runs, "sync failed", EIO);
    if (runs->is_large || runs->only != NULL) {
        for (uint64_t n = runs->from; n < MIN(runs->to, SINGLES + PAIRS + TRIPLES); n++)
            run_sequence(program, runs, n);
        return;
    }
    for (uint64_t n = 0; n < SINGLES; n += SMALL_EVERY)
        run_sequence(program, runs, n);
    for (uint64_t i = 0; i < SMALL_PAIRS / SMALL_EVERY; i++)
        run_sequence(program, runs, SINGLES + seeded(&dice) % PAIRS);
    for (uint64_t i = 0; i < SMALL_TRIPLES / SMALL_EVERY; i++)
        run_sequence(program, runs, SINGLES + PAIRS + seeded(&dice) % TRIPLES);
}

int main(int argc, char **argv)
{
    static struct program program = {.seed = SEED};
    struct choice_of_runs runs = {.to = UINT64_MAX, .is_large = getenv("ROOST_LARGE") != NULL};

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--only") == 0)
            runs.only = argv[i + 1];
        else if (strcmp(argv[i], "--seed") == 0)
            program.seed = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--from") == 0)
            runs.from = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--to") == 0)
            runs.to = strtoull(argv[i + 1], NULL, 10);
    }
    prepare(&program);
    (void) printf("seed %llu\n", (unsigned long long) program.seed);
    run_all(&program, &runs);
    explore_print(&program.shared->tally);
    store_pair_remove(&program.pair);
    return program.shared->tally.failures == 0 ? 0 : 1;
}
