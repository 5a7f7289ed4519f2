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
     * The digest table of a message (mime/digest.h), in arena. May be called by several threads
     * at once; blocks. Anything but RC_OK means that no table could be had: the caller serves
     * the message opaque.
     */
    enum rc (*make)(struct digester *digester, uint64_t account, struct slice message,
                    struct arena *arena, struct slice *out, struct err *err);
};

#endif
