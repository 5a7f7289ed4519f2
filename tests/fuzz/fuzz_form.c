/* fuzz_form.c - any bytes as a form, and as a Cookie header: what is taken keeps its promises,
 * and is read again from its own printed form. */
// links: web
#include <assert.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "web/form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_escaped(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        buf_printf(out, "%%%02X", (unsigned char) text.ptr[i]);
}

static void check_value(struct slice value)
{
    assert(value.len <= FORM_VALUE_MAX_BYTES && utf8_is_valid(value));
    for (size_t i = 0; i < value.len; i++)
        assert((unsigned char) value.ptr[i] >= 0x20 && value.ptr[i] != 0x7F);
}

/* Every byte of it escaped is the same form. */
static void read_again(const struct form *form)
{
    AUTO(buf_done) struct buf text = {0};
    struct form again;
    struct err err;

    buf_init(&text,
             (size_t) 4 * FORM_FIELDS_MAX * (FORM_VALUE_MAX_BYTES + FORM_NAME_MAX_BYTES));
    for (size_t i = 0; i < form->n; i++) {
        if (i > 0)
            buf_byte(&text, '&');
        print_escaped(&text, form->fields[i].name);
        buf_byte(&text, '=');
        print_escaped(&text, form->fields[i].value);
    }
    assert(!text.overflow);
    if (text.len > FORM_BODY_MAX_BYTES)
        return;
    assert(form_parse(text.ptr, text.len, &again, &err) == RC_OK);
    assert(again.n == form->n);
    for (size_t i = 0; i < form->n; i++) {
        assert(slice_eq(again.fields[i].name, form->fields[i].name));
        assert(slice_eq(again.fields[i].value, form->fields[i].value));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(freep) char *body = xmalloc(size + 1);
    unsigned char token[32];
    struct slice value;
    struct form form = {.n = 0};
    struct err err;
    enum rc rc;

    if (size > 0)
        memcpy(body, data, size);
    if (cookie_find(slice_of(body, size), SLICE("__Host-roost"), &value)) {
        assert(slice_find(value, ';') == value.len);
        (void) hex_read(value, token, sizeof(token)); /* in bounds: the sanitizer looks */
    }
    rc = form_parse(body, size, &form, &err);
    assert(rc == RC_OK || rc == RC_SYNTAX || rc == RC_INVALID || rc == RC_LIMIT);
    assert(rc == RC_OK || form.n == 0);
    for (size_t i = 0; i < form.n; i++) {
        check_value(form.fields[i].value);
        assert(form.fields[i].name.len > 0 && form.fields[i].name.len <= FORM_NAME_MAX_BYTES);
        for (size_t j = 0; j < i; j++)
            assert(!slice_eq(form.fields[i].name, form.fields[j].name));
    }
    read_again(&form);
    return 0;
}
