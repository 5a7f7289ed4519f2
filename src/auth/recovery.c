#include "auth/recovery.h"

#include <sodium.h>

#include "auth/pepper.h"
#include "base/ascii.h"
#include "base/random.h"

#define GROUP_CHARS 4u

static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";

void recovery_codes_make(struct recovery_codes *out)
{
    unsigned char values[RECOVERY_CHARS];

    for (size_t i = 0; i < RECOVERY_CODES; i++) {
        random_bytes(values, sizeof(values));
        for (size_t k = 0; k < RECOVERY_CHARS; k++)
            out->code[i].chars[k] = digits[values[k] & 31u];
    }
    sodium_memzero(values, sizeof(values));
}

void recovery_codes_wipe(struct recovery_codes *codes)
{
    sodium_memzero(codes, sizeof(*codes));
}

void recovery_code_wipe(struct recovery_code *code)
{
    sodium_memzero(code, sizeof(*code));
}

static bool is_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '2' && c <= '7');
}

bool recovery_read(struct slice typed, struct recovery_code *out)
{
    struct recovery_code code;
    size_t n = 0;
    bool ok = typed.len <= RECOVERY_TYPED_MAX;

    for (size_t i = 0; ok && i < typed.len; i++) {
        char c = ascii_lower(typed.ptr[i]);

        if (c == '-' || c == ' ')
            continue;
        ok = is_digit(c) && n < RECOVERY_CHARS;
        if (ok)
            code.chars[n++] = c;
    }
    ok = ok && n == RECOVERY_CHARS;
    if (ok)
        *out = code;
    sodium_memzero(&code, sizeof(code));
    return ok;
}

void recovery_show(const struct recovery_code *code, char out[RECOVERY_SHOWN_BYTES])
{
    for (size_t i = 0; i < RECOVERY_CHARS; i++) {
        if (i > 0 && i % GROUP_CHARS == 0)
            *out++ = '-';
        *out++ = code->chars[i];
    }
    *out = '\0';
}

void recovery_verifier(const struct pepper *pepper, const struct recovery_code *code,
                       struct app_verifier *out)
{
    pepper_mac(pepper, "roost recovery code 1:", slice_of(code->chars, sizeof(code->chars)),
               out->bytes);
}
