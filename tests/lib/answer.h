/*
 * answer.h - a server's answer as a tree, and whether it means what a transcript expects.
 *
 * Compared by meaning: letter case of atoms, quoted string or literal, and the order of flags,
 * of list attributes and of the items of FETCH and STATUS make no difference; everything else
 * does. In the expected text "*" at the end stands for any rest, {name} for any one value: the
 * first use binds it, later ones must equal it.
 */
#ifndef ROOST_TESTS_ANSWER_H
#define ROOST_TESTS_ANSWER_H

#include "base/arena.h"
#include "base/slice.h"

#define ANSWER_NAMES_MAX 64u

/* Values bound by {name}. */
struct answer_names {
    struct {
        struct slice name, value;
    } bound[ANSWER_NAMES_MAX];
    size_t n;
    struct arena *arena; /* values are copied here */
};

/* NULL: not bound. */
const struct slice *answer_lookup(const struct answer_names *names, struct slice name);
void answer_bind(struct answer_names *names, struct slice name, struct slice value);

/* Length of the first whole answer in output, its literals and line end included; 0: none. */
size_t answer_length(struct slice output);

/* Bindings made by a failed comparison are undone. */
bool answer_matches(struct slice expected, struct slice got, struct answer_names *names);

#endif
