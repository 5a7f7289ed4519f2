#include "imap/url.h"

#include <string.h>

#include "base/ascii.h"
#include "imap/lex.h"

static enum rc fail(struct err *err, const char *what)
{
    return err_set(err, RC_SYNTAX, "Invalid URL", "url: expected %s", what);
}

/* ---- characters: RFC 5092 section 11 ---- */

static bool is_uchar(char c)
{
    return ascii_is_alnum(c) || (c != '\0' && strchr("-._~!$'()*+,%", c) != NULL);
}

static bool is_achar(char c)
{
    return is_uchar(c) || c == '&' || c == '=';
}

static bool is_bchar(char c)
{
    return is_achar(c) || c == ':' || c == '@' || c == '/';
}

static bool is_host_char(char c)
{
    return is_achar(c) || c == ':' || c == '[' || c == ']';
}

static bool is_mechanism_char(char c)
{
    return ascii_is_alnum(c) || c == '-' || c == '.';
}

static bool is_hex(char c)
{
    return ascii_hex_value(c) >= 0;
}

/* Percent-encoding undone. False: a "%" without two digits. */
static bool decode(struct slice text, struct arena *arena, struct slice *out)
{
    char *bytes = arena_alloc(arena, text.len);
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c == '%') {
            if (text.len - i < 3 || !is_hex(text.ptr[i + 1]) || !is_hex(text.ptr[i + 2]))
                return false;
            c = (char) (ascii_hex_value(text.ptr[i + 1]) * 16 +
                        ascii_hex_value(text.ptr[i + 2]));
            i += 2;
        }
        bytes[len++] = c;
    }
    *out = slice_of(bytes, len);
    return true;
}

/* ---- the server ---- */

/* [enc-user] [";AUTH=" ("*" / enc-auth-type)] */
static bool take_userinfo(struct slice text, struct arena *arena, struct imap_url *url)
{
    struct scan sc = scan_of(text);
    struct slice user = scan_while(&sc, is_achar);

    if (scan_literal_nocase(&sc, SLICE(";AUTH=")) && scan_while(&sc, is_achar).len == 0)
        return false;
    return scan_done(&sc) && text.len > 0 && decode(user, arena, &url->user);
}

/* [iuserinfo "@"] host [":" port] */
static enum rc take_server(struct scan *sc, struct arena *arena, struct imap_url *url,
                           struct err *err)
{
    struct slice server;
    struct scan host;
    size_t at;

    if (!scan_until(sc, '/', &server))
        return fail(err, "a path behind the server");
    at = slice_find(server, '@');
    if (at < server.len) {
        if (!take_userinfo(slice_sub(server, 0, at), arena, url))
            return fail(err, "a user name");
        server = slice_from(server, at + 1);
    }
    host = scan_of(server);
    url->host = scan_while(&host, is_host_char);
    if (url->host.len == 0 || !scan_done(&host))
        return fail(err, "a server");
    url->absolute = true;
    return RC_OK;
}

/* ---- the path ---- */

static bool has_dot_segment(struct slice path)
{
    while (path.len > 0) {
        size_t end = slice_find(path, '/');
        struct slice segment = slice_sub(path, 0, end);

        if (slice_eq(segment, SLICE(".")) || slice_eq(segment, SLICE("..")))
            return true;
        path = slice_from(path, end + 1);
    }
    return false;
}

static bool take_number(struct scan *sc, uint32_t *out)
{
    struct imap_input in = {.sc = *sc};

    if (!lex_nz_number(&in, out))
        return false;
    *sc = in.sc;
    return true;
}

/* enc-mailbox [";UIDVALIDITY=" nz-number] "/;UID=" nz-number */
static enum rc take_message(struct scan *sc, struct arena *arena, struct imap_url *url,
                            struct err *err)
{
    const struct imap_mode utf8 = {.utf8_accept = true};
    struct slice text = scan_while(sc, is_bchar), name;

    url->has_uidvalidity = scan_literal_nocase(sc, SLICE(";UIDVALIDITY="));
    if (url->has_uidvalidity) {
        if (!take_number(sc, &url->uidvalidity) || !scan_byte(sc, '/'))
            return fail(err, "a UIDVALIDITY, and \"/\"");
    } else if (slice_ends(text, SLICE("/"))) {
        text.len--;
    } else {
        return fail(err, "\"/\" before the UID");
    }
    if (text.len == 0 || has_dot_segment(text) || !decode(text, arena, &name))
        return fail(err, "a mailbox name");
    if (!scan_literal_nocase(sc, SLICE(";UID=")) || !take_number(sc, &url->uid))
        return fail(err, "a UID");
    return imap_resolve_mailbox(name, utf8, false, arena, &url->mailbox, err);
}

/* The decoded text in brackets, read as FETCH reads it. */
static bool read_section(struct slice text, struct arena *arena, struct imap_section *out)
{
    struct imap_input in = {.arena = arena};
    struct err ignored;

    in.sc = scan_of(slice_from_str(arena_printf(arena, "[%.*s]", SLICE_ARG(text))));
    return lex_section(&in, false, out, &ignored) == RC_OK && scan_done(&in.sc);
}

/* "/;SECTION=" enc-section; its text goes to the next ";", a "/" before ";PARTIAL" left out. */
static enum rc take_section(struct scan *sc, struct arena *arena, struct imap_url *url,
                            struct err *err)
{
    struct slice text, decoded;
    struct scan before;

    if (!scan_literal_nocase(sc, SLICE("/;SECTION=")))
        return RC_OK;
    before = *sc;
    text = scan_while(sc, is_bchar);
    if (slice_ends(text, SLICE("/")) && scan_peek(sc) == ';') {
        *sc = before;
        (void) scan_take(sc, text.len - 1, &text);
    }
    if (text.len == 0 || !decode(text, arena, &decoded) ||
        slice_find(decoded, '\0') < decoded.len || !read_section(decoded, arena, &url->section))
        return fail(err, "a section");
    return RC_OK;
}

/* "/;PARTIAL=" number ["." nz-number] */
static enum rc take_partial(struct scan *sc, struct imap_url *url, struct err *err)
{
    struct imap_input in;

    if (!scan_literal_nocase(sc, SLICE("/;PARTIAL=")))
        return RC_OK;
    in = (struct imap_input){.sc = *sc};
    url->partial = true;
    url->len = UINT64_MAX;
    if (!lex_number64(&in, &url->offset) ||
        (lex_byte(&in, '.') && !lex_nz_number64(&in, &url->len)))
        return fail(err, "a partial range");
    *sc = in.sc;
    return RC_OK;
}

/* ---- URLAUTH ---- */

static enum rc take_expire(struct scan *sc, struct imap_url *url, struct err *err)
{
    if (!scan_literal_nocase(sc, SLICE(";EXPIRE=")))
        return RC_OK;
    url->has_expire = true;
    return lex_timestamp(sc, &url->expire_sec) ? RC_OK : fail(err, "a date-time");
}

static enum rc take_access(struct scan *sc, struct arena *arena, struct imap_url *url,
                           struct err *err)
{
    static const struct {
        const char *name;
        enum imap_url_access access;
        bool has_user;
    } rows[] = {
        {"submit+",   IMAP_URL_SUBMIT,    true },
        {"user+",     IMAP_URL_USER,      true },
        {"authuser",  IMAP_URL_AUTHUSER,  false},
        {"anonymous", IMAP_URL_ANONYMOUS, false},
    };
    struct slice user;

    for (size_t i = 0; i < COUNT(rows); i++) {
        if (!scan_literal_nocase(sc, slice_from_str(rows[i].name)))
            continue;
        url->access = rows[i].access;
        if (!rows[i].has_user)
            return RC_OK;
        user = scan_while(sc, is_achar);
        if (user.len > 0 && decode(user, arena, &url->access_user))
            return RC_OK;
        break;
    }
    return fail(err, "an access identifier");
}

/* [expire] [";URLAUTH=" access [":" mechanism ":" enc-urlauth]] */
static enum rc take_urlauth(struct scan *sc, struct arena *arena, struct imap_url *url,
                            struct err *err)
{
    enum rc rc = take_expire(sc, url, err);

    if (rc)
        return rc;
    if (!scan_literal_nocase(sc, SLICE(";URLAUTH=")))
        return url->has_expire ? fail(err, "URLAUTH behind EXPIRE") : RC_OK;
    rc = take_access(sc, arena, url, err);
    if (rc)
        return rc;
    url->rump = slice_of(sc->start, scan_offset(sc));
    if (!scan_byte(sc, ':'))
        return RC_OK;
    url->mechanism = scan_while(sc, is_mechanism_char);
    if (url->mechanism.len == 0 || !scan_byte(sc, ':'))
        return fail(err, "a mechanism");
    url->token = scan_while(sc, is_hex);
    if (url->token.len < URL_TOKEN_MIN_DIGITS || url->token.len % 2 != 0)
        return fail(err, "a token");
    return RC_OK;
}

enum rc imap_parse_url(struct slice text, struct arena *arena, struct imap_url *out,
                       struct err *err)
{
    struct scan sc = scan_of(text);
    struct imap_url url = {.len = UINT64_MAX};
    enum rc rc = RC_OK;

    if (scan_literal_nocase(&sc, SLICE("imap://")))
        rc = take_server(&sc, arena, &url, err);
    if (!rc && (!scan_byte(&sc, '/') || scan_peek(&sc) == '/'))
        rc = fail(err, "a path that begins with \"/\"");
    if (!rc)
        rc = take_message(&sc, arena, &url, err);
    if (!rc)
        rc = take_section(&sc, arena, &url, err);
    if (!rc)
        rc = take_partial(&sc, &url, err);
    if (!rc)
        rc = take_urlauth(&sc, arena, &url, err);
    if (!rc && !scan_done(&sc))
        rc = fail(err, "the end of the URL");
    if (!rc)
        *out = url;
    return rc;
}

static void encode(struct buf *buf, struct slice text, bool (*may)(char))
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (may(c) && c != '%')
            buf_byte(buf, c);
        else
            buf_printf(buf, "%%%02X", (unsigned) (unsigned char) c);
    }
}

void imap_print_server_url(struct buf *buf, struct slice user, struct slice server)
{
    buf_str(buf, "imap://");
    encode(buf, user, is_achar);
    buf_str(buf, ";AUTH=*@");
    buf_append(buf, server);
    buf_byte(buf, '/');
}

void imap_print_mailbox_url(struct buf *buf, struct slice user, struct slice server,
                            struct slice name)
{
    imap_print_server_url(buf, user, server);
    encode(buf, name, is_bchar);
}

/* RFC 4469 section 5: url-resp-text, kept to what stands in any session. */
void imap_print_code_badurl(struct buf *buf, struct slice url)
{
    url = slice_sub(url, 0, URL_SHOWN_BYTES);
    buf_str(buf, "[BADURL ");
    if (url.len == 0)
        buf_str(buf, "\"\"");
    for (size_t i = 0; i < url.len; i++) {
        char c = url.ptr[i];

        if (ascii_is_ctl(c) || ascii_is_8bit(c) || c == ' ' || c == ']' || c == '\\')
            buf_printf(buf, "%%%02X", (unsigned) (unsigned char) c);
        else
            buf_byte(buf, c);
    }
    buf_byte(buf, ']');
}
