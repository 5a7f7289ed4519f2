/* local_store.c - see local_store.h. */
#include "lib/local_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/test.h"

static void on_durable(void *ctx, uint64_t account, uint64_t position)
{
    struct local_store *store = ctx;

    (void) account;
    (void) pthread_mutex_lock(&store->lock);
    if (position > store->durable)
        store->durable = position;
    (void) pthread_cond_broadcast(&store->moved);
    (void) pthread_mutex_unlock(&store->lock);
}

static void on_changed(void *ctx, uint64_t account)
{
    (void) ctx;
    (void) account;
    fail_msg("a local store is changed by nobody else");
}

static void on_wanted(void *ctx, uint64_t account)
{
    struct local_store *store = ctx;

    (void) account;
    (void) pthread_mutex_lock(&store->lock);
    store->wanted++;
    (void) pthread_mutex_unlock(&store->lock);
}

void local_store_make(struct local_store *store)
{
    struct err err;

    memset(store, 0, sizeof(*store));
    (void) snprintf(store->path, sizeof(store->path), "/tmp/roost-local-XXXXXX");
    assert_non_null(mkdtemp(store->path));
    (void) pthread_mutex_init(&store->lock, NULL);
    (void) pthread_cond_init(&store->moved, NULL);
    store->options = (struct local_options){.path = store->path,
                                            .segment_bytes = TEST_SEGMENT_BYTES,
                                            .first_segment_bytes = TEST_FIRST_BYTES,
                                            .map_bytes = (uint64_t) 1 << 30};
    assert_int_equal(local_store_create(store->path, &err), RC_OK);
}

void local_store_open(struct local_store *store)
{
    struct err err;

    if (local_engine_open(&store->options, &store->engine, &err) != RC_OK)
        fail_msg("open: %s", err.detail);
    store->engine->ops->start(store->engine,
                              &(struct engine_events){.durable = on_durable,
                                                      .changed = on_changed,
                                                      .checkpoint_wanted = on_wanted,
                                                      .ctx = store});
}

void local_store_close(struct local_store *store)
{
    if (store->engine != NULL)
        store->engine->ops->close(store->engine);
    store->engine = NULL;
}

void local_store_remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    char name[512];

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void) snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        if (unlink(name) != 0)
            local_store_remove_tree(name);
    }
    if (dir != NULL)
        (void) closedir(dir);
    (void) rmdir(path);
}

void local_store_remove(struct local_store *store)
{
    local_store_close(store);
    local_store_remove_tree(store->path);
    (void) pthread_cond_destroy(&store->moved);
    (void) pthread_mutex_destroy(&store->lock);
}

static void copy_file(const char *from, const char *to)
{
    static char bytes[1 << 16];
    int in = open(from, O_RDONLY | O_CLOEXEC), out;
    off_t at = 0;
    ssize_t n;

    if (in < 0 && errno == ENOENT)
        return; /* the store lives, and had use for it */
    out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(in >= 0 && out >= 0);
    while ((n = pread(in, bytes, sizeof(bytes), at)) > 0) {
        bool is_zero = bytes[0] == 0 && memcmp(bytes, bytes + 1, (size_t) n - 1) == 0;

        if (!is_zero)
            assert_int_equal(pwrite(out, bytes, (size_t) n, at), n);
        at += n;
    }
    assert_int_equal(ftruncate(out, at), 0);
    (void) close(in);
    (void) close(out);
}

void local_store_copy(const char *from, const char *to)
{
    DIR *dir = opendir(from);
    const struct dirent *entry;
    struct stat st;
    char a[512], b[512];

    assert_non_null(dir);
    (void) mkdir(to, 0700);
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            strcmp(entry->d_name, "lock.mdb") == 0)
            continue;
        (void) snprintf(a, sizeof(a), "%s/%s", from, entry->d_name);
        (void) snprintf(b, sizeof(b), "%s/%s", to, entry->d_name);
        if (stat(a, &st) != 0) { /* of a running store: files go meanwhile */
            assert_int_equal(errno, ENOENT);
            continue;
        }
        if (S_ISDIR(st.st_mode))
            local_store_copy(a, b);
        else
            copy_file(a, b);
    }
    (void) closedir(dir);
}

static uint64_t put(struct local_store *store, const struct commit_group *group)
{
    uint64_t position = 0;
    struct err err;

    if (store->engine->ops->commit(store->engine, group, 1, &position, &err) != RC_OK)
        fail_msg("commit: %s", err.detail);
    return position;
}

uint64_t local_store_put(struct local_store *store, uint64_t account, struct slice records)
{
    return put(store, &(struct commit_group){.account = account, .records = records});
}

uint64_t local_store_put_body(struct local_store *store, uint64_t account, uint64_t body_id,
                              struct slice records, struct slice body)
{
    const struct engine_ops *ops = store->engine->ops;
    struct staged_body staged = {.body_id = body_id, .mbox = 1, .uid = (uint32_t) body_id};
    struct err err;

    assert_int_equal(ops->stage(store->engine, account, body.len, &staged.stage, &err), RC_OK);
    assert_int_equal(ops->stage_write(staged.stage, body, &err), RC_OK);
    return put(store,
               &(struct commit_group){
                   .account = account, .records = records, .bodies = &staged, .n_bodies = 1});
}

void local_store_wait(struct local_store *store, uint64_t position)
{
    (void) pthread_mutex_lock(&store->lock);
    while (store->durable < position)
        (void) pthread_cond_wait(&store->moved, &store->lock);
    (void) pthread_mutex_unlock(&store->lock);
}

char *local_store_body(uint64_t seed, size_t len)
{
    char *bytes = xmalloc(len + 1);
    uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;

    for (size_t i = 0; i < len; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        bytes[i] = (char) x;
    }
    return bytes;
}
