/*
 * arena.h - memory that is freed all at once: one command's arguments, one message's parse.
 *
 * An arena has a maximum, counted over all its blocks; going past it is a bug of the caller,
 * who checks sizes from outside against their own limits first, so it ends the process. Where a
 * stranger decides the size, arena_try() answers NULL instead.
 */
#ifndef ROOST_BASE_ARENA_H
#define ROOST_BASE_ARENA_H

#include "base/slice.h"

#define ARENA_TEST_BYTES ((size_t) 64 << 20)

struct arena;

struct arena_mark {
    const void *block;
    size_t used;
    size_t total;
};

struct arena *arena_new(size_t max_bytes);
void arena_free(struct arena *arena);
void arena_freep(struct arena **arena);

/* Aligned for any type, not cleared. size 0 gives a unique pointer. Never NULL. */
void *arena_alloc(struct arena *arena, size_t size);
/* Cleared. n * size may not overflow. */
void *arena_calloc(struct arena *arena, size_t n, size_t size);
/* As arena_alloc, but NULL when the maximum is reached. */
void *arena_try(struct arena *arena, size_t size);

#define ARENA_NEW(arena, type)      ((type *) arena_calloc((arena), 1, sizeof(type)))
#define ARENA_ARRAY(arena, type, n) ((type *) arena_calloc((arena), (n), sizeof(type)))

/* A copy that lives in the arena. */
struct slice arena_dup(struct arena *arena, struct slice s);
/* The same with a NUL behind it, for system calls; a NUL inside s ends it early there. */
char *arena_cstr(struct arena *arena, struct slice s);
char *arena_printf(struct arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Bytes handed out so far. */
size_t arena_used(const struct arena *arena);
/* Forget everything; keeps the first block for reuse. */
void arena_reset(struct arena *arena);
/* Go back to an earlier point; what was allocated since is gone. */
struct arena_mark arena_mark(const struct arena *arena);
void arena_rewind(struct arena *arena, struct arena_mark mark);

#endif
