#include "ipc/crash_page.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

/* Relaxed: the reader looks after the writer has died; a slot is true of its thread alone. */
struct crash_page {
    _Atomic uint64_t slots[CRASH_PAGE_SLOTS];
};

static enum rc map_page(int fd, struct crash_page **out, struct err *err)
{
    void *mem =
        mmap(NULL, sizeof(struct crash_page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (mem == MAP_FAILED)
        return err_set(err, RC_IO, "Internal error", "crash page: mmap: %s", strerror(errno));
    *out = mem;
    return RC_OK;
}

enum rc crash_page_new(struct crash_page **out, int *out_fd, struct err *err)
{
    AUTO(closep) int fd = memfd_create("roost-crash-page", MFD_CLOEXEC);
    enum rc rc;

    if (fd < 0 || ftruncate(fd, sizeof(struct crash_page)) != 0)
        return err_set(err, RC_IO, "Internal error", "crash page: %s", strerror(errno));
    rc = map_page(fd, out, err);
    if (rc)
        return rc;
    *out_fd = fd;
    fd = -1;
    return RC_OK;
}

enum rc crash_page_open(int fd, struct crash_page **out, struct err *err)
{
    off_t len = lseek(fd, 0, SEEK_END);

    if (len < 0 || (size_t) len < sizeof(struct crash_page))
        return err_set(err, RC_INVALID, "Internal error", "crash page: too short");
    return map_page(fd, out, err);
}

void crash_page_free(struct crash_page *page)
{
    if (page != NULL)
        (void) munmap(page, sizeof(*page)); /* the mapping was made with this length */
}

void crash_page_note(struct crash_page *page, size_t slot, uint64_t account)
{
    if (page != NULL)
        atomic_store_explicit(&page->slots[MIN(slot, (size_t) CRASH_PAGE_SLOTS - 1)], account,
                              memory_order_relaxed);
}

static bool contains(const uint64_t *ids, size_t n, uint64_t id)
{
    for (size_t i = 0; i < n; i++) {
        if (ids[i] == id)
            return true;
    }
    return false;
}

size_t crash_page_read(const struct crash_page *page, uint64_t out[CRASH_PAGE_SLOTS])
{
    size_t n = 0;

    for (size_t i = 0; i < CRASH_PAGE_SLOTS; i++) {
        uint64_t id = atomic_load_explicit(&page->slots[i], memory_order_relaxed);

        if (id != 0 && !contains(out, n, id))
            out[n++] = id;
    }
    return n;
}

void crash_page_clear(struct crash_page *page)
{
    for (size_t i = 0; i < CRASH_PAGE_SLOTS; i++)
        atomic_store_explicit(&page->slots[i], 0, memory_order_relaxed);
}
