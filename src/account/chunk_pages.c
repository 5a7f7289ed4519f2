#include "account/chunk_pages.h"

#include "account/page_loader.h"

#define ZONE_MAX_MIN ((int64_t) 24 * 60)

static void put_id(struct buf *buf, const struct object_id *id)
{
    buf_append(buf, slice_of(id->bytes, sizeof(id->bytes)));
}

void chunk_put_hot(struct buf *buf, const struct chunk *chunk, uint32_t n)
{
    uint32_t before = 0;

    buf_varint(buf, n);
    buf_varint(buf, chunk->modseq_base);
    for (uint32_t row = 0; row < n; row++) {
        buf_varint(buf, chunk->uid[row] - before);
        before = chunk->uid[row];
    }
    buf_append(buf, slice_of(chunk->flags, n));
    for (uint32_t row = 0; row < n; row++)
        buf_varint(buf, chunk_modseq(chunk, row) - chunk->modseq_base);
    buf_le8(buf, (uint8_t) chunk->keyword_words);
    for (size_t i = 0; i < (size_t) n * chunk->keyword_words; i++)
        buf_le64(buf, chunk->keywords[i]);
    buf_le8(buf, chunk->cold_row != NULL);
    for (uint32_t row = 0; chunk->cold_row != NULL && row < n; row++)
        buf_le16(buf, chunk->cold_row[row]);
}

void chunk_put_cold(struct buf *buf, const struct cold_store *cold, uint32_t n)
{
    buf_varint(buf, n);
    for (uint32_t i = 0; i < n; i++) {
        const struct msg_cold *row = &cold->rows[i];

        buf_varint(buf, row->size);
        buf_varint_signed(buf, row->zone_min);
        buf_varint_signed(buf, row->internaldate);
        buf_varint_signed(buf, row->savedate);
        buf_varint(buf, row->body_id);
        put_id(buf, &row->emailid);
        put_id(buf, &row->threadid);
    }
}

static bool get_uids(struct scan *sc, struct chunk *chunk, uint32_t n, uint32_t before)
{
    uint32_t gap;

    for (uint32_t row = 0; row < n; row++) {
        uint32_t last = row > 0 ? chunk->uid[row - 1] : 0;

        if (!scan_varint32(sc, UID_MAX - last, &gap) || gap == 0)
            return false;
        chunk->uid[row] = last + gap;
    }
    return chunk->uid[0] > before;
}

static bool get_flags(struct scan *sc, struct chunk *chunk, uint32_t n)
{
    struct slice flags;

    if (!scan_take(sc, n, &flags))
        return false;
    memcpy(chunk->flags, flags.ptr, n);
    for (uint32_t row = 0; row < n; row++) {
        if ((chunk->flags[row] & ~FLAGS_ALL) != 0)
            return false;
    }
    return true;
}

static bool get_modseqs(struct scan *sc, struct chunk *chunk, uint32_t n, uint64_t max)
{
    uint64_t delta;

    for (uint32_t row = 0; row < n; row++) {
        if (!scan_varint(sc, max - chunk->modseq_base, &delta))
            return false;
        chunk_set_modseq(chunk, row, row, chunk->modseq_base + delta);
    }
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
    uint8_t has_map;

    if (!scan_le8(sc, &has_map) || has_map > 1)
        return false;
    if (has_map == 0)
        return true;
    chunk->cold_row = xcalloc(chunk->cap, sizeof(*chunk->cold_row));
    for (uint32_t row = 0; row < n; row++) {
        if (!scan_le16(sc, &chunk->cold_row[row]))
            return false;
    }
    return true;
}

struct chunk *chunk_get_hot(struct scan *sc, uint32_t rows, const struct chunk_rules *rules)
{
    struct chunk *chunk;
    uint64_t base;
    size_t n;

    if (!page_get_count(sc, CHUNK_MESSAGES, &n) || n == 0 || n != rows ||
        !scan_varint(sc, rules->modseq_max, &base) || base == 0)
        return NULL;
    chunk = chunk_new(chunk_fit((uint32_t) n), base);
    atomic_init(&chunk->filled, (uint32_t) n);
    if (get_uids(sc, chunk, rows, rules->uid_before) && get_flags(sc, chunk, rows) &&
        get_modseqs(sc, chunk, rows, rules->modseq_max) &&
        get_keywords(sc, chunk, rows, rules->n_keywords) && get_cold_map(sc, chunk, rows) &&
        scan_done(sc))
        return chunk;
    chunk_unref(chunk);
    return NULL;
}

static bool get_cold_row(struct scan *sc, struct msg_cold *row)
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

struct cold_store *chunk_get_cold(struct scan *sc, uint32_t rows)
{
    struct cold_store *cold;
    size_t n;

    if (!page_get_count(sc, (uint64_t) COLD_ROWS_MAX, &n) || n == 0 || n != rows)
        return NULL;
    cold = cold_new(chunk_fit(rows));
    atomic_init(&cold->filled, rows);
    for (uint32_t i = 0; i < rows; i++) {
        if (!get_cold_row(sc, &cold->rows[i])) {
            cold_unref(cold);
            return NULL;
        }
    }
    if (scan_done(sc))
        return cold;
    cold_unref(cold);
    return NULL;
}
