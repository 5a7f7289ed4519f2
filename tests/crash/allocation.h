/*
 * allocation.h - malloc and its kin, of which the n-th answers that there is no memory.
 */
#ifndef ROOST_TESTS_CRASH_ALLOCATION_H
#define ROOST_TESTS_CRASH_ALLOCATION_H

#include <stdbool.h>
#include <stdint.h>

#define ALLOCATION_NAME "no memory"

/* False where a sanitizer brings its own allocator. */
bool allocation_can_fail(void);
/* From now on: the n-th fails once. 0: none. Counting begins at 1 with each call. */
void allocation_fail_at(uint64_t n);
/* Allocations counted so far, by all children of this process too. */
uint64_t allocation_count(void);

#endif
