#include "roles/cert_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/message.h"

#define PATH_BYTES    4096u
#define STAPLE_SUFFIX ".ocsp"

static void staple_path(const char *certificate, char path[PATH_BYTES])
{
    (void) snprintf(path, PATH_BYTES, "%s" STAPLE_SUFFIX, certificate);
}

static struct file_stamp stamp_of(const char *path)
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

void cert_files_stamp(const struct config *config, struct cert_stamps *out)
{
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < config->certificate.n && i < TLS_PAIRS_MAX; i++) {
        char path[PATH_BYTES];

        staple_path(config->certificate.items[i], path);
        out->files[i][0] = stamp_of(config->certificate.items[i]);
        out->files[i][1] = stamp_of(config->certificate_key.items[i]);
        out->files[i][2] = stamp_of(path);
    }
}

/* An ordinary file: whatever else stands at the path could make us wait. */
static enum rc open_file(const char *path, int *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0)
        return err_set(err, rc_of_errno(errno), "No certificate", "%s: %s", path,
                       strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        (void) close(fd); /* nothing was read */
        return err_set(err, RC_IO, "No certificate", "%s: is no file", path);
    }
    *out = fd;
    return RC_OK;
}

static enum rc read_file(const char *path, size_t max, struct slice *out, struct err *err)
{
    AUTO(closep) int fd = -1;
    AUTO(freep) char *room = xmalloc(max + 1);
    enum rc rc = open_file(path, &fd, err);
    size_t len = 0;
    ssize_t n = 1;

    if (rc)
        return rc;
    while (n > 0 && len <= max) {
        n = read(fd, room + len, max + 1 - len);
        len += n > 0 ? (size_t) n : 0;
    }
    if (n < 0)
        return err_set(err, RC_IO, "No certificate", "%s: %s", path, strerror(errno));
    if (len == 0 || len > max)
        return err_set(err, RC_LIMIT, "No certificate", "%s: %s", path,
                       len == 0 ? "is empty" : "is too long");
    *out = slice_of(TAKE(room), len);
    return RC_OK;
}

/* Without it the certificate serves as well. */
static void read_staple(const char *certificate, struct slice *out)
{
    char path[PATH_BYTES];
    struct err err;
    enum rc rc;

    staple_path(certificate, path);
    rc = read_file(path, MSG_STAPLE_MAX, out, &err);
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        log_event(LEVEL_WARNING, "certificate.ocsp", LOG_ERR(&err));
}

enum rc cert_files_read(const struct config *config, struct cert_files *out, struct err *err)
{
    struct cert_files files = {.n = config->certificate.n};
    enum rc rc = RC_OK;

    _Static_assert(CONFIG_PAIRS_MAX == TLS_PAIRS_MAX, "what may be configured is served");
    if (files.n == 0 || files.n > TLS_PAIRS_MAX || config->certificate_key.n != files.n)
        return err_set(err, RC_LIMIT, "No certificate", "certificate: 1 to %u pairs",
                       TLS_PAIRS_MAX);
    for (size_t i = 0; i < files.n; i++)
        files.list[i].key_fd = -1;
    for (size_t i = 0; i < files.n && rc == RC_OK; i++) {
        struct cert_file *file = &files.list[i];

        file->name = slice_from_str(xstrdup(config->certificate.items[i]));
        rc = read_file(config->certificate.items[i], MSG_CERT_MAX, &file->chain, err);
        file->key_name = slice_from_str(xstrdup(config->certificate_key.items[i]));
        if (rc == RC_OK)
            rc = open_file(config->certificate_key.items[i], &file->key_fd, err);
        if (rc == RC_OK)
            read_staple(config->certificate.items[i], &file->staple);
    }
    if (rc)
        cert_files_done(&files);
    else
        *out = files;
    return rc;
}

void cert_files_close_keys(struct cert_files *files)
{
    for (size_t i = 0; i < files->n; i++) {
        closep(&files->list[i].key_fd);
        files->list[i].key_fd = -1; /* the number may soon be another's */
    }
}

void cert_files_done(struct cert_files *files)
{
    cert_files_close_keys(files);
    for (size_t i = 0; i < files->n; i++) {
        free((char *) (uintptr_t) files->list[i].name.ptr);
        free((char *) (uintptr_t) files->list[i].key_name.ptr);
        free((char *) (uintptr_t) files->list[i].chain.ptr);
        free((char *) (uintptr_t) files->list[i].staple.ptr);
    }
    *files = (struct cert_files){.n = 0};
}
