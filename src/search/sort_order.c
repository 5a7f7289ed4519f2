#include "search/sort_order.h"

#include "mime/text.h"
#include "search/needle.h"
#include "search/sort_items.h"

#define VALUES_MAX_BYTES ((size_t) NEEDLE_FACTOR * ANNOTATIONS_MAILBOX_MAX_BYTES)

/* Where the casemapped value is in the buffer. */
struct annotation_text {
    size_t start, len;
    bool is_there;
};

static void casemap_values(const struct sort_annotation *by, uint32_t n,
                           struct annotation_text *texts, struct buf *out)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct annotation *annotation =
            mbox_annotation(by->mbox, by->uids[i], by->reader, by->entry);

        texts[i] = (struct annotation_text){.start = out->len, .is_there = annotation != NULL};
        if (annotation != NULL)
            mime_casemap(annotation->value, out);
        texts[i].len = out->len - texts[i].start;
    }
}

/* From 1; 0: there is none. Heap. */
static uint32_t *annotation_ranks(const struct sort_annotation *by, uint32_t n)
{
    AUTO(freep) struct annotation_text *texts = xcalloc((size_t) n + 1, sizeof(*texts));
    AUTO(freep) struct slice *slices = xcalloc((size_t) n + 1, sizeof(*slices));
    uint32_t *ranks = xcalloc((size_t) n + 1, sizeof(*ranks));
    AUTO(buf_done) struct buf values = {0};

    buf_init(&values, VALUES_MAX_BYTES);
    casemap_values(by, n, texts, &values);
    for (uint32_t i = 0; i < n; i++)
        slices[i] = slice_sub(buf_slice(&values), texts[i].start, texts[i].len);
    sort_ranks(slices, n, ranks);
    for (uint32_t i = 0; i < n; i++)
        ranks[i] = texts[i].is_there ? ranks[i] + 1 : 0;
    return ranks;
}

static uint64_t key_of(const struct key_rows *rows, const uint32_t *ranks, uint32_t at,
                       const struct sort_rule *rule)
{
    switch (rule->by) {
    case SORT_BY_ARRIVAL:
        return sort_key_signed(rows->arrival[at]);
    case SORT_BY_SENT:
        return sort_key_signed(rows->sent[at]);
    case SORT_BY_SIZE:
        return rows->size[at];
    case SORT_BY_TEXT:
    case SORT_BY_ANNOTATION:
        return ranks[at];
    case SORT_BY_SCORE:
        return rule->scores != NULL ? UINT8_MAX - rule->scores[at] : 0;
    }
    return 0;
}

/* The last rule first: each sort keeps what is equal in the order of those behind it. */
void sort_order(const struct key_rows *rows, const struct sort_rule *rules, size_t n_rules,
                uint32_t *out)
{
    AUTO(freep) struct sort_item *items = xmalloc(((size_t) rows->n + 1) * sizeof(*items));
    AUTO(freep) struct sort_item *room = xmalloc(((size_t) rows->n + 1) * sizeof(*room));

    for (uint32_t i = 0; i < rows->n; i++)
        items[i] = (struct sort_item){0, i};
    for (size_t rule = n_rules; rule > 0; rule--) {
        const struct sort_rule *by = &rules[rule - 1];
        AUTO(freep) uint32_t *ranks = NULL;
        uint64_t turn = by->reverse ? UINT64_MAX : 0;
        uint32_t n_ranks;

        if (by->by == SORT_BY_TEXT)
            ranks = key_rows_ranks(rows, by->text, &n_ranks);
        else if (by->by == SORT_BY_ANNOTATION)
            ranks = annotation_ranks(&by->annotation, rows->n);
        for (uint32_t i = 0; i < rows->n; i++)
            items[i].key = key_of(rows, ranks, items[i].at, by) ^ turn;
        sort_items(items, room, rows->n);
    }
    for (uint32_t i = 0; i < rows->n; i++)
        out[i] = items[i].at;
}
