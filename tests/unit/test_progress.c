/* test_progress.c - a client whose SEARCH lasts hears how far it is (RFC 9585). */
// links: commands store_memory
// lib: session_rig
#include "base/clock.h"
#include "imap/response.h"
#include "lib/session_rig.h"
#include "lib/test.h"
#include "store/memory/memory_engine.h"

#define MESSAGES 9000u /* whose texts take more than one slice of SEARCH's work */
#define OUT_MAX  ((size_t) 64 << 20)

/* SEARCH for what nobody has, a resume each `step_us`; what it answers is in out. */
static unsigned search(struct rig_session *rs, const char *tag, int64_t step_us,
                       struct buf *out)
{
    AUTO(arena_freep) struct arena *arena = arena_new(CMD_ARENA_BYTES);
    const char *line = arena_printf(arena, "%s SEARCH TEXT nowhere", tag);
    const struct command_input input = {.text = {.text = slice_from_str(line)}};
    struct cmd *running = NULL;
    unsigned resumes = 0;
    enum command_outcome outcome = command_start(rig_session_of(rs), &input, out, &running);

    for (; outcome == COMMAND_MORE; resumes++) {
        clock_set_for_test(clock_mono_us() + step_us);
        outcome = command_resume(&running, out, false);
    }
    assert_int_equal(outcome, COMMAND_DONE);
    return resumes;
}

static unsigned count_progress(struct slice out, const char *start)
{
    unsigned n = 0;

    while (out.len > 0) {
        AUTO(arena_freep) struct arena *arena = arena_new(CMD_ARENA_BYTES);
        struct slice line = slice_sub(out, 0, slice_find(out, '\n') + 1);
        struct imap_response response;
        struct err err;

        assert_int_equal(
            imap_parse_response(line, (struct imap_mode){0}, arena, &response, &err), RC_OK);
        n += slice_starts(line, slice_from_str(start));
        out = slice_from(out, line.len);
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

static void who_waits_long_hears_of_it(void **state)
{
    struct rig *rig = rig_new(memory_engine_new(&(struct memory_engine_options){0}));
    struct rig_session *rs = rig_login(rig, SESSION_FULL);
    AUTO(buf_done) struct buf out = {.max = OUT_MAX};
    unsigned resumes;

    (void) state;
    clock_set_for_test(1000000);
    fill(rs);
    resumes = search(rs, "quick", INPROGRESS_US / 1000, &out);
    assert_true(resumes > 0);
    assert_int_equal(count_progress(buf_slice(&out), "* OK [INPROGRESS"), 0);
    buf_reset(&out);
    resumes = search(rs, "slow", INPROGRESS_US, &out);
    assert_int_equal(count_progress(buf_slice(&out), "* OK [INPROGRESS (\"slow\" "), resumes);
    buf_reset(&out);
    resumes = search(rs, "sl]ow", INPROGRESS_US, &out); /* a tag that ends a code */
    assert_int_equal(count_progress(buf_slice(&out), "* OK [INPROGRESS (NIL "), resumes);
    rig_free(rig);
    clock_set_for_test(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_long_hears_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
