/*
 * backup_walk.c - the proof of a backup: each file against the hash in its manifests, then the
 * newest backup opened as a store and read to the last byte of the last message.
 */
#include "cli/backup_walk.h"

#include <jansson.h>
#include <sodium.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "cli/ask.h"
#include "cli/backup_tree.h"
#include "roles/offline.h"

#define BAD_SHOWN 1000u

struct verify {
    const struct cli_args *args;
    struct backup_dir dir;
    struct backup_key key;
    bool has_key;
    struct map *seen; /* paths of the pool */
    json_t *bad;
    uint64_t n_bad, n_files, n_bytes;
    struct offline_counts counts;
    struct progress progress;
};

static void note_bad(struct verify *verify, const char *what, const char *why)
{
    json_t *name;

    if (verify->n_bad++ >= BAD_SHOWN)
        return;
    name = json_string(what);
    (void) json_array_append_new(
        verify->bad,
        json_pack("{so ss}", "what", name != NULL ? name : json_string("?"), "why", why));
}

/* A key that is given is tried: a backup whose secrets nobody can open is found in time. */
static void check_sealed(struct verify *verify, const struct backup_entry *entry,
                         const char *path)
{
    char label[BACKUP_STORE_TEXT + BACKUP_NAME_BYTES];
    AUTO(freep) char *plain = NULL;
    size_t len = 0;
    struct err err;

    if (!verify->has_key || !slice_ends(slice_from_str(entry->name), SLICE(".sealed")))
        return;
    (void) snprintf(label, sizeof(label), "%s %s", verify->dir.store, entry->name);
    if (backup_unseal(&verify->key, slice_from_str(label), path, &plain, &len, &err) != RC_OK)
        note_bad(verify, path, err.text);
    else
        sodium_memzero(plain, len);
}

static void check_file(struct verify *verify, const struct backup_entry *entry)
{
    char path[BACKUP_FILE_PATH];
    struct backup_hash hash;
    struct err err;

    backup_pool_path(&verify->dir, entry->name, &entry->hash, path);
    if (map_put(verify->seen, slice_from_str(path), verify) != NULL)
        return;
    verify->n_files++;
    verify->n_bytes += entry->length;
    progress_tell(&verify->progress, verify->n_files, 0, 0);
    if (backup_hash_file(path, entry->length, &hash, &err) != RC_OK)
        note_bad(verify, path, err.detail);
    else if (strcmp(hash.text, entry->hash.text) != 0)
        note_bad(verify, path, "its bytes are not those that were backed up");
    else
        check_sealed(verify, entry, path);
}

static void bad_message(void *ctx, uint64_t account, struct slice mailbox, uint32_t uid,
                        const struct err *err)
{
    char what[256];

    (void) snprintf(what, sizeof(what), "account %016llx mailbox %.*s uid %u",
                    (unsigned long long) account, SLICE_ARG(slice_sub(mailbox, 0, 150)), uid);
    note_bad(ctx, what, err->text);
}

static void walk_store(struct verify *verify, const char *scratch,
                       const struct backup_tree *tree)
{
    const struct offline_options options = {scratch, tree->until_us, tree->least_lsn};
    AUTO(freep) uint64_t *accounts = NULL;
    struct mail_store *store = NULL;
    struct err err;
    size_t n = 0;
    enum rc rc = offline_open(&options, &store, &err);

    if (rc == RC_OK)
        rc = offline_accounts(store, &accounts, &n, &err);
    if (rc)
        note_bad(verify, "the newest backup, opened as a store", err.detail);
    for (size_t i = 0; rc == RC_OK && i < n; i++) {
        progress_tell(&verify->progress, verify->n_files, i, n);
        offline_walk(store, accounts[i], bad_message, verify, &verify->counts);
    }
    offline_close(store);
}

static void open_newest(struct verify *verify)
{
    const struct backup_wish wish = {.dir = &verify->dir, .may_link = true};
    char scratch[BACKUP_FILE_PATH];
    struct backup_tree tree;
    struct err err;

    if (verify->dir.n == 0)
        return;
    if (backup_scratch_make(&verify->dir, NULL, scratch, &err) != RC_OK) {
        note_bad(verify, "the newest backup, opened as a store", err.detail);
        return;
    }
    log_set_level(LEVEL_ERROR);
    if (backup_tree_make(&wish, scratch, &tree, &err) == RC_OK)
        walk_store(verify, scratch, &tree);
    else
        note_bad(verify, "the newest backup, opened as a store", err.detail);
    backup_scratch_remove(scratch);
}

static void report_json(const struct verify *verify, double seconds)
{
    json_t *out = json_pack(
        "{sI sI sI sI sI sI sI sI sO sf}", "backups", (json_int_t) verify->dir.n, "files",
        (json_int_t) verify->n_files, "bytes", (json_int_t) verify->n_bytes, "accounts",
        (json_int_t) verify->counts.accounts, "mailboxes",
        (json_int_t) verify->counts.mailboxes, "messages", (json_int_t) verify->counts.messages,
        "message_bytes", (json_int_t) verify->counts.bytes, "bad", (json_int_t) verify->n_bad,
        "problems", verify->bad, "seconds", seconds);

    (void) json_dumpf(out, stdout, JSON_INDENT(2));
    (void) fputc('\n', stdout);
    json_decref(out);
}

static void report(const struct verify *verify, bool quick, double seconds)
{
    const json_t *row;
    size_t at;

    if (verify->args->json) {
        report_json(verify, seconds);
        return;
    }
    json_array_foreach(verify->bad, at, row)
    {
        (void) printf("bad: ");
        cli_put_text(stdout, json_string_value(json_object_get(row, "what")));
        (void) printf(": %s\n", json_string_value(json_object_get(row, "why")));
    }
    (void) printf("%zu backups, %llu files, %.1f MB compared\n", verify->dir.n,
                  (unsigned long long) verify->n_files, (double) verify->n_bytes / 1e6);
    if (!quick)
        (void) printf(
            "the newest opened: %llu accounts, %llu mailboxes, %llu messages, %.1f MB "
            "read\n",
            (unsigned long long) verify->counts.accounts,
            (unsigned long long) verify->counts.mailboxes,
            (unsigned long long) verify->counts.messages, (double) verify->counts.bytes / 1e6);
    (void) printf("%s; %.1f s\n", verify->n_bad == 0 ? "all of it is right" : "NOT all right",
                  seconds);
}

static int run_verify(struct verify *verify, bool quick)
{
    verify->seen = map_new();
    verify->bad = json_array();
    progress_start(&verify->progress, "files", verify->args->json);
    for (size_t i = 0; i < verify->dir.n_bad; i++)
        note_bad(verify, verify->dir.bad[i], "the manifest cannot be used");
    if (verify->dir.n == 0)
        note_bad(verify, verify->dir.path, "holds no whole backup");
    for (size_t m = 0; m < verify->dir.n; m++)
        for (size_t i = 0; i < verify->dir.manifests[m]->n; i++)
            check_file(verify, &verify->dir.manifests[m]->entries[i]);
    if (!quick)
        open_newest(verify);
    report(verify, quick, progress_end(&verify->progress));
    map_free(verify->seen);
    json_decref(verify->bad);
    return verify->n_bad == 0 ? CLI_OK : CLI_FAILED;
}

int backup_verify(const struct cli_args *args, const char *path, bool quick,
                  const char *key_file)
{
    struct verify verify = {.args = args, .dir = {.lock = -1}, .has_key = key_file != NULL};
    struct err err;
    enum rc rc = RC_OK;
    int code = CLI_FAILED;

    if (key_file != NULL)
        rc = backup_key_read(key_file, &verify.key, &err);
    if (rc == RC_OK)
        rc = backup_dir_open(path, NULL, false, &verify.dir, &err);
    if (rc)
        (void) fprintf(stderr, "roost: %s (%s)\n", err.text, err.detail);
    else
        code = run_verify(&verify, quick);
    backup_dir_close(&verify.dir);
    sodium_memzero(&verify.key, sizeof(verify.key));
    return code;
}
