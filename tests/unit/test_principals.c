/*
 * test_principals.c - snapshots of who there is: lookups, what a change leaves alone, names
 * that pass from one to another, a long random walk against a plain array, readers beside a
 * writer.
 */
// links: mailbox
// labels: concurrency
#include <pthread.h>
#include <stdatomic.h>

#include "auth/name.h"
#include "lib/test.h"
#include "mailbox/principals.h"

static struct principal user(uint64_t id, const char *name)
{
    return (struct principal){.id = id,
                              .kind = PRINCIPAL_USER,
                              .name = slice_from_str(name),
                              .key = slice_from_str(name)};
}

static struct principal of_kind(enum principal_kind kind, uint64_t id, const char *name)
{
    struct principal made = user(id, name);

    made.kind = kind;
    return made;
}

static void put(struct principal_registry *registry, struct principal who,
                const uint64_t *groups, size_t n)
{
    AUTO(principals_change_abortp)
    struct principals_change *change = principals_change_begin(registry, false);

    principals_put(change, &who, groups, n);
    principals_publish(&change);
}

static void take_away(struct principal_registry *registry, uint64_t id)
{
    AUTO(principals_change_abortp)
    struct principals_change *change = principals_change_begin(registry, false);

    principals_remove(change, id);
    principals_publish(&change);
}

static void finds_by_id_name_and_kind(void **state)
{
    AUTO(principal_registry_freep)
    struct principal_registry *registry = principal_registry_new();
    AUTO(principals_unrefp) struct principals *now = NULL;
    const struct principal *got;

    (void) state;
    put(registry, user(1, "ann"), NULL, 0);
    put(registry, of_kind(PRINCIPAL_SHARED, 2, "info"), NULL, 0);
    put(registry, of_kind(PRINCIPAL_GROUP, 3, "ann"), NULL, 0); /* another name space */
    now = principal_registry_current(registry);
    assert_int_equal(principals_count(now), 3);
    got = principals_by_name(now, PRINCIPAL_USER, SLICE("ann"));
    assert_non_null(got);
    assert_int_equal(got->id, 1);
    assert_int_equal(principals_by_name(now, PRINCIPAL_GROUP, SLICE("ann"))->id, 3);
    assert_null(principals_by_name(now, PRINCIPAL_SHARED, SLICE("ann")));
    assert_null(principals_by_name(now, PRINCIPAL_GROUP, SLICE("info")));
    assert_int_equal(principals_find_account(now, SLICE("INFO"))->id, 2);
    assert_int_equal(principals_find_group(now, SLICE("Ann"))->id, 3);
    assert_null(principals_find_account(now, SLICE("")));
    assert_null(principals_find_account(now, SLICE("a b")));
    assert_slice_equal(principals_by_id(now, 2)->name, SLICE("info"));
    assert_null(principals_by_id(now, 4));
}

/* "Jürgen" composed, and in full-width capitals with the umlaut apart: one key. */
static void one_name_in_two_spellings_is_one_principal(void **state)
{
    AUTO(principal_registry_freep)
    struct principal_registry *registry = principal_registry_new();
    AUTO(principals_unrefp) struct principals *now = NULL;
    struct principal who = user(9, "J\xc3\xbcrgen");
    struct auth_key key;

    (void) state;
    assert_int_equal(auth_names_init(NULL), RC_OK);
    assert_int_equal(auth_name_key(who.name, &key, NULL), RC_OK);
    who.key = auth_key_slice(&key);
    put(registry, who, NULL, 0);
    now = principal_registry_current(registry);
    assert_int_equal(principals_find_account(now, SLICE("\xef\xbc\xaaU\xcc\x88RGEN"))->id, 9);
    assert_slice_equal(principals_by_id(now, 9)->name, SLICE("J\xc3\xbcrgen"));
}

static void tells_an_accounts_groups(void **state)
{
    AUTO(principal_registry_freep)
    struct principal_registry *registry = principal_registry_new();
    AUTO(principals_unrefp) struct principals *now = NULL;
    const uint64_t groups[] = {10, 20, 30};
    size_t n = 99;

    (void) state;
    put(registry, user(1, "ann"), groups, COUNT(groups));
    put(registry, user(2, "bob"), NULL, 0);
    now = principal_registry_current(registry);
    assert_memory_equal(principals_groups_of(now, 1, &n), groups, sizeof(groups));
    assert_int_equal(n, COUNT(groups));
    assert_true(principals_is_member(now, 1, 10));
    assert_true(principals_is_member(now, 1, 30));
    assert_false(principals_is_member(now, 1, 11));
    assert_false(principals_is_member(now, 2, 10));
    assert_null(principals_groups_of(now, 2, &n));
    assert_int_equal(n, 0);
    assert_null(principals_groups_of(now, 3, &n));
}

static void members_of_a_group_that_goes_leave_it(void **state)
{
    AUTO(principal_registry_freep)
    struct principal_registry *registry = principal_registry_new();
    AUTO(principals_unrefp) struct principals *now = NULL;
    const uint64_t groups[] = {10, 20};
    size_t n;

    (void) state;
    put(registry, of_kind(PRINCIPAL_GROUP, 10, "staff"), NULL, 0);
    put(registry, of_kind(PRINCIPAL_GROUP, 20, "board"), NULL, 0);
    put(registry, user(1, "ann"), groups, 2);
    put(registry, user(2, "bob"), groups, 1);
    put(registry, user(3, "cat"), groups + 1, 1);
    take_away(registry, 10);
    now = principal_registry_current(registry);
    assert_int_equal(principals_count(now), 4);
    assert_null(principals_by_id(now, 10));
    assert_int_equal(*principals_groups_of(now, 1, &n), 20);
    assert_int_equal(n, 1);
    (void) principals_groups_of(now, 2, &n);
    assert_int_equal(n, 0);
    assert_true(principals_is_member(now, 3, 20));
    assert_slice_equal(principals_by_name(now, PRINCIPAL_USER, SLICE("ann"))->name,
                       SLICE("ann"));
}

/* A transfer of everybody that was begun before a change was published comes after it. */
static void epochs_rise_whatever_the_order(void **state)
{
    AUTO(principal_registry_freep)
    struct principal_registry *registry = principal_registry_new();
    AUTO(principals_change_abortp)
    struct principals_change *whole = principals_change_begin(registry, true);
    uint64_t before;

    (void) state;
    put(registry, user(1, "ann"), NULL, 0);
    before = principal_registry_epoch(registry);
    principals_publish(&whole);
    assert_true(principal_registry_epoch(registry) > before);
}

static void a_snapshot_does_not_change(void **state)
{
    AUTO(principal_registry_freep)
    struct principal_registry *registry = principal_registry_new();
    AUTO(principals_unrefp) struct principals *before = NULL;
    AUTO(principals_unrefp) struct principals *after = NULL;

    (void) state;
    put(registry, user(1, "ann"), NULL, 0);
    before = principal_registry_current(registry);
    take_away(registry, 1);
    put(registry, user(2, "ann"), NULL, 0);
    after = principal_registry_current(registry);
    assert_int_equal(principals_by_name(before, PRINCIPAL_USER, SLICE("ann"))->id, 1);
    assert_null(principals_by_id(before, 2));
    assert_int_equal(principals_by_name(after, PRINCIPAL_USER, SLICE("ann"))->id, 2);
    assert_null(principals_by_id(after, 1));
    assert_true(principals_epoch(after) > principals_epoch(before));
    assert_int_equal(principals_epoch(after), principal_registry_epoch(registry));
}

static void a_name_passes_to_another_id(void **state)
{
    AUTO(principal_registry_freep)
    struct principal_registry *registry = principal_registry_new();
    AUTO(principals_unrefp) struct principals *now = NULL;

    (void) state;
    put(registry, user(1, "ann"), NULL, 0);
    put(registry, user(2, "ann"), NULL, 0);
    put(registry, user(2, "eve"), NULL, 0);
    now = principal_registry_current(registry);
    assert_int_equal(principals_count(now), 1);
    assert_null(principals_by_id(now, 1));
    assert_null(principals_by_name(now, PRINCIPAL_USER, SLICE("ann")));
    assert_int_equal(principals_by_name(now, PRINCIPAL_USER, SLICE("eve"))->id, 2);
}

static void what_is_not_published_is_forgotten(void **state)
{
    AUTO(principal_registry_freep)
    struct principal_registry *registry = principal_registry_new();
    AUTO(principals_unrefp) struct principals *now = NULL;
    AUTO(principals_change_abortp) struct principals_change *change = NULL;
    struct principal ann = user(1, "ann"), bob = user(2, "bob");

    (void) state;
    put(registry, ann, NULL, 0);
    change = principals_change_begin(registry, false);
    principals_put(change, &bob, NULL, 0);
    principals_remove(change, 1);
    principals_change_abortp(&change);
    change = principals_change_begin(registry, true); /* whole: those not put are gone */
    principals_put(change, &bob, NULL, 0);
    now = principal_registry_current(registry);
    assert_non_null(principals_by_id(now, 1));
    assert_null(principals_by_id(now, 2));
    principals_unrefp(&now);
    principals_publish(&change);
    now = principal_registry_current(registry);
    assert_null(principals_by_id(now, 1));
    assert_non_null(principals_by_id(now, 2));
}

struct counting_watcher {
    struct principals_watcher watcher;
    unsigned woken;
};

static void count_wake(struct principals_watcher *watcher)
{
    LINK_OWNER(watcher, struct counting_watcher, watcher)->woken++;
}

static void watchers_hear_of_each_snapshot(void **state)
{
    AUTO(principal_registry_freep)
    struct principal_registry *registry = principal_registry_new();
    struct counting_watcher counting = {.watcher.wake = count_wake};

    (void) state;
    principal_registry_watch(registry, &counting.watcher);
    put(registry, user(1, "ann"), NULL, 0);
    take_away(registry, 1);
    principal_registry_unwatch(registry, &counting.watcher);
    put(registry, user(2, "bob"), NULL, 0);
    assert_int_equal(counting.woken, 2);
}

/* ---- a random walk ---- */

#define WALK_IDS   600u
#define WALK_STEPS 4000u

/* Slow and obvious: one array, a row an id, and the name it has. */
struct plain {
    bool there[WALK_IDS];
    unsigned name[WALK_IDS];
    uint64_t group[WALK_IDS]; /* one group, or 0 */
};

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static struct principal named(uint64_t id, unsigned name, char text[16])
{
    (void) snprintf(text, 16, "n%u", name);
    return user(id, text);
}

static void check_all(const struct principals *now, const struct plain *plain)
{
    size_t n = 0, walked = 0, n_groups;
    struct principals_at at = {0};

    for (unsigned i = 0; i < WALK_IDS; i++) {
        const struct principal *got = principals_by_id(now, i + 1);
        char text[16];

        assert_int_equal(got != NULL, plain->there[i]);
        if (got == NULL)
            continue;
        n++;
        assert_slice_equal(got->key, named(i, plain->name[i], text).key);
        assert_ptr_equal(principals_by_name(now, PRINCIPAL_USER, got->key), got);
        (void) principals_groups_of(now, got->id, &n_groups);
        assert_int_equal(n_groups, plain->group[i] != 0);
        if (n_groups > 0)
            assert_true(principals_is_member(now, got->id, plain->group[i]));
    }
    assert_int_equal(principals_count(now), n);
    for (const struct principal *got; (got = principals_next(now, &at)) != NULL; walked++)
        assert_true(plain->there[got->id - 1]);
    assert_int_equal(walked, n);
}

static void walk_put(struct principals_change *change, struct plain *plain, uint32_t *seed)
{
    unsigned i = next_random(seed) % WALK_IDS, name = next_random(seed) % WALK_IDS;
    uint64_t group = next_random(seed) % 3;
    char text[16];
    struct principal who = named(i + 1, name, text);

    for (unsigned other = 0; other < WALK_IDS; other++)
        if (plain->there[other] && plain->name[other] == name)
            plain->there[other] = false;
    plain->there[i] = true;
    plain->name[i] = name;
    plain->group[i] = group;
    principals_put(change, &who, &group, group != 0);
}

static void walk_step(struct principals_change *change, struct plain *plain, uint32_t *seed)
{
    unsigned gone;

    if (next_random(seed) % 4 != 0) {
        walk_put(change, plain, seed);
        return;
    }
    gone = next_random(seed) % WALK_IDS;
    plain->there[gone] = false;
    principals_remove(change, gone + 1);
}

static void a_random_walk_agrees_with_a_plain_array(void **state)
{
    AUTO(principal_registry_freep)
    struct principal_registry *registry = principal_registry_new();
    AUTO(principals_unrefp) struct principals *old = principal_registry_current(registry);
    static struct plain plain, old_plain;
    uint32_t seed = 20261122;

    (void) state;
    for (unsigned step = 0; step < WALK_STEPS;) {
        unsigned n = 1 + next_random(&seed) % 20;
        AUTO(principals_change_abortp)
        struct principals_change *change = principals_change_begin(registry, false);
        AUTO(principals_unrefp) struct principals *now = NULL;

        for (; n > 0; n--, step++)
            walk_step(change, &plain, &seed);
        principals_publish(&change);
        now = principal_registry_current(registry);
        check_all(now, &plain);
        check_all(old, &old_plain); /* the snapshot before, which shares rows with this one */
        principals_unrefp(&old);
        old = TAKE(now);
        old_plain = plain;
    }
}

/* ---- readers beside a writer ---- */

#define BUSY_PAIRS   64u
#define BUSY_CHANGES 2000u

struct busy {
    struct principal_registry *registry;
    _Atomic bool over;
    _Atomic bool torn;
};

/* Members 2i and 2i+1 change name together: in each snapshot they agree. */
static void *read_pairs(void *arg)
{
    struct busy *busy = arg;

    while (!atomic_load(&busy->over)) {
        AUTO(principals_unrefp)
        struct principals *now = principal_registry_current(busy->registry);

        for (uint64_t i = 0; i < BUSY_PAIRS; i++) {
            const struct principal *a = principals_by_id(now, 2 * i + 2);
            const struct principal *b = principals_by_id(now, 2 * i + 3);

            if ((a == NULL) != (b == NULL) ||
                (a != NULL && !slice_eq(slice_from(a->key, 1), slice_from(b->key, 1))))
                atomic_store(&busy->torn, true);
        }
    }
    return NULL;
}

static void write_pair(struct busy *busy, unsigned turn)
{
    AUTO(principals_change_abortp)
    struct principals_change *change = principals_change_begin(busy->registry, false);
    uint64_t pair = turn % BUSY_PAIRS;
    struct principal first, second;
    char a[24], b[24];

    (void) snprintf(a, sizeof(a), "a%u", turn);
    (void) snprintf(b, sizeof(b), "b%u", turn);
    first = user(2 * pair + 2, a);
    second = user(2 * pair + 3, b);
    principals_put(change, &first, NULL, 0);
    principals_put(change, &second, NULL, 0);
    principals_publish(&change);
}

static void readers_see_whole_changes_only(void **state)
{
    AUTO(principal_registry_freep)
    struct principal_registry *registry = principal_registry_new();
    struct busy busy = {.registry = registry};
    pthread_t readers[2];

    (void) state;
    for (size_t i = 0; i < COUNT(readers); i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_pairs, &busy), 0);
    for (unsigned turn = 0; turn < BUSY_CHANGES; turn++)
        write_pair(&busy, turn);
    atomic_store(&busy.over, true);
    for (size_t i = 0; i < COUNT(readers); i++)
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    assert_false(atomic_load(&busy.torn));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_by_id_name_and_kind),
        cmocka_unit_test(one_name_in_two_spellings_is_one_principal),
        cmocka_unit_test(tells_an_accounts_groups),
        cmocka_unit_test(members_of_a_group_that_goes_leave_it),
        cmocka_unit_test(epochs_rise_whatever_the_order),
        cmocka_unit_test(a_snapshot_does_not_change),
        cmocka_unit_test(a_name_passes_to_another_id),
        cmocka_unit_test(what_is_not_published_is_forgotten),
        cmocka_unit_test(watchers_hear_of_each_snapshot),
        cmocka_unit_test(a_random_walk_agrees_with_a_plain_array),
        cmocka_unit_test(readers_see_whole_changes_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
