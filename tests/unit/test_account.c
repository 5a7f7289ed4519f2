/* test_account.c - random records against a slow, obvious model: versions, records, pages. */
// links: account
// lib: account_model account_compare
#include "account/live_bodies.h"
#include "base/map.h"
#include "lib/account_model.h"

#define SEEDS              20
#define STEPS              600
#define ANNOTATIONS_WALKED 300u /* entries of a mailbox */
#define VERSIONS_KEPT      40
#define ACCOUNT            0xacc0u

/* ---- pages on a disk of the test ---- */

struct page_store {
    struct map *pages; /* number -> struct slice */
    struct slice root;
    size_t n_read;
};

static enum rc store_read(void *ctx, uint64_t number, struct arena *arena, struct slice *out,
                          struct err *err)
{
    struct page_store *store = ctx;
    const struct slice *page = map_get(store->pages, MAP_KEY(number));

    if (page == NULL)
        return err_set(err, RC_NOT_FOUND, "no page", "page %d", (int) number);
    store->n_read++;
    *out = arena_dup(arena, *page);
    return RC_OK;
}

static struct slice *heap_page(struct slice bytes)
{
    struct slice *page = xmalloc(sizeof(*page) + bytes.len);

    memcpy(page + 1, bytes.ptr, bytes.len);
    *page = slice_of(page + 1, bytes.len);
    return page;
}

static void store_write(struct page_store *store, const struct page_batch *batch)
{
    for (size_t i = 0; i < batch->n_puts; i++) {
        void *old = map_put(store->pages, MAP_KEY(batch->puts[i].number),
                            heap_page(batch->puts[i].bytes));

        assert_null(old);
    }
    for (size_t i = 0; i < batch->n_drops; i++) {
        void *page = map_remove(store->pages, MAP_KEY(batch->drops[i]));

        assert_non_null(page);
        free(page);
    }
    free((void *) (uintptr_t) (store->root.len > 0 ? store->root.ptr - sizeof(struct slice)
                                                   : NULL));
    store->root = *heap_page(batch->root);
}

static void store_done(struct page_store *store)
{
    struct slice key;
    void *value;

    for (size_t at = 0; map_next(store->pages, &at, &key, &value);)
        free(value);
    map_free(store->pages);
    if (store->root.len > 0)
        free((void *) (uintptr_t) (store->root.ptr - sizeof(struct slice)));
}

/* ---- the walk ---- */

struct kept {
    struct acct_state *state;
    struct model *model;
};

struct walk {
    uint64_t seed, random;
    struct arena *arena;
    struct acct_state *tip, *stored;
    struct model *model;
    struct page_store store;
    struct kept kept[VERSIONS_KEPT];
    size_t n_kept;
    int64_t now_us;
    uint64_t modseq_step; /* how far modseq jumps, so that deltas overflow in some walks */
};

/* xorshift64*: the same walk for the same seed everywhere. */
static uint64_t next(struct walk *walk)
{
    walk->random ^= walk->random >> 12;
    walk->random ^= walk->random << 25;
    walk->random ^= walk->random >> 27;
    return walk->random * 0x2545f4914f6cdd1dULL;
}

static uint32_t pick(struct walk *walk, size_t n)
{
    return (uint32_t) (next(walk) % n);
}

static struct object_id some_id(struct walk *walk)
{
    struct object_id id;

    for (size_t i = 0; i < sizeof(id.bytes); i++)
        id.bytes[i] = (uint8_t) next(walk);
    id.bytes[0] |= 1;
    return id;
}

static enum rc load_whole(struct walk *walk, struct acct_state *fork, uint32_t id,
                          struct err *err)
{
    enum rc rc = acct_mbox_load(fork, id, store_read, &walk->store, err);
    const struct mbox *mbox = acct_mailbox_by_id(fork, id);

    if (mbox == NULL)
        mbox = acct_deleted_by_id(fork, id);
    if (rc == RC_OK && mbox != NULL && mbox_counts(mbox)->messages > 0)
        rc = acct_cold_load(fork, mbox, 0, mbox_counts(mbox)->messages - 1, store_read,
                            &walk->store, err);
    return rc;
}

static enum rc load_needed(struct walk *walk, struct acct_state *fork,
                           const struct record *record)
{
    struct err err;

    if (acct_record_load(fork, record, store_read, &walk->store, &err) != RC_OK)
        fail_msg("load: %s", err.detail);
    return RC_OK;
}

/* Through the journal's form and back, checked, and applied to both. */
static void put(struct walk *walk, struct acct_state *fork, const struct record *record)
{
    const struct record_group group = {.time_us = walk->now_us, .actor.account = pick(walk, 3)};
    struct record back;
    struct buf buf, again;
    struct scan sc;
    struct err err;

    buf_init(&buf, GROUP_RECORDS_MAX_BYTES);
    buf_init(&again, GROUP_RECORDS_MAX_BYTES);
    record_encode(&buf, record);
    sc = scan_of(buf_slice(&buf));
    if (record_decode(&sc, walk->arena, &back, &err) != RC_OK)
        fail_msg("seed %d: decode: %s", (int) walk->seed, err.detail);
    record_encode(&again, &back);
    assert_true(slice_eq(buf_slice(&buf), buf_slice(&again)));
    (void) load_needed(walk, fork, &back);
    if (acct_check(fork, &back, &err) != RC_OK)
        fail_msg("seed %d: type %d: %s", (int) walk->seed, (int) back.type, err.detail);
    acct_apply(fork, &group, &back);
    model_apply(walk->model, &group, record);
    buf_done(&buf);
    buf_done(&again);
}

static uint64_t new_modseq(struct walk *walk)
{
    return walk->model->modseq + 1 + next(walk) % walk->modseq_step;
}

static struct model_mbox *some_mbox(struct walk *walk)
{
    return &walk->model->mboxes[pick(walk, walk->model->n_mboxes)];
}

/* Some of the mailbox's uids; each run of neighbours is cut here and there. */
static struct uid_set some_uids(struct walk *walk, const struct model_mbox *mbox)
{
    struct uid_set_builder builder;
    uint32_t one_in = 1 + pick(walk, 8);
    size_t from = pick(walk, mbox->n_messages), to = from + 1 + pick(walk, mbox->n_messages);

    if (pick(walk, 3) == 0)
        to = from + 1;
    uid_set_start(&builder, walk->arena);
    uid_set_add(&builder, mbox->messages[from].uid);
    for (size_t i = from + 1; i < MIN(to, mbox->n_messages); i++) {
        if (pick(walk, one_in) == 0)
            uid_set_add(&builder, mbox->messages[i].uid);
    }
    return uid_set_finish(&builder);
}

static size_t some_keywords(struct walk *walk, const struct model_mbox *mbox, uint16_t *out)
{
    size_t n = 0;

    for (uint16_t i = 0; i < mbox->n_keywords && pick(walk, 2) == 0; i++) {
        if (pick(walk, 3) == 0)
            out[n++] = i;
    }
    return n;
}

static void walk_append(struct walk *walk, struct acct_state *fork)
{
    struct model_mbox *mbox = some_mbox(walk);
    uint16_t keywords[KEYWORDS_MAX];
    uint32_t n = 1 + pick(walk, 8) * pick(walk, 8);

    if (pick(walk, 40) == 0)
        n = 5000;
    for (; n > 0; n--) {
        struct record record = {.type = RECORD_APPEND};

        mbox = model_mbox(walk->model, mbox->id);
        record.append = (struct record_append){
            .mbox = mbox->id,
            .uid = mbox->uidnext + (pick(walk, 20) == 0 ? pick(walk, 100) : 0),
            .flags = (uint8_t) (next(walk) & FLAGS_ALL),
            .keywords = keywords,
            .n_keywords = some_keywords(walk, mbox, keywords),
            .size = pick(walk, 1 << 20),
            .internaldate = {(int64_t) next(walk) >> 20, (int16_t) (pick(walk, 1440) - 720)},
            .savedate = (int64_t) pick(walk, 1u << 31),
            .emailid = some_id(walk),
            .body_id = walk->model->next_body_id + pick(walk, 3),
            .modseq = walk->model->modseq + 1,
        };
        if (pick(walk, 2) == 0)
            record.append.threadid = some_id(walk);
        put(walk, fork, &record);
    }
}

static void walk_flags(struct walk *walk, struct acct_state *fork)
{
    struct model_mbox *mbox = some_mbox(walk);
    uint16_t keywords[KEYWORDS_MAX];
    struct record record = {.type = RECORD_FLAGS};

    if (mbox->n_messages == 0)
        return;
    record.flags = (struct record_flags){
        .mbox = mbox->id,
        .reader = pick(walk, 4) == 0 ? 1 + pick(walk, 3) : 0,
        .op = (enum flag_op) pick(walk, 3),
        .flags = (uint8_t) (next(walk) & FLAGS_ALL),
        .keywords = keywords,
        .n_keywords = some_keywords(walk, mbox, keywords),
        .uids = some_uids(walk, mbox),
        .modseq = new_modseq(walk),
    };
    put(walk, fork, &record);
}

/* The model compares entries one by one: a message and at most 29 behind it. */
static struct uid_set few_uids(struct walk *walk, const struct model_mbox *mbox)
{
    struct uid_set_builder builder;
    size_t from = pick(walk, mbox->n_messages), n = 1 + pick(walk, 30);

    uid_set_start(&builder, walk->arena);
    for (size_t i = from; i < MIN(from + n, mbox->n_messages); i++)
        uid_set_add(&builder, mbox->messages[i].uid);
    return uid_set_finish(&builder);
}

static void walk_annotate(struct walk *walk, struct acct_state *fork)
{
    static const char *const values[] = {"", "a", "two", "seven77"};
    const struct model_mbox *mbox = some_mbox(walk);
    struct record record = {.type = RECORD_ANNOTATE};
    struct annotation entries[8];
    size_t n = 0;

    if (mbox->n_messages == 0 || mbox->n_annotations > ANNOTATIONS_WALKED)
        return;
    for (unsigned name = pick(walk, 8); name < 8; name += 1 + pick(walk, 4)) {
        bool is_nil = pick(walk, 4) == 0;

        entries[n++] = (struct annotation){
            .entry = slice_from_str(arena_printf(walk->arena, "/n%u", name)),
            .is_nil = is_nil,
            .value = is_nil ? SLICE("") : slice_from_str(values[pick(walk, COUNT(values))])};
    }
    record.annotate = (struct record_annotate){
        .mbox = mbox->id,
        .reader = pick(walk, 2) == 0 ? 1 + pick(walk, 3) : 0,
        .entries = entries,
        .n_entries = n,
        .uids = few_uids(walk, mbox),
        .modseq = new_modseq(walk),
    };
    put(walk, fork, &record);
}

static void walk_expunge(struct walk *walk, struct acct_state *fork)
{
    const struct model_mbox *mbox = some_mbox(walk);
    struct record record = {.type = RECORD_EXPUNGE};

    if (mbox->n_messages == 0)
        return;
    record.expunge = (struct record_expunge){mbox->id, some_uids(walk, mbox), new_modseq(walk)};
    put(walk, fork, &record);
}

static void add_keyword(struct walk *walk, struct acct_state *fork, uint32_t id,
                        struct slice name)
{
    const struct model_mbox *mbox = model_mbox(walk->model, id);
    struct record record = {
        .type = RECORD_KEYWORD,
        .keyword = {mbox->id, (uint16_t) mbox->n_keywords, name},
    };

    for (size_t i = 0; i < mbox->n_keywords; i++) {
        if (slice_eq(slice_from_str(mbox->keywords[i]), name))
            return;
    }
    if (mbox->n_keywords < KEYWORDS_MAX)
        put(walk, fork, &record);
}

static void walk_copy(struct walk *walk, struct acct_state *fork)
{
    const struct model_mbox *src = some_mbox(walk), *dst = some_mbox(walk);
    uint32_t src_id = src->id, dst_id = dst->id;
    struct record record = {.type = pick(walk, 2) == 0 ? RECORD_COPY : RECORD_MOVE};

    if (src->n_messages == 0 || dst->n_keywords + src->n_keywords > KEYWORDS_MAX)
        return;
    for (size_t i = 0; src_id != dst_id && i < src->n_keywords; i++)
        add_keyword(walk, fork, dst_id, slice_from_str(src->keywords[i]));
    src = model_mbox(walk->model, src_id);
    dst = model_mbox(walk->model, dst_id);
    record.copy = (struct record_copy){
        .src = src_id,
        .dst = dst_id,
        .uids = some_uids(walk, src),
        .dst_first_uid = dst->uidnext + pick(walk, 2),
        .savedate = (int64_t) pick(walk, 1u << 31),
        .modseq = new_modseq(walk),
        .annotations = pick(walk, 2) == 0,
        .reader = pick(walk, 4),
    };
    put(walk, fork, &record);
}

/* A name nobody has; sometimes one that a deleted mailbox had. */
static struct slice free_name(struct walk *walk)
{
    const struct model *model = walk->model;
    const char *old =
        model->n_deleted > 0 ? model->deleted[pick(walk, model->n_deleted)].name : NULL;
    bool is_taken = old == NULL || pick(walk, 3) == 0;

    for (size_t i = 0; !is_taken && i < model->n_mboxes; i++)
        is_taken = strcmp(model->mboxes[i].name, old) == 0;
    return slice_from_str(is_taken
                              ? arena_printf(walk->arena, "%c/%x", 'a' + (int) pick(walk, 4),
                                             (unsigned) pick(walk, 1u << 30))
                              : arena_printf(walk->arena, "%s", old));
}

static void walk_mailbox(struct walk *walk, struct acct_state *fork)
{
    const struct model_mbox *mbox = some_mbox(walk);
    struct record record = {.type = RECORD_MAILBOX};
    struct slice name = free_name(walk);

    record.mailbox = (struct record_mailbox){
        .op = (enum mailbox_op)(1 + pick(walk, 6)),
        .mbox = mbox->id,
        .name = name,
        .special_use = pick(walk, 256),
        .first_recent = mbox->uidnext,
        .uidnext = mbox->uidnext + pick(walk, 10),
        .modseq = new_modseq(walk),
    };
    if (record.mailbox.op == MAILBOX_CREATE || walk->model->n_mboxes < 3) {
        if (walk->model->n_mboxes >= MODEL_MAILBOXES)
            return;
        record.mailbox.op = MAILBOX_CREATE;
        record.mailbox.mbox = walk->model->next_mailbox_id + pick(walk, 2);
        record.mailbox.mailboxid = some_id(walk);
        record.mailbox.uidvalidity = 1 + pick(walk, 1u << 30);
        record.mailbox.uidnext = 1 + pick(walk, 3);
    }
    put(walk, fork, &record);
}

static void walk_small(struct walk *walk, struct acct_state *fork)
{
    const struct model_mbox *mbox = some_mbox(walk);
    char name[3] = {'?', (char) ('0' + pick(walk, 8)), '\0'};
    struct slice value = slice_from_str(arena_printf(walk->arena, "v%u", pick(walk, 1000)));
    struct record record = {.type = RECORD_SUBSCRIBE};

    switch (pick(walk, 7)) {
    case 0:
        name[0] = 's';
        record.subscribe = (struct record_subscribe){slice_from_str(name), pick(walk, 2) == 0};
        break;
    case 1:
        name[0] = 'a';
        record.type = RECORD_ACL;
        record.acl =
            (struct record_acl){mbox->id, slice_from_str(name),
                                pick(walk, 3) == 0 ? SLICE("") : value, new_modseq(walk)};
        break;
    case 2:
        name[0] = 'm';
        record.type = RECORD_METADATA;
        record.metadata = (struct record_metadata){.mbox = pick(walk, 2) == 0 ? mbox->id : 0,
                                                   .entry = slice_from_str(name),
                                                   .is_nil = pick(walk, 3) == 0,
                                                   .modseq = new_modseq(walk)};
        if (!record.metadata.is_nil)
            record.metadata.value = value;
        break;
    case 3:
        add_keyword(walk, fork, mbox->id, value);
        return;
    case 4:
        name[0] = 'q';
        record.type = RECORD_QUOTA;
        record.quota = (struct record_quota){.resource = slice_from_str(name),
                                             .unlimited = pick(walk, 3) == 0};
        if (!record.quota.unlimited)
            record.quota.limit = 1 + next(walk) / 2;
        break;
    case 5:
        record.type = RECORD_PURGE;
        record.purge = (struct record_purge){mbox->id, next(walk) % (walk->model->modseq + 1)};
        break;
    default:
        record.type = pick(walk, 2) == 0 ? RECORD_XFER_IN : RECORD_XFER_OUT;
        record.xfer = (struct record_xfer){1 + pick(walk, 9), 1 + next(walk) / 2, value};
        break;
    }
    put(walk, fork, &record);
}

static void walk_threadid(struct walk *walk, struct acct_state *fork)
{
    const struct model_mbox *mbox = some_mbox(walk);
    struct record record = {.type = RECORD_THREADID};

    for (size_t i = 0; i < mbox->n_messages; i++) {
        if (!object_id_is_zero(&mbox->messages[i].cold.threadid) || pick(walk, 4) == 0)
            continue;
        record.threadid =
            (struct record_threadid){mbox->id, mbox->messages[i].uid, some_id(walk)};
        put(walk, fork, &record);
        if (pick(walk, 8) == 0)
            return;
    }
}

/* All a mailbox keeps, some runs of it, or one. */
static struct uid_set some_kept(struct walk *walk, const struct model_mbox *mbox)
{
    struct uid_set_builder builder;
    uint32_t one_in = 1 + pick(walk, 8), sure = mbox->kept[pick(walk, mbox->n_kept)].uid;

    uid_set_start(&builder, walk->arena);
    for (uint32_t uid = 1; uid < mbox->uidnext; uid++) {
        bool is_kept = false;

        for (size_t i = 0; !is_kept && i < mbox->n_kept; i++)
            is_kept = mbox->kept[i].uid == uid;
        if (is_kept && (uid == sure || pick(walk, one_in) == 0))
            uid_set_add(&builder, uid);
    }
    return uid_set_finish(&builder);
}

static void walk_restore(struct walk *walk, struct acct_state *fork)
{
    const struct model_mbox *src = some_mbox(walk), *dst = some_mbox(walk);
    uint32_t src_id = src->id, dst_id = pick(walk, 2) == 0 ? src->id : dst->id;
    struct record record = {.type = RECORD_RESTORE};

    if (src->n_kept == 0 || src->uidnext > 4000 ||
        dst->n_keywords + src->n_keywords > KEYWORDS_MAX)
        return;
    for (size_t i = 0; src_id != dst_id && i < src->n_keywords; i++)
        add_keyword(walk, fork, dst_id, slice_from_str(src->keywords[i]));
    src = model_mbox(walk->model, src_id);
    dst = model_mbox(walk->model, dst_id);
    record.restore = (struct record_restore){
        .op = RESTORE_MESSAGES,
        .mbox = src_id,
        .dst = dst_id,
        .uids = some_kept(walk, src),
        .dst_first_uid = dst->uidnext + pick(walk, 2),
        .savedate = (int64_t) pick(walk, 1u << 31),
        .modseq = new_modseq(walk),
    };
    put(walk, fork, &record);
}

static void walk_restore_mailbox(struct walk *walk, struct acct_state *fork)
{
    struct record record = {.type = RECORD_RESTORE};
    const struct model_mbox *mbox;
    struct slice name;
    bool is_taken = false;

    if (walk->model->n_deleted == 0 || walk->model->n_mboxes >= MODEL_MAILBOXES)
        return;
    mbox = &walk->model->deleted[pick(walk, walk->model->n_deleted)];
    name = slice_from_str(arena_printf(walk->arena, "%s", mbox->name));
    record.restore = (struct record_restore){
        .op = RESTORE_MAILBOX, .mbox = mbox->id, .modseq = new_modseq(walk)};
    for (size_t i = 0; i < walk->model->n_mboxes; i++)
        is_taken = is_taken || strcmp(walk->model->mboxes[i].name, mbox->name) == 0;
    if (mbox->end.name_given || pick(walk, 3) == 0) {
        if (is_taken || pick(walk, 2) == 0)
            name = slice_from_str(
                arena_printf(walk->arena, "back/%x", (unsigned) pick(walk, 1u << 30)));

        record.restore.new_mbox = walk->model->next_mailbox_id + pick(walk, 2);
        record.restore.mailboxid = some_id(walk);
        record.restore.uidvalidity = 1 + pick(walk, 1u << 30);
    }
    record.restore.name = name;
    record.restore.special_use = pick(walk, 256);
    put(walk, fork, &record);
}

static void walk_forget(struct walk *walk, struct acct_state *fork)
{
    const struct model *model = walk->model;
    bool is_deleted = model->n_deleted > 0 && pick(walk, 2) == 0;
    const struct model_mbox *mbox =
        is_deleted ? &model->deleted[pick(walk, model->n_deleted)] : some_mbox(walk);
    struct record record = {.type = RECORD_FORGET};

    record.forget = (struct record_forget){.op = FORGET_MAILBOX, .mbox = mbox->id};
    if (!is_deleted || pick(walk, 2) == 0) {
        record.forget.op = FORGET_MESSAGES;
        if (mbox->n_kept == 0)
            return;
        record.forget.n = 1 + pick(walk, mbox->n_kept);
    }
    put(walk, fork, &record);
}

static void walk_kept(struct walk *walk, struct acct_state *fork)
{
    switch (pick(walk, 4)) {
    case 0:
        walk_restore(walk, fork);
        break;
    case 1:
        walk_restore_mailbox(walk, fork);
        break;
    default:
        walk_forget(walk, fork);
        break;
    }
}

static void walk_record(struct walk *walk, struct acct_state *fork)
{
    static void (*const steps[])(struct walk *, struct acct_state *) = {
        walk_append,  walk_append,   walk_append, walk_flags,    walk_flags,
        walk_expunge, walk_expunge,  walk_copy,   walk_mailbox,  walk_small,
        walk_small,   walk_threadid, walk_kept,   walk_annotate, walk_annotate,
    };

    walk->now_us += (int64_t) pick(walk, 5000000) - 1000000; /* clocks are set back */
    steps[pick(walk, COUNT(steps))](walk, fork);
}

/* ---- what is checked along the way ---- */

static void keep_version(struct walk *walk)
{
    struct kept *kept = &walk->kept[pick(walk, VERSIONS_KEPT)];

    if (walk->n_kept < VERSIONS_KEPT)
        kept = &walk->kept[walk->n_kept++];
    if (kept->state != NULL) {
        model_compare(kept->model, kept->state, false, next(walk));
        acct_unref(kept->state);
        model_free(kept->model);
    }
    *kept = (struct kept){acct_ref(walk->tip), model_copy(walk->model)};
}

/* A fork that is given up: whatever it did to shared memory, no version may notice. */
static void abort_one(struct walk *walk)
{
    struct acct_state *fork = acct_fork(walk->tip);
    struct model *before = model_copy(walk->model);

    walk_record(walk, fork);
    acct_unref(fork);
    model_free(walk->model);
    walk->model = before;
}

static void checkpoint(struct walk *walk)
{
    struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct page_batch batch;

    acct_pages_make(walk->tip, walk->stored, arena, &batch);
    if (pick(walk, 4) == 0) { /* the write failed */
        arena_free(arena);
        return;
    }
    store_write(&walk->store, &batch);
    acct_pages_stored(walk->tip, &batch);
    acct_unref(walk->stored);
    walk->stored = acct_ref(walk->tip);
    arena_free(arena);
}

/* The messages of deleted mailboxes, and everything that any mailbox keeps. */
static void load_kept(struct walk *walk, struct acct_state *fork)
{
    const struct model *model = walk->model;
    struct err err;

    for (size_t i = 0; i < model->n_deleted; i++) {
        if (load_whole(walk, fork, model->deleted[i].id, &err) != RC_OK)
            fail_msg("seed %d: load deleted: %s", (int) walk->seed, err.detail);
    }
    for (size_t i = 0; i < model->n_mboxes + model->n_deleted; i++) {
        uint32_t id =
            i < model->n_mboxes ? model->mboxes[i].id : model->deleted[i - model->n_mboxes].id;

        if (acct_kept_load(fork, id, 0, UINT32_MAX, store_read, &walk->store, &err) != RC_OK)
            fail_msg("seed %d: load kept of %u: %s", (int) walk->seed, id, err.detail);
    }
}

/* The bodies that the account names, whether told by the version or by the model. */
struct named_bodies {
    uint64_t *ids;
    size_t n, cap;
};

static enum rc note_bodies(void *ctx, const uint64_t *ids, size_t n, struct err *err)
{
    struct named_bodies *bodies = ctx;

    (void) err;
    if (bodies->n + n > bodies->cap) {
        bodies->cap = bodies->cap * 2 + n;
        bodies->ids = xrealloc(bodies->ids, bodies->cap * sizeof(*bodies->ids));
    }
    memcpy(bodies->ids + bodies->n, ids, n * sizeof(*ids));
    bodies->n += n;
    return RC_OK;
}

static void note_model_bodies(const struct model_mbox *mbox, struct named_bodies *bodies)
{
    for (size_t i = 0; i < mbox->n_messages; i++)
        (void) note_bodies(bodies, &mbox->messages[i].cold.body_id, 1, NULL);
    for (size_t i = 0; i < mbox->n_kept; i++)
        (void) note_bodies(bodies, &mbox->kept[i].cold.body_id, 1, NULL);
}

static int by_id(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Ascending, each once. */
static void sort_bodies(struct named_bodies *bodies)
{
    size_t n = 0;

    if (bodies->n == 0)
        return;
    qsort(bodies->ids, bodies->n, sizeof(*bodies->ids), by_id);
    for (size_t i = 1; i < bodies->n; i++) {
        if (bodies->ids[i] != bodies->ids[n])
            bodies->ids[++n] = bodies->ids[i];
    }
    bodies->n = n + 1;
}

static void compare_live_bodies(struct walk *walk)
{
    struct named_bodies want = {0}, got = {0};
    const struct model *model = walk->model;
    struct err err;

    for (size_t i = 0; i < model->n_mboxes; i++)
        note_model_bodies(&model->mboxes[i], &want);
    for (size_t i = 0; i < model->n_deleted; i++)
        note_model_bodies(&model->deleted[i], &want);
    if (acct_each_live_body(walk->tip, store_read, &walk->store, note_bodies, &got, &err))
        fail_msg("seed %d: live bodies: %s", (int) walk->seed, err.detail);
    sort_bodies(&want);
    sort_bodies(&got);
    assert_int_equal(got.n, want.n);
    if (want.n > 0)
        assert_memory_equal(got.ids, want.ids, want.n * sizeof(*want.ids));
    free(want.ids);
    free(got.ids);
}

/* What was stored opens as the same account, and no page lies there that the root does not
 * need. */
static void reopen(struct walk *walk)
{
    struct acct_state *opened = NULL, *fork;
    struct err err;

    if (walk->stored != walk->tip)
        return;
    walk->store.n_read = 0;
    if (acct_pages_open(ACCOUNT, walk->store.root, acct_position(walk->tip), store_read,
                        &walk->store, &opened, &err) != RC_OK)
        fail_msg("seed %d: open: %s", (int) walk->seed, err.detail);
    model_compare(walk->model, opened, false, next(walk));
    fork = acct_fork(opened);
    for (size_t i = 0; i < acct_mailbox_count(opened); i++) {
        uint32_t id = mbox_info(acct_mailbox_at(opened, i))->id;

        if (load_whole(walk, fork, id, &err) != RC_OK)
            fail_msg("seed %d: load %u: %s", (int) walk->seed, id, err.detail);
    }
    load_kept(walk, fork);
    model_compare(walk->model, fork, true, next(walk));
    assert_int_equal(walk->store.n_read, map_count(walk->store.pages));
    if (pick(walk, 2) == 0) { /* go on from what was opened, as after a restart */
        acct_unref(walk->stored);
        acct_unref(walk->tip);
        walk->tip = fork;
        walk->stored = opened;
        return;
    }
    acct_unref(opened);
    acct_unref(fork);
}

static void unload_some(struct walk *walk)
{
    struct acct_state *fork = acct_fork(walk->tip);

    if (acct_mbox_unload(fork, some_mbox(walk)->id)) { /* and what it keeps */
        acct_unref(walk->tip);
        walk->tip = fork;
        return;
    }
    acct_unref(fork);
}

static void begin(struct walk *walk, uint64_t seed)
{
    struct record first = {.type = RECORD_ACCOUNT, .account = {1 + seed}};
    struct record inbox = {
        .type = RECORD_MAILBOX,
        .mailbox = {.op = MAILBOX_CREATE, .mbox = 1, .name = SLICE("INBOX"), .uidvalidity = 9},
    };

    *walk = (struct walk){.seed = seed, .random = seed * 0x9e3779b97f4a7c15ULL};
    walk->modseq_step = seed % 3 == 0 ? (uint64_t) 1 << 33 : 3;
    walk->arena = arena_new(ARENA_TEST_BYTES);
    walk->tip = acct_state_new(ACCOUNT);
    walk->model = model_new();
    walk->store.pages = map_new();
    put(walk, walk->tip, &first);
    inbox.mailbox.mailboxid = some_id(walk);
    inbox.mailbox.uidnext = 1;
    inbox.mailbox.modseq = walk->model->modseq + 1;
    put(walk, walk->tip, &inbox);
}

static void end(struct walk *walk)
{
    for (size_t i = 0; i < walk->n_kept; i++) {
        model_compare(walk->kept[i].model, walk->kept[i].state, false, next(walk));
        acct_unref(walk->kept[i].state);
        model_free(walk->kept[i].model);
    }
    acct_unref(walk->stored);
    acct_unref(walk->tip);
    model_free(walk->model);
    store_done(&walk->store);
    arena_free(walk->arena);
}

static void one_walk(uint64_t seed)
{
    struct walk walk;

    begin(&walk, seed);
    for (uint64_t step = 1; step <= STEPS; step++) {
        struct acct_state *fork;

        if (pick(&walk, 10) == 0)
            abort_one(&walk);
        fork = acct_fork(walk.tip);
        for (uint32_t n = 1 + pick(&walk, 3); n > 0; n--)
            walk_record(&walk, fork);
        acct_set_position(fork, step);
        acct_unref(walk.tip);
        walk.tip = fork;
        if (pick(&walk, 8) == 0)
            keep_version(&walk);
        if (pick(&walk, 8) == 0)
            checkpoint(&walk);
        if (pick(&walk, 8) == 0)
            reopen(&walk);
        if (pick(&walk, 4) == 0)
            unload_some(&walk);
        if (pick(&walk, 16) == 0)
            model_compare(walk.model, walk.tip, false, next(&walk));
        if (pick(&walk, 16) == 0)
            compare_live_bodies(&walk);
        arena_reset(walk.arena);
    }
    end(&walk);
}

static void versions_agree_with_the_model_and_never_change(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        one_walk(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_agree_with_the_model_and_never_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
