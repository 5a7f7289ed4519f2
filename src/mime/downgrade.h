/*
 * downgrade.h - the substitute of a message with UTF-8 in its header, for sessions that have
 * not enabled UTF8=ACCEPT.
 *
 * Spec: RFC 6858 section 2; RFC 9755 (such a session is served RFC 5322 only).
 *
 * A header block is changed if it holds 8-bit bytes and all of it is valid UTF-8: the message's
 * own, those of its parts, and those of messages inside it. Other 8-bit headers are old mail
 * that says no charset, and stay as they are. In such a block
 *  - an address that is not 7-bit leads nowhere and is named in its display name (2.1);
 *  - a MIME parameter that is not 7-bit goes (2.2);
 *  - Subject and display names become encoded-words (2.1, 2.3);
 *  - any other field that is not 7-bit goes (2.4), a line that is no field loses its
 * characters. Bodies are never touched, and parts keep their numbers: a Content-Type or
 * Content-Transfer-Encoding whose value is not 7-bit is written as what it was taken for. Only
 * a boundary that is not 7-bit takes its multipart's parts with it.
 *
 * What comes out is 7-bit in each block that was changed, follows from the message alone, and
 * is its own substitute. Linear in the header's length. A message of which some header passed
 * its limit has no substitute.
 */
#ifndef ROOST_MIME_DOWNGRADE_H
#define ROOST_MIME_DOWNGRADE_H

#include "mime/part.h"

/*
 * What differs, as one edit at most for each part of the message:
 *   edits     for each a varint: octets kept since the edit before, octets left out, octets put
 *             in their place
 *   inserted  these, one edit's behind the other's
 */
struct downgrade {
    struct buf edits, inserted;
    uint32_t n;
};

void downgrade_init(struct downgrade *downgrade);
void downgrade_done(struct downgrade *downgrade);
/* False: the message is shown as it is. */
bool downgrade_make(const struct mime_tree *tree, struct downgrade *out);

#endif
