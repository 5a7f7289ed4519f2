/*
 * fuzz_ipc.c - the door between processes: messages, log fields, control packets.
 *
 * First byte: which door. A message is tried from every role to every other, so that its type
 * decides. What is accepted is printed and read again, and must be the same bytes; a list
 * inside it must end. So that a change reaches every field of every row, there is a door where
 * the input is a row of message_table.h and patches to a message of it.
 */
// links: ipc
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "ipc/control.h"
#include "ipc/log_pack.h"
#include "ipc/message.h"
#include "lib/message_sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DOOR_CONTROL 0xff
#define DOOR_PATCHED 0xfe

static void check_list(struct slice list)
{
    AUTO(buf_done) struct buf again = {.max = list.len};
    struct scan sc = scan_of(list);
    struct slice item;

    while (msg_list_next(&sc, &item))
        msg_list_add(&again, item);
    assert(slice_starts(list, buf_slice(&again)));
}

static void check_parts(const struct msg *msg)
{
    struct log_unpacked field;
    struct scan sc;

    if (msg->type == MSG_GRANT)
        check_list(msg->grant.folders);
    if (msg->type == MSG_IDP_RESULT)
        check_list(msg->idp_result.groups);
    if (msg->type != MSG_LOG_EVENT)
        return;
    sc = scan_of(msg->log_event.fields);
    while (log_unpack_next(&sc, &field))
        assert(field.text.len <= LOG_FIELD_TEXT_BYTES && field.key.len <= LOG_KEY_MAX);
}

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
    check_parts(&msg);
}

static void try_patched(struct slice patches)
{
    AUTO(buf_done) struct buf bytes = {.max = MSG_MAX_BYTES};
    const struct message_sample *sample;
    struct scan sc = scan_of(patches);
    uint8_t row, at, value;

    if (!scan_le8(&sc, &row))
        return;
    sample = message_sample_at(row % message_sample_count());
    if (msg_encode(&sample->msg, &bytes, NULL) != RC_OK)
        abort();
    while (scan_le8(&sc, &at) && scan_le8(&sc, &value))
        bytes.ptr[at % bytes.len] = (char) value;
    try_message(sample->from, sample->to, buf_slice(&bytes));
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
    if (data[0] == DOOR_CONTROL) {
        try_control(bytes);
        return 0;
    }
    if (data[0] == DOOR_PATCHED) {
        try_patched(bytes);
        return 0;
    }
    for (enum role from = 0; from < ROLE_COUNT; from++) {
        for (enum role to = 0; to < ROLE_COUNT; to++)
            try_message(from, to, bytes);
    }
    return 0;
}
