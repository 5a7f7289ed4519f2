/*
 * principals.h - who there is: users, ownerless shared accounts and groups, as auth told it.
 *
 * A snapshot (struct principals) is counted and immutable: a command takes one and asks it
 * everything. The registry holds the newest. A new snapshot shares with the one before all that
 * did not change, so a change of one user copies a few thousand pointers, not everybody.
 *
 * Users and shared accounts share one name space and groups have another; ids are one space,
 * random and never used again, so an id that a snapshot does not know is somebody who is gone.
 *
 * A name is looked up by its key (auth/name.h: auth_name_key). principals_find_group() and
 * principals_find_account() take a name as somebody wrote it and make the key themselves.
 *
 * Memory: what a lookup returns lives as long as the snapshot is held.
 */
#ifndef ROOST_MAILBOX_PRINCIPALS_H
#define ROOST_MAILBOX_PRINCIPALS_H

#include "base/list.h"
#include "mailbox/quota.h"

/* Groups an account is in at most; auth refuses more. */
#define PRINCIPAL_GROUPS_MAX 256u

enum principal_kind { PRINCIPAL_USER = 1, PRINCIPAL_SHARED = 2, PRINCIPAL_GROUP = 3 };

struct principal {
    uint64_t id; /* of users and shared accounts: the account's */
    enum principal_kind kind;
    struct slice name;          /* NFC, as it was given */
    struct slice key;           /* what names are compared by */
    struct quota_limits limits; /* of a group: what it gives each member */
};

struct principals;
struct principal_registry;

/* ---- reading ---- */

struct principals *principals_ref(const struct principals *principals);
void principals_unref(struct principals *principals); /* NULL is allowed */
void principals_unrefp(struct principals **principals);

/* NULL: there is nobody of that id. */
const struct principal *principals_by_id(const struct principals *principals, uint64_t id);
/* Exactly this kind; NULL: there is none. */
const struct principal *principals_by_name(const struct principals *principals,
                                           enum principal_kind kind, struct slice key);
/* name as somebody wrote it: a group's, or an account's (a user's or a shared one's). NULL also
 * for what is no name. */
const struct principal *principals_find_group(const struct principals *principals,
                                              struct slice name);
const struct principal *principals_find_account(const struct principals *principals,
                                                struct slice name);

/* Ids of the groups an account is in, ascending; NULL and 0: none, or no such account. */
const uint64_t *principals_groups_of(const struct principals *principals, uint64_t account,
                                     size_t *out_n);
bool principals_is_member(const struct principals *principals, uint64_t account,
                          uint64_t group);

size_t principals_count(const struct principals *principals);
/* Walk everybody in no order: struct principals_at at = {0}; until NULL. */
struct principals_at {
    size_t shard, slot;
};
const struct principal *principals_next(const struct principals *principals,
                                        struct principals_at *at);

/* Another one for each snapshot of a registry, rising; the empty one it begins with has 0. */
uint64_t principals_epoch(const struct principals *principals);

/* ---- the registry ---- */

struct principal_registry *principal_registry_new(void);
void principal_registry_free(struct principal_registry *registry);
void principal_registry_freep(struct principal_registry **registry);

/* The newest snapshot; the caller owns a reference. Any thread. */
struct principals *principal_registry_current(struct principal_registry *registry);
/* Its epoch, without taking it: one atomic read. */
uint64_t principal_registry_epoch(const struct principal_registry *registry);

/*
 * wake is called after each new snapshot, from the writer's thread, under the watch lock: it
 * may set a flag and post an event, nothing else. So principal_registry_unwatch is a barrier.
 */
struct principals_watcher {
    struct link link;
    void (*wake)(struct principals_watcher *watcher);
};
void principal_registry_watch(struct principal_registry *registry,
                              struct principals_watcher *watcher);
void principal_registry_unwatch(struct principal_registry *registry,
                                struct principals_watcher *watcher);

/* ---- the writer: one at a time ---- */

struct principals_change;

/* Starts from the newest snapshot; or, whole, from nobody. */
struct principals_change *principals_change_begin(struct principal_registry *registry,
                                                  bool whole);
/*
 * New, or in place of what that id was; everything is copied. Who had that name until now is
 * gone. groups: ascending, at most PRINCIPAL_GROUPS_MAX; none for a group.
 */
void principals_put(struct principals_change *change, const struct principal *principal,
                    const uint64_t *groups, size_t n_groups);
/* An unknown id is fine. Members of a group leave it: everybody is looked at. */
void principals_remove(struct principals_change *change, uint64_t id);
/* The newest snapshot from now on; takes the change. Wakes the watchers. */
void principals_publish(struct principals_change **change);
/* For AUTO: forgets what was not published. */
void principals_change_abortp(struct principals_change **change);

#endif
