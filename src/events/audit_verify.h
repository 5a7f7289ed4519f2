/*
 * audit_verify.h - is the audit log as it was written?
 *
 * Spec: docs/formats/audit.md, "What verification proves". Reads each file once, a line at a
 * time; 1,000,000 events take some seconds.
 */
#ifndef ROOST_EVENTS_AUDIT_VERIFY_H
#define ROOST_EVENTS_AUDIT_VERIFY_H

#include "events/audit_line.h"

struct audit_verify_options {
    const unsigned char *public_key; /* AUDIT_PUBLIC_KEY_BYTES */
    const struct audit_mark *at;     /* a line that a receiver has; NULL: none */
    /* Something is not as it was written. file: "" for the log as a whole; line from 1. */
    void (*finding)(void *ctx, const char *file, uint64_t line, const char *what);
    void *ctx;
};

struct audit_report {
    uint64_t n_files, n_events, n_signed, n_findings;
    uint64_t first, last;     /* sequence numbers */
    uint64_t n_unsigned;      /* events behind the newest signature */
    struct audit_mark newest; /* signed */
};

/* RC_OK: it was read; whether it is whole is in out->n_findings. RC_IO, RC_NOT_FOUND. */
MUST_CHECK enum rc audit_verify(int folder, const struct audit_verify_options *options,
                                struct audit_report *out, struct err *err);

#endif
