/*
 * known.h - recipients about whom auth has answered: who delivers to them again is not kept
 * waiting for the same answer.
 *
 * An answer is given again as long as auth says, and until auth begins another generation of
 * them (docs/formats/ipc.md, "Recipients and users"). Recipients who take mail and those who
 * are refused have a shelf each, from which the one that was not asked for the longest goes, so
 * that a stranger's guesses push out nobody who gets mail. Not locked.
 */
#ifndef ROOST_LMTP_KNOWN_H
#define ROOST_LMTP_KNOWN_H

#include "ipc/message.h"

#define KNOWN_MAX         16384u /* who take mail: 300 bytes each */
#define KNOWN_REFUSED_MAX 1024u

struct known;

struct known *known_new(void);
void known_free(struct known *known);

/* What auth said of this address, letter for letter; NULL: it is to be asked. The answer is
 * good until the next call that changes something. */
const struct msg_resolved *known_find(struct known *known, struct slice address,
                                      int64_t now_us);
/* Keeps a copy, if said->keep_ms is not 0 and the answer is of this generation. */
void known_put(struct known *known, struct slice address, const struct msg_resolved *said,
               int64_t now_us);
/* All; from now on answers of that generation are kept. 0: of none, as in the beginning. */
void known_forget(struct known *known, uint64_t generation);
size_t known_count(const struct known *known);

#endif
