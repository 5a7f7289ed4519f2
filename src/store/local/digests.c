/*
 * digests.c - a bounded map of digests, and where they are when they are not in it.
 *
 * What is more than memory may hold is compressed and written to the state by a thread of its
 * own, a part at a time and without the lock: whoever reads a list wants that.
 */
#include "store/local/digests.h"

#include <lz4.h>

#include "base/log.h"
#include "base/pace.h"
#include "store/local/bytes.h"
#include "store/local/checkpoint.h"
#include "store/local/pack.h"

struct digest {    /* never changed */
    unsigned refs; /* lock: the map's, and of who moves it */
    uint64_t account, body_id;
    uint32_t version;
    size_t core_len, len; /* with the text behind the core */
    struct body_range *leaves;
    size_t n_leaves;
    struct link age;
    char bytes[];
};

struct digests {
    struct local *local;
    pthread_mutex_t lock;
    struct map *map;  /* lock: (account, body id) -> digest */
    struct list age;  /* lock: oldest first */
    uint64_t bytes;   /* lock */
    struct pace pace; /* of the thread that moves the oldest to the state */
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
    pace_init(&digests->pace);
    return digests;
}

/* With the lock held. */
static void release(struct digest *digest)
{
    if (--digest->refs > 0)
        return;
    free(digest->leaves);
    free(digest);
}

/* With the lock held. */
static void forget(struct digests *digests, struct digest *digest)
{
    struct digest_key key = {digest->account, digest->body_id};

    (void) map_remove(digests->map, key_slice(&key));
    list_remove(&digest->age);
    digests->bytes -= digest->len;
    release(digest);
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
    pace_done(&digests->pace);
    (void) pthread_mutex_destroy(&digests->lock);
    free(digests);
}

/* ---- loose ones, as bytes: four lengths, then core and text, lz4 where that shrinks ---- */

#define LOOSE_HEAD_BYTES 16u
#define LZ4_RATIO_MAX    255u /* what the format can do; more is damage */

/* Returns the length stored. */
static size_t squeeze(struct slice raw, char *out)
{
    int n = 0;

    if (raw.len > 0 && raw.len <= LZ4_MAX_INPUT_SIZE)
        n = LZ4_compress_default(raw.ptr, out, (int) raw.len, (int) raw.len);
    if (n > 0 && (size_t) n < raw.len)
        return (size_t) n;
    if (raw.len > 0)
        memcpy(out, raw.ptr, raw.len);
    return raw.len;
}

/* The first len bytes of raw_len. */
static bool unsqueeze(struct slice stored, char *out, size_t raw_len, size_t len)
{
    if (stored.len < raw_len)
        return LZ4_decompress_safe_partial(stored.ptr, out, (int) stored.len, (int) len,
                                           (int) len) == (int) len;
    if (len > 0)
        memcpy(out, stored.ptr, len);
    return true;
}

static struct slice loose_write(struct arena *arena, struct slice core, struct slice text)
{
    char *out = arena_alloc(arena, LOOSE_HEAD_BYTES + core.len + text.len);
    size_t core_stored = squeeze(core, out + LOOSE_HEAD_BYTES);
    size_t text_stored = squeeze(text, out + LOOSE_HEAD_BYTES + core_stored);

    put_le32(out, (uint32_t) core.len);
    put_le32(out + 4, (uint32_t) text.len);
    put_le32(out + 8, (uint32_t) core_stored);
    put_le32(out + 12, (uint32_t) text_stored);
    return slice_of(out, LOOSE_HEAD_BYTES + core_stored + text_stored);
}

struct loose_view {
    uint32_t core_len, text_len;
    struct slice core, text; /* stored */
};

static bool lengths_fit(uint32_t raw, uint32_t stored)
{
    return stored <= raw && raw / LZ4_RATIO_MAX <= stored && raw <= LZ4_MAX_INPUT_SIZE;
}

static bool loose_read(struct slice bytes, struct loose_view *out)
{
    struct scan sc = scan_of(bytes);
    uint32_t core_stored, text_stored;

    return scan_le32(&sc, &out->core_len) && scan_le32(&sc, &out->text_len) &&
           scan_le32(&sc, &core_stored) && scan_le32(&sc, &text_stored) &&
           lengths_fit(out->core_len, core_stored) && lengths_fit(out->text_len, text_stored) &&
           scan_take(&sc, core_stored, &out->core) && scan_take(&sc, text_stored, &out->text) &&
           scan_done(&sc);
}

/* ---- more than memory may hold: the oldest go to the state, a part of the bound at a time
 * ---- */

#define MOVE_PART    16 /* of the bound */
#define MOVE_MAX     16384u
#define MOVE_LOOK_MS 3600000 /* who brings too many pokes */

/* The oldest, as many as the part holds; they stay in memory until they are written. With the
 * lock. */
static size_t choose_oldest(struct digests *digests, struct digest **out)
{
    uint64_t part = digests->local->options.digest_memory_bytes / MOVE_PART, taken = 0;
    size_t n = 0;

    LIST_FOREACH(it, &digests->age)
    {
        struct digest *digest = LINK_OWNER(it, struct digest, age);

        if (n == MOVE_MAX || (n > 0 && taken + digest->len > part))
            break;
        digest->refs++;
        out[n++] = digest;
        taken += digest->len;
    }
    return n;
}

static struct loose_digest loosen(const struct digest *digest, struct arena *arena)
{
    struct slice core = slice_of(digest->bytes, digest->core_len);
    struct slice text = slice_of(core.ptr + core.len, digest->len - core.len);

    return (struct loose_digest){.account = digest->account,
                                 .body_id = digest->body_id,
                                 .version = digest->version,
                                 .bytes = loose_write(arena, core, text)};
}

/* Unless another has come in its place. */
static void forget_moved(struct digests *digests, struct digest *moved)
{
    struct digest_key key = {moved->account, moved->body_id};

    (void) pthread_mutex_lock(&digests->lock);
    if (map_get(digests->map, key_slice(&key)) == moved)
        forget(digests, moved);
    release(moved);
    (void) pthread_mutex_unlock(&digests->lock);
}

/* What cannot be written is forgotten all the same. */
static void move_oldest(struct digests *digests)
{
    uint64_t most = digests->local->options.digest_memory_bytes;
    AUTO(arena_freep) struct arena *arena = arena_new((size_t) (2 * most) + MOVE_MAX * 64u);
    AUTO(freep) struct digest **chosen = xcalloc(MOVE_MAX, sizeof(struct digest *));
    AUTO(freep) struct loose_digest *loose = xcalloc(MOVE_MAX, sizeof(*loose));
    struct err err;
    size_t n;

    (void) pthread_mutex_lock(&digests->lock);
    n = choose_oldest(digests, chosen);
    (void) pthread_mutex_unlock(&digests->lock);
    for (size_t i = 0; i < n; i++)
        loose[i] = loosen(chosen[i], arena);
    if (checkpoint_put_digests(digests->local->state, loose, n, &err))
        log_event(LEVEL_WARNING, "store.digests", LOG_ERR(&err));
    for (size_t i = 0; i < n; i++)
        forget_moved(digests, chosen[i]);
}

static bool are_too_many(struct digests *digests)
{
    bool too_many;

    (void) pthread_mutex_lock(&digests->lock);
    too_many = digests->bytes > digests->local->options.digest_memory_bytes;
    (void) pthread_mutex_unlock(&digests->lock);
    return too_many;
}

static void *mover_main(void *arg)
{
    struct digests *digests = arg;

    pace_lower_priority();
    while (!pace_is_stopping(&digests->pace)) {
        if (are_too_many(digests))
            move_oldest(digests);
        else
            pace_wait(&digests->pace, MOVE_LOOK_MS);
    }
    return NULL;
}

enum rc digests_start(struct digests *digests, struct err *err)
{
    return pace_start(&digests->pace, mover_main, digests, err);
}

void digests_stop(struct digests *digests)
{
    pace_end(&digests->pace);
}

static struct digest *digest_new(uint64_t account, uint64_t body_id,
                                 const struct digest_bytes *from,
                                 const struct body_range *leaves, size_t n_leaves)
{
    size_t len = from->core.len + from->text.len;
    struct digest *digest = xmalloc(sizeof(*digest) + len);

    *digest = (struct digest){.refs = 1,
                              .account = account,
                              .body_id = body_id,
                              .version = from->version,
                              .core_len = from->core.len,
                              .len = len,
                              .leaves = xcalloc(n_leaves + 1, sizeof(*leaves)),
                              .n_leaves = n_leaves};
    if (from->core.len > 0)
        memcpy(digest->bytes, from->core.ptr, from->core.len);
    if (from->text.len > 0)
        memcpy(digest->bytes + from->core.len, from->text.ptr, from->text.len);
    if (n_leaves > 0)
        memcpy(digest->leaves, leaves, n_leaves * sizeof(*leaves));
    return digest;
}

void digests_put(struct digests *digests, uint64_t account, uint64_t body_id,
                 const struct digest_bytes *from, const struct body_range *leaves,
                 size_t n_leaves)
{
    struct digest_key key = {account, body_id};
    uint64_t most = digests->local->options.digest_memory_bytes;
    struct digest *digest, *old;
    bool too_many;

    if (from->core.len > most || from->text.len > most - from->core.len ||
        most > LZ4_MAX_INPUT_SIZE)
        return;
    digest = digest_new(account, body_id, from, leaves, n_leaves);
    (void) pthread_mutex_lock(&digests->lock);
    old = map_get(digests->map, key_slice(&key));
    if (old != NULL)
        forget(digests, old);
    digests->bytes += digest->len;
    (void) map_put(digests->map, key_slice(&key), digest);
    list_push_back(&digests->age, &digest->age);
    while (digests->bytes > 2 * most)
        forget(digests, LINK_OWNER(digests->age.head.next, struct digest, age));
    too_many = digests->bytes > most;
    (void) pthread_mutex_unlock(&digests->lock);
    if (too_many)
        pace_poke(&digests->pace);
}

/* ---- for the writer of a pack ---- */

void held_digest_done(struct held_digest *held)
{
    free(held->bytes);
    free(held->leaves);
    *held = (struct held_digest){0};
}

static bool hold_from_memory(struct digests *digests, uint64_t account, uint64_t body_id,
                             struct held_digest *out)
{
    struct digest_key key = {account, body_id};
    const struct digest *digest;

    (void) pthread_mutex_lock(&digests->lock);
    digest = map_get(digests->map, key_slice(&key));
    if (digest != NULL) {
        *out = (struct held_digest){.version = digest->version,
                                    .core_len = digest->core_len,
                                    .text_len = digest->len - digest->core_len,
                                    .bytes = xmalloc(digest->len + 1),
                                    .leaves =
                                        xcalloc(digest->n_leaves + 1, sizeof(*digest->leaves)),
                                    .n_leaves = digest->n_leaves};
        memcpy(out->bytes, digest->bytes, digest->len);
        memcpy(out->leaves, digest->leaves, digest->n_leaves * sizeof(*digest->leaves));
    }
    (void) pthread_mutex_unlock(&digests->lock);
    return digest != NULL;
}

static bool hold_loose(struct digests *digests, uint64_t account, uint64_t body_id,
                       struct held_digest *out)
{
    AUTO(arena_freep)
    struct arena *arena = arena_new((size_t) digests->local->options.digest_memory_bytes * 2);
    struct loose_view view;
    struct slice bytes;
    uint32_t version;
    char *raw;

    if (checkpoint_loose_digest(digests->local->state, account, body_id, arena, &version,
                                &bytes, NULL) != RC_OK ||
        !loose_read(bytes, &view))
        return false;
    raw = xmalloc((size_t) view.core_len + view.text_len + 1);
    if (!unsqueeze(view.core, raw, view.core_len, view.core_len) ||
        !unsqueeze(view.text, raw + view.core_len, view.text_len, view.text_len)) {
        free(raw);
        return false;
    }
    *out = (struct held_digest){.version = version,
                                .core_len = view.core_len,
                                .text_len = view.text_len,
                                .bytes = raw,
                                .is_loose = true};
    return true;
}

bool digests_hold(struct digests *digests, uint64_t account, uint64_t body_id,
                  struct held_digest *out)
{
    return hold_from_memory(digests, account, body_id, out) ||
           hold_loose(digests, account, body_id, out);
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

/* ---- reading ---- */

size_t digest_wanted_core(enum digest_wanted wanted, size_t core_len)
{
    return wanted == DIGEST_GET_CORE || wanted == DIGEST_GET_WHOLE ? core_len : 0;
}

size_t digest_wanted_text(enum digest_wanted wanted, size_t text_len)
{
    if (wanted == DIGEST_GET_CORE)
        return 0;
    return wanted == DIGEST_GET_LEAD ? MIN(text_len, (size_t) DIGEST_LEAD_BYTES) : text_len;
}

/* What is wanted of it, copied; NULL: the arena has no room. */
static char *copy_wanted(const struct digest *digest, enum digest_wanted wanted,
                         struct arena *arena, size_t *out_len)
{
    size_t core_len = digest_wanted_core(wanted, digest->core_len);
    size_t text_len = digest_wanted_text(wanted, digest->len - digest->core_len);
    char *bytes = arena_try(arena, core_len + text_len);

    *out_len = core_len + text_len;
    if (bytes != NULL && *out_len > 0) /* they stand one behind the other */
        memcpy(bytes, digest->bytes + digest->core_len - core_len, *out_len);
    return bytes;
}

static enum rc get_held(struct digests *digests, uint64_t account, uint64_t body_id,
                        uint32_t version, enum digest_wanted wanted, struct arena *arena,
                        struct slice *out)
{
    struct digest_key key = {account, body_id};
    const struct digest *digest;
    enum rc rc = RC_NOT_FOUND;
    char *bytes = NULL;
    size_t len = 0;

    (void) pthread_mutex_lock(&digests->lock);
    digest = map_get(digests->map, key_slice(&key));
    if (digest != NULL && digest->version == version) {
        bytes = copy_wanted(digest, wanted, arena, &len);
        rc = bytes != NULL ? RC_OK : RC_LIMIT;
    }
    (void) pthread_mutex_unlock(&digests->lock);
    if (rc == RC_OK)
        *out = slice_of(bytes, len);
    return rc;
}

void digests_copy_held(struct digests *digests, const struct digest_scan *scan,
                       struct arena *arena, struct slice *out)
{
    (void) pthread_mutex_lock(&digests->lock);
    for (size_t i = 0; i < scan->n; i++) {
        struct digest_key key = {scan->account, scan->ids[i]};
        const struct digest *digest =
            digests->bytes > 0 ? map_get(digests->map, key_slice(&key)) : NULL;
        size_t len;
        char *bytes;

        out[i] = (struct slice){NULL, 0};
        if (digest == NULL || digest->version != scan->version)
            continue;
        bytes = copy_wanted(digest, scan->wanted, arena, &len);
        if (bytes != NULL)
            out[i] = slice_of(bytes, len);
    }
    (void) pthread_mutex_unlock(&digests->lock);
}

struct local *digests_local(struct digests *digests)
{
    return digests->local;
}

static enum rc read_packed(const struct pack *pack, uint32_t row_number, uint64_t account,
                           uint64_t body_id, uint32_t version, enum digest_wanted wanted,
                           struct arena *arena, struct slice *out)
{
    struct pack_row row;
    size_t core_len, text_len;
    char *bytes;
    enum rc rc = pack_read_row(pack, row_number, &row, NULL);

    if (rc)
        return rc;
    if (row.account != account || row.body_id != body_id || row.digest_version != version ||
        row.digest_len == 0)
        return RC_NOT_FOUND;
    core_len = digest_wanted_core(wanted, row.digest_len);
    text_len = digest_wanted_text(wanted, row.text_len);
    bytes = arena_try(arena, core_len + text_len);
    if (bytes == NULL)
        return RC_LIMIT;
    if (core_len > 0)
        rc = pack_stream_read(pack, PACK_DIGESTS, row.digest_at, bytes, core_len, NULL);
    if (!rc && text_len > 0)
        rc = pack_stream_read(pack, PACK_TEXTS, row.text_at, bytes + core_len, text_len, NULL);
    if (!rc)
        *out = slice_of(bytes, core_len + text_len);
    return rc;
}

/* From the body's pack; a damaged one is as good as none: it is made again from the body. */
static enum rc get_packed(struct digests *digests, uint64_t account, uint64_t body_id,
                          uint32_t version, enum digest_wanted wanted, struct arena *arena,
                          struct slice *out)
{
    struct pack_place place;
    struct pack *pack = NULL;
    enum rc rc = checkpoint_find_place(digests->local->state, account, body_id, &place, NULL);

    if (!rc)
        rc = packs_get(digests->local->packs, place.pack, &pack, NULL);
    if (rc)
        return RC_NOT_FOUND;
    rc = read_packed(pack, place.row, account, body_id, version, wanted, arena, out);
    packs_put(digests->local->packs, pack);
    return rc == RC_OK || rc == RC_LIMIT ? rc : RC_NOT_FOUND;
}

static enum rc get_loose(struct digests *digests, uint64_t account, uint64_t body_id,
                         uint32_t version, enum digest_wanted wanted, struct arena *arena,
                         struct slice *out)
{
    uint32_t stored_version = 0;
    struct loose_view view;
    struct slice stored;
    size_t core_len, text_len;
    char *bytes;

    if (checkpoint_loose_digest(digests->local->state, account, body_id, arena, &stored_version,
                                &stored, NULL) != RC_OK ||
        stored_version != version || !loose_read(stored, &view))
        return RC_NOT_FOUND;
    core_len = digest_wanted_core(wanted, view.core_len);
    text_len = digest_wanted_text(wanted, view.text_len);
    bytes = arena_try(arena, core_len + text_len);
    if (bytes == NULL)
        return RC_LIMIT;
    if ((core_len > 0 && !unsqueeze(view.core, bytes, view.core_len, core_len)) ||
        (text_len > 0 && !unsqueeze(view.text, bytes + core_len, view.text_len, text_len)))
        return RC_NOT_FOUND;
    *out = slice_of(bytes, core_len + text_len);
    return RC_OK;
}

enum rc digests_get(struct digests *digests, uint64_t account, uint64_t body_id,
                    uint32_t version, enum digest_wanted wanted, struct arena *arena,
                    struct slice *out)
{
    enum rc rc = get_held(digests, account, body_id, version, wanted, arena, out);

    if (rc == RC_NOT_FOUND)
        rc = get_packed(digests, account, body_id, version, wanted, arena, out);
    if (rc == RC_NOT_FOUND)
        rc = get_loose(digests, account, body_id, version, wanted, arena, out);
    return rc;
}
