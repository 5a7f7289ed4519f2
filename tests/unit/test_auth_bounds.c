/*
 * test_auth_bounds.c - what the auth process keeps for others at once has a limit each: asked
 * for directly, one past it.
 */
// links: roles
// lib: auth_place
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "lib/auth_place.h"
#include "lib/test.h"
#include "roles/auth_role.h"

#define CHAIN_BYTES  ((size_t) 32 << 10)
#define DETAIL_BYTES 256

static const char *const backends[] = {"ldap:corp"};

struct bounds {
    struct place *place;
    struct role_start start;
    struct auth_role auth;
    struct channel *supervisor, *web, *mail, *idp; /* the far ends */
};

/* auth's end of a channel; returns the far one. */
static struct channel *connect_peer(struct auth_role *auth, struct auth_peer *peer,
                                    enum role role)
{
    int pair[2];

    assert_int_equal(channel_pair(pair, NULL), RC_OK);
    peer->auth = auth;
    peer->channel = channel_new(pair[0], ROLE_AUTH, role);
    assert_int_equal(loop_add(auth->loop, &peer->watch, pair[0], LOOP_IN, NULL, NULL, NULL),
                     RC_OK);
    return channel_new(pair[1], role, ROLE_AUTH);
}

static void disconnect_peer(struct auth_peer *peer, struct channel *far)
{
    loop_remove(peer->auth->loop, &peer->watch);
    channel_freep(&peer->channel);
    channel_free(far);
}

/* Users of a directory, of whom nothing is known here. */
static struct realm *make_realm(struct place *place)
{
    static const char *const domains[] = {"*"};
    const struct realm_settings settings = {.domains = domains,
                                            .n_domains = 1,
                                            .catch_all = "",
                                            .detail_separator = "+",
                                            .passwd_file = "",
                                            .backends = backends,
                                            .n_backends = COUNT(backends)};
    struct realm *realm;

    assert_int_equal(realm_new(place->db, &settings, NULL, NULL, &realm, NULL), RC_OK);
    return realm;
}

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
    list_init(&auth->recipients);
    list_init(&auth->enrolling);
    list_init(&auth->learning);
    list_init(&auth->telling);
    list_init(&auth->unheard);
    auth->uses = map_new();
    auth->asks = map_new();
    auth->known = map_new();
    auth->throttle = throttle_new();
    auth->realm = make_realm(bounds->place);
    bounds->start.config->backends = (struct config_list){backends, COUNT(backends)};
    assert_int_equal(hash_pool_new(auth->loop, 1, &auth->pool, NULL), RC_OK);
    assert_int_equal(auth_slots_open(auth, NULL), RC_OK);
    bounds->web = connect_peer(auth, &auth->web, ROLE_WEB);
    bounds->mail = connect_peer(auth, &auth->mail, ROLE_MAIL);
    bounds->idp = connect_peer(auth, &auth->idp, ROLE_IDP);
    auth_certificates_open(auth);
    *state = bounds;
    return 0;
}

static int tear_down(void **state)
{
    struct bounds *bounds = *state;
    void *place = bounds->place;

    struct auth_role *auth = &bounds->auth;

    hash_pool_freep(&auth->pool);
    auth_enrol_done(auth);
    auth_scram_done(auth);
    auth_recipients_done(auth);
    auth_watches_done(auth);
    auth_uses_done(auth);
    auth_certificates_done(auth);
    auth_known_done(auth);
    auth_slots_done(auth);
    auth_unheard_forget(auth);
    disconnect_peer(&auth->web, bounds->web);
    disconnect_peer(&auth->mail, bounds->mail);
    disconnect_peer(&auth->idp, bounds->idp);
    map_free(auth->asks);
    throttle_free(auth->throttle);
    realm_free(auth->realm);
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

/* Of the type, among those that have come over the far end of a channel. */
static size_t count_messages(struct channel *far, enum msg_type type)
{
    struct packet *packet;
    size_t n = 0;

    while (channel_take(far, &packet, NULL) == RC_OK)
        n += packet->msg.type == type;
    return n;
}

static void so_many_recipients_wait_for_a_back_end(void **state)
{
    struct bounds *bounds = *state;
    struct auth_role *auth = &bounds->auth;
    struct msg_resolve msg = {0};
    struct packet *packet;
    char address[32];

    for (msg.request = 1; msg.request <= RECIPIENTS_MAX + 1; msg.request++) {
        (void) snprintf(address, sizeof(address), "user%u@example.org", (unsigned) msg.request);
        msg.address = slice_from_str(address);
        auth_resolve(&auth->mail, &msg);
    }
    assert_int_equal(count_messages(bounds->idp, MSG_IDP_CHECK), RECIPIENTS_MAX);
    assert_int_equal(channel_take(bounds->mail, &packet, NULL), RC_OK);
    assert_int_equal(packet->msg.type, MSG_RESOLVED);
    assert_int_equal(packet->msg.resolved.request, RECIPIENTS_MAX + 1);
    assert_int_equal(packet->msg.resolved.code, RESOLVE_TEMPORARY);
    assert_int_equal(channel_take(bounds->mail, &packet, NULL), RC_MORE);
}

/* What cannot be right is refused later, as what is not: so nobody is out of the door yet. */
static void come_to_enrol(struct bounds *bounds, uint64_t request, uint8_t source)
{
    static char name[AUTH_NAME_MAX_BYTES + 1];
    struct msg msg = {
        .type = MSG_ENROL_LOGIN,
        .enrol_login = {.request = request,
                        .peer = {.family = IPADDR_V4, .bytes = {192, 0, 2, source}},
                        .user = slice_of(name, sizeof(name))}
    };

    memset(name, 'a', sizeof(name));
    memcpy(name, &request, sizeof(request));
    auth_enrol_message(&bounds->auth, &msg);
}

static void expect_no_room(struct bounds *bounds, uint64_t request)
{
    struct packet *packet;

    assert_int_equal(channel_take(bounds->web, &packet, NULL), RC_OK);
    assert_int_equal(packet->msg.type, MSG_ENROL_DONE);
    assert_int_equal(packet->msg.enrol_done.request, request);
    assert_int_equal(packet->msg.enrol_done.code, ENROL_UNAVAILABLE);
    assert_int_equal(channel_take(bounds->web, &packet, NULL), RC_MORE);
}

/* A part is left to those who have been in before. */
static void so_many_people_are_at_the_door_to_their_devices(void **state)
{
    const unsigned strangers = ENROL_TRIES_MAX - ENROL_TRIES_KNOWN;
    const struct ipaddr known = {
        .family = IPADDR_V4, .bytes = {192, 0, 2, 255}
    };
    struct bounds *bounds = *state;

    for (unsigned i = 0; i <= strangers; i++)
        come_to_enrol(bounds, 1 + i, (uint8_t) (i / ENROL_TRIES_EACH));
    assert_int_equal(bounds->auth.n_enrolling, strangers);
    expect_no_room(bounds, strangers + 1);
    auth_known_proved(&bounds->auth, &known);
    come_to_enrol(bounds, strangers + 2, 255);
    assert_int_equal(bounds->auth.n_enrolling, strangers + 1);
}

static void one_source_does_not_take_the_door_from_the_others(void **state)
{
    struct bounds *bounds = *state;

    for (uint64_t i = 1; i <= ENROL_TRIES_EACH + 1; i++)
        come_to_enrol(bounds, i, 1);
    assert_int_equal(bounds->auth.n_enrolling, ENROL_TRIES_EACH);
    expect_no_room(bounds, ENROL_TRIES_EACH + 1);
    come_to_enrol(bounds, ENROL_TRIES_EACH + 2, 2);
    assert_int_equal(bounds->auth.n_enrolling, ENROL_TRIES_EACH + 1);
}

/* What proves that a source is known is no password of a name that somebody may type. */
static void no_name_that_is_typed_is_a_sources(void **state)
{
    static const char *const names[] = {"", "source", "\nsource", "\1source"};
    const struct ipaddr known = {
        .family = IPADDR_V4, .bytes = {192, 0, 2, 1}
    };
    struct bounds *bounds = *state;
    struct throttle *throttle = bounds->auth.throttle;

    auth_known_proved(&bounds->auth, &known);
    for (size_t i = 0; i < COUNT(names); i++)
        assert_false(throttle_is_proved(
            throttle, throttle_key(throttle, &known, slice_from_str(names[i])),
            clock_mono_us()));
}

static void keys_of_so_many_passwords_are_still_to_be_made(void **state)
{
    struct bounds *bounds = *state;
    const struct admin_device made = {.account = place_add(bounds->place, "anna"),
                                      .device = 1,
                                      .password = "abcd-efgh-ijkl-mnop-qrst"};

    for (unsigned i = 0; i < LESSONS_MAX + 1; i++)
        auth_scram_learn_new(&bounds->auth, SLICE("anna"), &made);
    assert_int_equal(bounds->auth.n_learning, LESSONS_MAX);
}

static void note_detail(void *ctx, enum log_level level, const char *event,
                        const struct log_field *fields, size_t n)
{
    char *detail = ctx;

    (void) level;
    for (size_t i = 0; i < n && strcmp(event, "client_ca.unreadable") == 0; i++)
        if (strcmp(fields[i].key, "detail") == 0)
            (void) snprintf(detail, DETAIL_BYTES, "%.*s", SLICE_ARG(fields[i].text));
}

static void a_file_of_authorities_has_so_many_bytes(void **state)
{
    static const struct {
        size_t len;
        bool is_too_long;
    } rows[] = {
        {PEM_FILE_MAX_BYTES / 2, false}, /* no certificate is in it */
        {PEM_FILE_MAX_BYTES + 1, true },
    };
    struct bounds *bounds = *state;
    char path[64], detail[DETAIL_BYTES];

    (void) snprintf(path, sizeof(path), "%s/ca.pem", bounds->place->folder);
    bounds->start.config->client_ca = path;
    log_set_sink(note_detail, detail);
    for (size_t i = 0; i < COUNT(rows); i++) {
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        detail[0] = '\0';
        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, (off_t) rows[i].len), 0);
        assert_int_equal(close(fd), 0);
        (void) auth_certificates_generation(&bounds->auth);
        assert_true(detail[0] != '\0');
        assert_int_equal(strstr(detail, "too long") != NULL, rows[i].is_too_long);
    }
    log_set_sink(NULL, NULL);
    assert_int_equal(unlink(path), 0);
    bounds->start.config->client_ca = "";
}

/* Until mail's queue takes not even a revocation. */
static void fill_queue(struct auth_role *auth)
{
    static char mailbox[MSG_MAILBOX_MAX];
    struct msg msg = {.type = MSG_RESOLVED,
                      .resolved = {.mailbox = slice_of(mailbox, sizeof(mailbox))}};

    while (channel_post(auth->mail.channel, &msg, NULL, NULL) == RC_OK) {
    }
    msg.resolved.mailbox.len = 0;
    while (channel_post(auth->mail.channel, &msg, NULL, NULL) == RC_OK) {
    }
}

static void more_than_mail_can_be_told_ends_everybody(void **state)
{
    struct bounds *bounds = *state;
    struct auth_role *auth = &bounds->auth;
    struct packet *packet;
    struct msg_revoke heard[2];
    size_t n = 0;

    fill_queue(auth);
    for (uint64_t account = 1; account <= UNHEARD_MAX; account++)
        auth_revoke(auth, REVOKE_ACCOUNT, account, 0, "disabled");
    assert_int_equal(auth->n_unheard, UNHEARD_MAX);
    auth_revoke(auth, REVOKE_ACCOUNT, UNHEARD_MAX + 1, 0, "disabled");
    while (channel_take(bounds->mail, &packet, NULL) == RC_OK) {
        if (packet->msg.type == MSG_REVOKE) {
            assert_true(n < COUNT(heard));
            heard[n++] = packet->msg.revoke;
        }
        if (channel_flush(auth->mail.channel, NULL) == RC_OK)
            auth_unheard_go_on(auth);
    }
    assert_int_equal(n, COUNT(heard));
    assert_int_equal(heard[0].what, REVOKE_ALL);
    assert_true(heard[0].policy_epoch == UINT64_MAX);
    assert_int_equal(heard[1].account, UNHEARD_MAX + 1);
    assert_false(auth_unheard_waits(auth));
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
        TEST(so_many_recipients_wait_for_a_back_end),
        TEST(so_many_people_are_at_the_door_to_their_devices),
        TEST(one_source_does_not_take_the_door_from_the_others),
        TEST(no_name_that_is_typed_is_a_sources),
        TEST(keys_of_so_many_passwords_are_still_to_be_made),
        TEST(a_file_of_authorities_has_so_many_bytes),
        TEST(more_than_mail_can_be_told_ends_everybody),
    };

    return cmocka_run_group_tests(tests, place_start, NULL);
}
