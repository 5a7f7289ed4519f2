/*
 * auth_uses.c - when and from where each device was last used, written behind: a login waits
 * for no disk, and what is lost with the process is at most USES_FLUSH_US of a display.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "roles/auth_role.h"

/* device 0: the account password was used. */
struct auth_use {
    uint64_t account, device;
    int64_t when;
    uint16_t client_len;
    char client[DEVICE_CLIENT_MAX_BYTES];
    struct ipaddr peer;
};

struct use_key {
    uint64_t account, device;
};

static void on_timer(void *ctx)
{
    auth_uses_flush(ctx);
}

static struct auth_use *use_of(struct auth_role *auth, uint64_t account, uint64_t device)
{
    struct use_key key = {account, device};
    struct auth_use *use = map_get(auth->uses, MAP_KEY(key));

    if (use != NULL)
        return use;
    if (map_count(auth->uses) >= USES_MAX)
        auth_uses_flush(auth);
    use = xcalloc(1, sizeof(*use));
    use->account = account;
    use->device = device;
    (void) map_put(auth->uses, MAP_KEY(key), use);
    return use;
}

void auth_note_use(struct auth_role *auth, uint64_t account, uint64_t device,
                   const struct ipaddr *peer, struct slice client_id)
{
    struct auth_use *use = use_of(auth, account, device);
    struct slice client = utf8_cut(client_id, sizeof(use->client));

    use->when = clock_wall_sec();
    use->peer = *peer;
    if (client.len > 0 && utf8_is_valid(client)) { /* one session may not know it: keep it */
        memcpy(use->client, client.ptr, client.len);
        use->client_len = (uint16_t) client.len;
    }
    if (!timer_is_running(&auth->uses_timer))
        timer_start(auth->loop, &auth->uses_timer, USES_FLUSH_US, on_timer, auth);
}

static enum rc write_use(struct auth_role *auth, const struct auth_use *use, struct err *err)
{
    AUTO(buf_done) struct buf address = {.max = IPADDR_TEXT_BYTES};
    struct auth_device device = {
        .id = use->device,
        .last_used = use->when,
        .last_client = slice_of(use->client, use->client_len),
    };

    if (use->device == 0)
        return auth_db_note_legacy(auth->db, use->account, use->when, err);
    ipaddr_print(&address, &use->peer);
    device.last_address = buf_slice(&address);
    return auth_db_note_use(auth->db, &device, err);
}

static enum rc write_all(struct auth_role *auth, struct err *err)
{
    size_t at = 0;
    struct slice key;
    void *use;
    enum rc rc = auth_db_begin(auth->db, err);

    if (rc)
        return rc;
    while (rc == RC_OK && map_next(auth->uses, &at, &key, &use))
        rc = write_use(auth, use, err);
    return auth_db_end(auth->db, rc, err);
}

static void forget_all(struct auth_role *auth)
{
    struct map *old = auth->uses;
    size_t at = 0;
    struct slice key;
    void *use;

    while (map_next(old, &at, &key, &use))
        free(use);
    map_free(old);
    auth->uses = map_new();
}

void auth_uses_flush(struct auth_role *auth)
{
    struct err err;

    timer_stop(auth->loop, &auth->uses_timer);
    if (map_count(auth->uses) == 0)
        return;
    if (write_all(auth, &err) != RC_OK)
        log_event(LEVEL_WARNING, "auth.last_use_not_written", LOG_ERR(&err));
    forget_all(auth);
}

void auth_uses_done(struct auth_role *auth)
{
    timer_stop(auth->loop, &auth->uses_timer);
    forget_all(auth);
    map_free(auth->uses);
    auth->uses = NULL;
}
