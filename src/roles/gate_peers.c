#include <unistd.h>

#include "base/log.h"
#include "roles/gate_state.h"

static void update_watch(struct gate_peer *peer)
{
    loop_want(peer->gate->loop, &peer->watch,
              (unsigned) LOOP_IN |
                  (channel_wants_write(peer->channel) ? (unsigned) LOOP_OUT : 0u));
}

void gate_peer_close(struct gate_peer *peer)
{
    if (peer->channel == NULL)
        return;
    loop_remove(peer->gate->loop, &peer->watch);
    channel_freep(&peer->channel);
}

static void lost(struct gate_peer *peer)
{
    struct gate *gate = peer->gate;

    gate_peer_close(peer);
    if (peer == &gate->auth) {
        gate_login_lost_auth(gate);
        gate_local_lost_auth(gate);
    } else {
        gate_handover_lost_mail(gate);
    }
}

/* A message that the peer may not send is treated as the peer's death: the channel is dropped
 * and the supervisor replaces what stands at its end. */
void gate_peer_drain(struct gate_peer *peer)
{
    struct gate *gate = peer->gate;
    struct err err = {0};
    enum rc rc = RC_OK;

    while (peer->channel != NULL && rc == RC_OK) {
        struct packet *packet = NULL;

        rc = channel_take(peer->channel, &packet, &err);
        if (rc == RC_OK && peer == &gate->auth) {
            if (!gate_local_message(gate, &packet->msg))
                gate_login_message(gate, &packet->msg);
        } else if (rc == RC_OK) {
            gate_handover_message(gate, packet);
        }
    }
    if (peer->channel == NULL || rc == RC_MORE)
        return;
    if (rc != RC_UNAVAILABLE)
        log_event(LEVEL_ERROR, "gate.channel",
                  LOG_STR("peer", role_name(channel_peer(peer->channel))), LOG_ERR(&err));
    lost(peer);
}

static void peer_ready(void *ctx, unsigned ready)
{
    struct gate_peer *peer = ctx;
    struct err err = {0};

    if ((ready & (unsigned) LOOP_OUT) != 0) {
        enum rc rc = channel_flush(peer->channel, &err);

        if (rc != RC_OK && rc != RC_MORE) {
            lost(peer);
            return;
        }
        update_watch(peer);
    }
    gate_peer_drain(peer);
}

void gate_peer_open(struct gate *gate, enum role role, int fd)
{
    struct gate_peer *peer = role == ROLE_AUTH ? &gate->auth : &gate->mail;
    struct err err = {0};

    if (fd < 0)
        return;
    if (role != ROLE_AUTH && role != ROLE_MAIL) {
        closep(&fd); /* the log's channel is not the gate's business */
        return;
    }
    if (peer->channel != NULL)
        lost(peer);
    peer->channel = channel_new(fd, ROLE_GATE, role);
    if (loop_add(gate->loop, &peer->watch, fd, LOOP_IN | LOOP_FIRST, peer_ready, peer, &err) ==
        RC_OK)
        return;
    log_event(LEVEL_ERROR, "gate.channel", LOG_STR("peer", role_name(role)), LOG_ERR(&err));
    channel_freep(&peer->channel);
}

enum rc gate_peer_post(struct gate_peer *peer, const struct msg *msg, const int *fds,
                       struct err *err)
{
    enum rc rc;

    if (peer->channel == NULL)
        return err_set(err, RC_UNAVAILABLE, "Temporarily unavailable", "no channel for %s",
                       msg_name(msg->type));
    rc = channel_post(peer->channel, msg, fds, err);
    if (rc == RC_OK)
        update_watch(peer);
    return rc;
}
