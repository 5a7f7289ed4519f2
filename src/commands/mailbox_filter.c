#include "commands/mailbox_filter.h"

#include "commands/places.h"
#include "imap/mailbox_name.h"

static int by_bytes(const void *a, const void *b)
{
    const struct slice *x = a, *y = b;

    return slice_cmp(*x, *y);
}

struct imap_mailbox_filter mailbox_filter_keep(const struct imap_mailbox_filter *filter,
                                               struct arena *arena)
{
    struct slice *names = ARENA_ARRAY(arena, struct slice, filter->n_names);

    for (size_t i = 0; i < filter->n_names; i++)
        names[i] = filter->names[i].len > 0 ? arena_dup(arena, filter->names[i]) : SLICE("");
    if (filter->n_names > 0)
        qsort(names, filter->n_names, sizeof(*names), by_bytes);
    return (struct imap_mailbox_filter){filter->kind, names, filter->n_names};
}

/* Position of the first name that is not before this one. */
static size_t name_at(const struct slice *names, size_t n, struct slice name)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (slice_cmp(names[middle], name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool has_name(const struct imap_mailbox_filter *filter, struct slice name)
{
    size_t at = name_at(filter->names, filter->n_names, name);

    return at < filter->n_names && slice_eq(filter->names[at], name);
}

/* The name or one above it. */
static bool has_name_above(const struct imap_mailbox_filter *filter, struct slice name)
{
    for (size_t i = 1; i < name.len; i++)
        if (name.ptr[i] == MAILBOX_SEPARATOR && has_name(filter, slice_sub(name, 0, i)))
            return true;
    return has_name(filter, name);
}

/* The name or the one it lies in. */
static bool has_name_or_parent(const struct imap_mailbox_filter *filter, struct slice name)
{
    size_t end = name.len;

    while (end > 0 && name.ptr[end - 1] != MAILBOX_SEPARATOR)
        end--;
    return has_name(filter, name) || (end > 1 && has_name(filter, slice_sub(name, 0, end - 1)));
}

bool mailbox_filter_means(const struct imap_mailbox_filter *filter, struct slice name,
                          bool subscribed)
{
    switch (filter->kind) {
    case IMAP_FILTER_SELECTED:
    case IMAP_FILTER_SELECTED_DELAYED:
        return false;
    case IMAP_FILTER_INBOXES: /* aliases deliver anywhere: RFC 5465 6.3 */
    case IMAP_FILTER_PERSONAL:
        return name_is_own(name);
    case IMAP_FILTER_SUBSCRIBED:
        return subscribed;
    case IMAP_FILTER_SUBTREE:
        return has_name_above(filter, name);
    case IMAP_FILTER_SUBTREE_ONE:
        return has_name_or_parent(filter, name);
    case IMAP_FILTER_MAILBOXES:
        return has_name(filter, name);
    }
    return false;
}

/* Is top among the names, or does one lie below it? */
static bool has_name_below(const struct slice *names, size_t n, struct slice top)
{
    for (size_t i = name_at(names, n, top); i < n && slice_starts(names[i], top); i++)
        if (names[i].len == top.len || names[i].ptr[top.len] == MAILBOX_SEPARATOR)
            return true;
    return false;
}

bool mailbox_filter_may_mean(const struct imap_mailbox_filter *filter, struct slice top,
                             const struct slice *subscribed, size_t n_subscribed)
{
    bool is_below = has_name_below(filter->names, filter->n_names, top);

    switch (filter->kind) {
    case IMAP_FILTER_SELECTED:
    case IMAP_FILTER_SELECTED_DELAYED:
    case IMAP_FILTER_INBOXES:
    case IMAP_FILTER_PERSONAL:
        return false;
    case IMAP_FILTER_SUBSCRIBED:
        return has_name_below(subscribed, n_subscribed, top);
    case IMAP_FILTER_SUBTREE:
        return is_below || has_name_above(filter, top);
    case IMAP_FILTER_SUBTREE_ONE:
        return is_below || has_name_or_parent(filter, top);
    case IMAP_FILTER_MAILBOXES:
        return is_below;
    }
    return false;
}

bool mailbox_filter_means_others(const struct imap_mailbox_filter *filter)
{
    if (filter->kind == IMAP_FILTER_SUBSCRIBED)
        return true;
    for (size_t i = 0; i < filter->n_names; i++)
        if (!name_is_own(filter->names[i]))
            return true;
    return false;
}
