/*
 * auth_verbs_totp.c - what the command line may ask of auth about second factors. A secret and
 * recovery codes are in the answer of the request that makes them, and nowhere else.
 */
#include <sodium.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/control.h"
#include "roles/auth_role.h"

static enum rc begin(struct auth_role *auth, struct control_conn *conn,
                     const struct control_fields *fields, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(RESOLVE_ARENA_BYTES);
    AUTO(buf_done) struct buf uri = {.max = TOTP_URI_MAX_BYTES, .secret = true};
    char shown[TOTP_SECRET_CHARS + 1];
    struct auth_account account;
    struct totp_secret secret;
    enum rc rc = auth_account_of(auth, fields, "user", arena, &account, err);

    if (rc == RC_OK)
        rc = factor_begin(auth->db, account.id, &secret, err);
    if (rc)
        return rc;
    auth_log_change(conn, "totp.begun", account.name);
    totp_secret_show(&secret, shown);
    totp_print_uri(&uri, slice_from_str(auth->start->config->hostname), account.name, &secret);
    const struct control_field row[] = {
        CONTROL_TEXT("user", account.name),
        CONTROL_TEXT("secret", slice_from_str(shown)),
        CONTROL_TEXT("uri", buf_slice(&uri)),
    };

    control_row(conn, row, COUNT(row));
    sodium_memzero(shown, sizeof(shown));
    totp_secret_wipe(&secret);
    return RC_OK;
}

/* user -> user, secret, uri: for an app; totp.confirm with its first code enables it */
void auth_totp_begin(struct control_conn *conn, const struct control_fields *fields, void *ctx)
{
    struct err err;

    auth_end(conn, begin(ctx, conn, fields, &err), &err);
}

static void show_codes(struct control_conn *conn, struct recovery_codes *codes)
{
    char shown[RECOVERY_SHOWN_BYTES];

    for (size_t i = 0; i < RECOVERY_CODES; i++) {
        recovery_show(&codes->code[i], shown);
        const struct control_field row = CONTROL_TEXT("recovery_code", slice_from_str(shown));

        control_row(conn, &row, 1);
    }
    sodium_memzero(shown, sizeof(shown));
    recovery_codes_wipe(codes);
}

static enum rc confirm(struct auth_role *auth, struct control_conn *conn,
                       const struct control_fields *fields, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(RESOLVE_ARENA_BYTES);
    struct auth_account account;
    struct recovery_codes codes;
    struct slice code;
    enum rc rc = auth_account_of(auth, fields, "user", arena, &account, err);

    if (rc == RC_OK)
        rc = auth_needed(fields, "code", &code, err);
    if (rc == RC_OK)
        rc = factor_confirm(auth->db, account.id, code, clock_wall_sec(), &codes, err);
    if (rc)
        return rc;
    auth_log_change(conn, "totp.enabled", account.name);
    show_codes(conn, &codes);
    return RC_OK;
}

/* user, code -> recovery_code, a row each */
void auth_totp_confirm(struct control_conn *conn, const struct control_fields *fields,
                       void *ctx)
{
    struct err err;

    auth_end(conn, confirm(ctx, conn, fields, &err), &err);
}

static enum rc new_codes(struct auth_role *auth, struct control_conn *conn,
                         const struct control_fields *fields, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(RESOLVE_ARENA_BYTES);
    struct auth_account account;
    struct recovery_codes codes;
    enum rc rc = auth_account_of(auth, fields, "user", arena, &account, err);

    if (rc == RC_OK)
        rc = factor_new_codes(auth->db, account.id, &codes, err);
    if (rc)
        return rc;
    auth_log_change(conn, "totp.codes", account.name);
    show_codes(conn, &codes);
    return RC_OK;
}

/* user -> recovery_code, a row each; those that were there are void */
void auth_totp_codes(struct control_conn *conn, const struct control_fields *fields, void *ctx)
{
    struct err err;

    auth_end(conn, new_codes(ctx, conn, fields, &err), &err);
}

static enum rc disable(struct auth_role *auth, struct control_conn *conn,
                       const struct control_fields *fields, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(RESOLVE_ARENA_BYTES);
    struct auth_account account;
    enum rc rc = auth_account_of(auth, fields, "user", arena, &account, err);

    if (rc == RC_OK)
        rc = factor_forget(auth->db, account.id, err);
    if (rc)
        return rc;
    enrol_forget(auth->enrol, account.id);
    auth_log_change(conn, "totp.disabled", account.name);
    return RC_OK;
}

/* user */
void auth_totp_disable(struct control_conn *conn, const struct control_fields *fields,
                       void *ctx)
{
    struct err err;

    auth_end(conn, disable(ctx, conn, fields, &err), &err);
}

static enum rc status(struct auth_role *auth, struct control_conn *conn,
                      const struct control_fields *fields, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(RESOLVE_ARENA_BYTES);
    char since[AUTH_NUMBER_BYTES], left[AUTH_NUMBER_BYTES];
    struct totp_row totp = {.created = 0};
    struct slice state = SLICE("none");
    struct auth_account account;
    uint64_t n_left = 0;
    enum rc rc = auth_account_of(auth, fields, "user", arena, &account, err);

    if (rc)
        return rc;
    rc = auth_db_get_totp(auth->db, account.id, &totp, err);
    if (rc == RC_OK)
        state = totp.state == TOTP_ENABLED ? SLICE("enabled") : SLICE("begun");
    if (rc == RC_OK || rc == RC_NOT_FOUND)
        rc = auth_db_count_recovery(auth->db, account.id, &n_left, err);
    if (rc)
        return rc;
    const struct control_field row[] = {
        CONTROL_TEXT("user", account.name),
        CONTROL_TEXT("state", state),
        CONTROL_TEXT("since", auth_number(since, totp.created)),
        CONTROL_TEXT("codes_left", auth_number(left, (int64_t) n_left)),
    };

    control_row(conn, row, COUNT(row));
    return RC_OK;
}

/* user -> user, state (none, begun, enabled), since, codes_left */
void auth_totp_status(struct control_conn *conn, const struct control_fields *fields, void *ctx)
{
    struct err err;

    auth_end(conn, status(ctx, conn, fields, &err), &err);
}
