/*
 * threading.h - messages as threads: THREAD.
 *
 * Spec: RFC 5256, THREAD (ORDEREDSUBJECT; REFERENCES with its steps 1 to 6);
 * draft-ietf-morg-inthread-01 (REFS: as REFERENCES, but nothing is joined by subject, and
 * threads stand in the order of their newest INTERNALDATE).
 *
 * Time is that of a sort and of the links, whatever the mail says: cycles are refused in O(log
 * n), chains are walked without recursion.
 */
#ifndef ROOST_SEARCH_THREADING_H
#define ROOST_SEARCH_THREADING_H

#include "base/buf.h"
#include "search/sort_keys.h"

enum threading { THREADING_ORDEREDSUBJECT, THREADING_REFERENCES, THREADING_REFS };

/*
 * The threads of n messages, which come in the order of the mailbox. Nodes 1..n are messages,
 * those behind are parents that are not there; 0 is none. Siblings are in their order.
 */
struct thread_tree {
    uint32_t n, n_nodes;          /* messages; all */
    uint32_t *first_child, *next; /* next: sibling */
    uint32_t first_root;
};

void thread_make(enum threading how, const struct key_rows *rows, struct thread_tree *out);
void thread_tree_done(struct thread_tree *tree);

/* "(2)(3 6 (4 23)(44 7 96))": RFC 5256 section 5. numbers: of each message. */
void thread_print(const struct thread_tree *tree, const uint32_t *numbers, struct buf *out);

#endif
