/* test_supervision.c - what the supervisor and the log role do without processes: log lines,
 * quarantine, addresses, the data directory. */
// links: roles
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "events/log_line.h"
#include "ipc/log_pack.h"
#include "lib/test.h"
#include "roles/data_dir.h"
#include "roles/doors.h"
#include "roles/log_out.h"
#include "roles/quarantine.h"

#define MINUTE_US INT64_C(60000000)

static char folder[64];

static int make_folder(void **state)
{
    (void) state;
    (void) snprintf(folder, sizeof(folder), "/tmp/roost-roles-XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static const char *in_folder(const char *name)
{
    static char path[128];

    (void) snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static int remove_folder(void **state)
{
    static const char *const files[] = {"quarantine", "log", "log.1", "run/lock"};
    static const char *const folders[] = {"run", "auth", "mail", "audit"};

    (void) state;
    for (size_t i = 0; i < COUNT(files); i++)
        (void) unlink(in_folder(files[i]));
    for (size_t i = 0; i < COUNT(folders); i++)
        (void) rmdir(in_folder(folders[i]));
    return rmdir(folder);
}

/* ---- log lines ---- */

static struct msg_log_event event_with(struct buf *room, const struct log_field *fields,
                                       size_t n)
{
    log_pack(room, fields, n);
    return (struct msg_log_event){.level = LEVEL_INFO,
                                  .time_us = 1767268800123456,
                                  .event = SLICE("login.refused"),
                                  .fields = buf_slice(room)};
}

static void a_line_is_one_line_whatever_the_fields_hold(void **state)
{
    static const struct {
        const char *value;
        size_t len;
        const char *text, *json;
    } rows[] = {
        {"anna",        4,  "anna",                      "\"anna\""                 },
        {"",            0,  "\"\"",                      "\"\""                     },
        {"a b",         3,  "\"a b\"",                   "\"a b\""                  },
        {"x\ninfo y=z", 10, "\"x\\ninfo y=z\"",          "\"x\\ninfo y=z\""         },
        {"a\"b\\c",     5,  "\"a\\\"b\\\\c\"",           "\"a\\\"b\\\\c\""          },
        {"\0\x1b\x7f",  3,  "\"\\u0000\\u001b\\u007f\"", "\"\\u0000\\u001b\\u007f\""},
        {"\xc3\xa4",    2,  "\"\xc3\xa4\"",              "\"\xc3\xa4\""             },
        {"\xff",        1,  "\"\xef\xbf\xbd\"",          "\"\xef\xbf\xbd\""         },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf_done) struct buf packed = {0}, text = {0}, json = {0};
        const struct log_field fields[] = {
            LOG_TEXT("user", slice_of(rows[i].value, rows[i].len)), LOG_NUM("port", -3)};
        struct msg_log_event event;
        char want[256];

        buf_init(&packed, MSG_FIELDS_MAX);
        buf_init(&text, LOG_LINE_MAX_BYTES);
        buf_init(&json, LOG_LINE_MAX_BYTES);
        event = event_with(&packed, fields, COUNT(fields));
        log_line_text(&text, "auth", &event);
        (void) snprintf(want, sizeof(want),
                        "2026-01-01T12:00:00.123456Z info auth login.refused user=%s port=-3",
                        rows[i].text);
        assert_slice_equal(buf_slice(&text), slice_from_str(want));
        log_line_json(&json, "auth", &event);
        (void) snprintf(
            want, sizeof(want),
            "{\"@timestamp\":\"2026-01-01T12:00:00.123456Z\",\"level\":\"info\","
            "\"role\":\"auth\",\"event\":\"login.refused\",\"user\":%s,\"port\":-3}",
            rows[i].json);
        assert_slice_equal(buf_slice(&json), slice_from_str(want));
    }
}

static void names_that_are_none_and_events_that_were_lost_are_shown(void **state)
{
    AUTO(buf_done) struct buf line = {0};
    struct msg_log_event event = {.level = 99,
                                  .event = SLICE("a b\n"),
                                  .lost = 4,
                                  .fields = SLICE("\1K\1\7\0\0\0\0\0\0\0\377broken")};

    (void) state;
    buf_init(&line, LOG_LINE_MAX_BYTES);
    log_line_text(&line, "gate", &event);
    assert_slice_equal(buf_slice(&line),
                       SLICE("1970-01-01T00:00:00.000000Z error gate ? ?=7 lost_before=4"));
}

static size_t file_len(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (size_t) st.st_size : 0;
}

static void a_log_file_that_was_moved_is_opened_again(void **state)
{
    AUTO(config_freep) struct config *config = config_new();
    AUTO(log_out_freep) struct log_out *out = NULL;
    char where[128], moved[128];

    (void) state;
    (void) snprintf(where, sizeof(where), "file:%s/log", folder);
    (void) snprintf(moved, sizeof(moved), "%s/log.1", folder);
    config->log = where;
    assert_int_equal(log_out_new(config, &out, NULL), RC_OK);
    log_out_line(out, LEVEL_INFO, SLICE("before"));
    assert_int_equal(rename(in_folder("log"), moved), 0);
    assert_int_equal(log_out_reopen(out, NULL), RC_OK);
    log_out_line(out, LEVEL_INFO, SLICE("after it"));
    log_out_flush(out);
    assert_int_equal(file_len(moved), strlen("before\n"));
    assert_int_equal(file_len(in_folder("log")), strlen("after it\n"));
}

static void a_log_target_nobody_knows_is_refused(void **state)
{
    AUTO(config_freep) struct config *config = config_new();
    struct log_out *out = NULL;

    (void) state;
    config->log = "carrier-pigeon";
    assert_int_equal(log_out_new(config, &out, NULL), RC_INVALID);
    assert_null(out);
}

/* ---- quarantine ---- */

static void three_crashes_in_five_minutes_are_too_many(void **state)
{
    struct quarantine *q;
    const uint64_t both[] = {7, 8}, one[] = {7};
    uint64_t fresh[2];
    size_t n;

    (void) state;
    assert_int_equal(quarantine_open(NULL, &q, NULL), RC_OK);
    assert_int_equal(quarantine_crash(q, both, 2, 1 * MINUTE_US, fresh), 0);
    assert_int_equal(quarantine_crash(q, one, 1, 2 * MINUTE_US, fresh), 0);
    assert_int_equal(quarantine_crash(q, one, 1, 6 * MINUTE_US + 1, fresh), 0); /* 2 in 5 */
    assert_int_equal(quarantine_crash(q, one, 1, 7 * MINUTE_US, fresh), 1); /* from 2 on: 3 */
    assert_int_equal(fresh[0], 7);
    assert_int_equal(quarantine_list(q, &n)[0], 7);
    assert_int_equal(n, 1);
    assert_int_equal(quarantine_crash(q, one, 1, 7 * MINUTE_US, fresh), 0); /* only once */
    quarantine_free(q);
}

static void the_quarantine_outlives_the_server_until_released(void **state)
{
    struct quarantine *q;
    const uint64_t named[] = {UINT64_MAX};
    uint64_t fresh[1];
    size_t n;

    (void) state;
    assert_int_equal(quarantine_open(in_folder("quarantine"), &q, NULL), RC_OK);
    for (unsigned i = 0; i < QUARANTINE_CRASHES; i++)
        (void) quarantine_crash(q, named, 1, MINUTE_US, fresh);
    quarantine_free(q);
    assert_int_equal(quarantine_open(in_folder("quarantine"), &q, NULL), RC_OK);
    assert_int_equal(quarantine_list(q, &n)[0], UINT64_MAX);
    assert_int_equal(n, 1);
    assert_int_equal(quarantine_release(q, 1, NULL), RC_NOT_FOUND);
    assert_int_equal(quarantine_release(q, UINT64_MAX, NULL), RC_OK);
    quarantine_free(q);
    assert_int_equal(quarantine_open(in_folder("quarantine"), &q, NULL), RC_OK);
    (void) quarantine_list(q, &n);
    assert_int_equal(n, 0);
    quarantine_free(q);
}

static void a_broken_quarantine_file_is_not_passed_over(void **state)
{
    struct quarantine *q;
    int fd = open(in_folder("quarantine"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    (void) state;
    assert_int_equal(write(fd, "12\nx\n", 5), 5);
    (void) close(fd);
    assert_int_equal(quarantine_open(in_folder("quarantine"), &q, NULL), RC_CORRUPT);
}

/* ---- doors and folders ---- */

static void addresses_are_read(void **state)
{
    static const struct {
        const char *text;
        enum rc rc;
        bool any;
        uint8_t family;
        uint16_t port;
    } rows[] = {
        {"127.0.0.1:993",      RC_OK,     false, IPADDR_V4,   993  },
        {"[::1]:65535",        RC_OK,     false, IPADDR_V6,   65535},
        {"[::ffff:1.2.3.4]:1", RC_OK,     false, IPADDR_V4,   1    },
        {":993",               RC_OK,     true,  IPADDR_NONE, 993  },
        {"127.0.0.1",          RC_SYNTAX, false, 0,           0    },
        {"127.0.0.1:",         RC_SYNTAX, false, 0,           0    },
        {"127.0.0.1:0",        RC_SYNTAX, false, 0,           0    },
        {"127.0.0.1:65536",    RC_SYNTAX, false, 0,           0    },
        {"::1:993",            RC_SYNTAX, false, 0,           0    },
        {"[::1:993",           RC_SYNTAX, false, 0,           0    },
        {"localhost:993",      RC_SYNTAX, false, 0,           0    },
        {"",                   RC_SYNTAX, false, 0,           0    },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct ipaddr addr = {0};
        bool any = false;

        if (door_parse(slice_from_str(rows[i].text), &addr, &any, NULL) != rows[i].rc)
            fail_msg("\"%s\"", rows[i].text);
        assert_int_equal(any, rows[i].any);
        assert_int_equal(addr.family, rows[i].family);
        assert_int_equal(addr.port, rows[i].port);
    }
}

static void folders_are_made_and_a_second_server_is_kept_out(void **state)
{
    AUTO(config_freep) struct config *config = config_new();
    AUTO(closep) int first = -1, second = -1;
    struct stat st;

    (void) state;
    config->data_dir = folder;
    config->user_prefix = "";
    assert_int_equal(data_dir_prepare(config, NULL), RC_OK);
    assert_int_equal(data_dir_prepare(config, NULL), RC_OK); /* twice is as good as once */
    assert_int_equal(stat(in_folder("mail"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(data_dir_lock(config, &first, NULL), RC_OK);
    assert_int_equal(data_dir_lock(config, &second, NULL), RC_EXISTS);
    assert_int_equal(second, -1);
}

static void what_belongs_to_somebody_else_is_left_alone(void **state)
{
    AUTO(config_freep) struct config *config = config_new();
    struct stat before, after;

    (void) state;
    config->user_prefix = "";
    config->data_dir = geteuid() == 0 ? folder : "/";
    if (geteuid() == 0)
        assert_int_equal(chown(folder, 65534, 65534), 0);
    assert_int_equal(stat(config->data_dir, &before), 0);
    assert_int_equal(data_dir_prepare(config, NULL), RC_DENIED);
    assert_int_equal(stat(config->data_dir, &after), 0);
    assert_int_equal(after.st_uid, before.st_uid);
    assert_int_equal(after.st_mode, before.st_mode);
    if (geteuid() == 0)
        assert_int_equal(chown(folder, 0, 0), 0);
    config->data_dir = "/nonexistent/roost";
    assert_int_equal(data_dir_prepare(config, NULL), RC_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_one_line_whatever_the_fields_hold),
        cmocka_unit_test(names_that_are_none_and_events_that_were_lost_are_shown),
        cmocka_unit_test(a_log_file_that_was_moved_is_opened_again),
        cmocka_unit_test(a_log_target_nobody_knows_is_refused),
        cmocka_unit_test(three_crashes_in_five_minutes_are_too_many),
        cmocka_unit_test(the_quarantine_outlives_the_server_until_released),
        cmocka_unit_test(a_broken_quarantine_file_is_not_passed_over),
        cmocka_unit_test(addresses_are_read),
        cmocka_unit_test(folders_are_made_and_a_second_server_is_kept_out),
        cmocka_unit_test(what_belongs_to_somebody_else_is_left_alone),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
