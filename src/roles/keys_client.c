#include "roles/keys_client.h"

#include "base/clock.h"
#include "base/log.h"

void keys_client_init(struct keys_client *client, struct loop *loop, enum role self)
{
    *client = (struct keys_client){.loop = loop, .self = self};
}

static void disconnect(struct keys_client *client)
{
    if (client->channel == NULL)
        return;
    loop_remove(client->loop, &client->watch);
    channel_freep(&client->channel);
}

void keys_client_done(struct keys_client *client)
{
    disconnect(client);
}

/* An answer outside of a question: the late one. Anything else is the end of the channel. */
static void on_late_answer(void *ctx, unsigned ready)
{
    struct keys_client *client = ctx;
    struct packet *packet;
    struct err err;
    enum rc rc = RC_OK;

    (void) ready;
    while (rc == RC_OK) {
        rc = channel_take(client->channel, &packet, &err);
        if (rc == RC_OK && packet->msg.key_signed.request == client->last)
            client->late = client->said = false;
    }
    if (rc == RC_MORE)
        return;
    if (rc != RC_UNAVAILABLE)
        log_event(LEVEL_ERROR, "keys.channel", LOG_ERR(&err));
    disconnect(client);
}

void keys_client_connect(struct keys_client *client, int fd)
{
    struct err err;

    disconnect(client);
    client->late = client->said = false;
    if (fd < 0)
        return;
    client->channel = channel_new(fd, client->self, ROLE_KEYS);
    if (loop_add(client->loop, &client->watch, fd, LOOP_IN, on_late_answer, client, &err)) {
        log_event(LEVEL_ERROR, "keys.channel", LOG_ERR(&err));
        channel_freep(&client->channel);
    }
}

static enum rc not_there(struct keys_client *client, const char *why, struct err *err)
{
    enum rc rc = err_set(err, RC_UNAVAILABLE, "Not signed", "keys: %s", why);

    if (!client->said)
        log_event(LEVEL_ERROR, "keys.silent", LOG_ERR(err));
    client->said = true;
    return rc;
}

/* The answer to `last`; those before it came too late for their handshakes. */
static enum rc await(struct keys_client *client, struct buf *out, struct err *err)
{
    int64_t deadline_us = clock_mono_us() + (int64_t) KEYS_ANSWER_MS * 1000;
    struct packet *packet;

    for (;;) {
        int64_t left_us = MAX(deadline_us - clock_mono_us(), 0);
        enum rc rc = channel_wait(client->channel, (int) (left_us / 1000), &packet, err);

        if (rc == RC_MORE) {
            client->late = true;
            return not_there(client, "no answer", err);
        }
        if (rc) {
            disconnect(client);
            return not_there(client, "it has ended", err);
        }
        if (packet->msg.key_signed.request != client->last)
            continue;
        if (packet->msg.key_signed.rc != RC_OK)
            return err_set(err, RC_DENIED, "Not signed", "keys: refused");
        buf_append(out, packet->msg.key_signed.signature);
        return RC_OK;
    }
}

static enum rc ask(void *ctx, const struct tls_to_sign *what, struct buf *out, struct err *err)
{
    struct keys_client *client = ctx;
    struct msg msg = {
        .type = MSG_KEY_SIGN,
        .key_sign = {
                     .request = client->last + 1, .scheme = what->scheme->number, .text = what->bytes}
    };
    enum rc rc;

    _Static_assert(MSG_KEY_ID_BYTES == TLS_KEY_ID_BYTES, "one name of a key");
    if (client->channel == NULL)
        return not_there(client, "not there", err);
    if (client->late)
        return not_there(client, "late", err);
    memcpy(msg.key_sign.key, what->key_id, MSG_KEY_ID_BYTES);
    rc = channel_post(client->channel, &msg, NULL, err);
    if (rc) {
        disconnect(client);
        return not_there(client, "not there", err);
    }
    client->last++;
    rc = await(client, out, err);
    if (rc == RC_OK)
        client->said = false;
    return rc;
}

struct tls_signer keys_client_signer(struct keys_client *client)
{
    return (struct tls_signer){ask, client};
}
