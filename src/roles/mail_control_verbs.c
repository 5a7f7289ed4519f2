/* mail_control_verbs.c - what the command line asks about sessions, mailboxes and the store. */
#include "base/log.h"
#include "mailbox/txn.h"
#include "roles/mail_role.h"

#define ADDRESS_BYTES        64u
#define SESSIONS_ARENA_BYTES ((size_t) 256 << 20)
#define COMMIT_TRIES         16u /* with an engine that may conflict */

enum rc mail_open_user(struct mail_role *mail, const struct control_fields *fields,
                       struct account **out, struct err *err)
{
    struct slice user;
    uint64_t id;
    enum rc rc = control_field_need(fields, "user", &user, err);

    if (rc == RC_OK)
        rc = mail_lookup_user(mail, user, &id, err);
    return rc ? rc : account_open(mail->store, id, true, out, err);
}

/* ---- sessions ---- */

struct session_row {
    uint64_t number, device;
    const char *user, *device_name, *client_id;
    struct ipaddr peer;
    uint16_t tls_version;
    int64_t started_us, last_active_us;
    bool idles;
};

struct session_rows {
    struct arena *arena;
    struct session_row *rows;
    size_t n, cap;
};

static const char *copy(struct arena *arena, const char *text)
{
    return arena_cstr(arena, slice_from_str(text != NULL ? text : ""));
}

/* Sessions are copied first: nobody waits for a slow command line with their list locked. */
static void keep_session(void *ctx, const struct client_row *row)
{
    struct session_rows *list = ctx;
    struct session_row *kept;

    if (list->n == list->cap) {
        list->cap = MAX(64u, 2 * list->cap);
        list->rows = xrealloc(list->rows, list->cap * sizeof(*list->rows));
    }
    kept = &list->rows[list->n++];
    *kept = (struct session_row){.number = row->number,
                                 .device = row->who->device,
                                 .user = copy(list->arena, row->who->user),
                                 .device_name = copy(list->arena, row->who->device_name),
                                 .client_id = copy(list->arena, row->who->client_id),
                                 .peer = row->who->peer,
                                 .tls_version = row->who->tls_version,
                                 .started_us = row->started_us,
                                 .last_active_us = row->last_active_us,
                                 .idles = row->idles};
}

static const char *tls_name(uint16_t version)
{
    if (version == 0)
        return "none";
    return version == 0x0304 ? "1.3" : "1.2";
}

static void put_session(struct control_conn *conn, const struct session_row *row)
{
    char id[CONTROL_NUMBER_BYTES], device[CONTROL_NUMBER_BYTES], age[CONTROL_NUMBER_BYTES],
        quiet[CONTROL_NUMBER_BYTES];
    int64_t now = clock_mono_us();
    AUTO(buf_done) struct buf peer = {.max = ADDRESS_BYTES};

    ipaddr_print(&peer, &row->peer);
    const struct control_field fields[] = {
        CONTROL_TEXT("session", control_u64(id, row->number)),
        CONTROL_TEXT("user", slice_from_str(row->user)),
        CONTROL_TEXT("address", buf_slice(&peer)),
        CONTROL_TEXT("tls", slice_from_str(tls_name(row->tls_version))),
        CONTROL_TEXT("device", control_u64(device, row->device)),
        CONTROL_TEXT("device_name", slice_from_str(row->device_name)),
        CONTROL_TEXT("age_sec", control_u64(age, (uint64_t) (now - row->started_us) / 1000000)),
        CONTROL_TEXT("quiet_sec",
                     control_u64(quiet, (uint64_t) (now - row->last_active_us) / 1000000)),
        CONTROL_TEXT("idle", row->idles ? SLICE("yes") : SLICE("no")),
        CONTROL_TEXT("client", slice_from_str(row->client_id)),
    };

    control_row(conn, fields, COUNT(fields));
}

static void session_list(struct control_conn *conn, const struct control_fields *fields,
                         void *ctx)
{
    AUTO(arena_freep) struct arena *arena = arena_new(SESSIONS_ARENA_BYTES);
    struct session_rows list = {.arena = arena};
    struct mail_role *mail = ctx;

    (void) fields;
    clients_list(mail->clients, keep_session, &list);
    for (size_t i = 0; i < list.n && !control_conn_failed(conn); i++)
        put_session(conn, &list.rows[i]);
    free(list.rows);
    control_end(conn, RC_OK, "");
}

static enum rc kick(struct mail_role *mail, const struct control_fields *fields,
                    uint64_t *out_ended, struct err *err)
{
    struct slice user;
    uint64_t id;
    enum rc rc;

    if (control_field_get(fields, "user", &user) && user.len > 0) {
        rc = mail_lookup_user(mail, user, &id, err);
        if (rc == RC_OK)
            *out_ended = clients_end(mail->clients, id, 0, 0, ORDER_KICKED);
        return rc;
    }
    rc = control_field_u64(fields, "session", &id, err);
    if (rc)
        return rc;
    if (!clients_kick(mail->clients, id))
        return err_set(err, RC_NOT_FOUND, "No such session", "session %llu",
                       (unsigned long long) id);
    *out_ended = 1;
    return RC_OK;
}

/* session (a number), or user (all of them) -> ended */
static void session_kick(struct control_conn *conn, const struct control_fields *fields,
                         void *ctx)
{
    char room[CONTROL_NUMBER_BYTES];
    uint64_t ended;
    struct err err;
    enum rc rc = kick(ctx, fields, &ended, &err);

    if (rc == RC_OK) {
        const struct control_field row = CONTROL_TEXT("ended", control_u64(room, ended));

        control_row(conn, &row, 1);
        log_event(LEVEL_INFO, "session.kicked", LOG_NUM("sessions", ended),
                  LOG_NUM("by_uid", control_conn_uid(conn)));
    }
    control_end_rc(conn, rc, &err);
}

/* ---- mailboxes ---- */

static struct slice use_names(uint32_t special_use, struct buf *room)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } uses[] = {
        {USE_ALL,     "All"    },
        {USE_ARCHIVE, "Archive"},
        {USE_DRAFTS,  "Drafts" },
        {USE_FLAGGED, "Flagged"},
        {USE_JUNK,    "Junk"   },
        {USE_SENT,    "Sent"   },
        {USE_TRASH,   "Trash"  },
    };

    for (size_t i = 0; i < COUNT(uses); i++)
        if ((special_use & uses[i].bit) != 0)
            buf_printf(room, "%s%s", room->len > 0 ? " " : "", uses[i].name);
    return buf_slice(room);
}

static void put_mailbox(struct control_conn *conn, const struct acct_state *state,
                        const struct mbox *mbox)
{
    const struct mbox_info *info = mbox_info(mbox);
    const struct mbox_counts *counts = mbox_counts(mbox);
    char messages[CONTROL_NUMBER_BYTES], unseen[CONTROL_NUMBER_BYTES],
        bytes[CONTROL_NUMBER_BYTES];
    char validity[CONTROL_NUMBER_BYTES], next[CONTROL_NUMBER_BYTES];
    AUTO(buf_done) struct buf uses = {.max = 256};
    const struct control_field fields[] = {
        CONTROL_TEXT("mailbox", info->name),
        CONTROL_TEXT("messages", control_u64(messages, counts->messages)),
        CONTROL_TEXT("unseen", control_u64(unseen, counts->unseen)),
        CONTROL_TEXT("bytes", control_u64(bytes, counts->bytes)),
        CONTROL_TEXT("uidvalidity", control_u64(validity, info->uidvalidity)),
        CONTROL_TEXT("uidnext", control_u64(next, counts->uidnext)),
        CONTROL_TEXT("use", use_names(info->special_use, &uses)),
        CONTROL_TEXT("subscribed",
                     acct_is_subscribed(state, info->name) ? SLICE("yes") : SLICE("no")),
    };

    control_row(conn, fields, COUNT(fields));
}

/* user -> a row for each mailbox */
static void mailbox_list(struct control_conn *conn, const struct control_fields *fields,
                         void *ctx)
{
    AUTO(account_closep) struct account *account = NULL;
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    struct err err;
    enum rc rc = mail_open_user(ctx, fields, &account, &err);

    if (rc == RC_OK) {
        state = account_read(account, 0);
        for (size_t i = 0; i < acct_mailbox_count(state) && !control_conn_failed(conn); i++)
            put_mailbox(conn, state, acct_mailbox_at(state, i));
    }
    control_end_rc(conn, rc, &err);
}

enum change { CHANGE_CREATE, CHANGE_ALL, CHANGE_DELETE, CHANGE_RENAME };

static enum rc apply_change(struct mail_txn *txn, enum change change, struct slice name,
                            struct slice to, struct err *err)
{
    enum rc rc;

    switch (change) {
    case CHANGE_CREATE:
    case CHANGE_ALL:
        rc = txn_create_mailbox(txn, name, change == CHANGE_ALL ? USE_ALL : 0, NULL, err);
        return rc ? rc : txn_subscribe(txn, name, true, err);
    case CHANGE_DELETE:
        rc = txn_delete_mailbox(txn, name, err);
        return rc ? rc : txn_subscribe(txn, name, false, err);
    case CHANGE_RENAME:
        return txn_rename_mailbox(txn, name, to, err);
    }
    return RC_OK;
}

static enum rc change_once(struct account *account, enum change change, struct slice name,
                           struct slice to, uint64_t *out_position, struct err *err)
{
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct actor nobody = {0};
    enum rc rc = txn_begin(account, &nobody, &txn, err);

    if (rc == RC_OK)
        rc = apply_change(txn, change, name, to, err);
    return rc ? rc : txn_commit(&txn, out_position, err);
}

static void change_mailbox(struct control_conn *conn, const struct control_fields *fields,
                           struct mail_role *mail, enum change change)
{
    static const char *const names[] = {"mailbox.created", "mailbox.created", "mailbox.deleted",
                                        "mailbox.renamed"};
    AUTO(account_closep) struct account *account = NULL;
    struct slice name, to = {0};
    unsigned tries = 0;
    uint64_t position;
    struct err err;
    enum rc rc = control_field_need(fields, "mailbox", &name, &err);

    if (rc == RC_OK && change == CHANGE_RENAME)
        rc = control_field_need(fields, "to", &to, &err);
    if (rc == RC_OK)
        rc = mail_open_user(mail, fields, &account, &err);
    if (rc == RC_OK)
        do {
            rc = change_once(account, change, name, to, &position, &err);
        } while (rc == RC_CONFLICT && ++tries < COMMIT_TRIES);
    if (rc == RC_OK) {
        account_wait_durable(account, position);
        log_event(LEVEL_INFO, names[change], LOG_ID("account", account_id(account)),
                  LOG_TEXT("mailbox", name), LOG_NUM("by_uid", control_conn_uid(conn)));
    }
    control_end_rc(conn, rc, &err);
}

/* user, mailbox */
static void mailbox_create(struct control_conn *conn, const struct control_fields *fields,
                           void *ctx)
{
    change_mailbox(conn, fields, ctx, CHANGE_CREATE);
}

/* user, mailbox */
static void mailbox_all(struct control_conn *conn, const struct control_fields *fields,
                        void *ctx)
{
    change_mailbox(conn, fields, ctx, CHANGE_ALL);
}

/* user, mailbox */
static void mailbox_delete(struct control_conn *conn, const struct control_fields *fields,
                           void *ctx)
{
    change_mailbox(conn, fields, ctx, CHANGE_DELETE);
}

/* user, mailbox, to */
static void mailbox_rename(struct control_conn *conn, const struct control_fields *fields,
                           void *ctx)
{
    change_mailbox(conn, fields, ctx, CHANGE_RENAME);
}

/* ---- figures ---- */

/* One row: sessions and what the store holds. */
static void store_status(struct control_conn *conn, const struct control_fields *in, void *ctx)
{
    struct mail_role *mail = ctx;
    struct engine *engine = mail_store_engine(mail->store);
    char room[8][CONTROL_NUMBER_BYTES], scrub[4][CONTROL_NUMBER_BYTES];
    struct engine_status status = {0};

    (void) in;
    engine->ops->status(engine, &status);
    const struct control_field fields[] = {
        CONTROL_TEXT("sessions", control_u64(room[0], clients_count(mail->clients))),
        CONTROL_TEXT("state", slice_from_str(status.state != NULL ? status.state : "")),
        CONTROL_TEXT("journal_bytes", control_u64(room[1], status.journal_bytes)),
        CONTROL_TEXT("unpacked_bytes", control_u64(room[2], status.unpacked_bytes)),
        CONTROL_TEXT("pack_bytes", control_u64(room[3], status.pack_bytes)),
        CONTROL_TEXT("checkpoint_bytes", control_u64(room[4], status.checkpoint_bytes)),
        CONTROL_TEXT("bodies", control_u64(room[5], status.bodies)),
        CONTROL_TEXT("commits", control_u64(room[6], status.commits)),
        CONTROL_TEXT("batches", control_u64(room[7], status.batches)),
        CONTROL_TEXT("scrub_ended", control_u64(scrub[0], (uint64_t) status.scrub_ended)),
        CONTROL_TEXT("scrub_findings", control_u64(scrub[1], status.scrub_findings)),
        CONTROL_TEXT("scrub_bytes", control_u64(scrub[2], status.scrub_bytes)),
        CONTROL_TEXT("scrub_running", control_u64(scrub[3], status.scrub_running)),
    };

    control_row(conn, fields, COUNT(fields));
    control_end(conn, RC_OK, "");
}

const struct control_verb mail_verbs[] = {
    {"status",           store_status,          NULL            },
    {"space",            mail_space,            NULL            },
    {"space.user",       mail_space_user,       NULL            },
    {"space.accounts",   mail_space_accounts,   NULL            },
    {"session.list",     session_list,          NULL            },
    {"session.kick",     session_kick,          NULL            },
    {"mailbox.list",     mailbox_list,          NULL            },
    {"mailbox.create",   mailbox_create,        NULL            },
    {"mailbox.all",      mailbox_all,           NULL            },
    {"mailbox.delete",   mailbox_delete,        NULL            },
    {"mailbox.rename",   mailbox_rename,        NULL            },
    {"acl.list",         mail_acl_list,         NULL            },
    {"acl.set",          mail_acl_set,          NULL            },
    {"quota.list",       mail_quota_list,       NULL            },
    {"quota.set",        mail_quota_set,        NULL            },
    {"undelete.list",    mail_undelete_list,    NULL            },
    {"undelete.restore", mail_undelete_restore, NULL            },
    {"import",           mail_import,           mail_import_data},
    {"export",           mail_export,           NULL            },
    {"scrub",            mail_scrub,            NULL            },
    {"check",            mail_check,            NULL            },
    {"backup",           mail_backup,           mail_backup_data},
};
const size_t mail_verbs_count = COUNT(mail_verbs);
