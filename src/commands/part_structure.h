/*
 * part_structure.h - the structure of one part, cut out of a message's BODYSTRUCTURE.
 *
 * Spec: RFC 5524 3.2 (BODYPARTSTRUCTURE), RFC 9051 7.5.2 (body) and 6.4.5.1 (part numbers).
 */
#ifndef ROOST_COMMANDS_PART_STRUCTURE_H
#define ROOST_COMMANDS_PART_STRUCTURE_H

#include "base/buf.h"

/* whole: a BODYSTRUCTURE as the digest has it. RC_NOT_FOUND: it has no part of that number, as
 * where message/global is shown as a leaf. */
MUST_CHECK enum rc part_structure_find(struct slice whole, const uint32_t *parts, size_t n,
                                       struct slice *out, struct err *err);
/* A leaf, as it is without its transfer encoding: BINARY, of so many octets and, if it is text,
 * lines. */
void part_structure_print_decoded(struct slice part, uint64_t octets, uint64_t lines,
                                  struct buf *out);

#endif
