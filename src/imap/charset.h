/*
 * charset.h - the charsets of SEARCH: RFC 9051 6.4.4 demands US-ASCII and UTF-8; the others are
 * those that mail programs name. Converters come from ICU's own data.
 */
#ifndef ROOST_IMAP_CHARSET_H
#define ROOST_IMAP_CHARSET_H

#include "base/arena.h"
#include "base/err.h"

/* A row of the table, or NULL: BADCHARSET. */
struct imap_charset;
const struct imap_charset *imap_charset_find(struct slice name);
const struct imap_charset *imap_charset_utf8(void);
/* text as UTF-8. RC_SYNTAX if its bytes are not in the charset. */
MUST_CHECK enum rc imap_charset_convert(const struct imap_charset *charset, struct slice text,
                                        struct arena *arena, struct slice *out,
                                        struct err *err);
/* The i-th name for BADCHARSET; NULL behind the last. */
const char *imap_charset_name(size_t i);

#endif
