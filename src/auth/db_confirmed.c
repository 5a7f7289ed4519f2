#include "auth/db.h"
#include "auth/db_stmt.h"

/* Addresses of one connection change within these, of a house or of a provider's part of town.
 */
#define CONFIRMED_BITS_V4 24u
#define CONFIRMED_BITS_V6 48u

void confirmed_network(const struct ipaddr *address, char out[IPNET_TEXT_MAX_BYTES])
{
    unsigned bits = address->family == IPADDR_V4 ? CONFIRMED_BITS_V4 : CONFIRMED_BITS_V6;
    struct ipaddr network = ipaddr_prefix(address, bits);
    AUTO(buf_done) struct buf text = {.max = IPNET_TEXT_MAX_BYTES};

    ipaddr_print(&text, &network);
    if (address->family != IPADDR_NONE)
        buf_printf(&text, "/%u", bits);
    (void) snprintf(out, IPNET_TEXT_MAX_BYTES, "%.*s", SLICE_ARG(buf_slice(&text)));
}

static enum rc prune(struct auth_db *db, uint64_t account, int64_t now, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_CONFIRMED_PRUNE);

    stmt_bind_id(&stmt, account);
    stmt_bind_int(&stmt, now);
    return stmt_run(&stmt, err);
}

static enum rc check_room(struct auth_db *db, uint64_t account, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_CONFIRMED_COUNT);
    enum rc rc;

    stmt_bind_id(&stmt, account);
    rc = stmt_row(&stmt, "No count", err);
    if (rc)
        return rc;
    if (stmt_int(&stmt, 0) >= CONFIRMED_PER_ACCOUNT_MAX)
        return err_set(err, RC_LIMIT, "Too many confirmed networks of one user",
                       "confirmed: over %u", CONFIRMED_PER_ACCOUNT_MAX);
    return RC_OK;
}

static enum rc put(struct auth_db *db, const struct auth_confirmed *confirmed, int64_t now,
                   struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_CONFIRMED_PUT);

    stmt_bind_id(&stmt, confirmed->account);
    stmt_bind_int(&stmt, (int64_t) confirmed->device);
    stmt_bind_text(&stmt, slice_from_str(confirmed->network));
    stmt_bind_int(&stmt, now);
    stmt_bind_int(&stmt, confirmed->until);
    return stmt_run(&stmt, err);
}

enum rc auth_db_confirm(struct auth_db *db, const struct auth_confirmed *confirmed, int64_t now,
                        struct err *err)
{
    enum rc rc = auth_db_begin(db, err);

    if (rc)
        return rc;
    rc = prune(db, confirmed->account, now, err);
    if (rc == RC_OK)
        rc = check_room(db, confirmed->account, err);
    if (rc == RC_OK)
        rc = put(db, confirmed, now, err);
    return auth_db_end(db, rc, err);
}

/* Is there a row? */
static enum rc has_row(struct stmt *stmt, bool *out, struct err *err)
{
    enum rc rc = stmt_row(stmt, "None", err);

    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return rc;
    *out = rc == RC_OK;
    return RC_OK;
}

enum rc auth_db_is_confirmed(struct auth_db *db, uint64_t account, uint64_t device,
                             const struct ipaddr *address, int64_t now, bool *out,
                             struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_CONFIRMED_HAS);
    char network[IPNET_TEXT_MAX_BYTES];

    confirmed_network(address, network);
    stmt_bind_id(&stmt, account);
    stmt_bind_int(&stmt, (int64_t) device);
    stmt_bind_text(&stmt, slice_from_str(network));
    stmt_bind_int(&stmt, now);
    return has_row(&stmt, out, err);
}

enum rc auth_db_confirmed_ended(struct auth_db *db, int64_t from, int64_t to, bool *out,
                                struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_CONFIRMED_ENDED);

    stmt_bind_int(&stmt, from);
    stmt_bind_int(&stmt, to);
    return has_row(&stmt, out, err);
}

enum rc auth_db_forget_confirmed(struct auth_db *db, uint64_t account, uint64_t device,
                                 struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_CONFIRMED_FORGET);

    stmt_bind_id(&stmt, account);
    stmt_bind_int(&stmt, (int64_t) device);
    return stmt_run(&stmt, err);
}

enum rc auth_db_each_confirmed(struct auth_db *db, uint64_t account, int64_t now,
                               auth_confirmed_fn *fn, void *ctx, struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_CONFIRMED_EACH);
    AUTO(arena_freep) struct arena *arena = arena_new(DB_ROW_MAX_BYTES);
    enum rc rc;

    stmt_bind_id(&stmt, account);
    stmt_bind_int(&stmt, now);
    while ((rc = stmt_row(&stmt, "No more", err)) == RC_OK) {
        struct auth_confirmed row = {
            .account = account, .device = stmt_id(&stmt, 0), .until = stmt_int(&stmt, 2)};

        (void) snprintf(row.network, sizeof(row.network), "%.*s",
                        SLICE_ARG(stmt_text(&stmt, 1, arena)));
        if (!fn(ctx, &row))
            return RC_OK;
        arena_reset(arena);
    }
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}
