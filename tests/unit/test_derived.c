/* test_derived.c - derived blobs of the local engine: what is read is what was written, or
 * nothing. */
// links: store_local
// lib: local_store
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/local_store.h"
#include "lib/test.h"
#include "store/local/derived.h"
#include "store/local/scrub.h"

#define ACCOUNT  5u
#define BLOB_LEN 9001u

static const struct derived_name name = {1, 10, 4106};

static char *blob_path(const struct local_store *store, char out[200])
{
    (void) snprintf(out, 200, "%s/derived/%016x/%08x-%016x-%016x", store->path, ACCOUNT,
                    name.kind, (unsigned) name.from, (unsigned) name.to);
    return out;
}

static void put_blob(struct local_store *store, uint64_t seed)
{
    const struct engine_ops *ops = store->engine->ops;
    AUTO(freep) char *bytes = local_store_body(seed, BLOB_LEN);
    struct derived_writer *writer = NULL;
    struct err err;

    assert_int_equal(ops->derived_begin(store->engine, ACCOUNT, &name, &writer, &err), RC_OK);
    assert_int_equal(ops->derived_write(writer, slice_of(bytes, BLOB_LEN), &err), RC_OK);
    assert_int_equal(ops->derived_finish(writer, &err), RC_OK);
}

/* RC_OK only with exactly these bytes. */
static enum rc read_blob(struct local_store *store, const char *want)
{
    const struct engine_ops *ops = store->engine->ops;
    struct derived *derived = NULL;
    char got[BLOB_LEN];
    struct err err;
    enum rc rc = ops->derived_open(store->engine, ACCOUNT, &name, &derived, &err);

    if (!rc) {
        assert_int_equal(ops->derived_length(derived), BLOB_LEN);
        rc = ops->derived_read(derived, 0, got, BLOB_LEN, &err);
    }
    if (!rc)
        assert_memory_equal(got, want, BLOB_LEN);
    ops->derived_close(derived);
    return rc;
}

static void flip(int fd, uint64_t at, unsigned bit)
{
    char byte;

    assert_int_equal(pread(fd, &byte, 1, (off_t) at), 1);
    byte = (char) ((unsigned char) byte ^ 1u << bit);
    assert_int_equal(pwrite(fd, &byte, 1, (off_t) at), 1);
}

static void no_flipped_bit_is_read(void **state)
{
    AUTO(freep) char *want = local_store_body(3, BLOB_LEN);
    struct local_store store;
    char path[200];
    struct stat st;
    int fd;

    (void) state;
    local_store_make(&store);
    local_store_open(&store);
    put_blob(&store, 3);
    fd = open(blob_path(&store, path), O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    for (uint64_t at = 0; at < (uint64_t) st.st_size; at++) {
        bool is_padding = at >= 64 && at < DERIVED_HEADER_BYTES; /* nobody reads it */

        flip(fd, at, (unsigned) at % 8);
        assert_int_equal(read_blob(&store, want), is_padding ? RC_OK : RC_CORRUPT);
        flip(fd, at, (unsigned) at % 8);
    }
    assert_int_equal(read_blob(&store, want), RC_OK);
    for (off_t cut = st.st_size - 1; cut > 0; cut -= 97) {
        assert_int_equal(ftruncate(fd, cut), 0);
        assert_int_equal(read_blob(&store, want), RC_CORRUPT);
    }
    (void) close(fd);
    local_store_remove(&store);
}

/* A blob under a name that is not its own, and with a block of another. */
static void bytes_of_another_place_are_damage(void **state)
{
    AUTO(freep) char *want = local_store_body(3, BLOB_LEN);
    struct local_store store;
    char path[200], other[240], block[DERIVED_BLOCK_BYTES];
    int fd;

    (void) state;
    local_store_make(&store);
    local_store_open(&store);
    put_blob(&store, 3);
    fd = open(blob_path(&store, path), O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, block, sizeof(block), DERIVED_HEADER_BYTES), sizeof(block));
    assert_int_equal(
        pwrite(fd, block, sizeof(block), DERIVED_HEADER_BYTES + DERIVED_BLOCK_BYTES),
        sizeof(block));
    (void) close(fd);
    assert_int_equal(read_blob(&store, want), RC_CORRUPT);
    put_blob(&store, 3);
    (void) snprintf(other, sizeof(other), "%s.x", path);
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(read_blob(&store, want), RC_NOT_FOUND);
    (void) snprintf(path, sizeof(path), "%s/derived/%016x/%08x-%016x-%016x", store.path,
                    ACCOUNT, name.kind, (unsigned) name.from, (unsigned) name.to + 1);
    assert_int_equal(rename(other, path), 0);
    {
        const struct derived_name longer = {name.kind, name.from, name.to + 1};
        struct derived *derived = NULL;
        struct err err;

        assert_int_equal(
            store.engine->ops->derived_open(store.engine, ACCOUNT, &longer, &derived, &err),
            RC_CORRUPT);
    }
    local_store_remove(&store);
}

/* ---- the scrub ---- */

static size_t n_found;

static void found(void *ctx, const struct scrub_finding *finding)
{
    (void) ctx;
    assert_true(finding->is_derived);
    assert_int_equal(finding->account, ACCOUNT);
    n_found++;
}

static bool goes_on(void *ctx, uint64_t bytes)
{
    (void) ctx;
    (void) bytes;
    return true;
}

static void scrub(struct local_store *store)
{
    const struct scrub_watch watch = {found, goes_on, NULL};
    uint64_t bytes, findings;
    struct err err;

    assert_int_equal(store->engine->ops->scrub(store->engine, &watch, &bytes, &findings, &err),
                     RC_OK);
}

static void the_scrub_removes_what_is_damaged(void **state)
{
    AUTO(freep) char *want = local_store_body(4, BLOB_LEN);
    struct local_store store;
    char path[200], orphan[200];
    int fd;

    (void) state;
    local_store_make(&store);
    local_store_open(&store);
    local_store_wait(&store, local_store_put(&store, ACCOUNT, SLICE("group 1")));
    put_blob(&store, 4);
    (void) snprintf(orphan, sizeof(orphan), "%s/derived/%016x", store.path, 77);
    assert_int_equal(mkdir(orphan, 0700), 0);
    n_found = 0;
    scrub(&store);
    assert_int_equal(n_found, 0);
    assert_int_equal(read_blob(&store, want), RC_OK);
    assert_int_equal(access(orphan, F_OK), -1);
    fd = open(blob_path(&store, path), O_RDWR | O_CLOEXEC);
    flip(fd, 5000, 3);
    (void) close(fd);
    scrub(&store);
    assert_int_equal(n_found, 1);
    assert_int_equal(read_blob(&store, want), RC_NOT_FOUND);
    local_store_remove(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_flipped_bit_is_read),
        cmocka_unit_test(bytes_of_another_place_are_damage),
        cmocka_unit_test(the_scrub_removes_what_is_damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
