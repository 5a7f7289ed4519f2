/* index.c - accounts' tails and bodies' places in memory, and the counts that hold segments. */
#include "store/local/index.h"

#include <unistd.h>

#include "store/local/local.h"

struct place_key {
    uint64_t account, body_id;
};

void index_init(struct index *index)
{
    memset(index, 0, sizeof(*index));
    (void) pthread_mutex_init(&index->lock, NULL); /* cannot fail with default attributes */
    index->accounts = map_new();
    index->places = map_new();
    list_init(&index->live);
}

void spill_free(struct spill *spill)
{
    if (spill == NULL)
        return;
    closep(&spill->fd);
    free(spill);
}

struct spill *spill_unref(struct spill *spill)
{
    return --spill->refs == 0 ? spill : NULL;
}

static void free_place(struct place *place)
{
    free(place->hashes);
    free(place);
}

void index_done(struct index *index)
{
    struct slice key;
    void *value;

    for (size_t at = 0; map_next(index->places, &at, &key, &value);) {
        struct place *place = value;

        if (place->spill != NULL)
            spill_free(spill_unref(place->spill));
        free_place(place);
    }
    for (size_t at = 0; map_next(index->accounts, &at, &key, &value);) {
        struct account_entry *account = value;

        free(account->tail);
        free(account);
    }
    LIST_FOREACH(it, &index->live)
    {
        segment_free(LINK_OWNER(it, struct segment, live));
    }
    map_free(index->places);
    map_free(index->accounts);
    (void) pthread_mutex_destroy(&index->lock);
}

struct account_entry *index_find_account(const struct index *index, uint64_t id)
{
    return map_get(index->accounts, MAP_KEY(id));
}

struct account_entry *index_account(struct index *index, struct local *local, uint64_t id,
                                    bool *out_is_new)
{
    struct account_entry *account = index_find_account(index, id);

    *out_is_new = account == NULL;
    if (account != NULL)
        return account;
    account = xcalloc(1, sizeof(*account));
    account->id = id;
    account->page_ctx = (struct page_ctx){local, id};
    list_init(&account->places);
    (void) map_put(index->accounts, MAP_KEY(id), account);
    return account;
}

void index_add_segment(struct index *index, struct segment *segment)
{
    list_push_back(&index->live, &segment->live);
    index->n_live++;
}

void index_add_tail(struct index *index, struct account_entry *account,
                    const struct tail_entry *entry)
{
    (void) index;
    if (account->first + account->n == account->cap) {
        if (account->first > account->cap / 2) {
            memmove(account->tail, account->tail + account->first,
                    account->n * sizeof(*account->tail));
        } else {
            struct tail_entry *grown;

            account->cap = MAX(account->cap * 2, (size_t) 8);
            grown = xcalloc(account->cap, sizeof(*grown));
            if (account->n > 0)
                memcpy(grown, account->tail + account->first, account->n * sizeof(*grown));
            free(account->tail);
            account->tail = grown;
        }
        account->first = 0;
    }
    account->tail[account->first + account->n++] = *entry;
    account->tail_bytes += entry->head_len;
    entry->segment->n_tail++;
    entry->segment->n_held += account->is_held;
}

static void set_held(struct account_entry *account, bool on)
{
    if (account->is_held == on)
        return;
    account->is_held = on;
    for (size_t i = 0; i < account->n; i++) {
        struct segment *segment = account->tail[account->first + i].segment;

        segment->n_held = on ? segment->n_held + 1 : segment->n_held - 1;
    }
}

bool index_hold(struct index *index, struct account_entry *account)
{
    bool is_first = !account->was_held;

    (void) index;
    set_held(account, true);
    account->was_held = true;
    return is_first;
}

void index_checkpointed(struct index *index, struct account_entry *account, uint64_t lsn)
{
    (void) index;
    account->root_lsn = MAX(account->root_lsn, lsn);
    account->is_wanted = false;
    set_held(account, false);
    while (account->n > 0 && account->tail[account->first].lsn <= lsn) {
        const struct tail_entry *entry = &account->tail[account->first];

        entry->segment->n_tail--;
        account->tail_bytes -= entry->head_len;
        account->first++;
        account->n--;
    }
    if (account->n == 0) {
        free(account->tail);
        account->tail = NULL;
        account->first = account->cap = 0;
    }
}

static struct slice place_key_slice(const struct place_key *key)
{
    return slice_of(key, sizeof(*key));
}

void index_add_place(struct index *index, struct account_entry *account, struct place *place)
{
    struct place_key key = {place->account, place->body_id};
    struct place *old = map_put(index->places, place_key_slice(&key), place);

    if (old != NULL)
        die("body %llu of an account was given twice", (unsigned long long) place->body_id);
    list_push_back(&account->places, &place->of_account);
    account->n_places++;
    account->place_bytes += place->length;
    index->unpacked_bytes += place->length;
    if (place->segment != NULL) {
        list_push_back(&place->segment->places, &place->of_segment);
        place->segment->n_bodies++;
    }
}

void index_settle_place(struct place *place, struct segment *segment, uint64_t offset)
{
    place->segment = segment;
    if (place->spill == NULL)
        place->offset = offset;
    list_push_back(&segment->places, &place->of_segment);
    segment->n_bodies++;
}

struct place *index_find_place(const struct index *index, uint64_t account, uint64_t body_id)
{
    struct place_key key = {account, body_id};

    return map_get(index->places, place_key_slice(&key));
}

struct spill *index_drop_place(struct index *index, struct place *place)
{
    struct place_key key = {place->account, place->body_id};
    struct account_entry *account = index_find_account(index, place->account);
    struct spill *dead = place->spill != NULL ? spill_unref(place->spill) : NULL;

    (void) map_remove(index->places, place_key_slice(&key));
    account->n_places--;
    account->place_bytes -= place->length;
    list_remove(&place->of_account);
    list_remove(&place->of_segment);
    if (place->segment != NULL)
        place->segment->n_bodies--;
    index->unpacked_bytes -= place->length;
    free_place(place);
    return dead;
}

struct segment *index_recyclable(const struct index *index)
{
    struct segment *first;

    if (list_is_empty(&index->live))
        return NULL;
    first = LINK_OWNER(index->live.head.next, struct segment, live);
    if (!first->is_closed || first->n_tail > 0 || first->n_bodies > 0 || first->pins > 0)
        return NULL;
    return first;
}

uint64_t index_uncheckpointed(const struct index *index)
{
    uint64_t bytes = 0;
    bool is_found = false;

    LIST_FOREACH(it, &index->live)
    {
        const struct segment *segment = LINK_OWNER(it, struct segment, live);

        is_found = is_found || segment->n_tail > segment->n_held;
        if (is_found)
            bytes += segment->used + (segment->n_tail - segment->n_held) * GROUP_REPLAY_BYTES;
    }
    return bytes;
}

const uint64_t *place_hashes(const struct place *place)
{
    return place->hashes != NULL ? place->hashes : &place->first_hash;
}

uint64_t index_covered(const struct index *index)
{
    uint64_t least = UINT64_MAX;
    struct slice key;
    void *value;

    for (size_t at = 0; map_next(index->accounts, &at, &key, &value);) {
        const struct account_entry *account = value;

        if (account->n > 0)
            least = MIN(least, account->tail[account->first].lsn - 1);
    }
    return least;
}
