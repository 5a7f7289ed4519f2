#include "search/key_blob.h"

#include "mime/text.h"

#define BLOB_MAGIC   SLICE("RSKY")
#define BLOB_VERSION 1u
#define FIRST_BODY   1u

/* ---- writing ---- */

static void print32s(struct buf *out, const uint32_t *numbers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_le32(out, numbers[i]);
}

void key_blob_print(const struct key_segment *segment, struct buf *out)
{
    uint32_t n = segment->n;

    buf_append(out, BLOB_MAGIC);
    buf_le32(out, BLOB_VERSION);
    buf_le32(out, DIGEST_VERSION);
    buf_le32(out, mime_casemap_version());
    buf_le64(out, segment->seed);
    buf_le32(out, n);
    buf_le32(out, segment->n_texts);
    buf_le32(out, segment->n_ids);
    buf_le32(out, segment->n_references_all);
    buf_le32(out, segment->text_at[segment->n_texts]);
    for (uint32_t i = 0; i < n; i++)
        buf_le64(out, segment->body[i]);
    for (uint32_t i = 0; i < n; i++)
        buf_le64(out, (uint64_t) segment->sent[i]);
    buf_append(out, slice_of(segment->flags, n));
    for (size_t i = 0; i < KEY_TEXT_COUNT; i++)
        print32s(out, segment->text[i], n);
    print32s(out, segment->message_id, n);
    print32s(out, segment->reference_at, n);
    for (uint32_t i = 0; i < n; i++)
        buf_le16(out, segment->n_references[i]);
    print32s(out, segment->references, segment->n_references_all);
    print32s(out, segment->text_at, (size_t) segment->n_texts + 1);
    buf_append(out, slice_of(segment->pool, segment->text_at[segment->n_texts]));
    for (uint32_t i = 0; i < segment->n_ids; i++) {
        buf_le64(out, segment->ids[i].low);
        buf_le64(out, segment->ids[i].high);
    }
}

/* ---- reading: the length was compared with the counts, so no read fails ---- */

static uint64_t take64(struct scan *sc)
{
    uint64_t value = 0;

    (void) scan_le64(sc, &value);
    return value;
}

static uint32_t take32(struct scan *sc)
{
    uint32_t value = 0;

    (void) scan_le32(sc, &value);
    return value;
}

static uint32_t *take32s(struct scan *sc, size_t n)
{
    uint32_t *numbers = xmalloc((n + 1) * sizeof(*numbers));

    for (size_t i = 0; i < n; i++)
        numbers[i] = take32(sc);
    return numbers;
}

static char *take_bytes(struct scan *sc, size_t n)
{
    char *bytes = xmalloc(n + 1);
    struct slice from;

    if (scan_take(sc, n, &from) && n > 0)
        memcpy(bytes, from.ptr, n);
    return bytes;
}

struct blob_head {
    uint64_t seed;
    uint32_t n, n_texts, n_ids, n_references, pool;
};

static bool read_head(struct scan *sc, struct blob_head *out)
{
    uint32_t version, digests, casemap;
    uint64_t row = 8 + 8 + 1 + 4 * KEY_TEXT_COUNT + 4 + 4 + 2;

    return scan_literal(sc, BLOB_MAGIC) && scan_le32(sc, &version) && version == BLOB_VERSION &&
           scan_le32(sc, &digests) && digests == DIGEST_VERSION && scan_le32(sc, &casemap) &&
           casemap == mime_casemap_version() && scan_le64(sc, &out->seed) &&
           scan_le32(sc, &out->n) && scan_le32(sc, &out->n_texts) &&
           scan_le32(sc, &out->n_ids) && scan_le32(sc, &out->n_references) &&
           scan_le32(sc, &out->pool) && out->n_texts > 0 &&
           scan_left(sc) == row * out->n + 4 * (uint64_t) out->n_references +
                                4 * ((uint64_t) out->n_texts + 1) + out->pool +
                                sizeof(struct key_id) * (uint64_t) out->n_ids;
}

static void read_columns(struct scan *sc, const struct blob_head *head,
                         struct key_segment *segment)
{
    size_t n = head->n;

    segment->body = xcalloc(n + 1, sizeof(*segment->body));
    for (size_t i = 0; i < n; i++)
        segment->body[i] = take64(sc);
    segment->sent = xcalloc(n + 1, sizeof(*segment->sent));
    for (size_t i = 0; i < n; i++)
        segment->sent[i] = (int64_t) take64(sc);
    segment->flags = (uint8_t *) take_bytes(sc, n);
    for (size_t i = 0; i < KEY_TEXT_COUNT; i++)
        segment->text[i] = take32s(sc, n);
    segment->message_id = take32s(sc, n);
    segment->reference_at = take32s(sc, n);
    segment->n_references = xcalloc(n + 1, sizeof(*segment->n_references));
    for (size_t i = 0; i < n; i++)
        (void) scan_le16(sc, &segment->n_references[i]);
    segment->references = take32s(sc, head->n_references);
    segment->text_at = take32s(sc, (size_t) head->n_texts + 1);
    segment->pool = take_bytes(sc, head->pool);
    segment->ids = xcalloc((size_t) head->n_ids + 1, sizeof(*segment->ids));
    for (uint32_t i = 0; i < head->n_ids; i++)
        segment->ids[i] = (struct key_id){take64(sc), take64(sc)};
}

static bool all_below(const uint32_t *numbers, size_t n, uint32_t bound)
{
    for (size_t i = 0; i < n; i++)
        if (numbers[i] >= bound)
            return false;
    return true;
}

static bool row_is_sound(const struct key_segment *segment, uint32_t row)
{
    uint32_t id = segment->message_id[row], n = segment->n_references[row];

    return (row == 0 || segment->body[row] > segment->body[row - 1]) &&
           (id == KEY_NO_ID || id < segment->n_ids) && n <= KEY_REFERENCES_MAX &&
           segment->reference_at[row] <= segment->n_references_all &&
           n <= segment->n_references_all - segment->reference_at[row];
}

static bool is_sound(const struct key_segment *segment, uint32_t pool)
{
    const uint32_t *at = segment->text_at;

    if (at[0] != 0 || at[1] != 0 || at[segment->n_texts] != pool ||
        !all_below(segment->references, segment->n_references_all, segment->n_ids))
        return false;
    for (uint32_t i = 0; i < segment->n_texts; i++)
        if (at[i] > at[i + 1])
            return false;
    for (size_t i = 0; i < KEY_TEXT_COUNT; i++)
        if (!all_below(segment->text[i], segment->n, segment->n_texts))
            return false;
    for (uint32_t row = 0; row < segment->n; row++)
        if (!row_is_sound(segment, row))
            return false;
    return true;
}

struct key_segment *key_blob_parse(struct slice bytes)
{
    struct scan sc = scan_of(bytes);
    struct key_segment *segment;
    struct blob_head head;

    if (!read_head(&sc, &head))
        return NULL;
    segment = xcalloc(1, sizeof(*segment));
    atomic_init(&segment->refs, 1);
    segment->seed = head.seed;
    segment->n = head.n;
    segment->n_texts = head.n_texts;
    segment->n_ids = head.n_ids;
    segment->n_references_all = head.n_references;
    read_columns(&sc, &head, segment);
    if (!is_sound(segment, head.pool)) {
        key_segment_unref(segment);
        return NULL;
    }
    segment->bytes = key_segment_bytes(segment);
    return segment;
}

/* ---- the blobs of an account ---- */

static struct derived_name name_of(const struct key_blob *blob)
{
    return (struct derived_name){KEY_BLOB_KIND, blob->from, blob->to};
}

struct listing {
    struct key_blob *blobs;
    size_t n;
};

/* By where they begin, the longer one first. */
static bool add_blob(void *ctx, const struct derived_name *name)
{
    struct listing *listing = ctx;
    size_t at = listing->n;

    if (name->kind != KEY_BLOB_KIND || listing->n == KEY_BLOBS_MAX)
        return true;
    while (at > 0 && (listing->blobs[at - 1].from > name->from ||
                      (listing->blobs[at - 1].from == name->from &&
                       listing->blobs[at - 1].to < name->to)))
        at--;
    memmove(&listing->blobs[at + 1], &listing->blobs[at],
            (listing->n++ - at) * sizeof(*listing->blobs));
    listing->blobs[at] = (struct key_blob){name->from, name->to, NULL};
    return true;
}

static struct key_segment *load_blob(struct engine *engine, uint64_t account,
                                     const struct key_blob *blob)
{
    struct derived_name name = name_of(blob);
    struct key_segment *segment = NULL;
    struct derived *derived = NULL;
    AUTO(freep) char *bytes = NULL;
    uint64_t len;
    struct err err;

    if (engine->ops->derived_open(engine, account, &name, &derived, &err) != RC_OK)
        return NULL;
    len = engine->ops->derived_length(derived);
    if (len > 0 && len <= KEY_BLOB_MAX_BYTES) {
        bytes = xmalloc((size_t) len);
        if (engine->ops->derived_read(derived, 0, bytes, (size_t) len, &err) == RC_OK)
            segment = key_blob_parse(slice_of(bytes, (size_t) len));
    }
    engine->ops->derived_close(derived);
    return segment;
}

size_t key_blobs_load(struct engine *engine, uint64_t account, bool remove_others,
                      struct key_blob *out)
{
    struct listing listing = {.blobs = out};
    uint64_t next = FIRST_BODY;
    struct err err;
    size_t n = 0;

    if (engine->ops->derived_list == NULL ||
        engine->ops->derived_list(engine, account, add_blob, &listing, &err) != RC_OK)
        return 0;
    for (size_t i = 0; i < listing.n; i++) {
        struct key_blob blob = out[i];

        if (blob.from == next)
            blob.segment = load_blob(engine, account, &blob);
        if (blob.segment != NULL && n > 0 && blob.segment->seed != out[0].segment->seed) {
            key_segment_unref(blob.segment);
            blob.segment = NULL;
        }
        if (blob.segment != NULL) {
            next = blob.to;
            out[n++] = blob;
        } else if (remove_others) {
            key_blob_remove(engine, account, &blob);
        }
    }
    return n;
}

void key_blobs_done(struct key_blob *blobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        key_segment_unref(TAKE(blobs[i].segment));
}

enum rc key_blob_store(struct engine *engine, uint64_t account, const struct key_blob *blob,
                       struct err *err)
{
    struct derived_name name = name_of(blob);
    struct derived_writer *writer = NULL;
    AUTO(buf_done) struct buf bytes = {0};
    enum rc rc;

    buf_init(&bytes, (size_t) KEY_BLOB_MAX_BYTES);
    key_blob_print(blob->segment, &bytes);
    if (bytes.overflow)
        return err_set(err, RC_LIMIT, "Too many messages", "sort keys: a blob too long");
    rc = engine->ops->derived_begin(engine, account, &name, &writer, err);
    if (rc)
        return rc;
    rc = engine->ops->derived_write(writer, buf_slice(&bytes), err);
    if (rc) {
        engine->ops->derived_drop(writer);
        return rc;
    }
    return engine->ops->derived_finish(writer, err);
}

void key_blob_remove(struct engine *engine, uint64_t account, const struct key_blob *blob)
{
    struct derived_name name = name_of(blob);
    struct err err;

    (void) engine->ops->derived_remove(engine, account, &name,
                                       &err); /* the next one tries again */
}
