/* journal_scan.c - the walk over batches; the argument is in the header. */
#include "store/local/journal_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "store/local/layout.h"

#define WINDOW_BYTES ((size_t) 4 << 20) /* read in one call; what a batch lacks is read again  \
                                         */

/* A piece of a segment in memory. */
struct window {
    const struct segment *segment;
    char *buf;
    size_t cap;
    uint64_t at;
    size_t len;
    bool has_failed; /* a read failed: nothing may be concluded from what is missing */
    struct err err;
};

static void window_done(struct window *window)
{
    free(window->buf);
}

/* len bytes at offset, or an empty slice when the file is shorter or cannot be read. A disk
 * that cannot be read is not a torn tail: has_failed ends the walk. */
static struct slice window_get(struct window *window, const struct segment *segment,
                               uint64_t offset, size_t len)
{
    size_t want;

    if (offset > segment->bytes || len > segment->bytes - offset)
        return (struct slice){0};
    if (window->segment == segment && offset >= window->at &&
        offset + len <= window->at + window->len)
        return slice_of(window->buf + (offset - window->at), len);
    want = (size_t) MIN((uint64_t) MAX(len, WINDOW_BYTES), segment->bytes - offset);
    if (want > window->cap) {
        window->buf = xrealloc(window->buf, want);
        window->cap = want;
    }
    if (window->segment != segment)
        (void) posix_fadvise(segment->read_fd, (off_t) offset, 0,
                             POSIX_FADV_WILLNEED); /* a hint */
    window->segment = segment;
    window->at = offset;
    window->len = 0;
    if (file_read_all(segment->read_fd, window->buf, want, offset, &window->err) != RC_OK) {
        window->has_failed = true;
        return (struct slice){0};
    }
    window->len = want;
    return slice_of(window->buf, len);
}

struct walk {
    const struct journal_source *source;
    const struct epoch *epoch;
    struct journal_point point;
    struct window window;
    journal_group_fn *fn;
    void *ctx;
    bool is_cut;
};

static bool header_belongs(const struct batch_header *header, const struct segment *segment,
                           uint64_t offset)
{
    return header->segment == segment->number && header->offset == offset;
}

/* The batch at the point, if it is the next one and whole. */
static bool read_batch(struct walk *walk, const struct segment *segment, uint64_t offset,
                       struct batch_header *header, struct slice *payload)
{
    struct slice head = window_get(&walk->window, segment, offset, BATCH_HEADER_BYTES);
    struct slice whole;

    if (!batch_header_read(head, &walk->epoch->key, header) ||
        !header_belongs(header, segment, offset) || header->first_lsn != walk->point.lsn ||
        !hash128_eq(header->prev, walk->point.prev))
        return false;
    whole = window_get(&walk->window, segment, offset, header->total_len);
    *payload = slice_sub(whole, BATCH_HEADER_BYTES, header->payload_len);
    return batch_is_whole(header, whole, &walk->epoch->key);
}

/* The hash says that we wrote it, so a group that does not parse is a bug or a collision. */
static enum rc deliver(struct walk *walk, struct segment *segment, uint64_t offset,
                       const struct batch_header *header, struct slice payload, struct err *err)
{
    struct scan sc = scan_of(payload);

    for (uint32_t i = 0; i < header->n_groups; i++) {
        size_t at = scan_offset(&sc);
        struct group_view group;
        enum rc rc;

        if (!group_read(&sc, &group) || group.lsn != header->first_lsn + i)
            return err_set(err, RC_CORRUPT, "The journal is damaged",
                           "journal: segment %llu offset %llu: group %u does not parse",
                           (unsigned long long) segment->number, (unsigned long long) offset,
                           i);
        rc = walk->fn(walk->ctx, segment, (uint32_t) (offset + BATCH_HEADER_BYTES + at), &group,
                      err);
        if (rc)
            return rc;
    }
    return RC_OK;
}

/* Is there a header of this epoch with a later LSN anywhere behind the point? */
static bool later_header(struct walk *walk, const struct segment *segment, uint64_t offset,
                         struct batch_header *header)
{
    for (; offset + JOURNAL_BLOCK_BYTES <= segment->bytes; offset += JOURNAL_BLOCK_BYTES) {
        struct slice head = window_get(&walk->window, segment, offset, BATCH_HEADER_BYTES);

        if (batch_header_read(head, &walk->epoch->key, header) &&
            header_belongs(header, segment, offset) && header->first_lsn > walk->point.lsn)
            return true;
    }
    return false;
}

static enum rc damage(const struct walk *walk, uint64_t segment, uint64_t offset,
                      struct err *err)
{
    return err_set(
        err, RC_CORRUPT, "The journal is damaged",
        "journal: segment %llx offset %u is bad, %llx offset %llu is later and good; "
        "not cut: restore or salvage",
        (unsigned long long) walk->point.segment, walk->point.offset,
        (unsigned long long) segment, (unsigned long long) offset);
}

/* The first header behind the point that is later than it. */
static bool find_later(struct walk *walk, struct batch_header *header)
{
    uint64_t offset = walk->point.offset;

    for (uint64_t n = walk->point.segment; n <= walk->source->last_segment; n++) {
        const struct segment *segment = walk->source->segment(walk->source->ctx, n);

        if (segment != NULL && later_header(walk, segment, offset, header))
            return true;
        offset = SEGMENT_HEADER_BYTES;
    }
    return false;
}

static enum rc check_tail(struct walk *walk, struct err *err)
{
    struct batch_header header;

    return find_later(walk, &header) ? damage(walk, header.segment, header.offset, err) : RC_OK;
}

static bool is_at_end(const struct walk *walk)
{
    const struct journal_point *end = &walk->epoch->end;

    return walk->epoch->is_closed && walk->point.segment == end->segment &&
           walk->point.offset == end->offset;
}

/* Where the walk stopped: the end, a torn tail, or damage. */
static enum rc judge_end(struct walk *walk, struct err *err)
{
    const struct journal_point *end = &walk->epoch->end;

    if (!walk->epoch->is_closed)
        return check_tail(walk, err);
    if (is_at_end(walk) && walk->point.lsn == end->lsn &&
        hash128_eq(walk->point.prev, end->prev))
        return RC_OK;
    return damage(walk, end->segment, end->offset, err);
}

/* A batch whose header is good: its groups that verify, for their bodies. */
static enum rc deliver_rest(struct walk *walk, struct segment *segment, struct err *err)
{
    uint64_t offset = walk->point.offset;
    struct slice head = window_get(&walk->window, segment, offset, BATCH_HEADER_BYTES), payload;
    struct batch_header header;
    struct group_view group;
    enum rc rc = RC_OK;
    struct scan sc;

    if (!batch_header_read(head, &walk->epoch->key, &header) ||
        !header_belongs(&header, segment, offset) || header.first_lsn != walk->point.lsn)
        return RC_OK;
    payload = slice_sub(window_get(&walk->window, segment, offset, header.total_len),
                        BATCH_HEADER_BYTES, header.payload_len);
    sc = scan_of(payload);
    while (!rc && group_read_next(&sc, &group)) {
        size_t at = (size_t) (group.records.ptr - payload.ptr) - GROUP_HEADER_BYTES;

        if (group.lsn >= header.first_lsn && group.lsn < header.first_lsn + header.n_groups)
            rc = walk->fn(walk->ctx, segment, (uint32_t) (offset + BATCH_HEADER_BYTES + at),
                          &group, err);
    }
    return rc;
}

/*
 * From the point, where no batch counts, to the next one that may; *out_passed: the walk goes
 * on there. Only if all that lies between is covered by checkpoints. Segments that were passed
 * count as used, so that nobody takes them for free.
 */
static enum rc pass_damage(struct walk *walk, bool *out_passed, struct err *err)
{
    const struct journal_source *source = walk->source;
    struct journal_point to = walk->epoch->end;
    struct batch_header header;
    enum rc rc = RC_OK;

    *out_passed = false;
    if (find_later(walk, &header))
        to = (struct journal_point){header.segment, header.first_lsn, header.offset,
                                    header.prev};
    else if (!walk->epoch->is_closed)
        return RC_OK; /* a torn tail */
    if (to.lsn <= walk->point.lsn || to.lsn - 1 > source->covered)
        return RC_OK;
    source->damage(source->ctx, walk->point.segment, walk->point.offset, walk->point.lsn,
                   to.lsn - 1);
    for (uint64_t n = walk->point.segment; n <= to.segment && !rc; n++) {
        struct segment *segment = source->segment(source->ctx, n);

        if (segment == NULL)
            continue;
        if (n == walk->point.segment)
            rc = deliver_rest(walk, segment, err);
        else
            segment->start = walk->point;
        segment->used = n == to.segment ? to.offset : segment->bytes;
    }
    walk->point = to;
    *out_passed = !rc;
    return rc;
}

/* The segment of the point, or the one behind it if damage has eaten it. */
static enum rc walk_on(struct walk *walk, struct segment **segment, bool *out_goes_on,
                       struct err *err)
{
    enum rc rc = pass_damage(walk, out_goes_on, err);

    if (rc || !*out_goes_on)
        return rc;
    *segment = walk->source->segment(walk->source->ctx, walk->point.segment);
    *out_goes_on = *segment != NULL;
    return RC_OK;
}

static enum rc walk_batches(struct walk *walk, struct err *err)
{
    bool goes_on;
    struct segment *segment = walk->source->segment(walk->source->ctx, walk->point.segment);

    enum rc rc = RC_OK;

    if (segment == NULL)
        rc = walk_on(walk, &segment, &goes_on, err);
    if (!rc && segment == NULL)
        rc = err_set(err, RC_CORRUPT, "The journal is damaged",
                     "journal: segment %llx is missing",
                     (unsigned long long) walk->point.segment);
    if (rc)
        return rc;
    segment->start = walk->point;
    segment->used = walk->point.offset;
    while (!is_at_end(walk)) {
        struct batch_header header;
        struct slice payload;
        uint64_t offset = walk->point.offset;

        if (!read_batch(walk, segment, offset, &header, &payload)) {
            /* The rest of a segment is left empty when the next batch does not fit. */
            struct segment *next =
                walk->source->segment(walk->source->ctx, segment->number + 1);

            offset = SEGMENT_HEADER_BYTES;
            if (next == NULL || !read_batch(walk, next, offset, &header, &payload)) {
                rc = walk_on(walk, &segment, &goes_on, err);
                if (rc || !goes_on)
                    return rc;
                continue;
            }
            segment = next;
            walk->point.segment = segment->number;
            walk->point.offset = SEGMENT_HEADER_BYTES;
            segment->start = walk->point;
        }
        walk->is_cut = walk->source->until_us != 0 && header.clock_us > walk->source->until_us;
        if (walk->is_cut)
            return RC_OK;
        rc = deliver(walk, segment, offset, &header, payload, err);
        if (rc)
            return rc;
        walk->point.lsn += header.n_groups;
        walk->point.offset += header.total_len;
        walk->point.prev = header.self;
        segment->used = walk->point.offset;
    }
    return RC_OK;
}

enum rc journal_scan_epoch(const struct journal_source *source, const struct epoch *epoch,
                           struct journal_point *point, journal_group_fn *fn, void *ctx,
                           bool *out_is_cut, struct err *err)
{
    struct walk walk = {
        .source = source, .epoch = epoch, .point = *point, .fn = fn, .ctx = ctx};
    enum rc rc = walk_batches(&walk, err);

    if (!rc && !walk.is_cut)
        rc = judge_end(&walk, err);
    if (walk.window.has_failed)
        rc = err_set(err, RC_IO, "Storage failure", "journal: %s", walk.window.err.detail);
    window_done(&walk.window);
    if (rc)
        return rc;
    *point = walk.point;
    *out_is_cut = walk.is_cut;
    return RC_OK;
}
