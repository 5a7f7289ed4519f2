/*
 * throttle.h - slowing down those who guess, without a lock that an attacker could set.
 *
 * A bucket for each (source prefix, user named): IPv4 by address, IPv6 by /64, and by /48 in a
 * wider bucket beside it, since who has one /64 often has 65,536 of them. Each failure fills
 * it, time drains it. A full bucket delays: the answer to a failure by its level, and the
 * check of a password that people choose (those can be guessed; 80 random bits cannot). Such
 * checks take turns as well, a burst and then one a second, however many connections ask: who
 * would wait longer than THROTTLE_MAX_US for a turn is refused unchecked. No delay exceeds
 * that, and nobody is refused for what came from elsewhere.
 *
 * A bucket also remembers, as a keyed hash, the last secret that was right: who knows it is not
 * delayed and needs no turn, however many wrong ones come from behind the same address.
 *
 * The table has a fixed size; of the places a key may take, the one that drains first is given
 * away, but one from which somebody got in of late only if all of them are such. All times are
 * clock_mono_us().
 */
#ifndef ROOST_AUTH_THROTTLE_H
#define ROOST_AUTH_THROTTLE_H

#include "base/ipaddr.h"

#define THROTTLE_BUCKETS      32768u /* 1 MB; must be a power of two */
#define THROTTLE_FREE         3      /* failures before the first delay */
#define THROTTLE_WIDE_FREE    24     /* the same of a wider bucket: several people */
#define THROTTLE_STEP_US      ((int64_t) 500000) /* each further failure waits so much longer */
#define THROTTLE_MAX_US       ((int64_t) 8000000) /* the longest delay */
#define THROTTLE_BURST        32 /* checks of guessable secrets that need not wait for a turn */
#define THROTTLE_WIDE_BURST   64 /* the same of a wider bucket */
#define THROTTLE_TURN_US      ((int64_t) 1000000) /* from one turn to the next */
#define THROTTLE_WIDE_TURN_US ((int64_t) 250000)
#define THROTTLE_NO_TURN      ((int64_t) -1)
#define THROTTLE_PROOF_US                                                                      \
    ((int64_t) 30 * 86400 * 1000000) /* so long strangers cannot push out who has got in */
#define THROTTLE_DRAIN_US ((int64_t) 30000000) /* one failure is forgotten in that time */

struct throttle;

/* What one attempt is counted under. */
struct throttle_key {
    uint64_t place, check;
    uint64_t wide_place, wide_check; /* IPv6: of its /48; wide_check 0: there is none */
};

struct throttle *throttle_new(void);
void throttle_free(struct throttle *throttle);
void throttle_freep(struct throttle **throttle);

/* A user counts as one however the name is written; what can be no name is taken as it is. */
struct throttle_key throttle_key(const struct throttle *throttle, const struct ipaddr *peer,
                                 struct slice user);
/* How long to wait before a guessable secret is checked; the turn is taken. 0 for one that was
 * right before. THROTTLE_NO_TURN: too many wait already; it is not to be checked. */
int64_t throttle_turn(struct throttle *throttle, struct throttle_key key, struct slice secret,
                      int64_t now_us);
/* Count a failure; how long to wait before saying so. */
int64_t throttle_failed(struct throttle *throttle, struct throttle_key key, int64_t now_us);
/* Was a secret right under that key in the last THROTTLE_PROOF_US, as far as is remembered? */
bool throttle_is_proved(const struct throttle *throttle, struct throttle_key key,
                        int64_t now_us);
/* Remember a secret that was right. */
void throttle_succeeded(struct throttle *throttle, struct throttle_key key, struct slice secret,
                        int64_t now_us);

#endif
