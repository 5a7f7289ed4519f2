/*
 * url.h - IMAP URLs that name a message, or a part of one.
 *
 * Spec: RFC 5092 section 6, 7.1 and 11; RFC 4467 section 3 and 9 (EXPIRE, URLAUTH); RFC 3986
 * 3.3 (dot segments); RFC 3339 5.6 (the date of EXPIRE).
 *
 *     imap://joe@example.com/INBOX;UIDVALIDITY=7/;UID=20/;SECTION=1.2/;PARTIAL=0.100
 *         ;EXPIRE=2030-01-01T00:00:00Z;URLAUTH=submit+fred:internal:0123456789abcdef...
 *     /Drafts/;UID=20
 *
 * The first form is absolute, the second an absolute path on this server. Relative paths are
 * refused, as RFC 5092 7.2 has it, and so are dot segments that are not percent-encoded, and
 * URLs of a server, a mailbox or a search. Whatever else may stand in an URL, what comes out is
 * decoded: names in UTF-8 and NFC, numbers as numbers, the section as FETCH has it.
 * Memory: decoded text lives in the arena; host, mechanism, token and rump borrow the text.
 */
#ifndef ROOST_IMAP_URL_H
#define ROOST_IMAP_URL_H

#include "imap/args.h"

#define URL_TOKEN_MIN_DIGITS 32u /* hexadecimal: 128 bits (RFC 4467 2.5) */

enum imap_url_access {
    IMAP_URL_NO_ACCESS, /* no URLAUTH */
    IMAP_URL_SUBMIT,    /* "submit+" access_user */
    IMAP_URL_USER,      /* "user+" access_user */
    IMAP_URL_AUTHUSER,
    IMAP_URL_ANONYMOUS,
};

struct imap_url {
    bool absolute;     /* scheme and server are there */
    struct slice user; /* empty: none */
    struct slice host; /* with its port, as written */
    struct imap_mailbox mailbox;
    bool has_uidvalidity;
    uint32_t uidvalidity;
    uint32_t uid;
    struct imap_section section; /* IMAP_SECTION_ALL without parts: the message */
    bool partial;
    uint64_t offset, len; /* partial: UINT64_MAX is up to the end */
    bool has_expire;
    int64_t expire_sec; /* unix seconds */
    enum imap_url_access access;
    struct slice access_user;
    struct slice rump;      /* all before ":mechanism:token" (RFC 4467 section 6) */
    struct slice mechanism; /* empty: the URL is a rump itself */
    struct slice token;     /* hexadecimal digits, an even number */
};

/* RC_SYNTAX: it is not an URL of these; RC_INVALID: its mailbox has a name we cannot have. */
MUST_CHECK enum rc imap_parse_url(struct slice text, struct arena *arena, struct imap_url *out,
                                  struct err *err);

/* "imap://user;AUTH=*@server/": where a user logs in (RFC 5092 4; RFC 2221 3 for the "AUTH=*").
 * server is a host with its port, as it stands in an URL. */
void imap_print_server_url(struct buf *buf, struct slice user, struct slice server);
/* The same with a mailbox behind it; name in UTF-8. */
void imap_print_mailbox_url(struct buf *buf, struct slice user, struct slice server,
                            struct slice name);

/* For a response code: bytes that may not stand there are percent-encoded, and what is longer
 * than URL_SHOWN_BYTES is cut. */
#define URL_SHOWN_BYTES 1024u
void imap_print_code_badurl(struct buf *buf, struct slice url);

#endif
