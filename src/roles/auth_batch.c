/*
 * auth_batch.c - many users at once: lines of data, a transaction for each packet of them.
 *
 * A line that is refused is named in a row and the others go on. What succeeded is told to
 * mail, and the passwords are shown, only after the commit.
 */
#include "base/log.h"
#include "ipc/control.h"
#include "roles/auth_role.h"

#define LINE_MAX_BYTES PASSWD_LINE_MAX_BYTES
#define BATCH_MAX_BYTES                                                                        \
    ((size_t) 16 << 20) /* what one packet of 64 KiB of lines can come to                      \
                         */

enum batch_kind { BATCH_USERS, BATCH_HASHES };

/* A line that was taken, until the commit. */
struct done_line {
    struct done_line *next;
    struct slice name;
    bool created, changed;
    struct admin_device device; /* .device 0: none */
};

struct batch {
    enum batch_kind kind;
    struct buf rest; /* of a line whose end has not come */
    uint64_t n_lines, n_bad;
    struct arena *arena;
    struct done_line *first, **last;
};

static void batch_free(void *state)
{
    struct batch *batch = state;

    buf_done(&batch->rest);
    arena_free(batch->arena);
    free(batch);
}

static void batch_begin(struct control_conn *conn, enum batch_kind kind)
{
    struct batch *batch = xcalloc(1, sizeof(*batch));

    batch->kind = kind;
    batch->arena = arena_new(BATCH_MAX_BYTES);
    batch->last = &batch->first;
    buf_init(&batch->rest, LINE_MAX_BYTES);
    control_conn_set_state(conn, batch, batch_free);
}

/* Lines with a name each: an account with a first device, whose password comes back in a row.
 */
void auth_batch_users(struct control_conn *conn, const struct control_fields *fields, void *ctx)
{
    (void) fields;
    (void) ctx;
    batch_begin(conn, BATCH_USERS);
}

/* Lines of a passwd-file: accounts get those passwords, and are made if they are not there. */
void auth_batch_hashes(struct control_conn *conn, const struct control_fields *fields,
                       void *ctx)
{
    (void) fields;
    (void) ctx;
    batch_begin(conn, BATCH_HASHES);
}

static enum rc import_account(struct auth_role *auth, const struct passwd_entry *entry,
                              struct slice hash, struct batch *batch, struct done_line *done,
                              struct err *err)
{
    struct auth_account account;
    enum rc rc = auth_db_find_account(auth->db, auth_key_slice(&entry->key), batch->arena,
                                      &account, err);

    done->name = arena_dup(batch->arena, auth_key_slice(&entry->name));
    if (rc == RC_NOT_FOUND) {
        done->created = true;
        rc = auth_check_taking(auth, NULL, done->name, err);
        if (rc == RC_OK)
            rc = auth_db_add_account(auth->db, done->name, ACCOUNT_OWN, &account.id, err);
    } else if (rc == RC_OK) {
        done->changed = !slice_eq(account.password, hash);
    }
    if (rc == RC_OK && (done->created || done->changed))
        rc = auth_db_set_password(auth->db, account.id, hash, err);
    done->device.account = account.id;
    return rc;
}

static enum rc import_line(struct auth_role *auth, struct slice line, struct batch *batch,
                           struct done_line *done, struct err *err)
{
    AUTO(buf_done) struct buf hash = {.max = PASSWD_LINE_MAX_BYTES};
    struct passwd_entry entry;
    enum rc rc = passwd_parse_line(line, &entry, err);

    if (rc)
        return rc;
    password_hash_print(&entry.hash, &hash);
    rc = auth_db_begin(auth->db, err);
    if (rc)
        return rc;
    rc = import_account(auth, &entry, buf_slice(&hash), batch, done, err);
    return auth_db_end(auth->db, rc, err);
}

/* RC_NOT_FOUND: an empty line or a comment. */
static enum rc add_line(struct auth_role *auth, struct slice line, struct batch *batch,
                        struct done_line *done, struct err *err)
{
    enum rc rc;

    line = slice_trim(line);
    if (line.len == 0 || line.ptr[0] == '#')
        return RC_NOT_FOUND;
    done->name = arena_dup(batch->arena, line);
    done->created = true;
    rc = auth_check_taking(auth, NULL, done->name, err);
    if (rc)
        return rc;
    return auth_admin_add_user(auth->db, done->name, SLICE(AUTH_FIRST_DEVICE), &done->device,
                               err);
}

static void refuse_line(struct control_conn *conn, struct batch *batch, const struct err *err)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%llu", (unsigned long long) batch->n_lines);
    const struct control_field row[] = {
        CONTROL_TEXT("line", slice_of(text, (size_t) len)),
        CONTROL_TEXT("error", slice_from_str(err->text)),
        CONTROL_TEXT("detail", slice_from_str(err->detail)),
    };

    batch->n_bad++;
    control_row(conn, row, COUNT(row));
}

static void take_line(struct auth_role *auth, struct control_conn *conn, struct batch *batch)
{
    struct done_line *done = ARENA_NEW(batch->arena, struct done_line);
    struct slice line = buf_slice(&batch->rest);
    struct err err;
    enum rc rc;

    batch->n_lines++;
    if (slice_ends(line, SLICE("\r")))
        line.len--;
    if (batch->rest.overflow)
        rc = err_set(&err, RC_LIMIT, "Line is too long", "over %u bytes", LINE_MAX_BYTES);
    else if (batch->kind == BATCH_USERS)
        rc = add_line(auth, line, batch, done, &err);
    else
        rc = import_line(auth, line, batch, done, &err);
    buf_reset(&batch->rest);
    if (rc == RC_OK) {
        *batch->last = done;
        batch->last = &done->next;
    } else if (rc != RC_NOT_FOUND) {
        refuse_line(conn, batch, &err);
    }
}

/* Whole lines of this packet, the first one completed by what was left before. */
static void take_lines(struct auth_role *auth, struct control_conn *conn, struct batch *batch,
                       struct slice bytes, bool is_end)
{
    struct scan sc = scan_of(bytes);
    struct slice line;

    while (scan_until(&sc, '\n', &line)) {
        (void) scan_byte(&sc, '\n');
        buf_append(&batch->rest, line);
        take_line(auth, conn, batch);
    }
    buf_append(&batch->rest, scan_rest(&sc));
    if (is_end && (batch->rest.len > 0 || batch->rest.overflow))
        take_line(auth, conn, batch);
}

/* The commit is through: tell mail, show the passwords, forget them. */
static void tell_done(struct auth_role *auth, struct control_conn *conn, struct batch *batch)
{
    for (struct done_line *done = batch->first; done != NULL; done = done->next) {
        if (done->created)
            auth_announce_created(auth, done->device.account, done->name);
        if (done->changed) {
            auth_revoke(auth, REVOKE_DEVICE, done->device.account, 0, "password changed");
            enrol_forget(auth->enrol, done->device.account);
        }
        if (done->device.device != 0) {
            auth_device_row(auth, conn, done->name, &done->device);
            auth_scram_learn_new(auth, done->name, &done->device);
        }
        admin_device_wipe(&done->device);
    }
    batch->first = NULL;
    batch->last = &batch->first;
    arena_reset(batch->arena);
}

static void end_batch(struct auth_role *auth, struct control_conn *conn,
                      const struct batch *batch)
{
    uint64_t n_bad = batch->n_bad;
    char text[TOLD_TEXT_BYTES];

    (void) snprintf(text, sizeof(text), "%llu lines, %llu refused",
                    (unsigned long long) batch->n_lines, (unsigned long long) n_bad);
    log_event(LEVEL_INFO, "account.batch", LOG_NUM("lines", batch->n_lines),
              LOG_NUM("refused", n_bad), LOG_NUM("by_uid", control_conn_uid(conn)));
    auth_told_end(auth, conn, n_bad > 0 ? RC_INVALID : RC_OK, text);
}

void auth_batch_data(struct control_conn *conn, struct slice bytes, bool is_end, void *ctx)
{
    struct auth_role *auth = ctx;
    struct batch *batch = control_conn_state(conn);
    struct err err;
    enum rc rc = auth_db_begin(auth->db, &err);

    if (rc == RC_OK) {
        take_lines(auth, conn, batch, bytes, is_end);
        rc = auth_db_commit(auth->db, &err);
    }
    if (rc) {
        control_end_err(conn, &err);
        return;
    }
    tell_done(auth, conn, batch);
    if (is_end)
        end_batch(auth, conn, batch);
}
