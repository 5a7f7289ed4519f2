#include "web/markup.h"

#include "base/utf8.h"

#define REPLACEMENT 0xFFFDu

/* What XML 1.0 2.2 leaves out stands beside what moves cursors and turns directions. */
static bool is_shown(uint32_t ch)
{
    return !utf8_is_control(ch) && ch != 0xFFFE && ch != 0xFFFF;
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
        utf8_append(out, is_shown(ch) ? ch : REPLACEMENT);
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
