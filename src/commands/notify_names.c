/*
 * notify_names.c - LIST and METADATA answers of NOTIFY.
 *
 * Spec: RFC 5465 5.4 (MailboxName), 5.5 (SubscriptionChange), 5.6 and 5.7 (metadata).
 *
 * What is said is the difference between the rows and a version, however many commands of
 * others led from one to the other. Names are said in this order: those that were renamed, with
 * the name they had, but for those that were renamed with a mailbox above them; then, each
 * once, the names where a mailbox came or went, and the names right above these. What a line
 * says of a name is what is true of it in the version, so that order cannot mislead.
 */
#include "commands/list_line.h"
#include "commands/notify.h"
#include "mailbox/name.h"

struct telling {
    const struct session *session;
    struct notify *notify;
    struct notify_place *place;
    struct visible *visible;
    const struct acct_state *state; /* of the place, in visible */
    struct arena *arena;
    struct buf *out;
    struct slice *names; /* where something came or went; in arena or in what rows hold */
    size_t n_names;
    size_t n_lines;
};

static bool is_watched(const struct telling *t, struct slice name, enum imap_notify_event event)
{
    bool subscribed = acct_is_subscribed(t->state, name);

    return (notify_events_of(t->notify, name, subscribed) & event) != 0;
}

/* As it is now; RFC 5465 5.5: \Subscribed if and only if it is. */
static void say_name(struct telling *t, struct slice name, struct slice oldname)
{
    struct imap_list_line line;
    struct err err;

    /* A subscription to what is not one's own: nothing false is said where it cannot be seen.
     */
    if (!name_is_own(name) && visible_need_all(t->visible, &err) != RC_OK)
        return;
    list_line_fill(t->visible, name, &line);
    if (acct_is_subscribed(t->state, name))
        line.attrs |= IMAP_ATTR_SUBSCRIBED;
    line.oldname = oldname;
    imap_print_list_line(t->out, &line, t->session->mode);
    t->n_lines++;
}

/* ---- names ---- */

/* Was the mailbox renamed because one above it was? Then one above its name has a row that
 * shows how it was called: all of the two names behind that is the same. */
static bool moved_along(const struct telling *t, struct slice old, struct slice name)
{
    size_t same = 0;

    while (same < old.len && same < name.len) {
        size_t at = name.len - 1 - same;
        struct slice above = slice_sub(name, 0, at);
        const struct notify_row *row;
        const struct mbox *mbox;

        if (name.ptr[at] != old.ptr[old.len - 1 - same])
            return false;
        same++;
        if (name.ptr[at] != MAILBOX_SEPARATOR)
            continue;
        mbox = acct_mailbox_by_name(t->state, above);
        row = mbox != NULL ? notify_row_of(t->place, mbox_info(mbox)->id) : NULL;
        if (row != NULL && slice_eq(row->info->name, slice_sub(old, 0, old.len - same)))
            return true;
    }
    return false;
}

static void say_renamed(struct telling *t, struct slice old, struct slice name)
{
    if (is_watched(t, name, IMAP_NOTIFY_MAILBOX_NAME) ||
        is_watched(t, old, IMAP_NOTIFY_MAILBOX_NAME))
        if (!moved_along(t, old, name))
            say_name(t, name, old);
}

static void note_name(struct telling *t, struct slice name)
{
    if (name.len > 0 && is_watched(t, name, IMAP_NOTIFY_MAILBOX_NAME))
        t->names[t->n_names++] = name;
}

static int by_name(const void *a, const void *b)
{
    const struct slice *x = a, *y = b;

    return slice_cmp(*x, *y);
}

/* Of ids: renamed ones are said, names where something came or went are noted. */
static void say_names(struct telling *t, const uint32_t *ids, size_t n)
{
    t->names = ARENA_ARRAY(t->arena, struct slice, 2 * n);
    for (size_t i = 0; i < n; i++) {
        const struct notify_row *row = notify_row_of(t->place, ids[i]);
        const struct mbox *mbox = notify_visible(t->place, t->state, ids[i]);

        if (row != NULL && mbox != NULL) {
            if (!slice_eq(row->info->name, mbox_info(mbox)->name))
                say_renamed(t, row->info->name, mbox_info(mbox)->name);
        } else if (row != NULL || mbox != NULL) {
            struct slice name = row != NULL ? row->info->name : mbox_info(mbox)->name;

            note_name(t, name);
            note_name(t, mailbox_name_parent(name));
        }
    }
    if (t->n_names > 0)
        qsort(t->names, t->n_names, sizeof(*t->names), by_name);
    for (size_t i = 0; i < t->n_names; i++)
        if (i == 0 || !slice_eq(t->names[i], t->names[i - 1]))
            say_name(t, t->names[i], SLICE(""));
}

/* ---- entries ---- */

/* RFC 5464 4.4.2: the names of the entries only. name empty: the server's. */
static void say_entries(struct telling *t, struct slice name, const struct text_list *entries)
{
    if (entries->n == 0)
        return;
    buf_str(t->out, "* METADATA ");
    if (name.len == 0)
        buf_str(t->out, "\"\"");
    else
        imap_print_mailbox(t->out, name, t->session->mode);
    for (size_t i = 0; i < entries->n; i++) {
        buf_byte(t->out, ' ');
        imap_print_astring(t->out, entries->texts[i], t->session->mode);
    }
    buf_str(t->out, "\r\n");
    t->n_lines++;
}

static void say_mailbox_entries(struct telling *t, const struct notify_row *row,
                                const struct mbox *mbox)
{
    static const struct mbox_info none = {0};
    struct text_list entries =
        mbox_info_metadata(row != NULL ? row->info : &none, mbox_info(mbox), t->arena);

    if (entries.n > 0 && is_watched(t, mbox_info(mbox)->name, IMAP_NOTIFY_MAILBOX_METADATA))
        say_entries(t, mbox_info(mbox)->name, &entries);
}

/* ---- subscriptions ---- */

/* A group of subscribed mailboxes applies to a name before the one or behind the other. */
static void say_subscriptions(struct telling *t, const struct text_list *names)
{
    for (size_t i = 0; i < names->n; i++) {
        uint32_t events = notify_events_of(t->notify, names->texts[i], true) |
                          notify_events_of(t->notify, names->texts[i], false);

        if ((events & IMAP_NOTIFY_SUBSCRIPTION_CHANGE) != 0 &&
            session_allows(t->session, names->texts[i]))
            say_name(t, names->texts[i], SLICE(""));
    }
}

/* ---- rows ---- */

/*
 * A mailbox that comes under watch after the command was given: of an empty one the client
 * knows all there is to know, of others it is told the counts.
 */
static bool add_row(struct telling *t, const struct mbox *mbox)
{
    uint32_t id = mbox_info(mbox)->id;
    struct notify_row *row;

    if (!notify_add_row(t->notify, t->place, t->state, mbox))
        return false;
    row = notify_row_of(t->place, id);
    row->uidnext = 1;
    row->messages = row->unseen = 0;
    return true;
}

/* The row shows the mailbox, but for its counts. False: there are too many. */
static bool bring_up(struct telling *t, uint32_t id)
{
    const struct mbox *mbox = notify_visible(t->place, t->state, id);
    struct notify_row *row = notify_row_of(t->place, id);
    bool subscribed, keep;

    if (mbox == NULL) {
        if (row != NULL)
            notify_drop_row(t->place, id);
        return true;
    }
    subscribed = acct_is_subscribed(t->state, mbox_info(mbox)->name);
    keep =
        notify_keeps(t->notify, notify_events_of(t->notify, mbox_info(mbox)->name, subscribed));
    if (!keep) {
        if (row != NULL)
            notify_drop_row(t->place, id);
        return true;
    }
    if (row == NULL && !add_row(t, mbox))
        return false;
    row = notify_row_of(t->place, id);
    notify_show_info(row, mbox);
    notify_judge(t->notify, row, t->state);
    if ((row->events & IMAP_NOTIFY_MESSAGE_EVENTS) != 0)
        notify_mark(t->place, row);
    return true;
}

static int by_number(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* ids, and the mailboxes whose subscription changed, where groups ask for that. */
static const uint32_t *with_subscribed(struct telling *t, const uint32_t *ids, size_t *n,
                                       const struct text_list *names)
{
    uint32_t *all;
    size_t total = *n, unique = 0;

    if (!t->notify->by_subscription || names->n == 0)
        return ids;
    all = ARENA_ARRAY(t->arena, uint32_t, *n + names->n);
    if (*n > 0)
        memcpy(all, ids, *n * sizeof(*all));
    for (size_t i = 0; i < names->n; i++) {
        const struct mbox *mbox = acct_mailbox_by_name(t->state, names->texts[i]);

        if (mbox != NULL)
            all[total++] = mbox_info(mbox)->id;
    }
    if (total > 0)
        qsort(all, total, sizeof(*all), by_number);
    for (size_t i = 0; i < total; i++)
        if (unique == 0 || all[i] != all[unique - 1])
            all[unique++] = all[i];
    *n = unique;
    return all;
}

bool notify_say_lists(struct session *session, struct notify_place *place,
                      struct visible *visible, const uint32_t *ids, size_t n,
                      struct arena *arena, struct buf *out)
{
    const struct acct_state *state = visible_own(visible);
    struct telling t = {.session = session,
                        .notify = session->notify,
                        .place = place,
                        .visible = visible,
                        .state = state,
                        .arena = arena,
                        .out = out};
    struct text_list names = acct_outline_subscriptions(place->outline, state, arena);
    struct text_list entries = acct_outline_metadata(place->outline, state, arena);

    if (t.notify->by_names)
        say_names(&t, ids, n);
    for (size_t i = 0; i < n; i++) {
        const struct mbox *mbox = notify_visible(place, state, ids[i]);

        if (mbox != NULL && (t.notify->wanted & IMAP_NOTIFY_MAILBOX_METADATA) != 0)
            say_mailbox_entries(&t, notify_row_of(place, ids[i]), mbox);
    }
    say_subscriptions(&t, &names);
    if ((t.notify->wanted & IMAP_NOTIFY_SERVER_METADATA) != 0)
        say_entries(&t, SLICE(""), &entries);
    ids = with_subscribed(&t, ids, &n, &names);
    for (size_t i = 0; i < n; i++)
        if (!bring_up(&t, ids[i]))
            return false;
    if (t.n_lines > NOTIFY_LINES_MAX)
        return false;
    acct_outline_free(place->outline);
    place->outline = acct_outline_new(state);
    return true;
}
