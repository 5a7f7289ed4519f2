/*
 * ring.h - the private keys that handshakes are signed with.
 *
 * A key is found by what the certificate says of it: SHA-256 of its SubjectPublicKeyInfo.
 * Loading replaces the set, all pairs or none; keys that the new set lacks stay for those who
 * are in the middle of a handshake with an old certificate, until key_ring_forget_old().
 *
 * Memory: keys live in OpenSSL's secure heap (locked, left out of core files) if the process
 * has made one; what OpenSSL gives back on the way is wiped by key_memory_init()'s functions.
 */
#ifndef ROOST_KEYS_RING_H
#define ROOST_KEYS_RING_H

#include "base/buf.h"
#include "net/tls_remote_key.h"

#define KEY_RING_MAX       64u /* keys, old ones among them: four full sets */
#define KEY_HEAP_BYTES     ((size_t) 512 << 10)
#define KEY_FILE_MAX_BYTES ((size_t) 65535) /* a key file; RSA of 16,384 bits has 12 KiB */

struct key_ring;

/* A certificate chain (PEM, the leaf first) and where its key is read from: an open file, read
 * from its beginning. The names are those of the two files, for what is said of them. */
struct key_source {
    struct slice name, key_name;
    struct slice chain_pem;
    int key_fd;
};

/*
 * Before OpenSSL is used for anything else in the process: a locked heap for keys, and wiping
 * of every byte that OpenSSL frees. False: the heap could not be locked (RLIMIT_MEMLOCK), and
 * holds keys all the same.
 */
bool key_memory_init(void);

struct key_ring *key_ring_new(void);
void key_ring_free(struct key_ring *ring);

/* All or none: RC_INVALID (a pair does not fit), RC_LIMIT, RC_IO. 1 <= n. Descriptors stay the
 * caller's. */
MUST_CHECK enum rc key_ring_load(struct key_ring *ring, const struct key_source *sources,
                                 size_t n, struct err *err);
/* Are there keys that the last set lacks? */
bool key_ring_has_old(const struct key_ring *ring);
void key_ring_forget_old(struct key_ring *ring);
size_t key_ring_count(const struct key_ring *ring);

/* RC_NOT_FOUND: no such key; RC_DENIED: not what a handshake signs, or not with this key. */
MUST_CHECK enum rc key_ring_sign(struct key_ring *ring, const uint8_t key_id[TLS_KEY_ID_BYTES],
                                 uint16_t scheme, struct slice bytes, struct buf *out,
                                 struct err *err);

#endif
