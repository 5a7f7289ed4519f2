#include "events/audit_tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/ascii.h"
#include "base/scan.h"
#include "events/audit_files.h"

#define READ_BYTES  ((size_t) 64 << 10)
#define PLACE_MAGIC UINT64_C(0x31656c617073616f)
#define PLACE_BYTES 40u
#define PLACE_NAME  "position"
#define PLACE_NEW   "position.new"

struct audit_tail {
    int folder, fd;
    struct audit_place at;
    struct buf in;      /* read behind at.offset + in_at */
    size_t in_at;       /* of it was taken, or passed over */
    size_t next_len;    /* of the line that was shown, with its newline; 0: none was */
    uint64_t next;      /* its number */
    uint64_t is_signed; /* up to here */
    uint64_t n_missed;
    bool has_key;
    unsigned char public_key[AUDIT_PUBLIC_KEY_BYTES];
};

static enum rc failed(struct err *err, const char *name)
{
    return err_set(err, errno == ENOENT ? RC_NOT_FOUND : RC_IO, "Internal error",
                   "audit: %s: %s", name, strerror(errno));
}

struct audit_tail *audit_tail_new(int folder, const struct audit_place *from)
{
    struct audit_tail *tail = xcalloc(1, sizeof(*tail));

    tail->folder = folder;
    tail->fd = -1;
    tail->at = *from;
    buf_init(&tail->in, AUDIT_LINE_MAX_BYTES + READ_BYTES);
    return tail;
}

void audit_tail_free(struct audit_tail *tail)
{
    if (tail == NULL)
        return;
    closep(&tail->fd);
    buf_done(&tail->in);
    free(tail);
}

/* What was read ahead is read again when it is asked for: the log may have taken it back. */
static void forget_ahead(struct audit_tail *tail)
{
    tail->at.offset += tail->in_at;
    buf_reset(&tail->in);
    buf_shrink(&tail->in, READ_BYTES);
    tail->in_at = tail->next_len = 0;
}

enum rc audit_tail_look(struct audit_tail *tail, struct err *err)
{
    struct audit_head head = {0};
    enum rc rc = RC_OK;

    if (!tail->has_key)
        rc = audit_public_key_read(tail->folder, "key.pub", tail->public_key, err);
    if (!rc) {
        tail->has_key = true;
        rc = audit_head_read(tail->folder, &head, err);
    }
    if (rc)
        return rc;
    if (head.mark.sequence == tail->is_signed)
        return RC_OK;
    if (!audit_signature_is_good(&head.mark, head.signature, tail->public_key))
        return err_set(err, RC_CORRUPT, "Internal error",
                       "audit: head is not signed by the log");
    tail->is_signed = MAX(tail->is_signed, head.mark.sequence);
    return RC_OK;
}

uint64_t audit_tail_signed(const struct audit_tail *tail)
{
    return tail->is_signed;
}

/* ---- from file to file ---- */

static int open_number(const struct audit_tail *tail, uint64_t number)
{
    char name[AUDIT_NAME_BYTES];

    audit_file_name(name, number);
    return openat(tail->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

/* The file of the place, or the next there is if that was removed. RC_MORE: there is none. What
 * became shorter is read from its start: events that were taken are passed over. */
static enum rc open_place(struct audit_tail *tail, struct err *err)
{
    AUTO(freep) uint64_t *numbers = NULL;
    size_t n = 0, i = 0;
    struct stat st;
    enum rc rc = audit_files_list(tail->folder, &numbers, &n, err);

    if (rc)
        return rc;
    while (i < n && numbers[i] < tail->at.file)
        i++;
    if (i == n)
        return RC_MORE;
    tail->fd = open_number(tail, numbers[i]);
    if (tail->fd < 0 || fstat(tail->fd, &st) != 0)
        return failed(err, "file");
    if (numbers[i] != tail->at.file || (uint64_t) st.st_size < tail->at.offset)
        tail->at.offset = 0;
    tail->at.file = numbers[i];
    return RC_OK;
}

/* Pass over all that was read. */
static void drop_ahead(struct audit_tail *tail)
{
    tail->at.offset += tail->in.len;
    buf_reset(&tail->in);
    tail->in_at = tail->next_len = 0;
}

static enum rc read_more(struct audit_tail *tail, size_t *out_n, struct err *err)
{
    char *to;
    ssize_t n;

    if (tail->in.len > AUDIT_LINE_MAX_BYTES)
        drop_ahead(tail); /* no line of the log is so long */
    to = buf_reserve(&tail->in, READ_BYTES);
    if (to == NULL)
        die("audit: no room for a line");
    n = pread(tail->fd, to, READ_BYTES, (off_t) (tail->at.offset + tail->in.len));
    if (n < 0)
        return failed(err, "read");
    tail->in.len += (size_t) n;
    *out_n = (size_t) n;
    return RC_OK;
}

/* The file ends here. Nothing is added to it once the next one is there, so what was added
 * before that is looked for once more. */
static enum rc next_file(struct audit_tail *tail, struct err *err)
{
    AUTO(closep) int fd = open_number(tail, tail->at.file + 1);
    size_t n = 0;
    enum rc rc;

    if (fd < 0)
        return errno == ENOENT ? RC_MORE : failed(err, "next file");
    rc = read_more(tail, &n, err);
    if (rc || n > 0)
        return rc;
    drop_ahead(tail); /* a line that was cut: the next start says so */
    closep(&tail->fd);
    tail->fd = fd;
    fd = -1;
    tail->at.file++;
    tail->at.offset = 0;
    return RC_OK;
}

/* More octets behind those there are. RC_MORE: not yet. */
static enum rc fill(struct audit_tail *tail, struct err *err)
{
    size_t n = 0;
    enum rc rc = RC_OK;

    buf_consume(&tail->in, tail->in_at);
    tail->at.offset += tail->in_at;
    tail->in_at = 0;
    if (tail->fd < 0)
        rc = open_place(tail, err);
    if (!rc)
        rc = read_more(tail, &n, err);
    return rc || n > 0 ? rc : next_file(tail, err);
}

/* ---- events ---- */

static void count_missed(struct audit_tail *tail, uint64_t sequence)
{
    if (tail->at.sequence > 0 && sequence > tail->at.sequence + 1 && sequence > tail->next)
        tail->n_missed += sequence - tail->at.sequence - 1;
}

enum rc audit_tail_peek(struct audit_tail *tail, struct slice *line, uint64_t *sequence,
                        struct err *err)
{
    for (;;) {
        struct slice rest = slice_from(buf_slice(&tail->in), tail->in_at);
        size_t len = slice_find(rest, '\n');
        struct audit_line read;

        if (len == rest.len) {
            enum rc rc = tail->at.sequence >= tail->is_signed ? RC_MORE : fill(tail, err);

            if (rc == RC_MORE)
                forget_ahead(tail);
            if (rc)
                return rc;
            continue;
        }
        if (!audit_line_read(slice_sub(rest, 0, len), &read) ||
            read.mark.sequence <= tail->at.sequence) {
            tail->in_at += len + 1;
            continue;
        }
        if (read.mark.sequence > tail->is_signed) {
            forget_ahead(tail);
            return RC_MORE;
        }
        count_missed(tail, read.mark.sequence);
        tail->next_len = len + 1;
        tail->next = *sequence = read.mark.sequence;
        *line = slice_sub(rest, 0, len);
        return RC_OK;
    }
}

void audit_tail_take(struct audit_tail *tail)
{
    tail->in_at += tail->next_len;
    tail->at.sequence = tail->next;
    tail->next_len = 0;
}

struct audit_place audit_tail_place(const struct audit_tail *tail)
{
    struct audit_place place = tail->at;

    place.offset += tail->in_at;
    return place;
}

void audit_tail_seek(struct audit_tail *tail, const struct audit_place *place)
{
    if (tail->at.file != place->file) {
        closep(&tail->fd);
        tail->fd = -1;
    }
    tail->in_at = tail->next_len = 0;
    buf_reset(&tail->in);
    tail->at = *place;
}

uint64_t audit_tail_missed(struct audit_tail *tail)
{
    uint64_t n = tail->n_missed;

    tail->n_missed = 0;
    return n;
}

/* ---- time ---- */

static bool scan_digits(struct scan *sc, size_t n, int *out)
{
    struct slice text;
    uint64_t value;

    if (!scan_take(sc, n, &text) || !slice_to_u64(text, &value))
        return false;
    *out = (int) value; /* six digits at most */
    return true;
}

uint64_t audit_line_time(struct slice line)
{
    struct scan sc = scan_of(audit_line_member(line, "@timestamp"));
    struct tm tm = {0};
    int usec = 0;
    time_t sec;

    if (!scan_digits(&sc, 4, &tm.tm_year) || !scan_byte(&sc, '-') ||
        !scan_digits(&sc, 2, &tm.tm_mon) || !scan_byte(&sc, '-') ||
        !scan_digits(&sc, 2, &tm.tm_mday) || !scan_byte(&sc, 'T') ||
        !scan_digits(&sc, 2, &tm.tm_hour) || !scan_byte(&sc, ':') ||
        !scan_digits(&sc, 2, &tm.tm_min) || !scan_byte(&sc, ':') ||
        !scan_digits(&sc, 2, &tm.tm_sec) || !scan_byte(&sc, '.') ||
        !scan_digits(&sc, 6, &usec) || !scan_byte(&sc, 'Z'))
        return 0;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    sec = timegm(&tm);
    return sec < 0 ? 0 : (uint64_t) sec * 1000000 + (uint64_t) usec;
}

/* ---- the place on disk ---- */

enum rc audit_place_read(int folder, struct audit_place *out, struct err *err)
{
    char bytes[PLACE_BYTES];
    struct scan sc = scan_of(slice_of(bytes, sizeof(bytes)));
    struct audit_place place;
    uint64_t magic, sum;
    enum rc rc = audit_file_read(folder, PLACE_NAME, bytes, sizeof(bytes), err);

    if (rc)
        return rc;
    if (!scan_le64(&sc, &magic) || !scan_le64(&sc, &place.file) ||
        !scan_le64(&sc, &place.offset) || !scan_le64(&sc, &place.sequence) ||
        !scan_le64(&sc, &sum) || magic != PLACE_MAGIC ||
        sum != XXH3_64bits(bytes, PLACE_BYTES - sizeof(sum)) || place.offset > INT64_MAX)
        return err_set(err, RC_CORRUPT, "Internal error", "audit: " PLACE_NAME " is damaged");
    *out = place;
    return RC_OK;
}

enum rc audit_place_write(int folder, const struct audit_place *place, struct err *err)
{
    AUTO(closep)
    int fd =
        openat(folder, PLACE_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    AUTO(buf_done) struct buf bytes = {0};

    if (fd < 0)
        return failed(err, PLACE_NEW);
    buf_init(&bytes, PLACE_BYTES);
    buf_le64(&bytes, PLACE_MAGIC);
    buf_le64(&bytes, place->file);
    buf_le64(&bytes, place->offset);
    buf_le64(&bytes, place->sequence);
    buf_le64(&bytes, XXH3_64bits(bytes.ptr, bytes.len));
    if (write(fd, bytes.ptr, bytes.len) != (ssize_t) bytes.len || fdatasync(fd) != 0 ||
        renameat(folder, PLACE_NEW, folder, PLACE_NAME) != 0 || fsync(folder) != 0)
        return failed(err, PLACE_NAME);
    return RC_OK;
}
