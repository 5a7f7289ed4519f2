/* policy_file.h - a file of rules (policy.h), read whole. */
#ifndef ROOST_AUTH_POLICY_FILE_H
#define ROOST_AUTH_POLICY_FILE_H

#include "auth/policy.h"

/* RC_IO: it cannot be read, or is empty; else as policy_parse(). */
MUST_CHECK enum rc policy_file_read(const char *path, struct policy **out, struct err *err);

#endif
