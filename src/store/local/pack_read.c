/*
 * pack_read.c - open packs: a small cache of handles that readers share.
 *
 * A handle lives while somebody reads; PACKS_KEPT more stay open for the next reader, the least
 * recently used going first.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "store/local/pack.h"

#define PACKS_KEPT 128u

struct pack {
    uint64_t number;
    int fd;
    struct pack_footer footer;
    unsigned refs;     /* packs lock */
    struct link idle;  /* packs lock: listed when refs is 0, oldest first */
    bool is_forgotten; /* packs lock: not among the open ones any more */
};

struct packs {
    struct local *local;
    pthread_mutex_t lock;
    struct map *open; /* lock: number -> pack */
    struct list idle; /* lock */
    unsigned n_idle;  /* lock */
};

struct packs *packs_new(struct local *local)
{
    struct packs *packs = xcalloc(1, sizeof(*packs));

    packs->local = local;
    (void) pthread_mutex_init(&packs->lock, NULL);
    packs->open = map_new();
    list_init(&packs->idle);
    return packs;
}

static void pack_free(struct pack *pack)
{
    if (pack == NULL)
        return;
    closep(&pack->fd);
    free(pack);
}

static void pack_freep(struct pack **pack)
{
    pack_free(*pack);
}

void packs_free(struct packs *packs)
{
    struct slice key;
    void *value;

    if (packs == NULL)
        return;
    for (size_t at = 0; map_next(packs->open, &at, &key, &value);)
        pack_free(value);
    map_free(packs->open);
    (void) pthread_mutex_destroy(&packs->lock);
    free(packs);
}

static enum rc check_pack(struct packs *packs, struct pack *pack, struct err *err)
{
    char header[PACK_HEADER_BYTES], footer[PACK_FOOTER_BYTES];
    struct stat st;
    uint64_t size, index_len;
    enum rc rc;

    if (fstat(pack->fd, &st) != 0)
        return file_error(err, "fstat of a pack");
    size = (uint64_t) st.st_size;
    if (size < PACK_HEADER_BYTES + PACK_FOOTER_BYTES)
        return err_set(err, RC_CORRUPT, "Stored data is damaged", "pack %llx: too short",
                       (unsigned long long) pack->number);
    rc = file_read_all(pack->fd, header, sizeof(header), 0, err);
    if (!rc)
        rc = file_read_all(pack->fd, footer, sizeof(footer), size - sizeof(footer), err);
    if (rc)
        return rc;
    if (!pack_header_read(slice_of(header, sizeof(header)), pack->number,
                          packs->local->super->uuid) ||
        !pack_footer_read(slice_of(footer, sizeof(footer)), &pack->footer) ||
        pack->footer.number != pack->number)
        return err_set(err, RC_CORRUPT, "Stored data is damaged",
                       "pack %llx: not a pack of this store, or damaged",
                       (unsigned long long) pack->number);
    index_len = size - PACK_FOOTER_BYTES - MIN(pack->footer.index_at, size - PACK_FOOTER_BYTES);
    if (pack->footer.n_rows > UINT32_MAX || index_len != pack->footer.n_rows * PACK_ROW_BYTES)
        return err_set(err, RC_CORRUPT, "Stored data is damaged", "pack %llx: index",
                       (unsigned long long) pack->number);
    return RC_OK;
}

static enum rc open_pack(struct packs *packs, uint64_t number, struct pack **out,
                         struct err *err)
{
    AUTO(pack_freep) struct pack *pack = xcalloc(1, sizeof(*pack));
    char name[LAYOUT_NAME_BYTES];
    enum rc rc;

    pack->number = number;
    layout_name(name, number, ".pack");
    pack->fd = openat(packs->local->layout.packs, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (pack->fd < 0 && errno == ENOENT)
        return err_set(err, RC_CORRUPT, "Stored data is damaged", "pack %s is missing", name);
    if (pack->fd < 0)
        return file_error(err, name);
    rc = check_pack(packs, pack, err);
    if (rc)
        return rc;
    *out = TAKE(pack);
    return RC_OK;
}

enum rc packs_get(struct packs *packs, uint64_t number, struct pack **out, struct err *err)
{
    struct pack *pack;
    enum rc rc = RC_OK;

    (void) pthread_mutex_lock(&packs->lock);
    pack = map_get(packs->open, MAP_KEY(number));
    if (pack == NULL) {
        rc = open_pack(packs, number, &pack, err);
        if (!rc)
            (void) map_put(packs->open, MAP_KEY(number), pack);
    } else if (pack->refs == 0) {
        list_remove(&pack->idle);
        packs->n_idle--;
    }
    if (!rc) {
        pack->refs++;
        *out = pack;
    }
    (void) pthread_mutex_unlock(&packs->lock);
    return rc;
}

void packs_put(struct packs *packs, struct pack *pack)
{
    struct pack *dead = NULL;

    if (pack == NULL)
        return;
    (void) pthread_mutex_lock(&packs->lock);
    if (--pack->refs == 0 && pack->is_forgotten) {
        dead = pack;
    } else if (pack->refs == 0) {
        list_push_back(&packs->idle, &pack->idle);
        if (++packs->n_idle > PACKS_KEPT) {
            dead = LINK_OWNER(list_pop_front(&packs->idle), struct pack, idle);
            packs->n_idle--;
            (void) map_remove(packs->open, MAP_KEY(dead->number));
        }
    }
    (void) pthread_mutex_unlock(&packs->lock);
    pack_free(dead);
}

void packs_forget(struct packs *packs, uint64_t number)
{
    struct pack *pack, *dead = NULL;

    (void) pthread_mutex_lock(&packs->lock);
    pack = map_remove(packs->open, MAP_KEY(number));
    if (pack != NULL && pack->refs == 0) {
        list_remove(&pack->idle);
        packs->n_idle--;
        dead = pack;
    } else if (pack != NULL) {
        pack->is_forgotten = true;
    }
    (void) pthread_mutex_unlock(&packs->lock);
    pack_free(dead);
}

int pack_fd(const struct pack *pack)
{
    return pack->fd;
}

uint32_t pack_rows(const struct pack *pack)
{
    return (uint32_t) pack->footer.n_rows;
}

enum rc pack_read_row(const struct pack *pack, uint32_t row, struct pack_row *out,
                      struct err *err)
{
    char bytes[PACK_ROW_BYTES];
    enum rc rc;

    if (row >= pack->footer.n_rows)
        return err_set(err, RC_CORRUPT, "Stored data is damaged", "pack %llx: row %u",
                       (unsigned long long) pack->number, row);
    rc = file_read_all(pack->fd, bytes, sizeof(bytes),
                       pack->footer.index_at + (uint64_t) row * PACK_ROW_BYTES, err);
    if (rc)
        return rc;
    if (!pack_row_read(slice_of(bytes, sizeof(bytes)), out))
        return err_set(err, RC_CORRUPT, "Stored data is damaged", "pack %llx: row %u: checksum",
                       (unsigned long long) pack->number, row);
    return RC_OK;
}

enum rc pack_check_index(const struct pack *pack, struct err *err)
{
    size_t len = (size_t) pack->footer.n_rows * PACK_ROW_BYTES;
    AUTO(freep) char *bytes = xmalloc(len + 1);
    enum rc rc = file_read_all(pack->fd, bytes, len, pack->footer.index_at, err);

    if (!rc && XXH3_64bits(bytes, len) != pack->footer.index_hash)
        rc = err_set(err, RC_CORRUPT, "Stored data is damaged", "pack %llx: index: checksum",
                     (unsigned long long) pack->number);
    return rc;
}
