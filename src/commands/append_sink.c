#include "commands/append_sink.h"

#include "commands/places.h"

/* For the arguments of one command of the longest line. */
#define APPEND_HEAD_ARENA_BYTES ((size_t) 64 << 20)

static const struct engine_ops *ops_of(const struct append_sink *sink)
{
    return mail_store_engine(account_store(sink->session->account))->ops;
}

void append_sink_init(struct append_sink *sink, struct session *session)
{
    *sink = (struct append_sink){.session = session};
}

void append_sink_reset(struct append_sink *sink)
{
    for (size_t i = 0; i < sink->n; i++)
        ops_of(sink)->stage_free(sink->stages[i]);
    free(sink->stages);
    sink->stages = NULL;
    sink->n = sink->cap = 0;
}

void append_sink_done(struct append_sink *sink)
{
    append_sink_reset(sink);
}

/* The account the messages go to, its room, and what is known already of a command that is not
 * complete. A mailbox name that does not parse is judged when it is. What a REPLACE takes away
 * is not known yet, so its message must fit into an account that holds nothing. */
static enum rc check_command(struct append_sink *sink, const struct imap_text *text,
                             struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(APPEND_HEAD_ARENA_BYTES);
    AUTO(found_mailbox_done) struct found_mailbox found = {0};
    struct session *session = sink->session;
    struct err ignored;
    struct imap_cmd cmd;
    bool replace;
    enum rc rc;

    sink->account = account_id(session->account);
    sink->has_room = false;
    if (session->rights == SESSION_READ_ONLY)
        return err_set(err, RC_DENIED, "This login may only read", "append: read-only");
    if (imap_parse_head(text, session->mode, arena, &cmd, &ignored) != RC_OK)
        return RC_OK;
    replace = slice_eq_nocase(cmd.name, SLICE("REPLACE"));
    if (imap_parse_args(&cmd, replace ? imap_parse_replace_target : imap_parse_append_target,
                        &ignored) != RC_OK)
        return RC_OK;
    rc = place_find(session, cmd.args.mailbox.mailbox.name, RIGHT_INSERT, &found, err);
    if (rc == RC_OK)
        rc = place_check_change(session, cmd.args.mailbox.mailbox.name, err);
    if (rc)
        return rc;
    sink->account = account_id(found.account);
    quota_room_of(account_store(found.account), found.state, replace, &sink->room);
    sink->has_room = true;
    sink->n_messages = sink->bytes = 0;
    return RC_OK;
}

/* A TEXT part may be empty (RFC 4469 section 5), a message may not. */
static bool is_text_part(const struct imap_text *text)
{
    struct slice before = text->text;

    before.len = slice_rfind(before, '{');
    if (slice_ends(before, SLICE("~")))
        before.len--;
    return before.len >= 5 &&
           slice_eq_nocase(slice_from(before, before.len - 5), SLICE("TEXT "));
}

/*
 * RFC 9208 4.3.1, RFC 7889 5: what cannot fit is refused before its bytes come, or are kept.
 * TEXT parts are parts of one message at least. The commit asks again, with what is there then.
 */
static enum rc check_room(struct append_sink *sink, const struct imap_text *text,
                          struct err *err)
{
    uint64_t len = text->literals[text->n_literals - 1].len;
    enum rc rc;

    sink->bytes += len;
    sink->n_messages += !is_text_part(text) || sink->n_messages == 0;
    if (!sink->has_room)
        return RC_OK;
    rc = quota_room_check(&sink->room, QUOTA_STORAGE, sink->bytes, err);
    if (rc == RC_OK)
        rc = quota_room_check(&sink->room, QUOTA_MESSAGES, sink->n_messages, err);
    if (rc)
        session_wait_for_newest(sink->session);
    return rc;
}

static void push_stage(struct append_sink *sink, struct body_stage *stage)
{
    if (sink->n == sink->cap) {
        sink->cap = MAX(sink->cap * 2, (size_t) 4);
        sink->stages = xrealloc(sink->stages, sink->cap * sizeof(struct body_stage *));
    }
    sink->stages[sink->n++] = stage;
}

static enum rc sink_begin(void *ctx, const struct imap_text *text, struct err *err)
{
    struct append_sink *sink = ctx;
    struct mail_store *store = account_store(sink->session->account);
    uint64_t len = text->literals[text->n_literals - 1].len;
    struct body_stage *stage;
    enum rc rc;

    if (len == 0 && !is_text_part(text)) /* RFC 3502 6.3.11: also the way to cancel */
        return err_set(err, RC_INVALID, "An empty message is not stored", "append: 0 octets");
    if (sink->n == APPEND_STAGES_MAX)
        return err_set(err, RC_LIMIT, "Too many messages in one APPEND", "append: %u literals",
                       APPEND_STAGES_MAX);
    if (sink->n == 0) { /* once: the later messages go to the same mailbox */
        rc = check_command(sink, text, err);
        if (rc)
            return rc;
    }
    rc = check_room(sink, text, err);
    if (rc)
        return rc;
    rc = ops_of(sink)->stage(mail_store_engine(store), sink->account, len, &stage, err);
    if (rc)
        return rc;
    push_stage(sink, stage);
    return RC_OK;
}

static enum rc sink_bytes(void *ctx, struct slice bytes, struct err *err)
{
    struct append_sink *sink = ctx;

    return ops_of(sink)->stage_write(sink->stages[sink->n - 1], bytes, err);
}

static void sink_abort(void *ctx)
{
    append_sink_reset(ctx);
}

const struct imap_sink append_sink_ops = {
    .begin = sink_begin, .bytes = sink_bytes, .abort = sink_abort};
