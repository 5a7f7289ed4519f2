/*
 * err.h - the one error type, and the few macros every file uses.
 *
 * The place that finds a failure fills the error once; callers pass it up or deal with it. A
 * log line is written where the request ends. On failure, output arguments are untouched.
 */
#ifndef ROOST_BASE_ERR_H
#define ROOST_BASE_ERR_H

#include <stddef.h>
#include <stdint.h>

#include "base/banned.h"

enum rc {
    RC_OK,
    RC_MORE,        /* not a failure: needs more input, or room for output */
    RC_SYNTAX,      /* not in the grammar */
    RC_INVALID,     /* in the grammar, no sense here */
    RC_NOT_FOUND,   /* the thing named is not there */
    RC_EXISTS,      /* the thing to make is there already */
    RC_DENIED,      /* no right */
    RC_LIMIT,       /* a named limit of ours; detail says which */
    RC_CONFLICT,    /* the world moved under us; trying again may work */
    RC_CORRUPT,     /* stored bytes fail their check */
    RC_FULL,        /* no space is left */
    RC_UNAVAILABLE, /* not now: overload, recovery, a part is down */
    RC_IO,          /* the system refused; detail has errno's text */
    RC_QUOTA,       /* over what this account may hold (RFC 9208) */
    RC_ELSEWHERE,   /* on another server (RFC 2193) */
};
#define RC_COUNT (RC_ELSEWHERE + 1)

struct err {
    enum rc rc;
    char text[96];    /* for the client: no paths, no errno, none of the peer's bytes */
    char detail[160]; /* for the log */
};

#define MUST_CHECK           __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, va) __attribute__((format(printf, fmt, va)))
#define COUNT(array)         (sizeof(array) / sizeof((array)[0]))

/* The lesser and the greater of two, in the type that both convert to; each is evaluated once,
 * so it may be a call. For expressions in functions: a constant of the file has ?: in its
 * place.
 */
#define MIN(a, b)              CHOOSE_(<, a, b, __COUNTER__)
#define MAX(a, b)              CHOOSE_(>, a, b, __COUNTER__)
#define CHOOSE_(than, a, b, n) CHOOSE_AS_(than, a, b, n)
#define CHOOSE_AS_(than, a, b, n)                                                              \
    __extension__({                                                                            \
        __typeof__(1 ? (a) : (b)) one_##n = (a), other_##n = (b);                              \
        one_##n than other_##n ? one_##n : other_##n;                                          \
    })

/* A variable with a destructor: AUTO(arena_freep) struct arena *a = NULL; */
#define AUTO(cleanup_fn) __attribute__((cleanup(cleanup_fn)))

/* Hand on what an AUTO variable holds; the variable is NULL afterwards. */
#define TAKE(var)                                                                              \
    __extension__({                                                                            \
        __typeof__(var) take_ = (var);                                                         \
        (var) = NULL;                                                                          \
        take_;                                                                                 \
    })

/* What an errno of opening or making a file says: RC_NOT_FOUND, RC_DENIED, RC_FULL, else RC_IO.
 */
enum rc rc_of_errno(int code);

/*
 * Fill err (NULL is allowed and ignored); err_set() is rc itself, so that the compiler sees
 * that it is no RC_OK. text is for the peer; the rest is a printf format for the log. Text
 * longer than the fields is cut.
 */
#define err_set(err, rc, ...) (err_fill((err), (rc), __VA_ARGS__), (rc))
void err_fill(struct err *err, enum rc rc, const char *text, const char *detail_fmt, ...)
    PRINTF_LIKE(4, 5);

/* The name of rc as the log shows it: "not-found". Static. */
const char *rc_name(enum rc rc);

/* End the process with a message: memory ran out, or an invariant of ours does not hold. */
_Noreturn void die(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* malloc, calloc and realloc that end the process when memory runs out. size > 0. */
void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *old, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));

/* AUTO(freep) for plain heap blocks, AUTO(closep) for descriptors (-1: none). */
void freep(void *ptr_to_ptr);
void closep(const int *fd);

#endif
