#include "commands/fetch_keep.h"

static struct slice keep_text(struct arena *arena, struct slice text)
{
    return text.len > 0 ? arena_dup(arena, text) : SLICE("");
}

static void keep_section(struct arena *arena, struct imap_section *section)
{
    struct slice *fields = ARENA_ARRAY(arena, struct slice, section->n_fields);
    uint32_t *parts = ARENA_ARRAY(arena, uint32_t, section->n_parts);

    for (size_t i = 0; i < section->n_fields; i++)
        fields[i] = keep_text(arena, section->fields[i]);
    if (section->n_parts > 0)
        memcpy(parts, section->parts, section->n_parts * sizeof(*parts));
    section->fields = fields;
    section->parts = parts;
}

static void keep_query(struct arena *arena, const struct imap_annotation_query **query)
{
    struct imap_annotation_query *kept;
    struct slice *entries;

    if (*query == NULL)
        return;
    kept = ARENA_NEW(arena, struct imap_annotation_query);
    *kept = **query;
    entries = ARENA_ARRAY(arena, struct slice, kept->n_entries);
    for (size_t i = 0; i < kept->n_entries; i++)
        entries[i] = keep_text(arena, (*query)->entries[i]);
    kept->entries = entries;
    *query = kept;
}

struct imap_fetch_args fetch_keep(const struct imap_fetch_item *items, size_t n, uint32_t kinds,
                                  struct arena *arena)
{
    struct imap_fetch_item *kept = ARENA_ARRAY(arena, struct imap_fetch_item, n);

    for (size_t i = 0; i < n; i++) {
        kept[i] = items[i];
        keep_section(arena, &kept[i].section);
        keep_query(arena, &kept[i].annotations);
    }
    return (struct imap_fetch_args){.items = kept, .n = n, .kinds = kinds};
}
