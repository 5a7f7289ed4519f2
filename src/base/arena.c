#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>

#define ARENA_FIRST_BLOCK_BYTES ((size_t) 4096)
#define ARENA_MAX_BLOCK_BYTES   ((size_t) 1 << 20)
#define ARENA_ALIGN             alignof(max_align_t)

struct block {
    struct block *prev;
    size_t size, used; /* of data */
    alignas(max_align_t) char data[];
};

struct arena {
    struct block *top;
    size_t max, total; /* bytes handed out, rounding included */
};

struct arena *arena_new(size_t max_bytes)
{
    struct arena *arena = xcalloc(1, sizeof(*arena));

    arena->max = max_bytes;
    return arena;
}

void arena_free(struct arena *arena)
{
    if (arena == NULL)
        return;
    while (arena->top != NULL) {
        struct block *prev = arena->top->prev;

        free(arena->top);
        arena->top = prev;
    }
    free(arena);
}

void arena_freep(struct arena **arena)
{
    arena_free(*arena);
    *arena = NULL;
}

static void push_block(struct arena *arena, size_t need)
{
    size_t size = arena->top != NULL ? MIN(arena->top->size * 2, ARENA_MAX_BLOCK_BYTES)
                                     : ARENA_FIRST_BLOCK_BYTES - sizeof(struct block);
    struct block *block;

    size = MAX(size, need);
    block = xmalloc(sizeof(*block) + size);
    *block = (struct block){.prev = arena->top, .size = size, .used = 0};
    arena->top = block;
}

void *arena_try(struct arena *arena, size_t size)
{
    char *ptr;

    if (size > arena->max || arena->max - size < arena->total)
        return NULL;
    size = (MAX(size, (size_t) 1) + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);
    if (arena->top == NULL || arena->top->size - arena->top->used < size)
        push_block(arena, size);
    ptr = arena->top->data + arena->top->used;
    arena->top->used += size;
    arena->total += size;
    return ptr;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    void *ptr = arena_try(arena, size);

    if (ptr == NULL)
        die("arena: %zu bytes asked, %zu of %zu used", size, arena->total, arena->max);
    return ptr;
}

void *arena_calloc(struct arena *arena, size_t n, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(n, size, &bytes))
        die("arena: %zu x %zu bytes asked", n, size);
    return memset(arena_alloc(arena, bytes), 0, bytes);
}

struct slice arena_dup(struct arena *arena, struct slice s)
{
    char *copy = arena_alloc(arena, s.len);

    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    return slice_of(copy, s.len);
}

char *arena_cstr(struct arena *arena, struct slice s)
{
    char *copy = arena_alloc(arena, s.len + 1);

    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return copy;
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
    va_list args, again;
    char *text;
    int len;

    va_start(args, fmt);
    va_copy(again, args);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0)
        die("arena_printf: bad format");
    text = arena_alloc(arena, (size_t) len + 1);
    (void) vsnprintf(text, (size_t) len + 1, fmt, again);
    va_end(again);
    return text;
}

size_t arena_used(const struct arena *arena)
{
    return arena->total;
}

void arena_reset(struct arena *arena)
{
    while (arena->top != NULL && arena->top->prev != NULL) {
        struct block *prev = arena->top->prev;

        free(arena->top);
        arena->top = prev;
    }
    if (arena->top != NULL)
        arena->top->used = 0;
    arena->total = 0;
}

struct arena_mark arena_mark(const struct arena *arena)
{
    return (struct arena_mark){.block = arena->top,
                               .used = arena->top != NULL ? arena->top->used : 0,
                               .total = arena->total};
}

void arena_rewind(struct arena *arena, struct arena_mark mark)
{
    while (arena->top != mark.block) {
        struct block *prev = arena->top->prev;

        free(arena->top);
        arena->top = prev;
    }
    if (arena->top != NULL)
        arena->top->used = mark.used;
    arena->total = mark.total;
}
