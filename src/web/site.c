#include "web/site.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>

#include "base/random.h"
#include "base/scan.h"
#include "base/utf8.h"
#include "web/form.h"
#include "web/mobileconfig.h"
#include "web/pages.h"

#define HTML_TYPE "text/html; charset=utf-8"
#define FORM_TYPE "application/x-www-form-urlencoded"
#define CONTENT_SECURITY                                                                       \
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "              \
    "frame-ancestors 'none'"
#define STRICT_TRANSPORT  "max-age=31536000"
#define COOKIE_RULES      "; Path=/; Secure; HttpOnly; SameSite=Strict"
#define WRONG_LOGIN       "User, password or code is wrong."
#define STYLE_KEPT        "public, max-age=3600"
#define FORM_COOKIE_BYTES 16u
#define FORM_COOKIE_SEC   3600u
#define PAGE_ROOM_BYTES   ((size_t) 32 << 10)

/* ---- answers ---- */

static void add_header(struct site_turn *turn, const char *name, const char *value)
{
    struct site_answer *answer = &turn->answer;

    assert(answer->n_headers < SITE_HEADERS_MAX);
    answer->headers[answer->n_headers++] = (struct site_header){name, value};
}

/* What every answer carries. */
static void start(struct site_turn *turn, unsigned status, const char *type, const char *kept)
{
    turn->ask.kind = SITE_ASK_NONE;
    turn->answer = (struct site_answer){.status = status, .body = SLICE("")};
    add_header(turn, "Content-Type", type);
    add_header(turn, "Cache-Control", kept);
    add_header(turn, "Content-Security-Policy", CONTENT_SECURITY);
    add_header(turn, "Strict-Transport-Security", STRICT_TRANSPORT);
    add_header(turn, "X-Frame-Options", "DENY");
    add_header(turn, "X-Content-Type-Options", "nosniff");
    add_header(turn, "Referrer-Policy", "same-origin");
}

static void set_cookie(struct site_turn *turn, const char *name, const char *value,
                       uint32_t max_age_sec)
{
    add_header(turn, "Set-Cookie",
               arena_printf(turn->arena, "%s=%s; Max-Age=%" PRIu32 COOKIE_RULES, name, value,
                            max_age_sec));
}

static void finish(struct site_turn *turn, const struct buf *page)
{
    turn->answer.page = *page;
    turn->answer.body = buf_slice(page);
    if (page->overflow) {
        turn->answer.status = 500;
        turn->answer.body = SLICE("");
    }
}

void site_answer_done(struct site_answer *answer)
{
    buf_done(&answer->page);
    answer->body = SLICE("");
}

static void start_page(struct site_turn *turn, unsigned status, struct buf *page)
{
    start(turn, status, HTML_TYPE, "no-store");
    buf_init(page, SITE_ANSWER_MAX_BYTES);
    page->secret = true; /* a page shows a new device's password */
    (void) buf_reserve(page, PAGE_ROOM_BYTES);
}

static void message(struct site_turn *turn, unsigned status, const char *title,
                    struct slice text)
{
    struct buf page;

    start_page(turn, status, &page);
    page_message(&page, title, text);
    finish(turn, &page);
}

static void go_to(struct site_turn *turn, const char *path)
{
    start(turn, 303, HTML_TYPE, "no-store");
    add_header(turn, "Location", path);
}

void site_plain(struct site_turn *turn, unsigned status)
{
    static const struct {
        unsigned status;
        const char *title;
    } titles[] = {
        {400, "The request was not understood"      },
        {403, "Refused"                             },
        {404, "There is no such page"               },
        {405, "Not this way"                        },
        {411, "The length of the request is missing"},
        {413, "The request is too long"             },
        {415, "The request is of another kind"      },
        {421, "This is not the site you asked for"  },
        {503, "Not now: try again in a moment"      },
    };
    const char *title = "The request was refused";

    for (size_t i = 0; i < COUNT(titles); i++) {
        if (titles[i].status == status)
            title = titles[i].title;
    }
    message(turn, status, title, SLICE(""));
}

static struct page_token token_for(const struct site_turn *turn, const char *action)
{
    struct page_token token;

    form_token_make(&turn->site->key, turn->cookie, action, token.text);
    return token;
}

/* ---- pages ---- */

/* The login form has a cookie of its own, new with each page. */
static void show_login(struct site_turn *turn, unsigned status, const char *error)
{
    unsigned char random[FORM_COOKIE_BYTES];
    char *value = arena_alloc(turn->arena, 2 * FORM_COOKIE_BYTES + 1);
    struct page_token token;
    struct buf page;

    random_bytes(random, sizeof(random));
    (void) sodium_bin2hex(value, 2 * FORM_COOKIE_BYTES + 1, random, sizeof(random));
    turn->cookie = slice_from_str(value);
    token = token_for(turn, "/login");
    start_page(turn, status, &page);
    set_cookie(turn, SITE_FORM_COOKIE, value, FORM_COOKIE_SEC);
    page_login(&page, &token, error);
    finish(turn, &page);
}

static void show_devices(struct site_turn *turn, const struct site_reply *reply)
{
    struct page_devices devices = {.site = turn->site,
                                   .reply = reply,
                                   .create = token_for(turn, "/device"),
                                   .revoke = token_for(turn, "/revoke"),
                                   .confirm = token_for(turn, "/confirm"),
                                   .logout = token_for(turn, "/logout")};
    struct buf page;

    start_page(turn, 200, &page);
    page_devices(&page, &devices);
    finish(turn, &page);
}

static void show_created(struct site_turn *turn, const struct site_reply *reply)
{
    struct page_created created = {.site = turn->site,
                                   .user = reply->user,
                                   .name = turn->ask.name,
                                   .password = reply->password,
                                   .scope = turn->ask.scope,
                                   .profile = token_for(turn, "/profile")};
    struct buf page;

    start_page(turn, 200, &page);
    page_created(&page, &created);
    finish(turn, &page);
}

static void log_in(struct site_turn *turn, const struct site_reply *reply)
{
    char value[2 * SITE_TOKEN_BYTES + 1];

    (void) sodium_bin2hex(value, sizeof(value), reply->token, sizeof(reply->token));
    go_to(turn, "/");
    set_cookie(turn, SITE_SESSION_COOKIE, value, reply->seconds);
    set_cookie(turn, SITE_FORM_COOKIE, "", 0);
    sodium_memzero(value, sizeof(value));
}

/* A browser that sent no cookie keeps what it has: it may hold it back from a request that
 * another site made it send. */
static void no_session(struct site_turn *turn)
{
    go_to(turn, "/login");
    if (turn->cookie.len > 0)
        set_cookie(turn, SITE_SESSION_COOKIE, "", 0);
}

/* ---- what auth said ---- */

static void end_done(struct site_turn *turn, const struct site_reply *reply)
{
    switch (turn->ask.kind) {
    case SITE_ASK_LOGIN:
        log_in(turn, reply);
        break;
    case SITE_ASK_DEVICES:
        show_devices(turn, reply);
        break;
    case SITE_ASK_CREATE:
        show_created(turn, reply);
        break;
    case SITE_ASK_REVOKE:
    case SITE_ASK_CONFIRM:
        go_to(turn, "/");
        break;
    case SITE_ASK_LOGOUT:
        no_session(turn);
        break;
    case SITE_ASK_NONE:
        assert(false);
        break;
    }
}

void site_end(struct site_turn *turn, const struct site_reply *reply)
{
    switch (reply->verdict) {
    case SITE_DONE:
        end_done(turn, reply);
        break;
    case SITE_NO_SESSION:
        no_session(turn);
        break;
    case SITE_REFUSED:
        show_login(turn, 403, WRONG_LOGIN);
        break;
    case SITE_INVALID:
        message(turn, 400, "That does not work", reply->text);
        break;
    case SITE_LIMIT:
        message(turn, 403, "No more of these", reply->text);
        break;
    case SITE_NOT_THERE:
        message(turn, 404, "There is no such device", SLICE("It may be revoked already."));
        break;
    case SITE_BUSY:
        site_plain(turn, 503);
        add_header(turn, "Retry-After", "5");
        break;
    }
}

/* ---- requests ---- */

static bool read_session(struct site_turn *turn, const struct site_request *request)
{
    return cookie_find(request->cookie, SLICE(SITE_SESSION_COOKIE), &turn->cookie) &&
           hex_read(turn->cookie, turn->ask.token, sizeof(turn->ask.token));
}

static void get_devices(struct site_turn *turn, const struct site_request *request)
{
    if (!read_session(turn, request)) {
        no_session(turn);
        return;
    }
    turn->ask.kind = SITE_ASK_DEVICES;
}

static void get_login(struct site_turn *turn, const struct site_request *request)
{
    (void) request;
    show_login(turn, 200, NULL);
}

static void get_style(struct site_turn *turn, const struct site_request *request)
{
    (void) request;
    start(turn, 200, "text/css; charset=utf-8", STYLE_KEPT);
    turn->answer.body = page_style();
}

static void post_login(struct site_turn *turn, const struct form *form)
{
    turn->ask.user = form_get(form, "user");
    turn->ask.password = form_get(form, "password");
    turn->ask.code = form_get(form, "code");
    if (turn->ask.code.len > SITE_CODE_MAX_BYTES)
        show_login(turn, 403, WRONG_LOGIN);
    else
        turn->ask.kind = SITE_ASK_LOGIN;
}

static bool read_scope(struct slice word, unsigned *out)
{
    static const struct {
        const char *word;
        unsigned scope;
    } words[] = {
        {"imap", SITE_SCOPE_IMAP                  },
        {"send", SITE_SCOPE_SEND                  },
        {"both", SITE_SCOPE_IMAP | SITE_SCOPE_SEND},
    };

    for (size_t i = 0; i < COUNT(words); i++) {
        if (slice_eq(word, slice_from_str(words[i].word))) {
            *out = words[i].scope;
            return true;
        }
    }
    return false;
}

/* "a, b" as one a line. */
static struct slice lines_of(struct arena *arena, struct slice list)
{
    char *text = arena_alloc(arena, list.len + 1);
    struct scan sc = scan_of(list);
    size_t len = 0;

    while (!scan_done(&sc)) {
        struct slice item;

        if (!scan_until(&sc, ',', &item))
            (void) scan_take(&sc, scan_left(&sc), &item);
        (void) scan_byte(&sc, ',');
        item = slice_trim(item);
        if (item.len == 0)
            continue;
        if (len > 0)
            text[len++] = '\n';
        memcpy(text + len, item.ptr, item.len);
        len += item.len;
    }
    return slice_of(text, len);
}

/* Nothing, or a number of days. */
static bool read_days(struct slice text, uint32_t *out)
{
    *out = 0;
    text = slice_trim(text);
    return text.len == 0 || (slice_to_u32(text, out) && *out >= 1 && *out <= SITE_DAYS_MAX);
}

static void post_device(struct site_turn *turn, const struct form *form)
{
    struct slice read_only = form_get(form, "read_only");

    turn->ask.name = slice_trim(form_get(form, "name"));
    if (turn->ask.name.len == 0 || turn->ask.name.len > SITE_NAME_MAX_BYTES) {
        message(turn, 400, "That does not work", SLICE("A name has 1 to 64 bytes."));
        return;
    }
    if (!read_scope(form_get(form, "scope"), &turn->ask.scope) ||
        ((turn->ask.scope & SITE_SCOPE_SEND) != 0 && !turn->site->sends)) {
        site_plain(turn, 400);
        return;
    }
    if (!read_days(form_get(form, "days"), &turn->ask.days)) {
        message(turn, 400, "That does not work", SLICE("A number of days is from 1 to 3650."));
        return;
    }
    turn->ask.read_only = slice_eq(read_only, SLICE("yes"));
    turn->ask.folders = lines_of(turn->arena, form_get(form, "folders"));
    turn->ask.networks = lines_of(turn->arena, form_get(form, "networks"));
    turn->ask.kind = SITE_ASK_CREATE;
}

static void post_revoke(struct site_turn *turn, const struct form *form)
{
    if (!slice_to_u64(form_get(form, "device"), &turn->ask.device) || turn->ask.device == 0) {
        site_plain(turn, 400);
        return;
    }
    turn->ask.kind = SITE_ASK_REVOKE;
}

static void post_confirm(struct site_turn *turn, const struct form *form)
{
    turn->ask.address = form_get(form, "address");
    if (!slice_to_u64(form_get(form, "device"), &turn->ask.device) ||
        turn->ask.address.len == 0 || turn->ask.address.len > SITE_ADDRESS_MAX) {
        site_plain(turn, 400);
        return;
    }
    turn->ask.kind = SITE_ASK_CONFIRM;
}

static void post_logout(struct site_turn *turn, const struct form *form)
{
    (void) form;
    turn->ask.kind = SITE_ASK_LOGOUT;
}

/* All of it came from the page that showed the password; nothing of it is looked up or kept. */
static void post_profile(struct site_turn *turn, const struct form *form)
{
    struct mobileconfig config = {.user = form_get(form, "user"),
                                  .device = form_get(form, "name"),
                                  .password = form_get(form, "password"),
                                  .imap_host = turn->site->mail_host,
                                  .imap_port = turn->site->imap_port,
                                  .smtp_host = turn->site->mail_host,
                                  .smtp_port = turn->site->smtp_port};
    struct buf file;

    if (config.user.len == 0 || config.password.len == 0) {
        site_plain(turn, 400);
        return;
    }
    random_bytes(config.profile_id, sizeof(config.profile_id));
    random_bytes(config.payload_id, sizeof(config.payload_id));
    start_page(turn, 200, &file);
    turn->answer.headers[0].value = MOBILECONFIG_TYPE;
    add_header(turn, "Content-Disposition", "attachment; filename=\"mail.mobileconfig\"");
    mobileconfig_print(&file, &config);
    finish(turn, &file);
}

static const struct route {
    const char *path;
    void (*get)(struct site_turn *turn, const struct site_request *request);
    void (*post)(struct site_turn *turn, const struct form *form);
    bool before_login;
} routes[] = {
    {"/",          get_devices, NULL,         false},
    {"/login",     get_login,   post_login,   true },
    {"/device",    NULL,        post_device,  false},
    {"/profile",   NULL,        post_profile, false},
    {"/revoke",    NULL,        post_revoke,  false},
    {"/confirm",   NULL,        post_confirm, false},
    {"/logout",    NULL,        post_logout,  false},
    {"/style.css", get_style,   NULL,         true },
};

static const struct route *find_route(struct slice path)
{
    for (size_t i = 0; i < COUNT(routes); i++) {
        if (slice_eq(path, slice_from_str(routes[i].path)))
            return &routes[i];
    }
    return NULL;
}

/* RFC 9110 7.2: the name, and maybe a port, which says nothing. An IPv6 address has colons of
 * its own, within brackets (RFC 3986 3.2.2). */
static bool is_our_host(const struct site *site, struct slice host)
{
    size_t colon = slice_ends(host, SLICE("]")) ? host.len : slice_rfind(host, ':');

    return slice_eq_nocase(slice_sub(host, 0, colon), site->name);
}

/* Browsers that say where a request comes from must say that it is us (Fetch 3.2). */
static bool comes_from_us(const struct site_request *request)
{
    static const struct slice scheme = {"https://", 8};

    if (request->fetch_site.len > 0 && !slice_eq(request->fetch_site, SLICE("same-origin")))
        return false;
    return request->origin.len == 0 ||
           (slice_starts(request->origin, scheme) &&
            slice_eq_nocase(slice_from(request->origin, scheme.len), request->host));
}

static bool is_form(struct slice content_type)
{
    return slice_eq_nocase(
        slice_trim(slice_sub(content_type, 0, slice_find(content_type, ';'))),
        SLICE(FORM_TYPE));
}

/* The cookie that the form's token goes with. */
static bool read_cookie(struct site_turn *turn, const struct route *route,
                        const struct site_request *request)
{
    unsigned char random[FORM_COOKIE_BYTES];

    if (!route->before_login)
        return read_session(turn, request);
    return cookie_find(request->cookie, SLICE(SITE_FORM_COOKIE), &turn->cookie) &&
           hex_read(turn->cookie, random, sizeof(random));
}

static void post(struct site_turn *turn, const struct route *route,
                 const struct site_request *request)
{
    struct form form;
    struct err err;
    bool known;

    if (!is_form(request->content_type)) {
        site_plain(turn, 415);
        return;
    }
    if (request->body_len > FORM_BODY_MAX_BYTES) {
        site_plain(turn, 413);
        return;
    }
    if (form_parse(request->body, request->body_len, &form, &err)) {
        site_plain(turn, 400);
        return;
    }
    known = read_cookie(turn, route, request);
    if (!comes_from_us(request)) {
        site_plain(turn, 403);
        return;
    }
    if (!known && !route->before_login) {
        no_session(turn);
        return;
    }
    if (!known || !form_token_fits(&turn->site->key, turn->cookie, route->path,
                                   form_get(&form, "form"))) {
        message(turn, 403, "Refused", SLICE("The form is too old, or not from this site."));
        return;
    }
    route->post(turn, &form);
}

void site_begin(struct site_turn *turn, struct site_request *request)
{
    const struct route *route;
    bool reads = request->method == SITE_GET || request->method == SITE_HEAD;

    if (!is_our_host(turn->site, request->host)) {
        site_plain(turn, 421);
        return;
    }
    route = find_route(request->path);
    if (route == NULL) {
        site_plain(turn, 404);
        return;
    }
    turn->route = route->path;
    if (reads && route->get != NULL)
        route->get(turn, request);
    else if (request->method == SITE_POST && route->post != NULL)
        post(turn, route, request);
    else {
        site_plain(turn, 405);
        add_header(turn, "Allow",
                   route->get == NULL    ? "POST"
                   : route->post == NULL ? "GET, HEAD"
                                         : "GET, HEAD, POST");
    }
}
