#include "search/leaf.h"

#include "mime/text.h"
#include "search/bits.h"

#define TRIGRAM_BYTES  3u
#define NAME_MAX_BYTES 256u /* of a field; the beginning of a longer one prunes as well */

static const struct {
    enum imap_key key;
    struct slice name;
    enum text_segment_field field;
} fields[] = {
    {IMAP_KEY_FROM,    {"From", 4},    SEGMENT_FROM   },
    {IMAP_KEY_TO,      {"To", 2},      SEGMENT_TO     },
    {IMAP_KEY_CC,      {"Cc", 2},      SEGMENT_CC     },
    {IMAP_KEY_BCC,     {"Bcc", 3},     SEGMENT_BCC    },
    {IMAP_KEY_SUBJECT, {"Subject", 7}, SEGMENT_SUBJECT},
};

static bool find_field(const struct imap_search_key *key, enum text_segment_field *out)
{
    for (size_t i = 0; i < COUNT(fields); i++) {
        if (key->kind != fields[i].key &&
            (key->kind != IMAP_KEY_HEADER || !slice_eq_nocase(key->field, fields[i].name)))
            continue;
        *out = fields[i].field;
        return true;
    }
    return false;
}

/* A field stands in the text as "Name: value". */
static struct slice name_needle(struct slice name, struct arena *arena)
{
    AUTO(buf_done) struct buf mapped = {0};

    name = slice_sub(name, 0, NAME_MAX_BYTES);
    buf_init(&mapped, (size_t) NEEDLE_FACTOR * NAME_MAX_BYTES + 1);
    mime_casemap(name, &mapped);
    if (name.len < NAME_MAX_BYTES)
        buf_byte(&mapped, ':');
    return arena_dup(arena, buf_slice(&mapped));
}

static struct leaf leaf_of_header(const struct plan_node *node, struct arena *arena)
{
    struct leaf leaf = {.needle = node->needle.mapped};

    if (!needle_may_prune(&node->needle))
        leaf.needle = SLICE(""); /* that there is such a field is all the index can say */
    if (find_field(node->key, &leaf.field)) {
        leaf.kind = LEAF_FIELD;
        leaf.is_exact = needle_is_casemapped(&node->needle);
        return leaf;
    }
    leaf.name = name_needle(node->key->field, arena);
    if (leaf.needle.len >= TRIGRAM_BYTES || leaf.name.len >= TRIGRAM_BYTES)
        leaf.kind = LEAF_HEADER;
    return leaf;
}

static struct leaf leaf_of_text(const struct plan_node *node, enum leaf_kind kind)
{
    struct leaf leaf = {.needle = node->needle.mapped};

    leaf.is_exact = leaf.needle.len == TRIGRAM_BYTES && needle_is_casemapped(&node->needle);
    if (leaf.needle.len >= TRIGRAM_BYTES && needle_may_prune(&node->needle))
        leaf.kind = kind;
    return leaf;
}

static struct leaf leaf_of_day(int32_t from, int32_t to)
{
    return (struct leaf){.kind = LEAF_DAY, .from_day = from, .to_day = to, .is_exact = true};
}

struct leaf leaf_of(const struct plan_node *node, struct arena *arena)
{
    int32_t day = node->key->day;
    int32_t next = day < INT32_MAX ? day + 1 : day;

    if (node->fuzzy != NULL)
        return (struct leaf){
            .kind = LEAF_WORDS, .node = node, .is_exact = !node->weights.is_one_field};
    switch (node->key->kind) {
    case IMAP_KEY_BCC:
    case IMAP_KEY_CC:
    case IMAP_KEY_FROM:
    case IMAP_KEY_SUBJECT:
    case IMAP_KEY_TO:
    case IMAP_KEY_HEADER:
        return leaf_of_header(node, arena);
    case IMAP_KEY_BODY:
        return leaf_of_text(node, LEAF_BODY);
    case IMAP_KEY_TEXT:
        return leaf_of_text(node, LEAF_TEXT);
    case IMAP_KEY_SENTBEFORE:
        return leaf_of_day(SEGMENT_NO_DAY + 1, day);
    case IMAP_KEY_SENTON:
        return leaf_of_day(day, next);
    case IMAP_KEY_SENTSINCE:
        return leaf_of_day(day, INT32_MAX);
    case IMAP_KEY_ALL:
    case IMAP_KEY_AND:
    case IMAP_KEY_OR:
    case IMAP_KEY_NOT:
    case IMAP_KEY_SEQ:
    case IMAP_KEY_UID:
    case IMAP_KEY_FLAG:
    case IMAP_KEY_KEYWORD:
    case IMAP_KEY_BEFORE:
    case IMAP_KEY_ON:
    case IMAP_KEY_SINCE:
    case IMAP_KEY_LARGER:
    case IMAP_KEY_SMALLER:
    case IMAP_KEY_MODSEQ:
    case IMAP_KEY_EMAILID:
    case IMAP_KEY_THREADID:
    case IMAP_KEY_SAVEDBEFORE:
    case IMAP_KEY_SAVEDON:
    case IMAP_KEY_SAVEDSINCE:
    case IMAP_KEY_OLDER:
    case IMAP_KEY_YOUNGER:
    case IMAP_KEY_ANNOTATION:
        break;
    }
    return (struct leaf){.kind = LEAF_NONE};
}

/* ---- asking ---- */

const uint64_t *leaf_uncovered(const struct leaf *leaf, const struct text_segment *segment)
{
    return leaf->kind == LEAF_WORDS ? text_segment_wordless(segment)
                                    : text_segment_uncovered(segment);
}

static enum rc ask_text(const struct leaf *leaf, const struct text_segment *segment,
                        uint64_t *bits, uint64_t *work, struct err *err)
{
    size_t words = BITS_WORDS(text_segment_span(segment));
    AUTO(freep) uint64_t *more = xmalloc(words * sizeof(*more));
    enum rc rc = text_segment_find(segment, SEGMENT_HEADER, leaf->needle, bits, work, err);

    if (!rc)
        rc = text_segment_find(segment, SEGMENT_BODY, leaf->needle, more, work, err);
    if (!rc)
        bits_or(bits, more, words);
    return rc;
}

static enum rc ask_header(const struct leaf *leaf, const struct text_segment *segment,
                          uint64_t *bits, uint64_t *work, struct err *err)
{
    size_t words = BITS_WORDS(text_segment_span(segment));
    bool has_needle = leaf->needle.len >= TRIGRAM_BYTES;
    bool has_name = leaf->name.len >= TRIGRAM_BYTES;
    AUTO(freep) uint64_t *more = xmalloc(words * sizeof(*more));
    enum rc rc = text_segment_find(segment, SEGMENT_HEADER,
                                   has_needle ? leaf->needle : leaf->name, bits, work, err);

    if (rc || !has_needle || !has_name)
        return rc;
    rc = text_segment_find(segment, SEGMENT_HEADER, leaf->name, more, work, err);
    if (!rc)
        bits_and(bits, more, words);
    return rc;
}

static enum rc ask_day(const struct leaf *leaf, const struct text_segment *segment,
                       uint64_t *bits, uint64_t *work, struct err *err)
{
    uint32_t span = text_segment_span(segment);
    AUTO(freep) int32_t *days = xcalloc(span, sizeof(*days));
    enum rc rc = text_segment_days(segment, days, work, err);

    if (rc)
        return rc;
    bits_clear(bits, BITS_WORDS(span));
    for (uint32_t i = 0; i < span; i++) {
        bool is =
            days[i] != SEGMENT_NO_DAY && days[i] >= leaf->from_day && days[i] < leaf->to_day;

        bits[i / 64] |= (uint64_t) is << (i % 64);
    }
    return RC_OK;
}

enum rc leaf_ask(const struct leaf *leaf, const struct text_segment *segment, uint64_t *bits,
                 uint64_t *work, struct err *err)
{
    switch (leaf->kind) {
    case LEAF_TEXT:
        return ask_text(leaf, segment, bits, work, err);
    case LEAF_BODY:
        return text_segment_find(segment, SEGMENT_BODY, leaf->needle, bits, work, err);
    case LEAF_HEADER:
        return ask_header(leaf, segment, bits, work, err);
    case LEAF_FIELD:
        return text_segment_may_have(segment, leaf->field, leaf->needle, bits, work, err);
    case LEAF_DAY:
        return ask_day(leaf, segment, bits, work, err);
    case LEAF_WORDS:
    case LEAF_NONE:
        break;
    }
    return err_set(err, RC_INVALID, "No index of this", "leaf: no kind");
}

enum rc leaf_ask_field(const struct leaf *leaf, const struct text_segment *segment,
                       uint32_t first, uint32_t n, uint64_t *done, uint64_t *bits,
                       uint64_t *work, struct err *err)
{
    return text_segment_find_field(segment, leaf->field, leaf->needle, first, n, done, bits,
                                   work, err);
}
