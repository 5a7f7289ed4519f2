#include "commands/notify.h"

#include "commands/fetch_keep.h"
#include "commands/mailbox_filter.h"
#include "imap/print.h"

#define NOTIFY_SCRATCH_BYTES ((size_t) 256 << 20)

/* ---- what was asked for, kept ---- */

static void keep_selected(struct notify *notify, const struct imap_notify_group *group)
{
    notify->delayed = group->mailboxes.kind == IMAP_FILTER_SELECTED_DELAYED;
    if ((group->events & IMAP_NOTIFY_MESSAGE_NEW) != 0)
        notify->selected_tell = VIEW_TELL_NEW | VIEW_TELL_EXPUNGES;
    /* An annotation changes MODSEQ as a flag does: the answer to either has the flags. */
    if ((group->events & (IMAP_NOTIFY_FLAG_CHANGE | IMAP_NOTIFY_ANNOTATION_CHANGE)) != 0)
        notify->selected_tell |= VIEW_TELL_FLAGS;
    notify->selected_annotations = (group->events & IMAP_NOTIFY_ANNOTATION_CHANGE) != 0;
    if (group->n_items > 0)
        notify->fetch = fetch_keep(group->items, group->n_items, group->kinds, notify->arena);
}

static void keep_group(struct notify *notify, struct imap_notify_group *kept,
                       const struct imap_notify_group *group)
{
    *kept = (struct imap_notify_group){
        .mailboxes = mailbox_filter_keep(&group->mailboxes, notify->arena),
        .events = group->events,
    };
    if (group->mailboxes.kind == IMAP_FILTER_SELECTED ||
        group->mailboxes.kind == IMAP_FILTER_SELECTED_DELAYED) {
        keep_selected(notify, group);
        return;
    }
    notify->wanted |= group->events;
    notify->means_others =
        notify->means_others ||
        (group->events != 0 && mailbox_filter_means_others(&group->mailboxes));
    notify->by_subscription =
        notify->by_subscription || group->mailboxes.kind == IMAP_FILTER_SUBSCRIBED;
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

void notify_free(struct notify *notify)
{
    if (notify == NULL)
        return;
    if (notify->selected_in != NULL)
        account_unfollow(notify->selected_in, &notify->selected_follower);
    notify_places_close(notify);
    arena_free(notify->arena);
    free(notify);
}

static void notify_freep(struct notify **notify)
{
    notify_free(*notify);
    *notify = NULL;
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
        enum rc rc = notify_places_open(notify, session, err);

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
        account_wake_by(notify->places[i]->account, &notify->places[i]->follower, wake, ctx);
    if (notify->shares != NULL)
        account_wake_by(notify->shares, &notify->shares_follower, wake, ctx);
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

/* The place in which the selected mailbox lies; NULL: it is in none. */
static struct notify_place *selected_place(const struct session *session)
{
    if (session->notify == NULL || session->view == NULL)
        return NULL;
    return notify_place_of(session->notify, view_account(session->view));
}

static struct notify_row *selected_row(const struct session *session)
{
    const struct notify_place *place = selected_place(session);

    return place != NULL ? notify_row_of(place, view_mbox_id(session->view)) : NULL;
}

void notify_selected_told(struct session *session)
{
    struct notify_row *row = selected_row(session);
    struct notify_look look = {.notify = session->notify};

    if (row == NULL || !view_is_counted(session->view))
        return;
    look.place = selected_place(session);
    look.state = view_state(session->view);
    row->told = notify_count(&look, view_mbox(session->view));
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
        notify_mark(selected_place(session), row);
}

/* ---- own changes ---- */

/* Does the client know all that these counts tell? */
static bool shows(const struct notify_row *row, const struct notify_counts *counts)
{
    return row->told.modseq >= counts->modseq && row->told.uidnext == counts->uidnext &&
           row->told.messages == counts->messages;
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
static void own_mailbox(const struct notify_look *before, const struct notify_look *after,
                        uint32_t id)
{
    const struct mbox *was = notify_visible(before, id), *is = notify_visible(after, id);
    struct notify_row *row = notify_row_of(after->place, id);
    struct notify_counts counts;

    if (row == NULL) {
        if (was == NULL && is != NULL && notify_keeps(after, mbox_info(is)))
            (void) notify_add_row(after, is); /* too many: found with the next */
        return;
    }
    if (was == NULL || row->info != mbox_info(was))
        return;
    if (is == NULL) {
        notify_drop_row(after->notify, after->place, id);
        return;
    }
    notify_show_info(row, is);
    notify_judge(after, row);
    counts = notify_count(before, was);
    if (shows(row, &counts))
        row->told = notify_count(after, is);
}

static void own_lists(const struct notify_look *before, const struct notify_look *after)
{
    struct notify_place *place = after->place;

    if (place->outline == NULL || !acct_lists_differ(before->state, after->state))
        return;
    acct_outline_follow(place->outline, before->state, after->state);
    if (!after->notify->by_subscription)
        return;
    after->notify->is_stale = true;
    for (size_t i = 0; i < place->n_rows; i++)
        notify_judge(after, &place->rows[i]);
}

void notify_own_change(struct session *session, const struct account *account,
                       const struct acct_state *base, const struct acct_state *mine)
{
    struct notify_place *place = notify_place_of(session->notify, account);
    AUTO(arena_freep) struct arena *arena = NULL;
    AUTO(acct_unrefp) struct acct_state *own = NULL;
    struct notify_look before = {session->notify, place, base, base, NULL}, after;
    size_t max, n;
    uint32_t *ids;

    note_own_messages(session, account, base, mine);
    if (place == NULL)
        return;
    before.arena = arena = arena_new(NOTIFY_SCRATCH_BYTES);
    after = before;
    after.state = after.own = mine;
    if (account != session->account)
        before.own = after.own = own = session_read(session);
    max = acct_mailbox_count(base) + acct_mailbox_count(mine);
    ids = ARENA_ARRAY(arena, uint32_t, max);
    n = acct_changed_mailboxes(base, mine, ids, max);
    for (size_t i = 0; i < n; i++)
        own_mailbox(&before, &after, ids[i]);
    own_lists(&before, &after);
}

/* ---- what is due ---- */

bool notify_has_news(const struct session *session)
{
    const struct notify *notify = session->notify;

    for (size_t i = 0; notify != NULL && i < notify->n_places; i++) {
        const struct notify_place *place = notify->places[i];

        if (place->n_marked > 0 || place->look_at_all ||
            account_has_changes(place->account, &place->follower))
            return true;
    }
    return notify != NULL && notify_places_are_old(notify);
}

bool notify_follows_people(const struct session *session)
{
    return session->notify != NULL && session->notify->shares != NULL;
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
static bool collect(const struct notify_look *look, struct visible *visible, struct buf *out)
{
    struct notify_place *place = look->place;
    struct account_changes changes;
    uint32_t *ids = changes.ids;
    size_t n;

    account_take_changes(place->account, &place->follower, &changes);
    n = changes.n;
    if (changes.lost || place->look_at_all)
        ids = all_ids(place, look->state, look->arena, &n);
    else if (n == 0 && !changes.lists)
        return true;
    else
        qsort(ids, n, sizeof(*ids), by_number);
    place->look_at_all = false;
    return notify_say_lists(look, visible, ids, n, out);
}

static bool follows_modseq(const struct session *session)
{
    return session_has_enabled(session, IMAP_CAP_CONDSTORE);
}

static bool watches_flags(const struct notify_row *row)
{
    return (row->events & (IMAP_NOTIFY_FLAG_CHANGE | IMAP_NOTIFY_ANNOTATION_CHANGE)) != 0;
}

/* Where \Seen was not known, any change may be one of it. */
static bool unseen_differs(const struct notify_counts *told, const struct notify_counts *now)
{
    if (now->unseen == NOTIFY_UNSEEN_UNKNOWN)
        return false;
    return told->unseen == NOTIFY_UNSEEN_UNKNOWN ? now->modseq > told->modseq
                                                 : now->unseen != told->unseen;
}

/* STATUS items that differ and are watched; 0: nothing is to be said (RFC 5465 5.1 to 5.3). */
static uint32_t items_due(const struct session *session, const struct notify_row *row,
                          const struct notify_counts *now)
{
    const struct notify_counts *told = &row->told;
    bool flags = watches_flags(row);
    uint32_t items = 0;

    if (told->messages != now->messages || told->uidnext != now->uidnext)
        items = IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT;
    if (flags && unseen_differs(told, now))
        items |= IMAP_STATUS_UNSEEN;
    if (flags && follows_modseq(session) && now->modseq > told->modseq)
        items |= IMAP_STATUS_HIGHESTMODSEQ;
    if (row->is_renewed)
        items |= IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT;
    if (items != 0 && follows_modseq(session))
        items |= IMAP_STATUS_HIGHESTMODSEQ;
    return items != 0 ? items | IMAP_STATUS_UIDVALIDITY : 0;
}

static void say_status(const struct notify_look *look, const struct notify_row *row,
                       uint32_t items, struct buf *out)
{
    const struct imap_status_values values = {
        .messages = row->told.messages,
        .uidnext = row->told.uidnext,
        .uidvalidity = row->info->uidvalidity,
        .unseen = row->told.unseen,
        .highestmodseq = row->told.modseq,
    };

    if (row->told.unseen == NOTIFY_UNSEEN_UNKNOWN) /* its messages cannot be loaded */
        items &= ~(uint32_t) (IMAP_STATUS_UNSEEN | IMAP_STATUS_HIGHESTMODSEQ);
    imap_print_status_line(out, notify_name(look, row->info->name), items, &values,
                           look->place->session->mode);
}

static bool is_selected(const struct session *session, const struct notify_place *place,
                        uint32_t id)
{
    return session->view != NULL && view_account(session->view) == place->account &&
           view_mbox_id(session->view) == id;
}

/* Flags and annotations that are the reader's own take the messages to count, which are loaded.
 */
static struct notify_counts count_now(const struct notify_look *look, const struct mbox *mbox)
{
    struct notify_counts counts = notify_count(look, mbox);
    const struct notify_place *place = look->place;
    struct acct_state *state;
    uint32_t id = mbox_info(mbox)->id;
    struct err err;

    if (counts.unseen != NOTIFY_UNSEEN_UNKNOWN ||
        account_read_mailbox(place->account,
                             session_position_in(place->session, place->account), id, &state,
                             &err) != RC_OK)
        return counts;
    counts = notify_count(look, acct_mailbox_by_id(state, id));
    acct_unref(state);
    return counts;
}

/* Who watches no flags has nothing to hear while the numbers are as they were. */
static bool may_be_due(const struct notify_row *row, const struct mbox *mbox)
{
    const struct mbox_counts *counts = mbox_counts(mbox);

    return watches_flags(row) || row->is_renewed || row->told.messages != counts->messages ||
           row->told.uidnext != counts->uidnext;
}

/* Of the selected mailbox the view tells; its row is marked again when it is left. */
static void say_row(const struct notify_look *look, uint32_t id, struct buf *out)
{
    struct notify_row *row = notify_row_of(look->place, id);
    const struct mbox *mbox = notify_visible(look, id);
    const struct session *session = look->place->session;
    struct notify_counts now;
    uint32_t items;

    if (row == NULL)
        return;
    row->is_marked = false;
    if (mbox == NULL || is_selected(session, look->place, id) ||
        (row->events & IMAP_NOTIFY_MESSAGE_EVENTS) == 0 || !may_be_due(row, mbox))
        return;
    now = count_now(look, mbox);
    items = items_due(session, row, &now);
    row->is_renewed = false;
    row->told = now;
    if (items != 0)
        say_status(look, row, items, out);
}

static void say_marked(const struct notify_look *look, struct buf *out)
{
    struct notify_place *place = look->place;
    size_t said = 0;

    while (said < place->n_marked && out->len < REPLY_PAUSE_BYTES)
        say_row(look, place->marked[said++], out);
    place->n_marked -= said;
    memmove(place->marked, place->marked + said, place->n_marked * sizeof(*place->marked));
    if (place->n_marked == 0) {
        free(TAKE(place->marked));
        place->cap_marked = 0;
    }
}

/* A place that changed: its version is the one in visible, where that has it. */
static bool say_place(struct session *session, struct notify_place *place,
                      struct visible *visible, struct arena *arena, struct buf *out)
{
    AUTO(acct_unrefp)
    struct acct_state *state =
        account_read(place->account, session_position_in(session, place->account));
    struct notify_look look = {session->notify, place, state, visible_own(visible), arena};

    if (place->outline != NULL)
        look.state = look.own;
    if (!collect(&look, visible, out))
        return false;
    if (place->n_marked > 0)
        say_marked(&look, out);
    return true;
}

static bool say_places(struct session *session, struct visible *visible, struct arena *arena,
                       struct buf *out)
{
    struct notify *notify = session->notify;

    if (!say_place(session, notify->places[0], visible, arena, out))
        return false;
    if (notify_places_are_old(notify) &&
        !notify_places_renew(notify, session, visible_own(visible)))
        return false;
    for (size_t i = 1; i < notify->n_places; i++)
        if (!say_place(session, notify->places[i], visible, arena, out))
            return false;
    notify_places_drop(notify);
    return true;
}

void notify_say(struct session *session, struct buf *out)
{
    AUTO(arena_freep) struct arena *arena = NULL;
    struct visible *visible;
    size_t before = out->len;
    bool done;

    if (session->notify == NULL || session->notify->n_places == 0 || !notify_has_news(session))
        return;
    arena = arena_new(NOTIFY_SCRATCH_BYTES);
    visible = visible_begin(session, arena);
    done = say_places(session, visible, arena, out);
    visible_done(visible);
    if (done)
        return;
    buf_truncate(out, before);
    overflow(session, out);
}

/* RFC 5465 3.1: MESSAGES, UIDNEXT and UIDVALIDITY, with FlagChange HIGHESTMODSEQ as well. */
static void say_all_of(const struct notify_look *look, struct notify_row *row, struct buf *out)
{
    const struct session *session = look->place->session;
    uint32_t items = IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT | IMAP_STATUS_UIDVALIDITY;
    const struct mbox *mbox = notify_visible(look, row->info->id);

    if ((row->events & IMAP_NOTIFY_MESSAGE_EVENTS) == 0 || mbox == NULL ||
        is_selected(session, look->place, row->info->id))
        return;
    if (watches_flags(row))
        items |= IMAP_STATUS_HIGHESTMODSEQ | IMAP_STATUS_UNSEEN;
    if (follows_modseq(session))
        items |= IMAP_STATUS_HIGHESTMODSEQ;
    if ((items & IMAP_STATUS_HIGHESTMODSEQ) != 0)
        row->told = count_now(look, mbox);
    say_status(look, row, items, out);
}

static bool say_all_in(const struct notify_look *look, struct notify_at *at, bool status,
                       struct buf *out)
{
    for (; at->row < look->place->n_rows; at->row++, at->done++) {
        struct notify_row *row = &look->place->rows[at->row];

        if (out->len >= REPLY_PAUSE_BYTES)
            return false;
        if (row->is_refused)
            notify_say_no_access(look, row, out);
        if (status)
            say_all_of(look, row, out);
    }
    return true;
}

bool notify_say_all(struct session *session, struct notify_at *at, bool status, struct buf *out)
{
    AUTO(arena_freep) struct arena *arena = arena_new(NOTIFY_SCRATCH_BYTES);
    AUTO(acct_unrefp) struct acct_state *own = session_read(session);
    struct notify *notify = session->notify;

    for (; at->place < notify->n_places; at->place++) {
        struct notify_place *place = notify->places[at->place];
        AUTO(acct_unrefp)
        struct acct_state *state =
            account_read(place->account, session_position_in(session, place->account));
        const struct notify_look look = {notify, place, state, own, arena};

        if (!say_all_in(&look, at, status, out))
            return false;
        at->row = 0;
    }
    return true;
}
