/*
 * mail_peers.c - gates, auth and digest as the mail role hears them.
 */
#include <unistd.h>

#include "base/log.h"
#include "roles/mail_role.h"

struct question {
    struct link link;
    uint64_t request;
    size_t len;
    char address[];
};

struct deleted_account {
    struct link link;
    uint64_t id;
};

static void peer_drop(struct mail_peer *peer)
{
    if (peer->channel == NULL)
        return;
    loop_remove(peer->mail->loop, &peer->watch);
    channel_free(TAKE(peer->channel));
}

static void peer_want(struct mail_peer *peer)
{
    loop_want(peer->mail->loop, &peer->watch,
              LOOP_IN | (channel_wants_write(peer->channel) ? LOOP_OUT : 0u));
}

enum rc mail_post(struct mail_peer *peer, const struct msg *msg, struct err *err)
{
    enum rc rc;

    if (peer->channel == NULL)
        return err_set(err, RC_UNAVAILABLE, "Server is not ready", "%s: peer is not there",
                       msg_name(msg->type));
    rc = channel_post(peer->channel, msg, NULL, err);
    peer_want(peer);
    return rc;
}

/* ---- recipients ---- */

static struct question *next_question(struct mail_role *mail)
{
    struct link *link;

    (void) pthread_mutex_lock(&mail->question_lock);
    link = list_pop_front(&mail->questions);
    if (link != NULL)
        mail->n_questions--;
    (void) pthread_mutex_unlock(&mail->question_lock);
    return link != NULL ? LINK_OWNER(link, struct question, link) : NULL;
}

static void ask_auth(void *ctx)
{
    struct mail_role *mail = ctx;
    struct question *question;
    struct err err;

    while ((question = next_question(mail)) != NULL) {
        struct msg msg = {
            .type = MSG_RESOLVE,
            .resolve = {.request = question->request,
                        .address = slice_of(question->address, question->len)}
        };

        if (mail_post(&mail->auth, &msg, &err))
            lmtp_resolved(mail->lmtp, &(struct msg_resolved){.request = question->request,
                                                             .code = RESOLVE_TEMPORARY});
        free(question);
    }
}

enum rc mail_ask_recipient(void *ctx, uint64_t request, struct slice address, struct err *err)
{
    struct mail_role *mail = ctx;
    struct question *question;

    if (address.len > MSG_ADDRESS_MAX)
        return err_set(err, RC_LIMIT, "The address is too long", "recipient: %zu bytes",
                       address.len);
    question = xmalloc(sizeof(*question) + address.len);
    *question = (struct question){.request = request, .len = address.len};
    memcpy(question->address, address.ptr, address.len);
    (void) pthread_mutex_lock(&mail->question_lock);
    if (mail->n_questions >= MAIL_QUESTIONS_MAX) {
        (void) pthread_mutex_unlock(&mail->question_lock);
        free(question);
        return err_set(err, RC_UNAVAILABLE, "Too busy", "recipients: %u wait",
                       MAIL_QUESTIONS_MAX);
    }
    list_push_back(&mail->questions, &question->link);
    mail->n_questions++;
    (void) pthread_mutex_unlock(&mail->question_lock);
    loop_post(mail->loop, &mail->ask, ask_auth, mail);
    return RC_OK;
}

/* ---- accounts that go ---- */

static void account_deleted(struct mail_role *mail, uint64_t id)
{
    struct deleted_account *deleted = xcalloc(1, sizeof(*deleted));

    deleted->id = id;
    list_push_back(&mail->deleted, &deleted->link);
    (void) clients_end(mail->clients, id, 0, 0, ORDER_REVOKED);
}

void mail_remove_deleted(struct mail_role *mail)
{
    struct err err;

    LIST_FOREACH(it, &mail->deleted)
    {
        struct deleted_account *deleted = LINK_OWNER(it, struct deleted_account, link);
        enum rc rc = mail_store_remove(mail->store, deleted->id, &err);

        if (rc == RC_UNAVAILABLE)
            continue; /* somebody is still in it */
        log_event(rc ? LEVEL_ERROR : LEVEL_INFO, "account.removed",
                  LOG_NUM("account", deleted->id), LOG_STR("result", rc_name(rc)));
        list_remove(&deleted->link);
        free(deleted);
    }
}

/* ---- messages ---- */

static void take_revoke(struct mail_role *mail, const struct msg_revoke *revoke)
{
    uint64_t account = revoke->what == REVOKE_ALL ? 0 : revoke->account;
    uint64_t device = revoke->what == REVOKE_DEVICE ? revoke->device : 0;

    (void) clients_end(mail->clients, account, device, 0, ORDER_REVOKED);
}

static void from_auth(struct mail_role *mail, const struct msg *msg)
{
    if (msg->type == MSG_GRANT)
        mail_take_grant(mail, &msg->grant);
    else if (msg->type == MSG_REVOKE)
        take_revoke(mail, &msg->revoke);
    else if (msg->type == MSG_RESOLVED)
        lmtp_resolved(mail->lmtp, &msg->resolved);
    else if (msg->type == MSG_ACCOUNT_DELETED)
        account_deleted(mail, msg->account_deleted.account);
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

void mail_on_peer(void *ctx, const struct role_peer *given)
{
    struct mail_role *mail = ctx;
    struct mail_peer *peer = NULL;
    struct err err;

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
    *peer = (struct mail_peer){.mail = mail,
                               .channel = channel_new(given->fd, ROLE_MAIL, given->role),
                               .instance = given->instance};
    if (loop_add(mail->loop, &peer->watch, channel_fd(peer->channel), LOOP_IN, on_peer_ready,
                 peer, &err))
        peer_drop(peer);
}

void mail_peers_done(struct mail_role *mail)
{
    struct question *question;
    struct link *link;

    peer_drop(&mail->auth);
    for (size_t i = 0; i < ROLE_GATES_MAX; i++)
        peer_drop(&mail->gates[i]);
    loop_remove(mail->loop, &mail->digest_watch);
    loop_cancel(mail->loop, &mail->ask);
    while ((question = next_question(mail)) != NULL)
        free(question);
    while ((link = list_pop_front(&mail->deleted)) != NULL)
        free(LINK_OWNER(link, struct deleted_account, link));
}
