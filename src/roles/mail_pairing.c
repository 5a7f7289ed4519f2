/*
 * mail_pairing.c - a grant and a handover become a session (docs/formats/ipc.md, "Gate and
 * mail").
 *
 * The grant comes from auth and says who; the handover comes from a gate and says where. They
 * belong together if the gate's instance (as this process knows it by its socket), the
 * connection and the nonce agree; each pairs once, within ten seconds, whichever comes first.
 * So a gate can neither name a user nor use a grant twice.
 */
#include <unistd.h>

#include "auth/name.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "imap/language.h"
#include "imap/print.h"
#include "roles/mail_role.h"
#include "roles/moved.h"

#define PAIR_ARENA_BYTES ((size_t) 256 << 10)
#define PAIR_KEY_BYTES   (4 + 8 + MSG_NONCE_BYTES)

struct pair {
    struct link link; /* in pairs_by_age */
    char key[PAIR_KEY_BYTES];
    int64_t came_us;
    struct arena *arena; /* texts of whichever half is here */
    bool has_grant;
    struct msg_grant grant;
    struct msg_handover handover; /* !has_grant */
    int fd;                       /* !has_grant */
};

static void make_key(uint32_t gate, uint64_t conn, const uint8_t nonce[MSG_NONCE_BYTES],
                     char out[PAIR_KEY_BYTES])
{
    memcpy(out, &gate, 4);
    memcpy(out + 4, &conn, 8);
    memcpy(out + 12, nonce, MSG_NONCE_BYTES);
}

static void pair_free(struct mail_role *mail, struct pair *pair)
{
    (void) map_remove(mail->pairs, slice_of(pair->key, PAIR_KEY_BYTES));
    list_remove(&pair->link);
    closep(&pair->fd);
    arena_free(pair->arena);
    free(pair);
}

static struct pair *pair_new(struct mail_role *mail, const char key[PAIR_KEY_BYTES])
{
    struct pair *pair;

    if (map_count(mail->pairs) >= PAIRS_MAX)
        return NULL;
    pair = xcalloc(1, sizeof(*pair));
    memcpy(pair->key, key, PAIR_KEY_BYTES);
    pair->came_us = clock_mono_us();
    pair->arena = arena_new(PAIR_ARENA_BYTES);
    pair->fd = -1;
    list_push_back(&mail->pairs_by_age, &pair->link);
    (void) map_put(mail->pairs, slice_of(pair->key, PAIR_KEY_BYTES), pair);
    return pair;
}

/* The client gets an answer to its LOGIN, whatever went wrong. */
static void refuse(int fd, const struct msg_handover *handover, const char *code,
                   const char *text)
{
    struct imap_mode mode = {.language = imap_language_of(handover->language)};
    AUTO(buf_done) struct buf line = {0};

    buf_init(&line, MSG_TAG_MAX + 2048);
    buf_append(&line, handover->tag);
    buf_printf(&line, " NO [%s] ", code);
    imap_print_text_line(&line, text, mode);
    buf_str(&line, "* BYE ");
    imap_print_text_line(&line, text, mode);
    (void) !send(fd, line.ptr, line.len, MSG_NOSIGNAL | MSG_DONTWAIT); /* it may be gone */
    (void) close(fd);
}

/* By a credential that is for all mailboxes. A name of the configuration stands for whatever
 * looks like it, as names do (auth/name.h). */
static bool is_quota_admin(const struct config *config, const struct msg_grant *grant)
{
    struct auth_key key, admin;

    if (config->quota_admins.n == 0 || grant->folders.len > 0 || grant->mailboxes.len > 0 ||
        auth_name_key(grant->user, &key, NULL) != RC_OK)
        return false;
    for (size_t i = 0; i < config->quota_admins.n; i++)
        if (auth_name_key(slice_from_str(config->quota_admins.items[i]), &admin, NULL) ==
                RC_OK &&
            slice_eq(auth_key_slice(&admin), auth_key_slice(&key)))
            return true;
    return false;
}

/* Server of a user who is a guest here (RFC 2221 4), or "". */
static const char *home_of(struct arena *arena, const struct config *config, struct slice user)
{
    struct elsewhere moved;

    return moved_user_find(config, user, &moved) ? arena_cstr(arena, moved.server) : "";
}

/* The grant's list, one name a line: shorter, for a name has its length before it there. */
static const char *folder_lines(struct arena *arena, struct slice list)
{
    char *lines = arena_alloc(arena, list.len + 1), *at = lines;
    struct scan sc = scan_of(list);
    struct slice name;

    while (msg_list_next(&sc, &name)) {
        if (name.len > 0)
            memcpy(at, name.ptr, name.len);
        at += name.len;
        *at++ = '\n';
    }
    *at = '\0';
    return lines;
}

static void start_session(struct mail_role *mail, const struct msg_grant *grant,
                          const struct msg_handover *handover, int fd)
{
    AUTO(arena_freep) struct arena *arena = arena_new(PAIR_ARENA_BYTES);
    struct client_handover client = {
        .fd = fd,
        .tag = handover->tag,
        .unread = handover->unread,
        .who = {.account = grant->account,
                .device = grant->device,
                .watch = grant->watch,
                .read_only = (grant->rights & GRANT_WRITE) == 0,
                .sets_quota = is_quota_admin(mail->start->config, grant),
                .policy_epoch = grant->policy_epoch,
                .expires_sec = (int64_t) MIN(grant->expires, (uint64_t) INT64_MAX),
                .peer = handover->peer,
                .tls_version = handover->tls_version,
                .language = imap_language_of(handover->language),
                .proxied = handover->transport == TRANSPORT_PROXIED,
                .gate = grant->gate,
                .conn = handover->conn,
                .user = arena_cstr(arena, grant->user),
                .device_name = arena_cstr(arena, grant->device_name),
                .mechanism = arena_cstr(arena, grant->mechanism),
                .folders = folder_lines(arena, grant->folders),
                .mailboxes = arena_cstr(arena, grant->mailboxes),
                .verdict = grant->verdict,
                .credential = grant->credential,
                .certified = grant->certified,
                .home = home_of(arena, mail->start->config, grant->user),
                .client_id = arena_cstr(arena, handover->client_id)}
    };
    struct err err;
    enum rc rc;

    memcpy(client.who.certificate, grant->certificate, sizeof(client.who.certificate));
    rc = client_start(mail->clients, &client, &err);
    if (rc) {
        log_event(LEVEL_WARNING, "session.refused", LOG_TEXT("user", grant->user),
                  LOG_ERR(&err));
        refuse(fd, handover, rc == RC_LIMIT ? "LIMIT" : "UNAVAILABLE", err.text);
        return;
    }
    mail_expects_end(mail, client.who.expires_sec);
}

void mail_take_grant(struct mail_role *mail, const struct msg_grant *grant)
{
    char key[PAIR_KEY_BYTES];
    struct pair *pair;

    make_key(grant->gate, grant->conn, grant->nonce, key);
    pair = map_get(mail->pairs, slice_of(key, PAIR_KEY_BYTES));
    if (pair != NULL && !pair->has_grant) {
        start_session(mail, grant, &pair->handover, pair->fd);
        pair->fd = -1;
        pair_free(mail, pair);
        return;
    }
    pair = pair != NULL ? NULL : pair_new(mail, key);
    if (pair == NULL) {
        log_event(LEVEL_ERROR, "grant.dropped", LOG_TEXT("user", grant->user));
        return;
    }
    pair->has_grant = true;
    pair->grant = *grant;
    pair->grant.user = arena_dup(pair->arena, grant->user);
    pair->grant.device_name = arena_dup(pair->arena, grant->device_name);
    pair->grant.mechanism = arena_dup(pair->arena, grant->mechanism);
    pair->grant.folders = arena_dup(pair->arena, grant->folders);
    pair->grant.mailboxes = arena_dup(pair->arena, grant->mailboxes);
}

/* An LMTP connection needs no grant: the listener is its right. */
static void start_lmtp(struct mail_role *mail, const struct msg_handover *handover, int fd)
{
    struct err err;

    if (lmtp_start(mail->lmtp, fd, &handover->peer, &err))
        log_event(LEVEL_WARNING, "lmtp.refused", LOG_ERR(&err));
}

static void keep_handover(struct mail_role *mail, const char key[PAIR_KEY_BYTES],
                          const struct msg_handover *handover, int fd)
{
    struct pair *pair = pair_new(mail, key);

    if (pair == NULL) {
        refuse(fd, handover, "UNAVAILABLE", "Too many logins at once; try again");
        return;
    }
    pair->fd = fd;
    pair->handover = *handover;
    pair->handover.tls_cipher = arena_dup(pair->arena, handover->tls_cipher);
    pair->handover.sni = arena_dup(pair->arena, handover->sni);
    pair->handover.tag = arena_dup(pair->arena, handover->tag);
    pair->handover.command = arena_dup(pair->arena, handover->command);
    pair->handover.client_id = arena_dup(pair->arena, handover->client_id);
    pair->handover.language = arena_dup(pair->arena, handover->language);
    pair->handover.unread = arena_dup(pair->arena, handover->unread);
}

void mail_take_handover(struct mail_role *mail, uint32_t gate,
                        const struct msg_handover *handover, int fd)
{
    char key[PAIR_KEY_BYTES];
    struct pair *pair;

    if (handover->service == SERVICE_LMTP && mail->stop_at_us == 0) {
        start_lmtp(mail, handover, fd);
        return;
    }
    if (mail->stop_at_us != 0) { /* it overlapped with the end */
        if (handover->service == SERVICE_IMAP)
            refuse(fd, handover, "UNAVAILABLE", "Server is shutting down");
        else
            (void) close(fd);
        return;
    }
    make_key(gate, handover->conn, handover->nonce, key);
    pair = map_get(mail->pairs, slice_of(key, PAIR_KEY_BYTES));
    if (pair == NULL) {
        keep_handover(mail, key, handover, fd);
    } else if (pair->has_grant) {
        start_session(mail, &pair->grant, handover, fd);
        pair_free(mail, pair);
    } else {
        log_event(LEVEL_ERROR, "handover.twice", LOG_NUM("gate", gate));
        (void) close(fd);
    }
}

/* Auth sends grants and revocations in order over one channel: a grant that came before is here
 * or has become a session. */
void mail_pairs_revoke(struct mail_role *mail, uint64_t account, uint64_t device,
                       uint64_t watch)
{
    LIST_FOREACH(it, &mail->pairs_by_age)
    {
        struct pair *pair = LINK_OWNER(it, struct pair, link);

        if (pair->has_grant && (account == 0 || pair->grant.account == account) &&
            (device == 0 || pair->grant.device == device) &&
            (watch == 0 || pair->grant.watch == watch))
            pair_free(mail, pair);
    }
}

void mail_pairs_each_grant(struct mail_role *mail,
                           void (*fn)(void *ctx, const struct msg_grant *grant), void *ctx)
{
    LIST_FOREACH(it, &mail->pairs_by_age)
    {
        const struct pair *pair = LINK_OWNER(it, struct pair, link);

        if (pair->has_grant)
            fn(ctx, &pair->grant);
    }
}

void mail_pairs_end(struct mail_role *mail, const struct msg_session_end *end)
{
    LIST_FOREACH(it, &mail->pairs_by_age)
    {
        struct pair *pair = LINK_OWNER(it, struct pair, link);

        if (pair->has_grant && pair->grant.gate == end->gate && pair->grant.conn == end->conn &&
            pair->grant.verdict == end->verdict)
            pair_free(mail, pair);
    }
}

void mail_pairs_expire(struct mail_role *mail, bool all)
{
    int64_t before = clock_mono_us() - PAIR_WAIT_US;

    LIST_FOREACH(it, &mail->pairs_by_age)
    {
        struct pair *pair = LINK_OWNER(it, struct pair, link);

        if (!all && pair->came_us > before)
            return;
        if (!pair->has_grant) {
            log_event(LEVEL_WARNING, "handover.unpaired", LOG_NUM("conn", pair->handover.conn));
            refuse(pair->fd, &pair->handover, "UNAVAILABLE",
                   "The login could not be completed");
            pair->fd = -1;
        }
        pair_free(mail, pair);
    }
}
