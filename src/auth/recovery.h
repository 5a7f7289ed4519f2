/*
 * recovery.h - ten codes on paper, for who has lost the phone that makes the other ones.
 *
 * Each is sixteen characters of base32 at random, 80 bits, shown once as abcd-efgh-ijkl-mnop
 * and good for one use in place of a code of totp.h. Stored is only HMAC-SHA256(pepper, label
 * || the sixteen characters), as of app passwords: so much chance needs no slow hash.
 */
#ifndef ROOST_AUTH_RECOVERY_H
#define ROOST_AUTH_RECOVERY_H

#include "auth/app_password.h"

#define RECOVERY_CODES       10u
#define RECOVERY_CHARS       16u
#define RECOVERY_SHOWN_BYTES 20u /* four groups, three hyphens, NUL */
#define RECOVERY_TYPED_MAX   48u

struct recovery_code {
    char chars[RECOVERY_CHARS];
};

struct recovery_codes {
    struct recovery_code code[RECOVERY_CODES];
};

void recovery_codes_make(struct recovery_codes *out);
void recovery_codes_wipe(struct recovery_codes *codes);
void recovery_code_wipe(struct recovery_code *code);
/* Case, hyphens and spaces do not count. False, and out is untouched: it cannot be one. */
bool recovery_read(struct slice typed, struct recovery_code *out);
void recovery_show(const struct recovery_code *code, char out[RECOVERY_SHOWN_BYTES]);
void recovery_verifier(const struct pepper *pepper, const struct recovery_code *code,
                       struct app_verifier *out);

#endif
