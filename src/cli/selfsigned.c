#include "cli/selfsigned.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#define SERIAL_BITS   127
#define SECONDS_A_DAY 86400L

static void pkey_freep(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void x509_freep(X509 **cert)
{
    X509_free(*cert);
}

static enum rc failed(const char *what, struct err *err)
{
    return err_set(err, RC_UNAVAILABLE, "No certificate could be made", "openssl: %s", what);
}

static bool add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;
    bool ok;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ok = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

static bool set_serial(X509 *cert)
{
    BIGNUM *serial = BN_new();
    bool ok = serial != NULL &&
              BN_rand(serial, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
              BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert)) != NULL;

    BN_free(serial);
    return ok;
}

static bool set_names(X509 *cert, const char *hostname)
{
    X509_NAME *name = X509_get_subject_name(cert);
    char alternatives[512];

    if (snprintf(alternatives, sizeof(alternatives), "DNS:%s,DNS:localhost,IP:127.0.0.1,IP:::1",
                 hostname) >= (int) sizeof(alternatives))
        return false;
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                      (const unsigned char *) hostname, -1, -1, 0) == 1 &&
           X509_set_issuer_name(cert, name) == 1 &&
           add_extension(cert, NID_subject_alt_name, alternatives) &&
           add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(cert, NID_ext_key_usage, "serverAuth");
}

static bool fill(X509 *cert, EVP_PKEY *key, const char *hostname)
{
    return X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
           X509_gmtime_adj(X509_getm_notBefore(cert), 0) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(cert), SECONDS_A_DAY * SELFSIGNED_DAYS) != NULL &&
           X509_set_pubkey(cert, key) == 1 && set_names(cert, hostname) &&
           X509_sign(cert, key, EVP_sha256()) > 0;
}

static FILE *create(const char *path, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;

    if (file == NULL)
        (void) err_set(err, errno == EEXIST ? RC_EXISTS : RC_IO,
                       "No certificate could be written", "%s: %s", path, strerror(errno));
    return file;
}

static enum rc write_key(const char *path, EVP_PKEY *key, struct err *err)
{
    FILE *file = create(path, err);
    bool ok;

    if (file == NULL)
        return err->rc;
    ok = PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1;
    ok = fflush(file) == 0 && fsync(fileno(file)) == 0 && ok;
    (void) fclose(file);
    return ok ? RC_OK : failed("writing the key", err);
}

static enum rc write_cert(const char *path, X509 *cert, struct err *err)
{
    FILE *file = create(path, err);
    bool ok;

    if (file == NULL)
        return err->rc;
    ok = PEM_write_X509(file, cert) == 1;
    ok = fflush(file) == 0 && fchmod(fileno(file), 0644) == 0 && ok;
    (void) fclose(file);
    return ok ? RC_OK : failed("writing the certificate", err);
}

enum rc selfsigned_make(const char *hostname, const char *cert_path, const char *key_path,
                        struct err *err)
{
    AUTO(pkey_freep) EVP_PKEY *key = EVP_EC_gen("P-256");
    AUTO(x509_freep) X509 *cert = X509_new();
    enum rc rc;

    if (key == NULL || cert == NULL || !fill(cert, key, hostname))
        return failed("making the certificate", err);
    rc = write_key(key_path, key, err);
    return rc ? rc : write_cert(cert_path, cert, err);
}
