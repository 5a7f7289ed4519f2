/*
 * scene.h - a mail store on the local engine, small enough that a few operations fill, pack and
 * recycle its segments, and the operations ("steps") that workloads are made of.
 *
 * Every step that commits writes the new version into the ledger before it hands it to the
 * engine, and when it has become durable takes it down as acknowledged, in the ledger and in
 * the recording that is running. So at any call the ledger knows what may be on disk, and the
 * recording what must be.
 */
#ifndef ROOST_TESTS_CRASH_SCENE_H
#define ROOST_TESTS_CRASH_SCENE_H

#include "ledger.h"
#include "mailbox/mail_store.h"
#include "recording.h"
#include "store/local/local.h"

#define SCENE_PATH_BYTES 256u

/* The store lies in this folder below the one that is recorded, so that its own name is at
 * stake too. */
#define SCENE_STORE_NAME "store"

struct scene {
    char path[SCENE_PATH_BYTES]; /* of the store */
    struct ledger *ledger;
    struct recording *recording; /* NULL: none is running */
    bool is_pipelined;           /* commit on and on, wait at the end */
    bool is_branch;              /* marks say so: see explore.h */
    uint64_t n_made;             /* messages, for their text */

    struct digester digester;
    struct engine *engine;
    struct engine_ops ops; /* the engine's, with start() listened to */
    void (*real_start)(struct engine *engine, const struct engine_events *events);
    struct engine_events events;
    struct mail_store *store;
    struct account *accounts[LEDGER_ACCOUNTS]; /* NULL: absent */
    uint64_t positions[LEDGER_ACCOUNTS];       /* not waited for yet; 0: none */
    size_t versions[LEDGER_ACCOUNTS];          /* at that position */
};

extern const uint64_t scene_account_ids[LEDGER_ACCOUNTS];

enum step {
    STEP_APPEND_SMALL,
    STEP_APPEND_INLINE,
    STEP_APPEND_BIG,   /* most of a segment */
    STEP_APPEND_SPILL, /* more than a segment: a file of its own */
    STEP_MULTIAPPEND,
    STEP_FLAGS,
    STEP_KEYWORD,
    STEP_PRIVATE_FLAGS,
    STEP_EXPUNGE,
    STEP_COPY,
    STEP_MOVE,
    STEP_CREATE,
    STEP_DELETE,
    STEP_RENAME,
    STEP_RENAME_INBOX,
    STEP_SUBSCRIBE,
    STEP_SPECIAL_USE,
    STEP_UIDNEXT,
    STEP_ADOPT,
    STEP_ACL,
    STEP_METADATA,
    STEP_QUOTA,
    STEP_THREADID,
    STEP_PURGE,
    STEP_RESTORE,
    STEP_FORGET,
    STEP_TRANSFER,
    STEP_OTHER_ACCOUNT,
    STEP_NEW_ACCOUNT,
    STEP_REMOVE_ACCOUNT,
    STEP_CHECKPOINT,
    STEP_SETTLE, /* let packer and keeper finish */
    STEP_RESTART,
};
#define STEP_COUNT (STEP_RESTART + 1)

const char *step_name(enum step step);

/* Everything below starts as zeros but path, ledger, recording. */
MUST_CHECK enum rc scene_open(struct scene *scene, struct err *err);
/* A clean stop. */
void scene_close(struct scene *scene);

/* An account as text, from what the store gives back; LEDGER_ABSENT if it is not there. */
MUST_CHECK enum rc scene_print(struct scene *scene, size_t account, struct buf *out,
                               uint32_t *out_uidvalidity, struct err *err);
/* Begin the ledger with what is there. */
MUST_CHECK enum rc scene_begin_ledger(struct scene *scene, struct err *err);

/* RC_OK also where the step finds nothing to do. Others: it was refused, nothing was done. */
MUST_CHECK enum rc scene_step(struct scene *scene, enum step step, struct err *err);
/* Append these bytes to the account's INBOX. */
MUST_CHECK enum rc scene_append(struct scene *scene, size_t account, struct slice bytes,
                                struct err *err);
/* Wait for all that was committed. */
void scene_wait(struct scene *scene);

/* Make the store every workload starts from, below path. */
void scene_make_store(const char *path, struct ledger *ledger);

#endif
