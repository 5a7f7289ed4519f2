#include "roles/pem_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct file_stamp pem_file_stamp(const char *path)
{
    struct file_stamp stamp = {0};
    struct stat st;

    if (stat(path, &st) != 0)
        return stamp;
    stamp.mtime_ns = (int64_t) st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    stamp.size = (int64_t) st.st_size;
    stamp.inode = (uint64_t) st.st_ino;
    return stamp;
}

bool file_stamp_eq(const struct file_stamp *a, const struct file_stamp *b)
{
    return a->mtime_ns == b->mtime_ns && a->size == b->size && a->inode == b->inode;
}

enum rc pem_file_read(const char *path, struct slice *out, struct err *err)
{
    AUTO(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct slice pem;
    char *room;
    size_t len = 0;
    ssize_t n = 1;

    if (fd < 0)
        return err_set(err,
                       errno == ENOENT   ? RC_NOT_FOUND
                       : errno == EACCES ? RC_DENIED
                                         : RC_IO,
                       "No certificate", "%s: %s", path, strerror(errno));
    room = xmalloc(MSG_CERT_MAX + 1);
    while (n > 0 && len <= MSG_CERT_MAX) {
        n = read(fd, room + len, MSG_CERT_MAX + 1 - len);
        len += n > 0 ? (size_t) n : 0;
    }
    pem = slice_of(room, len);
    if (n < 0 || len == 0 || len > MSG_CERT_MAX) {
        enum rc rc = err_set(err, n < 0 ? RC_IO : RC_LIMIT, "No certificate", "%s: %s", path,
                             n < 0      ? strerror(errno)
                             : len == 0 ? "is empty"
                                        : "is longer than 64 KiB");

        pem_file_forget(&pem);
        return rc;
    }
    *out = pem;
    return RC_OK;
}

void pem_file_forget(struct slice *pem)
{
    char *bytes = (char *) (uintptr_t) pem->ptr;

    if (bytes != NULL)
        explicit_bzero(bytes, pem->len);
    free(bytes);
    *pem = (struct slice){NULL, 0};
}
