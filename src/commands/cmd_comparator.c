/*
 * cmd_comparator.c - COMPARATOR: what SEARCH, SORT and THREAD compare texts by.
 *
 * Spec: RFC 5255 4.7 to 4.9; RFC 4790 3.2 (wildcards), 3.3 (the sign).
 */
#include "commands/cmd.h"
#include "mime/collator.h"
#include "mime/comparator.h"

static bool matches_any(const struct imap_comparator_args *args, unsigned number)
{
    for (size_t i = 0; i < args->n; i++)
        if (comparator_matches(number, args->orders[i].wild))
            return true;
    return false;
}

/* The first argument that anything matches wins, and of what matches it the most useful. */
static bool choose(const struct imap_comparator_args *args, struct session_comparator *out)
{
    for (size_t i = 0; i < args->n; i++)
        for (unsigned number = 0; number < comparator_count(); number++)
            if (comparator_matches(number, args->orders[i].wild)) {
                *out = (struct session_comparator){number, args->orders[i].reverse};
                return true;
            }
    return false;
}

/* Can it be had? */
static enum rc try(unsigned number, struct err *err)
{
    AUTO(collator_closep) struct collator *collator = NULL;

    return comparator_kind(number) == COMPARATOR_LANGUAGE
               ? collator_open(number, &collator, err)
               : RC_OK;
}

/* " (one two)", if there are two. */
static void say_matches(struct buf *out, const struct imap_comparator_args *args)
{
    unsigned n = 0;

    for (unsigned number = 0; number < comparator_count(); number++)
        n += matches_any(args, number);
    if (n < 2)
        return;
    buf_str(out, " (");
    for (unsigned number = 0; number < comparator_count(); number++) {
        if (!matches_any(args, number))
            continue;
        comparator_print(number, out);
        buf_byte(out, --n > 0 ? ' ' : ')');
    }
}

enum rc cmd_comparator(struct cmd *cmd, struct err *err)
{
    const struct imap_comparator_args *args = &cmd->args.comparator;
    struct session_comparator chosen = cmd->session->comparator;
    struct buf *out = cmd->reply->out;
    enum rc rc;

    if (args->n > 0 && !choose(args, &chosen)) {
        reply_code(cmd->reply, "BADCOMPARATOR");
        reply_no(cmd->reply, "No such comparator");
        return RC_OK;
    }
    rc = try(chosen.number, err);
    if (rc)
        return rc;
    cmd->session->comparator = chosen;
    buf_str(out, chosen.reverse ? "* COMPARATOR -" : "* COMPARATOR ");
    comparator_print(chosen.number, out);
    if (args->n > 0)
        say_matches(out, args);
    buf_str(out, "\r\n");
    reply_ok(cmd->reply, "COMPARATOR completed");
    return RC_OK;
}
