#include "ipc/control.h"

#include "base/ascii.h"

bool control_field_get(const struct control_fields *fields, const char *key, struct slice *out)
{
    for (size_t i = 0; i < fields->n; i++) {
        if (slice_eq(fields->field[i].key, slice_from_str(key))) {
            *out = fields->field[i].value;
            return true;
        }
    }
    *out = SLICE("");
    return false;
}

enum rc control_field_u64(const struct control_fields *fields, const char *key, uint64_t *out,
                          struct err *err)
{
    struct slice text;

    if (!control_field_get(fields, key, &text))
        return err_set(err, RC_NOT_FOUND, "A field is missing", "control: no field %s", key);
    if (!slice_to_u64(text, out))
        return err_set(err, RC_INVALID, "A field is no number",
                       "control: field %s is no number", key);
    return RC_OK;
}

enum rc control_field_need(const struct control_fields *fields, const char *key,
                           struct slice *out, struct err *err)
{
    if (!control_field_get(fields, key, out) || out->len == 0)
        return err_set(err, RC_INVALID, "Something is missing", "field \"%s\"", key);
    return RC_OK;
}

struct slice control_u64(char room[CONTROL_NUMBER_BYTES], uint64_t value)
{
    (void) snprintf(room, CONTROL_NUMBER_BYTES, "%llu", (unsigned long long) value);
    return slice_from_str(room);
}

struct slice control_i64(char room[CONTROL_NUMBER_BYTES], int64_t value)
{
    (void) snprintf(room, CONTROL_NUMBER_BYTES, "%lld", (long long) value);
    return slice_from_str(room);
}

static bool is_key_byte(char c)
{
    return (c >= 'a' && c <= 'z') || c == '_';
}

/* A u8 length, 1..max, and that many bytes. */
static bool scan_short(struct scan *sc, size_t max, struct slice *out)
{
    struct scan at = *sc;
    uint8_t len;

    if (!scan_le8(&at, &len) || len == 0 || len > max || !scan_take(&at, len, out))
        return false;
    *sc = at;
    return true;
}

static bool is_key(struct slice key)
{
    struct scan sc = scan_of(key);

    return scan_while(&sc, is_key_byte).len == key.len;
}

static bool scan_fields(struct scan *sc, struct control_fields *out)
{
    out->n = 0;
    while (!scan_done(sc)) {
        struct control_field field;

        if (out->n == CONTROL_FIELDS_MAX || !scan_short(sc, CONTROL_KEY_MAX, &field.key) ||
            !is_key(field.key) || !scan_le_bytes(sc, CONTROL_PACKET_MAX, &field.value))
            return false;
        out->field[out->n++] = field;
    }
    return true;
}

static bool scan_end(struct scan *sc, struct control_reply *reply)
{
    uint8_t rc;

    if (!scan_le8(sc, &rc) || rc >= RC_COUNT)
        return false;
    reply->rc = (enum rc) rc;
    return scan_take(sc, scan_left(sc), &reply->text);
}

static bool scan_body(struct scan *sc, struct control_packet *packet)
{
    struct control_reply *reply = &packet->reply;

    switch ((enum control_tag) packet->tag) {
    case CONTROL_TAG_REQUEST:
        return scan_short(sc, CONTROL_VERB_MAX, &packet->verb) &&
               scan_fields(sc, &reply->fields);
    case CONTROL_TAG_ROW:
        reply->kind = CONTROL_ROW;
        return scan_fields(sc, &reply->fields);
    case CONTROL_TAG_PROGRESS:
        reply->kind = CONTROL_PROGRESS;
        return scan_le64(sc, &reply->done) && scan_le64(sc, &reply->total);
    case CONTROL_TAG_DATA:
        reply->kind = CONTROL_DATA;
        return scan_take(sc, MIN(scan_left(sc), CONTROL_DATA_MAX), &reply->bytes);
    case CONTROL_TAG_DATA_END:
        return true;
    case CONTROL_TAG_END:
        reply->kind = CONTROL_END;
        return scan_end(sc, reply);
    }
    return false;
}

enum rc control_decode(struct slice bytes, struct control_packet *out)
{
    struct scan sc = scan_of(bytes);
    struct control_packet packet = {0};
    struct slice tag;

    if (!scan_take(&sc, 1, &tag))
        return RC_SYNTAX;
    packet.tag = tag.ptr[0];
    if (!scan_body(&sc, &packet) || !scan_done(&sc))
        return RC_SYNTAX;
    *out = packet;
    return RC_OK;
}

bool control_put_fields(struct buf *out, const struct control_field *fields, size_t n)
{
    if (n > CONTROL_FIELDS_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        struct slice key = fields[i].key;

        if (key.len == 0 || key.len > CONTROL_KEY_MAX || fields[i].value.len > UINT32_MAX)
            return false;
        buf_le8(out, (uint8_t) key.len);
        buf_append(out, key);
        buf_le_bytes(out, fields[i].value);
    }
    return !out->overflow;
}
