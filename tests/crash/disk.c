/*
 * disk.c - see disk.h.
 *
 * Each file has its certain bytes and the list of changes since ("touches"). Choosing makes the
 * list of choices (counting versions of each sector: a write that changes nothing makes none),
 * building replays the touches beside the certain bytes and copies a sector over when it has
 * reached the chosen version.
 */
#include "disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define SIZES_MAX 32u

/* A write, or (bytes NULL) zeros where a size was cut. */
struct touch {
    uint64_t offset, len, size; /* size of the file after it */
    const char *bytes;
    bool is_dropped; /* a sync of it failed: a later one does not bring it to the disk */
};

struct node {
    char *certain;
    uint64_t size, cap; /* certain */
    struct touch *touches;
    size_t n_touches, cap_touches;
    uint64_t live_size;
    /* the point looked at */
    uint16_t *versions, *chosen; /* of each sector; NULL: nothing is uncertain */
    size_t n_sectors;
    uint64_t sizes[SIZES_MAX];
    size_t n_sizes, chosen_size;
    char *built; /* chosen state; `certain` itself when nothing is uncertain */
    bool owns_built;
    uint64_t built_size;
    struct disk_hash hash; /* of the built bytes */
    bool is_hashed;        /* of the certain bytes, nothing being uncertain */
};

struct choice {
    enum { CHOICE_SECTOR, CHOICE_SIZE, CHOICE_NAME } kind;
    uint32_t file;
    size_t at; /* sector; index of the pending change of a name */
    uint32_t n, picked;
};

struct disk {
    const struct recording *recording;
    size_t at;
    struct node *nodes;         /* by file number */
    struct record_entry *names; /* certain */
    size_t n_names;
    const struct op **pending; /* changes of names that are not certain */
    size_t n_pending, cap_pending;
    struct choice *choices;
    size_t n_choices, cap_choices;
    bool *is_done;              /* of pending, chosen */
    struct record_entry *built; /* names of the chosen state */
    size_t n_built;
};

uint64_t seeded(uint64_t *seed)
{
    uint64_t x = *seed += 0x9e3779b97f4a7c15u;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* ---- names ---- */

static struct record_entry *entry_find(struct record_entry *list, size_t n, uint32_t dir,
                                       const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i].dir == dir && strcmp(list[i].name, name) == 0)
            return &list[i];
    }
    return NULL;
}

static void entry_set(struct record_entry *list, size_t *n, uint32_t dir, const char *name,
                      uint32_t file)
{
    struct record_entry *entry = entry_find(list, *n, dir, name);

    if (entry == NULL) {
        if (*n == RECORD_ENTRIES_MAX)
            die("disk: too many names");
        entry = &list[(*n)++];
        *entry = (struct record_entry){.dir = dir};
        (void) snprintf(entry->name, sizeof(entry->name), "%s", name);
    }
    entry->file = file;
}

static void entry_drop(struct record_entry *list, size_t *n, uint32_t dir, const char *name)
{
    struct record_entry *entry = entry_find(list, *n, dir, name);

    if (entry != NULL)
        *entry = list[--*n];
}

/* A change of a name. A rename whose own "made" was left out still puts the file there. */
static void apply_name(struct record_entry *list, size_t *n, const struct op *op)
{
    if (op->kind == OP_MAKE) {
        entry_set(list, n, op->dir, op->name, op->file);
    } else if (op->kind == OP_UNLINK) {
        entry_drop(list, n, op->dir, op->name);
    } else {
        entry_drop(list, n, op->dir, op->name);
        entry_set(list, n, op->dir2, op->name2, op->file);
    }
}

static bool op_names(const struct op *op, uint32_t dir, const char *name)
{
    return (op->dir == dir && strcmp(op->name, name) == 0) ||
           (op->kind == OP_RENAME && op->dir2 == dir && strcmp(op->name2, name) == 0);
}

/* Do two changes concern the same file or name, so that their order holds on disk too? */
static bool depends(const struct op *later, const struct op *earlier)
{
    return later->file == earlier->file || op_names(later, earlier->dir, earlier->name) ||
           (earlier->kind == OP_RENAME && op_names(later, earlier->dir2, earlier->name2));
}

/* What a chosen change depends on is done as well. */
static void close_names(struct disk *disk)
{
    for (size_t i = disk->n_pending; i-- > 0;) {
        for (size_t j = 0; disk->is_done[i] && j < i; j++) {
            if (depends(disk->pending[i], disk->pending[j]))
                disk->is_done[j] = true;
        }
    }
}

/* The names of a folder become certain, and what they depend on. */
static void sync_names(struct disk *disk, uint32_t dir)
{
    size_t kept = 0;

    for (size_t i = 0; i < disk->n_pending; i++) {
        const struct op *op = disk->pending[i];

        disk->is_done[i] = op->dir == dir || (op->kind == OP_RENAME && op->dir2 == dir);
    }
    close_names(disk);
    for (size_t i = 0; i < disk->n_pending; i++) {
        if (disk->is_done[i])
            apply_name(disk->names, &disk->n_names, disk->pending[i]);
        else
            disk->pending[kept++] = disk->pending[i];
    }
    disk->n_pending = kept;
}

static void add_pending(struct disk *disk, const struct op *op)
{
    if (disk->n_pending == disk->cap_pending) {
        disk->cap_pending = MAX(disk->cap_pending * 2, (size_t) 64);
        disk->pending = xrealloc(disk->pending, disk->cap_pending * sizeof(struct op *));
        disk->is_done = xrealloc(disk->is_done, disk->cap_pending * sizeof(bool));
    }
    disk->pending[disk->n_pending++] = op;
}

/* ---- bytes ---- */

static void reserve(struct node *node, uint64_t size)
{
    if (size <= node->cap)
        return;
    size = (size + 65535) & ~(uint64_t) 65535;
    node->certain = xrealloc(node->certain, (size_t) size);
    memset(node->certain + node->cap, 0, (size_t) (size - node->cap));
    node->cap = size;
}

static void put_touch(char *to, const struct touch *touch, uint64_t from, uint64_t end)
{
    if (from == end)
        return;
    if (touch->bytes != NULL)
        memcpy(to + from, touch->bytes + (from - touch->offset), (size_t) (end - from));
    else
        memset(to + from, 0, (size_t) (end - from));
}

static void add_touch(struct node *node, const struct touch *touch)
{
    if (node->n_touches == node->cap_touches) {
        node->cap_touches = MAX(node->cap_touches * 2, (size_t) 8);
        node->touches = xrealloc(node->touches, node->cap_touches * sizeof(*node->touches));
    }
    node->touches[node->n_touches++] = *touch;
    node->live_size = touch->size;
    node->is_hashed = false;
}

static void write_node(struct disk *disk, const struct op *op)
{
    struct node *node = &disk->nodes[op->file];

    add_touch(node, &(struct touch){.offset = op->offset,
                                    .len = op->len,
                                    .size = MAX(node->live_size, op->offset + op->len),
                                    .bytes = disk->recording->bytes + op->bytes});
}

static void size_node(struct node *node, uint64_t size)
{
    uint64_t old = node->live_size;

    add_touch(node, &(struct touch){
                        .offset = size, .len = size < old ? old - size : 0, .size = size});
}

static void set_size(struct node *node, uint64_t size)
{
    reserve(node, size);
    if (size < node->size)
        memset(node->certain + size, 0, (size_t) (node->size - size));
    node->size = size;
}

/* The part of touch in [from, end) stays pending. */
static void keep_part(struct node *node, const struct touch *touch, uint64_t from, uint64_t end)
{
    from = MAX(from, touch->offset);
    end = MIN(end, touch->offset + touch->len);
    if (from < end)
        add_touch(node, &(struct touch){.offset = from,
                                        .len = end - from,
                                        .size = node->live_size,
                                        .bytes = touch->bytes != NULL
                                                     ? touch->bytes + (from - touch->offset)
                                                     : NULL,
                                        .is_dropped = touch->is_dropped});
}

/* Is the sector written again behind touch number i, so that a sync brings it to the disk? */
static bool is_rewritten(const struct touch *touches, size_t n, size_t i, uint64_t sector)
{
    uint64_t from = sector * DISK_SECTOR_BYTES, end = from + DISK_SECTOR_BYTES;

    while (++i < n) {
        const struct touch *touch = &touches[i];

        if (!touch->is_dropped && touch->offset < end && touch->offset + touch->len > from)
            return true;
    }
    return false;
}

/* What a failed sync dropped stays uncertain, but for the sectors that were written again. */
static void sync_dropped(struct node *node, const struct touch *touches, size_t n, size_t i)
{
    const struct touch *touch = &touches[i];
    uint64_t end = touch->offset + touch->len;

    for (uint64_t at = touch->offset; at < end;) {
        uint64_t sector = at / DISK_SECTOR_BYTES;
        uint64_t until = MIN(end, (sector + 1) * DISK_SECTOR_BYTES);

        if (is_rewritten(touches, n, i, sector))
            put_touch(node->certain, touch, at, until);
        else
            keep_part(node, touch, at, until);
        at = until;
    }
}

/* Everything of the file is certain, but for what was dropped. */
static void sync_node(struct node *node)
{
    AUTO(freep) struct touch *touches = node->touches;
    size_t n = node->n_touches;

    node->touches = NULL;
    node->n_touches = node->cap_touches = 0;
    for (size_t i = 0; i < n; i++) {
        const struct touch *touch = &touches[i];

        reserve(node, MAX(touch->size, touch->offset + touch->len));
        if (touch->is_dropped)
            sync_dropped(node, touches, n, i);
        else
            put_touch(node->certain, touch, touch->offset, touch->offset + touch->len);
    }
    if (n > 0)
        set_size(node, node->live_size);
    node->is_hashed = false;
}

/* The sectors of one write, and the size, are certain; what else is pending stays so. */
static void sync_write(struct node *node, const struct op *op)
{
    uint64_t first = op->offset / DISK_SECTOR_BYTES * DISK_SECTOR_BYTES;
    uint64_t last =
        (op->offset + op->len + DISK_SECTOR_BYTES - 1) / DISK_SECTOR_BYTES * DISK_SECTOR_BYTES;
    AUTO(freep) struct touch *touches = node->touches;
    size_t n = node->n_touches;

    node->touches = NULL;
    node->n_touches = node->cap_touches = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t end = touches[i].offset + touches[i].len;
        uint64_t a = MAX(touches[i].offset, first), b = MIN(end, last);

        reserve(node, MAX(touches[i].size, end));
        if (a < b)
            put_touch(node->certain, &touches[i], a, b);
        keep_part(node, &touches[i], 0, first);
        keep_part(node, &touches[i], last, UINT64_MAX);
    }
    node->is_hashed = false;
    set_size(node, node->live_size);
}

static void drop_touches(struct node *node)
{
    for (size_t i = 0; i < node->n_touches; i++)
        node->touches[i].is_dropped = true;
}

/* ---- stepping ---- */

const struct op *disk_next(const struct disk *disk)
{
    return disk->at < disk->recording->n_ops ? &disk->recording->ops[disk->at] : NULL;
}

void disk_step(struct disk *disk)
{
    const struct op *op = &disk->recording->ops[disk->at++];

    switch (op->kind) {
    case OP_WRITE:
        write_node(disk, op);
        return;
    case OP_SIZE:
        size_node(&disk->nodes[op->file], op->offset);
        return;
    case OP_SYNC:
        if (disk->recording->files[op->file].is_dir)
            sync_names(disk, op->file);
        else
            sync_node(&disk->nodes[op->file]);
        return;
    case OP_SYNC_WRITE:
        sync_write(&disk->nodes[op->file], op);
        return;
    case OP_SYNC_FAILED:
        drop_touches(&disk->nodes[op->file]);
        return;
    case OP_MAKE:
    case OP_RENAME:
    case OP_UNLINK:
        add_pending(disk, op);
        return;
    case OP_MARK:
        return;
    }
}

struct disk *disk_new(const struct recording *recording)
{
    struct disk *disk = xcalloc(1, sizeof(*disk));

    disk->recording = recording;
    disk->nodes = xcalloc(recording->n_files, sizeof(*disk->nodes));
    disk->names = xcalloc(RECORD_ENTRIES_MAX, sizeof(*disk->names));
    disk->built = xcalloc(RECORD_ENTRIES_MAX, sizeof(*disk->built));
    while (disk->at < recording->start)
        disk_step(disk);
    return disk;
}

static void forget_look(struct node *node)
{
    if (node->owns_built)
        free(node->built);
    node->built = NULL;
    node->owns_built = false;
    free(node->versions);
    free(node->chosen);
    node->versions = node->chosen = NULL;
}

void disk_free(struct disk *disk)
{
    for (uint32_t i = 0; i < disk->recording->n_files; i++) {
        forget_look(&disk->nodes[i]);
        free(disk->nodes[i].certain);
        free(disk->nodes[i].touches);
    }
    free(disk->nodes);
    free(disk->names);
    free(disk->built);
    free(disk->pending);
    free(disk->is_done);
    free(disk->choices);
    free(disk);
}

/* ---- looking: what may be chosen ---- */

static void add_choice(struct disk *disk, struct choice choice)
{
    if (disk->n_choices == disk->cap_choices) {
        disk->cap_choices = MAX(disk->cap_choices * 2, (size_t) 256);
        disk->choices = xrealloc(disk->choices, disk->cap_choices * sizeof(*disk->choices));
    }
    disk->choices[disk->n_choices++] = choice;
}

static uint64_t span_of(const struct node *node)
{
    uint64_t span = MAX(node->size, node->live_size);

    for (size_t i = 0; i < node->n_touches; i++)
        span = MAX(span,
                   MAX(node->touches[i].size, node->touches[i].offset + node->touches[i].len));
    return span;
}

/* Calls fn for each sector that a touch changes in live, after it has. */
static void replay(const struct node *node, char *live,
                   void (*fn)(const struct node *node, const char *live, size_t sector,
                              char *out),
                   char *out)
{
    for (size_t i = 0; i < node->n_touches; i++) {
        const struct touch *touch = &node->touches[i];
        uint64_t end = touch->offset + touch->len;

        for (uint64_t at = touch->offset; at < end;) {
            size_t sector = (size_t) (at / DISK_SECTOR_BYTES);
            uint64_t until = MIN(end, (uint64_t) (sector + 1) * DISK_SECTOR_BYTES);
            char before[DISK_SECTOR_BYTES];

            memcpy(before, live + at, (size_t) (until - at));
            put_touch(live, touch, at, until);
            if (memcmp(before, live + at, (size_t) (until - at)) != 0)
                fn(node, live, sector, out);
            at = until;
        }
    }
}

static void count_version(const struct node *node, const char *live, size_t sector, char *out)
{
    (void) live;
    (void) out;
    node->versions[sector]++;
}

static void add_size(struct node *node, uint64_t size)
{
    for (size_t i = 0; i < node->n_sizes; i++) {
        if (node->sizes[i] == size)
            return;
    }
    if (node->n_sizes < SIZES_MAX)
        node->sizes[node->n_sizes++] = size;
    else
        node->sizes[SIZES_MAX - 1] = size;
}

static void look_node(struct disk *disk, uint32_t file)
{
    struct node *node = &disk->nodes[file];
    AUTO(freep) char *live = NULL;
    uint64_t span;

    forget_look(node);
    node->n_sizes = node->chosen_size = 0;
    if (node->n_touches == 0)
        return;
    span = span_of(node);
    reserve(node, span);
    node->n_sectors = (size_t) (span / DISK_SECTOR_BYTES + 1);
    node->versions = xcalloc(node->n_sectors, sizeof(*node->versions));
    node->chosen = xcalloc(node->n_sectors, sizeof(*node->chosen));
    live = xmalloc((size_t) span + 1);
    if (span > 0)
        memcpy(live, node->certain, (size_t) span);
    replay(node, live, count_version, NULL);
    for (size_t i = 0; i < node->n_sectors; i++) {
        if (node->versions[i] > 0)
            add_choice(disk,
                       (struct choice){CHOICE_SECTOR, file, i, node->versions[i] + 1u, 0});
    }
    add_size(node, node->size);
    for (size_t i = 0; i < node->n_touches; i++)
        add_size(node, node->touches[i].size);
    if (node->n_sizes > 1)
        add_choice(disk, (struct choice){CHOICE_SIZE, file, 0, (uint32_t) node->n_sizes, 0});
}

uint64_t disk_count(struct disk *disk)
{
    uint64_t count = 1;

    disk->n_choices = 0;
    for (uint32_t i = 1; i < disk->recording->n_files; i++)
        look_node(disk, i);
    for (size_t i = 0; i < disk->n_pending; i++)
        add_choice(disk, (struct choice){CHOICE_NAME, disk->pending[i]->file, i, 2, 0});
    for (size_t i = 0; i < disk->n_choices; i++)
        count =
            count > UINT64_MAX / disk->choices[i].n ? UINT64_MAX : count * disk->choices[i].n;
    return count;
}

/* ---- choosing ---- */

static void copy_chosen(const struct node *node, const char *live, size_t sector, char *out)
{
    size_t at = sector * DISK_SECTOR_BYTES;

    /* chosen counts down to the version wanted */
    if (node->chosen[sector] > 0 && --node->chosen[sector] == 0)
        memcpy(out + at, live + at, DISK_SECTOR_BYTES);
}

static void build_node(struct node *node)
{
    AUTO(freep) char *live = NULL;
    size_t room;

    if (node->n_touches == 0) {
        node->built = node->certain;
        node->built_size = node->size;
    } else {
        room = (node->n_sectors + 1) * DISK_SECTOR_BYTES;
        reserve(node, room);
        if (!node->owns_built)
            node->built = xmalloc(room);
        node->owns_built = true;
        live = xmalloc(room);
        memcpy(node->built, node->certain, room);
        memcpy(live, node->certain, room);
        replay(node, live, copy_chosen, node->built);
        node->built_size = node->sizes[node->chosen_size];
        node->is_hashed = false;
    }
    if (!node->is_hashed) {
        XXH128_hash_t hash = XXH3_128bits_withSeed(node->built_size > 0 ? node->built : "",
                                                   (size_t) node->built_size, node->built_size);

        node->hash = (struct disk_hash){hash.low64, hash.high64};
        node->is_hashed = node->n_touches == 0;
    }
}

/* From the picked numbers to bytes and names. */
static void build(struct disk *disk)
{
    for (size_t i = 0; i < disk->n_choices; i++) {
        const struct choice *choice = &disk->choices[i];

        if (choice->kind == CHOICE_SECTOR)
            disk->nodes[choice->file].chosen[choice->at] = (uint16_t) choice->picked;
        else if (choice->kind == CHOICE_SIZE)
            disk->nodes[choice->file].chosen_size = choice->picked;
        else
            disk->is_done[choice->at] = choice->picked != 0;
    }
    close_names(disk);
    memcpy(disk->built, disk->names, disk->n_names * sizeof(*disk->names));
    disk->n_built = disk->n_names;
    for (size_t i = 0; i < disk->n_pending; i++) {
        if (disk->is_done[i])
            apply_name(disk->built, &disk->n_built, disk->pending[i]);
    }
    for (size_t i = 0; i < disk->n_built; i++) {
        if (!disk->recording->files[disk->built[i].file].is_dir)
            build_node(&disk->nodes[disk->built[i].file]);
    }
}

void disk_choose(struct disk *disk, uint64_t n)
{
    for (size_t i = 0; i < disk->n_choices; i++) {
        disk->choices[i].picked = (uint32_t) (n % disk->choices[i].n);
        n /= disk->choices[i].n;
    }
    build(disk);
}

/* All of them as `base` says (0: the oldest, 1: the newest), but one by chance. */
static void pick_all_but_one(struct disk *disk, bool newest, uint64_t *seed)
{
    for (size_t i = 0; i < disk->n_choices; i++)
        disk->choices[i].picked = newest ? disk->choices[i].n - 1 : 0;
    if (disk->n_choices > 0) {
        struct choice *one = &disk->choices[seeded(seed) % disk->n_choices];

        one->picked = newest ? (uint32_t) (seeded(seed) % one->n)
                             : 1 + (uint32_t) (seeded(seed) % (one->n - 1));
    }
}

static void pick_random(struct disk *disk, uint64_t *seed)
{
    uint64_t bias = 1 + seeded(seed) % 7; /* of 8: how likely the newest is */

    for (size_t i = 0; i < disk->n_choices; i++) {
        struct choice *choice = &disk->choices[i];

        if (choice->n == 2)
            choice->picked = seeded(seed) % 8 < bias;
        else
            choice->picked = (uint32_t) (seeded(seed) % choice->n);
    }
}

/* Each file either as it was or as it is; the same for its names. */
static void pick_by_file(struct disk *disk, uint64_t *seed)
{
    uint64_t salt = seeded(seed);

    for (size_t i = 0; i < disk->n_choices; i++) {
        struct choice *choice = &disk->choices[i];
        uint64_t coin = salt ^ ((uint64_t) choice->file << 8 | choice->kind);

        choice->picked = seeded(&coin) % 2 != 0 ? choice->n - 1 : 0;
    }
}

/* What comes early in the list is there, the rest is not: writing back in order, cut. */
static void pick_ordered(struct disk *disk, uint64_t *seed)
{
    size_t cut = disk->n_choices > 0 ? seeded(seed) % (disk->n_choices + 1) : 0;
    bool flip = seeded(seed) % 2 != 0;

    for (size_t i = 0; i < disk->n_choices; i++)
        disk->choices[i].picked = (i < cut) != flip ? disk->choices[i].n - 1 : 0;
}

/* The names newest and the bytes oldest, or the other way round. */
static void pick_names(struct disk *disk, bool names)
{
    for (size_t i = 0; i < disk->n_choices; i++) {
        struct choice *choice = &disk->choices[i];

        choice->picked = (choice->kind == CHOICE_NAME) == names ? choice->n - 1 : 0;
    }
}

void disk_sample(struct disk *disk, uint64_t number, uint64_t seed)
{
    for (uint64_t i = 0; number < 2 && i < disk->n_choices; i++)
        disk->choices[i].picked = number == 1 ? disk->choices[i].n - 1 : 0;
    seed += number * 1000003;
    if (number == 2 || number == 3)
        pick_names(disk, number == 2);
    else if (number > 3 && number % 5 == 0)
        pick_all_but_one(disk, true, &seed);
    else if (number > 3 && number % 5 == 1)
        pick_all_but_one(disk, false, &seed);
    else if (number > 3 && number % 5 == 2)
        pick_by_file(disk, &seed);
    else if (number > 3 && number % 5 == 3)
        pick_ordered(disk, &seed);
    else if (number > 3)
        pick_random(disk, &seed);
    build(disk);
}

/* ---- the chosen state ---- */

static int by_name(const void *a, const void *b)
{
    const struct record_entry *x = a, *y = b;

    if (x->dir != y->dir)
        return x->dir < y->dir ? -1 : 1;
    return strcmp(x->name, y->name);
}

struct disk_hash disk_state_hash(struct disk *disk)
{
    XXH3_state_t *state = XXH3_createState();
    XXH128_hash_t hash;

    if (state == NULL)
        die("out of memory");
    (void) XXH3_128bits_reset(state);
    qsort(disk->built, disk->n_built, sizeof(*disk->built), by_name);
    for (size_t i = 0; i < disk->n_built; i++) {
        const struct record_entry *entry = &disk->built[i];
        const struct node *node = &disk->nodes[entry->file];

        (void) XXH3_128bits_update(state, &entry->dir, sizeof(entry->dir));
        (void) XXH3_128bits_update(state, entry->name, strlen(entry->name) + 1);
        if (disk->recording->files[entry->file].is_dir)
            (void) XXH3_128bits_update(state, &entry->file, sizeof(entry->file));
        else
            (void) XXH3_128bits_update(state, &node->hash, sizeof(node->hash));
    }
    hash = XXH3_128bits_digest(state);
    (void) XXH3_freeState(state);
    return (struct disk_hash){hash.low64, hash.high64};
}

static bool is_zero(const char *bytes, size_t len)
{
    return len == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

static void write_file(const struct node *node, int at, const char *name)
{
    AUTO(closep) int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 || ftruncate(fd, (off_t) node->built_size) != 0)
        die("disk: %s cannot be made", name);
    for (uint64_t from = 0; from < node->built_size;) {
        uint64_t end = MIN(node->built_size, from + 4096);

        while (is_zero(node->built + from, (size_t) (end - from)) && end < node->built_size) {
            from = end;
            end = MIN(node->built_size, from + 4096);
        }
        while (end < node->built_size &&
               !is_zero(node->built + end, (size_t) (MIN(node->built_size, end + 4096) - end)))
            end = MIN(node->built_size, end + 4096);
        if (pwrite(fd, node->built + from, (size_t) (end - from), (off_t) from) !=
            (ssize_t) (end - from))
            die("disk: %s cannot be written", name);
        from = end;
    }
}

static void write_folder(struct disk *disk, uint32_t dir, int at)
{
    for (size_t i = 0; i < disk->n_built; i++) {
        const struct record_entry *entry = &disk->built[i];

        if (entry->dir != dir)
            continue;
        if (disk->recording->files[entry->file].is_dir) {
            AUTO(closep) int below = -1;

            if (mkdirat(at, entry->name, 0700) != 0 ||
                (below = openat(at, entry->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
                die("disk: %s cannot be made", entry->name);
            write_folder(disk, entry->file, below);
        } else {
            write_file(&disk->nodes[entry->file], at, entry->name);
        }
    }
}

void disk_write(struct disk *disk, const char *path)
{
    AUTO(closep) int fd = -1;

    if (mkdir(path, 0700) != 0 || (fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        die("disk: %s cannot be made", path);
    write_folder(disk, RECORD_ROOT, fd);
}

void disk_describe(const struct disk *disk, char *out, size_t cap)
{
    size_t n_sectors = 0, n_old = 0, n_names = 0, n_undone = 0;

    for (size_t i = 0; i < disk->n_choices; i++) {
        const struct choice *choice = &disk->choices[i];

        if (choice->kind == CHOICE_NAME) {
            n_names++;
            n_undone += choice->picked == 0;
        } else {
            n_sectors++;
            n_old += choice->picked + 1 < choice->n;
        }
    }
    (void) snprintf(out, cap,
                    "call %zu of %zu; %zu of %zu sectors and sizes and %zu of %zu changes of "
                    "names are not there",
                    disk->at - disk->recording->start,
                    disk->recording->n_ops - disk->recording->start, n_old, n_sectors, n_undone,
                    n_names);
}
