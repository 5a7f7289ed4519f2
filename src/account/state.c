#include <assert.h>

#include "account/state_parts.h"

static const struct mbox *item_mbox(const struct counted *item)
{
    return (const struct mbox *) (const void *) item;
}

static const struct name_item *item_name(const struct counted *item)
{
    return (const struct name_item *) (const void *) item;
}

int compare_mbox_id(const void *key, const struct counted *item)
{
    const uint32_t *id = key;
    uint32_t other = item_mbox(item)->info->info.id;

    return (*id > other) - (*id < other);
}

int compare_mailbox_name(const void *key, const struct counted *item)
{
    const struct slice *name = key;

    return mailbox_name_order(*name, item_name(item)->text);
}

int compare_subscription(const void *key, const struct counted *item)
{
    const struct slice *name = key;

    return slice_cmp(*name, item_name(item)->text);
}

struct acct_rest *rest_new(void)
{
    struct acct_rest *rest = xcalloc(1, sizeof(*rest));

    counted_init(&rest->counted);
    return rest;
}

void rest_unref(struct acct_rest *rest)
{
    if (rest == NULL || !counted_drop(&rest->counted))
        return;
    pairs_free(rest->metadata, rest->n_metadata);
    for (size_t i = 0; i < rest->n_quotas; i++)
        text_free(rest->quotas[i].resource);
    free(rest->quotas);
    for (size_t i = 0; i < rest->n_xfers; i++)
        text_free(rest->xfers[i].payload);
    free(rest->xfers);
    free(rest);
}

struct acct_state *acct_state_new(uint64_t account_id)
{
    struct acct_state *state = xcalloc(1, sizeof(*state));

    counted_init(&state->counted);
    state->id = account_id;
    state->next_body_id = 1;
    state->next_mailbox_id = 1;
    state->by_id = sorted_new(mbox_free_item);
    state->by_name = sorted_new(name_item_free);
    state->deleted = sorted_new(mbox_free_item);
    state->subscriptions = sorted_new(name_item_free);
    state->rest = rest_new();
    state->ledger = xcalloc(1, sizeof(*state->ledger));
    counted_init(&state->ledger->counted);
    state->ledger->next_number = 1;
    return state;
}

struct acct_state *acct_ref(const struct acct_state *state)
{
    union {
        const struct acct_state *shared;
        struct acct_state *counted;
    } same = {.shared = state};

    counted_take(&same.counted->counted);
    return same.counted;
}

void acct_unref(struct acct_state *state)
{
    if (state == NULL || !counted_drop(&state->counted))
        return;
    sorted_unref(state->by_id);
    sorted_unref(state->by_name);
    sorted_unref(state->deleted);
    sorted_unref(state->subscriptions);
    rest_unref(state->rest);
    if (counted_drop(&state->ledger->counted))
        free(state->ledger);
    free(state);
}

void acct_unrefp(struct acct_state **state)
{
    acct_unref(*state);
    *state = NULL;
}

struct acct_state *acct_fork(const struct acct_state *base)
{
    struct acct_state *fork = xmalloc(sizeof(*fork));

    fork->id = base->id;
    fork->position = base->position;
    fork->modseq = base->modseq;
    fork->next_body_id = base->next_body_id;
    fork->next_mailbox_id = base->next_mailbox_id;
    fork->all_id = base->all_id;
    fork->has_twins = base->has_twins;
    fork->by_id = sorted_ref(base->by_id);
    fork->by_name = sorted_ref(base->by_name);
    fork->deleted = sorted_ref(base->deleted);
    fork->subscriptions = sorted_ref(base->subscriptions);
    fork->rest = base->rest;
    counted_take(&fork->rest->counted);
    fork->ledger = base->ledger;
    counted_take(&fork->ledger->counted);
    fork->usage = base->usage;
    fork->kept = base->kept;
    counted_init(&fork->counted);
    return fork;
}

uint64_t acct_position(const struct acct_state *state)
{
    return state->position;
}

void acct_set_position(struct acct_state *fork, uint64_t position)
{
    fork->position = position;
}

uint64_t acct_id(const struct acct_state *state)
{
    return state->id;
}

uint64_t acct_modseq(const struct acct_state *state)
{
    return state->modseq;
}

uint64_t acct_next_body_id(const struct acct_state *state)
{
    return state->next_body_id;
}

uint32_t acct_next_mailbox_id(const struct acct_state *state)
{
    return state->next_mailbox_id;
}

bool state_find_mbox(const struct acct_state *state, uint32_t id, size_t *out_at)
{
    return sorted_find(state->by_id, compare_mbox_id, &id, out_at) != NULL;
}

/* The mailbox at this place of a set, ours to change. */
static struct mbox *own_mbox_at(struct sorted **set, size_t at)
{
    struct counted *item = sorted_own_at(set, at);
    struct mbox *copy;

    if (counted_is_ours(item))
        return (struct mbox *) (void *) item;
    copy = mbox_copy(item_mbox(item));
    sorted_replace(set, at, &copy->counted);
    return copy;
}

struct mbox *state_own_mbox(struct acct_state *fork, uint32_t id)
{
    size_t at = 0;
    bool found = state_find_mbox(fork, id, &at);

    assert(found);
    return own_mbox_at(&fork->by_id, at);
}

struct mbox *state_own_deleted(struct acct_state *fork, uint32_t id)
{
    size_t at = 0;
    const struct counted *item = sorted_find(fork->deleted, compare_mbox_id, &id, &at);

    assert(item != NULL);
    return own_mbox_at(&fork->deleted, at);
}

void state_count_mbox(struct acct_state *fork, const struct mbox *mbox, bool in)
{
    struct kept_counts kept = mbox_kept(mbox);
    uint64_t sign = in ? 1 : UINT64_MAX; /* times a number: added, or taken away */

    if (mbox_info_is_all(mbox_info(mbox)))
        return; /* its messages count where they live */
    fork->usage.messages += sign * mbox->counts.messages;
    fork->usage.bytes += sign * mbox->counts.bytes;
    fork->usage.annotation_bytes += sign * mbox->counts.annotation_bytes;
    fork->kept.messages += sign * kept.messages;
    fork->kept.bytes += sign * kept.bytes;
}

void state_count_deleted(struct acct_state *fork, const struct mbox *mbox, bool in)
{
    struct kept_counts kept = mbox_kept(mbox);
    uint64_t sign = in ? 1 : UINT64_MAX;

    fork->kept.messages += sign * ((uint64_t) mbox->counts.messages + kept.messages);
    fork->kept.bytes += sign * (mbox->counts.bytes + kept.bytes);
    fork->kept.mailboxes += sign;
}

void state_insert_deleted(struct acct_state *fork, struct mbox *mbox)
{
    const uint32_t id = mbox_info(mbox)->id;

    state_count_deleted(fork, mbox, true);
    sorted_insert(&fork->deleted, sorted_lower_bound(fork->deleted, compare_mbox_id, &id),
                  &mbox->counted);
}

struct mbox *state_take_deleted(struct acct_state *fork, uint32_t id)
{
    struct mbox *mbox = mbox_ref(state_own_deleted(fork, id));
    size_t at = 0;

    state_count_deleted(fork, mbox, false);
    (void) sorted_find(fork->deleted, compare_mbox_id, &id, &at);
    sorted_remove(&fork->deleted, at);
    return mbox;
}

void state_insert_name(struct acct_state *fork, const struct mbox *mbox)
{
    const struct mbox_info *info = mbox_info(mbox);

    counted_take(&mbox->info->name->counted);
    sorted_insert(&fork->by_name,
                  sorted_lower_bound(fork->by_name, compare_mailbox_name, &info->name),
                  &mbox->info->name->counted);
    fork->usage.mailboxes++;
    if (mbox_info_is_all(info)) {
        fork->all_id = info->id;
        fork->has_twins = true;
    }
    state_count_mbox(fork, mbox, true);
}

void state_insert_mbox(struct acct_state *fork, struct mbox *mbox)
{
    const uint32_t id = mbox_info(mbox)->id;

    state_insert_name(fork, mbox);
    sorted_insert(&fork->by_id, sorted_lower_bound(fork->by_id, compare_mbox_id, &id),
                  &mbox->counted);
}

size_t acct_mailbox_count(const struct acct_state *state)
{
    return state->by_name->n;
}

const struct mbox *acct_mailbox_by_id(const struct acct_state *state, uint32_t id)
{
    const struct counted *item = sorted_find(state->by_id, compare_mbox_id, &id, NULL);

    return item != NULL ? item_mbox(item) : NULL;
}

const struct mbox *acct_mailbox_at(const struct acct_state *state, size_t at)
{
    return acct_mailbox_by_id(state, item_name(sorted_at(state->by_name, at))->id);
}

const struct mbox *acct_mailbox_by_name(const struct acct_state *state, struct slice name)
{
    struct slice key = mailbox_name_key(name);
    const struct counted *item = sorted_find(state->by_name, compare_mailbox_name, &key, NULL);

    return item != NULL ? acct_mailbox_by_id(state, item_name(item)->id) : NULL;
}

const struct mbox *acct_mailbox_by_mailboxid(const struct acct_state *state,
                                             const struct object_id *mailboxid)
{
    for (size_t i = 0; i < state->by_id->n_leaves; i++) {
        const struct sorted_leaf *leaf = state->by_id->leaves[i].leaf;

        for (uint32_t row = 0; row < leaf->n; row++) {
            const struct mbox *mbox = item_mbox(leaf->items[row]);

            if (memcmp(&mbox_info(mbox)->mailboxid, mailboxid, sizeof(*mailboxid)) == 0)
                return mbox;
        }
    }
    return NULL;
}

size_t acct_mailbox_lower_bound(const struct acct_state *state, struct slice name)
{
    struct slice key = mailbox_name_key(name);

    return sorted_lower_bound(state->by_name, compare_mailbox_name, &key);
}

size_t acct_subscription_count(const struct acct_state *state)
{
    return state->subscriptions->n;
}

struct slice acct_subscription_at(const struct acct_state *state, size_t at)
{
    return item_name(sorted_at(state->subscriptions, at))->text;
}

bool acct_is_subscribed(const struct acct_state *state, struct slice name)
{
    struct slice key = mailbox_name_key(name);

    return sorted_find(state->subscriptions, compare_subscription, &key, NULL) != NULL;
}

size_t acct_metadata_count(const struct acct_state *state)
{
    return state->rest->n_metadata;
}

struct text_pair acct_metadata_at(const struct acct_state *state, size_t at)
{
    assert(at < state->rest->n_metadata);
    return state->rest->metadata[at];
}

size_t acct_quota_count(const struct acct_state *state)
{
    return state->rest->n_quotas;
}

struct quota_limit acct_quota_at(const struct acct_state *state, size_t at)
{
    assert(at < state->rest->n_quotas);
    return state->rest->quotas[at];
}

size_t acct_xfer_count(const struct acct_state *state)
{
    return state->rest->n_xfers;
}

struct xfer_entry acct_xfer_at(const struct acct_state *state, size_t at)
{
    assert(at < state->rest->n_xfers);
    return state->rest->xfers[at];
}

struct acct_usage acct_usage(const struct acct_state *state)
{
    return state->usage;
}
