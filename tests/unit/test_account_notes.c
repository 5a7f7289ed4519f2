/* test_account_notes.c - what is remembered of accounts is bounded and makes room for others.
 */
// links: search
#include "lib/test.h"
#include "search/account_notes.h"

static void a_note_is_kept_until_there_is_no_room(void **state)
{
    struct account_notes notes;
    unsigned *one, *two;
    bool is_new;

    (void) state;
    account_notes_init(&notes, sizeof(unsigned), 2);
    one = account_notes_get(&notes, 1, &is_new);
    assert_true(is_new);
    assert_int_equal(*one, 0);
    *one = 11;
    two = account_notes_get(&notes, 2, &is_new);
    *two = 22;
    assert_ptr_equal(account_notes_get(&notes, 1, &is_new), one);
    assert_false(is_new);
    assert_int_equal(*one, 11);
    assert_int_equal(*(unsigned *) account_notes_get(&notes, 3, &is_new), 0);
    assert_true(is_new);
    assert_int_equal(*(unsigned *) account_notes_get(&notes, 1, &is_new), 0);
    assert_true(is_new);
    (void) account_notes_get(&notes, 3, &is_new);
    assert_false(is_new);
    account_notes_done(&notes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_note_is_kept_until_there_is_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
