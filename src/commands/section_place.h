/*
 * section_place.h - where the bytes of a section are: in the message, or put together from its
 * header.
 *
 * Spec: RFC 9051 6.4.5.1. FETCH and what reads by URL (CATENATE, URLFETCH) share it.
 */
#ifndef ROOST_COMMANDS_SECTION_PLACE_H
#define ROOST_COMMANDS_SECTION_PLACE_H

#include "imap/args.h"
#include "mailbox/message.h"

struct section_place {
    bool from_memory; /* in the buffer that was given, from its start */
    uint64_t offset;  /* else in the message */
    uint64_t len;
};

/* The form of ENVELOPE and BODYSTRUCTURE that a session of this mode is shown. */
enum digest_form section_form(struct imap_mode mode);

/* Does the section need the digest to be found? All of a message is its bytes as they lie. */
bool section_needs_digest(const struct imap_section *section);

/* Does it choose among the fields of a header? */
bool section_chooses_fields(const struct imap_section *section);

/*
 * digest may be NULL where it is not needed; names are those of the section's fields, if it
 * chooses among fields. memory is reset and used for header fields; it
 * must have room for DIGEST_MESSAGE_MAX_BYTES. RC_NOT_FOUND: the message has no such section;
 * else as message_read.
 */
MUST_CHECK enum rc section_locate(struct message *message, const struct digest *digest,
                                  const struct imap_section *section,
                                  const struct digest_names *names, struct buf *memory,
                                  struct section_place *out, struct err *err);

#endif
