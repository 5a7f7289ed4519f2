/*
 * metadata_line.h - the METADATA answer that LIST gives with RETURN (METADATA ...), RFC 9590.
 */
#ifndef ROOST_COMMANDS_METADATA_LINE_H
#define ROOST_COMMANDS_METADATA_LINE_H

#include "commands/cmd.h"
#include "mailbox/access.h"

/* The entries asked for as the reader sees them, NIL where there is none. */
void metadata_line_say(struct reply *reply, const struct mbox *mbox,
                       const struct reader *reader, struct slice name,
                       const struct imap_metadata_names *asked);

#endif
