#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

static const char *const rc_names[RC_COUNT] = {
    [RC_OK] = "ok",           [RC_MORE] = "more",           [RC_SYNTAX] = "syntax",
    [RC_INVALID] = "invalid", [RC_NOT_FOUND] = "not-found", [RC_EXISTS] = "exists",
    [RC_DENIED] = "denied",   [RC_LIMIT] = "limit",         [RC_CONFLICT] = "conflict",
    [RC_CORRUPT] = "corrupt", [RC_FULL] = "full",           [RC_UNAVAILABLE] = "unavailable",
    [RC_IO] = "io",           [RC_QUOTA] = "quota",         [RC_ELSEWHERE] = "elsewhere",
};

void err_fill(struct err *err, enum rc rc, const char *text, const char *detail_fmt, ...)
{
    va_list args;

    if (err == NULL)
        return;
    err->rc = rc;
    (void) snprintf(err->text, sizeof(err->text), "%s", text);
    va_start(args, detail_fmt);
    (void) vsnprintf(err->detail, sizeof(err->detail), detail_fmt, args);
    va_end(args);
}

const char *rc_name(enum rc rc)
{
    return (size_t) rc < COUNT(rc_names) ? rc_names[rc] : "unknown";
}

_Noreturn void die(const char *fmt, ...)
{
    va_list args;

    (void) fputs("roost: fatal: ", stderr);
    va_start(args, fmt);
    (void) vfprintf(stderr, fmt, args);
    va_end(args);
    (void) fputc('\n', stderr);
    abort();
}

enum rc rc_of_errno(int code)
{
    switch (code) {
    case ENOENT:
    case ENOTDIR:
        return RC_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return RC_DENIED;
    case ENOSPC:
    case EDQUOT:
        return RC_FULL;
    default:
        return RC_IO;
    }
}

void *xmalloc(size_t size)
{
    void *ptr = malloc(size);

    if (ptr == NULL)
        die("out of memory: %zu bytes", size);
    return ptr;
}

void *xcalloc(size_t n, size_t size)
{
    void *ptr = calloc(n, size);

    if (ptr == NULL)
        die("out of memory: %zu x %zu bytes", n, size);
    return ptr;
}

void *xrealloc(void *old, size_t size)
{
    void *ptr = realloc(old, size);

    if (ptr == NULL)
        die("out of memory: %zu bytes", size);
    return ptr;
}

char *xstrdup(const char *s)
{
    size_t len = strlen(s) + 1;

    return memcpy(xmalloc(len), s, len);
}

void freep(void *ptr_to_ptr)
{
    void **ptr = ptr_to_ptr;

    free(*ptr);
    *ptr = NULL;
}

void closep(const int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        (void) close(*fd); /* nothing written through an AUTO descriptor is trusted to close */
    errno = saved;
}
