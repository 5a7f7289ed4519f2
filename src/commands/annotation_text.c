#include "commands/annotation_text.h"

#include <stdio.h>

#include "imap/print.h"

#define SIZE_TEXT_BYTES 24u

/* ---- sources ---- */

struct annotation_source annotation_source_of(const struct reader *reader,
                                              const struct mbox *mbox, uint32_t uid)
{
    struct annotation_source source = {0};

    source.shared = mbox_annotations(mbox, uid, 0, &source.n_shared);
    if (reader->account != 0)
        source.own = mbox_annotations(mbox, uid, reader->account, &source.n_own);
    return source;
}

struct annotation_source annotation_source_of_kept(const struct reader *reader,
                                                   const struct kept_message *kept)
{
    struct annotation_source source = {0};

    source.shared = kept_annotations(kept, 0, &source.n_shared);
    if (reader->account != 0)
        source.own = kept_annotations(kept, reader->account, &source.n_own);
    return source;
}

/* The entry, unless it is nil. */
static const struct annotation *find(const struct annotation *entries, size_t n,
                                     struct slice name)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (slice_cmp(entries[mid].entry, name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low < n && slice_eq(entries[low].entry, name) && !entries[low].is_nil ? &entries[low]
                                                                                 : NULL;
}

/* ---- what is asked for ---- */

struct annotation_query annotation_query_make(const struct imap_annotation_query *asked,
                                              struct arena *arena)
{
    struct annotation_query query = {
        .asked = asked, .patterns = ARENA_ARRAY(arena, struct list_pattern, asked->n_entries)};

    for (size_t i = 0; i < asked->n_entries; i++)
        list_pattern_init(&query.patterns[i], SLICE(""), asked->entries[i], arena);
    return query;
}

static bool is_wild(struct slice entry)
{
    return slice_find(entry, '*') < entry.len || slice_find(entry, '%') < entry.len;
}

static bool asks(const struct annotation_query *query, enum imap_annotation_attribute priv,
                 enum imap_annotation_attribute shared, bool of_shared)
{
    for (size_t i = 0; i < query->asked->n_attributes; i++) {
        if (query->asked->attributes[i] == (of_shared ? shared : priv))
            return true;
    }
    return false;
}

static bool asks_for(const struct annotation_query *query, bool of_shared)
{
    return asks(query, IMAP_ANNOTATION_VALUE_PRIV, IMAP_ANNOTATION_VALUE_SHARED, of_shared) ||
           asks(query, IMAP_ANNOTATION_SIZE_PRIV, IMAP_ANNOTATION_SIZE_SHARED, of_shared);
}

/* Was the entry meant by something before the i-th? */
static bool is_said(const struct annotation_query *query, size_t i, struct slice name)
{
    for (size_t k = 0; k < i; k++) {
        if (list_pattern_matches(&query->patterns[k], name))
            return true;
    }
    return false;
}

/* ---- writing ---- */

struct answer {
    const struct annotation_query *query;
    const struct annotation_source *source;
    struct imap_mode mode;
    struct buf *out;
    bool any;
};

static void say_size(const struct answer *answer, const struct annotation *entry)
{
    char text[SIZE_TEXT_BYTES];

    (void) snprintf(text, sizeof(text), "%zu", entry != NULL ? entry->value.len : 0);
    imap_print_string(answer->out, slice_from_str(text), answer->mode);
}

static void say_value(const struct answer *answer, const struct annotation *entry)
{
    if (entry == NULL)
        imap_print_nil(answer->out);
    else
        imap_print_value(answer->out, entry->value, answer->mode);
}

static void say_attribute(const struct answer *answer, enum imap_annotation_attribute attribute,
                          const struct annotation *own, const struct annotation *shared)
{
    switch (attribute) {
    case IMAP_ANNOTATION_VALUE_PRIV:
        buf_str(answer->out, "value.priv ");
        say_value(answer, own);
        break;
    case IMAP_ANNOTATION_VALUE_SHARED:
        buf_str(answer->out, "value.shared ");
        say_value(answer, shared);
        break;
    case IMAP_ANNOTATION_SIZE_PRIV:
        buf_str(answer->out, "size.priv ");
        say_size(answer, own);
        break;
    case IMAP_ANNOTATION_SIZE_SHARED:
        buf_str(answer->out, "size.shared ");
        say_size(answer, shared);
        break;
    }
}

static void say_entry(struct answer *answer, struct slice name)
{
    const struct annotation *own = find(answer->source->own, answer->source->n_own, name);
    const struct annotation *shared =
        find(answer->source->shared, answer->source->n_shared, name);
    const struct imap_annotation_query *asked = answer->query->asked;

    buf_byte(answer->out, answer->any ? ' ' : '(');
    answer->any = true;
    imap_print_astring(answer->out, name, answer->mode);
    for (size_t i = 0; i < asked->n_attributes; i++) {
        buf_str(answer->out, i == 0 ? " (" : " ");
        say_attribute(answer, asked->attributes[i], own, shared);
    }
    buf_byte(answer->out, ')');
}

/* Entries of both that the i-th pattern means, in order of names. */
static void say_matching(struct answer *answer, size_t i)
{
    const struct annotation_source *source = answer->source;
    size_t n_own = asks_for(answer->query, false) ? source->n_own : 0, own = 0;
    size_t n_shared = asks_for(answer->query, true) ? source->n_shared : 0, shared = 0;

    while (own < n_own || shared < n_shared) {
        int order = own == n_own ? 1
                    : shared == n_shared
                        ? -1
                        : slice_cmp(source->own[own].entry, source->shared[shared].entry);
        struct slice name = order <= 0 ? source->own[own].entry : source->shared[shared].entry;
        bool present = (order <= 0 && !source->own[own].is_nil) ||
                       (order >= 0 && !source->shared[shared].is_nil);

        if (present && list_pattern_matches(&answer->query->patterns[i], name) &&
            !is_said(answer->query, i, name))
            say_entry(answer, name);
        own += order <= 0;
        shared += order >= 0;
    }
}

bool annotation_text_list(const struct annotation_query *query,
                          const struct annotation_source *source, struct imap_mode mode,
                          struct buf *out)
{
    struct answer answer = {.query = query, .source = source, .mode = mode, .out = out};

    for (size_t i = 0; i < query->asked->n_entries; i++) {
        if (is_wild(query->asked->entries[i]))
            say_matching(&answer, i);
        else if (!is_said(query, i, query->asked->entries[i]))
            say_entry(&answer, query->asked->entries[i]);
    }
    if (answer.any)
        buf_byte(out, ')');
    return answer.any;
}

/* The first entry from *at on that changed; NULL: none. */
static const struct annotation *next_changed(const struct annotation *entries, size_t n,
                                             size_t *at, uint64_t since, uint64_t except)
{
    while (*at < n && (entries[*at].modseq <= since || entries[*at].modseq == except))
        (*at)++;
    return *at < n ? &entries[*at] : NULL;
}

void annotation_text_names(const struct annotation_source *source, uint64_t since,
                           uint64_t except, struct imap_mode mode, struct buf *out)
{
    size_t own_at = 0, shared_at = 0;
    bool any = false;

    for (;;) {
        const struct annotation *own =
            next_changed(source->own, source->n_own, &own_at, since, except);
        const struct annotation *shared =
            next_changed(source->shared, source->n_shared, &shared_at, since, except);
        int order = own == NULL      ? 1
                    : shared == NULL ? -1
                                     : slice_cmp(own->entry, shared->entry);

        if (own == NULL && shared == NULL)
            break;
        buf_str(out, any ? " " : " ANNOTATION (");
        any = true;
        imap_print_astring(out, order <= 0 ? own->entry : shared->entry, mode);
        own_at += order <= 0;
        shared_at += order >= 0;
    }
    if (any)
        buf_byte(out, ')');
}
