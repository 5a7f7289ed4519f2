/*
 * test_local_faults.c - a full disk and a failing one, by standing in front of libc's calls:
 * the definitions here are found before libc's.
 */
// links: store_local
// lib: local_store
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/local_store.h"
#include "lib/test.h"

#define LONG_WRITE                                                                             \
    ((size_t) 64 << 10) /* zeros of a new segment are written in longer pieces                 \
                         */

static atomic_bool disk_is_full;
static atomic_int writes_until_error = -1; /* -1: never */

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    if (atomic_load(&disk_is_full) && len >= LONG_WRITE) {
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, bytes, len, offset);
}

ssize_t pwritev2(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
    if (atomic_load(&writes_until_error) >= 0 &&
        atomic_fetch_sub(&writes_until_error, 1) == 0) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_pwritev2, fd, iov, n, offset, 0, flags);
}

static enum rc put(struct local_store *store, uint64_t body_id, struct slice body,
                   uint64_t *out_position)
{
    const struct engine_ops *ops = store->engine->ops;
    struct staged_body staged = {.body_id = body_id, .mbox = 1};
    struct commit_group group = {.account = 1, .records = SLICE("records of a group")};
    struct err err;
    enum rc rc;

    if (body_id > 0) {
        assert_int_equal(ops->stage(store->engine, 1, body.len, &staged.stage, &err), RC_OK);
        assert_int_equal(ops->stage_write(staged.stage, body, &err), RC_OK);
        group.bodies = &staged;
        group.n_bodies = 1;
    }
    rc = ops->commit(store->engine, &group, 1, out_position, &err);
    if (rc)
        ops->stage_free(staged.stage);
    return rc;
}

/* The next segment and the reserve are there: one more .seg, and a spare of full size. */
static bool reserve_is_there(const struct local_store *store)
{
    char path[128];
    const struct dirent *entry;
    struct stat st;
    unsigned n_segments = 0, n_spares = 0;
    DIR *dir;

    (void) snprintf(path, sizeof(path), "%s/log", store->path);
    dir = opendir(path);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        n_segments += strstr(entry->d_name, ".seg") != NULL;
        n_spares += strstr(entry->d_name, ".spare") != NULL &&
                    fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 &&
                    (uint64_t) st.st_size == TEST_SEGMENT_BYTES;
    }
    (void) closedir(dir);
    return n_segments >= 2 && n_spares >= 1;
}

static void a_full_disk_refuses_mail_but_not_expunges(void **state)
{
    AUTO(freep) char *bytes = local_store_body(1, 20000);
    struct local_store store;
    struct engine_status status;
    uint64_t position = 0, last = 0, n_bodies = 0;
    struct body *body;
    enum rc rc = RC_OK;

    (void) state;
    local_store_make(&store);
    store.options.no_packer = true;
    local_store_open(&store);
    /* Past a quarter of the first segment the next and the reserve are made; wait for both. */
    for (; n_bodies < 5; n_bodies++) {
        assert_int_equal(put(&store, n_bodies + 1, slice_of(bytes, 20000), &position), RC_OK);
        local_store_wait(&store, position);
    }
    while (!reserve_is_there(&store))
        (void) sched_yield();
    atomic_store(&disk_is_full, true);
    for (; rc == RC_OK && n_bodies < 2000; last = position) {
        rc = put(&store, n_bodies + 1, slice_of(bytes, 20000), &position);
        n_bodies += rc == RC_OK;
    }
    assert_int_equal(rc, RC_FULL);
    local_store_wait(&store, last);
    store.engine->ops->status(store.engine, &status);
    assert_string_equal(status.state, "full");
    for (int i = 0; i < 50; i++) { /* small groups go on */
        assert_int_equal(put(&store, 0, SLICE(""), &position), RC_OK);
        local_store_wait(&store, position);
    }
    assert_int_equal(store.engine->ops->body_open(store.engine, 1, n_bodies, &body, NULL),
                     RC_OK);
    assert_int_equal(store.engine->ops->body_read(body, 0, bytes, 20000, NULL), RC_OK);
    store.engine->ops->body_close(body);
    /* Space comes back, and with it the service, without anybody asking. */
    atomic_store(&disk_is_full, false);
    do {
        store.engine->ops->status(store.engine, &status);
        (void) sched_yield();
    } while (strcmp(status.state, "ok") != 0);
    assert_int_equal(put(&store, n_bodies + 1, slice_of(bytes, 20000), &position), RC_OK);
    local_store_wait(&store, position);
    local_store_close(&store);
    local_store_open(&store);
    assert_int_equal(store.engine->ops->body_open(store.engine, 1, n_bodies + 1, &body, NULL),
                     RC_OK);
    store.engine->ops->body_close(body);
    local_store_remove(&store);
}

static unsigned count_archived(const struct local_store *store)
{
    char path[128];
    const struct dirent *entry;
    unsigned n = 0;
    DIR *dir;

    (void) snprintf(path, sizeof(path), "%s/archive", store->path);
    dir = opendir(path);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL)
        n += strstr(entry->d_name, ".seg") != NULL;
    (void) closedir(dir);
    return n;
}

/* What waits for the next backup may be just what is missing. */
static void a_full_disk_gets_what_is_archived(void **state)
{
    AUTO(freep) char *bytes = local_store_body(1, 20000);
    const struct page_batch batch = {.root = SLICE("the root")};
    struct local_store store;
    uint64_t position = 0, n_bodies = 0;

    (void) state;
    local_store_make(&store);
    store.options.no_packer = true;
    store.options.archive_max_bytes = 1000 * TEST_SEGMENT_BYTES;
    local_store_open(&store);
    while (count_archived(&store) < 3) {
        assert_int_equal(put(&store, 0, SLICE(""), &position), RC_OK);
        local_store_wait(&store, position);
        assert_int_equal(
            store.engine->ops->write_pages(store.engine, 1, position, &batch, NULL), RC_OK);
    }
    atomic_store(&disk_is_full, true);
    while (put(&store, n_bodies + 1, slice_of(bytes, 20000), &position) == RC_OK)
        n_bodies++;
    while (count_archived(&store) > 0)
        (void) sched_yield();
    atomic_store(&disk_is_full, false);
    while (put(&store, n_bodies + 1, slice_of(bytes, 20000), &position) != RC_OK)
        (void) sched_yield();
    local_store_remove(&store);
}

static void end_with_33(void *ctx, const struct err *err)
{
    (void) ctx;
    (void) err;
    _exit(33);
}

/* In the child: the n-th write of the journal fails; each durable group is told to the parent.
 */
_Noreturn static void failing_child(struct local_store *store, int n, int out)
{
    uint64_t position;

    store->options.fatal = end_with_33;
    local_store_open(store);
    atomic_store(&writes_until_error, n);
    for (int i = 0; i < 100; i++) {
        if (put(store, 0, SLICE(""), &position) != RC_OK)
            _exit(1);
        local_store_wait(store, position);
        if (write(out, &position, sizeof(position)) != (ssize_t) sizeof(position))
            _exit(2);
    }
    _exit(3);
}

static void a_failed_write_is_final(void **state)
{
    struct local_store store;

    (void) state;
    local_store_make(&store);
    for (int n = 0; n < 5; n++) {
        AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
        struct account_image image;
        uint64_t position, last = 0;
        unsigned told = 0;
        int ends[2], status;
        pid_t child;

        assert_int_equal(pipe(ends), 0);
        child = fork();
        if (child == 0)
            failing_child(&store, n, ends[1]);
        (void) close(ends[1]);
        while (read(ends[0], &position, sizeof(position)) == (ssize_t) sizeof(position)) {
            last = position;
            told++;
        }
        (void) close(ends[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 33);
        assert_int_equal(told, n);
        local_store_open(&store);
        if (last > 0) {
            struct err err;

            assert_int_equal(store.engine->ops->load(store.engine, 1, arena, &image, &err),
                             RC_OK);
            assert_int_equal(image.tail[image.n_tail - 1].position, last);
        }
        local_store_close(&store);
    }
    local_store_remove(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_refuses_mail_but_not_expunges),
        cmocka_unit_test(a_full_disk_gets_what_is_archived),
        cmocka_unit_test(a_failed_write_is_final),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
