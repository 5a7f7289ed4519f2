/* backup_dir_names.h - names and the manifest's encoder, for backup_dir.c and
 * backup_manifest.c. */
#ifndef ROOST_CLI_BACKUP_DIR_NAMES_H
#define ROOST_CLI_BACKUP_DIR_NAMES_H

#include "base/buf.h"
#include "cli/backup_dir.h"

#define IDENTITY_FILE "roost-backup"
#define IDENTITY_HEAD SLICE("roost backup 1\nstore ")
#define LOCK_FILE     "lock"
#define MANIFEST_DIR  "manifests"
#define POOL_DIR      "pool"

/* Puts the entries in order and writes everything, the own hash last. */
void backup_manifest_encode(struct backup_manifest *manifest, struct buf *out);
/* Fills in manifest->file: its time. */
void backup_manifest_name(struct backup_manifest *manifest);

#endif
