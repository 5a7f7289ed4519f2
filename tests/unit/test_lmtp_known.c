/* test_lmtp_known.c - recipients that are known: for how long, how many, and who goes first. */
// links: lmtp
#include "lib/test.h"
#include "lmtp/known.h"

#define NOW_US     ((int64_t) 1000000)
#define GENERATION 5u

static int set_up(void **state)
{
    *state = known_new();
    known_forget(*state, GENERATION);
    return 0;
}

static int tear_down(void **state)
{
    known_free(*state);
    return 0;
}

static struct msg_resolved said_of(uint64_t account, uint32_t keep_ms)
{
    return (struct msg_resolved){.code = account != 0 ? RESOLVE_OK : RESOLVE_UNKNOWN,
                                 .account = account,
                                 .generation = GENERATION,
                                 .keep_ms = keep_ms};
}

static struct slice address_of(char room[32], const char *name, unsigned number)
{
    return slice_of(room, (size_t) snprintf(room, 32, "%s%u@example.org", name, number));
}

static void put_many(struct known *known, const char *name, unsigned n, uint64_t account)
{
    const struct msg_resolved said = said_of(account, 1000);
    char room[32];

    for (unsigned i = 0; i < n; i++)
        known_put(known, address_of(room, name, i), &said, NOW_US);
}

static bool has(struct known *known, const char *name, unsigned number)
{
    char room[32];

    return known_find(known, address_of(room, name, number), NOW_US) != NULL;
}

static void an_answer_is_given_again_word_for_word(void **state)
{
    struct known *known = *state;
    struct msg_resolved said = said_of(7, 1000);
    const struct msg_resolved *found;
    char user[] = "anna", detail[] = "Lists", mailbox[] = "work";

    said.user = slice_from_str(user);
    said.detail = slice_from_str(detail);
    said.mailbox = slice_from_str(mailbox);
    known_put(known, SLICE("anna+Lists@example.org"), &said, NOW_US);
    user[0] = detail[0] = mailbox[0] = '?'; /* what is kept is a copy */
    found = known_find(known, SLICE("anna+Lists@example.org"), NOW_US);
    assert_non_null(found);
    assert_int_equal(found->code, RESOLVE_OK);
    assert_int_equal(found->account, 7);
    assert_slice_equal(found->user, SLICE("anna"));
    assert_slice_equal(found->detail, SLICE("Lists"));
    assert_slice_equal(found->mailbox, SLICE("work"));
    assert_null(known_find(known, SLICE("anna+lists@example.org"), NOW_US));
    assert_null(known_find(known, SLICE("anna"), NOW_US));
}

static void for_as_long_as_auth_says(void **state)
{
    struct known *known = *state;
    struct msg_resolved said = said_of(7, 500);
    struct slice address = SLICE("anna");

    known_put(known, address, &said, NOW_US);
    assert_non_null(known_find(known, address, NOW_US + 499999));
    assert_null(known_find(known, address, NOW_US + 500000));
    assert_int_equal(known_count(known), 0);

    said.keep_ms = UINT32_MAX;
    known_put(known, address, &said, NOW_US);
    assert_non_null(known_find(known, address, NOW_US + (int64_t) 40 * 86400 * 1000000));

    said.keep_ms = 0; /* not to be kept, and what was is wrong */
    known_put(known, address, &said, NOW_US);
    assert_null(known_find(known, address, NOW_US));
}

static void the_last_word_counts(void **state)
{
    struct known *known = *state;
    struct msg_resolved said = said_of(0, 1000);
    struct slice address = SLICE("anna");

    known_put(known, address, &said, NOW_US);
    assert_int_equal(known_find(known, address, NOW_US)->code, RESOLVE_UNKNOWN);
    said = said_of(7, 1000);
    known_put(known, address, &said, NOW_US);
    assert_int_equal(known_find(known, address, NOW_US)->account, 7);
    assert_int_equal(known_count(known), 1);
}

static void an_answer_counts_in_its_generation(void **state)
{
    struct known *known = *state;
    struct msg_resolved said = said_of(7, 1000);
    struct slice address = SLICE("anna");

    known_put(known, address, &said, NOW_US);
    known_forget(known, GENERATION + 1);
    assert_null(known_find(known, address, NOW_US));
    assert_int_equal(known_count(known), 0);
    known_put(known, address, &said, NOW_US); /* it was under way meanwhile */
    assert_null(known_find(known, address, NOW_US));
    said.generation++;
    known_put(known, address, &said, NOW_US);
    assert_non_null(known_find(known, address, NOW_US));
    known_forget(known, 0); /* auth is gone */
    said.generation = 0;
    known_put(known, address, &said, NOW_US);
    assert_null(known_find(known, address, NOW_US));
}

static void guesses_push_out_guesses_alone(void **state)
{
    struct known *known = *state;

    put_many(known, "user", 100, 7);
    put_many(known, "guess", 3 * KNOWN_REFUSED_MAX, 0);
    assert_int_equal(known_count(known), 100 + KNOWN_REFUSED_MAX);
    for (unsigned i = 0; i < 100; i++)
        assert_true(has(known, "user", i));
    assert_false(has(known, "guess", 2 * KNOWN_REFUSED_MAX - 1));
    assert_true(has(known, "guess", 2 * KNOWN_REFUSED_MAX));
}

static void who_was_not_asked_for_goes_first(void **state)
{
    struct known *known = *state;

    put_many(known, "user", KNOWN_MAX, 7);
    assert_true(has(known, "user", 0));
    put_many(known, "other", 2, 7);
    assert_int_equal(known_count(known), KNOWN_MAX);
    assert_true(has(known, "user", 0));
    assert_false(has(known, "user", 1));
    assert_false(has(known, "user", 2));
    assert_true(has(known, "user", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_answer_is_given_again_word_for_word, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(for_as_long_as_auth_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_last_word_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_answer_counts_in_its_generation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(guesses_push_out_guesses_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_was_not_asked_for_goes_first, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
