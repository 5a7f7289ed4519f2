#include "roles/keys_client.h"

#include "base/clock.h"
#include "base/log.h"

void keys_client_init(struct keys_client *client, enum role self)
{
    *client = (struct keys_client){.self = self};
    (void) pthread_mutex_init(&client->lock, NULL);
}

void keys_client_connect(struct keys_client *client, int fd)
{
    struct channel *unused, *channel = fd < 0 ? NULL : channel_new(fd, client->self, ROLE_KEYS);

    (void) pthread_mutex_lock(&client->lock);
    unused = client->next;
    client->next = channel;
    client->has_next = true;
    (void) pthread_mutex_unlock(&client->lock);
    channel_free(unused);
}

void keys_client_done(struct keys_client *client)
{
    channel_freep(&client->channel);
    channel_freep(&client->next);
    (void) pthread_mutex_destroy(&client->lock);
}

static void take_next(struct keys_client *client)
{
    (void) pthread_mutex_lock(&client->lock);
    if (client->has_next) {
        channel_freep(&client->channel);
        client->channel = TAKE(client->next);
        client->has_next = client->late = client->said = false;
    }
    (void) pthread_mutex_unlock(&client->lock);
}

/* Has the answer come that nobody waited for any more? An end is seen by the next question. */
static void look_for_late_answer(struct keys_client *client)
{
    struct packet *packet;
    struct err err;

    while (client->late && channel_take(client->channel, &packet, &err) == RC_OK) {
        if (packet->msg.key_signed.request == client->last)
            client->late = client->said = false;
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
            channel_freep(&client->channel);
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
    take_next(client);
    if (client->channel == NULL)
        return not_there(client, "not there", err);
    look_for_late_answer(client);
    if (client->late)
        return not_there(client, "late", err);
    memcpy(msg.key_sign.key, what->key_id, MSG_KEY_ID_BYTES);
    rc = channel_post(client->channel, &msg, NULL, err);
    if (rc) {
        channel_freep(&client->channel);
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
