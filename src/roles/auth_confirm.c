/*
 * auth_confirm.c - step-up: a login whose credential was right, but whose device its user has
 * not confirmed from that network (docs/decisions/policy.md).
 *
 * A mail program has nobody to ask for a code, so the login is refused with words that tell
 * what to do, and remembered as waiting. The user confirms it where codes can be asked for: on
 * the web page or by `roost device confirm`; or an administrator vouches for it. From then on
 * the device comes in from that network for policy_confirm_days. What waits is kept in memory
 * alone: the mail program tries again anyway.
 */
#include "base/clock.h"
#include "base/log.h"
#include "ipc/control.h"
#include "roles/auth_role.h"

#define DAY_SEC    ((int64_t) 86400)
#define HTTPS_PORT "443"

struct auth_waiting {
    struct link link; /* in auth->policy.waiting */
    uint64_t account, device;
    struct ipaddr address;
    char network[IPNET_TEXT_MAX_BYTES];
    int64_t since;
};

static void waiting_free(struct auth_role *auth, struct auth_waiting *waiting)
{
    list_remove(&waiting->link);
    auth->policy.n_waiting--;
    free(waiting);
}

void auth_confirm_done(struct auth_role *auth)
{
    LIST_FOREACH(it, &auth->policy.waiting)
    {
        waiting_free(auth, LINK_OWNER(it, struct auth_waiting, link));
    }
}

/* The same again takes the place of the last time; one too many, that of the oldest. */
static void make_room(struct auth_role *auth, const struct auth_waiting *fresh)
{
    struct auth_waiting *oldest = NULL;
    size_t n_each = 0;

    LIST_FOREACH(it, &auth->policy.waiting)
    {
        struct auth_waiting *waiting = LINK_OWNER(it, struct auth_waiting, link);

        if (waiting->account != fresh->account)
            continue;
        if (waiting->device == fresh->device && strcmp(waiting->network, fresh->network) == 0) {
            waiting_free(auth, waiting);
            return;
        }
        oldest = oldest != NULL ? oldest : waiting;
        n_each++;
    }
    if (n_each >= WAITING_EACH_MAX)
        waiting_free(auth, oldest);
    else if (auth->policy.n_waiting >= WAITING_MAX)
        waiting_free(auth,
                     LINK_OWNER(auth->policy.waiting.head.next, struct auth_waiting, link));
}

void auth_confirm_wait(struct auth_role *auth, const struct auth_subject *subject)
{
    struct auth_waiting *waiting = xcalloc(1, sizeof(*waiting));

    waiting->account = subject->account;
    waiting->device = subject->device;
    waiting->address = subject->peer;
    waiting->since = subject->now;
    confirmed_network(&subject->peer, waiting->network);
    make_room(auth, waiting);
    list_push_back(&auth->policy.waiting, &waiting->link);
    auth->policy.n_waiting++;
}

void auth_confirm_each_waiting(struct auth_role *auth, uint64_t account, auth_waiting_fn *fn,
                               void *ctx)
{
    LIST_FOREACH(it, &auth->policy.waiting)
    {
        const struct auth_waiting *waiting = LINK_OWNER(it, struct auth_waiting, link);

        if (waiting->account == account)
            fn(ctx, waiting->device, &waiting->address, waiting->since);
    }
}

const char *auth_confirm_text(const struct auth_role *auth, char room[CONFIRM_TEXT_BYTES])
{
    const struct config *config = auth->start->config;
    const char *name = config->web_name[0] != '\0' ? config->web_name : config->hostname;
    const char *port =
        config->web_listen.n > 0 ? strrchr(config->web_listen.items[0], ':') : NULL;

    if (port == NULL)
        return login_code_text(AUTH_CODE_CONFIRM);
    (void) snprintf(room, CONFIRM_TEXT_BYTES, "Confirm this device first: https://%.255s%s/",
                    name, strcmp(port + 1, HTTPS_PORT) == 0 ? "" : port);
    return room;
}

/* ---- somebody says so ---- */

static void log_confirmed(const char *event, const struct auth_confirming *confirming,
                          const char *network)
{
    log_event(LEVEL_INFO, event, LOG_TEXT("user", confirming->user),
              LOG_NUM("device", confirming->device), LOG_STR("network", network),
              confirming->by_user ? LOG_STR("by", "user")
                                  : LOG_NUM("by_uid", confirming->by_uid));
}

static enum rc confirm_from(struct auth_role *auth, const struct auth_confirming *confirming,
                            const char *network, struct err *err)
{
    int64_t now = clock_wall_sec();
    struct auth_confirmed row = {
        .account = confirming->account,
        .device = confirming->device,
        .until = now + (int64_t) auth->start->config->policy_confirm_days * DAY_SEC,
    };
    enum rc rc;

    memcpy(row.network, network, sizeof(row.network));
    rc = auth_db_confirm(auth->db, &row, now, err);
    if (rc == RC_OK)
        log_confirmed("device.confirmed", confirming, network);
    return rc;
}

/* All networks from which it waits. */
static enum rc confirm_waiting(struct auth_role *auth, const struct auth_confirming *confirming,
                               struct err *err)
{
    enum rc rc = RC_OK;
    size_t n = 0;

    LIST_FOREACH(it, &auth->policy.waiting)
    {
        struct auth_waiting *waiting = LINK_OWNER(it, struct auth_waiting, link);

        if (rc || waiting->account != confirming->account ||
            waiting->device != confirming->device)
            continue;
        rc = confirm_from(auth, confirming, waiting->network, err);
        if (rc == RC_OK)
            waiting_free(auth, waiting);
        n++;
    }
    if (n == 0)
        return err_set(err, RC_NOT_FOUND,
                       "No login of this device waits; say from which address",
                       "confirm: nothing waits");
    return rc;
}

static enum rc check_device(struct auth_role *auth, const struct auth_confirming *confirming,
                            struct err *err)
{
    AUTO(arena_freep) struct arena *arena = NULL;
    struct auth_device device;

    if (confirming->device == 0)
        return RC_OK;
    arena = arena_new(DB_ROW_MAX_BYTES);
    return auth_db_get_device(auth->db, confirming->account, confirming->device, arena, &device,
                              err);
}

/* It need not wait any more. */
static void forget_waiting(struct auth_role *auth, const struct auth_confirming *confirming,
                           const char *network)
{
    LIST_FOREACH(it, &auth->policy.waiting)
    {
        struct auth_waiting *waiting = LINK_OWNER(it, struct auth_waiting, link);

        if (waiting->account == confirming->account && waiting->device == confirming->device &&
            strcmp(waiting->network, network) == 0)
            waiting_free(auth, waiting);
    }
}

enum rc auth_confirm(struct auth_role *auth, const struct auth_confirming *confirming,
                     struct err *err)
{
    char network[IPNET_TEXT_MAX_BYTES];
    struct ipaddr address;
    enum rc rc = check_device(auth, confirming, err);

    if (rc)
        return rc;
    if (confirming->address.len == 0)
        return confirm_waiting(auth, confirming, err);
    if (slice_eq(confirming->address, SLICE("-"))) /* ipaddr_print(): not known from where */
        address = (struct ipaddr){.family = IPADDR_NONE};
    else if (!ipaddr_parse(confirming->address, &address))
        return err_set(err, RC_SYNTAX, "That is not an address", "confirm: address");
    confirmed_network(&address, network);
    rc = confirm_from(auth, confirming, network, err);
    if (rc == RC_OK)
        forget_waiting(auth, confirming, network);
    return rc;
}

/* ---- the administrator's verbs ---- */

static enum rc read_device(struct auth_role *auth, const struct control_conn *conn,
                           const struct control_fields *fields, struct arena *arena,
                           struct auth_confirming *out, struct err *err)
{
    struct auth_account account;
    enum rc rc = auth_account_of(auth, fields, "user", arena, &account, err);

    if (rc)
        return rc;
    *out = (struct auth_confirming){
        .account = account.id, .user = account.name, .by_uid = control_conn_uid(conn)};
    (void) control_field_get(fields, "address", &out->address);
    return control_field_u64(fields, "device", &out->device, err);
}

/* user, device (0: logins without one), address (if not from wherever it waits) */
void auth_device_vouch(struct control_conn *conn, const struct control_fields *fields,
                       void *ctx)
{
    AUTO(arena_freep) struct arena *arena = arena_new(RESOLVE_ARENA_BYTES);
    struct auth_confirming confirming;
    struct err err;
    enum rc rc = read_device(ctx, conn, fields, arena, &confirming, &err);

    if (rc == RC_OK)
        rc = auth_confirm(ctx, &confirming, &err);
    auth_end(conn, rc, &err);
}

/* user, device: what was confirmed of it counts no more, and its sessions are looked at again
 */
void auth_device_forget(struct control_conn *conn, const struct control_fields *fields,
                        void *ctx)
{
    AUTO(arena_freep) struct arena *arena = arena_new(RESOLVE_ARENA_BYTES);
    struct auth_role *auth = ctx;
    struct auth_confirming confirming;
    struct err err;
    enum rc rc = read_device(auth, conn, fields, arena, &confirming, &err);

    if (rc == RC_OK)
        rc = auth_db_forget_confirmed(auth->db, confirming.account, confirming.device, &err);
    if (rc == RC_OK) {
        log_confirmed("device.forgotten", &confirming, "all");
        auth_policy_review(auth, confirming.account);
    }
    auth_end(conn, rc, &err);
}

static void network_row(struct control_conn *conn, uint64_t device, const char *network,
                        struct slice state, int64_t when)
{
    char id[AUTH_NUMBER_BYTES], time_text[AUTH_NUMBER_BYTES];
    const struct control_field row[] = {
        CONTROL_TEXT("device", auth_number(id, (int64_t) device)),
        CONTROL_TEXT("network", slice_from_str(network)),
        CONTROL_TEXT("state", state),
        CONTROL_TEXT("when", auth_number(time_text, when)),
    };

    control_row(conn, row, COUNT(row));
}

/* An auth_waiting_fn. */
static void waiting_row(void *ctx, uint64_t device, const struct ipaddr *address, int64_t since)
{
    char network[IPNET_TEXT_MAX_BYTES];

    confirmed_network(address, network);
    network_row(ctx, device, network, SLICE("waits since"), since);
}

/* An auth_confirmed_fn. */
static bool confirmed_row(void *ctx, const struct auth_confirmed *confirmed)
{
    network_row(ctx, confirmed->device, confirmed->network, SLICE("confirmed until"),
                confirmed->until);
    return true; /* an account has at most CONFIRMED_PER_ACCOUNT_MAX */
}

/* user -> device, network, state, when */
void auth_device_networks(struct control_conn *conn, const struct control_fields *fields,
                          void *ctx)
{
    AUTO(arena_freep) struct arena *arena = arena_new(RESOLVE_ARENA_BYTES);
    struct auth_role *auth = ctx;
    struct auth_account account;
    struct err err;
    enum rc rc = auth_account_of(auth, fields, "user", arena, &account, &err);

    if (rc == RC_OK) {
        auth_confirm_each_waiting(auth, account.id, waiting_row, conn);
        rc = auth_db_each_confirmed(auth->db, account.id, clock_wall_sec(), confirmed_row, conn,
                                    &err);
    }
    auth_end(conn, rc, &err);
}
