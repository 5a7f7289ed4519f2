#include "mailbox/message.h"

#include <assert.h>

#include "base/log.h"
#include "mailbox/open_account.h"

#define DIGEST_BATCH_BYTES                                                                     \
    ((size_t) 4 << 20) /* what does not fit is read when it is asked for */

struct message {
    struct digest_batch *batch; /* which lends it; NULL: it is the caller's */
    struct account *account;
    uint64_t body_id;
    uint32_t size;
    struct body *body; /* opened at the first read */
    struct arena *arena;
    struct digest digest;
    bool has_digest;
    bool has_text;       /* the digest was read with its text */
    bool downgrades;     /* the substitute is wanted */
    bool has_substitute; /* and there is one, in the digest */
    struct digest_substitute substitute;
    struct digest shown;  /* its digest */
    struct slice preview; /* the batch's, if it has that; ptr NULL: it has none */
};

struct message *message_open(struct account *account, uint64_t body_id, uint32_t size)
{
    struct message *message = xcalloc(1, sizeof(*message));

    message->account = account;
    message->body_id = body_id;
    message->size = size;
    return message;
}

/* Where its digest lies; most messages of a list have theirs in a batch. */
static struct arena *arena_of(struct message *message)
{
    if (message->arena == NULL)
        message->arena = arena_new(DIGEST_ARENA_BYTES);
    return message->arena;
}

struct digest_batch {
    struct account *account;
    bool with_previews;
    struct arena *arena;
    struct message message; /* the one that is lent */
    bool is_lent;
    size_t from;                             /* of the fill */
    struct slice tables[DIGEST_BATCH_MAX];   /* empty: not kept */
    struct slice previews[DIGEST_BATCH_MAX]; /* ptr NULL: not read */
};

void message_close(struct message *message)
{
    if (message == NULL)
        return;
    account_engine(message->account)->ops->body_close(message->body);
    arena_free(message->arena);
    if (message->batch != NULL)
        message->batch->is_lent = false;
    else
        free(message);
}

void message_closep(struct message **message)
{
    message_close(*message);
    *message = NULL;
}

static void find_substitute(struct message *message)
{
    struct err err;

    message->has_substitute =
        message->downgrades && message->has_digest &&
        digest_get_substitute(&message->digest, &message->substitute) &&
        digest_open_substitute(&message->substitute, &message->shown, &err) == RC_OK;
}

void message_downgrade(struct message *message)
{
    message->downgrades = true;
    find_substitute(message);
}

bool message_is_substitute(const struct message *message)
{
    return message->has_substitute;
}

const struct digest *message_stored_digest(const struct message *message)
{
    return &message->digest;
}

uint64_t message_size(const struct message *message)
{
    return message->has_substitute ? message->shown.message_size : message->size;
}

static enum rc open_body(struct message *message, struct err *err)
{
    struct engine *engine = account_engine(message->account);
    enum rc rc;

    if (message->body != NULL)
        return RC_OK;
    rc = engine->ops->body_open(engine, message->account->id, message->body_id, &message->body,
                                err);
    if (rc == RC_OK && engine->ops->body_length(message->body) != message->size)
        rc = err_set(err, RC_CORRUPT, "The stored message is damaged",
                     "body %llu: %llu bytes, want %u", (unsigned long long) message->body_id,
                     (unsigned long long) engine->ops->body_length(message->body),
                     message->size);
    return rc;
}

static enum rc behind_end(const struct message *message, struct err *err)
{
    return err_set(err, RC_CORRUPT, "The stored message is damaged",
                   "body %llu: range behind its end", (unsigned long long) message->body_id);
}

static enum rc read_stored(struct message *message, uint64_t offset, size_t len,
                           struct buf *out, struct err *err)
{
    struct engine *engine = account_engine(message->account);
    enum rc rc = open_body(message, err);
    char *room;

    if (rc)
        return rc;
    if (offset > message->size || len > message->size - offset)
        return behind_end(message, err);
    if (len == 0)
        return RC_OK; /* a buffer that has never held a byte has no room to point at */
    room = buf_reserve(out, len);
    if (room == NULL)
        return err_set(err, RC_LIMIT, "The answer would be too large",
                       "message_read: %zu bytes", len);
    rc = engine->ops->body_read(message->body, offset, room, len, err);
    if (rc == RC_OK)
        out->len += len;
    return rc;
}

static enum rc read_substitute(struct message *message, uint64_t offset, size_t len,
                               struct buf *out, struct err *err)
{
    struct digest_pieces pieces;
    struct digest_piece piece;
    enum rc rc = RC_OK;

    if (offset > message->shown.message_size || len > message->shown.message_size - offset)
        return behind_end(message, err);
    digest_pieces_begin(&message->digest, &message->substitute, &pieces);
    digest_skip_pieces(&pieces, offset);
    for (size_t left = len; rc == RC_OK && left > 0; left -= piece.len) {
        if (!digest_next_piece(&pieces, (uint32_t) left, &piece))
            return behind_end(message, err);
        if (piece.is_inserted)
            buf_append(out, slice_sub(message->substitute.inserted, piece.offset, piece.len));
        else
            rc = read_stored(message, piece.offset, piece.len, out, err);
    }
    return rc;
}

/* ---- the digest ---- */

/* What a digest process made may be anything. */
static enum rc check_table(struct slice table, struct slice bytes, struct digest *out,
                           struct err *err)
{
    enum rc rc = digest_open(table, out, err);

    return rc == RC_OK ? digest_verify(out, bytes, err) : rc;
}

/*
 * From the digest processes; opaque if they cannot. The table is checked against the message.
 * *out_final: it may be kept. One that nobody came to in time is no finding about the message,
 * and is tried again.
 */
static struct slice make_table(struct account *account, uint64_t body_id, struct slice bytes,
                               struct arena *arena, bool *out_final)
{
    struct digester *digester = store_digester(account->store);
    struct arena_mark mark = arena_mark(arena);
    AUTO(buf_done) struct buf opaque = {0};
    struct digest digest;
    struct slice table;
    struct err err;
    enum rc rc = digester->make(digester, account->id, &bytes, 1, arena, &table, &err);

    *out_final = rc != RC_UNAVAILABLE;
    if (rc == RC_OK)
        rc = check_table(table, bytes, &digest, &err);
    if (rc == RC_OK)
        return table;
    log_event(LEVEL_WARNING, "digest.opaque", LOG_ID("account", account->id),
              LOG_NUM("body", body_id), LOG_ERR(&err));
    arena_rewind(arena, mark);
    buf_init(&opaque, DIGEST_MAX_BYTES);
    digest_build_opaque(bytes, &opaque);
    return arena_dup(arena, buf_slice(&opaque));
}

enum rc stage_digest(struct account *account, const struct body_stage *stage,
                     struct arena *arena, struct digest *out, struct err *err)
{
    const struct engine_ops *ops = account_engine(account)->ops;
    size_t len = (size_t) ops->stage_length(stage);
    AUTO(buf_done) struct buf bytes = {0};
    bool final;
    enum rc rc;

    buf_init(&bytes, len + 1);
    rc = ops->stage_read(stage, 0, buf_reserve(&bytes, len), len, err);
    if (rc)
        return rc;
    bytes.len = len;
    return digest_open(make_table(account, 0, buf_slice(&bytes), arena, &final), out, err);
}

/* Leaf parts that other messages may hold too, in the order of the message. */
static struct body_range *find_leaves(const struct digest *digest, size_t *out_n)
{
    struct body_range *leaves = xcalloc((size_t) digest->n_parts + 1, sizeof(*leaves));
    uint64_t end = 0;
    size_t n = 0;

    for (uint32_t i = 0; i < digest->n_parts; i++) {
        struct digest_part part = digest_part(digest, i);

        if (part.first_child != DIGEST_NONE || part.body < end || part.end < part.body ||
            part.end - part.body < BODY_SHARE_MIN_BYTES)
            continue;
        leaves[n++] = (struct body_range){part.body, part.end - part.body};
        end = part.end;
    }
    *out_n = n;
    return leaves;
}

static void keep_digest(struct message *message)
{
    struct engine *engine = account_engine(message->account);
    struct slice table = message->digest.table;
    size_t core_len = digest_core_len(&message->digest), n_leaves = 0;
    AUTO(freep) struct body_range *leaves = find_leaves(&message->digest, &n_leaves);
    struct digest_bytes bytes = {.version = DIGEST_VERSION,
                                 .core = slice_sub(table, 0, core_len),
                                 .text = slice_from(table, core_len)};

    engine->ops->digest_put(engine, message->account->id, message->body_id, &bytes, leaves,
                            n_leaves);
}

static enum rc make_digest(struct message *message, struct err *err)
{
    AUTO(buf_done) struct buf bytes = {0};
    struct slice table;
    bool final;
    enum rc rc;

    buf_init(&bytes, (size_t) message->size + 1);
    rc = read_stored(message, 0, message->size, &bytes, err);
    if (rc)
        return rc;
    table = make_table(message->account, message->body_id, buf_slice(&bytes), arena_of(message),
                       &final);
    rc = digest_open(table, &message->digest, err);
    if (rc == RC_OK && final)
        keep_digest(message);
    return rc;
}

/* What is kept, if it is of this message, and with its text if that is wanted. */
static bool read_digest(struct message *message, bool with_text)
{
    struct engine *engine = account_engine(message->account);
    struct slice table;
    struct err stale;
    enum rc rc = engine->ops->digest_get(
        engine, message->account->id, message->body_id, DIGEST_VERSION,
        with_text ? DIGEST_GET_WHOLE : DIGEST_GET_CORE, arena_of(message), &table);

    if (rc == RC_OK)
        rc = digest_open_kept(table, &message->digest, &stale);
    message->has_digest = rc == RC_OK && message->digest.message_size == message->size &&
                          (!with_text || message->digest.has_text);
    message->has_text = with_text;
    return message->has_digest;
}

static const struct digest *shown_digest(const struct message *message)
{
    return message->has_substitute ? &message->shown : &message->digest;
}

static enum rc need_digest(struct message *message, bool with_text, struct err *err)
{
    enum rc rc = RC_OK;

    if (!read_digest(message, with_text)) {
        rc = make_digest(message, err);
        message->has_digest = rc == RC_OK;
        message->has_text = true;
    }
    find_substitute(message);
    return rc;
}

/* Messages of one account that have no digest yet, and their bytes. */
struct gathered {
    struct message *messages[DIGEST_GATHER_MAX];
    struct slice bytes[DIGEST_GATHER_MAX];
    size_t n;
};

/* What cannot be read is left out. Its bytes lie in arena. */
static void gather(struct gathered *gathered, struct message *message, struct arena *arena)
{
    AUTO(buf_done) struct buf bytes = {0};
    struct err err;

    if (message_digest_if_made(message) != NULL)
        return;
    buf_init(&bytes, (size_t) message->size + 1);
    if (read_stored(message, 0, message->size, &bytes, &err) != RC_OK)
        return;
    gathered->messages[gathered->n] = message;
    gathered->bytes[gathered->n++] = arena_dup(arena, buf_slice(&bytes));
}

void messages_make_digests(struct message *const *messages, size_t n, struct arena *arena)
{
    struct slice tables[DIGEST_GATHER_MAX];
    struct gathered gathered = {.n = 0};
    struct digester *digester;
    struct err err;

    for (size_t i = 0; i < MIN(n, (size_t) DIGEST_GATHER_MAX); i++)
        gather(&gathered, messages[i], arena);
    if (gathered.n == 0)
        return;
    digester = store_digester(messages[0]->account->store);
    if (digester->make(digester, messages[0]->account->id, gathered.bytes, gathered.n, arena,
                       tables, &err) != RC_OK)
        return;
    for (size_t i = 0; i < gathered.n; i++) {
        struct message *message = gathered.messages[i];

        message->has_digest =
            check_table(tables[i], gathered.bytes[i], &message->digest, &err) == RC_OK;
        message->has_text = message->has_digest;
        if (message->has_digest)
            keep_digest(message);
    }
}

const struct digest *message_digest_if_made(struct message *message)
{
    if (!message->has_digest && !read_digest(message, false))
        return NULL;
    find_substitute(message);
    return shown_digest(message);
}

enum rc message_digest(struct message *message, const struct digest **out, struct err *err)
{
    enum rc rc = message->has_digest ? RC_OK : need_digest(message, false, err);

    if (rc == RC_OK)
        *out = shown_digest(message);
    return rc;
}

enum rc message_digest_with_text(struct message *message, const struct digest **out,
                                 struct err *err)
{
    enum rc rc = RC_OK;

    if (!message->has_digest || !message->has_text) {
        message_drop_digest(message);
        rc = need_digest(message, true, err);
    }
    if (rc == RC_OK)
        *out = shown_digest(message);
    return rc;
}

static_assert(DIGEST_LEAD_BYTES >= DIGEST_LEAD_MAX_BYTES, "the preview is in the lead");

bool message_preview(struct message *message, struct slice *out)
{
    struct engine *engine = account_engine(message->account);
    struct slice lead;

    if (message->preview.ptr != NULL) {
        *out = message->preview;
        return true;
    }
    if (message->has_digest && message->digest.has_text) {
        *out = digest_preview(&message->digest);
        return true;
    }
    return engine->ops->digest_get(engine, message->account->id, message->body_id,
                                   DIGEST_VERSION, DIGEST_GET_LEAD, arena_of(message),
                                   &lead) == RC_OK &&
           digest_lead_preview(lead, out);
}

bool message_text_if_made(struct message *message, struct digest *out)
{
    struct engine *engine = account_engine(message->account);
    struct slice region;
    struct err stale;
    enum rc rc =
        engine->ops->digest_get(engine, message->account->id, message->body_id, DIGEST_VERSION,
                                DIGEST_GET_TEXT, arena_of(message), &region);

    return rc == RC_OK && region.len > 0 && digest_open_text(region, out, &stale) == RC_OK;
}

void message_drop_digest(struct message *message)
{
    arena_free(TAKE(message->arena));
    message->has_digest = message->has_text = message->has_substitute = false;
}

/* ---- the bytes ---- */

enum rc message_read(struct message *message, uint64_t offset, size_t len, struct buf *out,
                     struct err *err)
{
    enum rc rc =
        message->downgrades && !message->has_digest ? need_digest(message, false, err) : RC_OK;

    if (rc)
        return rc;
    return message->has_substitute ? read_substitute(message, offset, len, out, err)
                                   : read_stored(message, offset, len, out, err);
}

/* ---- a batch ---- */

struct digest_batch *digest_batch_new(struct account *account, bool with_previews)
{
    struct digest_batch *batch = xcalloc(1, sizeof(*batch));

    batch->account = account;
    batch->with_previews = with_previews;
    batch->arena = arena_new(DIGEST_BATCH_BYTES);
    return batch;
}

void digest_batch_free(struct digest_batch *batch)
{
    if (batch == NULL)
        return;
    arena_free(batch->arena);
    free(batch);
}

static void put_in_batch(void *ctx, size_t at, struct slice table)
{
    struct digest_batch *batch = ctx;
    char *room = arena_try(batch->arena, table.len);

    if (room == NULL)
        return;
    memcpy(room, table.ptr, table.len);
    batch->tables[batch->from + at] = slice_of(room, table.len);
}

/* Of what was read no more is kept than the preview. */
static void put_preview(void *ctx, size_t at, struct slice lead)
{
    struct digest_batch *batch = ctx;
    struct slice preview;
    char *room;

    if (!digest_lead_preview(lead, &preview))
        return;
    room = arena_try(batch->arena, preview.len + 1);
    if (room == NULL)
        return;
    if (preview.len > 0)
        memcpy(room, preview.ptr, preview.len);
    batch->previews[batch->from + at] = slice_of(room, preview.len);
}

void digest_batch_clear(struct digest_batch *batch)
{
    arena_reset(batch->arena);
    memset(batch->tables, 0, sizeof(batch->tables));
    memset(batch->previews, 0, sizeof(batch->previews));
}

void digest_batch_fill(struct digest_batch *batch, size_t from, const uint64_t *body_ids,
                       size_t n)
{
    struct engine *engine = account_engine(batch->account);
    struct digest_scan scan = {.account = batch->account->id,
                               .version = DIGEST_VERSION,
                               .wanted = DIGEST_GET_CORE,
                               .ids = body_ids,
                               .n = n,
                               .seen = put_in_batch,
                               .ctx = batch};

    digest_batch_clear(batch);
    batch->from = from;
    engine->ops->digest_scan(engine, &scan);
    if (!batch->with_previews)
        return;
    scan.wanted = DIGEST_GET_LEAD;
    scan.seen = put_preview;
    engine->ops->digest_scan(engine, &scan);
}

struct message *message_open_from(struct digest_batch *batch, size_t at, uint64_t body_id,
                                  uint32_t size)
{
    struct message *message = &batch->message;
    struct err stale;

    assert(!batch->is_lent);
    batch->is_lent = true;
    message->batch = batch;
    message->account = batch->account;
    message->body_id = body_id;
    message->size = size;
    message->body = NULL;
    message->arena = NULL;
    message->has_text = message->downgrades = message->has_substitute = false;
    message->has_digest =
        batch->tables[at].len > 0 &&
        digest_open_kept(batch->tables[at], &message->digest, &stale) == RC_OK &&
        message->digest.message_size == size;
    message->preview = message->has_digest ? batch->previews[at] : (struct slice){.ptr = NULL};
    return message;
}
