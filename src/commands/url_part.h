/*
 * url_part.h - what an IMAP URL names, opened for reading.
 *
 * Spec: RFC 5092 section 6: the bytes are those of "UID FETCH uid BODY.PEEK[section]<partial>",
 * as they are stored. No flag changes.
 */
#ifndef ROOST_COMMANDS_URL_PART_H
#define ROOST_COMMANDS_URL_PART_H

#include "commands/places.h"
#include "commands/section_place.h"
#include "imap/url.h"

struct url_part {
    struct message *message;     /* pins the body */
    const struct digest *digest; /* NULL: was not needed */
    struct section_place place;  /* partial is taken into account */
    bool is_decoded;
    struct buf memory;
};

#define URL_READ_BYTES ((size_t) 64 << 10) /* of a body at once */

/*
 * With the rights of the session, which enters the mailbox's account: nothing else may be found
 * (places.h) before the part is done. Closed with url_part_done, also after a failure.
 * RC_NOT_FOUND: the URL is stale, or names no message, or a part the message has not;
 * RC_DENIED.
 */
MUST_CHECK enum rc url_part_open(struct session *session, const struct imap_url *url,
                                 bool with_digest, struct url_part *out, struct err *err);
/* In place of the part's bytes what its transfer encoding stands for, in memory. RC_INVALID:
 * it cannot be decoded. */
MUST_CHECK enum rc url_part_decode(struct url_part *part, const struct imap_url *url,
                                   const struct digest_part *info, struct err *err);
/* It is read on later: memory that can be had again is given back. */
void url_part_rest(struct url_part *part);
void url_part_done(struct url_part *part); /* also for AUTO; all zero is allowed */
/* The next at most len bytes, appended to out; the part gets shorter by them. */
MUST_CHECK enum rc url_part_read(struct url_part *part, size_t len, struct buf *out,
                                 struct err *err);

#endif
