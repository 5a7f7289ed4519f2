#include "account/outline.h"

#include "account/state_parts.h"

struct acct_outline {
    struct sorted *subscriptions;
    struct acct_rest *rest;
};

/* ---- infos ---- */

static struct info_object *info_owner(const struct mbox_info *info)
{
    union {
        const struct mbox_info *shared;
        char *bytes;
    } at = {.shared = info};

    return (struct info_object *) (void *) (at.bytes - offsetof(struct info_object, info));
}

const struct mbox_info *mbox_info_hold(const struct mbox *mbox)
{
    info_object_ref(mbox->info);
    return &mbox->info->info;
}

void mbox_info_release(const struct mbox_info *info)
{
    if (info != NULL)
        info_object_unref(info_owner(info));
}

/* ---- outlines ---- */

struct acct_outline *acct_outline_new(const struct acct_state *state)
{
    struct acct_outline *outline = xmalloc(sizeof(*outline));

    outline->subscriptions = sorted_ref(state->subscriptions);
    outline->rest = state->rest;
    counted_take(&outline->rest->counted);
    return outline;
}

void acct_outline_free(struct acct_outline *outline)
{
    if (outline == NULL)
        return;
    sorted_unref(outline->subscriptions);
    rest_unref(outline->rest);
    free(outline);
}

void acct_outline_follow(struct acct_outline *outline, const struct acct_state *base,
                         const struct acct_state *mine)
{
    if (outline->subscriptions == base->subscriptions) {
        sorted_unref(outline->subscriptions);
        outline->subscriptions = sorted_ref(mine->subscriptions);
    }
    if (outline->rest == base->rest) {
        counted_take(&mine->rest->counted);
        rest_unref(outline->rest);
        outline->rest = mine->rest;
    }
}

/* ---- texts that differ ---- */

static void add_text(struct text_list *list, struct slice *texts, struct slice text,
                     struct arena *arena)
{
    texts[list->n++] = arena_dup(arena, text);
}

static struct slice subscription_at(const struct sorted *set, size_t at)
{
    return ((const struct name_item *) (const void *) sorted_at(set, at))->text;
}

struct text_list acct_outline_subscriptions(const struct acct_outline *old,
                                            const struct acct_state *state, struct arena *arena)
{
    const struct sorted *a = old->subscriptions, *b = state->subscriptions;
    struct text_list out = {0};
    struct slice *texts;

    if (a == b)
        return out;
    texts = ARENA_ARRAY(arena, struct slice, a->n + b->n);
    for (size_t i = 0, k = 0; i < a->n || k < b->n;) {
        int order = i == a->n   ? 1
                    : k == b->n ? -1
                                : slice_cmp(subscription_at(a, i), subscription_at(b, k));

        if (order != 0)
            add_text(&out, texts, order < 0 ? subscription_at(a, i) : subscription_at(b, k),
                     arena);
        i += order <= 0;
        k += order >= 0;
    }
    out.texts = texts;
    return out;
}

static struct text_list pairs_that_differ(const struct text_pair *a, size_t n_a,
                                          const struct text_pair *b, size_t n_b,
                                          struct arena *arena)
{
    struct slice *texts = ARENA_ARRAY(arena, struct slice, n_a + n_b);
    struct text_list out = {0};

    for (size_t i = 0, k = 0; i < n_a || k < n_b;) {
        int order = i == n_a ? 1 : k == n_b ? -1 : slice_cmp(a[i].key, b[k].key);

        if (order != 0 || !slice_eq(a[i].value, b[k].value))
            add_text(&out, texts, order <= 0 ? a[i].key : b[k].key, arena);
        i += order <= 0;
        k += order >= 0;
    }
    out.texts = texts;
    return out;
}

struct text_list acct_outline_metadata(const struct acct_outline *old,
                                       const struct acct_state *state, struct arena *arena)
{
    const struct acct_rest *a = old->rest, *b = state->rest;

    if (a == b)
        return (struct text_list){0};
    return pairs_that_differ(a->metadata, a->n_metadata, b->metadata, b->n_metadata, arena);
}

struct text_list mbox_info_metadata(const struct mbox_info *old, const struct mbox_info *info,
                                    struct arena *arena)
{
    if (old == info)
        return (struct text_list){0};
    return pairs_that_differ(old->metadata, old->n_metadata, info->metadata, info->n_metadata,
                             arena);
}

/* ---- mailboxes that differ ---- */

/* A place among the items of a set. */
struct leaf_walk {
    const struct sorted *set;
    size_t leaf;
    uint32_t row;
};

static const struct sorted_leaf *leaf_of(const struct leaf_walk *walk)
{
    return walk->leaf < walk->set->n_leaves ? walk->set->leaves[walk->leaf].leaf : NULL;
}

static const struct mbox *item_of(const struct leaf_walk *walk)
{
    const struct sorted_leaf *leaf = leaf_of(walk);

    return leaf != NULL ? (const struct mbox *) (const void *) leaf->items[walk->row] : NULL;
}

static void step(struct leaf_walk *walk)
{
    const struct sorted_leaf *leaf = leaf_of(walk);

    walk->row++;
    if (leaf == NULL || walk->row == leaf->n) {
        walk->row = 0;
        walk->leaf++;
    }
}

/* Both stand at the beginning of the same leaf. */
static bool share_leaf(const struct leaf_walk *a, const struct leaf_walk *b)
{
    return a->row == 0 && b->row == 0 && leaf_of(a) != NULL && leaf_of(a) == leaf_of(b);
}

size_t acct_changed_mailboxes(const struct acct_state *old, const struct acct_state *state,
                              uint32_t *ids, size_t max)
{
    struct leaf_walk a = {.set = old->by_id}, b = {.set = state->by_id};
    size_t n = 0;

    if (a.set == b.set)
        return 0;
    while (leaf_of(&a) != NULL || leaf_of(&b) != NULL) {
        const struct mbox *was = item_of(&a), *is = item_of(&b);
        bool first = is == NULL || (was != NULL && was->info->info.id <= is->info->info.id);
        bool second = was == NULL || (is != NULL && is->info->info.id <= was->info->info.id);

        if (share_leaf(&a, &b)) {
            a.leaf++;
            b.leaf++;
            continue;
        }
        if (!first || !second || was != is) {
            if (n == max)
                return max + 1;
            ids[n++] = first ? was->info->info.id : is->info->info.id;
        }
        if (first)
            step(&a);
        if (second)
            step(&b);
    }
    return n;
}

bool acct_lists_differ(const struct acct_state *old, const struct acct_state *state)
{
    return old->subscriptions != state->subscriptions || old->rest != state->rest;
}

const struct mbox *acct_mailbox_by_id_at(const struct acct_state *state, size_t at)
{
    return (const struct mbox *) (const void *) sorted_at(state->by_id, at);
}
