#include "commands/notify.h"

#include "imap/print.h"

#define NOTIFY_SCRATCH_BYTES ((size_t) 256 << 20)

/* ---- what was asked for, kept ---- */

static struct slice keep_text(struct arena *arena, struct slice text)
{
    return text.len > 0 ? arena_dup(arena, text) : SLICE("");
}

static int by_bytes(const void *a, const void *b)
{
    const struct slice *x = a, *y = b;

    return slice_cmp(*x, *y);
}

/* Sorted, to be looked up. */
static const struct slice *keep_names(struct arena *arena, const struct slice *names, size_t n)
{
    struct slice *kept = ARENA_ARRAY(arena, struct slice, n);

    for (size_t i = 0; i < n; i++)
        kept[i] = keep_text(arena, names[i]);
    if (n > 0)
        qsort(kept, n, sizeof(*kept), by_bytes);
    return kept;
}

static void keep_section(struct arena *arena, struct imap_section *section)
{
    struct slice *fields = ARENA_ARRAY(arena, struct slice, section->n_fields);
    uint32_t *parts = ARENA_ARRAY(arena, uint32_t, section->n_parts);

    for (size_t i = 0; i < section->n_fields; i++)
        fields[i] = keep_text(arena, section->fields[i]);
    if (section->n_parts > 0)
        memcpy(parts, section->parts, section->n_parts * sizeof(*parts));
    section->fields = fields;
    section->parts = parts;
}

static void keep_items(struct notify *notify, const struct imap_notify_group *group)
{
    struct imap_fetch_item *items =
        ARENA_ARRAY(notify->arena, struct imap_fetch_item, group->n_items);

    for (size_t i = 0; i < group->n_items; i++) {
        items[i] = group->items[i];
        keep_section(notify->arena, &items[i].section);
    }
    notify->fetch =
        (struct imap_fetch_args){.items = items, .n = group->n_items, .kinds = group->kinds};
}

static void keep_selected(struct notify *notify, const struct imap_notify_group *group)
{
    notify->delayed = group->filter == IMAP_NOTIFY_SELECTED_DELAYED;
    if ((group->events & IMAP_NOTIFY_MESSAGE_NEW) != 0)
        notify->selected_tell = VIEW_TELL_NEW | VIEW_TELL_EXPUNGES;
    if ((group->events & IMAP_NOTIFY_FLAG_CHANGE) != 0)
        notify->selected_tell |= VIEW_TELL_FLAGS;
    if (group->n_items > 0)
        keep_items(notify, group);
}

static void keep_group(struct notify *notify, struct imap_notify_group *kept,
                       const struct imap_notify_group *group)
{
    *kept = (struct imap_notify_group){
        .filter = group->filter,
        .names = keep_names(notify->arena, group->names, group->n_names),
        .n_names = group->n_names,
        .events = group->events,
    };
    if (group->filter == IMAP_NOTIFY_SELECTED ||
        group->filter == IMAP_NOTIFY_SELECTED_DELAYED) {
        keep_selected(notify, group);
        return;
    }
    notify->wanted |= group->events;
    notify->by_subscription =
        notify->by_subscription || group->filter == IMAP_NOTIFY_SUBSCRIBED;
}

static struct notify *keep_groups(const struct imap_notify_args *args)
{
    struct notify *notify = xcalloc(1, sizeof(*notify));
    struct imap_notify_group *groups;

    notify->arena = arena_new(NOTIFY_ARENA_BYTES);
    groups = ARENA_ARRAY(notify->arena, struct imap_notify_group, args->n);
    for (size_t i = 0; i < args->n; i++)
        keep_group(notify, &groups[i], &args->groups[i]);
    notify->groups = groups;
    notify->n_groups = args->n;
    notify->by_names = (notify->wanted & IMAP_NOTIFY_MAILBOX_NAME) != 0;
    return notify;
}

/* ---- start and end ---- */

static void place_done(struct notify_place *place)
{
    account_unfollow(place->account, &place->follower);
    acct_outline_free(place->outline);
    for (size_t i = 0; i < place->n_rows; i++)
        mbox_info_release(place->rows[i].info);
    free(place->rows);
    free(place->marked);
}

void notify_free(struct notify *notify)
{
    if (notify == NULL)
        return;
    if (notify->selected_in != NULL)
        account_unfollow(notify->selected_in, &notify->selected_follower);
    for (size_t i = 0; i < notify->n_places; i++)
        place_done(&notify->places[i]);
    free(notify->places);
    arena_free(notify->arena);
    free(notify);
}

static void notify_freep(struct notify **notify)
{
    notify_free(*notify);
    *notify = NULL;
}

/* Changes are noted before the version is read, so that none lies between the two. */
static enum rc add_own_account(struct notify *notify, const struct session *session,
                               struct err *err)
{
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    struct notify_place *place = notify->places = xcalloc(1, sizeof(*place));

    notify->n_places = 1;
    place->session = session;
    place->account = session->account;
    account_follow(place->account, &place->follower);
    state = session_read(session);
    place->outline = acct_outline_new(state);
    return notify_fill(notify, place, state, err);
}

/* A selected mailbox of another account has a follower of its own. */
static void follow_selected(struct session *session)
{
    struct notify *notify = session->notify;

    if (notify == NULL || session->view == NULL || notify->selected_tell == 0 ||
        view_account(session->view) == session->account)
        return;
    notify->selected_in = view_account(session->view);
    notify->selected_follower =
        (struct account_follower){.wake = notify->wake, .ctx = notify->wake_ctx};
    account_follow(notify->selected_in, &notify->selected_follower);
}

enum rc notify_start(struct session *session, const struct imap_notify_args *args,
                     struct err *err)
{
    AUTO(notify_freep) struct notify *notify = keep_groups(args);

    /* The account is followed for the selected mailbox, too: whatever changes wakes. */
    if (notify->wanted != 0 || notify->selected_tell != 0) {
        enum rc rc = add_own_account(notify, session, err);

        if (rc)
            return rc;
    }
    notify_free(session->notify);
    session->notify = TAKE(notify);
    follow_selected(session);
    return RC_OK;
}

void notify_wake_by(struct notify *notify, void (*wake)(void *ctx), void *ctx)
{
    if (notify->wake != NULL)
        return;
    notify->wake = wake;
    notify->wake_ctx = ctx;
    for (size_t i = 0; i < notify->n_places; i++)
        account_wake_by(notify->places[i].account, &notify->places[i].follower, wake, ctx);
    if (notify->selected_in != NULL)
        account_wake_by(notify->selected_in, &notify->selected_follower, wake, ctx);
}

/* RFC 5465 5.8: as after NOTIFY NONE. */
static void overflow(struct session *session, struct buf *out)
{
    const struct imap_notify_args none = {0};

    notify_free(session->notify);
    session->notify = keep_groups(&none);
    buf_str(out, "* OK [NOTIFICATIONOVERFLOW] ");
    imap_print_text_line(out, "Too much changes; NOTIFY is off", session->mode);
}

/* ---- the selected mailbox ---- */

unsigned notify_tells(const struct session *session, bool in_command)
{
    const struct notify *notify = session->notify;
    unsigned tell;

    if (notify == NULL)
        return in_command ? VIEW_TELL_ALL : 0;
    tell = notify->selected_tell;
    if (!in_command && notify->delayed) /* RFC 5465 6.1.2 */
        tell &= ~(unsigned) VIEW_TELL_EXPUNGES;
    return tell;
}

struct uid_set notify_fetches(struct session *session, const struct view_changes *changes,
                              struct arena *arena)
{
    struct notify *notify = session->notify;
    const struct uid_run run = {changes->first_new_uid, UINT32_MAX};
    struct uid_set all = {&run, 1}, own, wanted = {NULL, 0};

    if (notify == NULL || !changes->exists_changed)
        return wanted;
    own = (struct uid_set){notify->own, notify->n_own};
    if (notify->fetch.n > 0)
        wanted = uid_set_without(&all, &own, arena);
    notify->n_own = 0;
    return wanted;
}

static struct notify_place *own_place(const struct session *session)
{
    const struct notify *notify = session->notify;

    return notify != NULL && notify->n_places > 0 ? &notify->places[0] : NULL;
}

static struct notify_row *selected_row(const struct session *session)
{
    const struct notify_place *place = own_place(session);

    if (place == NULL || session->view == NULL || view_account(session->view) != place->account)
        return NULL;
    return notify_row_of(place, view_mbox_id(session->view));
}

void notify_selected_told(struct session *session)
{
    struct notify_row *row = selected_row(session);

    if (row != NULL && view_is_counted(session->view))
        notify_show_counts(row, view_mbox(session->view));
}

void notify_entered(struct session *session)
{
    follow_selected(session);
    notify_selected_told(session);
}

void notify_leaves(struct session *session)
{
    struct notify *notify = session->notify;
    struct notify_row *row = selected_row(session);

    if (notify == NULL)
        return;
    notify->n_own = 0;
    if (notify->selected_in != NULL)
        account_unfollow(notify->selected_in, &notify->selected_follower);
    notify->selected_in = NULL;
    if (row != NULL && (row->events & IMAP_NOTIFY_MESSAGE_EVENTS) != 0)
        notify_mark(own_place(session), row);
}

/* ---- own changes ---- */

static bool shows_counts(const struct notify_row *row, const struct mbox *mbox)
{
    const struct mbox_counts *counts = mbox_counts(mbox);

    return row->modseq == counts->highestmodseq && row->uidnext == counts->uidnext &&
           row->messages == counts->messages;
}

/* Messages that came into the selected mailbox by this commit. Beyond NOTIFY_OWN_MAX runs they
 * are told as everybody's. */
static void note_own_messages(struct session *session, const struct account *account,
                              const struct acct_state *base, const struct acct_state *mine)
{
    struct notify *notify = session->notify;
    const struct mbox *was, *is;

    if (session->view == NULL || view_account(session->view) != account)
        return;
    was = acct_mailbox_by_id(base, view_mbox_id(session->view));
    is = acct_mailbox_by_id(mine, view_mbox_id(session->view));
    if (was == NULL || is == NULL || mbox_counts(was)->uidnext == mbox_counts(is)->uidnext ||
        notify->n_own == NOTIFY_OWN_MAX)
        return;
    notify->own[notify->n_own++] =
        (struct uid_run){mbox_counts(was)->uidnext, mbox_counts(is)->uidnext - 1};
}

/* A mailbox that this session has changed. */
static void own_mailbox(struct session *session, struct notify_place *place, uint32_t id,
                        const struct acct_state *base, const struct acct_state *mine)
{
    struct notify *notify = session->notify;
    const struct mbox *was = notify_visible(place, base, id);
    const struct mbox *is = notify_visible(place, mine, id);
    struct notify_row *row = notify_row_of(place, id);

    if (row == NULL) {
        if (was == NULL && is != NULL &&
            notify_keeps(notify,
                         notify_events_of(notify, mbox_info(is)->name,
                                          acct_is_subscribed(mine, mbox_info(is)->name))))
            (void) notify_add_row(notify, place, mine, is); /* too many: found with the next */
        return;
    }
    if (was == NULL || row->info != mbox_info(was))
        return;
    if (is == NULL) {
        notify_drop_row(place, id);
        return;
    }
    notify_show_info(row, is);
    notify_judge(notify, row, mine);
    if (shows_counts(row, was))
        notify_show_counts(row, is);
}

void notify_own_change(struct session *session, const struct account *account,
                       const struct acct_state *base, const struct acct_state *mine)
{
    struct notify_place *place = own_place(session);
    size_t max, n;
    uint32_t *ids;

    note_own_messages(session, account, base, mine);
    if (place == NULL || place->account != account)
        return;
    max = acct_mailbox_count(base) + acct_mailbox_count(mine);
    ids = xmalloc(MAX(max, (size_t) 1) * sizeof(*ids));
    n = acct_changed_mailboxes(base, mine, ids, max);
    for (size_t i = 0; i < n; i++)
        own_mailbox(session, place, ids[i], base, mine);
    free(ids);
    if (!acct_lists_differ(base, mine))
        return;
    acct_outline_follow(place->outline, base, mine);
    for (size_t i = 0; session->notify->by_subscription && i < place->n_rows; i++)
        notify_judge(session->notify, &place->rows[i], mine);
}

/* ---- what is due ---- */

bool notify_has_news(const struct session *session)
{
    const struct notify *notify = session->notify;

    for (size_t i = 0; notify != NULL && i < notify->n_places; i++) {
        const struct notify_place *place = &notify->places[i];

        if (place->n_marked > 0 || account_has_changes(place->account, &place->follower))
            return true;
    }
    return false;
}

/* Ids of all rows and of all mailboxes, each once, ascending. */
static uint32_t *all_ids(const struct notify_place *place, const struct acct_state *state,
                         struct arena *arena, size_t *out_n)
{
    size_t n_mailboxes = acct_mailbox_count(state), i = 0, k = 0, n = 0;
    uint32_t *ids = ARENA_ARRAY(arena, uint32_t, place->n_rows + n_mailboxes);

    while (i < place->n_rows || k < n_mailboxes) {
        uint32_t row = i < place->n_rows ? place->rows[i].info->id : UINT32_MAX;
        uint32_t mbox =
            k < n_mailboxes ? mbox_info(acct_mailbox_by_id_at(state, k))->id : UINT32_MAX;

        ids[n++] = MIN(row, mbox);
        i += row <= mbox;
        k += mbox <= row;
    }
    *out_n = n;
    return ids;
}

static int by_number(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* What has changed is said, or marked. False: too much. */
static bool collect(struct session *session, struct notify_place *place, struct buf *out)
{
    AUTO(arena_freep) struct arena *arena = NULL;
    struct account_changes changes;
    struct visible *visible;
    size_t n, before = out->len;
    uint32_t *ids = changes.ids;
    bool done;

    account_take_changes(place->account, &place->follower, &changes);
    if (changes.n == 0 && !changes.lost && !changes.lists)
        return true;
    arena = arena_new(NOTIFY_SCRATCH_BYTES);
    n = changes.n;
    visible = visible_begin(session, arena);
    if (changes.lost)
        ids = all_ids(place, visible_own(visible), arena, &n);
    else
        qsort(ids, n, sizeof(*ids), by_number);
    done = notify_say_lists(session, place, visible, ids, n, arena, out);
    visible_done(visible);
    if (!done)
        buf_truncate(out, before);
    return done;
}

static bool follows_modseq(const struct session *session)
{
    return session_has_enabled(session, IMAP_CAP_CONDSTORE);
}

/* STATUS items that differ and are watched; 0: nothing is to be said (RFC 5465 5.1 to 5.3). */
static uint32_t items_due(const struct session *session, const struct notify_row *row,
                          const struct mbox *mbox)
{
    const struct mbox_counts *counts = mbox_counts(mbox);
    bool flags = (row->events & (IMAP_NOTIFY_FLAG_CHANGE | IMAP_NOTIFY_ANNOTATION_CHANGE)) != 0;
    uint32_t items = 0;

    if (row->messages != counts->messages || row->uidnext != counts->uidnext)
        items = IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT;
    if (flags && row->unseen != counts->unseen)
        items |= IMAP_STATUS_UNSEEN;
    if (flags && follows_modseq(session) && row->modseq != counts->highestmodseq)
        items |= IMAP_STATUS_HIGHESTMODSEQ;
    if (row->is_renewed)
        items |= IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT;
    if (items != 0 && follows_modseq(session))
        items |= IMAP_STATUS_HIGHESTMODSEQ;
    return items != 0 ? items | IMAP_STATUS_UIDVALIDITY : 0;
}

static void say_status(const struct session *session, const struct notify_row *row,
                       uint32_t items, struct buf *out)
{
    const struct imap_status_values values = {
        .messages = row->messages,
        .uidnext = row->uidnext,
        .uidvalidity = row->info->uidvalidity,
        .unseen = row->unseen,
        .highestmodseq = row->modseq,
    };

    imap_print_status_line(out, row->info->name, items, &values, session->mode);
}

static bool is_selected(const struct session *session, const struct notify_place *place,
                        uint32_t id)
{
    return session->view != NULL && view_account(session->view) == place->account &&
           view_mbox_id(session->view) == id;
}

/* Of the selected mailbox the view tells; its row is marked again when it is left. */
static void say_row(const struct session *session, struct notify_place *place,
                    const struct acct_state *state, uint32_t id, struct buf *out)
{
    struct notify_row *row = notify_row_of(place, id);
    const struct mbox *mbox = notify_visible(place, state, id);
    uint32_t items;

    if (row == NULL)
        return;
    row->is_marked = false;
    if (mbox == NULL || is_selected(session, place, id) ||
        (row->events & IMAP_NOTIFY_MESSAGE_EVENTS) == 0)
        return;
    items = items_due(session, row, mbox);
    row->is_renewed = false;
    notify_show_counts(row, mbox);
    if (items != 0)
        say_status(session, row, items, out);
}

static void say_marked(const struct session *session, struct notify_place *place,
                       const struct acct_state *state, struct buf *out)
{
    size_t said = 0;

    while (said < place->n_marked && out->len < REPLY_PAUSE_BYTES)
        say_row(session, place, state, place->marked[said++], out);
    place->n_marked -= said;
    memmove(place->marked, place->marked + said, place->n_marked * sizeof(*place->marked));
    if (place->n_marked == 0) {
        free(TAKE(place->marked));
        place->cap_marked = 0;
    }
}

void notify_say(struct session *session, struct buf *out)
{
    for (size_t i = 0; session->notify != NULL && i < session->notify->n_places; i++) {
        struct notify_place *place = &session->notify->places[i];
        AUTO(acct_unrefp) struct acct_state *state = NULL;

        if (!collect(session, place, out)) {
            overflow(session, out);
            return;
        }
        state = session_read(session);
        if (place->n_marked > 0)
            say_marked(session, place, state, out);
    }
}

/* RFC 5465 3.1: MESSAGES, UIDNEXT and UIDVALIDITY, with FlagChange HIGHESTMODSEQ as well. */
bool notify_say_all(struct session *session, size_t *at, struct buf *out)
{
    const struct notify_place *place = own_place(session);

    for (; place != NULL && *at < place->n_rows; (*at)++) {
        const struct notify_row *row = &place->rows[*at];
        uint32_t items = IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT | IMAP_STATUS_UIDVALIDITY;

        if ((row->events & IMAP_NOTIFY_MESSAGE_EVENTS) == 0 ||
            is_selected(session, place, row->info->id))
            continue;
        if (out->len >= REPLY_PAUSE_BYTES)
            return false;
        if ((row->events & (IMAP_NOTIFY_FLAG_CHANGE | IMAP_NOTIFY_ANNOTATION_CHANGE)) != 0)
            items |= IMAP_STATUS_HIGHESTMODSEQ | IMAP_STATUS_UNSEEN;
        if (follows_modseq(session))
            items |= IMAP_STATUS_HIGHESTMODSEQ;
        say_status(session, row, items, out);
    }
    return true;
}
