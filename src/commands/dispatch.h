/*
 * dispatch.h - what server/ calls: commands in, replies out, and the news of an idle session.
 *
 * Spec: RFC 9051 5.2, 5.3, 5.5 and 7 (what may be sent when).
 *
 * A command runs from its parsed arguments: parse, check the table's row, run, sync, tagged
 * reply. On RC_CONFLICT everything is rewound and it runs again. Every reply, also an
 * unfinished one, may leave the process only when session->own_position is durable
 * (account_is_durable); until then the server holds the bytes.
 *
 *     COMMAND_DONE   the reply is whole; take the next command
 *     COMMAND_MORE   send (some of) out, then command_resume(); the text of the command stays
 *     COMMAND_IDLE   "+ idling" is in out; wait for a line, meanwhile session_idle_sync()
 *     COMMAND_COMPRESS  as DONE; behind what is in out, both ways are compressed (RFC 4978)
 *     COMMAND_UNAUTHENTICATE  send out, then the connection is a stranger's again (RFC 8437)
 *     COMMAND_TOLD   news are told; the session is in command, or idles, as before
 *     COMMAND_CLOSE  send out, then close the connection
 *
 * Nothing here knows a socket, and nothing waits but for the engine's disk.
 */
#ifndef ROOST_COMMANDS_DISPATCH_H
#define ROOST_COMMANDS_DISPATCH_H

#include "commands/cmd.h"

#define COMMAND_TRIES_MAX 16u /* runs of one command that meets conflicts */
#define INPROGRESS_US     ((int64_t) 12 * 1000000) /* RFC 9585 3 recommends 10 to 15 s */
#define CMD_ARENA_BYTES   ((size_t) 2 << 30)       /* beyond any command within the limits */

enum command_outcome {
    COMMAND_DONE,
    COMMAND_MORE,
    COMMAND_IDLE,
    COMMAND_COMPRESS,
    COMMAND_UNAUTHENTICATE,
    COMMAND_TOLD,
    COMMAND_CLOSE
};

struct command_input {
    struct imap_text text; /* stays valid until the command is done */
    /* One for each spooled literal, in order (append_sink.h). A stage that the store has taken
     * is NULL afterwards; the others remain the caller's. */
    struct body_stage **stages;
    size_t n_stages;
    /* A complete command that waits in the input buffer names sequence numbers
     * (command_seqs_wait): EXPUNGE is held back (RFC 9051 7.5.1). */
    bool seq_command_waits;
};

/* The first reply: "tag OK [CAPABILITY ...] Logged in". */
void session_greet(const struct session *session, struct slice tag, struct buf *out);

/* *running is set with COMMAND_MORE, and only then. */
enum command_outcome command_start(struct session *session, const struct command_input *input,
                                   struct buf *out, struct cmd **running);
enum command_outcome command_resume(struct cmd **running, struct buf *out,
                                    bool seq_command_waits);
/* May the running command compute for long before it says anything? Then its next
 * command_resume() is one slice of that. */
bool command_computes(const struct cmd *running);
/* The connection is gone. NULL is allowed. */
void command_abort(struct cmd **running);

#define COMMAND_LOOKAHEAD_LINES 16u /* of the input, for each command: work stays linear */

/* Is there, among the first complete lines that follow, a command that an EXPUNGE told before
 * it would hurt? */
bool command_seqs_wait(struct slice input);

/* A command that the reader refused: BAD or NO, tagged if it had a tag (reader.h,
 * READ_REFUSED). */
enum command_outcome command_refused(struct session *session, struct slice tag, bool too_big,
                                     const struct err *err, struct buf *out);

/* ---- IDLE (RFC 9051 6.3.13) ---- */

static inline bool session_is_idling(const struct session *session)
{
    return session->idle_tag != NULL;
}
/* Is there something session_idle_sync would say, or session_tell_news? Cheap. */
bool session_has_news(const struct session *session);
/* What changed, untagged, EXPUNGE included. Only while idling, unless session_hears().
 * COMMAND_CLOSE: the mailbox is gone. */
enum command_outcome session_idle_sync(struct session *session, struct buf *out);
/* ---- NOTIFY (RFC 5465) ---- */

/* Does the client listen while no command runs? */
bool session_listens(const struct session *session);
/* Are news told by session_tell_news(), now that no command runs or it idles? */
bool session_hears(const struct session *session);
/* Does what it may see rest on who is in which group? Then it is to look for news when that
 * changes. */
bool session_follows_people(const struct session *session);
/* wake(ctx) is called, as account_follower's, when there may be news. Costs nothing when that
 * is arranged already. */
void session_wake_by(struct session *session, void (*wake)(void *ctx), void *ctx);
/* What changed, between two answers, or in IDLE; only if session_hears(). COMMAND_TOLD;
 * COMMAND_MORE: go on with command_resume(); COMMAND_CLOSE. There may be more news behind it.
 */
enum command_outcome session_tell_news(struct session *session, struct buf *out,
                                       struct cmd **running);

/* The line that ends IDLE: "DONE", or BAD. */
enum command_outcome session_idle_end(struct session *session, struct slice line,
                                      struct buf *out);

#endif
