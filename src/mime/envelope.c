#include "mime/envelope.h"

#include "mime/wire.h"

static const char *const text_names[ENV_TEXT_COUNT] = {
    [ENV_DATE] = "Date",
    [ENV_SUBJECT] = "Subject",
    [ENV_IN_REPLY_TO] = "In-Reply-To",
    [ENV_MESSAGE_ID] = "Message-ID",
    [ENV_REFERENCES] = "References",
};

static const char *const list_names[ENV_LIST_COUNT] = {
    [ENV_FROM] = "From", [ENV_SENDER] = "Sender", [ENV_REPLY_TO] = "Reply-To",
    [ENV_TO] = "To",     [ENV_CC] = "Cc",         [ENV_BCC] = "Bcc",
};

static void read_field(struct slice name, struct slice value, struct arena *arena,
                       struct envelope *out)
{
    for (size_t i = 0; i < ENV_TEXT_COUNT; i++)
        if (slice_eq_nocase(name, slice_from_str(text_names[i])) && out->text[i].ptr == NULL)
            out->text[i] = value;
    for (size_t i = 0; i < ENV_LIST_COUNT; i++)
        if (slice_eq_nocase(name, slice_from_str(list_names[i])))
            addr_parse(value, arena, &out->list[i]);
}

void envelope_read(const struct mime_tree *tree, uint32_t part, struct arena *arena,
                   struct envelope *out)
{
    const struct mime_part *p = &tree->parts[part];

    *out = (struct envelope){0};
    for (uint32_t i = p->first_field; i < p->first_field + p->n_fields; i++) {
        struct slice name = mime_field_name(tree, i);

        if (name.len > 0)
            read_field(name, mime_field_value(tree, i), arena, out);
    }
}

static void print_list(const struct addr_list *list, enum digest_form form,
                       uint32_t *addrs_left, struct buf *out)
{
    bool open_group = false;

    if (list->n == 0 || *addrs_left == 0) {
        buf_str(out, "NIL");
        return;
    }
    buf_byte(out, '(');
    for (size_t i = 0; i<list->n && * addrs_left> 0; i++, (*addrs_left)--) {
        wire_addr(&list->items[i], form, out);
        if (list->items[i].kind != ADDR_MAILBOX)
            open_group = list->items[i].kind == ADDR_GROUP_START;
    }
    if (open_group) /* cut inside a group */
        wire_addr(&(struct addr){.kind = ADDR_GROUP_END}, form, out);
    buf_byte(out, ')');
}

void envelope_print(const struct envelope *envelope, enum digest_form form,
                    uint32_t *addrs_left, struct buf *out)
{
    buf_byte(out, '(');
    wire_field(envelope->text[ENV_DATE], form, out);
    buf_byte(out, ' ');
    wire_text(envelope->text[ENV_SUBJECT], form, out);
    for (size_t i = 0; i < ENV_LIST_COUNT; i++) {
        bool defaults = (i == ENV_SENDER || i == ENV_REPLY_TO) && envelope->list[i].n == 0;

        buf_byte(out, ' ');
        print_list(&envelope->list[defaults ? ENV_FROM : i], form, addrs_left, out);
    }
    buf_byte(out, ' ');
    wire_field(envelope->text[ENV_IN_REPLY_TO], form, out);
    buf_byte(out, ' ');
    wire_field(envelope->text[ENV_MESSAGE_ID], form, out);
    buf_byte(out, ')');
}
