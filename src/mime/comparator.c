#include "mime/comparator.h"

#include <assert.h>
#include <unicode/uversion.h>

#include "base/ascii.h"

#define STRENGTHS 3u

/* As BCP 47 and ICU both write them. The order is that of the answer. */
static const char *const languages[] = {
    "und", "af", "ar", "bg", "bs", "ca", "cs", "cy", "da", "de", "el", "en", "eo",
    "es",  "et", "fa", "fi", "fr", "he", "hi", "hr", "hu", "hy", "id", "is", "it",
    "ja",  "ka", "ko", "lt", "lv", "mk", "mt", "nb", "nl", "nn", "pl", "pt", "ro",
    "ru",  "sk", "sl", "sq", "sr", "sv", "th", "tr", "uk", "ur", "vi", "zh",
};

/* Numbers: the default one, languages by strength, the two that know no language but ASCII's.
 */
#define FIRST_LANGUAGE 1u
#define ASCII_CASEMAP  (FIRST_LANGUAGE + STRENGTHS * (unsigned) COUNT(languages))
#define OCTET          (ASCII_CASEMAP + 1u)

unsigned comparator_count(void)
{
    return OCTET + 1;
}

enum comparator_kind comparator_kind(unsigned number)
{
    assert(number <= OCTET);
    if (number == COMPARATOR_DEFAULT)
        return COMPARATOR_UNICODE_CASEMAP;
    if (number == ASCII_CASEMAP)
        return COMPARATOR_ASCII_CASEMAP;
    return number == OCTET ? COMPARATOR_OCTET : COMPARATOR_LANGUAGE;
}

const char *comparator_locale(unsigned number)
{
    assert(comparator_kind(number) == COMPARATOR_LANGUAGE);
    return languages[(number - FIRST_LANGUAGE) / STRENGTHS];
}

unsigned comparator_strength(unsigned number)
{
    assert(comparator_kind(number) == COMPARATOR_LANGUAGE);
    return (number - FIRST_LANGUAGE) % STRENGTHS + 1;
}

static void print_language(unsigned number, struct buf *out)
{
    char version[U_MAX_VERSION_STRING_LENGTH];
    UVersionInfo icu;

    u_getVersion(icu);
    u_versionToString(icu, version);
    buf_printf(out, "%s;vnd-roost;strength=%u;icu=%s", comparator_locale(number),
               comparator_strength(number), version);
}

void comparator_print(unsigned number, struct buf *out)
{
    switch (comparator_kind(number)) {
    case COMPARATOR_UNICODE_CASEMAP:
        buf_str(out, "i;unicode-casemap");
        break;
    case COMPARATOR_ASCII_CASEMAP:
        buf_str(out, "i;ascii-casemap");
        break;
    case COMPARATOR_OCTET:
        buf_str(out, "i;octet");
        break;
    case COMPARATOR_LANGUAGE:
        print_language(number, out);
        break;
    }
}

/* What fails behind a "*" is tried again one character further: the last "*" alone need be
 * remembered. At most text.len * wild.len steps, both of at most COMPARATOR_ID_MAX_BYTES. */
static bool matches(struct slice text, struct slice wild)
{
    size_t at = 0, in = 0, star = SIZE_MAX, star_at = 0;

    while (at < text.len) {
        if (in < wild.len && wild.ptr[in] == '*') {
            star = in++;
            star_at = at;
        } else if (in < wild.len && ascii_lower(wild.ptr[in]) == ascii_lower(text.ptr[at])) {
            in++;
            at++;
        } else if (star != SIZE_MAX) {
            in = star + 1;
            at = ++star_at;
        } else {
            return false;
        }
    }
    while (in < wild.len && wild.ptr[in] == '*')
        in++;
    return in == wild.len;
}

bool comparator_matches(unsigned number, struct slice wild)
{
    AUTO(buf_done) struct buf id = {0};

    if (slice_eq_nocase(wild, SLICE("default"))) /* RFC 4790 3.1 */
        return number == COMPARATOR_DEFAULT;
    if (wild.len > COMPARATOR_ID_MAX_BYTES)
        return false;
    buf_init(&id, COMPARATOR_ID_MAX_BYTES);
    comparator_print(number, &id);
    return matches(buf_slice(&id), wild);
}
