#include "auth/app_password.h"

#include <sodium.h>

#include "auth/pepper.h"
#include "base/ascii.h"
#include "base/random.h"

#define CHECK_CHARS (APP_PASSWORD_CHARS - APP_PASSWORD_RANDOM_CHARS)
#define GROUP_CHARS 4u

static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";

/* Before what is hashed, so that the pepper can serve other kinds of secret later. */
static const char label[] = "roost app password 1:";

/*
 * The remainder of the data, as a polynomial over GF(32) (x^5 + x^2 + 1) shifted by four,
 * divided by the generator (x - 2)(x - 4)(x - 8)(x - 16), whose roots are four consecutive
 * powers of the primitive element 2: the code's distance is five, so no change of up to four
 * places goes unseen. The same steps whatever the values.
 */
static void check_values(const unsigned char *data, unsigned char check[CHECK_CHARS])
{
    /* The generator times 1, 2, 4, 8 and 16: an octet each coefficient, highest power first,
     * without the leading 1. */
    static const uint32_t generator[] = {0x1e060911, 0x190c1207, 0x1718010e, 0x0b15021c,
                                         0x160f041d};
    uint32_t rest = 0; /* in the same way */

    for (unsigned i = 0; i < APP_PASSWORD_RANDOM_CHARS; i++) {
        uint32_t lead = data[i] ^ rest >> 24;

        rest <<= 8;
        for (unsigned bit = 0; bit < COUNT(generator); bit++)
            rest ^= (0u - (lead >> bit & 1u)) & generator[bit];
    }
    for (unsigned k = 0; k < CHECK_CHARS; k++)
        check[k] = (unsigned char) (rest >> (24 - 8 * k));
}

void app_password_make(struct app_password *out)
{
    unsigned char values[APP_PASSWORD_CHARS];

    random_bytes(values, APP_PASSWORD_RANDOM_CHARS);
    for (size_t i = 0; i < APP_PASSWORD_RANDOM_CHARS; i++)
        values[i] &= 31u;
    check_values(values, values + APP_PASSWORD_RANDOM_CHARS);
    for (size_t i = 0; i < APP_PASSWORD_CHARS; i++)
        out->chars[i] = digits[values[i]];
    sodium_memzero(values, sizeof(values));
}

/* 0..31, or -1. */
static int digit_value(char c)
{
    c = ascii_lower(c);
    if (c >= 'a' && c <= 'z')
        return c - 'a';
    return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

static bool read_values(struct slice typed, unsigned char values[APP_PASSWORD_CHARS])
{
    size_t n = 0;

    if (typed.len > APP_PASSWORD_TYPED_MAX)
        return false;
    for (size_t i = 0; i < typed.len; i++) {
        int value = digit_value(typed.ptr[i]);

        if (typed.ptr[i] == '-' || typed.ptr[i] == ' ')
            continue;
        if (value < 0 || n == APP_PASSWORD_CHARS)
            return false;
        values[n++] = (unsigned char) value;
    }
    return n == APP_PASSWORD_CHARS;
}

bool app_password_read(struct slice typed, struct app_password *out)
{
    unsigned char values[APP_PASSWORD_CHARS], check[CHECK_CHARS];
    bool ok = read_values(typed, values);

    if (ok) {
        check_values(values, check);
        ok = sodium_memcmp(check, values + APP_PASSWORD_RANDOM_CHARS, CHECK_CHARS) == 0;
    }
    for (size_t i = 0; ok && i < APP_PASSWORD_CHARS; i++)
        out->chars[i] = digits[values[i]];
    sodium_memzero(values, sizeof(values));
    return ok;
}

void app_password_show(const struct app_password *password, char out[APP_PASSWORD_SHOWN_BYTES])
{
    for (size_t i = 0; i < APP_PASSWORD_CHARS; i++) {
        if (i > 0 && i % GROUP_CHARS == 0)
            *out++ = '-';
        *out++ = password->chars[i];
    }
    *out = '\0';
}

void app_password_verifier(const struct pepper *pepper, const struct app_password *password,
                           struct app_verifier *out)
{
    pepper_mac(pepper, label, slice_of(password->chars, APP_PASSWORD_CHARS), out->bytes);
}

void app_password_wipe(struct app_password *password)
{
    sodium_memzero(password, sizeof(*password));
}
