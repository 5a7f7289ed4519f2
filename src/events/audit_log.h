/*
 * audit_log.h - the audit log is written: events in one chain, signed at times, in files that
 * are begun anew when they are long.
 *
 * Format: docs/formats/audit.md. Belongs to one thread. Lines are gathered and written together
 * by audit_log_flush(); audit_log_sync() makes them durable. What cannot be written is counted,
 * and the log says so itself once it can be written again.
 */
#ifndef ROOST_EVENTS_AUDIT_LOG_H
#define ROOST_EVENTS_AUDIT_LOG_H

#include "base/slice.h"

#define AUDIT_FILE_BYTES     ((uint64_t) 64 << 20)
#define AUDIT_UNSIGNED_MAX   1000u /* events; then one is signed at once */
#define AUDIT_UNSYNCED_USECS 1000000

struct audit_log;

struct audit_log_options {
    uint64_t file_bytes; /* a new file after this; AUDIT_FILE_BYTES */
    uint32_t keep_days;  /* files whose last event is older go; 0: none does */
};

/*
 * Open the folder, make key and first file if they are not there, find the end of the log and
 * write `audit.started`. RC_IO, RC_FULL; RC_CORRUPT: the key is none. out_missing: events that
 * the head knows of and the files have not: the log was cut.
 */
MUST_CHECK enum rc audit_log_open(const char *path, const struct audit_log_options *options,
                                  struct audit_log **out, uint64_t *out_missing,
                                  struct err *err);
/* Writes `audit.stopped`. NULL is allowed. */
void audit_log_close(struct audit_log *log);

/* An event: members of a JSON object without braces (ecs.h). */
void audit_log_add(struct audit_log *log, struct slice members);
/* The same of an event that somebody waits for: what fails of it is written again by
 * audit_log_sync(), until that says RC_OK. So it may stand there twice. */
void audit_log_add_kept(struct audit_log *log, struct slice members);
/* Events behind the newest signature: sign at AUDIT_UNSIGNED_MAX. */
uint64_t audit_log_unsigned(const struct audit_log *log);
/* Events that a power cut may take: sync within AUDIT_UNSYNCED_USECS. */
uint64_t audit_log_unsynced(const struct audit_log *log);

/* On failure the events are gone, are counted, and `err` is for the other log. */
MUST_CHECK enum rc audit_log_flush(struct audit_log *log, struct err *err);
/* The same, and a signed line behind all others. */
MUST_CHECK enum rc audit_log_sign(struct audit_log *log, struct err *err);
/* The same, and all of it is durable: RC_OK is for what was added to be kept, too. Begins a new
 * file and drops old ones where it is time. */
MUST_CHECK enum rc audit_log_sync(struct audit_log *log, struct err *err);

#endif
