#include "mailbox/thread.h"

#include <sodium.h>

/* Whoever writes a Message-ID may choose it: so a hash for which nobody finds two with the same
 * value. The key keeps it apart from hashes for other ends. */
static void hash(struct slice name, struct object_id *out)
{
    static const unsigned char use[] = "roost THREADID 1";

    (void) crypto_generichash(out->bytes, sizeof(out->bytes), (const unsigned char *) name.ptr,
                              name.len, use, sizeof(use) - 1);
}

void thread_id(const struct msg_cold *cold, const struct digest *digest, struct object_id *out)
{
    struct digest_keys keys = digest_keys(digest);
    struct digest_references references;
    struct slice root;

    if (!object_id_is_zero(&cold->threadid)) {
        *out = cold->threadid;
        return;
    }
    digest_references(digest, &references);
    if (!digest_next_reference(&references, &root))
        root = keys.in_reply_to.len > 0 ? keys.in_reply_to : keys.message_id;
    if (root.len == 0)
        root = slice_of((const char *) cold->emailid.bytes, sizeof(cold->emailid.bytes));
    hash(root, out);
}
