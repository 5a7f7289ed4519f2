/*
 * fuzz_ldap_text.c - a stranger's name in a filter and in a DN: undone again it is the same
 * octets, and no octet of it can end the value that it stands in.
 *
 * Spec: RFC 4515 section 3, RFC 4514 section 2.4. The first byte is the length of a pattern,
 * the rest the name.
 */
// links: idp
#include <assert.h>

#include "base/ascii.h"
#include "idp/ldap_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every "\" of ours is followed by two digits, and none of `special` stands bare. */
static void check_escaped(struct slice escaped, struct slice value, struct slice special)
{
    AUTO(buf_done) struct buf back = {.max = escaped.len};

    for (size_t i = 0; i < escaped.len; i++) {
        char c = escaped.ptr[i];

        if (c == '\\') {
            assert(i + 2 < escaped.len);
            buf_byte(&back, (char) (ascii_hex_value(escaped.ptr[i + 1]) * 16 +
                                    ascii_hex_value(escaped.ptr[i + 2])));
            i += 2;
        } else {
            assert(slice_find(special, c) == special.len);
            buf_byte(&back, c);
        }
    }
    assert(slice_eq(buf_slice(&back), value));
}

static void check_value(struct slice value)
{
    AUTO(buf_done) struct buf filter = {.max = 3 * value.len};
    AUTO(buf_done) struct buf dn = {.max = 3 * value.len};

    ldap_escape_filter(&filter, value);
    ldap_escape_dn(&dn, value);
    assert(!filter.overflow && !dn.overflow);
    check_escaped(buf_slice(&filter), value, SLICE("*()\0"));
    check_escaped(buf_slice(&dn), value, SLICE("\"+,;<>=\0\r\n"));
    if (dn.len > 0)
        assert(dn.ptr[0] != ' ' && dn.ptr[0] != '#' && dn.ptr[dn.len - 1] != ' ');
}

static void check_pattern(struct slice pattern, struct slice user)
{
    static const enum ldap_form forms[] = {LDAP_FILTER, LDAP_DN};
    const struct ldap_values values = {.user = user, .dn = SLICE("cn=a\\2cb,dc=example")};
    bool is_good = ldap_pattern_is_good(pattern, true);

    for (size_t i = 0; i < COUNT(forms); i++) {
        AUTO(buf_done) struct buf out = {.max = 4 * (pattern.len + 1) * (user.len + 32)};
        enum rc rc = ldap_pattern_fill(pattern, forms[i], &values, &out);

        assert(!out.overflow);
        assert(rc == RC_OK || (rc == RC_NOT_FOUND && slice_find(user, '@') == user.len));
    }
    if (is_good)
        assert(slice_find(pattern, '%') < pattern.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    size_t pattern_len;

    check_value(input);
    if (size == 0)
        return 0;
    pattern_len = data[0];
    input = slice_from(input, 1);
    check_pattern(slice_sub(input, 0, pattern_len), slice_from(input, pattern_len));
    return 0;
}
