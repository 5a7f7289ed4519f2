/*
 * forged_mail.c - mails that are made of journal batches forge nothing, wherever the power
 * goes.
 *
 * Who sends mail chooses bytes that lie in the journal as they are, and may know the format.
 * Here the sender knows more than anybody can: the journal so far, and the very place where the
 * mail will lie. Each block of the mail is, in turn:
 *   - a batch as it stands in the journal, its keyed hashes right for another place;
 *   - the same with segment, offset and LSN of the place it lies at;
 *   - a batch made for this place from front to back, with a key that is not the store's.
 * Then the delivery is cut at every point: a torn batch leaves such blocks behind the journal's
 * end, where recovery looks for later batches. It may neither take one nor call it damage.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/random.h"
#include "explore.h"
#include "must.h"
#include "store/local/batch.h"
#include "store_pair.h"

#define MAIL_BYTES    (28u * 1024u) /* inline, several blocks */
#define JOURNAL_BYTES ((size_t) 64 << 10)
#define MARKER        "Subject: where does this mail lie?\r\n\r\n"
#define MAILS         3u

/* docs/formats/journal.md */
#define HEADER_COUNTS_AT 8u
#define HEADER_EPOCH_AT  32u
#define HEADER_PLACE_AT  40u
#define HEADER_HASHES_AT 64u

struct journal_copy {
    char bytes[JOURNAL_BYTES];
    uint64_t segment;
    size_t used; /* up to the end of its last batch */
};

/* Behind the batches that were written for this segment; what a recycled one held before lies
 * behind them. */
static size_t end_of_batches(const struct journal_copy *journal)
{
    size_t at = JOURNAL_BLOCK_BYTES;

    while (at < JOURNAL_BYTES) {
        struct scan counts = scan_of(slice_of(journal->bytes + at + HEADER_COUNTS_AT, 4));
        struct scan place = scan_of(slice_of(journal->bytes + at + HEADER_PLACE_AT, 12));
        uint64_t segment = 0;
        uint32_t offset = 0, total_len = 0;

        if (!scan_le32(&counts, &total_len) || !scan_le64(&place, &segment) ||
            !scan_le32(&place, &offset) || segment != journal->segment || offset != at ||
            total_len == 0)
            break;
        at += total_len;
    }
    return at;
}

/* The newest segment that holds a batch. */
static void read_journal(const char *store, struct journal_copy *out)
{
    static struct journal_copy found;
    char path[STORE_PATH_BYTES + 64];
    const struct dirent *entry;
    DIR *dir;

    (void) snprintf(path, sizeof(path), "%s/log", store);
    dir = opendir(path);
    out->segment = 0;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        unsigned long long number;
        AUTO(closep) int fd = -1;

        if (strstr(entry->d_name, ".seg") == NULL ||
            sscanf(entry->d_name, "%16llx", &number) != 1 || number <= out->segment)
            continue;
        fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || pread(fd, found.bytes, JOURNAL_BYTES, 0) != (ssize_t) JOURNAL_BYTES)
            die("forged_mail: the journal cannot be read");
        found.segment = number;
        found.used = end_of_batches(&found);
        if (found.used > JOURNAL_BLOCK_BYTES)
            *out = found;
    }
    if (dir == NULL || out->segment == 0)
        die("forged_mail: no journal");
    (void) closedir(dir);
}

/* Header fields as docs/formats/journal.md has them. */
static void move_header(char *header, uint64_t segment, uint32_t offset, uint64_t lsn)
{
    AUTO(freep) char *made = xcalloc(1, JOURNAL_BLOCK_BYTES);
    struct journal_key key = {.epoch = 1};
    struct batch_header fields = {.total_len = JOURNAL_BLOCK_BYTES,
                                  .payload_len = 64,
                                  .n_groups = 1,
                                  .first_lsn = lsn,
                                  .segment = segment,
                                  .offset = offset,
                                  .clock_us = 1};

    /* All but magic, epoch and hashes come from a header made for the place. */
    batch_seal(made, &fields, &key);
    memcpy(header + HEADER_COUNTS_AT, made + HEADER_COUNTS_AT,
           HEADER_EPOCH_AT - HEADER_COUNTS_AT);
    memcpy(header + HEADER_PLACE_AT, made + HEADER_PLACE_AT,
           HEADER_HASHES_AT - HEADER_PLACE_AT);
}

static void forge_block(char *block, unsigned kind, const struct journal_copy *journal,
                        uint32_t offset, uint64_t lsn)
{
    struct scan sc =
        scan_of(slice_of(journal->bytes + JOURNAL_BLOCK_BYTES + HEADER_EPOCH_AT, 8));
    struct journal_key key = {0};
    struct batch_header fields = {.total_len = JOURNAL_BLOCK_BYTES,
                                  .payload_len = JOURNAL_BLOCK_BYTES - BATCH_HEADER_BYTES,
                                  .n_groups = 1,
                                  .first_lsn = lsn,
                                  .segment = journal->segment,
                                  .offset = offset,
                                  .clock_us = 1};

    memcpy(block, journal->bytes + JOURNAL_BLOCK_BYTES, JOURNAL_BLOCK_BYTES);
    if (kind == 1)
        move_header(block, journal->segment, offset, lsn);
    if (kind == 2 && scan_le64(&sc, &key.epoch)) {
        random_bytes(key.secret, sizeof(key.secret));
        batch_seal(block, &fields, &key);
    }
}

static size_t find(const struct journal_copy *journal, const char *text)
{
    return slice_search(slice_of(journal->bytes, JOURNAL_BYTES), slice_from_str(text));
}

/* It is on the disk when this returns, so that the journal can be read. */
static void append(struct scene *scene, struct slice mail)
{
    struct err err;

    must(scene_append(scene, 0, mail, &err), "append", &err);
    scene_wait(scene);
}

/* A mail of the same length shows how far behind its batch's start a body begins. */
static size_t body_distance(struct scene *scene, const char *store,
                            struct journal_copy *journal)
{
    AUTO(freep) char *mail = xcalloc(1, MAIL_BYTES);
    size_t before, at;

    memcpy(mail, MARKER, strlen(MARKER));
    append(scene, SLICE("Subject: first\r\n\r\nfirst"));
    read_journal(store, journal);
    before = journal->used;
    append(scene, slice_of(mail, MAIL_BYTES));
    read_journal(store, journal);
    at = find(journal, MARKER);
    if (at == JOURNAL_BYTES || at < before)
        die("forged_mail: the mail is not where it should be");
    return at - before;
}

static void deliver(struct scene *scene, const char *store, size_t distance,
                    struct journal_copy *journal, unsigned turn)
{
    AUTO(freep) char *mail = xcalloc(1, MAIL_BYTES);
    size_t first = JOURNAL_BLOCK_BYTES - distance % JOURNAL_BLOCK_BYTES;
    struct err err;

    read_journal(store, journal);
    memcpy(mail, "Subject: forged\r\n\r\n", 19);
    for (size_t at = first, i = 0; at + JOURNAL_BLOCK_BYTES <= MAIL_BYTES;
         at += JOURNAL_BLOCK_BYTES, i++)
        forge_block(mail + at, (unsigned) (i + turn) % 3, journal,
                    (uint32_t) (journal->used + distance + at), 1000 + i);
    must(scene_append(scene, 0, slice_of(mail, MAIL_BYTES), &err), "append", &err);
}

int main(void)
{
    static struct store_pair pair;
    static struct journal_copy journal;
    static struct tally tally;
    static char progress[512];
    struct explorer explorer = {
        .verify = verify_store,
        .name = "forged mail",
        .limits = {{300, 2}, {20, 1}, {8, 0}},
        .seed = 20261121,
        .tally = &tally,
        .progress = progress,
        .progress_cap = sizeof(progress)
    };
    AUTO(freep) struct scene *scene = xcalloc(1, sizeof(*scene));
    struct expectation start = {0};
    char run[STORE_PATH_BYTES];
    struct err err;

    log_set_level(LEVEL_ERROR);
    store_pair_make(&pair);
    for (size_t i = 0; i < EXPLORE_DEPTH; i++)
        explorer.recordings[i] = recording_new();
    for (size_t i = 0; i <= EXPLORE_DEPTH; i++)
        explorer.branches[i] = xcalloc(1, sizeof(struct ledger));
    explorer.folder = pair.folder;
    scene->ledger = ledger_new();
    for (unsigned turn = 0; turn < MAILS; turn++) {
        size_t distance;

        store_pair_path(&pair, "run", run);
        store_pair_copy(&pair, explorer.recordings[0], false, run);
        (void) snprintf(scene->path, sizeof(scene->path), "%s/%s", run, SCENE_STORE_NAME);
        scene->n_made = 1000;
        must(scene_open(scene, &err), "open", &err);
        must(scene_begin_ledger(scene, &err), "read", &err);
        distance = body_distance(scene, scene->path, &journal);
        for (size_t i = 0; i < LEDGER_ACCOUNTS; i++)
            start.least[i] = scene->ledger->accounts[i].acknowledged;
        start.ledger = scene->ledger;
        scene_close(scene);
        /* The journal that a start leaves is as regular as the one it was measured in. */
        recording_begin(explorer.recordings[0], run, NULL);
        scene->recording = explorer.recordings[0];
        must(scene_open(scene, &err), "open", &err);
        append(scene, SLICE("Subject: first\r\n\r\nfirst"));
        deliver(scene, scene->path, distance, &journal, turn);
        recording_end();
        scene_close(scene);
        remove_tree(run);
        tally.workloads++;
        explore(&explorer, &start);
    }
    explore_print(&tally);
    store_pair_remove(&pair);
    for (size_t i = 0; i <= EXPLORE_DEPTH; i++)
        free(explorer.branches[i]);
    return tally.failures == 0 ? 0 : 1;
}
