/*
 * pages_make.c - a version as pages: what changed since the last checkpoint, and the new root.
 *
 * Every object that has a page of its own carries a page_ref. An object that lies in a page
 * with as many rows as the version sees is left alone; so is a whole leaf of the directory
 * whose page stands, for everything below it is as it was. Numbers are given to objects as
 * `pending` and become theirs in acct_pages_stored().
 */
#include <assert.h>

#include "account/annotation_pages.h"
#include "account/chunk_pages.h"
#include "account/kept_pages.h"
#include "account/page_frame.h"
#include "account/pages.h"
#include "account/state_parts.h"
#include "base/varint.h"

#define PUTS_FIRST 64u

struct maker {
    const struct acct_state *state;
    struct arena *arena;
    struct page *puts;
    size_t n, cap;
};

/* ---- payloads ---- */

static void put_id(struct buf *buf, const struct object_id *id)
{
    buf_append(buf, slice_of(id->bytes, sizeof(id->bytes)));
}

static void put_pairs(struct buf *buf, const struct text_pair *pairs, size_t n)
{
    buf_varint(buf, n);
    for (size_t i = 0; i < n; i++) {
        buf_varint_bytes(buf, pairs[i].key);
        buf_varint_bytes(buf, pairs[i].value);
    }
}

static void put_info(struct buf *buf, const struct mbox_info *info)
{
    buf_varint(buf, info->n_keywords);
    for (size_t i = 0; i < info->n_keywords; i++)
        buf_varint_bytes(buf, info->keywords[i]);
    put_pairs(buf, info->acl, info->n_acl);
    put_pairs(buf, info->metadata, info->n_metadata);
}

static void put_expunged(struct buf *buf, const struct expunged_block *block, uint32_t n)
{
    uint64_t modseq = 0;

    buf_varint(buf, n);
    for (uint32_t i = 0; i < n; i++) {
        buf_varint(buf, block->runs[i].modseq - modseq);
        buf_varint(buf, block->runs[i].uids.first);
        buf_varint(buf, block->runs[i].uids.last - block->runs[i].uids.first);
        modseq = block->runs[i].modseq;
    }
}

static void put_overlay_row(struct buf *buf, const struct overlay_row *row, uint32_t before)
{
    uint8_t words = KEYWORD_WORDS;

    while (words > 0 && row->keywords[words - 1] == 0)
        words--;
    buf_varint(buf, row->uid - before);
    buf_le8(buf, row->flags);
    buf_varint(buf, row->modseq);
    buf_le8(buf, words);
    for (uint8_t word = 0; word < words; word++)
        buf_le64(buf, row->keywords[word]);
}

static void put_overlay(struct buf *buf, const struct overlay *overlay)
{
    uint32_t before = 0;

    buf_varint(buf, overlay->reader);
    buf_varint(buf, overlay->modseq);
    buf_varint(buf, overlay->n);
    for (size_t i = 0; i < overlay->n_leaves; i++) {
        const struct overlay_leaf *leaf = overlay->leaves[i];

        for (uint32_t row = 0; row < leaf->n; row++) {
            put_overlay_row(buf, &leaf->rows[row], before);
            before = leaf->rows[row].uid;
        }
    }
}

static void put_rest(struct buf *buf, const struct acct_rest *rest)
{
    put_pairs(buf, rest->metadata, rest->n_metadata);
    buf_varint(buf, rest->n_quotas);
    for (size_t i = 0; i < rest->n_quotas; i++) {
        buf_varint_bytes(buf, rest->quotas[i].resource);
        buf_varint(buf, rest->quotas[i].limit);
    }
    buf_varint(buf, rest->n_xfers);
    for (size_t i = 0; i < rest->n_xfers; i++) {
        buf_le8(buf, (uint8_t) rest->xfers[i].type);
        buf_varint(buf, rest->xfers[i].peer_account);
        buf_varint(buf, rest->xfers[i].transfer_id);
        buf_varint_bytes(buf, rest->xfers[i].payload);
    }
}

/* ---- pages ---- */

/* A number for an object whose page does not stand. */
static uint64_t give_number(struct maker *maker, struct page_ref *ref, uint32_t rows)
{
    ref->pending = maker->state->ledger->next_number++;
    ref->rows_next = rows;
    return ref->pending;
}

static uint8_t version_of(enum page_kind kind, bool twins)
{
    if (kind == PAGE_MAILBOXES || kind == PAGE_DELETED)
        return PAGE_VERSION_UNSEEN;
    return twins ? PAGE_VERSION_TWINS : PAGE_VERSION;
}

static void open_page(const struct maker *maker, struct buf *buf, enum page_kind kind,
                      uint64_t number, bool twins)
{
    struct page_id id = {.kind = kind,
                         .account = maker->state->id,
                         .number = number,
                         .version = version_of(kind, twins)};

    buf_init(buf, SIZE_MAX / 2);
    page_begin(buf, &id);
}

static struct slice close_page(struct maker *maker, struct buf *buf)
{
    page_end(buf);
    return arena_dup(maker->arena, buf_slice(buf));
}

static void close_put(struct maker *maker, struct buf *buf, uint64_t number)
{
    if (maker->n == maker->cap) {
        size_t cap = MAX(maker->cap * 2, (size_t) PUTS_FIRST);
        struct page *puts = ARENA_ARRAY(maker->arena, struct page, cap);

        if (maker->n > 0)
            memcpy(puts, maker->puts, maker->n * sizeof(*puts));
        maker->puts = puts;
        maker->cap = cap;
    }
    maker->puts[maker->n++] = (struct page){number, close_page(maker, buf)};
}

/* The page's number, if it stands with that many rows; it then has no pending one. */
static bool page_stands(struct page_ref *ref, uint32_t rows)
{
    if (ref->number == 0 || ref->rows != rows)
        return false;
    ref->pending = 0;
    return true;
}

static uint64_t page_number(const struct page_ref *ref)
{
    return ref->pending != 0 ? ref->pending : ref->number;
}

static void make_info(struct maker *maker, struct info_object *object)
{
    const struct mbox_info *info = &object->info;
    AUTO(buf_done) struct buf buf = {0};
    uint64_t number;

    buf_init(&buf, 0);
    if (info->n_keywords + info->n_acl + info->n_metadata == 0 || page_stands(&object->page, 0))
        return;
    number = give_number(maker, &object->page, 0);
    open_page(maker, &buf, PAGE_INFO, number, false);
    put_info(&buf, info);
    close_put(maker, &buf, number);
}

/*
 * Rows that no piece holds make a new one, together with the last pieces that have no more rows
 * than it. So each piece is longer than all behind it, their number stays a logarithm, and
 * appending n messages one checkpoint at a time writes n log n rows, not n squared.
 */
static void make_cold(struct maker *maker, struct cold_store *cold, uint32_t needed)
{
    AUTO(buf_done) struct buf buf = {0};
    struct cold_pages *pages = &cold->pages;
    uint32_t stored = cold_rows_in(pages->pieces, pages->n), n;

    buf_init(&buf, 0);
    pages->pending = 0;
    if (stored >= needed)
        return;
    pages->keep = pages->n;
    for (n = needed - stored; pages->keep > 0 && (pages->pieces[pages->keep - 1].rows <= n ||
                                                  pages->keep == COLD_PIECES_MAX);)
        n += pages->pieces[--pages->keep].rows;
    pages->pending = maker->state->ledger->next_number++;
    pages->rows_next = n;
    open_page(maker, &buf, PAGE_COLD, pages->pending, false);
    chunk_put_cold(&buf, cold, needed - n, n);
    close_put(maker, &buf, pages->pending);
}

static void make_hot(struct maker *maker, struct chunk *chunk, uint32_t n)
{
    AUTO(buf_done) struct buf hot = {0};
    uint64_t number;

    buf_init(&hot, 0);
    if (!page_stands(&chunk->page, n)) {
        number = give_number(maker, &chunk->page, n);
        open_page(maker, &hot, PAGE_HOT, number, chunk->twin != NULL);
        chunk_put_hot(&hot, chunk, n);
        close_put(maker, &hot, number);
    }
}

static void make_expunged(struct maker *maker, struct expunged_block *block, uint32_t n)
{
    AUTO(buf_done) struct buf buf = {0};
    uint64_t number;

    buf_init(&buf, 0);
    if (page_stands(&block->page, n))
        return;
    number = give_number(maker, &block->page, n);
    open_page(maker, &buf, PAGE_EXPUNGED, number, false);
    put_expunged(&buf, block, n);
    close_put(maker, &buf, number);
}

static void make_overlay(struct maker *maker, struct overlay *overlay)
{
    AUTO(buf_done) struct buf buf = {0};
    uint64_t number;

    buf_init(&buf, 0);
    if (page_stands(&overlay->page, 0))
        return;
    number = give_number(maker, &overlay->page, 0);
    open_page(maker, &buf, PAGE_OVERLAY, number, false);
    put_overlay(&buf, overlay);
    close_put(maker, &buf, number);
}

static void make_annotations(struct maker *maker, struct annotation_leaf *leaf)
{
    AUTO(buf_done) struct buf buf = {0};
    uint64_t number;

    buf_init(&buf, 0);
    if (page_stands(&leaf->page, leaf->n))
        return;
    number = give_number(maker, &leaf->page, leaf->n);
    open_page(maker, &buf, PAGE_ANNOTATIONS, number, false);
    annotation_leaf_put(&buf, leaf);
    close_put(maker, &buf, number);
}

/* Leaves of annotations in memory. */
static size_t annotation_leaves(const struct mbox *mbox)
{
    return mbox->annotations != NULL ? mbox->annotations->n_leaves : 0;
}

static void make_kept(struct maker *maker, struct kept_block *block, uint32_t n)
{
    AUTO(buf_done) struct buf buf = {0};
    uint64_t number;

    buf_init(&buf, 0);
    if (block == NULL || page_stands(&block->page, n))
        return;
    number = give_number(maker, &block->page, n);
    open_page(maker, &buf, PAGE_KEPT, number, false);
    kept_put(&buf, block, n);
    close_put(maker, &buf, number);
}

static uint64_t info_number(const struct mbox *mbox)
{
    const struct mbox_info *info = mbox_info(mbox);

    return info->n_keywords + info->n_acl + info->n_metadata > 0
               ? page_number(&mbox->info->page)
               : 0;
}

static struct page_place place_now(const struct page_ref *ref)
{
    if (ref->pending != 0)
        return (struct page_place){.number = ref->pending, .rows = ref->rows_next};
    return (struct page_place){.number = ref->number, .rows = ref->rows};
}

/* Pieces of a cold store once this batch is stored. */
static uint32_t cold_places_now(const struct cold_store *cold, struct page_place *out)
{
    const struct cold_pages *pages = &cold->pages;
    uint32_t n = pages->pending != 0 ? pages->keep : pages->n;

    memcpy(out, pages->pieces, n * sizeof(*out));
    if (pages->pending != 0)
        out[n++] = (struct page_place){.number = pages->pending, .rows = pages->rows_next};
    return n;
}

struct mbox_places *mbox_places_now(const struct mbox *mbox)
{
    const struct mbox_places *base = mbox->loaded ? NULL : mbox->places;
    size_t n_base = base != NULL ? base->n : 0;
    size_t n_behind = base != NULL ? mbox_places_behind(base) : 0;
    struct mbox_places *places =
        mbox_places_new(n_base + mbox->n_slots * (1 + COLD_PIECES_MAX) +
                        mbox->expunged.n_slots + mbox->n_overlays + annotation_leaves(mbox));
    size_t n = n_base - n_behind;

    if (n > 0)
        memcpy(places->at, base->at, n * sizeof(*places->at));
    for (size_t i = 0; i < mbox->n_slots; i++) {
        struct page_place *hot = &places->at[n++];

        *hot = place_now(&mbox->slots[i].chunk->page);
        hot->n_cold = cold_places_now(mbox->slots[i].chunk->cold, &places->at[n]);
        n += hot->n_cold;
    }
    if (n_behind > 0)
        memcpy(places->at + n, base->at + (n_base - n_behind), n_behind * sizeof(*places->at));
    n += n_behind;
    for (size_t i = 0; i < mbox->expunged.n_slots; i++)
        places->at[n++] = place_now(&mbox->expunged.slots[i].block->page);
    for (size_t i = 0; i < mbox->n_overlays; i++)
        places->at[n++] = place_now(&mbox->overlays[i]->page);
    for (size_t i = 0; i < annotation_leaves(mbox); i++)
        places->at[n++] = place_now(&mbox->annotations->leaves[i]->page);
    places->first_unseen = mbox_find_unseen(mbox);
    places->n_chunks = mbox->n_slots + (base != NULL ? base->n_chunks : 0);
    places->n_expunged = mbox->expunged.n_slots + (base != NULL ? base->n_expunged : 0);
    places->n_overlays = mbox->n_overlays + (base != NULL ? base->n_overlays : 0);
    places->n_annotations = annotation_leaves(mbox) + (base != NULL ? base->n_annotations : 0);
    places->n = n;
    return places;
}

static void put_counts(struct buf *buf, const struct mbox_counts *counts)
{
    buf_varint(buf, counts->messages);
    buf_varint(buf, counts->unseen);
    buf_varint(buf, counts->deleted);
    buf_varint(buf, counts->uidnext);
    buf_varint(buf, counts->first_recent);
    buf_varint(buf, counts->bytes);
    buf_varint(buf, counts->bytes_deleted);
    buf_varint(buf, counts->highestmodseq);
    buf_varint(buf, counts->expunged_below);
    buf_varint(buf, counts->annotation_bytes);
}

static void put_first_unseen(struct buf *buf, uint32_t first_unseen)
{
    bool is_known = first_unseen != UNSEEN_NONE && first_unseen != UNSEEN_NOT_KNOWN;

    buf_varint(buf, is_known ? first_unseen + 1 : 0);
}

static void put_places(struct buf *buf, const struct mbox_places *places)
{
    size_t n_hot = places->n - mbox_places_behind(places);
    uint32_t n_cold = 0;

    buf_varint(buf, places->n_chunks);
    buf_varint(buf, places->n_expunged);
    buf_varint(buf, places->n_overlays);
    buf_varint(buf, places->n_annotations);
    for (size_t i = 0; i < places->n; i++) {
        const struct page_place *place = &places->at[i];

        buf_varint(buf, place->number);
        buf_varint(buf, place->rows);
        if (i < n_hot && n_cold == 0)
            buf_varint(buf, n_cold = place->n_cold);
        else if (n_cold > 0)
            n_cold--;
    }
}

static void put_mbox(struct buf *buf, const struct mbox *mbox)
{
    const struct mbox_info *info = mbox_info(mbox);
    struct mbox_places *places = mbox_places_now(mbox);

    buf_varint(buf, info->id);
    put_id(buf, &info->mailboxid);
    buf_varint_bytes(buf, info->name);
    buf_varint(buf, info->uidvalidity);
    buf_varint(buf, info->special_use);
    buf_varint(buf, info_number(mbox));
    put_counts(buf, &mbox->counts);
    put_first_unseen(buf, places->first_unseen);
    put_places(buf, places);
    free(places);
    kept_put_slots(buf, mbox->kept);
}

static void put_end(struct buf *buf, const struct mbox_end *end)
{
    buf_varint_signed(buf, end->deleted_sec);
    buf_varint(buf, end->deleted_by);
    buf_le8(buf, end->name_given);
}

static struct mbox *mbox_in(const struct sorted_leaf *leaf, uint32_t row)
{
    return (struct mbox *) (void *) leaf->items[row];
}

static void make_mbox(struct maker *maker, struct mbox *mbox)
{
    make_info(maker, mbox->info);
    for (size_t i = 0; i < mbox->n_slots; i++)
        make_hot(maker, mbox->slots[i].chunk, mbox->slots[i].n);
    /* Hot pages lie together on the disk then, so that opening reads ahead what it needs. */
    for (size_t i = 0; i < mbox->n_slots; i++) {
        struct chunk *chunk = mbox->slots[i].chunk;

        make_cold(maker, chunk->cold, chunk_cold_needed(chunk, mbox->slots[i].n));
    }
    for (size_t i = 0; i < mbox->expunged.n_slots; i++)
        make_expunged(maker, mbox->expunged.slots[i].block, mbox->expunged.slots[i].n);
    for (size_t i = 0; i < mbox->n_overlays; i++)
        make_overlay(maker, mbox->overlays[i]);
    for (size_t i = 0; i < annotation_leaves(mbox); i++)
        make_annotations(maker, mbox->annotations->leaves[i]);
    for (size_t i = 0; mbox->kept != NULL && i < mbox->kept->n_slots; i++)
        make_kept(maker, mbox->kept->slots[i].block, mbox->kept->slots[i].n);
}

/* kind: PAGE_MAILBOXES or PAGE_DELETED. */
static void make_mailboxes(struct maker *maker, struct sorted_leaf *leaf, enum page_kind kind)
{
    AUTO(buf_done) struct buf buf = {0};
    uint64_t number;

    buf_init(&buf, 0);
    if (page_stands(&leaf->page, 0))
        return;
    for (uint32_t row = 0; row < leaf->n; row++)
        make_mbox(maker, mbox_in(leaf, row));
    number = give_number(maker, &leaf->page, 0);
    open_page(maker, &buf, kind, number, false);
    buf_varint(&buf, leaf->n);
    for (uint32_t row = 0; row < leaf->n; row++) {
        put_mbox(&buf, mbox_in(leaf, row));
        if (kind == PAGE_DELETED)
            put_end(&buf, &mbox_in(leaf, row)->end);
    }
    close_put(maker, &buf, number);
}

static void make_subscriptions(struct maker *maker, struct sorted_leaf *leaf)
{
    AUTO(buf_done) struct buf buf = {0};
    uint64_t number;

    buf_init(&buf, 0);
    if (page_stands(&leaf->page, 0))
        return;
    number = give_number(maker, &leaf->page, 0);
    open_page(maker, &buf, PAGE_SUBSCRIPTIONS, number, false);
    buf_varint(&buf, leaf->n);
    for (uint32_t row = 0; row < leaf->n; row++)
        buf_varint_bytes(&buf, ((const struct name_item *) (void *) leaf->items[row])->text);
    close_put(maker, &buf, number);
}

static bool rest_is_empty(const struct acct_rest *rest)
{
    return rest->n_metadata + rest->n_quotas + rest->n_xfers == 0;
}

static void make_rest(struct maker *maker, struct acct_rest *rest)
{
    AUTO(buf_done) struct buf buf = {0};
    uint64_t number;

    buf_init(&buf, 0);
    if (rest_is_empty(rest) || page_stands(&rest->page, 0))
        return;
    number = give_number(maker, &rest->page, 0);
    open_page(maker, &buf, PAGE_REST, number, false);
    put_rest(&buf, rest);
    close_put(maker, &buf, number);
}

static void put_leaves(struct buf *buf, const struct sorted *set)
{
    buf_varint(buf, set->n_leaves);
    for (size_t i = 0; i < set->n_leaves; i++)
        buf_varint(buf, page_number(&set->leaves[i].leaf->page));
}

static struct slice make_root(struct maker *maker)
{
    const struct acct_state *state = maker->state;
    AUTO(buf_done) struct buf buf = {0};

    open_page(maker, &buf, PAGE_ROOT, 0, state->has_twins);
    buf_varint(&buf, state->modseq);
    buf_varint(&buf, state->next_body_id);
    buf_varint(&buf, state->next_mailbox_id);
    buf_varint(&buf, state->ledger->next_number);
    put_leaves(&buf, state->by_id);
    put_leaves(&buf, state->deleted);
    put_leaves(&buf, state->subscriptions);
    buf_varint(&buf, rest_is_empty(state->rest) ? 0 : page_number(&state->rest->page));
    return close_page(maker, &buf);
}

/* ---- pages that may go ---- */

struct numbers {
    uint64_t *values;
    size_t n, cap;
};

static void add_number(struct numbers *numbers, uint64_t number)
{
    if (number == 0)
        return;
    if (numbers->n == numbers->cap) {
        numbers->cap = MAX(numbers->cap * 2, (size_t) PUTS_FIRST);
        numbers->values = xrealloc(numbers->values, numbers->cap * sizeof(uint64_t));
    }
    numbers->values[numbers->n++] = number;
}

/* The number of a page as one version has it: the stored one's, or that of the version made
 * now. */
static uint64_t number_in(const struct page_ref *ref, bool stored)
{
    return stored ? ref->number : page_number(ref);
}

static void collect_cold(const struct cold_pages *pages, bool stored, struct numbers *out)
{
    bool has_new = !stored && pages->pending != 0;

    for (uint32_t i = 0; i < (has_new ? pages->keep : pages->n); i++)
        add_number(out, pages->pieces[i].number);
    if (has_new)
        add_number(out, pages->pending);
}

static uint64_t kept_number(const struct kept_slot *slot, bool stored)
{
    return slot->block != NULL ? number_in(&slot->block->page, stored) : slot->place.number;
}

static void collect_mbox(const struct mbox *mbox, bool stored, struct numbers *out)
{
    const struct mbox_info *info = mbox_info(mbox);

    if (info->n_keywords + info->n_acl + info->n_metadata > 0)
        add_number(out, number_in(&mbox->info->page, stored));
    for (size_t i = 0; !mbox->loaded && i < mbox->places->n; i++)
        add_number(out, mbox->places->at[i].number);
    for (size_t i = 0; i < mbox->n_slots; i++) {
        add_number(out, number_in(&mbox->slots[i].chunk->page, stored));
        collect_cold(&mbox->slots[i].chunk->cold->pages, stored, out);
    }
    for (size_t i = 0; i < mbox->expunged.n_slots; i++)
        add_number(out, number_in(&mbox->expunged.slots[i].block->page, stored));
    for (size_t i = 0; i < mbox->n_overlays; i++)
        add_number(out, number_in(&mbox->overlays[i]->page, stored));
    for (size_t i = 0; i < annotation_leaves(mbox); i++)
        add_number(out, number_in(&mbox->annotations->leaves[i]->page, stored));
    for (size_t i = 0; mbox->kept != NULL && i < mbox->kept->n_slots; i++)
        add_number(out, kept_number(&mbox->kept->slots[i], stored));
}

static int compare_pointers(const void *a, const void *b)
{
    const void *const *left = a, *const *right = b;

    return ((uintptr_t) *left > (uintptr_t) *right) - ((uintptr_t) *left < (uintptr_t) *right);
}

/* The leaves of a set, by address. */
static const void **leaves_of(const struct sorted *set)
{
    const void **leaves = xmalloc((set->n_leaves + 1) * sizeof(*leaves));

    for (size_t i = 0; i < set->n_leaves; i++)
        leaves[i] = set->leaves[i].leaf;
    qsort(leaves, set->n_leaves, sizeof(*leaves), compare_pointers);
    return leaves;
}

static void collect_leaf(const struct sorted_leaf *leaf, bool stored, bool mailboxes,
                         const struct acct_state *other, struct numbers *out)
{
    add_number(out, number_in(&leaf->page, stored));
    for (uint32_t row = 0; mailboxes && row < leaf->n; row++) {
        const struct mbox *mbox = mbox_in(leaf, row);

        if (acct_mailbox_by_id(other, mbox_info(mbox)->id) != mbox &&
            acct_deleted_by_id(other, mbox_info(mbox)->id) != mbox)
            collect_mbox(mbox, stored, out);
    }
}

/* Page numbers below the leaves of a set that the other version's set does not share. */
static void collect_set(const struct sorted *set, const struct sorted *other_set, bool stored,
                        bool mailboxes, const struct acct_state *other, struct numbers *out)
{
    const void **shared = leaves_of(other_set);

    for (size_t i = 0; i < set->n_leaves; i++) {
        const void *leaf = set->leaves[i].leaf;

        if (bsearch(&leaf, shared, other_set->n_leaves, sizeof(*shared), compare_pointers) ==
            NULL)
            collect_leaf(set->leaves[i].leaf, stored, mailboxes, other, out);
    }
    free(shared);
}

static int compare_numbers(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

static struct numbers collect(const struct acct_state *state, const struct acct_state *other,
                              bool stored)
{
    struct numbers out = {0};

    collect_set(state->by_id, other->by_id, stored, true, other, &out);
    collect_set(state->deleted, other->deleted, stored, true, other, &out);
    collect_set(state->subscriptions, other->subscriptions, stored, false, other, &out);
    if (!rest_is_empty(state->rest))
        add_number(&out, number_in(&state->rest->page, stored));
    if (out.n > 0)
        qsort(out.values, out.n, sizeof(*out.values), compare_numbers);
    return out;
}

/* What the stored version lists and the new one does not. */
static void make_drops(const struct maker *maker, const struct acct_state *stored,
                       struct page_batch *batch)
{
    struct numbers old = collect(stored, maker->state, true);
    struct numbers now = collect(maker->state, stored, false);
    uint64_t *drops = ARENA_ARRAY(maker->arena, uint64_t, old.n);
    size_t n = 0;

    for (size_t i = 0; i < old.n; i++) {
        if (now.n == 0 || bsearch(&old.values[i], now.values, now.n, sizeof(*now.values),
                                  compare_numbers) == NULL)
            drops[n++] = old.values[i];
    }
    batch->drops = drops;
    batch->n_drops = n;
    free(old.values);
    free(now.values);
}

void acct_pages_make(const struct acct_state *state, const struct acct_state *stored,
                     struct arena *arena, struct page_batch *out)
{
    struct maker maker = {.state = state, .arena = arena};
    struct page_batch batch = {0};

    for (size_t i = 0; i < state->by_id->n_leaves; i++)
        make_mailboxes(&maker, state->by_id->leaves[i].leaf, PAGE_MAILBOXES);
    for (size_t i = 0; i < state->deleted->n_leaves; i++)
        make_mailboxes(&maker, state->deleted->leaves[i].leaf, PAGE_DELETED);
    for (size_t i = 0; i < state->subscriptions->n_leaves; i++)
        make_subscriptions(&maker, state->subscriptions->leaves[i].leaf);
    make_rest(&maker, state->rest);
    batch.root = make_root(&maker);
    batch.puts = maker.puts;
    batch.n_puts = maker.n;
    if (stored != NULL && stored != state)
        make_drops(&maker, stored, &batch);
    *out = batch;
}

/* ---- confirmed ---- */

/* The numbers a batch gave are consecutive; others were given to a batch that was not stored.
 */
static void confirm(struct page_ref *ref, uint64_t first)
{
    if (ref->pending >= first) {
        ref->number = ref->pending;
        ref->rows = ref->rows_next;
    }
    ref->pending = 0;
}

static void confirm_cold(struct cold_pages *pages, uint64_t first)
{
    if (pages->pending >= first) {
        pages->n = pages->keep;
        pages->pieces[pages->n++] =
            (struct page_place){.number = pages->pending, .rows = pages->rows_next};
    }
    pages->pending = 0;
}

static void confirm_mbox(struct mbox *mbox, uint64_t first)
{
    confirm(&mbox->info->page, first);
    for (size_t i = 0; i < mbox->n_slots; i++) {
        confirm(&mbox->slots[i].chunk->page, first);
        confirm_cold(&mbox->slots[i].chunk->cold->pages, first);
    }
    for (size_t i = 0; i < mbox->expunged.n_slots; i++)
        confirm(&mbox->expunged.slots[i].block->page, first);
    for (size_t i = 0; i < mbox->n_overlays; i++)
        confirm(&mbox->overlays[i]->page, first);
    for (size_t i = 0; i < annotation_leaves(mbox); i++)
        confirm(&mbox->annotations->leaves[i]->page, first);
    for (size_t i = 0; mbox->kept != NULL && i < mbox->kept->n_slots; i++) {
        if (mbox->kept->slots[i].block != NULL)
            confirm(&mbox->kept->slots[i].block->page, first);
    }
}

static void confirm_mailboxes(const struct sorted *set, uint64_t first)
{
    for (size_t i = 0; i < set->n_leaves; i++) {
        struct sorted_leaf *leaf = set->leaves[i].leaf;

        if (leaf->page.pending == 0)
            continue;
        for (uint32_t row = 0; row < leaf->n; row++)
            confirm_mbox(mbox_in(leaf, row), first);
        confirm(&leaf->page, first);
    }
}

void acct_pages_stored(const struct acct_state *state, const struct page_batch *batch)
{
    uint64_t first = batch->n_puts > 0 ? batch->puts[0].number : UINT64_MAX;

    confirm_mailboxes(state->by_id, first);
    confirm_mailboxes(state->deleted, first);
    for (size_t i = 0; i < state->subscriptions->n_leaves; i++)
        confirm(&state->subscriptions->leaves[i].leaf->page, first);
    confirm(&state->rest->page, first);
}
