/*
 * annotation.h - names of message annotations.
 *
 * Spec: RFC 5257 3.2. Names are compared byte by byte (3.2: case-sensitive). What may be stored
 * are the entries that 6.2 registers and those below a vendor's name; what may be asked for is
 * any name.
 */
#ifndef ROOST_IMAP_ANNOTATION_H
#define ROOST_IMAP_ANNOTATION_H

#include "imap/args.h"

/* RFC 5257 3.2: printable ASCII, "/" before each component, none empty, no wildcard; the first
 * is a part specifier if it begins with a digit. */
bool imap_annotation_is_name(struct slice entry);
/* The same of names with % and *. */
bool imap_annotation_is_pattern(struct slice entry);
/* A name under which values may be stored (RFC 5257 3.2.1); flags of parts take "0" and "1"
 * only. */
bool imap_annotation_is_registered(struct slice entry);
bool imap_annotation_takes(struct slice entry, struct slice value);
/* The part that an entry is about: its numbers into out, and how many; 0: the message. */
size_t imap_annotation_part(struct slice entry, uint32_t out[SECTION_MAX_PARTS]);

#endif
