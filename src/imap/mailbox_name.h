/*
 * mailbox_name.h - mailbox names between the wire and what is stored: UTF-8 in NFC, components
 * joined by "/".
 *
 * Spec: RFC 9051 5.1 (Net-Unicode, RFC 5198), RFC 3501 5.1.3 (modified UTF-7), RFC 5258 and
 * 9051 6.3.9.7 (OLDNAME). A session speaks UTF-8 or modified UTF-7 by its mode.
 *
 * Rules: INBOX is caseless, also as the first component, and resolves to "INBOX". Refused:
 * invalid UTF-8, control characters (C0, DEL, C1, U+2028, U+2029) and U+FEFF, empty components,
 * more than MAILBOX_NAME_MAX_BYTES, and every modified UTF-7 spelling but the canonical one: a
 * name then has one spelling, and RFC 3501's demand that the base64 part keeps its exact form
 * holds of itself. "." and ".." are names like others: names are no paths.
 */
#ifndef ROOST_IMAP_MAILBOX_NAME_H
#define ROOST_IMAP_MAILBOX_NAME_H

#include "base/arena.h"
#include "base/buf.h"
#include "imap/mode.h"

#define MAILBOX_NAME_MAX_BYTES 1000u /* of the resolved name; 250 letters of any script */
#define MAILBOX_SEPARATOR      '/'

struct imap_mailbox {
    struct slice wire;  /* as the client wrote it, quoting and literal taken off */
    struct slice given; /* the same in UTF-8: what OLDNAME names */
    struct slice name;  /* resolved */
    bool inbox;         /* name is "INBOX" */
    bool normalized;    /* name differs from given, by NFC or INBOX's case: RFC 9051 6.3.9.7 */
};

/*
 * RC_INVALID: in the grammar, but no name we can have (answer NO [CANNOT]). A separator at the
 * end is refused unless it is allowed (CREATE, RFC 9051 6.3.4), and then taken off.
 */
MUST_CHECK enum rc imap_resolve_mailbox(struct slice wire, struct imap_mode mode,
                                        bool trailing_separator, struct arena *arena,
                                        struct imap_mailbox *out, struct err *err);
/* A LIST reference or pattern: the same without rules for components; empty is allowed. */
MUST_CHECK enum rc imap_resolve_pattern(struct slice wire, struct imap_mode mode,
                                        struct arena *arena, struct slice *out,
                                        struct err *err);

/* name (UTF-8) as the session's spelling, as astring. */
void imap_print_mailbox(struct buf *buf, struct slice name, struct imap_mode mode);

/* The codec. Decoding refuses what RFC 3501 5.1.3 calls not permitted: RC_SYNTAX, out as it
 * was. */
void imap_utf7_encode(struct buf *out, struct slice utf8);
MUST_CHECK enum rc imap_utf7_decode(struct slice text, struct buf *out);

#endif
