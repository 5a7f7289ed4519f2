#include "config/realm_map.h"

/* What a name or a realm may not hold: RFC 1964 2.1.1 writes these with a backslash where they
 * are meant, or they separate components. */
static bool is_plain(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char) text.ptr[i];

        if (byte <= ' ' || byte == 0x7f || byte == '\\' || byte == '/' || byte == '@')
            return false;
    }
    return text.len > 0;
}

bool realm_map_parse(const char *item, struct realm_map *out)
{
    struct slice text = slice_from_str(item);
    size_t at = slice_find(text, '=');
    struct realm_map map;

    if (at == text.len)
        return false;
    map =
        (struct realm_map){.realm = slice_sub(text, 0, at), .domain = slice_from(text, at + 1)};
    if (!is_plain(map.realm) || (map.domain.len > 0 && !is_plain(map.domain)))
        return false;
    *out = map;
    return true;
}

enum rc realm_map_user(const struct config_list *realms, struct slice principal,
                       struct buf *out, struct err *err)
{
    size_t at = slice_rfind(principal, '@');
    struct slice name = slice_sub(principal, 0, at), realm = slice_from(principal, at + 1);

    if (at == principal.len || !is_plain(name) || !is_plain(realm))
        return err_set(err, RC_SYNTAX, "No such user", "gssapi: not one name and a realm");
    for (size_t i = 0; i < realms->n; i++) {
        struct realm_map map;

        if (!realm_map_parse(realms->items[i], &map) || !slice_eq(map.realm, realm))
            continue;
        buf_append(out, name);
        if (map.domain.len > 0) {
            buf_byte(out, '@');
            buf_append(out, map.domain);
        }
        return RC_OK;
    }
    return err_set(err, RC_NOT_FOUND, "No such user",
                   "gssapi: a realm that gssapi_realms does not have");
}
