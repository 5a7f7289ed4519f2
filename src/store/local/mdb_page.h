/*
 * mdb_page.h - one page of LMDB 0.9's data file as bytes: its header, its nodes, and what a
 * meta page says. Pure; nothing is believed that does not lie in the page.
 *
 * Numbers are the machine's in LMDB's file; Roost's machines are little-endian, and a file of
 * another has a magic that is not ours.
 *
 * Memory: slices of a node are of the page that it was read from.
 */
#ifndef ROOST_STORE_LOCAL_MDB_PAGE_H
#define ROOST_STORE_LOCAL_MDB_PAGE_H

#include "base/scan.h"

#define MDB_KEY_MAX_BYTES     511u
#define MDB_TREE_DEPTH_MAX    32u /* LMDB's own cursor stack */
#define MDB_PAGE_HEADER_BYTES 16u
#define MDB_TREE_BYTES        48u
#define MDB_META_BYTES        (MDB_PAGE_HEADER_BYTES + 24u + 2u * MDB_TREE_BYTES + 16u)
#define MDB_NO_PAGE           UINT64_MAX /* the root of an empty tree */

enum mdb_page_flags {
    MDB_PAGE_BRANCH = 1,
    MDB_PAGE_LEAF = 2,
    MDB_PAGE_OVERFLOW = 4,
    MDB_PAGE_META = 8
};
enum mdb_node_flags { MDB_NODE_OVERFLOW = 1, MDB_NODE_TREE = 2 };

struct mdb_page_head {
    uint64_t number;
    uint16_t pad, flags, lower, upper;
    uint32_t n_overflow; /* pages of a value; in the place of lower and upper */
};

struct mdb_node {
    uint16_t flags;
    struct slice key,
        data;             /* data: of a leaf's node; the overflow page's number if it has one */
    uint64_t data_len;    /* also where it lies in overflow pages */
    uint64_t child;       /* of a branch's node */
    size_t bytes, offset; /* in the page; bytes rounded up */
};

/* One B-tree, as a meta page or a row of the main table has it. */
struct mdb_tree {
    uint32_t pad;
    uint16_t flags, depth;
    uint64_t branch_pages, leaf_pages, overflow_pages, entries, root;
};

struct mdb_meta {
    uint32_t page_bytes;
    struct mdb_tree free_list, main;
    uint64_t last_page, txnid;
};

/* Of MDB_PAGE_HEADER_BYTES at least. */
struct mdb_page_head mdb_page_head(const char *page);

/* The number of nodes of a branch or leaf, if the header can be that of page `number`. */
bool mdb_page_count(struct slice page, uint64_t number, uint16_t flags, uint32_t *out);

/* Node number `at`, if it lies wholly in the page and not below `least`. */
bool mdb_node_from(struct slice page, uint32_t at, bool is_leaf, size_t least,
                   struct mdb_node *out);
/* The same with what the header says is the least. */
bool mdb_node_at(struct slice page, uint32_t at, bool is_leaf, struct mdb_node *out);

/* Its n nodes parse, and fill the page from `upper` to its end to the byte. */
bool mdb_page_is_filled(struct slice page, uint32_t n, bool is_leaf);

bool mdb_tree_scan(struct scan *sc, struct mdb_tree *out);
bool mdb_tree_is_possible(const struct mdb_tree *tree, uint64_t last_page);

/* MDB_META_BYTES of page 0 or 1. False: it is no meta page of a file of ours. */
bool mdb_meta_parse(struct slice page, uint64_t number, struct mdb_meta *out);

#endif
