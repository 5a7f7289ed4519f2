#include "events/audit_verify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "events/audit_files.h"

#define READ_BYTES ((size_t) 1 << 20)

struct walk {
    const struct audit_verify_options *options;
    struct audit_report *report;
    struct audit_mark at; /* the newest line */
    bool has_begun;
    bool has_met; /* the line that a receiver has */
    const char *file;
    uint64_t line;
    struct buf torn; /* a line without the form of one, until its explanation */
    uint64_t torn_line;
    bool is_cut;     /* the file ends within a line */
    uint64_t pruned; /* the newest file that the log says it removed */
};

PRINTF_LIKE(2, 3) static void find(struct walk *walk, const char *fmt, ...)
{
    char what[256];
    va_list ap;

    va_start(ap, fmt);
    (void) vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    walk->report->n_findings++;
    walk->options->finding(walk->options->ctx, walk->file, walk->line, what);
}

static void refuse_torn(struct walk *walk)
{
    uint64_t line = walk->line;

    if (walk->torn.len == 0)
        return;
    walk->line = walk->torn_line;
    find(walk, "this is no line of the log");
    walk->line = line;
    buf_reset(&walk->torn);
}

/* A start says which cut line it found; then it is no finding. */
static void explain_torn(struct walk *walk, struct slice hashed)
{
    unsigned char hash[crypto_hash_sha256_BYTES], said[crypto_hash_sha256_BYTES];

    if (walk->torn.len == 0)
        return;
    (void) crypto_hash_sha256(hash, (const unsigned char *) walk->torn.ptr, walk->torn.len);
    if (audit_unhex(audit_line_member(hashed, "roost.torn_sha256"), said, sizeof(said)) &&
        memcmp(hash, said, sizeof(said)) == 0)
        buf_reset(&walk->torn);
    refuse_torn(walk);
}

/* The first line there is: number 1, or one that says what stood before it. */
static void begin(struct walk *walk, const struct audit_line *line)
{
    walk->has_begun = true;
    walk->report->first = line->mark.sequence;
    if (line->mark.sequence == 1) {
        audit_mark_first(walk->options->public_key, &walk->at);
        return;
    }
    walk->at.sequence = line->mark.sequence - 1;
    if (!line->is_signed || !audit_unhex(audit_line_member(line->hashed, "roost.chain_before"),
                                         walk->at.chain, sizeof(walk->at.chain)))
        find(walk, "the log begins with event %" PRIu64 ", in the middle of a file",
             line->mark.sequence);
}

static void check_order(struct walk *walk, const struct audit_line *line)
{
    uint64_t next = walk->at.sequence + 1;

    if (line->mark.sequence > next)
        find(walk, "events %" PRIu64 " to %" PRIu64 " are missing", next,
             line->mark.sequence - 1);
    else if (line->mark.sequence < next)
        find(walk, "event %" PRIu64 " stands behind event %" PRIu64, line->mark.sequence,
             walk->at.sequence);
}

static void check_chain(struct walk *walk, const struct audit_line *line)
{
    unsigned char chain[AUDIT_CHAIN_BYTES];

    audit_chain_next(walk->at.chain, line->hashed, chain);
    if (memcmp(chain, line->mark.chain, sizeof(chain)) != 0)
        find(walk, "event %" PRIu64 ": it, or what stood before it, is not what was written",
             line->mark.sequence);
}

static void check_signature(struct walk *walk, const struct audit_line *line)
{
    struct audit_report *report = walk->report;

    if (!line->is_signed) {
        report->n_unsigned++;
        return;
    }
    report->n_signed++;
    report->n_unsigned = 0;
    report->newest = line->mark;
    if (!audit_signature_is_good(&line->mark, line->signature, walk->options->public_key))
        find(walk, "event %" PRIu64 ": the signature is not by this key", line->mark.sequence);
}

/* What the log removed itself, it names. */
static void note_pruned(struct walk *walk, const struct audit_line *line)
{
    uint64_t number;

    if (line->is_signed &&
        slice_eq(audit_line_member(line->hashed, "event.action"), SLICE("audit.pruned")) &&
        audit_file_number(audit_line_member(line->hashed, "file.name"), &number))
        walk->pruned = MAX(walk->pruned, number);
}

static void meet(struct walk *walk, const struct audit_line *line)
{
    const struct audit_mark *at = walk->options->at;

    if (at == NULL || at->sequence != line->mark.sequence)
        return;
    walk->has_met = true;
    if (memcmp(at->chain, line->mark.chain, sizeof(at->chain)) != 0)
        find(walk, "event %" PRIu64 " is not the one that was received", at->sequence);
}

static void take_line(struct walk *walk, struct slice text)
{
    struct audit_line line;

    walk->line++;
    if (!audit_line_read(text, &line)) {
        refuse_torn(walk);
        walk->torn_line = walk->line;
        buf_append(&walk->torn, text);
        if (text.len == 0)
            find(walk, "an empty line");
        return;
    }
    explain_torn(walk, line.hashed);
    if (!walk->has_begun)
        begin(walk, &line);
    check_order(walk, &line);
    check_chain(walk, &line);
    check_signature(walk, &line);
    meet(walk, &line);
    note_pruned(walk, &line);
    walk->at = line.mark;
    walk->report->n_events++;
    walk->report->last = line.mark.sequence;
}

/* Whole lines of what was read; what is left stays for the next read. */
static void take_lines(struct walk *walk, struct buf *bytes)
{
    size_t done = 0;

    for (;;) {
        const char *start = bytes->ptr + done;
        const char *end = bytes->len > done ? memchr(start, '\n', bytes->len - done) : NULL;

        if (end == NULL)
            break;
        take_line(walk, slice_of(start, (size_t) (end - start)));
        done += (size_t) (end - start) + 1;
    }
    buf_consume(bytes, done);
}

static enum rc take_file(struct walk *walk, int folder, struct err *err)
{
    AUTO(closep) int fd = openat(folder, walk->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    AUTO(buf_done) struct buf bytes = {0};
    AUTO(freep) char *block = xmalloc(READ_BYTES);
    ssize_t n = 0;

    buf_init(&bytes, READ_BYTES + AUDIT_LINE_MAX_BYTES);
    while (fd >= 0 && (n = read(fd, block, READ_BYTES)) > 0) {
        buf_append(&bytes, slice_of(block, (size_t) n));
        take_lines(walk, &bytes);
        if (bytes.len > AUDIT_LINE_MAX_BYTES) {
            walk->line++;
            find(walk, "a line of more than %zu octets", AUDIT_LINE_MAX_BYTES);
            buf_reset(&bytes);
        }
    }
    if (fd < 0 || n < 0)
        return err_set(err, errno == ENOENT ? RC_NOT_FOUND : RC_IO, "Internal error",
                       "audit: %s: %s", walk->file, strerror(errno));
    walk->is_cut = bytes.len > 0;
    if (walk->is_cut)
        take_line(walk, buf_slice(&bytes));
    return RC_OK;
}

static enum rc check_head(struct walk *walk, int folder, struct err *err)
{
    struct audit_head head = {0};
    enum rc rc = audit_head_read(folder, &head, err);

    walk->file = "";
    walk->line = 0;
    if (rc == RC_NOT_FOUND || rc == RC_CORRUPT) {
        find(walk, rc == RC_CORRUPT ? "head is damaged" : "head is missing");
        return RC_OK;
    }
    if (rc)
        return rc;
    if (!audit_signature_is_good(&head.mark, head.signature, walk->options->public_key))
        find(walk, "head is not signed by this key");
    else if (head.mark.sequence > walk->at.sequence)
        find(walk, "the log ends with event %" PRIu64 "; it was written up to %" PRIu64,
             walk->at.sequence, head.mark.sequence);
    return RC_OK;
}

static void check_end(struct walk *walk)
{
    const struct audit_mark *at = walk->options->at;

    if (at == NULL || walk->has_met)
        return;
    if (at->sequence > walk->at.sequence)
        find(walk, "the log ends with event %" PRIu64 "; %" PRIu64 " was received",
             walk->at.sequence, at->sequence);
    else if (at->sequence >= walk->report->first)
        find(walk, "event %" PRIu64 ", which was received, is missing", at->sequence);
}

enum rc audit_verify(int folder, const struct audit_verify_options *options,
                     struct audit_report *out, struct err *err)
{
    AUTO(freep) uint64_t *numbers = NULL;
    struct walk walk = {.options = options, .report = out};
    size_t n = 0;
    enum rc rc = audit_files_list(folder, &numbers, &n, err);

    *out = (struct audit_report){0};
    buf_init(&walk.torn, AUDIT_LINE_MAX_BYTES);
    for (size_t i = 0; !rc && i < n; i++) {
        char name[AUDIT_NAME_BYTES];

        audit_file_name(name, numbers[i]);
        walk.file = name;
        walk.line = 0;
        if (i > 0 && numbers[i] != numbers[i - 1] + 1)
            find(&walk, "the file before it is missing");
        rc = take_file(&walk, folder, err);
        out->n_files++;
        walk.file = "";
    }
    if (!walk.is_cut) /* else the log role died there, and has not started again */
        refuse_torn(&walk);
    if (!rc)
        rc = check_head(&walk, folder, err);
    if (!rc)
        check_end(&walk);
    if (!rc && n > 0 && numbers[0] > walk.pruned + 1)
        find(&walk, "the files before number %" PRIu64 " are missing", numbers[0]);
    buf_done(&walk.torn);
    return rc;
}
