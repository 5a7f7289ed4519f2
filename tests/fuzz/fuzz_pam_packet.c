/*
 * fuzz_pam_packet.c - any bytes as what auth and a helper of PAM say to each other: what is
 * taken can be asked and answered, and is the same when it is written again.
 */
// links: roles
#include <assert.h>

#include "roles/pam_helper.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_question(struct slice packet)
{
    char again[PAM_PACKET_MAX_BYTES];
    struct slice user, secret;

    if (pam_question_read(packet, &user, &secret) != RC_OK)
        return;
    assert(pam_can_ask(user, secret) && packet.len <= sizeof(again));
    assert(slice_eq(packet, slice_of(again, pam_question_write(user, secret, again))));
}

static void try_answer(struct slice packet)
{
    AUTO(buf_done) struct buf again = {.max = packet.len};
    enum pam_result result;
    struct slice user;

    if (pam_answer_read(packet, &result, &user) != RC_OK)
        return;
    assert(result > 0 && result < PAM_RESULT_COUNT);
    assert(result != PAM_RESULT_RIGHT || pam_can_ask(user, SLICE("x")));
    pam_answer_write(result, user, &again);
    assert(slice_eq(packet, buf_slice(&again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_question(slice_of(data, size));
    try_answer(slice_of(data, size));
    return 0;
}
