#include "events/syslog_frame.h"

#include "base/scan.h"
#include "events/audit_line.h"

#define FACILITY_AUDIT  (13u << 3) /* RFC 5424 6.2.1, table 1 */
#define VERSION         "1"
#define BOM             "\xef\xbb\xbf" /* RFC 5424 6.4 */
#define HOSTNAME_MAX    255u
#define PROCID_MAX      128u
#define MSGID_MAX       32u
#define TIMESTAMP_BYTES 27u
#define SEQUENCE_ID_MAX UINT64_C(2147483647) /* RFC 5424 7.3.1: then it begins with 1 again */

/* RFC 5424 6.2.1, table 2, by the names of base/log.h. */
static const struct {
    const char *level;
    unsigned severity;
} severities[] = {
    {"debug",   7},
    {"info",    6},
    {"warning", 4},
    {"error",   3},
};

static unsigned severity_of(struct slice level)
{
    for (size_t i = 0; i < COUNT(severities); i++) {
        if (slice_eq(level, slice_from_str(severities[i].level)))
            return severities[i].severity;
    }
    return 5; /* notice: an event without a level */
}

static bool is_print_us_ascii(char c)
{
    return c > ' ' && c <= '~';
}

/* 1*max PRINTUSASCII, or the NILVALUE. */
static void append_name(struct buf *out, struct slice name, size_t max)
{
    struct scan sc = scan_of(name);
    struct slice plain = scan_while(&sc, is_print_us_ascii);

    buf_byte(out, ' ');
    if (plain.len == name.len && name.len > 0)
        buf_append(out, slice_sub(name, 0, max));
    else
        buf_byte(out, '-');
}

static void append_message(struct buf *out, const char *hostname, struct slice line,
                           uint64_t sequence)
{
    buf_printf(out, "<%u>" VERSION,
               FACILITY_AUDIT | severity_of(audit_line_member(line, "log.level")));
    append_name(out, audit_line_member(line, "@timestamp"), TIMESTAMP_BYTES);
    append_name(out, slice_from_str(hostname), HOSTNAME_MAX);
    buf_str(out, " roost");
    append_name(out, audit_line_member(line, "service.node.role"), PROCID_MAX);
    append_name(out, audit_line_member(line, "event.action"), MSGID_MAX);
    buf_printf(out, " [meta sequenceId=\"%llu\"][origin software=\"Roost\"] " BOM,
               (unsigned long long) ((sequence - 1) % SEQUENCE_ID_MAX + 1));
    buf_append(out, line);
}

void syslog_frame(struct buf *out, const char *hostname, struct slice line, uint64_t sequence)
{
    AUTO(buf_done) struct buf message = {0};

    buf_init(&message, SYSLOG_HEAD_MAX_BYTES + line.len);
    append_message(&message, hostname, line, sequence);
    buf_u64(out, message.len);
    buf_byte(out, ' ');
    buf_append(out, buf_slice(&message));
}
