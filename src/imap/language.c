#include "imap/language.h"

#include "base/ascii.h"

#define RANGE_SUBTAG_MAX 8u /* RFC 4647 2.1 */
#define RANGE_MAX_BYTES  64u

static const char *const tags[IMAP_LANGUAGE_COUNT] = {
    [IMAP_LANGUAGE_DEFAULT] = "i-default",
    [IMAP_LANGUAGE_EN] = "EN",
    [IMAP_LANGUAGE_DE] = "DE",
    [IMAP_LANGUAGE_FR] = "FR",
    [IMAP_LANGUAGE_ES] = "ES",
    [IMAP_LANGUAGE_JA] = "JA",
};

const char *imap_language_tag(enum imap_language language)
{
    return tags[language];
}

static bool find(struct slice tag, enum imap_language *out)
{
    for (enum imap_language i = IMAP_LANGUAGE_DEFAULT; i < IMAP_LANGUAGE_COUNT; i++) {
        if (slice_eq_nocase(tag, slice_from_str(tags[i]))) {
            *out = i;
            return true;
        }
    }
    return false;
}

enum imap_language imap_language_of(struct slice tag)
{
    enum imap_language language = IMAP_LANGUAGE_DEFAULT;

    (void) find(tag, &language); /* what is not known is i-default */
    return language;
}

/* (1*8ALPHA *("-" 1*8alphanum)) / "*" */
bool imap_is_language_range(struct slice range)
{
    size_t subtag = 0;
    bool first = true;

    if (slice_eq(range, SLICE("*")))
        return true;
    if (range.len == 0 || range.len > RANGE_MAX_BYTES)
        return false;
    for (size_t i = 0; i < range.len; i++) {
        char c = range.ptr[i];

        if (c == '-' && subtag > 0) {
            subtag = 0;
            first = false;
        } else if ((first ? ascii_is_alpha(c) : ascii_is_alnum(c)) &&
                   subtag < RANGE_SUBTAG_MAX) {
            subtag++;
        } else {
            return false;
        }
    }
    return subtag > 0;
}

bool imap_language_lookup(const struct slice *ranges, size_t n, enum imap_language *out)
{
    for (size_t i = 0; i < n; i++) {
        struct slice range = ranges[i];

        if (slice_eq_nocase(range, SLICE("default")) || slice_eq(range, SLICE("*"))) {
            *out = IMAP_LANGUAGE_DEFAULT;
            return true;
        }
        for (; range.len > 0; range.len = slice_rfind(range, '-') % range.len)
            if (find(range, out))
                return true;
    }
    return false;
}

void imap_print_language(struct buf *buf, enum imap_language language)
{
    buf_printf(buf, "* LANGUAGE (%s)\r\n", tags[language]);
}

void imap_print_languages(struct buf *buf)
{
    buf_str(buf, "* LANGUAGE (");
    for (enum imap_language i = IMAP_LANGUAGE_EN; i < IMAP_LANGUAGE_COUNT; i++)
        buf_printf(buf, "%s ", tags[i]);
    buf_printf(buf, "%s)\r\n", tags[IMAP_LANGUAGE_DEFAULT]);
}

/* Is the text of this row, and what stands for its "%s"? */
static bool is_of_row(struct slice text, const struct language_row *row, struct slice *out_part)
{
    struct slice english = slice_from_str(row->english);
    size_t at = slice_search(english, SLICE("%s"));
    struct slice before = slice_sub(english, 0, at), behind;

    if (at == english.len)
        return slice_eq(text, english);
    behind = slice_from(english, at + 2);
    if (text.len < before.len + behind.len || !slice_starts(text, before) ||
        !slice_ends(text, behind))
        return false;
    *out_part = slice_sub(text, before.len, text.len - before.len - behind.len);
    return true;
}

static void print_row(struct buf *buf, struct slice translated, struct slice part)
{
    size_t at = slice_search(translated, SLICE("%s"));

    buf_append(buf, slice_sub(translated, 0, at));
    if (at == translated.len)
        return;
    buf_append(buf, part);
    buf_append(buf, slice_from(translated, at + 2));
}

/* A few hundred short comparisons, for the sessions that asked for it. */
void imap_translate(struct buf *buf, struct slice english, enum imap_language language)
{
    struct slice part = {NULL, 0};

    if (language < IMAP_LANGUAGE_DE) {
        buf_append(buf, english);
        return;
    }
    for (size_t i = 0; i < language_rows_count; i++) {
        if (is_of_row(english, &language_rows[i], &part)) {
            const char *text = language_rows[i].texts[language - IMAP_LANGUAGE_DE];

            print_row(buf, slice_from_str(text), part);
            return;
        }
    }
    buf_append(buf, english);
}
