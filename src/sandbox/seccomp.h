/*
 * seccomp.h - the system call table, and the filter made from the rows of one kind.
 *
 * Spec: seccomp(2), SECCOMP_SET_MODE_FILTER; x86-64 and aarch64, the native ABI only (no x32,
 * no 32-bit calls). What the table does not allow kills the process.
 */
#ifndef ROOST_SANDBOX_SECCOMP_H
#define ROOST_SANDBOX_SECCOMP_H

#include "sandbox/sandbox.h"

#define SYSCALL_VALUES_MAX 8u
/* Of the kinds, in the order of enum sandbox_kind: Gate, Auth, Mail, Digest, its Child, Log,
 * Web, Keys, Idp, Ship, gss (Tickets). */
#define SANDBOX_LETTERS "GAMDCLWKIST"

/* How the arguments decide. */
enum syscall_check {
    CHECK_NONE,    /* allowed whatever they are */
    CHECK_EQ,      /* the low 32 bits of args[arg] are one of values */
    CHECK_EQ_ELSE, /* the same of all values but the last two: args[arg + 1] has none of the
                    * bits of the one, the other is the errno of what does not hold */
    CHECK_EQ_BOTH, /* the same of all values but the last, which args[arg + 1] is */
    CHECK_HAS,     /* args[arg] has all bits of values[0] */
    CHECK_HAS_NOT, /* args[arg] has none of the bits of values[0] */
    CHECK_NULL,    /* args[arg] is a null pointer */
    CHECK_ERRNO,   /* never done: answered with errno values[0] */
};

struct syscall_row {
    const char *name;
    uint32_t number;
    const char *kinds; /* the letters of the sandbox kinds that may; '.' is nobody's */
    enum syscall_check check;
    uint8_t arg, n_values;
    uint32_t values[SYSCALL_VALUES_MAX];
};

/* One row at most for a number and a kind. */
extern const struct syscall_row syscall_table[];
extern const size_t syscall_table_len;
/* Wide builds: killed in every kind, everything else is allowed. */
extern const struct syscall_row syscall_wide_denied[];
extern const size_t syscall_wide_denied_len;

bool syscall_row_is_for(const struct syscall_row *row, enum sandbox_kind kind);
/* Whether the running kernel has seccomp at all. */
bool seccomp_available(void);
/* How many rows a kind has. */
size_t seccomp_count(enum sandbox_kind kind);
/* Install the filter on all threads of the process. no_new_privs is set already. */
MUST_CHECK enum rc seccomp_confine(enum sandbox_kind kind, struct err *err);

#endif
