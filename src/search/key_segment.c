#include "search/key_segment.h"

#include <xxhash.h>

#include "mime/text.h"

#define NAMES_FIRST_SLOTS 1024u
#define POOL_FIRST_BYTES  4096u
#define SCRATCH_BYTES     ((size_t) 1 << 20) /* a key is 2 KiB, casemapped 18 times that */

/* ---- names ---- */

void key_names_start(struct key_names *names)
{
    *names = (struct key_names){.n_slots = NAMES_FIRST_SLOTS};
    names->slots = xcalloc(names->n_slots, sizeof(*names->slots));
}

void key_names_done(struct key_names *names)
{
    free(names->slots);
    free(names->ids);
    *names = (struct key_names){0};
}

static void put_slot(struct key_names *names, uint32_t number)
{
    size_t mask = names->n_slots - 1, at = names->ids[number].low & mask;

    while (names->slots[at] != 0)
        at = (at + 1) & mask;
    names->slots[at] = number + 1;
}

static void grow_names(struct key_names *names)
{
    if (names->n == names->cap) {
        names->cap = names->cap * 2 + 256;
        names->ids = xrealloc(names->ids, names->cap * sizeof(*names->ids));
    }
    if ((size_t) names->n * 2 < names->n_slots)
        return;
    free(names->slots);
    names->n_slots *= 4;
    names->slots = xcalloc(names->n_slots, sizeof(*names->slots));
    for (uint32_t i = 0; i < names->n; i++)
        put_slot(names, i);
}

uint32_t key_names_number(struct key_names *names, struct key_id id, bool *is_new)
{
    size_t mask = names->n_slots - 1;

    for (size_t at = id.low & mask; names->slots[at] != 0; at = (at + 1) & mask) {
        uint32_t number = names->slots[at] - 1;

        if (names->ids[number].low == id.low && names->ids[number].high == id.high) {
            *is_new = false;
            return number;
        }
    }
    grow_names(names);
    names->ids[names->n] = id;
    put_slot(names, names->n);
    *is_new = true;
    return names->n++;
}

static struct key_id hash_of(const struct key_maker *maker, struct slice text)
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(text.ptr, text.len, maker->segment->seed);

    return (struct key_id){hash.low64, hash.high64};
}

/* ---- segments ---- */

struct key_segment *key_segment_ref(struct key_segment *segment)
{
    (void) atomic_fetch_add(&segment->refs, 1);
    return segment;
}

void key_segment_unref(struct key_segment *segment)
{
    if (segment == NULL || atomic_fetch_sub(&segment->refs, 1) > 1)
        return;
    free(segment->body);
    free(segment->sent);
    free(segment->flags);
    for (size_t i = 0; i < KEY_TEXT_COUNT; i++)
        free(segment->text[i]);
    free(segment->message_id);
    free(segment->reference_at);
    free(segment->n_references);
    free(segment->references);
    free(segment->text_at);
    free(segment->pool);
    free(segment->ids);
    free(segment);
}

/* ---- making ---- */

/* The number of a text, mapped already. */
static uint32_t number_text(struct key_maker *maker, struct slice text)
{
    struct key_segment *segment = maker->segment;
    uint32_t number;
    bool is_new;

    if (text.len > UINT32_MAX - maker->pool_len)
        return KEY_NO_TEXT;
    number = key_names_number(&maker->texts, hash_of(maker, text), &is_new);
    if (!is_new)
        return number;
    if (maker->texts.n >= maker->cap_texts) {
        maker->cap_texts = maker->cap_texts * 2 + 256;
        segment->text_at = xrealloc(segment->text_at, ((size_t) maker->cap_texts + 1) *
                                                          sizeof(*segment->text_at));
    }
    if (maker->pool_cap - maker->pool_len < text.len) {
        maker->pool_cap = maker->pool_cap * 2 + text.len;
        segment->pool = xrealloc(segment->pool, maker->pool_cap);
    }
    segment->text_at[number] = (uint32_t) maker->pool_len;
    if (text.len > 0)
        memcpy(segment->pool + maker->pool_len, text.ptr, text.len);
    maker->pool_len += text.len;
    segment->text_at[number + 1] = (uint32_t) maker->pool_len;
    return number;
}

void key_maker_start(struct key_maker *maker, uint32_t n, uint64_t seed)
{
    struct key_segment *segment = xcalloc(1, sizeof(*segment));
    size_t rows = (size_t) n + 1;

    *maker = (struct key_maker){.segment = segment};
    segment->seed = seed;
    key_names_start(&maker->texts);
    key_names_start(&maker->ids);
    buf_init(&maker->scratch, SCRATCH_BYTES);
    atomic_init(&segment->refs, 1);
    segment->n = n;
    segment->body = xcalloc(rows, sizeof(*segment->body));
    segment->sent = xcalloc(rows, sizeof(*segment->sent));
    segment->flags = xcalloc(rows, sizeof(*segment->flags));
    for (size_t i = 0; i < KEY_TEXT_COUNT; i++)
        segment->text[i] = xcalloc(rows, sizeof(*segment->text[i]));
    segment->message_id = xcalloc(rows, sizeof(*segment->message_id));
    segment->reference_at = xcalloc(rows, sizeof(*segment->reference_at));
    segment->n_references = xcalloc(rows, sizeof(*segment->n_references));
    maker->pool_cap = POOL_FIRST_BYTES;
    segment->pool = xmalloc(maker->pool_cap);
    maker->cap_references = 1;
    segment->references = xcalloc(1, sizeof(*segment->references));
    (void) number_text(maker, SLICE("")); /* KEY_NO_TEXT */
}

void key_maker_done(struct key_maker *maker)
{
    key_segment_unref(TAKE(maker->segment));
    key_names_done(&maker->texts);
    key_names_done(&maker->ids);
    buf_done(&maker->scratch);
}

static void map_text(const struct key_comparison *by, struct slice utf8, struct buf *out)
{
    switch (by != NULL ? by->kind : COMPARATOR_UNICODE_CASEMAP) {
    case COMPARATOR_UNICODE_CASEMAP:
        mime_casemap(utf8, out);
        break;
    case COMPARATOR_ASCII_CASEMAP:
        mime_casemap_ascii(utf8, out);
        break;
    case COMPARATOR_OCTET:
        buf_append(out, utf8);
        break;
    case COMPARATOR_LANGUAGE:
        collator_key(by->collator, utf8, out);
        break;
    }
}

static uint32_t mapped(struct key_maker *maker, enum key_text text, struct slice utf8)
{
    bool is_wanted = maker->by == NULL || (maker->by->texts >> text & 1) != 0;

    if (utf8.len == 0 || !is_wanted)
        return KEY_NO_TEXT;
    buf_reset(&maker->scratch);
    map_text(maker->by, utf8, &maker->scratch);
    if (maker->pool_len > SEGMENT_TEXT_BYTES)
        buf_truncate(&maker->scratch, MIN(maker->scratch.len, (size_t) SEGMENT_SHORT_TEXT));
    return number_text(maker, buf_slice(&maker->scratch));
}

static uint32_t number_id(struct key_maker *maker, struct key_id id)
{
    bool is_new;

    return key_names_number(&maker->ids, id, &is_new);
}

static void add_reference(struct key_maker *maker, uint32_t row, struct key_id id)
{
    struct key_segment *segment = maker->segment;

    if (maker->n_references == maker->cap_references) {
        maker->cap_references = maker->cap_references * 2 + 1024;
        segment->references = xrealloc(segment->references, (size_t) maker->cap_references *
                                                                sizeof(*segment->references));
    }
    segment->references[maker->n_references++] = number_id(maker, id);
    segment->n_references[row]++;
}

/* Of n references those to be left out: the oldest. */
static uint32_t too_many(const struct key_maker *maker, uint32_t n)
{
    uint32_t most = KEY_REFERENCES_MAX;

    if (maker->n_references > SEGMENT_REFERENCES)
        most = SEGMENT_SHORT_REFERENCES;
    return n > most ? n - most : 0;
}

/* RFC 5256, THREAD: References, else the first of In-Reply-To. */
static void set_references(struct key_maker *maker, uint32_t row, const struct digest *digest,
                           const struct digest_keys *keys)
{
    uint32_t skip = too_many(maker, keys->n_references);
    struct digest_references references;
    struct slice id;

    maker->segment->reference_at[row] = maker->n_references;
    digest_references(digest, &references);
    for (uint32_t i = 0; i < keys->n_references; i++)
        if (digest_next_reference(&references, &id) && i >= skip)
            add_reference(maker, row, hash_of(maker, id));
    if (keys->n_references == 0 && keys->in_reply_to.len > 0)
        add_reference(maker, row, hash_of(maker, keys->in_reply_to));
}

void key_maker_set(struct key_maker *maker, uint32_t row, uint64_t body_id,
                   const struct digest *digest)
{
    struct key_segment *segment = maker->segment;
    struct digest_keys keys = {0};

    if (digest != NULL)
        keys = digest_keys(digest);
    segment->body[row] = body_id;
    segment->sent[row] = keys.sent_sec;
    segment->flags[row] =
        (uint8_t) ((keys.is_reply ? KEY_IS_REPLY : 0) | (keys.has_sent ? KEY_HAS_SENT : 0));
    segment->text[KEY_TEXT_SUBJECT][row] = mapped(maker, KEY_TEXT_SUBJECT, keys.base_subject);
    segment->text[KEY_TEXT_FROM][row] = mapped(maker, KEY_TEXT_FROM, keys.from_mailbox);
    segment->text[KEY_TEXT_TO][row] = mapped(maker, KEY_TEXT_TO, keys.to_mailbox);
    segment->text[KEY_TEXT_CC][row] = mapped(maker, KEY_TEXT_CC, keys.cc_mailbox);
    segment->text[KEY_TEXT_DISPLAYFROM][row] =
        mapped(maker, KEY_TEXT_DISPLAYFROM, keys.from_display);
    segment->text[KEY_TEXT_DISPLAYTO][row] = mapped(maker, KEY_TEXT_DISPLAYTO, keys.to_display);
    segment->message_id[row] =
        keys.message_id.len > 0 ? number_id(maker, hash_of(maker, keys.message_id)) : KEY_NO_ID;
    if (digest != NULL)
        set_references(maker, row, digest, &keys);
}

void key_maker_move(struct key_maker *maker, uint32_t row, uint32_t to)
{
    struct key_segment *segment = maker->segment;

    if (row == to)
        return;
    segment->body[to] = segment->body[row];
    segment->sent[to] = segment->sent[row];
    segment->flags[to] = segment->flags[row];
    for (size_t i = 0; i < KEY_TEXT_COUNT; i++)
        segment->text[i][to] = segment->text[i][row];
    segment->message_id[to] = segment->message_id[row];
    segment->reference_at[to] = segment->reference_at[row];
    segment->n_references[to] = segment->n_references[row];
    segment->n_references[row] = 0; /* it is counted up when the row is set again */
}

void key_maker_copy(struct key_maker *maker, uint32_t row, const struct key_segment *from,
                    uint32_t from_row)
{
    struct key_segment *segment = maker->segment;
    const uint32_t *references = from->references + from->reference_at[from_row];
    uint32_t n = from->n_references[from_row], skip = too_many(maker, n);

    segment->body[row] = from->body[from_row];
    segment->sent[row] = from->sent[from_row];
    segment->flags[row] = from->flags[from_row];
    for (size_t i = 0; i < KEY_TEXT_COUNT; i++)
        segment->text[i][row] =
            number_text(maker, key_segment_text(from, from->text[i][from_row]));
    segment->message_id[row] = from->message_id[from_row] == KEY_NO_ID
                                   ? KEY_NO_ID
                                   : number_id(maker, from->ids[from->message_id[from_row]]);
    segment->reference_at[row] = maker->n_references;
    for (uint32_t i = skip; i < n; i++)
        add_reference(maker, row, from->ids[references[i]]);
}

static size_t rows_bytes(const struct key_segment *segment)
{
    size_t row = sizeof(*segment->body) + sizeof(*segment->sent) + sizeof(*segment->flags) +
                 KEY_TEXT_COUNT * sizeof(uint32_t) + sizeof(*segment->message_id) +
                 sizeof(*segment->reference_at) + sizeof(*segment->n_references);

    return sizeof(*segment) + segment->n * row;
}

static size_t names_bytes(const struct key_names *names)
{
    return names->n_slots * sizeof(*names->slots) + names->cap * sizeof(*names->ids);
}

size_t key_maker_bytes(const struct key_maker *maker)
{
    return rows_bytes(maker->segment) + names_bytes(&maker->texts) + names_bytes(&maker->ids) +
           maker->pool_cap +
           ((size_t) maker->cap_texts + maker->cap_references) * sizeof(uint32_t);
}

size_t key_segment_bytes(const struct key_segment *segment)
{
    return rows_bytes(segment) + ((size_t) segment->n_texts + 1) * sizeof(uint32_t) +
           segment->text_at[segment->n_texts] +
           (size_t) segment->n_references_all * sizeof(uint32_t) +
           (size_t) segment->n_ids * sizeof(struct key_id);
}

struct key_segment *key_maker_finish(struct key_maker *maker, uint32_t n)
{
    struct key_segment *segment = TAKE(maker->segment);

    segment->n = n;
    segment->n_texts = maker->texts.n;
    segment->n_ids = maker->ids.n;
    segment->n_references_all = maker->n_references;
    segment->ids =
        xrealloc(TAKE(maker->ids.ids), ((size_t) segment->n_ids + 1) * sizeof(struct key_id));
    segment->pool = xrealloc(segment->pool, maker->pool_len + 1);
    segment->text_at =
        xrealloc(segment->text_at, ((size_t) segment->n_texts + 1) * sizeof(*segment->text_at));
    segment->references = xrealloc(segment->references, ((size_t) maker->n_references + 1) *
                                                            sizeof(*segment->references));
    segment->bytes = key_segment_bytes(segment);
    key_maker_done(maker);
    return segment;
}

struct key_segment *key_segments_join(const struct key_segment *a, const struct key_segment *b)
{
    struct key_maker maker;
    uint32_t n = 0, i = 0, k = 0;

    key_maker_start(&maker, a->n + b->n, a->seed);
    while (i < a->n || k < b->n) {
        bool take_a = k == b->n || (i < a->n && a->body[i] <= b->body[k]);

        if (take_a && k < b->n && a->body[i] == b->body[k])
            k++;
        if (take_a)
            key_maker_copy(&maker, n++, a, i++);
        else
            key_maker_copy(&maker, n++, b, k++);
    }
    return key_maker_finish(&maker, n);
}

/* ---- finding ---- */

bool key_segment_find(const struct key_segment *segment, uint64_t body_id, uint32_t *row)
{
    uint32_t low = 0, high = segment->n;

    if (*row < segment->n && segment->body[*row] == body_id)
        return true;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (segment->body[mid] < body_id)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == segment->n || segment->body[low] != body_id)
        return false;
    *row = low;
    return true;
}
