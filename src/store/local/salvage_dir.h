/*
 * salvage_dir.h - salvage/: where files go that are damaged, or that nothing names. Nothing
 * there is read again by the server or removed by it.
 */
#ifndef ROOST_STORE_LOCAL_SALVAGE_DIR_H
#define ROOST_STORE_LOCAL_SALVAGE_DIR_H

#include <stdbool.h>

#include "base/err.h"

/* The file root/folder/name, with a second name in salvage/ (move: with that name only), made
 * durable. An event tells of it, with why. */
MUST_CHECK enum rc salvage_keep(int root, const char *folder, const char *name, bool move,
                                const char *why, struct err *err);
/* The same, with a copy of the file: for one that is written to again. RC_FULL. */
MUST_CHECK enum rc salvage_copy(int root, const char *folder, const char *name, const char *why,
                                struct err *err);

#endif
