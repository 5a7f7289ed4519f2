/*
 * pages_load.c - an account from its root and the pages it lists: mailboxes without their
 * messages (mbox_load.c), subscriptions, the rest.
 */
#include "account/kept_pages.h"
#include "account/state_parts.h"
#include "base/utf8.h"

static bool get_counts(struct scan *sc, uint8_t version, struct mbox_counts *counts)
{
    return scan_varint32(sc, MESSAGES_MAX, &counts->messages) &&
           scan_varint32(sc, counts->messages, &counts->unseen) &&
           scan_varint32(sc, counts->messages, &counts->deleted) &&
           scan_varint32(sc, UINT32_MAX, &counts->uidnext) && counts->uidnext != 0 &&
           scan_varint32(sc, UINT32_MAX, &counts->first_recent) &&
           scan_varint(sc, UINT64_MAX, &counts->bytes) &&
           scan_varint(sc, counts->bytes, &counts->bytes_deleted) &&
           scan_varint(sc, MODSEQ_MAX, &counts->highestmodseq) && counts->highestmodseq != 0 &&
           scan_varint(sc, MODSEQ_MAX, &counts->expunged_below) &&
           (version == PAGE_VERSION_PLAIN ||
            scan_varint(sc, ANNOTATIONS_MAILBOX_MAX_BYTES, &counts->annotation_bytes));
}

/* Of a mailbox with unseen messages 1 + the index of the first, 0: not known; else 0. Of the
 * unseen ones all lie at or behind it. */
static bool get_first_unseen(struct scan *sc, uint8_t version, const struct mbox_counts *counts,
                             uint32_t *out)
{
    uint32_t first = 0;

    if (version >= PAGE_VERSION_UNSEEN &&
        !scan_varint32(sc, counts->unseen > 0 ? counts->messages - counts->unseen + 1 : 0,
                       &first))
        return false;
    if (first > 0)
        *out = first - 1;
    else
        *out = counts->unseen > 0 ? UNSEEN_NOT_KNOWN : UNSEEN_NONE;
    return true;
}

/* The number is that of a page that has been: below next_number. */
static bool get_place(struct scan *sc, uint64_t next_number, uint32_t rows_max,
                      struct page_place *out)
{
    return scan_varint(sc, next_number - 1, &out->number) && out->number != 0 &&
           scan_varint32(sc, rows_max, &out->rows) && (rows_max == UINT32_MAX || out->rows > 0);
}

/* A chunk's hot page, and the pieces of its cold store. */
static bool get_chunk_places(struct scan *sc, uint64_t next_number, struct page_place *at,
                             size_t *n)
{
    struct page_place *hot = &at[(*n)++];
    uint32_t rows = 0;

    if (!get_place(sc, next_number, CHUNK_MESSAGES, hot) ||
        !scan_varint32(sc, COLD_PIECES_MAX, &hot->n_cold) || hot->n_cold == 0)
        return false;
    for (uint32_t i = 0; i < hot->n_cold; i++) {
        if (!get_place(sc, next_number, COLD_ROWS_MAX - rows, &at[*n]))
            return false;
        rows += at[(*n)++].rows;
    }
    return true;
}

/* Each chunk takes two bytes of the page at least, so what is reserved is linear in it. */
static struct mbox_places *get_places(struct scan *sc, uint8_t version, uint64_t next_number)
{
    struct mbox_places *places;
    size_t n_chunks, n_expunged, n_overlays, n_annotations = 0, n_behind, n = 0;
    bool good = true;

    if (!page_get_count(sc, MESSAGES_MAX, &n_chunks) ||
        !page_get_count(sc, MESSAGES_MAX, &n_expunged) ||
        !page_get_count(sc, OVERLAY_READERS_MAX, &n_overlays) ||
        (version != PAGE_VERSION_PLAIN &&
         !page_get_count(sc, ANNOTATIONS_MAILBOX_MAX_BYTES, &n_annotations)))
        return NULL;
    n_behind = n_expunged + n_overlays + n_annotations;
    places = mbox_places_new(n_chunks * (1 + COLD_PIECES_MAX) + n_behind);
    for (size_t i = 0; i < n_chunks && good; i++)
        good = get_chunk_places(sc, next_number, places->at, &n);
    for (size_t i = 0; i < n_behind && good; i++)
        good = get_place(sc, next_number, UINT32_MAX, &places->at[n++]);
    if (!good) {
        free(places);
        return NULL;
    }
    places->n_chunks = n_chunks;
    places->n_expunged = n_expunged;
    places->n_overlays = n_overlays;
    places->n_annotations = n_annotations;
    places->n = n;
    return xrealloc(places, sizeof(*places) + n * sizeof(struct page_place));
}

static bool name_is_valid(struct slice name)
{
    return name.len > 0 && utf8_is_valid(name) && slice_eq(mailbox_name_key(name), name);
}

/* One mailbox of a page, not loaded. *out_info_page: where the rest of its info lies, or 0. */
static struct mbox *get_mbox(struct scan *sc, const struct page_id *page,
                             const struct acct_state *state, uint64_t *out_info_page)
{
    struct mbox_counts counts = {0};
    struct mbox_places *places;
    struct object_id mailboxid;
    struct slice name;
    struct mbox *mbox;
    uint32_t id, uidvalidity, special_use, first_unseen;

    if (!scan_varint32(sc, state->next_mailbox_id - 1, &id) || id == 0 ||
        !page_get_id(sc, &mailboxid) || !scan_varint_bytes(sc, MAILBOX_NAME_BYTES_MAX, &name) ||
        !name_is_valid(name) || !scan_varint32(sc, UINT32_MAX, &uidvalidity) ||
        uidvalidity == 0 || !scan_varint32(sc, UINT32_MAX, &special_use) ||
        !scan_varint(sc, state->ledger->next_number - 1, out_info_page) ||
        !get_counts(sc, page->version, &counts) || counts.highestmodseq > state->modseq ||
        !get_first_unseen(sc, page->version, &counts, &first_unseen))
        return NULL;
    places = get_places(sc, page->version, state->ledger->next_number);
    if (places == NULL)
        return NULL;
    places->first_unseen = first_unseen;
    mbox = mbox_new(info_object_new(id, &mailboxid, name, uidvalidity, special_use));
    mbox->counts = counts;
    mbox_forget_messages(mbox, places);
    if (!kept_get_slots(sc, state->ledger->next_number, &mbox->kept))
        mbox_unrefp(&mbox);
    return mbox;
}

static bool get_keyword_table(struct scan *sc, struct info_object **info)
{
    struct slice name;
    size_t n;

    if (!page_get_count(sc, KEYWORDS_MAX, &n))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!scan_varint_bytes(sc, KEYWORD_BYTES_MAX, &name) || name.len == 0)
            return false;
        info_add_keyword(info, name);
    }
    return true;
}

static enum rc load_info(struct page_loader *loader, struct mbox *mbox, uint64_t number,
                         struct err *err)
{
    struct info_object *info = mbox->info;
    struct page_id id;
    struct scan sc;
    enum rc rc;

    if (number == 0)
        return RC_OK;
    rc = page_load(loader, PAGE_INFO, number, &id, &sc, err);
    if (rc)
        return rc;
    if (!get_keyword_table(&sc, &mbox->info) ||
        !page_get_pairs(&sc, ACL_ENTRIES_MAX, ACL_IDENTIFIER_MAX, ACL_RIGHTS_MAX, &info->acl,
                        &info->info.n_acl) ||
        !page_get_pairs(&sc, METADATA_ENTRIES_MAX, METADATA_NAME_MAX, METADATA_VALUE_MAX,
                        &info->metadata, &info->info.n_metadata) ||
        !scan_done(&sc))
        return page_corrupt(err, &id, "keywords, ACL, metadata");
    info_show(info);
    info->page = (struct page_ref){.number = number};
    return RC_OK;
}

/* The mailboxes of one leaf, before they are in the state. */
struct leaf_items {
    struct mbox *mboxes[LEAF_ITEMS_MAX];
    uint64_t info_pages[LEAF_ITEMS_MAX];
    uint32_t n;
};

static bool get_end(struct scan *sc, struct mbox_end *end)
{
    uint8_t name_given;

    if (!scan_varint_signed(sc, &end->deleted_sec) ||
        !scan_varint(sc, UINT64_MAX, &end->deleted_by) || !scan_le8(sc, &name_given) ||
        name_given > 1)
        return false;
    end->name_given = name_given == 1;
    return true;
}

static bool get_leaf(struct scan *sc, const struct page_id *page,
                     const struct acct_state *state, struct leaf_items *items)
{
    size_t n;

    if (!page_get_count(sc, LEAF_ITEMS_MAX, &n) || n == 0)
        return false;
    while (items->n < n) {
        struct mbox *mbox = get_mbox(sc, page, state, &items->info_pages[items->n]);

        if (mbox == NULL)
            return false;
        items->mboxes[items->n++] = mbox;
        if (page->kind == PAGE_DELETED && !get_end(sc, &mbox->end))
            return false;
    }
    return scan_done(sc);
}

static uint32_t last_id(const struct sorted *set)
{
    const struct counted *item;

    if (set->n == 0)
        return 0;
    item = sorted_at(set, set->n - 1);
    return mbox_info((const struct mbox *) (const void *) item)->id;
}

/* Put the leaf into both indexes: ids ascend, names are new. Takes over the items it has put.
 */
static bool insert_leaf(struct acct_state *state, struct leaf_items *items, uint64_t number)
{
    struct counted *counted[LEAF_ITEMS_MAX];
    uint32_t id = last_id(state->by_id);

    for (uint32_t i = 0; i < items->n; i++) {
        const struct mbox_info *info = mbox_info(items->mboxes[i]);

        if (info->id <= id || (mbox_info_is_all(info) && state->all_id != 0) ||
            sorted_find(state->by_name, compare_mailbox_name, &info->name, NULL) != NULL)
            return false;
        id = info->id;
        state_insert_name(state, items->mboxes[i]);
        counted[i] = &items->mboxes[i]->counted;
    }
    sorted_append_leaf(&state->by_id, counted, items->n, number);
    items->n = 0;
    return true;
}

/* The same for deleted ones: ids ascend and are no other mailbox's; names may be. */
static bool insert_deleted_leaf(struct acct_state *state, struct leaf_items *items,
                                uint64_t number)
{
    struct counted *counted[LEAF_ITEMS_MAX];
    uint32_t id = last_id(state->deleted);

    for (uint32_t i = 0; i < items->n; i++) {
        const struct mbox_info *info = mbox_info(items->mboxes[i]);

        if (info->id <= id || mbox_info_is_all(info) ||
            acct_mailbox_by_id(state, info->id) != NULL)
            return false;
        id = info->id;
        counted[i] = &items->mboxes[i]->counted;
    }
    for (uint32_t i = 0; i < items->n; i++)
        state_count_deleted(state, items->mboxes[i], true);
    sorted_append_leaf(&state->deleted, counted, items->n, number);
    items->n = 0;
    return true;
}

static enum rc load_mailboxes(struct page_loader *loader, struct acct_state *state,
                              enum page_kind kind, uint64_t number, struct err *err)
{
    struct leaf_items items = {.n = 0};
    struct page_id id;
    struct scan sc;
    enum rc rc = page_load(loader, kind, number, &id, &sc, err);

    if (rc)
        return rc;
    if (!get_leaf(&sc, &id, state, &items))
        rc = page_corrupt(err, &id, "mailboxes");
    for (uint32_t i = 0; rc == RC_OK && i < items.n; i++)
        rc = load_info(loader, items.mboxes[i], items.info_pages[i], err);
    if (rc == RC_OK && !(kind == PAGE_DELETED ? insert_deleted_leaf(state, &items, number)
                                              : insert_leaf(state, &items, number)))
        rc = page_corrupt(err, &id, "mailbox ids or names");
    for (uint32_t i = 0; i < items.n; i++)
        mbox_unref(items.mboxes[i]);
    return rc;
}

static enum rc load_leaf(struct page_loader *loader, struct acct_state *state, uint64_t number,
                         struct err *err)
{
    return load_mailboxes(loader, state, PAGE_MAILBOXES, number, err);
}

static enum rc load_deleted(struct page_loader *loader, struct acct_state *state,
                            uint64_t number, struct err *err)
{
    return load_mailboxes(loader, state, PAGE_DELETED, number, err);
}

static enum rc load_subscriptions(struct page_loader *loader, struct acct_state *state,
                                  uint64_t number, struct err *err)
{
    struct counted *items[LEAF_ITEMS_MAX];
    struct slice name;
    struct page_id id;
    struct scan sc;
    size_t n = 0, got = 0;
    enum rc rc = page_load(loader, PAGE_SUBSCRIPTIONS, number, &id, &sc, err);

    if (rc)
        return rc;
    if (!page_get_count(&sc, LEAF_ITEMS_MAX, &n) || n == 0)
        return page_corrupt(err, &id, "subscriptions");
    while (got < n && scan_varint_bytes(&sc, MAILBOX_NAME_BYTES_MAX, &name) &&
           name_is_valid(name)) {
        bool first = got == 0, in_order;
        const struct counted *before =
            !first ? items[got - 1]
                   : (state->subscriptions->n > 0
                          ? sorted_at(state->subscriptions, state->subscriptions->n - 1)
                          : NULL);

        in_order = before == NULL || compare_subscription(&name, before) > 0;
        if (!in_order)
            break;
        items[got++] = &name_item_new(0, name)->counted;
    }
    if (got == n && scan_done(&sc)) {
        sorted_append_leaf(&state->subscriptions, items, (uint32_t) n, number);
        return RC_OK;
    }
    while (got > 0)
        name_item_free(items[--got]);
    return page_corrupt(err, &id, "subscriptions");
}

static bool get_quotas(struct scan *sc, struct acct_rest *rest)
{
    struct slice resource;
    size_t n;

    if (!page_get_count(sc, QUOTA_RESOURCES_MAX, &n))
        return false;
    rest->quotas = n > 0 ? xcalloc(n, sizeof(*rest->quotas)) : NULL;
    while (rest->n_quotas < n) {
        struct quota_limit *quota = &rest->quotas[rest->n_quotas];

        if (!scan_varint_bytes(sc, QUOTA_RESOURCE_MAX, &resource) ||
            !scan_varint(sc, UINT64_MAX, &quota->limit) ||
            (rest->n_quotas > 0 && slice_cmp(quota[-1].resource, resource) >= 0))
            return false;
        quota->resource = text_dup(resource);
        rest->n_quotas++;
    }
    return true;
}

static bool get_xfers(struct scan *sc, struct acct_rest *rest)
{
    struct slice payload;
    uint8_t type;
    size_t n;

    if (!page_get_count(sc, XFERS_MAX, &n))
        return false;
    rest->xfers = n > 0 ? xcalloc(n, sizeof(*rest->xfers)) : NULL;
    while (rest->n_xfers < n) {
        struct xfer_entry *xfer = &rest->xfers[rest->n_xfers];

        if (!scan_le8(sc, &type) || (type != RECORD_XFER_OUT && type != RECORD_XFER_IN) ||
            !scan_varint(sc, UINT64_MAX, &xfer->peer_account) ||
            !scan_varint(sc, UINT64_MAX, &xfer->transfer_id) ||
            !scan_varint_bytes(sc, XFER_PAYLOAD_MAX, &payload))
            return false;
        xfer->type = (enum record_type) type;
        xfer->payload = text_dup(payload);
        rest->n_xfers++;
    }
    return true;
}

static enum rc load_rest(struct page_loader *loader, struct acct_state *state, uint64_t number,
                         struct err *err)
{
    struct acct_rest *rest = state->rest;
    struct page_id id;
    struct scan sc;
    enum rc rc;

    if (number == 0)
        return RC_OK;
    rc = page_load(loader, PAGE_REST, number, &id, &sc, err);
    if (rc)
        return rc;
    if (!page_get_pairs(&sc, METADATA_ENTRIES_MAX, METADATA_NAME_MAX, METADATA_VALUE_MAX,
                        &rest->metadata, &rest->n_metadata) ||
        !get_quotas(&sc, rest) || !get_xfers(&sc, rest) || !scan_done(&sc))
        return page_corrupt(err, &id, "account metadata, quota, transfers");
    rest->page.number = number;
    return RC_OK;
}

/* The pages of a set's leaves, as the root lists them. */
typedef enum rc load_leaf_fn(struct page_loader *loader, struct acct_state *state,
                             uint64_t number, struct err *err);

static enum rc load_set(struct page_loader *loader, struct acct_state *state, struct scan *root,
                        const struct page_id *root_id, load_leaf_fn *load, struct err *err)
{
    uint64_t number;
    size_t n;

    if (!page_get_count(root, UINT64_MAX, &n))
        return page_corrupt(err, root_id, "list of pages");
    for (size_t i = 0; i < n; i++) {
        enum rc rc;

        if (!scan_varint(root, state->ledger->next_number - 1, &number) || number == 0)
            return page_corrupt(err, root_id, "page number");
        rc = load(loader, state, number, err);
        if (rc)
            return rc;
    }
    return RC_OK;
}

static bool get_root(struct scan *sc, struct acct_state *state)
{
    return scan_varint(sc, MODSEQ_MAX, &state->modseq) &&
           scan_varint(sc, UINT64_MAX, &state->next_body_id) && state->next_body_id != 0 &&
           scan_varint32(sc, UINT32_MAX, &state->next_mailbox_id) &&
           state->next_mailbox_id != 0 &&
           scan_varint(sc, INT64_MAX, &state->ledger->next_number) &&
           state->ledger->next_number != 0;
}

enum rc acct_pages_open(uint64_t account_id, struct slice root, uint64_t position,
                        page_read_fn *read, void *ctx, struct acct_state **out, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(PAGE_ARENA_BYTES);
    AUTO(acct_unrefp) struct acct_state *state = acct_state_new(account_id);
    struct page_loader loader = {account_id, read, ctx, arena};
    struct page_id id = {.kind = PAGE_ROOT, .account = account_id};
    struct scan sc;
    uint64_t rest;
    enum rc rc = page_check(root, &id, &sc, err);

    if (rc)
        return rc;
    if (!get_root(&sc, state))
        return page_corrupt(err, &id, "account numbers");
    state->has_twins = id.version == PAGE_VERSION_TWINS;
    rc = load_set(&loader, state, &sc, &id, load_leaf, err);
    if (rc == RC_OK)
        rc = load_set(&loader, state, &sc, &id, load_deleted, err);
    if (rc == RC_OK)
        rc = load_set(&loader, state, &sc, &id, load_subscriptions, err);
    if (rc)
        return rc;
    if (!scan_varint(&sc, state->ledger->next_number - 1, &rest) || !scan_done(&sc))
        return page_corrupt(err, &id, "end of root");
    if (state->has_twins != (id.version == PAGE_VERSION_TWINS))
        return page_corrupt(err, &id, "All in a root of another version");
    rc = load_rest(&loader, state, rest, err);
    if (rc)
        return rc;
    state->position = position;
    *out = TAKE(state);
    return RC_OK;
}
