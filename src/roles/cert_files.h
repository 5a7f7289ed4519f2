/*
 * cert_files.h - certificates as they lie on disk: read by the supervisor, who may; their keys
 * are opened only, and read by the role keys.
 *
 * Each `certificate` has its `certificate_key`, and beside it may lie an OCSP answer,
 * CERTIFICATE.ocsp (DER). Memory: a set owns its slices and descriptors until
 * cert_files_done().
 */
#ifndef ROOST_ROLES_CERT_FILES_H
#define ROOST_ROLES_CERT_FILES_H

#include "config/config.h"
#include "net/tls.h"

struct cert_file {
    struct slice name, key_name; /* of the two files */
    struct slice chain, staple;
    int key_fd; /* -1: given away, or never opened */
};

struct cert_files {
    struct cert_file list[TLS_PAIRS_MAX];
    size_t n;
};

/* What changes when a file is replaced or written; zero where there is none. */
struct file_stamp {
    int64_t mtime_ns, size;
    uint64_t inode;
};

/* Of the chain, the key and the OCSP answer of each pair. */
struct cert_stamps {
    struct file_stamp files[TLS_PAIRS_MAX][3];
};

/* All pairs or none. RC_NOT_FOUND, RC_DENIED, RC_IO, RC_LIMIT. */
MUST_CHECK enum rc cert_files_read(const struct config *config, struct cert_files *out,
                                   struct err *err);
void cert_files_close_keys(struct cert_files *files);
void cert_files_done(struct cert_files *files);
void cert_files_stamp(const struct config *config, struct cert_stamps *out);

#endif
