/*
 * catenate.h - the messages of an APPEND as stages: those that came as literals, and those put
 * together from parts.
 *
 * Spec: RFC 4469 3 and 4 (CATENATE), RFC 6855 4. The octets of a part are copied as they are
 * stored, in pieces, into a stage of the engine, which spools large ones: nothing of a message
 * stays in memory here. URLs name messages that this session may read (places.h); anything else
 * is refused with [BADURL].
 *
 * A composed stage lives as long as the composition: a command that runs again composes again.
 */
#ifndef ROOST_COMMANDS_CATENATE_H
#define ROOST_COMMANDS_CATENATE_H

#include "commands/cmd.h"

#define CATENATE_READ_BYTES ((size_t) 64 << 10) /* copied at once */
/* Octets that the URLs of one command may name in all, in messages of the greatest size: a
 * short command is not to fill a disk. */
#define CATENATE_TOTAL_MESSAGES 4u

struct composition {
    const struct engine_ops *ops;
    struct body_stage **stages; /* one a message */
    bool *is_own;               /* composed here; else one of the command's */
    size_t n;
};

/* One stage of this account for each message of the arguments, in their order; arrays live in
 * the command's arena. To be ended by composition_done, also after a failure; the reply's code
 * is set. */
MUST_CHECK enum rc composition_make(struct cmd *cmd, const struct imap_append_args *args,
                                    uint64_t account, struct composition *out, struct err *err);
/* The store has taken the stages: neither the command nor done() frees them. */
void composition_taken(struct cmd *cmd, struct composition *composition);
void composition_done(struct composition *composition); /* also for AUTO; zero is allowed */

#endif
