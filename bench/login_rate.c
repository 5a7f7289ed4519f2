/*
 * login_rate.c - G39: how many app passwords a core checks in a second, counted by CPU time.
 *
 *     login_rate [CHECKS [USERS]]
 *
 * A check is what auth does between the client's message and its decision: the mechanism PLAIN
 * reads it, the name is looked up, the secret is read, hashed with the pepper and looked up
 * among the account's devices, in a database of USERS users with four devices each. Messages
 * between processes and the line of the log come on top (login_time shows the whole role).
 */
#include <dirent.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "auth/admin.h"
#include "auth/login.h"

#define CHECKS_DEFAULT 400000u
#define USERS_DEFAULT  10000u
#define USERS_AT_ONCE  1000u /* in one transaction of making them */
#define DEVICES_EACH   4u
#define GOAL_PER_SEC   50000.0
#define MESSAGE_MAX    512u
#define STEP           7919u /* the users are met in an order that is none of the tree's */

struct user {
    char name[32];
    char password[APP_PASSWORD_SHOWN_BYTES];
};

struct world {
    char folder[64];
    struct auth_db *db;
    struct realm *realm;
    struct user *users;
    size_t n_users;
};

static double cpu_sec(void)
{
    struct rusage usage;

    (void) getrusage(RUSAGE_SELF, &usage);
    return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void created(void *ctx, uint64_t id, struct slice name)
{
    (void) ctx;
    (void) id;
    (void) name;
}

/* The password of the user's last device is the one that is known afterwards. */
static enum rc make_user(struct auth_db *db, struct user *user, size_t number, struct err *err)
{
    struct auth_device device = {
        .name = SLICE("phone"), .scope = SCOPE_IMAP, .access = ACCESS_FULL};
    struct admin_device made;
    enum rc rc;

    (void) snprintf(user->name, sizeof(user->name), "user%07zu", number);
    rc = auth_admin_add_user(db, slice_from_str(user->name), SLICE("first"), &made, err);
    device.account_id = made.account;
    for (unsigned i = 1; rc == RC_OK && i < DEVICES_EACH; i++)
        rc = auth_admin_add_device(db, &device, &made, err);
    memcpy(user->password, made.password, sizeof(user->password));
    return rc;
}

static enum rc make_users(struct world *world, struct err *err)
{
    enum rc rc = RC_OK;

    for (size_t at = 0; rc == RC_OK && at < world->n_users; at += USERS_AT_ONCE) {
        rc = auth_db_begin(world->db, err);
        if (rc)
            return rc;
        for (size_t i = at; rc == RC_OK && i < MIN(at + USERS_AT_ONCE, world->n_users); i++)
            rc = make_user(world->db, &world->users[i], i, err);
        rc = auth_db_end(world->db, rc, err);
    }
    return rc;
}

static void world_make(struct world *world)
{
    static const char *const domains[] = {"*"};
    const struct realm_settings settings = {.domains = domains,
                                            .n_domains = 1,
                                            .catch_all = "",
                                            .detail_separator = "+",
                                            .passwd_file = ""};
    struct err err;

    (void) snprintf(world->folder, sizeof(world->folder), "/tmp/roost-login-rate-XXXXXX");
    world->users = xcalloc(world->n_users, sizeof(*world->users));
    if (mkdtemp(world->folder) == NULL)
        die("%s cannot be made", world->folder);
    if (auth_init(&err) != RC_OK ||
        auth_db_open(world->folder, true, &world->db, &err) != RC_OK)
        die("%s", err.detail);
    auth_db_use_scram(world->db, 0);
    if (make_users(world, &err) != RC_OK ||
        realm_new(world->db, &settings, created, NULL, &world->realm, &err) != RC_OK)
        die("%s", err.detail);
}

static void world_drop(struct world *world)
{
    DIR *dir;
    const struct dirent *entry;

    realm_free(world->realm);
    auth_db_close(world->db);
    dir = opendir(world->folder);
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            (void) unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir != NULL)
        (void) closedir(dir);
    (void) rmdir(world->folder);
    free(world->users);
}

static enum login_reason check(struct world *world, struct arena *arena, const char *name,
                               const char *secret)
{
    static const struct login_place place = {
        .service = SERVICE_IMAP,
        .peer = {.family = IPADDR_V4, .bytes = {192, 0, 2, 1}},
        .now = 1795299661
    };
    AUTO(buf_done) struct buf message = {.max = MESSAGE_MAX}, challenge = {.max = MESSAGE_MAX};
    struct login_outcome outcome;
    struct slice bytes;
    struct sasl sasl;
    struct err err;

    buf_byte(&message, '\0');
    buf_str(&message, name);
    buf_byte(&message, '\0');
    buf_str(&message, secret);
    bytes = buf_slice(&message);
    if (sasl_init(&sasl, SLICE("PLAIN"), &err) != RC_OK ||
        sasl_start(&sasl, &bytes, &challenge, &err) != RC_OK)
        die("%s", err.detail);
    arena_reset(arena);
    login_check(world->realm, &sasl.claim, &place, arena, &outcome, &err);
    sasl_wipe(&sasl);
    return outcome.reason;
}

enum kind { GOOD, WRONG, GARBAGE, UNKNOWN, KINDS };

static double rate_of(struct world *world, enum kind kind, size_t n)
{
    static const enum login_reason due[] = {
        [GOOD] = LOGIN_REASON_NONE,
        [WRONG] = LOGIN_REASON_WRONG_PASSWORD,
        [GARBAGE] = LOGIN_REASON_WRONG_PASSWORD,
        [UNKNOWN] = LOGIN_REASON_UNKNOWN_USER,
    };
    AUTO(arena_freep) struct arena *arena = arena_new(LOGIN_ARENA_BYTES);
    double begun = cpu_sec();

    for (size_t i = 0; i < n; i++) {
        const struct user *user = &world->users[i * STEP % world->n_users];
        const struct user *other = &world->users[(i * STEP + 1) % world->n_users];
        char nobody[sizeof(user->name)];
        const char *name = user->name,
                   *secret = kind == GOOD ? user->password : other->password;

        if (kind == UNKNOWN) {
            memcpy(nobody, name, sizeof(nobody));
            nobody[0] = 'n';
            name = nobody;
        }
        if (check(world, arena, name, kind == GARBAGE ? "password1" : secret) != due[kind])
            die("check %zu of kind %d has another outcome", i, (int) kind);
    }
    return (double) n / (cpu_sec() - begun);
}

int main(int argc, char **argv)
{
    struct world world = {.n_users = USERS_DEFAULT};
    uint64_t n = CHECKS_DEFAULT, users = USERS_DEFAULT;
    double good;

    if ((argc > 1 && !slice_to_u64(slice_from_str(argv[1]), &n)) ||
        (argc > 2 && !slice_to_u64(slice_from_str(argv[2]), &users)) || n == 0 || users < 2)
        die("usage: login_rate [CHECKS [USERS]]");
    world.n_users = users;
    world_make(&world);
    (void) rate_of(&world, GOOD, n / 10 + 1); /* pages and statements */
    good = rate_of(&world, GOOD, n);
    printf(
        "G39 app passwords checked: %.0f/s a core (wrong ones %.0f, what cannot be one %.0f, "
        "of nobody %.0f; %zu users); goal >= %.0f: %s\n",
        good, rate_of(&world, WRONG, n), rate_of(&world, GARBAGE, n),
        rate_of(&world, UNKNOWN, n), world.n_users, GOAL_PER_SEC,
        good >= GOAL_PER_SEC ? "met" : "missed");
    world_drop(&world);
    return 0;
}
