/*
 * status_values.h - what STATUS, and LIST with RETURN (STATUS), say of a mailbox.
 *
 * Spec: RFC 9051 6.3.11, RFC 3501 6.3.10 (RECENT), RFC 7162 3.1.7, RFC 7889 4, RFC
 * 8474 4.3.
 */
#ifndef ROOST_COMMANDS_STATUS_VALUES_H
#define ROOST_COMMANDS_STATUS_VALUES_H

#include "commands/places.h"
#include "imap/print.h"

/* items: bits of enum imap_status_item. The mailbox's messages are loaded where RECENT, or
 * flags that are the reader's own, ask for it. */
MUST_CHECK enum rc status_values(const struct session *session, struct found_mailbox *found,
                                 uint32_t items, struct arena *arena,
                                 struct imap_status_values *out, struct err *err);

#endif
