/*
 * digester.h - who makes a digest of a message: the sandboxed digest processes in the product,
 * a plain call in tests. The rest of mailbox/ does not know which.
 */
#ifndef ROOST_MAILBOX_DIGESTER_H
#define ROOST_MAILBOX_DIGESTER_H

#include "base/arena.h"
#include "base/slice.h"

struct digester {
    /*
     * The digest tables (mime/digest.h) of n messages of one account, in arena: several in one
     * go cost less than each alone. May be called by several threads at once; blocks. Anything
     * but RC_OK means that not all could be had, and tables hold nothing: the caller asks for
     * each alone, and serves one that has none opaque.
     */
    enum rc (*make)(struct digester *digester, uint64_t account, const struct slice *messages,
                    size_t n, struct arena *arena, struct slice *tables, struct err *err);
};

#endif
