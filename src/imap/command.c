#include "imap/command.h"

#include "base/ascii.h"
#include "imap/lex.h"

static bool is_tag_char(char c)
{
    return c != '+' && lex_is_astring_char(c);
}

struct slice imap_command_tag(struct slice text)
{
    struct scan sc = scan_of(text);
    struct slice tag = scan_while(&sc, is_tag_char);

    return scan_peek(&sc) == ' ' ? tag : slice_sub(text, 0, 0);
}

enum rc imap_parse_head(const struct imap_text *text, struct imap_mode mode,
                        struct arena *arena, struct imap_cmd *out, struct err *err)
{
    struct imap_cmd cmd = {
        .in = {.sc = scan_of(text->text),
               .literals = text->literals,
               .n_literals = text->n_literals,
               .mode = mode,
               .arena = arena},
    };
    struct scan after_uid;

    cmd.tag = scan_while(&cmd.in.sc, is_tag_char);
    if (cmd.tag.len == 0)
        return lex_fail(&cmd.in, err, "a tag");
    if (!lex_sp(&cmd.in))
        return lex_fail(&cmd.in, err, "a space behind the tag");
    if (!lex_atom(&cmd.in, &cmd.name))
        return lex_fail(&cmd.in, err, "a command");
    after_uid = cmd.in.sc;
    if (slice_eq_nocase(cmd.name, SLICE("UID"))) {
        if (!scan_byte(&after_uid, ' '))
            return lex_fail(&cmd.in, err, "a space behind UID");
        cmd.in.sc = after_uid;
        if (!lex_atom(&cmd.in, &cmd.name))
            return lex_fail(&cmd.in, err, "a command behind UID");
        cmd.uid = cmd.in.uid = true;
    }
    *out = cmd;
    return RC_OK;
}

enum rc imap_parse_args(struct imap_cmd *cmd, imap_parse_fn *parse, struct err *err)
{
    struct imap_input in = cmd->in;
    union imap_args args = {0};
    enum rc rc = parse(&in, &args, err);

    if (rc)
        return rc;
    if (!scan_done(&in.sc))
        return lex_fail(&in, err, "the end of the command");
    cmd->in = in;
    cmd->args = args;
    return RC_OK;
}

enum rc imap_parse_none(struct imap_input *in, union imap_args *args, struct err *err)
{
    (void) args;
    return scan_done(&in->sc) ? RC_OK : lex_fail(in, err, "the end of the command");
}
