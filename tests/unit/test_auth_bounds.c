/*
 * test_auth_bounds.c - what the auth process keeps for others at once has a limit each: asked
 * for directly, one past it.
 */
// links: roles
// lib: auth_place
#include "base/clock.h"
#include "lib/auth_place.h"
#include "lib/test.h"
#include "roles/auth_role.h"

#define CHAIN_BYTES ((size_t) 32 << 10)

struct bounds {
    struct place *place;
    struct role_start start;
    struct auth_role auth;
    struct channel *supervisor; /* the far end */
};

/* As much of the role as these limits need. */
static int set_up(void **state)
{
    struct bounds *bounds = xcalloc(1, sizeof(*bounds));
    struct auth_role *auth = &bounds->auth;
    int pair[2];

    assert_int_equal(place_make(state), 0);
    bounds->place = *state;
    auth->db = bounds->place->db;
    auth->start = &bounds->start;
    bounds->start.config = config_new();
    assert_int_equal(loop_new(&auth->loop, NULL), RC_OK);
    assert_int_equal(channel_pair(pair, NULL), RC_OK);
    bounds->start.supervisor = channel_new(pair[0], ROLE_AUTH, ROLE_SUPERVISOR);
    bounds->supervisor = channel_new(pair[1], ROLE_SUPERVISOR, ROLE_AUTH);
    assert_int_equal(
        loop_add(auth->loop, &auth->supervisor_watch, pair[0], LOOP_IN, NULL, NULL, NULL),
        RC_OK);
    list_init(&auth->pam_asks);
    auth->uses = map_new();
    auth_certificates_open(auth);
    *state = bounds;
    return 0;
}

static int tear_down(void **state)
{
    struct bounds *bounds = *state;
    void *place = bounds->place;

    auth_watches_done(&bounds->auth);
    auth_uses_done(&bounds->auth);
    auth_certificates_done(&bounds->auth);
    loop_remove(bounds->auth.loop, &bounds->auth.supervisor_watch);
    loop_free(bounds->auth.loop);
    channel_free(bounds->start.supervisor);
    channel_free(bounds->supervisor);
    config_free(bounds->start.config);
    free(bounds);
    return place_drop(&place);
}

static struct auth_watched by_token(char room[16], unsigned number)
{
    (void) snprintf(room, 16, "%u", number);
    return (struct auth_watched){
        .account = 1, .user = SLICE("anna"), .token = slice_from_str(room), .again_sec = 25};
}

static void so_many_credentials_are_watched(void **state)
{
    struct bounds *bounds = *state;
    struct auth_watched what;
    uint64_t first = 0, id;
    char room[16];

    for (unsigned i = 0; i < WATCHES_MAX; i++) {
        what = by_token(room, i);
        assert_int_equal(auth_watch(&bounds->auth, &what, &id, NULL), RC_OK);
        first = i == 0 ? id : first;
    }
    what = by_token(room, WATCHES_MAX);
    assert_int_equal(auth_watch(&bounds->auth, &what, &id, NULL), RC_LIMIT);
    what = by_token(room, 0); /* another session by the same one */
    assert_int_equal(auth_watch(&bounds->auth, &what, &id, NULL), RC_OK);
    assert_int_equal(id, first);
}

static void what_is_watched_has_so_many_bytes(void **state)
{
    static char chain[CHAIN_BYTES];
    struct bounds *bounds = *state;
    struct auth_watched what = {
        .account = 1, .user = SLICE("anna"), .chain = slice_of(chain, sizeof(chain))};
    uint64_t id;

    for (unsigned i = 0; i < WATCHES_MAX_BYTES / CHAIN_BYTES; i++) {
        (void) snprintf(chain, sizeof(chain), "%u", i);
        assert_int_equal(auth_watch(&bounds->auth, &what, &id, NULL), RC_OK);
    }
    what = (struct auth_watched){.account = 1, .user = SLICE("anna"), .token = SLICE("t")};
    assert_int_equal(auth_watch(&bounds->auth, &what, &id, NULL), RC_LIMIT);
}

/* A token beside a certificate is neither of the two alone. */
static void one_watch_is_of_all_that_a_session_came_in_by(void **state)
{
    struct bounds *bounds = *state;
    struct auth_watched rows[] = {
        {.account = 1,          .token = SLICE("ab")},
        {.account = 1,          .chain = SLICE("ab")},
        {.account = 1,          .token = SLICE("a"),  .chain = SLICE("b")},
        {.account = 1,                     .token = SLICE("ab"),                              .chain = SLICE("ab")},
        {.account = 2, .token = SLICE("ab")},
    };
    uint64_t id[COUNT(rows)], again;

    for (size_t i = 0; i < COUNT(rows); i++) {
        rows[i].user = SLICE("anna");
        assert_int_equal(auth_watch(&bounds->auth, &rows[i], &id[i], NULL), RC_OK);
        for (size_t k = 0; k < i; k++)
            assert_true(id[k] != id[i]);
    }
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(auth_watch(&bounds->auth, &rows[i], &again, NULL), RC_OK);
        assert_int_equal(again, id[i]);
    }
}

static void never(struct auth_pam_ask *ask, enum pam_result result, struct slice user)
{
    (void) ask;
    (void) result;
    (void) user;
    fail();
}

static void so_many_helpers_of_pam_are_asked_for(void **state)
{
    static struct auth_pam_ask asks[PAM_ASKS_MAX + 1];
    struct bounds *bounds = *state;
    struct auth_role *auth = &bounds->auth;
    struct packet *packet;
    struct sasl sasl;
    size_t n = 0;

    plain_claim(&sasl, "", "anna", "secret");
    for (size_t i = 0; i < PAM_ASKS_MAX; i++)
        assert_int_equal(auth_pam_ask(auth, &asks[i], "imap", &sasl.claim, never, NULL), RC_OK);
    assert_int_equal(auth_pam_ask(auth, &asks[PAM_ASKS_MAX], "imap", &sasl.claim, never, NULL),
                     RC_UNAVAILABLE);
    while (channel_take(bounds->supervisor, &packet, NULL) == RC_OK)
        n += packet->msg.type == MSG_PAM_START;
    assert_int_equal(n, PAM_ASKS_MAX);
    auth_pam_forget(&asks[3]);
    assert_int_equal(auth_pam_ask(auth, &asks[PAM_ASKS_MAX], "imap", &sasl.claim, never, NULL),
                     RC_OK);
    for (size_t i = 0; i < COUNT(asks); i++)
        auth_pam_forget(&asks[i]);
    sasl_wipe(&sasl);
}

static void uses_beyond_the_limit_are_written_at_once(void **state)
{
    struct bounds *bounds = *state;
    struct auth_role *auth = &bounds->auth;
    const struct ipaddr peer = {.family = IPADDR_NONE};

    for (uint64_t device = 1; device <= USES_MAX; device++)
        auth_note_use(auth, 1, device, &peer, SLICE("client"));
    assert_int_equal(map_count(auth->uses), USES_MAX);
    auth_note_use(auth, 1, 1, &peer, SLICE("client")); /* one that waits already */
    assert_int_equal(map_count(auth->uses), USES_MAX);
    auth_note_use(auth, 1, USES_MAX + 1, &peer, SLICE("client"));
    assert_int_equal(map_count(auth->uses), 1);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(so_many_credentials_are_watched),
        TEST(what_is_watched_has_so_many_bytes),
        TEST(one_watch_is_of_all_that_a_session_came_in_by),
        TEST(so_many_helpers_of_pam_are_asked_for),
        TEST(uses_beyond_the_limit_are_written_at_once),
    };

    return cmocka_run_group_tests(tests, place_start, NULL);
}
