/* fuzz_segment.c - a segment of the search index whose bytes are anything: it is refused, or
 * answers; and merges with itself or not. */
// links: search store_memory
#include "search/bits.h"
#include "search/text_segment_build.h"
#include "search/word_ask.h"
#include "store/memory/memory_engine.h"

#define ACCOUNT  3u
#define SPAN_MAX 5000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool goes_on(void *ctx)
{
    (void) ctx;
    return true;
}

static void ask_field(const struct text_segment *segment, enum text_segment_field field,
                      struct slice needle, uint64_t *bits)
{
    AUTO(freep)
    uint64_t *done =
        xcalloc(BITS_WORDS(text_segment_blocks(segment, field)) + 1, sizeof(*done));
    uint32_t span = text_segment_span(segment);
    uint64_t work = 0;
    struct err err;

    if (text_segment_may_have(segment, field, needle, bits, &work, &err) != RC_OK ||
        text_segment_find_field(segment, field, needle, span / 2, span - span / 2, done, bits,
                                &work, &err) != RC_OK ||
        text_segment_find_field(segment, field, needle, 0, span, done, bits, &work, &err) !=
            RC_OK)
        return;
}

static void ask(const struct text_segment *segment)
{
    static const char *const needles[] = {"ABC", "HOST.EXAMPLE", "", "A"};
    uint32_t span = text_segment_span(segment);
    AUTO(freep) uint64_t *bits = xcalloc(BITS_WORDS(span) + 1, sizeof(*bits));
    AUTO(freep) int32_t *days = xcalloc(span, sizeof(*days));
    uint64_t work = 0;
    struct err err;

    for (size_t i = 0; i < COUNT(needles); i++) {
        struct slice needle = slice_from_str(needles[i]);

        for (unsigned dict = 0; dict < SEGMENT_DICTS && needle.len >= 3; dict++)
            if (text_segment_find(segment, (enum text_segment_dict) dict, needle, bits, &work,
                                  &err) != RC_OK)
                continue;
        for (unsigned field = 0; field < SEGMENT_FIELDS; field++)
            ask_field(segment, (enum text_segment_field) field, needle, bits);
    }
    if (text_segment_days(segment, days, &work, &err) != RC_OK)
        return;
}

static void ask_words(const struct text_segment *segment)
{
    static const uint8_t weights[WORD_PLACES] = {90, 90, 90, 90, 100, 60, 85};
    static const char *const texts[] = {"exampel", "one mial more than two", "\xe6\x9d\xb1"};
    uint32_t span = text_segment_span(segment);
    AUTO(arena_freep) struct arena *arena = arena_new((size_t) 1 << 20);
    AUTO(freep) uint64_t *bits = xcalloc(BITS_WORDS(span), sizeof(*bits));
    AUTO(freep) uint8_t *scores = xcalloc(span, sizeof(*scores));

    for (size_t i = 0; i < COUNT(texts); i++) {
        const struct fuzzy *fuzzy = fuzzy_new(slice_from_str(texts[i]), arena);
        struct word_ask *ask = word_ask_new(segment, fuzzy, weights, bits, scores);
        uint64_t work = 0;
        struct err err;

        while (word_ask_go(ask, 0, &work, &err) == RC_MORE)
            work = 0;
        word_ask_free(ask);
    }
}

/* The first two bytes: how many ids it says it is of. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct memory_engine_options options = {.no_conflict = true};
    struct commit_group group = {.account = ACCOUNT, .records = SLICE("x")};
    struct derived_name name = {SEGMENT_KIND, 1, 0};
    struct derived_writer *writer = NULL;
    struct text_segment *segment = NULL;
    struct engine *engine;
    uint64_t position;
    struct err err;
    enum rc rc;

    if (size < 2)
        return 0;
    name.to = 2 + (uint64_t) (data[0] | data[1] << 8) % SPAN_MAX;
    engine = memory_engine_new(&options);
    rc = engine->ops->commit(engine, &group, 1, &position, &err);
    if (!rc)
        rc = engine->ops->derived_begin(engine, ACCOUNT, &name, &writer, &err);
    if (!rc)
        rc = engine->ops->derived_write(writer, slice_of(data + 2, size - 2), &err);
    if (!rc)
        rc = engine->ops->derived_finish(writer, &err);
    if (!rc && text_segment_open(engine, ACCOUNT, &name, &segment, &err) == RC_OK) {
        ask(segment);
        ask_words(segment);
        rc = text_segment_merge(&segment, 1, engine, ACCOUNT, goes_on, NULL, &err);
    }
    text_segment_free(segment);
    engine->ops->close(engine);
    return 0;
}
