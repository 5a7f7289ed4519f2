/*
 * ring_signer.h - the role keys in the same process: a ring that signs for a tls_server.
 */
#ifndef ROOST_TESTS_RING_SIGNER_H
#define ROOST_TESTS_RING_SIGNER_H

#include <sys/mman.h>
#include <unistd.h>

#include "keys/ring.h"
#include "lib/selfsigned.h"
#include "net/tls.h"

struct ring_signer {
    struct key_ring *ring;
    unsigned n; /* signatures made */
    bool fails, lies;
};

static inline enum rc ring_signer_sign(void *ctx, const struct tls_to_sign *what,
                                       struct buf *out, struct err *err)
{
    struct ring_signer *signer = ctx;
    enum rc rc;

    if (signer->fails)
        return err_set(err, RC_UNAVAILABLE, "", "nobody signs");
    signer->n++;
    rc = key_ring_sign(signer->ring, what->key_id, what->scheme->number, what->bytes, out, err);
    if (signer->lies && out->len > 0)
        out->ptr[out->len - 1] = (char) (out->ptr[out->len - 1] ^ 1);
    return rc;
}

/* What the supervisor opens. */
static inline int ring_signer_file(const struct buf *text)
{
    int fd = memfd_create("key", MFD_CLOEXEC);

    if (fd < 0 || write(fd, text->ptr, text->len) != (ssize_t) text->len ||
        lseek(fd, 0, SEEK_SET) != 0)
        die("memfd");
    return fd;
}

static inline enum rc ring_signer_load(struct key_ring *ring, const struct selfsigned *cert,
                                       const struct selfsigned *key, struct err *err)
{
    struct key_source source = {.name = SLICE("cert.pem"),
                                .key_name = SLICE("key.pem"),
                                .chain_pem = buf_slice(&cert->chain),
                                .key_fd = ring_signer_file(&key->key)};
    enum rc rc = key_ring_load(ring, &source, 1, err);

    (void) close(source.key_fd); /* read only */
    return rc;
}

#endif
