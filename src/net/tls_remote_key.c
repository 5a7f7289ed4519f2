#include "net/tls_remote_key.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>

#include "net/tls_context.h"

#define PROVIDER_NAME  "roost-keys"
#define PROPERTIES     "provider=" PROVIDER_NAME
#define SIGNATURE_NAME "ROOST-HANDSHAKE" /* nobody else's: fetched without ambiguity */
#define PARAM_LEAF     "roost-leaf"      /* what tls_remote_key_new() gives to import */
#define PARAM_SIGNER   "roost-signer"
#define DIGEST_MAX     32u /* a name of a digest, with its NUL */

/* A key as OpenSSL holds it for us. */
struct remote_key {
    EVP_PKEY *public; /* of the default provider */
    uint8_t id[TLS_KEY_ID_BYTES];
    const struct tls_signer *signer;
};

/* One signature on its way. OpenSSL holds the key while this lives. */
struct remote_signature {
    const struct remote_key *key;
    char digest[DIGEST_MAX]; /* "": the scheme has its own */
    bool pss;
};

typedef void dispatch_fn(void);
#define ENTRY(id, function)                                                                    \
    {                                                                                          \
        id, (dispatch_fn *) (function)                                                         \
    }

/* --- keys --- */

static void *key_new(void *provctx)
{
    (void) provctx;
    return xcalloc(1, sizeof(struct remote_key));
}

static void key_free(void *data)
{
    struct remote_key *key = data;

    if (key == NULL)
        return;
    EVP_PKEY_free(key->public);
    free(key);
}

/* A pointer that stands as an octet string in params. */
static void *pointer_in(const OSSL_PARAM params[], const char *name)
{
    const OSSL_PARAM *param = OSSL_PARAM_locate_const(params, name);
    const void *bytes = NULL;
    void *pointer = NULL;
    size_t len = 0;

    if (param == NULL || OSSL_PARAM_get_octet_string_ptr(param, &bytes, &len) != 1 ||
        len != sizeof(pointer))
        return NULL;
    memcpy(&pointer, bytes, sizeof(pointer));
    return pointer;
}

/* Only what tls_remote_key_new() gives: keys of others are not taken in. */
static int key_import(void *data, int selection, const OSSL_PARAM params[])
{
    struct remote_key *key = data;
    X509 *leaf = pointer_in(params, PARAM_LEAF);

    (void) selection;
    key->signer = pointer_in(params, PARAM_SIGNER);
    if (leaf == NULL || key->signer == NULL || !tls_key_id(leaf, key->id))
        return 0;
    key->public = X509_get_pubkey(leaf);
    return key->public != NULL;
}

static const OSSL_PARAM *key_import_types(int selection)
{
    static const OSSL_PARAM types[] = {OSSL_PARAM_octet_string(PARAM_LEAF, NULL, 0),
                                       OSSL_PARAM_octet_string(PARAM_SIGNER, NULL, 0),
                                       OSSL_PARAM_END};

    (void) selection;
    return types;
}

/* The private half is there in that one can sign with it. */
static int key_has(const void *data, int selection)
{
    const struct remote_key *key = data;

    (void) selection;
    return key->public != NULL;
}

static int key_match(const void *left, const void *right, int selection)
{
    const struct remote_key *a = left, *b = right;

    (void) selection;
    return EVP_PKEY_eq(a->public, b->public) == 1;
}

/* To compare it with the certificate's: the public half, whatever was asked for. */
static int key_export(void *data, int selection, OSSL_CALLBACK *to, void *arg)
{
    const struct remote_key *key = data;

    (void) selection;
    return EVP_PKEY_export(key->public, EVP_PKEY_PUBLIC_KEY, to, arg);
}

static const OSSL_PARAM *key_export_types(int selection)
{
    static const OSSL_PARAM types[] = {
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
        OSSL_PARAM_END,
    };

    (void) selection;
    return types;
}

static int key_get_params(void *data, OSSL_PARAM params[])
{
    const struct remote_key *key = data;

    return EVP_PKEY_get_params(key->public, params);
}

static const OSSL_PARAM *key_gettable(void *provctx)
{
    static const OSSL_PARAM types[] = {
        OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
        OSSL_PARAM_END,
    };

    (void) provctx;
    return types;
}

static const char *key_operation(int operation)
{
    return operation == OSSL_OP_SIGNATURE ? SIGNATURE_NAME : NULL;
}

static const OSSL_DISPATCH key_functions[] = {
    ENTRY(OSSL_FUNC_KEYMGMT_NEW, key_new),
    ENTRY(OSSL_FUNC_KEYMGMT_FREE, key_free),
    ENTRY(OSSL_FUNC_KEYMGMT_IMPORT, key_import),
    ENTRY(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, key_import_types),
    ENTRY(OSSL_FUNC_KEYMGMT_HAS, key_has),
    ENTRY(OSSL_FUNC_KEYMGMT_MATCH, key_match),
    ENTRY(OSSL_FUNC_KEYMGMT_EXPORT, key_export),
    ENTRY(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, key_export_types),
    ENTRY(OSSL_FUNC_KEYMGMT_GET_PARAMS, key_get_params),
    ENTRY(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, key_gettable),
    ENTRY(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, key_operation),
    {0, NULL},
};

/* --- signatures --- */

static void *signature_new(void *provctx, const char *properties)
{
    (void) provctx;
    (void) properties;
    return xcalloc(1, sizeof(struct remote_signature));
}

static void signature_free(void *ctx)
{
    free(ctx);
}

/* A text parameter that equals `word`, or an integer that equals `number`. */
static bool param_is(const OSSL_PARAM *param, const char *word, int number)
{
    const char *text = NULL;
    int value;

    if (param->data_type == OSSL_PARAM_UTF8_STRING)
        return OSSL_PARAM_get_utf8_string_ptr(param, &text) == 1 && strcmp(text, word) == 0;
    return OSSL_PARAM_get_int(param, &value) == 1 && value == number;
}

/* RFC 8446 section 4.2.3: a salt is as long as the digest, and MGF1's digest the same. */
static int signature_set(void *ctx, const OSSL_PARAM params[])
{
    struct remote_signature *signature = ctx;
    const OSSL_PARAM *param;

    if (params == NULL)
        return 1;
    param = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN);
    if (param != NULL &&
        !param_is(param, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST, RSA_PSS_SALTLEN_DIGEST))
        return 0;
    param = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
    if (param == NULL)
        return 1;
    signature->pss = param_is(param, OSSL_PKEY_RSA_PAD_MODE_PSS, RSA_PKCS1_PSS_PADDING);
    return signature->pss || param_is(param, OSSL_PKEY_RSA_PAD_MODE_PKCSV15, RSA_PKCS1_PADDING);
}

static const OSSL_PARAM *signature_settable(void *ctx, void *provctx)
{
    static const OSSL_PARAM types[] = {
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
        OSSL_PARAM_END,
    };

    (void) ctx;
    (void) provctx;
    return types;
}

static int signature_init(void *ctx, const char *digest, void *key, const OSSL_PARAM params[])
{
    struct remote_signature *signature = ctx;

    if (key != NULL)
        signature->key = key;
    if (signature->key == NULL || (digest != NULL && strlen(digest) >= DIGEST_MAX))
        return 0;
    signature->pss = false;
    (void) snprintf(signature->digest, sizeof(signature->digest), "%s",
                    digest != NULL ? digest : "");
    return signature_set(signature, params);
}

static const struct tls_scheme *scheme_of(const struct remote_signature *signature)
{
    static const char *const kinds[] = {"EC", "RSA", "RSA-PSS", "ED25519", "ED448"};

    for (size_t i = 0; i < COUNT(kinds); i++) {
        if (EVP_PKEY_is_a(signature->key->public, kinds[i]))
            return tls_scheme_of(kinds[i], signature->digest, signature->pss);
    }
    return NULL;
}

/* All of the text at once. sig == NULL: how long may it become? */
static int signature_sign(void *ctx, unsigned char *sig, size_t *len, size_t cap,
                          const unsigned char *text, size_t text_len)
{
    const struct remote_signature *signature = ctx;
    const struct remote_key *key = signature->key;
    AUTO(buf_done) struct buf out = {0};
    struct tls_to_sign what = {.key_id = key->id,
                               .scheme = scheme_of(signature),
                               .bytes = slice_of((const char *) text, text_len)};
    struct err err;

    if (what.scheme == NULL)
        return 0;
    if (sig == NULL) {
        *len = (size_t) EVP_PKEY_get_size(key->public);
        return 1;
    }
    buf_init(&out, TLS_SIGNATURE_MAX);
    if (text_len > TLS_SIGNED_MAX || key->signer->sign(key->signer->ctx, &what, &out, &err) ||
        out.overflow || out.len == 0 || out.len > cap)
        return 0;
    memcpy(sig, out.ptr, out.len);
    *len = out.len;
    return 1;
}

static const OSSL_DISPATCH signature_functions[] = {
    ENTRY(OSSL_FUNC_SIGNATURE_NEWCTX, signature_new),
    ENTRY(OSSL_FUNC_SIGNATURE_FREECTX, signature_free),
    ENTRY(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, signature_init),
    ENTRY(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, signature_sign),
    ENTRY(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, signature_set),
    ENTRY(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, signature_settable),
    {0, NULL},
};

/* --- the provider --- */

static const OSSL_ALGORITHM *operations(void *provctx, int operation, int *no_cache)
{
    /* The names are the default provider's: libssl knows a kind of key by any of them. */
    static const OSSL_ALGORITHM kinds[] = {
        {"RSA:rsaEncryption:1.2.840.113549.1.1.1",   PROPERTIES, key_functions, "RSA, elsewhere"    },
        {"RSA-PSS:RSASSA-PSS:1.2.840.113549.1.1.10", PROPERTIES, key_functions,
         "RSA-PSS, elsewhere"                                                                       },
        {"EC:id-ecPublicKey:1.2.840.10045.2.1",      PROPERTIES, key_functions, "EC, elsewhere"     },
        {"ED25519:1.3.101.112",                      PROPERTIES, key_functions, "Ed25519, elsewhere"},
        {"ED448:1.3.101.113",                        PROPERTIES, key_functions, "Ed448, elsewhere"  },
        {NULL,                                       NULL,       NULL,          NULL                },
    };
    static const OSSL_ALGORITHM signatures[] = {
        {SIGNATURE_NAME, PROPERTIES, signature_functions, "signed elsewhere"},
        {NULL,           NULL,       NULL,                NULL              },
    };

    (void) provctx;
    *no_cache = 0;
    return operation == OSSL_OP_KEYMGMT     ? kinds
           : operation == OSSL_OP_SIGNATURE ? signatures
                                            : NULL;
}

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                         const OSSL_DISPATCH **out, void **provctx)
{
    static const OSSL_DISPATCH functions[] = {
        ENTRY(OSSL_FUNC_PROVIDER_QUERY_OPERATION, operations),
        {0, NULL},
    };

    (void) in;
    *out = functions;
    *provctx = (void *) (uintptr_t) handle; /* nothing of ours: any pointer but NULL does */
    return 1;
}

struct providers {
    OSSL_PROVIDER *list[4];
    size_t n;
};

static int note_provider(OSSL_PROVIDER *provider, void *ctx)
{
    struct providers *all = ctx;

    if (all->n < COUNT(all->list))
        all->list[all->n++] = provider;
    return 1;
}

/* Each load is a reference that OpenSSL's own end leaves behind. */
static void unload(void)
{
    struct providers all = {.n = 0};

    (void) OSSL_PROVIDER_do_all(NULL, note_provider, &all); /* the process ends either way */
    for (size_t i = 0; i < all.n; i++)
        (void) OSSL_PROVIDER_unload(all.list[i]);
}

void tls_remote_keys_init(void)
{
    if (OSSL_PROVIDER_available(NULL, PROVIDER_NAME) == 1)
        return;
    /* Whoever loads one loads all: then the default provider no longer comes of itself. */
    if (OSSL_PROVIDER_load(NULL, "default") == NULL ||
        OSSL_PROVIDER_add_builtin(NULL, PROVIDER_NAME, provider_init) != 1 ||
        OSSL_PROVIDER_load(NULL, PROVIDER_NAME) == NULL || OPENSSL_atexit(unload) != 1)
        die("tls: OpenSSL does not take the provider " PROVIDER_NAME);
}

bool tls_key_id(X509 *leaf, uint8_t out[TLS_KEY_ID_BYTES])
{
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &der);
    bool done = len > 0 && EVP_Digest(der, (size_t) len, out, NULL, EVP_sha256(), NULL) == 1;

    OPENSSL_free(der);
    return done;
}

/* The kind of key as the provider names it. */
static const char *kind_of(X509 *leaf)
{
    static const char *const kinds[] = {"EC", "RSA", "RSA-PSS", "ED25519", "ED448"};
    const EVP_PKEY *public = X509_get0_pubkey(leaf);

    for (size_t i = 0; i < COUNT(kinds) && public != NULL; i++) {
        if (EVP_PKEY_is_a(public, kinds[i]))
            return kinds[i];
    }
    return NULL;
}

static void pkey_ctx_freep(EVP_PKEY_CTX **ctx)
{
    EVP_PKEY_CTX_free(*ctx);
}

enum rc tls_remote_key_new(X509 *leaf, const struct tls_signer *signer, EVP_PKEY **out,
                           struct err *err)
{
    const char *kind = kind_of(leaf);
    AUTO(pkey_ctx_freep) EVP_PKEY_CTX *ctx = NULL;
    EVP_PKEY *key = NULL;
    OSSL_PARAM params[3];

    tls_remote_keys_init();
    if (signer->sign == NULL)
        return err_set(err, RC_INVALID, "Bad private key", "private key: none");
    if (kind == NULL)
        return err_set(err, RC_INVALID, "Bad certificate",
                       "certificate: not an RSA, EC or Edwards key");
    params[0] = OSSL_PARAM_construct_octet_string(PARAM_LEAF, &leaf, sizeof(leaf));
    params[1] =
        OSSL_PARAM_construct_octet_string(PARAM_SIGNER, (void *) &signer, sizeof(signer));
    params[2] = OSSL_PARAM_construct_end();
    ctx = EVP_PKEY_CTX_new_from_name(NULL, kind, PROPERTIES);
    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) != 1)
        return tls_err(err, RC_INVALID, "Bad certificate", "key elsewhere");
    *out = key;
    return RC_OK;
}
