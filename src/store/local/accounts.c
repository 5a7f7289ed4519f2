/* accounts.c - a file of records, the newest of an account counting, and a map of them. */
#include "store/local/accounts.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/map.h"
#include "store/local/bytes.h"
#include "store/local/layout.h"

#define LIST_NAME    "accounts"
#define LIST_MAGIC   SLICE("RoostAcc")
#define LIST_VERSION 1u
#define HEADER_BYTES 40u /* magic, version, zero, uuid, checksum */
#define RECORD_BYTES 24u
#define LSN_REMOVED  UINT64_MAX
#define REWRITE_RECORDS                                                                        \
    ((uint64_t) 65536) /* beyond this and 4 an account the file is made anew */
#define LIST_MAX_BYTES  ((size_t) 4 << 30)
#define COVERED_ACCOUNT UINT64_C(0)

struct entry {
    uint64_t account, lsn;
};

struct accounts {
    int root, fd;
    unsigned char uuid[16];
    pthread_mutex_t lock;
    struct map *map;    /* lock: account -> entry */
    uint64_t n_records; /* lock: in the file */
    size_t n_bad;
    bool is_dirty, is_lost; /* lock: not synced; the file lags (no space): made anew later */
};

static uint64_t record_hash(const struct accounts *accounts, const char record[RECORD_BYTES])
{
    return XXH3_64bits_withSeed(record, RECORD_BYTES - 8,
                                XXH3_64bits(accounts->uuid, sizeof(accounts->uuid)));
}

static void record_write(const struct accounts *accounts, char out[RECORD_BYTES],
                         uint64_t account, uint64_t lsn)
{
    put_le64(out, account);
    put_le64(out + 8, lsn);
    put_le64(out + 16, record_hash(accounts, out));
}

static bool record_read(const struct accounts *accounts, struct slice record, struct entry *out)
{
    struct scan sc = scan_of(record);
    uint64_t hash;

    return scan_le64(&sc, &out->account) && scan_le64(&sc, &out->lsn) &&
           scan_le64(&sc, &hash) && record_hash(accounts, record.ptr) == hash;
}

static void header_write(const struct accounts *accounts, char out[HEADER_BYTES])
{
    memset(out, 0, HEADER_BYTES);
    memcpy(out, LIST_MAGIC.ptr, LIST_MAGIC.len);
    put_le32(out + 8, LIST_VERSION);
    memcpy(out + 16, accounts->uuid, sizeof(accounts->uuid));
    put_le64(out + 32, XXH3_64bits(out, 32));
}

/* With the lock held. */
static void set_entry(struct accounts *accounts, uint64_t account, uint64_t lsn)
{
    struct entry *entry = map_get(accounts->map, MAP_KEY(account));

    if (lsn == LSN_REMOVED) {
        free(map_remove(accounts->map, MAP_KEY(account)));
    } else if (entry == NULL) {
        entry = xcalloc(1, sizeof(*entry));
        *entry = (struct entry){account, lsn};
        (void) map_put(accounts->map, MAP_KEY(account), entry);
    } else {
        entry->lsn = MAX(entry->lsn, lsn);
    }
}

static enum rc read_file(int fd, char **out, size_t *out_len, struct err *err)
{
    AUTO(freep) char *bytes = NULL;
    struct stat st;
    enum rc rc;

    if (fstat(fd, &st) != 0)
        return file_error(err, "fstat of the list of accounts");
    if (st.st_size < 0 || (uint64_t) st.st_size > LIST_MAX_BYTES)
        return err_set(err, RC_CORRUPT, "Stored data is damaged", "accounts: size");
    bytes = xmalloc((size_t) st.st_size + 1);
    rc = file_read_all(fd, bytes, (size_t) st.st_size, 0, err);
    if (rc)
        return rc;
    *out = TAKE(bytes);
    *out_len = (size_t) st.st_size;
    return RC_OK;
}

static bool is_zeros(struct slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.ptr[i] != 0)
            return false;
    }
    return true;
}

/* Whole records of the file, bad ones counted; zeros stand where a record was not written yet
 * when the power went. fn may be NULL. */
static uint64_t each_record(const struct accounts *accounts, struct slice file,
                            void (*fn)(struct accounts *accounts, const struct entry *entry),
                            struct accounts *ctx, uint64_t *out_bad)
{
    char header[HEADER_BYTES];
    uint64_t n = 0, bad = 0;

    header_write(accounts, header);
    if (!slice_starts(file, slice_of(header, sizeof(header))))
        bad = 1;
    for (size_t at = HEADER_BYTES; at + RECORD_BYTES <= file.len; at += RECORD_BYTES, n++) {
        struct slice record = slice_sub(file, at, RECORD_BYTES);
        struct entry entry;

        if (!record_read(accounts, record, &entry))
            bad += !is_zeros(record);
        else if (fn != NULL)
            fn(ctx, &entry);
    }
    *out_bad = bad;
    return n;
}

static void take_entry(struct accounts *accounts, const struct entry *entry)
{
    set_entry(accounts, entry->account, entry->lsn);
}

enum rc accounts_open(int root, const unsigned char uuid[16], struct accounts **out,
                      struct err *err)
{
    struct accounts *accounts = xcalloc(1, sizeof(*accounts));
    AUTO(freep) char *bytes = NULL;
    uint64_t bad = 0;
    size_t len = 0;
    enum rc rc = RC_OK;

    accounts->root = root;
    memcpy(accounts->uuid, uuid, sizeof(accounts->uuid));
    (void) pthread_mutex_init(&accounts->lock, NULL);
    accounts->map = map_new();
    accounts->fd = openat(root, LIST_NAME, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (accounts->fd < 0 && errno != ENOENT)
        rc = open_error(err, "open of the list of accounts");
    else if (accounts->fd >= 0)
        rc = read_file(accounts->fd, &bytes, &len, err);
    if (rc) {
        accounts_free(accounts);
        return rc;
    }
    if (accounts->fd >= 0)
        accounts->n_records =
            each_record(accounts, slice_of(bytes, len), take_entry, accounts, &bad);
    accounts->n_bad = (size_t) bad;
    accounts->is_dirty = accounts->fd >= 0; /* a process that died may not have synced it */
    *out = accounts;
    return RC_OK;
}

void accounts_free(struct accounts *accounts)
{
    struct slice key;
    void *value;

    if (accounts == NULL)
        return;
    for (size_t at = 0; map_next(accounts->map, &at, &key, &value);)
        free(value);
    map_free(accounts->map);
    closep(&accounts->fd);
    (void) pthread_mutex_destroy(&accounts->lock);
    free(accounts);
}

size_t accounts_bad(const struct accounts *accounts)
{
    return accounts->n_bad;
}

bool accounts_find(struct accounts *accounts, uint64_t account, uint64_t *out_lsn)
{
    const struct entry *entry;
    bool is_found;

    (void) pthread_mutex_lock(&accounts->lock);
    entry = map_get(accounts->map, MAP_KEY(account));
    is_found = entry != NULL;
    if (is_found)
        *out_lsn = entry->lsn;
    (void) pthread_mutex_unlock(&accounts->lock);
    return is_found;
}

/* With the lock held; the caller's to free. */
static struct entry *copy_entries(struct accounts *accounts, size_t *out_n)
{
    struct entry *list = xcalloc(map_count(accounts->map) + 1, sizeof(*list));
    struct slice key;
    void *value;
    size_t n = 0;

    for (size_t at = 0; map_next(accounts->map, &at, &key, &value);)
        list[n++] = *(const struct entry *) value;
    *out_n = n;
    return list;
}

void accounts_each(struct accounts *accounts,
                   void (*fn)(void *ctx, uint64_t account, uint64_t lsn), void *ctx)
{
    AUTO(freep) struct entry *list = NULL;
    size_t n;

    (void) pthread_mutex_lock(&accounts->lock);
    list = copy_entries(accounts, &n);
    (void) pthread_mutex_unlock(&accounts->lock);
    for (size_t i = 0; i < n; i++) {
        if (list[i].account != COVERED_ACCOUNT)
            fn(ctx, list[i].account, list[i].lsn);
    }
}

/* With the lock held. */
static enum rc rewrite(struct accounts *accounts, struct err *err)
{
    AUTO(freep) struct entry *list = NULL;
    AUTO(freep) char *bytes = NULL;
    size_t n;
    enum rc rc;
    int fd;

    list = copy_entries(accounts, &n);
    bytes = xmalloc(HEADER_BYTES + n * RECORD_BYTES);
    header_write(accounts, bytes);
    for (size_t i = 0; i < n; i++)
        record_write(accounts, bytes + HEADER_BYTES + i * RECORD_BYTES, list[i].account,
                     list[i].lsn);
    rc = layout_replace(accounts->root, LIST_NAME, bytes, HEADER_BYTES + n * RECORD_BYTES, err);
    if (rc)
        return rc;
    fd = openat(accounts->root, LIST_NAME, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return file_error(err, "open of the list of accounts");
    closep(&accounts->fd);
    accounts->fd = fd;
    accounts->n_records = n;
    accounts->is_dirty = accounts->is_lost = false;
    return RC_OK;
}

enum rc accounts_rewrite(struct accounts *accounts, struct err *err)
{
    enum rc rc;

    (void) pthread_mutex_lock(&accounts->lock);
    rc = rewrite(accounts, err);
    (void) pthread_mutex_unlock(&accounts->lock);
    return rc;
}

/* With the lock held. A record that cannot be written (no space) is made up for by the file
 * made anew, at the next sync. */
static void append(struct accounts *accounts, uint64_t account, uint64_t lsn)
{
    char record[RECORD_BYTES];

    record_write(accounts, record, account, lsn);
    accounts->is_dirty = true;
    if (accounts->fd < 0 || accounts->is_lost ||
        accounts->n_records > REWRITE_RECORDS + 4 * map_count(accounts->map) ||
        file_write_all(accounts->fd, record, sizeof(record),
                       HEADER_BYTES + accounts->n_records * RECORD_BYTES, NULL) != RC_OK)
        accounts->is_lost = true;
    else
        accounts->n_records++;
}

static void note(struct accounts *accounts, uint64_t account, uint64_t lsn)
{
    const struct entry *entry;

    (void) pthread_mutex_lock(&accounts->lock);
    entry = map_get(accounts->map, MAP_KEY(account));
    if (lsn == LSN_REMOVED ? entry != NULL : entry == NULL || entry->lsn < lsn) {
        set_entry(accounts, account, lsn);
        append(accounts, account, lsn);
    }
    (void) pthread_mutex_unlock(&accounts->lock);
}

void accounts_note(struct accounts *accounts, uint64_t account, uint64_t lsn)
{
    note(accounts, account, lsn);
}

void accounts_remove(struct accounts *accounts, uint64_t account)
{
    note(accounts, account, LSN_REMOVED);
}

void accounts_note_covered(struct accounts *accounts, uint64_t lsn)
{
    note(accounts, COVERED_ACCOUNT, lsn);
}

uint64_t accounts_covered(struct accounts *accounts)
{
    uint64_t lsn = 0;

    return accounts_find(accounts, COVERED_ACCOUNT, &lsn) ? lsn : 0;
}

enum rc accounts_sync(struct accounts *accounts, struct err *err)
{
    enum rc rc = RC_OK;

    (void) pthread_mutex_lock(&accounts->lock);
    if (accounts->is_dirty && accounts->is_lost) {
        rc = rewrite(accounts, err);
    } else if (accounts->is_dirty && fdatasync(accounts->fd) != 0) {
        rc = file_error(err, "sync of the list of accounts");
        accounts->is_lost = true; /* the kernel may have dropped what it could not write */
    }
    if (rc == RC_OK)
        accounts->is_dirty = false;
    (void) pthread_mutex_unlock(&accounts->lock);
    return rc;
}

enum rc accounts_scrub(struct accounts *accounts, uint64_t *out_bytes, uint64_t *out_bad,
                       struct err *err)
{
    AUTO(freep) char *bytes = NULL;
    AUTO(closep) int fd = openat(accounts->root, LIST_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    size_t len = 0;
    enum rc rc = RC_OK;

    *out_bytes = *out_bad = 0;
    if (fd < 0)
        return errno == ENOENT ? RC_OK : file_error(err, "open of the list of accounts");
    rc = read_file(fd, &bytes, &len, err);
    if (rc)
        return rc;
    (void) each_record(accounts, slice_of(bytes, len), NULL, NULL, out_bad);
    *out_bytes = len;
    return RC_OK;
}
