/*
 * fuzz_sasl.c - a SASL exchange: the first byte says whether there is an initial response, the
 * rest are the client's messages, each behind a length byte (255: all that is left).
 */
// links: auth
#include <assert.h>

#include "auth/admin.h"
#include "auth/app_password.h"
#include "auth/sasl.h"
#include "base/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a claim promises to those behind it. */
static void check_claim(const struct sasl_claim *claim)
{
    struct app_password password, again;
    char shown[APP_PASSWORD_SHOWN_BYTES];
    struct auth_key key, key_again;

    assert(claim->user_len > 0 && claim->user_len <= AUTH_NAME_MAX_BYTES);
    assert(claim->authzid_len <= AUTH_NAME_MAX_BYTES);
    assert(claim->secret.len > 0 && claim->secret.len <= AUTH_SECRET_MAX_BYTES);
    if (app_password_read(auth_secret_slice(&claim->secret), &password)) {
        app_password_show(&password, shown);
        assert(app_password_read(slice_from_str(shown), &again));
        assert(memcmp(&password, &again, sizeof(again)) == 0);
    }
    if (auth_name_key(sasl_claim_user(claim), &key, NULL) == RC_OK &&
        auth_name_key(auth_key_slice(&key), &key_again, NULL) == RC_OK)
        assert(slice_eq(auth_key_slice(&key), auth_key_slice(&key_again)));
}

static struct slice next_message(struct scan *sc)
{
    struct slice message = scan_rest(sc);
    uint8_t len;

    if (scan_le8(sc, &len) && (len == 255 || !scan_take(sc, len, &message))) {
        message = scan_rest(sc);
        (void) scan_take(sc, message.len, &message);
    }
    return message;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf_done) struct buf out = {.max = SASL_MESSAGE_MAX_BYTES};
    struct scan sc = scan_of(slice_of(data, size));
    struct slice message;
    uint8_t has_initial;
    struct sasl sasl;
    enum rc rc;

    if (auth_init(NULL) != RC_OK || sasl_init(&sasl, SLICE("PLAIN"), NULL) != RC_OK)
        abort();
    if (!scan_le8(&sc, &has_initial))
        return 0;
    message = next_message(&sc);
    rc = sasl_start(&sasl, has_initial % 2 != 0 ? &message : NULL, &out, NULL);
    while (rc == RC_MORE && !scan_done(&sc)) {
        buf_reset(&out);
        rc = sasl_step(&sasl, next_message(&sc), &out, NULL);
    }
    if (rc == RC_OK)
        check_claim(&sasl.claim);
    sasl_wipe(&sasl);
    return 0;
}
