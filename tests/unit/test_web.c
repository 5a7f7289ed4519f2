/*
 * The web role between a browser's plaintext and auth's messages: a real libmicrohttpd, real
 * socket pairs; auth is this test.
 */
// links: roles
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "lib/test.h"
#include "roles/web_role.h"
#include "web/form.h"

#define SESSION "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define ROUNDS  2000 /* turns of the loop after which something does not happen any more */
#define TURN_US 5000

struct scene {
    struct web_role web;
    struct channel *auth; /* its end */
    int browser;
    char answer[1 << 16];
    size_t answer_len;
    bool ended;
};

static struct scene *scene;

static void connect_auth(void)
{
    struct role_peer peer = {.role = ROLE_AUTH};
    struct err err;
    int ends[2];

    assert_int_equal(channel_pair(ends, &err), RC_OK);
    scene->auth = channel_new(ends[1], ROLE_AUTH, ROLE_WEB);
    peer.fd = ends[0];
    web_auth_peer(&scene->web, &peer);
}

static int begin(void **state)
{
    struct err err;

    (void) state;
    scene = xcalloc(1, sizeof(*scene));
    scene->browser = -1;
    list_init(&scene->web.conns);
    scene->web.asked = map_new();
    form_key_make(&scene->web.site.key);
    scene->web.site.name = scene->web.site.mail_host = SLICE("localhost");
    scene->web.site.sends = true;
    assert_int_equal(loop_new(&scene->web.loop, &err), RC_OK);
    if (web_http_open(&scene->web, &err) != RC_OK)
        fail_msg("%s", err.detail);
    assert_int_equal(web_http_start(&scene->web, &err), RC_OK);
    connect_auth();
    return 0;
}

static int end(void **state)
{
    (void) state;
    web_auth_done(&scene->web);
    channel_free(scene->auth);
    web_http_done(&scene->web);
    loop_free(scene->web.loop);
    map_free(scene->web.asked);
    if (scene->browser >= 0)
        (void) close(scene->browser);
    free(scene);
    return 0;
}

static void turn(void)
{
    struct err err;

    assert_int_equal(loop_turn(scene->web.loop, TURN_US, &err), RC_OK);
}

static void send_text(const char *text)
{
    static const struct ipaddr peer = {
        .family = IPADDR_V4, .bytes = {192, 0, 2, 7}
    };
    struct err err;
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends),
                     0);
    if (scene->browser >= 0)
        (void) close(scene->browser);
    scene->browser = ends[0];
    scene->answer_len = 0;
    scene->ended = false;
    assert_int_equal(web_http_add(&scene->web, ends[1], &peer, &err), RC_OK);
    assert_int_equal(send(ends[0], text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What the server says up to its end. */
static void read_answer(void)
{
    for (unsigned i = 0; i < ROUNDS && !scene->ended; i++) {
        ssize_t n = recv(scene->browser, scene->answer + scene->answer_len,
                         sizeof(scene->answer) - 1 - scene->answer_len, 0);

        if (n > 0)
            scene->answer_len += (size_t) n;
        else if (n == 0)
            scene->ended = true;
        else
            turn();
    }
    assert_true(scene->ended);
    scene->answer[scene->answer_len] = '\0';
}

static struct msg take_question(enum msg_type type)
{
    struct packet *packet;
    struct err err;

    for (unsigned i = 0; i < ROUNDS; i++) {
        enum rc rc = channel_take(scene->auth, &packet, &err);

        if (rc == RC_OK) {
            assert_int_equal(packet->msg.type, type);
            return packet->msg;
        }
        assert_int_equal(rc, RC_MORE);
        turn();
    }
    fail_msg("auth was not asked");
    return (struct msg){.type = MSG_NONE};
}

static void tell(const struct msg *msg)
{
    struct err err;

    assert_int_equal(channel_post(scene->auth, msg, NULL, &err), RC_OK);
}

static void tell_done(uint64_t request, enum enrol_code code)
{
    tell(&(struct msg){
        .type = MSG_ENROL_DONE, .enrol_done = {.request = request, .code = (uint8_t) code}
    });
}

static void assert_status(const char *status)
{
    if (strncmp(scene->answer + strlen("HTTP/1.1 "), status, 3) != 0)
        fail_msg("want %s: %.200s", status, scene->answer);
}

static void post(const char *path, const char *cookie_name, const char *cookie,
                 const char *fields)
{
    char token[FORM_TOKEN_CHARS + 1], body[512], text[2048];

    form_token_make(&scene->web.site.key, slice_from_str(cookie), path, token);
    (void) snprintf(body, sizeof(body), "form=%s&%s", token, fields);
    (void) snprintf(text, sizeof(text),
                    "POST %s HTTP/1.1\r\nHost: localhost\r\nCookie: %s=%s\r\nContent-Type: "
                    "application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n\r\n%s",
                    path, cookie_name, cookie, strlen(body), body);
    send_text(text);
}

static void get_devices(void)
{
    send_text("GET / HTTP/1.1\r\nHost: localhost\r\nCookie: " SITE_SESSION_COOKIE "=" SESSION
              "\r\n\r\n");
}

static void a_login_goes_to_auth_and_its_session_to_the_browser(void **state)
{
    struct msg asked;
    struct msg session = {.type = MSG_ENROL_SESSION};

    (void) state;
    post("/login", SITE_FORM_COOKIE, "00112233445566778899aabbccddeeff",
         "user=anna&password=p%20w&code=123456");
    asked = take_question(MSG_ENROL_LOGIN);
    assert_slice_equal(asked.enrol_login.user, SLICE("anna"));
    assert_slice_equal(asked.enrol_login.password, SLICE("p w"));
    assert_slice_equal(asked.enrol_login.code, SLICE("123456"));
    assert_int_equal(asked.enrol_login.peer.bytes[3], 7);
    session.enrol_session.request = asked.enrol_login.request;
    session.enrol_session.token[0] = 0xAB;
    session.enrol_session.seconds = 420;
    tell(&session);
    read_answer();
    assert_status("303");
    assert_non_null(strstr(scene->answer, "Set-Cookie: " SITE_SESSION_COOKIE "=ab00"));
    assert_non_null(strstr(scene->answer, "; Max-Age=420;"));
}

static void devices_come_one_by_one(void **state)
{
    struct msg asked;
    struct msg device = {
        .type = MSG_ENROL_DEVICE,
        .enrol_device = {.device = 5,
                         .name = SLICE("<phone>"),
                         .scope = 1,
                         .access = 2,
                         .created = 1,
                         .client = SLICE("Mutt")}
    };
    struct msg done = {
        .type = MSG_ENROL_DONE,
        .enrol_done = {.code = ENROL_OK, .user = SLICE("anna@localhost")}
    };

    (void) state;
    get_devices();
    asked = take_question(MSG_ENROL_LIST);
    assert_int_equal(asked.enrol_list.token[1], 0x11);
    device.enrol_device.request = done.enrol_done.request = asked.enrol_list.request;
    tell(&device);
    device.enrol_device.name = SLICE("tablet");
    tell(&device);
    tell(&done);
    read_answer();
    assert_status("200");
    assert_non_null(strstr(scene->answer, "&#60;phone&#62;"));
    assert_non_null(strstr(scene->answer, "tablet"));
    assert_non_null(strstr(scene->answer, "changes nothing"));
    assert_non_null(strstr(scene->answer, "anna@localhost"));
}

static void more_devices_than_there_can_be_are_left_out(void **state)
{
    struct msg device = {
        .type = MSG_ENROL_DEVICE,
        .enrol_device = {.device = 5, .name = SLICE("phone"), .scope = 1}
    };

    (void) state;
    get_devices();
    device.enrol_device.request = take_question(MSG_ENROL_LIST).enrol_list.request;
    for (unsigned i = 0; i <= SITE_DEVICES_MAX; i++)
        tell(&device);
    tell_done(device.enrol_device.request, ENROL_OK);
    read_answer();
    assert_status("200");
    {
        size_t n = 0;

        for (const char *at = scene->answer; (at = strstr(at, "class=\"name\"")) != NULL; at++)
            n++;
        assert_true(n > 0 && n <= SITE_DEVICES_MAX);
    }
}

static void a_new_device_shows_its_password(void **state)
{
    struct msg made = {
        .type = MSG_ENROL_CREATED,
        .enrol_created = {.device = 6,
                          .user = SLICE("anna@localhost"),
                          .password = SLICE("abcd-efgh-ijkl-mnop-qrst")}
    };
    struct msg asked;

    (void) state;
    post("/device", SITE_SESSION_COOKIE, SESSION,
         "name=phone&scope=imap&read_only=yes&folders=INBOX%2C+Sent+Mail+%2C%2C&networks="
         "192.0.2.0%2F24%2C2001%3Adb8%3A%3A%2F32&days=30");
    asked = take_question(MSG_ENROL_CREATE);
    assert_slice_equal(asked.enrol_create.folders, SLICE("INBOX\nSent Mail"));
    assert_slice_equal(asked.enrol_create.networks, SLICE("192.0.2.0/24\n2001:db8::/32"));
    assert_in_range(asked.enrol_create.expires, (uint64_t) clock_wall_sec() + 29 * 86400,
                    (uint64_t) clock_wall_sec() + 30 * 86400);
    assert_slice_equal(asked.enrol_create.name, SLICE("phone"));
    assert_int_equal(asked.enrol_create.scope, 1);
    assert_int_equal(asked.enrol_create.access, 2);
    made.enrol_created.request = asked.enrol_create.request;
    tell(&made);
    read_answer();
    assert_status("200");
    assert_non_null(strstr(scene->answer, "abcd-efgh-ijkl-mnop-qrst"));
}

static void each_refusal_has_its_page(void **state)
{
    static const struct {
        enum enrol_code code;
        const char *status;
    } rows[] = {
        {ENROL_OK,             "303"},
        {ENROL_OVER,           "303"},
        {ENROL_INVALID,        "404"},
        {ENROL_FULL,           "403"},
        {ENROL_UNAVAILABLE,    "503"},
        {(enum enrol_code) 99, "503"},
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        post("/revoke", SITE_SESSION_COOKIE, SESSION, "device=5");
        tell_done(take_question(MSG_ENROL_REVOKE).enrol_revoke.request, rows[i].code);
        read_answer();
        assert_status(rows[i].status);
    }
}

static void answers_to_nobody_are_passed_over(void **state)
{
    struct msg asked;

    (void) state;
    tell_done(77, ENROL_OK);
    post("/revoke", SITE_SESSION_COOKIE, SESSION, "device=5");
    asked = take_question(MSG_ENROL_REVOKE);
    /* Answers of another kind, by a mistake of auth's, do not become a page. */
    tell(&(struct msg){.type = MSG_ENROL_SESSION,
                       .enrol_session = {.request = asked.enrol_revoke.request}});
    tell(&(struct msg){.type = MSG_ENROL_CREATED,
                       .enrol_created = {.request = asked.enrol_revoke.request}});
    tell_done(asked.enrol_revoke.request, ENROL_OVER);
    read_answer();
    assert_status("303");
    assert_non_null(strstr(scene->answer, "Location: /login"));
}

static void who_waits_hears_when_auth_is_gone(void **state)
{
    (void) state;
    post("/revoke", SITE_SESSION_COOKIE, SESSION, "device=5");
    (void) take_question(MSG_ENROL_REVOKE);
    channel_freep(&scene->auth);
    read_answer();
    assert_status("503");
    get_devices(); /* nobody is there to be asked */
    read_answer();
    assert_status("503");
    connect_auth();
    get_devices();
    tell_done(take_question(MSG_ENROL_LIST).enrol_list.request, ENROL_OVER);
    read_answer();
    assert_status("303");
}

/* The browser goes while auth thinks: the answer finds nobody, and nothing is left behind. */
static void a_browser_may_go_while_auth_is_asked(void **state)
{
    uint64_t request;

    (void) state;
    get_devices();
    request = take_question(MSG_ENROL_LIST).enrol_list.request;
    (void) close(scene->browser);
    scene->browser = -1;
    for (unsigned i = 0; i < 20; i++)
        turn();
    tell_done(request, ENROL_OK);
    for (unsigned i = 0; i < 20; i++)
        turn();
    assert_int_equal(map_count(scene->web.asked), 0);
}

static void what_is_no_request_of_ours_never_reaches_auth(void **state)
{
    static const struct {
        const char *text, *status;
    } rows[] = {
        {"GET / HTTP/1.1\r\n\r\n",                                                       "400"},
        {"GET /login HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",            "400"},
        {"GET /login HTTP/1.1\r\nHost: localhost\r\nCookie: a=b\r\nCookie: c=d\r\n\r\n", "400"},
        {"POST /login HTTP/1.1\r\nHost: localhost\r\n\r\n",                              "411"},
        {"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
         "chunked\r\n\r\n0\r\n\r\n",                                            "411"},
        {"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8193\r\n\r\n",      "413"},
        {"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048576\r\n\r\n",   "413"},
        {"GET /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nabcd",      "400"},
        {"TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n",                                  "405"},
        {"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",                                "404"},
        {"GET http://localhost/login HTTP/1.1\r\nHost: localhost\r\n\r\n",               "404"},
        {"GET /login%00x HTTP/1.1\r\nHost: localhost\r\n\r\n",                           "404"},
        {"GET /../login HTTP/1.1\r\nHost: localhost\r\n\r\n",                            "404"},
        {"GET /login HTTP/1.1\r\nHost: evil.example\r\n\r\n",                            "421"},
        {"GET /login?user=anna HTTP/1.1\r\nHost: localhost\r\n\r\n",                     "200"},
    };
    struct packet *packet;
    struct err err;

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        print_message("%s", rows[i].text);
        send_text(rows[i].text);
        read_answer();
        assert_status(rows[i].status);
    }
    assert_int_equal(channel_take(scene->auth, &packet, &err), RC_MORE);
}

/* One request a connection: what is sent behind it is not another. */
static void a_second_request_is_not_looked_at(void **state)
{
    (void) state;
    send_text("GET /login HTTP/1.1\r\nHost: localhost\r\n\r\n"
              "GET / HTTP/1.1\r\nHost: localhost\r\nCookie: " SITE_SESSION_COOKIE "=" SESSION
              "\r\n\r\n");
    read_answer();
    assert_status("200");
    assert_null(strstr(scene->answer + 1, "HTTP/1.1 "));
    assert_int_equal(map_count(scene->web.asked), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_login_goes_to_auth_and_its_session_to_the_browser,
                                        begin, end),
        cmocka_unit_test_setup_teardown(devices_come_one_by_one, begin, end),
        cmocka_unit_test_setup_teardown(more_devices_than_there_can_be_are_left_out, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_new_device_shows_its_password, begin, end),
        cmocka_unit_test_setup_teardown(each_refusal_has_its_page, begin, end),
        cmocka_unit_test_setup_teardown(answers_to_nobody_are_passed_over, begin, end),
        cmocka_unit_test_setup_teardown(who_waits_hears_when_auth_is_gone, begin, end),
        cmocka_unit_test_setup_teardown(a_browser_may_go_while_auth_is_asked, begin, end),
        cmocka_unit_test_setup_teardown(what_is_no_request_of_ours_never_reaches_auth, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_second_request_is_not_looked_at, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
