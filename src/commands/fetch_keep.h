/*
 * fetch_keep.h - FETCH items that outlive the command that named them: those of NOTIFY (RFC
 * 5465 5.2) and of UPDATE (RFC 5465 7).
 */
#ifndef ROOST_COMMANDS_FETCH_KEEP_H
#define ROOST_COMMANDS_FETCH_KEEP_H

#include "imap/args.h"

/* A copy of the items and their kinds, and of nothing else; in arena. */
struct imap_fetch_args fetch_keep(const struct imap_fetch_item *items, size_t n, uint32_t kinds,
                                  struct arena *arena);

#endif
