/*
 * utf8.h - UTF-8 as RFC 3629 has it: no surrogates, nothing over U+10FFFF, shortest forms only.
 */
#ifndef ROOST_BASE_UTF8_H
#define ROOST_BASE_UTF8_H

#include "base/buf.h"
#include "base/scan.h"

bool utf8_is_valid(struct slice s);
/* No byte above 0x7f. */
bool utf8_is_ascii(struct slice s);
/* Length of the longest prefix of s that is valid. */
size_t utf8_valid_len(struct slice s);
/* Take the run of ASCII bytes that stands next; may be empty. */
struct slice utf8_take_ascii(struct scan *sc);
/* Take one character; false at the end and on a byte that starts none. */
bool utf8_scan(struct scan *sc, uint32_t *out_char);
/* Append one character. ch is a Unicode scalar value. */
void utf8_append(struct buf *buf, uint32_t ch);
/* s with each byte that belongs to no character replaced by U+FFFD. */
void utf8_append_repaired(struct buf *buf, struct slice s);
/* Where text is shown to people, does it move a cursor, end a line, or turn the order of others
 * round? C0, DEL and C1, the separators of lines and paragraphs, and what UAX #9 calls
 * Bidi_Control. */
bool utf8_is_control(uint32_t ch);
/* Longest prefix of s of at most max bytes that ends between two characters. */
struct slice utf8_cut(struct slice s, size_t max);

#endif
