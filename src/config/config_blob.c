/* config_blob.c - the configuration as a role gets it: format version, then each setting in the
 * table's order. */
#include "base/scan.h"
#include "config/settings.h"

#define CONFIG_BLOB_VERSION 1u

static void encode_value(const struct config *config, const struct setting *setting,
                         struct buf *out)
{
    const char *field = (const char *) config + setting->offset;

    switch (setting->kind) {
    case KIND_TEXT:
    case KIND_PATH:
    case KIND_WORD:
        buf_le_bytes(out, slice_from_str(*(const char *const *) (const void *) field));
        return;
    case KIND_LIST:
    case KIND_PATHS: {
        const struct config_list *list = (const void *) field;

        buf_le32(out, (uint32_t) list->n);
        for (size_t i = 0; i < list->n; i++)
            buf_le_bytes(out, slice_from_str(list->items[i]));
        return;
    }
    case KIND_PERCENTS:
        buf_append(out, slice_of(field, sizeof(struct config_percents)));
        return;
    case KIND_SWITCH:
        buf_le8(out, *(const bool *) field);
        return;
    case KIND_NUMBER:
    case KIND_OCTAL:
    case KIND_CHOICE:
        buf_le32(out, *(const uint32_t *) (const void *) field);
        return;
    case KIND_SIZE:
    case KIND_UNTIL:
        buf_le64(out, *(const uint64_t *) (const void *) field);
        return;
    }
}

void config_encode(const struct config *config, struct buf *out)
{
    buf_le32(out, CONFIG_BLOB_VERSION);
    for (size_t i = 0; i < config_table_count; i++)
        encode_value(config, &config_table[i], out);
}

bool config_same(const struct config *a, const struct config *b, size_t at)
{
    AUTO(buf_done) struct buf left = {0}, right = {0};

    buf_init(&left, CONFIG_BLOB_MAX_BYTES);
    buf_init(&right, CONFIG_BLOB_MAX_BYTES);
    encode_value(a, &config_table[at], &left);
    encode_value(b, &config_table[at], &right);
    return slice_eq(buf_slice(&left), buf_slice(&right));
}

static bool decode_list(struct scan *sc, struct config *config, struct config_list *list)
{
    const char **items;
    struct slice item;
    uint32_t n;

    if (!scan_le32(sc, &n) || n > CONFIG_LIST_MAX)
        return false;
    items = ARENA_ARRAY(config->arena, const char *, n);
    for (uint32_t i = 0; i < n; i++) {
        if (!scan_le_bytes(sc, CONFIG_FILE_MAX_BYTES, &item))
            return false;
        items[i] = arena_cstr(config->arena, item);
    }
    *list = (struct config_list){items, n};
    return true;
}

static bool decode_value(struct scan *sc, struct config *config, const struct setting *setting)
{
    void *field = setting_field(config, setting);
    struct slice text;
    uint8_t byte;

    switch (setting->kind) {
    case KIND_TEXT:
    case KIND_PATH:
    case KIND_WORD:
        if (!scan_le_bytes(sc, CONFIG_FILE_MAX_BYTES, &text))
            return false;
        *(const char **) field = arena_cstr(config->arena, text);
        return true;
    case KIND_LIST:
    case KIND_PATHS:
        return decode_list(sc, config, field);
    case KIND_PERCENTS:
        if (!scan_take(sc, sizeof(struct config_percents), &text))
            return false;
        memcpy(field, text.ptr, text.len);
        return ((struct config_percents *) field)->n <= CONFIG_PERCENTS_MAX;
    case KIND_SWITCH:
        if (!scan_le8(sc, &byte))
            return false;
        *(bool *) field = byte != 0;
        return true;
    case KIND_NUMBER:
    case KIND_OCTAL:
    case KIND_CHOICE:
        return scan_le32(sc, field);
    case KIND_SIZE:
    case KIND_UNTIL:
        return scan_le64(sc, field);
    }
    return false;
}

enum rc config_decode(struct slice blob, struct config **out, struct err *err)
{
    AUTO(config_freep) struct config *config = config_new();
    struct scan sc = scan_of(blob);
    uint32_t version;

    if (!scan_le32(&sc, &version) || version != CONFIG_BLOB_VERSION)
        return err_set(err, RC_CORRUPT, "Bad configuration", "config blob: wrong version");
    for (size_t i = 0; i < config_table_count; i++) {
        if (!decode_value(&sc, config, &config_table[i]))
            return err_set(err, RC_CORRUPT, "Bad configuration", "config blob: %s",
                           config_table[i].name);
    }
    if (!scan_done(&sc))
        return err_set(err, RC_CORRUPT, "Bad configuration",
                       "config blob: bytes behind the end");
    *out = TAKE(config);
    return RC_OK;
}
