/*
 * walk_messages.c - steps on messages: FETCH, STORE, COPY, MOVE, EXPUNGE, SEARCH, APPEND.
 */
#include "walk_steps.h"

#define COPY_MAX 60u /* messages in a mailbox beyond which none are added */

/* The picture's message of a message that is there, told during this command. */
static const struct picture_message *heard_of(struct walk *walk, struct player *player,
                                              const struct oracle_message *message)
{
    uint32_t seq = oracle_view_seq(&player->view, message->uid);
    const struct picture_message *drawn = &player->picture.messages[seq - 1];

    if (drawn->heard != player->picture.now)
        walk_fail(walk, player, "nothing was told of uid %u", message->uid);
    return drawn;
}

/* As this player sees them. */
static uint32_t flags_of(const struct player *player, const struct oracle_message *message)
{
    return oracle_flags(player->view.mailbox, message, player->reader);
}

/* ---- FETCH ---- */

static void check_heard(struct walk *walk, struct player *player, const struct picked *picked)
{
    for (size_t i = 0; i < picked->n; i++) {
        const struct picture_message *drawn = heard_of(walk, player, picked->messages[i]);

        if (picked->uid && drawn->uid == 0)
            walk_fail(walk, player, "UID FETCH without UID");
    }
    for (size_t i = 0; i < picked->n_kept; i++) /* by number, and gone: told all the same */
        (void) heard_of(walk, player, picked->kept[i]);
}

void walk_fetch(struct walk *walk, struct player *player)
{
    static const char *const items[] = {"(UID FLAGS)",
                                        "FLAGS",
                                        "FAST",
                                        "(RFC822.SIZE UID INTERNALDATE)",
                                        "(ENVELOPE FLAGS)",
                                        "(UID FLAGS MODSEQ)"};
    uint32_t item = walk_random(walk, COUNT(items) - !player->condstore);
    struct picked picked;

    if (player->view.mailbox == NULL)
        return;
    steps_pick(walk, player, &picked);
    steps_say(walk, player, "%sFETCH %s %s", picked.uid ? "UID " : "", picked.text,
              items[item]);
    if (walk_was_ended(walk, player))
        return;
    (void) walk_outcome(walk, player, !picked.has_moved);
    walk_judge(walk, player, picked.uid);
    check_heard(walk, player, &picked);
}

void walk_fetch_all(struct walk *walk, struct player *player)
{
    steps_say(walk, player, "UID FETCH 1:* (FLAGS)");
    if (walk_was_ended(walk, player))
        return;
    (void) walk_outcome(walk, player, true);
    walk_judge(walk, player, true);
    for (uint32_t i = 0; i < player->view.n; i++)
        if (player->picture.messages[i].uid == 0 || !player->picture.messages[i].has_flags)
            walk_fail(walk, player, "message %u was left out", i + 1);
}

/* Whose text is in this answer, by the numbers as they were before the command. */
static void check_bodies(struct walk *walk, struct player *player, const struct picked *picked)
{
    size_t n = 0;

    for (size_t i = 0; i < walk->n_answers; i++) {
        const struct imap_response *answer = &walk->answers[i];

        for (size_t k = 0; answer->data == IMAP_DATA_FETCH && k < answer->fetch.n; k++) {
            const struct imap_fetch_data *item = &answer->fetch.items[k];
            uint32_t seq;

            if (item->kind != IMAP_FETCH_BODY_SECTION)
                continue;
            seq = answer->by_uid ? oracle_view_seq(&player->view, answer->number)
                                 : answer->number;
            if (seq == 0 || seq > player->view.n ||
                !slice_eq(item->bytes,
                          steps_message(walk, player->view.numbered[seq - 1]->marker)))
                walk_fail(walk, player, "message %u has another's text", answer->number);
            n++;
        }
    }
    if (n != picked->n + picked->n_kept)
        walk_fail(walk, player, "%zu texts were told, of %zu", n, picked->n + picked->n_kept);
}

void walk_fetch_body(struct walk *walk, struct player *player)
{
    bool peek = walk->may_fail || walk_random(walk, 2) == 0;
    struct picked picked;

    if (player->view.mailbox == NULL)
        return;
    steps_pick(walk, player, &picked);
    steps_say(walk, player, "%sFETCH %s BODY%s[]", picked.uid ? "UID " : "", picked.text,
              peek ? ".PEEK" : "");
    if (walk_was_ended(walk, player))
        return;
    (void) walk_outcome(walk, player, !picked.has_moved);
    check_bodies(walk, player, &picked);
    for (size_t i = 0; i < picked.n && !peek && !player->view.read_only; i++)
        oracle_set_flags(player->view.mailbox, picked.messages[i], player->reader,
                         flags_of(player, picked.messages[i]) | IMAP_SEEN);
    walk_judge(walk, player, picked.uid);
    check_heard(walk, player, &picked);
}

/* ---- STORE ---- */

struct store_step {
    struct picked picked;
    char op; /* '+', '-', ' ' */
    bool silent;
    uint32_t flags, settable;
    struct condition condition;
};

/* What becomes of flags: those that may not be touched stay. */
static uint32_t stored(const struct store_step *step, uint32_t flags)
{
    uint32_t some = step->flags & step->settable;

    if (step->op == '+')
        return flags | some;
    return step->op == '-' ? flags & ~some : (flags & ~step->settable) | some;
}

/* RFC 4314 4: it fails if nothing of it is permitted. */
static bool is_permitted(const struct store_step *step)
{
    if (step->op == ' ')
        return step->settable != 0;
    return step->flags == 0 || (step->flags & step->settable) != 0;
}

/* A client that says .SILENT works the new flags out itself. */
static void draw_silent(struct player *player, const struct store_step *step,
                        const struct oracle_message *message)
{
    struct picture_message *drawn =
        &player->picture.messages[oracle_view_seq(&player->view, message->uid) - 1];

    if (!drawn->has_flags && step->op != ' ')
        return;
    drawn->flags = stored(step, drawn->flags);
}

static void say_store(struct walk *walk, struct player *player, const struct store_step *step)
{
    steps_say(walk, player, "%sSTORE %s%s %.*sFLAGS%s (%s)", step->picked.uid ? "UID " : "",
              step->picked.text, step->condition.text, step->op != ' ', &step->op,
              step->silent ? ".SILENT" : "", steps_flags_text(walk, step->flags));
}

void walk_store(struct walk *walk, struct player *player)
{
    struct oracle_mailbox *mailbox = player->view.mailbox;
    struct store_step step = {.op = "+- "[walk_random(walk, 3)],
                              .silent = walk_random(walk, 3) == 0,
                              .flags = steps_flags(walk)};
    bool done;

    if (mailbox == NULL)
        return;
    steps_pick(walk, player, &step.picked);
    step.settable = oracle_settable(mailbox, player->reader);
    step.condition = steps_condition(walk, player, &step.picked);
    say_store(walk, player, &step);
    if (walk_was_ended(walk, player))
        return;
    done = walk_outcome(
        walk, player, !player->view.read_only && !step.picked.has_gone && is_permitted(&step));
    if (done)
        steps_check_modified(walk, player, &step.picked, &step.condition);
    for (size_t i = 0; i < step.picked.n && done; i++) {
        struct oracle_message *message = step.picked.messages[i];

        if (steps_is_refused(player, &step.condition, message))
            continue;
        if (step.silent)
            draw_silent(player, &step, message);
        oracle_set_flags(mailbox, message, player->reader,
                         stored(&step, flags_of(player, message)));
    }
    walk_judge(walk, player, step.picked.uid);
    if (done && !step.silent)
        check_heard(walk, player, &step.picked);
}

/* ---- COPY and MOVE ---- */

static void check_copyuid(struct walk *walk, struct player *player,
                          struct oracle_mailbox *target, const struct picked *picked,
                          uint32_t first_uid)
{
    struct slice args = walk_code(walk, "COPYUID"), src, dst;
    size_t a = slice_find(args, ' '), b = slice_rfind(args, ' ');
    uint32_t *from, *to;
    uint64_t uidvalidity;

    if (picked->n == 0) {
        if (args.len > 0)
            walk_fail(walk, player, "COPYUID of nothing");
        return;
    }
    if (a >= b || !slice_to_u64(slice_sub(args, 0, a), &uidvalidity))
        walk_fail(walk, player, "no COPYUID");
    src = slice_sub(args, a + 1, b - a - 1);
    dst = slice_from(args, b + 1);
    if (walk_expand(walk, src, &from) != picked->n || walk_expand(walk, dst, &to) != picked->n)
        walk_fail(walk, player, "COPYUID is not of %zu messages", picked->n);
    for (size_t i = 0; i < picked->n; i++)
        if (from[i] != picked->messages[i]->uid || to[i] != first_uid + i)
            walk_fail(walk, player, "COPYUID: %u to %u, should be %u to %u", from[i], to[i],
                      picked->messages[i]->uid, first_uid + (uint32_t) i);
    walk_note_uidvalidity(walk, player, target, uidvalidity);
}

/* RFC 6851 4.3: COPYUID comes before the EXPUNGEs. */
static void check_order(struct walk *walk, struct player *player)
{
    bool expunged = false;

    for (size_t i = 0; i < walk->n_answers; i++) {
        expunged = expunged || walk->answers[i].data == IMAP_DATA_EXPUNGE ||
                   walk->answers[i].data == IMAP_DATA_VANISHED;
        if (expunged && slice_eq(walk->answers[i].code, SLICE("COPYUID")))
            walk_fail(walk, player, "COPYUID behind EXPUNGE");
    }
}

/* RFC 6851 4.2: what MOVE needs besides. */
static bool may_move(const struct player *player)
{
    return !player->view.read_only && oracle_may(player->view.mailbox, player->reader, 't') &&
           oracle_may(player->view.mailbox, player->reader, 'e');
}

static void copy_all(struct walk *walk, struct player *player, struct oracle_mailbox *target,
                     const struct picked *picked, bool move)
{
    for (size_t i = 0; i < picked->n; i++)
        oracle_copy_annotations(picked->messages[i], target, player->reader,
                                oracle_append(walk->oracle, target, player->reader,
                                              flags_of(player, picked->messages[i]),
                                              picked->messages[i]->marker));
    for (size_t i = 0; i < picked->n && move; i++)
        oracle_move_away(player->view.mailbox, picked->messages[i]);
}

void walk_copy(struct walk *walk, struct player *player)
{
    const char *name = steps_name(walk);
    struct oracle_mailbox *target = oracle_find_for(walk->oracle, player->reader, name);
    bool move = walk_random(walk, 2) == 0;
    struct picked picked;
    uint32_t first_uid;

    if (player->view.mailbox == NULL || (target != NULL && target->n > COPY_MAX && !move))
        return;
    steps_pick(walk, player, &picked);
    steps_say(walk, player, "%s%s %s %s", picked.uid ? "UID " : "", move ? "MOVE" : "COPY",
              picked.text, walk_name(walk, player, name));
    if (walk_was_ended(walk, player))
        return;
    if (walk_outcome(walk, player,
                     target != NULL && !picked.has_gone && (!move || may_move(player)) &&
                         oracle_may(target, player->reader, 'i'))) {
        first_uid = target->uidnext;
        copy_all(walk, player, target, &picked, move);
        check_copyuid(walk, player, target, &picked, first_uid);
        if (move)
            check_order(walk, player);
    } else if (target == NULL && !picked.has_gone && !walk->may_fail &&
               !(move && player->view.read_only) &&
               !slice_eq(walk->tagged->code, SLICE("TRYCREATE"))) {
        walk_fail(walk, player, "no [TRYCREATE]");
    }
    walk_judge(walk, player, true);
}

/* ---- EXPUNGE ---- */

void walk_expunge(struct walk *walk, struct player *player)
{
    struct oracle_mailbox *mailbox = player->view.mailbox;
    bool some = walk_random(walk, 2) == 0, done;
    struct picked picked = {0};

    if (mailbox == NULL)
        return;
    if (some) {
        do
            steps_pick(walk, player, &picked);
        while (!picked.uid);
        steps_say(walk, player, "UID EXPUNGE %s", picked.text);
    } else {
        steps_say(walk, player, "EXPUNGE");
    }
    if (walk_was_ended(walk, player))
        return;
    done = walk_outcome(walk, player,
                        !player->view.read_only && oracle_may(mailbox, player->reader, 'e'));
    for (size_t i = 0; i < picked.n && done; i++)
        if ((picked.messages[i]->flags & IMAP_DELETED) != 0)
            oracle_expunge(mailbox, picked.messages[i]);
    for (size_t i = mailbox->n; done && !some && i > 0; i--)
        if ((mailbox->messages[i - 1]->flags & IMAP_DELETED) != 0)
            oracle_expunge(mailbox, mailbox->messages[i - 1]);
    walk_judge(walk, player, true);
}

/* ---- SEARCH ---- */

static size_t read_hits(struct walk *walk, struct player *player, uint32_t **out)
{
    for (size_t i = 0; i < walk->n_answers; i++) {
        const struct imap_response *answer = &walk->answers[i];

        if (answer->data == IMAP_DATA_SEARCH && !player->rev2) {
            *out = ARENA_ARRAY(walk->arena, uint32_t, answer->search.n);
            if (answer->search.n > 0)
                memcpy(*out, answer->search.numbers, answer->search.n * sizeof(uint32_t));
            return answer->search.n;
        }
        if (answer->data == IMAP_DATA_ESEARCH && player->rev2) {
            size_t n = 0;

            for (size_t k = 0; k < answer->esearch.all.n; k++) {
                const struct seq_range *range = &answer->esearch.all.ranges[k];

                n += range->last - range->first + 1;
            }
            *out = ARENA_ARRAY(walk->arena, uint32_t, n);
            n = 0;
            for (size_t k = 0; k < answer->esearch.all.n; k++)
                for (uint32_t number = answer->esearch.all.ranges[k].first;
                     number <= answer->esearch.all.ranges[k].last; number++)
                    (*out)[n++] = number;
            return n;
        }
    }
    walk_fail(walk, player, "no answer to SEARCH");
}

void steps_search(struct walk *walk, struct player *player, const char *key, hits_fn *hits_it,
                  const void *ctx)
{
    bool uid = player->uidonly || walk_random(walk, 2) == 0;
    uint32_t *hits;
    size_t n, at = 0;

    steps_say(walk, player, "%sSEARCH %s", uid ? "UID " : "", key);
    if (walk_was_ended(walk, player))
        return;
    (void) walk_outcome(walk, player, true);
    n = read_hits(walk, player, &hits);
    for (uint32_t i = 0; i < player->view.n; i++) {
        const struct oracle_message *message = player->view.numbered[i];

        if (message->gone || !hits_it(player, message, ctx))
            continue;
        if (at == n || hits[at++] != (uid ? message->uid : i + 1))
            walk_fail(walk, player, "SEARCH misses uid %u", message->uid);
    }
    if (at != n)
        walk_fail(walk, player, "SEARCH found %zu too many", n - at);
    walk_judge(walk, player, uid);
}

struct search_row {
    const char *key;
    uint32_t with, without;
};

static bool has_flags(const struct player *player, const struct oracle_message *message,
                      const void *ctx)
{
    const struct search_row *row = ctx;
    uint32_t flags = flags_of(player, message);

    return (flags & row->with) == row->with && (flags & row->without) == 0;
}

void walk_search(struct walk *walk, struct player *player)
{
    static const struct search_row rows[] = {
        {"ALL",                   0,                 0                        },
        {"SEEN",                  IMAP_SEEN,         0                        },
        {"UNSEEN",                0,                 IMAP_SEEN                },
        {"DELETED",               IMAP_DELETED,      0                        },
        {"KEYWORD k0",            ORACLE_KEYWORD(0), 0                        },
        {"UNKEYWORD k1 FLAGGED",  IMAP_FLAGGED,      ORACLE_KEYWORD(1)        },
        {"NOT SEEN NOT ANSWERED", 0,                 IMAP_SEEN | IMAP_ANSWERED},
    };
    const struct search_row *row = &rows[walk_random(walk, COUNT(rows))];

    if (player->view.mailbox != NULL)
        steps_search(walk, player, row->key, has_flags, row);
}

/* ---- APPEND ---- */

static void check_appenduid(struct walk *walk, struct player *player,
                            struct oracle_mailbox *mailbox, uint32_t first_uid, uint32_t n)
{
    struct slice args = walk_code(walk, "APPENDUID");
    size_t space = slice_find(args, ' ');
    uint64_t uidvalidity;
    uint32_t *uids;

    if (space == args.len || !slice_to_u64(slice_sub(args, 0, space), &uidvalidity) ||
        walk_expand(walk, slice_from(args, space + 1), &uids) != n)
        walk_fail(walk, player, "no APPENDUID of %u messages: %.*s", n, SLICE_ARG(args));
    for (uint32_t i = 0; i < n; i++)
        if (uids[i] != first_uid + i)
            walk_fail(walk, player, "APPENDUID %u, should be %u", uids[i], first_uid + i);
    walk_note_uidvalidity(walk, player, mailbox, uidvalidity);
}

void walk_append(struct walk *walk, struct player *player)
{
    const char *name = steps_name(walk);
    struct oracle_mailbox *mailbox = oracle_find_for(walk->oracle, player->reader, name);
    uint32_t n = walk_random(walk, 4) == 0 ? 1 + walk_random(walk, 3) : 1, flags[4];
    struct annotating annotating[4];
    bool may_annotate = true;
    const char *text = arena_printf(walk->plan, "APPEND %s", walk_name(walk, player, name));

    if (mailbox != NULL && mailbox->n > COPY_MAX)
        return;
    for (uint32_t i = 0; i < n; i++) {
        struct slice message = steps_message(walk, walk->marker + 1 + i);

        flags[i] = steps_flags(walk);
        annotating[i] = (struct annotating){.text = ""};
        if (walk_random(walk, 4) == 0)
            annotating[i] = steps_annotating(walk);
        may_annotate = may_annotate && mailbox != NULL &&
                       steps_may_annotate(player, mailbox, &annotating[i]);
        text = arena_printf(walk->plan, "%s (%s)%s {%zu+}\r\n%.*s", text,
                            steps_flags_text(walk, flags[i]), annotating[i].text, message.len,
                            SLICE_ARG(message));
    }
    steps_say(walk, player, "%s", text);
    if (mailbox == NULL || !oracle_may(mailbox, player->reader, 'i')) {
        /* refused before it is a command: nothing is told */
        if (walk->n_answers != 1 || walk->tagged == NULL ||
            !slice_eq(walk->tagged->code,
                      mailbox == NULL ? SLICE("TRYCREATE") : SLICE("NOPERM")))
            walk_fail(walk, player, "should be refused");
        return;
    }
    if (walk_was_ended(walk, player))
        return;
    if (walk_outcome(walk, player, may_annotate)) {
        uint32_t first_uid = mailbox->uidnext;

        for (uint32_t i = 0; i < n; i++)
            steps_annotate(
                player, mailbox,
                oracle_append(walk->oracle, mailbox, player->reader, flags[i], ++walk->marker),
                &annotating[i]);
        check_appenduid(walk, player, mailbox, first_uid, n);
    }
    walk_judge(walk, player, true);
}
