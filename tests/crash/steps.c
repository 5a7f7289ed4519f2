/*
 * steps.c - the steps of scene.h: one for each kind of record, and what happens behind the
 * acknowledgement.
 *
 * What mailbox/ has a transaction call for is done through it; records it does not make yet are
 * put into a transaction as they are.
 */
#include "steps.h"

#include <time.h>

#include "base/buf.h"
#include "mailbox/open_txn.h"

#define SMALL_BYTES  600u
#define INLINE_BYTES 9000u
#define BIG_BYTES    40000u
#define SPILL_BYTES  100000u

#define QUIET_MS     3 /* no file call for so long: the background is idle */
#define QUIET_MAX_MS 300

/* ---- committing ---- */

static enum rc begin(struct scene *scene, size_t i, struct mail_txn **out, struct err *err)
{
    if (scene->accounts[i] == NULL)
        return err_set(err, RC_NOT_FOUND, "No such account", "scene: account %zu", i);
    return txn_begin(scene->accounts[i], &(struct actor){scene_account_ids[i], 1}, out, err);
}

/* The version goes into the ledger, the group to the engine; waits unless pipelined. */
static enum rc finish(struct scene *scene, size_t i, struct mail_txn **txn, struct err *err)
{
    AUTO(buf_done) struct buf text;
    uint32_t uidvalidity;
    size_t version;
    enum rc rc;

    buf_init(&text, LEDGER_TEXT_BYTES);
    if ((*txn)->n_records == 0) {
        txn_abortp(txn);
        return RC_OK;
    }
    rc = ledger_print(txn_state(*txn), scene->engine, scene->ledger, &text, &uidvalidity, err);
    if (rc)
        return rc;
    version = ledger_add(scene->ledger, i, buf_slice(&text), uidvalidity);
    rc = txn_commit(txn, &scene->positions[i], err);
    if (rc) {
        scene->positions[i] = 0;
        ledger_cut(scene->ledger, i, version - 1);
        return rc;
    }
    scene->versions[i] = version;
    if (!scene->is_pipelined)
        scene_wait(scene);
    return RC_OK;
}

static enum rc commit_record(struct scene *scene, size_t i, struct record *record,
                             uint64_t *modseq, struct err *err)
{
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    enum rc rc = begin(scene, i, &txn, err);

    if (rc)
        return rc;
    if (modseq != NULL)
        *modseq = txn_modseq(txn);
    rc = acct_check(txn_state(txn), record, err);
    if (rc)
        return err_set(err, RC_INVALID, "Nothing to do", "scene: the record does not apply");
    txn_add(txn, record);
    return finish(scene, i, &txn, err);
}

/* ---- finding what to work on ---- */

static const struct mbox *named(const struct mail_txn *txn, const char *name)
{
    return acct_mailbox_by_name(txn_state(txn), slice_from_str(name));
}

static uint32_t id_of(struct scene *scene, const char *name)
{
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    const struct mbox *mbox = NULL;

    if (scene->accounts[0] != NULL) {
        state = account_read(scene->accounts[0], scene->positions[0]);
        mbox = acct_mailbox_by_name(state, slice_from_str(name));
    }
    return mbox != NULL ? mbox_info(mbox)->id : 0;
}

/* The mailbox's first message and the one after the next, as far as they are there. */
static enum rc some_uids(const struct mail_txn *txn, const char *name, struct arena *arena,
                         struct uid_set *out, uint32_t *out_mbox, struct err *err)
{
    const struct mbox *mbox = named(txn, name);
    struct uid_set_builder builder;

    if (mbox == NULL || mbox_counts(mbox)->messages == 0)
        return err_set(err, RC_NOT_FOUND, "Nothing to do", "scene: no message in %s", name);
    uid_set_start(&builder, arena);
    uid_set_add(&builder, mbox_uid(mbox, 0));
    if (mbox_counts(mbox)->messages > 2)
        uid_set_add(&builder, mbox_uid(mbox, 2));
    *out = uid_set_finish(&builder);
    *out_mbox = mbox_info(mbox)->id;
    return RC_OK;
}

/* ---- messages ---- */

static char *make_text(struct scene *scene, size_t len)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+\n";
    uint64_t x = ++scene->n_made * 0x9e3779b97f4a7c15u;
    char *text = xmalloc(len + 1);
    int at = snprintf(text, len, "Subject: message %llu\r\nFrom: a@example.org\r\n\r\n",
                      (unsigned long long) scene->n_made);

    for (size_t i = (size_t) at; i < len; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        text[i] = letters[x >> 58];
    }
    return text;
}

static enum rc append_one(struct scene *scene, size_t i, struct mail_txn *txn,
                          const char *mailbox, struct slice bytes,
                          struct body_stage **out_stage, struct err *err)
{
    const struct mbox *mbox = named(txn, mailbox);
    uint64_t body_id = acct_next_body_id(txn_state(txn));
    struct new_message message = {
        .internaldate = {1700000000, 60}
    };
    enum rc rc;
    uint32_t uid;

    if (mbox == NULL)
        return err_set(err, RC_NOT_FOUND, "Nothing to do", "scene: no %s", mailbox);
    rc = scene->ops.stage(scene->engine, scene_account_ids[i], bytes.len, out_stage, err);
    if (!rc)
        rc = scene->ops.stage_write(*out_stage, bytes, err);
    message.stage = *out_stage;
    if (!rc)
        rc = txn_append(txn, mbox_info(mbox)->id, &message, &uid, err);
    if (!rc)
        ledger_note_body(scene->ledger, scene_account_ids[i], body_id, bytes);
    return rc;
}

static enum rc append(struct scene *scene, size_t i, const char *mailbox,
                      const struct slice *bodies, size_t n, struct err *err)
{
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct body_stage *stages[4] = {NULL};
    enum rc rc = begin(scene, i, &txn, err);

    for (size_t k = 0; k < n && !rc; k++)
        rc = append_one(scene, i, txn, mailbox, bodies[k], &stages[k], err);
    if (!rc)
        rc = finish(scene, i, &txn, err);
    for (size_t k = 0; k < n && rc; k++)
        scene->ops.stage_free(stages[k]); /* not taken over */
    return rc;
}

enum rc scene_append(struct scene *scene, size_t account, struct slice bytes, struct err *err)
{
    return append(scene, account, "INBOX", &bytes, 1, err);
}

static enum rc append_texts(struct scene *scene, size_t i, const char *mailbox, size_t len,
                            size_t n, struct err *err)
{
    char *texts[4] = {NULL};
    struct slice bodies[4] = {
        {NULL, 0}
    };
    enum rc rc;

    for (size_t k = 0; k < n; k++) {
        texts[k] = make_text(scene, len);
        bodies[k] = slice_of(texts[k], len);
    }
    rc = append(scene, i, mailbox, bodies, n, err);
    for (size_t k = 0; k < n; k++)
        free(texts[k]);
    return rc;
}

static enum rc change_flags(struct scene *scene, const struct flag_change *change,
                            struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct uid_set uids, changed, refused;
    uint32_t mbox;
    enum rc rc = begin(scene, 0, &txn, err);

    if (!rc)
        rc = some_uids(txn, "INBOX", arena, &uids, &mbox, err);
    if (!rc)
        rc = txn_change_flags(txn, mbox, &uids, change, UNCHANGEDSINCE_NONE, arena, &changed,
                              &refused, err);
    return rc ? rc : finish(scene, 0, &txn, err);
}

static enum rc private_flags(struct scene *scene, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct record record = {
        .type = RECORD_FLAGS, .flags = {.reader = 0x22, .op = FLAG_OP_ADD, .flags = FLAG_SEEN}
    };
    enum rc rc = begin(scene, 0, &txn, err);

    if (!rc)
        rc = some_uids(txn, "INBOX", arena, &record.flags.uids, &record.flags.mbox, err);
    if (rc)
        return rc;
    record.flags.modseq = txn_modseq(txn);
    if (acct_check(txn_state(txn), &record, err))
        return RC_OK;
    txn_add(txn, &record);
    return finish(scene, 0, &txn, err);
}

static enum rc expunge(struct scene *scene, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct uid_set uids, gone;
    uint32_t mbox;
    enum rc rc = begin(scene, 0, &txn, err);

    if (!rc)
        rc = some_uids(txn, "INBOX", arena, &uids, &mbox, err);
    if (!rc)
        rc = txn_expunge(txn, mbox, &uids, false, arena, &gone, err);
    return rc ? rc : finish(scene, 0, &txn, err);
}

static enum rc copy(struct scene *scene, bool move, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct copied copied;
    struct uid_set uids;
    uint32_t src;
    enum rc rc = begin(scene, 0, &txn, err);

    if (!rc)
        rc = some_uids(txn, "INBOX", arena, &uids, &src, err);
    if (!rc && named(txn, "Work") == NULL)
        rc = err_set(err, RC_NOT_FOUND, "Nothing to do", "scene: no Work");
    if (!rc)
        rc = txn_copy(txn, src, &uids, mbox_info(named(txn, "Work"))->id, move, arena, &copied,
                      err);
    return rc ? rc : finish(scene, 0, &txn, err);
}

/* What INBOX keeps of its expunged messages comes back, or the oldest that is kept goes. */
static enum rc restore(struct scene *scene, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct uid_run all = {1, UID_MAX};
    struct copied copied;
    uint32_t inbox;
    enum rc rc = begin(scene, 0, &txn, err);

    if (!rc && named(txn, "INBOX") == NULL)
        rc = err_set(err, RC_NOT_FOUND, "Nothing to do", "scene: no INBOX");
    if (rc)
        return rc;
    inbox = mbox_info(named(txn, "INBOX"))->id;
    rc = txn_restore_messages(txn, inbox, &(struct uid_set){&all, 1}, inbox, arena, &copied,
                              err);
    return rc ? rc : finish(scene, 0, &txn, err);
}

static enum rc forget(struct scene *scene, struct err *err)
{
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    bool more;
    enum rc rc = begin(scene, 0, &txn, err);

    if (!rc)
        rc = txn_forget_before(txn, INT64_MAX, &more, err);
    return rc ? rc : finish(scene, 0, &txn, err);
}

/* ---- mailboxes ---- */

static enum rc create(struct scene *scene, struct err *err)
{
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    char name[32];
    enum rc rc = begin(scene, 0, &txn, err);

    if (rc)
        return rc;
    (void) snprintf(name, sizeof(name), "Work");
    for (unsigned i = 1; named(txn, name) != NULL; i++)
        (void) snprintf(name, sizeof(name), "Work/Sub %u", i);
    rc = txn_create_mailbox(txn, slice_from_str(name), 0, NULL, err);
    return rc ? rc : finish(scene, 0, &txn, err);
}

enum name_change { NAME_DELETE, NAME_RENAME, NAME_INBOX, NAME_USE, NAME_UIDNEXT, NAME_ADOPT };

static enum rc change_name(struct scene *scene, enum name_change change, struct err *err)
{
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    const struct mbox *work;
    uint32_t id;
    enum rc rc = begin(scene, 0, &txn, err);

    if (rc)
        return rc;
    work = named(txn, "Work");
    if (work == NULL && (change == NAME_USE || change == NAME_UIDNEXT))
        return err_set(err, RC_NOT_FOUND, "Nothing to do", "scene: no Work");
    switch (change) {
    case NAME_DELETE:
        rc = txn_delete_mailbox(txn, SLICE("Work"), err);
        break;
    case NAME_RENAME:
        rc = txn_rename_mailbox(txn, SLICE("Work"), SLICE("Archive/Work"), err);
        break;
    case NAME_INBOX:
        rc = txn_rename_mailbox(txn, SLICE("INBOX"), SLICE("Old mail"), err);
        break;
    case NAME_USE:
        rc = txn_set_special_use(txn, mbox_info(work)->id, USE_IMPORTANT, err);
        break;
    case NAME_UIDNEXT:
        rc = txn_set_uidnext(txn, mbox_info(work)->id, mbox_counts(work)->uidnext + 100, err);
        break;
    case NAME_ADOPT:
        rc = txn_adopt_mailbox(txn, SLICE("Junk"), 77, &id, err);
        break;
    }
    return rc ? rc : finish(scene, 0, &txn, err);
}

static enum rc subscribe(struct scene *scene, struct err *err)
{
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    bool on;
    enum rc rc = begin(scene, 0, &txn, err);

    if (rc)
        return rc;
    on = !acct_is_subscribed(txn_state(txn), SLICE("Work"));
    rc = txn_subscribe(txn, SLICE("Work"), on, err);
    return rc ? rc : finish(scene, 0, &txn, err);
}

/* ---- records that no call makes yet ---- */

static enum rc acl(struct scene *scene, struct err *err)
{
    struct record record = {
        .type = RECORD_ACL, .acl = {id_of(scene, "INBOX"), SLICE("fred"), SLICE("lrs"), 0}
    };

    if (scene->accounts[0] != NULL) {
        AUTO(acct_unrefp)
        struct acct_state *state = account_read(scene->accounts[0], scene->positions[0]);

        record.acl.modseq = acct_modseq(state) + 1;
    }
    return commit_record(scene, 0, &record, NULL, err);
}

static enum rc metadata(struct scene *scene, struct err *err)
{
    struct record record = {
        .type = RECORD_METADATA,
        .metadata = {.entry = SLICE("/private/comment"), .value = SLICE("a note")}
    };

    if (scene->accounts[0] != NULL) {
        AUTO(acct_unrefp)
        struct acct_state *state = account_read(scene->accounts[0], scene->positions[0]);

        record.metadata.modseq = acct_modseq(state) + 1;
    }
    return commit_record(scene, 0, &record, NULL, err);
}

static enum rc quota(struct scene *scene, struct err *err)
{
    struct record record = {
        .type = RECORD_QUOTA, .quota = {.resource = SLICE("STORAGE"), .limit = 1000000}
    };

    return commit_record(scene, 0, &record, NULL, err);
}

static enum rc threadid(struct scene *scene, struct err *err)
{
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    struct record record = {.type = RECORD_THREADID};
    const struct mbox *mbox;

    if (scene->accounts[0] == NULL)
        return RC_OK;
    state = account_read(scene->accounts[0], scene->positions[0]);
    mbox = acct_mailbox_by_name(state, SLICE("INBOX"));
    if (mbox_counts(mbox)->messages == 0)
        return RC_OK;
    record.threadid =
        (struct record_threadid){mbox_info(mbox)->id, mbox_uid(mbox, 0), object_id_new()};
    return commit_record(scene, 0, &record, NULL, err);
}

static enum rc purge(struct scene *scene, struct err *err)
{
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    struct record record = {.type = RECORD_PURGE};
    const struct mbox *mbox;

    if (scene->accounts[0] == NULL)
        return RC_OK;
    state = account_read(scene->accounts[0], scene->positions[0]);
    mbox = acct_mailbox_by_name(state, SLICE("INBOX"));
    record.purge.mbox = mbox_info(mbox)->id;
    record.purge.expunged_below_modseq = mbox_counts(mbox)->highestmodseq;
    return commit_record(scene, 0, &record, NULL, err);
}

static enum rc transfer(struct scene *scene, struct err *err)
{
    struct record record = {
        .type = RECORD_XFER_OUT,
        .xfer = {.peer_account = 0x22, .transfer_id = ++scene->n_made, .payload = SLICE("p")}
    };

    return commit_record(scene, 0, &record, NULL, err);
}

/* ---- accounts ---- */

enum rc step_found(struct scene *scene, size_t account, struct err *err)
{
    struct ledger_account *to = &scene->ledger->accounts[account];
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    AUTO(buf_done) struct buf text;
    uint32_t uidvalidity;
    enum rc rc;

    buf_init(&text, LEDGER_TEXT_BYTES);
    if (scene->accounts[account] != NULL)
        return RC_OK;
    to->is_being_made = true;
    rc = account_open(scene->store, scene_account_ids[account], true, &scene->accounts[account],
                      err);
    if (rc) {
        scene->accounts[account] = NULL;
        return rc;
    }
    state = account_read(scene->accounts[account], 0);
    rc = ledger_print(state, scene->engine, scene->ledger, &text, &uidvalidity, err);
    if (rc)
        return rc;
    to->acknowledged = ledger_add(scene->ledger, account, buf_slice(&text), uidvalidity);
    to->is_being_made = false;
    scene->versions[account] = to->acknowledged;
    recording_mark((uint32_t) account, to->acknowledged, scene->is_branch);
    return RC_OK;
}

static enum rc remove_account(struct scene *scene, struct err *err)
{
    struct ledger_account *of = &scene->ledger->accounts[1];
    size_t version;
    enum rc rc;

    if (scene->accounts[1] == NULL)
        return RC_OK;
    scene_wait(scene);
    account_close(scene->accounts[1]);
    scene->accounts[1] = NULL;
    version = ledger_add(scene->ledger, 1, LEDGER_ABSENT, 0);
    rc = mail_store_remove(scene->store, scene_account_ids[1], err);
    if (rc)
        return rc;
    of->acknowledged = scene->versions[1] = version;
    recording_mark(1, version, scene->is_branch);
    return RC_OK;
}

/* ---- behind the acknowledgement ---- */

static void quiet(const struct scene *scene)
{
    const struct timespec ms = {.tv_nsec = 1000000};
    int still = 0;

    for (int i = 0; i < QUIET_MAX_MS && still < QUIET_MS; i++) {
        size_t before = scene->recording != NULL ? scene->recording->n_ops : 0;

        (void) nanosleep(&ms, NULL);
        still = scene->recording != NULL && scene->recording->n_ops != before ? 0 : still + 1;
    }
}

static enum rc checkpoint(struct scene *scene)
{
    scene_wait(scene);
    for (size_t i = 0; i < LEDGER_ACCOUNTS; i++) {
        if (scene->accounts[i] != NULL)
            scene->events.checkpoint_wanted(scene->events.ctx, scene_account_ids[i]);
    }
    quiet(scene);
    return RC_OK;
}

static enum rc restart(struct scene *scene, struct err *err)
{
    scene_wait(scene);
    scene_close(scene);
    recording_new_life();
    return scene_open(scene, err);
}

/* ---- the table ---- */

static const char *const names[STEP_COUNT] = {
    [STEP_APPEND_SMALL] = "append",
    [STEP_APPEND_INLINE] = "append-9k",
    [STEP_APPEND_BIG] = "append-40k",
    [STEP_APPEND_SPILL] = "append-100k",
    [STEP_MULTIAPPEND] = "multiappend",
    [STEP_FLAGS] = "flags",
    [STEP_KEYWORD] = "keyword",
    [STEP_PRIVATE_FLAGS] = "private-flags",
    [STEP_EXPUNGE] = "expunge",
    [STEP_COPY] = "copy",
    [STEP_MOVE] = "move",
    [STEP_CREATE] = "create",
    [STEP_DELETE] = "delete",
    [STEP_RENAME] = "rename",
    [STEP_RENAME_INBOX] = "rename-inbox",
    [STEP_SUBSCRIBE] = "subscribe",
    [STEP_SPECIAL_USE] = "special-use",
    [STEP_UIDNEXT] = "uidnext",
    [STEP_ADOPT] = "adopt",
    [STEP_ACL] = "acl",
    [STEP_METADATA] = "metadata",
    [STEP_QUOTA] = "quota",
    [STEP_THREADID] = "threadid",
    [STEP_PURGE] = "purge",
    [STEP_RESTORE] = "restore",
    [STEP_FORGET] = "forget",
    [STEP_TRANSFER] = "transfer",
    [STEP_OTHER_ACCOUNT] = "other-account",
    [STEP_NEW_ACCOUNT] = "new-account",
    [STEP_REMOVE_ACCOUNT] = "remove-account",
    [STEP_CHECKPOINT] = "checkpoint",
    [STEP_SETTLE] = "settle",
    [STEP_RESTART] = "restart",
};

const char *step_name(enum step step)
{
    return names[step];
}

static enum rc run(struct scene *scene, enum step step, struct err *err)
{
    static const struct slice keyword = {"$Later", 6};

    switch (step) {
    case STEP_APPEND_SMALL:
        return append_texts(scene, 0, "INBOX", SMALL_BYTES, 1, err);
    case STEP_APPEND_INLINE:
        return append_texts(scene, 0, "INBOX", INLINE_BYTES, 1, err);
    case STEP_APPEND_BIG:
        return append_texts(scene, 0, "INBOX", BIG_BYTES, 1, err);
    case STEP_APPEND_SPILL:
        return append_texts(scene, 0, "INBOX", SPILL_BYTES, 1, err);
    case STEP_MULTIAPPEND:
        return append_texts(scene, 0, "INBOX", INLINE_BYTES / 2, 3, err);
    case STEP_FLAGS:
        return change_flags(
            scene,
            &(struct flag_change){.op = FLAG_OP_REPLACE,
                                  .flags = scene->n_made++ % 2 != 0 ? FLAG_SEEN : FLAG_FLAGGED},
            err);
    case STEP_KEYWORD:
        return change_flags(
            scene,
            &(struct flag_change){.op = FLAG_OP_ADD, .keywords = &keyword, .n_keywords = 1},
            err);
    case STEP_PRIVATE_FLAGS:
        return private_flags(scene, err);
    case STEP_EXPUNGE:
        return expunge(scene, err);
    case STEP_COPY:
        return copy(scene, false, err);
    case STEP_MOVE:
        return copy(scene, true, err);
    case STEP_CREATE:
        return create(scene, err);
    case STEP_DELETE:
        return change_name(scene, NAME_DELETE, err);
    case STEP_RENAME:
        return change_name(scene, NAME_RENAME, err);
    case STEP_RENAME_INBOX:
        return change_name(scene, NAME_INBOX, err);
    case STEP_SUBSCRIBE:
        return subscribe(scene, err);
    case STEP_SPECIAL_USE:
        return change_name(scene, NAME_USE, err);
    case STEP_UIDNEXT:
        return change_name(scene, NAME_UIDNEXT, err);
    case STEP_ADOPT:
        return change_name(scene, NAME_ADOPT, err);
    case STEP_ACL:
        return acl(scene, err);
    case STEP_METADATA:
        return metadata(scene, err);
    case STEP_QUOTA:
        return quota(scene, err);
    case STEP_THREADID:
        return threadid(scene, err);
    case STEP_PURGE:
        return purge(scene, err);
    case STEP_RESTORE:
        return restore(scene, err);
    case STEP_FORGET:
        return forget(scene, err);
    case STEP_TRANSFER:
        return transfer(scene, err);
    case STEP_OTHER_ACCOUNT:
        return append_texts(scene, 1, "INBOX", SMALL_BYTES, 1, err);
    case STEP_NEW_ACCOUNT:
        return step_found(scene, 2, err);
    case STEP_REMOVE_ACCOUNT:
        return remove_account(scene, err);
    case STEP_CHECKPOINT:
        return checkpoint(scene);
    case STEP_SETTLE:
        quiet(scene);
        return RC_OK;
    case STEP_RESTART:
        return restart(scene, err);
    }
    return RC_OK;
}

/* A step may find what it works on gone. */
enum rc scene_step(struct scene *scene, enum step step, struct err *err)
{
    enum rc rc = run(scene, step, err);

    return rc == RC_NOT_FOUND || rc == RC_EXISTS || rc == RC_INVALID ? RC_OK : rc;
}
