/*
 * walk_names.c - steps on mailboxes: CREATE, DELETE, RENAME, SUBSCRIBE, LIST, LSUB, STATUS, and
 * the giving of rights. What changes the list of mailboxes is the owner's to do.
 */
#include "walk_steps.h"

#define OTHERS "Other Users/" RIG_OWNER

/* ---- names ---- */

const char *walk_told_name(struct walk *walk, const struct player *player, const char *name)
{
    if (player->reader == 0)
        return name;
    return strcmp(name, "INBOX") == 0 ? OTHERS : arena_printf(walk->plan, OTHERS "/%s", name);
}

const char *walk_name(struct walk *walk, const struct player *player, const char *name)
{
    return arena_printf(walk->plan, "\"%s\"", walk_told_name(walk, player, name));
}

const char *walk_owner_name(struct walk *walk, const struct player *player, struct slice told)
{
    struct slice others = SLICE(OTHERS);

    if (player->reader == 0)
        return arena_cstr(walk->arena, told);
    if (slice_eq(told, others))
        return "INBOX";
    if (!slice_starts(told, SLICE(OTHERS "/")))
        return "";
    return arena_cstr(walk->arena, slice_from(told, others.len + 1));
}

/* ---- the owner's ---- */

void walk_create(struct walk *walk, struct player *player)
{
    const char *name = steps_name(walk);

    if (player->reader != 0)
        return;
    steps_say(walk, player, "CREATE %s", name);
    if (walk_was_ended(walk, player))
        return;
    if (walk_outcome(walk, player, oracle_find(walk->oracle, name) == NULL))
        (void) oracle_create(walk->oracle, name);
    walk_judge(walk, player, true);
}

void walk_delete(struct walk *walk, struct player *player)
{
    const char *name = steps_name(walk);
    struct oracle_mailbox *mailbox = oracle_find(walk->oracle, name);

    if (player->reader != 0)
        return;
    steps_say(walk, player, "DELETE %s", name);
    if (walk_was_ended(walk, player))
        return;
    if (walk_outcome(walk, player, mailbox != NULL && strcmp(name, "INBOX") != 0)) {
        (void) oracle_delete(walk->oracle, name);
        if (player->view.mailbox == mailbox)
            oracle_view_close(&player->view);
    }
    walk_judge(walk, player, true);
}

void walk_rename(struct walk *walk, struct player *player)
{
    const char *from = steps_name(walk), *to = steps_name(walk);
    bool done;

    if (player->reader != 0)
        return;
    steps_say(walk, player, "RENAME %s %s", from, to);
    if (walk_was_ended(walk, player))
        return;
    if (walk->tagged == NULL)
        walk_fail(walk, player, "no tagged answer");
    done = walk->tagged->cond == IMAP_OK;
    if (!(walk->may_fail && !done) && oracle_rename(walk->oracle, from, to) != done)
        walk_fail(walk, player, "should have %s", done ? "failed" : "succeeded");
    walk_judge(walk, player, true);
}

void walk_subscribe(struct walk *walk, struct player *player)
{
    const char *name = steps_name(walk);
    bool on = walk_random(walk, 2) == 0;

    if (player->reader != 0)
        return;
    steps_say(walk, player, "%s %s", on ? "SUBSCRIBE" : "UNSUBSCRIBE", name);
    if (walk_was_ended(walk, player))
        return;
    if (walk_outcome(walk, player, true))
        oracle_name(walk->oracle, name)->subscribed = on;
    walk_judge(walk, player, true);
}

/* ---- LIST and LSUB ---- */

static bool has_attr(const struct imap_list_data *list, const char *attr)
{
    for (size_t i = 0; i < list->attrs.n; i++)
        if (slice_eq_nocase(list->attrs.words[i], slice_from_str(attr)))
            return true;
    return false;
}

/* A name that only stands above others: \NonExistent, and \Noselect to who knows no better. So
 * is what may not be read. */
static bool is_nothing(const struct imap_list_data *list)
{
    return has_attr(list, "\\NonExistent") || has_attr(list, "\\Noselect");
}

/* How often a name was listed; selectable: as one that SELECT takes. */
static size_t times_listed(const struct walk *walk, enum imap_data data, const char *name,
                           bool selectable)
{
    size_t n = 0;

    for (size_t i = 0; i < walk->n_answers; i++)
        if (walk->answers[i].data == data &&
            slice_eq(walk->answers[i].list.name, slice_from_str(name)) &&
            !(selectable && is_nothing(&walk->answers[i].list)))
            n++;
    return n;
}

static size_t times_listed_to(struct walk *walk, const struct player *player,
                              const struct oracle_mailbox *mailbox, bool selectable)
{
    return times_listed(walk, IMAP_DATA_LIST, walk_told_name(walk, player, mailbox->name),
                        selectable);
}

/* Others see everything of the account below its INBOX. */
static bool has_children(const struct walk *walk, const struct player *player, const char *name)
{
    const struct oracle *oracle = walk->oracle;

    if (player->reader == 0 || strcmp(name, "INBOX") != 0)
        return oracle_has_below(oracle, player->reader, name);
    for (size_t i = 0; i < oracle->n; i++)
        if (!oracle->mailboxes[i]->deleted && strcmp(oracle->mailboxes[i]->name, name) != 0 &&
            oracle_may(oracle->mailboxes[i], player->reader, 'l'))
            return true;
    return false;
}

static void check_list(struct walk *walk, struct player *player, bool top_only)
{
    for (size_t i = 0; i < walk->oracle->n; i++) {
        const struct oracle_mailbox *mailbox = walk->oracle->mailboxes[i];
        size_t seen = oracle_may(mailbox, player->reader, 'l') &&
                      (!top_only || strchr(mailbox->name, '/') == NULL);
        size_t want = seen && oracle_may(mailbox, player->reader, 'r');

        if (mailbox->deleted)
            continue;
        if (times_listed_to(walk, player, mailbox, true) != want)
            walk_fail(walk, player, "%s is not listed %zu times", mailbox->name, want);
        if (seen != 0 && times_listed_to(walk, player, mailbox, false) != 1)
            walk_fail(walk, player, "%s is not listed once", mailbox->name);
    }
    for (size_t i = 0; i < walk->n_answers; i++) {
        const struct imap_response *answer = &walk->answers[i];
        const char *name;

        if (answer->data != IMAP_DATA_LIST)
            continue;
        name = walk_owner_name(walk, player, answer->list.name);
        if (name[0] == '\0')
            continue;
        if (oracle_find_for(walk->oracle, player->reader, name) == NULL &&
            !is_nothing(&answer->list))
            walk_fail(walk, player, "%s is listed and is not there", name);
        if (has_attr(&answer->list, "\\HasChildren") != has_children(walk, player, name))
            walk_fail(walk, player, "%s and its children", name);
    }
}

static void check_lsub(struct walk *walk, struct player *player)
{
    size_t n = 0;

    for (size_t i = 0; i < walk->oracle->n_names; i++) {
        const struct oracle_name *name = &walk->oracle->names[i];
        size_t told = times_listed(walk, IMAP_DATA_LSUB, name->name, true);

        if (told != name->subscribed)
            walk_fail(walk, player, "%s is told %zu times", name->name, told);
        n += told;
    }
    for (size_t i = 0; i < walk->n_answers; i++)
        n -= walk->answers[i].data == IMAP_DATA_LSUB;
    if (n != 0)
        walk_fail(walk, player, "LSUB of other names");
}

void walk_list(struct walk *walk, struct player *player)
{
    uint32_t kind = walk_random(walk, player->rev2 ? 2 : 3);
    static const char *const commands[] = {"LIST \"\" *", "LIST \"\" %", "LSUB \"\" *"};

    if (player->reader != 0)
        kind = 0;
    steps_say(walk, player, "%s",
              player->reader != 0 ? "LIST \"Other Users/\" *" : commands[kind]);
    if (walk_was_ended(walk, player))
        return;
    (void) walk_outcome(walk, player, true);
    if (kind == 2)
        check_lsub(walk, player);
    else
        check_list(walk, player, kind == 1);
    walk_judge(walk, player, true);
}

/* ---- STATUS ---- */

static uint64_t bytes_of(const struct oracle_mailbox *mailbox)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < mailbox->n; i++)
        bytes += steps_message_len(mailbox->messages[i]->marker);
    return bytes;
}

/* -1: it cannot be known. */
static int64_t recent_of(const struct oracle_mailbox *mailbox)
{
    int64_t n = 0;

    for (size_t i = 0; i < mailbox->n; i++) {
        if (mailbox->messages[i]->recent_is_unknown)
            return -1;
        n += mailbox->messages[i]->recent_owner == 0;
    }
    return n;
}

static void check_status(struct walk *walk, struct player *player,
                         struct oracle_mailbox *mailbox,
                         const struct imap_mbox_status_data *told)
{
    const struct imap_status_values *values = &told->values;
    int64_t recent = recent_of(mailbox);

    if (values->messages != mailbox->n || values->uidnext != mailbox->uidnext ||
        values->unseen != oracle_count(mailbox, player->reader, 0, IMAP_SEEN) ||
        values->deleted != oracle_count(mailbox, player->reader, IMAP_DELETED, 0) ||
        values->size != bytes_of(mailbox))
        walk_fail(walk, player, "STATUS of %s is wrong", mailbox->name);
    if ((told->items & IMAP_STATUS_RECENT) != 0 && recent >= 0 &&
        values->recent != (uint64_t) recent)
        walk_fail(walk, player, "%lld messages of %s are recent", (long long) recent,
                  mailbox->name);
    walk_note_uidvalidity(walk, player, mailbox, values->uidvalidity);
    /* Of the mailbox it has selected, a session is told less while EXPUNGEs are withheld. */
    if (player->view.mailbox != mailbox)
        walk_note_highest(walk, player, mailbox, values->highestmodseq);
}

void walk_status(struct walk *walk, struct player *player)
{
    const char *name = steps_name(walk);
    struct oracle_mailbox *mailbox = oracle_find_for(walk->oracle, player->reader, name);
    bool told = false;

    if (mailbox != NULL && !oracle_may(mailbox, player->reader, 'r'))
        mailbox = NULL;
    steps_say(walk, player,
              "STATUS %s (MESSAGES UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE HIGHESTMODSEQ%s)",
              walk_name(walk, player, name), player->rev2 ? "" : " RECENT");
    if (walk_was_ended(walk, player))
        return;
    (void) walk_outcome(walk, player, mailbox != NULL);
    for (size_t i = 0; i < walk->n_answers; i++) {
        const struct imap_response *answer = &walk->answers[i];

        if (answer->data != IMAP_DATA_MBOX_STATUS)
            continue;
        told = true;
        if (mailbox == NULL || !slice_eq(answer->mbox_status.name,
                                         slice_from_str(walk_told_name(walk, player, name))))
            walk_fail(walk, player, "STATUS of another mailbox");
        check_status(walk, player, mailbox, &answer->mbox_status);
    }
    if (told != (mailbox != NULL))
        walk_fail(walk, player, "STATUS without an answer");
    walk_judge(walk, player, true);
}

/* ---- sharing ---- */

static void share_seen(struct walk *walk, struct player *player, struct oracle_mailbox *mailbox)
{
    bool on = !mailbox->shares_seen;

    steps_say(walk, player, "SETMETADATA %s (/shared/vendor/roost/sharedseen %s)",
              mailbox->name, on ? "\"true\"" : "NIL");
    if (walk_was_ended(walk, player))
        return;
    if (walk_outcome(walk, player, true))
        oracle_share_seen(mailbox, on);
    walk_judge(walk, player, true);
}

static void give_rights(struct walk *walk, struct player *player,
                        struct oracle_mailbox *mailbox, unsigned reader, const char *rights)
{
    static const char *const users[ORACLE_READERS] = {RIG_OWNER, "David", "Chris"};

    steps_say(walk, player, "SETACL %s %s \"%s\"", mailbox->name, users[reader], rights);
    if (walk_was_ended(walk, player))
        return;
    if (walk_outcome(walk, player, true))
        (void) snprintf(mailbox->rights[reader], sizeof(mailbox->rights[reader]), "%s", rights);
    walk_judge(walk, player, true);
}

static void give_some(struct walk *walk, struct player *player, struct oracle_mailbox *mailbox)
{
    unsigned reader = 1 + walk_random(walk, ORACLE_READERS - 1), most = walk_random(walk, 4);
    char rights[sizeof(ORACLE_RIGHTS)];
    size_t n = 0;

    for (size_t i = 0; i < sizeof(ORACLE_RIGHTS) - 1; i++)
        if (walk_random(walk, 20) < (most > 0 ? 19u : 8u))
            rights[n++] = ORACLE_RIGHTS[i];
    rights[n] = '\0';
    give_rights(walk, player, mailbox, reader, rights);
}

void walk_share_most(struct walk *walk, struct player *owner)
{
    for (unsigned reader = 1; reader < ORACLE_READERS; reader++) {
        give_rights(walk, owner, oracle_find(walk->oracle, "INBOX"), reader, ORACLE_RIGHTS);
        give_rights(walk, owner, oracle_find(walk->oracle, "Sent"), reader, ORACLE_RIGHTS);
    }
    for (size_t i = 0; i < WALK_PLAYERS; i++)
        walk_hear(walk, &walk->players[i], &walk->players[i] == owner);
}

void walk_share(struct walk *walk, struct player *player)
{
    struct oracle_mailbox *mailbox = oracle_find(walk->oracle, steps_name(walk));

    if (player->reader != 0 || mailbox == NULL)
        return;
    if (walk_random(walk, 6) == 0)
        share_seen(walk, player, mailbox);
    else
        give_some(walk, player, mailbox);
}
