/*
 * device_file.h - devices of many users at once, from a file of comma-separated values (RFC
 * 4180, but that no field has a line end in it):
 *
 *     user,name,scope,rights,networks,expiry
 *     anna,Anna's phone,both,full,,
 *     bob,"Scanner, 2nd floor",send,full,192.0.2.0/24 2001:db8::/32,2027-12-31
 *
 * An empty scope is both, empty rights are full, no networks are all, and without an expiry a
 * device is for ever; else it ends with that day (UTC). A line that begins with "user," is the
 * header. A line that is refused is named, and the others go on.
 */
#ifndef ROOST_CLI_DEVICE_FILE_H
#define ROOST_CLI_DEVICE_FILE_H

#include "cli/ask.h"

#define DEVICE_LINE_MAX_BYTES 4096u
#define DEVICE_LINE_FIELDS    6u

/* Fields of a line, quotes undone in place. False: not of that form, or too many. Those that
 * are missing at the end are empty. */
bool device_line_read(char *line, const char *fields[DEVICE_LINE_FIELDS]);
/* "2027-12-31" as the second in which that day is over; false if there is no such day. */
bool device_day_end(const char *day, int64_t *out);
/* All lines of the file; the rows of what was made are ask's. CLI_PARTLY: some were refused. */
int device_file_add(struct cli_ask *ask, FILE *file);

#endif
