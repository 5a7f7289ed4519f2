#include "auth/breached.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/scan.h"

#define DIGITS         40u
#define LINE_MAX_BYTES 63u /* digits, ":", a u64, CR LF: half of what one read has */

_Static_assert(BREACHED_READ_BYTES >= 2 * LINE_MAX_BYTES, "a read from anywhere has a line");

struct list {
    const char *path;
    int fd;
    uint64_t size;
};

struct line {
    uint64_t at, next; /* offsets of this line and of the one behind it */
    char digits[DIGITS];
    uint64_t count;
};

static enum rc damaged(const struct list *list, uint64_t at, const char *what, struct err *err)
{
    return err_set(err, RC_CORRUPT, "The list of breached passwords is damaged",
                   "%.100s: %s at byte %llu", list->path, what, (unsigned long long) at);
}

static enum rc read_at(const struct list *list, uint64_t at, char room[BREACHED_READ_BYTES],
                       struct slice *out, struct err *err)
{
    ssize_t n = pread(list->fd, room, BREACHED_READ_BYTES, (off_t) at);

    if (n < 0)
        return err_set(err, RC_IO, "The list of breached passwords cannot be read",
                       "%.100s: %s", list->path, strerror(errno));
    *out = slice_of(room, (size_t) n);
    return RC_OK;
}

static bool is_hex(char c)
{
    return ascii_hex_value(c) >= 0;
}

/* The line that starts there. */
static enum rc read_line(const struct list *list, uint64_t at, struct line *out,
                         struct err *err)
{
    char room[BREACHED_READ_BYTES];
    struct slice bytes, digits;
    struct line line = {.at = at};
    struct scan sc;
    enum rc rc = read_at(list, at, room, &bytes, err);

    if (rc)
        return rc;
    sc = scan_of(bytes);
    digits = scan_while(&sc, is_hex);
    if (digits.len != DIGITS || !scan_byte(&sc, ':') || !scan_u64(&sc, UINT64_MAX, &line.count))
        return damaged(list, at, "no hash and count", err);
    (void) scan_byte(&sc, '\r');
    if (!scan_byte(&sc, '\n') && !(scan_done(&sc) && at + bytes.len == list->size))
        return damaged(list, at, "no end of line", err);
    for (size_t i = 0; i < DIGITS; i++)
        line.digits[i] = ascii_upper(digits.ptr[i]);
    line.next = at + scan_offset(&sc);
    *out = line;
    return RC_OK;
}

/* The first line that starts at or behind the offset; its at is the list's size if none does.
 */
static enum rc line_behind(const struct list *list, uint64_t at, struct line *out,
                           struct err *err)
{
    char room[BREACHED_READ_BYTES];
    struct slice bytes;
    size_t end;
    enum rc rc;

    if (at == 0)
        return read_line(list, 0, out, err);
    rc = read_at(list, at - 1, room, &bytes, err); /* the byte before may end a line */
    if (rc)
        return rc;
    end = slice_find(bytes, '\n');
    if (end == bytes.len && at - 1 + bytes.len < list->size)
        return damaged(list, at, "no end of line", err);
    at += end;
    if (at < list->size)
        return read_line(list, at, out, err);
    *out = (struct line){.at = list->size, .next = list->size};
    return RC_OK;
}

static int order(const struct line *a, const struct line *b)
{
    return memcmp(a->digits, b->digits, DIGITS);
}

/* Lines at even distances: a list in another order fails here for sure, whatever is looked up.
 */
static enum rc check_order(const struct list *list, struct err *err)
{
    struct line last = {.next = 0}, line;

    for (uint64_t i = 0; i < BREACHED_SAMPLES; i++) {
        enum rc rc = line_behind(list, list->size / BREACHED_SAMPLES * i, &line, err);

        if (rc)
            return rc;
        if (line.at == list->size)
            break;
        if (i > 0 && line.at != last.at && order(&last, &line) >= 0)
            return damaged(list, line.at, "not sorted by hash", err);
        last = line;
    }
    return RC_OK;
}

/*
 * Lines before `from` are smaller than the one wanted, and those that start at or behind `to`
 * are not. Each turn reads a line between the two and moves one of them; a line that is not
 * between the lines read at the two ends shows that the list is not sorted.
 */
static enum rc search(const struct list *list, const struct line *want, uint64_t *out_count,
                      struct err *err)
{
    struct line line, below = {.at = 0}, above = {.at = 0};
    bool has_below = false, has_above = false;
    uint64_t from = 0, to = list->size;

    while (from < to) {
        uint64_t middle = from + (to - from) / 2;
        enum rc rc = line_behind(list, middle, &line, err);

        if (rc)
            return rc;
        if (line.at >= to) { /* the last line between the two starts before the middle */
            to = middle;
            continue;
        }
        if ((has_below && order(&line, &below) <= 0) ||
            (has_above && order(&line, &above) >= 0))
            return damaged(list, line.at, "not sorted by hash", err);
        if (order(&line, want) == 0) {
            *out_count = line.count;
            return RC_OK;
        }
        if (order(&line, want) < 0) {
            below = line;
            has_below = true;
            from = line.next;
        } else {
            above = line;
            has_above = true;
            to = middle;
        }
    }
    *out_count = 0;
    return RC_OK;
}

static void digits_of(struct slice password, struct line *out)
{
    static const char hex[] = "0123456789ABCDEF";
    unsigned char hash[DIGITS / 2];

    if (EVP_Digest(password.ptr, password.len, hash, NULL, EVP_sha1(), NULL) != 1)
        die("breached: SHA-1 failed");
    for (size_t i = 0; i < sizeof(hash); i++) {
        out->digits[2 * i] = hex[hash[i] >> 4];
        out->digits[2 * i + 1] = hex[hash[i] & 15];
    }
    explicit_bzero(hash, sizeof(hash));
}

enum rc breached_find(const char *path, struct slice password, uint64_t *out_count,
                      struct err *err)
{
    AUTO(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct list list = {.path = path, .fd = fd};
    struct line want = {.at = 0};
    struct stat st;
    enum rc rc;

    if (fd < 0 || fstat(fd, &st) != 0)
        return err_set(err, errno == ENOENT ? RC_NOT_FOUND : RC_IO,
                       "The list of breached passwords cannot be opened", "%.100s: %s", path,
                       strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_size == 0)
        return err_set(err, RC_CORRUPT, "The list of breached passwords is damaged",
                       "%.100s: empty, or no file", path);
    list.size = (uint64_t) st.st_size;
    rc = check_order(&list, err);
    if (rc)
        return rc;
    digits_of(password, &want);
    rc = search(&list, &want, out_count, err);
    explicit_bzero(&want, sizeof(want));
    return rc;
}
