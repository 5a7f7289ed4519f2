/* The enrolment page as a function: who is let through to auth, and what a page says. */
// links: web
#include <sodium.h>

#include "lib/test.h"
#include "web/form.h"
#include "web/site.h"

#define SESSION                                                                                \
    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff" /* as auth gives them   \
                                                                        */
#define SESSION_COOKIE SITE_SESSION_COOKIE "=" SESSION
#define FORM_VALUE     "00112233445566778899aabbccddeeff"
#define FORM_COOKIE    SITE_FORM_COOKIE "=" FORM_VALUE
#define FORM_TYPE      "application/x-www-form-urlencoded"

struct scene {
    struct site site;
    struct site_turn turn;
    struct site_request request;
    char body[1024];
};

static struct scene *scene_new(void)
{
    struct scene *scene = xcalloc(1, sizeof(*scene));

    form_key_make(&scene->site.key);
    scene->site.name = SLICE("mail.example.org");
    scene->site.mail_host = SLICE("mail.example.org");
    scene->site.imap_port = 993;
    scene->site.smtp_port = 465;
    scene->site.sends = true;
    scene->turn.site = &scene->site;
    scene->turn.arena = arena_new(ARENA_TEST_BYTES);
    scene->request.host = SLICE("mail.example.org");
    return scene;
}

static void scene_freep(struct scene **scene)
{
    site_answer_done(&(*scene)->turn.answer);
    arena_free((*scene)->turn.arena);
    free(*scene);
}

static void get(struct scene *scene, const char *path, const char *cookie)
{
    scene->request.method = SITE_GET;
    scene->request.path = slice_from_str(path);
    scene->request.cookie = slice_from_str(cookie);
    site_begin(&scene->turn, &scene->request);
}

/* Fields besides the token, which is made for `action` and that cookie value. */
static void post_for(struct scene *scene, const char *path, const char *action,
                     const char *bound_to, const char *cookie, const char *fields)
{
    char token[FORM_TOKEN_CHARS + 1];

    form_token_make(&scene->site.key, slice_from_str(bound_to), action, token);
    scene->request.method = SITE_POST;
    scene->request.path = slice_from_str(path);
    scene->request.cookie = slice_from_str(cookie);
    scene->request.content_type = SLICE(FORM_TYPE);
    scene->request.body = scene->body;
    scene->request.body_len = (size_t) snprintf(scene->body, sizeof(scene->body), "form=%s%s%s",
                                                token, fields[0] != '\0' ? "&" : "", fields);
    site_begin(&scene->turn, &scene->request);
}

static void post(struct scene *scene, const char *path, const char *fields)
{
    post_for(scene, path, path, SESSION, SESSION_COOKIE, fields);
}

static const char *header(const struct scene *scene, const char *name, size_t nth)
{
    for (size_t i = 0; i < scene->turn.answer.n_headers; i++) {
        if (strcmp(scene->turn.answer.headers[i].name, name) == 0 && nth-- == 0)
            return scene->turn.answer.headers[i].value;
    }
    return "";
}

static bool shows(const struct scene *scene, const char *text)
{
    struct slice body = scene->turn.answer.body;

    return slice_search(body, slice_from_str(text)) < body.len;
}

static void assert_plain(const struct scene *scene, unsigned status)
{
    assert_int_equal(scene->turn.ask.kind, SITE_ASK_NONE);
    assert_int_equal(scene->turn.answer.status, status);
}

static void every_answer_carries_what_protects_it(void **state)
{
    static const struct {
        const char *path;
        unsigned status;
        const char *kept;
    } rows[] = {
        {"/",          303, "no-store"            },
        {"/login",     200, "no-store"            },
        {"/nothing",   404, "no-store"            },
        {"/device",    405, "no-store"            },
        {"/style.css", 200, "public, max-age=3600"},
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(scene_freep) struct scene *scene = scene_new();

        get(scene, rows[i].path, "");
        assert_plain(scene, rows[i].status);
        assert_string_equal(header(scene, "Cache-Control", 0), rows[i].kept);
        assert_string_equal(header(scene, "X-Frame-Options", 0), "DENY");
        assert_string_equal(header(scene, "X-Content-Type-Options", 0), "nosniff");
        assert_string_equal(header(scene, "Strict-Transport-Security", 0), "max-age=31536000");
        assert_string_equal(header(scene, "Content-Security-Policy", 0),
                            "default-src 'none'; style-src 'self'; form-action 'self'; "
                            "base-uri 'none'; frame-ancestors 'none'");
        assert_false(shows(scene, "<script"));
        assert_false(shows(scene, " style="));
    }
}

static void only_our_name_is_served(void **state)
{
    static const struct {
        const char *host;
        bool ours;
    } rows[] = {
        {"mail.example.org",      true },
        {"MAIL.example.org:8443", true },
        {"",                      false},
        {"evil.example",          false},
        {"mail.example.org.evil", false},
        {"mail.example.org:1:2",  false},
        {"127.0.0.1",             false},
        {"[::1]:8443",            false},
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(scene_freep) struct scene *scene = scene_new();

        scene->request.host = slice_from_str(rows[i].host);
        get(scene, "/login", "");
        assert_plain(scene, rows[i].ours ? 200 : 421);
    }
}

static void an_address_in_brackets_is_a_name_too(void **state)
{
    static const struct {
        const char *host;
        bool ours;
    } rows[] = {
        {"[::1]",      true },
        {"[::1]:8443", true },
        {"[::",        false},
        {"[::2]",      false},
        {"::1",        false},
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(scene_freep) struct scene *scene = scene_new();

        scene->site.name = SLICE("[::1]");
        scene->request.host = slice_from_str(rows[i].host);
        get(scene, "/login", "");
        assert_plain(scene, rows[i].ours ? 200 : 421);
    }
}

static void paths_and_methods_are_exact(void **state)
{
    static const struct {
        enum site_method method;
        const char *path;
        unsigned status;
        const char *allow;
    } rows[] = {
        {SITE_GET,          "/login/",           404, ""               },
        {SITE_GET,          "//login",           404, ""               },
        {SITE_GET,          "/LOGIN",            404, ""               },
        {SITE_GET,          "/%6cogin",          404, ""               },
        {SITE_GET,          "/../login",         404, ""               },
        {SITE_GET,          "/../../etc/passwd", 404, ""               },
        {SITE_GET,          "",                  404, ""               },
        {SITE_GET,          "*",                 404, ""               },
        {SITE_GET,          "/logout",           405, "POST"           },
        {SITE_GET,          "/revoke",           405, "POST"           },
        {SITE_OTHER_METHOD, "/",                 405, "GET, HEAD"      },
        {SITE_OTHER_METHOD, "/login",            405, "GET, HEAD, POST"},
        {SITE_POST,         "/",                 405, "GET, HEAD"      },
        {SITE_POST,         "/style.css",        405, "GET, HEAD"      },
        {SITE_HEAD,         "/login",            200, ""               },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(scene_freep) struct scene *scene = scene_new();

        scene->request.method = rows[i].method;
        scene->request.path = slice_from_str(rows[i].path);
        scene->request.body = scene->body;
        site_begin(&scene->turn, &scene->request);
        assert_plain(scene, rows[i].status);
        assert_string_equal(header(scene, "Allow", 0), rows[i].allow);
    }
}

static void who_has_no_session_logs_in(void **state)
{
    static const char *const cookies[] = {
        SITE_SESSION_COOKIE "=0011",
        SITE_SESSION_COOKIE "=" SESSION "00",
        SITE_SESSION_COOKIE "=zz112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        "",
        SITE_SESSION_COOKIE "=",
        SESSION_COOKIE "; " SESSION_COOKIE,
        SITE_FORM_COOKIE "=" SESSION,
    };
    const size_t n_with_one = 3; /* these are taken from the browser, the others it keeps */

    (void) state;
    for (size_t i = 0; i < COUNT(cookies); i++) {
        AUTO(scene_freep) struct scene *scene = scene_new();

        get(scene, "/", cookies[i]);
        assert_plain(scene, 303);
        assert_string_equal(header(scene, "Location", 0), "/login");
        if (i < n_with_one)
            assert_non_null(
                strstr(header(scene, "Set-Cookie", 0), SITE_SESSION_COOKIE "=; Max-Age=0"));
        else
            assert_string_equal(header(scene, "Set-Cookie", 0), "");
    }
}

static void a_session_is_asked_of_auth(void **state)
{
    AUTO(scene_freep) struct scene *scene = scene_new();
    unsigned char token[SITE_TOKEN_BYTES];

    (void) state;
    assert_true(hex_read(SLICE(SESSION), token, sizeof(token)));
    get(scene, "/", "other=1; " SESSION_COOKIE);
    assert_int_equal(scene->turn.ask.kind, SITE_ASK_DEVICES);
    assert_memory_equal(scene->turn.ask.token, token, sizeof(token));
}

/* The login's cookie: the token is bound to it, so the form of one browser is none of another.
 */
static void a_login_needs_the_form_of_this_browser(void **state)
{
    static const char *const fields = "user=anna&password=p%26w&code=123456";
    static const char *const others[] = {
        "", SITE_FORM_COOKIE "=ffffffffffffffffffffffffffffffff", FORM_COOKIE "; " FORM_COOKIE};

    (void) state;
    {
        AUTO(scene_freep) struct scene *scene = scene_new();

        post_for(scene, "/login", "/login", FORM_VALUE, FORM_COOKIE, fields);
        assert_int_equal(scene->turn.ask.kind, SITE_ASK_LOGIN);
        assert_slice_equal(scene->turn.ask.user, SLICE("anna"));
        assert_slice_equal(scene->turn.ask.password, SLICE("p&w"));
        assert_slice_equal(scene->turn.ask.code, SLICE("123456"));
    }
    for (size_t i = 0; i < COUNT(others); i++) {
        AUTO(scene_freep) struct scene *scene = scene_new();

        post_for(scene, "/login", "/login", FORM_VALUE, others[i], fields);
        assert_plain(scene, 403);
    }
}

static void the_session_goes_to_the_browser_as_a_safe_cookie(void **state)
{
    AUTO(scene_freep) struct scene *scene = scene_new();
    struct site_reply reply = {.verdict = SITE_DONE, .seconds = 420};

    (void) state;
    assert_true(hex_read(SLICE(SESSION), reply.token, sizeof(reply.token)));
    post_for(scene, "/login", "/login", FORM_VALUE, FORM_COOKIE,
             "user=anna&password=p&code=123456");
    site_end(&scene->turn, &reply);
    assert_plain(scene, 303);
    assert_string_equal(header(scene, "Location", 0), "/");
    assert_string_equal(header(scene, "Set-Cookie", 0), SESSION_COOKIE
                        "; Max-Age=420; Path=/; Secure; HttpOnly; SameSite=Strict");
}

static void a_refused_login_says_no_more_than_that(void **state)
{
    AUTO(scene_freep) struct scene *scene = scene_new();
    const struct site_reply reply = {.verdict = SITE_REFUSED, .text = SLICE("no such user")};

    (void) state;
    post_for(scene, "/login", "/login", FORM_VALUE, FORM_COOKIE,
             "user=<b>anna&password=secret&code=1");
    site_end(&scene->turn, &reply);
    assert_plain(scene, 403);
    assert_true(shows(scene, "User, password or code is wrong."));
    assert_false(shows(scene, "no such user"));
    assert_false(shows(scene, "anna"));
    assert_false(shows(scene, "secret"));
}

static void a_change_needs_the_token_of_this_form(void **state)
{
    static const struct {
        const char *path, *action, *bound_to, *cookie;
        unsigned status; /* 0: auth is asked */
    } rows[] = {
        {"/revoke", "/revoke", SESSION,    SESSION_COOKIE,                    0  },
        {"/revoke", "/logout", SESSION,    SESSION_COOKIE,                    403}, /* another form's */
        {"/revoke", "/revoke", FORM_VALUE, SESSION_COOKIE,                    403}, /* another session's */
        {"/revoke", "/revoke", "",         SESSION_COOKIE,                    403},
        {"/revoke", "/revoke", SESSION,    "",                                303},
        {"/revoke", "/revoke", SESSION,    FORM_COOKIE,                       303},
        {"/revoke", "/revoke", SESSION,
         SITE_SESSION_COOKIE
         "=ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", 403},
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(scene_freep) struct scene *scene = scene_new();

        post_for(scene, rows[i].path, rows[i].action, rows[i].bound_to, rows[i].cookie,
                 "device=7");
        if (rows[i].status != 0) {
            assert_plain(scene, rows[i].status);
        } else {
            assert_int_equal(scene->turn.ask.kind, SITE_ASK_REVOKE);
            assert_int_equal(scene->turn.ask.device, 7);
        }
    }
}

static void a_token_dies_with_the_process_that_made_it(void **state)
{
    struct form_key one, other;
    char token[FORM_TOKEN_CHARS + 1];

    (void) state;
    form_key_make(&one);
    form_key_make(&other);
    form_token_make(&one, SLICE("c"), "/x", token);
    assert_true(form_token_fits(&one, SLICE("c"), "/x", slice_from_str(token)));
    assert_false(form_token_fits(&other, SLICE("c"), "/x", slice_from_str(token)));
    assert_false(form_token_fits(&one, SLICE("d"), "/x", slice_from_str(token)));
    assert_false(form_token_fits(&one, SLICE("c"), "/y", slice_from_str(token)));
    assert_false(form_token_fits(&one, SLICE(""), "/x", slice_from_str(token)));
    assert_false(form_token_fits(&one, SLICE("c"), "/x", slice_of(token, 31)));
    assert_false(form_token_fits(&one, SLICE("c"), "/x", SLICE("")));
}

static void requests_of_other_sites_are_refused(void **state)
{
    static const struct {
        const char *origin, *fetch_site;
        bool passes;
    } rows[] = {
        {"",                             "",            true },
        {"https://mail.example.org",     "",            true },
        {"https://mail.example.org",     "same-origin", true },
        {"http://mail.example.org",      "",            false},
        {"https://mail.example.org:444", "",            false},
        {"https://evil.example",         "",            false},
        {"null",                         "",            false},
        {"",                             "cross-site",  false},
        {"",                             "same-site",   false},
        {"",                             "none",        false},
        {"https://mail.example.org",     "cross-site",  false},
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(scene_freep) struct scene *scene = scene_new();

        scene->request.origin = slice_from_str(rows[i].origin);
        scene->request.fetch_site = slice_from_str(rows[i].fetch_site);
        post(scene, "/logout", "");
        if (rows[i].passes)
            assert_int_equal(scene->turn.ask.kind, SITE_ASK_LOGOUT);
        else
            assert_plain(scene, 403);
    }
}

static void forms_are_refused_by_kind_and_grammar(void **state)
{
    static const struct {
        const char *type, *path, *fields;
        unsigned status;
    } rows[] = {
        {"text/plain",                      "/revoke",  "device=1",                            415},
        {"multipart/form-data; boundary=x", "/revoke",  "device=1",                            415},
        {"",                                "/revoke",  "device=1",                            415},
        {FORM_TYPE,                         "/revoke",  "device=1&device=2",                   400},
        {FORM_TYPE,                         "/revoke",  "device=%00",                          400},
        {FORM_TYPE,                         "/revoke",  "device=0",                            400},
        {FORM_TYPE,                         "/revoke",  "device=-1",                           400},
        {FORM_TYPE,                         "/revoke",  "device=1x",                           400},
        {FORM_TYPE,                         "/revoke",  "",                                    400},
        {FORM_TYPE,                         "/revoke",  "device=18446744073709551616",         400},
        {FORM_TYPE,                         "/device",  "name=&scope=imap",                    400},
        {FORM_TYPE,                         "/device",  "name=+&scope=imap",                   400},
        {FORM_TYPE,                         "/device",  "name=phone&scope=admin",              400},
        {FORM_TYPE,                         "/confirm", "device=7",                            400},
        {FORM_TYPE,                         "/confirm", "address=192.0.2.7",                   400},
        {FORM_TYPE,                         "/confirm", "device=x&address=192.0.2.7",          400},
        {FORM_TYPE,                         "/confirm",
         "device=7&address=00000000000000000000000000000000000000000000000000000000000000000", 400},
        {FORM_TYPE,                         "/device",  "name=phone",                          400},
        {FORM_TYPE,                         "/device",  "name=phone&scope=imap&days=0",        400},
        {FORM_TYPE,                         "/device",  "name=phone&scope=imap&days=3651",     400},
        {FORM_TYPE,                         "/device",  "name=phone&scope=imap&days=-1",       400},
        {FORM_TYPE,                         "/profile", "user=anna",                           400},
        {FORM_TYPE,                         "/device",
         "name=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa&scope=imap",  400},
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(scene_freep) struct scene *scene = scene_new();
        char token[FORM_TOKEN_CHARS + 1];

        form_token_make(&scene->site.key, SLICE(SESSION), rows[i].path, token);
        scene->request = (struct site_request){.method = SITE_POST,
                                               .path = slice_from_str(rows[i].path),
                                               .host = SLICE("mail.example.org"),
                                               .cookie = SLICE(SESSION_COOKIE),
                                               .content_type = slice_from_str(rows[i].type),
                                               .body = scene->body};
        scene->request.body_len =
            (size_t) snprintf(scene->body, sizeof(scene->body), "form=%s%s%s", token,
                              rows[i].fields[0] != '\0' ? "&" : "", rows[i].fields);
        site_begin(&scene->turn, &scene->request);
        assert_plain(scene, rows[i].status);
    }
}

static void a_device_may_be_what_the_form_offers(void **state)
{
    AUTO(scene_freep) struct scene *scene = scene_new();

    (void) state;
    post(scene, "/device", "name=+my+phone+&scope=both&read_only=yes");
    assert_int_equal(scene->turn.ask.kind, SITE_ASK_CREATE);
    assert_slice_equal(scene->turn.ask.name, SLICE("my phone"));
    assert_int_equal(scene->turn.ask.scope, SITE_SCOPE_IMAP | SITE_SCOPE_SEND);
    assert_true(scene->turn.ask.read_only);
}

/* What asks is the form of a login that waits, and names device and address. */
static void a_login_that_waits_is_shown_and_confirmed(void **state)
{
    static const struct site_device phone = {
        .id = 7, .name = {"<b>phone", 8},
             .scope = SITE_SCOPE_IMAP
    };
    static const struct site_waiting waiting[] = {
        {.device = 7, .address = {"192.0.2.7", 9},    .since = 1700000000},
        {.device = 0, .address = {"2001:db8::1", 11}, .since = 1700000000},
    };
    const struct site_reply reply = {.verdict = SITE_DONE,
                                     .user = SLICE("anna"),
                                     .devices = &phone,
                                     .n_devices = 1,
                                     .waiting = waiting,
                                     .n_waiting = COUNT(waiting)};
    AUTO(scene_freep) struct scene *list = scene_new();
    AUTO(scene_freep) struct scene *scene = scene_new();

    (void) state;
    get(list, "/", SESSION_COOKIE);
    site_end(&list->turn, &reply);
    assert_plain(list, 200);
    assert_true(shows(list, "&#60;b>phone</td><td>from 192.0.2.7</td>") ||
                shows(list, "&#60;b&#62;phone</td><td>from 192.0.2.7</td>"));
    assert_true(shows(list, "a login without a device</td><td>from 2001:db8::1</td>"));
    assert_true(shows(list, "action=\"/confirm\""));
    post(scene, "/confirm", "device=7&address=192.0.2.7");
    assert_int_equal(scene->turn.ask.kind, SITE_ASK_CONFIRM);
    assert_int_equal(scene->turn.ask.device, 7);
    assert_slice_equal(scene->turn.ask.address, SLICE("192.0.2.7"));
    site_end(&scene->turn, &(struct site_reply){.verdict = SITE_DONE});
    assert_int_equal(scene->turn.answer.status, 303);
}

static void a_new_password_is_shown_with_its_code_and_profile(void **state)
{
    AUTO(scene_freep) struct scene *scene = scene_new();
    const struct site_reply reply = {.verdict = SITE_DONE,
                                     .user = SLICE("anna@example.org"),
                                     .password = SLICE("abcd-efgh-ijkl-mnop-qrst")};

    (void) state;
    post(scene, "/device", "name=%3Cimg+src%3Dx%3E&scope=imap");
    site_end(&scene->turn, &reply);
    assert_plain(scene, 200);
    assert_true(shows(scene, "id=\"password\">abcd-efgh-ijkl-mnop-qrst</p>"));
    assert_true(shows(scene, "<svg class=\"qr\""));
    assert_true(shows(scene, "action=\"/profile\""));
    assert_true(shows(scene, "&#60;img src=x&#62;"));
    assert_false(shows(scene, "<img"));
    assert_string_equal(header(scene, "Cache-Control", 0), "no-store");
}

static void a_profile_is_a_file(void **state)
{
    AUTO(scene_freep) struct scene *scene = scene_new();

    (void) state;
    post(scene, "/profile", "user=anna&name=a%3Cb&password=abcd");
    assert_plain(scene, 200);
    assert_string_equal(header(scene, "Content-Type", 0), "application/x-apple-aspen-config");
    assert_true(strstr(header(scene, "Content-Disposition", 0), "attachment") != NULL);
    assert_true(shows(scene, "<string>abcd</string>"));
    assert_true(shows(scene, "<string>a&#60;b</string>"));
}

/* Whatever a program called itself, or an administrator named a device, it is text. */
static void hostile_names_stay_text(void **state)
{
    static const char *const names[] = {
        "<script>alert(1)</script>",
        "\"><script src=//evil.example></script>",
        "' onfocus='x",
        "</td></table><form action=//evil.example>",
        "&#60;b&#62;",
        "<!--",
        "]]><svg onload=x>",
        "javascript:alert(1)",
        ("\xE2\x80\xAE"
         "evil"),
        "a\r\nSet-Cookie: x=y",
        "\xFF\xC0\xBC",
        "{{7*7}}",
    };

    (void) state;
    for (size_t i = 0; i < COUNT(names); i++) {
        AUTO(scene_freep) struct scene *scene = scene_new();
        struct slice name = slice_from_str(names[i]);
        const struct site_device device = {.id = 9,
                                           .name = name,
                                           .scope = SITE_SCOPE_IMAP,
                                           .folders = name,
                                           .networks = name,
                                           .created = 1700000000,
                                           .last_used = 1700000000,
                                           .last_address = name,
                                           .last_client = name};
        const struct site_reply reply = {
            .verdict = SITE_DONE, .user = name, .devices = &device, .n_devices = 1};
        struct slice with, without;
        size_t quotes_with, quotes_without;

        get(scene, "/", SESSION_COOKIE);
        site_end(&scene->turn, &reply);
        assert_plain(scene, 200);
        with = scene->turn.answer.body;
        assert_false(shows(scene, "<script"));
        assert_false(shows(scene, "<svg"));
        assert_false(shows(scene, "<!--"));
        assert_false(shows(scene, "<form action"));
        assert_false(shows(scene, "\r\n"));
        assert_false(shows(scene, "\xE2\x80\xAE"));
        assert_int_equal(slice_count(with, '\''), 0);
        /* As many quotes, tags and newlines as the page with a harmless name has. */
        quotes_with = slice_count(with, '"') + slice_count(with, '<') * 1000;
        {
            AUTO(scene_freep) struct scene *other = scene_new();
            struct site_device harmless = device;
            struct site_reply quiet = reply;

            harmless.name = harmless.folders = harmless.networks = harmless.last_address =
                harmless.last_client = SLICE("x");
            if (slice_find(name, '\n') < name.len)
                harmless.folders = harmless.networks = SLICE("x\ny");
            quiet.user = SLICE("x");
            quiet.devices = &harmless;
            get(other, "/", SESSION_COOKIE);
            site_end(&other->turn, &quiet);
            without = other->turn.answer.body;
            quotes_without = slice_count(without, '"') + slice_count(without, '<') * 1000;
            assert_int_equal(quotes_with, quotes_without);
        }
    }
}

static void the_other_ends_of_a_question(void **state)
{
    static const struct {
        enum site_verdict verdict;
        unsigned status;
        const char *location;
    } rows[] = {
        {SITE_DONE,       303, "/"     },
        {SITE_NO_SESSION, 303, "/login"},
        {SITE_NOT_THERE,  404, ""      },
        {SITE_INVALID,    400, ""      },
        {SITE_LIMIT,      403, ""      },
        {SITE_BUSY,       503, ""      },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(scene_freep) struct scene *scene = scene_new();
        const struct site_reply reply = {.verdict = rows[i].verdict, .text = SLICE("<why>")};

        post(scene, "/revoke", "device=7");
        site_end(&scene->turn, &reply);
        assert_plain(scene, rows[i].status);
        assert_string_equal(header(scene, "Location", 0), rows[i].location);
        assert_false(shows(scene, "<why>"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_carries_what_protects_it),
        cmocka_unit_test(only_our_name_is_served),
        cmocka_unit_test(an_address_in_brackets_is_a_name_too),
        cmocka_unit_test(paths_and_methods_are_exact),
        cmocka_unit_test(who_has_no_session_logs_in),
        cmocka_unit_test(a_session_is_asked_of_auth),
        cmocka_unit_test(a_login_needs_the_form_of_this_browser),
        cmocka_unit_test(the_session_goes_to_the_browser_as_a_safe_cookie),
        cmocka_unit_test(a_refused_login_says_no_more_than_that),
        cmocka_unit_test(a_change_needs_the_token_of_this_form),
        cmocka_unit_test(a_token_dies_with_the_process_that_made_it),
        cmocka_unit_test(requests_of_other_sites_are_refused),
        cmocka_unit_test(forms_are_refused_by_kind_and_grammar),
        cmocka_unit_test(a_device_may_be_what_the_form_offers),
        cmocka_unit_test(a_login_that_waits_is_shown_and_confirmed),
        cmocka_unit_test(a_new_password_is_shown_with_its_code_and_profile),
        cmocka_unit_test(a_profile_is_a_file),
        cmocka_unit_test(hostile_names_stay_text),
        cmocka_unit_test(the_other_ends_of_a_question),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
