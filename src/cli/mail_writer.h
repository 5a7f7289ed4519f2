/*
 * mail_writer.h - mail into files, for `roost export`: as a Maildir, or as mbox files.
 *
 * A Maildir holds all there is to say: bytes, flags, up to 26 keywords a folder, dates, uids,
 * subscriptions, in the form in which Dovecot keeps them. INBOX is the Maildir itself, "A/B" is
 * ".A.B" in it (modified UTF-7; a "." in a name is "&AC4-"). An mbox file has no place for
 * uids, and its "From " lines are quoted as mboxrd; what a message's own Status and X-Keywords
 * fields say is taken for flags when it is imported.
 *
 * Nothing that exists is overwritten.
 */
#ifndef ROOST_CLI_MAIL_WRITER_H
#define ROOST_CLI_MAIL_WRITER_H

#include "ipc/mail_stream.h"

#define WRITER_PATH_BYTES 4096u

struct mail_writer;

struct mail_writer_ops {
    enum rc (*folder)(struct mail_writer *writer, const struct mail_frame *frame,
                      struct err *err);
    enum rc (*message)(struct mail_writer *writer, const struct mail_frame *frame,
                       struct slice body, struct err *err);
    enum rc (*subscribed)(struct mail_writer *writer, struct slice name, struct err *err);
    /* Everything is written; closes what is open, also after a failure. */
    enum rc (*done)(struct mail_writer *writer, struct err *err);
};

extern const struct mail_writer_ops maildir_writer_ops, mbox_writer_ops;

#define WRITER_KEYWORDS 26u

struct mail_writer {
    const char *dir;                 /* exists and is empty */
    char folder[WRITER_PATH_BYTES];  /* the one being written */
    FILE *file;                      /* mbox: the folder's; Maildir: its uid list */
    FILE *subscriptions;             /* Maildir */
    char *keywords[WRITER_KEYWORDS]; /* Maildir: of the folder */
    uint64_t keywords_lost;          /* that found no letter */
};

/* "Work/Example.com" as an entry of a Maildir: ".Work.Example&AC4-com"; "" for INBOX. */
void maildir_entry_name(struct slice folder, struct buf *out);

#endif
