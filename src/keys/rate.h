/*
 * rate.h - how fast one process may have handshakes signed.
 *
 * A process that serves TLS and was taken over can have transcripts of its own signed as long
 * as it runs. It gets no more of that than handshakes could need: KEY_SIGNS_SEC a second, a
 * multiple of what a core can do of them, and as many at once.
 */
#ifndef ROOST_KEYS_RATE_H
#define ROOST_KEYS_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define KEY_SIGNS_SEC 10000

/* Zeroed memory is one that has asked for nothing yet. */
struct key_rate {
    int64_t at_us;   /* of the last question; 0: none */
    int64_t used;    /* millionths of signatures that count still */
    int64_t told_us; /* when it was said last that there were too many */
};

/* One more question. False: too many. */
bool key_rate_take(struct key_rate *rate, int64_t now_us);
/* There were too many: is it to be said? Once in ten seconds. */
bool key_rate_tells(struct key_rate *rate, int64_t now_us);

#endif
