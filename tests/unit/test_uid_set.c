/* test_uid_set.c - what sets of uids have in common, against one bit a uid. */
// links: account
#include "account/types.h"
#include "lib/test.h"

#define SPAN  96u /* uids 1..SPAN; the greatest uid stands for itself */
#define SEEDS 2000u

static uint32_t state;

static uint32_t next(uint32_t below)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % below;
}

static struct uid_set random_set(struct arena *arena, bool in[SPAN + 1])
{
    struct uid_set_builder builder;
    uint32_t keep = 1 + next(8);

    uid_set_start(&builder, arena);
    for (uint32_t uid = 1; uid <= SPAN; uid++) {
        in[uid] = next(8) < keep;
        if (in[uid])
            uid_set_add(&builder, uid);
    }
    return uid_set_finish(&builder);
}

/* Ascending runs that do not touch, and just these uids. */
static void check(const struct uid_set *set, const bool in[SPAN + 1])
{
    for (size_t i = 0; i < set->n; i++) {
        assert_true(set->runs[i].first <= set->runs[i].last);
        assert_true(i == 0 || set->runs[i - 1].last + 1 < set->runs[i].first);
    }
    for (uint32_t uid = 1; uid <= SPAN; uid++)
        assert_int_equal(uid_set_contains(set, uid), in[uid]);
}

/* Some ranks of it, counted one by one. */
static void check_ranks(const struct uid_set *set, const bool in[SPAN + 1], struct arena *arena)
{
    uint32_t from = 1 + next(SPAN), to = from + next(SPAN), rank = 0;
    struct uid_set got = uid_set_ranks(set, from, to, arena);
    bool some[SPAN + 1];

    for (uint32_t uid = 1; uid <= SPAN; uid++) {
        rank += in[uid];
        some[uid] = in[uid] && rank >= from && rank <= to;
    }
    check(&got, some);
}

static void common_and_without_are_those_of_the_bits(void **unused)
{
    (void) unused;
    for (uint32_t seed = 1; seed <= SEEDS; seed++) {
        AUTO(arena_freep) struct arena *arena = arena_new((size_t) 1 << 20);
        bool in_a[SPAN + 1], in_b[SPAN + 1], both[SPAN + 1], left[SPAN + 1];
        struct uid_set a, b, got;

        state = seed;
        a = random_set(arena, in_a);
        b = random_set(arena, in_b);
        for (uint32_t uid = 1; uid <= SPAN; uid++) {
            both[uid] = in_a[uid] && in_b[uid];
            left[uid] = in_a[uid] && !in_b[uid];
        }
        got = uid_set_common(&a, &b, arena);
        check(&got, both);
        got = uid_set_without(&a, &b, arena);
        check(&got, left);
        check_ranks(&a, in_a, arena);
    }
}

static void the_greatest_uid_is_no_border(void **unused)
{
    static const struct uid_run all = {1, UINT32_MAX}, last = {UINT32_MAX, UINT32_MAX};
    AUTO(arena_freep) struct arena *arena = arena_new((size_t) 1 << 20);
    const struct uid_set everything = {&all, 1}, end = {&last, 1};
    struct uid_set got = uid_set_without(&everything, &end, arena);

    (void) unused;
    assert_int_equal(got.n, 1);
    assert_int_equal(got.runs[0].last, UINT32_MAX - 1);
    got = uid_set_without(&end, &everything, arena);
    assert_int_equal(got.n, 0);
    got = uid_set_common(&everything, &end, arena);
    assert_int_equal(got.runs[0].first, UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(common_and_without_are_those_of_the_bits),
        cmocka_unit_test(the_greatest_uid_is_no_border),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
