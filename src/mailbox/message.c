#include "mailbox/message.h"

#include "base/log.h"
#include "mailbox/open_account.h"

#define DIGEST_ARENA_BYTES (DIGEST_MAX_BYTES + BODY_MAX_BYTES)

struct message {
    struct account *account;
    uint64_t body_id;
    uint32_t size;
    struct body *body; /* opened at the first read */
    struct arena *arena;
    struct digest digest;
    bool has_digest;
};

struct message *message_open(struct account *account, uint64_t body_id, uint32_t size)
{
    struct message *message = xcalloc(1, sizeof(*message));

    message->account = account;
    message->body_id = body_id;
    message->size = size;
    message->arena = arena_new(DIGEST_ARENA_BYTES);
    return message;
}

void message_close(struct message *message)
{
    if (message == NULL)
        return;
    account_engine(message->account)->ops->body_close(message->body);
    arena_free(message->arena);
    free(message);
}

void message_closep(struct message **message)
{
    message_close(*message);
    *message = NULL;
}

uint64_t message_size(const struct message *message)
{
    return message->size;
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

enum rc message_read(struct message *message, uint64_t offset, size_t len, struct buf *out,
                     struct err *err)
{
    struct engine *engine = account_engine(message->account);
    enum rc rc = open_body(message, err);
    char *room;

    if (rc)
        return rc;
    if (offset > message->size || len > message->size - offset)
        return err_set(err, RC_CORRUPT, "The stored message is damaged",
                       "body %llu: range behind its end",
                       (unsigned long long) message->body_id);
    room = buf_reserve(out, len);
    if (room == NULL)
        return err_set(err, RC_LIMIT, "The answer would be too large",
                       "message_read: %zu bytes", len);
    rc = engine->ops->body_read(message->body, offset, room, len, err);
    if (rc == RC_OK)
        out->len += len;
    return rc;
}

/* ---- the digest ---- */

/* From the digest processes; opaque if they cannot. The table is checked against the message.
 */
static struct slice make_table(struct message *message, struct slice bytes)
{
    struct digester *digester = store_digester(message->account->store);
    struct arena_mark mark = arena_mark(message->arena);
    AUTO(buf_done) struct buf opaque = {0};
    struct digest digest;
    struct slice table;
    struct err err;
    enum rc rc =
        digester->make(digester, message->account->id, bytes, message->arena, &table, &err);

    if (rc == RC_OK)
        rc = digest_open(table, &digest, &err);
    if (rc == RC_OK)
        rc = digest_verify(&digest, bytes, &err);
    if (rc == RC_OK)
        return table;
    log_event(LEVEL_WARNING, "digest.opaque", LOG_ID("account", message->account->id),
              LOG_NUM("body", message->body_id), LOG_ERR(&err));
    arena_rewind(message->arena, mark);
    buf_init(&opaque, DIGEST_MAX_BYTES);
    digest_build_opaque(bytes, &opaque);
    return arena_dup(message->arena, buf_slice(&opaque));
}

static enum rc make_digest(struct message *message, struct err *err)
{
    struct engine *engine = account_engine(message->account);
    AUTO(buf_done) struct buf bytes;
    struct slice table;
    enum rc rc;

    buf_init(&bytes, (size_t) message->size + 1);
    rc = message_read(message, 0, message->size, &bytes, err);
    if (rc)
        return rc;
    table = make_table(message, buf_slice(&bytes));
    rc = digest_open(table, &message->digest, err);
    if (rc == RC_OK)
        engine->ops->digest_put(engine, message->account->id, message->body_id, DIGEST_VERSION,
                                table);
    return rc;
}

const struct digest *message_digest_if_made(struct message *message)
{
    struct engine *engine = account_engine(message->account);
    struct err stale;
    struct slice table;
    enum rc rc;

    if (!message->has_digest) {
        rc = engine->ops->digest_get(engine, message->account->id, message->body_id,
                                     DIGEST_VERSION, message->arena, &table);
        if (rc == RC_OK)
            rc = digest_open(table, &message->digest, &stale);
        message->has_digest = rc == RC_OK && message->digest.message_size == message->size;
    }
    return message->has_digest ? &message->digest : NULL;
}

enum rc message_digest(struct message *message, const struct digest **out, struct err *err)
{
    enum rc rc = RC_OK;

    if (message_digest_if_made(message) == NULL) {
        rc = make_digest(message, err);
        message->has_digest = rc == RC_OK;
    }
    if (rc == RC_OK)
        *out = &message->digest;
    return rc;
}

void message_drop_digest(struct message *message)
{
    arena_free(message->arena);
    message->arena = arena_new(DIGEST_ARENA_BYTES);
    message->has_digest = false;
}
