#include "idp/key_source.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "idp/fetch.h"
#include "idp/provider_file.h"

#define SECOND_US     INT64_C(1000000)
#define FILE_KEYS_MAX FETCH_ANSWER_MAX_BYTES

struct key_source {
    struct key_source_options options;
    pthread_mutex_t fetching; /* one thread fetches; taken before lock */
    pthread_mutex_t lock;
    struct jwks *set;   /* lock; NULL: none yet */
    int64_t fetched_us; /* lock: when set came */
    bool stale;         /* lock: to be fetched again whatever its age */
    int64_t failed_us;  /* fetching: when that failed last */
    int64_t window_us;  /* fetching: when the window began */
    unsigned n_fetches; /* fetching: in this window */
};

static enum rc read_all(const struct key_source *source, struct jwks **out, struct err *err)
{
    const struct key_source_options *options = &source->options;
    const struct fetch fetch = {.url = options->from.ptr, .ca = options->ca};
    AUTO(arena_freep) struct arena *arena = NULL;
    AUTO(buf_done) struct buf answer = {0};
    struct slice text;
    enum rc rc;

    buf_init(&answer, FETCH_ANSWER_MAX_BYTES);
    if (options->is_url) {
        rc = fetch_run(&fetch, &answer, err);
        text = buf_slice(&answer);
    } else {
        arena = arena_new(2 * FILE_KEYS_MAX);
        rc = provider_read_whole(options->from.ptr, FILE_KEYS_MAX, arena, &text, err);
    }
    return rc ? rc : jwks_read(text, options->allowed, options->rsa, out, err);
}

/* May one more be fetched? fetching is held. */
static bool take_turn(struct key_source *source, int64_t now_us)
{
    if (source->n_fetches == 0 || now_us - source->window_us >= KEYS_WINDOW_SEC * SECOND_US) {
        source->window_us = now_us;
        source->n_fetches = 0;
    }
    if (source->n_fetches == KEYS_FETCHES_MAX)
        return false;
    source->n_fetches++;
    return true;
}

/* RC_NOT_FOUND: not again so soon. fetching is held. */
static enum rc renew(struct key_source *source, struct err *err)
{
    int64_t now_us = clock_mono_us();
    struct jwks *set = NULL, *old;
    enum rc rc;

    if (!take_turn(source, now_us))
        return err_set(err, RC_NOT_FOUND, "Bad token", "keys: fetched often enough");
    rc = read_all(source, &set, err);
    if (rc) {
        source->failed_us = clock_mono_us();
        log_event(LEVEL_WARNING, "idp.keys_failed", LOG_TEXT("from", source->options.from),
                  LOG_ERR(err));
        return rc;
    }
    log_event(LEVEL_INFO, "idp.keys", LOG_TEXT("from", source->options.from),
              LOG_NUM("keys", set->n));
    (void) pthread_mutex_lock(&source->lock);
    old = source->set;
    source->set = set;
    source->fetched_us = now_us;
    source->stale = false;
    (void) pthread_mutex_unlock(&source->lock);
    jwks_unref(old);
    return RC_OK;
}

/* The set as it is, referenced, and its age; NULL: none, or too old to be believed. */
static struct jwks *current(struct key_source *source, int64_t *out_fetched_us, bool *out_fresh)
{
    struct jwks *set = NULL;
    int64_t age_us;

    (void) pthread_mutex_lock(&source->lock);
    age_us = clock_mono_us() - source->fetched_us;
    if (source->set != NULL && age_us < KEYS_STALE_SEC * SECOND_US)
        set = jwks_ref(source->set);
    *out_fetched_us = source->fetched_us;
    *out_fresh = !source->stale && age_us < KEYS_FRESH_SEC * SECOND_US;
    (void) pthread_mutex_unlock(&source->lock);
    return set;
}

enum rc key_source_new(const struct key_source_options *options, struct key_source **out,
                       struct err *err)
{
    struct key_source *source = xcalloc(1, sizeof(*source));
    enum rc rc;

    source->options = *options;
    (void) pthread_mutex_init(&source->fetching, NULL);
    (void) pthread_mutex_init(&source->lock, NULL);
    rc = options->is_url ? RC_OK : renew(source, err);
    if (rc) {
        key_source_free(source);
        return rc;
    }
    *out = source;
    return RC_OK;
}

void key_source_free(struct key_source *source)
{
    if (source == NULL)
        return;
    jwks_unref(source->set);
    (void) pthread_mutex_destroy(&source->lock);
    (void) pthread_mutex_destroy(&source->fetching);
    free(source);
}

/* Take over the set if it has the key. */
static bool offer(struct jwks *set, const struct slice *kid, struct jwks **out_set,
                  const struct jwk **out_key)
{
    const struct jwk *key = set != NULL ? jwks_find(set, kid) : NULL;

    if (key == NULL) {
        jwks_unref(set);
        return false;
    }
    *out_set = set;
    *out_key = key;
    return true;
}

/* Somebody fetched, or could not, while we waited for our turn: that counts as ours. */
static enum rc renew_unless_new(struct key_source *source, int64_t seen_us, struct err *err)
{
    int64_t began_us = clock_mono_us(), fetched_us;
    bool fresh;
    struct jwks *set;
    enum rc rc = RC_OK;

    (void) pthread_mutex_lock(&source->fetching);
    set = current(source, &fetched_us, &fresh);
    if (source->failed_us > began_us)
        rc = err_set(err, RC_UNAVAILABLE, "Bad token", "keys: could not be fetched");
    else if (set == NULL || !fresh || fetched_us == seen_us)
        rc = renew(source, err);
    jwks_unref(set);
    (void) pthread_mutex_unlock(&source->fetching);
    return rc;
}

/* A set that grows old is fetched by the first who comes; the others go on with it. */
static void renew_behind(struct key_source *source)
{
    struct err err;

    if (pthread_mutex_trylock(&source->fetching) != 0)
        return;
    (void) !renew(source, &err); /* said in the log */
    (void) pthread_mutex_unlock(&source->fetching);
}

enum rc key_source_find(struct key_source *source, const struct slice *kid,
                        struct jwks **out_set, const struct jwk **out_key, struct err *err)
{
    int64_t fetched_us;
    bool fresh;
    struct jwks *set = current(source, &fetched_us, &fresh);
    bool had_one = set != NULL;
    enum rc rc;

    if (had_one && !fresh) {
        renew_behind(source);
        jwks_unref(set);
        set = current(source, &fetched_us, &fresh);
    }
    if (offer(set, kid, out_set, out_key))
        return RC_OK;
    rc = renew_unless_new(source, fetched_us, err);
    if (rc != RC_OK)
        return rc == RC_NOT_FOUND && had_one
                   ? RC_NOT_FOUND
                   : err_set(err, RC_UNAVAILABLE, "Bad token", "keys: cannot be fetched");
    if (offer(current(source, &fetched_us, &fresh), kid, out_set, out_key))
        return RC_OK;
    return err_set(err, RC_NOT_FOUND, "Bad token", "keys: no such key");
}

void key_source_forget(struct key_source *source)
{
    (void) pthread_mutex_lock(&source->lock);
    source->stale = true;
    (void) pthread_mutex_unlock(&source->lock);
}
