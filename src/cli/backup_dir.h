/*
 * backup_dir.h - a directory of backups of one store: manifests and the pool they share
 * [format], docs/formats/backup.md.
 *
 *     roost-backup       whose backups these are
 *     lock               held while somebody writes here
 *     manifests/TIME     one for each backup: what it consists of, and its own hash at the end
 *     pool/NAME-HASH     the files, each once however many backups hold it
 *
 * A manifest is written last, durable after all that it names: a backup without one is none.
 */
#ifndef ROOST_CLI_BACKUP_DIR_H
#define ROOST_CLI_BACKUP_DIR_H

#include "base/arena.h"
#include "cli/backup_file.h"

#define BACKUP_STORE_TEXT    33u /* 32 hex digits */
#define BACKUP_NAME_BYTES    96u
#define BACKUP_MANIFEST_MAX  ((size_t) 256 << 20) /* about 1.5 million files */
#define BACKUP_MANIFESTS_MAX 100000u

struct backup_entry {
    const char
        *name; /* below the data directory of a server: "mail/packs/...", "auth/auth.db" */
    uint64_t length;
    struct backup_hash hash; /* of the bytes in the pool, sealed ones if they are sealed */
};

struct backup_manifest {
    char file[BACKUP_NAME_BYTES]; /* its name in manifests/ */
    char store[BACKUP_STORE_TEXT];
    int64_t time_us;
    uint64_t lsn;
    bool has_secrets;
    struct backup_entry *entries; /* in order of names */
    size_t n, cap;
    struct arena *arena; /* the names */
};

struct backup_dir {
    char path[BACKUP_FILE_PATH];
    char store[BACKUP_STORE_TEXT]; /* "": nothing was backed up here yet */
    int lock;
    struct backup_manifest **manifests; /* oldest first */
    size_t n;
    char **bad; /* manifests that fail their own check: name and why */
    size_t n_bad;
};

struct backup_manifest *backup_manifest_new(void);
void backup_manifest_free(struct backup_manifest *manifest); /* NULL is allowed */
void backup_manifest_add(struct backup_manifest *manifest, const char *name, uint64_t length,
                         const struct backup_hash *hash);
const struct backup_entry *backup_manifest_find(const struct backup_manifest *manifest,
                                                const char *name);
/* The file's bytes; RC_CORRUPT for anything but what write writes. */
MUST_CHECK enum rc backup_manifest_decode(struct slice bytes, struct backup_manifest *out,
                                          struct err *err);

/*
 * Opens DIR and reads its manifests. RC_NOT_FOUND: no such directory; RC_INVALID: it holds
 * something else. for_writing: made if it is missing, its lock taken (RC_UNAVAILABLE: another
 * backup runs). store NULL: any; RC_CONFLICT: it holds another store's backups. Nothing is
 * changed on failure.
 */
MUST_CHECK enum rc backup_dir_open(const char *path, const char *store, bool for_writing,
                                   struct backup_dir *out, struct err *err);
void backup_dir_close(struct backup_dir *dir); /* also the AUTO cleanup */

void backup_pool_path(const struct backup_dir *dir, const char *name,
                      const struct backup_hash *hash, char out[BACKUP_FILE_PATH]);
/* Where a file is made before its hash is known. */
void backup_pool_new(const struct backup_dir *dir, char out[BACKUP_FILE_PATH]);
/* Give the new file its name; one that is there already stays. */
MUST_CHECK enum rc backup_pool_take(const struct backup_dir *dir, const char *new_path,
                                    const char *name, const struct backup_hash *hash,
                                    struct err *err);
bool backup_pool_has(const struct backup_dir *dir, const char *name, uint64_t length,
                     const struct backup_hash *hash);
/* A pack never changes and has random bytes in its header: the same name, length and header as
 * in an older backup make it the pack that was copied then, and its hash is known. */
bool backup_pack_is_known(const struct backup_dir *dir, const char *path, const char *name,
                          uint64_t length, struct backup_hash *out);
/* The pool is durable, then the manifest. It becomes the directory's newest. */
MUST_CHECK enum rc backup_dir_add(struct backup_dir *dir, struct backup_manifest *manifest,
                                  struct err *err);
/* Only the newest keep stay; pool files that no manifest names go. */
MUST_CHECK enum rc backup_dir_prune(struct backup_dir *dir, size_t keep, uint64_t *out_files,
                                    struct err *err);

/* The newest at or before the time; NULL: there is none. */
const struct backup_manifest *backup_dir_at(const struct backup_dir *dir, int64_t time_us);
/* "2026-11-21T23:41:56Z" */
void backup_time_text(int64_t time_us, char *out, size_t size);
/* The same, with a space for the T and without Z, or only the date; UTC. */
bool backup_time_parse(const char *text, int64_t *out_us);

#endif
