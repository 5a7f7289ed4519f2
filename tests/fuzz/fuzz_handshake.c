/*
 * fuzz_handshake.c - what a gate asks to have signed, any octets under any scheme: what is
 * agreed to is a server's part of a handshake to the octet, and nothing else that a key of a
 * server signs.
 */
// links: keys
#include <assert.h>

#include "base/scan.h"
#include "keys/handshake.h"

#define RANDOMS_BYTES 64u
#define DER_SEQUENCE  0x30

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_agreed(struct slice bytes, const struct tls_scheme *scheme, bool is_tls13)
{
    static const char client[] = "TLS 1.3, client CertificateVerify";

    assert(bytes.len > RANDOMS_BYTES);
    assert(is_tls13 == (bytes.ptr[RANDOMS_BYTES] == 'T'));
    assert(!is_tls13 || scheme->tls13);
    assert(!is_tls13 ||
           !slice_starts(slice_from(bytes, RANDOMS_BYTES), slice_from_str(client)));
    assert(!is_tls13 || bytes.ptr[0] != DER_SEQUENCE);
    for (size_t n = 0; n < bytes.len; n++) { /* no shorter one means the same */
        bool short_13 = false;

        if (handshake_check(slice_sub(bytes, 0, n), scheme, &short_13, NULL) == RC_OK)
            assert(is_tls13 && short_13);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scan sc = scan_of(slice_of(data, size));
    const struct tls_scheme *scheme;
    bool is_tls13 = false;
    uint16_t number;

    if (!scan_le16(&sc, &number) || (scheme = tls_scheme_find(number)) == NULL)
        return 0;
    assert(scheme->number == number);
    if (handshake_check(scan_rest(&sc), scheme, &is_tls13, NULL) == RC_OK)
        check_agreed(scan_rest(&sc), scheme, is_tls13);
    return 0;
}
