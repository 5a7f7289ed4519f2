/*
 * acl_text.h - identifiers of access control lists as people write them.
 *
 *     anyone        everybody who has logged in, and with "p" whoever sends mail (RFC 4314 2)
 *     NAME          a user or a shared account
 *     group:NAME    the members of a group
 *     -...          before any of them: rights are taken away
 *
 * A list itself holds ids (rights.h), so that a name which is given to somebody else gives
 * nobody access. Whoever has no name any more is shown, and may be written, as the id.
 */
#ifndef ROOST_MAILBOX_ACL_TEXT_H
#define ROOST_MAILBOX_ACL_TEXT_H

#include "base/buf.h"
#include "mailbox/principals.h"
#include "mailbox/rights.h"

/* RC_NOT_FOUND: there is nobody of that name. */
MUST_CHECK enum rc acl_text_read(const struct principals *principals, struct slice text,
                                 struct acl_entry_name *out, struct err *err);
void acl_text_print(const struct principals *principals, const struct acl_entry_name *name,
                    struct buf *out);

#endif
