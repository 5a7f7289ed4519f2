/*
 * backup_file.h - files in and out of a backup: copied or linked, hashed, checked, sealed
 * [format], docs/formats/backup.md.
 *
 * A hash is BLAKE2b-256, in 64 hex digits. A sealed file is libsodium's secretstream
 * (XChaCha20-Poly1305) under a key made from the administrator's key file; the store's uuid and
 * the file's name are authenticated with it, so that no sealed file can be put in the place of
 * another. Everything written is durable when a function returns RC_OK.
 */
#ifndef ROOST_CLI_BACKUP_FILE_H
#define ROOST_CLI_BACKUP_FILE_H

#include <stdbool.h>

#include "base/slice.h"

#define BACKUP_HASH_BYTES   32u
#define BACKUP_HASH_TEXT    (2 * BACKUP_HASH_BYTES + 1)
#define BACKUP_KEY_BYTES    32u
#define BACKUP_KEY_FILE_MIN 32u
#define BACKUP_KEY_FILE_MAX ((size_t) 1 << 20)
#define BACKUP_SECRET_MAX   ((size_t) 16 << 20) /* what is sealed is small */
#define BACKUP_FILE_PATH    4096u

struct backup_hash {
    char text[BACKUP_HASH_TEXT];
};

struct backup_key {
    unsigned char bytes[BACKUP_KEY_BYTES];
};

void backup_hash_bytes(struct slice bytes, struct backup_hash *out);
/* All of a file of this length. RC_CORRUPT: it is shorter or longer. RC_NOT_FOUND. */
MUST_CHECK enum rc backup_hash_file(const char *path, uint64_t length, struct backup_hash *out,
                                    struct err *err);
/* The first `length` bytes of from into a new file `to` (0600). RC_CORRUPT: from is shorter. */
MUST_CHECK enum rc backup_copy_file(const char *from, uint64_t length, const char *to,
                                    struct backup_hash *out, struct err *err);
/* A second name for a file that nobody changes, hashed; copied where no link can be made. */
MUST_CHECK enum rc backup_link_file(const char *from, uint64_t length, const char *to,
                                    struct backup_hash *out, struct err *err);
MUST_CHECK enum rc backup_write_file(const char *to, struct slice bytes, struct err *err);
/* A whole small file; free() it. RC_NOT_FOUND, RC_LIMIT. */
MUST_CHECK enum rc backup_read_file(const char *path, size_t max, char **out, size_t *out_len,
                                    struct err *err);
MUST_CHECK enum rc backup_sync_folder(const char *path, struct err *err);

/* From the bytes of a key file: at least BACKUP_KEY_FILE_MIN of them. */
MUST_CHECK enum rc backup_key_read(const char *path, struct backup_key *out, struct err *err);
/* Plain bytes into a sealed file, and back (free() it). label: store and name. RC_DENIED: the
 * key is another one, or the bytes were changed. */
MUST_CHECK enum rc backup_seal(const struct backup_key *key, struct slice label,
                               struct slice plain, const char *to, struct err *err);
MUST_CHECK enum rc backup_unseal(const struct backup_key *key, struct slice label,
                                 const char *from, char **out, size_t *out_len,
                                 struct err *err);

#endif
