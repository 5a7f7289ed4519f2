/*
 * keys.c - the process that holds the private keys of certificates and signs handshakes.
 *
 * It opens nothing and decrypts nothing; what it signs is in keys/handshake.h. One thread
 * answers one question after the other, each asker in turn. It waits with poll() alone, so that
 * its list of system calls is the shortest of all (docs/decisions/keys-role.md).
 */
#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "base/log.h"
#include "keys/rate.h"
#include "keys/ring.h"
#include "net/tls.h"
#include "roles/role.h"

#define KEYS_OLD_US (120 * INT64_C(1000000)) /* a replaced key; a handshake has 60 s */

struct asker {
    struct channel *channel;
    enum role role;
    uint16_t index;
    struct key_rate rate;
};

struct keys_role {
    struct role_start *start;
    struct key_ring *ring;
    struct asker askers[ROLE_PEERS_MAX];
    size_t n;
    int64_t old_until_us; /* 0: there are no old keys */
    bool ending;
};

/* --- the set of keys --- */

static void tell_loaded(struct keys_role *keys, enum rc rc, const struct err *why)
{
    struct msg msg = {
        .type = MSG_KEYS_LOADED,
        .keys_loaded = {.generation = keys->start->certs_generation, .rc = (uint8_t) rc}
    };
    struct err err;

    if (rc != RC_OK)
        msg.keys_loaded.text = slice_sub(slice_from_str(why->detail), 0, MSG_TEXT_MAX);
    if (channel_post(keys->start->supervisor, &msg, NULL, &err) != RC_OK)
        log_event(LEVEL_ERROR, "keys.supervisor", LOG_ERR(&err));
}

static void on_certs(void *ctx, const struct role_cert *certs, size_t n)
{
    struct keys_role *keys = ctx;
    struct key_source sources[ROLE_CERTS_MAX];
    size_t n_before = key_ring_count(keys->ring);
    struct err err = {0};
    enum rc rc;

    for (size_t i = 0; i < n; i++)
        sources[i] = (struct key_source){certs[i].name, certs[i].key_name, certs[i].chain,
                                         certs[i].key_fd};
    rc = key_ring_load(keys->ring, sources, n, &err);
    if (rc != RC_OK)
        log_event(LEVEL_ERROR, "tls.refused", LOG_ERR(&err),
                  LOG_STR("kept", n_before > 0 ? "the old" : "none"));
    else if (key_ring_has_old(keys->ring))
        keys->old_until_us = clock_mono_us() + KEYS_OLD_US;
    tell_loaded(keys, rc, &err);
    role_forget_certs(keys->start);
}

/* --- who asks --- */

static void asker_remove(struct keys_role *keys, size_t at)
{
    channel_free(keys->askers[at].channel);
    keys->askers[at] = keys->askers[--keys->n];
}

static void on_peer(void *ctx, const struct role_peer *peer)
{
    struct keys_role *keys = ctx;

    for (size_t i = keys->n; i > 0; i--) {
        if (keys->askers[i - 1].role == peer->role && keys->askers[i - 1].index == peer->index)
            asker_remove(keys, i - 1);
    }
    if (keys->n == COUNT(keys->askers))
        asker_remove(keys, 0); /* more than there can be: its supervisor brings it again */
    keys->askers[keys->n++] =
        (struct asker){.channel = channel_new(peer->fd, ROLE_KEYS, peer->role),
                       .role = peer->role,
                       .index = peer->index};
}

static void on_shutdown(void *ctx, bool fast)
{
    struct keys_role *keys = ctx;

    (void) fast; /* nothing is under way between two questions */
    keys->ending = true;
}

static const struct role_events events = {
    .peer = on_peer, .certs = on_certs, .shutdown = on_shutdown};

/* --- signing --- */

static enum rc sign(struct keys_role *keys, struct asker *asker,
                    const struct msg_key_sign *question, struct buf *signature)
{
    int64_t now_us = clock_mono_us();
    struct err why;
    enum rc rc;

    if (!key_rate_take(&asker->rate, now_us)) {
        if (key_rate_tells(&asker->rate, now_us))
            log_event(LEVEL_WARNING, "keys.limited", LOG_STR("from", role_name(asker->role)),
                      LOG_NUM("index", asker->index), LOG_NUM("a_second", KEY_SIGNS_SEC));
        return RC_LIMIT;
    }
    rc = key_ring_sign(keys->ring, question->key, question->scheme, question->text, signature,
                       &why);
    if (rc != RC_OK)
        log_event(LEVEL_WARNING, "keys.refused", LOG_STR("from", role_name(asker->role)),
                  LOG_NUM("index", asker->index), LOG_ERR(&why));
    return rc;
}

static enum rc answer(struct keys_role *keys, struct asker *asker,
                      const struct msg_key_sign *question, struct err *err)
{
    AUTO(buf_done) struct buf signature = {0};
    struct msg msg = {.type = MSG_KEY_SIGNED, .key_signed = {.request = question->request}};

    buf_init(&signature, TLS_SIGNATURE_MAX);
    msg.key_signed.rc = (uint8_t) sign(keys, asker, question, &signature);
    msg.key_signed.signature = buf_slice(&signature);
    return channel_post(asker->channel, &msg, NULL, err);
}

/* One question, so that each asker has its turn. False: the channel is over. */
static bool serve(struct keys_role *keys, struct asker *asker)
{
    struct packet *packet;
    struct err err;
    enum rc rc = channel_flush(asker->channel, &err);

    if (rc == RC_OK || rc == RC_MORE)
        rc = channel_take(asker->channel, &packet, &err);
    if (rc == RC_OK)
        rc = answer(keys, asker, &packet->msg.key_sign, &err);
    if (rc == RC_OK || rc == RC_MORE)
        return true;
    if (rc != RC_UNAVAILABLE)
        log_event(LEVEL_ERROR, "keys.channel", LOG_STR("peer", role_name(asker->role)),
                  LOG_ERR(&err));
    return false;
}

static void forget_old(struct keys_role *keys)
{
    if (keys->old_until_us == 0 || clock_mono_us() < keys->old_until_us)
        return;
    key_ring_forget_old(keys->ring);
    keys->old_until_us = 0;
}

/* Until somebody has something to say. The supervisor's is the last of fds. */
static void wait_for_questions(struct keys_role *keys, struct pollfd *fds)
{
    int64_t left_us = keys->old_until_us - clock_mono_us();
    int timeout_ms = keys->old_until_us == 0 ? -1 : (int) MAX(left_us / 1000 + 1, 0);

    for (size_t i = 0; i < keys->n; i++)
        fds[i] = (struct pollfd){
            .fd = channel_fd(keys->askers[i].channel),
            .events = (short) (POLLIN |
                               (channel_wants_write(keys->askers[i].channel) ? POLLOUT : 0))};
    fds[keys->n] = (struct pollfd){
        .fd = channel_fd(keys->start->supervisor),
        .events =
            (short) (POLLIN | (channel_wants_write(keys->start->supervisor) ? POLLOUT : 0))};
    if (poll(fds, keys->n + 1, timeout_ms) < 0 && errno != EINTR)
        die("keys: poll: %s", strerror(errno));
}

static void run(struct keys_role *keys)
{
    struct pollfd fds[ROLE_PEERS_MAX + 1];

    while (!keys->ending) {
        size_t n = keys->n;

        wait_for_questions(keys, fds);
        for (size_t i = n; i > 0; i--) { /* downwards: removing moves the last one only */
            if (fds[i - 1].revents != 0 && !serve(keys, &keys->askers[i - 1]))
                asker_remove(keys, i - 1);
        }
        if (fds[n].revents != 0)
            role_supervisor_ready(keys->start, &events, keys);
        forget_old(keys);
    }
}

int role_keys(struct role_start *start)
{
    bool is_locked = key_memory_init(); /* before OpenSSL is used for anything */
    struct keys_role keys = {.start = start, .ring = key_ring_new()};
    struct err err;

    tls_library_init();
    if (role_confine(start, &err))
        return 1;
    if (!is_locked)
        log_event(LEVEL_WARNING, "keys.unlocked",
                  LOG_STR("why", "RLIMIT_MEMLOCK is too small: keys may reach the swap"));
    for (size_t i = 0; i < start->n_peers; i++)
        on_peer(&keys, &start->peers[i]);
    if (start->n_certs > 0)
        on_certs(&keys, start->certs, start->n_certs);
    run(&keys);
    while (keys.n > 0)
        asker_remove(&keys, keys.n - 1);
    key_ring_free(keys.ring);
    return 0;
}
