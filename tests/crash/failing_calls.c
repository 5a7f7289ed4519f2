/*
 * failing_calls.c - each call fails once: the n-th open, read, write, sync, change of a name,
 * mapping or allocation, for every n.
 *
 *   crash_failing_calls [--only NAME] [--every N] [--memory]
 *
 * A workload runs in a child process with one fault. The child may go on (what was refused was
 * refused), or end, as the engine does when nothing more may be promised. Then, whatever it
 * did:
 *   - no file was synced again after a sync of it had failed;
 *   - the store as the child left it is what was promised (verify.h);
 *   - so it is if the power goes at that moment: with nothing but what is certain on disk, with
 *     everything, and with samples between. A sync that failed made nothing certain, so an
 *     acknowledgement that rests on one is found out here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "allocation.h"
#include "base/log.h"
#include "explore.h"
#include "store_pair.h"

#define STEPS_MAX     16u
#define CHILD_SECONDS 60u /* a child that takes longer hangs */
#define CUTS          6u  /* states tried for a cut behind the fault */
#ifdef __SANITIZE_ADDRESS__
#define EVERY 31u /* everything takes so much longer */
#else
#define EVERY 5u
#endif
#define FIRST_ALL   8u
#define MEMORY_RUNS 60u /* of the normal size, for each workload */

enum ending { ENDED_WELL = 0, ENDED_REFUSED = 3 };

struct workload {
    const char *name;
    enum step steps[STEPS_MAX];
    size_t n;
};

// clang-format off
static const struct workload workloads[] = {
    {"mail", {STEP_APPEND_SMALL, STEP_FLAGS, STEP_APPEND_INLINE, STEP_MOVE, STEP_EXPUNGE, STEP_APPEND_SPILL, STEP_RESTART}, 7},
    {"behind", {STEP_APPEND_BIG, STEP_APPEND_BIG, STEP_MULTIAPPEND, STEP_CHECKPOINT, STEP_APPEND_BIG, STEP_SETTLE,
                STEP_CHECKPOINT, STEP_APPEND_SMALL}, 8},
    {"names", {STEP_CREATE, STEP_RENAME, STEP_DELETE, STEP_SUBSCRIBE, STEP_NEW_ACCOUNT, STEP_CHECKPOINT, STEP_REMOVE_ACCOUNT,
               STEP_RENAME_INBOX}, 8},
};
static const struct { const char *name; enum call_kind kind; int error; } kinds[] = {
    {"open fails",     CALL_OPEN,  EIO},
    {"no descriptors", CALL_OPEN,  EMFILE},
    {"read fails",     CALL_READ,  EIO},
    {"write fails",    CALL_WRITE, EIO},
    {"no space",       CALL_WRITE, ENOSPC},
    {"half a write",   CALL_WRITE, 0},
    {"sync fails",     CALL_SYNC,  EIO},
    {"name fails",     CALL_NAME,  EIO},
    {"no space for a name", CALL_NAME, ENOSPC},
    {"mapping fails",  CALL_MAP,   ENOMEM},
};
// clang-format on

struct program {
    struct store_pair pair;
    struct recording *recording;
    struct ledger *ledger, *branch;
    uint64_t every;
    uint64_t n_runs, n_ended, n_refused, n_states, n_failures;
};

/* ---- in the child ---- */

_Noreturn static void child(struct program *program, const struct workload *workload,
                            const char *run, const struct fault *fault, uint64_t allocation)
{
    struct scene *scene = xcalloc(1, sizeof(*scene));
    int ending = ENDED_WELL;
    struct err err;

    (void) alarm(CHILD_SECONDS);
    if (allocation > 0) /* "out of memory" is what is expected */
        (void) dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
    (void) snprintf(scene->path, sizeof(scene->path), "%s/%s", run, SCENE_STORE_NAME);
    scene->ledger = program->ledger;
    scene->recording = program->recording;
    scene->n_made = 1000;
    recording_begin(program->recording, run, fault);
    allocation_fail_at(allocation);
    if (scene_open(scene, &err) != RC_OK)
        _exit(ENDED_REFUSED);
    for (size_t i = 0; i < workload->n && scene->store != NULL; i++) {
        if (scene_step(scene, workload->steps[i], &err) != RC_OK)
            ending = ENDED_REFUSED;
    }
    if (scene->store != NULL) {
        scene_wait(scene);
        scene_close(scene);
    } else {
        ending = ENDED_REFUSED;
    }
    allocation_fail_at(0);
    recording_end();
    _exit(ending);
}

/* ---- in the parent ---- */

struct attempt {
    const struct workload *workload;
    const char *what;
    uint64_t n;
};

static void failed(struct program *program, const struct attempt *attempt, const char *why)
{
    program->n_failures++;
    (void) printf("FAILED: %s, %s, number %llu: %s\n%s", attempt->workload->name, attempt->what,
                  (unsigned long long) attempt->n, why, verify_log());
}

static void check(struct program *program, const struct attempt *attempt, const char *folder,
                  const char *when)
{
    struct expectation expect = {.ledger = program->ledger};
    size_t text_before = program->ledger->text->len;
    struct verdict verdict;
    char why[700];

    for (size_t i = 0; i < LEDGER_ACCOUNTS; i++)
        expect.least[i] = program->ledger->accounts[i].acknowledged;
    program->n_states++;
    verify_note_log();
    verify_store(folder, &expect, program->branch, &verdict);
    program->ledger->text->len = text_before;
    if (verdict.ok)
        return;
    (void) snprintf(why, sizeof(why), "%s: %s", when, verdict.why);
    failed(program, attempt, why);
    free((void *) (uintptr_t) verdict.got.ptr);
}

/* The child is gone; its recording says what may be on disk if the power goes now. */
static void check_cuts(struct program *program, const struct attempt *attempt)
{
    struct disk *disk = disk_new(program->recording);
    char path[STORE_PATH_BYTES];

    store_pair_path(&program->pair, "cut", path);
    while (disk_next(disk) != NULL)
        disk_step(disk);
    for (uint64_t i = 0; i < MIN(disk_count(disk), (uint64_t) CUTS); i++) {
        disk_sample(disk, i, attempt->n);
        disk_write(disk, path);
        check(program, attempt, path, "after a cut");
        remove_tree(path);
    }
    disk_free(disk);
}

static void judge_ending(struct program *program, const struct attempt *attempt, int status)
{
    char why[128];

    if (WIFEXITED(status) && WEXITSTATUS(status) == ENDED_WELL)
        return;
    if (WIFEXITED(status) && WEXITSTATUS(status) == ENDED_REFUSED) {
        program->n_refused++;
        return;
    }
    program->n_ended++;
    /* Memory that runs out ends the process by abort(); a failed disk by the engine's exit. */
    if (WIFEXITED(status) && WEXITSTATUS(status) == LOCAL_EXIT_FAILED)
        return;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT &&
        strcmp(attempt->what, ALLOCATION_NAME) == 0)
        return;
    (void) snprintf(why, sizeof(why), "the process ended with %s %d",
                    WIFEXITED(status) ? "status" : "signal",
                    WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    failed(program, attempt, why);
}

/* False: there was no such call any more. */
static bool run(struct program *program, const struct attempt *attempt,
                const struct fault *fault, uint64_t allocation)
{
    char path[STORE_PATH_BYTES], why[128];
    const char *again;
    int status;
    pid_t pid;
    bool has_fired;

    store_pair_path(&program->pair, "run", path);
    store_pair_copy(&program->pair, program->recording, attempt->n % 2 != 0, path);
    store_pair_ledger(&program->pair, attempt->n % 2 != 0, program->ledger);
    (void) fflush(stdout);
    pid = fork();
    if (pid == 0)
        child(program, attempt->workload, path, fault, allocation);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        die("fork");
    program->n_runs++;
    has_fired = allocation == 0 ? program->recording->has_fired
                                : !(WIFEXITED(status) && WEXITSTATUS(status) == ENDED_WELL);
    judge_ending(program, attempt, status);
    again = recording_synced_again(program->recording);
    if (again != NULL) {
        (void) snprintf(why, sizeof(why), "synced again after a sync had failed: %s", again);
        failed(program, attempt, why);
    }
    if (has_fired) {
        check(program, attempt, path, "as it was left");
        check_cuts(program, attempt);
    }
    remove_tree(path);
    return has_fired;
}

/* One kind of call, all n until the workload makes no more of them. */
static void run_kind(struct program *program, const struct workload *workload, size_t kind)
{
    for (uint64_t n = 1;; n++) {
        struct attempt attempt = {workload, kinds[kind].name, n};
        struct fault fault = {.kind = kinds[kind].kind, .at = n, .error = kinds[kind].error};

        if (n > FIRST_ALL && n % program->every != kind % program->every)
            continue;
        if (!run(program, &attempt, &fault, 0))
            return;
    }
}

static void run_memory(struct program *program, const struct workload *workload, bool is_large)
{
    uint64_t n_all = allocation_count(), step;
    struct attempt attempt = {workload, ALLOCATION_NAME, UINT64_MAX};

    (void) run(program, &attempt, NULL, attempt.n); /* counts them */
    n_all = allocation_count() - n_all;
    step = is_large ? 1 : MAX(n_all / MEMORY_RUNS, (uint64_t) 1);
    for (attempt.n = 1; attempt.n <= n_all; attempt.n += step)
        (void) run(program, &attempt, NULL, attempt.n);
    (void) printf("%s: %llu allocations\n", workload->name, (unsigned long long) n_all);
}

int main(int argc, char **argv)
{
    static struct program program;
    bool is_large = getenv("ROOST_LARGE") != NULL, memory = false;
    const char *only = NULL;

    program.every = is_large ? 1 : EVERY;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--memory") == 0)
            memory = true;
        else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
            only = argv[++i];
        else if (strcmp(argv[i], "--every") == 0 && i + 1 < argc)
            program.every = strtoull(argv[++i], NULL, 10);
    }
    if (memory && !allocation_can_fail()) {
        (void) printf("skipped: this build has an allocator of its own\n");
        return 77;
    }
    log_set_level(LEVEL_ERROR);
    program.recording = recording_new();
    program.ledger = ledger_new();
    program.branch = xcalloc(1, sizeof(*program.branch));
    store_pair_make(&program.pair);
    for (size_t w = 0; w < COUNT(workloads); w++) {
        if (only != NULL && strcmp(only, workloads[w].name) != 0)
            continue;
        if (memory)
            run_memory(&program, &workloads[w], is_large);
        for (size_t k = 0; k < COUNT(kinds) && !memory; k++)
            run_kind(&program, &workloads[w], k);
    }
    (void) printf(
        "%llu runs with a fault: %llu ended the process, %llu were refused something; "
        "%llu states verified, %llu failures\n",
        (unsigned long long) program.n_runs, (unsigned long long) program.n_ended,
        (unsigned long long) program.n_refused, (unsigned long long) program.n_states,
        (unsigned long long) program.n_failures);
    store_pair_remove(&program.pair);
    return program.n_failures == 0 ? 0 : 1;
}
