/*
 * parse_esearch.c - ESEARCH.
 *
 * Spec: RFC 7377 4. No scope option is defined, so each is BAD. Rules that depend on what is
 * selected are the handler's.
 */
#include "imap/search_program.h"

/* source-mbox [SP "(" scope-options ")"] ")", behind the first bracket */
static enum rc take_sources(struct imap_input *in, struct imap_esearch_args *esearch,
                            struct err *err)
{
    size_t most = slice_count(scan_rest(&in->sc), ' ') + 1;
    struct imap_mailbox_filter *filters =
        ARENA_ARRAY(in->arena, struct imap_mailbox_filter, MIN(most, ESEARCH_MAX_FILTERS));
    struct lex_names names = lex_names_new(in);

    do {
        enum rc rc;

        if (esearch->n == ESEARCH_MAX_FILTERS)
            return err_set(err, RC_LIMIT, "Too many filters of mailboxes",
                           "esearch: more than %u filters", ESEARCH_MAX_FILTERS);
        rc = lex_mailbox_filter(in, FILTER_IN_ESEARCH, &names, &filters[esearch->n], err);
        if (rc)
            return rc;
        esearch->n++;
    } while (lex_sp(in));
    esearch->filters = filters;
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "a space or \")\"");
}

/* ["IN" SP "(" ... ")" SP] */
static enum rc take_in(struct imap_input *in, struct imap_esearch_args *esearch,
                       struct err *err)
{
    enum rc rc;

    if (!lex_word(in, "IN"))
        return RC_OK;
    if (!lex_sp(in) || !lex_byte(in, '('))
        return lex_fail(in, err, "a space, \"(\" and which mailboxes");
    rc = take_sources(in, esearch, err);
    if (rc)
        return rc;
    return lex_sp(in) ? RC_OK : lex_fail(in, err, "a space and search keys");
}

enum rc imap_parse_esearch(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_esearch_args esearch = {0};
    enum rc rc;

    if (!lex_sp(in))
        return lex_fail(in, err, "a space and search keys");
    rc = take_in(in, &esearch, err);
    if (!rc)
        rc = search_take_return(in, &esearch.search, err);
    if (!rc)
        rc = search_take_program(in, &esearch.search, err);
    if (!rc)
        args->esearch = esearch;
    return rc;
}
