/*
 * fuzz_passwd_file.c - any bytes as a passwd-file, and each of its lines: what is taken of a
 * line survives being written again, and is found in the file.
 */
// links: auth
#include <assert.h>
#include <sys/mman.h>
#include <unistd.h>

#include "auth/admin.h"
#include "auth/passwd_file.h"
#include "base/log.h"
#include "base/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(struct slice text, const struct passwd_file *file)
{
    AUTO(buf_done) struct buf line = {.max = PASSWD_LINE_MAX_BYTES * 4};
    struct passwd_entry entry, again;

    if (passwd_parse_line(text, &entry, NULL) != RC_OK)
        return;
    buf_append(&line, auth_key_slice(&entry.name));
    buf_byte(&line, ':');
    password_hash_print(&entry.hash, &line);
    assert(!line.overflow);
    assert(passwd_parse_line(buf_slice(&line), &again, NULL) == RC_OK);
    assert(slice_eq(auth_key_slice(&entry.key), auth_key_slice(&again.key)));
    assert(slice_eq(auth_key_slice(&entry.name), auth_key_slice(&again.name)));
    assert(slice_eq(entry.hash.hash, again.hash.hash));
    assert(passwd_file_find(file, auth_key_slice(&entry.key)) != NULL);
}

static void drop_event(void *ctx, enum log_level level, const char *event,
                       const struct log_field *fields, size_t n)
{
    (void) ctx;
    (void) level;
    (void) event;
    (void) fields;
    (void) n;
}

static struct passwd_file *file_of(struct slice bytes)
{
    int fd = memfd_create("users", MFD_CLOEXEC);
    struct passwd_file *file;
    char path[32];

    if (fd < 0 || write(fd, bytes.len > 0 ? bytes.ptr : "", bytes.len) != (ssize_t) bytes.len)
        die("no file for the users");
    (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    file = passwd_file_new(path);
    passwd_file_refresh(file);
    (void) close(fd);
    return file;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(passwd_file_freep) struct passwd_file *file = NULL;
    struct scan sc = scan_of(slice_of(data, size));
    struct slice line;

    if (auth_init(NULL) != RC_OK)
        abort();
    log_set_sink(drop_event, NULL);
    file = file_of(slice_of(data, size));
    assert(passwd_file_count(file) <= slice_count(slice_of(data, size), '\n') + 1);
    while (scan_until(&sc, '\n', &line)) {
        (void) scan_byte(&sc, '\n');
        check_line(slice_ends(line, SLICE("\r")) ? slice_sub(line, 0, line.len - 1) : line,
                   file);
    }
    line = scan_rest(&sc);
    check_line(slice_ends(line, SLICE("\r")) ? slice_sub(line, 0, line.len - 1) : line, file);
    return 0;
}
