/* test_throttle.c - who waits after failures, who does not, and what is forgotten. */
// links: auth
// lib: auth_place
#include "auth/throttle.h"
#include "lib/auth_place.h"
#include "lib/test.h"

static void failures_slow_down_their_source_and_nobody_else(void **state)
{
    AUTO(throttle_freep) struct throttle *throttle = throttle_new();
    struct ipaddr one = {
        .family = IPADDR_V4, .bytes = {192, 0, 2, 1}
    };
    struct ipaddr two = {
        .family = IPADDR_V4, .bytes = {192, 0, 2, 2}
    };
    struct throttle_key key = throttle_key(throttle, &one, SLICE("anna"));
    struct throttle_key elsewhere = throttle_key(throttle, &two, SLICE("anna"));
    struct throttle_key other = throttle_key(throttle, &one, SLICE("bob"));
    int64_t now = 1000000, last = 0;

    (void) state;
    for (int n = 1; n <= 100; n++) {
        int64_t delay = throttle_failed(throttle, key, now);

        if (n < THROTTLE_FREE)
            assert_int_equal(delay, 0);
        assert_true(delay >= last && delay <= THROTTLE_MAX_US);
        last = delay;
    }
    assert_int_equal(last, THROTTLE_MAX_US);
    assert_int_equal(throttle_turn(throttle, key, SLICE("x"), now), THROTTLE_MAX_US);
    assert_int_equal(throttle_turn(throttle, elsewhere, SLICE("x"), now), 0);
    assert_int_equal(throttle_turn(throttle, other, SLICE("x"), now), 0);
    /* Whoever proved a secret is not delayed; others from there still are. */
    throttle_succeeded(throttle, key, SLICE("right"), now);
    assert_int_equal(throttle_turn(throttle, key, SLICE("right"), now), 0);
    assert_int_equal(throttle_turn(throttle, key, SLICE("wrong"), now), THROTTLE_MAX_US);
    now += THROTTLE_DRAIN_US * 40;
    assert_int_equal(throttle_turn(throttle, key, SLICE("x"), now), 0);
}

static void one_network_of_ipv6_is_one_source(void **state)
{
    AUTO(throttle_freep) struct throttle *throttle = throttle_new();
    struct ipaddr a = {
        .family = IPADDR_V6, .bytes = {0x20, 1, 0xd, 0xb8, [15] = 1}
    };
    struct ipaddr b = a, c = a;

    (void) state;
    b.bytes[8] = 9;
    c.bytes[7] = 9;
    assert_int_equal(throttle_key(throttle, &a, SLICE("anna")).check,
                     throttle_key(throttle, &b, SLICE("anna")).check);
    assert_int_not_equal(throttle_key(throttle, &a, SLICE("anna")).check,
                         throttle_key(throttle, &c, SLICE("anna")).check);
}

static void a_full_table_forgets_and_never_refuses(void **state)
{
    AUTO(throttle_freep) struct throttle *throttle = throttle_new();
    struct ipaddr peer = {.family = IPADDR_V4};

    (void) state;
    for (uint32_t n = 0; n < THROTTLE_BUCKETS * 8; n++) {
        memcpy(peer.bytes, &n, sizeof(n));
        assert_int_equal(
            throttle_failed(throttle, throttle_key(throttle, &peer, SLICE("u")), 1000000), 0);
    }
}

/* Guesses at one account from 5,000 addresses, the owner's own (an office, a cloud) among them.
 */
static void a_flood_from_everywhere_keeps_no_owner_out(void **state)
{
    enum { SOURCES = 5000, SECONDS = 300, GUESSES = 500 };
    AUTO(throttle_freep) struct throttle *throttle = throttle_new();
    struct ipaddr peer = {
        .family = IPADDR_V4, .bytes = {198, 18}
    };
    const struct throttle_key owner = throttle_key(throttle, &peer, SLICE("anna"));
    unsigned source = 0, n_in = 0;
    int64_t now = 1000000;

    (void) state;
    throttle_succeeded(throttle, owner, SLICE("right"), now);
    for (unsigned second = 0; second < SECONDS; second++, now += 1000000) {
        for (unsigned n = 0; n < GUESSES; n++, source = (source + 1) % SOURCES) {
            peer.bytes[2] = (uint8_t) (source >> 8);
            peer.bytes[3] = (uint8_t) source;
            (void) throttle_failed(throttle, throttle_key(throttle, &peer, SLICE("anna")), now);
        }
        n_in += throttle_turn(throttle, owner, SLICE("right"), now) == 0;
    }
    assert_int_equal(n_in, SECONDS);
    assert_true(throttle_turn(throttle, owner, SLICE("guess"), now) >= 4 * THROTTLE_STEP_US);
}

/* One address after the other of a /48: 65,536 networks of its own. */
static void a_wide_ipv6_source_is_slowed_down_as_a_whole(void **state)
{
    AUTO(throttle_freep) struct throttle *throttle = throttle_new();
    struct ipaddr peer = {
        .family = IPADDR_V6, .bytes = {0x20, 1, 0xd, 0xb8}
    };
    struct ipaddr neighbour = peer;
    const struct throttle_key owner = throttle_key(throttle, &peer, SLICE("anna"));
    int64_t now = 1000000, delay = 0;

    (void) state;
    neighbour.bytes[5] = 1;
    throttle_succeeded(throttle, owner, SLICE("right"), now);
    for (unsigned n = 1; n <= 1000; n++) {
        peer.bytes[6] = (uint8_t) (n >> 8);
        peer.bytes[7] = (uint8_t) n;
        delay = throttle_failed(throttle, throttle_key(throttle, &peer, SLICE("anna")), now);
        if (n < THROTTLE_WIDE_FREE)
            assert_int_equal(delay, 0);
    }
    assert_int_equal(delay, THROTTLE_MAX_US);
    assert_int_equal(throttle_turn(throttle, owner, SLICE("right"), now), 0);
    assert_int_equal(throttle_turn(throttle, owner, SLICE("guess"), now), THROTTLE_MAX_US);
    assert_int_equal(throttle_turn(throttle, throttle_key(throttle, &neighbour, SLICE("anna")),
                                   SLICE("guess"), now),
                     0);
    assert_int_equal(throttle_turn(throttle, throttle_key(throttle, &peer, SLICE("bob")),
                                   SLICE("guess"), now),
                     0);
}

/* How many of so many connections that ask at once are checked, and the last of them when. */
static unsigned asked_at_once(struct throttle *throttle, struct throttle_key key, unsigned n,
                              int64_t now_us, int64_t *last_us)
{
    unsigned n_turns = 0;

    for (unsigned i = 0; i < n; i++) {
        int64_t delay_us = throttle_turn(throttle, key, SLICE("guess"), now_us);

        if (delay_us == THROTTLE_NO_TURN)
            continue;
        n_turns++;
        *last_us = delay_us;
    }
    return n_turns;
}

/* A connection more is no guess more. */
static void guesses_over_many_connections_take_turns(void **state)
{
    enum { CONNECTIONS = 512, WAITING = (int) (THROTTLE_MAX_US / THROTTLE_TURN_US) };
    AUTO(throttle_freep) struct throttle *throttle = throttle_new();
    const struct ipaddr peer = {
        .family = IPADDR_V4, .bytes = {192, 0, 2, 1}
    };
    const struct throttle_key key = throttle_key(throttle, &peer, SLICE("anna"));
    const struct throttle_key bob = throttle_key(throttle, &peer, SLICE("bob"));
    int64_t now = 1000000, last = 0;

    (void) state;
    assert_int_equal(asked_at_once(throttle, key, THROTTLE_BURST, now, &last), THROTTLE_BURST);
    assert_int_equal(last, 0);
    assert_int_equal(asked_at_once(throttle, key, CONNECTIONS, now, &last), WAITING);
    assert_int_equal(last, THROTTLE_MAX_US);
    for (unsigned second = 1; second <= 60; second++) {
        now += THROTTLE_TURN_US;
        assert_int_equal(asked_at_once(throttle, key, CONNECTIONS, now, &last), 1);
    }
    /* No other user waits for them, and who has proved a secret needs no turn. */
    assert_int_equal(throttle_turn(throttle, bob, SLICE("x"), now), 0);
    throttle_succeeded(throttle, key, SLICE("right"), now);
    assert_int_equal(throttle_turn(throttle, key, SLICE("right"), now), 0);
    assert_int_equal(asked_at_once(throttle, key, CONNECTIONS, now, &last), 0);
    now += THROTTLE_MAX_US + THROTTLE_BURST * THROTTLE_TURN_US;
    assert_int_equal(asked_at_once(throttle, key, THROTTLE_BURST, now, &last), THROTTLE_BURST);
    assert_int_equal(last, 0);
}

static void the_networks_of_a_wide_source_share_its_turns(void **state)
{
    enum { AT_ONCE = THROTTLE_WIDE_BURST + (int) (THROTTLE_MAX_US / THROTTLE_WIDE_TURN_US) };
    AUTO(throttle_freep) struct throttle *throttle = throttle_new();
    struct ipaddr peer = {
        .family = IPADDR_V6, .bytes = {0x20, 1, 0xd, 0xb8}
    };
    unsigned n_turns = 0;

    (void) state;
    for (unsigned n = 0; n < 1000; n++) {
        int64_t last_us;

        peer.bytes[6] = (uint8_t) (n >> 8);
        peer.bytes[7] = (uint8_t) n;
        n_turns += asked_at_once(throttle, throttle_key(throttle, &peer, SLICE("anna")), 1,
                                 1000000, &last_us);
    }
    assert_int_equal(n_turns, AT_ONCE);
}

static void a_proof_makes_a_source_known_for_thirty_days(void **state)
{
    AUTO(throttle_freep) struct throttle *throttle = throttle_new();
    const struct ipaddr peer = {
        .family = IPADDR_V4, .bytes = {192, 0, 2, 1}
    };
    struct throttle_key key = throttle_key(throttle, &peer, SLICE("anna"));

    (void) state;
    assert_false(throttle_is_proved(throttle, key, 0));
    (void) throttle_failed(throttle, key, 0);
    assert_false(throttle_is_proved(throttle, key, 0));
    throttle_succeeded(throttle, key, SLICE("secret"), 1000);
    assert_true(throttle_is_proved(throttle, key, THROTTLE_PROOF_US - 1));
    assert_false(throttle_is_proved(throttle, key, THROTTLE_PROOF_US + THROTTLE_DRAIN_US));
}

static void a_user_is_one_however_the_name_is_written(void **state)
{
    AUTO(throttle_freep) struct throttle *throttle = throttle_new();
    const struct ipaddr peer = {
        .family = IPADDR_V4, .bytes = {192, 0, 2, 1}
    };
    const uint64_t anna = throttle_key(throttle, &peer, SLICE("anna@example.org")).check;

    (void) state;
    assert_int_equal(throttle_key(throttle, &peer, SLICE("Anna@Example.ORG")).check, anna);
    assert_int_not_equal(throttle_key(throttle, &peer, SLICE("anna@example.net")).check, anna);
    /* What can be no name has a bucket all the same. */
    assert_int_not_equal(throttle_key(throttle, &peer, SLICE("a b")).check,
                         throttle_key(throttle, &peer, SLICE("A b")).check);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_slow_down_their_source_and_nobody_else),
        cmocka_unit_test(one_network_of_ipv6_is_one_source),
        cmocka_unit_test(a_flood_from_everywhere_keeps_no_owner_out),
        cmocka_unit_test(a_wide_ipv6_source_is_slowed_down_as_a_whole),
        cmocka_unit_test(a_full_table_forgets_and_never_refuses),
        cmocka_unit_test(guesses_over_many_connections_take_turns),
        cmocka_unit_test(the_networks_of_a_wide_source_share_its_turns),
        cmocka_unit_test(a_user_is_one_however_the_name_is_written),
        cmocka_unit_test(a_proof_makes_a_source_known_for_thirty_days),
    };

    return cmocka_run_group_tests(tests, place_start, NULL);
}
