#include "commands/reply.h"

#include "imap/print.h"

/*
 * How a failure is answered: RFC 9051 7.1 for the words, RFC 5530 for the codes. A full disk is
 * a "temporary failure because a subsystem is down" (RFC 5530 3): nothing the user deletes need
 * help. OVERQUOTA is for the account's own limits (RFC 9208 4.3.1).
 */
static const struct {
    enum reply_status status;
    const char *code; /* NULL: none */
} answers[RC_COUNT] = {
    [RC_OK] = {REPLY_OK,  NULL           },
    [RC_MORE] = {REPLY_NO,  "SERVERBUG"    }, /* no handler lets it out */
    [RC_SYNTAX] = {REPLY_BAD, NULL           },
    [RC_INVALID] = {REPLY_NO,  "CANNOT"       },
    [RC_NOT_FOUND] = {REPLY_NO,  "NONEXISTENT"  },
    [RC_EXISTS] = {REPLY_NO,  "ALREADYEXISTS"},
    [RC_DENIED] = {REPLY_NO,  "NOPERM"       },
    [RC_LIMIT] = {REPLY_NO,  "LIMIT"        },
    [RC_CONFLICT] = {REPLY_NO,  "UNAVAILABLE"  }, /* after COMMAND_TRIES_MAX runs */
    [RC_CORRUPT] = {REPLY_NO,  "CORRUPTION"   },
    [RC_FULL] = {REPLY_NO,  "UNAVAILABLE"  },
    [RC_UNAVAILABLE] = {REPLY_NO,  "UNAVAILABLE"  },
    [RC_IO] = {REPLY_NO,  "UNAVAILABLE"  },
    [RC_QUOTA] = {REPLY_NO,  "OVERQUOTA"    },
    [RC_ELSEWHERE] = {REPLY_NO,  NULL           }, /* the code names the place: referral.h */
};

static const char *const words[] = {
    [REPLY_OK] = "OK ", [REPLY_NO] = "NO ", [REPLY_BAD] = "BAD "};

void reply_ok(struct reply *reply, const char *text)
{
    reply->status = REPLY_OK;
    reply->text = slice_from_str(text);
}

void reply_no(struct reply *reply, const char *text)
{
    reply->status = REPLY_NO;
    reply->text = slice_from_str(text);
}

void reply_code(struct reply *reply, const char *name)
{
    reply->code = slice_from_str(arena_printf(reply->arena, "[%s]", name));
}

void reply_code_text(struct reply *reply, struct slice code)
{
    reply->code = arena_dup(reply->arena, code);
}

void reply_error(struct reply *reply, const struct err *err)
{
    reply->status = answers[err->rc].status;
    if (reply->code.len == 0 && answers[err->rc].code != NULL)
        reply_code(reply, answers[err->rc].code);
    reply->text = arena_dup(reply->arena, slice_from_str(err->text));
}

void reply_tagged(struct reply *reply, struct slice tag)
{
    buf_append(reply->out, tag);
    buf_byte(reply->out, ' ');
    buf_str(reply->out, words[reply->status]);
    if (reply->code.len > 0) {
        buf_append(reply->out, reply->code);
        buf_byte(reply->out, ' ');
    }
    imap_print_text(reply->out, reply->text, reply->mode);
    buf_str(reply->out, "\r\n");
}

static void say_untagged(struct reply *reply, enum reply_status status, const char *code,
                         const char *text)
{
    buf_printf(reply->out, "* %s", words[status]);
    if (code != NULL)
        buf_printf(reply->out, "[%s] ", code);
    imap_print_text_line(reply->out, text, reply->mode);
}

void reply_untagged_ok(struct reply *reply, const char *code, const char *text)
{
    say_untagged(reply, REPLY_OK, code, text);
}

void reply_untagged_no(struct reply *reply, const char *code, const char *text)
{
    say_untagged(reply, REPLY_NO, code, text);
}
