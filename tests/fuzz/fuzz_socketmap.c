/*
 * fuzz_socketmap.c - any bytes as Postfix's questions: whatever way they come in pieces, the
 * same questions are in them.
 */
// links: auth
#include <assert.h>

#include "auth/socketmap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    struct socketmap_question question, again;
    size_t used = 0, used_again = 0;

    while (socketmap_take(input, &question, &used, NULL) == RC_OK) {
        AUTO(buf_done) struct buf answer = {.max = SOCKETMAP_INPUT_MAX_BYTES};

        assert(used > 0 && used <= input.len && used <= SOCKETMAP_INPUT_MAX_BYTES);
        for (size_t n = 0; n < used; n++)
            assert(socketmap_take(slice_sub(input, 0, n), &again, &used_again, NULL) ==
                   RC_MORE);
        assert(socketmap_take(slice_sub(input, 0, used), &again, &used_again, NULL) == RC_OK);
        assert(used_again == used && slice_eq(again.key, question.key));
        socketmap_answer(&answer, "OK", question.key);
        assert(!answer.overflow);
        input = slice_from(input, used);
    }
    return 0;
}
