/*
 * mail_control_backup.c - the verb `backup`: the store keeps a moment while the command line
 * copies its files (store/local/backup.h).
 *
 * The request stays open as long as the files are needed, so the end of the connection lets go
 * of them, whatever became of the command line. Data packets are words: "kept" asks whether all
 * of it was kept so far, "taken" says that the copies are durable.
 */
#include "base/log.h"
#include "roles/mail_role.h"
#include "store/local/backup.h"

#define UUID_BYTES 33u

static void end_backup(void *state)
{
    local_backup_end(state);
}

static void put_file(struct control_conn *conn, const struct local_backup_file *file)
{
    char length[CONTROL_NUMBER_BYTES];
    const struct control_field fields[] = {
        CONTROL_TEXT("path", slice_from_str(file->path)),
        CONTROL_TEXT("name", slice_from_str(file->name)),
        CONTROL_TEXT("length", control_u64(length, file->length)),
        CONTROL_TEXT("pack", file->is_pack ? SLICE("yes") : SLICE("no")),
    };

    control_row(conn, fields, COUNT(fields));
}

static void put_point(struct control_conn *conn, const struct local_backup_point *point)
{
    char uuid[UUID_BYTES], lsn[CONTROL_NUMBER_BYTES], time[CONTROL_NUMBER_BYTES];
    const struct control_field fields[] = {
        CONTROL_TEXT("store", slice_of(uuid, 2 * sizeof(point->uuid))),
        CONTROL_TEXT("lsn", control_u64(lsn, point->lsn)),
        CONTROL_TEXT("time_us", control_u64(time, (uint64_t) point->time_us)),
    };

    for (size_t i = 0; i < sizeof(point->uuid); i++)
        (void) snprintf(uuid + 2 * i, 3, "%02x", point->uuid[i]);
    control_row(conn, fields, COUNT(fields));
}

/* -> a row for each file, then store, lsn, time_us; then words, until the end */
void mail_backup(struct control_conn *conn, const struct control_fields *fields, void *ctx)
{
    struct mail_role *mail = ctx;
    struct local_backup *backup;
    const struct local_backup_file *files;
    struct err err;
    size_t n;

    (void) fields;
    if (local_backup_begin(mail_store_engine(mail->store), &backup, &err) != RC_OK) {
        log_event(LEVEL_ERROR, "backup.failed", LOG_ERR(&err));
        control_end_err(conn, &err);
        return;
    }
    control_conn_set_state(conn, backup, end_backup);
    files = local_backup_files(backup, &n);
    for (size_t i = 0; i < n && !control_conn_failed(conn); i++)
        put_file(conn, &files[i]);
    put_point(conn, local_backup_point(backup));
    log_event(LEVEL_INFO, "backup.begun", LOG_NUM("files", n),
              LOG_NUM("lsn", local_backup_point(backup)->lsn),
              LOG_NUM("by_uid", control_conn_uid(conn)));
}

void mail_backup_data(struct control_conn *conn, struct slice bytes, bool end, void *ctx)
{
    struct local_backup *backup = control_conn_state(conn);
    struct err err;
    enum rc rc = local_backup_check(backup, &err);

    (void) ctx;
    if (end) {
        log_event(LEVEL_INFO, "backup.ended", LOG_STR("result", rc_name(rc)));
        control_end(conn, RC_OK, "");
        return;
    }
    if (slice_eq(bytes, SLICE("kept"))) {
        const struct control_field row =
            CONTROL_TEXT("kept", rc == RC_OK ? SLICE("yes") : SLICE("no"));

        control_row(conn, &row, 1);
    } else if (slice_eq(bytes, SLICE("taken"))) {
        local_backup_taken(backup);
    }
}
