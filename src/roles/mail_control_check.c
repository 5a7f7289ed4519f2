/* mail_control_check.c - `roost scrub` and `roost check` while the server runs. */
#include "base/clock.h"
#include "roles/check_rows.h"
#include "roles/mail_role.h"

/* ---- scrub ---- */

struct scrub_job {
    struct control_conn *conn;
    uint64_t total, told;
};

#define PROGRESS_BYTES ((uint64_t) 64 << 20)

static void put_finding(void *ctx, const struct scrub_finding *finding)
{
    struct scrub_job *job = ctx;
    char offset[CONTROL_NUMBER_BYTES], account[CONTROL_NUMBER_BYTES];
    const struct control_field fields[] = {
        CONTROL_TEXT("file", slice_from_str(finding->file)),
        CONTROL_TEXT("offset", control_u64(offset, finding->offset)),
        CONTROL_TEXT("what", slice_from_str(finding->what)),
        CONTROL_TEXT("account", control_u64(account, finding->account)),
        CONTROL_TEXT("lost", finding->is_derived ? SLICE("no") : SLICE("yes")),
    };

    control_row(job->conn, fields, COUNT(fields));
}

static bool scrub_goes_on(void *ctx, uint64_t bytes)
{
    struct scrub_job *job = ctx;

    if (bytes - job->told >= PROGRESS_BYTES) {
        job->told = bytes;
        control_progress(job->conn, bytes, MAX(job->total, bytes));
    }
    return !control_conn_failed(job->conn);
}

/* -> a row for each finding, and one with the sum */
void mail_scrub(struct control_conn *conn, const struct control_fields *fields, void *ctx)
{
    struct mail_role *mail = ctx;
    struct engine *engine = mail_store_engine(mail->store);
    struct engine_status status = {0};
    struct scrub_job job = {.conn = conn};
    char bytes[CONTROL_NUMBER_BYTES], findings[CONTROL_NUMBER_BYTES];
    uint64_t n_bytes = 0, n_findings = 0;
    struct err err;
    enum rc rc;

    (void) fields;
    engine->ops->status(engine, &status);
    job.total = status.journal_bytes + status.pack_bytes + status.checkpoint_bytes;
    rc = engine->ops->scrub(engine, &(struct scrub_watch){put_finding, scrub_goes_on, &job},
                            &n_bytes, &n_findings, &err);
    if (rc == RC_OK) {
        const struct control_field sum[] = {
            CONTROL_TEXT("bytes", control_u64(bytes, n_bytes)),
            CONTROL_TEXT("findings", control_u64(findings, n_findings)),
        };

        control_row(conn, sum, COUNT(sum));
    }
    control_end_rc(conn, rc, &err);
}

/* ---- check ---- */

#define PROGRESS_US 1000000

struct check_job {
    struct control_conn *conn;
    int64_t told_us;
};

static void put_row(void *ctx, const struct control_field *fields, size_t n)
{
    const struct check_job *job = ctx;

    control_row(job->conn, fields, n);
}

static bool check_goes_on(void *ctx, uint64_t messages)
{
    struct check_job *job = ctx;
    int64_t now_us = clock_mono_us();

    if (now_us - job->told_us >= PROGRESS_US) {
        job->told_us = now_us;
        control_progress(job->conn, messages, 0);
    }
    return !control_conn_failed(job->conn);
}

/* user (all accounts without), repair ("yes") -> a row for each loss, and one with the sums */
void mail_check(struct control_conn *conn, const struct control_fields *fields, void *ctx)
{
    struct mail_role *mail = ctx;
    struct check_job job = {.conn = conn};
    const struct check_out out = {put_row, check_goes_on, &job};
    struct slice user, word;
    uint64_t account = 0;
    struct err err;
    bool repair = control_field_get(fields, "repair", &word) && slice_eq(word, SLICE("yes"));
    enum rc rc = RC_OK;

    if (control_field_get(fields, "user", &user) && user.len > 0)
        rc = mail_lookup_user(mail, user, &account, &err);
    if (rc == RC_OK)
        rc = check_rows(mail->store, account, repair, &out, &err);
    control_end_rc(conn, rc, &err);
}
