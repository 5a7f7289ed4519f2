#include "net/tls_staple.h"

#include <openssl/ocsp.h>
#include <time.h>

#include "base/clock.h"
#include "net/tls_context.h"

#define ANSWERS_MAX 64 /* single responses in one; a responder sends one */

static void response_freep(OCSP_RESPONSE **response)
{
    OCSP_RESPONSE_free(*response);
}

static void basic_freep(OCSP_BASICRESP **basic)
{
    OCSP_BASICRESP_free(*basic);
}

static bool to_unix(const ASN1_GENERALIZEDTIME *time, int64_t *out)
{
    struct tm tm;

    if (time == NULL || ASN1_TIME_to_tm(time, &tm) != 1)
        return false;
    *out = (int64_t) timegm(&tm);
    return true;
}

/* The answer with the leaf's serial number; who issued it the client checks by the signature.
 */
static OCSP_SINGLERESP *answer_about(OCSP_BASICRESP *basic, X509 *leaf)
{
    int n = OCSP_resp_count(basic);

    for (int i = 0; i < n && i < ANSWERS_MAX; i++) {
        OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
        ASN1_INTEGER *serial = NULL;

        /* OpenSSL's function takes no const. */
        if (OCSP_id_get0_info(NULL, NULL, NULL, &serial,
                              (OCSP_CERTID *) (uintptr_t) OCSP_SINGLERESP_get0_id(single)) ==
                1 &&
            ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(leaf)) == 0)
            return single;
    }
    return NULL;
}

enum rc tls_staple_read(struct slice der, X509 *leaf, struct tls_staple *out, struct err *err)
{
    const unsigned char *at = (const unsigned char *) der.ptr;
    AUTO(response_freep) OCSP_RESPONSE *response = NULL;
    AUTO(basic_freep) OCSP_BASICRESP *basic = NULL;
    ASN1_GENERALIZEDTIME *from = NULL, *until = NULL;
    struct tls_staple made = {0};
    OCSP_SINGLERESP *single;

    if (der.len > TLS_STAPLE_MAX_BYTES)
        return err_set(err, RC_INVALID, "Bad OCSP answer", "OCSP answer: over %zu bytes",
                       TLS_STAPLE_MAX_BYTES);
    response = d2i_OCSP_RESPONSE(NULL, &at, (long) der.len);
    if (response == NULL || at != (const unsigned char *) der.ptr + der.len ||
        OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
        return tls_err(err, RC_INVALID, "Bad OCSP answer", "OCSP answer: not a successful one");
    basic = OCSP_response_get1_basic(response);
    single = basic != NULL ? answer_about(basic, leaf) : NULL;
    if (single == NULL)
        return tls_err(err, RC_INVALID, "Bad OCSP answer",
                       "OCSP answer: about another certificate");
    (void) OCSP_single_get0_status(single, NULL, NULL, &from, &until);
    if (!to_unix(from, &made.from_sec) || !to_unix(until, &made.until_sec))
        return err_set(err, RC_INVALID, "Bad OCSP answer", "OCSP answer: says no end");
    made.der = xmalloc(der.len);
    made.len = der.len;
    memcpy(made.der, der.ptr, der.len);
    *out = made;
    return RC_OK;
}

void tls_staple_done(struct tls_staple *staple)
{
    free(staple->der);
    *staple = (struct tls_staple){0};
}

bool tls_staple_is_fresh(const struct tls_staple *staple)
{
    int64_t now = clock_wall_sec();

    return staple->der != NULL && now >= staple->from_sec - TLS_STAPLE_SKEW_SEC &&
           now < staple->until_sec;
}
