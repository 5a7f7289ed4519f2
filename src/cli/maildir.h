/*
 * maildir.h - what the names and small files of a Maildir say.
 *
 * Format: cr.yp.to/proto/maildir.html; Maildir++ folders (".Work.2026" beside cur/); Dovecot's
 * dovecot-uidlist and dovecot-keywords. Pure but for maildir_notes_read(); names are bytes.
 */
#ifndef ROOST_CLI_MAILDIR_H
#define ROOST_CLI_MAILDIR_H

#include "account/types.h"
#include "base/buf.h"
#include "base/map.h"

#define MAILDIR_LETTERS 26u /* keywords a..z */

/* What lies beside cur/: uids and names of keywords. */
struct maildir_notes {
    uint32_t uidvalidity, uidnext; /* 0: no uid list */
    struct map *uids;              /* by unique part; NULL: none */
    char *keywords[MAILDIR_LETTERS];
};

void maildir_notes_free(struct maildir_notes *notes); /* also the AUTO cleanup */
/* Of the folder that holds cur/. Files that are missing or damaged are none. */
void maildir_notes_read(const char *folder, struct maildir_notes *out);
/* Lines of a dovecot-uidlist, of a dovecot-keywords. */
void maildir_read_uidlist(struct slice text, struct maildir_notes *notes);
void maildir_read_keywords(struct slice text, struct maildir_notes *notes);

struct maildir_name {
    struct slice unique; /* without ":2,FLAGS" */
    uint8_t flags;       /* enum msg_flag */
    bool passed;         /* "P": forwarded */
    uint32_t letters;    /* bit i: keyword 'a' + i */
    int64_t date;        /* from "1234567890.M12P3.host"; 0: none */
};

void maildir_parse_name(struct slice name, struct maildir_name *out);
/* 0: it has none. */
uint32_t maildir_uid(const struct maildir_notes *notes, struct slice unique);

/* ".Work.2026" to "Work/2026" (UTF-8 of modified UTF-7). False: no name we can have. */
bool maildir_folder_name(struct slice entry, struct buf *out);

#endif
