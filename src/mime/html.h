/*
 * html.h - the text of HTML, for search and preview.
 *
 * Tags, comments, scripts and styles go, character references are resolved, a run of white
 * space is one space, or one line end if a block element begins or ends in it. docs/search.md
 * has it exactly. Not a parser of HTML: one pass with a fixed state, for whatever is there.
 */
#ifndef ROOST_MIME_HTML_H
#define ROOST_MIME_HTML_H

#include "base/buf.h"
#include "base/slice.h"

#define HTML_NAME_MAX_BYTES                                                                    \
    32u /* of tag names and character references; longer ones are not ours */

enum html_state {
    HTML_TEXT,
    HTML_REFERENCE, /* behind "&" */
    HTML_TAG_START, /* behind "<" */
    HTML_TAG_NAME,
    HTML_TAG,   /* between attributes */
    HTML_VALUE, /* behind "=" */
    HTML_DOUBLE_QUOTED,
    HTML_SINGLE_QUOTED,
    HTML_DECLARATION, /* behind "<!" or "<?" */
    HTML_COMMENT,
};

struct html_reader {
    enum html_state state;
    char name[HTML_NAME_MAX_BYTES]; /* of the tag or reference, lower case; references as is */
    size_t n_name;
    char hidden[8]; /* "script", "style", ...: text is dropped until its end tag */
    size_t n_dashes;
    bool end_tag;
    bool begun; /* some text came out */
    char gap;   /* ' ' or '\n' waits for more text; '\0': nothing does */
};

void html_open(struct html_reader *reader);
/* UTF-8 in, in pieces of any cut; text out. */
void html_feed(struct html_reader *reader, struct slice utf8, struct buf *out);
/* The end of the text: what was begun and is no reference comes out as it stood. */
void html_close(struct html_reader *reader, struct buf *out);

/* The charset that a meta element near the start names, or "". */
struct slice html_sniff_charset(struct slice head);

#endif
