/*
 * mdb_file.c - trees, overflow runs and the free list of LMDB's file.
 *
 * One walk serves three purposes: the check of everything at start, the scrubber's check of a
 * part, and the salvage of rows, which goes on behind what is damaged.
 */
#include "store/local/mdb_file.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_DATA_PAGE 2u
#define PAGES_UNWRITTEN 65536u /* at the end: given to a transaction and not used by it */
#define VALUE_MAX_BYTES ((uint64_t) 1 << 30)

struct level {
    char *page;
    uint64_t number;
    uint32_t n, at;
    bool is_leaf;
};

struct key {
    char bytes[MDB_KEY_MAX_BYTES + 1];
    size_t len;
};

struct walk {
    struct mdb_file *file;
    const struct mdb_visit *visit;
    const struct mdb_tree *tree;
    struct slice table;
    bool is_free_list, is_main, marks, branches_only;
    struct key last, floor; /* the last row's key; the separator that the next rows obey */
    bool has_last;
    struct mdb_tree counted;
    struct level levels[MDB_TREE_DEPTH_MAX];
    unsigned depth;
    char *value; /* of overflow pages */
    size_t value_cap;
    /* a part only */
    struct slice from;
    uint64_t stop_at; /* bytes_read; 0: never */
    bool is_cut;
};

static void damaged(struct mdb_file *file, const struct mdb_visit *visit, uint64_t page,
                    const char *what)
{
    file->n_damaged++;
    if (visit != NULL && visit->damage != NULL)
        visit->damage(visit->ctx, page, what);
}

/* ---- reading ---- */

static bool read_bytes(struct mdb_file *file, char *out, size_t len, uint64_t offset)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = pread(file->fd, out + done, len - done, (off_t) (offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            file->read_error = errno;
        if (n <= 0)
            return false;
        done += (size_t) n;
    }
    file->bytes_read += len;
    return true;
}

static bool read_page(struct mdb_file *file, uint64_t number, char *out)
{
    return number < file->n_pages &&
           read_bytes(file, out, file->meta.page_bytes, number * file->meta.page_bytes);
}

static struct slice page_of(const struct mdb_file *file, const char *bytes)
{
    return slice_of(bytes, file->meta.page_bytes);
}

/* ---- which pages were seen ---- */

static bool mark(struct mdb_file *file, uint64_t page)
{
    unsigned char bit = (unsigned char) (1u << (page % 8));

    if (page < FIRST_DATA_PAGE || page >= file->n_seen || (file->seen[page / 8] & bit) != 0)
        return false;
    file->seen[page / 8] |= bit;
    return true;
}

static void unmark(struct mdb_file *file, uint64_t page)
{
    file->seen[page / 8] &= (unsigned char) ~(1u << (page % 8));
}

static bool is_seen(const struct mdb_file *file, uint64_t page)
{
    return page < file->n_seen && (file->seen[page / 8] >> (page % 8) & 1) != 0;
}

/* ---- meta pages ---- */

/* A transaction writes the meta page of its number's parity; a new file has 0 in both. */
static bool meta_is_sound(const struct mdb_file *file, const struct mdb_meta *meta,
                          uint64_t number)
{
    return meta->page_bytes == file->meta.page_bytes &&
           (meta->txnid == 0 || meta->txnid % 2 == number) && meta->last_page >= 1 &&
           meta->last_page < file->n_pages + PAGES_UNWRITTEN &&
           mdb_tree_is_possible(&meta->free_list, meta->last_page) &&
           mdb_tree_is_possible(&meta->main, meta->last_page);
}

static bool metas_follow(const struct mdb_meta *a, const struct mdb_meta *b)
{
    return a->txnid == b->txnid ? a->txnid == 0
                                : MAX(a->txnid, b->txnid) - MIN(a->txnid, b->txnid) == 1;
}

/* Page bytes are not known before a meta page is: the system's, which LMDB takes, serve to find
 * the second. */
static bool read_metas(struct mdb_file *file, struct mdb_meta metas[2], bool good[2])
{
    char page[MDB_META_BYTES];
    uint32_t page_bytes = (uint32_t) sysconf(_SC_PAGESIZE);

    for (uint64_t i = 0; i < 2; i++) {
        good[i] = read_bytes(file, page, sizeof(page), i * page_bytes) &&
                  mdb_meta_parse(slice_of(page, sizeof(page)), i, &metas[i]);
        if (good[i] && i == 0)
            page_bytes = metas[i].page_bytes;
    }
    file->meta.page_bytes = page_bytes;
    return good[0] || good[1];
}

static enum rc open_file(int fd, struct mdb_file *out, struct mdb_meta metas[2], bool good[2],
                         struct err *err)
{
    struct stat st;

    *out = (struct mdb_file){.fd = fd};
    if (fstat(fd, &st) != 0)
        return err_set(err, RC_IO, "Storage failure", "state: fstat: %s", strerror(errno));
    if (st.st_size == 0)
        return err_set(err, RC_NOT_FOUND, "Not found", "state: data.mdb is empty");
    (void) read_metas(out, metas, good);
    out->n_pages = (uint64_t) st.st_size / out->meta.page_bytes;
    for (uint64_t i = 0; i < 2; i++)
        good[i] = good[i] && meta_is_sound(out, &metas[i], i);
    return RC_OK;
}

/* Bits for all pages that the meta page or the file has. */
static void make_seen(struct mdb_file *file)
{
    file->n_seen = MAX(file->n_pages, file->meta.last_page + 1);
    file->seen = xcalloc((size_t) file->n_seen / 8 + 1, 1);
}

enum rc mdb_file_open(int fd, const struct mdb_visit *visit, struct mdb_file *out,
                      struct err *err)
{
    struct mdb_meta metas[2] = {{0}};
    bool good[2];
    enum rc rc = open_file(fd, out, metas, good, err);

    if (rc)
        return rc;
    for (uint64_t i = 0; i < 2; i++) {
        if (!good[i])
            damaged(out, visit, i, "meta page");
    }
    if (good[0] && good[1] && !metas_follow(&metas[0], &metas[1]))
        damaged(out, visit, 0, "meta pages do not follow one another");
    out->is_doubtful = out->n_damaged > 0;
    if (good[0] || good[1])
        out->meta = metas[good[1] && (!good[0] || metas[1].txnid > metas[0].txnid)];
    make_seen(out);
    if (!good[0] && !good[1])
        return err_set(err, RC_CORRUPT, "Stored data is damaged", "state: both meta pages");
    return RC_OK;
}

enum rc mdb_file_open_at(int fd, uint64_t txnid, struct mdb_file *out, struct err *err)
{
    struct mdb_meta metas[2] = {{0}};
    bool good[2];
    enum rc rc = open_file(fd, out, metas, good, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < 2; i++) {
        if (good[i] && metas[i].txnid == txnid) {
            out->meta = metas[i];
            return RC_OK;
        }
    }
    return err_set(err, RC_CONFLICT, "Try again", "state: transaction %llu is not at hand",
                   (unsigned long long) txnid);
}

void mdb_file_done(struct mdb_file *file)
{
    free(file->seen);
    free(file->extra);
    file->seen = NULL;
    file->extra = NULL;
}

/* ---- rows ---- */

static int key_cmp(const struct walk *walk, struct slice a, struct slice b)
{
    struct scan x = scan_of(a), y = scan_of(b);
    uint64_t m = 0, n = 0;

    if (!walk->is_free_list)
        return slice_cmp(a, b);
    (void) scan_le64(&x, &m);
    (void) scan_le64(&y, &n);
    return m < n ? -1 : m > n;
}

static struct slice key_slice(const struct key *key)
{
    return slice_of(key->bytes, key->len);
}

static void key_set(struct key *key, struct slice bytes)
{
    memcpy(key->bytes, bytes.ptr, bytes.len);
    key->len = bytes.len;
}

/* Of the list of free pages it must be; elsewhere the row's checksum says what the value is. */
static bool head_is_right(struct walk *walk, uint64_t first, uint64_t need)
{
    struct mdb_page_head head = mdb_page_head(walk->value);
    struct mdb_file *file = walk->file;

    if (head.number == first && head.flags == MDB_PAGE_OVERFLOW && head.n_overflow >= need &&
        head.n_overflow <= file->n_pages - first + PAGES_UNWRITTEN) {
        walk->counted.overflow_pages += head.n_overflow;
        if (walk->marks && head.n_overflow > need) { /* a longer value may have been there */
            file->extra = xrealloc(file->extra, (file->n_extra + 1) * sizeof(*file->extra));
            file->extra[file->n_extra++] =
                (struct mdb_run){first + need, head.n_overflow - need};
        }
        return true;
    }
    damaged(file, walk->visit, first, "overflow page");
    walk->counted.overflow_pages += need;
    return !walk->is_free_list;
}

/* A value of overflow pages: n pages in a row, the header in the first. */
static bool read_overflow(struct walk *walk, const struct mdb_node *node, struct slice *out)
{
    struct mdb_file *file = walk->file;
    struct scan sc = scan_of(node->data);
    uint64_t first, need;
    size_t len;

    if (!scan_le64(&sc, &first) || node->data_len > VALUE_MAX_BYTES || first < FIRST_DATA_PAGE)
        return false;
    need = (MDB_PAGE_HEADER_BYTES - 1 + node->data_len) / file->meta.page_bytes + 1;
    if (first >= file->n_pages || need > file->n_pages - first)
        return false;
    len = MDB_PAGE_HEADER_BYTES + (size_t) node->data_len;
    if (len > walk->value_cap) {
        walk->value_cap = len;
        walk->value = xrealloc(walk->value, len);
    }
    if (!read_bytes(file, walk->value, len, first * file->meta.page_bytes) ||
        !head_is_right(walk, first, need))
        return false;
    for (uint64_t i = 0; walk->marks && i < need; i++) {
        if (!mark(file, first + i))
            return false;
    }
    *out = slice_of(walk->value + MDB_PAGE_HEADER_BYTES, (size_t) node->data_len);
    return true;
}

/* A count, and so many page numbers, descending. */
static bool mark_free_pages(struct mdb_file *file, struct slice list)
{
    struct scan sc = scan_of(list);
    uint64_t n, page, before = UINT64_MAX;

    if (!scan_le64(&sc, &n) || n > scan_left(&sc) / 8)
        return false;
    for (uint64_t i = 0; i < n; i++) {
        if (!scan_le64(&sc, &page) || page >= before ||
            (!file->is_doubtful && !mark(file, page)))
            return false;
        before = page;
    }
    return true;
}

static bool take_row(struct walk *walk, const struct mdb_node *node)
{
    struct slice value = node->data;
    const struct mdb_visit *visit = walk->visit;

    if (walk->is_main)
        return node->flags == MDB_NODE_TREE && value.len == MDB_TREE_BYTES;
    if ((node->flags & ~MDB_NODE_OVERFLOW) != 0)
        return false;
    if (node->flags == MDB_NODE_OVERFLOW && !read_overflow(walk, node, &value))
        return false;
    if (walk->is_free_list)
        return node->key.len == 8 && (!walk->marks || mark_free_pages(walk->file, value));
    return visit == NULL || visit->row == NULL ||
           visit->row(visit->ctx, walk->table, node->key, value);
}

static bool obeys(struct walk *walk, struct slice key)
{
    return (!walk->has_last || key_cmp(walk, key_slice(&walk->last), key) < 0) &&
           (walk->floor.len == 0 || key_cmp(walk, key_slice(&walk->floor), key) <= 0);
}

static void walk_leaf(struct walk *walk, const struct level *level)
{
    for (uint32_t i = 0; i < level->n; i++) {
        struct mdb_node node;

        if (!mdb_node_at(page_of(walk->file, level->page), i, true, &node) ||
            node.key.len == 0) {
            damaged(walk->file, walk->visit, level->number, "node");
            continue;
        }
        if (walk->from.len > 0 && key_cmp(walk, node.key, walk->from) < 0)
            continue;
        if (!obeys(walk, node.key))
            damaged(walk->file, walk->visit, level->number, "order of keys");
        if (!take_row(walk, &node))
            damaged(walk->file, walk->visit, level->number,
                    walk->is_free_list ? "list of free pages" : "row");
        key_set(&walk->last, node.key);
        walk->has_last = true;
        walk->counted.entries++;
    }
}

/* ---- trees ---- */

/* The child to begin with: the last one whose separator is not behind `from`. */
static uint32_t first_child(const struct walk *walk, const struct level *level)
{
    uint32_t at = 0;

    for (uint32_t i = 1; walk->from.len > 0 && i < level->n; i++) {
        struct mdb_node node;

        if (mdb_node_at(page_of(walk->file, level->page), i, false, &node) &&
            key_cmp(walk, node.key, walk->from) <= 0)
            at = i;
    }
    return at;
}

static void push(struct walk *walk, uint64_t number)
{
    struct mdb_file *file = walk->file;
    struct level *level = &walk->levels[walk->depth];
    bool is_leaf = walk->depth + 1u == walk->tree->depth;
    uint16_t flags = is_leaf ? MDB_PAGE_LEAF : MDB_PAGE_BRANCH;

    if (walk->marks && !mark(file, number)) {
        damaged(file, walk->visit, number, "page is out of range or reached twice");
        return;
    }
    if (is_leaf)
        walk->counted.leaf_pages++;
    else
        walk->counted.branch_pages++;
    if (is_leaf && walk->branches_only)
        return;
    if (level->page == NULL)
        level->page = xmalloc(file->meta.page_bytes);
    if (!read_page(file, number, level->page) ||
        !mdb_page_count(page_of(file, level->page), number, flags, &level->n)) {
        damaged(file, walk->visit, number, is_leaf ? "leaf page" : "branch page");
        if (walk->marks)
            unmark(file, number); /* its rows may be salvaged as an orphan's */
        return;
    }
    if (!mdb_page_is_filled(page_of(file, level->page), level->n, is_leaf) ||
        (!is_leaf && level->n < 2)) {
        damaged(file, walk->visit, number, is_leaf ? "nodes of a leaf" : "nodes of a branch");
        if (walk->marks && is_leaf)
            unmark(file, number); /* it may have rows that its count leaves out */
    }
    level->number = number;
    level->is_leaf = is_leaf;
    level->at = is_leaf ? 0 : first_child(walk, level);
    walk->depth++;
}

/* The next child of the branch on top. */
static void descend(struct walk *walk, struct level *level)
{
    uint32_t at = level->at++;
    struct mdb_node node;

    if (!mdb_node_at(page_of(walk->file, level->page), at, false, &node)) {
        damaged(walk->file, walk->visit, level->number, "node of a branch");
        return;
    }
    if (at > 0 && walk->from.len == 0) {
        /* With the leaves not read, separators ascend over the whole tree all the same. */
        if (node.key.len == 0 || !obeys(walk, node.key))
            damaged(walk->file, walk->visit, level->number, "order of separators");
        key_set(&walk->floor, node.key);
    }
    push(walk, node.child);
}

static void walk_levels(struct walk *walk)
{
    while (walk->depth > 0) {
        struct level *level = &walk->levels[walk->depth - 1];

        if (level->is_leaf) {
            walk_leaf(walk, level);
            walk->depth--;
            if (walk->stop_at > 0 && walk->file->bytes_read >= walk->stop_at) {
                walk->is_cut = true;
                return;
            }
        } else if (level->at < level->n) {
            descend(walk, level);
        } else {
            walk->depth--;
        }
    }
}

static bool counts_are_right(const struct walk *walk)
{
    const struct mdb_tree *said = walk->tree, *is = &walk->counted;

    if (said->branch_pages != is->branch_pages || said->leaf_pages != is->leaf_pages)
        return false;
    return walk->branches_only ||
           (said->entries == is->entries && said->overflow_pages == is->overflow_pages);
}

static void walk_done(struct walk *walk)
{
    for (size_t i = 0; i < MDB_TREE_DEPTH_MAX; i++)
        free(walk->levels[i].page);
    free(walk->value);
}

static void walk_run(struct walk *walk)
{
    if (walk->tree->root != MDB_NO_PAGE)
        push(walk, walk->tree->root);
    walk_levels(walk);
    walk_done(walk);
}

struct table {
    char name[MDB_NAME_MAX_BYTES];
    struct mdb_tree tree;
};

struct table_list {
    struct table tables[MDB_TABLES_MAX];
    size_t n;
};

/* The main tree is one leaf in practice; whatever it is, its rows name the tables. */
static void collect_tables(struct mdb_file *file, const struct mdb_visit *visit, uint64_t page,
                           struct table_list *list)
{
    AUTO(freep) char *bytes = xmalloc(file->meta.page_bytes);
    uint32_t n;

    if (!read_page(file, page, bytes) ||
        !mdb_page_count(page_of(file, bytes), page, MDB_PAGE_LEAF, &n))
        return; /* told by the walk over the main tree */
    for (uint32_t i = 0; i < n; i++) {
        struct table table = {.name = {0}};
        struct mdb_node node;
        struct scan sc;

        if (!mdb_node_at(page_of(file, bytes), i, true, &node))
            continue;
        sc = scan_of(node.data);
        if (node.key.len >= MDB_NAME_MAX_BYTES || list->n == MDB_TABLES_MAX ||
            !mdb_tree_scan(&sc, &table.tree) || table.tree.flags != 0 || table.tree.pad != 0 ||
            !mdb_tree_is_possible(&table.tree, file->meta.last_page)) {
            damaged(file, visit, page, "row of a table");
            continue;
        }
        memcpy(table.name, node.key.ptr, node.key.len);
        list->tables[list->n++] = table;
    }
}

static void verify_tree(struct mdb_file *file, const struct walk *how, uint64_t page,
                        const char *what)
{
    AUTO(freep) struct walk *walk = xcalloc(1, sizeof(*walk));

    *walk = *how;
    walk->file = file;
    walk->marks = true;
    walk_run(walk);
    if (!counts_are_right(walk))
        damaged(file, walk->visit, page, what);
}

/* When everything else is marked: where the count in a header is wrong, the pages that it
 * reaches for are others', and stay theirs. */
static void mark_extra(struct mdb_file *file, const struct mdb_visit *visit)
{
    for (size_t i = 0; i < file->n_extra; i++) {
        const struct mdb_run *run = &file->extra[i];

        uint64_t n = 0;

        while (n < run->n && mark(file, run->first + n))
            n++;
        if (n < run->n)
            damaged(file, visit, run->first, "reach of overflow pages");
    }
}

void mdb_file_verify(struct mdb_file *file, enum mdb_depth depth, const struct mdb_visit *visit)
{
    AUTO(freep) struct table_list *list = xcalloc(1, sizeof(*list));
    AUTO(freep) struct walk *how = xcalloc(1, sizeof(*how));
    uint64_t n_free = 0;

    how->visit = visit;
    how->tree = &file->meta.main;
    how->is_main = true;
    verify_tree(file, how, file->meta.main.root, "counts of the main table");
    if (file->meta.main.depth == 1)
        collect_tables(file, visit, file->meta.main.root, list);
    else if (file->meta.main.depth > 1)
        damaged(file, visit, file->meta.main.root, "main table");
    how->is_main = false;
    how->branches_only = depth == MDB_BRANCHES;
    for (size_t i = 0; i < list->n; i++) {
        how->tree = &list->tables[i].tree;
        how->table = slice_from_str(list->tables[i].name);
        verify_tree(file, how, list->tables[i].tree.root, "counts of a table");
    }
    *how = (struct walk){.visit = visit, .tree = &file->meta.free_list, .is_free_list = true};
    verify_tree(file, how, file->meta.free_list.root, "counts of the free list");
    mark_extra(file, visit);
    if (depth != MDB_ALL)
        return;
    for (uint64_t i = FIRST_DATA_PAGE; i <= file->meta.last_page; i++)
        n_free += !is_seen(file, i);
    if (n_free > 0 && file->n_damaged == 0)
        damaged(file, visit, 0, "pages that are neither used nor free");
}

/* Keys of the free list are numbers, others bytes. */
static size_t least_key_behind(char *key, size_t len, bool is_number)
{
    if (!is_number) {
        key[len] = '\0';
        return len + 1;
    }
    for (size_t i = 0; i < len; i++) {
        key[i] = (char) (key[i] + 1);
        if (key[i] != 0) /* no carry */
            break;
    }
    return len;
}

void mdb_file_verify_part(struct mdb_file *file, struct slice table, char *key, size_t *key_len,
                          uint64_t max_bytes, bool *out_is_end, const struct mdb_visit *visit)
{
    AUTO(freep) struct table_list *list = xcalloc(1, sizeof(*list));
    AUTO(freep) struct walk *walk = xcalloc(1, sizeof(*walk));

    *out_is_end = true;
    if (table.len == 0) {
        walk->tree = &file->meta.free_list;
        walk->is_free_list = true;
    } else if (file->meta.main.depth == 1) {
        collect_tables(file, visit, file->meta.main.root, list);
    }
    for (size_t i = 0; i < list->n; i++) {
        if (slice_eq(slice_from_str(list->tables[i].name), table))
            walk->tree = &list->tables[i].tree;
    }
    if (walk->tree == NULL)
        return;
    walk->file = file;
    walk->visit = visit;
    walk->table = table;
    walk->from = slice_of(key, *key_len);
    walk->stop_at = file->bytes_read + max_bytes;
    walk_run(walk);
    if (!walk->is_cut || walk->last.len >= MDB_KEY_MAX_BYTES)
        return;
    memcpy(key, walk->last.bytes, walk->last.len);
    *key_len = least_key_behind(key, walk->last.len, walk->is_free_list);
    *out_is_end = false;
}

/* ---- salvage ---- */

/* The header is not believed: offsets of nodes stand from its end up to where nodes begin, and
 * whether a row is ours its checksum says. */
static void each_row_of(struct walk *walk, const char *page)
{
    size_t least = walk->file->meta.page_bytes;

    for (uint32_t i = 0; MDB_PAGE_HEADER_BYTES + 2 * (size_t) (i + 1) <= least; i++) {
        struct slice value;
        struct mdb_node node;

        if (!mdb_node_from(page_of(walk->file, page), i, true, MDB_PAGE_HEADER_BYTES, &node) ||
            node.key.len == 0 || (node.flags & ~MDB_NODE_OVERFLOW) != 0)
            continue;
        value = node.data;
        if (node.flags == MDB_NODE_OVERFLOW && !read_overflow(walk, &node, &value))
            continue;
        if (walk->visit->row(walk->visit->ctx, (struct slice){0}, node.key, value))
            least = MIN(least, node.offset);
    }
}

void mdb_file_each_orphan(struct mdb_file *file, const struct mdb_visit *visit)
{
    AUTO(freep) struct walk *walk = xcalloc(1, sizeof(*walk));
    AUTO(freep) char *page = xmalloc(file->meta.page_bytes);

    walk->file = file;
    walk->visit = visit;
    for (uint64_t i = FIRST_DATA_PAGE; i < file->n_pages; i++) {
        if (!is_seen(file, i) && read_page(file, i, page))
            each_row_of(walk, page);
    }
    walk_done(walk);
}
