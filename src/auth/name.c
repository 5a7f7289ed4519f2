#include "auth/name.h"

#include <sodium.h>
#include <unicode/uchar.h>
#include <unicode/uidna.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#include "base/ascii.h"
#include "base/scan.h"
#include "base/utf8.h"

/*
 * Bytes a new account's name may not hold: what quoting needs in an address (RFC 5322 3.2.3
 * specials, but "." and "@"), the separator of a passwd-file, and IMAP's wildcards and
 * hierarchy separators, so that a name can stand in "user.NAME" mailboxes. A colon also ends
 * the word "group" before a group's name where rights are given.
 */
#define NAME_REFUSED "\"(),:;<>[\\]*%/"

#define NAME_MAX_UNITS   ((int32_t) AUTH_NAME_MAX_BYTES)
#define SECRET_MAX_UNITS ((int32_t) AUTH_SECRET_MAX_BYTES)

static UIDNA *the_idna; /* set once by auth_names_init, never changed or closed */

enum rc auth_names_init(struct err *err)
{
    UErrorCode status = U_ZERO_ERROR;

    (void) unorm2_getNFCInstance(&status);
    (void) unorm2_getNFKCCasefoldInstance(&status);
    if (the_idna == NULL)
        the_idna = uidna_openUTS46(UIDNA_USE_STD3_RULES | UIDNA_NONTRANSITIONAL_TO_ASCII |
                                       UIDNA_CHECK_BIDI | UIDNA_CHECK_CONTEXTJ,
                                   &status);
    if (U_FAILURE(status))
        return err_set(err, RC_IO, "Server is not ready", "ICU: %s", u_errorName(status));
    return RC_OK;
}

struct slice auth_key_slice(const struct auth_key *key)
{
    return slice_of(key->bytes, key->len);
}

/*
 * Words that stand for somebody else where rights are given: RFC 4314 2 has "anyone", and a "-"
 * before a name takes rights away; an "i" and sixteen digits is how an id is written.
 */
static bool is_rights_word(struct slice key)
{
    size_t n = 1;

    if (slice_starts(key, SLICE("-")) || slice_eq(key, SLICE("anyone")) ||
        slice_eq(key, SLICE("anonymous")))
        return true;
    if (key.len != 17 || key.ptr[0] != 'i')
        return false;
    while (n < key.len && ascii_hex_value(key.ptr[n]) >= 0)
        n++;
    return n == key.len;
}

static enum rc bad_name(struct err *err, const char *why)
{
    return err_set(err, RC_SYNTAX, "Not a valid name", "name: %s", why);
}

static enum rc long_name(struct err *err)
{
    return err_set(err, RC_LIMIT, "Name is too long", "name: over %u bytes",
                   AUTH_NAME_MAX_BYTES);
}

/* Controls, spaces, surrogates, private and unassigned characters name nobody. */
static bool is_name_char(uint32_t ch)
{
    const uint32_t refused =
        U_GC_CC_MASK | U_GC_Z_MASK | U_GC_CS_MASK | U_GC_CO_MASK | U_GC_CN_MASK | U_GC_CF_MASK;

    return (U_GET_GC_MASK((UChar32) ch) & refused) == 0;
}

static bool is_plain_ascii(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (ascii_is_8bit(s.ptr[i]) || ascii_is_ctl(s.ptr[i]) || s.ptr[i] == ' ')
            return false;
    return true;
}

static enum rc check_chars(struct slice name, struct err *err)
{
    struct scan sc = scan_of(name);
    uint32_t ch;

    while (!scan_done(&sc)) {
        if (!utf8_scan(&sc, &ch))
            return bad_name(err, "not UTF-8");
        if (!is_name_char(ch))
            return bad_name(err, "a control character, a space or an unassigned character");
    }
    return RC_OK;
}

/* Append s, normalised, to key. s is UTF-8 of at most AUTH_NAME_MAX_BYTES. */
static enum rc append_normalised(const UNormalizer2 *form, struct slice s, struct auth_key *key,
                                 struct err *err)
{
    UErrorCode status = U_ZERO_ERROR;
    UChar wide[NAME_MAX_UNITS], normal[NAME_MAX_UNITS];
    int32_t n, n_bytes;

    u_strFromUTF8(wide, NAME_MAX_UNITS, &n, s.ptr, (int32_t) s.len, &status);
    n = unorm2_normalize(form, wide, n, normal, NAME_MAX_UNITS, &status);
    u_strToUTF8(key->bytes + key->len, NAME_MAX_UNITS - key->len, &n_bytes, normal, n, &status);
    if (U_FAILURE(status))
        return long_name(err);
    key->len = (uint16_t) (key->len + n_bytes);
    return RC_OK;
}

static enum rc append_lower(struct slice s, struct auth_key *key, struct err *err)
{
    if (s.len > AUTH_NAME_MAX_BYTES - key->len)
        return long_name(err);
    for (size_t i = 0; i < s.len; i++)
        key->bytes[key->len++] = ascii_lower(s.ptr[i]);
    return RC_OK;
}

static enum rc append_user_key(struct slice user, struct auth_key *key, struct err *err)
{
    UErrorCode status = U_ZERO_ERROR;
    uint16_t before = key->len;
    enum rc rc;

    if (is_plain_ascii(user))
        return append_lower(user, key, err);
    rc = check_chars(user, err);
    if (rc)
        return rc;
    rc = append_normalised(unorm2_getNFKCCasefoldInstance(&status), user, key, err);
    if (rc)
        return rc;
    return key->len == before ? bad_name(err, "nothing visible in it") : RC_OK;
}

/* Letters, digits, hyphen and dots; no empty label (RFC 1123 2.1; "_" is met in practice). */
static bool is_host_name(struct slice s)
{
    char before = '.';

    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];

        if (c == '.' && before == '.')
            return false;
        if (!ascii_is_alnum(c) && c != '-' && c != '_' && c != '.')
            return false;
        before = c;
    }
    return before != '.';
}

static enum rc append_idn_key(struct slice domain, struct auth_key *key, struct err *err)
{
    UErrorCode status = U_ZERO_ERROR;
    UIDNAInfo info = UIDNA_INFO_INITIALIZER;
    int32_t n;

    if (!utf8_is_valid(domain))
        return bad_name(err, "not UTF-8");
    n = uidna_nameToASCII_UTF8(the_idna, domain.ptr, (int32_t) domain.len,
                               key->bytes + key->len, NAME_MAX_UNITS - key->len, &info,
                               &status);
    if (status == U_BUFFER_OVERFLOW_ERROR)
        return long_name(err);
    if (U_FAILURE(status) || info.errors != 0 ||
        !is_host_name(slice_of(key->bytes + key->len, (size_t) n)))
        return bad_name(err, "no domain name");
    key->len = (uint16_t) (key->len + n);
    return RC_OK;
}

/* An address literal, [192.0.2.1], is compared as it stands (RFC 5321 4.1.3). */
static bool is_address_literal(struct slice s)
{
    return s.len > 2 && s.ptr[0] == '[' && s.ptr[s.len - 1] == ']' && is_plain_ascii(s);
}

static enum rc append_domain_key(struct slice domain, struct auth_key *key, struct err *err)
{
    if (slice_ends(domain, SLICE(".")))
        domain.len--;
    if (domain.len == 0)
        return bad_name(err, "no domain behind the @");
    if (!is_plain_ascii(domain))
        return append_idn_key(domain, key, err);
    if (!is_host_name(domain) && !is_address_literal(domain))
        return bad_name(err, "no domain name");
    return append_lower(domain, key, err);
}

enum rc auth_name_key(struct slice name, struct auth_key *out, struct err *err)
{
    struct auth_key key = {0};
    size_t at = slice_rfind(name, '@');
    enum rc rc;

    if (name.len > AUTH_NAME_MAX_BYTES)
        return long_name(err);
    if (at == 0 || name.len == 0)
        return bad_name(err, "empty");
    rc = append_user_key(slice_sub(name, 0, at), &key, err);
    if (rc)
        return rc;
    if (at < name.len) {
        rc = append_lower(SLICE("@"), &key, err);
        if (rc)
            return rc;
        rc = append_domain_key(slice_from(name, at + 1), &key, err);
        if (rc)
            return rc;
    }
    *out = key;
    return RC_OK;
}

enum rc auth_domain_key(struct slice domain, struct auth_key *out, struct err *err)
{
    struct auth_key key = {0};
    enum rc rc;

    if (domain.len > AUTH_NAME_MAX_BYTES)
        return long_name(err);
    rc = append_domain_key(domain, &key, err);
    if (rc)
        return rc;
    *out = key;
    return RC_OK;
}

enum rc auth_name_check_new(struct slice name, struct auth_key *out, struct err *err)
{
    UErrorCode status = U_ZERO_ERROR;
    struct auth_key key, nfc = {0};
    enum rc rc = auth_name_key(name, &key, err);

    if (rc)
        return rc;
    for (const char *c = NAME_REFUSED; *c != '\0'; c++)
        if (slice_find(name, *c) < name.len)
            return err_set(err, RC_SYNTAX, "A name holds none of " NAME_REFUSED,
                           "name: '%c' in it", *c);
    if (slice_count(name, '@') > 1)
        return bad_name(err, "more than one @");
    if (is_rights_word(auth_key_slice(&key)))
        return err_set(err, RC_SYNTAX, "That name means something else in lists of rights",
                       "name: a word of access control lists");
    rc = append_normalised(unorm2_getNFCInstance(&status), name, &nfc, err);
    if (rc)
        return rc;
    *out = nfc;
    return RC_OK;
}

struct slice auth_secret_slice(const struct auth_secret *secret)
{
    return slice_of(secret->bytes, secret->len);
}

void auth_secret_wipe(struct auth_secret *secret)
{
    sodium_memzero(secret, sizeof(*secret));
}

/* UTF-8 that is not plain ASCII, into NFC with one kind of space. False: too long. */
static bool normalise_secret(struct slice secret, struct auth_secret *out)
{
    UErrorCode status = U_ZERO_ERROR;
    UChar wide[SECRET_MAX_UNITS], normal[SECRET_MAX_UNITS];
    int32_t n, n_bytes = 0;

    u_strFromUTF8(wide, SECRET_MAX_UNITS, &n, secret.ptr, (int32_t) secret.len, &status);
    if (U_SUCCESS(status))
        for (int32_t i = 0; i < n; i++)
            if (u_charType(wide[i]) == U_SPACE_SEPARATOR)
                wide[i] = ' ';
    n = unorm2_normalize(unorm2_getNFCInstance(&status), wide, n, normal, SECRET_MAX_UNITS,
                         &status);
    u_strToUTF8(out->bytes, SECRET_MAX_UNITS, &n_bytes, normal, n, &status);
    sodium_memzero(wide, sizeof(wide));
    sodium_memzero(normal, sizeof(normal));
    out->len = (uint16_t) n_bytes;
    return U_SUCCESS(status);
}

enum rc auth_secret_prepare(struct slice secret, struct auth_secret *out, struct err *err)
{
    AUTO(auth_secret_wipe) struct auth_secret made = {0};

    if (secret.len == 0 || secret.len > AUTH_SECRET_MAX_BYTES)
        return err_set(err, RC_LIMIT, "Password is empty or too long", "secret: %zu bytes",
                       secret.len);
    if (utf8_is_ascii(secret) || !utf8_is_valid(secret)) {
        memcpy(made.bytes, secret.ptr, secret.len);
        made.len = (uint16_t) secret.len;
    } else if (!normalise_secret(secret, &made)) {
        return err_set(err, RC_LIMIT, "Password is too long", "secret: grows in NFC");
    }
    *out = made;
    return RC_OK;
}
