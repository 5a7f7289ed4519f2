#include "mailbox/expiry.h"

#include "account/kept.h"
#include "base/clock.h"
#include "base/log.h"
#include "mailbox/background.h"
#include "mailbox/open_account.h"
#include "mailbox/txn.h"

#define EXPIRY_TURN_US     ((int64_t) 5 * 1000000)
#define EXPIRY_PASS_US     ((int64_t) 6 * 3600 * 1000000) /* over accounts that nobody opens */
#define EXPIRY_PASS_STEP   64u                            /* accounts of a pass in one turn */
#define EXPIRY_OPEN_MAX    65536u                         /* open accounts looked at */
#define SPACE_HALVINGS_MAX 24u                      /* of the window; then it is a second */
#define SPACE_CALM_US      ((int64_t) 60 * 1000000) /* nobody asked for so long */
#define EXPIRE_TRIES       16u                      /* with an engine that may conflict */
#define EXPIRE_TURNS_MAX   1024u /* transactions of one account in one turn */

struct expiry {
    struct mail_store *store;
    int64_t undelete_sec;
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t wake;    /* with lock */
    bool stop;              /* lock */
    bool wants_space;       /* lock */
    int64_t last_wanted_us; /* lock; clock_mono_us() */

    /* the thread's alone */
    unsigned halvings;
    uint64_t *pass; /* ids still to be looked at, from the end */
    size_t n_pass, cap_pass;
    int64_t next_pass_us;
    uint64_t open[EXPIRY_OPEN_MAX];
};

struct expiry *expiry_new(struct mail_store *store, int64_t undelete_sec)
{
    struct expiry *expiry = xcalloc(1, sizeof(*expiry));
    pthread_condattr_t attr;

    expiry->store = store;
    expiry->undelete_sec = undelete_sec;
    (void) pthread_mutex_init(&expiry->lock, NULL);
    (void) pthread_condattr_init(&attr);
    (void) pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void) pthread_cond_init(&expiry->wake, &attr);
    (void) pthread_condattr_destroy(&attr);
    return expiry;
}

void expiry_free(struct expiry *expiry)
{
    if (expiry == NULL)
        return;
    (void) pthread_mutex_destroy(&expiry->lock);
    (void) pthread_cond_destroy(&expiry->wake);
    free(expiry->pass);
    free(expiry);
}

void expiry_want_space(struct expiry *expiry)
{
    (void) pthread_mutex_lock(&expiry->lock);
    expiry->wants_space = true;
    expiry->last_wanted_us = clock_mono_us();
    (void) pthread_mutex_unlock(&expiry->lock);
    (void) pthread_cond_signal(&expiry->wake);
}

/* ---- one account ---- */

static bool mbox_has_old(const struct mbox *mbox, int64_t before_sec)
{
    struct kept_counts kept = mbox_kept(mbox);

    return kept.messages > 0 && kept.oldest_sec < before_sec;
}

static bool has_old(const struct acct_state *state, int64_t before_sec)
{
    struct acct_kept kept = acct_kept(state);

    if (kept.messages == 0 && kept.mailboxes == 0)
        return false;
    for (size_t i = 0; i < acct_deleted_count(state); i++) {
        const struct mbox *mbox = acct_deleted_at(state, i);

        if (mbox_end(mbox)->deleted_sec < before_sec || mbox_has_old(mbox, before_sec))
            return true;
    }
    for (size_t i = 0; i < acct_mailbox_count(state); i++) {
        if (mbox_has_old(acct_mailbox_at(state, i), before_sec))
            return true;
    }
    return false;
}

static enum rc forget_once(struct account *account, int64_t before_sec, bool *out_more,
                           uint64_t *out_position, struct err *err)
{
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    const struct actor nobody = {0};
    enum rc rc = txn_begin(account, &nobody, &txn, err);

    if (rc == RC_OK)
        rc = txn_forget_before(txn, before_sec, out_more, err);
    return rc ? rc : txn_commit(&txn, out_position, err);
}

enum rc account_expire(struct account *account, int64_t before_sec, struct err *err)
{
    AUTO(acct_unrefp) struct acct_state *state = account_read(account, 0);
    uint64_t position = 0;
    bool more = has_old(state, before_sec);
    unsigned tries = 0;

    for (unsigned turn = 0; more && turn < EXPIRE_TURNS_MAX; turn++) {
        enum rc rc = forget_once(account, before_sec, &more, &position, err);

        account_push(account);
        if (rc == RC_CONFLICT && ++tries < EXPIRE_TRIES)
            continue;
        if (rc)
            return rc;
    }
    if (position != 0)
        account_wait_durable(account, position);
    return RC_OK;
}

static void expire_one(struct account *account, int64_t before_sec)
{
    struct err err;

    if (account_expire(account, before_sec, &err))
        log_event(LEVEL_WARNING, "undelete.expiry_failed",
                  LOG_ID("account", account_id(account)), LOG_ERR(&err));
}

/* ---- turns ---- */

static bool is_stopping(struct expiry *expiry)
{
    bool stops;

    (void) pthread_mutex_lock(&expiry->lock);
    stops = expiry->stop;
    (void) pthread_mutex_unlock(&expiry->lock);
    return stops;
}

static void expire_open(struct expiry *expiry, int64_t before_sec)
{
    size_t n = store_open_accounts(expiry->store, expiry->open, EXPIRY_OPEN_MAX);

    for (size_t i = 0; i < n && !is_stopping(expiry); i++) {
        AUTO(account_closep)
        struct account *account = store_take_open(expiry->store, expiry->open[i]);
        AUTO(acct_unrefp) struct acct_state *state = NULL;

        if (account == NULL)
            continue;
        state = account_read(account, 0);
        if (acct_position(state) > 0) /* it is loaded */
            expire_one(account, before_sec);
    }
}

static bool note_account(void *ctx, uint64_t account)
{
    struct expiry *expiry = ctx;

    if (expiry->n_pass == expiry->cap_pass) {
        expiry->cap_pass = MAX(expiry->cap_pass * 2, (size_t) EXPIRY_PASS_STEP);
        expiry->pass = xrealloc(expiry->pass, expiry->cap_pass * sizeof(*expiry->pass));
    }
    expiry->pass[expiry->n_pass++] = account;
    return true;
}

static void begin_pass(struct expiry *expiry)
{
    struct engine *engine = mail_store_engine(expiry->store);
    struct err err;

    expiry->n_pass = 0;
    expiry->next_pass_us = clock_mono_us() + EXPIRY_PASS_US;
    if (engine->ops->list(engine, note_account, expiry, &err))
        log_event(LEVEL_WARNING, "undelete.pass_failed", LOG_ERR(&err));
}

/* A step of the pass over all accounts. One that cannot be opened has its line in the log from
 * whoever serves it. */
static void expire_some(struct expiry *expiry, int64_t before_sec)
{
    for (size_t i = 0; i < EXPIRY_PASS_STEP && expiry->n_pass > 0 && !is_stopping(expiry);
         i++) {
        AUTO(account_closep) struct account *account = NULL;
        struct err err;

        if (account_open(expiry->store, expiry->pass[--expiry->n_pass], false, &account,
                         &err) == RC_OK)
            expire_one(account, before_sec);
    }
}

/* How much shorter the window is now: half as long with each turn in which the disk is full. */
static unsigned halvings(struct expiry *expiry)
{
    (void) pthread_mutex_lock(&expiry->lock);
    if (expiry->wants_space && expiry->halvings < SPACE_HALVINGS_MAX)
        expiry->halvings++;
    else if (clock_mono_us() - expiry->last_wanted_us > SPACE_CALM_US)
        expiry->halvings = 0;
    expiry->wants_space = false;
    (void) pthread_mutex_unlock(&expiry->lock);
    return expiry->halvings;
}

static void turn(struct expiry *expiry)
{
    unsigned before = expiry->halvings, now = halvings(expiry);
    int64_t window = expiry->undelete_sec >> now;
    int64_t before_sec = clock_wall_us() / 1000000 - window;

    if (now > before) {
        log_event(LEVEL_WARNING, "undelete.shortened",
                  LOG_NUM("window_sec", (uint64_t) window));
        expiry->n_pass = 0; /* the oldest of all accounts, not only of those that are open */
        expiry->next_pass_us = 0;
    }
    expire_open(expiry, before_sec);
    if (expiry->n_pass == 0 && clock_mono_us() >= expiry->next_pass_us)
        begin_pass(expiry);
    do
        expire_some(expiry, before_sec);
    while (now > 0 && expiry->n_pass > 0 && !is_stopping(expiry));
}

/* False: it is time to end. */
static bool wait_turn(struct expiry *expiry)
{
    struct timespec until;
    bool on;

    (void) clock_gettime(CLOCK_MONOTONIC, &until); /* the condition's clock, in tests too */
    until.tv_sec += EXPIRY_TURN_US / 1000000;
    (void) pthread_mutex_lock(&expiry->lock);
    while (!expiry->stop && !expiry->wants_space &&
           pthread_cond_timedwait(&expiry->wake, &expiry->lock, &until) == 0)
        ;
    on = !expiry->stop;
    (void) pthread_mutex_unlock(&expiry->lock);
    return on;
}

static void *run(void *ctx)
{
    struct expiry *expiry = ctx;

    while (wait_turn(expiry))
        turn(expiry);
    return NULL;
}

void expiry_start(struct expiry *expiry)
{
    int error = pthread_create(&expiry->thread, NULL, run, expiry);

    if (error != 0)
        die("pthread_create: %s", strerror(error));
}

void expiry_stop(struct expiry *expiry)
{
    (void) pthread_mutex_lock(&expiry->lock);
    expiry->stop = true;
    (void) pthread_cond_broadcast(&expiry->wake);
    (void) pthread_mutex_unlock(&expiry->lock);
    (void) pthread_join(expiry->thread, NULL);
}
