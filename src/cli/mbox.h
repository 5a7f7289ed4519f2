/*
 * mbox.h - messages of an mbox file, in any of its dialects.
 *
 * Format: RFC 4155 and what programs write. A message begins with a line "From " that holds a
 * date, at the start of the file or behind an empty line. That empty line belongs to the
 * format, not to the message. Dialects differ in what a body line "From " becomes:
 *
 *     mboxrd   ">From ", and each line of ">"s and "From " gets one more ">"
 *     mboxo    ">From ", and nothing tells it from a line that was so before
 *     mboxcl   as mboxo, and Content-Length says where the body ends
 *     mboxcl2  nothing: only Content-Length is believed
 *
 * MBOX_AUTO believes a Content-Length that ends at the end of the file or before a "From "
 * line; such a body is mboxcl2 if it holds a line "From ", else mboxcl. The others are read as
 * mboxrd.
 *
 * Header fields that mail programs keep in such files (Status, X-Status, X-Keywords, X-UID,
 * X-IMAP, X-IMAPbase) become flags and keywords and are taken out; X-Mozilla-Status counts too
 * but stays.
 */
#ifndef ROOST_CLI_MBOX_H
#define ROOST_CLI_MBOX_H

#include "account/types.h"
#include "base/buf.h"
#include "cli/feed.h"

#define MBOX_MESSAGE_MAX_BYTES                                                                 \
    ((size_t) 256 << 20) /* a longer one is named and passed over                              \
                          */
#define MBOX_KEYWORDS_MAX 64u

enum mbox_style { MBOX_AUTO, MBOX_RD, MBOX_O, MBOX_CL, MBOX_CL2 };

/* "auto", "rd", "o", "cl", "cl2". */
bool mbox_style_from_name(const char *name, enum mbox_style *out);

struct mbox_message {
    struct slice bytes; /* valid until the next message */
    uint8_t flags;      /* enum msg_flag */
    struct slice keywords[MBOX_KEYWORDS_MAX];
    size_t n_keywords;
    int64_t date;    /* of the "From " line; 0: none */
    uint64_t offset; /* of its "From " line in the unpacked file */
    bool internal;   /* not mail: what a mail program notes in the first place of the file */
    bool too_long;   /* bytes is not all of it */
};

struct mbox_reader;

/* feed must outlive it. */
struct mbox_reader *mbox_reader_new(struct feed *feed, enum mbox_style style);
void mbox_reader_free(struct mbox_reader *reader);
void mbox_reader_freep(struct mbox_reader **reader);
/* RC_NOT_FOUND: that was the last one. RC_SYNTAX: it begins with no "From " line. */
MUST_CHECK enum rc mbox_next(struct mbox_reader *reader, struct mbox_message *out,
                             struct err *err);

/* Is this line one that begins a message? *out_date: 0 if it cannot be read. */
bool mbox_is_from_line(struct slice line, int64_t *out_date);

#endif
