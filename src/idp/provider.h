/*
 * provider.h - somebody else's server that knows who somebody is: one interface, a kind each.
 *
 * A kind is a row of the table in provider.c, and a file that knows its protocol. A provider is
 * opened from its file before the process is confined, asked by several threads at once, and
 * closed when none asks any more. A check may take its time (IDP_CHECK_SEC at the most); what
 * another server does not say in time is IDP_UNAVAILABLE, never a refusal, and never lets
 * anybody through.
 *
 * The file may hold a secret: it belongs to root and the role's group, and nobody else may read
 * it (idp_file_check).
 *
 * Memory: slices of an answer live in the arena of the question.
 */
#ifndef ROOST_IDP_PROVIDER_H
#define ROOST_IDP_PROVIDER_H

#include "base/arena.h"
#include "config/providers.h"
#include "ipc/message.h"
#include "sandbox/sandbox.h"

#define IDP_CHECK_SEC   8 /* what one check may take in all; auth waits IDP_WAIT_US for it */
#define IDP_ARENA_BYTES ((size_t) 1 << 20)
#define IDP_PATH_BYTES  4096u

struct idp_question {
    enum idp_ask ask;
    struct slice user;
    struct slice secret;
    enum service service;
    struct ipaddr peer;
    struct arena *arena;
};

struct idp_answer {
    enum idp_code code;
    struct slice user;   /* IDP_OK: as the other server names them */
    struct slice groups; /* a list (msg_list_add) of names, at most MSG_IDP_GROUPS_MAX bytes */
    bool knows_groups;   /* groups are all that they have; false: nothing is known of them */
    uint16_t again_sec;  /* a token that may be void before it expires: ask again; 0: never */
    int64_t expires;     /* seconds since 1970; 0: never */
    const char *reason;  /* a word for the log; static */
};

struct idp_kind {
    const char *name;
    /* Read the file. RC_INVALID: it is wrong, detail says how. */
    enum rc (*open)(const char *path, void **out, struct err *err);
    /* The paths and ports it needs while it runs. */
    void (*needs)(const void *self, struct sandbox_rules *rules);
    /* On any of several threads. Fills all of out. */
    void (*check)(void *self, const struct idp_question *question, struct idp_answer *out);
    /* SIGHUP: what was kept is asked for again. NULL: nothing is kept. Any thread. */
    void (*reload)(void *self);
    void (*close)(void *self);
};

struct idp_provider {
    const struct idp_kind *kind;
    void *self;
};

/* Once in the process, before any is opened. */
MUST_CHECK enum rc idp_init(struct err *err);
/* Read NAME.conf of folder. RC_NOT_FOUND: no such kind or file; RC_DENIED: others may read it.
 */
MUST_CHECK enum rc idp_open(const char *folder, const struct config_provider *named,
                            struct idp_provider *out, struct err *err);
void idp_needs(const struct idp_provider *provider, struct sandbox_rules *rules);
void idp_check(struct idp_provider *provider, const struct idp_question *question,
               struct idp_answer *out);
void idp_reload(struct idp_provider *provider);
void idp_close(struct idp_provider *provider);

/* What every provider needs: the resolver's files and port. */
void idp_needs_names(struct sandbox_rules *rules);
/* For kinds: roots that the system trusts, and a path that need not be there. */
#define IDP_SYSTEM_CA "/etc/ssl/certs/ca-certificates.crt" /* Debian's ca-certificates */
void idp_allow_if_there(struct sandbox_rules *rules, const char *path);
/* For kinds: a user's name at its last "@". Without one, all of it is local. */
struct idp_name {
    struct slice local, domain;
    bool has_domain;
};
struct idp_name idp_name_split(struct slice user);
/* For kinds: an answer without more. */
struct idp_answer idp_says(enum idp_code code, const char *reason);

#endif
