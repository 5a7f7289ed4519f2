#include "search/forest.h"

#include <stdbool.h>
#include <stdlib.h>

void forest_init(struct forest *forest, uint32_t n)
{
    size_t nodes = (size_t) n + 1;

    *forest = (struct forest){
        .up = xcalloc(nodes, sizeof(uint32_t)),
        .left = xcalloc(nodes, sizeof(uint32_t)),
        .right = xcalloc(nodes, sizeof(uint32_t)),
    };
}

void forest_done(struct forest *forest)
{
    free(forest->up);
    free(forest->left);
    free(forest->right);
    *forest = (struct forest){0};
}

/* Root of its path's splay tree: what is above it then is the path its own hangs from. */
static bool is_top(const struct forest *f, uint32_t x)
{
    uint32_t up = f->up[x];

    return up == 0 || (f->left[up] != x && f->right[up] != x);
}

static void rotate(struct forest *f, uint32_t x)
{
    uint32_t p = f->up[x], above = f->up[p], inner;
    bool p_is_top = is_top(f, p);

    if (f->left[p] == x) {
        inner = f->right[x];
        f->left[p] = inner;
        f->right[x] = p;
    } else {
        inner = f->left[x];
        f->right[p] = inner;
        f->left[x] = p;
    }
    if (inner != 0)
        f->up[inner] = p;
    f->up[p] = x;
    f->up[x] = above;
    if (p_is_top)
        return;
    if (f->left[above] == p)
        f->left[above] = x;
    else
        f->right[above] = x;
}

static void splay(struct forest *f, uint32_t x)
{
    while (!is_top(f, x)) {
        uint32_t p = f->up[x];

        if (!is_top(f, p)) {
            bool same_side = (f->left[p] == x) == (f->left[f->up[p]] == p);

            rotate(f, same_side ? p : x);
        }
        rotate(f, x);
    }
}

/* The path from the root of the tree to x becomes one splay tree with x at its top. */
static void expose(struct forest *f, uint32_t x)
{
    uint32_t below = 0;

    for (uint32_t at = x; at != 0; at = f->up[at]) {
        splay(f, at);
        f->right[at] = below;
        below = at;
    }
    splay(f, x);
}

void forest_link(struct forest *forest, uint32_t root, uint32_t parent)
{
    expose(forest, root);
    expose(forest, parent);
    forest->up[root] = parent;
}

void forest_cut(struct forest *forest, uint32_t node)
{
    uint32_t above;

    expose(forest, node);
    above = forest->left[node];
    forest->up[above] = 0;
    forest->left[node] = 0;
}

uint32_t forest_root(struct forest *forest, uint32_t node)
{
    uint32_t root = node;

    expose(forest, node);
    while (forest->left[root] != 0)
        root = forest->left[root];
    splay(forest, root);
    return root;
}
