/* backup_walk.h - `roost backup verify`: is what lies there what was backed up, and does it
 * open? */
#ifndef ROOST_CLI_BACKUP_WALK_H
#define ROOST_CLI_BACKUP_WALK_H

#include "cli/options.h"

/* quick: hashes only. key_file NULL: sealed files are hashed, not opened. */
int backup_verify(const struct cli_args *args, const char *path, bool quick,
                  const char *key_file);

#endif
