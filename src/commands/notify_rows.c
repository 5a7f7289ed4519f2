/*
 * notify_rows.c - which events are watched of which mailbox, and the rows of what was told.
 *
 * Spec: RFC 5465 6. Several groups may apply to one mailbox: their events add up. A group with
 * NONE says that of its mailboxes nothing is wished for: groups behind it do not apply to them.
 * SELECTED is no part of this.
 */
#include "commands/notify.h"

static bool has_name(const struct imap_notify_group *group, struct slice name)
{
    size_t low = 0, high = group->n_names;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = slice_cmp(group->names[middle], name);

        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* The name or one above it. */
static bool has_name_above(const struct imap_notify_group *group, struct slice name)
{
    for (size_t i = 1; i < name.len; i++)
        if (name.ptr[i] == MAILBOX_SEPARATOR && has_name(group, slice_sub(name, 0, i)))
            return true;
    return has_name(group, name);
}

static bool applies(const struct imap_notify_group *group, struct slice name, bool subscribed)
{
    switch (group->filter) {
    case IMAP_NOTIFY_SELECTED:
    case IMAP_NOTIFY_SELECTED_DELAYED:
        return false;
    case IMAP_NOTIFY_INBOXES: /* aliases deliver anywhere: RFC 5465 6.3 */
    case IMAP_NOTIFY_PERSONAL:
        return true;
    case IMAP_NOTIFY_SUBSCRIBED:
        return subscribed;
    case IMAP_NOTIFY_SUBTREE:
        return has_name_above(group, name);
    case IMAP_NOTIFY_MAILBOXES:
        return has_name(group, name);
    }
    return false;
}

uint32_t notify_events_of(const struct notify *notify, struct slice name, bool subscribed)
{
    uint32_t events = 0;

    for (size_t i = 0; i < notify->n_groups; i++) {
        const struct imap_notify_group *group = &notify->groups[i];

        if (!applies(group, name, subscribed))
            continue;
        if (group->events == 0)
            break;
        events |= group->events;
    }
    return events;
}

bool notify_keeps(const struct notify *notify, uint32_t events)
{
    return notify->by_names || events != 0;
}

const struct mbox *notify_visible(const struct notify_place *place,
                                  const struct acct_state *state, uint32_t id)
{
    const struct mbox *mbox = acct_mailbox_by_id(state, id);

    return mbox != NULL && session_allows(place->session, mbox_info(mbox)->name) ? mbox : NULL;
}

/* Position of the first row with an id >= this one. */
static size_t row_at(const struct notify_place *place, uint32_t id)
{
    size_t low = 0, high = place->n_rows;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (place->rows[middle].info->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct notify_row *notify_row_of(const struct notify_place *place, uint32_t id)
{
    size_t at = row_at(place, id);

    return at < place->n_rows && place->rows[at].info->id == id ? &place->rows[at] : NULL;
}

void notify_show_info(struct notify_row *row, const struct mbox *mbox)
{
    const struct mbox_info *old = row->info;

    row->is_renewed =
        row->is_renewed || (old != NULL && old->uidvalidity != mbox_info(mbox)->uidvalidity);
    row->info = mbox_info_hold(mbox);
    mbox_info_release(old);
}

void notify_show_counts(struct notify_row *row, const struct mbox *mbox)
{
    const struct mbox_counts *counts = mbox_counts(mbox);

    row->modseq = counts->highestmodseq;
    row->uidnext = counts->uidnext;
    row->messages = counts->messages;
    row->unseen = counts->unseen;
}

void notify_judge(const struct notify *notify, struct notify_row *row,
                  const struct acct_state *state)
{
    row->events = (uint16_t) notify_events_of(notify, row->info->name,
                                              acct_is_subscribed(state, row->info->name));
}

bool notify_add_row(struct notify *notify, struct notify_place *place,
                    const struct acct_state *state, const struct mbox *mbox)
{
    size_t at = row_at(place, mbox_info(mbox)->id);
    struct notify_row row = {0};

    if (place->n_rows == NOTIFY_ROWS_MAX)
        return false;
    if (place->n_rows == place->cap_rows) {
        place->cap_rows = MAX(place->cap_rows * 2, (size_t) 8);
        place->rows = xrealloc(place->rows, place->cap_rows * sizeof(row));
    }
    notify_show_info(&row, mbox);
    notify_show_counts(&row, mbox);
    notify_judge(notify, &row, state);
    memmove(&place->rows[at + 1], &place->rows[at], (place->n_rows - at) * sizeof(row));
    place->rows[at] = row;
    place->n_rows++;
    return true;
}

void notify_drop_row(struct notify_place *place, uint32_t id)
{
    size_t at = row_at(place, id);

    mbox_info_release(place->rows[at].info);
    place->n_rows--;
    memmove(&place->rows[at], &place->rows[at + 1],
            (place->n_rows - at) * sizeof(*place->rows));
}

enum rc notify_fill(struct notify *notify, struct notify_place *place,
                    const struct acct_state *state, struct err *err)
{
    size_t n = acct_mailbox_count(state);

    for (size_t i = 0; i < n; i++) {
        const struct mbox_info *info = mbox_info(acct_mailbox_by_id_at(state, i));
        const struct mbox *mbox = notify_visible(place, state, info->id);
        uint32_t events =
            notify_events_of(notify, info->name, acct_is_subscribed(state, info->name));

        if (mbox == NULL || !notify_keeps(notify, events))
            continue;
        if (!notify_add_row(notify, place, state, mbox))
            return err_set(err, RC_LIMIT, "Too many mailboxes to watch",
                           "notify: more than %u mailboxes", NOTIFY_ROWS_MAX);
    }
    return RC_OK;
}

void notify_mark(struct notify_place *place, struct notify_row *row)
{
    if (row->is_marked)
        return;
    if (place->n_marked == place->cap_marked) {
        place->cap_marked = MAX(place->cap_marked * 2, (size_t) 8);
        place->marked = xrealloc(place->marked, place->cap_marked * sizeof(*place->marked));
    }
    row->is_marked = true;
    place->marked[place->n_marked++] = row->info->id;
}
