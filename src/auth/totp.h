/*
 * totp.h - time-based one-time codes, the second factor of people who make devices.
 *
 * Spec: RFC 6238 (TOTP) over RFC 4226 (HOTP): SHA-1, six digits, steps of 30 seconds from 1970,
 * since that is what every authenticator app takes without asking. A code counts in its own
 * step and in the one before and behind it (RFC 6238 5.2: the clocks of people differ and
 * typing takes time), and never twice: a step that was used, and every earlier one, is refused
 * for good (5.2), which the caller keeps durably.
 *
 * The secret has 160 bits (RFC 4226 4, R6) and is stored sealed with the pepper
 * (docs/formats/credentials.md). Wiped by whoever holds it last.
 */
#ifndef ROOST_AUTH_TOTP_H
#define ROOST_AUTH_TOTP_H

#include "auth/app_password.h"
#include "base/buf.h"

#define TOTP_SECRET_BYTES 20u
#define TOTP_SECRET_CHARS 32u /* in base32 */
#define TOTP_DIGITS       6u
#define TOTP_STEP_SEC     30u
#define TOTP_WINDOW_STEPS 1u  /* to either side */
#define TOTP_TYPED_MAX    16u /* "123 456", with the spaces a person puts in */
#define TOTP_SEALED_BYTES 60u
#define TOTP_URI_MAX_BYTES                                                                     \
    2048u /* two names of 255 bytes, each octet escaped, and the rest                          \
           */

struct totp_secret {
    unsigned char bytes[TOTP_SECRET_BYTES];
};

void totp_secret_make(struct totp_secret *out);
/* RFC 4648 section 6, upper case, without padding: what is typed into an app. With a NUL. */
void totp_secret_show(const struct totp_secret *secret, char out[TOTP_SECRET_CHARS + 1]);
void totp_secret_wipe(struct totp_secret *secret);

/* RFC 4226 5.3: the 31 bits of a counter, before they are cut to digits. */
uint32_t hotp_value(struct slice key, uint64_t counter);
/* RFC 6238 4.2: the step a time lies in. Times before 1970 lie in step 0. */
uint64_t totp_step(int64_t now);

/* What a person typed as six digits; spaces and hyphens do not count. False, and out is
 * untouched, on anything else. */
bool totp_read(struct slice typed, uint32_t *out);
/*
 * Is it the code of a step in the window around now, and of one later than last_step? Then
 * out_step is that step, which is used up. All codes of the window are compared, whichever
 * fits.
 */
bool totp_matches(const struct totp_secret *secret, uint32_t code, int64_t now,
                  uint64_t last_step, uint64_t *out_step);

void totp_seal(const struct pepper *pepper, uint64_t account, const struct totp_secret *secret,
               unsigned char out[TOTP_SEALED_BYTES]);
/* False, after the same work, if it was not sealed for that account with that pepper. */
bool totp_unseal(const struct pepper *pepper, uint64_t account,
                 const unsigned char sealed[TOTP_SEALED_BYTES], struct totp_secret *out);

/* "otpauth://totp/ISSUER:USER?secret=...", the form that apps read from a QR code. */
void totp_print_uri(struct buf *out, struct slice issuer, struct slice user,
                    const struct totp_secret *secret);

#endif
