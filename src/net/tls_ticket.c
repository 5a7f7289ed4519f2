#include "net/tls_ticket.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/random.h"

#define TICKET_NAME_BYTES 16 /* fixed by OpenSSL's callback */
#define TICKET_IV_BYTES   16 /* of AES-CBC */
#define TICKET_KEY_BYTES  32
#define PERIOD_US         ((int64_t) TICKET_KEY_SEC * 1000000)
#define DERIVED_BYTES     64 /* of SHA-512 */

/* What the callback answers, as OpenSSL's manual numbers it. */
enum { TICKET_FAILED = -1, TICKET_UNKNOWN = 0, TICKET_GOOD = 1, TICKET_GOOD_RENEW = 2 };

struct ticket_key {
    unsigned char name[TICKET_NAME_BYTES];
    unsigned char seal[TICKET_KEY_BYTES], mac[TICKET_KEY_BYTES];
    bool usable;
};

struct ticket_keys {
    pthread_mutex_t lock;
    struct tls_ticket_seed seed;   /* lock: of the period of `now` */
    struct ticket_key now, before; /* lock */
};

/* ---- the seed ---- */

static void derive(const struct tls_ticket_seed *seed, struct slice label,
                   unsigned char out[DERIVED_BYTES])
{
    if (HMAC(EVP_sha512(), seed->secret, sizeof(seed->secret),
             (const unsigned char *) label.ptr, label.len, out, NULL) == NULL)
        die("tls: OpenSSL has no SHA-512");
}

static uint64_t period_now(void)
{
    return (uint64_t) (clock_mono_us() / PERIOD_US);
}

void tls_ticket_seed_make(struct tls_ticket_seed *out)
{
    random_bytes(out->secret, sizeof(out->secret));
    out->period = period_now();
}

static void advance(struct tls_ticket_seed *seed)
{
    unsigned char derived[DERIVED_BYTES];

    derive(seed, SLICE("the next period"), derived);
    memcpy(seed->secret, derived, sizeof(seed->secret));
    seed->period++;
    OPENSSL_cleanse(derived, sizeof(derived));
}

void tls_ticket_seed_advance(struct tls_ticket_seed *seed)
{
    while (seed->period < period_now())
        advance(seed);
}

/* ---- keys ---- */

static void key_of(const struct tls_ticket_seed *seed, struct ticket_key *out)
{
    unsigned char derived[DERIVED_BYTES];

    derive(seed, SLICE("name"), derived);
    memcpy(out->name, derived, sizeof(out->name));
    derive(seed, SLICE("seal and mac"), derived);
    memcpy(out->seal, derived, sizeof(out->seal));
    memcpy(out->mac, derived + sizeof(out->seal), sizeof(out->mac));
    out->usable = true;
    OPENSSL_cleanse(derived, sizeof(derived));
}

struct ticket_keys *ticket_keys_new(void)
{
    struct ticket_keys *keys = xcalloc(1, sizeof(*keys));

    (void) pthread_mutex_init(&keys->lock, NULL);
    tls_ticket_seed_make(&keys->seed);
    key_of(&keys->seed, &keys->now);
    return keys;
}

void ticket_keys_share(struct ticket_keys *keys, const struct tls_ticket_seed *seed)
{
    (void) pthread_mutex_lock(&keys->lock);
    keys->seed = *seed;
    key_of(&keys->seed, &keys->now);
    OPENSSL_cleanse(&keys->before, sizeof(keys->before)); /* usable becomes false */
    (void) pthread_mutex_unlock(&keys->lock);
}

void ticket_keys_free(struct ticket_keys *keys)
{
    if (keys == NULL)
        return;
    (void) pthread_mutex_destroy(&keys->lock);
    OPENSSL_cleanse(keys, sizeof(*keys));
    free(keys);
}

/* keys->lock is held. What is overwritten is gone. */
static void rotate(struct ticket_keys *keys)
{
    while (keys->seed.period < period_now()) {
        keys->before = keys->now;
        advance(&keys->seed);
        key_of(&keys->seed, &keys->now);
    }
}

void ticket_keys_rotate(struct ticket_keys *keys)
{
    (void) pthread_mutex_lock(&keys->lock);
    rotate(keys);
    (void) pthread_mutex_unlock(&keys->lock);
}

/* keys->lock is held. */
static const struct ticket_key *key_named(const struct ticket_keys *keys,
                                          const unsigned char *name)
{
    if (memcmp(keys->now.name, name, TICKET_NAME_BYTES) == 0)
        return &keys->now;
    if (keys->before.usable && memcmp(keys->before.name, name, TICKET_NAME_BYTES) == 0)
        return &keys->before;
    return NULL;
}

/* keys->lock is held. */
static int use_key(const struct ticket_keys *keys, unsigned char *name, unsigned char *iv,
                   EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool sealing)
{
    const struct ticket_key *key = sealing ? &keys->now : key_named(keys, name);
    unsigned char mac_key[TICKET_KEY_BYTES];
    char digest[] = "SHA256";
    OSSL_PARAM params[3];
    int ok;

    if (key == NULL)
        return TICKET_UNKNOWN;
    if (sealing) {
        memcpy(name, key->name, TICKET_NAME_BYTES);
        random_bytes(iv, TICKET_IV_BYTES);
        ok = EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->seal, iv);
    } else {
        ok = EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->seal, iv);
    }
    memcpy(mac_key, key->mac, sizeof(mac_key)); /* the parameter wants it writable */
    params[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, mac_key, sizeof(mac_key));
    params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0);
    params[2] = OSSL_PARAM_construct_end();
    ok = ok == 1 && EVP_MAC_CTX_set_params(mac, params) == 1;
    OPENSSL_cleanse(mac_key, sizeof(mac_key));
    if (ok != 1)
        return TICKET_FAILED;
    return sealing || key == &keys->now ? TICKET_GOOD : TICKET_GOOD_RENEW;
}

int ticket_key_callback(SSL *ssl, unsigned char *name, unsigned char *iv,
                        EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int sealing)
{
    struct ticket_keys *keys = SSL_get_app_data(ssl);
    int used;

    (void) pthread_mutex_lock(&keys->lock);
    rotate(keys);
    used = use_key(keys, name, iv, cipher, mac, sealing != 0);
    (void) pthread_mutex_unlock(&keys->lock);
    return used;
}
