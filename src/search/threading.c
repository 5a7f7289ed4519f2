#include "search/threading.h"

#include "search/sort_items.h"
#include "search/sort_order.h"
#include "search/thread_links.h"

/*
 * Threads being made. A message has a parent that is a message, or belongs to a group (the
 * children of a dummy under the root), or stands under the root itself.
 */
struct threads {
    const struct key_rows *rows;
    uint32_t n;
    uint32_t *order;  /* messages by sent date, those of one in mailbox order */
    uint32_t *parent; /* of a message: another, from 1; 0: none */
    uint32_t *group;  /* of a message without parent: from 1; 0: none */
    uint32_t *joined; /* of a group: the one it went into; 0: none */
    uint32_t n_groups;
};

static const struct sort_rule by_sent = {.by = SORT_BY_SENT};

static void threads_start(struct threads *threads, const struct key_rows *rows)
{
    size_t n = (size_t) rows->n + 1;

    *threads = (struct threads){
        .rows = rows,
        .n = rows->n,
        .order = xcalloc(n, sizeof(uint32_t)),
        .parent = xcalloc(n, sizeof(uint32_t)),
        .group = xcalloc(n, sizeof(uint32_t)),
        .joined = xcalloc(n, sizeof(uint32_t)), /* a group has two messages at least */
    };
    sort_order(rows, &by_sent, 1, threads->order);
}

static void threads_done(struct threads *threads)
{
    free(threads->order);
    free(threads->parent);
    free(threads->group);
    free(threads->joined);
}

static uint32_t group_of(const struct threads *threads, uint32_t message)
{
    uint32_t group = threads->group[message];

    return threads->joined[group] != 0 ? threads->joined[group] : group;
}

/* ---- REFERENCES, steps 2 and 3: dummies go, their children stay ---- */

/*
 * The nearest node above a dummy that is a message; else the highest dummy. Each dummy that was
 * passed is linked to the answer, so that the next one finds it at once.
 */
static uint32_t anchor_of(struct thread_links *links, uint32_t node)
{
    uint32_t anchor = node;

    while (links->owner[anchor] == 0 && links->parent[anchor] != 0)
        anchor = links->parent[anchor];
    while (node != anchor) {
        uint32_t above = links->parent[node];

        links->parent[node] = anchor;
        node = above;
    }
    return anchor;
}

/* Under the highest dummy: a group if there are several, else the one goes up to the root. */
static void take_dummies_out(struct threads *threads, struct thread_links *links)
{
    AUTO(freep) uint32_t *children = xcalloc((size_t) links->n_nodes + 1, sizeof(*children));
    AUTO(freep) uint32_t *group = xcalloc((size_t) links->n_nodes + 1, sizeof(*group));
    AUTO(freep) uint32_t *anchor = xcalloc((size_t) threads->n + 1, sizeof(*anchor));

    for (uint32_t i = 0; i < threads->n; i++) {
        uint32_t above = links->parent[links->node[i]];

        if (above == 0)
            continue;
        anchor[i] = anchor_of(links, above);
        threads->parent[i] = links->owner[anchor[i]];
        children[anchor[i]]++;
    }
    for (uint32_t i = 0; i < threads->n; i++) {
        if (anchor[i] == 0 || threads->parent[i] != 0 || children[anchor[i]] == 1)
            continue;
        if (group[anchor[i]] == 0)
            group[anchor[i]] = ++threads->n_groups;
        threads->group[i] = group[anchor[i]];
    }
}

/* ---- steps 4 and 5: threads of one subject come together ---- */

/* What stands under the root: a message (from 1), or a group. */
struct root {
    uint32_t message, group; /* message: of a group its first */
};

struct subjects {
    struct threads *threads;
    const uint32_t *ranks;
    struct root *roots; /* by the sent date of the first message */
    uint32_t n_roots;
    struct root *table; /* by rank of the subject; message 0: none yet */
};

static uint32_t subject_of(const struct subjects *subjects, struct root root)
{
    return subjects->ranks[root.message - 1];
}

static bool is_reply(const struct subjects *subjects, struct root root)
{
    const struct key_rows *rows = subjects->threads->rows;
    uint32_t row = rows->places[root.message - 1].row;

    return (key_segment_of(rows, root.message - 1)->flags[row] & KEY_IS_REPLY) != 0;
}

/* Step 4. A group comes with its first message. */
static void find_roots(struct subjects *subjects)
{
    const struct threads *threads = subjects->threads;
    AUTO(freep) bool *seen = xcalloc((size_t) threads->n_groups + 1, sizeof(*seen));

    for (uint32_t i = 0; i < threads->n; i++) {
        uint32_t message = threads->order[i], group = threads->group[message];

        if (threads->parent[message] != 0 || (group != 0 && seen[group]))
            continue;
        seen[group] = true;
        subjects->roots[subjects->n_roots++] = (struct root){message + 1, group};
    }
}

/* Step 5.B.iv */
static bool goes_before(const struct subjects *subjects, struct root root, struct root there)
{
    if (there.message == 0)
        return true;
    return there.group == 0 &&
           (root.group != 0 || (is_reply(subjects, there) && !is_reply(subjects, root)));
}

static void fill_table(struct subjects *subjects)
{
    for (uint32_t i = 0; i < subjects->n_roots; i++) {
        uint32_t subject = subject_of(subjects, subjects->roots[i]);

        if (subject != KEY_NO_TEXT &&
            goes_before(subjects, subjects->roots[i], subjects->table[subject]))
            subjects->table[subject] = subjects->roots[i];
    }
}

/* Step 5.C, the second half: root is neither there nor the same. */
static void merge(struct subjects *subjects, struct root root, struct root *there)
{
    struct threads *threads = subjects->threads;

    if (root.group != 0) {
        threads->joined[root.group] = there->group;
    } else if (there->group != 0) {
        threads->group[root.message - 1] = there->group;
    } else if (is_reply(subjects, root) && !is_reply(subjects, *there)) {
        threads->parent[root.message - 1] = there->message;
    } else {
        there->group = ++threads->n_groups;
        threads->group[there->message - 1] = there->group;
        threads->group[root.message - 1] = there->group;
    }
}

static bool is_same(struct root a, struct root b)
{
    return a.group != 0 ? a.group == b.group : a.message == b.message;
}

/* Where the table has a dummy, it is a group, and so is whatever of that subject is one: a
 * group never meets a message in the table (step 5.B.iv). */
static void gather_subjects(struct threads *threads)
{
    uint32_t n_ranks;
    AUTO(freep)
    uint32_t *ranks = key_rows_ranks(threads->rows, KEY_TEXT_SUBJECT, &n_ranks);
    AUTO(freep) struct root *roots = xcalloc((size_t) threads->n + 1, sizeof(*roots));
    AUTO(freep) struct root *table = xcalloc((size_t) n_ranks + 1, sizeof(*table));
    struct subjects subjects = {
        .threads = threads, .ranks = ranks, .roots = roots, .table = table};

    find_roots(&subjects);
    fill_table(&subjects);
    for (uint32_t i = 0; i < subjects.n_roots; i++) {
        uint32_t subject = subject_of(&subjects, roots[i]);

        if (subject != KEY_NO_TEXT && !is_same(roots[i], table[subject]))
            merge(&subjects, roots[i], &table[subject]);
    }
}

/* ---- step 6: siblings in their order ---- */

/* Appends to lists: last[0] is that of the root. */
static void append(struct thread_tree *tree, uint32_t *last, uint32_t above, uint32_t node)
{
    if (last[above] != 0)
        tree->next[last[above]] = node;
    else if (above != 0)
        tree->first_child[above] = node;
    else
        tree->first_root = node;
    last[above] = node;
}

/* Messages by sent date: so each list of siblings is in order, and a group stands where its
 * first message does. */
static void build_tree(const struct threads *threads, struct thread_tree *out)
{
    size_t nodes = (size_t) threads->n + threads->n_groups + 1;
    AUTO(freep) uint32_t *last = xcalloc(nodes, sizeof(*last));
    struct thread_tree tree = {
        .n = threads->n,
        .n_nodes = (uint32_t) nodes - 1,
        .first_child = xcalloc(nodes, sizeof(uint32_t)),
        .next = xcalloc(nodes, sizeof(uint32_t)),
    };

    for (uint32_t i = 0; i < threads->n; i++) {
        uint32_t message = threads->order[i], above = threads->parent[message];
        uint32_t group = above == 0 ? group_of(threads, message) : 0;

        if (group != 0) {
            above = threads->n + group;
            if (last[above] == 0)
                append(&tree, last, 0, above);
        }
        append(&tree, last, above, message + 1);
    }
    *out = tree;
}

void thread_tree_done(struct thread_tree *tree)
{
    free(tree->first_child);
    free(tree->next);
    *tree = (struct thread_tree){0};
}

/* ---- REFS: threads by their newest message ---- */

/* The root node each message is under: siblings first, then their children. */
static uint64_t newest_below(const struct threads *threads, const struct thread_tree *tree,
                             uint32_t root, uint32_t *stack)
{
    uint64_t newest = 0;
    size_t depth = 0;

    stack[depth++] = root;
    while (depth > 0) {
        uint32_t node = stack[--depth];

        if (node <= threads->n)
            newest = MAX(newest, sort_key_signed(threads->rows->arrival[node - 1]));
        for (uint32_t child = tree->first_child[node]; child != 0; child = tree->next[child])
            stack[depth++] = child;
    }
    return newest;
}

static void order_by_newest(const struct threads *threads, struct thread_tree *tree)
{
    size_t nodes = (size_t) tree->n_nodes + 1;
    AUTO(freep) struct sort_item *items = xmalloc(nodes * sizeof(*items));
    AUTO(freep) struct sort_item *room = xmalloc(nodes * sizeof(*room));
    AUTO(freep) uint32_t *stack = xcalloc(nodes, sizeof(*stack));
    size_t n = 0;

    for (uint32_t root = tree->first_root; root != 0; root = tree->next[root])
        items[n++] = (struct sort_item){newest_below(threads, tree, root, stack), root};
    sort_items(items, room, n);
    for (size_t i = 0; i < n; i++)
        tree->next[items[i].at] = i + 1 < n ? items[i + 1].at : 0;
    tree->first_root = n > 0 ? items[0].at : 0;
}

/* ---- ORDEREDSUBJECT ---- */

/* The first message of a subject is the parent of all others of it. */
static void thread_by_subject(struct threads *threads)
{
    uint32_t n_ranks;
    AUTO(freep)
    uint32_t *ranks = key_rows_ranks(threads->rows, KEY_TEXT_SUBJECT, &n_ranks);
    AUTO(freep) uint32_t *first = xcalloc((size_t) n_ranks + 1, sizeof(*first));

    for (uint32_t i = 0; i < threads->n; i++) {
        uint32_t message = threads->order[i], subject = ranks[message];

        if (first[subject] == 0)
            first[subject] = message + 1;
        else
            threads->parent[message] = first[subject];
    }
}

static void thread_by_references(struct threads *threads)
{
    struct thread_links links;

    thread_links_make(threads->rows, &links);
    take_dummies_out(threads, &links);
    thread_links_done(&links);
}

void thread_make(enum threading how, const struct key_rows *rows, struct thread_tree *out)
{
    struct threads threads;

    threads_start(&threads, rows);
    switch (how) {
    case THREADING_ORDEREDSUBJECT:
        thread_by_subject(&threads);
        break;
    case THREADING_REFERENCES:
        thread_by_references(&threads);
        gather_subjects(&threads);
        break;
    case THREADING_REFS:
        thread_by_references(&threads);
        break;
    }
    build_tree(&threads, out);
    if (how == THREADING_REFS)
        order_by_newest(&threads, out);
    threads_done(&threads);
}

/* ---- printing ---- */

/*
 * A stack of what is still to be said: a node, or 0 for the end of a list. A node with one
 * child goes on in its list, one with several opens a list for each.
 */
static void print_thread(const struct thread_tree *tree, const uint32_t *numbers, uint32_t root,
                         uint32_t *stack, struct buf *out)
{
    size_t depth = 0;
    uint32_t node = root;
    bool first = true;

    buf_byte(out, '(');
    for (;;) {
        uint32_t child = tree->first_child[node];

        if (node <= tree->n) {
            if (!first)
                buf_byte(out, ' ');
            buf_u64(out, numbers[node - 1]);
            first = false;
        }
        if (child != 0 && tree->next[child] == 0) {
            node = child;
            continue;
        }
        if (child != 0) {
            if (!first)
                buf_byte(out, ' ');
            stack[depth++] = child;
        } else {
            buf_byte(out, ')');
        }
        while (depth > 0 && stack[depth - 1] == 0) { /* that list has ended */
            buf_byte(out, ')');
            depth--;
        }
        if (depth == 0)
            return;
        node = stack[depth - 1];
        stack[depth - 1] = tree->next[node];
        buf_byte(out, '(');
        first = true;
    }
}

void thread_print(const struct thread_tree *tree, const uint32_t *numbers, struct buf *out)
{
    AUTO(freep) uint32_t *stack = xcalloc((size_t) tree->n_nodes + 1, sizeof(*stack));

    for (uint32_t root = tree->first_root; root != 0; root = tree->next[root])
        print_thread(tree, numbers, root, stack, out);
}
