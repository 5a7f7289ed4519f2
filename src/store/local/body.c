/*
 * body.c - opened bodies.
 *
 * A body is in the journal (inline), in a spill file, or in a pack; where, is decided once, at
 * open, and what was opened is pinned: a segment by its count, a spill file by its references
 * (its name may go, the descriptor stays), a pack by its handle. The packer moves bodies by
 * making the new place durable first and dropping the old one after, so an open finds one or
 * the other.
 */
#include "store/local/body.h"

#include "store/local/batch.h"
#include "store/local/journal.h"
#include "store/local/keeper.h"
#include "store/local/pack.h"
#include "store/local/stage.h"

struct body {
    struct local *local;
    uint64_t length;
    int fd;        /* belongs to the pinned thing */
    uint64_t base; /* of its bytes in fd */
    uint64_t *hashes;
    struct segment *segment; /* one of the three is pinned */
    struct spill *spill;
    struct pack *pack;
};

static uint64_t *copy_hashes(const uint64_t *hashes, uint32_t n)
{
    uint64_t *copy = xcalloc((size_t) n + 1, sizeof(*copy));

    memcpy(copy, hashes, n * sizeof(*copy));
    return copy;
}

/* With the index lock held. */
static struct body *pin_place(struct local *local, const struct place *place)
{
    struct body *body = xcalloc(1, sizeof(*body));

    body->local = local;
    body->length = place->length;
    body->base = place->offset;
    body->hashes = copy_hashes(place_hashes(place), place->n_blocks);
    if (place->spill != NULL) {
        body->spill = place->spill;
        body->spill->refs++;
        body->fd = place->spill->fd;
    } else {
        body->segment = place->segment;
        body->segment->pins++;
        body->fd = place->segment->read_fd;
    }
    return body;
}

/* NULL: not in the journal. Waits until the body's group is durable. */
static struct body *open_in_journal(struct local *local, uint64_t account, uint64_t body_id)
{
    for (;;) {
        const struct place *place;
        struct body *body = NULL;
        uint64_t lsn = 0;

        (void) pthread_mutex_lock(&local->index.lock);
        place = index_find_place(&local->index, account, body_id);
        if (place != NULL && place->segment != NULL)
            body = pin_place(local, place);
        else if (place != NULL)
            lsn = place->lsn;
        (void) pthread_mutex_unlock(&local->index.lock);
        if (place == NULL || body != NULL)
            return body;
        journal_wait_durable(local->journal, lsn);
    }
}

static enum rc open_at(struct local *local, uint64_t account, uint64_t body_id,
                       const struct pack_place *place, struct body **out, struct err *err)
{
    struct pack_entry entry;
    struct pack *pack = NULL;
    struct body *body;
    enum rc rc = packs_get(local->packs, place->pack, &pack, err);

    if (rc)
        return rc;
    rc = pack_read_entry(pack, place->offset, account, body_id, &entry, err);
    if (rc) {
        packs_put(local->packs, pack);
        return rc;
    }
    body = xcalloc(1, sizeof(*body));
    body->local = local;
    body->length = entry.length;
    body->fd = pack_fd(pack);
    body->base = entry.bytes_at;
    body->hashes = entry.hashes;
    body->pack = pack;
    *out = body;
    return RC_OK;
}

/* A pack that is gone when it is to be opened was made anew: the body has another place. */
static enum rc open_in_pack(struct local *local, uint64_t account, uint64_t body_id,
                            struct body **out, struct err *err)
{
    uint64_t tried = 0;

    for (;;) {
        struct pack_place place;
        struct err lost;
        enum rc rc = checkpoint_find_place(local->state, account, body_id, &place,
                                           tried == 0 ? err : &lost);

        if (tried != 0 && (rc != RC_OK || place.pack == tried))
            return rc == RC_NOT_FOUND ? rc : RC_CORRUPT; /* err says why */
        if (!rc)
            rc = open_at(local, account, body_id, &place, out, err);
        if (rc != RC_CORRUPT)
            return rc;
        tried = place.pack;
    }
}

enum rc body_open(struct local *local, uint64_t account, uint64_t body_id, struct body **out,
                  struct err *err)
{
    struct body *body = open_in_journal(local, account, body_id);

    if (body == NULL)
        return open_in_pack(local, account, body_id, out, err);
    *out = body;
    return RC_OK;
}

uint64_t body_length(const struct body *body)
{
    return body->length;
}

static size_t block_len(uint64_t length, uint64_t block)
{
    return (size_t) MIN(length - block * BODY_BLOCK_BYTES, (uint64_t) BODY_BLOCK_BYTES);
}

static enum rc block_damaged(uint64_t block, struct err *err)
{
    return err_set(err, RC_CORRUPT, "The message is damaged", "body: block %llu: checksum",
                   (unsigned long long) block);
}

/* Whole blocks are read where they belong; a partial one by way of a buffer, since its checksum
 * needs all of it. */
enum rc body_read_checked(int fd, uint64_t base, uint64_t length, const uint64_t *hashes,
                          uint64_t offset, char *out, size_t len, struct err *err)
{
    AUTO(freep) char *bounce = NULL;

    while (len > 0) {
        uint64_t block = offset / BODY_BLOCK_BYTES;
        size_t in_block = (size_t) (offset % BODY_BLOCK_BYTES);
        size_t whole = block_len(length, block);
        size_t n = MIN(whole - in_block, len);
        char *to = n == whole ? out : NULL;
        enum rc rc;

        if (to == NULL && bounce == NULL)
            bounce = xmalloc(BODY_BLOCK_BYTES);
        if (to == NULL)
            to = bounce;
        rc = file_read_all(fd, to, whole, base + block * BODY_BLOCK_BYTES, err);
        if (rc)
            return rc;
        if (body_block_hash(slice_of(to, whole)) != hashes[block])
            return block_damaged(block, err);
        if (to == bounce)
            memcpy(out, bounce + in_block, n);
        out += n;
        offset += n;
        len -= n;
    }
    return RC_OK;
}

enum rc body_read(const struct body *body, uint64_t offset, char *out, size_t len,
                  struct err *err)
{
    if (offset > body->length || len > body->length - offset)
        return err_set(err, RC_INVALID, "Out of range", "body_read: behind the end");
    return body_read_checked(body->fd, body->base, body->length, body->hashes, offset, out, len,
                             err);
}

void body_close(struct body *body)
{
    struct spill *dead = NULL;
    bool may_recycle = false;

    if (body == NULL)
        return;
    (void) pthread_mutex_lock(&body->local->index.lock);
    if (body->segment != NULL) {
        body->segment->pins--;
        may_recycle = body->segment->pins == 0 && body->segment->is_closed;
    }
    if (body->spill != NULL)
        dead = spill_unref(body->spill);
    (void) pthread_mutex_unlock(&body->local->index.lock);
    spill_remove(body->local, dead);
    if (may_recycle)
        keeper_poke(body->local->keeper);
    packs_put(body->local->packs, body->pack);
    free(body->hashes);
    free(body);
}
