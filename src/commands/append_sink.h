/*
 * append_sink.h - where the messages of an APPEND or a REPLACE, and their TEXT parts, go while
 * they arrive.
 *
 * Spec: RFC 9051 6.3.12, RFC 3502, RFC 4469, RFC 7889, RFC 9208. The reader calls it
 * (imap/reader.h, imap_sink). begin refuses what would fail anyway, before the client sends a
 * byte of it: a name without a mailbox ([TRYCREATE]), a read-only credential, a message of no
 * octets, what does not fit into the quota. The bytes are staged with the engine, which spools
 * large ones; nothing of a message stays in memory here.
 */
#ifndef ROOST_COMMANDS_APPEND_SINK_H
#define ROOST_COMMANDS_APPEND_SINK_H

#include "commands/session.h"
#include "imap/reader.h"
#include "mailbox/quota.h"

#define APPEND_STAGES_MAX 1024u /* open at once, of one command */

struct append_sink {
    struct session *session;
    uint64_t account;           /* the stages are made for it */
    struct body_stage **stages; /* heap; for struct command_input */
    size_t n, cap;
    bool has_room; /* it is known what the account may still take */
    struct quota_room room;
    uint64_t n_messages, bytes; /* of this command so far */
};

extern const struct imap_sink append_sink_ops; /* ctx: a struct append_sink */

void append_sink_init(struct append_sink *sink, struct session *session);
/* Frees the stages that no command took; to be called after each command and at the end. */
void append_sink_reset(struct append_sink *sink);
void append_sink_done(struct append_sink *sink);

#endif
