/* all.c - All as the other mailboxes' records make it. As apply.c: nothing here decides or
 * fails. */
#include "account/all.h"

#include <assert.h>

/* More than any list here can take. */
#define ALL_ARENA_BYTES (SIZE_MAX / 2)

static uint64_t twin_of_home(uint32_t mbox, uint32_t uid)
{
    return (uint64_t) mbox << 32 | uid;
}

static struct mbox *own_all(struct acct_state *fork)
{
    return state_own_mbox(fork, fork->all_id);
}

/* ---- what is said of it ---- */

bool mbox_info_is_all(const struct mbox_info *info)
{
    return (info->special_use & USE_ALL) != 0;
}

const struct mbox *acct_all(const struct acct_state *state)
{
    return state->all_id != 0 ? acct_mailbox_by_id(state, state->all_id) : NULL;
}

bool all_use_counts(uint32_t special_use)
{
    return (special_use & (USE_ALL | USE_TRASH | USE_JUNK)) == 0;
}

bool acct_counts_in_all(const struct acct_state *state, const struct mbox *mbox)
{
    return state->all_id != 0 && all_use_counts(mbox_info(mbox)->special_use);
}

static uint64_t twin_at(const struct mbox *mbox, uint32_t index)
{
    const struct chunk_slot *slot = &mbox->slots[mbox_chunk_of(mbox, index)];

    return chunk_twin(slot->chunk, index - slot->start);
}

struct message_home mbox_home(const struct mbox *all, uint32_t index)
{
    uint64_t twin = twin_at(all, index);

    return (struct message_home){(uint32_t) (twin >> 32), (uint32_t) twin};
}

uint32_t mbox_all_uid(const struct mbox *home, uint32_t index)
{
    return (uint32_t) twin_at(home, index);
}

bool all_is_entered(const struct acct_state *state, const struct mbox *mbox, uint32_t use)
{
    return state->all_id != 0 && !acct_counts_in_all(state, mbox) && all_use_counts(use);
}

bool all_is_left(const struct acct_state *state, const struct mbox *mbox, uint32_t use)
{
    return acct_counts_in_all(state, mbox) && !all_use_counts(use);
}

/* ---- sets ---- */

static int by_number(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *) a, right = *(const uint32_t *) b;

    return (left > right) - (left < right);
}

static struct uid_set set_of(uint32_t *uids, size_t n, bool ascends, struct arena *arena)
{
    struct uid_set_builder builder;

    if (!ascends)
        qsort(uids, n, sizeof(*uids), by_number);
    uid_set_start(&builder, arena);
    for (size_t i = 0; i < n; i++)
        uid_set_add(&builder, uids[i]);
    return uid_set_finish(&builder);
}

struct uid_set all_twins(const struct mbox *home, const struct uid_set *uids,
                         struct arena *arena)
{
    uint32_t *twins = ARENA_ARRAY(arena, uint32_t, uid_set_span(uids));
    bool ascends = true;
    size_t n = 0;

    for (size_t i = 0; i < uids->n; i++) {
        uint32_t index = mbox_lower_bound(home, uids->runs[i].first);
        uint32_t end = index + (uids->runs[i].last - uids->runs[i].first) + 1;

        for (; index < end; index++) {
            twins[n] = mbox_all_uid(home, index);
            ascends = ascends && (n == 0 || twins[n - 1] < twins[n]);
            n++;
        }
    }
    return set_of(twins, n, ascends, arena);
}

struct uid_set all_rows_of(const struct mbox *all, uint32_t home, struct arena *arena)
{
    struct uid_set_builder rows;

    uid_set_start(&rows, arena);
    for (size_t i = 0; i < all->n_slots; i++) {
        const struct chunk_slot *slot = &all->slots[i];

        for (uint32_t row = 0; row < slot->n; row++) {
            if (chunk_twin(slot->chunk, row) >> 32 == home)
                uid_set_add(&rows, slot->chunk->uid[row]);
        }
    }
    return uid_set_finish(&rows);
}

/* ---- rows come ---- */

/* The keyword's index in All, which takes it up while there is room; -1: there is none. */
static int take_keyword(struct mbox *all, struct slice name)
{
    int at = mbox_keyword_index(all, name);

    if (at >= 0 || mbox_info(all)->n_keywords >= KEYWORDS_MAX)
        return at;
    info_add_keyword(&all->info, name);
    return (int) mbox_info(all)->n_keywords - 1;
}

static void map_words(struct mbox *all, const struct mbox *home,
                      const uint64_t words[KEYWORD_WORDS], uint64_t out[KEYWORD_WORDS])
{
    for (size_t word = 0; word < KEYWORD_WORDS; word++) {
        for (uint64_t bits = words[word]; bits != 0; bits &= bits - 1) {
            size_t keyword = word * 64 + (size_t) __builtin_ctzll(bits);
            int at = take_keyword(all, mbox_info(home)->keywords[keyword]);

            if (at >= 0)
                out[at / 64] |= (uint64_t) 1 << (at % 64);
        }
    }
}

uint64_t all_next_twin(const struct acct_state *fork, const struct mbox *home)
{
    return acct_counts_in_all(fork, home) ? mbox_counts(acct_all(fork))->uidnext : 0;
}

void all_add(struct acct_state *fork, const struct mbox *home, const struct chunk_row *row,
             const struct msg_cold *cold)
{
    struct chunk_row twin = {.flags = row->flags, .modseq = row->modseq};
    struct mbox *all;

    if (!acct_counts_in_all(fork, home))
        return;
    all = own_all(fork);
    assert(row->twin == all->counts.uidnext);
    twin.uid = all->counts.uidnext;
    twin.twin = twin_of_home(mbox_info(home)->id, row->uid);
    map_words(all, home, row->keywords, twin.keywords);
    mbox_add(all, &twin, cold);
}

/* A row that is there already; its chunk is ours. */
static void add_row(struct acct_state *fork, const struct mbox *home, struct chunk *chunk,
                    uint32_t at)
{
    struct chunk_row row = {.uid = chunk->uid[at],
                            .flags = chunk->flags[at],
                            .modseq = chunk_modseq(chunk, at),
                            .twin = mbox_counts(acct_all(fork))->uidnext};

    chunk_keywords(chunk, at, row.keywords);
    chunk_set_twin(chunk, at, row.twin);
    all_add(fork, home, &row, chunk_cold(chunk, at));
}

/* The modseq of messages rises, and nothing else changes. Their chunks are ours then. */
static void touch(struct mbox *mbox, const struct uid_set *uids, uint64_t modseq)
{
    mbox_change_flags(
        mbox, &(struct record_flags){.op = FLAG_OP_ADD, .uids = *uids, .modseq = modseq});
}

void all_enter(struct acct_state *fork, uint32_t id, uint64_t modseq)
{
    struct mbox *mbox = state_own_mbox(fork, id);
    struct uid_run every = {0};

    if (mbox->counts.messages == 0)
        return;
    every = (struct uid_run){mbox_uid(mbox, 0), mbox_uid(mbox, mbox->counts.messages - 1)};
    touch(mbox, &(struct uid_set){&every, 1}, modseq);
    for (size_t i = 0; i < mbox->n_slots; i++) {
        for (uint32_t row = 0; row < mbox->slots[i].n; row++)
            add_row(fork, mbox, mbox->slots[i].chunk, row);
    }
}

/* ---- All comes ---- */

/* A row, and what says when its message came. */
struct arrival {
    int64_t savedate;
    const struct mbox *home;
    struct chunk *chunk;
    uint32_t row;
};

static int by_arrival(const void *a, const void *b)
{
    const struct arrival *left = a, *right = b;
    uint32_t left_id = mbox_info(left->home)->id, right_id = mbox_info(right->home)->id;
    uint32_t left_uid = left->chunk->uid[left->row], right_uid = right->chunk->uid[right->row];

    if (left->savedate != right->savedate)
        return left->savedate < right->savedate ? -1 : 1;
    if (left_id != right_id)
        return left_id < right_id ? -1 : 1;
    return (left_uid > right_uid) - (left_uid < right_uid);
}

static size_t list_arrivals(struct mbox *mbox, struct arrival *out)
{
    size_t n = 0;

    for (size_t i = 0; i < mbox->n_slots; i++) {
        struct chunk_slot *slot = &mbox->slots[i];

        chunk_own(&slot->chunk, slot->n);
        for (uint32_t row = 0; row < slot->n; row++)
            out[n++] = (struct arrival){chunk_cold(slot->chunk, row)->savedate, mbox,
                                        slot->chunk, row};
    }
    return n;
}

void all_begin(struct acct_state *fork, uint32_t id)
{
    AUTO(freep)
    struct arrival *arrivals =
        xmalloc(MAX((size_t) fork->usage.messages, (size_t) 1) * sizeof(*arrivals));
    size_t n = 0;

    assert(fork->all_id == id && own_all(fork)->counts.messages == 0);
    for (size_t i = 0; i < fork->by_id->n; i++) {
        const struct mbox *mbox =
            (const struct mbox *) (const void *) sorted_at(fork->by_id, i);

        if (acct_counts_in_all(fork, mbox) && mbox->counts.messages > 0)
            n += list_arrivals(state_own_mbox(fork, mbox_info(mbox)->id), arrivals + n);
    }
    qsort(arrivals, n, sizeof(*arrivals), by_arrival);
    for (size_t i = 0; i < n; i++)
        add_row(fork, arrivals[i].home, arrivals[i].chunk, arrivals[i].row);
}

/* ---- rows change ---- */

void all_change_flags(struct acct_state *fork, const struct mbox *home,
                      const struct record_flags *record)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ALL_ARENA_BYTES);
    struct mbox *all = own_all(fork);
    struct record_flags twin = *record;
    uint16_t keywords[KEYWORDS_MAX];

    twin.n_keywords = 0;
    twin.keywords = keywords;
    for (size_t i = 0; i < record->n_keywords; i++) {
        struct slice name = mbox_info(home)->keywords[record->keywords[i]];
        int at = record->op == FLAG_OP_REMOVE ? mbox_keyword_index(all, name)
                                              : take_keyword(all, name);

        if (at >= 0)
            keywords[twin.n_keywords++] = (uint16_t) at;
    }
    twin.uids = all_twins(home, &record->uids, arena);
    mbox_change_flags(all, &twin);
}

void all_set_threadid(struct acct_state *fork, const struct mbox *home, uint32_t uid,
                      const struct object_id *threadid)
{
    mbox_set_threadid(own_all(fork), mbox_all_uid(home, mbox_lower_bound(home, uid)), threadid);
}

static int by_all_uid(const void *a, const void *b)
{
    const struct all_move *left = a, *right = b;

    return (left->all_uid > right->all_uid) - (left->all_uid < right->all_uid);
}

void all_rehome(struct acct_state *fork, uint32_t home, struct all_move *moves, size_t n,
                uint64_t modseq)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ALL_ARENA_BYTES);
    struct mbox *all = own_all(fork);
    struct uid_set_builder uids;
    struct uid_set set;

    qsort(moves, n, sizeof(*moves), by_all_uid);
    uid_set_start(&uids, arena);
    for (size_t i = 0; i < n; i++)
        uid_set_add(&uids, moves[i].all_uid);
    set = uid_set_finish(&uids);
    touch(all, &set, modseq);
    for (size_t i = 0; i < n; i++) {
        uint32_t index = mbox_lower_bound(all, moves[i].all_uid);
        const struct chunk_slot *slot = &all->slots[mbox_chunk_of(all, index)];

        chunk_set_twin(slot->chunk, index - slot->start, twin_of_home(home, moves[i].uid));
    }
}

/* ---- rows go ---- */

void all_expunge(struct acct_state *fork, const struct mbox *home, const struct uid_set *uids,
                 uint64_t modseq)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ALL_ARENA_BYTES);
    struct uid_set gone = all_twins(home, uids, arena);

    mbox_expunge(own_all(fork), &gone, modseq, NULL);
}

void all_leave(struct acct_state *fork, uint32_t id, uint64_t modseq)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ALL_ARENA_BYTES);
    struct mbox *all = own_all(fork);
    struct uid_set gone = all_rows_of(all, id, arena);

    if (gone.n > 0)
        mbox_expunge(all, &gone, modseq, NULL);
}
