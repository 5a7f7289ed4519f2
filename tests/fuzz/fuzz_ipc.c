/*
 * fuzz_ipc.c - the door between processes: messages, log fields, control packets.
 *
 * First byte: which door, and for messages who speaks to whom. What is accepted is printed and
 * read again, and must be the same bytes; a list inside it must end.
 */
// links: ipc
#include <assert.h>
#include <stdint.h>

#include "ipc/control.h"
#include "ipc/log_pack.h"
#include "ipc/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DOOR_CONTROL 0xff

static void try_message(enum role from, enum role to, struct slice bytes)
{
    AUTO(buf_done) struct buf again = {0};
    struct msg msg = {.type = MSG_NONE};

    for (size_t n_fds = 0; n_fds <= MSG_FDS_MAX; n_fds++) {
        if (msg_decode(bytes, n_fds, from, to, &msg, NULL) == RC_OK)
            assert(msg_n_fds(msg.type) == n_fds);
    }
    if (msg.type == MSG_NONE)
        return;
    buf_init(&again, MSG_MAX_BYTES);
    if (msg_encode(&msg, &again, NULL) == RC_OK)
        assert(slice_eq(buf_slice(&again), bytes));
    else
        assert(bytes.len > MSG_MAX_BYTES);
    if (msg.type == MSG_LOG_EVENT) {
        struct scan sc = scan_of(msg.log_event.fields);
        struct log_unpacked field;

        while (log_unpack_next(&sc, &field))
            assert(field.text.len <= LOG_FIELD_TEXT_BYTES && field.key.len <= LOG_KEY_MAX);
    }
}

static void try_control(struct slice bytes)
{
    AUTO(buf_done) struct buf again = {0};
    struct control_packet packet;

    if (control_decode(bytes, &packet) != RC_OK || packet.tag != CONTROL_TAG_ROW)
        return;
    buf_init(&again, bytes.len + 1);
    buf_byte(&again, CONTROL_TAG_ROW);
    assert(control_put_fields(&again, packet.reply.fields.field, packet.reply.fields.n));
    assert(slice_eq(buf_slice(&again), bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes;

    if (size == 0)
        return 0;
    bytes = slice_of(data + 1, size - 1);
    if (data[0] == DOOR_CONTROL)
        try_control(bytes);
    else
        try_message((enum role)(data[0] % ROLE_COUNT),
                    (enum role)(data[0] / ROLE_COUNT % ROLE_COUNT), bytes);
    return 0;
}
