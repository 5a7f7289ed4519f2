#include "idp/ldap_text.h"

#include "base/ascii.h"
#include "base/scan.h"
#include "idp/provider.h"

static void put_hex(struct buf *out, char byte)
{
    static const char digits[] = "0123456789abcdef";

    buf_byte(out, '\\');
    buf_byte(out, digits[(unsigned char) byte >> 4]);
    buf_byte(out, digits[(unsigned char) byte & 15]);
}

void ldap_escape_filter(struct buf *out, struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];

        if (c == '*' || c == '(' || c == ')' || c == '\\' || c == '\0')
            put_hex(out, c);
        else
            buf_byte(out, c);
    }
}

static bool is_dn_special(char c)
{
    return c == '"' || c == '+' || c == ',' || c == ';' || c == '<' || c == '>' || c == '\\' ||
           c == '=';
}

void ldap_escape_dn(struct buf *out, struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        bool first = i == 0, last = i + 1 == value.len;

        if (is_dn_special(c) || ascii_is_ctl(c) || (c == ' ' && (first || last)) ||
            (c == '#' && first))
            put_hex(out, c);
        else
            buf_byte(out, c);
    }
}

bool ldap_pattern_is_good(struct slice pattern, bool with_dn)
{
    size_t n_places = 0;

    for (size_t i = 0; i < pattern.len; i++) {
        char c;

        if (pattern.ptr[i] != '%')
            continue;
        if (++i == pattern.len)
            return false;
        c = pattern.ptr[i];
        if (c == '%')
            continue;
        if (c != 'u' && c != 'n' && c != 'd' && (c != 'D' || !with_dn))
            return false;
        n_places++;
    }
    return n_places > 0;
}

static struct slice value_of(char place, const struct ldap_values *values,
                             const struct idp_name *name)
{
    if (place == 'u')
        return values->user;
    if (place == 'n')
        return name->local;
    return place == 'd' ? name->domain : values->dn;
}

enum rc ldap_pattern_fill(struct slice pattern, enum ldap_form form,
                          const struct ldap_values *values, struct buf *out)
{
    const struct idp_name name = idp_name_split(values->user);

    for (size_t i = 0; i < pattern.len; i++) {
        struct slice value;

        if (pattern.ptr[i] != '%' || i + 1 == pattern.len) {
            buf_byte(out, pattern.ptr[i]);
            continue;
        }
        i++;
        if (pattern.ptr[i] == '%') {
            buf_byte(out, '%');
            continue;
        }
        if (pattern.ptr[i] == 'd' && !name.has_domain)
            return RC_NOT_FOUND;
        value = value_of(pattern.ptr[i], values, &name);
        if (form == LDAP_FILTER)
            ldap_escape_filter(out, value);
        else
            ldap_escape_dn(out, value);
    }
    return RC_OK;
}
