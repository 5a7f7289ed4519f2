#include "store/memory/memory_disk.h"

#include "store/memory/memory_engine.h"

struct slice heap_dup(struct slice s)
{
    char *copy = xmalloc(s.len + 1);

    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    return slice_of(copy, s.len);
}

void heap_free(struct slice s)
{
    union {
        const char *text;
        void *block;
    } made_by_dup = {.text = s.ptr};

    free(made_by_dup.block);
}

struct memory_disk *memory_disk_new(void)
{
    struct memory_disk *disk = xcalloc(1, sizeof(*disk));

    (void) pthread_mutex_init(&disk->lock, NULL);
    disk->accounts = map_new();
    return disk;
}

void disk_body_unref(struct body *body)
{
    if (--body->refs > 0)
        return;
    heap_free(body->bytes);
    heap_free(body->digest);
    heap_free(body->digest_text);
    free(body);
}

void disk_derived_unref(struct derived *derived)
{
    if (--derived->refs > 0)
        return;
    heap_free(derived->bytes);
    free(derived);
}

size_t disk_find_derived(const struct memory_account *account, const struct derived_name *name)
{
    size_t at = 0;

    while (at < account->n_derived && (account->derived[at]->name.kind != name->kind ||
                                       account->derived[at]->name.from != name->from ||
                                       account->derived[at]->name.to != name->to))
        at++;
    return at;
}

void disk_drop_derived(struct memory_account *account, const struct derived_name *name)
{
    size_t at = disk_find_derived(account, name);

    if (at == account->n_derived)
        return;
    disk_derived_unref(account->derived[at]);
    account->derived[at] = account->derived[--account->n_derived];
}

void disk_put_derived(struct memory_account *account, struct derived *derived)
{
    disk_drop_derived(account, &derived->name);
    account->derived =
        xrealloc(account->derived, (account->n_derived + 1) * sizeof(struct derived *));
    account->derived[account->n_derived++] = derived;
}

static void account_free(struct memory_account *account)
{
    struct slice key;
    void *value;

    for (size_t at = 0; map_next(account->pages, &at, &key, &value);) {
        struct slice *page = value;

        heap_free(*page);
        free(page);
    }
    for (size_t at = 0; map_next(account->bodies, &at, &key, &value);)
        disk_body_unref(value);
    for (size_t i = 0; i < account->n_groups; i++)
        heap_free(account->groups[i].records);
    free(account->groups);
    for (size_t i = 0; i < account->n_derived; i++)
        disk_derived_unref(account->derived[i]);
    free(account->derived);
    heap_free(account->root);
    map_free(account->pages);
    map_free(account->bodies);
    free(account);
}

void memory_disk_free(struct memory_disk *disk)
{
    struct slice key;
    void *value;

    if (disk == NULL)
        return;
    for (size_t at = 0; map_next(disk->accounts, &at, &key, &value);)
        account_free(value);
    map_free(disk->accounts);
    (void) pthread_mutex_destroy(&disk->lock);
    free(disk);
}

struct memory_account *disk_account(struct memory_disk *disk, uint64_t id)
{
    return map_get(disk->accounts, MAP_KEY(id));
}

struct memory_account *disk_need_account(struct memory_disk *disk, uint64_t id)
{
    struct memory_account *account = disk_account(disk, id);

    if (account != NULL)
        return account;
    account = xcalloc(1, sizeof(*account));
    account->disk = disk;
    account->id = id;
    account->pages = map_new();
    account->bodies = map_new();
    (void) map_put(disk->accounts, MAP_KEY(id), account);
    return account;
}

void disk_remove_account(struct memory_disk *disk, uint64_t id)
{
    struct memory_account *account = map_remove(disk->accounts, MAP_KEY(id));

    if (account != NULL)
        account_free(account);
}

void disk_add_group(struct memory_account *account, uint64_t position, struct slice records)
{
    account->groups =
        xrealloc(account->groups, (account->n_groups + 1) * sizeof(*account->groups));
    account->groups[account->n_groups++] = (struct memory_group){position, heap_dup(records)};
    account->position = position;
}

void disk_cover_groups(struct memory_account *account, uint64_t position)
{
    size_t n = 0;

    while (n < account->n_groups && account->groups[n].position <= position)
        heap_free(account->groups[n++].records);
    if (n == 0)
        return;
    account->n_groups -= n;
    memmove(account->groups, account->groups + n, account->n_groups * sizeof(*account->groups));
}

/* The ids of the bodies whose group is lost. */
static size_t lost_bodies(const struct memory_account *account, uint64_t *ids)
{
    struct slice key;
    void *value;
    size_t n = 0;

    for (size_t at = 0; map_next(account->bodies, &at, &key, &value);) {
        const struct body *body = value;

        if (body->position > account->durable)
            memcpy(&ids[n++], key.ptr, sizeof(*ids));
    }
    return n;
}

static int by_id(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

uint64_t disk_keep_bodies(struct memory_account *account, const uint64_t *ids, size_t n,
                          uint64_t below)
{
    uint64_t *dead = xmalloc((map_count(account->bodies) + 1) * sizeof(*dead));
    uint64_t id, missing = 0;
    struct slice key;
    void *value;
    size_t n_dead = 0;

    for (size_t at = 0; map_next(account->bodies, &at, &key, &value);) {
        memcpy(&id, key.ptr, sizeof(id));
        if (id < below && (n == 0 || bsearch(&id, ids, n, sizeof(id), by_id) == NULL))
            dead[n_dead++] = id;
    }
    while (n_dead > 0)
        disk_body_unref(map_remove(account->bodies, MAP_KEY(dead[--n_dead])));
    free(dead);
    for (size_t i = 0; i < n; i++)
        missing += map_get(account->bodies, MAP_KEY(ids[i])) == NULL;
    return missing;
}

static void cut_account(struct memory_account *account)
{
    uint64_t *ids = xmalloc((map_count(account->bodies) + 1) * sizeof(*ids));
    size_t n = lost_bodies(account, ids);

    for (size_t i = 0; i < n; i++)
        disk_body_unref(map_remove(account->bodies, MAP_KEY(ids[i])));
    free(ids);
    while (account->n_groups > 0 &&
           account->groups[account->n_groups - 1].position > account->durable)
        heap_free(account->groups[--account->n_groups].records);
    account->position = account->durable;
}

void disk_cut(struct memory_disk *disk)
{
    struct memory_account **empty =
        xmalloc((map_count(disk->accounts) + 1) * sizeof(struct memory_account *));
    struct slice key;
    void *value;
    size_t n = 0;

    for (size_t at = 0; map_next(disk->accounts, &at, &key, &value);) {
        struct memory_account *account = value;

        cut_account(account);
        if (account->durable == 0 && account->root.ptr == NULL)
            empty[n++] = account;
    }
    while (n > 0)
        disk_remove_account(disk, empty[--n]->id);
    free(empty);
}
