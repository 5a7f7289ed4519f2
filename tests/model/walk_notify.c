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
    if (!heard->there) {
        heard->there = true;
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

/* RFC 5465 5.4: what lies below goes along without a word. */
static void rename_tree(struct walk *walk, struct player *player, struct slice from,
                        struct slice to)
{
    struct heard old[WALK_HEARD_MAX];
    size_t n = player->n_heard;

    memcpy(old, player->heard, sizeof(old));
    for (size_t i = 0; i < n; i++) {
        struct slice name = slice_from_str(old[i].name), rest;
        struct heard *heard = find(player, name);

        if (!old[i].there || heard == NULL || !slice_starts(name, from))
            continue;
        rest = slice_from(name, from.len);
        if (rest.len > 0 && rest.ptr[0] != '/')
            continue;
        heard->there = false;
        heard = make(walk, player,
                     slice_from_str(arena_printf(walk->arena, "%.*s%.*s", SLICE_ARG(to),
                                                 SLICE_ARG(rest))));
        heard->there = true;
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
        heard->there = false;
    else
        appear(heard);
}

static void hear_status(struct walk *walk, struct player *player,
                        const struct imap_mbox_status_data *told)
{
    struct heard *heard = find(player, told->name);
    struct oracle_mailbox *mailbox =
        oracle_find(walk->oracle, arena_cstr(walk->arena, told->name));

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
    struct heard *heard = make(walk, player, slice_from_str(mailbox->name));

    heard->there = true;
    heard->messages = (uint32_t) mailbox->n;
    heard->uidnext = mailbox->uidnext;
    heard->unseen = (uint32_t) oracle_count(mailbox, 0, IMAP_SEEN);
}

static void know_all(struct walk *walk, struct player *player)
{
    for (size_t i = 0; i < player->n_heard; i++)
        if (oracle_find(walk->oracle, player->heard[i].name) == NULL)
            player->heard[i].there = false;
    for (size_t i = 0; i < walk->oracle->n; i++) {
        struct oracle_mailbox *mailbox = walk->oracle->mailboxes[i];
        const struct heard *heard =
            mailbox->deleted ? NULL : find(player, slice_from_str(mailbox->name));

        if (!mailbox->deleted && (heard == NULL || !heard->is_stale))
            know(walk, player, mailbox);
    }
    for (size_t i = 0; i < walk->oracle->n_names; i++)
        make(walk, player, slice_from_str(walk->oracle->names[i].name))->subscribed =
            walk->oracle->names[i].subscribed;
}

static void check_counts(struct walk *walk, struct player *player,
                         const struct oracle_mailbox *mailbox)
{
    const struct heard *heard = find(player, slice_from_str(mailbox->name));

    if (heard == NULL || !heard->there)
        walk_fail(walk, player, "it has not heard of %s", mailbox->name);
    if (!is_selected(player, mailbox) &&
        (heard->messages != mailbox->n || heard->uidnext != mailbox->uidnext ||
         heard->unseen != oracle_count(mailbox, 0, IMAP_SEEN)))
        walk_fail(walk, player, "of %s it has heard of %u messages, %u unseen, uidnext %u",
                  mailbox->name, heard->messages, heard->unseen, heard->uidnext);
}

static void check_all(struct walk *walk, struct player *player)
{
    for (size_t i = 0; i < walk->oracle->n; i++)
        if (!walk->oracle->mailboxes[i]->deleted)
            check_counts(walk, player, walk->oracle->mailboxes[i]);
    for (size_t i = 0; i < player->n_heard; i++)
        if (player->heard[i].there && oracle_find(walk->oracle, player->heard[i].name) == NULL)
            walk_fail(walk, player, "%s is gone and it has not heard", player->heard[i].name);
    for (size_t i = 0; i < walk->oracle->n_names; i++) {
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

    player->listens = walk_random(walk, 3) == 0;
    player->delayed = walk_random(walk, 2) == 0;
    player->n_heard = 0;
    if (!player->listens)
        return;
    know_all(walk, player);
    walk_say(walk, player, "n1",
             slice_from_str(arena_printf(
                 walk->arena,
                 "n1 NOTIFY SET STATUS (SELECTED%s (MessageNew%s MessageExpunge FlagChange)) "
                 "(PERSONAL (MessageNew MessageExpunge FlagChange MailboxName "
                 "SubscriptionChange))\r\n",
                 player->delayed ? "-DELAYED" : "", fetches ? " (UID FLAGS)" : "")));
    (void) walk_outcome(walk, player, true);
    for (size_t i = 0; i < player->n_heard; i++)
        player->heard[i].messages = UINT32_MAX; /* all of them must be told */
    hear(walk, player, false);
    check_all(walk, player);
}

void walk_notify_before(struct player *player)
{
    struct heard *heard;

    if (!player->listens || player->view.mailbox == NULL)
        return;
    heard = find(player, slice_from_str(player->view.mailbox->name));
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
