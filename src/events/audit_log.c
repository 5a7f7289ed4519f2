/*
 * audit_log.c - `at` is the end of what is gathered, `written` the end of what is in the file:
 * a write that fails goes back to it, so that the chain has no hole.
 */
#include "events/audit_log.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/scan.h"
#include "events/audit_files.h"
#include "events/ecs.h"

#define GATHER_BYTES  (2 * AUDIT_LINE_MAX_BYTES)
#define DAY_SECONDS   ((int64_t) 24 * 60 * 60)
#define MEMBERS_BYTES ((size_t) 4096)
#define KEPT_BYTES    ((size_t) 64 << 20) /* more than senders keep (roles/log_sink.h) */

struct audit_log {
    struct audit_log_options options;
    int folder, fd;
    uint64_t number, bytes; /* of the file */
    struct buf gathered;
    struct audit_mark at, written;
    struct audit_head head; /* the newest signed line */
    uint64_t n_gathered, n_unsigned, n_unsynced, n_lost;
    struct buf kept;   /* members of events that somebody waits for, until they are signed: le32
                          length, octets */
    bool repeats_kept; /* a write or a sync failed: they may be gone, whatever the next says */
    unsigned char key[AUDIT_KEY_BYTES];
};

static enum rc failed(struct err *err, const char *what)
{
    return err_set(err, errno == ENOSPC || errno == EDQUOT ? RC_FULL : RC_IO, "Internal error",
                   "audit: %s: %s", what, strerror(errno));
}

/* ---- lines of the log's own ---- */

static void own_members(struct buf *out, const char *action)
{
    const struct audited what = {action, "process", "info", AUDIT_ACTOR};
    const struct msg_log_event event = {.level = LEVEL_INFO,
                                        .time_us = (uint64_t) clock_wall_us()};

    buf_init(out, MEMBERS_BYTES);
    ecs_members(out, "log", &event, &what);
}

/* head: where the line's signature goes; NULL: it has none. */
static void add_line(struct audit_log *log, struct slice members, struct audit_head *head)
{
    audit_line_add(&log->gathered, members, &log->at, head != NULL ? log->key : NULL,
                   head != NULL ? head->signature : NULL);
    log->n_gathered++;
    if (head != NULL)
        head->mark = log->at;
}

/* ---- writing ---- */

static void forget_gathered(struct audit_log *log)
{
    buf_reset(&log->gathered);
    buf_shrink(&log->gathered, GATHER_BYTES / 8);
    log->n_gathered = 0;
}

static enum rc write_gathered(struct audit_log *log, struct err *err)
{
    struct slice rest = buf_slice(&log->gathered);

    while (rest.len > 0) {
        ssize_t n = pwrite(log->fd, rest.ptr, rest.len,
                           (off_t) (log->bytes + log->gathered.len - rest.len));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return failed(err, "write");
        rest = slice_from(rest, (size_t) n);
    }
    return RC_OK;
}

static enum rc flush(struct audit_log *log, struct err *err)
{
    enum rc rc;

    if (log->gathered.len == 0)
        return RC_OK;
    rc = write_gathered(log, err);
    if (rc) {
        (void) !ftruncate(log->fd, (off_t) log->bytes); /* else the next lines go over it */
        log->n_lost += log->n_gathered;
        log->at = log->written;
        log->repeats_kept = true;
    } else {
        log->bytes += log->gathered.len;
        log->n_unsigned += log->n_gathered;
        log->n_unsynced += log->n_gathered;
        log->written = log->at;
    }
    forget_gathered(log);
    return rc;
}

enum rc audit_log_flush(struct audit_log *log, struct err *err)
{
    return flush(log, err);
}

/* Events were lost, and there may be space again. */
static void tell_of_lost(struct audit_log *log)
{
    AUTO(buf_done) struct buf members = {0};

    if (log->n_lost == 0)
        return;
    own_members(&members, "audit.lost");
    buf_printf(&members, ",\"roost.events\":%llu", (unsigned long long) log->n_lost);
    add_line(log, buf_slice(&members), NULL);
}

void audit_log_add(struct audit_log *log, struct slice members)
{
    struct err err;

    if (log->gathered.len + members.len + MEMBERS_BYTES > GATHER_BYTES)
        (void) flush(log, &err); /* counted; the next flush that fails is told */
    add_line(log, members, NULL);
}

void audit_log_add_kept(struct audit_log *log, struct slice members)
{
    buf_le32(&log->kept, (uint32_t) members.len);
    buf_append(&log->kept, members);
    audit_log_add(log, members);
}

/* The kernel may have dropped what it could not write, and call the next sync good. */
static void repeat_kept(struct audit_log *log)
{
    struct scan sc = scan_of(buf_slice(&log->kept));
    struct slice members;
    uint32_t len;

    if (!log->repeats_kept)
        return;
    log->repeats_kept = false; /* until one of these writes fails */
    while (scan_le32(&sc, &len) && scan_take(&sc, len, &members))
        audit_log_add(log, members);
}

static void forget_kept(struct audit_log *log)
{
    buf_reset(&log->kept);
    buf_shrink(&log->kept, GATHER_BYTES / 8);
}

uint64_t audit_log_unsigned(const struct audit_log *log)
{
    return log->n_unsigned + log->n_gathered;
}

uint64_t audit_log_unsynced(const struct audit_log *log)
{
    return log->n_unsynced + log->n_gathered;
}

/* A signed line behind all others. */
static enum rc sign(struct audit_log *log, const char *action, struct slice more,
                    struct err *err)
{
    AUTO(buf_done) struct buf members = {0};
    struct audit_head head;
    uint64_t lost = log->n_lost;
    enum rc rc;

    repeat_kept(log);
    tell_of_lost(log);
    own_members(&members, action);
    buf_append(&members, more);
    add_line(log, buf_slice(&members), &head);
    rc = flush(log, err);
    if (rc)
        return rc;
    log->n_lost -= lost;
    log->n_unsigned = 0;
    log->head = head;
    return RC_OK;
}

/* The same, all of it durable, and the head. */
static enum rc seal(struct audit_log *log, const char *action, struct slice more,
                    struct err *err)
{
    enum rc rc = sign(log, action, more, err);

    if (rc)
        return rc;
    if (fdatasync(log->fd) != 0) {
        log->repeats_kept = true;
        return failed(err, "sync");
    }
    rc = audit_head_write(log->folder, &log->head, err);
    if (rc)
        return rc;
    log->n_unsynced = 0;
    if (log->repeats_kept)
        return err_set(err, RC_IO, "Internal error", "audit: events are still to be written");
    forget_kept(log);
    return RC_OK;
}

/* ---- files ---- */

static enum rc open_file(struct audit_log *log, uint64_t number, struct err *err)
{
    char name[AUDIT_NAME_BYTES];
    struct stat st;
    int fd;

    audit_file_name(name, number);
    fd = openat(log->folder, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, AUDIT_FILE_MODE);
    if (fd < 0 || fstat(fd, &st) != 0 || fchmod(fd, AUDIT_FILE_MODE) != 0 ||
        fsync(log->folder) != 0) {
        enum rc rc = failed(err, name);

        closep(&fd);
        return rc;
    }
    closep(&log->fd);
    log->fd = fd;
    log->number = number;
    log->bytes = (uint64_t) st.st_size;
    return RC_OK;
}

/* So that the log can be read from this line on. */
static void print_before(const struct audit_log *log, struct buf *out)
{
    buf_init(out, MEMBERS_BYTES);
    buf_str(out, ",\"roost.chain_before\":\"");
    audit_hex(out, log->at.chain, sizeof(log->at.chain));
    buf_byte(out, '"');
}

static enum rc next_file(struct audit_log *log, struct err *err)
{
    AUTO(buf_done) struct buf more = {0};
    enum rc rc = open_file(log, log->number + 1, err);

    if (rc)
        return rc;
    print_before(log, &more);
    return seal(log, "audit.continued", buf_slice(&more), err);
}

static bool is_old(const struct audit_log *log, const char *name)
{
    int64_t age = (int64_t) log->options.keep_days * DAY_SECONDS;
    struct stat st;

    return fstatat(log->folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           st.st_mtime + age < clock_wall_sec();
}

/* Oldest first, each named before it goes; the first that is young ends it. */
static enum rc drop_old(struct audit_log *log, struct err *err)
{
    AUTO(freep) uint64_t *numbers = NULL;
    size_t n = 0;
    enum rc rc;

    if (log->options.keep_days == 0)
        return RC_OK;
    rc = audit_files_list(log->folder, &numbers, &n, err);
    for (size_t i = 0; !rc && i < n && numbers[i] < log->number; i++) {
        AUTO(buf_done) struct buf more = {0};
        char name[AUDIT_NAME_BYTES];

        audit_file_name(name, numbers[i]);
        if (!is_old(log, name))
            break;
        buf_init(&more, MEMBERS_BYTES);
        buf_printf(&more, ",\"file.name\":\"%s\"", name);
        rc = seal(log, "audit.pruned", buf_slice(&more), err);
        if (!rc && unlinkat(log->folder, name, 0) != 0)
            rc = failed(err, name);
    }
    return rc;
}

enum rc audit_log_sign(struct audit_log *log, struct err *err)
{
    return sign(log, "audit.checkpoint", SLICE(""), err);
}

enum rc audit_log_sync(struct audit_log *log, struct err *err)
{
    enum rc rc = seal(log, "audit.checkpoint", SLICE(""), err);

    if (rc || log->bytes < log->options.file_bytes)
        return rc;
    rc = next_file(log, err);
    return rc ? rc : drop_old(log, err);
}

/* ---- the start ---- */

static enum rc write_once(int folder, const char *name, struct slice bytes, struct err *err)
{
    AUTO(closep)
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0 || write(fd, bytes.ptr, bytes.len) != (ssize_t) bytes.len || fsync(fd) != 0)
        return failed(err, name);
    return RC_OK;
}

static enum rc make_key(struct audit_log *log, struct err *err)
{
    unsigned char public_key[AUDIT_PUBLIC_KEY_BYTES];
    AUTO(buf_done) struct buf text = {0};
    enum rc rc;

    (void) crypto_sign_keypair(public_key, log->key);
    buf_init(&text, 64);
    base64_encode(&text, slice_of((const char *) public_key, sizeof(public_key)));
    buf_byte(&text, '\n');
    rc = write_once(log->folder, "key.pub", buf_slice(&text), err);
    if (!rc)
        rc = write_once(log->folder, "key.new",
                        slice_of((const char *) log->key, sizeof(log->key)), err);
    if (!rc &&
        (renameat(log->folder, "key.new", log->folder, "key") != 0 || fsync(log->folder) != 0))
        rc = failed(err, "key");
    return rc;
}

static enum rc take_key(struct audit_log *log, struct err *err)
{
    enum rc rc = audit_file_read(log->folder, "key", log->key, sizeof(log->key), err);

    return rc == RC_NOT_FOUND ? make_key(log, err) : rc;
}

/* What the start found, for `audit.started`. */
struct found {
    uint64_t n_unsigned, n_missing;
    uint64_t torn_bytes, torn_in; /* the number of the file */
    bool has_bad_head;
    unsigned char torn_hash[crypto_hash_sha256_BYTES];
};

/* The last octets of the file: at least its last whole line, if it has one. */
static enum rc read_end(const struct audit_log *log, struct buf *out, struct err *err)
{
    uint64_t len = MIN(log->bytes, (uint64_t) 2 * AUDIT_LINE_MAX_BYTES);
    AUTO(freep) char *bytes = xmalloc((size_t) len + 1);

    if (pread(log->fd, bytes, (size_t) len, (off_t) (log->bytes - len)) != (ssize_t) len)
        return failed(err, "read");
    buf_init(out, 2 * AUDIT_LINE_MAX_BYTES);
    buf_append(out, slice_of(bytes, (size_t) len));
    return RC_OK;
}

/* Take the last line off text; false: there is none. */
static bool last_line(struct slice *text, struct slice *out)
{
    size_t start;

    if (text->len == 0 || text->ptr[text->len - 1] != '\n')
        return false;
    start = text->len - 1;
    while (start > 0 && text->ptr[start - 1] != '\n')
        start--;
    *out = slice_sub(*text, start, text->len - 1 - start);
    text->len = start;
    return true;
}

/* The newest line that has the form of one is the end of the chain. */
static void find_end(struct audit_log *log, struct slice text, struct found *found)
{
    struct slice torn = text, line;
    struct audit_line read;

    while (text.len > 0 && text.ptr[text.len - 1] != '\n')
        text.len--;
    torn = slice_from(torn, text.len);
    found->torn_bytes = torn.len;
    found->torn_in = log->number;
    (void) crypto_hash_sha256(found->torn_hash, (const unsigned char *) torn.ptr, torn.len);
    while (last_line(&text, &line)) {
        if (audit_line_read(line, &read)) {
            log->at = read.mark;
            break;
        }
    }
}

/* The second half of the secret one. */
static const unsigned char *public_key(const struct audit_log *log)
{
    return log->key + AUDIT_KEY_BYTES - AUDIT_PUBLIC_KEY_BYTES;
}

/* The chain goes on from whichever is further, the files or the head. */
static enum rc meet_head(struct audit_log *log, struct found *found, struct err *err)
{
    struct audit_head head = {0};
    enum rc rc = audit_head_read(log->folder, &head, err);

    found->has_bad_head =
        rc == RC_CORRUPT ||
        (rc == RC_OK && !audit_signature_is_good(&head.mark, head.signature, public_key(log)));
    if (rc == RC_NOT_FOUND || found->has_bad_head)
        head.mark.sequence = 0;
    else if (rc)
        return rc;
    if (head.mark.sequence > log->at.sequence) {
        found->n_missing = head.mark.sequence - log->at.sequence;
        log->at = head.mark;
    } else {
        found->n_unsigned = log->at.sequence - head.mark.sequence;
    }
    return RC_OK;
}

static void print_found(const struct found *found, struct buf *out)
{
    if (found->has_bad_head)
        buf_str(out, ",\"roost.bad_head\":true");
    if (found->n_unsigned > 0)
        buf_printf(out, ",\"roost.unsigned\":%llu", (unsigned long long) found->n_unsigned);
    if (found->n_missing > 0)
        buf_printf(out, ",\"roost.missing\":%llu", (unsigned long long) found->n_missing);
    if (found->torn_bytes > 0) {
        buf_printf(out, ",\"roost.torn_bytes\":%llu,\"roost.torn_sha256\":\"",
                   (unsigned long long) found->torn_bytes);
        audit_hex(out, found->torn_hash, sizeof(found->torn_hash));
        buf_byte(out, '"');
    }
}

/* The newest file that has a line: one that was begun and got none is begun again. */
static enum rc find_newest(struct audit_log *log, struct found *found, struct err *err)
{
    AUTO(freep) uint64_t *numbers = NULL;
    size_t n = 0;
    enum rc rc = audit_files_list(log->folder, &numbers, &n, err);

    if (!rc && n == 0)
        rc = open_file(log, 1, err);
    for (size_t i = n; !rc && i-- > 0 && log->at.sequence == 0;) {
        AUTO(buf_done) struct buf end = {0};

        rc = open_file(log, numbers[i], err);
        if (!rc)
            rc = read_end(log, &end, err);
        if (!rc)
            find_end(log, buf_slice(&end), found);
    }
    if (!rc && n > 0 && log->number != numbers[n - 1])
        rc = open_file(log, numbers[n - 1], err);
    return rc;
}

static enum rc start(struct audit_log *log, uint64_t *out_missing, struct err *err)
{
    AUTO(buf_done) struct buf more = {0};
    struct found found = {0};
    enum rc rc = take_key(log, err);

    if (!rc)
        rc = find_newest(log, &found, err);
    if (!rc && log->at.sequence == 0)
        audit_mark_first(public_key(log), &log->at);
    if (!rc)
        rc = meet_head(log, &found, err);
    if (rc)
        return rc;
    *out_missing = found.n_missing;
    log->written = log->at;
    if (found.torn_bytes > 0 && found.torn_in == log->number)
        buf_byte(&log->gathered, '\n');
    print_before(log, &more);
    print_found(&found, &more);
    rc = seal(log, "audit.started", buf_slice(&more), err);
    return rc == RC_FULL ? RC_OK : rc; /* counted; who frees space must be served */
}

static void log_free(struct audit_log *log)
{
    closep(&log->fd);
    closep(&log->folder);
    buf_done(&log->gathered);
    buf_done(&log->kept);
    sodium_memzero(log->key, sizeof(log->key));
    free(log);
}

enum rc audit_log_open(const char *path, const struct audit_log_options *options,
                       struct audit_log **out, uint64_t *out_missing, struct err *err)
{
    struct audit_log *log = xcalloc(1, sizeof(*log));
    enum rc rc;

    log->options = *options;
    log->fd = -1;
    buf_init(&log->gathered, GATHER_BYTES);
    buf_init(&log->kept, KEPT_BYTES);
    log->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    rc = log->folder < 0 ? failed(err, path) : start(log, out_missing, err);
    if (!rc)
        rc = audit_files_share(log->folder,
                               err); /* the umask had its say, or an older version */
    if (rc) {
        log_free(log);
        return rc;
    }
    *out = log;
    return RC_OK;
}

void audit_log_close(struct audit_log *log)
{
    struct err err;

    if (log == NULL)
        return;
    (void) seal(log, "audit.stopped", SLICE(""), &err); /* what is written stays, unsigned */
    log_free(log);
}
