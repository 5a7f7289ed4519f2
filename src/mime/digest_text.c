/* digest_text.c - the search text region and the preview of a digest. */
#include <assert.h>

#include "mime/charset.h"
#include "mime/digest_table.h"
#include "mime/param.h"
#include "mime/preview.h"
#include "mime/text.h"

/* The run of text that began at start is one span. */
static void put_span(struct digest_writer *w, enum digest_span_kind kind, uint32_t part,
                     size_t name_len, size_t start, size_t value)
{
    struct buf *spans = &w->section[SECTION_TEXT];

    buf_le8(spans, (uint8_t) kind);
    buf_le8(spans, 0);
    buf_le16(spans, (uint16_t) name_len);
    buf_le32(spans, part);
    buf_le32(spans, (uint32_t) start);
    buf_le32(spans, (uint32_t) (w->text.len - start));
    buf_le32(spans, (uint32_t) value);
    buf_le32(spans, 0);
    w->n_spans++;
}

static void write_field(struct digest_writer *w, uint32_t part, uint32_t field)
{
    struct slice name = mime_field_name(w->tree, field);
    struct slice value = mime_field_value(w->tree, field);
    size_t start = w->text.len, value_at;

    buf_append(&w->text, name);
    if (name.len > 0)
        buf_str(&w->text, ": ");
    value_at = w->text.len - start;
    mime_text_of_field(name, value, &w->text);
    put_span(w, part == 0 ? DIGEST_SPAN_HEADER : DIGEST_SPAN_PART_HEADER, part,
             MIN(name.len, value_at), start, value_at);
}

/* Reports of delivery and the like (message/delivery-status) are text for those who look for
 * what they say. */
static bool reads_as_text(const struct mime_part *p)
{
    return p->kind == DIGEST_TEXT ||
           (p->kind == DIGEST_LEAF && slice_eq(p->type, SLICE("message")));
}

static void write_body(struct digest_writer *w, uint32_t part)
{
    const struct mime_part *p = &w->tree->parts[part];
    AUTO(buf_done) struct buf charset = {0};
    struct mime_text_source source = {.encoding = p->encoding};
    size_t start = w->text.len;

    if (!reads_as_text(p) && (p->flags & DIGEST_PART_OPAQUE) == 0)
        return;
    buf_init(&charset, charset_room(p->content[MIME_TYPE].len));
    if (reads_as_text(p)) {
        (void) param_get(p->content[MIME_TYPE], SLICE("charset"), &charset);
        source.charset = buf_slice(&charset);
        source.html = p->kind == DIGEST_TEXT && slice_eq(p->subtype, SLICE("html"));
    }
    mime_text_of_body(&source, mime_part_body(w->tree, part), &w->text);
    put_span(w, DIGEST_SPAN_BODY, part, 0, start, 0);
}

/* Text that is no attachment; plain before HTML. */
static bool previews(const struct digest_writer *w, uint32_t part, bool html)
{
    const struct mime_part *p = &w->tree->parts[part];

    return p->kind == DIGEST_TEXT && (p->flags & DIGEST_PART_ATTACHMENT) == 0 &&
           slice_eq(p->subtype, html ? SLICE("html") : SLICE("plain")) && p->end > p->body;
}

static void write_preview(const struct digest_writer *w, struct buf *out)
{
    struct slice spans = buf_slice(&w->section[SECTION_TEXT]);

    for (int html = 0; html <= 1 && out->len == 0; html++) {
        for (uint32_t i = 0; i < w->n_spans && out->len == 0; i++) {
            struct scan sc = scan_of(slice_from(spans, (size_t) i * DIGEST_SPAN_BYTES));
            uint32_t part, start, len;
            uint16_t name_len;
            uint8_t kind, zero;

            if (scan_le8(&sc, &kind) && scan_le8(&sc, &zero) && scan_le16(&sc, &name_len) &&
                scan_le32(&sc, &part) && scan_le32(&sc, &start) && scan_le32(&sc, &len) &&
                kind == DIGEST_SPAN_BODY && previews(w, part, html == 1))
                preview_of_text(slice_sub(buf_slice(&w->text), start, len), out);
        }
    }
}

static void write_spans(struct digest_writer *w)
{
    const struct mime_tree *tree = w->tree;

    for (uint32_t part = 0; part < tree->n_parts; part++) {
        const struct mime_part *p = &tree->parts[part];

        for (uint32_t i = 0; i < p->n_fields && !w->text.overflow; i++)
            write_field(w, part, p->first_field + i);
        if (!w->text.overflow)
            write_body(w, part);
    }
    if (w->text.overflow)
        w->flags |= DIGEST_TEXT_CUT;
}

static_assert(DIGEST_PREVIEW_MAX_BYTES == 4 * PREVIEW_MAX_CHARS, "a character has four octets");

void digest_write_text(struct digest_writer *w)
{
    AUTO(buf_done) struct buf preview = {.max = DIGEST_PREVIEW_MAX_BYTES};

    if ((w->flags & DIGEST_TEXT_CUT) == 0) { /* else nothing may be read of the message */
        write_spans(w);
        write_preview(w, &preview);
    }
    buf_le32(&w->lead, w->n_spans);
    buf_le32(&w->lead, (uint32_t) preview.len);
    buf_append(&w->lead, buf_slice(&preview));
}
