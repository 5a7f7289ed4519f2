#include "imap/response_fetch.h"

#include "imap/annotation.h"
#include "imap/response_body.h"

enum rc response_take_flags(struct imap_input *in, bool perm, struct imap_flags *out,
                            struct err *err)
{
    struct slice rest = scan_rest(&in->sc), name;
    size_t max = slice_count(slice_sub(rest, 0, slice_find(rest, ')')), ' ') + 1, n = 0;
    struct slice *keywords = ARENA_ARRAY(in->arena, struct slice, max);
    struct imap_flags flags = {.keywords = keywords};

    if (!lex_byte(in, '('))
        return lex_fail(in, err, "\"(\" and flags");
    if (lex_byte(in, ')')) {
        *out = flags;
        return RC_OK;
    }
    do {
        const char *from = in->sc.pos;
        uint32_t bit;

        if (perm && scan_literal(&in->sc, SLICE("\\*")))
            continue;
        if (lex_byte(in, '\\')) {
            if (!lex_atom(in, &name))
                return lex_fail(in, err, "a flag");
            bit = imap_flag_bit(slice_of(from, name.len + 1));
            if (bit == 0)
                return lex_fail(in, err, "a system flag before here");
            flags.bits |= bit;
            continue;
        }
        if (!lex_atom(in, &name))
            return lex_fail(in, err, "a flag");
        keywords[n++] = name;
    } while (lex_sp(in));
    flags.n_keywords = n;
    *out = flags;
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "a space or \")\"");
}

typedef enum rc fetch_value_fn(struct imap_input *in, struct imap_fetch_data *item,
                               struct err *err);

static enum rc take_flags(struct imap_input *in, struct imap_fetch_data *item, struct err *err)
{
    return response_take_flags(in, false, &item->flags, err);
}

static enum rc take_uid(struct imap_input *in, struct imap_fetch_data *item, struct err *err)
{
    uint32_t uid;

    if (!lex_nz_number(in, &uid))
        return lex_fail(in, err, "a uid");
    item->number = uid;
    return RC_OK;
}

static enum rc take_number(struct imap_input *in, struct imap_fetch_data *item, struct err *err)
{
    return lex_number64(in, &item->number) ? RC_OK : lex_fail(in, err, "a number");
}

/* "(" mod-sequence-value ")" */
static enum rc take_modseq(struct imap_input *in, struct imap_fetch_data *item, struct err *err)
{
    if (!lex_byte(in, '(') || !lex_modseq(in, false, &item->number) || !lex_byte(in, ')'))
        return lex_fail(in, err, "a mod-sequence in parentheses");
    return RC_OK;
}

static enum rc take_date(struct imap_input *in, struct imap_fetch_data *item, struct err *err)
{
    return lex_date_time(in, &item->date) ? RC_OK : lex_fail(in, err, "a date-time");
}

static enum rc take_envelope(struct imap_input *in, struct imap_fetch_data *item,
                             struct err *err)
{
    return response_take_envelope(in, &item->envelope, err);
}

static enum rc take_body(struct imap_input *in, struct imap_fetch_data *item, struct err *err)
{
    return response_take_body(in, item->kind == IMAP_FETCH_BODYSTRUCTURE, &item->body, err);
}

static enum rc take_nstring(struct imap_input *in, struct imap_fetch_data *item,
                            struct err *err)
{
    return lex_nstring(in, &item->nil, &item->bytes) ? RC_OK
                                                     : lex_fail(in, err, "a string or NIL");
}

enum rc response_take_object_id(struct imap_input *in, struct slice *out, struct err *err)
{
    if (!lex_byte(in, '(') || !lex_atom(in, out) || !lex_byte(in, ')'))
        return lex_fail(in, err, "an object id in parentheses");
    return imap_is_object_id(*out) ? RC_OK : lex_fail(in, err, "an object id");
}

/* A message without a thread has NIL (RFC 8474 5.2). */
static enum rc take_object_id(struct imap_input *in, struct imap_fetch_data *item,
                              struct err *err)
{
    item->nil = item->kind == IMAP_FETCH_THREADID && lex_word(in, "NIL");
    return item->nil ? RC_OK : response_take_object_id(in, &item->bytes, err);
}

/* date-time or NIL: RFC 8514 section 5 */
static enum rc take_savedate(struct imap_input *in, struct imap_fetch_data *item,
                             struct err *err)
{
    item->nil = lex_word(in, "NIL");
    return item->nil ? RC_OK : take_date(in, item, err);
}

/* nstring / literal8: RFC 3516 section 7 */
static enum rc take_binary(struct imap_input *in, struct imap_fetch_data *item, struct err *err)
{
    struct lex_literal lit;

    if (scan_peek(&in->sc) != '~')
        return take_nstring(in, item, err);
    if (!lex_literal(in, &lit))
        return lex_fail(in, err, "a literal8");
    item->bytes = lit.bytes;
    return RC_OK;
}

static bool take_attribute(struct imap_input *in, enum imap_annotation_attribute *out)
{
    static const char *const names[] = {[IMAP_ANNOTATION_VALUE_PRIV] = "value.priv",
                                        [IMAP_ANNOTATION_VALUE_SHARED] = "value.shared",
                                        [IMAP_ANNOTATION_SIZE_PRIV] = "size.priv",
                                        [IMAP_ANNOTATION_SIZE_SHARED] = "size.shared"};
    struct slice name;

    if (!lex_astring(in, &name))
        return false;
    for (size_t i = 0; i < COUNT(names); i++) {
        if (slice_eq(name, slice_from_str(names[i]))) {
            *out = (enum imap_annotation_attribute) i;
            return true;
        }
    }
    return false;
}

/* "(" att-value *(SP att-value) ")" */
static enum rc take_annotation_values(struct imap_input *in, struct imap_annotation_data *data,
                                      struct err *err)
{
    do {
        struct imap_annotation_value *value = &data->values[data->n];

        if (data->n == COUNT(data->values) || !take_attribute(in, &value->attribute) ||
            !lex_sp(in) || !lex_value(in, &value->nil, &value->value))
            return lex_fail(in, err, "an attribute and a value");
        data->n++;
    } while (lex_sp(in));
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "a space or \")\"");
}

/* msg-att-dynamic of RFC 5257 5: entries with values, or names alone. */
static enum rc take_annotations(struct imap_input *in, struct imap_fetch_data *item,
                                struct err *err)
{
    size_t max = slice_count(scan_rest(&in->sc), ' ') + 1, n = 0;
    struct imap_annotation_data *data =
        ARENA_ARRAY(in->arena, struct imap_annotation_data, max);

    if (!lex_byte(in, '('))
        return lex_fail(in, err, "\"(\" and annotations");
    do {
        struct imap_annotation_data *at = &data[n];
        enum rc rc = RC_OK;

        if (n == max || !lex_astring(in, &at->entry) || !imap_annotation_is_name(at->entry))
            return lex_fail(in, err, "the name of an annotation");
        if (n++ == 0 || data[0].n > 0) {
            struct scan before = in->sc;

            if (lex_sp(in) && lex_byte(in, '('))
                rc = take_annotation_values(in, at, err);
            else
                in->sc = before;
        }
        if (!rc && (at->n > 0) != (data[0].n > 0))
            rc = lex_fail(in, err, "values of every annotation or of none");
        if (rc)
            return rc;
    } while (lex_sp(in));
    item->annotations = data;
    item->n_annotations = n;
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "a space or \")\"");
}

// clang-format off
static const struct fetch_value {
    const char *name;
    enum imap_fetch_kind kind;
    bool section;
    fetch_value_fn *take;
} fetch_values[] = {
    {"FLAGS",         IMAP_FETCH_FLAGS,         false, take_flags},
    {"UID",           IMAP_FETCH_UID,           false, take_uid},
    {"INTERNALDATE",  IMAP_FETCH_INTERNALDATE,  false, take_date},
    {"RFC822.SIZE",   IMAP_FETCH_RFC822_SIZE,   false, take_number},
    {"ENVELOPE",      IMAP_FETCH_ENVELOPE,      false, take_envelope},
    {"BODYSTRUCTURE", IMAP_FETCH_BODYSTRUCTURE, false, take_body},
    {"BODY",          IMAP_FETCH_BODY,          false, take_body},
    {"BODY",          IMAP_FETCH_BODY_SECTION,  true,  take_nstring},
    {"BINARY",        IMAP_FETCH_BINARY,        true,  take_binary},
    {"BINARY.SIZE",   IMAP_FETCH_BINARY_SIZE,   true,  take_number},
    {"RFC822",        IMAP_FETCH_RFC822,        false, take_nstring},
    {"RFC822.HEADER", IMAP_FETCH_RFC822_HEADER, false, take_nstring},
    {"RFC822.TEXT",   IMAP_FETCH_RFC822_TEXT,   false, take_nstring},
    {"MODSEQ",        IMAP_FETCH_MODSEQ,        false, take_modseq},
    {"EMAILID",       IMAP_FETCH_EMAILID,       false, take_object_id},
    {"THREADID",      IMAP_FETCH_THREADID,      false, take_object_id},
    {"SAVEDATE",      IMAP_FETCH_SAVEDATE,      false, take_savedate},
    {"PREVIEW",       IMAP_FETCH_PREVIEW,       false, take_nstring},
    {"ANNOTATION",    IMAP_FETCH_ANNOTATION,    false, take_annotations},
};
// clang-format on

static const struct fetch_value *find_value(struct imap_input *in)
{
    for (size_t i = 0; i < COUNT(fetch_values); i++) {
        struct scan before = in->sc;

        if (!lex_word(in, fetch_values[i].name))
            continue;
        if ((scan_peek(&in->sc) == '[') == fetch_values[i].section)
            return &fetch_values[i];
        in->sc = before;
    }
    return NULL;
}

/* section ["<" number64 ">"], or section-binary, whose sizes have no origin. */
static enum rc take_section(struct imap_input *in, struct imap_fetch_data *item,
                            struct err *err)
{
    bool binary = item->kind != IMAP_FETCH_BODY_SECTION;
    enum rc rc = lex_section(in, binary, &item->section, err);

    if (rc || item->kind == IMAP_FETCH_BINARY_SIZE || !lex_byte(in, '<'))
        return rc;
    item->has_origin = true;
    if (!lex_number64(in, &item->origin) || !lex_byte(in, '>'))
        return lex_fail(in, err, "an origin <octet>");
    return RC_OK;
}

static enum rc take_item(struct imap_input *in, struct imap_fetch_data *out, struct err *err)
{
    const struct fetch_value *row = find_value(in);
    struct imap_fetch_data item = {0};
    enum rc rc = RC_OK;

    if (row == NULL)
        return lex_fail(in, err, "a FETCH item");
    item.kind = row->kind;
    if (row->section)
        rc = take_section(in, &item, err);
    if (!rc && !lex_sp(in))
        rc = lex_fail(in, err, "a space and a value");
    rc = rc ? rc : row->take(in, &item, err);
    if (!rc)
        *out = item;
    return rc;
}

enum rc response_take_fetch(struct imap_input *in, struct imap_fetch_message *out,
                            struct err *err)
{
    struct imap_fetch_data *items = NULL;
    size_t n = 0, cap = 0;
    enum rc rc = RC_OK;

    if (!lex_byte(in, '('))
        return lex_fail(in, err, "\"(\" and FETCH items");
    do {
        if (n == cap) {
            struct imap_fetch_data *more =
                ARENA_ARRAY(in->arena, struct imap_fetch_data, cap * 2 + 8);

            if (n > 0)
                memcpy(more, items, n * sizeof(*items));
            items = more;
            cap = cap * 2 + 8;
        }
        rc = take_item(in, &items[n++], err);
    } while (!rc && lex_sp(in));
    if (!rc && !lex_byte(in, ')'))
        rc = lex_fail(in, err, "a space or \")\"");
    if (!rc)
        *out = (struct imap_fetch_message){items, n};
    return rc;
}
