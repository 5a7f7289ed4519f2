/*
 * mode.h - what a session's ENABLEs change in the grammar: IMAP4rev2 (RFC 9051), UTF8=ACCEPT
 * (RFC 9755, 6855) and UIDONLY (RFC 9586). Everything that parses or prints takes it by value.
 */
#ifndef ROOST_IMAP_MODE_H
#define ROOST_IMAP_MODE_H

#include <stdbool.h>

/* Of the texts for people (RFC 5255; language.h). */
enum imap_language {
    IMAP_LANGUAGE_DEFAULT, /* i-default: English, as nobody asked for anything */
    IMAP_LANGUAGE_EN,
    IMAP_LANGUAGE_DE, /* translated from here on */
    IMAP_LANGUAGE_FR,
    IMAP_LANGUAGE_ES,
    IMAP_LANGUAGE_JA,
    IMAP_LANGUAGE_COUNT,
};

struct imap_mode {
    bool rev2;                   /* ENABLE IMAP4rev2 was said */
    bool utf8_accept;            /* ENABLE UTF8=ACCEPT was said */
    bool uidonly;                /* ENABLE UIDONLY was said: no message has a number */
    enum imap_language language; /* LANGUAGE was said; its texts are UTF-8 */
};

/*
 * Quoted strings may hold UTF-8 and mailbox names are UTF-8 (RFC 9051 5.1, RFC 9755 3). Without
 * it quoted strings are 7-bit and names are modified UTF-7 (RFC 3501 5.1.3).
 */
static inline bool imap_mode_utf8(struct imap_mode mode)
{
    return mode.rev2 || mode.utf8_accept;
}

#endif
