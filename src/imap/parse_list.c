/*
 * parse_list.c - LIST, LSUB and XLIST.
 *
 * Spec: RFC 9051 6.3.9 and section 9 (list), RFC 5258, RFC 5819 (STATUS), RFC 9590
 * (METADATA), RFC 8440 (MYRIGHTS), RFC 6154 (SPECIAL-USE), RFC 3501 6.3.9 (LSUB). An option of
 * an extension is a row below.
 */
#include "imap/lex.h"

static const struct lex_option select_options[] = {
    {"SUBSCRIBED",     IMAP_LIST_SUBSCRIBED,     NULL},
    {"REMOTE",         IMAP_LIST_REMOTE,         NULL},
    {"RECURSIVEMATCH", IMAP_LIST_RECURSIVEMATCH, NULL},
    {"SPECIAL-USE",    IMAP_LIST_SPECIAL_USE,    NULL},
};

/* list-select-base-opt: what RECURSIVEMATCH can refer to (RFC 5258 section 6; SPECIAL-USE is
 * independent, RFC 6154 6). */
#define LIST_BASE_OPTIONS ((uint32_t) IMAP_LIST_SUBSCRIBED)

/* RFC 9051 6.3.9: an option that comes again counts once, as it came first. */
static enum rc take_return_status(struct imap_input *in, void *ctx, struct err *err)
{
    struct imap_list_args *list = ctx;
    uint32_t items = 0;
    enum rc rc = lex_status_items(in, &items, err);

    if (list->status_items == 0)
        list->status_items = items;
    return rc;
}

static enum rc take_return_metadata(struct imap_input *in, void *ctx, struct err *err)
{
    struct imap_list_args *list = ctx;
    struct imap_metadata_names names = {0};
    struct arena_mark before = arena_mark(in->arena);
    enum rc rc = lex_metadata_names(in, &names, err);

    if (list->metadata.n == 0)
        list->metadata = names;
    else
        arena_rewind(in->arena, before);
    return rc;
}

static const struct lex_option return_options[] = {
    {"SUBSCRIBED",  IMAP_RETURN_SUBSCRIBED,  NULL                },
    {"CHILDREN",    IMAP_RETURN_CHILDREN,    NULL                },
    {"SPECIAL-USE", IMAP_RETURN_SPECIAL_USE, NULL                },
    {"STATUS",      IMAP_RETURN_STATUS,      take_return_status  },
    {"METADATA",    IMAP_RETURN_METADATA,    take_return_metadata},
    {"MYRIGHTS",    IMAP_RETURN_MYRIGHTS,    NULL                },
};

static enum rc take_select_options(struct imap_input *in, struct imap_list_args *list,
                                   struct err *err)
{
    enum rc rc;

    if (scan_peek(&in->sc) != '(')
        return RC_OK;
    list->extended = true;
    rc = lex_options(in, select_options, COUNT(select_options), "a LIST selection option", list,
                     &list->select, err);
    if (rc)
        return rc;
    if ((list->select & IMAP_LIST_RECURSIVEMATCH) != 0 &&
        (list->select & LIST_BASE_OPTIONS) == 0)
        return lex_fail(in, err, "SUBSCRIBED with RECURSIVEMATCH before here");
    return lex_sp(in) ? RC_OK : lex_fail(in, err, "a space and a reference name");
}

/* RFC 9051 6.3.9: a pattern that is none of ours, and all of a reference that is none, are
 * ignored. */
static enum rc resolve(struct imap_input *in, struct slice wire, bool *out_ignored,
                       struct slice *out, struct err *err)
{
    struct err why;
    enum rc rc = imap_resolve_pattern(wire, in->mode, in->arena, out, &why);

    *out_ignored = rc == RC_INVALID;
    if (rc == RC_OK || *out_ignored)
        return RC_OK;
    *err = why;
    return rc;
}

/* The next one, if it is not ignored. */
static enum rc take_pattern(struct imap_input *in, struct slice *patterns, size_t *n,
                            struct err *err)
{
    struct slice wire;
    bool ignored = false;
    enum rc rc;

    if (!lex_list_mailbox(in, &wire))
        return lex_fail(in, err, "a mailbox pattern");
    rc = resolve(in, wire, &ignored, &patterns[*n], err);
    *n += !rc && !ignored;
    return rc;
}

/* patterns: "(" list-mailbox *(SP list-mailbox) ")" */
static enum rc take_patterns(struct imap_input *in, struct imap_list_args *list,
                             struct err *err)
{
    size_t max = MIN(slice_count(scan_rest(&in->sc), ' ') + 1, LIST_MAX_PATTERNS);
    struct slice *patterns = ARENA_ARRAY(in->arena, struct slice, max);
    enum rc rc;

    list->extended = true;
    do {
        if (list->n_patterns == max)
            return err_set(err, RC_LIMIT, "Too many patterns", "list: more than %u",
                           LIST_MAX_PATTERNS);
        rc = take_pattern(in, patterns, &list->n_patterns, err);
        if (rc)
            return rc;
    } while (lex_sp(in));
    list->patterns = patterns;
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "a space or \")\"");
}

static enum rc take_one_pattern(struct imap_input *in, struct imap_list_args *list,
                                struct err *err)
{
    struct slice *pattern = ARENA_NEW(in->arena, struct slice);

    list->patterns = pattern;
    return take_pattern(in, pattern, &list->n_patterns, err);
}

static enum rc take_reference(struct imap_input *in, struct imap_list_args *list,
                              bool *out_ignored, struct err *err)
{
    struct slice wire;

    if (!lex_astring(in, &wire))
        return lex_fail(in, err, "a reference name");
    return resolve(in, wire, out_ignored, &list->reference, err);
}

static enum rc take_return_options(struct imap_input *in, struct imap_list_args *list,
                                   struct err *err)
{
    if (!lex_sp(in))
        return RC_OK;
    list->extended = true;
    if (!lex_word(in, "RETURN") || !lex_sp(in))
        return lex_fail(in, err, "RETURN and its options");
    return lex_repeated_options(in, return_options, COUNT(return_options),
                                "a LIST return option", list, &list->returns, err);
}

enum rc imap_parse_list(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_list_args list = {0};
    bool ignored = false;
    enum rc rc;

    if (!lex_sp(in))
        return lex_fail(in, err, "a space and a reference name");
    rc = take_select_options(in, &list, err);
    if (rc)
        return rc;
    rc = take_reference(in, &list, &ignored, err);
    if (rc)
        return rc;
    if (!lex_sp(in))
        return lex_fail(in, err, "a space and a mailbox pattern");
    rc = lex_byte(in, '(') ? take_patterns(in, &list, err) : take_one_pattern(in, &list, err);
    if (rc)
        return rc;
    rc = take_return_options(in, &list, err);
    if (rc)
        return rc;
    if (ignored)
        list.n_patterns = 0;
    args->list = list;
    return RC_OK;
}

enum rc imap_parse_lsub(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_list_args list = {0};
    bool ignored = false;
    enum rc rc;

    if (!lex_sp(in))
        return lex_fail(in, err, "a space and a reference name");
    rc = take_reference(in, &list, &ignored, err);
    if (rc)
        return rc;
    if (!lex_sp(in))
        return lex_fail(in, err, "a space and a mailbox pattern");
    rc = take_one_pattern(in, &list, err);
    if (rc)
        return rc;
    if (ignored)
        list.n_patterns = 0;
    args->list = list;
    return RC_OK;
}
