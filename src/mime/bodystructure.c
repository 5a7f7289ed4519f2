#include "mime/bodystructure.h"

#include "base/ascii.h"
#include "base/utf8.h"
#include "mime/charset.h"
#include "mime/cte.h"
#include "mime/envelope.h"
#include "mime/header.h"
#include "mime/param.h"
#include "mime/wire.h"

#define LANGUAGES_MAX        100u               /* tags written of one Content-Language */
#define ENVELOPE_ARENA_BYTES ((size_t) 1 << 30) /* one header block of addresses: 120 MiB */

struct printer {
    const struct mime_tree *tree;
    enum digest_form form;
    bool extended;
    uint32_t addrs_left;
    struct buf *out;
};

/* RFC 2231 section 4: utf-8''%41... */
static void percent_encode(struct slice utf8, struct buf *out)
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < utf8.len; i++) {
        char c = utf8.ptr[i];

        if (ascii_is_alnum(c) || c == '.' || c == '-' || c == '_') {
            buf_byte(out, c);
        } else {
            buf_byte(out, '%');
            buf_byte(out, hex[(unsigned char) c >> 4]);
            buf_byte(out, hex[(unsigned char) c & 15]);
        }
    }
}

static void print_8bit_param(struct printer *p, const struct param *param)
{
    AUTO(buf_done) struct buf name = {0};
    AUTO(buf_done) struct buf utf8 = {0};
    AUTO(buf_done) struct buf value = {0};

    buf_init(&name, param->name.len + 1);
    buf_append(&name, param->name);
    buf_byte(&name, '*');
    buf_init(&utf8, charset_room(param->value.len));
    charset_to_utf8((struct slice){"", 0}, param->value, &utf8);
    buf_init(&value, 3 * utf8.len + 64);
    buf_str(&value, "utf-8''");
    percent_encode(buf_slice(&utf8), &value);
    wire_string(buf_slice(&name), p->form, p->out);
    buf_byte(p->out, ' ');
    wire_string(buf_slice(&value), p->form, p->out);
}

/* What can be shown of a parameter; false if it is left out. */
static bool param_shows(const struct printer *p, const struct param *param)
{
    return p->form == DIGEST_FORM_U ||
           (wire_is_7bit(param->name) &&
            (wire_is_7bit(param->value) || slice_find(param->name, '*') == param->name.len));
}

/* body-fld-param of a field; its head is passed over. */
static void print_params(struct printer *p, struct slice raw)
{
    AUTO(buf_done) struct buf scratch = {0};
    struct param_reader reader;
    struct param param;
    bool any = false;

    buf_init(&scratch, raw.len + 1);
    (void) param_begin(&reader, raw, &scratch);
    while (param_next(&reader, &param)) {
        if (!param_shows(p, &param))
            continue;
        buf_byte(p->out, any ? ' ' : '(');
        any = true;
        if (p->form != DIGEST_FORM_U && !wire_is_7bit(param.value)) {
            print_8bit_param(p, &param);
            continue;
        }
        wire_string(param.name, p->form, p->out);
        buf_byte(p->out, ' ');
        wire_string(param.value, p->form, p->out);
    }
    buf_str(p->out, any ? ")" : "NIL");
}

static void print_disposition(struct printer *p, const struct mime_part *part)
{
    AUTO(buf_done) struct buf scratch = {0};
    struct param_reader reader;
    struct slice raw = part->content[MIME_DISPOSITION], head;

    buf_init(&scratch, raw.len + 1);
    head = raw.ptr != NULL ? param_begin(&reader, raw, &scratch) : raw;
    if (head.len == 0) {
        buf_str(p->out, "NIL");
        return;
    }
    buf_byte(p->out, '(');
    wire_string(head, p->form, p->out);
    buf_byte(p->out, ' ');
    print_params(p, raw);
    buf_byte(p->out, ')');
}

static bool is_tag_byte(char c)
{
    return ascii_is_alnum(c) || c == '-';
}

/* body-fld-lang (RFC 3282): one tag is a string, several a list. */
static void print_language(struct printer *p, const struct mime_part *part)
{
    struct scan sc = scan_of(part->content[MIME_LANGUAGE]);
    struct slice skipped;
    size_t n = 0;

    while (n < LANGUAGES_MAX && !scan_done(&sc)) {
        struct slice tag = scan_while(&sc, is_tag_byte);

        if (tag.len > 0) {
            buf_byte(p->out, n == 0 ? '(' : ' ');
            wire_string(tag, p->form, p->out);
            n++;
        }
        (void) scan_take(&sc, 1, &skipped);
    }
    buf_str(p->out, n > 0 ? ")" : "NIL");
}

/* body-ext-1part and body-ext-mpart end alike. */
static void print_extension_tail(struct printer *p, const struct mime_part *part)
{
    buf_byte(p->out, ' ');
    print_disposition(p, part);
    buf_byte(p->out, ' ');
    print_language(p, part);
    buf_byte(p->out, ' ');
    wire_field(part->content[MIME_LOCATION], p->form, p->out);
}

static void print_encoding(struct printer *p, const struct mime_part *part)
{
    AUTO(buf_done) struct buf line = {0};
    struct slice raw = part->content[MIME_ENCODING];

    buf_init(&line, raw.len + 1);
    if (part->encoding != DIGEST_CTE_UNKNOWN)
        buf_append(&line, cte_name(raw));
    else
        header_unfold(raw, &line);
    if (line.len == 0 || part->kind == DIGEST_MULTIPART || line.len > MIME_TOKEN_MAX_BYTES)
        buf_str(p->out, "\"7BIT\"");
    else
        wire_string(buf_slice(&line), p->form, p->out);
}

/* body-type-*, up to and with the octets (body-fields). */
static void print_fields(struct printer *p, const struct mime_part *part)
{
    wire_string(part->type, p->form, p->out);
    buf_byte(p->out, ' ');
    wire_string(part->subtype, p->form, p->out);
    buf_byte(p->out, ' ');
    if (part->content[MIME_TYPE].ptr == NULL && part->kind == DIGEST_TEXT)
        buf_str(p->out, "(\"charset\" \"us-ascii\")"); /* RFC 2045 5.2 */
    else
        print_params(p, part->content[MIME_TYPE]);
    buf_byte(p->out, ' ');
    wire_field(part->content[MIME_ID], p->form, p->out);
    buf_byte(p->out, ' ');
    wire_text(part->content[MIME_DESCRIPTION], p->form, p->out);
    buf_byte(p->out, ' ');
    print_encoding(p, part);
    buf_byte(p->out, ' ');
    buf_u64(p->out, part->end - part->body);
}

static bool shows_child(const struct printer *p, const struct mime_part *part)
{
    return part->kind == DIGEST_MULTIPART || part->kind == DIGEST_MESSAGE ||
           (part->kind == DIGEST_GLOBAL && p->form != DIGEST_FORM_P);
}

/* What stands before a part's children. */
static void print_open(struct printer *p, const struct mime_part *part)
{
    AUTO(arena_freep) struct arena *arena = NULL;
    struct envelope envelope;

    buf_byte(p->out, '(');
    if (part->kind == DIGEST_MULTIPART)
        return;
    print_fields(p, part);
    if (!shows_child(p, part))
        return;
    arena = arena_new(ENVELOPE_ARENA_BYTES);
    envelope_read(p->tree, part->first_child, arena, &envelope);
    buf_byte(p->out, ' ');
    envelope_print(&envelope, p->form, &p->addrs_left, p->out);
    buf_byte(p->out, ' ');
}

/* What stands behind them. */
static void print_close(struct printer *p, const struct mime_part *part)
{
    if (part->kind == DIGEST_MULTIPART) {
        buf_byte(p->out, ' ');
        wire_string(part->subtype, p->form, p->out);
    } else if (part->kind == DIGEST_TEXT || shows_child(p, part)) {
        buf_byte(p->out, ' ');
        buf_u64(p->out, part->lines);
    }
    if (p->extended) {
        buf_byte(p->out, ' ');
        if (part->kind == DIGEST_MULTIPART)
            print_params(p, part->content[MIME_TYPE]);
        else
            wire_field(part->content[MIME_MD5], p->form, p->out);
        print_extension_tail(p, part);
    }
    buf_byte(p->out, ')');
}

void bodystructure_print(const struct mime_tree *tree, enum digest_form form, bool extended,
                         struct buf *out)
{
    struct printer p = {tree, form, extended, ENVELOPE_ADDRS_MAX, out};
    uint32_t index = 0;

    for (;;) {
        const struct mime_part *part = &tree->parts[index];

        print_open(&p, part);
        if (shows_child(&p, part)) {
            index = part->first_child;
            continue;
        }
        print_close(&p, part);
        while (part->next_sibling == DIGEST_NONE && part->parent != DIGEST_NONE) {
            part = &tree->parts[part->parent];
            print_close(&p, part);
        }
        if (part->next_sibling == DIGEST_NONE)
            return;
        index = part->next_sibling;
    }
}
