/*
 * thread_links.h - who answers whom, by Message-ID: step 1 of RFC 5256's REFERENCES.
 */
#ifndef ROOST_SEARCH_THREAD_LINKS_H
#define ROOST_SEARCH_THREAD_LINKS_H

#include "search/sort_keys.h"

/*
 * Nodes 1..n_nodes: Message-IDs, and behind them messages without one of their own. A node that
 * no message owns is a dummy.
 */
struct thread_links {
    uint32_t n_nodes;
    uint32_t *parent; /* of a node; 0: none */
    uint32_t *owner;  /* of a node: message, from 1; 0: a dummy */
    uint32_t *node;   /* of a message, from 0 */
};

void thread_links_make(const struct key_rows *rows, struct thread_links *out);
void thread_links_done(struct thread_links *links);

#endif
