/*
 * db.h - the database of credentials: DATA/auth/auth.db (docs/formats/credentials.md).
 *
 * SQLite in WAL mode with synchronous=FULL: what a call has changed when it returns RC_OK
 * survives a power cut. One process has it open, exclusively; so reads take no lock and no
 * system call but for pages not cached. One thread uses a struct auth_db.
 *
 * Each page carries a checksum (db_pages.h): what reads a damaged one answers RC_CORRUPT, and
 * what lies elsewhere goes on.
 *
 * Account ids are random u64 and never used again: the row of a deleted account stays, its name
 * becomes free. Times are seconds since 1970 UTC; 0 stands for "never".
 */
#ifndef ROOST_AUTH_DB_H
#define ROOST_AUTH_DB_H

#include "auth/app_password.h"
#include "auth/db_pages.h"
#include "auth/name.h"
#include "auth/password.h"
#include "auth/totp.h"
#include "base/arena.h"
#include "base/ipaddr.h"

#define AUTH_DB_VERSION 10 /* PRAGMA user_version */

/* Limits of what administrators may store, so that every list fits in messages. */
#define DEVICES_PER_ACCOUNT_MAX  256u
#define DEVICE_NAME_MAX_BYTES    128u
#define DEVICE_FOLDERS_MAX_BYTES 4096u
#define DEVICE_ADDRESS_MAX_BYTES 64u  /* of the last use */
#define DEVICE_CLIENT_MAX_BYTES  128u /* of the last use: what the client says it is */
#define GROUPS_PER_ACCOUNT_MAX   256u /* a list of their ids fits in a message */

/* All columns of one row, with room to spare: names, addresses and folders have their limits.
 */
#define DB_ROW_MAX_BYTES ((size_t) 64 << 10)

struct auth_db;

enum account_state { ACCOUNT_ENABLED = 1, ACCOUNT_DISABLED = 2, ACCOUNT_DELETED = 3 };
enum account_source { ACCOUNT_OWN = 1, ACCOUNT_PASSWD_FILE = 2, ACCOUNT_FOREIGN = 3 };
/* A shared account belongs to nobody: it receives mail and others may be given rights on its
 * mailboxes, but it has no password and no device, so that nobody logs in as it. */
enum account_kind { ACCOUNT_USER = 1, ACCOUNT_SHARED = 2 };

/* Slices point into the arena given. */
struct auth_account {
    uint64_t id;
    enum account_state state;
    enum account_source source;
    enum account_kind kind;
    struct slice name, key;
    struct slice backend;  /* ACCOUNT_FOREIGN: "ldap:corp", which made it (backend.h) */
    struct slice password; /* "{SCHEME}hash"; empty: none */
    int64_t created, password_changed;
    int64_t legacy_used; /* when the account password last opened a session */
    uint64_t n_devices;  /* not revoked; set only by auth_db_each_account */
};

enum device_scope { SCOPE_IMAP = 1, SCOPE_SEND = 2 };
enum device_access { ACCESS_FULL = 1, ACCESS_READ_ONLY = 2 };

struct auth_device {
    uint64_t id, account_id;
    struct slice name;
    unsigned scope; /* enum device_scope, or-ed */
    enum device_access access;
    struct slice folders;  /* names, one a line; empty: all */
    struct slice networks; /* from which it may log in, one a line (network.h); empty: all */
    int64_t created, expires, revoked, last_used;
    struct slice last_address, last_client;
    struct slice
        certificate; /* its fingerprint, SHA-256 in hexadecimal; empty: an app password */
};

struct auth_alias {
    struct slice address, key;
    uint64_t account_id;
    struct slice account_name;
};

struct auth_domain {
    struct slice domain, key;
    uint64_t catch_all; /* account id, 0: none */
    struct slice catch_all_name;
};

/* How much each member may hold, by resource; docs/formats/credentials.md. */
enum group_resource { GROUP_STORAGE, GROUP_MESSAGES, GROUP_MAILBOXES };
#define GROUP_RESOURCES 3u
#define GROUP_UNLIMITED UINT64_MAX
#define GROUP_LIMIT_MAX ((uint64_t) INT64_MAX)

struct auth_group {
    uint64_t id;
    struct slice name, key;
    int64_t created;
    bool limited[GROUP_RESOURCES]; /* the group says something about it */
    uint64_t limit[GROUP_RESOURCES];
    uint64_t n_members; /* set only by auth_db_each_group */
};

/*
 * Open, or make it if create; brings an older version up. RC_CORRUPT: a newer version, or not
 * such a database. RC_CONFLICT: another process has it open. folder is DATA/auth; opens also
 * the pepper there (made with the database; RC_CORRUPT if it is lost).
 */
MUST_CHECK enum rc auth_db_open(const char *folder, bool create, struct auth_db **out,
                                struct err *err);
/* Reads all of it, the log taken over before, and counts the pages whose checksum is wrong. */
MUST_CHECK enum rc auth_db_check(struct auth_db *db, struct db_damage *out, struct err *err);
/* A copy of all that is committed, durable, as AUTH_COPY_NAME in the database's folder; one
 * that lies there is replaced. */
#define AUTH_COPY_NAME "backup.db"
MUST_CHECK enum rc auth_db_copy(struct auth_db *db, struct err *err);

/*
 * The database in folder forgets its pepper, which is lost: no app password that it knows will
 * ever fit again, and the next auth_db_open(folder, true) makes a new one. For a backup that
 * was made without secrets.
 */
MUST_CHECK enum rc auth_db_forget_pepper(const char *folder, struct err *err);

void auth_db_close(struct auth_db *db);
void auth_db_closep(struct auth_db **db);
const struct pepper *auth_db_pepper(const struct auth_db *db);

/*
 * fn is told of each change behind which an address may mean somebody else: within the change's
 * transaction, so what fn sends is taken up behind the commit only by who asks this thread.
 */
typedef void auth_renamed_fn(void *ctx);
void auth_db_on_renamed(struct auth_db *db, auth_renamed_fn *fn, void *ctx);

/*
 * Several changes as one; may be nested, then the inner one can be undone alone. A commit that
 * fails has undone them.
 */
MUST_CHECK enum rc auth_db_begin(struct auth_db *db, struct err *err);
MUST_CHECK enum rc auth_db_commit(struct auth_db *db, struct err *err);
void auth_db_rollback(struct auth_db *db);
/* rc is how the changes went: commits or undoes, and returns how it all went. */
MUST_CHECK enum rc auth_db_end(struct auth_db *db, enum rc rc, struct err *err);

/* Goes up with every change of who may do what; the mail process compares it. */
MUST_CHECK enum rc auth_db_policy_epoch(struct auth_db *db, uint64_t *out, struct err *err);

/* ---- accounts (db_accounts.c) ---- */

/* Live ones only, by key or by id. RC_NOT_FOUND. */
MUST_CHECK enum rc auth_db_find_account(struct auth_db *db, struct slice key,
                                        struct arena *arena, struct auth_account *out,
                                        struct err *err);
MUST_CHECK enum rc auth_db_get_account(struct auth_db *db, uint64_t id, struct arena *arena,
                                       struct auth_account *out, struct err *err);
/* RC_OK: there was such an account, and it was deleted. RC_NOT_FOUND: it lives, or this
 * database has never heard of it. */
MUST_CHECK enum rc auth_db_find_deleted(struct auth_db *db, uint64_t id, struct err *err);
/* RC_EXISTS: a live account or an alias has that name. */
MUST_CHECK enum rc auth_db_add_account(struct auth_db *db, struct slice name,
                                       enum account_source source, uint64_t *out_id,
                                       struct err *err);
/* The same for a user of a foreign back-end. */
MUST_CHECK enum rc auth_db_add_foreign(struct auth_db *db, struct slice name,
                                       struct slice backend, uint64_t *out_id, struct err *err);
/* The same for a shared account. */
MUST_CHECK enum rc auth_db_add_shared(struct auth_db *db, struct slice name, uint64_t *out_id,
                                      struct err *err);
MUST_CHECK enum rc auth_db_set_state(struct auth_db *db, uint64_t id, enum account_state state,
                                     struct err *err);
/* Make an account that came from a passwd-file or a foreign back-end one of ours. */
MUST_CHECK enum rc auth_db_adopt(struct auth_db *db, uint64_t id, struct err *err);
/* hash as password_hash_parse takes it, a slow one; empty: no account password any more.
 * RC_INVALID: a shared account. */
MUST_CHECK enum rc auth_db_set_password(struct auth_db *db, uint64_t id, struct slice hash,
                                        struct err *err);
/* A better hash of the same password: nothing else changes. */
MUST_CHECK enum rc auth_db_rehash(struct auth_db *db, uint64_t id, struct slice hash,
                                  struct err *err);
MUST_CHECK enum rc auth_db_note_legacy(struct auth_db *db, uint64_t id, int64_t when,
                                       struct err *err);

/* Live accounts in the order of their keys, starting behind `after`; false from fn ends it. */
typedef bool auth_account_fn(void *ctx, const struct auth_account *account);
MUST_CHECK enum rc auth_db_each_account(struct auth_db *db, struct slice after,
                                        auth_account_fn *fn, void *ctx, struct err *err);

/* ---- devices (db_devices.c) ---- */

/* RC_LIMIT: too many. RC_INVALID: a shared account. The id is short, for people to type, and
 * never used again. */
MUST_CHECK enum rc auth_db_add_device(struct auth_db *db, const struct auth_device *device,
                                      const struct app_verifier *verifier, uint64_t *out_id,
                                      struct err *err);
/* The account's device with that verifier, revoked ones too. RC_NOT_FOUND. */
MUST_CHECK enum rc auth_db_find_device(struct auth_db *db, uint64_t account_id,
                                       const struct app_verifier *verifier, struct arena *arena,
                                       struct auth_device *out, struct err *err);
/* One not revoked. RC_NOT_FOUND. */
MUST_CHECK enum rc auth_db_get_device(struct auth_db *db, uint64_t account_id, uint64_t id,
                                      struct arena *arena, struct auth_device *out,
                                      struct err *err);
/* id and account_id say which; name, scope, access, folders, networks and expires are as they
 * shall be. RC_NOT_FOUND: it is revoked, or none. */
MUST_CHECK enum rc auth_db_change_device(struct auth_db *db, const struct auth_device *device,
                                         struct err *err);
MUST_CHECK enum rc auth_db_revoke_device(struct auth_db *db, uint64_t account_id, uint64_t id,
                                         struct err *err);
/* id, last_used, last_address and last_client count; an empty client keeps the one noted. */
MUST_CHECK enum rc auth_db_note_use(struct auth_db *db, const struct auth_device *device,
                                    struct err *err);
typedef bool auth_device_fn(void *ctx, const struct auth_device *device);
/* Devices not revoked, oldest first. */
MUST_CHECK enum rc auth_db_each_device(struct auth_db *db, uint64_t account_id,
                                       auth_device_fn *fn, void *ctx, struct err *err);

/* ---- what SCRAM needs (db_scram.c); made and read by scram_store.h ---- */

#define SCRAM_SEALED_BYTES 104u /* a nonce of 24, two keys of 32, a tag of 16 */

struct scram_row {
    uint64_t account, device; /* device 0: the account's own password */
    unsigned form;            /* of several ways to type the same password, from 0 */
    unsigned hash;            /* enum scram_hash */
    uint32_t iterations;
    unsigned char sealed[SCRAM_SEALED_BYTES];
};

/* The hashes of which keys are made for new passwords: bits 1 << enum scram_hash. SHA-256 alone
 * unless somebody says otherwise. */
void auth_db_use_scram(struct auth_db *db, unsigned hashes);
unsigned auth_db_scram_hashes(const struct auth_db *db);
/* Adds it, or takes the place of one with the same account, hash, device and form. */
MUST_CHECK enum rc auth_db_put_scram(struct auth_db *db, const struct scram_row *row,
                                     struct err *err);
MUST_CHECK enum rc auth_db_has_scram(struct auth_db *db, uint64_t account, uint64_t device,
                                     unsigned hash, bool *out, struct err *err);
/* Those of the account; revoked devices and changed passwords have none. */
typedef void auth_scram_fn(void *ctx, const struct scram_row *row);
MUST_CHECK enum rc auth_db_each_scram(struct auth_db *db, uint64_t account, unsigned hash,
                                      auth_scram_fn *fn, void *ctx, struct err *err);
MUST_CHECK enum rc auth_db_forget_scram(struct auth_db *db, uint64_t account, uint64_t device,
                                        struct err *err);

/* ---- second factors (db_totp.c); made and judged by factor.h ---- */

enum totp_state {
    TOTP_BEGUN = 1, /* the secret was shown, and no code of it has come yet */
    TOTP_ENABLED = 2
};

struct totp_row {
    uint64_t account;
    enum totp_state state;
    unsigned char sealed[TOTP_SEALED_BYTES];
    uint64_t last_step; /* codes of it and of earlier ones are used up */
    int64_t created;    /* when it was begun, later: enabled */
};

/* RC_NOT_FOUND: none. */
MUST_CHECK enum rc auth_db_get_totp(struct auth_db *db, uint64_t account, struct totp_row *out,
                                    struct err *err);
/* Adds it, or takes the place of what the account has. RC_INVALID: a shared account. */
MUST_CHECK enum rc auth_db_put_totp(struct auth_db *db, const struct totp_row *row,
                                    struct err *err);
/* Uses a step up. RC_NOT_FOUND: it, or a later one, was used already. */
MUST_CHECK enum rc auth_db_use_step(struct auth_db *db, uint64_t account, uint64_t step,
                                    struct err *err);
/* Second factor and recovery codes. */
MUST_CHECK enum rc auth_db_forget_totp(struct auth_db *db, uint64_t account, struct err *err);

MUST_CHECK enum rc auth_db_add_recovery(struct auth_db *db, uint64_t account,
                                        const struct app_verifier *verifier, struct err *err);
/* Is it one not used yet? RC_NOT_FOUND: no. */
MUST_CHECK enum rc auth_db_find_recovery(struct auth_db *db, uint64_t account,
                                         const struct app_verifier *verifier, struct err *err);
/* Uses it up. RC_NOT_FOUND: it was used already, or is none. */
MUST_CHECK enum rc auth_db_use_recovery(struct auth_db *db, uint64_t account,
                                        const struct app_verifier *verifier, struct err *err);
MUST_CHECK enum rc auth_db_forget_recovery(struct auth_db *db, uint64_t account,
                                           struct err *err);
/* Those not used yet. */
MUST_CHECK enum rc auth_db_count_recovery(struct auth_db *db, uint64_t account, uint64_t *out,
                                          struct err *err);

/* ---- devices confirmed from a network (db_confirmed.c); what for: policy.h ---- */

#define CONFIRMED_PER_ACCOUNT_MAX 256u

struct auth_confirmed {
    uint64_t account, device;           /* device 0: logins without one */
    char network[IPNET_TEXT_MAX_BYTES]; /* as confirmed_network() writes it */
    int64_t until;
};

/* The network around an address for which a confirmation counts. An address that is not known
 * lies in "-". */
void confirmed_network(const struct ipaddr *address, char out[IPNET_TEXT_MAX_BYTES]);
/* RC_LIMIT: CONFIRMED_PER_ACCOUNT_MAX are good now. */
MUST_CHECK enum rc auth_db_confirm(struct auth_db *db, const struct auth_confirmed *confirmed,
                                   int64_t now, struct err *err);
MUST_CHECK enum rc auth_db_is_confirmed(struct auth_db *db, uint64_t account, uint64_t device,
                                        const struct ipaddr *address, int64_t now, bool *out,
                                        struct err *err);
/* Has one ended behind `from`, and not behind `to`? */
MUST_CHECK enum rc auth_db_confirmed_ended(struct auth_db *db, int64_t from, int64_t to,
                                           bool *out, struct err *err);
MUST_CHECK enum rc auth_db_forget_confirmed(struct auth_db *db, uint64_t account,
                                            uint64_t device, struct err *err);
typedef bool auth_confirmed_fn(void *ctx, const struct auth_confirmed *confirmed);
MUST_CHECK enum rc auth_db_each_confirmed(struct auth_db *db, uint64_t account, int64_t now,
                                          auth_confirmed_fn *fn, void *ctx, struct err *err);

/* ---- groups (db_groups.c) ---- */

/*
 * Names of groups are a name space of their own; ids come from the same source as those of
 * accounts. RC_EXISTS.
 */
MUST_CHECK enum rc auth_db_add_group(struct auth_db *db, struct slice name, uint64_t *out_id,
                                     struct err *err);
MUST_CHECK enum rc auth_db_delete_group(struct auth_db *db, uint64_t id, struct err *err);
/* As somebody wrote it. RC_NOT_FOUND. */
MUST_CHECK enum rc auth_db_find_group(struct auth_db *db, struct slice name,
                                      struct arena *arena, struct auth_group *out,
                                      struct err *err);
/* limited false: the group says nothing about that resource any more. */
MUST_CHECK enum rc auth_db_limit_group(struct auth_db *db, uint64_t id,
                                       enum group_resource resource, bool limited,
                                       uint64_t limit, struct err *err);
typedef bool auth_group_fn(void *ctx, const struct auth_group *group);
/* In the order of their keys, starting behind `after`; false from fn ends it. */
MUST_CHECK enum rc auth_db_each_group(struct auth_db *db, struct slice after, auth_group_fn *fn,
                                      void *ctx, struct err *err);

/* RC_EXISTS: it is one already. RC_LIMIT: the account is in GROUPS_PER_ACCOUNT_MAX. */
MUST_CHECK enum rc auth_db_add_member(struct auth_db *db, uint64_t group, uint64_t account,
                                      struct err *err);
/* RC_NOT_FOUND: it is none. */
MUST_CHECK enum rc auth_db_remove_member(struct auth_db *db, uint64_t group, uint64_t account,
                                         struct err *err);
/* Members in the order of their keys: id, kind, name and key count. */
MUST_CHECK enum rc auth_db_each_member(struct auth_db *db, uint64_t group, struct slice after,
                                       auth_account_fn *fn, void *ctx, struct err *err);
/* All live accounts, the same of each: the directory that mail is told. */
MUST_CHECK enum rc auth_db_each_principal(struct auth_db *db, struct slice after,
                                          auth_account_fn *fn, void *ctx, struct err *err);
/* The groups an account is in, ascending. */
struct auth_groups {
    uint64_t ids[GROUPS_PER_ACCOUNT_MAX];
    size_t n;
};
MUST_CHECK enum rc auth_db_groups_of(struct auth_db *db, uint64_t account,
                                     struct auth_groups *out, struct err *err);

/* The keys of their names, in arena; out_keys has room for GROUPS_PER_ACCOUNT_MAX. */
MUST_CHECK enum rc auth_db_group_keys(struct auth_db *db, uint64_t account, struct arena *arena,
                                      struct slice *out_keys, size_t *out_n, struct err *err);

/*
 * What a foreign back-end says of an account's groups (db_told.c): it becomes a member of those
 * named, one a line, that are groups here, and leaves those that such a word made it a member
 * of and that are not named any more. Memberships that an administrator made stay. out_changed:
 * something did.
 */
MUST_CHECK enum rc auth_db_tell_groups(struct auth_db *db, uint64_t account, struct slice names,
                                       bool *out_changed, struct err *err);

/* ---- aliases and domains (db_names.c) ---- */

MUST_CHECK enum rc auth_db_find_alias(struct auth_db *db, struct slice key, uint64_t *out_id,
                                      struct err *err);
/* RC_EXISTS: there is such an alias, or an account of that name. */
MUST_CHECK enum rc auth_db_add_alias(struct auth_db *db, struct slice address,
                                     uint64_t account_id, struct err *err);
MUST_CHECK enum rc auth_db_delete_alias(struct auth_db *db, struct slice address,
                                        struct err *err);
typedef bool auth_alias_fn(void *ctx, const struct auth_alias *alias);
MUST_CHECK enum rc auth_db_each_alias(struct auth_db *db, struct slice after, auth_alias_fn *fn,
                                      void *ctx, struct err *err);

/* RC_NOT_FOUND: not one of the database's domains. out_catch_all is 0 if it has none. */
MUST_CHECK enum rc auth_db_find_domain(struct auth_db *db, struct slice key,
                                       uint64_t *out_catch_all, struct err *err);
/* Adds it, or changes the catch-all of one that is there. */
MUST_CHECK enum rc auth_db_set_domain(struct auth_db *db, struct slice domain,
                                      uint64_t catch_all, struct err *err);
MUST_CHECK enum rc auth_db_delete_domain(struct auth_db *db, struct slice domain,
                                         struct err *err);
typedef bool auth_domain_fn(void *ctx, const struct auth_domain *domain);
MUST_CHECK enum rc auth_db_each_domain(struct auth_db *db, struct slice after,
                                       auth_domain_fn *fn, void *ctx, struct err *err);

#endif
