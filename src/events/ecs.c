#include "events/ecs.h"

#include "events/log_line.h"
#include "ipc/log_pack.h"

static void append_field(struct buf *out, const struct log_unpacked *field,
                         enum audit_subject subject)
{
    const char *known = audited_field(field->key, subject);

    if (known != NULL)
        buf_printf(out, ",\"%s\":", known);
    else {
        struct slice name = log_line_name(field->key);

        buf_printf(out, ",\"roost.%.*s\":", (int) name.len, name.ptr);
    }
    if (field->is_number)
        buf_printf(out, "%lld", (long long) field->number);
    else
        log_line_quoted(out, field->text);
}

void ecs_members(struct buf *out, const char *role, const struct msg_log_event *event,
                 const struct audited *what)
{
    bool has_failed = event->level >= LEVEL_WARNING;
    struct scan sc = scan_of(event->fields);
    struct log_unpacked field;

    buf_str(out, "\"@timestamp\":\"");
    log_line_time(out, event->time_us);
    buf_printf(out,
               "\",\"ecs.version\":\"8.11.0\",\"event.kind\":\"event\",\"event.dataset\":"
               "\"roost.audit\",\"event.category\":[\"%s\"],\"event.type\":[\"%s\"],"
               "\"event.action\":\"%s\",\"event.outcome\":\"%s\",\"log.level\":\"%s\","
               "\"service.type\":\"roost\",\"service.node.role\":\"%s\"",
               what->category, what->type, what->name, has_failed ? "failure" : "success",
               log_line_level(event->level), role);
    while (log_unpack_next(&sc, &field))
        append_field(out, &field, what->subject);
    if (event->lost > 0)
        buf_printf(out, ",\"roost.lost_before\":%u", event->lost);
}
