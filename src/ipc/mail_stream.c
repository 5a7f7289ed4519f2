#include "ipc/mail_stream.h"

#include "base/scan.h"

#define PREFIX_BYTES 5u /* kind, length of the head */

/*   HEAD --whole head--> HEAD, or BODY if it is a message with bytes --last byte--> HEAD */
struct mail_stream {
    struct mail_stream_events events;
    void *ctx;
    struct buf head;    /* HEAD: prefix and head as far as they have come */
    uint32_t body_left; /* BODY: > 0 */
    struct mail_frame frame;
};

void mail_frame_encode(struct buf *out, const struct mail_frame *frame)
{
    size_t at = out->len + 1;

    buf_le8(out, (uint8_t) frame->kind);
    buf_le32(out, 0);
    switch (frame->kind) {
    case MAIL_MAILBOX:
        buf_le_bytes(out, frame->name);
        buf_le32(out, frame->uidvalidity);
        buf_le32(out, frame->uidnext);
        buf_le8(out, frame->subscribe);
        buf_le32(out, frame->special_use);
        break;
    case MAIL_MESSAGE:
        buf_le32(out, frame->mailbox);
        buf_le32(out, frame->uid);
        buf_le8(out, frame->flags);
        buf_le64(out, (uint64_t) frame->date);
        buf_le16(out, (uint16_t) frame->zone_min);
        buf_append(out, slice_of(frame->key, sizeof(frame->key)));
        buf_append(out, slice_of(frame->thread, sizeof(frame->thread)));
        buf_le64(out, (uint64_t) frame->savedate);
        buf_le16(out, (uint16_t) frame->n_keywords);
        for (size_t i = 0; i < frame->n_keywords; i++)
            buf_le_bytes(out, frame->keywords[i]);
        buf_le32(out, frame->size);
        break;
    case MAIL_SUBSCRIBED:
        buf_le_bytes(out, frame->name);
        break;
    case MAIL_RIGHTS:
    case MAIL_METADATA:
        buf_le8(out, frame->of_mailbox);
        buf_le32(out, frame->mailbox);
        buf_le_bytes(out, frame->name);
        buf_le_bytes(out, frame->value);
        break;
    case MAIL_ANNOTATION:
        buf_append(out, slice_of(frame->key, sizeof(frame->key)));
        buf_le8(out, (uint8_t) frame->whose);
        buf_le64(out, frame->reader);
        buf_le_bytes(out, frame->name);
        buf_le_bytes(out, frame->value);
        break;
    }
    if (!out->overflow)
        buf_patch_le32(out, at, (uint32_t) (out->len - at - sizeof(uint32_t)));
}

static bool decode_message(struct scan *sc, struct mail_frame *out)
{
    struct slice key, thread;
    uint64_t date, savedate;
    uint16_t zone, n_keywords;

    if (!scan_le32(sc, &out->mailbox) || !scan_le32(sc, &out->uid) ||
        !scan_le8(sc, &out->flags) || !scan_le64(sc, &date) || !scan_le16(sc, &zone) ||
        !scan_take(sc, MAIL_KEY_BYTES, &key) || !scan_take(sc, MAIL_KEY_BYTES, &thread) ||
        !scan_le64(sc, &savedate) || !scan_le16(sc, &n_keywords) ||
        n_keywords > MAIL_KEYWORDS_MAX)
        return false;
    out->date = (int64_t) date;
    out->zone_min = (int16_t) zone;
    out->n_keywords = n_keywords;
    memcpy(out->key, key.ptr, key.len);
    memcpy(out->thread, thread.ptr, thread.len);
    out->savedate = (int64_t) savedate;
    for (size_t i = 0; i < n_keywords; i++)
        if (!scan_le_bytes(sc, MAIL_HEAD_MAX_BYTES, &out->keywords[i]))
            return false;
    return scan_le32(sc, &out->size);
}

static bool decode_mailbox(struct scan *sc, struct mail_frame *out)
{
    uint8_t subscribe;

    if (!scan_le_bytes(sc, MAIL_HEAD_MAX_BYTES, &out->name) ||
        !scan_le32(sc, &out->uidvalidity) || !scan_le32(sc, &out->uidnext) ||
        !scan_le8(sc, &subscribe) || subscribe > 1)
        return false;
    out->subscribe = subscribe == 1;
    return scan_le32(sc, &out->special_use);
}

static bool decode_pair(struct scan *sc, struct mail_frame *out)
{
    uint8_t of_mailbox;

    if (!scan_le8(sc, &of_mailbox) || of_mailbox > 1)
        return false;
    out->of_mailbox = of_mailbox == 1;
    return scan_le32(sc, &out->mailbox) && scan_le_bytes(sc, MAIL_HEAD_MAX_BYTES, &out->name) &&
           scan_le_bytes(sc, MAIL_HEAD_MAX_BYTES, &out->value);
}

static bool decode_annotation(struct scan *sc, struct mail_frame *out)
{
    struct slice key;
    uint8_t whose;

    if (!scan_take(sc, MAIL_KEY_BYTES, &key) || !scan_le8(sc, &whose) || whose > MAIL_OF_READER)
        return false;
    memcpy(out->key, key.ptr, key.len);
    out->whose = (enum mail_annotation_of) whose;
    return scan_le64(sc, &out->reader) && scan_le_bytes(sc, MAIL_HEAD_MAX_BYTES, &out->name) &&
           scan_le_bytes(sc, MAIL_HEAD_MAX_BYTES, &out->value);
}

static bool decode_head(uint8_t kind, struct slice head, struct mail_frame *out)
{
    struct scan sc = scan_of(head);
    bool ok = false;

    *out = (struct mail_frame){.kind = (enum mail_frame_kind) kind};
    if (kind == MAIL_MAILBOX)
        ok = decode_mailbox(&sc, out);
    else if (kind == MAIL_SUBSCRIBED)
        ok = scan_le_bytes(&sc, MAIL_HEAD_MAX_BYTES, &out->name);
    else if (kind == MAIL_MESSAGE)
        ok = decode_message(&sc, out);
    else if (kind == MAIL_RIGHTS || kind == MAIL_METADATA)
        ok = decode_pair(&sc, out);
    else if (kind == MAIL_ANNOTATION)
        ok = decode_annotation(&sc, out);
    return ok && scan_done(&sc);
}

struct mail_stream *mail_stream_new(const struct mail_stream_events *events, void *ctx)
{
    struct mail_stream *stream = xcalloc(1, sizeof(*stream));

    stream->events = *events;
    stream->ctx = ctx;
    buf_init(&stream->head, PREFIX_BYTES + MAIL_HEAD_MAX_BYTES);
    return stream;
}

void mail_stream_free(struct mail_stream *stream)
{
    if (stream == NULL)
        return;
    buf_done(&stream->head);
    free(stream);
}

bool mail_stream_at_end(const struct mail_stream *stream)
{
    return stream->head.len == 0 && stream->body_left == 0;
}

/* Move bytes until the head has len of them; false if they do not suffice. */
static bool fill(struct mail_stream *stream, struct slice *bytes, size_t len)
{
    size_t n = len > stream->head.len ? MIN(len - stream->head.len, bytes->len) : 0;

    buf_append(&stream->head, slice_sub(*bytes, 0, n));
    *bytes = slice_from(*bytes, n);
    return stream->head.len >= len;
}

static enum rc take_head(struct mail_stream *stream, struct slice *bytes, struct err *err)
{
    struct scan sc;
    uint8_t kind;
    uint32_t len;
    enum rc rc;

    if (!fill(stream, bytes, PREFIX_BYTES))
        return RC_OK;
    sc = scan_of(buf_slice(&stream->head));
    if (!scan_le8(&sc, &kind) || !scan_le32(&sc, &len) || len > MAIL_HEAD_MAX_BYTES)
        return err_set(err, RC_SYNTAX, "Not understood", "mail stream: a head too long");
    if (!fill(stream, bytes, PREFIX_BYTES + len))
        return RC_OK;
    if (!decode_head(kind, slice_from(buf_slice(&stream->head), PREFIX_BYTES), &stream->frame))
        return err_set(err, RC_SYNTAX, "Not understood", "mail stream: a head that is none");
    rc = stream->events.frame(stream->ctx, &stream->frame, err);
    stream->head.len = 0; /* its bytes stay until the next head comes */
    if (rc || kind != MAIL_MESSAGE)
        return rc;
    stream->body_left = stream->frame.size;
    return stream->body_left > 0 ? RC_OK
                                 : stream->events.body(stream->ctx, SLICE(""), true, err);
}

enum rc mail_stream_feed(struct mail_stream *stream, struct slice bytes, struct err *err)
{
    enum rc rc = RC_OK;

    while (rc == RC_OK && bytes.len > 0) {
        struct slice part = slice_sub(bytes, 0, stream->body_left);

        if (stream->body_left == 0) {
            rc = take_head(stream, &bytes, err);
            continue;
        }
        bytes = slice_from(bytes, part.len);
        stream->body_left -= (uint32_t) part.len;
        rc = stream->events.body(stream->ctx, part, stream->body_left == 0, err);
    }
    return rc;
}
