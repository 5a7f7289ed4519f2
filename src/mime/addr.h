/*
 * addr.h - address lists of From, To, Cc and their kin.
 *
 * Spec: RFC 5322 3.4 and 4.4 (obsolete syntax), RFC 6532 (UTF-8), RFC 9051 7.5.2 (address
 * structures). Lenient: names in comments ("user@host (Name)"), "user at host", dots and
 * specials in names, quotes and brackets that do not close, missing commas after ">".
 *
 * Invariants: every group start has its end; a mailbox has a mailbox part, perhaps an empty
 * host. Strings are unquoted and unfolded, comments removed; encoded-words stand as they are.
 * Memory: the list and its strings live in the arena: 16 MiB for a full list, and the bytes of
 * the text besides.
 */
#ifndef ROOST_MIME_ADDR_H
#define ROOST_MIME_ADDR_H

#include "base/arena.h"
#include "base/buf.h"

#define ADDR_LIST_MAX 100000u /* entries; the text behind them is left unread */

enum addr_kind { ADDR_MAILBOX, ADDR_GROUP_START, ADDR_GROUP_END };

/* Absent strings have a NULL pointer: name, route; all of a group's end; a group's host. */
struct addr {
    enum addr_kind kind;
    struct slice name, route, mailbox, host; /* a group's name is in mailbox */
};

struct addr_list {
    struct addr *items;
    size_t n, cap;
};

/* Append the addresses of a field's raw text to list (zeroed at first). Linear. A list that is
 * full takes no more; a group open then gets its end. */
void addr_parse(struct slice raw, struct arena *arena, struct addr_list *list);

#endif
