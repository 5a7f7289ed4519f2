/*
 * walk_select.c - steps about what is selected: SELECT, EXAMINE, CLOSE, UNSELECT, NOOP, IDLE.
 */
#include "walk_steps.h"

static void check_first_unseen(struct walk *walk, struct player *player)
{
    struct slice told = walk_code(walk, "UNSEEN");
    uint32_t number = 0, first = 0;

    for (uint32_t seq = (uint32_t) player->view.n; seq > 0; seq--)
        if ((oracle_flags(player->view.mailbox, player->view.numbered[seq - 1],
                          player->reader) &
             IMAP_SEEN) == 0)
            first = seq;
    if (told.len > 0 && !slice_to_u32(told, &number))
        walk_fail(walk, player, "[UNSEEN] without a number");
    if (player->uidonly && told.len > 0)
        walk_fail(walk, player, "[UNSEEN] with UIDONLY");
    if (!player->rev2 && !player->uidonly && number != first)
        walk_fail(walk, player, "the first unseen is %u, told %u", first, number);
}

static uint64_t number_of(struct walk *walk, struct player *player, const char *code)
{
    uint64_t number;

    if (!slice_to_u64(walk_code(walk, code), &number))
        walk_fail(walk, player, "no [%s]", code);
    return number;
}

/* RFC 4314 5.2 */
static bool is_read_only(const struct oracle_mailbox *mailbox, unsigned reader)
{
    return oracle_settable(mailbox, reader) == 0 && !oracle_may(mailbox, reader, 'i') &&
           !oracle_may(mailbox, reader, 'e') && !oracle_may(mailbox, reader, 'n');
}

/* RFC 5257 4.1 */
static void check_annotations_code(struct walk *walk, struct player *player)
{
    struct slice told = walk_code(walk, "ANNOTATIONS");
    uint32_t number;

    if (player->examines ? !slice_eq(told, SLICE("READ-ONLY")) : !slice_to_u32(told, &number))
        walk_fail(walk, player, "[ANNOTATIONS %.*s]", SLICE_ARG(told));
}

/* " (ANNOTATE QRESYNC (...))", or some of it */
static const char *parameters(struct walk *walk, const struct player *player, bool resync,
                              bool annotates)
{
    const char *first = annotates ? "ANNOTATE" : "";
    const char *second = resync ? replica_parameter(walk, player) : "";

    if (!annotates && !resync)
        return "";
    return arena_printf(walk->plan, " (%s%s%s)", first, annotates && resync ? " " : "", second);
}

void walk_select_name(struct walk *walk, struct player *player, const char *name, bool examine)
{
    struct oracle_mailbox *mailbox = oracle_find_for(walk->oracle, player->reader, name);
    bool resync = player->qresync && player->replica.mailbox != NULL, done;
    bool annotates = walk_random(walk, 2) == 0;

    if (mailbox != NULL && !oracle_may(mailbox, player->reader, 'r'))
        mailbox = NULL;
    steps_say(walk, player, "%s %s%s", examine ? "EXAMINE" : "SELECT",
              walk_name(walk, player, name), parameters(walk, player, resync, annotates));
    if (walk_was_ended(walk, player))
        return;
    done = walk_outcome(walk, player, mailbox != NULL);
    picture_clear(&player->picture);
    oracle_view_close(&player->view);
    player->examines = examine;
    player->annotates = annotates;
    if (done)
        oracle_view_open(&player->view, mailbox,
                         examine || is_read_only(mailbox, player->reader), ++walk->selections);
    walk_judge(walk, player, false);
    if (!done)
        return;
    check_first_unseen(walk, player);
    check_annotations_code(walk, player);
    walk_note_uidvalidity(walk, player, mailbox, number_of(walk, player, "UIDVALIDITY"));
    walk_note_highest(walk, player, mailbox, number_of(walk, player, "HIGHESTMODSEQ"));
    if (number_of(walk, player, "UIDNEXT") != mailbox->uidnext)
        walk_fail(walk, player, "UIDNEXT is not %u", mailbox->uidnext);
    if (resync)
        replica_resync(walk, player);
    if (player->qresync && (!resync || walk_random(walk, 2) == 0))
        replica_take(player, mailbox, number_of(walk, player, "HIGHESTMODSEQ"));
}

void walk_select(struct walk *walk, struct player *player)
{
    walk_select_name(walk, player, steps_name(walk), walk_random(walk, 4) == 0);
    walk_hear(walk, player, true);
    if (player->view.mailbox != NULL && walk_random(walk, 2) == 0)
        walk_fetch_all(walk, player);
}

void walk_unselect(struct walk *walk, struct player *player)
{
    bool close = walk_random(walk, 2) == 0, done, expunges;

    if (player->view.mailbox == NULL)
        return;
    expunges = close && !player->view.read_only &&
               oracle_may(player->view.mailbox, player->reader, 'e');
    steps_say(walk, player, close ? "CLOSE" : "UNSELECT");
    if (walk_was_ended(walk, player))
        return;
    done = walk_outcome(walk, player, true);
    if (!done)
        return; /* still selected, and nothing told */
    for (size_t i = player->view.mailbox->n; expunges && i > 0; i--)
        if ((player->view.mailbox->messages[i - 1]->flags & IMAP_DELETED) != 0)
            oracle_expunge(player->view.mailbox, player->view.mailbox->messages[i - 1]);
    oracle_view_close(&player->view);
    picture_clear(&player->picture);
    walk_judge(walk, player, false);
}

void walk_noop(struct walk *walk, struct player *player)
{
    steps_say(walk, player, "%s",
              player->view.mailbox != NULL && walk_random(walk, 4) == 0 ? "CHECK" : "NOOP");
    if (walk_was_ended(walk, player))
        return;
    (void) walk_outcome(walk, player, true);
    walk_judge(walk, player, true);
}

void walk_idle(struct walk *walk, struct player *player)
{
    steps_say(walk, player, "IDLE");
    if (walk_was_ended(walk, player))
        return;
    if (walk->n_answers == 0 || walk->tagged != NULL ||
        walk->answers[walk->n_answers - 1].data != IMAP_DATA_CONTINUE)
        walk_fail(walk, player, "IDLE does not go on");
    (void) snprintf(player->idle_tag, sizeof(player->idle_tag), "s%u", player->picture.now);
    player->idles = true;
    walk_judge(walk, player, true);
}

void walk_done(struct walk *walk, struct player *player)
{
    char tag[16];

    memcpy(tag, player->idle_tag, sizeof(tag));
    arena_reset(walk->arena);
    walk_say(walk, player, tag, SLICE("DONE\r\n"));
    if (walk_was_ended(walk, player))
        return;
    player->idles = false;
    (void) walk_outcome(walk, player, true);
    walk_judge(walk, player, true);
}

/* A NOOP with a FETCH by number behind it in the buffer: no EXPUNGE may come between (RFC 9051
 * 7.5.1). */
void walk_pipeline(struct walk *walk, struct player *player)
{
    const struct oracle_message *named;
    uint32_t seq;

    if (player->view.n == 0 || player->uidonly)
        return;
    seq = 1 + walk_random(walk, (uint32_t) player->view.n);
    named = player->view.numbered[seq - 1];
    arena_reset(walk->arena);
    walk_say(walk, player, "s2",
             slice_from_str(
                 arena_printf(walk->arena, "s1 NOOP\r\ns2 FETCH %u (UID FLAGS)\r\n", seq)));
    if (walk_was_ended(walk, player))
        return;
    (void) walk_outcome(walk, player, !(named->gone && named->moved)); /* else it is kept */
    walk_judge(walk, player, false);
    if (!named->gone && (player->picture.messages[seq - 1].heard != player->picture.now ||
                         player->picture.messages[seq - 1].uid != named->uid))
        walk_fail(walk, player, "FETCH did not tell of message %u", seq);
}
