/*
 * scrub_packs.c - packs, one after the other, frame by frame: stored bytes have a checksum, so
 * nothing is decompressed. With a pack comes the dictionary it names, in both its places.
 */
#include "store/local/dict.h"
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

/* A finding for each account that has a message in this stretch of the bodies. */
static void tell_owners(struct scrub_pass *pass, const struct pack *pack,
                        const struct pack_frame *frame, struct scrub_finding *finding)
{
    struct pack_row row = {0}, next = {0};
    bool has_row = false, is_told = false;
    uint64_t last = 0;

    for (uint32_t i = 0; i <= pack_rows(pack); i++) {
        bool is_end = i == pack_rows(pack);
        bool has_next = !is_end && pack_read_row(pack, i, &next, NULL) == RC_OK;

        /* A row reaches to where the next one begins. */
        if (has_row && row.offset < frame->at + frame->raw_len &&
            (is_end || (has_next && next.offset > frame->at)) &&
            (!is_told || row.account != last)) {
            finding->account = last = row.account;
            scrub_found(pass, finding);
            is_told = true;
        }
        has_row = has_next || (has_row && !is_end);
        if (has_next)
            row = next;
    }
    if (!is_told)
        scrub_found(pass, finding);
}

static void tell_frame(struct scrub_pass *pass, const struct pack *pack, size_t i,
                       const char *file)
{
    static const char *const what[PACK_STREAMS] = {
        [PACK_BODIES] = "messages in a pack",
        [PACK_DIGESTS] = "digests in a pack",
        [PACK_TEXTS] = "search text in a pack",
        [PACK_ROWS] = "index of a pack",
    };
    struct pack_frame frame = pack_frame_place(pack, i);
    struct scrub_finding finding = {.file = file,
                                    .what = what[frame.stream],
                                    .offset = frame.file_at,
                                    .is_derived = frame.stream == PACK_DIGESTS ||
                                                  frame.stream == PACK_TEXTS};

    if (frame.stream == PACK_BODIES)
        tell_owners(pass, pack, &frame, &finding);
    else
        scrub_found(pass, &finding);
}

static enum rc check_pack(struct scrub_pass *pass, const struct pack *pack, const char *file)
{
    AUTO(freep) char *room = xmalloc(PACK_FRAME_ROOM_BYTES);
    uint64_t unread = 0;

    if (pack_check_ends(pack, NULL) != RC_OK)
        scrub_found(pass, &(struct scrub_finding){.file = file,
                                                  .what = "header, directory or footer",
                                                  .is_derived = true});
    for (size_t i = 0; i < pack_frames(pack); i++) {
        struct pack_frame frame = {0};
        struct slice stored = {0};

        if (pack_read_frame(pack, i, room, &frame, &stored, NULL) != RC_OK)
            tell_frame(pass, pack, i, file);
        unread += PACK_FRAME_BYTES + stored.len;
        if (unread >= SCRUB_TOLD_BYTES) {
            if (!scrub_read(pass, unread))
                return RC_MORE;
            unread = 0;
        }
    }
    return scrub_read(pass, unread) ? RC_OK : RC_MORE;
}

static void check_dictionary(struct scrub_pass *pass, uint64_t id)
{
    char name[LAYOUT_NAME_BYTES], file[LAYOUT_NAME_BYTES + 8];
    struct dict_check check = {0};
    struct err err;
    enum rc rc = dicts_verify(pass->local->dicts, id, &check, &err);

    layout_name(name, id, ".dict");
    (void) snprintf(file, sizeof(file), "packs/%s", name);
    pass->bytes += check.bytes;
    if (check.is_file_bad)
        scrub_found(pass, &(struct scrub_finding){.file = file,
                                                  .what = "dictionary",
                                                  .is_derived = check.is_mended && !rc});
    if (check.is_row_bad)
        scrub_found(pass, &(struct scrub_finding){.file = "state/data.mdb",
                                                  .what = "row of a dictionary",
                                                  .is_derived = check.is_mended && !rc});
}

enum rc scrub_packs(struct scrub_pass *pass, struct err *err)
{
    struct local *local = pass->local;
    uint64_t last_dict = 0; /* most packs name the same one */
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
        if (packs_get(local->packs, next.number, &pack, NULL) == RC_OK) {
            if (pack_dictionary(pack) != 0 && pack_dictionary(pack) != last_dict)
                check_dictionary(pass, last_dict = pack_dictionary(pack));
            rc = check_pack(pass, pack, file);
        } else {
            scrub_found(
                pass, &(struct scrub_finding){.file = file, .what = "the pack cannot be read"});
        }
        packs_put(local->packs, pack);
        pass->cursor.number = next.number + 1;
    }
    return rc == RC_CORRUPT ? RC_OK : rc; /* rows of the table are the state's stage to tell */
}
