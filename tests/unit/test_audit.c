/*
 * test_audit.c - the audit log: what is written is found whole, and every change to it is
 * found, whatever the change is.
 */
// links: events
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/clock.h"
#include "events/audit_files.h"
#include "events/audit_log.h"
#include "events/audit_verify.h"
#include "events/ecs.h"
#include "ipc/log_pack.h"
#include "lib/test.h"

#define FILE_MAX_BYTES ((size_t) 8 << 20)
#define TEXT_BYTES     4096u

struct world {
    char path[64];
    int folder;
    char said[TEXT_BYTES]; /* findings, a line each */
};

static void setup(struct world *world)
{
    *world = (struct world){.path = "/tmp/roost-audit-XXXXXX"};
    assert_true(sodium_init() >= 0);
    assert_non_null(mkdtemp(world->path));
    world->folder = open(world->path, O_RDONLY | O_DIRECTORY);
    assert_true(world->folder >= 0);
}

static void cleanup(struct world *world)
{
    uint64_t *numbers;
    size_t n;
    char name[AUDIT_NAME_BYTES];

    assert_int_equal(audit_files_list(world->folder, &numbers, &n, NULL), RC_OK);
    for (size_t i = 0; i < n; i++) {
        audit_file_name(name, numbers[i]);
        (void) unlinkat(world->folder, name, 0);
    }
    free(numbers);
    (void) unlinkat(world->folder, "key", 0);
    (void) unlinkat(world->folder, "key.pub", 0);
    (void) unlinkat(world->folder, "head", 0);
    (void) close(world->folder);
    assert_int_equal(rmdir(world->path), 0);
}

/* ---- writing ---- */

static struct audit_log *open_log(const struct world *world, uint64_t file_bytes)
{
    const struct audit_log_options options = {.file_bytes = file_bytes, .keep_days = 365};
    struct audit_log *log;
    uint64_t missing;
    struct err err;

    assert_int_equal(audit_log_open(world->path, &options, &log, &missing, &err), RC_OK);
    return log;
}

static void add_event(struct audit_log *log, uint64_t number)
{
    AUTO(buf_done) struct buf packed = {0}, members = {0};
    const struct log_field fields[] = {LOG_STR("address", "192.0.2.7"), LOG_STR("user", "anna"),
                                       LOG_NUM("number", number)};
    struct msg_log_event event = {
        .level = LEVEL_INFO, .time_us = 1795299661000000 + number, .event = SLICE("login.ok")};

    buf_init(&packed, MSG_FIELDS_MAX);
    log_pack(&packed, fields, COUNT(fields));
    event.fields = buf_slice(&packed);
    buf_init(&members, TEXT_BYTES);
    ecs_members(&members, "auth", &event, audited_find(event.event));
    audit_log_add(log, buf_slice(&members));
}

static void sign_log(struct audit_log *log)
{
    struct err err;

    assert_int_equal(audit_log_sync(log, &err), RC_OK);
}

/* 30 events, a signature after each ten, and a clean end. */
static void write_some(struct world *world, uint64_t file_bytes)
{
    struct audit_log *log = open_log(world, file_bytes);

    for (uint64_t i = 0; i < 30; i++) {
        add_event(log, i);
        if (i % 10 == 9)
            sign_log(log);
    }
    audit_log_close(log);
}

/* ---- reading ---- */

static void note(void *ctx, const char *file, uint64_t line, const char *what)
{
    struct world *world = ctx;
    size_t len = strlen(world->said);

    (void) snprintf(world->said + len, sizeof(world->said) - len, "%s:%llu: %s\n", file,
                    (unsigned long long) line, what);
}

static struct audit_report verify_at(struct world *world, const struct audit_mark *at)
{
    unsigned char key[AUDIT_PUBLIC_KEY_BYTES];
    const struct audit_verify_options options = {
        .public_key = key, .at = at, .finding = note, .ctx = world};
    struct audit_report report;
    struct err err;

    world->said[0] = '\0';
    assert_int_equal(audit_public_key_read(world->folder, "key.pub", key, &err), RC_OK);
    assert_int_equal(audit_verify(world->folder, &options, &report, &err), RC_OK);
    return report;
}

static struct audit_report verify(struct world *world)
{
    return verify_at(world, NULL);
}

static void assert_found(struct world *world, const char *what)
{
    struct audit_report report = verify(world);

    if (report.n_findings == 0 || strstr(world->said, what) == NULL)
        fail_msg("wanted \"%s\", found: %s", what, world->said);
}

static void assert_whole(struct world *world)
{
    struct audit_report report = verify(world);

    if (report.n_findings != 0)
        fail_msg("findings: %s", world->said);
}

/* ---- files as bytes ---- */

static struct buf read_log(const struct world *world, uint64_t number)
{
    char name[AUDIT_NAME_BYTES];
    AUTO(freep) char *bytes = malloc(FILE_MAX_BYTES);
    struct buf out;
    ssize_t n;
    int fd;

    audit_file_name(name, number);
    fd = openat(world->folder, name, O_RDONLY);
    assert_true(fd >= 0);
    n = read(fd, bytes, FILE_MAX_BYTES);
    assert_true(n >= 0);
    (void) close(fd);
    buf_init(&out, FILE_MAX_BYTES);
    buf_append(&out, slice_of(bytes, (size_t) n));
    return out;
}

static void write_log(const struct world *world, uint64_t number, struct slice bytes)
{
    char name[AUDIT_NAME_BYTES];
    int fd;

    audit_file_name(name, number);
    fd = openat(world->folder, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes.ptr, bytes.len), bytes.len);
    (void) close(fd);
}

/* Where line n (from 0) begins. */
static size_t line_at(struct slice bytes, size_t n)
{
    size_t at = 0;

    while (n-- > 0)
        at += slice_search(slice_from(bytes, at), SLICE("\n")) + 1;
    return at;
}

/* The log with its lines in this order. */
static void rewrite(const struct world *world, const size_t *lines, size_t n)
{
    AUTO(buf_done) struct buf old = read_log(world, 1);
    AUTO(buf_done) struct buf out = {0};

    buf_init(&out, FILE_MAX_BYTES);
    for (size_t i = 0; i < n; i++) {
        size_t start = line_at(buf_slice(&old), lines[i]);

        buf_append(&out, slice_sub(buf_slice(&old), start,
                                   line_at(buf_slice(&old), lines[i] + 1) - start));
    }
    write_log(world, 1, buf_slice(&out));
}

#define LINES 35u /* started, 30 events, 3 checkpoints, stopped */

static void in_order(size_t lines[LINES])
{
    for (size_t i = 0; i < LINES; i++)
        lines[i] = i;
}

/* ---- tests ---- */

static void test_what_is_written_is_whole(void **state)
{
    struct world world;
    struct audit_report report;

    (void) state;
    setup(&world);
    write_some(&world, AUDIT_FILE_BYTES);
    report = verify(&world);
    assert_string_equal(world.said, "");
    assert_int_equal(report.n_events, LINES);
    assert_int_equal(report.n_signed, 5);
    assert_int_equal(report.first, 1);
    assert_int_equal(report.last, LINES);
    assert_int_equal(report.n_unsigned, 0);
    write_some(&world, AUDIT_FILE_BYTES);
    report = verify(&world);
    assert_string_equal(world.said, "");
    assert_int_equal(report.last, 2 * LINES);
    cleanup(&world);
}

static void test_a_line_is_json_with_ecs_names(void **state)
{
    struct world world;
    AUTO(buf_done) struct buf bytes = {0};
    struct slice line;

    (void) state;
    setup(&world);
    write_some(&world, AUDIT_FILE_BYTES);
    bytes = read_log(&world, 1);
    line = slice_from(buf_slice(&bytes), line_at(buf_slice(&bytes), 1));
    assert_true(slice_starts(
        line, SLICE("{\"event.sequence\":2,\"@timestamp\":\"2026-11-21T22:21:01.000000Z\",")));
    assert_true(slice_search(line, SLICE("\"event.category\":[\"authentication\"],"
                                         "\"event.type\":[\"start\"],"
                                         "\"event.action\":\"login.ok\","
                                         "\"event.outcome\":\"success\"")) < line.len);
    assert_true(slice_search(line, SLICE("\"source.ip\":\"192.0.2.7\",\"user.name\":\"anna\","
                                         "\"roost.number\":0,\"roost.chain\":\"")) < line.len);
    cleanup(&world);
}

static void test_a_changed_octet_is_found(void **state)
{
    struct world world;
    AUTO(buf_done) struct buf good = {0};

    (void) state;
    setup(&world);
    write_some(&world, AUDIT_FILE_BYTES);
    good = read_log(&world, 1);
    for (size_t at = 0; at < good.len; at += 31) {
        AUTO(buf_done) struct buf bad = {0};

        buf_init(&bad, FILE_MAX_BYTES);
        buf_append(&bad, buf_slice(&good));
        bad.ptr[at] ^= 1;
        write_log(&world, 1, buf_slice(&bad));
        if (verify(&world).n_findings == 0)
            fail_msg("octet %zu may be changed", at);
    }
    cleanup(&world);
}

static void test_a_removed_line_is_found(void **state)
{
    struct world world;
    size_t lines[LINES];
    AUTO(buf_done) struct buf good = {0};

    (void) state;
    setup(&world);
    write_some(&world, AUDIT_FILE_BYTES);
    good = read_log(&world, 1);
    for (size_t gone = 0; gone < LINES; gone++) {
        in_order(lines);
        memmove(lines + gone, lines + gone + 1, (LINES - 1 - gone) * sizeof(lines[0]));
        rewrite(&world, lines, LINES - 1);
        if (verify(&world).n_findings == 0)
            fail_msg("line %zu may be removed", gone);
        write_log(&world, 1, buf_slice(&good));
    }
    cleanup(&world);
}

static void test_lines_that_changed_places_are_found(void **state)
{
    struct world world;
    size_t lines[LINES];

    (void) state;
    setup(&world);
    write_some(&world, AUDIT_FILE_BYTES);
    in_order(lines);
    lines[4] = 5;
    lines[5] = 4;
    rewrite(&world, lines, LINES);
    assert_found(&world, "stands behind");
    cleanup(&world);
}

/* Any two of them, however far apart. */
static void test_any_two_that_changed_places_are_found(void **state)
{
    struct world world;
    size_t lines[LINES];
    AUTO(buf_done) struct buf good = {0};

    (void) state;
    setup(&world);
    write_some(&world, AUDIT_FILE_BYTES);
    good = read_log(&world, 1);
    for (size_t a = 0; a < LINES; a++) {
        for (size_t b = a + 1; b < LINES; b++) {
            in_order(lines);
            lines[a] = b;
            lines[b] = a;
            rewrite(&world, lines, LINES);
            if (verify(&world).n_findings == 0)
                fail_msg("lines %zu and %zu may change places", a, b);
            write_log(&world, 1, buf_slice(&good));
        }
    }
    cleanup(&world);
}

/* At any octet: the head knows of more lines, or a line is cut. */
static void test_each_place_to_cut_is_found(void **state)
{
    struct world world;
    AUTO(buf_done) struct buf good = {0};

    (void) state;
    setup(&world);
    write_some(&world, AUDIT_FILE_BYTES);
    good = read_log(&world, 1);
    for (size_t at = 0; at < good.len; at += 17) {
        write_log(&world, 1, slice_sub(buf_slice(&good), 0, at));
        if (verify(&world).n_findings == 0)
            fail_msg("it may be cut at octet %zu", at);
    }
    cleanup(&world);
}

static void test_a_line_twice_is_found(void **state)
{
    struct world world;
    size_t lines[LINES + 1];

    (void) state;
    setup(&world);
    write_some(&world, AUDIT_FILE_BYTES);
    in_order(lines);
    memmove(lines + 6, lines + 5, (LINES - 5) * sizeof(lines[0]));
    rewrite(&world, lines, LINES + 1);
    assert_found(&world, "stands behind");
    cleanup(&world);
}

/* Back to an earlier signature: the head knows of more, and so does who received more. */
static void test_a_log_cut_back_is_found(void **state)
{
    struct world world;
    size_t lines[LINES];
    struct audit_head head;
    struct audit_report report;
    AUTO(buf_done) struct buf good = {0};
    struct audit_mark known;

    (void) state;
    setup(&world);
    write_some(&world, AUDIT_FILE_BYTES);
    known = verify(&world).newest;
    good = read_log(&world, 1);
    in_order(lines);
    rewrite(&world, lines, 12);
    assert_found(&world, "it was written up to 35");

    report = verify(&world);
    head.mark = report.newest;
    {
        size_t start = line_at(buf_slice(&good), 11);
        struct audit_line line;

        assert_true(audit_line_read(
            slice_sub(buf_slice(&good), start, line_at(buf_slice(&good), 12) - start - 1),
            &line));
        memcpy(head.signature, line.signature, sizeof(head.signature));
    }
    assert_int_equal(audit_head_write(world.folder, &head, NULL), RC_OK);
    assert_whole(&world);
    assert_true(verify_at(&world, &known).n_findings > 0);
    assert_non_null(strstr(world.said, "35 was received"));
    cleanup(&world);
}

/* Somebody who has everything but the key writes the whole log anew. */
static void test_a_log_by_another_key_is_found(void **state)
{
    struct world world;
    unsigned char key[AUDIT_KEY_BYTES], public_key[AUDIT_PUBLIC_KEY_BYTES];
    AUTO(buf_done) struct buf text = {0};
    struct audit_mark mark;

    (void) state;
    setup(&world);
    write_some(&world, AUDIT_FILE_BYTES);
    assert_int_equal(audit_public_key_read(world.folder, "key.pub", public_key, NULL), RC_OK);
    audit_mark_first(public_key, &mark);
    (void) crypto_sign_keypair(public_key, key);
    buf_init(&text, FILE_MAX_BYTES);
    for (unsigned i = 0; i < LINES; i++)
        audit_line_add(&text, SLICE("\"event.action\":\"login.ok\""), &mark,
                       i == LINES - 1 ? key : NULL, NULL);
    write_log(&world, 1, buf_slice(&text));
    assert_found(&world, "the signature is not by this key");
    cleanup(&world);
}

static void test_files_follow_each_other(void **state)
{
    struct world world;
    struct audit_report report;
    AUTO(freep) uint64_t *numbers = NULL;
    size_t n;
    char name[AUDIT_NAME_BYTES];

    (void) state;
    setup(&world);
    write_some(&world, 2000);
    report = verify(&world);
    assert_string_equal(world.said, "");
    assert_int_equal(report.n_files, 4);
    assert_int_equal(audit_files_list(world.folder, &numbers, &n, NULL), RC_OK);
    assert_int_equal(n, 4);
    audit_file_name(name, 2);
    assert_int_equal(unlinkat(world.folder, name, 0), 0);
    assert_found(&world, "the file before it is missing");
    audit_file_name(name, 1);
    assert_int_equal(unlinkat(world.folder, name, 0), 0);
    assert_found(&world, "the files before number 3 are missing");
    cleanup(&world);
}

static void make_old(const struct world *world, uint64_t number)
{
    const struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    char name[AUDIT_NAME_BYTES];

    audit_file_name(name, number);
    assert_int_equal(utimensat(world->folder, name, times, 0), 0);
}

/* What the log itself removed is no finding, and what is left is read from its beginning. */
static void test_old_files_go(void **state)
{
    struct world world;
    struct audit_report report;

    (void) state;
    setup(&world);
    write_some(&world, 2000);
    make_old(&world, 1);
    make_old(&world, 2);
    write_some(&world, 2000);
    report = verify(&world);
    assert_string_equal(world.said, "");
    assert_true(report.first > 20);
    assert_int_equal(report.last - report.first + 1, report.n_events);
    cleanup(&world);
}

/* The process died: behind the last signature there are lines, and half a line. */
static void test_a_cut_line_is_explained_by_the_next_start(void **state)
{
    struct world world;
    AUTO(buf_done) struct buf bytes = {0};
    struct audit_log *log;
    struct audit_report report;

    (void) state;
    setup(&world);
    write_some(&world, AUDIT_FILE_BYTES);
    log = open_log(&world, AUDIT_FILE_BYTES);
    add_event(log, 40);
    add_event(log, 41);
    audit_log_close(log);
    bytes = read_log(&world, 1);
    /* started, two events; half of the second is gone, and `stopped` */
    write_log(&world, 1,
              slice_sub(buf_slice(&bytes), 0, line_at(buf_slice(&bytes), LINES + 2) + 100));
    {
        struct audit_head head;
        struct audit_line line;
        struct slice all = buf_slice(&bytes);
        size_t start = line_at(all, LINES);

        assert_true(
            audit_line_read(slice_sub(all, start, line_at(all, LINES + 1) - start - 1), &line));
        head.mark = line.mark;
        memcpy(head.signature, line.signature, sizeof(head.signature));
        assert_int_equal(audit_head_write(world.folder, &head, NULL), RC_OK);
    }
    report = verify(&world);
    assert_string_equal(world.said, "");
    assert_int_equal(report.n_unsigned, 1);
    write_some(&world, AUDIT_FILE_BYTES);
    report = verify(&world);
    assert_string_equal(world.said, "");
    assert_int_equal(report.last, LINES + 2 + LINES);
    cleanup(&world);
}

/* The head is further than the files: the start goes on behind it, and says so. */
static void test_a_start_behind_a_cut_log(void **state)
{
    const struct audit_log_options options = {.file_bytes = AUDIT_FILE_BYTES};
    struct world world;
    size_t lines[LINES];
    struct audit_log *log;
    uint64_t missing;
    struct err err;

    (void) state;
    setup(&world);
    write_some(&world, AUDIT_FILE_BYTES);
    in_order(lines);
    rewrite(&world, lines, 12);
    assert_int_equal(audit_log_open(world.path, &options, &log, &missing, &err), RC_OK);
    assert_int_equal(missing, LINES - 12);
    audit_log_close(log);
    assert_found(&world, "events 13 to 35 are missing");
    cleanup(&world);
}

/* A head that somebody wrote who has not the key is none: the log goes on where its lines end.
 */
static void test_a_forged_head_moves_nothing(void **state)
{
    const struct audit_log_options options = {.file_bytes = AUDIT_FILE_BYTES};
    struct audit_head head = {.mark.sequence = UINT64_MAX - 1};
    struct world world;
    struct audit_log *log;
    uint64_t missing;
    struct err err;

    (void) state;
    setup(&world);
    write_some(&world, AUDIT_FILE_BYTES);
    assert_int_equal(audit_head_write(world.folder, &head, NULL), RC_OK);
    assert_found(&world, "head is not signed by this key");
    assert_int_equal(audit_log_open(world.path, &options, &log, &missing, &err), RC_OK);
    assert_int_equal(missing, 0);
    audit_log_close(log);
    assert_whole(&world);
    assert_int_equal(verify(&world).last, LINES + 2);
    cleanup(&world);
}

/* What strangers type into a field stays in its field. */
static void test_a_field_cannot_end_its_line(void **state)
{
    static const char evil[] =
        "x\",\"roost.chain\":\"00\"}\r\n{\"event.sequence\":99,\"\x01\xff";
    AUTO(buf_done) struct buf packed = {0}, members = {0}, text = {0};
    const struct log_field fields[] = {LOG_TEXT("user", slice_from_str(evil))};
    struct msg_log_event event = {.level = LEVEL_WARNING, .event = SLICE("login.refused")};
    struct audit_mark mark = {0};
    struct audit_line line;

    (void) state;
    buf_init(&packed, MSG_FIELDS_MAX);
    log_pack(&packed, fields, COUNT(fields));
    event.fields = buf_slice(&packed);
    buf_init(&members, TEXT_BYTES);
    ecs_members(&members, "auth", &event, audited_find(event.event));
    buf_init(&text, TEXT_BYTES);
    audit_line_add(&text, buf_slice(&members), &mark, NULL, NULL);
    assert_int_equal(slice_search(buf_slice(&text), SLICE("\n")), text.len - 1);
    assert_true(audit_line_read(slice_sub(buf_slice(&text), 0, text.len - 1), &line));
    assert_int_equal(line.mark.sequence, 1);
    assert_int_equal(slice_search(line.hashed, SLICE(",\"roost.chain\":")), line.hashed.len);
    for (size_t i = 0; i + 1 < text.len; i++)
        assert_true((unsigned char) text.ptr[i] >= ' ');
}

/* Names are enough: none of them is opened. */
static void test_a_log_has_so_many_files(void **state)
{
    struct world world;
    AUTO(freep) uint64_t *numbers = NULL;
    char name[AUDIT_NAME_BYTES];
    size_t n;

    (void) state;
    setup(&world);
    assert_int_equal(symlinkat("none", world.folder, "first"), 0);
    for (uint64_t number = 1; number <= AUDIT_FILES_MAX; number++) {
        audit_file_name(name, number);
        if (symlinkat("none", world.folder, name) != 0)
            fail_msg("%s: %s", name, strerror(errno));
    }
    assert_int_equal(audit_files_list(world.folder, &numbers, &n, NULL), RC_OK);
    assert_int_equal(n, AUDIT_FILES_MAX);
    free(TAKE(numbers));
    audit_file_name(name, AUDIT_FILES_MAX + 1);
    assert_int_equal(symlinkat("none", world.folder, name), 0);
    assert_int_equal(audit_files_list(world.folder, &numbers, &n, NULL), RC_LIMIT);
    assert_int_equal(unlinkat(world.folder, name, 0), 0);
    assert_int_equal(unlinkat(world.folder, "first", 0), 0);
    cleanup(&world);
}

static void test_the_catalogue_is_sorted(void **state)
{
    (void) state;
    for (size_t i = 0; i < audited_count(); i++) {
        const struct audited *event = audited_at(i);

        assert_true(i == 0 || strcmp(audited_at(i - 1)->name, event->name) < 0);
        assert_ptr_equal(audited_find(slice_from_str(event->name)), event);
    }
    assert_null(audited_find(SLICE("store.packed")));
    assert_null(audited_find(SLICE("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_whole),
        cmocka_unit_test(test_a_line_is_json_with_ecs_names),
        cmocka_unit_test(test_a_changed_octet_is_found),
        cmocka_unit_test(test_a_removed_line_is_found),
        cmocka_unit_test(test_lines_that_changed_places_are_found),
        cmocka_unit_test(test_any_two_that_changed_places_are_found),
        cmocka_unit_test(test_each_place_to_cut_is_found),
        cmocka_unit_test(test_a_line_twice_is_found),
        cmocka_unit_test(test_a_log_cut_back_is_found),
        cmocka_unit_test(test_a_log_by_another_key_is_found),
        cmocka_unit_test(test_files_follow_each_other),
        cmocka_unit_test(test_old_files_go),
        cmocka_unit_test(test_a_cut_line_is_explained_by_the_next_start),
        cmocka_unit_test(test_a_start_behind_a_cut_log),
        cmocka_unit_test(test_a_forged_head_moves_nothing),
        cmocka_unit_test(test_a_field_cannot_end_its_line),
        cmocka_unit_test(test_a_log_has_so_many_files),
        cmocka_unit_test(test_the_catalogue_is_sorted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
