/*
 * mail_world.h - a mail store on an engine of the test's choice, with a digester of its own and
 * short words for what tests do to an account.
 */
#ifndef ROOST_TESTS_MAIL_WORLD_H
#define ROOST_TESTS_MAIL_WORLD_H

#include "mailbox/mail_store.h"
#include "mailbox/txn.h"
#include "mailbox/view.h"
#include "store/local/local.h"
#include "store/memory/memory_engine.h"

struct mail_world {
    struct digester digester;
    struct memory_disk *disk; /* memory engines; outlives them */
    char path[64];            /* local engine: its folder; else empty */
    size_t memory_bytes;      /* the store's budget; 0: the product's */
    struct quota_settings quota;
    struct engine *engine;
    struct mail_store *store;
};

/* A store on the memory engine. options->disk is ignored: the world has one. */
void world_open_memory(struct mail_world *world, const struct memory_engine_options *options);
/* A store in a folder of its own. options->path is ignored; zeroes are small defaults. */
void world_open_local(struct mail_world *world, const struct local_options *options);
/* A store on an engine that is open. */
void world_adopt(struct mail_world *world, struct engine *engine);
/* Close the store, keep the disk; world_open_* opens it again. */
void world_close(struct mail_world *world);
/* Close, and remove the disk. */
void world_done(struct mail_world *world);

/* The account, made if it is new; fails the test. */
struct account *world_account(struct mail_world *world, uint64_t id);
/* A transaction of the account's owner. */
struct mail_txn *world_begin(struct account *account);
/* Commit; the position. Fails the test. */
uint64_t world_commit(struct mail_txn **txn);
/* A staged body that says text. */
struct body_stage *world_stage(struct account *account, const char *text);
/* One message in a transaction of its own; its uid. */
uint32_t world_append(struct account *account, const char *mailbox, const char *text,
                      uint64_t *out_position);
uint32_t world_mailbox_id(struct account *account, const char *name, uint64_t own_position);
/* +FLAGS or -FLAGS on one message; the position. */
uint64_t world_flag(struct account *account, uint32_t mbox_id, uint32_t uid, enum flag_op op,
                    uint8_t flags);
/* Expunge these uids whatever their flags; the position. */
uint64_t world_expunge(struct account *account, uint32_t mbox_id, uint32_t first,
                       uint32_t last);

#endif
