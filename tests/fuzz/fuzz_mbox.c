/*
 * fuzz_mbox.c - mbox files, names in Maildirs and uid lists, tar archives.
 *
 * What is read is written again as mboxrd; reading that gives the same bytes, but for a last
 * line end that the format needs.
 */
// links: cli
#include <assert.h>

#include "cli/maildir.h"
#include "cli/mbox.h"
#include "cli/tar.h"

#define ROOM_BYTES ((size_t) 4 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(struct buf *out, struct slice bytes)
{
    bool header = true;

    buf_str(out, "From x Thu Jan  1 00:00:00 1970\n");
    while (bytes.len > 0) {
        struct slice line = slice_sub(bytes, 0, slice_find(bytes, '\n') + 1);
        size_t n = 0;

        header = header && !slice_eq(line, SLICE("\n")) && !slice_eq(line, SLICE("\r\n"));
        while (n < line.len && line.ptr[n] == '>')
            n++;
        if (!header && slice_starts(slice_from(line, n), SLICE("From ")))
            buf_byte(out, '>');
        buf_append(out, line);
        bytes = slice_from(bytes, line.len);
    }
    if (out->ptr[out->len - 1] != '\n')
        buf_byte(out, '\n');
    buf_byte(out, '\n');
}

/* Only of messages with a whole header: an unfinished one takes the format's line ends in. */
static bool has_body(struct slice bytes)
{
    return slice_search(bytes, SLICE("\n\n")) < bytes.len;
}

static void check_again(const struct mbox_message *message)
{
    AUTO(buf_done) struct buf file = {.max = ROOM_BYTES};
    AUTO(feed_freep) struct feed *feed = NULL;
    AUTO(mbox_reader_freep) struct mbox_reader *reader = NULL;
    struct mbox_message again;
    struct slice bytes;

    if (!has_body(message->bytes))
        return;
    write_again(&file, message->bytes);
    feed = feed_of_bytes(buf_slice(&file));
    reader = mbox_reader_new(feed, MBOX_RD);
    assert(mbox_next(reader, &again, NULL) == RC_OK);
    bytes = again.bytes;
    assert(slice_starts(bytes, message->bytes));
    assert(bytes.len <= message->bytes.len + 1);
    assert(mbox_next(reader, &again, NULL) == RC_NOT_FOUND);
}

static void read_mbox(struct slice input)
{
    for (int style = MBOX_AUTO; style <= MBOX_CL2; style++) {
        AUTO(feed_freep) struct feed *feed = feed_of_bytes(input);
        AUTO(mbox_reader_freep)
        struct mbox_reader *reader = mbox_reader_new(feed, (enum mbox_style) style);
        struct mbox_message message;

        while (mbox_next(reader, &message, NULL) == RC_OK)
            if (style == MBOX_AUTO)
                check_again(&message);
    }
}

static void read_tar(struct slice input)
{
    AUTO(feed_freep) struct feed *feed = feed_of_bytes(input);
    AUTO(tar_freep) struct tar *tar = tar_new(feed);
    struct tar_member member;

    while (tar_next(tar, &member, NULL) == RC_OK)
        while (feed_line(member.feed).len > 0)
            continue;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(maildir_notes_free) struct maildir_notes notes = {0};
    struct slice input = slice_of(data, size);
    struct maildir_name name;

    read_mbox(input);
    read_tar(input);
    maildir_parse_name(input, &name);
    maildir_read_uidlist(input, &notes);
    maildir_read_keywords(input, &notes);
    return 0;
}
