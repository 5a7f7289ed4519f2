#include "mime/wire.h"

#include "base/ascii.h"
#include "base/utf8.h"
#include "mime/charset.h"
#include "mime/header.h"
#include "mime/words.h"

bool wire_is_7bit(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (ascii_is_8bit(s.ptr[i]))
            return false;
    return true;
}

/* Bytes that no string of the form may hold, replaced one for one. */
static char harmless(char c, bool utf8)
{
    if (c == '\r' || c == '\n')
        return ' ';
    if (c == '\0')
        return '?';
    return ascii_is_8bit(c) && !utf8 ? '?' : c;
}

static void put_literal(struct slice s, bool utf8, struct buf *out)
{
    buf_byte(out, '{');
    buf_u64(out, s.len);
    buf_str(out, "}\r\n");
    for (size_t i = 0; i < s.len; i++)
        buf_byte(out, harmless(s.ptr[i], utf8));
}

static void put_quoted(struct slice s, bool utf8, struct buf *out)
{
    buf_byte(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"' || s.ptr[i] == '\\')
            buf_byte(out, '\\');
        buf_byte(out, harmless(s.ptr[i], utf8));
    }
    buf_byte(out, '"');
}

void wire_string(struct slice s, enum digest_form form, struct buf *out)
{
    AUTO(buf_done) struct buf text = {0};
    bool utf8 = form == DIGEST_FORM_U;

    buf_init(&text, charset_room(s.len));
    if (utf8 && !utf8_is_valid(s)) {
        charset_to_utf8((struct slice){"", 0}, s, &text);
        s = buf_slice(&text);
    }
    if (s.len > WIRE_QUOTED_MAX_BYTES)
        put_literal(s, utf8, out);
    else
        put_quoted(s, utf8, out);
}

void wire_field(struct slice raw, enum digest_form form, struct buf *out)
{
    AUTO(buf_done) struct buf line = {0};

    buf_init(&line, raw.len + 1);
    if (raw.ptr == NULL || (form != DIGEST_FORM_U && !wire_is_7bit(raw))) {
        buf_str(out, "NIL");
        return;
    }
    header_unfold(raw, &line);
    wire_string(buf_slice(&line), form, out);
}

/* Text on one line already. */
static void put_text(struct slice line, enum digest_form form, struct buf *out)
{
    AUTO(buf_done) struct buf decoded = {0};
    AUTO(buf_done) struct buf words = {0};

    if (form == DIGEST_FORM_U || wire_is_7bit(line)) {
        wire_string(line, form, out);
        return;
    }
    buf_init(&decoded, charset_room(line.len));
    words_decode(line, &decoded);
    buf_init(&words, 3 * decoded.len + 64);
    words_encode(buf_slice(&decoded), &words);
    wire_string(buf_slice(&words), form, out);
}

void wire_text(struct slice raw, enum digest_form form, struct buf *out)
{
    AUTO(buf_done) struct buf line = {0};

    buf_init(&line, raw.len + 1);
    if (raw.ptr == NULL) {
        buf_str(out, "NIL");
        return;
    }
    header_unfold(raw, &line);
    put_text(buf_slice(&line), form, out);
}

static void put_nstring(struct slice s, enum digest_form form, struct buf *out)
{
    if (s.ptr == NULL)
        buf_str(out, "NIL");
    else
        wire_string(s, form, out);
}

/* RFC 6858 2.1: an address that cannot be shown is named in the display name, and leads
 * nowhere. */
static void put_invalid(const struct addr *addr, enum digest_form form, struct buf *out)
{
    AUTO(buf_done) struct buf shown = {0};

    buf_init(&shown, addr->mailbox.len + addr->host.len + 2);
    buf_append(&shown, addr->mailbox);
    if (addr->host.len > 0)
        buf_byte(&shown, '@');
    buf_append(&shown, addr->host);
    buf_byte(out, '(');
    put_text(buf_slice(&shown), form, out);
    buf_str(out, " NIL \"invalid\" \"internationalized-address.invalid\")");
}

void wire_addr(const struct addr *addr, enum digest_form form, struct buf *out)
{
    if (addr->kind == ADDR_GROUP_END) {
        buf_str(out, "(NIL NIL NIL NIL)");
        return;
    }
    if (addr->kind == ADDR_GROUP_START) {
        buf_str(out, "(NIL NIL ");
        put_text(addr->mailbox, form, out);
        buf_str(out, " NIL)");
        return;
    }
    if (form != DIGEST_FORM_U && !(wire_is_7bit(addr->mailbox) && wire_is_7bit(addr->host) &&
                                   wire_is_7bit(addr->route))) {
        put_invalid(addr, form, out);
        return;
    }
    buf_byte(out, '(');
    if (addr->name.ptr == NULL)
        buf_str(out, "NIL");
    else
        put_text(addr->name, form, out);
    buf_byte(out, ' ');
    put_nstring(addr->route, form, out);
    buf_byte(out, ' ');
    wire_string(addr->mailbox, form, out);
    buf_byte(out, ' ');
    wire_string(addr->host, form, out);
    buf_byte(out, ')');
}
