/*
 * test_audit_faults.c - the audit log on a disk that is full or fails: an event that somebody
 * waits for is in the log when he is told so. The definitions here are found before libc's.
 */
// links: events
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "events/audit_files.h"
#include "events/audit_log.h"
#include "events/audit_verify.h"
#include "lib/test.h"

#define FILE_MAX_BYTES ((size_t) 1 << 20)

static int writes_until_full = -1, syncs_until_error = -1; /* -1: never */
static unsigned n_syncs;

static bool is_now(int *left)
{
    return *left >= 0 && (*left)-- == 0;
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    if (is_now(&writes_until_full)) {
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, bytes, len, offset);
}

int fdatasync(int fd)
{
    n_syncs++;
    if (is_now(&syncs_until_error)) {
        errno = EIO;
        return -1;
    }
    return (int) syscall(SYS_fdatasync, fd);
}

struct world {
    char path[64];
    struct audit_log *log;
};

static int open_world(void **state)
{
    const struct audit_log_options options = {.file_bytes = FILE_MAX_BYTES};
    struct world *world = xcalloc(1, sizeof(*world));
    uint64_t missing;
    struct err err;

    (void) snprintf(world->path, sizeof(world->path), "/tmp/roost-audit-XXXXXX");
    assert_true(sodium_init() >= 0);
    assert_non_null(mkdtemp(world->path));
    assert_int_equal(audit_log_open(world->path, &options, &world->log, &missing, &err), RC_OK);
    *state = world;
    return 0;
}

static int end_world(void **state)
{
    static const char *const names[] = {"key", "key.pub", "head"};
    struct world *world = *state;
    char path[128];

    for (size_t i = 0; i < COUNT(names); i++) {
        (void) snprintf(path, sizeof(path), "%s/%s", world->path, names[i]);
        (void) unlink(path);
    }
    (void) rmdir(world->path);
    free(world);
    return 0;
}

static void finding(void *ctx, const char *file, uint64_t line, const char *what)
{
    (void) ctx;
    fail_msg("%s:%llu: %s", file, (unsigned long long) line, what);
}

/* How often the name stands in the log, which is closed and verified before. */
static unsigned count(struct world *world, const char *name)
{
    AUTO(freep) char *text = xcalloc(1, FILE_MAX_BYTES + 1);
    AUTO(freep) uint64_t *numbers = NULL;
    unsigned char key[AUDIT_PUBLIC_KEY_BYTES];
    const struct audit_verify_options options = {.public_key = key, .finding = finding};
    struct audit_report report;
    char file[AUDIT_NAME_BYTES];
    unsigned found = 0;
    size_t n;
    struct err err;
    int folder = open(world->path, O_RDONLY | O_DIRECTORY), fd;

    audit_log_close(TAKE(world->log));
    assert_int_equal(audit_public_key_read(folder, "key.pub", key, &err), RC_OK);
    assert_int_equal(audit_verify(folder, &options, &report, &err), RC_OK);
    assert_int_equal(audit_files_list(folder, &numbers, &n, &err), RC_OK);
    assert_int_equal(n, 1);
    audit_file_name(file, numbers[0]);
    fd = openat(folder, file, O_RDONLY);
    assert_true(read(fd, text, FILE_MAX_BYTES) > 0);
    for (const char *at = text; (at = strstr(at, name)) != NULL; at++)
        found++;
    assert_int_equal(unlinkat(folder, file, 0), 0);
    (void) close(fd);
    (void) close(folder);
    return found;
}

static void a_full_disk_keeps_back_what_is_awaited(void **state)
{
    struct world *world = *state;
    struct err err;

    audit_log_add_kept(world->log, SLICE("\"name\":\"awaited\""));
    audit_log_add(world->log, SLICE("\"name\":\"other\""));
    writes_until_full = 0;
    assert_int_equal(audit_log_flush(world->log, &err), RC_FULL);
    writes_until_full = 0;
    assert_int_equal(audit_log_sync(world->log, &err), RC_FULL);
    assert_int_equal(audit_log_sync(world->log, &err), RC_OK);
    assert_int_equal(audit_log_sync(world->log, &err), RC_OK); /* it is not repeated again */
    assert_int_equal(count(world, "\"awaited\""), 1);
}

static void a_sync_that_failed_is_not_believed_the_second_time(void **state)
{
    struct world *world = *state;
    struct err err;

    audit_log_add_kept(world->log, SLICE("\"name\":\"awaited\""));
    audit_log_add(world->log, SLICE("\"name\":\"other\""));
    syncs_until_error = 0;
    assert_int_equal(audit_log_sync(world->log, &err), RC_IO);
    assert_int_equal(audit_log_sync(world->log, &err), RC_OK);
    assert_int_equal(audit_log_sync(world->log, &err), RC_OK);
    assert_int_equal(count(world, "\"awaited\""), 2); /* the first may be gone */
}

static void a_flood_is_signed_often_and_synced_once(void **state)
{
    struct world *world = *state;
    unsigned before = n_syncs;
    struct err err;

    for (int i = 0; i < 20; i++) {
        audit_log_add(world->log, SLICE("\"name\":\"many\""));
        assert_int_equal(audit_log_sign(world->log, &err), RC_OK);
        assert_int_equal(audit_log_unsigned(world->log), 0);
    }
    assert_int_equal(n_syncs, before);
    assert_int_equal(audit_log_unsynced(world->log), 40);
    assert_int_equal(audit_log_sync(world->log, &err), RC_OK);
    assert_int_equal(n_syncs, before + 2); /* the lines, the head */
    assert_int_equal(audit_log_unsynced(world->log), 0);
    assert_int_equal(count(world, "audit.checkpoint"), 21);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_full_disk_keeps_back_what_is_awaited, open_world,
                                        end_world),
        cmocka_unit_test_setup_teardown(a_sync_that_failed_is_not_believed_the_second_time,
                                        open_world, end_world),
        cmocka_unit_test_setup_teardown(a_flood_is_signed_often_and_synced_once, open_world,
                                        end_world),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
