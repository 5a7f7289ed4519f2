#include "mime/charset.h"

#include <string.h>
#include <unicode/uchar.h>
#include <unicode/ucnv.h>
#include <unicode/ucnv_cb.h>
#include <unicode/udata.h>
#include <unicode/unorm2.h>

#include "base/ascii.h"
#include "base/utf8.h"

#define PIVOT_UNITS 1024 /* UTF-16 units between ICU and us */

/* Labels that mean something else in mail; names on the right are ICU's. */
// clang-format off
static const struct {
    const char *label;
    const char *icu_name;
} aliases[] = {
    {"iso-8859-1", "windows-1252"},
    {"iso8859-1", "windows-1252"},
    {"iso_8859-1", "windows-1252"},
    {"latin1", "windows-1252"},
    {"iso-8859-9", "windows-1254"},
    {"iso-8859-11", "windows-874"},
    {"tis-620", "windows-874"},
    {"iso-8859-8-i", "iso-8859-8"},
    {"iso-8859-8-e", "iso-8859-8"},
    {"iso-8859-6-i", "iso-8859-6"},
    {"iso-8859-6-e", "iso-8859-6"},
    {"gb2312", "gb18030"},
    {"gbk", "gb18030"},
    {"x-gbk", "gb18030"},
    {"cp936", "gb18030"},
    {"gb_2312-80", "gb18030"},
    {"big5", "big5-hkscs"},
    {"x-x-big5", "big5-hkscs"},
    {"euc-kr", "windows-949"},
    {"ks_c_5601-1987", "windows-949"},
    {"ks_c_5601-1989", "windows-949"},
    {"ksc5601", "windows-949"},
    {"shift_jis", "windows-31j"},
    {"shift-jis", "windows-31j"},
    {"x-sjis", "windows-31j"},
    {"iso-2022-jp", "iso-2022-jp-2"},
    {"unicode-1-1-utf-7", "utf-7"},
    {"x-mac-roman", "macintosh"},
    {"cp-850", "ibm850"},
};

/* Labels that say nothing, or only "7-bit". */
static const char *const empty_labels[] = {
    "", "us-ascii", "ascii", "us_ascii", "ansi_x3.4-1968",
    "unknown-8bit", "x-unknown", "unknown", "default", "8bit",
    "7bit", "utf-8", "utf8", "utf_8", "unicode-1-1-utf-8",
};
// clang-format on

static bool label_is_empty(struct slice label)
{
    for (size_t i = 0; i < COUNT(empty_labels); i++)
        if (slice_eq_nocase(label, slice_from_str(empty_labels[i])))
            return true;
    return false;
}

/* Labels as they stand in mail: quotes, spaces and a language mark around the name. */
static struct slice clean_label(struct slice label)
{
    label = slice_trim(label);
    label = slice_sub(label, 0, slice_find(label, '*')); /* RFC 2231 section 5 */
    while (label.len > 0 && strchr("\"'", label.ptr[0]) != NULL && label.ptr[0] != '\0')
        label = slice_from(label, 1);
    while (label.len > 0 && strchr("\"';", label.ptr[label.len - 1]) != NULL &&
           label.ptr[label.len - 1] != '\0')
        label.len--;
    return slice_trim(label);
}

static bool is_name_byte(char c)
{
    return ascii_is_alnum(c) || c == '-' || c == '_' || c == '.' || c == ':' || c == '+';
}

/* ICU's own writes U+001A for some single bytes. */
static void write_mark(const void *context, UConverterToUnicodeArgs *args, const char *bytes,
                       int32_t n_bytes, UConverterCallbackReason reason, UErrorCode *status)
{
    static const UChar mark = 0xfffd;

    (void) context;
    (void) bytes;
    (void) n_bytes;
    if (reason > UCNV_IRREGULAR) /* reset, clone, close */
        return;
    *status = U_ZERO_ERROR;
    ucnv_cbToUWriteUChars(args, &mark, 1, 0, status);
}

/* A converter that marks what means nothing, or NULL. */
static UConverter *open_converter(const char *icu_name)
{
    UErrorCode status = U_ZERO_ERROR;
    UConverter *converter = ucnv_open(icu_name, &status);

    if (U_FAILURE(status))
        return NULL;
    ucnv_setToUCallBack(converter, write_mark, NULL, NULL, NULL, &status);
    return converter;
}

/* ICU's converter for a label, or NULL. */
static UConverter *open_label(struct slice label)
{
    char name[CHARSET_NAME_MAX_BYTES];

    for (size_t i = 0; i < COUNT(aliases); i++)
        if (slice_eq_nocase(label, slice_from_str(aliases[i].label)))
            return open_converter(aliases[i].icu_name);
    if (label.len == 0 || label.len >= sizeof(name))
        return NULL;
    for (size_t i = 0; i < label.len; i++) /* ICU reads options behind a comma */
        if (!is_name_byte(label.ptr[i]))
            return NULL;
    memcpy(name, label.ptr, label.len);
    name[label.len] = '\0';
    return open_converter(name);
}

bool charset_is_known(struct slice label)
{
    UConverter *converter;

    label = clean_label(label);
    if (label.len == 0)
        return false;
    if (label_is_empty(label))
        return true;
    converter = open_label(label);
    if (converter == NULL)
        return false;
    ucnv_close(converter);
    return true;
}

/*
 * Tables that come from IBM's PCs (ICU's windows-31j and ibm850 do) turn three controls round:
 * bytes 1A, 1C and 7F are U+001C, U+007F and U+001A. Everybody else's are what they are in
 * ASCII, the Encoding Standard's too.
 */
static bool turns_controls(UConverter *converter)
{
    static const char byte = 0x1a;
    const char *source = &byte;
    UErrorCode status = U_ZERO_ERROR;
    UChar unit[2], *target = unit;

    ucnv_toUnicode(converter, &target, unit + COUNT(unit), &source, source + 1, NULL, true,
                   &status);
    ucnv_resetToUnicode(converter);
    return target == unit + 1 && unit[0] == 0x1c;
}

static void turn_back(UChar *units, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (units[i] == 0x1c)
            units[i] = 0x1a;
        else if (units[i] == 0x7f)
            units[i] = 0x1c;
        else if (units[i] == 0x1a)
            units[i] = 0x7f;
    }
}

void charset_open(struct charset_reader *reader, struct slice label, enum charset_guess guess)
{
    *reader = (struct charset_reader){0};
    label = clean_label(label);
    if (!label_is_empty(label))
        reader->converter = open_label(label);
    if (reader->converter == NULL && guess == CHARSET_GUESS_LEGACY)
        reader->converter = open_converter("windows-1252");
    reader->turns_controls = reader->converter != NULL && turns_controls(reader->converter);
}

void charset_close(struct charset_reader *reader)
{
    ucnv_close(reader->converter); /* takes NULL */
    reader->converter = NULL;
}

void charset_append_utf16(const uint16_t *units, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t ch = units[i];

        if (U16_IS_LEAD(ch) && i + 1 < n && U16_IS_TRAIL(units[i + 1]))
            ch = (uint32_t) U16_GET_SUPPLEMENTARY(ch, units[++i]);
        else if (U_IS_SURROGATE(ch))
            ch = 0xfffd;
        utf8_append(out, ch);
    }
}

static void feed_converter(struct charset_reader *reader, struct slice bytes, bool last,
                           struct buf *out)
{
    UChar pivot[PIVOT_UNITS] = {0};
    const char *source = bytes.ptr, *end = bytes.ptr + bytes.len;
    size_t n_held = reader->n_held; /* 1 if a lead surrogate waits */
    UErrorCode status;

    if (n_held > 0)
        memcpy(&pivot[0], reader->held, sizeof(UChar));
    do {
        UChar *target = pivot + n_held;
        size_t n;

        status = U_ZERO_ERROR;
        ucnv_toUnicode(reader->converter, &target, pivot + PIVOT_UNITS, &source, end, NULL,
                       last, &status);
        n = (size_t) (target - pivot);
        if (reader->turns_controls)
            turn_back(pivot + n_held, n - n_held);
        n_held = n > 0 && U16_IS_LEAD(pivot[n - 1]) ? 1 : 0;
        if (last && status != U_BUFFER_OVERFLOW_ERROR)
            n_held = 0;
        charset_append_utf16(pivot, n - n_held, out);
        if (n_held > 0)
            pivot[0] = pivot[n - 1];
    } while (status == U_BUFFER_OVERFLOW_ERROR);
    reader->n_held = n_held;
    if (n_held > 0)
        memcpy(reader->held, &pivot[0], sizeof(UChar));
}

/* Bytes at the end of s that may start a character and do not end it: 0..3. */
static size_t open_tail(struct slice s)
{
    for (size_t back = 1; back <= 3 && back <= s.len; back++) {
        unsigned char c = (unsigned char) s.ptr[s.len - back];

        if (c >= 0xc0)
            return (c >= 0xf0 && back < 4) || (c >= 0xe0 && back < 3) || back < 2 ? back : 0;
        if (c < 0x80)
            return 0;
    }
    return 0;
}

static void feed_utf8(struct charset_reader *reader, struct slice bytes, bool last,
                      struct buf *out)
{
    size_t tail;

    while (reader->n_held > 0 && bytes.len > 0) { /* end the character held, byte by byte */
        struct slice held;

        if (((unsigned char) bytes.ptr[0] & 0xc0u) != 0x80u) {
            utf8_append_repaired(out, slice_of(reader->held, reader->n_held));
            reader->n_held = 0;
            break;
        }
        reader->held[reader->n_held++] = bytes.ptr[0];
        bytes = slice_from(bytes, 1);
        held = slice_of(reader->held, reader->n_held);
        if (reader->n_held < sizeof(reader->held) && open_tail(held) == held.len)
            continue;
        utf8_append_repaired(out, held);
        reader->n_held = 0;
    }
    tail = last ? 0 : open_tail(bytes);
    utf8_append_repaired(out, slice_sub(bytes, 0, bytes.len - tail));
    if (tail > 0) {
        memcpy(reader->held, bytes.ptr + bytes.len - tail, tail);
        reader->n_held = tail;
    }
    if (last && reader->n_held > 0) {
        utf8_append_repaired(out, slice_of(reader->held, reader->n_held));
        reader->n_held = 0;
    }
}

void charset_feed(struct charset_reader *reader, struct slice bytes, bool last, struct buf *out)
{
    if (bytes.len == 0 && !last)
        return;
    if (bytes.len == 0)
        bytes = slice_of("", 0);
    if (reader->converter != NULL)
        feed_converter(reader, bytes, last, out);
    else
        feed_utf8(reader, bytes, last, out);
}

void charset_to_utf8(struct slice label, struct slice bytes, struct buf *out)
{
    bool valid = utf8_is_valid(bytes);
    struct charset_reader reader;

    charset_open(&reader, label, valid ? CHARSET_GUESS_UTF8 : CHARSET_GUESS_LEGACY);
    if (valid && reader.converter == NULL)
        buf_append(out, bytes);
    else
        charset_feed(&reader, bytes, true, out);
    charset_close(&reader);
}

void mime_warm_up(void)
{
    static const char *const common[] = {
        "windows-1252", "windows-1254",  "windows-874", "gb18030", "big5-hkscs", "windows-949",
        "windows-31j",  "iso-2022-jp-2", "iso-2022-kr", "euc-jp",  "koi8-r",     "windows-1251",
        "windows-1250", "iso-8859-2",    "iso-8859-15", "utf-7",   "utf-16",
    };
    UErrorCode status = U_ZERO_ERROR;

    udata_setFileAccess(UDATA_NO_FILES, &status);
    for (size_t i = 0; i < COUNT(common); i++) {
        status = U_ZERO_ERROR;
        ucnv_close(ucnv_open(common[i], &status)); /* ICU keeps the table it loaded */
    }
    status = U_ZERO_ERROR;
    (void) unorm2_getNFKDInstance(&status);
    (void) u_totitle('a');
}
