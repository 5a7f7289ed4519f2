#include "keys/handshake.h"

#include "base/scan.h"

#define RANDOMS_BYTES 64u /* of the client and of the server */
#define SPACES        64u
#define CONTEXT_13    "TLS 1.3, server CertificateVerify"
#define NAMED_CURVE   3u /* RFC 8422 section 5.4: ECCurveType; the others are gone */
#define UNCOMPRESSED  4u /* RFC 8422 section 5.4.1: the one point format */
#define HASH_256      32u
#define HASH_384      48u
#define ANY_BYTE      0u

/* RFC 8422 section 5.1.1 and RFC 7748: named groups, and how long a point of each is. */
static const struct {
    uint16_t number;
    uint8_t len, first; /* first byte of a point; 0: any */
} groups[] = {
    {23, 65,  UNCOMPRESSED}, /* secp256r1 */
    {24, 97,  UNCOMPRESSED}, /* secp384r1 */
    {25, 133, UNCOMPRESSED}, /* secp521r1 */
    {29, 32,  ANY_BYTE    }, /* x25519 */
    {30, 56,  ANY_BYTE    }, /* x448 */
};

static bool is_certificate_verify(struct slice bytes)
{
    struct scan sc = scan_of(bytes);

    for (unsigned i = 0; i < SPACES; i++) {
        if (!scan_byte(&sc, ' '))
            return false;
    }
    return scan_literal(&sc, SLICE(CONTEXT_13)) && scan_byte(&sc, '\0') &&
           (scan_left(&sc) == HASH_256 || scan_left(&sc) == HASH_384);
}

static bool is_point_of(struct slice point, uint16_t group)
{
    for (size_t i = 0; i < COUNT(groups); i++) {
        if (groups[i].number == group)
            return point.len == groups[i].len &&
                   (groups[i].first == ANY_BYTE || (uint8_t) point.ptr[0] == groups[i].first);
    }
    return false;
}

static bool is_server_key_exchange(struct slice bytes)
{
    struct scan sc = scan_of(bytes);
    struct slice randoms, point;
    uint8_t type, high, low, len;

    return scan_take(&sc, RANDOMS_BYTES, &randoms) && scan_le8(&sc, &type) &&
           type == NAMED_CURVE && scan_le8(&sc, &high) && scan_le8(&sc, &low) &&
           scan_le8(&sc, &len) && scan_take(&sc, len, &point) && scan_done(&sc) &&
           is_point_of(point, (uint16_t) (high << 8 | low));
}

enum rc handshake_check(struct slice bytes, const struct tls_scheme *scheme, bool *is_tls13,
                        struct err *err)
{
    bool is_13 = is_certificate_verify(bytes);

    if (!is_13 && !is_server_key_exchange(bytes))
        return err_set(err, RC_DENIED, "Not signed", "%zu bytes that no handshake signs",
                       bytes.len);
    if (is_13 && !scheme->tls13)
        return err_set(err, RC_DENIED, "Not signed", "TLS 1.3 is not signed by %s",
                       scheme->name);
    *is_tls13 = is_13;
    return RC_OK;
}
