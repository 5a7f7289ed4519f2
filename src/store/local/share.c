#include "store/local/share.h"

#include "base/random.h"
#include "store/local/body.h"
#include "store/local/pack.h"

#define COMPARE_BYTES ((size_t) 256 << 10)

struct new_part {
    struct part_name name;
    uint64_t part_id;
    char *bytes; /* to compare with; NULL when there were too many */
    struct new_part *next;
};

/* The parts of one body, each named once. */
struct reference {
    uint64_t account, body_id;
    uint64_t *part_ids;
    size_t n;
};

struct share {
    struct local *local;
    unsigned char key[PART_HASH_BYTES];
    struct map *by_name; /* name -> new_part that has its bytes */
    struct new_part *first, **last;
    uint64_t held_bytes;
    struct reference *references;
    size_t n, cap;
};

enum rc share_new(struct local *local, struct share **out, struct err *err)
{
    struct share *share = xcalloc(1, sizeof(*share));
    enum rc rc;

    share->local = local;
    share->by_name = map_new();
    share->last = &share->first;
    rc = parts_key(local->state, share->key, err);
    if (rc) {
        share_free(share);
        return rc;
    }
    *out = share;
    return RC_OK;
}

void share_free(struct share *share)
{
    if (share == NULL)
        return;
    while (share->first != NULL) {
        struct new_part *part = share->first;

        share->first = part->next;
        free(part->bytes);
        free(part);
    }
    for (size_t i = 0; i < share->n; i++)
        free(share->references[i].part_ids);
    free(share->references);
    map_free(share->by_name);
    free(share);
}

static struct slice name_slice(const struct part_name *name)
{
    return slice_of(name, sizeof(*name));
}

_Static_assert(sizeof(struct part_name) == 16 + PART_HASH_BYTES,
               "no padding: it is a map's key");

/* ---- those that are stored ---- */

static bool body_equals(const struct body *body, struct slice bytes)
{
    AUTO(freep) char *piece = xmalloc(COMPARE_BYTES);

    if (body_length(body) != bytes.len)
        return false;
    for (size_t at = 0; at < bytes.len;) {
        size_t n = MIN(bytes.len - at, COMPARE_BYTES);

        if (body_read(body, at, piece, n, NULL) != RC_OK ||
            memcmp(piece, bytes.ptr + at, n) != 0)
            return false;
        at += n;
    }
    return true;
}

/* RC_UNAVAILABLE: one with this name is stored and has other bytes, or cannot be read. */
static enum rc find_stored(const struct share *share, const struct part_name *name,
                           struct slice bytes, uint64_t *out_part_id, struct err *err)
{
    struct local *local = share->local;
    uint64_t part_id = 0;
    struct body *body = NULL;
    bool is_same = false;
    enum rc rc = parts_find(local->state, name, &part_id, err);

    if (rc == RC_NOT_FOUND || rc == RC_CORRUPT)
        return RC_NOT_FOUND; /* a new one takes the name of one that is damaged */
    if (!rc && body_open(local, name->account, part_id, &body, err) == RC_OK)
        is_same = body_equals(body, bytes);
    body_close(body);
    if (!is_same)
        return err_set(err, RC_UNAVAILABLE, "Not shared", "part %016llx differs",
                       (unsigned long long) part_id);
    *out_part_id = part_id;
    return RC_OK;
}

/* ---- new ones ---- */

static uint64_t add_part(struct share *share, const struct part_name *name, struct slice bytes)
{
    struct new_part *part = xcalloc(1, sizeof(*part));

    part->name = *name;
    part->part_id = random_id() | PACK_PART_BIT;
    *share->last = part;
    share->last = &part->next;
    if (share->held_bytes + bytes.len <= SHARE_HELD_MAX_BYTES) {
        part->bytes = xmalloc(bytes.len + 1);
        memcpy(part->bytes, bytes.ptr, bytes.len);
        share->held_bytes += bytes.len;
        (void) map_put(share->by_name, name_slice(&part->name), part);
    }
    return part->part_id;
}

enum rc share_part(struct share *share, uint64_t account, struct slice bytes,
                   uint64_t *out_part_id, bool *out_is_new, struct err *err)
{
    struct part_name name;
    const struct new_part *part;
    enum rc rc;

    part_name_of(share->key, account, bytes, &name);
    part = map_get(share->by_name, name_slice(&name));
    if (part != NULL && memcmp(part->bytes, bytes.ptr, bytes.len) != 0)
        return err_set(err, RC_UNAVAILABLE, "Not shared", "a part of the same name differs");
    if (part != NULL) {
        *out_part_id = part->part_id;
        *out_is_new = false;
        return RC_OK;
    }
    rc = find_stored(share, &name, bytes, out_part_id, err);
    *out_is_new = rc == RC_NOT_FOUND;
    if (rc == RC_NOT_FOUND) {
        *out_part_id = add_part(share, &name, bytes);
        rc = RC_OK;
    }
    return rc;
}

static bool is_among(const uint64_t *ids, size_t n, uint64_t id)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] == id)
            return true;
    return false;
}

/* n is at most PACK_PIECES_MAX. */
void share_refer(struct share *share, uint64_t account, uint64_t body_id,
                 const uint64_t *part_ids, size_t n)
{
    struct reference *reference;

    if (n == 0)
        return;
    if (share->n == share->cap) {
        share->cap = MAX(share->cap * 2, (size_t) 64);
        share->references =
            xrealloc(share->references, share->cap * sizeof(*share->references));
    }
    reference = &share->references[share->n++];
    *reference = (struct reference){
        .account = account, .body_id = body_id, .part_ids = xcalloc(n, sizeof(*part_ids))};
    for (size_t i = 0; i < n; i++)
        if (!is_among(reference->part_ids, reference->n, part_ids[i]))
            reference->part_ids[reference->n++] = part_ids[i];
}

enum rc share_settle(const struct share *share, struct state_txn *txn, struct err *err)
{
    enum rc rc = RC_OK;

    for (const struct new_part *part = share->first; part != NULL && !rc; part = part->next) {
        rc = checkpoint_txn_removed(txn, part->name.account, err);
        if (rc == RC_NOT_FOUND)
            rc = part_add(txn, &part->name, part->part_id, err);
    }
    for (size_t i = 0; i < share->n && !rc; i++) {
        const struct reference *ref = &share->references[i];

        rc = checkpoint_txn_removed(txn, ref->account, err);
        if (rc == RC_NOT_FOUND)
            rc = part_ref(txn, ref->account, ref->body_id, ref->part_ids, ref->n, err);
    }
    return rc;
}
