/*
 * mail_peers.c - gates, auth and digest as the mail role hears them.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "roles/mail_role.h"

/* A message that a pool thread has for a gate; the loop sends it. */
struct outgoing {
    struct link link;
    uint32_t gate; /* whom it is for: a gate's instance */
    int fd;        /* goes along; -1: none */
    struct msg msg;
    char text[]; /* what its slice points to */
};

/* Pool threads post over auth's, so the lock is theirs, too. */
static struct channel *take_channel(struct mail_peer *peer)
{
    struct channel *channel;

    (void) pthread_mutex_lock(&peer->mail->outgoing_lock);
    channel = TAKE(peer->channel);
    (void) pthread_mutex_unlock(&peer->mail->outgoing_lock);
    return channel;
}

static void peer_drop(struct mail_peer *peer)
{
    if (peer->channel == NULL)
        return;
    loop_remove(peer->mail->loop, &peer->watch);
    channel_free(take_channel(peer));
    if (peer == &peer->mail->auth) {
        lmtp_auth_lost(peer->mail->lmtp);
        mail_review_stop(peer->mail);
        mail_directory_lost(peer->mail);
    }
}

static void peer_want(struct mail_peer *peer)
{
    loop_want(peer->mail->loop, &peer->watch,
              LOOP_IN | (channel_wants_write(peer->channel) ? LOOP_OUT : 0u));
}

static enum rc post(struct mail_peer *peer, const struct msg *msg, const int *fds,
                    struct err *err)
{
    enum rc rc;

    if (peer->channel == NULL)
        return err_set(err, RC_UNAVAILABLE, "Server is not ready", "%s: peer is not there",
                       msg_name(msg->type));
    rc = channel_post(peer->channel, msg, fds, err);
    peer_want(peer);
    return rc;
}

enum rc mail_post(struct mail_peer *peer, const struct msg *msg, struct err *err)
{
    return post(peer, msg, NULL, err);
}

/* ---- what pool threads have to say ---- */

static struct mail_peer *gate_by_instance(struct mail_role *mail, uint32_t instance)
{
    for (size_t i = 0; i < ROLE_GATES_MAX; i++) {
        if (mail->gates[i].channel != NULL && mail->gates[i].instance == instance)
            return &mail->gates[i];
    }
    return NULL;
}

static void outgoing_free(struct outgoing *outgoing)
{
    closep(&outgoing->fd);
    free(outgoing);
}

static struct outgoing *next_outgoing(struct mail_role *mail)
{
    struct link *link;

    (void) pthread_mutex_lock(&mail->outgoing_lock);
    link = list_pop_front(&mail->outgoing);
    if (link != NULL)
        mail->n_outgoing--;
    (void) pthread_mutex_unlock(&mail->outgoing_lock);
    return link != NULL ? LINK_OWNER(link, struct outgoing, link) : NULL;
}

/* A client that nobody takes back hears so. */
static void say_goodbye(int fd)
{
    static const char bye[] = "* BYE [UNAVAILABLE] Log in again\r\n";

    (void) send(fd, bye, sizeof(bye) - 1, MSG_NOSIGNAL | MSG_DONTWAIT); /* it may be gone */
}

/* A bare connection needs no gate that knows it. */
static struct mail_peer *any_gate(struct mail_role *mail)
{
    for (size_t i = 0; i < ROLE_GATES_MAX; i++)
        if (mail->gates[i].channel != NULL)
            return &mail->gates[i];
    return NULL;
}

static void send_one(struct mail_role *mail, const struct outgoing *outgoing)
{
    struct mail_peer *peer = gate_by_instance(mail, outgoing->gate);
    struct err err;

    if (peer == NULL && outgoing->msg.type == MSG_CONN_BACK &&
        outgoing->msg.conn_back.transport == TRANSPORT_BARE)
        peer = any_gate(mail);
    if (peer != NULL && post(peer, &outgoing->msg, &outgoing->fd, &err) == RC_OK)
        return;
    if (outgoing->msg.type == MSG_CONN_BACK)
        say_goodbye(outgoing->fd);
}

static void send_outgoing(void *ctx)
{
    struct mail_role *mail = ctx;
    struct outgoing *outgoing;

    while ((outgoing = next_outgoing(mail)) != NULL) {
        send_one(mail, outgoing);
        outgoing_free(outgoing);
    }
    if (mail->auth.channel != NULL)
        peer_want(&mail->auth); /* a pool thread may have left something in its queue */
}

static enum rc enqueue(struct mail_role *mail, struct outgoing *outgoing, struct err *err)
{
    bool full;

    (void) pthread_mutex_lock(&mail->outgoing_lock);
    full = mail->n_outgoing >= MAIL_OUTGOING_MAX;
    if (!full) {
        list_push_back(&mail->outgoing, &outgoing->link);
        mail->n_outgoing++;
    }
    (void) pthread_mutex_unlock(&mail->outgoing_lock);
    if (full) {
        outgoing_free(outgoing);
        return err_set(err, RC_UNAVAILABLE, "Too busy", "outgoing: %u wait", MAIL_OUTGOING_MAX);
    }
    loop_post(mail->loop, &mail->send, send_outgoing, mail);
    return RC_OK;
}

/* At once: the loop would have to be woken for it, and is woken for the answer. */
enum rc mail_ask_recipient(void *ctx, uint64_t request, struct slice address, struct err *err)
{
    struct mail_role *mail = ctx;
    struct msg msg = {
        .type = MSG_RESOLVE, .resolve = {.request = request, .address = address}
    };
    bool is_queued = false;
    enum rc rc;

    if (address.len > MSG_ADDRESS_MAX)
        return err_set(err, RC_LIMIT, "The address is too long", "recipient: %zu bytes",
                       address.len);
    (void) pthread_mutex_lock(&mail->outgoing_lock);
    if (mail->auth.channel == NULL) {
        rc =
            err_set(err, RC_UNAVAILABLE, "Server is not ready", "recipient: auth is not there");
    } else {
        rc = channel_post(mail->auth.channel, &msg, NULL, err);
        is_queued = rc == RC_OK && channel_wants_write(mail->auth.channel);
    }
    (void) pthread_mutex_unlock(&mail->outgoing_lock);
    if (is_queued)
        loop_post(mail->loop, &mail->send, send_outgoing, mail);
    return rc;
}

void mail_client_ends(void *ctx, uint32_t gate, uint64_t conn)
{
    struct outgoing *outgoing = xmalloc(sizeof(*outgoing));
    struct err err;

    *outgoing = (struct outgoing){
        .gate = gate,
        .fd = -1,
        .msg = {.type = MSG_CONN_CLOSE, .conn_close = {.conn = conn, .reason = CLOSE_LOGOUT}}
    };
    if (enqueue(ctx, outgoing, &err))
        log_event(LEVEL_WARNING, "mail.close_unsaid", LOG_NUM("conn", conn), LOG_ERR(&err));
}

static struct slice add_text(char **at, struct slice text)
{
    char *copy = *at;

    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    *at += text.len;
    return slice_of(copy, text.len);
}

void mail_client_returns(void *ctx, const struct client_return *back)
{
    struct outgoing *outgoing =
        xmalloc(sizeof(*outgoing) + back->unread.len + back->client_id.len);
    char *at = outgoing->text;
    struct err err;

    *outgoing = (struct outgoing){
        .gate = back->gate,
        .fd = dup(back->fd),
        .msg = {.type = MSG_CONN_BACK,
                .conn_back = {.conn = back->conn,
                              .transport = back->proxied ? TRANSPORT_PROXIED : TRANSPORT_BARE,
                              .client_id = add_text(&at, back->client_id),
                              .unread = add_text(&at, back->unread)}}
    };
    if (outgoing->fd < 0 || enqueue(ctx, outgoing, &err)) {
        say_goodbye(back->fd);
        log_event(LEVEL_WARNING, "mail.back_unsaid", LOG_NUM("conn", back->conn));
    }
}

/* ---- messages ---- */

static void take_revoke(struct mail_role *mail, const struct msg_revoke *revoke)
{
    uint64_t account = revoke->what == REVOKE_ALL ? 0 : revoke->account;
    uint64_t device = revoke->what == REVOKE_DEVICE ? revoke->device : 0;
    uint64_t before_epoch = revoke->what == REVOKE_ALL ? revoke->policy_epoch : 0;

    if (revoke->what == REVOKE_WATCH) {
        mail_pairs_revoke(mail, 0, 0, revoke->watch);
        (void) clients_end_watched(mail->clients, revoke->watch, ORDER_REVOKED);
        return;
    }
    mail_pairs_revoke(mail, account, device, 0);
    (void) clients_end(mail->clients, account, device, before_epoch, ORDER_REVOKED);
}

static void take_user_found(struct mail_role *mail, const struct msg_user_found *found)
{
    if (mail_accounts_asked(found))
        mail_accounts_answer(mail, found);
    else
        mail_user_found(mail, found);
}

static void from_auth(struct mail_role *mail, const struct msg *msg)
{
    if (msg->type == MSG_GRANT)
        mail_take_grant(mail, &msg->grant);
    else if (msg->type == MSG_REVOKE)
        take_revoke(mail, &msg->revoke);
    else if (msg->type == MSG_SESSIONS_ASK)
        mail_review_asked(mail, &msg->sessions_ask);
    else if (msg->type == MSG_SESSION_END)
        mail_review_end(mail, &msg->session_end);
    else if (msg->type == MSG_RESOLVED)
        lmtp_resolved(mail->lmtp, &msg->resolved);
    else if (msg->type == MSG_ACCOUNT_DELETED)
        mail_account_deleted(mail, msg->account_deleted.account);
    else if (msg->type == MSG_USER_FOUND)
        take_user_found(mail, &msg->user_found);
    else if (msg->type == MSG_RECIPIENTS_FORGET)
        lmtp_forget_known(mail->lmtp, msg->recipients_forget.generation);
    else if (msg->type == MSG_DIRECTORY_BEGIN)
        mail_directory_begin(mail, &msg->directory_begin);
    else if (msg->type == MSG_DIRECTORY_ROW)
        mail_directory_row(mail, &msg->directory_row);
    else if (msg->type == MSG_DIRECTORY_GONE)
        mail_directory_gone(mail, &msg->directory_gone);
    else if (msg->type == MSG_DIRECTORY_END)
        mail_directory_end(mail, &msg->directory_end);
    else if (msg->type == MSG_DIRECTORY_ASK)
        mail_directory_asked(mail, &msg->directory_ask);
}

static void from_gate(struct mail_peer *gate, struct packet *packet)
{
    if (packet->msg.type != MSG_HANDOVER)
        return; /* CONN_CLOSE: the data socket ends as well, and says it first */
    mail_take_handover(gate->mail, gate->instance, &packet->msg.handover, packet->fds[0]);
    packet->fds[0] = -1;
}

static void on_peer_ready(void *ctx, unsigned ready)
{
    struct mail_peer *peer = ctx;
    struct packet *packet;
    struct err err;
    enum rc rc = RC_OK;

    if ((ready & LOOP_OUT) != 0)
        rc = channel_flush(peer->channel, &err);
    while (rc == RC_OK || rc == RC_MORE) {
        rc = channel_take(peer->channel, &packet, &err);
        if (rc != RC_OK)
            break;
        if (peer == &peer->mail->auth)
            from_auth(peer->mail, &packet->msg);
        else
            from_gate(peer, packet);
    }
    if (rc == RC_MORE) {
        peer_want(peer);
        return;
    }
    if (rc != RC_UNAVAILABLE)
        log_event(LEVEL_ERROR, "mail.peer_broken",
                  LOG_STR("peer", role_name(channel_peer(peer->channel))), LOG_ERR(&err));
    peer_drop(peer);
}

static void on_digest_ready(void *ctx, unsigned ready)
{
    struct mail_role *mail = ctx;
    struct err err;

    (void) ready;
    if (digest_client_ready(mail->digests, &err) == RC_OK)
        return;
    loop_remove(mail->loop, &mail->digest_watch);
    digest_client_attach(mail->digests, -1);
}

static void attach_digest(struct mail_role *mail, int fd)
{
    struct err err;

    loop_remove(mail->loop, &mail->digest_watch);
    digest_client_attach(mail->digests, fd);
    if (loop_add(mail->loop, &mail->digest_watch, digest_client_fd(mail->digests), LOOP_IN,
                 on_digest_ready, mail, &err))
        log_event(LEVEL_ERROR, "mail.peer_broken", LOG_STR("peer", "digest"), LOG_ERR(&err));
}

/* False: it broke, and is dropped. */
static bool hear(struct mail_peer *peer)
{
    struct err err;

    if (loop_add(peer->mail->loop, &peer->watch, channel_fd(peer->channel), LOOP_IN,
                 on_peer_ready, peer, &err) == RC_OK)
        return true;
    log_event(LEVEL_ERROR, "mail.peer_broken",
              LOG_STR("peer", role_name(channel_peer(peer->channel))), LOG_ERR(&err));
    peer_drop(peer);
    return false;
}

void mail_peers_hear_gates(struct mail_role *mail)
{
    for (size_t i = 0; i < ROLE_GATES_MAX; i++)
        if (mail->gates[i].channel != NULL)
            (void) hear(&mail->gates[i]);
}

void mail_on_peer(void *ctx, const struct role_peer *given)
{
    struct mail_role *mail = ctx;
    struct mail_peer *peer = NULL;

    if (given->role == ROLE_DIGEST) {
        attach_digest(mail, given->fd);
        return;
    }
    if (given->role == ROLE_AUTH)
        peer = &mail->auth;
    else if (given->role == ROLE_GATE && given->index < ROLE_GATES_MAX)
        peer = &mail->gates[given->index];
    if (peer == NULL) {
        (void) close(given->fd); /* not one we talk to */
        return;
    }
    peer_drop(peer);
    (void) pthread_mutex_lock(&mail->outgoing_lock);
    *peer = (struct mail_peer){.mail = mail,
                               .channel = channel_new(given->fd, ROLE_MAIL, given->role),
                               .instance = given->instance};
    (void) pthread_mutex_unlock(&mail->outgoing_lock);
    if (peer != &mail->auth && !mail->directory.complete)
        return; /* it is heard later */
    if (hear(peer) && peer == &mail->auth)
        mail_accounts_check(mail);
}

void mail_peers_done(struct mail_role *mail)
{
    struct outgoing *outgoing;

    peer_drop(&mail->auth);
    for (size_t i = 0; i < ROLE_GATES_MAX; i++)
        peer_drop(&mail->gates[i]);
    loop_remove(mail->loop, &mail->digest_watch);
    loop_cancel(mail->loop, &mail->look_up);
    loop_cancel(mail->loop, &mail->send);
    while ((outgoing = next_outgoing(mail)) != NULL)
        outgoing_free(outgoing);
}
