/*
 * audit_files.h - the files of the audit log: names, numbers, the key and the head.
 *
 * Format: docs/formats/audit.md.
 */
#ifndef ROOST_EVENTS_AUDIT_FILES_H
#define ROOST_EVENTS_AUDIT_FILES_H

#include "events/audit_line.h"

#define AUDIT_NAME_BYTES 32u
/* What is no secret may be read by the folder's group: who sends the log elsewhere. */
#define AUDIT_FILE_MODE 0640u
#define AUDIT_FILES_MAX 100000u /* of 64 MiB */

void audit_file_name(char out[AUDIT_NAME_BYTES], uint64_t number);
/* The number of such a name; false for any other. */
bool audit_file_number(struct slice name, uint64_t *out);

/* The numbers of the files there are, ascending; the caller frees *out. n may be 0. */
MUST_CHECK enum rc audit_files_list(int folder, uint64_t **out, size_t *out_n, struct err *err);

/* Give the files, key.pub and head that are there the mode AUDIT_FILE_MODE. */
MUST_CHECK enum rc audit_files_share(int folder, struct err *err);

/* All of a small file. RC_NOT_FOUND; RC_CORRUPT if it has another length than n. */
MUST_CHECK enum rc audit_file_read(int folder, const char *name, void *out, size_t n,
                                   struct err *err);

/* key.pub, or any file of its form. RC_CORRUPT: it is none. */
MUST_CHECK enum rc audit_public_key_read(int folder, const char *name,
                                         unsigned char out[AUDIT_PUBLIC_KEY_BYTES],
                                         struct err *err);

struct audit_head {
    struct audit_mark mark;
    unsigned char signature[AUDIT_SIGNATURE_BYTES];
};

/* RC_NOT_FOUND: nothing was signed yet. */
MUST_CHECK enum rc audit_head_read(int folder, struct audit_head *out, struct err *err);
MUST_CHECK enum rc audit_head_write(int folder, const struct audit_head *head, struct err *err);

#endif
