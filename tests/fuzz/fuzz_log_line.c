/*
 * fuzz_log_line.c - what any role may send as a log event, with any octets in it, is one line
 * of each form: text, JSON, the audit log's and its syslog frame. Nothing that was sent ends a
 * line or a string, hides from who looks at it, or takes the place of what the log itself says.
 *
 * The first byte is the level, the second picks an event of the catalogue, the rest are packed
 * fields (docs/formats/ipc.md, "Log").
 */
// links: events idp
#include <assert.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "events/audit_line.h"
#include "events/ecs.h"
#include "events/log_line.h"
#include "events/syslog_frame.h"
#include "ipc/log_pack.h"

#define ROLE "gate"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* No byte of it moves a cursor, ends a line or turns the order of letters round. */
static void check_shown(struct slice line)
{
    struct scan sc = scan_of(line);
    uint32_t ch;

    assert(utf8_is_valid(line));
    while (utf8_scan(&sc, &ch))
        assert(!utf8_is_control(ch));
}

static json_t *read_json(struct slice line)
{
    json_error_t error;
    json_t *object = json_loadb(line.ptr, line.len, JSON_ALLOW_NUL, &error);

    assert(json_is_object(object));
    return object;
}

static void check_member(const json_t *object, const char *name, const char *value)
{
    const char *text = json_string_value(json_object_get(object, name));

    assert(text != NULL && strcmp(text, value) == 0);
}

static void check_text(const struct msg_log_event *event)
{
    AUTO(buf_done) struct buf line = {.max = LOG_LINE_MAX_BYTES};

    log_line_text(&line, ROLE, event);
    assert(!line.overflow);
    check_shown(buf_slice(&line));
}

static void check_json(const struct msg_log_event *event)
{
    AUTO(buf_done) struct buf line = {.max = LOG_LINE_MAX_BYTES};
    json_t *object;

    log_line_json(&line, ROLE, event);
    assert(!line.overflow);
    check_shown(buf_slice(&line));
    object = read_json(buf_slice(&line));
    check_member(object, "role", ROLE);
    check_member(object, "level", log_line_level(event->level));
    check_member(object, "event", "login.refused");
    json_decref(object);
}

/* LEN SP message: the only one, and ours to its end. */
static void check_frame(struct slice line, uint64_t sequence)
{
    AUTO(buf_done) struct buf frame = {.max = AUDIT_LINE_MAX_BYTES + 2 * SYSLOG_HEAD_MAX_BYTES};
    struct scan sc;
    uint64_t len;

    syslog_frame(&frame, "mail.example.org", line, sequence);
    assert(!frame.overflow);
    sc = scan_of(buf_slice(&frame));
    assert(scan_u64(&sc, UINT64_MAX, &len) && scan_byte(&sc, ' ') && scan_left(&sc) == len);
    assert(slice_starts(scan_rest(&sc), SLICE("<1")) && slice_ends(scan_rest(&sc), line));
}

static void check_audit(const struct msg_log_event *event, const struct audited *what)
{
    AUTO(buf_done) struct buf members = {.max = AUDIT_LINE_MAX_BYTES};
    AUTO(buf_done) struct buf line = {.max = AUDIT_LINE_MAX_BYTES};
    struct audit_mark mark = {.sequence = 6};
    struct audit_line back;
    struct slice text;
    json_t *object;

    ecs_members(&members, ROLE, event, what);
    audit_line_add(&line, buf_slice(&members), &mark, NULL, NULL);
    assert(!members.overflow && !line.overflow && line.ptr[line.len - 1] == '\n');
    text = slice_sub(buf_slice(&line), 0, line.len - 1);
    check_shown(text);
    assert(audit_line_read(text, &back) && back.mark.sequence == 7 && !back.is_signed);
    assert(memcmp(back.mark.chain, mark.chain, sizeof(mark.chain)) == 0);
    assert(slice_eq(audit_line_member(text, "event.action"), slice_from_str(what->name)));
    object = read_json(text);
    check_member(object, "service.node.role", ROLE);
    check_member(object, "event.action", what->name);
    check_member(object, "event.outcome",
                 event->level >= LEVEL_WARNING ? "failure" : "success");
    check_member(object, "log.level", log_line_level(event->level));
    json_decref(object);
    check_frame(text, back.mark.sequence);
}

/* And any octets as a line: what is read lies inside of it. */
static void check_reader(struct slice text)
{
    struct audit_line line;
    struct slice member = audit_line_member(text, "event.action");

    assert(member.len <= text.len);
    if (audit_line_read(text, &line))
        assert(line.hashed.len < text.len && slice_starts(text, line.hashed));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct msg_log_event event = {.event = SLICE("login.refused"), .time_us = 1800000000000000};

    check_reader(slice_of(data, size));
    if (size < 2 || size > MSG_FIELDS_MAX)
        return 0;
    event.level = data[0];
    event.lost = data[0] / LEVEL_COUNT;
    event.fields = slice_of(data + 2, size - 2);
    check_text(&event);
    check_json(&event);
    check_audit(&event, audited_at(data[1] % audited_count()));
    return 0;
}
