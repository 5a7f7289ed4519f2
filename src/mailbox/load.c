/*
 * load.c - an account from its checkpoint and the journal behind it; new accounts.
 */
#include "base/clock.h"
#include "mailbox/memory.h"
#include "mailbox/open_account.h"
#include "mailbox/open_txn.h"
#include "mailbox/shares.h"

#define LOAD_ARENA_BYTES   ((size_t) 4 << 30) /* pages and tail; bounded by what was stored */
#define RECORD_ARENA_BYTES ((size_t) 64 << 20)
#define LOADED_ROW_BYTES   9u  /* hot columns of a message: until they are measured */
#define READ_TRIES         16u /* checkpoints that may come between */

enum rc account_need(struct account *account, struct acct_state *fork,
                     const struct record *record, struct err *err)
{
    struct engine *engine = account_engine(account);
    void *ctx;
    page_read_fn *read = engine->ops->page_reader(engine, account->id, &ctx);

    return acct_record_load(fork, record, read, ctx, err);
}

enum rc account_need_rows(struct account *account, const struct acct_state *state,
                          const struct mbox *mbox, uint32_t first, uint32_t last,
                          struct err *err)
{
    struct engine *engine = account_engine(account);
    page_read_fn *read;
    void *ctx;

    if (first == last && mbox_has_cold(mbox, first))
        return RC_OK;
    atomic_store(&account->is_touched, true);
    read = engine->ops->page_reader(engine, account->id, &ctx);
    return acct_cold_load(state, mbox, first, last, read, ctx, err);
}

static enum rc apply_group(struct account *account, struct acct_state *fork,
                           const struct tail_group *tail, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(RECORD_ARENA_BYTES);
    struct scan sc = scan_of(tail->records);
    struct record_group group;
    struct record record;
    enum rc rc = record_group_decode(&sc, &group, err);

    if (rc)
        return rc;
    while ((rc = record_decode(&sc, arena, &record, err)) == RC_OK) {
        rc = account_need(account, fork, &record, err);
        if (rc == RC_OK)
            rc = acct_check(fork, &record, err);
        if (rc)
            return rc;
        acct_apply(fork, &group, &record);
        arena_reset(arena);
    }
    if (rc != RC_MORE)
        return rc;
    acct_set_position(fork, tail->position);
    return RC_OK;
}

static enum rc open_pages(struct account *account, const struct account_image *image,
                          struct acct_state **out, struct err *err)
{
    struct engine *engine = account_engine(account);
    void *ctx;
    page_read_fn *read = engine->ops->page_reader(engine, account->id, &ctx);

    if (image->root.len == 0) {
        *out = acct_state_new(account->id);
        return RC_OK;
    }
    return acct_pages_open(account->id, image->root, image->root_position, read, ctx, out, err);
}

/* What the checkpoint shows, and the newest version. */
static enum rc build_image(struct account *account, const struct account_image *image,
                           struct acct_state **out_stored, struct acct_state **out,
                           struct err *err)
{
    AUTO(acct_unrefp) struct acct_state *stored = NULL;
    AUTO(acct_unrefp) struct acct_state *fork = NULL;
    enum rc rc = open_pages(account, image, &stored, err);

    if (rc)
        return rc;
    fork = acct_fork(stored);
    acct_set_position(fork, image->root_position);
    for (size_t i = 0; i < image->n_tail; i++) {
        rc = apply_group(account, fork, &image->tail[i], err);
        if (rc)
            return rc;
    }
    *out_stored = image->root.len > 0 ? TAKE(stored) : NULL;
    *out = TAKE(fork);
    return RC_OK;
}

/*
 * The account as the engine has it. Between the root and the pages that it lists a checkpoint
 * may come, which drops pages: then there is another root, and all is read again. A page that
 * the newest root lists and that is not there is damage.
 */
static enum rc build(struct account *account, struct acct_state **out_stored,
                     struct acct_state **out, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(LOAD_ARENA_BYTES);
    struct engine *engine = account_engine(account);
    uint64_t failed_root = 0;

    for (unsigned tries = 1;; tries++) {
        struct account_image image;
        enum rc rc;

        arena_reset(arena);
        rc = engine->ops->load(engine, account->id, arena, &image, err);
        if (rc)
            return rc;
        if (tries > 1 && image.root_position == failed_root)
            return RC_CORRUPT; /* *err says what of it */
        rc = build_image(account, &image, out_stored, out, err);
        if (rc != RC_CORRUPT || tries == READ_TRIES)
            return rc;
        failed_root = image.root_position;
    }
}

enum rc account_load(struct account *account, struct err *err)
{
    struct acct_state *stored, *state;
    enum rc rc = build(account, &stored, &state, err);

    if (rc)
        return rc;
    account->stored = stored;
    (void) pthread_mutex_lock(&account->watch);
    acct_unref(account->tip);
    acct_unref(account->durable);
    account->tip = state;
    account->durable = acct_ref(state);
    account->durable_position = acct_position(state);
    if (stored == NULL || acct_position(stored) < acct_position(state))
        account->dirty_since_us = clock_mono_us();
    (void) pthread_mutex_unlock(&account->watch);
    memory_note(account, acct_memory(state));
    return RC_OK;
}

enum rc account_catch_up(struct account *account, struct err *err)
{
    AUTO(acct_unrefp) struct acct_state *stored = NULL;
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    enum rc rc = build(account, &stored, &state, err);

    if (rc == RC_NOT_FOUND)
        return RC_OK;
    if (rc == RC_OK && acct_position(state) > acct_position(account->tip)) {
        uint64_t position = acct_position(state);

        chain_link(account, TAKE(state));
        chain_durable(account, position);
    }
    return rc;
}

/* How much of a mailbox a reader needs in memory. */
enum mailbox_part { PART_COUNTS, PART_TAIL, PART_MESSAGES };

static bool has_part(const struct mbox *mbox, enum mailbox_part part)
{
    switch (part) {
    case PART_COUNTS:
        return true;
    case PART_TAIL:
        return mbox_has_tail(mbox);
    case PART_MESSAGES:
        return mbox_is_loaded(mbox);
    }
    return false;
}

/* Load a mailbox, or its last chunk, into the tip. lock is held. */
static enum rc load_into_tip(struct account *account, uint32_t mbox_id, enum mailbox_part part,
                             struct err *err)
{
    AUTO(acct_unrefp) struct acct_state *fork = NULL;
    struct engine *engine = account_engine(account);
    const struct mbox *mbox = acct_mailbox_by_id(account->tip, mbox_id);
    page_read_fn *read;
    uint32_t rows;
    enum rc rc;
    void *ctx;

    if (mbox == NULL || has_part(mbox, part))
        return RC_OK; /* gone, or somebody was quicker: the caller looks again */
    fork = acct_fork(account->tip);
    acct_set_position(fork, acct_position(account->tip));
    read = engine->ops->page_reader(engine, account->id, &ctx);
    rc = (part == PART_TAIL ? acct_tail_load : acct_mbox_load)(fork, mbox_id, read, ctx, err);
    if (rc == RC_OK) {
        rows = mbox_counts(mbox)->messages;
        memory_note(account, (size_t) (part == PART_TAIL ? MIN(rows, CHUNK_MESSAGES) : rows) *
                                 LOADED_ROW_BYTES);
        chain_replace_tip(account, TAKE(fork));
    }
    return rc;
}

static enum rc read_part(struct account *account, uint64_t own_position, uint32_t mbox_id,
                         enum mailbox_part part, struct acct_state **out, struct err *err)
{
    atomic_store(&account->used_us, clock_mono_us());
    for (;;) {
        AUTO(acct_unrefp) struct acct_state *state = account_read(account, own_position);
        const struct mbox *mbox = acct_mailbox_by_id(state, mbox_id);
        uint64_t tip;
        enum rc rc;

        if (mbox == NULL)
            return err_set(err, RC_NOT_FOUND, "The mailbox was deleted", "mailbox %u is gone",
                           mbox_id);
        if (has_part(mbox, part)) {
            *out = TAKE(state);
            return RC_OK;
        }
        (void) pthread_mutex_lock(&account->lock);
        rc = load_into_tip(account, mbox_id, part, err);
        tip = acct_position(account->tip);
        (void) pthread_mutex_unlock(&account->lock);
        if (rc)
            return rc;
        /* Versions before the tip stay unloaded, and the tip may hold what a crash takes back:
         * look again when it is durable. */
        account_wait_durable(account, tip);
    }
}

enum rc account_read_counts(struct account *account, uint64_t own_position, uint32_t mbox_id,
                            struct acct_state **out, struct err *err)
{
    return read_part(account, own_position, mbox_id, PART_COUNTS, out, err);
}

enum rc account_read_tail(struct account *account, uint64_t own_position, uint32_t mbox_id,
                          struct acct_state **out, struct err *err)
{
    return read_part(account, own_position, mbox_id, PART_TAIL, out, err);
}

enum rc account_read_mailbox(struct account *account, uint64_t own_position, uint32_t mbox_id,
                             struct acct_state **out, struct err *err)
{
    return read_part(account, own_position, mbox_id, PART_MESSAGES, out, err);
}

static enum rc load_kept(struct account *account, struct acct_state *fork, struct err *err)
{
    struct engine *engine = account_engine(account);
    enum rc rc = RC_OK;
    void *ctx;
    page_read_fn *read = engine->ops->page_reader(engine, account->id, &ctx);

    for (size_t i = 0; rc == RC_OK && i < acct_mailbox_count(fork); i++)
        rc = acct_kept_load(fork, mbox_info(acct_mailbox_at(fork, i))->id, 0, UINT32_MAX, read,
                            ctx, err);
    return rc;
}

enum rc account_read_kept(struct account *account, struct acct_state **out, struct err *err)
{
    for (unsigned tries = 1;; tries++) {
        AUTO(acct_unrefp) struct acct_state *state = account_read(account, 0);
        AUTO(acct_unrefp) struct acct_state *fork = acct_fork(state);
        enum rc rc = load_kept(account, fork, err);

        if (rc == RC_OK)
            *out = TAKE(fork);
        /* A checkpoint may have dropped a page of this version: a newer one has it elsewhere.
         */
        if (rc != RC_CORRUPT || tries == READ_TRIES)
            return rc;
    }
}

/* ---- a new account ---- */

const struct first_mailbox first_mailboxes[FIRST_MAILBOXES] = {
    {"INBOX",   0          },
    {"Drafts",  USE_DRAFTS },
    {"Sent",    USE_SENT   },
    {"Junk",    USE_JUNK   },
    {"Trash",   USE_TRASH  },
    {"Archive", USE_ARCHIVE},
};

static enum rc make_first_mailboxes(struct mail_txn *txn, struct err *err)
{
    for (size_t i = 0; i < FIRST_MAILBOXES; i++) {
        struct slice name = slice_from_str(first_mailboxes[i].name);
        enum rc rc = txn_create_mailbox(txn, name, first_mailboxes[i].use, NULL, err);

        if (rc == RC_OK)
            rc = txn_subscribe(txn, name, true, err);
        if (rc)
            return rc;
    }
    return RC_OK;
}

enum rc account_found(struct account *account, struct err *err)
{
    AUTO(txn_abortp) struct mail_txn *txn = txn_begin_locked(account, &(struct actor){0});
    struct engine *engine = account_engine(account);
    uint32_t first;
    uint64_t position;
    enum rc rc = engine->ops->uidvalidity(engine, 1, &first, err);

    if (rc)
        return rc;
    txn_add(txn, &(struct record){.type = RECORD_ACCOUNT, .account = {.first_modseq = first}});
    txn->modseq = (uint64_t) first + 1; /* above the account's first, which the record set */
    if (account->id != SHARES_ACCOUNT)
        rc = make_first_mailboxes(txn, err);
    if (rc)
        return rc;
    rc = txn_commit(&txn, &position, err);
    if (rc == RC_OK)
        account_wait_durable(account, position);
    return rc;
}
