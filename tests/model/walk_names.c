/*
 * walk_names.c - steps on mailboxes: CREATE, DELETE, RENAME, SUBSCRIBE, LIST, LSUB, STATUS.
 */
#include "walk_steps.h"

void walk_create(struct walk *walk, struct player *player)
{
    const char *name = steps_name(walk);

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

/* A name that only stands above others: \NonExistent, and \Noselect to who knows no better. */
static bool is_nothing(const struct imap_list_data *list)
{
    return has_attr(list, "\\NonExistent") || has_attr(list, "\\Noselect");
}

/* How often a name that is there was listed. */
static size_t times_listed(const struct walk *walk, enum imap_data data, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < walk->n_answers; i++)
        if (walk->answers[i].data == data &&
            slice_eq(walk->answers[i].list.name, slice_from_str(name)) &&
            !is_nothing(&walk->answers[i].list))
            n++;
    return n;
}

static void check_list(struct walk *walk, struct player *player, bool top_only)
{
    for (size_t i = 0; i < walk->oracle->n; i++) {
        const struct oracle_mailbox *mailbox = walk->oracle->mailboxes[i];
        size_t want = !top_only || strchr(mailbox->name, '/') == NULL;

        if (!mailbox->deleted && times_listed(walk, IMAP_DATA_LIST, mailbox->name) != want)
            walk_fail(walk, player, "%s is not listed %zu times", mailbox->name, want);
    }
    for (size_t i = 0; i < walk->n_answers; i++) {
        const struct imap_response *answer = &walk->answers[i];
        const char *name;

        if (answer->data != IMAP_DATA_LIST)
            continue;
        name = arena_cstr(walk->arena, answer->list.name);
        if (oracle_find(walk->oracle, name) == NULL && !is_nothing(&answer->list))
            walk_fail(walk, player, "%s is listed and is not there", name);
        if (has_attr(&answer->list, "\\HasChildren") != oracle_has_below(walk->oracle, name))
            walk_fail(walk, player, "%s and its children", name);
    }
}

static void check_lsub(struct walk *walk, struct player *player)
{
    size_t n = 0;

    for (size_t i = 0; i < walk->oracle->n_names; i++) {
        const struct oracle_name *name = &walk->oracle->names[i];
        size_t told = times_listed(walk, IMAP_DATA_LSUB, name->name);

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

    steps_say(walk, player, "%s", commands[kind]);
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
        values->unseen != oracle_count(mailbox, 0, IMAP_SEEN) ||
        values->deleted != oracle_count(mailbox, IMAP_DELETED, 0) ||
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
    struct oracle_mailbox *mailbox = oracle_find(walk->oracle, name);
    bool told = false;

    steps_say(walk, player,
              "STATUS %s (MESSAGES UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE HIGHESTMODSEQ%s)",
              name, player->rev2 ? "" : " RECENT");
    if (walk_was_ended(walk, player))
        return;
    (void) walk_outcome(walk, player, mailbox != NULL);
    for (size_t i = 0; i < walk->n_answers; i++) {
        const struct imap_response *answer = &walk->answers[i];

        if (answer->data != IMAP_DATA_MBOX_STATUS)
            continue;
        told = true;
        if (mailbox == NULL || !slice_eq(answer->mbox_status.name, slice_from_str(name)))
            walk_fail(walk, player, "STATUS of another mailbox");
        check_status(walk, player, mailbox, &answer->mbox_status);
    }
    if (told != (mailbox != NULL))
        walk_fail(walk, player, "STATUS without an answer");
    walk_judge(walk, player, true);
}
