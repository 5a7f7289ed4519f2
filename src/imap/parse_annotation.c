/*
 * parse_annotation.c - annotations in STORE, APPEND, FETCH and SEARCH.
 *
 * Spec: RFC 5257 4 and 5. Names of entries and attributes are case-sensitive (3.2), but for the
 * attributes of SEARCH, which are strings of the grammar. Values are stored under "value.priv"
 * and "value.shared" alone: "size" is the server's, and "value" would not say which.
 */
#include "imap/annotation.h"
#include "imap/lex.h"

bool lex_value(struct imap_input *in, bool *nil, struct slice *out)
{
    struct lex_literal lit;

    *nil = false;
    if (scan_peek(&in->sc) != '~')
        return lex_nstring(in, nil, out);
    if (!lex_literal(in, &lit) || lit.bytes.len != lit.len)
        return false;
    *out = lit.bytes;
    return true;
}

/* As many as spaces can part, up to the limit. */
static size_t most(const struct imap_input *in)
{
    return MIN(slice_count(scan_rest(&in->sc), ' ') + 1, (size_t) ANNOTATIONS_MAX);
}

static enum rc too_many(struct err *err)
{
    return err_set(err, RC_LIMIT, "Too many annotations", "annotation: more than %u",
                   ANNOTATIONS_MAX);
}

/* ---- to be stored ---- */

static enum rc take_entry(struct imap_input *in, struct slice *out, struct err *err)
{
    if (!lex_astring(in, out))
        return lex_fail(in, err, "the name of an annotation");
    if (!imap_annotation_is_name(*out))
        return err_set(err, RC_SYNTAX, "That is no name of an annotation",
                       "annotation: entry name");
    if (!imap_annotation_is_registered(*out))
        return err_set(err, RC_SYNTAX,
                       "No annotation of this name may be stored; use /vendor/ and a token",
                       "annotation: entry not registered");
    return RC_OK;
}

/* attrib SP value */
static enum rc take_att_value(struct imap_input *in, struct imap_annotation *out,
                              struct err *err)
{
    struct slice name;

    if (!lex_astring(in, &name))
        return lex_fail(in, err, "an attribute");
    out->shared = slice_eq(name, SLICE("value.shared"));
    if (!out->shared && !slice_eq(name, SLICE("value.priv")))
        return err_set(err, RC_SYNTAX, "Only value.priv and value.shared can be stored",
                       "annotation: attribute");
    if (!lex_sp(in) || !lex_value(in, &out->nil, &out->value))
        return lex_fail(in, err, "a space and a value");
    if (!out->nil && !imap_annotation_takes(out->entry, out->value))
        return err_set(err, RC_SYNTAX, "The flag of a part is 0, 1 or NIL",
                       "annotation: value of a flag");
    return RC_OK;
}

/* entry SP "(" att-value *(SP att-value) ")" */
static enum rc take_entry_att(struct imap_input *in, struct imap_annotation *values, size_t max,
                              size_t *n, struct err *err)
{
    struct slice entry;
    enum rc rc = take_entry(in, &entry, err);

    if (rc)
        return rc;
    if (!lex_sp(in) || !lex_byte(in, '('))
        return lex_fail(in, err, "\"(\" and attributes with values");
    do {
        if (*n == max)
            return too_many(err);
        values[*n] = (struct imap_annotation){.entry = entry};
        rc = take_att_value(in, &values[(*n)++], err);
        if (rc)
            return rc;
    } while (lex_sp(in));
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "a space or \")\"");
}

enum rc lex_annotations(struct imap_input *in, struct imap_annotations *out, struct err *err)
{
    size_t max = most(in), n = 0;
    struct imap_annotation *values = ARENA_ARRAY(in->arena, struct imap_annotation, max);
    enum rc rc;

    if (!lex_byte(in, '('))
        return lex_fail(in, err, "\"(\" and annotations");
    do {
        rc = take_entry_att(in, values, max, &n, err);
        if (rc)
            return rc;
    } while (lex_sp(in));
    *out = (struct imap_annotations){values, n};
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "a space or \")\"");
}

/* ---- to be asked for ---- */

enum rc lex_entry_match(struct imap_input *in, struct slice *out, struct err *err)
{
    bool wild;

    if (!lex_list_mailbox(in, out))
        return lex_fail(in, err, "the name of an annotation");
    wild = slice_find(*out, '*') < out->len || slice_find(*out, '%') < out->len;
    if (wild ? imap_annotation_is_pattern(*out) : imap_annotation_is_name(*out))
        return RC_OK;
    return err_set(err, RC_SYNTAX, "That is no name of an annotation",
                   "annotation: entry name");
}

/* entries: entry-match / "(" entry-match *(SP entry-match) ")" */
static enum rc take_entries(struct imap_input *in, struct imap_annotation_query *query,
                            struct err *err)
{
    bool list = lex_byte(in, '(');
    size_t max = list ? most(in) : 1;
    struct slice *entries = ARENA_ARRAY(in->arena, struct slice, max);
    enum rc rc;

    do {
        if (query->n_entries == max)
            return too_many(err);
        rc = lex_entry_match(in, &entries[query->n_entries++], err);
        if (rc)
            return rc;
    } while (list && lex_sp(in));
    query->entries = entries;
    return !list || lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "a space or \")\"");
}

// clang-format off
static const struct {
    const char *name;
    size_t n;
    enum imap_annotation_attribute attributes[2];
} attribute_names[] = {
    {"value",        2, {IMAP_ANNOTATION_VALUE_PRIV, IMAP_ANNOTATION_VALUE_SHARED}},
    {"value.priv",   1, {IMAP_ANNOTATION_VALUE_PRIV}},
    {"value.shared", 1, {IMAP_ANNOTATION_VALUE_SHARED}},
    {"size",         2, {IMAP_ANNOTATION_SIZE_PRIV, IMAP_ANNOTATION_SIZE_SHARED}},
    {"size.priv",    1, {IMAP_ANNOTATION_SIZE_PRIV}},
    {"size.shared",  1, {IMAP_ANNOTATION_SIZE_SHARED}},
};
// clang-format on

/* In the order in which they were asked for first. */
static void add_attribute(struct imap_annotation_query *query,
                          enum imap_annotation_attribute attribute)
{
    for (size_t i = 0; i < query->n_attributes; i++) {
        if (query->attributes[i] == attribute)
            return;
    }
    query->attributes[query->n_attributes++] = attribute;
}

static enum rc take_attribute(struct imap_input *in, struct imap_annotation_query *query,
                              struct err *err)
{
    struct slice name;

    if (!lex_astring(in, &name))
        return lex_fail(in, err, "an attribute");
    for (size_t i = 0; i < COUNT(attribute_names); i++) {
        if (!slice_eq(name, slice_from_str(attribute_names[i].name)))
            continue;
        for (size_t k = 0; k < attribute_names[i].n; k++)
            add_attribute(query, attribute_names[i].attributes[k]);
        return RC_OK;
    }
    return err_set(err, RC_SYNTAX, "An annotation has the attributes value and size",
                   "annotation: attribute");
}

/* attribs: attrib / "(" attrib *(SP attrib) ")" */
static enum rc take_attributes(struct imap_input *in, struct imap_annotation_query *query,
                               struct err *err)
{
    bool list = lex_byte(in, '(');
    enum rc rc;

    do {
        rc = take_attribute(in, query, err);
        if (rc)
            return rc;
    } while (list && lex_sp(in));
    return !list || lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "a space or \")\"");
}

/* SP "(" entries SP attribs ")" */
enum rc lex_annotation_query(struct imap_input *in, const struct imap_annotation_query **out,
                             struct err *err)
{
    struct imap_annotation_query *query = ARENA_NEW(in->arena, struct imap_annotation_query);
    enum rc rc;

    if (!lex_sp(in) || !lex_byte(in, '('))
        return lex_fail(in, err, "\"(\" and entries behind ANNOTATION");
    rc = take_entries(in, query, err);
    if (!rc && !lex_sp(in))
        rc = lex_fail(in, err, "a space and attributes");
    if (!rc)
        rc = take_attributes(in, query, err);
    if (rc)
        return rc;
    *out = query;
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "\")\" behind the attributes");
}
