/*
 * mdb_file.h - LMDB 0.9's data file, read without LMDB.
 *
 * LMDB keeps no checksums and trusts what it reads: a changed branch page makes rows vanish or
 * the process crash. So this reader looks at the file first, with pread() and bounded cursors
 * only, and says whether LMDB may touch it: meta pages, branch, leaf and overflow pages, and
 * the list of free pages.
 *
 * What holds of a file that passes (MDB_ALL): both meta pages are LMDB's and follow one
 * another; each page that the newest one can reach says its own number, has the flags of its
 * place, and is reached once; nodes fill their page to the byte; keys ascend over each table
 * and lie between the separators above them; the counts of each table are right; each free page
 * is listed once and is not in use; every row was agreed to by the visitor.
 */
#ifndef ROOST_STORE_LOCAL_MDB_FILE_H
#define ROOST_STORE_LOCAL_MDB_FILE_H

#include "store/local/mdb_page.h"

#define MDB_NAME_MAX_BYTES 32u
#define MDB_TABLES_MAX     64u

enum mdb_depth { MDB_ALL, MDB_BRANCHES };

struct mdb_visit {
    /* A row; table is empty for one of a leaf that no tree leads to. False: the row is bad.
     * NULL: all are good. */
    bool (*row)(void *ctx, struct slice table, struct slice key, struct slice value);
    /* Something is wrong with this page; what is static. */
    void (*damage)(void *ctx, uint64_t page, const char *what);
    void *ctx;
};

/* Pages in a row. */
struct mdb_run {
    uint64_t first, n;
};

struct mdb_file {
    int fd;
    uint64_t n_pages; /* of the file */
    struct mdb_meta meta;
    unsigned char *seen; /* a bit a page: reached, or free */
    uint64_t n_seen;     /* bits */
    struct mdb_run
        *extra; /* n_extra; claimed by headers of overflow pages beyond their value */
    size_t n_extra;
    bool is_doubtful; /* the meta page may be the older one: its free pages may be in use */
    uint64_t n_damaged;
    uint64_t bytes_read;
    int read_error; /* errno of a read that failed: what it hid is not known to be damaged */
};

/*
 * Reads the meta pages and takes the newest good one. RC_NOT_FOUND: the file is empty;
 * RC_CORRUPT: no meta page can be used (out is usable for mdb_file_each_orphan() all the same).
 * A bad one beside a good one is told to visit->damage.
 */
MUST_CHECK enum rc mdb_file_open(int fd, const struct mdb_visit *visit, struct mdb_file *out,
                                 struct err *err);
/* The meta page of this transaction, which the caller holds open for reading. RC_CONFLICT: both
 * have moved on. */
MUST_CHECK enum rc mdb_file_open_at(int fd, uint64_t txnid, struct mdb_file *out,
                                    struct err *err);
void mdb_file_done(struct mdb_file *file);

/* Walks everything; goes on behind what is damaged. n_damaged says how much that was. */
void mdb_file_verify(struct mdb_file *file, enum mdb_depth depth,
                     const struct mdb_visit *visit);

/*
 * Part of one table (empty: of the list of free pages): rows from *key on (at most
 * MDB_KEY_MAX_BYTES, *key_len of them), until about max_bytes were read; then *key is where to
 * go on, or *out_is_end is set.
 */
void mdb_file_verify_part(struct mdb_file *file, struct slice table, char *key, size_t *key_len,
                          uint64_t max_bytes, bool *out_is_end, const struct mdb_visit *visit);

/* Rows of leaves that mdb_file_verify() neither reached nor found free: what hung below a
 * damaged branch. */
void mdb_file_each_orphan(struct mdb_file *file, const struct mdb_visit *visit);

#endif
