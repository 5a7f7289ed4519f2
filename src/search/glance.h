/*
 * glance.h - could a mailbox hold a hit at all? Said by what is known of it without its
 * messages, so that a search in many mailboxes loads those alone that may.
 *
 * Spec: RFC 9051 6.4.4. "No" is certain for that version of the mailbox; "yes" says nothing.
 */
#ifndef ROOST_SEARCH_GLANCE_H
#define ROOST_SEARCH_GLANCE_H

#include "imap/search_key.h"
#include "mailbox/access.h"

bool search_may_hit(const struct imap_search_key *key, const struct mbox *mbox,
                    const struct reader *reader);

#endif
