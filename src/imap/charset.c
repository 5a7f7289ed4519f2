#include "imap/charset.h"

#include <unicode/ucnv.h>
#include <unicode/ustring.h>

#include "base/utf8.h"

enum charset_kind { KIND_ASCII, KIND_UTF8, KIND_ICU };

struct imap_charset {
    const char *name;
    enum charset_kind kind;
};

// clang-format off
static const struct imap_charset charsets[] = {
    {"US-ASCII",     KIND_ASCII}, {"UTF-8",        KIND_UTF8},
    {"ISO-8859-1",   KIND_ICU},   {"ISO-8859-2",   KIND_ICU}, {"ISO-8859-5",   KIND_ICU},
    {"ISO-8859-7",   KIND_ICU},   {"ISO-8859-8",   KIND_ICU}, {"ISO-8859-9",   KIND_ICU},
    {"ISO-8859-15",  KIND_ICU},   {"WINDOWS-1250", KIND_ICU}, {"WINDOWS-1251", KIND_ICU},
    {"WINDOWS-1252", KIND_ICU},   {"KOI8-R",       KIND_ICU}, {"KOI8-U",       KIND_ICU},
    {"ISO-2022-JP",  KIND_ICU},   {"SHIFT_JIS",    KIND_ICU}, {"EUC-JP",       KIND_ICU},
    {"GB2312",       KIND_ICU},   {"GBK",          KIND_ICU}, {"GB18030",      KIND_ICU},
    {"BIG5",         KIND_ICU},   {"EUC-KR",       KIND_ICU},
};
// clang-format on

const struct imap_charset *imap_charset_find(struct slice name)
{
    for (size_t i = 0; i < COUNT(charsets); i++)
        if (slice_eq_nocase(name, slice_from_str(charsets[i].name)))
            return &charsets[i];
    return NULL;
}

const struct imap_charset *imap_charset_utf8(void)
{
    return &charsets[KIND_UTF8];
}

const char *imap_charset_name(size_t i)
{
    return i < COUNT(charsets) ? charsets[i].name : NULL;
}

static void close_converter(UConverter **converter)
{
    ucnv_close(*converter);
}

static enum rc bad_text(struct err *err, const struct imap_charset *charset, const char *why)
{
    return err_set(err, RC_SYNTAX, "Search text is not in the charset named",
                   "search: text is not %s: %s", charset->name, why);
}

/* One byte gives at most one UTF-16 unit in these charsets but GB18030's pairs; two are room
 * enough. */
static enum rc convert_icu(const struct imap_charset *charset, struct slice text,
                           struct arena *arena, struct slice *out, struct err *err)
{
    UErrorCode status = U_ZERO_ERROR;
    AUTO(close_converter) UConverter *converter = ucnv_open(charset->name, &status);
    int32_t cap = (int32_t) text.len * 2 + 1, n, bytes = 0;
    UChar *wide;
    char *utf8;

    if (U_FAILURE(status))
        return err_set(err, RC_UNAVAILABLE, "Charset cannot be converted", "search: %s: %s",
                       charset->name, u_errorName(status));
    wide = ARENA_ARRAY(arena, UChar, (size_t) cap);
    utf8 = arena_alloc(arena, (size_t) cap * 3);
    ucnv_setToUCallBack(converter, UCNV_TO_U_CALLBACK_STOP, NULL, NULL, NULL, &status);
    n = ucnv_toUChars(converter, wide, cap, text.ptr, (int32_t) text.len, &status);
    (void) u_strToUTF8(utf8, cap * 3, &bytes, wide, n, &status);
    if (U_FAILURE(status))
        return bad_text(err, charset, u_errorName(status));
    *out = slice_of(utf8, (size_t) bytes);
    return RC_OK;
}

enum rc imap_charset_convert(const struct imap_charset *charset, struct slice text,
                             struct arena *arena, struct slice *out, struct err *err)
{
    bool ok = false;

    switch (charset->kind) {
    case KIND_ASCII:
        ok = utf8_is_ascii(text);
        break;
    case KIND_UTF8:
        ok = utf8_is_valid(text);
        break;
    case KIND_ICU:
        return convert_icu(charset, text, arena, out, err);
    }
    if (!ok)
        return bad_text(err, charset, "a byte outside it");
    *out = text;
    return RC_OK;
}
