/*
 * allocation.c - see allocation.h. glibc's allocator stays behind its other names, so nothing
 * has to be looked up before the first allocation.
 */
#include "allocation.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/err.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_ALLOCATOR 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OWN_ALLOCATOR 0
#endif
#endif
#ifndef OWN_ALLOCATOR
#define OWN_ALLOCATOR 1
#endif

static _Atomic uint64_t fail_at;       /* counts down; 0: none is to fail */
static _Atomic uint64_t *shared_count; /* of this process and its children */

bool allocation_can_fail(void)
{
    return OWN_ALLOCATOR != 0;
}

void allocation_fail_at(uint64_t n)
{
    atomic_store(&fail_at, n);
}

uint64_t allocation_count(void)
{
    if (shared_count == NULL) {
        void *ptr = mmap(NULL, sizeof(*shared_count), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        if (ptr == MAP_FAILED)
            die("no memory");
        shared_count = ptr;
    }
    return atomic_load(shared_count);
}

#if OWN_ALLOCATOR
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static bool fails(void)
{
    uint64_t n = atomic_load(&fail_at);

    if (n == 0)
        return false;
    if (shared_count != NULL)
        (void) atomic_fetch_add(shared_count, 1);
    n = atomic_fetch_sub(&fail_at, 1);
    if (n != 1)
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    return fails() ? NULL : __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *ptr;

    if (fails())
        return ENOMEM;
    ptr = __libc_memalign(alignment, size);
    if (ptr == NULL)
        return ENOMEM;
    *out = ptr;
    return 0;
}
#endif
