/*
 * shared_walk.c - a random walk of several users' sessions over two mailboxes that their owners
 * share, while rights are given and taken.
 *
 *     shared_walk [--conflicts N] [--seed N] [--steps N]
 *
 * Each session draws its mailbox from nothing but what it was told; the truth is kept in arrays
 * here: messages with the flags of all, and of each reader the \Seen of that reader's own. What
 * a step must answer follows from RFC 4314 4. Every few steps all sessions say NOOP, and each
 * picture must be the truth as that reader may see it. Prints the seed when it fails.
 */
#include <stdarg.h>

#include "imap/print.h"
#include "lib/answer.h"
#include "lib/picture.h"
#include "lib/session_rig.h"
#include "store/memory/memory_engine.h"

#define PEOPLE           3u
#define PLAYERS          6u
#define BOXES            2u
#define BOX_MESSAGES_MAX 4096u
#define ASK_BYTES        1024u
#define SETTLE_EVERY     8u
#define SEEDS            6u
#define STEPS            1500u
#define KEEP             24u /* more messages than this: expunge rather than append */

static const char *const people[PEOPLE] = {"Fred", "David", "Chris"};
static const char all_rights[] = "lrswipkxtean";

struct message {
    uint32_t uid;
    uint32_t flags; /* of all, without \Seen */
    bool seen[PEOPLE];
};

struct box {
    unsigned owner; /* of people */
    const char *name;
    struct message messages[BOX_MESSAGES_MAX];
    size_t n;
    uint32_t uidnext;
    char rights[PEOPLE][sizeof(all_rights)];
};

struct player {
    struct rig_session *rs;
    unsigned who;
    struct box *box; /* selected; NULL: none */
    bool read_only;
    struct picture picture;
};

struct walk {
    struct rig *rig;
    struct arena *arena;
    struct box boxes[BOXES];
    struct player players[PLAYERS];
    uint64_t ids[PEOPLE];
    uint64_t random, seed;
    unsigned step;
    char last[ASK_BYTES + 16];
};

_Noreturn PRINTF_LIKE(2, 3) static void fail(const struct walk *walk, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "seed %llu, step %u, %s: ", (unsigned long long) walk->seed, walk->step,
            walk->last);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

static uint32_t draw(struct walk *walk, uint32_t n)
{
    walk->random = walk->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t) (walk->random >> 33) % n;
}

/* ---- the truth ---- */

static bool may(const struct box *box, unsigned who, char right)
{
    return box->owner == who ||
           (strchr(box->rights[who], 'l') != NULL && strchr(box->rights[who], right) != NULL);
}

/* Of flags, those this person may change. */
static uint32_t settable(const struct box *box, unsigned who)
{
    return (may(box, who, 's') ? IMAP_SEEN : 0u) | (may(box, who, 't') ? IMAP_DELETED : 0u) |
           (may(box, who, 'w') ? IMAP_FLAGGED : 0u);
}

static uint32_t flags_for(const struct message *message, unsigned who)
{
    return message->flags | (message->seen[who] ? IMAP_SEEN : 0u);
}

static void set_flags(struct message *message, unsigned who, uint32_t flags, bool on)
{
    uint32_t shared = flags & ~(uint32_t) IMAP_SEEN;

    message->flags = on ? message->flags | shared : message->flags & ~shared;
    if ((flags & IMAP_SEEN) != 0)
        message->seen[who] = on;
}

static void add_message(struct walk *walk, struct box *box, unsigned who, uint32_t flags)
{
    struct message *message = &box->messages[box->n++];

    if (box->n == BOX_MESSAGES_MAX)
        fail(walk, "more messages than there is room for");
    *message = (struct message){.uid = box->uidnext++};
    set_flags(message, who, flags & settable(box, who), true);
}

static void remove_message(struct box *box, size_t at)
{
    box->n--;
    memmove(&box->messages[at], &box->messages[at + 1], (box->n - at) * sizeof(*box->messages));
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
        else if (player->box != NULL)
            wrong = picture_draw(&player->picture, &response);
        if (wrong != NULL)
            fail(walk, "%s was told %.*s: %s", people[player->who], SLICE_ARG(answer), wrong);
    }
    return tagged;
}

PRINTF_LIKE(3, 4)
static struct slice ask(struct walk *walk, struct player *player, const char *fmt, ...)
{
    char text[ASK_BYTES];
    va_list ap;

    va_start(ap, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    (void) snprintf(walk->last, sizeof(walk->last), "%s: %s", people[player->who], text);
    rig_send(player->rs, slice_from_str(arena_printf(walk->arena, "t %s\r\n", text)));
    return hear(walk, player);
}

static void must_say(const struct walk *walk, struct slice said, const char *want)
{
    if (!slice_starts(said, slice_from_str(want)))
        fail(walk, "answered \"%.*s\", should be %s", SLICE_ARG(said), want);
}

static const char *name_for(struct walk *walk, const struct box *box, unsigned who)
{
    if (box->owner == who)
        return box->name;
    return arena_printf(walk->arena, "\"Other Users/%s/%s\"", people[box->owner], box->name);
}

static const char *flag_list(struct walk *walk, uint32_t flags)
{
    struct imap_flags named = {.bits = flags};
    struct buf text;
    const char *list;

    buf_init(&text, ASK_BYTES);
    imap_print_flag_list(&text, &named);
    list = arena_printf(walk->arena, "%.*s", SLICE_ARG(buf_slice(&text)));
    buf_done(&text);
    return list;
}

static void log_in(struct walk *walk, struct player *player)
{
    player->rs = rig_login_as(walk->rig, walk->ids[player->who], SESSION_FULL);
    player->box = NULL;
    picture_clear(&player->picture);
}

/* NOOP: the session is where the truth is, or was shut out of its mailbox. */
static void settle(struct walk *walk, struct player *player)
{
    struct box *box = player->box;
    bool reads = box == NULL || may(box, player->who, 'r');
    struct slice said = ask(walk, player, "NOOP");

    if (rig_is_closed(player->rs) == reads)
        fail(walk, reads ? "was shut out" : "was not shut out");
    if (!reads) {
        rig_logout(player->rs);
        log_in(walk, player);
        return;
    }
    must_say(walk, said, "OK");
}

static void compare(struct walk *walk, struct player *player)
{
    const struct box *box = player->box;

    if (box == NULL)
        return;
    if (player->picture.n != box->n)
        fail(walk, "%zu messages are drawn, %zu are there", player->picture.n, box->n);
    for (size_t i = 0; i < box->n; i++) {
        const struct picture_message *drawn = &player->picture.messages[i];
        uint32_t flags = flags_for(&box->messages[i], player->who);

        if (drawn->uid != 0 && drawn->uid != box->messages[i].uid)
            fail(walk, "message %zu is drawn with uid %u, is %u", i + 1, drawn->uid,
                 box->messages[i].uid);
        if (drawn->has_flags && drawn->flags != flags)
            fail(walk, "message %zu is drawn with flags %x, has %x", i + 1, drawn->flags,
                 flags);
    }
}

/* All of what is there is asked for, so that later changes can be missed. */
static void look(struct walk *walk, struct player *player)
{
    if (player->box == NULL || player->box->n == 0)
        return;
    must_say(walk, ask(walk, player, "UID FETCH 1:* (FLAGS)"), "OK");
    for (size_t i = 0; i < player->box->n; i++)
        if (player->picture.messages[i].uid == 0 || !player->picture.messages[i].has_flags)
            fail(walk, "message %zu was not told of", i + 1);
    compare(walk, player);
}

/* ---- steps ---- */

static void step_select(struct walk *walk, struct player *player)
{
    struct box *box = &walk->boxes[draw(walk, BOXES)];
    unsigned who = player->who;
    struct slice said;

    if (player->box != NULL)
        must_say(walk, ask(walk, player, "UNSELECT"), "OK");
    picture_clear(&player->picture);
    player->box = box;
    said = ask(walk, player, "SELECT %s", name_for(walk, box, who));
    if (may(box, who, 'r')) {
        player->read_only = !may(box, who, 'i') && !may(box, who, 'e') && !may(box, who, 'n') &&
                            settable(box, who) == 0;
        must_say(walk, said, player->read_only ? "OK [READ-ONLY]" : "OK [READ-WRITE]");
        look(walk, player);
        return;
    }
    player->box = NULL;
    picture_clear(&player->picture);
    must_say(walk, said, may(box, who, 'l') ? "NO [NOPERM]" : "NO [NONEXISTENT]");
}

static void step_rights(struct walk *walk, struct player *player)
{
    struct box *box = &walk->boxes[draw(walk, BOXES)];
    unsigned who = (box->owner + 1 + draw(walk, PEOPLE - 1)) % PEOPLE;
    char *rights = box->rights[who];
    size_t n = 0;
    bool most = draw(walk, 4) > 0;

    if (player->who != box->owner)
        return;
    for (size_t i = 0; i < sizeof(all_rights) - 1; i++)
        if (draw(walk, 8) < (most ? 7u : 3u))
            rights[n++] = all_rights[i];
    rights[n] = '\0';
    must_say(walk, ask(walk, player, "SETACL %s %s \"%s\"", box->name, people[who], rights),
             "OK");
}

static uint32_t draw_flags(struct walk *walk)
{
    static const uint32_t flags[] = {IMAP_SEEN,
                                     IMAP_DELETED,
                                     IMAP_FLAGGED,
                                     IMAP_SEEN | IMAP_DELETED,
                                     IMAP_SEEN | IMAP_FLAGGED,
                                     IMAP_SEEN | IMAP_DELETED | IMAP_FLAGGED};

    return flags[draw(walk, COUNT(flags))];
}

static void step_append(struct walk *walk, struct player *player)
{
    struct box *box = &walk->boxes[draw(walk, BOXES)];
    uint32_t flags = draw_flags(walk);
    struct slice said;

    if (box->n > KEEP)
        return;
    said = ask(walk, player, "APPEND %s %s {3+}\r\nx\r\n", name_for(walk, box, player->who),
               flag_list(walk, flags));
    if (may(box, player->who, 'i')) {
        must_say(walk, said, may(box, player->who, 'r') ? "OK [APPENDUID" : "OK APPEND");
        add_message(walk, box, player->who, flags);
    } else {
        must_say(walk, said, may(box, player->who, 'l') ? "NO [NOPERM]" : "NO [");
    }
}

static void step_store(struct walk *walk, struct player *player)
{
    struct box *box = player->box;
    uint32_t flags = draw_flags(walk), permitted;
    bool on = draw(walk, 2) == 0;
    struct message *message;
    struct slice said;

    if (box == NULL || box->n == 0)
        return;
    permitted = flags & settable(box, player->who);
    message = &box->messages[draw(walk, (uint32_t) box->n)];
    said = ask(walk, player, "UID STORE %u %cFLAGS %s", message->uid, on ? '+' : '-',
               flag_list(walk, flags));
    if (permitted == 0 || player->read_only) {
        must_say(walk, said, "NO [");
        return;
    }
    must_say(walk, said, "OK");
    set_flags(message, player->who, permitted, on);
}

static void step_expunge(struct walk *walk, struct player *player)
{
    struct box *box = player->box;
    struct slice said;

    if (box == NULL)
        return;
    said = ask(walk, player, "EXPUNGE");
    if (player->read_only || !may(box, player->who, 'e')) {
        must_say(walk, said, "NO [");
        return;
    }
    must_say(walk, said, "OK");
    for (size_t i = box->n; i-- > 0;)
        if ((box->messages[i].flags & IMAP_DELETED) != 0)
            remove_message(box, i);
}

/* COPY and MOVE into the other mailbox, so into another account. */
static void step_cross(struct walk *walk, struct player *player)
{
    struct box *from = player->box, *to;
    bool move = draw(walk, 2) == 0;
    unsigned who = player->who;
    struct slice said;
    uint32_t flags;
    size_t at;

    if (from == NULL || from->n == 0)
        return;
    to = &walk->boxes[from == &walk->boxes[0] ? 1 : 0];
    if (to->n > KEEP)
        return;
    at = draw(walk, (uint32_t) from->n);
    said = ask(walk, player, "UID %s %u %s", move ? "MOVE" : "COPY", from->messages[at].uid,
               name_for(walk, to, who));
    if (!may(to, who, 'i') ||
        (move && (player->read_only || !may(from, who, 't') || !may(from, who, 'e')))) {
        must_say(walk, said, "NO [");
        return;
    }
    must_say(walk, said, "OK");
    flags = flags_for(&from->messages[at], who);
    add_message(walk, to, who, flags);
    if (move)
        remove_message(from, at);
}

static void step_see(struct walk *walk, struct player *player)
{
    struct box *box = player->box;
    struct message *message;

    if (box == NULL || box->n == 0)
        return;
    message = &box->messages[draw(walk, (uint32_t) box->n)];
    must_say(walk, ask(walk, player, "UID FETCH %u BODY[]", message->uid), "OK");
    if (!player->read_only && may(box, player->who, 's'))
        message->seen[player->who] = true;
}

static void step_status(struct walk *walk, struct player *player)
{
    struct box *box = &walk->boxes[draw(walk, BOXES)];
    size_t unseen = 0;
    struct slice output;

    for (size_t i = 0; i < box->n; i++)
        unseen += !box->messages[i].seen[player->who];
    (void) snprintf(walk->last, sizeof(walk->last), "%s: STATUS", people[player->who]);
    rig_send(player->rs,
             slice_from_str(arena_printf(walk->arena, "t STATUS %s (MESSAGES UNSEEN)\r\n",
                                         name_for(walk, box, player->who))));
    output = arena_dup(walk->arena, rig_output(player->rs));
    if (may(box, player->who, 'r') &&
        slice_search(output,
                     slice_from_str(arena_printf(walk->arena, "(MESSAGES %zu UNSEEN %zu)",
                                                 box->n, unseen))) == output.len)
        fail(walk, "%zu messages, %zu unseen, but %.*s", box->n, unseen, SLICE_ARG(output));
    (void) hear(walk, player);
}

static void take_step(struct walk *walk)
{
    static void (*const steps[])(struct walk * walk, struct player * player) = {
        step_select, step_store, step_store,   step_store, step_append, step_append,
        step_cross,  step_cross, step_expunge, step_see,   step_rights, step_status,
    };
    struct player *player = &walk->players[draw(walk, PLAYERS)];

    settle(walk, player);
    compare(walk, player);
    steps[draw(walk, COUNT(steps))](walk, player);
    settle(walk, player);
    compare(walk, player);
    if (walk->step % SETTLE_EVERY != 0)
        return;
    for (size_t i = 0; i < PLAYERS; i++) {
        settle(walk, &walk->players[i]);
        compare(walk, &walk->players[i]);
        look(walk, &walk->players[i]);
    }
}

/* ---- a walk ---- */

static void start(struct walk *walk, uint32_t conflict_every)
{
    const struct memory_engine_options options = {.no_conflict = conflict_every == 0,
                                                  .conflict_every = conflict_every};

    walk->rig = rig_new(memory_engine_new(&options));
    walk->arena = arena_new((size_t) 1 << 32);
    walk->random = walk->seed;
    for (unsigned i = 0; i < PEOPLE; i++)
        walk->ids[i] = rig_person(walk->rig, PRINCIPAL_USER, slice_from_str(people[i]));
    for (unsigned i = 0; i < PLAYERS; i++) {
        walk->players[i].who = i % PEOPLE;
        log_in(walk, &walk->players[i]);
    }
    for (unsigned i = 0; i < BOXES; i++) {
        walk->boxes[i].owner = i;
        walk->boxes[i].name = i == 0 ? "shelf" : "desk";
        walk->boxes[i].uidnext = 1;
        must_say(walk, ask(walk, &walk->players[i], "CREATE %s", walk->boxes[i].name), "OK");
    }
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
    rig_free(walk->rig);
    arena_free(walk->arena);
    free(walk);
}

int main(int argc, char **argv)
{
    uint64_t conflicts = 0, seed = 0, steps = STEPS;

    if (getenv("ROOST_LARGE") != NULL)
        steps *= 13;
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
