/*
 * socketmap.h - Postfix's socketmap protocol (socketmap_table(5)): netstrings with a question
 * "map key" and an answer "OK value", "NOTFOUND ", "TEMP reason" or "PERM reason".
 *
 * A netstring is a decimal length without leading zeros, ":", that many bytes, ",".
 * Memory: slices point into the input.
 */
#ifndef ROOST_AUTH_SOCKETMAP_H
#define ROOST_AUTH_SOCKETMAP_H

#include "base/buf.h"

/* A map's name, a space, and an address as long as MSG_ADDRESS_MAX lets it be. */
#define SOCKETMAP_QUESTION_MAX_BYTES ((size_t) 1152)
#define SOCKETMAP_INPUT_MAX_BYTES    (SOCKETMAP_QUESTION_MAX_BYTES + 6) /* "1152:" and "," */

struct socketmap_question {
    struct slice map, key;
};

/* The first netstring of input. RC_OK: out_used bytes were it. RC_MORE: not whole yet. Else it
 * is no question, and what follows cannot be told apart: the connection ends. */
MUST_CHECK enum rc socketmap_take(struct slice input, struct socketmap_question *out,
                                  size_t *out_used, struct err *err);

/* status is "OK", "NOTFOUND", "TEMP" or "PERM". */
void socketmap_answer(struct buf *out, const char *status, struct slice text);

#endif
