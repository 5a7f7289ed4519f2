/*
 * ledger.h - what was done to the accounts of a store, version by version, and how much of it
 * was acknowledged: the truth that a recovered store is held against.
 *
 * A version is an account written out as text, all of it: every mailbox, message, flag, number
 * and the checksum of every body. An account is a prefix (docs/formats/engine.md), so what is
 * found after a cut must be the text of one version, and none before the last acknowledged.
 * Equal text makes the promises one check: nothing missing, nothing by half, no uid or modseq
 * that went back.
 *
 * A ledger lies in shared memory: the parent of a process that died reads it.
 */
#ifndef ROOST_TESTS_CRASH_LEDGER_H
#define ROOST_TESTS_CRASH_LEDGER_H

#include "account/state.h"
#include "store/engine.h"

#define LEDGER_ACCOUNTS     3u
#define LEDGER_VERSIONS_MAX 64u
#define LEDGER_BODIES_MAX   256u
#define LEDGER_TEXT_BYTES   ((size_t) 64 << 20) /* touched only as far as it is used */
#define LEDGER_ABSENT       SLICE("no such account\n")

struct ledger_version {
    uint64_t hash;
    size_t text, len;     /* where in the ledger's text */
    uint32_t uidvalidity; /* greatest in it */
};

struct ledger_account {
    uint64_t id;
    size_t n_versions; /* version 0: before the workload */
    struct ledger_version versions[LEDGER_VERSIONS_MAX];
    size_t acknowledged; /* version */
    bool is_being_made;  /* a version may exist that is not here yet: without messages */
};

/* The checksum of a body that was handed in. Later ones with the same id count. */
struct ledger_body {
    uint64_t account, body_id, length, hash;
};

/* Shared by the ledgers that are branched off each other; grows only. */
struct ledger_text {
    size_t len;
    char bytes[LEDGER_TEXT_BYTES];
};

struct ledger {
    struct ledger_account accounts[LEDGER_ACCOUNTS];
    struct ledger_body bodies[LEDGER_BODIES_MAX];
    size_t n_bodies;
    bool is_begun; /* holds all that the store held at first */
    struct ledger_text *text;
};

struct ledger *ledger_new(void);
void ledger_free(struct ledger *ledger);
/* Empty, its text too. */
void ledger_reset(struct ledger *ledger);

void ledger_note_body(struct ledger *ledger, uint64_t account, uint64_t body_id,
                      struct slice bytes);
/* A new version of the account; its number. */
size_t ledger_add(struct ledger *ledger, size_t account, struct slice text,
                  uint32_t uidvalidity);
/* The greatest version >= least with this text; false if there is none. */
bool ledger_find(const struct ledger *ledger, size_t account, size_t least, struct slice text,
                 size_t *out);
struct slice ledger_text_of(const struct ledger *ledger, size_t account, size_t version);
/* Forget the versions after this one: another future begins. */
void ledger_cut(struct ledger *ledger, size_t account, size_t version);

/*
 * A version of an account as text; all its mailboxes are loaded. With a ledger, checksums of
 * bodies come from it (they may not be durable yet); with NULL they are read from the engine.
 */
MUST_CHECK enum rc ledger_print(const struct acct_state *state, struct engine *engine,
                                const struct ledger *ledger, struct buf *out,
                                uint32_t *out_uidvalidity, struct err *err);

#endif
