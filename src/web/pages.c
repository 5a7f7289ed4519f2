#include "web/pages.h"

#include <time.h>

#include "base/scan.h"
#include "web/markup.h"
#include "web/qr.h"

#define TIME_BYTES 32u

static const char style[] =
    "body{font:16px/1.5 sans-serif;margin:0 auto;max-width:60em;padding:1em;color:#222;"
    "background:#fff}"
    "h1{font-size:1.4em}h2{font-size:1.1em;margin-top:2em}"
    "table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;vertical-align:top;padding:.4em .6em;border-bottom:1px solid #ccc;"
    "overflow-wrap:anywhere}"
    "label{display:block;margin:.6em 0}"
    "input[type=text],input[type=password],select{font:inherit;padding:.3em;min-width:16em}"
    "button{font:inherit;padding:.3em 1em}"
    ".error{color:#a00}.small{color:#555;font-size:.9em}"
    ".password{font:1.5em/1.5 monospace;letter-spacing:.05em;overflow-wrap:anywhere}"
    ".qr{width:12em;height:12em;display:block}"
    "header{display:flex;justify-content:space-between;align-items:baseline;flex-wrap:wrap}";

struct slice page_style(void)
{
    return slice_from_str(style);
}

static void begin(struct buf *out, const char *title)
{
    MARKUP(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta "
                "name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>");
    markup_text(out, slice_from_str(title));
    MARKUP(out,
           "</title><link rel=\"stylesheet\" href=\"/style.css\"></head><body>\n<header><h1>");
    markup_text(out, slice_from_str(title));
    MARKUP(out, "</h1>");
}

static void end(struct buf *out)
{
    MARKUP(out, "</main></body></html>\n");
}

static void put_token(struct buf *out, const struct page_token *token)
{
    MARKUP(out, "<input type=\"hidden\" name=\"form\" value=\"");
    markup_text(out, slice_from_str(token->text));
    MARKUP(out, "\">");
}

static void put_hidden(struct buf *out, const char *name, struct slice value)
{
    MARKUP(out, "<input type=\"hidden\" name=\"");
    markup_text(out, slice_from_str(name));
    MARKUP(out, "\" value=\"");
    markup_text(out, value);
    MARKUP(out, "\">");
}

void page_login(struct buf *out, const struct page_token *token, const char *error)
{
    begin(out, "Mail devices");
    MARKUP(out, "</header>\n<main>");
    if (error != NULL) {
        MARKUP(out, "<p class=\"error\" role=\"alert\">");
        markup_text(out, slice_from_str(error));
        MARKUP(out, "</p>");
    }
    MARKUP(out,
           "<form method=\"post\" action=\"/login\" autocomplete=\"on\">"
           "<label>User<br><input type=\"text\" name=\"user\" required maxlength=\"255\" "
           "autocomplete=\"username\" autocapitalize=\"none\" autofocus></label>"
           "<label>Account password<br><input type=\"password\" name=\"password\" required "
           "maxlength=\"1000\" autocomplete=\"current-password\"></label>"
           "<label>Code of your authenticator app, or a recovery code<br><input type=\"text\" "
           "name=\"code\" required maxlength=\"40\" autocomplete=\"one-time-code\" "
           "autocapitalize=\"none\"></label>");
    put_token(out, token);
    MARKUP(out, "<p><button type=\"submit\">Log in</button></p></form>");
    end(out);
}

/* "2026-11-22 13:05 UTC" */
static void put_time(struct buf *out, int64_t when)
{
    char text[TIME_BYTES];
    time_t seconds = (time_t) when;
    struct tm tm;

    if (gmtime_r(&seconds, &tm) == NULL ||
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &tm) == 0)
        return;
    markup_text(out, slice_from_str(text));
}

/* Items that stand one a line. */
static void put_lines(struct buf *out, struct slice lines)
{
    struct scan sc = scan_of(lines);
    struct slice line;

    while (!scan_done(&sc) &&
           (scan_until(&sc, '\n', &line) || scan_take(&sc, scan_left(&sc), &line))) {
        markup_text(out, line);
        if (scan_byte(&sc, '\n') && !scan_done(&sc))
            MARKUP(out, "<br>");
    }
}

static void put_use(struct buf *out, const struct site_device *device)
{
    if ((device->scope & SITE_SCOPE_IMAP) != 0) {
        MARKUP(out, "reads mail");
        if (device->read_only)
            MARKUP(out, ", changes nothing");
    }
    if ((device->scope & SITE_SCOPE_IMAP) != 0 && (device->scope & SITE_SCOPE_SEND) != 0)
        MARKUP(out, "; ");
    if ((device->scope & SITE_SCOPE_SEND) != 0)
        MARKUP(out, "sends mail");
    if (device->folders.len > 0) {
        MARKUP(out, "<br><span class=\"small\">folders: ");
        put_lines(out, device->folders);
        MARKUP(out, "</span>");
    }
}

static void put_last_use(struct buf *out, const struct site_device *device)
{
    if (device->last_used == 0) {
        MARKUP(out, "never");
        return;
    }
    put_time(out, device->last_used);
    if (device->last_address.len > 0) {
        MARKUP(out, "<br>from ");
        markup_text(out, device->last_address);
    }
    if (device->last_client.len > 0) {
        MARKUP(out, "<br><span class=\"small\">");
        markup_text(out, device->last_client);
        MARKUP(out, "</span>");
    }
}

static void put_device(struct buf *out, const struct site_device *device,
                       const struct page_token *token)
{
    MARKUP(out, "<tr><td class=\"name\">");
    markup_text(out, device->name);
    MARKUP(out, "<br><span class=\"small\">since ");
    put_time(out, device->created);
    MARKUP(out, "</span></td><td>");
    put_use(out, device);
    MARKUP(out, "</td><td>");
    if (device->networks.len > 0)
        put_lines(out, device->networks);
    else
        MARKUP(out, "everywhere");
    MARKUP(out, "</td><td>");
    put_last_use(out, device);
    MARKUP(out, "</td><td>");
    if (device->expires != 0)
        put_time(out, device->expires);
    else
        MARKUP(out, "until revoked");
    MARKUP(out, "</td><td><form method=\"post\" action=\"/revoke\">");
    put_token(out, token);
    MARKUP(out, "<input type=\"hidden\" name=\"device\" value=\"");
    buf_u64(out, device->id);
    MARKUP(out, "\"><button type=\"submit\">Revoke</button></form></td></tr>\n");
}

static void put_devices(struct buf *out, const struct page_devices *page)
{
    const struct site_reply *reply = page->reply;

    if (reply->n_devices == 0) {
        MARKUP(out, "<p>No device has a password yet.</p>");
        return;
    }
    MARKUP(out, "<table id=\"devices\"><thead><tr><th>Device</th><th>May</th><th>From</th>"
                "<th>Last use</th><th>Valid</th><th></th></tr></thead><tbody>\n");
    for (size_t i = 0; i < reply->n_devices; i++)
        put_device(out, &reply->devices[i], &page->revoke);
    MARKUP(out, "</tbody></table>");
}

static void put_device_name(struct buf *out, const struct site_reply *reply, uint64_t id)
{
    for (size_t i = 0; i < reply->n_devices; i++) {
        if (reply->devices[i].id != id)
            continue;
        markup_text(out, reply->devices[i].name);
        return;
    }
    MARKUP(out, "a login without a device");
}

static void put_waiting(struct buf *out, const struct page_devices *page)
{
    const struct site_reply *reply = page->reply;

    if (reply->n_waiting == 0)
        return;
    MARKUP(out,
           "<h2>Is this you?</h2><p>These were refused, with the right password, since they "
           "come from a network that is new for the device. If you do not know one, revoke "
           "the device.</p><table id=\"waiting\"><tbody>\n");
    for (size_t i = 0; i < reply->n_waiting; i++) {
        const struct site_waiting *waiting = &reply->waiting[i];

        MARKUP(out, "<tr><td class=\"name\">");
        put_device_name(out, reply, waiting->device);
        MARKUP(out, "</td><td>from ");
        markup_text(out, waiting->address);
        MARKUP(out, "</td><td>");
        put_time(out, waiting->since);
        MARKUP(out, "</td><td><form method=\"post\" action=\"/confirm\">");
        put_token(out, &page->confirm);
        put_hidden(out, "address", waiting->address);
        MARKUP(out, "<input type=\"hidden\" name=\"device\" value=\"");
        buf_u64(out, waiting->device);
        MARKUP(out, "\"><button type=\"submit\">It is me</button></form></td></tr>\n");
    }
    MARKUP(out, "</tbody></table>");
}

static void put_create(struct buf *out, const struct page_devices *page)
{
    MARKUP(out, "<h2>A new device</h2><form method=\"post\" action=\"/device\">"
                "<label>Name, such as \"phone\"<br><input type=\"text\" name=\"name\" required "
                "maxlength=\"64\" autocomplete=\"off\"></label>"
                "<label>It may<br><select name=\"scope\">");
    if (page->site->sends)
        MARKUP(out, "<option value=\"both\" selected>read and send mail</option>");
    MARKUP(out, "<option value=\"imap\">read mail</option>");
    if (page->site->sends)
        MARKUP(out, "<option value=\"send\">send mail only (a scanner)</option>");
    MARKUP(out, "</select></label><label><input type=\"checkbox\" name=\"read_only\" "
                "value=\"yes\"> It changes nothing: no flags, no deleting</label>");
    MARKUP(
        out,
        "<label>Only these folders, with commas between them (empty: all)<br>"
        "<input type=\"text\" name=\"folders\" maxlength=\"1000\" autocomplete=\"off\"></label>"
        "<label>Only from these networks, such as 192.0.2.0/24, 2001:db8::/32 (empty: from "
        "everywhere)<br><input type=\"text\" name=\"networks\" maxlength=\"1000\" "
        "autocomplete=\"off\"></label>"
        "<label>For so many days (empty: until revoked)<br><input type=\"text\" name=\"days\" "
        "inputmode=\"numeric\" pattern=\"[0-9]*\" maxlength=\"4\" "
        "autocomplete=\"off\"></label>");
    put_token(out, &page->create);
    MARKUP(out, "<p><button type=\"submit\">Make its password</button></p></form>");
}

void page_devices(struct buf *out, const struct page_devices *page)
{
    begin(out, "Your devices");
    MARKUP(out, "<form method=\"post\" action=\"/logout\"><span id=\"user\">");
    markup_text(out, page->reply->user);
    MARKUP(out, "</span> ");
    put_token(out, &page->logout);
    MARKUP(out, "<button type=\"submit\">Log out</button></form></header>\n<main>");
    put_waiting(out, page);
    put_devices(out, page);
    put_create(out, page);
    end(out);
}

static void put_servers(struct buf *out, const struct page_created *page)
{
    const struct site *site = page->site;

    MARKUP(out, "<p>User <b>");
    markup_text(out, page->user);
    MARKUP(out, "</b>");
    if ((page->scope & SITE_SCOPE_IMAP) != 0) {
        MARKUP(out, "<br>IMAP server <b>");
        markup_text(out, site->mail_host);
        MARKUP(out, "</b>, port <b>");
        buf_u64(out, site->imap_port);
        MARKUP(out, "</b>, TLS");
    }
    if ((page->scope & SITE_SCOPE_SEND) != 0 && site->sends) {
        MARKUP(out, "<br>SMTP server <b>");
        markup_text(out, site->mail_host);
        MARKUP(out, "</b>, port <b>");
        buf_u64(out, site->smtp_port);
        MARKUP(out, "</b>, TLS");
    }
    MARKUP(out, "</p>");
}

void page_created(struct buf *out, const struct page_created *page)
{
    struct err err;

    begin(out, "A new device");
    MARKUP(out, "</header>\n<main><p>The password of <b>");
    markup_text(out, page->name);
    MARKUP(out, "</b>. It is shown this once.</p><p class=\"password\" id=\"password\">");
    markup_text(out, page->password);
    MARKUP(out, "</p>");
    if (qr_print_svg(out, page->password, &err) != RC_OK)
        MARKUP(out, "<p>It is too long for a QR code.</p>");
    put_servers(out, page);
    if ((page->scope & SITE_SCOPE_IMAP) != 0) {
        MARKUP(out, "<form method=\"post\" action=\"/profile\">");
        put_token(out, &page->profile);
        put_hidden(out, "user", page->user);
        put_hidden(out, "name", page->name);
        put_hidden(out, "password", page->password);
        MARKUP(out, "<p><button type=\"submit\">Profile for iPhone, iPad or Mac</button></p>"
                    "</form>");
    }
    MARKUP(out, "<p><a href=\"/\">All devices</a></p>");
    end(out);
}

void page_message(struct buf *out, const char *title, struct slice text)
{
    begin(out, title);
    MARKUP(out, "</header>\n<main><p>");
    markup_text(out, text);
    MARKUP(out, "</p><p><a href=\"/\">Go on</a></p>");
    end(out);
}
