/*
 * auth_scram.c - SCRAM's keys of passwords that were made without them: by an older version,
 * while SCRAM was off, or as a hash that somebody brought along. Only who has the password can
 * make them, so they are made when it was given by PLAIN and was right; on a thread of the
 * pool, after the login, which waits for nothing.
 */
#include <sodium.h>

#include "base/log.h"
#include "roles/auth_role.h"

struct scram_lesson {
    struct link link; /* in auth->learning */
    struct auth_role *auth;
    uint64_t account, device;
    unsigned char password[crypto_generichash_BYTES]; /* hash of the account's stored hash */
    struct auth_key name;
    struct auth_secret secret;
    unsigned hashes;
    bool runs;            /* the pool has it */
    struct scram_set set; /* written by the job */
    struct hash_job job;
};

static void lesson_free(struct scram_lesson *lesson)
{
    list_remove(&lesson->link);
    lesson->auth->n_learning--;
    loop_cancel(lesson->auth->loop, &lesson->job.call);
    sodium_memzero(lesson, sizeof(*lesson));
    free(lesson);
}

/* On a thread of the pool. */
static void run_lesson(struct hash_job *job)
{
    struct scram_lesson *lesson = LINK_OWNER(job, struct scram_lesson, job);

    scram_set_make(auth_db_pepper(lesson->auth->db), auth_key_slice(&lesson->name),
                   lesson->account, lesson->device, auth_secret_slice(&lesson->secret),
                   lesson->hashes, &lesson->set);
}

static void note_password(struct slice stored, unsigned char out[crypto_generichash_BYTES])
{
    (void) crypto_generichash(out, crypto_generichash_BYTES, (const unsigned char *) stored.ptr,
                              stored.len, NULL, 0);
}

/* Every change of a password has a salt of its own, so the same text is the same password. */
static bool is_password(const struct scram_lesson *lesson, struct slice stored)
{
    unsigned char now[crypto_generichash_BYTES];

    note_password(stored, now);
    return memcmp(now, lesson->password, sizeof(now)) == 0;
}

/* Is the password still the one that was given? RC_NOT_FOUND: no. */
static enum rc still_good(const struct scram_lesson *lesson, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(LOGIN_ARENA_BYTES);
    struct auth_account account;
    struct auth_device device;
    enum rc rc = auth_db_get_account(lesson->auth->db, lesson->account, arena, &account, err);

    if (rc)
        return rc;
    if (lesson->device == 0)
        return is_password(lesson, account.password) ? RC_OK : RC_NOT_FOUND;
    return auth_db_get_device(lesson->auth->db, lesson->account, lesson->device, arena, &device,
                              err);
}

static void lesson_done(struct hash_job *job);

/* The pool is for logins: it has one of ours at a time. A full one is asked again with the next
 * lesson that comes. */
static void start_first(struct auth_role *auth)
{
    struct scram_lesson *lesson;

    if (list_is_empty(&auth->learning))
        return;
    lesson = LINK_OWNER(auth->learning.head.next, struct scram_lesson, link);
    if (lesson->runs)
        return;
    lesson->job.run = run_lesson;
    lesson->job.done = lesson_done;
    lesson->runs = hash_pool_submit(auth->pool, &lesson->job, NULL) == RC_OK;
}

static void lesson_done(struct hash_job *job)
{
    struct scram_lesson *lesson = LINK_OWNER(job, struct scram_lesson, job);
    struct auth_role *auth = lesson->auth;
    struct err err = {0};
    enum rc rc = still_good(lesson, &err);

    if (rc == RC_OK)
        rc = scram_set_store(auth->db, &lesson->set, &err);
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        log_event(LEVEL_WARNING, "auth.scram_not_stored", LOG_ERR(&err));
    lesson_free(lesson);
    start_first(auth);
}

/* Hashes that are on, and of which there are no keys. A failing database has told its trouble
 * to the login already. */
static unsigned missing(const struct auth_role *auth, uint64_t account, uint64_t device)
{
    unsigned hashes = auth_db_scram_hashes(auth->db);

    for (unsigned hash = SCRAM_SHA_256; hash <= SCRAM_SHA_1; hash++) {
        bool has = true;

        if ((hashes & SCRAM_HASH_BIT(hash)) != 0 &&
            (auth_db_has_scram(auth->db, account, device, hash, &has, NULL) != RC_OK || has))
            hashes &= ~SCRAM_HASH_BIT(hash);
    }
    return hashes;
}

static bool find_password(const struct auth_role *auth, struct scram_lesson *lesson)
{
    AUTO(arena_freep) struct arena *arena = arena_new(LOGIN_ARENA_BYTES);
    struct auth_account account;

    if (auth_db_get_account(auth->db, lesson->account, arena, &account, NULL) != RC_OK)
        return false;
    note_password(account.password, lesson->password);
    return true;
}

static void learn(struct auth_role *auth, uint64_t account, uint64_t device, struct slice user,
                  struct slice secret)
{
    unsigned hashes = missing(auth, account, device);
    struct scram_lesson *lesson;

    if (hashes == 0 || auth->n_learning >= LESSONS_MAX)
        return;
    lesson = xcalloc(1, sizeof(*lesson));
    lesson->auth = auth;
    lesson->account = account;
    lesson->device = device;
    lesson->hashes = hashes;
    list_push_back(&auth->learning, &lesson->link);
    auth->n_learning++;
    if (auth_name_key(user, &lesson->name, NULL) != RC_OK ||
        auth_secret_prepare(secret, &lesson->secret, NULL) != RC_OK ||
        !find_password(auth, lesson))
        lesson_free(lesson);
    start_first(auth);
}

void auth_scram_learn(struct auth_role *auth, const struct login_outcome *outcome,
                      struct slice secret)
{
    if (outcome->by == LOGIN_BY_DEVICE || outcome->by == LOGIN_BY_LEGACY)
        learn(auth, outcome->account, outcome->device.id, outcome->user, secret);
}

void auth_scram_learn_new(struct auth_role *auth, struct slice user,
                          const struct admin_device *made)
{
    learn(auth, made->account, made->device, user, slice_from_str(made->password));
}

void auth_scram_done(struct auth_role *auth)
{
    struct link *first;

    while ((first = list_pop_front(&auth->learning)) != NULL)
        lesson_free(LINK_OWNER(first, struct scram_lesson, link));
}
