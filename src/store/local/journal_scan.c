/* journal_scan.c - the walk over batches; the argument is in the header. */
#include "store/local/journal_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "store/local/layout.h"

#define WINDOW_BYTES                                                                           \
    ((size_t) 4 << 20) /* read in one call; what a batch lacks is read again                   \
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
    int64_t clock_us; /* of the last batch; 0: there was none */
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

/* The batch at the point, if its header is good; nothing is known of its payload. */
static bool read_good_head(struct walk *walk, struct segment *segment,
                           struct batch_header *header, struct slice *payload)
{
    uint64_t offset = walk->point.offset;
    struct slice head = window_get(&walk->window, segment, offset, BATCH_HEADER_BYTES);

    if (!batch_header_read(head, &walk->epoch->key, header) ||
        !header_belongs(header, segment, offset) || header->first_lsn != walk->point.lsn)
        return false;
    *payload = slice_sub(window_get(&walk->window, segment, offset, header->total_len),
                         BATCH_HEADER_BYTES, header->payload_len);
    return true;
}

/* A batch whose header is good: its groups that verify, for their bodies. */
static enum rc deliver_rest(struct walk *walk, struct segment *segment, struct err *err)
{
    uint64_t offset = walk->point.offset;
    struct batch_header header;
    struct group_view group;
    struct slice payload;
    enum rc rc = RC_OK;
    struct scan sc;

    if (!read_good_head(walk, segment, &header, &payload))
        return RC_OK;
    sc = scan_of(payload);
    while (!rc && group_read_next(&sc, &group)) {
        size_t at = (size_t) (group.records.ptr - payload.ptr) - GROUP_HEADER_BYTES;

        if (group.lsn >= header.first_lsn && group.lsn < header.first_lsn + header.n_groups)
            rc = walk->fn(walk->ctx, segment, (uint32_t) (offset + BATCH_HEADER_BYTES + at),
                          &group, err);
    }
    return rc;
}

/* A salvage's part of a batch whose header is good: the groups before the first that does not
 * verify; *out_lsn is that one's. */
static enum rc deliver_first(struct walk *walk, struct segment *segment, uint64_t *out_lsn,
                             int64_t *out_clock_us, struct err *err)
{
    uint64_t offset = walk->point.offset;
    struct batch_header header;
    struct group_view group;
    struct slice payload;
    enum rc rc = RC_OK;
    struct scan sc;

    if (!read_good_head(walk, segment, &header, &payload))
        return RC_OK;
    *out_clock_us = header.clock_us;
    sc = scan_of(payload);
    for (uint32_t i = 0; i < header.n_groups && !rc; i++) {
        size_t at = scan_offset(&sc);

        if (!group_read(&sc, &group) || group.lsn != header.first_lsn + i)
            break;
        *out_lsn = group.lsn + 1;
        rc = walk->fn(walk->ctx, segment, (uint32_t) (offset + BATCH_HEADER_BYTES + at), &group,
                      err);
    }
    return rc;
}

/* Where the epoch goes on behind the point; false: nowhere, its tail is torn. */
static bool find_next(struct walk *walk, struct journal_point *out, int64_t *out_clock_us)
{
    struct batch_header header;

    if (find_later(walk, &header)) {
        *out = (struct journal_point){header.segment, header.first_lsn, header.offset,
                                      header.prev};
        *out_clock_us = header.clock_us;
        return true;
    }
    *out = walk->epoch->end;
    return walk->epoch->is_closed;
}

/* Segments that were passed count as used, so that nobody takes them for free; their bytes. */
static uint64_t pass_segments(struct walk *walk, const struct journal_point *to)
{
    const struct journal_source *source = walk->source;
    uint64_t bytes = 0;

    for (uint64_t n = walk->point.segment; n <= to->segment; n++) {
        struct segment *segment = source->segment(source->ctx, n);
        uint64_t from =
            n == walk->point.segment ? walk->point.offset : (uint64_t) SEGMENT_HEADER_BYTES;

        if (segment == NULL)
            continue;
        if (n != walk->point.segment)
            segment->start = walk->point;
        segment->used = n == to->segment ? to->offset : segment->bytes;
        bytes += segment->used > from ? segment->used - from : 0;
    }
    return bytes;
}

static void tell_damage(const struct walk *walk, const struct lost_groups *lost)
{
    const struct journal_source *source = walk->source;

    source->damage(source->ctx, lost->segment, lost->offset, walk->point.lsn, lost->last);
    if (source->lost != NULL && lost->last > source->covered)
        source->lost(source->ctx, lost);
}

/*
 * From the point, where no batch counts, to the next one that may; *out_passed: the walk goes
 * on there. Only if all that lies between is covered by checkpoints, or by a salvage.
 */
static enum rc pass_damage(struct walk *walk, bool *out_passed, struct err *err)
{
    const struct journal_source *source = walk->source;
    struct segment *segment = source->segment(source->ctx, walk->point.segment);
    struct lost_groups lost = {.segment = walk->point.segment,
                               .offset = walk->point.offset,
                               .first = walk->point.lsn,
                               .after_us = walk->clock_us};
    struct journal_point to;
    bool is_covered;
    enum rc rc = RC_OK;

    *out_passed = false;
    if (!find_next(walk, &to, &lost.before_us) || to.lsn <= walk->point.lsn)
        return RC_OK;
    lost.last = to.lsn - 1;
    is_covered = lost.last <= source->covered;
    if (!is_covered && source->lost == NULL)
        return RC_OK;
    if (segment != NULL && is_covered)
        rc = deliver_rest(walk, segment, err);
    else if (segment != NULL)
        rc = deliver_first(walk, segment, &lost.first, &walk->clock_us, err);
    if (rc)
        return rc;
    lost.bytes = pass_segments(walk, &to);
    tell_damage(walk, &lost);
    walk->point = to;
    *out_passed = true;
    return RC_OK;
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

/*
 * The segment of the point. One in which no batch found room is swept, though the epoch or the
 * journal began in it: then the one in which the very next batch stands. NULL: damage.
 */
static struct segment *first_segment(struct walk *walk)
{
    const struct journal_source *source = walk->source;
    struct segment *segment = source->segment(source->ctx, walk->point.segment);
    uint64_t number = walk->point.segment;
    struct batch_header header;
    struct slice payload;

    if (segment != NULL || walk->point.offset != SEGMENT_HEADER_BYTES || is_at_end(walk))
        return segment;
    while (number++ < source->last_segment) {
        segment = source->segment(source->ctx, number);
        if (segment != NULL &&
            read_batch(walk, segment, SEGMENT_HEADER_BYTES, &header, &payload)) {
            walk->point.segment = number;
            return segment;
        }
    }
    return NULL;
}

static enum rc walk_batches(struct walk *walk, struct err *err)
{
    struct segment *segment = first_segment(walk);
    enum rc rc = RC_OK;
    bool goes_on;

    if (segment == NULL)
        rc = walk_on(walk, &segment, &goes_on, err);
    if (!rc && segment == NULL && walk->source->lost != NULL && is_at_end(walk))
        return RC_OK;
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
        walk->clock_us = header.clock_us;
        segment->last_batch = offset;
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
