/*
 * walk.c - which session does what next, restarts, and the last look at everything.
 */
#include "walk.h"

#include "walk_steps.h"

#define SCRIPT_MAX_BYTES ((size_t) 64 << 20)
#define RESTARTS         4u /* of the server, in one walk */

// clang-format off
static const struct {
    walk_step_fn *step;
    uint32_t weight;
} steps[] = {
    {walk_append,    14}, {walk_store,     18}, {walk_fetch,      14}, {walk_fetch_body, 6},
    {walk_copy,       8}, {walk_expunge,    8}, {walk_select,      7}, {walk_unselect,   2},
    {walk_noop,       6}, {walk_idle,       5}, {walk_pipeline,    6}, {walk_search,     6},
    {walk_annotate,  12}, {walk_look_at_annotations, 5}, {walk_search_annotations, 3},
    {walk_create,     4}, {walk_delete,     2}, {walk_rename,      2}, {walk_subscribe,  2},
    {walk_list,       3}, {walk_status,     4}, {walk_share,      5},
};
// clang-format on

static walk_step_fn *choose_step(struct walk *walk)
{
    uint32_t total = 0, at;

    for (size_t i = 0; i < COUNT(steps); i++)
        total += steps[i].weight;
    at = walk_random(walk, total);
    for (size_t i = 0;; i++) {
        if (at < steps[i].weight)
            return steps[i].step;
        at -= steps[i].weight;
    }
}

void walk_hear(struct walk *walk, struct player *player, bool own)
{
    if (!player->idles && !player->listens)
        return;
    arena_reset(walk->arena);
    walk_listen(walk, player);
    if (walk_was_ended(walk, player))
        return;
    walk_judge(walk, player, player->idles || !player->delayed);
    if (player->listens)
        walk_notify_heard(walk, player, own);
}

static void log_in(struct walk *walk)
{
    walk->rig = rig_new(walk->open(walk->open_ctx));
    for (size_t i = 0; i < WALK_PLAYERS; i++)
        walk_login(walk, &walk->players[i]);
}

static void log_out(struct walk *walk)
{
    for (size_t i = 0; i < WALK_PLAYERS; i++)
        walk_logout(&walk->players[i]);
    rig_free(walk->rig);
}

/* Every mailbox as a new session sees it. */
static void look_at_all(struct walk *walk)
{
    struct player *player = &walk->players[0];

    if (player->idles)
        walk_done(walk, player);
    for (size_t i = 0; i < walk->oracle->n; i++) {
        arena_reset(walk->plan);
        if (walk->oracle->mailboxes[i]->deleted)
            continue;
        if (player->view.mailbox != NULL && player->view.mailbox->deleted)
            walk_noop(walk, player); /* it is ended, and a new one begins */
        walk_select_name(walk, player, walk->oracle->mailboxes[i]->name, true);
        walk_fetch_all(walk, player);
        walk_fetch_annotations(walk, player);
    }
}

void walk_run(struct walk *walk)
{
    static const char letters[WALK_PLAYERS + 1] = "ABCDE";
    static const unsigned readers[WALK_PLAYERS] = {0, 0, 1, 1, 2};

    walk->random = walk->seed * 0x9e3779b97f4a7c15u + 1;
    walk->arena = arena_new(WALK_ARENA_BYTES);
    walk->plan = arena_new(WALK_ARENA_BYTES);
    walk->oracle = oracle_new();
    buf_init(&walk->script, SCRIPT_MAX_BYTES);
    for (size_t i = 0; i < WALK_PLAYERS; i++) {
        walk->players[i].letter = letters[i];
        walk->players[i].reader = readers[i];
    }
    log_in(walk);
    walk_share_most(walk, &walk->players[0]);
    for (walk->step = 0; walk->step < walk->steps; walk->step++) {
        struct player *player = &walk->players[walk_random(walk, WALK_PLAYERS)];

        if (walk->step % (walk->steps / RESTARTS + 1) == walk->steps / RESTARTS) {
            log_out(walk);
            oracle_restarted(walk->oracle);
            log_in(walk);
            look_at_all(walk);
        }
        arena_reset(walk->plan);
        walk_notify_before(walk, player);
        if (!player->idles)
            choose_step(walk)(walk, player);
        else if (walk_random(walk, 3) == 0)
            walk_done(walk, player);
        for (size_t i = 0; i < WALK_PLAYERS; i++)
            walk_hear(walk, &walk->players[i], &walk->players[i] == player);
    }
    look_at_all(walk);
    log_out(walk);
    for (size_t i = 0; i < WALK_PLAYERS; i++)
        replica_clear(&walk->players[i].replica);
    oracle_free(walk->oracle);
    buf_done(&walk->script);
    arena_free(walk->arena);
    arena_free(walk->plan);
}
