#include "auth/throttle.h"

#include <sodium.h>

#include "auth/name.h"
#include "base/random.h"

#define WAYS 4u /* places a key may take */

#define PREFIX_BITS_V4      32u
#define PREFIX_BITS_V6      64u /* what one customer is given at least (RFC 6177) */
#define PREFIX_BITS_V6_WIDE 48u /* and what many are given */

/* One bucket. drained_us is when its level reaches zero, so that nothing has to tick. */
struct bucket {
    uint64_t check;     /* 0: free */
    int64_t drained_us; /* level = (drained_us - now) / THROTTLE_DRAIN_US */
    int64_t turn_us;    /* when the next turn is; one of long ago counts as a burst saved */
    uint64_t proved;    /* keyed hash of a secret that was right; 0: none */
};

/* How many checks need not wait, and how far apart the others are. */
struct turns {
    int64_t burst, apart_us;
};

static const struct turns own_turns = {THROTTLE_BURST, THROTTLE_TURN_US};
static const struct turns wide_turns = {THROTTLE_WIDE_BURST, THROTTLE_WIDE_TURN_US};

struct throttle {
    unsigned char key[crypto_generichash_KEYBYTES];
    struct bucket buckets[THROTTLE_BUCKETS];
};

struct throttle *throttle_new(void)
{
    struct throttle *throttle = xcalloc(1, sizeof(*throttle));

    random_bytes(throttle->key, sizeof(throttle->key));
    return throttle;
}

void throttle_free(struct throttle *throttle)
{
    free(throttle);
}

void throttle_freep(struct throttle **throttle)
{
    throttle_free(*throttle);
    *throttle = NULL;
}

static uint64_t word_of(const unsigned char *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
    return word != 0 ? word : 1;
}

struct words {
    uint64_t place, check;
};

/* The places of a source as wide as that. */
static struct words hash_prefix(const struct throttle *throttle, const struct ipaddr *peer,
                                unsigned bits, struct slice user)
{
    struct ipaddr prefix = ipaddr_prefix(peer, bits);
    const unsigned char width = (unsigned char) bits;
    unsigned char hash[crypto_generichash_BYTES];
    crypto_generichash_state state;

    (void) crypto_generichash_init(&state, throttle->key, sizeof(throttle->key), sizeof(hash));
    (void) crypto_generichash_update(&state, &prefix.family, sizeof(prefix.family));
    (void) crypto_generichash_update(&state, &width, sizeof(width));
    (void) crypto_generichash_update(&state, prefix.bytes, sizeof(prefix.bytes));
    (void) crypto_generichash_update(&state, (const unsigned char *) user.ptr, user.len);
    (void) crypto_generichash_final(&state, hash, sizeof(hash));
    return (struct words){word_of(hash), word_of(hash + 8)};
}

struct throttle_key throttle_key(const struct throttle *throttle, const struct ipaddr *peer,
                                 struct slice user)
{
    bool is_v6 = peer->family == IPADDR_V6;
    struct throttle_key key = {0};
    struct auth_key name;
    struct words own;

    if (auth_name_key(user, &name, NULL) == RC_OK)
        user = auth_key_slice(&name);
    own = hash_prefix(throttle, peer, is_v6 ? PREFIX_BITS_V6 : PREFIX_BITS_V4, user);
    key.place = own.place;
    key.check = own.check;
    if (is_v6) {
        struct words wide = hash_prefix(throttle, peer, PREFIX_BITS_V6_WIDE, user);

        key.wide_place = wide.place;
        key.wide_check = wide.check;
    }
    return key;
}

static uint64_t hash_secret(const struct throttle *throttle, struct throttle_key key,
                            struct slice secret)
{
    unsigned char hash[crypto_generichash_BYTES];
    crypto_generichash_state state;

    (void) crypto_generichash_init(&state, throttle->key, sizeof(throttle->key), sizeof(hash));
    (void) crypto_generichash_update(&state, (const unsigned char *) &key.check,
                                     sizeof(key.check));
    (void) crypto_generichash_update(&state, (const unsigned char *) secret.ptr, secret.len);
    (void) crypto_generichash_final(&state, hash, sizeof(hash));
    sodium_memzero(&state, sizeof(state));
    return word_of(hash);
}

static size_t first_place(uint64_t place)
{
    return (size_t) place & (THROTTLE_BUCKETS - WAYS);
}

static const struct bucket *find(const struct throttle *throttle, uint64_t place,
                                 uint64_t check)
{
    const struct bucket *set = &throttle->buckets[first_place(place)];

    for (size_t i = 0; i < WAYS; i++)
        if (set[i].check == check)
            return &set[i];
    return NULL;
}

/* Somebody got in from there not long ago: strangers may not push that out. */
static bool is_kept(const struct bucket *bucket, int64_t now_us)
{
    return bucket->proved != 0 && now_us - bucket->drained_us < THROTTLE_PROOF_US;
}

static bool goes_before(const struct bucket *a, const struct bucket *b, int64_t now_us)
{
    if (is_kept(a, now_us) != is_kept(b, now_us))
        return is_kept(b, now_us);
    return a->drained_us < b->drained_us;
}

/* The key's bucket, or another of its places taken over: the first to drain of those that hold
 * no proof, or of all if each does. */
static struct bucket *claim(struct throttle *throttle, uint64_t place, uint64_t check,
                            int64_t now_us)
{
    struct bucket *set = &throttle->buckets[first_place(place)];
    struct bucket *chosen = &set[0];

    for (size_t i = 0; i < WAYS; i++)
        if (set[i].check == check)
            return &set[i];
    for (size_t i = 1; i < WAYS; i++)
        if (goes_before(&set[i], chosen, now_us))
            chosen = &set[i];
    *chosen = (struct bucket){.check = check, .turn_us = INT64_MIN};
    return chosen;
}

/* `free` failures wait for nothing, each further one a step longer. NULL: none are known. */
static int64_t delay_of(const struct bucket *bucket, int64_t free, int64_t now_us)
{
    int64_t level = bucket != NULL ? (bucket->drained_us - now_us) / THROTTLE_DRAIN_US : 0;

    if (level < free)
        return 0;
    return MIN((level - free + 1) * THROTTLE_STEP_US, THROTTLE_MAX_US);
}

static int64_t wide_delay(const struct throttle *throttle, struct throttle_key key,
                          int64_t now_us)
{
    if (key.wide_check == 0)
        return 0;
    return delay_of(find(throttle, key.wide_place, key.wide_check), THROTTLE_WIDE_FREE, now_us);
}

static int64_t next_turn(const struct bucket *bucket, const struct turns *turns, int64_t now_us)
{
    return MAX(bucket->turn_us, now_us - (turns->burst - 1) * turns->apart_us);
}

static int64_t wait_of(const struct bucket *bucket, const struct turns *turns, int64_t now_us)
{
    return bucket != NULL ? MAX(next_turn(bucket, turns, now_us) - now_us, 0) : 0;
}

static void take_turn(struct bucket *bucket, const struct turns *turns, int64_t now_us)
{
    bucket->turn_us = next_turn(bucket, turns, now_us) + turns->apart_us;
}

static int64_t wide_wait(const struct throttle *throttle, struct throttle_key key,
                         int64_t now_us)
{
    if (key.wide_check == 0)
        return 0;
    return wait_of(find(throttle, key.wide_place, key.wide_check), &wide_turns, now_us);
}

int64_t throttle_turn(struct throttle *throttle, struct throttle_key key, struct slice secret,
                      int64_t now_us)
{
    const struct bucket *bucket = find(throttle, key.place, key.check);
    int64_t delay_us =
        MAX(delay_of(bucket, THROTTLE_FREE, now_us), wide_delay(throttle, key, now_us));
    int64_t wait_us =
        MAX(wait_of(bucket, &own_turns, now_us), wide_wait(throttle, key, now_us));

    if (bucket != NULL && bucket->proved != 0 &&
        bucket->proved == hash_secret(throttle, key, secret))
        return 0;
    if (wait_us > THROTTLE_MAX_US)
        return THROTTLE_NO_TURN;
    if (key.wide_check != 0)
        take_turn(claim(throttle, key.wide_place, key.wide_check, now_us), &wide_turns, now_us);
    take_turn(claim(throttle, key.place, key.check, now_us), &own_turns, now_us);
    return MAX(delay_us, wait_us);
}

static void fill(struct bucket *bucket, int64_t free, int64_t now_us)
{
    int64_t most = now_us + (THROTTLE_MAX_US / THROTTLE_STEP_US + free) * THROTTLE_DRAIN_US;

    bucket->drained_us = MIN(MAX(bucket->drained_us, now_us) + THROTTLE_DRAIN_US, most);
}

int64_t throttle_failed(struct throttle *throttle, struct throttle_key key, int64_t now_us)
{
    struct bucket *bucket;

    if (key.wide_check != 0)
        fill(claim(throttle, key.wide_place, key.wide_check, now_us), THROTTLE_WIDE_FREE,
             now_us);
    bucket = claim(throttle, key.place, key.check, now_us);
    fill(bucket, THROTTLE_FREE, now_us);
    return MAX(delay_of(bucket, THROTTLE_FREE, now_us), wide_delay(throttle, key, now_us));
}

bool throttle_is_proved(const struct throttle *throttle, struct throttle_key key,
                        int64_t now_us)
{
    const struct bucket *bucket = find(throttle, key.place, key.check);

    return bucket != NULL && is_kept(bucket, now_us);
}

void throttle_succeeded(struct throttle *throttle, struct throttle_key key, struct slice secret,
                        int64_t now_us)
{
    uint64_t proof = hash_secret(throttle, key, secret);
    struct bucket *bucket = claim(throttle, key.place, key.check, now_us);

    bucket->proved = proof;
    bucket->drained_us = MAX(bucket->drained_us, now_us); /* kept longer than an empty one */
}
