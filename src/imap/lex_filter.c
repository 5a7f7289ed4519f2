/*
 * lex_filter.c - which mailboxes a command means: filter-mailboxes.
 *
 * Spec: RFC 5465 6 and section 8 (NOTIFY), RFC 7377 2.2 and section 4 (ESEARCH).
 */
#include "imap/lex.h"

// clang-format off
static const struct {
    const char *name;
    enum imap_filter_kind kind;
    unsigned places; /* bits of enum lex_filter_place */
    bool has_names;
} filters[] = {
    {"SELECTED",         IMAP_FILTER_SELECTED,         FILTER_IN_NOTIFY | FILTER_IN_ESEARCH, false},
    {"SELECTED-DELAYED", IMAP_FILTER_SELECTED_DELAYED, FILTER_IN_NOTIFY,                     false},
    {"INBOXES",          IMAP_FILTER_INBOXES,          FILTER_IN_NOTIFY | FILTER_IN_ESEARCH, false},
    {"PERSONAL",         IMAP_FILTER_PERSONAL,         FILTER_IN_NOTIFY | FILTER_IN_ESEARCH, false},
    {"SUBSCRIBED",       IMAP_FILTER_SUBSCRIBED,       FILTER_IN_NOTIFY | FILTER_IN_ESEARCH, false},
    {"SUBTREE",          IMAP_FILTER_SUBTREE,          FILTER_IN_NOTIFY | FILTER_IN_ESEARCH, true},
    {"SUBTREE-ONE",      IMAP_FILTER_SUBTREE_ONE,      FILTER_IN_ESEARCH,                    true},
    {"MAILBOXES",        IMAP_FILTER_MAILBOXES,        FILTER_IN_NOTIFY | FILTER_IN_ESEARCH, true},
};
// clang-format on

struct lex_names lex_names_new(const struct imap_input *in)
{
    size_t most = slice_count(scan_rest(&in->sc), ' ') + 1;

    return (struct lex_names){
        .names = ARENA_ARRAY(in->arena, struct slice, MIN(most, FILTER_MAX_NAMES))};
}

static enum rc take_name(struct imap_input *in, struct lex_names *all,
                         struct imap_mailbox_filter *filter, struct err *err)
{
    struct imap_mailbox mailbox;
    struct err why;
    enum rc rc = lex_mailbox(in, &mailbox, &why);

    if (rc == RC_INVALID)
        return RC_OK;
    if (rc) {
        *err = why;
        return rc;
    }
    if (all->n == FILTER_MAX_NAMES)
        return err_set(err, RC_LIMIT, "Too many mailboxes are named; use SUBTREE or PERSONAL",
                       "filter: more than %u names", FILTER_MAX_NAMES);
    all->names[all->n++] = mailbox.name;
    filter->n_names++;
    return RC_OK;
}

/* SP (mailbox / "(" mailbox *(SP mailbox) ")") */
static enum rc take_names(struct imap_input *in, struct lex_names *all,
                          struct imap_mailbox_filter *filter, struct err *err)
{
    enum rc rc;

    filter->names = &all->names[all->n];
    if (!lex_sp(in))
        return lex_fail(in, err, "a space and a mailbox name");
    if (!lex_byte(in, '('))
        return take_name(in, all, filter, err);
    do {
        rc = take_name(in, all, filter, err);
        if (rc)
            return rc;
    } while (lex_sp(in));
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "a space or \")\"");
}

enum rc lex_mailbox_filter(struct imap_input *in, enum lex_filter_place place,
                           struct lex_names *all, struct imap_mailbox_filter *out,
                           struct err *err)
{
    for (size_t i = 0; i < COUNT(filters); i++) {
        struct imap_mailbox_filter filter = {.kind = filters[i].kind};
        enum rc rc = RC_OK;

        if ((filters[i].places & place) == 0 || !lex_word(in, filters[i].name))
            continue;
        if (filters[i].has_names)
            rc = take_names(in, all, &filter, err);
        if (!rc)
            *out = filter;
        return rc;
    }
    return lex_fail(in, err, "which mailboxes: SELECTED, PERSONAL, MAILBOXES ...");
}
