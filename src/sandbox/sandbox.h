/*
 * sandbox.h - a process gives up what it does not need, for good.
 *
 * Spec: Linux capabilities(7), landlock(7) ABI 1 to 7, seccomp(2). The rules of a role are a
 * struct sandbox_rules and one column of the table in syscalls.c.
 *
 * Always in this order, before any thread is started: sandbox_change_user (only as root),
 * sandbox_harden, then, when everything is open, sandbox_enter.
 */
#ifndef ROOST_SANDBOX_SANDBOX_H
#define ROOST_SANDBOX_SANDBOX_H

#include <sys/types.h>

#include "base/buf.h"

#define SANDBOX_PATHS_MAX 40u
#define SANDBOX_PORTS_MAX 32u

/* A letter of the system call table (seccomp.h). */
enum sandbox_kind {
    SANDBOX_GATE,
    SANDBOX_AUTH,
    SANDBOX_MAIL,
    SANDBOX_DIGEST,       /* the process that forks the next row */
    SANDBOX_DIGEST_CHILD, /* parses one account's mail */
    SANDBOX_LOG,
    SANDBOX_WEB,
    SANDBOX_KEYS, /* signs handshakes */
    SANDBOX_IDP,  /* asks other servers who somebody is: makes sockets */
    SANDBOX_SHIP, /* sends the audit log to one receiver */
    SANDBOX_GSS,  /* looks at Kerberos tickets */
};
#define SANDBOX_KIND_COUNT (SANDBOX_GSS + 1)

enum sandbox_access {
    SANDBOX_READ,  /* files below may be read, folders listed */
    SANDBOX_WRITE, /* besides: made, written, renamed, removed */
};

struct sandbox_path {
    const char *path;
    enum sandbox_access access;
};

struct sandbox_rules {
    enum sandbox_kind kind;
    struct sandbox_path paths[SANDBOX_PATHS_MAX];
    size_t n_paths;
    uint16_t
        ports[SANDBOX_PORTS_MAX]; /* TCP ports of other servers; SANDBOX_IDP and SANDBOX_SHIP */
    size_t n_ports;
    bool best_effort; /* what the kernel lacks is noted in the state and done without */
};

/* Add one that is not there yet; a path that does not exist is an error of sandbox_enter(). */
void sandbox_allow(struct sandbox_rules *rules, const char *path, enum sandbox_access access);

/* The same of a port that TCP may connect to; one that is there already is not added again. */
void sandbox_allow_port(struct sandbox_rules *rules, uint16_t port);

/*
 * Become this user with its primary group and no others. RC_NOT_FOUND: no such user. Called as
 * root only.
 */
MUST_CHECK enum rc sandbox_change_user(const char *user, struct err *err);

/*
 * No capabilities, no_new_privs, no core files, not dumpable, and the end of the parent ends
 * us. Works for root and for ordinary users.
 */
MUST_CHECK enum rc sandbox_harden(struct err *err);

/* Soft and hard limits of this process; 0: leave it. */
struct sandbox_limits {
    uint64_t memory_bytes; /* address space; not applied in wide builds */
    uint64_t cpu_sec;
    uint64_t files;
};
MUST_CHECK enum rc sandbox_limit(const struct sandbox_limits *limits, struct err *err);

/*
 * Self-test, Landlock, seccomp. Appends what holds now to state, for a person:
 * "landlock abi 7, seccomp 62 calls". RC_UNAVAILABLE: the kernel lacks a part and best_effort
 * is off; RC_DENIED: the self-test could do what must not be possible; RC_INVALID: a thread
 * runs.
 */
MUST_CHECK enum rc sandbox_enter(const struct sandbox_rules *rules, struct buf *state,
                                 struct err *err);

/* The same without self-test, for a child of a process that is confined already. */
MUST_CHECK enum rc sandbox_enter_child(const struct sandbox_rules *rules, struct buf *state,
                                       struct err *err);

#endif
