#include "account/chunk.h"

#include <assert.h>

uint32_t chunk_fit(uint32_t n)
{
    uint32_t cap = CHUNK_FIRST_ROWS;

    while (cap < n)
        cap *= 4;
    return cap;
}

struct cold_store *cold_new(uint32_t cap)
{
    struct cold_store *cold = xcalloc(1, sizeof(*cold));

    counted_init(&cold->counted);
    cold->cap = cap;
    atomic_init(&cold->rows, xmalloc(cap * sizeof(struct msg_cold)));
    return cold;
}

uint32_t cold_rows_in(const struct page_place *pieces, uint32_t n)
{
    uint32_t rows = 0;

    for (uint32_t i = 0; i < n; i++)
        rows += pieces[i].rows;
    return rows;
}

struct cold_store *cold_new_in_pages(const struct page_place *pieces, uint32_t n)
{
    struct cold_store *cold = xcalloc(1, sizeof(*cold));
    uint32_t rows = cold_rows_in(pieces, n);

    counted_init(&cold->counted);
    atomic_init(&cold->filled, rows);
    cold->cap = chunk_fit(rows);
    cold->origin = xmalloc(n * sizeof(*pieces));
    memcpy(cold->origin, pieces, n * sizeof(*pieces));
    memcpy(cold->pages.pieces, pieces, n * sizeof(*pieces));
    cold->n_origin = cold->pages.n = n;
    return cold;
}

void cold_unref(struct cold_store *cold)
{
    if (cold == NULL || !counted_drop(&cold->counted))
        return;
    free(cold_rows(cold));
    free(cold->origin);
    free(cold);
}

struct msg_cold *cold_rows(const struct cold_store *cold)
{
    return atomic_load_explicit(&cold->rows, memory_order_acquire);
}

void cold_publish(struct cold_store *cold, struct msg_cold *rows)
{
    struct msg_cold *none = NULL;

    if (!atomic_compare_exchange_strong_explicit(&cold->rows, &none, rows, memory_order_acq_rel,
                                                 memory_order_acquire))
        free(rows);
}

bool chunk_cold_is_loaded(const struct chunk *chunk)
{
    return cold_rows(chunk->cold) != NULL;
}

/* uid[cap], modseq_delta[cap] and flags[cap] in one block with the head. Rows are not cleared:
 * a row is written before its count is known to anybody. */
struct chunk *chunk_new(uint32_t cap, uint64_t modseq_base)
{
    size_t row_bytes = 2 * sizeof(uint32_t) + sizeof(uint8_t);
    struct chunk *chunk = xmalloc(sizeof(*chunk) + cap * row_bytes);

    *chunk = (struct chunk){.cap = cap, .modseq_base = modseq_base};
    counted_init(&chunk->counted);
    chunk->modseq_delta = chunk->uid + cap;
    chunk->flags = (uint8_t *) (chunk->modseq_delta + cap);
    return chunk;
}

void chunk_ref(struct chunk *chunk)
{
    counted_take(&chunk->counted);
}

void chunk_unref(struct chunk *chunk)
{
    if (chunk == NULL || !counted_drop(&chunk->counted))
        return;
    cold_unref(chunk->cold);
    free(chunk->modseq_full);
    free(chunk->keywords);
    free(chunk->cold_row);
    free(chunk->twin);
    free(chunk);
}

uint64_t chunk_modseq(const struct chunk *chunk, uint32_t row)
{
    uint32_t delta = chunk->modseq_delta[row];

    return delta != MODSEQ_ESCAPE ? chunk->modseq_base + delta : chunk->modseq_full[row];
}

uint64_t chunk_greatest_modseq(const struct chunk *chunk, uint32_t n)
{
    uint32_t delta = 0;
    uint64_t greatest = 0;

    if (chunk->modseq_full == NULL) {
        for (uint32_t row = 0; row < n; row++)
            delta = MAX(delta, chunk->modseq_delta[row]);
        return chunk->modseq_base + delta;
    }
    for (uint32_t row = 0; row < n; row++)
        greatest = MAX(greatest, chunk_modseq(chunk, row));
    return greatest;
}

static uint32_t cold_index(const struct chunk *chunk, uint32_t row)
{
    return chunk->cold_row != NULL ? chunk->cold_row[row] : row;
}

const struct msg_cold *chunk_cold(const struct chunk *chunk, uint32_t row)
{
    const struct msg_cold *rows = cold_rows(chunk->cold);

    assert(rows != NULL);
    return &rows[cold_index(chunk, row)];
}

bool chunk_has_keyword(const struct chunk *chunk, uint32_t row, uint16_t keyword)
{
    uint32_t word = keyword / 64u;

    return word < chunk->keyword_words &&
           (chunk->keywords[row * chunk->keyword_words + word] >> (keyword % 64u) & 1) != 0;
}

void chunk_keywords(const struct chunk *chunk, uint32_t row, uint64_t out[KEYWORD_WORDS])
{
    for (uint32_t word = 0; word < KEYWORD_WORDS; word++)
        out[word] = word < chunk->keyword_words
                        ? chunk->keywords[row * chunk->keyword_words + word]
                        : 0;
}

uint32_t chunk_lower_bound(const struct chunk *chunk, uint32_t n, uint32_t uid)
{
    uint32_t low = 0, high = n;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (chunk->uid[mid] < uid)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

uint32_t chunk_cold_needed(const struct chunk *chunk, uint32_t n)
{
    uint32_t needed = 0;

    if (chunk->cold_row == NULL)
        return n;
    for (uint32_t row = 0; row < n; row++)
        needed = MAX(needed, chunk->cold_row[row] + 1u);
    return needed;
}

/* Words of keywords that are in use. */
static uint32_t words_used(const uint64_t words[KEYWORD_WORDS])
{
    uint32_t n = KEYWORD_WORDS;

    while (n > 0 && words[n - 1] == 0)
        n--;
    return n;
}

/* Make room for n_words of keywords a row. The chunk is ours. */
static void widen_keywords(struct chunk *chunk, uint32_t n_words)
{
    uint32_t had = chunk->keyword_words;
    uint64_t *wide;

    if (n_words <= had)
        return;
    wide = xcalloc((size_t) chunk->cap * n_words, sizeof(*wide));
    for (uint32_t row = 0; had > 0 && row < chunk->cap; row++)
        memcpy(wide + (size_t) row * n_words, chunk->keywords + (size_t) row * had,
               had * sizeof(*wide));
    free(chunk->keywords);
    chunk->keywords = wide;
    chunk->keyword_words = n_words;
}

/* Make room for twins. The chunk is ours. */
static void need_twins(struct chunk *chunk)
{
    if (chunk->twin == NULL)
        chunk->twin = xcalloc(chunk->cap, sizeof(*chunk->twin));
}

uint64_t chunk_twin(const struct chunk *chunk, uint32_t row)
{
    return chunk->twin != NULL ? chunk->twin[row] : 0;
}

void chunk_set_twin(struct chunk *chunk, uint32_t row, uint64_t twin)
{
    need_twins(chunk);
    chunk->twin[row] = twin;
}

static bool delta_fits(const struct chunk *chunk, uint64_t modseq)
{
    return modseq >= chunk->modseq_base && modseq - chunk->modseq_base < MODSEQ_ESCAPE;
}

/* Write a modseq where the delta fits, or the column of whole ones is there. */
static void put_modseq(struct chunk *chunk, uint32_t row, uint64_t modseq)
{
    if (delta_fits(chunk, modseq)) {
        chunk->modseq_delta[row] = (uint32_t) (modseq - chunk->modseq_base);
    } else {
        chunk->modseq_delta[row] = MODSEQ_ESCAPE;
        chunk->modseq_full[row] = modseq;
    }
}

/* The column of whole modseqs. The chunk is ours; its first n rows are in use. */
static void need_full_modseqs(struct chunk *chunk, uint32_t n)
{
    if (chunk->modseq_full != NULL)
        return;
    chunk->modseq_full = xcalloc(chunk->cap, sizeof(*chunk->modseq_full));
    for (uint32_t row = 0; row < n; row++)
        chunk->modseq_full[row] = chunk_modseq(chunk, row);
}

void chunk_set_modseq(struct chunk *chunk, uint32_t n, uint32_t row, uint64_t modseq)
{
    if (!delta_fits(chunk, modseq))
        need_full_modseqs(chunk, n);
    put_modseq(chunk, row, modseq);
}

void chunk_set_keywords(struct chunk *chunk, uint32_t row, const uint64_t words[KEYWORD_WORDS])
{
    widen_keywords(chunk, words_used(words));
    if (chunk->keyword_words > 0)
        memcpy(chunk->keywords + (size_t) row * chunk->keyword_words, words,
               chunk->keyword_words * sizeof(*words));
}

/* Copy the hot columns of n rows. to has room, as many words of keywords as from, and twins if
 * from has. */
static void copy_rows(struct chunk *to, uint32_t to_row, const struct chunk *from, uint32_t row,
                      uint32_t n)
{
    memcpy(to->uid + to_row, from->uid + row, n * sizeof(*to->uid));
    memcpy(to->flags + to_row, from->flags + row, n);
    if (to->modseq_base == from->modseq_base && from->modseq_full == NULL) {
        memcpy(to->modseq_delta + to_row, from->modseq_delta + row,
               n * sizeof(*to->modseq_delta));
        for (uint32_t i = 0; to->modseq_full != NULL && i < n; i++)
            to->modseq_full[to_row + i] = chunk_modseq(from, row + i);
    } else {
        for (uint32_t i = 0; i < n; i++)
            chunk_set_modseq(to, to_row + i, to_row + i, chunk_modseq(from, row + i));
    }
    for (uint32_t i = 0; from->keyword_words > 0 && i < n; i++)
        memcpy(to->keywords + (size_t) (to_row + i) * to->keyword_words,
               from->keywords + (size_t) (row + i) * from->keyword_words,
               from->keyword_words * sizeof(uint64_t));
    if (from->twin != NULL)
        memcpy(to->twin + to_row, from->twin + row, n * sizeof(*to->twin));
}

/* The least modseq of the rows: the base with which most deltas fit. */
static uint64_t least_modseq(const struct chunk *chunk, uint32_t n)
{
    uint64_t least = chunk_modseq(chunk, 0);

    for (uint32_t row = 1; row < n; row++)
        least = MIN(least, chunk_modseq(chunk, row));
    return least;
}

/* The hot columns of n rows in a chunk of this capacity, without cold rows. */
static struct chunk *copy_hot(const struct chunk *from, uint32_t n, uint32_t cap)
{
    uint64_t base = from->modseq_full != NULL ? least_modseq(from, n) : from->modseq_base;
    struct chunk *to = chunk_new(cap, base);

    widen_keywords(to, from->keyword_words);
    if (from->twin != NULL)
        need_twins(to);
    copy_rows(to, 0, from, 0, n);
    atomic_init(&to->filled, n);
    return to;
}

/* Give chunk (ours, n rows) the cold store of another, row by row as this one maps them. */
static void share_cold(struct chunk *chunk, const struct chunk *from, uint32_t n)
{
    chunk->cold = from->cold;
    counted_take(&chunk->cold->counted);
    if (from->cold_row == NULL)
        return;
    chunk->cold_row = xcalloc(chunk->cap, sizeof(*chunk->cold_row));
    memcpy(chunk->cold_row, from->cold_row, n * sizeof(*chunk->cold_row));
}

void chunk_own(struct chunk **chunk, uint32_t n)
{
    struct chunk *old = *chunk;

    if (counted_is_ours(&old->counted)) {
        old->page = (struct page_ref){0};
        return;
    }
    *chunk = copy_hot(old, n, old->cap);
    share_cold(*chunk, old, n);
    chunk_unref(old);
}

/* A cold store with the rows that chunk (ours) uses, in order, and no map; room for more. */
static void rewrite_cold(struct chunk *chunk, uint32_t n, uint32_t cap)
{
    struct cold_store *cold = cold_new(cap);
    struct msg_cold *rows = cold_rows(cold);

    for (uint32_t row = 0; row < n; row++)
        rows[row] = *chunk_cold(chunk, row);
    atomic_init(&cold->filled, n);
    cold_unref(chunk->cold);
    chunk->cold = cold;
    free(chunk->cold_row);
    chunk->cold_row = NULL;
}

static void need_map(struct chunk *chunk, uint32_t n)
{
    if (chunk->cold_row != NULL)
        return;
    chunk->cold_row = xcalloc(chunk->cap, sizeof(*chunk->cold_row));
    for (uint32_t row = 0; row < n; row++)
        chunk->cold_row[row] = (uint16_t) row;
}

/* Claim the next free row and write it; false if the store is full. */
static bool cold_add(struct cold_store *cold, const struct msg_cold *row, uint32_t *out)
{
    unsigned at = atomic_load_explicit(&cold->filled, memory_order_relaxed);
    struct msg_cold *rows = cold_rows(cold);

    assert(rows != NULL);
    do {
        if (at >= cold->cap)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(
        &cold->filled, &at, at + 1, memory_order_relaxed, memory_order_relaxed));
    rows[at] = *row;
    *out = at;
    return true;
}

/* The same, but only if the next free row is this one. */
static bool cold_add_at(struct cold_store *cold, const struct msg_cold *row, unsigned at)
{
    struct msg_cold *rows = cold_rows(cold);
    unsigned expected = at;

    assert(rows != NULL);
    if (at >= cold->cap ||
        !atomic_compare_exchange_strong_explicit(&cold->filled, &expected, at + 1,
                                                 memory_order_relaxed, memory_order_relaxed))
        return false;
    rows[at] = *row;
    return true;
}

void chunk_set_cold(struct chunk *chunk, uint32_t n, uint32_t row, const struct msg_cold *cold)
{
    struct msg_cold copy = *cold;
    uint32_t at = 0;

    if (!cold_add(chunk->cold, &copy, &at)) {
        rewrite_cold(chunk, n, MIN(chunk->cap * 2, COLD_ROWS_MAX));
        (void) cold_add(chunk->cold, &copy, &at);
    }
    need_map(chunk, n);
    chunk->cold_row[row] = (uint16_t) at;
}

/* May row n be written into the chunk while others read the rows below? */
static bool has_columns_for(const struct chunk *chunk, const struct chunk_row *row)
{
    return words_used(row->keywords) <= chunk->keyword_words &&
           (row->twin == 0 || chunk->twin != NULL) &&
           (chunk->modseq_full != NULL || delta_fits(chunk, row->modseq));
}

static bool claim_row(struct chunk *chunk, uint32_t n)
{
    unsigned expected = n;

    return n < chunk->cap &&
           atomic_compare_exchange_strong_explicit(&chunk->filled, &expected, n + 1,
                                                   memory_order_relaxed, memory_order_relaxed);
}

/* Write the cold row of row n, which we have claimed. False: there is no room, nothing is done.
 */
static bool append_cold(struct chunk *chunk, uint32_t n, const struct msg_cold *cold)
{
    uint32_t at;

    if (chunk->cold_row == NULL)
        return cold_add_at(chunk->cold, cold, n);
    if (!cold_add(chunk->cold, cold, &at))
        return false;
    chunk->cold_row[n] = (uint16_t) at;
    return true;
}

static void write_row(struct chunk *chunk, uint32_t n, const struct chunk_row *row)
{
    chunk->uid[n] = row->uid;
    chunk->flags[n] = row->flags;
    put_modseq(chunk, n, row->modseq);
    if (chunk->keyword_words > 0)
        memcpy(chunk->keywords + (size_t) n * chunk->keyword_words, row->keywords,
               chunk->keyword_words * sizeof(uint64_t));
    if (chunk->twin != NULL)
        chunk->twin[n] = row->twin;
}

void chunk_append(struct chunk **chunk, uint32_t n, const struct chunk_row *row,
                  const struct msg_cold *cold)
{
    struct chunk *old = *chunk, *copy;

    assert(n < CHUNK_MESSAGES);
    if (has_columns_for(old, row) && claim_row(old, n) && append_cold(old, n, cold)) {
        write_row(old, n, row);
        return;
    }
    /* Ours from here on. A cold store that is full, or whose next row somebody else has, is
     * written anew. */
    copy = copy_hot(old, n, chunk_fit(n + 1));
    share_cold(copy, old, n);
    chunk_unref(old);
    widen_keywords(copy, words_used(row->keywords));
    if (row->twin != 0)
        need_twins(copy);
    if (!delta_fits(copy, row->modseq))
        need_full_modseqs(copy, n);
    atomic_init(&copy->filled, n + 1);
    if (!append_cold(copy, n, cold)) {
        rewrite_cold(copy, n, copy->cap);
        (void) append_cold(copy, n, cold);
    }
    write_row(copy, n, row);
    *chunk = copy;
}

struct chunk *chunk_select(const struct chunk *chunk, const uint16_t *keep, uint32_t n_keep)
{
    struct chunk *to = chunk_new(chunk_fit(n_keep), chunk->modseq_base);

    widen_keywords(to, chunk->keyword_words);
    if (chunk->twin != NULL)
        need_twins(to);
    to->cold = chunk->cold;
    counted_take(&to->cold->counted);
    to->cold_row = xcalloc(to->cap, sizeof(*to->cold_row));
    for (uint32_t i = 0, n; i < n_keep; i += n) {
        n = 1;
        while (i + n < n_keep && keep[i + n] == keep[i] + n)
            n++;
        copy_rows(to, i, chunk, keep[i], n);
    }
    for (uint32_t i = 0; i < n_keep; i++)
        to->cold_row[i] = (uint16_t) cold_index(chunk, keep[i]);
    atomic_init(&to->filled, n_keep);
    /* Dead rows may be as many as living ones, not more. */
    if (n_keep < atomic_load_explicit(&chunk->cold->filled, memory_order_relaxed) / 2)
        rewrite_cold(to, n_keep, to->cap);
    return to;
}

struct chunk *chunk_join(const struct chunk *a, uint32_t n_a, const struct chunk *b,
                         uint32_t n_b)
{
    struct chunk *to =
        chunk_new(chunk_fit(n_a + n_b), MIN(least_modseq(a, n_a), least_modseq(b, n_b)));
    struct msg_cold *rows;

    widen_keywords(to, MAX(a->keyword_words, b->keyword_words));
    if (a->twin != NULL || b->twin != NULL)
        need_twins(to);
    to->cold = cold_new(to->cap);
    copy_rows(to, 0, a, 0, n_a);
    copy_rows(to, n_a, b, 0, n_b);
    rows = cold_rows(to->cold);
    for (uint32_t row = 0; row < n_a; row++)
        rows[row] = *chunk_cold(a, row);
    for (uint32_t row = 0; row < n_b; row++)
        rows[n_a + row] = *chunk_cold(b, row);
    atomic_init(&to->filled, n_a + n_b);
    atomic_init(&to->cold->filled, n_a + n_b);
    return to;
}
