#include "imap/print.h"

#include "base/ascii.h"
#include "base/utf8.h"
#include "imap/language.h"
#include "imap/lex.h"

#define TRANSLATED_MAX_BYTES 512u /* of a row of language_texts.c */

void imap_print_nil(struct buf *buf)
{
    buf_str(buf, "NIL");
}

void imap_print_literal_header(struct buf *buf, uint64_t len)
{
    buf_byte(buf, '{');
    buf_u64(buf, len);
    buf_str(buf, "}\r\n");
}

void imap_print_literal8_header(struct buf *buf, uint64_t len)
{
    buf_byte(buf, '~');
    imap_print_literal_header(buf, len);
}

static bool slice_has(struct slice s, char c)
{
    return slice_find(s, c) < s.len;
}

static bool fits_quoted(struct slice s, struct imap_mode mode)
{
    if (s.len > PRINT_QUOTED_MAX_BYTES || slice_has(s, '\0') || slice_has(s, '\r') ||
        slice_has(s, '\n'))
        return false;
    return utf8_is_ascii(s) || (imap_mode_utf8(mode) && utf8_is_valid(s));
}

static void print_quoted(struct buf *buf, struct slice s)
{
    bool escapes = slice_has(s, '"') || slice_has(s, '\\');
    size_t from = 0;

    buf_byte(buf, '"');
    for (size_t i = 0; escapes && i < s.len; i++) {
        if (s.ptr[i] != '"' && s.ptr[i] != '\\')
            continue;
        buf_append(buf, slice_sub(s, from, i - from));
        buf_byte(buf, '\\');
        from = i;
    }
    buf_append(buf, slice_from(s, from));
    buf_byte(buf, '"');
}

static void print_literal(struct buf *buf, struct slice s)
{
    char *bytes;

    imap_print_literal_header(buf, s.len);
    bytes = s.len > 0 ? buf_reserve(buf, s.len) : NULL;
    if (bytes == NULL)
        return;
    for (size_t i = 0; i < s.len; i++)
        bytes[i] = s.ptr[i] != '\0' ? s.ptr[i] : (char) 0x80;
    buf->len += s.len;
}

void imap_print_string(struct buf *buf, struct slice s, struct imap_mode mode)
{
    if (fits_quoted(s, mode))
        print_quoted(buf, s);
    else
        print_literal(buf, s);
}

void imap_print_nstring(struct buf *buf, struct slice s, struct imap_mode mode)
{
    if (s.ptr == NULL)
        imap_print_nil(buf);
    else
        imap_print_string(buf, s, mode);
}

/* "NIL" is an atom too, but readers take it for the absence of a string. */
static bool fits_astring_atom(struct slice s)
{
    struct scan sc = scan_of(s);

    return scan_while(&sc, lex_is_astring_char).len > 0 && scan_done(&sc) &&
           !slice_eq_nocase(s, SLICE("NIL"));
}

void imap_print_value(struct buf *buf, struct slice s, struct imap_mode mode)
{
    if (s.ptr == NULL || slice_find(s, '\0') == s.len) {
        imap_print_nstring(buf, s, mode);
        return;
    }
    imap_print_literal8_header(buf, s.len);
    buf_append(buf, s);
}

void imap_print_astring(struct buf *buf, struct slice s, struct imap_mode mode)
{
    if (fits_astring_atom(s))
        buf_append(buf, s);
    else
        imap_print_string(buf, s, mode);
}

static void print_text(struct buf *buf, struct slice text, bool utf8)
{
    bool keep_8bit = utf8 && utf8_is_valid(text);

    if (text.len == 0)
        buf_byte(buf, '-');
    else if (text.ptr[0] == '[')
        buf_str(buf, "- ");
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool ok = ascii_is_8bit(c) ? keep_8bit : !ascii_is_ctl(c);

        buf_byte(buf, ok ? c : '?');
    }
    if (text.len > 0 && text.ptr[text.len - 1] == '}')
        buf_byte(buf, '.');
}

/* RFC 5255 3.2: what is translated is UTF-8, whatever else was enabled. */
void imap_print_text(struct buf *buf, struct slice text, struct imap_mode mode)
{
    AUTO(buf_done) struct buf translated = {0};

    if (mode.language < IMAP_LANGUAGE_DE) {
        print_text(buf, text, imap_mode_utf8(mode));
        return;
    }
    buf_init(&translated, TRANSLATED_MAX_BYTES + text.len);
    imap_translate(&translated, text, mode.language);
    print_text(buf, buf_slice(&translated), true);
}

void imap_print_text_line(struct buf *buf, const char *text, struct imap_mode mode)
{
    imap_print_text(buf, slice_from_str(text), mode);
    buf_str(buf, "\r\n");
}

// clang-format off
static const char *const section_names[] = {
    [IMAP_SECTION_ALL] = "",
    [IMAP_SECTION_HEADER] = "HEADER",
    [IMAP_SECTION_HEADER_FIELDS] = "HEADER.FIELDS",
    [IMAP_SECTION_HEADER_FIELDS_NOT] = "HEADER.FIELDS.NOT",
    [IMAP_SECTION_TEXT] = "TEXT",
    [IMAP_SECTION_MIME] = "MIME",
};

static const struct {
    const char *name;
    bool has_section;
} fetch_names[IMAP_FETCH_COUNT] = {
    [IMAP_FETCH_FLAGS] =         {"FLAGS",         false},
    [IMAP_FETCH_UID] =           {"UID",           false},
    [IMAP_FETCH_INTERNALDATE] =  {"INTERNALDATE",  false},
    [IMAP_FETCH_RFC822_SIZE] =   {"RFC822.SIZE",   false},
    [IMAP_FETCH_ENVELOPE] =      {"ENVELOPE",      false},
    [IMAP_FETCH_BODY] =          {"BODY",          false},
    [IMAP_FETCH_BODYSTRUCTURE] = {"BODYSTRUCTURE", false},
    [IMAP_FETCH_BODY_SECTION] =  {"BODY",          true},
    [IMAP_FETCH_BINARY] =        {"BINARY",        true},
    [IMAP_FETCH_BINARY_SIZE] =   {"BINARY.SIZE",   true},
    [IMAP_FETCH_RFC822] =        {"RFC822",        false},
    [IMAP_FETCH_RFC822_HEADER] = {"RFC822.HEADER", false},
    [IMAP_FETCH_RFC822_TEXT] =   {"RFC822.TEXT",   false},
    [IMAP_FETCH_MODSEQ] =        {"MODSEQ",        false},
    [IMAP_FETCH_EMAILID] =       {"EMAILID",       false},
    [IMAP_FETCH_THREADID] =      {"THREADID",      false},
    [IMAP_FETCH_SAVEDATE] =      {"SAVEDATE",      false},
    [IMAP_FETCH_PREVIEW] =       {"PREVIEW",       false},
    [IMAP_FETCH_ANNOTATION] =    {"ANNOTATION",    false},
};
// clang-format on

static void print_fields(struct buf *buf, const struct imap_section *section,
                         struct imap_mode mode)
{
    buf_str(buf, " (");
    for (size_t i = 0; i < section->n_fields; i++) {
        if (i > 0)
            buf_byte(buf, ' ');
        imap_print_astring(buf, section->fields[i], mode);
    }
    buf_byte(buf, ')');
}

void imap_print_section(struct buf *buf, const struct imap_section *section,
                        struct imap_mode mode)
{
    buf_byte(buf, '[');
    for (size_t i = 0; i < section->n_parts; i++) {
        if (i > 0)
            buf_byte(buf, '.');
        buf_u64(buf, section->parts[i]);
    }
    if (section->n_parts > 0 && section->text != IMAP_SECTION_ALL)
        buf_byte(buf, '.');
    buf_str(buf, section_names[section->text]);
    if (section->text == IMAP_SECTION_HEADER_FIELDS ||
        section->text == IMAP_SECTION_HEADER_FIELDS_NOT)
        print_fields(buf, section, mode);
    buf_byte(buf, ']');
}

void imap_print_fetch_name(struct buf *buf, const struct imap_fetch_item *item,
                           struct imap_mode mode)
{
    buf_str(buf, fetch_names[item->kind].name);
    if (!fetch_names[item->kind].has_section)
        return;
    imap_print_section(buf, &item->section, mode);
    if (item->partial && item->kind != IMAP_FETCH_BINARY_SIZE) {
        buf_byte(buf, '<');
        buf_u64(buf, item->offset);
        buf_byte(buf, '>');
    }
}

void imap_print_code_number(struct buf *buf, const char *name, uint64_t number)
{
    buf_byte(buf, '[');
    buf_str(buf, name);
    buf_byte(buf, ' ');
    buf_u64(buf, number);
    buf_byte(buf, ']');
}

void imap_print_code_appenduid(struct buf *buf, uint32_t uidvalidity, struct slice uids)
{
    buf_str(buf, "[APPENDUID ");
    buf_u64(buf, uidvalidity);
    buf_byte(buf, ' ');
    buf_append(buf, uids);
    buf_byte(buf, ']');
}

void imap_print_code_copyuid(struct buf *buf, uint32_t uidvalidity, struct slice from,
                             struct slice to)
{
    buf_str(buf, "[COPYUID ");
    buf_u64(buf, uidvalidity);
    buf_byte(buf, ' ');
    buf_append(buf, from);
    buf_byte(buf, ' ');
    buf_append(buf, to);
    buf_byte(buf, ']');
}

void imap_print_code_modified(struct buf *buf, struct slice set)
{
    buf_str(buf, "[MODIFIED ");
    buf_append(buf, set);
    buf_byte(buf, ']');
}

void imap_print_code_permanentflags(struct buf *buf, const struct imap_flags *flags, bool any)
{
    bool space;

    buf_str(buf, "[PERMANENTFLAGS (");
    space = imap_print_flags(buf, flags);
    if (any)
        buf_str(buf, space ? " \\*" : "\\*");
    buf_str(buf, ")]");
}
