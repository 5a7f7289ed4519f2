#include "base/random.h"

#include <errno.h>
#include <sys/random.h>

void random_bytes(void *out, size_t len)
{
    char *at = out;

    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);

        if (got < 0 && errno != EINTR)
            die("getrandom: %s", strerror(errno));
        if (got > 0) {
            at += got;
            len -= (size_t) got;
        }
    }
}

uint64_t random_id(void)
{
    uint64_t id = 0;

    while (id == 0)
        random_bytes(&id, sizeof(id));
    return id;
}
