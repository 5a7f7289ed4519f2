/* scrub_packs.c - packs, one after the other. */
#include "store/local/body.h"
#include "store/local/pack.h"
#include "store/local/pack_rows.h"
#include "store/local/scrub_pass.h"

#define PIECE_BYTES ((size_t) 1 << 20) /* whole blocks */

struct next_pack {
    uint64_t from, number;
    bool is_found;
};

static bool see_pack(void *ctx, const struct pack_info *info)
{
    struct next_pack *next = ctx;

    if (info->state != PACK_LIVE || info->number < next->from)
        return true;
    next->number = info->number;
    next->is_found = true;
    return false;
}

static enum rc check_entry(struct scrub_pass *pass, const struct pack *pack,
                           const struct pack_row *row, char *piece, uint64_t *out_at)
{
    struct pack_entry entry;
    enum rc rc = pack_read_entry(pack, row->offset, row->account, row->body_id, &entry, NULL);

    *out_at = row->offset;
    if (rc)
        return rc;
    for (uint64_t at = 0; !rc && at < entry.length; at += PIECE_BYTES) {
        size_t len = (size_t) MIN(entry.length - at, (uint64_t) PIECE_BYTES);

        *out_at = entry.bytes_at + at;
        rc = body_read_checked(pack_fd(pack), entry.bytes_at, entry.length, entry.hashes, at,
                               piece, len, NULL);
        if (!rc && !scrub_read(pass, len))
            rc = RC_MORE;
    }
    free(entry.hashes);
    return rc;
}

static enum rc check_pack(struct scrub_pass *pass, const struct pack *pack, const char *file)
{
    AUTO(freep) char *piece = xmalloc(PIECE_BYTES);
    struct scrub_finding finding = {.file = file};
    enum rc rc = RC_OK;

    if (pack_check_index(pack, NULL) != RC_OK) {
        finding.what = "index of the pack";
        scrub_found(pass, &finding);
    }
    for (uint32_t i = 0; i < pack_rows(pack) && rc != RC_MORE; i++) {
        struct pack_row row;

        if (pack_read_row(pack, i, &row, NULL) != RC_OK)
            continue; /* the index's checksum has told */
        rc = check_entry(pass, pack, &row, piece, &finding.offset);
        if (rc == RC_OK || rc == RC_MORE)
            continue;
        finding.what = "message in a pack";
        finding.account = row.account;
        scrub_found(pass, &finding);
    }
    return rc == RC_MORE ? RC_MORE : RC_OK;
}

enum rc scrub_packs(struct scrub_pass *pass, struct err *err)
{
    struct local *local = pass->local;
    enum rc rc = RC_OK;

    while (!rc) {
        struct next_pack next = {.from = pass->cursor.number};
        char name[LAYOUT_NAME_BYTES], file[LAYOUT_NAME_BYTES + 8];
        struct pack *pack = NULL;

        rc = pack_rows_each(local->state, see_pack, &next, err);
        if (rc || !next.is_found)
            break;
        layout_name(name, next.number, ".pack");
        (void) snprintf(file, sizeof(file), "packs/%s", name);
        if (packs_get(local->packs, next.number, &pack, NULL) == RC_OK)
            rc = check_pack(pass, pack, file);
        else
            scrub_found(
                pass, &(struct scrub_finding){.file = file, .what = "head or end of the pack"});
        packs_put(local->packs, pack);
        pass->cursor.number = next.number + 1;
    }
    return rc == RC_CORRUPT ? RC_OK : rc; /* the table's rows are the state's stage to tell */
}
