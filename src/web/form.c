#include "web/form.h"

#include "base/ascii.h"
#include "base/scan.h"
#include "base/utf8.h"

bool hex_read(struct slice text, unsigned char *out, size_t out_len)
{
    if (text.len != out_len * 2)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (ascii_hex_value(text.ptr[i]) < 0)
            return false;
    }
    for (size_t i = 0; i < out_len; i++)
        out[i] = (unsigned char) (ascii_hex_value(text.ptr[2 * i]) << 4 |
                                  ascii_hex_value(text.ptr[2 * i + 1]));
    return true;
}

/* In place: what is written never passes what is read. */
static enum rc decode(char *at, size_t len, struct slice *out, struct err *err)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        int high, low;

        if (at[i] == '+') {
            at[n++] = ' ';
            continue;
        }
        if (at[i] != '%') {
            at[n++] = at[i];
            continue;
        }
        high = len - i > 2 ? ascii_hex_value(at[i + 1]) : -1;
        low = len - i > 2 ? ascii_hex_value(at[i + 2]) : -1;
        if (high < 0 || low < 0)
            return err_set(err, RC_SYNTAX, "Bad form", "form: %% without two hex digits");
        at[n++] = (char) (high << 4 | low);
        i += 2;
    }
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char) at[i] < 0x20 || at[i] == 0x7F)
            return err_set(err, RC_INVALID, "Bad form", "form: a control character");
    }
    if (!utf8_is_valid(slice_of(at, n)))
        return err_set(err, RC_INVALID, "Bad form", "form: not UTF-8");
    *out = slice_of(at, n);
    return RC_OK;
}

static bool has(const struct form *form, struct slice name)
{
    for (size_t i = 0; i < form->n; i++) {
        if (slice_eq(form->fields[i].name, name))
            return true;
    }
    return false;
}

static enum rc add_pair(char *at, size_t len, struct form *form, struct err *err)
{
    size_t equals = slice_find(slice_of(at, len), '=');
    struct form_field field;
    enum rc rc;

    if (equals == len)
        return err_set(err, RC_SYNTAX, "Bad form", "form: a name without \"=\"");
    if (form->n == FORM_FIELDS_MAX)
        return err_set(err, RC_LIMIT, "Bad form", "form: over %u fields", FORM_FIELDS_MAX);
    rc = decode(at, equals, &field.name, err);
    if (rc == RC_OK)
        rc = decode(at + equals + 1, len - equals - 1, &field.value, err);
    if (rc)
        return rc;
    if (field.name.len == 0 || field.name.len > FORM_NAME_MAX_BYTES ||
        field.value.len > FORM_VALUE_MAX_BYTES)
        return err_set(err, RC_LIMIT, "Bad form", "form: name of %zu, value of %zu bytes",
                       field.name.len, field.value.len);
    if (has(form, field.name))
        return err_set(err, RC_INVALID, "Bad form", "form: a name twice");
    form->fields[form->n++] = field;
    return RC_OK;
}

enum rc form_parse(char *body, size_t len, struct form *out, struct err *err)
{
    struct form form = {.n = 0};
    size_t at = 0;

    if (len > FORM_BODY_MAX_BYTES)
        return err_set(err, RC_LIMIT, "Bad form", "form: %zu bytes", len);
    while (at < len) {
        size_t pair = slice_find(slice_of(body + at, len - at), '&');
        enum rc rc = add_pair(body + at, pair, &form, err);

        if (rc)
            return rc;
        at += pair + 1;
        if (at == len)
            return err_set(err, RC_SYNTAX, "Bad form", "form: ends in \"&\"");
    }
    *out = form;
    return RC_OK;
}

struct slice form_get(const struct form *form, const char *name)
{
    for (size_t i = 0; i < form->n; i++) {
        if (slice_eq(form->fields[i].name, slice_from_str(name)))
            return form->fields[i].value;
    }
    return SLICE("");
}

bool cookie_find(struct slice header, struct slice name, struct slice *out)
{
    struct scan sc = scan_of(header);
    struct slice found = {NULL, 0};
    unsigned n_found = 0;

    for (unsigned i = 0; i < COOKIES_MAX && !scan_done(&sc); i++) {
        struct slice pair, trimmed;
        size_t equals;

        if (!scan_until(&sc, ';', &pair) && !scan_take(&sc, scan_left(&sc), &pair))
            break;
        (void) scan_byte(&sc, ';');
        trimmed = slice_trim(pair);
        equals = slice_find(trimmed, '=');
        if (equals < trimmed.len && slice_eq(slice_sub(trimmed, 0, equals), name)) {
            found = slice_from(trimmed, equals + 1);
            n_found++;
        }
    }
    if (n_found != 1 || !scan_done(&sc))
        return false;
    *out = found;
    return true;
}
