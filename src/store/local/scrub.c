/* scrub.c - passes: their order, their pace, what is kept of them. */
#include "store/local/scrub.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/pace.h"
#include "store/local/scrub_pass.h"

#define SAVED_KEY   SLICE("scrub")
#define SAVED_BYTES 72u

static const struct {
    scrub_stage_fn *run;
} stages[] = {
    {scrub_heads}, {scrub_journal}, {scrub_spills},
    {scrub_state}, {scrub_packs},   {scrub_derived},
};

/* What is known of passes; a row of the state. */
struct scrub_saved {
    int64_t begun, ended;     /* of the pass that runs (0: none does), of the last whole one */
    uint64_t bytes, findings; /* of the last whole one */
    uint64_t part_bytes, part_findings; /* of the one that runs */
    uint32_t stage;
    uint64_t number;
};

struct scrubber {
    struct local *local;
    struct pace pace;
    pthread_mutex_t lock;
    bool is_running;          /* lock: a pass, of whomever */
    uint64_t running_bytes;   /* lock */
    struct scrub_saved saved; /* lock */
    /* of the pass that runs in the background */
    int64_t pass_us;
    uint64_t pass_from;
};

bool scrub_read(struct scrub_pass *pass, uint64_t bytes)
{
    pass->bytes += bytes;
    return pass->watch->goes_on(pass->watch->ctx, pass->bytes);
}

void scrub_found(struct scrub_pass *pass, const struct scrub_finding *finding)
{
    pass->findings++;
    log_event(finding->is_derived ? LEVEL_WARNING : LEVEL_ERROR, "store.damage",
              LOG_STR("file", finding->file), LOG_STR("what", finding->what),
              LOG_NUM("offset", finding->offset), LOG_ID("account", finding->account));
    if (pass->watch->found != NULL)
        pass->watch->found(pass->watch->ctx, finding);
}

/* ---- what is kept ---- */

static enum rc put_saved(struct state_txn *txn, void *ctx, struct err *err)
{
    const struct scrub_saved *saved = ctx;
    char value[SAVED_BYTES] = {0};

    put_le64(value, (uint64_t) saved->begun);
    put_le64(value + 8, (uint64_t) saved->ended);
    put_le64(value + 16, saved->bytes);
    put_le64(value + 24, saved->findings);
    put_le64(value + 32, saved->part_bytes);
    put_le64(value + 40, saved->part_findings);
    put_le32(value + 48, saved->stage);
    put_le64(value + 56, saved->number);
    return state_txn_put(txn, TABLE_META, SAVED_KEY, slice_of(value, sizeof(value)), err);
}

/* Without it a pass begins anew: nothing depends on it. */
static void save(struct scrubber *scrubber, const struct scrub_saved *saved)
{
    struct scrub_saved copy = *saved;
    struct err err;

    (void) pthread_mutex_lock(&scrubber->lock);
    scrubber->saved = copy;
    (void) pthread_mutex_unlock(&scrubber->lock);
    if (state_write(scrubber->local->state, put_saved, &copy, &err) != RC_OK)
        log_event(LEVEL_WARNING, "store.scrub_failed", LOG_ERR(&err));
}

static void load_saved(struct scrubber *scrubber)
{
    struct scrub_saved saved = {0};
    char value[SAVED_BYTES];
    size_t len = 0;
    uint64_t begun = 0, ended = 0;
    uint32_t reserved;
    struct scan sc;

    if (state_get_small(scrubber->local->state, TABLE_META, SAVED_KEY, value, sizeof(value),
                        &len, NULL) != RC_OK)
        return;
    sc = scan_of(slice_of(value, len));
    if (!scan_le64(&sc, &begun) || !scan_le64(&sc, &ended) || !scan_le64(&sc, &saved.bytes) ||
        !scan_le64(&sc, &saved.findings) || !scan_le64(&sc, &saved.part_bytes) ||
        !scan_le64(&sc, &saved.part_findings) || !scan_le32(&sc, &saved.stage) ||
        !scan_le32(&sc, &reserved) || !scan_le64(&sc, &saved.number))
        return;
    saved.begun = (int64_t) begun;
    saved.ended = (int64_t) ended;
    scrubber->saved = saved;
}

static struct scrub_saved get_saved(struct scrubber *scrubber)
{
    struct scrub_saved saved;

    (void) pthread_mutex_lock(&scrubber->lock);
    saved = scrubber->saved;
    (void) pthread_mutex_unlock(&scrubber->lock);
    return saved;
}

/* ---- a pass ---- */

static bool take_turn(struct scrubber *scrubber)
{
    bool is_mine;

    (void) pthread_mutex_lock(&scrubber->lock);
    is_mine = !scrubber->is_running;
    scrubber->is_running = true;
    (void) pthread_mutex_unlock(&scrubber->lock);
    return is_mine;
}

static void end_turn(struct scrubber *scrubber)
{
    (void) pthread_mutex_lock(&scrubber->lock);
    scrubber->is_running = false;
    scrubber->running_bytes = 0;
    (void) pthread_mutex_unlock(&scrubber->lock);
}

static enum rc run_stages(struct scrub_pass *pass, struct err *err)
{
    enum rc rc = RC_OK;

    while (!rc && pass->cursor.stage < COUNT(stages)) {
        rc = stages[pass->cursor.stage].run(pass, err);
        if (!rc) {
            pass->cursor = (struct scrub_cursor){.stage = pass->cursor.stage + 1};
            if (!scrub_read(pass, 0))
                rc = RC_MORE;
        }
    }
    return rc;
}

static void save_end(struct scrubber *scrubber, const struct scrub_pass *pass)
{
    const struct scrub_saved saved = {
        .ended = clock_wall_sec(), .bytes = pass->bytes, .findings = pass->findings};

    save(scrubber, &saved);
    log_event(pass->findings > 0 ? LEVEL_ERROR : LEVEL_INFO, "store.scrubbed",
              LOG_NUM("bytes", pass->bytes), LOG_NUM("findings", pass->findings));
}

struct asked {
    struct scrubber *scrubber;
    const struct scrub_watch *watch;
};

static void pass_finding(void *ctx, const struct scrub_finding *finding)
{
    const struct asked *asked = ctx;

    if (asked->watch->found != NULL)
        asked->watch->found(asked->watch->ctx, finding);
}

static bool asked_goes_on(void *ctx, uint64_t bytes)
{
    const struct asked *asked = ctx;

    (void) pthread_mutex_lock(&asked->scrubber->lock);
    asked->scrubber->running_bytes = bytes;
    (void) pthread_mutex_unlock(&asked->scrubber->lock);
    return !pace_is_stopping(&asked->scrubber->pace) &&
           asked->watch->goes_on(asked->watch->ctx, bytes);
}

enum rc scrub_all(struct scrubber *scrubber, const struct scrub_watch *watch,
                  uint64_t *out_bytes, uint64_t *out_findings, struct err *err)
{
    struct asked asked = {scrubber, watch};
    const struct scrub_watch own = {pass_finding, asked_goes_on, &asked};
    AUTO(freep) struct scrub_pass *pass = xcalloc(1, sizeof(*pass));
    enum rc rc;

    if (!take_turn(scrubber))
        return err_set(err, RC_UNAVAILABLE, "A pass is running already",
                       "scrub: one at a time");
    pass->local = scrubber->local;
    pass->watch = &own;
    rc = run_stages(pass, err);
    if (!rc)
        save_end(scrubber, pass);
    end_turn(scrubber);
    *out_bytes = pass->bytes;
    *out_findings = pass->findings;
    return rc;
}

/* ---- by itself ---- */

/* Ahead of the pace: sleep. Any finding or part is a good place to be saved at. */
static bool background_goes_on(void *ctx, uint64_t bytes)
{
    struct scrubber *scrubber = ctx;
    int64_t due_us, now_us = clock_mono_us();

    (void) pthread_mutex_lock(&scrubber->lock);
    scrubber->running_bytes = bytes;
    (void) pthread_mutex_unlock(&scrubber->lock);
    due_us = scrubber->pass_us +
             (int64_t) ((bytes - scrubber->pass_from) * 1000 / (SCRUB_BYTES_PER_SEC / 1000));
    if (due_us > now_us)
        pace_wait(&scrubber->pace, (due_us - now_us) / 1000 + 1);
    return !pace_is_stopping(&scrubber->pace);
}

static void run_background(struct scrubber *scrubber)
{
    const struct scrub_watch watch = {NULL, background_goes_on, scrubber};
    AUTO(freep) struct scrub_pass *pass = xcalloc(1, sizeof(*pass));
    struct scrub_saved saved = get_saved(scrubber);
    struct err err;
    enum rc rc;

    pass->local = scrubber->local;
    pass->watch = &watch;
    pass->cursor.stage = saved.begun != 0 ? saved.stage : 0;
    pass->cursor.number = saved.begun != 0 ? saved.number : 0;
    pass->bytes = saved.begun != 0 ? saved.part_bytes : 0;
    pass->findings = saved.begun != 0 ? saved.part_findings : 0;
    scrubber->pass_us = clock_mono_us();
    scrubber->pass_from = pass->bytes;
    if (saved.begun == 0)
        saved.begun = clock_wall_sec();
    rc = run_stages(pass, &err);
    if (!rc) {
        save_end(scrubber, pass);
        return;
    }
    if (rc != RC_MORE)
        log_event(LEVEL_WARNING, "store.scrub_failed", LOG_ERR(&err));
    saved.stage = pass->cursor.stage;
    saved.number = pass->cursor.number;
    saved.part_bytes = pass->bytes;
    saved.part_findings = pass->findings;
    save(scrubber, &saved);
}

static bool is_due(struct scrubber *scrubber)
{
    struct scrub_saved saved = get_saved(scrubber);
    int64_t now = clock_wall_sec();

    return saved.begun != 0 || saved.ended > now || now - saved.ended >= SCRUB_EVERY_SEC;
}

static void *scrubber_main(void *arg)
{
    struct scrubber *scrubber = arg;

    pace_lower_priority();
    pace_wait(&scrubber->pace, (int64_t) SCRUB_FIRST_SEC * 1000);
    while (!pace_is_stopping(&scrubber->pace)) {
        if (is_due(scrubber) && take_turn(scrubber)) {
            run_background(scrubber);
            end_turn(scrubber);
        }
        pace_wait(&scrubber->pace, (int64_t) SCRUB_LOOK_SEC * 1000);
    }
    return NULL;
}

enum rc scrubber_new(struct local *local, struct scrubber **out, struct err *err)
{
    struct scrubber *scrubber = xcalloc(1, sizeof(*scrubber));
    enum rc rc;

    scrubber->local = local;
    pace_init(&scrubber->pace);
    (void) pthread_mutex_init(&scrubber->lock, NULL);
    load_saved(scrubber);
    rc = pace_start(&scrubber->pace, scrubber_main, scrubber, err);
    if (rc) {
        scrubber_free(scrubber);
        return rc;
    }
    *out = scrubber;
    return RC_OK;
}

void scrubber_stop(struct scrubber *scrubber)
{
    pace_end(&scrubber->pace);
}

void scrubber_free(struct scrubber *scrubber)
{
    if (scrubber == NULL)
        return;
    scrubber_stop(scrubber);
    pace_done(&scrubber->pace);
    (void) pthread_mutex_destroy(&scrubber->lock);
    free(scrubber);
}

void scrub_status(struct scrubber *scrubber, struct engine_status *out)
{
    (void) pthread_mutex_lock(&scrubber->lock);
    out->scrub_ended = scrubber->saved.ended;
    out->scrub_bytes = scrubber->saved.bytes;
    out->scrub_findings = scrubber->saved.findings;
    out->scrub_running = scrubber->is_running ? MAX(scrubber->running_bytes, UINT64_C(1)) : 0;
    (void) pthread_mutex_unlock(&scrubber->lock);
}
