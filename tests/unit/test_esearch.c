/*
 * test_esearch.c - one search in several mailboxes: it finds what a SEARCH in each of them
 * finds, it pauses, and the world may change meanwhile. Real sessions on the memory engine.
 */
// links: commands store_memory
// lib: session_rig
#include "lib/session_rig.h"
#include "lib/test.h"
#include "store/memory/memory_engine.h"

#define TEXT_BYTES     ((size_t) 16 << 20)
#define MANY_MAILBOXES 40u /* more than are begun in one slice */

static struct rig *new_rig(void)
{
    const struct memory_engine_options options = {.no_conflict = true};

    return rig_new(memory_engine_new(&options));
}

static void forget(struct rig_session *rs)
{
    rig_take(rs, 0, rig_output(rs).len);
}

PRINTF_LIKE(2, 3) static void must(struct rig_session *rs, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    forget(rs);
    rig_send(rs, slice_from_str(text));
    if (slice_search(rig_output(rs), SLICE("t OK")) == rig_output(rs).len)
        fail_msg("%s%.*s", text, SLICE_ARG(rig_output(rs)));
}

static bool has(struct slice text, const char *part)
{
    return slice_search(text, slice_from_str(part)) < text.len;
}

static size_t count(struct slice text, const char *what)
{
    size_t n = 0, at;
    struct slice part = slice_from_str(what);

    for (; (at = slice_search(text, part)) < text.len; text = slice_from(text, at + part.len))
        n++;
    return n;
}

/* m00 to m39 with a message each. */
static void make_many(struct rig_session *rs)
{
    for (unsigned i = 0; i < MANY_MAILBOXES; i++) {
        must(rs, "t CREATE m%02u\r\n", i);
        must(rs, "t APPEND m%02u {3+}\r\na\r\n\r\n", i);
    }
}

/* ---- a command step by step ---- */

struct stepped {
    struct cmd *running;
    struct buf out;
    enum command_outcome outcome;
};

static void begin(struct stepped *step, struct rig_session *rs, const char *text)
{
    const struct command_input input = {.text = {.text = slice_from_str(text)}};

    *step = (struct stepped){.running = NULL};
    buf_init(&step->out, TEXT_BYTES);
    step->outcome = command_start(rig_session_of(rs), &input, &step->out, &step->running);
}

static struct slice finish(struct stepped *step)
{
    while (step->outcome == COMMAND_MORE)
        step->outcome = command_resume(&step->running, &step->out, false);
    assert_int_equal(step->outcome, COMMAND_DONE);
    return buf_slice(&step->out);
}

static void a_search_pauses_between_mailboxes(void **state)
{
    struct rig *rig = new_rig();
    struct rig_session *rs = rig_login(rig, SESSION_FULL);
    struct stepped step;
    unsigned pauses = 0;

    (void) state;
    make_many(rs);
    begin(&step, rs, "s ESEARCH IN (personal) ALL");
    for (; step.outcome == COMMAND_MORE; pauses++)
        step.outcome = command_resume(&step.running, &step.out, false);
    assert_int_equal(pauses, (MANY_MAILBOXES - 1) / 16);
    assert_int_equal(count(buf_slice(&step.out), "* ESEARCH (TAG \"s\" MAILBOX m"),
                     MANY_MAILBOXES);
    assert_true(has(buf_slice(&step.out), "\r\ns OK "));
    buf_done(&step.out);
    rig_free(rig);
}

/* Fewer mailboxes than are begun in one slice, whose answers are long. */
static void a_search_pauses_when_the_client_does_not_read(void **state)
{
    struct rig *rig = new_rig();
    struct rig_session *rs = rig_login(rig, SESSION_FULL);
    AUTO(buf_done) struct buf fill = {.max = TEXT_BYTES};
    struct stepped step;
    size_t most = 0;
    unsigned lines = 0;

    (void) state;
    buf_str(&fill, "t APPEND INBOX");
    for (unsigned i = 0; i < 1000; i++)
        buf_str(&fill, i % 2 == 0 ? " (\\Flagged) {2+}\r\n\r\n" : " {2+}\r\n\r\n");
    buf_str(&fill, "\r\n");
    for (unsigned i = 0; i < 8; i++)
        rig_send(rs, buf_slice(&fill));
    must(rs, "t SELECT INBOX\r\n");
    for (unsigned i = 0; i < 9; i++) {
        must(rs, "t CREATE m%u\r\n", i);
        must(rs, "t COPY 1:* m%u\r\n", i);
    }
    begin(&step, rs, "s ESEARCH IN (personal) FLAGGED");
    assert_int_equal(step.outcome, COMMAND_MORE);
    while (step.outcome == COMMAND_MORE) {
        most = MAX(most, step.out.len);
        lines += (unsigned) count(buf_slice(&step.out), "* ESEARCH ");
        buf_reset(&step.out);
        step.outcome = command_resume(&step.running, &step.out, false);
    }
    lines += (unsigned) count(buf_slice(&step.out), "* ESEARCH ");
    assert_int_equal(lines, 10);
    assert_in_range(most, REPLY_PAUSE_BYTES, REPLY_PAUSE_BYTES + (32 << 10));
    buf_done(&step.out);
    rig_free(rig);
}

static void an_aborted_search_leaves_nothing_behind(void **state)
{
    struct rig *rig = new_rig();
    struct rig_session *rs = rig_login(rig, SESSION_FULL);
    struct stepped step;

    (void) state;
    make_many(rs);
    begin(&step, rs, "s ESEARCH IN (personal) BODY x");
    assert_int_equal(step.outcome, COMMAND_MORE);
    command_abort(&step.running);
    must(rs, "t DELETE m39\r\n");
    buf_done(&step.out);
    rig_free(rig); /* the leak checker sees the rest */
}

/* Which mailboxes are searched is what was meant at the beginning; what is in them, and what
 * they are called, is as it is when their turn comes. */
static void mailboxes_change_while_it_runs(void **state)
{
    struct rig *rig = new_rig();
    struct rig_session *rs = rig_login(rig, SESSION_FULL);
    struct rig_session *other = rig_login(rig, SESSION_FULL);
    struct stepped step;
    struct slice said;

    (void) state;
    make_many(rs);
    must(rs, "t SELECT m30\r\n");
    begin(&step, rs, "s ESEARCH IN (subtree m00 mailboxes m20 personal) ALL");
    assert_int_equal(step.outcome, COMMAND_MORE);
    must(other, "t RENAME m20 a20\r\n");
    must(other, "t RENAME m05 z05\r\n");
    must(other, "t DELETE m21\r\n");
    must(other, "t DELETE m22\r\n");
    must(other, "t CREATE m22\r\n");
    must(other, "t APPEND m22 {3+}\r\na\r\n\r\n");
    must(other, "t APPEND m23 {3+}\r\na\r\n\r\n");
    must(other, "t APPEND m30 {3+}\r\na\r\n\r\n");
    must(other, "t CREATE m99\r\n");
    must(other, "t APPEND m99 {3+}\r\na\r\n\r\n");
    said = finish(&step);
    assert_true(has(said, " MAILBOX a20 "));
    assert_false(has(said, " MAILBOX m20 "));
    assert_int_equal(count(said, "05 UIDVALIDITY"), 1); /* it was m05's turn before */
    assert_false(has(said, " MAILBOX m21 "));
    assert_false(has(said, " MAILBOX m22 ")); /* another one */
    assert_false(has(said, " MAILBOX m99 "));
    assert_int_equal(count(said, "UID ALL 1:2\r\n"), 1); /* m23; m30's is not told yet */
    assert_int_equal(count(said, "* ESEARCH "), MANY_MAILBOXES - 2);
    assert_true(has(said, "* 2 EXISTS"));
    buf_done(&step.out);
    rig_free(rig);
}

static void rights_change_while_it_runs(void **state)
{
    struct rig *rig = new_rig();
    struct rig_session *rs = rig_login(rig, SESSION_FULL);
    uint64_t david = rig_person(rig, PRINCIPAL_USER, SLICE("david"));
    struct rig_session *reader = rig_login_as(rig, david, SESSION_FULL);
    struct stepped step;
    struct slice said;

    (void) state;
    make_many(rs);
    for (unsigned i = 0; i < MANY_MAILBOXES; i++)
        must(rs, "t SETACL m%02u david lr\r\n", i);
    begin(&step, reader, "s ESEARCH IN (subtree \"Other Users\") ALL");
    assert_int_equal(step.outcome, COMMAND_MORE);
    must(rs, "t DELETEACL m20 david\r\n");
    must(rs, "t SETACL m21 david r\r\n");
    must(rs, "t SETACL m22 david l\r\n");
    said = finish(&step);
    assert_int_equal(count(said, "* ESEARCH "), MANY_MAILBOXES - 3);
    assert_false(has(said, "m20\"") || has(said, "m21\"") || has(said, "m22\""));
    buf_done(&step.out);
    rig_free(rig);
}

/* ---- against SEARCH ---- */

static uint32_t chance(uint64_t *seed, uint32_t below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t) (*seed >> 33) % below;
}

static void fill(struct rig_session *rs, const char *name, uint64_t *seed)
{
    static const char *const flags[] = {"", "\\Seen", "\\Flagged", "\\Seen $Work", "\\Deleted"};
    static const char *const words[] = {"lunch", "river", "budget", "Lunch budget"};
    unsigned n = chance(seed, 12);

    must(rs, "t CREATE %s\r\n", name);
    for (unsigned i = 0; i < n; i++) {
        char mail[128];

        (void) snprintf(mail, sizeof(mail), "Subject: %s\r\n\r\nriver %u\r\n",
                        words[chance(seed, COUNT(words))], i % 10);
        must(rs, "t APPEND %s (%s) {%zu+}\r\n%s\r\n", name, flags[chance(seed, COUNT(flags))],
             strlen(mail), mail);
    }
    must(rs, "t SELECT %s\r\n", name);
    for (unsigned i = 1; i <= n; i++)
        if (chance(seed, 4) == 0)
            must(rs, "t UID STORE %u +FLAGS.SILENT (\\Deleted $gone)\r\n", i);
    must(rs, "t UID EXPUNGE %u:%u\r\n", 1 + chance(seed, 12), 1 + chance(seed, 12));
    must(rs, "t UNSELECT\r\n");
}

/* What stands behind "UID " of the only ESEARCH in an answer; empty: there is none, or nothing
 * was found. */
static struct slice found(struct slice said)
{
    size_t at = slice_search(said, SLICE(") UID "));
    struct slice rest;

    if (at == said.len)
        return SLICE("");
    rest = slice_from(said, at + 6);
    rest = slice_sub(rest, 0, slice_find(rest, '\r'));
    return slice_eq(rest, SLICE("COUNT 0")) ? SLICE("") : rest;
}

static void it_finds_what_a_search_in_each_finds(void **state)
{
    static const char *const keys[] = {
        "ALL",
        "SEEN",
        "UNSEEN SUBJECT lunch",
        "OR FLAGGED DELETED",
        "KEYWORD $Work",
        "BODY \"river 3\"",
        "TEXT budget",
        "NOT (SUBJECT lunch BODY 1)",
        "UID 3:7",
        "UID *",
        "LARGER 40",
        "SINCE 1-Jan-2000",
        "OR SEEN DELETED",
        "UNSEEN UNDELETED",
        "KEYWORD $gone DELETED",
        "NOT SEEN",
        "KEYWORD $none",
        "MODSEQ 1",
        "UNKEYWORD $gone",
        "SUBJECT nothing",
    };
    static const char *const returns[] = {"ALL", "MIN MAX COUNT", "COUNT", "PARTIAL 2:3",
                                          "PARTIAL -1:-2"};
    static const char *const names[] = {"a", "a/b", "a/b/c", "b", "c/d", "INBOX/x", "e"};
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct rig *rig = new_rig();
    struct rig_session *rs = rig_login(rig, SESSION_FULL);
    struct rig_session *each = rig_login(rig, SESSION_FULL);
    uint64_t seed = 7377;
    size_t n_lines = 0;

    (void) state;
    for (size_t i = 0; i < COUNT(names); i++)
        fill(rs, names[i], &seed);
    for (size_t k = 0; k < COUNT(keys) * COUNT(returns); k++) {
        const char *key = keys[k % COUNT(keys)], *what = returns[k / COUNT(keys)];
        size_t n_found = 0;
        struct slice all;

        must(rs, "t ESEARCH IN (personal) RETURN (%s) %s\r\n", what, key);
        all = arena_dup(arena, rig_output(rs));
        for (size_t i = 0; i < COUNT(names); i++) {
            struct slice one;

            must(each, "t EXAMINE %s\r\n", names[i]);
            must(each, "t UID SEARCH RETURN (COUNT) %s\r\n", key);
            one = found(rig_output(each));
            if (one.len == 0) {
                assert_false(
                    has(all, arena_printf(arena, " MAILBOX %s UIDVALIDITY", names[i])));
                continue;
            }
            n_found++;
            must(each, "t UID SEARCH RETURN (%s) %s\r\n", what, key);
            one = arena_dup(arena, found(rig_output(each)));
            must(rs, "t ESEARCH IN (mailboxes %s) RETURN (%s) %s\r\n", names[i], what, key);
            if (!slice_eq(found(rig_output(rs)), one) ||
                !has(all, arena_printf(arena, ") UID %.*s\r\n", SLICE_ARG(one))))
                fail_msg("%s RETURN (%s) %s: %.*s", names[i], what, key, SLICE_ARG(one));
        }
        assert_int_equal(count(all, "* ESEARCH "), n_found);
        n_lines += n_found;
    }
    assert_true(n_lines > 200 && n_lines < COUNT(keys) * COUNT(returns) * COUNT(names));
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_search_pauses_between_mailboxes),
        cmocka_unit_test(a_search_pauses_when_the_client_does_not_read),
        cmocka_unit_test(an_aborted_search_leaves_nothing_behind),
        cmocka_unit_test(mailboxes_change_while_it_runs),
        cmocka_unit_test(rights_change_while_it_runs),
        cmocka_unit_test(it_finds_what_a_search_in_each_finds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
