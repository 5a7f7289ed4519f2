/* test_progress.c - a client whose command lasts hears how far it is (RFC 9585). */
// links: commands store_memory
// lib: answer session_rig
#include "base/clock.h"
#include "imap/response.h"
#include "lib/answer.h"
#include "lib/session_rig.h"
#include "lib/test.h"
#include "store/memory/memory_engine.h"

#define MESSAGES 9000u /* whose texts take more than one slice of SEARCH's work */
#define OUT_MAX  ((size_t) 128 << 20)

#define BIG_MESSAGES 6u
#define BIG_BYTES    ((size_t) 4 << 20)

/* The command, a resume each `step_us`; what it answers is in out. */
static unsigned run(struct rig_session *rs, const char *line, int64_t step_us, struct buf *out)
{
    const struct command_input input = {.text = {.text = slice_from_str(line)}};
    AUTO(buf_done) struct buf some = {.max = OUT_MAX};
    struct cmd *running = NULL;
    unsigned resumes = 0;
    enum command_outcome outcome = command_start(rig_session_of(rs), &input, &some, &running);

    buf_reset(out);
    for (; outcome == COMMAND_MORE; resumes++) {
        buf_append(out, buf_slice(&some));
        buf_reset(&some);
        clock_set_for_test(clock_mono_us() + step_us);
        outcome = command_resume(&running, &some, false);
    }
    buf_append(out, buf_slice(&some));
    assert_int_equal(outcome, COMMAND_DONE);
    return resumes;
}

/* Every line is in the grammar; how many begin so? */
static unsigned count_lines(struct slice out, const char *start)
{
    unsigned n = 0;

    while (out.len > 0) {
        AUTO(arena_freep) struct arena *arena = arena_new(CMD_ARENA_BYTES);
        struct slice line = slice_sub(out, 0, answer_length(out));
        struct imap_response response;
        struct err err;

        assert_int_equal(
            imap_parse_response(line, (struct imap_mode){0}, arena, &response, &err), RC_OK);
        n += slice_starts(line, slice_from_str(start));
        out = slice_from(out, line.len);
    }
    return n;
}

/* "[INPROGRESS (TAG PROGRESS GOAL)": progress rises and stays below the goal, which stays. */
static unsigned check_counts(struct slice out, const char *start, uint32_t goal)
{
    uint32_t before = 0;
    unsigned n = 0;

    for (size_t len; out.len > 0; out = slice_from(out, len)) {
        struct slice line = slice_sub(out, 0, len = answer_length(out)), numbers;
        uint32_t progress, of;
        size_t space;

        if (!slice_starts(line, slice_from_str(start)))
            continue;
        numbers = slice_sub(line, strlen(start), slice_find(line, ')') - strlen(start));
        space = slice_find(numbers, ' ');
        assert_true(slice_to_u32(slice_sub(numbers, 0, space), &progress));
        assert_true(slice_to_u32(slice_from(numbers, space + 1), &of));
        assert_int_equal(of, goal);
        assert_in_range(progress, before, goal - 1);
        before = progress;
        n++;
    }
    return n;
}

static void fill(struct rig_session *rs)
{
    AUTO(buf_done) struct buf text = {.max = OUT_MAX};

    for (unsigned i = 0; i < MESSAGES; i++) {
        if (i % 1000 == 0)
            buf_str(&text, i == 0 ? "a APPEND INBOX" : "\r\na APPEND INBOX");
        buf_str(&text, " {6+}\r\na: b\r\n");
    }
    buf_str(&text, "\r\nb SELECT INBOX\r\n");
    rig_send(rs, buf_slice(&text));
    assert_int_equal(rig_session_of(rs)->state, SESSION_SELECTED);
}

static struct rig_session *begin(struct rig **rig)
{
    *rig = rig_new(memory_engine_new(&(struct memory_engine_options){0}));
    clock_set_for_test(1000000);
    return rig_login(*rig, SESSION_FULL);
}

static void end(struct rig *rig)
{
    rig_free(rig);
    clock_set_for_test(0);
}

static void who_waits_long_hears_of_it(void **state)
{
    struct rig *rig;
    struct rig_session *rs = begin(&rig);
    AUTO(buf_done) struct buf out = {.max = OUT_MAX};
    unsigned resumes;

    (void) state;
    fill(rs);
    resumes = run(rs, "quick SEARCH TEXT nowhere", INPROGRESS_US / 1000, &out);
    assert_true(resumes > 0);
    assert_int_equal(count_lines(buf_slice(&out), "* OK [INPROGRESS"), 0);
    resumes = run(rs, "slow SEARCH TEXT nowhere", INPROGRESS_US, &out);
    assert_int_equal(count_lines(buf_slice(&out), "* OK [INPROGRESS (\"slow\" "), resumes);
    assert_int_equal(check_counts(buf_slice(&out), "* OK [INPROGRESS (\"slow\" ", MESSAGES),
                     resumes);
    /* a tag that ends a code */
    resumes = run(rs, "sl]ow SEARCH TEXT nowhere", INPROGRESS_US, &out);
    assert_int_equal(count_lines(buf_slice(&out), "* OK [INPROGRESS (NIL "), resumes);
    end(rig);
}

/* Messages of all mailboxes are counted together. */
static void a_search_in_several_mailboxes_counts_through(void **state)
{
    struct rig *rig;
    struct rig_session *rs = begin(&rig);
    AUTO(buf_done) struct buf out = {.max = OUT_MAX};
    unsigned resumes;

    (void) state;
    fill(rs);
    rig_send(rs, SLICE("c CREATE box\r\nd COPY 1:* box\r\ne CREATE empty\r\n"));
    resumes = run(rs, "slow ESEARCH IN (personal) TEXT nowhere", INPROGRESS_US, &out);
    assert_true(resumes > 1);
    assert_int_equal(check_counts(buf_slice(&out), "* OK [INPROGRESS (\"slow\" ", 2 * MESSAGES),
                     resumes);
    end(rig);
}

static void a_long_fetch_says_how_far_it_is(void **state)
{
    static const char *const whole[] = {"t FETCH 1:* (FLAGS UID)",
                                        "t FETCH 1:* (ENVELOPE UID)"};
    struct rig *rig;
    struct rig_session *rs = begin(&rig);
    AUTO(buf_done) struct buf out = {.max = OUT_MAX};

    (void) state;
    fill(rs);
    for (size_t i = 0; i < COUNT(whole); i++) {
        unsigned resumes = run(rs, whole[i], INPROGRESS_US, &out);

        assert_true(resumes > 0);
        assert_int_equal(count_lines(buf_slice(&out), "* "), MESSAGES + resumes);
        assert_int_equal(check_counts(buf_slice(&out), "* OK [INPROGRESS (\"t\" ", MESSAGES),
                         resumes);
    }
    /* how many there will be is not known */
    assert_true(run(rs, "t UID FETCH 1:* (ENVELOPE) (CHANGEDSINCE 1)", INPROGRESS_US, &out) >
                0);
    assert_true(count_lines(buf_slice(&out), "* OK [INPROGRESS (\"t\" ") > 0);
    assert_int_equal(slice_search(buf_slice(&out), SLICE(" NIL)]")) < out.len, true);
    end(rig);
}

/* A body leaves in pieces, between which nothing may stand. */
static void nothing_stands_inside_an_answer(void **state)
{
    struct rig *rig;
    struct rig_session *rs = begin(&rig);
    AUTO(buf_done) struct buf out = {.max = OUT_MAX}, text = {.max = OUT_MAX};

    (void) state;
    for (unsigned i = 0; i < BIG_MESSAGES; i++) {
        buf_printf(&text, "a APPEND INBOX {%zu}\r\n", BIG_BYTES);
        for (size_t at = 0; at < BIG_BYTES; at++)
            buf_byte(&text, 'x');
        buf_str(&text, "\r\n");
    }
    buf_str(&text, "b SELECT INBOX\r\n");
    rig_send(rs, buf_slice(&text));
    assert_true(run(rs, "t FETCH 1:* (FLAGS BODY.PEEK[])", INPROGRESS_US, &out) > BIG_MESSAGES);
    assert_int_equal(count_lines(buf_slice(&out), "* OK [INPROGRESS (\"t\" "),
                     check_counts(buf_slice(&out), "* OK [INPROGRESS (\"t\" ", BIG_MESSAGES));
    assert_in_range(count_lines(buf_slice(&out), "* OK [INPROGRESS"), 1, BIG_MESSAGES - 1);

    /* into another account they are copied one by one */
    rig_send(rig_login_as(rig, rig_person(rig, PRINCIPAL_USER, SLICE("Ann")), SESSION_FULL),
             SLICE("a SETACL INBOX Fred lri\r\n"));
    assert_true(run(rs, "t COPY 1:* \"Other Users/Ann\"", INPROGRESS_US, &out) > 0);
    assert_true(check_counts(buf_slice(&out), "* OK [INPROGRESS (\"t\" ", BIG_MESSAGES) > 0);
    assert_int_equal(count_lines(buf_slice(&out), "t OK [COPYUID "), 1);
    end(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_long_hears_of_it),
        cmocka_unit_test(a_search_in_several_mailboxes_counts_through),
        cmocka_unit_test(a_long_fetch_says_how_far_it_is),
        cmocka_unit_test(nothing_stands_inside_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
