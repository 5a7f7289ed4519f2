/*
 * limit.h - no more than so many messages in one command, where an administrator says so.
 *
 * Spec: RFC 9738. Of the messages a command names, those with the highest uids are taken; the
 * client hears the lowest that was, in [MESSAGELIMIT], and asks again for the rest. COPY, and
 * APPEND of several messages, are refused instead. EXPUNGE, CLOSE and STATUS know no limit.
 */
#ifndef ROOST_COMMANDS_LIMIT_H
#define ROOST_COMMANDS_LIMIT_H

#include "commands/cmd.h"
#include "search/search.h"

/* Leaves the `limit` highest messages of *uids that are in mbox; limit 0: all. *out_lowest: the
 * lowest that is left; 0: there were no more. *uids lives in the command's arena then. */
void limit_uids(struct cmd *cmd, const struct mbox *mbox, uint32_t limit, struct uid_set *uids,
                uint32_t *out_lowest);
/* The same for the messages a SEARCH has to look at (RFC 9738 3.1): those its keys name, or all
 * that there are; scope->from_uid is the lowest. */
MUST_CHECK enum rc limit_search(struct cmd *cmd, const struct imap_search_key *key,
                                struct search_scope *scope, struct err *err);
/* lowest 0: nothing. Else [MESSAGELIMIT limit lowest]: with the tagged answer, or before it if
 * that has a code already. */
void limit_say(struct cmd *cmd, uint32_t limit, uint32_t lowest);
/* NO [MESSAGELIMIT limit lowest]; lowest 0: not known. Always an error. */
MUST_CHECK enum rc limit_refuse(struct cmd *cmd, uint32_t limit, uint32_t lowest,
                                struct err *err);
/* How many messages COPY and APPEND may take; 0: any number. */
uint32_t limit_of_saving(const struct session *session);

/* The tagged answer has its code, or the dispatcher may still give it HIGHESTMODSEQ. */
bool limit_code_is_taken(const struct cmd *cmd);

#endif
