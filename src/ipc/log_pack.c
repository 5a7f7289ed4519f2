#include "ipc/log_pack.h"

enum log_kind { LOG_KIND_TEXT = 0, LOG_KIND_NUMBER = 1 };

void log_pack(struct buf *out, const struct log_field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct slice key = slice_sub(slice_from_str(fields[i].key), 0, LOG_KEY_MAX);
        bool is_text = fields[i].text.ptr != NULL;

        buf_le8(out, (uint8_t) key.len);
        buf_append(out, key);
        buf_le8(out, is_text ? LOG_KIND_TEXT : LOG_KIND_NUMBER);
        if (is_text)
            buf_le_bytes(out, log_text(fields[i].text));
        else
            buf_le64(out, (uint64_t) fields[i].number);
    }
}

bool log_unpack_next(struct scan *packed, struct log_unpacked *out)
{
    struct scan sc = *packed;
    struct log_unpacked field = {.text = SLICE("")};
    uint8_t key_len, kind;
    uint64_t number = 0;
    bool ok;

    if (!scan_le8(&sc, &key_len) || key_len > LOG_KEY_MAX ||
        !scan_take(&sc, key_len, &field.key) || !scan_le8(&sc, &kind) || kind > LOG_KIND_NUMBER)
        return false;
    field.is_number = kind == LOG_KIND_NUMBER;
    ok = field.is_number ? scan_le64(&sc, &number)
                         : scan_le_bytes(&sc, LOG_FIELD_TEXT_BYTES, &field.text);
    if (!ok)
        return false;
    field.number = (int64_t) number;
    *out = field;
    *packed = sc;
    return true;
}
