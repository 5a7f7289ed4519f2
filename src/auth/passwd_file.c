#include "auth/passwd_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/scan.h"

/* The shortest line, "u:{PLAIN}p", takes 11 bytes of the file and less than 16 times that here;
 * a key is at most twelve times as long as its name. */
#define USERS_MAX_BYTES (PASSWD_FILE_MAX_BYTES * 24)

#define REFRESH_EVERY_US 200000 /* not every login needs a stat() */
/* Two writes so close together may leave one time of change: Linux counts it in ticks. */
#define SAME_TIME_US 50000

/* What tells one state of the file from another. */
struct file_stamp {
    uint64_t inode, device, size;
    int64_t mtime_ns, ctime_ns;
};

struct passwd_table {
    char *bytes; /* the file; hashes point into it */
    size_t len;
    struct arena *arena; /* the users */
    size_t n;
    struct map *by_key;
    const struct password_hash *dummy;
};

struct passwd_file {
    char *path;
    struct file_stamp stamp; /* of the table, or of the attempt that failed */
    int64_t looked_us;
    bool looked;
    bool again;                 /* read it with the next look, whatever its stamp is */
    struct passwd_table *table; /* NULL until it was read once */
    passwd_changed_fn *changed; /* NULL: nobody is told */
    void *changed_ctx;
};

enum rc passwd_parse_line(struct slice line, struct passwd_entry *out, struct err *err)
{
    struct scan sc = scan_of(line);
    struct passwd_entry entry;
    struct slice user, hash;
    size_t end;
    enum rc rc;

    if (line.len == 0 || line.ptr[0] == '#')
        return RC_NOT_FOUND;
    if (line.len > PASSWD_LINE_MAX_BYTES)
        return err_set(err, RC_LIMIT, "Line is too long", "over %u bytes",
                       PASSWD_LINE_MAX_BYTES);
    if (!scan_until(&sc, ':', &user) || !scan_byte(&sc, ':'))
        return err_set(err, RC_SYNTAX, "No password field", "no colon in the line");
    hash = scan_rest(&sc);
    end = slice_find(hash, ':');
    hash = slice_sub(hash, 0, end);
    rc = auth_name_check_new(user, &entry.name, err);
    if (rc)
        return rc;
    rc = auth_name_key(user, &entry.key, err);
    if (rc)
        return rc;
    rc = password_hash_parse(hash, &entry.hash, err);
    if (rc)
        return rc;
    *out = entry;
    return RC_OK;
}

static void table_free(struct passwd_table *table)
{
    if (table == NULL)
        return;
    if (table->len > 0)
        sodium_memzero(table->bytes, table->len);
    free(table->bytes);
    arena_free(table->arena);
    map_free(table->by_key);
    free(table);
}

static void table_freep(struct passwd_table **table)
{
    table_free(*table);
    *table = NULL;
}

/* The next line of the file, without LF or CRLF. */
static bool next_line(struct scan *sc, struct slice *line)
{
    if (scan_done(sc))
        return false;
    if (scan_until(sc, '\n', line)) {
        (void) scan_byte(sc, '\n');
    } else {
        *line = scan_rest(sc);
        (void) scan_take(sc, line->len, line);
    }
    if (slice_ends(*line, SLICE("\r")))
        line->len--;
    return true;
}

static void report(const char *path, size_t line_number, const struct err *err, size_t *n_bad)
{
    if ((*n_bad)++ < PASSWD_REPORTS_MAX)
        log_event(LEVEL_WARNING, "passwd_file.line", LOG_STR("file", path),
                  LOG_NUM("line", line_number), LOG_ERR(err));
}

/* Add a line's user. RC_EXISTS: there is one of that name. */
static enum rc add_user(struct passwd_table *table, const struct passwd_entry *entry,
                        struct err *err)
{
    struct slice key = auth_key_slice(&entry->key);
    struct passwd_user *user;

    if (map_get(table->by_key, key) != NULL)
        return err_set(err, RC_EXISTS, "User is there already", "second line of that user");
    user = ARENA_NEW(table->arena, struct passwd_user);
    user->key = arena_dup(table->arena, key);
    user->name = arena_dup(table->arena, auth_key_slice(&entry->name));
    user->hash = entry->hash;
    (void) map_put(table->by_key, key, user);
    if (table->dummy == NULL && !password_hash_is_cheap(&user->hash))
        table->dummy = &user->hash;
    table->n++;
    return RC_OK;
}

static void index_table(struct passwd_table *table, const char *path)
{
    struct scan sc = scan_of(slice_of(table->bytes, table->len));
    size_t line_number = 0, n_bad = 0;
    struct passwd_entry entry;
    struct slice line;
    struct err err;

    table->arena = arena_new(USERS_MAX_BYTES);
    table->by_key = map_new();
    while (next_line(&sc, &line)) {
        enum rc rc = passwd_parse_line(line, &entry, &err);

        line_number++;
        if (rc == RC_OK)
            rc = add_user(table, &entry, &err);
        if (rc != RC_OK && rc != RC_NOT_FOUND)
            report(path, line_number, &err, &n_bad);
    }
    log_event(LEVEL_INFO, "passwd_file.read", LOG_STR("file", path), LOG_NUM("users", table->n),
              LOG_NUM("bad_lines", n_bad));
}

static enum rc read_all(int fd, size_t len, struct passwd_table *table, struct err *err)
{
    table->bytes = xmalloc(len + 1);
    while (table->len < len) {
        ssize_t got = read(fd, table->bytes + table->len, len - table->len);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_set(err, RC_IO, "Cannot read file", "read: %s", strerror(errno));
        if (got == 0)
            break; /* it became shorter meanwhile: the next look sees another stamp */
        table->len += (size_t) got;
    }
    return RC_OK;
}

static struct file_stamp stamp_of(const struct stat *st)
{
    return (struct file_stamp){
        .inode = st->st_ino,
        .device = st->st_dev,
        .size = (uint64_t) st->st_size,
        .mtime_ns = (int64_t) st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
        .ctime_ns = (int64_t) st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec,
    };
}

static bool is_same_stamp(const struct file_stamp *a, const struct file_stamp *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* The bytes of the file. out_moved: it was written to meanwhile. */
static enum rc table_read(const char *path, struct file_stamp *stamp, struct passwd_table **out,
                          bool *out_moved, struct err *err)
{
    AUTO(table_freep) struct passwd_table *table = xcalloc(1, sizeof(*table));
    AUTO(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct file_stamp behind;
    struct stat st;
    enum rc rc;

    if (fd < 0 || fstat(fd, &st) != 0)
        return err_set(err, RC_IO, "Cannot read file", "%s", strerror(errno));
    *stamp = stamp_of(&st);
    if (!S_ISREG(st.st_mode))
        return err_set(err, RC_INVALID, "Not a file", "not a regular file");
    if (st.st_size < 0 || (uint64_t) st.st_size > PASSWD_FILE_MAX_BYTES)
        return err_set(err, RC_LIMIT, "File is too large", "over %zu bytes",
                       PASSWD_FILE_MAX_BYTES);
    rc = read_all(fd, (size_t) st.st_size, table, err);
    if (rc)
        return rc;
    if (fstat(fd, &st) != 0)
        return err_set(err, RC_IO, "Cannot read file", "%s", strerror(errno));
    behind = stamp_of(&st);
    *out_moved = !is_same_stamp(stamp, &behind) || table->len < stamp->size;
    *out = TAKE(table);
    return RC_OK;
}

/* Has it been written to within so long? A time to come is no such time. */
static bool is_fresh(const struct file_stamp *stamp, int64_t us)
{
    int64_t age_us = clock_wall_us() - stamp->mtime_ns / 1000;

    return age_us >= 0 && age_us < us;
}

static bool has_last_end(const struct passwd_table *table)
{
    return table->len > 0 && table->bytes[table->len - 1] == '\n';
}

static bool is_same_table(const struct passwd_table *a, const struct passwd_table *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->bytes, b->bytes, a->len) == 0);
}

/* Tell of the users who stand in both, with another hash. */
static void tell_changed(const struct passwd_file *file, const struct passwd_table *before)
{
    struct slice key;
    size_t at = 0;
    void *value;

    while (map_next(before->by_key, &at, &key, &value)) {
        const struct passwd_user *old = value, *user = map_get(file->table->by_key, key);

        if (user != NULL && (user->hash.scheme != old->hash.scheme ||
                             !slice_eq(user->hash.hash, old->hash.hash)))
            file->changed(file->changed_ctx, key);
    }
}

struct passwd_file *passwd_file_new(const char *path)
{
    struct passwd_file *file = xcalloc(1, sizeof(*file));

    file->path = xstrdup(path);
    return file;
}

void passwd_file_free(struct passwd_file *file)
{
    if (file == NULL)
        return;
    table_free(file->table);
    free(file->path);
    free(file);
}

void passwd_file_freep(struct passwd_file **file)
{
    passwd_file_free(*file);
    *file = NULL;
}

void passwd_file_on_changed(struct passwd_file *file, passwd_changed_fn *fn, void *ctx)
{
    file->changed = fn;
    file->changed_ctx = ctx;
}

/* Has it changed since the last look? A file that is not there has a stamp of its own. */
static bool has_changed(struct passwd_file *file)
{
    struct file_stamp stamp = {0};
    struct stat st;
    bool changed;

    if (stat(file->path, &st) == 0)
        stamp = stamp_of(&st);
    changed = !file->looked || file->again || !is_same_stamp(&stamp, &file->stamp);
    file->stamp = stamp;
    file->looked = true;
    file->again = false;
    return changed;
}

/* The bytes of it, if they are whole and others than those of before; else NULL. */
static struct passwd_table *read_new(struct passwd_file *file)
{
    AUTO(table_freep) struct passwd_table *table = NULL;
    bool moved = false, is_part;
    struct err err;

    if (table_read(file->path, &file->stamp, &table, &moved, &err) != RC_OK) {
        log_event(LEVEL_ERROR, "passwd_file.unreadable", LOG_STR("file", file->path),
                  LOG_ERR(&err));
        return NULL;
    }
    is_part = moved || (!has_last_end(table) && is_fresh(&file->stamp, PASSWD_SETTLE_US));
    file->again = is_part || is_fresh(&file->stamp, SAME_TIME_US);
    if (file->table != NULL && (is_part || is_same_table(table, file->table)))
        return NULL;
    return TAKE(table);
}

bool passwd_file_refresh(struct passwd_file *file)
{
    AUTO(table_freep) struct passwd_table *before = NULL;
    struct passwd_table *table;
    int64_t now = clock_mono_us();

    if (file->looked && now - file->looked_us < REFRESH_EVERY_US && now >= file->looked_us)
        return false;
    file->looked_us = now;
    if (!has_changed(file))
        return false;
    table = read_new(file);
    if (table == NULL)
        return false;
    index_table(table, file->path);
    before = file->table;
    file->table = table;
    if (before != NULL && file->changed != NULL)
        tell_changed(file, before);
    return true;
}

size_t passwd_file_count(const struct passwd_file *file)
{
    return file->table != NULL ? file->table->n : 0;
}

const struct passwd_user *passwd_file_find(const struct passwd_file *file, struct slice key)
{
    return file->table != NULL ? map_get(file->table->by_key, key) : NULL;
}

const struct password_hash *passwd_file_dummy(const struct passwd_file *file)
{
    return file->table != NULL ? file->table->dummy : NULL;
}
