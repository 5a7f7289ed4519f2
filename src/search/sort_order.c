#include "search/sort_order.h"

#include "search/sort_items.h"

static uint64_t key_of(const struct key_rows *rows, const uint32_t *ranks, uint32_t at,
                       enum sort_by by)
{
    switch (by) {
    case SORT_BY_ARRIVAL:
        return sort_key_signed(rows->arrival[at]);
    case SORT_BY_SENT:
        return sort_key_signed(rows->sent[at]);
    case SORT_BY_SIZE:
        return rows->size[at];
    case SORT_BY_TEXT:
        return ranks[at];
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
        for (uint32_t i = 0; i < rows->n; i++)
            items[i].key = key_of(rows, ranks, items[i].at, by->by) ^ turn;
        sort_items(items, room, rows->n);
    }
    for (uint32_t i = 0; i < rows->n; i++)
        out[i] = items[i].at;
}
