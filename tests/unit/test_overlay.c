/*
 * test_overlay.c - private flags in leaves: what a change of one message makes anew, how leaves
 * fill, split and go, and that they say what a plain array says.
 */
// links: account
#include "account/overlay.h"
#include "lib/test.h"

#define MESSAGES 100000u

static void change(struct overlay **overlay, uint32_t first, uint32_t last, enum flag_op op)
{
    static uint64_t modseq = 1;
    const struct uid_run run = {first, last};

    overlay_change(overlay, &(struct record_flags){
                                .mbox = 1,
                                .reader = 9,
                                .op = op,
                                .flags = FLAG_SEEN,
                                .uids = {&run, 1},
                                .modseq = modseq++
    });
}

static void expunge(struct overlay **overlay, uint32_t first, uint32_t last)
{
    const struct uid_run run = {first, last};

    overlay_expunge(overlay, &(struct uid_set){&run, 1});
}

static void check_order(const struct overlay *overlay)
{
    size_t n = 0, seen = 0;
    uint32_t before = 0;

    for (size_t i = 0; i < overlay->n_leaves; i++) {
        const struct overlay_leaf *leaf = overlay->leaves[i];

        assert_true(leaf->n > 0 && leaf->n <= OVERLAY_LEAF_ROWS);
        for (uint32_t row = 0; row < leaf->n; row++) {
            assert_true(leaf->rows[row].uid > before);
            before = leaf->rows[row].uid;
            seen += (leaf->rows[row].flags & FLAG_SEEN) != 0;
        }
        n += leaf->n;
    }
    assert_int_equal(overlay->n, n);
    assert_int_equal(overlay->seen, seen);
}

/* Leaves of b that a does not have. */
static size_t made_anew(const struct overlay *a, const struct overlay *b)
{
    size_t anew = 0;

    for (size_t i = 0; i < b->n_leaves; i++) {
        bool shared = false;

        for (size_t k = 0; k < a->n_leaves && !shared; k++)
            shared = a->leaves[k] == b->leaves[i];
        anew += !shared;
    }
    return anew;
}

/* A copy that somebody else holds stays as it is, and shares all but what changes. */
static void one_message_makes_one_leaf_anew(void **state)
{
    static const uint32_t uids[] = {1, 2, 255, 256, 257, 50000, MESSAGES - 1, MESSAGES};
    struct overlay *overlay = overlay_new(9);

    (void) state;
    change(&overlay, 1, MESSAGES, FLAG_OP_ADD);
    assert_int_equal(overlay->n_leaves, (MESSAGES + OVERLAY_LEAF_ROWS - 1) / OVERLAY_LEAF_ROWS);
    for (size_t i = 0; i < COUNT(uids); i++) {
        struct overlay *old = overlay;

        overlay_ref(old);
        change(&overlay, uids[i], uids[i], FLAG_OP_REMOVE);
        assert_ptr_not_equal(old, overlay);
        assert_int_equal(made_anew(old, overlay), 1);
        assert_int_equal(overlay_find(old, uids[i])->flags, FLAG_SEEN);
        assert_int_equal(overlay_find(overlay, uids[i])->flags, 0);
        assert_int_equal(overlay->seen + 1, old->seen);
        overlay_unref(old);
    }
    check_order(overlay);
    overlay_unref(overlay);
}

static void reading_onwards_fills_leaves(void **state)
{
    struct overlay *overlay = overlay_new(9);

    (void) state;
    for (uint32_t uid = 1; uid <= 10 * OVERLAY_LEAF_ROWS; uid++)
        change(&overlay, uid, uid, FLAG_OP_ADD);
    assert_int_equal(overlay->n_leaves, 10);
    check_order(overlay);
    overlay_unref(overlay);
}

/* Backwards each new row comes before the first: leaves split in halves, none becomes tiny. */
static void reading_backwards_splits_leaves(void **state)
{
    struct overlay *overlay = overlay_new(9);

    (void) state;
    for (uint32_t uid = 10 * OVERLAY_LEAF_ROWS; uid > 0; uid--)
        change(&overlay, uid, uid, FLAG_OP_ADD);
    assert_true(overlay->n_leaves <= 2 * 10 + 1);
    check_order(overlay);
    overlay_unref(overlay);
}

static void leaves_of_expunged_messages_go(void **state)
{
    struct overlay *overlay = overlay_new(9), *old;

    (void) state;
    change(&overlay, 1, 1000, FLAG_OP_ADD);
    old = overlay;
    overlay_ref(old);
    expunge(&overlay, 2000, 3000);
    assert_ptr_equal(old, overlay); /* none of them */
    expunge(&overlay, 300, 300);
    assert_int_equal(made_anew(old, overlay), 1);
    expunge(&overlay, 2, 999);
    assert_int_equal(overlay->n, 2);
    assert_int_equal(overlay->n_leaves, 1); /* what is left of several is one */
    expunge(&overlay, 1, 1000);
    assert_int_equal(overlay->n_leaves, 0);
    assert_null(overlay_find(overlay, 1));
    change(&overlay, 5, 7, FLAG_OP_ADD);
    check_order(overlay);
    assert_int_equal(old->n, 1000);
    overlay_unref(old);
    overlay_unref(overlay);
}

#define WALK_UIDS  3000u
#define WALK_STEPS 4000u

static uint32_t random_below(uint64_t *random, uint32_t n)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t) (*random >> 33) % n;
}

static void random_changes_are_those_of_an_array(void **state)
{
    static int8_t want[WALK_UIDS + 1]; /* -1: no row; else \Seen or not */
    struct overlay *overlay = overlay_new(9);
    uint64_t random = 5;

    (void) state;
    memset(want, -1, sizeof(want));
    for (unsigned step = 0; step < WALK_STEPS; step++) {
        uint32_t first = 1 + random_below(&random, WALK_UIDS), last = first;
        uint32_t what = random_below(&random, 5);

        if (random_below(&random, 8) == 0)
            last += random_below(&random, 700);
        last = MIN(last, WALK_UIDS);
        if (what == 0)
            expunge(&overlay, first, last);
        else
            change(&overlay, first, last, what % 2 == 0 ? FLAG_OP_ADD : FLAG_OP_REMOVE);
        for (uint32_t uid = first; uid <= last; uid++)
            want[uid] = (int8_t) (what == 0 ? -1 : what % 2 == 0);
        if (step % 100 != 0)
            continue;
        check_order(overlay);
        for (uint32_t uid = 1; uid <= WALK_UIDS; uid++) {
            const struct overlay_row *row = overlay_find(overlay, uid);

            assert_int_equal(row == NULL ? -1 : (row->flags & FLAG_SEEN) != 0, want[uid]);
        }
    }
    overlay_unref(overlay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_message_makes_one_leaf_anew),
        cmocka_unit_test(reading_onwards_fills_leaves),
        cmocka_unit_test(reading_backwards_splits_leaves),
        cmocka_unit_test(leaves_of_expunged_messages_go),
        cmocka_unit_test(random_changes_are_those_of_an_array),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
