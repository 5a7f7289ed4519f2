#include "auth/totp.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>

#include "auth/pepper.h"
#include "base/ascii.h"
#include "base/random.h"

#define SHA1_BYTES  20u
#define SEAL_LABEL  "roost totp seal 1"
#define PLACE_BYTES 8u
#define MODULUS     1000000u /* ten to the power of TOTP_DIGITS */

_Static_assert(TOTP_SEALED_BYTES == TOTP_SECRET_BYTES + PEPPER_SEAL_BYTES,
               "the size of a sealed secret is part of the format");
_Static_assert(TOTP_SECRET_BYTES * 8 == TOTP_SECRET_CHARS * 5, "no padding is needed");

void totp_secret_make(struct totp_secret *out)
{
    random_bytes(out->bytes, sizeof(out->bytes));
}

void totp_secret_show(const struct totp_secret *secret, char out[TOTP_SECRET_CHARS + 1])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    unsigned held = 0, n_bits = 0;

    for (size_t i = 0; i < sizeof(secret->bytes); i++) {
        held = (held << 8 | secret->bytes[i]) & 0xfffu;
        for (n_bits += 8; n_bits >= 5; n_bits -= 5)
            *out++ = digits[held >> (n_bits - 5) & 31u];
    }
    *out = '\0';
}

void totp_secret_wipe(struct totp_secret *secret)
{
    sodium_memzero(secret, sizeof(*secret));
}

uint32_t hotp_value(struct slice key, uint64_t counter)
{
    unsigned char message[8], mac[EVP_MAX_MD_SIZE];
    unsigned at;
    uint32_t value;

    for (size_t i = 0; i < sizeof(message); i++)
        message[i] = (unsigned char) (counter >> (56 - 8 * i) & 0xff);
    if (HMAC(EVP_sha1(), key.ptr, (int) MIN(key.len, (size_t) INT32_MAX), message,
             sizeof(message), mac, NULL) == NULL)
        die("totp: HMAC failed");
    at = mac[SHA1_BYTES - 1] & 15u;
    value = (uint32_t) (mac[at] & 0x7f) << 24 | (uint32_t) mac[at + 1] << 16 |
            (uint32_t) mac[at + 2] << 8 | mac[at + 3];
    sodium_memzero(mac, sizeof(mac));
    return value;
}

uint64_t totp_step(int64_t now)
{
    return now > 0 ? (uint64_t) now / TOTP_STEP_SEC : 0;
}

bool totp_read(struct slice typed, uint32_t *out)
{
    uint32_t code = 0;
    unsigned n = 0;

    if (typed.len > TOTP_TYPED_MAX)
        return false;
    for (size_t i = 0; i < typed.len; i++) {
        if (typed.ptr[i] == ' ' || typed.ptr[i] == '-')
            continue;
        if (!ascii_is_digit(typed.ptr[i]) || n++ == TOTP_DIGITS)
            return false;
        code = code * 10 + (uint32_t) (typed.ptr[i] - '0');
    }
    if (n != TOTP_DIGITS)
        return false;
    *out = code;
    return true;
}

bool totp_matches(const struct totp_secret *secret, uint32_t code, int64_t now,
                  uint64_t last_step, uint64_t *out_step)
{
    struct slice key = slice_of(secret->bytes, sizeof(secret->bytes));
    uint64_t middle = totp_step(now), found = 0;
    bool fits = false;

    for (uint64_t step = middle - MIN(middle, (uint64_t) TOTP_WINDOW_STEPS);
         step <= middle + TOTP_WINDOW_STEPS; step++) {
        uint32_t want = hotp_value(key, step) % MODULUS;
        bool same = sodium_memcmp(&want, &code, sizeof(want)) == 0;

        if (same && step > last_step && !fits) {
            fits = true;
            found = step;
        }
    }
    if (fits)
        *out_step = found;
    return fits;
}

/* A secret opens for no other account. */
static void place_of(uint64_t account, unsigned char out[PLACE_BYTES])
{
    for (size_t i = 0; i < PLACE_BYTES; i++)
        out[i] = (unsigned char) (account >> (8 * i) & 0xff);
}

void totp_seal(const struct pepper *pepper, uint64_t account, const struct totp_secret *secret,
               unsigned char out[TOTP_SEALED_BYTES])
{
    unsigned char place[PLACE_BYTES];

    place_of(account, place);
    pepper_seal(pepper, SEAL_LABEL, slice_of(place, sizeof(place)), secret->bytes,
                sizeof(secret->bytes), out);
}

bool totp_unseal(const struct pepper *pepper, uint64_t account,
                 const unsigned char sealed[TOTP_SEALED_BYTES], struct totp_secret *out)
{
    unsigned char place[PLACE_BYTES];

    place_of(account, place);
    return pepper_unseal(pepper, SEAL_LABEL, slice_of(place, sizeof(place)), sealed,
                         sizeof(out->bytes), out->bytes);
}

/* RFC 3986 2.3: all but the unreserved octets are escaped. */
static void put_escaped(struct buf *out, struct slice text)
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' || c == '_' ||
            c == '~') {
            buf_byte(out, c);
        } else {
            buf_byte(out, '%');
            buf_byte(out, hex[(unsigned char) c >> 4]);
            buf_byte(out, hex[(unsigned char) c & 15]);
        }
    }
}

void totp_print_uri(struct buf *out, struct slice issuer, struct slice user,
                    const struct totp_secret *secret)
{
    char shown[TOTP_SECRET_CHARS + 1];

    totp_secret_show(secret, shown);
    buf_str(out, "otpauth://totp/");
    put_escaped(out, issuer);
    buf_byte(out, ':');
    put_escaped(out, user);
    buf_str(out, "?secret=");
    buf_str(out, shown);
    buf_str(out, "&issuer=");
    put_escaped(out, issuer);
    buf_str(out, "&algorithm=SHA1&digits=6&period=30");
    sodium_memzero(shown, sizeof(shown));
}
