#include "commands/catenate.h"

#include "commands/url_part.h"

struct composing {
    struct cmd *cmd;
    struct composition *composition;
    struct engine *engine;
    uint64_t account;    /* the stages' */
    size_t next_literal; /* of cmd->stages */
    uint64_t url_bytes;  /* by URLs so far, in all messages */
    struct buf piece;
};

static enum rc refuse_url(struct cmd *cmd, struct slice url, struct err *err)
{
    AUTO(buf_done) struct buf code = {0};

    buf_init(&code, REPLY_MAX_BYTES);
    imap_print_code_badurl(&code, url);
    reply_code_text(cmd->reply, buf_slice(&code));
    return err_set(err, RC_INVALID, "The URL names nothing that can be catenated",
                   "catenate: bad URL");
}

static enum rc too_big(struct cmd *cmd, struct err *err)
{
    reply_code(cmd->reply, "TOOBIG");
    return err_set(err, RC_LIMIT, "The message would be too large", "catenate: over the limit");
}

/* Room for so many octets more in this message? */
static enum rc check_room(const struct composing *composing, const struct body_stage *to,
                          uint64_t more, struct err *err)
{
    uint64_t limit = composing->cmd->session->message_max_bytes;
    uint64_t there = composing->composition->ops->stage_length(to);

    return there > limit || more > limit - there ? too_big(composing->cmd, err) : RC_OK;
}

static enum rc copy_url(struct composing *composing, struct url_part *part,
                        struct body_stage *to, struct err *err)
{
    struct session *session = composing->cmd->session;
    enum rc rc = check_room(composing, to, part->place.len, err);

    if (rc)
        return rc;
    composing->url_bytes += part->place.len;
    if (composing->url_bytes / CATENATE_TOTAL_MESSAGES > session->message_max_bytes)
        return err_set(err, RC_LIMIT, "The URLs of one command name too much",
                       "catenate: %llu bytes", (unsigned long long) composing->url_bytes);
    while (rc == RC_OK && part->place.len > 0) {
        buf_reset(&composing->piece);
        rc = url_part_read(part, URL_READ_BYTES, &composing->piece, err);
        if (rc == RC_OK)
            rc =
                composing->composition->ops->stage_write(to, buf_slice(&composing->piece), err);
    }
    return rc;
}

/* RFC 4469 section 3: a message, or a part of one, of this server, without its name. */
static enum rc open_url(struct composing *composing, struct slice text, struct url_part *part,
                        struct err *err)
{
    struct cmd *cmd = composing->cmd;
    struct imap_url url;
    enum rc rc = imap_parse_url(text, cmd->arena, &url, err);

    if (!rc && (url.absolute || url.access != IMAP_URL_NO_ACCESS))
        rc = err_set(err, RC_INVALID, "Only URLs of this session can be catenated",
                     "catenate: absolute URL");
    if (!rc)
        rc = url_part_open(cmd->session, &url, false, part, err);
    if (rc == RC_SYNTAX || rc == RC_INVALID || rc == RC_NOT_FOUND || rc == RC_DENIED ||
        rc == RC_ELSEWHERE)
        rc = refuse_url(cmd, text, err);
    return rc;
}

static enum rc add_url(struct composing *composing, struct slice text, struct body_stage *to,
                       struct err *err)
{
    AUTO(url_part_done) struct url_part part = {0};
    enum rc rc = open_url(composing, text, &part, err);

    return rc ? rc : copy_url(composing, &part, to, err);
}

/* The command's literals come in the order of its parts. */
static enum rc next_literal(struct composing *composing, struct body_stage **out,
                            struct err *err)
{
    const struct cmd *cmd = composing->cmd;

    if (composing->next_literal == cmd->n_stages)
        return err_set(err, RC_SYNTAX, "Message literal expected", "append: %zu literals",
                       cmd->n_stages);
    *out = cmd->stages[composing->next_literal++];
    return RC_OK;
}

static enum rc add_text(struct composing *composing, struct body_stage *to, struct err *err)
{
    const struct engine_ops *ops = composing->composition->ops;
    struct body_stage *from;
    uint64_t at = 0, len;
    enum rc rc = next_literal(composing, &from, err);

    if (rc)
        return rc;
    len = ops->stage_length(from);
    rc = check_room(composing, to, len, err);
    while (rc == RC_OK && at < len) {
        size_t n = (size_t) MIN(len - at, CATENATE_READ_BYTES);

        buf_reset(&composing->piece);
        rc = ops->stage_read(from, at, buf_reserve(&composing->piece, n), n, err);
        composing->piece.len = n;
        if (rc == RC_OK)
            rc = ops->stage_write(to, buf_slice(&composing->piece), err);
        at += n;
    }
    return rc;
}

static enum rc compose(struct composing *composing, const struct imap_append_message *message,
                       size_t at, struct err *err)
{
    struct composition *composition = composing->composition;
    enum rc rc = composition->ops->stage(composing->engine, composing->account, 0,
                                         &composition->stages[at], err);

    if (rc)
        return rc;
    composition->is_own[at] = true;
    for (size_t i = 0; rc == RC_OK && i < message->n_parts; i++) {
        const struct imap_cat_part *part = &message->parts[i];

        rc = part->is_url ? add_url(composing, part->url, composition->stages[at], err)
                          : add_text(composing, composition->stages[at], err);
    }
    return rc;
}

static enum rc make_stage(struct composing *composing,
                          const struct imap_append_message *message, size_t at, struct err *err)
{
    struct composition *composition = composing->composition;
    enum rc rc = message->n_parts > 0 ? compose(composing, message, at, err)
                                      : next_literal(composing, &composition->stages[at], err);

    if (!rc && composition->ops->stage_length(composition->stages[at]) == 0)
        rc = err_set(err, RC_INVALID, "An empty message is not stored", "append: 0 octets");
    return rc;
}

enum rc composition_make(struct cmd *cmd, const struct imap_append_args *args, uint64_t account,
                         struct composition *out, struct err *err)
{
    struct engine *engine = mail_store_engine(account_store(cmd->session->account));
    struct composing composing = {
        .cmd = cmd, .composition = out, .engine = engine, .account = account};
    enum rc rc = RC_OK;

    *out = (struct composition){
        .ops = engine->ops,
        .stages = ARENA_ARRAY(cmd->arena, struct body_stage *, args->n),
        .is_own = ARENA_ARRAY(cmd->arena, bool, args->n),
        .n = args->n,
    };
    buf_init(&composing.piece, CATENATE_READ_BYTES);
    for (size_t i = 0; rc == RC_OK && i < args->n; i++)
        rc = make_stage(&composing, &args->messages[i], i, err);
    if (!rc && composing.next_literal != cmd->n_stages)
        rc = err_set(err, RC_SYNTAX, "A literal that is no message", "append: %zu of %zu used",
                     composing.next_literal, cmd->n_stages);
    buf_done(&composing.piece);
    return rc;
}

void composition_taken(struct cmd *cmd, struct composition *composition)
{
    size_t k = 0; /* literals come in the order of the messages */

    for (size_t i = 0; i < composition->n; i++) {
        while (!composition->is_own[i] && cmd->stages[k] != composition->stages[i])
            k++;
        if (!composition->is_own[i])
            cmd->stages[k] = NULL;
        composition->stages[i] = NULL;
    }
}

void composition_done(struct composition *composition)
{
    for (size_t i = 0; i < composition->n; i++)
        if (composition->is_own[i])
            composition->ops->stage_free(composition->stages[i]);
    composition->n = 0;
}
