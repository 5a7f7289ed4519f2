/* places_mend.c - one pass over the places, then over each pack that lacks some. */
#include "store/local/places_mend.h"

#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/local/pack.h"
#include "store/local/pack_rows.h"

struct known_pack {
    uint64_t number, n_places;
    struct pack_info info;
    bool has_row;
    bool has_file;
};

struct mend {
    struct local *local;
    struct map *packs; /* number -> known_pack */
    uint64_t *files;   /* numbers of packs in the folder */
    size_t n_files;
    uint64_t n_mended;
};

static struct known_pack *known(struct mend *mend, uint64_t number)
{
    struct known_pack *pack = map_get(mend->packs, MAP_KEY(number));

    if (pack == NULL) {
        pack = xcalloc(1, sizeof(*pack));
        pack->number = number;
        (void) map_put(mend->packs, MAP_KEY(number), pack);
    }
    return pack;
}

static bool see_row(void *ctx, const struct pack_info *info)
{
    struct known_pack *pack = known(ctx, info->number);

    pack->info = *info;
    pack->has_row = true;
    return true;
}

static bool see_place(void *ctx, const struct pack_place *place)
{
    known(ctx, place->pack)->n_places++;
    return true;
}

static bool see_file(void *ctx, const char *name)
{
    struct mend *mend = ctx;
    uint64_t number;

    if (layout_number(name, ".pack", &number)) {
        mend->files = xrealloc(mend->files, (mend->n_files + 1) * sizeof(*mend->files));
        mend->files[mend->n_files++] = number;
    }
    return true;
}

/* A row may be an older one: what it says of a file that is to go does not count. */
static bool is_whole(const struct known_pack *pack)
{
    return pack->has_row && pack->info.state == PACK_LIVE &&
           pack->n_places + pack->info.dead_bodies == pack->info.bodies;
}

static bool has_place(struct mend *mend, uint64_t account, uint64_t body_id)
{
    struct pack_place place;

    return checkpoint_find_place(mend->local->state, account, body_id, &place, NULL) == RC_OK &&
           known(mend, place.pack)->has_file;
}

/* The entry's place, unless it has one in a pack that exists. */
static bool lost_place(struct mend *mend, const struct pack *pack, uint32_t number,
                       struct packed_body *out)
{
    struct pack_row row;
    struct pack_entry entry;

    if (pack_read_row(pack, number, &row, NULL) != RC_OK ||
        has_place(mend, row.account, row.body_id) ||
        pack_read_entry(pack, row.offset, row.account, row.body_id, &entry, NULL) != RC_OK)
        return false;
    *out = (struct packed_body){
        .account = row.account,
        .body_id = row.body_id,
        .place = {.pack = pack_number(pack),
                  .offset = row.offset,
                  .row = number,
                  .stored = row.stored,
                  .length = entry.length}
    };
    pack_entry_done(&entry);
    return true;
}

/* A new row for a pack that has none counts all of it as alive, and as shared. */
static enum rc mend_pack(struct mend *mend, struct known_pack *known, const struct pack *pack,
                         struct err *err)
{
    AUTO(freep)
    struct packed_body *found = xcalloc(pack_rows(pack) + (size_t) 1, sizeof(*found));
    struct pack_info info = known->info;
    struct stat st = {0};
    size_t n = 0;

    for (uint32_t i = 0; i < pack_rows(pack); i++)
        n += lost_place(mend, pack, i, &found[n]);
    if (!known->has_row || info.state != PACK_LIVE) {
        (void) fstat(pack_fd(pack), &st); /* a figure only */
        info = (struct pack_info){.number = known->number,
                                  .state = PACK_LIVE,
                                  .file_bytes = (uint64_t) st.st_size,
                                  .made = clock_wall_sec()};
    }
    info.bodies = known->n_places + n;
    info.dead_bodies = info.dead_raw = info.dead_stored = 0;
    mend->n_mended += n;
    return pack_rows_mend(mend->local->state, &info, found, n, err);
}

static enum rc mend_all(struct mend *mend, struct err *err)
{
    struct local *local = mend->local;
    enum rc rc = pack_rows_each(local->state, see_row, mend, err);

    if (!rc)
        rc = checkpoint_all_places(local->state, see_place, mend, err);
    if (!rc)
        rc = layout_each(local->layout.packs, see_file, mend, err);
    for (size_t i = 0; i < mend->n_files; i++)
        known(mend, mend->files[i])->has_file = true;
    for (size_t i = 0; i < mend->n_files && !rc; i++) {
        struct known_pack *pack = known(mend, mend->files[i]);
        struct pack *open = NULL;

        if (is_whole(pack) || packs_get(local->packs, pack->number, &open, NULL) != RC_OK)
            continue;
        rc = mend_pack(mend, pack, open, err);
        packs_put(local->packs, open);
    }
    return rc;
}

enum rc places_mend(struct local *local, struct err *err)
{
    struct mend mend = {.local = local, .packs = map_new()};
    enum rc rc = mend_all(&mend, err);
    struct slice key;
    void *value;

    for (size_t at = 0; map_next(mend.packs, &at, &key, &value);)
        free(value);
    map_free(mend.packs);
    free(mend.files);
    if (!rc)
        log_event(LEVEL_INFO, "store.places_mended", LOG_NUM("places", mend.n_mended));
    return rc;
}
