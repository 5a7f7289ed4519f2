#include "events/audit_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/scan.h"

#define NAME_DIGITS 8u
#define HEAD_BYTES  (8u + AUDIT_CHAIN_BYTES + AUDIT_SIGNATURE_BYTES)
#define KEY_TEXT    ((size_t) 44) /* base64 of 32 octets; a newline follows */

static enum rc failed(struct err *err, const char *name)
{
    return err_set(err, errno == ENOENT ? RC_NOT_FOUND : RC_IO, "Internal error",
                   "audit: %s: %s", name, strerror(errno));
}

void audit_file_name(char out[AUDIT_NAME_BYTES], uint64_t number)
{
    (void) snprintf(out, AUDIT_NAME_BYTES, "audit-%08llu.jsonl", (unsigned long long) number);
}

bool audit_file_number(struct slice name, uint64_t *out)
{
    struct scan sc = scan_of(name);
    char again[AUDIT_NAME_BYTES];

    if (!scan_literal(&sc, SLICE("audit-")) || !scan_u64(&sc, UINT32_MAX, out))
        return false;
    audit_file_name(again, *out);
    return slice_eq(name, slice_from_str(again));
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

    return x < y ? -1 : x > y;
}

static enum rc list(DIR *dir, uint64_t *numbers, size_t *out_n, struct err *err)
{
    const struct dirent *entry;
    size_t n = 0;

    for (errno = 0; (entry = readdir(dir)) != NULL; errno = 0) {
        uint64_t number;

        if (!audit_file_number(slice_from_str(entry->d_name), &number))
            continue;
        if (n == AUDIT_FILES_MAX)
            return err_set(err, RC_LIMIT, "Internal error", "audit: more than %u files",
                           AUDIT_FILES_MAX);
        numbers[n++] = number;
    }
    *out_n = n;
    return errno != 0 ? failed(err, "list of files") : RC_OK;
}

enum rc audit_files_list(int folder, uint64_t **out, size_t *out_n, struct err *err)
{
    uint64_t *numbers;
    DIR *dir;
    enum rc rc;
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return failed(err, "list of files");
    dir = fdopendir(fd);
    if (dir == NULL) {
        (void) close(fd); /* nothing was written to it */
        return failed(err, "list of files");
    }
    numbers = xcalloc(AUDIT_FILES_MAX, sizeof(*numbers));
    rc = list(dir, numbers, out_n, err);
    (void) closedir(dir); /* it was only read */
    if (rc) {
        free(numbers);
        return rc;
    }
    qsort(numbers, *out_n, sizeof(*numbers), ascending);
    *out = numbers;
    return RC_OK;
}

static enum rc share(int folder, const char *name, struct err *err)
{
    return fchmodat(folder, name, AUDIT_FILE_MODE, 0) == 0 || errno == ENOENT
               ? RC_OK
               : failed(err, name);
}

enum rc audit_files_share(int folder, struct err *err)
{
    AUTO(freep) uint64_t *numbers = NULL;
    size_t n = 0;
    enum rc rc = audit_files_list(folder, &numbers, &n, err);

    for (size_t i = 0; !rc && i < n; i++) {
        char name[AUDIT_NAME_BYTES];

        audit_file_name(name, numbers[i]);
        rc = share(folder, name, err);
    }
    if (!rc)
        rc = share(folder, "key.pub", err);
    return rc ? rc : share(folder, "head", err);
}

enum rc audit_file_read(int folder, const char *name, void *out, size_t n, struct err *err)
{
    AUTO(closep) int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    AUTO(freep) char *bytes = xmalloc(n + 1);
    ssize_t got;

    if (fd < 0)
        return failed(err, name);
    got = read(fd, bytes, n + 1);
    if (got < 0)
        return failed(err, name);
    if ((size_t) got != n)
        return err_set(err, RC_CORRUPT, "Internal error", "audit: %s has not %zu octets", name,
                       n);
    memcpy(out, bytes, n);
    return RC_OK;
}

enum rc audit_public_key_read(int folder, const char *name,
                              unsigned char out[AUDIT_PUBLIC_KEY_BYTES], struct err *err)
{
    AUTO(buf_done) struct buf bytes = {0};
    char text[KEY_TEXT + 1];
    enum rc rc = audit_file_read(folder, name, text, sizeof(text), err);

    if (rc)
        return rc;
    buf_init(&bytes, KEY_TEXT);
    if (text[KEY_TEXT] != '\n' || base64_decode(slice_of(text, KEY_TEXT), &bytes) != RC_OK ||
        bytes.len != AUDIT_PUBLIC_KEY_BYTES)
        return err_set(err, RC_CORRUPT, "Internal error", "audit: %.80s is no public key",
                       name);
    memcpy(out, bytes.ptr, bytes.len);
    return RC_OK;
}

enum rc audit_head_read(int folder, struct audit_head *out, struct err *err)
{
    char bytes[HEAD_BYTES];
    struct scan sc = scan_of(slice_of(bytes, sizeof(bytes)));
    struct slice chain, signature;
    enum rc rc = audit_file_read(folder, "head", bytes, sizeof(bytes), err);

    if (rc)
        return rc;
    if (!scan_le64(&sc, &out->mark.sequence) || !scan_take(&sc, AUDIT_CHAIN_BYTES, &chain) ||
        !scan_take(&sc, AUDIT_SIGNATURE_BYTES, &signature))
        return err_set(err, RC_CORRUPT, "Internal error", "audit: head is too short");
    memcpy(out->mark.chain, chain.ptr, chain.len);
    memcpy(out->signature, signature.ptr, signature.len);
    return RC_OK;
}

enum rc audit_head_write(int folder, const struct audit_head *head, struct err *err)
{
    AUTO(closep)
    int fd = openat(folder, "head", O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    AUTO(buf_done) struct buf bytes = {0};

    if (fd < 0)
        return failed(err, "head");
    buf_init(&bytes, HEAD_BYTES);
    buf_le64(&bytes, head->mark.sequence);
    buf_append(&bytes, slice_of((const char *) head->mark.chain, AUDIT_CHAIN_BYTES));
    buf_append(&bytes, slice_of((const char *) head->signature, AUDIT_SIGNATURE_BYTES));
    if (pwrite(fd, bytes.ptr, bytes.len, 0) != (ssize_t) bytes.len || fdatasync(fd) != 0)
        return failed(err, "head");
    return RC_OK;
}
