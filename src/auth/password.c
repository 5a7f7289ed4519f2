#include "auth/password.h"

#include <crypt.h>
#include <sodium.h>

#include "base/ascii.h"
#include "base/scan.h"

typedef enum rc check_form_fn(struct slice hash, struct err *err);
typedef bool matches_fn(struct slice hash, struct slice secret);

struct password_scheme {
    struct slice name;
    check_form_fn *check_form;
    matches_fn *matches;
    bool cheap;
    bool old;
};

static enum rc bad_form(struct err *err, const char *scheme)
{
    return err_set(err, RC_SYNTAX, "Not a password hash", "not a %s hash", scheme);
}

static enum rc too_costly(struct err *err, const char *scheme)
{
    return err_set(err, RC_LIMIT, "Password hash is too costly", "%s: cost over our limit",
                   scheme);
}

/* crypt(3) and libsodium want strings: no NUL inside, and every byte printable. */
static bool is_hash_text(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] <= ' ' || s.ptr[i] >= 0x7f)
            return false;
    return s.len > 0 && s.len < PASSWORD_HASH_MAX_BYTES;
}

static void to_cstr(struct slice s, char *out, size_t size)
{
    size_t len = MIN(s.len, size - 1);

    if (len > 0)
        memcpy(out, s.ptr, len);
    out[len] = '\0';
}

static enum rc plain_form(struct slice hash, struct err *err)
{
    return hash.len > AUTH_SECRET_MAX_BYTES || hash.len == 0 ? bad_form(err, "PLAIN") : RC_OK;
}

/* Both are padded to one length, so that the time tells nothing, the length neither. */
static bool plain_matches(struct slice hash, struct slice secret)
{
    char a[AUTH_SECRET_MAX_BYTES] = {0}, b[AUTH_SECRET_MAX_BYTES] = {0};
    bool same;

    if (hash.len > sizeof(a) || secret.len > sizeof(b) || secret.len == 0)
        return false;
    memcpy(a, hash.ptr, hash.len);
    memcpy(b, secret.ptr, secret.len);
    same = (sodium_memcmp(a, b, sizeof(a)) == 0) & (hash.len == secret.len);
    sodium_memzero(a, sizeof(a));
    sodium_memzero(b, sizeof(b));
    return same;
}

/* $argon2id$v=19$m=65536,t=2,p=1$salt$hash */
static bool argon2id_cost(struct slice hash, uint32_t *kib, uint32_t *passes)
{
    struct scan sc = scan_of(hash);
    uint32_t lanes;

    return is_hash_text(hash) && hash.len < crypto_pwhash_STRBYTES &&
           scan_literal(&sc, SLICE("$argon2id$v=19$m=")) && scan_u32(&sc, kib) &&
           scan_literal(&sc, SLICE(",t=")) && scan_u32(&sc, passes) &&
           scan_literal(&sc, SLICE(",p=")) && scan_u32(&sc, &lanes) && scan_byte(&sc, '$') &&
           slice_count(scan_rest(&sc), '$') == 1;
}

static enum rc argon2id_form(struct slice hash, struct err *err)
{
    uint32_t kib, passes;

    if (!argon2id_cost(hash, &kib, &passes))
        return bad_form(err, "ARGON2ID");
    if (kib > ARGON2_MAX_KIB || passes > ARGON2_MAX_PASSES)
        return too_costly(err, "ARGON2ID");
    return RC_OK;
}

static bool argon2id_matches(struct slice hash, struct slice secret)
{
    char text[crypto_pwhash_STRBYTES] = {0};

    to_cstr(hash, text, sizeof(text));
    return crypto_pwhash_str_verify(text, secret.ptr, secret.len) == 0;
}

/* $6$salt$hash or $6$rounds=N$salt$hash, and the same behind $5$ */
static enum rc sha_form(struct slice hash, struct slice prefix, const char *scheme,
                        struct err *err)
{
    struct scan sc = scan_of(hash);
    uint32_t rounds = 0;

    if (!is_hash_text(hash) || !scan_literal(&sc, prefix))
        return bad_form(err, scheme);
    if (scan_literal(&sc, SLICE("rounds=")) &&
        (!scan_u32(&sc, &rounds) || !scan_byte(&sc, '$')))
        return bad_form(err, scheme);
    if (slice_count(scan_rest(&sc), '$') != 1)
        return bad_form(err, scheme);
    return rounds > SHA512_MAX_ROUNDS ? too_costly(err, scheme) : RC_OK;
}

static enum rc sha512_form(struct slice hash, struct err *err)
{
    return sha_form(hash, SLICE("$6$"), "SHA512-CRYPT", err);
}

static enum rc sha256_form(struct slice hash, struct err *err)
{
    return sha_form(hash, SLICE("$5$"), "SHA256-CRYPT", err);
}

/* $1$, a salt of at most 8, $, 22 characters */
static enum rc md5_form(struct slice hash, struct err *err)
{
    struct scan sc = scan_of(hash);
    struct slice salt;

    if (!is_hash_text(hash) || !scan_literal(&sc, SLICE("$1$")) ||
        !scan_until(&sc, '$', &salt) || salt.len > 8 || !scan_byte(&sc, '$') ||
        scan_left(&sc) != 22)
        return bad_form(err, "MD5-CRYPT");
    return RC_OK;
}

/* Two characters of salt, eleven of hash; only eight characters of a password count. */
static enum rc des_form(struct slice hash, struct err *err)
{
    if (hash.len != 13)
        return bad_form(err, "DES-CRYPT");
    for (size_t i = 0; i < hash.len; i++)
        if (!ascii_is_alnum(hash.ptr[i]) && hash.ptr[i] != '.' && hash.ptr[i] != '/')
            return bad_form(err, "DES-CRYPT");
    return RC_OK;
}

/* $2y$10$ and 53 characters; 2a and 2b are the same for what can be typed. */
static enum rc bcrypt_form(struct slice hash, struct err *err)
{
    struct scan sc = scan_of(hash);
    uint32_t cost;

    if (!is_hash_text(hash) || hash.len != 60 ||
        (!scan_literal(&sc, SLICE("$2y$")) && !scan_literal(&sc, SLICE("$2b$")) &&
         !scan_literal(&sc, SLICE("$2a$"))) ||
        !scan_u32(&sc, &cost) || scan_offset(&sc) != 6 || !scan_byte(&sc, '$'))
        return bad_form(err, "BLF-CRYPT");
    return cost > BCRYPT_MAX_COST ? too_costly(err, "BLF-CRYPT") : RC_OK;
}

/* Whichever of those that crypt(3) would take it for. */
static enum rc crypt_form(struct slice hash, struct err *err)
{
    if (slice_starts(hash, SLICE("$6$")))
        return sha512_form(hash, err);
    if (slice_starts(hash, SLICE("$5$")))
        return sha256_form(hash, err);
    if (slice_starts(hash, SLICE("$2")))
        return bcrypt_form(hash, err);
    if (slice_starts(hash, SLICE("$1$")))
        return md5_form(hash, err);
    return des_form(hash, err);
}

static bool crypt_matches(struct slice hash, struct slice secret)
{
    char setting[PASSWORD_HASH_MAX_BYTES], phrase[AUTH_SECRET_MAX_BYTES + 1];
    struct crypt_data *data;
    const char *made;
    bool same;

    if (slice_find(secret, '\0') < secret.len || secret.len > AUTH_SECRET_MAX_BYTES)
        return false;
    to_cstr(hash, setting, sizeof(setting));
    to_cstr(secret, phrase, sizeof(phrase));
    data = xcalloc(1, sizeof(*data)); /* 32 KiB: not for a small stack */
    made = crypt_r(phrase, setting, data);
    same = made != NULL && strlen(made) == hash.len &&
           sodium_memcmp(made, hash.ptr, hash.len) == 0;
    sodium_memzero(data, sizeof(*data));
    sodium_memzero(phrase, sizeof(phrase));
    free(data);
    return same;
}

#define NAME(literal)                                                                          \
    {                                                                                          \
        literal, sizeof(literal) - 1                                                           \
    }

// clang-format off
static const struct password_scheme schemes[] = {
    /* name                  form           matches           cheap  old */
    {NAME("ARGON2ID"),     argon2id_form, argon2id_matches, false, false},
    {NAME("SHA512-CRYPT"), sha512_form,   crypt_matches,    false, true },
    {NAME("SHA256-CRYPT"), sha256_form,   crypt_matches,    false, true },
    {NAME("BLF-CRYPT"),    bcrypt_form,   crypt_matches,    false, true },
    {NAME("MD5-CRYPT"),    md5_form,      crypt_matches,    false, true },
    {NAME("DES-CRYPT"),    des_form,      crypt_matches,    false, true },
    {NAME("CRYPT"),        crypt_form,    crypt_matches,    false, true },
    {NAME("PLAIN"),        plain_form,    plain_matches,    true,  true },
    {NAME("CLEARTEXT"),    plain_form,    plain_matches,    true,  true },
};
// clang-format on

enum rc password_hash_parse(struct slice text, struct password_hash *out, struct err *err)
{
    struct scan sc = scan_of(text);
    struct slice name;
    enum rc rc;

    if (!scan_byte(&sc, '{') || !scan_until(&sc, '}', &name) || !scan_byte(&sc, '}'))
        return err_set(err, RC_SYNTAX, "Not a password hash", "no {SCHEME} before the hash");
    for (size_t i = 0; i < COUNT(schemes); i++) {
        if (!slice_eq_nocase(name, schemes[i].name))
            continue;
        rc = schemes[i].check_form(scan_rest(&sc), err);
        if (rc)
            return rc;
        *out = (struct password_hash){&schemes[i], scan_rest(&sc)};
        return RC_OK;
    }
    return err_set(err, RC_INVALID, "Unknown password scheme", "scheme is not one of ours");
}

void password_hash_print(const struct password_hash *hash, struct buf *out)
{
    buf_byte(out, '{');
    buf_append(out, hash->scheme->name);
    buf_byte(out, '}');
    buf_append(out, hash->hash);
}

bool password_hash_is_cheap(const struct password_hash *hash)
{
    return hash->scheme->cheap;
}

bool password_hash_is_old(const struct password_hash *hash)
{
    return hash->scheme->old || password_hash_is_weak(hash);
}

bool password_hash_is_weak(const struct password_hash *hash)
{
    uint32_t kib, passes;

    return argon2id_cost(hash->hash, &kib, &passes) &&
           (kib < ARGON2_MIN_KIB || passes < ARGON2_MIN_PASSES);
}

bool password_matches(const struct password_hash *hash, struct slice secret)
{
    return hash->scheme->matches(hash->hash, secret);
}

enum rc password_hash_make(struct slice secret, struct buf *out, struct err *err)
{
    char text[crypto_pwhash_STRBYTES];

    if (crypto_pwhash_str(text, secret.ptr, secret.len, crypto_pwhash_OPSLIMIT_INTERACTIVE,
                          crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0)
        return err_set(err, RC_UNAVAILABLE, "No memory for hashing", "argon2id: no memory");
    buf_str(out, "{ARGON2ID}");
    buf_str(out, text);
    return RC_OK;
}

struct slice password_hash_dummy(void)
{
    return SLICE("{ARGON2ID}$argon2id$v=19$m=65536,t=2,p=1$"
                 "AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
}
