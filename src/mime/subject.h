/*
 * subject.h - the base subject, by which messages are sorted and threaded.
 *
 * Spec: RFC 5256 2.1 (steps 1 to 7) and section 5 (subj-* rules).
 */
#ifndef ROOST_MIME_SUBJECT_H
#define ROOST_MIME_SUBJECT_H

#include "base/buf.h"
#include "base/slice.h"

/* Append the base subject of a raw Subject field, as UTF-8. True if a reply or forward mark was
 * removed (RFC 5256, REFERENCES step 5). Linear. */
bool subject_base(struct slice raw, struct buf *out);

#endif
