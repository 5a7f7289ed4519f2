/*
 * test_uid_order.c - uids as a set and in an order, beside a list that is searched from end to
 * end: search/uid_marks.c, uid_order.c.
 */
// links: search
#include "lib/test.h"
#include "search/uid_order.h"

#define STEPS     3000u
#define UID_SPACE 5000u
#define LIST_MAX  6000u

/* xorshift64*: the same walk for the same seed everywhere. */
static uint32_t below(uint64_t *seed, uint32_t n)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return (uint32_t) ((*seed * 2685821657736338717u) >> 33) % n;
}

/* ---- sets ---- */

static void check_marks(const struct uid_marks *marks, const bool *there)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct uid_set set = uid_marks_set(marks, arena);
    uint32_t n = 0, next;

    for (uint32_t uid = 0; uid < UID_SPACE; uid++) {
        n += there[uid];
        assert_int_equal(uid_marks_has(marks, uid), there[uid]);
        assert_int_equal(uid_set_contains(&set, uid), there[uid]);
    }
    assert_int_equal(marks->n, n);
    assert_int_equal(uid_set_span(&set), n);
    next = 0;
    for (uint32_t uid = 0; uid < UID_SPACE; uid++) {
        if (!there[uid])
            continue;
        assert_true(uid_marks_next(marks, next, &next));
        assert_int_equal(next++, uid);
    }
    assert_false(uid_marks_next(marks, next, &next));
}

static void a_set_holds_what_was_put_in(void **state)
{
    static bool there[UID_SPACE];
    struct uid_marks marks = {0};
    uint64_t seed = 7;

    (void) state;
    check_marks(&marks, there);
    for (uint32_t i = 0; i < STEPS * 4; i++) {
        uint32_t uid = below(&seed, UID_SPACE);

        if (below(&seed, 5) < (i < STEPS * 2 ? 3u : 1u))
            uid_marks_add(&marks, uid), there[uid] = true;
        else
            uid_marks_remove(&marks, uid), there[uid] = false;
        if (i % 500 == 0)
            check_marks(&marks, there);
    }
    for (uint32_t uid = 0; uid < UID_SPACE; uid++)
        uid_marks_remove(&marks, uid), there[uid] = false;
    check_marks(&marks, there);
    assert_int_equal(marks.n_pages, 0);
    uid_marks_done(&marks);
}

static void uids_are_those_of_32_bits(void **state)
{
    struct uid_marks marks = {0};
    uint32_t uid;

    (void) state;
    uid_marks_add(&marks, UINT32_MAX);
    uid_marks_add(&marks, 0);
    assert_true(uid_marks_next(&marks, 1, &uid));
    assert_int_equal(uid, UINT32_MAX);
    assert_true(uid_marks_has(&marks, 0));
    assert_int_equal(marks.n, 2);
    uid_marks_done(&marks);
}

/* ---- orders ---- */

struct twin {
    struct uid_order order;
    uint32_t list[LIST_MAX];
    uint32_t n;
    bool there[UID_SPACE];
};

static void check(const struct twin *twin)
{
    AUTO(freep) uint32_t *list = xcalloc((size_t) twin->n + 1, sizeof(*list));
    uint32_t uid = 0;

    assert_int_equal(twin->order.n, twin->n);
    uid_order_list(&twin->order, list);
    for (uint32_t i = 0; i < twin->n; i++)
        assert_int_equal(list[i], twin->list[i]);
    for (uint32_t i = 0; i < twin->n; i += 1 + twin->n / 16) {
        assert_int_equal(uid_order_at(&twin->order, i), twin->list[i]);
        assert_int_equal(uid_order_position(&twin->order, twin->list[i]), i);
    }
    for (uint32_t i = 0; i < UID_SPACE; i++) {
        assert_int_equal(uid_order_has(&twin->order, i), twin->there[i]);
        if (!twin->there[i])
            continue;
        assert_true(uid_order_next(&twin->order, uid, &uid));
        assert_int_equal(uid++, i);
    }
    assert_false(uid_order_next(&twin->order, uid, &uid));
}

static void list_insert(struct twin *twin, uint32_t position, uint32_t uid)
{
    memmove(&twin->list[position + 1], &twin->list[position],
            (twin->n - position) * sizeof(uint32_t));
    twin->list[position] = uid;
    twin->n++;
}

static int by_number(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Up to n new ones at chance places. */
static void insert_some(struct twin *twin, uint32_t n, uint64_t *seed)
{
    uint32_t uids[UID_SPACE] = {0}, positions[UID_SPACE], added = 0;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t uid = below(seed, UID_SPACE);

        if (twin->there[uid])
            continue;
        twin->there[uid] = true;
        uids[added++] = uid;
    }
    /* final positions: as many different ones below the final count */
    for (uint32_t i = 0; i < added; i++)
        positions[i] = below(seed, twin->n + 1);
    qsort(positions, added, sizeof(*positions), by_number);
    for (uint32_t i = 0; i < added; i++)
        positions[i] += i;
    uid_order_insert(&twin->order, uids, positions, added);
    for (uint32_t i = 0; i < added; i++)
        list_insert(twin, positions[i], uids[i]);
}

static void remove_some(struct twin *twin, uint32_t n, uint64_t *seed)
{
    uint32_t uids[UID_SPACE] = {0}, sorted[UID_SPACE], positions[UID_SPACE], removed = 0;

    for (uint32_t i = 0; i < n && twin->n > 0; i++) {
        uint32_t uid = twin->list[below(seed, twin->n)];

        if (!twin->there[uid])
            continue;
        twin->there[uid] = false;
        uids[removed++] = uid;
    }
    uid_order_remove(&twin->order, uids, removed, sorted, positions);
    for (uint32_t i = 0; i < removed; i++) { /* one after the other, as a client does it */
        assert_int_equal(twin->list[positions[i]], sorted[i]);
        twin->n--;
        memmove(&twin->list[positions[i]], &twin->list[positions[i] + 1],
                (twin->n - positions[i]) * sizeof(uint32_t));
    }
}

static void an_order_is_that_of_a_list(void **state)
{
    static struct twin twin;
    uint64_t seed = 11;

    (void) state;
    for (uint32_t i = 0; i < STEPS; i++) {
        uint32_t n = below(&seed, 8) == 0 ? below(&seed, 400) : 1 + below(&seed, 3);

        if (below(&seed, 5) < (i < STEPS / 2 ? 3u : 2u))
            insert_some(&twin, n, &seed);
        else
            remove_some(&twin, n, &seed);
        if (i % 50 == 0)
            check(&twin);
    }
    remove_some(&twin, UID_SPACE, &seed);
    while (twin.n > 0)
        remove_some(&twin, 1, &seed);
    check(&twin);
    assert_int_equal(twin.order.n_entries, 0);
    assert_int_equal(twin.order.n_pages, 0);
    uid_order_done(&twin.order);
}

/* One after the other at one place, so that blocks are split and split again. */
static void blocks_are_split(void **state)
{
    static struct twin twin;

    (void) state;
    memset(&twin, 0, sizeof(twin));
    for (uint32_t uid = 0; uid < UID_SPACE; uid++) {
        const uint32_t position = twin.n / 2;

        twin.there[uid] = true;
        uid_order_insert(&twin.order, &uid, &position, 1);
        list_insert(&twin, position, uid);
    }
    check(&twin);
    assert_true(twin.order.n_entries > UID_SPACE / ORDER_BLOCK_UIDS);
    uid_order_done(&twin.order);
}

/* What docs/limits.md and the header say of memory. */
static void memory_is_what_is_said(void **state)
{
    enum { MANY = 1000000 };
    AUTO(freep) uint32_t *uids = xcalloc(MANY, sizeof(*uids));
    struct uid_order order = {0};
    struct uid_marks marks = {0};

    (void) state;
    uid_marks_add(&marks, 1);
    assert_true(uid_marks_bytes(&marks) <= 80);
    for (uint32_t i = 0; i < MANY; i++) {
        uids[i] = MANY - i;
        uid_marks_add(&marks, i + 1);
    }
    assert_true(uid_marks_bytes(&marks) < 200000);
    uid_marks_done(&marks);
    uid_order_fill(&order, uids, 1);
    assert_true(uid_order_bytes(&order) < 2560);
    uid_order_fill(&order, uids, MANY);
    assert_true(uid_order_bytes(&order) < 9000000);
    assert_int_equal(uid_order_position(&order, 1), MANY - 1);
    uid_order_done(&order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_holds_what_was_put_in),
        cmocka_unit_test(uids_are_those_of_32_bits),
        cmocka_unit_test(an_order_is_that_of_a_list),
        cmocka_unit_test(blocks_are_split),
        cmocka_unit_test(memory_is_what_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
