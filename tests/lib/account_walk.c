/* account_walk.c - see account_walk.h. */
#include "lib/account_walk.h"

#define ANNOTATIONS_WALKED 300u /* entries of a mailbox */

/* ---- pages on a disk of the test ---- */

enum rc page_store_read(void *ctx, uint64_t number, struct arena *arena, struct slice *out,
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

void page_store_write(struct page_store *store, const struct page_batch *batch)
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

void page_store_done(struct page_store *store)
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

/* xorshift64*: the same walk for the same seed everywhere. */
uint64_t walk_next(struct walk *walk)
{
    walk->random ^= walk->random >> 12;
    walk->random ^= walk->random << 25;
    walk->random ^= walk->random >> 27;
    return walk->random * 0x2545f4914f6cdd1dULL;
}

uint32_t walk_pick(struct walk *walk, size_t n)
{
    return (uint32_t) (walk_next(walk) % n);
}

struct object_id walk_some_id(struct walk *walk)
{
    struct object_id id;

    for (size_t i = 0; i < sizeof(id.bytes); i++)
        id.bytes[i] = (uint8_t) walk_next(walk);
    id.bytes[0] |= 1;
    return id;
}

enum rc walk_load_whole(struct walk *walk, struct acct_state *fork, uint32_t id,
                        struct err *err)
{
    enum rc rc = acct_mbox_load(fork, id, page_store_read, &walk->store, err);
    const struct mbox *mbox = acct_mailbox_by_id(fork, id);

    if (mbox == NULL)
        mbox = acct_deleted_by_id(fork, id);
    if (rc == RC_OK && mbox != NULL && mbox_counts(mbox)->messages > 0)
        rc = acct_cold_load(fork, mbox, 0, mbox_counts(mbox)->messages - 1, page_store_read,
                            &walk->store, err);
    return rc;
}

static enum rc load_needed(struct walk *walk, struct acct_state *fork,
                           const struct record *record)
{
    struct err err;

    if (acct_record_load(fork, record, page_store_read, &walk->store, &err) != RC_OK)
        fail_msg("load: %s", err.detail);
    return RC_OK;
}

/* Through the journal's form and back, checked, and applied to both. */
void walk_put(struct walk *walk, struct acct_state *fork, const struct record *record)
{
    const struct record_group group = {.time_us = walk->now_us,
                                       .actor.account = walk_pick(walk, 3)};
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
    return walk->model->modseq + 1 + walk_next(walk) % walk->modseq_step;
}

struct model_mbox *walk_any_mbox(struct walk *walk)
{
    return &walk->model->mboxes[walk_pick(walk, walk->model->n_mboxes)];
}

struct model_mbox *walk_some_mbox(struct walk *walk)
{
    struct model_mbox *mbox = walk_any_mbox(walk);

    while (mbox->id == walk->model->all_id)
        mbox = walk_any_mbox(walk);
    return mbox;
}

/* Some of the mailbox's uids; each run of neighbours is cut here and there. */
static struct uid_set some_uids(struct walk *walk, const struct model_mbox *mbox)
{
    struct uid_set_builder builder;
    uint32_t one_in = 1 + walk_pick(walk, 8);
    size_t from = walk_pick(walk, mbox->n_messages),
           to = from + 1 + walk_pick(walk, mbox->n_messages);

    if (walk_pick(walk, 3) == 0)
        to = from + 1;
    uid_set_start(&builder, walk->arena);
    uid_set_add(&builder, mbox->messages[from].uid);
    for (size_t i = from + 1; i < MIN(to, mbox->n_messages); i++) {
        if (walk_pick(walk, one_in) == 0)
            uid_set_add(&builder, mbox->messages[i].uid);
    }
    return uid_set_finish(&builder);
}

static size_t some_keywords(struct walk *walk, const struct model_mbox *mbox, uint16_t *out)
{
    size_t n = 0;

    for (uint16_t i = 0; i < mbox->n_keywords && walk_pick(walk, 2) == 0; i++) {
        if (walk_pick(walk, 3) == 0)
            out[n++] = i;
    }
    return n;
}

static void walk_append(struct walk *walk, struct acct_state *fork)
{
    struct model_mbox *mbox = walk_some_mbox(walk);
    uint16_t keywords[KEYWORDS_MAX];
    uint32_t n = 1 + walk_pick(walk, 8) * walk_pick(walk, 8);

    if (walk_pick(walk, 40) == 0)
        n = 5000;
    for (; n > 0; n--) {
        struct record record = {.type = RECORD_APPEND};

        mbox = model_mbox(walk->model, mbox->id);
        record.append = (struct record_append){
            .mbox = mbox->id,
            .uid = mbox->uidnext + (walk_pick(walk, 20) == 0 ? walk_pick(walk, 100) : 0),
            .flags = (uint8_t) (walk_next(walk) & FLAGS_ALL),
            .keywords = keywords,
            .n_keywords = some_keywords(walk, mbox, keywords),
            .size = walk_pick(walk, 1 << 20),
            .internaldate = {(int64_t) walk_next(walk) >> 20,
                             (int16_t) (walk_pick(walk, 1440) - 720)},
            .savedate = (int64_t) walk_pick(walk, 1u << 31),
            .emailid = walk_some_id(walk),
            .body_id = walk->model->next_body_id + walk_pick(walk, 3),
            .modseq = walk->model->modseq + 1,
        };
        if (walk_pick(walk, 2) == 0)
            record.append.threadid = walk_some_id(walk);
        walk_put(walk, fork, &record);
    }
}

static void walk_flags(struct walk *walk, struct acct_state *fork)
{
    struct model_mbox *mbox = walk_some_mbox(walk);
    uint16_t keywords[KEYWORDS_MAX];
    struct record record = {.type = RECORD_FLAGS};

    if (mbox->n_messages == 0)
        return;
    record.flags = (struct record_flags){
        .mbox = mbox->id,
        .reader = walk_pick(walk, 4) == 0 ? 1 + walk_pick(walk, 3) : 0,
        .op = (enum flag_op) walk_pick(walk, 3),
        .flags = (uint8_t) (walk_next(walk) & FLAGS_ALL),
        .keywords = keywords,
        .n_keywords = some_keywords(walk, mbox, keywords),
        .uids = some_uids(walk, mbox),
        .modseq = new_modseq(walk),
    };
    walk_put(walk, fork, &record);
}

/* The model compares entries one by one: a message and at most 29 behind it. */
static struct uid_set few_uids(struct walk *walk, const struct model_mbox *mbox)
{
    struct uid_set_builder builder;
    size_t from = walk_pick(walk, mbox->n_messages), n = 1 + walk_pick(walk, 30);

    uid_set_start(&builder, walk->arena);
    for (size_t i = from; i < MIN(from + n, mbox->n_messages); i++)
        uid_set_add(&builder, mbox->messages[i].uid);
    return uid_set_finish(&builder);
}

static void walk_annotate(struct walk *walk, struct acct_state *fork)
{
    static const char *const values[] = {"", "a", "two", "seven77"};
    const struct model_mbox *mbox = walk_some_mbox(walk);
    struct record record = {.type = RECORD_ANNOTATE};
    struct annotation entries[8];
    size_t n = 0;

    if (mbox->n_messages == 0 || mbox->n_annotations > ANNOTATIONS_WALKED)
        return;
    for (unsigned name = walk_pick(walk, 8); name < 8; name += 1 + walk_pick(walk, 4)) {
        bool is_nil = walk_pick(walk, 4) == 0;

        entries[n++] = (struct annotation){
            .entry = slice_from_str(arena_printf(walk->arena, "/n%u", name)),
            .is_nil = is_nil,
            .value =
                is_nil ? SLICE("") : slice_from_str(values[walk_pick(walk, COUNT(values))])};
    }
    record.annotate = (struct record_annotate){
        .mbox = mbox->id,
        .reader = walk_pick(walk, 2) == 0 ? 1 + walk_pick(walk, 3) : 0,
        .entries = entries,
        .n_entries = n,
        .uids = few_uids(walk, mbox),
        .modseq = new_modseq(walk),
    };
    walk_put(walk, fork, &record);
}

static void walk_expunge(struct walk *walk, struct acct_state *fork)
{
    const struct model_mbox *mbox = walk_some_mbox(walk);
    struct record record = {.type = RECORD_EXPUNGE};

    if (mbox->n_messages == 0)
        return;
    record.expunge = (struct record_expunge){mbox->id, some_uids(walk, mbox), new_modseq(walk)};
    walk_put(walk, fork, &record);
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
        walk_put(walk, fork, &record);
}

static void walk_copy(struct walk *walk, struct acct_state *fork)
{
    const struct model_mbox *src = walk_some_mbox(walk), *dst = walk_some_mbox(walk);
    uint32_t src_id = src->id, dst_id = dst->id;
    struct record record = {.type = walk_pick(walk, 2) == 0 ? RECORD_COPY : RECORD_MOVE};

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
        .dst_first_uid = dst->uidnext + walk_pick(walk, 2),
        .savedate = (int64_t) walk_pick(walk, 1u << 31),
        .modseq = new_modseq(walk),
        .annotations = walk_pick(walk, 2) == 0,
        .reader = walk_pick(walk, 4),
    };
    walk_put(walk, fork, &record);
}

/* A name nobody has; sometimes one that a deleted mailbox had. */
static struct slice free_name(struct walk *walk)
{
    const struct model *model = walk->model;
    const char *old =
        model->n_deleted > 0 ? model->deleted[walk_pick(walk, model->n_deleted)].name : NULL;
    bool is_taken = old == NULL || walk_pick(walk, 3) == 0;

    for (size_t i = 0; !is_taken && i < model->n_mboxes; i++)
        is_taken = strcmp(model->mboxes[i].name, old) == 0;
    return slice_from_str(is_taken ? arena_printf(walk->arena, "%c/%x",
                                                  'a' + (int) walk_pick(walk, 4),
                                                  (unsigned) walk_pick(walk, 1u << 30))
                                   : arena_printf(walk->arena, "%s", old));
}

/* Every fifth walk has an All at times. */
static uint32_t some_use(struct walk *walk, const struct record_mailbox *r)
{
    if (r->op == MAILBOX_CREATE && walk->model->all_id == 0 && walk->seed % 5 == 0 &&
        walk_pick(walk, 2) == 0)
        return USE_ALL;
    return walk_pick(walk, 2) == 0 ? 0 : walk_pick(walk, 256) & ~(uint32_t) USE_ALL;
}

static void walk_mailbox(struct walk *walk, struct acct_state *fork)
{
    const struct model_mbox *mbox = walk_any_mbox(walk);
    struct record record = {.type = RECORD_MAILBOX};
    struct slice name = free_name(walk);

    record.mailbox = (struct record_mailbox){
        .op = (enum mailbox_op)(1 + walk_pick(walk, 6)),
        .mbox = mbox->id,
        .name = name,
        .first_recent = mbox->uidnext,
        .uidnext = mbox->uidnext + walk_pick(walk, 10),
        .modseq = new_modseq(walk),
    };
    if (record.mailbox.op == MAILBOX_CREATE || walk->model->n_mboxes < 3) {
        if (walk->model->n_mboxes >= MODEL_MAILBOXES)
            return;
        record.mailbox.op = MAILBOX_CREATE;
        record.mailbox.mbox = walk->model->next_mailbox_id + walk_pick(walk, 2);
        record.mailbox.mailboxid = walk_some_id(walk);
        record.mailbox.uidvalidity = 1 + walk_pick(walk, 1u << 30);
        record.mailbox.uidnext = 1 + walk_pick(walk, 3);
    } else if (mbox->id == walk->model->all_id &&
               (record.mailbox.op == MAILBOX_USE || record.mailbox.op == MAILBOX_UIDNEXT ||
                walk_pick(walk, 3) > 0)) {
        return; /* no records for All; and it is not to go at once */
    }
    record.mailbox.special_use = some_use(walk, &record.mailbox);
    if (record.mailbox.op == MAILBOX_CREATE && record.mailbox.special_use == USE_ALL)
        record.mailbox.uidnext = 1;
    walk_put(walk, fork, &record);
}

static void walk_small(struct walk *walk, struct acct_state *fork)
{
    const struct model_mbox *mbox = walk_some_mbox(walk), *any = walk_any_mbox(walk);
    char name[3] = {'?', (char) ('0' + walk_pick(walk, 8)), '\0'};
    struct slice value =
        slice_from_str(arena_printf(walk->arena, "v%u", walk_pick(walk, 1000)));
    struct record record = {.type = RECORD_SUBSCRIBE};

    switch (walk_pick(walk, 7)) {
    case 0:
        name[0] = 's';
        record.subscribe =
            (struct record_subscribe){slice_from_str(name), walk_pick(walk, 2) == 0};
        break;
    case 1:
        name[0] = 'a';
        record.type = RECORD_ACL;
        record.acl =
            (struct record_acl){mbox->id, slice_from_str(name),
                                walk_pick(walk, 3) == 0 ? SLICE("") : value, new_modseq(walk)};
        break;
    case 2:
        name[0] = 'm';
        record.type = RECORD_METADATA;
        record.metadata =
            (struct record_metadata){.mbox = walk_pick(walk, 2) == 0 ? any->id : 0,
                                     .entry = slice_from_str(name),
                                     .is_nil = walk_pick(walk, 3) == 0,
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
                                             .unlimited = walk_pick(walk, 3) == 0};
        if (!record.quota.unlimited)
            record.quota.limit = 1 + walk_next(walk) / 2;
        break;
    case 5:
        record.type = RECORD_PURGE;
        record.purge =
            (struct record_purge){any->id, walk_next(walk) % (walk->model->modseq + 1)};
        break;
    default:
        record.type = walk_pick(walk, 2) == 0 ? RECORD_XFER_IN : RECORD_XFER_OUT;
        record.xfer =
            (struct record_xfer){1 + walk_pick(walk, 9), 1 + walk_next(walk) / 2, value};
        break;
    }
    walk_put(walk, fork, &record);
}

static void walk_threadid(struct walk *walk, struct acct_state *fork)
{
    const struct model_mbox *mbox = walk_some_mbox(walk);
    struct record record = {.type = RECORD_THREADID};

    for (size_t i = 0; i < mbox->n_messages; i++) {
        if (!object_id_is_zero(&mbox->messages[i].cold.threadid) || walk_pick(walk, 4) == 0)
            continue;
        record.threadid =
            (struct record_threadid){mbox->id, mbox->messages[i].uid, walk_some_id(walk)};
        walk_put(walk, fork, &record);
        if (walk_pick(walk, 8) == 0)
            return;
    }
}

/* All a mailbox keeps, some runs of it, or one. */
static struct uid_set some_kept(struct walk *walk, const struct model_mbox *mbox)
{
    struct uid_set_builder builder;
    uint32_t one_in = 1 + walk_pick(walk, 8),
             sure = mbox->kept[walk_pick(walk, mbox->n_kept)].uid;

    uid_set_start(&builder, walk->arena);
    for (uint32_t uid = 1; uid < mbox->uidnext; uid++) {
        bool is_kept = false;

        for (size_t i = 0; !is_kept && i < mbox->n_kept; i++)
            is_kept = mbox->kept[i].uid == uid;
        if (is_kept && (uid == sure || walk_pick(walk, one_in) == 0))
            uid_set_add(&builder, uid);
    }
    return uid_set_finish(&builder);
}

static void walk_restore(struct walk *walk, struct acct_state *fork)
{
    const struct model_mbox *src = walk_some_mbox(walk), *dst = walk_some_mbox(walk);
    uint32_t src_id = src->id, dst_id = walk_pick(walk, 2) == 0 ? src->id : dst->id;
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
        .dst_first_uid = dst->uidnext + walk_pick(walk, 2),
        .savedate = (int64_t) walk_pick(walk, 1u << 31),
        .modseq = new_modseq(walk),
    };
    walk_put(walk, fork, &record);
}

static void walk_restore_mailbox(struct walk *walk, struct acct_state *fork)
{
    struct record record = {.type = RECORD_RESTORE};
    const struct model_mbox *mbox;
    struct slice name;
    bool is_taken = false;

    if (walk->model->n_deleted == 0 || walk->model->n_mboxes >= MODEL_MAILBOXES)
        return;
    mbox = &walk->model->deleted[walk_pick(walk, walk->model->n_deleted)];
    name = slice_from_str(arena_printf(walk->arena, "%s", mbox->name));
    record.restore = (struct record_restore){
        .op = RESTORE_MAILBOX, .mbox = mbox->id, .modseq = new_modseq(walk)};
    for (size_t i = 0; i < walk->model->n_mboxes; i++)
        is_taken = is_taken || strcmp(walk->model->mboxes[i].name, mbox->name) == 0;
    if (mbox->end.name_given || walk_pick(walk, 3) == 0) {
        if (is_taken || walk_pick(walk, 2) == 0)
            name = slice_from_str(
                arena_printf(walk->arena, "back/%x", (unsigned) walk_pick(walk, 1u << 30)));

        record.restore.new_mbox = walk->model->next_mailbox_id + walk_pick(walk, 2);
        record.restore.mailboxid = walk_some_id(walk);
        record.restore.uidvalidity = 1 + walk_pick(walk, 1u << 30);
    }
    record.restore.name = name;
    record.restore.special_use =
        walk_pick(walk, 2) == 0 ? 0 : walk_pick(walk, 256) & ~(uint32_t) USE_ALL;
    walk_put(walk, fork, &record);
}

static void walk_forget(struct walk *walk, struct acct_state *fork)
{
    const struct model *model = walk->model;
    bool is_deleted = model->n_deleted > 0 && walk_pick(walk, 2) == 0;
    const struct model_mbox *mbox =
        is_deleted ? &model->deleted[walk_pick(walk, model->n_deleted)] : walk_some_mbox(walk);
    struct record record = {.type = RECORD_FORGET};

    record.forget = (struct record_forget){.op = FORGET_MAILBOX, .mbox = mbox->id};
    if (!is_deleted || walk_pick(walk, 2) == 0) {
        record.forget.op = FORGET_MESSAGES;
        if (mbox->n_kept == 0)
            return;
        record.forget.n = 1 + walk_pick(walk, mbox->n_kept);
    }
    walk_put(walk, fork, &record);
}

static void walk_kept(struct walk *walk, struct acct_state *fork)
{
    switch (walk_pick(walk, 4)) {
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

void walk_record(struct walk *walk, struct acct_state *fork)
{
    static void (*const steps[])(struct walk *, struct acct_state *) = {
        walk_append,  walk_append,   walk_append, walk_flags,    walk_flags,
        walk_expunge, walk_expunge,  walk_copy,   walk_mailbox,  walk_small,
        walk_small,   walk_threadid, walk_kept,   walk_annotate, walk_annotate,
    };

    walk->now_us += (int64_t) walk_pick(walk, 5000000) - 1000000; /* clocks are set back */
    steps[walk_pick(walk, COUNT(steps))](walk, fork);
}
