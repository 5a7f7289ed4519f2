/*
 * passwd_file.h - users from a file in the format of Dovecot's passwd-file.
 *
 *   user:{SCHEME}hash:uid:gid:gecos:home:shell:extra
 *
 * Only the first two fields are used; the others may be empty or missing. Empty lines and lines
 * that start with "#" count for nothing. A line that is not of this form is reported with its
 * number and skipped: the rest of the file still works. Of two lines with one name the first
 * counts and the second is reported.
 *
 * The file is read again when its inode, size or time of change differ; if it cannot be read
 * then, the users read before stay. They stay as well while it is being written: while it
 * changes under the reader, and while its last line has no end, until nobody has written to it
 * for PASSWD_SETTLE_US.
 */
#ifndef ROOST_AUTH_PASSWD_FILE_H
#define ROOST_AUTH_PASSWD_FILE_H

#include "auth/password.h"

#define PASSWD_FILE_MAX_BYTES ((size_t) 16 << 20) /* some 130,000 users with slow hashes */
#define PASSWD_LINE_MAX_BYTES 4096u
#define PASSWD_REPORTS_MAX    20u /* bad lines of one file that are named in the log */
#define PASSWD_SETTLE_US      ((int64_t) 2000000) /* then a last line without an end is one */

/* A line, taken apart. */
struct passwd_entry {
    struct auth_key key;
    struct auth_key name; /* NFC, as it is shown */
    struct password_hash hash;
};

/* A user of a file that was read. */
struct passwd_user {
    struct slice key, name;
    struct password_hash hash;
};

struct passwd_file;

/* One line without its end. RC_NOT_FOUND: an empty line or a comment. out points into line. */
MUST_CHECK enum rc passwd_parse_line(struct slice line, struct passwd_entry *out,
                                     struct err *err);

/* Nothing is read yet. path is copied. */
struct passwd_file *passwd_file_new(const char *path);
void passwd_file_free(struct passwd_file *file);
void passwd_file_freep(struct passwd_file **file);

/* A user who stands in the file as before has another hash. key is valid during the call. */
typedef void passwd_changed_fn(void *ctx, struct slice key);
/* fn is told by passwd_file_refresh(), when the new users can be found. */
void passwd_file_on_changed(struct passwd_file *file, passwd_changed_fn *fn, void *ctx);

/* Look whether the file changed, and read it if so: then true. Problems go to the log, not to
 * the caller. */
bool passwd_file_refresh(struct passwd_file *file);
size_t passwd_file_count(const struct passwd_file *file);

/* NULL if there is no such user. Good until the next refresh. */
const struct passwd_user *passwd_file_find(const struct passwd_file *file, struct slice key);
/* A hash to check in vain for names that are not in the file: the first slow one in it, so that
 * the time does not tell who exists. NULL if the file has only cheap ones. */
const struct password_hash *passwd_file_dummy(const struct passwd_file *file);

#endif
