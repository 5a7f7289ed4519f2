/*
 * breached.h - is a password one of those that have been stolen somewhere before?
 *
 * The list is a file in the format of "Have I Been Pwned", ordered by hash: lines of 40
 * hexadecimal digits (SHA-1 of the password), ":", a count, and LF or CR LF. It has 38 GB and
 * stays where it is: a look-up is a bisection by byte offsets, of some 40 reads of at most
 * BREACHED_READ_BYTES, whatever the file's size. SHA-1 only names a line here.
 */
#ifndef ROOST_AUTH_BREACHED_H
#define ROOST_AUTH_BREACHED_H

#include "base/slice.h"

#define BREACHED_READ_BYTES 128u /* two of the longest lines and more */
#define BREACHED_SAMPLES    256u /* lines that a check of the order compares */

/*
 * How often the password was found; 0: it is not in the list. RC_NOT_FOUND: no such file.
 * RC_CORRUPT: not of that format, or not sorted, as far as this look and BREACHED_SAMPLES lines
 * at even distances tell.
 */
MUST_CHECK enum rc breached_find(const char *path, struct slice password, uint64_t *out_count,
                                 struct err *err);

#endif
