/*
 * credentials.c - the database of credentials, cut at every point: accounts, devices, aliases
 * and domains, in SQLite, and the pepper beside it.
 *
 *   crash_credentials [--seed N]
 *
 * The same recording, model and exploration as for the mail store; a version is all that the
 * database tells, and each call that answered RC_OK is acknowledged.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/admin.h"
#include "base/buf.h"
#include "explore.h"
#include "must.h"

#define SEED          20261121u
#define STEPS_MAX     8u
#define SMALL_RUNS    40u
#define LARGE_RUNS    1000u
#define CHILD_SECONDS 600u
#define TEXT_BYTES    ((size_t) 1 << 20)
#define FOLDER        "auth" /* below what is recorded */

enum step {
    STEP_ADD_USER,
    STEP_ADD_DEVICE,
    STEP_ADD_ALIAS,
    STEP_SET_DOMAIN,
    STEP_DISABLE,
    STEP_PASSWORD,
    STEP_REVOKE,
    STEP_DELETE_ALIAS,
    STEP_DELETE_USER,
    STEP_REOPEN,
};
#define STEP_COUNT (STEP_REOPEN + 1)

struct run {
    struct ledger *ledger;
    struct auth_db *db;
    char folder[256];
    bool is_branch;
    unsigned n_users;
    uint64_t account, device; /* the newest; 0: none */
};

/* ---- the database as text ---- */

struct printer {
    struct auth_db *db;
    struct buf *out;
    uint64_t ids[64];
    size_t n;
};

static bool print_account(void *ctx, const struct auth_account *account)
{
    struct printer *printer = ctx;

    buf_printf(printer->out, "account %llu %.*s state %d password %.*s devices %llu\n",
               (unsigned long long) account->id, SLICE_ARG(account->name), (int) account->state,
               SLICE_ARG(account->password), (unsigned long long) account->n_devices);
    if (printer->n < COUNT(printer->ids))
        printer->ids[printer->n++] = account->id;
    return true;
}

static bool print_device(void *ctx, const struct auth_device *device)
{
    struct printer *printer = ctx;

    buf_printf(printer->out, "  device %llu of %llu %.*s scope %u\n",
               (unsigned long long) device->id, (unsigned long long) device->account_id,
               SLICE_ARG(device->name), device->scope);
    return true;
}

static bool print_alias(void *ctx, const struct auth_alias *alias)
{
    buf_printf(((struct printer *) ctx)->out, "alias %.*s %llu\n", SLICE_ARG(alias->address),
               (unsigned long long) alias->account_id);
    return true;
}

static bool print_domain(void *ctx, const struct auth_domain *domain)
{
    buf_printf(((struct printer *) ctx)->out, "domain %.*s %llu\n", SLICE_ARG(domain->domain),
               (unsigned long long) domain->catch_all);
    return true;
}

static enum rc print_database(struct auth_db *db, struct buf *out, struct err *err)
{
    struct printer printer = {.db = db, .out = out};
    uint64_t epoch = 0;
    enum rc rc = auth_db_policy_epoch(db, &epoch, err);

    buf_reset(out);
    buf_printf(out, "epoch %llu\n", (unsigned long long) epoch);
    if (!rc)
        rc = auth_db_each_account(db, SLICE(""), print_account, &printer, err);
    for (size_t i = 0; i < printer.n && !rc; i++)
        rc = auth_db_each_device(db, printer.ids[i], print_device, &printer, err);
    if (!rc)
        rc = auth_db_each_alias(db, SLICE(""), print_alias, &printer, err);
    if (!rc)
        rc = auth_db_each_domain(db, SLICE(""), print_domain, &printer, err);
    return rc;
}

/* What is there now is a version, and acknowledged. */
static enum rc acknowledge(struct run *run, struct err *err)
{
    AUTO(buf_done) struct buf text;
    enum rc rc;

    buf_init(&text, TEXT_BYTES);
    rc = print_database(run->db, &text, err);
    if (rc)
        return rc;
    run->ledger->accounts[0].acknowledged = ledger_add(run->ledger, 0, buf_slice(&text), 0);
    recording_mark(0, run->ledger->accounts[0].acknowledged, run->is_branch);
    return RC_OK;
}

/* ---- steps ---- */

static enum rc add_user(struct run *run, struct err *err)
{
    char name[64];

    (void) snprintf(name, sizeof(name), "user%u%s@example.org", ++run->n_users,
                    run->is_branch ? "later" : "");
    return auth_db_add_account(run->db, slice_from_str(name), ACCOUNT_OWN, &run->account, err);
}

static enum rc add_device(struct run *run, struct err *err)
{
    struct auth_device device = {.account_id = run->account,
                                 .name = SLICE("phone"),
                                 .scope = SCOPE_IMAP,
                                 .access = ACCESS_FULL};
    struct admin_device made;
    enum rc rc = auth_admin_add_device(run->db, &device, &made, err);

    if (!rc)
        run->device = made.device;
    return rc;
}

static enum rc take_step(struct run *run, enum step step, struct err *err)
{
    switch (step) {
    case STEP_ADD_USER:
        return add_user(run, err);
    case STEP_ADD_DEVICE:
        return add_device(run, err);
    case STEP_ADD_ALIAS:
        return auth_db_add_alias(run->db, SLICE("info@example.org"), run->account, err);
    case STEP_SET_DOMAIN:
        return auth_db_set_domain(run->db, SLICE("example.net"), run->account, err);
    case STEP_DISABLE:
        return auth_db_set_state(run->db, run->account, ACCOUNT_DISABLED, err);
    case STEP_PASSWORD:
        return auth_db_set_password(run->db, run->account, SLICE(""), err);
    case STEP_REVOKE:
        return auth_db_revoke_device(run->db, run->account, run->device, err);
    case STEP_DELETE_ALIAS:
        return auth_db_delete_alias(run->db, SLICE("info@example.org"), err);
    case STEP_DELETE_USER:
        return auth_db_set_state(run->db, run->account, ACCOUNT_DELETED, err);
    case STEP_REOPEN:
        auth_db_close(TAKE(run->db));
        return auth_db_open(run->folder, false, &run->db, err);
    }
    return RC_OK;
}

/* ---- verifying a state ---- */

static void verify_database(const char *folder, const struct expectation *expect,
                            struct ledger *branch, struct verdict *out)
{
    static unsigned n_verified; /* no name is given twice, also where recoveries are cut */
    struct run run = {.ledger = branch, .is_branch = true, .n_users = ++n_verified};
    AUTO(buf_done) struct buf text;
    struct slice want;
    struct err err;

    *out = (struct verdict){.ok = true};
    buf_init(&text, TEXT_BYTES);
    *branch = *expect->ledger;
    (void) snprintf(run.folder, sizeof(run.folder), "%s/" FOLDER, folder);
    if (auth_db_open(run.folder, expect->may_be_missing, &run.db, &err) != RC_OK) {
        verify_refuse(out, "the database does not open: %s", err.detail);
        return;
    }
    if (print_database(run.db, &text, &err) != RC_OK) {
        verify_refuse(out, "the database cannot be read: %s", err.detail);
    } else if (!ledger_find(expect->ledger, 0, expect->least[0], buf_slice(&text),
                            &out->found[0])) {
        verify_refuse(out, "it is no version from %zu on", expect->least[0]);
        verify_take_got(out, ledger_text_of(expect->ledger, 0, expect->least[0]),
                        buf_slice(&text));
    } else {
        ledger_cut(branch, 0, out->found[0]);
        recording_mark(0, out->found[0], true);
        must(add_user(&run, &err), "a new user", &err);
        must(acknowledge(&run, &err), "read", &err);
        must(add_device(&run, &err), "a new device", &err);
        must(acknowledge(&run, &err), "read", &err);
        must(take_step(&run, STEP_REOPEN, &err), "close and open", &err);
        must(print_database(run.db, &text, &err), "read", &err);
        want = ledger_text_of(branch, 0, branch->accounts[0].n_versions - 1);
        if (!slice_eq(buf_slice(&text), want)) {
            verify_refuse(out, "after closing it is not what it was");
            verify_take_got(out, want, buf_slice(&text));
        }
    }
    auth_db_close(run.db);
}

/* ---- workloads ---- */

struct shared {
    struct tally tally;
    char progress[512];
};

static void record(struct explorer *explorer, struct ledger *ledger, const char *root,
                   const enum step *steps, size_t n)
{
    struct run run = {.ledger = ledger};
    struct err err;

    (void) snprintf(run.folder, sizeof(run.folder), "%s/" FOLDER, root);
    recording_begin(explorer->recordings[0], root, NULL);
    must(auth_db_open(run.folder, true, &run.db, &err), "make the database", &err);
    must(acknowledge(&run, &err), "read", &err);
    for (size_t i = 0; i < n; i++) {
        enum rc rc = take_step(&run, steps[i], &err);

        /* Refused for want of what it works on, it changes nothing. */
        if (rc != RC_OK && rc != RC_NOT_FOUND && rc != RC_EXISTS && rc != RC_INVALID)
            must(rc, "a step", &err);
        must(acknowledge(&run, &err), "read", &err);
    }
    auth_db_close(run.db);
    recording_end();
    if (explorer->recordings[0]->hidden_writes > 0)
        die("writes by way of a mapping");
}

_Noreturn static void child(struct explorer *explorer, struct ledger *ledger,
                            const enum step *steps, size_t n)
{
    struct expectation start = {.ledger = ledger, .may_be_missing = true};
    char root[200], folder[256];

    (void) alarm(CHILD_SECONDS);
    verify_note_log();
    ledger_reset(ledger);
    for (size_t i = 1; i < LEDGER_ACCOUNTS; i++)
        (void) ledger_add(ledger, i, LEDGER_ABSENT, 0);
    (void) snprintf(root, sizeof(root), "%s/run", explorer->folder);
    (void) snprintf(folder, sizeof(folder), "%s/" FOLDER, root);
    if (mkdir(root, 0700) != 0 || mkdir(folder, 0700) != 0)
        die("%s cannot be made", folder);
    record(explorer, ledger, root, steps, n);
    remove_tree(root);
    explore(explorer, &start);
    _exit(0);
}

static void run_one(struct explorer *explorer, struct ledger *ledger, const enum step *steps,
                    size_t n)
{
    char path[200];
    int status;
    pid_t pid;

    (void) fflush(stdout);
    pid = fork();
    if (pid == 0)
        child(explorer, ledger, steps, n);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        die("fork");
    explorer->tally->workloads++;
    if (status != 0) {
        explorer->tally->failures++;
        (void) printf("FAILED: the process ended with %d at %s\n", status, explorer->progress);
    }
    (void) snprintf(path, sizeof(path), "%s/run", explorer->folder);
    remove_tree(path);
    for (size_t i = 0; i < EXPLORE_DEPTH; i++) {
        (void) snprintf(path, sizeof(path), "%s/state-%zu", explorer->folder, i);
        remove_tree(path);
    }
}

int main(int argc, char **argv)
{
    static const enum step whole[] = {STEP_ADD_USER,   STEP_ADD_DEVICE, STEP_ADD_ALIAS,
                                      STEP_SET_DOMAIN, STEP_REOPEN,     STEP_REVOKE,
                                      STEP_DISABLE,    STEP_DELETE_USER};
    bool is_large = getenv("ROOST_LARGE") != NULL;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : SEED;
    char folder[64] = "/tmp/roost-crash-XXXXXX";
    static struct explorer explorer = {.verify = verify_database, .name = "credentials"};
    struct ledger *ledger = ledger_new();
    struct shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct err err;

    if (shared == MAP_FAILED)
        die("no memory");
    must(auth_init(&err), "auth", &err);
    if (access("/dev/shm", W_OK) == 0)
        (void) snprintf(folder, sizeof(folder), "/dev/shm/roost-crash-XXXXXX");
    if (mkdtemp(folder) == NULL)
        die("%s cannot be made", folder);
    explorer.seed = seed;
    explorer.folder = folder;
    explorer.tally = &shared->tally;
    explorer.progress = shared->progress;
    explorer.progress_cap = sizeof(shared->progress);
    for (size_t i = 0; i < EXPLORE_DEPTH; i++) {
        explorer.recordings[i] = recording_new();
        explorer.branches[i + 1] = xcalloc(1, sizeof(struct ledger));
        explorer.limits[i] =
            (struct explore_limits){(is_large ? 2000u : 40u) >> (2 * i), i + 1 < EXPLORE_DEPTH};
    }
    run_one(&explorer, ledger, whole, COUNT(whole));
    for (unsigned i = 0; i < (is_large ? LARGE_RUNS : SMALL_RUNS); i++) {
        enum step steps[STEPS_MAX] = {STEP_ADD_USER, STEP_ADD_DEVICE};

        for (size_t k = 2; k < 5; k++)
            steps[k] = (enum step)(seeded(&seed) % STEP_COUNT);
        explorer.seed = seeded(&seed);
        run_one(&explorer, ledger, steps, 5);
    }
    explore_print(&shared->tally);
    remove_tree(folder);
    return shared->tally.failures == 0 ? 0 : 1;
}
