/*
 * myrights_line.h - the MYRIGHTS answer, that LIST gives too with RETURN (MYRIGHTS), RFC 8440.
 */
#ifndef ROOST_COMMANDS_MYRIGHTS_LINE_H
#define ROOST_COMMANDS_MYRIGHTS_LINE_H

#include "commands/cmd.h"

/* rights: of the mailbox. A credential that may only read has no others. */
void myrights_line_say(struct reply *reply, const struct session *session, struct slice name,
                       uint32_t rights);

#endif
