/*
 * fuzz_journal.c - the journal's formats: a segment as recovery walks it, once raw and once
 * with the hashes put right (a fuzzer does not find a keyed hash), groups and their bodies'
 * rows, and the superblock.
 */
// links: store_local
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/local/journal_scan.h"

#define INPUT_MAX_BYTES ((size_t) 64 << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct journal_key key = {
    .epoch = 0x1122334455667788u, .secret = {1, 2, 3, 4}
};

static struct segment *only_segment(void *ctx, uint64_t number)
{
    struct segment *segment = ctx;

    return number == segment->number ? segment : NULL;
}

/* What recovery does with a group: every row is read, and lies inside. */
static enum rc walk_group(void *ctx, struct segment *segment, uint32_t offset,
                          const struct group_view *group, struct err *err)
{
    struct scan sc = scan_of(group->table);
    uint64_t *n_groups = ctx;

    (void) err;
    if (offset + GROUP_HEADER_BYTES > segment->bytes)
        die("a group outside of its segment");
    for (uint32_t i = 0; i < group->n_bodies; i++) {
        struct body_row row;

        if (!body_row_read(&sc, &row))
            return RC_CORRUPT;
        if (row.n_blocks * (size_t) 8 != row.hashes.len)
            die("block checksums do not match the length");
    }
    ++*n_groups;
    return RC_OK;
}

static void scan_segment(const char *bytes, size_t len)
{
    struct segment segment = {.number = 1, .bytes = len, .fd = -1};
    struct journal_source source = {
        .segment = only_segment, .last_segment = 1, .ctx = &segment};
    struct epoch epoch = {.key = key};
    struct journal_point point = {.segment = 1, .lsn = 1, .offset = SEGMENT_HEADER_BYTES};
    uint64_t n_groups = 0;
    bool is_cut = false;
    struct err err;

    segment.read_fd = memfd_create("segment", MFD_CLOEXEC);
    if (segment.read_fd < 0 || write(segment.read_fd, bytes, len) != (ssize_t) len)
        die("memfd");
    if (journal_scan_epoch(&source, &epoch, &point, walk_group, &n_groups, &is_cut, &err) ==
            RC_OK &&
        point.lsn != 1 + n_groups)
        die("the walk counts %llu groups, the point says %llu", (unsigned long long) n_groups,
            (unsigned long long) point.lsn);
    (void) close(segment.read_fd);
}

static size_t round_up(size_t n)
{
    return (n + JOURNAL_BLOCK_BYTES - 1) & ~(size_t) (JOURNAL_BLOCK_BYTES - 1);
}

/* The input is the payload of one batch that is sealed as the committer does. */
static void scan_sealed(struct slice payload, uint32_t n_groups)
{
    size_t total = round_up(BATCH_HEADER_BYTES + payload.len);
    AUTO(freep) char *bytes = xcalloc(1, SEGMENT_HEADER_BYTES + total);
    char *batch = bytes + SEGMENT_HEADER_BYTES;
    struct batch_header header = {.total_len = (uint32_t) total,
                                  .payload_len = (uint32_t) payload.len,
                                  .n_groups = n_groups,
                                  .first_lsn = 1,
                                  .segment = 1,
                                  .offset = SEGMENT_HEADER_BYTES};
    struct batch_header again;

    if (payload.len > 0)
        memcpy(batch + BATCH_HEADER_BYTES, payload.ptr, payload.len);
    batch_seal(batch, &header, &key);
    if (!batch_header_read(slice_of(batch, total), &key, &again) ||
        !batch_is_whole(&again, slice_of(batch, total), &key) ||
        again.payload_len != payload.len)
        die("a sealed batch does not read back");
    scan_segment(bytes, SEGMENT_HEADER_BYTES + total);
}

/* The input is records and table of one group whose hash is put right. */
static void scan_group(struct slice input, uint32_t n_bodies)
{
    size_t split = input.len / 2;
    AUTO(freep) char *group = xcalloc(1, GROUP_HEADER_BYTES + input.len + 1);
    struct group_view view = {.account = 7,
                              .lsn = 1,
                              .n_bodies = n_bodies,
                              .records = slice_sub(input, 0, split),
                              .table = slice_from(input, split)};
    struct group_view again;

    if (input.len > 0)
        memcpy(group + GROUP_HEADER_BYTES, input.ptr, input.len);
    group_seal(group, &view);
    if (group_read_head(slice_of(group, GROUP_HEADER_BYTES + input.len), &again) &&
        (!slice_eq(again.records, view.records) || !slice_eq(again.table, view.table)))
        die("a group does not read back");
    scan_sealed(slice_of(group, GROUP_HEADER_BYTES + input.len), 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    AUTO(freep) struct super *super = NULL;
    bool is_damaged;
    struct err err;

    if (size < 2 || size > INPUT_MAX_BYTES)
        return 0;
    input = slice_from(input, 2);
    switch (data[0] % 4) {
    case 0:
        scan_segment(input.ptr, input.len);
        break;
    case 1:
        scan_sealed(input, data[1]);
        break;
    case 2:
        scan_group(input, data[1]);
        break;
    case 3:
        super = xcalloc(1, sizeof(*super));
        if (super_decode(input, super, &is_damaged, &err) == RC_OK &&
            super->n_epochs > SUPER_EPOCHS_MAX)
            die("more epochs than there is room for");
        break;
    }
    return 0;
}
