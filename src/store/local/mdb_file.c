/*
 * mdb_file.c - meta pages, trees, overflow runs and the free list of LMDB's file.
 *
 * Numbers are the machine's in LMDB's file; Roost's machines are little-endian, and a file of
 * another has a magic that is not ours.
 *
 * One walk serves three purposes: the check of everything at start, the scrubber's check of a
 * part, and the salvage of rows, which goes on behind what is damaged.
 */
#include "store/local/mdb_file.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scan.h"

#define META_MAGIC        0xBEEFC0DEu
#define META_VERSION      1u
#define PAGE_HEADER_BYTES 16u
#define NODE_HEADER_BYTES 8u
#define TREE_BYTES        48u
#define PAGE_BYTES_MIN    512u
#define PAGE_BYTES_MAX    65536u
#define NO_PAGE           UINT64_MAX
#define FIRST_DATA_PAGE   2u
#define PAGES_UNWRITTEN   65536u  /* at the end: given to a transaction and not used by it */
#define FREE_LIST_FLAGS   0x08u   /* MDB_INTEGERKEY */
#define KEPT_FLAGS        0x4000u /* MDB_NOSUBDIR: LMDB keeps how a file was opened first */
#define VALUE_MAX_BYTES   ((uint64_t) 1 << 30)

enum page_flags { PAGE_BRANCH = 1, PAGE_LEAF = 2, PAGE_OVERFLOW = 4, PAGE_META = 8 };
enum node_flags { NODE_OVERFLOW = 1, NODE_TREE = 2 };

struct node {
    uint16_t flags;
    struct slice key,
        data;             /* data: of a leaf's node; the overflow page's number if it has one */
    uint64_t data_len;    /* also where it lies in overflow pages */
    uint64_t child;       /* of a branch's node */
    size_t bytes, offset; /* in the page; bytes rounded up */
};

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

/* ---- pages as bytes ---- */

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

struct page_head {
    uint64_t number;
    uint16_t pad, flags, lower, upper;
    uint32_t n_overflow;
};

static struct page_head page_head(const char *page)
{
    struct scan sc = scan_of(slice_of(page, PAGE_HEADER_BYTES));
    struct page_head head = {0};

    (void) (scan_le64(&sc, &head.number) && scan_le16(&sc, &head.pad) &&
            scan_le16(&sc, &head.flags) && scan_le16(&sc, &head.lower) &&
            scan_le16(&sc, &head.upper));
    head.n_overflow = (uint32_t) head.lower | (uint32_t) head.upper << 16;
    return head;
}

/* The number of nodes of a branch or leaf, if its header can be one. */
static bool page_count(const struct mdb_file *file, const char *page, uint64_t number,
                       uint16_t flags, uint32_t *out)
{
    struct page_head head = page_head(page);

    if (head.number != number || head.flags != flags || head.lower < PAGE_HEADER_BYTES ||
        head.lower % 2 != 0 || head.lower > head.upper || head.upper > file->meta.page_bytes)
        return false;
    *out = (head.lower - PAGE_HEADER_BYTES) / 2u;
    return true;
}

/* Node number `at`, if it lies wholly in the page and not below `least`. */
static bool node_from(const struct mdb_file *file, const char *page, uint32_t at, bool is_leaf,
                      size_t least, struct node *out)
{
    struct slice whole = slice_of(page, file->meta.page_bytes);
    struct scan sc = scan_of(slice_sub(whole, PAGE_HEADER_BYTES + 2 * (size_t) at, 2));
    uint16_t offset, lo, hi, key_len;
    struct node node = {0};
    size_t in_page;

    if (!scan_le16(&sc, &offset) || offset < least)
        return false;
    sc = scan_of(slice_from(whole, offset));
    if (!scan_le16(&sc, &lo) || !scan_le16(&sc, &hi) || !scan_le16(&sc, &node.flags) ||
        !scan_le16(&sc, &key_len) || key_len > MDB_KEY_MAX_BYTES ||
        !scan_take(&sc, key_len, &node.key))
        return false;
    if (is_leaf) {
        node.data_len = (uint64_t) lo | (uint64_t) hi << 16;
        in_page = node.flags & NODE_OVERFLOW ? sizeof(uint64_t) : (size_t) node.data_len;
        if (!scan_take(&sc, in_page, &node.data))
            return false;
    } else {
        in_page = 0;
        node.child = (uint64_t) lo | (uint64_t) hi << 16 | (uint64_t) node.flags << 32;
    }
    node.bytes = (NODE_HEADER_BYTES + key_len + in_page + 1) & ~(size_t) 1;
    node.offset = offset;
    *out = node;
    return true;
}

static bool node_at(const struct mdb_file *file, const char *page, uint32_t at, bool is_leaf,
                    struct node *out)
{
    return node_from(file, page, at, is_leaf, page_head(page).upper, out);
}

/* Nodes parse, and fill the page from `upper` to its end to the byte. */
static bool page_is_filled(const struct mdb_file *file, const char *page, uint32_t n,
                           bool is_leaf)
{
    size_t sum = 0;

    for (uint32_t i = 0; i < n; i++) {
        struct node node;

        if (!node_at(file, page, i, is_leaf, &node))
            return false;
        sum += node.bytes;
    }
    return sum == file->meta.page_bytes - page_head(page).upper;
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

static bool scan_tree(struct scan *sc, struct mdb_tree *out)
{
    return scan_le32(sc, &out->pad) && scan_le16(sc, &out->flags) &&
           scan_le16(sc, &out->depth) && scan_le64(sc, &out->branch_pages) &&
           scan_le64(sc, &out->leaf_pages) && scan_le64(sc, &out->overflow_pages) &&
           scan_le64(sc, &out->entries) && scan_le64(sc, &out->root);
}

static bool tree_is_possible(const struct mdb_tree *tree, uint64_t last_page)
{
    if (tree->depth > MDB_TREE_DEPTH_MAX)
        return false;
    return tree->root == NO_PAGE ? tree->depth == 0 && tree->entries == 0
                                 : tree->depth > 0 && tree->root <= last_page;
}

static bool meta_parse(struct slice page, uint64_t number, struct mdb_meta *out)
{
    struct page_head head = page_head(page.ptr);
    struct scan sc = scan_of(slice_from(page, PAGE_HEADER_BYTES));
    uint32_t magic, version;
    uint64_t address, map_bytes;

    if (head.number != number || head.flags != PAGE_META || !scan_le32(&sc, &magic) ||
        magic != META_MAGIC || !scan_le32(&sc, &version) || version != META_VERSION ||
        !scan_le64(&sc, &address) || !scan_le64(&sc, &map_bytes) ||
        !scan_tree(&sc, &out->free_list) || !scan_tree(&sc, &out->main) ||
        !scan_le64(&sc, &out->last_page) || !scan_le64(&sc, &out->txnid))
        return false;
    out->page_bytes = out->free_list.pad;
    return out->page_bytes >= PAGE_BYTES_MIN && out->page_bytes <= PAGE_BYTES_MAX &&
           (out->page_bytes & (out->page_bytes - 1)) == 0 &&
           (out->free_list.flags & ~KEPT_FLAGS) == FREE_LIST_FLAGS && out->main.flags == 0;
}

/* A transaction writes the meta page of its number's parity; a new file has 0 in both. */
static bool meta_is_sound(const struct mdb_file *file, const struct mdb_meta *meta,
                          uint64_t number)
{
    return meta->page_bytes == file->meta.page_bytes &&
           (meta->txnid == 0 || meta->txnid % 2 == number) && meta->last_page >= 1 &&
           meta->last_page < file->n_pages + PAGES_UNWRITTEN &&
           tree_is_possible(&meta->free_list, meta->last_page) &&
           tree_is_possible(&meta->main, meta->last_page);
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
    char page[PAGE_HEADER_BYTES + 24 + 2 * TREE_BYTES + 16];
    uint32_t page_bytes = (uint32_t) sysconf(_SC_PAGESIZE);

    for (uint64_t i = 0; i < 2; i++) {
        good[i] = read_bytes(file, page, sizeof(page), i * page_bytes) &&
                  meta_parse(slice_of(page, sizeof(page)), i, &metas[i]);
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
    struct page_head head = page_head(walk->value);
    struct mdb_file *file = walk->file;

    if (head.number == first && head.flags == PAGE_OVERFLOW && head.n_overflow >= need &&
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
static bool read_overflow(struct walk *walk, const struct node *node, struct slice *out)
{
    struct mdb_file *file = walk->file;
    struct scan sc = scan_of(node->data);
    uint64_t first, need;
    size_t len;

    if (!scan_le64(&sc, &first) || node->data_len > VALUE_MAX_BYTES || first < FIRST_DATA_PAGE)
        return false;
    need = (PAGE_HEADER_BYTES - 1 + node->data_len) / file->meta.page_bytes + 1;
    if (first >= file->n_pages || need > file->n_pages - first)
        return false;
    len = PAGE_HEADER_BYTES + (size_t) node->data_len;
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
    *out = slice_of(walk->value + PAGE_HEADER_BYTES, (size_t) node->data_len);
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

static bool take_row(struct walk *walk, const struct node *node)
{
    struct slice value = node->data;
    const struct mdb_visit *visit = walk->visit;

    if (walk->is_main)
        return node->flags == NODE_TREE && value.len == TREE_BYTES;
    if ((node->flags & ~NODE_OVERFLOW) != 0)
        return false;
    if (node->flags == NODE_OVERFLOW && !read_overflow(walk, node, &value))
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
        struct node node;

        if (!node_at(walk->file, level->page, i, true, &node) || node.key.len == 0) {
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
        struct node node;

        if (node_at(walk->file, level->page, i, false, &node) &&
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
    uint16_t flags = is_leaf ? PAGE_LEAF : PAGE_BRANCH;

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
        !page_count(file, level->page, number, flags, &level->n)) {
        damaged(file, walk->visit, number, is_leaf ? "leaf page" : "branch page");
        if (walk->marks)
            unmark(file, number); /* its rows may be salvaged as an orphan's */
        return;
    }
    if (!page_is_filled(file, level->page, level->n, is_leaf) || (!is_leaf && level->n < 2)) {
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
    struct node node;

    if (!node_at(walk->file, level->page, at, false, &node)) {
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
    if (walk->tree->root != NO_PAGE)
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

    if (!read_page(file, page, bytes) || !page_count(file, bytes, page, PAGE_LEAF, &n))
        return; /* told by the walk over the main tree */
    for (uint32_t i = 0; i < n; i++) {
        struct table table = {.name = {0}};
        struct node node;
        struct scan sc;

        if (!node_at(file, bytes, i, true, &node))
            continue;
        sc = scan_of(node.data);
        if (node.key.len >= MDB_NAME_MAX_BYTES || list->n == MDB_TABLES_MAX ||
            !scan_tree(&sc, &table.tree) || table.tree.flags != 0 || table.tree.pad != 0 ||
            !tree_is_possible(&table.tree, file->meta.last_page)) {
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

    for (uint32_t i = 0; PAGE_HEADER_BYTES + 2 * (size_t) (i + 1) <= least; i++) {
        struct slice value;
        struct node node;

        if (!node_from(walk->file, page, i, true, PAGE_HEADER_BYTES, &node) ||
            node.key.len == 0 || (node.flags & ~NODE_OVERFLOW) != 0)
            continue;
        value = node.data;
        if (node.flags == NODE_OVERFLOW && !read_overflow(walk, &node, &value))
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
