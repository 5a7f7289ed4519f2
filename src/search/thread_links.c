#include "search/thread_links.h"

#include "search/forest.h"

struct linker {
    struct thread_links *links;
    struct forest forest;
    bool *has_child; /* some node was linked below it once */
};

/* Would parent stand below child? A node that never had a child has nobody below it. */
static bool makes_loop(struct linker *linker, uint32_t parent, uint32_t child)
{
    if (parent == child)
        return true;
    return linker->has_child[child] && forest_root(&linker->forest, parent) == child;
}

/* child has no parent. */
static void link_nodes(struct linker *linker, uint32_t parent, uint32_t child)
{
    if (makes_loop(linker, parent, child))
        return;
    forest_link(&linker->forest, child, parent);
    linker->links->parent[child] = parent;
    linker->has_child[parent] = true;
}

/* Step 1.A: each reference is the parent of the next, unless that one has a parent. */
static void link_references(struct linker *linker, const uint32_t *nodes, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        if (linker->links->parent[nodes[i]] == 0)
            link_nodes(linker, nodes[i - 1], nodes[i]);
}

/* Step 1.B: what the message itself says of its parent counts. */
static void link_message(struct linker *linker, uint32_t node, uint32_t parent)
{
    if (linker->links->parent[node] != 0) {
        if (linker->links->parent[node] == parent)
            return;
        forest_cut(&linker->forest, node);
        linker->links->parent[node] = 0;
    }
    if (parent != 0)
        link_nodes(linker, parent, node);
}

/* The node of a message: its Message-ID's, unless it has none, or an earlier message owns it.
 */
static uint32_t own_node(struct thread_links *links, uint32_t message, uint32_t id,
                         uint32_t *unique)
{
    uint32_t node = id != 0 && links->owner[id] == 0 ? id : (*unique)++;

    links->owner[node] = message + 1;
    links->node[message] = node;
    return node;
}

/* Both steps, message by message. */
static void link_all(struct linker *linker, const struct key_rows *rows,
                     const struct key_numbers *ids)
{
    uint32_t line[KEY_REFERENCES_MAX], unique = ids->n + 1;

    for (uint32_t i = 0; i < rows->n; i++) {
        const struct key_segment *segment = key_segment_of(rows, i);
        const uint32_t *numbers = ids->at + ids->base[rows->places[i].segment];
        uint32_t row = rows->places[i].row, id = segment->message_id[row];
        const uint32_t *references = segment->references + segment->reference_at[row];
        uint32_t n = segment->n_references[row];
        uint32_t node = own_node(linker->links, i, id == KEY_NO_ID ? 0 : numbers[id], &unique);

        for (uint32_t k = 0; k < n; k++)
            line[k] = numbers[references[k]];
        link_references(linker, line, n);
        link_message(linker, node, n > 0 ? line[n - 1] : 0);
    }
}

void thread_links_make(const struct key_rows *rows, struct thread_links *out)
{
    bool ids_are_own;
    const struct key_numbers *ids = key_rows_ids(rows, &ids_are_own);
    size_t nodes = (size_t) ids->n + rows->n + 1;
    AUTO(freep) bool *has_child = xcalloc(nodes, sizeof(*has_child));
    AUTO(freep) void *own = NULL;
    struct linker linker = {.links = out, .has_child = has_child};

    if (ids_are_own)
        memcpy(&own, &ids, sizeof(own));
    *out = (struct thread_links){
        .n_nodes = (uint32_t) nodes - 1,
        .parent = xcalloc(nodes, sizeof(uint32_t)),
        .owner = xcalloc(nodes, sizeof(uint32_t)),
        .node = xcalloc((size_t) rows->n + 1, sizeof(uint32_t)),
    };
    forest_init(&linker.forest, out->n_nodes);
    link_all(&linker, rows, ids);
    forest_done(&linker.forest);
}

void thread_links_done(struct thread_links *links)
{
    free(links->parent);
    free(links->owner);
    free(links->node);
    *links = (struct thread_links){0};
}
