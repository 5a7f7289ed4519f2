/* digests.c - a bounded map of digests, and their region in packs. */
#include "store/local/digests.h"

#include <xxhash.h>

#include "base/log.h"
#include "store/local/checkpoint.h"
#include "store/local/pack.h"

struct digest {
    uint64_t account, body_id;
    uint32_t version;
    size_t len;
    struct link age;
    char bytes[];
};

struct digests {
    struct local *local;
    pthread_mutex_t lock;
    struct map *map; /* lock: (account, body id) -> digest */
    struct list age; /* lock: oldest first */
    uint64_t bytes;  /* lock */
    bool moves;      /* lock: somebody writes the oldest to the state */
};

struct digest_key {
    uint64_t account, body_id;
};

static struct slice key_slice(const struct digest_key *key)
{
    return slice_of(key, sizeof(*key));
}

struct digests *digests_new(struct local *local)
{
    struct digests *digests = xcalloc(1, sizeof(*digests));

    digests->local = local;
    (void) pthread_mutex_init(&digests->lock, NULL);
    digests->map = map_new();
    list_init(&digests->age);
    return digests;
}

/* With the lock held. */
static void forget(struct digests *digests, struct digest *digest)
{
    struct digest_key key = {digest->account, digest->body_id};

    (void) map_remove(digests->map, key_slice(&key));
    list_remove(&digest->age);
    digests->bytes -= digest->len;
    free(digest);
}

void digests_free(struct digests *digests)
{
    if (digests == NULL)
        return;
    LIST_FOREACH(it, &digests->age)
    {
        forget(digests, LINK_OWNER(it, struct digest, age));
    }
    map_free(digests->map);
    (void) pthread_mutex_destroy(&digests->lock);
    free(digests);
}

/* ---- more than memory may hold: the oldest go to the state, a part of the bound at a time
 * ---- */

#define MOVE_PART 4 /* of the bound */
#define MOVE_MAX  65536u

/* The oldest, as many as the part holds, copied; they stay in memory until they are written.
 * With the lock. */
static size_t choose_oldest(struct digests *digests, struct arena *arena,
                            struct loose_digest *out)
{
    uint64_t part = digests->local->options.digest_memory_bytes / MOVE_PART, taken = 0;
    size_t n = 0;

    LIST_FOREACH(it, &digests->age)
    {
        const struct digest *digest = LINK_OWNER(it, struct digest, age);

        if (n == MOVE_MAX || (n > 0 && taken + digest->len > part))
            break;
        out[n++] = (struct loose_digest){
            .account = digest->account,
            .body_id = digest->body_id,
            .version = digest->version,
            .bytes = arena_dup(arena, slice_of(digest->bytes, digest->len)),
        };
        taken += digest->len;
    }
    return n;
}

static void forget_moved(struct digests *digests, const struct loose_digest *moved, size_t n)
{
    for (size_t i = 0; i < n; i++)
        digests_drop(digests, moved[i].account, moved[i].body_id);
}

/* One thread at a time; without the lock while it writes. What cannot be written is forgotten
 * all the same. */
static void move_oldest(struct digests *digests)
{
    uint64_t most = digests->local->options.digest_memory_bytes;
    AUTO(arena_freep) struct arena *arena = arena_new((size_t) (2 * most) + MOVE_MAX * 64u);
    AUTO(freep) struct loose_digest *chosen = xcalloc(MOVE_MAX, sizeof(*chosen));
    struct err err;
    size_t n;

    (void) pthread_mutex_lock(&digests->lock);
    n = choose_oldest(digests, arena, chosen);
    (void) pthread_mutex_unlock(&digests->lock);
    if (checkpoint_put_digests(digests->local->state, chosen, n, &err))
        log_event(LEVEL_WARNING, "store.digests", LOG_ERR(&err));
    forget_moved(digests, chosen, n);
    (void) pthread_mutex_lock(&digests->lock);
    digests->moves = false;
    (void) pthread_mutex_unlock(&digests->lock);
}

/* With the lock held: is it this thread's turn to make room? Others go on, up to twice the
 * bound. */
static bool must_move(struct digests *digests)
{
    uint64_t most = digests->local->options.digest_memory_bytes;

    while (digests->bytes > 2 * most)
        forget(digests, LINK_OWNER(digests->age.head.next, struct digest, age));
    if (digests->bytes <= most || digests->moves)
        return false;
    digests->moves = true;
    return true;
}

void digests_put(struct digests *digests, uint64_t account, uint64_t body_id, uint32_t version,
                 struct slice bytes)
{
    struct digest_key key = {account, body_id};
    struct digest *digest, *old;
    bool move;

    if (bytes.len > digests->local->options.digest_memory_bytes || bytes.len > UINT32_MAX)
        return;
    digest = xmalloc(sizeof(*digest) + bytes.len);
    *digest = (struct digest){
        .account = account, .body_id = body_id, .version = version, .len = bytes.len};
    if (bytes.len > 0)
        memcpy(digest->bytes, bytes.ptr, bytes.len);
    (void) pthread_mutex_lock(&digests->lock);
    old = map_get(digests->map, key_slice(&key));
    if (old != NULL)
        forget(digests, old);
    digests->bytes += bytes.len;
    (void) map_put(digests->map, key_slice(&key), digest);
    list_push_back(&digests->age, &digest->age);
    move = must_move(digests);
    (void) pthread_mutex_unlock(&digests->lock);
    if (move)
        move_oldest(digests);
}

char *digests_copy(struct digests *digests, uint64_t account, uint64_t body_id,
                   uint32_t *out_version, size_t *out_len)
{
    struct digest_key key = {account, body_id};
    const struct digest *digest;
    char *copy = NULL;

    (void) pthread_mutex_lock(&digests->lock);
    digest = map_get(digests->map, key_slice(&key));
    if (digest != NULL) {
        copy = xmalloc(digest->len + 1);
        memcpy(copy, digest->bytes, digest->len);
        *out_version = digest->version;
        *out_len = digest->len;
    }
    (void) pthread_mutex_unlock(&digests->lock);
    return copy;
}

void digests_drop(struct digests *digests, uint64_t account, uint64_t body_id)
{
    struct digest_key key = {account, body_id};
    struct digest *digest;

    (void) pthread_mutex_lock(&digests->lock);
    digest = map_get(digests->map, key_slice(&key));
    if (digest != NULL)
        forget(digests, digest);
    (void) pthread_mutex_unlock(&digests->lock);
}

static enum rc read_packed(const struct pack *pack, uint32_t row_number, uint64_t account,
                           uint64_t body_id, uint32_t version, struct arena *arena,
                           struct slice *out)
{
    struct pack_row row;
    char *bytes;
    enum rc rc = pack_read_row(pack, row_number, &row, NULL);

    if (rc)
        return rc;
    if (row.account != account || row.body_id != body_id || row.digest_version != version ||
        row.digest_len == 0)
        return RC_NOT_FOUND;
    bytes = arena_try(arena, row.digest_len);
    if (bytes == NULL)
        return RC_LIMIT;
    rc = file_read_all(pack_fd(pack), bytes, row.digest_len, row.digest_at, NULL);
    if (!rc && XXH3_64bits(bytes, row.digest_len) != row.digest_hash)
        rc = RC_CORRUPT;
    if (!rc)
        *out = slice_of(bytes, row.digest_len);
    return rc;
}

/* From the body's pack; a damaged one is as good as none: it is made again from the body. */
static enum rc get_packed(struct digests *digests, uint64_t account, uint64_t body_id,
                          uint32_t version, struct arena *arena, struct slice *out)
{
    struct pack_place place;
    struct pack *pack = NULL;
    enum rc rc = checkpoint_find_place(digests->local->state, account, body_id, &place, NULL);

    if (!rc)
        rc = packs_get(digests->local->packs, place.pack, &pack, NULL);
    if (rc)
        return RC_NOT_FOUND;
    rc = read_packed(pack, place.row, account, body_id, version, arena, out);
    packs_put(digests->local->packs, pack);
    return rc == RC_OK || rc == RC_LIMIT ? rc : RC_NOT_FOUND;
}

enum rc digests_get(struct digests *digests, uint64_t account, uint64_t body_id,
                    uint32_t version, struct arena *arena, struct slice *out)
{
    uint32_t stored_version = 0;
    size_t len = 0;
    AUTO(freep) char *copy = digests_copy(digests, account, body_id, &stored_version, &len);
    enum rc rc;

    if (copy != NULL && stored_version == version) {
        *out = arena_dup(arena, slice_of(copy, len));
        return RC_OK;
    }
    rc = get_packed(digests, account, body_id, version, arena, out);
    if (rc == RC_NOT_FOUND)
        rc = checkpoint_digest(digests->local->state, account, body_id, version, arena, out,
                               NULL);
    return rc == RC_OK || rc == RC_LIMIT ? rc : RC_NOT_FOUND;
}
