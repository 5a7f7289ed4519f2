/*
 * mail.c - the process that holds the mail: sessions after login, deliveries, the store.
 *
 * It drops what it does not need, opens the store, takes connections from the gates with grants
 * from auth, and ends in reverse: clients hear BYE, the store writes its checkpoints and seals
 * the journal.
 */
#include <malloc.h>
#include <stdatomic.h>
#include <unistd.h>

#include "auth/name.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/priority.h"
#include "roles/log_sink.h"
#include "roles/mail_role.h"
#include "search/key_keeper.h"
#include "search/text_index.h"
#include "store/local/local.h"

#define TURNS_PARTS      4u /* of the threads: so many may compute for long at a time */
#define PATH_MAX_BYTES   4096u
#define MAIL_THREADS_MIN 4u
#define DAY_SEC          (24 * 60 * 60)
#define MAIL_THREADS_MAX 256u

/* Blocks above it go back to the kernel when they are freed. Left to itself malloc raises its
 * bound to the largest mail it has seen; each thread's heap then keeps mails' worth of holes.
 */
#define MAIL_MMAP_BYTES (256 << 10)

/* Each thread that works on accounts has a slot of the crash page. Work on an account may tell
 * of itself inside other work on it: the outermost counts. */
static void note_account(void *ctx, uint64_t account, bool begins)
{
    static _Atomic size_t next_slot;
    static _Thread_local size_t slot = SIZE_MAX;
    static _Thread_local unsigned depth;
    struct mail_role *mail = ctx;

    if (slot == SIZE_MAX)
        slot = MIN(atomic_fetch_add(&next_slot, 1), (size_t) CRASH_PAGE_SLOTS - 1);
    if (begins ? depth++ == 0 : --depth == 0)
        crash_page_note(mail->start->crash_page, slot, begins ? account : 0);
}

/* The same of what somebody waits for: what works behind gives way to it. */
static void note_front(void *ctx, uint64_t account, bool begins)
{
    struct mail_role *mail = ctx;

    pace_front_note(&mail->front, begins);
    note_account(ctx, account, begins);
}

static enum rc make_digests(struct digester *digester, uint64_t account,
                            const struct slice *messages, size_t n, struct arena *arena,
                            struct slice *tables, struct err *err)
{
    struct mail_role *mail = LINK_OWNER(digester, struct mail_role, digester);

    return digest_client_make(mail->digests, account, messages, n, arena, tables, err);
}

/* ---- start ---- */

/* What the configuration says of every account; 0 stands for nothing. */
static struct quota_settings quota_of_config(const struct config *config)
{
    const uint64_t limits[QUOTA_RESOURCES] = {[QUOTA_STORAGE] = config->quota_storage,
                                              [QUOTA_MESSAGES] = config->quota_messages,
                                              [QUOTA_MAILBOXES] = config->quota_mailboxes,
                                              [QUOTA_ANNOTATIONS] = config->quota_annotations};
    struct quota_settings settings = {.n_marks = config->quota_marks.n};

    for (unsigned i = 0; i < QUOTA_RESOURCES; i++) {
        settings.defaults.set[i] = limits[i] != 0;
        settings.defaults.limit[i] = limits[i];
    }
    memcpy(settings.marks, config->quota_marks.percent, sizeof(settings.marks));
    return settings;
}

/* Recovery happens here, confined as all that follows: what it accepts is durable before
 * anybody is served. */
static enum rc open_store(struct mail_role *mail, struct err *err)
{
    char path[PATH_MAX_BYTES];
    const struct config *config = mail->start->config;
    struct local_options local = {
        .path = path, .archive_max_bytes = config->archive ? config->archive_max_bytes : 0};
    struct mail_store_options store = {
        .digester = &mail->digester,
        .note = note_account,
        .note_ctx = mail,
        .front = &mail->front,
        .principals = mail->directory.registry,
        .quota = quota_of_config(config),
        .undelete_sec = (int64_t) mail->start->config->undelete_days * DAY_SEC};
    enum rc rc;

    if (snprintf(path, sizeof(path), "%s/mail", mail->start->config->data_dir) >=
        (int) sizeof(path))
        return err_set(err, RC_LIMIT, "Path is too long", "data: path too long");
    rc = local_engine_open(&local, &store.engine, err);
    if (rc == RC_NOT_FOUND)
        return err_set(err, rc, "No store: run `roost init` first",
                       "%.100s holds no store: run `roost init` first", path);
    if (rc)
        return rc;
    mail->digester.make = make_digests;
    mail->store = mail_store_new(&store);
    mail->sort_keys = key_keeper_new(&(struct key_keeper_options){
        .store = mail->store, .note = store.note, .note_ctx = store.note_ctx});
    key_keeper_start(mail->sort_keys);
    mail->index = text_index_new(
        &(struct text_index_options){.store = mail->store,
                                     .note = note_account,
                                     .note_ctx = mail,
                                     .min_messages = mail->start->config->search_index_min});
    mail_store_set_index(mail->store, mail->index);
    text_index_start(mail->index);
    for (size_t i = 0; i < mail->start->n_quarantined; i++)
        mail_store_quarantine(mail->store, mail->start->quarantined[i], true);
    return RC_OK;
}

static unsigned count_threads(const struct config *config)
{
    long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned n = config->threads > 0 ? config->threads : 2 * (unsigned) MAX(n_cpus, 1L);

    return MIN(MAX(n, MAIL_THREADS_MIN), MAIL_THREADS_MAX);
}

/* `submission_users`, by name as they are known now. */
static bool submits(void *ctx, uint64_t account)
{
    struct mail_role *mail = ctx;
    const struct config_list *names = &mail->start->config->submission_users;
    AUTO(principals_unrefp)
    struct principals *people = principal_registry_current(mail->directory.registry);

    for (size_t i = 0; i < names->n; i++) {
        const struct principal *who =
            principals_find_account(people, slice_from_str(names->items[i]));

        if (who != NULL && who->id == account)
            return true;
    }
    return false;
}

static enum rc open_doors(struct mail_role *mail, struct err *err)
{
    const struct config *config = mail->start->config;
    struct clients_options clients = {.store = mail->store,
                                      .per_user = config->connections_per_user,
                                      .per_device = config->connections_per_device,
                                      .message_max_bytes = config->message_max_bytes,
                                      .message_limit = config->message_limit,
                                      .save_limit = config->save_limit,
                                      .turns = count_threads(config) / TURNS_PARTS,
                                      .log_mail_events = config->log_mail_events,
                                      .submits = submits,
                                      .note = note_front,
                                      .ends = mail_client_ends,
                                      .returns = mail_client_returns,
                                      .ctx = mail};
    struct lmtp_options lmtp = {.store = mail->store,
                                .hostname = config->hostname,
                                .message_max_bytes = config->message_max_bytes,
                                .detail_as_folder = config->detail_as_folder,
                                .disabled_is_permanent = config->disabled_is_permanent,
                                .resolve = mail_ask_recipient,
                                .note = note_front,
                                .ctx = mail};
    enum rc rc = pool_new(count_threads(config), clients.turns, NULL, &mail->pool, err);

    if (rc)
        return rc;
    mail_referrals_open(mail);
    clients.referrals = mail->referrals;
    clients.pool = lmtp.pool = mail->pool;
    mail->clients = clients_new(&clients);
    mail->lmtp = lmtp_server_new(&lmtp);
    return RC_OK;
}

static void on_expiry(void *ctx)
{
    struct mail_role *mail = ctx;

    mail->expiry_sec = 0;
    mail_expects_end(mail, clients_end_expired(mail->clients));
}

void mail_expects_end(struct mail_role *mail, int64_t at_sec)
{
    int64_t left_us;

    if (at_sec == 0 || (mail->expiry_sec != 0 && mail->expiry_sec <= at_sec))
        return;
    left_us =
        at_sec > INT64_MAX / 1000000 ? MAIL_EXPIRY_US : at_sec * 1000000 - clock_wall_us();
    mail->expiry_sec = at_sec;
    timer_start(mail->loop, &mail->expiry, MAX(0, MIN(left_us, MAIL_EXPIRY_US)), on_expiry,
                mail);
}

static void on_sweep(void *ctx)
{
    struct mail_role *mail = ctx;

    clients_sweep(mail->clients);
    mail_watch_tell(mail);
    lmtp_sweep(mail->lmtp);
    mail_pairs_expire(mail, false);
    mail_remove_deleted(mail);
    timer_start(mail->loop, &mail->sweep, MAIL_SWEEP_US, on_sweep, mail);
}

/* ---- the supervisor ---- */

static void on_stop(void *ctx)
{
    struct mail_role *mail = ctx;
    int64_t left_us = mail->stop_at_us - clock_mono_us();

    if (left_us < MAIL_STOP_US / 2) /* who does not read is cut, before the pool ends */
        clients_sweep(mail->clients);
    if ((clients_count(mail->clients) == 0 && lmtp_count(mail->lmtp) == 0) || left_us <= 0)
        loop_stop(mail->loop);
    else
        timer_start(mail->loop, &mail->stop, MAIL_STOP_TICK_US, on_stop, mail);
}

static void on_shutdown(void *ctx, bool fast)
{
    struct mail_role *mail = ctx;

    mail_pairs_expire(mail, true);
    mail_lookups_end(mail);
    (void) clients_end(mail->clients, 0, 0, 0, ORDER_SHUTDOWN);
    lmtp_shutdown(mail->lmtp);
    mail->stop_at_us = clock_mono_us() + (fast ? 0 : MAIL_STOP_US);
    on_stop(mail);
}

/* Released, usually: what kills mail is not open when the next one starts. */
static void on_quarantine(void *ctx, uint64_t account, bool on)
{
    struct mail_role *mail = ctx;

    mail_store_quarantine(mail->store, account, on);
}

static const struct role_events events = {
    .peer = mail_on_peer,
    .quarantine = on_quarantine,
    .shutdown = on_shutdown,
};

static void on_supervisor_ready(void *ctx, unsigned ready)
{
    struct mail_role *mail = ctx;

    (void) ready;
    role_supervisor_ready(mail->start, &events, mail);
    loop_want(mail->loop, &mail->supervisor_watch,
              LOOP_IN | (channel_wants_write(mail->start->supervisor) ? LOOP_OUT : 0u));
}

static enum rc connect_all(struct mail_role *mail, struct err *err)
{
    for (size_t i = 0; i < mail->start->n_peers; i++) {
        struct role_peer *peer = &mail->start->peers[i];

        if (peer->fd >= 0 && peer->role != ROLE_LOG)
            mail_on_peer(mail, peer), peer->fd = -1;
    }
    timer_start(mail->loop, &mail->sweep, MAIL_SWEEP_US, on_sweep, mail);
    return loop_add(mail->loop, &mail->supervisor_watch, channel_fd(mail->start->supervisor),
                    LOOP_IN, on_supervisor_ready, mail, err);
}

/* ---- life ---- */

static enum rc start_all(struct mail_role *mail, struct err *err)
{
    enum rc rc = loop_new(&mail->loop, err);

    if (rc == RC_OK)
        rc = auth_names_init(err); /* opens files of ICU's */
    priority_prompt();
    if (rc == RC_OK)
        rc = role_confine(mail->start, err);
    if (rc == RC_OK)
        rc = open_store(mail, err);
    if (rc == RC_OK)
        rc = open_doors(mail, err);
    if (rc == RC_OK)
        rc = connect_all(mail, err);
    if (rc == RC_OK)
        rc = mail_control_start(mail, err);
    return rc;
}

/* In reverse; what was never made is passed over. */
static void close_all(struct mail_role *mail)
{
    mail_control_stop(mail);
    if (mail->loop != NULL) {
        timer_stop(mail->loop, &mail->sweep);
        timer_stop(mail->loop, &mail->expiry);
        timer_stop(mail->loop, &mail->stop);
        loop_remove(mail->loop, &mail->supervisor_watch);
        mail_peers_done(mail);
        mail_accounts_done(mail);
    }
    pool_free(mail->pool);
    clients_free(mail->clients);
    mail_referrals_done(mail);
    lmtp_server_free(mail->lmtp);
    key_keeper_free(mail->sort_keys);
    if (mail->index != NULL)
        text_index_stop(mail->index);
    text_index_free(mail->index);
    mail_store_close(mail->store);
    mail_directory_lost(mail);
    principal_registry_free(mail->directory.registry);
    digest_client_free(mail->digests);
    map_free(mail->pairs);
    loop_free(mail->loop);
    free(mail);
}

int role_mail(struct role_start *start)
{
    struct mail_role *mail = xcalloc(1, sizeof(*mail));
    struct err err;
    enum rc rc;

    (void) mallopt(M_MMAP_THRESHOLD, MAIL_MMAP_BYTES); /* refused: only memory is at stake */
    mail->start = start;
    mail->auth.mail = mail;
    mail->pairs = map_new();
    mail->digests = digest_client_new();
    mail->directory.registry = principal_registry_new();
    list_init(&mail->pairs_by_age);
    list_init(&mail->outgoing);
    list_init(&mail->deleted);
    list_init(&mail->lookups);
    (void) pthread_mutex_init(&mail->lookup_lock, NULL);
    (void) pthread_mutex_init(&mail->outgoing_lock, NULL);
    (void) pthread_mutex_init(&mail->import_lock, NULL);
    (void) pthread_cond_init(&mail->import_ended, NULL);
    rc = start_all(mail, &err);
    if (rc) {
        role_failed(start, &err);
    } else {
        rc = log_sink_run_loop(mail->start->sink, mail->loop, &err);
        if (rc)
            log_event(LEVEL_ERROR, "mail.failed", LOG_ERR(&err));
    }
    close_all(mail);
    return rc == RC_OK ? 0 : 1;
}
