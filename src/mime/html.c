#include "mime/html.h"

#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/scan.h"
#include "base/utf8.h"

#define SNIFF_BYTES 1024u /* where HTML says the meta element must stand */

/* Sorted by name (ASCII order). */
// clang-format off
static const struct reference {
    const char *name;
    uint32_t ch;
} references[] = {
    {"AElig", 0xc6}, {"Aacute", 0xc1}, {"Acirc", 0xc2}, {"Agrave", 0xc0}, {"Aring", 0xc5},
    {"Atilde", 0xc3}, {"Auml", 0xc4}, {"Ccedil", 0xc7}, {"ETH", 0xd0}, {"Eacute", 0xc9},
    {"Ecirc", 0xca}, {"Egrave", 0xc8}, {"Euml", 0xcb}, {"Iacute", 0xcd}, {"Icirc", 0xce},
    {"Igrave", 0xcc}, {"Iuml", 0xcf}, {"Ntilde", 0xd1}, {"OElig", 0x152}, {"Oacute", 0xd3},
    {"Ocirc", 0xd4}, {"Ograve", 0xd2}, {"Oslash", 0xd8}, {"Otilde", 0xd5}, {"Ouml", 0xd6},
    {"Scaron", 0x160}, {"THORN", 0xde}, {"Uacute", 0xda}, {"Ucirc", 0xdb}, {"Ugrave", 0xd9},
    {"Uuml", 0xdc}, {"Yacute", 0xdd}, {"Yuml", 0x178}, {"aacute", 0xe1}, {"acirc", 0xe2},
    {"acute", 0xb4}, {"aelig", 0xe6}, {"agrave", 0xe0}, {"amp", '&'}, {"apos", '\''},
    {"aring", 0xe5}, {"atilde", 0xe3}, {"auml", 0xe4}, {"bdquo", 0x201e}, {"brvbar", 0xa6},
    {"bull", 0x2022}, {"ccedil", 0xe7}, {"cedil", 0xb8}, {"cent", 0xa2}, {"copy", 0xa9},
    {"curren", 0xa4}, {"dagger", 0x2020}, {"deg", 0xb0}, {"divide", 0xf7}, {"eacute", 0xe9},
    {"ecirc", 0xea}, {"egrave", 0xe8}, {"emsp", 0x2003}, {"ensp", 0x2002}, {"eth", 0xf0},
    {"euml", 0xeb}, {"euro", 0x20ac}, {"frac12", 0xbd}, {"frac14", 0xbc}, {"frac34", 0xbe},
    {"gt", '>'}, {"hellip", 0x2026}, {"iacute", 0xed}, {"icirc", 0xee}, {"iexcl", 0xa1},
    {"igrave", 0xec}, {"iquest", 0xbf}, {"iuml", 0xef}, {"laquo", 0xab}, {"larr", 0x2190},
    {"ldquo", 0x201c}, {"lsaquo", 0x2039}, {"lsquo", 0x2018}, {"lt", '<'}, {"macr", 0xaf},
    {"mdash", 0x2014}, {"micro", 0xb5}, {"middot", 0xb7}, {"nbsp", 0xa0}, {"ndash", 0x2013},
    {"not", 0xac}, {"ntilde", 0xf1}, {"oacute", 0xf3}, {"ocirc", 0xf4}, {"oelig", 0x153},
    {"ograve", 0xf2}, {"ordf", 0xaa}, {"ordm", 0xba}, {"oslash", 0xf8}, {"otilde", 0xf5},
    {"ouml", 0xf6}, {"para", 0xb6}, {"permil", 0x2030}, {"plusmn", 0xb1}, {"pound", 0xa3},
    {"quot", '"'}, {"raquo", 0xbb}, {"rarr", 0x2192}, {"rdquo", 0x201d}, {"reg", 0xae},
    {"rsaquo", 0x203a}, {"rsquo", 0x2019}, {"sbquo", 0x201a}, {"scaron", 0x161}, {"sect", 0xa7},
    {"shy", 0xad}, {"sup1", 0xb9}, {"sup2", 0xb2}, {"sup3", 0xb3}, {"szlig", 0xdf},
    {"thinsp", 0x2009}, {"thorn", 0xfe}, {"times", 0xd7}, {"trade", 0x2122}, {"uacute", 0xfa},
    {"ucirc", 0xfb}, {"ugrave", 0xf9}, {"uml", 0xa8}, {"uuml", 0xfc}, {"yacute", 0xfd},
    {"yen", 0xa5}, {"yuml", 0xff}, {"zwj", 0x200d}, {"zwnj", 0x200c},
};

/* Elements that begin and end a line. */
static const char *const block_elements[] = {
    "address", "article", "blockquote", "br", "center", "dd", "div", "dl", "dt", "footer", "form",
    "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "ol", "option", "p", "pre", "section",
    "table", "td", "th", "title", "tr", "ul",
};

/* Elements whose content is no text. */
static const char *const hidden_elements[] = {"script", "style", "xml"};
// clang-format on

void html_open(struct html_reader *reader)
{
    *reader = (struct html_reader){0};
}

static struct slice name_of(const struct html_reader *r)
{
    return slice_of(r->name, r->n_name);
}

static int compare_reference(const void *key, const void *row)
{
    const struct slice *name = key;
    const struct reference *reference = row;

    return slice_cmp(*name, slice_from_str(reference->name));
}

/* "#228" or "#xe4". */
static bool numeric_reference(struct slice name, uint32_t *out)
{
    uint32_t value = 0;

    if (name.len < 2 || name.ptr[0] != '#')
        return false;
    name = slice_from(name, 1);
    if (ascii_lower(name.ptr[0]) != 'x')
        return slice_to_u32(name, out);
    for (size_t i = 1; i < name.len; i++) {
        int digit = ascii_hex_value(name.ptr[i]);

        if (digit < 0 || value > 0x10ffff)
            return false;
        value = value << 4 | (uint32_t) digit;
    }
    *out = value;
    return name.len > 1;
}

static bool resolve(struct slice name, uint32_t *out)
{
    const struct reference *row;

    if (numeric_reference(name, out)) {
        if (*out == 0 || *out > 0x10ffff || (*out >= 0xd800 && *out <= 0xdfff))
            *out = 0xfffd;
        return true;
    }
    row =
        bsearch(&name, references, COUNT(references), sizeof(references[0]), compare_reference);
    if (row == NULL)
        return false;
    *out = row->ch;
    return true;
}

static void put_text(const struct html_reader *r, struct slice text, struct buf *out)
{
    if (r->hidden[0] == '\0')
        buf_append(out, text);
}

/* The reference ends; with_semicolon says how. What is none stands as it was written. */
static void end_reference(struct html_reader *r, bool with_semicolon, struct buf *out)
{
    uint32_t ch;

    r->state = HTML_TEXT;
    if (r->hidden[0] != '\0')
        return;
    if (resolve(name_of(r), &ch)) {
        utf8_append(out, ch);
        return;
    }
    buf_byte(out, '&');
    buf_append(out, name_of(r));
    if (with_semicolon)
        buf_byte(out, ';');
}

static bool listed(const char *const *names, size_t n, struct slice name)
{
    for (size_t i = 0; i < n; i++)
        if (slice_eq(name, slice_from_str(names[i])))
            return true;
    return false;
}

static void end_tag(struct html_reader *r, struct buf *out)
{
    struct slice name = name_of(r);

    r->state = HTML_TEXT;
    if (r->hidden[0] != '\0') {
        if (r->end_tag && slice_eq(name, slice_from_str(r->hidden)))
            r->hidden[0] = '\0';
        return;
    }
    if (listed(block_elements, COUNT(block_elements), name))
        buf_byte(out, '\n');
    if (!r->end_tag && listed(hidden_elements, COUNT(hidden_elements), name)) {
        memcpy(r->hidden, name.ptr, name.len);
        r->hidden[name.len] = '\0';
    }
}

static bool is_reference_byte(char c)
{
    return ascii_is_alnum(c) || c == '#';
}

static void add_to_name(struct html_reader *r, char c)
{
    if (r->n_name < sizeof(r->name))
        r->name[r->n_name++] = c;
}

/* Behind "<": a tag only if a name follows. */
static void start_tag(struct html_reader *r, char c, struct buf *out)
{
    if (c == '/' && !r->end_tag) {
        r->end_tag = true;
    } else if (ascii_is_alpha(c)) {
        r->n_name = 0;
        add_to_name(r, ascii_lower(c));
        r->state = HTML_TAG_NAME;
    } else if ((c == '!' || c == '?') && !r->end_tag) {
        r->n_dashes = 0;
        r->state = HTML_DECLARATION;
    } else {
        put_text(r, r->end_tag ? SLICE("</") : SLICE("<"), out);
        put_text(r, slice_of(&c, 1), out);
        r->state = HTML_TEXT;
    }
}

static void in_tag(struct html_reader *r, char c, struct buf *out)
{
    if (c == '>')
        end_tag(r, out);
    else if (c == '=')
        r->state = HTML_VALUE;
    else if (r->state == HTML_TAG_NAME && (ascii_is_alnum(c) || c == ':' || c == '-'))
        add_to_name(r, ascii_lower(c));
    else
        r->state = HTML_TAG;
}

static void in_value(struct html_reader *r, char c, struct buf *out)
{
    if (c == '"')
        r->state = HTML_DOUBLE_QUOTED;
    else if (c == '\'')
        r->state = HTML_SINGLE_QUOTED;
    else if (c == '>')
        end_tag(r, out);
    else if (!ascii_is_space(c))
        r->state = HTML_TAG;
}

/* "<!--" opens a comment, which "-->" ends; any other declaration ends at ">". */
static void in_declaration(struct html_reader *r, char c)
{
    if (c == '>' && (r->state == HTML_DECLARATION || r->n_dashes >= 2)) {
        r->state = HTML_TEXT;
        return;
    }
    if (c != '-') {
        r->n_dashes = r->state == HTML_COMMENT ? 0 : SIZE_MAX / 2;
        return;
    }
    r->n_dashes++;
    if (r->state == HTML_DECLARATION && r->n_dashes == 2) {
        r->state = HTML_COMMENT;
        r->n_dashes = 0;
    }
}

static void take_byte(struct html_reader *r, char c, struct buf *out)
{
    switch (r->state) {
    case HTML_REFERENCE:
        if (is_reference_byte(c) && r->n_name < sizeof(r->name)) {
            add_to_name(r, c);
            return;
        }
        end_reference(r, c == ';', out);
        if (c != ';')
            take_byte(r, c, out); /* the state is TEXT now: once more, not deeper */
        return;
    case HTML_TEXT:
        if (c == '<') {
            r->state = HTML_TAG_START;
            r->end_tag = false;
        } else if (c == '&') {
            r->state = HTML_REFERENCE;
            r->n_name = 0;
        } else {
            put_text(r, slice_of(&c, 1), out);
        }
        return;
    case HTML_TAG_START:
        start_tag(r, c, out);
        return;
    case HTML_TAG_NAME:
    case HTML_TAG:
        in_tag(r, c, out);
        return;
    case HTML_VALUE:
        in_value(r, c, out);
        return;
    case HTML_DOUBLE_QUOTED:
        if (c == '"')
            r->state = HTML_TAG;
        return;
    case HTML_SINGLE_QUOTED:
        if (c == '\'')
            r->state = HTML_TAG;
        return;
    case HTML_DECLARATION:
    case HTML_COMMENT:
        in_declaration(r, c);
        return;
    }
}

static bool is_plain(char c)
{
    return c != '<' && c != '&';
}

void html_feed(struct html_reader *reader, struct slice utf8, struct buf *out)
{
    struct scan sc = scan_of(utf8);
    struct slice one;

    for (;;) {
        if (reader->state == HTML_TEXT)
            put_text(reader, scan_while(&sc, is_plain), out);
        if (!scan_take(&sc, 1, &one))
            return;
        take_byte(reader, one.ptr[0], out);
    }
}

void html_close(struct html_reader *reader, struct buf *out)
{
    if (reader->state == HTML_REFERENCE)
        end_reference(reader, false, out);
    else if (reader->state == HTML_TAG_START)
        put_text(reader, SLICE("<"), out);
    reader->state = HTML_TEXT;
}

static bool is_charset_byte(char c)
{
    return ascii_is_alnum(c) || c == '-' || c == '_' || c == '.' || c == ':';
}

struct slice html_sniff_charset(struct slice head)
{
    static const char key[] = "charset";

    head = slice_sub(head, 0, SNIFF_BYTES);
    for (size_t i = 0; i + sizeof(key) <= head.len; i++) {
        struct scan sc = scan_of(slice_from(head, i));

        if (!scan_literal_nocase(&sc, SLICE("charset")))
            continue;
        (void) scan_while(&sc, ascii_is_space);
        if (!scan_byte(&sc, '='))
            continue;
        (void) scan_while(&sc, ascii_is_space);
        (void) (scan_byte(&sc, '"') || scan_byte(&sc, '\''));
        return scan_while(&sc, is_charset_byte);
    }
    return slice_of("", 0);
}
