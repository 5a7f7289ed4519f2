#include "events/ecs.h"

#include "events/log_line.h"
#include "ipc/log_pack.h"

static void append_field(struct buf *out, const struct log_unpacked *field,
                         enum audit_subject subject)
{
    const char *known = audited_field(field->key, subject);

    buf_str(out, known != NULL ? ",\"" : ",\"roost.");
    buf_append(out, known != NULL ? slice_from_str(known) : log_line_name(field->key));
    buf_str(out, "\":");
    if (field->is_number)
        log_line_number(out, field->number);
    else
        log_line_quoted(out, field->text);
}

/* Begins behind the text of the member before it. No word of the table needs an escape. */
static void append_word(struct buf *out, const char *between, const char *word)
{
    buf_str(out, between);
    buf_str(out, word);
}

void ecs_members(struct buf *out, const char *role, const struct msg_log_event *event,
                 const struct audited *what)
{
    bool has_failed = event->level >= LEVEL_WARNING;
    struct scan sc = scan_of(event->fields);
    struct log_unpacked field;

    buf_str(out, "\"@timestamp\":\"");
    log_line_time(out, event->time_us);
    append_word(out,
                "\",\"ecs.version\":\"8.11.0\",\"event.kind\":\"event\",\"event.dataset\":"
                "\"roost.audit\",\"event.category\":[\"",
                what->category);
    append_word(out, "\"],\"event.type\":[\"", what->type);
    append_word(out, "\"],\"event.action\":\"", what->name);
    append_word(out, "\",\"event.outcome\":\"", has_failed ? "failure" : "success");
    append_word(out, "\",\"log.level\":\"", log_line_level(event->level));
    append_word(out, "\",\"service.type\":\"roost\",\"service.node.role\":\"", role);
    buf_byte(out, '"');
    while (log_unpack_next(&sc, &field))
        append_field(out, &field, what->subject);
    if (event->lost > 0)
        buf_printf(out, ",\"roost.lost_before\":%u", event->lost);
}
