/*
 * model_walk.c - the random walk from the command line.
 *
 *     model_walk [--engine memory|conflicts2|conflicts3|conflicts7|full|local]
 *                [--seed N] [--seeds COUNT] [--steps N] [--trace]
 *
 * Walks COUNT seeds from N on (20 from 1; --seed alone: just that one), on one engine. Exit 0:
 * the oracle agreed all the way; else the seed, the step and the last dialogues are on standard
 * error.
 */
#include <ftw.h>
#include <getopt.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/local/local.h"
#include "store/memory/memory_engine.h"
#include "walk.h"

#define STEPS       500u
#define STEPS_LARGE 20000u /* with ROOST_LARGE in the environment */
#define SEEDS       20u
#define SEEDS_LARGE 100u /* on the memory engine, where a step costs least */

struct ground {
    const char *engine;
    struct memory_disk *disk;
    char path[64];
};

static struct engine *open_memory(struct ground *ground)
{
    static const struct {
        const char *engine;
        struct memory_engine_options options;
    } rows[] = {
        {"memory",     {.no_conflict = true}                 },
        {"later",      {.no_conflict = true, .later = true}  },
        {"conflicts2", {.conflict_every = 2}                 },
        {"conflicts3", {.conflict_every = 3}                 },
        {"conflicts7", {.conflict_every = 7}                 },
        {"full",       {.no_conflict = true, .fail_every = 5}},
    };

    if (ground->disk == NULL)
        ground->disk = memory_disk_new();
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct memory_engine_options options = rows[i].options;

        options.disk = ground->disk;
        if (strcmp(rows[i].engine, ground->engine) == 0)
            return memory_engine_new(&options);
    }
    die("no engine is called %s", ground->engine);
}

static struct engine *open_local(struct ground *ground)
{
    const struct local_options options = {.path = ground->path,
                                          .segment_bytes = (uint64_t) 1 << 20,
                                          .first_segment_bytes = (uint64_t) 1 << 20,
                                          .map_bytes = (uint64_t) 256 << 20};
    struct engine *engine;
    struct err err;

    if (ground->path[0] == '\0') {
        (void) snprintf(ground->path, sizeof(ground->path), "/tmp/roost-walk-XXXXXX");
        if (mkdtemp(ground->path) == NULL || local_store_create(ground->path, &err) != RC_OK)
            die("%s: cannot be made", ground->path);
    }
    if (local_engine_open(&options, &engine, &err) != RC_OK)
        die("%s: %s: %s", ground->path, err.text, err.detail);
    return engine;
}

static struct engine *open_ground(void *ctx)
{
    struct ground *ground = ctx;

    return strcmp(ground->engine, "local") == 0 ? open_local(ground) : open_memory(ground);
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void) info;
    (void) type;
    (void) ftw;
    return remove(path);
}

static void leave_ground(struct ground *ground)
{
    if (ground->disk != NULL)
        memory_disk_free(ground->disk);
    if (ground->path[0] != '\0' &&
        nftw(ground->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0)
        die("%s: cannot be removed", ground->path);
}

static void walk_seed(const char *engine, uint64_t seed, unsigned steps, bool traces)
{
    struct ground ground = {.engine = engine};
    struct walk *walk = xcalloc(1, sizeof(*walk));
    int64_t start = clock_mono_us();

    walk->seed = seed;
    walk->steps = steps;
    walk->traces = traces;
    walk->may_fail = strcmp(engine, "full") == 0;
    walk->open = open_ground;
    walk->open_ctx = &ground;
    walk_run(walk);
    leave_ground(&ground);
    printf("%s seed %llu: %u steps, %llu messages, %.1f s\n", engine, (unsigned long long) seed,
           steps, (unsigned long long) walk->marker,
           (double) (clock_mono_us() - start) / 1000000.0);
    (void) fflush(stdout);
    free(walk);
}

static uint64_t number_of(const char *text)
{
    uint64_t number;

    if (!slice_to_u64(slice_from_str(text), &number))
        die("not a number: %s", text);
    return number;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"engine", required_argument, NULL, 'e'},
        {"seed",   required_argument, NULL, 's'},
        {"seeds",  required_argument, NULL, 'n'},
        {"steps",  required_argument, NULL, 't'},
        {"trace",  no_argument,       NULL, 'v'},
        {NULL,     0,                 NULL, 0  },
    };
    const char *engine = "memory";
    bool large = getenv("ROOST_LARGE") != NULL, traces = false;
    uint64_t first = 1, seeds = 0, steps = large ? STEPS_LARGE : STEPS;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'e')
            engine = optarg;
        else if (option == 's')
            first = number_of(optarg), seeds = MAX(seeds, (uint64_t) 1);
        else if (option == 'n')
            seeds = number_of(optarg);
        else if (option == 't')
            steps = number_of(optarg);
        else if (option == 'v')
            traces = true;
        else
            die("usage: model_walk [--engine E] [--seed N] [--seeds N] [--steps N] [--trace]");
    }
    if (seeds == 0)
        seeds = large && strcmp(engine, "memory") == 0 ? SEEDS_LARGE : SEEDS;
    log_set_level(LEVEL_ERROR);
    for (uint64_t seed = first; seed < first + seeds; seed++)
        walk_seed(engine, seed, (unsigned) steps, traces);
    return 0;
}
