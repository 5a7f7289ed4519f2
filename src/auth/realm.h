/*
 * realm.h - everybody there is: the database, the passwd-file if one is switched on, and the
 * configured domains, behind the lookups of resolve.h.
 *
 * A user of a foreign back-end gets an account with the first right password, which stays that
 * back-end's (backend.h); it counts as disabled while the back-end is not configured.
 *
 * A user of the passwd-file gets an account the first time somebody logs in as them or mail for
 * them arrives. When their line is gone, the account counts as disabled (mail waits at the MTA,
 * nobody logs in) until the line is back or `roost user enable` makes it an account of ours: a
 * typing error in a file bounces no mail.
 */
#ifndef ROOST_AUTH_REALM_H
#define ROOST_AUTH_REALM_H

#include "auth/passwd_file.h"
#include "auth/resolve.h"
#include "config/backends.h"

struct realm_settings {
    const char *const *domains; /* "*": any */
    size_t n_domains;
    const char *catch_all; /* user, "": none */
    const char *detail_separator;
    const char *passwd_file;     /* "": none */
    int64_t legacy_until;        /* seconds since 1970, 0: never */
    const char *const *backends; /* the setting `backends` */
    size_t n_backends;           /* 0: its default */
};

/* Told of accounts made for users of the passwd-file and of foreign back-ends. */
typedef void realm_created_fn(void *ctx, uint64_t id, struct slice name);

struct realm;

/* db stays the caller's and lives longer. RC_INVALID: a domain or a back-end that is none. */
MUST_CHECK enum rc realm_new(struct auth_db *db, const struct realm_settings *settings,
                             realm_created_fn *created, void *ctx, struct realm **out,
                             struct err *err);
void realm_free(struct realm *realm);
void realm_freep(struct realm **realm);

struct auth_db *realm_db(const struct realm *realm);
const struct passwd_file *realm_passwd_file(const struct realm *realm); /* NULL: off */
const struct backend_chain *realm_backends(const struct realm *realm);
bool realm_legacy_allowed(const struct realm *realm, int64_t now);
/* When that ends; sessions opened by such a password end with it. */
int64_t realm_legacy_until(const struct realm *realm);

/* Whom guesses at this name count for, existing or not: where any domain is ours, a name has as
 * many as somebody can think of. */
struct slice realm_guessed(const struct realm *realm, struct slice user);

/* Look again at the files behind it; before a login or a recipient is looked up. */
void realm_refresh(struct realm *realm);

/* fn is told when the file is another, and of what auth_db_on_renamed() tells. */
void realm_on_renamed(struct realm *realm, auth_renamed_fn *fn, void *ctx);
/* The same of the file alone: somebody may stand in it no more. */
void realm_on_reread(struct realm *realm, auth_renamed_fn *fn, void *ctx);

/* An account whose password in the file is another now. */
typedef void realm_password_fn(void *ctx, uint64_t account);
void realm_on_password(struct realm *realm, realm_password_fn *fn, void *ctx);

struct resolve_lookup realm_lookup(struct realm *realm);
/* The same for a name that a token or a certificate says: anna at a domain that is ours only as
 * any is ("*") may be somebody else's anna, and is not ours. */
struct resolve_lookup realm_lookup_vouched(struct realm *realm);

/*
 * An account for a user whose password a foreign back-end found right, and who has none yet.
 * RC_EXISTS: an account or alias has that name. RC_INVALID: it is no name for a user here.
 */
MUST_CHECK enum rc realm_create_foreign(struct realm *realm, struct slice name,
                                        const struct backend *backend, uint64_t *out_id,
                                        struct err *err);

/* Does what the account came from still know it? Ours always; a line of the passwd-file while
 * it is there; a foreign back-end while it is configured. */
bool realm_source_stands(const struct realm *realm, const struct auth_account *account);
/* Then it is as enabled as its row says. */
bool realm_account_enabled(const struct realm *realm, const struct auth_account *account);

#endif
