/*
 * test_audit_tail.c - the audit log is read as it grows, over all its files, and each line
 * becomes a syslog message.
 */
// links: events config
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "config/syslog_target.h"
#include "events/audit_files.h"
#include "events/audit_log.h"
#include "events/audit_tail.h"
#include "events/ecs.h"
#include "events/syslog_frame.h"
#include "lib/test.h"

#define FILE_BYTES ((uint64_t) 4096) /* a few events each */

struct world {
    char path[64];
    int folder;
    struct audit_log *log;
    struct audit_tail *tail;
    uint64_t last; /* that was read */
};

static void open_log(struct world *world)
{
    const struct audit_log_options options = {.file_bytes = FILE_BYTES};
    uint64_t missing;
    struct err err;

    assert_int_equal(audit_log_open(world->path, &options, &world->log, &missing, &err), RC_OK);
}

static void setup(struct world *world)
{
    const struct audit_place first = {.file = 0};

    *world = (struct world){.path = "/tmp/roost-tail-XXXXXX"};
    assert_true(sodium_init() >= 0);
    assert_non_null(mkdtemp(world->path));
    world->folder = open(world->path, O_RDONLY | O_DIRECTORY);
    assert_true(world->folder >= 0);
    open_log(world);
    world->tail = audit_tail_new(world->folder, &first);
}

static void remove_number(const struct world *world, uint64_t number)
{
    char name[AUDIT_NAME_BYTES];

    audit_file_name(name, number);
    assert_int_equal(unlinkat(world->folder, name, 0), 0);
}

static void cleanup(struct world *world)
{
    static const char *const others[] = {"key", "key.pub", "head", "position"};
    uint64_t *numbers;
    size_t n;

    audit_log_close(world->log);
    audit_tail_free(world->tail);
    assert_int_equal(audit_files_list(world->folder, &numbers, &n, NULL), RC_OK);
    for (size_t i = 0; i < n; i++)
        remove_number(world, numbers[i]);
    free(numbers);
    for (size_t i = 0; i < COUNT(others); i++)
        (void) unlinkat(world->folder, others[i], 0);
    (void) close(world->folder);
    assert_int_equal(rmdir(world->path), 0);
}

static void add(struct world *world, size_t n)
{
    const struct msg_log_event event = {
        .level = LEVEL_WARNING, .time_us = 1795299661000000, .event = SLICE("login.refused")};

    for (size_t i = 0; i < n; i++) {
        AUTO(buf_done) struct buf members = {0};

        buf_init(&members, 4096);
        ecs_members(&members, "auth", &event, audited_find(event.event));
        audit_log_add(world->log, buf_slice(&members));
    }
}

static void sign(struct world *world)
{
    struct err err;

    assert_int_equal(audit_log_sync(world->log, &err), RC_OK);
    assert_int_equal(audit_tail_look(world->tail, &err), RC_OK);
}

/* Read to the end; each event is the one behind the last. How many there were. */
static uint64_t read_all(struct world *world)
{
    uint64_t n = 0, sequence;
    struct slice line;
    struct err err;
    enum rc rc;

    while ((rc = audit_tail_peek(world->tail, &line, &sequence, &err)) == RC_OK) {
        assert_int_equal(sequence, world->last + 1);
        assert_true(slice_starts(line, SLICE("{\"event.sequence\":")));
        assert_true(slice_ends(line, SLICE("\"}")));
        world->last = sequence;
        audit_tail_take(world->tail);
        n++;
    }
    assert_int_equal(rc, RC_MORE);
    return n;
}

static void reads_over_files_as_they_begin(void **state)
{
    struct world world;
    uint64_t *numbers;
    size_t n;

    (void) state;
    setup(&world);
    for (int round = 0; round < 50; round++) {
        add(&world, (size_t) round % 7);
        sign(&world);
        (void) read_all(&world);
    }
    assert_int_equal(world.last, audit_tail_signed(world.tail));
    assert_int_equal(audit_files_list(world.folder, &numbers, &n, NULL), RC_OK);
    free(numbers);
    assert_true(n > 10);
    assert_int_equal(audit_tail_missed(world.tail), 0);
    cleanup(&world);
}

static void reads_many_files_at_once(void **state)
{
    struct world world;

    (void) state;
    setup(&world);
    for (int round = 0; round < 50; round++) {
        add(&world, 20);
        sign(&world);
    }
    assert_true(read_all(&world) > 1000);
    assert_int_equal(world.last, audit_tail_signed(world.tail));
    cleanup(&world);
}

/* What is not signed may be taken back by a write that fails. */
static void gives_nothing_that_is_not_signed(void **state)
{
    struct world world;
    struct err err;
    uint64_t before;

    (void) state;
    setup(&world);
    sign(&world);
    (void) read_all(&world);
    before = world.last;
    add(&world, 3);
    assert_int_equal(audit_log_flush(world.log, &err), RC_OK);
    assert_int_equal(audit_tail_look(world.tail, &err), RC_OK);
    assert_int_equal(read_all(&world), 0);
    sign(&world);
    assert_int_equal(read_all(&world), 4);
    assert_int_equal(world.last, before + 4);
    cleanup(&world);
}

static void begins_where_it_ended(void **state)
{
    struct world world;
    struct audit_place place, again;
    struct err err;

    (void) state;
    setup(&world);
    for (int round = 0; round < 30; round++) {
        add(&world, 5);
        sign(&world);
        (void) read_all(&world);
        place = audit_tail_place(world.tail);
        assert_int_equal(audit_place_write(world.folder, &place, &err), RC_OK);
        assert_int_equal(audit_place_read(world.folder, &again, &err), RC_OK);
        assert_int_equal(again.sequence, world.last);
        audit_tail_free(world.tail);
        world.tail = audit_tail_new(world.folder, &again);
    }
    audit_tail_seek(world.tail, &(struct audit_place){.file = 0});
    assert_int_equal(audit_tail_look(world.tail, &err), RC_OK);
    world.last = 0;
    assert_int_equal(read_all(&world), place.sequence);
    cleanup(&world);
}

static void a_place_that_is_none_is_refused(void **state)
{
    struct world world;
    const struct audit_place place = {3, 4096, 77};
    struct audit_place got;
    struct err err;

    (void) state;
    setup(&world);
    assert_int_equal(audit_place_read(world.folder, &got, &err), RC_NOT_FOUND);
    assert_int_equal(audit_place_write(world.folder, &place, &err), RC_OK);
    for (int at = 0; at < 40; at++) {
        int fd = openat(world.folder, "position", O_RDWR);
        char c;

        assert_int_equal(pread(fd, &c, 1, at), 1);
        c ^= 4;
        assert_int_equal(pwrite(fd, &c, 1, at), 1);
        assert_int_equal(audit_place_read(world.folder, &got, &err), RC_CORRUPT);
        c ^= 4;
        assert_int_equal(pwrite(fd, &c, 1, at), 1);
        (void) close(fd);
    }
    assert_int_equal(audit_place_read(world.folder, &got, &err), RC_OK);
    assert_int_equal(got.offset, 4096);
    cleanup(&world);
}

static void files_that_went_are_counted(void **state)
{
    struct world world;
    uint64_t next;
    struct slice line;
    struct err err;

    (void) state;
    setup(&world);
    sign(&world);
    (void) read_all(&world);
    for (int round = 0; round < 30; round++) {
        add(&world, 10);
        sign(&world);
    }
    for (uint64_t number = 1; number < 6; number++)
        remove_number(&world, number);
    audit_tail_free(world.tail); /* a new one: what is open can still be read */
    world.tail = audit_tail_new(world.folder,
                                &(struct audit_place){.file = 1, .offset = 900, .sequence = 2});
    assert_int_equal(audit_tail_look(world.tail, &err), RC_OK);
    assert_int_equal(audit_tail_peek(world.tail, &line, &next, &err), RC_OK);
    assert_int_equal(audit_tail_peek(world.tail, &line, &next, &err), RC_OK);
    assert_true(next > 3);
    assert_int_equal(audit_tail_missed(world.tail), next - 3);
    assert_int_equal(audit_tail_missed(world.tail), 0);
    world.last = next - 1;
    (void) read_all(&world);
    assert_int_equal(world.last, audit_tail_signed(world.tail));
    cleanup(&world);
}

/* A process that dies leaves a cut line; the next one puts a line break behind it. */
static void a_cut_line_is_passed_over(void **state)
{
    struct world world;
    char name[AUDIT_NAME_BYTES];
    int fd;

    (void) state;
    setup(&world);
    add(&world, 2);
    sign(&world);
    audit_log_close(TAKE(world.log));
    audit_file_name(name, 1);
    fd = openat(world.folder, name, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "{\"event.sequence\":6,\"cut", 24), 24);
    (void) close(fd);
    open_log(&world);
    add(&world, 2);
    sign(&world);
    (void) read_all(&world);
    assert_int_equal(world.last, audit_tail_signed(world.tail));
    assert_int_equal(audit_tail_missed(world.tail), 0);
    cleanup(&world);
}

static void a_head_by_another_key_moves_nothing(void **state)
{
    struct world world;
    struct audit_head head = {.mark = {.sequence = 1000000}};
    struct err err;

    (void) state;
    setup(&world);
    sign(&world);
    assert_int_equal(audit_head_write(world.folder, &head, &err), RC_OK);
    assert_int_equal(audit_tail_look(world.tail, &err), RC_CORRUPT);
    assert_true(audit_tail_signed(world.tail) < 1000);
    cleanup(&world);
}

/* ---- messages ---- */

static void assert_frame(const char *hostname, const char *line, uint64_t sequence,
                         const char *want)
{
    AUTO(buf_done) struct buf frame = {0}, full = {0};

    buf_init(&full, 4096);
    buf_printf(&full, "%zu %s", strlen(want), want);
    buf_init(&frame, 4096);
    syslog_frame(&frame, hostname, slice_from_str(line), sequence);
    assert_slice_equal(buf_slice(&frame), buf_slice(&full));
}

#define LINE(level, role, action)                                                              \
    "{\"event.sequence\":7,\"@timestamp\":\"2026-01-31T12:00:00.123456Z\",\"event.action\":"   \
    "\"" action "\",\"log.level\":\"" level "\",\"service.node.role\":\"" role "\"}"
#define META(id) " [meta sequenceId=\"" id "\"][origin software=\"Roost\"] \xef\xbb\xbf"

static void a_line_is_a_message_of_rfc_5424(void **state)
{
    (void) state;
    assert_frame("mail.example.org", LINE("info", "auth", "login.ok"), 7,
                 "<110>1 2026-01-31T12:00:00.123456Z mail.example.org roost auth login.ok" META(
                     "7") LINE("info", "auth", "login.ok"));
    assert_frame("h", LINE("error", "log", "audit.cut"), 2147483647,
                 "<107>1 2026-01-31T12:00:00.123456Z h roost log audit.cut" META("2147483647")
                     LINE("error", "log", "audit.cut"));
    assert_frame("h", LINE("warning", "log", "audit.cut"), 2147483648,
                 "<108>1 2026-01-31T12:00:00.123456Z h roost log audit.cut" META("1")
                     LINE("warning", "log", "audit.cut"));
    assert_frame("h", LINE("debug", "log", "x"), 4294967295,
                 "<111>1 2026-01-31T12:00:00.123456Z h roost log x" META("1")
                     LINE("debug", "log", "x"));
}

/* A header's fields are 1 to so many printing ASCII octets, or "-" (RFC 5424 6). */
static void what_cannot_be_a_header_field_is_nil(void **state)
{
    (void) state;
    assert_frame("", LINE("info", "a b", "x"), 7,
                 "<110>1 2026-01-31T12:00:00.123456Z - roost - x" META("7")
                     LINE("info", "a b", "x"));
    assert_frame("b\xc3\xbc"
                 "cher",
                 "{}", 1, "<109>1 - - roost - -" META("1") "{}");
    assert_frame("h", LINE("info", "a", "a234567890123456789012345678901234567890"), 7,
                 "<110>1 2026-01-31T12:00:00.123456Z h roost a "
                 "a2345678901234567890123456789012" META("7")
                     LINE("info", "a", "a234567890123456789012345678901234567890"));
}

static void times_of_lines(void **state)
{
    (void) state;
    assert_int_equal(audit_line_time(SLICE(LINE("info", "a", "x"))), 1769860800123456);
    assert_int_equal(audit_line_time(SLICE("{\"a\":1,\"@timestamp\":\"yesterday\"}")), 0);
    assert_int_equal(audit_line_time(SLICE("{}")), 0);
}

static void where_it_is_sent(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port; /* 0: refused */
    } rows[] = {
        {"siem.example.org",      "siem.example.org", 6514 },
        {"siem.example.org:1514", "siem.example.org", 1514 },
        {"192.0.2.7",             "192.0.2.7",        6514 },
        {"[2001:db8::7]:65535",   "2001:db8::7",      65535},
        {"[2001:db8::7]",         "2001:db8::7",      6514 },
        {"",                      "",                 0    },
        {":6514",                 "",                 0    },
        {"siem:",                 "",                 0    },
        {"siem:0",                "",                 0    },
        {"siem:65536",            "",                 0    },
        {"siem:6514 ",            "",                 0    },
        {"si em",                 "",                 0    },
        {"2001:db8::7",           "",                 0    },
        {"[2001:db8::7",          "",                 0    },
        {"[siem]",                "",                 0    },
        {"https://siem",          "",                 0    },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct syslog_target to;

        assert_int_equal(syslog_target_parse(rows[i].text, &to), rows[i].port != 0);
        if (rows[i].port == 0)
            continue;
        assert_string_equal(to.host, rows[i].host);
        assert_int_equal(to.port, rows[i].port);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_over_files_as_they_begin),
        cmocka_unit_test(reads_many_files_at_once),
        cmocka_unit_test(gives_nothing_that_is_not_signed),
        cmocka_unit_test(begins_where_it_ended),
        cmocka_unit_test(a_place_that_is_none_is_refused),
        cmocka_unit_test(files_that_went_are_counted),
        cmocka_unit_test(a_cut_line_is_passed_over),
        cmocka_unit_test(a_head_by_another_key_moves_nothing),
        cmocka_unit_test(a_line_is_a_message_of_rfc_5424),
        cmocka_unit_test(what_cannot_be_a_header_field_is_nil),
        cmocka_unit_test(times_of_lines),
        cmocka_unit_test(where_it_is_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
