/*
 * all_walk.c - a random walk over the mailboxes of one user who has an All (RFC 6154 2).
 *
 *     all_walk [--conflicts N] [--seed N] [--steps N]
 *
 * Some sessions append, store, copy, move, expunge, delete mailboxes and make them again;
 * others have All selected, and store, copy and move there; one of them only listens, in IDLE.
 * Each draws its mailbox from nothing but what it was told. Every few steps all sessions say
 * NOOP. Then what is in All must be what the other mailboxes but Trash hold, each message once
 * and as it is there; no UID of All may name another mail than before; and what its sessions
 * have drawn must be that. Prints the seed when it fails.
 */
#include <stdarg.h>

#include "lib/answer.h"
#include "lib/picture.h"
#include "lib/session_rig.h"
#include "store/memory/memory_engine.h"

#define PLAYERS      6u
#define BOXES        5u
#define ASK_BYTES    1024u
#define SETTLE_EVERY 6u
#define SEEDS        6u
#define STEPS        2000u
#define KEEP         60u /* more messages in All than this: move to Trash rather than append */
#define UIDS_MAX     65536u

#define HOMES    4u /* of boxes: those a message can be moved to */
#define TRASH    3u
#define ALL_FROM 3u /* players from here on have All selected */
#define LISTENER 5u

static const char *const boxes[BOXES] = {"INBOX", "Work", "Home", "Trash", "All"};

struct player {
    unsigned number;
    struct rig_session *rs;
    struct picture picture;
    bool is_selected, idles;
};

struct walk {
    uint64_t seed, random;
    unsigned step;
    struct arena *arena;
    struct rig *rig;
    struct account *account;
    struct player players[PLAYERS];
    uint32_t in_all;            /* messages, when looked at last */
    struct object_id *emailids; /* of All's uids, once seen */
    char last[ASK_BYTES + 16];
};

PRINTF_LIKE(2, 3)
static _Noreturn void fail(const struct walk *walk, const char *fmt, ...)
{
    va_list ap;

    (void) fprintf(stderr, "seed %llu step %u, last \"%s\": ", (unsigned long long) walk->seed,
                   walk->step, walk->last);
    va_start(ap, fmt);
    (void) vfprintf(stderr, fmt, ap);
    va_end(ap);
    (void) fprintf(stderr, "\n");
    abort();
}

/* xorshift64*: the same walk for the same seed everywhere. */
static uint32_t draw(struct walk *walk, uint32_t n)
{
    walk->random ^= walk->random >> 12;
    walk->random ^= walk->random << 25;
    walk->random ^= walk->random >> 27;
    return (uint32_t) ((walk->random * 0x2545f4914f6cdd1dULL) >> 33) % n;
}

/* ---- talking ---- */

/* What is told goes into the picture; the tagged answer is given back. */
static struct slice hear(struct walk *walk, struct player *player)
{
    struct slice output = arena_dup(walk->arena, rig_output(player->rs)), tagged = SLICE("");
    struct imap_response response;
    struct err err;
    size_t len;

    rig_take(player->rs, 0, rig_output(player->rs).len);
    player->picture.now++;
    for (; (len = answer_length(output)) > 0; output = slice_from(output, len)) {
        struct slice answer = slice_sub(output, 0, len);
        const char *wrong = NULL;

        if (imap_parse_response(answer, rig_session_of(player->rs)->mode, walk->arena,
                                &response, &err) != RC_OK)
            fail(walk, "not in the grammar: %.*s", SLICE_ARG(answer));
        if (slice_starts(answer, SLICE("t ")))
            tagged = slice_from(answer, 2);
        else if (player->is_selected)
            wrong = picture_draw(&player->picture, &response);
        if (wrong != NULL)
            fail(walk, "%u was told %.*s: %s", player->number, SLICE_ARG(answer), wrong);
    }
    return tagged;
}

/* Anything but OK ends the walk, unless a message was gone, or what others had to do first was
 * not done. */
PRINTF_LIKE(3, 4)
static void ask(struct walk *walk, struct player *player, const char *fmt, ...)
{
    char text[ASK_BYTES];
    struct slice said;
    va_list ap;

    va_start(ap, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (rig_is_closed(player->rs)) /* its mailbox was deleted */
        return;
    (void) snprintf(walk->last, sizeof(walk->last), "%u: %s", player->number, text);
    rig_send(player->rs, slice_from_str(arena_printf(walk->arena, "t %s\r\n", text)));
    said = hear(walk, player);
    if (!rig_is_closed(player->rs) && !slice_starts(said, SLICE("OK")) &&
        !slice_starts(said, SLICE("NO [EXPUNGEISSUED]")) &&
        !slice_starts(said, SLICE("NO [TRYCREATE]")) &&
        !slice_starts(said, SLICE("NO [ALREADYEXISTS]")) &&
        !slice_starts(said, SLICE("NO [NONEXISTENT]")))
        fail(walk, "answered \"%.*s\"", SLICE_ARG(said));
    if (rig_session_of(player->rs)->view == NULL) { /* it deleted its own */
        player->is_selected = false;
        picture_clear(&player->picture);
    }
}

static void log_in(struct walk *walk, struct player *player)
{
    player->rs = rig_login(walk->rig, SESSION_FULL);
    player->is_selected = false;
    player->idles = false;
    picture_clear(&player->picture);
}

/* The picture is of the mailbox from the first answer on. */
static void select_box(struct walk *walk, struct player *player, unsigned box)
{
    picture_clear(&player->picture);
    player->is_selected = true;
    ask(walk, player, "SELECT %s", boxes[box]);
    if (player->picture.n > 0)
        ask(walk, player, "FETCH 1:* (UID FLAGS)");
}

/* ---- what is there ---- */

static const struct mbox *find_all(const struct walk *walk, const struct acct_state *state)
{
    const struct mbox *all = acct_all(state);

    if (all == NULL || !mbox_is_loaded(all))
        fail(walk, "there is no All, or it is not loaded");
    return all;
}

/* Every message of All is where it says, and the same. */
static void compare_homes(struct walk *walk, const struct acct_state *state)
{
    const struct mbox *all = find_all(walk, state);
    uint64_t n = 0;

    for (uint32_t i = 0; i < mbox_counts(all)->messages; i++) {
        struct message_home lives = mbox_home(all, i);
        const struct mbox *home = acct_mailbox_by_id(state, lives.mbox);
        const struct object_id *emailid = &mbox_cold(all, i)->emailid;
        struct object_id *known = &walk->emailids[mbox_uid(all, i)];
        uint32_t at;

        if (home == NULL || !mbox_find(home, lives.uid, &at))
            fail(walk, "uid %u of All lives nowhere", mbox_uid(all, i));
        if (mbox_all_uid(home, at) != mbox_uid(all, i) ||
            mbox_flags(home, at) != mbox_flags(all, i) ||
            mbox_modseq(home, at) != mbox_modseq(all, i) ||
            mbox_cold(home, at)->body_id != mbox_cold(all, i)->body_id ||
            memcmp(&mbox_cold(home, at)->emailid, emailid, sizeof(*emailid)) != 0)
            fail(walk, "uid %u of All is another where it lives", mbox_uid(all, i));
        if (!object_id_is_zero(known) && memcmp(known, emailid, sizeof(*known)) != 0)
            fail(walk, "uid %u of All was another mail", mbox_uid(all, i));
        *known = *emailid;
    }
    for (size_t i = 0; i < acct_mailbox_count(state); i++) {
        const struct mbox *mbox = acct_mailbox_at(state, i);

        if (acct_counts_in_all(state, mbox))
            n += mbox_counts(mbox)->messages;
    }
    if (n != mbox_counts(all)->messages)
        fail(walk, "%u messages are in All, %u elsewhere", mbox_counts(all)->messages,
             (unsigned) n);
    walk->in_all = mbox_counts(all)->messages;
}

/* All's sessions have drawn it so. */
static void compare_picture(const struct walk *walk, const struct player *player,
                            const struct acct_state *state)
{
    const struct mbox *all = find_all(walk, state);

    if (player->picture.n != mbox_counts(all)->messages)
        fail(walk, "%u has drawn %zu messages, %u are there", player->number, player->picture.n,
             mbox_counts(all)->messages);
    for (uint32_t i = 0; i < player->picture.n; i++) {
        const struct picture_message *drawn = &player->picture.messages[i];

        if (drawn->uid != 0 && drawn->uid != mbox_uid(all, i))
            fail(walk, "%u has drawn uid %u at %u, it is %u", player->number, drawn->uid, i + 1,
                 mbox_uid(all, i));
        if (drawn->has_flags && drawn->flags != mbox_flags(all, i))
            fail(walk, "%u has drawn uid %u with flags %x, it has %x", player->number,
                 mbox_uid(all, i), drawn->flags, mbox_flags(all, i));
    }
}

static void settle(struct walk *walk)
{
    AUTO(acct_unrefp) struct acct_state *state = NULL;

    for (unsigned i = 0; i < PLAYERS; i++) {
        struct player *player = &walk->players[i];

        if (player->idles) {
            rig_poll(player->rs);
            (void) hear(walk, player);
        } else {
            ask(walk, player, "NOOP");
        }
        if (rig_is_closed(player->rs)) {
            rig_logout(player->rs);
            log_in(walk, player);
        }
    }
    state = account_read(walk->account, 0);
    compare_homes(walk, state);
    for (unsigned i = ALL_FROM; i < PLAYERS; i++)
        compare_picture(walk, &walk->players[i], state);
    /* What is known of every message is asked for now and then, so that changes can be missed.
     */
    for (unsigned i = ALL_FROM; i < PLAYERS; i++) {
        if (!walk->players[i].idles && walk->in_all > 0 && draw(walk, 3) == 0)
            ask(walk, &walk->players[i], "UID FETCH 1:* (FLAGS)");
    }
}

/* ---- steps ---- */

static const char *some_flag(struct walk *walk)
{
    static const char *const flags[] = {"\\Seen", "\\Flagged", "\\Answered", "\\Draft"};

    return flags[draw(walk, COUNT(flags))];
}

static void step_append(struct walk *walk, struct player *player)
{
    unsigned box = walk->in_all > KEEP ? TRASH : draw(walk, HOMES);

    ask(walk, player, "APPEND %s (%s) {12+}\r\nSubject: x\r\n", boxes[box], some_flag(walk));
}

static void step_store(struct walk *walk, struct player *player)
{
    uint32_t n = (uint32_t) player->picture.n, first = 1 + draw(walk, n);
    uint32_t last = first + draw(walk, 4);

    ask(walk, player, "STORE %u:%u %sFLAGS%s (%s)", first, MIN(n, last),
        draw(walk, 3) == 0   ? ""
        : draw(walk, 2) == 0 ? "+"
                             : "-",
        player->number < ALL_FROM && draw(walk, 2) == 0 ? ".SILENT" : "", some_flag(walk));
}

/* Where All is too full, to Trash; where a mailbox is missing, nothing happens. */
static void step_copy(struct walk *walk, struct player *player)
{
    uint32_t n = (uint32_t) player->picture.n, first = 1 + draw(walk, n);
    uint32_t last = first + draw(walk, 4);
    bool moves = walk->in_all > KEEP || draw(walk, 3) > 0;
    unsigned box = walk->in_all > KEEP && draw(walk, 4) > 0 ? TRASH : draw(walk, HOMES);

    ask(walk, player, "%s %u:%u %s", moves ? "MOVE" : "COPY", first, MIN(n, last), boxes[box]);
}

static void step_expunge(struct walk *walk, struct player *player)
{
    ask(walk, player, "STORE %u +FLAGS (\\Deleted)",
        1 + draw(walk, (uint32_t) player->picture.n));
    ask(walk, player, draw(walk, 2) == 0 ? "EXPUNGE" : "NOOP");
}

/* "Home" goes, and comes again empty. */
static void step_names(struct walk *walk, struct player *player)
{
    ask(walk, player, draw(walk, 3) == 0 ? "DELETE Home" : "CREATE Home");
    if (draw(walk, 6) == 0) {
        ask(walk, player, "RENAME All Everything");
        ask(walk, player, "RENAME Everything All");
    }
}

static void step_idle(struct walk *walk, struct player *player)
{
    if (player->idles) {
        player->idles = false;
        rig_send(player->rs, SLICE("DONE\r\n"));
        (void) hear(walk, player);
        return;
    }
    player->idles = true;
    rig_send(player->rs, SLICE("t IDLE\r\n"));
    (void) hear(walk, player);
}

static void step_of_writer(struct walk *walk, struct player *player)
{
    switch (draw(walk, player->picture.n > 0 ? 8 : 3)) {
    case 0:
        select_box(walk, player, draw(walk, HOMES));
        break;
    case 1:
        step_append(walk, player);
        break;
    case 2:
        step_names(walk, player);
        break;
    case 3:
        step_expunge(walk, player);
        break;
    case 4:
    case 5:
        step_copy(walk, player);
        break;
    default:
        step_store(walk, player);
        break;
    }
}

static void step_of_all(struct walk *walk, struct player *player)
{
    switch (draw(walk, player->picture.n > 0 ? 6 : 2)) {
    case 0:
        if (draw(walk, 8) == 0)
            select_box(walk, player, BOXES - 1);
        break;
    case 1:
        step_append(walk, player);
        break;
    case 2:
    case 3:
        step_copy(walk, player);
        break;
    default:
        step_store(walk, player);
        break;
    }
}

static void take_step(struct walk *walk)
{
    struct player *player = &walk->players[draw(walk, PLAYERS)];

    if (player->number == LISTENER)
        step_idle(walk, player);
    else if (player->number >= ALL_FROM)
        step_of_all(walk, player);
    else
        step_of_writer(walk, player);
    if (rig_is_closed(player->rs)) {
        rig_logout(player->rs);
        log_in(walk, player);
    }
    if (walk->step % SETTLE_EVERY == 0)
        settle(walk);
}

/* ---- a walk ---- */

static void start(struct walk *walk, uint32_t conflict_every)
{
    const struct memory_engine_options options = {.no_conflict = conflict_every == 0,
                                                  .conflict_every = conflict_every};
    struct err err;

    walk->rig = rig_new(memory_engine_new(&options));
    walk->arena = arena_new((size_t) 1 << 32);
    walk->random = walk->seed;
    walk->emailids = xcalloc(UIDS_MAX, sizeof(*walk->emailids));
    for (unsigned i = 0; i < PLAYERS; i++) {
        walk->players[i].number = i;
        log_in(walk, &walk->players[i]);
    }
    if (account_open(rig_store(walk->rig), RIG_ACCOUNT, false, &walk->account, &err) != RC_OK)
        fail(walk, "open: %s", err.detail);
    ask(walk, &walk->players[0], "CREATE Work");
    for (unsigned i = 0; i < 8; i++) /* what is there before All is */
        step_append(walk, &walk->players[0]);
    ask(walk, &walk->players[0], "CREATE All (USE (\\All))");
    for (unsigned i = ALL_FROM; i < PLAYERS; i++)
        select_box(walk, &walk->players[i], BOXES - 1);
}

static void run(uint64_t seed, unsigned steps, uint32_t conflict_every)
{
    struct walk *walk = xcalloc(1, sizeof(*walk));

    walk->seed = seed;
    start(walk, conflict_every);
    for (walk->step = 1; walk->step <= steps; walk->step++)
        take_step(walk);
    for (unsigned i = 0; i < PLAYERS; i++)
        picture_clear(&walk->players[i].picture);
    account_close(walk->account);
    rig_free(walk->rig);
    arena_free(walk->arena);
    free(walk->emailids);
    free(walk);
}

int main(int argc, char **argv)
{
    uint64_t conflicts = 0, seed = 0, steps = STEPS;

    if (getenv("ROOST_LARGE") != NULL)
        steps *= 12;
    for (int i = 1; i + 1 < argc; i += 2) {
        struct slice option = slice_from_str(argv[i]), value = slice_from_str(argv[i + 1]);
        uint64_t *number = slice_eq(option, SLICE("--conflicts")) ? &conflicts
                           : slice_eq(option, SLICE("--seed"))    ? &seed
                                                                  : &steps;

        if (!slice_to_u64(value, number))
            die("%s: not a number", argv[i + 1]);
    }
    if (seed != 0) {
        run(seed, (unsigned) steps, (uint32_t) conflicts);
        return 0;
    }
    for (seed = 1; seed <= SEEDS; seed++)
        run(seed, (unsigned) steps, (uint32_t) conflicts);
    printf("%u walks of %llu steps\n", SEEDS, (unsigned long long) steps);
    return 0;
}
