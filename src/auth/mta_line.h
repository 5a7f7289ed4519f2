/*
 * mta_line.h - what a mail server says on the SASL socket: Dovecot's authentication protocol,
 * the client's side of version 1, a line at a time; and how names go into our answers.
 *
 * Spec: docs/formats/auth-socket.md, which is Dovecot's "Authentication Protocol" as far as
 * Postfix (smtpd_sasl_type = dovecot) and Exim (driver = dovecot) speak it.
 *
 *     VERSION <TAB> major <TAB> minor
 *     CPID <TAB> pid
 *     AUTH <TAB> id <TAB> mechanism { <TAB> name [ = value ] } [ <TAB> resp= base64 ]
 *     CONT <TAB> id <TAB> base64
 *     CANCEL <TAB> id
 *
 * Parameters that are not known are passed over, as the protocol demands; so are commands. What
 * is known and does not hold what it should is refused, never guessed: an address that cannot
 * be read would otherwise be taken for a client of this host.
 *
 * Memory: slices point into the line.
 */
#ifndef ROOST_AUTH_MTA_LINE_H
#define ROOST_AUTH_MTA_LINE_H

#include "base/ipaddr.h"

#define MTA_LINE_MAX_BYTES                                                                     \
    ((size_t) 16384)       /* with its LF: what Dovecot's own clients keep to */
#define MTA_PARAMS_MAX 64u /* of one AUTH; Dovecot's send some 20 */
#define MTA_MAJOR      1u
#define MTA_MINOR      2u

enum mta_verb {
    MTA_VERSION,
    MTA_CPID,
    MTA_AUTH,
    MTA_CONT,
    MTA_CANCEL,
    MTA_OTHER, /* not known, to be passed over */
};

struct mta_line {
    enum mta_verb verb;
    uint32_t number; /* AUTH, CONT, CANCEL: the request's id; VERSION: the major number */
    struct slice mechanism;      /* AUTH: 1 to 20 bytes */
    struct slice service;        /* AUTH; empty if not said */
    struct ipaddr remote, local; /* AUTH: rip and rport, lip and lport */
    bool secured;                /* AUTH: the client talks TLS with the mail server */
    uint16_t tls_version;        /* AUTH: 0x0303, 0x0304; 0: not said */
    bool has_response;           /* AUTH: there was a resp */
    struct slice response;       /* AUTH and CONT: base64, not looked at */
};

/* One line without its LF. RC_SYNTAX: a command that is known, and not in its form. */
MUST_CHECK enum rc mta_parse_line(struct slice line, struct mta_line *out, struct err *err);

/* A value with the bytes that the protocol needs for itself escaped. */
void mta_print_value(struct buf *out, struct slice value);

#endif
