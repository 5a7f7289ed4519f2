#include "net/tls_scheme.h"

#include <openssl/evp.h>
#include <strings.h>

#include "base/err.h"

// clang-format off
static const struct tls_scheme schemes[] = {
    {0x0403, "ecdsa_secp256r1_sha256", "EC",      "SHA256", "prime256v1", false, true},
    {0x0503, "ecdsa_secp384r1_sha384", "EC",      "SHA384", "secp384r1",  false, true},
    {0x0603, "ecdsa_secp521r1_sha512", "EC",      "SHA512", "secp521r1",  false, true},
    {0x0807, "ed25519",                "ED25519", NULL,     NULL,         false, true},
    {0x0808, "ed448",                  "ED448",   NULL,     NULL,         false, true},
    {0x0804, "rsa_pss_rsae_sha256",    "RSA",     "SHA256", NULL,         true,  true},
    {0x0805, "rsa_pss_rsae_sha384",    "RSA",     "SHA384", NULL,         true,  true},
    {0x0806, "rsa_pss_rsae_sha512",    "RSA",     "SHA512", NULL,         true,  true},
    {0x0809, "rsa_pss_pss_sha256",     "RSA-PSS", "SHA256", NULL,         true,  true},
    {0x080a, "rsa_pss_pss_sha384",     "RSA-PSS", "SHA384", NULL,         true,  true},
    {0x080b, "rsa_pss_pss_sha512",     "RSA-PSS", "SHA512", NULL,         true,  true},
    {0x0401, "rsa_pkcs1_sha256",       "RSA",     "SHA256", NULL,         false, false},
    {0x0501, "rsa_pkcs1_sha384",       "RSA",     "SHA384", NULL,         false, false},
    {0x0601, "rsa_pkcs1_sha512",       "RSA",     "SHA512", NULL,         false, false},
};
// clang-format on

const struct tls_scheme *tls_scheme_find(uint16_t number)
{
    for (size_t i = 0; i < COUNT(schemes); i++) {
        if (schemes[i].number == number)
            return &schemes[i];
    }
    return NULL;
}

/* OpenSSL's newer names of SHA-2 have a hyphen and the family; both name one digest. */
static bool same_digest(const char *ours, const char *theirs)
{
    if (ours == NULL || theirs == NULL || *theirs == '\0')
        return ours == NULL && (theirs == NULL || *theirs == '\0');
    if (strncasecmp(theirs, "SHA2-", 5) == 0)
        return strcasecmp(ours + 3, theirs + 5) == 0;
    return strcasecmp(ours, theirs) == 0;
}

const struct tls_scheme *tls_scheme_of(const char *key, const char *digest, bool pss)
{
    for (size_t i = 0; i < COUNT(schemes); i++) {
        if (strcasecmp(schemes[i].key, key) == 0 && schemes[i].pss == pss &&
            same_digest(schemes[i].digest, digest))
            return &schemes[i];
    }
    return NULL;
}
