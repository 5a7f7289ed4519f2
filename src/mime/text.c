#include "mime/text.h"

#include <string.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "mime/charset.h"
#include "mime/cte.h"
#include "mime/html.h"
#include "mime/param.h"
#include "mime/words.h"

#define STEP_MAX_BYTES       ((size_t) 256 << 10) /* a decoded step and its UTF-8 */
#define DECOMPOSED_MAX_UNITS 32                   /* U+FDFA has 18, the most there is */
#define CASEMAP_KEPT         1024u /* characters of a long text, and of a short one */
#define CASEMAP_KEPT_SHORT   32u
#define CASEMAP_SHORT_BYTES  512u

/* RFC 2231 in the fields that mail has it in. */
static bool has_parameters(struct slice name)
{
    return slice_eq_nocase(name, SLICE("Content-Type")) ||
           slice_eq_nocase(name, SLICE("Content-Disposition"));
}

void mime_text_of_field(struct slice name, struct slice raw, struct buf *out)
{
    size_t start;

    words_decode(raw, out);
    start = out->len;
    if (has_parameters(name))
        param_pieces_text(raw, out);
    for (size_t i = start; i < out->len; i++)
        if (ascii_is_space(out->ptr[i]) || out->ptr[i] == '\0')
            out->ptr[i] = ' ';
}

/* Bytes are UTF-8 as far as they go, for text without a useful label. */
static bool decodes_to_utf8(const struct mime_text_source *source, struct slice body)
{
    AUTO(buf_done) struct buf step = {0};
    struct cte_reader reader;
    bool valid = true;

    if (source->encoding == DIGEST_CTE_IDENTITY || source->encoding == DIGEST_CTE_UNKNOWN)
        return utf8_is_valid(body);
    buf_init(&step, STEP_MAX_BYTES);
    cte_open(&reader, source->encoding, body);
    while (valid && cte_next(&reader, &step)) {
        buf_consume(&step, utf8_valid_len(buf_slice(&step)));
        valid = step.len < 4; /* what is left may be a character that the next step ends */
    }
    return valid && step.len == 0;
}

/* The label of HTML without one may stand in the HTML. */
static struct slice sniff(const struct mime_text_source *source, struct slice body,
                          struct buf *head)
{
    struct cte_reader reader;
    struct slice label;

    if (!source->html || source->charset.len > 0)
        return source->charset;
    cte_open(&reader, source->encoding, body);
    (void) cte_next(&reader, head);
    label = html_sniff_charset(buf_slice(head));
    /* A label that could be read as ASCII is not written in 16-bit units, whatever it says. */
    return slice_starts_nocase(label, SLICE("utf-16")) ||
                   slice_starts_nocase(label, SLICE("unicode"))
               ? slice_of("", 0)
               : label;
}

void mime_text_of_body(const struct mime_text_source *source, struct slice body,
                       struct buf *out)
{
    AUTO(buf_done) struct buf head = {0};
    AUTO(buf_done) struct buf step = {0};
    AUTO(buf_done) struct buf utf8 = {0};
    struct charset_reader charset;
    struct html_reader html;
    struct cte_reader cte;
    bool more;

    buf_init(&head, STEP_MAX_BYTES);
    buf_init(&step, STEP_MAX_BYTES);
    buf_init(&utf8, STEP_MAX_BYTES);
    charset_open(&charset, sniff(source, body, &head),
                 decodes_to_utf8(source, body) ? CHARSET_GUESS_UTF8 : CHARSET_GUESS_LEGACY);
    html_open(&html);
    cte_open(&cte, source->encoding, body);
    do {
        buf_reset(&step);
        buf_reset(&utf8);
        more = cte_next(&cte, &step);
        charset_feed(&charset, buf_slice(&step), !more, source->html ? &utf8 : out);
        if (source->html)
            html_feed(&html, buf_slice(&utf8), out);
    } while (more && !out->overflow);
    if (source->html)
        html_close(&html, out);
    charset_close(&charset);
}

static void decompose(const UNormalizer2 *nfkd, uint32_t ch, struct buf *out)
{
    UErrorCode status = U_ZERO_ERROR;
    UChar units[DECOMPOSED_MAX_UNITS];
    UChar32 title = u_totitle((UChar32) ch);
    int32_t n = unorm2_getDecomposition(nfkd, title, units, DECOMPOSED_MAX_UNITS, &status);

    if (n < 0 || U_FAILURE(status)) {
        utf8_append(out, (uint32_t) title);
        return;
    }
    charset_append_utf16(units, (size_t) n, out);
}

/* A text has few different characters: what ICU said of one is kept while the text is read. */
struct casemapped {
    uint32_t ch; /* 0: nothing is kept here */
    uint8_t len;
    char utf8[11];
};

static void casemap_char(const UNormalizer2 *nfkd, uint32_t ch, struct casemapped *kept,
                         struct buf *out)
{
    size_t start = out->len;

    if (kept->ch == ch) {
        buf_append(out, slice_of(kept->utf8, kept->len));
        return;
    }
    decompose(nfkd, ch, out);
    if (out->overflow || out->len - start > sizeof(kept->utf8))
        return;
    kept->ch = ch;
    kept->len = (uint8_t) (out->len - start);
    memcpy(kept->utf8, out->ptr + start, kept->len);
}

/* The capitals of eight ASCII bytes at once: bit 7 of a sum says whether the byte is at least
 * the letter; where it is 'a' or above and not above 'z', bit 5 goes. */
static uint64_t upper_word(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t from_a = word + ones * (0x80 - 'a');
    uint64_t above_z = word + ones * (0x7f - 'z');

    return word ^ ((from_a & ~above_z & ones * 0x80) >> 2);
}

void mime_casemap_ascii(struct slice ascii, struct buf *out)
{
    char *room = ascii.len > 0 ? buf_reserve(out, ascii.len) : NULL;
    size_t i = 0;

    if (room == NULL)
        return;
    for (; ascii.len - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
        uint64_t word;

        memcpy(&word, ascii.ptr + i, sizeof(word));
        word = upper_word(word);
        memcpy(room + i, &word, sizeof(word));
    }
    for (; i < ascii.len; i++)
        room[i] = ascii_upper(ascii.ptr[i]);
    out->len += ascii.len;
}

void mime_casemap(struct slice utf8, struct buf *out)
{
    UErrorCode status = U_ZERO_ERROR;
    const UNormalizer2 *nfkd;
    uint32_t n_kept = utf8.len < CASEMAP_SHORT_BYTES ? CASEMAP_KEPT_SHORT : CASEMAP_KEPT;
    struct casemapped kept[CASEMAP_KEPT];
    struct scan sc = scan_of(utf8);
    struct slice byte;
    uint32_t ch;

    mime_casemap_ascii(utf8_take_ascii(&sc), out);
    if (scan_done(&sc)) /* as most fields are */
        return;
    nfkd = unorm2_getNFKDInstance(&status);
    if (U_FAILURE(status))
        die("casemap: ICU has no NFKD data: %s", u_errorName(status));
    memset(kept, 0, n_kept * sizeof(kept[0]));
    while (!scan_done(&sc)) {
        if (utf8_scan(&sc, &ch))
            casemap_char(nfkd, ch, &kept[ch % n_kept], out);
        else if (scan_take(&sc, 1, &byte))
            buf_append(out, byte);
        mime_casemap_ascii(utf8_take_ascii(&sc), out);
    }
}

uint32_t mime_casemap_version(void)
{
    UVersionInfo unicode;

    u_getUnicodeVersion(unicode);
    return MIME_CASEMAP_REVISION << 24 | (uint32_t) unicode[0] << 16 |
           (uint32_t) unicode[1] << 8 | unicode[2];
}
