/*
 * chunk_pages.c - hot columns have one width each, the least that holds the chunk's values, so
 * that a million messages are some megabytes and are read with a few plain loops.
 */
#include "account/chunk_pages.h"

#include <endian.h>

#include "account/page_loader.h"

#define ZONE_MAX_MIN ((int64_t) 24 * 60)

/* What follows the hot columns. */
enum hot_more {
    HOT_COLD_MAP = 1u << 0,
    HOT_TWINS = 1u << 1,
};

/* How a column of uids is written. */
enum uid_form {
    UIDS_CONSECUTIVE = 0, /* the first */
    UIDS_GAPS = 1,  /* the first, and for each other a byte: its distance to the one before */
    UIDS_WHOLE = 4, /* four bytes each */
};

enum flag_form {
    FLAGS_ALIKE = 0, /* one byte for all */
    FLAGS_EACH = 1,
};

static void put_id(struct buf *buf, const struct object_id *id)
{
    buf_append(buf, slice_of(id->bytes, sizeof(id->bytes)));
}

static void put_uids(struct buf *buf, const uint32_t *uid, uint32_t n)
{
    uint32_t widest = 0;
    enum uid_form form;

    for (uint32_t row = 1; row < n; row++)
        widest = MAX(widest, uid[row] - uid[row - 1]);
    form = widest <= 1 ? UIDS_CONSECUTIVE : widest <= UINT8_MAX ? UIDS_GAPS : UIDS_WHOLE;
    buf_le8(buf, (uint8_t) form);
    if (form != UIDS_WHOLE)
        buf_le32(buf, uid[0]);
    for (uint32_t row = 1; form == UIDS_GAPS && row < n; row++)
        buf_le8(buf, (uint8_t) (uid[row] - uid[row - 1]));
    for (uint32_t row = 0; form == UIDS_WHOLE && row < n; row++)
        buf_le32(buf, uid[row]);
}

static void put_flags(struct buf *buf, const uint8_t *flags, uint32_t n)
{
    bool alike = true;

    for (uint32_t row = 1; row < n; row++)
        alike = alike && flags[row] == flags[0];
    buf_le8(buf, alike ? FLAGS_ALIKE : FLAGS_EACH);
    buf_append(buf, slice_of(flags, alike ? 1 : n));
}

/* The least modseq, how many bytes the differences to it take, and they. */
static void put_modseqs(struct buf *buf, const struct chunk *chunk, uint32_t n)
{
    uint64_t least = UINT64_MAX, widest;
    uint8_t width;

    for (uint32_t row = 0; row < n; row++)
        least = MIN(least, chunk_modseq(chunk, row));
    widest = chunk_greatest_modseq(chunk, n) - least;
    width = widest == 0 ? 0 : widest <= UINT16_MAX ? 2 : widest < MODSEQ_ESCAPE ? 4 : 8;
    buf_varint(buf, least);
    buf_le8(buf, width);
    for (uint32_t row = 0; width > 0 && row < n; row++) {
        uint64_t delta = chunk_modseq(chunk, row) - least;

        if (width == 2)
            buf_le16(buf, (uint16_t) delta);
        else if (width == 4)
            buf_le32(buf, (uint32_t) delta);
        else
            buf_le64(buf, delta);
    }
}

void chunk_put_hot(struct buf *buf, const struct chunk *chunk, uint32_t n)
{
    buf_varint(buf, n);
    put_uids(buf, chunk->uid, n);
    put_flags(buf, chunk->flags, n);
    put_modseqs(buf, chunk, n);
    buf_le8(buf, (uint8_t) chunk->keyword_words);
    for (size_t i = 0; i < (size_t) n * chunk->keyword_words; i++)
        buf_le64(buf, chunk->keywords[i]);
    buf_le8(buf, (uint8_t) ((chunk->cold_row != NULL ? HOT_COLD_MAP : 0u) |
                            (chunk->twin != NULL ? HOT_TWINS : 0u)));
    for (uint32_t row = 0; chunk->cold_row != NULL && row < n; row++)
        buf_le16(buf, chunk->cold_row[row]);
    for (uint32_t row = 0; chunk->twin != NULL && row < n; row++)
        buf_le64(buf, chunk->twin[row]);
}

void chunk_put_cold_row(struct buf *buf, const struct msg_cold *row)
{
    buf_varint(buf, row->size);
    buf_varint_signed(buf, row->zone_min);
    buf_varint_signed(buf, row->internaldate);
    buf_varint_signed(buf, row->savedate);
    buf_varint(buf, row->body_id);
    put_id(buf, &row->emailid);
    put_id(buf, &row->threadid);
}

void chunk_put_cold(struct buf *buf, const struct cold_store *cold, uint32_t first, uint32_t n)
{
    const struct msg_cold *rows = cold_rows(cold);

    buf_varint(buf, n);
    for (uint32_t i = first; i < first + n; i++)
        chunk_put_cold_row(buf, &rows[i]);
}

/* Four at a time: each waits for the sum of four before, not for its neighbour. */
static bool get_gaps(struct scan *sc, uint32_t *uid, uint32_t n)
{
    struct slice gaps;
    uint64_t at = uid[0];
    uint32_t row = 1;

    if (!scan_take(sc, n - 1, &gaps) || memchr(gaps.ptr, 0, gaps.len) != NULL)
        return false;
    for (; row + 4 <= n; row += 4) {
        const unsigned char *gap = (const unsigned char *) gaps.ptr + row - 1;
        uint32_t second = (uint32_t) gap[0] + gap[1], third = second + gap[2];

        uid[row] = (uint32_t) at + gap[0];
        uid[row + 1] = (uint32_t) at + second;
        uid[row + 2] = (uint32_t) at + third;
        at += third + gap[3];
        uid[row + 3] = (uint32_t) at;
    }
    for (; row < n; row++) {
        at += (uint8_t) gaps.ptr[row - 1];
        uid[row] = (uint32_t) at;
    }
    return at <= UID_MAX;
}

static bool get_whole_uids(struct scan *sc, uint32_t *uid, uint32_t n)
{
    struct slice bytes;
    bool ascends = true;

    if (!scan_take(sc, (size_t) n * sizeof(*uid), &bytes))
        return false;
    memcpy(uid, bytes.ptr, bytes.len);
    for (uint32_t row = 0; row < n; row++) {
        uid[row] = le32toh(uid[row]);
        ascends = ascends && (row == 0 || uid[row] > uid[row - 1]);
    }
    return ascends && uid[n - 1] <= UID_MAX;
}

static bool get_uids(struct scan *sc, struct chunk *chunk, uint32_t n, uint32_t before)
{
    uint32_t *uid = chunk->uid;
    uint8_t form;

    if (!scan_le8(sc, &form))
        return false;
    if (form == UIDS_WHOLE)
        return get_whole_uids(sc, uid, n) && uid[0] > before;
    if (!scan_le32(sc, &uid[0]) || uid[0] <= before || uid[0] > UID_MAX)
        return false;
    if (form == UIDS_GAPS)
        return get_gaps(sc, uid, n);
    if (form != UIDS_CONSECUTIVE || n - 1 > UID_MAX - uid[0])
        return false;
    for (uint32_t row = 1; row < n; row++)
        uid[row] = uid[0] + row;
    return true;
}

static bool get_flags(struct scan *sc, struct chunk *chunk, uint32_t n)
{
    struct slice flags;
    uint8_t form, all = 0;

    if (!scan_le8(sc, &form) || form > FLAGS_EACH ||
        !scan_take(sc, form == FLAGS_EACH ? n : 1, &flags))
        return false;
    if (form == FLAGS_EACH)
        memcpy(chunk->flags, flags.ptr, n);
    else
        memset(chunk->flags, flags.ptr[0], n);
    for (uint32_t row = 0; row < n; row++)
        all |= chunk->flags[row];
    return (all & ~FLAGS_ALL) == 0;
}

/* Differences of two or four bytes: they fit the column. None is above max. */
static bool get_deltas(struct scan *sc, uint32_t *delta, uint32_t n, uint8_t width,
                       uint64_t max, uint32_t *out_widest)
{
    uint16_t two[CHUNK_MESSAGES];
    struct slice bytes;
    uint32_t widest = 0;

    if (!scan_take(sc, (size_t) n * width, &bytes))
        return false;
    if (width == 2) {
        memcpy(two, bytes.ptr, bytes.len);
        for (uint32_t row = 0; row < n; row++) {
            delta[row] = le16toh(two[row]);
            widest = MAX(widest, delta[row]);
        }
    } else {
        memcpy(delta, bytes.ptr, bytes.len);
        for (uint32_t row = 0; row < n; row++) {
            delta[row] = le32toh(delta[row]);
            widest = MAX(widest, delta[row]);
        }
    }
    *out_widest = widest;
    return widest <= max && widest != MODSEQ_ESCAPE;
}

/* Differences that need a column of whole modseqs. */
static bool get_far_modseqs(struct scan *sc, struct chunk *chunk, uint32_t n, uint64_t max)
{
    uint64_t delta;

    for (uint32_t row = 0; row < n; row++) {
        if (!scan_le64(sc, &delta) || delta > max)
            return false;
        chunk_set_modseq(chunk, row, row, chunk->modseq_base + delta);
    }
    return true;
}

static bool get_modseqs(struct scan *sc, struct chunk *chunk, uint32_t n, uint64_t modseq_max,
                        uint64_t *out_greatest)
{
    uint32_t widest = 0;
    uint8_t width;

    if (!scan_varint(sc, modseq_max, &chunk->modseq_base) || chunk->modseq_base == 0 ||
        !scan_le8(sc, &width))
        return false;
    modseq_max -= chunk->modseq_base;
    if (width == 8) {
        if (!get_far_modseqs(sc, chunk, n, modseq_max))
            return false;
        *out_greatest = chunk_greatest_modseq(chunk, n);
        return true;
    }
    if (width == 0)
        memset(chunk->modseq_delta, 0, n * sizeof(*chunk->modseq_delta));
    else if ((width != 2 && width != 4) ||
             !get_deltas(sc, chunk->modseq_delta, n, width, modseq_max, &widest))
        return false;
    *out_greatest = chunk->modseq_base + widest;
    return true;
}

static bool get_keywords(struct scan *sc, struct chunk *chunk, uint32_t n, size_t n_keywords)
{
    uint64_t words[KEYWORD_WORDS], known[KEYWORD_WORDS] = {0};
    uint8_t n_words;

    if (!scan_le8(sc, &n_words) || n_words > KEYWORD_WORDS)
        return false;
    for (size_t i = 0; i < n_keywords; i++)
        known[i / 64] |= (uint64_t) 1 << (i % 64);
    for (uint32_t row = 0; n_words > 0 && row < n; row++) {
        memset(words, 0, sizeof(words));
        for (uint8_t word = 0; word < n_words; word++) {
            if (!scan_le64(sc, &words[word]) || (words[word] & ~known[word]) != 0)
                return false;
        }
        chunk_set_keywords(chunk, row, words);
    }
    return true;
}

static bool get_cold_map(struct scan *sc, struct chunk *chunk, uint32_t n)
{
    chunk->cold_row = xcalloc(chunk->cap, sizeof(*chunk->cold_row));
    for (uint32_t row = 0; row < n; row++) {
        if (!scan_le16(sc, &chunk->cold_row[row]))
            return false;
    }
    return true;
}

static bool get_twins(struct scan *sc, struct chunk *chunk, uint32_t n)
{
    uint64_t twin;

    for (uint32_t row = 0; row < n; row++) {
        if (!scan_le64(sc, &twin))
            return false;
        chunk_set_twin(chunk, row, twin);
    }
    return true;
}

/* Pages of the version with twins have them, the others do not. */
static bool get_more(struct scan *sc, struct chunk *chunk, uint32_t n, uint8_t version)
{
    uint8_t more;

    if (!scan_le8(sc, &more) || (more & ~(HOT_COLD_MAP | HOT_TWINS)) != 0 ||
        ((more & HOT_TWINS) != 0) != (version == PAGE_VERSION_TWINS))
        return false;
    return ((more & HOT_COLD_MAP) == 0 || get_cold_map(sc, chunk, n)) &&
           ((more & HOT_TWINS) == 0 || get_twins(sc, chunk, n));
}

static struct chunk *get_hot(struct scan *sc, uint8_t version, uint32_t rows,
                             const struct chunk_rules *rules, uint64_t *out_greatest)
{
    struct chunk *chunk;
    uint64_t n;

    /* No page_get_count(): rows that are alike take no bytes of their own. */
    if (!scan_varint(sc, CHUNK_MESSAGES, &n) || n == 0 || n != rows)
        return NULL;
    chunk = chunk_new(chunk_fit(rows), 1);
    atomic_init(&chunk->filled, rows);
    if (get_uids(sc, chunk, rows, rules->uid_before) && get_flags(sc, chunk, rows) &&
        get_modseqs(sc, chunk, rows, rules->modseq_max, out_greatest) &&
        get_keywords(sc, chunk, rows, rules->n_keywords) &&
        get_more(sc, chunk, rows, version) && scan_done(sc))
        return chunk;
    chunk_unref(chunk);
    return NULL;
}

static struct chunk_sums sum(const struct chunk *chunk, uint32_t n, uint64_t greatest)
{
    uint32_t seen = 0, deleted = 0;

    for (uint32_t row = 0; row < n; row++) {
        seen += chunk->flags[row] & FLAG_SEEN;
        deleted += chunk->flags[row] & FLAG_DELETED;
    }
    return (struct chunk_sums){n - seen / FLAG_SEEN, deleted / FLAG_DELETED, greatest};
}

struct chunk_sums chunk_sum(const struct chunk *chunk, uint32_t n)
{
    return sum(chunk, n, chunk_greatest_modseq(chunk, n));
}

bool chunk_get_cold_row(struct scan *sc, struct msg_cold *row)
{
    int64_t zone;

    *row = (struct msg_cold){0};
    if (!scan_varint32(sc, UINT32_MAX, &row->size) || !scan_varint_signed(sc, &zone) ||
        zone < -ZONE_MAX_MIN || zone > ZONE_MAX_MIN)
        return false;
    row->zone_min = (int16_t) zone;
    return scan_varint_signed(sc, &row->internaldate) &&
           scan_varint_signed(sc, &row->savedate) &&
           scan_varint(sc, UINT64_MAX, &row->body_id) && page_get_id(sc, &row->emailid) &&
           page_get_id(sc, &row->threadid);
}

static bool get_cold(struct scan *sc, struct msg_cold *rows, uint32_t n)
{
    uint64_t count;

    if (!scan_varint(sc, COLD_ROWS_MAX, &count) || count != n)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        if (!chunk_get_cold_row(sc, &rows[i]))
            return false;
    }
    return scan_done(sc);
}

enum rc chunk_load(struct page_loader *loader, const struct page_place *at,
                   const struct chunk_rules *rules, struct chunk **out,
                   struct chunk_sums *out_sums, struct err *err)
{
    uint64_t greatest;
    struct chunk *chunk;
    struct page_id id;
    struct scan sc;
    enum rc rc = page_load(loader, PAGE_HOT, at->number, &id, &sc, err);

    if (rc)
        return rc;
    chunk = get_hot(&sc, id.version, at->rows, rules, &greatest);
    if (chunk == NULL)
        return page_corrupt(err, &id, "hot columns");
    chunk->cold = cold_new_in_pages(at + 1, at->n_cold);
    if (chunk_cold_needed(chunk, at->rows) > cold_rows_in(at + 1, at->n_cold)) {
        chunk_unref(chunk);
        return page_corrupt(err, &id, "cold rows");
    }
    chunk->page = (struct page_ref){.number = at->number, .rows = at->rows};
    if (out_sums != NULL)
        *out_sums = sum(chunk, at->rows, greatest);
    *out = chunk;
    return RC_OK;
}

enum rc chunk_read_cold(struct page_loader *loader, const struct cold_store *cold,
                        struct msg_cold *rows, struct err *err)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < cold->n_origin; i++) {
        const struct page_place *piece = &cold->origin[i];
        struct page_id id;
        struct scan sc;
        enum rc rc = page_load(loader, PAGE_COLD, piece->number, &id, &sc, err);

        if (rc)
            return rc;
        if (!get_cold(&sc, rows + at, piece->rows))
            return page_corrupt(err, &id, "cold rows");
        at += piece->rows;
    }
    return RC_OK;
}
