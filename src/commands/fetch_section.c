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

static enum rc read_header_fields(struct fetch_run *run, const struct imap_section *section,
                                  struct err *err)
{
    bool not = section->text == IMAP_SECTION_HEADER_FIELDS_NOT;
    struct slice bytes = {NULL, 0};
    AUTO(buf_done) struct buf raw;
    struct digest_header header;
    enum rc rc;

    buf_init(&raw, DIGEST_MESSAGE_MAX_BYTES);
    rc = digest_header_of(run->digest, section->parts, section->n_parts, &header);
    if (rc)
        return err_set(err, rc, "No such part", "fetch: header fields");
    if (section->n_parts > 0 || not ||
        !digest_fields_are_copied(run->digest, section->fields, section->n_fields)) {
        rc = message_read(run->message, header.range.offset, header.range.len, &raw, err);
        if (rc)
            return rc;
        bytes = buf_slice(&raw);
    }
    buf_reset(&run->bytes);
    digest_header_fields(run->digest, &header, bytes, section->fields, section->n_fields, not,
                         &run->bytes);
    return RC_OK;
}

static void begin_header_fields(struct fetch_run *run, const struct imap_fetch_item *item)
{
    struct err err;
    enum rc rc = read_header_fields(run, &item->section, &err);

    if (rc == RC_NOT_FOUND)
        say_nil(run, item);
    else if (rc)
        fetch_failed(run, &err, NULL);
    else
        begin_stream(run, item,
                     (struct fetch_stream){.from_memory = true, .left = run->bytes.len});
}

static void begin_range(struct fetch_run *run, const struct imap_fetch_item *item,
                        enum digest_section_kind kind)
{
    const struct imap_section *section = &item->section;
    struct digest_range range;

    if (kind == DIGEST_WHOLE && section->n_parts == 0) /* needs no table to be believed */
        range = (struct digest_range){0, (uint32_t) message_size(run->message)};
    else if (digest_section(run->digest, section->parts, section->n_parts, kind, &range) !=
             RC_OK) {
        say_nil(run, item);
        return;
    }
    begin_stream(run, item, (struct fetch_stream){.offset = range.offset, .left = range.len});
}

static void begin_body_section(struct fetch_run *run, const struct imap_fetch_item *item)
{
    switch (item->section.text) {
    case IMAP_SECTION_ALL:
        begin_range(run, item, DIGEST_WHOLE);
        return;
    case IMAP_SECTION_HEADER:
        begin_range(run, item, DIGEST_HEADER);
        return;
    case IMAP_SECTION_TEXT:
        begin_range(run, item, DIGEST_TEXT_OF);
        return;
    case IMAP_SECTION_MIME:
        begin_range(run, item, DIGEST_MIME);
        return;
    case IMAP_SECTION_HEADER_FIELDS:
    case IMAP_SECTION_HEADER_FIELDS_NOT:
        begin_header_fields(run, item);
        return;
    }
}

/* RFC822, .HEADER and .TEXT are BODY[], BODY[HEADER] and BODY[TEXT] by other names. */
void fetch_section_begin(struct fetch_run *run, const struct imap_fetch_item *item)
{
    if (item->kind == IMAP_FETCH_RFC822)
        begin_range(run, item, DIGEST_WHOLE);
    else if (item->kind == IMAP_FETCH_RFC822_HEADER)
        begin_range(run, item, DIGEST_HEADER);
    else if (item->kind == IMAP_FETCH_RFC822_TEXT)
        begin_range(run, item, DIGEST_TEXT_OF);
    else
        begin_body_section(run, item);
}

/* ---- BINARY[...] ---- */

static enum rc decode_part(struct fetch_run *run, const struct digest_part *part,
                           struct err *err)
{
    AUTO(buf_done) struct buf raw;
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
