/*
 * backup_host.h - the rest of a server that is restored onto an empty machine: its folders,
 * credentials, configuration, certificate.
 */
#ifndef ROOST_CLI_BACKUP_HOST_H
#define ROOST_CLI_BACKUP_HOST_H

#include "cli/backup_dir.h"

#define BACKUP_NOTE_BYTES 1024u

struct backup_host {
    char data[BACKUP_FILE_PATH];
    char config[BACKUP_FILE_PATH];
    bool has_pepper;
    char note[BACKUP_NOTE_BYTES]; /* what the administrator has to look at; "" */
};

/* Is key_file (NULL: none) that of the newest backup's secrets? RC_DENIED if not; RC_INVALID:
 * there are secrets and no key was given. */
MUST_CHECK enum rc backup_host_check_key(const struct backup_dir *dir, const char *key_file,
                                         struct err *err);
/* The data directory with an empty mail folder. RC_EXISTS: something is there. */
MUST_CHECK enum rc backup_host_begin(struct backup_host *host, const char *data,
                                     struct err *err);
/* All but the store; then everything gets the owners a server wants. */
MUST_CHECK enum rc backup_host_finish(struct backup_host *host, const struct backup_dir *dir,
                                      const struct backup_manifest *manifest,
                                      const char *key_file, struct err *err);

#endif
