#include "auth/throttle.h"

#include <sodium.h>

#include "base/random.h"

#define WAYS 4u /* places a key may take */

#define PREFIX_BITS_V4 32u
#define PREFIX_BITS_V6 64u /* what one customer is given at least (RFC 6177) */

/* One bucket. drained_us is when its level reaches zero, so that nothing has to tick. */
struct bucket {
    uint64_t check;     /* 0: free */
    int64_t drained_us; /* level = (drained_us - now) / THROTTLE_DRAIN_US */
    uint64_t proved;    /* keyed hash of a secret that was right; 0: none */
};

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

struct throttle_key throttle_key(const struct throttle *throttle, const struct ipaddr *peer,
                                 struct slice user)
{
    struct ipaddr prefix =
        ipaddr_prefix(peer, peer->family == IPADDR_V6 ? PREFIX_BITS_V6 : PREFIX_BITS_V4);
    unsigned char hash[crypto_generichash_BYTES];
    crypto_generichash_state state;

    (void) crypto_generichash_init(&state, throttle->key, sizeof(throttle->key), sizeof(hash));
    (void) crypto_generichash_update(&state, &prefix.family, sizeof(prefix.family));
    (void) crypto_generichash_update(&state, prefix.bytes, sizeof(prefix.bytes));
    (void) crypto_generichash_update(&state, (const unsigned char *) user.ptr, user.len);
    (void) crypto_generichash_final(&state, hash, sizeof(hash));
    return (struct throttle_key){word_of(hash), word_of(hash + 8)};
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

static size_t first_place(struct throttle_key key)
{
    return (size_t) key.place & (THROTTLE_BUCKETS - WAYS);
}

static const struct bucket *find(const struct throttle *throttle, struct throttle_key key)
{
    const struct bucket *set = &throttle->buckets[first_place(key)];

    for (size_t i = 0; i < WAYS; i++)
        if (set[i].check == key.check)
            return &set[i];
    return NULL;
}

/* The key's bucket, or the one of its places that drains first, taken over. */
static struct bucket *claim(struct throttle *throttle, struct throttle_key key)
{
    struct bucket *set = &throttle->buckets[first_place(key)];
    struct bucket *chosen = &set[0];

    for (size_t i = 0; i < WAYS; i++)
        if (set[i].check == key.check)
            return &set[i];
    for (size_t i = 1; i < WAYS; i++)
        if (set[i].drained_us < chosen->drained_us)
            chosen = &set[i];
    *chosen = (struct bucket){.check = key.check};
    return chosen;
}

static int64_t delay_of(const struct bucket *bucket, int64_t now_us)
{
    int64_t level = (bucket->drained_us - now_us) / THROTTLE_DRAIN_US;

    if (level < THROTTLE_FREE)
        return 0;
    return MIN((level - THROTTLE_FREE + 1) * THROTTLE_STEP_US, THROTTLE_MAX_US);
}

int64_t throttle_delay_check(const struct throttle *throttle, struct throttle_key key,
                             struct slice secret, int64_t now_us)
{
    const struct bucket *bucket = find(throttle, key);

    if (bucket == NULL || delay_of(bucket, now_us) == 0)
        return 0;
    if (bucket->proved != 0 && bucket->proved == hash_secret(throttle, key, secret))
        return 0;
    return delay_of(bucket, now_us);
}

int64_t throttle_failed(struct throttle *throttle, struct throttle_key key, int64_t now_us)
{
    struct bucket *bucket = claim(throttle, key);
    int64_t most =
        now_us + (THROTTLE_MAX_US / THROTTLE_STEP_US + THROTTLE_FREE) * THROTTLE_DRAIN_US;

    bucket->drained_us = MIN(MAX(bucket->drained_us, now_us) + THROTTLE_DRAIN_US, most);
    return delay_of(bucket, now_us);
}

void throttle_succeeded(struct throttle *throttle, struct throttle_key key, struct slice secret,
                        int64_t now_us)
{
    uint64_t proof = hash_secret(throttle, key, secret);
    struct bucket *bucket = claim(throttle, key);

    bucket->proved = proof;
    bucket->drained_us = MAX(bucket->drained_us, now_us); /* kept longer than an empty one */
}
