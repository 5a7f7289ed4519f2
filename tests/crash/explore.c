/* explore.c - see explore.h. */
#include "explore.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"

#define SMALL_POINT    2u /* states looked at where no sync comes next: the extremes */
#define SAMPLES_EACH   4u /* samples drawn for each that may be opened: many were met before */
#define FAILURES_SHOWN 3u /* of one workload */

/* A state that was opened. */
struct met {
    size_t found[LEDGER_ACCOUNTS];
    const struct ledger *ledger;
};

struct level {
    struct explorer *explorer;
    size_t depth;
    struct expectation now;
    struct disk *disk;
    struct map *met;
    bool is_exhaustive;
    size_t n_barriers, n_barriers_seen;
    uint64_t opened, nested;
};

void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(dir), entry->d_name, 0) != 0) {
            char name[512];

            (void) snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
            remove_tree(name);
        }
    }
    if (dir != NULL)
        (void) closedir(dir);
    (void) rmdir(path);
}

static void state_path(const struct level *level, char out[512])
{
    (void) snprintf(out, 512, "%s/state-%zu", level->explorer->folder, level->depth);
}

static void write_text(const char *folder, const char *name, struct slice text)
{
    char path[600];
    int fd;

    (void) snprintf(path, sizeof(path), "%s/%s", folder, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0) {
        (void) !write(fd, text.ptr, text.len);
        (void) close(fd);
    }
}

/* Keeps the state and the texts, and says what was wrong. */
static void report(struct level *level, const struct verdict *verdict)
{
    struct tally *tally = level->explorer->tally;
    char kept[600], what[256];

    disk_describe(level->disk, what, sizeof(what));
    if (tally->failures++ < FAILURES_SHOWN) {
        (void) snprintf(kept, sizeof(kept), "%s-failed-%llu", level->explorer->folder,
                        (unsigned long long) tally->failures);
        disk_write(level->disk, kept);
        if (verdict->want.len > 0) {
            write_text(kept, "want.txt", verdict->want);
            write_text(kept, "got.txt", verdict->got);
        }
        (void) printf("FAILED: %s (depth %zu): %s\n  at %s\n  the state is kept in %s\n%s",
                      level->explorer->name, level->depth, verdict->why, what, kept,
                      verify_log());
        (void) fflush(stdout);
    }
}

static void explore_level(struct explorer *explorer, size_t depth,
                          const struct expectation *start);

/* The chosen state once more, with the recovery recorded; then all cuts of that. */
static void nest(struct level *level)
{
    struct explorer *explorer = level->explorer;
    size_t depth = level->depth + 1;
    struct ledger *branch = explorer->branches[depth];
    struct recording *recording = explorer->recordings[depth];
    struct expectation start = level->now;
    struct verdict verdict;
    char path[512];

    state_path(level, path);
    disk_write(level->disk, path);
    recording_begin(recording, path, NULL);
    explorer->verify(path, &level->now, branch, &verdict);
    recording_end();
    remove_tree(path);
    if (!verdict.ok)
        report(level, &verdict);
    else
        explore_level(explorer, depth, &start);
    free((void *) (uintptr_t) verdict.got.ptr);
}

static bool is_enough(const struct level *level, const size_t found[LEDGER_ACCOUNTS],
                      struct verdict *out)
{
    for (size_t i = 0; i < LEDGER_ACCOUNTS; i++) {
        if (found[i] >= level->now.least[i])
            continue;
        (void) snprintf(out->why, sizeof(out->why),
                        "account %zu is version %zu, acknowledged is %zu", i, found[i],
                        level->now.least[i]);
        return false;
    }
    return true;
}

/* Opens the chosen state, unless it was met before. */
static void try_state(struct level *level)
{
    struct explorer *explorer = level->explorer;
    const struct explore_limits *limits = &explorer->limits[level->depth];
    struct disk_hash hash = disk_state_hash(level->disk);
    struct met *met = map_get(level->met, MAP_KEY(hash));
    size_t text_before = level->now.ledger->text->len;
    struct verdict verdict = {.ok = true};
    char path[512];

    explorer->tally->states++;
    if (met != NULL && met->ledger == level->now.ledger) {
        if (!is_enough(level, met->found, &verdict))
            report(level, &verdict);
        return;
    }
    level->opened++;
    explorer->tally->opened[level->depth]++;
    disk_describe(level->disk, explorer->progress, explorer->progress_cap);
    state_path(level, path);
    disk_write(level->disk, path);
    /* The level below has a ledger to spare. */
    explorer->verify(path, &level->now, explorer->branches[EXPLORE_DEPTH], &verdict);
    remove_tree(path);
    level->now.ledger->text->len = text_before;
    if (!verdict.ok) {
        report(level, &verdict);
        free((void *) (uintptr_t) verdict.got.ptr);
        return;
    }
    met = xcalloc(1, sizeof(*met));
    memcpy(met->found, verdict.found, sizeof(met->found));
    met->ledger = level->now.ledger;
    free(map_put(level->met, MAP_KEY(hash), met));
    if (level->nested < limits->nested &&
        seeded(&explorer->seed) % MAX(limits->opened / limits->nested / 2, (uint64_t) 1) == 0) {
        level->nested++;
        nest(level);
        level->now.ledger->text->len = text_before;
    }
}

/* So many states may have been opened when this point is done: the limit, spread evenly. */
static uint64_t quota_of(const struct level *level)
{
    uint64_t limit = level->explorer->limits[level->depth].opened;

    return limit * (level->n_barriers_seen + 1) / level->n_barriers;
}

static void look(struct level *level, bool is_barrier)
{
    uint64_t count = disk_count(level->disk);
    uint64_t seed = seeded(&level->explorer->seed);
    uint64_t quota = quota_of(level);
    uint64_t left = quota > level->opened ? quota - level->opened : 0;
    bool all = is_barrier && (level->is_exhaustive || count <= left);
    uint64_t n = all ? count : is_barrier ? left * SAMPLES_EACH : SMALL_POINT;

    level->explorer->tally->points++;
    for (uint64_t i = 0; i < n && (all || level->opened < quota); i++) {
        if (all)
            disk_choose(level->disk, i);
        else
            disk_sample(level->disk, i, seed);
        try_state(level);
    }
}

/* Acknowledged, or (behind a recovery) served: from here on a new ledger tells what may be. */
static void take_mark(struct level *level, const struct op *op)
{
    if (op->len != 0)
        level->now.ledger = level->explorer->branches[level->depth];
    level->now.least[op->file] = (size_t) op->offset;
    level->now.may_be_missing = false;
}

static bool is_barrier(const struct op *op)
{
    return op == NULL || op->kind == OP_SYNC || op->kind == OP_SYNC_WRITE ||
           op->kind == OP_MARK;
}

/* How many states the recording has at all its points, and how many points. */
static uint64_t count_all(const struct recording *recording, size_t *out_barriers)
{
    struct disk *disk = disk_new(recording);
    uint64_t sum = 0;

    *out_barriers = 0;
    for (;;) {
        const struct op *op = disk_next(disk);

        if (is_barrier(op)) {
            uint64_t count = disk_count(disk);

            sum = count > UINT64_MAX - sum ? UINT64_MAX : sum + count;
            ++*out_barriers;
        }
        if (op == NULL)
            break;
        disk_step(disk);
    }
    disk_free(disk);
    return sum;
}

static void explore_level(struct explorer *explorer, size_t depth,
                          const struct expectation *start)
{
    const struct recording *recording = explorer->recordings[depth];
    struct level level = {.explorer = explorer, .depth = depth, .now = *start};
    struct slice key;
    void *value;

    level.is_exhaustive =
        count_all(recording, &level.n_barriers) <= explorer->limits[depth].opened;
    explorer->tally->recordings[depth]++;
    explorer->tally->exhaustive[depth] += level.is_exhaustive;
    explorer->tally->calls += recording->n_ops - recording->start;
    level.disk = disk_new(recording);
    level.met = map_new();
    for (;;) {
        const struct op *op = disk_next(level.disk);

        look(&level, is_barrier(op));
        level.n_barriers_seen += is_barrier(op);
        if (op == NULL)
            break;
        if (op->kind == OP_MARK)
            take_mark(&level, op);
        disk_step(level.disk);
    }
    for (size_t at = 0; map_next(level.met, &at, &key, &value);)
        free(value);
    map_free(level.met);
    disk_free(level.disk);
}

void explore(struct explorer *explorer, const struct expectation *start)
{
    explore_level(explorer, 0, start);
}

void explore_print(const struct tally *tally)
{
    (void) printf("%llu workloads, %llu recorded calls, %llu points, %llu states looked at\n",
                  (unsigned long long) tally->workloads, (unsigned long long) tally->calls,
                  (unsigned long long) tally->points, (unsigned long long) tally->states);
    for (size_t i = 0; i < EXPLORE_DEPTH; i++)
        (void) printf("%s: %llu recordings (%llu exhaustively), %llu different states opened\n",
                      i == 0   ? "workloads"
                      : i == 1 ? "recoveries"
                               : "recoveries of recoveries",
                      (unsigned long long) tally->recordings[i],
                      (unsigned long long) tally->exhaustive[i],
                      (unsigned long long) tally->opened[i]);
    (void) printf("%llu failures\n", (unsigned long long) tally->failures);
}
