/*
 * parse.h - LMTP from bytes: commands, and the message behind DATA. Pure.
 *
 * Spec: RFC 2033 (LMTP), RFC 5321 4.1 and 4.5.2 (commands, transparency), RFC 6531 (SMTPUTF8),
 * RFC 1870 (SIZE), RFC 6152 (8BITMIME).
 *
 * A message ends with CRLF.CRLF and with nothing else: a dot between bare LFs is content (so no
 * second message can be smuggled into one). Command lines end with CRLF; a bare LF ends one
 * too, for hand-written tests of administrators, but never ends a message.
 */
#ifndef ROOST_LMTP_PARSE_H
#define ROOST_LMTP_PARSE_H

#include "base/buf.h"
#include "base/scan.h"

#define LMTP_LINE_BYTES                                                                        \
    2048u /* RFC 5321 4.5.3.1.4 asks for 512; SMTPUTF8 and parameters need more */
#define LMTP_HOST_BYTES 255u  /* RFC 5321 4.5.3.1.2 */
#define LMTP_PATH_BYTES 1024u /* an address with its source route */

enum lmtp_verb {
    LMTP_LHLO,
    LMTP_MAIL,
    LMTP_RCPT,
    LMTP_DATA,
    LMTP_RSET,
    LMTP_NOOP,
    LMTP_QUIT,
    LMTP_VRFY,
    LMTP_HELO, /* HELO and EHLO: not LMTP, RFC 2033 4.1 */
    LMTP_UNKNOWN,
};

struct lmtp_command {
    enum lmtp_verb verb;
    struct slice
        argument;  /* LHLO's domain; MAIL's and RCPT's address, without < > and source route */
    uint64_t size; /* MAIL SIZE=; 0: not given */
    bool smtputf8, eight_bit;
};

/* One line, without its end. RC_SYNTAX: a known verb with a bad argument (501); RC_INVALID: an
 * unknown parameter (555). out->verb is set in each case. */
MUST_CHECK enum rc lmtp_parse_command(struct slice line, struct lmtp_command *out,
                                      struct err *err);

/* Where the dot machine stands; zeroed memory is the start of a message. */
enum lmtp_dot_state {
    DOT_LINE_START, /* behind CRLF, or nothing yet */
    DOT_TEXT,
    DOT_CR,     /* behind CR */
    DOT_DOT,    /* behind CRLF "." */
    DOT_DOT_CR, /* behind CRLF "." CR */
    DOT_END,
};

struct lmtp_dot {
    enum lmtp_dot_state state;
};

/*
 * Take from *bytes up to the end of the message; append content, with transparency undone, to
 * out. True when the message has ended; what follows stays in *bytes. out has room for
 * bytes->len + 2.
 */
bool lmtp_dot_feed(struct lmtp_dot *dot, struct slice *bytes, struct buf *out);

#endif
