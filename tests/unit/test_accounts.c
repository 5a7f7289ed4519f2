/*
 * test_accounts.c - the list of accounts whose sync fails for want of space: what was noted is
 * written again, since the kernel may have dropped it and calls the next sync good.
 */
// links: store_local
// lib: local_store
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/local_store.h"
#include "lib/test.h"
#include "store/local/accounts.h"

static const unsigned char uuid[16] = "a store's number";
static bool next_sync_fails;

/* Found before libc's. */
int fdatasync(int fd)
{
    if (next_sync_fails) {
        next_sync_fails = false;
        errno = ENOSPC;
        return -1;
    }
    return (int) syscall(SYS_fdatasync, fd);
}

/* What a kernel leaves that drops what it could not write: the file without its last octets. */
static void drop_from(int root, off_t end)
{
    int fd = openat(root, "accounts", O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, end), 0);
    (void) close(fd);
}

static void what_a_failed_sync_dropped_is_written_again(void **state)
{
    char path[] = "/tmp/roost-accounts-XXXXXX";
    struct accounts *accounts;
    struct stat st;
    uint64_t lsn = 0;
    struct err err;
    int root;

    (void) state;
    assert_non_null(mkdtemp(path));
    root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(root >= 0);
    assert_int_equal(accounts_open(root, uuid, &accounts, &err), RC_OK);
    accounts_note(accounts, 7, 100);
    assert_int_equal(accounts_sync(accounts, &err), RC_OK);
    assert_int_equal(fstatat(root, "accounts", &st, 0), 0);

    accounts_note(accounts, 8, 200);
    next_sync_fails = true;
    assert_int_equal(accounts_sync(accounts, &err), RC_FULL);
    drop_from(root, st.st_size);
    assert_int_equal(accounts_sync(accounts, &err), RC_OK);
    accounts_free(accounts);

    assert_int_equal(accounts_open(root, uuid, &accounts, &err), RC_OK);
    assert_int_equal(accounts_bad(accounts), 0);
    assert_true(accounts_find(accounts, 7, &lsn));
    assert_true(lsn == 100);
    assert_true(accounts_find(accounts, 8, &lsn));
    assert_true(lsn == 200);
    accounts_free(accounts);
    (void) close(root);
    local_store_remove_tree(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_failed_sync_dropped_is_written_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
