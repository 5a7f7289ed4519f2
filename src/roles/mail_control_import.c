/*
 * mail_control_import.c - mail that comes from elsewhere, as a stream
 * (docs/formats/mail-stream.md).
 *
 * Messages are staged as they come and committed in batches. A message's key is its EMAILID,
 * committed in the same record as the message: after a crash, or when the same source is
 * imported again, what is there is known, and nothing beside the mail has to be kept in step
 * with it.
 *
 * A batch that the store refuses for one of its messages is committed without it; a message is
 * never the end of an import. Want of space, or a store that is down, is.
 */
#include "base/log.h"
#include "base/map.h"
#include "ipc/mail_stream.h"
#include "mailbox/shares.h"
#include "mailbox/txn.h"
#include "roles/mail_role.h"

#define IMPORT_BATCH_MESSAGES 256u
#define IMPORT_BATCH_BYTES    ((uint64_t) 8 << 20)
#define IMPORT_NOTES_BYTES    ((size_t) 2 << 20) /* of annotations beside one message */
#define IMPORT_ARENA_BYTES    (IMPORT_BATCH_MESSAGES * MAIL_HEAD_MAX_BYTES + ((size_t) 32 << 20))
#define IMPORT_MAILBOXES_MAX  MAILBOXES_MAX
#define IMPORT_CONFLICTS_MAX  16u /* in a row, with an engine that may conflict */

/* A mailbox of the stream. */
struct target {
    uint32_t mbox_id;
    uint32_t uidnext; /* to be set when its messages are in; 0: not known */
    uint32_t uidvalidity;
    bool keeps_uids;
    bool refused;
};

/* An annotation of the message that comes next. */
struct note {
    uint64_t reader; /* 0: everybody's */
    struct annotation entry;
};

struct notes {
    struct note *notes; /* in the batch's arena */
    size_t n, cap, bytes;
};

struct pending {
    struct body_stage *stage;
    uint64_t number; /* in the stream */
    uint32_t target, uid;
    uint8_t flags;
    struct mail_date date;
    struct object_id emailid, threadid; /* threadid zero: given later */
    const struct slice *keywords;
    size_t n_keywords;
    struct notes notes;
};

struct import {
    struct mail_role *mail;
    struct control_conn *conn;
    struct account *account;
    bool entered; /* it is this account's one import */
    struct mail_stream *stream;
    struct map *known; /* EMAILIDs the account has */
    struct target *targets;
    size_t n_targets, cap_targets;

    struct arena *arena;    /* what the batch points to */
    struct notes notes;     /* of the message that comes next, */
    struct object_id noted; /* which has this EMAILID */
    struct pending batch[IMPORT_BATCH_MESSAGES];
    size_t n_batch;
    uint64_t batch_bytes;
    struct body_stage *staging; /* of the message that comes; NULL: it is passed over */

    uint64_t n_messages; /* heads so far */
    uint64_t imported, n_known, refused;
    uint64_t position; /* of the last commit */
};

static const struct engine_ops *ops_of(const struct import *import)
{
    return mail_store_engine(import->mail->store)->ops;
}

/*
 * One import of an account at a time. What is there is learned at the start; a second import
 * that learned while the first still commits (its command line was stopped, and the rest of its
 * mail is on the way) would not know what that brings, and bring it again.
 */
static bool replace(struct mail_role *mail, uint64_t from, uint64_t to)
{
    for (size_t i = 0; i < MAIL_CONTROL_MAX; i++) {
        if (mail->importing[i] == from) {
            mail->importing[i] = to;
            return true;
        }
    }
    return false;
}

static void enter_account(struct import *import)
{
    struct mail_role *mail = import->mail;
    uint64_t id = account_id(import->account);

    (void) pthread_mutex_lock(&mail->import_lock);
    while (replace(mail, id, id) || !replace(mail, 0, id)) /* taken, or no place */
        (void) pthread_cond_wait(&mail->import_ended, &mail->import_lock);
    (void) pthread_mutex_unlock(&mail->import_lock);
    import->entered = true;
}

static void leave_account(struct import *import)
{
    struct mail_role *mail = import->mail;

    if (!import->entered)
        return;
    (void) pthread_mutex_lock(&mail->import_lock);
    (void) replace(mail, account_id(import->account), 0);
    (void) pthread_cond_broadcast(&mail->import_ended);
    (void) pthread_mutex_unlock(&mail->import_lock);
}

static void import_free(void *state)
{
    struct import *import = state;

    leave_account(import);

    if (import->stream != NULL) {
        ops_of(import)->stage_free(import->staging);
        for (size_t i = 0; i < import->n_batch; i++)
            ops_of(import)->stage_free(import->batch[i].stage);
    }
    account_close(import->account);
    mail_stream_free(import->stream);
    map_free(import->known);
    arena_free(import->arena);
    free(import->targets);
    free(import);
}

/* ---- rows ---- */

static void refuse(struct import *import, uint64_t message, const char *why)
{
    char room[CONTROL_NUMBER_BYTES];
    const struct control_field fields[] = {
        CONTROL_TEXT("message", control_u64(room, message)),
        CONTROL_TEXT("error", slice_from_str(why)),
    };

    import->refused++;
    control_row(import->conn, fields, COUNT(fields));
}

static void refuse_mailbox(struct import *import, struct slice name, const char *why)
{
    const struct control_field fields[] = {
        CONTROL_TEXT("mailbox", name),
        CONTROL_TEXT("error", slice_from_str(why)),
    };

    control_row(import->conn, fields, COUNT(fields));
}

static void put_figures(struct import *import)
{
    char room[3][CONTROL_NUMBER_BYTES];
    const struct control_field fields[] = {
        CONTROL_TEXT("imported", control_u64(room[0], import->imported)),
        CONTROL_TEXT("known", control_u64(room[1], import->n_known)),
        CONTROL_TEXT("refused", control_u64(room[2], import->refused)),
    };

    control_row(import->conn, fields, COUNT(fields));
}

/* ---- what is there ---- */

static void learn(struct import *import, const struct object_id *emailid)
{
    (void) map_put(import->known, slice_of(emailid->bytes, sizeof(emailid->bytes)), import);
}

static bool knows(const struct import *import, const struct object_id *emailid)
{
    return map_get(import->known, slice_of(emailid->bytes, sizeof(emailid->bytes))) != NULL;
}

static enum rc learn_mailbox(struct import *import, uint32_t mbox_id, struct err *err)
{
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    const struct mbox *mbox;
    enum rc rc = account_read_mailbox(import->account, 0, mbox_id, &state, err);

    if (rc)
        return rc == RC_NOT_FOUND ? RC_OK : rc; /* deleted meanwhile */
    mbox = acct_mailbox_by_id(state, mbox_id);
    if (mbox_counts(mbox)->messages > 0)
        rc = account_need_rows(import->account, state, mbox, 0, mbox_counts(mbox)->messages - 1,
                               err);
    for (uint32_t i = 0; rc == RC_OK && i < mbox_counts(mbox)->messages; i++)
        learn(import, &mbox_cold(mbox, i)->emailid);
    return rc;
}

static enum rc learn_all(struct import *import, struct err *err)
{
    AUTO(acct_unrefp) struct acct_state *state = account_read(import->account, 0);
    enum rc rc = RC_OK;

    for (size_t i = 0; rc == RC_OK && i < acct_mailbox_count(state); i++)
        rc = learn_mailbox(import, mbox_info(acct_mailbox_at(state, i))->id, err);
    return rc;
}

/* ---- commit ---- */

/* Those of one reader come one after the other. */
static enum rc put_notes(struct mail_txn *txn, uint32_t mbox_id, uint32_t uid,
                         const struct notes *notes, struct arena *arena, struct err *err)
{
    struct annotation *entries = ARENA_ARRAY(arena, struct annotation, notes->n);
    enum rc rc = RC_OK;

    for (size_t from = 0, to; rc == RC_OK && from < notes->n; from = to) {
        for (to = from; to < notes->n && notes->notes[to].reader == notes->notes[from].reader;
             to++)
            entries[to] = notes->notes[to].entry;
        rc = txn_take_annotations(txn, mbox_id, uid, notes->notes[from].reader, &entries[from],
                                  to - from, err);
    }
    return rc;
}

/* Which mail of the batch is to blame, or n_batch. */
static enum rc append_batch(struct import *import, struct mail_txn *txn, size_t *out_at,
                            struct err *err)
{
    for (size_t i = 0; i < import->n_batch; i++) {
        const struct pending *pending = &import->batch[i];
        const struct target *target = &import->targets[pending->target];
        const struct mbox *mbox = acct_mailbox_by_id(txn_state(txn), target->mbox_id);
        struct new_message message = {.stage = pending->stage,
                                      .flags = pending->flags,
                                      .keywords = pending->keywords,
                                      .n_keywords = pending->n_keywords,
                                      .internaldate = pending->date,
                                      .emailid = &pending->emailid};

        if (!object_id_is_zero(&pending->threadid))
            message.threadid = &pending->threadid;
        uint32_t uid;
        enum rc rc;

        if (target->keeps_uids && mbox != NULL && pending->uid >= mbox_counts(mbox)->uidnext)
            message.uid = pending->uid;
        rc = txn_append(txn, target->mbox_id, &message, &uid, err);
        if (rc == RC_OK)
            rc = put_notes(txn, target->mbox_id, uid, &pending->notes, import->arena, err);
        if (rc) {
            *out_at = i;
            return rc;
        }
    }
    *out_at = import->n_batch;
    return RC_OK;
}

/* Leave one out: first its annotations, then its keywords, then all of it. */
static void leave_out(struct import *import, size_t at, const struct err *err)
{
    struct pending *pending = &import->batch[at];

    if (pending->notes.n > 0) {
        pending->notes.n = 0;
        return;
    }
    if (pending->n_keywords > 0) {
        pending->n_keywords = 0;
        return;
    }
    refuse(import, pending->number, err->text);
    ops_of(import)->stage_free(pending->stage);
    import->n_batch--;
    memmove(pending, pending + 1, (import->n_batch - at) * sizeof(*pending));
}

static enum rc finish_stages(struct import *import, struct err *err)
{
    AUTO(freep) struct body_stage **stages = xcalloc(import->n_batch, sizeof(*stages));

    for (size_t i = 0; i < import->n_batch; i++)
        stages[i] = import->batch[i].stage;
    return account_finish_stages(import->account, stages, import->n_batch, err);
}

static enum rc try_commit(struct import *import, size_t *out_at, struct err *err)
{
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct actor nobody = {0};
    enum rc rc = finish_stages(import, err);

    *out_at = import->n_batch;
    if (rc == RC_OK)
        rc = txn_begin(import->account, &nobody, &txn, err);
    if (rc == RC_OK)
        rc = append_batch(import, txn, out_at, err);
    return rc ? rc : txn_commit(&txn, &import->position, err);
}

static void forget_batch(struct import *import)
{
    import->n_batch = 0;
    import->batch_bytes = 0;
    import->notes = (struct notes){0};
    arena_reset(import->arena);
}

static enum rc commit_batch(struct import *import, struct err *err)
{
    unsigned conflicts = 0;

    while (import->n_batch > 0) {
        size_t at;
        enum rc rc = try_commit(import, &at, err);

        if (rc == RC_OK) {
            import->imported += import->n_batch;
            forget_batch(import);
            control_progress(import->conn, import->imported + import->n_known, 0);
        } else if (rc == RC_CONFLICT && ++conflicts < IMPORT_CONFLICTS_MAX) {
            continue;
        } else if (at < import->n_batch && rc != RC_FULL && rc != RC_IO) {
            leave_out(import, at, err);
        } else {
            return rc;
        }
    }
    forget_batch(import);
    return RC_OK;
}

/* ---- mailboxes ---- */

/* A use that another mailbox has stays there. */
static uint32_t free_uses(const struct acct_state *state, uint32_t special_use)
{
    special_use &= ~(uint32_t) (USE_ALL | USE_FLAGGED);
    for (size_t i = 0; i < acct_mailbox_count(state); i++)
        special_use &= ~mbox_info(acct_mailbox_at(state, i))->special_use;
    return special_use;
}

/* May messages keep the uids they had elsewhere? They may in a mailbox that has this
 * UIDVALIDITY, or can take it. */
static enum rc open_target(struct mail_txn *txn, const struct mail_frame *frame,
                           struct target *target, struct err *err)
{
    const struct mbox *mbox = acct_mailbox_by_name(txn_state(txn), frame->name);
    enum rc rc;

    target->uidvalidity = frame->uidvalidity;
    target->uidnext = frame->uidnext;
    target->keeps_uids = frame->uidvalidity != 0;
    if (mbox == NULL && frame->uidvalidity != 0)
        return txn_create_mailbox_as(txn, frame->name, frame->uidvalidity, 1, &target->mbox_id,
                                     err);
    if (mbox == NULL)
        return txn_create_mailbox(txn, frame->name,
                                  free_uses(txn_state(txn), frame->special_use),
                                  &target->mbox_id, err);
    target->mbox_id = mbox_info(mbox)->id;
    if (frame->uidvalidity == 0 || mbox_info(mbox)->uidvalidity == frame->uidvalidity)
        return RC_OK;
    rc = txn_adopt_mailbox(txn, frame->name, frame->uidvalidity, &target->mbox_id, err);
    target->keeps_uids = rc == RC_OK;
    return rc == RC_EXISTS ? RC_OK : rc;
}

static enum rc change_once(struct import *import, const struct mail_frame *frame,
                           struct target *target, struct err *err)
{
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct actor nobody = {0};
    bool exists;
    enum rc rc = txn_begin(import->account, &nobody, &txn, err);

    if (rc)
        return rc;
    exists = acct_mailbox_by_name(txn_state(txn), frame->name) != NULL;
    if (frame->kind == MAIL_MAILBOX)
        rc = open_target(txn, frame, target, err);
    if (rc == RC_OK && (frame->kind == MAIL_SUBSCRIBED || (frame->subscribe && !exists)))
        rc = txn_subscribe(txn, frame->name, true, err);
    return rc ? rc : txn_commit(&txn, &import->position, err);
}

static enum rc change(struct import *import, const struct mail_frame *frame,
                      struct target *target, struct err *err)
{
    unsigned tries = 0;
    enum rc rc;

    do {
        rc = change_once(import, frame, target, err);
    } while (rc == RC_CONFLICT && ++tries < IMPORT_CONFLICTS_MAX);
    if (rc == RC_SYNTAX || rc == RC_INVALID || rc == RC_LIMIT || rc == RC_EXISTS) {
        refuse_mailbox(import, frame->name, err->text);
        target->refused = true;
        return RC_OK;
    }
    return rc;
}

static enum rc take_mailbox(struct import *import, const struct mail_frame *frame,
                            struct err *err)
{
    struct target target = {0};
    enum rc rc = commit_batch(import, err);

    if (rc == RC_OK && import->n_targets == IMPORT_MAILBOXES_MAX)
        rc = err_set(err, RC_LIMIT, "Too many mailboxes", "import: %zu", import->n_targets);
    if (rc == RC_OK)
        rc = change(import, frame, &target, err);
    if (rc)
        return rc;
    if (import->n_targets == import->cap_targets) {
        import->cap_targets = MAX(16u, 2 * import->cap_targets);
        import->targets =
            xrealloc(import->targets, import->cap_targets * sizeof(*import->targets));
    }
    import->targets[import->n_targets++] = target;
    return RC_OK;
}

/* UIDNEXT as it was elsewhere: the uids of mails expunged there are not given again. */
static enum rc raise_uidnext(struct import *import, const struct target *target,
                             struct err *err)
{
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct actor nobody = {0};
    enum rc rc = txn_begin(import->account, &nobody, &txn, err);

    if (rc == RC_OK)
        rc = txn_set_uidnext(txn, target->mbox_id, target->uidnext, err);
    return rc ? rc : txn_commit(&txn, &import->position, err);
}

static enum rc finish_targets(struct import *import, struct err *err)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; rc == RC_OK && i < import->n_targets; i++) {
        const struct target *target = &import->targets[i];
        unsigned tries = 0;

        if (!target->keeps_uids || target->refused || target->uidnext == 0)
            continue;
        do {
            rc = raise_uidnext(import, target, err);
        } while (rc == RC_CONFLICT && ++tries < IMPORT_CONFLICTS_MAX);
        if (rc == RC_NOT_FOUND || rc == RC_LIMIT)
            rc = RC_OK; /* deleted meanwhile; no uid left */
    }
    return rc;
}

/* ---- messages ---- */

/* Why it is left out, or NULL. */
static const char *cannot_take(const struct import *import, const struct mail_frame *frame)
{
    if (frame->mailbox >= import->n_targets)
        return "It is in no mailbox";
    if (import->targets[frame->mailbox].refused)
        return "Its mailbox cannot be made";
    if (frame->size == 0)
        return "It is empty";
    if (frame->size > import->mail->start->config->message_max_bytes)
        return "It is larger than message_max_bytes allows";
    return NULL;
}

static enum rc take_message(struct import *import, const struct mail_frame *frame,
                            struct err *err)
{
    struct engine *engine = mail_store_engine(import->mail->store);
    uint64_t at = import->n_messages++;
    const char *why = cannot_take(import, frame);
    struct pending *pending = &import->batch[import->n_batch];
    struct slice *keywords;
    struct object_id id, thread;

    memcpy(id.bytes, frame->key, sizeof(id.bytes));
    memcpy(thread.bytes, frame->thread, sizeof(thread.bytes));
    if (object_id_is_zero(&id))
        id = object_id_new();
    if (why != NULL) {
        refuse(import, at, why);
        return RC_OK;
    }
    if (knows(import, &id)) {
        import->n_known++;
        return RC_OK;
    }
    learn(import, &id); /* the same twice in one stream is once */
    keywords = ARENA_ARRAY(import->arena, struct slice, frame->n_keywords);
    for (size_t i = 0; i < frame->n_keywords; i++)
        keywords[i] = arena_dup(import->arena, frame->keywords[i]);
    *pending = (struct pending){
        .number = at,
        .target = frame->mailbox,
        .uid = frame->uid,
        .flags = frame->flags,
        .date = {frame->date, frame->zone_min},
        .emailid = id,
        .threadid = thread,
        .keywords = keywords,
        .n_keywords = frame->n_keywords
    };
    if (memcmp(&import->noted, &id, sizeof(id)) == 0) {
        pending->notes = import->notes;
        import->batch_bytes += import->notes.bytes;
    }
    import->notes = (struct notes){0};
    return engine->ops->stage(engine, account_id(import->account), frame->size,
                              &import->staging, err);
}

/* Kept until its message comes; beyond a bound they are left out. */
static void take_note(struct import *import, const struct mail_frame *frame)
{
    size_t bytes = sizeof(struct note) + frame->name.len + frame->value.len;
    struct notes *notes = &import->notes;
    struct note *grown;

    if (memcmp(&import->noted, frame->key, sizeof(import->noted)) != 0)
        *notes = (struct notes){0};
    memcpy(&import->noted, frame->key, sizeof(import->noted));
    if (notes->bytes + bytes > IMPORT_NOTES_BYTES)
        return;
    if (notes->n == notes->cap) {
        notes->cap = MAX(notes->cap * 2, (size_t) 4);
        grown = ARENA_ARRAY(import->arena, struct note, notes->cap);
        if (notes->n > 0)
            memcpy(grown, notes->notes, notes->n * sizeof(*grown));
        notes->notes = grown;
    }
    notes->bytes += bytes;
    notes->notes[notes->n++] = (struct note){
        .reader = frame->whose == MAIL_OF_OWNER ? account_id(import->account) : frame->reader,
        .entry = {.entry = arena_dup(import->arena, frame->name),
                  .value = arena_dup(import->arena, frame->value)},
    };
}

/* An entry that cannot be had is named and left out. */
static enum rc put_pair(struct import *import, const struct mail_frame *frame, uint32_t mbox_id,
                        struct err *err)
{
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct actor nobody = {0};
    enum rc rc = RC_OK;

    if (frame->kind == MAIL_RIGHTS)
        rc = shares_note(import->mail->store, account_id(import->account), frame->name, err);
    if (!rc)
        rc = txn_begin(import->account, &nobody, &txn, err);
    if (!rc)
        rc = frame->kind == MAIL_RIGHTS
                 ? txn_put_acl(txn, mbox_id, frame->name, frame->value, err)
                 : txn_set_metadata(txn, mbox_id, frame->name, &frame->value, err);
    if (rc == RC_LIMIT || rc == RC_NOT_FOUND) {
        refuse_mailbox(import, frame->name, err->text);
        return RC_OK;
    }
    return rc ? rc : txn_commit(&txn, &import->position, err);
}

static enum rc take_pair(struct import *import, const struct mail_frame *frame, struct err *err)
{
    uint32_t mbox_id = 0;
    unsigned tries = 0;
    enum rc rc;

    if (frame->of_mailbox || frame->kind == MAIL_RIGHTS) {
        if (frame->mailbox >= import->n_targets)
            return err_set(err, RC_SYNTAX, "Not understood", "import: an entry of no mailbox");
        if (import->targets[frame->mailbox].refused)
            return RC_OK;
        mbox_id = import->targets[frame->mailbox].mbox_id;
    }
    do {
        rc = put_pair(import, frame, mbox_id, err);
    } while (rc == RC_CONFLICT && ++tries < IMPORT_CONFLICTS_MAX);
    return rc;
}

static enum rc take_frame(void *ctx, const struct mail_frame *frame, struct err *err)
{
    struct import *import = ctx;
    struct target ignored = {0};

    switch (frame->kind) {
    case MAIL_RIGHTS:
    case MAIL_METADATA:
        return take_pair(import, frame, err);
    case MAIL_ANNOTATION:
        take_note(import, frame);
        return RC_OK;
    case MAIL_MAILBOX:
        return take_mailbox(import, frame, err);
    case MAIL_MESSAGE:
        return take_message(import, frame, err);
    case MAIL_SUBSCRIBED:
        return change(import, frame, &ignored, err);
    }
    return RC_OK;
}

static enum rc take_body(void *ctx, struct slice bytes, bool end, struct err *err)
{
    struct import *import = ctx;
    enum rc rc = RC_OK;

    if (import->staging == NULL)
        return RC_OK;
    rc = ops_of(import)->stage_write(import->staging, bytes, err);
    if (rc || !end)
        return rc;
    import->batch_bytes += ops_of(import)->stage_length(import->staging);
    import->batch[import->n_batch++].stage = TAKE(import->staging);
    if (import->n_batch == IMPORT_BATCH_MESSAGES || import->batch_bytes >= IMPORT_BATCH_BYTES)
        rc = commit_batch(import, err);
    return rc;
}

/* ---- the verb ---- */

static enum rc open_import(struct import *import, const struct control_fields *fields,
                           struct err *err)
{
    static const struct mail_stream_events events = {.frame = take_frame, .body = take_body};
    enum rc rc = mail_open_user(import->mail, fields, &import->account, err);

    if (rc)
        return rc;
    enter_account(import);
    account_wait_durable(import->account, account_newest_position(import->account));
    import->known = map_new();
    import->arena = arena_new(IMPORT_ARENA_BYTES);
    import->stream = mail_stream_new(&events, import);
    return learn_all(import, err);
}

/* user, then data -> message or mailbox, error; imported, known, refused */
void mail_import(struct control_conn *conn, const struct control_fields *fields, void *ctx)
{
    struct import *import = xcalloc(1, sizeof(*import));
    struct err err;

    import->mail = ctx;
    import->conn = conn;
    control_conn_set_state(conn, import, import_free);
    if (open_import(import, fields, &err)) {
        control_end_err(conn, &err);
        return;
    }
    char room[CONTROL_NUMBER_BYTES];
    const struct control_field row =
        CONTROL_TEXT("account", control_u64(room, account_id(import->account)));
    control_row(conn, &row, 1);
}

static enum rc finish(struct import *import, struct err *err)
{
    enum rc rc = RC_OK;

    if (!mail_stream_at_end(import->stream))
        return err_set(err, RC_SYNTAX, "The mail ended inside a message", "import: cut short");
    rc = commit_batch(import, err);
    if (rc == RC_OK)
        rc = finish_targets(import, err);
    if (rc == RC_OK && import->position != 0)
        account_wait_durable(import->account, import->position);
    return rc;
}

void mail_import_data(struct control_conn *conn, struct slice bytes, bool end, void *ctx)
{
    struct import *import = control_conn_state(conn);
    struct err err;
    enum rc rc = end ? finish(import, &err) : mail_stream_feed(import->stream, bytes, &err);

    (void) ctx;
    if (rc == RC_OK && !end)
        return;
    put_figures(import);
    log_event(LEVEL_INFO, "account.imported", LOG_ID("account", account_id(import->account)),
              LOG_NUM("messages", import->imported), LOG_NUM("known", import->n_known),
              LOG_NUM("refused", import->refused), LOG_STR("result", rc_name(rc)),
              LOG_NUM("by_uid", control_conn_uid(conn)));
    if (rc)
        control_end_err(conn, &err);
    else
        control_end(conn, RC_OK, "");
}
