/*
 * parse_login.c - who and what the client is: LOGIN, AUTHENTICATE, ENABLE, ID,
 * LANGUAGE, COMPARATOR.
 *
 * Spec: RFC 9051 6.2.2, 6.2.3, 6.3.1; RFC 4959 (initial response); RFC 2971 3.1 (ID).
 */
#include "base/ascii.h"
#include "base/base64.h"
#include "imap/language.h"
#include "imap/lex.h"

enum rc imap_parse_login(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_login_args login;

    if (!lex_sp(in) || !lex_astring(in, &login.user))
        return lex_fail(in, err, "a user name");
    if (!lex_sp(in) || !lex_astring(in, &login.password))
        return lex_fail(in, err, "a password");
    args->login = login;
    return RC_OK;
}

static bool is_base64_char(char c)
{
    return ascii_is_alnum(c) || c == '+' || c == '/' || c == '=';
}

/* initial-resp: base64, or "=" for an empty one. */
static enum rc take_initial(struct imap_input *in, struct slice *out, struct err *err)
{
    AUTO(buf_done) struct buf plain = {0};
    struct scan before = in->sc;
    struct slice text = scan_while(&in->sc, is_base64_char);

    buf_init(&plain, text.len);
    plain.secret = true;
    if (slice_eq(text, SLICE("="))) {
        *out = SLICE("");
        return RC_OK;
    }
    if (text.len == 0 || base64_decode(text, &plain)) {
        in->sc = before;
        return lex_fail(in, err, "an initial response in base64");
    }
    *out = arena_dup(in->arena, buf_slice(&plain));
    return RC_OK;
}

enum rc imap_parse_authenticate(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_authenticate_args auth = {0};
    enum rc rc;

    if (!lex_sp(in) || !lex_atom(in, &auth.mechanism))
        return lex_fail(in, err, "a mechanism");
    auth.has_initial = lex_sp(in);
    if (auth.has_initial) {
        rc = take_initial(in, &auth.initial, err);
        if (rc)
            return rc;
    }
    args->authenticate = auth;
    return RC_OK;
}

enum rc imap_parse_enable(struct imap_input *in, union imap_args *args, struct err *err)
{
    size_t max = slice_count(scan_rest(&in->sc), ' '), n = 0;
    struct slice *names;

    if (max > ENABLE_MAX_CAPABILITIES)
        return err_set(err, RC_LIMIT, "Too many capabilities", "enable: %zu names", max);
    names = ARENA_ARRAY(in->arena, struct slice, max);
    do {
        if (!lex_sp(in) || !lex_atom(in, &names[n]))
            return lex_fail(in, err, "a capability");
        n++;
    } while (scan_peek(&in->sc) == ' ');
    args->enable = (struct imap_enable_args){names, n};
    return RC_OK;
}

/* string SP nstring: RFC 2971 section 4. */
static enum rc take_id_field(struct imap_input *in, struct imap_id_field *out, struct err *err)
{
    struct imap_id_field field;

    if (!lex_string(in, &field.key))
        return lex_fail(in, err, "a field name");
    if (!lex_sp(in) || !lex_nstring(in, &field.nil, &field.value))
        return lex_fail(in, err, "a field value");
    if (field.key.len > ID_MAX_KEY_BYTES || field.value.len > ID_MAX_VALUE_BYTES)
        return err_set(err, RC_SYNTAX, "ID field is too long", "id: %zu, %zu bytes",
                       field.key.len, field.value.len);
    *out = field;
    return RC_OK;
}

static enum rc take_id_fields(struct imap_input *in, struct imap_id_args *out, struct err *err)
{
    struct imap_id_field *fields = ARENA_ARRAY(in->arena, struct imap_id_field, ID_MAX_FIELDS);
    size_t n = 0;
    enum rc rc;

    do {
        if (n == ID_MAX_FIELDS)
            return err_set(err, RC_SYNTAX, "Too many ID fields", "id: more than %u",
                           ID_MAX_FIELDS);
        rc = take_id_field(in, &fields[n++], err);
        if (rc)
            return rc;
    } while (lex_sp(in));
    if (!lex_byte(in, ')'))
        return lex_fail(in, err, "a space or \")\"");
    *out = (struct imap_id_args){fields, n};
    return RC_OK;
}

enum rc imap_parse_id(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_id_args id = {0};
    enum rc rc;

    if (!lex_sp(in))
        return lex_fail(in, err, "a space");
    if (!lex_word(in, "NIL")) {
        if (!lex_byte(in, '('))
            return lex_fail(in, err, "NIL or \"(\"");
        if (!lex_byte(in, ')')) {
            rc = take_id_fields(in, &id, err);
            if (rc)
                return rc;
        }
    }
    args->id = id;
    return RC_OK;
}

/* RFC 4978 section 5: SP "DEFLATE" */
enum rc imap_parse_compress(struct imap_input *in, union imap_args *args, struct err *err)
{
    (void) args;
    if (!lex_sp(in) || !lex_word(in, "DEFLATE"))
        return lex_fail(in, err, "a space and DEFLATE");
    return RC_OK;
}

/* *(SP lang-range-quoted): RFC 5255 3.5 */
enum rc imap_parse_language(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct slice *ranges = ARENA_ARRAY(in->arena, struct slice, LANGUAGE_MAX_RANGES);
    size_t n = 0;

    for (; lex_sp(in); n++) {
        if (n == LANGUAGE_MAX_RANGES)
            return err_set(err, RC_LIMIT, "Too many languages", "language: more than %u",
                           LANGUAGE_MAX_RANGES);
        if (!lex_astring(in, &ranges[n]) || !imap_is_language_range(ranges[n]))
            return lex_fail(in, err, "a language");
    }
    args->language = (struct imap_language_args){ranges, n};
    return RC_OK;
}

static bool is_collation_char(char c)
{
    return ascii_is_alnum(c) || c == '-' || c == ';' || c == '=' || c == '.';
}

/* collation-wild: RFC 4790 3.2. What begins it is a letter or "*"; no two "*" are adjacent. */
static bool is_collation_wild(struct slice s)
{
    if (s.len == 0 || s.len > COLLATION_MAX_BYTES ||
        (s.ptr[0] != '*' && !ascii_is_alpha(s.ptr[0])))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        bool is_star = s.ptr[i] == '*';

        if (!is_star && !is_collation_char(s.ptr[i]))
            return false;
        if (is_star && i > 0 && s.ptr[i - 1] == '*')
            return false;
    }
    return true;
}

/* comp-order-quoted: RFC 5255 4.10, RFC 4790 3.3 */
static bool take_comparator_order(struct imap_input *in, struct imap_comparator_order *out)
{
    struct slice text;

    if (!lex_astring(in, &text))
        return false;
    out->reverse = slice_starts(text, SLICE("-"));
    out->wild = slice_from(text, out->reverse || slice_starts(text, SLICE("+")) ? 1 : 0);
    return is_collation_wild(out->wild);
}

/* *(SP comp-order-quoted): RFC 5255 4.10 */
enum rc imap_parse_comparator(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_comparator_order *orders =
        ARENA_ARRAY(in->arena, struct imap_comparator_order, COMPARATOR_MAX_ORDERS);
    size_t n = 0;

    for (; lex_sp(in); n++) {
        if (n == COMPARATOR_MAX_ORDERS)
            return err_set(err, RC_LIMIT, "Too many comparators", "comparator: more than %u",
                           COMPARATOR_MAX_ORDERS);
        if (!take_comparator_order(in, &orders[n]))
            return lex_fail(in, err, "a comparator");
    }
    args->comparator = (struct imap_comparator_args){orders, n};
    return RC_OK;
}
