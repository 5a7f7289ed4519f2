#include "store/memory/memory_engine.h"

#include "base/clock.h"
#include "store/memory/memory_inside.h"

/* A position that is to become durable, in the order of commits. */
struct pending {
    struct pending *next;
    uint64_t account, position;
};

struct body_stage {
    struct buf bytes;
};

static void tell_durable(struct memory_engine *self, uint64_t account, uint64_t position)
{
    if (self->events.durable != NULL)
        self->events.durable(self->events.ctx, account, position);
}

/* ---- durability that comes later ---- */

/* Lock held: mark the first pending position durable and take it out. */
static bool take_pending(struct memory_engine *self, struct pending *out)
{
    struct pending *first = self->first;
    struct memory_account *account;

    if (first == NULL)
        return false;
    self->first = first->next;
    if (self->first == NULL)
        self->last = &self->first;
    account = disk_account(self->disk, first->account);
    if (account != NULL)
        account->durable = MAX(account->durable, first->position);
    *out = *first;
    free(first);
    return true;
}

static void *durable_thread(void *arg)
{
    struct memory_engine *self = arg;
    struct pending pending;

    memory_lock(self);
    for (;;) {
        while (!self->stopping && (self->held || self->first == NULL))
            (void) pthread_cond_wait(&self->work, &self->disk->lock);
        if (!take_pending(self, &pending))
            break;
        memory_unlock(self);
        tell_durable(self, pending.account, pending.position);
        memory_lock(self);
    }
    memory_unlock(self);
    return NULL;
}

static void add_pending(struct memory_engine *self, uint64_t account, uint64_t position)
{
    struct pending *pending = xmalloc(sizeof(*pending));

    *pending = (struct pending){.account = account, .position = position};
    *self->last = pending;
    self->last = &pending->next;
}

/* Let the thread end; what is pending becomes durable first. */
static void stop_thread(struct memory_engine *self)
{
    if (!self->options.later)
        return;
    memory_lock(self);
    self->stopping = true;
    (void) pthread_cond_broadcast(&self->work);
    memory_unlock(self);
    (void) pthread_join(self->thread, NULL);
}

static void engine_free(struct memory_engine *self)
{
    (void) pthread_cond_destroy(&self->work);
    if (self->owns_disk)
        memory_disk_free(self->disk);
    free(self);
}

static void memory_start(struct engine *engine, const struct engine_events *events)
{
    memory_self_of(engine)->events = *events;
}

static void memory_close(struct engine *engine)
{
    struct memory_engine *self = memory_self_of(engine);

    stop_thread(self);
    engine_free(self);
}

void memory_engine_hold(struct engine *engine, bool on)
{
    struct memory_engine *self = memory_self_of(engine);

    memory_lock(self);
    self->held = on;
    (void) pthread_cond_broadcast(&self->work);
    memory_unlock(self);
}

void memory_engine_crash(struct engine *engine)
{
    struct memory_engine *self = memory_self_of(engine);

    memory_lock(self);
    while (self->first != NULL) {
        struct pending *next = self->first->next;

        free(self->first);
        self->first = next;
    }
    self->last = &self->first;
    memory_unlock(self);
    stop_thread(self);
    memory_lock(self);
    disk_cut(self->disk);
    memory_unlock(self);
    engine_free(self);
}

/* ---- reading ---- */

/* Nothing is stored of it: it was only asked for. */
static bool is_empty(const struct memory_account *account)
{
    return account->position == 0 && account->root.ptr == NULL;
}

static enum rc memory_list(struct engine *engine, bool (*fn)(void *ctx, uint64_t account),
                           void *ctx, struct err *err)
{
    struct memory_engine *self = memory_self_of(engine);
    struct slice key;
    uint64_t *ids;
    void *value;
    size_t n = 0;

    (void) err;
    memory_lock(self);
    ids = xmalloc((map_count(self->disk->accounts) + 1) * sizeof(*ids));
    for (size_t at = 0; map_next(self->disk->accounts, &at, &key, &value);) {
        const struct memory_account *account = value;

        if (!is_empty(account))
            ids[n++] = account->id;
    }
    memory_unlock(self);
    for (size_t i = 0; i < n && fn(ctx, ids[i]); i++)
        continue;
    free(ids);
    return RC_OK;
}

static void fill_image(const struct memory_account *account, struct arena *arena,
                       struct account_image *out)
{
    struct tail_group *tail = ARENA_ARRAY(arena, struct tail_group, account->n_groups);

    for (size_t i = 0; i < account->n_groups; i++)
        tail[i] =
            (struct tail_group){account->groups[i].position, account->groups[i].position - 1,
                                arena_dup(arena, account->groups[i].records)};
    *out = (struct account_image){
        .root = account->root.ptr != NULL ? arena_dup(arena, account->root) : (struct slice){0},
        .root_position = account->root_position,
        .tail = tail,
        .n_tail = account->n_groups,
    };
}

static enum rc memory_load(struct engine *engine, uint64_t id, struct arena *arena,
                           struct account_image *out, struct err *err)
{
    struct memory_engine *self = memory_self_of(engine);
    const struct memory_account *account;
    enum rc rc = RC_OK;

    memory_lock(self);
    account = disk_account(self->disk, id);
    if (account != NULL && !is_empty(account))
        fill_image(account, arena, out);
    else
        rc = memory_not_found(err, "account", id);
    memory_unlock(self);
    return rc;
}

/* ctx is the account, which knows its disk. */
static enum rc memory_read_page(void *ctx, uint64_t number, struct arena *arena,
                                struct slice *out, struct err *err)
{
    struct memory_account *account = ctx;
    const struct slice *page;
    enum rc rc = RC_OK;

    (void) pthread_mutex_lock(&account->disk->lock);
    page = map_get(account->pages, MAP_KEY(number));
    if (page != NULL)
        *out = arena_dup(arena, *page);
    else
        rc = memory_not_found(err, "page", account->id);
    (void) pthread_mutex_unlock(&account->disk->lock);
    return rc;
}

static page_read_fn *memory_page_reader(struct engine *engine, uint64_t id, void **out_ctx)
{
    struct memory_engine *self = memory_self_of(engine);

    memory_lock(self);
    *out_ctx = disk_need_account(self->disk, id);
    memory_unlock(self);
    return memory_read_page;
}

/* ---- commit ---- */

static bool is_nth(uint64_t count, uint32_t every)
{
    return every != 0 && count % every == 0;
}

/* Lock held: may these groups be taken? */
static enum rc check_commit(struct memory_engine *self, const struct commit_group *groups,
                            size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        const struct memory_account *account = disk_account(self->disk, groups[i].account);
        uint64_t position = account != NULL ? account->position : 0;

        if (groups[i].records.len > GROUP_RECORDS_MAX_BYTES)
            return err_set(err, RC_LIMIT, "Change is too large", "group of %zu bytes",
                           groups[i].records.len);
        assert(groups[i].account == groups[0].account || !self->options.one_account);
        assert(!self->options.no_conflict || groups[i].base == position);
        if (groups[i].base != position)
            return err_set(err, RC_CONFLICT, "Changed meanwhile", "base %llu, newest %llu",
                           (unsigned long long) groups[i].base, (unsigned long long) position);
    }
    self->n_commits++;
    if (is_nth(self->n_commits, self->options.conflict_every))
        return err_set(err, RC_CONFLICT, "Changed meanwhile", "memory engine: n-th commit");
    if (is_nth(self->n_commits, self->options.fail_every))
        return err_set(err, RC_FULL, "No space left", "memory engine: n-th commit");
    return RC_OK;
}

static void store_body(struct memory_engine *self, struct memory_account *account,
                       uint64_t position, const struct staged_body *staged)
{
    struct body *body = xcalloc(1, sizeof(*body));

    *body = (struct body){.refs = 1,
                          .disk = self->disk,
                          .position = position,
                          .bytes = buf_slice(&staged->stage->bytes)};
    free(staged->stage);
    body = map_put(account->bodies, MAP_KEY(staged->body_id), body);
    assert(body == NULL); /* ids are never reused */
    self->status.bodies++;
}

static uint64_t take_group(struct memory_engine *self, const struct commit_group *group)
{
    struct memory_account *account = disk_need_account(self->disk, group->account);
    uint64_t position = account->position + 1;

    disk_add_group(account, position, group->records);
    for (size_t i = 0; i < group->n_bodies; i++)
        store_body(self, account, position, &group->bodies[i]);
    if (self->options.later)
        add_pending(self, group->account, position);
    else
        account->durable = position;
    self->status.journal_bytes += group->records.len;
    return position;
}

static enum rc memory_commit(struct engine *engine, const struct commit_group *groups, size_t n,
                             uint64_t *out_positions, struct err *err)
{
    struct memory_engine *self = memory_self_of(engine);
    enum rc rc;

    assert(n >= 1 && n <= COMMIT_GROUPS_MAX);
    memory_lock(self);
    rc = check_commit(self, groups, n, err);
    for (size_t i = 0; rc == RC_OK && i < n; i++)
        out_positions[i] = take_group(self, &groups[i]);
    self->status.commits += rc == RC_OK;
    (void) pthread_cond_signal(&self->work);
    memory_unlock(self);
    if (rc)
        return rc;
    for (size_t i = 0; !self->options.later && i < n; i++)
        tell_durable(self, groups[i].account, out_positions[i]);
    return RC_OK;
}

/* ---- bodies ---- */

static enum rc memory_stage(struct engine *engine, uint64_t account, uint64_t size_hint,
                            struct body_stage **out, struct err *err)
{
    struct body_stage *stage = xcalloc(1, sizeof(*stage));

    (void) engine;
    (void) account;
    (void) size_hint;
    (void) err;
    buf_init(&stage->bytes, BODY_MAX_BYTES - 1);
    *out = stage;
    return RC_OK;
}

static enum rc memory_stage_write(struct body_stage *stage, struct slice bytes, struct err *err)
{
    buf_append(&stage->bytes, bytes);
    if (stage->bytes.overflow)
        return err_set(err, RC_LIMIT, "Message is too large", "body of %zu bytes and more",
                       stage->bytes.len);
    return RC_OK;
}

static uint64_t memory_stage_length(const struct body_stage *stage)
{
    return stage->bytes.len;
}

static enum rc memory_stage_read(const struct body_stage *stage, uint64_t offset, char *out,
                                 size_t len, struct err *err)
{
    (void) err;
    return memory_copy_range(buf_slice(&stage->bytes), offset, out, len);
}

/* A stage lies in memory until it is committed, whatever its length. */
static enum rc memory_stage_finish(struct engine *engine, struct body_stage *const *stages,
                                   size_t n, struct err *err)
{
    (void) engine;
    (void) stages;
    (void) n;
    (void) err;
    return RC_OK;
}

static void memory_stage_free(struct body_stage *stage)
{
    if (stage == NULL)
        return;
    buf_done(&stage->bytes);
    free(stage);
}

/* Lock held. */
static struct body *find_body(struct memory_engine *self, uint64_t id, uint64_t body_id)
{
    const struct memory_account *account = disk_account(self->disk, id);

    return account != NULL ? map_get(account->bodies, MAP_KEY(body_id)) : NULL;
}

static enum rc memory_body_open(struct engine *engine, uint64_t account, uint64_t body_id,
                                struct body **out, struct err *err)
{
    struct memory_engine *self = memory_self_of(engine);
    struct body *body;

    memory_lock(self);
    body = find_body(self, account, body_id);
    if (body != NULL)
        body->refs++;
    memory_unlock(self);
    if (body == NULL)
        return memory_not_found(err, "body", account);
    *out = body;
    return RC_OK;
}

static uint64_t memory_body_length(const struct body *body)
{
    return body->bytes.len;
}

static enum rc memory_body_read(const struct body *body, uint64_t offset, char *out, size_t len,
                                struct err *err)
{
    (void) err;
    return memory_copy_range(body->bytes, offset, out, len);
}

static void memory_body_close(struct body *body)
{
    struct memory_disk *disk;

    if (body == NULL)
        return;
    disk = body->disk;
    (void) pthread_mutex_lock(&disk->lock);
    disk_body_unref(body);
    (void) pthread_mutex_unlock(&disk->lock);
}

static void memory_digest_put(struct engine *engine, uint64_t account, uint64_t body_id,
                              const struct digest_bytes *digest,
                              const struct body_range *leaves, size_t n_leaves)
{
    struct memory_engine *self = memory_self_of(engine);
    struct body *body;

    (void) leaves; /* nothing is stored once here */
    (void) n_leaves;
    memory_lock(self);
    body = find_body(self, account, body_id);
    if (body != NULL) {
        heap_free(body->digest);
        heap_free(body->digest_text);
        body->digest = heap_dup(digest->core);
        body->digest_text = heap_dup(digest->text);
        body->digest_version = digest->version;
    }
    memory_unlock(self);
}

static struct slice join(struct arena *arena, struct slice a, struct slice b)
{
    char *bytes = arena_alloc(arena, a.len + b.len);

    if (a.len > 0)
        memcpy(bytes, a.ptr, a.len);
    if (b.len > 0)
        memcpy(bytes + a.len, b.ptr, b.len);
    return slice_of(bytes, a.len + b.len);
}

static enum rc memory_digest_get(struct engine *engine, uint64_t account, uint64_t body_id,
                                 uint32_t version, enum digest_wanted wanted,
                                 struct arena *arena, struct slice *out)
{
    struct memory_engine *self = memory_self_of(engine);
    const struct body *body;
    enum rc rc = RC_NOT_FOUND;

    memory_lock(self);
    body = find_body(self, account, body_id);
    if (body != NULL && body->digest.ptr != NULL && body->digest_version == version) {
        bool with_core = wanted == DIGEST_GET_CORE || wanted == DIGEST_GET_WHOLE;
        size_t text_max = wanted == DIGEST_GET_CORE   ? 0
                          : wanted == DIGEST_GET_LEAD ? DIGEST_LEAD_BYTES
                                                      : SIZE_MAX;

        *out = join(arena, with_core ? body->digest : SLICE(""),
                    slice_sub(body->digest_text, 0, text_max));
        rc = RC_OK;
    }
    memory_unlock(self);
    return rc;
}

static void memory_digest_scan(struct engine *engine, const struct digest_scan *scan)
{
    for (size_t i = 0; i < scan->n; i++) {
        AUTO(arena_freep) struct arena *arena = arena_new((size_t) BODY_MAX_BYTES);
        struct slice digest;

        if (memory_digest_get(engine, scan->account, scan->ids[i], scan->version, scan->wanted,
                              arena, &digest) == RC_OK &&
            digest.len > 0)
            scan->seen(scan->ctx, i, digest);
    }
}

/* ---- pages and the rest ---- */

static void put_page(struct memory_account *account, const struct page *page)
{
    struct slice *copy = xmalloc(sizeof(*copy)), *old;

    *copy = heap_dup(page->bytes);
    old = map_put(account->pages, MAP_KEY(page->number), copy);
    assert(old == NULL); /* page numbers are never reused */
}

static void drop_page(struct memory_account *account, uint64_t number)
{
    struct slice *page = map_remove(account->pages, MAP_KEY(number));

    if (page != NULL)
        heap_free(*page);
    free(page);
}

static enum rc memory_write_pages(struct engine *engine, uint64_t id, uint64_t position,
                                  const struct page_batch *batch, struct err *err)
{
    struct memory_engine *self = memory_self_of(engine);
    struct memory_account *account;

    (void) err;
    memory_lock(self);
    account = disk_need_account(self->disk, id);
    assert(position <= account->durable && position >= account->root_position);
    for (size_t i = 0; i < batch->n_puts; i++)
        put_page(account, &batch->puts[i]);
    for (size_t i = 0; i < batch->n_drops; i++)
        drop_page(account, batch->drops[i]);
    heap_free(account->root);
    account->root = heap_dup(batch->root);
    account->root_position = position;
    disk_cover_groups(account, position);
    memory_unlock(self);
    return RC_OK;
}

static enum rc memory_keep_bodies(struct engine *engine, uint64_t id, const uint64_t *ids,
                                  size_t n, uint64_t below, uint64_t *out_missing,
                                  struct err *err)
{
    struct memory_engine *self = memory_self_of(engine);
    struct memory_account *account;
    uint64_t missing = 0;

    memory_lock(self);
    account = disk_account(self->disk, id);
    if (account != NULL)
        missing = disk_keep_bodies(account, ids, n, below);
    memory_unlock(self);
    if (account == NULL)
        return memory_not_found(err, "body", id);
    *out_missing = missing;
    return RC_OK;
}

static enum rc memory_account_space(struct engine *engine, uint64_t id,
                                    struct account_space *out, struct err *err)
{
    struct memory_engine *self = memory_self_of(engine);
    struct account_space space = {0};
    const struct memory_account *account;
    struct slice key;
    void *value;

    memory_lock(self);
    account = disk_account(self->disk, id);
    for (size_t at = 0; account != NULL && map_next(account->bodies, &at, &key, &value);) {
        space.bodies++;
        space.raw_bytes += ((const struct body *) value)->bytes.len;
    }
    memory_unlock(self);
    if (account == NULL)
        return memory_not_found(err, "body", id);
    space.stored_bytes = space.raw_bytes;
    *out = space;
    return RC_OK;
}

static enum rc memory_uidvalidity(struct engine *engine, uint32_t n, uint32_t *out_first,
                                  struct err *err)
{
    struct memory_engine *self = memory_self_of(engine);
    int64_t now = clock_wall_sec();
    uint64_t first;

    memory_lock(self);
    first = MAX((uint64_t) self->disk->uidvalidity + 1, (uint64_t) MAX(now, 1));
    if (first + n <= UINT32_MAX)
        self->disk->uidvalidity = (uint32_t) (first + n - 1);
    memory_unlock(self);
    if (first + n > UINT32_MAX)
        return err_set(err, RC_LIMIT, "No mailbox can be made", "uidvalidity is used up");
    *out_first = (uint32_t) first;
    return RC_OK;
}

static enum rc memory_remove(struct engine *engine, uint64_t account, struct err *err)
{
    struct memory_engine *self = memory_self_of(engine);

    (void) err;
    memory_lock(self);
    disk_remove_account(self->disk, account);
    memory_unlock(self);
    return RC_OK;
}

static void memory_status(struct engine *engine, struct engine_status *out)
{
    struct memory_engine *self = memory_self_of(engine);

    memory_lock(self);
    *out = self->status;
    memory_unlock(self);
    out->state = "ok";
}

static const struct engine_ops memory_ops = {
    .name = "memory",
    .start = memory_start,
    .close = memory_close,
    .list = memory_list,
    .load = memory_load,
    .page_reader = memory_page_reader,
    .commit = memory_commit,
    .stage = memory_stage,
    .stage_write = memory_stage_write,
    .stage_length = memory_stage_length,
    .stage_read = memory_stage_read,
    .stage_finish = memory_stage_finish,
    .stage_free = memory_stage_free,
    .body_open = memory_body_open,
    .body_length = memory_body_length,
    .body_read = memory_body_read,
    .body_close = memory_body_close,
    .digest_put = memory_digest_put,
    .digest_get = memory_digest_get,
    .digest_scan = memory_digest_scan,
    .derived_begin = memory_derived_begin,
    .derived_write = memory_derived_write,
    .derived_finish = memory_derived_finish,
    .derived_drop = memory_derived_drop,
    .derived_list = memory_derived_list,
    .derived_open = memory_derived_open,
    .derived_length = memory_derived_length,
    .derived_read = memory_derived_read,
    .derived_close = memory_derived_close,
    .derived_remove = memory_derived_remove,
    .write_pages = memory_write_pages,
    .keep_bodies = memory_keep_bodies,
    .account_space = memory_account_space,
    .uidvalidity = memory_uidvalidity,
    .remove = memory_remove,
    .status = memory_status,
};

struct engine *memory_engine_new(const struct memory_engine_options *options)
{
    struct memory_engine *self = xcalloc(1, sizeof(*self));

    assert(options->no_conflict || !options->later);
    assert(!options->no_conflict || options->conflict_every == 0);
    self->options = *options;
    self->ops = memory_ops;
    self->ops.capabilities = (options->one_account ? 0u : (unsigned) ENGINE_MULTI_ACCT) |
                             (options->no_conflict ? (unsigned) ENGINE_NO_CONFLICT : 0u);
    self->engine.ops = &self->ops;
    self->owns_disk = options->disk == NULL;
    self->disk = self->owns_disk ? memory_disk_new() : options->disk;
    self->last = &self->first;
    (void) pthread_cond_init(&self->work, NULL);
    if (options->later && pthread_create(&self->thread, NULL, durable_thread, self) != 0)
        die("memory engine: no thread");
    return &self->engine;
}
