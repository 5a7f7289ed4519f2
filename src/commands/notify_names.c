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
    const struct notify_look *look;
    const struct session *session;
    struct visible *visible;
    struct buf *out;
    struct slice *names; /* where something came or went; in the arena or in what rows hold */
    size_t n_names;
    size_t n_lines;
};

/* By the name that the session knows. */
static uint32_t watched_of(const struct telling *t, struct slice name)
{
    return notify_events_of(t->look->notify, name, acct_is_subscribed(t->look->own, name));
}

/* Is it seen, and what is watched of it may not be? */
static bool is_refused(const struct telling *t, struct slice name)
{
    return visible_find(t->visible, name) != NULL &&
           (visible_reader(t->visible, name).rights & RIGHT_READ) == 0 &&
           (watched_of(t, name) & NOTIFY_READING_EVENTS) != 0;
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
    if (acct_is_subscribed(t->look->own, name))
        line.attrs |= IMAP_ATTR_SUBSCRIBED;
    if (is_refused(t, name))
        line.attrs |= IMAP_ATTR_NOACCESS;
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
        mbox = acct_mailbox_by_name(t->look->state, above);
        row = mbox != NULL ? notify_row_of(t->look->place, mbox_info(mbox)->id) : NULL;
        if (row != NULL && slice_eq(row->info->name, slice_sub(old, 0, old.len - same)))
            return true;
    }
    return false;
}

/* Names as the account has them. */
static void say_renamed(struct telling *t, struct slice old, struct slice name)
{
    struct slice was = notify_name(t->look, old), is = notify_name(t->look, name);

    if (((watched_of(t, is) | watched_of(t, was)) & IMAP_NOTIFY_MAILBOX_NAME) != 0 &&
        !moved_along(t, old, name))
        say_name(t, is, was);
}

static void note_name(struct telling *t, struct slice name)
{
    if (name.len > 0 && (watched_of(t, name) & IMAP_NOTIFY_MAILBOX_NAME) != 0)
        t->names[t->n_names++] = name;
}

/* It is there, or it was: the name and the one above it are affected. */
static void note_names(struct telling *t, const struct mbox_info *info)
{
    struct slice name = notify_name(t->look, info->name);

    note_name(t, name);
    note_name(t, mailbox_name_parent(name));
}

static int by_name(const void *a, const void *b)
{
    const struct slice *x = a, *y = b;

    return slice_cmp(*x, *y);
}

/* What others call an INBOX is a name like any other, and stays: who hears that it was renamed
 * would take it for gone. */
static bool is_own(const struct telling *t)
{
    return t->look->place->top.len == 0;
}

/* Of ids: renamed ones are said, names where something came or went are noted. */
static void say_names(struct telling *t, const uint32_t *ids, size_t n)
{
    t->names = ARENA_ARRAY(t->look->arena, struct slice, 2 * n);
    for (size_t i = 0; i < n; i++) {
        const struct notify_row *row = notify_row_of(t->look->place, ids[i]);
        const struct mbox *mbox = notify_visible(t->look, ids[i]);

        if (row != NULL && mbox != NULL) {
            if (!slice_eq(row->info->name, mbox_info(mbox)->name))
                say_renamed(t, row->info->name, mbox_info(mbox)->name);
        } else if (row != NULL) {
            note_names(t, row->info);
        } else if (mbox != NULL && mbox_info(mbox)->was_inbox && is_own(t)) {
            say_renamed(t, SLICE("INBOX"), mbox_info(mbox)->name);
        } else if (mbox != NULL) {
            note_names(t, mbox_info(mbox));
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

/* Entries that the reader knows by a name (access.h); keys of other kinds have no "/" first. */
static struct text_list known_entries(struct telling *t, const struct mbox_info *info,
                                      struct text_list keys)
{
    struct slice *names = ARENA_ARRAY(t->look->arena, struct slice, keys.n);
    struct text_list known = {.texts = names};
    struct reader reader;

    notify_reader(t->look->place, info, &reader);
    for (size_t i = 0; i < keys.n; i++) {
        names[known.n] = reader_entry_of_key(&reader, keys.texts[i]);
        known.n += slice_starts(names[known.n], SLICE("/"));
    }
    return known;
}

static void say_mailbox_entries(struct telling *t, const struct mbox *mbox)
{
    static const struct mbox_info none = {0};
    const struct mbox_info *info = mbox_info(mbox);
    const struct notify_row *row = notify_row_of(t->look->place, info->id);
    struct text_list entries =
        mbox_info_metadata(row != NULL ? row->info : &none, info, t->look->arena);
    struct notify_row judged = {.info = info};

    if (entries.n == 0)
        return;
    notify_judge(t->look, &judged);
    if ((judged.events & IMAP_NOTIFY_MAILBOX_METADATA) == 0)
        return;
    entries = known_entries(t, info, entries);
    say_entries(t, notify_name(t->look, info->name), &entries);
}

/* ---- subscriptions ---- */

/* A group of subscribed mailboxes applies to a name before the one or behind the other. */
static void say_subscriptions(struct telling *t, const struct text_list *names)
{
    for (size_t i = 0; i < names->n; i++) {
        uint32_t events = notify_events_of(t->look->notify, names->texts[i], true) |
                          notify_events_of(t->look->notify, names->texts[i], false);

        if ((events & IMAP_NOTIFY_SUBSCRIPTION_CHANGE) != 0 &&
            session_allows(t->session, names->texts[i]))
            say_name(t, names->texts[i], SLICE(""));
    }
}

/* ---- rows ---- */

/* Of an empty mailbox the client knows all there is to know, of others it is told the counts.
 */
static void show_empty(struct notify_row *row)
{
    row->told = (struct notify_counts){.uidnext = 1};
}

static void say_access(struct telling *t, const struct notify_row *row, uint32_t attrs)
{
    const struct imap_list_line line = {
        .verb = "LIST", .name = notify_name(t->look, row->info->name), .attrs = attrs};

    imap_print_list_line(t->out, &line, t->session->mode);
    t->n_lines++;
}

/* RFC 5465 3.1 and 5.9: that events are refused is said when it begins, and when it ends. */
static void judge(struct telling *t, struct notify_row *row, bool was_refused)
{
    notify_judge(t->look, row);
    if (row->is_refused && !was_refused)
        say_access(t, row, IMAP_ATTR_NOACCESS);
    if (was_refused && !row->is_refused) {
        say_access(t, row, 0);
        show_empty(row);
    }
}

/* The row shows the mailbox, but for its counts. False: there are too many. */
static bool bring_up(struct telling *t, uint32_t id)
{
    const struct notify_look *look = t->look;
    const struct mbox *mbox = notify_visible(look, id);
    struct notify_row *row = notify_row_of(look->place, id);
    bool was_refused = row != NULL && row->is_refused;

    if (mbox == NULL || !notify_keeps(look, mbox_info(mbox))) {
        if (row != NULL)
            notify_drop_row(look->notify, look->place, id);
        return true;
    }
    if (row == NULL) {
        if (!notify_add_row(look, mbox))
            return false;
        row = notify_row_of(look->place, id);
        show_empty(row);
    }
    notify_show_info(row, mbox);
    judge(t, row, was_refused);
    if ((row->events & IMAP_NOTIFY_MESSAGE_EVENTS) != 0)
        notify_mark(look->place, row);
    return true;
}

void notify_say_no_access(const struct notify_look *look, const struct notify_row *row,
                          struct buf *out)
{
    struct telling t = {.look = look, .session = look->place->session, .out = out};

    say_access(&t, row, IMAP_ATTR_NOACCESS);
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

    if (!t->look->notify->by_subscription || names->n == 0)
        return ids;
    t->look->notify->is_stale = true; /* of others, it decides which accounts are followed */
    all = ARENA_ARRAY(t->look->arena, uint32_t, *n + names->n);
    if (*n > 0)
        memcpy(all, ids, *n * sizeof(*all));
    for (size_t i = 0; i < names->n; i++) {
        const struct mbox *mbox = acct_mailbox_by_name(t->look->state, names->texts[i]);

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

/* What the own account has besides mailboxes: subscriptions, and the server's entries. Returns
 * the subscribed names that changed. */
static struct text_list say_own_lists(struct telling *t)
{
    const struct notify_look *look = t->look;
    struct text_list names =
        acct_outline_subscriptions(look->place->outline, look->state, look->arena);
    struct text_list keys =
        acct_outline_metadata(look->place->outline, look->state, look->arena);
    static const struct mbox_info none = {0};
    struct text_list entries = known_entries(t, &none, keys);

    say_subscriptions(t, &names);
    if ((look->notify->wanted & IMAP_NOTIFY_SERVER_METADATA) != 0)
        say_entries(t, SLICE(""), &entries);
    acct_outline_free(look->place->outline);
    look->place->outline = acct_outline_new(look->state);
    return names;
}

bool notify_say_lists(const struct notify_look *look, struct visible *visible,
                      const uint32_t *ids, size_t n, struct buf *out)
{
    struct telling t = {
        .look = look, .session = look->place->session, .visible = visible, .out = out};

    if (look->notify->by_names)
        say_names(&t, ids, n);
    for (size_t i = 0; i < n; i++) {
        const struct mbox *mbox = notify_visible(look, ids[i]);

        if (mbox != NULL && (look->notify->wanted & IMAP_NOTIFY_MAILBOX_METADATA) != 0)
            say_mailbox_entries(&t, mbox);
    }
    if (look->place->outline != NULL) {
        struct text_list names = say_own_lists(&t);

        ids = with_subscribed(&t, ids, &n, &names);
    }
    for (size_t i = 0; i < n; i++)
        if (!bring_up(&t, ids[i]))
            return false;
    return t.n_lines <= NOTIFY_LINES_MAX;
}
