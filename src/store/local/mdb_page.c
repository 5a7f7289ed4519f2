#include "store/local/mdb_page.h"

#define META_MAGIC        0xBEEFC0DEu
#define META_VERSION      1u
#define NODE_HEADER_BYTES 8u
#define PAGE_BYTES_MIN    512u
#define PAGE_BYTES_MAX    65536u
#define FREE_LIST_FLAGS   0x08u   /* MDB_INTEGERKEY */
#define KEPT_FLAGS        0x4000u /* MDB_NOSUBDIR: LMDB keeps how a file was opened first */

struct mdb_page_head mdb_page_head(const char *page)
{
    struct scan sc = scan_of(slice_of(page, MDB_PAGE_HEADER_BYTES));
    struct mdb_page_head head = {0};

    (void) (scan_le64(&sc, &head.number) && scan_le16(&sc, &head.pad) &&
            scan_le16(&sc, &head.flags) && scan_le16(&sc, &head.lower) &&
            scan_le16(&sc, &head.upper));
    head.n_overflow = (uint32_t) head.lower | (uint32_t) head.upper << 16;
    return head;
}

bool mdb_page_count(struct slice page, uint64_t number, uint16_t flags, uint32_t *out)
{
    struct mdb_page_head head = mdb_page_head(page.ptr);

    if (head.number != number || head.flags != flags || head.lower < MDB_PAGE_HEADER_BYTES ||
        head.lower % 2 != 0 || head.lower > head.upper || head.upper > page.len)
        return false;
    *out = (head.lower - MDB_PAGE_HEADER_BYTES) / 2u;
    return true;
}

bool mdb_node_from(struct slice page, uint32_t at, bool is_leaf, size_t least,
                   struct mdb_node *out)
{
    struct scan sc = scan_of(slice_sub(page, MDB_PAGE_HEADER_BYTES + 2 * (size_t) at, 2));
    uint16_t offset, lo, hi, key_len;
    struct mdb_node node = {0};
    size_t in_page;

    if (!scan_le16(&sc, &offset) || offset < least)
        return false;
    sc = scan_of(slice_from(page, offset));
    if (!scan_le16(&sc, &lo) || !scan_le16(&sc, &hi) || !scan_le16(&sc, &node.flags) ||
        !scan_le16(&sc, &key_len) || key_len > MDB_KEY_MAX_BYTES ||
        !scan_take(&sc, key_len, &node.key))
        return false;
    if (is_leaf) {
        node.data_len = (uint64_t) lo | (uint64_t) hi << 16;
        in_page = node.flags & MDB_NODE_OVERFLOW ? sizeof(uint64_t) : (size_t) node.data_len;
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

bool mdb_node_at(struct slice page, uint32_t at, bool is_leaf, struct mdb_node *out)
{
    return mdb_node_from(page, at, is_leaf, mdb_page_head(page.ptr).upper, out);
}

bool mdb_page_is_filled(struct slice page, uint32_t n, bool is_leaf)
{
    size_t sum = 0;

    for (uint32_t i = 0; i < n; i++) {
        struct mdb_node node;

        if (!mdb_node_at(page, i, is_leaf, &node))
            return false;
        sum += node.bytes;
    }
    return sum == page.len - mdb_page_head(page.ptr).upper;
}

bool mdb_tree_scan(struct scan *sc, struct mdb_tree *out)
{
    return scan_le32(sc, &out->pad) && scan_le16(sc, &out->flags) &&
           scan_le16(sc, &out->depth) && scan_le64(sc, &out->branch_pages) &&
           scan_le64(sc, &out->leaf_pages) && scan_le64(sc, &out->overflow_pages) &&
           scan_le64(sc, &out->entries) && scan_le64(sc, &out->root);
}

bool mdb_tree_is_possible(const struct mdb_tree *tree, uint64_t last_page)
{
    if (tree->depth > MDB_TREE_DEPTH_MAX)
        return false;
    return tree->root == MDB_NO_PAGE ? tree->depth == 0 && tree->entries == 0
                                     : tree->depth > 0 && tree->root <= last_page;
}

bool mdb_meta_parse(struct slice page, uint64_t number, struct mdb_meta *out)
{
    struct mdb_page_head head = mdb_page_head(page.ptr);
    struct scan sc = scan_of(slice_from(page, MDB_PAGE_HEADER_BYTES));
    uint32_t magic, version;
    uint64_t address, map_bytes;

    if (head.number != number || head.flags != MDB_PAGE_META || !scan_le32(&sc, &magic) ||
        magic != META_MAGIC || !scan_le32(&sc, &version) || version != META_VERSION ||
        !scan_le64(&sc, &address) || !scan_le64(&sc, &map_bytes) ||
        !mdb_tree_scan(&sc, &out->free_list) || !mdb_tree_scan(&sc, &out->main) ||
        !scan_le64(&sc, &out->last_page) || !scan_le64(&sc, &out->txnid))
        return false;
    out->page_bytes = out->free_list.pad;
    return out->page_bytes >= PAGE_BYTES_MIN && out->page_bytes <= PAGE_BYTES_MAX &&
           (out->page_bytes & (out->page_bytes - 1)) == 0 &&
           (out->free_list.flags & ~KEPT_FLAGS) == FREE_LIST_FLAGS && out->main.flags == 0;
}
