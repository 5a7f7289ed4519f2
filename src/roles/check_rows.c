/* check_rows.c - losses and sums as rows; a store opened for this alone. */
#include "roles/check_rows.h"

#include <time.h>

#include "base/log.h"
#include "mailbox/repair.h"
#include "roles/offline.h"
#include "roles/salvage_journal.h"
#include "store/local/local.h"

#define TIME_BYTES   32u
#define REASON_BYTES 256u

struct job {
    const struct check_out *out;
    struct check_sum sum;
};

static void put_loss(void *ctx, const struct check_loss *loss)
{
    static const char *const kinds[] = {
        [CHECK_ACCOUNT] = "account", [CHECK_MAILBOX] = "mailbox", [CHECK_MESSAGE] = "message"};
    const struct job *job = ctx;
    char room[5][CONTROL_NUMBER_BYTES];
    const struct control_field fields[] = {
        CONTROL_TEXT("lost", slice_from_str(kinds[loss->kind])),
        CONTROL_TEXT("account", control_u64(room[0], loss->account)),
        CONTROL_TEXT("mailbox", loss->mailbox),
        CONTROL_TEXT("uid", control_u64(room[1], loss->uid)),
        CONTROL_TEXT("messages", control_u64(room[2], loss->messages)),
        CONTROL_TEXT("size", control_u64(room[3], loss->size)),
        CONTROL_TEXT("date",
                     control_u64(room[4], (uint64_t) MAX(loss->internaldate, (int64_t) 0))),
        CONTROL_TEXT("error", slice_from_str(loss->err->detail)),
    };

    job->out->row(job->out->ctx, fields, COUNT(fields));
    log_event(LEVEL_ERROR, "store.lost", LOG_STR("what", kinds[loss->kind]),
              LOG_ID("account", loss->account), LOG_TEXT("mailbox", loss->mailbox),
              LOG_NUM("uid", loss->uid), LOG_ERR(loss->err));
}

static bool goes_on(void *ctx)
{
    const struct job *job = ctx;

    return job->out->goes_on(job->out->ctx, job->sum.messages);
}

static void put_sum(const struct job *job)
{
    const struct check_sum *sum = &job->sum;
    char room[8][CONTROL_NUMBER_BYTES];
    const struct control_field fields[] = {
        CONTROL_TEXT("accounts", control_u64(room[0], sum->accounts)),
        CONTROL_TEXT("mailboxes", control_u64(room[1], sum->mailboxes)),
        CONTROL_TEXT("messages", control_u64(room[2], sum->messages)),
        CONTROL_TEXT("bytes", control_u64(room[3], sum->bytes)),
        CONTROL_TEXT("lost_accounts", control_u64(room[4], sum->lost_accounts)),
        CONTROL_TEXT("lost_mailboxes", control_u64(room[5], sum->lost_mailboxes)),
        CONTROL_TEXT("lost_messages", control_u64(room[6], sum->lost_messages)),
        CONTROL_TEXT("repaired", control_u64(room[7], sum->repaired)),
    };

    job->out->row(job->out->ctx, fields, COUNT(fields));
}

static enum rc check_rows_of(struct mail_store *store, uint64_t account, bool repair,
                             struct job job, struct err *err)
{
    const struct check_watch watch = {put_loss, goes_on, &job};
    enum rc rc;

    if (repair)
        rc = repair_store(store, account, &watch, &job.sum, err);
    else
        rc = account != 0 ? check_account(store, account, &watch, &job.sum, err)
                          : check_store(store, &watch, &job.sum, err);
    if (!rc)
        put_sum(&job);
    return rc;
}

enum rc check_rows(struct mail_store *store, uint64_t account, bool repair,
                   const struct check_out *out, struct err *err)
{
    return check_rows_of(store, account, repair, (struct job){.out = out}, err);
}

/* ---- a journal that has lost groups ---- */

static void put_told(const struct job *job, const char *what, uint64_t account,
                     uint64_t messages, uint64_t bytes, int64_t date, const char *why)
{
    char room[4][CONTROL_NUMBER_BYTES];
    const struct control_field fields[] = {
        CONTROL_TEXT("lost", slice_from_str(what)),
        CONTROL_TEXT("account", control_u64(room[0], account)),
        CONTROL_TEXT("mailbox", SLICE("")),
        CONTROL_TEXT("uid", SLICE("0")),
        CONTROL_TEXT("messages", control_u64(room[1], messages)),
        CONTROL_TEXT("size", control_u64(room[2], bytes)),
        CONTROL_TEXT("date", control_u64(room[3], (uint64_t) MAX(date, (int64_t) 0))),
        CONTROL_TEXT("error", slice_from_str(why)),
    };

    job->out->row(job->out->ctx, fields, COUNT(fields));
}

/* unknown: what a clock that is not known is called. */
static void write_time(char out[TIME_BYTES], int64_t us, const char *unknown)
{
    time_t sec = (time_t) (us / 1000000);
    struct tm tm;

    if (us <= 0 || gmtime_r(&sec, &tm) == NULL ||
        strftime(out, TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        (void) snprintf(out, TIME_BYTES, "%s", unknown);
}

static void put_lost_groups(void *ctx, const struct lost_groups *lost)
{
    const struct job *job = ctx;
    char after[TIME_BYTES], before[TIME_BYTES], why[REASON_BYTES];

    write_time(after, lost->after_us, "the last checkpoint");
    write_time(before, lost->before_us, "the stop");
    if (lost->last < lost->first)
        (void) snprintf(why, sizeof(why),
                        "log/%016llx.seg at %llu: bytes of messages, no changes",
                        (unsigned long long) lost->segment, (unsigned long long) lost->offset);
    else
        (void) snprintf(why, sizeof(why),
                        "log/%016llx.seg at %llu: changes %llu to %llu, between %s and %s",
                        (unsigned long long) lost->segment, (unsigned long long) lost->offset,
                        (unsigned long long) lost->first, (unsigned long long) lost->last,
                        after, before);
    put_told(job, "journal", 0, 0, lost->bytes, lost->after_us / 1000000, why);
}

static void put_salvaged(void *ctx, const struct salvage_account *account)
{
    struct job *job = ctx;
    char why[REASON_BYTES];

    (void) snprintf(why, sizeof(why),
                    "%s; new UIDVALIDITY for %u mailboxes; of later changes %llu kept, %llu "
                    "refused; messages: in Recovered/",
                    account->has_known_loss ? "changes are missing" : "changes may be missing",
                    account->mailboxes, (unsigned long long) account->applied,
                    (unsigned long long) account->refused);
    job->sum.repaired++;
    put_told(job, "changes", account->account, account->saved, 0, 0, why);
}

enum rc check_rows_offline(const char *path, uint64_t account, bool repair,
                           const struct check_out *out, struct err *err)
{
    struct mail_store_options options = {.digester = &offline_digester};
    struct mail_store *store;
    struct job job = {.out = out};
    const struct salvage_out salvage = {
        put_lost_groups, {put_salvaged, &job},
         &job
    };
    enum rc rc = repair ? salvage_journal(path, &salvage, err) : RC_OK;

    if (!rc)
        rc = local_engine_open(&(struct local_options){.path = path}, &options.engine, err);
    if (rc)
        return rc;
    store = mail_store_new(&options);
    rc = check_rows_of(store, account, repair, job, err);
    mail_store_close(store);
    return rc;
}
