/*
 * resolve.h - who is meant by an address, as pure functions over a lookup interface.
 *
 * A recipient is tried in this order, without regard to case, and the first hit wins:
 *
 *     1. the full address: an account of that name, then an alias
 *     2. the local part alone, if the domain is one of ours (or there is none): account, alias
 *     3. and 4. the same without "+detail" (the part behind the first separator), if it has one
 *     5. the catch-all user of the domain, if the domain is one of ours
 *
 * A detail is returned as it was written, whatever step hit: in 1 and 2 there is none.
 *
 * Who is found in none of 1 to 4 may be a user of a foreign back-end who has not been here yet:
 * resolve_names() has what to ask it for, before the catch-all user gets the mail.
 */
#ifndef ROOST_AUTH_RESOLVE_H
#define ROOST_AUTH_RESOLVE_H

#include "auth/db.h"
#include "ipc/message.h"

/* Two keys and an address's copies live in the arena given: this is enough for one call. */
#define RESOLVE_ARENA_BYTES ((size_t) 64 << 10)

/* An account as far as addresses care. */
struct resolve_account {
    uint64_t id;
    bool enabled;
    bool shared; /* receives only */
    struct slice name;
};

/* Each answers RC_OK, RC_NOT_FOUND or a failure. Slices live in the arena. */
struct resolve_lookup {
    enum rc (*account)(void *ctx, struct slice key, struct arena *arena,
                       struct resolve_account *out, struct err *err);
    enum rc (*alias)(void *ctx, struct slice key, struct arena *arena,
                     struct resolve_account *out, struct err *err);
    /* RC_OK if the domain is one of ours. */
    enum rc (*domain)(void *ctx, struct slice domain_key, struct err *err);
    enum rc (*catch_all)(void *ctx, struct slice domain_key, struct arena *arena,
                         struct resolve_account *out, struct err *err);
    void *ctx;
    struct slice separator; /* one byte, or empty: no details */
};

struct resolved {
    enum resolve_code code;
    uint64_t account; /* with RESOLVE_OK and RESOLVE_DISABLED */
    struct slice user;
    struct slice detail;
    bool is_catch_all; /* found in step 5 */
};

#define RESOLVE_NAMES_MAX 4u

/* A name that the recipient may have elsewhere. */
struct resolve_name {
    struct slice name;   /* as it was written; the domain in lower case */
    struct slice detail; /* what is behind "+" then */
};

/* A recipient as LMTP has it, without angle brackets. A failing lookup is RESOLVE_TEMPORARY. */
void resolve_recipient(const struct resolve_lookup *lookup, struct slice address,
                       struct arena *arena, struct resolved *out);

/* The names of steps 1 to 4, in that order; none if the domain is not one of ours: mail for
 * others asks nobody. A failing lookup gives none as well. */
size_t resolve_names(const struct resolve_lookup *lookup, struct slice address,
                     struct arena *arena, struct resolve_name out[RESOLVE_NAMES_MAX]);

/*
 * The account a client names when it logs in: the name as it stands, or its local part if the
 * domain is one of ours. No alias, no detail, no catch-all: those receive, they do not log in.
 * A shared account does not either, which is for the caller to see to: administrators name it
 * the same way. RC_NOT_FOUND also for what is no name.
 */
MUST_CHECK enum rc resolve_login(const struct resolve_lookup *lookup, struct slice name,
                                 struct arena *arena, struct resolve_account *out,
                                 struct err *err);

#endif
