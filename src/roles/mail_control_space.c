/* mail_control_space.c - what the store and its accounts take: `roost status --space`. */
#include "account/kept.h"
#include "mailbox/shares.h"
#include "roles/mail_role.h"

#define HEX_BYTES        17u
#define ACCOUNTS_TOP_MAX 10000u
#define PROGRESS_EACH    64u /* accounts */

struct account_figures {
    uint64_t account;
    struct account_space space;
    struct acct_kept kept; /* for undelete */
};

/* "0.38"; "-" of nothing. */
static struct slice ratio(char room[CONTROL_NUMBER_BYTES], uint64_t stored, uint64_t raw)
{
    if (raw == 0)
        return SLICE("-");
    (void) snprintf(room, CONTROL_NUMBER_BYTES, "%.2f", (double) stored / (double) raw);
    return slice_from_str(room);
}

static struct acct_kept kept_of(struct account *account)
{
    AUTO(acct_unrefp) struct acct_state *state = account_read(account, 0);

    return acct_kept(state);
}

static enum rc figures_of(struct mail_role *mail, struct account *account,
                          struct account_figures *out, struct err *err)
{
    struct engine *engine = mail_store_engine(mail->store);

    out->account = account_id(account);
    out->kept = kept_of(account);
    return engine->ops->account_space(engine, out->account, &out->space, err);
}

/* Of shared accounts, which are no users, and of the register; else empty. */
static struct slice name_of(const struct principals *people, uint64_t account)
{
    const struct principal *who = principals_by_id(people, account);

    if (account == SHARES_ACCOUNT)
        return SLICE("register of shares");
    return who != NULL && who->kind == PRINCIPAL_SHARED ? who->name : SLICE("");
}

static void put_account(struct control_conn *conn, struct mail_role *mail,
                        const struct account_figures *figures)
{
    AUTO(principals_unrefp) struct principals *people = mail_store_principals(mail->store);
    char hex[HEX_BYTES], room[6][CONTROL_NUMBER_BYTES];

    (void) snprintf(hex, sizeof(hex), "%016llx", (unsigned long long) figures->account);
    const struct control_field fields[] = {
        CONTROL_TEXT("account", slice_from_str(hex)),
        CONTROL_TEXT("name", name_of(people, figures->account)),
        CONTROL_TEXT("bodies", control_u64(room[0], figures->space.bodies)),
        CONTROL_TEXT("raw_bytes", control_u64(room[1], figures->space.raw_bytes)),
        CONTROL_TEXT("stored_bytes", control_u64(room[2], figures->space.stored_bytes)),
        CONTROL_TEXT("ratio",
                     ratio(room[3], figures->space.stored_bytes, figures->space.raw_bytes)),
        CONTROL_TEXT("kept_messages", control_u64(room[4], figures->kept.messages)),
        CONTROL_TEXT("kept_bytes", control_u64(room[5], figures->kept.bytes)),
    };

    control_row(conn, fields, COUNT(fields));
}

/* user -> one row */
void mail_space_user(struct control_conn *conn, const struct control_fields *fields, void *ctx)
{
    AUTO(account_closep) struct account *account = NULL;
    struct account_figures figures;
    struct mail_role *mail = ctx;
    struct err err;
    enum rc rc = mail_open_user(mail, fields, &account, &err);

    if (rc == RC_OK)
        rc = figures_of(mail, account, &figures, &err);
    if (rc == RC_OK)
        put_account(conn, mail, &figures);
    control_end_rc(conn, rc, &err);
}

/* ---- all accounts ---- */

struct walk {
    struct mail_role *mail;
    struct control_conn *conn;
    uint64_t *accounts;
    size_t n;
};

static bool keep_id(void *ctx, uint64_t account)
{
    struct walk *walk = ctx;

    walk->accounts = xrealloc(walk->accounts, (walk->n + 1) * sizeof(*walk->accounts));
    walk->accounts[walk->n++] = account;
    return true;
}

/* fn for each account that can be opened; one that cannot is the log's and `roost check`'s. */
static enum rc each_account(struct walk *walk, void (*fn)(void *ctx, struct account *account),
                            void *ctx, struct err *err)
{
    struct engine *engine = mail_store_engine(walk->mail->store);
    enum rc rc = engine->ops->list(engine, keep_id, walk, err);

    for (size_t i = 0; i < walk->n && !rc && !control_conn_failed(walk->conn); i++) {
        AUTO(account_closep) struct account *account = NULL;

        if (account_open(walk->mail->store, walk->accounts[i], false, &account, NULL) == RC_OK)
            fn(ctx, account);
        if (i % PROGRESS_EACH == 0)
            control_progress(walk->conn, i, walk->n);
    }
    free(walk->accounts);
    return rc;
}

static void add_kept(void *ctx, struct account *account)
{
    struct acct_kept *sum = ctx;
    struct acct_kept kept = kept_of(account);

    sum->messages += kept.messages;
    sum->bytes += kept.bytes;
    sum->mailboxes += kept.mailboxes;
}

static void put_store(struct control_conn *conn, const struct engine_status *status,
                      const struct acct_kept *kept)
{
    uint64_t files = status->pack_bytes + status->unpacked_bytes;
    uint64_t stored = files - MIN(status->dead_bytes, files);
    char room[10][CONTROL_NUMBER_BYTES];
    const struct control_field fields[] = {
        CONTROL_TEXT("raw_bytes", control_u64(room[0], status->raw_bytes)),
        CONTROL_TEXT("stored_bytes", control_u64(room[1], stored)),
        CONTROL_TEXT("ratio", ratio(room[2], stored, status->raw_bytes)),
        CONTROL_TEXT("dead_bytes", control_u64(room[3], status->dead_bytes)),
        CONTROL_TEXT("kept_messages", control_u64(room[4], kept->messages)),
        CONTROL_TEXT("kept_bytes", control_u64(room[5], kept->bytes)),
        CONTROL_TEXT("journal_bytes", control_u64(room[6], status->journal_bytes)),
        CONTROL_TEXT("checkpoint_bytes", control_u64(room[7], status->checkpoint_bytes)),
        CONTROL_TEXT("packs", control_u64(room[8], status->packs)),
        CONTROL_TEXT("search_bytes", control_u64(room[9], 0)), /* messages are scanned */
    };

    control_row(conn, fields, COUNT(fields));
}

/* -> one row: the whole store */
void mail_space(struct control_conn *conn, const struct control_fields *fields, void *ctx)
{
    struct mail_role *mail = ctx;
    struct engine *engine = mail_store_engine(mail->store);
    struct walk walk = {.mail = mail, .conn = conn};
    struct engine_status status = {0};
    struct acct_kept kept = {0};
    struct err err;
    enum rc rc = each_account(&walk, add_kept, &kept, &err);

    (void) fields;
    if (rc == RC_OK) {
        engine->ops->status(engine, &status);
        put_store(conn, &status, &kept);
    }
    control_end_rc(conn, rc, &err);
}

struct top {
    struct mail_role *mail;
    struct account_figures *list;
    size_t n, cap;
};

static void add_figures(void *ctx, struct account *account)
{
    struct top *top = ctx;

    if (top->n == top->cap) {
        top->cap = MAX(top->cap * 2, (size_t) 64);
        top->list = xrealloc(top->list, top->cap * sizeof(*top->list));
    }
    if (figures_of(top->mail, account, &top->list[top->n], NULL) == RC_OK)
        top->n++;
}

static int by_stored(const void *a, const void *b)
{
    const struct account_figures *x = a, *y = b;

    if (x->space.stored_bytes != y->space.stored_bytes)
        return x->space.stored_bytes > y->space.stored_bytes ? -1 : 1;
    return (x->account > y->account) - (x->account < y->account);
}

/* top (a number) -> a row for each of the accounts that take most */
void mail_space_accounts(struct control_conn *conn, const struct control_fields *fields,
                         void *ctx)
{
    struct walk walk = {.mail = ctx, .conn = conn};
    struct top top = {.mail = ctx};
    uint64_t most;
    struct err err;
    enum rc rc = control_field_u64(fields, "top", &most, &err);

    if (rc == RC_OK && (most == 0 || most > ACCOUNTS_TOP_MAX))
        rc = err_set(&err, RC_LIMIT, "Too many accounts at once", "top: 1..%u",
                     ACCOUNTS_TOP_MAX);
    if (rc == RC_OK)
        rc = each_account(&walk, add_figures, &top, &err);
    if (top.n > 0)
        qsort(top.list, top.n, sizeof(*top.list), by_stored);
    for (size_t i = 0; i < MIN(top.n, (size_t) most) && rc == RC_OK; i++)
        put_account(conn, walk.mail, &top.list[i]);
    free(top.list);
    control_end_rc(conn, rc, &err);
}
