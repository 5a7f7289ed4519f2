/*
 * parse_notify.c - NOTIFY.
 *
 * Spec: RFC 5465 8, and the rules of 5 and 6.1 that a command is BAD without: MessageNew and
 * MessageExpunge come together, FlagChange and AnnotationChange with them, one of SELECTED and
 * SELECTED-DELAYED at most, with message events only, and what to fetch with them only.
 *
 * An event that is not known is no syntax error (3.1): the command is taken as far as its
 * grammar goes and answered NO [BADEVENT]. A name that no mailbox can have is a name without a
 * mailbox, which is ignored.
 */
#include "imap/lex.h"

// clang-format off
static const struct {
    const char *name;
    uint32_t event;
} events[] = {
    {"MessageNew",            IMAP_NOTIFY_MESSAGE_NEW},
    {"MessageExpunge",        IMAP_NOTIFY_MESSAGE_EXPUNGE},
    {"FlagChange",            IMAP_NOTIFY_FLAG_CHANGE},
    {"AnnotationChange",      IMAP_NOTIFY_ANNOTATION_CHANGE},
    {"MailboxName",           IMAP_NOTIFY_MAILBOX_NAME},
    {"SubscriptionChange",    IMAP_NOTIFY_SUBSCRIPTION_CHANGE},
    {"MailboxMetadataChange", IMAP_NOTIFY_MAILBOX_METADATA},
    {"ServerMetadataChange",  IMAP_NOTIFY_SERVER_METADATA},
};
// clang-format on

const char *lex_notify_event_name(size_t at)
{
    return at < COUNT(events) ? events[at].name : NULL;
}

/* The command as it is read. All names of all groups share one array, all groups another. */
struct notify_reading {
    struct imap_notify_args *args;
    struct imap_notify_group *groups;
    struct lex_names names;
    bool has_selected, has_items;
};

static bool is_selected(const struct imap_notify_group *group)
{
    return group->mailboxes.kind == IMAP_FILTER_SELECTED ||
           group->mailboxes.kind == IMAP_FILTER_SELECTED_DELAYED;
}

/* ---- mailboxes ---- */

static enum rc take_filter(struct imap_input *in, struct notify_reading *all,
                           struct imap_notify_group *group, struct err *err)
{
    enum rc rc = lex_mailbox_filter(in, FILTER_IN_NOTIFY, &all->names, &group->mailboxes, err);

    if (rc || !is_selected(group))
        return rc;
    if (all->has_selected)
        return err_set(err, RC_SYNTAX, "SELECTED may stand once in a NOTIFY",
                       "notify: selected twice");
    all->has_selected = true;
    return RC_OK;
}

/* ---- events ---- */

/* [SP "(" fetch-att *(SP fetch-att) ")"] */
static enum rc take_items(struct imap_input *in, struct notify_reading *all,
                          struct imap_notify_group *group, struct err *err)
{
    struct scan before = in->sc;
    struct imap_fetch_args fetch;
    enum rc rc;

    if (!lex_sp(in) || scan_peek(&in->sc) != '(') {
        in->sc = before;
        return RC_OK;
    }
    if (!is_selected(group) || all->has_items)
        return lex_fail(in, err, "FETCH items once, and with SELECTED only, before here");
    rc = lex_fetch_list(in, &fetch, err);
    if (rc)
        return rc;
    all->has_items = true;
    group->items = fetch.items;
    group->n_items = fetch.n;
    group->kinds = fetch.kinds;
    return RC_OK;
}

static enum rc take_event(struct imap_input *in, struct notify_reading *all,
                          struct imap_notify_group *group, struct err *err)
{
    struct slice name;

    if (!lex_atom(in, &name))
        return lex_fail(in, err, "an event");
    for (size_t i = 0; i < COUNT(events); i++) {
        if (!slice_eq_nocase(name, slice_from_str(events[i].name)))
            continue;
        group->events |= events[i].event;
        return events[i].event == IMAP_NOTIFY_MESSAGE_NEW ? take_items(in, all, group, err)
                                                          : RC_OK;
    }
    all->args->unsupported = true;
    return RC_OK;
}

/* "(" event *(SP event) ")" / "NONE" */
static enum rc take_events(struct imap_input *in, struct notify_reading *all,
                           struct imap_notify_group *group, struct err *err)
{
    enum rc rc;

    if (lex_word(in, "NONE"))
        return RC_OK;
    if (!lex_byte(in, '('))
        return lex_fail(in, err, "\"(\" and events, or NONE");
    do {
        rc = take_event(in, all, group, err);
        if (rc)
            return rc;
    } while (lex_sp(in));
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "a space or \")\"");
}

/* What RFC 5465 5 and 6.1 forbid. */
static enum rc check_events(const struct imap_notify_group *group, struct err *err)
{
    const uint32_t both = IMAP_NOTIFY_MESSAGE_NEW | IMAP_NOTIFY_MESSAGE_EXPUNGE;

    if ((group->events & IMAP_NOTIFY_MESSAGE_EVENTS) != 0 && (group->events & both) != both)
        return err_set(err, RC_SYNTAX, "Message events need both MessageNew and MessageExpunge",
                       "notify: events %x", group->events);
    if (is_selected(group) && (group->events & ~IMAP_NOTIFY_MESSAGE_EVENTS) != 0)
        return err_set(err, RC_SYNTAX, "SELECTED takes message events only",
                       "notify: events %x of selected", group->events);
    return RC_OK;
}

/* event-group: "(" filter-mailboxes SP events ")" */
static enum rc take_group(struct imap_input *in, struct notify_reading *all, struct err *err)
{
    struct imap_notify_group group = {0};
    enum rc rc;

    if (all->args->n == NOTIFY_MAX_GROUPS)
        return err_set(err, RC_LIMIT, "Too many event groups", "notify: more than %u groups",
                       NOTIFY_MAX_GROUPS);
    if (!lex_byte(in, '('))
        return lex_fail(in, err, "\"(\" and an event group");
    rc = take_filter(in, all, &group, err);
    if (rc)
        return rc;
    if (!lex_sp(in))
        return lex_fail(in, err, "a space and events");
    rc = take_events(in, all, &group, err);
    if (rc)
        return rc;
    if (!lex_byte(in, ')'))
        return lex_fail(in, err, "\")\"");
    all->groups[all->args->n++] = group;
    return RC_OK;
}

static enum rc take_set(struct imap_input *in, struct imap_notify_args *notify, struct err *err)
{
    size_t most = slice_count(scan_rest(&in->sc), ' ') + 1;
    struct notify_reading all = {
        .args = notify,
        .groups =
            ARENA_ARRAY(in->arena, struct imap_notify_group, MIN(most, NOTIFY_MAX_GROUPS)),
        .names = lex_names_new(in),
    };
    enum rc rc;

    if (!lex_sp(in))
        return lex_fail(in, err, "a space and STATUS or an event group");
    notify->status = lex_word(in, "STATUS");
    if (notify->status && !lex_sp(in))
        return lex_fail(in, err, "a space and an event group");
    do {
        rc = take_group(in, &all, err);
        if (rc)
            return rc;
    } while (lex_sp(in));
    for (size_t i = 0; !notify->unsupported && i < notify->n; i++) {
        rc = check_events(&all.groups[i], err);
        if (rc)
            return rc;
    }
    notify->groups = all.groups;
    return RC_OK;
}

enum rc imap_parse_notify(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_notify_args notify = {0};
    enum rc rc = RC_OK;

    if (!lex_sp(in))
        return lex_fail(in, err, "a space and SET or NONE");
    notify.set = lex_word(in, "SET");
    if (notify.set)
        rc = take_set(in, &notify, err);
    else if (!lex_word(in, "NONE"))
        return lex_fail(in, err, "SET or NONE");
    if (rc)
        return rc;
    args->notify = notify;
    return RC_OK;
}
