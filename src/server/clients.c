#include "server/clients.h"

#include <pthread.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/map.h"

/* Of a user, or of a device. */
struct holder {
    uint32_t n;
    int64_t made_room_us; /* when one of them last gave way */
};

struct clients {
    struct clients_options options;
    pthread_mutex_t lock;
    struct map *users;   /* lock; account -> struct holder */
    struct map *devices; /* lock; device -> struct holder */
    size_t n;            /* lock */
    struct turns *turns;
    struct principals_watcher people;
};

/* Who was in a group may be in it no longer. */
static bool wake_guest(void *member, void *ctx)
{
    struct client *client = member;

    (void) ctx;
    return atomic_load(&client->is_guest);
}

static void on_people(struct principals_watcher *watcher)
{
    struct clients *clients = LINK_OWNER(watcher, struct clients, people);

    pool_each(clients->options.pool, client_run, wake_guest, NULL);
}

static void wake_for_turn(void *ctx, uint64_t handle)
{
    const struct clients *clients = ctx;

    pool_wake(clients->options.pool, handle);
}

struct clients *clients_new(const struct clients_options *options)
{
    struct clients *clients = xcalloc(1, sizeof(*clients));

    clients->options = *options;
    (void) pthread_mutex_init(&clients->lock, NULL);
    clients->users = map_new();
    clients->devices = map_new();
    clients->turns = turns_new(MAX(options->turns, 1u), wake_for_turn, clients);
    clients->people.wake = on_people;
    principal_registry_watch(mail_store_principal_registry(options->store), &clients->people);
    return clients;
}

void clients_free(struct clients *clients)
{
    if (clients == NULL)
        return;
    principal_registry_unwatch(mail_store_principal_registry(clients->options.store),
                               &clients->people);
    map_free(clients->users);
    map_free(clients->devices);
    turns_free(clients->turns);
    (void) pthread_mutex_destroy(&clients->lock);
    free(clients);
}

const struct clients_options *clients_options(const struct clients *clients)
{
    return &clients->options;
}

struct turns *clients_turns(const struct clients *clients)
{
    return clients->turns;
}

size_t clients_count(struct clients *clients)
{
    size_t n;

    (void) pthread_mutex_lock(&clients->lock);
    n = clients->n;
    (void) pthread_mutex_unlock(&clients->lock);
    return n;
}

/* ---- the limits a user and a device ---- */

struct room_search {
    uint64_t account, device; /* device 0: any of the account's */
    int64_t idle_before_us;
    bool found;
};

/* The first one that is idle for long, and not in IDLE, is told to go. */
static bool give_way(void *member, void *ctx)
{
    struct client *client = member;
    struct room_search *search = ctx;

    if (search->found || client->who.account != search->account ||
        (search->device != 0 && client->who.device != search->device) ||
        atomic_load(&client->idles) ||
        atomic_load(&client->last_active_us) > search->idle_before_us)
        return false;
    search->found = true;
    (void) atomic_fetch_or(&client->orders, ORDER_MAKE_ROOM);
    return true;
}

static bool make_room(struct clients *clients, struct holder *holder, uint64_t account,
                      uint64_t device)
{
    int64_t now = clock_mono_us();
    struct room_search search = {
        .account = account, .device = device, .idle_before_us = now - MAKE_ROOM_US};

    if (holder->made_room_us != 0 && now - holder->made_room_us < MAKE_ROOM_GAP_US)
        return false;
    pool_each(clients->options.pool, client_run, give_way, &search);
    if (search.found)
        holder->made_room_us = now;
    return search.found;
}

/* NULL: it has none yet. */
static struct holder *find_holder(const struct map *map, uint64_t id)
{
    return id != 0 ? map_get(map, MAP_KEY(id)) : NULL;
}

static void count_up(struct map *map, uint64_t id)
{
    struct holder *holder = find_holder(map, id);

    if (id == 0)
        return;
    if (holder == NULL) {
        holder = xcalloc(1, sizeof(*holder));
        (void) map_put(map, MAP_KEY(id), holder);
    }
    holder->n++;
}

static void count_down(struct map *map, uint64_t id)
{
    struct holder *holder = find_holder(map, id);

    if (holder == NULL || --holder->n > 0)
        return;
    (void) map_remove(map, MAP_KEY(id));
    free(holder);
}

/* With the lock held. */
static enum rc find_room(struct clients *clients, uint64_t account, uint64_t device,
                         struct err *err)
{
    struct holder *of_user = find_holder(clients->users, account);
    struct holder *of_device = find_holder(clients->devices, device);

    if (of_device != NULL && clients->options.per_device != 0 &&
        of_device->n >= clients->options.per_device &&
        !make_room(clients, of_device, account, device))
        return err_set(err, RC_LIMIT, "Too many connections of this device; close some",
                       "%u connections of one device", of_device->n);
    if (of_user != NULL && of_user->n >= clients->options.per_user &&
        !make_room(clients, of_user, account, 0))
        return err_set(err, RC_LIMIT, "Too many connections of this user; close some",
                       "%u connections of one account", of_user->n);
    return RC_OK;
}

enum rc clients_enter(struct clients *clients, uint64_t account, uint64_t device,
                      struct err *err)
{
    enum rc rc;

    (void) pthread_mutex_lock(&clients->lock);
    rc = find_room(clients, account, device, err);
    if (rc == RC_OK) {
        count_up(clients->users, account);
        count_up(clients->devices, device);
        clients->n++;
    }
    (void) pthread_mutex_unlock(&clients->lock);
    return rc;
}

void clients_leave(struct clients *clients, uint64_t account, uint64_t device)
{
    (void) pthread_mutex_lock(&clients->lock);
    clients->n--;
    count_down(clients->users, account);
    count_down(clients->devices, device);
    (void) pthread_mutex_unlock(&clients->lock);
}

/* ---- time ---- */

struct sweep {
    int64_t now_us;
};

/*
 * A client whose peer does not read is not run before it reads again, so it takes no order: a
 * wake is an event "may write", which does not come. Where an order to end was not taken from
 * one sweep to the next, the connection is cut; that is an event in any case.
 */
static void cut_if_deaf(struct client *client)
{
    unsigned orders = atomic_load(&client->orders);

    if ((orders & ORDERS_TO_END) == 0)
        return;
    if ((orders & ORDER_LATE) != 0)
        (void) shutdown(client->stream.fd, SHUT_RDWR); /* it may be cut already */
    else
        (void) atomic_fetch_or(&client->orders, ORDER_LATE);
}

static bool sweep_one(void *member, void *ctx)
{
    struct client *client = member;
    const struct sweep *sweep = ctx;
    int64_t quiet_us = sweep->now_us - atomic_load(&client->last_active_us);
    int64_t ending_us = atomic_load(&client->ending_us);
    unsigned order = 0;

    if (ending_us != 0)
        order = sweep->now_us - ending_us > ENDING_US ? ORDER_TIMEOUT : 0;
    else if (atomic_load(&client->idles))
        order = quiet_us > STILL_HERE_US ? ORDER_ALIVE : 0;
    else if (quiet_us > AUTOLOGOUT_US)
        order = ORDER_TIMEOUT;
    if (order == 0 && quiet_us > REST_US && atomic_load(&client->can_rest))
        order = ORDER_REST;
    cut_if_deaf(client);
    if (order != 0)
        (void) atomic_fetch_or(&client->orders, order);
    return order != 0;
}

void clients_sweep(struct clients *clients)
{
    struct sweep sweep = {.now_us = clock_mono_us()};

    pool_each(clients->options.pool, client_run, sweep_one, &sweep);
}

struct expiry {
    int64_t now_sec, next_sec;
};

/* Who is ending already is left to the sweep, which sees that it ends. */
static bool expire_one(void *member, void *ctx)
{
    struct client *client = member;
    struct expiry *expiry = ctx;
    int64_t at_sec = client->who.expires_sec;

    if (at_sec == 0 || atomic_load(&client->ending_us) != 0)
        return false;
    if (at_sec > expiry->now_sec) {
        if (expiry->next_sec == 0 || at_sec < expiry->next_sec)
            expiry->next_sec = at_sec;
        return false;
    }
    (void) atomic_fetch_or(&client->orders, ORDER_REVOKED);
    return true;
}

int64_t clients_end_expired(struct clients *clients)
{
    struct expiry expiry = {.now_sec = clock_wall_sec()};

    pool_each(clients->options.pool, client_run, expire_one, &expiry);
    return expiry.next_sec;
}

/* ---- ending and listing ---- */

struct ending {
    uint64_t account, device, before_epoch, watch, number;
    unsigned order;
    size_t n;
};

static bool end_one(void *member, void *ctx)
{
    struct client *client = member;
    struct ending *ending = ctx;

    if ((ending->account != 0 && client->who.account != ending->account) ||
        (ending->device != 0 && client->who.device != ending->device) ||
        (ending->before_epoch != 0 && client->who.policy_epoch >= ending->before_epoch) ||
        (ending->watch != 0 && client->who.watch != ending->watch) ||
        (ending->number != 0 && client->handle != ending->number))
        return false;
    (void) atomic_fetch_or(&client->orders, ending->order);
    ending->n++;
    return true;
}

size_t clients_end(struct clients *clients, uint64_t account, uint64_t device,
                   uint64_t before_epoch, unsigned order)
{
    struct ending ending = {
        .account = account, .device = device, .before_epoch = before_epoch, .order = order};

    pool_each(clients->options.pool, client_run, end_one, &ending);
    return ending.n;
}

size_t clients_end_watched(struct clients *clients, uint64_t watch, unsigned order)
{
    struct ending ending = {.watch = watch, .order = order};

    pool_each(clients->options.pool, client_run, end_one, &ending);
    return ending.n;
}

bool clients_kick(struct clients *clients, uint64_t number)
{
    struct ending ending = {.number = number, .order = ORDER_KICKED};

    pool_each(clients->options.pool, client_run, end_one, &ending);
    return ending.n > 0;
}

struct one_session {
    uint32_t gate;
    uint64_t conn, verdict;
    unsigned order;
    bool found;
};

static bool end_session(void *member, void *ctx)
{
    struct client *client = member;
    struct one_session *session = ctx;

    if (client->who.gate != session->gate || client->who.conn != session->conn ||
        client->who.verdict != session->verdict)
        return false;
    (void) atomic_fetch_or(&client->orders, session->order);
    session->found = true;
    return true;
}

bool clients_end_one(struct clients *clients, uint32_t gate, uint64_t conn, uint64_t verdict,
                     unsigned order)
{
    struct one_session session = {
        .gate = gate, .conn = conn, .verdict = verdict, .order = order};

    pool_each(clients->options.pool, client_run, end_session, &session);
    return session.found;
}

struct listing {
    void (*fn)(void *ctx, const struct client_row *row);
    void *ctx;
};

static bool list_one(void *member, void *ctx)
{
    struct client *client = member;
    const struct listing *listing = ctx;
    struct client_row row = {.number = client->handle,
                             .who = &client->who,
                             .started_us = client->started_us,
                             .last_active_us = atomic_load(&client->last_active_us),
                             .idles = atomic_load(&client->idles)};

    listing->fn(listing->ctx, &row);
    return false;
}

void clients_list(struct clients *clients, void (*fn)(void *ctx, const struct client_row *row),
                  void *ctx)
{
    struct listing listing = {fn, ctx};

    pool_each(clients->options.pool, client_run, list_one, &listing);
}
