#include "web/markup.h"

#include "base/utf8.h"

#define REPLACEMENT 0xFFFDu

static bool turns_direction(uint32_t ch)
{
    return ch == 0x061C || ch == 0x200E || ch == 0x200F || (ch >= 0x202A && ch <= 0x202E) ||
           (ch >= 0x2066 && ch <= 0x2069);
}

/* C0, DEL, C1, line and paragraph separators, and the two that XML 1.0 2.2 leaves out. */
static bool is_control(uint32_t ch)
{
    return ch < 0x20 || (ch >= 0x7F && ch <= 0x9F) || ch == 0x2028 || ch == 0x2029 ||
           ch == 0xFFFE || ch == 0xFFFF;
}

static void put(struct buf *out, uint32_t ch)
{
    switch (ch) {
    case '&':
        MARKUP(out, "&#38;");
        break;
    case '<':
        MARKUP(out, "&#60;");
        break;
    case '>':
        MARKUP(out, "&#62;");
        break;
    case '"':
        MARKUP(out, "&#34;");
        break;
    case '\'':
        MARKUP(out, "&#39;");
        break;
    default: /* every other character */
        utf8_append(out, is_control(ch) || turns_direction(ch) ? REPLACEMENT : ch);
        break;
    }
}

void markup_text(struct buf *out, struct slice text)
{
    struct scan sc = scan_of(text);
    struct slice byte;
    uint32_t ch;

    while (!scan_done(&sc)) {
        if (utf8_scan(&sc, &ch))
            put(out, ch);
        else if (scan_take(&sc, 1, &byte))
            utf8_append(out, REPLACEMENT);
    }
}
