/*
 * parse_append.c - APPEND of one message or several, REPLACE.
 *
 * Spec: RFC 9051 6.3.12, RFC 3502 (MULTIAPPEND), RFC 3516 4.4 (literal8), RFC 4469 5
 * (CATENATE), RFC 6855 4 (UTF8 (~{...}), which clients of the time before RFC 9755 send), RFC
 * 8508 (REPLACE). A data extension (RFC 4466 append-data-ext) is a row below.
 */
#include "imap/lex.h"

typedef enum rc append_data_fn(struct imap_input *in, struct imap_append_message *message,
                               struct err *err);

/* What grows while a command is read. */
static void *grown(struct arena *arena, const void *items, size_t n, size_t *cap, size_t size)
{
    void *more;

    if (n < *cap)
        return NULL;
    *cap = MAX(*cap * 2, (size_t) 4);
    more = arena_calloc(arena, *cap, size);
    if (n > 0)
        memcpy(more, items, n * size);
    return more;
}

static enum rc take_message_literal(struct imap_input *in, struct imap_append_message *message,
                                    struct err *err)
{
    struct lex_literal lit;

    if (!lex_literal(in, &lit))
        return lex_fail(in, err, "a message literal");
    message->literal = lit.index;
    message->len = lit.len;
    message->binary = lit.binary;
    return RC_OK;
}

/* "UTF8" SP "(" literal8 ")": RFC 6855 section 4. */
static enum rc take_utf8(struct imap_input *in, struct imap_append_message *message,
                         struct err *err)
{
    enum rc rc;

    if (!lex_sp(in) || !lex_byte(in, '(') || scan_peek(&in->sc) != '~')
        return lex_fail(in, err, "(~{...}) behind UTF8");
    rc = take_message_literal(in, message, err);
    if (rc)
        return rc;
    message->utf8 = true;
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "\")\" behind the literal");
}

/* text-literal, utf8-literal or url: RFC 4469 section 5, RFC 6855 section 4. */
static enum rc take_cat_part(struct imap_input *in, struct imap_cat_part *out, struct err *err)
{
    struct imap_append_message literal = {0};
    struct imap_cat_part part = {0};
    enum rc rc;

    if (lex_word(in, "URL")) {
        part.is_url = true;
        if (!lex_sp(in) || !lex_astring(in, &part.url))
            return lex_fail(in, err, "a space and an URL");
        *out = part;
        return RC_OK;
    }
    if (lex_word(in, "UTF8"))
        rc = take_utf8(in, &literal, err);
    else if (lex_word(in, "TEXT") && lex_sp(in))
        rc = take_message_literal(in, &literal, err);
    else
        rc = lex_fail(in, err, "URL or TEXT");
    if (rc)
        return rc;
    part.literal = literal.literal;
    part.len = literal.len;
    *out = part;
    return RC_OK;
}

/* "CATENATE" SP "(" cat-part *(SP cat-part) ")" */
static enum rc take_catenate(struct imap_input *in, struct imap_append_message *message,
                             struct err *err)
{
    struct imap_cat_part *parts = NULL, *more;
    size_t n = 0, cap = 0;
    enum rc rc;

    if (!lex_sp(in) || !lex_byte(in, '('))
        return lex_fail(in, err, "a space and \"(\" behind CATENATE");
    do {
        if (n == CATENATE_MAX_PARTS)
            return err_set(err, RC_LIMIT, "Too many parts", "catenate: more than %u",
                           CATENATE_MAX_PARTS);
        more = grown(in->arena, parts, n, &cap, sizeof(*parts));
        parts = more != NULL ? more : parts;
        rc = take_cat_part(in, &parts[n++], err);
        if (rc)
            return rc;
    } while (lex_sp(in));
    message->parts = parts;
    message->n_parts = n;
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "a space or \")\"");
}

static const struct {
    const char *label;
    append_data_fn *take;
} append_data[] = {
    {"UTF8",     take_utf8    },
    {"CATENATE", take_catenate},
};

static enum rc take_append_data(struct imap_input *in, struct imap_append_message *message,
                                struct err *err)
{
    for (size_t i = 0; i < COUNT(append_data); i++)
        if (lex_word(in, append_data[i].label))
            return append_data[i].take(in, message, err);
    return take_message_literal(in, message, err);
}

/* append-message: [SP flag-list] [SP date-time] [SP att-annotate] SP append-data */
static enum rc take_message(struct imap_input *in, struct imap_append_message *out,
                            struct err *err)
{
    struct imap_append_message message = {0};
    enum rc rc;

    if (!lex_sp(in))
        return lex_fail(in, err, "a space and a message");
    if (scan_peek(&in->sc) == '(') {
        rc = lex_flag_list(in, &message.flags, err);
        if (rc)
            return rc;
        if (!lex_sp(in))
            return lex_fail(in, err, "a space and a message");
    }
    if (scan_peek(&in->sc) == '"') {
        if (!lex_date_time(in, &message.date))
            return lex_fail(in, err, "a date-time");
        message.has_date = true;
        if (!lex_sp(in))
            return lex_fail(in, err, "a space and a message");
    }
    if (lex_word(in, "ANNOTATION")) { /* RFC 5257 4.7 */
        rc = lex_sp(in) ? lex_annotations(in, &message.annotations, err)
                        : lex_fail(in, err, "a space and annotations");
        if (rc)
            return rc;
        if (!lex_sp(in))
            return lex_fail(in, err, "a space and a message");
    }
    rc = take_append_data(in, &message, err);
    if (rc)
        return rc;
    *out = message;
    return RC_OK;
}

/* SP mailbox 1*append-message, at most `most`. */
static enum rc take_append(struct imap_input *in, size_t most, struct imap_append_args *out,
                           struct err *err)
{
    struct imap_append_message *messages = NULL, *more;
    struct imap_append_args append = {0};
    size_t cap = 0;
    enum rc rc;

    if (!lex_sp(in))
        return lex_fail(in, err, "a space and a mailbox name");
    rc = lex_mailbox(in, &append.mailbox, err);
    if (rc)
        return rc;
    do {
        if (append.n == most && most == 1)
            return lex_fail(in, err, "the end of the command");
        if (append.n == most)
            return err_set(err, RC_LIMIT, "Too many messages in one APPEND",
                           "append: more than %zu messages", most);
        more = grown(in->arena, messages, append.n, &cap, sizeof(*messages));
        messages = more != NULL ? more : messages;
        rc = take_message(in, &messages[append.n++], err);
        if (rc)
            return rc;
    } while (scan_peek(&in->sc) == ' ');
    append.messages = messages;
    *out = append;
    return RC_OK;
}

enum rc imap_parse_append(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_append_args append;
    enum rc rc = take_append(in, APPEND_MESSAGES_MAX, &append, err);

    if (!rc)
        args->append = append;
    return rc;
}

/* The SP and set of a REPLACE: the number of one message. */
static enum rc take_replaced(struct imap_input *in, struct imap_set *out, struct err *err)
{
    const struct seq_range *one;
    struct imap_set set;
    enum rc rc;

    if (!lex_sp(in))
        return lex_fail(in, err, "a space and a number");
    rc = lex_set(in, &set, err);
    if (rc)
        return rc;
    one = set.set.ranges;
    if (set.saved || set.set.n != 1 || one->first != one->last)
        return lex_fail(in, err, "one number before here");
    *out = set;
    return RC_OK;
}

/* RFC 8508 section 5: SP (seq-number / uniqueid) SP mailbox append-message */
enum rc imap_parse_replace(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_replace_args replace;
    enum rc rc = take_replaced(in, &replace.set, err);

    if (!rc)
        rc = take_append(in, 1, &replace.append, err);
    if (!rc)
        args->replace = replace;
    return rc;
}

enum rc imap_parse_append_target(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_mailbox mailbox;
    struct slice rest;
    enum rc rc;

    if (!lex_sp(in))
        return lex_fail(in, err, "a space and a mailbox name");
    rc = lex_mailbox(in, &mailbox, err);
    if (rc)
        return rc;
    (void) scan_take(&in->sc, scan_left(&in->sc), &rest);
    args->mailbox.mailbox = mailbox;
    return RC_OK;
}

enum rc imap_parse_replace_target(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_set set;
    enum rc rc = take_replaced(in, &set, err);

    return rc ? rc : imap_parse_append_target(in, args, err);
}
