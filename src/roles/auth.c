/*
 * auth.c - the process that knows who may come in: logins from the gates, grants and recipients
 * to mail, accounts and devices for administrators.
 *
 * One thread, and a pool of threads for slow hashes. It opens DATA/auth and the passwd-file,
 * and nothing else; it never sees a mail or a client's socket.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "roles/auth_role.h"
#include "roles/log_sink.h"

#define PATH_MAX_BYTES 4096u

static void peer_drop(struct auth_peer *peer)
{
    if (peer->channel == NULL)
        return;
    auth_recipients_forget(peer->auth, peer);
    loop_remove(peer->auth->loop, &peer->watch);
    channel_free(TAKE(peer->channel));
}

/*
 * Those who ask auth wait while answers to them do: their queue stays bounded. Those whom auth
 * asks (idp, gss) wait in turn until their answers are taken, so these are always read: if both
 * sides held back, neither would go on.
 */
static bool is_read(const struct auth_peer *peer)
{
    return peer == &peer->auth->idp || peer == &peer->auth->gss ||
           !channel_wants_write(peer->channel);
}

static void peer_want(struct auth_peer *peer)
{
    unsigned want = (is_read(peer) ? (unsigned) LOOP_IN : 0u) |
                    (channel_wants_write(peer->channel) ? (unsigned) LOOP_OUT : 0u);

    if (peer == &peer->auth->mail &&
        (auth_directory_goes_on(peer->auth) || auth_unheard_waits(peer->auth)))
        want |= LOOP_OUT;
    loop_want(peer->auth->loop, &peer->watch, want);
}

enum rc auth_post(struct auth_peer *peer, const struct msg *msg, struct err *err)
{
    enum rc rc;

    if (peer == NULL || peer->channel == NULL)
        return err_set(err, RC_UNAVAILABLE, "Server is not ready", "%s: peer is not there",
                       msg_name(msg->type));
    rc = channel_post(peer->channel, msg, NULL, err);
    peer_want(peer);
    return rc;
}

enum rc auth_tell_supervisor(struct auth_role *auth, const struct msg *msg, struct err *err)
{
    enum rc rc = channel_post(auth->start->supervisor, msg, NULL, err);

    loop_want(auth->loop, &auth->supervisor_watch,
              LOOP_IN | (channel_wants_write(auth->start->supervisor) ? LOOP_OUT : 0));
    return rc;
}

static void on_gate_msg(struct auth_peer *gate, const struct msg *msg)
{
    if (msg->type == MSG_AUTH_START)
        auth_attempt_start(gate, &msg->auth_start);
    else if (msg->type == MSG_AUTH_DATA)
        auth_attempt_data(gate, &msg->auth_data);
    else if (msg->type == MSG_AUTH_CANCEL)
        auth_attempt_cancel(gate, msg->auth_cancel.conn);
    else if (msg->type == MSG_CERT_CHECK)
        auth_certificate_asked(gate, &msg->cert_check);
    else if (msg->type == MSG_RESOLVE)
        auth_resolve(gate, &msg->resolve);
}

static void on_mail_msg(struct auth_peer *mail, const struct msg *msg)
{
    if (msg->type == MSG_RESOLVE)
        auth_resolve(mail, &msg->resolve);
    else if (msg->type == MSG_LOOKUP_USER)
        auth_mail_lookup(mail->auth, &msg->lookup_user);
    else if (msg->type == MSG_SESSION_FACTS)
        auth_policy_session(mail->auth, &msg->session_facts);
    else if (msg->type == MSG_LAST_USED)
        auth_note_use(mail->auth, msg->last_used.account, msg->last_used.device,
                      &msg->last_used.peer, msg->last_used.client_id);
    else if (msg->type == MSG_DIRECTORY_HEARD)
        auth_told_heard(mail->auth, msg->directory_heard.number);
    else if (msg->type == MSG_WATCHED)
        auth_watches_held(mail->auth, &msg->watched);
}

static void on_idp_msg(struct auth_peer *idp, const struct msg *msg)
{
    if (msg->type == MSG_IDP_RESULT)
        auth_idp_result(idp->auth, &msg->idp_result);
}

static void on_gss_msg(struct auth_peer *gss, const struct msg *msg)
{
    if (msg->type == MSG_GSS_RESULT)
        auth_gssapi_result(gss->auth, &msg->gss_result);
}

/* A peer that is gone is replaced by the supervisor; one that talks nonsense is cut off. */
static void peer_lost(struct auth_peer *peer, enum rc rc, const struct err *err)
{
    if (rc != RC_UNAVAILABLE)
        log_event(LEVEL_ERROR, "auth.peer_broken",
                  LOG_STR("peer", role_name(channel_peer(peer->channel))), LOG_ERR(err));
    if (peer == &peer->auth->web)
        auth_enrol_web_gone(peer->auth);
    else if (channel_peer(peer->channel) == ROLE_GATE)
        auth_attempts_forget(peer->auth, peer->instance);
    peer_drop(peer);
    if (peer == &peer->auth->idp)
        auth_idp_lost(peer->auth);
    if (peer == &peer->auth->gss)
        auth_gssapi_lost(peer->auth);
    if (peer == &peer->auth->mail) {
        auth_unheard_forget(peer->auth);
        auth_told_lost(peer->auth);
    }
}

static void on_peer_ready(void *ctx, unsigned ready)
{
    struct auth_peer *peer = ctx;
    bool is_mail = peer == &peer->auth->mail, is_web = peer == &peer->auth->web;
    struct packet *packet;
    struct err err;
    enum rc rc = RC_OK;

    if ((ready & LOOP_OUT) != 0)
        rc = channel_flush(peer->channel, &err);
    if (rc == RC_OK && is_mail && (ready & LOOP_OUT) != 0) {
        auth_unheard_go_on(peer->auth);
        auth_directory_go_on(peer->auth);
    }
    if (rc == RC_MORE)
        rc = RC_OK; /* the rest is sent later */
    while (rc == RC_OK && is_read(peer)) {
        rc = channel_take(peer->channel, &packet, &err);
        if (rc != RC_OK)
            break;
        if (is_mail)
            on_mail_msg(peer, &packet->msg);
        else if (is_web)
            auth_enrol_message(peer->auth, &packet->msg);
        else if (peer == &peer->auth->idp)
            on_idp_msg(peer, &packet->msg);
        else if (peer == &peer->auth->gss)
            on_gss_msg(peer, &packet->msg);
        else
            on_gate_msg(peer, &packet->msg);
    }
    if (rc == RC_OK || rc == RC_MORE)
        peer_want(peer);
    else
        peer_lost(peer, rc, &err);
}

static struct auth_peer *place_of(struct auth_role *auth, const struct role_peer *peer)
{
    if (peer->role == ROLE_MAIL)
        return &auth->mail;
    if (peer->role == ROLE_WEB)
        return &auth->web;
    if (peer->role == ROLE_IDP)
        return &auth->idp;
    if (peer->role == ROLE_GSS)
        return &auth->gss;
    return peer->role == ROLE_GATE && peer->index < ROLE_GATES_MAX ? &auth->gates[peer->index]
                                                                   : NULL;
}

/* It may have sessions of before, about which something has changed meanwhile. */
static void begin_with_mail(struct auth_role *auth)
{
    auth_directory_start(auth);
    auth_policy_review(auth, 0);
}

/* A struct role_events function; also for those that were there at the start. */
static void on_peer(void *ctx, const struct role_peer *given)
{
    struct auth_role *auth = ctx;
    struct auth_peer *peer = place_of(auth, given);
    struct err err;

    if (peer == NULL) {
        (void) close(given->fd); /* not one we talk to */
        return;
    }
    if (given->role == ROLE_GATE)
        auth_attempts_forget(auth, peer->instance);
    if (given->role == ROLE_WEB)
        auth_enrol_web_gone(auth);
    peer_drop(peer);
    if (given->role == ROLE_MAIL) {
        auth_unheard_forget(auth);
        auth_told_lost(auth);
    }
    if (given->role == ROLE_IDP)
        auth_idp_lost(auth); /* a new one knows nothing of what the last was asked */
    else if (given->role == ROLE_GSS)
        auth_gssapi_lost(auth);
    *peer = (struct auth_peer){
        .auth = auth,
        .channel = channel_new(given->fd, ROLE_AUTH, given->role),
        .index = given->index,
        .instance = given->instance,
    };
    if (loop_add(auth->loop, &peer->watch, channel_fd(peer->channel), LOOP_IN, on_peer_ready,
                 peer, &err) != RC_OK)
        peer_lost(peer, err.rc, &err);
    else if (peer == &auth->mail)
        begin_with_mail(auth);
}

/* Who stands in the passwd-file no more keeps no session either. */
static void on_reread(void *ctx)
{
    auth_policy_review(ctx, 0);
}

static void on_password(void *ctx, uint64_t account)
{
    struct auth_role *auth = ctx;

    auth_revoke(auth, REVOKE_DEVICE, account, 0, "password changed");
    enrol_forget(auth->enrol, account);
}

/* Sessions of those whose lines change end although nobody logs in meanwhile. */
static void on_passwd_tick(void *ctx)
{
    struct auth_role *auth = ctx;

    realm_refresh(auth->realm);
    timer_start(auth->loop, &auth->passwd_timer, PASSWD_LOOK_US, on_passwd_tick, auth);
}

static enum rc open_realm(struct auth_role *auth, struct err *err)
{
    const struct config *config = auth->start->config;
    const struct realm_settings settings = {
        .domains = config->domains.items,
        .n_domains = config->domains.n,
        .catch_all = config->catch_all,
        .detail_separator = config->detail_separator,
        .passwd_file = config->passwd_file,
        .legacy_until = config->legacy_passwords_until,
        .backends = config->backends.items,
        .n_backends = config->backends.n,
    };

    enum rc rc = realm_new(auth->db, &settings, auth_announce_created, auth, &auth->realm, err);

    if (rc)
        return rc;
    realm_on_renamed(auth->realm, auth_directory_renamed, auth);
    realm_on_reread(auth->realm, on_reread, auth);
    realm_on_password(auth->realm, on_password, auth);
    auth->enrol = enrol_new(auth->realm);
    return RC_OK;
}

static enum rc on_reload(void *ctx, struct err *err)
{
    struct auth_role *auth = ctx;

    realm_refresh(auth->realm);
    auth_watches_look(auth);
    return auth_policy_reload(auth, err);
}

static void on_shutdown(void *ctx, bool fast)
{
    struct auth_role *auth = ctx;

    (void) fast; /* both ends are quick: one transaction to write */
    loop_stop(auth->loop);
}

static const struct role_events events = {
    .peer = on_peer,
    .reload = on_reload,
    .pam_helper = auth_pam_helper,
    .shutdown = on_shutdown,
};

static void on_supervisor_ready(void *ctx, unsigned ready)
{
    struct auth_role *auth = ctx;

    (void) ready;
    role_supervisor_ready(auth->start, &events, auth);
    loop_want(auth->loop, &auth->supervisor_watch,
              LOOP_IN | (channel_wants_write(auth->start->supervisor) ? LOOP_OUT : 0));
}

/* Of which SCRAM keys are made for new passwords. */
static unsigned hashes_of(const struct config *config)
{
    if (!config->scram)
        return 0;
    return SCRAM_HASH_BIT(SCRAM_SHA_256) |
           (config->scram_sha1 ? SCRAM_HASH_BIT(SCRAM_SHA_1) : 0);
}

/* Everything that opens files. */
static enum rc open_all(struct auth_role *auth, struct err *err)
{
    long n_cpus = sysconf(_SC_NPROCESSORS_ONLN); /* reads a file */
    char folder[PATH_MAX_BYTES];
    enum rc rc = auth_init(err);

    if (rc)
        return rc;
    if (snprintf(folder, sizeof(folder), "%s/auth", auth->start->config->data_dir) >=
        (int) sizeof(folder))
        return err_set(err, RC_LIMIT, "Path is too long", "data: path too long");
    auth->n_cpus = n_cpus > 0 ? (unsigned) n_cpus : 1;
    rc = auth_db_open(folder, false, &auth->db, err);
    if (rc == RC_NOT_FOUND)
        return err_set(err, rc, "No account database: run `roost init` first",
                       "%.100s/auth.db is not there: run `roost init` first", folder);
    if (rc)
        return rc;
    auth_certificates_open(auth);
    rc = auth_policy_open(auth, err);
    if (rc)
        return rc;
    auth_db_use_scram(auth->db, hashes_of(auth->start->config));
    return open_realm(auth, err);
}

/* Everything that needs the loop or threads. */
static enum rc connect_all(struct auth_role *auth, struct err *err)
{
    enum rc rc = hash_pool_new(auth->loop, auth->n_cpus, &auth->pool, err);

    if (rc)
        return rc;
    auth_damage_start(auth);
    auth_policy_start(auth);
    if (realm_passwd_file(auth->realm) != NULL)
        timer_start(auth->loop, &auth->passwd_timer, PASSWD_LOOK_US, on_passwd_tick, auth);
    rc = auth_slots_open(auth, err);
    if (rc == RC_OK)
        rc = auth_control_listen(auth, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < auth->start->n_peers; i++) {
        struct role_peer *peer = &auth->start->peers[i];

        if (peer->fd < 0 || place_of(auth, peer) == NULL)
            continue;
        on_peer(auth, peer);
        peer->fd = -1;
    }
    return loop_add(auth->loop, &auth->supervisor_watch, channel_fd(auth->start->supervisor),
                    LOOP_IN, on_supervisor_ready, auth, err);
}

/* In reverse; what was never made is passed over. */
static void close_all(struct auth_role *auth)
{
    hash_pool_free(auth->pool);
    auth_control_done(auth);
    auth_enrol_done(auth);
    auth_attempts_done(auth);
    auth_recipients_done(auth);
    auth_slots_done(auth);
    auth_known_done(auth);
    auth_scram_done(auth);
    auth_uses_done(auth);
    auth_watches_done(auth);
    auth_certificates_done(auth);
    auth_damage_done(auth);
    auth_policy_done(auth);
    timer_stop(auth->loop, &auth->passwd_timer);
    loop_remove(auth->loop, &auth->supervisor_watch);
    auth_unheard_forget(auth);
    peer_drop(&auth->mail);
    peer_drop(&auth->web);
    peer_drop(&auth->idp);
    peer_drop(&auth->gss);
    map_free(auth->asks);
    map_free(auth->exchanges);
    for (size_t i = 0; i < ROLE_GATES_MAX; i++)
        peer_drop(&auth->gates[i]);
    throttle_free(auth->throttle);
    realm_free(auth->realm);
    auth_db_close(auth->db);
    loop_free(auth->loop);
    free(auth);
}

static enum rc run(struct auth_role *auth, struct err *err)
{
    enum rc rc = loop_new(&auth->loop, err);

    if (rc == RC_OK)
        rc = open_all(auth, err);
    if (rc == RC_OK)
        rc = role_confine(auth->start, err);
    if (rc == RC_OK)
        rc = connect_all(auth, err);
    return rc;
}

int role_auth(struct role_start *start)
{
    struct auth_role *auth = xcalloc(1, sizeof(*auth));
    struct err err;
    enum rc rc;

    auth->start = start;
    auth->mail.auth = auth;
    auth->web.auth = auth;
    auth->idp.auth = auth;
    auth->gss.auth = auth;
    auth->directory.generation = 1;
    auth->asks = map_new();
    auth->exchanges = map_new();
    auth->attempts = map_new();
    auth->known = map_new();
    auth->uses = map_new();
    auth->throttle = throttle_new();
    list_init(&auth->recipients);
    list_init(&auth->telling);
    list_init(&auth->unheard);
    list_init(&auth->pam_asks);
    list_init(&auth->hashing);
    list_init(&auth->learning);
    list_init(&auth->enrolling);
    list_init(&auth->policy.waiting);
    list_init(&auth->control_conns);
    rc = run(auth, &err);
    if (rc) {
        role_failed(start, &err);
    } else {
        rc = log_sink_run_loop(auth->start->sink, auth->loop, &err);
        auth_uses_flush(auth);
        if (rc)
            log_event(LEVEL_ERROR, "auth.failed", LOG_ERR(&err));
    }
    close_all(auth);
    return rc == RC_OK ? 0 : 1;
}
