/*
 * app_password.h - the password of one device.
 *
 * Twenty characters of base32 (RFC 4648 section 6, lower case): sixteen at random, 80 bits, and
 * four that check them: a Reed-Solomon code over GF(32), so that up to four wrong or swapped
 * characters are always noticed, and what was not made here passes with a chance of 2^-20.
 * Shown as abcd-efgh-ijkl-mnop-qrst; hyphens, spaces and case do not count when it is typed.
 *
 * Stored is only HMAC-SHA256(pepper, label || the twenty characters): 80 random bits need no
 * slow hash, so one HMAC verifies (docs/formats/credentials.md).
 */
#ifndef ROOST_AUTH_APP_PASSWORD_H
#define ROOST_AUTH_APP_PASSWORD_H

#include "base/slice.h"

#define APP_PASSWORD_CHARS          20u
#define APP_PASSWORD_RANDOM_CHARS   16u
#define APP_PASSWORD_SHOWN_BYTES    25u /* five groups, four hyphens, NUL */
#define APP_PASSWORD_TYPED_MAX      64u /* with all the spaces a person puts in */
#define APP_PASSWORD_VERIFIER_BYTES 32u
#define PEPPER_BYTES                32u

struct app_password {
    char chars[APP_PASSWORD_CHARS];
};

/* The key of the store of verifiers. Lives in memory that is not swapped where that works. */
struct pepper {
    unsigned char key[PEPPER_BYTES];
};

struct app_verifier {
    unsigned char bytes[APP_PASSWORD_VERIFIER_BYTES];
};

void app_password_make(struct app_password *out);
/* False: cannot be one, and out is untouched. */
bool app_password_read(struct slice typed, struct app_password *out);
void app_password_show(const struct app_password *password, char out[APP_PASSWORD_SHOWN_BYTES]);
void app_password_verifier(const struct pepper *pepper, const struct app_password *password,
                           struct app_verifier *out);
void app_password_wipe(struct app_password *password);

#endif
