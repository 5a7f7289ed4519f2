/*
 * auth_damage.c - the database of credentials read wholly, at the start, once a day and when an
 * administrator asks, so that damage is told before somebody needs the page it lies in.
 *
 * Damage ends nothing: what lies in other pages is as good as before, and who needs a damaged
 * page is told to try again later.
 */
#include "base/log.h"
#include "roles/auth_role.h"

#define DAMAGE_CHECK_US (INT64_C(24) * 3600 * 1000000)

static void tell(const struct db_damage *damage)
{
    if (damage->damaged > 0)
        log_event(LEVEL_ERROR, "auth.damaged", LOG_STR("file", "auth.db"),
                  LOG_NUM("pages", damage->pages), LOG_NUM("damaged", damage->damaged),
                  LOG_NUM("first", damage->first));
}

static enum rc check(struct auth_role *auth, struct db_damage *out, struct err *err)
{
    enum rc rc = auth_db_check(auth->db, out, err);

    if (rc)
        log_event(LEVEL_ERROR, "auth.check_failed", LOG_ERR(err));
    else
        tell(out);
    return rc;
}

static void on_timer(void *ctx)
{
    struct auth_role *auth = ctx;
    struct db_damage damage;
    struct err err;

    (void) check(auth, &damage, &err); /* it is logged, and tried again */
    timer_start(auth->loop, &auth->damage_timer, DAMAGE_CHECK_US, on_timer, auth);
}

void auth_damage_start(struct auth_role *auth)
{
    on_timer(auth);
}

void auth_damage_done(struct auth_role *auth)
{
    if (auth->loop != NULL)
        timer_stop(auth->loop, &auth->damage_timer);
}

/* -> a row if pages are damaged, and one with the sum, as mail's verb has them */
void auth_scrub(struct control_conn *conn, const struct control_fields *fields, void *ctx)
{
    struct auth_role *auth = ctx;
    char offset[AUTH_NUMBER_BYTES], bytes[AUTH_NUMBER_BYTES], what[64];
    struct db_damage damage = {0};
    struct err err;
    enum rc rc = check(auth, &damage, &err);

    (void) fields;
    (void) snprintf(what, sizeof(what), "%llu of %llu pages of credentials",
                    (unsigned long long) damage.damaged, (unsigned long long) damage.pages);
    if (rc == RC_OK && damage.damaged > 0) {
        const struct control_field row[] = {
            CONTROL_TEXT("file", SLICE("auth.db")),
            CONTROL_TEXT("offset",
                         auth_number(offset, (int64_t) (damage.first - 1) * AUTH_PAGE_BYTES)),
            CONTROL_TEXT("what", slice_from_str(what)),
            CONTROL_TEXT("account", SLICE("0")),
            CONTROL_TEXT("lost", SLICE("yes")),
        };

        control_row(conn, row, COUNT(row));
    }
    if (rc == RC_OK) {
        const struct control_field sum =
            CONTROL_TEXT("bytes", auth_number(bytes, (int64_t) damage.pages * AUTH_PAGE_BYTES));

        control_row(conn, &sum, 1);
    }
    auth_end(conn, rc, &err);
}
