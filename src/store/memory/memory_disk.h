/* memory_disk.h - what a memory engine keeps; for the files of this folder only. */
#ifndef ROOST_STORE_MEMORY_DISK_H
#define ROOST_STORE_MEMORY_DISK_H

#include <pthread.h>

#include "base/map.h"
#include "store/engine.h"

/* A stored body; counted, so that one that is open outlives its removal. */
struct body {
    uint32_t refs; /* under the disk's lock */
    struct memory_disk *disk;
    uint64_t position; /* of its group */
    struct slice bytes;
    uint32_t digest_version;
    struct slice digest; /* ptr NULL: none */
    struct slice digest_text;
};

struct memory_group {
    uint64_t position;
    struct slice records;
};

/* A derived blob; counted as a body is. */
struct derived {
    uint32_t refs; /* under the disk's lock */
    struct memory_disk *disk;
    struct derived_name name;
    struct slice bytes;
};

struct memory_account {
    struct memory_disk *disk;
    uint64_t id;
    uint64_t position, durable;  /* of the newest group; of the newest that is durable */
    struct memory_group *groups; /* those behind root_position */
    size_t n_groups;
    struct slice root;
    uint64_t root_position;
    struct map *pages;  /* page number -> struct slice on the heap */
    struct map *bodies; /* body id -> struct body */
    struct derived **derived;
    size_t n_derived;
};

struct memory_disk {
    pthread_mutex_t lock; /* over everything below, and over the engine that uses the disk */
    struct map *accounts; /* id -> struct memory_account */
    uint32_t uidvalidity; /* greatest ever given */
};

/* A copy on the heap; ptr is never NULL. */
struct slice heap_dup(struct slice s);
void heap_free(struct slice s);

/* All with the lock held. */
struct memory_account *disk_account(struct memory_disk *disk, uint64_t id);
/* Makes it if it is missing. */
struct memory_account *disk_need_account(struct memory_disk *disk, uint64_t id);
void disk_remove_account(struct memory_disk *disk, uint64_t id);
void disk_add_group(struct memory_account *account, uint64_t position, struct slice records);
/* Groups up to this position are covered by the root. */
void disk_cover_groups(struct memory_account *account, uint64_t position);
void disk_body_unref(struct body *body);
/* Bodies below `below` that are not among the n ids go; how many of the ids are not there. */
uint64_t disk_keep_bodies(struct memory_account *account, const uint64_t *ids, size_t n,
                          uint64_t below);
/* The blob's place among the account's, or n_derived. */
size_t disk_find_derived(const struct memory_account *account, const struct derived_name *name);
/* Takes the blob over; one of the same name goes. */
void disk_put_derived(struct memory_account *account, struct derived *derived);
void disk_drop_derived(struct memory_account *account, const struct derived_name *name);
void disk_derived_unref(struct derived *derived);
/* Forget groups and bodies that are not durable. */
void disk_cut(struct memory_disk *disk);

#endif
