/*
 * test_sort_memory.c - what SORT and THREAD work with is counted in the budget of the open
 * accounts as long as they work: each message, and the columns while they are made. Counted by
 * sizes, so that nothing here depends on the moment.
 */
// links: commands store_memory
// lib: session_rig
#include "lib/session_rig.h"
#include "lib/test.h"
#include "mailbox/open_account.h"
#include "search/sort_keys.h"
#include "store/memory/memory_engine.h"

#define MESSAGES    1200u /* more than two slices */
#define AT_ONCE     400u
#define ARENA_BYTES ((size_t) 1 << 20)
#define TEXT_BYTES  ((size_t) 1 << 20)
#define ID_BYTES    16u /* each message has an id and a subject of its own */

static void run(struct rig_session *rs, struct buf *command)
{
    rig_send(rs, buf_slice(command));
    assert_true(slice_search(rig_output(rs), SLICE("t OK")) < rig_output(rs).len);
    rig_take(rs, 0, rig_output(rs).len);
    buf_reset(command);
}

static void fill(struct rig_session *rs)
{
    AUTO(buf_done) struct buf command;

    buf_init(&command, TEXT_BYTES);
    for (uint32_t i = 1; i <= MESSAGES; i++) {
        char mail[128];
        int len = snprintf(mail, sizeof(mail),
                           "Subject: the subject of %u\r\nMessage-ID: <%u@example.org>\r\n\r\n",
                           i, i);

        if (command.len == 0)
            buf_str(&command, "t APPEND INBOX");
        buf_printf(&command, " {%d+}\r\n%s", len, mail);
        if (i % AT_ONCE != 0)
            continue;
        buf_str(&command, "\r\n");
        run(rs, &command);
    }
    buf_str(&command, "t SELECT INBOX\r\n");
    run(rs, &command);
}

/* The work as a command does it; what it had noted at most. */
static size_t work_through(struct rig *rig, struct rig_session *rs, unsigned comparator)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_BYTES);
    AUTO(freep) uint32_t *uids = xcalloc(MESSAGES, sizeof(*uids));
    struct mbox_view *view = rig_session_of(rs)->view;
    const struct mail_store *store = rig_store(rig);
    struct keys_work work;
    size_t most = 0, slices = 0;
    struct err err;
    enum rc rc;

    for (uint32_t i = 0; i < MESSAGES; i++)
        uids[i] = i + 1;
    assert_int_equal(view_refresh(view, 0, &err), RC_OK);
    assert_int_equal(keys_work_start(&work, view, uids, MESSAGES, comparator,
                                     1u << KEY_TEXT_SUBJECT, arena, &err),
                     RC_OK);
    do {
        assert_true(work.noted >= MESSAGES * SORT_ROW_BYTES);
        assert_true(store_memory(store) >= work.noted);
        most = MAX(most, work.noted);
        rc = keys_work_go(&work, &err);
        slices++;
    } while (rc == RC_MORE);
    assert_int_equal(rc, RC_OK);
    assert_true(slices > 2);
    most = MAX(most, work.noted);
    if (work.is_own)
        assert_true(work.noted >= MESSAGES * SORT_ROW_BYTES + work.keys->thing.bytes);
    else /* they are on the shelf, which is counted by itself */
        assert_true(work.noted == MESSAGES * SORT_ROW_BYTES);
    keys_work_done(&work);
    assert_int_equal(work.noted, 0);
    view_park(view);
    return most;
}

static void work_is_counted_while_it_lasts(void **state)
{
    const struct memory_engine_options options = {.no_conflict = true};
    struct rig *rig = rig_new(memory_engine_new(&options));
    struct rig_session *rs = rig_login(rig, SESSION_FULL);
    const size_t columns = (size_t) MESSAGES * (KEY_TEXT_COUNT * sizeof(uint32_t) + ID_BYTES);

    (void) state;
    fill(rs);
    assert_true(work_through(rig, rs, COMPARATOR_DEFAULT) >=
                MESSAGES * SORT_ROW_BYTES + columns);
    shelf_clear(rig_session_of(rs)->account);
    assert_true(work_through(rig, rs, COMPARATOR_DEFAULT + 1) >=
                MESSAGES * SORT_ROW_BYTES + columns);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_is_counted_while_it_lasts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
