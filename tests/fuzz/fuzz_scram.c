/*
 * fuzz_scram.c - a SCRAM exchange: a byte of bits says which mechanism and what the connection
 * has, the rest are the client's messages, each behind two bytes of length. Whatever comes, it
 * is no proof of a password that nobody has given.
 */
// links: auth
#include <assert.h>

#include "auth/scram.h"
#include "base/scan.h"

enum { PLUS = 1, SHA_1 = 2, BOUND = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice next_message(struct scan *sc)
{
    struct slice message = {0};
    uint16_t len;

    if (!scan_le16(sc, &len) || !scan_take(sc, len, &message)) {
        message = scan_rest(sc);
        (void) scan_take(sc, message.len, &message);
    }
    return message;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char binding[SCRAM_BINDING_BYTES] = "this connection, no other one";
    static const struct scram_salt salt = {"sixteen octets!"};
    AUTO(buf_done) struct buf out = {.max = 2 * SCRAM_MESSAGE_MAX_BYTES};
    struct scan sc = scan_of(slice_of(data, size));
    const struct scram_keys keys = {{1}, {2}};
    struct scram scram;
    uint8_t bits;
    enum rc rc = RC_MORE;

    if (!scan_le8(&sc, &bits))
        return 0;
    scram_init(&scram, (bits & SHA_1) != 0 ? SCRAM_SHA_1 : SCRAM_SHA_256, (bits & PLUS) != 0);
    if ((bits & BOUND) != 0)
        scram_bind(&scram, binding);
    while (rc == RC_MORE && !scan_done(&sc)) {
        rc = scram_step(&scram, next_message(&sc), NULL);
        assert(scram.user_len <= AUTH_NAME_MAX_BYTES &&
               scram.authzid_len <= AUTH_NAME_MAX_BYTES);
        assert((rc == RC_MORE) == (scram.state == SCRAM_SALT));
        if (rc == RC_MORE)
            scram_salted(&scram, &salt, SLICE("ours"), &out);
    }
    assert(!out.overflow);
    if (rc == RC_OK) { /* in the grammar, and still no proof of a password nobody gave */
        assert(scram.state == SCRAM_PROOF && !scram_matches(&scram, &keys));
        scram_confirm(&scram, &keys, &out);
        assert(scram_step(&scram, SLICE(""), NULL) == RC_OK);
    }
    scram_done(&scram);
    return 0;
}
