/*
 * digest_scan.c - the digests of many bodies in a row.
 *
 * One look into memory, one walk over the places, then pack after pack: bodies that came
 * together lie together, so a row, a digest and a text are mostly found in the block that the
 * one before was in.
 */
#include "store/local/checkpoint.h"
#include "store/local/digests.h"
#include "store/local/pack.h"

#define SCAN_PART       256u                /* bodies looked up at a time */
#define SCAN_HELD_BYTES ((size_t) 64 << 20) /* copies of those in memory, of one part */
#define SCAN_GAPS       8u /* a walk over the places that passes more of others is too long */

struct scan_places {
    const uint64_t *ids;
    size_t n, at;
    uint64_t passed;
    struct pack_place *out; /* pack 0: it has none */
};

struct pack_scan {
    struct local *local;
    const struct digest_scan *scan;
    struct pack *pack;
    uint64_t number; /* of the pack; 0: none yet */
    struct pack_walk rows, digests, texts;
    struct buf whole; /* a digest and its text */
};

static bool note_place(void *ctx, uint64_t body_id, const struct pack_place *place)
{
    struct scan_places *places = ctx;

    while (places->at < places->n && places->ids[places->at] < body_id)
        places->at++;
    if (places->at == places->n || ++places->passed > SCAN_GAPS * (uint64_t) places->n)
        return false;
    if (places->ids[places->at] == body_id && place != NULL)
        places->out[places->at] = *place;
    return true;
}

/* Bodies far from each other are looked up one by one; what cannot be read has no place. */
static void find_places(struct local *local, uint64_t account, const uint64_t *ids, size_t n,
                        struct pack_place *out)
{
    struct scan_places places = {.ids = ids, .n = n, .out = out};
    struct err ignored;

    memset(out, 0, n * sizeof(*out));
    if (ids[n - 1] - ids[0] <= SCAN_GAPS * (uint64_t) n &&
        checkpoint_each_place(local->state, account, ids[0], note_place, &places, &ignored) ==
            RC_OK)
        return;
    for (size_t i = 0; i < n; i++)
        if (checkpoint_find_place(local->state, account, ids[i], &out[i], &ignored) != RC_OK)
            out[i].pack = 0;
}

static void leave_pack(struct pack_scan *in)
{
    pack_walk_done(&in->rows);
    pack_walk_done(&in->digests);
    pack_walk_done(&in->texts);
    packs_put(in->local->packs, TAKE(in->pack));
    in->number = 0;
}

static enum rc enter_pack(struct pack_scan *in, uint64_t number)
{
    enum rc rc;

    if (in->number == number)
        return RC_OK;
    leave_pack(in);
    rc = packs_get(in->local->packs, number, &in->pack, NULL);
    if (rc)
        return rc;
    in->number = number;
    in->rows = (struct pack_walk){.pack = in->pack, .stream = PACK_ROWS};
    in->digests = (struct pack_walk){.pack = in->pack, .stream = PACK_DIGESTS};
    in->texts = (struct pack_walk){.pack = in->pack, .stream = PACK_TEXTS};
    return RC_OK;
}

static enum rc read_row(struct pack_scan *in, const struct pack_place *place, uint64_t body_id,
                        struct pack_row *out)
{
    struct slice bytes;
    enum rc rc = pack_walk_read(&in->rows, (uint64_t) place->row * PACK_ROW_BYTES,
                                PACK_ROW_BYTES, &bytes, NULL);

    if (rc)
        return rc;
    return pack_row_read(bytes, out) && out->account == in->scan->account &&
                   out->body_id == body_id && out->digest_version == in->scan->version &&
                   out->digest_len > 0
               ? RC_OK
               : RC_NOT_FOUND;
}

/* The text stands behind its digest, which are two streams of a pack. */
static enum rc join_text(struct pack_scan *in, const struct pack_row *row, struct slice *digest)
{
    struct slice text;
    enum rc rc = pack_walk_read(&in->texts, row->text_at, row->text_len, &text, NULL);

    if (rc)
        return rc;
    buf_reset(&in->whole);
    buf_append(&in->whole, *digest);
    buf_append(&in->whole, text);
    *digest = buf_slice(&in->whole);
    return in->whole.overflow ? RC_LIMIT : RC_OK;
}

static enum rc read_wanted(struct pack_scan *in, const struct pack_row *row, struct slice *out)
{
    enum digest_wanted wanted = in->scan->wanted;
    size_t text_len = digest_wanted_text(wanted, row->text_len);
    enum rc rc;

    if (digest_wanted_core(wanted, row->digest_len) == 0)
        return text_len > 0 ? pack_walk_read(&in->texts, row->text_at, text_len, out, NULL)
                            : RC_NOT_FOUND;
    rc = pack_walk_read(&in->digests, row->digest_at, row->digest_len, out, NULL);
    if (!rc && text_len > 0)
        rc = join_text(in, row, out);
    return rc;
}

/* False: its pack has none of this version, or is damaged. */
static bool tell_packed(struct pack_scan *in, size_t at, const struct pack_place *place)
{
    struct pack_row row;
    struct slice digest;

    if (place->pack == 0 || enter_pack(in, place->pack) != RC_OK ||
        read_row(in, place, in->scan->ids[at], &row) != RC_OK ||
        read_wanted(in, &row, &digest) != RC_OK)
        return false;
    in->scan->seen(in->scan->ctx, at, digest);
    return true;
}

static void tell_other(struct digests *digests, const struct digest_scan *scan, size_t at)
{
    AUTO(arena_freep) struct arena *arena = arena_new(SCAN_HELD_BYTES);
    struct slice digest;

    if (digests_get(digests, scan->account, scan->ids[at], scan->version, scan->wanted, arena,
                    &digest) == RC_OK &&
        digest.len > 0)
        scan->seen(scan->ctx, at, digest);
}

static void scan_part(struct digests *digests, struct pack_scan *in, size_t from, size_t n)
{
    AUTO(arena_freep) struct arena *arena = arena_new(SCAN_HELD_BYTES);
    struct digest_scan part = *in->scan;
    struct pack_place places[SCAN_PART];
    struct slice held[SCAN_PART];

    part.ids += from;
    part.n = n;
    digests_copy_held(digests, &part, arena, held);
    find_places(in->local, part.account, part.ids, n, places);
    for (size_t i = 0; i < n; i++) {
        if (held[i].len > 0)
            part.seen(part.ctx, from + i, held[i]);
        else if (!tell_packed(in, from + i, &places[i]))
            tell_other(digests, in->scan, from + i);
    }
}

void digests_scan(struct digests *digests, const struct digest_scan *scan)
{
    struct pack_scan in = {.local = digests_local(digests), .scan = scan};

    buf_init(&in.whole, (size_t) in.local->options.digest_memory_bytes);
    for (size_t from = 0; from < scan->n; from += SCAN_PART)
        scan_part(digests, &in, from, MIN(scan->n - from, (size_t) SCAN_PART));
    leave_pack(&in);
    buf_done(&in.whole);
}
