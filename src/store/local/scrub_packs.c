/* scrub_packs.c - packs, one after the other. */
#include "store/local/pack.h"
#include "store/local/pack_rows.h"
#include "store/local/scrub_pass.h"

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

/* Whose messages lie in these bytes of the stream; one finding for each. */
static void tell_frame(struct scrub_pass *pass, const struct pack *pack,
                       const struct pack_frame *frame, struct scrub_finding *finding)
{
    uint32_t n = pack_rows(pack);
    bool is_told = false;

    finding->what = "message in a pack";
    for (uint32_t i = 0; i < n; i++) {
        struct pack_row row, next = {.offset = UINT64_MAX};

        if (pack_read_row(pack, i, &row, NULL) != RC_OK ||
            row.offset >= frame->at + frame->raw_len)
            continue;
        if (i + 1 < n && pack_read_row(pack, i + 1, &next, NULL) != RC_OK)
            continue;
        if (next.offset <= frame->at)
            continue;
        finding->account = row.account;
        scrub_found(pass, finding);
        is_told = true;
    }
    finding->account = 0;
    if (!is_told)
        scrub_found(pass, finding);
}

static void tell(struct scrub_pass *pass, const struct pack *pack, size_t i, const char *file)
{
    struct pack_frame frame = pack_frame_place(pack, i);
    struct scrub_finding finding = {.file = file, .offset = frame.file_at};

    switch (frame.stream) {
    case PACK_BODIES:
        tell_frame(pass, pack, &frame, &finding);
        return;
    case PACK_DIGESTS:
    case PACK_TEXTS:
        finding.what = "digests in a pack";
        finding.is_derived = true;
        break;
    case PACK_ROWS:
        finding.what = "index of the pack";
        break;
    }
    scrub_found(pass, &finding);
}

/* Stored bytes are checked as they are: nothing is decompressed. */
static enum rc check_pack(struct scrub_pass *pass, const struct pack *pack, const char *file)
{
    AUTO(freep) char *room = xmalloc(PACK_FRAME_ROOM_BYTES);

    if (pack_check_ends(pack, NULL) != RC_OK)
        scrub_found(pass,
                    &(struct scrub_finding){.file = file, .what = "head or end of the pack"});
    for (size_t i = 0; i < pack_frames(pack); i++) {
        struct pack_frame frame;
        struct slice stored;

        if (pack_read_frame(pack, i, room, &frame, &stored, NULL) != RC_OK)
            tell(pass, pack, i, file);
        else if (!scrub_read(pass, PACK_FRAME_BYTES + stored.len))
            return RC_MORE;
    }
    return RC_OK;
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
