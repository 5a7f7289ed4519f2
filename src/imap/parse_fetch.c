/*
 * parse_fetch.c - FETCH and UID FETCH: items, sections, partials, modifiers.
 *
 * Spec: RFC 9051 6.4.5 and section 9 (fetch-att, section), RFC 3501 6.4.5 (RFC822...), RFC
 * 3516 4.2 (BINARY), RFC 7162 3.1.4 (MODSEQ, CHANGEDSINCE), RFC 8474, 8514, 8970 (ids,
 * SAVEDATE, PREVIEW), RFC 5257 4.3 (ANNOTATION), RFC 4466 2.4 (modifiers). An item of an
 * extension is a row of fetch_items, a modifier one of fetch_modifiers.
 */
#include "imap/lex.h"

enum section_kind { SECTION_NONE, SECTION_TEXT, SECTION_PARTS, SECTION_PARTS_NO_PARTIAL };

struct fetch_row {
    const char *name;
    enum imap_fetch_kind kind;
    bool peek;
    enum section_kind section;
};

/* A name with a section is followed by "["; BODY without one is another item. */
// clang-format off
static const struct fetch_row fetch_items[] = {
    {"FLAGS",         IMAP_FETCH_FLAGS,         false, SECTION_NONE},
    {"UID",           IMAP_FETCH_UID,           false, SECTION_NONE},
    {"INTERNALDATE",  IMAP_FETCH_INTERNALDATE,  false, SECTION_NONE},
    {"RFC822.SIZE",   IMAP_FETCH_RFC822_SIZE,   false, SECTION_NONE},
    {"ENVELOPE",      IMAP_FETCH_ENVELOPE,      false, SECTION_NONE},
    {"BODYSTRUCTURE", IMAP_FETCH_BODYSTRUCTURE, false, SECTION_NONE},
    {"BODY",          IMAP_FETCH_BODY_SECTION,  false, SECTION_TEXT},
    {"BODY.PEEK",     IMAP_FETCH_BODY_SECTION,  true,  SECTION_TEXT},
    {"BODY",          IMAP_FETCH_BODY,          false, SECTION_NONE},
    {"BINARY",        IMAP_FETCH_BINARY,        false, SECTION_PARTS},
    {"BINARY.PEEK",   IMAP_FETCH_BINARY,        true,  SECTION_PARTS},
    {"BINARY.SIZE",   IMAP_FETCH_BINARY_SIZE,   false, SECTION_PARTS_NO_PARTIAL},
    {"RFC822",        IMAP_FETCH_RFC822,        false, SECTION_NONE},
    {"RFC822.HEADER", IMAP_FETCH_RFC822_HEADER, true,  SECTION_NONE},
    {"RFC822.TEXT",   IMAP_FETCH_RFC822_TEXT,   false, SECTION_NONE},
    {"MODSEQ",        IMAP_FETCH_MODSEQ,        false, SECTION_NONE},
    {"EMAILID",       IMAP_FETCH_EMAILID,       false, SECTION_NONE},
    {"THREADID",      IMAP_FETCH_THREADID,      false, SECTION_NONE},
    {"SAVEDATE",      IMAP_FETCH_SAVEDATE,      false, SECTION_NONE},
    {"PREVIEW",       IMAP_FETCH_PREVIEW,       false, SECTION_NONE},
    {"ANNOTATION",    IMAP_FETCH_ANNOTATION,    false, SECTION_NONE},
};

static const struct {
    const char *name;
    size_t n;
    enum imap_fetch_kind kinds[6];
} macros[] = {
    {"ALL",  4, {IMAP_FETCH_FLAGS, IMAP_FETCH_INTERNALDATE, IMAP_FETCH_RFC822_SIZE, IMAP_FETCH_ENVELOPE}},
    {"FAST", 3, {IMAP_FETCH_FLAGS, IMAP_FETCH_INTERNALDATE, IMAP_FETCH_RFC822_SIZE}},
    {"FULL", 5, {IMAP_FETCH_FLAGS, IMAP_FETCH_INTERNALDATE, IMAP_FETCH_RFC822_SIZE, IMAP_FETCH_ENVELOPE,
                 IMAP_FETCH_BODY}},
};

static const struct {
    const char *name;
    enum imap_section_text text;
    bool has_fields;
} section_texts[] = {
    {"HEADER.FIELDS.NOT", IMAP_SECTION_HEADER_FIELDS_NOT, true},
    {"HEADER.FIELDS",     IMAP_SECTION_HEADER_FIELDS,     true},
    {"HEADER",            IMAP_SECTION_HEADER,            false},
    {"TEXT",              IMAP_SECTION_TEXT,              false},
    {"MIME",              IMAP_SECTION_MIME,              false},
};
// clang-format on

/* section-part: nz-number *("." nz-number). True if a "." stands behind the last number. */
static enum rc take_parts(struct imap_input *in, struct imap_section *section, bool *out_dot,
                          struct err *err)
{
    uint32_t parts[SECTION_MAX_PARTS];
    size_t n = 0;
    bool dot;
    uint32_t *kept;

    do {
        if (n == SECTION_MAX_PARTS)
            return err_set(err, RC_LIMIT, "Section too deep", "section: more than %u parts",
                           SECTION_MAX_PARTS);
        if (!lex_nz_number(in, &parts[n]))
            return lex_fail(in, err, "a part number");
        n++;
        dot = lex_byte(in, '.');
    } while (dot && scan_peek(&in->sc) >= '0' && scan_peek(&in->sc) <= '9');
    kept = ARENA_ARRAY(in->arena, uint32_t, n);
    memcpy(kept, parts, n * sizeof(*parts));
    section->parts = kept;
    section->n_parts = n;
    *out_dot = dot;
    return RC_OK;
}

static enum rc take_field(struct imap_input *in, struct slice **fields, size_t n, size_t *cap,
                          struct err *err)
{
    if (n == SECTION_MAX_FIELDS)
        return err_set(err, RC_LIMIT, "Too many header fields in section",
                       "section: more than %u fields", SECTION_MAX_FIELDS);
    if (n == *cap) {
        struct slice *more = ARENA_ARRAY(in->arena, struct slice, *cap * 2 + 4);

        if (n > 0)
            memcpy(more, *fields, n * sizeof(*more));
        *fields = more;
        *cap = *cap * 2 + 4;
    }
    return lex_astring(in, &(*fields)[n]) ? RC_OK : lex_fail(in, err, "a header field name");
}

/* header-list: "(" header-fld-name *(SP header-fld-name) ")" */
static enum rc take_fields(struct imap_input *in, struct imap_section *section, struct err *err)
{
    struct slice *fields = NULL;
    size_t cap = 0;
    enum rc rc;

    if (!lex_sp(in) || !lex_byte(in, '('))
        return lex_fail(in, err, "\"(\" and header field names");
    do {
        rc = take_field(in, &fields, section->n_fields, &cap, err);
        if (rc)
            return rc;
        section->n_fields++;
    } while (lex_sp(in));
    section->fields = fields;
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "a space or \")\"");
}

/* section-text; MIME only behind a part. */
static enum rc take_section_text(struct imap_input *in, struct imap_section *section,
                                 struct err *err)
{
    for (size_t i = 0; i < COUNT(section_texts); i++) {
        if (section_texts[i].text == IMAP_SECTION_MIME && section->n_parts == 0)
            continue;
        if (!lex_word(in, section_texts[i].name))
            continue;
        section->text = section_texts[i].text;
        return section_texts[i].has_fields ? take_fields(in, section, err) : RC_OK;
    }
    return lex_fail(in, err, "a section");
}

/* section: "[" [section-spec] "]" */
static enum rc take_section(struct imap_input *in, struct imap_section *out, struct err *err)
{
    struct imap_section section = {0};
    bool text_follows = true;
    enum rc rc = RC_OK;

    (void) lex_byte(in, '[');
    if (lex_byte(in, ']')) {
        *out = section;
        return RC_OK;
    }
    if (scan_peek(&in->sc) >= '0' && scan_peek(&in->sc) <= '9')
        rc = take_parts(in, &section, &text_follows, err);
    if (!rc && text_follows)
        rc = take_section_text(in, &section, err);
    if (rc)
        return rc;
    if (!lex_byte(in, ']'))
        return lex_fail(in, err, "\"]\"");
    *out = section;
    return RC_OK;
}

/* section-binary: "[" [section-part] "]" */
static enum rc take_section_binary(struct imap_input *in, struct imap_section *out,
                                   struct err *err)
{
    struct imap_section section = {0};
    bool dot = false;
    enum rc rc;

    (void) lex_byte(in, '[');
    if (scan_peek(&in->sc) != ']') {
        rc = take_parts(in, &section, &dot, err);
        if (rc)
            return rc;
    }
    if (dot || !lex_byte(in, ']'))
        return lex_fail(in, err, "\"]\"");
    *out = section;
    return RC_OK;
}

enum rc lex_section(struct imap_input *in, bool binary, struct imap_section *out,
                    struct err *err)
{
    return binary ? take_section_binary(in, out, err) : take_section(in, out, err);
}

/* partial: "<" number64 "." nz-number64 ">" */
static enum rc take_partial(struct imap_input *in, struct imap_fetch_item *item,
                            struct err *err)
{
    if (!lex_byte(in, '<'))
        return RC_OK;
    item->partial = true;
    if (!lex_number64(in, &item->offset) || !lex_byte(in, '.') ||
        !lex_nz_number64(in, &item->len) || !lex_byte(in, '>'))
        return lex_fail(in, err, "a partial <offset.length>");
    return RC_OK;
}

/* [SP "(" "LAZY" ")"]; what else may stand there are the modifiers of the whole FETCH. */
static void take_lazy(struct imap_input *in, struct imap_fetch_item *item)
{
    struct scan before = in->sc;

    item->lazy = lex_sp(in) && lex_byte(in, '(') && lex_word(in, "LAZY") && lex_byte(in, ')');
    if (!item->lazy)
        in->sc = before;
}

static enum rc take_item_tail(struct imap_input *in, const struct fetch_row *row,
                              struct imap_fetch_item *item, struct err *err)
{
    enum rc rc = RC_OK;

    switch (row->section) {
    case SECTION_NONE:
        if (item->kind == IMAP_FETCH_PREVIEW)
            take_lazy(in, item);
        if (item->kind == IMAP_FETCH_ANNOTATION)
            rc = lex_annotation_query(in, &item->annotations, err);
        return rc;
    case SECTION_TEXT:
        rc = take_section(in, &item->section, err);
        break;
    case SECTION_PARTS:
        rc = take_section_binary(in, &item->section, err);
        break;
    case SECTION_PARTS_NO_PARTIAL:
        return take_section_binary(in, &item->section, err);
    }
    return rc ? rc : take_partial(in, item, err);
}

static const struct fetch_row *find_item(struct imap_input *in)
{
    for (size_t i = 0; i < COUNT(fetch_items); i++) {
        struct scan before = in->sc;

        if (!lex_word(in, fetch_items[i].name))
            continue;
        if ((scan_peek(&in->sc) == '[') == (fetch_items[i].section != SECTION_NONE))
            return &fetch_items[i];
        in->sc = before;
    }
    return NULL;
}

static enum rc take_item(struct imap_input *in, struct imap_fetch_item *out, struct err *err)
{
    const struct fetch_row *row = find_item(in);
    struct imap_fetch_item item = {0};
    enum rc rc;

    if (row == NULL)
        return lex_fail(in, err, "a FETCH item");
    item.kind = row->kind;
    item.peek = row->peek;
    rc = take_item_tail(in, row, &item, err);
    if (rc)
        return rc;
    *out = item;
    return RC_OK;
}

static void add_kinds(struct imap_fetch_args *fetch)
{
    for (size_t i = 0; i < fetch->n; i++)
        fetch->kinds |= 1u << fetch->items[i].kind;
}

static bool take_macro(struct imap_input *in, struct imap_fetch_args *fetch)
{
    for (size_t i = 0; i < COUNT(macros); i++) {
        struct imap_fetch_item *items;

        if (!lex_word(in, macros[i].name))
            continue;
        items = ARENA_ARRAY(in->arena, struct imap_fetch_item, macros[i].n);
        for (size_t k = 0; k < macros[i].n; k++)
            items[k].kind = macros[i].kinds[k];
        fetch->items = items;
        fetch->n = macros[i].n;
        return true;
    }
    return false;
}

/* "(" fetch-att *(SP fetch-att) ")" */
static enum rc take_items(struct imap_input *in, struct imap_fetch_args *fetch, struct err *err)
{
    size_t max = MIN(slice_count(scan_rest(&in->sc), ' ') + 1, FETCH_MAX_ITEMS);
    struct imap_fetch_item *items = ARENA_ARRAY(in->arena, struct imap_fetch_item, max);
    enum rc rc;

    do {
        if (fetch->n == max)
            return err_set(err, RC_LIMIT, "Too many FETCH items", "fetch: more than %u items",
                           FETCH_MAX_ITEMS);
        rc = take_item(in, &items[fetch->n++], err);
        if (rc)
            return rc;
    } while (lex_sp(in));
    fetch->items = items;
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "a space or \")\"");
}

enum rc lex_fetch_list(struct imap_input *in, struct imap_fetch_args *out, struct err *err)
{
    struct imap_fetch_args fetch = {0};
    enum rc rc = lex_byte(in, '(') ? take_items(in, &fetch, err)
                                   : lex_fail(in, err, "\"(\" and FETCH items");

    if (rc)
        return rc;
    add_kinds(&fetch);
    *out = fetch;
    return RC_OK;
}

static enum rc take_one_item(struct imap_input *in, struct imap_fetch_args *fetch,
                             struct err *err)
{
    struct imap_fetch_item *item = ARENA_NEW(in->arena, struct imap_fetch_item);

    fetch->items = item;
    fetch->n = 1;
    return take_item(in, item, err);
}

enum { FETCH_CHANGEDSINCE = 1u << 0, FETCH_VANISHED = 1u << 1, FETCH_PARTIAL = 1u << 2 };

static enum rc take_changedsince(struct imap_input *in, void *ctx, struct err *err)
{
    struct imap_fetch_args *fetch = ctx;

    if (!lex_sp(in) || !lex_modseq(in, false, &fetch->changedsince))
        return lex_fail(in, err, "a mod-sequence above 0");
    fetch->has_changedsince = true;
    return RC_OK;
}

static enum rc take_partial_range(struct imap_input *in, void *ctx, struct err *err)
{
    struct imap_fetch_args *fetch = ctx;

    if (!in->uid)
        return lex_fail(in, err, "PARTIAL with UID FETCH only, before here");
    fetch->has_partial = true;
    return lex_sp(in) ? lex_partial(in, &fetch->partial, err)
                      : lex_fail(in, err, "a space and a range");
}

static const struct lex_option fetch_modifiers[] = {
    {"CHANGEDSINCE", FETCH_CHANGEDSINCE, take_changedsince },
    {"VANISHED",     FETCH_VANISHED,     NULL              },
    {"PARTIAL",      FETCH_PARTIAL,      take_partial_range},
};

/* [SP "(" fetch-modifier *(SP fetch-modifier) ")"] */
static enum rc take_modifiers(struct imap_input *in, struct imap_fetch_args *fetch,
                              struct err *err)
{
    uint32_t seen = 0;
    enum rc rc;

    if (!lex_sp(in))
        return RC_OK;
    rc = lex_options(in, fetch_modifiers, COUNT(fetch_modifiers), "a FETCH modifier", fetch,
                     &seen, err);
    if (rc)
        return rc;
    fetch->vanished = (seen & FETCH_VANISHED) != 0;
    if (fetch->vanished && (!in->uid || !fetch->has_changedsince))
        return err_set(err, RC_SYNTAX, "VANISHED is for UID FETCH with CHANGEDSINCE",
                       "fetch: vanished");
    return seen != 0 ? RC_OK : lex_fail(in, err, "a FETCH modifier before \")\"");
}

enum rc imap_parse_fetch(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_fetch_args fetch = {0};
    enum rc rc = RC_OK;

    if (!lex_sp(in))
        return lex_fail(in, err, "a space and a sequence set");
    rc = lex_set(in, &fetch.set, err);
    if (rc)
        return rc;
    if (!lex_sp(in))
        return lex_fail(in, err, "a space and FETCH items");
    if (lex_byte(in, '('))
        rc = take_items(in, &fetch, err);
    else if (!take_macro(in, &fetch))
        rc = take_one_item(in, &fetch, err);
    if (rc)
        return rc;
    rc = take_modifiers(in, &fetch, err);
    if (rc)
        return rc;
    add_kinds(&fetch);
    args->fetch = fetch;
    return RC_OK;
}
