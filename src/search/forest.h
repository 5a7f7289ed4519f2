/*
 * forest.h - trees that grow together and are cut apart, and the question which tree a node is
 * in.
 *
 * Each step takes O(log n) amortised, whatever the order and however deep the trees are: a
 * link-cut forest (Sleator and Tarjan, 1983) without the turning of trees. Each tree is a set
 * of paths, and each path a splay tree, by depth.
 */
#ifndef ROOST_SEARCH_FOREST_H
#define ROOST_SEARCH_FOREST_H

#include "base/err.h"

/* Nodes are 1..n; 0 is none. */
struct forest {
    uint32_t *up, *left, *right;
};

void forest_init(struct forest *forest, uint32_t n);
void forest_done(struct forest *forest);
/* root is the root of its tree, and parent is in another one. */
void forest_link(struct forest *forest, uint32_t root, uint32_t parent);
/* From its parent, which it has. */
void forest_cut(struct forest *forest, uint32_t node);
uint32_t forest_root(struct forest *forest, uint32_t node);

#endif
