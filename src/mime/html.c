#include "mime/html.h"

#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/scan.h"
#include "base/utf8.h"

#define CHAR_LAST   0x10ffffu
#define SNIFF_BYTES 1024u /* where HTML says the meta element must stand */

/* Those of HTML 4.01 and apos, sorted by name (ASCII order). */
// clang-format off
static const struct reference {
    const char *name;
    uint32_t ch;
} references[] = {
    {"AElig", 0xc6}, {"Aacute", 0xc1}, {"Acirc", 0xc2}, {"Agrave", 0xc0}, {"Alpha", 0x391},
    {"Aring", 0xc5}, {"Atilde", 0xc3}, {"Auml", 0xc4}, {"Beta", 0x392}, {"Ccedil", 0xc7},
    {"Chi", 0x3a7}, {"Dagger", 0x2021}, {"Delta", 0x394}, {"ETH", 0xd0}, {"Eacute", 0xc9},
    {"Ecirc", 0xca}, {"Egrave", 0xc8}, {"Epsilon", 0x395}, {"Eta", 0x397}, {"Euml", 0xcb},
    {"Gamma", 0x393}, {"Iacute", 0xcd}, {"Icirc", 0xce}, {"Igrave", 0xcc}, {"Iota", 0x399},
    {"Iuml", 0xcf}, {"Kappa", 0x39a}, {"Lambda", 0x39b}, {"Mu", 0x39c}, {"Ntilde", 0xd1},
    {"Nu", 0x39d}, {"OElig", 0x152}, {"Oacute", 0xd3}, {"Ocirc", 0xd4}, {"Ograve", 0xd2},
    {"Omega", 0x3a9}, {"Omicron", 0x39f}, {"Oslash", 0xd8}, {"Otilde", 0xd5}, {"Ouml", 0xd6},
    {"Phi", 0x3a6}, {"Pi", 0x3a0}, {"Prime", 0x2033}, {"Psi", 0x3a8}, {"Rho", 0x3a1},
    {"Scaron", 0x160}, {"Sigma", 0x3a3}, {"THORN", 0xde}, {"Tau", 0x3a4}, {"Theta", 0x398},
    {"Uacute", 0xda}, {"Ucirc", 0xdb}, {"Ugrave", 0xd9}, {"Upsilon", 0x3a5}, {"Uuml", 0xdc},
    {"Xi", 0x39e}, {"Yacute", 0xdd}, {"Yuml", 0x178}, {"Zeta", 0x396}, {"aacute", 0xe1},
    {"acirc", 0xe2}, {"acute", 0xb4}, {"aelig", 0xe6}, {"agrave", 0xe0}, {"alefsym", 0x2135},
    {"alpha", 0x3b1}, {"amp", '&'}, {"and", 0x2227}, {"ang", 0x2220}, {"apos", '\''},
    {"aring", 0xe5}, {"asymp", 0x2248}, {"atilde", 0xe3}, {"auml", 0xe4}, {"bdquo", 0x201e},
    {"beta", 0x3b2}, {"brvbar", 0xa6}, {"bull", 0x2022}, {"cap", 0x2229}, {"ccedil", 0xe7},
    {"cedil", 0xb8}, {"cent", 0xa2}, {"chi", 0x3c7}, {"circ", 0x2c6}, {"clubs", 0x2663},
    {"cong", 0x2245}, {"copy", 0xa9}, {"crarr", 0x21b5}, {"cup", 0x222a}, {"curren", 0xa4},
    {"dArr", 0x21d3}, {"dagger", 0x2020}, {"darr", 0x2193}, {"deg", 0xb0}, {"delta", 0x3b4},
    {"diams", 0x2666}, {"divide", 0xf7}, {"eacute", 0xe9}, {"ecirc", 0xea}, {"egrave", 0xe8},
    {"empty", 0x2205}, {"emsp", 0x2003}, {"ensp", 0x2002}, {"epsilon", 0x3b5},
    {"equiv", 0x2261}, {"eta", 0x3b7}, {"eth", 0xf0}, {"euml", 0xeb}, {"euro", 0x20ac},
    {"exist", 0x2203}, {"fnof", 0x192}, {"forall", 0x2200}, {"frac12", 0xbd}, {"frac14", 0xbc},
    {"frac34", 0xbe}, {"frasl", 0x2044}, {"gamma", 0x3b3}, {"ge", 0x2265}, {"gt", '>'},
    {"hArr", 0x21d4}, {"harr", 0x2194}, {"hearts", 0x2665}, {"hellip", 0x2026},
    {"iacute", 0xed}, {"icirc", 0xee}, {"iexcl", 0xa1}, {"igrave", 0xec}, {"image", 0x2111},
    {"infin", 0x221e}, {"int", 0x222b}, {"iota", 0x3b9}, {"iquest", 0xbf}, {"isin", 0x2208},
    {"iuml", 0xef}, {"kappa", 0x3ba}, {"lArr", 0x21d0}, {"lambda", 0x3bb}, {"lang", 0x2329},
    {"laquo", 0xab}, {"larr", 0x2190}, {"lceil", 0x2308}, {"ldquo", 0x201c}, {"le", 0x2264},
    {"lfloor", 0x230a}, {"lowast", 0x2217}, {"loz", 0x25ca}, {"lrm", 0x200e},
    {"lsaquo", 0x2039}, {"lsquo", 0x2018}, {"lt", '<'}, {"macr", 0xaf}, {"mdash", 0x2014},
    {"micro", 0xb5}, {"middot", 0xb7}, {"minus", 0x2212}, {"mu", 0x3bc}, {"nabla", 0x2207},
    {"nbsp", 0xa0}, {"ndash", 0x2013}, {"ne", 0x2260}, {"ni", 0x220b}, {"not", 0xac},
    {"notin", 0x2209}, {"nsub", 0x2284}, {"ntilde", 0xf1}, {"nu", 0x3bd}, {"oacute", 0xf3},
    {"ocirc", 0xf4}, {"oelig", 0x153}, {"ograve", 0xf2}, {"oline", 0x203e}, {"omega", 0x3c9},
    {"omicron", 0x3bf}, {"oplus", 0x2295}, {"or", 0x2228}, {"ordf", 0xaa}, {"ordm", 0xba},
    {"oslash", 0xf8}, {"otilde", 0xf5}, {"otimes", 0x2297}, {"ouml", 0xf6}, {"para", 0xb6},
    {"part", 0x2202}, {"permil", 0x2030}, {"perp", 0x22a5}, {"phi", 0x3c6}, {"pi", 0x3c0},
    {"piv", 0x3d6}, {"plusmn", 0xb1}, {"pound", 0xa3}, {"prime", 0x2032}, {"prod", 0x220f},
    {"prop", 0x221d}, {"psi", 0x3c8}, {"quot", '"'}, {"rArr", 0x21d2}, {"radic", 0x221a},
    {"rang", 0x232a}, {"raquo", 0xbb}, {"rarr", 0x2192}, {"rceil", 0x2309}, {"rdquo", 0x201d},
    {"real", 0x211c}, {"reg", 0xae}, {"rfloor", 0x230b}, {"rho", 0x3c1}, {"rlm", 0x200f},
    {"rsaquo", 0x203a}, {"rsquo", 0x2019}, {"sbquo", 0x201a}, {"scaron", 0x161},
    {"sdot", 0x22c5}, {"sect", 0xa7}, {"shy", 0xad}, {"sigma", 0x3c3}, {"sigmaf", 0x3c2},
    {"sim", 0x223c}, {"spades", 0x2660}, {"sub", 0x2282}, {"sube", 0x2286}, {"sum", 0x2211},
    {"sup", 0x2283}, {"sup1", 0xb9}, {"sup2", 0xb2}, {"sup3", 0xb3}, {"supe", 0x2287},
    {"szlig", 0xdf}, {"tau", 0x3c4}, {"there4", 0x2234}, {"theta", 0x3b8}, {"thetasym", 0x3d1},
    {"thinsp", 0x2009}, {"thorn", 0xfe}, {"tilde", 0x2dc}, {"times", 0xd7}, {"trade", 0x2122},
    {"uArr", 0x21d1}, {"uacute", 0xfa}, {"uarr", 0x2191}, {"ucirc", 0xfb}, {"ugrave", 0xf9},
    {"uml", 0xa8}, {"upsih", 0x3d2}, {"upsilon", 0x3c5}, {"uuml", 0xfc}, {"weierp", 0x2118},
    {"xi", 0x3be}, {"yacute", 0xfd}, {"yen", 0xa5}, {"yuml", 0xff}, {"zeta", 0x3b6},
    {"zwj", 0x200d}, {"zwnj", 0x200c},
};

/* Elements that begin and end a line. */
static const char *const block_elements[] = {
    "address", "article", "aside", "blockquote", "body", "br", "caption", "center", "dd",
    "details", "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form",
    "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hr", "html", "legend", "li", "main",
    "menu", "nav", "ol", "option", "p", "pre", "section", "summary", "table", "tbody", "td",
    "tfoot", "th", "thead", "title", "tr", "ul",
};

/* Elements whose content is no text. */
static const char *const hidden_elements[] = {"script", "style", "xml"};

/* &#128; to &#159; are written for the characters that windows-1252 has there. */
static const uint16_t c1_meant[] = {
    0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0x8d, 0x17d, 0x8f,
    0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0x9d, 0x17e, 0x178,
};
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

/* "#228" or "#xe4"; only digits are behind the mark (is_reference_byte). */
static bool numeric_reference(struct slice name, uint32_t *out)
{
    uint32_t base = 10, value = 0;

    if (name.len < 2 || name.ptr[0] != '#')
        return false;
    name = slice_from(name, 1);
    if (ascii_lower(name.ptr[0]) == 'x') {
        base = 16;
        name = slice_from(name, 1);
    }
    for (size_t i = 0; i < name.len && value <= CHAR_LAST; i++)
        value = value * base + (uint32_t) ascii_hex_value(name.ptr[i]);
    *out = value;
    return name.len > 0;
}

static bool resolve(struct slice name, uint32_t *out)
{
    const struct reference *row;

    if (numeric_reference(name, out)) {
        if (*out == 0 || *out > CHAR_LAST || (*out >= 0xd800 && *out <= 0xdfff))
            *out = 0xfffd;
        else if (*out >= 0x80 && *out < 0x80 + COUNT(c1_meant))
            *out = c1_meant[*out - 0x80];
        return true;
    }
    row =
        bsearch(&name, references, COUNT(references), sizeof(references[0]), compare_reference);
    if (row == NULL)
        return false;
    *out = row->ch;
    return true;
}

static bool is_space(char c)
{
    return ascii_is_space(c) || c == '\f';
}

static bool is_visible(char c)
{
    return !is_space(c);
}

/* Text with its white space squeezed: a run of it, and of line ends that elements make, waits
 * for the character behind it. */
static void put_text(struct html_reader *r, struct slice text, struct buf *out)
{
    struct scan sc = scan_of(text);

    if (r->hidden[0] != '\0')
        return;
    while (!scan_done(&sc)) {
        struct slice run;

        if (scan_while(&sc, is_space).len > 0 && r->gap == '\0')
            r->gap = ' ';
        run = scan_while(&sc, is_visible);
        if (run.len == 0)
            return;
        if (r->gap != '\0' && r->begun)
            buf_byte(out, r->gap);
        r->gap = '\0';
        r->begun = true;
        buf_append(out, run);
    }
}

/* The reference ends; with_semicolon says how. What is none stands as it was written. */
static void end_reference(struct html_reader *r, bool with_semicolon, struct buf *out)
{
    AUTO(buf_done) struct buf text = {.max = 2 * HTML_NAME_MAX_BYTES};
    uint32_t ch;

    r->state = HTML_TEXT;
    if (resolve(name_of(r), &ch)) {
        utf8_append(&text, ch);
    } else {
        buf_byte(&text, '&');
        buf_append(&text, name_of(r));
        if (with_semicolon)
            buf_byte(&text, ';');
    }
    put_text(r, buf_slice(&text), out);
}

static bool listed(const char *const *names, size_t n, struct slice name)
{
    for (size_t i = 0; i < n; i++)
        if (slice_eq(name, slice_from_str(names[i])))
            return true;
    return false;
}

static void end_tag(struct html_reader *r)
{
    struct slice name = name_of(r);

    r->state = HTML_TEXT;
    r->hidden[0] = '\0'; /* of hidden text only its own end tag comes here */
    if (listed(block_elements, COUNT(block_elements), name))
        r->gap = '\n';
    if (!r->end_tag && listed(hidden_elements, COUNT(hidden_elements), name)) {
        memcpy(r->hidden, name.ptr, name.len);
        r->hidden[name.len] = '\0';
    }
}

static bool is_reference_byte(const struct html_reader *r, char c)
{
    if (r->n_name == 0)
        return ascii_is_alnum(c) || c == '#';
    if (r->name[0] != '#')
        return ascii_is_alnum(c);
    if (r->n_name > 1 && ascii_lower(r->name[1]) == 'x')
        return ascii_hex_value(c) >= 0;
    return ascii_is_digit(c) || (r->n_name == 1 && ascii_lower(c) == 'x');
}

static void add_to_name(struct html_reader *r, char c)
{
    if (r->n_name < sizeof(r->name))
        r->name[r->n_name++] = c;
}

/* Behind "<" or "</": a tag only if a name follows; in hidden text only an end tag. False: it
 * was text, and so may c be. */
static bool start_tag(struct html_reader *r, char c, struct buf *out)
{
    bool hidden = r->hidden[0] != '\0';

    if (c == '/' && !r->end_tag) {
        r->end_tag = true;
        return true;
    }
    if (ascii_is_alpha(c) && (r->end_tag || !hidden)) {
        r->n_name = 0;
        add_to_name(r, ascii_lower(c));
        r->state = HTML_TAG_NAME;
        return true;
    }
    if ((c == '!' || c == '?') && !r->end_tag && !hidden) {
        r->n_dashes = 0;
        r->state = HTML_DECLARATION;
        return true;
    }
    put_text(r, r->end_tag ? SLICE("</") : SLICE("<"), out);
    r->state = HTML_TEXT;
    return false;
}

/* Scripts and styles end at their own end tag, whatever else stands in them. */
static bool ends_hidden(const struct html_reader *r)
{
    return r->hidden[0] == '\0' || slice_eq(name_of(r), slice_from_str(r->hidden));
}

/* False: the tag was part of a hidden text, and so may c be. */
static bool in_tag(struct html_reader *r, char c)
{
    if (r->state == HTML_TAG_NAME) {
        if (ascii_is_alnum(c) || c == ':' || c == '-') {
            add_to_name(r, ascii_lower(c));
            return true;
        }
        if (!ends_hidden(r)) {
            r->state = HTML_TEXT;
            return false;
        }
    }
    if (c == '>')
        end_tag(r);
    else
        r->state = c == '=' ? HTML_VALUE : HTML_TAG;
    return true;
}

static void in_value(struct html_reader *r, char c)
{
    if (c == '"')
        r->state = HTML_DOUBLE_QUOTED;
    else if (c == '\'')
        r->state = HTML_SINGLE_QUOTED;
    else if (c == '>')
        end_tag(r);
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

static void in_text(struct html_reader *r, char c, struct buf *out)
{
    if (c == '<') {
        r->state = HTML_TAG_START;
        r->end_tag = false;
    } else if (c == '&' && r->hidden[0] == '\0') {
        r->state = HTML_REFERENCE;
        r->n_name = 0;
    } else {
        put_text(r, slice_of(&c, 1), out);
    }
}

/* False: the byte ended something that it does not belong to, and the state is TEXT now. */
static bool take_byte(struct html_reader *r, char c, struct buf *out)
{
    switch (r->state) {
    case HTML_REFERENCE:
        if (is_reference_byte(r, c) && r->n_name < sizeof(r->name)) {
            add_to_name(r, c);
            return true;
        }
        end_reference(r, c == ';', out);
        return c == ';';
    case HTML_TEXT:
        in_text(r, c, out);
        return true;
    case HTML_TAG_START:
        return start_tag(r, c, out);
    case HTML_TAG_NAME:
    case HTML_TAG:
        return in_tag(r, c);
    case HTML_VALUE:
        in_value(r, c);
        return true;
    case HTML_DOUBLE_QUOTED:
        if (c == '"')
            r->state = HTML_TAG;
        return true;
    case HTML_SINGLE_QUOTED:
        if (c == '\'')
            r->state = HTML_TAG;
        return true;
    case HTML_DECLARATION:
    case HTML_COMMENT:
        in_declaration(r, c);
        return true;
    }
    return true;
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
        if (!take_byte(reader, one.ptr[0], out))
            in_text(reader, one.ptr[0], out);
    }
}

void html_close(struct html_reader *reader, struct buf *out)
{
    if (reader->state == HTML_REFERENCE)
        end_reference(reader, false, out);
    else if (reader->state == HTML_TAG_START)
        put_text(reader, reader->end_tag ? SLICE("</") : SLICE("<"), out);
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
