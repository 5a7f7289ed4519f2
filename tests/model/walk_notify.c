/*
 * walk_notify.c - a client with NOTIFY: what it knows of all mailboxes, from what it was told
 * and from what it did itself.
 *
 * After each step of anybody it hears of it at once. What it then knows of names, subscriptions
 * and counts must be what is there; of its own steps nothing may be told, but the STATUS of a
 * mailbox that it left with EXPUNGEs withheld.
 */
#include "walk_steps.h"

static struct heard *find(struct player *player, struct slice name)
{
    for (size_t i = 0; i < player->n_heard; i++)
        if (slice_eq(slice_from_str(player->heard[i].name), name))
            return &player->heard[i];
    return NULL;
}

static struct heard *make(struct walk *walk, struct player *player, struct slice name)
{
    struct heard *heard = find(player, name);

    if (heard != NULL)
        return heard;
    if (player->n_heard == WALK_HEARD_MAX)
        walk_fail(walk, player, "heard of more names than there can be");
    heard = &player->heard[player->n_heard++];
    *heard = (struct heard){.uidnext = 1};
    (void) snprintf(heard->name, sizeof(heard->name), "%.*s", SLICE_ARG(name));
    return heard;
}

/* A name that begins to be a mailbox, empty for all the client knows. */
static void appear(struct heard *heard)
{
    if (!heard->there || heard->is_refused) {
        heard->there = true;
        heard->is_refused = false;
        heard->messages = heard->unseen = 0;
        heard->uidnext = 1;
    }
}

/* ---- what is told ---- */

static bool has_attr(const struct imap_list_data *list, const char *attr)
{
    for (size_t i = 0; i < list->attrs.n; i++)
        if (slice_eq_nocase(list->attrs.words[i], slice_from_str(attr)))
            return true;
    return false;
}

/* The part of the name behind from; NULL: it is neither from nor below. */
static const char *behind(const char *name, struct slice from)
{
    if (!slice_starts(slice_from_str(name), from) ||
        (name[from.len] != '\0' && name[from.len] != '/'))
        return NULL;
    return name + from.len;
}

/* RFC 5465 5.4: what lies below goes along without a word. A name may be a new one and an old
 * one. */
static void rename_tree(struct walk *walk, struct player *player, struct slice from,
                        struct slice to)
{
    struct heard *old = ARENA_ARRAY(walk->arena, struct heard, player->n_heard);
    size_t n = player->n_heard;

    memcpy(old, player->heard, n * sizeof(*old));
    for (size_t i = 0; i < n; i++)
        if (behind(old[i].name, from) != NULL)
            player->heard[i].there = false;
    for (size_t i = 0; i < n; i++) {
        const char *rest = behind(old[i].name, from);
        struct heard *heard;

        if (!old[i].there || rest == NULL)
            continue;
        heard = make(walk, player,
                     slice_from_str(arena_printf(walk->arena, "%.*s%s", SLICE_ARG(to), rest)));
        heard->there = true;
        heard->is_refused = old[i].is_refused;
        heard->messages = old[i].messages;
        heard->uidnext = old[i].uidnext;
        heard->unseen = old[i].unseen;
    }
}

static void hear_list(struct walk *walk, struct player *player,
                      const struct imap_list_data *list)
{
    struct heard *heard;

    /* INBOX stays, and what was in it is told by counts */
    if (list->oldname.len > 0 && !slice_eq(list->oldname, SLICE("INBOX")))
        rename_tree(walk, player, list->oldname, list->name);
    heard = make(walk, player, list->name);
    heard->subscribed = has_attr(list, "\\Subscribed");
    if (has_attr(list, "\\NonExistent"))
        heard->there = heard->is_refused = false;
    else if (has_attr(list, "\\NoAccess"))
        heard->there = heard->is_refused = true;
    else
        appear(heard);
}

static void hear_status(struct walk *walk, struct player *player,
                        const struct imap_mbox_status_data *told)
{
    struct heard *heard = find(player, told->name);
    struct oracle_mailbox *mailbox = oracle_find_for(walk->oracle, player->reader,
                                                     walk_owner_name(walk, player, told->name));

    if (heard == NULL || !heard->there || mailbox == NULL)
        walk_fail(walk, player, "STATUS of a mailbox it has not heard of");
    if ((told->items & IMAP_STATUS_MESSAGES) != 0) {
        heard->messages = (uint32_t) told->values.messages;
        heard->uidnext = (uint32_t) told->values.uidnext;
    }
    if ((told->items & IMAP_STATUS_UNSEEN) != 0)
        heard->unseen = (uint32_t) told->values.unseen;
    if ((told->items & IMAP_STATUS_HIGHESTMODSEQ) == 0 && player->condstore)
        walk_fail(walk, player, "STATUS without HIGHESTMODSEQ");
    walk_note_uidvalidity(walk, player, mailbox, told->values.uidvalidity);
    if ((told->items & IMAP_STATUS_HIGHESTMODSEQ) != 0)
        walk_note_highest(walk, player, mailbox, told->values.highestmodseq);
}

static void hear(struct walk *walk, struct player *player, bool own)
{
    for (size_t i = 0; i < walk->n_answers; i++) {
        const struct imap_response *answer = &walk->answers[i];
        bool is_list = answer->data == IMAP_DATA_LIST;
        bool is_status = answer->data == IMAP_DATA_MBOX_STATUS;
        const struct heard *heard = is_status ? find(player, answer->mbox_status.name) : NULL;

        if (own && (is_list || (is_status && (heard == NULL || !heard->is_stale))))
            walk_fail(walk, player, "told of its own doing");
        if (is_list)
            hear_list(walk, player, &answer->list);
        else if (is_status)
            hear_status(walk, player, &answer->mbox_status);
    }
}

/* ---- what is there ---- */

static bool is_selected(const struct player *player, const struct oracle_mailbox *mailbox)
{
    return player->view.mailbox == mailbox;
}

/* What the client did itself it knows; and of the selected mailbox what the view has told. */
static void know(struct walk *walk, struct player *player, struct oracle_mailbox *mailbox)
{
    struct heard *heard =
        make(walk, player, slice_from_str(walk_told_name(walk, player, mailbox->name)));

    heard->there = true;
    heard->messages = (uint32_t) mailbox->n;
    heard->uidnext = mailbox->uidnext;
    heard->unseen = (uint32_t) oracle_count(mailbox, player->reader, 0, IMAP_SEEN);
}

static const struct heard *heard_of(struct walk *walk, struct player *player,
                                    const struct oracle_mailbox *mailbox)
{
    return find(player, slice_from_str(walk_told_name(walk, player, mailbox->name)));
}

static bool is_there(struct walk *walk, const struct player *player, const char *told)
{
    return oracle_find_for(walk->oracle, player->reader,
                           walk_owner_name(walk, player, slice_from_str(told))) != NULL;
}

static void know_all(struct walk *walk, struct player *player)
{
    for (size_t i = 0; i < player->n_heard; i++)
        if (!is_there(walk, player, player->heard[i].name))
            player->heard[i].there = false;
    for (size_t i = 0; i < walk->oracle->n; i++) {
        struct oracle_mailbox *mailbox = walk->oracle->mailboxes[i];
        const struct heard *heard = mailbox->deleted ? NULL : heard_of(walk, player, mailbox);

        if (!mailbox->deleted && oracle_may(mailbox, player->reader, 'l') &&
            (heard == NULL || !heard->is_stale))
            know(walk, player, mailbox);
    }
    for (size_t i = 0; player->reader == 0 && i < walk->oracle->n_names; i++)
        make(walk, player, slice_from_str(walk->oracle->names[i].name))->subscribed =
            walk->oracle->names[i].subscribed;
}

static void check_counts(struct walk *walk, struct player *player,
                         const struct oracle_mailbox *mailbox)
{
    const struct heard *heard = heard_of(walk, player, mailbox);
    bool reads = oracle_may(mailbox, player->reader, 'r');

    if (heard == NULL || !heard->there)
        walk_fail(walk, player, "it has not heard of %s", mailbox->name);
    if (heard->is_refused == reads)
        walk_fail(walk, player, "%s is %sread, which it has not heard", mailbox->name,
                  reads ? "" : "not to be ");
    if (reads && !is_selected(player, mailbox) &&
        (heard->messages != mailbox->n || heard->uidnext != mailbox->uidnext ||
         heard->unseen != oracle_count(mailbox, player->reader, 0, IMAP_SEEN)))
        walk_fail(walk, player, "of %s it has heard of %u messages, %u unseen, uidnext %u",
                  mailbox->name, heard->messages, heard->unseen, heard->uidnext);
}

static void check_all(struct walk *walk, struct player *player)
{
    for (size_t i = 0; i < walk->oracle->n; i++)
        if (!walk->oracle->mailboxes[i]->deleted &&
            oracle_may(walk->oracle->mailboxes[i], player->reader, 'l'))
            check_counts(walk, player, walk->oracle->mailboxes[i]);
    for (size_t i = 0; i < player->n_heard; i++)
        if (player->heard[i].there && !is_there(walk, player, player->heard[i].name))
            walk_fail(walk, player, "%s is gone and it has not heard", player->heard[i].name);
    for (size_t i = 0; player->reader == 0 && i < walk->oracle->n_names; i++) {
        const struct oracle_name *name = &walk->oracle->names[i];
        const struct heard *heard = find(player, slice_from_str(name->name));

        if ((heard != NULL && heard->subscribed) != name->subscribed)
            walk_fail(walk, player, "the subscription of %s", name->name);
    }
}

/* ---- the life of it ---- */

void walk_notify_begin(struct walk *walk, struct player *player)
{
    bool fetches = walk_random(walk, 2) == 0;
    const char *changes;

    player->listens = walk_random(walk, 3) == 0;
    player->delayed = walk_random(walk, 2) == 0;
    player->hears_annotations = walk_random(walk, 2) == 0;
    player->n_heard = 0;
    if (!player->listens)
        return;
    changes = player->hears_annotations ? " AnnotationChange" : "";
    know_all(walk, player);
    walk_say(walk, player, "n1",
             slice_from_str(arena_printf(
                 walk->arena,
                 "n1 NOTIFY SET STATUS (SELECTED%s (MessageNew%s MessageExpunge FlagChange%s)) "
                 "(%s (MessageNew MessageExpunge FlagChange%s MailboxName%s))\r\n",
                 player->delayed ? "-DELAYED" : "", fetches ? " (UID FLAGS)" : "", changes,
                 player->reader == 0 ? "PERSONAL" : "SUBTREE \"Other Users\"", changes,
                 player->reader == 0 ? " SubscriptionChange" : "")));
    (void) walk_outcome(walk, player, true);
    for (size_t i = 0; i < player->n_heard; i++)
        player->heard[i].messages = UINT32_MAX; /* all of them must be told */
    hear(walk, player, false);
    check_all(walk, player);
}

void walk_notify_before(struct walk *walk, struct player *player)
{
    struct heard *heard;

    if (!player->listens || player->view.mailbox == NULL)
        return;
    heard =
        find(player, slice_from_str(walk_told_name(walk, player, player->view.mailbox->name)));
    if (heard != NULL)
        heard->is_stale = oracle_view_has_withheld(&player->view);
}

void walk_notify_heard(struct walk *walk, struct player *player, bool own)
{
    if (own)
        know_all(walk, player);
    hear(walk, player, own);
    if (player->view.mailbox != NULL && !player->view.mailbox->deleted &&
        !oracle_view_has_withheld(&player->view))
        know(walk, player, player->view.mailbox);
    for (size_t i = 0; i < player->n_heard; i++)
        player->heard[i].is_stale = false;
    check_all(walk, player);
}
