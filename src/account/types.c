#include "account/types.h"

#include <assert.h>

#include "base/random.h"

#define RUNS_FIRST 16u

bool object_id_is_zero(const struct object_id *id)
{
    static const struct object_id zero;

    return memcmp(id, &zero, sizeof(zero)) == 0;
}

struct object_id object_id_new(void)
{
    struct object_id id;

    do
        random_bytes(id.bytes, sizeof(id.bytes));
    while (object_id_is_zero(&id));
    return id;
}

/* RFC 4648 section 5, the URL-safe alphabet, without padding: 128 bits are 22 characters. */
static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void object_id_print(char letter, const struct object_id *id, char out[OBJECT_ID_TEXT_BYTES])
{
    uint32_t bits = 0;
    unsigned n_bits = 0;
    size_t len = 0;

    out[len++] = letter;
    for (size_t i = 0; i < sizeof(id->bytes); i++) {
        bits = (bits << 8 | id->bytes[i]) & 0xffffu;
        n_bits += 8;
        while (n_bits >= 6) {
            n_bits -= 6;
            out[len++] = alphabet[(bits >> n_bits) & 0x3f];
        }
    }
    out[len++] = alphabet[(bits << (6 - n_bits)) & 0x3f];
    out[len] = '\0';
}

bool object_id_parse(char letter, struct slice text, struct object_id *out)
{
    char printed[OBJECT_ID_TEXT_BYTES];
    struct object_id id = {0};
    uint32_t bits = 0;
    unsigned n_bits = 0;
    size_t n = 0;

    if (text.len != OBJECT_ID_TEXT_BYTES - 1)
        return false;
    for (size_t i = 1; i < text.len; i++) {
        const char *at = memchr(alphabet, text.ptr[i], sizeof(alphabet) - 1);

        if (at == NULL)
            return false;
        bits = (bits << 6 | (uint32_t) (at - alphabet)) & 0xffffu;
        n_bits += 6;
        if (n_bits < 8 || n == sizeof(id.bytes))
            continue;
        n_bits -= 8;
        id.bytes[n++] = (uint8_t) (bits >> n_bits);
    }
    object_id_print(letter, &id, printed); /* the letter, and the bits that say nothing */
    *out = id;
    return memcmp(printed, text.ptr, text.len) == 0;
}

size_t uid_set_run_at(const struct uid_set *set, uint32_t uid)
{
    size_t low = 0, high = set->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (set->runs[mid].last < uid)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

bool uid_set_contains_run(const struct uid_set *set, struct uid_run run)
{
    size_t at = uid_set_run_at(set, run.last);

    return at < set->n && set->runs[at].first <= run.first;
}

bool uid_set_contains(const struct uid_set *set, uint32_t uid)
{
    return uid_set_contains_run(set, (struct uid_run){uid, uid});
}

uint64_t uid_set_span(const struct uid_set *set)
{
    uint64_t span = 0;

    for (size_t i = 0; i < set->n; i++)
        span += (uint64_t) set->runs[i].last - set->runs[i].first + 1;
    return span;
}

void uid_set_start(struct uid_set_builder *builder, struct arena *arena)
{
    *builder = (struct uid_set_builder){.arena = arena};
}

void uid_set_grow(struct uid_set_builder *builder)
{
    size_t cap = MAX(builder->cap * 2, (size_t) RUNS_FIRST);
    struct uid_run *runs = arena_alloc(builder->arena, cap * sizeof(*runs));

    if (builder->n > 0)
        memcpy(runs, builder->runs, builder->n * sizeof(*runs));
    builder->runs = runs;
    builder->cap = cap;
}

struct uid_set uid_set_finish(const struct uid_set_builder *builder)
{
    return (struct uid_set){builder->runs, builder->n};
}

struct uid_set uid_set_common(const struct uid_set *a, const struct uid_set *b,
                              struct arena *arena)
{
    struct uid_set_builder both;
    size_t i = 0, j = 0;

    uid_set_start(&both, arena);
    while (i < a->n && j < b->n) {
        uint32_t first = MAX(a->runs[i].first, b->runs[j].first);
        uint32_t last = MIN(a->runs[i].last, b->runs[j].last);

        if (first <= last)
            uid_set_add_run(&both, first, last);
        if (a->runs[i].last < b->runs[j].last)
            i++;
        else
            j++;
    }
    return uid_set_finish(&both);
}

struct uid_set uid_set_without(const struct uid_set *from, const struct uid_set *of,
                               struct arena *arena)
{
    struct uid_set_builder left;
    size_t j = 0;

    uid_set_start(&left, arena);
    for (size_t i = 0; i < from->n; i++) {
        uint64_t first = from->runs[i].first, last = from->runs[i].last;

        while (j < of->n && of->runs[j].last < first)
            j++;
        for (size_t k = j; k < of->n && of->runs[k].first <= last; k++) {
            if (of->runs[k].first > first)
                uid_set_add_run(&left, (uint32_t) first, of->runs[k].first - 1);
            first = (uint64_t) of->runs[k].last + 1;
        }
        if (first <= last)
            uid_set_add_run(&left, (uint32_t) first, (uint32_t) last);
    }
    return uid_set_finish(&left);
}

struct uid_set uid_set_ranks(const struct uid_set *set, uint64_t n, uint64_t m,
                             struct arena *arena)
{
    struct uid_set_builder part;
    uint64_t before = 0;

    uid_set_start(&part, arena);
    for (size_t i = 0; i < set->n && before < m; i++) {
        const struct uid_run *run = &set->runs[i];
        uint64_t len = (uint64_t) run->last - run->first + 1;
        uint64_t from = n > before ? n - before : 1, to = MIN(m - before, len);

        if (from <= to)
            uid_set_add_run(&part, (uint32_t) (run->first + from - 1),
                            (uint32_t) (run->first + to - 1));
        before += len;
    }
    return uid_set_finish(&part);
}
