/*
 * test_held.c - what an answer rests on: no answer, good or bad, may leave before everything it
 * tells of is durable.
 */
// links: commands store_memory store_local
// lib: mail_world
#include "commands/dispatch.h"
#include "lib/mail_world.h"
#include "lib/test.h"

#define OUT_BYTES ((size_t) 1 << 20)
#define ACCOUNT   7u

struct teller {
    struct session session;
    struct buf out;
};

static void teller_init(struct teller *teller, struct mail_world *world)
{
    struct session_grant grant = {
        .account = world_account(world, ACCOUNT), .actor = {ACCOUNT, 1}
    };

    session_init(&teller->session, &grant);
    buf_init(&teller->out, OUT_BYTES);
}

static void teller_done(struct teller *teller)
{
    session_done(&teller->session);
    buf_done(&teller->out);
}

static void say(struct teller *teller, const char *text)
{
    struct command_input input = {.text = {.text = slice_from_str(text)}};
    struct cmd *running = NULL;

    buf_reset(&teller->out);
    (void) command_start(&teller->session, &input, &teller->out, &running);
    assert_null(running);
}

static bool is_told(const struct teller *teller, const char *text)
{
    return slice_search(buf_slice(&teller->out), slice_from_str(text)) < teller->out.len;
}

static bool may_leave(const struct teller *teller)
{
    return account_is_durable(teller->session.account, teller->session.own_position);
}

static void answers_rest_on_what_is_durable(void **state)
{
    static const struct memory_engine_options later = {.no_conflict = true, .later = true};
    static const struct {
        const char *text, *told;
        bool leaves; /* while the first CREATE is not durable */
    } rows[] = {
        {"a SELECT box",            "NO [NONEXISTENT]",   true },
        {"a STATUS box (MESSAGES)", "NO [NONEXISTENT]",   true },
        {"a LIST \"\" box",         "a OK",               true },
        {"a NOOP",                  "a OK",               true },
        {"a CREATE box",            "NO [ALREADYEXISTS]", false},
        {"a RENAME Junk box",       "NO [ALREADYEXISTS]", false},
        {"a SELECT box",            "OK [READ-WRITE]",    false}, /* it has seen it now */
    };
    struct mail_world world = {0};
    struct teller writer, other;

    (void) state;
    world_open_memory(&world, &later);
    teller_init(&writer, &world);
    teller_init(&other, &world);
    memory_engine_hold(world.engine, true);
    say(&writer, "a CREATE box");
    if (!is_told(&writer, "a OK"))
        fail_msg("%.*s", SLICE_ARG(buf_slice(&writer.out)));
    assert_false(may_leave(&writer));
    for (size_t i = 0; i < COUNT(rows); i++) {
        say(&other, rows[i].text);
        if (!is_told(&other, rows[i].told) || may_leave(&other) != rows[i].leaves)
            fail_msg("row %zu, %s: %.*s", i, may_leave(&other) ? "leaves" : "waits",
                     SLICE_ARG(buf_slice(&other.out)));
    }
    memory_engine_hold(world.engine, false);
    account_wait_durable(other.session.account, other.session.own_position);
    assert_true(may_leave(&writer));
    teller_done(&writer);
    teller_done(&other);
    world_done(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_rest_on_what_is_durable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
