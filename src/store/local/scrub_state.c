/*
 * scrub_state.c - the tables of the state, read behind LMDB's back, a part at a time.
 *
 * A part is read under a reader's transaction, which keeps its pages in their place; between
 * two parts there is none, so that the file does not grow on the scrubber's account.
 */
#include <fcntl.h>
#include <unistd.h>

#include "store/local/mdb_file.h"
#include "store/local/scrub_pass.h"
#include "store/local/state_row.h"

#define STATE_FILE "state/data.mdb"
#define PART_BYTES ((uint64_t) 8 << 20)
#define BAD_MAX    64u
#define TRIES_MAX  100u

struct bad_row {
    char key[MDB_KEY_MAX_BYTES];
    size_t key_len;
};

struct part {
    struct scrub_pass *pass;
    enum state_table table;
    uint64_t page_bytes;
    uint64_t account; /* of the last bad row */
    struct bad_row *bad;
    size_t n_bad;
};

static bool table_is_by_account(enum state_table table)
{
    return table != TABLE_META && table != TABLE_PACKS && table != TABLE_DICTS;
}

static bool check_row(void *ctx, struct slice table, struct slice key, struct slice stored)
{
    struct part *part = ctx;
    struct slice value;

    if (state_row_open(table, key, stored, &value))
        return true;
    part->account = key.len >= 8 && table_is_by_account(part->table) ? get_be64(key.ptr) : 0;
    if (part->n_bad < BAD_MAX && key.len <= MDB_KEY_MAX_BYTES) {
        memcpy(part->bad[part->n_bad].key, key.ptr, key.len);
        part->bad[part->n_bad++].key_len = key.len;
    }
    return false;
}

static void tell_page(void *ctx, uint64_t page, const char *what)
{
    struct part *part = ctx;

    scrub_found(part->pass, &(struct scrub_finding){
                                .file = STATE_FILE,
                                .what = what,
                                .offset = page * part->page_bytes,
                                .account = part->account,
                                .is_derived = part->table == TABLE_DIGESTS && part->n_bad > 0});
    part->account = 0;
}

static enum rc drop_rows(struct state_txn *txn, void *ctx, struct err *err)
{
    const struct part *part = ctx;
    enum rc rc = RC_OK;

    for (size_t i = 0; i < part->n_bad && !rc; i++)
        rc = state_txn_del(txn, part->table, slice_of(part->bad[i].key, part->bad[i].key_len),
                           err);
    return rc;
}

/* The name of the table, or nothing for the free list behind the last. */
static struct slice table_name(uint64_t number)
{
    return number < STATE_TABLES ? slice_from_str(state_table_name((enum state_table) number))
                                 : (struct slice){0};
}

static enum rc read_part(struct part *part, int fd, bool *out_is_end, struct err *err)
{
    struct scrub_cursor *cursor = &part->pass->cursor;
    const struct mdb_visit visit = {check_row, tell_page, part};
    struct state_snapshot *snapshot;
    struct mdb_file file;
    uint64_t txnid, bytes = 0;
    size_t key_len = cursor->key_len;
    enum rc rc = RC_CONFLICT;

    for (unsigned i = 0; rc == RC_CONFLICT && i < TRIES_MAX; i++) {
        rc = state_snapshot_begin(part->pass->local->state, &snapshot, &txnid, err);
        if (rc)
            return rc;
        rc = mdb_file_open_at(fd, txnid, &file, err);
        if (rc)
            state_snapshot_end(snapshot);
    }
    if (rc == RC_CONFLICT) { /* neither meta page is good, or commits are very quick */
        scrub_found(part->pass,
                    &(struct scrub_finding){.file = STATE_FILE, .what = "meta page"});
        *out_is_end = true;
        return RC_OK;
    }
    if (rc)
        return rc;
    part->page_bytes = file.meta.page_bytes;
    mdb_file_verify_part(&file, table_name(cursor->number), cursor->key, &key_len, PART_BYTES,
                         out_is_end, &visit);
    bytes = file.bytes_read;
    state_snapshot_end(snapshot);
    mdb_file_done(&file);
    cursor->key_len = (uint32_t) key_len;
    return scrub_read(part->pass, bytes) ? RC_OK : RC_MORE;
}

enum rc scrub_state(struct scrub_pass *pass, struct err *err)
{
    AUTO(closep)
    int fd = openat(pass->local->layout.root, STATE_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    AUTO(freep) struct bad_row *bad = xcalloc(BAD_MAX, sizeof(*bad));
    enum rc rc = RC_OK;

    if (fd < 0)
        return file_error(err, "open " STATE_FILE);
    while (!rc && pass->cursor.number <= STATE_TABLES) {
        struct part part = {
            .pass = pass,
            .table = (enum state_table) MIN(pass->cursor.number, (uint64_t) STATE_TABLES - 1),
            .bad = bad};
        bool is_end = true;

        rc = read_part(&part, fd, &is_end, err);
        if (!rc && part.n_bad > 0 &&
            part.table == TABLE_DIGESTS) /* made again when asked for */
            rc = state_write(pass->local->state, drop_rows, &part, err);
        if (is_end) {
            pass->cursor.number++;
            pass->cursor.key_len = 0;
        }
    }
    return rc;
}
