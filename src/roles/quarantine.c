#include "roles/quarantine.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/scan.h"
#include "roles/role.h"

#define FILE_MAX_BYTES ((size_t) ROLE_QUARANTINE_MAX * 21) /* 20 digits and a newline each */

struct naming {
    uint64_t account;
    int64_t at_us;
};

struct quarantine {
    char *path; /* NULL: memory only */
    uint64_t list[ROLE_QUARANTINE_MAX];
    size_t n;
    struct naming named[QUARANTINE_NAMED_MAX]; /* a ring */
    size_t n_named;                            /* all that were ever written to it */
};

static bool contains(const struct quarantine *q, uint64_t account)
{
    for (size_t i = 0; i < q->n; i++) {
        if (q->list[i] == account)
            return true;
    }
    return false;
}

static enum rc parse(struct quarantine *q, struct slice text, struct err *err)
{
    struct scan sc = scan_of(text);

    while (!scan_done(&sc)) {
        uint64_t account;

        if (!scan_u64(&sc, UINT64_MAX, &account) || !scan_byte(&sc, '\n') ||
            q->n == ROLE_QUARANTINE_MAX)
            return err_set(err, RC_CORRUPT, "Internal error", "%s: account %zu is broken",
                           q->path, q->n + 1);
        if (!contains(q, account))
            q->list[q->n++] = account;
    }
    return RC_OK;
}

static enum rc load(struct quarantine *q, struct err *err)
{
    AUTO(closep) int fd = open(q->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    AUTO(freep) char *text = NULL;
    size_t len = 0;
    ssize_t n;

    if (fd < 0 && errno == ENOENT)
        return RC_OK;
    if (fd < 0)
        return err_set(err, RC_IO, "Internal error", "%s: %s", q->path, strerror(errno));
    text = xmalloc(FILE_MAX_BYTES + 1);
    do {
        n = read(fd, text + len, FILE_MAX_BYTES + 1 - len);
        len += n > 0 ? (size_t) n : 0;
    } while (n > 0 && len <= FILE_MAX_BYTES);
    if (n < 0 || len > FILE_MAX_BYTES)
        return err_set(err, RC_CORRUPT, "Internal error", "%s: not readable", q->path);
    return parse(q, slice_of(text, len), err);
}

/* Write a new file and put it in place of the old. What fails is logged: the list in memory
 * holds all the same. */
static void save(const struct quarantine *q)
{
    AUTO(buf_done) struct buf text = {0};
    AUTO(buf_done) struct buf path = {0};
    AUTO(closep) int fd = -1;

    if (q->path == NULL)
        return;
    buf_init(&text, FILE_MAX_BYTES);
    buf_init(&path, strlen(q->path) + 16);
    buf_printf(&path, "%s.new", q->path);
    for (size_t i = 0; i < q->n; i++) {
        buf_u64(&text, q->list[i]);
        buf_byte(&text, '\n');
    }
    fd = open(path.ptr, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || write(fd, text.ptr, text.len) != (ssize_t) text.len || fsync(fd) != 0 ||
        rename(path.ptr, q->path) != 0)
        log_event(LEVEL_ERROR, "quarantine.save", LOG_STR("detail", strerror(errno)));
}

enum rc quarantine_open(const char *path, struct quarantine **out, struct err *err)
{
    struct quarantine *q = xcalloc(1, sizeof(*q));
    enum rc rc = RC_OK;

    if (path != NULL) {
        q->path = xstrdup(path);
        rc = load(q, err);
    }
    if (rc) {
        quarantine_free(q);
        return rc;
    }
    *out = q;
    return RC_OK;
}

void quarantine_free(struct quarantine *quarantine)
{
    if (quarantine == NULL)
        return;
    free(quarantine->path);
    free(quarantine);
}

/* How often it was named since; the ring is short enough to be walked. */
static size_t count_since(const struct quarantine *q, uint64_t account, int64_t since_us)
{
    size_t have = MIN(q->n_named, (size_t) QUARANTINE_NAMED_MAX), n = 0;

    for (size_t i = 0; i < have; i++) {
        if (q->named[i].account == account && q->named[i].at_us >= since_us)
            n++;
    }
    return n;
}

size_t quarantine_crash(struct quarantine *quarantine, const uint64_t *accounts, size_t n,
                        int64_t now_us, uint64_t *out_new)
{
    int64_t since_us = now_us - (int64_t) QUARANTINE_WINDOW_SEC * 1000000;
    size_t n_new = 0;

    for (size_t i = 0; i < n; i++) {
        quarantine->named[quarantine->n_named++ % QUARANTINE_NAMED_MAX] =
            (struct naming){accounts[i], now_us};
        if (count_since(quarantine, accounts[i], since_us) < QUARANTINE_CRASHES ||
            contains(quarantine, accounts[i]) || quarantine->n == ROLE_QUARANTINE_MAX)
            continue;
        quarantine->list[quarantine->n++] = accounts[i];
        out_new[n_new++] = accounts[i];
    }
    if (n_new > 0)
        save(quarantine);
    return n_new;
}

/* Its past crashes are forgotten with it: it gets three new ones. */
static void forget_namings(struct quarantine *q, uint64_t account)
{
    for (size_t i = 0; i < MIN(q->n_named, (size_t) QUARANTINE_NAMED_MAX); i++) {
        if (q->named[i].account == account)
            q->named[i].at_us = INT64_MIN;
    }
}

enum rc quarantine_release(struct quarantine *quarantine, uint64_t account, struct err *err)
{
    for (size_t i = 0; i < quarantine->n; i++) {
        if (quarantine->list[i] != account)
            continue;
        quarantine->list[i] = quarantine->list[--quarantine->n];
        forget_namings(quarantine, account);
        save(quarantine);
        return RC_OK;
    }
    return err_set(err, RC_NOT_FOUND, "This account is not in quarantine",
                   "account %llu is not in quarantine", (unsigned long long) account);
}

const uint64_t *quarantine_list(const struct quarantine *quarantine, size_t *out_n)
{
    *out_n = quarantine->n;
    return quarantine->list;
}
