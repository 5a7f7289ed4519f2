#include "search/sort_order.h"

#include "search/sort_items.h"

static uint64_t key_of(const struct sort_keys *keys, const uint32_t *ranks,
                       struct key_place place, const struct sort_rule *rule)
{
    const struct key_segment *segment = keys->segments[place.segment];

    switch (rule->by) {
    case SORT_BY_ARRIVAL:
        return sort_key_signed(segment->arrival[place.row]);
    case SORT_BY_SENT:
        return sort_key_signed(segment->sent[place.row]);
    case SORT_BY_SIZE:
        return segment->size[place.row];
    case SORT_BY_TEXT:
        return sort_keys_rank(keys, ranks, place, rule->text);
    }
    return 0;
}

/* The last rule first: each sort keeps what is equal in the order of those behind it. */
void sort_order(struct sort_keys *keys, const struct key_place *places, uint32_t n,
                const struct sort_rule *rules, size_t n_rules, uint32_t *out)
{
    AUTO(freep) struct sort_item *items = xmalloc(((size_t) n + 1) * sizeof(*items));
    AUTO(freep) struct sort_item *room = xmalloc(((size_t) n + 1) * sizeof(*room));

    for (uint32_t i = 0; i < n; i++)
        items[i] = (struct sort_item){0, i};
    for (size_t rule = n_rules; rule > 0; rule--) {
        const struct sort_rule *by = &rules[rule - 1];
        const uint32_t *ranks = by->by == SORT_BY_TEXT ? sort_keys_ranks(keys) : NULL;
        uint64_t turn = by->reverse ? UINT64_MAX : 0;

        for (uint32_t i = 0; i < n; i++)
            items[i].key = key_of(keys, ranks, places[items[i].at], by) ^ turn;
        sort_items(items, room, n);
    }
    for (uint32_t i = 0; i < n; i++)
        out[i] = items[i].at;
}
