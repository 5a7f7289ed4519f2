#include "auth/policy_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define READ_BYTES ((size_t) 16 << 10)

/* One byte more than may be there shows that there is more. */
static enum rc read_all(const char *path, struct buf *out, struct err *err)
{
    AUTO(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;

    if (fd < 0)
        return err_set(err, rc_of_errno(errno), "The policy file cannot be read", "%s: %s",
                       path, strerror(errno));
    while (n > 0 && out->len <= POLICY_FILE_MAX_BYTES) {
        char *room = buf_reserve(out, READ_BYTES);

        if (room == NULL)
            break;
        n = read(fd, room, READ_BYTES);
        out->len += n > 0 ? (size_t) n : 0;
    }
    if (n < 0)
        return err_set(err, RC_IO, "The policy file cannot be read", "%s: %s", path,
                       strerror(errno));
    return RC_OK;
}

enum rc policy_file_read(const char *path, struct policy **out, struct err *err)
{
    AUTO(buf_done) struct buf text = {.max = POLICY_FILE_MAX_BYTES + READ_BYTES};
    enum rc rc = read_all(path, &text, err);

    return rc ? rc : policy_parse(buf_slice(&text), out, err);
}
