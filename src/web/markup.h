/*
 * markup.h - text into HTML and XML: the one place where what somebody typed is escaped.
 *
 * Markup itself is only ever a literal: MARKUP() takes nothing else. Everything besides goes
 * through markup_text(), which serves element content and attribute values in double quotes, of
 * HTML and of XML 1.0 alike: & < > " ' become numeric references. What cannot stand in XML
 * (control characters), bytes that are no UTF-8, and characters that turn the direction of
 * writing (Unicode UAX 9: with them a name could be made to read as another) become U+FFFD.
 */
#ifndef ROOST_WEB_MARKUP_H
#define ROOST_WEB_MARKUP_H

#include "base/buf.h"

#define MARKUP(out, literal) buf_append((out), SLICE(literal))

void markup_text(struct buf *out, struct slice text);

#endif
