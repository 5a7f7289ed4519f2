/*
 * provider_file.h - NAME.conf of one provider: libconfuse's form, as roost.conf, with the
 * settings of its kind.
 *
 * It may hold a secret, so nobody but its owner and group may read it, and no message repeats a
 * value that stands in it.
 */
#ifndef ROOST_IDP_PROVIDER_FILE_H
#define ROOST_IDP_PROVIDER_FILE_H

#include <confuse.h>

#include "base/arena.h"
#include "base/slice.h"

#define PROVIDER_FILE_MAX_BYTES (64u << 10)
#define PROVIDER_LIST_MAX       64u                /* values of one list */
#define PROVIDER_CA_MAX_BYTES   ((size_t) 4 << 20) /* Debian's whole bundle has 220 KiB */

struct provider_list {
    struct slice items[PROVIDER_LIST_MAX];
    size_t n;
};

/* RC_NOT_FOUND, RC_DENIED (others may read it), RC_LIMIT, RC_INVALID. cfg_free() what comes. */
MUST_CHECK enum rc provider_file_read(const char *path, cfg_opt_t *options, cfg_t **out,
                                      struct err *err);
void provider_file_freep(cfg_t **cfg);

/* The value of a setting, with a NUL behind it; empty if it is not set. */
struct slice provider_file_text(cfg_t *cfg, const char *name, struct arena *arena);
/* RC_LIMIT: too many. */
MUST_CHECK enum rc provider_file_list(cfg_t *cfg, const char *name, struct arena *arena,
                                      struct provider_list *out, struct err *err);
bool provider_list_has(const struct provider_list *list, struct slice item);

/* A small file read whole, with a NUL behind it: certificates, keys. Relative to nothing. */
MUST_CHECK enum rc provider_read_whole(const char *path, size_t max, struct arena *arena,
                                       struct slice *out, struct err *err);

#endif
