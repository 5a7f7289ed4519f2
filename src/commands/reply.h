/*
 * reply.h - what a command answers: untagged lines as they come, the tagged one last.
 *
 * Spec: RFC 9051 7 and 7.1, RFC 5530.
 *
 * Untagged responses go straight into `out`. The tagged response is only noted by the handler;
 * the dispatcher writes it behind the sync. A failure is answered from one table, a row per rc;
 * a handler may name a better code beforehand.
 */
#ifndef ROOST_COMMANDS_REPLY_H
#define ROOST_COMMANDS_REPLY_H

#include "base/arena.h"
#include "base/buf.h"
#include "imap/mode.h"

/* Above this much unsent output a long answer pauses (RC_MORE). */
#define REPLY_PAUSE_BYTES ((size_t) 128 << 10)
/* What a reply's buf must be able to hold: one answer that cannot be cut (an ENVELOPE) and the
 * pause. The server makes its buffers with this maximum. */
#define REPLY_MAX_BYTES ((size_t) 1 << 30)

enum reply_status { REPLY_OK, REPLY_NO, REPLY_BAD };

struct reply {
    struct buf *out;
    struct arena *arena; /* the command's */
    struct imap_mode mode;
    enum reply_status status;
    struct slice code; /* "[TRYCREATE]", or empty */
    struct slice text;
};

/* The tagged answer: text is static or in the command's arena. */
void reply_ok(struct reply *reply, const char *text);
void reply_no(struct reply *reply, const char *text);
/* Its code: "TRYCREATE", or with arguments as imap/print.h writes them, brackets included. */
void reply_code(struct reply *reply, const char *name);
void reply_code_text(struct reply *reply, struct slice code);
/* From the table; a code set before by the handler stays. */
void reply_error(struct reply *reply, const struct err *err);
/* Write the tagged line. */
void reply_tagged(struct reply *reply, struct slice tag);

/* "* OK [code] text" CRLF. code comes without brackets, NULL: none. */
void reply_untagged_ok(struct reply *reply, const char *code, const char *text);
/* "* NO [code] text" CRLF: a warning. */
void reply_untagged_no(struct reply *reply, const char *code, const char *text);

/* Time to pause a long answer? */
static inline bool reply_is_full(const struct reply *reply)
{
    return reply->out->len >= REPLY_PAUSE_BYTES;
}

#endif
