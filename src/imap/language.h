/*
 * language.h - what is said to people, in the language they asked for.
 *
 * Spec: RFC 5255 3 (LANGUAGE), RFC 4647 3.4 (lookup), RFC 2277 4.5 (i-default). English is what
 * the code says, and the key: a text is looked up when it is written (imap_print_text in
 * print.h), nowhere else. A text without a row stays English, which i-default allows anybody.
 */
#ifndef ROOST_IMAP_LANGUAGE_H
#define ROOST_IMAP_LANGUAGE_H

#include "base/buf.h"
#include "imap/mode.h"

/* Languages that texts are translated to: all but i-default and English. */
#define LANGUAGE_TRANSLATIONS (IMAP_LANGUAGE_COUNT - IMAP_LANGUAGE_DE)

struct language_row {
    const char *english; /* may hold one "%s" */
    const char *texts[LANGUAGE_TRANSLATIONS];
};
extern const struct language_row language_rows[];
extern const size_t language_rows_count;

/* The tag as a LANGUAGE answer has it: "i-default", "DE". */
const char *imap_language_tag(enum imap_language language);
/* From its tag, case ignored, as a handover carries it; i-default for any other. */
enum imap_language imap_language_of(struct slice tag);
/* Is it a language-range (RFC 4647 2.1)? */
bool imap_is_language_range(struct slice range);
/* The first of the ranges for which there is a language, which is the range itself or what is
 * left of it when subtags are taken off its end. "default" is i-default. False: none. */
bool imap_language_lookup(const struct slice *ranges, size_t n, enum imap_language *out);
/* "* LANGUAGE (DE)" CRLF, or all of them. */
void imap_print_language(struct buf *buf, enum imap_language language);
void imap_print_languages(struct buf *buf);
/* Append the text in that language; as it is if there is no row for it. */
void imap_translate(struct buf *buf, struct slice english, enum imap_language language);

#endif
