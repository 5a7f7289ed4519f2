/*
 * notify_rows.c - which events are watched of which mailbox, and the rows of what was told.
 *
 * Spec: RFC 5465 6. Several groups may apply to one mailbox: their events add up. A group with
 * NONE says that of its mailboxes nothing is wished for: groups behind it do not apply to them.
 * SELECTED is no part of this.
 */
#include "commands/mailbox_filter.h"
#include "commands/notify.h"

uint32_t notify_events_of(const struct notify *notify, struct slice name, bool subscribed)
{
    uint32_t events = 0;

    for (size_t i = 0; i < notify->n_groups; i++) {
        const struct imap_notify_group *group = &notify->groups[i];

        if (!mailbox_filter_means(&group->mailboxes, name, subscribed))
            continue;
        if (group->events == 0)
            break;
        events |= group->events;
    }
    return events;
}

uint32_t notify_events_below(const struct notify *notify, struct slice top,
                             const struct slice *subscribed, size_t n_subscribed)
{
    uint32_t events = 0;

    for (size_t i = 0; i < notify->n_groups; i++) {
        const struct imap_notify_group *group = &notify->groups[i];

        if (mailbox_filter_may_mean(&group->mailboxes, top, subscribed, n_subscribed))
            events |= group->events;
    }
    return events;
}

/* ---- what may be seen ---- */

static bool is_own(const struct notify_place *place)
{
    return place->top.len == 0;
}

struct slice notify_name(const struct notify_look *look, struct slice name)
{
    return is_own(look->place) ? name : place_below(look->place->top, name, look->arena);
}

void notify_reader(const struct notify_place *place, const struct mbox_info *info,
                   struct reader *out)
{
    account_reader(place->account, info, place->session->actor.account, out);
}

const struct mbox *notify_visible(const struct notify_look *look, uint32_t id)
{
    const struct mbox *mbox = acct_mailbox_by_id(look->state, id);
    struct reader reader;

    if (mbox == NULL || look->place->is_leaving)
        return NULL;
    notify_reader(look->place, mbox_info(mbox), &reader);
    if ((reader.rights & RIGHT_LOOKUP) == 0)
        return NULL;
    return session_allows(look->place->session, notify_name(look, mbox_info(mbox)->name))
               ? mbox
               : NULL;
}

static uint32_t events_of(const struct notify_look *look, const struct mbox_info *info)
{
    struct slice name = notify_name(look, info->name);

    return notify_events_of(look->notify, name, acct_is_subscribed(look->own, name));
}

/* Of what is renamed the old name is told, so rows of all are kept where names are watched. */
bool notify_keeps(const struct notify_look *look, const struct mbox_info *info)
{
    return look->notify->by_names || events_of(look, info) != 0;
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

struct notify_counts notify_count(const struct notify_look *look, const struct mbox *mbox)
{
    const struct mbox_counts *counts = mbox_counts(mbox);
    struct reader reader;

    notify_reader(look->place, mbox_info(mbox), &reader);
    if (reader_needs_messages(&reader, mbox))
        return (struct notify_counts){acct_modseq(look->state), counts->uidnext,
                                      counts->messages, NOTIFY_UNSEEN_UNKNOWN};
    return (struct notify_counts){reader_highestmodseq(&reader, mbox), counts->uidnext,
                                  counts->messages, reader_unseen(&reader, mbox)};
}

/* RFC 5465 5: "l" and "r" for what is more than a name. */
void notify_judge(const struct notify_look *look, struct notify_row *row)
{
    uint32_t events = events_of(look, row->info);
    struct reader reader;

    notify_reader(look->place, row->info, &reader);
    row->is_refused =
        (reader.rights & RIGHT_READ) == 0 && (events & NOTIFY_READING_EVENTS) != 0;
    row->events =
        (uint16_t) (row->is_refused ? events & ~(uint32_t) NOTIFY_READING_EVENTS : events);
}

bool notify_add_row(const struct notify_look *look, const struct mbox *mbox)
{
    struct notify_place *place = look->place;
    size_t at = row_at(place, mbox_info(mbox)->id);
    struct notify_row row = {.told = notify_count(look, mbox)};

    if (look->notify->n_rows == NOTIFY_ROWS_MAX)
        return false;
    if (place->n_rows == place->cap_rows) {
        place->cap_rows = MAX(place->cap_rows * 2, (size_t) 8);
        place->rows = xrealloc(place->rows, place->cap_rows * sizeof(row));
    }
    notify_show_info(&row, mbox);
    notify_judge(look, &row);
    memmove(&place->rows[at + 1], &place->rows[at], (place->n_rows - at) * sizeof(row));
    place->rows[at] = row;
    place->n_rows++;
    look->notify->n_rows++;
    return true;
}

void notify_drop_row(struct notify *notify, struct notify_place *place, uint32_t id)
{
    size_t at = row_at(place, id);

    mbox_info_release(place->rows[at].info);
    place->n_rows--;
    notify->n_rows--;
    memmove(&place->rows[at], &place->rows[at + 1],
            (place->n_rows - at) * sizeof(*place->rows));
}

enum rc notify_fill(const struct notify_look *look, struct err *err)
{
    size_t n = acct_mailbox_count(look->state);

    for (size_t i = 0; i < n; i++) {
        const struct mbox_info *info = mbox_info(acct_mailbox_by_id_at(look->state, i));
        const struct mbox *mbox = notify_visible(look, info->id);

        if (mbox == NULL || !notify_keeps(look, info))
            continue;
        if (!notify_add_row(look, mbox))
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
