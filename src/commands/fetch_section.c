/*
 * fetch_section.c - the bytes of BODY[...] and BINARY[...].
 *
 * Spec: RFC 9051 6.4.5 and 6.4.5.1 (sections), 7.5.2; RFC 3516 (BINARY). A partial is cut to
 * what is there; a part that does not exist is NIL. A NUL in BODY[] is sent as 0x80, since no
 * literal may hold one; BINARY uses a literal8.
 *
 * A literal's length is said before its bytes. If the first read fails the item is taken back;
 * a later failure can only end the connection.
 */
#include "commands/fetch.h"
#include "commands/section_place.h"
#include "mime/cte.h"

/* Is the reply still where this item began? Then it can be taken back. */
static void drop_item(struct fetch_run *run, const struct err *err)
{
    buf_truncate(run->cmd->reply->out, run->stream.item_start);
    run->line_empty = run->stream.was_first;
    run->streaming = false;
    fetch_failed(run, err, fetch_code_of(err->rc));
}

static void begin_stream(struct fetch_run *run, const struct imap_fetch_item *item,
                         struct fetch_stream stream)
{
    struct buf *out = run->cmd->reply->out;
    uint64_t skip = item->partial ? MIN(item->offset, stream.left) : 0;

    stream.offset += skip;
    stream.left -= skip;
    if (item->partial)
        stream.left = MIN(stream.left, item->len);
    stream.item_start = out->len;
    stream.was_first = run->line_empty;
    fetch_item_name(run, item);
    if (stream.keeps_nul)
        imap_print_literal8_header(out, stream.left);
    else
        imap_print_literal_header(out, stream.left);
    run->stream = stream;
    run->streaming = true;
    run->cmd->session->counts.fetched++;
    run->cmd->session->counts.fetched_bytes += stream.left;
}

static void say_nil(struct fetch_run *run, const struct imap_fetch_item *item)
{
    fetch_item_name(run, item);
    imap_print_nil(run->cmd->reply->out);
}

static void hide_nuls(char *bytes, size_t len)
{
    char *end = bytes + len;

    for (char *at = memchr(bytes, 0, len); at != NULL; at = memchr(at, 0, (size_t) (end - at)))
        *at = (char) 0x80;
}

/* The next bytes of the stream into the reply. */
static enum rc copy_some(struct fetch_run *run, size_t len, struct err *err)
{
    struct fetch_stream *stream = &run->stream;
    struct buf *out = run->cmd->reply->out;
    size_t at = out->len;

    if (stream->from_memory) {
        buf_append(out, slice_sub(buf_slice(&run->bytes), (size_t) stream->offset, len));
    } else {
        enum rc rc = message_read(run->message, stream->offset, len, out, err);

        if (rc)
            return rc;
    }
    if (!stream->keeps_nul)
        hide_nuls(out->ptr + at, len);
    stream->offset += len;
    stream->left -= len;
    stream->started = true;
    return RC_OK;
}

enum rc fetch_stream_go(struct fetch_run *run, struct err *err)
{
    struct fetch_stream *stream = &run->stream;

    while (stream->left > 0) {
        enum rc rc = copy_some(run, (size_t) MIN(stream->left, FETCH_READ_BYTES), err);

        if (rc && !stream->started) {
            drop_item(run, err);
            return RC_OK;
        }
        if (rc) {
            run->cmd->close_now = true;
            return rc;
        }
        if (stream->left > 0 && reply_is_full(run->cmd->reply))
            return RC_MORE;
    }
    buf_reset(&run->bytes);
    return RC_OK;
}

/* ---- BODY[...] ---- */

static void begin_section(struct fetch_run *run, const struct imap_fetch_item *item,
                          const struct imap_section *section)
{
    struct section_place place;
    struct err err;
    enum rc rc =
        section_locate(run->message, run->digest, section,
                       &run->fields[item - run->args->items], &run->bytes, &place, &err);

    if (rc == RC_NOT_FOUND)
        say_nil(run, item);
    else if (rc)
        fetch_failed(run, &err, NULL);
    else
        begin_stream(run, item,
                     (struct fetch_stream){.from_memory = place.from_memory,
                                           .offset = place.offset,
                                           .left = place.len});
}

/* RFC822, .HEADER and .TEXT are BODY[], BODY[HEADER] and BODY[TEXT] by other names. */
void fetch_section_begin(struct fetch_run *run, const struct imap_fetch_item *item)
{
    struct imap_section section = item->section;

    if (item->kind == IMAP_FETCH_RFC822_HEADER)
        section.text = IMAP_SECTION_HEADER;
    else if (item->kind == IMAP_FETCH_RFC822_TEXT)
        section.text = IMAP_SECTION_TEXT;
    begin_section(run, item, &section);
}

/* ---- BINARY[...] ---- */

static enum rc decode_part(struct fetch_run *run, const struct digest_part *part,
                           struct err *err)
{
    AUTO(buf_done) struct buf raw = {0};
    enum rc rc;

    buf_init(&raw, DIGEST_MESSAGE_MAX_BYTES);
    rc = message_read(run->message, part->body, part->end - part->body, &raw, err);
    if (rc)
        return rc;
    buf_reset(&run->bytes);
    if (!cte_decode(part->encoding, buf_slice(&raw), &run->bytes))
        return err_set(err, RC_INVALID, "The part cannot be decoded", "fetch: cte");
    return RC_OK;
}

static bool has_nul(struct slice bytes)
{
    return slice_find(bytes, '\0') < bytes.len;
}

void fetch_binary_begin(struct fetch_run *run, const struct imap_fetch_item *item)
{
    const struct imap_section *section = &item->section;
    bool nuls = (run->digest->flags & DIGEST_HAS_NUL) != 0;
    struct digest_part part;
    struct err err = {.rc = RC_OK};
    uint32_t index;
    enum rc rc;

    if (section->n_parts == 0) {
        begin_stream(
            run, item,
            (struct fetch_stream){.left = message_size(run->message), .keeps_nul = nuls});
        return;
    }
    if (digest_find_part(run->digest, section->parts, section->n_parts, &index) != RC_OK) {
        say_nil(run, item);
        return;
    }
    part = digest_part(run->digest, index);
    if (part.encoding == DIGEST_CTE_IDENTITY) {
        begin_stream(run, item,
                     (struct fetch_stream){
                         .offset = part.body, .left = part.end - part.body, .keeps_nul = nuls});
        return;
    }
    rc = decode_part(run, &part, &err);
    if (rc) {
        fetch_failed(run, &err, rc == RC_INVALID ? "UNKNOWN-CTE" : NULL);
        return;
    }
    begin_stream(run, item,
                 (struct fetch_stream){.from_memory = true,
                                       .left = run->bytes.len,
                                       .keeps_nul = has_nul(buf_slice(&run->bytes))});
}
