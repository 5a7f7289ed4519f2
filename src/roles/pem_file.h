/* pem_file.h - certificate and key files, read whole by the supervisor and handed to gates. */
#ifndef ROOST_ROLES_PEM_FILE_H
#define ROOST_ROLES_PEM_FILE_H

#include "roles/supervisor.h"

/* What changes when a file is replaced or written. All zero for a file that is not there. */
struct file_stamp pem_file_stamp(const char *path);
bool file_stamp_eq(const struct file_stamp *a, const struct file_stamp *b);

/* All bytes, heap memory of the caller's, at most MSG_CERT_MAX. RC_IO, RC_LIMIT. */
MUST_CHECK enum rc pem_file_read(const char *path, struct slice *out, struct err *err);
/* Wipe and free what pem_file_read() gave. */
void pem_file_forget(struct slice *pem);

#endif
