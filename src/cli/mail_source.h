/*
 * mail_source.h - the mail below a path, whatever it is kept in: mbox files, Maildirs and
 * Maildir++ folders, folders of single messages, tar archives of these, each also packed with
 * zstd, nested as they come.
 *
 * A file says by its beginning what it is; only ".eml" is always one message. What is no mail
 * is left out and named. Nothing stops a walk but an event that says so.
 *
 * Folders: an mbox file is a folder of its name, messages in a directory are in a folder of the
 * directory's, a Maildir is INBOX and its ".A.B" are "A/B"; "inbox" and "mbox" are INBOX. With
 * a target given, INBOX of that is the target, and all others lie below it; an mbox file that
 * is all there is goes into the target.
 *
 * Order is that of names (Maildir: of uids, then of names), so two walks of the same files are
 * alike.
 */
#ifndef ROOST_CLI_MAIL_SOURCE_H
#define ROOST_CLI_MAIL_SOURCE_H

#include "cli/mbox.h"

#define SOURCE_DEPTH_MAX    64u /* directories inside one another */
#define SOURCE_KEYWORDS_MAX MBOX_KEYWORDS_MAX
#define SOURCE_PLACE_BYTES  1024u

struct source_message {
    const char *folder; /* UTF-8, "/" between components */
    uint32_t uid;       /* it had in the folder there; 0: not known */
    struct slice bytes; /* as stored, line ends too */
    const char *place;  /* where, for people: path below the source, and offset */
    const char *key;    /* what stays the same of it when the source changes elsewhere */
    uint8_t flags;      /* enum msg_flag */
    const struct slice *keywords;
    size_t n_keywords;
    int64_t date; /* 0: nothing says */
};

struct source_folder {
    const char *name;              /* UTF-8, "/" between components */
    uint32_t uidvalidity, uidnext; /* there; 0: not known */
    bool subscribe;                /* false: `subscribed` says which are */
};

struct source_events {
    enum rc (*message)(void *ctx, const struct source_message *message, struct err *err);
    /* A Maildir's folder, before its messages; it may have none. */
    enum rc (*folder)(void *ctx, const struct source_folder *folder, struct err *err);
    enum rc (*subscribed)(void *ctx, const char *folder, struct err *err);
    /* Something was passed over. */
    void (*left_out)(void *ctx, const char *place, const char *why);
    /* So many more bytes of the files were read. */
    void (*advanced)(void *ctx, uint64_t bytes);
};

struct source_options {
    enum mbox_style mbox;
    const char *target; /* NULL: none */
};

/* Answers what an event answered, or RC_NOT_FOUND, RC_IO for the path itself. */
MUST_CHECK enum rc mail_source_walk(const char *path, const struct source_options *options,
                                    const struct source_events *events, void *ctx,
                                    struct err *err);
/* Bytes of the files below path. */
uint64_t mail_source_size(const char *path);

#endif
