/*
 * digest_verify.c - what a table from another process must be before it is stored.
 *
 * The wire forms are copied into responses: a table made by a process that was taken over could
 * otherwise speak to the client in the server's name. So each must be one parenthesised value
 * of RFC 9051 section 9, in which no string ends where it should not.
 */
#include "base/ascii.h"
#include "base/utf8.h"
#include "mime/digest_table.h"
#include "mime/wire.h"

static bool skip_quoted(struct scan *sc)
{
    struct slice taken;

    if (!scan_byte(sc, '"'))
        return false;
    while (scan_take(sc, 1, &taken)) {
        char c = taken.ptr[0];

        if (c == '"')
            return true;
        if (c == '\r' || c == '\n' || c == '\0')
            return false;
        if (c == '\\' && !scan_byte(sc, '"') && !scan_byte(sc, '\\'))
            return false;
    }
    return false;
}

static bool skip_literal(struct scan *sc)
{
    struct slice bytes;
    uint32_t len;

    return scan_byte(sc, '{') && scan_u32(sc, &len) && scan_literal(sc, SLICE("}\r\n")) &&
           scan_take(sc, len, &bytes) && slice_count(bytes, '\0') == 0;
}

/* NIL or a number; what neither is stops the walk. */
static bool skip_atom(struct scan *sc)
{
    struct slice digits;

    if (scan_literal(sc, SLICE("NIL")))
        return true;
    digits = scan_while(sc, ascii_is_digit);
    return digits.len > 0 && digits.len <= 10;
}

/* "(" ... ")": lists, strings, NIL and numbers, a space between two values but not two lists.
 */
static bool is_wire_value(struct slice wire)
{
    struct scan sc = scan_of(wire);
    size_t depth = 0;

    do {
        int c = scan_peek(&sc);
        bool ok;

        if (c == '(') {
            ok = scan_byte(&sc, '(');
            depth++;
        } else if (c == ')' && depth > 0) {
            ok = scan_byte(&sc, ')');
            depth--;
        } else if (depth == 0) {
            return false;
        } else {
            ok = c == ' ' ? scan_byte(&sc, ' ')
                          : (c == '"' ? skip_quoted(&sc)
                                      : (c == '{' ? skip_literal(&sc) : skip_atom(&sc)));
        }
        if (!ok)
            return false;
    } while (depth > 0);
    return scan_done(&sc);
}

static bool wires_are_sound(const struct digest *digest)
{
    for (int form = 0; form < DIGEST_FORM_COUNT; form++) {
        for (int item = 0; item < DIGEST_ITEM_COUNT; item++) {
            struct slice wire =
                digest_wire(digest, (enum digest_item) item, (enum digest_form) form);

            if (!is_wire_value(wire) ||
                (form == DIGEST_FORM_U ? !utf8_is_valid(wire) : !wire_is_7bit(wire)))
                return false;
        }
    }
    return true;
}

/* Copied lines are what the message has there. */
static bool copies_are_true(const struct digest *digest, struct slice msg)
{
    struct scan raw = scan_of(digest_section_bytes(digest, SECTION_RAW));
    struct digest_fields fields;
    struct digest_field field;

    digest_fields_begin(digest, &fields);
    while (digest_fields_next(&fields, &field))
        if (field.copied &&
            !scan_literal(&raw, slice_sub(msg, field.start, field.end - field.start)))
            return false;
    return true;
}

/* What is put in is 7-bit, and the table is of what comes out. */
static bool substitute_is_true(const struct digest *digest, struct slice msg)
{
    AUTO(buf_done) struct buf bytes = {0};
    struct digest_substitute substitute;
    struct digest shown;
    struct err err;

    if (!digest_get_substitute(digest, &substitute))
        return true;
    if (!wire_is_7bit(substitute.inserted) ||
        digest_open_substitute(&substitute, &shown, &err) != RC_OK)
        return false;
    buf_init(&bytes, DIGEST_MESSAGE_MAX_BYTES);
    digest_substitute_bytes(digest, &substitute, msg, &bytes);
    return shown.message_size == bytes.len && copies_are_true(&shown, buf_slice(&bytes)) &&
           wires_are_sound(&shown) && utf8_is_valid(digest_preview(&shown));
}

enum rc digest_verify(const struct digest *digest, struct slice msg, struct err *err)
{
    if (digest->message_size != msg.len || !copies_are_true(digest, msg))
        return err_set(err, RC_CORRUPT, "Message data is damaged",
                       "digest: of another message");
    if (!wires_are_sound(digest))
        return err_set(err, RC_CORRUPT, "Message data is damaged", "digest: wire form");
    if (!utf8_is_valid(digest_preview(digest)))
        return err_set(err, RC_CORRUPT, "Message data is damaged", "digest: preview");
    if (!substitute_is_true(digest, msg))
        return err_set(err, RC_CORRUPT, "Message data is damaged", "digest: substitute");
    for (uint32_t i = 0; i < digest->n_spans; i++)
        if (!utf8_is_valid(digest_span(digest, i).text))
            return err_set(err, RC_CORRUPT, "Message data is damaged", "digest: text");
    return RC_OK;
}
