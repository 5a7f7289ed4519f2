/*
 * comparator.h - the ways to compare texts that a client may choose among, by name.
 *
 * Spec: RFC 4790 (identifiers 3, operations 4.2; i;ascii-casemap 9.2, i;octet 9.3), RFC 5051
 * (i;unicode-casemap), RFC 5255 4. All of them have equality, substring and ordering.
 *
 * Registered are three that need no language. The others are ICU's collations, under names of
 * the form that RFC 4790 3.5 keeps for vendors, *;vnd-hostname;*:
 *
 *     de;vnd-roost;strength=1;icu=72.1
 *
 * first a language tag ("und": of no language), at the end the version of the tables, so that
 * one name always compares alike. strength: what tells texts apart (UTS #10 1.1): 1 letters
 * alone, 2 accents as well, 3 case as well.
 *
 * A comparator is a number below comparator_count(), from the most useful to the least.
 */
#ifndef ROOST_MIME_COMPARATOR_H
#define ROOST_MIME_COMPARATOR_H

#include "base/buf.h"

#define COMPARATOR_DEFAULT      0u   /* i;unicode-casemap */
#define COMPARATOR_ID_MAX_BYTES 254u /* RFC 4790 3.1 */

enum comparator_kind {
    COMPARATOR_UNICODE_CASEMAP,
    COMPARATOR_ASCII_CASEMAP,
    COMPARATOR_OCTET,
    COMPARATOR_LANGUAGE, /* collator.h */
};

unsigned comparator_count(void);
enum comparator_kind comparator_kind(unsigned number);
/* Of a COMPARATOR_LANGUAGE: ICU's locale, and 1 to 3. */
const char *comparator_locale(unsigned number);
unsigned comparator_strength(unsigned number);

void comparator_print(unsigned number, struct buf *out);
/* collation-wild (RFC 4790 3.2) without its sign: "*" is any run of characters; case is
 * ignored. */
bool comparator_matches(unsigned number, struct slice wild);

#endif
