/* scrub_files.c - the superblock, the list of accounts, journal and spill files. */
#include "base/map.h"
#include "store/local/body.h"
#include "store/local/keeper.h"
#include "store/local/scrub_pass.h"

#define BODY_PIECE_BYTES ((size_t) 1 << 20)
#define SEGMENTS_AT_ONCE 4096u

enum rc scrub_heads(struct scrub_pass *pass, struct err *err)
{
    AUTO(freep) struct super *super = xcalloc(1, sizeof(*super));
    struct local *local = pass->local;
    uint64_t bytes = 0, bad = 0;
    bool is_damaged = false;
    enum rc rc = super_read(local->layout.root, super, &is_damaged, err);

    if (rc == RC_IO)
        return rc;
    if (rc || is_damaged)
        scrub_found(pass,
                    &(struct scrub_finding){
                        .file = "super", .what = rc ? "both copies" : "one of its two copies"});
    rc = accounts_scrub(local->accounts, &bytes, &bad, err);
    if (rc == RC_IO)
        return rc;
    if (rc || bad > 0)
        scrub_found(pass, &(struct scrub_finding){
                              .file = "accounts", .what = "records", .is_derived = true});
    return scrub_read(pass, bytes) ? RC_OK : RC_MORE;
}

/* ---- the journal ---- */

struct segment_walk {
    struct scrub_pass *pass;
    struct segment *segment;
    const struct super *super;
    char name[LAYOUT_NAME_BYTES + 4]; /* log/ and the name */
    char *buf;
    size_t cap;
};

static bool read_header(struct segment_walk *walk, uint64_t offset, struct batch_header *out,
                        const struct journal_key **out_key)
{
    char head[BATCH_HEADER_BYTES];

    if (file_read_all(walk->segment->read_fd, head, sizeof(head), offset, NULL) != RC_OK)
        return false;
    for (uint32_t i = 0; i < walk->super->n_epochs; i++) {
        const struct journal_key *key = &walk->super->epochs[i].key;

        if (batch_header_read(slice_of(head, sizeof(head)), key, out) &&
            out->segment == walk->segment->number && out->offset == offset) {
            *out_key = key;
            return true;
        }
    }
    return false;
}

static bool body_is_whole(const struct group_view *group, const struct body_row *row)
{
    struct slice bytes = slice_sub(group->bodies, (size_t) row->offset, (size_t) row->length);
    struct scan hashes = scan_of(row->hashes);

    if (row->kind != BODY_INLINE)
        return true;
    if (bytes.len != row->length)
        return false;
    for (uint32_t i = 0; i < row->n_blocks; i++) {
        struct slice block = slice_sub(bytes, (size_t) i * BODY_BLOCK_BYTES, BODY_BLOCK_BYTES);
        uint64_t hash = 0;

        if (!scan_le64(&hashes, &hash) || body_block_hash(block) != hash)
            return false;
    }
    return true;
}

/* Whose it is: groups that verify say which of their bodies does not. */
static void tell_batch(struct segment_walk *walk, uint64_t offset, struct slice payload)
{
    struct scrub_finding finding = {
        .file = walk->name, .what = "batch of the journal", .offset = offset};
    struct scan sc = scan_of(payload);
    struct group_view group;
    bool is_told = false;

    while (group_read_next(&sc, &group)) {
        struct scan table = scan_of(group.table);
        struct body_row row;

        for (uint32_t i = 0; i < group.n_bodies && body_row_read(&table, &row); i++) {
            if (body_is_whole(&group, &row))
                continue;
            finding.account = group.account;
            finding.what = "message in the journal";
            finding.offset = offset + BATCH_HEADER_BYTES +
                             (uint64_t) (group.bodies.ptr - payload.ptr) + row.offset;
            scrub_found(walk->pass, &finding);
            is_told = true;
        }
    }
    if (!is_told)
        scrub_found(walk->pass, &finding);
}

/* The batch at offset; *out_len is where the next one begins, a block on if this is none. */
static bool check_batch(struct segment_walk *walk, uint64_t offset, uint64_t *out_len)
{
    const struct journal_key *key = NULL;
    struct batch_header header;
    struct slice whole;

    *out_len = JOURNAL_BLOCK_BYTES;
    if (!read_header(walk, offset, &header, &key))
        return false;
    *out_len = header.total_len;
    if (header.total_len > walk->cap) {
        walk->cap = header.total_len;
        walk->buf = xrealloc(walk->buf, walk->cap);
    }
    if (file_read_all(walk->segment->read_fd, walk->buf, header.total_len, offset, NULL))
        return false;
    whole = slice_of(walk->buf, header.total_len);
    if (batch_is_whole(&header, whole, key))
        return true;
    tell_batch(walk, offset, slice_sub(whole, BATCH_HEADER_BYTES, header.payload_len));
    return true;
}

/* One finding for a run of blocks that begin no batch. */
static enum rc check_segment(struct segment_walk *walk, uint64_t used)
{
    struct scrub_finding finding = {.file = walk->name, .what = "head of a batch"};
    bool is_in_gap = false;
    bool is_ours = false;

    for (uint32_t i = 0; i < walk->super->n_epochs; i++)
        is_ours = is_ours ||
                  segment_is_of(walk->segment, &walk->super->epochs[i].key, walk->super->uuid);
    if (!is_ours)
        scrub_found(walk->pass, &(struct scrub_finding){.file = walk->name,
                                                        .what = "header of the segment",
                                                        .is_derived = true});
    for (uint64_t at = SEGMENT_HEADER_BYTES, len; at < used; at += len) {
        bool is_batch = check_batch(walk, at, &len);

        finding.offset = at;
        if (!is_batch && !is_in_gap)
            scrub_found(walk->pass, &finding);
        is_in_gap = !is_batch;
        if (!scrub_read(walk->pass, len))
            return RC_MORE;
    }
    return RC_OK;
}

/* The first live segment with at least this number, pinned. */
static struct segment *pin_segment(struct local *local, uint64_t from, uint64_t *out_used)
{
    struct segment *found = NULL;

    (void) pthread_mutex_lock(&local->index.lock);
    LIST_FOREACH(it, &local->index.live)
    {
        struct segment *segment = LINK_OWNER(it, struct segment, live);

        if (found == NULL && segment->number >= from) {
            found = segment;
            found->pins++;
            *out_used = found->used;
        }
    }
    (void) pthread_mutex_unlock(&local->index.lock);
    return found;
}

static void unpin_segment(struct local *local, struct segment *segment)
{
    (void) pthread_mutex_lock(&local->index.lock);
    segment->pins--;
    (void) pthread_mutex_unlock(&local->index.lock);
    keeper_poke(local->keeper);
}

enum rc scrub_journal(struct scrub_pass *pass, struct err *err)
{
    AUTO(freep) struct super *super = xcalloc(1, sizeof(*super));
    struct segment_walk walk = {.pass = pass, .super = super};
    bool is_damaged;
    enum rc rc = RC_OK;

    if (super_read(pass->local->layout.root, super, &is_damaged, err) != RC_OK)
        return RC_OK; /* told already; without keys nothing of the journal can be checked */
    while (!rc) {
        char name[LAYOUT_NAME_BYTES];
        uint64_t used;

        walk.segment = pin_segment(pass->local, pass->cursor.number, &used);
        if (walk.segment == NULL)
            break;
        layout_name(name, walk.segment->number, ".seg");
        (void) snprintf(walk.name, sizeof(walk.name), "log/%s", name);
        pass->cursor.number = walk.segment->number + 1;
        rc = check_segment(&walk, used);
        unpin_segment(pass->local, walk.segment);
    }
    free(walk.buf);
    return rc;
}

/* ---- spill files ---- */

struct spilled {
    uint64_t account, body_id, number;
};

static struct spilled *list_spilled(struct local *local, size_t *out_n)
{
    struct spilled *list = NULL;
    size_t n = 0, cap = 0;
    struct slice key;
    void *value;

    (void) pthread_mutex_lock(&local->index.lock);
    for (size_t at = 0; map_next(local->index.places, &at, &key, &value);) {
        const struct place *place = value;

        if (place->spill == NULL || place->segment == NULL)
            continue;
        if (n == cap) {
            cap = MAX(2 * cap, (size_t) 64);
            list = xrealloc(list, cap * sizeof(*list));
        }
        list[n++] = (struct spilled){place->account, place->body_id, place->spill->number};
    }
    (void) pthread_mutex_unlock(&local->index.lock);
    *out_n = n;
    return list;
}

/* RC_CORRUPT, or that it went elsewhere meanwhile: RC_NOT_FOUND. */
static enum rc read_body(struct scrub_pass *pass, const struct spilled *which, char *piece,
                         uint64_t *out_at, struct err *err)
{
    struct body *body = NULL;
    enum rc rc = body_open(pass->local, which->account, which->body_id, &body, err);

    for (uint64_t at = 0; !rc && at < body_length(body); at += BODY_PIECE_BYTES) {
        size_t len = (size_t) MIN(body_length(body) - at, (uint64_t) BODY_PIECE_BYTES);

        *out_at = at;
        rc = body_read(body, at, piece, len, err);
        if (!rc && !scrub_read(pass, len))
            rc = RC_MORE;
    }
    body_close(body);
    return rc;
}

enum rc scrub_spills(struct scrub_pass *pass, struct err *err)
{
    AUTO(freep) struct spilled *list = NULL;
    AUTO(freep) char *piece = xmalloc(BODY_PIECE_BYTES);
    enum rc rc = RC_OK;
    size_t n;

    list = list_spilled(pass->local, &n);
    for (size_t i = 0; i < n && rc != RC_MORE; i++) {
        char name[LAYOUT_NAME_BYTES], file[LAYOUT_NAME_BYTES + 8];
        uint64_t at = 0;

        rc = read_body(pass, &list[i], piece, &at, err);
        if (rc != RC_CORRUPT && rc != RC_IO)
            continue;
        layout_name(name, list[i].number, ".body");
        (void) snprintf(file, sizeof(file), "spill/%s", name);
        scrub_found(pass, &(struct scrub_finding){.file = file,
                                                  .what = "message in a spill file",
                                                  .offset = at,
                                                  .account = list[i].account});
    }
    return rc == RC_MORE ? RC_MORE : RC_OK;
}
