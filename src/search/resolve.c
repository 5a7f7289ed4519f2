#include "search/resolve.h"

enum rc resolve_seqs(const struct mbox_view *view, const struct seqset *set,
                     struct arena *arena, struct uid_set *out, uint64_t *out_n, struct err *err)
{
    uint32_t count = view_count(view);
    struct uid_set_builder builder;
    struct seqset resolved;
    uint64_t n = 0;

    if (count == 0 || imap_seqset_top(set) > count)
        return err_set(err, RC_SYNTAX, "No message has that sequence number",
                       "seqset: up to %u of %u", imap_seqset_top(set), count);
    resolved = imap_resolve_seqset(set, count, arena);
    uid_set_start(&builder, arena);
    for (size_t i = 0; i < resolved.n; i++) {
        view_seqs_to_uids(view, resolved.ranges[i].first, resolved.ranges[i].last, &builder);
        n += (uint64_t) resolved.ranges[i].last - resolved.ranges[i].first + 1;
    }
    *out = uid_set_finish(&builder);
    *out_n = n;
    return RC_OK;
}

struct uid_set resolve_known_seqs(const struct mbox_view *view, const struct seqset *set,
                                  struct arena *arena)
{
    uint32_t count = view_count(view);
    struct seqset resolved = imap_resolve_seqset(set, count, arena);
    struct uid_set_builder builder;

    uid_set_start(&builder, arena);
    for (size_t i = 0; i < resolved.n && resolved.ranges[i].first <= count; i++)
        view_seqs_to_uids(view, resolved.ranges[i].first, MIN(resolved.ranges[i].last, count),
                          &builder);
    return uid_set_finish(&builder);
}

uint32_t mbox_index_behind(const struct mbox *mbox, uint32_t uid)
{
    return uid == UINT32_MAX ? mbox_counts(mbox)->messages : mbox_lower_bound(mbox, uid + 1);
}

struct uid_set resolve_uids(const struct mbox_view *view, const struct seqset *set,
                            struct arena *arena)
{
    uint32_t last = view_last_uid(view);
    struct seqset resolved = imap_resolve_seqset(set, view_greatest_uid(view), arena);
    struct uid_set_builder builder;

    uid_set_start(&builder, arena);
    for (size_t i = 0; i < resolved.n && resolved.ranges[i].first <= last; i++)
        uid_set_add_run(&builder, resolved.ranges[i].first, MIN(resolved.ranges[i].last, last));
    return uid_set_finish(&builder);
}
